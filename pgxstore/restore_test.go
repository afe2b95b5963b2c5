//go:build unix

package pgxstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// A copy that is put back within one server: its transactions and its log go on as if nothing had happened, and the first death that is
// written afterwards has a higher number than any that was lost. So what is noticed is that the tables are others.

// copyRows copies what one schema's tables hold into another's, as a restored dump does.
func copyRows(t *testing.T, url, from, to string) {
	t.Helper()
	for _, table := range []string{"ta_meta", "ta_token", "ta_dead", "ta_session", "ta_once"} {
		run(t, url, `INSERT INTO `+to+`.`+table+` SELECT * FROM `+from+`.`+table)
	}
}

// disconnect ends all connections to a database.
func disconnect(t *testing.T, url, database string) {
	t.Helper()
	conn := connect(t, url)
	require.Eventually(t, func() bool {
		var n int
		err := conn.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1`, database).Scan(&n)
		return err == nil && n == 0
	}, time.Minute, time.Millisecond)
}

func TestRestoreWithinOneServerIsNotBelieved(t *testing.T) {
	server, now := newServer(t), time.Now()
	admin := server.URL()
	for _, test := range []struct {
		name     string
		database string // of the store
		save     func(t *testing.T, url string)
		restore  func(t *testing.T, url string)
	}{
		{"tables dropped and made again", "first", func(t *testing.T, url string) { copyRows(t, url, "auth", "dump") }, func(t *testing.T, url string) {
			run(t, url, `DROP TABLE auth.ta_meta, auth.ta_token, auth.ta_dead, auth.ta_session, auth.ta_once`, `ALTER TABLE dump.ta_meta SET SCHEMA auth`,
				`ALTER TABLE dump.ta_token SET SCHEMA auth`, `ALTER TABLE dump.ta_dead SET SCHEMA auth`, `ALTER TABLE dump.ta_session SET SCHEMA auth`,
				`ALTER TABLE dump.ta_once SET SCHEMA auth`)
		}},
		{"one table dropped and made again", "second", func(t *testing.T, url string) { copyRows(t, url, "auth", "dump") }, func(t *testing.T, url string) {
			run(t, url, `DROP TABLE auth.ta_token`, `ALTER TABLE dump.ta_token SET SCHEMA auth`)
		}},
		{"another schema in its place", "third", func(t *testing.T, url string) { copyRows(t, url, "auth", "dump") }, func(t *testing.T, url string) {
			run(t, url, `ALTER SCHEMA auth RENAME TO lost`, `ALTER SCHEMA dump RENAME TO auth`)
		}},
		{"tables emptied and filled again", "fourth", func(t *testing.T, url string) { copyRows(t, url, "auth", "dump") }, func(t *testing.T, url string) {
			empty(t, url)
			copyRows(t, url, "dump", "auth")
		}},
		{"another database in its place", "fifth", func(t *testing.T, url string) {
			disconnect(t, admin, "fifth")
			run(t, admin, `CREATE DATABASE saved TEMPLATE fifth`) // file by file: its tables have the same numbers
		}, func(t *testing.T, url string) {
			disconnect(t, admin, "fifth")
			run(t, admin, `ALTER DATABASE fifth RENAME TO lost`, `ALTER DATABASE saved RENAME TO fifth`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			run(t, admin, `CREATE DATABASE `+test.database)
			url := server.URL("dbname="+test.database, "search_path=auth")
			run(t, url, `CREATE SCHEMA auth`, `CREATE SCHEMA dump`)
			migrated(t, server.URL("dbname="+test.database, "search_path=dump"), pgxstore.Config{})
			run(t, url, `TRUNCATE dump.ta_meta`)
			s := migrated(t, url, pgxstore.Config{})
			reader := open(t, url, pgxstore.Config{})
			stolen, other := create(t, s, now), create(t, s, now)
			test.save(t, url)
			revoke(t, s, stolen.ID, now)
			dead, cursor := deadOf(t, reader, "")
			require.Equal(t, []string{stolen.ID}, dead)

			test.restore(t, url)
			fresh := open(t, url, pgxstore.Config{})
			revoked, err := fresh.IsRevoked(t.Context(), stolen.ID)
			require.NoError(t, err, "who has seen nothing cannot know")
			require.False(t, revoked, "the copy does not show what this test is about")
			for range 3 { // before anybody else looks
				revoke(t, fresh, create(t, fresh, now).ID, now)
			}
			for _, s := range []*pgxstore.Store{s, reader} {
				allUnavailable(t, s, other, now)
				_, err := s.Get(t.Context(), other.ID)
				require.ErrorContains(t, err, "has lost")
			}
			_, err = readAll(t.Context(), fresh, cursor)
			require.ErrorIs(t, err, tokenauth.ErrStaleCursor)
			require.NoError(t, fresh.Wait(t.Context(), cursor), "there is something to be told")

			require.NoError(t, s.Reseed(t.Context(), "put back to last night's copy"))
			for _, s := range []*pgxstore.Store{s, reader, fresh} {
				create(t, s, now)
			}
		})
	}
}

// A table that is tidied up has lost nothing. Where it has written ta_dead anew, which cannot be told from a table that was emptied
// and filled again, a replica reads everything once more, and finds all that it holds.
func TestTablesThatWereWrittenAnew(t *testing.T) {
	url, now := newURL(t), time.Now()
	s := migrated(t, url, pgxstore.Config{})
	for _, test := range []struct {
		statement string
		want      error // of a cursor
	}{
		{`VACUUM (FREEZE) ta_meta, ta_dead`, nil},
		{`REINDEX TABLE ta_dead`, nil},
		{`ANALYZE ta_dead`, nil},
		{`UPDATE ta_meta SET reason = 'a note'`, tokenauth.ErrStaleCursor},
		{`VACUUM FULL ta_meta, ta_token`, nil},
		{`VACUUM FULL ta_dead`, tokenauth.ErrStaleCursor},
		{`CLUSTER ta_dead USING ta_dead_pkey`, tokenauth.ErrStaleCursor},
	} {
		record := create(t, s, now)
		revoke(t, s, record.ID, now)
		_, cursor := deadOf(t, s, "")
		run(t, url, test.statement)
		revoked, err := s.IsRevoked(t.Context(), record.ID)
		require.NoError(t, err, test.statement)
		require.True(t, revoked, test.statement)
		_, err = readAll(t.Context(), s, cursor)
		require.ErrorIs(t, err, test.want, test.statement)
		ids, _ := deadOf(t, s, "")
		require.Contains(t, ids, record.ID, test.statement)
	}

	_, cursor := deadOf(t, s, "")
	run(t, url, `TRUNCATE ta_dead`)
	fresh := open(t, url, pgxstore.Config{})
	revoke(t, fresh, create(t, fresh, now).ID, now)
	_, err := readAll(t.Context(), fresh, cursor)
	require.ErrorIs(t, err, tokenauth.ErrStaleCursor, "the deaths were dropped")
}
