package jwa

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"fmt"
	"hash"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// A MAC says what golang-jwt's method says, which begins anew each time: for inputs around the length of a block and of the room that a
// state has, one after the other by the same states.
func TestMACSaysWhatGolangJWTSays(t *testing.T) {
	for _, name := range []string{"HS256", "HS384", "HS512"} {
		a, _ := Lookup(name)
		for _, secret := range [][]byte{bytes.Repeat([]byte{1}, a.Hash.Size()), bytes.Repeat([]byte{2}, maxSecretBytes)} {
			m := NewMAC(a.Hash, secret)
			for _, length := range []int{0, 1, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1024, 1025, 5000, 3, 0, 600} {
				input := strings.Repeat("i", length)
				want, err := a.method().Sign(input, secret)
				require.NoError(t, err)
				require.Equal(t, want, m.AppendSum(nil, input), "%s, %d bytes", name, length)
				require.Equal(t, append([]byte("before "), want...), m.AppendSum([]byte("before "), input))
				require.True(t, m.Verify(input, want))
				require.NoError(t, a.method().Verify(input, want, secret))
				for _, bad := range [][]byte{nil, {}, want[1:], want[:len(want)-1], append(bytes.Clone(want), 0), flip(want, 0), flip(want, len(want)-1)} {
					require.False(t, m.Verify(input, bad))
					require.ErrorIs(t, a.method().Verify(input, bad, secret), jwt.ErrSignatureInvalid)
				}
				require.False(t, m.Verify(input+"i", want))
				require.False(t, NewMAC(a.Hash, flip(secret, 0)).Verify(input, want), "another secret")
			}
		}
	}
}

// flip returns b with one bit changed.
func flip(b []byte, at int) []byte {
	other := bytes.Clone(b)
	other[at] ^= 1
	return other
}

// Whatever a state was used for before leaves no trace in what comes next, even if it was left in the middle.
func TestMACResetsBeforeUse(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, 32)
	m := NewMAC(crypto.SHA256, secret)
	want := m.AppendSum(nil, "good")
	s := m.states.Get().(*macState)
	s.hash.Write([]byte("left over"))
	require.Equal(t, want, s.compute("good"))
}

// Good and bad signatures at the same time, by copies that share the states: each is answered for itself. Only the race detector sees
// all of what could go wrong here.
func TestMACUnderManyHands(t *testing.T) {
	a, _ := Lookup("HS256")
	material, err := a.Admit(bytes.Repeat([]byte{7}, 32), MaxRSABits)
	require.NoError(t, err)
	const inputs = 8
	var input [inputs]string
	var signature [inputs][]byte
	for i := range input {
		input[i] = strings.Repeat(fmt.Sprint(i), 400+100*i)
		signature[i] = material.mac.AppendSum(nil, input[i])
	}
	var hands sync.WaitGroup
	for hand := range 8 {
		material := material
		hands.Go(func() {
			for n := range 2000 {
				i, j := (n+hand)%inputs, (n+3*hand)%inputs
				if material.Verify(input[i], signature[j]) != (i == j) {
					t.Errorf("signature %d of input %d: the wrong answer", j, i)
					return
				}
			}
		})
	}
	hands.Wait()
}

// A hash that panics: what was being computed then is never computed on.
type panics struct{ hash.Hash }

func (panics) Write([]byte) (int, error) { panic("in the middle") }

func TestMACDropsAStateThatPanicked(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, 32)
	want := NewMAC(crypto.SHA256, secret).AppendSum(nil, "good")
	for name, use := range map[string]func(*MAC){
		"Verify":    func(m *MAC) { m.Verify("good", want) },
		"AppendSum": func(m *MAC) { m.AppendSum(nil, "good") },
	} {
		m := NewMAC(crypto.SHA256, secret)
		good := m.states.New
		m.states.New = func() any { return &macState{hash: panics{hmac.New(crypto.SHA256.New, secret)}} }
		require.Panics(t, func() { use(m) }, name)
		m.states.New = good
		require.True(t, m.Verify("good", want), name)
	}
}

// The sum is the signature of whatever was sent: it must not lie about until the next one is made.
func TestMACKeepsNoSum(t *testing.T) {
	m := NewMAC(crypto.SHA256, bytes.Repeat([]byte{1}, 32))
	var states []*macState
	newState := m.states.New
	m.states.New = func() any {
		s := newState().(*macState)
		states = append(states, s)
		return s
	}
	m.Verify("a.b", nil)
	m.AppendSum(nil, "a.b")
	require.NotEmpty(t, states)
	for _, s := range states {
		require.Zero(t, s.sum)
	}
}

// Under the race detector a pool drops some of what it is given, so that there this is no zero.
func TestMACMakesNothingAnew(t *testing.T) {
	hs256, _ := Lookup("HS256")
	secret := bytes.Repeat([]byte{1}, 32)
	m := NewMAC(crypto.SHA256, secret)
	input := strings.Repeat("i", 600)
	sum := m.AppendSum(nil, input)
	anew := testing.AllocsPerRun(1000, func() { _ = hs256.method().Verify(input, sum, secret) })
	require.Less(t, 2*testing.AllocsPerRun(1000, func() { m.Verify(input, sum) }), anew)
}
