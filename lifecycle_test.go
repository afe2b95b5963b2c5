package tokenauth_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// What becomes of a token: it is replaced, or it is revoked with all that came of it. Here stands who may ask for either, and what it
// then does, one thing at a time. What happens when all of it happens at once is in lifecycle_races_test.go.

// A household is what alice minted, and what that minted: a parent with two children, who have a child each.
type household struct {
	*office
	session                                    *tokenauth.Principal // alice's
	parent, child, grandchild, sibling, nephew tokenauth.Issued
}

func newHousehold(t testing.TB) *household {
	t.Helper()
	h := &household{office: newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })}
	h.session = h.login(t, "alice")
	h.parent = h.issue(t, h.session, "deployment:*:write", 4*time.Hour)
	h.child = h.issue(t, h.prove(t, h.parent), "deployment:web:write", 2*time.Hour)
	h.grandchild = h.issue(t, h.prove(t, h.child), "deployment:web:read", time.Hour)
	h.sibling = h.issue(t, h.prove(t, h.parent), "deployment:*:write", 4*time.Hour)
	h.nephew = h.issue(t, h.prove(t, h.sibling), "deployment:web:read", time.Hour)
	return h
}

// issue returns what an asker mints, for so long.
func (o *office) issue(t testing.TB, by tokenauth.Authority, scopes string, ttl time.Duration) tokenauth.Issued {
	t.Helper()
	issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: by, Name: "ci", Scopes: grants(t, scopes), TTL: ttl})
	require.NoError(t, err)
	return issued
}

// rotate returns the successor of a token, as somebody asks for it.
func (o *office) rotate(t testing.TB, by tokenauth.Authority, issued tokenauth.Issued, grace time.Duration) tokenauth.Issued {
	t.Helper()
	successor, err := o.Rotate(t.Context(), by, issued.Record.ID, grace)
	require.NoError(t, err)
	return successor
}

// livesAll says of each token whether it lives.
func (o *office) livesAll(t testing.TB, all ...tokenauth.Issued) []bool {
	t.Helper()
	var lives []bool
	for _, issued := range all {
		lives = append(lives, o.lives(t, issued))
	}
	return lives
}

// An admin by a session, and by a token.
func rootsSession(t *testing.T, h *household) tokenauth.Authority {
	return h.login(t, "root", tokenauth.RoleAdmin)
}

func rootsToken(t *testing.T, h *household) tokenauth.Authority {
	return h.bearer(t, &tokenauth.Claims{Subject: "root", ID: "root", Roles: []string{tokenauth.RoleAdmin}})
}

func TestWhoMayRevoke(t *testing.T) {
	const yes, no = true, false
	// scoped is somebody else's token.
	scoped := func(text string) func(*testing.T, *household) tokenauth.Authority {
		return func(t *testing.T, h *household) tokenauth.Authority {
			text := strings.ReplaceAll(text, "{child}", h.child.Record.ID)
			return h.bearer(t, &tokenauth.Claims{Subject: "bob", ID: "bob's", Scopes: grants(t, text)})
		}
	}
	issued := func(which func(h *household) tokenauth.Issued) func(*testing.T, *household) tokenauth.Authority {
		return func(t *testing.T, h *household) tokenauth.Authority { return h.prove(t, which(h)) }
	}
	for _, row := range []struct {
		name string
		by   func(*testing.T, *household) tokenauth.Authority
		may  bool // revoke the child
	}{
		{"the system", func(*testing.T, *household) tokenauth.Authority { return bySystem }, yes},
		{"an admin's session", rootsSession, yes},
		{"an admin's token", rootsToken, yes},
		{"the token itself", issued(func(h *household) tokenauth.Issued { return h.child }), yes},
		{"its parent", issued(func(h *household) tokenauth.Issued { return h.parent }), yes},
		{"its child", issued(func(h *household) tokenauth.Issued { return h.grandchild }), no},
		{"its sibling", issued(func(h *household) tokenauth.Issued { return h.sibling }), no},
		{"a child of its sibling", issued(func(h *household) tokenauth.Issued { return h.nephew }), no},
		{"the owner's session", func(_ *testing.T, h *household) tokenauth.Authority { return h.session }, yes},
		{"another session of the owner's", func(t *testing.T, h *household) tokenauth.Authority {
			return h.bearer(t, &tokenauth.Claims{Subject: "alice"})
		}, yes},
		{"another token of the owner's", func(t *testing.T, h *household) tokenauth.Authority {
			return h.prove(t, h.issue(t, h.session, "deployment:*:write", time.Hour))
		}, no},
		{"another token of the owner's, in her own name", func(t *testing.T, h *household) tokenauth.Authority {
			return h.holder(t, "deployment:*:write")
		}, no},
		{"another token of the owner's, with roles only", func(t *testing.T, h *household) tokenauth.Authority {
			return h.bearer(t, &tokenauth.Claims{Subject: "alice", ID: "roles", Roles: []string{"viewer"}})
		}, no},
		{"a token of the owner's without record", func(t *testing.T, h *household) tokenauth.Authority {
			return h.bearer(t, &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:*:write")})
		}, no},
		{"a stranger's session", func(t *testing.T, h *household) tokenauth.Authority { return h.login(t, "bob") }, no},
		{"a stranger with token:{id}:write", scoped("token:{child}:write"), yes},
		{"a stranger with token:*:write", scoped("token:*:write"), yes},
		{"a stranger with token:{id}:execute", scoped("token:{child}:execute"), no},
		{"a stranger with another's token:{id}:write", scoped("token:other:write"), no},
		{"a stranger with the same scopes", scoped("deployment:*:write"), no},
		{"its successor", func(t *testing.T, h *household) tokenauth.Authority {
			return h.prove(t, h.rotate(t, h.prove(t, h.child), h.child, time.Minute))
		}, yes},
		{"its predecessor, in grace", func(t *testing.T, h *household) tokenauth.Authority {
			first := h.prove(t, h.child)
			h.child = h.rotate(t, first, h.child, time.Minute)
			h.child = h.rotate(t, first, h.child, time.Minute)
			return first
		}, yes},
		{"an ancestor's successor", func(t *testing.T, h *household) tokenauth.Authority {
			next := h.rotate(t, h.prove(t, h.parent), h.parent, 0)
			return h.prove(t, h.rotate(t, h.prove(t, next), next, 0))
		}, yes},
		{"an ancestor's predecessor, in grace", func(t *testing.T, h *household) tokenauth.Authority {
			first := h.prove(t, h.parent)
			next := h.rotate(t, first, h.parent, time.Hour)
			h.child = h.issue(t, h.prove(t, next), "deployment:web:write", time.Hour)
			return first
		}, yes},
		{"a sibling's successor", func(t *testing.T, h *household) tokenauth.Authority {
			return h.prove(t, h.rotate(t, h.prove(t, h.sibling), h.sibling, 0))
		}, no},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHousehold(t)
			by := row.by(t, h)
			h.told()
			n, err := h.Revoke(t.Context(), by, h.child.Record.ID, "because")
			events := h.told()
			require.Len(t, events, 1)
			require.Equal(t, "revoke", events[0].Op)
			require.Equal(t, row.may, err == nil, "%v", err)
			require.Equal(t, !row.may, h.lives(t, h.child))
			r := h.record(t, h.child.Record.ID)
			if !row.may {
				requireNothing(t, tokenauth.Issued{}, err, tokenauth.ErrForbidden, "record_not_yours")
				require.Equal(t, 0, n)
				require.Equal(t, tokenauth.Event{Op: "revoke", Code: "record_not_yours", Err: err, By: nameOf(by), TokenID: h.child.Record.ID}, events[0])
				require.True(t, r.RevokedAt.IsZero())
				return
			}
			require.Positive(t, n)
			require.Equal(t, tokenauth.Event{Op: "revoke", Code: "ok", TokenID: r.ID, By: nameOf(by), Revoked: n}, events[0])
			require.True(t, h.clock.Now().Equal(r.RevokedAt))
			require.Equal(t, "because", r.RevokeReason)
			if p, ok := by.(*tokenauth.Principal); ok {
				require.Equal(t, p.Subject(), r.RevokedBy)
			} else {
				require.Equal(t, "system: test", r.RevokedBy)
			}
			require.True(t, h.lives(t, h.sibling) || row.name == "the system" || strings.Contains(row.name, "ancestor"), "siblings live")
		})
	}
	t.Run("the creator's session, where that is not the owner's", func(t *testing.T) {
		h := newHousehold(t)
		root := h.login(t, "root", tokenauth.RoleAdmin)
		lent, err := h.Issue(t.Context(), tokenauth.TokenRequest{By: root, Subject: "alice", Scopes: grants(t, "deployment:*:write")})
		require.NoError(t, err)
		made := h.child_(t, lent)
		require.Equal(t, "root", made.Record.Owner)
		require.Equal(t, "alice", made.Record.CreatedBy)
		_, err = h.Revoke(t.Context(), h.session, made.Record.ID, "")
		require.NoError(t, err)
		require.Equal(t, []bool{true, false}, h.livesAll(t, lent, made))
		_, err = h.Revoke(t.Context(), h.session, lent.Record.ID, "")
		require.NoError(t, err, "what speaks in her name she may end, whoever lent it")
		require.False(t, h.lives(t, lent))
	})
}

