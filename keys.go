package tokenauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"slices"
	"strconv"

	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// Everything a token says is worth as much as the key that signed it. A Key is used by one algorithm, which it was made with:
// nothing that arrives in a token chooses how a key is used, so that a public RSA key is never taken for an HMAC secret, and
// "none" is nowhere. Keys are made by constructors only, which refuse what is weak or does not fit, and never change
// afterwards; the zero values verify nothing and sign nothing.
//
// Keys may be copied, compared with == (true for copies of one key) and used by many goroutines at once.
//
// Private halves and secrets are held in function values, not in fields. Whatever walks a value by reflection, such as fmt for
// the unexported field of a caller's struct, finds an address there and no secret. A program that can read this process's
// memory finds it all the same: keys are not wiped, because Go cannot promise that.

// A KeySet finds the key that a token names by its kid, or with the empty id the one for tokens without kid. No such key is an
// error wrapping ErrUnknownKey: a 401. Any other error is ErrUnavailable to the caller: a 503. A set that cannot know, say
// because it never read its source, must not answer that a key is unknown.
//
// It must honour ctx's deadline and be safe for concurrent use. It is asked once for each token, remembered ones too. A set
// that answers from memory may say so by a method AnswersFromMemory(), and is then called without a timer.
type KeySet interface {
	Key(ctx context.Context, id string) (Key, error)
}

// A Key verifies signatures by one algorithm under one id. It is also the KeySet that holds only itself. The zero Key verifies
// nothing. Algorithms go by their registered names: "HS256" to "HS512", "RS256" to "RS512", "PS256" to "PS512", "ES256" to
// "ES512", "EdDSA". Every other word is refused.
type Key struct{ d *keyData }

// keyData is what copies of a Key share. None of it changes, but that material keeps HMACs for the next token: see jwa.MAC.
type keyData struct {
	id       string
	alg      string
	sum      [sha256.Size]byte   // the fingerprint
	public   crypto.PublicKey    // nil for a secret, and for several keys in one
	material func() jwa.Material // nil for several keys in one
	parts    []Key               // the keys in one; nil for a key of its own
}

var _ KeySet = Key{}

// NewKey returns a key from an ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey or, for HS*, a []byte secret, which is
// copied. The id is at most 128 printable ASCII characters; the empty id answers tokens without kid, and only those.
//
// It refuses
//
//   - secrets shorter than the hash or longer than 1 KiB, all zero, or holding a key or certificate as PEM, JWK or DER;
//   - RSA keys below 2048 and above 4096 bits (see NewLargeRSAKey), with an even modulus, with an exponent that is not odd and
//     between 3 and 2^31-1, or from the generator of CVE-2017-15361;
//   - elliptic curve keys that are not on the curve of the algorithm;
//   - Ed25519 keys that are not encoded canonically, are no point of the curve, or have small order.
//
// It does not measure how random a secret is, and does not look for the factors of a modulus.
func NewKey(id string, alg string, publicOrSecret any) (Key, error) {
	k, err := newKey(id, alg, publicOrSecret, jwa.MaxRSABits)
	return k, keyError(err)
}

// NewLargeRSAKey is NewKey for RSA keys of up to 8192 bits. The time of a verification grows with the square of the bits, and
// whoever sends a forged token causes one. ParseKeys refuses such keys, and there is no SigningKey of that size.
func NewLargeRSAKey(id string, alg string, public *rsa.PublicKey) (Key, error) {
	k, err := newKey(id, alg, public, jwa.MaxLargeRSABits)
	return k, keyError(err)
}

func newKey(id, alg string, publicOrSecret any, maxRSABits int) (Key, error) {
	if err := checkKeyID(id); err != nil {
		return Key{}, err
	}
	a, ok := jwa.Lookup(alg)
	if !ok {
		return Key{}, jwa.ErrUnknown
	}
	m, err := a.Admit(publicOrSecret, maxRSABits)
	if err != nil {
		return Key{}, err
	}
	d := &keyData{
		id:       id,
		alg:      alg,
		sum:      fingerprintOf("key", []byte(id), []byte(alg), m.Encoded),
		material: func() jwa.Material { return m },
	}
	if a.Family != jwa.HMAC {
		d.public = m.Key
	}
	return Key{d}, nil
}

// keyError tells whose error err is. Its text is what is wrong with the key, and never a part of it.
func keyError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("tokenauth: key: %w", err)
}

// maxKeyID is the longest kid, as in a token's header.
const maxKeyID = 128

// checkKeyID holds ids to the rule for the kid of a header, so that no key has an id which no token can name.
func checkKeyID(id string) error {
	if len(id) > maxKeyID {
		return fmt.Errorf("the id is longer than %d bytes", maxKeyID)
	}
	for _, c := range []byte(id) {
		if c < ' ' || c > '~' {
			return errors.New("the id holds more than printable ASCII")
		}
	}
	return nil
}

// fingerprintKey makes fingerprints good for this process only. A plain hash of a secret that somebody thought up could be
// guessed from a dump of the memory in which fingerprints are kept. It is set once, and as a string cannot change.
var fingerprintKey = rand.Text()

