package tokenauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A Profile promises that what one mints the other accepts. So whatever comes out of an issuer is held against the verifier of the
// same profile here, and what that would refuse must have been refused before anything was signed or stored.

// M8 is the promise of a Profile: what one mints the other accepts, and says the same about it.
func TestM8WhatIsMintedIsAccepted(t *testing.T) {
	algorithms := []string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}
	for _, alg := range algorithms {
		t.Run("M8 "+alg, func(t *testing.T) {
			t.Parallel()
			n := 200
			if slow := !strings.HasPrefix(alg, "HS") && alg != "ES256" && alg != "EdDSA"; slow {
				n = 10
			}
			testM8(t, n, officeKey(t, alg), randomProfile)
		})
	}
	t.Run("M8 HS256 without kid", func(t *testing.T) {
		key, err := tokenauth.NewSigningKey("", "HS256", []byte("a secret that is long enough for it"))
		require.NoError(t, err)
		testM8(t, 100, key, func(*mathrand.Rand) tokenauth.Profile {
			return tokenauth.Profile{
				Issuers: []string{"orchestrator"}, NoAudience: true, Types: []string{"JWT"}, Algorithms: []string{"HS256"},
			}
		})
	})
	t.Run("M8 RFC9068", func(t *testing.T) {
		testM8(t, 100, officeKey(t, "EdDSA"), func(r *mathrand.Rand) tokenauth.Profile {
			p := tokenauth.RFC9068("https://auth.test", "https://api.test")
			p.KnownClaims = []string{"team", "cnf"}
			if r.IntN(2) == 0 {
				p.AccountTypes = []string{"human", "ai_agent", "programmable"}
			}
			return p
		})
	})
}

// testM8 mints whatever comes to mind, n times under another profile.
func testM8(t *testing.T, n int, key tokenauth.SigningKey, profile func(*mathrand.Rand) tokenauth.Profile) {
	random := mathrand.New(mathrand.NewPCG(8, 1))
	var minted, refused int
	for range rounds(n) {
		o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
			cfg.Profile, cfg.Key = profile(random), key
			if random.IntN(4) == 0 {
				cfg.AdminCheck = func(context.Context, *tokenauth.Claims) (bool, error) { return true, nil }
			}
		})
		require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(24*time.Hour)))
		accept := func(issued tokenauth.Issued, err error) {
			t.Helper()
			if err != nil {
				require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
				refused++
				return
			}
			minted++
			p, err := o.verifier.Verify(t.Context(), issued.Token.Reveal())
			require.NoError(t, err, "%+v", issued.Claims)
			require.Equal(t, plain(issued.Claims), plain(p.Claims()))
			requireRecordOf(t, o, issued)
		}
		for range 4 {
			c := randomClaims(random, &o.cfg.Profile)
			issued, err := o.Sign(t.Context(), bySystem, c)
			accept(issued, err)
			if issued.Record != nil {
				accept(o.Rotate(t.Context(), bySystem, issued.Record.ID, 0))
			}
			accept(o.Issue(t.Context(), tokenauth.TokenRequest{
				By: bySystem, Name: "n", Subject: c.Subject, ClientID: c.ClientID, Scopes: c.Scopes, Roles: c.Roles, Audiences: c.Audience,
			}))
		}
		accept(o.IssueNode(t.Context(), bySystem, "n1", time.Minute))
		container := tokenauth.ContainerRequest("web", "api", "c1")
		container.ClientID = "scheduler"
		accept(o.Issue(t.Context(), container))
	}
	require.Greater(t, minted, refused, "most of what is asked for can be minted")
}

// requireRecordOf holds a record to its token: they agree about what both of them say.
func requireRecordOf(t testing.TB, o *office, issued tokenauth.Issued) {
	t.Helper()
	c := issued.Claims
	if c.ID == "" {
		require.Nil(t, issued.Record)
		return
	}
	r := o.record(t, c.ID)
	require.Equal(t, r, issued.Record)
	require.Equal(t, c.Subject, r.Subject)
	require.Equal(t, c.ClientID, r.ClientID)
	require.Equal(t, c.ExpiresAt, r.ExpiresAt)
	require.Equal(t, c.IssuedAt, r.CreatedAt)
	require.ElementsMatch(t, c.Roles, r.Roles)
	require.ElementsMatch(t, c.Scopes, r.Scopes)
}

