package tokenapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// Whoever can reach this handler can ask for credentials, so each request passes the same stations in the same order: a known path
// and method, a proven caller of this issuer, the rate, and only then the body. What may be minted and ended is the Issuer's to
// decide; who may look at what is decided in access.go.

// Config configures an API. Guard, Issuer, Issuers and Tokens are required.
type Config struct {
	// Guard says how callers are proven. Its Verifier is IssuerConfig.Askers and also judges tokens that are introspected or
	// revoked. Optional may not be set, and Body is not used.
	Guard httpauth.Config
	// Issuer mints, rotates and revokes.
	Issuer *tokenauth.Issuer
	// Issuers are Profile.Issuers of the issuer. A caller whose token is of another authority of the Verifier is refused: its
	// subjects are not those of these records, whatever they are called.
	Issuers []string
	// Tokens is IssuerConfig.Tokens: the store itself.
	Tokens tokenauth.TokenStore
	// Prefix is what the paths begin with, such as "/auth"; "" where there is none, or http.StripPrefix takes it away.
	Prefix string
	// MaxLive is how many live tokens an owner may have; 0: 100
	MaxLive int
	// MaxRecords is how many records of tokens that have not expired an owner may have, revoked and rotated ones included; 0: ten times
	// MaxLive. It is held roughly: each process may be a tenth beyond it
	MaxRecords int
	// MaxBodyBytes bounds a request's body; 0: 64 KiB. At most 2 MiB
	MaxBodyBytes int64
	// Limit, if set, decides instead of the built-in limiter whether the caller may ask for one more thing now. It is asked before
	// the body is read, and not about revoking and introspection: what refused revocations cost stands in the package's documentation.
	// An error is a 429, or a 503 if it wraps ErrUnavailable; its text is not told.
	Limit func(*http.Request, *tokenauth.Principal) error
	// Timeout is how long one request may take altogether, stores included; 0: 5 s
	Timeout time.Duration
	// Now is the clock, by which active and expiring are judged; nil: time.Now
	Now func() time.Time
}

// Bounds of a configuration, and what counts where it says nothing.
const (
	defaultMaxLive = 100
	defaultBody    = 64 << 10
	mostBody       = 2 << 20
	defaultTimeout = 5 * time.Second
)

// An API is the handler. It is safe for concurrent use. Make it with New.
type API struct {
	cfg      Config
	guard    *httpauth.Guard
	queue    *queue   // of those who make tokens
	tally    *tally   // of records
	limiter  *limiter // where Config.Limit is not set
	refusals *limiter // of revocations
	ended    *endingList
	mux      *http.ServeMux
}

var _ http.Handler = (*API)(nil)

