package tokenapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/tokenapi"
)

// An id is what stands in the path, once unescaped, and nothing more: not a wildcard, not another path.
func TestHostileIDs(t *testing.T) {
	o := newOffice(t)
	admin, ci := o.session(t, "alice", "admin"), o.issue(t, "", request("ci"), "deployment:web:read")
	for _, id := range []string{
		"*", "%2A", "%FF%2A", "%FF*", "%00", ci.id + "%00", ci.id + "%0A", ci.id + "%20", "%C3%28", "%2e%2e", "%2E", "%2F", "..%2F" + ci.id,
		"%25" + ci.id, "%2e%2e%2ftokens", strings.ToUpper(ci.id), strings.Repeat("x", 129), strings.Repeat("x", 100_000),
		strings.Repeat("%00", 1000), "%E2%80%AE" + ci.id, "null", "%22%22", "'%20OR%201=1--", "%7Bid%7D",
	} {
		for _, operation := range []string{"", "/rotate", "/revoke"} {
			method := http.MethodPost
			if operation == "" {
				method = http.MethodGet
			}
			got := o.do(t, method, "/tokens/"+id+operation, admin, "", "")
			assert.Equal(t, 404, got.status, "%.40s%s", id, operation)
		}
	}
	assert.True(t, o.lives(t, ci.token))
}

// Paths that a mux would clean are not sent elsewhere.
func TestPathsThatAreNone(t *testing.T) {
	o := newOffice(t, prefix("/auth"))
	alice := o.session(t, "alice")
	for _, path := range []string{
		"/", "/auth", "/auth/", "/tokens", "/auth/tokens/", "/auth//tokens", "/auth/./tokens", "/auth/x/../tokens",
		"//auth/tokens", "/auth/Tokens",
		"/auth/tokens/1/", "/auth/tokens/1/delete", "/auth/tokens//revoke", "/auth/openapi.json/", "/auth/openapi",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			got := o.do(t, method, path, alice, "", "")
			assert.Equal(t, 404, got.status, "%s %s: %s", method, path, got.text)
			assert.Empty(t, got.header.Get("Location"))
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/auth/tokens", nil)
	r.Header.Set("Authorization", "Bearer "+alice)
	w := httptest.NewRecorder()
	http.StripPrefix("/auth", newOfficeLike(t, o)).ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code, "behind StripPrefix")
}

// newOfficeLike returns an API of the same issuer without a prefix.
func newOfficeLike(t *testing.T, o *office) http.Handler {
	t.Helper()
	config := o.config
	config.Prefix = ""
	api, err := tokenapi.New(config)
	require.NoError(t, err)
	return api
}

// A method that a path does not have is named as such, to anybody, and nothing is done.
func TestMethods(t *testing.T) {
	f := newFamily(t)
	for path, allow := range map[string]string{
		"/tokens": "GET, HEAD, POST", "/tokens/" + f.records["ci"]: "GET, HEAD", "/tokens/" + f.records["ci"] + "/rotate": "POST",
		"/tokens/" + f.records["ci"] + "/revoke": "POST", "/revoke": "POST", "/introspect": "POST", "/openapi.json": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
			if strings.Contains(", "+allow+",", ", "+method+",") {
				continue
			}
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Method = method
			r.Header.Set("X-Http-Method-Override", "POST")
			r.Header.Set("Authorization", "Bearer "+f.tokens["admin"])
			w := httptest.NewRecorder()
			f.api.ServeHTTP(w, r)
			assert.Equal(t, 405, w.Code, "%s %s", method, path)
			assert.Equal(t, allow, w.Header().Get("Allow"), "%s %s", method, path)
		}
	}
	head := f.do(t, http.MethodHead, "/tokens", f.tokens["alice"], "", "")
	assert.Equal(t, 200, head.status)
	assert.Equal(t, fmt.Sprint(len(f.get(t, f.tokens["alice"], "/tokens").text)), head.header.Get("Content-Length"))
	assert.Equal(t, 401, f.do(t, http.MethodHead, "/tokens", "", "", "").status)
	assert.True(t, f.lives(t, f.tokens["ci"]))
}

