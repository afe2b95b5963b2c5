package tokenapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/httpauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

// What the tests of this package share: an office with an issuer, a verifier and an API over one store that can be put into trouble.
// Every answer that the office gets is held against the OpenAPI document.

const (
	theIssuer = "https://auth.example"
	theirs    = "https://elsewhere.example" // another authority that the same verifier knows
	theAPI    = "https://api.example"
	system    = tokenauth.SystemAuthority("a test")
)

// noon is when everything happens.
var noon = time.Date(2031, time.March, 14, 12, 0, 0, 0, time.UTC)

// patience is how long stores may take where that is not what is tested: longer than a request may.
const patience = time.Minute

// A watch is a clock that stands still until it is set.
type watch struct {
	mu  sync.Mutex
	now time.Time
}

func (w *watch) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) move(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// An office is all that there is on one side of the API.
type office struct {
	*watch
	shop     *shop
	verifier *tokenauth.Verifier
	issuer   *tokenauth.Issuer
	foreign  *tokenauth.Issuer // of the other authority, whose tokens work once
	api      *tokenapi.API
	config   tokenapi.Config
}

func newOffice(t *testing.T, change ...func(*tokenapi.Config)) *office {
	t.Helper()
	o := &office{watch: &watch{now: noon}}
	store := memstore.New(memstore.Config{Now: o.Now})
	o.shop = &shop{TokenStore: store}
	profile := tokenauth.Profile{Issuers: []string{theIssuer}, Audiences: []string{theAPI, "https://other.example"}}
	foreign := tokenauth.Profile{Issuers: []string{theirs}, Audiences: []string{theAPI}}
	key, foreignKey := newKey(t), newKey(t)
	var err error
	o.verifier, err = tokenauth.NewVerifier(
		tokenauth.VerifierConfig{
			Profile: profile, Keys: key.VerifyingKey(), Revocation: o.shop, Sessions: store, Epochs: store, Now: o.Now,
			StoreTimeout: patience, CacheSize: -1,
		},
		tokenauth.VerifierConfig{
			Profile: foreign, Keys: foreignKey.VerifyingKey(), Revocation: tokenauth.Unenforced("a test"), OneTime: store, Now: o.Now,
			StoreTimeout: patience,
		},
	)
	require.NoError(t, err)
	o.issuer, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: o.shop, Sessions: store, Epochs: store, Askers: o.verifier, Now: o.Now,
		StoreTimeout: patience,
		MayGrant: func(_ context.Context, _ *tokenauth.Principal, s tokenauth.TokenScope) (bool, error) {
			return s.ResourceKind != "secret", nil
		},
	})
	require.NoError(t, err)
	o.foreign, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: foreign, Key: foreignKey, Now: o.Now})
	require.NoError(t, err)
	require.NoError(t, store.StartSession(t.Context(), "alice", "s-alice", noon.Add(24*time.Hour)))
	require.NoError(t, store.StartSession(t.Context(), "bob", "s-bob", noon.Add(24*time.Hour)))
	o.config = tokenapi.Config{
		Guard:  httpauth.Config{Verifier: o.verifier, Realm: "tokens"},
		Issuer: o.issuer, Issuers: []string{theIssuer}, Tokens: o.shop, Now: o.Now,
	}
	for _, f := range change {
		f(&o.config)
	}
	o.api, err = tokenapi.New(o.config)
	require.NoError(t, err)
	return o
}

func newKey(t *testing.T) tokenauth.SigningKey {
	t.Helper()
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	return key
}

// sign mints what a service mints for itself.
func (o *office) sign(t *testing.T, c tokenauth.Claims) string {
	t.Helper()
	issued, err := o.issuer.Sign(t.Context(), system, &c)
	require.NoError(t, err)
	return issued.Token.Reveal()
}

// session is a person's log-in.
func (o *office) session(t *testing.T, subject string, roles ...string) string {
	t.Helper()
	return o.sign(t, tokenauth.Claims{Subject: subject, SessionID: "s-" + subject, Roles: roles, ExpiresAt: noon.Add(time.Hour)})
}

// A held token is one with its record.
type held struct{ id, token string }

// issue mints a recorded token. by is the token of whoever asks, "" for the system.
func (o *office) issue(t *testing.T, by string, r tokenauth.TokenRequest, scopes string) held {
	t.Helper()
	r.By = tokenauth.Authority(system)
	if by != "" {
		p, err := o.verifier.Verify(t.Context(), by)
		require.NoError(t, err)
		r.By = p
	}
	if scopes != "" {
		var err error
		r.Scopes, err = tokenauth.ParseTokenScopes(scopes)
		require.NoError(t, err)
	}
	issued, err := o.issuer.Issue(t.Context(), r)
	require.NoError(t, err)
	return held{issued.Record.ID, issued.Token.Reveal()}
}

