package tokenauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// Who may ask for a token, for how long, with what kin: the rows M1 to M6 and M12. What each member of the claims may be is in
// attenuate_test.go, what goes wrong in issue_failures_test.go, what a profile promises in issue_profile_test.go.

func TestWhoMayAsk(t *testing.T) {
	o := newOffice(t)
	twin := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Key = o.cfg.Key })
	foreign := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
		cfg.Key, cfg.Issuers, cfg.Tokens = o.cfg.Key, []string{"https://foreign.test"}, o.store
	})
	systemOnly, err := tokenauth.NewIssuer(func() tokenauth.IssuerConfig { cfg := o.cfg; cfg.Askers = nil; return cfg }())
	require.NoError(t, err)
	both, err := tokenauth.NewIssuer(func() tokenauth.IssuerConfig { cfg := o.cfg; cfg.Askers = foreign.verifier; return cfg }())
	require.NoError(t, err)
	admin := o.login(t, "root", tokenauth.RoleAdmin)
	var nobody *tokenauth.Principal
	reason := tokenauth.SystemAuthority("a pointer is no authority")

	for _, row := range []struct {
		name   string
		issuer *tokenauth.Issuer
		by     tokenauth.Authority
		want   error
		code   string
	}{
		{"the system", o.Issuer, bySystem, nil, ""},
		{"an admin whom Askers proved", o.Issuer, admin, nil, ""},
		{"nil", o.Issuer, nil, tokenauth.ErrForbidden, "asker_missing"},
		{"a nil principal", o.Issuer, nobody, tokenauth.ErrForbidden, "asker_missing"},
		{"the zero principal", o.Issuer, &tokenauth.Principal{}, tokenauth.ErrForbidden, "asker_missing"},
		{"the system without reason", o.Issuer, tokenauth.SystemAuthority(""), tokenauth.ErrInvalidRequest, "request_invalid"},
		{"the system with a blank for a reason", o.Issuer, tokenauth.SystemAuthority(" \t"),
			tokenauth.ErrInvalidRequest, "request_invalid"},
		{"a pointer to the system", o.Issuer, &reason, tokenauth.ErrForbidden, "asker_missing"},
		{"a struct around the system", o.Issuer, struct{ tokenauth.Authority }{bySystem}, tokenauth.ErrForbidden, "asker_missing"},
		{"a struct around an admin", o.Issuer, struct{ *tokenauth.Principal }{admin}, tokenauth.ErrForbidden, "asker_missing"},
		{"an admin whom another verifier of the same key proved", o.Issuer, twin.login(t, "root", tokenauth.RoleAdmin),
			tokenauth.ErrForbidden, "asker_foreign"},
		{"an admin of another issuer", both, foreign.login(t, "root", tokenauth.RoleAdmin), tokenauth.ErrForbidden, "asker_foreign"},
		{"an admin, where Askers is not set", systemOnly, admin, tokenauth.ErrForbidden, "asker_foreign"},
		{"the system, where Askers is not set", systemOnly, bySystem, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			target := o.child(t, bySystem, "deployment:web:read").Record.ID
			before := len(o.liveRecords(t))
			check := func(issued tokenauth.Issued, err error) {
				t.Helper()
				if row.want == nil {
					require.NoError(t, err)
					return
				}
				requireNothing(t, issued, err, row.want, row.code)
				require.Len(t, o.liveRecords(t), before)
			}
			check(row.issuer.Issue(t.Context(), request(t, row.by, "deployment:web:read")))
			if row.want == nil {
				return
			}
			check(row.issuer.Issue(t.Context(), tokenauth.TokenRequest{By: row.by})) // who asks is looked at before what
			check(row.issuer.IssueNode(t.Context(), row.by, "n1", 0))
			check(row.issuer.Sign(t.Context(), row.by, &tokenauth.Claims{Subject: "bob"}))
			check(row.issuer.Rotate(t.Context(), row.by, target, 0))
			_, err := row.issuer.Revoke(t.Context(), row.by, target, "")
			check(tokenauth.Issued{}, err)
			_, err = row.issuer.RevokeAll(t.Context(), row.by, tokenauth.TokenFilter{Owner: "root"}, "")
			check(tokenauth.Issued{}, err)
		})
	}
}

// A subject that reads as the system would be taken for it in every record. No issuer here mints one, but a key may be shared.
func TestNobodyAsksInTheNameOfTheSystem(t *testing.T) {
	o := newOffice(t)
	forged := newForge("EdDSA", "k", "")
	askers := newVerifier(t, tokenauth.VerifierConfig{
		Profile: o.cfg.Profile, Keys: forged.key(), Revocation: o.store, Now: o.clock.Now,
	})
	o.cfg.Askers = askers
	issuer, err := tokenauth.NewIssuer(o.cfg)
	require.NoError(t, err)
	for subject, may := range map[string]bool{"system: operator": false, "system:operator": true, "root": true} {
		by, err := askers.Verify(t.Context(), forged.good(object{
			"iss": "https://auth.test", "aud": "api", "sub": subject, "roles": []string{tokenauth.RoleAdmin},
			"iat": officeOpens.Unix(), "exp": officeOpens.Add(time.Hour).Unix(),
		}))
		require.NoError(t, err)
		issued, err := issuer.Issue(t.Context(), request(t, by, "deployment:web:read"))
		if may {
			require.NoError(t, err, subject)
		} else {
			requireNothing(t, issued, err, tokenauth.ErrForbidden, "asker_foreign")
		}
	}
}

// An authority that is not one's own may call whom it likes an admin.
func TestAdminOfAnAuthorityWithoutAdminsIsBound(t *testing.T) {
	foreign := newOffice(t)
	askers, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: foreign.cfg.Issuers, Audiences: foreign.cfg.Audiences, NoAdmin: true},
		Keys:       foreign.cfg.Key.VerifyingKey(),
		Revocation: foreign.store,
		Now:        foreign.clock.Now,
	})
	require.NoError(t, err)
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Askers, cfg.Tokens = askers, foreign.store })
	root := foreign.mint(t, &tokenauth.Claims{Subject: "root", ID: "root", Roles: []string{tokenauth.RoleAdmin}})
	by, err := askers.Verify(t.Context(), root.Token.Reveal())
	require.NoError(t, err)
	issued, err := o.Issue(t.Context(), request(t, by, "deployment:web:read"))
	requireForbidden(t, issued, err, "scopes")

	t.Run("and such an issuer mints no admin", func(t *testing.T) {
		o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.NoAdmin = true })
		issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "root", Roles: []string{tokenauth.RoleAdmin}})
		requireInvalid(t, issued, err, "roles")
	})
}

