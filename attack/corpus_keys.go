package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"math/big"
)

// Signatures are made here from the standard library's primitives and from big.Int, and not by the library under test: what it
// would never sign has to be signed all the same. Speed and secrecy do not matter: everybody knows these keys.

// A keychain holds the keys, each of which is made once.
type keychain struct {
	rsa, cube, short2047, short1024 *rsaKey
	made                            map[string]any // private keys by algorithm and name
}

func newKeychain() keychain {
	return keychain{
		rsa:       newRSAKey(trustedPrime1, trustedPrime2, 65537),
		cube:      newRSAKey(cubePrime1, cubePrime2, 3),
		short2047: newRSAKey(short2047Prime1, short2047Prime2, 65537),
		short1024: newRSAKey(short1024Prime1, short1024Prime2, 65537),
		made:      make(map[string]any),
	}
}

// A forge makes tokens by one private key, for one algorithm and under one kid.
type forge struct {
	alg, kid string
	private  any // []byte, *rsaKey, *ecdsa.PrivateKey or ed25519.PrivateKey
}

// trusted is the forge whose tokens are good.
func (k keychain) trusted(alg string) forge { return k.forge(alg, KeyID, "trusted") }

// stranger is the attacker's, who uses the trusted kid.
func (k keychain) stranger(alg string) forge { return k.forge(alg, KeyID, "stranger") }

// forge returns a forge by name. The same algorithm and name are always the same key. There are two RSA keys, the trusted one's
// and that of everybody else.
func (k keychain) forge(alg, kid, name string) forge {
	which := alg + " " + name
	if k.made[which] == nil {
		k.made[which] = k.private(alg, name)
	}
	return forge{alg, kid, k.made[which]}
}

func (k keychain) private(alg, name string) any {
	seed := sha512.Sum512([]byte("tokenauth attack corpus, for tests only: " + name + " " + alg))
	switch family := alg[:2]; {
	case family == "HS":
		return seed[:]
	case family == "Ed":
		return ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize])
	case family == "ES":
		return ecdsaKey(curveOf(alg), seed[:])
	case name == "trusted":
		return k.rsa
	}
	return k.cube
}

// curveOf returns the curve of an ES* algorithm.
func curveOf(alg string) elliptic.Curve {
	switch alg {
	case "ES256":
		return elliptic.P256()
	case "ES384":
		return elliptic.P384()
	case "ES512":
		return elliptic.P521()
	}
	panic("attack: " + alg + " has no curve")
}

// ecdsaKey makes a key of the seed.
func ecdsaKey(curve elliptic.Curve, seed []byte) *ecdsa.PrivateKey {
	size := (curve.Params().BitSize + 7) / 8
	scalar := make([]byte, size)
	copy(scalar[max(0, size-len(seed)):], seed) // 66 bytes of P-521 begin with two zeros, which keeps them below the order
	private, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		panic(err)
	}
	return private
}

// hashOf returns the hash that the last three digits of an algorithm name.
func hashOf(alg string) crypto.Hash {
	switch alg[len(alg)-3:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// digest hashes a text.
func digest(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// mac is the HMAC of a text.
func mac(hash crypto.Hash, secret []byte, text string) []byte {
	h := hmac.New(hash.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// as is the same private key used for another algorithm.
func (f forge) as(alg string) forge { return forge{alg, f.kid, f.private} }

// named is the same key under another kid.
func (f forge) named(kid string) forge { return forge{f.alg, kid, f.private} }

// public returns what everybody may know; for HS*, the secret.
func (f forge) public() any {
	switch private := f.private.(type) {
	case *rsaKey:
		return &private.PublicKey
	case *ecdsa.PrivateKey:
		return &private.PublicKey
	case ed25519.PrivateKey:
		return private.Public()
	}
	return f.private
}

// key is what verifies the tokens.
func (f forge) key() Key { return Key{ID: f.kid, Algorithm: f.alg, Material: f.public()} }

// header is what the tokens of f begin with.
func (f forge) header() object {
	h := object{}.with("alg", quote(f.alg)).with("typ", `"at+jwt"`)
	if f.kid != "" {
		h = h.with("kid", quote(f.kid))
	}
	return h
}

// good signs the claims under the header they belong to.
func (f forge) good(claims object) string { return f.sign(f.header().String(), claims.String()) }

// sign encodes header and payload, whatever they are, and signs them.
func (f forge) sign(header, payload string) string {
	return f.seal(segment(header) + "." + segment(payload))
}

// seal signs a signing input as it stands.
func (f forge) seal(input string) string { return input + "." + segment(f.signature(input)) }

// signature returns the signature of a signing input (RFC 7518, section 3).
func (f forge) signature(input string) []byte {
	hash := hashOf(f.alg)
	switch private := f.private.(type) {
	case []byte:
		return mac(hash, private, input)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(input))
	case *ecdsa.PrivateKey:
		r, s := f.numbers(input)
		return pair(private.Curve, r, s)
	case *rsaKey:
		if f.alg[:2] == "PS" {
			return private.raw(pss{hash: hash}.encode(digest(hash, input), private.N.BitLen()))
		}
		return private.raw(pkcs1{hash: hash}.encode(digest(hash, input), private.size()))
	}
	panic("attack: no key of this kind signs")
}

// numbers returns the two numbers of an ECDSA signature. Without a source of randomness they are those of RFC 6979.
func (f forge) numbers(input string) (r, s *big.Int) {
	hash := hashOf(f.alg)
	der, err := f.private.(*ecdsa.PrivateKey).Sign(nil, digest(hash, input), hash)
	if err != nil {
		panic(err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		panic(err)
	}
	return sig.R, sig.S
}

// pair writes the two numbers of an ECDSA signature, each as long as the curve's order (RFC 7518, section 3.4).
func pair(curve elliptic.Curve, r, s *big.Int) []byte {
	size := (curve.Params().BitSize + 7) / 8
	sig := make([]byte, 2*size)
	r.FillBytes(sig[:size])
	s.FillBytes(sig[size:])
	return sig
}

// guess is the HMAC forge of somebody who guessed the secret.
func guess(alg string, secret []byte) forge { return forge{alg, KeyID, secret} }

// fingerprintOf is a SHA-256.
func fingerprintOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
