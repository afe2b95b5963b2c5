package httpauth_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

func TestNewNamesEveryFieldThatIsWrong(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	good := httpauth.Config{Verifier: kit.Verifier, Realm: "test"}
	_, err := httpauth.New(good)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		field  string
		change func(*httpauth.Config)
	}{
		"no verifier":                 {"Verifier", func(cfg *httpauth.Config) { cfg.Verifier = nil }},
		"no realm":                    {"Realm", func(cfg *httpauth.Config) { cfg.Realm = "" }},
		"a realm with a newline":      {"Realm", func(cfg *httpauth.Config) { cfg.Realm = "a\r\nSet-Cookie: b" }},
		"a realm with NUL":            {"Realm", func(cfg *httpauth.Config) { cfg.Realm = "a\x00" }},
		"a realm beyond ASCII":        {"Realm", func(cfg *httpauth.Config) { cfg.Realm = "caf\u00e9" }},
		"metadata over http":          {"ResourceMetadata", func(cfg *httpauth.Config) { cfg.ResourceMetadata = "http://api.test/x" }},
		"metadata without host":       {"ResourceMetadata", func(cfg *httpauth.Config) { cfg.ResourceMetadata = "/x" }},
		"metadata with a quote":       {"ResourceMetadata", func(cfg *httpauth.Config) { cfg.ResourceMetadata = `https://api.test/"` }},
		"metadata with a newline":     {"ResourceMetadata", func(cfg *httpauth.Config) { cfg.ResourceMetadata = "https://api.test/\n" }},
		"metadata with a user":        {"ResourceMetadata", func(cfg *httpauth.Config) { cfg.ResourceMetadata = "https://a:b@api.test/" }},
		"metadata with a fragment":    {"ResourceMetadata", func(cfg *httpauth.Config) { cfg.ResourceMetadata = "https://api.test/#a" }},
		"metadata that is no URL":     {"ResourceMetadata", func(cfg *httpauth.Config) { cfg.ResourceMetadata = "https://[" }},
		"a cookie without prefix":     {"Cookie", func(cfg *httpauth.Config) { cfg.Cookie = "token" }},
		"a cookie with a weak prefix": {"Cookie", func(cfg *httpauth.Config) { cfg.Cookie = "__Secure-token" }},
		"a cookie with little prefix": {"Cookie", func(cfg *httpauth.Config) { cfg.Cookie = "__host-token" }},
		"the prefix alone":            {"Cookie", func(cfg *httpauth.Config) { cfg.Cookie = "__Host-" }},
		"a cookie with a semicolon":   {"Cookie", func(cfg *httpauth.Config) { cfg.Cookie = "__Host-a;b" }},
		"origins without cookie":      {"CrossOrigin", func(cfg *httpauth.Config) { cfg.CrossOrigin = http.NewCrossOriginProtection() }},
		"a negative RetryAfter":       {"RetryAfter", func(cfg *httpauth.Config) { cfg.RetryAfter = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			guard, err := httpauth.New(cfg)
			require.Nil(t, guard)
			require.ErrorContains(t, err, "httpauth: Config."+c.field+": ")
			require.Equal(t, 1, strings.Count(err.Error(), "Config."), "only that one is wrong")
		})
	}
	_, err = httpauth.New(httpauth.Config{Cookie: "token", RetryAfter: -1})
	for _, field := range []string{"Verifier", "Realm", "Cookie", "RetryAfter"} {
		require.ErrorContains(t, err, "Config."+field+": ")
	}
}

func TestTheZeroGuardRefusesEverything(t *testing.T) {
	kit, behind := authtest.New(t, authtest.Config{}), new(desk)
	for _, r := range []*http.Request{get(), get("Bearer " + kit.Admin("root"))} {
		response := serve(new(httpauth.Guard).Handler(behind), r)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		response = serve(new(httpauth.Guard).Require("deployment", httpauth.ID("web"), tokenauth.LevelRead)(behind), r)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	}
	require.Zero(t, behind.calls)
}

