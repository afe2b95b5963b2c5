package jwks

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/testkit"
)

// A timer stands still while the machine sleeps, and a key that was taken out meanwhile must not gain by it: what is due by the wall clock
// is due.
func TestAFetchIsDueByEitherClock(t *testing.T) {
	for name, c := range map[string]struct{ monotonic, wall, want time.Duration }{
		"both clocks agree":      {time.Second, 0, time.Second},
		"the machine slept":      {time.Hour, time.Second - time.Hour, time.Second},
		"it slept for too long":  {time.Hour, -2 * time.Hour, 0},
		"the clock was set back": {time.Second, time.Hour, time.Second},
	} {
		began := time.Now() // outside the bubble, whose time has no monotonic clock
		due := testkit.WithWall(began.Add(c.monotonic), c.wall)
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			clock := func() time.Time { return began.Add(time.Since(start)) }
			require.True(t, sleepUntil(t.Context(), clock, nil, due), name)
			require.Equal(t, c.want, time.Since(start), name)
		})
	}
}
