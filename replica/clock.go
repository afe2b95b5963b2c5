package replica

import (
	"math"
	"time"
)

// Two clocks say how old an answer is, because either may stand still: a monotonic one while the machine sleeps, a wall clock when somebody
// sets it back.

// A moment is a reading of both clocks, in nanoseconds.
type moment struct {
	wall int64 // since 1970
	mono int64 // since the clock was made
}

// since is the time from an earlier moment, by the clock that says more. A wall clock that has gone back says nothing: as much as for ever.
func (m moment) since(earlier moment) time.Duration {
	wall := m.wall - earlier.wall
	if wall < 0 {
		return math.MaxInt64
	}
	return time.Duration(max(wall, m.mono-earlier.mono))
}

// A clock reads both clocks.
type clock struct {
	now     func() time.Time // nil: this machine's
	elapsed func() time.Duration
	began   time.Time
}

func newClock(cfg Config) clock { return clock{cfg.Now, cfg.Elapsed, time.Now()} }

// read reads the clocks. One call of time.Now reads both of this machine's.
func (c *clock) read() moment {
	if c.now == nil {
		now := time.Now()
		return moment{now.UnixNano(), int64(now.Sub(c.began))}
	}
	return moment{c.now().UnixNano(), int64(c.elapsed())}
}
