package memstore_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testkit"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Config{
		Races: 2000,
		New: func(_ testing.TB, now func() time.Time) storetest.Stores {
			s := memstore.New(memstore.Config{Now: now})
			return storetest.Stores{
				Tokens: s, Sessions: s, Epochs: s, OneTime: s,
				Lose: func() { *s = memstore.Store{} },
			}
		},
	})
}

func Example() {
	ctx := context.Background()
	store := memstore.New(memstore.Config{})

	expiry := time.Now().Add(time.Hour)
	token := tokenauth.NewStoredAccessToken("ci-runner", "alice", nil, nil, expiry, "alice")
	if err := store.Create(ctx, token); err != nil {
		fmt.Println(err)
	}
	fmt.Println(store.IsRevoked(ctx, token.ID))

	revocation := tokenauth.Revocation{At: time.Now(), By: "alice", Reason: "lost laptop"}
	fmt.Println(store.Revoke(ctx, token.ID, revocation))
	fmt.Println(store.IsRevoked(ctx, token.ID))
	fmt.Println(store.IsRevoked(ctx, "an id that was never issued here"))
	// Output:
	// false <nil>
	// 1 <nil>
	// true <nil>
	// true <nil>
}

// A clock that tests move.
type clock struct{ unix atomic.Int64 }

func (c *clock) Now() time.Time       { return time.Unix(c.unix.Load(), 0) }
func (c *clock) move(d time.Duration) { c.unix.Add(int64(d / time.Second)) }

func newClock() *clock {
	c := &clock{}
	c.unix.Store(1_800_000_000)
	return c
}

// newRecord returns a root that lives for an hour from now.
func newRecord(now time.Time) *tokenauth.StoredAccessToken {
	t := tokenauth.NewStoredAccessToken("ci-runner", "alice", nil, nil, now.Add(time.Hour), "alice")
	t.CreatedAt = now
	return t
}

// What a caller hands in is often part of a longer text, such as all that a token says. Of that nothing stays but what was asked for.
func TestTheStoreKeepsNoMoreThanWhatItIsGiven(t *testing.T) {
	const longer = 64 << 10
	part := func(n int) string { return strings.Repeat(fmt.Sprintf("%08d", n), longer/8)[:8] }
	for name, keep := range map[string]func(ctx context.Context, s *memstore.Store, n int) error{
		"who a record is of": func(ctx context.Context, s *memstore.Store, n int) error {
			r := newRecord(time.Now())
			r.Subject, r.Owner, r.CreatedBy, r.ClientID, r.SessionID, r.Name = part(n), part(n), part(n), part(n), part(n), part(n)
			return s.Create(ctx, r)
		},
		"what a record may do": func(ctx context.Context, s *memstore.Store, n int) error {
			r := newRecord(time.Now())
			r.Roles, r.Scopes = []string{part(n)}, []tokenauth.TokenScope{{ResourceKind: part(n), ResourceID: part(n), Level: tokenauth.LevelRead}}
			return s.Create(ctx, r)
		},
		"a record's id": func(ctx context.Context, s *memstore.Store, n int) error {
			r := newRecord(time.Now())
			r.ID, r.RootID = part(n), part(n)
			return s.Create(ctx, r)
		},
		"who revoked": func(ctx context.Context, s *memstore.Store, n int) error {
			r := newRecord(time.Now())
			if err := s.Create(ctx, r); err != nil {
				return err
			}
			_, err := s.Revoke(ctx, r.ID, tokenauth.Revocation{At: time.Now(), By: part(n), Reason: part(n)})
			return err
		},
		"a session": func(ctx context.Context, s *memstore.Store, n int) error {
			return s.StartSession(ctx, part(n), part(n), time.Now().Add(time.Hour))
		},
		"an epoch": func(ctx context.Context, s *memstore.Store, n int) error {
			_, err := s.BumpEpoch(ctx, part(n))
			return err
		},
		"a key": func(ctx context.Context, s *memstore.Store, n int) error {
			return s.Consume(ctx, part(n), time.Now().Add(time.Hour))
		},
	} {
		s := memstore.New(memstore.Config{})
		before := testkit.HeapInUse()
		const calls = 100
		for n := range calls {
			require.NoError(t, keep(t.Context(), s, n), name)
		}
		require.Less(t, int64(testkit.HeapInUse())-int64(before), int64(calls*longer/4), name)
		runtime.KeepAlive(s)
	}
}

