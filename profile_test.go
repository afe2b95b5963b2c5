package tokenauth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// What a Profile admits, to the second, the entry and the letter: each bound is met from both sides, its default and a setting.

// A profileCase is a token and what a configuration answers.
type profileCase struct {
	name   string
	change func(*config)
	header object
	claims object
	code   string
}

func (row profileCase) run(t *testing.T, f forge) {
	t.Run(row.name, func(t *testing.T) {
		cfg := configOf(f)
		if row.change != nil {
			row.change(&cfg)
		}
		p, err := newVerifier(t, cfg).Verify(t.Context(), f.token(f.header().with(row.header), payload().with(row.claims)))
		require.Equal(t, row.code, codeOf(err), "%v", err)
		require.Equal(t, row.code == "ok", p != nil)
	})
}

// at is a date of a token, in seconds from noon.
func at(seconds int) int64 { return noon.Unix() + int64(seconds) }

func TestTimes(t *testing.T) {
	const day, year = 24 * 3600, 365 * 24 * 3600
	leeway := func(d time.Duration) func(*config) { return func(c *config) { c.Leeway = d } }
	half := leeway(30 * time.Second)
	for _, row := range []profileCase{
		{"C8: exp is now + 1", nil, nil, object{"exp": at(1)}, "ok"},
		{"C8: exp is now", nil, nil, object{"exp": at(0)}, "token_expired"},
		{"exp is past", nil, nil, object{"exp": at(-1)}, "token_expired"},
		{"exp is now, and the clock is between seconds", func(c *config) {
			c.Now = func() time.Time { return noon.Add(999 * time.Millisecond) }
		}, nil, object{"exp": at(1)}, "ok"},
		{"exp with a fraction counts from its second", nil, nil, object{"exp": raw(fmt.Sprint(at(0), ".9"))}, "token_expired"},
		{"exp in the leeway", half, nil, object{"exp": at(-29)}, "ok"},
		{"exp at the end of the leeway", half, nil, object{"exp": at(-30)}, "token_expired"},

		{"nbf is now", nil, nil, object{"nbf": at(0)}, "ok"},
		{"nbf is now + 1", nil, nil, object{"nbf": at(1)}, "token_not_yet_valid"},
		{"nbf in the leeway", half, nil, object{"nbf": at(30)}, "ok"},
		{"nbf beyond the leeway", half, nil, object{"nbf": at(31)}, "token_not_yet_valid"},

		{"iat is now", nil, nil, object{"iat": at(0)}, "ok"},
		{"iat is now + 1", nil, nil, object{"iat": at(1)}, "issued_in_future"},
		{"iat in the leeway", half, nil, object{"iat": at(30)}, "ok"},
		{"iat beyond the leeway", half, nil, object{"iat": at(31)}, "issued_in_future"},
		{"iat within MaxAhead", func(c *config) { c.MaxAhead = time.Minute }, nil, object{"iat": at(60)}, "ok"},
		{"iat beyond MaxAhead", func(c *config) { c.MaxAhead = time.Minute }, nil, object{"iat": at(61)}, "issued_in_future"},
		{"iat beyond a MaxAhead below the leeway", func(c *config) {
			c.MaxAhead, c.Leeway = 10*time.Second, time.Minute
		}, nil, object{"iat": at(11)}, "issued_in_future"},
		{"MaxAhead is none for nbf", func(c *config) { c.MaxAhead = time.Minute }, nil, object{"nbf": at(1)}, "token_not_yet_valid"},

		{"lives 365 d", nil, nil, object{"iat": at(0), "exp": at(year)}, "ok"},
		{"lives a second longer", nil, nil, object{"iat": at(0), "exp": at(year + 1)}, "lifetime_too_long"},
		{"lives until the year 9999", nil, nil, object{"iat": 0, "exp": int64(253402300799)}, "lifetime_too_long"},
		{"lives MaxLifetime", func(c *config) { c.MaxLifetime = time.Hour }, nil, object{"iat": at(0), "exp": at(3600)}, "ok"},
		{"lives beyond MaxLifetime", func(c *config) { c.MaxLifetime = time.Hour }, nil, object{"iat": at(-1), "exp": at(3600)}, "lifetime_too_long"},

		{"X4: no jti, 24 h", nil, nil, object{"jti": gone{}, "iat": at(0), "exp": at(day)}, "ok"},
		{"X4: no jti, a second longer", nil, nil, object{"jti": gone{}, "iat": at(0), "exp": at(day + 1)}, "lifetime_stateless"},
		{"no jti, MaxStateless", func(c *config) { c.MaxStateless = time.Hour }, nil, object{"jti": gone{}, "iat": at(0), "exp": at(3600)}, "ok"},
		{"no jti, beyond MaxStateless", func(c *config) { c.MaxStateless = time.Hour }, nil, object{"jti": gone{}, "iat": at(0), "exp": at(3601)}, "lifetime_stateless"},
		{"MaxStateless is no bound with jti", func(c *config) { c.MaxStateless = time.Hour }, nil, object{"iat": at(0), "exp": at(3601)}, "ok"},
	} {
		row.run(t, newForge("HS256", "k1", ""))
	}
}

