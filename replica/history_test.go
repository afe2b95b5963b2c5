package replica_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

// A history is what writers were told and what verifiers were answered, under a schedule of troubles drawn from a seed: no answer that was
// asked for later than the bound after a revocation had returned says that the token lives. The troubles are those of a line (wake-ups cut,
// reads that fail, break off or hang, a source that is down), of a machine (sleeps, clocks set back and forth, Run stopped and run again),
// and of a database: transactions that are held open, so that what was begun first is acknowledged last.

// A heldOpen source hides writes until they are acknowledged, as a database does, whenever they began.
type heldOpen struct {
	*fake
	mu        sync.Mutex
	committed []tokenauth.Change
	dead      map[string]bool
	restarts  int
}

// commit lets a death be seen.
func (h *heldOpen) commit(change tokenauth.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.committed = append(h.committed, change)
	h.dead[change.TokenID] = true
}

// read yields what a cursor's reader has not seen of what was committed, as an exact snapshot delta does.
func (h *heldOpen) read(_ context.Context, _ *memstore.Store, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		h.mu.Lock()
		restarts, seen := h.restarts, 0
		if since != "" {
			_, _ = fmt.Sscanf(string(since), "%d:%d", &restarts, &seen)
		}
		if restarts != h.restarts {
			h.mu.Unlock()
			yield(tokenauth.Change{}, tokenauth.ErrStaleCursor)
			return
		}
		all := slices.Clone(h.committed[seen:])
		next := tokenauth.Cursor(fmt.Sprintf("%d:%d", h.restarts, len(h.committed)))
		h.mu.Unlock()
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, change := range append(all, tokenauth.Change{Next: next}) {
			if !yield(change, nil) {
				return
			}
		}
	}
}

// restart makes all cursors stale.
func (h *heldOpen) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restarts++
}

func (h *heldOpen) IsRevoked(ctx context.Context, jti string) (bool, error) {
	if _, err := h.direct(ctx); err != nil {
		return false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dead[jti], nil
}

func TestHistoriesUnderTrouble(t *testing.T) {
	seeds, err := strconv.Atoi(cmp.Or(os.Getenv("REPLICA_HISTORIES"), "20"))
	require.NoError(t, err)
	accepted, refused, unknown := 0, 0, 0
	for seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, r, u := history(t, rand.New(rand.NewPCG(uint64(seed), 8)))
				accepted, refused, unknown = accepted+a, refused+r, unknown+u
			})
		})
	}
	t.Logf("%d answers live, %d dead, %d unknown", accepted, refused, unknown)
	require.Positive(t, accepted)
	require.Positive(t, refused)
	require.Positive(t, unknown)
}

// history plays five minutes and returns how often verifiers were told that a token lives, that it is dead, and that nobody knows.
func history(t *testing.T, random *rand.Rand) (accepted, refused, unknown int) {
	const length = 5 * time.Minute
	h := &heldOpen{fake: newFake(), dead: map[string]bool{}}
	h.reads = h.read
	l := newLab()
	r, err := replica.New(h, l.config(replica.Config{}))
	require.NoError(t, err)
	d := &desk{t: t, ctx: t.Context(), f: h.fake, r: r}
	d.run()
	d.ready()

	type dead struct {
		id       string
		returned time.Time
	}
	var mu sync.Mutex
	var returned []dead
	ends := time.Now().Add(length)
	var story sync.WaitGroup
	for range 4 {
		seed := random.Uint64()
		story.Go(func() { // a writer, whose transactions are held open for up to three seconds
			random := rand.New(rand.NewPCG(seed, 1))
			for time.Now().Before(ends) {
				id := record().ID
				time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
				h.commit(tokenauth.Change{TokenID: id, Until: time.Now().Add(24 * time.Hour)})
				mu.Lock()
				returned = append(returned, dead{id, time.Now()})
				mu.Unlock()
			}
		})
	}
	for range 4 {
		seed := random.Uint64()
		story.Go(func() { // a verifier
			random := rand.New(rand.NewPCG(seed, 2))
			for time.Now().Before(ends) {
				time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
				mu.Lock()
				var about dead
				if n := len(returned); n > 0 {
					about = returned[max(0, n-1-random.IntN(20))]
				}
				mu.Unlock()
				if about.id == "" {
					continue
				}
				began := time.Now()
				isDead, err := r.IsRevoked(t.Context(), about.id)
				mu.Lock()
				switch {
				case err != nil:
					unknown++
				case isDead:
					refused++
				default:
					accepted++
					if age := began.Sub(about.returned); age > bound {
						t.Errorf("accepted %v after its revocation had returned", age)
					}
				}
				mu.Unlock()
			}
		})
	}
	trouble(h, d, l, random, ends)
	story.Wait()
	require.ErrorIs(t, d.stop(), context.Canceled)
	return accepted, refused, unknown
}

// trouble makes one trouble after the other, each for up to twelve seconds.
func trouble(h *heldOpen, d *desk, l *lab, random *rand.Rand, ends time.Time) {
	for time.Now().Before(ends) {
		time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
		lasts := time.Duration(random.IntN(12000)) * time.Millisecond
		switch random.IntN(10) {
		case 0:
			h.set(func(f *fake) { f.down = errDown })
		case 1:
			h.set(func(f *fake) { f.hangs = true })
		case 2:
			h.set(func(f *fake) { f.deaf = true })
		case 3:
			h.set(func(f *fake) { f.reads = incomplete })
		case 4:
			h.set(func(f *fake) { f.reads = hanging })
		case 5: // reads break off
			seed := random.Uint64()
			var once sync.Mutex
			broken := rand.New(rand.NewPCG(seed, 3))
			h.set(func(f *fake) {
				f.change = func(tokenauth.Change) error {
					once.Lock()
					defer once.Unlock()
					if broken.IntN(3) == 0 {
						return errDown
					}
					return nil
				}
			})
		case 6: // Run is stopped
			_ = d.stop()
			time.Sleep(lasts)
			d.run()
			continue
		case 7: // the wall clock jumps, as after a sleep, and perhaps back
			l.set(time.Duration(random.IntN(60)) * time.Second)
			if random.IntN(2) == 0 {
				time.Sleep(lasts)
				l.set(-time.Duration(random.IntN(60)) * time.Second)
			}
			continue
		case 8:
			h.restart()
		case 9: // slow answers
			h.set(func(f *fake) { f.slow = time.Duration(random.IntN(100)) * time.Millisecond })
		}
		time.Sleep(lasts)
		h.set(func(f *fake) { f.down, f.hangs, f.deaf, f.reads, f.change, f.slow = nil, false, false, h.read, nil, 0 })
	}
}
