package httpauth

import (
	"net/http"
	"unicode/utf8"

	"github.com/a74cfa30/tokenauth"
)

// Which resource is a request about? What a stranger wrote into a path is an id like any other and must never become the wildcard,
// which only code can name. So an id says where it comes from, and what comes from a request is looked at.

// An IDFrom says which resource a request is about: a part of its path, or the whole collection. The zero IDFrom is no resource, and
// a question about it is answered no.
type IDFrom struct {
	ask   func(*http.Request) string
	fixed string
}

// PathValue is the resource that the wildcard {name} of the pattern matched, see http.Request.PathValue. A pattern without that
// wildcard has no id, which is answered no.
func PathValue(name string) IDFrom {
	return IDFunc(func(r *http.Request) string { return r.PathValue(name) })
}

// IDFunc is a resource that f finds in the request, such as chi.URLParam. What no scope can name is no id, see Guard.Authorize; and
// AnyResource, found in a request, is none either.
func IDFunc(f func(*http.Request) string) IDFrom { return IDFrom{ask: f} }

// ID is one resource, whatever the request says. AnyResource is the whole collection.
func ID(id string) IDFrom { return IDFrom{fixed: id} }

// Collection is all resources of the kind: only a wildcard scope answers a question about it. Listing and creating are such questions.
func Collection() IDFrom { return ID(tokenauth.AnyResource) }

// of returns the id, or "" for none.
func (i IDFrom) of(r *http.Request) string {
	if i.ask == nil {
		return i.fixed
	}
	return fromRequest(i.ask(r))
}

// fromRequest returns an id that stood in a request, or "" for none. AnyResource is not valid UTF-8, and so is none.
func fromRequest(id string) string {
	if utf8.ValidString(id) {
		return id
	}
	return ""
}
