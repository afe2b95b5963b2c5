package jose

import "strings"

// RFC 8259 §4 leaves open what an object with the same name twice means, and decoders disagree: some take the first, some the
// last. So a name may stand in an object once. Telling must cost no more than reading, for the object of ten or twenty members
// that almost every token has, and for the one of ten thousand that an attacker sends:
//
//   - a filter of 64 bits per open object: a clear bit proves that a name is new there;
//   - where the bit is set, the names seen so far are compared, at most fewMembers of them;
//   - an object with more members, or one nested so that the room is used up, keeps its names in a map, whose seeded hash
//     nobody can aim at.
//
// Where the caller says which names an object is likely to have, these are told apart by their place in its list instead, and noted
// as one bit each. A name is either in the list or it is not, however it was written, so that the same name is always looked for
// where it was noted.

// Names are those that an object is likely to have, in the order in which they are likely to stand: for [Reader.ObjectOf].
type Names struct{ list []likelyName }

// A likelyName is a name, and how most writers write it: in quotes, with a colon and no blanks. That is at most sixteen bytes, which are
// compared as two numbers: the first eight of them, or as many as there are, and the last eight, if there are more.
type likelyName struct {
	name             string
	size             int // of what is written, in bytes
	head, mask, tail uint64
}

// maxNames is how many likely names an object may have: one bit each.
const maxNames = 32

// maxLikely is the longest likely name, in bytes.
const maxLikely = 16 - len(`"":`)

// NewNames returns at most 32 names, each different, of at most 13 bytes, and none empty or with a character that JSON escapes.
func NewNames(list ...string) *Names {
	n := new(Names)
	for i, name := range list {
		if i == maxNames || n.index(name) >= 0 || name == "" || len(name) > maxLikely || plainEnd(name, 0) < len(name) {
			panic("jose: too many names, or one that is empty, too long, there twice, or has to be escaped")
		}
		written := `"` + name + `":`
		likely := likelyName{name: name, size: len(written), mask: ^uint64(0) >> (8 * max(0, 8-len(written)))}
		likely.head = eight(written+"    ") & likely.mask
		if len(written) > 8 {
			likely.tail = eight(written[len(written)-8:])
		}
		n.list = append(n.list, likely)
	}
	return n
}

// index returns the place of a name in the list, or -1.
func (n *Names) index(name string) int {
	for i := range n.list {
		if n.list[i].name == name {
			return i
		}
	}
	return -1
}

const (
	fewMembers = 24 // an object of at most so many needs no map
	roomNames  = 32 // names kept without a map, of all open objects together
)

// names holds the names seen in each open object. The level of an object is the number of containers around it. The zero
// value is ready.
type names struct {
	many *[MaxDepth]map[string]struct{} // by level; nil until an object needs one
	used int                            // of kept
	open [MaxDepth]openObject           // by level
	kept [roomNames]string              // a stack: each object's names above those of the object around it
}

// An openObject is what is noted of the names of one object.
type openObject struct {
	likely *Names // nil: none
	filter uint64 // of the names that are not likely
	seen   uint32 // bit i: the name at place i of likely
	next   uint8  // the place in likely of the name that will probably come next
	first  uint8  // where the object's other names begin in kept
}

// enter begins an object.
func (n *names) enter(level int, likely *Names) {
	n.open[level] = openObject{likely: likely, first: uint8(n.used)}
}

// leave forgets the names of the innermost object.
func (n *names) leave(level int) {
	n.used = int(n.open[level].first)
	if n.many != nil {
		n.many[level] = nil
	}
}

// add notes a name of the innermost object, and says whether it is new there.
func (n *names) add(level int, name string) bool {
	o := &n.open[level]
	if o.likely != nil {
		if place := o.likely.index(name); place >= 0 {
			return o.addLikely(place)
		}
	}
	if n.many != nil && n.many[level] != nil {
		return n.addToMany(level, name)
	}
	first := int(o.first)
	bit := filterBit(name)
	if o.filter&bit != 0 {
		for _, other := range n.kept[first:n.used] {
			if other == name {
				return false
			}
		}
	}
	o.filter |= bit
	if n.used-first == fewMembers || n.used == roomNames {
		n.moveToMany(level)
		return n.addToMany(level, name)
	}
	n.kept[n.used] = name
	n.used++
	return true
}

// addLikely is add for the name at a place in the list.
func (o *openObject) addLikely(place int) bool {
	bit := uint32(1) << place
	isNew := o.seen&bit == 0
	o.seen |= bit
	o.next = uint8(place) + 1
	return isNew
}

// moveToMany gives the innermost object a map, and its room to the objects inside it.
func (n *names) moveToMany(level int) {
	first := int(n.open[level].first)
	moved := n.kept[first:n.used]
	set := make(map[string]struct{}, 2*len(moved)) // small where only room is short: there may be many such objects
	for _, name := range moved {
		set[name] = struct{}{}
	}
	n.used = first
	if n.many == nil {
		n.many = new([MaxDepth]map[string]struct{})
	}
	n.many[level] = set
}

// addToMany is add for an object that has a map.
func (n *names) addToMany(level int, name string) bool {
	set := n.many[level]
	before := len(set)
	set[name] = struct{}{}
	return len(set) > before
}

// filterBit maps a name to one of 64 bits. It need not be hard to aim at: who makes all names hit one bit makes each be
// compared with at most fewMembers others.
func filterBit(name string) uint64 {
	h := uint64(len(name))
	if len(name) > 0 {
		h += uint64(name[0])<<16 + uint64(name[len(name)/2])<<32 + uint64(name[len(name)-1])<<48
	}
	const odd = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: spreads what the sum holds over the high bits
	return 1 << (h * odd >> 58)
}

// FoldsTo says whether name equals known under Unicode's simple case folding, and yet is not known itself: "SUB" for "sub",
// and "ſub", whose first letter is the long s. Lenient decoders, encoding/json among them, take such a member for the known one.
func FoldsTo(name, known string) bool {
	return name != known && strings.EqualFold(name, known)
}