// New checks the whole configuration and reports every problem at once, each naming its field. It asks neither issuer nor store, and
// cannot see whether they belong together: where the Verifier is not the issuer's Askers, creating is refused with asker_foreign.
func New(cfg Config) (*API, error) {
	cfg.Guard.Body = nil // as its documentation says: what answers here is this API's
	guard, err := httpauth.New(cfg.Guard)
	if problems := cfg.check(err); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	cfg.Issuers = slices.Clone(cfg.Issuers)
	if cfg.MaxLive == 0 {
		cfg.MaxLive = defaultMaxLive
	}
	if cfg.MaxRecords == 0 {
		cfg.MaxRecords = 10 * min(cfg.MaxLive, math.MaxInt/10)
	}
	if cfg.MaxBodyBytes == 0 {
		cfg.MaxBodyBytes = defaultBody
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &API{cfg: cfg, guard: guard, queue: newQueue(), tally: newTally(), ended: newEndingList()}
	a.limiter, a.refusals = newLimiter(cfg.Now), newLimiter(cfg.Now)
	a.mux = a.routes()
	return a, nil
}

// check reports what is missing or contradictory.
func (cfg *Config) check(guard error) (problems []error) {
	when := func(bad bool, field, what string) {
		if bad {
			problems = append(problems, fmt.Errorf("tokenapi: Config.%s: %s", field, what))
		}
	}
	if guard != nil {
		problems = append(problems, fmt.Errorf("tokenapi: Config.Guard: %w", guard))
	}
	when(cfg.Guard.Optional, "Guard.Optional", "nobody manages tokens without a credential")
	when(cfg.Issuer == nil, "Issuer", "required: what mints and revokes")
	when(len(cfg.Issuers) == 0 || slices.Contains(cfg.Issuers, ""), "Issuers", "required: Profile.Issuers of the issuer, none of them empty")
	when(isNil(cfg.Tokens), "Tokens", "required: the issuer's store")
	when(!isPrefix(cfg.Prefix), "Prefix", "neither empty nor a clean path such as /auth, of letters, digits and -._~")
	when(cfg.MaxLive < 0, "MaxLive", "negative")
	when(cfg.MaxRecords < 0, "MaxRecords", "negative")
	when(cfg.MaxBodyBytes < 0 || cfg.MaxBodyBytes > mostBody, "MaxBodyBytes", "not between 0 and 2 MiB")
	when(cfg.Timeout < 0, "Timeout", "negative")
	return problems
}

// isNil says whether there is no store, or a nil pointer that looks like one.
func isNil(store tokenauth.TokenStore) bool {
	v := reflect.ValueOf(store)
	return store == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// isPrefix says whether s may stand in front of the paths, as a pattern of http.ServeMux and as a URL.
func isPrefix(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	return s == "" || s[0] == '/' && s != "/" && path.Clean(s) == s && strings.Trim(s, letters) == ""
}

// routes returns the paths, each with what answers its methods. Any other method is answered by who knows which there are.
func (a *API) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range []struct {
		path    string
		methods map[string]handle
	}{
		{"/tokens", map[string]handle{"GET": a.limited(a.list), "POST": a.limited(a.create)}},
		{"/tokens/{id}", map[string]handle{"GET": a.limited(a.get)}},
		{"/tokens/{id}/rotate", map[string]handle{"POST": a.limited(a.rotate)}},
		{"/tokens/{id}/revoke", map[string]handle{"POST": a.guarded(a.revoke)}},
		{"/revoke", map[string]handle{"POST": a.revokeHeld}},
		{"/introspect", map[string]handle{"POST": a.guarded(a.introspect)}},
		{"/openapi.json", map[string]handle{"GET": a.document()}},
	} {
		var allowed []string
		for method, h := range route.methods {
			mux.Handle(method+" "+a.cfg.Prefix+route.path, a.answering(h))
			if allowed = append(allowed, method); method == http.MethodGet {
				allowed = append(allowed, http.MethodHead)
			}
		}
		slices.Sort(allowed)
		mux.Handle(a.cfg.Prefix+route.path, a.answering(func(*http.Request) (answer, error) {
			return answer{}, &problem{status: http.StatusMethodNotAllowed, code: "method_not_allowed", allow: strings.Join(allowed, ", ")}
		}))
	}
	mux.Handle("/", a.answering(func(*http.Request) (answer, error) { return answer{}, tokenauth.ErrNotFound }))
	return mux
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := r.URL.EscapedPath(); r.Method != http.MethodConnect && path.Clean(p) != p {
		a.refuse(w, r, tokenauth.ErrNotFound) // the mux would redirect it, and a POST is not sent to two places
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, a.cfg.MaxBodyBytes)
	a.mux.ServeHTTP(w, r)
}

// A handle answers a request, or says why not.
type handle func(*http.Request) (answer, error)

// answering gives a handle its deadline, and writes what it says.
func (a *API) answering(h handle) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
		defer cancel()
		reply, err := h(r.WithContext(ctx))
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		reply.write(w, r)
	})
}

// guarded proves the caller first.
func (a *API) guarded(h func(*http.Request, *caller) (answer, error)) handle {
	return func(r *http.Request) (answer, error) {
		p, err := a.guard.Check(r)
		if err != nil {
			return answer{}, err
		}
		c, err := a.newCaller(p)
		if err != nil {
			return answer{}, err
		}
		return h(r, c)
	}
}

// limited proves the caller, and asks whether it may ask for one more thing.
func (a *API) limited(h func(*http.Request, *caller) (answer, error)) handle {
	return a.guarded(func(r *http.Request, c *caller) (answer, error) {
		if err := a.charge(r, c); err != nil {
			return answer{}, err
		}
		return h(r, c)
	})
}
