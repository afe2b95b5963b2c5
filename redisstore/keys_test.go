//go:build unix

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// What is left of a store of which one key is gone: somebody's DEL, or a server that loses some keys and keeps others.

// A fullStore holds something of every kind, and what there is to know about it.
type fullStore struct {
	*redisstore.Store

	live, dead, parent, child, lost *tokenauth.StoredAccessToken
	now                             time.Time
}

func newFullStore(t *testing.T, server *testserver.Redis, prefix string, clock *clock) fullStore {
	t.Helper()
	now := clock.Now()
	s := fullStore{Store: migrated(t, server, redisstore.Config{Prefix: prefix, Now: clock.Now}), now: now}
	s.live, s.dead, s.parent, s.lost = newRecord(now), newRecord(now), newRecord(now), newRecord(now)
	s.child = childOf(s.parent)
	s.child.Subject, s.child.CreatedBy = "bob", "bob" // found from its parent only
	for i, record := range []*tokenauth.StoredAccessToken{s.live, s.dead, s.parent, s.child, s.lost} {
		record.ID, record.SessionID = fmt.Sprint("t-", i), "s-1"
		if record != s.child {
			record.RootID = record.ID
		} else {
			record.ParentID, record.RootID = s.parent.ID, s.parent.ID
		}
		require.NoError(t, s.Create(t.Context(), record))
	}
	revoke(t, s.Store, s.dead.ID, now)
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-2", now.Add(time.Hour)))
	require.NoError(t, s.EndSession(t.Context(), "alice", "s-2"))
	_, err := s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)
	_, err = s.RaiseNotBefore(t.Context(), tokenauth.Everyone, now)
	require.NoError(t, err)
	require.NoError(t, s.Consume(t.Context(), "k-1", now.Add(time.Hour)))
	require.NoError(t, s.Touch(t.Context(), now, s.live.ID))
	return s
}

// told is what the feed says.
func (s fullStore) told(ctx context.Context) (all []string, err error) {
	for change, err := range s.Changes(ctx, "") {
		if err != nil {
			return nil, err
		}
		if change.Next == "" {
			all = append(all, change.TokenID+change.Subject+change.SessionID)
		}
	}
	slices.Sort(all)
	return all, nil
}

func (s fullStore) list(ctx context.Context, f tokenauth.TokenFilter) (ids []string, err error) {
	for record, err := range s.List(ctx, f) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, record.ID)
	}
	return ids, nil
}

// endsAll revokes what a filter selects, and says what of live, parent and child is revoked then, here and in the feed.
func (s fullStore) endsAll(ctx context.Context, f tokenauth.TokenFilter) (any, error) {
	if _, err := s.RevokeAll(ctx, f, tokenauth.Revocation{At: s.now}); err != nil {
		return nil, err
	}
	told, err := s.told(ctx)
	if err != nil {
		return nil, err
	}
	var dead []bool
	for _, id := range []string{s.live.ID, s.parent.ID, s.child.ID} {
		revoked, err := s.IsRevoked(ctx, id)
		if err != nil {
			return nil, err
		}
		dead = append(dead, revoked, slices.Contains(told, id))
	}
	return dead, nil
}

