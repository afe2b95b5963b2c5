package jwks

import (
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// withWall returns t as if the wall clock had been moved by whole seconds and the monotonic one had not. Nothing in package time does that;
// the test below sees that it did.
func withWall(t time.Time, by time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t)) // the first word: a flag, 33 bits of seconds, 30 bits of nanoseconds
	*wall += uint64(by/time.Second) << 30
	return t
}

// A timer stands still while the machine sleeps, and a key that was taken out meanwhile must not gain by it: what is due by the wall clock
// is due.
func TestAFetchIsDueByEitherClock(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for name, c := range map[string]struct{ monotonic, wall, want time.Duration }{
		"both clocks agree":      {time.Second, 0, time.Second},
		"the machine slept":      {time.Hour, time.Second - time.Hour, time.Second},
		"it slept for too long":  {time.Hour, -2 * time.Hour, 0},
		"the clock was set back": {time.Second, time.Hour, time.Second},
	} {
		began := time.Now()
		due := withWall(began.Add(c.monotonic), c.wall)
		require.Equal(t, c.monotonic, due.Sub(began), "%s: monotonic", name)
		require.Equal(t, c.monotonic+c.wall, due.Round(0).Sub(began.Round(0)), "%s: wall", name)
		require.True(t, sleepUntil(ctx, nil, due), name)
		require.GreaterOrEqual(t, time.Since(began), c.want, name)
	}
}
