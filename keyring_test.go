package tokenauth

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// ringKey returns an HS256 key, and one that signs for it.
func ringKey(id string) (Key, SigningKey) {
	signing := must(NewSigningKey(id, "HS256", must(generateFor("HS256"))))
	return signing.VerifyingKey(), signing
}

func TestKeyRingFindsByExactID(t *testing.T) {
	ctx := context.Background()
	a, _ := ringKey("a")
	b, _ := ringKey("b")
	none, _ := ringKey("")
	ring, err := NewKeyRing(a, b, none)
	require.NoError(t, err)
	for id, want := range map[string]Key{"a": a, "b": b, "": none} {
		got, err := ring.Key(ctx, id)
		require.NoError(t, err, id)
		require.True(t, got == want, id)
	}
	for _, id := range []string{"A", "a ", "ab", "c", "\x00"} {
		got, err := ring.Key(ctx, id)
		require.ErrorIs(t, err, ErrUnknownKey, id)
		require.ErrorIs(t, err, ErrInvalidToken, id)
		require.True(t, got.isZero())
	}
	require.Equal(t, []Key{a, b, none}, ring.Keys(), "in the order given")
	ring.Keys()[0] = Key{}
	require.Equal(t, []Key{a, b, none}, ring.Keys(), "a copy")

	named, err := NewKeyRing(a)
	require.NoError(t, err)
	_, err = named.Key(ctx, "")
	require.ErrorIs(t, err, ErrUnknownKey, "no key without id")
}

func TestKeyRingRefuses(t *testing.T) {
	a, _ := ringKey("a")
	otherA, _ := ringKey("a")
	n1, _ := ringKey("")
	n2, _ := ringKey("")
	n3, _ := ringKey("")
	n4, _ := ringKey("")
	n5, _ := ringKey("")
	ed := must(NewSigningKey("", "EdDSA", must(generateFor("EdDSA")))).VerifyingKey()
	four, err := NewKeyRing(n1, n2, n3, n4)
	require.NoError(t, err)
	joined := must(four.Key(context.Background(), ""))
	for _, c := range []struct {
		name string
		keys []Key
		want string // "": accepted
	}{
		{"one", []Key{a}, ""},
		{"the zero key", []Key{{}}, "key 1 is the zero Key"},
		{"the zero key among others", []Key{a, n1, {}}, "key 3 is the zero Key"},
		{"an id twice", []Key{a, n1, otherA}, "key 3 has the id"},
		{"a key twice", []Key{a, a}, "key 2 has the id"},
		{"four without id", []Key{n1, a, n2, n3, n4}, ""},
		{"five without id", []Key{n1, n2, n3, n4, n5}, "more than 4"},
		{"without id, of two algorithms", []Key{n1, ed}, "several algorithms"},
		{"without id, twice the same", []Key{n1, n2, n1}, "twice"},
		{"several in one", []Key{a, joined}, ""},
		{"several in one, and one more", []Key{joined, n5}, "more than 4"},
		{"several in one, one of them again", []Key{must(must(NewKeyRing(n1, n2)).Key(context.Background(), "")), n2}, "twice"},
	} {
		_, err := NewKeyRing(c.keys...)
		if c.want == "" {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorContains(t, err, c.want, c.name)
		}
	}
	_, err = NewKeyRing()
	require.ErrorContains(t, err, "no key")
}

func TestKeysWithoutIDAreOne(t *testing.T) {
	ctx := context.Background()
	const input = "a.b"
	k1, s1 := ringKey("")
	k2, s2 := ringKey("")
	k3, s3 := ringKey("")
	_, stranger := ringKey("")
	ring, err := NewKeyRing(k1, k2, k3)
	require.NoError(t, err)
	joined, err := ring.Key(ctx, "")
	require.NoError(t, err)
	require.Equal(t, "HS256", joined.Algorithm())
	require.Equal(t, "", joined.ID())
	require.Nil(t, joined.Public())
	require.False(t, joined.isZero())
	require.Equal(t, []Key{k1, k2, k3}, ring.Keys())
	for _, s := range []SigningKey{s1, s2, s3} {
		require.True(t, joined.verify(input, must(s.sign(input))))
	}
	require.False(t, joined.verify(input, must(stranger.sign(input))))
	require.False(t, joined.verify(input, nil))

	// The fingerprint is that of them all.
	sum := joined.fingerprint()
	require.NoError(t, ring.Replace(k1, k2, k3))
	require.Equal(t, sum, must(ring.Key(ctx, "")).fingerprint())
	for _, keys := range [][]Key{{k1, k2}, {k1}, {k2, k3}} {
		require.NoError(t, ring.Replace(keys...))
		require.NotEqual(t, sum, must(ring.Key(ctx, "")).fingerprint())
	}
	again := must(must(NewKeyRing(joined)).Key(ctx, ""))
	require.Equal(t, sum, again.fingerprint(), "several in one stay what they are in another ring")
}

