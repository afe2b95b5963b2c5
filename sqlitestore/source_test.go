package sqlitestore_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// What a Source promises beyond the changes themselves: reads are complete, a cursor means nothing where it was not made, and whoever waits
// is woken.

// Whatever was acknowledged before a read began is in it, or was in one before: with eight writers, half of them another process as far as
// the store knows, who move the same deaths to the end again and again.
func TestFeedIsComplete(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{NotPowerSafe: true})
	other := open(t, path, sqlitestore.Config{NotPowerSafe: true})

	var mu sync.Mutex
	acknowledged := map[string]bool{}
	note := func(key string) {
		mu.Lock()
		defer mu.Unlock()
		acknowledged[key] = true
	}
	var writers sync.WaitGroup
	for i := range 8 {
		s := []*sqlitestore.Store{s, other}[i%2]
		writers.Go(func() {
			for range 20 {
				record := newRecord(now)
				assert.NoError(t, s.Create(t.Context(), record))
				assert.NoError(t, s.Rotate(t.Context(), record.ID, now.Add(time.Hour), successorOf(record)))
				note("retiring " + record.ID)
				_, err := s.Revoke(t.Context(), record.ID, tokenauth.Revocation{At: now, By: "alice"})
				assert.NoError(t, err)
				note("revoked " + record.ID)
				epoch, err := s.BumpEpoch(t.Context(), "alice")
				assert.NoError(t, err)
				note("version " + strconv.FormatInt(epoch.MinVersion, 10))
			}
		})
	}
	seen, version, reads := map[string]bool{}, int64(0), 0
	read := func(since tokenauth.Cursor) (next tokenauth.Cursor) {
		var before []string
		mu.Lock()
		for key := range acknowledged {
			before = append(before, key)
		}
		mu.Unlock()
		for c, err := range s.Changes(t.Context(), since) {
			require.NoError(t, err)
			switch {
			case c.TokenID != "" && c.From.IsZero():
				seen["revoked "+c.TokenID], seen["retiring "+c.TokenID] = true, true
			case c.TokenID != "":
				seen["retiring "+c.TokenID] = true
			case c.Subject != "":
				version = max(version, c.Epoch.MinVersion)
			}
			next = c.Next
		}
		for range version {
			seen["version "+strconv.FormatInt(version, 10)] = true
			version--
		}
		for _, key := range before {
			require.True(t, seen[key], "acknowledged before a read that does not have it: %s", key)
		}
		reads++
		return next
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	next := tokenauth.Cursor("")
	for busy := true; busy; {
		select {
		case <-done:
			busy = false // and once more, for the last ones
		default:
		}
		next = read(next)
	}
	require.Len(t, acknowledged, 8*20*3)
	t.Logf("%d reads", reads)
}

