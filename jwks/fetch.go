package jwks

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The answer to a fetch decides whom this service believes, so what makes it trustworthy is fixed before a byte of it is read: https
// all the way, a bound on time, bytes and keys. What it says is judged by tokenauth.ParseKeys, whole or not at all.

// Bounds of one set.
const (
	maxSetBytes  = 64 << 10
	maxSetKeys   = 32
	maxRedirects = 3
)

// isTrusted says whether nobody on the way can change what comes from u.
func isTrusted(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// isLoopback says whether a host is this machine (RFC 6761, section 6.3, for the name).
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A silence is a fetch without an answer. What the network said is kept as the cause, for errors.Is and errors.As, and left out of the
// text: it quotes certificates and broken answers, and nobody knows what a stranger's text holds.
type silence struct {
	what  string
	cause error
}

func (s *silence) Error() string { return "jwks: fetch: " + s.what }
func (s *silence) Unwrap() error { return s.cause }

// silent returns what the network said as a silence.
func silent(cause error) error {
	var (
		certificate *tls.CertificateVerificationError
		connection  *net.OpError
	)
	what := "no answer"
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		what = "not done within Timeout"
	case errors.As(cause, &certificate):
		what = "the server's certificate does not verify"
	case errors.As(cause, &connection):
		what = "the connection failed: " + connection.Op
	}
	return &silence{what, cause}
}

// fetch reads the set once. Its errors name what was wrong and hold nothing of the answer.
func (f *Follower) fetch(ctx context.Context, begun time.Time) (*keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	response, err := f.get(ctx)
	if err != nil {
		return nil, err
	}
	defer drop(response.Body)
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks: fetch: status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSetBytes+1))
	switch {
	case err != nil:
		return nil, silent(err)
	case len(text) > maxSetBytes:
		return nil, fmt.Errorf("jwks: the set is longer than %d bytes", maxSetBytes)
	}
	keys, err := f.parse(text)
	if err != nil {
		return nil, err
	}
	set := &keySet{count: len(keys), begun: begun}
	if err := set.ring.Replace(keys...); err != nil {
		return nil, fmt.Errorf("jwks: the set: %w", err)
	}
	set.fresh = begun.Add(f.age(response.Header))
	set.until = set.fresh.Add(f.cfg.MaxStale)
	return set, nil
}

// get asks for the set and follows redirects. It does so itself, because http.Client writes where a redirect leads into its errors.
func (f *Follower) get(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.cfg.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	for range 1 + maxRedirects {
		r.Header.Set("Accept", "application/jwk-set+json, application/json")
		response, err := f.cfg.Transport.RoundTrip(r)
		if err != nil {
			return nil, silent(err)
		}
		if !isRedirect(response) {
			return response, nil
		}
		drop(response.Body)
		if r, err = redirected(r, response.Header.Get("Location")); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("jwks: fetch: more than %d redirects", maxRedirects)
}

// drop closes a body. What counts of it has been read, so how it ends does not matter.
func drop(body io.Closer) { _ = body.Close() }

// isRedirect says whether a response names another place to ask (RFC 9110, section 15.4).
func isRedirect(response *http.Response) bool {
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return response.Header.Get("Location") != ""
	}
	return false
}

// redirected returns the request to the place that location names, seen from r. It stays on https, and goes nowhere else from there.
func redirected(r *http.Request, location string) (*http.Request, error) {
	u, err := r.URL.Parse(location)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return nil, errors.New("jwks: fetch: a redirect to what is no URL without user")
	case !isTrusted(u), r.URL.Scheme == "https" && u.Scheme != "https":
		return nil, errors.New("jwks: fetch: a redirect off https")
	}
	return http.NewRequestWithContext(r.Context(), http.MethodGet, u.String(), http.NoBody)
}

// parse reads a JWK Set. ParseKeys also reads a single key and PEM, which no authority publishes, and takes a set without keys that verify for
// a mistake; here it is how an authority takes them all back, while a key for encryption may stay.
func (f *Follower) parse(text []byte) ([]tokenauth.Key, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	switch err := json.Unmarshal(text, &set); {
	case err != nil, set.Keys == nil:
		return nil, errors.New("jwks: what was fetched is no JSON object with keys")
	case len(*set.Keys) > maxSetKeys:
		return nil, fmt.Errorf("jwks: the set has more than %d keys", maxSetKeys)
	}
	keys, err := tokenauth.ParseKeys(text)
	if errors.Is(err, tokenauth.ErrNoKeys) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("jwks: the set: %w", err)
	}
	if f.cfg.Algorithm == "" {
		return keys, nil
	}
	if keys, err = tokenauth.ParseKeys(withAlgorithm(*set.Keys, f.cfg.Algorithm)); err != nil {
		return nil, fmt.Errorf("jwks: the set: %w", err)
	}
	return keys, nil
}

// withAlgorithm returns a set, which ParseKeys has read, with alg written into the RSA keys that have none.
func withAlgorithm(keys []json.RawMessage, alg string) []byte {
	set := []byte(`{"keys":[`)
	for i, text := range keys {
		var key struct{ Kty, Alg *string }
		if i > 0 {
			set = append(set, ',')
		}
		if err := json.Unmarshal(text, &key); err == nil && key.Alg == nil && key.Kty != nil && *key.Kty == "RSA" {
			set = append(append(append(set, `{"alg":"`...), alg...), `",`...)
			text = bytes.TrimLeft(text, "{")
		}
		set = append(set, text...)
	}
	return append(set, "]}"...)
}

// age returns how long a set counts before it is read again: what its header allows (RFC 9111, section 4.2), within bounds.
func (f *Follower) age(h http.Header) time.Duration {
	age := min(defaultMaxAge, f.cfg.MaxAge)
	if seconds, ok := maxAge(h.Values("Cache-Control")); ok {
		age = seconds
		first, _, _ := strings.Cut(h.Get("Age"), ",") // of several the first counts (RFC 9111, section 5.1)
		passed, err := strconv.ParseUint(strings.TrimSpace(first), 10, 31)
		if err == nil || errors.Is(err, strconv.ErrRange) { // beyond all numbers is the greatest of them (section 1.2.2)
			age -= time.Duration(passed) * time.Second
		}
	}
	least := max(min(leastMaxAge, f.cfg.MaxAge), f.cfg.CoolDown)
	return min(max(age, least), f.cfg.MaxAge)
}

// maxAge returns the smallest max-age of a Cache-Control header; no-store and no-cache are 0. What cannot be read is not there.
func maxAge(values []string) (age time.Duration, ok bool) {
	for directive := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		seconds := uint64(0)
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
		case "max-age":
			var err error
			if seconds, err = strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err != nil {
				continue
			}
		default:
			continue
		}
		if d := time.Duration(seconds) * time.Second; !ok || d < age {
			age, ok = d, true
		}
	}
	return age, ok
}