// child_ returns a child of a token.
func (h *household) child_(t testing.TB, parent tokenauth.Issued) tokenauth.Issued {
	t.Helper()
	return h.issue(t, h.prove(t, parent), "deployment:web:read", time.Minute)
}

// Whoever holds a token ends it, and all that came of it, whatever has become of it since.
func TestRevokeToken(t *testing.T) {
	const yes, no = true, false
	for _, row := range []struct {
		name   string
		before func(*testing.T, *household) tokenauth.Issued // what happens first, and what is to die of it beside the token
		n      int                                           // how many are newly ended
		lives  bool                                          // the token, before
	}{
		{"a live one", func(_ *testing.T, h *household) tokenauth.Issued { return h.grandchild }, 5, yes},
		{"a retired one, whose successor a thief has", func(t *testing.T, h *household) tokenauth.Issued {
			return h.rotate(t, h.prove(t, h.parent), h.parent, 0)
		}, 6, no},
		{"a retired one, whose thief has rotated on and made a child", func(t *testing.T, h *household) tokenauth.Issued {
			next := h.rotate(t, h.prove(t, h.parent), h.parent, 0)
			return h.child_(t, h.rotate(t, h.prove(t, next), next, 0))
		}, 8, no},
		{"an expired one, whose successor lives", func(t *testing.T, h *household) tokenauth.Issued {
			h.clock.pass(3 * time.Hour)
			next := h.rotate(t, h.prove(t, h.parent), h.parent, 0)
			h.clock.pass(2 * time.Hour)
			return next
		}, 6, no},
		{"one of a session that has ended", func(t *testing.T, h *household) tokenauth.Issued {
			until := h.clock.Now().Add(time.Hour)
			require.NoError(t, h.store.StartSession(t.Context(), "alice", "s", until))
			h.parent = h.mint(t, &tokenauth.Claims{
				Subject: "alice", ID: "of a session", SessionID: "s", Scopes: grants(t, "deployment:web:read"), ExpiresAt: until,
			})
			child := h.child_(t, h.parent)
			require.NoError(t, h.store.EndSession(t.Context(), "alice", "s"))
			return child
		}, 2, no},
		{"one that is older than its subject's epoch", func(t *testing.T, h *household) tokenauth.Issued {
			_, err := h.store.RaiseNotBefore(t.Context(), h.parent.Claims.Subject, h.clock.Now())
			require.NoError(t, err)
			return h.grandchild
		}, 5, no},
		{"one that counts later only", func(t *testing.T, h *household) tokenauth.Issued {
			h.clock.pass(time.Hour)
			later := h.mint(t, &tokenauth.Claims{Subject: "alice", ID: "later", ExpiresAt: h.clock.Now().Add(time.Hour)})
			h.clock.pass(-time.Hour)
			h.parent = later
			return later
		}, 1, no},
		{"one of an admin's", func(t *testing.T, h *household) tokenauth.Issued {
			h.parent = h.mint(t, &tokenauth.Claims{Subject: "root", ID: "root", Roles: []string{tokenauth.RoleAdmin}})
			return h.child_(t, h.parent)
		}, 2, yes},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHousehold(t)
			other := row.before(t, h)
			require.Equal(t, row.lives, h.lives(t, h.parent))
			h.told()
			held := h.parent
			n, err := h.RevokeToken(t.Context(), held.Token.Reveal(), "ended")
			require.NoError(t, err)
			require.Equal(t, row.n, n)
			require.Equal(t, []tokenauth.Event{
				{Op: "revoke", Code: "ok", TokenID: held.Record.ID, By: held.Claims.Subject, Revoked: n},
			}, h.told())
			require.Equal(t, []bool{false, false}, h.livesAll(t, held, other))
			for _, issued := range []tokenauth.Issued{held, other} {
				r := h.record(t, issued.Record.ID)
				require.False(t, r.RevokedAt.IsZero())
				require.Equal(t, []string{held.Claims.Subject, "ended"}, []string{r.RevokedBy, r.RevokeReason})
			}
			n, err = h.RevokeToken(t.Context(), held.Token.Reveal(), "again")
			require.NoError(t, err)
			require.Equal(t, 0, n)
		})
	}
}

