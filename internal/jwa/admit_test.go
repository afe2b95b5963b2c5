package jwa

import (
	"bytes"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// Which keys are admitted is tested where they come in, by NewKey, NewSigningKey, ParseKeys and ParseSigningKey, and what they
// verify by the vectors of Wycheproof. Here is what cannot be seen from there.

func TestZeroValuesDoNothing(t *testing.T) {
	var none Algorithm
	_, err := none.Admit(bytes.Repeat([]byte{7}, 64), MaxRSABits)
	require.Error(t, err)
	_, err = none.AdmitPrivate(bytes.Repeat([]byte{7}, 64))
	require.Error(t, err)
	require.Nil(t, none.Curve())
	require.False(t, Material{}.Verify("", nil))
}

func TestAdmitRefusesModuliOfTheBrokenGenerator(t *testing.T) {
	rs256, ok := Lookup("RS256")
	require.True(t, ok)
	for _, row := range []struct {
		name    string
		largest int64 // of the primes modulo which the modulus is a power of 65537
		want    bool
	}{
		{"like one of the generator, modulo 3 to 701", 701, false},
		{"like one modulo 3 to 691, by chance", 691, true},
	} {
		for _, power := range []int64{0, 1, 2, 1000003} {
			_, err := rs256.Admit(&rsa.PublicKey{N: markedModulus(power, row.largest), E: 65537}, MaxRSABits)
			require.Equal(t, row.want, err == nil, "%s: 65537^%d: %v", row.name, power, err)
		}
	}
}

// markedModulus returns an odd number of 2048 bits or a few more that is a power of 65537 modulo each prime up to largest, and
// modulo the next one, if that is not beyond 701, is none.
func markedModulus(power, largest int64) *big.Int {
	primes, next := big.NewInt(2), int64(0)
	for p := int64(3); p <= 701; p += 2 {
		switch {
		case !big.NewInt(p).ProbablyPrime(20):
		case p <= largest:
			primes.Mul(primes, big.NewInt(p))
		case next == 0:
			next = p
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(power), primes)
	step := new(big.Int).Lsh(primes, uint(2048-primes.BitLen()))
	for n.Add(n, step); next != 0 && isPowerOf65537(new(big.Int).Mod(n, big.NewInt(next)).Int64(), next); {
		n.Add(n, step)
	}
	return n
}

// What signs with a secret says what golang-jwt's method says, for each of its algorithms.
func TestPrivateSignsAsGolangJWTDoes(t *testing.T) {
	for _, name := range []string{"HS256", "HS384", "HS512"} {
		a, _ := Lookup(name)
		secret := bytes.Repeat([]byte{3}, 64)
		p, err := a.AdmitPrivate(secret)
		require.NoError(t, err)
		clear(secret) // it signs with a copy
		for _, input := range []string{"", "a.b", string(bytes.Repeat([]byte("i"), 3000))} {
			want, err := a.method().Sign(input, bytes.Repeat([]byte{3}, 64))
			require.NoError(t, err)
			got, err := p.Sign(input)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
}
