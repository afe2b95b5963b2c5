package tokenapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// Every answer is JSON that nobody may keep. A refusal has a code for programs and a sentence for people; the sentence may name a field,
// and never holds what was sent, what a store said, or a token.

// An answer is what a handle has to say.
type answer struct {
	status   int
	location string // of what was made; relative to the request
	body     any    // as JSON; nil: none
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	if a.location != "" {
		w.Header().Set("Location", a.location)
	}
	writeJSON(w, r, a.status, a.body)
}

// writeJSON writes an answer, or a refusal.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	h := w.Header()
	h.Del("CDN-Cache-Control") // of somebody in front; it would count for more than what follows (RFC 9213)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			status, text = http.StatusInternalServerError, []byte(`{"error":"internal","message":"The service failed."}`)
		}
		text = append(text, '\n')
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // if it cannot be written there is nobody to tell
	}
}

// A problem is a refusal of this package's own.
type problem struct {
	status        int
	code, message string // "": what the status says
	allow         string // the methods there are
	retryAfter    time.Duration
}

// Error says what is wrong.
func (p *problem) Error() string { return "tokenapi: " + p.message }

// Unwrap leads to the answer of package tokenauth that has the same status, so that the guard knows what to challenge.
func (p *problem) Unwrap() error {
	switch p.status {
	case http.StatusForbidden:
		return tokenauth.ErrForbidden
	case http.StatusServiceUnavailable:
		return tokenauth.ErrUnavailable
	}
	return nil
}

// badRequest refuses a request that cannot be read.
func badRequest(what string) error {
	return &problem{status: http.StatusBadRequest, code: "request_invalid", message: "The request is not valid: " + what + "."}
}

// problemOf says what an error is to the caller.
func problemOf(err error) problem {
	p := problem{status: httpauth.Status(err), code: tokenauth.ErrorCode(err)}
	if own := new(problem); errors.As(err, &own) {
		p = *own
	}
	switch {
	case p.message != "":
	case p.code == "request_invalid", p.code == "authority_not_held": // the Issuer names the field
		p.message = strings.TrimSuffix(sentence(p.status), ".") + ": " + detail(err) + "."
	default:
		p.message = sentence(p.status)
	}
	return p
}

// refuse answers with an error. What is to be challenged is the guard's to say.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	switch p.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable:
		a.guard.Refuse(headersOnly{w.Header()}, r, err)
	}
	if p.allow != "" {
		w.Header().Set("Allow", p.allow)
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10))
	}
	writeJSON(w, r, p.status, struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}{p.code, p.message})
}

// detail returns the text of an error of package tokenauth, which holds nothing of what was sent, without what all of its kind begin
// with.
func detail(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tokenauth: "), tokenauth.ErrInvalidRequest.Error()[len("tokenauth: "):]+": ")
}

// sentence is what a status means to a person.
func sentence(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The request is not valid."
	case http.StatusUnauthorized:
		return "There is no valid credential."
	case http.StatusForbidden:
		return "The credential does not allow this."
	case http.StatusNotFound:
		return "There is no such thing."
	case http.StatusMethodNotAllowed:
		return "The method is not one of those in Allow."
	case http.StatusConflict:
		return "The token has a successor already."
	case http.StatusServiceUnavailable:
		return "It could not be found out, or not be done. Try again later."
	}
	return "The service failed."
}

// headersOnly takes the challenge of a guard's refusal and leaves its body out: the API has bodies of its own.
type headersOnly struct{ header http.Header }

func (h headersOnly) Header() http.Header         { return h.header }
func (h headersOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h headersOnly) WriteHeader(int)             {}
