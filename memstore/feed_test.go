package memstore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// Beyond what package storetest asks of every source: what this feed costs, what it bounds, and how it wakes.

// deaths reads what has died since a cursor.
func deaths(t testing.TB, s *memstore.Store, since tokenauth.Cursor) (all []tokenauth.Change, next tokenauth.Cursor) {
	for change, err := range s.Changes(context.Background(), since) {
		require.NoError(t, err)
		if change.Next == "" {
			all = append(all, change)
		}
		next = change.Next
	}
	require.NotEmpty(t, next)
	return all, next
}

func TestFeedTellsEachDeathOnceAndWhatDiesAgainAtTheEnd(t *testing.T) {
	ctx, clock := t.Context(), newClock()
	s := memstore.New(memstore.Config{Now: clock.Now})
	old, other := newRecord(clock.Now()), newRecord(clock.Now())
	require.NoError(t, s.Create(ctx, old))
	require.NoError(t, s.Create(ctx, other))
	next := newRecord(clock.Now())
	next.RootID = old.ID
	require.NoError(t, s.Rotate(ctx, old.ID, clock.Now().Add(time.Minute), next))
	_, beginning := deaths(t, s, "")
	_, err := s.Revoke(ctx, other.ID, tokenauth.Revocation{At: clock.Now()})
	require.NoError(t, err)
	_, err = s.Revoke(ctx, old.ID, tokenauth.Revocation{At: clock.Now()})
	require.NoError(t, err)
	_, err = s.Revoke(ctx, old.ID, tokenauth.Revocation{At: clock.Now()})
	require.NoError(t, err)

	until := old.ExpiresAt.UTC().Truncate(time.Second)
	want := []tokenauth.Change{{TokenID: other.ID, Until: until}, {TokenID: old.ID, Until: until}, {TokenID: next.ID, Until: until}}
	all, end := deaths(t, s, "")
	assert.Equal(t, want, all)
	news, _ := deaths(t, s, beginning)
	assert.Equal(t, want, news)
	news, _ = deaths(t, s, end)
	assert.Empty(t, news)

	// What changes nothing moves nothing.
	_, err = s.RaiseNotBefore(ctx, "alice", clock.Now())
	require.NoError(t, err)
	_, end = deaths(t, s, "")
	_, err = s.RaiseNotBefore(ctx, "alice", clock.Now().Add(-time.Minute))
	require.NoError(t, err)
	news, _ = deaths(t, s, end)
	assert.Empty(t, news)
}

func TestEndedSessionsKeepTheirPlaceUntilTheirTokensAreGone(t *testing.T) {
	ctx, clock := t.Context(), newClock()
	s := memstore.New(memstore.Config{Now: clock.Now, MaxEntries: 2})
	until := clock.Now().Add(time.Hour)
	for _, sid := range []string{"s-1", "s-2"} {
		require.NoError(t, s.StartSession(ctx, "alice", sid, until))
	}
	n, err := s.EndSessions(ctx, "alice")
	require.NoError(t, err, "ending needs no room")
	require.Equal(t, 2, n)
	require.ErrorIs(t, s.StartSession(ctx, "alice", "s-3", until), tokenauth.ErrUnavailable, "a death was evicted")
	all, _ := deaths(t, s, "")
	require.Len(t, all, 2)

	clock.move(time.Hour + 10*time.Minute)
	require.NoError(t, s.StartSession(ctx, "alice", "s-3", clock.Now().Add(time.Hour)))
	all, _ = deaths(t, s, "")
	require.Empty(t, all)
}

// A store that is full, and all whose sessions are ended, moved back and begun again, remembers no more than twice what it may.
func TestDeathsOfSessionsAreBounded(t *testing.T) {
	ctx, clock := t.Context(), newClock()
	s := memstore.New(memstore.Config{Now: clock.Now, MaxEntries: 10})
	for round := range 100 {
		for i := range 20 {
			sid := fmt.Sprint(round, "-", i%15)
			_ = s.StartSession(ctx, "alice", sid, clock.Now().Add(time.Hour))
			_ = s.StartSession(ctx, "alice", sid, clock.Now().Add(time.Minute))
		}
		_, err := s.EndSessions(ctx, "alice")
		require.NoError(t, err)
		clock.move(10 * time.Second)
	}
	all, _ := deaths(t, s, "")
	assert.LessOrEqual(t, len(all), 20)
}

func TestWaitSleepsUntilSomethingDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := memstore.New(memstore.Config{})
		_, end := deaths(t, s, "")
		var woken atomic.Int32
		for range 3 {
			go func() {
				if assert.NoError(t, s.Wait(ctx, end)) {
					woken.Add(1)
				}
			}()
		}
		record := newRecord(time.Now())
		require.NoError(t, s.Create(ctx, record))
		require.NoError(t, s.StartSession(ctx, "alice", "s-1", time.Now().Add(time.Hour)))
		synctest.Wait()
		require.Zero(t, woken.Load(), "woken though nothing died")
		_, err := s.Revoke(ctx, record.ID, tokenauth.Revocation{At: time.Now()})
		require.NoError(t, err)
		synctest.Wait()
		require.EqualValues(t, 3, woken.Load())
		require.NoError(t, s.Wait(ctx, "nonsense"), "Changes says that it is nonsense")
	})
}

func TestZeroStoreIsNoSource(t *testing.T) {
	s := &memstore.Store{}
	for _, err := range s.Changes(t.Context(), "") {
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	}
	require.ErrorIs(t, s.Wait(t.Context(), ""), tokenauth.ErrUnavailable)
}

func BenchmarkChanges(b *testing.B) {
	s, ids := filled(b, 100_000)
	for _, id := range ids {
		_, err := s.Revoke(b.Context(), id, tokenauth.Revocation{At: time.Now()})
		require.NoError(b, err)
	}
	_, end := deaths(b, s, "")
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			for _, err := range s.Changes(b.Context(), "") {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("nothing", func(b *testing.B) {
		for b.Loop() {
			for _, err := range s.Changes(b.Context(), end) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
