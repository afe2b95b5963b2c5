package tokenauth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// A scope grants one level on one resource of one kind, or on all of that kind, and a question asks for exactly that: may
// the holder do this level to this resource? Grants never combine. Kinds and ids are compared byte by byte: nothing is
// folded, cleaned, decoded or matched by prefix, since whatever this package thinks equal, the service behind it may not.
//
// Everywhere else a wildcard is a string that a request can hold, and sooner or later one does. Here it is AnyResource,
// which is no valid UTF-8, so that no JSON text and no scope text decodes to it unless it says wildcard in its own words.

// A PermissionLevel is how much may be done to a resource. Each level includes those below it; the zero value is LevelNone.
type PermissionLevel uint8

// The levels, lowest first. On the wire they are "none", "read", "execute" and "write".
const (
	LevelNone    PermissionLevel = iota // nothing; no question may ask for it and no token is minted with it
	LevelRead                           // look at it
	LevelExecute                        // look at it and make it run
	LevelWrite                          // all of that, and change it
)

// String returns the wire word, or "level(n)" for a level that has none.
func (l PermissionLevel) String() string {
	switch l {
	case LevelNone:
		return "none"
	case LevelRead:
		return "read"
	case LevelExecute:
		return "execute"
	case LevelWrite:
		return "write"
	}
	return "level(" + strconv.Itoa(int(l)) + ")"
}

// MarshalText writes the wire word; a level that has none is an error wrapping ErrInvalidRequest.
func (l PermissionLevel) MarshalText() ([]byte, error) {
	if l > LevelWrite {
		return nil, invalid("a level is none, read, execute or write")
	}
	return []byte(l.String()), nil
}

// UnmarshalText reads a wire word, exactly; anything else is an error wrapping ErrInvalidRequest.
func (l *PermissionLevel) UnmarshalText(b []byte) error {
	parsed, ok := parseLevel(string(b))
	if !ok {
		return invalid("a level is none, read, execute or write")
	}
	*l = parsed
	return nil
}

// parseLevel reads a wire word, exactly.
func parseLevel(word string) (PermissionLevel, bool) {
	switch word {
	case "none":
		return LevelNone, true
	case "read":
		return LevelRead, true
	case "execute":
		return LevelExecute, true
	case "write":
		return LevelWrite, true
	}
	return LevelNone, false
}

// AnyResource, as a scope's ResourceID, is every resource of the kind; as the id of a question, the whole collection.
// It is written "*" in text and null in JSON, and is neither of these strings: only code that names this constant, or
// a text that says wildcard, can widen a grant.
const AnyResource = "\xff*"

// maxScopePart is the longest kind and the longest id, in bytes.
const maxScopePart = 256

// A TokenScope grants one level on one resource, or on every resource, of a kind. The zero value grants nothing.
type TokenScope struct {
	ResourceKind string          // an open set, such as "deployment"; 1 to 256 bytes of UTF-8 without NUL, compared exactly
	ResourceID   string          // the same, or AnyResource; "" and "*" are no ids and grant nothing
	Level        PermissionLevel // what may be done, with everything below it
}

// ParseTokenScope reads the text form: kind:id:level, kind:*:level, or kind:level for every resource of the kind. The kind
// ends at the first colon and the level begins after the last; between them the id may hold more. Level none, blanks around a
// part, commas and control characters are refused. The error wraps ErrInvalidRequest and says what was expected.
func ParseTokenScope(s string) (TokenScope, error) {
	if !utf8.ValidString(s) { // or an id might be the very bytes of AnyResource
		return TokenScope{}, invalid("scope text is not valid UTF-8")
	}
	kind, rest, ok := strings.Cut(s, ":")
	if !ok {
		return TokenScope{}, invalid("scope text is kind:id:level, kind:*:level or kind:level")
	}
	id, word := "*", rest
	if last := strings.LastIndexByte(rest, ':'); last >= 0 {
		id, word = rest[:last], rest[last+1:]
	}
	level, ok := parseLevel(word)
	if !ok {
		return TokenScope{}, invalid("scope text ends with :read, :execute or :write")
	}
	if id == "*" {
		id = AnyResource
	}
	scope := TokenScope{ResourceKind: kind, ResourceID: id, Level: level}
	if err := scope.hasText(); err != nil {
		return TokenScope{}, err
	}
	return scope, nil
}

