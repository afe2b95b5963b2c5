package lease

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/internal/testkit"
)

func TestSinceIsTheLargerDifference(t *testing.T) {
	then := time.Now()
	now := then.Add(2 * time.Second)
	for name, c := range map[string]struct{ wall, want time.Duration }{
		"both clocks agree":      {0, 2 * time.Second},
		"the machine slept":      {time.Hour, time.Hour + 2*time.Second},
		"the clock was set back": {-time.Hour, 2 * time.Second},
	} {
		moved := testkit.WithWall(now, c.wall)
		require.Equal(t, 2*time.Second, moved.Sub(then), "%s: monotonic", name)
		require.Equal(t, 2*time.Second+c.wall, moved.Round(0).Sub(then.Round(0)), "%s: wall", name)
		require.Equal(t, c.want, since(then, moved), name)
	}
}

// The loop ends what nobody confirms in time, so it must not be held up by how many come to their expiry in one second. To move the line for
// each of two millions would take longer than tests may.
func TestManyExpiriesAtOnceDoNotHoldTheLoop(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	soon := kit.Clock.Now().Add(time.Second)
	live := kit.Principal("alice")
	expired := kit.Verify(kit.Sign(&tokenauth.Claims{Subject: "alice", ExpiresAt: soon}))
	waits, comes := &held{principal: live}, &held{principal: live}
	first, dies, last := &held{principal: expired}, &held{principal: expired}, &held{principal: expired}
	const n = 2_000_000
	due := slices.Concat([]*held{first}, slices.Repeat([]*held{comes, dies}, n-2), []*held{comes, last})
	line := enqueue(slices.Repeat([]*held{waits}, n), due, soon)
	want := slices.Concat([]*held{first}, slices.Repeat([]*held{dies}, n-2), []*held{last}, slices.Repeat([]*held{waits}, n), slices.Repeat([]*held{comes}, n-1))
	require.True(t, slices.Equal(want, line), "the expired in their order, then who waits already, then who comes")
}
