package tokenauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// allAlgorithms is the closed list, written out once more.
var allAlgorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// Making RSA keys is slow, so that the tests share two.
var (
	testRSA      = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherTestRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testPrivate returns a private key or secret for alg.
func testPrivate(alg string) any {
	a, ok := jwa.Lookup(alg)
	if !ok {
		panic("no such algorithm: " + alg)
	}
	if a.Family == jwa.RSA || a.Family == jwa.PSS {
		return testRSA()
	}
	return must(a.Generate())
}

// publicOf returns what verifies the signatures of private.
func publicOf(private any) any {
	if signer, ok := private.(crypto.Signer); ok {
		return signer.Public()
	}
	return private
}

func TestEveryAlgorithmSignsAndVerifies(t *testing.T) {
	const input = "eyJhbGciOiIifQ.e30"
	for _, alg := range allAlgorithms {
		t.Run(alg, func(t *testing.T) {
			private := testPrivate(alg)
			signing, err := NewSigningKey("k1", alg, private)
			require.NoError(t, err)
			require.Equal(t, "k1", signing.ID())
			require.Equal(t, alg, signing.Algorithm())
			require.False(t, signing.isZero())

			key, err := NewKey("k1", alg, publicOf(private))
			require.NoError(t, err)
			require.Equal(t, "k1", key.ID())
			require.Equal(t, alg, key.Algorithm())
			require.Equal(t, signing.VerifyingKey().fingerprint(), key.fingerprint())

			sig, err := signing.sign(input)
			require.NoError(t, err)
			require.True(t, key.verify(input, sig))
			require.True(t, signing.VerifyingKey().verify(input, sig))
			require.NoError(t, jwt.GetSigningMethod(alg).Verify(input, sig, publicOf(private)), "golang-jwt's own word")

			require.False(t, key.verify(input+"0", sig), "another input")
			require.False(t, key.verify("", sig), "no input")
			require.False(t, key.verify(input, nil), "no signature")
			require.False(t, key.verify(input, append(bytes.Clone(sig), 0)), "a longer signature")
			require.False(t, key.verify(input, sig[:len(sig)-1]), "a shorter signature")
			for i := range sig {
				bad := bytes.Clone(sig)
				bad[i] ^= 1
				require.False(t, key.verify(input, bad), "byte %d changed", i)
				if len(sig) > 128 && i > 8 { // RSA: slow, and every byte is like the others
					break
				}
			}
		})
	}
}

func TestOnlyTheKeysOwnAlgorithmVerifies(t *testing.T) {
	const input = "a.b"
	secret := bytes.Repeat([]byte("secret"), 12)
	for _, signedWith := range allAlgorithms {
		private := testPrivate(signedWith)
		if _, ok := private.([]byte); ok {
			private = secret
		}
		sig, err := must(NewSigningKey("", signedWith, private)).sign(input)
		require.NoError(t, err)
		for _, alg := range allAlgorithms {
			key, err := NewKey("", alg, publicOf(private))
			if err != nil {
				continue // another kind of key
			}
			require.Equal(t, alg == signedWith, key.verify(input, sig), "signed with %s, verified with %s", signedWith, alg)
		}
	}
}

func TestKeysAreOfTheAlgorithmsKind(t *testing.T) {
	ed := must(generateFor("EdDSA")).(ed25519.PrivateKey)
	p256 := must(generateFor("ES256")).(*ecdsa.PrivateKey)
	p384 := must(generateFor("ES384")).(*ecdsa.PrivateKey)
	p521 := must(generateFor("ES512")).(*ecdsa.PrivateKey)
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	secret := bytes.Repeat([]byte{7}, 64)
	kinds := []struct {
		name            string
		public, private any
		fits            []string
	}{
		{"secret", secret, secret, []string{"HS256", "HS384", "HS512"}},
		{"RSA", testRSA().Public(), testRSA(), []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{"P-256", p256.Public(), p256, []string{"ES256"}},
		{"P-384", p384.Public(), p384, []string{"ES384"}},
		{"P-521", p521.Public(), p521, []string{"ES512"}},
		{"P-224", p224.Public(), p224, nil},
		{"Ed25519", ed.Public(), ed, []string{"EdDSA"}},
		{"a string", strings.Repeat("s", 64), strings.Repeat("s", 64), nil},
		{"nil", nil, nil, nil},
		{"RSA by value", testRSA().PublicKey, *testRSA(), nil},
		{"the private for the public", p256, p256.Public(), nil},
		{"the private for the public, Ed25519", ed, ed.Public(), nil},
		{"nil *rsa", (*rsa.PublicKey)(nil), (*rsa.PrivateKey)(nil), nil},
		{"nil *ecdsa", (*ecdsa.PublicKey)(nil), (*ecdsa.PrivateKey)(nil), nil},
		{"nil bytes", []byte(nil), []byte(nil), nil},
		{"nil Ed25519", ed25519.PublicKey(nil), ed25519.PrivateKey(nil), nil},
		{"nil *Ed25519", (*ed25519.PublicKey)(nil), (*ed25519.PrivateKey)(nil), nil},
		{"empty RSA", &rsa.PublicKey{}, &rsa.PrivateKey{}, nil},
		{"empty ecdsa", &ecdsa.PublicKey{}, &ecdsa.PrivateKey{}, nil},
		{"no point", ecPublic(elliptic.P256(), nil, nil), ecPrivate(ecPublic(elliptic.P256(), nil, nil), big.NewInt(1)), nil},
	}
	for _, kind := range kinds {
		for _, alg := range allAlgorithms {
			want := slices.Contains(kind.fits, alg)
			_, err := NewKey("", alg, kind.public)
			require.Equal(t, want, err == nil, "NewKey: %s for %s: %v", kind.name, alg, err)
			_, err = NewSigningKey("", alg, kind.private)
			require.Equal(t, want, err == nil, "NewSigningKey: %s for %s: %v", kind.name, alg, err)
		}
	}
}

func generateFor(alg string) (any, error) {
	a, _ := jwa.Lookup(alg)
	return a.Generate()
}

// isAlgorithm says whether name is one of the closed list.
func isAlgorithm(name string) bool {
	_, ok := jwa.Lookup(name)
	return ok
}

func TestEveryOtherWordIsNoAlgorithm(t *testing.T) {
	for _, word := range []string{
		"", "none", "None", "NONE", "hs256", "Hs256", "HS256 ", " HS256", "HS-256", "HS1", "HS128", "RS1", "PS1", "ES256K", "ES521",
		"Ed25519", "Ed448", "EDDSA", "eddsa", "RSA-OAEP", "dir", "A128KW", "HS256\x00", "HS256,none", "ML-DSA-44",
	} {
		require.False(t, isAlgorithm(word), word)
		for _, material := range []any{bytes.Repeat([]byte{7}, 64), testRSA().Public(), testRSA()} {
			_, err := NewKey("", word, material)
			require.Error(t, err, word)
			_, err = NewSigningKey("", word, material)
			require.Error(t, err, word)
		}
		_, err := GenerateSigningKey(word)
		require.Error(t, err, word)
	}
	for _, alg := range allAlgorithms {
		require.True(t, isAlgorithm(alg), alg)
	}
}

func TestSecrets(t *testing.T) {
	rsaDER := must(x509.MarshalPKIXPublicKey(testRSA().Public()))
	ecDER := must(x509.MarshalPKIXPublicKey(must(generateFor("ES256")).(*ecdsa.PrivateKey).Public()))
	spki := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rsaDER})
	random := make([]byte, 1<<11)
	must(rand.Read(random))
	for _, c := range []struct {
		name   string
		alg    string
		secret []byte
		want   string // "": accepted
	}{
		{"as long as the hash", "HS256", random[:32], ""},
		{"as long as the hash", "HS384", random[:48], ""},
		{"as long as the hash", "HS512", random[:64], ""},
		{"one byte short", "HS256", random[:31], "shorter than 32 bytes"},
		{"one byte short", "HS384", random[:47], "shorter than 48 bytes"},
		{"one byte short", "HS512", random[:63], "shorter than 64 bytes"},
		{"empty", "HS256", []byte{}, "shorter than 32 bytes"},
		{"1 KiB", "HS256", random[:1024], ""},
		{"more than 1 KiB", "HS256", random[:1025], "longer than 1024 bytes"},
		{"all zero", "HS256", make([]byte, 32), "all zero"},
		{"all zero", "HS512", make([]byte, 200), "all zero"},
		{"zero but for the last bit", "HS256", append(make([]byte, 31), 1), ""},
		{"a public key in PEM", "HS256", spki, "text or encoding of a key"},
		{"a public key in PEM, after blanks", "HS512", append([]byte(" \r\n\t"), spki...), "text or encoding of a key"},
		{"a public key in PEM, cut", "HS256", spki[:40], "text or encoding of a key"},
		{"a public key in DER, RSA", "HS256", rsaDER, "text or encoding of a key"},
		{"a public key in DER, EC", "HS256", ecDER, "text or encoding of a key"},
		{"a public key in DER, PKCS #1", "HS256", x509.MarshalPKCS1PublicKey(&testRSA().PublicKey), "text or encoding of a key"},
		{"a certificate in DER", "HS256", testCertificate(t), "text or encoding of a key"},
		{"a public key in DER, in base64", "HS256", []byte(base64.StdEncoding.EncodeToString(rsaDER) + "\n"), "text or encoding of a key"},
		{"random, in base64", "HS256", []byte(base64.StdEncoding.EncodeToString(random[:48])), ""},
		{"a public JWK", "HS256", []byte(` {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`), "text or encoding of a key"},
	} {
		_, err := NewKey("", c.alg, c.secret)
		_, err2 := NewSigningKey("", c.alg, c.secret)
		if c.want == "" {
			require.NoError(t, err, c.name)
			require.NoError(t, err2, c.name)
		} else {
			require.ErrorContains(t, err, c.want, c.name)
			require.ErrorContains(t, err2, c.want, c.name)
		}
	}
}