// What ends nothing says so: an error means that the token may live.
func TestRevokeTokenRefuses(t *testing.T) {
	elsewhere := newOffice(t)
	// signed is a token without record, of an issuer that has the key and no store.
	signed := func(c tokenauth.Claims) func(*office) string {
		return func(h *office) string {
			profile := h.cfg.Profile
			profile.Audiences, profile.AccountTypes = append(profile.Audiences, "search"), nil
			issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: h.cfg.Key, Now: h.cfg.Now})
			require.NoError(t, err)
			issued, err := issuer.Sign(t.Context(), bySystem, &c)
			require.NoError(t, err)
			return issued.Token.Reveal()
		}
	}
	hour := officeOpens.Add(time.Hour)
	for _, row := range []struct {
		name  string
		token func(*office) string
		later time.Duration
		want  error
		code  string // "": no error
	}{
		{"nothing", func(*office) string { return "" }, 0, tokenauth.ErrMissingToken, "token_missing"},
		{"no token", func(*office) string { return "x" }, 0, tokenauth.ErrMalformed, "token_malformed"},
		{"of another key", func(*office) string {
			return elsewhere.mint(t, &tokenauth.Claims{Subject: "alice", ID: "x"}).Token.Reveal()
		}, 0, tokenauth.ErrInvalidToken, "key_unknown"},
		{"of another audience", signed(tokenauth.Claims{Subject: "alice", ID: "x", Audience: []string{"search"}, ExpiresAt: hour}),
			0, tokenauth.ErrAudience, "audience_wrong"},
		{"of another audience, expired",
			signed(tokenauth.Claims{Subject: "alice", ID: "x", Audience: []string{"search"}, ExpiresAt: hour}),
			2 * time.Hour, tokenauth.ErrAudience, "audience_wrong"},
		{"of another profile, expired",
			signed(tokenauth.Claims{Subject: "alice", ID: "x", AccountType: "robot", ExpiresAt: hour}),
			2 * time.Hour, tokenauth.ErrClaims, "account_type_unknown"},
		{"without jti", signed(tokenauth.Claims{Subject: "alice", ExpiresAt: hour}),
			0, tokenauth.ErrInvalidRequest, "request_invalid"},
		{"without jti, expired where there is no leeway", signed(tokenauth.Claims{Subject: "alice", ExpiresAt: hour}),
			time.Hour + 4*time.Minute, tokenauth.ErrInvalidRequest, "request_invalid"},
		{"without jti, expired everywhere", signed(tokenauth.Claims{Subject: "alice", ExpiresAt: hour}),
			time.Hour + 5*time.Minute, nil, ""},
		{"without record", signed(tokenauth.Claims{Subject: "alice", ID: "x", ExpiresAt: hour}),
			0, tokenauth.ErrNotFound, "not_found"},
		{"without record, expired everywhere", signed(tokenauth.Claims{Subject: "alice", ID: "x", ExpiresAt: hour}),
			time.Hour + 5*time.Minute, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				cfg.Audiences, cfg.AccountTypes = []string{"api", "billing"}, []string{"user"}
			})
			token := row.token(h)
			h.clock.pass(row.later)
			h.told()
			n, err := h.RevokeToken(t.Context(), token, "")
			require.Equal(t, 0, n)
			require.Equal(t, row.code, tokenauth.ErrorCode(err), "%v", err)
			events := h.told()
			require.Len(t, events, 1)
			require.Equal(t, "revoke", events[0].Op)
			if row.want != nil {
				require.ErrorIs(t, err, row.want)
				require.Equal(t, []any{row.code, err, ""}, []any{events[0].Code, events[0].Err, events[0].TokenID})
			}
		})
	}
	t.Run("no store to end it in", func(t *testing.T) {
		h := newOffice(t)
		token := h.mint(t, &tokenauth.Claims{Subject: "alice", ID: "x"}).Token.Reveal()
		cfg := h.cfg
		cfg.Tokens = nil
		issuer, err := tokenauth.NewIssuer(cfg)
		require.NoError(t, err)
		n, err := issuer.RevokeToken(t.Context(), token, "")
		require.Equal(t, 0, n)
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
		require.ErrorContains(t, err, "IssuerConfig.Tokens")
	})
	t.Run("nobody proves it, or it is of another authority", func(t *testing.T) {
		h := newOffice(t)
		token := h.mint(t, &tokenauth.Claims{Subject: "alice", ID: "x"}).Token.Reveal()
		for _, change := range []func(*tokenauth.IssuerConfig){
			func(cfg *tokenauth.IssuerConfig) { cfg.Askers = nil },
			func(cfg *tokenauth.IssuerConfig) { cfg.Issuers = []string{"https://other.test"} },
		} {
			cfg := h.cfg
			change(&cfg)
			issuer, err := tokenauth.NewIssuer(cfg)
			require.NoError(t, err)
			_, err = issuer.RevokeToken(t.Context(), token, "")
			require.ErrorIs(t, err, tokenauth.ErrForbidden)
			require.Equal(t, "asker_foreign", tokenauth.ErrorCode(err))
		}
	})
	t.Run("the store does not answer, or refuses the reason", func(t *testing.T) {
		o := newRiggedOffice(t)
		issued := o.mint(t, &tokenauth.Claims{Subject: "alice", ID: "x"})
		o.clock.pass(48 * time.Hour)
		_, err := o.RevokeToken(t.Context(), issued.Token.Reveal(), strings.Repeat("x", 5000))
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
		o.answer("Revoke", errors.New("the store is down"))
		_, err = o.RevokeToken(t.Context(), issued.Token.Reveal(), "")
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	})
}

func TestM9RevokingIsFinal(t *testing.T) {
	t.Run("M9 twice: the first stands", func(t *testing.T) {
		h := newHousehold(t)
		n, err := h.Revoke(t.Context(), h.session, h.child.Record.ID, "leaked")
		require.NoError(t, err)
		require.Equal(t, 2, n, "it and its child")
		first := h.record(t, h.child.Record.ID)
		h.clock.pass(time.Minute)
		n, err = h.Revoke(t.Context(), bySystem, h.child.Record.ID, "again")
		require.NoError(t, err)
		require.Equal(t, 0, n)
		require.Equal(t, first, h.record(t, h.child.Record.ID))
		n, err = h.Revoke(t.Context(), bySystem, h.parent.Record.ID, "all of them")
		require.NoError(t, err)
		require.Equal(t, 3, n, "the parent, the sibling and the nephew")
		require.Equal(t, first, h.record(t, h.child.Record.ID))
	})
	t.Run("M9 unknown", func(t *testing.T) {
		h := newHousehold(t)
		for _, id := range []string{"unknown", "", "\x00", strings.Repeat("x", 1<<20)} {
			for _, by := range []tokenauth.Authority{bySystem, h.session} {
				n, err := h.Revoke(t.Context(), by, id, "")
				require.ErrorIs(t, err, tokenauth.ErrNotFound)
				require.Equal(t, "not_found", tokenauth.ErrorCode(err))
				require.Equal(t, 0, n)
			}
		}
	})
	t.Run("M9 two at once: one time and reason", func(t *testing.T) {
		for range rounds(300) {
			o := newOffice(t)
			target := o.issue(t, bySystem, "deployment:web:read", time.Hour)
			counts := make([]int, 2)
			var wg sync.WaitGroup
			for i := range counts {
				wg.Go(func() {
					var err error
					counts[i], err = o.Revoke(context.Background(), bySystem, target.Record.ID, fmt.Sprint("reason ", i))
					assert.NoError(t, err)
				})
			}
			wg.Wait()
			require.Equal(t, 1, counts[0]+counts[1])
			winner := 0
			if counts[1] == 1 {
				winner = 1
			}
			require.Equal(t, fmt.Sprint("reason ", winner), o.record(t, target.Record.ID).RevokeReason)
		}
	})
}

