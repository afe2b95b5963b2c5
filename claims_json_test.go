package tokenauth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The wire form is read and written by the same rules, so most rows below stand for both directions: what UnmarshalJSON refuses
// has a twin that MarshalJSON refuses, and what one writes the other reads back the same.

// wireNames are the members that Claims has fields for. They are written out once more, so that a member that is added, dropped or
// misspelt shows here.
var wireNames = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "roles", "scopes", "scope", "caps", "admin", "email", "node_id", "client_id",
	"cat", "account_type", "active_ppnum", "delegator", "dlg_depth", "act", "cid", "sid", "sv",
}

// leastClaims holds what must be there and nothing else.
func leastClaims() *tokenauth.Claims {
	return &tokenauth.Claims{
		Issuer: "i", Subject: "s", ExpiresAt: time.Unix(2_000_003_600, 0).UTC(), IssuedAt: time.Unix(2_000_000_000, 0).UTC(),
	}
}

// claimsText is leastClaims as JSON with further members, or with others in place of its own.
func claimsText(members ...string) string {
	all := []string{}
	for _, required := range []string{`"iss":"i"`, `"sub":"s"`, `"exp":2000003600`, `"iat":2000000000`} {
		name, _, _ := strings.Cut(required, ":")
		if !slices.ContainsFunc(members, func(m string) bool { return strings.HasPrefix(m, name+":") }) {
			all = append(all, required)
		}
	}
	return "{" + strings.Join(append(all, members...), ",") + "}"
}

// with returns leastClaims, changed.
func with(change func(*tokenauth.Claims)) *tokenauth.Claims {
	c := leastClaims()
	change(c)
	return c
}

// readClaims reads text in both ways there are and checks that they agree.
func readClaims(t *testing.T, text string) (*tokenauth.Claims, error) {
	t.Helper()
	var direct, viaPackage tokenauth.Claims
	err := direct.UnmarshalJSON([]byte(text))
	errOfPackage := json.Unmarshal([]byte(text), &viaPackage)
	require.Equal(t, err == nil, errOfPackage == nil, "UnmarshalJSON says %v, json.Unmarshal %v", err, errOfPackage)
	require.Equal(t, direct, viaPackage)
	return &direct, err
}

