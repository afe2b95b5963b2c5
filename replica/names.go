package replica

import (
	"crypto/sha256"
	"encoding/binary"
)

// Ten million names as text would be a gigabyte, so names are kept as 16 bytes: those of a UUID, and of any other text the first of a
// SHA-256, behind a byte that no UUID's text begins with. Nobody finds two texts for one such name by less than 2^64 tries, and whoever
// did had found two of his own tokens that die together. Each kind of name has a map of its own.

// A name is what a token, a session or a subject is known by here.
type name [16]byte

// nameOf returns the name of a token's id or of a subject. Only a UUID as RFC 9562 prints it, lower-case, is its bytes: two texts that
// are not equal never share them.
func nameOf(text string) name {
	if n, ok := uuidBytes(text); ok {
		return n
	}
	var space [264]byte
	return digest(append(append(space[:0], 0), text...))
}

// sessionName returns the name of a session. The length of the subject tells where it ends.
func sessionName(subject, sid string) name {
	var space [512]byte
	b := binary.BigEndian.AppendUint64(space[:0], uint64(len(subject)))
	return digest(append(append(b, subject...), sid...))
}

// digest cuts a SHA-256 to a name.
func digest(b []byte) name {
	sum := sha256.Sum256(b)
	return name(sum[:16])
}

// uuidBytes returns the bytes of a canonical UUID.
func uuidBytes(s string) (n name, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return n, false
	}
	a, okA := unhex(s[0:4], s[4:8])
	b, okB := unhex(s[9:13], s[14:18])
	c, okC := unhex(s[19:23], s[24:28])
	d, okD := unhex(s[28:32], s[32:36])
	binary.LittleEndian.PutUint32(n[0:], a)
	binary.LittleEndian.PutUint32(n[4:], b)
	binary.LittleEndian.PutUint32(n[8:], c)
	binary.LittleEndian.PutUint32(n[12:], d)
	return n, okA && okB && okC && okD
}

// unhex returns the four bytes that two times four lower-case hexadecimal digits spell, the first lowest. It works on all eight at once:
// each has a byte of a word to itself, in which nothing that is added here overflows.
func unhex(s, t string) (bytes uint32, ok bool) {
	const each = 0x0101010101010101
	digits := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(t[0])<<32 | uint64(t[1])<<40 | uint64(t[2])<<48 | uint64(t[3])<<56
	letters := digits >> 6 & each
	values := digits&(0x0f*each) + 9*letters
	ok = values&(0xf0*each) == 0 && // at most 15,
		(values+0x76*each)&(0x80*each) == letters<<7 && // from 10 on a letter, below not,
		values+'0'*each+('a'-10-'0')*letters == digits // and written so
	pairs := (values<<4 | values>>8) & 0x00ff00ff00ff00ff
	pairs = (pairs | pairs>>8) & 0x0000ffff0000ffff
	return uint32(pairs | pairs>>16), ok
}
