package tokenauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // SHA256 of HS256, RS256, PS256, ES256
	_ "crypto/sha512" // SHA384 and SHA512 of the others
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// What an algorithm asks of a key is decided here, once, when the key is made. A signature is worth what its key is worth, and
// nothing that arrives later in a token can make up for a secret of five letters or a public key without a secret behind it.
// So a key that is too weak, that is of another kind, or that is not what its type says, never becomes a Key. What is admitted
// is a copy: nobody outside can change it afterwards.
//
// The algorithms are a closed list, and each belongs to one family of keys. There is no "none", no deprecated curve, and no
// second spelling of a name.

// A family is the algorithms that share a kind of key.
type family int

const (
	familyHMAC family = iota + 1
	familyRSA
	familyPSS
	familyECDSA
	familyEdDSA
)

// An algorithm is one of RFC 7518, section 3.1, or the EdDSA of RFC 8037, section 3.1, which here is Ed25519.
type algorithm struct {
	name   string
	family family
	hash   crypto.Hash // of the signing input; 0 for EdDSA, which hashes by itself
}

// algorithmOf returns the algorithm of that exact name.
func algorithmOf(name string) (algorithm, bool) {
	switch name {
	case "HS256":
		return algorithm{name, familyHMAC, crypto.SHA256}, true
	case "HS384":
		return algorithm{name, familyHMAC, crypto.SHA384}, true
	case "HS512":
		return algorithm{name, familyHMAC, crypto.SHA512}, true
	case "RS256":
		return algorithm{name, familyRSA, crypto.SHA256}, true
	case "RS384":
		return algorithm{name, familyRSA, crypto.SHA384}, true
	case "RS512":
		return algorithm{name, familyRSA, crypto.SHA512}, true
	case "PS256":
		return algorithm{name, familyPSS, crypto.SHA256}, true
	case "PS384":
		return algorithm{name, familyPSS, crypto.SHA384}, true
	case "PS512":
		return algorithm{name, familyPSS, crypto.SHA512}, true
	case "ES256":
		return algorithm{name, familyECDSA, crypto.SHA256}, true
	case "ES384":
		return algorithm{name, familyECDSA, crypto.SHA384}, true
	case "ES512":
		return algorithm{name, familyECDSA, crypto.SHA512}, true
	case "EdDSA":
		return algorithm{name, familyEdDSA, 0}, true
	}
	return algorithm{}, false
}

// isAlgorithm says whether name is one of the algorithms.
func isAlgorithm(name string) bool {
	_, ok := algorithmOf(name)
	return ok
}

// errAlgorithm does not repeat the word: whoever swapped two arguments may have put a secret there.
var errAlgorithm = errors.New("the algorithm is none of HS256 to HS512, RS256 to RS512, PS256 to PS512, ES256 to ES512 and EdDSA")

// method returns a fresh golang-jwt signing method. The ones that golang-jwt publishes are variables which any package of the
// program can change, and its PS* accept a salt of any length where RFC 7518, section 3.5, wants that of the hash.
func (a algorithm) method() jwt.SigningMethod {
	switch a.family {
	case familyHMAC:
		return &jwt.SigningMethodHMAC{Name: a.name, Hash: a.hash}
	case familyRSA:
		return &jwt.SigningMethodRSA{Name: a.name, Hash: a.hash}
	case familyPSS:
		return &jwt.SigningMethodRSAPSS{
			SigningMethodRSA: &jwt.SigningMethodRSA{Name: a.name, Hash: a.hash},
			Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
		}
	case familyECDSA:
		bits := a.curve().Params().BitSize
		return &jwt.SigningMethodECDSA{Name: a.name, Hash: a.hash, KeySize: (bits + 7) / 8, CurveBits: bits}
	case familyEdDSA:
		return &jwt.SigningMethodEd25519{}
	}
	panic("tokenauth: an algorithm without a family")
}

// curve returns the one curve of an ES* algorithm; nil for every other.
func (a algorithm) curve() elliptic.Curve {
	switch a.name {
	case "ES256":
		return elliptic.P256()
	case "ES384":
		return elliptic.P384()
	case "ES512":
		return elliptic.P521()
	}
	return nil
}

// A material is what a key verifies with: an own copy in the type that golang-jwt takes, and its bytes for the fingerprint.
type material struct {
	key     any
	encoded []byte
}

// admit returns an own copy of a public key or secret that is fit for a.
func (a algorithm) admit(publicOrSecret any, maxRSABits int) (material, error) {
	switch k := publicOrSecret.(type) {
	case []byte:
		if a.family == familyHMAC {
			return admitSecret(k, a.hash.Size())
		}
	case *rsa.PublicKey:
		if a.family == familyRSA || a.family == familyPSS {
			return admitRSA(k, maxRSABits)
		}
	case *ecdsa.PublicKey:
		if a.family == familyECDSA {
			return admitECDSA(k, a.curve())
		}
	case ed25519.PublicKey:
		if a.family == familyEdDSA {
			return admitEd25519(k)
		}
	}
	return material{}, fmt.Errorf("%s does not verify with a %T, but with %s", a.name, publicOrSecret, a.family.verifiesWith())
}

// verifiesWith names the type that admit wants.
func (f family) verifiesWith() string {
	switch f {
	case familyHMAC:
		return "a []byte"
	case familyECDSA:
		return "an *ecdsa.PublicKey"
	case familyEdDSA:
		return "an ed25519.PublicKey"
	}
	return "an *rsa.PublicKey"
}

