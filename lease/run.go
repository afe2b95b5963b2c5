package lease

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// One loop decides, many workers ask. The loop never waits for a store: it ends what has not been confirmed in time even while every worker
// hangs. All leases stand in one heap, by the moment at which the loop has to look at them again: the next check, and while one is under way
// or has failed, the end.

// Leases ends contexts when their tokens die. It is safe for concurrent use. New makes it; it does nothing until Run is called.
type Leases struct {
	verifier *tokenauth.Verifier
	cfg      Config
	wake     chan struct{} // holds one when the loop should look at the heap again
	ready    chan struct{} // closed when Run has begun for the first time

	mu      sync.Mutex // guards what follows
	running bool
	heap    agenda
	stats   Stats
}

// Stats counts, since New.
type Stats struct {
	Live        int    // leases there are now
	Checks      uint64 // answers of the Verifier
	Unavailable uint64 // of these, that nobody knew
	Dead        uint64 // leases that ended because their token is dead or expired
	Unconfirmed uint64 // leases that ended because nobody knew for too long
}

// Stats returns the counters.
func (l *Leases) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Live = len(l.heap)
	return s
}

// A held is one lease.
type held struct {
	principal *tokenauth.Principal
	ctx       context.Context
	cancel    context.CancelCauseFunc

	// What follows is guarded by the mutex of Leases.
	confirmed time.Time // when the last check began that found it alive
	next      time.Time // when to look at it again
	asking    bool      // a check is under way, or waits for a worker
	urgent    bool      // and another one is, since the token has come to its expiry meanwhile
	place     int       // in the heap; -1: it has ended
}

const (
	grain = 10 * time.Millisecond // how finely Run sleeps: what falls due within it is looked at together
	tick  = time.Second           // how long it sleeps at most, since a timer stands still while the machine sleeps

	maxBatch = 8 // leases that a worker takes at a time, if there are more than enough for all workers
)

// since is how much time has passed: the larger of what the monotonic clock and the wall clock say.
func since(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

// room says whether there may be one more lease. Its caller holds the mutex.
func (l *Leases) room() error {
	switch {
	case !l.running:
		return errNotRunning
	case len(l.heap) >= l.cfg.MaxLeases:
		return errTooMany
	}
	return nil
}

// mayKeep says whether there is any use in judging one more principal.
func (l *Leases) mayKeep() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room()
}

// keep takes h into the heap, if there is room and somebody to end it: the same moment decides both.
func (l *Leases) keep(h *held) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.room(); err != nil {
		return err
	}
	h.next = l.nextCheck(h, h.confirmed)
	heap.Push(&l.heap, h)
	if h.place == 0 {
		l.nudge()
	}
	return nil
}

// drop ends h because its holder has done.
func (l *Leases) drop(h *held) {
	l.mu.Lock()
	l.remove(h)
	l.mu.Unlock()
	h.cancel(nil)
}

// remove takes h out of the heap and says whether it was there.
func (l *Leases) remove(h *held) bool {
	if h.place < 0 {
		return false
	}
	heap.Remove(&l.heap, h.place)
	return true
}

// nudge makes the loop look at the heap again.
func (l *Leases) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// nextCheck is when a lease that was alive at a moment is asked about again: after Every, or in the second of its expiry if that is earlier.
// What lives on after its expiry, by the Verifier's Leeway, is looked at each second.
func (l *Leases) nextCheck(h *held, at time.Time) time.Time {
	left := h.principal.ExpiresAt().Sub(at.Round(0))
	if left <= 0 {
		left = time.Second
	}
	return at.Add(min(l.cfg.Every, left))
}

// Run checks the leases until ctx ends, and returns its cause; all leases have ended by then, and no goroutine is left. Of two Runs at once
// the second returns an error. It may be called again.
func (l *Leases) Run(ctx context.Context) error {
	if err := l.begin(); err != nil {
		return err
	}
	work := make(chan []*held)
	var workers sync.WaitGroup
	for range l.cfg.Workers {
		workers.Go(func() {
			for batch := range work {
				for _, h := range batch {
					l.check(h)
				}
			}
		})
	}
	l.loop(ctx, work)
	close(work)
	l.endAll() // which ends the checks under way, too
	workers.Wait()
	return context.Cause(ctx)
}

// begin says that this is the only Run, or why it is none.
func (l *Leases) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.verifier == nil:
		return errNotMade
	case l.running:
		return errTwoRuns
	}
	l.running = true
	select {
	case <-l.ready:
	default:
		close(l.ready)
	}
	return nil
}

// WaitReady returns nil once Run has begun for the first time: from then on, until it returns, leases are given. If ctx ends before, it
// returns ctx's error.
func (l *Leases) WaitReady(ctx context.Context) error {
	if l.verifier == nil {
		return errNotMade
	}
	select {
	case <-l.ready:
		return nil
	default: // and only then may ctx have ended
	}
	select {
	case <-l.ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("lease: Run has not begun: %w", ctx.Err())
	}
}

