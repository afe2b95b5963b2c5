package lease

import (
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

func TestSinceIsTheLargerDifference(t *testing.T) {
	then := time.Now()
	now := then.Add(2 * time.Second)
	for name, c := range map[string]struct{ wall, want time.Duration }{
		"both clocks agree":      {0, 2 * time.Second},
		"the machine slept":      {time.Hour, time.Hour + 2*time.Second},
		"the clock was set back": {-time.Hour, 2 * time.Second},
	} {
		moved := withWall(now, c.wall)
		require.Equal(t, 2*time.Second, moved.Sub(then), "%s: monotonic", name)
		require.Equal(t, 2*time.Second+c.wall, moved.Round(0).Sub(then.Round(0)), "%s: wall", name)
		require.Equal(t, c.want, since(then, moved), name)
	}
}
