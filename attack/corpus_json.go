package attack

import (
	"fmt"
	"strconv"
	"strings"
)

// Attacks on the JSON: RFC 8259 says what a text is, RFC 7519 section 7.2 and RFC 8725 section 3.7 that it is UTF-8, and RFC 7515
// section 4 that no name stands there twice. A text that two readers take for different things passes the one that checks and
// means something else to the one that acts.

// A respelling is a change of a JSON text that is an object.
type respelling struct {
	name, source string
	rule         Rule
	change       func(text string) string
}

// notJSON are texts that the grammar does not know, or that are no UTF-8. The note is a member that nobody reads: where the fault
// stands does not matter.
func notJSON() []respelling {
	note := func(value string) func(string) string {
		return func(s string) string { return s[:len(s)-1] + `,"note":` + value + `}` }
	}
	instead := func(text string) func(string) string { return func(string) string { return text } }
	before := func(text string) func(string) string { return func(s string) string { return text + s } }
	behind := func(text string) func(string) string { return func(s string) string { return s + text } }
	var rows []respelling
	for _, group := range []struct {
		source string
		rows   []respelling
	}{
		{"RFC 8259 2", []respelling{
			{name: "nothing but a blank", change: instead(" ")},
			{name: "an opening brace", change: instead("{")},
			{name: "no closing brace", change: func(s string) string { return s[:len(s)-1] }},
			{name: "a closing bracket", change: func(s string) string { return s[:len(s)-1] + "]" }},
			{name: "one brace more", change: behind("}")},
			{name: "a second object", change: behind("{}")},
			{name: "a second object on a line of its own", change: behind("\n{}")},
			{name: "a comma behind", change: behind(",")},
			{name: "a word behind", change: behind(" true")},
			{name: "NUL behind", change: behind("\x00")},
			{name: "a semicolon behind", change: behind(";")},
			{name: "a comment behind", change: behind("// end")},
			{name: "a comment before", change: before("/* */")},
			{name: "a byte order mark", change: before("\ufeff")},
			{name: "a no-break space before", change: before("\u00a0")},
			{name: "a form feed before", change: before("\f")},
			{name: "a line separator before", change: before("\u2028")},
			{name: "a prefix against inclusion", change: before(")]}'\n")},
			{name: "a text record separator before", change: before("\x1e")},
			{name: "in parentheses", change: func(s string) string { return "(" + s + ")" }},
			{name: "in a list", change: func(s string) string { return "[" + s + "]" }},
			{name: "in quotes", change: quote},
			{name: "null", change: instead("null")},
			{name: "true", change: instead("true")},
			{name: "a number", change: instead("1")},
			{name: "a list", change: instead("[]")},
			{name: "text", change: instead(`"text"`)},
			{name: "no object at all", change: instead("text")},
		}},
		{"RFC 8259 4", []respelling{
			{name: "a comma at the end", change: func(s string) string { return s[:len(s)-1] + ",}" }},
			{name: "a comma at the beginning", change: func(s string) string { return "{," + s[1:] }},
			{name: "two commas", change: func(s string) string { return strings.Replace(s, ",", ",,", 1) }},
			{name: "no comma", change: func(s string) string { return s[:len(s)-1] + ` "note":1}` }},
			{name: "a semicolon for a comma", change: func(s string) string { return s[:len(s)-1] + `;"note":1}` }},
			{name: "no colon", change: func(s string) string { return s[:len(s)-1] + `,"note" 1}` }},
			{name: "an equals sign for a colon", change: func(s string) string { return s[:len(s)-1] + `,"note"=1}` }},
			{name: "a name without quotes", change: func(s string) string { return s[:len(s)-1] + `,note:1}` }},
			{name: "a name in single quotes", change: func(s string) string { return s[:len(s)-1] + `,'note':1}` }},
			{name: "a number for a name", change: func(s string) string { return s[:len(s)-1] + `,1:1}` }},
			{name: "null for a name", change: func(s string) string { return s[:len(s)-1] + `,null:1}` }},
			{name: "a name without value", change: func(s string) string { return s[:len(s)-1] + `,"note"}` }},
			{name: "a name with a colon only", change: func(s string) string { return s[:len(s)-1] + `,"note":}` }},
			{name: "a comment inside", change: func(s string) string { return s[:len(s)-1] + `/* */}` }},
			{name: "a list with a comma at the end", change: note("[1,]")},
			{name: "a list with two commas", change: note("[1,,2]")},
			{name: "a list that ends as an object", change: note("[1}")},
		}},
		{"RFC 8259 3, 6", []respelling{
			{name: "NaN", change: note("NaN")},
			{name: "Infinity", change: note("Infinity")},
			{name: "minus Infinity", change: note("-Infinity")},
			{name: "True", change: note("True")},
			{name: "NULL", change: note("NULL")},
			{name: "None", change: note("None")},
			{name: "undefined", change: note("undefined")},
			{name: "a leading zero", change: note("01")},
			{name: "a plus sign", change: note("+1")},
			{name: "two minus signs", change: note("--1")},
			{name: "a lone minus sign", change: note("-")},
			{name: "no digit before the point", change: note(".5")},
			{name: "no digit behind the point", change: note("1.")},
			{name: "no digit in the exponent", change: note("1e")},
			{name: "no digit behind the sign of the exponent", change: note("1e+")},
			{name: "hexadecimal", change: note("0x10")},
			{name: "an underscore in a number", change: note("1_000")},
			{name: "a number with a letter", change: note("1n")},
			{name: "a decimal comma", change: note("1,5")},
			{name: "Arabic digits", change: note("\u0661\u0662")},
			{name: "digits of full width", change: note("\uff11\uff12")},
		}},
		{"RFC 8259 7", []respelling{
			{name: "single quotes", change: note("'text'")},
			{name: "no closing quote", change: note(`"text`)},
			{name: "a line feed in a text", change: note("\"a\nb\"")},
			{name: "a tab in a text", change: note("\"a\tb\"")},
			{name: "NUL in a text", change: note("\"a\x00b\"")},
			{name: "a control character in a name", change: func(s string) string { return s[:len(s)-1] + ",\"no\x01te\":1}" }},
			{name: "an escape of one digit", change: note(`"\u1"`)},
			{name: "an escape of three digits", change: note(`"\u004"`)},
			{name: "an escape in braces", change: note(`"\u{41}"`)},
			{name: "an escape with a large U", change: note(`"\U00000041"`)},
			{name: "an escape in hexadecimal", change: note(`"\x41"`)},
			{name: "an escape in octal", change: note(`"\101"`)},
			{name: "an escaped single quote", change: note(`"\'"`)},
			{name: "an escaped line break", change: note("\"a\\\nb\"")},
			{name: "an escape of vertical tab", change: note(`"\v"`)},
			{name: "an escape of no digits", change: note(`"\uGGGG"`)},
			{name: "a backslash at the end", change: note(`"\"`)},
		}},
		{"RFC 8259 8.1, RFC 3629; RFC 8725 3.7", []respelling{
			{name: "a stray byte of UTF-8", change: note("\"\x80\"")},
			{name: "the byte FF", change: note("\"\xff\"")},
			{name: "UTF-8 cut short", change: note("\"\xe2\x82\"")},
			{name: "an overlong slash", change: note("\"\xc0\xaf\"")},
			{name: "an overlong NUL", change: note("\"\xc0\x80\"")},
			{name: "an overlong quote", change: note("\"\xc0\xa2\"")},
			{name: "a surrogate in UTF-8", change: note("\"\xed\xa0\x80\"")},
			{name: "a pair of surrogates in UTF-8", change: note("\"\xed\xa0\xbd\xed\xb8\x80\"")},
			{name: "beyond U+10FFFF", change: note("\"\xf4\x90\x80\x80\"")},
			{name: "Latin-1", change: note("\"caf\xe9\"")},
			{name: "invalid UTF-8 in a name", change: func(s string) string { return s[:len(s)-1] + ",\"\xff\":1}" }},
			{name: "UTF-16", change: utf16Text},
			{name: "UTF-16 with its mark", change: func(s string) string { return "\xff\xfe" + utf16Text(s) }},
			{name: "UTF-7", change: func(s string) string { return strings.ReplaceAll(s, `"`, "+ACI-") }},
		}},
	} {
		for _, row := range group.rows {
			row.source = group.source
			rows = append(rows, row)
		}
	}
	return rows
}

