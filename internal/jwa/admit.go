package jwa

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// A signature is worth what its key is worth, and nothing that arrives later in a token can make up for a secret of five letters or a
// public key without a secret behind it. So a key that is too weak, that is of another kind, or that is not what its type says, is not
// admitted. What is admitted is a copy: nobody outside can change it afterwards.

// A Material is what a key verifies with. The zero Material verifies nothing.
type Material struct {
	Key     any    // an own copy, of the type that Admit took; nobody changes it
	Encoded []byte // the bytes that tell it from every other of its algorithm, for a fingerprint

	method jwt.SigningMethod // nil for HMAC
	mac    *MAC              // nil for every other family
}

// Admit returns an own copy of what verifies, if it is fit for a: an ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey of at most
// maxRSABits or, for HS*, a []byte secret.
//
// It does not measure how random a secret is, and does not look for the factors of a modulus.
func (a Algorithm) Admit(publicOrSecret any, maxRSABits int) (Material, error) {
	m, err := a.admit(publicOrSecret, maxRSABits)
	if err != nil {
		return Material{}, err
	}
	if secret, ok := m.Key.([]byte); ok {
		m.mac = NewMAC(a.Hash, secret)
	} else {
		m.method = a.method()
	}
	return m, nil
}

// Verify says whether sig is the signature of signingInput. Each method is called by its own type: behind the interface the compiler
// could not see that sig is not kept, and would move the buffer of every caller to the heap.
func (m Material) Verify(signingInput string, sig []byte) bool {
	if m.mac != nil {
		return m.mac.Verify(signingInput, sig)
	}
	var err error
	switch method := m.method.(type) {
	case *jwt.SigningMethodRSA:
		err = method.Verify(signingInput, sig, m.Key)
	case *jwt.SigningMethodRSAPSS:
		err = method.Verify(signingInput, sig, m.Key)
	case *jwt.SigningMethodECDSA:
		err = method.Verify(signingInput, sig, m.Key)
	case *jwt.SigningMethodEd25519:
		err = method.Verify(signingInput, sig, m.Key)
	default:
		return false
	}
	return err == nil
}

func (a Algorithm) admit(publicOrSecret any, maxRSABits int) (Material, error) {
	switch k := publicOrSecret.(type) {
	case []byte:
		if a.Family == HMAC {
			return admitSecret(k, a.Hash.Size())
		}
	case *rsa.PublicKey:
		if a.Family == RSA || a.Family == PSS {
			return admitRSA(k, maxRSABits)
		}
	case *ecdsa.PublicKey:
		if a.Family == ECDSA {
			return admitECDSA(k, a.Curve())
		}
	case ed25519.PublicKey:
		if a.Family == EdDSA {
			return admitEd25519(k)
		}
	}
	return Material{}, fmt.Errorf("%s does not verify with a %T, but with %s", a.Name, publicOrSecret, a.Family.verifiesWith())
}

// verifiesWith names the type that Admit wants.
func (f Family) verifiesWith() string {
	switch f {
	case HMAC:
		return "a []byte"
	case ECDSA:
		return "an *ecdsa.PublicKey"
	case EdDSA:
		return "an ed25519.PublicKey"
	}
	return "an *rsa.PublicKey"
}

// maxSecretBytes bounds what HMAC hashes anew for each token. Beyond the block of the hash, 64 or 128 bytes, a longer secret
// is no stronger.
const maxSecretBytes = 1 << 10

// admitSecret wants a secret at least as long as the hash (RFC 7518, section 3.2). It does not measure entropy: the letters of
// a password are as many bytes as those of a random key.
func admitSecret(secret []byte, minBytes int) (Material, error) {
	switch {
	case len(secret) < minBytes:
		return Material{}, fmt.Errorf("the secret is shorter than %d bytes", minBytes)
	case len(secret) > maxSecretBytes:
		return Material{}, fmt.Errorf("the secret is longer than %d bytes", maxSecretBytes)
	case !slices.ContainsFunc(secret, func(b byte) bool { return b != 0 }):
		return Material{}, errors.New("the secret is all zero")
	case looksLikeKeyFile(secret):
		return Material{}, errors.New("the secret is the text or encoding of a key or certificate, which others may know")
	}
	own := bytes.Clone(secret)
	return Material{Key: own, Encoded: own}, nil
}

