//go:build unix

package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// Which clients and servers are accepted, and that the contract is kept through each kind of client.

func TestClientsThatAreRefused(t *testing.T) {
	type (
		options        = redis.Options
		clusterOptions = redis.ClusterOptions
	)
	none := redisstore.Config{}
	good := func(change ...func(*redis.Options)) redis.UniversalClient {
		return newClient(t, "127.0.0.1:1", change...)
	}
	cluster := func(change func(*redis.ClusterOptions)) redis.UniversalClient {
		o := &redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, ContextTimeoutEnabled: true}
		change(o)
		client := redis.NewClusterClient(o)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = ring.Close() })
	for _, test := range []struct {
		name   string
		client redis.UniversalClient
		cfg    redisstore.Config
		says   string
	}{
		{"none", nil, none, "client: nil"},
		{"a nil one", (*redis.Client)(nil), none, "client: nil"},
		{"a nil cluster", (*redis.ClusterClient)(nil), none, "client: nil"},
		{"one that ignores deadlines", good(func(o *options) { o.ContextTimeoutEnabled = false }), none, "ContextTimeoutEnabled"},
		{"one that waits for ever", good(func(o *options) { o.ReadTimeout = -1 }), none, "ReadTimeout"},
		{"one that sets no deadlines", good(func(o *options) { o.ReadTimeout = -2 }), none, "ReadTimeout"},
		{"one that writes for ever", good(func(o *options) { o.WriteTimeout = -1 }), none, "WriteTimeout"},
		{"one with a cache", good(func(o *options) { o.ClientSideCacheConfig = &redis.ClientSideCacheConfig{} }), none, "cache"},
		{"a cluster that ignores deadlines", cluster(func(o *clusterOptions) { o.ContextTimeoutEnabled = false }), none, "ContextTimeoutEnabled"},
		{"a cluster that waits for ever", cluster(func(o *clusterOptions) { o.ReadTimeout = -1 }), none, "ReadTimeout"},
		{"a cluster that reads from replicas", cluster(func(o *clusterOptions) { o.ReadOnly = true }), none, "ReadOnly"},
		{"a cluster that reads from the nearest", cluster(func(o *clusterOptions) { o.RouteByLatency = true }), none, "RouteByLatency"},
		{"a cluster that reads from any", cluster(func(o *clusterOptions) { o.RouteRandomly = true }), none, "RouteRandomly"},
		{"a ring", ring, redisstore.Config{AssertPrimary: true}, "Ring"},
		{"a stranger", stranger{good()}, none, "AssertPrimary"},
		{"a stranger that is to wait", stranger{good()}, redisstore.Config{AssertPrimary: true, WaitReplicas: 1}, "WaitReplicas"},
		{"a negative number of replicas", good(), redisstore.Config{WaitReplicas: -1}, "WaitReplicas"},
		{"a brace in the prefix", good(), redisstore.Config{Prefix: "a}b"}, "Prefix"},
		{"a generation without a name", good(), redisstore.Config{ExpectGeneration: ".1"}, "ExpectGeneration"},
		{"a generation of no moment", good(), redisstore.Config{ExpectGeneration: "A."}, "ExpectGeneration"},
		{"a generation of the moment 0", good(), redisstore.Config{ExpectGeneration: "A.0"}, "ExpectGeneration"},
		{"a generation before all moments", good(), redisstore.Config{ExpectGeneration: "A.-1"}, "ExpectGeneration"},
		{"a generation of two moments", good(), redisstore.Config{ExpectGeneration: "A.1.2"}, "ExpectGeneration"},
		{"a long prefix", good(), redisstore.Config{Prefix: strings.Repeat("a", 65)}, "Prefix"},
	} {
		s, err := redisstore.New(t.Context(), test.client, test.cfg)
		assert.ErrorContains(t, err, test.says, test.name)
		assert.Nil(t, s, test.name)
	}
	deaf := good(func(o *options) { o.ContextTimeoutEnabled = false })
	_, err := redisstore.New(t.Context(), deaf, redisstore.Config{Prefix: "{", WaitReplicas: -1})
	for _, problem := range []string{"ContextTimeoutEnabled", "Prefix", "WaitReplicas"} {
		assert.ErrorContains(t, err, problem, "not all problems at once")
	}
}

