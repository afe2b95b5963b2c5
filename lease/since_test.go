package lease

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
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

// The loop ends what nobody confirms in time, so it must not be held up by how many come to their expiry in one second.
func TestManyExpiriesAtOnceDoNotHoldTheLoop(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	soon := kit.Clock.Now().Add(time.Second)
	live := kit.Principal("alice")
	expired := kit.Verify(kit.Sign(&tokenauth.Claims{Subject: "alice", ExpiresAt: soon}))
	const n = 100_000
	var waiting, due []*held
	for range n {
		waiting = append(waiting, &held{principal: live})
		due = append(due, &held{principal: expired}, &held{principal: live})
	}
	first, last := waiting[0], due[len(due)-1]
	began := time.Now()
	line := enqueue(waiting, due, soon)
	require.Less(t, time.Since(began), time.Second)
	require.Len(t, line, 3*n)
	require.Equal(t, []*held{due[0], due[2], due[4]}, line[:3], "the expired in their order")
	require.Same(t, first, line[n], "then who waits already")
	require.Same(t, last, line[3*n-1])
}
