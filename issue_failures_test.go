package tokenauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Create, look again, sign. Whatever goes wrong on the way, and whoever goes away meanwhile, there is no token, and no record that
// lives.

// Create, look again, sign: whatever goes wrong on the way, there is no token, and no record that lives.
func TestM5WhateverFailsThereIsNoToken(t *testing.T) {
	errDown := errors.New("the store is down: a stranger's text")
	says := func(err error) error { return fmt.Errorf("a stranger's text: %w", err) }
	type office = riggedOffice
	before := func(call string, err error) func(*office) { return func(o *office) { o.answer(call, err) } }
	meanwhile := func(what func(ctx context.Context, o *office) error) func(*office) {
		return func(o *office) {
			o.once("Create", func(context.Context) error { return what(context.Background(), o) })
		}
	}
	const tokensDown = "tokens_unavailable"
	for _, row := range []struct {
		name  string
		rig   func(o *office)
		want  error
		code  string
		dead  int  // records that were written and are dead
		left  int  // records that were written and live
		cause bool // errDown can be asked for
	}{
		{name: "M5 Create fails", rig: before("Create", errDown), want: tokenauth.ErrUnavailable, code: tokensDown, cause: true},
		{name: "M5 Create fails after it has written", rig: func(o *office) { o.afterwards("Create", errDown) },
			want: tokenauth.ErrUnavailable, code: tokensDown, dead: 1, cause: true},
		{name: "M5 Create says that nobody knows", rig: before("Create", says(tokenauth.ErrUnavailable)),
			want: tokenauth.ErrUnavailable, code: tokensDown},
		{name: "Create says that nobody knows, and why it may be", rig: before("Create", says(errors.Join(tokenauth.ErrExists, tokenauth.ErrUnavailable))),
			want: tokenauth.ErrUnavailable, code: tokensDown},
		{name: "Create says that the id is taken", rig: before("Create", says(tokenauth.ErrExists)),
			want: tokenauth.ErrExists, code: "already_exists"},
		{name: "Create says that the parent is dead", rig: before("Create", says(tokenauth.ErrRevoked)),
			want: tokenauth.ErrRevoked, code: "token_revoked"},
		{name: "Create refuses the record", rig: before("Create", says(tokenauth.ErrInvalidRequest)),
			want: tokenauth.ErrInvalidRequest, code: "request_invalid"},
		{name: "Get fails", rig: before("Get", errDown), want: tokenauth.ErrUnavailable, code: tokensDown, cause: true},
		{name: "Get does not know the parent", rig: before("Get", says(tokenauth.ErrNotFound)),
			want: tokenauth.ErrRevoked, code: "token_revoked"},
		{name: "the look at the asker's record fails", rig: before("IsRevoked", errDown),
			want: tokenauth.ErrUnavailable, code: tokensDown, dead: 1, cause: true},
		{name: "the look fails, and so does undoing", rig: func(o *office) {
			o.rig.before = map[string]func(context.Context) error{
				"IsRevoked": func(context.Context) error { return errDown },
				"Revoke":    func(context.Context) error { return errDown },
			}
		}, want: tokenauth.ErrUnavailable, code: tokensDown, left: 1, cause: true},
		{name: "the look at the asker's session fails", rig: before("IsSessionActive", errDown),
			want: tokenauth.ErrUnavailable, code: "sessions_unavailable", dead: 1, cause: true},
		{name: "the look at the subject's epoch fails", rig: before("Epoch", errDown),
			want: tokenauth.ErrUnavailable, code: "epochs_unavailable", cause: true},
		{name: "the look at the asker's epoch fails", rig: meanwhile(func(_ context.Context, o *office) error {
			o.answer("Epoch", errDown)
			return nil
		}), want: tokenauth.ErrUnavailable, code: "epochs_unavailable", dead: 1, cause: true},
		{name: "the asker is revoked meanwhile", rig: meanwhile(func(ctx context.Context, o *office) error {
			_, err := o.store.Revoke(ctx, "parent", tokenauth.Revocation{At: o.clock.Now(), By: "owner"})
			return err
		}), want: tokenauth.ErrRevoked, code: "token_revoked", dead: 1},
		{name: "the asker's session ends meanwhile", rig: meanwhile(func(ctx context.Context, o *office) error {
			return o.store.EndSession(ctx, "alice", "s")
		}), want: tokenauth.ErrSessionEnded, code: "session_ended", dead: 1},
		{name: "the asker's epoch moves meanwhile", rig: meanwhile(func(ctx context.Context, o *office) error {
			_, err := o.store.BumpEpoch(ctx, "alice")
			return err
		}), want: tokenauth.ErrStaleEpoch, code: "epoch_stale", dead: 1},
		{name: "the asker expires meanwhile", rig: meanwhile(func(_ context.Context, o *office) error {
			o.clock.pass(time.Hour)
			return nil
		}), want: tokenauth.ErrExpired, code: "token_expired", dead: 1},
		{name: "the key does not sign", rig: func(o *office) { o.signer.err = errDown },
			want: tokenauth.ErrUnavailable, code: "signing_unavailable", dead: 1, cause: true},
		{name: "the key signs with another", rig: func(o *office) { o.signer.other = true },
			want: tokenauth.ErrUnavailable, code: "signing_unavailable", dead: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newRiggedOffice(t)
			require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(2*time.Hour)))
			by := o.bearer(t, &tokenauth.Claims{
				Subject: "alice", ID: "parent", SessionID: "s", Scopes: grants(t, "deployment:*:write"), ExpiresAt: officeOpens.Add(time.Hour),
			})
			o.told()
			row.rig(o)
			r := request(t, by, "deployment:web:read")
			r.Subject = "alice"
			issued, err := o.Issue(t.Context(), r)
			requireNothing(t, issued, err, row.want, row.code)
			require.NotContains(t, err.Error(), "stranger")
			require.Equal(t, row.cause, errors.Is(err, errDown))
			var dead, left int
			for _, record := range o.records(t, tokenauth.TokenFilter{ParentID: "parent"}) {
				if record.RevokedAt.IsZero() {
					left++
				} else {
					dead++
				}
			}
			require.Equal(t, row.dead, dead, "records that are dead")
			require.Equal(t, row.left, left, "records that live")
			events := o.told()
			require.Len(t, events, 1)
			require.Equal(t, "mint", events[0].Op)
			require.Equal(t, row.code, events[0].Code)
			require.Equal(t, err, events[0].Err)
			require.Equal(t, row.cause, errors.Is(events[0].Cause, errDown))
			require.Equal(t, "", events[0].TokenID+events[0].Subject+events[0].KeyID, "nothing was proven")
		})
	}
	t.Run("an undone record says why", func(t *testing.T) {
		o := newRiggedOffice(t)
		o.signer.err = errDown
		_, err := o.Issue(t.Context(), request(t, bySystem, "deployment:web:read"))
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		records := o.records(t, tokenauth.TokenFilter{})
		require.Len(t, records, 1)
		require.Equal(t, "system: issuer", records[0].RevokedBy)
		require.Equal(t, "the token was not signed", records[0].RevokeReason)
		require.True(t, o.clock.Now().Equal(records[0].RevokedAt))
	})
}