// Of each question the right answer is known. Whatever is gone, the answer is that one, or nobody knows; and where it cannot be told that
// something is gone, this says which answers are wrong.
func TestKeyThatIsGoneIsNoticed(t *testing.T) {
	allDead := []bool{true, true, true, true, true, true}
	questions := []struct {
		name  string
		ask   func(ctx context.Context, s fullStore) (any, error)
		right any
	}{
		{"IsRevoked of a live one", func(ctx context.Context, s fullStore) (any, error) { return s.IsRevoked(ctx, s.live.ID) }, false},
		{"IsRevoked of a dead one", func(ctx context.Context, s fullStore) (any, error) { return s.IsRevoked(ctx, s.dead.ID) }, true},
		{"IsRevoked of the one that is gone", func(ctx context.Context, s fullStore) (any, error) { return s.IsRevoked(ctx, s.lost.ID) }, false},
		{"Get", func(ctx context.Context, s fullStore) (any, error) {
			record, err := s.Get(ctx, s.lost.ID)
			if err != nil {
				return nil, err
			}
			return record.ID, nil
		}, "t-4"},
		{"Create again", func(ctx context.Context, s fullStore) (any, error) { return nil, s.Create(ctx, s.lost) }, tokenauth.ErrExists},
		{"Create of a child", func(ctx context.Context, s fullStore) (any, error) { return nil, s.Create(ctx, childOf(s.lost)) }, nil},
		{"Rotate", func(ctx context.Context, s fullStore) (any, error) {
			return nil, s.Rotate(ctx, s.lost.ID, s.now, successorOf(s.lost))
		}, nil},
		{"Revoke of a parent", func(ctx context.Context, s fullStore) (any, error) {
			if _, err := s.Revoke(ctx, s.parent.ID, tokenauth.Revocation{At: s.now}); err != nil {
				return nil, err
			}
			return s.IsRevoked(ctx, s.child.ID)
		}, true},
		{"Revoke of the one that is gone", func(ctx context.Context, s fullStore) (any, error) {
			return s.Revoke(ctx, s.lost.ID, tokenauth.Revocation{At: s.now})
		}, 1},
		{"RevokeAll by subject", func(ctx context.Context, s fullStore) (any, error) {
			return s.endsAll(ctx, tokenauth.TokenFilter{Subject: "alice"})
		}, allDead},
		{"RevokeAll by owner", func(ctx context.Context, s fullStore) (any, error) {
			return s.endsAll(ctx, tokenauth.TokenFilter{Owner: "alice"})
		}, allDead},
		{"RevokeAll by creator", func(ctx context.Context, s fullStore) (any, error) {
			return s.endsAll(ctx, tokenauth.TokenFilter{CreatedBy: "alice"})
		}, allDead},
		{"RevokeAll by session and owner", func(ctx context.Context, s fullStore) (any, error) {
			return s.endsAll(ctx, tokenauth.TokenFilter{SessionID: "s-1", Owner: "alice"})
		}, allDead},
		{"List", func(ctx context.Context, s fullStore) (any, error) { return s.list(ctx, tokenauth.TokenFilter{}) },
			[]string{"t-0", "t-1", "t-2", "t-3", "t-4"}},
		{"List by subject", func(ctx context.Context, s fullStore) (any, error) {
			return s.list(ctx, tokenauth.TokenFilter{Subject: "alice"})
		}, []string{"t-0", "t-1", "t-2", "t-4"}},
		{"DeleteExpired", func(ctx context.Context, s fullStore) (any, error) {
			return s.DeleteExpired(ctx, s.now.AddDate(1, 0, 0), 3)
		}, 3},
		{"IsSessionActive", func(ctx context.Context, s fullStore) (any, error) { return s.IsSessionActive(ctx, "alice", "s-1") }, true},
		{"IsSessionActive of one that was ended", func(ctx context.Context, s fullStore) (any, error) {
			return s.IsSessionActive(ctx, "alice", "s-2")
		}, false},
		{"EndSession, as replicas are told", func(ctx context.Context, s fullStore) (any, error) {
			if err := s.EndSession(ctx, "alice", "s-1"); err != nil {
				return nil, err
			}
			told, err := s.told(ctx)
			return slices.Contains(told, "alices-1"), err
		}, true},
		{"EndSessions, as replicas are told", func(ctx context.Context, s fullStore) (any, error) {
			if _, err := s.EndSessions(ctx, "alice"); err != nil {
				return nil, err
			}
			told, err := s.told(ctx)
			return slices.Contains(told, "alices-1"), err
		}, true},
		{"Epoch", func(ctx context.Context, s fullStore) (any, error) { return s.Epoch(ctx, "alice") },
			tokenauth.Epoch{MinVersion: 1, NotBefore: newClock().Now()}},
		{"Epoch of everyone", func(ctx context.Context, s fullStore) (any, error) { return s.Epoch(ctx, "bob") },
			tokenauth.Epoch{NotBefore: newClock().Now()}},
		{"BumpEpoch", func(ctx context.Context, s fullStore) (any, error) { return s.BumpEpoch(ctx, "alice") },
			tokenauth.Epoch{MinVersion: 2, NotBefore: newClock().Now()}},
		{"Consume of a used key", func(ctx context.Context, s fullStore) (any, error) {
			return nil, s.Consume(ctx, "k-1", s.now.Add(time.Hour))
		}, tokenauth.ErrReplayed},
		{"Changes", func(ctx context.Context, s fullStore) (any, error) { return s.told(ctx) }, []string{"*", "alice", "alices-2", "t-1"}},
	}
	for _, test := range []struct {
		gone  []string
		wrong []string // what is answered wrongly
	}{
		{nil, nil},
		{[]string{"meta"}, nil},
		{[]string{"dead"}, nil},
		{[]string{"deadv"}, nil},
		{[]string{"dead", "deadv"}, nil},
		{[]string{"t:t-4"}, nil},
		{[]string{"all"}, nil},
		{[]string{"exp"}, nil},
		{[]string{"used"}, nil},
		{[]string{"overs"}, nil},
		{[]string{"untils"}, nil},
		{[]string{"s:alice"}, nil},
		{[]string{"s:alice", "untils"}, []string{"IsSessionActive"}}, // not: that it lives
		{[]string{"sub:alice"}, nil},
		{[]string{"own:alice"}, nil},
		{[]string{"by:alice"}, nil},
		{[]string{"sid:s-1"}, nil},
		{[]string{"par:t-2"}, nil},
		{[]string{"o:k-1"}, []string{"Consume of a used key"}},
	} {
		t.Run(fmt.Sprint(test.gone), func(t *testing.T) {
			clock, server := newClock(), testserver.StartRedis(t)
			var wrong []string
			for i, question := range questions {
				prefix := fmt.Sprint("store-", i)
				s := newFullStore(t, server, prefix, clock)
				for _, key := range test.gone {
					require.Equal(t, ":1\r\n", server.Must("DEL", "{"+prefix+"}:"+key))
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				answer, err := question.ask(ctx, s)
				cancel()
				require.NotErrorIs(t, err, context.DeadlineExceeded, question.name)
				refusal, refused := question.right.(error)
				switch {
				case errors.Is(err, tokenauth.ErrUnavailable):
					require.NotEmpty(t, test.gone, "%s: %v", question.name, err)
				case refused && errors.Is(err, refusal):
				case refused || err != nil || !assert.ObjectsAreEqual(question.right, answer):
					t.Log(question.name, answer, err)
					wrong = append(wrong, question.name)
				}
			}
			require.Equal(t, test.wrong, wrong)
		})
	}
}

// A record that is gone ends with what can be found of it: RevokeAll does not go round for ever, replicas hear that it is dead, and so is
// all else; but it is not called done. When it would have expired, its place goes, too.
func TestRevokeAllWhereARecordIsGone(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := newFullStore(t, server, "ta", clock)
	server.Must("DEL", "{ta}:t:t-4")
	for range 2 {
		_, err := s.RevokeAll(t.Context(), tokenauth.TokenFilter{Subject: "alice"}, tokenauth.Revocation{At: s.now})
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorContains(t, err, "record: damaged")
		told, err := s.told(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"*", "alice", "alices-2", "t-0", "t-1", "t-2", "t-3", "t-4"}, told)
	}
	for change, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		if change.TokenID == s.lost.ID {
			require.Equal(t, tokenauth.Change{TokenID: s.lost.ID, Until: s.lost.ExpiresAt}, change)
		}
	}
	n, err := s.DeleteExpired(t.Context(), s.now.AddDate(1, 0, 0), 100)
	require.NoError(t, err)
	require.Positive(t, n)
	_, err = s.RevokeAll(t.Context(), tokenauth.TokenFilter{Subject: "alice"}, tokenauth.Revocation{At: s.now})
	require.NoError(t, err)
	_, err = s.list(t.Context(), tokenauth.TokenFilter{Subject: "alice"})
	require.NoError(t, err)
}