func TestChallenges(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard := newGuard(t, kit, func(cfg *httpauth.Config) {
		cfg.Realm = `my "own" \ realm`
		cfg.ResourceMetadata = "https://api.test/.well-known/oauth-protected-resource"
		cfg.RetryAfter = 1500 * time.Millisecond
	})
	base := `Bearer realm="my \"own\" \\ realm", resource_metadata="https://api.test/.well-known/oauth-protected-resource"`
	for _, c := range []struct {
		err       error
		status    int
		challenge string
		code      string
	}{
		{tokenauth.ErrMissingToken, 401, base, "token_missing"},
		{tokenauth.ErrExpired, 401, base + `, error="invalid_token"`, "token_expired"},
		{tokenauth.ErrForbidden, 403, base + `, error="insufficient_scope"`, "forbidden"},
		{tokenauth.ErrInvalidRequest, 400, base + `, error="invalid_request"`, "request_invalid"},
		{tokenauth.ErrNotFound, 404, "", "not_found"},
		{tokenauth.ErrExists, 409, "", "already_exists"},
		{tokenauth.ErrUnavailable, 503, "", "unavailable"},
		{errors.New("postgres://user:secret@host: no route"), 500, "", "internal"},
		{fmt.Errorf("for alice@example.com: %w", tokenauth.ErrRevoked), 401, base + `, error="invalid_token"`, "token_revoked"},
		{nil, 500, "", "internal"},
	} {
		w := httptest.NewRecorder()
		guard.Refuse(w, get(), c.err)
		text := w.Body.String()
		requireRefusal(t, w.Result(), c.status, c.challenge, c.code)
		for _, secret := range []string{"postgres", "secret", "alice"} {
			require.NotContains(t, text, secret)
		}
		if c.status == 503 {
			require.Equal(t, "2", w.Header().Get("Retry-After"))
		}
	}
}

// What was needed is told where the alphabet of a challenge has the letters for it, and only then.
func TestTheScopeThatWasNeeded(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard, behind := newGuard(t, kit, nil), new(desk)
	token := kit.Token("alice", "other:x:read")
	mux := http.NewServeMux()
	mux.Handle("/one/{name}", guard.Require("deployment", httpauth.PathValue("name"), tokenauth.LevelWrite)(behind))
	mux.Handle("/all", guard.Require("deployment", httpauth.Collection(), tokenauth.LevelRead)(behind))
	mux.Handle("/wrong", guard.Require("deployment", httpauth.PathValue("nam"), tokenauth.LevelRead)(behind))
	mux.Handle("/zero", guard.Require("deployment", httpauth.IDFrom{}, tokenauth.LevelRead)(behind))
	mux.Handle("/nokind", guard.Require("", httpauth.ID("web"), tokenauth.LevelRead)(behind))
	mux.Handle("/nolevel", guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelNone)(behind))
	mux.Handle("/beyond", guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite+1)(behind))

	const scope, question = "scope_insufficient", "question_ill_formed"
	for path, c := range map[string]struct{ challenge, code string }{
		"/one/web":                         {neededScope, scope},
		"/all":                             {insufficientScope + `, scope="deployment:*:read"`, scope},
		"/one/a:b":                         {insufficientScope + `, scope="deployment:a:b:write"`, scope},
		"/one/a%2Fb":                       {insufficientScope + `, scope="deployment:a/b:write"`, scope},
		"/one/*":                           {insufficientScope, question}, // no scope can name "*": somebody would read it as all of them
		"/one/%22%2C%20error%3D%22x":       {insufficientScope, scope},
		"/one/a%0d%0aSet-Cookie:%20b":      {insufficientScope, scope},
		"/one/a%20b":                       {insufficientScope, scope},
		"/one/a%5Cb":                       {insufficientScope, scope},
		"/one/a%2Cb":                       {insufficientScope, scope},
		"/one/caf%C3%A9":                   {insufficientScope, scope},
		"/one/%FF%2A":                      {insufficientScope, question}, // AnyResource is for code to name
		"/one/%FF":                         {insufficientScope, question},
		"/one/%C0%AF":                      {insufficientScope, question},
		"/one/%ED%A0%80":                   {insufficientScope, question},
		"/one/a%00b":                       {insufficientScope, question},
		"/one/" + strings.Repeat("a", 257): {insufficientScope, question},
		"/wrong":                           {insufficientScope, question},
		"/zero":                            {insufficientScope, question},
		"/nokind":                          {insufficientScope, question},
		"/nolevel":                         {insufficientScope, question},
		"/beyond":                          {insufficientScope, question},
	} {
		for _, h := range []http.Handler{mux, guard.Handler(mux)} {
			r := get("Bearer " + token)
			u, err := url.Parse("https://api.test" + path)
			require.NoError(t, err)
			r.URL, r.RequestURI = u, path
			response := serve(h, r)
			requireRefusal(t, response, http.StatusForbidden, c.challenge, c.code)
			require.NotContains(t, response.Header, "Set-Cookie")

			if c.code == question { // not for an admin either
				r.Header.Set("Authorization", "Bearer "+kit.Admin("root"))
				requireRefusal(t, serve(h, r), http.StatusForbidden, insufficientScope, question)
			}
		}
	}
	require.Zero(t, behind.calls)
}