// Whoever of all that are asked does not answer, and whenever: it is not taken for a yes.
func TestEverySingleFailureIsSeen(t *testing.T) {
	errDown := errors.New("down")
	calls := []string{"Create", "Get", "Revoke", "RevokeAll", "Rotate", "IsRevoked", "IsSessionActive", "Epoch"}
	// A scene is a token of alice's, its child, and her session.
	type scene struct {
		*riggedOffice
		parent, child, session *tokenauth.Principal
	}
	set := func(t *testing.T) scene {
		s := scene{riggedOffice: newRiggedOffice(t)}
		require.NoError(t, s.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(time.Hour)))
		s.parent = s.bearer(t, &tokenauth.Claims{Subject: "alice", ID: "parent", SessionID: "s", Scopes: grants(t, "deployment:*:write")})
		s.child = s.prove(t, s.office.child(t, s.parent, "deployment:web:read"))
		s.session = s.bearer(t, &tokenauth.Claims{Subject: "alice", SessionID: "s"})
		return s
	}
	type act = func(t *testing.T, s scene) (tokenauth.Issued, error)
	mint := func(by func(s scene) tokenauth.Authority) act {
		return func(t *testing.T, s scene) (tokenauth.Issued, error) {
			return s.Issue(t.Context(), request(t, by(s), "deployment:web:read"))
		}
	}
	rotate := func(by func(s scene) tokenauth.Authority) act {
		return func(t *testing.T, s scene) (tokenauth.Issued, error) {
			return s.Rotate(t.Context(), by(s), s.child.TokenID(), time.Minute)
		}
	}
	revoke := func(_ int, err error) (tokenauth.Issued, error) { return tokenauth.Issued{}, err }
	system := func(scene) tokenauth.Authority { return bySystem }
	parent := func(s scene) tokenauth.Authority { return s.parent }
	child := func(s scene) tokenauth.Authority { return s.child }
	session := func(s scene) tokenauth.Authority { return s.session }
	for _, row := range []struct {
		name    string
		act     act
		asks    int  // at least so many are asked
		rotates bool // and what has been rotated stays so
	}{
		{"a token mints", mint(parent), 6, false},
		{"a session mints", mint(session), 5, false},
		{"the system mints", mint(system), 2, false},
		{"a token rotates itself", rotate(child), 7, true},
		{"its parent rotates it", rotate(parent), 10, true},
		{"the owner's session rotates it", rotate(session), 9, true},
		{"the system rotates it", rotate(system), 5, true},
		{"its parent revokes it", func(t *testing.T, s scene) (tokenauth.Issued, error) {
			return revoke(s.Revoke(t.Context(), s.parent, s.child.TokenID(), ""))
		}, 6, false},
		{"the owner's session revokes all", func(t *testing.T, s scene) (tokenauth.Issued, error) {
			return revoke(s.RevokeAll(t.Context(), s.session, tokenauth.TokenFilter{Owner: "alice"}, ""))
		}, 3, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for failing, failed := 1, true; failed; failing++ {
				s := set(t)
				live, asked := len(s.liveRecords(t)), 0
				failed = false
				hook := func(context.Context) error {
					if asked++; asked == failing {
						failed = true
						return errDown
					}
					return nil
				}
				s.mayGrant, s.rig.before = hook, map[string]func(context.Context) error{}
				for _, call := range calls {
					s.rig.before[call] = hook
				}
				issued, err := row.act(t, s)
				if !failed {
					require.NoError(t, err)
					require.Greater(t, failing, row.asks)
					return
				}
				requireNothing(t, issued, err, tokenauth.ErrUnavailable, tokenauth.ErrorCode(err))
				require.ErrorIs(t, err, errDown)
				if !row.rotates {
					require.Len(t, s.liveRecords(t), live, "nothing has come or gone")
				}
			}
		})
	}
}