// prudentJSON are texts that the grammar knows and that RFC 7493 (I-JSON) excludes, because readers differ about them.
func prudentJSON() []respelling {
	note := func(value string) func(string) string {
		return func(s string) string { return s[:len(s)-1] + `,"note":` + value + `}` }
	}
	member := func(text string) func(string) string {
		return func(s string) string { return s[:len(s)-1] + "," + text + "}" }
	}
	rows := []respelling{
		{name: "half a pair of surrogates", change: note(`"\ud800"`)},
		{name: "the other half", change: note(`"\udc00"`)},
		{name: "the halves swapped", change: note(`"\udc00\ud800"`)},
		{name: "the first half twice", change: note(`"\ud800\ud800"`)},
		{name: "half a pair before a letter", change: note(`"\ud800a"`)},
		{name: "half a pair before another escape", change: note(`"\ud800\u0041"`)},
		{name: "half a pair in a name", change: member(`"\ud800":1`)},
		{name: "a name twice", change: member(`"note":1,"note":2`)},
		{name: "a name twice, the same value", change: member(`"note":1,"note":1`)},
		{name: "a name twice, once in escapes", change: member(`"note":1,"\u006eote":2`)},
		{name: "a name twice, far apart", change: member(`"note":1,` + distinct(40) + `,"note":2`)},
		{name: "a name twice in an object", change: note(`{"a":1,"a":2}`)},
		{name: "a name twice in an object in a list", change: note(`[{"a":1,"b":{},"a":2}]`)},
		{name: "a name twice ten deep", change: note(strings.Repeat(`{"a":`, 9) + `{"b":1,"b":2}` + strings.Repeat("}", 9))},
		{name: "a name twice behind a deep value", change: note(`{"a":` + nested(20) + `,"a":1}`)},
		{name: "a name twice among thirty", change: note("{" + distinct(30) + `,"m0":1}`)},
	}
	for i := range rows {
		rows[i].rule, rows[i].source = Prudent, "RFC 7493 2.1, 2.3; RFC 7515 10.12"
	}
	deep := []respelling{
		{name: "33 deep", change: note(nested(32))},
		{name: "600 deep", change: note(nested(600))},
		{name: "600 opened and never closed", change: func(s string) string { return s[:len(s)-1] + `,"note":` + strings.Repeat("[", 600) }},
		{name: "objects 300 deep", change: note(strings.Repeat(`{"":`, 300) + "1" + strings.Repeat("}", 300))},
	}
	for i := range deep {
		deep[i].rule, deep[i].source = House, "RFC 8259 9: a reader may limit depth"
	}
	deep[2].rule = Required
	return append(rows, deep...)
}