func testCertificate(t *testing.T) []byte {
	key := must(generateFor("EdDSA")).(ed25519.PrivateKey)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	require.NoError(t, err)
	return der
}

// modulus returns an odd number of so many bits. Nobody knows its factors, which a verifying key cannot tell.
func modulus(bits uint) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(3), bits-2)
	return n.Add(n, big.NewInt(1))
}

func TestRSAPublicKeys(t *testing.T) {
	beyond := int64(1<<31 + 1) // below zero where an int has 32 bits
	for _, c := range []struct {
		name string
		n    *big.Int
		e    int
		want string // "": accepted
	}{
		{"2048 bits", modulus(2048), 65537, ""},
		{"2047 bits", modulus(2047), 65537, "shorter than 2048 bits"},
		{"1024 bits", modulus(1024), 65537, "shorter than 2048 bits"},
		{"4096 bits", modulus(4096), 65537, ""},
		{"4097 bits", modulus(4097), 65537, "longer than 4096 bits"},
		{"no modulus", nil, 65537, "no modulus"},
		{"a negative modulus", new(big.Int).Neg(modulus(2048)), 65537, "no modulus"},
		{"an even modulus", new(big.Int).Add(modulus(2048), big.NewInt(1)), 65537, "even"},
		{"e = 3", modulus(2048), 3, ""},
		{"e = 2^31-1", modulus(2048), 1<<31 - 1, ""},
		{"e = 2^31+1", modulus(2048), int(beyond), "exponent"},
		{"e = 1", modulus(2048), 1, "exponent"},
		{"e = 0", modulus(2048), 0, "exponent"},
		{"e = -3", modulus(2048), -3, "exponent"},
		{"e even", modulus(2048), 65536, "exponent"},
	} {
		for _, alg := range []string{"RS256", "PS512"} {
			_, err := NewKey("", alg, &rsa.PublicKey{N: c.n, E: c.e})
			if c.want == "" {
				require.NoError(t, err, c.name)
			} else {
				require.ErrorContains(t, err, c.want, c.name)
			}
		}
	}
}

