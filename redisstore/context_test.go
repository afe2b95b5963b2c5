//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// A call ends with its context, whatever it waits for. The client alone would not do so: unless it is told to, it looks at no deadline.

// content is all that a server holds.
func content(t *testing.T, server *testserver.Redis) string {
	t.Helper()
	client := newClient(t, server.Addr)
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	slices.Sort(keys)
	all := ""
	for _, key := range keys {
		value, err := client.Dump(t.Context(), key).Result()
		require.NoError(t, err)
		all += fmt.Sprintf("%q %q\n", key, value)
	}
	return all
}

// filled returns a store that holds something of everything.
func filled(t *testing.T, s *redisstore.Store, now time.Time) *tokenauth.StoredAccessToken {
	t.Helper()
	live := create(t, s, now)
	require.NoError(t, s.Create(t.Context(), newRecord(now.AddDate(0, 0, -7))))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	_, err := s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)
	return live
}

// allCalls are all methods that take a context.
func allCalls(s *redisstore.Store, live *tokenauth.StoredAccessToken, now time.Time) []call {
	return append(calls(s, live, now),
		call{"Migrate", s.Migrate},
		call{"Reseed", func(ctx context.Context) error { return s.Reseed(ctx, "why not") }},
		call{"CheckDurability", func(ctx context.Context) error { _, err := s.CheckDurability(ctx); return err }},
	)
}

func TestContextThatHasEnded(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	live := filled(t, s, now)
	before := content(t, server)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, free := context.WithDeadline(t.Context(), now.Add(-time.Hour))
	defer free()
	for _, ctx := range []context.Context{cancelled, expired} {
		for _, call := range allCalls(s, live, now) {
			err := call.do(ctx)
			require.ErrorIs(t, err, ctx.Err(), call.name)
			require.ErrorIs(t, err, tokenauth.ErrUnavailable, call.name)
		}
		require.ErrorIs(t, s.Wait(ctx, ""), ctx.Err())
	}
	require.Equal(t, before, content(t, server))
}

func TestContextEndsTheWaitForTheServer(t *testing.T) {
	for _, test := range []struct {
		name string
		then func(t *testing.T, v *service)
	}{
		{"that is stopped", func(_ *testing.T, v *service) { v.server.Freeze() }},
		{"behind a black hole", func(t *testing.T, v *service) { poison(t, v.proxy, "timeout", `{"timeout":0}`) }},
		{"that answers by drops", func(t *testing.T, v *service) {
			poison(t, v.proxy, "slicer", `{"average_size":1,"size_variation":0,"delay":5000}`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			now, v := time.Now(), newService(t)
			live := filled(t, v.store, now)
			test.then(t, v)
			longest := time.Duration(0)
			const budget = 50 * time.Millisecond
			for _, call := range allCalls(v.store, live, now) {
				ctx, cancel := context.WithTimeout(t.Context(), budget)
				began := time.Now()
				err := call.do(ctx)
				longest = max(longest, time.Since(began))
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded, call.name)
				require.ErrorIs(t, err, tokenauth.ErrUnavailable, call.name)
			}
			t.Logf("the longest call took %v, of a budget of %v", longest, budget)
			assert.Less(t, longest, budget+patience)
		})
	}
}

// A cascade that is cut off is not known to be done. What is done of it stands, the record itself above all, nothing is born below it, and
// the next call does the rest.
func TestContextEndsACascade(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	root := create(t, s, now)
	seed(t, server, 5_000, root.ID)
	left := -1
	for budget := 2 * time.Millisecond; left < 0; budget += budget / 4 {
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		_, err := s.Revoke(ctx, root.ID, tokenauth.Revocation{At: now})
		cancel()
		require.ErrorIs(t, err, tokenauth.ErrUnavailable, "it was done before it could be cut off")
		if revoked, err := s.IsRevoked(t.Context(), root.ID); err != nil || !revoked {
			continue
		}
		left = live(t, s)
	}
	require.NotZero(t, left)
	require.ErrorIs(t, s.Create(t.Context(), childOf(root)), tokenauth.ErrRevoked)
	n, err := s.Revoke(t.Context(), root.ID, tokenauth.Revocation{At: now})
	require.NoError(t, err)
	require.Equal(t, left, n)
	require.Zero(t, live(t, s))
}

// live counts the records that are not revoked.
func live(t *testing.T, s *redisstore.Store) int {
	t.Helper()
	n := 0
	for record, err := range s.List(t.Context(), tokenauth.TokenFilter{}) {
		require.NoError(t, err)
		if record.RevokedAt.IsZero() {
			n++
		}
	}
	return n
}

// A wait that nobody wakes ends with its context, deadline or not.
func TestWaitEndsWithItsContext(t *testing.T) {
	s := migrated(t, testserver.StartRedis(t), redisstore.Config{})
	var cursor tokenauth.Cursor
	for change, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		cursor = change.Next
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(50*time.Millisecond, cancel)
	defer stop.Stop()
	require.ErrorIs(t, s.Wait(ctx, cursor), context.Canceled)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Wait(ctx, cursor), context.DeadlineExceeded)
}

// A wait on a server that dies says so, and does not sleep on.
func TestWaitEndsWithTheServer(t *testing.T) {
	server := testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	var cursor tokenauth.Cursor
	for change, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		cursor = change.Next
	}
	waiting := make(chan error, 1)
	go func() { waiting <- s.Wait(t.Context(), cursor) }()
	require.Eventually(t, func() bool {
		return server.Must("PUBSUB", "SHARDNUMSUB", "{ta}:wake") == "*2\r\n$9\r\n{ta}:wake\r\n:1\r\n"
	},
		20*time.Second, time.Millisecond)
	server.Kill()
	require.ErrorIs(t, <-waiting, tokenauth.ErrUnavailable)
}
