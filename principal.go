package tokenauth

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"time"
)

// A Principal is a proven caller. Only a Verifier makes one, after every step of its pipeline has held, and nothing can change it
// afterwards: handlers may share it, and a handler that holds one need not ask how it came about.
//
// It says what was true when it was made. For a request that is enough; a stream that lives longer asks Recheck again.
//
// The texts it hands out are parts of one piece of memory that holds all that was signed: strings.Clone those that you keep for long.
//
// A nil Principal, and the zero one, is nobody: it may do nothing, and asking it gives ErrMissingToken.
type Principal struct {
	judge       *authority // whose key made the signature; nil for nobody
	keyID       string
	fingerprint [32]byte // of that key
	claims      Claims
	typ         string     // of the header
	index       scopeIndex // of the scopes, if there are many and the principal is remembered

	// Room for the first entries of the claims' lists, so that few tokens need another allocation for them.
	texts  [3]string
	scopes [4]TokenScope
}

// isNobody says whether p was made by anything but a Verifier.
func (p *Principal) isNobody() bool { return p == nil || p.judge == nil }

// said returns what the token says, or nothing for nobody. It is not to be changed.
func (p *Principal) said() *Claims {
	if p.isNobody() {
		return &Claims{}
	}
	return &p.claims
}

// Subject returns sub, without copying anything; "" for nobody.
func (p *Principal) Subject() string { return p.said().Subject }

// TokenID returns jti.
func (p *Principal) TokenID() string { return p.said().ID }

// SessionID returns sid.
func (p *Principal) SessionID() string { return p.said().SessionID }

// ExpiresAt returns exp; the zero time for nobody.
func (p *Principal) ExpiresAt() time.Time { return p.said().ExpiresAt }

// Claims returns a copy of everything the token says; nil for nobody.
func (p *Principal) Claims() *Claims {
	if p.isNobody() {
		return nil
	}
	return p.claims.Clone()
}

// HasRole answers as Claims.HasRole does, without copying; so do the next five.
func (p *Principal) HasRole(role string) bool { return p.said().HasRole(role) }

// HasCap says whether the capability is held, exactly.
func (p *Principal) HasCap(name string) bool { return p.said().HasCap(name) }

// HasOAuthScope says whether the OAuth scope is held, exactly.
func (p *Principal) HasOAuthScope(name string) bool { return p.said().HasOAuthScope(name) }

// IsAdmin says whether the role admin is held.
func (p *Principal) IsAdmin() bool { return p.said().IsAdmin() }

// Satisfies answers a scope question.
func (p *Principal) Satisfies(kind, id string, level PermissionLevel) bool {
	claims := p.said()
	if p.isNobody() || p.index == nil {
		return claims.Satisfies(kind, id, level)
	}
	return isQuestion(kind, id, level) && (claims.IsAdmin() || p.index.answers(kind, id, level))
}

// Explain says for a person, not for the caller, why Satisfies answers as it does.
func (p *Principal) Explain(kind, id string, level PermissionLevel) string {
	if p.isNobody() {
		return "no: nobody may do anything"
	}
	return p.claims.Explain(kind, id, level)
}

// Require returns nil, or an error wrapping ErrForbidden; for nobody it wraps ErrMissingToken.
func (p *Principal) Require(kind, id string, level PermissionLevel) error {
	switch {
	case p.isNobody():
		return ErrMissingToken
	case !isQuestion(kind, id, level):
		return reasonQuestion
	case !p.Satisfies(kind, id, level):
		return reasonScope
	}
	return nil
}

// RequireRole returns nil if one of roles is held, exactly; otherwise as Require. The role admin is no other role.
func (p *Principal) RequireRole(roles ...string) error {
	switch {
	case p.isNobody():
		return ErrMissingToken
	case !slices.ContainsFunc(roles, p.claims.HasRole):
		return reasonRole
	}
	return nil
}

// RequireOAuthScope returns nil if the OAuth scope is held; otherwise as Require. An admin needs it too.
func (p *Principal) RequireOAuthScope(name string) error {
	switch {
	case p.isNobody():
		return ErrMissingToken
	case !p.claims.HasOAuthScope(name):
		return reasonOAuthScope
	}
	return nil
}

// String names the subject and the token's id, for people and logs.
func (p *Principal) String() string {
	if p.isNobody() {
		return "nobody"
	}
	return printable(p.claims.Subject) + " (" + printable(orDefault(p.claims.ID, "no jti")) + ")"
}

// printable returns s, quoted where it could break a line of a log.
func printable(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// LogValue implements slog.LogValuer with the subject and the token's id.
func (p *Principal) LogValue() slog.Value {
	if p.isNobody() {
		return slog.StringValue("nobody")
	}
	return slog.GroupValue(slog.String("subject", p.claims.Subject), slog.String("token_id", p.claims.ID))
}

// principalKey is the key under which a context carries a Principal.
type principalKey struct{}

// WithPrincipal returns a context that carries p. Every adapter uses it, so a handler works behind any of them. A nil p takes away
// whoever was there.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the principal ctx carries, or nil: nobody, who may do nothing.
func PrincipalFrom(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}