func TestM1ScopesOnlyNarrow(t *testing.T) {
	for _, row := range []struct{ name, held, asked, refused string }{
		{"M1 the same", "deployment:web:write", "deployment:web:write", ""},
		{"M1 within: a lower level", "deployment:web:write", "deployment:web:read", ""},
		{"M1 within: one id of a wildcard", "deployment:*:write", "deployment:web:execute", ""},
		{"M1 within: each of two by one of two", "deployment:web:write,secret:*:read", "secret:key:read,deployment:web:read", ""},
		{"M1 a wider level", "deployment:web:read", "deployment:web:execute", "scopes"},
		{"M1 a wildcard from an id", "deployment:web:write", "deployment:*:read", "scopes"},
		{"M1 another kind", "deployment:web:write", "secret:web:read", "scopes"},
		{"M1 another id", "deployment:web:write", "deployment:api:read", "scopes"},
		{"M1 one of two is too much", "deployment:web:write", "deployment:web:read,deployment:api:read", "scopes"},
		{"M1 S14: grants never combine", "deployment:web:write,deployment:*:read", "deployment:*:write", "scopes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t)
			before := len(o.liveRecords(t))
			by := o.holder(t, row.held)
			issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: by, Name: "child", Scopes: grants(t, row.asked)})
			if row.refused != "" {
				requireForbidden(t, issued, err, row.refused)
				require.Len(t, o.records(t, tokenauth.TokenFilter{}), before+1, "nothing is stored but the asker")
				return
			}
			require.NoError(t, err)
			require.Equal(t, grants(t, row.asked), o.prove(t, issued).Claims().Scopes)
			require.Equal(t, grants(t, row.asked), issued.Record.Scopes)
		})
	}
}

func TestM1ScopesThatGrantNothingAreNotMinted(t *testing.T) {
	for name, scope := range map[string]tokenauth.TokenScope{
		"S13 level none":      {ResourceKind: "deployment", ResourceID: "web"},
		"an unknown level":    {ResourceKind: "deployment", ResourceID: "web", Level: 9},
		"S11 no id":           {ResourceKind: "deployment", Level: tokenauth.LevelRead},
		"S11 the string star": {ResourceKind: "deployment", ResourceID: "*", Level: tokenauth.LevelRead},
		"no kind":             {ResourceID: "web", Level: tokenauth.LevelRead},
		"a NUL":               {ResourceKind: "deployment", ResourceID: "we\x00b", Level: tokenauth.LevelRead},
		"not UTF-8":           {ResourceKind: "deployment", ResourceID: "we\xffb", Level: tokenauth.LevelRead},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			for _, by := range []tokenauth.Authority{bySystem, o.login(t, "root", tokenauth.RoleAdmin), o.holder(t, "deployment:*:write")} {
				before := len(o.liveRecords(t))
				good := tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}
				issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: by, Scopes: []tokenauth.TokenScope{good, scope}})
				requireInvalid(t, issued, err, "scopes[1]")
				require.Len(t, o.liveRecords(t), before)
			}
		})
	}
}

func TestM3Lifetimes(t *testing.T) {
	const day = 24 * time.Hour
	year := 365 * day
	short := func(cfg *tokenauth.IssuerConfig) { cfg.DefaultTTL, cfg.MaxLifetime = 10*time.Minute, 20*time.Minute }
	for _, row := range []struct {
		name   string
		left   time.Duration // of the asker; 0: the system asks
		ttl    time.Duration
		life   time.Duration // 0: refused
		want   error
		change func(*tokenauth.IssuerConfig)
	}{
		{name: "M3 none asked: an hour", ttl: 0, life: time.Hour},
		{name: "M3 none asked, more is left: an hour", left: 2 * time.Hour, ttl: 0, life: time.Hour},
		{name: "M3 none asked, less is left: what is left", left: 30 * time.Minute, ttl: 0, life: 30 * time.Minute},
		{name: "M3 none asked, the configured default", ttl: 0, life: 10 * time.Minute, change: short},
		{name: "M3 negative", ttl: -1, want: tokenauth.ErrInvalidRequest},
		{name: "M3 365 days", ttl: year, life: year},
		{name: "M3 over 365 days", ttl: year + 1, want: tokenauth.ErrInvalidRequest},
		{name: "M3 as long as the profile admits", ttl: 20 * time.Minute, life: 20 * time.Minute, change: short},
		{name: "M3 longer than the profile admits", ttl: 20*time.Minute + time.Second, want: tokenauth.ErrInvalidRequest, change: short},
		{name: "M3 all that is left", left: 30 * time.Minute, ttl: 30 * time.Minute, life: 30 * time.Minute},
		{name: "M3 longer than the asker's own", left: 30 * time.Minute, ttl: 30*time.Minute + time.Second, want: tokenauth.ErrForbidden},
		{name: "less than a second", ttl: 999 * time.Millisecond, want: tokenauth.ErrInvalidRequest},
		{name: "fractions are cut off", ttl: 1999 * time.Millisecond, life: time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				if row.change != nil {
					row.change(cfg)
				}
			})
			start := officeOpens.Truncate(time.Second)
			var by tokenauth.Authority = bySystem
			if row.left > 0 {
				by = o.bearer(t, &tokenauth.Claims{
					Subject: "alice", ID: "parent", Scopes: grants(t, "deployment:*:write"), ExpiresAt: start.Add(row.left),
				})
			}
			r := request(t, by, "deployment:web:read")
			r.TTL = row.ttl
			issued, err := o.Issue(t.Context(), r)
			if row.life == 0 {
				code := map[error]string{tokenauth.ErrInvalidRequest: "request_invalid", tokenauth.ErrForbidden: "authority_not_held"}[row.want]
				requireNothing(t, issued, err, row.want, code)
				require.Contains(t, err.Error(), "ttl: ")
				return
			}
			require.NoError(t, err)
			said := o.prove(t, issued).Claims()
			require.Equal(t, start, said.IssuedAt)
			require.Equal(t, start.Add(row.life), said.ExpiresAt)
			require.Equal(t, said.ExpiresAt, issued.Record.ExpiresAt, "R2: token and record agree to the second")
			require.Equal(t, said.IssuedAt, issued.Record.CreatedAt)
		})
	}
}

