package tokenauth

import (
	"context"
	"sync/atomic"
)

// An observer is called in line and must not block, but whatever writes an audit log does. An EventQueue stands between them: it takes an
// event in a few nanoseconds or drops it and counts that. It never makes a request wait for a log.

// An EventQueue is a bounded queue of events that the caller drains. Its Observe goes into VerifierConfig.Observe and IssuerConfig.Observe, its
// Run into a goroutine of the caller's. A flood of bad tokens fills it: let an audit log of mints and revocations have one of its
// own. It is safe for concurrent use, by any number of observers and one Run. Make it with
// NewEventQueue.
type EventQueue struct {
	events  chan Event
	dropped atomic.Uint64
}

// NewEventQueue returns a queue of at most size events that wait; less than 1 is 1024.
func NewEventQueue(size int) *EventQueue {
	if size < 1 {
		size = 1024
	}
	return &EventQueue{events: make(chan Event, size)}
}

// Observe takes an event, or drops it if the queue is full. It never blocks.
func (q *EventQueue) Observe(_ context.Context, e Event) {
	select {
	case q.events <- e:
	default:
		q.dropped.Add(1)
	}
}

// Dropped says how many events were dropped so far: a number to watch, since an audit log with holes should know of them.
func (q *EventQueue) Dropped() uint64 { return q.dropped.Load() }

// Run hands events to handle, one at a time and in their order, until ctx ends. Then it hands over those that wait already, and returns
// ctx's error.
func (q *EventQueue) Run(ctx context.Context, handle func(Event)) error {
	for {
		select {
		case e := <-q.events:
			handle(e)
		case <-ctx.Done():
			for range len(q.events) {
				handle(<-q.events)
			}
			return ctx.Err()
		}
	}
}