func TestClaimsMarshalJSON(t *testing.T) {
	for _, row := range []struct {
		name   string
		claims *tokenauth.Claims
		want   string
	}{
		{"C5 what is not set is absent, but for roles", leastClaims(),
			`{"iss":"i","sub":"s","exp":2000003600,"iat":2000000000,"roles":[]}`},
		{"C5 empty lists are absent, but for roles", with(func(c *tokenauth.Claims) {
			c.Audience, c.Roles, c.Scopes, c.OAuthScopes, c.Caps = []string{}, []string{}, scopesOf(), []string{}, []string{}
			c.Extra = map[string]json.RawMessage{}
		}), `{"iss":"i","sub":"s","exp":2000003600,"iat":2000000000,"roles":[]}`},
		{"one audience is a text", with(func(c *tokenauth.Claims) { c.Audience = []string{"a"} }),
			`{"iss":"i","sub":"s","aud":"a","exp":2000003600,"iat":2000000000,"roles":[]}`},
		{"OAuth scopes alone are scopes", with(func(c *tokenauth.Claims) { c.OAuthScopes = []string{"openid", "profile"} }),
			`{"iss":"i","sub":"s","exp":2000003600,"iat":2000000000,"roles":[],"scopes":["openid","profile"]}`},
		{"OAuth scopes beside TokenScopes are scope", with(func(c *tokenauth.Claims) {
			c.OAuthScopes, c.Scopes = []string{"openid", "profile"}, scopesOf(scopeOf("job", anything, read))
		}), `{"iss":"i","sub":"s","exp":2000003600,"iat":2000000000,"roles":[],` +
			`"scopes":[{"resource_kind":"job","resource_id":null,"level":"read"}],"scope":"openid profile"}`},
		{"every member", fullClaims(), `{"iss":"https://auth.example.com","sub":"user-47110",` +
			`"aud":["https://api.example.com","https://jobs.example.com"],"exp":1800003600,"nbf":1800000001,"iat":1800000000,` +
			`"jti":"0197a9b2-7d1e-7c3a-9f00-3b5d2c1e4f60","roles":["developer","auditor"],"scopes":[` +
			`{"resource_kind":"deployment","resource_id":"web","level":"write"},{"resource_kind":"job","resource_id":null,"level":"read"},` +
			`{"resource_kind":"secret","resource_id":"db","level":"none"}],"scope":"openid profile","caps":["deploy","scale"],"admin":true,` +
			`"email":"dev@example.com","node_id":"node-7","client_id":"ci-runner","cat":"access","account_type":"human","active_ppnum":"pp-12",` +
			`"delegator":"user-1","dlg_depth":2,"act":{"sub":"agent-a","act":{"sub":"agent-b"}},"cid":"cred-3","sid":"session-9","sv":5,` +
			`"https://example.com/ext":-1.50e+3,"tenant":{"id":7,"tags":["a",null,true]}}`},
		{"texts are escaped where JSON must, and nowhere else", with(func(c *tokenauth.Claims) { c.Email = "<a&b>\"\\\n\x1f\u2028é" }),
			`{"iss":"i","sub":"s","exp":2000003600,"iat":2000000000,"roles":[],"email":"<a&b>\"\\\n\u001f` + "\u2028é" + `"}`},
		{"R2 whole seconds, whatever the zone", with(func(c *tokenauth.Claims) {
			c.ExpiresAt = time.Date(2033, 5, 18, 7, 33, 20, 999_999_999, time.FixedZone("", 3*3600))
			c.NotBefore = time.Unix(0, 1)
		}), `{"iss":"i","sub":"s","exp":2000003600,"nbf":0,"iat":2000000000,"roles":[]}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := row.claims.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, row.want, string(got))

			byPointer, err := json.Marshal(row.claims)
			require.NoError(t, err)
			byValue, err := json.Marshal(*row.claims)
			require.NoError(t, err)
			require.Equal(t, string(byPointer), string(byValue))
			require.JSONEq(t, row.want, string(byValue))
		})
	}
}

// An issuer whose profile refuses unknown members writes no member it can do without.
func TestClosedClaimsLeaveOutEmptyRoles(t *testing.T) {
	for name, roles := range map[string][]string{"C5 none": nil, "one": {"developer"}} {
		for _, closed := range []bool{false, true} {
			key, err := tokenauth.GenerateSigningKey("EdDSA")
			require.NoError(t, err)
			issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
				Profile: tokenauth.Profile{Issuers: []string{"i"}, NoAudience: true, ClosedClaims: closed}, Key: key,
			})
			require.NoError(t, err)
			issued, err := issuer.Sign(t.Context(), tokenauth.SystemAuthority("a test"), &tokenauth.Claims{Subject: "s", Roles: roles})
			require.NoError(t, err)
			payload, err := base64.RawURLEncoding.DecodeString(strings.Split(issued.Token.Reveal(), ".")[1])
			require.NoError(t, err)
			require.Equal(t, !closed || len(roles) > 0, bytes.Contains(payload, []byte(`"roles"`)), "%s, closed %t: %s", name, closed, payload)
		}
	}
}

func TestClaimsUnmarshalJSON(t *testing.T) {
	chain := func(subjects ...string) (a *tokenauth.Actor) {
		for _, s := range slices.Backward(subjects) {
			a = &tokenauth.Actor{Subject: s, Actor: a}
		}
		return a
	}
	extra := func(name, value string) func(*tokenauth.Claims) {
		return func(c *tokenauth.Claims) { c.Extra = map[string]json.RawMessage{name: json.RawMessage(value)} }
	}
	expires := func(seconds int64) func(*tokenauth.Claims) {
		return func(c *tokenauth.Claims) { c.ExpiresAt = time.Unix(seconds, 0).UTC() }
	}
	nothing := func(*tokenauth.Claims) {}
	for _, row := range []struct {
		name, text string
		change     func(*tokenauth.Claims) // of leastClaims
	}{
		{"C4 without roles, scopes, email, node_id, jti", claimsText(), nothing},
		{"C4 empty lists", claimsText(`"roles":[]`, `"scopes":[]`, `"caps":[]`), nothing},
		{"blanks and order", " {\t\"exp\" : 2000003600,\r\n\"sub\":\"s\" , \"iat\":2000000000,\"iss\":\"i\"} ", nothing},
		{"an escaped name is that name", `{"i\u0073s":"i","\u0073ub":"s","exp":2000003600,"iat":2000000000}`, nothing},

		{"C7 an unknown member is kept byte for byte", claimsText(`"x":{"b" : [1, 2.50e0,"\u00e9\/"] ,` + "\n" + `"a":null}`),
			extra("x", `{"b" : [1, 2.50e0,"\u00e9\/"] ,`+"\n"+`"a":null}`)},
		{"C7 null", claimsText(`"x":null`), extra("x", `null`)},
		{"C7 an empty text", claimsText(`"x":""`), extra("x", `""`)},
		{"C7 a name like a URI", claimsText(`"https://example.com/a?b=c#d":[]`), extra("https://example.com/a?b=c#d", `[]`)},
		{"C7 a name nearly ours", claimsText(`"subject":1`), extra("subject", `1`)},
		{"C7 a name of 128 bytes", claimsText(`"` + strings.Repeat("x", 128) + `":1`), extra(strings.Repeat("x", 128), `1`)},
		{"C7 a value 31 deep, 32 with the claims", claimsText(`"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31)),
			extra("x", strings.Repeat("[", 31)+strings.Repeat("]", 31))},
		{"C7 a scope in the words of others", claimsText(`"scp":["deployment:web:write"]`), extra("scp", `["deployment:web:write"]`)},

		{"C7c email null", claimsText(`"email":null`), nothing},
		{"C7c node_id null", claimsText(`"node_id":null`), nothing},
		{"C7c jti null", claimsText(`"jti":null`), nothing},
		{"C7c act null", claimsText(`"act":null`), nothing},
		{"every other optional text null", claimsText(`"scope":null`, `"client_id":null`, `"cat":null`, `"account_type":null`,
			`"active_ppnum":null`, `"delegator":null`, `"cid":null`, `"sid":null`), nothing},
		{"the innermost act null", claimsText(`"act":{"act":null,"sub":"a"}`), func(c *tokenauth.Claims) { c.Actor = chain("a") }},

		{"C9 exp 1.8e9", claimsText(`"exp":1.8e9`), expires(1_800_000_000)},
		{"C9 exp 1800000000.5", claimsText(`"exp":1800000000.5`), expires(1_800_000_000)},
		{"C9 exp 1800000000.999999999999999999999", claimsText(`"exp":1800000000.999999999999999999999`), expires(1_800_000_000)},
		{"C9 exp 18000000000e-1", claimsText(`"exp":18000000000e-1`), expires(1_800_000_000)},
		{"C9 exp 18E+8", claimsText(`"exp":18E+8`), expires(1_800_000_000)},
		{"C9 exp 0", claimsText(`"exp":0`), expires(0)},
		{"C9 the last second of 9999", claimsText(`"exp":253402300799.9`), expires(253_402_300_799)},
		{"nbf is of the same kind", claimsText(`"nbf":1.9e9`), func(c *tokenauth.Claims) { c.NotBefore = time.Unix(1_900_000_000, 0).UTC() }},
		{"iat is of the same kind", claimsText(`"iat":1999999999.75`), func(c *tokenauth.Claims) { c.IssuedAt = time.Unix(1_999_999_999, 0).UTC() }},

		{"aud as a text", claimsText(`"aud":"a"`), func(c *tokenauth.Claims) { c.Audience = []string{"a"} }},
		{"aud as a list", claimsText(`"aud":["a","b"]`), func(c *tokenauth.Claims) { c.Audience = []string{"a", "b"} }},

		{"C11 scopes of texts are OAuth scopes", claimsText(`"scopes":["openid","profile"]`),
			func(c *tokenauth.Claims) { c.OAuthScopes = []string{"openid", "profile"} }},
		{"C11 scope is OAuth scopes", claimsText(`"scope":"openid profile"`),
			func(c *tokenauth.Claims) { c.OAuthScopes = []string{"openid", "profile"} }},
		{"C11 scope beside an empty scopes", claimsText(`"scopes":[]`, `"scope":"openid"`),
			func(c *tokenauth.Claims) { c.OAuthScopes = []string{"openid"} }},
		{"C11 scope beside TokenScopes", claimsText(`"scope":"openid"`, `"scopes":[{"resource_kind":"a","resource_id":"b","level":"read"}]`),
			func(c *tokenauth.Claims) {
				c.OAuthScopes, c.Scopes = []string{"openid"}, scopesOf(scopeOf("a", "b", read))
			}},
		{"C11 every character of a scope-token", claimsText(`"scope":"!#$%&'()*+,-./09:;<=>?@AZ[]^_` + "`" + `az{|}~"`),
			func(c *tokenauth.Claims) { c.OAuthScopes = []string{"!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"} }},
		{"S16 a scope without id, with null, with an id", claimsText(`"scopes":[{"resource_kind":"a","level":"read"},` +
			`{"resource_kind":"b","resource_id":null,"level":"execute"},{"resource_kind":"c","resource_id":"web","level":"write"}]`),
			func(c *tokenauth.Claims) {
				c.Scopes = scopesOf(scopeOf("a", anything, read), scopeOf("b", anything, execute), scopeOf("c", "web", write))
			}},
		{"S13 a scope of level none is read, and grants nothing", claimsText(`"scopes":[{"resource_kind":"a","level":"none"}]`),
			func(c *tokenauth.Claims) { c.Scopes = scopesOf(scopeOf("a", anything, none)) }},

		{"C12 caps", claimsText(`"caps":["a"]`), func(c *tokenauth.Claims) { c.Caps = []string{"a"} }},
		{"C13 account_type is an open set here, the profile closes it", claimsText(`"account_type":"robot"`),
			func(c *tokenauth.Claims) { c.AccountType = "robot" }},
		{"C14 admin true", claimsText(`"admin":true`), func(c *tokenauth.Claims) { c.AdminHint = true }},
		{"C14 admin false", claimsText(`"admin":false`), nothing},
		{"C15 act nested 4", claimsText(`"act":{"sub":"a","act":{"sub":"b","act":{"sub":"c","act":{"sub":"d"}}}}`),
			func(c *tokenauth.Claims) { c.Actor = chain("a", "b", "c", "d") }},
		{"C15 act before sub", claimsText(`"act":{"act":{"act":{"sub":"c"},"sub":"b"},"sub":"a"}`),
			func(c *tokenauth.Claims) { c.Actor = chain("a", "b", "c") }},
		{"dlg_depth 4", claimsText(`"dlg_depth":4`), func(c *tokenauth.Claims) { c.DelegationDepth = 4 }},
		{"sv 2^53-1", claimsText(`"sv":9007199254740991`), func(c *tokenauth.Claims) { c.SessionVersion = 1<<53 - 1 }},
		{"sv 0 is absent", claimsText(`"sv":0`), nothing},
		{"a number that is whole in other words", claimsText(`"sv":1.20e1`), func(c *tokenauth.Claims) { c.SessionVersion = 12 }},

		{"sub of 255 bytes", claimsText(`"sub":"` + strings.Repeat("x", 255) + `"`), func(c *tokenauth.Claims) { c.Subject = strings.Repeat("x", 255) }},
		{"a sub that holds a star", claimsText(`"sub":"**"`), func(c *tokenauth.Claims) { c.Subject = "**" }},
		{"a role in capitals is another role", claimsText(`"roles":["Admin"," admin"]`), func(c *tokenauth.Claims) { c.Roles = []string{"Admin", " admin"} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := with(row.change)
			got, err := readClaims(t, row.text)
			require.NoError(t, err)
			require.Equal(t, want, got)

			written, err := got.MarshalJSON()
			require.NoError(t, err)
			again, err := readClaims(t, string(written))
			require.NoError(t, err)
			require.Equal(t, want, again, "what is written is read back")
			for name, value := range want.Extra {
				require.Contains(t, string(written), `"`+name+`":`+string(value), "byte for byte")
			}
		})
	}
}

