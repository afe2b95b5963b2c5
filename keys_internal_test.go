package tokenauth

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a key keeps for the next HMAC is as good as its secret, and stays behind the same function value: whoever walks a key by
// reflection, as printers and encoders do, comes to no pool.
func TestNoPoolIsReachableFromAKey(t *testing.T) {
	secret := bytes.Repeat([]byte("canary42"), 4)
	signing, err := NewSigningKey("k", "HS256", secret)
	require.NoError(t, err)
	signature, err := signing.sign("a.b")
	require.NoError(t, err)
	require.True(t, signing.VerifyingKey().verify("a.b", signature), "so that there is something in the pool")
	ring, err := NewKeyRing(signing.VerifyingKey())
	require.NoError(t, err)
	for _, v := range []any{signing, signing.VerifyingKey(), ring.keys.Load()} {
		types := typesBelow(reflect.ValueOf(v), map[reflect.Type]bool{})
		require.True(t, types[reflect.TypeFor[keyData]()], "the walk goes below the surface of a %T", v)
		require.False(t, types[reflect.TypeFor[sync.Pool]()], "%T", v)
	}
	require.True(t, typesBelow(reflect.ValueOf(signing.d.key.d.material()), map[reflect.Type]bool{})[reflect.TypeFor[sync.Pool]()],
		"behind the function there is one, or this test proves nothing")
}

// typesBelow adds to seen the types of v and of all that can be reached from it.
func typesBelow(v reflect.Value, seen map[reflect.Type]bool) map[reflect.Type]bool {
	if !v.IsValid() {
		return seen
	}
	seen[v.Type()] = true
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			typesBelow(v.Elem(), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			typesBelow(v.Field(i), seen)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			typesBelow(v.Index(i), seen)
		}
	case reflect.Map:
		for _, name := range v.MapKeys() {
			typesBelow(v.MapIndex(name), seen)
		}
	}
	return seen
}

// Copies of a key share what it keeps, and are equal as ever; two keys of one secret are not, and have one fingerprint.
func TestKeepingHMACStatesChangesNoEquality(t *testing.T) {
	secret := bytes.Repeat([]byte{3}, 32)
	key, err := NewKey("k", "HS256", secret)
	require.NoError(t, err)
	other, err := NewKey("k", "HS256", secret)
	require.NoError(t, err)
	signing, err := NewSigningKey("k", "HS256", secret)
	require.NoError(t, err)
	signature, err := signing.sign("a.b")
	require.NoError(t, err)
	duplicate, before := key, key.fingerprint()
	require.True(t, duplicate.verify("a.b", signature))
	require.True(t, key == duplicate)
	require.False(t, key == other)
	require.Equal(t, before, key.fingerprint())
	require.Equal(t, other.fingerprint(), key.fingerprint())
}

// Good and bad signatures at the same time, under a key whose HMACs are used again: each token is answered for itself. Nothing is
// remembered here, so that each of them is computed.
func TestHMACsUsedAgainConfuseNoTokens(t *testing.T) {
	secret := bytes.Repeat([]byte{9}, 32)
	signing, err := NewSigningKey("k", "HS256", secret)
	require.NoError(t, err)
	profile := Profile{Issuers: []string{"i"}, Audiences: []string{"a"}}
	issuer, err := NewIssuer(IssuerConfig{Profile: profile, Key: signing})
	require.NoError(t, err)
	v, err := NewVerifier(VerifierConfig{Profile: profile, Keys: signing.VerifyingKey(), Revocation: Unenforced("test"), CacheSize: -1})
	require.NoError(t, err)
	const subjects = 6
	var input, signature [subjects]string
	for i := range subjects {
		issued, err := issuer.Sign(t.Context(), SystemAuthority("test"), NewClaims(strings.Repeat("x", 1+40*i), time.Hour, []string{"r"}, ""))
		require.NoError(t, err)
		dot := strings.LastIndexByte(issued.Token.Reveal(), '.')
		input[i], signature[i] = issued.Token.Reveal()[:dot], issued.Token.Reveal()[dot:]
	}
	var hands sync.WaitGroup
	for hand := range 8 {
		hands.Go(func() {
			for n := range 500 {
				i, j := (n+hand)%subjects, (n+3*hand+n/subjects)%subjects
				p, err := v.Verify(t.Context(), input[i]+signature[j])
				switch {
				case i == j && (err != nil || len(p.Subject()) != 1+40*i):
					t.Errorf("token %d: %v, %v", i, p, err)
				case i != j && (p != nil || !errors.Is(err, ErrSignature)):
					t.Errorf("token %d with the signature of %d: %v, %v", i, j, p, err)
				}
			}
		})
	}
	hands.Wait()
}
