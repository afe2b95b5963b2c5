package sqlitestore_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// The tables and the marker, and what is noticed when they are not what they were.

func TestNothingAnswersBeforeMigrate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := open(t, newPath(t), sqlitestore.Config{})
	allUnavailable(t, s, newRecord(now), now)
	allUnavailable(t, s, newRecord(now), now) // no write has made the tables
	require.NoError(t, s.Migrate(t.Context()))
	create(t, s, now)
}

func TestOpenAndMigrateByManyAtOnce(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	var group sync.WaitGroup
	generations := make([]string, 8)
	errs := make([]error, len(generations))
	for i := range generations {
		group.Go(func() {
			s, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
			if err == nil {
				err = s.Migrate(t.Context())
			}
			if err == nil {
				generations[i], err = s.Generation(t.Context())
			}
			if err == nil {
				err = s.Close()
			}
			errs[i] = err
		})
	}
	group.Wait()
	for i := range generations {
		require.NoError(t, errs[i])
		require.Equal(t, generations[0], generations[i], "one of them began a generation of its own")
		require.NotEmpty(t, generations[i])
	}
}

func TestMigrateDoesNotReviveALostStore(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		name string
		lose func(t *testing.T, path string)
	}{
		{"rows gone", func(t *testing.T, path string) { empty(t, path) }},
		{"tables gone", func(t *testing.T, path string) {
			run(t, path, `DROP TABLE ta_meta`, `DROP TABLE ta_token`, `DROP TABLE ta_dead`, `DROP TABLE ta_session`, `DROP TABLE ta_once`)
		}},
		{"file replaced by an empty one", func(t *testing.T, path string) {
			remove(t, path)
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := newPath(t)
			s := migrated(t, path, sqlitestore.Config{})
			record := create(t, s, now)
			test.lose(t, path)
			allUnavailable(t, s, record, now)
			require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
			allUnavailable(t, s, record, now)

			require.NoError(t, s.Reseed(t.Context(), "the volume was lost"))
			revoked, err := s.IsRevoked(t.Context(), record.ID)
			require.NoError(t, err)
			require.True(t, revoked, "a record that was lost")
			create(t, s, now)
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{})
	record := create(t, s, now)
	run(t, path, `UPDATE ta_meta SET schema = schema + 1`)
	for _, s := range []*sqlitestore.Store{s, open(t, path, sqlitestore.Config{})} {
		allUnavailable(t, s, record, now)
		require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
		require.ErrorIs(t, s.Reseed(t.Context(), "it looks odd"), tokenauth.ErrUnavailable)
	}
	run(t, path, `UPDATE ta_meta SET schema = schema - 1`)
	_, err := s.Get(t.Context(), record.ID)
	require.NoError(t, err, "what was refused has not been changed")
}

func TestReseed(t *testing.T) {
	t.Parallel()
	clock := newClock()
	path := newPath(t)
	s := migrated(t, path, sqlitestore.Config{Now: clock.Now})
	other := open(t, path, sqlitestore.Config{Now: clock.Now}) // of another process, as far as the store knows
	first, err := other.Generation(t.Context())
	require.NoError(t, err)
	_, err = s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)

	clock.move(1500 * time.Millisecond)
	for what, reason := range map[string]string{"no reason": "", "no text": "\xff", "NUL": "a\x00b"} {
		require.ErrorIs(t, s.Reseed(t.Context(), reason), tokenauth.ErrInvalidRequest, what)
	}
	require.NoError(t, s.Reseed(t.Context(), "restored from last night's copy"))
	for _, s := range []*sqlitestore.Store{s, other} {
		generation, err := s.Generation(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first, generation)
		for _, subject := range []string{tokenauth.Everyone, "alice", "bob"} {
			epoch, err := s.Epoch(t.Context(), subject)
			require.NoError(t, err)
			require.Equal(t, clock.Now().Truncate(time.Second), epoch.NotBefore, subject)
		}
	}
	epoch, err := s.Epoch(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, int64(1), epoch.MinVersion, "what was not lost stays")

	// Twice in one microsecond are two, and the other process can tell which is the later.
	require.NoError(t, s.Reseed(t.Context(), "again"))
	second, err := other.Generation(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NoError(t, other.Reseed(t.Context(), "again"))
	_, err = s.Generation(t.Context())
	require.NoError(t, err)
}

// backUp copies a database as a backup does: all that is committed, in one file.
func backUp(t testing.TB, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "backup.db")
	run(t, path, `VACUUM INTO '`+to+`'`)
	return to
}

