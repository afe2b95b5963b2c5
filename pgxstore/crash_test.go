//go:build unix

package pgxstore_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// What was acknowledged is there after a kill -9 of the server. 8 goroutines write and say of each write that returned nil what it was;
// after some of them all the server's processes are killed, in the middle of others, and started again, and what was said is looked for.
// The database is the same all the time, so it is also one that was torn down many times, and so is one of the stores, which must not take
// what a crash may lose, what nobody was told of, for a store that has gone back. `make crash` runs many more cycles than a test does.
//
// A kill leaves what was written in the system's cache. Nothing here pulls a plug.

// An acknowledgement is what was done, and two names.
type acknowledgement struct{ what, a, b string }

func TestCrashLosesNothingAcknowledged(t *testing.T) {
	cycles := testserver.Count(t, "CRASH_CYCLES", 3)
	server := newServer(t)
	s := migrated(t, server.URL("pool_max_conns=8"), pgxstore.Config{})
	_, err := s.CheckDurability(t.Context())
	require.NoError(t, err)
	counts := map[string]int{}
	for range cycles {
		said := writeUntilKilled(t, s, 50+rand.IntN(150), server.Kill)
		require.NoError(t, server.Start(), server.Log())
		for _, s := range []*pgxstore.Store{s, open(t, server.URL(), pgxstore.Config{})} {
			for _, line := range said {
				there, err := acknowledgements[line.what](t.Context(), s, line.a, line.b)
				require.NoError(t, err, line)
				require.True(t, there, "acknowledged and lost: %s", line)
			}
		}
		for _, line := range said {
			counts[line.what]++
		}
		checkInvariants(t, server.URL())
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	t.Logf("%d cycles, %d acknowledged writes, 0 lost: %v", cycles, sum, counts)
	require.NotZero(t, sum)
}

// writeUntilKilled writes from 8 goroutines, calls kill when enough was acknowledged, and returns all that was.
func writeUntilKilled(t *testing.T, s *pgxstore.Store, enough int, kill func()) []acknowledgement {
	t.Helper()
	var saying sync.Mutex
	var said []acknowledgement
	reached := make(chan struct{})
	say := func(what, a, b string) {
		saying.Lock()
		defer saying.Unlock()
		if said = append(said, acknowledgement{what, a, b}); len(said) == enough {
			close(reached)
		}
	}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for {
				if err := writeSomething(t.Context(), s, say); err != nil {
					require.ErrorIs(t, err, tokenauth.ErrUnavailable)
					return
				}
			}
		})
	}
	<-reached
	kill()
	writers.Wait()
	return said
}

// checkInvariants looks for what is half done.
func checkInvariants(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	for what, statement := range map[string]string{
		"live records below a revoked one": `SELECT count(*) FROM ta_token c JOIN ta_token p ON p.id = c.parent_id WHERE p.revoked_at IS NOT NULL AND c.revoked_at IS NULL`,
		"revocations that the feed has not": `SELECT count(*) FROM ta_token t LEFT JOIN ta_dead d ON d.kind = 0 AND d.subject = '' AND d.id = t.id
			WHERE t.revoked_at IS NOT NULL AND (d.x IS NULL OR d.dead_from > '-infinity')`,
		"rotations that the feed has not": `SELECT count(*) FROM ta_token t LEFT JOIN ta_dead d ON d.kind = 0 AND d.subject = '' AND d.id = t.id
			WHERE t.retire_at IS NOT NULL AND d.x IS NULL`,
		"rotations without successor": `SELECT count(*) FROM ta_token t LEFT JOIN ta_token n ON n.id = t.successor_id WHERE t.successor_id IS NOT NULL AND n.id IS NULL`,
		"live sessions that ended":    `SELECT count(*) FROM ta_session s JOIN ta_dead d ON d.kind = 1 AND d.subject = s.subject AND d.id = s.sid`,
	} {
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), statement).Scan(&n), what)
		require.Zero(t, n, what)
	}
	require.NoError(t, conn.Close(t.Context()))
}

