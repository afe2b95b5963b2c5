package httpauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// Whatever a caller comes with, HTTP answers as the Verifier does.
func TestEveryStateGetsItsAnswerOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where a store that hangs costs no time
		kit, q := authtest.New(t, authtest.Config{}), authtest.Asked()
		guard, behind := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Cookie = "__Host-token" }), new(desk)
		alone := guard.Require(q.ResourceKind, httpauth.PathValue("name"), q.Level)(behind)
		stacked := guard.Handler(guard.Require(q.ResourceKind, httpauth.PathValue("name"), q.Level)(behind))
		for _, s := range kit.States() {
			s.Arrange(t)
			_, inProcess := kit.Verifier.Authorize(t.Context(), s.Token, q.ResourceKind, q.ResourceID, q.Level)
			p, proven := kit.Verifier.Verify(t.Context(), s.Token)
			if proven == nil {
				proven = p.Require(q.ResourceKind, q.ResourceID, q.Level)
			}
			for _, request := range requestsWith(s.Token) {
				behind.calls = 0
				requireAnswer(t, s.Name, serve(muxOf(alone), request), behind, inProcess)
				require.Equal(t, s.HTTP(), httpauth.Status(inProcess), s.Name)
				behind.calls = 0
				requireAnswer(t, s.Name+", stacked", serve(muxOf(stacked), request), behind, proven)
			}
		}
	})
}

// requestsWith returns requests with a token in each place it may be.
func requestsWith(token string) []*http.Request {
	if token == "" {
		return []*http.Request{get()}
	}
	byCookie := get()
	byCookie.Header.Set("Cookie", "__Host-token="+token)
	return []*http.Request{get("Bearer " + token), byCookie}
}

func muxOf(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/deployments/{name}", h)
	return mux
}

// requireAnswer holds a response to what the Verifier said.
func requireAnswer(t *testing.T, name string, response *http.Response, behind *desk, err error) {
	t.Helper()
	require.Equal(t, httpauth.Status(err), response.StatusCode, name)
	if err == nil {
		require.Equal(t, 1, behind.calls, name)
		return
	}
	require.Zero(t, behind.calls, name)
	challenge := ""
	switch {
	case errors.Is(err, tokenauth.ErrMissingToken):
		challenge = realm
	case errors.Is(err, tokenauth.ErrInvalidToken):
		challenge = invalidToken
	case errors.Is(err, tokenauth.ErrForbidden):
		challenge = neededScope
	}
	requireRefusal(t, response, httpauth.Status(err), challenge, tokenauth.ErrorCode(err))
}

// X6, X14: nobody is exempt, and nobody behind the guard is called after a refusal, in whatever order the guards stand.
func TestOptionalLetsNobodyInWhoBringsSomethingBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := authtest.New(t, authtest.Config{})
		guard, behind := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Optional = true }), new(desk)
		for _, s := range kit.States() {
			s.Arrange(t)
			behind.calls = 0
			r := requestsWith(s.Token)[0]
			r = r.WithContext(tokenauth.WithPrincipal(r.Context(), new(tokenauth.Principal))) // of somebody in front
			response := serve(guard.Handler(behind), r)
			_, err := kit.Verifier.Verify(t.Context(), s.Token)
			if s.Token == "" {
				require.Equal(t, 1, behind.calls, s.Name)
				require.Nil(t, behind.caller, s.Name)
				require.ErrorIs(t, behind.caller.Require("deployment", "web", tokenauth.LevelRead), tokenauth.ErrMissingToken)
				continue
			}
			requireAnswer(t, s.Name, response, behind, err)
		}
		r := get()
		requireRefusal(t, serve(guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelRead)(behind), r), 401, realm, "token_missing")
	})
}

