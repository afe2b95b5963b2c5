//go:build unix

package pgxstore_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// A write is tried again when its connection was lost, and must then know what the first attempt has done.

// A thief steals answers: what is sent that holds a word is carried out, and the connection is gone when the answer comes.
type thief struct {
	mu     sync.Mutex
	word   string
	steals int // so many answers
	stolen int
}

// steal lets the next n answers be stolen to what holds word.
func (th *thief) steal(word string, n int) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.word, th.steals, th.stolen = word, n, 0
}

func (th *thief) wants(sent []byte) bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.stolen == th.steals || !bytes.Contains(sent, []byte(th.word)) {
		return false
	}
	th.stolen++
	return true
}

// A watchedConn is a connection that the thief watches.
type watchedConn struct {
	net.Conn
	thief *thief
	gone  bool
}

// Write implements net.Conn.
func (c *watchedConn) Write(p []byte) (int, error) {
	if c.thief.wants(p) {
		c.gone = true
	}
	return c.Conn.Write(p)
}

// Read implements net.Conn. It waits for the answer, so that the server has done what it was told.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.gone && err == nil {
		_ = c.Conn.Close()
		return 0, errors.New("the connection is gone")
	}
	return n, err
}

// commit is how that statement is sent, and READ COMMITTED is not.
const commit = "COMMIT\x00"

// robbed returns a store whose statements are sent as text, and the thief on its connections.
func robbed(t *testing.T, cfg pgxstore.Config) (*pgxstore.Store, *thief) {
	t.Helper()
	th := &thief{}
	pool := newPool(t, newURL(t, "default_query_exec_mode=exec"), func(c *pgxpool.Config) {
		pgxstore.Tune(c)
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &watchedConn{Conn: conn, thief: th}, err
		}
	})
	s, err := pgxstore.New(pool, cfg)
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	return s, th
}

func TestWriteWhoseAnswerWasLost(t *testing.T) {
	now := time.Now()
	for _, writer := range writers(nil, newRecord(now), now) {
		t.Run(writer.name, func(t *testing.T) {
			for _, answers := range []int{1, 2} {
				s, th := robbed(t, pgxstore.Config{})
				live := create(t, s, now)
				require.NoError(t, s.Create(t.Context(), newRecord(now.Add(-48*time.Hour))))
				require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
				for _, w := range writers(s, live, now) {
					if w.name != writer.name {
						continue
					}
					th.steal(commit, answers)
					err := w.do(t.Context())
					if w.name == "BumpEpoch" {
						require.ErrorIs(t, err, tokenauth.ErrUnavailable)
						epoch, err := s.Epoch(t.Context(), "alice")
						require.NoError(t, err)
						require.Equal(t, int64(1), epoch.MinVersion, "it has counted, and once")
						continue
					}
					require.NoError(t, err)
					if w.name == "Touch" { // what has nothing to write any more does not come to its second commit
						require.Equal(t, 1, th.stolen)
					} else { // what finds itself done does, and is told when that is durable
						require.Equal(t, answers, th.stolen)
					}
				}
			}
		})
	}
}

func TestWriteThatCouldNotBegin(t *testing.T) {
	now := time.Now()
	s, th := robbed(t, pgxstore.Config{})
	live := create(t, s, now)
	for _, call := range calls(s, live, now) {
		th.steal("ta_", 1)
		require.NoError(t, call.do(t.Context()), call.name)
	}
	epoch, err := s.Epoch(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, int64(1), epoch.MinVersion)

	// Whose every connection is lost is told so.
	th.steal("ta_", 1_000_000)
	allUnavailable(t, s, live, now)
}

// A key that was used is used for everybody else.
func TestConsumeWhoseAnswerWasLost(t *testing.T) {
	now := time.Now()
	s, th := robbed(t, pgxstore.Config{})
	th.steal(commit, 1)
	require.NoError(t, s.Consume(t.Context(), "k-1", now.Add(time.Hour)))
	require.Equal(t, 1, th.stolen)
	require.ErrorIs(t, s.Consume(t.Context(), "k-1", now.Add(time.Hour)), tokenauth.ErrReplayed)
}
