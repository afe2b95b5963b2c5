package httpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A guard stands between the network and a handler. It finds the one credential of a request (credential.go), has the Verifier judge
// it, and either passes the request on without it or writes the refusal (refuse.go). Whatever is not clearly a proven caller is
// refused; the handler behind is not called then.

// Config configures a Guard. Verifier and Realm are required.
type Config struct {
	Verifier *tokenauth.Verifier // judges the tokens
	Realm    string              // names what is protected, in challenges (RFC 9110, section 11.5); printable ASCII
	// ResourceMetadata is the https URL of the service's protected resource metadata (RFC 9728, section 5.1), by which a client
	// finds out where to get a token. It may be http on loopback. "": challenges do not name one.
	ResourceMetadata string
	// Cookie names a cookie that is taken as the credential where there is no Authorization header. Its name begins with "__Host-", so
	// that no other host and no plain HTTP can set it. "": cookies are never read.
	Cookie string
	// CrossOrigin decides which requests of a browser may use the cookie; it can be told of trusted origins. nil: those of the same
	// origin. It needs Cookie.
	CrossOrigin *http.CrossOriginProtection
	// Optional lets requests without any credential pass: their handler finds nobody in the context, who may do nothing. A bad
	// credential is refused all the same. Require is never optional.
	Optional bool
	// RetryAfter is what a 503 tells the caller to wait, in whole seconds, rounded up; 0: 1 s
	RetryAfter time.Duration
	// Body, if set, makes the body of a refusal, and says its content type. Status and headers are fixed already. code is
	// tokenauth.ErrorCode of the error.
	Body func(r *http.Request, status int, code string) (contentType string, body []byte)
}

// A Guard proves the callers of HTTP requests. It is safe for concurrent use. Make it with New; the zero Guard refuses everything.
type Guard struct {
	cfg        Config
	challenges challenges
	retryAfter string
}

// New checks the whole configuration and reports every problem at once, each naming its field.
func New(cfg Config) (*Guard, error) {
	var problems []error
	add := func(field, what string) {
		problems = append(problems, fmt.Errorf("httpauth: Config.%s: %s", field, what))
	}
	if cfg.Verifier == nil {
		add("Verifier", "required: what judges the tokens")
	}
	if cfg.Realm == "" || !isPrintable(cfg.Realm) {
		add("Realm", "required: printable ASCII")
	}
	if cfg.ResourceMetadata != "" && !isMetadataURL(cfg.ResourceMetadata) {
		add("ResourceMetadata", "not an https URL (http on loopback) without fragment and user, in printable ASCII, without \" and \\")
	}
	if cfg.Cookie != "" && !isHostCookie(cfg.Cookie) {
		add("Cookie", "its name must begin with __Host- and go on in letters, digits, - and _")
	}
	if cfg.Cookie == "" && cfg.CrossOrigin != nil {
		add("CrossOrigin", "set without Cookie")
	}
	if cfg.RetryAfter < 0 {
		add("RetryAfter", "negative")
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if cfg.CrossOrigin == nil {
		cfg.CrossOrigin = http.NewCrossOriginProtection()
	}
	return &Guard{cfg: cfg, challenges: newChallenges(cfg), retryAfter: wholeSeconds(cfg.RetryAfter)}, nil
}

// hostPrefix is the prefix that browsers admit only for a cookie which is Secure, has Path=/ and no Domain.
const hostPrefix = "__Host-"

// isHostCookie says whether name may be Config.Cookie.
func isHostCookie(name string) bool {
	rest, ok := strings.CutPrefix(name, hostPrefix)
	return ok && rest != "" && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// Check proves the caller of r, which it does not change. The error wraps ErrInvalidToken or ErrUnavailable, or ErrForbidden for a
// cookie that another origin made the browser send; the principal is then nil. With Optional it is nil without an error for a
// request without credential: nobody, who may do nothing.
//
// Behind a Handler, Admit or Require of a guard with the same Verifier it returns the principal that was proven there, so that a
// token which works once is used up once.
func (g *Guard) Check(r *http.Request) (*tokenauth.Principal, error) { return g.prove(r, nil) }

// Authorize proves the caller of r and asks one scope question, as Verifier.Authorize does; behind a Handler, as described at Check,
// the question goes to the principal that was proven there. A request without credential is refused, with Optional too.
//
// id is taken for a text out of the request. One that no scope can name, because it is "*" or no valid UTF-8, holds NUL or is longer
// than 256 bytes, is answered no, to admins too; so is AnyResource: about the whole collection ask by Require, or ask the principal.
func (g *Guard) Authorize(r *http.Request, kind, id string, level tokenauth.PermissionLevel) (*tokenauth.Principal, error) {
	return g.authorize(r, kind, fromRequest(id), level)
}

// authorize is Authorize, about an id of which it was seen to where it comes from.
func (g *Guard) authorize(r *http.Request, kind, id string, level tokenauth.PermissionLevel) (*tokenauth.Principal, error) {
	return g.prove(r, &tokenauth.TokenScope{ResourceKind: kind, ResourceID: id, Level: level})
}

// prove is Check, or with a question Authorize.
func (g *Guard) prove(r *http.Request, q *tokenauth.TokenScope) (*tokenauth.Principal, error) {
	if q != nil && q.Validate() != nil {
		q = &tokenauth.TokenScope{} // a question that is answered no, to whoever has a good token
	}
	token, source, err := g.credential(r.Header)
	if err != nil {
		return nil, err
	}
	switch source {
	case fromNowhere: // a guard in front has taken its credential away; one that is there is somebody's own
		if p := g.provenBefore(r.Context()); p != nil {
			return ask(p, q)
		}
		if q == nil && g.cfg.Optional {
			return nil, nil
		}
		return nil, tokenauth.ErrMissingToken
	case fromCookie:
		if err := g.checkOrigin(r); err != nil {
			return nil, err
		}
	}
	if q == nil {
		return g.verifier().Verify(r.Context(), token)
	}
	p, err := g.verifier().Authorize(r.Context(), token, q.ResourceKind, q.ResourceID, q.Level)
	return p, needed(err, *q)
}

// verifier returns what judges; for the zero Guard one that refuses everything.
func (g *Guard) verifier() *tokenauth.Verifier {
	if g.cfg.Verifier == nil {
		return &tokenauth.Verifier{}
	}
	return g.cfg.Verifier
}

// ask asks a principal that was proven before.
func ask(p *tokenauth.Principal, q *tokenauth.TokenScope) (*tokenauth.Principal, error) {
	if q == nil {
		return p, nil
	}
	if err := p.Require(q.ResourceKind, q.ResourceID, q.Level); err != nil {
		return nil, needed(err, *q)
	}
	return p, nil
}

// Admit proves the caller of r, or refuses the request. It returns the request to go on with: without its credential, and with the
// principal in its context. After false the answer is written already. It is what Handler does, for routers with handlers of
// their own.
func (g *Guard) Admit(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	p, err := g.Check(r)
	return g.decide(w, r, p, err)
}

// Handler returns a handler that calls next for proven callers only. next finds the caller by tokenauth.PrincipalFrom.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if admitted, ok := g.Admit(w, r); ok {
			next.ServeHTTP(w, admitted)
		}
	})
}

