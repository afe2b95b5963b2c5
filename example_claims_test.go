package tokenauth_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/a74cfa30/tokenauth"
)

// A token may do what one of its scopes says, and everything if it has the role admin.
func ExampleClaims_Satisfies() {
	runner := tokenauth.NewScopedClaims("ci-runner", time.Hour, nil, []tokenauth.TokenScope{
		{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelWrite},
	}, "id-1")
	admin := tokenauth.NewClaims("alice", time.Hour, []string{tokenauth.RoleAdmin}, "alice@example.com")

	fmt.Println(runner.Satisfies("deployment", "web", tokenauth.LevelWrite))
	fmt.Println(runner.Satisfies("secret", "db", tokenauth.LevelRead))
	fmt.Println(admin.Satisfies("secret", "db", tokenauth.LevelRead))
	// A question without an id is a mistake of the service that asks, and is answered no.
	fmt.Println(admin.Satisfies("secret", "", tokenauth.LevelRead))
	// Output:
	// true
	// false
	// true
	// false
}

// Explain says for an operator why a caller was refused. Do not show it to the caller.
func ExampleClaims_Explain() {
	claims := tokenauth.NewScopedClaims("ci-runner", time.Hour, nil, []tokenauth.TokenScope{
		{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead},
	}, "id-1")
	fmt.Println(claims.Explain("deployment", "web", tokenauth.LevelRead))
	fmt.Println(claims.Explain("deployment", "web", tokenauth.LevelWrite))
	fmt.Println(claims.Explain("secret", "db", tokenauth.LevelRead))
	// Output:
	// yes: deployment:web:read grants deployment:web:read
	// no: deployment:web:write was asked, and the nearest scope, deployment:web:read, is of a lower level
	// no: secret:db:read was asked, and the token has no scope of that kind
}

// Members of your own go into Extra. One that looks like a member of Claims is refused.
func ExampleClaims_SetExtra() {
	claims := tokenauth.NewClaims("alice", time.Hour, nil, "")
	fmt.Println(claims.SetExtra("tenant", map[string]int{"id": 7}))
	fmt.Println(claims.SetExtra("Roles", []string{"admin"}))

	var tenant struct{ ID int }
	found, err := claims.GetExtra("tenant", &tenant)
	fmt.Println(found, err, tenant.ID)
	// Output:
	// <nil>
	// tokenauth: the request is not valid: Extra: a name is, or looks like, roles
	// true <nil> 7
}

// What two programs could read differently, neither should read: here a member stands there twice.
func ExampleClaims_UnmarshalJSON() {
	var claims tokenauth.Claims
	err := json.Unmarshal([]byte(`{"iss":"i","sub":"alice","exp":1800003600,"iat":1800000000,"roles":[],"roles":["admin"]}`), &claims)
	fmt.Println(err)
	fmt.Println(tokenauth.ErrorCode(err))
	// Output:
	// tokenauth: the claims are not well formed: duplicate member at byte 70
	// claims_malformed
}

// Claims are golang-jwt's claims too. This proves the signature and the times; a Verifier proves the rest.
func ExampleClaims_golangJWT() {
	secret := []byte("a secret of at least 32 bytes, and random")
	claims := tokenauth.NewClaims("alice", time.Hour, []string{"developer"}, "alice@example.com")
	claims.Issuer = "https://auth.example.com"
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		panic(err)
	}

	var got tokenauth.Claims
	_, err = jwt.ParseWithClaims(text, &got, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("https://auth.example.com"))
	fmt.Println(got.Subject, got.Roles, err)
	// Output:
	// alice [developer] <nil>
}

// Revoking, retiring and expiring each end a token.
func ExampleStoredAccessToken_IsInactive() {
	now := time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC)
	record := tokenauth.NewStoredAccessToken("ci runner", "", []string{"developer"}, nil, now.Add(time.Hour), "alice")

	fmt.Println("now:", record.IsInactive(now))
	fmt.Println("in an hour:", record.IsInactive(now.Add(time.Hour)))
	record.RevokedAt = now
	fmt.Println("revoked:", record.IsInactive(now))
	// Output:
	// now: false
	// in an hour: true
	// revoked: true
}