func TestLargeRSAKeysAreAskedForByName(t *testing.T) {
	_, err := NewLargeRSAKey("k", "RS256", &rsa.PublicKey{N: modulus(8192), E: 65537})
	require.NoError(t, err)
	_, err = NewLargeRSAKey("k", "RS256", &rsa.PublicKey{N: modulus(8193), E: 65537})
	require.ErrorContains(t, err, "longer than 8192 bits")
	_, err = NewLargeRSAKey("k", "RS256", &rsa.PublicKey{N: modulus(2047), E: 65537})
	require.ErrorContains(t, err, "shorter than 2048 bits")
	_, err = NewLargeRSAKey("k", "RS256", nil)
	require.Error(t, err)
	_, err = NewLargeRSAKey("k", "HS256", testRSA().Public().(*rsa.PublicKey))
	require.Error(t, err)

	key, err := NewLargeRSAKey("k", "PS256", testRSA().Public().(*rsa.PublicKey))
	require.NoError(t, err)
	sig, err := must(NewSigningKey("k", "PS256", testRSA())).sign("a.b")
	require.NoError(t, err)
	require.True(t, key.verify("a.b", sig))
}

// crypto/ecdsa deprecates the numbers of its keys, because one can make bad keys of them. That is what the tests do.

func ecPublic(curve elliptic.Curve, x, y *big.Int) *ecdsa.PublicKey {
	return &ecdsa.PublicKey{Curve: curve, X: x, Y: y}
}

func ecPrivate(public *ecdsa.PublicKey, d *big.Int) *ecdsa.PrivateKey {
	return &ecdsa.PrivateKey{PublicKey: *public, D: d}
}

func ecCoordinates(k *ecdsa.PublicKey) (x, y *big.Int) {
	return k.X, k.Y
}

func ecScalar(k *ecdsa.PrivateKey) *big.Int {
	return k.D
}

func TestEllipticCurvePointsAreOnTheCurve(t *testing.T) {
	good := &must(generateFor("ES256")).(*ecdsa.PrivateKey).PublicKey
	x, y := ecCoordinates(good)
	p256 := elliptic.P256()
	for name, bad := range map[string]*ecdsa.PublicKey{
		"off the curve":         ecPublic(p256, x, new(big.Int).Add(y, big.NewInt(1))),
		"the point at infinity": ecPublic(p256, new(big.Int), new(big.Int)),
		"x + p":                 ecPublic(p256, new(big.Int).Add(x, p256.Params().P), y),
		"negative y":            ecPublic(p256, x, new(big.Int).Neg(y)),
		"no x":                  ecPublic(p256, nil, y),
		"no y":                  ecPublic(p256, x, nil),
		"no curve":              ecPublic(nil, x, y),
		"a curve of one's own":  ecPublic(p256.Params(), x, y),
	} {
		_, err := NewKey("", "ES256", bad)
		require.Error(t, err, name)
		_, err = NewSigningKey("", "ES256", ecPrivate(bad, big.NewInt(1)))
		require.Error(t, err, name)
	}
	_, err := NewKey("", "ES384", good)
	require.ErrorContains(t, err, "not on P-384")
}

// edwards is Ed25519's curve as its definition has it: slow, and independent of the algebra in checkEdwardsPoint.
type edwards struct{ p, d *big.Int }

func newEdwards() edwards {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	return edwards{p, d.Mul(d, big.NewInt(-121665)).Mod(d, p)}
}

// add is the complete addition law (RFC 8032, section 5.1.4, in affine form).
func (c edwards) add(a, b [2]*big.Int) [2]*big.Int {
	mul := func(a, b *big.Int) *big.Int { m := new(big.Int).Mul(a, b); return m.Mod(m, c.p) }
	x1y2, x2y1, y1y2, x1x2 := mul(a[0], b[1]), mul(b[0], a[1]), mul(a[1], b[1]), mul(a[0], b[0])
	dxy := mul(c.d, mul(x1x2, y1y2))
	over := func(n, d *big.Int) *big.Int {
		n, d = new(big.Int).Mod(n, c.p), new(big.Int).Mod(d, c.p)
		return mul(n, d.ModInverse(d, c.p))
	}
	one := big.NewInt(1)
	return [2]*big.Int{
		over(new(big.Int).Add(x1y2, x2y1), new(big.Int).Add(one, dxy)),
		over(new(big.Int).Add(y1y2, x1x2), new(big.Int).Sub(one, dxy)),
	}
}

// decode finds the point of 32 bytes, also where they are not canonical.
func (c edwards) decode(key []byte) (point [2]*big.Int, ok bool) {
	b := bytes.Clone(key)
	slices.Reverse(b)
	negative := b[0]&0x80 != 0
	b[0] &= 0x7f
	y := new(big.Int).SetBytes(b)
	y.Mod(y, c.p)
	y2 := new(big.Int).Mul(y, y)
	den := new(big.Int).Mul(c.d, y2)
	den.Add(den, big.NewInt(1)).ModInverse(den.Mod(den, c.p), c.p)
	x2 := new(big.Int).Sub(y2, big.NewInt(1))
	x2.Mul(x2, den).Mod(x2, c.p)
	x := new(big.Int).ModSqrt(x2, c.p)
	if x == nil {
		return point, false
	}
	if (x.Bit(0) == 1) != negative {
		x.Sub(c.p, x).Mod(x, c.p)
	}
	return [2]*big.Int{x, y}, true
}

func (c edwards) encode(point [2]*big.Int) []byte {
	b := point[1].FillBytes(make([]byte, 32))
	if point[0].Bit(0) == 1 {
		b[0] |= 0x80
	}
	slices.Reverse(b)
	return b
}

