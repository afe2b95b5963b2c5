package attack

import (
	"strconv"
	"strings"
)

// Attacks by the claims: who made the token, for whom, of what type it is, about whom, and what else stands there and is not what
// it should be. Names are compared byte by byte (RFC 7515 section 5.3), and a member of the wrong type is an error and never
// "absent": a check that a wrong type switches off is no check.

// wrongTypes are JSON values that are no text.
func wrongTypes() []struct{ name, json string } {
	return []struct{ name, json string }{
		{"a number", "1"}, {"zero", "0"}, {"true", "true"}, {"false", "false"}, {"an object", "{}"}, {"a list", "[]"},
		{"a list of one text", `["x"]`},
	}
}

// lookAlikes are texts that are almost the given one, to be refused wherever that one is wanted.
func lookAlikes(s string) []struct{ name, text string } {
	last := len(s) - 1
	return []struct{ name, text string }{
		{"in upper case", strings.ToUpper(s)},
		{"in title case", strings.ToUpper(s[:1]) + s[1:]},
		{"with a slash behind", s + "/"},
		{"with a blank behind", s + " "},
		{"with a blank before", " " + s},
		{"with a line feed behind", s + "\n"},
		{"with NUL behind", s + "\x00"},
		{"with NUL and more behind", s + "\x00.attacker.invalid"},
		{"with a zero width space", s[:4] + "\u200b" + s[4:]},
		{"with a byte order mark before", "\ufeff" + s},
		{"cut by a character", s[:last]},
		{"with a character more", s + "x"},
		{"percent-encoded", s[:last] + "%65"},
		{"full width", s[:last] + fullWidth(s[last:])},
		{"with a homoglyph", strings.Replace(s, "e", "\u0435", 1)},
		{"with a combining mark", s + "\u0301"},
		{"twice with a blank", s + " " + s},
		{"twice with a comma", s + "," + s},
	}
}

func (c *corpus) addIssuers() {
	for _, value := range append(wrongTypes(), struct{ name, json string }{"a list with the right one", list(Issuer)}) {
		c.add(attempt{name: "iss is " + value.name, source: "RFC 7519 4.1.1; RFC 8725 3.8", want: "claims_malformed", claims: setting("iss", value.json)})
	}
	c.add(attempt{name: "no iss", source: "RFC 8725 3.8", want: "claims_malformed", claims: dropping("iss")})
	c.add(attempt{name: "iss is null", source: "RFC 8725 3.8", want: "claims_malformed", claims: setting("iss", "null")})
	c.add(attempt{name: "iss is empty", source: "RFC 8725 3.8", want: "claims_malformed", claims: setting("iss", `""`)})
	wrong := append(lookAlikes(Issuer), []struct{ name, text string }{
		{"another", "https://other.example"},
		{"over http", "http://issuer.example"},
		{"without scheme", "issuer.example"},
		{"with its port", "https://issuer.example:443"},
		{"with a dot behind the host", "https://issuer.example."},
		{"with a user", "https://alice@issuer.example"},
		{"as a user of another host", "https://issuer.example@attacker.invalid"},
		{"as a label of another host", "https://issuer.example.attacker.invalid"},
		{"as a path of another host", "https://attacker.invalid/https://issuer.example"},
		{"with a query", "https://issuer.example?"},
		{"with a fragment", "https://issuer.example#"},
		{"with a path upwards", "https://issuer.example/a/.."},
		{"a subdomain", "https://a.issuer.example"},
		{"a pattern", "https://*.example"},
		{"a regular expression", ".*"},
		{"a wildcard", "*"},
		{"the audience", Audience},
	}...)
	for _, row := range wrong {
		want := "issuer_wrong"
		if strings.Contains(row.text, "\x00") {
			want = "claims_malformed|issuer_wrong"
		}
		c.add(attempt{name: "iss " + row.name, source: "RFC 7519 4.1.1, RFC 8725 3.8", want: want, claims: setting("iss", quote(row.text))})
	}
	c.add(attempt{
		name: "iss of 5000 bytes", source: "RFC 8725 3.8", want: "claims_malformed|issuer_wrong",
		claims: setting("iss", quote(Issuer+strings.Repeat("x", 5000))),
	})
	c.add(attempt{
		name: "iss is the second of two names", source: "Profile.Issuers", rule: House, want: OK,
		claims: setting("iss", `"https://old.issuer.example"`),
		setup: func(_ forge, a *Authority) {
			a.Profile.Issuers = append(a.Profile.Issuers, "https://old.issuer.example")
		},
	})
}