func TestFullStoreRefusesAndEvictsNothing(t *testing.T) {
	ctx, clock := t.Context(), newClock()
	s := memstore.New(memstore.Config{Now: clock.Now, MaxEntries: 2})
	until := clock.Now().Add(time.Hour)
	first, second := newRecord(clock.Now()), newRecord(clock.Now())

	require.NoError(t, s.Create(ctx, first))
	require.NoError(t, s.Create(ctx, second))
	require.ErrorIs(t, s.Create(ctx, newRecord(clock.Now())), tokenauth.ErrUnavailable)
	successor := newRecord(clock.Now())
	successor.RootID = first.ID
	require.ErrorIs(t, s.Rotate(ctx, first.ID, until, successor), tokenauth.ErrUnavailable)
	kept, err := s.Get(ctx, first.ID)
	require.NoError(t, err)
	assert.Empty(t, kept.SuccessorID, "half of a rotation was kept")

	require.NoError(t, s.StartSession(ctx, "alice", "s-1", until))
	require.NoError(t, s.StartSession(ctx, "alice", "s-2", until))
	require.ErrorIs(t, s.StartSession(ctx, "alice", "s-3", until), tokenauth.ErrUnavailable)

	require.NoError(t, s.Consume(ctx, "k-1", until))
	require.NoError(t, s.Consume(ctx, "k-2", until))
	require.ErrorIs(t, s.Consume(ctx, "k-3", until), tokenauth.ErrUnavailable)
	require.ErrorIs(t, s.Consume(ctx, "k-1", until), tokenauth.ErrReplayed)

	for _, subject := range []string{"alice", tokenauth.Everyone} {
		_, err := s.RaiseNotBefore(ctx, subject, clock.Now())
		require.NoError(t, err)
	}
	_, err = s.BumpEpoch(ctx, "bob")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)

	// What needs no room goes on.
	_, err = s.BumpEpoch(ctx, "alice")
	require.NoError(t, err)
	require.NoError(t, s.StartSession(ctx, "alice", "s-1", until.Add(time.Hour)))
	n, err := s.Revoke(ctx, first.ID, tokenauth.Revocation{At: clock.Now()})
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	for id, want := range map[string]bool{first.ID: true, second.ID: false} {
		revoked, err := s.IsRevoked(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, want, revoked)
	}

	// Room comes by deleting what has expired, and for sessions and keys by themselves.
	clock.move(2 * time.Hour)
	n, err = s.DeleteExpired(ctx, clock.Now(), 10)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	require.NoError(t, s.Create(ctx, newRecord(clock.Now())))
	require.NoError(t, s.StartSession(ctx, "alice", "s-3", clock.Now().Add(time.Hour)))
	require.NoError(t, s.Consume(ctx, "k-3", clock.Now().Add(time.Hour)))
}

func TestSessionsAndKeysThatAreOverLeaveByThemselves(t *testing.T) {
	ctx, clock := t.Context(), newClock()
	s := memstore.New(memstore.Config{Now: clock.Now, MaxEntries: 20})
	for i := range 1000 {
		until := clock.Now().Add(5 * time.Minute)
		require.NoError(t, s.StartSession(ctx, "alice", fmt.Sprint(i), until)) // it is kept five minutes longer, and so is a key
		require.NoError(t, s.Consume(ctx, fmt.Sprint(i), until))
		clock.move(time.Minute)
	}
}

func TestKeyThatCouldBeForgottenAtOnceIsRefused(t *testing.T) {
	clock := newClock()
	s := memstore.New(memstore.Config{Now: clock.Now})
	require.ErrorIs(t, s.Consume(t.Context(), "k-1", clock.Now().Add(-5*time.Minute)), tokenauth.ErrInvalidRequest)
	require.NoError(t, s.Consume(t.Context(), "k-1", clock.Now().Add(-5*time.Minute+time.Second)))
	require.NoError(t, s.Consume(t.Context(), "k-2", clock.Now().Add(time.Hour)))
	require.ErrorIs(t, s.Consume(t.Context(), "k-1", clock.Now().Add(time.Hour)), tokenauth.ErrReplayed)
}

func TestZeroStoreHasNoMarker(t *testing.T) {
	s := &memstore.Store{}
	_, err := s.IsRevoked(t.Context(), "x")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.ErrorIs(t, s.Create(t.Context(), newRecord(time.Now())), tokenauth.ErrUnavailable)
	_, err = s.IsRevoked(t.Context(), "x")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable, "a write brought the marker back")
}

func TestDefaultsAreReadyForUse(t *testing.T) {
	s := memstore.New(memstore.Config{MaxEntries: -1})
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", time.Now().Add(time.Hour)))
	active, err := s.IsSessionActive(t.Context(), "alice", "s-1")
	require.NoError(t, err)
	assert.True(t, active)
}

// A Verifier that finds this method starts no timer around a call.
func TestStoreAnswersFromMemory(t *testing.T) {
	var s any = memstore.New(memstore.Config{})
	_, ok := s.(interface{ AnswersFromMemory() })
	assert.True(t, ok)
}

// filled returns a store of n records, of a thousand owners, and their ids.
func filled(b *testing.B, n int) (*memstore.Store, []string) {
	s := memstore.New(memstore.Config{MaxEntries: 1 << 30})
	ids := make([]string, n)
	now := time.Now()
	for i := range ids {
		t := newRecord(now)
		t.Owner = fmt.Sprint("user-", i%1000)
		require.NoError(b, s.Create(b.Context(), t))
		ids[i] = t.ID
	}
	return s, ids
}

func BenchmarkStore(b *testing.B) {
	for _, n := range []int{1e4, 1e6} {
		b.Run(fmt.Sprint("records=", n), func(b *testing.B) {
			s, ids := filled(b, n)
			ctx := context.Background()
			b.Run("IsRevoked", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if revoked, err := s.IsRevoked(ctx, ids[i*7919%n]); revoked || err != nil {
						b.Fatal(revoked, err)
					}
				}
			})
			b.Run("IsRevoked/parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						_, _ = s.IsRevoked(ctx, ids[i*7919%n])
					}
				})
			})
			b.Run("List", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					for _, err := range s.List(ctx, tokenauth.TokenFilter{Owner: fmt.Sprint("user-", i%1000), Limit: 10}) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
			b.Run("Create", func(b *testing.B) {
				b.ReportAllocs()
				now := time.Now()
				for range b.N {
					if err := s.Create(ctx, newRecord(now)); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("Revoke", func(b *testing.B) {
				b.ReportAllocs()
				r := tokenauth.Revocation{At: time.Now()}
				for i := 0; b.Loop(); i++ {
					if _, err := s.Revoke(ctx, ids[i*7919%n], r); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