func TestEd25519PublicKeys(t *testing.T) {
	c := newEdwards()
	identity := [2]*big.Int{big.NewInt(0), big.NewInt(1)}

	// The eight points of small order, from the group law alone: L times a point leaves what is of small order in it.
	order := new(big.Int).Lsh(big.NewInt(1), 252)
	order.Add(order, must2(new(big.Int).SetString("27742317777372353535851937790883648493", 10)))
	small := map[string]bool{}
	for y := int64(2); len(small) < 8; y++ {
		b := big.NewInt(y).FillBytes(make([]byte, 32))
		slices.Reverse(b)
		point, ok := c.decode(b)
		if !ok {
			continue
		}
		sum := identity
		for i := order.BitLen() - 1; i >= 0; i-- {
			sum = c.add(sum, sum)
			if order.Bit(i) == 1 {
				sum = c.add(sum, point)
			}
		}
		small[hex.EncodeToString(c.encode(sum))] = true
	}

	for encoded := range small {
		key := must(hex.DecodeString(encoded))
		_, err := NewKey("", "EdDSA", ed25519.PublicKey(key))
		require.ErrorContains(t, err, "small order", encoded)
	}

	// The encodings of these points, canonical or not, that are known from Chalkias, Garillot, Nikolaenko: Taming the Many
	// EdDSAs (2020). Each point is among them.
	known := map[string]bool{}
	for _, encoded := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		_, err := NewKey("", "EdDSA", ed25519.PublicKey(must(hex.DecodeString(encoded))))
		require.Error(t, err, encoded)
		known[encoded] = true
	}
	for encoded := range small {
		require.True(t, known[encoded], encoded)
	}

	// Every y in [p, 2^255) is some smaller y spelled otherwise.
	for i := range int64(19) {
		b := new(big.Int).Add(c.p, big.NewInt(i)).FillBytes(make([]byte, 32))
		slices.Reverse(b)
		for _, sign := range []byte{0, 0x80} {
			b[31] = b[31]&0x7f | sign
			_, err := NewKey("", "EdDSA", ed25519.PublicKey(b))
			require.ErrorContains(t, err, "canonical", "p+%d", i)
		}
	}

	// Of the other encodings, those of a point are keys, and half of all are none.
	var points, others int
	for i := range 200 {
		b := sha256.Sum256([]byte{byte(i)})
		b[31] &= 0xbf // below p
		_, isPoint := c.decode(b[:])
		_, err := NewKey("", "EdDSA", ed25519.PublicKey(b[:]))
		require.Equal(t, isPoint, err == nil)
		if isPoint {
			points++
		} else {
			require.ErrorContains(t, err, "no point")
			others++
		}
	}
	require.Greater(t, points, 60)
	require.Greater(t, others, 60)

	for _, size := range []int{0, 31, 33, 64} {
		_, err := NewKey("", "EdDSA", make(ed25519.PublicKey, size))
		require.ErrorContains(t, err, "32 bytes")
	}
}

// must2 is for a constant of the test that is written as a text: only whoever changes it can make it no number.
func must2[T any](v T, ok bool) T {
	if !ok {
		panic("a constant of this test cannot be read")
	}
	return v
}

// A key of small order is refused for a reason: crypto/ed25519 takes one signature for every message.
func TestSmallOrderKeyWouldVerifyAnything(t *testing.T) {
	identity := make(ed25519.PublicKey, 32)
	identity[0] = 1
	sig := make([]byte, 64)
	sig[0] = 1 // R is the identity, S is 0
	require.True(t, ed25519.Verify(identity, []byte("anything"), sig))
	require.True(t, ed25519.Verify(identity, []byte("anything else"), sig))
	_, err := NewKey("", "EdDSA", identity)
	require.Error(t, err)
}

func TestPSSSaltIsAsLongAsTheHash(t *testing.T) {
	const input = "a.b"
	for _, alg := range []string{"PS256", "PS384", "PS512"} {
		a, _ := jwa.Lookup(alg)
		key := must(NewKey("", alg, testRSA().Public()))
		h := a.Hash.New()
		h.Write([]byte(input))
		digest := h.Sum(nil)
		for _, c := range []struct {
			salt int // -1: none
			want bool
		}{{a.Hash.Size(), true}, {-1, false}, {20, false}, {a.Hash.Size() - 1, false}, {a.Hash.Size() + 1, false}, {rsa.PSSSaltLengthAuto, false}} {
			sig := signPSSWithoutSalt(a.Hash, digest)
			if c.salt >= 0 {
				sig = must(rsa.SignPSS(rand.Reader, testRSA(), a.Hash, digest, &rsa.PSSOptions{SaltLength: c.salt}))
			}
			require.NoError(t, rsa.VerifyPSS(&testRSA().PublicKey, a.Hash, digest, sig, nil), "well made")
			require.Equal(t, c.want, key.verify(input, sig), "%s, salt %d", alg, c.salt)
		}
		sig, err := must(NewSigningKey("", alg, testRSA())).sign(input)
		require.NoError(t, err)
		require.NoError(t, rsa.VerifyPSS(&testRSA().PublicKey, a.Hash, digest, sig, &rsa.PSSOptions{SaltLength: a.Hash.Size()}))
	}
}

// signPSSWithoutSalt is RSASSA-PSS-SIGN of RFC 8017, section 8.1.1, with an empty salt, for which crypto/rsa has no name.
func signPSSWithoutSalt(hash crypto.Hash, digest []byte) []byte {
	size := hash.Size()
	emLen := testRSA().Size()
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	em := make([]byte, emLen)
	db := em[:emLen-size-1]
	db[len(db)-1] = 1
	copy(em[emLen-size-1:], h.Sum(nil))
	em[emLen-1] = 0xbc
	var mask []byte
	for i := uint32(0); len(mask) < len(db); i++ {
		g := hash.New()
		g.Write(em[emLen-size-1 : emLen-1])
		g.Write(binary.BigEndian.AppendUint32(nil, i))
		mask = g.Sum(mask)
	}
	for i := range db {
		db[i] ^= mask[i]
	}
	em[0] &= 0x7f
	m := new(big.Int).SetBytes(em)
	return m.Exp(m, testRSA().D, testRSA().N).FillBytes(make([]byte, emLen))
}

// The signature of ES* is r and s side by side, each as long as the order of the curve (RFC 7518, section 3.4).
func TestECDSASignatureIsOfFixedLength(t *testing.T) {
	const input = "a.b"
	for alg, size := range map[string]int{"ES256": 64, "ES384": 96, "ES512": 132} {
		signing := must(NewSigningKey("", alg, testPrivate(alg)))
		key := signing.VerifyingKey()
		sig, err := signing.sign(input)
		require.NoError(t, err)
		require.Len(t, sig, size)
		require.True(t, key.verify(input, sig))

		half := size / 2
		n := signing.VerifyingKey().Public().(*ecdsa.PublicKey).Params().N
		r, s := sig[:half], sig[half:]
		plusN := new(big.Int).Add(new(big.Int).SetBytes(r), n)
		for name, bad := range map[string][]byte{
			"zero":             make([]byte, size),
			"r = 0":            slices.Concat(make([]byte, half), s),
			"s = 0":            slices.Concat(r, make([]byte, half)),
			"s = n":            slices.Concat(r, n.FillBytes(make([]byte, half))),
			"zeros in front":   slices.Concat([]byte{0}, r, []byte{0}, s),
			"r without a byte": slices.Concat(r[1:], s),
			"swapped":          slices.Concat(s, r),
			"DER":              derSignature(r, s),
		} {
			require.False(t, key.verify(input, bad), "%s: %s", alg, name)
		}
		if plusN.BitLen() <= half*8 {
			require.False(t, key.verify(input, slices.Concat(plusN.FillBytes(make([]byte, half)), s)), "r + n")
		}
	}
}