func TestRevokeTellsWhatTheStoreCouldNotDo(t *testing.T) {
	errDown := errors.New("the store is down: a stranger's text")
	for _, row := range []struct {
		call string
		err  error
		want error
		code string
	}{
		{"Get", errDown, tokenauth.ErrUnavailable, "tokens_unavailable"},
		{"Revoke", errDown, tokenauth.ErrUnavailable, "tokens_unavailable"},
		{"Revoke", tokenauth.ErrNotFound, tokenauth.ErrNotFound, "not_found"},
		{"Revoke", fmt.Errorf("x: %w", tokenauth.ErrInvalidRequest), tokenauth.ErrInvalidRequest, "request_invalid"},
		{"RevokeAll", errDown, tokenauth.ErrUnavailable, "tokens_unavailable"},
	} {
		t.Run(row.call+" fails: "+row.code, func(t *testing.T) {
			o := newRiggedOffice(t)
			target := o.issue(t, bySystem, "deployment:web:read", time.Hour)
			o.answer(row.call, row.err)
			_, err := o.Revoke(t.Context(), bySystem, target.Record.ID, "")
			if row.call == "RevokeAll" {
				_, err = o.RevokeAll(t.Context(), bySystem, tokenauth.TokenFilter{Owner: "alice"}, "")
			}
			requireNothing(t, tokenauth.Issued{}, err, row.want, row.code)
			require.NotContains(t, err.Error(), "stranger")
			if row.err == errDown {
				require.ErrorIs(t, err, errDown)
			}
		})
	}
	t.Run("it takes as long as its caller allows", func(t *testing.T) {
		o := newRiggedOffice(t)
		target := o.issue(t, bySystem, "deployment:web:read", time.Hour)
		o.at("Revoke", func(ctx context.Context) error {
			_, bounded := ctx.Deadline()
			require.False(t, bounded, "a family may be large")
			return nil
		})
		_, err := o.Revoke(t.Context(), bySystem, target.Record.ID, "")
		require.NoError(t, err)
	})
	t.Run("its caller may go away", func(t *testing.T) {
		o := newRiggedOffice(t)
		target := o.issue(t, bySystem, "deployment:web:read", time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := o.Revoke(ctx, bySystem, target.Record.ID, "")
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorIs(t, err, context.Canceled)
		_, err = o.RevokeAll(ctx, bySystem, tokenauth.TokenFilter{Owner: "alice"}, "")
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	})
	t.Run("whose the asker is cannot be found out", func(t *testing.T) {
		o := newRiggedOffice(t)
		stranger := o.prove(t, o.issue(t, bySystem, "deployment:*:write", time.Hour))
		target := o.issue(t, o.prove(t, o.issue(t, bySystem, "deployment:*:write", time.Hour)), "deployment:web:read", time.Minute)
		revoke := func(answered int) error { // of so many look-ups
			o.at("Get", func(context.Context) error {
				if answered--; answered < 0 {
					return errDown
				}
				return nil
			})
			_, err := o.Revoke(t.Context(), stranger, target.Record.ID, "")
			return err
		}
		lookups := 0
		for ; errors.Is(revoke(lookups), tokenauth.ErrUnavailable); lookups++ {
			require.Less(t, lookups, 20)
		}
		require.Greater(t, lookups, 3, "the target, who became of whom, and the parent")
		require.ErrorIs(t, revoke(lookups), tokenauth.ErrForbidden, "known to be none of its")
	})
}

func TestRevokeAll(t *testing.T) {
	for _, row := range []struct {
		name   string
		by     func(*testing.T, *household) tokenauth.Authority
		filter tokenauth.TokenFilter
		n      int
		want   error
		code   string
	}{
		{"the system, by owner", nil, tokenauth.TokenFilter{Owner: "alice"}, 5, nil, ""},
		{"the system, by session", nil, tokenauth.TokenFilter{SessionID: "alice's session"}, 5, nil, ""},
		{"the system, by creator", nil, tokenauth.TokenFilter{CreatedBy: "alice"}, 5, nil, ""}, // the parent and all below
		{"the system, by subject", nil, tokenauth.TokenFilter{Subject: "nobody's"}, 0, nil, ""},
		{"an admin, by owner", rootsSession, tokenauth.TokenFilter{Owner: "alice"}, 5, nil, ""},
		{"the owner's session", func(_ *testing.T, h *household) tokenauth.Authority { return h.session },
			tokenauth.TokenFilter{Owner: "alice"}, 5, nil, ""},
		{"the owner's session, less than all", func(_ *testing.T, h *household) tokenauth.Authority { return h.session },
			tokenauth.TokenFilter{Owner: "alice", SessionID: "another"}, 0, nil, ""},
		{"the subject's session, without naming the owner", func(_ *testing.T, h *household) tokenauth.Authority { return h.session },
			tokenauth.TokenFilter{Subject: "alice"}, 0, nil, ""},
		{"the owner's session, by creator", func(_ *testing.T, h *household) tokenauth.Authority { return h.session },
			tokenauth.TokenFilter{CreatedBy: "alice"}, 0, tokenauth.ErrForbidden, "record_not_yours"},
		{"the owner's session, for another", func(_ *testing.T, h *household) tokenauth.Authority { return h.session },
			tokenauth.TokenFilter{Owner: "bob"}, 0, tokenauth.ErrForbidden, "record_not_yours"},
		{"the owner's session, everything", func(_ *testing.T, h *household) tokenauth.Authority { return h.session },
			tokenauth.TokenFilter{}, 0, tokenauth.ErrForbidden, "record_not_yours"},
		{"a stranger's session", func(t *testing.T, h *household) tokenauth.Authority { return h.login(t, "bob") },
			tokenauth.TokenFilter{Owner: "alice"}, 0, tokenauth.ErrForbidden, "record_not_yours"},
		{"a token of the owner's", func(t *testing.T, h *household) tokenauth.Authority { return h.holder(t, "token:*:write") },
			tokenauth.TokenFilter{Owner: "alice"}, 0, tokenauth.ErrForbidden, "record_not_yours"},
		{"the parent of them", func(t *testing.T, h *household) tokenauth.Authority { return h.prove(t, h.parent) },
			tokenauth.TokenFilter{Owner: "alice"}, 0, tokenauth.ErrForbidden, "record_not_yours"},
		{"the system, everything", nil, tokenauth.TokenFilter{}, 0, tokenauth.ErrInvalidRequest, "request_invalid"},
		{"the system, a page", nil, tokenauth.TokenFilter{Owner: "alice", Limit: 1}, 0, tokenauth.ErrInvalidRequest, "request_invalid"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHousehold(t)
			var by tokenauth.Authority = bySystem
			if row.by != nil {
				by = row.by(t, h)
			}
			h.told()
			n, err := h.RevokeAll(t.Context(), by, row.filter, "because")
			require.Equal(t, row.n, n)
			events := h.told()
			require.Len(t, events, 1)
			about := cmp.Or(row.filter.Owner, row.filter.Subject)
			if nameOf(by) == "" {
				about = "" // nobody knows who asks
			}
			if row.want != nil {
				requireNothing(t, tokenauth.Issued{}, err, row.want, row.code)
				require.Equal(t, tokenauth.Event{Op: "revoke", Code: row.code, Err: err, Subject: about, By: nameOf(by)}, events[0])
			} else {
				require.NoError(t, err)
				require.Equal(t, tokenauth.Event{Op: "revoke", Code: "ok", Subject: about, By: nameOf(by), Revoked: n}, events[0])
			}
			lives := row.n == 0
			require.Equal(t, []bool{lives, lives, lives, lives, lives}, h.livesAll(t, h.parent, h.child, h.grandchild, h.sibling, h.nephew))
			if !lives {
				r := h.record(t, h.nephew.Record.ID)
				require.Equal(t, "because", r.RevokeReason)
				require.True(t, h.clock.Now().Equal(r.RevokedAt))
			}
		})
	}
}