// A stranger is a client of a type that nobody knows.
type stranger struct{ redis.UniversalClient }

func TestStrangerThatIsVouchedFor(t *testing.T) {
	server := testserver.StartRedis(t)
	s := open(t, stranger{newClient(t, server.Addr)}, redisstore.Config{AssertPrimary: true})
	require.NoError(t, s.Migrate(t.Context()))
	create(t, s, time.Now())
}

func TestZeroStoreIsUnavailable(t *testing.T) {
	now := time.Now()
	allUnavailable(t, &redisstore.Store{}, newRecord(now), now)
	for _, err := range []error{
		new(redisstore.Store).Migrate(t.Context()), new(redisstore.Store).Reseed(t.Context(), "why"), new(redisstore.Store).Wait(t.Context(), ""),
	} {
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	}
}

func TestServersThatAreRefused(t *testing.T) {
	server := testserver.StartRedis(t, "--maxmemory", "50mb")
	client := newClient(t, server.Addr)
	for _, policy := range []string{"allkeys-lru", "volatile-ttl", "volatile-lru", "allkeys-random"} {
		server.Must("CONFIG", "SET", "maxmemory-policy", policy)
		_, err := redisstore.New(t.Context(), client, redisstore.Config{})
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorContains(t, err, policy)
	}
	server.Must("CONFIG", "SET", "maxmemory-policy", "noeviction")
	s := open(t, client, redisstore.Config{})
	server.Must("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
	require.ErrorContains(t, s.Migrate(t.Context()), "noeviction")
	_, err := s.CheckDurability(t.Context())
	require.ErrorContains(t, err, "noeviction")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
}

// A server that is asked by nobody who knows it as a primary is refused: it may be far behind.
func TestReplicaIsRefused(t *testing.T) {
	primary, replica := testserver.StartRedis(t), testserver.StartRedis(t)
	now := time.Now()
	migrated(t, primary, redisstore.Config{})
	s := open(t, newClient(t, replica.Addr), redisstore.Config{}) // a primary still
	follow(t, replica, primary.Addr)
	live := newRecord(now)
	require.NoError(t, migrated(t, primary, redisstore.Config{}).Create(t.Context(), live))
	allUnavailable(t, s, live, now)
	require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
	require.ErrorIs(t, s.Reseed(t.Context(), "why"), tokenauth.ErrUnavailable)
	_, err := redisstore.New(t.Context(), newClient(t, replica.Addr), redisstore.Config{})
	require.ErrorContains(t, err, "replica")
}

// follow makes a server a replica of another, and waits until it is one.
func follow(t testing.TB, replica *testserver.Redis, primary string) {
	t.Helper()
	host, port, _ := strings.Cut(primary, ":")
	replica.Must("REPLICAOF", host, port)
	says(t, "master_link_status:up", replica, "INFO", "replication")
}

// says waits until the reply to a command holds a text.
func says(t testing.TB, text string, server *testserver.Redis, command ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(server.Must(command...), text) }, 20*time.Second, 5*time.Millisecond)
}

// In a cluster a script may not touch another slot, and a transaction neither: here everything is proven to lie in one.
func TestClusterKeepsTheContract(t *testing.T) {
	t.Parallel()
	server, _ := startNode(t)
	server.Must("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	says(t, "cluster_state:ok", server, "CLUSTER", "INFO")
	keepsTheContract(t, func(t testing.TB) redis.UniversalClient {
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}, ContextTimeoutEnabled: true})
		t.Cleanup(func() { _ = client.Close() })
		return client
	}, 3)

	// It has no replica, and the server that holds the keys is asked for them.
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, open(t, client, redisstore.Config{}).Migrate(t.Context()))
	s := open(t, client, redisstore.Config{WaitReplicas: 1, WaitTimeout: 20 * time.Millisecond})
	record := newRecord(time.Now())
	require.ErrorContains(t, s.Create(t.Context(), record), "WaitReplicas")
	_, err := s.Get(t.Context(), record.ID)
	require.NoError(t, err, "the write stands")
	lines, err := s.CheckDurability(t.Context())
	require.ErrorIs(t, err, redisstore.ErrNotDurable)
	require.Contains(t, strings.Join(lines, "\n"), "connected replicas = 0, WaitReplicas = 1")
}

