package replica_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

// stale returns a replica that nobody runs any more and that has passed its bound, of a source that takes a while to answer.
func stale(t *testing.T, slow time.Duration) *desk {
	d := newDesk(t, replica.Config{}).ready()
	require.ErrorIs(t, d.stop(), context.Canceled)
	sleep(bound + time.Millisecond)
	d.f.set(func(f *fake) { f.slow = slow })
	return d
}

func TestEqualQuestionsAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := stale(t, 50*time.Millisecond)
		dead, live := d.buried(d.f.store), d.create(d.f.store)
		began := time.Now()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { d.dead(dead) })
			all.Go(func() { d.alive(live) })
			all.Go(func() {
				epoch, err := d.r.Epoch(d.ctx, "alice")
				assert.NoError(t, err)
				assert.Zero(t, epoch)
			})
		}
		all.Wait()
		assert.Equal(t, 50*time.Millisecond, time.Since(began))
		assert.Equal(t, 3, d.asked())
		s := d.r.Stats()
		assert.EqualValues(t, 3, s.Asked)
		assert.EqualValues(t, 297, s.Joined)
		// A session and a token may have the same text, and are two questions.
		all.Go(func() { d.dead(dead) })
		all.Go(func() {
			active, err := d.r.IsSessionActive(d.ctx, "", dead.ID)
			assert.NoError(t, err)
			assert.False(t, active)
		})
		all.Wait()
		assert.Equal(t, 2, d.asked())
	})
}

// Whoever leaves, leaves alone: the others ask again, or go on waiting.
func TestCallersLeaveAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := stale(t, 60*time.Millisecond)
		dead := d.buried(d.f.store)
		leaves := func(after time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			began := time.Now()
			_, err := d.r.IsRevoked(ctx, dead.ID)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, tokenauth.ErrUnavailable)
			assert.Equal(t, after, time.Since(began))
		}
		var all sync.WaitGroup
		all.Go(func() { leaves(15 * time.Millisecond) }) // the first, who asks
		synctest.Wait()
		for range 3 {
			all.Go(func() { d.dead(dead) })
		}
		all.Go(func() { leaves(5 * time.Millisecond) })
		all.Wait()
		assert.Equal(t, 2, d.asked())
	})
}

// M4: all pass the bound together, with every request: few ask, and nobody waits for long.
func TestM4StampedeAtTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		sleep(time.Second)
		d.f.set(func(f *fake) { f.reads, f.slow, f.deaf = incomplete, 20*time.Millisecond, true })
		var all sync.WaitGroup
		var mu sync.Mutex
		longest := time.Duration(0)
		var sentAway atomic.Int64
		for i := range 5000 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 2 * time.Millisecond) // ten seconds of traffic
				began := time.Now()
				_, _ = d.r.IsRevoked(d.ctx, fmt.Sprint("id-", i%1000))
				mu.Lock()
				defer mu.Unlock()
				longest = max(longest, time.Since(began))
			})
		}
		// And at one moment beyond it, all at once.
		all.Go(func() {
			time.Sleep(8 * time.Second)
			for i := range 1000 {
				all.Go(func() {
					began := time.Now()
					if dead, err := d.r.IsRevoked(d.ctx, fmt.Sprint("new-", i)); err != nil {
						assert.ErrorIs(t, err, tokenauth.ErrUnavailable)
						assert.False(t, dead)
						assert.Zero(t, time.Since(began), "it waits for a seat")
						sentAway.Add(1)
					}
				})
			}
		})
		all.Wait()
		assert.Greater(t, sentAway.Load(), int64(900))
		assert.LessOrEqual(t, d.f.most, 16)
		assert.LessOrEqual(t, longest, 80*time.Millisecond)
		assert.NotZero(t, d.r.Stats().Busy)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

func TestAskingEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := stale(t, time.Hour)
		for _, ask := range []func() error{
			func() error { _, err := d.r.IsRevoked(d.ctx, "x"); return err },
			func() error { _, err := d.r.IsSessionActive(d.ctx, "x", "y"); return err },
			func() error { _, err := d.r.Epoch(d.ctx, "x"); return err },
		} {
			began := time.Now()
			require.ErrorIs(t, ask(), tokenauth.ErrUnavailable)
			require.Equal(t, 80*time.Millisecond, time.Since(began))
		}
		// Nor does vouching take longer.
		d.f.set(func(f *fake) {
			f.slow, f.change = 0, func(tokenauth.Change) error { time.Sleep(time.Minute); return nil }
			f.reads = hanging
		})
		began := time.Now()
		d.unknown(d.create(d.f.store))
		require.Equal(t, 160*time.Millisecond, time.Since(began), "two questions")
	})
}

// A store that panics is not asked for ever by those who have joined.
func TestStoreThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := replica.New(&panics{fake: newFake()}, replica.Config{})
		require.NoError(t, err)
		for range 20 {
			func() {
				defer func() { assert.NotNil(t, recover()) }()
				_, _ = r.IsRevoked(t.Context(), "x")
			}()
		}
	})
}

type panics struct{ *fake }

func (p *panics) IsRevoked(context.Context, string) (bool, error) { panic("out of order") }

// H2: with HoldLive what the source has no record of is refused, and what it called live is answered from memory until it dies.
func TestHoldLiveAsksAboutStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{HoldLive: 1 << 10})
		d.ready()
		live, dies := d.create(d.f.store), d.create(d.f.store)
		d.dead(record(), "no record means revoked")
		active, err := d.r.IsSessionActive(d.ctx, "alice", "never began")
		require.NoError(t, err)
		require.False(t, active)
		d.alive(live)
		d.alive(dies)
		require.NoError(t, d.f.store.StartSession(d.ctx, "alice", "s-1", time.Now().Add(time.Hour)))
		active, err = d.r.IsSessionActive(d.ctx, "alice", "s-1")
		require.NoError(t, err)
		require.True(t, active)
		require.Equal(t, 5, d.asked())

		d.alive(live)
		d.alive(dies)
		active, err = d.r.IsSessionActive(d.ctx, "alice", "s-1")
		require.NoError(t, err)
		require.True(t, active)
		_, err = d.r.Epoch(d.ctx, "alice")
		require.NoError(t, err)
		require.Zero(t, d.asked())
		require.Equal(t, 3, d.r.Stats().Live)

		d.kill(d.f.store, dies)
		require.NoError(t, d.f.store.EndSession(d.ctx, "alice", "s-1"))
		sleep(time.Second)
		d.dead(dies)
		active, err = d.r.IsSessionActive(d.ctx, "alice", "s-1")
		require.NoError(t, err)
		require.False(t, active)
		require.Equal(t, 1, d.r.Stats().Live)

		// It never answers alone: beyond the bound, and after everything was read anew, the source is asked again.
		d.f.set(func(f *fake) { f.down = errDown })
		sleep(bound + time.Second)
		d.unknown(live)
		s := memstore.New(memstore.Config{})
		d.buried(s, dies)
		require.NoError(t, s.StartSession(d.ctx, "alice", "s-1", time.Now().Add(time.Hour)))
		require.NoError(t, s.EndSession(d.ctx, "alice", "s-1"))
		d.f.set(func(f *fake) { f.store, f.down = s, nil })
		sleep(2 * time.Second)
		require.False(t, d.r.Stats().Lost)
		require.Zero(t, d.r.Stats().Live)
		d.dead(live, "the copy has no record of it")
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// An answer that was asked for before everything was read anew is not remembered after it.
func TestHoldLiveForgetsAnswersOfTheTimeBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{HoldLive: 1 << 10, AskTimeout: 4 * time.Second})
		d.ready()
		live := d.create(d.f.store)
		d.f.set(func(f *fake) { f.slow = 3 * time.Second })
		var asking sync.WaitGroup
		asking.Go(func() { d.alive(live) })
		sleep(time.Second)
		old := d.f.store
		d.f.set(func(f *fake) { f.store = memstore.New(memstore.Config{}) })
		sleep(time.Second + 500*time.Millisecond)
		require.EqualValues(t, 2, d.r.Stats().Loads)
		d.f.set(func(f *fake) { f.store, f.reads = old, incomplete })
		asking.Wait()
		require.EqualValues(t, 2, d.r.Stats().Loads)
		require.Zero(t, d.r.Stats().Live)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// A retired token is remembered as live in its grace, and dead after it.
func TestHoldLiveKnowsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{HoldLive: 1 << 10}).ready()
		old, next := d.create(d.f.store), record()
		next.RootID = old.ID
		d.alive(old)
		require.NoError(t, d.f.store.Rotate(d.ctx, old.ID, time.Now().Add(time.Minute), next))
		sleep(time.Second)
		require.Equal(t, 1, d.asked())
		d.alive(old)
		require.Zero(t, d.asked())
		sleep(time.Minute)
		d.dead(old)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

func TestHoldLiveIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{HoldLive: 640}).ready()
		for range 5000 {
			d.alive(d.create(d.f.store))
		}
		assert.LessOrEqual(t, d.r.Stats().Live, 640)
		assert.Greater(t, d.r.Stats().Live, 500)
		// More questions than seats wait for their turn: a burst of new tokens is no stampede.
		d.f.set(func(f *fake) { f.slow = time.Millisecond })
		var all sync.WaitGroup
		for range 1000 {
			record := d.create(d.f.store)
			all.Go(func() { d.alive(record) })
		}
		all.Wait()
		assert.LessOrEqual(t, d.f.most, 16)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// The source's errors are kept for errors.Is.
func TestWhyTheSourceDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := stale(t, 0)
		d.f.set(func(f *fake) { f.down = errDown })
		_, err := d.r.IsRevoked(d.ctx, "x")
		assert.True(t, errors.Is(err, errDown) && errors.Is(err, tokenauth.ErrUnavailable), err)
	})
}
