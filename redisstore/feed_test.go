//go:build unix

package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// What a replica is told, beyond the rules of storetest, and what is left behind.

// A family of more records than a script looks at, wide and deep, dies as one: each once, and all of it is in the feed.
func TestRevokeOfLargeFamilies(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	root := create(t, s, now)
	seed(t, server, 1700, root.ID)
	last := root
	for range 8 { // and beside them a line of children, each with a successor
		child := childOf(last)
		require.NoError(t, s.Create(t.Context(), child))
		next := successorOf(child)
		require.NoError(t, s.Rotate(t.Context(), child.ID, now.Add(time.Hour), next))
		last = next
	}
	n, err := s.Revoke(t.Context(), last.ID, tokenauth.Revocation{At: now})
	require.NoError(t, err)
	require.Equal(t, 2, n, "the last, and its predecessor")
	n, err = s.Revoke(t.Context(), root.ID, tokenauth.Revocation{At: now})
	require.NoError(t, err)
	require.Equal(t, 1+1700+7*2, n)
	require.Zero(t, live(t, s))
	dead := map[string]bool{}
	for change, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		if change.Next == "" {
			require.True(t, change.From.IsZero(), "revoked, and dead for later")
			dead[change.TokenID] = true
		}
	}
	require.Len(t, dead, 1+1700+8*2)
}

// The server does nothing else while a script runs, so a large cascade must not be one. Somebody else's questions are answered meanwhile.
func TestCascadesLetOthersIn(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	root, other := create(t, s, now), create(t, s, now)
	seed(t, server, 10_000, root.ID)
	done := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := s.Revoke(t.Context(), root.ID, tokenauth.Revocation{At: now})
		done <- err
	}()
	longest, asked := time.Duration(0), 0
	for {
		select {
		case err := <-done:
			require.NoError(t, err)
			t.Logf("10,000 records in %v, %d questions meanwhile, the longest took %v", time.Since(began), asked, longest)
			require.Greater(t, asked, 10)
			return
		default:
		}
		asking := time.Now()
		_, err := s.IsRevoked(t.Context(), other.ID)
		require.NoError(t, err)
		longest = max(longest, time.Since(asking))
		asked++
	}
}

// What is over is dropped by those who write, or the store would grow for as long as it lives.
func TestKeysDoNotGrowWithTheirPast(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{Now: clock.Now})
	client := newClient(t, server.Addr)
	for i := range 60 {
		clock.move(time.Minute)
		record := newRecord(clock.Now())
		for _, subject := range []string{"alice", "bob", fmt.Sprint("visitor ", i)} {
			require.NoError(t, s.StartSession(t.Context(), subject, record.ID, clock.Now().Add(time.Minute)))
		}
		_, err := s.EndSessions(t.Context(), "bob")
		require.NoError(t, err)
	}
	for _, key := range []string{"s:alice", "s:bob", "untils", "overs", "dead"} {
		n, err := client.ZCard(t.Context(), "{ta}:"+key).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, n, int64(12), key)
	}
	n, err := client.HLen(t.Context(), "{ta}:deadv").Result()
	require.NoError(t, err)
	require.LessOrEqual(t, n, int64(12))
	keys, err := client.DBSize(t.Context()).Result()
	require.NoError(t, err)
	require.LessOrEqual(t, keys, int64(12))
}