// A wildcard that stands in a path is an id like any other, or none.
func TestNoPathNamesTheWildcard(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard, behind := newGuard(t, kit, nil), new(desk)
	h := muxOf(guard.Require("deployment", httpauth.PathValue("name"), tokenauth.LevelWrite)(behind))
	for path, want := range map[string]int{"web": 200, "a*": 200, "*": 403, "%2A": 403, "%FF%2A": 403, "%FF*": 403, "%00": 403} {
		r := get("Bearer " + kit.Token("alice", "deployment:write"))
		u, err := url.Parse("https://api.test/deployments/" + path)
		require.NoError(t, err)
		r.URL = u
		require.Equal(t, want, serve(h, r).StatusCode, path)
	}
	require.Equal(t, 2, behind.calls)

	for _, id := range []string{"", "*", "\xff", "\x00", tokenauth.AnyResource} {
		p, err := guard.Authorize(get("Bearer "+kit.Token("alice", "deployment:write")), "deployment", id, tokenauth.LevelRead)
		require.Equal(t, "question_ill_formed", tokenauth.ErrorCode(err))
		require.Nil(t, p)
	}
	p, err := guard.Authorize(get("Bearer "+kit.Token("alice", "deployment:write")), "deployment", "web", tokenauth.LevelRead)
	require.NoError(t, err)
	require.Equal(t, "alice", p.Subject())
	p, err = guard.Authorize(behind.last, "secret", "x", tokenauth.LevelRead) // asks whom the guard in front has proven
	require.ErrorIs(t, err, tokenauth.ErrForbidden)
	require.Nil(t, p)
}

func TestMethods(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	token := kit.Token("alice")
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
		guard, behind := newGuard(t, kit, nil), new(desk)
		r := get()
		r.Method = method
		w := httptest.NewRecorder()
		guard.Handler(behind).ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code, method)
		require.Equal(t, realm, w.Header().Get("WWW-Authenticate"), method)
		require.Equal(t, method == "HEAD", w.Body.Len() == 0, method)
		require.NotEqual(t, "0", w.Header().Get("Content-Length"), method)
		require.Zero(t, behind.calls, method)

		r.Header.Set("Authorization", "Bearer "+token)
		require.Equal(t, http.StatusOK, serve(guard.Handler(behind), r).StatusCode, method)
		require.Equal(t, 1, behind.calls, method)
	}
}

// A refusal does not carry what a middleware in front meant for the handler's answer.
func TestARefusalReplacesWhatStoodThere(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard := newGuard(t, kit, nil)
	w := httptest.NewRecorder()
	for name, value := range map[string]string{
		"Content-Length": "3", "Content-Encoding": "gzip", "Etag": `"a"`, "Last-Modified": "x", "Expires": "x", "Trailer": "X",
		"Cdn-Cache-Control": "max-age=3600", // which counts for more than Cache-Control (RFC 9213)
		"Cache-Control":     "public, max-age=3600", "Content-Type": "text/html", "Www-Authenticate": "Basic", "X-Request-Id": "7",
	} {
		w.Header().Set(name, value)
	}
	guard.Refuse(w, get(), tokenauth.ErrExpired)
	for _, name := range []string{"Content-Encoding", "Etag", "Last-Modified", "Expires", "Trailer", "Cdn-Cache-Control"} {
		require.NotContains(t, w.Header(), name)
	}
	require.Equal(t, "7", w.Header().Get("X-Request-Id"))
	require.Equal(t, fmt.Sprint(w.Body.Len()), w.Header().Get("Content-Length"))
	requireRefusal(t, w.Result(), http.StatusUnauthorized, invalidToken, "token_expired")
}

