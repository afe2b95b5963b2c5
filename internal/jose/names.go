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

const (
	fewMembers = 24 // an object of at most so many needs no map
	roomNames  = 32 // names kept without a map, of all open objects together
)

// names holds the names seen in each open object. The level of an object is the number of containers around it. The zero
// value is ready.
type names struct {
	many   *[MaxDepth]map[string]struct{} // by level; nil until an object needs one
	used   int                            // of kept
	first  [MaxDepth]uint8                // by level: where the object's names begin in kept
	filter [MaxDepth]uint64               // by level
	kept   [roomNames]string              // a stack: each object's names above those of the object around it
}

// open begins an object.
func (n *names) open(level int) {
	n.first[level] = uint8(n.used)
	n.filter[level] = 0
}

// close forgets the names of the innermost object.
func (n *names) close(level int) {
	n.used = int(n.first[level])
	if n.many != nil {
		n.many[level] = nil
	}
}

// add notes a name of the innermost object, and says whether it is new there.
func (n *names) add(level int, name string) bool {
	if n.many != nil && n.many[level] != nil {
		return n.addToMany(level, name)
	}
	first := int(n.first[level])
	bit := filterBit(name)
	if n.filter[level]&bit != 0 {
		for _, other := range n.kept[first:n.used] {
			if other == name {
				return false
			}
		}
	}
	n.filter[level] |= bit
	if n.used-first == fewMembers || n.used == roomNames {
		n.moveToMany(level)
		return n.addToMany(level, name)
	}
	n.kept[n.used] = name
	n.used++
	return true
}

// moveToMany gives the innermost object a map, and its room to the objects inside it.
func (n *names) moveToMany(level int) {
	first := int(n.first[level])
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