// The key that proved the asker is asked for again as well: what a key proved counts only as long as the key does.
func TestAskersKeyMustStillBeThere(t *testing.T) {
	errDown := errors.New("down")
	good, other := newForge("EdDSA", "k", "good").key(), newForge("EdDSA", "k", "other").key()
	for _, row := range []struct {
		name string
		now  func() (tokenauth.Key, error)
		want error
		code string
	}{
		{"it is", func() (tokenauth.Key, error) { return good, nil }, nil, ""},
		{"it is gone", func() (tokenauth.Key, error) { return tokenauth.Key{}, tokenauth.ErrUnknownKey }, tokenauth.ErrUnknownKey, "key_unknown"},
		{"another has its kid", func() (tokenauth.Key, error) { return other, nil }, tokenauth.ErrUnknownKey, "key_unknown"},
		{"nobody knows", func() (tokenauth.Key, error) { return tokenauth.Key{}, errDown }, tokenauth.ErrUnavailable, "keys_unavailable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t)
			answer := func() (tokenauth.Key, error) { return good, nil }
			askers := newVerifier(t, tokenauth.VerifierConfig{
				Profile: o.cfg.Profile, Revocation: o.store, Now: o.clock.Now,
				Keys: keysFunc(func(context.Context, string) (tokenauth.Key, error) { return answer() }),
			})
			o.cfg.Askers = askers
			issuer, err := tokenauth.NewIssuer(o.cfg)
			require.NoError(t, err)
			by, err := askers.Verify(t.Context(), newForge("EdDSA", "k", "good").good(object{
				"iss": "https://auth.test", "aud": "api", "sub": "root", "roles": []string{tokenauth.RoleAdmin},
				"iat": officeOpens.Unix(), "exp": officeOpens.Add(time.Hour).Unix(),
			}))
			require.NoError(t, err)
			answer = row.now
			issued, err := issuer.Issue(t.Context(), request(t, by, "deployment:web:read"))
			if row.want == nil {
				require.NoError(t, err)
				return
			}
			requireNothing(t, issued, err, row.want, row.code)
			require.Empty(t, o.liveRecords(t))
		})
	}
}