// plain returns claims in which what is empty is nil.
func plain(c *tokenauth.Claims) *tokenauth.Claims {
	c = c.Clone()
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

// randomProfile returns one of the profiles there may be.
func randomProfile(r *mathrand.Rand) tokenauth.Profile {
	p := tokenauth.Profile{Issuers: []string{"https://auth.test", "https://auth.test/old"}[:1+r.IntN(2)]}
	if n := r.IntN(4); n > 0 {
		p.Audiences = []string{"api", "billing", "https://search.test/?q=\"<&>\u2028"}[:n]
	} else {
		p.NoAudience = true
	}
	p.Types = [][]string{nil, {"JWT"}, {""}, {"at+jwt", ""}}[r.IntN(4)]
	p.MaxAhead = time.Duration(r.IntN(2)) * time.Minute
	p.MaxLifetime = []time.Duration{0, 2 * time.Hour, 24 * time.Hour}[r.IntN(3)]
	p.MaxStateless = []time.Duration{0, 30 * time.Minute}[r.IntN(2)]
	p.MaxScopes = []int{0, 3}[r.IntN(2)]
	p.MaxTokenBytes = []int{0, 1 << 10, 1 << 20}[r.IntN(3)]
	p.RequireID = r.IntN(2) == 0
	p.RequireClientID = r.IntN(4) == 0
	p.ClosedHeader = r.IntN(2) == 0
	p.NoAdmin = r.IntN(4) == 0
	if p.ClosedClaims = r.IntN(2) == 0; p.ClosedClaims {
		p.KnownClaims = []string{"team", "cnf"}
	}
	if r.IntN(2) == 0 {
		p.AccountTypes = []string{"human", "ai_agent"}
	}
	return p
}

// randomClaims returns claims that may be minted under a profile, more often than not.
func randomClaims(r *mathrand.Rand, p *tokenauth.Profile) *tokenauth.Claims {
	some := func(n int, list ...string) []string {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list[:r.IntN(min(n, len(list))+1)]
	}
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	c := &tokenauth.Claims{
		Subject:      one("alice", "alice", "node:n1", "user \"<b>\"&'\\/\b\u2028\U0001F600", strings.Repeat("s", 255)),
		Issuer:       one(append([]string{""}, p.Issuers...)...),
		Audience:     some(2, slices.Clone(p.Audiences)...),
		Roles:        some(3, "viewer", "operator", "röle", "admin"),
		OAuthScopes:  some(2, "openid", "a:b/c", "!#~"),
		Caps:         some(2, "cap.one", "\u202ecap"),
		Email:        one("", "alice@example.test"),
		NodeID:       one("", "n1"),
		ClientID:     one("cli", "cli", ""),
		AccountType:  one("", "human", "ai_agent"),
		ActivePPNum:  one("", "17"),
		Delegator:    one("", "bob"),
		CredentialID: one("", "cred-1"),
		Category:     one("", "access"),
	}
	for range r.IntN(4) {
		c.Scopes = append(c.Scopes, tokenauth.TokenScope{
			ResourceKind: one("deployment", "secret", "k\"ind"),
			ResourceID:   one("web", tokenauth.AnyResource, "a,b:c\n", "\u0001\x7f", strings.Repeat("i", 256)),
			Level:        tokenauth.PermissionLevel(1 + r.IntN(3)),
		})
	}
	if r.IntN(2) == 0 {
		c.ID = fmt.Sprint("id \"", r.Uint64())
	}
	if r.IntN(3) == 0 {
		c.Actor = &tokenauth.Actor{Subject: "robot", Actor: []*tokenauth.Actor{nil, {Subject: "starter"}}[r.IntN(2)]}
		c.DelegationDepth = r.IntN(5)
	}
	if c.Subject == "alice" {
		c.SessionID = one("", "s")
	}
	switch start := officeOpens.Add(-time.Duration(r.IntN(3)) * time.Second); r.IntN(4) {
	case 0:
		c.IssuedAt, c.NotBefore = start, start.In(time.FixedZone("there", 3600))
	case 1:
		c.ExpiresAt = start.Add(20 * time.Minute).In(time.FixedZone("there", -3600))
	case 2:
		c.IssuedAt, c.ExpiresAt = start, start.Add(time.Duration(1+r.IntN(26*3600))*time.Second)
	}
	c.AdminHint = p.AdminCheck != nil && r.IntN(3) == 0
	if r.IntN(3) == 0 {
		value := one(`"core"`, ` {"a" : [1.0e+2, null, "\u00e9<&>"]} `, strings.Repeat("[", 31)+strings.Repeat("]", 31), `-0`)
		c.Extra = map[string]json.RawMessage{one("team", "cnf", "https://claims.test/team"): json.RawMessage(strings.TrimSpace(value))}
	}
	return c
}

// A token as long as the profile admits is minted, and one byte more is not: what the issuer counts is what the verifier counts.
func TestM8LengthIsCountedRight(t *testing.T) {
	for _, alg := range []string{"HS256", "HS512", "RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"} {
		t.Run("M8 "+alg, func(t *testing.T) {
			key := officeKey(t, alg)
			sign := func(most int) (*office, tokenauth.Issued, error) {
				o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Key, cfg.MaxTokenBytes = key, most })
				issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice", Email: "alice@example.test"})
				return o, issued, err
			}
			_, issued, err := sign(0)
			require.NoError(t, err)
			length := len(issued.Token.Reveal())
			o, issued, err := sign(length)
			require.NoError(t, err)
			require.True(t, o.lives(t, issued))
			_, issued, err = sign(length - 1)
			requireInvalid(t, issued, err, "Profile.MaxTokenBytes")
		})
	}
}