func (c *corpus) addAudiences() {
	other := "https://other.example"
	for _, value := range []struct {
		name, json string
		rule       Rule
		want       string
	}{
		{"a number", "1", Required, "claims_malformed"},
		{"zero", "0", Required, "claims_malformed"},
		{"true", "true", Required, "claims_malformed"},
		{"false", "false", Required, "claims_malformed"},
		{"null", "null", Required, "claims_malformed"},
		{"empty", `""`, Required, "claims_malformed"},
		{"an empty list", "[]", Required, "claims_malformed"},
		{"an object", "{}", Required, "claims_malformed"},
		{"an object with the right one", `{"` + Audience + `":true}`, Required, "claims_malformed"},
		{"an object like a list", `{"0":` + quote(Audience) + `}`, Required, "claims_malformed"},
		{"a list of null", "[null]", Required, "claims_malformed"},
		{"a list of empty text", `[""]`, Required, "claims_malformed"},
		{"a list of a number", "[1]", Required, "claims_malformed"},
		{"a list in a list", `[[` + quote(Audience) + `]]`, Required, "claims_malformed"},
		{"the right one and null", `[` + quote(Audience) + `,null]`, Prudent, "claims_malformed"},
		{"the right one and a number", `[` + quote(Audience) + `,1]`, Prudent, "claims_malformed"},
		{"the right one and empty text", `[` + quote(Audience) + `,""]`, House, "claims_malformed"},
		{"a list as text", quote(list(Audience)), Required, "audience_wrong"},
		{"others", list(other, "https://third.example"), Required, "audience_wrong"},
		{"the right one twice in one text of a list", list(Audience + " " + other), Required, "audience_wrong"},
		{"257 with the right one", repeated(quote(Audience), 257), House, "claims_too_many|token_too_long"},
	} {
		c.add(attempt{
			name: "aud is " + value.name, source: "RFC 7519 4.1.3; RFC 8725 3.9; CVE-2020-26160", rule: value.rule, want: value.want,
			claims: setting("aud", value.json),
		})
	}
	c.add(attempt{name: "no aud", source: "RFC 7519 4.1.3; RFC 8725 3.9", want: "audience_wrong", claims: dropping("aud")})
	wrong := append(lookAlikes(Audience), []struct{ name, text string }{
		{"another", other}, {"a wildcard", "*"}, {"a pattern", "https://*.example"}, {"a regular expression", ".*"}, {"a path below", Audience + "/v1"},
		{"the host alone", "api.example"}, {"over http", "http://api.example"}, {"with its port", Audience + ":443"}, {"a client's id", "client-7"},
		{"the issuer", Issuer}, {"a prefix of it", "https://api"}, {"the list in text", Audience + "," + other},
	}...)
	for _, row := range wrong {
		for _, form := range []struct {
			name string
			json string
		}{{"aud ", quote(row.text)}, {"aud, in a list, ", list(other, row.text)}} {
			want := "audience_wrong"
			if strings.Contains(row.text, "\x00") {
				want = "claims_malformed|audience_wrong"
			}
			c.add(attempt{name: form.name + row.name, source: "RFC 7519 4.1.3, RFC 8725 3.9", want: want, claims: setting("aud", form.json)})
		}
	}
	c.add(attempt{
		name: "an aud where there must be none", source: "Profile.NoAudience", rule: House, want: "audience_wrong",
		setup: func(_ forge, a *Authority) { a.Profile.Audiences, a.Profile.NoAudience = nil, true },
	})
	for _, row := range []struct{ name, json string }{
		{"a list of one", list(Audience)}, {"the first of a list", list(Audience, other)}, {"the last of a list", list(other, Audience)},
		{"twice in a list", list(Audience, Audience)}, {"among 200", "[" + strings.Repeat(`"a",`, 199) + quote(Audience) + "]"},
	} {
		c.add(attempt{name: "aud is " + row.name, source: "RFC 7519 4.1.3", want: OK, claims: setting("aud", row.json)})
	}
	c.add(attempt{
		name: "no aud where there must be none", source: "RFC 7519 4.1.3: optional", rule: House, want: OK, claims: dropping("aud"),
		setup: func(_ forge, a *Authority) { a.Profile.Audiences, a.Profile.NoAudience = nil, true },
	})
}