// An admin is looked at again as everybody is, and what it mints as what the verifier would see.
func TestAdminIsConfirmed(t *testing.T) {
	for _, row := range []struct {
		name string
		rig  func(o *riggedOffice)
		asks tokenauth.Claims
		want error
		code string
	}{
		{"the asker is an admin no more", func(o *riggedOffice) { o.isAdmin = false },
			tokenauth.Claims{Subject: "bob", ID: "x"}, tokenauth.ErrAdminRefused, "admin_refused"},
		{"the asker is an admin no more, and asks for another", func(o *riggedOffice) { o.isAdmin = false },
			tokenauth.Claims{Subject: "bob", ID: "x", Roles: []string{tokenauth.RoleAdmin}}, tokenauth.ErrForbidden, "authority_not_held"},
		{"the asker is an admin no more, and asks for the hint", func(o *riggedOffice) { o.isAdmin = false },
			tokenauth.Claims{Subject: "bob", ID: "x", AdminHint: true}, tokenauth.ErrForbidden, "authority_not_held"},
		{"it is one", func(*riggedOffice) {},
			tokenauth.Claims{Subject: "bob", ID: "x", Roles: []string{tokenauth.RoleAdmin}, AdminHint: true}, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newRiggedOffice(t)
			by := o.login(t, "root", tokenauth.RoleAdmin)
			row.rig(o)
			issued, err := o.Sign(t.Context(), by, &row.asks)
			if row.want != nil {
				requireNothing(t, issued, err, row.want, row.code)
				require.Empty(t, o.liveRecords(t))
				return
			}
			require.NoError(t, err)
			require.True(t, o.prove(t, issued).IsAdmin())
		})
	}
	t.Run("C14 an asker with the hint and not the role is no admin", func(t *testing.T) {
		o := newRiggedOffice(t)
		by := o.bearer(t, &tokenauth.Claims{Subject: "root", ID: "a", AdminHint: true, Scopes: grants(t, "deployment:web:read")})
		issued, err := o.Issue(t.Context(), request(t, by, "deployment:web:write"))
		requireForbidden(t, issued, err, "scopes")
	})
	t.Run("C14 the hint is nobody's without AdminCheck", func(t *testing.T) {
		o := newOffice(t)
		issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "bob", AdminHint: true})
		requireInvalid(t, issued, err, "admin")
	})
	t.Run("AdminCheck does not answer", func(t *testing.T) {
		errDown := errors.New("down")
		o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
			cfg.AdminCheck = func(context.Context, *tokenauth.Claims) (bool, error) { return true, errDown }
		})
		issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "root", Roles: []string{tokenauth.RoleAdmin}})
		requireNothing(t, issued, err, tokenauth.ErrUnavailable, "admin_check_unavailable")
		require.ErrorIs(t, err, errDown)
	})
}

