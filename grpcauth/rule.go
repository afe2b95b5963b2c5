package grpcauth

import (
	"errors"
	"unicode/utf8"

	"github.com/a74cfa30/tokenauth"
)

// What a method wants of its caller. A rule is made by one of the functions below; the zero Rule is none, so that a rule somebody forgot to
// fill in refuses.

// A Rule says who may call a method. The zero Rule refuses everybody.
type Rule struct {
	kind  ruleKind
	scope tokenauth.TokenScope // of a question with a fixed id
	field func(req any) (id string, ok bool)
}

type ruleKind uint8

const (
	refuseAll ruleKind = iota
	public
	optional
	authenticated
	scoped
)

// Public lets everybody call the method, without looking at any credential: health checks, reflection.
func Public() Rule { return Rule{kind: public} }

// Optional lets callers without a credential pass: the handler finds nobody in the context, who may do nothing. A bad credential is refused.
func Optional() Rule { return Rule{kind: optional} }

// Authenticated wants a proven caller and asks no scope question: the handler does, or needs none.
func Authenticated() Rule { return Rule{kind: authenticated} }

// Scope wants a proven caller who may do level to the resource of kind that the request is about.
func Scope(kind string, id IDFrom, level tokenauth.PermissionLevel) Rule {
	return Rule{kind: scoped, scope: tokenauth.TokenScope{ResourceKind: kind, ResourceID: id.fixed, Level: level}, field: id.field}
}

// check says whether the rule can ever let anybody in.
func (r Rule) check() error {
	if r.kind == refuseAll {
		return errors.New("the zero Rule")
	}
	if r.kind != scoped {
		return nil
	}
	question := r.scope
	if r.field != nil {
		question.ResourceID = "any"
	}
	return question.Validate()
}

// question returns the question about a message: the zero one, which is answered no, where the message names nothing that a scope can name.
func (r Rule) question(req any) tokenauth.TokenScope {
	q := r.scope
	if r.field != nil {
		q.ResourceID = ""
		if id, ok := r.field(req); ok && utf8.ValidString(id) { // tokenauth.AnyResource is not valid UTF-8
			q.ResourceID = id
		}
	}
	if q.Validate() != nil {
		return tokenauth.TokenScope{} // what no scope can name is answered no, to admins too
	}
	return q
}

// An IDFrom says which resource a request is about. The zero IDFrom is no resource, and New refuses it.
type IDFrom struct {
	fixed string
	field func(req any) (string, bool)
}

// ID is one resource, whatever the request says.
func ID(id string) IDFrom { return IDFrom{fixed: id} }

// Collection is all resources of the kind: only a wildcard scope answers a question about it. Listing and creating are such questions.
func Collection() IDFrom { return ID(tokenauth.AnyResource) }

// Field is the resource that a message of type T names, most often by the getter of a field: Field((*pb.StartRequest).GetName). A message of
// another type names none, and neither does one whose text is empty or no valid UTF-8: the answer is no.
func Field[T any](get func(T) string) IDFrom {
	return IDFrom{field: func(req any) (string, bool) {
		message, ok := req.(T)
		if !ok {
			return "", false
		}
		return get(message), true
	}}
}
