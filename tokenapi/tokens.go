package tokenapi

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The five things that can be done with tokens. Each handle reads its input strictly, hands the decision to the Issuer with the caller
// as the authority, and says what came of it. A fresh token is told in the answer to its own request and nowhere else.

// Bounds of a page, in records.
const (
	defaultPage = 50
	mostPage    = 200
)

// mostSeconds bounds what a request may say in seconds, so that it can be a time.Duration: the Issuer's bounds are narrower.
const mostSeconds = 10 * 365 * 24 * 60 * 60

// A minted is the answer to creating and rotating.
type minted struct {
	Token  string                       `json:"token"`
	Record *tokenauth.StoredAccessToken `json:"record"`
}

// newMinted tells the fresh token, this once. location is relative to the request's path, and so good behind any prefix.
func newMinted(issued tokenauth.Issued, below string) answer {
	return answer{
		status:   http.StatusCreated,
		location: below + url.PathEscape(issued.Record.ID),
		body:     minted{issued.Token.Reveal(), issued.Record},
	}
}

// create makes a token.
func (a *API) create(r *http.Request, c *caller) (answer, error) {
	ctx := r.Context()
	request, err := readRequest(r)
	if err != nil {
		return answer{}, err
	}
	owner, err := a.ownerOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	request.By = c.principal
	issued, err := a.issueInTurn(ctx, owner, request)
	if err != nil {
		return answer{}, err
	}
	return newMinted(issued, "tokens/"), nil
}

// readRequest reads what a token is asked to be.
func readRequest(r *http.Request) (tokenauth.TokenRequest, error) {
	var request tokenauth.TokenRequest
	err := readJSON(r, members{
		"name":        func(v *value) { request.Name = v.text() },
		"subject":     func(v *value) { request.Subject = v.text() },
		"client_id":   func(v *value) { request.ClientID = v.text() },
		"audience":    func(v *value) { request.Audiences = v.texts() },
		"roles":       func(v *value) { request.Roles = v.texts() },
		"scopes":      func(v *value) { request.Scopes = v.scopes() },
		"ttl_seconds": func(v *value) { request.TTL = v.seconds(1) },
	})
	return request, err
}

// list tells a page of records.
func (a *API) list(r *http.Request, c *caller) (answer, error) {
	filter, err := a.readFilter(r)
	if err != nil {
		return answer{}, err
	}
	if err := a.confine(r.Context(), c, &filter); err != nil {
		return answer{}, err
	}
	page := struct {
		Tokens []*tokenauth.StoredAccessToken `json:"tokens"`
		Next   string                         `json:"next,omitempty"`
	}{Tokens: []*tokenauth.StoredAccessToken{}}
	most := filter.Limit
	filter.Limit++ // one more tells whether there is another page
	for t, err := range a.cfg.Tokens.List(r.Context(), filter) {
		if err != nil {
			return answer{}, errStoreDown
		}
		if len(page.Tokens) == most {
			page.Next = page.Tokens[most-1].ID
			break
		}
		page.Tokens = append(page.Tokens, t)
	}
	return answer{status: http.StatusOK, body: page}, nil
}

// readFilter reads the query of a list.
func (a *API) readFilter(r *http.Request) (tokenauth.TokenFilter, error) {
	f := tokenauth.TokenFilter{Limit: defaultPage}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return f, badRequest("the query cannot be read")
	}
	for name, values := range query {
		if len(values) != 1 {
			return f, badRequest("a parameter of the query stands there more than once")
		}
		if err := a.readParameter(&f, name, values[0]); err != nil {
			return f, badRequest(detail(err))
		}
	}
	return f, nil
}

// readParameter reads one parameter of a list.
func (a *API) readParameter(f *tokenauth.TokenFilter, name, value string) (err error) {
	text := func(to *string, check func(field, s string) error) {
		*to, err = value, check(name, value)
	}
	switch name {
	case "subject":
		text(&f.Subject, tokenauth.CheckSubject)
	case "owner":
		text(&f.Owner, tokenauth.CheckSubject)
	case "created_by":
		text(&f.CreatedBy, tokenauth.CheckSubject)
	case "parent":
		text(&f.ParentID, tokenauth.CheckID)
	case "session":
		text(&f.SessionID, tokenauth.CheckID)
	case "after":
		text(&f.After, tokenauth.CheckID)
	case "active":
		if f.ActiveAt = a.cfg.Now(); value != "true" {
			err = errors.New("active: not true")
		}
	case "revoked":
		if f.Revoked = true; value != "true" {
			err = errors.New("revoked: not true")
		}
	case "expiring_seconds":
		var n int
		n, err = number(name, value, 0, mostSeconds)
		f.ExpiresBy = a.cfg.Now().Add(time.Duration(n) * time.Second)
	case "limit":
		f.Limit, err = number(name, value, 1, mostPage)
	default:
		err = errors.New("a parameter of the query is unknown; a credential belongs in the header")
	}
	return err
}

// number reads a whole number within bounds.
func number(field, s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, errors.New(field + ": not a whole number between " + strconv.Itoa(least) + " and " + strconv.Itoa(most))
	}
	return n, nil
}

// get tells one record.
func (a *API) get(r *http.Request, c *caller) (answer, error) {
	if err := noQuery(r); err != nil {
		return answer{}, err
	}
	t, err := a.find(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: t}, nil
}

// rotate replaces a token by its successor.
func (a *API) rotate(r *http.Request, c *caller) (answer, error) {
	ctx, id := r.Context(), r.PathValue("id")
	var grace time.Duration
	err := readJSON(r, members{"grace_seconds": func(v *value) { grace = v.seconds(0) }})
	if err != nil {
		return answer{}, err
	}
	t, err := a.find(ctx, c, id) // whoever may rotate it may see it
	if err != nil {
		return answer{}, err
	}
	issued, err := a.rotateInTurn(ctx, t, c.principal, grace)
	if err != nil {
		return answer{}, err
	}
	return newMinted(issued, "../"), nil
}

// revoke ends a token and all that came of it.
func (a *API) revoke(r *http.Request, c *caller) (answer, error) {
	var reason string
	if err := readJSON(r, members{"reason": func(v *value) { reason = v.text() }}); err != nil {
		return answer{}, err
	}
	id := r.PathValue("id")
	if tokenauth.CheckID("id", id) != nil {
		return answer{}, tokenauth.ErrNotFound
	}
	// Looked at here, where the field has a name: a store would refuse the whole.
	if err := (tokenauth.Revocation{At: a.cfg.Now(), Reason: reason}).Validate(); err != nil {
		return answer{}, err
	}
	n, err := a.revokeWithin(r.Context(), c, id, reason)
	if err != nil {
		return answer{}, a.explain(r.Context(), c, id, err)
	}
	return answer{status: http.StatusOK, body: struct {
		Revoked int `json:"revoked"`
	}{n}}, nil
}