// Whoever asked may go away at any moment. What was begun is then undone, in the time that stores have.
func TestCallerGoesAway(t *testing.T) {
	for _, row := range []struct {
		name  string
		leave func(o *riggedOffice, cancel func())
		dead  int
	}{
		{"before it asks", func(_ *riggedOffice, cancel func()) { cancel() }, 0},
		{"while MayGrant thinks", func(o *riggedOffice, cancel func()) {
			o.mayGrant = func(ctx context.Context) error { cancel(); return ctx.Err() }
		}, 0},
		{"while MayGrant thinks, and it does not notice", func(o *riggedOffice, cancel func()) {
			o.mayGrant = func(context.Context) error { cancel(); return nil }
		}, 0},
		{"while the epoch is read", func(o *riggedOffice, cancel func()) {
			o.at("Epoch", func(context.Context) error { cancel(); return nil })
		}, 0},
		{"before the record is created", func(o *riggedOffice, cancel func()) {
			o.at("Create", func(context.Context) error { cancel(); return nil })
		}, 0},
		{"once the record is created", func(o *riggedOffice, cancel func()) {
			o.once("Create", func(ctx context.Context) error { cancel(); return ctx.Err() })
		}, 1},
		{"before the look", func(o *riggedOffice, cancel func()) {
			o.once("Create", func(context.Context) error { cancel(); return nil })
		}, 1},
		{"during the look", func(o *riggedOffice, cancel func()) {
			o.at("IsSessionActive", func(context.Context) error { cancel(); return nil })
		}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newRiggedOffice(t)
			by := o.login(t, "alice")
			ctx, cancel := context.WithCancel(t.Context())
			row.leave(o, cancel)
			issued, err := o.Issue(ctx, request(t, by, "deployment:web:read"))
			require.ErrorIs(t, err, tokenauth.ErrUnavailable)
			require.ErrorIs(t, err, context.Canceled)
			requireNothing(t, issued, err, tokenauth.ErrUnavailable, tokenauth.ErrorCode(err))
			require.Empty(t, o.liveRecords(t))
			require.Len(t, o.records(t, tokenauth.TokenFilter{Revoked: true}), row.dead)
		})
	}
}

func TestStoreTimeoutIsOneBudget(t *testing.T) {
	for _, call := range []string{"Epoch", "Get", "Create", "IsRevoked", "IsSessionActive", "MayGrant"} {
		t.Run(call+" hangs", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := openRiggedOffice(t, &handClock{wall: true})
				require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", time.Now().Add(time.Hour)))
				claims := &tokenauth.Claims{Subject: "alice", ID: "a", SessionID: "s"}
				if call == "Get" {
					claims.Scopes = grants(t, "deployment:*:write")
				}
				by := o.bearer(t, claims)
				slow := func(ctx context.Context) error {
					time.Sleep(100 * time.Millisecond) // within the budget, once
					return ctx.Err()
				}
				hangs := func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				}
				o.mayGrant = slow
				o.rig.before = map[string]func(context.Context) error{"Epoch": slow, call: hangs}
				if call == "MayGrant" {
					o.mayGrant = hangs
				}
				began := time.Now()
				_, err := o.Issue(t.Context(), request(t, by, "deployment:web:read"))
				require.ErrorIs(t, err, tokenauth.ErrUnavailable)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 250*time.Millisecond, time.Since(began), "all of them together")
				o.rig.before = nil
				require.LessOrEqual(t, len(o.liveRecords(t)), 1, "the asker's own")
			})
		})
	}
}