// addTypes: a token of another type is not for us even if everything else fits (RFC 8725 section 3.11, RFC 9068 section 4). Most
// libraries leave typ to the caller, so that these rows are the house's.
func (c *corpus) addTypes() {
	for _, value := range append(wrongTypes(), []struct{ name, json string }{
		{"null", "null"}, {"empty", `""`}, {"a list with the right one", `["at+jwt"]`}, {"129 bytes", quote(strings.Repeat("t", 129))},
	}...) {
		c.add(attempt{name: "typ is " + value.name, source: "RFC 7515 4.1.9", rule: House, want: "header_malformed", header: setting("typ", value.json)})
	}
	for _, typ := range []string{
		"JWT", "jwt", "application/jwt", "id_token", "id+jwt", "rt+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "kb+jwt", "vc+sd-jwt",
		"token-introspection+jwt", "oauth-authz-req+jwt", "entity-statement+jwt", "JOSE", "JWE", "AT+JWT", "At+Jwt", "at+jwt ", " at+jwt",
		"at+jwt\x00", "at+jwt; charset=utf-8", "at jwt", "at%2Bjwt", "at+jwt,JWT", "text/at+jwt", "application/application/at+jwt",
		"APPLICATION/at+jwt", "application/at+jwt;v=1", "\uff41t+jwt", "\u0430t+jwt", "at\uff0bjwt", "*", "*/*", "application/*",
	} {
		c.add(attempt{
			name: "typ is " + strings.ReplaceAll(typ, "\x00", "NUL-ended"), source: "RFC 8725 3.11, RFC 9068 4", rule: House, want: "type_wrong",
			header: setting("typ", quote(typ)),
		})
	}
	c.add(attempt{name: "no typ", source: "RFC 8725 3.11, RFC 9068 4", rule: House, want: "type_wrong", header: dropping("typ")})
	c.add(attempt{
		name: "typ where there must be none", source: "Profile.Types", rule: House, want: "type_wrong",
		setup: func(_ forge, a *Authority) { a.Profile.Types = []string{""} },
	})
	c.add(attempt{name: "typ in full", source: "RFC 7515 4.1.9, RFC 9068 4", want: OK, header: setting("typ", `"application/at+jwt"`)})
	c.add(attempt{name: "typ in escapes", source: "RFC 8259 7", want: OK, header: setting("typ", escaped("at+jwt"))})
	c.add(attempt{
		name: "no typ where there may be none", source: "RFC 7519 5.1: optional", want: OK, header: dropping("typ"),
		setup: func(_ forge, a *Authority) { a.Profile.Types = []string{"", "JWT"} },
	})
	c.add(attempt{
		name: "typ JWT where that is the profile's", source: "RFC 7519 5.1", want: OK, header: setting("typ", `"JWT"`),
		setup: func(_ forge, a *Authority) { a.Profile.Types = []string{"", "JWT"} },
	})
}

func (c *corpus) addSubjects() {
	for _, value := range wrongTypes() {
		c.add(attempt{name: "sub is " + value.name, source: "RFC 7519 4.1.2", want: "claims_malformed", claims: setting("sub", value.json)})
	}
	for _, row := range []struct {
		name   string
		claims func(object) object
	}{
		{"no sub", dropping("sub")},
		{"sub is null", setting("sub", "null")},
		{"sub is empty", setting("sub", `""`)},
		{"sub is everybody", setting("sub", `"*"`)},
		{"sub is everybody, in escapes", setting("sub", `"\u002a"`)},
		{"sub with NUL", setting("sub", `"alice\u0000"`)},
		{"sub is NUL", setting("sub", `"\u0000"`)},
		{"sub with NUL inside", setting("sub", `"al\u0000ice"`)},
		{"sub of 256 bytes", setting("sub", quote(strings.Repeat("a", 256)))},
		{"sub of 256 bytes in 128 letters", setting("sub", quote(strings.Repeat("é", 128)))},
	} {
		c.add(attempt{name: row.name, source: "RFC 9068 2.2, RFC 8725 3.8", rule: House, want: "claims_malformed", claims: row.claims})
	}
	for _, sub := range []struct{ name, text string }{
		{"255 bytes", strings.Repeat("a", 255)}, {"one letter", "a"}, {"node", "node:n-7"}, {"an address", "alice@example.com"},
		{"all planes", "爱丽丝 😀 é"}, {"SQL", "' OR 1=1 --"}, {"a path", "../../etc/passwd"}, {"__proto__", "__proto__"}, {"stars", "**"},
		{"a line feed", "a\nb"},
	} {
		c.add(attempt{name: "sub is " + sub.name, source: "RFC 7519 4.1.2: any text", want: OK, claims: setting("sub", quote(sub.text))})
	}
}

