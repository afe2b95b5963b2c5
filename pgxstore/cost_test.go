//go:build unix

package pgxstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// A look-up costs the same however many have died, and a read of what is new costs what is new. Nothing but time would tell: a statement
// that goes through all of a table answers as well as one that knows where to look.

// many is how many have died in these tests: their table and each of its indexes have more than a hundred pages.
const many = 20_000

// graveyard makes a store in which many have died, and whose server has not looked yet at how many.
func graveyard(t *testing.T, url string) *pgxstore.Store {
	t.Helper()
	s := migrated(t, url, pgxstore.Config{})
	run(t, url, `ALTER TABLE ta_dead SET (autovacuum_enabled = false)`, `INSERT INTO ta_dead (kind, subject, id, dead_from, expires)
		SELECT 0, '', gen_random_uuid()::text, '-infinity', now() + interval '1 hour' FROM generate_series(1, 20000)`)
	return s
}

// reads are all calls that read, but for Wait.
func reads(t *testing.T, s *pgxstore.Store, since tokenauth.Cursor) {
	t.Helper()
	_, err := s.IsRevoked(t.Context(), "nobody")
	require.NoError(t, err)
	_, err = s.Get(t.Context(), "nobody")
	require.ErrorIs(t, err, tokenauth.ErrNotFound)
	_, err = s.IsSessionActive(t.Context(), "alice", "s-1")
	require.NoError(t, err)
	_, err = s.Epoch(t.Context(), "alice")
	require.NoError(t, err)
	for c, err := range s.Changes(t.Context(), since) {
		require.NoError(t, err)
		require.NotEmpty(t, c.Next, "something new")
	}
}

func TestReadsLeaveAloneWhatHasDiedBefore(t *testing.T) {
	url := newURL(t)
	s := graveyard(t, url)
	dead, since := deadOf(t, s, "")
	require.Len(t, dead, many)
	require.NoError(t, s.Close()) // when a connection ends the server counts what it did
	stranger := connect(t, url)
	pages := func() (n int64) {
		require.NoError(t, stranger.QueryRow(t.Context(), `SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
			FROM pg_statio_user_tables WHERE relid = 'ta_dead'::regclass`).Scan(&n))
		return n
	}
	before := pages()
	require.Greater(t, before, int64(many/100), "the server does not count")

	s, writer := open(t, url, pgxstore.Config{}), open(t, url, pgxstore.Config{})
	const times = 10
	for range times {
		reads(t, s, since)
		heard := make(chan error, 1)
		go func() { heard <- s.Wait(t.Context(), since) }()
		listening(t, url)
		_, err := writer.BumpEpoch(t.Context(), "alice")
		require.NoError(t, err)
		require.NoError(t, <-heard)
		_, since = deadOf(t, s, since)
	}
	require.NoError(t, s.Close())
	require.NoError(t, writer.Close())

	after := before
	require.Eventually(t, func() bool { after = pages(); return after > before }, time.Minute, time.Millisecond)
	require.Less(t, after-before, int64(times*100), "pages of ta_dead and its indexes, for seven reads and a write each time")
}

// The server plans a statement anew each time for which it hopes to find something better than one plan for all, and that takes it longer
// than the read. So there must be nothing better.
func TestReadsArePlannedOnce(t *testing.T) {
	url := newURL(t)
	_, since := deadOf(t, graveyard(t, url), "")
	for _, analysed := range []bool{false, true} {
		if analysed {
			run(t, url, `VACUUM ANALYZE`)
		}
		conn := connect(t, url)
		s, err := pgxstore.NewConn(conn, pgxstore.Config{})
		require.NoError(t, err)
		for range 20 {
			reads(t, s, since)
		}
		rows, err := conn.Query(t.Context(), `SELECT statement, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%FROM ta_meta%' AND parameter_types <> '{}'`)
		require.NoError(t, err)
		var statement string
		var plans, statements int64
		for rows.Next() {
			require.NoError(t, rows.Scan(&statement, &plans))
			require.LessOrEqual(t, plans, int64(5), "planned each time, statistics %v: %s", analysed, statement)
			statements++
		}
		require.NoError(t, rows.Err())
		require.EqualValues(t, 5, statements)
	}
}
