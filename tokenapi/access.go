package tokenapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/a74cfa30/tokenauth"
)

// Who may look at which record. The Issuer decides who may rotate and revoke; whoever may do that may look, and the ways are the same:
// an admin, a scope of kind token, a person's session, and the tokens above a record. A narrowed token does not see what else
// its owner has: it was narrowed so that whoever finds it learns and can do no more than it says.
//
// What one may not see must not be told from what is not there, so one function, find, says 404 for both.

// kindToken is the resource kind of the records themselves.
const kindToken = "token"

// How far a family and a chain of rotations are followed: as far as the Issuer does.
const (
	maxDepth     = 8
	maxRotations = 64
)

// A caller is who asks.
type caller struct {
	principal *tokenauth.Principal
	session   bool   // a person who has logged in, and not a token that somebody was given
	owner     string // whose its tokens are, once ownerOf has found out
}

// systemName begins the name of a tokenauth.SystemAuthority in created_by. The Issuer refuses an asker who is called so.
const systemName = "system: "

// newCaller says who a proven principal is here, and refuses those of other authorities, and whoever would be taken for the system.
func (a *API) newCaller(p *tokenauth.Principal) (*caller, error) {
	claims := p.Claims()
	if claims == nil {
		return nil, tokenauth.ErrMissingToken
	}
	if !slices.Contains(a.cfg.Issuers, claims.Issuer) || strings.HasPrefix(claims.Subject, systemName) {
		return nil, errForeign
	}
	return &caller{principal: p, session: isSession(claims)}, nil
}

// isSession says whether the Issuer would take these claims for a person's session: see IssuerConfig.MayGrant.
func isSession(c *tokenauth.Claims) bool {
	narrowed := len(c.Scopes) > 0 || len(c.OAuthScopes) > 0
	delegated := c.Actor != nil || c.Delegator != "" || c.DelegationDepth > 0
	return !narrowed && !delegated && (c.SessionID != "" || c.ID == "")
}

// isParent says whether what the caller asks for is a child of its token.
func (c *caller) isParent() bool { return !c.session && c.principal.TokenID() != "" }

// find returns the record of an id, if the caller may see it. Otherwise it is ErrNotFound, whether there is one or not.
func (a *API) find(ctx context.Context, c *caller, id string) (*tokenauth.StoredAccessToken, error) {
	t, err := a.load(ctx, id)
	if err != nil {
		return nil, err
	}
	may, err := a.maySee(ctx, c, t)
	switch {
	case err != nil:
		return nil, err
	case !may:
		return nil, tokenauth.ErrNotFound
	}
	return t, nil
}

// load returns a record. An id that cannot be one is as good as an id that is none.
func (a *API) load(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	if tokenauth.CheckID("id", id) != nil {
		return nil, tokenauth.ErrNotFound
	}
	t, err := a.cfg.Tokens.Get(ctx, id)
	if err != nil {
		return nil, storeError(err)
	}
	return t, nil
}

// storeError says what a store's error means to the caller. Only what the store knows is told; all else is that nobody knows.
func storeError(err error) error {
	if errors.Is(err, tokenauth.ErrNotFound) && !errors.Is(err, tokenauth.ErrUnavailable) {
		return tokenauth.ErrNotFound
	}
	return errStoreDown
}

// maySee says whether the caller may look at t.
func (a *API) maySee(ctx context.Context, c *caller, t *tokenauth.StoredAccessToken) (bool, error) {
	me := c.principal
	switch {
	case me.Satisfies(kindToken, t.ID, tokenauth.LevelRead):
		return true, nil
	case c.session && c.isWhose(t):
		return true, nil
	}
	return a.cameOf(ctx, me, t)
}

// isWhose says whether the record is the caller's subject's, made by it or about it, as concerns a session.
func (c *caller) isWhose(t *tokenauth.StoredAccessToken) bool {
	return slices.Contains([]string{t.Owner, t.CreatedBy, t.Subject}, c.principal.Subject())
}