// X17: guards that stand in a row use a one-time token up once.
func TestX17GuardsInARowVerifyOnce(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	cfg := kit.VerifierConfig()
	cfg.OneTime = kit.OneTime
	once, err := tokenauth.NewVerifier(cfg)
	require.NoError(t, err)
	guard := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Verifier = once })
	twin := newGuard(t, kit, func(cfg *httpauth.Config) { cfg.Verifier, cfg.Realm = once, "twin" })
	require1 := guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite)
	require2 := twin.Require("deployment", httpauth.ID("web"), tokenauth.LevelRead)

	for name, chain := range map[string]func(http.Handler) http.Handler{
		"alone":               guard.Handler,
		"Handler twice":       func(h http.Handler) http.Handler { return guard.Handler(guard.Handler(h)) },
		"Handler and Require": func(h http.Handler) http.Handler { return guard.Handler(require1(require2(h))) },
		"Require and Handler": func(h http.Handler) http.Handler { return require1(twin.Handler(require2(h))) },
		"Require twice":       func(h http.Handler) http.Handler { return require1(require1(h)) },
	} {
		t.Run(name, func(t *testing.T) {
			token, behind := kit.Token("alice", "deployment:web:write"), new(desk)
			require.Equal(t, http.StatusOK, serve(chain(behind), get("Bearer "+token)).StatusCode)
			require.Equal(t, "alice", behind.caller.Subject())
			p, err := guard.Check(behind.last)
			require.NoError(t, err)
			require.Same(t, behind.caller, p)
			requireRefusal(t, serve(chain(behind), get("Bearer "+token)), http.StatusUnauthorized, invalidToken, "token_replayed")
			require.Equal(t, 1, behind.calls)
		})
	}
}

// A principal in the context is believed only where a guard with this very Verifier put it: another authority's caller, or one that a
// middleware made up, must not pass.
func TestAPrincipalOfAnotherVerifierIsNobodyHere(t *testing.T) {
	ours, theirs := authtest.New(t, authtest.Config{}), authtest.New(t, authtest.Config{})
	guard, other, behind := newGuard(t, ours, nil), newGuard(t, theirs, nil), new(desk)
	admin := theirs.Admin("mallory")
	ask := guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite)

	t.Run("behind the other's guard", func(t *testing.T) {
		requireRefusal(t, serve(other.Handler(ask(behind)), get("Bearer "+admin)), http.StatusUnauthorized, realm, "token_missing")
	})
	t.Run("put into the context by hand", func(t *testing.T) {
		r := get()
		r = r.WithContext(tokenauth.WithPrincipal(r.Context(), theirs.Verify(admin)))
		requireRefusal(t, serve(ask(behind), r), http.StatusUnauthorized, realm, "token_missing")
	})
	t.Run("put into the context behind our guard", func(t *testing.T) {
		swap := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ask(behind).ServeHTTP(w, r.WithContext(tokenauth.WithPrincipal(r.Context(), theirs.Verify(admin))))
		})
		requireRefusal(t, serve(guard.Handler(swap), get("Bearer "+ours.Token("alice"))), http.StatusUnauthorized, realm, "token_missing")
	})
	t.Run("taken away behind our guard", func(t *testing.T) {
		take := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ask(behind).ServeHTTP(w, r.WithContext(tokenauth.WithPrincipal(r.Context(), nil)))
		})
		requireRefusal(t, serve(guard.Handler(take), get("Bearer "+ours.Admin("alice"))), http.StatusUnauthorized, realm, "token_missing")
	})
	require.Zero(t, behind.calls)
}

// A slow store is waited for no longer than the Verifier says, and a caller that hangs up waits no longer either.
func TestTheCallersContextIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := authtest.New(t, authtest.Config{})
		guard, behind := newGuard(t, kit, nil), new(desk)
		token := kit.Token("alice")
		kit.Stores.Hang()
		began := time.Now()
		requireRefusal(t, serve(guard.Handler(behind), get("Bearer "+token)), http.StatusServiceUnavailable, "", "revocation_unavailable")
		require.Equal(t, 250*time.Millisecond, time.Since(began))

		ctx, hangUp := context.WithCancel(t.Context())
		began = time.Now()
		go func() { time.Sleep(time.Millisecond); hangUp() }()
		response := serve(guard.Handler(behind), get("Bearer "+token).WithContext(ctx))
		requireRefusal(t, response, http.StatusServiceUnavailable, "", "revocation_unavailable")
		require.Equal(t, time.Millisecond, time.Since(began))
		require.Zero(t, behind.calls)
	})
}

func ExampleStatus() {
	for _, err := range []error{
		nil, tokenauth.ErrExpired, tokenauth.ErrForbidden, tokenauth.ErrUnavailable, tokenauth.ErrInvalidRequest, tokenauth.ErrNotFound,
		tokenauth.ErrExists, errors.New("a mistake"), errors.Join(tokenauth.ErrExpired, tokenauth.ErrUnavailable),
	} {
		fmt.Print(httpauth.Status(err), " ")
	}
	// Output: 200 401 403 503 400 404 409 500 503
}
