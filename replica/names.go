package replica

import (
	"crypto/sha256"
	"encoding/binary"
)

// Ten million names as text would be a gigabyte, so names are kept as 16 bytes: the 32 digits of a UUID, and of any other text the first
// half of a SHA-256, but for two bits. Nobody finds two texts for one such name by less than 2^63 tries, and whoever did had found two of
// his own tokens that die together. Each kind of name has a set of its own.
//
// The two bits are those where a UUID has its variant, which are 10 in every UUID that RFC 9562 lays out: in a digest they are 11, so that
// none is a UUID's name. What looks like a UUID and has others is a text.

// A name is what a token, a session or a subject is known by here.
type name struct{ first, second uint64 }

// variant is where a UUID's variant stands in the second half, and what it is.
const (
	variant       = 0b11 << 2
	variantOfUUID = 0b10 << 2
)

// nameOf returns the name of a token's id or of a subject. Only a UUID as RFC 9562 prints it, lower-case, is named by its digits: two texts
// that are not equal never share them.
func nameOf(text string) name {
	if n, ok := digitsOf(text); ok && n.second&variant == variantOfUUID {
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
	return name{binary.LittleEndian.Uint64(sum[0:]), binary.LittleEndian.Uint64(sum[8:]) | variant}
}

// fold is a byte that depends on all of a name.
func (n name) fold() byte {
	x := n.first ^ n.second
	x ^= x >> 32
	x ^= x >> 16
	return byte(x ^ x>>8)
}

// digitsOf returns the 32 digits of a text that is written as a UUID is, lower-case, and whether it is one. Each byte of a name holds two of
// them, but not two neighbours: those of the first quarter of the text and of the second lie in one half, below and above, and so do those
// of the others, since that takes the fewest steps. The variant is the lowest digit of the second half.
func digitsOf(s string) (n name, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return name{}, false
	}
	a, badA := unhex(four(s[0:]) | four(s[4:])<<32)
	b, badB := unhex(four(s[9:]) | four(s[14:])<<32)
	c, badC := unhex(four(s[19:]) | four(s[24:])<<32)
	d, badD := unhex(four(s[28:]) | four(s[32:])<<32)
	return name{a | b<<4, c | d<<4}, badA|badB|badC|badD == 0
}

// four returns the first four bytes of s as a number, the first one lowest. The compiler makes it one load.
func four(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// unhex returns the values of eight lower-case hexadecimal digits, a byte each, and 0 if that is what they are. It works on all at once:
// each has a byte of a word to itself, in which nothing that is added here overflows.
func unhex(digits uint64) (values, bad uint64) {
	letters := digits >> 6 & ones
	values = digits&(0x0f*ones) + 9*letters
	bad = values&(0xf0*ones) | // at most 15,
		((values+0x76*ones)>>7&ones ^ letters) | // from 10 on a letter, below not,
		(values + '0'*ones + ('a'-10-'0')*letters ^ digits) // and written so
	return values, bad
}
