package tokenauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/a74cfa30/tokenauth"
)

// exampleSecret is shared by the services of these examples. A real one is random and comes from a secret store.
var exampleSecret = []byte("0123456789abcdef0123456789abcdef")

// exampleDenyList is what a store has to be for a Verifier: it knows which tokens were revoked.
type exampleDenyList map[string]bool

func (d exampleDenyList) IsRevoked(_ context.Context, jti string) (bool, error) { return d[jti], nil }

// signedBy stands for a service that makes tokens, with whatever library it has.
func signedBy(secret []byte, header, claims map[string]any) string {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(claims))
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(secret)
	if err != nil {
		panic(err)
	}
	return text
}

// exampleToken is what alice sends with her requests.
func exampleToken(jti string) string {
	now := time.Now().Unix()
	return signedBy(exampleSecret, map[string]any{"typ": "at+jwt", "kid": "2031-03"}, map[string]any{
		"iss": "https://auth.example", "aud": "https://api.example", "sub": "alice", "jti": jti, "iat": now, "exp": now + 900,
		"scopes": []map[string]any{{"resource_kind": "deployment", "resource_id": "web", "level": "write"}},
	})
}

// exampleKey is NewKey where nothing can be wrong.
func exampleKey(id string, secret []byte) tokenauth.Key {
	key, err := tokenauth.NewKey(id, "HS256", secret)
	if err != nil {
		panic(err)
	}
	return key
}

// exampleVerifier verifies it. Here only the first token was revoked.
func exampleVerifier() *tokenauth.Verifier {
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}},
		Keys:       exampleKey("2031-03", exampleSecret),
		Revocation: exampleDenyList{"token-1": true},
	})
	if err != nil {
		panic(err)
	}
	return verifier
}

// A token becomes a proven caller, or an error that says why not.
func ExampleVerifier_Verify() {
	key, err := tokenauth.NewKey("2031-03", "HS256", exampleSecret)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}},
		Keys:       key,
		Revocation: exampleDenyList{"token-1": true},
	})
	if err != nil {
		fmt.Println(err) // all that is wrong with the configuration
		return
	}

	for _, jti := range []string{"token-1", "token-2"} {
		principal, err := verifier.Verify(context.Background(), exampleToken(jti))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(principal, principal.Satisfies("deployment", "web", tokenauth.LevelRead))
	}
	// Output:
	// tokenauth: the token is revoked
	// alice (token-2) true
}

// One call proves the token and asks whether it grants what the request needs.
func ExampleVerifier_Authorize() {
	ctx, token := context.Background(), exampleToken("token-2")

	principal, err := exampleVerifier().Authorize(ctx, token, "deployment", "web", tokenauth.LevelWrite)
	fmt.Println(principal.Subject(), err)

	_, err = exampleVerifier().Authorize(ctx, token, "deployment", tokenauth.AnyResource, tokenauth.LevelRead) // list them all
	fmt.Println(err)
	fmt.Println(principal.Explain("deployment", tokenauth.AnyResource, tokenauth.LevelRead)) // for the log
	// Output:
	// alice <nil>
	// tokenauth: no scope of the token grants this
	// no: deployment:*:read was asked, and the nearest scope, deployment:web:write, is for another id
}

// Tokens of a partner are proven by the partner's keys and put into this service's words. That it calls somebody an admin means
// nothing here.
func ExampleNewVerifier_foreignAuthority() {
	partnerSecret := []byte("fedcba9876543210fedcba9876543210")
	ours := exampleKey("2031-03", exampleSecret)
	theirs := exampleKey("2031-03", partnerSecret) // the same kid: each authority has its own keys
	audiences := []string{"https://api.example"}

	verifier, err := tokenauth.NewVerifier(
		tokenauth.VerifierConfig{
			Profile:    tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: audiences},
			Keys:       ours,
			Revocation: exampleDenyList{},
		},
		tokenauth.VerifierConfig{
			Profile:    tokenauth.Profile{Issuers: []string{"https://partner.example"}, Audiences: audiences, NoAdmin: true},
			Keys:       theirs,
			Revocation: tokenauth.EnforcedElsewhere("the partner's tokens live for five minutes"),
			Adapt: func(c *tokenauth.Claims) error {
				c.Subject = "partner:" + c.Subject
				if c.HasOAuthScope("deployments.read") {
					c.Scopes = []tokenauth.TokenScope{{
						ResourceKind: "deployment", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelRead,
					}}
				}
				return nil
			},
		},
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	now := time.Now().Unix()
	principal, err := verifier.Verify(context.Background(), signedBy(partnerSecret, map[string]any{"typ": "at+jwt", "kid": "2031-03"}, map[string]any{
		"iss": "https://partner.example", "aud": "https://api.example", "sub": "bob", "iat": now, "exp": now + 300,
		"roles": []string{"admin"}, "scope": "openid deployments.read",
	}))
	fmt.Println(principal, err)
	fmt.Println("admin:", principal.IsAdmin())
	fmt.Println("read:", principal.Satisfies("deployment", "web", tokenauth.LevelRead))
	fmt.Println("write:", principal.Satisfies("deployment", "web", tokenauth.LevelWrite))
	// Output:
	// partner:bob (no jti) <nil>
	// admin: false
	// read: true
	// write: false
}

