package httpauth

import (
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/a74cfa30/tokenauth"
)

// Two parties that read a request differently can be played against each other: a gateway checks one token, the service behind it
// believes the other. So there is one place for a credential and one way to write it, and a request with two is refused whole
// instead of being read in favour of either.

// A source is where a credential was found.
type source uint8

const (
	fromNowhere source = iota
	fromHeader
	fromCookie
)

// What is wrong with a credential before anybody judges the token. The texts name the place and no part of the value.
var (
	errSeveralHeaders = malformed("more than one Authorization header")
	errNoScheme       = malformed("the Authorization header does not begin with a scheme")
	errNoToken        = malformed("after Bearer there is not one token, with blanks before it and nothing behind it")
	errSeveralCookies = malformed("more than one cookie of that name")
	errNoCookieToken  = malformed("the cookie does not hold one token")
	errOtherScheme    = fmt.Errorf("httpauth: the Authorization header has another scheme than Bearer: %w", tokenauth.ErrMissingToken)
	errCrossOrigin    = fmt.Errorf("httpauth: the cookie was sent from another origin: %w", tokenauth.ErrForbidden)
)

func malformed(what string) error {
	return fmt.Errorf("httpauth: %s: %w", what, tokenauth.ErrMalformed)
}

// credential returns the one token of a request, and where it was found. An error means that there is something, and that it is bad.
func (g *Guard) credential(h http.Header) (token string, from source, err error) {
	values := h["Authorization"]
	switch {
	case len(values) == 1:
		token, err = bearer(values[0])
		return token, fromHeader, err
	case len(values) > 1:
		return "", fromHeader, errSeveralHeaders
	case g.cfg.Cookie == "":
		return "", fromNowhere, nil
	}
	token, n := findCookie(h, g.cfg.Cookie)
	switch {
	case n == 0:
		return "", fromNowhere, nil
	case n > 1:
		return "", fromCookie, errSeveralCookies
	case !isBearerToken(token):
		return "", fromCookie, errNoCookieToken
	}
	return token, fromCookie, nil
}

// bearer returns the token of a header's value: "Bearer", in any letter case (RFC 9110, section 11.1), one blank or more, and a
// b64token (RFC 6750, section 2.1).
func bearer(value string) (string, error) {
	end := 0
	for end < len(value) && isTokenChar(value[end]) {
		end++
	}
	switch {
	case end == 0:
		return "", errNoScheme
	case !strings.EqualFold(value[:end], "Bearer"):
		return "", errOtherScheme
	}
	token := strings.TrimLeft(value[end:], " ")
	if len(token) == len(value)-end || !isBearerToken(token) {
		return "", errNoToken
	}
	return token, nil
}

// isTokenChar says whether c may stand in the name of a scheme (tchar of RFC 9110, section 5.6.2).
func isTokenChar(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isBearerToken says whether s is a b64token: letters, digits and -._~+/ , then perhaps some = .
func isBearerToken(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !isBearerChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// The characters of a b64token, as bits: those below 64, and those from there on. A token has hundreds of them.
const (
	bearerLow  uint64 = (1<<10-1)<<'0' | 1<<'-' | 1<<'.' | 1<<'+' | 1<<'/'
	bearerHigh uint64 = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) | 1<<('_'-64) | 1<<('~'-64)
)

func isBearerChar(c byte) bool {
	if c < 64 {
		return bearerLow>>(c&63)&1 != 0
	}
	return c < 128 && bearerHigh>>(c&63)&1 != 0
}

func isAlphanumeric(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' }

// findCookie returns the value of the last cookie called name, and how many there are. It reads the header itself because
// http.Request.Cookies drops what it takes for malformed: a bad credential would look like none.
func findCookie(h http.Header, name string) (value string, n int) {
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if key, v := splitCookie(pair); key == name {
				value = v
				n++
			}
		}
	}
	return value, n
}

// splitCookie returns the name and the value of one cookie.
func splitCookie(pair string) (name, value string) {
	name, value, _ = strings.Cut(strings.Trim(pair, " \t"), "=")
	return strings.TrimRight(name, " \t"), value
}

// checkOrigin refuses a request with the cookie that another origin made the browser send. A handshake that leaves HTTP behind is
// looked at like a request that changes something: CrossOriginProtection lets each GET pass, but a WebSocket opened by a
// foreign page can do what its handler can.
func (g *Guard) checkOrigin(r *http.Request) error {
	if len(r.Header["Upgrade"]) > 0 {
		handshake := *r
		handshake.Method = http.MethodPost
		r = &handshake
	}
	if g.cfg.CrossOrigin.Check(r) != nil {
		return errCrossOrigin
	}
	return nil
}

// withoutCredential returns the header for the handler behind the guard: without Authorization, and without the cookie that may be
// a credential. Values are shared with h, which stays as it is.
func (g *Guard) withoutCredential(h http.Header) http.Header {
	cookies := 0
	if g.cfg.Cookie != "" {
		_, cookies = findCookie(h, g.cfg.Cookie)
	}
	if len(h["Authorization"]) == 0 && cookies == 0 {
		return h
	}
	rest := maps.Clone(h)
	delete(rest, "Authorization")
	if cookies > 0 {
		removeCookie(rest, g.cfg.Cookie)
	}
	return rest
}

// removeCookie takes the cookies called name out of h.
func removeCookie(h http.Header, name string) {
	var lines []string
	for _, line := range h["Cookie"] {
		var rest []string
		for pair := range strings.SplitSeq(line, ";") {
			if key, _ := splitCookie(pair); key != name {
				rest = append(rest, strings.Trim(pair, " \t"))
			}
		}
		if len(rest) > 0 {
			lines = append(lines, strings.Join(rest, "; "))
		}
	}
	if h["Cookie"] = lines; len(lines) == 0 {
		delete(h, "Cookie")
	}
}
