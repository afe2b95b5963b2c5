//go:build unix

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// What was acknowledged is there after a kill -9, where the server promises so. 8 writers note each write that returned nil; after some of
// them the server is killed, in the middle of others, started again, and what was noted is looked for. The server's files are the same all
// the time. `make crash` runs many more cycles than a test does.
//
// A kill leaves what was written in the system's cache. Nothing here pulls a plug.

// durable are the settings that promise it.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func TestCrashLosesNothingAcknowledged(t *testing.T) {
	cycles := testserver.Count(t, "CRASH_CYCLES", 3)
	server := testserver.StartRedis(t, durable...)
	s := migrated(t, server, redisstore.Config{})
	lines, err := s.CheckDurability(t.Context())
	require.NoError(t, err, lines)
	counts := map[string]int{}
	for cycle := range cycles {
		said := writeUntilKilled(t, server, s, 50+rand.IntN(150))
		restart(t, server, s)
		// Both the process that has seen it all and one that has seen nothing find what was said.
		for _, s := range []*redisstore.Store{s, open(t, newClient(t, server.Addr), redisstore.Config{})} {
			for _, a := range said {
				there, err := a.look(t.Context(), s)
				require.NoError(t, err, a.what)
				require.True(t, there, "acknowledged and lost: %s", a.what)
			}
		}
		for _, a := range said {
			counts[a.what]++
		}
		if cycle%10 == 0 || cycle == cycles-1 {
			checkInvariants(t, server)
		}
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	t.Logf("%d cycles, %d acknowledged writes, 0 lost: %v", cycles, sum, counts)
	require.NotZero(t, sum)
}

// A server that keeps nothing forgets everything, and nobody believes it.
func TestCrashWithoutPersistenceIsNoticed(t *testing.T) {
	cycles := testserver.Count(t, "CRASH_CYCLES", 3)
	sum := 0
	server := testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	_, err := s.CheckDurability(t.Context())
	require.ErrorIs(t, err, redisstore.ErrNotDurable)
	for range cycles {
		said := writeUntilKilled(t, server, s, 50+rand.IntN(150))
		restart(t, server, s)
		fresh := open(t, newClient(t, server.Addr), redisstore.Config{})
		for _, s := range []*redisstore.Store{s, fresh} {
			for _, a := range said {
				there, err := a.look(t.Context(), s)
				require.ErrorIs(t, err, tokenauth.ErrUnavailable, a.what)
				require.False(t, there, a.what)
			}
		}
		require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
		sum += len(said)
		require.NoError(t, s.Reseed(t.Context(), "the server forgot everything"))
	}
	t.Logf("%d cycles, %d acknowledged writes, all lost, and each loss noticed", cycles, sum)
}

// One that comes back with an older snapshot is not believed by who has seen more, and by whoever has not, believed as it is: hence
// ExpectGeneration and an epoch for everyone.
func TestCrashBackToASnapshotIsNoticed(t *testing.T) {
	cycles := testserver.Count(t, "CRASH_CYCLES", 3)
	sum := 0
	server := testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	for range cycles {
		server.Must("SAVE")
		said := writeUntilKilled(t, server, s, 50+rand.IntN(150))
		restart(t, server, s)
		for _, a := range said {
			there, err := a.look(t.Context(), s)
			require.ErrorIs(t, err, tokenauth.ErrUnavailable, a.what)
			require.False(t, there, a.what)
		}
		sum += len(said)
		require.NoError(t, s.Reseed(t.Context(), "the server went back to its snapshot"))
	}
	t.Logf("%d cycles, %d acknowledged writes, all lost, and each loss noticed", cycles, sum)
}

// restart starts a server again and waits until a store reaches it, whatever it is then told: a client that has failed to connect often
// stops trying for a second.
func restart(t *testing.T, server *testserver.Redis, s *redisstore.Store) {
	t.Helper()
	server.Start()
	for began := time.Now(); ; {
		var network net.Error
		_, err := s.Generation(t.Context())
		if !errors.As(err, &network) && !errors.Is(err, io.EOF) {
			return
		}
		require.Less(t, time.Since(began), 2*time.Second+patience, err)
	}
}

// An acknowledged write is what was done, and how to see that it is there.
type acknowledged struct {
	what string
	look func(ctx context.Context, s *redisstore.Store) (bool, error)
}

