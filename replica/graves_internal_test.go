package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An entry is never forgotten early, in whatever year: what its four bytes cannot say lasts for ever.
func TestGravesAreKeptLongEnough(t *testing.T) {
	for _, until := range []time.Time{
		time.Unix(0, 0), time.Unix(1, 0), time.Unix(7, 999_999_999), time.Unix(8, 0), time.Unix(1_800_000_000, 1),
		time.Date(2106, time.February, 7, 6, 28, 16, 0, time.UTC), // where 32 bits of seconds end
		time.Date(2242, time.January, 1, 0, 0, 0, 0, time.UTC),
		time.Unix((forever-2)*step, 0), time.Unix((forever-1)*step, 0), time.Unix(forever*step, 0),
		time.Date(2300, time.January, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC),
	} {
		for _, m := range []mark{0, 1, orphan} {
			g := newGrave(m, until)
			assert.Equal(t, m, g.mark())
			assert.Equal(t, g, g.with(orphan).with(m))
			assert.False(t, g.over(until.Unix()), until)
			if until.Year() < 2240 {
				assert.True(t, g.over(until.Unix()+step), until)
			}
		}
	}
	never := newGrave(0, time.Time{})
	assert.False(t, never.over(1<<40), "one whose until nobody has named")
	assert.True(t, newGrave(0, time.Unix(-100, 0)).over(0))
}

// A part that was once large gives its memory back, and loses nothing by it.
func TestSweepingGivesRoomBack(t *testing.T) {
	g := newGraves()
	now := time.Unix(1_800_000_000, 0)
	names := make([]name, 8*shrink)
	for i := range names {
		names[i] = name{0: byte(i), 1: byte(i >> 8)} // all of one part
		until := now
		if i%8 == 0 {
			until = now.Add(time.Hour)
		}
		g.bury(names[i], now.Add(time.Minute), until, 0, now.UnixNano())
	}
	p := g.of(names[0])
	require.Len(t, p.dead, len(names))
	require.Len(t, p.later, len(names))
	g.sweep(0, now.Add(10*time.Minute).UnixNano(), 5*time.Minute)
	assert.Len(t, p.dead, len(names)/8)
	assert.Empty(t, p.later)
	assert.Equal(t, len(names)/8, p.most)
	for i, n := range names {
		assert.Equal(t, i%8 == 0, g.dead(n, now.Add(10*time.Minute).UnixNano()))
	}
}

func TestMomentsBeyondTheirRange(t *testing.T) {
	far := time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	g := newGraves()
	g.bury(name{1}, far, far, 0, time.Now().UnixNano())
	assert.False(t, g.dead(name{1}, time.Now().UnixNano()))
	g.bury(name{2}, time.Time{}, far, 0, time.Now().UnixNano())
	assert.True(t, g.dead(name{2}, time.Now().UnixNano()))
}