// looksLikeKeyFile recognises what is handed in as an HMAC secret by mistake: the public key of an RS256 or ES256 signer, as
// PEM, JWK or DER, or as DER in base64. Everybody knows it, so everybody could sign.
func looksLikeKeyFile(b []byte) bool {
	if bytes.Contains(b, []byte("-----BEGIN ")) {
		return true
	}
	text := bytes.TrimSpace(b)
	if bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte(`"kty"`)) {
		return true
	}
	der, err := base64.StdEncoding.DecodeString(string(text))
	return isPublicDER(b) || err == nil && isPublicDER(der)
}

// isPublicDER says whether der is a public key or a certificate.
func isPublicDER(der []byte) bool {
	if _, err := x509.ParsePKIXPublicKey(der); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return true
	}
	_, err := x509.ParseCertificate(der)
	return err == nil
}

// The sizes of RSA keys. The time to verify grows with the square of the bits, and anyone may ask for that work with a forged
// token, so that more than MaxRSABits has to be asked for by name.
const (
	minRSABits      = 2048 // RFC 7518, sections 3.3 and 3.5
	MaxRSABits      = 4096 // of keys for every purpose
	MaxLargeRSABits = 8192 // of keys that somebody asked for by name
)

// admitRSA does not look for the factors of a modulus: all but one way to make it badly leave no mark.
func admitRSA(k *rsa.PublicKey, maxBits int) (Material, error) {
	switch {
	case k == nil || k.N == nil || k.N.Sign() <= 0:
		return Material{}, errors.New("the RSA key has no modulus")
	case k.N.BitLen() < minRSABits:
		return Material{}, fmt.Errorf("the RSA key is shorter than %d bits", minRSABits)
	case k.N.BitLen() > maxBits:
		return Material{}, fmt.Errorf("the RSA key is longer than %d bits", maxBits)
	case k.N.Bit(0) == 0:
		return Material{}, errors.New("the RSA modulus is even")
	case k.E < 3 || k.E&1 == 0 || int64(k.E) > 1<<31-1:
		return Material{}, errors.New("the RSA exponent is not an odd number from 3 to 2^31-1")
	case hasWeakPrimes(k.N):
		return Material{}, errors.New("the RSA modulus is of a generator whose keys can be factored (CVE-2017-15361)")
	}
	own := &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
	e := uint32(k.E)
	return Material{Key: own, Encoded: append(k.N.Bytes(), byte(e>>24), byte(e>>16), byte(e>>8), byte(e))}, nil
}

// hasWeakPrimes says whether a modulus bears the mark of a generator that was in many smart cards (ROCA). Modulo each small prime, its
// primes are powers of 65537, which makes it possible to find them, and so is their product. For keys from 2048 bits on the small
// primes are those up to 701. Of all other moduli one in 2^167 is like that.
func hasWeakPrimes(n *big.Int) bool {
	for p := int64(3); p <= 701; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) && !isPowerOf65537(new(big.Int).Mod(n, big.NewInt(p)).Int64(), p) {
			return false
		}
	}
	return true
}

// isPowerOf65537 says whether r is one, modulo a prime.
func isPowerOf65537(r, prime int64) bool {
	for power := int64(1); power != r; {
		if power = power * 65537 % prime; power == 1 {
			return false
		}
	}
	return true
}

func admitECDSA(k *ecdsa.PublicKey, curve elliptic.Curve) (Material, error) {
	if k == nil || k.X == nil || k.Y == nil { //nolint:staticcheck // SA1019: deprecated for what one may do to them, but Bytes panics where they are nil
		return Material{}, errors.New("the elliptic curve key has no point")
	}
	if k.Curve != curve {
		return Material{}, fmt.Errorf("the elliptic curve key is not on %s", curve.Params().Name)
	}
	point, err := k.Bytes()
	if err != nil {
		return Material{}, fmt.Errorf("the elliptic curve key is no point of %s", curve.Params().Name)
	}
	own, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return Material{}, fmt.Errorf("the elliptic curve key is no point of %s", curve.Params().Name)
	}
	return Material{Key: own, Encoded: point}, nil
}

