package replica

import (
	"sync"
	"sync/atomic"
)

// Stats are numbers to watch. Those of questions and reads only grow.
type Stats struct {
	Tokens, Sessions, Epochs int  // what is known: of the dead, and of epochs that moved
	Live                     int  // what the source has called live, with Config.HoldLive
	Lost                     bool // the source has lost its past and is not believed until it is re-seeded

	Reads    uint64 // complete reads
	Loads    uint64 // of these, of everything
	Failures uint64 // reads that were not complete
	Woken    uint64 // times the source said that there is something
	Changes  uint64 // deaths and epochs that came, some of them again

	Asked  uint64 // questions put to the source
	Joined uint64 // questions that another's answer was taken for
	Busy   uint64 // questions without answer because there were too many
}

// Stats returns the numbers as they are. It looks into every part: call it as often as one reads metrics.
func (r *Replica) Stats() Stats {
	c := &r.counters
	v := r.view.Load()
	s := Stats{
		Tokens: r.tokens.count(), Sessions: r.sessions.count(), Epochs: r.epochs.count(), Lost: v != nil && v.lost,
		Reads: c.reads.Load(), Loads: c.loads.Load(), Failures: c.failures.Load(), Woken: c.woken.Load(), Changes: c.changes.Load(),
		Asked: c.asked.Load(), Joined: c.joined.Load(), Busy: c.busy.Load(),
	}
	if r.live != nil {
		s.Live = r.live.tokens.count() + r.live.sessions.count()
	}
	return s
}

// counters are what Stats tells.
type counters struct {
	reads, loads, failures, woken, changes, asked, joined, busy atomic.Uint64

	mu   sync.Mutex
	last error // of the last read
}

// note counts a read.
func (c *counters) note(err error) {
	if err == nil {
		c.reads.Add(1)
	} else {
		c.failures.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
}

// lastError returns what the last read failed with, or nil.
func (c *counters) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