// fingerprintOf returns a keyed SHA-256 over a thing and its parts, which their lengths keep apart.
func fingerprintOf(thing string, parts ...[]byte) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, []byte(fingerprintKey))
	for _, part := range append([][]byte{[]byte(thing)}, parts...) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}

// fingerprint tells keys apart by id, algorithm and material: two keys with the same one verify the same signatures. It is
// zero for the zero Key.
func (k Key) fingerprint() (sum [sha256.Size]byte) {
	if k.d == nil {
		return sum
	}
	return k.d.sum
}

// verify says whether sig is the signature of signingInput by this key.
func (k Key) verify(signingInput string, sig []byte) bool {
	return !k.provenBy(signingInput, sig).isZero()
}

// provenBy returns the key of its own that made a signature: k, or of several keys in one the one that did. It is the zero Key
// if none did. What a signature proved rests on that key alone, and outlives a change to the others.
func (k Key) provenBy(signingInput string, sig []byte) Key {
	switch {
	case k.d == nil:
		return Key{}
	case k.d.parts == nil && k.d.material().Verify(signingInput, sig):
		return k
	}
	for _, part := range k.d.parts {
		if part.d.material().Verify(signingInput, sig) {
			return part
		}
	}
	return Key{}
}

// has says whether k is the key of its own with that fingerprint, or holds it.
func (k Key) has(sum [sha256.Size]byte) bool {
	if k.d != nil && k.d.parts == nil {
		return k.d.sum == sum
	}
	return k.d != nil && slices.ContainsFunc(k.d.parts, func(part Key) bool { return part.d.sum == sum })
}

// isZero says whether k is the zero Key.
func (k Key) isZero() bool { return k.d == nil }

// ID returns the key's id, the kid of its tokens. It may be empty.
func (k Key) ID() string {
	if k.d == nil {
		return ""
	}
	return k.d.id
}

// Algorithm returns the one algorithm the key is used with; "" for the zero Key.
func (k Key) Algorithm() string {
	if k.d == nil {
		return ""
	}
	return k.d.alg
}

// Public returns a copy of the public key, an ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey. It is nil for a secret,
// for the zero Key, and for several keys in one (see NewKeyRing).
func (k Key) Public() crypto.PublicKey {
	if k.d == nil {
		return nil
	}
	switch public := k.d.public.(type) {
	case ed25519.PublicKey:
		return slices.Clone(public)
	case *rsa.PublicKey:
		return &rsa.PublicKey{N: new(big.Int).Set(public.N), E: public.E}
	case *ecdsa.PublicKey:
		return copyECDSA(public)
	}
	return nil
}

// copyECDSA copies a point that was admitted.
func copyECDSA(k *ecdsa.PublicKey) *ecdsa.PublicKey {
	c, err := ecdsa.ParseUncompressedPublicKey(k.Curve, pointOf(k))
	if err != nil {
		panic("tokenauth: an admitted point is none")
	}
	return c
}

// pointOf returns the uncompressed encoding of a point that was admitted, or that crypto/x509 made.
func pointOf(k *ecdsa.PublicKey) []byte {
	point, err := k.Bytes()
	if err != nil {
		panic("tokenauth: an admitted point has no encoding")
	}
	return point
}

// Key implements KeySet: it returns k for k's id, and for every other an error wrapping ErrUnknownKey.
func (k Key) Key(_ context.Context, id string) (Key, error) {
	if k.d == nil || k.d.id != id {
		return Key{}, ErrUnknownKey
	}
	return k, nil
}

// AnswersFromMemory marks k as a KeySet that needs no timer.
func (k Key) AnswersFromMemory() {}

// String names id and algorithm; every verb and encoder prints the same.
func (k Key) String() string {
	switch {
	case k.d == nil:
		return "no key"
	case k.d.parts != nil:
		return fmt.Sprintf("%d keys without id (%s)", len(k.d.parts), k.d.alg)
	}
	return describeKey("key", k.d.id, k.d.alg)
}

// Format prints String under every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText returns String; it serves JSON and XML. No text turns back into a key: see ParseKeys.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue returns String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func describeKey(what, id, alg string) string {
	if id == "" {
		return what + " without id (" + alg + ")"
	}
	return what + " " + strconv.Quote(id) + " (" + alg + ")"
}

// A SigningKey makes signatures. Nothing prints it; RevealJWK is the one way out. The zero SigningKey signs nothing.
type SigningKey struct{ d *signingData }

// signingData is what copies of a SigningKey share. None of it changes.
type signingData struct {
	key    Key
	sign   func(signingInput string) ([]byte, error)
	reveal func() ([]byte, error)
}