// maxSecretBytes bounds what HMAC hashes anew for each token. Beyond the block of the hash, 64 or 128 bytes, a longer secret
// is no stronger.
const maxSecretBytes = 1 << 10

// admitSecret wants a secret at least as long as the hash (RFC 7518, section 3.2). It does not measure entropy: the letters of
// a password are as many bytes as those of a random key.
func admitSecret(secret []byte, minBytes int) (material, error) {
	switch {
	case len(secret) < minBytes:
		return material{}, fmt.Errorf("the secret is shorter than %d bytes", minBytes)
	case len(secret) > maxSecretBytes:
		return material{}, fmt.Errorf("the secret is longer than %d bytes", maxSecretBytes)
	case !slices.ContainsFunc(secret, func(b byte) bool { return b != 0 }):
		return material{}, errors.New("the secret is all zero")
	case looksLikeKeyFile(secret):
		return material{}, errors.New("the secret is the text or encoding of a key or certificate, which others may know")
	}
	own := bytes.Clone(secret)
	return material{own, own}, nil
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
// token, so that more than maxRSABits has to be asked for by name.
const (
	minRSABits      = 2048 // RFC 7518, sections 3.3 and 3.5
	maxRSABits      = 4096
	maxLargeRSABits = 8192
)

// admitRSA does not look for modulus factors: a modulus that its owner made badly looks like any other.
func admitRSA(k *rsa.PublicKey, maxBits int) (material, error) {
	switch {
	case k == nil || k.N == nil || k.N.Sign() <= 0:
		return material{}, errors.New("the RSA key has no modulus")
	case k.N.BitLen() < minRSABits:
		return material{}, fmt.Errorf("the RSA key is shorter than %d bits", minRSABits)
	case k.N.BitLen() > maxBits:
		return material{}, fmt.Errorf("the RSA key is longer than %d bits", maxBits)
	case k.N.Bit(0) == 0:
		return material{}, errors.New("the RSA modulus is even")
	case k.E < 3 || k.E&1 == 0 || int64(k.E) > 1<<31-1:
		return material{}, errors.New("the RSA exponent is not an odd number from 3 to 2^31-1")
	}
	own := &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
	e := uint32(k.E)
	return material{own, append(k.N.Bytes(), byte(e>>24), byte(e>>16), byte(e>>8), byte(e))}, nil
}

func admitECDSA(k *ecdsa.PublicKey, curve elliptic.Curve) (material, error) {
	// The coordinates are deprecated for what one may do to them, but Bytes panics where they are nil.
	if k == nil || k.X == nil || k.Y == nil { //nolint:staticcheck // SA1019: see above
		return material{}, errors.New("the elliptic curve key has no point")
	}
	if k.Curve != curve {
		return material{}, fmt.Errorf("the elliptic curve key is not on %s", curve.Params().Name)
	}
	point, err := k.Bytes()
	if err != nil {
		return material{}, fmt.Errorf("the elliptic curve key is no point of %s", curve.Params().Name)
	}
	own, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return material{}, fmt.Errorf("the elliptic curve key is no point of %s", curve.Params().Name)
	}
	return material{own, point}, nil
}

func admitEd25519(k ed25519.PublicKey) (material, error) {
	if len(k) != ed25519.PublicKeySize {
		return material{}, fmt.Errorf("the Ed25519 key is not %d bytes", ed25519.PublicKeySize)
	}
	if err := checkEdwardsPoint(k); err != nil {
		return material{}, err
	}
	own := bytes.Clone(k)
	return material{ed25519.PublicKey(own), own}, nil
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

// admitPrivate returns an own copy of a private key or secret that is fit for a, and what verifies its signatures. A
// crypto.Signer is kept as it is: its private half may be in another machine.
func (a algorithm) admitPrivate(private any) (own, public any, err error) {
	switch k := private.(type) {
	case []byte:
		if a.family == familyHMAC {
			own := bytes.Clone(k)
			return own, own, nil
		}
	case *rsa.PrivateKey:
		if a.family == familyRSA || a.family == familyPSS {
			return admitRSAPrivate(k)
		}
	case *ecdsa.PrivateKey:
		if a.family == familyECDSA {
			return admitECDSAPrivate(k, a.curve())
		}
	case ed25519.PrivateKey:
		if a.family == familyEdDSA {
			return admitEd25519Private(k)
		}
	case crypto.Signer:
		if a.family == familyEdDSA {
			return admitSigner(k)
		}
	}
	return nil, nil, fmt.Errorf("%s does not sign with a %T, but with %s", a.name, private, a.family.signsWith())
}

// signsWith names the types that admitPrivate wants.
func (f family) signsWith() string {
	switch f {
	case familyHMAC:
		return "a []byte"
	case familyECDSA:
		return "an *ecdsa.PrivateKey"
	case familyEdDSA:
		return "an ed25519.PrivateKey or a crypto.Signer"
	}
	return "an *rsa.PrivateKey"
}

func admitRSAPrivate(k *rsa.PrivateKey) (own, public any, err error) {
	if k == nil {
		return nil, nil, errors.New("the RSA key is nil")
	}
	// The sizes come first: the checks of the private half take time by the third power of them.
	if _, err := admitRSA(&k.PublicKey, maxRSABits); err != nil {
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
	if k == nil || k.D == nil { //nolint:staticcheck // SA1019: Bytes panics where it is nil
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
