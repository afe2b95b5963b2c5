package replica

import (
	"math/bits"
	"sync/atomic"
)

// A table is a set of names with a grave each. One goroutine adds to it, any number look names up meanwhile, and nobody waits for anybody:
// a look-up is a few reads of memory, which processors share as long as nothing is written there.
//
// Slots lie in groups of eight. A name stands in the group where it belongs, or in one behind it if all before were full; a group's tags,
// seven bits of the hash of each name in it, are one word, so that a look-up of what is not there, as most are, reads that word and seldom
// anything else. A slot is written once, before its tag: whoever sees the tag sees the name. To grow, or to drop names, the writer fills a
// new table and puts it in the place of this one; whoever still looks at this one sees what was there when it began.
//
// Three slots in four are taken at most, and a table that has grown is a third larger than it was, so that an entry takes 21 / (3/4 · 3/4),
// which is 38 bytes, at most.
type table struct {
	tags   []atomic.Uint64 // of the groups, a byte a slot; 0: empty
	slots  []slot
	graves []grave // of the slots; the writer's alone
	taken  int     // the writer's alone
}

// A slot is a name, in halves. They are atomic for the sake of whoever finds another's tag in the word.
type slot struct{ first, second atomic.Uint64 }

const (
	group = 8 // slots
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// newTable returns an empty table with room for so many names.
func newTable(room int) *table {
	groups := (room*4/3 + group) / group
	return &table{tags: make([]atomic.Uint64, groups), slots: make([]slot, groups*group), graves: make([]grave, groups*group)}
}

// full says whether there is no room for another name. A quarter of the slots is empty always, so that every search ends.
func (t *table) full() bool { return 4*(t.taken+1) > 3*len(t.slots) }

// has says whether a key is there. It may be called while the writer adds.
func (t *table) has(k key) bool {
	_, found := t.find(k)
	return found
}

// find returns the slot of a key, or the first empty one where it could stand, and whether it is there.
func (t *table) find(k key) (i int, found bool) {
	tag := k.tag()
	for g := k.place(len(t.tags)); ; {
		tags := t.tags[g].Load()
		// A byte of alike is 0 where the tag is. The lowest such byte is found exactly; above it there may be one that is none.
		alike := tags ^ tag*ones
		for hits := (alike - ones) &^ alike & highs; hits != 0; hits &= hits - 1 {
			i := g*group + bits.TrailingZeros64(hits)/8
			if s := &t.slots[i]; s.second.Load() == k.second && s.first.Load() == k.first {
				return i, true
			}
		}
		if empty := ^tags & highs; empty != 0 {
			return g*group + bits.TrailingZeros64(empty)/8, false
		}
		if g++; g == len(t.tags) {
			g = 0
		}
	}
}

// put takes the empty slot i for a key. Of the writer, and only while the table is not full.
func (t *table) put(i int, k key, g grave) {
	t.graves[i] = g
	t.slots[i].first.Store(k.first)
	t.slots[i].second.Store(k.second)
	tags := &t.tags[i/group]
	tags.Store(tags.Load() | k.tag()<<(i%group*8)) // from now on it is there
	t.taken++
}

// at returns the key in slot i, and whether there is one. Of the writer.
func (t *table) at(i int, h hasher) (k key, taken bool) {
	if t.tags[i/group].Load()>>(i%group*8)&0xff == 0 {
		return key{}, false
	}
	return h.key(name{t.slots[i].first.Load(), t.slots[i].second.Load()}), true
}

// copied returns a table with room for so many names, and in it those of t that keep wants. Of the writer.
func (t *table) copied(room int, h hasher, keep func(grave) bool) *table {
	next := newTable(room)
	for i, entry := range t.graves {
		if k, taken := t.at(i, h); taken && keep(entry) {
			j, _ := next.find(k)
			next.put(j, k, entry)
		}
	}
	return next
}

// each yields the entries of a table, for the writer to look at and to change.
func (t *table) each(yield func(*grave) bool) {
	for i := range t.graves {
		if t.tags[i/group].Load()>>(i%group*8)&0xff != 0 && !yield(&t.graves[i]) {
			return
		}
	}
}