// endAll ends every lease and takes no more.
func (l *Leases) endAll() {
	l.mu.Lock()
	all := l.heap
	l.heap, l.running = nil, false
	for _, h := range all {
		h.place = -1
	}
	l.mu.Unlock()
	for _, h := range all {
		h.cancel(errNotRunning)
	}
}

// loop hands out what is due, and ends what was not confirmed in time.
func (l *Leases) loop(ctx context.Context, work chan<- []*held) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var waiting []*held // for a worker, the longest first
	for {
		due, late, sleep := l.due()
		for _, h := range late {
			h.cancel(errUnconfirmed)
		}
		waiting = enqueue(waiting, due, l.cfg.Now())
		batch, hand := waiting[:min(len(waiting), 1+len(waiting)/l.cfg.Workers, maxBatch)], work
		if len(batch) == 0 {
			hand = nil // nothing to hand out
		}
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.wake:
		case hand <- batch:
			waiting = waiting[len(batch):]
		}
	}
}

// enqueue puts leases behind those that wait for a worker. Those whose token has come to its expiry go first: the Verifier judges that before
// it asks a store, so a store that hangs delays it by no more than the answer that a worker waits for.
func enqueue(waiting, due []*held, now time.Time) []*held {
	var expired []*held
	for _, h := range due {
		if now.Before(h.principal.ExpiresAt()) {
			waiting = append(waiting, h)
		} else {
			expired = append(expired, h)
		}
	}
	if len(expired) == 0 {
		return waiting
	}
	return append(expired, waiting...) // at once: a whole service's tokens may expire in one second
}

// lastMoment is when to look again at a lease that is asked about: when it ends for want of an answer, or at its expiry if that comes first.
func (l *Leases) lastMoment(h *held, now time.Time) time.Time {
	left := l.cfg.MaxStaleness - since(h.confirmed, now)
	if expiry := h.principal.ExpiresAt().Sub(now.Round(0)); expiry > 0 {
		left = min(left, expiry)
	}
	return now.Add(left)
}

// due returns the leases to ask about now, those that end for want of an answer, and how long there is nothing else to do.
func (l *Leases) due() (ask, late []*held, sleep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Now()
	for len(l.heap) > 0 {
		h := l.heap[0]
		if wait := h.next.Sub(now); wait > 0 && now.Round(0).Before(h.next.Round(0)) {
			return ask, late, min(max(wait, grain), tick)
		}
		switch {
		case h.ctx.Err() != nil:
			l.remove(h) // its parent has ended
		case since(h.confirmed, now) >= l.cfg.MaxStaleness:
			l.remove(h)
			l.stats.Unconfirmed++
			late = append(late, h)
		default:
			if expired := !now.Before(h.principal.ExpiresAt()); !h.asking || expired && !h.urgent {
				h.asking, h.urgent = true, expired
				ask = append(ask, h)
			}
			h.next = l.lastMoment(h, now)
			heap.Fix(&l.heap, 0)
		}
	}
	return ask, late, tick
}

// check asks about h, unless it has ended meanwhile. The context is the lease's own: what Confirm looks for is in there.
func (l *Leases) check(h *held) {
	if h.ctx.Err() != nil {
		l.drop(h)
		return
	}
	began := l.cfg.Now()
	err := l.verifier.Recheck(h.ctx, h.principal)
	if l.learn(h, began, err) {
		h.cancel(err)
	}
}

// learn notes an answer about h, and says whether h ends by it.
func (l *Leases) learn(h *held, began time.Time, err error) (dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Checks++
	unknown := errors.Is(err, tokenauth.ErrUnavailable)
	if unknown {
		l.stats.Unavailable++
	}
	if h.place < 0 {
		return false
	}
	h.asking, h.urgent = false, false
	switch {
	case err == nil:
		h.confirmed, h.next = began, l.nextCheck(h, began)
	case unknown:
		now := l.cfg.Now()
		h.next = now.Add(min(l.cfg.Every, l.cfg.MaxStaleness-since(h.confirmed, now)))
	default:
		l.remove(h)
		l.stats.Dead++
		return true
	}
	heap.Fix(&l.heap, h.place)
	if h.place == 0 {
		l.nudge()
	}
	return false
}

// An agenda is a heap of leases by when to look at them again.
type agenda []*held

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].next.Before(a[j].next) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push implements heap.Interface.
func (a *agenda) Push(x any) {
	h := x.(*held)
	h.place = len(*a)
	*a = append(*a, h)
}

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	h := (*a)[last]
	h.place = -1
	(*a)[last] = nil
	*a = (*a)[:last]
	return h
}
