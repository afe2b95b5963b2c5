//go:build unix

package sqlitestore_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// What was acknowledged is there after a kill -9. Another process writes from 8 goroutines and says of each write that returned nil what it
// was; after some of them it is killed, in the middle of others, and what it has said is looked for. The database is the same all the time,
// so it is also one that was torn down many times. `make crash` runs many more cycles than a test does.
//
// A kill leaves what was written in the system's cache. Nothing here pulls a plug.

func TestCrashLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	cycles := testserver.Count(t, "CRASH_CYCLES", 3)
	path := newPath(t)
	s, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	require.NoError(t, s.Close())
	counts := map[string]int{}
	for range cycles {
		writer := start(t, "write until killed", path)
		enough := 50 + rand.IntN(150)
		var said []string
		for writer.says.Scan() {
			said = append(said, writer.says.Text())
			if len(said) == enough {
				require.NoError(t, writer.Process.Kill())
			}
		}
		writer.kill()
		require.Equal(t, -1, writer.ProcessState.ExitCode(), "it was not killed, but ended by itself")
		checkAcknowledged(t, path, said, counts)
		checkInvariants(t, path)
		checkIntegrity(t, path)
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	t.Logf("%d cycles, %d acknowledged writes, 0 lost: %v", cycles, sum, counts)
	require.NotZero(t, sum)
}

// An acknowledgement is a line: what was done, and two names.
var acknowledgements = map[string]func(ctx context.Context, s *sqlitestore.Store, a, b string) (bool, error){
	"created": func(ctx context.Context, s *sqlitestore.Store, id, _ string) (bool, error) {
		_, err := s.Get(ctx, id)
		return err == nil, err
	},
	"revoked": func(ctx context.Context, s *sqlitestore.Store, id, child string) (bool, error) {
		revoked, err := s.IsRevoked(ctx, id)
		if err != nil || !revoked {
			return false, err
		}
		return s.IsRevoked(ctx, child)
	},
	"rotated": func(ctx context.Context, s *sqlitestore.Store, id, successor string) (bool, error) {
		t, err := s.Get(ctx, id)
		return err == nil && t.SuccessorID == successor, err
	},
	"consumed": func(ctx context.Context, s *sqlitestore.Store, key, _ string) (bool, error) {
		err := s.Consume(ctx, key, time.Now().Add(time.Hour))
		if tokenauth.ErrorCode(err) == tokenauth.ErrorCode(tokenauth.ErrReplayed) {
			return true, nil
		}
		return false, err
	},
	"bumped": func(ctx context.Context, s *sqlitestore.Store, subject, version string) (bool, error) {
		want, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return false, err
		}
		epoch, err := s.Epoch(ctx, subject)
		return epoch.MinVersion >= want, err
	},
	"started": func(ctx context.Context, s *sqlitestore.Store, subject, sid string) (bool, error) {
		return s.IsSessionActive(ctx, subject, sid)
	},
	"ended": func(ctx context.Context, s *sqlitestore.Store, subject, sid string) (bool, error) {
		active, err := s.IsSessionActive(ctx, subject, sid)
		return !active, err
	},
}

// checkAcknowledged looks for what was said.
func checkAcknowledged(t *testing.T, path string, said []string, counts map[string]int) {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, line := range said {
		words := strings.Fields(line)
		if len(words) != 4 || words[3] != "." {
			continue // the last one, cut off
		}
		there, err := acknowledgements[words[0]](t.Context(), s, words[1], words[2])
		require.NoError(t, err, line)
		require.True(t, there, "acknowledged and lost: %s", line)
		counts[words[0]]++
	}
}

// checkInvariants looks for what is half done.
func checkInvariants(t *testing.T, path string) {
	t.Helper()
	db := openSQL(t, path, "")
	for what, statement := range map[string]string{
		"live records below a revoked one": `SELECT count(*) FROM ta_token c JOIN ta_token p ON p.id = c.parent_id WHERE p.revoked_at IS NOT NULL AND c.revoked_at IS NULL`,
		"revocations that the feed has not": `SELECT count(*) FROM ta_token t LEFT JOIN ta_dead d ON d.kind = 0 AND d.subject = '' AND d.id = t.id
			WHERE t.revoked_at IS NOT NULL AND (d.seq IS NULL OR d.dead_from IS NOT NULL)`,
		"rotations that the feed has not": `SELECT count(*) FROM ta_token t LEFT JOIN ta_dead d ON d.kind = 0 AND d.subject = '' AND d.id = t.id
			WHERE t.retire_at IS NOT NULL AND d.seq IS NULL`,
		"rotations without successor": `SELECT count(*) FROM ta_token t LEFT JOIN ta_token n ON n.id = t.successor_id WHERE t.successor_id IS NOT NULL AND n.id IS NULL`,
		"live sessions that ended":    `SELECT count(*) FROM ta_session s JOIN ta_dead d ON d.kind = 1 AND d.subject = s.subject AND d.id = s.sid`,
	} {
		var n int
		require.NoError(t, db.QueryRowContext(t.Context(), statement).Scan(&n), what)
		require.Zero(t, n, what)
	}
	require.NoError(t, db.Close())
}

// checkIntegrity looks for damage.
func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db := openSQL(t, path, "")
	var verdict string
	require.NoError(t, db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict))
	require.Equal(t, "ok", verdict)
	require.NoError(t, db.Close())
}

// writeUntilKilled is the other process.
func writeUntilKilled(ctx context.Context, path string, out io.Writer) error {
	s, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	if err != nil {
		return err
	}
	errs := make(chan error)
	var saying sync.Mutex
	for range 8 {
		go func() {
			for {
				if err := writeSomething(ctx, s, func(what, a, b string) {
					saying.Lock()
					defer saying.Unlock()
					fmt.Fprintln(out, what, a, b, ".")
				}); err != nil {
					errs <- err
				}
			}
		}()
	}
	return <-errs
}

// writeSomething makes one write of each kind, and says each when it is acknowledged.
func writeSomething(ctx context.Context, s *sqlitestore.Store, say func(what, a, b string)) error {
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
