//go:build unix

package pgxstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

func TestCheckDurability(t *testing.T) {
	server := newServer(t)
	s := migrated(t, server.URL(), pgxstore.Config{})
	lines, err := s.CheckDurability(t.Context())
	require.NoError(t, err)
	require.Len(t, lines, 4)
	require.Contains(t, lines[0], "synchronous_commit = on: durable")
	require.Contains(t, lines[3], "may lack the last writes")

	for _, test := range []struct {
		name            string
		statement, undo string
		says            string
	}{
		{"of the role", `ALTER ROLE postgres SET synchronous_commit = off`, `ALTER ROLE postgres RESET synchronous_commit`, "synchronous_commit = off: NOT durable"},
		{"of the database", `ALTER DATABASE postgres SET synchronous_commit = off`, `ALTER DATABASE postgres RESET synchronous_commit`, "synchronous_commit = off: NOT durable"},
		{"a table that is not logged", `ALTER TABLE ta_token SET UNLOGGED`, `ALTER TABLE ta_token SET LOGGED`, "a crash empties ta_token"},
		{"local is enough", `ALTER ROLE postgres SET synchronous_commit = local`, `ALTER ROLE postgres RESET synchronous_commit`, ""},
	} {
		run(t, server.URL(), test.statement)
		lines, err := open(t, server.URL(), pgxstore.Config{}).CheckDurability(t.Context())
		if test.says == "" {
			require.NoError(t, err, test.name)
		} else {
			require.ErrorIs(t, err, pgxstore.ErrNotDurable, test.name)
			require.Contains(t, strings.Join(lines, "\n"), test.says, test.name)
		}
		run(t, server.URL(), test.undo)
	}

	server.Stop()
	_, err = s.CheckDurability(t.Context())
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.NotErrorIs(t, err, pgxstore.ErrNotDurable)
}

func TestCheckDurabilityOfTheServer(t *testing.T) {
	server := newServer(t, testserver.FastAndForgetful...)
	lines, err := migrated(t, server.URL(), pgxstore.Config{}).CheckDurability(t.Context())
	require.ErrorIs(t, err, pgxstore.ErrNotDurable)
	for i, setting := range []string{"synchronous_commit", "fsync", "full_page_writes"} {
		require.Contains(t, lines[i], setting+" = off: NOT durable")
	}
	require.NotContains(t, lines[3], "NOT")
	for _, setting := range []string{"fsync", "full_page_writes"} {
		// One of them is enough.
		others := slices.DeleteFunc(slices.Clone(testserver.FastAndForgetful), func(s string) bool { return !strings.HasPrefix(s, setting) })
		server.Stop()
		server.Set(others...)
		require.NoError(t, server.Start())
		_, err = open(t, server.URL(), pgxstore.Config{}).CheckDurability(t.Context())
		require.ErrorIs(t, err, pgxstore.ErrNotDurable, setting)
	}
	server.Stop()
	server.Set(`synchronous_standby_names="somewhere else"`)
	require.NoError(t, server.Start())
	lines, err = open(t, server.URL(), pgxstore.Config{}).CheckDurability(t.Context())
	require.NoError(t, err)
	require.Contains(t, lines[3], "when a standby has it as well")

	// Names wait for nobody by themselves.
	for _, test := range []struct{ commit, says string }{
		{"on", "when a standby has it as well, on its disk"},
		{"remote_apply", "when a standby has it as well, on its disk, and shows it"},
		{"remote_write", "a crash of both machines may lose it"},
		{"local", "no write waits for them"},
		{"off", "no write waits for them"},
	} {
		lines, err := open(t, server.URL("synchronous_commit="+test.commit), pgxstore.Config{}).CheckDurability(t.Context())
		require.Equal(t, test.commit == "off", errors.Is(err, pgxstore.ErrNotDurable), test.commit)
		require.Contains(t, lines[3], test.says, test.commit)
		require.Equal(t, strings.HasPrefix(test.says, "no"), strings.Contains(lines[3], "may lack the last writes"), test.commit)
	}
}

// A server that says it is not durable loses what it has acknowledged. Where a death was lost that somebody had seen, it is not believed.
// That it did write it down all the same is possible, of one server or two.
func TestCrashOfAServerThatIsNotDurable(t *testing.T) {
	for range 5 {
		server := newServer(t, "synchronous_commit=off", "wal_writer_delay=10s", "wal_writer_flush_after=0")
		now := time.Now()
		s := migrated(t, server.URL(), pgxstore.Config{})
		stolen := create(t, s, now)
		run(t, server.URL(), `CHECKPOINT`)
		revoke(t, s, stolen.ID, now)
		server.Kill()
		require.NoError(t, server.Start())
		dead, err := open(t, server.URL(), pgxstore.Config{}).IsRevoked(t.Context(), stolen.ID)
		require.NoError(t, err)
		if !dead {
			allUnavailable(t, s, stolen, now)
			return
		}
	}
	t.Fatal("nothing was lost five times: the settings do not do what they are here for")
}
