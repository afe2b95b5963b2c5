//go:build unix

package sqlitestore_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A bound in time is a promise of the store's, and the machine has its own part in every wait: a goroutine whose timer has fired still
// waits for its turn, milliseconds where nothing else runs and seconds where ten programs do. So that part is measured in the same moments,
// by goroutines that want nothing but to be woken, and taken off. What is left is the store's: one that does not look at its context keeps
// a caller waiting while everybody else is on time.

// slack is what a call may take beyond its deadline.
const slack = 50 * time.Millisecond

// tick is how often the goroutines that are on watch want to be woken.
const tick = time.Millisecond

// A span is a piece of time.
type span struct{ from, to time.Time }

// A lag is when the machine kept those waiting who were due.
type lag struct {
	stop  chan struct{}
	watch sync.WaitGroup
	mu    sync.Mutex
	late  [][]span // of each who is on watch
	worst time.Duration
}

// watchLag begins to measure. The caller ends it by end, before it asks.
func watchLag() *lag {
	l := &lag{stop: make(chan struct{}), late: make([][]span, 2*runtime.GOMAXPROCS(0))}
	for i := range l.late {
		l.watch.Go(func() { l.stand(i) })
	}
	return l
}

// stand is to be woken by a timer, as a call is whose context ends, and to step aside once, as one that has used up its turn.
func (l *lag) stand(i int) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		due := time.Now().Add(tick)
		select {
		case <-timer.C:
		case <-l.stop:
			return
		}
		runtime.Gosched()
		if now := time.Now(); now.Sub(due) > tick {
			l.mu.Lock()
			l.late[i] = append(l.late[i], span{due, now})
			l.worst = max(l.worst, now.Sub(due))
			l.mu.Unlock()
		}
		timer.Reset(tick)
	}
}

func (l *lag) end() {
	close(l.stop)
	l.watch.Wait()
}

// of returns how much of a call's time was the machine's: while somebody on watch was kept waiting, at most, and one turn more. That one
// is for the turn of the call itself, which may have come when theirs did not.
func (l *lag) of(call span) time.Duration {
	most := time.Duration(0)
	for _, late := range l.late {
		sum := time.Duration(0)
		for _, s := range late {
			from, to := s.from, s.to
			if from.Before(call.from) {
				from = call.from
			}
			if to.After(call.to) {
				to = call.to
			}
			sum += max(0, to.Sub(from))
		}
		most = max(most, sum)
	}
	return most + l.worst
}

// assertInTime checks that each call ended within its budget, but for what the machine kept it waiting. calls are those that may not have.
func (l *lag) assertInTime(t *testing.T, calls []span, budget time.Duration) {
	t.Helper()
	for _, call := range calls {
		took, machine := call.to.Sub(call.from), l.of(call)
		assert.LessOrEqual(t, took-machine, budget+slack, "a call took %v, of which the machine had %v at most", took, machine)
	}
}