// Nothing of a record is left when it is dropped, and nothing has a time to live but used keys.
func TestNothingIsLeftOfWhatIsDropped(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{Now: clock.Now})
	empty := content(t, server)
	now := clock.Now()
	root := newRecord(now)
	root.SessionID, root.ClientID = "s-1", "c-1"
	require.NoError(t, s.Create(t.Context(), root))
	child := childOf(root)
	require.NoError(t, s.Create(t.Context(), child))
	next := successorOf(child)
	require.NoError(t, s.Rotate(t.Context(), child.ID, now.Add(time.Minute), next))
	require.NoError(t, s.Touch(t.Context(), now, root.ID, child.ID))
	revoke(t, s, root.ID, now)
	require.NoError(t, s.Consume(t.Context(), "k-1", now.Add(time.Hour)))
	client := newClient(t, server.Addr)
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		ttl, err := client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		if key == "{ta}:o:k-1" {
			require.Greater(t, ttl, 69*time.Minute)
			require.LessOrEqual(t, ttl, 70*time.Minute)
		} else {
			require.Negative(t, ttl, "%s has a time to live", key)
		}
	}
	for n := -1; n != 0; {
		n, err = s.DeleteExpired(t.Context(), now.AddDate(1, 0, 0), 100)
		require.NoError(t, err)
	}
	server.Must("DEL", "{ta}:o:k-1")
	server.Must("HSET", "{ta}:meta", "seq", "0")
	require.Equal(t, empty, content(t, server))
}

// What stands in the way of the first ones to be dropped does not keep the others.
func TestDeleteExpiredPassesOverWhatMustStay(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	for range 700 { // roots that have expired, each with a child that has not
		root := newRecord(now)
		root.ExpiresAt = now.Add(time.Hour)
		require.NoError(t, s.Create(t.Context(), root))
		require.NoError(t, s.Create(t.Context(), childOf(root)))
	}
	for range 3 {
		late := newRecord(now)
		late.ExpiresAt = now.Add(2 * time.Hour)
		require.NoError(t, s.Create(t.Context(), late))
	}
	for _, want := range []int{2, 1, 0} {
		n, err := s.DeleteExpired(t.Context(), now.Add(3*time.Hour), 2)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

// A replica that copies the store goes on hearing of deaths after a Reseed, whatever was lost: the marker as well.
func TestReseedAfterTheMarkerWasLostGoesOnWithTheFeed(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	for range 20 {
		revoke(t, s, create(t, s, now).ID, now)
	}
	victim := create(t, s, now)
	server.Must("DEL", "{ta}:meta")
	require.NoError(t, s.Reseed(t.Context(), "the marker was lost"))
	_, cursor := readFeed(t, s, "")
	revoke(t, s, victim.ID, now)
	dead, _ := readFeed(t, s, cursor)
	require.Equal(t, []string{victim.ID}, dead)
}

// readFeed returns the ids of the tokens that died after a cursor, and where to go on.
func readFeed(t *testing.T, s *redisstore.Store, since tokenauth.Cursor) (dead []string, next tokenauth.Cursor) {
	t.Helper()
	for change, err := range s.Changes(t.Context(), since) {
		require.NoError(t, err)
		if change.Next != "" {
			next = change.Next
		} else if change.TokenID != "" {
			dead = append(dead, change.TokenID)
		}
	}
	return dead, next
}

// A primary that was demoted, took over another's data and was promoted again is still the same run of the server. What it numbers is
// another history, and a cursor of the first one would pass over deaths of the second.
func TestFailoverAndTheWayBackEndCursors(t *testing.T) {
	now := time.Now()
	first, second := testserver.StartRedis(t), testserver.StartRedis(t)
	writer := migrated(t, first, redisstore.Config{})
	var ids []string
	for range 5 {
		ids = append(ids, create(t, writer, now).ID)
	}
	follow(t, second, first.Addr)
	replica := open(t, newClient(t, first.Addr), redisstore.Config{}) // all that this process knows
	second.Must("REPLICAOF", "NO", "ONE")                             // it never gets what comes now
	for range 10 {
		revoke(t, writer, create(t, writer, now).ID, now)
	}
	_, cursor := readFeed(t, replica, "")
	there := open(t, newClient(t, second.Addr), redisstore.Config{})
	for _, id := range ids {
		revoke(t, there, id, now)
	}
	for range 40 { // so that it counts further than the first did, and no loss shows
		create(t, there, now)
	}
	follow(t, first, second.Addr)
	first.Must("REPLICAOF", "NO", "ONE")
	for _, err := range replica.Changes(t.Context(), cursor) {
		require.ErrorIs(t, err, tokenauth.ErrStaleCursor)
	}
	dead, _ := readFeed(t, replica, "")
	require.ElementsMatch(t, ids, dead)
}