// bury writes n deaths into the feed behind the store's back.
func bury(t testing.TB, path string, n int) {
	t.Helper()
	until := strconv.FormatInt(time.Now().Add(time.Hour).UnixMicro(), 10)
	run(t, path, `PRAGMA synchronous = OFF`, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < `+strconv.Itoa(n)+`)
		INSERT INTO ta_dead (kind, subject, id, dead_from, expires, min_version)
		SELECT 0, '', printf('seed-%012d', i), NULL, `+until+`, 0 FROM n`)
}

// many is more than two pages of changes.
const many = 10_050

func TestFeedIsReadInPages(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{Readers: 1, NotPowerSafe: true})
	record := create(t, s, now)
	bury(t, path, many)
	require.NoError(t, s.Rotate(t.Context(), record.ID, now.Add(time.Hour), successorOf(record)))

	// The loop body reads by the only connection, and writes: what it moves to the end is still in this read.
	count, found := 0, false
	var next tokenauth.Cursor
	for c, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		if count++; count == 1 {
			_, err := s.Get(t.Context(), record.ID)
			require.NoError(t, err)
			revoke(t, s, record.ID, now)
		}
		found = found || c.TokenID == record.ID && c.From.IsZero()
		next = c.Next
	}
	require.True(t, found, "a death that moved while the feed was read")
	require.Equal(t, many+3, count, "the deaths, the rotated one and its successor among them, and the cursor")
	for c, err := range s.Changes(t.Context(), next) {
		require.NoError(t, err)
		require.Equal(t, tokenauth.Change{Next: next}, c, "nothing new, and so the same cursor")
	}

	for _, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		break
	}
	_, err := s.Get(t.Context(), record.ID)
	require.NoError(t, err, "after a loop that was left")

	// A generation that ends meanwhile ends the read, which was not complete then.
	count = 0
	var last error
	for c, err := range s.Changes(t.Context(), "") {
		require.Empty(t, c.Next)
		if count++; count == 1 {
			require.NoError(t, s.Reseed(t.Context(), "a drill"))
		}
		last = err
	}
	require.ErrorIs(t, last, tokenauth.ErrStaleCursor)
	require.Less(t, count, many)
}

// readAll reads a feed to its end and returns the last cursor, or the error that ended it.
func readAll(ctx context.Context, s tokenauth.Source, since tokenauth.Cursor) (next tokenauth.Cursor, err error) {
	for c, err := range s.Changes(ctx, since) {
		if err != nil {
			return "", err
		}
		next = c.Next
	}
	return next, nil
}

func TestCursorIsGoodInOneIncarnationOnly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		name  string
		after func(t *testing.T, s *sqlitestore.Store, path string)
		want  error
	}{
		{"nothing", func(*testing.T, *sqlitestore.Store, string) {}, nil},
		{"some writes", func(t *testing.T, s *sqlitestore.Store, _ string) { create(t, s, now) }, nil},
		{"a new generation", func(t *testing.T, s *sqlitestore.Store, _ string) {
			require.NoError(t, s.Reseed(t.Context(), "a drill"))
		}, tokenauth.ErrStaleCursor},
		{"a copy in its place that lost nothing", func(t *testing.T, _ *sqlitestore.Store, path string) {
			restore(t, backUp(t, path), path)
		}, tokenauth.ErrStaleCursor},
		{"the file was away and is back", func(t *testing.T, s *sqlitestore.Store, path string) {
			require.NoError(t, os.Rename(path, path+".away"))
			_, err := s.Generation(t.Context())
			require.ErrorIs(t, err, tokenauth.ErrUnavailable)
			require.NoError(t, os.Rename(path+".away", path))
		}, tokenauth.ErrStaleCursor},
		{"the file is away", func(t *testing.T, _ *sqlitestore.Store, path string) { remove(t, path) }, tokenauth.ErrUnavailable},
		{"the marker is gone", func(t *testing.T, _ *sqlitestore.Store, path string) { empty(t, path) }, tokenauth.ErrUnavailable},
		{"deaths are gone, and the count of writes with them", func(t *testing.T, _ *sqlitestore.Store, path string) {
			run(t, path, `DELETE FROM ta_dead`, `UPDATE ta_meta SET writes = writes - 1`)
		}, tokenauth.ErrUnavailable},
		{"the numbers begin again", func(t *testing.T, _ *sqlitestore.Store, path string) {
			run(t, path, `UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'ta_dead'`)
		}, tokenauth.ErrStaleCursor},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := newPath(t)
			s := migrated(t, path, sqlitestore.Config{})
			revoke(t, s, create(t, s, now).ID, now)
			cursor, err := readAll(t.Context(), s, "")
			require.NoError(t, err)
			test.after(t, s, path)
			for range 2 * 4 { // by every connection there is
				_, err = readAll(t.Context(), s, cursor)
				require.ErrorIs(t, err, test.want)
			}
			if test.want == nil {
				return
			}
			waited := s.Wait(t.Context(), cursor) // is no waiting: there is something to be told
			if errors.Is(test.want, tokenauth.ErrUnavailable) {
				require.ErrorIs(t, waited, tokenauth.ErrUnavailable)
				return
			}
			require.NoError(t, waited)
			cursor, err = readAll(t.Context(), s, "")
			require.NoError(t, err)
			for range 2 * 4 {
				_, err = readAll(t.Context(), s, cursor)
				require.NoError(t, err, "the cursor of the new incarnation")
			}
		})
	}
}

func TestCursorOfSomebodyElse(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := migrated(t, path, sqlitestore.Config{})
	mine, err := readAll(t.Context(), s, "")
	require.NoError(t, err)
	others, err := readAll(t.Context(), open(t, path, sqlitestore.Config{}), "")
	require.NoError(t, err)
	for _, cursor := range []tokenauth.Cursor{
		others, "x", "..", "1", "\x00", mine + "1", mine + ".", mine[:len(mine)-1], mine[:len(mine)-1] + "-1",
		mine[:len(mine)-1] + "9223372036854775808",
	} {
		_, err := readAll(t.Context(), s, cursor)
		require.ErrorIs(t, err, tokenauth.ErrStaleCursor, "%q", cursor)
		require.NoError(t, s.Wait(t.Context(), cursor), "%q", cursor)
	}
}

// waiting begins to wait and returns what Wait will.
func waiting(ctx context.Context, s tokenauth.Source, since tokenauth.Cursor) <-chan error {
	answer := make(chan error, 1)
	go func() { answer <- s.Wait(ctx, since) }()
	return answer
}

func TestWait(t *testing.T) {
	t.Parallel()
	now, path := newClock().Now(), newPath(t) // which stands still, so that Reseed moves everyone's epoch once
	cfg := sqlitestore.Config{Readers: 1, Now: func() time.Time { return now }}
	s, other := migrated(t, path, cfg), open(t, path, cfg)
	require.NoError(t, s.Wait(t.Context(), ""), "the zero cursor has seen nothing")
	cursor, err := readAll(t.Context(), s, "")
	require.NoError(t, err)

	// Deaths wake whoever waits; of this process at once, which is sooner than the next look.
	deaths := []struct {
		name string
		do   func(s *sqlitestore.Store) error
	}{
		{"Revoke", func(s *sqlitestore.Store) error {
			record := newRecord(now)
			if err := s.Create(t.Context(), record); err != nil {
				return err
			}
			_, err := s.Revoke(t.Context(), record.ID, tokenauth.Revocation{At: now, By: "alice"})
			return err
		}},
		{"Rotate", func(s *sqlitestore.Store) error {
			record := newRecord(now)
			if err := s.Create(t.Context(), record); err != nil {
				return err
			}
			return s.Rotate(t.Context(), record.ID, now.Add(time.Hour), successorOf(record))
		}},
		{"BumpEpoch", func(s *sqlitestore.Store) error { _, err := s.BumpEpoch(t.Context(), "alice"); return err }},
		{"EndSession", func(s *sqlitestore.Store) error {
			if err := s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)); err != nil {
				return err
			}
			return s.EndSession(t.Context(), "alice", "s-1")
		}},
		{"Reseed", func(s *sqlitestore.Store) error { return s.Reseed(t.Context(), "a drill") }},
	}
	for _, death := range deaths {
		for _, writer := range []*sqlitestore.Store{s, other} {
			soonest := time.Hour
			for range 5 {
				answer := waiting(t.Context(), s, cursor)
				<-time.After(5 * time.Millisecond) // so that it has looked, and waits
				_, err := s.IsRevoked(t.Context(), "anybody")
				require.NoError(t, err, "the only connection, while somebody waits")
				bell := writer.Bell()
				require.NoError(t, death.do(writer), death.name)
				began := time.Now()
				select {
				case <-bell:
				default:
					require.Fail(t, "nobody is told of it", death.name)
				}
				require.NoError(t, <-answer, death.name)
				soonest = min(soonest, time.Since(began))
				cursor, err = readAll(t.Context(), s, cursor)
				if death.name == "Reseed" {
					require.ErrorIs(t, err, tokenauth.ErrStaleCursor)
					cursor, err = readAll(t.Context(), s, "")
				}
				require.NoError(t, err)
			}
			t.Logf("%s, by this store: %v, woke after %v at best", death.name, writer == s, soonest)
			if writer == s {
				assert.Less(t, soonest, 40*time.Millisecond, "%s was found by looking, and not told", death.name)
			}
		}
	}

	// Nothing else does: a replica that is woken by every write is woken for nothing.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	answer := waiting(ctx, s, cursor)
	bell := s.Bell()
	record := create(t, other, now)
	create(t, s, now)
	require.NoError(t, s.Touch(t.Context(), now, record.ID))
	require.NoError(t, s.Consume(t.Context(), "k-1", now.Add(time.Hour)))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-2", now.Add(time.Hour)))
	require.Equal(t, context.DeadlineExceeded, <-answer)
	select {
	case <-bell:
		require.Fail(t, "the bell was rung, and nothing has died")
	default:
	}

	ctx, cancel = context.WithCancel(t.Context())
	answer = waiting(ctx, s, cursor)
	cancel()
	require.Equal(t, context.Canceled, <-answer)

	answer = waiting(t.Context(), s, cursor)
	run(t, path, `UPDATE ta_meta SET writes = 0`)
	require.ErrorIs(t, <-answer, tokenauth.ErrUnavailable, "a store that was rolled back")

	answer = waiting(t.Context(), other, "")
	require.Error(t, <-answer)
	closing := migrated(t, newPath(t), sqlitestore.Config{})
	cursor, err = readAll(t.Context(), closing, "")
	require.NoError(t, err)
	answer = waiting(t.Context(), closing, cursor)
	require.NoError(t, closing.Close())
	require.ErrorIs(t, <-answer, tokenauth.ErrUnavailable)

	require.ErrorIs(t, new(sqlitestore.Store).Wait(t.Context(), ""), tokenauth.ErrUnavailable)
	_, err = readAll(t.Context(), new(sqlitestore.Store), "")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
}
