//go:build unix

package redisstore_test

import (
	"context"
	"errors"
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
		{[]string{"s:alice"}, []string{"EndSessions, as replicas are told"}},
		{[]string{"sub:alice"}, []string{"RevokeAll by subject", "List by subject"}},
		{[]string{"own:alice"}, []string{"RevokeAll by owner"}},
		{[]string{"by:alice"}, []string{"RevokeAll by creator"}},
		{[]string{"sid:s-1"}, []string{"RevokeAll by session and owner"}},
		{[]string{"par:t-2"}, []string{"Revoke of a parent", "RevokeAll by subject", "RevokeAll by creator"}},
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
	}
}