// After Reseed there is an answer to everything again, whatever was gone.
func TestReseedMakesGoodWhatIsGone(t *testing.T) {
	for _, gone := range [][]string{
		{"DEL", "{ta}:meta"},
		{"DEL", "{ta}:dead"},
		{"DEL", "{ta}:deadv"},
		{"DEL", "{ta}:dead", "{ta}:deadv"},
		{"DEL", "{ta}:all"},
		{"DEL", "{ta}:exp"},
		{"DEL", "{ta}:sub:alice", "{ta}:own:alice", "{ta}:by:alice", "{ta}:sid:s-1", "{ta}:par:t-2", "{ta}:s:alice"},
		{"DEL", "{ta}:meta", "{ta}:sub:alice", "{ta}:s:alice"},
		{"HINCRBY", "{ta}:meta", "sub:alice", "1"},
		{"HINCRBY", "{ta}:meta", "s:nobody", "1"},
		{"ZREM", "{ta}:dead", "2:alice"},
		{"HDEL", "{ta}:deadv", "2:alice"},
		{"HDEL", "{ta}:meta", "deaths"},
		{"HDEL", "{ta}:meta", "seq"},
		{"HDEL", "{ta}:meta", "schema"},
		{"HSET", "{ta}:meta", "seq", "many"},
		{"HSET", "{ta}:meta", "reseeded", "never"},
	} {
		clock, server := newClock(), testserver.StartRedis(t)
		s := newFullStore(t, server, "ta", clock)
		server.Must(gone...)
		require.NoError(t, s.Reseed(t.Context(), "something is gone"), gone)
		told, err := s.told(t.Context())
		require.NoError(t, err, gone)
		require.Contains(t, told, tokenauth.Everyone)
		require.NoError(t, s.Rotate(t.Context(), s.lost.ID, s.now, successorOf(s.lost)), gone)
		for _, call := range calls(s.Store, s.live, s.now) {
			require.NotErrorIs(t, call.do(t.Context()), tokenauth.ErrUnavailable, "%v: %s", gone, call.name)
		}
		ids, err := s.list(t.Context(), tokenauth.TokenFilter{})
		require.NoError(t, err, gone)
		require.Subset(t, ids, []string{s.live.ID, s.dead.ID, s.parent.ID, s.child.ID, s.lost.ID})
		countsAreExact(t, server)
	}
}

