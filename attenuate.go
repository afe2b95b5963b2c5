package tokenauth

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// What an asker may hand on is decided here, member by member: never more than it holds itself. A token that could mint a wider one
// would be worth as much as the widest it can mint, and every narrow grant would be for show.
//
// Each member of Claims has one of these rules, and a test walks the struct's fields so that a new one fails until it has its own.
//
//	scopes                               each covered by one single scope of the asker's; a person's session has none, for it MayGrant answers
//	roles, caps, OAuth scopes            a part of the asker's; privileged roles never
//	aud                                  a part of the asker's that is not empty, absent only if the asker's is
//	sub                                  the asker's own, or that of a new token: token:{id}
//	account_type, node_id, client_id,
//	act, delegator, dlg_depth, cid       the asker's, carried over
//	sid                                  the asker's, where sub is too and the asker is no person's session; else none
//	sv                                   stamped by the issuer, see Issuer.stamp
//	admin, email, active_ppnum           not settable
//	Extra                                the asker's, carried over byte for byte; of a person's session only what is asked for and known
//	iss, exp, iat, nbf, jti, cat         the issuer's business, see Issuer.fill; a jti is never the asker's choice
//
// Beyond the members: nobody makes a person's session. MayGrant lends to it what its subject may do, and so a narrowed token that
// could make one would have all of that back.
//
// An admin and the service itself are bound by none of them.

// attenuate holds claims that are to be minted against those of the asker, and carries over what a child keeps of its parent.
// Scopes of a person's session are left to the caller. The error wraps ErrForbidden and names the member.
func attenuate(asker, c *Claims, isSession bool, privileged, known []string) error {
	notHeld := func(member string) error { return reasonNotHeld.with(member) }
	if !isSession && !coversAll(asker.Scopes, c.Scopes) {
		return notHeld("scopes")
	}
	for _, role := range c.Roles {
		if slices.Contains(privileged, role) {
			return notHeld("roles: only an admin or the system grants a privileged one")
		}
	}
	switch {
	case !isSubset(c.Roles, asker.Roles):
		return notHeld("roles")
	case !isSubset(c.Caps, asker.Caps):
		return notHeld("caps")
	case !isSubset(c.OAuthScopes, asker.OAuthScopes):
		return notHeld("scope")
	case !isSubset(c.Audience, asker.Audience), len(c.Audience) == 0 && len(asker.Audience) > 0:
		return notHeld("aud")
	case c.Subject != asker.Subject && (c.ID == "" || c.Subject != tokenSubject(c.ID)):
		return notHeld("sub")
	case c.AdminHint:
		return notHeld("admin")
	case c.Email != "":
		return notHeld("email")
	case c.ActivePPNum != "":
		return notHeld("active_ppnum")
	}
	switch {
	case !carry(&c.AccountType, asker.AccountType):
		return notHeld("account_type")
	case !carry(&c.NodeID, asker.NodeID):
		return notHeld("node_id")
	case !carry(&c.ClientID, asker.ClientID):
		return notHeld("client_id")
	case !carry(&c.Delegator, asker.Delegator):
		return notHeld("delegator")
	case !carry(&c.DelegationDepth, asker.DelegationDepth):
		return notHeld("dlg_depth")
	case !carry(&c.CredentialID, asker.CredentialID):
		return notHeld("cid")
	case !carry(&c.SessionID, inheritedSession(asker, c, isSession)):
		return notHeld("sid")
	case c.Actor != nil && !c.Actor.equal(asker.Actor):
		return notHeld("act")
	}
	c.Actor = asker.Actor
	if isPersonsSession(c) {
		return notHeld("scopes: only an admin or the system makes a person's session")
	}
	return attenuateExtra(asker, c, isSession, known)
}

// attenuateExtra holds the further members against those of the asker.
func attenuateExtra(asker, c *Claims, isSession bool, known []string) error {
	for name, value := range c.Extra {
		held, ok := asker.Extra[name]
		if !ok || !bytes.Equal(held, value) || !slices.Contains(known, name) {
			return reasonNotHeld.with("Extra")
		}
	}
	if !isSession && len(asker.Extra) > 0 {
		// A further member may narrow the token: cnf binds it to a key. So a child says all that its parent says.
		merged := make(map[string]json.RawMessage, len(asker.Extra))
		maps.Copy(merged, asker.Extra)
		c.Extra = merged
	}
	return nil
}

// tokenSubject is the subject of a token that acts for nobody but itself.
func tokenSubject(id string) string { return "token:" + id }

// inheritedSession returns the session a new token is bound to. A person's session is not handed on: what a person mints is meant
// to outlive the log-in, and ends with it only by RevokeAll.
func inheritedSession(asker, c *Claims, isSession bool) string {
	if isSession || c.Subject != asker.Subject {
		return ""
	}
	return asker.SessionID
}

// isPersonsSession says whether the bearer of these claims is a person who has logged in: no scopes of either kind narrow the token,
// nobody acts in the person's stead, and it either belongs to a session or has no record. Only such a one lends what the service's
// own table says it may.
func isPersonsSession(c *Claims) bool {
	narrowed := len(c.Scopes) > 0 || len(c.OAuthScopes) > 0
	delegated := c.Actor != nil || c.Delegator != "" || c.DelegationDepth > 0
	return !narrowed && !delegated && (c.SessionID != "" || c.ID == "")
}

// coversAll says whether each scope asked for is covered by one single scope that is held.
func coversAll(held, asked []TokenScope) bool {
	for _, s := range asked {
		if !slices.ContainsFunc(held, func(h TokenScope) bool { return h.Covers(s) }) {
			return false
		}
	}
	return true
}

// isSubset says whether every entry of part is in whole.
func isSubset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}

// carry fills a member that is not set with the asker's, and says whether it now is the asker's.
func carry[T comparable](member *T, asker T) bool {
	*member = orDefault(*member, asker)
	return *member == asker
}

// equal says whether two chains of actors are the same.
func (a *Actor) equal(b *Actor) bool {
	for ; a != nil && b != nil; a, b = a.Actor, b.Actor {
		if a.Subject != b.Subject {
			return false
		}
	}
	return a == b
}