// refused checks that text is refused in both ways and changes nothing.
func refused(t *testing.T, text, want string) {
	t.Helper()
	_, err := readClaims(t, text)
	require.Error(t, err)
	c := fullClaims()
	err = c.UnmarshalJSON([]byte(text))
	require.ErrorIs(t, err, tokenauth.ErrClaims)
	require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
	require.Equal(t, "claims_malformed", tokenauth.ErrorCode(err))
	require.ErrorContains(t, err, want)
	require.Error(t, json.Unmarshal([]byte(text), c))
	require.Equal(t, fullClaims(), c, "nothing is changed")
}

// What only a text can be: of the wrong type, twice there, no JSON.
func TestClaimsUnmarshalJSONRefuses(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"C7c no iss", `{"sub":"s","exp":2000003600,"iat":2000000000}`, "iss: empty"},
		{"C7c no sub", `{"iss":"i","exp":2000003600,"iat":2000000000}`, "sub: empty"},
		{"C7c no exp", `{"iss":"i","sub":"s","iat":2000000000}`, "exp: not set"},
		{"C7c no iat", `{"iss":"i","sub":"s","exp":2000003600}`, "iat: not set"},
		{"C7c sub *", claimsText(`"sub":"*"`), "sub: "},
		{"C7c sub *, escaped", claimsText(`"sub":"\u002a"`), "sub: "},
		{"C7c jti empty", claimsText(`"jti":""`), "jti: empty"},
		{"C7c sid empty", claimsText(`"sid":""`), "sid: empty"},
		{"C7c account_type empty", claimsText(`"account_type":""`), "account_type: empty"},
		{"C7c email empty", claimsText(`"email":""`), "email: empty"},
		{"C7c exp null", claimsText(`"exp":null`), "exp: not a number"},
		{"C7c nbf null", claimsText(`"nbf":null`), "nbf: not a number"},
		{"C7c aud null", claimsText(`"aud":null`), "aud: not an array"},
		{"C7c roles null", claimsText(`"roles":null`), "roles: not an array"},
		{"C7c scopes null", claimsText(`"scopes":null`), "scopes: not an array"},
		{"iss null", claimsText(`"iss":null`), "iss: not a string"},
		{"sub null", claimsText(`"sub":null`), "sub: not a string"},
		{"iat null", claimsText(`"iat":null`), "iat: not a number"},
		{"caps null", claimsText(`"caps":null`), "caps: not an array"},
		{"admin null", claimsText(`"admin":null`), "admin: not true or false"},
		{"dlg_depth null", claimsText(`"dlg_depth":null`), "dlg_depth: not a number"},
		{"sv null", claimsText(`"sv":null`), "sv: not a number"},
		{"iss empty", claimsText(`"iss":""`), "iss: empty"},
		{"sub empty", claimsText(`"sub":""`), "sub: empty"},
		{"aud empty", claimsText(`"aud":""`), "aud: empty"},
		{"aud for nobody", claimsText(`"aud":[]`), "aud: an empty list"},
		{"scope empty", claimsText(`"scope":""`), "scope: empty"},
		{"node_id empty", claimsText(`"node_id":""`), "node_id: empty"},
		{"client_id empty", claimsText(`"client_id":""`), "client_id: empty"},
		{"cat empty", claimsText(`"cat":""`), "cat: empty"},
		{"active_ppnum empty", claimsText(`"active_ppnum":""`), "active_ppnum: empty"},
		{"delegator empty", claimsText(`"delegator":""`), "delegator: empty"},
		{"cid empty", claimsText(`"cid":""`), "cid: empty"},

		{"C9 exp as text", claimsText(`"exp":"2000003600"`), "exp: not a number"},
		{"C9 exp true", claimsText(`"exp":true`), "exp: not a number"},
		{"C9 exp as a list", claimsText(`"exp":[2000003600]`), "exp: not a number"},
		{"C9 exp negative", claimsText(`"exp":-1`), "exp: not a date"},
		{"C9 exp -0", claimsText(`"exp":-0`), "exp: not a date"},
		{"C9 exp 1e300", claimsText(`"exp":1e300`), "exp: not a date"},
		{"C9 exp 1e999999999", claimsText(`"exp":1e999999999`), "exp: not a date"},
		{"C9 exp 9e18", claimsText(`"exp":9e18`), "exp: not a date"},
		{"C9 exp 9223372036854775808", claimsText(`"exp":9223372036854775808`), "exp: not a date"},
		{"C9 exp in the year 10000", claimsText(`"exp":253402300800`), "exp: not a date"},
		{"C9 exp NaN", claimsText(`"exp":NaN`), "exp: not a number"},
		{"C9 exp Infinity", claimsText(`"exp":Infinity`), "exp: not a number"},
		{"C9 exp with a plus", claimsText(`"exp":+2000003600`), "exp: not a number"},
		{"C9 exp with a zero in front", claimsText(`"exp":02000003600`), "no comma"},
		{"C9 nbf negative", claimsText(`"nbf":-1`), "nbf: not a date"},
		{"C9 iat as text", claimsText(`"iat":"2000000000"`), "iat: not a number"},

		{"C10 sub twice", claimsText(`"sub":"s"`, `"sub":"s"`), "duplicate member"},
		{"C10 sub twice, once escaped", claimsText(`"\u0073ub":"t"`), "duplicate member"},
		{"C10 exp twice", claimsText(`"exp":2000003600`, `"exp":2100000000`), "duplicate member"},
		{"C10 two scopes", claimsText(`"scopes":[]`, `"scopes":[{"resource_kind":"a","level":"write"}]`), "duplicate member"},
		{"C10 two roles", claimsText(`"roles":[]`, `"roles":["admin"]`), "duplicate member"},
		{"C10 an unknown member twice", claimsText(`"x":1`, `"x":1`), "duplicate member"},
		{"C10 an unknown member twice, once escaped", claimsText(`"xy":1`, `"x\u0079":2`), "duplicate member"},
		{"C10 twice within an unknown member", claimsText(`"x":{"a":1,"a":1}`), "duplicate member"},
		{"C10 twice, deep within", claimsText(`"x":[[{"y":{"a":1,"b":[],"\u0061":2}}]]`), "duplicate member"},
		{"C10 twice within a scope", claimsText(`"scopes":[{"resource_kind":"a","resource_id":"x","level":"read","level":"write"}]`), "duplicate member"},
		{"C10 twice within act", claimsText(`"act":{"sub":"a","sub":"b"}`), "duplicate member"},
		{"C10 twice within the inner act", claimsText(`"act":{"sub":"a","act":{"sub":"b","act":null,"act":{"sub":"c"}}}`), "duplicate member"},
		{"C10 SUB beside sub", claimsText(`"SUB":"t"`), "looks like, sub"},
		{"C10 SUB alone", `{"iss":"i","SUB":"t","exp":2000003600,"iat":2000000000}`, "looks like, sub"},
		{"C10 sub with a long s", claimsText(`"ſub":"t"`), "no identifier has"},
		{"C10 the same, escaped", claimsText(`"\u017fub":"t"`), "no identifier has"},

		{"C11 both at once", claimsText(`"scope":"openid"`, `"scopes":["profile"]`), "both at once"},
		{"C11 both at once, the other way round", claimsText(`"scopes":["profile"]`, `"scope":"openid"`), "both at once"},
		{"C11 a text, then an object", claimsText(`"scopes":["openid",{"resource_kind":"a","level":"read"}]`), "scopes: not a string"},
		{"C11 an object, then a text", claimsText(`"scopes":[{"resource_kind":"a","level":"read"},"openid"]`), "scopes: not an object"},
		{"C11 a scope that is null", claimsText(`"scopes":[null]`), "scopes: not an object"},
		{"C11 a number", claimsText(`"scopes":[1]`), "scopes: not an object"},
		{"C11 scopes as a text", claimsText(`"scopes":"openid"`), "scopes: not an array"},
		{"C11 scopes as an object", claimsText(`"scopes":{"resource_kind":"a","level":"read"}`), "scopes: not an array"},
		{"C11 scope as a list", claimsText(`"scope":["openid"]`), "scope: not a string"},
		{"C11 scope with two blanks", claimsText(`"scope":"openid  profile"`), "scope[1]"},
		{"C11 scope with a blank behind", claimsText(`"scope":"openid "`), "scope[1]"},
		{"C11 scope with a tab", claimsText(`"scope":"openid\tprofile"`), "scope[0]"},
		{"S11 a scope with an empty id", claimsText(`"scopes":[{"resource_kind":"a","resource_id":"","level":"read"}]`), "scopes: resource_id"},
		{"S11 a scope with the id *", claimsText(`"scopes":[{"resource_kind":"a","resource_id":"*","level":"read"}]`), "scopes: resource_id"},
		{"S11 a scope with a fourth member", claimsText(`"scopes":[{"resource_kind":"a","resourceId":"web","level":"read"}]`), "scopes: a scope has the members"},
		{"S17 a scope without level", claimsText(`"scopes":[{"resource_kind":"a","resource_id":"b"}]`), "scopes: a scope needs"},
		{"S17 a scope without kind", claimsText(`"scopes":[{"resource_id":"b","level":"read"}]`), "scopes: a scope needs"},
		{"S17 a scope of level Write", claimsText(`"scopes":[{"resource_kind":"a","level":"Write"}]`), "scopes: level"},
		{"S17 a scope of level 3", claimsText(`"scopes":[{"resource_kind":"a","level":3}]`), "scopes: not a string"},

		{"C12 caps as a text", claimsText(`"caps":"a"`), "caps: not an array"},
		{"C12 caps of numbers", claimsText(`"caps":[1]`), "caps: not a string"},
		{"roles as a text", claimsText(`"roles":"admin"`), "roles: not an array"},
		{"roles as an object", claimsText(`"roles":{"admin":true}`), "roles: not an array"},
		{"roles in a list", claimsText(`"roles":[["admin"]]`), "roles: not a string"},
		{"aud as an object", claimsText(`"aud":{}`), "aud: not an array"},
		{"aud of numbers", claimsText(`"aud":[1]`), "aud: not a string"},
		{"admin as a text", claimsText(`"admin":"true"`), "admin: not true or false"},
		{"admin as a number", claimsText(`"admin":1`), "admin: not true or false"},
		{"email as a number", claimsText(`"email":1`), "email: not a string"},
		{"jti as a number", claimsText(`"jti":1`), "jti: not a string"},
		{"sv as a text", claimsText(`"sv":"1"`), "sv: not a number"},
		{"sv a fraction", claimsText(`"sv":1.5`), "sv: not a whole number"},
		{"dlg_depth a fraction", claimsText(`"dlg_depth":0.5`), "dlg_depth: not a whole number"},
		{"C15 act as a text", claimsText(`"act":"a"`), "act: not an object"},
		{"C15 act as a list", claimsText(`"act":[]`), "act: not an object"},
		{"C15 act without sub", claimsText(`"act":{}`), "act.sub: empty"},
		{"C15 act of nobody", claimsText(`"act":{"sub":null}`), "act: not a string"},
		{"C15 act with a further member", claimsText(`"act":{"sub":"a","iss":"b"}`), "act: an actor has the members"},
		{"C15 the inner act as a text", claimsText(`"act":{"sub":"a","act":"b"}`), "act: not an object"},
		{"C15 a thousand acts", claimsText(`"act":` + strings.Repeat(`{"act":`, 1000) + "{}" + strings.Repeat("}", 1000)), "act: more than 4"},

		{"nested 33 deep", claimsText(`"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32)), "nested too deeply"},
		{"a lone surrogate", claimsText(`"email":"\ud800"`), "surrogate"},
		{"a lone surrogate in an unknown member", claimsText(`"x":["\udc00"]`), "surrogate"},
		{"bytes that are no UTF-8", claimsText("\"email\":\"a\xffb\""), "UTF-8"},
		{"bytes that are no UTF-8, in an unknown member", claimsText("\"x\":\"\xed\xa0\x80\""), "UTF-8"},
		{"a control character", claimsText("\"email\":\"a\nb\""), "control character"},
		{"null", `null`, "not an object"},
		{"a list", `[` + claimsText() + `]`, "not an object"},
		{"a text", `"` + `x` + `"`, "not an object"},
		{"nothing", ``, "ends too early"},
		{"no end", strings.TrimSuffix(claimsText(), "}"), "ends too early"},
		{"two objects", claimsText() + claimsText(), "text after the value"},
		{"a comma too many", claimsText(`"x":1,`), "no member name"},
		{"a comment", claimsText(`"x":1/**/`), "no comma"},
		{"a byte order mark", "\ufeff" + claimsText(), "not an object"},
		{"single quotes", `{'iss':'i'}`, "no member name"},
	} {
		t.Run(row.name, func(t *testing.T) { refused(t, row.text, row.want) })
	}
}

// Twins: what the reader refuses, the writer refuses as well.
func TestClaimsRefusedInBothDirections(t *testing.T) {
	long := strings.Repeat("x", 4097)
	quoted := func(s string) string { return `"` + s + `"` }
	type twin struct {
		name   string
		member string // as JSON; "" where no text can say it
		set    func(*tokenauth.Claims)
		want   string // the member that both errors name
	}
	twins := []twin{
		{"C7c sub *", `"sub":"*"`, func(c *tokenauth.Claims) { c.Subject = "*" }, "sub"},
		{"sub of 256 bytes", `"sub":` + quoted(long[:256]), func(c *tokenauth.Claims) { c.Subject = long[:256] }, "sub"},
		{"jti of 129 bytes", `"jti":` + quoted(long[:129]), func(c *tokenauth.Claims) { c.ID = long[:129] }, "jti"},
		{"sid of 129 bytes", `"sid":` + quoted(long[:129]), func(c *tokenauth.Claims) { c.SessionID = long[:129] }, "sid"},
		{"client_id of 513 bytes", `"client_id":` + quoted(long[:513]), func(c *tokenauth.Claims) { c.ClientID = long[:513] }, "client_id"},
		{"an empty audience", `"aud":["a",""]`, func(c *tokenauth.Claims) { c.Audience = []string{"a", ""} }, "aud"},
		{"one empty audience", `"aud":[""]`, func(c *tokenauth.Claims) { c.Audience = []string{""} }, "aud"},
		{"an empty role", `"roles":[""]`, func(c *tokenauth.Claims) { c.Roles = []string{""} }, "roles"},
		{"an empty capability", `"caps":["a","b",""]`, func(c *tokenauth.Claims) { c.Caps = []string{"a", "b", ""} }, "caps"},
		{"NUL in an audience", `"aud":["a\u0000"]`, func(c *tokenauth.Claims) { c.Audience = []string{"a\x00"} }, "aud[0]"},
		{"NUL in a role", `"roles":["a","\u0000admin"]`, func(c *tokenauth.Claims) { c.Roles = []string{"a", "\x00admin"} }, "roles[1]"},
		{"NUL in a capability", `"caps":["\u0000"]`, func(c *tokenauth.Claims) { c.Caps = []string{"\x00"} }, "caps[0]"},
		{"a role of 4097 bytes", `"roles":[` + quoted(long) + `]`, func(c *tokenauth.Claims) { c.Roles = []string{long} }, "roles[0]"},
		{"no UTF-8 in an audience", "\"aud\":[\"\xff\"]", func(c *tokenauth.Claims) { c.Audience = []string{"\xff"} }, ""},
		{"no UTF-8 in a role", "\"roles\":[\"\xff\"]", func(c *tokenauth.Claims) { c.Roles = []string{"\xff"} }, ""},
		{"no UTF-8 in a capability", "\"caps\":[\"\xff\"]", func(c *tokenauth.Claims) { c.Caps = []string{"\xff"} }, ""},
		{"C9 exp negative", `"exp":-1`, func(c *tokenauth.Claims) { c.ExpiresAt = time.Unix(-1, 0) }, "exp"},
		{"C9 exp in the year 10000", `"exp":253402300800`, func(c *tokenauth.Claims) { c.ExpiresAt = time.Unix(253402300800, 0) }, "exp"},
		{"C9 iat in the year 1969", `"iat":-0.5`, func(c *tokenauth.Claims) { c.IssuedAt = time.Unix(0, -5e8) }, "iat"},
		{"C9 nbf in the year 10000", `"nbf":253402300800`, func(c *tokenauth.Claims) { c.NotBefore = time.Unix(253402300800, 0) }, "nbf"},
		{"C9 nbf in the year 1", `"nbf":-62135596799`, func(c *tokenauth.Claims) { c.NotBefore = time.Time{}.Add(time.Second) }, "nbf"},
		{"C11 an empty OAuth scope", `"scopes":["a",""]`, func(c *tokenauth.Claims) { c.OAuthScopes = []string{"a", ""} }, "scope"},
		{"C11 a blank in an OAuth scope", `"scopes":["a b"]`, func(c *tokenauth.Claims) { c.OAuthScopes = []string{"a b"} }, "scope[0]"},
		{"C11 a quote in an OAuth scope", `"scopes":["a\""]`, func(c *tokenauth.Claims) { c.OAuthScopes = []string{`a"`} }, "scope[0]"},
		{"C11 a backslash in an OAuth scope", `"scopes":["a\\"]`, func(c *tokenauth.Claims) { c.OAuthScopes = []string{`a\`} }, "scope[0]"},
		{"C11 DEL in an OAuth scope", `"scope":"a` + "\x7f" + `"`, func(c *tokenauth.Claims) { c.OAuthScopes = []string{"a\x7f"} }, "scope[0]"},
		{"C11 an OAuth scope beyond ASCII", `"scopes":["a","é"]`, func(c *tokenauth.Claims) { c.OAuthScopes = []string{"a", "é"} }, "scope[1]"},
		{"C15 act nested 5", `"act":{"sub":"a","act":{"sub":"b","act":{"sub":"c","act":{"sub":"d","act":{"sub":"e"}}}}}`,
			func(c *tokenauth.Claims) {
				for range 5 {
					c.Actor = &tokenauth.Actor{Subject: "a", Actor: c.Actor}
				}
			}, "act"},
		{"C15 act in a circle", "", func(c *tokenauth.Claims) {
			c.Actor = &tokenauth.Actor{Subject: "a"}
			c.Actor.Actor = c.Actor
		}, "act"},
		{"C15 act without sub", `"act":{"sub":"a","act":{}}`,
			func(c *tokenauth.Claims) {
				c.Actor = &tokenauth.Actor{Subject: "a", Actor: &tokenauth.Actor{}}
			}, "act.sub"},
		{"NUL in act", `"act":{"sub":"\u0000"}`, func(c *tokenauth.Claims) { c.Actor = &tokenauth.Actor{Subject: "\x00"} }, "act.sub"},
		{"dlg_depth 5", `"dlg_depth":5`, func(c *tokenauth.Claims) { c.DelegationDepth = 5 }, "dlg_depth"},
		{"dlg_depth -1", `"dlg_depth":-1`, func(c *tokenauth.Claims) { c.DelegationDepth = -1 }, "dlg_depth"},
		{"sv 2^53", `"sv":9007199254740992`, func(c *tokenauth.Claims) { c.SessionVersion = 1 << 53 }, "sv"},
		{"sv -1", `"sv":-1`, func(c *tokenauth.Claims) { c.SessionVersion = -1 }, "sv"},
		{"no exp", "", func(c *tokenauth.Claims) { c.ExpiresAt = time.Time{} }, "exp"},
		{"no iat", "", func(c *tokenauth.Claims) { c.IssuedAt = time.Time{} }, "iat"},
		{"no iss", "", func(c *tokenauth.Claims) { c.Issuer = "" }, "iss"},
		{"no sub", "", func(c *tokenauth.Claims) { c.Subject = "" }, "sub"},
	}
	for _, text := range []struct {
		member string
		set    func(*tokenauth.Claims, string)
		most   int
	}{
		{"iss", func(c *tokenauth.Claims, s string) { c.Issuer = s }, 4096},
		{"sub", func(c *tokenauth.Claims, s string) { c.Subject = s }, 255},
		{"jti", func(c *tokenauth.Claims, s string) { c.ID = s }, 128},
		{"email", func(c *tokenauth.Claims, s string) { c.Email = s }, 4096},
		{"node_id", func(c *tokenauth.Claims, s string) { c.NodeID = s }, 4096},
		{"client_id", func(c *tokenauth.Claims, s string) { c.ClientID = s }, 512},
		{"cat", func(c *tokenauth.Claims, s string) { c.Category = s }, 4096},
		{"account_type", func(c *tokenauth.Claims, s string) { c.AccountType = s }, 4096},
		{"active_ppnum", func(c *tokenauth.Claims, s string) { c.ActivePPNum = s }, 4096},
		{"delegator", func(c *tokenauth.Claims, s string) { c.Delegator = s }, 4096},
		{"cid", func(c *tokenauth.Claims, s string) { c.CredentialID = s }, 4096},
		{"sid", func(c *tokenauth.Claims, s string) { c.SessionID = s }, 128},
	} {
		set := func(s string) func(*tokenauth.Claims) { return func(c *tokenauth.Claims) { text.set(c, s) } }
		twins = append(twins,
			twin{"NUL in " + text.member, `"` + text.member + `":"a\u0000"`, set("a\x00"), text.member + ": holds NUL"},
			twin{"no UTF-8 in " + text.member, `"` + text.member + "\":\"a\xff\"", set("a\xff"), ""},
			twin{"too long " + text.member, `"` + text.member + `":` + quoted(long[:text.most+1]), set(long[:text.most+1]), text.member + ": longer than"},
		)
		_, err := with(set(long[:text.most])).MarshalJSON()
		require.NoError(t, err, "%s of %d bytes", text.member, text.most)
		_, err = readClaims(t, claimsText(`"`+text.member+`":`+quoted(long[:text.most])))
		require.NoError(t, err, "%s of %d bytes", text.member, text.most)
	}
	for _, s := range []struct {
		name, scope string
		value       tokenauth.TokenScope
		want        string
	}{
		{"S11 a scope without id", `{"resource_kind":"a","resource_id":"","level":"read"}`, scopeOf("a", "", read), "resource_id"},
		{"S11 a scope with the id *", `{"resource_kind":"a","resource_id":"*","level":"read"}`, scopeOf("a", "*", read), "resource_id"},
		{"S17 a scope of level 9", `{"resource_kind":"a","resource_id":"b","level":"level(9)"}`, scopeOf("a", "b", 9), "level"},
		{"a scope without kind", `{"resource_kind":"","resource_id":"b","level":"read"}`, scopeOf("", "b", read), "resource_kind"},
		{"a scope with NUL in its kind", `{"resource_kind":"a\u0000","resource_id":"b","level":"read"}`, scopeOf("a\x00", "b", read), "resource_kind"},
		{"a scope with NUL in its id", `{"resource_kind":"a","resource_id":"b\u0000","level":"read"}`, scopeOf("a", "b\x00", read), "resource_id"},
		{"a scope with a long id", `{"resource_kind":"a","resource_id":` + quoted(long[:257]) + `,"level":"read"}`, scopeOf("a", long[:257], read), "resource_id"},
	} {
		twins = append(twins, twin{s.name, `"scopes":[` + s.scope + `]`, func(c *tokenauth.Claims) { c.Scopes = scopesOf(s.value) }, s.want})
	}
	for _, row := range twins {
		t.Run(row.name, func(t *testing.T) {
			if row.member != "" {
				refused(t, claimsText(row.member), row.want)
			}
			notWritten(t, with(row.set), row.want)
		})
	}
}

// notWritten checks that claims are refused in every way they can be written.
func notWritten(t *testing.T, c *tokenauth.Claims, want string) {
	t.Helper()
	text, err := c.MarshalJSON()
	require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
	require.ErrorContains(t, err, want)
	require.Nil(t, text)
	_, err = json.Marshal(c)
	require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
	_, err = json.Marshal(*c)
	require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
}

// C7b: nothing in Extra becomes a member of ours, for this reader or for a lenient one.
func TestExtraIsRefusedAtEveryDoor(t *testing.T) {
	names := map[string]string{
		"no name":                "",
		"129 bytes":              strings.Repeat("x", 129),
		"a quote":                `a"b`,
		"a name that ends early": `x":1,"roles":["admin"],"y`,
		"a backslash":            `a\u0062`,
		"a blank":                "a b",
		"a line feed":            "a\n",
		"NUL":                    "a\x00",
		"DEL":                    "a\x7f",
		"letters beyond ASCII":   "é",
		"no UTF-8":               "a\xff",
		"angle brackets":         "<a>",
		"braces":                 "{a}",
	}
	for _, known := range wireNames {
		names["a member of ours: "+known] = known
		for what, fold := range map[string]func(string) string{
			"in capitals":          strings.ToUpper,
			"with one capital":     func(s string) string { return s[:len(s)-1] + strings.ToUpper(s[len(s)-1:]) },
			"with a long s":        func(s string) string { return strings.Replace(s, "s", "\u017f", 1) },
			"with the Kelvin sign": func(s string) string { return strings.Replace(s, "k", "\u212a", 1) },
		} {
			if folded := fold(known); folded != known {
				names[known+" "+what] = folded
			}
		}
	}
	for what, name := range names {
		t.Run("C7b "+what, func(t *testing.T) {
			var c tokenauth.Claims
			require.ErrorIs(t, c.SetExtra(name, 1), tokenauth.ErrInvalidRequest)
			notWritten(t, with(func(c *tokenauth.Claims) { c.Extra = map[string]json.RawMessage{name: json.RawMessage(`1`)} }), "Extra")
			if !slices.Contains(wireNames, name) {
				text, err := json.Marshal(name)
				require.NoError(t, err)
				refused(t, claimsText(string(text)+`:1`), "Extra")
			}
		})
	}
	for what, value := range map[string]string{
		"a value and a member":    `1,"roles":["admin"]`,
		"two values":              `1 2`,
		"two values with a comma": `1,2`,
		"the end of the object":   `1}`,
		"the end and a new one":   `1},{"x":1`,
		"no value":                ``,
		"blanks":                  `  `,
		"no JSON":                 `x`,
		"a member twice":          `{"a":1,"a":2}`,
		"a lone surrogate":        `"\ud800"`,
		"no UTF-8":                "\"\xff\"",
		"a byte order mark":       "\ufeff1",
		"NaN":                     `NaN`,
		"no end":                  `[1`,
		"32 deep, 33 with claims": strings.Repeat("[", 32) + strings.Repeat("]", 32),
	} {
		t.Run("C7b value: "+what, func(t *testing.T) {
			notWritten(t, with(func(c *tokenauth.Claims) { c.Extra = map[string]json.RawMessage{"x": json.RawMessage(value)} }), "Extra")
		})
	}
	notWritten(t, with(func(c *tokenauth.Claims) { c.Extra = map[string]json.RawMessage{"x": nil} }), "Extra")
}

// wireNames is what the names above are tried on, so it has to be all of them: of each, a lenient reader finds the field.
func TestEveryMemberIsAMemberOfOurs(t *testing.T) {
	written, err := fullClaims().MarshalJSON()
	require.NoError(t, err)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(written, &members))
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return fullClaims().Extra[name] != nil })
	require.ElementsMatch(t, wireNames, slices.Collect(maps.Keys(members)))
}

