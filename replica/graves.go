package replica

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// What is dead, by name: 16 bytes, and 4 that say until when an entry is kept, in 256 parts. One goroutine writes, that of Run, and readers
// never wait for it: a part is a table that can be read while it is added to, and is replaced by another to grow or to be swept.
//
// The four bytes count steps of eight seconds, rounded up, so that they reach the year 2242; what lasts longer lasts for ever. Two bits are
// left for what a full read needs to tell: which entries it has shown.

// A mark says of an entry which full read has shown it last. Two marks take turns: what was shown, or added since, has the mark of the last
// complete one, and what the next shows gets the other. What still has the old one when that is complete is missing there.
type mark uint32

// orphan marks what the source does not have, and is known not to.
const orphan mark = 2

// other is the mark of the next full read.
func (m mark) other() mark { return 1 - m }

// A grave is what is kept of one entry: a mark, and until when it is kept.
type grave uint32

const (
	shift   = 30        // where the mark stands
	step    = 8         // seconds
	forever = 1<<30 - 1 // steps
	parts   = 256       // of all names
	least   = 12        // names that the smallest table has room for
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

// A hasher says where a name belongs. Its seeds are drawn anew for each set of names, so that nobody can have ids made that all belong in
// one place.
type hasher struct{ a, b uint64 }

func newHasher() hasher { return hasher{rand.Uint64(), rand.Uint64()} }

// A key is a name, with where it belongs.
type key struct {
	name
	hash uint64
}

// key returns the key of a name.
func (h hasher) key(n name) key {
	high, low := bits.Mul64(n.first^h.a, n.second^h.b)
	return key{n, (high ^ low) * 0x9e3779b97f4a7c15} // 2^64 by the golden ratio: the upper bits, which count, depend on all
}

// part is where a key belongs, by the first 8 bits of its hash.
func (k key) part() int { return int(k.hash >> 56) }

// place is where it belongs among so many groups of slots, by the bits after these.
func (k key) place(groups int) int {
	place, _ := bits.Mul64(k.hash<<8, uint64(groups))
	return int(place)
}

// tag is the last 7 bits, and one that makes it other than 0.
func (k key) tag() uint64 { return k.hash&0x7f | 0x80 }

// graves is all that is dead of one kind.
type graves struct {
	hasher hasher
	parts  [parts]part
}

// A part is a share of it.
type part struct {
	dead    atomic.Pointer[table]
	entries atomic.Int64 // in it
	waiting atomic.Int64 // entries in later

	mu    sync.RWMutex
	later map[name]int64 // of the dead, those that are dead only from a moment on: nanoseconds since 1970. Few are
}

func newGraves() *graves {
	g := &graves{hasher: newHasher()}
	for i := range g.parts {
		g.parts[i].dead.Store(newTable(0))
	}
	return g
}

// always is the moment from which most of what is dead is so.
const always = math.MinInt64

// from returns the moment from which a name is dead, in nanoseconds since 1970, and whether there is one.
func (g *graves) from(n name) (moment int64, buried bool) {
	k := g.hasher.key(n)
	p := &g.parts[k.part()]
	if !p.dead.Load().has(k) {
		return 0, false
	}
	if p.waiting.Load() == 0 {
		return always, true
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if moment, waits := p.later[n]; waits {
		return moment, true
	}
	return always, true
}

// dead says whether a name is dead at a moment.
func (g *graves) dead(n name, wall int64) bool {
	from, buried := g.from(n)
	return buried && from <= wall
}

// bury adds a death. Of two of one name the earlier from and the later until count.
func (g *graves) bury(n name, from, until time.Time, m mark, wall int64) {
	k := g.hasher.key(n)
	p := &g.parts[k.part()]
	t := p.dead.Load()
	at := nanoseconds(from)
	i, known := t.find(k)
	if known {
		t.graves[i] = max(t.graves[i]&forever, newGrave(m, until)&forever).with(m)
		p.advance(n, at, wall)
		return
	}
	if at > wall {
		p.postpone(n, at) // first: whoever finds the name finds this, too
	}
	if t.full() {
		t = t.copied(max(least, t.taken*4/3), g.hasher, func(grave) bool { return true })
		p.dead.Store(t)
		i, _ = t.find(k)
	}
	t.put(i, k, newGrave(m, until))
	p.entries.Store(int64(t.taken))
}

// postpone has a name be dead only from a moment on.
func (p *part) postpone(n name, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.later == nil {
		p.later = map[name]int64{}
	}
	p.later[n] = at
	p.waiting.Store(int64(len(p.later)))
}

// advance has a name that is to be dead later be so at a moment that is earlier, or now.
func (p *part) advance(n name, at, wall int64) {
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, waits := p.later[n]; !waits || at >= was {
		return
	}
	if p.later[n] = at; at <= wall {
		p.wakeLocked(n)
	}
}

// wakeLocked has what was to be dead later be dead. The caller holds the lock.
func (p *part) wakeLocked(n name) {
	delete(p.later, n)
	p.waiting.Store(int64(len(p.later)))
}

// nanoseconds returns a moment since 1970; what lies beyond their range is as far as they reach, and the zero moment before everything.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.IsZero():
		return always
	case t.Unix() > math.MaxInt64/int64(time.Second)-1:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// settle ends a complete full read that has shown entries with the mark m. It says how many unexpired entries it should have shown and did
// not, and makes these orphans: nobody waits for them in the next.
func (g *graves) settle(m mark, wall int64) (missing int) {
	seconds := wall / int64(time.Second)
	g.remark(m.other(), orphan, func(entry grave) {
		if !entry.over(seconds) {
			missing++
		}
	})
	return missing
}

// forget undoes the marks of a full read that was not completed: what it has shown with the mark m counts as shown before.
func (g *graves) forget(m mark) { g.remark(m, m.other(), func(grave) {}) }

// remark gives all entries of one mark another, and tells of each.
func (g *graves) remark(from, to mark, each func(grave)) {
	for i := range g.parts {
		for entry := range g.parts[i].dead.Load().each {
			if entry.mark() == from {
				each(*entry)
				*entry = entry.with(to)
			}
		}
	}
}

// sweep drops what has been over for a while from one part. keep is how long entries are kept beyond their until.
func (g *graves) sweep(i int, wall int64, keep time.Duration) {
	p := &g.parts[i]
	defer func() { p.sweepLater(g.hasher, wall) }() // of what is there then
	t := p.dead.Load()
	seconds := (wall - int64(keep)) / int64(time.Second)
	left := 0
	for entry := range t.each {
		if !entry.over(seconds) {
			left++
		}
	}
	if left == t.taken {
		return
	}
	next := t.copied(max(least, left*5/4), g.hasher, func(entry grave) bool { return !entry.over(seconds) })
	p.dead.Store(next)
	p.entries.Store(int64(next.taken))
}

// sweepLater drops what is not to be dead later any more: because it is dead by now, or because nothing is kept of it.
func (p *part) sweepLater(h hasher, wall int64) {
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, from := range p.later {
		if from <= wall || !p.dead.Load().has(h.key(n)) {
			p.wakeLocked(n)
		}
	}
}

// count says how many entries there are.
func (g *graves) count() (n int) {
	for i := range g.parts {
		n += int(g.parts[i].entries.Load())
	}
	return n
}
