//go:build unix

package pgxstore_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// The tables and the marker, and what is noticed when they are not what they were.

func TestNothingAnswersBeforeMigrate(t *testing.T) {
	now := time.Now()
	s := open(t, newURL(t), pgxstore.Config{})
	allUnavailable(t, s, newRecord(now), now)
	allUnavailable(t, s, newRecord(now), now) // no write has made the tables
	require.NoError(t, s.Migrate(t.Context()))
	create(t, s, now)
}

func TestMigrateByManyAtOnce(t *testing.T) {
	url := newURL(t)
	var group sync.WaitGroup
	generations := make([]string, 8)
	errs := make([]error, len(generations))
	for i := range generations {
		group.Go(func() {
			s, err := pgxstore.Open(url, pgxstore.Config{})
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
	now := time.Now()
	for _, test := range []struct {
		name string
		lose func(t *testing.T, url string)
	}{
		{"rows gone", func(t *testing.T, url string) { empty(t, url) }},
		{"marker gone", func(t *testing.T, url string) { run(t, url, `DELETE FROM ta_meta`) }},
		{"tables gone", func(t *testing.T, url string) {
			run(t, url, `DROP TABLE ta_meta, ta_token, ta_dead, ta_session, ta_once`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := newURL(t)
			s := migrated(t, url, pgxstore.Config{})
			record := create(t, s, now)
			test.lose(t, url)
			allUnavailable(t, s, record, now)
			require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
			allUnavailable(t, s, record, now)

			require.NoError(t, s.Reseed(t.Context(), "the volume was lost"))
			create(t, s, now)
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s := migrated(t, url, pgxstore.Config{})
	record := create(t, s, now)
	run(t, url, `UPDATE ta_meta SET schema = schema + 1`)
	for _, s := range []*pgxstore.Store{s, open(t, url, pgxstore.Config{})} {
		allUnavailable(t, s, record, now)
		require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
		require.ErrorIs(t, s.Reseed(t.Context(), "it looks odd"), tokenauth.ErrUnavailable)
	}
	run(t, url, `UPDATE ta_meta SET schema = schema - 1`)
	_, err := s.Get(t.Context(), record.ID)
	require.NoError(t, err, "what was refused has not been changed")
}

func TestReseed(t *testing.T) {
	clock := newClock()
	url := newURL(t)
	s := migrated(t, url, pgxstore.Config{Now: clock.Now})
	other := open(t, url, pgxstore.Config{Now: clock.Now}) // of another process, as far as the store knows
	first, err := other.Generation(t.Context())
	require.NoError(t, err)
	_, err = s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)

	clock.move(1500 * time.Millisecond)
	for what, reason := range map[string]string{"no reason": "", "no text": "\xff", "NUL": "a\x00b"} {
		require.ErrorIs(t, s.Reseed(t.Context(), reason), tokenauth.ErrInvalidRequest, what)
	}
	require.NoError(t, s.Reseed(t.Context(), "restored from last night's copy"))
	for _, s := range []*pgxstore.Store{s, other} {
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

func TestExpectGeneration(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s := migrated(t, url, pgxstore.Config{})
	record := create(t, s, now)
	generation, err := s.Generation(t.Context())
	require.NoError(t, err)
	cfg := pgxstore.Config{ExpectGeneration: generation}
	_, err = migrated(t, url, cfg).Get(t.Context(), record.ID)
	require.NoError(t, err)

	// The program starts on an empty database and migrates, as it does at every start; or somebody else has done so.
	lost := newURL(t)
	s = open(t, lost, cfg)
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	migrated(t, lost, pgxstore.Config{})
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	allUnavailable(t, s, record, now)
	allUnavailable(t, open(t, lost, cfg), record, now)

	require.NoError(t, s.Reseed(t.Context(), "the database was lost"))
	for _, s := range []*pgxstore.Store{s, open(t, lost, cfg)} {
		create(t, s, now)
	}
}

// What was noted once also tells a store from its own past.
func TestExpectGenerationOfAReseed(t *testing.T) {
	now, clock := time.Now(), newClock()
	expect := func(url, generation string) *pgxstore.Store {
		return open(t, url, pgxstore.Config{ExpectGeneration: generation})
	}
	url, older, other := newURL(t), newURL(t), newURL(t)
	s := migrated(t, url, pgxstore.Config{Now: clock.Now})
	first, err := s.Generation(t.Context())
	require.NoError(t, err)
	require.NotContains(t, first, ".")
	aside := migrated(t, older, pgxstore.Config{Now: clock.Now})
	require.NoError(t, aside.Reseed(t.Context(), "a drill, before"))
	clock.move(time.Second)
	require.NoError(t, s.Reseed(t.Context(), "a drill"))
	second, err := s.Generation(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^[A-Z2-7]+\.`+strconv.FormatInt(clock.Now().UnixMicro(), 10)+`$`, second)
	record := create(t, s, now)

	name, _, _ := strings.Cut(second, ".")
	for _, generation := range []string{first, second, name} { // name: as Generation answered in earlier versions
		s := expect(url, generation)
		create(t, s, now)
		// What it then saw it goes by: a generation that began before is none to go on with.
		run(t, url, `CREATE TABLE kept AS TABLE ta_meta`, `UPDATE ta_meta SET generation = 'ANOTHER', reseeded = reseeded - 1`)
		allUnavailable(t, s, record, now)
		run(t, url, `UPDATE ta_meta m SET generation = kept.generation, reseeded = kept.reseeded FROM kept`, `DROP TABLE kept`)
	}

	migrated(t, other, pgxstore.Config{})
	for name, url := range map[string]string{"that nobody reseeded": other, "that was reseeded earlier": older} {
		s := expect(url, second)
		allUnavailable(t, s, record, now)
		_, err := s.Get(t.Context(), record.ID)
		require.ErrorContains(t, err, "not of the generation that Config.ExpectGeneration names", name)
		require.NotContains(t, err.Error(), "has lost", name)
		require.NoError(t, s.Reseed(t.Context(), "this one it is"), name)
		create(t, s, now)
	}

	// It has seen nothing, so that a store which is not the one is no loss of the one.
	moved := newURL(t)
	s = expect(moved, second)
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	migrated(t, moved, pgxstore.Config{})
	allUnavailable(t, s, record, now)
	run(t, moved, `UPDATE ta_meta SET generation = '`+name+`', reseeded = `+second[len(name)+1:])
	create(t, s, now)
}

func TestExpectGenerationIsWhatGenerationAnswers(t *testing.T) {
	url := newURL(t)
	for _, generation := range []string{".", ".1", "A.", "A.0", "A.-1", "A.+1", "A.01", "A.1.", "A.1.2", "A.x", "A.9223372036854775807", "A.9223372036854775808"} {
		cfg := pgxstore.Config{ExpectGeneration: generation}
		_, err := pgxstore.Open(url, cfg)
		require.ErrorContains(t, err, "ExpectGeneration", generation)
		_, err = pgxstore.New(newPool(t, url, pgxstore.Tune), cfg)
		require.ErrorContains(t, err, "ExpectGeneration", generation)
		_, err = pgxstore.NewConn(connect(t, url), cfg)
		require.ErrorContains(t, err, "ExpectGeneration", generation)
	}
}

// A dump brings the numbers of another server's transactions with it. They lie in this one's future, so that readers would be told of their
// rows for ever, and nothing would show when the store goes back.
func TestRestoredDumpIsNotBelieved(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s := migrated(t, url, pgxstore.Config{})
	revoked := create(t, s, now)
	revoke(t, s, revoked.ID, now)
	run(t, url, `UPDATE ta_dead SET x = '123456789012'`)
	fresh := open(t, url, pgxstore.Config{})
	for _, s := range []*pgxstore.Store{s, fresh} {
		allUnavailable(t, s, revoked, now)
		require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	}
	require.NoError(t, fresh.Reseed(t.Context(), "moved to another server"))
	for _, s := range []*pgxstore.Store{s, fresh} {
		dead, err := s.IsRevoked(t.Context(), revoked.ID)
		require.NoError(t, err)
		require.True(t, dead)
		create(t, s, now)
	}
}

// restart ends a server, has something done to its data, and starts it again.
func restart(t testing.TB, server *testserver.Postgres, do func() error) {
	t.Helper()
	server.Stop()
	require.NoError(t, do())
	require.NoError(t, server.Start(), server.Log())
}

// copied ends a server, copies it, and starts it again.
func copied(t testing.TB, server *testserver.Postgres) *testserver.Postgres {
	t.Helper()
	var old *testserver.Postgres
	restart(t, server, func() (err error) {
		old, err = server.Copy()
		return err
	})
	t.Cleanup(old.Close)
	return old
}

// restore puts a copy in the place of a server's data.
func restore(t testing.TB, server, old *testserver.Postgres) {
	t.Helper()
	restart(t, server, func() error { return server.Restore(old) })
}

func TestRolledBackStoreIsNotBelieved(t *testing.T) {
	server := newServer(t)
	clock := newClock()
	now, url, cfg := clock.Now(), server.URL(), pgxstore.Config{Now: clock.Now}
	s, reader := migrated(t, url, cfg), open(t, url, cfg)
	stolen := create(t, s, now)
	old := copied(t, server)
	revoke(t, s, stolen.ID, now)
	revoked, err := reader.IsRevoked(t.Context(), stolen.ID)
	require.NoError(t, err)
	require.True(t, revoked)

	restore(t, server, old)
	fresh := open(t, url, cfg)
	revoked, err = fresh.IsRevoked(t.Context(), stolen.ID)
	require.NoError(t, err)
	require.False(t, revoked, "the copy does not show what this test is about")
	for _, s := range []*pgxstore.Store{s, reader} {
		allUnavailable(t, s, stolen, now)
		require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	}

	// A process that did not notice goes on writing, until the server has come further than it ever had. That brings nothing back.
	for range 20 {
		revoke(t, fresh, create(t, fresh, now).ID, now)
	}
	for _, s := range []*pgxstore.Store{s, reader} {
		allUnavailable(t, s, stolen, now)
	}

	clock.move(time.Second)
	require.NoError(t, reader.Reseed(t.Context(), "rolled back"))
	for _, s := range []*pgxstore.Store{s, reader, fresh} {
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
	server := newServer(t)
	now := time.Now()
	all := writers(nil, newRecord(now), now)
	stores, records := make([]*pgxstore.Store, len(all)), make([]*tokenauth.StoredAccessToken, len(all))
	for i := range all {
		schema := fmt.Sprint("test_", i)
		run(t, server.URL(), "CREATE SCHEMA "+schema)
		stores[i] = migrated(t, server.URL("search_path="+schema, "pool_max_conns=1"), pgxstore.Config{})
		records[i] = create(t, stores[i], now)
		require.NoError(t, stores[i].Create(t.Context(), newRecord(now.Add(-48*time.Hour))))
		require.NoError(t, stores[i].StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	}
	old := copied(t, server)
	for i := range all {
		w := writers(stores[i], records[i], now)[i]
		require.NoError(t, w.do(t.Context()), w.name)
	}
	restore(t, server, old)
	for i, w := range all {
		_, err := stores[i].Get(t.Context(), records[i].ID)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable, w.name)
		require.ErrorContains(t, err, "has lost", w.name)
	}
	for i := range all {
		allUnavailable(t, stores[i], records[i], now)
	}
}

// A server that was restarted or killed, and has lost nothing, is believed.
func TestRestartedStoreIsBelieved(t *testing.T) {
	server := newServer(t)
	now := time.Now()
	s := migrated(t, server.URL(), pgxstore.Config{})
	for range 3 {
		record := create(t, s, now)
		revoke(t, s, record.ID, now)
		server.Kill()
		require.NoError(t, server.Start())
		revoked, err := s.IsRevoked(t.Context(), record.ID)
		require.NoError(t, err)
		require.True(t, revoked)
		restart(t, server, func() error { return nil })
		create(t, s, now)
	}
}

func TestReplacedServerIsNotBelieved(t *testing.T) {
	server, other := newServer(t), newServer(t)
	now := time.Now()
	s := migrated(t, server.URL(), pgxstore.Config{})
	record := create(t, s, now)
	stranger := migrated(t, other.URL(), pgxstore.Config{})
	for range 10 {
		create(t, stranger, now)
	}
	other.Stop()
	restore(t, server, other)
	allUnavailable(t, s, record, now)
	require.NoError(t, s.Reseed(t.Context(), "moved"))
	create(t, s, now)
}

// waitForReplay waits until a standby shows all that the server has.
func waitForReplay(t *testing.T, server, standby *testserver.Postgres) {
	t.Helper()
	from, to := connect(t, server.URL()), connect(t, standby.URL())
	var flushed string
	require.NoError(t, from.QueryRow(t.Context(), `SELECT pg_current_wal_flush_lsn()::text`).Scan(&flushed))
	require.Eventually(t, func() bool {
		var there bool
		err := to.QueryRow(t.Context(), `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, flushed).Scan(&there)
		return err == nil && there
	}, time.Minute, 5*time.Millisecond)
}

// A standby that was promoted has what it had received. Whether that is all is told by the deaths that were seen.
func TestPromotedStandby(t *testing.T) {
	for _, test := range []struct {
		name string
		lost bool // the standby never got the last revocation
	}{
		{"that has everything", false},
		{"that lacks the last revocation", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := newServer(t)
			now := time.Now()
			s := migrated(t, first.URL(), pgxstore.Config{})
			revoked, stolen := create(t, s, now), create(t, s, now)
			revoke(t, s, revoked.ID, now)
			standby, err := first.Standby()
			require.NoError(t, err)
			t.Cleanup(standby.Close)

			// Whoever asks a standby is not answered.
			lagging := open(t, standby.URL(), pgxstore.Config{})
			allUnavailable(t, lagging, revoked, now)
			require.ErrorIs(t, lagging.Reseed(t.Context(), "it is no standby"), tokenauth.ErrUnavailable)

			if test.lost {
				standby.Stop()
			}
			revoke(t, s, stolen.ID, now)
			if !test.lost {
				waitForReplay(t, first, standby)
			}
			first.Kill()
			if test.lost {
				require.NoError(t, standby.Start())
			}
			require.NoError(t, standby.Promote())
			require.NoError(t, standby.TakeOver(first))

			fresh := open(t, first.URL(), pgxstore.Config{})
			if test.lost {
				allUnavailable(t, s, stolen, now)
				dead, err := fresh.IsRevoked(t.Context(), stolen.ID)
				require.NoError(t, err, "who has seen nothing cannot know")
				require.False(t, dead, "the standby does not show what this test is about")
				require.NoError(t, s.Reseed(t.Context(), "promoted"))
			}
			for _, s := range []*pgxstore.Store{s, fresh} {
				dead, err := s.IsRevoked(t.Context(), revoked.ID)
				require.NoError(t, err)
				require.True(t, dead)
				create(t, s, now)
			}

			// The first server comes back, and goes on as if nothing had happened. Its log may be the longer one.
			standby.Stop()
			require.NoError(t, first.Start())
			run(t, first.URL(), `SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000))`, `SELECT pg_switch_wal()`)
			allUnavailable(t, s, revoked, now)
		})
	}
}
