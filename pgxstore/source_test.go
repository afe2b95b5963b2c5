//go:build unix

package pgxstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// deadOf reads what a source has, and returns the ids of tokens and the cursor to go on from.
func deadOf(t *testing.T, s tokenauth.Source, since tokenauth.Cursor) (ids []string, next tokenauth.Cursor) {
	t.Helper()
	for c, err := range s.Changes(t.Context(), since) {
		require.NoError(t, err)
		if c.TokenID != "" {
			ids = append(ids, c.TokenID)
		}
		next = c.Next
	}
	return ids, next
}

// Numbers are given out before transactions commit. One that takes its time hides nobody else's deaths, and its own come when it commits,
// though higher numbers were read long before.
func TestFeedBesideATransactionThatIsHeldOpen(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s := migrated(t, url, pgxstore.Config{})
	_, cursor := deadOf(t, s, "")
	held := connect(t, url)
	for _, statement := range []string{`BEGIN`, `INSERT INTO ta_dead (kind, subject, id, dead_from, expires) VALUES (0, '', 'held', '-infinity', now())`} {
		_, err := held.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	for range 3 {
		record := create(t, s, now)
		revoke(t, s, record.ID, now)
		var ids []string
		ids, cursor = deadOf(t, s, cursor)
		require.Equal(t, []string{record.ID}, ids, "each once, and none hidden")
	}
	_, err := held.Exec(t.Context(), `COMMIT`)
	require.NoError(t, err)
	ids, cursor := deadOf(t, s, cursor)
	require.Equal(t, []string{"held"}, ids)
	ids, _ = deadOf(t, s, cursor)
	require.Empty(t, ids)
}

func TestFeedIsReadInPages(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s := migrated(t, url, pgxstore.Config{})
	root := create(t, s, now)
	seed(t, url, 12_000, root.ID)
	_, before := deadOf(t, s, "")
	n, err := s.Revoke(t.Context(), root.ID, tokenauth.Revocation{At: now, By: "alice"}) // all by one transaction
	require.NoError(t, err)
	require.Equal(t, 12_001, n)
	for _, since := range []tokenauth.Cursor{"", before} {
		seen, late := map[string]bool{}, ""
		for c, err := range s.Changes(t.Context(), since) {
			require.NoError(t, err)
			if len(seen) == 6_000 { // another page is to come
				late = create(t, s, now).ID
				revoke(t, s, late, now)
			}
			seen[c.TokenID] = true
			before = c.Next
		}
		require.GreaterOrEqual(t, len(seen), 12_002)
		ids, _ := deadOf(t, s, before)
		require.Contains(t, ids, late, "what died while the read went on comes at the latest in the next")
	}
}

func TestCursorIsGoodInOneIncarnationOnly(t *testing.T) {
	server, now := newServer(t), time.Now()
	var old *testserver.Postgres
	for _, test := range []struct {
		name  string
		after func(t *testing.T, s *pgxstore.Store)
		want  error
	}{
		{"nothing", func(*testing.T, *pgxstore.Store) {}, nil},
		{"some writes", func(t *testing.T, s *pgxstore.Store) { create(t, s, now) }, nil},
		{"a new generation", func(t *testing.T, s *pgxstore.Store) { require.NoError(t, s.Reseed(t.Context(), "a drill")) }, tokenauth.ErrStaleCursor},
		{"another start of the server", func(t *testing.T, _ *pgxstore.Store) {
			old = copied(t, server)
		}, tokenauth.ErrStaleCursor},
		{"a crash", func(t *testing.T, _ *pgxstore.Store) {
			server.Kill()
			require.NoError(t, server.Start())
		}, tokenauth.ErrStaleCursor},
		{"a standby in its place that has everything", func(t *testing.T, _ *pgxstore.Store) {
			standby, err := server.Standby()
			require.NoError(t, err)
			t.Cleanup(standby.Close)
			waitForReplay(t, server, standby)
			server.Kill()
			require.NoError(t, standby.Promote())
			require.NoError(t, standby.TakeOver(server))
			server = standby
		}, tokenauth.ErrStaleCursor},
		{"an older copy in its place", func(t *testing.T, _ *pgxstore.Store) { restore(t, server, old) }, tokenauth.ErrUnavailable},
		{"the marker is gone", func(t *testing.T, _ *pgxstore.Store) { run(t, server.URL(), `DELETE FROM ta_meta`) }, tokenauth.ErrUnavailable},
	} {
		s := open(t, server.URL(), pgxstore.Config{})
		if test.name == "nothing" {
			require.NoError(t, s.Migrate(t.Context()))
		}
		revoke(t, s, create(t, s, now).ID, now)
		_, cursor := deadOf(t, s, "")
		test.after(t, s)
		_, err := readAll(t.Context(), s, cursor)
		require.ErrorIs(t, err, test.want, test.name)
		if test.want == nil {
			continue
		}
		waited := s.Wait(t.Context(), cursor) // is no waiting: there is something to be told
		if errors.Is(test.want, tokenauth.ErrUnavailable) {
			require.ErrorIs(t, waited, tokenauth.ErrUnavailable, test.name)
			continue
		}
		require.NoError(t, waited, test.name)
		_, cursor = deadOf(t, s, "")
		_, err = readAll(t.Context(), s, cursor)
		require.NoError(t, err, "the cursor of the new incarnation, after %s", test.name)
	}
}

func TestCursorOfSomebodyElse(t *testing.T) {
	s, other := migrated(t, newURL(t), pgxstore.Config{}), migrated(t, newURL(t), pgxstore.Config{})
	_, mine := deadOf(t, s, "")
	_, others := deadOf(t, other, "")
	for _, cursor := range []tokenauth.Cursor{
		others, "x", "..", "1", "\x00", mine + "1", mine + ".", mine[:len(mine)-1], mine + "-1", "9:9:", mine[:len(mine)/2] + ".1:9223372036854775807:",
		mine + "9223372036854775808", mine + "\x00", mine + "'", mine[:1],
	} {
		_, err := readAll(t.Context(), s, cursor)
		require.ErrorIs(t, err, tokenauth.ErrStaleCursor, "%q", cursor)
		require.NoError(t, s.Wait(t.Context(), cursor), "%q", cursor)
	}
}

func TestWait(t *testing.T) {
	now, url := time.Now(), newURL(t)
	s, other := migrated(t, url, pgxstore.Config{}), open(t, url, pgxstore.Config{})
	for name, die := range map[string]func(s *pgxstore.Store) error{
		"Revoke": func(s *pgxstore.Store) error {
			_, err := s.Revoke(t.Context(), create(t, s, now).ID, tokenauth.Revocation{At: now, By: "alice"})
			return err
		},
		"Rotate": func(s *pgxstore.Store) error {
			record := create(t, s, now)
			return s.Rotate(t.Context(), record.ID, now.Add(time.Hour), successorOf(record))
		},
		"BumpEpoch": func(s *pgxstore.Store) error { _, err := s.BumpEpoch(t.Context(), "alice"); return err },
		"EndSession": func(s *pgxstore.Store) error {
			if err := s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)); err != nil {
				return err
			}
			return s.EndSession(t.Context(), "alice", "s-1")
		},
		"Reseed": func(s *pgxstore.Store) error { return s.Reseed(t.Context(), "a drill") },
	} {
		for _, writer := range []*pgxstore.Store{s, other} {
			_, cursor := deadOf(t, s, "")
			answer := make(chan error, 1)
			go func() { answer <- s.Wait(t.Context(), cursor) }()
			listening(t, url)
			began := time.Now()
			require.NoError(t, die(writer), name)
			require.NoError(t, <-answer, name)
			require.Less(t, time.Since(began), 4*time.Second, "%s woke nobody", name)
		}
	}
	// What ends nobody wakes nobody, and a Wait that is cut off leaves the pool as it was.
	_, cursor := deadOf(t, s, "")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- s.Wait(ctx, cursor) }()
	create(t, other, now)
	require.ErrorIs(t, <-answer, context.DeadlineExceeded)
	create(t, s, now)
}

// listening waits until somebody waits on the server.
func listening(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	require.Eventually(t, func() bool {
		var n int
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE '%i.started%' AND pid <> pg_backend_pid()`).Scan(&n)
		return err == nil && n > 0
	}, time.Minute, time.Millisecond)
	require.NoError(t, conn.Close(t.Context()))
}
