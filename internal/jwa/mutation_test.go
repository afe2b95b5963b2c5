package jwa_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// Checks that could once be taken away and no test noticed: internal/mutate found them. Each test here holds one.

func TestTheZeroMaterialVerifiesNothing(t *testing.T) {
	if (jwa.Material{}).Verify("a.b", nil) {
		t.Error("it verifies")
	}
}

// Who hands in a key of the wrong type is told the right one.
func TestWrongTypesAreToldTheRightOne(t *testing.T) {
	for name, want := range map[string][2]string{
		"HS256": {"a []byte", "a []byte"},
		"RS256": {"an *rsa.PublicKey", "an *rsa.PrivateKey"},
		"PS256": {"an *rsa.PublicKey", "an *rsa.PrivateKey"},
		"ES256": {"an *ecdsa.PublicKey", "an *ecdsa.PrivateKey"},
		"EdDSA": {"an ed25519.PublicKey", "an ed25519.PrivateKey or a crypto.Signer"},
	} {
		a, ok := jwa.Lookup(name)
		if !ok {
			t.Fatal(name)
		}
		if _, err := a.Admit("text", jwa.MaxRSABits); err == nil || !strings.HasSuffix(err.Error(), "but with "+want[0]) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := a.AdmitPrivate("text"); err == nil || !strings.HasSuffix(err.Error(), "but with "+want[1]) {
			t.Errorf("%s: %v", name, err)
		}
		for _, other := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
			key := generated(t, other)
			_, err := a.AdmitPrivate(key)
			if fits := strings.Contains(want[1], fmt.Sprintf("%T", key)) || other == name; fits != (err == nil) {
				t.Errorf("%s: a %T: %v", name, key, err)
			}
		}
	}
}

var keys = make(map[string]any)

// generated returns a private key of an algorithm, always the same one: RSA keys are slow to make.
func generated(t *testing.T, name string) any {
	t.Helper()
	if keys[name] == nil {
		a, _ := jwa.Lookup(name)
		generate := a.Generate
		if name == "RS256" { // in less time
			generate = func() (any, error) { return rsa.GenerateKey(rand.Reader, 2048) }
		}
		key, err := generate()
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
	}
	return keys[name]
}

// A modulus of nothing is none, and not a short one.
func TestAModulusOfZeroIsMissing(t *testing.T) {
	a, _ := jwa.Lookup("RS256")
	for _, n := range []*big.Int{nil, big.NewInt(0), big.NewInt(-1)} {
		if _, err := a.Admit(&rsa.PublicKey{N: n, E: 3}, jwa.MaxRSABits); err == nil || !strings.Contains(err.Error(), "no modulus") {
			t.Errorf("%v: %v", n, err)
		}
	}
}

// Only what base64 reads to its end is looked into.
func TestASecretMayBeginLikeAKey(t *testing.T) {
	a, _ := jwa.Lookup("HS256")
	der, err := x509.MarshalPKIXPublicKey(generated(t, "EdDSA").(ed25519.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := base64.StdEncoding.EncodeToString(der)
	if _, err := a.Admit([]byte(secret), 0); err == nil {
		t.Error("a public key is a secret")
	}
	if _, err := a.Admit([]byte(secret+"*"), 0); err != nil {
		t.Error(err)
	}
}

// Only a JSON object is a JWK: other texts may hold what they like.
func TestASecretMayHoldTheWordKty(t *testing.T) {
	a, _ := jwa.Lookup("HS256")
	for secret, fit := range map[string]bool{`correct "kty" battery staple, and more`: true, ` {"crv":"Ed25519","kty":"OKP","x":"AA"} `: false} {
		if _, err := a.Admit([]byte(secret), 0); (err == nil) != fit {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

// A valueSigner is a module behind a value and not behind a pointer, and signs by whatever key it has.
type valueSigner struct{ public crypto.PublicKey }

func (s valueSigner) Public() crypto.PublicKey { return s.public }

func (valueSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }

func TestSignersAreOfEd25519(t *testing.T) {
	a, _ := jwa.Lookup("EdDSA")
	if _, err := a.AdmitPrivate(valueSigner{generated(t, "EdDSA").(ed25519.PrivateKey).Public()}); err != nil {
		t.Error(err)
	}
	for _, public := range []crypto.PublicKey{nil, generated(t, "ES256").(crypto.Signer).Public(), "text"} {
		if _, err := a.AdmitPrivate(valueSigner{public}); err == nil || !strings.Contains(err.Error(), "no ed25519.PublicKey") {
			t.Errorf("%T: %v", public, err)
		}
	}
}

func TestPartsOfAnRSAKeyAreAboveZero(t *testing.T) {
	a, _ := jwa.Lookup("RS256")
	good := generated(t, "RS256").(*rsa.PrivateKey)
	for _, bad := range []rsa.PrivateKey{
		{PublicKey: good.PublicKey, D: new(big.Int), Primes: good.Primes},
		{PublicKey: good.PublicKey, D: good.D, Primes: []*big.Int{new(big.Int), good.Primes[1]}},
		{PublicKey: good.PublicKey, D: good.D, Primes: []*big.Int{good.Primes[0], new(big.Int)}},
	} {
		if _, err := a.AdmitPrivate(&bad); err == nil || !strings.Contains(err.Error(), "out of range") {
			t.Error(err)
		}
	}
}
