package tokenauth_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A token says by sv and iat after which log-out-everywhere it was made. Whoever logs in anew must not be born dead, and whoever
// was logged out must not mint a way back in.

func TestX9StampsTheSessionVersion(t *testing.T) {
	bump := func(t *testing.T, o *office, subject string, times int) {
		t.Helper()
		for range times {
			_, err := o.store.BumpEpoch(t.Context(), subject)
			require.NoError(t, err)
		}
	}
	t.Run("for another subject: that one's own", func(t *testing.T) {
		o := newOffice(t)
		bump(t, o, "bob", 3)
		for _, by := range []tokenauth.Authority{bySystem, o.login(t, "root", tokenauth.RoleAdmin)} {
			issued, err := o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "bob"})
			require.NoError(t, err)
			require.EqualValues(t, 3, o.prove(t, issued).Claims().SessionVersion)
		}
	})
	t.Run("for the asker's own subject: the asker's", func(t *testing.T) {
		o := newOffice(t)
		bump(t, o, "alice", 2)
		own := request(t, o.holder(t, "deployment:*:write"), "deployment:web:read")
		own.Subject = "alice"
		issued, err := o.Issue(t.Context(), own)
		require.NoError(t, err)
		require.EqualValues(t, 2, issued.Claims.SessionVersion)
		bump(t, o, "alice", 1)
		require.False(t, o.lives(t, issued), "it dies with its asker")
		issued, err = o.Issue(t.Context(), own)
		requireNothing(t, issued, err, tokenauth.ErrStaleEpoch, "epoch_stale")
	})
	t.Run("nobody chooses it", func(t *testing.T) {
		o := newOffice(t)
		bump(t, o, "alice", 2)
		for _, by := range []tokenauth.Authority{bySystem, o.holder(t, "deployment:*:write")} {
			asked := &tokenauth.Claims{Subject: "alice", SessionVersion: 7, Scopes: grants(t, "deployment:web:read")}
			issued, err := o.Sign(t.Context(), by, asked)
			requireForbidden(t, issued, err, "sv")
			asked.SessionVersion = 2
			_, err = o.Sign(t.Context(), by, asked)
			require.NoError(t, err, "the one it would get")
		}
	})
	t.Run("an iat after NotBefore is left as it is, one before is moved past it", func(t *testing.T) {
		o := newOffice(t)
		_, err := o.store.RaiseNotBefore(t.Context(), "alice", officeOpens.Add(-2*time.Minute))
		require.NoError(t, err)
		start := officeOpens.Truncate(time.Second)
		for iat, want := range map[time.Time]time.Time{start.Add(-time.Minute): start.Add(-time.Minute), start.Add(-4 * time.Minute): start} {
			issued := o.mint(t, &tokenauth.Claims{Subject: "alice", IssuedAt: iat})
			require.Equal(t, want, o.prove(t, issued).Claims().IssuedAt)
		}
	})
	t.Run("without a store of epochs", func(t *testing.T) {
		o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Epochs = tokenauth.EnforcedElsewhere("the gateway") })
		issued := o.mint(t, &tokenauth.Claims{Subject: "alice", ID: "p", SessionVersion: 4, Scopes: grants(t, "deployment:*:write")})
		require.EqualValues(t, 4, issued.Claims.SessionVersion, "the system says it")
		by := o.prove(t, issued)
		own := request(t, by, "deployment:web:read")
		own.Subject = "alice"
		child, err := o.Issue(t.Context(), own)
		require.NoError(t, err)
		require.EqualValues(t, 4, child.Claims.SessionVersion, "its own subject's is carried over")
		child = o.child(t, by, "deployment:web:read")
		require.EqualValues(t, 0, child.Claims.SessionVersion, "and no other's")
		for _, sv := range []int64{3, 5} {
			asked := &tokenauth.Claims{Subject: "alice", SessionVersion: sv, Scopes: grants(t, "deployment:web:read")}
			issued, err := o.Sign(t.Context(), by, asked)
			requireForbidden(t, issued, err, "sv")
		}
	})
}