func TestTimesThatSignIsGiven(t *testing.T) {
	type claims = tokenauth.Claims
	start, year := officeOpens.Truncate(time.Second), 365*24*time.Hour
	for _, row := range []struct {
		name    string
		c       claims
		refused string
		iat     time.Time
		exp     time.Time
	}{
		{name: "none", c: claims{}, iat: start, exp: start.Add(time.Hour)},
		{name: "an expiry with a fraction", c: claims{ExpiresAt: start.Add(time.Minute + 500e6)}, iat: start, exp: start.Add(time.Minute)},
		{name: "iat in the past", c: claims{IssuedAt: start.Add(-time.Minute)}, iat: start.Add(-time.Minute), exp: start.Add(time.Hour)},
		{name: "iat in this second", c: claims{IssuedAt: start}, iat: start, exp: start.Add(time.Hour)},
		{name: "iat in the next", c: claims{IssuedAt: start.Add(time.Second)}, refused: "iat"},
		{name: "exp now", c: claims{ExpiresAt: start}, refused: "ttl"},
		{name: "exp in the past", c: claims{ExpiresAt: start.Add(-time.Hour)}, refused: "ttl"},
		{name: "X4 24 h without jti", c: claims{ExpiresAt: start.Add(24 * time.Hour)}, iat: start, exp: start.Add(24 * time.Hour)},
		{name: "X4 longer without jti", c: claims{ExpiresAt: start.Add(24*time.Hour + time.Second)}, refused: "ttl"},
		{name: "X4 longer with jti", c: claims{ID: "a", ExpiresAt: start.Add(48 * time.Hour)}, iat: start, exp: start.Add(48 * time.Hour)},
		{name: "over 365 days from iat", c: claims{ID: "a", IssuedAt: start.Add(-time.Minute), ExpiresAt: start.Add(year)}, refused: "lives longer"},
		{name: "iat 5 min ago", c: claims{IssuedAt: start.Add(-5 * time.Minute)}, iat: start.Add(-5 * time.Minute), exp: start.Add(time.Hour)},
		{name: "iat long ago", c: claims{ID: "a", IssuedAt: start.Add(-5*time.Minute - time.Second)}, refused: "iat"},
		{name: "over 365 days from now", c: claims{ID: "a", ExpiresAt: start.Add(year + time.Second)}, refused: "ttl"},
		{name: "nbf to come", c: claims{NotBefore: start.Add(time.Minute)}, refused: "nbf"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t)
			row.c.Subject = "alice"
			issued, err := o.Sign(t.Context(), bySystem, &row.c)
			if row.refused != "" {
				requireInvalid(t, issued, err, row.refused)
				return
			}
			require.NoError(t, err)
			said := o.prove(t, issued).Claims()
			require.Equal(t, row.iat, said.IssuedAt)
			require.Equal(t, row.exp, said.ExpiresAt)
		})
	}
}

func TestM3PersonsSession(t *testing.T) {
	const days90 = 90 * 24 * time.Hour
	errTable := errors.New("the table of permissions is on fire")
	type answer struct {
		may bool
		err error
	}
	type answers = map[string]answer
	const web, key = "deployment:web:write", "secret:key:read"
	for _, row := range []struct {
		name     string
		mayGrant answers // by scope; nil: the hook is unset
		want     error
		code     string
	}{
		{"M3 MayGrant yes", answers{web: {may: true}, key: {may: true}}, nil, ""},
		{"M3 MayGrant no", answers{web: {}, key: {}}, tokenauth.ErrForbidden, "authority_not_held"},
		{"M3 MayGrant no, to one of two", answers{web: {may: true}, key: {}}, tokenauth.ErrForbidden, "authority_not_held"},
		{"M3 MayGrant errors", answers{web: {true, errTable}}, tokenauth.ErrUnavailable, "may_grant_unavailable"},
		{"M3 MayGrant unset", nil, tokenauth.ErrForbidden, "authority_not_held"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var asker *tokenauth.Principal
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				if row.mayGrant == nil {
					return
				}
				cfg.MayGrant = func(_ context.Context, by *tokenauth.Principal, scope tokenauth.TokenScope) (bool, error) {
					assert.Same(t, asker, by)
					a, ok := row.mayGrant[scope.String()]
					assert.True(t, ok, "asked about %v", scope)
					return a.may, a.err
				}
			})
			asker = o.login(t, "alice")
			r := request(t, asker, web+","+key)
			r.TTL = days90
			issued, err := o.Issue(t.Context(), r)
			if row.want != nil {
				requireNothing(t, issued, err, row.want, row.code)
				require.Empty(t, o.records(t, tokenauth.TokenFilter{}), "nothing is stored")
				require.NotContains(t, err.Error(), "fire")
				require.Equal(t, row.code == "may_grant_unavailable", errors.Is(err, errTable))
				return
			}
			require.NoError(t, err)
			is := issued.Record
			require.Equal(t, officeOpens.Add(days90).Truncate(time.Second), is.ExpiresAt, "a session of 15 minutes does not bound it")
			require.Equal(t, "", is.ParentID, "a person's session is no parent")
			require.Equal(t, 0, is.Depth)
			require.Equal(t, is.ID, is.RootID)
			require.Equal(t, "alice", is.Owner)
			require.Equal(t, "alice", is.CreatedBy)
			require.Equal(t, "alice's session", is.SessionID, "ending a session is EndSession, then RevokeAll by SessionID")
			require.Equal(t, "token:"+is.ID, is.Subject)
			require.Equal(t, "", o.prove(t, issued).SessionID(), "it outlives the session")
		})
	}
}

