package examples

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// The README shows code. What it shows is compiled here or in ./hello, so that it cannot go stale.

func TestTheREADMEShowsTheProgramInHello(t *testing.T) {
	program, err := os.ReadFile("hello/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme(t), program) {
		t.Error("README.md does not show hello/main.go as it is")
	}
}

func TestTheREADMEShowsTheWayFromGolangJWT(t *testing.T) {
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"before", "after"} {
		_, rest, _ := strings.Cut(string(source), "\t// "+name+"\n")
		shown, _, found := strings.Cut(rest, "\t// shown\n")
		if !found {
			t.Fatalf("no code %q in this file", name)
		}
		if !strings.Contains(unindented(string(readme(t))), unindented(shown)) {
			t.Errorf("README.md does not show this:\n%s", shown)
		}
	}
}

// unindented returns text without tabs: what stands in a function here stands by itself there.
func unindented(text string) string { return strings.ReplaceAll(text, "\t", "") }

func readme(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Both ways accept the same good token; only the second one refuses it once it is revoked.
func TestFromGolangJWT(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	now := time.Now()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "orchestrator", "sub": "alice", "roles": []string{"admin"}, "jti": "1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := golangJWT(text, secret); err != nil {
		t.Error("before: ", err)
	}
	// A store calls an id revoked that it has no record of.
	if err := withTokenauth(t.Context(), text, secret, memstore.New(memstore.Config{})); tokenauth.ErrorCode(err) != "token_revoked" {
		t.Error("after: ", err)
	}
	if err := withTokenauth(t.Context(), text, secret, tokenauth.Unenforced("to see the difference")); err != nil {
		t.Error("after, without a store: ", err)
	}
}

func golangJWT(text string, secret []byte) error {
	// before
	token, err := jwt.ParseWithClaims(text, &jwt.RegisteredClaims{}, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("orchestrator"), jwt.WithExpirationRequired())
	// shown
	_ = token
	return err
}

func withTokenauth(ctx context.Context, text string, secret []byte, store tokenauth.RevocationStore) error {
	// after
	key, err := tokenauth.NewKey("", "HS256", secret) // "": for tokens without kid
	if err != nil {
		return err
	}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: []string{"orchestrator"}, NoAudience: true, Types: []string{"JWT"}},
		Keys:       key,
		Revocation: store,
	})
	// shown
	if err != nil {
		return err
	}
	// after
	principal, err := verifier.Verify(ctx, text)
	// shown
	_ = principal
	return err
}
