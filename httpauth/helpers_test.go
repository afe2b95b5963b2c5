package httpauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// The challenges of the guards in these tests.
const (
	realm             = `Bearer realm="test"`
	invalidToken      = realm + `, error="invalid_token"`
	insufficientScope = realm + `, error="insufficient_scope"`
	neededScope       = insufficientScope + `, scope="deployment:web:write"`
)

// newGuard makes a guard of the kit's verifier; change, if set, changes its configuration.
func newGuard(t *testing.T, kit *authtest.Kit, change func(*httpauth.Config)) *httpauth.Guard {
	t.Helper()
	cfg := httpauth.Config{Verifier: kit.Verifier, Realm: "test"}
	if change != nil {
		change(&cfg)
	}
	guard, err := httpauth.New(cfg)
	require.NoError(t, err)
	return guard
}

// A desk is the handler behind a guard. It keeps what it was called with.
type desk struct {
	calls  int
	caller *tokenauth.Principal
	header http.Header
	last   *http.Request
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.calls++
	d.caller, d.header, d.last = tokenauth.PrincipalFrom(r.Context()), r.Header, r
	w.WriteHeader(http.StatusOK)
}

// serve sends one request through h.
func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// get returns a request with these Authorization headers.
func get(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://api.test/deployments/web", http.NoBody)
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	return r
}

// codeOf reads the code out of a refusal's body.
func codeOf(t *testing.T, response *http.Response) string {
	t.Helper()
	var body struct{ Error, Message string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&body))
	require.NotEmpty(t, body.Message)
	return body.Error
}

// requireRefusal holds a response to all that every refusal has.
func requireRefusal(t *testing.T, response *http.Response, status int, challenge, code string) {
	t.Helper()
	require.Equal(t, status, response.StatusCode)
	require.Equal(t, challenge, response.Header.Get("WWW-Authenticate"))
	require.LessOrEqual(t, len(response.Header.Values("WWW-Authenticate")), 1)
	require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	require.Equal(t, status == http.StatusServiceUnavailable, response.Header.Get("Retry-After") != "")
	require.Equal(t, code, codeOf(t, response))
}