// MayGrant vouches for scopes. Roles and capabilities a session only holds itself, so that they end when it does.
func TestM3WhatMayGrantDoesNotVouchForEndsWithTheSession(t *testing.T) {
	for _, row := range []struct {
		name    string
		change  func(c *tokenauth.Claims)
		bounded bool
	}{
		{"scopes", func(*tokenauth.Claims) {}, false},
		{"scopes and a role", func(c *tokenauth.Claims) { c.Roles = []string{"viewer"} }, true},
		{"scopes and a capability", func(c *tokenauth.Claims) { c.Caps = []string{"cap"} }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
			require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(time.Hour)))
			ends := officeOpens.Truncate(time.Second).Add(15 * time.Minute)
			by := o.bearer(t, &tokenauth.Claims{
				Subject: "alice", SessionID: "s", ExpiresAt: ends, Roles: []string{"viewer"}, Caps: []string{"cap"},
			})
			asked := &tokenauth.Claims{Scopes: grants(t, "deployment:web:read")}
			row.change(asked)
			issued, err := o.Sign(t.Context(), by, asked)
			require.NoError(t, err)
			require.Equal(t, row.bounded, issued.Claims.ExpiresAt.Equal(ends), "unless it says")
			asked.ExpiresAt = ends.Add(time.Second)
			issued, err = o.Sign(t.Context(), by, asked)
			if row.bounded {
				requireForbidden(t, issued, err, "ttl")
				return
			}
			require.NoError(t, err)
		})
	}
}

// A session that has a record is a session all the same: what it mints is not bounded by it, and does not die with its record.
func TestM3SessionWithARecordIsNoParent(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
	require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(time.Hour)))
	session := o.mint(t, &tokenauth.Claims{
		Subject: "alice", ID: "session", SessionID: "s", ExpiresAt: officeOpens.Add(15 * time.Minute),
	})
	require.Equal(t, "s", session.Record.SessionID)
	issued := o.issue(t, o.prove(t, session), "deployment:web:read", time.Hour)
	require.Equal(t, "", issued.Record.ParentID)
	require.Equal(t, issued.Record.ID, issued.Record.RootID)
	_, err := o.Revoke(t.Context(), bySystem, "session", "")
	require.NoError(t, err)
	require.Equal(t, []bool{false, true}, o.livesAll(t, session, issued))
}

func TestM3LongerThanAnyoneMayAsk(t *testing.T) {
	const year = 365 * 24 * time.Hour
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
	r := request(t, o.login(t, "alice"), "deployment:web:read")
	r.TTL = year + time.Second
	issued, err := o.Issue(t.Context(), r)
	requireInvalid(t, issued, err, "ttl")

	t.Run("M3 not the system either, under a profile that admits it", func(t *testing.T) {
		o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MaxLifetime = 2 * year })
		_, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{ID: "a", ExpiresAt: officeOpens.Add(year)})
		require.NoError(t, err)
		issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{ID: "b", ExpiresAt: officeOpens.Add(year + time.Second)})
		requireInvalid(t, issued, err, "ttl")
	})
}

// MayGrant lends a person's standing authority, so it must be asked for nobody who holds less than the person.
func TestM3MayGrantIsAskedForNobodyElse(t *testing.T) {
	for _, row := range []struct {
		name    string
		c       tokenauth.Claims
		refused string // "": MayGrant is asked
	}{
		{"no scopes, a session", tokenauth.Claims{SessionID: "s", ID: "a"}, ""},
		{"no scopes, no record", tokenauth.Claims{}, ""},
		{"a record and no session", tokenauth.Claims{ID: "a"}, "scopes"},
		{"scopes and a record", tokenauth.Claims{ID: "a", Scopes: grants(t, "secret:key:read")}, "scopes"},
		{"scopes and a session", tokenauth.Claims{SessionID: "s", ID: "a", Scopes: grants(t, "secret:key:read")}, "scopes"},
		{"scopes and neither", tokenauth.Claims{Scopes: grants(t, "secret:key:read")}, "jti"},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked := false
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				cfg.MayGrant = func(context.Context, *tokenauth.Principal, tokenauth.TokenScope) (bool, error) {
					asked = true
					return true, nil
				}
			})
			require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(time.Hour)))
			row.c.Subject = "alice"
			by := o.bearer(t, &row.c)
			issued, err := o.Issue(t.Context(), request(t, by, "deployment:web:read"))
			require.Equal(t, row.refused == "", asked)
			if row.refused == "" {
				require.NoError(t, err)
			} else {
				requireForbidden(t, issued, err, row.refused)
			}
		})
	}
}

// A person's session is what MayGrant answers for. If a narrowed token could make one, it would get all of its owner's authority
// back by asking twice.
func TestNobodyButTheSystemAndAdminsMakesAPersonsSession(t *testing.T) {
	type claims = tokenauth.Claims
	for _, row := range []struct {
		name    string
		store   bool // the issuer keeps records
		by      claims
		asks    claims
		refused string
	}{
		{"a scoped token, for one with its session", true,
			claims{ID: "p", SessionID: "s", Scopes: grants(t, "deployment:web:read")}, claims{Subject: "alice"}, "scopes"},
		{"a scoped token without record, for one like it without scopes", false,
			claims{Scopes: grants(t, "deployment:web:read")}, claims{Subject: "alice"}, "scopes"},
		{"a person's session, for one that outlives it", false,
			claims{SessionID: "s"}, claims{Subject: "alice"}, "scopes"},
		{"a scoped token, for one without record", true,
			claims{ID: "p", Scopes: grants(t, "deployment:web:read")}, claims{Subject: "alice"}, ""},
		{"a token with roles only, for one without record", true,
			claims{ID: "p", Roles: []string{"viewer"}}, claims{Subject: "alice"}, ""},
		{"a person's session, for one without record", true,
			claims{SessionID: "s"}, claims{Subject: "alice"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				cfg.MayGrant = mayGrantAll
				if !row.store {
					cfg.Tokens = nil
				}
			})
			require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(time.Hour)))
			row.by.Subject = "alice"
			issued, err := o.Sign(t.Context(), o.bearer(t, &row.by), &row.asks)
			if row.refused != "" {
				requireForbidden(t, issued, err, row.refused)
				return
			}
			require.NoError(t, err)
			issued, err = o.Issue(t.Context(), request(t, o.prove(t, issued), "secret:*:write"))
			requireForbidden(t, issued, err, "scopes")
		})
	}
}