func (c *corpus) addTokenIDs() {
	for _, value := range wrongTypes() {
		c.add(attempt{name: "jti is " + value.name, source: "RFC 7519 4.1.7", want: "claims_malformed", claims: setting("jti", value.json)})
	}
	for _, row := range []struct{ name, json string }{
		{"empty", `""`}, {"129 bytes", quote(strings.Repeat("j", 129))}, {"NUL-ended", `"id-1\u0000"`}, {"NUL", `"\u0000"`},
		{"4000 bytes", quote(strings.Repeat("j", 4000))},
	} {
		c.add(attempt{name: "jti is " + row.name, source: "RFC 7519 4.1.7", rule: House, want: "claims_malformed", claims: setting("jti", row.json)})
	}
	c.add(attempt{name: "no jti, where one is required", source: "RFC 9068 2.2", rule: House, want: "token_id_missing", claims: dropping("jti"),
		setup: func(_ forge, a *Authority) { a.Profile.RequireID = true }})
	c.add(attempt{name: "jti is null, where one is required", source: "RFC 9068 2.2", rule: House, want: "token_id_missing", claims: setting("jti", "null"),
		setup: func(_ forge, a *Authority) { a.Profile.RequireID = true }})
	for _, id := range []struct{ name, text string }{
		{"128 bytes", strings.Repeat("j", 128)}, {"SQL", "' OR 1=1 --"}, {"a path", "../x"}, {"all planes", "漢😀"}, {"a UUID", "01890a5d-ac96-774b-bcce-b302099a8057"},
	} {
		c.add(attempt{name: "jti is " + id.name, source: "RFC 7519 4.1.7: any text", want: OK, claims: setting("jti", quote(id.text))})
	}
	c.add(attempt{name: "no jti", source: "RFC 7519 4.1.7: optional", want: OK, claims: dropping("jti")})
}

// Roles, scopes and what else is written by an issuer of this library's kind are nobody else's business.

func (c *corpus) addRoles() {
	for _, value := range []struct{ name, json string }{
		{"null", "null"}, {"text", `"operator"`}, {"empty text", `""`}, {"a number", "1"}, {"true", "true"}, {"an object", "{}"},
		{"an object like a list", `{"0":"admin"}`}, {"a list of null", "[null]"}, {"a list of numbers", "[0]"}, {"a list in a list", `[["admin"]]`},
		{"a list of objects", `[{"name":"admin"}]`}, {"a list of empty text", `[""]`}, {"a list of true", "[true]"}, {"a text and a number", `["operator",1]`},
		{"a role with NUL", `["admin\u0000"]`}, {"a role of 5000 bytes", list(strings.Repeat("r", 5000))},
	} {
		c.add(attempt{name: "roles is " + value.name, source: "wrong type or text", rule: House, want: "claims_malformed", claims: setting("roles", value.json)})
	}
	c.add(attempt{name: "257 roles", source: "bounded input", rule: House, want: "claims_too_many", claims: setting("roles", repeated(`"r"`, 257))})
	c.add(attempt{name: "no roles", source: "optional", want: OK, claims: dropping("roles")})
	c.add(attempt{name: "an empty list of roles", source: "optional", want: OK, claims: setting("roles", "[]")})
	c.add(attempt{name: "256 roles", source: "bounded input", rule: House, want: OK, claims: setting("roles", repeated(`"r"`, 256))})
}