// NewSigningKey returns a signing key from an ed25519.PrivateKey, *ecdsa.PrivateKey, *rsa.PrivateKey or, for HS*, a []byte
// secret, all of which are copied. For EdDSA it also takes a crypto.Signer, say a key in a hardware module, whose public key is
// an ed25519.PublicKey. For RS*, PS* and ES* it takes none, because golang-jwt's methods for these do not.
//
// It refuses what NewKey refuses, RSA keys that do not have two primes, and halves that do not match. To prove that they do it
// makes one signature, of a text that is no token's, and verifies it.
//
// A crypto.Signer must be safe for concurrent use, and is not copied. What ties it to the public key is its word, so each of its
// signatures is verified before it is used: a module that starts to sign with another key is noticed here and not by every
// service that is sent the token.
func NewSigningKey(id string, alg string, private any) (SigningKey, error) {
	k, err := newSigningKey(id, alg, private)
	return k, keyError(err)
}

func newSigningKey(id, alg string, private any) (SigningKey, error) {
	a, ok := jwa.Lookup(alg)
	if !ok {
		return SigningKey{}, jwa.ErrUnknown
	}
	p, err := a.AdmitPrivate(private)
	if err != nil {
		return SigningKey{}, err
	}
	key, err := newKey(id, alg, p.Public, jwa.MaxRSABits)
	if err != nil {
		return SigningKey{}, err
	}
	sign := p.Sign
	checked := signAndVerify(sign, key)
	if _, err := checked(matchProof); err != nil {
		return SigningKey{}, fmt.Errorf("the private key does not sign: %w", err)
	}
	if isSigner(p.Key) {
		sign = checked
	}
	return SigningKey{&signingData{
		key:    key,
		sign:   sign,
		reveal: func() ([]byte, error) { return privateJWK(key, p.Key) },
	}}, nil
}

// signAndVerify returns sign, but with no signature that key does not verify.
func signAndVerify(sign func(string) ([]byte, error), key Key) func(string) ([]byte, error) {
	return func(signingInput string) ([]byte, error) {
		sig, err := sign(signingInput)
		if err == nil && !key.verify(signingInput, sig) {
			return nil, errMismatch
		}
		return sig, err
	}
}

// matchProof is what a new key signs. It holds blanks and no dot, so that its signature is good for no token.
const matchProof = "tokenauth: proof that the private key matches the public one"

// errMismatch is met where a private key signs, and the public one does not verify it.
var errMismatch = errors.New("its signature does not verify by the public key")

// isSigner says whether a private key that was admitted is a foreign crypto.Signer, and none of the types that are copied.
func isSigner(own any) bool {
	switch own.(type) {
	case []byte, ed25519.PrivateKey, *ecdsa.PrivateKey, *rsa.PrivateKey:
		return false
	}
	return true
}

// GenerateSigningKey makes a key with a random id: a secret as long as the hash, an RSA key of 3072 bits, or a key on the
// algorithm's curve. It lives in this process only, unless RevealJWK's answer is kept: after a restart, or beside a second
// instance, its tokens are those of a stranger.
func GenerateSigningKey(alg string) (SigningKey, error) {
	a, ok := jwa.Lookup(alg)
	if !ok {
		return SigningKey{}, keyError(jwa.ErrUnknown)
	}
	private, err := a.Generate()
	if err != nil {
		return SigningKey{}, keyError(err)
	}
	return NewSigningKey(rand.Text(), alg, private)
}

// sign returns the signature of signingInput. Its error may come from a crypto.Signer, so that its text is not to be passed on.
func (k SigningKey) sign(signingInput string) ([]byte, error) {
	if k.d == nil {
		return nil, errNoSigningKey
	}
	return k.d.sign(signingInput)
}

var errNoSigningKey = errors.New("tokenauth: key: the zero SigningKey does not sign")

// isZero says whether k is the zero SigningKey.
func (k SigningKey) isZero() bool { return k.d == nil }

// ID returns the key's id, the kid of the tokens it signs. It may be empty.
func (k SigningKey) ID() string { return k.VerifyingKey().ID() }

// Algorithm returns the one algorithm the key signs with; "" for the zero SigningKey.
func (k SigningKey) Algorithm() string { return k.VerifyingKey().Algorithm() }

// VerifyingKey returns the key that verifies what k signs; for HS* it holds the same secret. It is the zero Key for the zero
// SigningKey.
func (k SigningKey) VerifyingKey() Key {
	if k.d == nil {
		return Key{}
	}
	return k.d.key
}

// RevealJWK returns the private key as a JWK (RFC 7517, RFC 7518 section 6, RFC 8037), to keep in a secret store, and for
// ParseSigningKey to read. It is an error for a crypto.Signer, which cannot be read, and for the zero SigningKey.
func (k SigningKey) RevealJWK() ([]byte, error) {
	if k.d == nil {
		return nil, errNoSigningKey
	}
	return k.d.reveal()
}

// String names id and algorithm; every verb and encoder prints the same.
func (k SigningKey) String() string {
	if k.d == nil {
		return "no signing key"
	}
	return describeKey("signing key", k.ID(), k.Algorithm())
}

// Format prints String under every verb.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText returns String; it serves JSON and XML. No text turns back into a key: see RevealJWK.
func (k SigningKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue returns String.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