// An outage is a 503 everywhere, says nothing of the store, and comes within the deadline.
func TestStoresInTrouble(t *testing.T) {
	operations := map[string]struct{ method, path, body string }{
		"list":       {"GET", "/tokens", ""},
		"get":        {"GET", "/tokens/{ci}", ""},
		"create":     {"POST", "/tokens", scopes("deployment", "web", "read")},
		"rotate":     {"POST", "/tokens/{ci}/rotate", ""},
		"revoke":     {"POST", "/tokens/{ci}/revoke", ""},
		"held":       {"POST", "/revoke", "token={token}"},
		"introspect": {"POST", "/introspect", "token={token}"},
	}
	for name, op := range operations {
		for trouble, what := range map[string]func(context.Context) error{"down": down, "slow": slow} {
			t.Run(name+" "+trouble, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newOffice(t)
					ci := o.issue(t, "", request("ci"), "deployment:*:write")
					o.shop.in(what, "IsRevoked", "Get", "List", "Create", "Revoke", "Rotate")
					contentType := "application/json"
					if strings.HasPrefix(op.body, "token=") {
						contentType = "application/x-www-form-urlencoded"
					}
					began := time.Now()
					fill := strings.NewReplacer("{ci}", ci.id, "{token}", ci.token)
					got := o.do(t, op.method, fill.Replace(op.path), o.session(t, "alice", "admin"), contentType, fill.Replace(op.body))
					assert.Equal(t, 503, got.status, got.text)
					assert.LessOrEqual(t, time.Since(began), 5*time.Second)
					assert.NotContains(t, got.text, "10.0.0.7")
				})
			})
		}
	}
}

// Revoking may take as long as a request may, and no longer; what was asked for is then to be taken for alive.
func TestRevokingEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		ci := o.issue(t, "", request("ci"), "deployment:*:write")
		o.shop.in(slow, "Revoke")
		for _, ask := range []func() reply{
			func() reply { return o.post(t, ci.token, "/tokens/"+ci.id+"/revoke", "") },
			func() reply { return o.form(t, "", "/revoke", "token="+ci.token) },
		} {
			began := time.Now()
			assert.Equal(t, 503, ask().status)
			assert.Equal(t, 5*time.Second, time.Since(began))
			assert.True(t, o.lives(t, ci.token))
		}
	})
}

// R3: the token is told once. Neither it nor a part that would be worth something is in any other answer.
func TestNoOtherAnswerHoldsAToken(t *testing.T) {
	o := newOffice(t)
	alice, admin := o.session(t, "alice"), o.session(t, "alice", "admin")
	got := o.post(t, alice, "/tokens", scopes("deployment", "*x", "read"))
	require.Equal(t, 201, got.status, got.text)
	token, id := got.member("token").(string), got.member("record").(map[string]any)["id"].(string)
	assert.Equal(t, 1, strings.Count(got.text, token))
	signature := token[strings.LastIndex(token, ".")+1:]
	quoted, err := json.Marshal(token)
	require.NoError(t, err)
	for name, answer := range map[string]reply{
		"list":            o.get(t, alice, "/tokens"),
		"get":             o.get(t, alice, "/tokens/"+id),
		"introspect":      o.form(t, admin, "/introspect", "token="+token),
		"introspect no":   o.form(t, o.session(t, "bob"), "/introspect", "token="+token),
		"as an id":        o.get(t, alice, "/tokens/"+token),
		"as a member":     o.post(t, alice, "/tokens", `{`+string(quoted)+`:1}`),
		"as a level":      o.post(t, alice, "/tokens", scopes("a", "b", token)),
		"as a kind":       o.post(t, alice, "/tokens", scopes(token, "b", "none")),
		"as a number":     o.post(t, alice, "/tokens", `{"ttl_seconds":`+string(quoted)+`}`),
		"as an audience":  o.post(t, alice, "/tokens", `{"audience":[`+string(quoted)+`],"roles":["x"]}`),
		"as a parameter":  o.get(t, alice, "/tokens?"+token+"=1"),
		"as a filter":     o.get(t, alice, "/tokens?owner="+token),
		"in the query":    o.form(t, admin, "/introspect?token="+token, "x=y"),
		"as a form field": o.form(t, admin, "/introspect", token+"=1&"+token+"=2"),
		"revoke":          o.post(t, alice, "/tokens/"+id+"/revoke", ""),
	} {
		assert.NotContains(t, answer.text, signature, name)
		for _, values := range answer.header {
			assert.NotContains(t, strings.Join(values, " "), signature, name)
		}
	}
}

