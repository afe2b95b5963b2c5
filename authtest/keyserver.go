package authtest

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/jwks"
)

// A KeyServer publishes a key ring over HTTP on loopback, as the service of another authority would, until it is told to misbehave.
type KeyServer struct {
	URL string // of the JWK Set

	fetches atomic.Int64
	answer  atomic.Pointer[http.Handler]
	usual   http.Handler
}

// NewKeyServer starts a server for ring; it ends with the test.
func NewKeyServer(t testing.TB, ring *tokenauth.KeyRing) *KeyServer {
	t.Helper()
	s := &KeyServer{usual: must(jwks.Publish(ring, time.Minute))(t, "the key server")}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL + "/jwks.json"
	return s
}

// KeyServer starts a server for the kit's Ring; it ends with the test.
func (k *Kit) KeyServer() *KeyServer {
	k.t.Helper()
	return NewKeyServer(k.t, k.Ring)
}

// ServeHTTP implements http.Handler, for tests that bring their own server.
func (s *KeyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.fetches.Add(1)
	if h := s.answer.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	s.usual.ServeHTTP(w, r)
}

// Answer makes h answer from now on; nil: the ring again.
func (s *KeyServer) Answer(h http.Handler) {
	if h == nil {
		s.answer.Store(nil)
		return
	}
	s.answer.Store(&h)
}

// AnswerText makes the server answer every request with a status and a text, such as a set that no authority should publish.
func (s *KeyServer) AnswerText(status int, text string) {
	s.Answer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}))
}

// Fetches says how often the server was asked so far.
func (s *KeyServer) Fetches() int { return int(s.fetches.Load()) }
