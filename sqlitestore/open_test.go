package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

func TestOpenKeepsWhatItHeld(t *testing.T) {
	path := newPath(t)
	first, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.NoError(t, err)
	require.NoError(t, first.Migrate(t.Context()))
	record := create(t, first, time.Now().UTC().Truncate(time.Second))
	require.NoError(t, first.Close())

	again := open(t, path, sqlitestore.Config{})
	require.NoError(t, again.Migrate(t.Context()), "of a store that is up to date")
	got, err := again.Get(t.Context(), record.ID)
	require.NoError(t, err)
	require.Equal(t, record, got)
}

func TestOpenTakesAnyPathAsAFile(t *testing.T) {
	for _, name := range []string{"tokens.db", "a b.db", "50%.db", "%41.db", "what?mode=memory", "a#b", "a&b=c", "é😀.db", ":memory:", "file:x", "-", "a;b'\""} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.ContainsAny(name, `<>:"/\|?*`) {
				t.Skip("Windows reserves a character of this name, so that no file there has it")
			}
			t.Chdir(t.TempDir())
			record := create(t, migrated(t, name, sqlitestore.Config{}), time.Now())
			info, err := os.Stat(name)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "others may read the file")
			revoked, err := open(t, filepath.Join(".", name), sqlitestore.Config{}).IsRevoked(t.Context(), record.ID)
			require.NoError(t, err)
			require.False(t, revoked)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("this is no database, and long enough to be told from one by its first bytes alone\n"), 0o600))
	for what, path := range map[string]string{"no path": "", "a folder": dir, "a folder that is not there": filepath.Join(dir, "a", "b"), "no database": text} {
		_, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		require.Error(t, err, what)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sqlitestore.Open(gone, newPath(t), sqlitestore.Config{})
	require.ErrorIs(t, err, context.Canceled)
}

// goodSettings is what New wants to find in a DSN.
const goodSettings = "?_pragma=busy_timeout(0)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"

func TestNewRefusesSettings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, query string
		notSafe     bool
		refused     string // "": accepted
	}{
		{"all as it should be", goodSettings, false, ""},
		{"more than asked for", "?_pragma=busy_timeout(0)&_pragma=journal_mode(WAL)&_pragma=synchronous(EXTRA)", false, ""},
		{"the driver's defaults", "", false, "journal_mode"},
		{"a rollback journal", "?_pragma=busy_timeout(0)&_pragma=journal_mode(DELETE)", false, "journal_mode"},
		{"no journal", "?_pragma=busy_timeout(0)&_pragma=journal_mode(OFF)", false, "journal_mode"},
		{"in memory", "?mode=memory&_pragma=busy_timeout(0)", false, "journal_mode"},
		{"a driver that waits", "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)", false, "busy_timeout"},
		{"NORMAL, not asked for", "?_pragma=busy_timeout(0)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)", false, "synchronous"},
		{"NORMAL, asked for", "?_pragma=busy_timeout(0)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)", true, ""},
		{"OFF", "?_pragma=busy_timeout(0)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)", true, "synchronous"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := sqlitestore.New(t.Context(), openSQL(t, newPath(t), test.query), sqlitestore.Config{NotPowerSafe: test.notSafe})
			if test.refused != "" {
				require.ErrorContains(t, err, test.refused)
				return
			}
			require.NoError(t, err)
			require.NoError(t, s.Migrate(t.Context()))
			create(t, s, time.Now())
			require.NoError(t, s.Close())
		})
	}
}

// A pragma reaches one connection of a pool, so the first one being right says nothing about the others.
func TestNewChecksEachConnection(t *testing.T) {
	db := openSQL(t, newPath(t), "?_pragma=journal_mode(WAL)")
	db.SetMaxIdleConns(10)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 0")
	require.NoError(t, err)
	require.NoError(t, conn.Close())

	s, err := sqlitestore.New(t.Context(), db, sqlitestore.Config{}) // gets this connection, which is as it should be
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	other, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "PRAGMA busy_timeout = 3000")
	require.NoError(t, err)
	require.NoError(t, other.Close())

	_, err = s.IsRevoked(t.Context(), "anybody") // gets the other one
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.ErrorContains(t, err, "busy_timeout is 3000")
	require.NoError(t, s.Close())
}