// lives says whether a token is accepted.
func (o *office) lives(t *testing.T, token string) bool {
	t.Helper()
	_, err := o.verifier.Inspect(t.Context(), token)
	return err == nil
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	text   string
}

// member returns a member of a JSON body, nil if there is none.
func (r reply) member(name string) any {
	var body map[string]any
	_ = json.Unmarshal([]byte(r.text), &body)
	return body[name]
}

// code is the code of a refusal.
func (r reply) code() string {
	code, _ := r.member("error").(string)
	return code
}

// ids returns the ids of a list, and the cursor.
func (r reply) ids(t *testing.T) (ids []string, next string) {
	t.Helper()
	var page struct {
		Tokens []tokenauth.StoredAccessToken
		Next   string
	}
	require.NoError(t, json.Unmarshal([]byte(r.text), &page))
	for i := range page.Tokens {
		ids = append(ids, page.Tokens[i].ID)
	}
	return ids, page.Next
}

// get asks without a body.
func (o *office) get(t *testing.T, token, path string) reply {
	t.Helper()
	return o.do(t, http.MethodGet, path, token, "", "")
}

// post sends JSON.
func (o *office) post(t *testing.T, token, path, body string) reply {
	t.Helper()
	return o.do(t, http.MethodPost, path, token, "application/json", body)
}

// form sends the form of the RFCs.
func (o *office) form(t *testing.T, token, path, body string) reply {
	t.Helper()
	return o.do(t, http.MethodPost, path, token, "application/x-www-form-urlencoded", body)
}

func (o *office) do(t *testing.T, method, path, token, contentType, body string) reply {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, content)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return o.send(t, r)
}

// send has the API answer, and looks at what every answer must be.
func (o *office) send(t *testing.T, r *http.Request) reply {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("CDN-Cache-Control", "max-age=3600") // somebody in front means it for everything
	o.api.ServeHTTP(w, r)
	answer := reply{w.Code, w.Header(), w.Body.String()}
	require.Equal(t, "no-store", answer.header.Get("Cache-Control"))
	require.Empty(t, answer.header.Get("CDN-Cache-Control"))
	require.Equal(t, "nosniff", answer.header.Get("X-Content-Type-Options"))
	path, ours := strings.CutPrefix(r.URL.EscapedPath(), o.config.Prefix)
	o.document(t).check(t, r.Method, path, ours, answer)
	return answer
}

// A shop is a token store that can be put into trouble. It does not claim to answer from memory.
type shop struct {
	tokenauth.TokenStore
	mu      sync.Mutex
	trouble map[string]func(context.Context) error // by method
}

// errDown is what a store says that cannot be reached; no answer may repeat it.
var errDown = errors.New("dial tcp 10.0.0.7:5432: connection refused")

// down and slow are troubles.
func down(context.Context) error { return errDown }
func slow(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// in puts methods into trouble; nil ends it.
func (s *shop) in(trouble func(context.Context) error, methods ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == nil {
		s.trouble = map[string]func(context.Context) error{}
	}
	for _, method := range methods {
		s.trouble[method] = trouble
	}
}

func (s *shop) meet(ctx context.Context, method string) error {
	s.mu.Lock()
	trouble := s.trouble[method]
	s.mu.Unlock()
	if trouble == nil {
		return nil
	}
	return trouble(ctx)
}

func (s *shop) IsRevoked(ctx context.Context, id string) (bool, error) {
	if err := s.meet(ctx, "IsRevoked"); err != nil {
		return false, err
	}
	return s.TokenStore.IsRevoked(ctx, id)
}

func (s *shop) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	if err := s.meet(ctx, "Create"); err != nil {
		return err
	}
	return s.TokenStore.Create(ctx, t)
}

func (s *shop) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	if err := s.meet(ctx, "Get"); err != nil {
		return nil, err
	}
	if tokenauth.CheckID("id", id) != nil { // a database that chokes on what is no text
		return nil, errDown
	}
	return s.TokenStore.Get(ctx, id)
}

func (s *shop) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	if err := s.meet(ctx, "List"); err != nil {
		return func(yield func(*tokenauth.StoredAccessToken, error) bool) { yield(nil, err) }
	}
	return s.TokenStore.List(ctx, f)
}

func (s *shop) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	if err := s.meet(ctx, "Revoke"); err != nil {
		return 0, err
	}
	return s.TokenStore.Revoke(ctx, id, r)
}

func (s *shop) Rotate(ctx context.Context, id string, at time.Time, next *tokenauth.StoredAccessToken) error {
	if err := s.meet(ctx, "Rotate"); err != nil {
		return err
	}
	return s.TokenStore.Rotate(ctx, id, at, next)
}
