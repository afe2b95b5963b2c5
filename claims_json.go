package tokenauth

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// The wire form of Claims. Two readers that understand one JSON text differently are a hole, so this one takes only texts that
// can be understood in one way: exact member names, no name twice, none that another parser would fold into one of ours, each
// member of its own type, nothing out of range. A member that is there and empty is an error and not absent; null stands for
// absent only where the encoders of existing systems write it.

// memberNames are the members Claims has fields for, in the order in which they are written.
var memberNames = [...]string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti",
	"roles", "scopes", "scope", "caps", "admin",
	"email", "node_id", "client_id", "cat", "account_type", "active_ppnum",
	"delegator", "dlg_depth", "act", "cid", "sid", "sv",
}

// claimNames are the same, for the reader.
var claimNames = jose.NewNames(memberNames[:]...)

// MarshalJSON writes the wire form. It has a value receiver, so that a Claims and a *Claims write the same. Claims that the reader
// would refuse are an error wrapping ErrInvalidRequest that names the member.
//
// Extra is written byte for byte; json.Marshal, but not this method, then escapes <, > and & in it and drops its blanks.
func (c Claims) MarshalJSON() ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c.appendJSON(nil, false), nil
}

// UnmarshalJSON reads the wire form, strictly. The error wraps ErrClaims and names the member; c is then as it was. It does not
// say whether the token is genuine, alive or meant for this service.
func (c *Claims) UnmarshalJSON(b []byte) error {
	var d Claims
	if err := d.decode(string(b), &reading{}); err != nil {
		return err
	}
	*c = d
	return nil
}

// decode reads the wire form into claims that are zero, and after an error are zero again. The texts of the claims are parts of text.
func (c *Claims) decode(text string, has *reading) (err error) {
	defer func() {
		if err != nil {
			*c = Claims{}
		}
	}()
	var r jose.Reader
	r.Reset(text)
	r.ObjectOf(claimNames)
	for name, ok := r.Next(); ok; name, ok = r.Next() {
		if !c.readMember(&r, name, has) {
			c.readExtra(&r, name)
		} else if err := r.Err(); err != nil {
			return reasonClaimsJSON.with(name + ": " + err.Error())
		}
	}
	if err := r.End(); err != nil {
		return reasonClaimsJSON.with(err.Error())
	}
	if has.scope && has.scopeStrings {
		return reasonClaimsJSON.with("scope, scopes: both at once")
	}
	if err := c.validateUnscoped(r.Plain()); err != nil { // readScope has judged each scope
		return reasonClaimsJSON.with(detailOf(err))
	}
	return nil
}

// A reading is what has to be known of the members that were read before, and where the entries of lists go. The zero reading makes its
// own room.
type reading struct {
	scope        bool         // there was scope
	scopeStrings bool         // there were scopes, holding strings
	texts        []string     // the entries of all lists of texts, one list behind the other
	scopes       []TokenScope // empty: room for the first scopes
}

// add puts the text that is next behind the others.
func (has *reading) add(text string) { has.texts = append(has.texts, text) }

// since returns the list whose first entry has the index from; nil if it has none. It has no room to grow into the next list.
func (has *reading) since(from int) []string {
	if from == len(has.texts) {
		return nil
	}
	return slices.Clip(has.texts[from:])
}

// readMember reads the value of a member Claims has a field for, and says whether it has one.
func (c *Claims) readMember(r *jose.Reader, name string, has *reading) bool {
	switch name {
	case "iss":
		c.Issuer = readText(r)
	case "sub":
		c.Subject = readText(r)
	case "aud":
		c.Audience = has.readAudience(r)
	case "exp":
		c.ExpiresAt = readMoment(r)
	case "nbf":
		c.NotBefore = readMoment(r)
	case "iat":
		c.IssuedAt = readMoment(r)
	case "jti":
		c.ID = readOptionalText(r)
	case "roles":
		c.Roles = has.readTexts(r)
	case "scopes":
		c.readScopes(r, has)
	case "scope":
		if s := readOptionalText(r); s != "" {
			c.OAuthScopes, has.scope = strings.Split(s, " "), true
		}
	case "caps":
		c.Caps = has.readTexts(r)
	case "admin":
		c.AdminHint = r.Bool()
	case "email":
		c.Email = readOptionalText(r)
	case "node_id":
		c.NodeID = readOptionalText(r)
	case "client_id":
		c.ClientID = readOptionalText(r)
	case "cat":
		c.Category = readOptionalText(r)
	case "account_type":
		c.AccountType = readOptionalText(r)
	case "active_ppnum":
		c.ActivePPNum = readOptionalText(r)
	case "delegator":
		c.Delegator = readOptionalText(r)
	case "dlg_depth":
		c.DelegationDepth = int(readInt(r, maxDelegations))
	case "act":
		if !r.Null() {
			c.Actor = readActor(r)
		}
	case "cid":
		c.CredentialID = readOptionalText(r)
	case "sid":
		c.SessionID = readOptionalText(r)
	case "sv":
		c.SessionVersion = readInt(r, maxSessionVersion)
	default:
		return false
	}
	return true
}

