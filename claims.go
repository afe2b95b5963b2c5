package tokenauth

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what a token says, in the words of RFC 7519, RFC 9068 and RFC 8693 and of this package's scopes. They are an
// assertion and nothing more: a Claims can be made by anybody, a Principal only by a Verifier. Whoever decides something for a
// caller should hold a Principal.
//
// The wire form is strict in both directions, in claims_json.go: what one side of this package writes, the other reads, and
// what the reader would refuse is never written.

// Claims is what a token says. It proves nothing: a Principal does. Do not embed it in your own struct, whose members would then
// be lost in JSON; further members go into Extra. The zero value is expired and may do nothing. A Claims is not safe for
// concurrent use while it is changed.
type Claims struct {
	Issuer    string    // iss: the authority that made the token; required
	Subject   string    // sub: whose authority it is; required, 1 to 255 bytes, never "*"
	Audience  []string  // aud: the services it is meant for
	ExpiresAt time.Time // exp; required; whole seconds, UTC; the zero time is expired
	IssuedAt  time.Time // iat; required
	NotBefore time.Time // nbf; zero: not set
	ID        string    // jti: the id of the token's record, by which it is revoked

	Roles       []string     // roles; "admin" decides every scope question
	Scopes      []TokenScope // scopes, where they are objects
	OAuthScopes []string     // scopes where they are strings, and scope; they decide nothing here by themselves
	Caps        []string     // caps: names of capabilities; they decide nothing here by themselves
	AdminHint   bool         // admin: a hint only, decides nothing; see IsAdmin

	Email           string // email
	NodeID          string // node_id
	ClientID        string // client_id: the program that asked for the token (RFC 8693)
	AccountType     string // account_type, such as "human"
	ActivePPNum     string // active_ppnum
	Delegator       string // delegator: who lent the authority
	Actor           *Actor // act: who uses it for the subject (RFC 8693)
	CredentialID    string // cid
	Category        string // cat: "access" where present
	DelegationDepth int    // dlg_depth: 0 to 4

	SessionID      string // sid: the session that must live for the token to count
	SessionVersion int64  // sv; the subject's epoch when the token was made; 0 and absent are the same

	Extra map[string]json.RawMessage // every other member, byte for byte
}

// An Actor is who acts for the subject (RFC 8693, section 4.1), innermost last.
type Actor struct {
	Subject string // sub
	Actor   *Actor // act: who acted before; at most four in all
}

// maxActors is the longest chain of actors.
const maxActors = 4

// Roles that mean something to this package.
const (
	RoleAdmin = "admin" // decides every scope question
	RoleNode  = "node"  // what IssueNode writes
)

var _ jwt.Claims = (*Claims)(nil)

// NewClaims returns claims for subject from now until now+ttl, in whole seconds. Issuer and Audience are left to Issuer.Sign. The
// slice is copied. It checks nothing.
func NewClaims(subject string, ttl time.Duration, roles []string, email string) *Claims {
	now := wholeSecond(time.Now())
	return &Claims{
		Subject: subject, IssuedAt: now, ExpiresAt: wholeSecond(now.Add(ttl)),
		Roles: slices.Clone(roles), Email: email,
	}
}

// NewScopedClaims is NewClaims for a token that carries its scopes and has a record, jti.
func NewScopedClaims(subject string, ttl time.Duration, roles []string, scopes []TokenScope, jti string) *Claims {
	c := NewClaims(subject, ttl, roles, "")
	c.Scopes = slices.Clone(scopes)
	c.ID = jti
	return c
}

// IsExpired says whether the token has expired by this machine's clock: now >= exp (RFC 7519, section 4.1.4).
func (c *Claims) IsExpired() bool { return c.ExpiredAt(time.Now()) }

// ExpiredAt is IsExpired at a moment of your own.
func (c *Claims) ExpiredAt(now time.Time) bool { return !now.Before(c.ExpiresAt) }

// IsScoped says whether the token carries TokenScopes.
func (c *Claims) IsScoped() bool { return len(c.Scopes) > 0 }

// HasRole says whether role is among Roles, exactly; admin is no other role.
func (c *Claims) HasRole(role string) bool { return slices.Contains(c.Roles, role) }

// IsAdmin says whether the role admin is among Roles. AdminHint plays no part.
func (c *Claims) IsAdmin() bool { return c.HasRole(RoleAdmin) }

// HasCap says whether name is among Caps, exactly.
func (c *Claims) HasCap(name string) bool { return slices.Contains(c.Caps, name) }

// HasOAuthScope says whether name is among OAuthScopes, exactly.
func (c *Claims) HasOAuthScope(name string) bool { return slices.Contains(c.OAuthScopes, name) }

// Satisfies answers a scope question: a role admin, or one single scope that says yes. An ill-formed question is no, for admins
// too. It does not ask whether the token is genuine, alive or meant for this service.
func (c *Claims) Satisfies(kind, id string, level PermissionLevel) bool {
	if !isQuestion(kind, id, level) {
		return false
	}
	if c.IsAdmin() {
		return true
	}
	for i := range c.Scopes {
		if c.Scopes[i].answers(kind, id, level) {
			return true
		}
	}
	return false
}