func derSignature(r, s []byte) []byte {
	integer := func(b []byte) []byte {
		b = new(big.Int).SetBytes(b).Bytes()
		if b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	both := append(integer(r), integer(s)...)
	if len(both) > 127 {
		return slices.Concat([]byte{0x30, 0x81, byte(len(both))}, both)
	}
	return slices.Concat([]byte{0x30, byte(len(both))}, both)
}

func TestKeyIDs(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	for _, good := range []string{"", "k", " ", "~", `a"b\c`, "2024-01 / key #1", strings.Repeat("x", 128)} {
		_, err := NewKey(good, "HS256", secret)
		require.NoError(t, err, good)
		_, err = NewSigningKey(good, "HS256", secret)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{strings.Repeat("x", 129), "a\n", "\x00", "\x1f", "\x7f", "é", "\xff", "k\u200b"} {
		_, err := NewKey(bad, "HS256", secret)
		require.ErrorContains(t, err, "the id", bad)
		_, err = NewSigningKey(bad, "HS256", secret)
		require.ErrorContains(t, err, "the id", bad)
	}
}

// What a caller does afterwards to what it gave, or was given, changes no key.
func TestKeysAreCopies(t *testing.T) {
	const input = "a.b"
	spoil := func(v any) {
		switch v := v.(type) {
		case []byte:
			clear(v)
		case ed25519.PublicKey:
			clear(v)
		case ed25519.PrivateKey:
			clear(v)
		case *ecdsa.PublicKey:
			x, _ := ecCoordinates(v)
			x.SetInt64(1)
		case *ecdsa.PrivateKey:
			x, _ := ecCoordinates(&v.PublicKey)
			x.SetInt64(1)
			ecScalar(v).SetInt64(1)
		case *rsa.PublicKey:
			v.N.SetInt64(1)
		case *rsa.PrivateKey:
			v.N.SetInt64(1)
			v.D.SetInt64(1)
			v.Primes[0].SetInt64(1)
			v.Precomputed = rsa.PrecomputedValues{}
		}
	}
	for _, alg := range []string{"HS256", "RS256", "PS256", "ES256", "ES512", "EdDSA"} {
		private := testPrivate(alg)
		if k, ok := private.(*rsa.PrivateKey); ok {
			private = must(x509.ParsePKCS1PrivateKey(x509.MarshalPKCS1PrivateKey(k)))
		}
		public := publicOf(private)
		signing := must(NewSigningKey("", alg, private))
		key := must(NewKey("", alg, public))
		revealed := must(signing.RevealJWK())
		before := string(revealed)

		spoil(key.Public())
		spoil(signing.VerifyingKey().Public())
		spoil(public)
		spoil(private)
		spoil(revealed)

		sig, err := signing.sign(input)
		require.NoError(t, err, alg)
		require.True(t, key.verify(input, sig), alg)
		require.Equal(t, before, string(must(signing.RevealJWK())), alg)
	}
}

func TestPublic(t *testing.T) {
	for _, alg := range []string{"RS256", "ES384", "EdDSA"} {
		private := testPrivate(alg)
		public := private.(crypto.Signer).Public()
		got := must(NewKey("", alg, public)).Public()
		require.IsType(t, public, got)
		require.True(t, got.(interface{ Equal(crypto.PublicKey) bool }).Equal(public), alg)
	}
	require.Nil(t, must(NewKey("", "HS256", bytes.Repeat([]byte{7}, 32))).Public(), "a secret has none")
}

func TestZeroKeys(t *testing.T) {
	var key Key
	require.True(t, key.isZero())
	require.False(t, key.verify("", nil))
	require.False(t, key.verify("a.b", []byte("signature")))
	require.Zero(t, key.fingerprint())
	require.Equal(t, "", key.ID())
	require.Equal(t, "", key.Algorithm())
	require.Nil(t, key.Public())
	require.Equal(t, "no key", key.String())
	_, err := key.Key(context.Background(), "")
	require.ErrorIs(t, err, ErrUnknownKey)

	var signing SigningKey
	require.True(t, signing.isZero())
	require.True(t, signing.VerifyingKey().isZero())
	require.Equal(t, "", signing.ID())
	require.Equal(t, "", signing.Algorithm())
	require.Equal(t, "no signing key", signing.String())
	_, err = signing.sign("a.b")
	require.Error(t, err)
	_, err = signing.RevealJWK()
	require.Error(t, err)

	var ring KeyRing
	_, err = ring.Key(context.Background(), "")
	require.ErrorIs(t, err, ErrUnknownKey)
	require.Empty(t, ring.Keys())
}

func TestFingerprints(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 64)
	same := must(NewKey("k", "HS256", secret)).fingerprint()
	require.Equal(t, same, must(NewKey("k", "HS256", bytes.Clone(secret))).fingerprint())
	for name, other := range map[string]Key{
		"another id":        must(NewKey("k2", "HS256", secret)),
		"no id":             must(NewKey("", "HS256", secret)),
		"another algorithm": must(NewKey("k", "HS512", secret)),
		"another secret":    must(NewKey("k", "HS256", append(bytes.Clone(secret[1:]), 8))),
		"a longer secret":   must(NewKey("k", "HS256", append(bytes.Clone(secret), 0))),
	} {
		require.NotEqual(t, same, other.fingerprint(), name)
	}
	require.NotEqual(t, must(NewKey("k", "RS256", &rsa.PublicKey{N: modulus(2048), E: 3})).fingerprint(),
		must(NewKey("k", "RS256", &rsa.PublicKey{N: modulus(2048), E: 5})).fingerprint(), "another exponent")

	// Whoever sees the fingerprint and guesses the secret cannot tell, without what this process drew at its start.
	plain := sha256.New()
	unkeyed := hmac.New(sha256.New, nil)
	for _, part := range [][]byte{[]byte("key"), []byte("k"), []byte("HS256"), secret} {
		for _, w := range []io.Writer{plain, unkeyed} {
			must(w.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))))
			must(w.Write(part))
		}
	}
	require.NotEqual(t, plain.Sum(nil), same[:])
	require.NotEqual(t, unkeyed.Sum(nil), same[:])
}