// remove drops the files of a database.
func remove(t testing.TB, path string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
}

// restore puts a copy in the place of a database, as an operator does.
func restore(t testing.TB, from, path string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	remove(t, path)
	require.NoError(t, os.WriteFile(path+".new", content, 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

func TestRolledBackStoreIsNotBelieved(t *testing.T) {
	t.Parallel()
	clock := newClock()
	now, path := clock.Now(), newPath(t)
	cfg := sqlitestore.Config{Now: clock.Now}
	s, reader := migrated(t, path, cfg), open(t, path, cfg)
	stolen := create(t, s, now)
	old := backUp(t, path)
	revoke(t, s, stolen.ID, now)
	revoked, err := reader.IsRevoked(t.Context(), stolen.ID)
	require.NoError(t, err)
	require.True(t, revoked)

	restore(t, old, path)
	fresh := open(t, path, cfg)
	revoked, err = fresh.IsRevoked(t.Context(), stolen.ID)
	require.NoError(t, err)
	require.False(t, revoked, "the copy does not show what this test is about")
	for _, s := range []*sqlitestore.Store{s, reader} {
		allUnavailable(t, s, stolen, now)
		require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	}

	// A process that did not notice goes on writing, until the count is higher than it ever was. That brings nothing back.
	for range 20 {
		create(t, fresh, now)
	}
	for _, s := range []*sqlitestore.Store{s, reader} {
		allUnavailable(t, s, stolen, now)
	}

	clock.move(time.Second)
	require.NoError(t, reader.Reseed(t.Context(), "rolled back"))
	for _, s := range []*sqlitestore.Store{s, reader, fresh} {
		create(t, s, now)
		revoked, err := s.IsRevoked(t.Context(), stolen.ID)
		require.NoError(t, err)
		require.False(t, revoked, "its record is the old one")
		epoch, err := s.Epoch(t.Context(), stolen.Subject)
		require.NoError(t, err)
		require.Equal(t, clock.Now(), epoch.NotBefore, "and it is dead by its epoch")
	}
}

// What was lost need not be a death that the feed holds: a key that was used counts as well.
func TestRollBackOfAnyWriteIsNoticed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, writer := range writers(nil, newRecord(now), now) {
		t.Run(writer.name, func(t *testing.T) {
			path := newPath(t)
			s := migrated(t, path, sqlitestore.Config{})
			live := create(t, s, now)
			expired := newRecord(now.Add(-48 * time.Hour))
			require.NoError(t, s.Create(t.Context(), expired))
			require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
			old := backUp(t, path)
			for _, w := range writers(s, live, now) {
				if w.name == writer.name {
					require.NoError(t, w.do(t.Context()))
				}
			}
			restore(t, old, path)
			allUnavailable(t, s, live, now)
		})
	}
}

// An operator who forgets the write-ahead log makes one database of two: SQLite reads the newest pages from the log of the one and the rest
// from the other, so that the count of writes looks as it should while revocations are missing.
func TestOldCopyUnderTheNewLogIsNotBelieved(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{false, true} {
		now, path := time.Now(), newPath(t)
		given := path
		if linked {
			given = filepath.Join(t.TempDir(), "link.db")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			require.NoError(t, os.Symlink(path, given))
		}
		testOldCopyUnderTheNewLog(t, path, given, now)
	}
}

func testOldCopyUnderTheNewLog(t *testing.T, path, given string, now time.Time) {
	t.Helper()
	s, reader := migrated(t, given, sqlitestore.Config{}), open(t, given, sqlitestore.Config{})
	stolen := create(t, s, now)
	old := backUp(t, path)
	revoke(t, s, stolen.ID, now)
	run(t, path, `PRAGMA wal_checkpoint(TRUNCATE)`) // the revocation is in the file that goes
	for range 3 {
		create(t, s, now) // and the count is in the log that stays
	}
	_, err := reader.IsRevoked(t.Context(), stolen.ID)
	require.NoError(t, err)
	require.NoError(t, os.Rename(old, path))

	allUnavailable(t, s, stolen, now)
	allUnavailable(t, reader, stolen, now)

	// Without the log it is a copy like any other, and an old one.
	require.NoError(t, os.Remove(path+"-wal"))
	require.NoError(t, os.Remove(path+"-shm"))
	allUnavailable(t, s, stolen, now)
	require.NoError(t, s.Reseed(t.Context(), "restored"))
	create(t, s, now)
}

func TestReplacedStoreIsNotBelieved(t *testing.T) {
	t.Parallel()
	now, path, other := time.Now(), newPath(t), newPath(t)
	s := migrated(t, path, sqlitestore.Config{})
	record := create(t, s, now)
	stranger, err := sqlitestore.Open(t.Context(), other, sqlitestore.Config{})
	require.NoError(t, err)
	require.NoError(t, stranger.Migrate(t.Context()))
	for range 10 {
		create(t, stranger, now)
	}
	require.NoError(t, stranger.Close())

	restore(t, other, path)
	allUnavailable(t, s, record, now)
	require.NoError(t, s.Reseed(t.Context(), "moved"))
	create(t, s, now)
}

// A file that was replaced by one that holds all it held is the same store.
func TestRestoredStoreThatLostNothingIsBelieved(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{})
	record := create(t, s, now)
	restore(t, backUp(t, path), path)
	_, err := s.Get(t.Context(), record.ID)
	require.NoError(t, err)
	create(t, s, now)
	_, err = open(t, path, sqlitestore.Config{}).Get(t.Context(), record.ID)
	require.NoError(t, err)
}

func TestDeletedFileIsNoticedAndNotMadeAnew(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{})
	record := create(t, s, now)
	require.NoError(t, os.Rename(path, path+".away"))
	allUnavailable(t, s, record, now)
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	require.NoFileExists(t, path)
	require.NoError(t, os.Rename(path+".away", path))
	_, err := s.Get(t.Context(), record.ID)
	require.NoError(t, err, "the file is back, and the same")
	create(t, s, now)
}