// Explain says for a person why Satisfies answers as it does. It names the nearest scope, and so what the caller holds: it is
// for logs and consoles, not for the caller's eyes.
func (c *Claims) Explain(kind, id string, level PermissionLevel) string {
	asked := TokenScope{ResourceKind: kind, ResourceID: id, Level: level}
	if !isQuestion(kind, id, level) {
		return "no: the question is ill-formed, it must name a kind, an id and a level above none"
	}
	if c.IsAdmin() {
		return fmt.Sprintf("yes: the role admin decides every scope question, so also %v", asked)
	}
	nearest, distance := "", 0
	for _, s := range c.Scopes {
		if s.answers(kind, id, level) {
			return fmt.Sprintf("yes: %v grants %v", s, asked)
		}
		if d := s.nearness(kind, id); d > distance {
			nearest, distance = s.String(), d
		}
	}
	switch {
	case len(c.Scopes) == 0 && len(c.OAuthScopes) > 0:
		return fmt.Sprintf("no: %v was asked, and the token's scopes are texts, which grant nothing here unless Adapt makes them TokenScopes", asked)
	case len(c.Scopes) == 0:
		return fmt.Sprintf("no: %v was asked, and the token has no scopes and no role admin", asked)
	case distance == 2:
		return fmt.Sprintf("no: %v was asked, and the nearest scope, %s, is of a lower level", asked, nearest)
	case distance == 1:
		return fmt.Sprintf("no: %v was asked, and the nearest scope, %s, is for another id", asked, nearest)
	}
	return fmt.Sprintf("no: %v was asked, and the token has no scope of that kind", asked)
}

// nearness says how near a scope that answers no comes to a question: 2 if only its level falls short, 1 if its kind is right.
func (s TokenScope) nearness(kind, id string) int {
	switch {
	case s.ResourceKind != kind:
		return 0
	case s.answers(kind, id, LevelNone):
		return 2
	}
	return 1
}

// Clone returns a copy that shares nothing.
func (c *Claims) Clone() *Claims {
	if c == nil {
		return nil
	}
	// A copy of most claims is one piece of memory: behind it is room for the entries of their lists.
	d := &struct {
		Claims
		texts  [4]string
		scopes [4]TokenScope
	}{Claims: *c}
	texts := d.texts[:]
	if n := len(c.Audience) + len(c.Roles) + len(c.OAuthScopes) + len(c.Caps); n > len(texts) {
		texts = make([]string, n)
	}
	d.Audience, texts = copyList(texts, c.Audience)
	d.Roles, texts = copyList(texts, c.Roles)
	d.OAuthScopes, texts = copyList(texts, c.OAuthScopes)
	d.Caps, _ = copyList(texts, c.Caps)
	if len(c.Scopes) <= len(d.scopes) {
		d.Scopes, _ = copyList(d.scopes[:], c.Scopes)
	} else {
		d.Scopes = slices.Clone(c.Scopes)
	}
	d.Extra = maps.Clone(c.Extra)
	for name, value := range d.Extra {
		d.Extra[name] = slices.Clone(value)
	}
	for next := &d.Actor; *next != nil; next = &(*next).Actor {
		actor := **next
		*next = &actor
	}
	return &d.Claims
}

// copyList returns a copy of list in the first of room, which is long enough, and the rest of room. The copy cannot grow into the rest.
// A list that is nil stays nil.
func copyList[T any](room, list []T) (copied, rest []T) {
	if list == nil {
		return nil, room
	}
	n := copy(room, list)
	return room[:n:n], room[n:]
}

// SetExtra marshals v into the further member name. A name that Claims has a field for, that looks like one, or that is no
// identifier of at most 128 bytes is refused, and so is a value that is not strict JSON; the error wraps ErrInvalidRequest.
func (c *Claims) SetExtra(name string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return invalid("Extra: the value cannot be written as JSON")
	}
	if err := checkExtra(name, value); err != nil {
		return err
	}
	if c.Extra == nil {
		c.Extra = make(map[string]json.RawMessage)
	}
	c.Extra[name] = value
	return nil
}

// GetExtra unmarshals the further member name into v with encoding/json and says whether it was there. If it does not fit, the
// error wraps ErrClaims; what encoding/json answered may quote the value, so that it is the cause and not part of the text.
func (c *Claims) GetExtra(name string, v any) (bool, error) {
	value, ok := c.Extra[name]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(value, v); err != nil {
		return true, &fault{reason: reasonClaimsJSON, detail: "Extra: the value is not of the type it is read into", cause: err}
	}
	return true, nil
}

// GetExpirationTime implements jwt.Claims. A moment that is not set is not nil, which golang-jwt would take as never, but long past.
func (c *Claims) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(c.ExpiresAt), nil
}

// GetIssuedAt implements jwt.Claims.
func (c *Claims) GetIssuedAt() (*jwt.NumericDate, error) { return numericDate(c.IssuedAt), nil }

// GetNotBefore implements jwt.Claims.
func (c *Claims) GetNotBefore() (*jwt.NumericDate, error) { return numericDate(c.NotBefore), nil }

// GetIssuer implements jwt.Claims.
func (c *Claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject implements jwt.Claims.
func (c *Claims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience implements jwt.Claims.
func (c *Claims) GetAudience() (jwt.ClaimStrings, error) { return c.Audience, nil }

// numericDate returns nil for a moment that is not set, which golang-jwt takes as absent.
func numericDate(t time.Time) *jwt.NumericDate {
	if t.IsZero() {
		return nil
	}
	return jwt.NewNumericDate(t)
}