// What has no record cannot be found again, so it would outlive whoever made it. Where there is a store, only the system signs
// without one.
func TestWhatAPrincipalMintsHasARecord(t *testing.T) {
	o := newOffice(t)
	scoped := o.holder(t, "deployment:web:write")
	for _, row := range []struct {
		name string
		by   *tokenauth.Principal
	}{
		{"of a scoped token", scoped},
		{"of a token with roles only", o.bearer(t, &tokenauth.Claims{Subject: "dave", ID: "roles", Roles: []string{"viewer"}})},
		{"of an admin's token", o.bearer(t, &tokenauth.Claims{Subject: "admin", ID: "admin", Roles: []string{tokenauth.RoleAdmin}})},
		{"of a person's session", o.login(t, "carol")},
		{"of an admin's session", o.login(t, "root", tokenauth.RoleAdmin)},
	} {
		t.Run("M6b the child "+row.name, func(t *testing.T) {
			issued, err := o.Sign(t.Context(), row.by, &tokenauth.Claims{Subject: row.by.Subject()})
			require.NoError(t, err)
			require.NotNil(t, issued.Record)
			require.Equal(t, issued.Claims.ID, issued.Record.ID)
			require.Equal(t, row.by.Subject(), issued.Record.Owner)
			if row.by.SessionID() == "" {
				require.Equal(t, row.by.TokenID(), issued.Record.ParentID)
			}
			_, err = o.RevokeAll(t.Context(), bySystem, tokenauth.TokenFilter{Owner: row.by.Subject()}, "test")
			require.NoError(t, err)
			require.False(t, o.lives(t, issued))
		})
	}
	t.Run("but not of the system", func(t *testing.T) {
		issued := o.mint(t, &tokenauth.Claims{Subject: "alice"})
		require.Nil(t, issued.Record)
		require.Equal(t, "", issued.Claims.ID)
	})
}

// A token without jti can be nobody's parent: what it made could rotate for ever and would never die with it.
func TestAskerWithoutRecordMakesNoRecord(t *testing.T) {
	for name, roles := range map[string][]string{"narrow": nil, "an admin's": {tokenauth.RoleAdmin}} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			by := o.bearer(t, &tokenauth.Claims{Subject: "alice", Roles: roles, Scopes: grants(t, "deployment:web:write")})
			issued, err := o.Issue(t.Context(), request(t, by, "deployment:web:read"))
			requireForbidden(t, issued, err, "jti")
			issued, err = o.Sign(t.Context(), by, &tokenauth.Claims{ID: "a", Subject: "alice", Scopes: grants(t, "deployment:web:read")})
			requireForbidden(t, issued, err, "jti")
			require.Empty(t, o.records(t, tokenauth.TokenFilter{}))

			issued, err = o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:web:read")})
			require.NoError(t, err, "one like itself, for as long as itself")
			require.Nil(t, issued.Record)
			require.False(t, issued.Claims.ExpiresAt.After(by.ExpiresAt()))
		})
	}
}

func TestM4NeitherScopeNorRole(t *testing.T) {
	o := newOffice(t)
	admin := o.login(t, "root", tokenauth.RoleAdmin)
	for name, by := range map[string]tokenauth.Authority{"the system": bySystem, "an admin": admin} {
		t.Run("M4 "+name, func(t *testing.T) {
			before := len(o.liveRecords(t))
			issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: by, Subject: "bob"})
			requireInvalid(t, issued, err, "Scopes, Roles")
			require.Len(t, o.liveRecords(t), before)

			issued, err = o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "bob"})
			require.NoError(t, err, "the same claims through Sign")
			require.Equal(t, "bob", o.prove(t, issued).Subject())
		})
	}
	t.Run("M4 one of them is enough", func(t *testing.T) {
		_, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: bySystem, Roles: []string{"viewer"}})
		require.NoError(t, err)
	})
	t.Run("M4 no claims at all", func(t *testing.T) {
		issued, err := o.Sign(t.Context(), bySystem, nil)
		requireInvalid(t, issued, err, "claims: nil")
	})
	t.Run("M4 claims without subject", func(t *testing.T) {
		issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{})
		requireInvalid(t, issued, err, "sub")
	})
}

func TestM6Family(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
	person := o.login(t, "alice")
	parent := o.child(t, person, "deployment:*:write")
	first := o.child(t, o.prove(t, parent), "deployment:web:write")
	second := o.child(t, o.prove(t, parent), "deployment:api:write")
	grandchild := o.child(t, o.prove(t, first), "deployment:web:read")
	stranger := o.child(t, person, "deployment:*:write")

	t.Run("M6 the records know where they came from", func(t *testing.T) {
		for _, row := range []struct {
			name           string
			issued, parent tokenauth.Issued
			depth          int
			by             string
		}{
			{"child", first, parent, 1, "token:" + parent.Record.ID},
			{"grandchild", grandchild, first, 2, "token:" + first.Record.ID},
		} {
			r := o.record(t, row.issued.Record.ID)
			require.Equal(t, row.issued.Record, r, row.name)
			require.Equal(t, row.parent.Record.ID, r.ParentID, row.name)
			require.Equal(t, parent.Record.ID, r.RootID, row.name)
			require.Equal(t, "alice", r.Owner, row.name)
			require.Equal(t, row.by, r.CreatedBy, row.name)
			require.Equal(t, row.depth, r.Depth, row.name)
			require.Equal(t, "alice's session", r.SessionID, "%s: the session at the root of it", row.name)
			require.False(t, r.ExpiresAt.After(row.parent.Record.ExpiresAt), row.name)
		}
	})
	t.Run("M6 parent revoked: child and grandchild dead, siblings live", func(t *testing.T) {
		n, err := o.Revoke(t.Context(), person, first.Record.ID, "leaked")
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, []bool{true, false, false, true, true},
			[]bool{o.lives(t, parent), o.lives(t, first), o.lives(t, grandchild), o.lives(t, second), o.lives(t, stranger)})
		n, err = o.Revoke(t.Context(), person, parent.Record.ID, "leaked")
		require.NoError(t, err)
		require.Equal(t, 2, n, "the parent and its second child")
		require.Equal(t, []bool{false, false, false, false, true},
			[]bool{o.lives(t, parent), o.lives(t, first), o.lives(t, grandchild), o.lives(t, second), o.lives(t, stranger)})
	})
	t.Run("M6 depth 8 is minted, depth 9 is refused", func(t *testing.T) {
		last := o.child(t, person, "deployment:*:write")
		for depth := 1; depth <= 8; depth++ {
			last = o.child(t, o.prove(t, last), "deployment:*:write")
			require.Equal(t, depth, last.Record.Depth)
		}
		before := len(o.records(t, tokenauth.TokenFilter{}))
		issued, err := o.Issue(t.Context(), request(t, o.prove(t, last), "deployment:web:read"))
		requireForbidden(t, issued, err, "depth")
		require.Len(t, o.records(t, tokenauth.TokenFilter{}), before, "nothing stored")
	})
}

