package tokenapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/jose"
)

// Revocation (RFC 7009) and introspection (RFC 7662). Both take a token from a form and use up nothing. Both say a thing only if it is
// known: that a token is dead, that it is bad.
//
// A verifier's refusal is mostly no proof of death. Another of the same service may have the newer keys, a longer leeway, a wider profile;
// and what is retired or expired may have a successor that lives. So revocation ends the record of whatever it can prove to be of this
// issuer, whether it lives or not, and calls dead without that only what nobody can take.

// reasonHeld is the reason in the record of a token that its holder ended.
const reasonHeld = "ended by its holder (RFC 7009)"

// revokeHeld ends the token in the form. Whoever holds a token may end it, so there is nobody else to prove.
func (a *API) revokeHeld(r *http.Request) (answer, error) {
	text, err := readToken(r)
	if err != nil {
		return answer{}, err
	}
	dead := answer{status: http.StatusOK}
	if a.ended.knows(text, a.cfg.Now()) {
		return dead, nil
	}
	_, err = a.cfg.Issuer.RevokeToken(r.Context(), text, reasonHeld)
	switch {
	case err == nil:
		a.ended.add(text, a.cfg.Now())
		return dead, nil
	case isNoToken(text, err):
		return dead, nil
	case errors.Is(err, tokenauth.ErrUnavailable):
		return answer{}, err
	case errors.Is(err, tokenauth.ErrInvalidToken), errors.Is(err, tokenauth.ErrForbidden): // refused here, and perhaps not elsewhere
		return answer{}, errUnsupported
	}
	// It has no jti or no record, so that nothing could be ended. The stores may know that it is dead.
	switch _, err = a.cfg.Guard.Verifier.Inspect(r.Context(), text); {
	case errors.Is(err, tokenauth.ErrUnavailable):
		return answer{}, err
	case errors.Is(err, tokenauth.ErrRevoked), errors.Is(err, tokenauth.ErrStaleEpoch):
		return dead, nil
	}
	return answer{}, errUnsupported
}

// isNoToken says whether a refusal means that no verifier whatever takes the text: it is not in the form of a token, or a key that it
// names by its id did not sign it. Of keys without id another verifier may have another.
func isNoToken(text string, refused error) bool {
	switch tokenauth.ErrorCode(refused) {
	case "token_malformed", "header_malformed":
		return true
	case "signature_bad":
		return keyID(text) != ""
	}
	return false
}

// keyID returns the id of the key that a token names; "" for none.
func keyID(token string) string {
	parts, err := jose.SplitCompact(token)
	if err != nil {
		return ""
	}
	text, err := jose.DecodeText(parts.Header)
	if err != nil {
		return ""
	}
	header, err := jose.ParseHeader(text)
	if err != nil {
		return ""
	}
	return header.KeyID
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
	case isUntold(err):
		return answer{}, &problem{status: http.StatusServiceUnavailable, code: tokenauth.ErrorCode(err), message: untold}
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

// isUntold says whether a refusal says nothing of the token: it wants a check that is not configured here, or that can only be made where
// its sender is. Whoever asks is not the sender: a Confirm that looks for one finds another, or none.
func isUntold(err error) bool {
	switch tokenauth.ErrorCode(err) {
	case "confirm_refused", "confirm_not_configured", "sessions_not_configured", "epochs_not_configured", "admin_not_configured":
		return true
	}
	return false
}

// untold is what such a refusal means to a person.
const untold = "Whether the token is good cannot be found out here: it wants a check that can only be made elsewhere."

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