// json.Marshal rewrites what a MarshalJSON returns: it drops blanks and escapes a few characters. The values stay.
func TestExtraThroughJSONMarshal(t *testing.T) {
	c := with(func(c *tokenauth.Claims) {
		c.Extra = map[string]json.RawMessage{"x": json.RawMessage(`{ "a" : "<&>\u2028" }`)}
	})
	direct, err := c.MarshalJSON()
	require.NoError(t, err)
	require.Contains(t, string(direct), `"x":{ "a" : "<&>\u2028" }`)

	viaPackage, err := json.Marshal(c)
	require.NoError(t, err)
	back, err := readClaims(t, string(viaPackage))
	require.NoError(t, err)
	require.Equal(t, `{"a":"\u003c\u0026\u003e\u2028"}`, string(back.Extra["x"]))
}

// Blanks around a value are no part of it, so that they alone do not come back.
func TestExtraWithBlanksAround(t *testing.T) {
	text, err := with(func(c *tokenauth.Claims) { c.Extra = map[string]json.RawMessage{"x": json.RawMessage("\n [1, 2] ")} }).MarshalJSON()
	require.NoError(t, err)
	back, err := readClaims(t, string(text))
	require.NoError(t, err)
	require.Equal(t, `[1, 2]`, string(back.Extra["x"]))
}