// acknowledgements say how to look for what was acknowledged: what was done, and two names.
var acknowledgements = map[string]func(ctx context.Context, s *pgxstore.Store, a, b string) (bool, error){
	"created": func(ctx context.Context, s *pgxstore.Store, id, _ string) (bool, error) {
		_, err := s.Get(ctx, id)
		return err == nil, err
	},
	"revoked": func(ctx context.Context, s *pgxstore.Store, id, child string) (bool, error) {
		revoked, err := s.IsRevoked(ctx, id)
		if err != nil || !revoked {
			return false, err
		}
		return s.IsRevoked(ctx, child)
	},
	"rotated": func(ctx context.Context, s *pgxstore.Store, id, successor string) (bool, error) {
		t, err := s.Get(ctx, id)
		return err == nil && t.SuccessorID == successor, err
	},
	"consumed": func(ctx context.Context, s *pgxstore.Store, key, _ string) (bool, error) {
		err := s.Consume(ctx, key, time.Now().Add(time.Hour))
		if tokenauth.ErrorCode(err) == tokenauth.ErrorCode(tokenauth.ErrReplayed) {
			return true, nil
		}
		return false, err
	},
	"bumped": func(ctx context.Context, s *pgxstore.Store, subject, version string) (bool, error) {
		want, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return false, err
		}
		epoch, err := s.Epoch(ctx, subject)
		return epoch.MinVersion >= want, err
	},
	"started": func(ctx context.Context, s *pgxstore.Store, subject, sid string) (bool, error) {
		return s.IsSessionActive(ctx, subject, sid)
	},
	"ended": func(ctx context.Context, s *pgxstore.Store, subject, sid string) (bool, error) {
		active, err := s.IsSessionActive(ctx, subject, sid)
		return !active, err
	},
}

// writeSomething makes one write of each kind, and says each when it is acknowledged.
func writeSomething(ctx context.Context, s *pgxstore.Store, say func(what, a, b string)) error {
	now := time.Now()
	root := newRecord(now)
	child, other := childOf(root), newRecord(now)
	successor, subject := successorOf(other), "user-"+strconv.Itoa(rand.IntN(4))
	for _, step := range []struct {
		what, a, b string
		do         func() error
	}{
		{"created", root.ID, "-", func() error { return s.Create(ctx, root) }},
		{"created", child.ID, "-", func() error { return s.Create(ctx, child) }},
		{"consumed", root.ID, "-", func() error { return s.Consume(ctx, root.ID, now.Add(time.Hour)) }},
		{"created", other.ID, "-", func() error { return s.Create(ctx, other) }},
		{"rotated", other.ID, successor.ID, func() error { return s.Rotate(ctx, other.ID, now.Add(time.Minute), successor) }},
		{"started", subject, other.ID, func() error { return s.StartSession(ctx, subject, other.ID, now.Add(time.Hour)) }},
		{"started", subject, root.ID, func() error { return s.StartSession(ctx, subject, root.ID, now.Add(time.Hour)) }},
		{"revoked", root.ID, child.ID, func() error {
			_, err := s.Revoke(ctx, root.ID, tokenauth.Revocation{At: now, By: "alice", Reason: "stolen"})
			return err
		}},
	} {
		if err := step.do(); err != nil {
			return err
		}
		say(step.what, step.a, step.b)
	}
	epoch, err := s.BumpEpoch(ctx, subject)
	if err != nil {
		return err
	}
	say("bumped", subject, strconv.FormatInt(epoch.MinVersion, 10))
	// What is begun here is not said, so that nobody looks for it alive.
	if err := s.StartSession(ctx, "visitor", root.ID, now.Add(time.Hour)); err != nil {
		return err
	}
	if err := s.EndSession(ctx, "visitor", root.ID); err != nil {
		return err
	}
	say("ended", "visitor", root.ID)
	return nil
}
