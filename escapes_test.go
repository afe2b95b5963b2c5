package tokenauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Ways out that a hostile reader found: each row of this file let somebody outlive, outgrow or undo what should have held them.

func TestEscapeByRotatingABrothersToken(t *testing.T) {
	h := newHousehold(t)
	scoped := func(by tokenauth.Authority, subject string) tokenauth.Issued {
		r := request(t, by, "deployment:*:write")
		r.Subject = subject
		issued, err := h.Issue(t.Context(), r)
		require.NoError(t, err)
		return issued
	}
	thief, victim := scoped(h.session, "alice"), scoped(h.session, "alice")
	for name, by := range map[string]tokenauth.Authority{
		"a brother": h.prove(t, thief),
		"a token without record": h.bearer(t, &tokenauth.Claims{
			Subject: "alice", Scopes: grants(t, "deployment:*:write"), ExpiresAt: officeOpens.Add(2 * time.Hour),
		}),
	} {
		issued, err := h.Rotate(t.Context(), by, victim.Record.ID, time.Minute)
		requireNothing(t, issued, err, tokenauth.ErrForbidden, "record_not_yours")
		require.True(t, h.lives(t, victim), name)
	}
}

// What a session gets by MayGrant may outlive it; what it hands on of its own may not.
func TestEscapeOfASessionsRoles(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
	require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(time.Hour)))
	by := o.bearer(t, &tokenauth.Claims{
		Subject: "alice", SessionID: "s", Roles: []string{"deployer"}, ExpiresAt: officeOpens.Add(15 * time.Minute),
	})
	ask := func(roles []string, scopes string, ttl time.Duration) (tokenauth.Issued, error) {
		r := tokenauth.TokenRequest{By: by, Roles: roles, TTL: ttl}
		if scopes != "" {
			r.Scopes = grants(t, scopes)
		}
		return o.Issue(t.Context(), r)
	}
	_, err := ask(nil, "deployment:web:read", 90*24*time.Hour)
	require.NoError(t, err, "M3")
	for _, scopes := range []string{"", "deployment:web:read"} {
		issued, err := ask([]string{"deployer"}, scopes, 90*24*time.Hour)
		requireForbidden(t, issued, err, "ttl")
		issued, err = ask([]string{"deployer"}, scopes, 0)
		require.NoError(t, err)
		require.False(t, issued.Claims.ExpiresAt.After(by.ExpiresAt()))
	}
}

// Who rotates on the phone what was made on the laptop has a token of the phone's.
func TestEscapeFromTheSessionThatAsked(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
	session := func(sid string) *tokenauth.Principal {
		require.NoError(t, o.store.StartSession(t.Context(), "alice", sid, officeOpens.Add(time.Hour)))
		return o.bearer(t, &tokenauth.Claims{Subject: "alice", SessionID: sid})
	}
	made := o.issue(t, session("laptop"), "deployment:web:read", time.Hour)
	loot := o.rotate(t, session("phone"), made, 0)
	require.Equal(t, "phone", o.record(t, loot.Record.ID).SessionID)
	_, err := o.RevokeAll(t.Context(), bySystem, tokenauth.TokenFilter{Owner: "alice", SessionID: "phone"}, "lost")
	require.NoError(t, err)
	require.False(t, o.lives(t, loot))
}

// A job that rotates for others does not bring back who died with everybody.
func TestEscapeByBeingRotatedBack(t *testing.T) {
	o := newOffice(t)
	dead := o.issue(t, bySystem, "deployment:web:read", time.Hour)
	o.clock.pass(2 * time.Second)
	_, err := o.store.RaiseNotBefore(t.Context(), tokenauth.Everyone, o.clock.Now().Add(-time.Second))
	require.NoError(t, err)
	require.False(t, o.lives(t, dead))
	issued, err := o.Rotate(t.Context(), bySystem, dead.Record.ID, 0)
	requireNothing(t, issued, err, tokenauth.ErrNotFound, "not_found")
}

// A chosen id may be taken: when nobody knows whether Create has written, what lives under that id is not undone.
func TestEscapeUndoSparesWhoHasTheID(t *testing.T) {
	o := newRiggedOffice(t)
	old := o.mint(t, &tokenauth.Claims{Subject: "alice", ID: "chosen"})
	o.answer("Create", errors.New("cut off"))
	issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice", ID: "chosen"})
	requireNothing(t, issued, err, tokenauth.ErrUnavailable, "tokens_unavailable")
	require.True(t, o.lives(t, old))
}

func TestEscapeOfADeadAsker(t *testing.T) {
	for name, dies := range map[string]func(o *office) error{
		"its session ended": func(o *office) error { return o.store.EndSession(context.Background(), "root", "s") },
		"its epoch moved":   func(o *office) error { _, err := o.store.BumpEpoch(context.Background(), "root"); return err },
		"it expired":        func(o *office) error { o.clock.pass(2 * time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			require.NoError(t, o.store.StartSession(t.Context(), "root", "s", officeOpens.Add(9*time.Hour)))
			admin := o.prove(t, o.mint(t, &tokenauth.Claims{Subject: "root", SessionID: "s", Roles: []string{tokenauth.RoleAdmin}}))
			victim := o.issue(t, bySystem, "deployment:web:read", 5*time.Hour)
			require.NoError(t, dies(o))
			_, err := o.Revoke(t.Context(), admin, victim.Record.ID, "")
			require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
			_, err = o.RevokeAll(t.Context(), admin, tokenauth.TokenFilter{Owner: victim.Record.Owner}, "")
			require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
			_, err = o.Rotate(t.Context(), admin, victim.Record.ID, 0)
			require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
			_, err = o.Issue(t.Context(), request(t, admin, "deployment:web:read"))
			require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
			require.True(t, o.lives(t, victim))
			require.Len(t, o.records(t, tokenauth.TokenFilter{ActiveAt: o.clock.Now()}), 1, "nothing was left behind")
		})
	}
}

