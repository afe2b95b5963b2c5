package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

func TestCookies(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	good := kit.Token("alice", "deployment:web:write")
	guard := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Cookie = "__Host-token" })
	for name, c := range map[string]struct {
		cookies []string
		want    string
		rest    []string // what is left for the handler
	}{
		"none":                           {nil, missing, nil},
		"the cookie":                     {[]string{"__Host-token=GOOD"}, in, nil},
		"among others":                   {[]string{"a=1; __Host-token=GOOD; b=2"}, in, []string{"a=1; b=2"}},
		"in a second header":             {[]string{"a=1", "__Host-token=GOOD"}, in, []string{"a=1"}},
		"blanks around it":               {[]string{"  __Host-token=GOOD  ;b=2"}, in, []string{"b=2"}},
		"blank behind the name":          {[]string{"__Host-token =GOOD"}, in, nil},
		"a longer name beside it":        {[]string{"__Host-token2=x; __Host-token=GOOD"}, in, []string{"__Host-token2=x"}},
		"the name as another's value":    {[]string{"a=__Host-token; __Host-token=GOOD"}, in, []string{"a=__Host-token"}},
		"twice":                          {[]string{"__Host-token=GOOD; __Host-token=GOOD"}, malformed, nil},
		"twice, the first bad":           {[]string{"__Host-token=x; __Host-token=GOOD"}, malformed, nil},
		"twice, the second bad":          {[]string{"__Host-token=GOOD; __Host-token=x"}, malformed, nil},
		"twice, in two headers":          {[]string{"__Host-token=GOOD", "__Host-token=x"}, malformed, nil},
		"twice, once without value":      {[]string{"__Host-token; __Host-token=GOOD"}, malformed, nil},
		"empty":                          {[]string{"__Host-token="}, malformed, nil},
		"without value":                  {[]string{"__Host-token"}, malformed, nil},
		"in quotes":                      {[]string{`__Host-token="GOOD"`}, malformed, nil},
		"with Bearer":                    {[]string{"__Host-token=Bearer GOOD"}, malformed, nil},
		"blank before the value":         {[]string{"__Host-token= GOOD"}, malformed, nil},
		"a comma instead of a semicolon": {[]string{"__Host-token=GOOD, a=1"}, malformed, nil},
		"NUL":                            {[]string{"__Host-token=GOOD\x00"}, malformed, nil},
		"not ASCII":                      {[]string{"__Host-token=\u00e9"}, malformed, nil},
		"garbage":                        {[]string{"__Host-token=garbage"}, oneIsBad, nil},
		"of another letter case":         {[]string{"__host-token=GOOD"}, missing, nil},
		"without its prefix":             {[]string{"token=GOOD"}, missing, nil},
		"with another prefix":            {[]string{"__Secure-token=GOOD"}, missing, nil},
		"without name":                   {[]string{"=__Host-token=GOOD"}, missing, nil},
		"as a value":                     {[]string{"a=__Host-token=GOOD"}, missing, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, behind := get(), new(desk)
			for _, line := range c.cookies {
				r.Header.Add("Cookie", strings.ReplaceAll(line, "GOOD", good))
			}
			before := r.Header.Clone()
			response := serve(guard.Handler(behind), r)
			require.Equal(t, before, r.Header, "the guard changed the request it was given")
			switch c.want {
			case in:
				require.Equal(t, "alice", behind.caller.Subject())
				require.Equal(t, c.rest, behind.header["Cookie"])
				return
			case missing:
				requireRefusal(t, response, http.StatusUnauthorized, realm, "token_missing")
			case malformed:
				requireRefusal(t, response, http.StatusUnauthorized, invalidToken, "token_malformed")
			default:
				require.Equal(t, http.StatusUnauthorized, response.StatusCode)
			}
			require.Zero(t, behind.calls)
		})
	}
}

// A shared cache keeps no answer to a request with Authorization unless it is told to (RFC 9111, section 3.5). Of a cookie it knows nothing.
func TestAnAnswerToACookieIsForItsSender(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	good := kit.Token("alice", "deployment:web:write")
	cookie := func(cfg *httpauth.Config) { cfg.Cookie = "__Host-token" }
	optional := func(cfg *httpauth.Config) { cfg.Cookie, cfg.Optional = "__Host-token", true }
	require := require.New(t)
	for name, c := range map[string]struct {
		change                func(*httpauth.Config)
		authorization, cookie string
		before                string // what stands in Cache-Control
		want                  string
		vary                  []string
	}{
		"by the cookie":               {cookie, "", good, "", "private", []string{"Accept", "Cookie"}},
		"by the cookie, told already": {cookie, "", good, "no-store", "no-store", []string{"Accept", "Cookie"}},
		"by the header":               {cookie, "Bearer " + good, "", "", "", []string{"Accept", "Cookie"}},
		"by the header beside it":     {cookie, "Bearer " + good, good, "", "", []string{"Accept", "Cookie"}},
		"nobody":                      {optional, "", "", "", "", []string{"Accept", "Cookie"}},
		"cookies are never read":      {nil, "Bearer " + good, good, "", "", []string{"Accept"}},
	} {
		guard := newGuard(t, kit, c.change)
		ask := guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite)
		if name == "nobody" {
			ask = guard.Handler
		}
		r, behind, w := get(), new(desk), httptest.NewRecorder()
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		if c.cookie != "" {
			r.Header.Set("Cookie", "__Host-token="+c.cookie)
		}
		if c.before != "" {
			w.Header().Set("Cache-Control", c.before)
		}
		w.Header().Set("Vary", "Accept")
		guards := ask(behind)
		guard.Handler(guards).ServeHTTP(w, r) // two in a row say it once
		require.Equal(1, behind.calls, name)
		require.Equal(c.want, w.Header().Get("Cache-Control"), name)
		require.Equal(c.vary, w.Header().Values("Vary"), name)
	}
}