func (c *corpus) addScopes() {
	scope := func(members string) string { return "[{" + members + "}]" }
	const kind, id, level = `"resource_kind":"deployment"`, `"resource_id":"web"`, `"level":"write"`
	all := kind + "," + id + "," + level
	for _, value := range []struct{ name, json string }{
		{"null", "null"}, {"text", `"deployment:web:write"`}, {"a number", "1"}, {"true", "true"}, {"an object", "{" + all + "}"},
		{"an object like a list", `{"0":{` + all + `}}`}, {"a list of null", "[null]"}, {"a list of numbers", "[1]"}, {"a list in a list", "[[{" + all + "}]]"},
		{"a list of an empty object", "[{}]"}, {"a list of empty text", `[""]`},
		{"an object and a text", "[{" + all + `},"openid"]`}, {"a text and an object", `["openid",{` + all + "}]"}, {"an object and null", "[{" + all + "},null]"},
		{"without kind", scope(id + "," + level)},
		{"without level", scope(kind + "," + id)},
		{"with kind null", scope(`"resource_kind":null,` + level)},
		{"with an empty kind", scope(`"resource_kind":"",` + level)},
		{"with a number for kind", scope(`"resource_kind":1,` + level)},
		{"with NUL in kind", scope(`"resource_kind":"deployment\u0000",` + level)},
		{"with a kind of 257 bytes", scope(`"resource_kind":` + quote(strings.Repeat("k", 257)) + "," + level)},
		{"with an empty id", scope(kind + `,"resource_id":"",` + level)},
		{"with a star for id", scope(kind + `,"resource_id":"*",` + level)},
		{"with a star in escapes for id", scope(kind + `,"resource_id":"\u002a",` + level)},
		{"with a number for id", scope(kind + `,"resource_id":7,` + level)},
		{"with true for id", scope(kind + `,"resource_id":true,` + level)},
		{"with a list for id", scope(kind + `,"resource_id":["web","api"],` + level)},
		{"with an object for id", scope(kind + `,"resource_id":{"$ne":null},` + level)},
		{"with NUL in the id", scope(kind + `,"resource_id":"web\u0000",` + level)},
		{"with an id of 257 bytes", scope(kind + `,"resource_id":` + quote(strings.Repeat("i", 257)) + "," + level)},
		{"with level null", scope(kind + "," + id + `,"level":null`)},
		{"with a number for level", scope(kind + "," + id + `,"level":3`)},
		{"with an empty level", scope(kind + "," + id + `,"level":""`)},
		{"with level Write", scope(kind + "," + id + `,"level":"Write"`)},
		{"with level WRITE", scope(kind + "," + id + `,"level":"WRITE"`)},
		{"with level write and a blank", scope(kind + "," + id + `,"level":"write "`)},
		{"with level admin", scope(kind + "," + id + `,"level":"admin"`)},
		{"with level *", scope(kind + "," + id + `,"level":"*"`)},
		{"with a list for level", scope(kind + "," + id + `,"level":["write"]`)},
		{"with a fourth member", scope(all + `,"resourceId":"api"`)},
		{"with a member in other letter case", scope(kind + `,"Resource_ID":"web",` + level)},
		{"with a misspelt id", scope(kind + `,"resource-id":"web",` + level)},
		{"with a note", scope(all + `,"note":1`)},
		{"with the id twice", scope(all + `,"resource_id":"api"`)},
		{"with the id twice, null last", scope(all + `,"resource_id":null`)},
		{"with the id twice, once in escapes", scope(all + `,"resource\u005fid":null`)},
		{"with the level twice", scope(kind + "," + id + `,"level":"read","level":"write"`)},
		{"with half a pair of surrogates for id", scope(kind + `,"resource_id":"\udc00",` + level)},
		{"OAuth scopes with a blank", `["openid profile"]`},
		{"OAuth scopes with a quote", `["open\"id"]`},
		{"OAuth scopes with a backslash", `["open\\id"]`},
		{"OAuth scopes with a letter beyond ASCII", `["openïd"]`},
	} {
		c.add(attempt{name: "scopes: " + value.name, source: "wrong type or text", rule: House, want: "claims_malformed", claims: setting("scopes", value.json)})
	}
	for _, value := range []struct{ name, json string }{
		{"a list", `["openid"]`}, {"a number", "1"}, {"true", "true"}, {"an object", "{}"}, {"empty", `""`}, {"a blank", `" "`}, {"two blanks between", `"a  b"`},
		{"a blank before", `" a"`}, {"a blank behind", `"a "`}, {"a tab between", `"a\tb"`}, {"a line feed between", `"a\nb"`}, {"a quote", `"a\"b"`},
		{"a backslash", `"a\\b"`}, {"a no-break space", `"a\u00a0b"`}, {"NUL", `"a\u0000"`},
	} {
		c.add(attempt{name: "scope: " + value.name, source: "RFC 6749 3.3", rule: House, want: "claims_malformed", claims: setting("scope", value.json)})
	}
	c.add(attempt{name: "scope and scopes, both OAuth's", source: "two readers", rule: House, want: "claims_malformed",
		claims: func(o object) object { return o.with("scopes", `["a"]`).with("scope", `"a b"`) }})
	c.add(attempt{name: "257 scopes", source: "bounded input", rule: House, want: "claims_too_many|token_too_long",
		claims: setting("scopes", repeated(`"s"`, 257))})
	c.add(attempt{name: "128 scopes and 129 of OAuth's", source: "bounded input", rule: House, want: "claims_too_many|token_too_long",
		claims: func(o object) object {
			return o.with("scopes", repeated(`{"resource_kind":"d","level":"read"}`, 128)).with("scope", quote(strings.TrimSpace(strings.Repeat("s ", 129))))
		}})
	for _, row := range []struct{ name, json string }{
		{"an empty list", "[]"}, {"a wildcard as null", scope(kind + `,"resource_id":null,` + level)}, {"a wildcard by absence", scope(kind + "," + level)},
		{"members in another order", scope(level + "," + id + "," + kind)}, {"names in escapes", scope(`"resource\u005fkind":"deployment",` + id + "," + level)},
		{"level none", scope(kind + "," + id + `,"level":"none"`)}, {"OAuth's", `["openid","profile"]`}, {"256 of OAuth's", repeated(`"s"`, 256)},
	} {
		c.add(attempt{name: "scopes: " + row.name, source: "scopes", rule: House, want: OK, claims: setting("scopes", row.json)})
	}
	c.add(attempt{name: "scope beside scopes of objects", source: "RFC 6749 3.3", want: OK, claims: adding("scope", `"openid profile"`)})
}