// An error names the member, never what stands in it.
func TestClaimsErrorsHoldNoValue(t *testing.T) {
	const canary = "canary"
	for _, name := range append([]string{"x"}, wireNames...) {
		for _, value := range []string{
			`"canary\u0000"`, `["canary\u0000"]`, `{"canary":"canary"}`, `[{"resource_kind":"canary","level":"canary"}]`, `[["canary"]]`,
			`"canary`, `["canary`, `canary`, `"` + strings.Repeat(canary, 1000) + `"`,
		} {
			var c tokenauth.Claims
			if err := c.UnmarshalJSON([]byte(claimsText(`"` + name + `":` + value))); err != nil {
				assert.NotContains(t, err.Error(), canary, "%s: %s", name, value)
				assert.Less(t, len(err.Error()), 200, "%s: %s", name, value)
			}
		}
	}
	var c tokenauth.Claims
	err := c.UnmarshalJSON([]byte(claimsText(`"canary name":1`)))
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary, "nor a name that somebody else chose")
}

func TestClaimsErrorTellsWhere(t *testing.T) {
	var c tokenauth.Claims
	err := c.UnmarshalJSON([]byte(`{"iss":"i","sub":"s" "exp":1}`))
	require.EqualError(t, err, "tokenauth: the claims are not well formed: no comma, and no end of the object or array at byte 21")
	err = c.UnmarshalJSON([]byte(claimsText(`"aud":7`)))
	require.EqualError(t, err, "tokenauth: the claims are not well formed: aud: not an array at byte 61")
}