// countsAreExact checks that every index of every store on a server has as many members as the marker says, and that no others are named.
func countsAreExact(t *testing.T, server *testserver.Redis) {
	t.Helper()
	ctx, client := t.Context(), newClient(t, server.Addr)
	markers, err := client.Keys(ctx, "{*}:meta").Result()
	require.NoError(t, err)
	for _, marker := range markers {
		base, counts, found := strings.TrimSuffix(marker, "meta"), map[string]string{}, map[string]string{}
		fields, err := client.HGetAll(ctx, marker).Result()
		require.NoError(t, err)
		require.NotContains(t, fields, "uncounted")
		for field, n := range fields {
			if strings.Contains(field, ":") {
				counts[field] = n
			}
		}
		for _, kind := range []string{"sub", "own", "by", "par", "sid", "s"} {
			for keys := client.Scan(ctx, 0, base+kind+":*", 1000).Iterator(); keys.Next(ctx); {
				n, err := client.ZCard(ctx, keys.Val()).Result()
				require.NoError(t, err)
				found[strings.TrimPrefix(keys.Val(), base)] = strconv.FormatInt(n, 10)
			}
		}
		require.Equal(t, found, counts)
	}
}

// uncountScript takes the counts of all indexes away.
var uncountScript = redis.NewScript(`#!lua
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.find(field, ':', 1, true) then redis.call('HDEL', KEYS[1], field) end
end
redis.call('HSET', KEYS[1], unpack(ARGV))`)

// uncount makes a store one that nobody has counted: of the schema before, or where the counting was interrupted, as fields of the marker
// say.
func uncount(t *testing.T, server *testserver.Redis, fields ...any) {
	t.Helper()
	err := uncountScript.Run(t.Context(), newClient(t, server.Addr), []string{"{ta}:meta"}, fields...).Err()
	require.True(t, err == nil || err == redis.Nil, err)
}

// Who comes into an index after it was lost does not hide who is missing. All that can be found is dead; but it is not called done, until
// those who are missing would be dropped anyway, or until Reseed.
func TestIndexThatIsGoneStaysNoticed(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := newFullStore(t, server, "ta", clock)
	alices := tokenauth.TokenFilter{Subject: "alice"}
	require.Equal(t, ":1\r\n", server.Must("DEL", "{ta}:sub:alice"))
	var news []*tokenauth.StoredAccessToken
	for range 6 { // two more than were lost
		record := newRecord(s.now)
		record.ExpiresAt = s.now.AddDate(0, 6, 0)
		news = append(news, record)
		require.NoError(t, s.Create(t.Context(), record))
		_, err := s.list(t.Context(), alices)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorContains(t, err, "index: damaged")
	}
	for range 2 {
		_, err := s.RevokeAll(t.Context(), alices, tokenauth.Revocation{At: s.now})
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorContains(t, err, "index: damaged")
		for _, record := range news {
			revoked, err := s.IsRevoked(t.Context(), record.ID)
			require.NoError(t, err)
			require.True(t, revoked)
		}
	}
	copied := content(t, server)
	for n := -1; n != 0; {
		var err error
		n, err = s.DeleteExpired(t.Context(), s.now.AddDate(0, 3, 0), 100)
		require.NoError(t, err)
	}
	require.NotEqual(t, copied, content(t, server))
	ids, err := s.list(t.Context(), alices)
	require.NoError(t, err)
	require.Len(t, ids, len(news))
	countsAreExact(t, server)
}