// The credential is the guard's business: the table of its shapes is httpauth's. Here, that each path but two has a guard.
func TestCredentials(t *testing.T) {
	o := newOffice(t)
	alice, ci := o.session(t, "alice"), o.issue(t, "", request("ci"), "deployment:web:read")
	_, err := o.issuer.Revoke(t.Context(), system, ci.id, "")
	require.NoError(t, err)
	for _, path := range []string{
		"GET /tokens", "POST /tokens", "GET /tokens/x", "POST /tokens/x/rotate", "POST /tokens/x/revoke", "POST /introspect",
	} {
		method, path, _ := strings.Cut(path, " ")
		for name, header := range map[string]struct {
			authorization []string
			challenge     string
		}{
			"none":    {nil, `Bearer realm="tokens"`},
			"revoked": {[]string{"Bearer " + ci.token}, `Bearer realm="tokens", error="invalid_token"`},
			"two":     {[]string{"Bearer " + alice, "Bearer " + alice}, `Bearer realm="tokens", error="invalid_token"`},
		} {
			r := httptest.NewRequest(method, path, nil)
			r.Header["Authorization"] = header.authorization
			got := o.send(t, r)
			assert.Equal(t, 401, got.status, "%s %s", path, name)
			assert.Equal(t, header.challenge, got.header.Get("WWW-Authenticate"), "%s %s", path, name)
		}
	}
}

// A cookie is sent by whatever page asks the browser to: what it allows is the guard's CrossOriginProtection to say.
func TestACookieFromAnotherOrigin(t *testing.T) {
	o := newOffice(t, func(c *tokenapi.Config) { c.Guard.Cookie = "__Host-session" })
	alice := o.session(t, "alice")
	for site, want := range map[string]int{"same-origin": 201, "cross-site": 403, "same-site": 403} {
		r := httptest.NewRequest(http.MethodPost, "/tokens", strings.NewReader(scopes("a", "b", "read")))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Cookie", "__Host-session="+alice)
		r.Header.Set("Sec-Fetch-Site", site)
		assert.Equal(t, want, o.send(t, r).status, site)
	}
	r := httptest.NewRequest(http.MethodPost, "/revoke", strings.NewReader(""))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", "__Host-session="+o.issue(t, "", request("ci"), "a:b:read").token)
	assert.Equal(t, 400, o.send(t, r).status, "the token that is ended is the one in the form")
}

// The asker dies between the guard's look and the Issuer's.
func TestTheAskerDiesMeanwhile(t *testing.T) {
	o := newOffice(t)
	ci := o.issue(t, "", request("ci"), "deployment:*:write")
	o.shop.in(func(context.Context) error {
		o.shop.in(nil, "List")
		_, err := o.issuer.Revoke(t.Context(), system, ci.id, "")
		return err
	}, "List")
	got := o.post(t, ci.token, "/tokens", scopes("deployment", "web", "read"))
	assert.Equal(t, 401, got.status, got.text)
	assert.Equal(t, "token_revoked", got.code())
	assert.Contains(t, got.header.Get("WWW-Authenticate"), "invalid_token")
}
