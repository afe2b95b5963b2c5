package jwks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// What is published can be read by everybody, so it is made from public keys alone: a Key gives its public half or, for a secret,
// nothing, and what has none is left out. A private half cannot slip in, because a Key does not have it.

// defaultMaxAge is how long others may keep a set where nothing else is said, on both sides.
const defaultMaxAge = 5 * time.Minute

// longestMaxAge bounds how long a key that was taken back can live in the memory of others.
const longestMaxAge = 24 * time.Hour

// Publish returns a handler that serves the ring's public keys as a JWK Set, as they are at each request. HMAC secrets are never
// published, so a ring of nothing else is an empty set. maxAge is how long others may keep it, between 1 s and 24 h; 0: 5 min. It is
// what "one cache age" means in KeyRing's account of a rotation.
//
// Only GET and HEAD are answered. The set is public: put no guard in front of it.
func Publish(ring *tokenauth.KeyRing, maxAge time.Duration) (http.Handler, error) {
	if maxAge == 0 {
		maxAge = defaultMaxAge
	}
	switch {
	case ring == nil:
		return nil, errors.New("jwks: Publish: ring: nil")
	case maxAge < time.Second || maxAge > longestMaxAge:
		return nil, errors.New("jwks: Publish: maxAge: not between 1 s and 24 h")
	}
	seconds := strconv.FormatInt(int64(maxAge/time.Second), 10)
	return &publisher{ring: ring, cacheControl: "public, max-age=" + seconds}, nil
}

// A publisher serves a ring.
type publisher struct {
	ring         *tokenauth.KeyRing
	cacheControl string
	last         atomic.Pointer[edition]
}

// An edition is the text of a set, made once for the keys it holds.
type edition struct {
	keys []tokenauth.Key
	text []byte
	etag string
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	e, err := p.edition()
	if err != nil { // nobody can mend it from outside, and what is wrong with a key is not for everybody to know
		http.Error(w, "the key set cannot be written", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", p.cacheControl)
	h.Set("ETag", e.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(e.text))
}

// edition returns the text of the ring as it is now.
func (p *publisher) edition() (*edition, error) {
	keys := p.ring.Keys()
	if e := p.last.Load(); e != nil && slices.Equal(e.keys, keys) {
		return e, nil
	}
	text, err := Marshal(keys...)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	e := &edition{keys, text, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}
	p.last.Store(e)
	return e, nil
}

// A publicJWK is a public key as JSON, in this order of members.
type publicJWK struct {
	KeyID     string `json:"kid,omitempty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Kind      string `json:"kty"`
	Curve     string `json:"crv,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
}

// Marshal returns the public keys among keys as a JWK Set, for those who serve it from a file. HMAC secrets are left out.
// tokenauth.ParseKeys reads it, unless it is empty.
func Marshal(keys ...tokenauth.Key) ([]byte, error) {
	set := struct {
		Keys []publicJWK `json:"keys"`
	}{Keys: []publicJWK{}}
	for _, k := range keys {
		j, err := publicJWKOf(k)
		if err != nil {
			return nil, fmt.Errorf("jwks: %v: %w", k, err)
		}
		if j.Kind != "" {
			set.Keys = append(set.Keys, j)
		}
	}
	return json.Marshal(set)
}

// publicJWKOf returns a key as a JWK (RFC 7518, section 6; RFC 8037, section 2), without kind if it has no public half.
func publicJWKOf(k tokenauth.Key) (publicJWK, error) {
	j := publicJWK{KeyID: k.ID(), Use: "sig", Algorithm: k.Algorithm()}
	switch public := k.Public().(type) {
	case ed25519.PublicKey:
		j.Kind, j.Curve, j.X = "OKP", "Ed25519", encode(public)
	case *rsa.PublicKey:
		j.Kind, j.N, j.E = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, then both coordinates at full length
		if err != nil {
			return publicJWK{}, err
		}
		size := len(point) / 2
		j.Kind, j.Curve, j.X, j.Y = "EC", public.Curve.Params().Name, encode(point[1:1+size]), encode(point[1+size:])
	}
	return j, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