// Require returns a middleware that calls the next handler only for callers that may do level to the resource of kind that the
// request is about. Alone it proves the caller and asks in one step, as Verifier.Authorize does: scopes are looked at before stores
// are. Behind a Handler, as described at Check, it asks the principal that was proven there, so that more than one Require may
// stand in a row.
//
// A kind that is empty, a level that is none and the zero IDFrom are no question, and are answered no: 403, for everybody.
func (g *Guard) Require(kind string, id IDFrom, level tokenauth.PermissionLevel) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := g.authorize(r, kind, id.of(r), level)
			if admitted, ok := g.decide(w, r, p, err); ok {
				next.ServeHTTP(w, admitted)
			}
		})
	}
}

// decide passes a request on, or refuses it.
func (g *Guard) decide(w http.ResponseWriter, r *http.Request, p *tokenauth.Principal, err error) (*http.Request, bool) {
	if err != nil {
		g.Refuse(w, r, err)
		return nil, false
	}
	if g.cfg.Cookie != "" {
		g.keepPrivate(w.Header(), r, p)
	}
	ctx := tokenauth.WithPrincipal(r.Context(), p)
	ctx = context.WithValue(ctx, proofKey{}, proof{g.cfg.Verifier, p})
	admitted := r.WithContext(ctx)
	admitted.Header = g.withoutCredential(r.Header)
	return admitted, true
}

// keepPrivate tells caches what they know by themselves of a request with Authorization: that the answer is for its sender. A handler may
// say otherwise.
func (g *Guard) keepPrivate(answer http.Header, r *http.Request, p *tokenauth.Principal) {
	if !slices.Contains(answer["Vary"], "Cookie") {
		answer.Add("Vary", "Cookie")
	}
	if p == nil || len(r.Header["Authorization"]) > 0 || len(answer["Cache-Control"]) > 0 {
		return
	}
	if _, n := findCookie(r.Header, g.cfg.Cookie); n > 0 {
		answer.Set("Cache-Control", "private")
	}
}

// A proof says which Verifier proved whom. It stands in the context beside the principal, which any package can put there: what one
// Verifier proved must not pass at a guard with another.
type proof struct {
	by        *tokenauth.Verifier
	principal *tokenauth.Principal
}

// proofKey is the key under which a context carries a proof.
type proofKey struct{}

// provenBefore returns the principal of ctx if a guard with this Verifier put it there and nobody has replaced it since, or nil.
func (g *Guard) provenBefore(ctx context.Context) *tokenauth.Principal {
	made, ok := ctx.Value(proofKey{}).(proof)
	if !ok || made.by != g.cfg.Verifier || made.principal != tokenauth.PrincipalFrom(ctx) {
		return nil
	}
	return made.principal
}
