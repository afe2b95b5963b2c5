// Package jwa is what this library knows of signature algorithms (RFC 7518, section 3, and RFC 8037): which there are, which keys
// are fit for each, and how each signs and verifies.
//
// They are a closed list, and each belongs to one family of keys. There is no "none", no deprecated curve, and no second spelling
// of a name. What a key has to be is decided here, once, when it is made: see [Algorithm.Admit]. The cryptography is that of
// golang-jwt's signing methods, which are the standard library's; only HMAC is the standard library's without them, so that its
// states can be used again: see [MAC].
//
// It knows nothing of ids, tokens and JSON. Its errors say what is wrong with a key, and hold no part of it.
package jwa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // SHA256 of HS256, RS256, PS256, ES256
	_ "crypto/sha512" // SHA384 and SHA512 of the others
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// A Family is the algorithms that share a kind of key.
type Family int

// The families. RSA is RSASSA-PKCS1-v1_5, PSS the other way to sign with the same keys.
const (
	HMAC Family = iota + 1
	RSA
	PSS
	ECDSA
	EdDSA
)

// An Algorithm is one of RFC 7518, section 3.1, or the EdDSA of RFC 8037, section 3.1, which here is Ed25519. The zero Algorithm
// is none; Lookup is where they come from.
type Algorithm struct {
	Name   string      // "RS256"
	Family Family      // which keys it takes
	Hash   crypto.Hash // of the signing input; 0 for EdDSA, which hashes by itself
}

// Lookup returns the algorithm of that exact name, and whether there is one.
func Lookup(name string) (Algorithm, bool) {
	switch name {
	case "HS256":
		return Algorithm{name, HMAC, crypto.SHA256}, true
	case "HS384":
		return Algorithm{name, HMAC, crypto.SHA384}, true
	case "HS512":
		return Algorithm{name, HMAC, crypto.SHA512}, true
	case "RS256":
		return Algorithm{name, RSA, crypto.SHA256}, true
	case "RS384":
		return Algorithm{name, RSA, crypto.SHA384}, true
	case "RS512":
		return Algorithm{name, RSA, crypto.SHA512}, true
	case "PS256":
		return Algorithm{name, PSS, crypto.SHA256}, true
	case "PS384":
		return Algorithm{name, PSS, crypto.SHA384}, true
	case "PS512":
		return Algorithm{name, PSS, crypto.SHA512}, true
	case "ES256":
		return Algorithm{name, ECDSA, crypto.SHA256}, true
	case "ES384":
		return Algorithm{name, ECDSA, crypto.SHA384}, true
	case "ES512":
		return Algorithm{name, ECDSA, crypto.SHA512}, true
	case "EdDSA":
		return Algorithm{name, EdDSA, 0}, true
	}
	return Algorithm{}, false
}

// ErrUnknown is for whoever has to say that Lookup found nothing. It does not repeat the word: who swapped two arguments may have
// put a secret there.
var ErrUnknown = errors.New("the algorithm is none of HS256 to HS512, RS256 to RS512, PS256 to PS512, ES256 to ES512 and EdDSA")

// method returns a fresh golang-jwt signing method. The ones that golang-jwt publishes are variables which any package of the
// program can change, and its PS* accept a salt of any length where RFC 7518, section 3.5, wants that of the hash.
func (a Algorithm) method() jwt.SigningMethod {
	switch a.Family {
	case HMAC:
		return &jwt.SigningMethodHMAC{Name: a.Name, Hash: a.Hash}
	case RSA:
		return &jwt.SigningMethodRSA{Name: a.Name, Hash: a.Hash}
	case PSS:
		return &jwt.SigningMethodRSAPSS{
			SigningMethodRSA: &jwt.SigningMethodRSA{Name: a.Name, Hash: a.Hash},
			Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
		}
	case ECDSA:
		bits := a.Curve().Params().BitSize
		return &jwt.SigningMethodECDSA{Name: a.Name, Hash: a.Hash, KeySize: (bits + 7) / 8, CurveBits: bits}
	case EdDSA:
		return &jwt.SigningMethodEd25519{}
	}
	panic("jwa: an algorithm without a family")
}

// Curve returns the one curve of an ES* algorithm; nil for every other.
func (a Algorithm) Curve() elliptic.Curve {
	switch a.Name {
	case "ES256":
		return elliptic.P256()
	case "ES384":
		return elliptic.P384()
	case "ES512":
		return elliptic.P521()
	}
	return nil
}

// generatedRSABits is the size of generated RSA keys: about the strength of P-256 and Ed25519 (NIST SP 800-57, part 1).
const generatedRSABits = 3072

// Generate makes a private key or secret for a: a []byte as long as the hash, an *rsa.PrivateKey of 3072 bits, or a key on the
// curve of a, an *ecdsa.PrivateKey or an ed25519.PrivateKey.
func (a Algorithm) Generate() (any, error) {
	switch a.Family {
	case HMAC:
		secret := make([]byte, a.Hash.Size())
		_, err := rand.Read(secret)
		return secret, err
	case ECDSA:
		return ecdsa.GenerateKey(a.Curve(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return rsa.GenerateKey(rand.Reader, generatedRSABits)
}
