package httpauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// What a guard costs a request: in the handler alone, and as a part of a whole request over loopback.

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

// What is reported is the median of each kind, and how much longer the guarded one takes, in percent.
func BenchmarkLoopback(b *testing.B) {
	kit, guard, next := benchmarkGuard(b)
	token := kit.Token("alice", "deployment:web:write")
	var took [2][]time.Duration
	var ask [2]func() error
	for i, h := range []http.Handler{next, guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite)(next)} {
		server := httptest.NewServer(h)
		b.Cleanup(server.Close)
		r, err := http.NewRequestWithContext(b.Context(), "GET", server.URL, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		ask[i] = func() error {
			response, err := server.Client().Do(r)
			if err != nil {
				return err
			}
			if response.StatusCode != http.StatusNoContent {
				return errors.New(response.Status)
			}
			return response.Body.Close()
		}
	}
	for b.Loop() {
		for i := range ask { // in turn, so that both meet the same machine
			began := time.Now()
			if err := ask[i](); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	var median [2]float64
	for i := range took {
		slices.Sort(took[i])
		median[i] = float64(took[i][len(took[i])/2])
	}
	b.ReportMetric(median[0], "ns/bare")
	b.ReportMetric(median[1], "ns/guarded")
	b.ReportMetric(100*(median[1]/median[0]-1), "%guard")
}
