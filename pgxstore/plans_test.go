//go:build unix

package pgxstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/pgxstore"
)

// What a call costs does not grow with what is in the store: it finds what it asks for by an index. A statement that cannot looks no
// different, and in the small tables of a test is no slower; so the server is asked how much it has read.

// walked is how many records and deaths the server has read without an index, for connections that are closed.
func walked(t testing.TB, url string) (rows int) {
	t.Helper()
	require.NoError(t, connect(t, url).QueryRow(t.Context(), `SELECT sum(seq_tup_read) FROM pg_stat_user_tables
		WHERE relid IN ('ta_token'::regclass, 'ta_dead'::regclass)`).Scan(&rows))
	return rows
}

func TestNoCallReadsAWholeTable(t *testing.T) {
	const size = 3_000
	now, url := time.Now(), newURL(t)
	s, live := filled(t, url, now)
	seed(t, url, size, "")
	bury(t, url, size)
	_, last := deadOf(t, s, "")
	require.NoError(t, s.Close())
	methods := func(s *pgxstore.Store) []call {
		return append(calls(s, live, now), call{"Changes since", func(ctx context.Context) error { _, err := readAll(ctx, s, last); return err }})
	}
	for i := range methods(s) {
		s := open(t, url, pgxstore.Config{})
		method := methods(s)[i]
		before := walked(t, url)
		if err := method.do(t.Context()); method.name == "IsRevoked" || method.name == "Changes since" {
			require.NoError(t, err) // the others may be told that one of them was there before
		}
		require.NoError(t, s.Close())
		assert.Less(t, walked(t, url)-before, size, method.name)
	}
}
