package authtest

import (
	"sync"
	"time"
)

// A Clock stands still until the test moves it. It is safe for concurrent use; make it with NewClock. Its Now goes wherever a
// configuration wants a clock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows now, cut to whole seconds UTC: tokens know no finer ones.
func NewClock(now time.Time) *Clock { return &Clock{now: now.UTC().Truncate(time.Second)} }

// Now returns the moment the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d, back if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
