package replica

import (
	"math"
	"sync"
	"time"
)

// What is dead, by name: a map of 16 bytes to 4, in 256 parts with a lock each. One goroutine writes, that of Run, so it looks through a
// part without its lock, and takes that for one entry at a time: no reader ever waits for longer than it takes to write one.
//
// The four bytes say until when an entry is kept, in steps of eight seconds, rounded up, so that they reach the year 2242; what lasts
// longer lasts for ever. Two bits are left for what a full read needs to tell: which entries it has shown.

// A mark says of an entry which full read has shown it last. Two marks take turns: what was shown, or added since, has the mark of the last
// complete one, and what the next shows gets the other. What still has the old one when that is complete is missing there.
type mark uint32

// orphan marks what the source does not have, and is known not to.
const orphan mark = 2

// other is the mark of the next full read.
func (m mark) other() mark { return 1 - m }

// A grave is one entry: a mark, and until when it is kept.
type grave uint32

const (
	shift   = 30        // where the mark stands
	step    = 8         // seconds
	forever = 1<<30 - 1 // steps
	shrink  = 1024      // entries: a smaller part is never made anew
	parts   = 256       // of a map
)

// newGrave returns an entry that is kept until a moment; the zero moment is one that nobody has named, and for ever.
func newGrave(m mark, until time.Time) grave {
	steps := int64(forever)
	if seconds := until.Unix(); !until.IsZero() && seconds < (forever-1)*step {
		steps = max(0, (seconds+step)/step)
	}
	return grave(uint32(m)<<shift | uint32(steps))
}

func (g grave) mark() mark        { return mark(g >> shift) }
func (g grave) with(m mark) grave { return grave(uint32(m)<<shift | uint32(g&forever)) }

// over says whether until lies behind a moment, in seconds since 1970.
func (g grave) over(seconds int64) bool {
	steps := int64(g & forever)
	return steps != forever && steps*step <= seconds
}

// graves is all that is dead of one kind.
type graves struct{ parts [parts]part }

// A part is a share of it.
type part struct {
	mu    sync.RWMutex
	dead  map[name]grave
	later map[name]int64 // of these, what is dead only from a moment on: nanoseconds since 1970. Few are
	most  int            // entries that dead has had at once: its room
	_     [8]byte        // to a cache line
}

func newGraves() *graves {
	g := &graves{}
	for i := range g.parts {
		g.parts[i].dead = map[name]grave{}
	}
	return g
}

// of returns the part in which a name belongs. Of any version of UUID one of these bytes is random, or counts.
func (g *graves) of(n name) *part { return &g.parts[n[3]^n[15]] }

// dead says whether a name is dead at a moment.
func (g *graves) dead(n name, wall int64) bool {
	p := g.of(n)
	p.mu.RLock()
	_, dead := p.dead[n]
	if dead && len(p.later) > 0 {
		from, later := p.later[n]
		dead = !later || from <= wall
	}
	p.mu.RUnlock()
	return dead
}

// bury adds a death. Of two of one name the earlier from and the later until count.
func (g *graves) bury(n name, from, until time.Time, m mark, wall int64) {
	p := g.of(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	old, known := p.dead[n]
	entry := newGrave(m, until)
	if known {
		entry = max(old&forever, entry&forever).with(m)
	}
	p.dead[n] = entry
	p.most = max(p.most, len(p.dead))

	at := nanoseconds(from)
	if due, waits := p.later[n]; waits {
		at = min(at, due)
	} else if known {
		return // dead already
	}
	if at <= wall {
		delete(p.later, n)
		return
	}
	if p.later == nil {
		p.later = map[name]int64{}
	}
	p.later[n] = at
}

// nanoseconds returns a moment since 1970; what lies beyond their range is as far as they reach, and the zero moment before everything.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.IsZero():
		return math.MinInt64
	case t.Unix() > math.MaxInt64/int64(time.Second)-1:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// settle ends a complete full read that has shown entries with the mark m. It says how many unexpired entries it should have shown and did
// not, and makes these orphans: nobody waits for them in the next.
func (g *graves) settle(m mark, wall int64) (missing int) {
	seconds := wall / int64(time.Second)
	for i := range g.parts {
		p := &g.parts[i]
		for n, entry := range p.dead {
			if entry.mark() != m.other() {
				continue
			}
			if !entry.over(seconds) {
				missing++
			}
			p.set(n, entry.with(orphan))
		}
	}
	return missing
}

// forget undoes the marks of a full read that was not completed: what it has shown with the mark m counts as shown before.
func (g *graves) forget(m mark) {
	for i := range g.parts {
		p := &g.parts[i]
		for n, entry := range p.dead {
			if entry.mark() == m {
				p.set(n, entry.with(m.other()))
			}
		}
	}
}

func (p *part) set(n name, entry grave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead[n] = entry
}

// sweep drops what has been over for a while from one part. keep is how long entries are kept beyond their until.
func (g *graves) sweep(i int, wall int64, keep time.Duration) {
	p := &g.parts[i]
	seconds := (wall - int64(keep)) / int64(time.Second)
	for n, entry := range p.dead {
		if entry.over(seconds) {
			p.drop(n)
		}
	}
	for n, from := range p.later {
		if from <= wall {
			p.due(n)
		}
	}
	if p.most > shrink && len(p.dead) < p.most/4 { // a map keeps the room it once had
		smaller := make(map[name]grave, len(p.dead))
		for n, entry := range p.dead {
			smaller[n] = entry
		}
		p.replace(smaller)
	}
}

func (p *part) drop(n name) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.dead, n)
	delete(p.later, n)
}

// due has what was to be dead later be dead.
func (p *part) due(n name) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.later, n)
}

func (p *part) replace(dead map[name]grave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead, p.most = dead, len(dead)
}

// count says how many entries there are.
func (g *graves) count() (n int) {
	for i := range g.parts {
		p := &g.parts[i]
		p.mu.RLock()
		n += len(p.dead)
		p.mu.RUnlock()
	}
	return n
}