// A cookie is sent for whoever makes the browser send a request, a header only for whoever wrote it.
func TestCrossOriginRequests(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	good := kit.Token("alice", "deployment:web:write")
	trusting := http.NewCrossOriginProtection()
	require.NoError(t, trusting.AddTrustedOrigin("https://app.test"))
	strict := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Cookie = "__Host-token" })
	trusts := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Cookie, cfg.CrossOrigin = "__Host-token", trusting })

	const yes, no = true, false
	for _, c := range []struct {
		name, method string
		site, origin string // Sec-Fetch-Site, Origin
		upgrade      bool
		strict       bool // let in by cookie
		trusts       bool
	}{
		{"same origin", "POST", "same-origin", "https://api.test", no, yes, yes},
		{"typed by the user", "POST", "none", "", no, yes, yes},
		{"cross site", "POST", "cross-site", "https://evil.test", no, no, no},
		{"cross site, origin hidden", "POST", "cross-site", "null", no, no, no},
		{"same site, another origin", "POST", "same-site", "https://cdn.api.test", no, no, no},
		{"same site, a trusted origin", "POST", "same-site", "https://app.test", no, no, yes},
		{"an old browser, same origin", "POST", "", "https://api.test", no, yes, yes},
		{"an old browser, cross site", "POST", "", "https://evil.test", no, no, no},
		{"an old browser, null", "POST", "", "null", no, no, no},
		{"no browser", "POST", "", "", no, yes, yes},
		{"cross site, PUT", "PUT", "cross-site", "https://evil.test", no, no, no},
		{"cross site, DELETE", "DELETE", "cross-site", "https://evil.test", no, no, no},
		{"cross site, PATCH", "PATCH", "cross-site", "https://evil.test", no, no, no},
		{"cross site, a method of its own", "PURGE", "cross-site", "https://evil.test", no, no, no},
		{"cross site, CONNECT", "CONNECT", "cross-site", "https://evil.test", no, no, no},
		{"a link, GET", "GET", "cross-site", "", no, yes, yes},
		{"a link, HEAD", "HEAD", "cross-site", "", no, yes, yes},
		{"a WebSocket, same origin", "GET", "same-origin", "https://api.test", yes, yes, yes},
		{"a WebSocket, cross site", "GET", "cross-site", "https://evil.test", yes, no, no},
		{"a WebSocket, an old browser", "GET", "", "https://evil.test", yes, no, no},
		{"a WebSocket, a trusted origin", "GET", "same-site", "https://app.test", yes, no, yes},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := func(name, value string) *http.Request {
				r := get()
				r.Method = c.method
				r.Header.Set(name, value)
				for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
					if value != "" {
						r.Header.Set(name, value)
					}
				}
				if c.upgrade {
					r.Header.Set("Upgrade", "websocket")
				}
				return r
			}
			for guard, want := range map[*httpauth.Guard]bool{strict: c.strict, trusts: c.trusts} {
				behind := new(desk)
				response := serve(guard.Handler(behind), request("Cookie", "__Host-token="+good))
				if want {
					require.Equal(t, 1, behind.calls)
				} else {
					require.Zero(t, behind.calls)
					requireRefusal(t, response, http.StatusForbidden, "", "forbidden")
				}
				serve(guard.Handler(behind), request("Authorization", "Bearer "+good))
				require.NotZero(t, behind.calls, "a header is never cross-origin")
			}
		})
	}
}

// The foreign page is turned away before anybody is asked about the token, so that it learns nothing about it.
func TestCrossOriginComesBeforeTheToken(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	for _, optional := range []bool{false, true} {
		guard := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Cookie, cfg.Optional = "__Host-token", optional })
		for _, token := range []string{kit.Token("alice"), "garbage"} {
			behind, before := new(desk), kit.KeyFaults.Calls()
			r := get()
			r.Method = http.MethodPost
			r.Header.Set("Cookie", "__Host-token="+token)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			requireRefusal(t, serve(guard.Handler(behind), r), http.StatusForbidden, "", "forbidden")
			_, err := guard.Check(r)
			require.ErrorIs(t, err, tokenauth.ErrForbidden)
			require.Zero(t, behind.calls)
			require.Equal(t, before, kit.KeyFaults.Calls())
		}
	}
}
