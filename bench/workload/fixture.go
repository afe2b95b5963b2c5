// Package workload is what the benchmarks measure: one token, this library and its peers set up to verify and to mint it, and the
// one thing that none of them can leave out, the standard library's check of the signature, which is called the limit.
//
// All keys are made from fixed texts, so that every run does the same work: some of it is counted in instructions.
package workload

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithms are those that are measured.
var Algorithms = []string{"HS256", "ES256", "EdDSA", "RS256"}

// Who makes the tokens, whom they are for, and the id of the key that signs them.
const (
	Issuer   = "https://auth.example.com"
	Audience = "https://api.example.com"
	KeyID    = "2031-03"
)

// Private returns the key that signs tokens of an algorithm: the same one each time.
func Private(algorithm string) any { return keys[algorithm]() }

// keys makes each key when it is first asked for.
var keys = func() map[string]func() any {
	keys := map[string]func() any{}
	for _, algorithm := range Algorithms {
		keys[algorithm] = sync.OnceValue(func() any { return newPrivate(algorithm) })
	}
	return keys
}()

func newPrivate(algorithm string) any {
	seed := sha256.Sum256([]byte("tokenauth bench " + algorithm))
	switch algorithm {
	case "HS256":
		return seed[:]
	case "EdDSA":
		return ed25519.NewKeyFromSeed(seed[:])
	case "ES256":
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
		must(err)
		return private
	case "RS256":
		return privateRSA()
	}
	panic("workload: no key for " + algorithm)
}

// Public returns what verifies those tokens: for HS256 the secret itself.
func Public(algorithm string) any {
	private := Private(algorithm)
	if signer, ok := private.(crypto.Signer); ok {
		return signer.Public()
	}
	return private
}

// privateRSA returns a key of 2048 bits. Its primes are the first ones that their texts lead to, found beforehand.
func privateRSA() *rsa.PrivateKey {
	p, q := candidate("p", 46), candidate("q", 78)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	must(key.Validate())
	return key
}

// candidate returns an odd number of 1024 bits.
func candidate(name string, n int) *big.Int {
	var digits []byte
	for part := range 4 {
		sum := sha256.Sum256(fmt.Appendf(nil, "tokenauth bench %s %d %d", name, n, part))
		digits = append(digits, sum[:]...)
	}
	digits[0] |= 0xc0
	digits[len(digits)-1] |= 1
	return new(big.Int).SetBytes(digits)
}

// A Scope is one of the token's, as every library reads it.
type Scope struct {
	Kind  string `json:"resource_kind"`
	ID    string `json:"resource_id,omitempty"`
	Level string `json:"level"`
}

// A Payload is what a token says.
type Payload struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  []string `json:"aud"`
	ExpiresAt int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
	IssuedAt  int64    `json:"iat"`
	ID        string   `json:"jti"`
	Roles     []string `json:"roles"`
	Scopes    []Scope  `json:"scopes"`
	Email     string   `json:"email"`
}

// NewPayload returns what the token that everything is measured with says: one role, four scopes, 449 bytes as JSON. It was issued a
// minute ago and is good for an hour.
func NewPayload() Payload {
	now := time.Now().Unix()
	return Payload{
		Issuer: Issuer, Subject: "user-47110", Audience: []string{Audience},
		ExpiresAt: now + 3600, NotBefore: now - 60, IssuedAt: now - 60,
		ID: "0197a9b2-7d1e-7c3a-9f00-3b5d2c1e4f60", Roles: []string{"developer"},
		Scopes: []Scope{
			{"deployment", "web", "write"},
			{"secret", "db", "read"},
			{"job", "", "read"},
			{"node", "", "read"},
		},
		Email: "dev@example.com",
	}
}

// Sign returns the token of a payload, as golang-jwt's signing methods make it.
func Sign(algorithm string, p Payload) string {
	return SignWith(fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, algorithm, KeyID), algorithm, p)
}

// SignWith is Sign under a header of one's own.
func SignWith(header, algorithm string, p Payload) string {
	payload, err := json.Marshal(p)
	must(err)
	input := encode([]byte(header)) + "." + encode(payload)
	signature, err := jwt.GetSigningMethod(algorithm).Sign(input, Private(algorithm))
	must(err)
	return input + "." + encode(signature)
}

// Token returns the token that everything is measured with.
func Token(algorithm string) string { return Sign(algorithm, NewPayload()) }

// BadSignature returns a token with one bit of its signature changed.
func BadSignature(token string) string {
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	must(err)
	signature[len(signature)/2] ^= 1
	return token[:dot+1] + encode(signature)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Limit returns the standard library's check of a token's signature, and nothing else: what a verify cannot be cheaper than. Its
// inputs are decoded beforehand. For HS256 it makes a new hmac each time, as the library's own example does.
func Limit(algorithm, token string) func() bool {
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	must(err)
	input := []byte(token[:dot])
	switch public := Public(algorithm).(type) {
	case []byte:
		return func() bool {
			mac := hmac.New(sha256.New, public)
			mac.Write(input)
			return hmac.Equal(mac.Sum(nil), signature)
		}
	case ed25519.PublicKey:
		return func() bool { return ed25519.Verify(public, input, signature) }
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return func() bool {
			digest := sha256.Sum256(input)
			return ecdsa.Verify(public, digest[:], r, s)
		}
	case *rsa.PublicKey:
		return func() bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		}
	}
	panic("workload: no limit for " + algorithm)
}

// MintLimit returns the standard library's signature over a token's signing input, and nothing else.
func MintLimit(algorithm, token string) func() {
	input := []byte(token[:strings.LastIndexByte(token, '.')])
	switch private := Private(algorithm).(type) {
	case []byte:
		return func() {
			mac := hmac.New(sha256.New, private)
			mac.Write(input)
			mac.Sum(nil)
		}
	case ed25519.PrivateKey:
		return func() { ed25519.Sign(private, input) }
	}
	panic("workload: minting is not measured for " + algorithm)
}

// number makes a text of its own for each n.
func number(n int) string {
	return fmt.Sprintf("%06d-%x", n, binary.BigEndian.AppendUint32(nil, uint32(n)))
}

// must ends the program: the workload itself is broken.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
