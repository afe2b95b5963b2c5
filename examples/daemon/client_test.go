package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/a74cfa30/tokenauth"
)

// Programs that know nothing of this project: the client of golang.org/x/oauth2 asks, go-jose verifies.

// create makes a token through the API.
func create(t testing.TB, d *daemon, by, body string) (token string, record tokenauth.StoredAccessToken) {
	t.Helper()
	var answer struct {
		Token  string
		Record tokenauth.StoredAccessToken
	}
	post(t, oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: by})),
		"http://"+d.address+"/auth/tokens", body, &answer)
	return answer.Token, answer.Record
}

// post sends JSON and reads the answer of what was made.
func post(t testing.TB, client *http.Client, url, body string, answer any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %d %s %v", url, response.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatal(err)
	}
}

// idOf reads the jti of a token as a program would that believes its own.
func idOf(t testing.TB, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Fatal(err)
	}
	return claims.ID
}

// A rotating source asks for a successor whenever its token is about to expire, by that token.
type rotating struct {
	t     testing.TB
	d     *daemon
	token *oauth2.Token
	turns int
}

func (r *rotating) Token() (*oauth2.Token, error) {
	r.turns++
	client := oauth2.NewClient(context.Background(), oauth2.StaticTokenSource(r.token))
	var answer struct {
		Token  string
		Record tokenauth.StoredAccessToken
	}
	post(r.t, client, "http://"+r.d.address+"/auth/tokens/"+idOf(r.t, r.token.AccessToken)+"/rotate", "{}", &answer)
	r.token = &oauth2.Token{AccessToken: answer.Token, Expiry: answer.Record.ExpiresAt}
	return r.token, nil
}

func TestOAuth2IsTheClient(t *testing.T) {
	d := startDaemon(t, filepath.Join(t.TempDir(), "data"))
	defer d.stop(t)
	const wish = `{"name":"job","ttl_seconds":%d,"scopes":[{"resource_kind":"job","resource_id":"nightly","level":"execute"}]}`
	run := func(client *http.Client, job string) int {
		response, err := client.Post("http://"+d.address+"/jobs/"+job, "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode
	}

	token, record := create(t, d, d.admin, fmt.Sprintf(wish, 3600))
	client := oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token, Expiry: record.ExpiresAt}))
	if got := run(client, "nightly"); got != http.StatusOK {
		t.Error("what its scope says:", got)
	}
	if got := run(client, "other"); got != http.StatusForbidden {
		t.Error("what its scope does not say:", got)
	}

	// oauth2 wants a new token ten seconds before the old one expires: one of eight seconds is rotated for each request.
	first, record := create(t, d, d.admin, fmt.Sprintf(wish, 8))
	source := &rotating{t: t, d: d, token: &oauth2.Token{AccessToken: first, Expiry: record.ExpiresAt}}
	client = oauth2.NewClient(t.Context(), oauth2.ReuseTokenSource(source.token, source))
	for range 3 {
		if got := run(client, "nightly"); got != http.StatusOK {
			t.Error("rotated:", got)
		}
	}
	if source.turns != 3 || d.ask(t, http.MethodGet, "/whoami", first) != http.StatusUnauthorized {
		t.Error("the first token lives on, after", source.turns, "rotations")
	}
}

// The keys are found where they are published, and verify.
func TestGoJoseVerifies(t *testing.T) {
	d := startDaemon(t, filepath.Join(t.TempDir(), "data"))
	defer d.stop(t)
	token, record := create(t, d, d.admin, `{"name":"ci","scopes":[{"resource_kind":"note","resource_id":null,"level":"write"}]}`)

	response, err := http.Get("http://" + d.address + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(response.Body).Decode(&keys); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	if typ := parsed.Headers[0].ExtraHeaders["typ"]; typ != "at+jwt" {
		t.Error("typ:", typ)
	}
	var claims jwt.Claims
	var more struct {
		Scopes []tokenauth.TokenScope `json:"scopes"`
	}
	if err := parsed.Claims(&keys, &claims, &more); err != nil {
		t.Fatal("the signature:", err)
	}
	const here = "http://localhost:8080"
	expected := jwt.Expected{
		Issuer: here, AnyAudience: jwt.Audience{here}, Subject: "token:" + record.ID, ID: record.ID, Time: time.Now(),
	}
	if err := claims.Validate(expected); err != nil {
		t.Error("the claims:", err)
	}
	if len(more.Scopes) != 1 || more.Scopes[0].String() != "note:*:write" {
		t.Error("scopes:", more.Scopes)
	}

	forged := token[:len(token)-8] + "AAAAAAAA"
	if parsed, err = jwt.ParseSigned(forged, []jose.SignatureAlgorithm{jose.EdDSA}); err == nil {
		err = parsed.Claims(&keys, &claims)
	}
	if err == nil {
		t.Error("a forged token verifies: this test shows nothing")
	}
}

// What the guard costs: the same note over loopback, bare and guarded, by clients that keep their connections. The guard asks SQLite
// about each request; the signature is remembered. The figures are medians of rounds.
func BenchmarkNote(b *testing.B) {
	s, err := openService(b.Context(), "http://localhost:8080", filepath.Join(b.TempDir(), "data"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.store.Close() }()
	reader, err := s.issuer.Issue(b.Context(), tokenauth.TokenRequest{
		By: tokenauth.SystemAuthority("a benchmark"), Scopes: []tokenauth.TokenScope{
			{ResourceKind: "note", ResourceID: "build", Level: tokenauth.LevelWrite},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	var bare notebook
	mux := http.NewServeMux()
	mux.Handle("/", s.handler)
	mux.HandleFunc("PUT /bare/{name}", bare.write)
	mux.HandleFunc("GET /bare/{name}", bare.read)
	server := httptest.NewServer(mux)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	send := func(method, path, body string) int {
		r, err := http.NewRequestWithContext(b.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return 0
		}
		r.Header.Set("Authorization", "Bearer "+reader.Token.Reveal())
		response, err := client.Do(r)
		if err != nil {
			b.Error(err)
			return 0
		}
		defer func() { _ = response.Body.Close() }()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}
	for _, path := range []string{"/bare/build", "/notes/build"} {
		if got := send(http.MethodPut, path, "it is green"); got != http.StatusNoContent {
			b.Fatal(path, got)
		}
	}
	// round sends requests from eight clients at once and says how long each of them took on the average.
	const requests, clients = 400, 8
	round := func(path string) time.Duration {
		var wait sync.WaitGroup
		began := time.Now()
		for range clients {
			wait.Go(func() {
				for range requests / clients {
					if got := send(http.MethodGet, path, ""); got != http.StatusOK {
						b.Error(path, got)
						return
					}
				}
			})
		}
		wait.Wait()
		return time.Since(began) / requests
	}
	round("/notes/build") // the connections are made
	var without, with []time.Duration
	for b.Loop() { // in turn, since a machine is busier now than then
		without = append(without, round("/bare/build"))
		with = append(with, round("/notes/build"))
	}
	slices.Sort(without)
	slices.Sort(with)
	bareTime, guardedTime := without[len(without)/2], with[len(with)/2]
	b.ReportMetric(float64(bareTime.Nanoseconds()), "ns/bare")
	b.ReportMetric(float64(guardedTime.Nanoseconds()), "ns/guarded")
	b.ReportMetric(100*(float64(guardedTime)/float64(bareTime)-1), "%-more")
}