// Claims of random pieces, half of them hostile: whatever is written is read back the same, in whole seconds UTC.
func TestWhatMarshalJSONWritesUnmarshalJSONReads(t *testing.T) {
	g := claimsGenerator{rand.New(rand.NewPCG(3, 4))}
	written := 0
	for range 20_000 {
		c := g.claims()
		text, err := c.MarshalJSON()
		if err != nil {
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
			continue
		}
		written++
		var back tokenauth.Claims
		require.NoError(t, back.UnmarshalJSON(text), "%s", text)
		require.Equal(t, asRead(c), &back, "%s", text)
		again, err := back.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
	}
	require.Greater(t, written, 2_000, "too few to show anything")
	require.Less(t, written, 18_000, "too tame to show anything")
}

// asRead returns c as the wire form keeps it: whole seconds UTC, and nothing for what is empty.
func asRead(c *tokenauth.Claims) *tokenauth.Claims {
	c = c.Clone()
	for _, at := range []*time.Time{&c.ExpiresAt, &c.IssuedAt, &c.NotBefore} {
		if !at.IsZero() {
			*at = time.Unix(at.Unix(), 0).UTC()
		}
	}
	for _, list := range []*[]string{&c.Audience, &c.Roles, &c.OAuthScopes, &c.Caps} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = nil
	}
	if len(c.Extra) == 0 {
		c.Extra = nil
	}
	return c
}