func TestWhoMayRotate(t *testing.T) {
	type who = func(*testing.T, *household) tokenauth.Authority
	bobs := func(scopes string) who {
		return func(t *testing.T, h *household) tokenauth.Authority {
			return h.bearer(t, &tokenauth.Claims{
				Subject: "bob", ID: "bob's", Scopes: grants(t, scopes), ExpiresAt: officeOpens.Add(9 * time.Hour),
			})
		}
	}
	const notYours = "record_not_yours"
	for _, row := range []struct {
		name    string
		by      who
		refused string
	}{
		{"the token itself", func(t *testing.T, h *household) tokenauth.Authority { return h.prove(t, h.child) }, ""},
		{"the system", func(*testing.T, *household) tokenauth.Authority { return bySystem }, ""},
		{"an admin's session", rootsSession, ""},
		{"an admin's token", rootsToken, ""},
		{"its parent", func(t *testing.T, h *household) tokenauth.Authority { return h.prove(t, h.parent) }, ""},
		{"the owner's session, as MayGrant admits", func(_ *testing.T, h *household) tokenauth.Authority { return h.session }, ""},
		{"its parent's successor", func(t *testing.T, h *household) tokenauth.Authority {
			return h.prove(t, h.rotate(t, h.prove(t, h.parent), h.parent, 0))
		}, ""},
		{"its sibling, though that covers it", func(t *testing.T, h *household) tokenauth.Authority {
			return h.prove(t, h.sibling)
		}, notYours},
		{"its child, though that covers it", func(t *testing.T, h *household) tokenauth.Authority {
			return h.prove(t, h.issue(t, h.prove(t, h.child), "deployment:web:write", 0))
		}, notYours},
		{"another token of the owner's that covers it", func(t *testing.T, h *household) tokenauth.Authority {
			return h.prove(t, h.issue(t, h.session, "deployment:*:write", 4*time.Hour))
		}, notYours},
		{"another in the owner's name", func(t *testing.T, h *household) tokenauth.Authority {
			return h.holder(t, "deployment:*:write")
		}, notYours},
		{"a stranger's session, whatever MayGrant admits", func(t *testing.T, h *household) tokenauth.Authority {
			return h.login(t, "bob")
		}, notYours},
		{"a stranger's token with the same scopes", bobs("deployment:*:write"), notYours},
		{"M10 a stranger with token:*:write", bobs("token:*:write"), notYours},
		{"M10 a stranger with token:*:write and the same scopes", bobs("token:*:write,deployment:*:write"), notYours},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHousehold(t)
			by := row.by(t, h)
			before := len(h.records(t, tokenauth.TokenFilter{}))
			h.told()
			successor, err := h.Rotate(t.Context(), by, h.child.Record.ID, 0)
			events := h.told()
			require.Len(t, events, 1)
			if row.refused != "" {
				requireNothing(t, successor, err, tokenauth.ErrForbidden, row.refused)
				require.True(t, h.lives(t, h.child), "it is as it was")
				require.Equal(t, h.child.Record, h.record(t, h.child.Record.ID))
				require.Len(t, h.records(t, tokenauth.TokenFilter{}), before)
				require.Equal(t, tokenauth.Event{Op: "rotate", Code: row.refused, Err: err, By: nameOf(by), TokenID: h.child.Record.ID}, events[0])
				return
			}
			require.NoError(t, err)
			require.Equal(t, []bool{false, true}, h.livesAll(t, h.child, successor))
			require.Equal(t, tokenauth.Event{
				Op: "rotate", Code: "ok", TokenID: successor.Claims.ID, Subject: successor.Claims.Subject, KeyID: h.cfg.Key.ID(),
				By: nameOf(by),
			}, events[0])
			requireRecordOf(t, h.office, successor)
			was, is := h.child.Record, successor.Record
			require.NotEqual(t, was.ID, is.ID)
			require.Equal(t, was.Subject, is.Subject, "what others know it by")
			require.Equal(t, []any{was.ParentID, was.RootID, was.Owner, was.Depth, was.Name, was.SessionID, was.Scopes, was.Roles},
				[]any{is.ParentID, is.RootID, is.Owner, is.Depth, is.Name, is.SessionID, is.Scopes, is.Roles})
			if p, ok := by.(*tokenauth.Principal); ok {
				require.Equal(t, p.Subject(), is.CreatedBy)
			} else {
				require.Equal(t, "system: test", is.CreatedBy)
			}
			require.Equal(t, is.ID, h.record(t, was.ID).SuccessorID)
		})
	}
}

// A token that acts for its owner is nobody in particular, so that any other of hers may rotate it that could have minted it.
func TestWhoMayRotateATokenInTheOwnersName(t *testing.T) {
	for _, row := range []struct {
		name    string
		scopes  string
		ttl     time.Duration
		subject string
		code    string // "": it may
	}{
		{"it covers it, and lives longer", "deployment:*:write,secret:*:read", 2 * time.Hour, "alice", "record_not_yours"},
		{"it covers a part", "deployment:web:execute", 2 * time.Hour, "alice", "record_not_yours"},
		{"it lives less long", "deployment:*:write", time.Hour - time.Second, "alice", "record_not_yours"},
		{"it acts for itself", "deployment:*:write", 2 * time.Hour, "", "record_not_yours"},
		{"it acts for another", "deployment:*:write", 2 * time.Hour, "bob", "record_not_yours"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHousehold(t)
			target := h.holder(t, "deployment:web:write")
			r := request(t, bySystem, row.scopes)
			r.TTL, r.Subject = row.ttl, row.subject
			if row.subject == "" {
				r.By = h.session
			}
			by, err := h.Issue(t.Context(), r)
			require.NoError(t, err)
			issued, err := h.Rotate(t.Context(), h.prove(t, by), target.TokenID(), 0)
			if row.code != "" {
				requireNothing(t, issued, err, tokenauth.ErrForbidden, row.code)
				require.NoError(t, h.verifier.Recheck(t.Context(), target))
				return
			}
			require.NoError(t, err)
			require.Equal(t, "alice", h.prove(t, issued).Subject())
		})
	}
}

func TestM10StrangerMayEndWhatItMayNotRotate(t *testing.T) {
	h := newHousehold(t)
	root := h.mint(t, &tokenauth.Claims{Subject: "root", ID: "root", Roles: []string{tokenauth.RoleAdmin}})
	by := h.bearer(t, &tokenauth.Claims{Subject: "bob", ID: "bob's", Scopes: grants(t, "token:*:write")})
	issued, err := h.Rotate(t.Context(), by, "root", 0)
	requireNothing(t, issued, err, tokenauth.ErrForbidden, "record_not_yours")
	require.True(t, h.lives(t, root))
	_, err = h.Revoke(t.Context(), by, "root", "")
	require.NoError(t, err)
	require.False(t, h.lives(t, root))
}

func TestRotateAsksMayGrantForASession(t *testing.T) {
	errDown := errors.New("down")
	for name, row := range map[string]struct {
		may  bool
		err  error
		want error
		code string
	}{
		"no":   {false, nil, tokenauth.ErrForbidden, "authority_not_held"},
		"errs": {true, errDown, tokenauth.ErrUnavailable, "may_grant_unavailable"},
		"yes":  {true, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHousehold(t)
			h.cfg.MayGrant = func(_ context.Context, by *tokenauth.Principal, s tokenauth.TokenScope) (bool, error) {
				assert.Same(t, h.session, by)
				assert.Equal(t, "deployment:web:write", s.String())
				return row.may, row.err
			}
			issuer, err := tokenauth.NewIssuer(h.cfg)
			require.NoError(t, err)
			issued, err := issuer.Rotate(t.Context(), h.session, h.child.Record.ID, 0)
			if row.want != nil {
				requireNothing(t, issued, err, row.want, row.code)
				require.True(t, h.lives(t, h.child))
				return
			}
			require.NoError(t, err)
		})
	}
}

// What a session could grant once it may not grant today.
func TestRotateAsksWhatTheSessionHoldsToday(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
	old, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: o.login(t, "alice", "deployer"), Roles: []string{"deployer"}})
	require.NoError(t, err)
	issued, err := o.Rotate(t.Context(), o.login(t, "alice", "viewer"), old.Record.ID, 0)
	requireForbidden(t, issued, err, "roles")
	require.True(t, o.lives(t, old))
	issued, err = o.Rotate(t.Context(), o.login(t, "alice", "viewer", "deployer"), old.Record.ID, 0)
	require.NoError(t, err)
	require.Equal(t, []string{"deployer"}, o.prove(t, issued).Claims().Roles)
}

// A token that its owner has rotated is still its owner's to rotate.
func TestRotateAgainAndAgain(t *testing.T) {
	for name, who := range map[string]func(h *household) tokenauth.Authority{
		"the owner's session": func(h *household) tokenauth.Authority { return h.session },
		"its parent":          func(h *household) tokenauth.Authority { return h.prove(t, h.parent) },
		"an admin":            func(h *household) tokenauth.Authority { return h.login(t, "root", tokenauth.RoleAdmin) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHousehold(t)
			by := who(h)
			token := h.child
			for range 4 {
				token = h.rotate(t, by, token, 0)
				require.Equal(t, h.child.Claims.Subject, token.Claims.Subject)
			}
			token = h.rotate(t, h.prove(t, token), token, 0)
			require.Equal(t, h.child.Claims.Subject, token.Claims.Subject)
			require.True(t, h.lives(t, token))
		})
	}
}