func TestWhatTheVerifierWouldRefuseIsNeverSigned(t *testing.T) {
	deep := strings.Repeat("[", 32) + strings.Repeat("]", 32)
	many := make([]tokenauth.TokenScope, 257)
	for i := range many {
		many[i] = tokenauth.TokenScope{ResourceKind: "k", ResourceID: fmt.Sprint(i), Level: tokenauth.LevelRead}
	}
	chain := func(subjects ...string) (outermost *tokenauth.Actor) {
		for _, subject := range slices.Backward(subjects) {
			outermost = &tokenauth.Actor{Subject: subject, Actor: outermost}
		}
		return outermost
	}
	extra := func(name, value string) tokenauth.Claims {
		return tokenauth.Claims{Extra: map[string]json.RawMessage{name: json.RawMessage(value)}}
	}
	for _, row := range []struct {
		name   string
		c      tokenauth.Claims
		change func(*tokenauth.Profile)
		why    string
	}{
		{"another issuer", tokenauth.Claims{Issuer: "https://other.test"}, nil, "iss"},
		{"an audience beyond the profile's", tokenauth.Claims{Audience: []string{"api", "elsewhere"}}, nil, "aud"},
		{"C11 257 scopes", tokenauth.Claims{Scopes: many}, nil, "MaxScopes"},
		{"no client_id", tokenauth.Claims{}, func(p *tokenauth.Profile) { p.RequireClientID = true }, "client_id"},
		{"C13 an unknown account type", tokenauth.Claims{AccountType: "robot"},
			func(p *tokenauth.Profile) { p.AccountTypes = []string{"human"} }, "account type"},
		{"another category", tokenauth.Claims{Category: "refresh"}, nil, "cat"},
		{"C7 an unknown member, closed claims", extra("team", `1`), func(p *tokenauth.Profile) { p.ClosedClaims = true }, "team"},
		{"C7b Extra scopes", extra("scopes", `[]`), nil, "Extra"},
		{"C7b Extra Scopes", extra("Scopes", `[]`), nil, "Extra"},
		{"C7b Extra with a long s", extra("\u017fcopes", `[]`), nil, "Extra"},
		{"C7b Extra with a quote", extra(`a"b`, `1`), nil, "Extra"},
		{"C7b Extra that goes on", extra("team", `1,"roles":["admin"]`), nil, "Extra"},
		{"C7b Extra of two values", extra("team", `1 2`), nil, "Extra"},
		{"C7b Extra of none", extra("team", ``), nil, "Extra"},
		{"Extra 33 deep, inside the claims", extra("team", deep), nil, "Extra"},
		{"C15 act 5 deep", tokenauth.Claims{Actor: chain("1", "2", "3", "4", "5")}, nil, "act"},
		{"C7c sub *", tokenauth.Claims{Subject: "*"}, nil, "sub"},
		{"sub that reads as the system in a record", tokenauth.Claims{Subject: "system: operator"}, nil, "sub"},
		{"dlg_depth 5", tokenauth.Claims{DelegationDepth: 5}, nil, "dlg_depth"},
		{"an empty role", tokenauth.Claims{Roles: []string{""}}, nil, "roles"},
		{"an OAuth scope of two words", tokenauth.Claims{OAuthScopes: []string{"a b"}}, nil, "scope"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				if row.change != nil {
					row.change(&cfg.Profile)
				}
			})
			row.c.ID = "a"
			if row.c.Subject == "" {
				row.c.Subject = "alice"
			}
			issued, err := o.Sign(t.Context(), bySystem, &row.c)
			requireInvalid(t, issued, err, row.why)
			require.Empty(t, o.records(t, tokenauth.TokenFilter{}), "refused before Create")
		})
	}
}