// A parent whose children nobody finds any more is not done with when it is revoked, nor dropped before them.
func TestIndexOfChildrenThatIsGoneStaysNoticed(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := newFullStore(t, server, "ta", clock)
	s.parent.ExpiresAt = s.now
	young := childOf(s.parent)
	young.ExpiresAt = s.now.AddDate(2, 0, 0)
	require.NoError(t, s.Create(t.Context(), young))
	require.Equal(t, ":1\r\n", server.Must("DEL", "{ta}:par:"+s.parent.ID))
	_, err := s.DeleteExpired(t.Context(), s.now.AddDate(1, 0, 0), 100)
	require.NoError(t, err)
	_, err = s.DeleteExpired(t.Context(), s.now.AddDate(1, 0, 0), 100)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), s.parent.ID)
	require.NoError(t, err, "it was dropped before its child")
	for range 2 {
		_, err = s.Revoke(t.Context(), s.parent.ID, tokenauth.Revocation{At: s.now})
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorContains(t, err, "index: damaged")
		revoked, err := s.IsRevoked(t.Context(), s.parent.ID)
		require.NoError(t, err)
		require.True(t, revoked, "what is found is dead")
	}
	require.NoError(t, s.Reseed(t.Context(), "an index is gone"))
	n, err := s.Revoke(t.Context(), s.parent.ID, tokenauth.Revocation{At: s.now})
	require.NoError(t, err)
	require.Equal(t, 1, n, "the child")
	countsAreExact(t, server)
}

// The same of sessions. Beginning one of them anew does not count it twice, and when all that were lost are over there is nothing to end.
func TestSessionsThatAreGoneStayNoticed(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{Now: clock.Now})
	start := func(sid string) {
		t.Helper()
		require.NoError(t, s.StartSession(t.Context(), "alice", sid, clock.Now().Add(time.Hour)))
	}
	for i := range 4 {
		start(fmt.Sprint("s-", i))
	}
	require.Equal(t, ":1\r\n", server.Must("DEL", "{ta}:s:alice"))
	start("s-0")
	start("s-new")
	require.NoError(t, s.EndSession(t.Context(), "alice", "s-1")) // known from the other set
	for range 2 {
		_, err := s.EndSessions(t.Context(), "alice")
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorContains(t, err, "sessions: damaged")
		for _, sid := range []string{"s-0", "s-new"} {
			active, err := s.IsSessionActive(t.Context(), "alice", sid)
			require.NoError(t, err)
			require.False(t, active, "what is found is ended")
		}
	}
	n, err := s.EndSessions(t.Context(), "bob")
	require.NoError(t, err)
	require.Zero(t, n)
	clock.move(2 * time.Hour)
	for range 3 {
		require.NoError(t, s.EndSession(t.Context(), "bob", "none")) // each takes some along that are over
	}
	start("s-4")
	n, err = s.EndSessions(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	countsAreExact(t, server)
}

// The other set of sessions, from which one was lost, is no reason to count anybody twice.
func TestSessionsAreCountedOnceWhateverIsGone(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{Now: clock.Now})
	for range 2 {
		require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", clock.Now().Add(time.Hour)))
		server.Must("DEL", "{ta}:untils")
	}
	n, err := s.EndSessions(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = s.EndSessions(t.Context(), "alice")
	require.NoError(t, err)
	countsAreExact(t, server)
}