func TestABodyOfOnesOwn(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard := newGuard(t, kit, func(cfg *httpauth.Config) {
		cfg.Body = func(r *http.Request, status int, code string) (string, []byte) {
			return "text/plain", []byte(fmt.Sprint(r.Method, " ", status, " ", code))
		}
	})
	response := serve(guard.Handler(new(desk)), get("Bearer garbage"))
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "GET 401 token_malformed", string(text))
	require.Equal(t, "text/plain", response.Header.Get("Content-Type"))
	require.Equal(t, invalidToken, response.Header.Get("WWW-Authenticate"))
	require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
}

// Admit is the door for other routers; what it returns is what Handler passes on.
func TestAdmit(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard := newGuard(t, kit, nil)
	w := httptest.NewRecorder()
	r, ok := guard.Admit(w, get("Bearer garbage"))
	require.False(t, ok)
	require.Nil(t, r)
	requireRefusal(t, w.Result(), http.StatusUnauthorized, invalidToken, "token_malformed")

	before := get("Bearer " + kit.Token("alice"))
	before.Header.Set("X-Other", "stays")
	before.SetPathValue("name", "web")
	r, ok = guard.Admit(httptest.NewRecorder(), before)
	require.True(t, ok)
	require.Equal(t, "alice", tokenauth.PrincipalFrom(r.Context()).Subject())
	require.Equal(t, http.Header{"X-Other": {"stays"}}, r.Header)
	require.Equal(t, "web", r.PathValue("name"))
	require.Contains(t, before.Header, "Authorization", "the request of whoever stands in front is theirs")
}

// No answer and no log line of a handler holds the token, whatever was wrong with it.
func TestNoAnswerHoldsTheToken(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Cookie = "__Host-token" })
	var logged strings.Builder
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	h := guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelRead)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		logger.Info("request", "header", r.Header, "principal", tokenauth.PrincipalFrom(r.Context()), "context", fmt.Sprintf("%v", r.Context()))
	}))
	tokens := []string{kit.Token("alice", "deployment:web:write"), kit.Token("alice", "secret:read")}
	for _, b := range kit.Broken() {
		tokens = append(tokens, b.Token)
	}
	for _, token := range tokens {
		for _, r := range requestsWith(token) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			_, err := guard.Check(r)
			answer := fmt.Sprint(w.Header(), w.Body, logged.String(), err, fmt.Sprintf("%+v %#v", err, err))
			signature := token[strings.LastIndexByte(token, '.')+1:]
			if len(signature) > 8 {
				require.NotContains(t, answer, signature)
			}
		}
	}
	require.Contains(t, logged.String(), "alice", "the handler was called, and logged")
}

// A request that a handler makes inside of one that was proven, with a credential of its own, is judged by that.
func TestACredentialInsideAProvenRequestCounts(t *testing.T) {
	k := authtest.New(t, authtest.Config{})
	g, err := httpauth.New(httpauth.Config{Verifier: k.Verifier, Realm: "test", Cookie: "__Host-token"})
	require.NoError(t, err)
	revoked := k.Token("bob")
	k.Revoke(revoked)
	inner := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Who", tokenauth.PrincipalFrom(r.Context()).Subject())
	}))
	asked := 0
	outer := g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for name, c := range map[string]struct {
			header, value string
			status        int
			who           string
		}{
			"none":                       {"X", "", http.StatusOK, "alice"},
			"another's":                  {"Authorization", "Bearer " + k.Token("bob"), http.StatusOK, "bob"},
			"a revoked one":              {"Authorization", "Bearer " + revoked, http.StatusUnauthorized, ""},
			"garbage":                    {"Authorization", "Bearer garbage", http.StatusUnauthorized, ""},
			"Basic":                      {"Authorization", "Basic eDp5", http.StatusUnauthorized, ""},
			"a cookie":                   {"Cookie", "__Host-token=" + k.Token("bob"), http.StatusOK, "bob"},
			"a revoked one, as a cookie": {"Cookie", "__Host-token=" + revoked, http.StatusUnauthorized, ""},
		} {
			sub := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(r.Context())
			sub.Header.Set(c.header, c.value)
			w := httptest.NewRecorder()
			inner.ServeHTTP(w, sub)
			require.Equal(t, c.status, w.Code, name)
			require.Equal(t, c.who, w.Header().Get("Who"), name)
			asked++
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+k.Token("alice"))
	outer.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, 7, asked)
}
