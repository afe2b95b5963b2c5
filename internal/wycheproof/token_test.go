package wycheproof

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/jose"
	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// Tokens and sets of keys go through the doors that a service uses: ParseKeys, ParseSigningKey and the Verifier. The vectors sign
// "foo" and the like, which are no claims, so the Verifier refuses each of them. But it looks at the claims only after the
// signature, so that ErrClaims is its way to say that the signature holds.

// proven says whether a token's signature holds by a key of the set.
func proven(t *testing.T, keys tokenauth.KeySet, token string) bool {
	t.Helper()
	v, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: []string{"nobody"}, NoAudience: true},
		Keys:       keys,
		Revocation: tokenauth.Unenforced("vectors have no records"),
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Verify(t.Context(), token)
	if p != nil || err == nil {
		t.Errorf("a token without claims was accepted")
	}
	return errors.Is(err, tokenauth.ErrClaims)
}

// The vectors of json_web_signature_test.json about which this library is of another opinion.
const (
	wrongLabel     = "the label is wrong"
	otherAlgorithm = "the key is for another algorithm"
	emptyPayload   = "there is no payload"
	zeroSecret     = "the secret is all zero"
)

// exception says whether a vector is one of them, and why. Each kind has a test of its own below.
func exception(id int) string {
	switch {
	// 367 and 370 are labelled invalid for their padding and are, byte for byte, the valid 357. 372 and 373 are labelled valid
	// and hold a question mark, for which the vectors beside them are labelled invalid.
	case slices.Contains([]int{367, 370, 372, 373}, id):
		return wrongLabel
	// The examples of RFC 7520, figures 20 and 27. The JWK that Wycheproof adds says PS256 where the token says PS384, or ES521,
	// which is no algorithm (RFC 7518, section 3.1, has ES512). The key decides its algorithm here, and the header must agree.
	case slices.Contains([]int{346, 347, 350, 351}, id):
		return otherAlgorithm
	// A JWS may sign nothing. A token that says nothing is no token, so it is refused by its shape.
	case slices.Contains([]int{259, 264, 268, 272, 320, 325}, id):
		return emptyPayload
	// A group about base64 has a key of 32 zero bytes. Such a secret is one that somebody forgot to set: no key is made of it.
	case 357 <= id && id <= 377:
		return zeroSecret
	}
	return ""
}

func TestTokens(t *testing.T) {
	count := make(map[string]int)
	for g, v := range tokens(t) {
		reason := exception(v.ID)
		count[reason]++
		if reason != "" {
			continue
		}
		key, err := g.key()
		if got := err == nil && proven(t, key, v.JWS); got != (v.Result == valid) {
			t.Errorf("vector %d (%s, %s): proven is %t and it is labelled %s (key: %v)", v.ID, g.Comment, v.Comment, got, v.Result, err)
		}
	}
	// All but the four with wrong labels, 397, are answered as they are labelled, here or in the test of their kind.
	want := map[string]int{"": 370, wrongLabel: 4, otherAlgorithm: 4, emptyPayload: 6, zeroSecret: 17}
	if !maps.Equal(count, want) {
		t.Errorf("got %v, want %v", count, want)
	}
}

// tokens yields the vectors with their groups.
func tokens(t *testing.T) iter.Seq2[group, vector] {
	t.Helper()
	groups := groupsOf(t, "json_web_signature_test.json")
	return func(yield func(group, vector) bool) {
		for _, g := range groups {
			for _, v := range g.Tests {
				if !yield(g, v) {
					return
				}
			}
		}
	}
}

// key reads the key of a group that has one: the public half, or the secret.
func (g group) key() (tokenauth.Key, error) {
	if g.Public == nil {
		secret, err := tokenauth.ParseSigningKey(g.Private)
		return secret.VerifyingKey(), err
	}
	keys, err := tokenauth.ParseKeys(g.Public)
	if err != nil {
		return tokenauth.Key{}, err
	}
	return keys[0], nil
}

