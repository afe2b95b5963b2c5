package attack

import (
	"context"
	"errors"

	"github.com/a74cfa30/tokenauth"
)

// How this library is asked, and at the same time an example of how to hold another one to the corpus.

// Verifier returns the verifier of this library that trusts whom the row says. An error means that the keys were refused.
func (r Row) Verifier() (*tokenauth.Verifier, error) {
	configs := make([]tokenauth.VerifierConfig, len(r.Authorities))
	for i, a := range r.Authorities {
		keys, err := a.ring()
		if err != nil {
			return nil, err
		}
		configs[i] = tokenauth.VerifierConfig{
			Profile:    a.Profile,
			Keys:       keys,
			Revocation: tokenauth.Unenforced("the corpus knows no state"),
			Now:        Now,
		}
	}
	v, err := tokenauth.NewVerifier(configs...)
	if err != nil {
		panic(err) // the corpus is wrong, and not the keys
	}
	return v, nil
}

// ring returns the authority's keys, if all of them are fit.
func (a Authority) ring() (*tokenauth.KeyRing, error) {
	if a.KeySet != nil {
		keys, err := tokenauth.ParseKeys(a.KeySet)
		if err != nil {
			return nil, err
		}
		return tokenauth.NewKeyRing(keys...)
	}
	keys := make([]tokenauth.Key, len(a.Keys))
	for i, k := range a.Keys {
		var err error
		if keys[i], err = tokenauth.NewKey(k.ID, k.Algorithm, k.Material); err != nil {
			return nil, err
		}
	}
	return tokenauth.NewKeyRing(keys...)
}

// Judge returns this library's answer to the row, in the words of Row.Want, and its error. The error is nil if the answer is OK.
func Judge(ctx context.Context, r Row) (answer string, err error) {
	v, err := r.Verifier()
	if err != nil {
		return KeyRefused, err
	}
	return r.Judge(ctx, v)
}

// Judge is the answer of a verifier, such as that of Verifier, to the row.
func (r Row) Judge(ctx context.Context, v *tokenauth.Verifier) (answer string, err error) {
	switch err := r.ask(ctx, v); {
	case err == nil:
		return OK, nil
	case errors.Is(err, errNotHeld):
		return NotHeld, err
	default:
		return tokenauth.ErrorCode(err), err
	}
}

// errNotHeld is the answer to a question for a capability, which Principal.HasCap answers without an error.
var errNotHeld = errors.New("attack: the capability is not held")

func (r Row) ask(ctx context.Context, v *tokenauth.Verifier) error {
	q := r.Ask
	if q.Kind != "" || q.ID != "" || q.Level != tokenauth.LevelNone {
		_, err := v.Authorize(ctx, r.Token, q.Kind, q.ID, q.Level)
		return err
	}
	p, err := v.Verify(ctx, r.Token)
	switch {
	case err != nil:
		return err
	case q.Role != "":
		return p.RequireRole(q.Role)
	case q.OAuthScope != "":
		return p.RequireOAuthScope(q.OAuthScope)
	case q.Capability != "" && !p.HasCap(q.Capability):
		return errNotHeld
	}
	return nil
}
