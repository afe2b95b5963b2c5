package tokenauth

import (
	"bytes"
	"reflect"
	"sync"
	"testing"

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