func TestSuccessorSaysWhatTheTokenSaid(t *testing.T) {
	rich := func(t *testing.T) (*office, tokenauth.Issued) {
		o := officeOfMembers(t)
		c := richHolder(t)
		c.Roles = []string{"viewer"}
		return o, o.mint(t, c)
	}
	t.Run("asked by itself: all of it", func(t *testing.T) {
		o, old := rich(t)
		by := o.prove(t, old)
		successor := o.rotate(t, by, old, 0)
		want := by.Claims()
		want.ID = successor.Claims.ID
		require.Equal(t, plain(want), plain(o.prove(t, successor).Claims()))

		successor.Claims.Actor.Subject = "mallory"
		copy(successor.Claims.Extra["team"], `"evil"`)
		require.Equal(t, "robot", by.Claims().Actor.Subject, "and shares nothing with it")
		require.Equal(t, json.RawMessage(`"core"`), by.Claims().Extra["team"])
	})
	t.Run("asked by its predecessor: all of it, too", func(t *testing.T) {
		o, old := rich(t)
		by := o.prove(t, old)
		lost := o.rotate(t, by, old, time.Minute)
		want := by.Claims()
		successor := o.rotate(t, by, lost, 0)
		want.ID = successor.Claims.ID
		require.Equal(t, plain(want), plain(o.prove(t, successor).Claims()))
	})
	t.Run("asked by an admin: what the record knows", func(t *testing.T) {
		o, old := rich(t)
		successor := o.rotate(t, o.login(t, "root", tokenauth.RoleAdmin), old, 0)
		want := &tokenauth.Claims{
			Issuer: "https://auth.test", Subject: "alice", ID: successor.Claims.ID, Audience: o.cfg.Audiences,
			IssuedAt: old.Claims.IssuedAt, ExpiresAt: old.Claims.ExpiresAt,
			Roles: []string{"viewer"}, Scopes: old.Claims.Scopes, ClientID: "cli", SessionVersion: 2,
		}
		require.Equal(t, want, plain(o.prove(t, successor).Claims()))
	})
	t.Run("asked by the owner's session: with what that carries over", func(t *testing.T) {
		o, old := rich(t)
		session := richSession(t)
		session.ID, session.Audience = "session", []string{"billing"}
		by := o.bearer(t, session)
		got := o.rotate(t, by, old, 0).Claims
		require.Equal(t, "ai_agent", got.AccountType)
		require.Equal(t, []string{"billing"}, got.Audience, "no audience that the asker does not have")
		require.Equal(t, "", got.SessionID)
		require.Empty(t, got.Extra)
	})
	t.Run("a node keeps its node_id", func(t *testing.T) {
		o := newOffice(t)
		old, err := o.IssueNode(t.Context(), bySystem, "n1", time.Hour)
		require.NoError(t, err)
		require.Equal(t, "n1", o.rotate(t, bySystem, old, 0).Claims.NodeID)
		stranger := o.mint(t, &tokenauth.Claims{Subject: "node:n2", ID: "no node", Roles: []string{"viewer"}})
		require.Equal(t, "", o.rotate(t, bySystem, stranger, 0).Claims.NodeID, "and nobody else gets one")
	})
	t.Run("signed with the key of the day", func(t *testing.T) {
		o := newOffice(t)
		old := o.issue(t, bySystem, "deployment:web:read", time.Hour)
		next := officeKey(t, "HS256")
		require.NoError(t, o.UseKey(next))
		o.cfg.Key = next
		successor := o.rotate(t, bySystem, old, 0)
		_, err := o.newVerifier(t).Verify(t.Context(), successor.Token.Reveal())
		require.NoError(t, err)
	})
}

func TestSuccessorLivesAsLongWithinItsParent(t *testing.T) {
	start := officeOpens.Truncate(time.Second)
	t.Run("a root: as long again", func(t *testing.T) {
		o := newOffice(t)
		old := o.issue(t, bySystem, "deployment:web:read", time.Hour)
		o.clock.pass(40 * time.Minute)
		successor := o.rotate(t, o.prove(t, old), old, 0)
		require.Equal(t, start.Add(40*time.Minute), successor.Claims.IssuedAt)
		require.Equal(t, start.Add(100*time.Minute), successor.Claims.ExpiresAt)
	})
	t.Run("a child: not longer than its parent", func(t *testing.T) {
		h := newHousehold(t) // of a parent that lives 4 h a child that lives 2 h
		h.clock.pass(time.Hour + 50*time.Minute)
		first := h.rotate(t, h.prove(t, h.child), h.child, 0)
		require.Equal(t, start.Add(3*time.Hour+50*time.Minute), first.Claims.ExpiresAt)
		h.clock.pass(time.Hour)
		second := h.rotate(t, h.prove(t, first), first, 0)
		require.Equal(t, start.Add(4*time.Hour), second.Claims.ExpiresAt)
		_, err := h.Rotate(t.Context(), bySystem, second.Record.ID, 0)
		require.NoError(t, err, "a successor of a shorter life")
	})
	t.Run("an ancestor's: not longer than the ancestor", func(t *testing.T) {
		h := newHousehold(t)
		h.clock.pass(50 * time.Minute)
		successor := h.rotate(t, h.prove(t, h.parent), h.grandchild, 0)
		require.False(t, successor.Claims.ExpiresAt.After(h.child.Claims.ExpiresAt))
	})
	t.Run("an older token whose profile has become stricter", func(t *testing.T) {
		o := newOffice(t)
		old := o.issue(t, bySystem, "deployment:web:read", 48*time.Hour)
		o.cfg.MaxLifetime = 24 * time.Hour
		issuer, err := tokenauth.NewIssuer(o.cfg)
		require.NoError(t, err)
		issued, err := issuer.Rotate(t.Context(), bySystem, old.Record.ID, 0)
		requireInvalid(t, issued, err, "MaxLifetime")
		require.True(t, o.lives(t, old))
	})
}

func TestM10Grace(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct {
		name    string
		ttl     time.Duration
		grace   time.Duration
		invalid bool
	}{
		{name: "M10 none: dead at once", ttl: time.Hour, grace: 0},
		{name: "M10 30 s: dead at the end of it", ttl: time.Hour, grace: 30 * time.Second},
		{name: "7 d", ttl: 30 * day, grace: 7 * day},
		{name: "all that is left", ttl: time.Hour, grace: time.Hour - 600*time.Millisecond},
		{name: "M10b over 7 d", ttl: 30 * day, grace: 7*day + 1, invalid: true},
		{name: "M10b 8 d", ttl: 30 * day, grace: 8 * day, invalid: true},
		{name: "negative", ttl: time.Hour, grace: -1, invalid: true},
		{name: "longer than what is left", ttl: time.Hour, grace: time.Hour, invalid: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t)
			old := o.issue(t, bySystem, "deployment:web:read", row.ttl)
			child := o.issue(t, o.prove(t, old), "deployment:web:read", time.Minute)
			successor, err := o.Rotate(t.Context(), o.prove(t, old), old.Record.ID, row.grace)
			if row.invalid {
				requireInvalid(t, successor, err, "grace")
				require.True(t, o.lives(t, old))
				require.True(t, o.record(t, old.Record.ID).RetireAt.IsZero())
				return
			}
			require.NoError(t, err)
			ends := officeOpens.Truncate(time.Second).Add(row.grace)
			require.Equal(t, ends, o.record(t, old.Record.ID).RetireAt)
			if row.grace > 0 {
				o.clock.pass(ends.Sub(o.clock.Now()) - 1)
				require.Equal(t, []bool{true, true}, o.livesAll(t, old, successor), "a moment before")
				o.clock.pass(1)
			}
			require.False(t, o.lives(t, old), "to the moment")
			require.Equal(t, !o.clock.Now().Before(child.Claims.ExpiresAt), !o.lives(t, child), "what it minted lives on")
			require.Equal(t, o.clock.Now().Before(successor.Claims.ExpiresAt), o.lives(t, successor))
			issued, err := o.Issue(t.Context(), request(t, bySystem, "deployment:web:read"))
			require.NoError(t, err)
			require.True(t, o.lives(t, issued))
		})
	}
}

func TestARetiredTokenMintsNothing(t *testing.T) {
	o := newOffice(t)
	old := o.issue(t, bySystem, "deployment:*:write", time.Hour)
	by := o.prove(t, old)
	o.rotate(t, by, old, time.Minute)
	o.issue(t, by, "deployment:web:read", time.Second) // in grace it does
	o.clock.pass(time.Minute)
	issued, err := o.Issue(t.Context(), request(t, by, "deployment:web:read"))
	requireNothing(t, issued, err, tokenauth.ErrRevoked, "token_revoked")
}

