package tokenauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/a74cfa30/tokenauth/internal/jose"
	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// Keys as text: JWK and JWK sets (RFC 7517, RFC 7518 section 6, RFC 8037 section 2) and PEM. A set may come from another
// authority over the network, so it is read as strictly as a token: canonical base64url, full lengths, no member twice, no
// look-alike of a known name, and every key through the same door as NewKey.
//
// What a set may well hold and is not for us is left out: keys for encryption, kinds and algorithms that are unknown here. What
// should never be in one refuses all of it: private halves and secrets, two keys of one id, weak keys, members that contradict
// each other. A set that is half good is a sign that nobody looked at it.
//
// Certificates are neither read nor fetched, whatever x5c, x5u or a PEM block says: nothing here would check their validity.

// The sizes beyond which nothing is read.
const (
	maxKeysText    = 64 << 10 // bytes of a set of keys
	maxKeys        = 64       // keys in it, counting those that are left out
	maxPrivateText = 8 << 10  // bytes of one private key; RSA with 4096 bits takes about 3 KiB
)

// ParseKeys reads a JWK Set, one public JWK, or PEM public keys ("PUBLIC KEY", "RSA PUBLIC KEY"), of 64 KiB and 64 keys at
// most. ErrNoKeys: no key is left in the end.
//
// Of a JWK set, keys for encryption (use, key_ops without "verify") and of kinds, curves and algorithms unknown here are left
// out. Duplicate ids, private or secret members, weak keys, and an alg that does not fit its key refuse the whole. Without alg
// a key is for EdDSA or ES* by its curve, or for RS256; several keys without kid are returned as they are. Members unknown here
// are ignored.
//
// PEM says nothing of ids and algorithms: the algorithm goes by the key as above, the id is the RFC 7638 thumbprint (SHA-256,
// base64url). A block that is no such public key refuses the whole, as does one that is damaged; text between blocks is skipped.
//
// It does not ask where data comes from: whoever can write it can make tokens.
func ParseKeys(data []byte) ([]Key, error) {
	keys, err := parseKeys(data)
	if err != nil {
		return nil, fmt.Errorf("tokenauth: keys: %w", err)
	}
	return keys, nil
}

// ErrNoKeys says of a text that nothing is wrong with it, and that there is no key in it that verifies by an algorithm known here. ParseKeys wraps
// it: in a file that is a mistake, and from an authority it may mean that all keys were taken back.
var ErrNoKeys = errors.New("there is no key that verifies by an algorithm known here")

func parseKeys(data []byte) ([]Key, error) {
	if len(data) > maxKeysText {
		return nil, fmt.Errorf("more than %d bytes", maxKeysText)
	}
	parse := parsePublicPEM
	if isJSON(data) {
		parse = parsePublicJWKs
	}
	keys, err := parse(data)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, ErrNoKeys
	}
	ids := make(map[string]bool, len(keys))
	for _, k := range keys {
		if ids[k.ID()] {
			return nil, errors.New("two keys have the same id")
		}
		ids[k.ID()] = k.ID() != ""
	}
	return keys, nil
}

// ParseSigningKey reads one private JWK, as RevealJWK writes it, or a PEM private key ("PRIVATE KEY", "RSA PRIVATE KEY", "EC
// PRIVATE KEY"), of 8 KiB at most. It refuses what NewSigningKey refuses. In a JWK the public members must be there and match.
// Without alg a key is for EdDSA or ES* by its curve, or for RS256; a secret needs alg. The id is kid, or for PEM the RFC 7638
// thumbprint. Encrypted keys are refused.
func ParseSigningKey(data []byte) (SigningKey, error) {
	k, err := parseSigningKey(data)
	if err != nil {
		return SigningKey{}, fmt.Errorf("tokenauth: signing key: %w", err)
	}
	return k, nil
}