// readExtra keeps a member Claims has no field for.
func (c *Claims) readExtra(r *jose.Reader, name string) {
	if err := checkExtraName(name); err != nil {
		r.Fail(errors.New(detailOf(err)))
	}
	value := r.Raw()
	if r.Err() != nil {
		return
	}
	if c.Extra == nil {
		c.Extra = make(map[string]json.RawMessage)
	}
	c.Extra[name] = json.RawMessage(value)
}

// maxDelegations is the largest dlg_depth; maxSessionVersion the largest sv, which every JSON reader can hold exactly.
const (
	maxDelegations    = 4
	maxSessionVersion = 1<<53 - 1
)

var (
	errEmptyText     = errors.New("empty")
	errEmptyAudience = errors.New("an empty list")
	errNotMoment     = errors.New("not a date in seconds between the years 1970 and 9999")
	errNotInt        = errors.New("not a whole number in range")
	errManyActors    = errors.New("more than 4 actors deep")
	errActorMember   = errors.New("an actor has the members sub and act, and no other")
)

// readText reads a text that is not empty.
func readText(r *jose.Reader) string {
	s := r.String()
	if s == "" {
		r.Fail(errEmptyText)
	}
	return s
}

// readOptionalText is readText for a member that may be null, which is absent.
func readOptionalText(r *jose.Reader) string {
	if r.Null() {
		return ""
	}
	return readText(r)
}

// readTexts reads a list of texts, none of them empty.
func readTexts(r *jose.Reader) []string { return new(reading).readTexts(r) }

// readTexts reads a list of texts, none of them empty.
func (has *reading) readTexts(r *jose.Reader) []string {
	from := len(has.texts)
	r.Array()
	for r.More() {
		has.add(readText(r))
	}
	return has.since(from)
}

// readAudience reads one text or a list of at least one: an empty list would be meant for nobody, and absent for anybody.
func (has *reading) readAudience(r *jose.Reader) []string {
	if r.Kind() == jose.String {
		from := len(has.texts)
		has.add(readText(r))
		return has.since(from)
	}
	list := has.readTexts(r)
	if len(list) == 0 {
		r.Fail(errEmptyAudience)
	}
	return list
}

// readScopes reads a list of scope objects or of OAuth scopes; the first one decides, and no other kind may follow.
func (c *Claims) readScopes(r *jose.Reader, has *reading) {
	from := len(has.texts)
	r.Array()
	left := r.Left()
	for r.More() {
		if has.scopeStrings = has.scopeStrings || len(c.Scopes) == 0 && r.Kind() == jose.String; has.scopeStrings {
			has.add(readText(r))
			continue
		}
		if c.Scopes == nil {
			c.Scopes = has.scopes
		}
		if n := len(c.Scopes); n > 0 && n == cap(c.Scopes) {
			// As many as the rest of the text has room for, if these are as long as the others: to double the room each time, and move
			// what there is, would cost more than the reading.
			c.Scopes = slices.Grow(c.Scopes, 1+r.Left()*n/(left-r.Left()))
		}
		c.Scopes = append(c.Scopes, readScope(r))
	}
	if list := has.since(from); list != nil {
		c.OAuthScopes = list
	}
}

// readMoment reads a NumericDate (RFC 7519, section 2), dropping its fraction.
func readMoment(r *jose.Reader) time.Time {
	seconds, ok := r.Seconds()
	if !ok {
		r.Fail(errNotMoment)
	}
	return time.Unix(seconds, 0).UTC()
}

// readInt reads a whole number between 0 and most.
func readInt(r *jose.Reader, most int64) int64 {
	n, ok := jose.ParseInt(r.Number())
	if !ok || n < 0 || n > most {
		r.Fail(errNotInt)
		return 0
	}
	return n
}

// readActor reads a chain of actors, from the outside in and without recursion. Members that an Actor has no field for are refused:
// they could say that the actor is somebody else's.
func readActor(r *jose.Reader) *Actor {
	var chain [maxActors]Actor
	depth := 1
	r.Object()
	for depth > 0 {
		name, ok := r.Next()
		switch {
		case !ok:
			depth--
		case name == "sub":
			chain[depth-1].Subject = readText(r)
		case name != "act":
			r.Fail(errActorMember)
		case r.Null():
		case depth == maxActors:
			r.Fail(errManyActors)
		default:
			r.Object()
			chain[depth-1].Actor = &chain[depth]
			depth++
		}
	}
	return &chain[0]
}