// cameOf says whether t is the caller's own token, or came of it.
func (a *API) cameOf(ctx context.Context, me *tokenauth.Principal, t *tokenauth.StoredAccessToken) (bool, error) {
	switch me.TokenID() {
	case "":
		return false, nil
	case t.ID:
		return true, nil
	}
	own, err := a.load(ctx, me.TokenID())
	if errors.Is(err, tokenauth.ErrNotFound) || err == nil && own.RootID != t.RootID {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return a.isAbove(ctx, own, t)
}

// isAbove says whether t came of own: it is the same token by rotation, or has such a one above it. Both are of one family.
func (a *API) isAbove(ctx context.Context, own, t *tokenauth.StoredAccessToken) (bool, error) {
	for range maxDepth + 1 {
		for _, pair := range [][2]*tokenauth.StoredAccessToken{{own, t}, {t, own}} {
			if same, err := a.becomes(ctx, pair[0], pair[1].ID); same || err != nil {
				return same, err
			}
		}
		if t.ParentID == "" {
			return false, nil
		}
		parent, err := a.load(ctx, t.ParentID)
		if err != nil {
			return false, err
		}
		t = parent
	}
	return false, nil
}

// becomes says whether t is the token id, or became it by rotation.
func (a *API) becomes(ctx context.Context, t *tokenauth.StoredAccessToken, id string) (bool, error) {
	for range maxRotations {
		if t.ID == id {
			return true, nil
		}
		if t.SuccessorID == "" {
			return false, nil
		}
		next, err := a.load(ctx, t.SuccessorID)
		if errors.Is(err, tokenauth.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		t = next
	}
	return false, nil
}

// confine narrows a list to what the caller may see, or refuses a filter that asks for more.
func (a *API) confine(ctx context.Context, c *caller, f *tokenauth.TokenFilter) error {
	everything := c.principal.Require(kindToken, tokenauth.AnyResource, tokenauth.LevelRead)
	me := c.principal.Subject()
	switch {
	case everything == nil:
		return nil
	case c.session && (f.Owner == me || f.Subject == me || f.CreatedBy == me):
		return nil
	case c.session && f.Owner == "":
		f.Owner = me
		return nil
	case c.session, c.principal.TokenID() == "":
		return everything
	case f.ParentID == "":
		f.ParentID = c.principal.TokenID()
		return nil
	}
	// Whoever sees the parent by a scope of that id alone does not see its children: they are seen from it, and from above it.
	parent, err := a.load(ctx, f.ParentID)
	if errors.Is(err, tokenauth.ErrNotFound) {
		return everything // the same for a parent that is not there
	}
	if err != nil {
		return err
	}
	if came, err := a.cameOf(ctx, c.principal, parent); err != nil || came {
		return err
	}
	return everything
}

// explain says what the Issuer's refusal means to the caller: a record over which it has no say is not there, unless the caller
// may see it.
func (a *API) explain(ctx context.Context, c *caller, id string, refused error) error {
	if tokenauth.ErrorCode(refused) != "record_not_yours" {
		return refused
	}
	if _, err := a.find(ctx, c, id); err != nil {
		return err
	}
	return refused
}

// ownerOf returns whose a token will be that the caller asks for.
func (a *API) ownerOf(ctx context.Context, c *caller) (string, error) {
	if c.owner != "" {
		return c.owner, nil
	}
	if !c.isParent() {
		c.owner = c.principal.Subject()
		return c.owner, nil
	}
	own, err := a.load(ctx, c.principal.TokenID())
	switch {
	case errors.Is(err, tokenauth.ErrNotFound):
		return "", tokenauth.ErrRevoked // as the Issuer has it
	case err != nil:
		return "", err
	}
	c.owner = own.Owner
	return c.owner, nil
}

// Refusals of this file.
var (
	errForeign = &problem{
		status: http.StatusForbidden, code: "asker_foreign",
		message: "The credential is not of the issuer of these tokens.",
	}
	errStoreDown = &problem{status: http.StatusServiceUnavailable, code: "tokens_unavailable"}
)
