package tokenapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/a74cfa30/tokenauth"
)

// Revocation (RFC 7009) and introspection (RFC 7662). Both take a token from a form and have the Verifier inspect it, which uses up
// nothing. Both say a thing only if it is known: that a token is dead, that it is bad.

// reasonHeld is the reason in the record of a token that its holder ended.
const reasonHeld = "ended by its holder (RFC 7009)"

// revokeHeld ends the token in the form. Whoever holds a token may end it, so there is nobody else to prove.
func (a *API) revokeHeld(r *http.Request) (answer, error) {
	text, err := readToken(r)
	if err != nil {
		return answer{}, err
	}
	dead := answer{status: http.StatusOK}
	p, err := a.cfg.Guard.Verifier.Inspect(r.Context(), text)
	switch {
	case err != nil && isDead(err):
		return dead, nil
	case errors.Is(err, tokenauth.ErrInvalidToken): // refused here and now, and perhaps not elsewhere or later
		return answer{}, errUnsupported
	case err != nil:
		return answer{}, err
	case p.TokenID() == "" || !slices.Contains(a.cfg.Issuers, p.Claims().Issuer):
		return answer{}, errUnsupported
	}
	_, err = a.cfg.Issuer.Revoke(r.Context(), p, p.TokenID(), reasonHeld)
	switch {
	case err == nil, errors.Is(err, tokenauth.ErrRevoked), errors.Is(err, tokenauth.ErrNotFound):
		return dead, nil
	case errors.Is(err, tokenauth.ErrForbidden):
		return answer{}, errUnsupported
	}
	return answer{}, err
}

// isDead says whether a refusal means that no verifier takes the token, now or later: it is no token of this issuer, or its time is
// over, or it was ended. What rests on who verifies, or when, is not among these.
func isDead(err error) bool {
	switch tokenauth.ErrorCode(err) {
	case "token_too_long", "token_malformed", "header_malformed", "header_refused", "key_unknown", "algorithm_wrong",
		"signature_bad", "payload_malformed", "token_expired", "token_revoked", "session_ended", "epoch_stale":
		return true
	}
	return false
}

// introspect tells what a token says.
func (a *API) introspect(r *http.Request, c *caller) (answer, error) {
	text, err := readToken(r)
	if err != nil {
		return answer{}, err
	}
	p, err := a.cfg.Guard.Verifier.Inspect(r.Context(), text)
	switch {
	case errors.Is(err, tokenauth.ErrUnavailable):
		return answer{}, err
	case errors.Is(err, tokenauth.ErrInvalidToken):
		return answer{status: http.StatusOK, body: map[string]bool{"active": false}}, nil
	case err != nil:
		return answer{}, err
	}
	claims := p.Claims()
	if !c.principal.IsAdmin() && !slices.Contains(claims.Audience, c.principal.Subject()) {
		return answer{}, errNotForYou
	}
	body, err := introspection(claims)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: body}, nil
}

// introspection returns all that a token says, and the members that RFC 7662, section 2.2, adds. Nothing is left out: a member
// that is unknown here may be what narrows the token, as cnf does.
func introspection(c *tokenauth.Claims) (map[string]json.RawMessage, error) {
	text, err := c.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	body["active"], body["token_type"] = json.RawMessage("true"), json.RawMessage(`"Bearer"`)
	if len(c.OAuthScopes) > 0 {
		if body["scope"], err = json.Marshal(strings.Join(c.OAuthScopes, " ")); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// Refusals of this file.
var (
	errUnsupported = &problem{
		status: http.StatusBadRequest, code: "unsupported_token_type",
		message: "Tokens of this kind cannot be revoked here.",
	}
	errNotForYou = &problem{
		status: http.StatusForbidden, code: "forbidden",
		message: "The token is not meant for the caller.",
	}
)