// validate checks what the wire form allows, for both directions: whatever passes can be written, and what is written can be read.
// The error wraps ErrInvalidRequest and names the member.
func (c *Claims) validate() error {
	for i, scope := range c.Scopes {
		if err := scope.wellFormed(); err != nil {
			return invalid("scopes[" + strconv.Itoa(i) + "]: " + detailOf(err))
		}
	}
	return c.validateUnscoped(false)
}

// validateUnscoped is validate for all but Scopes. The texts may be known to be plain.
func (c *Claims) validateUnscoped(plain bool) error {
	for _, text := range [...]struct {
		name, value string
		most        int
		required    bool
	}{
		{"iss", c.Issuer, maxTextBytes, true},
		{"sub", c.Subject, maxSubjectBytes, true},
		{"jti", c.ID, maxIDBytes, false},
		{"email", c.Email, maxTextBytes, false},
		{"node_id", c.NodeID, maxTextBytes, false},
		{"client_id", c.ClientID, maxPrincipalBytes, false},
		{"cat", c.Category, maxTextBytes, false},
		{"account_type", c.AccountType, maxTextBytes, false},
		{"active_ppnum", c.ActivePPNum, maxTextBytes, false},
		{"delegator", c.Delegator, maxTextBytes, false},
		{"cid", c.CredentialID, maxTextBytes, false},
		{"sid", c.SessionID, maxIDBytes, false},
	} {
		if text.value == "" && !text.required || len(text.value) <= text.most && text.value != "" && (plain || jose.IsPlain(text.value)) {
			continue
		}
		if err := checkText(text.name, text.value, text.most, text.required); err != nil {
			return err
		}
	}
	if c.Subject == Everyone {
		return invalid(`sub: "*" is nobody's name`)
	}
	if err := c.validateMoments(); err != nil {
		return err
	}
	if err := c.validateLists(plain); err != nil {
		return err
	}
	if c.DelegationDepth < 0 || c.DelegationDepth > maxDelegations {
		return invalid("dlg_depth: not between 0 and 4")
	}
	if c.SessionVersion < 0 || c.SessionVersion > maxSessionVersion {
		return invalid("sv: not a whole number in range")
	}
	if err := c.Actor.validate(); err != nil {
		return err
	}
	for name, value := range c.Extra {
		if err := checkExtra(name, value); err != nil {
			return err
		}
	}
	return nil
}

// maxTextBytes is the longest text of a member that has no bound of its own.
const maxTextBytes = 4 << 10

// validateMoments checks exp, iat and nbf.
func (c *Claims) validateMoments() error {
	if err := checkMoment("exp", c.ExpiresAt, true); err != nil {
		return err
	}
	if err := checkMoment("iat", c.IssuedAt, true); err != nil {
		return err
	}
	return checkMoment("nbf", c.NotBefore, false)
}

// validateLists checks the entries of aud, roles, caps and OAuth scopes.
func (c *Claims) validateLists(plain bool) error {
	for _, list := range [...]struct {
		name    string
		entries []string
	}{
		{"aud", c.Audience}, {"roles", c.Roles}, {"caps", c.Caps},
	} {
		for i, entry := range list.entries {
			if len(entry) <= maxTextBytes && entry != "" && (plain || jose.IsPlain(entry)) {
				continue
			}
			if err := checkText("", entry, maxTextBytes, true); err != nil {
				return invalid(list.name + "[" + strconv.Itoa(i) + "]" + detailOf(err))
			}
		}
	}
	for i, scope := range c.OAuthScopes {
		if !isOAuthScope(scope) {
			return invalid("scope[" + strconv.Itoa(i) + "]: not a scope-token (RFC 6749, section 3.3)")
		}
	}
	return nil
}

// isOAuthScope says whether s is a scope-token: printable ASCII without blank, quote and backslash (RFC 6749, section 3.3). It can
// then be written in a space-separated list.
func isOAuthScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// validate checks a chain of actors; nil is none.
func (a *Actor) validate() error {
	for depth := 1; a != nil; depth, a = depth+1, a.Actor {
		if depth > maxActors {
			return invalid("act: more than 4 actors deep")
		}
		if err := checkText("act.sub", a.Subject, maxTextBytes, true); err != nil {
			return err
		}
	}
	return nil
}

// checkExtra checks a further member for both directions.
func checkExtra(name string, value []byte) error {
	if err := checkExtraName(name); err != nil {
		return err
	}
	err := jose.Valid(string(value))
	if err == nil {
		err = jose.Valid("[" + string(value) + "]") // it will stand one deeper, inside the claims
	}
	if err != nil {
		return invalid("Extra: a value is not exactly one strict JSON value: " + err.Error())
	}
	return nil
}