// What is acknowledged has been received by as many replicas as were asked for, or is unavailable; and whoever calls again, on another
// connection, is not told that it has, because there was nothing left to write.
func TestWaitReplicas(t *testing.T) {
	primary, replica := testserver.StartRedis(t), testserver.StartRedis(t)
	follow(t, replica, primary.Addr)
	now := time.Now()
	waiting := func(timeout time.Duration) *redisstore.Store {
		return open(t, newClient(t, primary.Addr), redisstore.Config{WaitReplicas: 1, WaitTimeout: timeout})
	}
	s := waiting(5 * time.Second)
	require.NoError(t, s.Migrate(t.Context()))
	live := create(t, s, now)
	require.NoError(t, s.Consume(t.Context(), "k-0", now.Add(time.Hour)))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	replica.Freeze()
	for _, writer := range []struct {
		name string
		do   func(s *redisstore.Store) error
	}{
		{"Revoke", func(s *redisstore.Store) error {
			_, err := s.Revoke(t.Context(), live.ID, tokenauth.Revocation{At: now})
			return err
		}},
		{"EndSession", func(s *redisstore.Store) error { return s.EndSession(t.Context(), "alice", "s-1") }},
		{"EndSessions", func(s *redisstore.Store) error { _, err := s.EndSessions(t.Context(), "alice"); return err }},
		{"RaiseNotBefore", func(s *redisstore.Store) error { _, err := s.RaiseNotBefore(t.Context(), "alice", now); return err }},
	} {
		for range 2 {
			err := writer.do(waiting(20 * time.Millisecond))
			require.ErrorIs(t, err, tokenauth.ErrUnavailable, writer.name)
			require.ErrorContains(t, err, "WaitReplicas", writer.name)
		}
	}
	revoked, err := s.IsRevoked(t.Context(), live.ID)
	require.NoError(t, err)
	require.True(t, revoked, "the write stands")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = s.BumpEpoch(ctx, "alice")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	replica.Thaw()
	_, err = s.Revoke(t.Context(), live.ID, tokenauth.Revocation{At: now})
	require.NoError(t, err)
	// A server that has forgotten the scripts is told them again.
	primary.Must("SCRIPT", "FLUSH")
	create(t, s, now)
}

// Sentinel promotes a replica. What it has received is all there, and goes on to be believed; meanwhile nobody knows anything.
func TestSentinelFailover(t *testing.T) {
	t.Parallel() // a Sentinel looks for replicas every 10 s
	primary, replica := testserver.StartRedis(t), testserver.StartRedis(t)
	follow(t, replica, primary.Addr)
	says(t, "state=online", primary, "INFO", "replication")
	sentinel := testserver.StartSentinel(t, "tokens", primary)
	says(t, "slaves=1", sentinel, "INFO", "sentinel")
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "tokens", SentinelAddrs: []string{sentinel.Addr},
		ContextTimeoutEnabled: true, DialTimeout: 100 * time.Millisecond, MaxRetries: 1,
	})
	t.Cleanup(func() { _ = client.Close() })
	now := time.Now()
	s := open(t, client, redisstore.Config{WaitReplicas: 1, WaitTimeout: 5 * time.Second})
	require.NoError(t, s.Migrate(t.Context()))
	dead, alive := create(t, s, now), create(t, s, now)
	revoke(t, s, dead.ID, now)

	primary.Kill()
	began, unknown := time.Now(), 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		revoked, err := s.IsRevoked(ctx, dead.ID)
		cancel()
		if err == nil {
			require.True(t, revoked)
			break
		}
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.Less(t, time.Since(began), time.Minute, err)
		unknown++
	}
	t.Logf("answered %v after the primary was killed; %d times nobody knew", time.Since(began), unknown)
	revoked, err := s.IsRevoked(t.Context(), alive.ID)
	require.NoError(t, err)
	require.False(t, revoked)
	// There is no replica any more, so nothing is acknowledged; without that it would be.
	_, err = s.Revoke(t.Context(), alive.ID, tokenauth.Revocation{At: now})
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	_, err = open(t, client, redisstore.Config{}).Revoke(t.Context(), alive.ID, tokenauth.Revocation{At: now})
	require.NoError(t, err)
}
