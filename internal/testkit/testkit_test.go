package testkit_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/testkit"
)

// WithWall knows how a time.Time lies in memory, and so may be wrong with the next Go.
func TestWithWallMovesOneClock(t *testing.T) {
	then := time.Now()
	for _, by := range []time.Duration{0, time.Second, -time.Second, time.Hour, -time.Hour} {
		moved := testkit.WithWall(then, by)
		require.Equal(t, time.Duration(0), moved.Sub(then), "monotonic, by %v", by)
		require.Equal(t, by, moved.Round(0).Sub(then.Round(0)), "wall, by %v", by)
	}
}

func TestHeapInUseSeesWhatIsHeld(t *testing.T) {
	before := testkit.HeapInUse()
	held := make([]byte, 8<<20)
	require.GreaterOrEqual(t, testkit.HeapInUse(), before+7<<20)
	runtime.KeepAlive(held)
	require.Less(t, testkit.HeapInUse(), before+1<<20)
}
