//go:build unix

package pgxstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// A call ends with its context, whatever it waits for, and has then done nothing.

// content is all that a store holds.
func content(t *testing.T, url string) string {
	t.Helper()
	conn := connect(t, url)
	all := ""
	for _, table := range []string{"ta_meta", "ta_token", "ta_dead", "ta_session", "ta_once"} {
		var rows *string
		require.NoError(t, conn.QueryRow(context.Background(), fmt.Sprintf("SELECT string_agg(r::text, E'\\n' ORDER BY r::text) FROM %s r", table)).Scan(&rows))
		if rows != nil {
			all += table + "\n" + *rows + "\n"
		}
	}
	require.NoError(t, conn.Close(context.Background()))
	return all
}

// filled returns a store that holds something of everything.
func filled(t *testing.T, url string, now time.Time) (*pgxstore.Store, *tokenauth.StoredAccessToken) {
	t.Helper()
	s := migrated(t, url, pgxstore.Config{})
	live := create(t, s, now)
	require.NoError(t, s.Create(t.Context(), newRecord(now.AddDate(0, 0, -7))))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	_, err := s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)
	return s, live
}

func TestContextThatHasEnded(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s, live := filled(t, url, now)
	conn, err := pgxstore.NewConn(connect(t, url), pgxstore.Config{})
	require.NoError(t, err)
	before := content(t, url)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, free := context.WithDeadline(t.Context(), now.Add(-time.Hour))
	defer free()
	for _, s := range []*pgxstore.Store{s, conn} {
		for _, ctx := range []context.Context{cancelled, expired} {
			for _, call := range append(calls(s, live, now),
				call{"Migrate", s.Migrate},
				call{"Reseed", func(ctx context.Context) error { return s.Reseed(ctx, "why not") }},
				call{"CheckDurability", func(ctx context.Context) error { _, err := s.CheckDurability(ctx); return err }},
			) {
				err := call.do(ctx)
				require.ErrorIs(t, err, ctx.Err(), call.name)
				require.ErrorIs(t, err, tokenauth.ErrUnavailable, call.name)
			}
		}
	}
	require.Equal(t, before, content(t, url))
}

func TestContextEndsTheWait(t *testing.T) {
	const budget = 50 * time.Millisecond
	for _, test := range []struct {
		name string
		wait func(t *testing.T, server interface{ URL(...string) string }) (free func())
		all  bool // look-ups have to wait as well
	}{
		{"for whoever writes to the records", func(t *testing.T, server interface{ URL(...string) string }) func() {
			return lock(t, server.URL(), `SELECT FROM ta_token FOR UPDATE`)
		}, false},
		{"for whoever has the tables", func(t *testing.T, server interface{ URL(...string) string }) func() {
			return lock(t, server.URL(), `LOCK TABLE ta_meta, ta_token, ta_dead, ta_session, ta_once`)
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, now := newServer(t), time.Now()
			s, live := filled(t, server.URL("pool_max_conns=2"), now)
			before := content(t, server.URL())
			free := test.wait(t, server)
			waiting := []call{}
			for _, call := range calls(s, live, now) {
				if test.all || call.name == "Revoke" || call.name == "RevokeAll" || call.name == "Rotate" {
					waiting = append(waiting, call)
				}
			}
			longest := endsInTime(t, waiting, budget)
			t.Logf("the longest call took %v, of a budget of %v", longest, budget)
			free()
			require.Equal(t, before, content(t, server.URL()))
			began := time.Now()
			create(t, s, now)
			t.Logf("the first write after that took %v", time.Since(began))
		})
	}
}

// endsInTime makes calls that have to wait, and returns how long the longest took.
func endsInTime(t *testing.T, waiting []call, budget time.Duration) time.Duration {
	t.Helper()
	longest := time.Duration(0)
	for _, call := range waiting {
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		began := time.Now()
		err := call.do(ctx)
		longest = max(longest, time.Since(began))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, call.name)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable, call.name)
	}
	assert.Less(t, longest, budget+patience)
	return longest
}

func TestContextEndsTheWaitForAServerThatIsStopped(t *testing.T) {
	server, now := newServer(t), time.Now()
	s, live := filled(t, server.URL("pool_max_conns=2"), now)
	before := content(t, server.URL())
	server.Freeze()
	const budget = 50 * time.Millisecond
	longest := endsInTime(t, calls(s, live, now), budget)
	t.Logf("the longest call took %v, of a budget of %v", longest, budget)
	server.Thaw()
	began := time.Now()
	require.Eventually(t, func() bool {
		_, err := s.Get(t.Context(), live.ID)
		return err == nil
	}, backWithin+patience, time.Millisecond)
	t.Logf("back after %v", time.Since(began))
	// What a connection that was cut off had sent already the server may have done: ErrUnavailable says so. BEGIN is what was sent.
	require.Equal(t, before, content(t, server.URL()))
}

func TestContextEndsTheWaitForAConnection(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s, live := filled(t, url+"&pool_max_conns=1", now)
	next := s.List(t.Context(), tokenauth.TokenFilter{})
	unlock := lock(t, url, `LOCK TABLE ta_session`)
	ended := make(chan error, 1)
	holding, release := context.WithCancel(t.Context())
	go func() { ended <- s.EndSession(holding, "alice", "s-1") }() // has the only connection
	const budget = 20 * time.Millisecond
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		_, err := s.Get(ctx, live.ID)
		return err != nil
	}, time.Minute, time.Millisecond)
	endsInTime(t, calls(s, live, now), budget)
	release()
	require.ErrorIs(t, <-ended, context.Canceled)
	unlock()
	for _, err := range next {
		require.NoError(t, err)
	}
}

func TestLookUpsWaitForNoWriter(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s, live := filled(t, url, now)
	lock(t, url, `SELECT FROM ta_token, ta_dead, ta_session, ta_meta FOR UPDATE`)
	for _, call := range calls(s, live, now)[len(writers(s, live, now)):] {
		require.NoError(t, call.do(t.Context()), call.name)
	}
	// Nor does who touches or sweeps: they leave out what somebody writes to.
	require.NoError(t, s.Touch(t.Context(), now, live.ID))
	n, err := s.DeleteExpired(t.Context(), now, 10)
	require.NoError(t, err)
	require.Zero(t, n)
}

// A cascade that is cut off has revoked nobody: it is one step, or none.
func TestContextEndsACascade(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s := migrated(t, url, pgxstore.Config{})
	root := create(t, s, now)
	const children = 3_000
	seed(t, url, children, root.ID)
	record, err := s.Get(t.Context(), root.ID)
	require.NoError(t, err)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Millisecond)
		_, err = s.Revoke(ctx, root.ID, tokenauth.Revocation{At: now, By: "alice"})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		got, err := s.Get(t.Context(), root.ID)
		require.NoError(t, err)
		require.Equal(t, record, got)
	}
	checkInvariants(t, url)
	began := time.Now()
	n, err := s.Revoke(t.Context(), root.ID, tokenauth.Revocation{At: now, By: "alice"})
	require.NoError(t, err)
	t.Logf("revoking %d took %v", n, time.Since(began))
	require.Equal(t, children+1, n)
	checkInvariants(t, url)
}