func TestIDsAreTheIssuersToChoose(t *testing.T) {
	o := newOffice(t)
	by := o.holder(t, "deployment:*:write")
	admin := o.login(t, "root", tokenauth.RoleAdmin)
	for name, id := range map[string]string{"a free one": "mine", "its own": by.TokenID()} {
		issued, err := o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "alice", ID: id, Scopes: grants(t, "deployment:web:read")})
		requireForbidden(t, issued, err, "jti")
		require.Len(t, o.records(t, tokenauth.TokenFilter{}), 1, name)
	}
	for _, by := range []tokenauth.Authority{bySystem, admin} {
		id := fmt.Sprintf("chosen by a %T", by)
		issued, err := o.Sign(t.Context(), by, &tokenauth.Claims{ID: id})
		require.NoError(t, err)
		require.Equal(t, id, o.prove(t, issued).TokenID())
		require.Equal(t, "token:"+id, issued.Claims.Subject)

		again, err := o.Sign(t.Context(), by, &tokenauth.Claims{ID: id})
		requireNothing(t, again, err, tokenauth.ErrExists, "already_exists")
		require.True(t, o.lives(t, issued), "the one that has the id lives on")
	}
}

func TestWithoutStore(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Tokens = nil })
	requireNoStore := func(issued tokenauth.Issued, err error) {
		t.Helper()
		requireInvalid(t, issued, err, "IssuerConfig.Tokens")
	}
	requireNoStore(o.Issue(t.Context(), request(t, bySystem, "deployment:web:read")))
	requireNoStore(o.Issue(t.Context(), tokenauth.ContainerRequest("web", "api", "c1")))
	requireNoStore(o.Rotate(t.Context(), bySystem, "a", 0))
	_, err := o.Revoke(t.Context(), bySystem, "a", "")
	requireNoStore(tokenauth.Issued{}, err)
	_, err = o.RevokeAll(t.Context(), bySystem, tokenauth.TokenFilter{Owner: "a"}, "")
	requireNoStore(tokenauth.Issued{}, err)

	issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice", ID: "a", Scopes: grants(t, "deployment:*:write")})
	require.NoError(t, err, "sessions need no record")
	require.Nil(t, issued.Record)
	by := o.prove(t, issued)
	child, err := o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:web:read")})
	requireNothing(t, child, err, tokenauth.ErrForbidden, "asker_foreign") // nobody could say whether its asker was revoked

	issued, err = o.IssueNode(t.Context(), bySystem, "n1", 0)
	require.NoError(t, err)
	require.Nil(t, issued.Record)
	require.Equal(t, "", issued.Claims.ID)
	issued, err = o.IssueNode(t.Context(), bySystem, "n1", 25*time.Hour)
	requireInvalid(t, issued, err, "ttl")
}

// An asker that carries something nobody here can ask about is not believed.
func TestAskersStandingMustBeAskable(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*tokenauth.IssuerConfig)
		want   error
		code   string
	}{
		{"sid and no Sessions", func(cfg *tokenauth.IssuerConfig) { cfg.Sessions = nil }, tokenauth.ErrForbidden, "asker_foreign"},
		{"sv and no Epochs", func(cfg *tokenauth.IssuerConfig) { cfg.Epochs = nil }, tokenauth.ErrForbidden, "asker_foreign"},
		{"sid, and Sessions are a stance", func(cfg *tokenauth.IssuerConfig) { cfg.Sessions = tokenauth.Unenforced("test") }, nil, ""},
		{"sv, and Epochs are a stance", func(cfg *tokenauth.IssuerConfig) { cfg.Epochs = tokenauth.Unenforced("test") }, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t)
			_, err := o.store.BumpEpoch(t.Context(), "alice")
			require.NoError(t, err)
			require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(time.Hour)))
			by := o.bearer(t, &tokenauth.Claims{Subject: "alice", ID: "a", SessionID: "s", Scopes: grants(t, "deployment:*:write")})
			row.change(&o.cfg)
			issuer, err := tokenauth.NewIssuer(o.cfg)
			require.NoError(t, err)
			issued, err := issuer.Issue(t.Context(), request(t, by, "deployment:web:read"))
			if row.want != nil {
				requireNothing(t, issued, err, row.want, row.code)
				require.Len(t, o.liveRecords(t), 1, "the asker's own")
				return
			}
			require.NoError(t, err)
		})
	}
}

// What was asked for, what came back and who asked share no memory: a principal never changes.
func TestNothingIsShared(t *testing.T) {
	o := newOffice(t)
	by := o.bearer(t, &tokenauth.Claims{
		Subject: "alice", ID: "a", Actor: &tokenauth.Actor{Subject: "robot", Actor: &tokenauth.Actor{Subject: "starter"}},
		Scopes: grants(t, "deployment:*:write"), Roles: []string{"viewer"}, Caps: []string{"c"}, OAuthScopes: []string{"openid"},
		Extra: map[string]json.RawMessage{"team": json.RawMessage(`"core"`)},
	})
	before := by.Claims()
	asked := &tokenauth.Claims{
		Subject: "alice", Scopes: grants(t, "deployment:web:read"),
		Roles: []string{"viewer"}, Caps: []string{"c"}, OAuthScopes: []string{"openid"},
	}
	as := asked.Clone()
	issued, err := o.Sign(t.Context(), by, asked)
	require.NoError(t, err)
	require.Equal(t, as, asked, "what was asked for is as it was")

	c := issued.Claims
	c.Actor.Subject, c.Actor.Actor.Subject = "mallory", "mallory"
	c.Scopes[0].ResourceID, c.Roles[0], c.Caps[0], c.OAuthScopes[0], c.Audience[0] = "x", "x", "x", "x", "x"
	copy(c.Extra["team"], `"evil"`)
	c.Extra["more"] = json.RawMessage(`1`)
	issued.Record.Scopes[0].ResourceID, issued.Record.Roles[0] = "x", "x"
	require.Equal(t, before, by.Claims(), "the asker is as it was")
	require.Equal(t, as, asked)
	require.Equal(t, as.Scopes, o.record(t, issued.Record.ID).Scopes, "so is the record")
	require.Equal(t, as.Scopes, o.prove(t, issued).Claims().Scopes)

	t.Run("nor by Issue", func(t *testing.T) {
		r := request(t, by, "deployment:web:read")
		r.Roles, r.Audiences = []string{"viewer"}, []string{"api"}
		issued, err := o.Issue(t.Context(), r)
		require.NoError(t, err)
		r.Scopes[0].ResourceID, r.Roles[0], r.Audiences[0] = "x", "x", "x"
		require.Equal(t, as.Scopes, issued.Claims.Scopes)
		require.Equal(t, []string{"viewer"}, issued.Claims.Roles)
		require.Equal(t, []string{"api"}, issued.Claims.Audience)
	})
}