func admitEd25519(k ed25519.PublicKey) (Material, error) {
	if len(k) != ed25519.PublicKeySize {
		return Material{}, fmt.Errorf("the Ed25519 key is not %d bytes", ed25519.PublicKeySize)
	}
	if err := checkEdwardsPoint(k); err != nil {
		return Material{}, err
	}
	own := bytes.Clone(k)
	return Material{Key: ed25519.PublicKey(own), Encoded: own}, nil
}

// checkEdwardsPoint says whether 32 bytes are the one encoding of a point of Ed25519 (RFC 8032, section 5.1.3) whose order is
// large. For the eight points of order 1, 2, 4 and 8 there are signatures that verify with almost any message, made without a
// secret.
//
// The bytes hold y, and the sign of x. With p = 2^255 - 19 and d = -121665/121666, the curve is -x² + y² = 1 + dx²y², so that
// x² = (y²-1) / (dy²+1): there is a point if the right side is a square. Its divisor is never 0, as -1/d is no square, and a
// quotient is a square if the product is. By the formula for doubling, y is
//
//	±1 where the order is 1 or 2;
//	0  where it is 4, since doubling gives y = -1 and thus x·y = 0;
//	a root of dy⁴ + 2y² - 1 where it is 8, since doubling gives y = 0 and thus x² = -y².
func checkEdwardsPoint(key []byte) error {
	p := new(big.Int).Lsh(big.NewInt(1), 255)
	p.Sub(p, big.NewInt(19))
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)

	bigEndian := bytes.Clone(key)
	slices.Reverse(bigEndian)
	bigEndian[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(bigEndian)
	if y.Cmp(p) >= 0 {
		return errors.New("the Ed25519 key is not encoded canonically")
	}

	y2 := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(y2, big.NewInt(1))
	v := new(big.Int).Mul(d, y2)
	v.Add(v, big.NewInt(1))
	if big.Jacobi(new(big.Int).Mul(u, v), p) == -1 {
		return errors.New("the Ed25519 key is no point of the curve")
	}

	// y (y²-1) (dy⁴+2y²-1), where dy⁴ + 2y² - 1 = (v+1) y² - 1
	roots := new(big.Int).Add(v, big.NewInt(1))
	roots.Mul(roots, y2).Sub(roots, big.NewInt(1))
	roots.Mul(roots, u).Mul(roots, y).Mod(roots, p)
	if roots.Sign() == 0 {
		return errors.New("the Ed25519 key is a point of small order")
	}
	return nil
}

// A Private is what a key signs with. The zero Private is none.
type Private struct {
	Key    any // an own copy, of the type that AdmitPrivate took; nobody changes it
	Public any // what verifies its signatures: for Admit, which has not seen it yet

	method jwt.SigningMethod // nil for HMAC
	mac    *MAC              // nil for every other family
}

// AdmitPrivate returns an own copy of what signs, if it is fit for a: an ed25519.PrivateKey, *ecdsa.PrivateKey, *rsa.PrivateKey of at
// most MaxRSABits or, for HS*, a []byte secret, which only Admit judges. A crypto.Signer for EdDSA is kept as it is: its private
// half may be in another machine.
func (a Algorithm) AdmitPrivate(private any) (Private, error) {
	own, public, err := a.admitPrivate(private)
	if err != nil {
		return Private{}, err
	}
	p := Private{Key: own, Public: public}
	if secret, ok := own.([]byte); ok {
		p.mac = NewMAC(a.Hash, secret)
	} else {
		p.method = a.method()
	}
	return p, nil
}

// Sign returns the signature of signingInput. Its error may come from a crypto.Signer, so that its text is not to be passed on.
func (p Private) Sign(signingInput string) ([]byte, error) {
	if p.mac != nil {
		return p.mac.AppendSum(nil, signingInput), nil
	}
	return p.method.Sign(signingInput, p.Key)
}