func TestKeyIsASetOfItself(t *testing.T) {
	ctx := context.Background()
	for _, id := range []string{"k", ""} {
		key := must(NewKey(id, "HS256", bytes.Repeat([]byte{7}, 32)))
		got, err := key.Key(ctx, id)
		require.NoError(t, err)
		require.True(t, got == key)
		for _, other := range []string{"K", "k ", "kk", "other"} {
			got, err := key.Key(ctx, other)
			require.ErrorIs(t, err, ErrUnknownKey)
			require.True(t, got.isZero())
		}
	}
	_, fromMemory := any(Key{}).(interface{ AnswersFromMemory() })
	require.True(t, fromMemory)
	_, fromMemory = any(&KeyRing{}).(interface{ AnswersFromMemory() })
	require.True(t, fromMemory)
}

func TestPrivateAndPublicHalvesMatch(t *testing.T) {
	ed := must(generateFor("EdDSA")).(ed25519.PrivateKey)
	otherEd := must(generateFor("EdDSA")).(ed25519.PrivateKey)
	ec := must(generateFor("ES256")).(*ecdsa.PrivateKey)
	otherEC := must(generateFor("ES256")).(*ecdsa.PrivateKey)
	r, otherR := testRSA(), otherTestRSA()
	n := elliptic.P256().Params().N
	for name, c := range map[string]struct {
		alg     string
		private any
	}{
		"Ed25519, another public half": {"EdDSA", slices.Concat(ed[:32:32], otherEd[32:])},
		"Ed25519, too short":           {"EdDSA", ed[:63]},
		"P-256, another public half":   {"ES256", ecPrivate(&otherEC.PublicKey, ecScalar(ec))},
		"P-256, d = 0":                 {"ES256", ecPrivate(&ec.PublicKey, new(big.Int))},
		"P-256, d = -d":                {"ES256", ecPrivate(&ec.PublicKey, new(big.Int).Neg(ecScalar(ec)))},
		"P-256, d = n":                 {"ES256", ecPrivate(&ec.PublicKey, n)},
		"P-256, d + n":                 {"ES256", ecPrivate(&ec.PublicKey, new(big.Int).Add(ecScalar(ec), n))},
		"P-256, no d":                  {"ES256", ecPrivate(&ec.PublicKey, nil)},
		"RSA, another modulus":         {"RS256", &rsa.PrivateKey{PublicKey: otherR.PublicKey, D: r.D, Primes: r.Primes}},
		"RSA, another d":               {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, D: otherR.D, Primes: r.Primes}},
		"RSA, another prime":           {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D, Primes: []*big.Int{r.Primes[0], otherR.Primes[1]}}},
		"RSA, another e":               {"RS256", &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: r.N, E: 3}, D: r.D, Primes: r.Primes}},
		"RSA, no primes":               {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D}},
		"RSA, a nil prime":             {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D, Primes: []*big.Int{r.Primes[0], nil}}},
		"RSA, primes 1 and n":          {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D, Primes: []*big.Int{big.NewInt(1), r.N}}},
		"RSA, three primes":            {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D, Primes: append(slices.Clone(r.Primes), big.NewInt(3))}},
		"RSA, no d":                    {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, Primes: r.Primes}},
		"RSA, negative d":              {"RS256", &rsa.PrivateKey{PublicKey: r.PublicKey, D: new(big.Int).Neg(r.D), Primes: r.Primes}},
	} {
		if b, ok := c.private.([]byte); ok {
			c.private = ed25519.PrivateKey(b)
		}
		_, err := NewSigningKey("", c.alg, c.private)
		require.Error(t, err, name)
	}
}

// A fakeSigner is a crypto.Signer that is told what to answer.
type fakeSigner struct {
	public crypto.PublicKey
	sign   func(message []byte) ([]byte, error)
	calls  int
}

func (s *fakeSigner) Public() crypto.PublicKey { return s.public }

func (s *fakeSigner) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.calls++
	if opts.HashFunc() != 0 {
		return nil, errors.New("EdDSA signs messages, not hashes")
	}
	return s.sign(message)
}

func TestCryptoSigner(t *testing.T) {
	const input = "a.b"
	private := must(generateFor("EdDSA")).(ed25519.PrivateKey)
	other := must(generateFor("EdDSA")).(ed25519.PrivateKey)
	signWith := func(k ed25519.PrivateKey) func([]byte) ([]byte, error) {
		return func(m []byte) ([]byte, error) { return ed25519.Sign(k, m), nil }
	}

	good := &fakeSigner{public: private.Public(), sign: signWith(private)}
	signing, err := NewSigningKey("hsm", "EdDSA", good)
	require.NoError(t, err)
	require.Equal(t, 1, good.calls, "asked once, for the proof")
	sig, err := signing.sign(input)
	require.NoError(t, err)
	require.True(t, signing.VerifyingKey().verify(input, sig))
	_, err = signing.RevealJWK()
	require.ErrorContains(t, err, "cannot be read")
	_, err = NewSigningKey("p", "EdDSA", &private)
	require.NoError(t, err, "a pointer is a crypto.Signer as well")

	boom := errors.New("module is locked")
	good.sign = func([]byte) ([]byte, error) { return nil, boom }
	_, err = signing.sign(input)
	require.ErrorIs(t, err, boom)
	good.sign = signWith(other)
	sig, err = signing.sign(input)
	require.Error(t, err, "it signs with another key now")
	require.Nil(t, sig)

	for name, bad := range map[string]crypto.Signer{
		"signs with another key":   &fakeSigner{public: private.Public(), sign: signWith(other)},
		"signs something else":     &fakeSigner{public: private.Public(), sign: func([]byte) ([]byte, error) { return ed25519.Sign(private, []byte("x")), nil }},
		"does not sign":            &fakeSigner{public: private.Public(), sign: func([]byte) ([]byte, error) { return nil, boom }},
		"answers nothing":          &fakeSigner{public: private.Public(), sign: func([]byte) ([]byte, error) { return nil, nil }},
		"has no public key":        &fakeSigner{sign: signWith(private)},
		"has a weak public key":    &fakeSigner{public: make(ed25519.PublicKey, 32), sign: signWith(private)},
		"has a pointer to its key": &fakeSigner{public: &other, sign: signWith(private)},
		"is for RSA":               &fakeSigner{public: testRSA().Public(), sign: signWith(private)},
		"is RSA":                   testRSA(),
		"is a nil pointer":         (*fakeSigner)(nil),
		"is a nil Ed25519 pointer": (*ed25519.PrivateKey)(nil),
	} {
		_, err := NewSigningKey("", "EdDSA", bad)
		require.Error(t, err, name)
	}

	// golang-jwt's RS*, PS* and ES* take no crypto.Signer, so that none is taken here.
	for _, alg := range []string{"RS256", "PS256", "ES256", "HS256"} {
		_, err := NewSigningKey("", alg, &fakeSigner{public: testRSA().Public(), sign: signWith(private)})
		require.ErrorContains(t, err, alg+" does not sign with a *tokenauth.fakeSigner")
	}
}

