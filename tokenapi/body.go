package tokenapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/jose"
)

// What a request says is read by the same strict reader as tokens are: one meaning or none. A member that stands there twice, that
// nobody knows, or that has another type is refused by name of the field, never by its value.

// members are the members a request may have, each with what reads it. All are optional.
type members map[string]func(*value)

// A value is a member that is due to be read.
type value struct {
	r    *jose.Reader
	name string
}

// readJSON reads a body that is one JSON object. No body at all is the object without members.
func readJSON(r *http.Request, known members) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if r.ContentLength == 0 {
		return nil
	}
	text, err := readBody(r, "application/json")
	if err != nil {
		return err
	}
	reader := jose.NewReader(text)
	reader.Object()
	for name, ok := reader.Next(); ok; name, ok = reader.Next() {
		read := known[name]
		if read == nil {
			reader.Fail(errors.New("a member that is unknown here"))
			break
		}
		read(&value{&reader, name})
	}
	if err := reader.End(); err != nil {
		return badRequest("the body: " + err.Error())
	}
	return nil
}

// fail refuses the member.
func (v *value) fail(what string) { v.r.Fail(errors.New(v.name + ": " + what)) }

// text reads a text that is not empty: what is to be left open is left out.
func (v *value) text() string {
	s := v.r.String()
	if s == "" {
		v.fail("empty")
	}
	return s
}

// texts reads a list of texts, of at least one.
func (v *value) texts() (list []string) {
	v.r.Array()
	for v.r.More() {
		list = append(list, v.text())
	}
	if len(list) == 0 {
		v.fail("empty")
	}
	return list
}

// seconds reads a duration.
func (v *value) seconds(least int) time.Duration {
	n, err := number(v.name, v.r.Number(), least, mostSeconds)
	v.r.Fail(err)
	return time.Duration(n) * time.Second
}

// scopes reads a list of scopes.
func (v *value) scopes() (list []tokenauth.TokenScope) {
	v.r.Array()
	for v.r.More() {
		text := v.r.Raw()
		if v.r.Err() != nil {
			break
		}
		scope, err := readScope(text)
		if err != nil {
			v.fail("entry " + strconv.Itoa(len(list)+1) + ": " + detail(err))
		}
		list = append(list, scope)
	}
	return list
}

// readScope reads a scope that a person or a program wrote. In a token a resource_id that is not there is every resource; here it was
// perhaps forgotten, so it must be there.
func readScope(text string) (scope tokenauth.TokenScope, err error) {
	if err := scope.UnmarshalJSON([]byte(text)); err != nil {
		return scope, err
	}
	r := jose.NewReader(text)
	r.Object()
	spelt := false
	for name, ok := r.Next(); ok; name, ok = r.Next() {
		spelt = spelt || name == "resource_id"
		r.Raw()
	}
	if !spelt {
		return scope, errors.New("resource_id: required; null is every resource of the kind")
	}
	return scope, nil
}

// readToken reads the form of RFC 7009 and RFC 7662: one token. The hint about its type decides nothing, and other parameters are
// ignored (RFC 6749, section 3.1), but none may stand there twice.
func readToken(r *http.Request) (string, error) {
	token, err := readForm(r)
	var p *problem
	if errors.As(err, &p) && p.status == http.StatusBadRequest {
		return "", &problem{status: p.status, code: "invalid_request", message: p.message} // the RFC's word for it
	}
	return token, err
}

func readForm(r *http.Request) (string, error) {
	if err := noQuery(r); err != nil {
		return "", err
	}
	text, err := readBody(r, "application/x-www-form-urlencoded")
	if err != nil {
		return "", err
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return "", badRequest("the body is no form")
	}
	for _, values := range form {
		if len(values) > 1 {
			return "", badRequest("a parameter stands there more than once")
		}
	}
	if form.Get("token") == "" {
		return "", badRequest("token: required")
	}
	return form.Get("token"), nil
}

// noQuery refuses parameters in the URL, which is where logs, histories and proxies keep them.
func noQuery(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return badRequest("the query is not empty")
	}
	return nil
}

// readBody reads the whole body, if it is of a type. Its size is bounded by ServeHTTP.
func readBody(r *http.Request, contentType string) (string, error) {
	types := r.Header["Content-Type"]
	if len(types) != 1 || !isType(types[0], contentType) || len(r.Header["Content-Encoding"]) > 0 {
		return "", &problem{
			status: http.StatusUnsupportedMediaType, code: "content_type",
			message: "The body must be " + contentType + ", in UTF-8 and without another encoding.",
		}
	}
	text, err := io.ReadAll(r.Body)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return "", errTooLarge
	}
	if err != nil {
		return "", badRequest("the body could not be read")
	}
	return string(text), nil
}

// isType says whether a Content-Type is the one that is wanted. The charset, if it says one, is utf-8.
func isType(s, want string) bool {
	got, parameters, err := mime.ParseMediaType(s)
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	return err == nil && got == want
}

// errTooLarge refuses a body.
var errTooLarge = &problem{status: http.StatusRequestEntityTooLarge, code: "body_too_large", message: "The body is too large."}
