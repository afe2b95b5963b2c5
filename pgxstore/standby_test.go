//go:build unix

package pgxstore_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// What a server that acknowledges nothing before a standby has it makes of a write that was cut off meanwhile: it has committed, on this
// server alone, and everybody sees it. Whoever then finds the work done must not say so before a standby has it, either.

// A waitingServer is one whose standby has yet to come: every commit waits for it.
type waitingServer struct {
	*testserver.Postgres
	watcher *pgx.Conn
}

// newWaitingServer returns one, and a store on it with a record of alice's and one of carol's, a session of alice's, and a record that has
// expired long ago.
func newWaitingServer(t *testing.T, now time.Time) (*waitingServer, *pgxstore.Store, *tokenauth.StoredAccessToken) {
	t.Helper()
	server := newServer(t)
	s := migrated(t, server.URL("pool_max_conns=4"), pgxstore.Config{})
	record := create(t, s, now)
	require.NoError(t, s.Create(t.Context(), newRecord(now.Add(-48*time.Hour))))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	carols := newRecord(now)
	carols.Owner = "carol"
	require.NoError(t, s.Create(t.Context(), carols))
	w := &waitingServer{server, connect(t, server.URL())}
	w.wantStandby(t, "nobody")
	require.Eventually(t, func() bool { // the server's processes learn of it one after the other
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := s.BumpEpoch(ctx, "bob")
		return err != nil
	}, time.Minute, time.Millisecond)
	w.ends(t)
	return w, s, record
}

// wantStandby names the standby that commits wait for.
func (w *waitingServer) wantStandby(t *testing.T, name string) {
	t.Helper()
	for _, statement := range []string{`SET synchronous_commit = local`, `ALTER SYSTEM SET synchronous_standby_names = '` + name + `'`, `SELECT pg_reload_conf()`} {
		_, err := w.watcher.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
}

// waiting returns the process whose commit waits for the standby, or 0.
func (w *waitingServer) waiting(t *testing.T) (pid int) {
	t.Helper()
	err := w.watcher.QueryRow(t.Context(), `SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`).Scan(&pid)
	require.NoError(t, err)
	return pid
}

// ends waits until no commit waits any more.
func (w *waitingServer) ends(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return w.waiting(t) == 0 }, time.Minute, time.Millisecond)
}

// waits waits until the commit of a call waits, in a process other than one, and returns the process. It fails if the call returns.
func (w *waitingServer) waits(t *testing.T, answer <-chan error, other int, what string) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		select {
		case err := <-answer:
			require.FailNow(t, "no standby has it, and it returned", "%s: %v", what, err)
		default:
		}
		pid = w.waiting(t)
		return pid != 0 && pid != other
	}, time.Minute, time.Millisecond, what)
	return pid
}

func TestWorkThatIsFoundDoneWaitsForTheStandby(t *testing.T) {
	now := time.Now()
	w, s, record := newWaitingServer(t, now)
	var all []call
	for _, c := range writers(s, record, now) {
		switch c.name {
		case "Touch", "DeleteExpired": // these promise nobody's end
			continue
		case "BumpEpoch": // is not made again, and counts each time
			continue
		case "RevokeAll": // Revoke was here before
			c.do = func(ctx context.Context) error {
				_, err := s.RevokeAll(ctx, tokenauth.TokenFilter{Owner: "carol"}, tokenauth.Revocation{At: now, By: "alice"})
				return err
			}
		}
		all = append(all, c)
	}
	for _, c := range all {
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error, 1)
		go func() { answer <- c.do(ctx) }()
		pid := w.waits(t, answer, 0, c.name)
		run(t, w.URL(), `SELECT pg_terminate_backend(`+strconv.Itoa(pid)+`)`) // it has committed here, and the call makes another attempt
		w.waits(t, answer, pid, c.name+", the work of which was found done")
		cancel()
		require.ErrorIs(t, <-answer, tokenauth.ErrUnavailable, c.name)
		w.ends(t)
	}

	// So does whoever comes later and finds it done. What promises nothing, and who only asks, waits for nobody.
	revoked, err := s.IsRevoked(t.Context(), record.ID)
	require.NoError(t, err)
	require.True(t, revoked)
	active, err := s.IsSessionActive(t.Context(), "alice", "s-1")
	require.NoError(t, err)
	require.False(t, active)
	require.NoError(t, s.Touch(t.Context(), now, "nobody's"))
	require.NoError(t, s.Migrate(t.Context()))
	for _, c := range all {
		switch c.name {
		case "Revoke", "RevokeAll", "EndSession", "EndSessions", "RaiseNotBefore":
		default:
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error, 1)
		go func() { answer <- c.do(ctx) }()
		w.waits(t, answer, 0, c.name+" of what has ended")
		cancel()
		require.ErrorIs(t, <-answer, tokenauth.ErrUnavailable, c.name)
		w.ends(t)
	}

	// When the standby has it, it is done.
	answer := make(chan error, 1)
	go func() {
		_, err := s.Revoke(t.Context(), record.ID, tokenauth.Revocation{At: now, By: "alice"})
		answer <- err
	}()
	w.waits(t, answer, 0, "Revoke")
	w.wantStandby(t, "")
	require.NoError(t, <-answer)
}

// BenchmarkRevokeAgain is what it costs to be told that something is revoked already, on a server that waits for its disk.
func BenchmarkRevokeAgain(b *testing.B) {
	s := migrated(b, newServer(b).URL(), pgxstore.Config{})
	record := create(b, s, time.Now())
	revoke(b, s, record.ID, time.Now())
	for b.Loop() {
		n, err := s.Revoke(context.Background(), record.ID, tokenauth.Revocation{At: time.Now(), By: "alice"})
		if err != nil || n != 0 {
			b.Fatal(n, err)
		}
	}
}
