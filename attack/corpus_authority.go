package attack

import (
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Attacks with a token that is good: of another issuer, for another purpose, or with less authority than its bearer claims. Only
// "substitution" is about tokens as such; what a scope or role is worth is this library's own rule.

// addSubstitution uses a token where it was not meant to be used (RFC 8725 sections 2.7, 2.8 and 3.12).
func (c *corpus) addSubstitution() {
	// Two authorities, each with keys of its own. B's names end in b.
	theirs := func(f forge) forge { return c.keys.forge(f.alg, KeyID, "second") }
	issuerB := "https://issuer-b.example"
	authorityB := func(f forge, p tokenauth.Profile) Authority {
		return Authority{Profile: p, Keys: []Key{theirs(f).key()}}
	}
	two := func(change func(a, b *tokenauth.Profile)) func(f forge) []Authority {
		return func(f forge) []Authority {
			a, b := authorityOf(f), authorityB(f, tokenauth.Profile{Issuers: []string{issuerB}, Audiences: []string{Audience}})
			if change != nil {
				change(&a.Profile, &b.Profile)
			}
			return []Authority{a, b}
		}
	}
	fromB := base().with("iss", quote(issuerB))
	for _, row := range []struct {
		name, source, want string
		authorities        func(f forge) []Authority
		token              func(f forge) string
		ask                Question
	}{
		{"A's key signs for B", "RFC 8725 3.8", "issuer_wrong", two(nil), func(f forge) string { return f.good(fromB) }, Question{}},
		{"B's key signs for A, under the same kid", "RFC 8725 3.8", "issuer_wrong", two(nil), func(f forge) string { return theirs(f).good(base()) }, Question{}},
		{"the stranger signs for A, under the same kid", "RFC 7515 5.2", "signature_bad", two(nil), func(f forge) string { return c.keys.forge(f.alg, KeyID, "third").good(base()) }, Question{}},
		{"a kid that neither has", "RFC 7515 4.1.4", "key_unknown", two(nil), func(f forge) string { return f.named("key-9").good(base()) }, Question{}},
		{"B's token for A's audience only", "RFC 8725 3.9", "audience_wrong", two(func(_, b *tokenauth.Profile) { b.Audiences = []string{"https://b.example"} }), func(f forge) string { return theirs(f).good(fromB) }, Question{}},
		{"B's token of A's type only", "RFC 8725 3.11", "type_wrong", two(func(_, b *tokenauth.Profile) { b.Types = []string{"JWT"} }), func(f forge) string { return theirs(f).good(fromB) }, Question{}},
		{"B's token longer than B may write", "bounded input", "token_too_long|signature_bad", two(func(_, b *tokenauth.Profile) { b.MaxTokenBytes = 300 }), func(f forge) string { return theirs(f).good(fromB) }, Question{}},
		{"B's token lives longer than B's may", "bounded lifetime", "lifetime_too_long", two(func(_, b *tokenauth.Profile) { b.MaxLifetime = time.Minute }), func(f forge) string { return theirs(f).good(fromB) }, Question{}},
		{"B's token without jti, which B must write", "RFC 9068 2.2", "token_id_missing", two(func(_, b *tokenauth.Profile) { b.RequireID = true }), func(f forge) string { return theirs(f).good(fromB.without("jti")) }, Question{}},
		{"B's admin, who is none here", "Profile.NoAdmin", "scope_insufficient", two(func(_, b *tokenauth.Profile) { b.NoAdmin = true }), func(f forge) string { return theirs(f).good(fromB.with("roles", `["admin"]`)) }, Question{Kind: "secret", ID: "s", Level: tokenauth.LevelRead}},
		{"A's token", "RFC 7519", OK, two(nil), func(f forge) string { return f.good(base()) }, Question{}},
		{"B's token", "RFC 7519", OK, two(nil), func(f forge) string { return theirs(f).good(fromB) }, Question{}},
		{"B's admin, with the scope", "Profile.NoAdmin", OK, two(func(_, b *tokenauth.Profile) { b.NoAdmin = true }), func(f forge) string { return theirs(f).good(fromB.with("roles", `["admin"]`)) }, Question{Kind: "deployment", ID: "web", Level: tokenauth.LevelWrite}},
	} {
		c.addAcross(attempt{
			name: "two authorities: " + row.name, source: row.source, rule: House, want: row.want, ask: row.ask, token: row.token,
			// One RSA key for all authorities but the first would make B and the stranger one.
			algorithms: []string{"HS256", "ES256", "EdDSA"},
		}, row.authorities)
	}

	// One issuer that signs many things with one key.
	for _, row := range []struct {
		name, source, want string
		rule               Rule
		header, claims     func(object) object
	}{
		{"an ID token", "OpenID Connect Core 2; RFC 9068 5", "audience_wrong", Required, setting("typ", `"JWT"`),
			func(o object) object {
				return o.with("aud", `"client-7"`).with("nonce", `"n"`).without("scopes", "roles")
			}},
		{"an ID token whose client has the API's name", "RFC 9068 5", "type_wrong", House, setting("typ", `"JWT"`),
			func(o object) object { return o.with("nonce", `"n"`).with("at_hash", `"x"`) }},
		{"a refresh token", "RFC 8725 2.8", "category_wrong", House, nil, setting("cat", `"refresh"`)},
		{"a refresh token by its type", "RFC 8725 3.11", "type_wrong", House, setting("typ", `"rt+jwt"`), nil},
		{"a logout token", "OpenID Connect Back-Channel Logout 2.4", "type_wrong", House, setting("typ", `"logout+jwt"`),
			adding("events", `{"http://schemas.openid.net/event/backchannel-logout":{}}`)},
		{"a security event", "RFC 8417 2.3", "type_wrong", House, setting("typ", `"secevent+jwt"`), adding("events", "{}")},
		{"a client's assertion", "RFC 7523 3", "audience_wrong", Required, setting("typ", `"JWT"`),
			func(o object) object { return o.with("aud", quote(Issuer+"/token")).with("sub", `"client-7"`) }},
		{"a request object", "RFC 9101 10.8", "type_wrong", House, setting("typ", `"oauth-authz-req+jwt"`), adding("response_type", `"code"`)},
		{"a proof of possession", "RFC 9449 4.2", "header_refused", House,
			func(o object) object { return o.with("typ", `"dpop+jwt"`).with("jwk", "{}") }, adding("htu", `"https://api.example"`)},
		{"a token bound to its sender", "RFC 7800 3, RFC 8705 3", "confirm_not_configured", House, nil, adding("cnf", `{"x5t#S256":"AA"}`)},
		{"a token for staging by the same key", "RFC 8725 3.8", "issuer_wrong", Required, nil, setting("iss", `"https://staging.issuer.example"`)},
		{"a token of another tenant by the same key", "RFC 8725 3.8", "issuer_wrong", Required, nil, setting("iss", quote(Issuer+"/tenants/b"))},
		{"a token for another service by the same key", "RFC 8725 3.9", "audience_wrong", Required, nil, setting("aud", `"https://billing.example"`)},
		{"a token for the issuer's own user info", "RFC 8725 3.9", "audience_wrong", Required, nil, setting("aud", quote(Issuer+"/userinfo"))},
	} {
		c.add(attempt{name: "of one issuer: " + row.name, source: row.source, rule: row.rule, want: row.want, header: row.header, claims: row.claims})
	}

	// The two profiles that this library is modelled on, and one in place of the other.
	platform := func(_ forge, a *Authority) {
		a.Profile = tokenauth.RFC9068(Issuer, Audience)
	}
	legacy := func(_ forge, a *Authority) {
		a.Profile = tokenauth.Profile{Issuers: []string{"orchestrator"}, NoAudience: true, Types: []string{"JWT"}, Algorithms: []string{"HS256"}}
		a.Keys[0].ID = ""
	}
	full := func(o object) object {
		return o.without("roles", "scopes").with("client_id", `"cli"`).with("scopes", `["openid"]`).with("caps", `["run"]`).with("cat", `"access"`)
	}
	old := func(o object) object {
		return o.without("aud").with("iss", `"orchestrator"`).with("email", `"alice@example.com"`)
	}
	oldHeader := func(o object) object { return o.without("kid").with("typ", `"JWT"`) }
	for _, row := range []struct {
		name, alg, want string
		setup           func(forge, *Authority)
		header, claims  func(object) object
	}{
		{"the platform's own", "EdDSA", OK, platform, nil, full},
		{"the platform's own in full", "EdDSA", OK, platform, setting("typ", `"application/at+jwt"`), full},
		{"without client_id", "EdDSA", "client_id_missing", platform, nil, func(o object) object { return full(o).without("client_id") }},
		{"without jti", "EdDSA", "token_id_missing", platform, nil, func(o object) object { return full(o).without("jti") }},
		{"with a member nobody knows", "EdDSA", "claims_unknown", platform, nil, func(o object) object { return full(o).with("tier", "1") }},
		{"with a header member nobody knows", "EdDSA", "header_refused", platform, setting("tenant", "1"), full},
		{"by a key for another alg", "ES256", "algorithm_wrong", platform, nil, full},
		{"by a secret", "HS256", "algorithm_wrong", platform, nil, full},
		{"a life of 25 hours", "EdDSA", "lifetime_too_long", platform, nil, func(o object) object { return full(o).with("exp", seconds(Now().Add(25*time.Hour))) }},
		{"issued 61 seconds ahead", "EdDSA", "issued_in_future", platform, nil, func(o object) object { return full(o).with("iat", seconds(Now().Add(61*time.Second))) }},
		{"issued 60 seconds ahead", "EdDSA", OK, platform, nil, func(o object) object { return full(o).with("iat", seconds(Now().Add(60*time.Second))) }},
		{"the orchestrator's own", "HS256", OK, legacy, oldHeader, old},
		{"the orchestrator's with jti null", "HS256", OK, legacy, oldHeader, func(o object) object { return old(o).with("jti", "null") }},
		{"the orchestrator's with an audience", "HS256", "audience_wrong", legacy, oldHeader, func(o object) object { return old(o).with("aud", quote(Audience)) }},
		{"the orchestrator's with a kid", "HS256", "key_unknown", legacy, setting("typ", `"JWT"`), old},
		{"the orchestrator's with the platform's type", "HS256", "type_wrong", legacy, dropping("kid"), old},
		{"the orchestrator's at the default profile", "HS256", "issuer_wrong", func(_ forge, a *Authority) { a.Keys[0].ID = "" }, oldHeader, old},
		{"the orchestrator's at the platform", "HS256", "algorithm_wrong", func(f forge, a *Authority) { platform(f, a); a.Keys[0].ID = "" }, oldHeader, old},
		{"the platform's at the orchestrator", "EdDSA", "algorithm_wrong", func(f forge, a *Authority) { legacy(f, a); a.Keys[0].ID = KeyID }, nil, full},
	} {
		c.add(attempt{
			name: "two profiles: " + row.name, source: "RFC 9068 2, 4", rule: House, want: row.want, algorithms: []string{row.alg},
			setup: row.setup, header: row.header, claims: row.claims,
		})
	}
}

// addAcross adds the rows of an attempt with several authorities.
func (c *corpus) addAcross(a attempt, authorities func(f forge) []Authority) {
	before := len(c.rows)
	c.add(a)
	for i := before; i < len(c.rows); i++ {
		c.rows[i].Authorities = authorities(c.keys.trusted(c.rows[i].Algorithm))
	}
}

// scopeOf returns the claim scopes with one scope; id is JSON.
func scopeOf(kind, id, level string) string {
	return `[{"resource_kind":` + quote(kind) + `,"resource_id":` + id + `,"level":` + quote(level) + "}]"
}

// addScopeQuestions asks for more than a scope grants. Kinds and ids are compared byte by byte.
func (c *corpus) addScopeQuestions() {
	const read, execute, write = tokenauth.LevelRead, tokenauth.LevelExecute, tokenauth.LevelWrite
	const no, ill = "scope_insufficient", "question_ill_formed"
	plain := func(kind, id, level string) func(object) object {
		return func(o object) object { return o.with("roles", "[]").with("scopes", scopeOf(kind, quote(id), level)) }
	}
	web := plain("deployment", "web", "write")
	webRead := plain("deployment", "web", "read")
	allDeployments := func(o object) object {
		return o.with("roles", "[]").with("scopes", scopeOf("deployment", "null", "write"))
	}
	for _, row := range []struct {
		name   string
		claims func(object) object
		ask    Question
		want   string
	}{
		{"S1 exactly", webRead, Question{Kind: "deployment", ID: "web", Level: read}, OK},
		{"S2 a higher level", webRead, Question{Kind: "deployment", ID: "web", Level: write}, no},
		{"S2 the next level", webRead, Question{Kind: "deployment", ID: "web", Level: execute}, no},
		{"S3 the level itself", web, Question{Kind: "deployment", ID: "web", Level: write}, OK},
		{"S3 a level below", web, Question{Kind: "deployment", ID: "web", Level: execute}, OK},
		{"S3 the lowest level", web, Question{Kind: "deployment", ID: "web", Level: read}, OK},
		{"S4 write by execute", plain("deployment", "web", "execute"), Question{Kind: "deployment", ID: "web", Level: write}, no},
		{"S5 the wildcard", allDeployments, Question{Kind: "deployment", ID: "anything", Level: read}, OK},
		{"S6 another id", web, Question{Kind: "deployment", ID: "api", Level: read}, no},
		{"S6 an id that begins with it", web, Question{Kind: "deployment", ID: "web2", Level: read}, no},
		{"S6 an id that it begins with", web, Question{Kind: "deployment", ID: "we", Level: read}, no},
		{"S6 upper case", web, Question{Kind: "deployment", ID: "WEB", Level: read}, no},
		{"S6 title case", web, Question{Kind: "deployment", ID: "Web", Level: read}, no},
		{"S6 percent-encoded blank", web, Question{Kind: "deployment", ID: "web%20", Level: read}, no},
		{"S6 percent-encoded letter", web, Question{Kind: "deployment", ID: "%77eb", Level: read}, no},
		{"S6 percent-encoded twice", web, Question{Kind: "deployment", ID: "%2577eb", Level: read}, no},
		{"S6 a path", web, Question{Kind: "deployment", ID: "./web", Level: read}, no},
		{"S6 a path upwards", web, Question{Kind: "deployment", ID: "api/../web", Level: read}, no},
		{"S6 a path below", web, Question{Kind: "deployment", ID: "web/pods", Level: read}, no},
		{"S6 a path upwards from it", web, Question{Kind: "deployment", ID: "web/../api", Level: read}, no},
		{"S6 a slash behind", web, Question{Kind: "deployment", ID: "web/", Level: read}, no},
		{"S6 a slash before", web, Question{Kind: "deployment", ID: "/web", Level: read}, no},
		{"S6 a backslash", web, Question{Kind: "deployment", ID: `web\`, Level: read}, no},
		{"S6 a blank behind", web, Question{Kind: "deployment", ID: "web ", Level: read}, no},
		{"S6 a blank before", web, Question{Kind: "deployment", ID: " web", Level: read}, no},
		{"S6 a line feed behind", web, Question{Kind: "deployment", ID: "web\n", Level: read}, no},
		{"S6 NUL behind", web, Question{Kind: "deployment", ID: "web\x00", Level: read}, no},
		{"S6 NUL and more", web, Question{Kind: "deployment", ID: "web\x00api", Level: read}, no},
		{"S6 a zero width joiner", web, Question{Kind: "deployment", ID: "w\u200deb", Level: read}, no},
		{"S6 right-to-left", web, Question{Kind: "deployment", ID: "\u202eweb", Level: read}, no},
		{"S6 a byte order mark", web, Question{Kind: "deployment", ID: "\ufeffweb", Level: read}, no},
		{"S6 full width", web, Question{Kind: "deployment", ID: fullWidth("web"), Level: read}, no},
		{"S6 a homoglyph", web, Question{Kind: "deployment", ID: "w\u0435b", Level: read}, no},
		{"S6 a combining mark", web, Question{Kind: "deployment", ID: "web\u0301", Level: read}, no},
		{"S6 a letter, decomposed", plain("deployment", "caf\u00e9", "write"), Question{Kind: "deployment", ID: "cafe\u0301", Level: read}, no},
		{"S6 a letter, composed", plain("deployment", "cafe\u0301", "write"), Question{Kind: "deployment", ID: "caf\u00e9", Level: read}, no},
		{"S6 the same letter", plain("deployment", "caf\u00e9", "write"), Question{Kind: "deployment", ID: "caf\u00e9", Level: read}, OK},
		{"S6 sharp s", plain("deployment", "stra\u00dfe", "write"), Question{Kind: "deployment", ID: "strasse", Level: read}, no},
		{"S6 a ligature", plain("deployment", "file", "write"), Question{Kind: "deployment", ID: "\ufb01le", Level: read}, no},
		{"S6 dotless i", plain("deployment", "id", "write"), Question{Kind: "deployment", ID: "\u0131d", Level: read}, no},
		{"S6 the Kelvin sign", plain("deployment", "k", "write"), Question{Kind: "deployment", ID: "\u212a", Level: read}, no},
		{"S6 invalid UTF-8", web, Question{Kind: "deployment", ID: "web\xff", Level: read}, no},
		{"S6 invalid UTF-8 for the replacement character", plain("deployment", "\ufffd", "write"), Question{Kind: "deployment", ID: "\xff", Level: read}, no},
		{"S6 a number with a zero before", plain("deployment", "7", "write"), Question{Kind: "deployment", ID: "07", Level: read}, no},
		{"S6 a number with a fraction", plain("deployment", "7", "write"), Question{Kind: "deployment", ID: "7.0", Level: read}, no},
		{"S6 a UUID in upper case", plain("deployment", "01890a5d-ac96", "write"), Question{Kind: "deployment", ID: "01890A5D-AC96", Level: read}, no},
		{"S7 another kind", allDeployments, Question{Kind: "secret", ID: "x", Level: read}, no},
		{"S7 the kind in title case", allDeployments, Question{Kind: "Deployment", ID: "x", Level: read}, no},
		{"S7 the kind in the plural", allDeployments, Question{Kind: "deployments", ID: "x", Level: read}, no},
		{"S7 the kind cut", allDeployments, Question{Kind: "deploy", ID: "x", Level: read}, no},
		{"S7 the kind with a colon", allDeployments, Question{Kind: "deployment:", ID: "x", Level: read}, no},
		{"S7 the kind and the id in one", web, Question{Kind: "deployment:web", ID: "web", Level: read}, no},
		{"S7 the kind with a blank", allDeployments, Question{Kind: "deployment ", ID: "x", Level: read}, no},
		{"S7 the kind with NUL", allDeployments, Question{Kind: "deployment\x00", ID: "x", Level: read}, no},
		{"S7 any kind", allDeployments, Question{Kind: "*", ID: "x", Level: read}, no},
		{"S7 kind and id swapped", web, Question{Kind: "web", ID: "deployment", Level: read}, no},
		{"S8 the collection by one id", web, Question{Kind: "deployment", ID: tokenauth.AnyResource, Level: read}, no},
		{"S8 a star by one id", web, Question{Kind: "deployment", ID: "*", Level: read}, no},
		{"S9 the collection by the wildcard", allDeployments, Question{Kind: "deployment", ID: tokenauth.AnyResource, Level: read}, OK},
		{"S10 no id", web, Question{Kind: "deployment", ID: "", Level: read}, ill},
		{"S10 no kind", web, Question{Kind: "", ID: "web", Level: read}, ill},
		{"S10 a level that there is not", web, Question{Kind: "deployment", ID: "web", Level: 9}, ill},
		{"S12 level none", web, Question{Kind: "deployment", ID: "web", Level: tokenauth.LevelNone}, ill},
		{"S13 a scope of level none", plain("deployment", "web", "none"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"S14 two scopes never combine", func(o object) object {
			return o.with("roles", "[]").with("scopes", strings.TrimSuffix(scopeOf("deployment", `"a"`, "read"), "]")+","+strings.TrimPrefix(scopeOf("deployment", `"b"`, "write"), "["))
		}, Question{Kind: "deployment", ID: "a", Level: write}, no},
		{"S15 a wildcard for reading and one for writing", func(o object) object {
			return o.with("roles", "[]").with("scopes", strings.TrimSuffix(scopeOf("deployment", "null", "read"), "]")+","+strings.TrimPrefix(scopeOf("deployment", `"web"`, "write"), "["))
		}, Question{Kind: "deployment", ID: "api", Level: write}, no},
		{"no scopes", func(o object) object { return o.with("roles", "[]").without("scopes") }, Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"a role that is not admin", func(o object) object { return o.without("scopes") }, Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id that looks like a pattern: *", plain("deployment", "we*", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id that looks like a pattern: .*", plain("deployment", ".*", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id that looks like a pattern: %", plain("deployment", "%", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id that looks like a pattern: ?", plain("deployment", "we?", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id that looks like a list", plain("deployment", "web,api", "write"), Question{Kind: "deployment", ID: "api", Level: read}, no},
		{"an id that looks like scopes", plain("deployment", "x:read,deployment:*", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id that looks like null", plain("deployment", "null", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id of the wildcard's bytes in UTF-8", plain("deployment", "\u00ff*", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"the wildcard's bytes for an id, by an id of UTF-8", plain("deployment", "\u00ff*", "write"), Question{Kind: "deployment", ID: tokenauth.AnyResource, Level: read}, no},
		{"a kind that looks like any", plain("*", "web", "write"), Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an OAuth scope that looks like a scope", func(o object) object {
			return o.with("roles", "[]").with("scopes", `["deployment:web:write","deployment:*:write","*"]`)
		}, Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"a claim scope that looks like a scope", func(o object) object {
			return o.with("roles", "[]").without("scopes").with("scope", `"deployment:web:write"`)
		}, Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"a capability that looks like a scope", func(o object) object {
			return o.with("roles", "[]").without("scopes").with("caps", `["deployment:web:write"]`)
		}, Question{Kind: "deployment", ID: "web", Level: read}, no},
		{"an id with colons", plain("secret", "project:p1:env:x", "read"), Question{Kind: "secret", ID: "project:p1:env:x", Level: read}, OK},
		{"an id that is a path, exactly", plain("file", "../a", "read"), Question{Kind: "file", ID: "../a", Level: read}, OK},
	} {
		c.add(attempt{name: row.name, source: "scope semantics; CWE-285, CWE-22, CWE-176", rule: House, want: row.want, claims: row.claims, ask: row.ask, algorithms: []string{"HS256", "EdDSA"}})
	}
}

// addLookAlikes: the role admin decides every scope question, so that nothing that only looks like it may.
func (c *corpus) addLookAlikes() {
	anything := Question{Kind: "secret", ID: "s", Level: tokenauth.LevelRead}
	bare := func(o object) object { return o.with("roles", "[]").without("scopes") }
	two := []string{"HS256", "EdDSA"}
	for _, role := range []struct{ name, text string }{
		{"title case", "Admin"}, {"upper case", "ADMIN"}, {"mixed case", "aDMIN"}, {"a blank before", " admin"}, {"a blank behind", "admin "},
		{"a tab behind", "admin\t"}, {"a line feed behind", "admin\n"}, {"a carriage return behind", "admin\r"}, {"dotless i", "adm\u0131n"},
		{"dotted capital I", "ADM\u0130N"}, {"Cyrillic a", "\u0430dmin"}, {"Greek alpha", "\u03b1dmin"}, {"full width", fullWidth("admin")},
		{"a zero width space behind", "admin\u200b"}, {"a soft hyphen", "ad\u00admin"}, {"a byte order mark", "\ufeffadmin"}, {"a combining mark", "admi\u0301n"},
		{"right-to-left", "\u202enimda"}, {"a mathematical letter", "\U0001d41admin"}, {"a list", "admin,operator"}, {"a list with a blank", "admin operator"},
		{"a prefix", "administrator"}, {"a suffix", "sysadmin"}, {"a plural", "admins"}, {"a prefix of a role", "adm"}, {"root", "root"}, {"superuser", "superuser"},
		{"a wildcard", "*"}, {"a path", "/admin"}, {"a dotted name", "role.admin"}, {"a Spring role", "ROLE_ADMIN"}, {"a colon", "admin:true"}, {"quotes", `"admin"`},
		{"base64", "YWRtaW4="}, {"percent-encoded", "%61dmin"}, {"an entity", "&#97;dmin"}, {"an LDAP name", "cn=admin"}, {"true", "true"}, {"1", "1"},
	} {
		c.add(attempt{
			name: "a role: " + role.name, source: "C3; CWE-178, CWE-176", rule: House, want: "scope_insufficient", algorithms: two,
			claims: func(o object) object { return bare(o).with("roles", list(role.text)) }, ask: anything,
		})
	}
	for _, row := range []struct {
		name   string
		claims func(object) object
	}{
		{"the sub", setting("sub", `"admin"`)},
		{"the sub root", setting("sub", `"root"`)},
		{"the email", setting("email", `"admin@issuer.example"`)},
		{"the node", setting("node_id", `"admin"`)},
		{"the client", setting("client_id", `"admin"`)},
		{"the account type", setting("account_type", `"admin"`)},
		{"the delegator", setting("delegator", `"admin"`)},
		{"the actor", setting("act", `{"sub":"admin"}`)},
		{"a capability", setting("caps", `["admin"]`)},
		{"an OAuth scope", setting("scopes", `["admin"]`)},
		{"the claim scope", setting("scope", `"admin"`)},
		{"the claim role", setting("role", `"admin"`)},
		{"the claim isAdmin", setting("isAdmin", "true")},
		{"the claim is_admin", setting("is_admin", "true")},
		{"the claim administrator", setting("administrator", "true")},
		{"the claim root", setting("root", "true")},
		{"the claim groups", setting("groups", `["admin"]`)},
		{"the claim permissions", setting("permissions", `["*"]`)},
		{"the claim authorities", setting("authorities", `["admin"]`)},
		{"the claim realm_access", setting("realm_access", `{"roles":["admin"]}`)},
		{"the claim cognito:groups", setting("cognito:groups", `["admin"]`)},
		{"the claim user", setting("user", `{"roles":["admin"],"admin":true}`)},
		{"a claim named by a URI", setting("https://issuer.example/roles", `["admin"]`)},
		{"__proto__", setting("__proto__", `{"roles":["admin"],"admin":true}`)},
		{"two halves of the role", setting("roles", `["ad","min"]`)},
		{"a scope of kind admin", setting("scopes", scopeOf("admin", "null", "write"))},
	} {
		c.add(attempt{
			name: "elsewhere: " + row.name, source: "C2, C14; CWE-269", rule: House, want: "scope_insufficient", algorithms: two,
			claims: func(o object) object { return row.claims(bare(o)) }, ask: anything,
		})
	}
	admin := func(o object) object { return bare(o).with("roles", `["admin"]`) }
	for _, row := range []struct {
		name   string
		claims func(object) object
		ask    Question
		want   string
	}{
		{"admin decides", admin, anything, OK},
		{"admin in escapes decides", func(o object) object { return bare(o).with("roles", "["+escaped("admin")+"]") }, anything, OK},
		{"admin among others decides", func(o object) object { return bare(o).with("roles", `["a","admin","b"]`) }, anything, OK},
		{"admin and one narrow scope decides", setting("roles", `["admin"]`), anything, OK},
		{"admin, the collection", admin, Question{Kind: "secret", ID: tokenauth.AnyResource, Level: tokenauth.LevelWrite}, OK},
		{"S10 admin, no id", admin, Question{Kind: "secret", ID: "", Level: tokenauth.LevelRead}, "question_ill_formed"},
		{"S10 admin, no kind", admin, Question{Kind: "", ID: "s", Level: tokenauth.LevelRead}, "question_ill_formed"},
		{"S10 admin, a level that there is not", admin, Question{Kind: "secret", ID: "s", Level: 9}, "question_ill_formed"},
		{"S12 admin, level none", admin, Question{Kind: "secret", ID: "s"}, "question_ill_formed"},
		{"admin is no other role", admin, Question{Role: "operator"}, "role_missing"},
		{"admin has no OAuth scope by it", admin, Question{OAuthScope: "openid"}, "oauth_scope_missing"},
		{"admin has no capability by it", admin, Question{Capability: "run"}, NotHeld},
		{"a role, exactly", setting("roles", `["operator"]`), Question{Role: "operator"}, OK},
		{"a role in title case", setting("roles", `["Operator"]`), Question{Role: "operator"}, "role_missing"},
		{"a role with a blank", setting("roles", `["operator "]`), Question{Role: "operator"}, "role_missing"},
		{"a longer role", setting("roles", `["operator2"]`), Question{Role: "operator"}, "role_missing"},
		{"a shorter role", setting("roles", `["operato"]`), Question{Role: "operator"}, "role_missing"},
		{"a list in a role", setting("roles", `["a,operator"]`), Question{Role: "operator"}, "role_missing"},
		{"a wildcard role", setting("roles", `["*"]`), Question{Role: "operator"}, "role_missing"},
		{"an OAuth scope, exactly", setting("scopes", `["openid","profile"]`), Question{OAuthScope: "profile"}, OK},
		{"an OAuth scope, exactly, in scope", adding("scope", `"openid profile"`), Question{OAuthScope: "profile"}, OK},
		{"an OAuth scope that begins alike", setting("scopes", `["profile:read"]`), Question{OAuthScope: "profile"}, "oauth_scope_missing"},
		{"an OAuth scope in upper case", setting("scopes", `["PROFILE"]`), Question{OAuthScope: "profile"}, "oauth_scope_missing"},
		{"an OAuth scope in a list with commas", setting("scopes", `["openid,profile"]`), Question{OAuthScope: "profile"}, "oauth_scope_missing"},
		{"an OAuth scope in part of a word", adding("scope", `"openid_profile"`), Question{OAuthScope: "profile"}, "oauth_scope_missing"},
		{"a capability, exactly", setting("caps", `["run"]`), Question{Capability: "run"}, OK},
		{"a capability in upper case", setting("caps", `["RUN"]`), Question{Capability: "run"}, NotHeld},
		{"a capability that begins alike", setting("caps", `["run:all"]`), Question{Capability: "run"}, NotHeld},
	} {
		c.add(attempt{name: row.name, source: "C1, S10; CWE-285", rule: House, want: row.want, claims: row.claims, ask: row.ask, algorithms: two})
	}
}