func TestNewSharesTheDatabase(t *testing.T) {
	path := newPath(t)
	db := openSQL(t, path, goodSettings)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE mine (x)")
	require.NoError(t, err)

	db.SetMaxOpenConns(3)
	_, err = sqlitestore.New(t.Context(), db, sqlitestore.Config{Readers: 2})
	require.ErrorContains(t, err, "3 connections")
	db.SetMaxOpenConns(4)
	s, err := sqlitestore.New(t.Context(), db, sqlitestore.Config{Readers: 2})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	record := create(t, s, time.Now())
	_, err = s.Get(t.Context(), record.ID)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO mine VALUES (1)")
	require.NoError(t, err, "the caller's own use of the database")

	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second time")
	require.Zero(t, db.Stats().InUse, "connections that Close did not return")
	_, err = s.IsRevoked(t.Context(), record.ID)
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.NoError(t, db.PingContext(t.Context()), "the caller's database, after Close")

	_, err = sqlitestore.New(t.Context(), nil, sqlitestore.Config{})
	require.Error(t, err)
	closed, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	_, err = sqlitestore.New(t.Context(), closed, sqlitestore.Config{})
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
}

func TestZeroStoreAnswersNothing(t *testing.T) {
	now := time.Now()
	s := new(sqlitestore.Store)
	allUnavailable(t, s, newRecord(now), now)
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	require.ErrorIs(t, s.Reseed(t.Context(), "why not"), tokenauth.ErrUnavailable)
	_, err := s.CheckDurability(t.Context())
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.NoError(t, s.Close())
}

func TestCheckDurabilitySaysWhatIsPromised(t *testing.T) {
	lines, err := open(t, newPath(t), sqlitestore.Config{}).CheckDurability(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(lines), 2)
	assert.Contains(t, lines[0], "journal_mode = wal")
	assert.Contains(t, lines[1], "synchronous = 2: durable")

	lines, err = open(t, newPath(t), sqlitestore.Config{NotPowerSafe: true}).CheckDurability(t.Context())
	require.ErrorIs(t, err, sqlitestore.ErrNotDurable)
	require.NotErrorIs(t, err, tokenauth.ErrUnavailable)
	assert.Contains(t, lines[1], "synchronous = 1: NOT durable")
}

// Close waits for the calls under way, and ends what comes after it.
func TestCloseWhileCallsAreUnderWay(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := migrated(t, newPath(t), sqlitestore.Config{Readers: 2})
	live := create(t, s, now)
	var group sync.WaitGroup
	begun := make(chan struct{}, 1<<10)
	for _, call := range calls(s, live, now) {
		group.Go(func() {
			for {
				select {
				case begun <- struct{}{}:
				default:
				}
				err := call.do(context.Background())
				if errors.Is(err, tokenauth.ErrUnavailable) {
					assert.ErrorContains(t, err, "the Store is closed", call.name)
					return
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	require.NoError(t, s.Close())
	group.Wait()
}

// A clock is the caller's own code. If it panics, nothing is left locked behind it.
func TestClockThatPanics(t *testing.T) {
	t.Parallel()
	now, broken := time.Now(), false
	path := newPath(t)
	s := migrated(t, path, sqlitestore.Config{Readers: 1, Now: func() time.Time {
		if broken {
			panic("the clock is broken")
		}
		return now
	}})
	parent := create(t, s, now)
	require.NoError(t, s.Rotate(t.Context(), parent.ID, now.Add(time.Hour), successorOf(parent)))
	broken = true
	for range 3 {
		require.Panics(t, func() { _ = s.Create(t.Context(), childOf(parent)) })
		require.Panics(t, func() { _, _ = s.IsRevoked(t.Context(), parent.ID) })
	}
	create(t, open(t, path, sqlitestore.Config{}), now)
	broken = false
	require.NoError(t, s.Create(t.Context(), childOf(parent)))
}