func TestM12ContainerDefaults(t *testing.T) {
	o := newOffice(t)
	issued, err := o.Issue(t.Context(), tokenauth.ContainerRequest("web", "frontend", "c-1"))
	require.NoError(t, err)
	p := o.prove(t, issued)
	require.Equal(t, "container:web:frontend:c-1", p.Subject())
	require.Equal(t, grants(t, "deployment:web:read"), p.Claims().Scopes, "M12 its own deployment, to read, and nothing else")
	require.Empty(t, p.Claims().Roles)
	require.Equal(t, officeOpens.Truncate(time.Second).Add(24*time.Hour), p.ExpiresAt(), "M12 24 h")
	require.Equal(t, "system: default token of a container", issued.Record.CreatedBy)
	require.Equal(t, "container c-1", issued.Record.Name)
	require.NoError(t, p.Require("deployment", "web", tokenauth.LevelRead))
	for _, no := range []tokenauth.TokenScope{
		{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelExecute},
		{ResourceKind: "deployment", ResourceID: "api", Level: tokenauth.LevelRead},
		{ResourceKind: "deployment", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelRead},
		{ResourceKind: "secret", ResourceID: "web", Level: tokenauth.LevelRead},
	} {
		require.ErrorIs(t, p.Require(no.ResourceKind, no.ResourceID, no.Level), tokenauth.ErrForbidden)
	}

	for _, row := range []struct{ name, deployment, service, id string }{
		{"no deployment", "", "frontend", "c-1"},
		{"no service", "web", "", "c-1"},
		{"no id", "web", "frontend", ""},
		{"a colon in the deployment", "web:frontend", "c", "1"},
		{"a colon in the service", "web", "front:end", "c-1"},
		{"a colon in the id", "web", "frontend", "c:1"},
		{"a star for a deployment", "*", "frontend", "c-1"},
		{"every deployment", tokenauth.AnyResource, "frontend", "c-1"},
		{"a NUL", "web\x00", "frontend", "c-1"},
		{"too long", strings.Repeat("w", 256), "frontend", "c-1"},
	} {
		t.Run("M12 "+row.name, func(t *testing.T) {
			issued, err := o.Issue(t.Context(), tokenauth.ContainerRequest(row.deployment, row.service, row.id))
			requireInvalid(t, issued, err, "")
			require.Len(t, o.records(t, tokenauth.TokenFilter{}), 1)
		})
	}
	t.Run("M12 only the system may make it", func(t *testing.T) {
		r := tokenauth.ContainerRequest("web", "frontend", "c-2")
		r.By = o.holder(t, "deployment:*:write")
		issued, err := o.Issue(t.Context(), r)
		requireForbidden(t, issued, err, "ttl")
		r.TTL = time.Minute
		issued, err = o.Issue(t.Context(), r)
		requireForbidden(t, issued, err, "sub")
	})
}

func TestIssueNode(t *testing.T) {
	o := newOffice(t)
	for name, by := range map[string]tokenauth.Authority{"the system": bySystem, "an admin": o.login(t, "root", tokenauth.RoleAdmin)} {
		t.Run(name, func(t *testing.T) {
			issued, err := o.IssueNode(t.Context(), by, "n:1", 2*time.Hour)
			require.NoError(t, err)
			c := o.prove(t, issued).Claims()
			require.Equal(t, "node:n:1", c.Subject)
			require.Equal(t, "n:1", c.NodeID)
			require.Equal(t, []string{tokenauth.RoleNode}, c.Roles)
			require.Empty(t, c.Scopes)
			require.Equal(t, officeOpens.Truncate(time.Second).Add(2*time.Hour), c.ExpiresAt)
			require.Equal(t, "node n:1", issued.Record.Name)
		})
	}
	t.Run("no id", func(t *testing.T) {
		issued, err := o.IssueNode(t.Context(), bySystem, "", time.Hour)
		requireInvalid(t, issued, err, "nodeID")
	})
	t.Run("M2 nobody else", func(t *testing.T) {
		by := o.bearer(t, &tokenauth.Claims{Subject: "node:n1", ID: "n", NodeID: "n1", Roles: []string{tokenauth.RoleNode}})
		issued, err := o.IssueNode(t.Context(), by, "n1", time.Minute)
		requireForbidden(t, issued, err, "roles")
	})
	t.Run("a ttl of nothing is the default", func(t *testing.T) {
		issued, err := o.IssueNode(t.Context(), bySystem, "n1", 0)
		require.NoError(t, err)
		require.Equal(t, officeOpens.Truncate(time.Second).Add(time.Hour), issued.Claims.ExpiresAt)
	})
}