func TestWrongLabels(t *testing.T) {
	texts := make(map[int]string)
	for _, v := range tokens(t) {
		texts[v.ID] = v.JWS
	}
	for _, id := range []int{367, 370} {
		if texts[id] != texts[357] {
			t.Errorf("vector %d is no longer the same as 357: its label may be right now", id)
		}
	}
	for _, id := range []int{372, 373} {
		if texts[id] == texts[357] || strings.Replace(texts[id], "?", "", 1) != texts[357] {
			t.Errorf("vector %d is no longer 357 with a question mark: its label may be right now", id)
		}
	}
}

func TestTheKeyDecidesItsAlgorithm(t *testing.T) {
	for g, v := range tokens(t) {
		if exception(v.ID) != otherAlgorithm {
			continue
		}
		if key, err := g.key(); err == nil && proven(t, key, v.JWS) {
			t.Errorf("vector %d: proven by a key for another algorithm", v.ID)
		}
		g.Public = withAlgorithm(t, g.Public, headerOf(t, v.JWS).Algorithm)
		key, err := g.key()
		if err != nil || !proven(t, key, v.JWS) {
			t.Errorf("vector %d: not proven by the same key for the algorithm of the token: %v", v.ID, err)
		}
	}
}

// headerOf reads the header of a token.
func headerOf(t *testing.T, token string) jose.Header {
	t.Helper()
	segment, _, _ := strings.Cut(token, ".")
	text, err := jose.AppendDecoded(nil, segment)
	if err != nil {
		t.Fatal(err)
	}
	header, err := jose.ParseHeader(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return header
}

// withAlgorithm changes the alg of a JWK.
func withAlgorithm(t *testing.T, jwk []byte, alg string) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(jwk, &members); err != nil {
		t.Fatal(err)
	}
	members["alg"] = alg
	jwk, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return jwk
}

// The signatures of these are good, and it is the verifier that wants a payload.
func TestEmptyPayloads(t *testing.T) {
	for g, v := range tokens(t) {
		if exception(v.ID) != emptyPayload {
			continue
		}
		key, err := g.key()
		if err != nil {
			t.Fatal(err)
		}
		if proven(t, key, v.JWS) {
			t.Errorf("vector %d: a token without payload is proven", v.ID)
		}
		alg, ok := jwa.Lookup(key.Algorithm())
		if !ok {
			t.Fatal("a key without an algorithm")
		}
		end := strings.LastIndex(v.JWS, ".")
		signature, err := jose.AppendDecoded(nil, v.JWS[end+1:])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(v.JWS[:end], ".") || !admit(t, alg, key.Public()).Verify(v.JWS[:end], signature) {
			t.Errorf("vector %d: no empty payload, or a wrong signature", v.ID)
		}
	}
}

// No key is made of such a secret, so the encodings are judged by what the verifier judges them with, and the MAC by crypto/hmac.
func TestZeroSecret(t *testing.T) {
	for g, v := range tokens(t) {
		if exception(v.ID) != zeroSecret {
			continue
		}
		if _, err := g.key(); err == nil {
			t.Fatal("a key is made of a secret that is all zero")
		}
		if got := wellEncoded(v.JWS, make([]byte, 32)); got != (v.Result == valid) {
			t.Errorf("vector %d (%s): got %t, and it is labelled %s", v.ID, v.Comment, got, v.Result)
		}
	}
}

// wellEncoded says whether a token has the one encoding there is, and its HS256 signature is by that secret.
func wellEncoded(token string, secret []byte) bool {
	parts, err := jose.SplitCompact(token)
	if err != nil {
		return false
	}
	header, errHeader := jose.AppendDecoded(nil, parts.Header)
	_, errAlgorithm := jose.ParseHeader(string(header))
	_, errPayload := jose.AppendDecoded(nil, parts.Payload)
	signature, errSignature := jose.AppendDecoded(nil, parts.Signature)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(parts.SigningInput))
	return errors.Join(errHeader, errAlgorithm, errPayload, errSignature) == nil && hmac.Equal(mac.Sum(nil), signature)
}
