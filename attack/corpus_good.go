package attack

import (
	"strconv"
	"time"
)

// Tokens that are good. They show that the corpus is not passed by refusing everything; most classes hold some of their own, near
// the edge of what is refused there.

func (c *corpus) addGood() {
	c.add(attempt{name: "the base of all rows", source: "RFC 7519", want: OK, algorithms: allAlgorithms[:]})
	minimal := func(o object) object { return o.without("jti", "roles", "scopes") }
	for _, row := range []struct {
		name           string
		header, claims func(object) object
	}{
		{"nothing that is not required", nil, minimal},
		{"every date there is", nil, func(o object) object { return o.with("nbf", seconds(Now().Add(-time.Minute))) }},
		{"a name in every script", nil, setting("sub", quote("Ålice-Алиса-アリス-أليس-😀"))},
		{"several roles", nil, setting("roles", `["operator","node","auditor"]`)},
		{"several scopes", nil, setting("scopes", `[{"resource_kind":"a","resource_id":"1","level":"read"},{"resource_kind":"b","level":"execute"}]`)},
		{"capabilities", nil, setting("caps", `["run","stop"]`)},
		{"an actor", nil, setting("act", `{"sub":"agent","act":{"sub":"robot"}}`)},
		{"members nobody knows", nil, func(o object) object { return o.with("nonce", `"n"`).with("tier", `{"a":[1,2,{"b":null}]}`) }},
		{"a header member nobody knows", setting("rev", "7"), nil},
		{"an empty text in a member nobody knows", nil, setting("note", `""`)},
		{"a member nobody knows that is null", nil, setting("note", "null")},
		{"optional texts that are null", nil, func(o object) object { return o.with("email", "null").with("node_id", "null").with("act", "null") }},
		{"no roles and no scopes", nil, func(o object) object { return o.with("roles", "[]").with("scopes", "[]") }},
		{"an hour left of a year", nil, setting("iat", seconds(Now().Add(time.Hour-365*24*time.Hour)))},
	} {
		c.add(attempt{name: row.name, source: "RFC 7519 4", want: OK, header: row.header, claims: row.claims})
	}
	for n := range 12 {
		c.add(attempt{
			name: "a payload longer by " + strconv.Itoa(n), source: "RFC 7515 2: every length", want: OK,
			claims: setting("note", quote("nnnnnnnnnnnn"[:n])),
		})
	}
}
