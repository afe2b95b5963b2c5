package tokenapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/httpauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

// exampleConfig returns the configuration of an API under /auth, and the token of a CI runner.
func exampleConfig() (tokenapi.Config, string) {
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	must(err)
	store := memstore.New(memstore.Config{})
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: store})
	must(err)
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: store, Askers: verifier})
	must(err)
	runner, err := issuer.Issue(context.Background(), tokenauth.TokenRequest{
		By: tokenauth.SystemAuthority("onboarding"), Name: "ci-runner",
		Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelExecute}},
	})
	must(err)
	return tokenapi.Config{
		Guard:   httpauth.Config{Verifier: verifier, Realm: "tokens"},
		Issuer:  issuer,
		Issuers: profile.Issuers,
		Tokens:  store,
		Prefix:  "/auth",
	}, runner.Token.Reveal()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A CI runner makes a narrower token for a job, may not make a wider one, and ends the first when the job is over.
func Example() {
	config, runner := exampleConfig()
	api, err := tokenapi.New(config)
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/auth/", api)

	ask := func(path, body string) (answer struct {
		Error   string
		Record  tokenauth.StoredAccessToken
		Revoked int
	}) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+runner)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		must(json.Unmarshal(w.Body.Bytes(), &answer))
		return answer
	}
	job := ask("/auth/tokens", `{"name":"job 1", "ttl_seconds":600,
		"scopes":[{"resource_kind":"deployment","resource_id":"web","level":"read"}]}`)
	fmt.Println(job.Record.Name, job.Record.Scopes, job.Record.ExpiresAt.Sub(job.Record.CreatedAt))
	wider := ask("/auth/tokens", `{"name":"job 2","scopes":[{"resource_kind":"deployment","resource_id":null,"level":"read"}]}`)
	fmt.Println(wider.Error)
	fmt.Println(ask("/auth/tokens/"+job.Record.ID+"/revoke", `{"reason":"done"}`).Revoked)
	// Output:
	// job 1 [deployment:web:read] 10m0s
	// authority_not_held
	// 1
}

// A limiter of the service's own: here nobody mints at night.
func ExampleConfig_limit() {
	config, runner := exampleConfig()
	config.Now = func() time.Time { return time.Date(2031, time.March, 14, 3, 0, 0, 0, time.UTC) }
	config.Limit = func(r *http.Request, _ *tokenauth.Principal) error {
		if r.Method == http.MethodPost && config.Now().Hour() < 6 {
			return errors.New("closed")
		}
		return nil
	}
	api, err := tokenapi.New(config)
	must(err)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r := httptest.NewRequest(method, "/auth/tokens", nil)
		r.Header.Set("Authorization", "Bearer "+runner)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(method, w.Code)
	}
	// Output:
	// GET 200
	// POST 429
}
