package tokenapi_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A body counts only as what it says it is, and only so far.
func TestBodies(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice")
	good := scopes("a", "b", "read")
	for _, c := range []struct {
		name        string
		contentType []string
		encoding    string
		body        string
		status      int
	}{
		{"JSON", []string{"application/json"}, "", good, 201},
		{"JSON in UTF-8", []string{"application/json; charset=UTF-8"}, "", good, 201},
		{"JSON in Latin-1", []string{"application/json; charset=iso-8859-1"}, "", good, 415},
		{"a form", []string{"application/x-www-form-urlencoded"}, "", good, 415},
		{"text, as a foreign page may send it", []string{"text/plain"}, "", good, 415},
		{"no type", nil, "", good, 415},
		{"two types", []string{"application/json", "application/json"}, "", good, 415},
		{"a list of types", []string{"application/json, text/plain"}, "", good, 415},
		{"compressed", []string{"application/json"}, "gzip", good, 415},
		{"as large as may be", []string{"application/json"}, "", good + strings.Repeat(" ", 64<<10-len(good)), 201},
		{"a byte larger", []string{"application/json"}, "", good + strings.Repeat(" ", 64<<10+1-len(good)), 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/tokens", strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer "+alice)
			r.Header["Content-Type"] = c.contentType
			if c.encoding != "" {
				r.Header.Set("Content-Encoding", c.encoding)
			}
			assert.Equal(t, c.status, o.send(t, r).status)
		})
	}
}

// A gigantic body is left where it is.
func TestAGiganticBodyIsNotRead(t *testing.T) {
	o := newOffice(t)
	for name, path := range map[string]string{"JSON": "/tokens", "form": "/introspect"} {
		t.Run(name, func(t *testing.T) {
			body := &endless{}
			r := httptest.NewRequest(http.MethodPost, path, body)
			r.Header.Set("Authorization", "Bearer "+o.session(t, "alice"))
			r.Header.Set("Content-Type", map[string]string{"/tokens": "application/json", "/introspect": "application/x-www-form-urlencoded"}[path])
			assert.Equal(t, 413, o.send(t, r).status)
			assert.Less(t, body.read, 256<<10)
		})
	}
	body := &endless{}
	r := httptest.NewRequest(http.MethodPost, "/tokens", body)
	assert.Equal(t, 401, o.send(t, r).status)
	assert.Zero(t, body.read, "the body of nobody was read")
}

// An endless reader counts what is taken.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	copy(b, bytes.Repeat([]byte(" "), len(b)))
	return len(b), nil
}