// addOtherClaims: what asks for a check that nobody here makes is refused and not ignored.
func (c *corpus) addOtherClaims() {
	for _, row := range []struct{ member, json, want string }{
		{"sid", `"s-1"`, "sessions_not_configured"},
		{"sv", "3", "epochs_not_configured"},
		{"admin", "true", "admin_not_configured"},
		{"cnf", `{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`, "confirm_not_configured"},
		{"cnf", `{}`, "confirm_not_configured"},
		{"cnf", `null`, "confirm_not_configured"},
		{"admin", `"true"`, "claims_malformed"}, {"admin", "1", "claims_malformed"}, {"admin", "null", "claims_malformed"}, {"admin", "[true]", "claims_malformed"},
		{"sid", `""`, "claims_malformed"}, {"sid", "1", "claims_malformed"}, {"sid", `"s\u0000"`, "claims_malformed"},
		{"sv", `"3"`, "claims_malformed"}, {"sv", "-1", "claims_malformed"}, {"sv", "0.5", "claims_malformed"}, {"sv", "null", "claims_malformed"},
		{"sv", "9007199254740992", "claims_malformed"}, {"sv", "1e99", "claims_malformed"}, {"sv", "18446744073709551616", "claims_malformed"},
		{"email", `""`, "claims_malformed"}, {"email", "1", "claims_malformed"}, {"email", `["a@example.com"]`, "claims_malformed"},
		{"node_id", `""`, "claims_malformed"}, {"node_id", "7", "claims_malformed"},
		{"client_id", `""`, "claims_malformed"}, {"client_id", "7", "claims_malformed"}, {"client_id", quote(strings.Repeat("c", 513)), "claims_malformed"},
		{"account_type", `""`, "claims_malformed"}, {"account_type", "true", "claims_malformed"},
		{"cat", `"refresh"`, "category_wrong"}, {"cat", `"Access"`, "category_wrong"}, {"cat", `"access "`, "category_wrong"}, {"cat", `""`, "claims_malformed"},
		{"cat", `["access"]`, "claims_malformed"},
		{"caps", `"run"`, "claims_malformed"}, {"caps", "[1]", "claims_malformed"}, {"caps", "null", "claims_malformed"}, {"caps", "{}", "claims_malformed"},
		{"caps", repeated(`"c"`, 257), "claims_too_many"},
		{"dlg_depth", "5", "claims_malformed"}, {"dlg_depth", "-1", "claims_malformed"}, {"dlg_depth", `"1"`, "claims_malformed"}, {"dlg_depth", "1.5", "claims_malformed"},
		{"dlg_depth", "4294967297", "claims_malformed"}, {"dlg_depth", "18446744073709551617", "claims_malformed"},
		{"act", `"bob"`, "claims_malformed"}, {"act", "[]", "claims_malformed"}, {"act", "{}", "claims_malformed"}, {"act", `{"sub":""}`, "claims_malformed"},
		{"act", `{"sub":1}`, "claims_malformed"}, {"act", `{"act":{"sub":"a"}}`, "claims_malformed"}, {"act", `{"sub":"a","iss":"https://other.example"}`, "claims_malformed"},
		{"act", `{"sub":"a","sub":"b"}`, "claims_malformed"}, {"act", actors(5), "claims_malformed"}, {"act", actors(200), "claims_malformed"},
	} {
		c.add(attempt{
			name: row.member + " is " + shown(row.json), source: "RFC 8693, RFC 7800, RFC 9068: what asks for a check", rule: House, want: row.want,
			claims: setting(row.member, row.json),
		})
	}
	for _, typ := range []string{"robot", "Human", "human ", "human\x00", "\u04bbuman"} {
		c.add(attempt{
			name: "an account type that is not of the set: " + strings.ReplaceAll(typ, "\x00", "NUL"), source: "Profile.AccountTypes", rule: House,
			want: "account_type_unknown|claims_malformed", claims: setting("account_type", quote(typ)),
			setup: func(_ forge, a *Authority) { a.Profile.AccountTypes = []string{"human", "ai_agent"} },
		})
	}
	closed := func(_ forge, a *Authority) { a.Profile.ClosedClaims, a.Profile.KnownClaims = true, []string{"tenant"} }
	for _, name := range []string{"note", "Tenant", "tenants", "tenant2"} {
		c.add(attempt{name: "a member that closed claims do not know: " + name, source: "Profile.ClosedClaims", rule: House, want: "claims_unknown",
			claims: adding(name, "1"), setup: closed})
	}
	c.add(attempt{name: "a member that closed claims know", source: "Profile.KnownClaims", rule: House, want: OK, claims: adding("tenant", "1"), setup: closed})
	c.add(attempt{name: "no client_id, where one is required", source: "RFC 9068 2.2", rule: House, want: "client_id_missing",
		setup: func(_ forge, a *Authority) { a.Profile.RequireClientID = true }})
	c.add(attempt{name: "a header member, where the header is closed", source: "Profile.ClosedHeader", rule: House, want: "header_refused",
		header: setting("note", "1"), setup: func(_ forge, a *Authority) { a.Profile.ClosedHeader = true }})
	c.add(attempt{name: "x5t, where the header is closed", source: "Profile.ClosedHeader", rule: House, want: "header_refused",
		header: setting("x5t", `"AA"`), setup: func(_ forge, a *Authority) { a.Profile.ClosedHeader = true }})
	c.add(attempt{name: "an algorithm that the profile excludes", source: "RFC 8725 3.1", rule: House, want: "algorithm_wrong",
		setup: func(f forge, a *Authority) { a.Profile.Algorithms = others(f.alg) }})
	for _, row := range []struct{ member, json string }{
		{"admin", "false"}, {"sv", "0"}, {"sv", "0.0"}, {"dlg_depth", "4"}, {"dlg_depth", "0"}, {"act", actors(4)}, {"act", "null"}, {"email", "null"},
		{"node_id", `"n-7"`}, {"cat", `"access"`}, {"caps", `["run"]`}, {"client_id", quote(strings.Repeat("c", 512))}, {"account_type", `"human"`},
		{"nonce", `"n-0S6_WzA2Mj"`}, {"permissions", `["admin"]`},
	} {
		c.add(attempt{name: row.member + " is " + shown(row.json), source: "RFC 7519 4", rule: House, want: OK, claims: setting(row.member, row.json)})
	}
}

// shown returns JSON short enough for a name.
func shown(json string) string {
	if len(json) <= 60 {
		return json
	}
	return json[:30] + "… of " + strconv.Itoa(len(json)) + " bytes"
}

// actors returns an act that is n deep (RFC 8693 section 4.1).
func actors(n int) string {
	return strings.Repeat(`{"sub":"a","act":`, n-1) + `{"sub":"a"}` + strings.Repeat("}", n-1)
}