func TestNames(t *testing.T) {
	two := func(c *config) { c.Issuers, c.Audiences = []string{"a", "b"}, []string{"api", "web"} }
	none := func(c *config) { c.Audiences, c.NoAudience = nil, true }
	types := func(types ...string) func(*config) { return func(c *config) { c.Types = types } }
	typ := func(typ any) object { return object{"typ": typ} }
	for _, row := range []profileCase{
		{"iss with a slash more", nil, nil, object{"iss": "https://issuer.test/"}, "issuer_wrong"},
		{"iss in capitals", nil, nil, object{"iss": "HTTPS://ISSUER.TEST"}, "issuer_wrong"},
		{"iss begins alike", nil, nil, object{"iss": "https://issuer.tes"}, "issuer_wrong"},
		{"iss, the second of two", two, nil, object{"iss": "b"}, "ok"},
		{"iss, both as one", two, nil, object{"iss": "a,b"}, "issuer_wrong"},

		{"aud in a list", nil, nil, object{"aud": []string{"api"}}, "ok"},
		{"aud, one of its list is ours", nil, nil, object{"aud": []string{"web", "api"}}, "ok"},
		{"aud, none of its list is ours", nil, nil, object{"aud": []string{"web", "API", "api/"}}, "audience_wrong"},
		{"aud, the second of ours", two, nil, object{"iss": "a", "aud": "web"}, "ok"},
		{"aud is absent", nil, nil, object{"aud": gone{}}, "audience_wrong"},
		{"aud is absent, and must be", none, nil, object{"aud": gone{}}, "ok"},
		{"aud is there, and must not be", none, nil, object{"aud": "api"}, "audience_wrong"},

		{"typ at+jwt", nil, typ("at+jwt"), nil, "ok"},
		{"typ application/at+jwt", nil, typ("application/at+jwt"), nil, "ok"},
		{"typ AT+JWT", nil, typ("AT+JWT"), nil, "type_wrong"},
		{"typ JWT", nil, typ("JWT"), nil, "type_wrong"},
		{"typ of an ID token's neighbour", nil, typ("logout+jwt"), nil, "type_wrong"},
		{"no typ", nil, typ(gone{}), nil, "type_wrong"},
		{"typ JWT, asked for", types("JWT"), typ("JWT"), nil, "ok"},
		{"typ at+jwt, JWT asked for", types("JWT"), nil, nil, "type_wrong"},
		{"no typ, JWT asked for", types("JWT"), typ(gone{}), nil, "type_wrong"},
		{"no typ, asked for", types(""), typ(gone{}), nil, "ok"},
		{"typ at+jwt, none asked for", types(""), nil, nil, "type_wrong"},
		{"no typ, either asked for", types("JWT", ""), typ(gone{}), nil, "ok"},
		{"typ JWT, either asked for", types("JWT", ""), typ("JWT"), nil, "ok"},
		{"typ null", types(""), typ(nil), nil, "header_malformed"},
		{"typ empty", types(""), typ(""), nil, "header_malformed"},
	} {
		row.run(t, newForge("HS256", "k1", ""))
	}
}

func TestAlgorithmsOfAProfile(t *testing.T) {
	only := func(names ...string) func(*config) { return func(c *config) { c.Algorithms = names } }
	for _, row := range []profileCase{
		{"any that a key has", nil, nil, nil, "ok"},
		{"among others", only("EdDSA", "HS256"), nil, nil, "ok"},
		{"not among others", only("EdDSA", "HS512"), nil, nil, "algorithm_wrong"},
	} {
		row.run(t, newForge("HS256", "k1", ""))
	}
}

// C11: 256 entries of a list are many, 257 are too many.
func TestC11Counts(t *testing.T) {
	f := newForge("HS256", "k1", "")
	names := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("n", i))
		}
		return list
	}
	objects := func(n int) (list []object) {
		for i := range n {
			list = append(list, object{"resource_kind": "k", "resource_id": fmt.Sprint(i), "level": "read"})
		}
		return list
	}
	lists := map[string]func(n int) object{
		"scopes as strings": func(n int) object { return object{"scopes": names(n)} },
		"scopes as objects": func(n int) object { return object{"scopes": objects(n)} },
		"scope":             func(n int) object { return object{"scope": strings.Join(names(n), " ")} },
		"scope and scopes":  func(n int) object { return object{"scope": strings.Join(names(n/2), " "), "scopes": objects(n - n/2)} },
		"roles":             func(n int) object { return object{"roles": names(n)} },
		"caps":              func(n int) object { return object{"caps": names(n)} },
		"aud":               func(n int) object { return object{"aud": append(names(n-1), "api")} },
	}
	for name, list := range lists {
		for most, bound := range map[int]int{256: 0, 3: 3} {
			room := func(c *config) { c.MaxTokenBytes, c.MaxScopes = 1<<20, bound }
			profileCase{fmt.Sprint(name, " ", most), room, nil, list(most), "ok"}.run(t, f)
			profileCase{fmt.Sprint(name, " ", most+1), room, nil, list(most + 1), "claims_too_many"}.run(t, f)
		}
	}
}