func TestRotateWhatCannotBe(t *testing.T) {
	h := newHousehold(t)
	child := h.prove(t, h.child)
	grandchild := h.prove(t, h.grandchild)
	refused := func(by tokenauth.Authority, issued tokenauth.Issued, want error, code string) {
		t.Helper()
		got, err := h.Rotate(t.Context(), by, issued.Record.ID, 0)
		requireNothing(t, got, err, want, code)
	}
	t.Run("an unknown id", func(t *testing.T) {
		for _, id := range []string{"unknown", "", "\x00"} {
			got, err := h.Rotate(t.Context(), bySystem, id, 0)
			requireNothing(t, got, err, tokenauth.ErrNotFound, "not_found")
		}
	})
	t.Run("one that has a successor", func(t *testing.T) {
		h.rotate(t, child, h.child, time.Minute)
		refused(child, h.child, tokenauth.ErrExists, "already_exists")
		refused(bySystem, h.child, tokenauth.ErrExists, "already_exists")
		h.clock.pass(time.Minute)
		refused(bySystem, h.child, tokenauth.ErrExists, "already_exists")
		refused(child, h.child, tokenauth.ErrRevoked, "token_revoked")
	})
	t.Run("a revoked one", func(t *testing.T) {
		_, err := h.Revoke(t.Context(), bySystem, h.grandchild.Record.ID, "")
		require.NoError(t, err)
		refused(bySystem, h.grandchild, tokenauth.ErrNotFound, "not_found")
		refused(h.session, h.grandchild, tokenauth.ErrNotFound, "not_found")
		refused(grandchild, h.grandchild, tokenauth.ErrRevoked, "token_revoked")
	})
	t.Run("an expired one", func(t *testing.T) {
		nephew := h.prove(t, h.nephew)
		h.clock.pass(h.nephew.Claims.ExpiresAt.Sub(h.clock.Now()) - 1)
		h.rotate(t, nephew, h.nephew, 0) // a moment before
		sibling := h.prove(t, h.sibling)
		h.clock.pass(h.sibling.Claims.ExpiresAt.Sub(h.clock.Now()))
		refused(bySystem, h.sibling, tokenauth.ErrNotFound, "not_found")
		refused(sibling, h.sibling, tokenauth.ErrExpired, "token_expired")
	})
}

func TestM10bLostReply(t *testing.T) {
	o := newOffice(t)
	first := o.issue(t, bySystem, "deployment:*:write", time.Hour)
	by := o.prove(t, first)
	lost := o.rotate(t, by, first, 10*time.Minute) // and the reply never arrives
	_, err := o.Rotate(t.Context(), by, first.Record.ID, time.Minute)
	require.ErrorIs(t, err, tokenauth.ErrExists)

	o.clock.pass(time.Minute)
	found := o.record(t, first.Record.ID).SuccessorID
	served, err := o.Rotate(t.Context(), by, found, 0)
	require.NoError(t, err, "M10b within grace the old token asks on its successor")
	require.Equal(t, []bool{true, false, true}, o.livesAll(t, first, lost, served), "the undelivered one retires")
	require.Equal(t, first.Claims.Subject, served.Claims.Subject)
	require.Equal(t, first.Claims.Scopes, served.Claims.Scopes)

	again, err := o.Rotate(t.Context(), by, served.Record.ID, 0)
	require.NoError(t, err, "and again, should that be lost as well")
	require.Equal(t, []bool{true, false, true}, o.livesAll(t, first, served, again))

	t.Run("M10b the successor does not ask for its predecessor", func(t *testing.T) {
		issued, err := o.Rotate(t.Context(), o.prove(t, again), first.Record.ID, 0)
		require.Error(t, err)
		require.Equal(t, "", issued.Token.Reveal())
	})
	t.Run("M10b nor does a child of the old one", func(t *testing.T) {
		child := o.prove(t, o.issue(t, by, "deployment:web:read", time.Minute))
		issued, err := o.Rotate(t.Context(), child, again.Record.ID, 0)
		require.ErrorIs(t, err, tokenauth.ErrForbidden)
		require.Equal(t, "", issued.Token.Reveal())
	})
	t.Run("M10b after grace it asks in vain", func(t *testing.T) {
		o.clock.pass(10 * time.Minute)
		issued, err := o.Rotate(t.Context(), by, again.Record.ID, 0)
		requireNothing(t, issued, err, tokenauth.ErrRevoked, "token_revoked")
		require.True(t, o.lives(t, again))
	})
	t.Run("M10b one revocation reaches all of them", func(t *testing.T) {
		n, err := o.Revoke(t.Context(), bySystem, lost.Record.ID, "")
		require.NoError(t, err)
		require.Equal(t, 5, n, "four by rotation and a child")
		require.False(t, o.lives(t, again))
	})
}

func TestM10ThiefRotates(t *testing.T) {
	for name, revoke := range map[string]func(old, stolen tokenauth.Issued) string{
		"the owner revokes the old id":       func(old, _ tokenauth.Issued) string { return old.Record.ID },
		"the owner revokes the new, in time": func(_, stolen tokenauth.Issued) string { return stolen.Record.ID },
	} {
		t.Run("M10 "+name, func(t *testing.T) {
			h := newHousehold(t)
			stolen := h.rotate(t, h.prove(t, h.parent), h.parent, 30*time.Second)
			loot := h.child_(t, stolen)
			further := h.rotate(t, h.prove(t, stolen), stolen, time.Minute)
			more := h.child_(t, further)
			_, err := h.Revoke(t.Context(), h.session, revoke(h.parent, stolen), "stolen")
			require.NoError(t, err)
			for _, issued := range []tokenauth.Issued{h.parent, h.child, h.grandchild, h.sibling, h.nephew, stolen, loot, further, more} {
				require.False(t, h.lives(t, issued))
			}
		})
	}
}

func TestM10TwoRotationsAtOnce(t *testing.T) {
	for range rounds(300) {
		o := newOffice(t)
		old := o.issue(t, bySystem, "deployment:web:read", time.Hour)
		by := o.prove(t, old)
		issued, errs := make([]tokenauth.Issued, 3), make([]error, 3)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { issued[i], errs[i] = o.Rotate(context.Background(), by, old.Record.ID, time.Minute) })
		}
		wg.Wait()
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				require.True(t, o.lives(t, issued[i]))
				continue
			}
			requireNothing(t, issued[i], err, tokenauth.ErrExists, "already_exists")
		}
		require.Equal(t, 1, won)
		require.Len(t, o.records(t, tokenauth.TokenFilter{}), 2)
	}
}