// ParseTokenScopes reads a comma-separated list of at least one scope. One bad entry fails it all; the error wraps
// ErrInvalidRequest and names the entry's position, counted from 1.
func ParseTokenScopes(s string) ([]TokenScope, error) {
	scopes := make([]TokenScope, 0, 1+strings.Count(s, ","))
	for entry := range strings.SplitSeq(s, ",") {
		scope, err := ParseTokenScope(entry)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(scopes)+1, err)
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

// Validate says whether the scope may be minted: kind and id well formed, level above none and known. The error wraps
// ErrInvalidRequest and names the part.
func (s TokenScope) Validate() error {
	if err := s.wellFormed(); err != nil {
		return err
	}
	if s.Level == LevelNone {
		return invalid("level: none grants nothing")
	}
	return nil
}

// wellFormed says whether the scope can be written on the wire. A token may carry one of level none; it grants nothing.
func (s TokenScope) wellFormed() error { return s.check(false) }

// check is wellFormed. Kind and id may be known to be plain.
func (s TokenScope) check(plain bool) error {
	if err := checkScopePart("resource_kind", s.ResourceKind, plain); err != nil {
		return err
	}
	if s.ResourceID == "*" {
		return invalid(`resource_id: the string "*" is no id; every resource is AnyResource, in JSON null`)
	}
	if s.ResourceID != AnyResource {
		if err := checkScopePart("resource_id", s.ResourceID, plain); err != nil {
			return err
		}
	}
	if s.Level > LevelWrite {
		return invalid("level: not one of none, read, execute and write")
	}
	return nil
}

// checkScopePart checks a kind or an id, which may be known to be plain.
func checkScopePart(field, s string, plain bool) error {
	switch {
	case s == "":
		return invalid(field + ": empty")
	case len(s) > maxScopePart:
		return invalid(field + ": longer than 256 bytes")
	case plain || jose.IsPlain(s):
		return nil
	case !utf8.ValidString(s):
		return invalid(field + ": not valid UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		return invalid(field + ": holds NUL")
	}
	return nil
}

// Satisfies answers one question: may the holder do level to (kind, id)? The kind must be equal, the id equal or this scope's
// AnyResource, and the level at least the one asked for. Asking for AnyResource asks for the whole collection, which only a
// wildcard answers. An ill-formed question is answered no.
func (s TokenScope) Satisfies(kind, id string, level PermissionLevel) bool {
	return isQuestion(kind, id, level) && s.answers(kind, id, level)
}

// answers is Satisfies for a question that is well formed.
func (s *TokenScope) answers(kind, id string, level PermissionLevel) bool {
	if s.Level < level || s.Level > LevelWrite || s.ResourceKind != kind {
		return false
	}
	return s.ResourceID == AnyResource || s.ResourceID == id && id != "*"
}

// A scopeIndex answers questions about many scopes without walking through them all. It is made once and never changes. The nil index
// is none.
type scopeIndex map[string]*kindScopes

// kindScopes are the scopes of one kind: the highest level on every resource of it, and on each that is named.
type kindScopes struct {
	any  PermissionLevel
	byID map[string]PermissionLevel
}

// manyScopes is how many scopes are asked one by one in the time that the index takes.
const manyScopes = 8

// newScopeIndex returns an index of scopes, or none where walking through them is as fast.
func newScopeIndex(scopes []TokenScope) scopeIndex {
	if len(scopes) <= manyScopes {
		return nil
	}
	index := make(scopeIndex)
	for _, s := range scopes {
		if s.Level > LevelWrite || s.ResourceID == "*" {
			continue // these answer nothing
		}
		kind := index[s.ResourceKind]
		if kind == nil {
			kind = &kindScopes{byID: make(map[string]PermissionLevel)}
			index[s.ResourceKind] = kind
		}
		if s.ResourceID == AnyResource {
			kind.any = max(kind.any, s.Level)
		} else {
			kind.byID[s.ResourceID] = max(kind.byID[s.ResourceID], s.Level)
		}
	}
	return index
}

// answers says whether one of the scopes answers a question that is well formed. To AnyResource no id is equal, so that only a wildcard
// answers it.
func (x scopeIndex) answers(kind, id string, level PermissionLevel) bool {
	k := x[kind]
	return k != nil && (k.any >= level || k.byID[id] >= level)
}

// isQuestion says whether a question names a kind, an id and a level above none. One that does not is a mistake of the service
// that asks, such as a path parameter that was not there, and is answered no before anybody's role is looked at.
func isQuestion(kind, id string, level PermissionLevel) bool {
	return kind != "" && id != "" && level > LevelNone && level <= LevelWrite
}

// Covers says whether s grants at least everything other grants. It is no for an other that may not be minted.
func (s TokenScope) Covers(other TokenScope) bool {
	return other.Validate() == nil && s.answers(other.ResourceKind, other.ResourceID, other.Level)
}

// String returns the text form that ParseTokenScope reads; of a scope that has none, a quoted form that no parser takes.
func (s TokenScope) String() string {
	id := s.ResourceID
	if id == AnyResource {
		id = "*"
	}
	if s.hasText() != nil {
		// The closing bracket is no level, so that this fails alone and, whatever commas stand in it, fails every list.
		return fmt.Sprintf("scope(kind=%q id=%q level=%s)", s.ResourceKind, id, s.Level)
	}
	return s.ResourceKind + ":" + id + ":" + s.Level.String()
}

// MarshalText writes the text form. A scope that has none is an error wrapping ErrInvalidRequest: its kind holds a colon or a
// comma, its id a comma, either of them control characters or outer blanks, or it does not validate.
func (s TokenScope) MarshalText() ([]byte, error) {
	if err := s.hasText(); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// UnmarshalText is ParseTokenScope.
func (s *TokenScope) UnmarshalText(b []byte) error {
	scope, err := ParseTokenScope(string(b))
	if err != nil {
		return err
	}
	*s = scope
	return nil
}

// hasText says whether the scope has a text form, which parses back to this scope and to no list.
func (s TokenScope) hasText() error {
	if err := s.Validate(); err != nil {
		return err
	}
	if err := checkTextPart("resource_kind", s.ResourceKind, ":,"); err != nil {
		return err
	}
	if s.ResourceID == AnyResource {
		return nil
	}
	return checkTextPart("resource_id", s.ResourceID, ",")
}

// checkTextPart checks what the text form asks of a kind or an id beyond its being well formed.
func checkTextPart(field, s, separators string) error {
	switch {
	case strings.ContainsAny(s, separators):
		return invalid(field + ": holds a separator of the text form")
	case strings.ContainsFunc(s, unicode.IsControl):
		return invalid(field + ": holds a control character")
	case strings.TrimSpace(s) != s:
		return invalid(field + ": begins or ends with a blank")
	}
	return nil
}

// MarshalJSON writes the wire object; AnyResource is null. A scope that is not well formed is an error wrapping
// ErrInvalidRequest.
func (s TokenScope) MarshalJSON() ([]byte, error) {
	if err := s.wellFormed(); err != nil {
		return nil, err
	}
	return s.appendJSON(nil), nil
}

// appendJSON writes a well formed scope.
func (s TokenScope) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"resource_kind":`...)
	dst = jose.AppendString(dst, s.ResourceKind)
	dst = append(dst, `,"resource_id":`...)
	if s.ResourceID == AnyResource {
		dst = append(dst, "null"...)
	} else {
		dst = jose.AppendString(dst, s.ResourceID)
	}
	dst = append(dst, `,"level":"`...)
	dst = append(dst, s.Level.String()...)
	return append(dst, `"}`...)
}

// UnmarshalJSON reads the wire object as tokens carry it. resource_kind and level must be there; a null or absent resource_id
// is AnyResource; "" and "*" are refused, and so is any fourth member, since a misspelt resource_id would otherwise widen the
// grant. The error wraps ErrInvalidRequest.
//
// It does not ask for a resource_id: where a person or a program other than a signer wrote the object, the reader should.
func (s *TokenScope) UnmarshalJSON(b []byte) error {
	r := jose.NewReader(string(b))
	scope := readScope(&r)
	if err := r.End(); err != nil {
		return invalid("scope: " + err.Error())
	}
	*s = scope
	return nil
}

// scopeNames are the members of a scope, in the order in which they are written.
var scopeNames = jose.NewNames("resource_kind", "resource_id", "level")

// readScope reads one wire object; what is wrong with it stays with the reader.
func readScope(r *jose.Reader) TokenScope {
	scope := TokenScope{ResourceID: AnyResource}
	var hasKind, hasLevel bool
	r.ObjectOf(scopeNames)
	for name, ok := r.Next(); ok; name, ok = r.Next() {
		switch name {
		case "resource_kind":
			scope.ResourceKind, hasKind = r.String(), true
		case "resource_id":
			if !r.Null() {
				scope.ResourceID = r.String()
			}
		case "level":
			level, known := parseLevel(r.String())
			if !known {
				r.Fail(errScopeLevel)
			}
			scope.Level, hasLevel = level, true
		default:
			r.Fail(errScopeMember)
		}
	}
	if !hasKind || !hasLevel {
		r.Fail(errScopeIncomplete)
	}
	if r.Err() == nil {
		if err := scope.check(r.Plain()); err != nil {
			r.Fail(errors.New(detailOf(err)))
		}
	}
	return scope
}

var (
	errScopeLevel      = errors.New("level: not one of none, read, execute and write")
	errScopeMember     = errors.New("a scope has the members resource_kind, resource_id and level, and no other")
	errScopeIncomplete = errors.New("a scope needs resource_kind and level")
)

// invalid returns an error wrapping ErrInvalidRequest.
func invalid(what string) error { return ErrInvalidRequest.(*reason).with(what) }
