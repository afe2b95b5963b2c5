package tokenauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// A KeyRing is a KeySet in memory, replaced all at once or not at all. A verifier asks it for each token, so that what Replace
// drops is refused from then on, even where the token was verified before. Reading takes no lock. The zero KeyRing knows no key.
//
// To rotate a signing key without refusing one good token:
//
//  1. publish the new verifying key beside the old: Replace(old, new) in each service, or in the published JWK set;
//  2. wait until everyone has it: one cache age of the set, or the roll-out of the configuration;
//  3. Issuer.UseKey(new): from now on it signs;
//  4. wait the longest lifetime of a token, so that nothing good is left that the old key signed;
//  5. drop the old key: Replace(new).
//
// Keys without id rotate in the same way, up to four of them. If a key has become known to someone else there is nothing to
// wait for: Replace it at once, and every token it signed dies.
type KeyRing struct {
	keys atomic.Pointer[ringKeys]
}

// ringKeys is what a ring holds at one time. It never changes.
type ringKeys struct {
	all  []Key
	byID map[string]Key
}

// maxKeysWithoutID bounds how many signatures a token without kid is checked against.
const maxKeysWithoutID = 4

var _ KeySet = (*KeyRing)(nil)

// NewKeyRing returns a ring of one key or more. Duplicate ids and zero keys are refused, but up to four keys without id, of one
// algorithm, are one: Key(ctx, "") returns a Key that verifies by any of them, tried in order, and whose fingerprint is that of
// them all. So a legacy secret whose tokens have no kid can rotate. What one of them proved rests on that one: nobody is logged
// out when another joins it or leaves.
func NewKeyRing(keys ...Key) (*KeyRing, error) {
	if len(keys) == 0 {
		return nil, errors.New("tokenauth: key ring: there is no key")
	}
	r := new(KeyRing)
	if err := r.Replace(keys...); err != nil {
		return nil, err
	}
	return r, nil
}

// Replace swaps all keys at once; on an error, which NewKeyRing would have for these keys too, the ring is as it was. Without
// keys it empties the ring: from then on every token is refused.
func (r *KeyRing) Replace(keys ...Key) error {
	next, err := newRingKeys(keys)
	if err != nil {
		return fmt.Errorf("tokenauth: key ring: %w", err)
	}
	r.keys.Store(next)
	return nil
}

func newRingKeys(keys []Key) (*ringKeys, error) {
	ring := &ringKeys{byID: make(map[string]Key, len(keys))}
	var nameless []Key
	for i, k := range keys {
		switch {
		case k.isZero():
			return nil, fmt.Errorf("key %d is the zero Key", i+1)
		case k.d.parts != nil:
			nameless = append(nameless, k.d.parts...)
			ring.all = append(ring.all, k.d.parts...)
			continue
		case k.ID() == "":
			nameless = append(nameless, k)
		case !ring.byID[k.ID()].isZero():
			return nil, fmt.Errorf("key %d has the id of an earlier one", i+1)
		default:
			ring.byID[k.ID()] = k
		}
		ring.all = append(ring.all, k)
	}
	if len(nameless) > 0 {
		joined, err := joinKeys(nameless)
		if err != nil {
			return nil, err
		}
		ring.byID[""] = joined
	}
	return ring, nil
}

// joinKeys makes one key of those without id.
func joinKeys(keys []Key) (Key, error) {
	if len(keys) == 1 {
		return keys[0], nil
	}
	if len(keys) > maxKeysWithoutID {
		return Key{}, fmt.Errorf("there are more than %d keys without id", maxKeysWithoutID)
	}
	prints := make([][]byte, 0, len(keys))
	for _, k := range keys {
		if k.Algorithm() != keys[0].Algorithm() {
			return Key{}, errors.New("the keys without id are of several algorithms")
		}
		sum := k.fingerprint()
		if slices.ContainsFunc(prints, func(p []byte) bool { return bytes.Equal(p, sum[:]) }) {
			return Key{}, errors.New("a key without id is there twice")
		}
		prints = append(prints, sum[:])
	}
	return Key{&keyData{
		alg:   keys[0].Algorithm(),
		sum:   fingerprintOf("keys", prints...),
		parts: keys,
	}}, nil
}

// Key implements KeySet. An id that the ring does not hold is an error wrapping ErrUnknownKey.
func (r *KeyRing) Key(_ context.Context, id string) (Key, error) {
	if ring := r.keys.Load(); ring != nil {
		if k, ok := ring.byID[id]; ok {
			return k, nil
		}
	}
	return Key{}, ErrUnknownKey
}

// AnswersFromMemory marks r as a KeySet that needs no timer.
func (r *KeyRing) AnswersFromMemory() {}

// Keys returns the ring's keys in the order they were given, to publish. Secrets are among them; their Public is nil.
func (r *KeyRing) Keys() []Key {
	if ring := r.keys.Load(); ring != nil {
		return slices.Clone(ring.all)
	}
	return nil
}
