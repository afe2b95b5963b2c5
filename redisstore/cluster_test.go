//go:build unix

package redisstore_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// A cluster whose slots move, and one that lacks some. A key that is not here may be elsewhere, so nothing may be concluded from it.

// startNode starts a server of a cluster, and returns it with the port on which the others reach it.
func startNode(t testing.TB) (node *testserver.Redis, bus string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, bus, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return testserver.StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus), bus
}

// newCluster returns a client of a cluster, closed with the test, that tries a command so many times more.
func newCluster(t testing.TB, node *testserver.Redis, again int) *redis.ClusterClient {
	t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.Addr}, ContextTimeoutEnabled: true, MaxRedirects: again})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// ask is what a server says to a command in one line.
func ask(node *testserver.Redis, command ...string) string {
	lines := strings.Split(node.Must(command...), "\r\n")
	if strings.HasPrefix(lines[0], "$") {
		return lines[1]
	}
	return lines[0][1:]
}

// While a slot goes from one node to another its keys go one after the other. A script sees those of one node only, and what it does not
// see is not there: no epoch, no session, no death, no key that was used. So nobody answers until all have arrived, and then everything
// is as it was.
func TestSlotThatMovesIsUnavailable(t *testing.T) {
	t.Parallel()
	from, fromBus := startNode(t)
	to, _ := startNode(t)
	from.Must("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	fromHost, fromPort, _ := strings.Cut(from.Addr, ":")
	toHost, toPort, _ := strings.Cut(to.Addr, ":")
	to.Must("CLUSTER", "MEET", fromHost, fromPort, fromBus)
	for _, node := range []*testserver.Redis{from, to} {
		says(t, "cluster_known_nodes:2", node, "CLUSTER", "INFO")
		says(t, "cluster_state:ok", node, "CLUSTER", "INFO")
	}
	slot, fromID, toID := ask(from, "CLUSTER", "KEYSLOT", "{ta}:meta"), ask(from, "CLUSTER", "MYID"), ask(to, "CLUSTER", "MYID")

	now := time.Now()
	s := open(t, newCluster(t, from, 1), redisstore.Config{})
	require.NoError(t, s.Migrate(t.Context()))
	live, dead := create(t, s, now), create(t, s, now)
	revoke(t, s, dead.ID, now)
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	require.NoError(t, s.Consume(t.Context(), "k-1", now.Add(time.Hour)))
	_, err := s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)
	keys, seq := keysOf(t, from), from.Must("HGET", "{ta}:meta", "seq")

	move := func(keys ...string) {
		for _, key := range keys {
			from.Must("MIGRATE", toHost, toPort, key, "0", "5000")
		}
	}
	to.Must("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	from.Must("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	for _, step := range []struct {
		name string
		move func()
	}{
		{"nothing has gone yet", func() {}},
		{"the marker has gone", func() { move("{ta}:meta") }},
		{"the deaths have gone, too", func() { move("{ta}:dead", "{ta}:deadv") }},
		{"all has gone, and the slot is still on its way", func() { move(keysOf(t, from)...) }},
	} {
		step.move()
		for _, s := range []*redisstore.Store{s, open(t, newCluster(t, to, 1), redisstore.Config{})} {
			allUnavailable(t, s, live, now)
			require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable, step.name)
			require.ErrorIs(t, s.Reseed(t.Context(), "it moves"), tokenauth.ErrUnavailable, step.name)
		}
		endsInTime(t, from)
		endsInTime(t, to)
	}
	to.Must("CLUSTER", "SETSLOT", slot, "NODE", toID)
	from.Must("CLUSTER", "SETSLOT", slot, "NODE", toID)
	require.Equal(t, keys, keysOf(t, to))
	require.Equal(t, seq, to.Must("HGET", "{ta}:meta", "seq"), "something was written on the way")

	revoked, err := s.IsRevoked(t.Context(), live.ID)
	require.NoError(t, err)
	require.False(t, revoked)
	revoked, err = s.IsRevoked(t.Context(), dead.ID)
	require.NoError(t, err)
	require.True(t, revoked)
	active, err := s.IsSessionActive(t.Context(), "alice", "s-1")
	require.NoError(t, err)
	require.True(t, active)
	epoch, err := s.Epoch(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, int64(1), epoch.MinVersion)
	require.ErrorIs(t, s.Consume(t.Context(), "k-1", now.Add(time.Hour)), tokenauth.ErrReplayed)
	revoke(t, s, live.ID, now)
}

// A cluster that has nobody for the slot does not know.
func TestClusterWithoutTheSlotIsUnavailable(t *testing.T) {
	t.Parallel()
	node, _ := startNode(t)
	node.Must("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	says(t, "cluster_state:ok", node, "CLUSTER", "INFO")
	now := time.Now()
	s := open(t, newCluster(t, node, 1), redisstore.Config{})
	require.NoError(t, s.Migrate(t.Context()))
	live := create(t, s, now)
	node.Must("CLUSTER", "DELSLOTS", "1")
	says(t, "cluster_state:fail", node, "CLUSTER", "INFO")
	allUnavailable(t, s, live, now)
	endsInTime(t, node)
	node.Must("CLUSTER", "ADDSLOTS", "1")
	says(t, "cluster_state:ok", node, "CLUSTER", "INFO")
	revoked, err := s.IsRevoked(t.Context(), live.ID)
	require.NoError(t, err)
	require.False(t, revoked)
}

// endsInTime checks that a client that would go on trying for minutes stops when the caller's time is up.
func endsInTime(t *testing.T, node *testserver.Redis) {
	t.Helper()
	s := open(t, newCluster(t, node, 1000), redisstore.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), storeTimeout)
	defer cancel()
	began := time.Now()
	_, err := s.IsRevoked(ctx, "anybody")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.Less(t, time.Since(began), storeTimeout+patience)
}

// keysOf returns the names of all keys of a server.
func keysOf(t *testing.T, server *testserver.Redis) []string {
	t.Helper()
	keys, err := newClient(t, server.Addr).Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	slices.Sort(keys)
	return keys
}
