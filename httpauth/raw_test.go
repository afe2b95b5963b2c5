package httpauth_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
)

// What net/http makes of bytes decides what a guard gets to see. These requests are written to the socket as no client library would.
// A status of 400 is net/http's: the guard is not asked.
func TestBytesOnTheWire(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard, calls := newGuard(t, kit, nil), new(atomic.Int64)
	server := httptest.NewUnstartedServer(guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.Header.Get("Authorization") != "" || tokenauth.PrincipalFrom(r.Context()).Subject() != "alice" {
			w.WriteHeader(http.StatusTeapot)
		}
	})))
	server.Config.DisableGeneralOptionsHandler = true // so that the guard sees OPTIONS *
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(server.Close)
	good := kit.Token("alice")

	for name, c := range map[string]struct {
		request string // lines end in |, GOOD is a good token
		want    int
	}{
		"as it should be":           {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD||", 200},
		"nothing":                   {"GET / HTTP/1.1|Host: api.test||", 401},
		"HTTP/1.0 without Host":     {"GET / HTTP/1.0|Authorization: Bearer GOOD||", 200},
		"HTTP/1.0, bad":             {"GET / HTTP/1.0|Authorization: Bearer bad||", 401},
		"HTTP/1.1 without Host":     {"GET / HTTP/1.1|Authorization: Bearer GOOD||", 400},
		"HTTP/3.0":                  {"GET / HTTP/3.0|Host: api.test|Authorization: Bearer GOOD||", 505},
		"two headers":               {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD|Authorization: Bearer GOOD||", 401},
		"two, one bad":              {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer bad|Authorization: Bearer GOOD||", 401},
		"two, in other letter case": {"GET / HTTP/1.1|Host: api.test|authorization: Bearer GOOD|AUTHORIZATION: Bearer bad||", 401},
		"two, others between":       {"GET / HTTP/1.1|Authorization: Bearer GOOD|Host: api.test|A: b|Authorization: Basic x||", 401},
		"two, parted by LF alone":   {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer bad\nAuthorization: Bearer GOOD||", 401},
		"name in lower case":        {"GET / HTTP/1.1|Host: api.test|authorization: Bearer GOOD||", 200},
		"name in odd case":          {"GET / HTTP/1.1|Host: api.test|aUTHORIZATION: bearer GOOD||", 200},
		"no blank behind the colon": {"GET / HTTP/1.1|Host: api.test|Authorization:Bearer GOOD||", 200},
		"tabs around the value":     {"GET / HTTP/1.1|Host: api.test|Authorization:\tBearer GOOD\t||", 200},
		"blank before the colon":    {"GET / HTTP/1.1|Host: api.test|Authorization : Bearer GOOD||", 400},
		"blank before the name":     {"GET / HTTP/1.1| Authorization: Bearer GOOD|Host: api.test||", 400},
		"no colon":                  {"GET / HTTP/1.1|Host: api.test|Authorization Bearer GOOD||", 400},
		"empty value":               {"GET / HTTP/1.1|Host: api.test|Authorization:||", 401},
		"folded before the token":   {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer| GOOD||", 200}, // one SP: RFC 9112, section 5.2
		"folded by a tab":           {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer|\tGOOD||", 200},
		"folded within the token":   {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GO| OD||", 401},
		"a second token, folded":    {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD| bad||", 401},
		"a second header, folded":   {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD| Authorization: Bearer bad||", 401},
		"folded out of another":     {"GET / HTTP/1.1|Host: api.test|A: b| Authorization: Bearer GOOD||", 401},
		"NUL in the value":          {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD\x00||", 400},
		"NUL in the name":           {"GET / HTTP/1.1|Host: api.test|Authorization\x00: Bearer GOOD||", 400},
		"a control byte":            {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer \x01GOOD||", 400},
		"delete":                    {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD\x7f||", 400},
		"CR alone":                  {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD\rX: y||", 400},
		"vertical tab":              {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer\vGOOD||", 400},
		"form feed":                 {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer\fGOOD||", 400},
		"high bytes":                {"GET / HTTP/1.1|Host: api.test|Authorization: Bearer \xff\xfe||", 401},
		"path without slash":        {"GET foo HTTP/1.1|Host: api.test|Authorization: Bearer GOOD||", 400},
		"path is the credential":    {"GET Bearer%20GOOD HTTP/1.1|Host: api.test||", 400},
		"a blank in the path":       {"GET /a b HTTP/1.1|Host: api.test|Authorization: Bearer GOOD||", 400},
		"absolute form":             {"GET http://api.test/x HTTP/1.1|Host: api.test|Authorization: Bearer GOOD||", 200},
		"absolute form, bad":        {"GET http://api.test/x HTTP/1.1|Host: api.test|Authorization: Bearer bad||", 401},
		"absolute form with a user": {"GET http://Bearer:GOOD@api.test/ HTTP/1.1|Host: api.test||", 401},
		"another host":              {"GET http://evil.test/ HTTP/1.1|Host: api.test||", 401},
		"two slashes":               {"GET //evil.test/x HTTP/1.1|Host: api.test||", 401},
		"dots in the path":          {"GET /../../x HTTP/1.1|Host: api.test||", 401},
		"escapes in the path":       {"GET /%2e%2e/%00 HTTP/1.1|Host: api.test||", 401},
		"OPTIONS *":                 {"OPTIONS * HTTP/1.1|Host: api.test||", 401},
		"OPTIONS *, good":           {"OPTIONS * HTTP/1.1|Host: api.test|Authorization: Bearer GOOD||", 200},
		"GET *":                     {"GET * HTTP/1.1|Host: api.test||", 401},
		"HEAD":                      {"HEAD / HTTP/1.1|Host: api.test||", 401},
		"HEAD, good":                {"HEAD / HTTP/1.1|Host: api.test|Authorization: Bearer GOOD||", 200},
		"CONNECT":                   {"CONNECT api.test:443 HTTP/1.1|Host: api.test:443||", 401},
		"CONNECT, good":             {"CONNECT api.test:443 HTTP/1.1|Host: api.test:443|Authorization: Bearer GOOD||", 200},
		"CONNECT, to the proxy":     {"CONNECT api.test:443 HTTP/1.1|Host: api.test:443|Proxy-Authorization: Bearer GOOD||", 401},
		"a method of its own":       {"BREW / HTTP/1.1|Host: api.test||", 401},
		"upgrade":                   {"GET / HTTP/1.1|Host: api.test|Connection: Upgrade|Upgrade: websocket||", 401},
		"as a trailer":              {"POST / HTTP/1.1|Host: api.test|Transfer-Encoding: chunked||0|Authorization: Bearer GOOD||", 401},
		"as a trailer that was announced": {"POST / HTTP/1.1|Host: api.test|Transfer-Encoding: chunked|Trailer: Authorization||" +
			"0|Authorization: Bearer GOOD||", 401},
		"in a body":                    {"POST / HTTP/1.1|Host: api.test|Content-Length: 13||Authorization", 401},
		"smuggled behind a length":     {"POST / HTTP/1.1|Host: api.test|Content-Length: 0|Content-Length: 9|Authorization: Bearer GOOD||", 400},
		"removed as connection header": {"GET / HTTP/1.1|Host: api.test|Connection: Authorization|Authorization: Bearer GOOD||", 200},
		"no header at all":             {"GET / HTTP/1.1||", 400},
		"TLS on a plain port":          {"\x16\x03\x01\x02\x00||", 400},
	} {
		t.Run(name, func(t *testing.T) {
			before := calls.Load()
			text := strings.NewReplacer("|", "\r\n", "GOOD", good).Replace(c.request)
			response, body := exchange(t, server.Listener.Addr().String(), text)
			require.Equal(t, c.want, response.StatusCode)
			require.Equal(t, c.want == 200, calls.Load() > before, "called or not")
			require.NotContains(t, body, good)
			if c.want == 401 {
				require.Contains(t, response.Header.Get("WWW-Authenticate"), realm)
				require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
			}
		})
	}
}

// exchange writes text to a socket and reads one response.
func exchange(t *testing.T, address, text string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	method, _, _ := strings.Cut(text, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err)
	if method == http.MethodConnect && response.StatusCode == http.StatusOK {
		return response, ""
	}
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}
