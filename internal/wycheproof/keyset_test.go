package wycheproof

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth"
)

// The sets of these vectors are refused as a whole, for what the error says. In all others it is the token that is judged.
var refusedSets = map[int]string{
	1:  "there is a private or secret member", // beside a public key
	4:  "spare bits",                          // in the second of two keys that have one id, too
	6:  "there is no key that verifies",       // it is for encryption
	7:  "CVE-2017-15361",
	8:  "shorter than 2048 bits",
	9:  "exponent",
	10: "shorter than 32 bytes",
	11: "shorter than 48 bytes",
	12: "shorter than 64 bytes",
	16: "shorter than 32 bytes",
	17: "shorter than 48 bytes",
	18: "shorter than 64 bytes",
	19: "there is no key that verifies", // ES521 is no algorithm
	20: "there is no key that verifies", // nor is ES224
	21: "there is no key that verifies", // it is for encryption
	22: "no point of the curve",
	23: "alg does not fit",
	24: "alg does not fit",
	25: "unknown here", // A256GCM
	26: "unknown here", // A256KW
}

func TestKeySets(t *testing.T) {
	for _, g := range groupsOf(t, "json_web_key_test.json") {
		keys, err := g.keySet()
		for _, v := range g.Tests {
			why, refused := refusedSets[v.ID]
			if refused != (err != nil) || refused && !strings.Contains(err.Error(), why) {
				t.Errorf("vector %d (%s, %s): the set is to be refused: %t (%s), got %v", v.ID, g.Comment, v.Comment, refused, why, err)
				continue
			}
			if got := err == nil && proven(t, keys, v.JWS); got != (v.Result == valid) {
				t.Errorf("vector %d (%s, %s): proven is %t, and it is labelled %s", v.ID, g.Comment, v.Comment, got, v.Result)
			}
		}
	}
}

// keySet reads the set of a group as a service would: secrets of its own one by one, everything else as it comes from others.
func (g group) keySet() (*tokenauth.KeyRing, error) {
	if g.Public != nil {
		return newRing(tokenauth.ParseKeys(g.Public))
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(g.Private, &set); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(set.Keys, func(jwk json.RawMessage) bool { return !isSecret(jwk) }) {
		return newRing(tokenauth.ParseKeys(g.Private))
	}
	var keys []tokenauth.Key
	for _, jwk := range set.Keys {
		key, err := tokenauth.ParseSigningKey(jwk)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key.VerifyingKey())
	}
	return newRing(keys, nil)
}

func newRing(keys []tokenauth.Key, err error) (*tokenauth.KeyRing, error) {
	if err != nil {
		return nil, err
	}
	return tokenauth.NewKeyRing(keys...)
}

func isSecret(jwk []byte) bool {
	var members struct {
		Kind string `json:"kty"`
	}
	return json.Unmarshal(jwk, &members) == nil && members.Kind == "oct"
}