func TestRequiredClaims(t *testing.T) {
	for _, row := range []profileCase{
		{"no jti", nil, nil, object{"jti": gone{}}, "ok"},
		{"RequireID, no jti", func(c *config) { c.RequireID = true }, nil, object{"jti": gone{}}, "token_id_missing"},
		{"RequireID, jti null", func(c *config) { c.RequireID = true }, nil, object{"jti": nil}, "token_id_missing"},
		{"RequireID, jti", func(c *config) { c.RequireID = true }, nil, nil, "ok"},
		{"no client_id", nil, nil, nil, "ok"},
		{"RequireClientID, none", func(c *config) { c.RequireClientID = true }, nil, nil, "client_id_missing"},
		{"RequireClientID, one", func(c *config) { c.RequireClientID = true }, nil, object{"client_id": "cli"}, "ok"},
		{"cat access", nil, nil, object{"cat": "access"}, "ok"},
		{"cat refresh", nil, nil, object{"cat": "refresh"}, "category_wrong"},
		{"cat Access", nil, nil, object{"cat": "Access"}, "category_wrong"},
		{"cat null", nil, nil, object{"cat": nil}, "ok"},
	} {
		row.run(t, newForge("HS256", "k1", ""))
	}
}

// What RFC9068 returns is strict: each row is a token that some verifier would take and this one must not.
func TestRFC9068(t *testing.T) {
	f := newForge("EdDSA", "2031-03", "")
	minimal := object{
		"iss": "https://auth.example", "sub": "alice", "aud": "https://api.example", "client_id": "cli", "jti": "id-1",
		"iat": at(0), "exp": at(3600),
	}
	for _, row := range []struct {
		name   string
		header object
		claims object
		code   string
	}{
		{"the least there must be", nil, nil, "ok"},
		{"application/at+jwt", object{"typ": "application/at+jwt"}, nil, "ok"},
		{"typ JWT", object{"typ": "JWT"}, nil, "type_wrong"},
		{"no typ", object{"typ": gone{}}, nil, "type_wrong"},
		{"no kid", object{"kid": gone{}}, nil, "key_unknown"},
		{"a fourth header member", object{"nonce": "x"}, nil, "header_refused"},
		{"another issuer", nil, object{"iss": "https://else.example"}, "issuer_wrong"},
		{"another audience", nil, object{"aud": "https://b.example"}, "audience_wrong"},
		{"no aud", nil, object{"aud": gone{}}, "audience_wrong"},
		{"no jti", nil, object{"jti": gone{}}, "token_id_missing"},
		{"no client_id", nil, object{"client_id": gone{}}, "client_id_missing"},
		{"lives 24 h", nil, object{"exp": at(86400)}, "ok"},
		{"lives longer", nil, object{"exp": at(86401)}, "lifetime_too_long"},
		{"issued 60 s ahead", nil, object{"iat": at(60)}, "ok"},
		{"issued 61 s ahead", nil, object{"iat": at(61)}, "issued_in_future"},
		{"a claim of its own", nil, object{"tenant": "t"}, "claims_unknown"},
		{"a refresh token", nil, object{"cat": "refresh"}, "category_wrong"},
		{"act 5 deep (C15)", nil, object{"act": raw(`{"sub":"1","act":{"sub":"2","act":{"sub":"3","act":{"sub":"4","act":{"sub":"5"}}}}}`)}, "claims_malformed"},
		{"delegated 5 deep", nil, object{"dlg_depth": 5}, "claims_malformed"},
		{"both kinds of scopes (C11)", nil, object{"scope": "openid", "scopes": []string{"openid"}}, "claims_malformed"},
		{"a session, and no stance (X8)", nil, object{"sid": "s"}, "sessions_not_configured"},
		{"a hint, and no AdminCheck (C14)", nil, object{"admin": true}, "admin_not_configured"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := configOf(f)
			cfg.Profile = tokenauth.RFC9068("https://auth.example", "https://api.example")
			_, err := newVerifier(t, cfg).Verify(t.Context(), f.token(f.header().with(row.header), minimal.with(row.claims)))
			require.Equal(t, row.code, codeOf(err), "%v", err)
		})
	}
	for _, alg := range []string{"HS256", "RS256", "ES256"} {
		t.Run(alg, func(t *testing.T) {
			f := newForge(alg, "2031-03", "")
			cfg := configOf(f)
			cfg.Profile = tokenauth.RFC9068("https://auth.example", "https://api.example")
			p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(minimal))
			requireRefused(t, p, err, tokenauth.ErrMalformed, "algorithm_wrong")
		})
	}
	t.Run("two calls share nothing", func(t *testing.T) {
		one := tokenauth.RFC9068("a", "b")
		one.Types[0], one.Algorithms[0], one.Issuers[0] = "x", "x", "x"
		two := tokenauth.RFC9068("a", "b")
		require.Equal(t, []string{"a", "at+jwt", "EdDSA"}, slices.Concat(two.Issuers, two.Types[:1], two.Algorithms))
	})
}