func TestProofIsNoSigningInput(t *testing.T) {
	require.NotContains(t, matchProof, ".", "a signing input has a dot")
}

func TestGenerateSigningKey(t *testing.T) {
	for alg, check := range map[string]func(Key, []byte) bool{
		"HS256": func(_ Key, jwk []byte) bool { return len(secretOf(jwk)) == 32 },
		"HS384": func(_ Key, jwk []byte) bool { return len(secretOf(jwk)) == 48 },
		"HS512": func(_ Key, jwk []byte) bool { return len(secretOf(jwk)) == 64 },
		"PS256": func(k Key, _ []byte) bool { return k.Public().(*rsa.PublicKey).N.BitLen() == 3072 },
		"ES384": func(k Key, _ []byte) bool { return k.Public().(*ecdsa.PublicKey).Curve == elliptic.P384() },
		"EdDSA": func(k Key, _ []byte) bool { return len(k.Public().(ed25519.PublicKey)) == 32 },
	} {
		a, err := GenerateSigningKey(alg)
		require.NoError(t, err)
		require.Equal(t, alg, a.Algorithm())
		require.GreaterOrEqual(t, len(a.ID()), 22, "128 bits in base64")
		require.True(t, check(a.VerifyingKey(), must(a.RevealJWK())), alg)
	}
	a, b := must(GenerateSigningKey("HS256")), must(GenerateSigningKey("HS256"))
	require.NotEqual(t, a.ID(), b.ID())
	secretA, secretB := secretOf(must(a.RevealJWK())), secretOf(must(b.RevealJWK()))
	for i := 0; i < len(secretA); i += 8 {
		require.NotEqual(t, secretA[i:i+8], secretB[i:i+8], "all of it is random")
	}
}

func secretOf(jwk []byte) []byte {
	var members struct{ K string }
	if err := json.Unmarshal(jwk, &members); err != nil {
		panic(err)
	}
	return must(base64.RawURLEncoding.DecodeString(members.K))
}

func TestStringNamesIDAndAlgorithm(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	require.Equal(t, `key "a\"b" (HS256)`, must(NewKey(`a"b`, "HS256", secret)).String())
	require.Equal(t, `key without id (HS256)`, must(NewKey("", "HS256", secret)).String())
	require.Equal(t, `signing key "k" (HS256)`, must(NewSigningKey("k", "HS256", secret)).String())
	require.Equal(t, `signing key without id (HS256)`, must(NewSigningKey("", "HS256", secret)).String())
	ring := must(NewKeyRing(must(NewKey("", "HS256", secret)), must(NewKey("", "HS256", append(secret, 1)))))
	require.Equal(t, `2 keys without id (HS256)`, must(ring.Key(context.Background(), "")).String())
}

// holders are ways to hold a key. fmt calls no method for what is in an unexported field.
func holders(key Key, signing SigningKey, ring *KeyRing) map[string]any {
	type unexported struct {
		key     Key
		signing SigningKey
		ring    *KeyRing
	}
	type exported struct {
		Key     Key
		Signing SigningKey
		Ring    *KeyRing
	}
	type pointers struct {
		key     *Key
		signing *SigningKey
		Signing *SigningKey
	}
	type asAny struct{ key, signing, ring any }
	return map[string]any{
		"key":                   key,
		"signing key":           signing,
		"ring":                  ring,
		"pointer":               &key,
		"pointer to signing":    &signing,
		"pointer to pointer":    func() **SigningKey { p := &signing; return &p }(),
		"unexported fields":     unexported{key, signing, ring},
		"pointer to unexported": &unexported{key, signing, ring},
		"exported fields":       exported{key, signing, ring},
		"pointer fields":        pointers{&key, &signing, &signing},
		"interface fields":      asAny{key, signing, ring},
		"slice":                 []SigningKey{signing},
		"slice of unexported":   []unexported{{key, signing, ring}},
		"array":                 [1]Key{key},
		"map":                   map[string]SigningKey{"k": signing},
		"map key":               map[Key]SigningKey{key: signing},
		"anys":                  []any{key, &signing, ring},
		"its data":              key.d,
		"its signing data":      signing.d,
		"its data, by value":    []any{*key.d, *signing.d},
	}
}

// renderings are the ways in which a program may print bytes.
func renderings(secret []byte) []string {
	number := new(big.Int).SetBytes(secret)
	list := fmt.Sprint(secret)
	goList := fmt.Sprintf("%#v", secret)
	all := []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		fmt.Sprintf("% x", secret), base64.StdEncoding.EncodeToString(secret[:len(secret)/3*3]),
		base64.RawURLEncoding.EncodeToString(secret[:len(secret)/3*3]), strings.Trim(list, "[]"),
		goList[strings.Index(goList, "{")+1 : len(goList)-1], number.String(), number.Text(16), number.Text(2), number.Text(8),
		strings.Trim(fmt.Sprintf("%q", secret), `"`),
	}
	for _, word := range number.Bits() {
		all = append(all, fmt.Sprint(word), fmt.Sprintf("%x", word))
	}
	return all
}