func TestNewGivesUpOnAReplacedFile(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s, err := sqlitestore.New(t.Context(), openSQL(t, path, goodSettings), sqlitestore.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Migrate(t.Context()))
	record := create(t, s, now)
	restore(t, backUp(t, path), path)
	allUnavailable(t, s, record, now)
	require.ErrorIs(t, s.Reseed(t.Context(), "replaced"), tokenauth.ErrUnavailable)
}

func TestExpectGeneration(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{})
	record := create(t, s, now)
	generation, err := s.Generation(t.Context())
	require.NoError(t, err)
	cfg := sqlitestore.Config{ExpectGeneration: generation}

	good := migrated(t, path, cfg)
	_, err = good.Get(t.Context(), record.ID)
	require.NoError(t, err)

	// The program starts on an empty volume and migrates, as it does at every start; or somebody else has done so.
	lost := newPath(t)
	s = open(t, lost, cfg)
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	migrated(t, lost, sqlitestore.Config{})
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	allUnavailable(t, s, record, now)
	allUnavailable(t, open(t, lost, cfg), record, now)

	require.NoError(t, s.Reseed(t.Context(), "the volume was lost"))
	for _, s := range []*sqlitestore.Store{s, open(t, lost, cfg)} {
		create(t, s, now)
	}
}

// A generation that Reseed began before the expected one is an older copy's.
func TestExpectGenerationAfterReseed(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{})
	require.NoError(t, s.Reseed(t.Context(), "the first"))
	record := create(t, s, now)
	first, err := s.Generation(t.Context())
	require.NoError(t, err)
	copied := backUp(t, path)
	_, err = s.Revoke(t.Context(), record.ID, tokenauth.Revocation{At: now})
	require.NoError(t, err)
	require.NoError(t, s.Reseed(t.Context(), "the second"))
	second, err := s.Generation(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())

	for _, name := range []string{first, second} {
		_, err := open(t, path, sqlitestore.Config{ExpectGeneration: name}).Get(t.Context(), record.ID)
		require.NoError(t, err, "the expected generation, or a later one")
	}
	_, err = open(t, copied, sqlitestore.Config{ExpectGeneration: first}).Get(t.Context(), record.ID)
	require.NoError(t, err)
	older := open(t, copied, sqlitestore.Config{ExpectGeneration: second})
	allUnavailable(t, older, record, now)
	_, err = older.Get(t.Context(), record.ID)
	require.ErrorContains(t, err, "Config.ExpectGeneration")

	for _, name := range []string{"X.", "X.y", ".5", "X.0", "X.-1", "X.05", "X.5.6", "."} {
		_, err := sqlitestore.Open(t.Context(), newPath(t), sqlitestore.Config{ExpectGeneration: name})
		require.ErrorContains(t, err, "Config.ExpectGeneration", name)
		_, err = sqlitestore.New(t.Context(), openSQL(t, newPath(t), goodSettings), sqlitestore.Config{ExpectGeneration: name})
		require.ErrorContains(t, err, "Config.ExpectGeneration", name)
	}
}
