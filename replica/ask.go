package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/a74cfa30/tokenauth"
)

// What was not read lately is asked of the source. When a feed stops, all verifiers pass their bound together and with every request, so
// there are few such questions under way at once: equal ones are joined, and what is more than 16 gets no answer. Those for Config.HoldLive
// are the usual course of things, and wait for their turn.
//
// The first who asks a question asks for all that come while he waits, in his own goroutine; if he leaves before the answer is there, the
// next of them asks again. An answer that is joined was asked for AskTimeout earlier at most, which is why that must not be more than the
// bound.

// mostFlights is how many different questions are under way at once.
const mostFlights = 16

// What a question is about.
const (
	aboutToken = iota
	aboutSession
	aboutEpoch
)

// A question is what the source is asked.
type question struct {
	kind        int
	subject, id string // an id is a token's, or a session's of subject, or a subject
	stale       bool   // what was read is too old to vouch for the source
}

// An answer is what it says.
type answer struct {
	dead  bool
	epoch tokenauth.Epoch
}

// A flight is a question under way. The rest is set when done is closed.
type flight struct {
	done chan struct{}
	answer
	err  error
	left bool // whoever asked has left before the answer was there
}

// A desk keeps the questions that are under way, and those that wait for it.
type desk struct {
	seats   chan struct{} // taken by those under way
	mu      sync.Mutex
	flights map[question]*flight
}

func newDesk() desk {
	return desk{seats: make(chan struct{}, mostFlights), flights: map[question]*flight{}}
}

var (
	errPanic = unavailable(errors.New("replica: the source panics"))
	errBusy  = fmt.Errorf("replica: too many questions for the source at once: %w", tokenauth.ErrUnavailable)
	errLost  = fmt.Errorf("replica: the source has lost what this replica knows of, so that it is not believed until it is re-seeded: %w",
		tokenauth.ErrUnavailable)
)

// ask returns what the source says, or ErrUnavailable. n is the name of what may be remembered as live.
func (r *Replica) ask(ctx context.Context, q question, n name) (answer, error) {
	if v := r.view.Load(); v != nil && v.lost {
		return answer{}, errLost
	}
	timed, cancel := context.WithTimeout(ctx, r.cfg.AskTimeout)
	defer cancel()
	for {
		f, first := r.desk.join(q)
		if first {
			got, err := answer{}, errPanic // unless lead returns
			defer func() { r.desk.leave(q, f, got, err, ctx.Err() != nil) }()
			got, err = r.lead(timed, q, n)
			return got, err
		}
		r.counters.joined.Add(1)
		select {
		case <-f.done:
			if !f.left {
				return f.answer, f.err
			}
		case <-timed.Done():
			return answer{}, unavailable(timed.Err())
		}
	}
}

// join returns the flight of a question and whether the caller is the first to ask it.
func (d *desk) join(q question) (f *flight, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.flights[q]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	d.flights[q] = f
	return f, true
}

// leave hands an answer to all who have joined. left: there is none, because whoever asked has left.
func (d *desk) leave(q question, f *flight, got answer, err error, left bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.answer, f.err, f.left = got, err, err != nil && left
	delete(d.flights, q)
	close(f.done)
}

// lead asks the source, if there is a seat.
func (r *Replica) lead(ctx context.Context, q question, n name) (answer, error) {
	select {
	case r.desk.seats <- struct{}{}:
	default:
		if q.stale {
			r.counters.busy.Add(1)
			return answer{}, errBusy
		}
		select {
		case r.desk.seats <- struct{}{}:
		case <-ctx.Done():
			r.counters.busy.Add(1)
			return answer{}, errBusy
		}
	}
	defer func() { <-r.desk.seats }()
	r.counters.asked.Add(1)
	return r.question(ctx, q, n)
}

// question asks the source, and what it needs to be believed.
func (r *Replica) question(ctx context.Context, q question, n name) (answer, error) {
	reads := r.fullReads(q)
	got, err := r.put(ctx, q)
	if err != nil {
		return answer{}, unavailable(err)
	}
	if got.dead {
		return got, nil
	}
	if q.stale {
		if err := r.vouch(ctx); err != nil {
			return answer{}, err
		}
	}
	if v := r.view.Load(); v != nil && v.lost {
		return answer{}, errLost
	}
	r.remember(q, n, reads)
	return got, nil
}

// put puts the question to the source.
func (r *Replica) put(ctx context.Context, q question) (got answer, err error) {
	switch q.kind {
	case aboutToken:
		got.dead, err = r.source.IsRevoked(ctx, q.id)
	case aboutSession:
		got.dead, err = r.source.IsSessionActive(ctx, q.subject, q.id)
		got.dead = !got.dead
	default:
		got.epoch, err = r.source.Epoch(ctx, q.id)
	}
	return got, err
}

// vouch says whether the source is of the incarnation that was read last: then it still has all that it had. One that is not may have come
// back without its end, and a direct answer of its would not show that; nor would it to a store that has no replica, but here it can be
// known. Before anything was read there is nothing to hold it against.
func (r *Replica) vouch(ctx context.Context) error {
	v := r.view.Load()
	if v == nil {
		return nil
	}
	for _, err := range r.source.Changes(ctx, v.cursor) {
		if err != nil {
			return unavailable(err)
		}
		return nil
	}
	return unavailable(errIncomplete)
}

// fullReads and remember keep what lives, if that is asked for.
func (r *Replica) fullReads(q question) uint64 {
	if names := r.liveNames(q); names != nil {
		return names.reads.Load()
	}
	return 0
}

func (r *Replica) remember(q question, n name, reads uint64) {
	if names := r.liveNames(q); names != nil {
		names.add(n, reads)
	}
}

// liveNames returns where what lives is kept, or nil.
func (r *Replica) liveNames(q question) *liveNames {
	switch {
	case r.live == nil:
		return nil
	case q.kind == aboutToken:
		return &r.live.tokens
	case q.kind == aboutSession:
		return &r.live.sessions
	}
	return nil
}

// unavailable is the answer where the source has none.
func unavailable(err error) error {
	return fmt.Errorf("replica: the source does not answer: %w", errors.Join(tokenauth.ErrUnavailable, err))
}