func (a Algorithm) admitPrivate(private any) (own, public any, err error) {
	switch k := private.(type) {
	case []byte:
		if a.Family == HMAC {
			own := bytes.Clone(k)
			return own, own, nil
		}
	case *rsa.PrivateKey:
		if a.Family == RSA || a.Family == PSS {
			return admitRSAPrivate(k)
		}
	case *ecdsa.PrivateKey:
		if a.Family == ECDSA {
			return admitECDSAPrivate(k, a.Curve())
		}
	case ed25519.PrivateKey:
		if a.Family == EdDSA {
			return admitEd25519Private(k)
		}
	case crypto.Signer:
		if a.Family == EdDSA {
			return admitSigner(k)
		}
	}
	return nil, nil, fmt.Errorf("%s does not sign with a %T, but with %s", a.Name, private, a.Family.signsWith())
}

// signsWith names the types that AdmitPrivate wants.
func (f Family) signsWith() string {
	switch f {
	case HMAC:
		return "a []byte"
	case ECDSA:
		return "an *ecdsa.PrivateKey"
	case EdDSA:
		return "an ed25519.PrivateKey or a crypto.Signer"
	}
	return "an *rsa.PrivateKey"
}

func admitRSAPrivate(k *rsa.PrivateKey) (own, public any, err error) {
	if k == nil {
		return nil, nil, errors.New("the RSA key is nil")
	}
	// The sizes come first: the checks of the private half take time by the third power of them.
	if _, err := admitRSA(&k.PublicKey, MaxRSABits); err != nil {
		return nil, nil, err
	}
	if len(k.Primes) != 2 || k.D == nil {
		return nil, nil, errors.New("the RSA key does not have one private exponent and two primes")
	}
	for _, part := range []*big.Int{k.D, k.Primes[0], k.Primes[1]} {
		if part == nil || part.Sign() <= 0 || part.Cmp(k.N) >= 0 {
			return nil, nil, errors.New("the private part of the RSA key is out of range")
		}
	}
	mine := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E},
		D:         new(big.Int).Set(k.D),
		Primes:    []*big.Int{new(big.Int).Set(k.Primes[0]), new(big.Int).Set(k.Primes[1])},
	}
	mine.Precompute()
	if mine.Validate() != nil {
		return nil, nil, errors.New("the private part of the RSA key does not match the public one")
	}
	return mine, &mine.PublicKey, nil
}

func admitECDSAPrivate(k *ecdsa.PrivateKey, curve elliptic.Curve) (own, public any, err error) {
	if k == nil || k.D == nil { //nolint:staticcheck // SA1019: deprecated for what one may do to it, but Bytes panics where it is nil
		return nil, nil, errors.New("the elliptic curve key has no private part")
	}
	if _, err := admitECDSA(&k.PublicKey, curve); err != nil {
		return nil, nil, err
	}
	scalar, err := k.Bytes()
	if err != nil {
		return nil, nil, errors.New("the private part of the elliptic curve key is out of range or does not match the public one")
	}
	mine, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil || !mine.PublicKey.Equal(&k.PublicKey) {
		return nil, nil, errors.New("the private part of the elliptic curve key is out of range or does not match the public one")
	}
	return mine, &mine.PublicKey, nil
}

func admitEd25519Private(k ed25519.PrivateKey) (own, public any, err error) {
	if len(k) != ed25519.PrivateKeySize {
		return nil, nil, fmt.Errorf("the Ed25519 private key is not %d bytes", ed25519.PrivateKeySize)
	}
	mine := ed25519.NewKeyFromSeed(k.Seed())
	if !mine.Equal(k) {
		return nil, nil, errors.New("the private part of the Ed25519 key does not match the public one")
	}
	return mine, mine.Public(), nil
}

func admitSigner(s crypto.Signer) (own, public any, err error) {
	if isNilPointer(s) {
		return nil, nil, errors.New("the signer is a nil pointer")
	}
	pub, ok := s.Public().(ed25519.PublicKey)
	if !ok {
		return nil, nil, errors.New("the public key of the signer is no ed25519.PublicKey")
	}
	return s, pub, nil
}

// isNilPointer says whether v holds a nil pointer, which is not equal to nil.
func isNilPointer(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