func TestX9bLoginInTheSecondOfLogOutEverywhere(t *testing.T) {
	for _, after := range []time.Duration{0, 1, 300 * time.Millisecond, 999 * time.Millisecond} {
		t.Run(fmt.Sprintf("X9b %v into the second", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := officeOnTheWall(t)
				old := o.mint(t, &tokenauth.Claims{Subject: "alice"})
				time.Sleep(time.Second + after)
				_, err := o.store.BumpEpoch(t.Context(), "alice")
				require.NoError(t, err)
				_, err = o.store.RaiseNotBefore(t.Context(), "alice", time.Now())
				require.NoError(t, err)

				began := time.Now()
				fresh := o.mint(t, &tokenauth.Claims{Subject: "alice", ExpiresAt: began.Add(time.Hour)})
				require.Equal(t, time.Second-after, time.Since(began), "the rest of the second is waited out")
				require.False(t, o.lives(t, old))
				require.True(t, o.lives(t, fresh))
				require.EqualValues(t, 1, fresh.Claims.SessionVersion)
				require.True(t, fresh.Claims.IssuedAt.Equal(began.Add(time.Second-after)))

				began = time.Now()
				o.mint(t, &tokenauth.Claims{Subject: "alice"})
				o.mint(t, &tokenauth.Claims{Subject: "bob"})
				require.Equal(t, time.Duration(0), time.Since(began), "nobody else waits")
			})
		})
	}
	t.Run("X9b everyone's NotBefore is waited out, too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := officeOnTheWall(t)
			_, err := o.store.RaiseNotBefore(t.Context(), tokenauth.Everyone, time.Now())
			require.NoError(t, err)
			require.True(t, o.lives(t, o.mint(t, &tokenauth.Claims{Subject: "alice"})))
		})
	})
	t.Run("a token of one second is not born dead", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := officeOnTheWall(t)
			_, err := o.store.RaiseNotBefore(t.Context(), "alice", time.Now())
			require.NoError(t, err)
			issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice", ExpiresAt: time.Now().Add(time.Second)})
			requireInvalid(t, issued, err, "expired")
		})
	})
	t.Run("a NotBefore further ahead is not waited out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := officeOnTheWall(t)
			_, err := o.store.RaiseNotBefore(t.Context(), "alice", time.Now().Add(2*time.Second))
			require.NoError(t, err)
			began := time.Now()
			issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice"})
			requireNothing(t, issued, err, tokenauth.ErrUnavailable, "epochs_unavailable")
			require.Equal(t, time.Duration(0), time.Since(began))
		})
	})
	t.Run("whoever waits may go away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := officeOnTheWall(t)
			_, err := o.store.RaiseNotBefore(t.Context(), "alice", time.Now())
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			issued, err := o.Sign(ctx, bySystem, &tokenauth.Claims{Subject: "alice"})
			requireNothing(t, issued, err, tokenauth.ErrUnavailable, "epochs_unavailable")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, 100*time.Millisecond, time.Since(began))
		})
	})
	t.Run("the wait is not the stores' time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := officeOnTheWall(t)
			rig := &riggedStore{store: o.store}
			o.cfg.Tokens, o.cfg.Epochs = rig, rig
			issuer, err := tokenauth.NewIssuer(o.cfg)
			require.NoError(t, err)
			_, err = o.store.RaiseNotBefore(t.Context(), "alice", time.Now())
			require.NoError(t, err)
			_, err = issuer.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice", ID: "a"})
			require.NoError(t, err, "Create comes a second later, with a budget of 250 ms")
		})
	})
	t.Run("a clock that stands still is noticed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t) // its clock is moved by hand, and nobody moves it
			_, err := o.store.RaiseNotBefore(t.Context(), "alice", o.clock.Now())
			require.NoError(t, err)
			issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: "alice"})
			requireNothing(t, issued, err, tokenauth.ErrUnavailable, "epochs_unavailable")
		})
	})
}

// A token that has died with all its subject's is not brought back by whoever rotates it for another.
func TestX9TheDeadAreNotRotated(t *testing.T) {
	for name, row := range map[string]struct {
		notBefore time.Duration // after the token was made
		dead      bool
	}{
		"X9 NotBefore in the second before its iat": {-time.Second, false},
		"X9 NotBefore in the second of its iat":     {0, true},
		"X9 NotBefore after its iat":                {time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			p := o.holder(t, "deployment:web:read")
			_, err := o.store.RaiseNotBefore(t.Context(), "alice", officeOpens.Add(row.notBefore))
			require.NoError(t, err)
			o.clock.pass(10 * time.Second)
			issued, err := o.Rotate(t.Context(), bySystem, p.TokenID(), 0)
			if row.dead {
				requireNothing(t, issued, err, tokenauth.ErrNotFound, "not_found")
				return
			}
			require.NoError(t, err)
			require.True(t, o.lives(t, issued))
		})
	}
}