// distinct returns n members of different names.
func distinct(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"m%d":%d`, i, i)
	}
	return strings.Join(members, ",")
}

// soundJSON are odd texts that are JSON all the same, and mean one thing only.
func soundJSON() []respelling {
	note := func(value string) func(string) string {
		return func(s string) string { return s[:len(s)-1] + `,"note":` + value + `}` }
	}
	return []respelling{
		{name: "blanks of all four kinds", change: func(s string) string {
			return " \t\r\n" + strings.ReplaceAll(s[:len(s)-1], ",\"", " ,\n\t\"") + "\r\n} "
		}},
		{name: "an unknown member with everything in it", change: note(`{"a":[1,-0.5e+3,true,false,null,"x",{}],"b":{"a":1}}`)},
		{name: "31 deep", change: note(nested(31))},
		{name: "a number beyond all floats", rule: House, change: note("1e99999")}, // RFC 8259 section 6 allows limits
		{name: "a number of a hundred digits", change: note(strings.Repeat("9", 100))},
		{name: "every escape there is", change: note(`"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00\u0000"`)},
		{name: "letters of all planes", change: note(`"\u00e9 é 漢字 😀 ` + "\u2028" + `"`)},
		{name: "DEL in a text", change: note("\"\x7f\"")},
		{name: "one name in two objects", change: note(`[{"a":1},{"a":2},{"b":{"a":3}}]`)},
		{name: "forty members", change: note("{" + distinct(40) + "}")},
	}
}

func (c *corpus) addHeaderJSON() {
	spelled := func(change func(string) string) func(f forge) string {
		return func(f forge) string { return f.sign(change(f.header().String()), base().String()) }
	}
	for _, row := range append(notJSON(), prudentJSON()...) {
		c.add(attempt{name: row.name, source: row.source, rule: row.rule, want: "header_malformed", token: spelled(row.change)})
	}
	for _, row := range soundJSON() {
		c.add(attempt{name: row.name, source: "RFC 8259", rule: row.rule, want: OK, token: spelled(row.change)})
	}
	c.add(attempt{name: "empty", source: "RFC 7515 5.2", want: "header_malformed", token: spelled(func(string) string { return "{}" })})
	for _, row := range []struct {
		name   string
		change func(object) object
		rule   Rule
	}{
		{"alg twice", func(o object) object { return o.and("alg", o.get("alg")) }, Prudent},
		{"alg twice, none first", func(o object) object { return o.after("alg", `"none"`) }, Prudent},
		{"alg twice, none last", adding("alg", `"none"`), Required},
		{"alg twice, once in escapes", func(o object) object { return o.after(`\u0061lg`, `"none"`) }, Prudent},
		{"kid twice, an unknown one first", func(o object) object { return o.after("kid", `"key-9"`) }, Prudent},
		{"kid twice, an unknown one last", adding("kid", `"key-9"`), Prudent},
		{"typ twice", adding("typ", `"at+jwt"`), Prudent},
		{"ALG beside alg", adding("ALG", `"none"`), Prudent},
		{"Alg before alg", func(o object) object { return o.after("Alg", `"none"`) }, Prudent},
		{"ALG for alg", func(o object) object { return o.without("alg").with("ALG", o.get("alg")) }, Required},
		{"KID beside kid", adding("KID", `"key-9"`), Prudent},
		{"Kelvin sign kid beside kid", adding("\u212aid", `"key-9"`), Prudent},
		{"Kelvin sign kid in escapes", adding(`\u212Aid`, `"key-9"`), Prudent},
		{"Typ beside typ", adding("Typ", `"JWT"`), Prudent},
		{"alg with a blank for alg", func(o object) object { return o.without("alg").with("alg ", o.get("alg")) }, Required},
		{"alg with NUL for alg", func(o object) object { return o.without("alg").with(`alg\u0000`, o.get("alg")) }, Required},
		{"a homoglyph for alg", func(o object) object { return o.without("alg").with("\u0430lg", o.get("alg")) }, Required},
	} {
		c.add(attempt{name: row.name, source: "RFC 7515 4, 5.3, 10.12", rule: row.rule, want: "header_malformed", header: row.change})
	}
	c.add(attempt{name: "a homoglyph beside alg", source: "RFC 7515 4", want: OK, header: adding("\u0430lg", `"none"`)})
	c.add(attempt{name: "members in another order", source: "RFC 8259 4", want: OK, header: func(o object) object {
		return object{o[2], o[1], o[0]}
	}})
	c.add(attempt{
		name: "2049 bytes", source: "bounded input", rule: House, want: "header_malformed",
		header: func(o object) object {
			return o.with("note", quote(strings.Repeat("n", 2049-len(o.String())-len(`,"note":""`))))
		},
	})
	c.add(attempt{
		name: "2048 bytes", source: "bounded input", rule: House, want: OK,
		header: func(o object) object {
			return o.with("note", quote(strings.Repeat("n", 2048-len(o.String())-len(`,"note":""`))))
		},
	})
}

func (c *corpus) addClaimsJSON() {
	spelled := func(change func(string) string) func(f forge) string {
		return func(f forge) string { return f.sign(f.header().String(), change(base().String())) }
	}
	for _, row := range append(notJSON(), prudentJSON()...) {
		c.add(attempt{name: row.name, source: row.source, rule: row.rule, want: "claims_malformed", token: spelled(row.change)})
	}
	for _, row := range soundJSON() {
		c.add(attempt{name: row.name, source: "RFC 8259", rule: row.rule, want: OK, token: spelled(row.change)})
	}
	c.add(attempt{name: "empty", source: "RFC 7519 7.2", want: "claims_malformed", token: spelled(func(string) string { return "{}" })})

	// One name twice: the first is what a gateway reads, and the last what the service acts on, or the other way round.
	for _, row := range []struct{ member, other string }{
		{"iss", `"https://other.example"`}, {"sub", `"admin"`}, {"aud", `"https://other.example"`}, {"exp", "4102444800"},
		{"iat", "0"}, {"jti", `"id-2"`}, {"roles", `["admin"]`}, {"scopes", `[{"resource_kind":"secret","level":"write"}]`},
	} {
		escapedName := fmt.Sprintf(`\u%04x`, row.member[0]) + row.member[1:]
		for _, way := range []struct {
			name   string
			change func(object) object
		}{
			{"twice, the other first", func(o object) object { return o.after(row.member, row.other) }},
			{"twice, the other last", adding(row.member, row.other)},
			{"twice, once in escapes", adding(escapedName, row.other)},
			{"beside it in upper case", adding(strings.ToUpper(row.member), row.other)},
			{"beside it in title case", func(o object) object { return o.after(strings.ToUpper(row.member[:1])+row.member[1:], row.other) }},
		} {
			c.add(attempt{
				name: row.member + " " + way.name, source: "RFC 7519 4, RFC 7515 5.3", rule: Prudent, want: "claims_malformed",
				claims: way.change,
			})
		}
		rule := Required // a required claim is not there
		if row.member == "jti" || row.member == "roles" || row.member == "scopes" || row.member == "sub" || row.member == "iat" {
			rule = House
		}
		c.add(attempt{
			name: row.member + " in upper case only", source: "RFC 7519 4, RFC 7515 5.3", rule: rule, want: "claims_malformed",
			claims: func(o object) object {
				return o.without(row.member).with(strings.ToUpper(row.member), o.get(row.member))
			},
		})
	}
	for _, row := range []struct{ name, member, value string }{
		{"long s: sub", "\u017fub", `"admin"`},
		{"long s: iss", "i\u017f\u017f", quote(Issuer)},
		{"long s: roles", "role\u017f", `["admin"]`},
		{"long s: scopes", "\u017fcopes", `[]`},
		{"long s in escapes: sub", `\u017Fub`, `"admin"`},
		{"a homoglyph: sub", "\u0455ub", `"admin"`},
		{"a homoglyph: roles", "r\u043eles", `["admin"]`},
		{"a zero width space: sub", "sub\u200b", `"admin"`},
		{"a blank behind: sub", "sub ", `"admin"`},
		{"a blank before: roles", " roles", `["admin"]`},
		{"NUL behind: sub", `sub\u0000`, `"admin"`},
		{"NUL and more: roles", `roles\u0000x`, `["admin"]`},
		{"an empty name", "", `1`},
		{"a quote in a name", `a\"b`, `1`},
		{"a line feed in a name", `a\nb`, `1`},
		{"a name of 129 bytes", strings.Repeat("n", 129), `1`},
		{"caseless: Admin", "Admin", "true"},
		{"caseless: SCOPE", "SCOPE", `"deployment"`},
		{"caseless: Client_ID", "Client_ID", `"cli"`},
	} {
		rule := Prudent
		if strings.HasPrefix(row.name, "caseless") || strings.HasPrefix(row.name, "a ") || strings.HasPrefix(row.name, "an ") {
			rule = House
		}
		c.add(attempt{
			name: "beside the others, " + row.name, source: "RFC 7519 4, RFC 7515 5.3", rule: rule, want: "claims_malformed",
			claims: func(o object) object { return o.after(row.member, row.value) },
		})
	}
	for _, n := range []int{128, 1000} {
		c.add(attempt{
			name: strconv.Itoa(n) + " unknown members, one of them twice", source: "RFC 7493 2.3", rule: Prudent,
			want:  "claims_malformed|token_too_long",
			token: spelled(func(s string) string { return s[:len(s)-1] + "," + distinct(n) + `,"m1":1}` }),
		})
	}
	c.add(attempt{
		name: "128 unknown members", source: "RFC 7519 4", want: OK,
		token: spelled(func(s string) string { return s[:len(s)-1] + "," + distinct(128) + "}" }),
	})
	c.add(attempt{
		name: "members in another order", source: "RFC 8259 4", want: OK,
		claims: func(o object) object {
			var turned object
			for _, m := range o {
				turned = append(object{m}, turned...)
			}
			return turned
		},
	})
	c.add(attempt{
		name: "names in escapes", source: "RFC 8259 7", want: OK,
		claims: func(o object) object {
			for i := range o {
				o[i].name = strings.Trim(escaped(o[i].name), `"`)
			}
			return o
		},
	})
	c.add(attempt{
		name: "texts in escapes", source: "RFC 8259 7", want: OK,
		claims: func(o object) object {
			return o.with("iss", escaped(Issuer)).with("aud", escaped(Audience)).with("sub", escaped(Subject)).with("jti", escaped("id-1"))
		},
	})
	c.add(attempt{
		name: "a URI for a name", source: "RFC 7519 4.2", want: OK,
		claims: adding("https://issuer.example/claims#tier", `"gold"`),
	})
}