func TestNewIssuerReportsEveryProblem(t *testing.T) {
	o := newOffice(t)
	type config = tokenauth.IssuerConfig
	var noStore *memstore.Store
	for _, row := range []struct {
		name   string
		change func(*config)
		fields []string
	}{
		{"nothing is set", func(cfg *config) { *cfg = config{} }, []string{"Issuers", "Audiences", "Key"}},
		{"no key", func(cfg *config) { cfg.Key = tokenauth.SigningKey{} }, []string{"Key"}},
		{"a key of an algorithm that the profile does not admit", func(cfg *config) { cfg.Algorithms = []string{"EdDSA"} }, []string{"Key"}},
		{"nil pointers in interfaces", func(cfg *config) { cfg.Tokens, cfg.Sessions, cfg.Epochs = noStore, noStore, noStore },
			[]string{"Tokens", "Sessions", "Epochs"}},
		{"stances without a reason", func(cfg *config) {
			cfg.Sessions, cfg.Epochs = tokenauth.Unenforced(""), tokenauth.EnforcedElsewhere(" ")
		}, []string{"Sessions", "Epochs"}},
		{"a negative DefaultTTL", func(cfg *config) { cfg.DefaultTTL = -1 }, []string{"DefaultTTL"}},
		{"a DefaultTTL over 365 d, which MaxLifetime would admit", func(cfg *config) {
			cfg.DefaultTTL, cfg.MaxLifetime = 365*24*time.Hour+1, 1000*24*time.Hour
		}, []string{"DefaultTTL"}},
		{"a DefaultTTL over MaxLifetime", func(cfg *config) { cfg.DefaultTTL, cfg.MaxLifetime = time.Hour, time.Minute }, []string{"DefaultTTL"}},
		{"a negative StoreTimeout", func(cfg *config) { cfg.StoreTimeout = -1 }, []string{"StoreTimeout"}},
		{"a bad profile and no key", func(cfg *config) {
			cfg.Key, cfg.NoAudience, cfg.Issuers, cfg.MaxLifetime = tokenauth.SigningKey{}, true, []string{""}, -1
		}, []string{"Key", "NoAudience", "Issuers", "MaxLifetime"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := o.cfg
			row.change(&cfg)
			issuer, err := tokenauth.NewIssuer(cfg)
			require.Error(t, err)
			require.Nil(t, issuer)
			for _, field := range row.fields {
				require.Contains(t, err.Error(), "IssuerConfig."+field+": ")
			}
		})
	}
	t.Run("the configuration is copied", func(t *testing.T) {
		cfg := o.cfg
		cfg.Issuers, cfg.Audiences, cfg.PrivilegedRoles = slices.Clone(cfg.Issuers), slices.Clone(cfg.Audiences), []string{"boss"}
		issuer, err := tokenauth.NewIssuer(cfg)
		require.NoError(t, err)
		cfg.Issuers[0], cfg.Audiences[0], cfg.PrivilegedRoles[0] = "x", "x", "x"
		by := o.bearer(t, &tokenauth.Claims{Subject: "alice", ID: "a", Roles: []string{"boss", "viewer"}})
		issued, err := issuer.Issue(t.Context(), tokenauth.TokenRequest{By: by, Roles: []string{"boss"}})
		requireForbidden(t, issued, err, "roles")
		issued, err = issuer.Issue(t.Context(), tokenauth.TokenRequest{By: by, Roles: []string{"viewer"}})
		require.NoError(t, err)
		require.True(t, o.lives(t, issued))
	})
}

func TestUseKey(t *testing.T) {
	old, next := officeKey(t, "EdDSA"), officeKey(t, "EdDSA")
	ring, err := tokenauth.NewKeyRing(old.VerifyingKey(), next.VerifyingKey())
	require.NoError(t, err)
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Key, cfg.Algorithms = old, []string{"EdDSA"} })
	v, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: o.cfg.Profile, Keys: ring, Revocation: o.store, Now: o.clock.Now,
	})
	require.NoError(t, err)
	keyOf := func(issued tokenauth.Issued) string {
		t.Helper()
		_, err := v.Verify(t.Context(), issued.Token.Reveal())
		require.NoError(t, err)
		header, err := jwt.NewParser().DecodeSegment(strings.Split(issued.Token.Reveal(), ".")[0])
		require.NoError(t, err)
		var h struct{ Kid string }
		require.NoError(t, json.Unmarshal(header, &h))
		return h.Kid
	}
	require.Equal(t, old.ID(), keyOf(o.mint(t, &tokenauth.Claims{Subject: "alice"})))
	o.told()
	require.NoError(t, o.UseKey(next))
	require.Equal(t, next.ID(), keyOf(o.mint(t, &tokenauth.Claims{Subject: "alice"})))
	require.Equal(t, next.ID(), o.told()[0].KeyID)
	require.ErrorIs(t, o.UseKey(tokenauth.SigningKey{}), tokenauth.ErrInvalidRequest)
	require.ErrorIs(t, o.UseKey(officeKey(t, "HS256")), tokenauth.ErrInvalidRequest)
	require.Equal(t, next.ID(), keyOf(o.mint(t, &tokenauth.Claims{Subject: "alice"})), "a key that is refused changes nothing")
}

func TestMintIsObserved(t *testing.T) {
	var o *office
	o = newOffice(t, func(cfg *tokenauth.IssuerConfig) {
		cfg.MayGrant = func(context.Context, *tokenauth.Principal, tokenauth.TokenScope) (bool, error) {
			o.clock.pass(70 * time.Millisecond)
			return true, nil
		}
	})
	by := o.login(t, "alice")
	o.told()
	issued := o.child(t, by, "deployment:web:read")
	require.Equal(t, []tokenauth.Event{{
		Op: "mint", Code: "ok", TokenID: issued.Claims.ID, Subject: issued.Claims.Subject, KeyID: o.cfg.Key.ID(),
		By: "alice", Took: 70 * time.Millisecond,
	}}, o.told())

	_, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: by})
	require.Equal(t, []tokenauth.Event{{Op: "mint", Code: "request_invalid", Err: err, By: "alice"}}, o.told())
	_, err = o.Sign(t.Context(), nil, &tokenauth.Claims{Subject: "mallory"})
	require.Equal(t, []tokenauth.Event{{Op: "mint", Code: "asker_missing", Err: err}}, o.told())
	o.mint(t, &tokenauth.Claims{Subject: strings.Repeat("é", 100)})
	require.Equal(t, strings.Repeat("é", 64), o.told()[0].Subject, "cut to 128 bytes")

	t.Run("a panic of the observer's changes nothing", func(t *testing.T) {
		o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
			cfg.Observe = func(context.Context, tokenauth.Event) { panic("broken log line") }
		})
		require.True(t, o.lives(t, o.child(t, bySystem, "deployment:web:read")))
	})
}
