package replica

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Run reads. Each read is complete or it counts for nothing: what it yields is applied as it comes, since a death is a death, but only one
// that came to its end moves the moment up to which the replica knows.

const (
	gap       = 20 * time.Millisecond // between the beginnings of two reads, and up to a tenth less: wake-ups that come faster are one
	firstWait = 50 * time.Millisecond // before a read that has failed is tried again; doubled each time, up to Poll
	leeway    = 5 * time.Minute       // the longest of any Verifier
	setBack   = time.Minute           // by how much a wall clock may be set back before everything is read anew
	kept      = leeway + setBack      // how long an entry is kept beyond its until, and MaxStaleness besides
	sweepTime = time.Minute           // in which every entry is looked at once
)

var (
	errIncomplete = errors.New("replica: the source's changes ended without a cursor")
	errRunning    = errors.New("replica: Run runs already")
)

// A loader is what only Run's goroutine knows.
type loader struct {
	cursor tokenauth.Cursor // where to go on; the zero one: everything
	shown  mark             // what the next full read gives to what it shows is the other
	cutOff bool             // a full read was not completed
	allow  time.Duration    // for the next read, after one that was cut off
	heard  word             // the last of a source that was believed
	loss   *loss            // nil: the source is believed
	swept  int64            // the wall clock of the last sweep
	gone   int64            // the latest by which anything was swept, since the last full read began
	part   int              // the next to sweep
}

// Run reads from the source until ctx ends, and returns ctx's error then. It is for one goroutine; a second Run at the same time returns
// an error at once. A Replica that is not run grows stale; it may be run again.
func (r *Replica) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errRunning
	}
	defer r.running.Store(false)
	for failures, woken := 0, false; ; {
		began, cursor, changes := time.Now(), r.cursor, r.counters.changes.Load()
		err := r.read(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.counters.note(err)
		r.sweep()
		switch {
		case err == nil:
			failures = 0
			more := woken && r.counters.changes.Load() > changes
			woken = r.await(ctx, began, more)
		case errors.Is(err, tokenauth.ErrStaleCursor) && cursor != "": // the source is there: read everything, now
			failures, woken = 0, false
		default:
			woken = false
			sleep(ctx, vary(min(r.cfg.Poll, firstWait<<min(failures, 10))))
			failures++
		}
	}
}

// await returns when it is time to read again: when the source says so, when Poll is over, or when ctx ends. It says whether that was
// before Poll was over.
//
// To wait costs a source more than a read that brings nothing: it has to take down who waits, and to call all of them each time. So where a
// wake-up has just brought something, and there may be more, nobody waits for a call: the next read begins after the gap, as it would had
// there been one. A stream of deaths is read in steps of the gap, and waited for again when a read has brought nothing. A source that wakes
// nobody is read every Poll, whatever it brings: how often it is asked is the caller's choice.
func (r *Replica) await(ctx context.Context, began time.Time, more bool) (woken bool) {
	polling, cancel := context.WithTimeout(ctx, vary(r.cfg.Poll)-time.Since(began))
	defer cancel()
	if !more {
		if err := r.source.Wait(polling, r.cursor); err != nil {
			<-polling.Done() // at once, if that was why
			return false
		}
		r.counters.woken.Add(1)
	}
	sleep(polling, vary(gap)-time.Since(began))
	return true
}

// sleep waits.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// vary takes up to a tenth off, so that replicas which began together do not go on so.
func vary(d time.Duration) time.Duration { return d - rand.N(d/10+1) }

// read reads once: what is new, or everything.
func (r *Replica) read(ctx context.Context) error {
	began := r.clock.read()
	if began.wall < r.gone-int64(setBack) { // in one step or in many: what was swept as over may be needed
		r.cursor, r.gone = "", began.wall
	}
	full, m, timeout := r.cursor == "", r.shown, max(r.allow, r.cfg.ReadTimeout)
	if full {
		timeout = r.cfg.LoadTimeout
		if m = r.shown.other(); r.cutOff {
			r.forget(m)
		}
		r.cutOff = true
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	next, heard, err := r.apply(limited, m)
	now := r.clock.read()
	if heard && !full && r.loss == nil {
		r.heard = r.word(now)
	}
	if err != nil {
		if errors.Is(err, tokenauth.ErrStaleCursor) {
			r.cursor = ""
		}
		if heard && limited.Err() != nil {
			r.allow = min(2*timeout, r.cfg.LoadTimeout)
		}
		return err
	}
	r.allow = 0
	if full {
		r.settle(m, began, now)
	}
	r.complete(view{began: began, cursor: next}, now)
	return nil
}

// apply reads to the end and applies all that comes. heard says that something came.
func (r *Replica) apply(ctx context.Context, m mark) (next tokenauth.Cursor, heard bool, err error) {
	for change, err := range r.source.Changes(ctx, r.cursor) {
		if err != nil {
			return "", heard, err
		}
		heard = true
		next = change.Next
		r.bury(change, m)
	}
	if next == "" {
		return "", heard, errIncomplete
	}
	return next, heard, nil
}

// bury applies one change.
func (r *Replica) bury(change tokenauth.Change, m mark) {
	var n name
	wall := int64(0)
	if !change.From.IsZero() {
		wall = r.clock.read().wall
	}
	switch {
	case change.TokenID != "":
		n = nameOf(change.TokenID)
		r.tokens.bury(n, change.From, change.Until, m, wall)
		if r.live != nil && r.tokens.dead(n, wall) {
			r.live.tokens.remove(n)
		}
	case change.SessionID != "":
		n = sessionName(change.Subject, change.SessionID)
		r.sessions.bury(n, change.From, change.Until, m, wall)
		if r.live != nil && r.sessions.dead(n, wall) {
			r.live.sessions.remove(n)
		}
	case change.Subject != "":
		r.epochs.raise(change.Subject, change.Epoch, m)
	default:
		return
	}
	r.counters.changes.Add(1)
}

// forget undoes the marks of a full read that was cut off.
func (r *Replica) forget(m mark) {
	r.tokens.forget(m)
	r.sessions.forget(m)
	r.epochs.forget(m)
}

// complete lets what was read count.
func (r *Replica) complete(v view, now moment) {
	if r.loss != nil && r.loss.endedBy(r.epochs.everyone.Load().NotBefore) {
		r.loss = nil
	}
	if v.lost = r.loss != nil; !v.lost {
		r.heard = r.word(now)
	}
	r.cursor = v.cursor
	r.view.Store(&v)
	select {
	case <-r.ready:
	default:
		close(r.ready)
	}
}

// sweep drops what is over from as many parts as are due, so that it comes by each in sweepTime. It goes by the moment of the last complete
// read: if the wall clock is set back behind that, nothing is answered until there is another.
func (r *Replica) sweep() {
	v := r.view.Load()
	if v == nil {
		return
	}
	due, each := parts, int64(sweepTime)/parts
	if elapsed := v.began.wall - r.swept; elapsed >= 0 && elapsed < int64(sweepTime) {
		due = int(elapsed / each)
		r.swept += int64(due) * each
	} else {
		r.swept = v.began.wall
	}
	for range due {
		r.tokens.sweep(r.part, v.began.wall, kept+r.cfg.MaxStaleness)
		r.sessions.sweep(r.part, v.began.wall, kept+r.cfg.MaxStaleness)
		r.part = (r.part + 1) % parts
	}
	r.gone = max(r.gone, v.began.wall)
}
