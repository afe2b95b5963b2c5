package replica

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// What was read vouches for what is looked at, and never what is read meanwhile for what was looked at before: in each round the old view
// is too old to answer, and the new one comes only after the death that the reader asks about.
func TestNoViewVouchesForALookUpBeforeIt(t *testing.T) {
	const rounds = 30_000
	var now atomic.Int64 // rounds that have begun, one every ten seconds
	elapsed := func() time.Duration { return time.Duration(now.Load()) * 10 * time.Second }
	cfg := Config{Elapsed: elapsed, Now: func() time.Time { return time.Unix(1_800_000_000, 0).Add(elapsed()) }}.complete()
	r := &Replica{cfg: cfg, clock: newClock(cfg), tokens: newGraves()}
	names := make([]name, rounds)
	for i := range names {
		names[i] = nameOf(uuid.NewString())
	}
	var readers sync.WaitGroup
	var wrong atomic.Bool
	for range 2 {
		readers.Go(func() {
			for !wrong.Load() {
				round := now.Load()
				if round == rounds {
					return
				}
				if dead, known := r.look(r.tokens, names[round]); !dead && known {
					wrong.Store(true)
				}
			}
		})
	}
	for round := range int64(rounds) {
		now.Store(round)
		r.tokens.bury(names[round], time.Time{}, time.Time{}, 0, 0)
		r.view.Store(&view{began: r.clock.read()})
	}
	now.Store(rounds)
	readers.Wait()
	require.False(t, wrong.Load(), "what was not yet there when it was looked for was vouched for by a later read")
}