// walk writes all that reflection reaches from v, through pointers and unexported fields, as printers for debugging do.
func walk(w io.Writer, v reflect.Value, seen map[uintptr]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		walk(w, v.Elem(), seen)
	case reflect.Interface:
		walk(w, v.Elem(), seen)
	case reflect.Struct:
		for i := range v.NumField() {
			walk(w, v.Field(i), seen)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			walk(w, it.Key(), seen)
			walk(w, it.Value(), seen)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			fmt.Fprintf(w, "%x %s\n", v, v)
			return
		}
		for i := range v.Len() {
			walk(w, v.Index(i), seen)
		}
	case reflect.Invalid:
	default:
		fmt.Fprintln(w, v)
	}
}

// prints returns what v prints as under every verb, encoder and logger at hand.
func prints(v any) string {
	var all strings.Builder
	for _, verb := range "vsqxXdtTpbcoOUeEfFgGw" {
		for _, flags := range []string{"", "+", "#", "+#", " ", "0", "200", "-200.100"} {
			fmt.Fprintf(&all, "%"+flags+string(verb)+"\n", v)
		}
	}
	fmt.Fprintln(&all, v, fmt.Errorf("wrapped: %v", v))
	for _, encode := range []func(io.Writer) error{
		func(w io.Writer) error { return json.NewEncoder(w).Encode(v) },
		func(w io.Writer) error { return xml.NewEncoder(w).Encode(v) },
		func(w io.Writer) error { return gob.NewEncoder(w).Encode(v) },
	} {
		if err := encode(&all); err != nil {
			fmt.Fprintln(&all, err)
		}
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&all, nil), slog.NewTextHandler(&all, nil)} {
		slog.New(handler).Info("key", "v", v, slog.Group("g", "v", v))
	}
	walk(&all, reflect.ValueOf(v), map[uintptr]bool{})
	return all.String()
}

func TestNothingPrintsAKey(t *testing.T) {
	canary := []byte("canary-of-32-bytes-never-printed")
	for alg, c := range map[string]struct {
		private any
		secrets [][]byte
	}{
		"HS256": {canary, [][]byte{canary}},
		"EdDSA": {ed25519.NewKeyFromSeed(canary), [][]byte{canary}},
		"ES256": {must(ecdsa.ParseRawPrivateKey(elliptic.P256(), canary)), [][]byte{canary}},
		"RS256": {testRSA(), [][]byte{testRSA().D.Bytes(), testRSA().Primes[0].Bytes(), testRSA().Primes[1].Bytes(), testRSA().Precomputed.Dp.Bytes()}},
	} {
		signing := must(NewSigningKey("kid-1", alg, c.private))
		key := signing.VerifyingKey()
		another := must(GenerateSigningKey("HS256")).VerifyingKey()
		ring := must(NewKeyRing(key, another))
		for name, holder := range holders(key, signing, ring) {
			out := prints(holder)
			for _, secret := range c.secrets {
				for _, rendering := range renderings(secret) {
					require.NotContains(t, out, rendering, "%s: %s", alg, name)
				}
			}
		}

		// The test can fail: it finds the same secret where a field holds it.
		out := prints(struct{ secret any }{c.private})
		require.True(t, slices.ContainsFunc(renderings(c.secrets[0]), func(r string) bool { return strings.Contains(out, r) }), alg)

		// And what is printed is useful.
		for _, v := range []any{key, &key} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				require.Equal(t, `key "kid-1" (`+alg+`)`, fmt.Sprintf(verb, v), verb)
			}
			require.Equal(t, `"key \"kid-1\" (`+alg+`)"`, string(must(json.Marshal(v))))
		}
		for _, v := range []any{signing, &signing} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				require.Equal(t, `signing key "kid-1" (`+alg+`)`, fmt.Sprintf(verb, v), verb)
			}
			require.Equal(t, `"signing key \"kid-1\" (`+alg+`)"`, string(must(json.Marshal(v))))
		}
	}
}

func TestErrorsHoldNoMaterial(t *testing.T) {
	canary := "canary-canary-canary-canary-canary-canary"
	for name, err := range map[string]error{
		"a string for a secret":     errorOf(NewKey("", "HS256", canary)),
		"a short secret":            errorOf(NewKey("", "HS512", []byte(canary))),
		"the secret for algorithm":  errorOf(NewKey("", canary, []byte(canary))),
		"the secret for id":         errorOf(NewKey(canary+canary+canary+canary, "HS256", []byte(canary))),
		"a secret for a private":    errorOf(NewSigningKey("", "EdDSA", []byte(canary))),
		"a short Ed25519 private":   errorOf(NewSigningKey("", "EdDSA", ed25519.PrivateKey(canary))),
		"a bad Ed25519 private":     errorOf(NewSigningKey("", "EdDSA", ed25519.PrivateKey((canary + canary)[:64]))),
		"a private JWK as a set":    errorOf(ParseKeys([]byte(`{"kty":"oct","alg":"HS256","k":"` + canary + `"}`))),
		"an unknown private member": errorOf(ParseSigningKey([]byte(`{"kty":"oct","alg":"HS256","k":{"` + canary + `":"` + canary + `"}}`))),
		"a damaged private JWK":     errorOf(ParseSigningKey([]byte(`{"kty":"oct","alg":"HS256","k":"` + canary + `=="}`))),
		"a private JWK twice":       errorOf(ParseSigningKey([]byte(`{"kty":"oct","` + canary + `":1,"` + canary + `":"` + canary + `"}`))),
		"text":                      errorOf(ParseSigningKey([]byte(canary))),
		"a PEM block of text":       errorOf(ParseSigningKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(canary)}))),
		"a PEM block of that name":  errorOf(ParseSigningKey(pem.EncodeToMemory(&pem.Block{Type: canary, Bytes: []byte(canary)}))),
		"a PEM block among keys":    errorOf(ParseKeys(pem.EncodeToMemory(&pem.Block{Type: canary, Bytes: []byte(canary)}))),
	} {
		require.Error(t, err, name)
		require.True(t, strings.HasPrefix(err.Error(), "tokenauth: "), "%s: %s", name, err)
		require.Equal(t, 1, strings.Count(err.Error(), "tokenauth:"), "%s: %s", name, err)
		for _, rendering := range append(renderings([]byte(canary)), "canary") {
			require.NotContains(t, err.Error(), rendering, name)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }
