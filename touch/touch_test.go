package touch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/touch"
)

var _ touch.Store = (*memstore.Store)(nil)

// A call is one that a store got.
type call struct {
	at  time.Time
	ids []string
}

// A recorder is a store that notes what it gets, and refuses it while err is set.
type recorder struct {
	mu    sync.Mutex
	calls []call
	err   error
	do    func(ctx context.Context) error
}

func (r *recorder) Touch(ctx context.Context, at time.Time, ids ...string) error {
	if r.do != nil {
		if err := r.do(ctx); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.calls = append(r.calls, call{at, slices.Clone(ids)})
	return nil
}

// taken returns the calls since it was asked last.
func (r *recorder) taken() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// running starts a Toucher, which ends with the test, in a bubble.
func running(t *testing.T, store touch.Store, cfg touch.Config) *touch.Toucher {
	t.Helper()
	toucher, err := touch.New(store, cfg)
	require.NoError(t, err)
	go func() { _ = toucher.Run(t.Context()) }()
	synctest.Wait()
	return toucher
}

// pass lets d pass, in a bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestFlushIsSortedAndInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		toucher := running(t, store, touch.Config{})
		began := time.Now()
		for i := range 1201 {
			toucher.Touch(fmt.Sprintf("t-%04d", (i*7)%1201))
		}
		toucher.Touch("t-0000")
		require.Equal(t, touch.Stats{Waiting: 1201}, toucher.Stats())
		pass(15*time.Second - 1)
		require.Empty(t, store.taken(), "before it is time")
		pass(1)
		calls := store.taken()
		require.Len(t, calls, 3)
		var all []string
		for _, c := range calls {
			require.LessOrEqual(t, len(c.ids), touch.BatchSize)
			require.Equal(t, began, c.at, "when it was used, and not when it is written")
			all = append(all, c.ids...)
		}
		require.Len(t, all, 1201)
		require.True(t, slices.IsSorted(all))
		require.Len(t, slices.Compact(all), 1201)
		require.Equal(t, touch.Stats{Written: 1201}, toucher.Stats())
	})
}

func TestAtMostOneWriteAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		toucher := running(t, store, touch.Config{Every: 7 * time.Second})
		var writes []time.Time
		for range 600 { // in use all the time
			toucher.Touch("t-1")
			pass(time.Second)
			for range store.taken() {
				writes = append(writes, time.Now())
			}
		}
		require.Greater(t, len(writes), 8)
		for i := range writes[1:] {
			require.GreaterOrEqual(t, writes[i+1].Sub(writes[i]), touch.Rest)
			require.Less(t, writes[i+1].Sub(writes[i]), touch.Rest+3*7*time.Second)
		}
	})
}

func TestWhatDoesNotFitIsDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		toucher := running(t, store, touch.Config{Tokens: 3})
		for i := range 5 {
			toucher.Touch(strconv.Itoa(i))
			toucher.Touch(strconv.Itoa(i)) // is dropped again, or is there
		}
		require.Equal(t, touch.Stats{Waiting: 3, Dropped: 4}, toucher.Stats())
		pass(15 * time.Second)
		require.Equal(t, []string{"0", "1", "2"}, store.taken()[0].ids)
		toucher.Touch("4")
		require.Equal(t, touch.Stats{Written: 3, Dropped: 5}, toucher.Stats(), "those that were written are remembered as well")
		pass(2 * time.Minute)
		toucher.Touch("4")
		require.Equal(t, touch.Stats{Waiting: 1, Written: 3, Dropped: 5}, toucher.Stats())
	})
}

func TestDefaultBound(t *testing.T) {
	toucher, err := touch.New(&recorder{}, touch.Config{})
	require.NoError(t, err)
	for i := range 65_540 {
		toucher.Touch(strconv.Itoa(i))
	}
	require.Equal(t, touch.Stats{Waiting: 65_536, Dropped: 4}, toucher.Stats())
}

func TestFailureKeepsWhatWasNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, broken := &recorder{}, errors.New("the store is away")
		var told []error
		toucher := running(t, store, touch.Config{OnError: func(err error) { told = append(told, err) }})
		calls := 0
		store.do = func(context.Context) error {
			if calls++; calls == 2 {
				return broken
			}
			return nil
		}
		first := time.Now()
		for i := range 1200 {
			toucher.Touch(fmt.Sprintf("t-%04d", i))
		}
		pass(15 * time.Second)
		require.Len(t, store.taken(), 1, "the first batch; nobody asked for the third")
		require.Equal(t, touch.Stats{Waiting: 700, Written: 500, Failures: 1}, toucher.Stats())
		require.Len(t, told, 1)
		require.ErrorIs(t, told[0], broken)

		store.fail(broken)
		pass(10 * time.Minute)
		require.Equal(t, touch.Stats{Waiting: 700, Written: 500, Failures: 41}, toucher.Stats())
		again := time.Now()
		toucher.Touch("t-0000") // was written, and may be again
		toucher.Touch("t-0999") // was not, and is in use again
		store.fail(nil)
		pass(15 * time.Second)
		late := store.taken()
		require.Len(t, late, 3)
		require.Equal(t, first, late[0].at, "as used before the outage")
		require.Equal(t, first, late[1].at)
		require.Equal(t, call{again, []string{"t-0000", "t-0999"}}, late[2])
		require.Equal(t, touch.Stats{Written: 1201, Failures: 41}, toucher.Stats())
	})
}

func TestRunWritesOnceMoreAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		toucher, err := touch.New(store, touch.Config{})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- toucher.Run(ctx) }()
		synctest.Wait()
		require.ErrorContains(t, toucher.Run(ctx), "running already")
		toucher.Touch("t-1")
		stop()
		require.Equal(t, context.Canceled, <-ended)
		require.Len(t, store.taken(), 1)

		// It may be run again, and then by a context that has ended already.
		toucher.Touch("t-2")
		require.Equal(t, context.Canceled, toucher.Run(ctx))
		require.Equal(t, []string{"t-2"}, store.taken()[0].ids)
	})
}

func TestFlushIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		store := &recorder{do: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		toucher, err := touch.New(store, touch.Config{Timeout: 2 * time.Second, OnError: func(err error) { told = append(told, err) }})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- toucher.Run(ctx) }()
		for i := range 1000 {
			toucher.Touch(strconv.Itoa(i))
		}
		pass(17 * time.Second)
		require.Len(t, told, 1)
		require.ErrorIs(t, told[0], context.DeadlineExceeded)

		pass(14 * time.Second) // amid the second flush
		began := time.Now()
		stop()
		require.Equal(t, context.Canceled, <-ended)
		require.Equal(t, 2*time.Second, time.Since(began), "the last flush has a time of its own")
		require.Len(t, told, 2, "the second flush was cut off, which is no failure of the store's; the last one was one")
		require.Equal(t, touch.Stats{Waiting: 1000, Failures: 2}, toucher.Stats())
	})
}

// A store that hangs delays nobody who touches, and what is touched meanwhile is not lost.
func TestTouchNeverWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		store := &recorder{do: func(context.Context) error { <-hang; return nil }}
		toucher := running(t, store, touch.Config{})
		toucher.Touch("t-1")
		pass(15 * time.Second)
		began := time.Now()
		toucher.Touch("t-1") // is being written
		toucher.Touch("t-2")
		require.Equal(t, touch.Stats{Waiting: 2}, toucher.Stats())
		require.Zero(t, time.Since(began))
		close(hang)
		pass(15 * time.Second)
		require.Equal(t, []string{"t-1"}, store.calls[0].ids)
		require.Equal(t, []string{"t-2"}, store.calls[1].ids)
		require.Len(t, store.calls, 2)
	})
}

func TestIDsThatNoStoreHoldsAreIgnored(t *testing.T) {
	toucher, err := touch.New(&recorder{}, touch.Config{})
	require.NoError(t, err)
	for _, id := range []string{"", strings.Repeat("x", 129), "a\x00b", "\xff"} {
		toucher.Touch(id)
	}
	require.Equal(t, touch.Stats{}, toucher.Stats())
	toucher.Touch(strings.Repeat("x", 128))
	require.Equal(t, touch.Stats{Waiting: 1}, toucher.Stats())
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		store touch.Store
		cfg   touch.Config
		want  []string
	}{
		{"no store", nil, touch.Config{}, []string{"store: nil"}},
		{"a nil pointer", (*recorder)(nil), touch.Config{}, []string{"store: nil"}},
		{"too often", &recorder{}, touch.Config{Every: time.Second - 1}, []string{"Config.Every"}},
		{"too seldom", &recorder{}, touch.Config{Every: time.Minute + 1}, []string{"Config.Every"}},
		{"no time", &recorder{}, touch.Config{Timeout: -1}, []string{"Config.Timeout"}},
		{"too much time", &recorder{}, touch.Config{Timeout: time.Minute + 1}, []string{"Config.Timeout"}},
		{"no tokens", &recorder{}, touch.Config{Tokens: -1}, []string{"Config.Tokens"}},
		{"too many tokens", &recorder{}, touch.Config{Tokens: touch.MaxTokens + 1}, []string{"Config.Tokens"}},
		{"everything", nil, touch.Config{Every: -1, Timeout: -1, Tokens: -1}, []string{"store", "Config.Every", "Config.Timeout", "Config.Tokens"}},
		{"the least", &recorder{}, touch.Config{Every: touch.MinEvery, Timeout: touch.MinTimeout, Tokens: 1}, nil},
		{"the most", &recorder{}, touch.Config{Every: touch.MaxEvery, Timeout: touch.MaxTimeout, Tokens: touch.MaxTokens}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			toucher, err := touch.New(test.store, test.cfg)
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			require.Nil(t, toucher)
			for _, field := range test.want {
				require.ErrorContains(t, err, field)
			}
			require.Len(t, strings.Split(err.Error(), "\n"), len(test.want))
		})
	}
}

func TestZeroToucher(t *testing.T) {
	toucher := new(touch.Toucher)
	toucher.Touch("t-1")
	require.Equal(t, touch.Stats{}, toucher.Stats())
	require.Error(t, toucher.Run(t.Context()))
}

// Many who touch while it is written: for the race detector, and every id is written.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		calls := 0
		store.do = func(context.Context) error {
			if calls++; calls%3 == 0 {
				return errors.New("now and then")
			}
			return nil
		}
		toucher := running(t, store, touch.Config{Every: time.Second})
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for j := range 3000 {
					toucher.Touch(fmt.Sprint(i, "-", j))
					if j%100 == 0 {
						time.Sleep(100 * time.Millisecond)
						_ = toucher.Stats()
					}
				}
			})
		}
		group.Wait()
		pass(10 * time.Minute)
		seen := map[string]int{}
		for _, c := range store.taken() {
			require.True(t, slices.IsSorted(c.ids))
			for _, id := range c.ids {
				seen[id]++
			}
		}
		require.Len(t, seen, 8*3000)
		for id, n := range seen {
			assert.Equal(t, 1, n, id)
		}
		stats := toucher.Stats()
		require.NotZero(t, stats.Failures)
		stats.Failures = 0
		require.Equal(t, touch.Stats{Written: 8 * 3000}, stats)
	})
}

// Touch is called with every request, nearly always for an id it knows.
func TestTouchOfAKnownIDDoesNotAllocate(t *testing.T) {
	toucher, err := touch.New(&recorder{}, touch.Config{})
	require.NoError(t, err)
	toucher.Touch("t-1")
	require.Zero(t, testing.AllocsPerRun(1000, func() { toucher.Touch("t-1") }))
}

func BenchmarkTouch(b *testing.B) {
	toucher, err := touch.New(&recorder{}, touch.Config{})
	require.NoError(b, err)
	ids := make([]string, 1<<14)
	for i := range ids {
		ids[i] = fmt.Sprintf("0198a1b2-0000-7000-8000-%012d", i)
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			toucher.Touch(ids[i%len(ids)])
		}
	})
}
