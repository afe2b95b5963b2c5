package attack

import (
	"fmt"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A corpus is only worth something if each row is refused for the reason it was written for. So all rows start from one token
// that is good in every respect, the one base makes, and each changes one thing. What is changed is told by the row's name.

// Now is the clock by which every row is judged. It stands still.
func Now() time.Time { return time.Date(2031, time.May, 6, 12, 0, 0, 0, time.UTC) }

// What the tokens of the corpus say, unless it is what a row changes.
const (
	Issuer   = "https://issuer.example" // iss
	Audience = "https://api.example"    // aud
	Subject  = "alice"                  // sub
	KeyID    = "key-1"                  // kid
)

// The answers that are no code of tokenauth.ErrorCode.
const (
	OK         = "ok"          // the token is accepted, and the question, if there is one, answered yes
	KeyRefused = "key_refused" // a key or set of keys is refused before any token is looked at
	NotHeld    = "not_held"    // the token is accepted, and does not hold the capability that is asked for
)

// A Class is a kind of attack.
type Class string

// A Rule says who decides that a row's answer is the right one.
type Rule uint8

// The rules.
const (
	// Required is what a standard decides: an RFC says MUST, or says what a valid signature or a JSON text is.
	Required Rule = iota
	// Prudent is what standards leave open or only recommend. A verifier may answer otherwise by itself; two verifiers that
	// answer differently about one token are how such rows are exploited.
	Prudent
	// House is what the profile of this library decides: its scopes and roles, its required and refused members, its limits.
	// Others cannot be held to it.
	House
)

// String returns the rule in a word.
func (r Rule) String() string {
	switch r {
	case Required:
		return "required"
	case Prudent:
		return "prudent"
	case House:
		return "house"
	}
	return fmt.Sprintf("rule(%d)", uint8(r))
}

// A Row is one token, whom to trust about it, and the answer that is right.
type Row struct {
	Class       Class       // the kind of attack
	Name        string      // what is special about it; unique within class and algorithm
	Source      string      // RFC and section, CVE, or kind of attack
	Rule        Rule        // who decides
	Algorithm   string      // of the trusted keys, or of the one that is attacked
	Authorities []Authority // whom the verifier trusts: one, but for attacks across authorities
	Token       string      // what the stranger sends: any bytes
	Ask         Question    // what is asked once the token is proven; the zero Question asks nothing
	// Want is the right answer: OK, KeyRefused, NotHeld, or what tokenauth.ErrorCode says of the refusal. Where more than one of several
	// checks may rightly be the first to refuse, it holds their codes with "|" between them.
	Want string
}

// String names the row: class, name and algorithm.
func (r Row) String() string { return fmt.Sprintf("%s/%s/%s", r.Class, r.Name, r.Algorithm) }

// Accept says whether the row must be accepted.
func (r Row) Accept() bool { return r.Want == OK }

// An Authority is somebody whose tokens are trusted, by keys or by a set of keys as text.
type Authority struct {
	Profile tokenauth.Profile // for other verifiers: Issuers[0], Audiences[0] and NoAudience are what counts
	Keys    []Key             // nil where there is a KeySet
	KeySet  []byte            // a JWK Set, a JWK or PEM public keys, instead of Keys
}

// A Key is what somebody trusts, fit or not.
type Key struct {
	ID        string // the kid of its tokens; "" for tokens without kid
	Algorithm string // as NewKey names it
	// Material is a []byte, *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, or what should be none of these. It must not be
	// changed.
	Material any
}

// A Question asks what the bearer of a proven token may do. Only one of its four parts is set.
type Question struct {
	Kind, ID   string                    // with Level: a scope question, as in Verifier.Authorize
	Level      tokenauth.PermissionLevel // may be one that there is not
	Role       string                    // as in Principal.RequireRole
	OAuthScope string                    // as in Principal.RequireOAuthScope
	Capability string                    // as in Principal.HasCap
}

// Rows returns the whole corpus, class by class, the same at every call. It makes ten thousand signatures, which takes some
// seconds.
func Rows() []Row {
	c := newCorpus()
	for _, class := range c.classes() {
		c.class = class.name
		class.add()
	}
	return c.rows
}

// Classes returns all classes, in the order of Rows.
func Classes() []Class {
	var names []Class
	for _, class := range new(corpus).classes() {
		names = append(names, class.name)
	}
	return names
}

// classes lists the classes with what adds their rows.
func (c *corpus) classes() []classMaker {
	return []classMaker{
		{"good tokens", c.addGood},
		{"alg none", c.addAlgNone},
		{"alg words", c.addAlgWords},
		{"key confusion", c.addKeyConfusion},
		{"key pinning", c.addKeyPinning},
		{ClassHeaderKeys, func() { c.addHeaderKeys("https://attacker.invalid", "/nonexistent/attack/keys.json") }},
		{"kid", c.addKeyIDs},
		{"crit, b64, zip, cty", c.addCritical},
		{"segments", c.addSegments},
		{"base64", c.addBase64},
		{"header JSON", c.addHeaderJSON},
		{"claims JSON", c.addClaimsJSON},
		{"dates", c.addDates},
		{"iss", c.addIssuers},
		{"aud", c.addAudiences},
		{"typ", c.addTypes},
		{"sub", c.addSubjects},
		{"jti", c.addTokenIDs},
		{"roles", c.addRoles},
		{"scopes", c.addScopes},
		{"other claims", c.addOtherClaims},
		{"signatures", c.addSignatures},
		{"ECDSA", c.addECDSA},
		{"EdDSA", c.addEdDSA},
		{"RSA padding", c.addRSAPadding},
		{"PSS", c.addPSS},
		{ClassWeakKeys, c.addWeakKeys},
		{ClassKeySets, c.addKeySets},
		{"substitution", c.addSubstitution},
		{"scope questions", c.addScopeQuestions},
		{"admin look-alikes", c.addLookAlikes},
	}
}

// Classes that one may want to treat apart: the class of HeaderKeyRows, and those that attack by keys and not by tokens.
const (
	ClassHeaderKeys Class = "keys in the header"
	ClassWeakKeys   Class = "weak keys"
	ClassKeySets    Class = "key sets"
)

// HeaderKeyRows returns the rows whose header brings a key along or says where to get one, with an address and a file of the
// caller's. To show that a verifier follows neither, listen at the address and watch the file.
func HeaderKeyRows(address, file string) []Row {
	c := newCorpus()
	c.class = ClassHeaderKeys
	c.addHeaderKeys(address, file)
	return c.rows
}

// A classMaker adds the rows of one class.
type classMaker struct {
	name Class
	add  func()
}

// A corpus is one being made.
type corpus struct {
	keys  keychain
	class Class
	rows  []Row
}

func newCorpus() *corpus { return &corpus{keys: newKeychain()} }

// The algorithms a row is made for: five, one of each family, unless it says otherwise.
var (
	fiveAlgorithms = [...]string{"HS256", "RS256", "PS256", "ES256", "EdDSA"}
	publicKeyed    = [...]string{"RS256", "PS256", "ES256", "EdDSA"}
	allAlgorithms  = [...]string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}
)