func parseSigningKey(data []byte) (SigningKey, error) {
	if len(data) > maxPrivateText {
		return SigningKey{}, fmt.Errorf("more than %d bytes", maxPrivateText)
	}
	if isJSON(data) {
		return parsePrivateJWK(string(data))
	}
	return parsePrivatePEM(data)
}

// isJSON says whether data is a JSON object, if it is anything.
func isJSON(data []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) }

// parsePublicJWKs reads a set, or one key.
func parsePublicJWKs(data []byte) ([]Key, error) {
	texts, _, err := splitJWKs(string(data))
	if err != nil {
		return nil, err
	}
	var keys []Key
	for i, text := range texts {
		k, err := parsePublicJWK(text)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if !k.isZero() {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// splitJWKs returns the text of each key in a set, or of the one key that text is.
func splitJWKs(text string) (texts []string, isSet bool, err error) {
	isKey := false
	r := jose.NewReader(text)
	r.Object()
	for name, ok := r.Next(); ok; name, ok = r.Next() {
		if name != "keys" {
			isKey = isKey || name == "kty" || isPrivateMember(name)
			refuseLookAlike(&r, name, "keys")
			r.Raw()
			continue
		}
		isSet = true
		r.Array()
		for r.More() {
			if len(texts) == maxKeys {
				r.Fail(fmt.Errorf("more than %d keys", maxKeys))
			}
			texts = append(texts, r.Raw())
		}
	}
	if err := r.End(); err != nil {
		return nil, false, err
	}
	if !isSet {
		return []string{text}, false, nil
	}
	if isKey {
		return nil, false, errors.New("a key and a set of keys in one")
	}
	return texts, true, nil
}

// parsePublicJWK reads a key, or returns the zero Key for one that is left out.
func parsePublicJWK(text string) (Key, error) {
	j, err := parseJWK(text)
	if err != nil {
		return Key{}, err
	}
	for name := range j.material {
		if isPrivateMember(name) {
			return Key{}, errors.New("there is a private or secret member")
		}
	}
	if !j.isFor("verify") {
		return Key{}, nil
	}
	a, known, err := j.algorithm()
	if err != nil || !known {
		return Key{}, err
	}
	public, err := j.public(a)
	if err != nil {
		return Key{}, err
	}
	return newKey(j.kid, a.Name, public, jwa.MaxRSABits)
}

// parsePrivateJWK reads a key that has to be one for signing: nothing is left out.
func parsePrivateJWK(text string) (SigningKey, error) {
	if _, isSet, err := splitJWKs(text); err != nil {
		return SigningKey{}, err
	} else if isSet {
		return SigningKey{}, errors.New("a set of keys, not one key")
	}
	j, err := parseJWK(text)
	if err != nil {
		return SigningKey{}, err
	}
	if !j.isFor("sign") {
		return SigningKey{}, errors.New("the key is not for signing (use, key_ops)")
	}
	a, known, err := j.algorithm()
	if err != nil {
		return SigningKey{}, err
	}
	if !known {
		return SigningKey{}, errors.New("the kind, curve or algorithm is unknown here (kty, crv, alg)")
	}
	private, err := j.private(a)
	if err != nil {
		return SigningKey{}, err
	}
	return newSigningKey(j.kid, a.Name, private)
}

// A jwk is a JSON Web Key whose text is well formed. Its material is read only if the key is not left out: what x is, say, in a
// kind unknown here, is unknown too.
type jwk struct {
	kty, use, alg, kid string
	ops                []string
	hasOps             bool
	material           map[string]string // JSON values by member name: crv, x, n, d, ...
}

// The members of a JWK known here: what describes it, and what it is made of.
var (
	describingMembers = [...]string{"kty", "use", "key_ops", "alg", "kid"}
	publicMembers     = [...]string{"crv", "x", "y", "n", "e"}
	privateMembers    = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}
)

func isPrivateMember(name string) bool { return slices.Contains(privateMembers[:], name) }

// refuseLookAlike refuses a name that another parser may take for one of known.
func refuseLookAlike(r *jose.Reader, name string, known ...string) {
	for _, k := range known {
		if jose.FoldsTo(name, k) {
			r.Fail(fmt.Errorf("a member is named like %s in other letter case", k))
		}
	}
}

func parseJWK(text string) (jwk, error) {
	j := jwk{material: make(map[string]string)}
	r := jose.NewReader(text)
	r.Object()
	for name, ok := r.Next(); ok; name, ok = r.Next() {
		if !j.readMember(&r, name) {
			refuseLookAlike(&r, name, describingMembers[:]...)
			refuseLookAlike(&r, name, publicMembers[:]...)
			refuseLookAlike(&r, name, privateMembers[:]...)
			r.Raw()
		} else if err := r.Err(); err != nil {
			return jwk{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := r.End(); err != nil {
		return jwk{}, err
	}
	if j.kty == "" {
		return jwk{}, errors.New("kty is missing")
	}
	j.kid = strings.Clone(j.kid) // else the key would keep all of text in memory, secrets too
	return j, nil
}

// readMember reads the value of a known member, and says whether it is one.
func (j *jwk) readMember(r *jose.Reader, name string) bool {
	switch name {
	case "kty":
		j.kty = readText(r)
	case "use":
		j.use = readText(r)
	case "key_ops":
		j.ops, j.hasOps = readTexts(r), true
	case "alg":
		j.alg = readText(r)
	case "kid":
		j.kid = readText(r)
	default:
		if !slices.Contains(publicMembers[:], name) && !isPrivateMember(name) {
			return false
		}
		j.material[name] = r.Raw()
	}
	return true
}

// isFor says whether use and key_ops, where they are there, both allow op (RFC 7517, sections 4.2 and 4.3).
func (j *jwk) isFor(op string) bool {
	return (j.use == "" || j.use == "sig") && (!j.hasOps || slices.Contains(j.ops, op))
}

// algorithm returns the algorithm the key is for. One that is unknown here, or whose kind or curve is, is not known. A known
// algorithm that is not of the key's kind is an error.
func (j *jwk) algorithm() (a jwa.Algorithm, known bool, err error) {
	fits, err := j.algorithms()
	if err != nil || len(fits) == 0 {
		return jwa.Algorithm{}, false, err
	}
	name := j.alg
	if name == "" {
		name = fits[0]
	}
	if a, known = jwa.Lookup(name); known && !slices.Contains(fits, name) {
		return jwa.Algorithm{}, false, errors.New("alg does not fit the kind of the key")
	}
	return a, known, nil
}

// algorithms returns the algorithms for keys of this kind and curve. The first is the one of a key without alg.
func (j *jwk) algorithms() ([]string, error) {
	switch j.kty {
	case "RSA":
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case "oct":
		if j.alg == "" {
			return nil, errors.New("a secret needs alg")
		}
		return []string{"HS256", "HS384", "HS512"}, nil
	case "EC", "OKP":
		crv, err := j.text("crv")
		if err != nil {
			return nil, err
		}
		switch j.kty + " " + crv {
		case "EC P-256":
			return []string{"ES256"}, nil
		case "EC P-384":
			return []string{"ES384"}, nil
		case "EC P-521":
			return []string{"ES512"}, nil
		case "OKP Ed25519":
			return []string{"EdDSA"}, nil
		}
	}
	return nil, nil
}

// text returns a member that is a JSON string.
func (j *jwk) text(name string) (string, error) {
	value, ok := j.material[name]
	if !ok {
		return "", fmt.Errorf("%s is missing", name)
	}
	r := jose.NewReader(value)
	s := r.String()
	if err := r.End(); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// bytes returns a member that is canonical base64url, of size bytes; any number of them if size is 0.
func (j *jwk) bytes(name string, size int) ([]byte, error) {
	s, err := j.text(name)
	if err != nil {
		return nil, err
	}
	b, err := jose.AppendDecoded(nil, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if size != 0 && len(b) != size {
		return nil, fmt.Errorf("%s is not %d bytes long", name, size)
	}
	return b, nil
}

// numbers returns members that are Base64urlUInt (RFC 7518, section 2): positive numbers without leading zero bytes.
func (j *jwk) numbers(names ...string) ([]*big.Int, error) {
	numbers := make([]*big.Int, len(names))
	for i, name := range names {
		b, err := j.bytes(name, 0)
		if err != nil {
			return nil, err
		}
		if len(b) == 0 || b[0] == 0 {
			return nil, fmt.Errorf("%s is empty or has leading zeros", name)
		}
		numbers[i] = new(big.Int).SetBytes(b)
	}
	return numbers, nil
}

// public returns the public key, which is for a.
func (j *jwk) public(a jwa.Algorithm) (crypto.PublicKey, error) {
	switch a.Family {
	case jwa.RSA, jwa.PSS:
		return j.publicRSA()
	case jwa.ECDSA:
		return j.publicECDSA(a.Curve())
	case jwa.EdDSA:
		x, err := j.bytes("x", ed25519.PublicKeySize)
		return ed25519.PublicKey(x), err
	}
	return nil, errors.New("a secret is no public key")
}

func (j *jwk) publicRSA() (*rsa.PublicKey, error) {
	ne, err := j.numbers("n", "e")
	if err != nil {
		return nil, err
	}
	e := ne[1]
	if e.BitLen() > 31 {
		return nil, errors.New("e is larger than 2^31-1")
	}
	return &rsa.PublicKey{N: ne[0], E: int(e.Int64())}, nil
}

// publicECDSA wants coordinates at full length (RFC 7518, section 6.2.1.2).
func (j *jwk) publicECDSA(curve elliptic.Curve) (*ecdsa.PublicKey, error) {
	size := (curve.Params().BitSize + 7) / 8
	x, err := j.bytes("x", size)
	if err != nil {
		return nil, err
	}
	y, err := j.bytes("y", size)
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("x and y are no point of the curve")
	}
	return public, nil
}

// private returns the private key or secret, which is for a.
func (j *jwk) private(a jwa.Algorithm) (any, error) {
	if a.Family == jwa.HMAC {
		return j.bytes("k", 0)
	}
	public, err := j.public(a)
	if err != nil {
		return nil, err
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		return j.privateRSA(a, public)
	case *ecdsa.PublicKey:
		return j.privateECDSA(public)
	}
	return j.privateEd25519(public)
}

// privateRSA wants all parts that follow from p, q and d to be there and to follow from them: a wrong one can give the key away
// with the first signature.
func (j *jwk) privateRSA(a jwa.Algorithm, public *rsa.PublicKey) (*rsa.PrivateKey, error) {
	if _, more := j.material["oth"]; more {
		return nil, errors.New("oth: the key has more than two primes")
	}
	parts, err := j.numbers("d", "p", "q", "dp", "dq", "qi")
	if err != nil {
		return nil, err
	}
	admitted, err := a.AdmitPrivate(&rsa.PrivateKey{PublicKey: *public, D: parts[0], Primes: parts[1:3]})
	if err != nil {
		return nil, err
	}
	private := admitted.Key.(*rsa.PrivateKey)
	follows := []*big.Int{private.Precomputed.Dp, private.Precomputed.Dq, private.Precomputed.Qinv}
	for i, name := range [...]string{"dp", "dq", "qi"} {
		if parts[3+i].Cmp(follows[i]) != 0 {
			return nil, fmt.Errorf("%s does not match p, q and d", name)
		}
	}
	return private, nil
}

// privateECDSA wants d at full length (RFC 7518, section 6.2.2.1).
func (j *jwk) privateECDSA(public *ecdsa.PublicKey) (*ecdsa.PrivateKey, error) {
	d, err := j.bytes("d", (public.Curve.Params().N.BitLen()+7)/8)
	if err != nil {
		return nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(public.Curve, d)
	if err != nil {
		return nil, errors.New("d is out of range")
	}
	if !private.PublicKey.Equal(public) {
		return nil, errors.New("x and y do not match d")
	}
	return private, nil
}

func (j *jwk) privateEd25519(public crypto.PublicKey) (ed25519.PrivateKey, error) {
	seed, err := j.bytes("d", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	private := ed25519.NewKeyFromSeed(seed)
	if !private.Public().(ed25519.PublicKey).Equal(public) {
		return nil, errors.New("x does not match d")
	}
	return private, nil
}

// thumbprint returns the RFC 7638 thumbprint of a public key for which there is an algorithm.
func thumbprint(public crypto.PublicKey) string {
	sum := sha256.Sum256(append(appendPublic([]byte("{"), public), '}'))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// appendPublic writes the members that make a public key, in the order of RFC 7638, section 3.3.
func appendPublic(dst []byte, public crypto.PublicKey) []byte {
	switch k := public.(type) {
	case *rsa.PublicKey:
		dst = appendNumber(dst, "e", big.NewInt(int64(k.E)))
		dst = appendText(dst, "kty", "RSA")
		return appendNumber(dst, "n", k.N)
	case *ecdsa.PublicKey:
		point := pointOf(k)
		size := len(point) / 2
		dst = appendText(dst, "crv", k.Curve.Params().Name)
		dst = appendText(dst, "kty", "EC")
		dst = appendBytes(dst, "x", point[1:1+size])
		return appendBytes(dst, "y", point[1+size:])
	case ed25519.PublicKey:
		dst = appendText(dst, "crv", "Ed25519")
		dst = appendText(dst, "kty", "OKP")
		return appendBytes(dst, "x", k)
	}
	panic("tokenauth: a public key of a kind that is never admitted")
}

// privateJWK writes a private key or secret that was admitted, under the id and algorithm of its verifying key.
func privateJWK(k Key, own any) ([]byte, error) {
	dst := []byte("{")
	if k.ID() != "" {
		dst = appendText(dst, "kid", k.ID())
	}
	dst = appendText(dst, "alg", k.Algorithm())
	dst = appendText(dst, "use", "sig")
	switch own := own.(type) {
	case []byte:
		dst = appendText(dst, "kty", "oct")
		dst = appendBytes(dst, "k", own)
	case *rsa.PrivateKey:
		dst = appendPublic(dst, &own.PublicKey)
		dst = appendNumber(dst, "d", own.D)
		dst = appendNumber(dst, "p", own.Primes[0])
		dst = appendNumber(dst, "q", own.Primes[1])
		dst = appendNumber(dst, "dp", own.Precomputed.Dp)
		dst = appendNumber(dst, "dq", own.Precomputed.Dq)
		dst = appendNumber(dst, "qi", own.Precomputed.Qinv)
	case *ecdsa.PrivateKey:
		scalar, err := own.Bytes()
		if err != nil {
			return nil, errUnreadable
		}
		dst = appendPublic(dst, &own.PublicKey)
		dst = appendBytes(dst, "d", scalar)
	case ed25519.PrivateKey:
		dst = appendPublic(dst, own.Public())
		dst = appendBytes(dst, "d", own.Seed())
	default:
		return nil, errUnreadable
	}
	return append(dst, '}'), nil
}

var errUnreadable = errors.New("tokenauth: signing key: the private half of a crypto.Signer cannot be read")

// appendText writes a member that is a text, after a comma unless it is the first.
func appendText(dst []byte, name, value string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(jose.AppendString(dst, name), ':')
	return jose.AppendString(dst, value)
}

// appendBytes writes a member that is base64url.
func appendBytes(dst []byte, name string, value []byte) []byte {
	return appendText(dst, name, base64.RawURLEncoding.EncodeToString(value))
}

// appendNumber writes a member that is Base64urlUInt.
func appendNumber(dst []byte, name string, value *big.Int) []byte {
	return appendBytes(dst, name, value.Bytes())
}
