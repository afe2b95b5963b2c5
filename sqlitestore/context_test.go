//go:build unix

package sqlitestore_test

import (
	"context"
	"database/sql"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// A call ends with its context, whatever it waits for, and has then done nothing. The driver alone would not do so: it waits for a lock by
// the clock, and looks at a context only around a statement.

// content is all that a store holds.
func content(t *testing.T, path string) string {
	t.Helper()
	db := openSQL(t, path, "")
	all := ""
	for _, table := range []string{"ta_meta", "ta_token", "ta_dead", "ta_session", "ta_once"} {
		rows, err := db.QueryContext(context.Background(), "SELECT * FROM "+table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values, dest := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
			for i := range values {
				dest[i] = &values[i]
			}
			require.NoError(t, rows.Scan(dest...))
			all += fmt.Sprintf("%s %q\n", table, values)
		}
		require.NoError(t, rows.Err())
	}
	require.NoError(t, db.Close())
	return all
}

// filled returns a store that holds something of everything.
func filled(t *testing.T, path string, now time.Time) (*sqlitestore.Store, *tokenauth.StoredAccessToken) {
	t.Helper()
	s := migrated(t, path, sqlitestore.Config{Readers: 2})
	live := create(t, s, now)
	require.NoError(t, s.Create(t.Context(), newRecord(now.AddDate(0, 0, -7))))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	_, err := s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)
	return s, live
}

func TestContextThatHasEnded(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s, live := filled(t, path, now)
	before := content(t, path)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, free := context.WithDeadline(t.Context(), now.Add(-time.Hour))
	defer free()
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
	require.Equal(t, before, content(t, path))
}

func TestContextEndsTheWaitForAnotherProcess(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		then func(*process)
	}{
		{"that holds the lock", func(*process) {}},
		{"that is stopped", func(p *process) { _ = p.Process.Signal(syscall.SIGSTOP) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			now, path := time.Now(), newPath(t)
			s, live := filled(t, path, now)
			before := content(t, path)
			holder := start(t, "hold the write lock", path)
			holder.hears(t)
			test.then(holder)
			const budget = 50 * time.Millisecond
			longest := time.Duration(0)
			machine, waits := watchLag(), []span{}
			for _, writer := range writers(s, live, now) {
				ctx, cancel := context.WithTimeout(t.Context(), budget)
				began := time.Now()
				err := writer.do(ctx)
				waits = append(waits, span{began, time.Now()})
				longest = max(longest, time.Since(began))
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded, writer.name)
				require.ErrorIs(t, err, tokenauth.ErrUnavailable, writer.name)
			}
			machine.end()
			t.Logf("the longest call took %v, of a budget of %v", longest, budget)
			machine.assertInTime(t, waits, budget)
			require.Equal(t, before, content(t, path))

			holder.kill()
			began := time.Now()
			create(t, s, now)
			t.Logf("the first write after that took %v", time.Since(began))
		})
	}
}

func TestLookUpsWaitForNoWriter(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s, live := filled(t, path, now)
	start(t, "hold the write lock", path).hears(t)
	for _, call := range calls(s, live, now)[len(writers(s, live, now)):] {
		require.NoError(t, call.do(t.Context()), call.name)
	}
}

func TestContextEndsTheWaitForAWriterOfTheSameProcess(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s, live := filled(t, path, now)
	holder := start(t, "hold the write lock", path)
	holder.hears(t)
	// The first writer has the store's only connection for writers, and waits for the other process.
	first := make(chan error, 1)
	go func() { first <- s.Consume(t.Context(), "the first", now.Add(time.Hour)) }()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := s.CheckDurability(ctx) // wants the same one
		cancel()
		if err != nil {
			break
		}
	}
	for _, writer := range writers(s, live, now) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		require.ErrorIs(t, writer.do(ctx), context.DeadlineExceeded, writer.name)
		cancel()
	}
	holder.kill()
	require.NoError(t, <-first)
	_, err := s.Revoke(t.Context(), live.ID, tokenauth.Revocation{At: now, By: "alice"})
	require.NoError(t, err)
}

// A cascade that is cut off has revoked nobody: it is one step, or none.
func TestContextEndsACascade(t *testing.T) {
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{NotPowerSafe: true})
	root := create(t, s, now)
	const children = 3_000
	seed(t, path, children, root.ID)
	record, err := s.Get(t.Context(), root.ID)
	require.NoError(t, err)
	shortest := time.Hour
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		began := time.Now()
		_, err = s.Revoke(ctx, root.ID, tokenauth.Revocation{At: now, By: "alice"})
		shortest = min(shortest, time.Since(began))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		got, err := s.Get(t.Context(), root.ID)
		require.NoError(t, err)
		require.Equal(t, record, got)
	}
	checkInvariants(t, path)
	began := time.Now()
	n, err := s.Revoke(t.Context(), root.ID, tokenauth.Revocation{At: now, By: "alice"})
	require.NoError(t, err)
	whole := time.Since(began)
	t.Logf("revoking %d took %v, giving up after a millisecond %v", n, whole, shortest)
	require.Less(t, shortest, whole/4, "it went on when nobody waited for it any more")
	require.Equal(t, children+1, n)
	checkInvariants(t, path)
}