// An attempt is a row to be, for several algorithms. It starts from the base token and tells what is different.
type attempt struct {
	name, source string
	rule         Rule
	want         string
	algorithms   []string            // nil: five
	header       func(object) object // changes the header
	claims       func(object) object // changes the claims
	// token makes the whole token by the trusted key, instead of header and claims.
	token func(f forge) string
	// setup changes what is trusted.
	setup func(f forge, a *Authority)
	ask   Question
}

// add adds the rows of an attempt.
func (c *corpus) add(a attempt) {
	algorithms := a.algorithms
	if algorithms == nil {
		algorithms = fiveAlgorithms[:]
	}
	for _, alg := range algorithms {
		f := c.keys.trusted(alg)
		authority := authorityOf(f)
		if a.setup != nil {
			a.setup(f, &authority)
		}
		c.rows = append(c.rows, Row{
			Class: c.class, Name: a.name, Source: a.source, Rule: a.rule, Algorithm: alg,
			Authorities: []Authority{authority}, Token: a.make(f), Ask: a.ask, Want: a.want,
		})
	}
}

// make makes the token of an attempt.
func (a attempt) make(f forge) string {
	if a.token != nil {
		return a.token(f)
	}
	header, claims := f.header(), base()
	if a.header != nil {
		header = a.header(header)
	}
	if a.claims != nil {
		claims = a.claims(claims)
	}
	return f.sign(header.String(), claims.String())
}

// authorityOf is who signs by f, as everybody else sees it.
func authorityOf(f forge) Authority {
	return Authority{
		Profile: tokenauth.Profile{Issuers: []string{Issuer}, Audiences: []string{Audience}},
		Keys:    []Key{f.key()},
	}
}

// base is what the good token says.
func base() object {
	return object{}.
		with("iss", quote(Issuer)).
		with("sub", quote(Subject)).
		with("aud", quote(Audience)).
		with("exp", seconds(Now().Add(time.Hour))).
		with("iat", seconds(Now().Add(-time.Minute))).
		with("jti", `"id-1"`).
		with("roles", `["operator"]`).
		with("scopes", `[{"resource_kind":"deployment","resource_id":"web","level":"write"}]`)
}