func TestM11HostileTexts(t *testing.T) {
	hostile := map[string]string{
		"quotes":         `'; DROP TABLE "tokens"; --` + "`",
		"wildcards":      `%_*?[a-z]`,
		"a newline":      "line\nline\r\n",
		"an escape":      "\x1b[31mred\x1b[0m",
		"emoji":          "\U0001F468\u200d\U0001F469\u200d\U0001F467",
		"right to left":  "\u202etxt.exe",
		"a backslash":    `\u0000\x00`,
		"blanks":         "  a  ",
		"JSON":           `","roles":["admin"],"x":"`,
		"NUL":            "a\x00b",
		"not UTF-8":      "a\xffb",
		"half a pair":    "\xed\xa0\x80",
		"128 bytes":      strings.Repeat("x", 128),
		"129 bytes":      strings.Repeat("x", 129),
		"255 bytes":      strings.Repeat("x", 255),
		"256 bytes":      strings.Repeat("x", 256),
		"1 KiB":          strings.Repeat("é", 512),
		"over 1 KiB":     strings.Repeat("é", 512) + "x",
		"4 KiB":          strings.Repeat("x", 4<<10),
		"over 4 KiB":     strings.Repeat("x", 4<<10+1),
		"nothing at all": "",
	}
	kept := func(text string, most int) bool {
		return utf8.ValidString(text) && !strings.Contains(text, "\x00") && len(text) <= most
	}
	for name, text := range hostile {
		t.Run("M11 "+name, func(t *testing.T) {
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MaxTokenBytes = 64 << 10 })
			scopes := grants(t, "deployment:web:read")
			check := func(field string, most int, issued tokenauth.Issued, err error, got func(*tokenauth.StoredAccessToken) string) {
				t.Helper()
				if !kept(text, most) {
					requireInvalid(t, issued, err, field)
					require.Empty(t, o.liveRecords(t))
					if text != "" {
						require.NotContains(t, err.Error(), text, "a refusal names the field and not the value")
					}
					return
				}
				require.NoError(t, err, field)
				require.Equal(t, text, got(o.record(t, issued.Record.ID)))
				require.True(t, o.lives(t, issued))
				_, err = o.Revoke(t.Context(), bySystem, issued.Record.ID, "")
				require.NoError(t, err)
			}
			issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: bySystem, Scopes: scopes, Name: text})
			check("name", 1<<10, issued, err, func(r *tokenauth.StoredAccessToken) string { return r.Name })
			issued, err = o.Issue(t.Context(), tokenauth.TokenRequest{By: bySystem, Scopes: scopes, ClientID: text})
			check("client_id", 512, issued, err, func(r *tokenauth.StoredAccessToken) string { return r.ClientID })
			if text != "" { // which is to choose one
				issued, err = o.Issue(t.Context(), tokenauth.TokenRequest{By: bySystem, Scopes: scopes, Subject: text})
				check("sub", 255, issued, err, func(r *tokenauth.StoredAccessToken) string { return r.Subject })
				issued, err = o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice", ID: text})
				check("jti", 128, issued, err, func(r *tokenauth.StoredAccessToken) string { return r.ID })
				issued, err = o.IssueNode(t.Context(), bySystem, text, 0)
				check("sub", 255-len("node:"), issued, err, func(r *tokenauth.StoredAccessToken) string {
					return strings.TrimPrefix(r.Subject, "node:")
				})
			}
			by := tokenauth.SystemAuthority("x" + text)
			issued, err = o.Issue(t.Context(), tokenauth.TokenRequest{By: by, Scopes: scopes})
			check("created_by", 512-len("system: x"), issued, err, func(r *tokenauth.StoredAccessToken) string {
				return strings.TrimPrefix(r.CreatedBy, "system: x")
			})

			target := o.child(t, bySystem, "deployment:web:read")
			_, err = o.Revoke(t.Context(), bySystem, target.Record.ID, text)
			if !kept(text, 4<<10) {
				requireInvalid(t, tokenauth.Issued{}, err, "")
				require.True(t, o.lives(t, target))
				return
			}
			require.NoError(t, err)
			require.Equal(t, text, o.record(t, target.Record.ID).RevokeReason)
		})
	}
}
