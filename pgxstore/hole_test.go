//go:build unix

package pgxstore_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A hole is a network that may lose what it knows of its connections, as a firewall does that is restarted: what was open by then stays
// open for both sides and is never heard of again. Toxiproxy closes such connections when its toxic is taken away, which is kinder than
// networks are.
type hole struct {
	address string
	age     atomic.Int64 // connections of another age are dead; while it is odd, new ones as well
}

func newHole(t testing.TB, to string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	h := &hole{address: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			age := h.age.Load()
			go h.copy(client, server, age)
			go h.copy(server, client, age)
		}
	}()
	return h
}

// copy hands on what it reads, or swallows it. An end is swallowed as well.
func (h *hole) copy(to, from net.Conn, age int64) {
	_, _ = io.Copy(swallower{to, h, age}, from)
	if h.passes(age) {
		_ = to.Close()
		_ = from.Close()
	}
}

func (h *hole) passes(age int64) bool { return age%2 == 0 && h.age.Load() == age }

// turn makes all connections dead: those that there are, and those to come until the next turn.
func (h *hole) turn() { h.age.Add(1) }

// A swallower is one way of a connection through a hole.
type swallower struct {
	to  net.Conn
	in  *hole
	age int64
}

// Write implements io.Writer.
func (s swallower) Write(p []byte) (int, error) {
	if !s.in.passes(s.age) {
		return len(p), nil
	}
	return s.to.Write(p)
}