// A claimsGenerator makes claims of which roughly half can be written.
type claimsGenerator struct{ *rand.Rand }

// pick returns one of the good values, and now and then one of the others.
func pick[T any](g claimsGenerator, good, bad []T) T {
	if g.IntN(60) == 0 {
		return bad[g.IntN(len(bad))]
	}
	return good[g.IntN(len(good))]
}

// tooLong is longer than any text a claim may hold.
var tooLong = strings.Repeat("x", 4097)

func (g claimsGenerator) text() string {
	return pick(g, []string{"", "a", "admin", "é\u2028", `"\`, "\n\x1f", "</script>", " ", "💥"}, []string{"\x00", "\xff", tooLong})
}

func (g claimsGenerator) name() string {
	return pick(g, []string{"a", "admin", "*x", "user:1"}, []string{"", "*", "\x00", "\xff", tooLong})
}

func (g claimsGenerator) names() []string {
	var list []string
	for range g.IntN(3) {
		list = append(list, g.name())
	}
	return list
}

func (g claimsGenerator) moment() time.Time {
	zone := time.FixedZone("", g.IntN(86400)-43200)
	return pick(g,
		[]time.Time{time.Unix(g.Int64N(253402300800), g.Int64N(1e9)).In(zone), time.Unix(0, 0), time.Unix(253402300799, 999999999)},
		[]time.Time{{}, time.Unix(-1, 0), time.Unix(253402300800, 0)})
}

func (g claimsGenerator) claims() *tokenauth.Claims {
	c := &tokenauth.Claims{
		Issuer: g.name(), Subject: g.name(), Audience: g.names(), ExpiresAt: g.moment(), IssuedAt: g.moment(), ID: g.text(),
		Roles: g.names(), Caps: g.names(), AdminHint: g.IntN(2) == 0, Email: g.text(), NodeID: g.text(), ClientID: g.text(),
		AccountType: g.text(), ActivePPNum: g.text(), Delegator: g.text(), CredentialID: g.text(), Category: g.text(),
		DelegationDepth: pick(g, []int{0, 4}, []int{-1, 5}), SessionID: g.text(), SessionVersion: pick(g, []int64{0, 1, 1<<53 - 1}, []int64{-1, 1 << 53}),
	}
	if g.IntN(2) == 0 {
		c.NotBefore = g.moment()
	}
	for range g.IntN(3) {
		c.Scopes = append(c.Scopes, scopeOf(g.name(), pick(g, []string{anything, "a", "a,b"}, []string{"", "*"}), pick(g, []tokenauth.PermissionLevel{none, read, write}, []tokenauth.PermissionLevel{4})))
		c.OAuthScopes = append(c.OAuthScopes, pick(g, []string{"openid", "a:b"}, []string{"", "a b", "é"}))
	}
	if g.IntN(2) == 0 {
		c.Scopes = nil
	}
	for range g.IntN(6) {
		c.Actor = &tokenauth.Actor{Subject: g.name(), Actor: c.Actor}
	}
	for range g.IntN(3) {
		if c.Extra == nil {
			c.Extra = map[string]json.RawMessage{}
		}
		name := pick(g, []string{"x", "y:z", "amr"}, []string{"Roles", "sub", `a"b`, ""})
		value := pick(g, []string{`1`, `[ "\u0041" ]`, `{"a":{}}`, `null`}, []string{``, `1,"roles":["admin"]`, `{"a":1,"a":2}`})
		c.Extra[name] = json.RawMessage(value)
	}
	return c
}

// C7b, C10: what is read is what encoding/json reads; written again it is read as the same, so that no trip adds authority; and what
// is refused leaves nothing behind.
func FuzzClaims(f *testing.F) {
	full, err := fullClaims().MarshalJSON()
	require.NoError(f, err)
	f.Add(string(full))
	f.Fuzz(func(t *testing.T, text string) {
		var c tokenauth.Claims
		err := c.UnmarshalJSON([]byte(text))
		var viaPackage tokenauth.Claims
		if errOfPackage := json.Unmarshal([]byte(text), &viaPackage); (err == nil) != (errOfPackage == nil) {
			t.Fatalf("UnmarshalJSON says %v, json.Unmarshal %v", err, errOfPackage)
		}
		require.Equal(t, c, viaPackage)
		if err != nil {
			require.ErrorIs(t, err, tokenauth.ErrClaims)
			require.Equal(t, tokenauth.Claims{}, c)
			return
		}
		checkAgainstStandard(t, text, &c)

		written, err := c.MarshalJSON()
		require.NoError(t, err, "what is read can be written")
		var back tokenauth.Claims
		require.NoError(t, back.UnmarshalJSON(written))
		require.Equal(t, c, back)
		written, err = json.Marshal(c)
		require.NoError(t, err)
		back = tokenauth.Claims{}
		require.NoError(t, json.Unmarshal(written, &back))
		require.Equal(t, values(t, c.Extra), values(t, back.Extra))
		c.Extra, back.Extra = nil, nil // the same values, but json.Marshal spells them anew
		require.Equal(t, c, back)
	})
}

// checkAgainstStandard compares what was read with what encoding/json makes of the same text in a map.
func checkAgainstStandard(t *testing.T, text string, got *tokenauth.Claims) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var members map[string]any
	require.NoError(t, d.Decode(&members))
	s := standardReader{members}
	want := &tokenauth.Claims{
		Issuer: s.text("iss"), Subject: s.text("sub"), ID: s.text("jti"), Email: s.text("email"), NodeID: s.text("node_id"),
		ClientID: s.text("client_id"), AccountType: s.text("account_type"), ActivePPNum: s.text("active_ppnum"), Delegator: s.text("delegator"),
		CredentialID: s.text("cid"), Category: s.text("cat"), SessionID: s.text("sid"),
		Audience: s.texts("aud"), Roles: s.texts("roles"), Caps: s.texts("caps"), Actor: actorOf(members["act"]),
	}
	want.AdminHint, _ = members["admin"].(bool)
	list, _ := members["scopes"].([]any)
	for _, entry := range list {
		switch entry := entry.(type) {
		case string:
			want.OAuthScopes = append(want.OAuthScopes, entry)
		case map[string]any:
			want.Scopes = append(want.Scopes, standardScope(t, entry))
		}
	}
	if scope := s.text("scope"); scope != "" {
		want.OAuthScopes = strings.Fields(scope)
	}
	moments := map[string]*time.Time{"exp": &want.ExpiresAt, "iat": &want.IssuedAt, "nbf": &want.NotBefore}
	for name, at := range moments {
		if seconds, ok := s.floor(name); ok {
			*at = time.Unix(seconds, 0).UTC()
		} else if members[name] != nil {
			return // an exponent too large for math/big
		}
	}
	depth, ok := s.floor("dlg_depth")
	version, alsoOK := s.floor("sv")
	if !ok && members["dlg_depth"] != nil || !alsoOK && members["sv"] != nil {
		return
	}
	want.DelegationDepth, want.SessionVersion = int(depth), version

	maps.DeleteFunc(members, func(name string, _ any) bool { return slices.Contains(wireNames, name) })
	require.Equal(t, members, values(t, got.Extra))
	for name, value := range got.Extra {
		require.Contains(t, text, string(value))
		require.False(t, slices.ContainsFunc(wireNames, func(known string) bool { return strings.EqualFold(known, name) }))
		require.False(t, strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' }))
	}
	want.Extra = got.Extra
	require.Equal(t, want, got)
}

// values reads further members with encoding/json.
func values(t *testing.T, extra map[string]json.RawMessage) map[string]any {
	read := map[string]any{}
	for name, value := range extra {
		d := json.NewDecoder(bytes.NewReader(value))
		d.UseNumber()
		var v any
		require.NoError(t, d.Decode(&v))
		read[name] = v
	}
	return read
}

// A standardReader takes members from what encoding/json read.
type standardReader struct{ members map[string]any }

func (s standardReader) text(name string) string {
	text, _ := s.members[name].(string)
	return text
}

func (s standardReader) texts(name string) (list []string) {
	switch value := s.members[name].(type) {
	case string:
		return []string{value}
	case []any:
		for _, entry := range value {
			list = append(list, entry.(string))
		}
	}
	return list
}

// floor returns a number, rounded down; it is false for one with an exponent that math/big would take all memory for.
func (s standardReader) floor(name string) (int64, bool) {
	number, ok := s.members[name].(json.Number)
	if !ok {
		return 0, false
	}
	if i := strings.IndexAny(number.String(), "eE"); i >= 0 {
		if e, err := strconv.Atoi(number.String()[i+1:]); err != nil || e < -5000 || e > 5000 {
			return 0, false
		}
	}
	exact, ok := new(big.Rat).SetString(number.String())
	if !ok {
		return 0, false
	}
	return new(big.Int).Div(exact.Num(), exact.Denom()).Int64(), true
}

func standardScope(t *testing.T, entry map[string]any) tokenauth.TokenScope {
	s := tokenauth.TokenScope{ResourceKind: entry["resource_kind"].(string), ResourceID: tokenauth.AnyResource}
	if id, ok := entry["resource_id"].(string); ok {
		s.ResourceID = id
	}
	require.NoError(t, s.Level.UnmarshalText([]byte(entry["level"].(string))))
	require.Subset(t, []string{"resource_kind", "resource_id", "level"}, slices.Collect(maps.Keys(entry)))
	return s
}

func actorOf(value any) *tokenauth.Actor {
	members, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	return &tokenauth.Actor{Subject: members["sub"].(string), Actor: actorOf(members["act"])}
}