// checkExtraName refuses a further member that is one of ours, that another parser would take for one of ours, or whose name is not
// made of the characters of a URI (RFC 3986), as claim names are (RFC 7519, section 4.2).
func checkExtraName(name string) error {
	if name == "" || len(name) > 128 {
		return invalid("Extra: a name is not 1 to 128 bytes long")
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return invalid("Extra: a name has characters that no identifier has")
		}
	}
	for _, known := range memberNames {
		if len(known) == len(name) && strings.EqualFold(known, name) {
			return invalid("Extra: a name is, or looks like, " + known)
		}
	}
	return nil
}

// appendJSON writes claims that validate. Roles are written even when there are none, unless sparse says otherwise: an existing
// reader of the wire form expects the member.
func (c *Claims) appendJSON(dst []byte, sparse bool) []byte {
	dst = append(slices.Grow(dst, usualClaims), '{')
	dst = addText(dst, "iss", c.Issuer)
	dst = addText(dst, "sub", c.Subject)
	if len(c.Audience) == 1 {
		dst = addText(dst, "aud", c.Audience[0])
	} else {
		dst = addTexts(dst, "aud", c.Audience, true)
	}
	dst = addMoment(dst, "exp", c.ExpiresAt)
	dst = addMoment(dst, "nbf", c.NotBefore)
	dst = addMoment(dst, "iat", c.IssuedAt)
	dst = addText(dst, "jti", c.ID)
	dst = addTexts(dst, "roles", c.Roles, sparse)
	dst = addScopes(dst, c.Scopes)
	if len(c.Scopes) == 0 {
		dst = addTexts(dst, "scopes", c.OAuthScopes, true)
	} else {
		dst = addText(dst, "scope", strings.Join(c.OAuthScopes, " "))
	}
	dst = addTexts(dst, "caps", c.Caps, true)
	if c.AdminHint {
		dst = append(addName(dst, "admin"), "true"...)
	}
	dst = addText(dst, "email", c.Email)
	dst = addText(dst, "node_id", c.NodeID)
	dst = addText(dst, "client_id", c.ClientID)
	dst = addText(dst, "cat", c.Category)
	dst = addText(dst, "account_type", c.AccountType)
	dst = addText(dst, "active_ppnum", c.ActivePPNum)
	dst = addText(dst, "delegator", c.Delegator)
	dst = addNumber(dst, "dlg_depth", int64(c.DelegationDepth))
	dst = addActor(dst, c.Actor)
	dst = addText(dst, "cid", c.CredentialID)
	dst = addText(dst, "sid", c.SessionID)
	dst = addNumber(dst, "sv", c.SessionVersion)
	for _, name := range sortedNames(c.Extra) {
		dst = append(addName(dst, name), c.Extra[name]...)
	}
	return append(dst, '}')
}

// usualClaims is the length of what claims usually are, in bytes: room to begin with.
const usualClaims = 512

// sortedNames returns the names of the further members, so that the same claims are always the same bytes.
func sortedNames(extra map[string]json.RawMessage) []string {
	if len(extra) == 0 {
		return nil
	}
	names := make([]string, 0, len(extra))
	for name := range extra {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// What follows appends members to an object that has been opened, and leaves out what is not set. Everything that is written goes from
// hand to hand, and not through a writer that would hold it, so that a caller can have it in memory of its own.

// addName begins a member. Its name needs no escaping: it is one of ours, or checkExtraName has passed it.
func addName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, `":`...)
}

func addText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return jose.AppendString(addName(dst, name), value)
}

func addTexts(dst []byte, name string, values []string, omitEmpty bool) []byte {
	if len(values) == 0 && omitEmpty {
		return dst
	}
	dst = append(addName(dst, name), '[')
	for i, value := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jose.AppendString(dst, value)
	}
	return append(dst, ']')
}

func addScopes(dst []byte, scopes []TokenScope) []byte {
	if len(scopes) == 0 {
		return dst
	}
	dst = append(addName(dst, "scopes"), '[')
	for i, scope := range scopes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = scope.appendJSON(dst)
	}
	return append(dst, ']')
}

func addMoment(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return strconv.AppendInt(addName(dst, name), t.Unix(), 10)
}

func addNumber(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(addName(dst, name), n, 10)
}

// addActor writes a chain of actors, from the outside in.
func addActor(dst []byte, a *Actor) []byte {
	if a == nil {
		return dst
	}
	dst = addName(dst, "act")
	depth := 0
	for ; a != nil; a = a.Actor {
		if depth++; depth > 1 {
			dst = append(dst, `,"act":`...)
		}
		dst = append(dst, `{"sub":`...)
		dst = jose.AppendString(dst, a.Subject)
	}
	for range depth {
		dst = append(dst, '}')
	}
	return dst
}