// What a key proved counts for minting only as long as the key does.
func TestEscapeOfAKeyThatIsGone(t *testing.T) {
	key := officeKey(t, "EdDSA")
	ring, err := tokenauth.NewKeyRing(key.VerifyingKey())
	require.NoError(t, err)
	o := newOffice(t)
	cfg := tokenauth.VerifierConfig{
		Profile: o.cfg.Profile, Keys: ring, Revocation: o.store, Sessions: o.store, Epochs: o.store, Now: o.clock.Now,
	}
	askers, err := tokenauth.NewVerifier(cfg)
	require.NoError(t, err)
	o.cfg.Key, o.cfg.Askers = key, askers
	issuer, err := tokenauth.NewIssuer(o.cfg)
	require.NoError(t, err)
	issued, err := issuer.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "root", Roles: []string{tokenauth.RoleAdmin}})
	require.NoError(t, err)
	admin, err := askers.Verify(t.Context(), issued.Token.Reveal())
	require.NoError(t, err)
	require.NoError(t, ring.Replace())
	issued, err = issuer.Issue(t.Context(), request(t, admin, "deployment:web:read"))
	requireNothing(t, issued, err, tokenauth.ErrUnknownKey, "key_unknown")
}

// What an asker holds must be what was signed, and one token that works once must not be many askers.
func TestEscapeByTheAskersVerifier(t *testing.T) {
	for field, change := range map[string]func(*tokenauth.VerifierConfig, *office){
		"Adapt": func(cfg *tokenauth.VerifierConfig, _ *office) {
			cfg.Adapt = func(*tokenauth.Claims) error { return nil }
		},
		"OneTime": func(cfg *tokenauth.VerifierConfig, o *office) { cfg.OneTime = o.store },
	} {
		t.Run(field, func(t *testing.T) {
			o := newOffice(t)
			cfg := tokenauth.VerifierConfig{Profile: o.cfg.Profile, Keys: o.cfg.Key.VerifyingKey(), Revocation: o.store}
			change(&cfg, o)
			askers, err := tokenauth.NewVerifier(cfg)
			require.NoError(t, err)
			o.cfg.Askers = askers
			_, err = tokenauth.NewIssuer(o.cfg)
			require.ErrorContains(t, err, "IssuerConfig.Askers: has "+field)
		})
	}
}

func TestEscapeByMakingOthersWork(t *testing.T) {
	asked := 0
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
		cfg.MayGrant = func(context.Context, *tokenauth.Principal, tokenauth.TokenScope) (bool, error) {
			asked++
			return true, nil
		}
	})
	r := tokenauth.TokenRequest{By: o.login(t, "alice")}
	for n := range 257 {
		r.Scopes = append(r.Scopes, tokenauth.TokenScope{ResourceKind: "d", ResourceID: fmt.Sprint(n), Level: tokenauth.LevelRead})
	}
	issued, err := o.Issue(t.Context(), r)
	requireInvalid(t, issued, err, "MaxScopes")
	require.Zero(t, asked)
}

// A key server of somebody else's that hangs delays no token whose key is here, wherever it stands in the configuration; and while it
// does not answer, nothing is remembered that it might have had a say in.
func TestEscapeBehindAKeyServerThatHangs(t *testing.T) {
	own := newForge("EdDSA", "own", "")
	hangs := true
	foreign := configOf(newForge("EdDSA", "theirs", ""))
	foreign.Issuers = []string{"https://else.test"}
	foreign.StoreTimeout = 20 * time.Millisecond
	foreign.Keys = keysFunc(func(ctx context.Context, _ string) (tokenauth.Key, error) {
		if hangs {
			<-ctx.Done()
			return tokenauth.Key{}, ctx.Err()
		}
		return tokenauth.Key{}, tokenauth.ErrUnknownKey
	})
	w := &witness{}
	mine := configOf(own)
	mine.Revocation = w
	p, err := newVerifier(t, foreign, mine).Verify(t.Context(), own.good(payload()))
	requireAccepted(t, p, err)
	require.Len(t, w.calls(), 1)
}

func TestEscapeOfTwoAnswersInOne(t *testing.T) {
	f := newForge("EdDSA", "k", "")
	cfg := configOf(f)
	cfg.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) {
		return tokenauth.Key{}, errors.Join(tokenauth.ErrUnknownKey, tokenauth.ErrUnavailable)
	})
	p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload()))
	requireRefused(t, p, err, tokenauth.ErrUnavailable, "keys_unavailable")
}

func TestEscapeIntoTheLog(t *testing.T) {
	f := newForge("EdDSA", "k", "")
	p, err := newVerifier(t, configOf(f)).Verify(t.Context(), f.good(payload().with(object{"sub": "bob\nadmin logged in"})))
	requireAccepted(t, p, err)
	require.Equal(t, `"bob\nadmin logged in" (id-1)`, p.String())
}
