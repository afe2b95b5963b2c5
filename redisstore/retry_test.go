//go:build unix

package redisstore_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// The client tries again what was cut off, and a script must then know what the first attempt has done.

// A lossyConn loses the answers to some scripts: the server has run them, and the connection is cut.
type lossyConn struct {
	net.Conn
	losing *atomic.Int64 // how many answers are still to be lost
	asked  bool          // a script is under way
}

func (c *lossyConn) Write(b []byte) (int, error) {
	c.asked = bytes.Contains(b, []byte("evalsha"))
	return c.Conn.Write(b)
}

func (c *lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.asked && c.losing.Add(-1) >= 0 {
		c.asked = false
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}

// newLossyStore returns a store, and how many of the next answers are lost.
func newLossyStore(t *testing.T, server *testserver.Redis) (*redisstore.Store, *atomic.Int64) {
	t.Helper()
	losing := new(atomic.Int64)
	s := open(t, newClient(t, server.Addr, func(o *redis.Options) {
		o.MaxRetries = 2
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &lossyConn{Conn: conn, losing: losing}, err
		}
	}), redisstore.Config{})
	require.NoError(t, s.Migrate(t.Context()))
	return s, losing
}

func TestWriteThatIsTriedAgainKnowsItself(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s, losing := newLossyStore(t, server)
	old := create(t, s, now)
	parent := create(t, s, now)
	for lost := int64(0); lost <= 2; lost++ {
		record, child, successor, key := newRecord(now), childOf(parent), successorOf(old), "k-"+old.ID
		for _, once := range []struct {
			name  string
			do    func() error
			again error // what a second call gets
		}{
			{"Create", func() error { return s.Create(t.Context(), record) }, tokenauth.ErrExists},
			{"Create of a child", func() error { return s.Create(t.Context(), child) }, tokenauth.ErrExists},
			{"Rotate", func() error { return s.Rotate(t.Context(), old.ID, now, successor) }, tokenauth.ErrExists},
			{"Consume", func() error { return s.Consume(t.Context(), key, now.Add(time.Hour)) }, tokenauth.ErrReplayed},
		} {
			losing.Store(lost)
			require.NoError(t, once.do(), "%s whose answer was lost %d times", once.name, lost)
			require.LessOrEqual(t, losing.Load(), int64(0), "%s has lost too few answers", once.name)
			losing.Store(0)
			require.ErrorIs(t, once.do(), once.again, "%s, a second time", once.name)
		}
		for _, id := range []string{record.ID, child.ID, successor.ID} {
			_, err := s.Get(t.Context(), id)
			require.NoError(t, err)
		}
		old = successor
	}
}

// An answer that never comes is not known. It is no refusal and no success.
func TestAnswerThatIsLostIsUnavailable(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s, losing := newLossyStore(t, server)
	for _, call := range calls(s, create(t, s, now), now) { // a server that does not know a script yet answers something else first
		_ = call.do(t.Context())
	}
	live := create(t, s, now)
	for _, call := range calls(s, live, now) {
		losing.Store(1 << 30)
		require.ErrorIs(t, call.do(t.Context()), tokenauth.ErrUnavailable, call.name)
		losing.Store(0)
	}
	revoked, err := s.IsRevoked(t.Context(), live.ID)
	require.NoError(t, err)
	require.True(t, revoked, "the write stands")
}
