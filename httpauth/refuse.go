package httpauth

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A refusal tells a client what to do next: get a token, get another one, ask for more, or wait. RFC 6750, section 3, has the
// words for it. It tells nothing else: the body is made of fixed sentences, and of what the request itself said only a scope that fits
// the alphabet of the challenge is repeated. So nobody can write a header or a page by what they send.

// Status returns the HTTP status of an error: 401 for ErrInvalidToken, 403 for ErrForbidden, 503 for ErrUnavailable, 400 for
// ErrInvalidRequest, 404 for ErrNotFound, 409 for ErrExists; 500 for any other, and 200 for nil.
func Status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, tokenauth.ErrUnavailable): // first: what nobody knows is never a 401
		return http.StatusServiceUnavailable
	case errors.Is(err, tokenauth.ErrInvalidToken):
		return http.StatusUnauthorized
	case errors.Is(err, tokenauth.ErrForbidden):
		return http.StatusForbidden
	case errors.Is(err, tokenauth.ErrInvalidRequest):
		return http.StatusBadRequest
	case errors.Is(err, tokenauth.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, tokenauth.ErrExists):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// sentence is the message of a refusal.
func sentence(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The request is not valid."
	case http.StatusUnauthorized:
		return "There is no valid credential."
	case http.StatusForbidden:
		return "The credential does not allow this."
	case http.StatusNotFound:
		return "There is no such thing."
	case http.StatusConflict:
		return "There is one already."
	case http.StatusServiceUnavailable:
		return "It could not be found out whether this is allowed. Try again later."
	}
	return "The service failed."
}

// A need is an error about a scope, and the scope.
type need struct {
	error
	scope tokenauth.TokenScope
}

func (n *need) Unwrap() error { return n.error }

// needed returns err with the scope that was asked for, if it is that scope that is missing.
func needed(err error, scope tokenauth.TokenScope) error {
	if errors.Is(err, tokenauth.ErrForbidden) && scope.Validate() == nil {
		return &need{err, scope}
	}
	return err
}

// Refuse answers a request with the status, challenge and body of err, as the package comment has them. err is that of Check or
// Authorize, of a Principal, or of an Issuer; any other, nil too, is a 500 that says nothing of its text.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, code := Status(err), tokenauth.ErrorCode(err)
	if err == nil {
		status, code = http.StatusInternalServerError, "internal"
	}
	contentType, body := g.body(r, status, code)

	h := w.Header()
	for _, name := range [...]string{"Content-Encoding", "Etag", "Last-Modified", "Expires", "Trailer", "Cdn-Cache-Control"} {
		h.Del(name) // somebody in front meant it for another body
	}
	if challenge := g.challenge(status, err); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", g.retryAfter)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // if it cannot be written there is nobody to tell
	}
}

// body makes the body of a refusal.
func (g *Guard) body(r *http.Request, status int, code string) (contentType string, body []byte) {
	if g.cfg.Body != nil {
		return g.cfg.Body(r, status, code)
	}
	body, _ = json.Marshal(struct { // two texts always marshal
		Error   string `json:"error"`
		Message string `json:"message"`
	}{code, sentence(status)})
	return "application/json", append(body, '\n')
}

// challenges are the values of WWW-Authenticate, but for the scope of the last.
type challenges struct{ missing, invalidToken, invalidRequest, insufficientScope string }

// newChallenges makes the challenges of a configuration that was checked.
func newChallenges(cfg Config) challenges {
	base := "Bearer realm=" + quoted(cfg.Realm)
	if cfg.ResourceMetadata != "" {
		base += ", resource_metadata=" + quoted(cfg.ResourceMetadata)
	}
	return challenges{
		missing:           base,
		invalidToken:      base + `, error="invalid_token"`,
		invalidRequest:    base + `, error="invalid_request"`,
		insufficientScope: base + `, error="insufficient_scope"`,
	}
}

// challenge returns the value of WWW-Authenticate, or "" for none.
func (g *Guard) challenge(status int, err error) string {
	switch {
	case status == http.StatusBadRequest:
		return g.challenges.invalidRequest
	case status == http.StatusForbidden && !errors.Is(err, errCrossOrigin): // another token would not help a foreign page
		return g.challenges.insufficientScope + scopeParameter(err)
	case status != http.StatusUnauthorized:
		return ""
	case errors.Is(err, tokenauth.ErrMissingToken):
		return g.challenges.missing
	}
	return g.challenges.invalidToken
}

// scopeParameter returns the parameter that names the scope err is about; "" if there is none, or it cannot be written there: a
// scope of RFC 6749, section 3.3, is printable ASCII without blanks, quotes and backslashes.
func scopeParameter(err error) string {
	var n *need
	if !errors.As(err, &n) {
		return ""
	}
	text, err := n.scope.MarshalText()
	if err != nil || !isPrintable(string(text)) || strings.ContainsAny(string(text), ` "\`) {
		return ""
	}
	return `, scope="` + string(text) + `"`
}

// isPrintable says whether s is printable ASCII, blanks included.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quoted returns printable ASCII as a quoted-string (RFC 9110, section 5.6.4).
func quoted(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

// isMetadataURL says whether s may be Config.ResourceMetadata.
func isMetadataURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || strings.Contains(s, "#") || !isPrintable(s) || strings.ContainsAny(s, ` "\`) {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// isLoopback says whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// wholeSeconds writes a duration for Retry-After.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