// Create, look again, sign: so it is for a successor, too. What goes wrong after the store has rotated leaves the old token to live
// out its grace.
func TestRotateWhateverFailsThereIsNoToken(t *testing.T) {
	errDown := errors.New("the store is down: a stranger's text")
	says := func(err error) error { return fmt.Errorf("a stranger's text: %w", err) }
	type office = riggedOffice
	before := func(call string, err error) func(*office) { return func(o *office) { o.answer(call, err) } }
	meanwhile := func(what func(ctx context.Context, o *office) error) func(*office) {
		return func(o *office) {
			o.once("Rotate", func(context.Context) error { return what(context.Background(), o) })
		}
	}
	revoke := func(id string) func(*office) {
		return meanwhile(func(ctx context.Context, o *office) error {
			_, err := o.store.Revoke(ctx, id, tokenauth.Revocation{At: o.clock.Now(), By: "owner"})
			return err
		})
	}
	const tokensDown = "tokens_unavailable"
	for _, row := range []struct {
		name    string
		other   bool // a session of the owner's asks, and not the token itself
		rig     func(o *office)
		want    error
		code    string
		rotated bool
	}{
		{name: "Get fails", rig: before("Get", errDown), want: tokenauth.ErrUnavailable, code: tokensDown},
		{name: "Rotate fails", rig: before("Rotate", errDown), want: tokenauth.ErrUnavailable, code: tokensDown},
		{name: "Rotate fails after it has written", rig: func(o *office) { o.afterwards("Rotate", errDown) },
			want: tokenauth.ErrUnavailable, code: tokensDown, rotated: true},
		{name: "Rotate finds it revoked", rig: before("Rotate", says(tokenauth.ErrRevoked)),
			want: tokenauth.ErrRevoked, code: "token_revoked"},
		{name: "Rotate finds it revoked, another asks", other: true, rig: before("Rotate", says(tokenauth.ErrRevoked)),
			want: tokenauth.ErrNotFound, code: "not_found"},
		{name: "Rotate does not find it", rig: before("Rotate", says(tokenauth.ErrNotFound)),
			want: tokenauth.ErrNotFound, code: "not_found"},
		{name: "Rotate finds a successor", rig: before("Rotate", says(tokenauth.ErrExists)),
			want: tokenauth.ErrExists, code: "already_exists"},
		{name: "the asker cannot be looked at", rig: before("IsRevoked", errDown), want: tokenauth.ErrUnavailable, code: tokensDown},
		{name: "the look at the successor fails", rig: meanwhile(func(_ context.Context, o *office) error {
			o.answer("IsRevoked", errDown)
			return nil
		}), want: tokenauth.ErrUnavailable, code: tokensDown, rotated: true},
		{name: "the chain is revoked meanwhile", rig: revoke("old"), want: tokenauth.ErrRevoked, code: "token_revoked"},
		{name: "the chain is revoked meanwhile, another asks", other: true, rig: revoke("old"),
			want: tokenauth.ErrNotFound, code: "not_found"},
		{name: "the other asker is revoked meanwhile", other: true, rig: revoke("other"),
			want: tokenauth.ErrRevoked, code: "token_revoked", rotated: true},
		{name: "the session ends meanwhile", rig: meanwhile(func(ctx context.Context, o *office) error {
			return o.store.EndSession(ctx, "alice", "s")
		}), want: tokenauth.ErrSessionEnded, code: "session_ended", rotated: true},
		{name: "the epoch moves meanwhile", rig: meanwhile(func(ctx context.Context, o *office) error {
			_, err := o.store.BumpEpoch(ctx, "alice")
			return err
		}), want: tokenauth.ErrStaleEpoch, code: "epoch_stale", rotated: true},
		{name: "NotBefore passes its iat meanwhile", rig: meanwhile(func(ctx context.Context, o *office) error {
			_, err := o.store.RaiseNotBefore(ctx, "alice", o.clock.Now().Add(-time.Second))
			return err
		}), want: tokenauth.ErrStaleEpoch, code: "epoch_stale", rotated: true},
		{name: "the session has ended before", rig: func(o *office) {
			o.at("IsSessionActive", func(ctx context.Context) error { return o.store.EndSession(ctx, "alice", "s") })
		}, want: tokenauth.ErrSessionEnded, code: "session_ended"},
		{name: "the key does not sign", rig: func(o *office) { o.signer.err = errDown },
			want: tokenauth.ErrUnavailable, code: "signing_unavailable", rotated: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newRiggedOffice(t)
			require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(2*time.Hour)))
			old := o.mint(t, &tokenauth.Claims{Subject: "alice", ID: "old", SessionID: "s", Scopes: grants(t, "deployment:web:read")})
			by := o.prove(t, old)
			if row.other {
				by = o.bearer(t, &tokenauth.Claims{Subject: "alice", ID: "other", SessionID: "s"})
			}
			o.told()
			o.clock.pass(10 * time.Second)
			row.rig(o)
			issued, err := o.Rotate(t.Context(), by, "old", 30*time.Second)
			requireNothing(t, issued, err, row.want, row.code)
			require.NotContains(t, err.Error(), "stranger")
			if row.want == tokenauth.ErrExists {
				require.ErrorContains(t, err, "rotated already", "it does not say that a token exists")
			}
			events := o.told()
			require.Len(t, events, 1)
			require.Equal(t, []any{"rotate", row.code, err, "old"}, []any{events[0].Op, events[0].Code, events[0].Err, events[0].TokenID})
			r := o.record(t, "old")
			require.Equal(t, row.rotated, !r.RetireAt.IsZero() && r.RevokedAt.IsZero(), "the old token lives out its grace")
		})
	}
	t.Run("the epoch cannot be read, and nobody's own is at hand", func(t *testing.T) {
		o := newRiggedOffice(t)
		old := o.issue(t, bySystem, "deployment:web:read", time.Hour)
		o.answer("Epoch", errDown)
		issued, err := o.Rotate(t.Context(), bySystem, old.Record.ID, 0)
		requireNothing(t, issued, err, tokenauth.ErrUnavailable, "epochs_unavailable")
		require.True(t, o.record(t, old.Record.ID).RetireAt.IsZero())
	})
	t.Run("a record that no store may keep", func(t *testing.T) {
		o := newRiggedOffice(t)
		old := o.issue(t, bySystem, "deployment:web:read", time.Hour)
		issued, err := o.Rotate(t.Context(), tokenauth.SystemAuthority(strings.Repeat("x", 512)), old.Record.ID, 0)
		requireInvalid(t, issued, err, "created_by")
	})
}

// An event says what was asked for, where whoever asked is known and it can be an id or a subject at all.
func TestWhatWasAskedForIsTold(t *testing.T) {
	h := newHousehold(t)
	long := strings.Repeat("x", 300)
	h.told()
	for _, row := range []struct {
		by           tokenauth.Authority
		id, subject  string
		told, toldOf string
	}{
		{bySystem, "unknown", "alice", "unknown", "alice"},
		{bySystem, "a\x00b", "a\x00b", "", ""},
		{bySystem, long, long, "", ""},
		{bySystem, "a\nverify ok", "a\nverify ok", "", ""},
		{(*tokenauth.Principal)(nil), "unknown", "alice", "", ""},
		{nil, "unknown", "alice", "", ""},
	} {
		_, err := h.Revoke(t.Context(), row.by, row.id, "")
		require.Error(t, err)
		_, err = h.Rotate(t.Context(), row.by, row.id, 0)
		require.Error(t, err)
		_, _ = h.RevokeAll(t.Context(), row.by, tokenauth.TokenFilter{Subject: row.subject}, "")
		events := h.told()
		require.Len(t, events, 3)
		for i, want := range [][2]string{{row.told, ""}, {row.told, ""}, {"", row.toldOf}} {
			require.Equal(t, want, [2]string{events[i].TokenID, events[i].Subject}, events[i].Op)
		}
	}
}

// Whoever rotates what was rotated is told so, and an issuer that knows of nobody who may ask says that.
func TestRefusalsThatSayWhatToDo(t *testing.T) {
	h := newHousehold(t)
	_, err := h.Rotate(t.Context(), bySystem, h.child.Record.ID, 0)
	require.NoError(t, err)
	_, err = h.Rotate(t.Context(), bySystem, h.child.Record.ID, 0)
	require.ErrorIs(t, err, tokenauth.ErrExists)
	require.ErrorContains(t, err, "rotated already")

	cfg := h.cfg
	cfg.Askers = nil
	alone, err := tokenauth.NewIssuer(cfg)
	require.NoError(t, err)
	_, err = alone.Revoke(t.Context(), h.prove(t, h.sibling), "unknown", "")
	require.ErrorIs(t, err, tokenauth.ErrForbidden)
	require.ErrorContains(t, err, "IssuerConfig.Askers is not set")
	_, err = alone.RevokeToken(t.Context(), h.sibling.Token.Reveal(), "")
	require.ErrorContains(t, err, "IssuerConfig.Askers is not set")
}