// Tokens that exist already, made by a service with golang-jwt: HS256, without kid and aud, of type JWT. They need no change.
func ExampleNewVerifier_legacyTokens() {
	key, err := tokenauth.NewKey("", "HS256", exampleSecret) // the empty id is for tokens without kid
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: tokenauth.Profile{
			Issuers:    []string{"orchestrator"},
			NoAudience: true,
			Types:      []string{"JWT"},
		},
		Keys:       key,
		Revocation: exampleDenyList{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	now := time.Now().Unix()
	token := signedBy(exampleSecret, nil, map[string]any{
		"iss": "orchestrator", "sub": "node:n-7", "iat": now, "exp": now + 3600, "roles": []string{"node"}, "node_id": "n-7",
	})
	principal, err := verifier.Verify(context.Background(), token)
	fmt.Println(principal, principal.RequireRole("node"), err)
	// Output: node:n-7 (no jti) <nil> <nil>
}

// What a verifier enforces, and what it does not, belongs into the log of each start.
func ExampleVerifier_Describe() {
	for _, line := range exampleVerifier().Describe() {
		fmt.Println(line)
	}
	// Output:
	// https://auth.example audience: https://api.example
	// https://auth.example type: at+jwt, application/at+jwt
	// https://auth.example revocation: enforced by tokenauth_test.exampleDenyList
	// https://auth.example sessions: none, a token with sid is refused
	// https://auth.example epochs: none, a token with sv is refused
	// https://auth.example one-time use: none, a token works until it dies
	// https://auth.example admin: the role decides every scope question, the claim is refused
	// https://auth.example cnf: a token with it is refused
	// https://auth.example lifetime: at most 8760h0m0s, without jti 24h0m0s, leeway 0s
}

// The three answers are three statuses. The code tells the reasons apart, in a metric or in the body of the answer.
func ExampleErrorCode() {
	status := func(err error) int {
		switch {
		case err == nil:
			return http.StatusOK
		case errors.Is(err, tokenauth.ErrInvalidToken):
			return http.StatusUnauthorized
		case errors.Is(err, tokenauth.ErrForbidden):
			return http.StatusForbidden
		case errors.Is(err, tokenauth.ErrUnavailable):
			return http.StatusServiceUnavailable
		}
		return http.StatusInternalServerError
	}

	ctx, verifier := context.Background(), exampleVerifier()
	for _, token := range []string{"", strings.Repeat("x", 10_000), exampleToken("token-1"), exampleToken("token-2")} {
		_, err := verifier.Authorize(ctx, token, "deployment", "api", tokenauth.LevelRead)
		fmt.Println(status(err), tokenauth.ErrorCode(err))
	}
	_, err := verifier.Authorize(ctx, exampleToken("token-2"), "deployment", "web", tokenauth.LevelRead)
	fmt.Println(status(err), tokenauth.ErrorCode(err))
	// Output:
	// 401 token_missing
	// 401 token_too_long
	// 403 scope_insufficient
	// 403 scope_insufficient
	// 200
}

// A handler asks the principal that its middleware has put into the context. Where there is none, nobody asks, and nobody may do
// anything.
func ExamplePrincipalFrom() {
	handle := func(ctx context.Context) error {
		return tokenauth.PrincipalFrom(ctx).Require("deployment", "web", tokenauth.LevelWrite)
	}

	principal, err := exampleVerifier().Verify(context.Background(), exampleToken("token-2"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(handle(tokenauth.WithPrincipal(context.Background(), principal)))
	fmt.Println(handle(context.Background()))
	// Output:
	// <nil>
	// tokenauth: there is no token
}