// writeUntilKilled writes by 8 writers, kills the server after enough writes, and returns all that were acknowledged.
func writeUntilKilled(t *testing.T, server *testserver.Redis, s *redisstore.Store, enough int) []acknowledged {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	var said []acknowledged
	killed := make(chan struct{})
	say := func(a acknowledged) {
		mu.Lock()
		defer mu.Unlock()
		if said = append(said, a); len(said) == enough {
			close(killed)
		}
	}
	for range 8 {
		group.Go(func() {
			for {
				if err := writeSomething(s, say); err != nil {
					if !errors.Is(err, tokenauth.ErrUnavailable) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	select {
	case <-killed:
	case <-time.After(time.Minute):
		t.Error("the writers do not get on")
	}
	server.Kill()
	group.Wait()
	return said
}

// writeSomething makes one write of each kind, and says each when it is acknowledged.
func writeSomething(s *redisstore.Store, say func(acknowledged)) error {
	ctx, now := context.Background(), time.Now()
	root := newRecord(now)
	child, other := childOf(root), newRecord(now)
	successor, subject := successorOf(other), "user-"+strconv.Itoa(rand.IntN(4))
	isThere := func(id string) func(context.Context, *redisstore.Store) (bool, error) {
		return func(ctx context.Context, s *redisstore.Store) (bool, error) {
			_, err := s.Get(ctx, id)
			return err == nil, err
		}
	}
	isActive := func(subject, sid string, want bool) func(context.Context, *redisstore.Store) (bool, error) {
		return func(ctx context.Context, s *redisstore.Store) (bool, error) {
			active, err := s.IsSessionActive(ctx, subject, sid)
			return err == nil && active == want, err
		}
	}
	consume := func(s *redisstore.Store, key string) func() error {
		return func() error { return s.Consume(ctx, key, now.Add(time.Hour)) }
	}
	var epoch tokenauth.Epoch
	for _, step := range []struct {
		what string
		do   func() error
		look func(context.Context, *redisstore.Store) (bool, error) // nil: it is not said, so that nobody looks for it
	}{
		{"created", func() error { return s.Create(ctx, root) }, isThere(root.ID)},
		{"created a child", func() error { return s.Create(ctx, child) }, isThere(child.ID)},
		{"consumed", consume(s, root.ID), func(ctx context.Context, s *redisstore.Store) (bool, error) {
			err := consume(s, root.ID)()
			if errors.Is(err, tokenauth.ErrReplayed) {
				return true, nil
			}
			return false, err
		}},
		{"created", func() error { return s.Create(ctx, other) }, isThere(other.ID)},
		{"rotated", func() error {
			return s.Rotate(ctx, other.ID, now.Add(time.Minute), successor)
		}, func(ctx context.Context, s *redisstore.Store) (bool, error) {
			old, err := s.Get(ctx, other.ID)
			return err == nil && old.SuccessorID == successor.ID, err
		}},
		{"started", func() error { return s.StartSession(ctx, subject, other.ID, now.Add(time.Hour)) }, isActive(subject, other.ID, true)},
		{"revoked", func() error {
			_, err := s.Revoke(ctx, root.ID, tokenauth.Revocation{At: now, By: "alice", Reason: "stolen"})
			return err
		}, func(ctx context.Context, s *redisstore.Store) (bool, error) {
			revoked, err := s.IsRevoked(ctx, root.ID)
			if err != nil || !revoked {
				return false, err
			}
			_, err = s.Get(ctx, child.ID)
			if err != nil {
				return false, err
			}
			return s.IsRevoked(ctx, child.ID)
		}},
		{"bumped", func() (err error) {
			epoch, err = s.BumpEpoch(ctx, subject)
			return err
		}, func(ctx context.Context, s *redisstore.Store) (bool, error) {
			now, err := s.Epoch(ctx, subject)
			return err == nil && now.MinVersion >= epoch.MinVersion, err
		}},
		{"", func() error { return s.StartSession(ctx, "visitor", root.ID, now.Add(time.Hour)) }, nil},
		{"ended", func() error { return s.EndSession(ctx, "visitor", root.ID) }, isActive("visitor", root.ID, false)},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		if step.look != nil {
			say(acknowledged{step.what, step.look})
		}
	}
	return nil
}

// checkInvariants looks for what is half done.
func checkInvariants(t *testing.T, server *testserver.Redis) {
	t.Helper()
	ctx, client := t.Context(), newClient(t, server.Addr)
	one := func(cmd *redis.Cmd) any {
		v, err := cmd.Result()
		if !errors.Is(err, redis.Nil) {
			require.NoError(t, err)
		}
		return v
	}
	deaths, err := client.HGetAll(ctx, "{ta}:deadv").Result()
	require.NoError(t, err)
	require.EqualValues(t, len(deaths), one(client.Do(ctx, "ZCARD", "{ta}:dead")), "feed and its order")
	require.Equal(t, strconv.Itoa(len(deaths)), client.HGet(ctx, "{ta}:meta", "deaths").Val(), "feed and its count")
	seq, err := strconv.ParseFloat(client.HGet(ctx, "{ta}:meta", "seq").Val(), 64)
	require.NoError(t, err)
	order, err := client.ZRangeWithScores(ctx, "{ta}:dead", 0, -1).Result()
	require.NoError(t, err)
	last := 0.0
	for _, row := range order {
		require.Greater(t, row.Score, last, "two deaths with one number")
		require.Contains(t, deaths, row.Member)
		last = row.Score
	}
	require.LessOrEqual(t, last, seq)
	records := 0
	for keys := client.Scan(ctx, 0, "{ta}:t:*", 1000).Iterator(); keys.Next(ctx); records++ {
		id := strings.TrimPrefix(keys.Val(), "{ta}:t:")
		record, err := client.HGetAll(ctx, keys.Val()).Result()
		require.NoError(t, err)
		for _, index := range []string{"all", "exp", "sub:alice", "own:alice", "by:alice"} {
			require.NotNil(t, one(client.Do(ctx, "ZSCORE", "{ta}:"+index, id)), index)
		}
		death, died := deaths["0:"+id]
		require.Equal(t, record["rev"] != "" || record["ret"] != "", died, "a death that the feed has not, or a feed of what lives")
		require.False(t, record["rev"] != "" && !strings.HasPrefix(death, ","), "a revocation that the feed has for later")
		if successor := record["suc"]; successor != "" {
			require.Equal(t, id, client.HGet(ctx, "{ta}:t:"+successor, "pre").Val(), "a rotation without successor")
		}
	}
	require.EqualValues(t, records, one(client.Do(ctx, "ZCARD", "{ta}:all")))
	require.EqualValues(t, records, one(client.Do(ctx, "ZCARD", "{ta}:exp")))
	countsAreExact(t, server)
}