// A store of the schema before is counted by Migrate in steps, while others write; a record that was lost from an index is put back,
// and a session that was is ended.
func TestMigrateCounts(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	root := create(t, s, now)
	seed(t, server, 1700, root.ID)
	for i := range 1200 { // more than a step, most of them until the same moment
		until := now.Truncate(time.Second).Add(time.Hour + time.Duration(i/1000)*time.Second)
		require.NoError(t, s.StartSession(t.Context(), fmt.Sprint("subject-", i/100), fmt.Sprint("s-", i), until))
	}
	uncount(t, server, "schema", "2")
	server.Must("DEL", "{ta}:sub:subject-3", "{ta}:par:"+root.ID, "{ta}:s:subject-4")
	require.NoError(t, open(t, newClient(t, server.Addr), redisstore.Config{}).Migrate(t.Context()))
	countsAreExact(t, server)

	var group sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		writer := open(t, newClient(t, server.Addr), redisstore.Config{})
		group.Go(func() {
			for n := i * 100; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if err := writeToIndexes(t.Context(), writer, n, now); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		uncount(t, server, "uncounted", "all:")
		var both sync.WaitGroup
		for range 2 {
			migrating := open(t, newClient(t, server.Addr), redisstore.Config{})
			both.Go(func() {
				if err := migrating.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
	close(done)
	group.Wait()
	countsAreExact(t, server)

	ids, err := fullStore{Store: s}.list(t.Context(), tokenauth.TokenFilter{Subject: "subject-3"})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(ids), 100)
	_, err = s.Revoke(t.Context(), root.ID, tokenauth.Revocation{At: now})
	require.NoError(t, err)
	for i := range 1700 {
		revoked, err := s.IsRevoked(t.Context(), fmt.Sprintf("seed-%012d", i))
		require.NoError(t, err)
		require.True(t, revoked)
	}
	told, err := fullStore{Store: s}.told(t.Context())
	require.NoError(t, err)
	for i := range 1200 {
		subject, sid := fmt.Sprint("subject-", i/100), fmt.Sprint("s-", i)
		active, err := s.IsSessionActive(t.Context(), subject, sid)
		require.NoError(t, err)
		lost := subject == "subject-4"
		require.Equal(t, !lost && subject != "subject-0", active, sid)
		require.True(t, !lost || slices.Contains(told, subject+sid), sid)
	}
}

// writeToIndexes makes the n-th of some changes to who is in which index.
func writeToIndexes(ctx context.Context, s *redisstore.Store, n int, now time.Time) error {
	record := newRecord(now)
	record.Subject, record.CreatedBy = fmt.Sprint("subject-", n%17), fmt.Sprint("creator-", n%17)
	early := newRecord(now.AddDate(0, 0, -7))
	early.ParentID, early.RootID, early.Depth, early.SessionID = record.ID, record.ID, 1, fmt.Sprint("sid-", n%3)
	_, ended := s.EndSessions(ctx, "subject-0")
	err := errors.Join(ended,
		s.Create(ctx, record),
		s.Create(ctx, early),
		s.StartSession(ctx, fmt.Sprint("subject-", n%17), record.ID, now.Add(time.Minute)),
		s.StartSession(ctx, "subject-5", fmt.Sprint("s-", 500+n*7%100), now.Add(2*time.Hour)), // one that is there
		s.EndSession(ctx, fmt.Sprint("subject-", n%17), record.ID),
	)
	_, dropped := s.DeleteExpired(ctx, now, 3)
	_, revoked := s.RevokeAll(ctx, tokenauth.TokenFilter{Subject: record.Subject, Owner: "nobody"}, tokenauth.Revocation{At: now})
	return errors.Join(err, dropped, revoked)
}

// Where counting was interrupted the next one goes on, and does not begin again: a process that has little time at its start gets done, too.
func TestMigrateGoesOnCounting(t *testing.T) {
	server := testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	seed(t, server, 1700, "")
	uncount(t, server, "uncounted", "all:seed-000000000999")
	require.NoError(t, s.Migrate(t.Context()))
	require.Equal(t, ":0\r\n", server.Must("HEXISTS", "{ta}:meta", "sub:subject-9"))
	require.Equal(t, "100", ask(server, "HGET", "{ta}:meta", "sub:subject-10"))
	// One that was dropped meanwhile tells nobody how far it was.
	uncount(t, server, "uncounted", "all:seed-000000000999x")
	require.NoError(t, s.Migrate(t.Context()))
	countsAreExact(t, server)
}

// What is not counted yet is counted by whoever comes into it or leaves it, and stands in the way of its parent as ever.
func TestIndexesThatAreNotCountedYet(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	for _, write := range []func(parent *tokenauth.StoredAccessToken) error{
		func(*tokenauth.StoredAccessToken) error { return s.Create(t.Context(), newRecord(now)) },
		func(parent *tokenauth.StoredAccessToken) error {
			n, err := s.DeleteExpired(t.Context(), now, 100)
			require.Equal(t, 1, n)
			_, gone := s.Get(t.Context(), parent.ID)
			return errors.Join(err, gone)
		},
		func(*tokenauth.StoredAccessToken) error {
			return s.StartSession(t.Context(), "alice", "s-1", now.Add(2*time.Hour))
		},
		func(*tokenauth.StoredAccessToken) error { return s.EndSession(t.Context(), "alice", "s-1") },
	} {
		parent, early := newRecord(now.AddDate(0, 0, -7)), newRecord(now.AddDate(0, 0, -7))
		child := childOf(parent)
		child.ExpiresAt = now.Add(time.Hour)
		for _, record := range []*tokenauth.StoredAccessToken{early, parent, child} {
			require.NoError(t, s.Create(t.Context(), record))
		}
		for i := range 3 {
			require.NoError(t, s.StartSession(t.Context(), "alice", fmt.Sprint("s-", i), now.Add(time.Hour)))
		}
		uncount(t, server, "schema", "3")
		require.NoError(t, write(parent))
		for index, n := range newClient(t, server.Addr).HGetAll(t.Context(), "{ta}:meta").Val() {
			if strings.Contains(index, ":") {
				require.Equal(t, n, ask(server, "ZCARD", "{ta}:"+index), index)
			}
		}
		require.NoError(t, s.Reseed(t.Context(), "the next one"))
		_, err := s.DeleteExpired(t.Context(), now, 100)
		require.NoError(t, err)
	}
}

// Migrate takes nothing for complete of which it could know that it is not.
func TestMigrateHidesNoLoss(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := newFullStore(t, server, "ta", clock)
	// What was counted before an interruption, and lost since.
	server.Must("DEL", "{ta}:sub:alice")
	server.Must("HSET", "{ta}:meta", "uncounted", "all:t-2")
	require.NoError(t, s.Migrate(t.Context()))
	_, err := s.list(t.Context(), tokenauth.TokenFilter{Subject: "alice"})
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	// The deaths, which the schema before had counted.
	uncount(t, server, "schema", "2")
	server.Must("DEL", "{ta}:dead", "{ta}:deadv")
	require.NoError(t, s.Migrate(t.Context()))
	_, err = s.Epoch(t.Context(), "alice")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
}

// How far the sessions are counted does not depend on what becomes of the one that was counted last: nobody is passed over where it is
// prolonged or ended.
func TestMigrateCountsSessionsThatMove(t *testing.T) {
	clock := newClock()
	until := func(i int) time.Time { return clock.Now().Add(time.Hour + time.Duration(i)*time.Second) }
	for name, move := range map[string]func(s *redisstore.Store) error{
		"prolonged": func(s *redisstore.Store) error { return s.StartSession(t.Context(), "subject-99", "s", until(1000)) },
		"cut short": func(s *redisstore.Store) error { return s.StartSession(t.Context(), "subject-99", "s", until(-1000)) },
		"ended":     func(s *redisstore.Store) error { return s.EndSession(t.Context(), "subject-99", "s") },
	} {
		server := testserver.StartRedis(t)
		s := migrated(t, server, redisstore.Config{Now: clock.Now})
		for i := range 700 {
			require.NoError(t, s.StartSession(t.Context(), fmt.Sprint("subject-", i), "s", until(i)))
		}
		uncount(t, server, "uncounted", fmt.Sprintf("untils:%d:10:subject-99s", until(99).UnixMicro()))
		require.NoError(t, move(s), name)
		require.NoError(t, s.Migrate(t.Context()), name)
		require.Equal(t, ":0\r\n", server.Must("HEXISTS", "{ta}:meta", "s:subject-98"), "%s: it began again", name)
		for i := range 600 {
			subject := fmt.Sprint("subject-", 100+i)
			require.Equal(t, "1", ask(server, "HGET", "{ta}:meta", "s:"+subject), "%s: %s", name, subject)
		}
	}
}

// A session that is missing among its subject's while those are counted is ended, here and in the feed: whoever ended the subject's
// sessions meanwhile, or before anything was counted, did not find it, and has been told that all is done.
func TestMigrateBringsNoSessionBack(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{Now: clock.Now})
	for i := range 1200 {
		require.NoError(t, s.StartSession(t.Context(), fmt.Sprint("subject-", i%2), fmt.Sprint("s-", i), clock.Now().Add(time.Hour)))
	}
	uncount(t, server, "schema", "2")
	server.Must("DEL", "{ta}:s:subject-1")
	server.Must("HSET", "{ta}:meta", "schema", "3", "uncounted", "all:")
	n, err := s.EndSessions(t.Context(), "subject-1")
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, s.Migrate(t.Context()))
	told, err := fullStore{Store: s}.told(t.Context())
	require.NoError(t, err)
	require.Len(t, told, 600)
	for i := range 1200 {
		active, err := s.IsSessionActive(t.Context(), fmt.Sprint("subject-", i%2), fmt.Sprint("s-", i))
		require.NoError(t, err)
		require.Equal(t, i%2 == 0, active)
	}
	countsAreExact(t, server)
}

// Where Reseed ends before the indexes are made again, nobody is told that one is complete that was lost: a cascade ends what it finds,
// and no parent is dropped before its children.
func TestReseedThatWasInterruptedHidesNoLoss(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := newFullStore(t, server, "ta", clock)
	server.Must("DEL", "{ta}:sub:alice", "{ta}:own:alice", "{ta}:by:alice", "{ta}:sid:s-1", "{ta}:par:t-2", "{ta}:s:alice")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := newClient(t, server.Addr)
	reseeding := open(t, client, redisstore.Config{Now: clock.Now})
	client.AddHook(afterScript(cancel))
	require.ErrorIs(t, reseeding.Reseed(ctx, "indexes are gone"), context.Canceled)

	revocation := tokenauth.Revocation{At: s.now}
	for name, ask := range map[string]func() error{
		"RevokeAll": func() error {
			_, err := s.RevokeAll(t.Context(), tokenauth.TokenFilter{Subject: "alice"}, revocation)
			return err
		},
		"Revoke":      func() error { _, err := s.Revoke(t.Context(), s.parent.ID, revocation); return err },
		"EndSessions": func() error { _, err := s.EndSessions(t.Context(), "alice"); return err },
		"List":        func() error { _, err := s.list(t.Context(), tokenauth.TokenFilter{Owner: "alice"}); return err },
	} {
		require.ErrorIs(t, ask(), tokenauth.ErrUnavailable, name)
		require.ErrorContains(t, ask(), "Migrate", name)
	}
	for range 3 {
		_, err := s.DeleteExpired(t.Context(), s.now.AddDate(1, 0, 0), 100)
		require.NoError(t, err)
	}
	_, err := s.Get(t.Context(), s.parent.ID)
	require.NoError(t, err, "it was dropped, and nobody had seen whether it has children")
	ids, err := s.list(t.Context(), tokenauth.TokenFilter{})
	require.NoError(t, err, "of all records there is no doubt")
	require.Len(t, ids, 5)

	require.NoError(t, s.Migrate(t.Context()))
	countsAreExact(t, server)
	n, err := s.RevokeAll(t.Context(), tokenauth.TokenFilter{Subject: "alice"}, revocation)
	require.NoError(t, err)
	require.Positive(t, n)
	revoked, err := s.IsRevoked(t.Context(), s.child.ID)
	require.NoError(t, err)
	require.True(t, revoked)
}

// Reseed leaves it to another thread of the server to free the counts of all indexes, which may be millions: everybody else would wait.
func TestReseedDoesNotWaitForTheCountsToBeFreed(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	for range 600 { // fewer are not worth it
		record := newRecord(now)
		record.Subject = "token:" + record.ID
		require.NoError(t, s.Create(t.Context(), record))
	}
	require.NoError(t, s.Reseed(t.Context(), "many subjects"))
	require.Eventually(t, func() bool {
		return strings.Contains(server.Must("INFO", "memory"), "lazyfreed_objects:1\r\n")
	}, 10*time.Second, 10*time.Millisecond)
	countsAreExact(t, server)
}

// afterScript is a hook that calls a function when a script was run.
type afterScript func()

// DialHook does nothing.
func (afterScript) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook calls the function.
func (f afterScript) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && strings.HasPrefix(cmd.Name(), "eval") {
			f()
		}
		return err
	}
}

// ProcessPipelineHook does nothing.
func (afterScript) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