// X11, as far as the ring goes: a verifier asks for the key of a remembered token again, and compares fingerprints.
func TestX11ReplaceTakesEffectAtOnce(t *testing.T) {
	ctx := context.Background()
	old, _ := ringKey("k")
	ring, err := NewKeyRing(old)
	require.NoError(t, err)

	t.Run("replaced under the same kid", func(t *testing.T) {
		other, _ := ringKey("k")
		require.NoError(t, ring.Replace(other))
		require.NotEqual(t, old.fingerprint(), must(ring.Key(ctx, "k")).fingerprint())
	})
	t.Run("removed", func(t *testing.T) {
		other, _ := ringKey("other")
		require.NoError(t, ring.Replace(other))
		_, err := ring.Key(ctx, "k")
		require.ErrorIs(t, err, ErrUnknownKey)
	})
	t.Run("all or nothing", func(t *testing.T) {
		require.NoError(t, ring.Replace(old))
		other, _ := ringKey("other")
		require.Error(t, ring.Replace(other, Key{}))
		require.Equal(t, []Key{old}, ring.Keys())
		require.True(t, must(ring.Key(ctx, "k")) == old)
		_, err := ring.Key(ctx, "other")
		require.ErrorIs(t, err, ErrUnknownKey)
	})
	t.Run("emptied", func(t *testing.T) {
		require.NoError(t, ring.Replace())
		require.Empty(t, ring.Keys())
		_, err := ring.Key(ctx, "k")
		require.ErrorIs(t, err, ErrUnknownKey)
	})
}

// The rotation that KeyRing's doc tells: at no step is there a token in use that the ring refuses.
func TestRotationRefusesNoGoodToken(t *testing.T) {
	ctx := context.Background()
	old, signOld := ringKey("old")
	next, signNew := ringKey("new")
	ring, err := NewKeyRing(old)
	require.NoError(t, err)
	accepts := func(s SigningKey) bool {
		key, err := ring.Key(ctx, s.ID())
		return err == nil && key.verify("a.b", must(s.sign("a.b")))
	}
	require.True(t, accepts(signOld))
	require.NoError(t, ring.Replace(old, next))
	require.True(t, accepts(signOld))
	require.True(t, accepts(signNew))
	require.NoError(t, ring.Replace(next))
	require.False(t, accepts(signOld))
	require.True(t, accepts(signNew))
}

// A reader sees the keys from before or those from after, and never some of each.
func TestReplaceIsAtomic(t *testing.T) {
	ctx := context.Background()
	a1, _ := ringKey("a")
	b1, _ := ringKey("b")
	a2, _ := ringKey("a")
	b2, _ := ringKey("b")
	ring, err := NewKeyRing(a1, b1)
	require.NoError(t, err)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				keys := ring.Keys()
				if (keys[0] == a1) != (keys[1] == b1) {
					t.Error("keys from before and after")
				}
				if _, err := ring.Key(ctx, "a"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 1000 {
		require.NoError(t, ring.Replace(a2, b2))
		require.Error(t, ring.Replace(a1, b2, b1))
		require.NoError(t, ring.Replace(a1, b1))
	}
	close(done)
	wg.Wait()
}

func TestAskingARingAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	a, _ := ringKey("a")
	n1, _ := ringKey("")
	n2, _ := ringKey("")
	ring, err := NewKeyRing(a, n1, n2)
	require.NoError(t, err)
	for _, id := range []string{"a", "", "unknown"} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			k, err := ring.Key(ctx, id)
			if err == nil && k.fingerprint() == [32]byte{} {
				t.Error("no fingerprint")
			}
		}), id)
	}
}
