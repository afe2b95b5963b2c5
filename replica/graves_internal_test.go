package replica

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
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
	names := namesOfPart(g, 7, 8192)
	for i, n := range names {
		until := now
		if i%8 == 0 {
			until = now.Add(time.Hour)
		}
		g.bury(n, now.Add(time.Minute), until, 0, now.UnixNano())
	}
	p := &g.parts[7]
	require.Equal(t, len(names), p.dead.Load().taken)
	require.Equal(t, len(names), g.count())
	require.Len(t, p.later, len(names))
	large := len(p.dead.Load().slots)
	g.sweep(7, now.Add(10*time.Minute).UnixNano(), 5*time.Minute)
	assert.Equal(t, len(names)/8, p.dead.Load().taken)
	assert.Equal(t, len(names)/8, g.count())
	assert.Less(t, len(p.dead.Load().slots), large/5)
	assert.Empty(t, p.later)
	for i, n := range names {
		assert.Equal(t, i%8 == 0, g.dead(n, now.Add(10*time.Minute).UnixNano()))
	}
}

// namesOfPart returns names that all belong in one part.
func namesOfPart(g *graves, part, count int) []name {
	var names []name
	for len(names) < count {
		if n := nameOf(uuid.NewString()); g.hasher.key(n).part() == part {
			names = append(names, n)
		}
	}
	return names
}

// What was to die long after it has expired leaves nothing behind.
func TestSweepingForgetsWhatNeverDied(t *testing.T) {
	g := newGraves()
	now := time.Unix(1_800_000_000, 0)
	n := namesOfPart(g, 3, 1)[0]
	g.bury(n, now.Add(24*time.Hour), now, 0, now.UnixNano())
	require.False(t, g.dead(n, now.UnixNano()))
	g.sweep(3, now.Add(time.Hour).UnixNano(), 5*time.Minute)
	assert.Zero(t, g.count())
	assert.Empty(t, g.parts[3].later)
	assert.Zero(t, g.parts[3].waiting.Load())
}

// A table and a map that are told the same say the same, at every size on the way, also where names differ in one half only and where
// many belong in one place.
func TestGravesAnswerAsAMapDoes(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 0))
		draw := func() name {
			return name{uint64(r.IntN(64))<<56 | uint64(r.IntN(4)), uint64(r.IntN(64))}
		}
		g := newGraves()
		if seed == 0 {
			g.hasher = hasher{} // hash poorly
		}
		now := time.Unix(1_800_000_000, 0)
		known := map[name]time.Time{} // until
		for step := range 20_000 {
			n, until := draw(), now.Add(time.Duration(r.IntN(3600))*time.Second)
			g.bury(n, time.Time{}, until, 0, now.UnixNano())
			if known[n].Before(until) {
				known[n] = until
			}
			n = draw()
			_, want := known[n]
			require.Equal(t, want, g.dead(n, now.UnixNano()))
			if step%1000 == 999 {
				now = now.Add(5 * time.Minute)
				for i := range g.parts {
					g.sweep(i, now.UnixNano(), 0)
				}
				for n, until := range known {
					if newGrave(0, until).over(now.Unix()) {
						delete(known, n)
					}
				}
				require.Equal(t, len(known), g.count())
			}
		}
		for n := range known {
			require.True(t, g.dead(n, now.UnixNano()))
		}
	}
}

// No reader is ever told that something lives that was buried before he asked, while the tables grow and are swept; and none that something
// died that did not.
func TestGravesAreReadWhileTheyAreDug(t *testing.T) {
	g := newGraves()
	now := time.Unix(1_800_000_000, 0)
	names := make([]name, 50_000)
	for i := range names {
		names[i] = nameOf(uuid.NewString())
	}
	const living = 1000 // the last of names are never buried, or only later
	var buried atomic.Int64
	var readers sync.WaitGroup
	for w := range 2 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for buried.Load() < int64(len(names)-living) {
				n := int(buried.Load())
				if n > 0 && !g.dead(names[r.IntN(n)], now.UnixNano()) {
					t.Error("what is dead was said to live")
					return
				}
				if g.dead(names[len(names)-1-r.IntN(living)], now.UnixNano()) {
					t.Error("what lives was said to be dead")
					return
				}
			}
		})
	}
	for i := range len(names) - living {
		g.bury(names[i], time.Time{}, now.Add(time.Hour), 0, now.UnixNano())
		buried.Store(int64(i + 1))
		switch {
		case i%50 == 0:
			g.bury(names[len(names)-1-i/50%living], now.Add(time.Minute), now.Add(time.Hour), 0, now.UnixNano())
		case i%100 == 1:
			g.bury(nameOf(uuid.NewString()), time.Time{}, now.Add(-time.Hour), 0, now.UnixNano()) // for the sweeper to find
			g.sweep(i/100%parts, now.UnixNano(), time.Minute)
		}
	}
	readers.Wait()
}

// However many there are, an entry takes 38 bytes at most, and half of the table is taken at least.
func TestTablesAreNotLargerThanTheySay(t *testing.T) {
	g := newGraves()
	names := namesOfPart(g, 0, 3000)
	for i, n := range names {
		g.bury(n, time.Time{}, time.Time{}, 0, 0)
		if table := g.parts[0].dead.Load(); i > 500 {
			assert.LessOrEqual(t, float64(21*len(table.slots))/float64(i+1), 38.0, i)
			assert.LessOrEqual(t, float64(i+1)/float64(len(table.slots)), 0.75, i)
		}
	}
}

func TestMomentsBeyondTheirRange(t *testing.T) {
	far := time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	g := newGraves()
	g.bury(name{1, 1}, far, far, 0, time.Now().UnixNano())
	assert.False(t, g.dead(name{1, 1}, time.Now().UnixNano()))
	g.bury(name{2, 2}, time.Time{}, far, 0, time.Now().UnixNano())
	assert.True(t, g.dead(name{2, 2}, time.Now().UnixNano()))
}
