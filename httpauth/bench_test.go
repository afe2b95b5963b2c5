package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// What a guard costs a request: in the handler alone, and as a part of a whole request over loopback. The figures in percent need
// both benchmarks of the second kind from one run: go test -run '^$' -bench Loopback -count 10 ./httpauth

func benchmarkGuard(b *testing.B) (*authtest.Kit, *httpauth.Guard, http.Handler) {
	kit := authtest.New(b, authtest.Config{})
	// The ports themselves, as a service has them, without a switch in front.
	cfg := kit.VerifierConfig()
	cfg.Keys, cfg.Revocation, cfg.Sessions, cfg.Epochs, cfg.Now = kit.Ring, kit.Store, kit.Store, kit.Store, nil
	verifier, err := tokenauth.NewVerifier(cfg)
	if err != nil {
		b.Fatal(err)
	}
	guard, err := httpauth.New(httpauth.Config{Verifier: verifier, Realm: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return kit, guard, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
}

func BenchmarkGuard(b *testing.B) {
	kit, guard, next := benchmarkGuard(b)
	token := kit.Token("alice", "deployment:web:write")
	for name, h := range map[string]http.Handler{
		"Handler": guard.Handler(next),
		"Require": guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite)(next),
	} {
		b.Run(name, func(b *testing.B) {
			r, w := httptest.NewRequest("GET", "/", http.NoBody), httptest.NewRecorder()
			r.Header.Set("Authorization", "Bearer "+token)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			if w.Code != http.StatusNoContent {
				b.Fatal(w.Code)
			}
		})
	}
}

func BenchmarkLoopback(b *testing.B) {
	kit, guard, next := benchmarkGuard(b)
	token := kit.Token("alice", "deployment:web:write")
	for _, c := range []struct {
		name string
		h    http.Handler
	}{
		{"bare", next},
		{"guarded", guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite)(next)},
	} {
		b.Run(c.name, func(b *testing.B) {
			server := httptest.NewServer(c.h)
			defer server.Close()
			r, err := http.NewRequestWithContext(b.Context(), "GET", server.URL, http.NoBody)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			b.ReportAllocs()
			for b.Loop() {
				response, err := server.Client().Do(r)
				if err != nil || response.StatusCode != http.StatusNoContent {
					b.Fatal(err)
				}
				response.Body.Close()
			}
		})
	}
}
