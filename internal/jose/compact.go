package jose

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Compact serialization (RFC 7515 §7.1) is three base64url texts with dots between them, and nothing else.
//
// A signature covers the segments as they were sent, not the bytes they stand for. If the same bytes could be sent in several
// spellings, whoever holds a token could make others of it that decode alike; anything that knows tokens by their text, a
// deny-list or a memory of verified tokens, would take them for different ones. So only the canonical spelling is read:
// no padding, no line breaks, no other alphabet, and zero in the bits of the last character that no byte needs.

// Compact is a token cut at its dots. The segments are as they were sent, still encoded, and share the token's memory.
type Compact struct {
	Header       string // for AppendDecoded, then ParseHeader
	Payload      string // for AppendDecoded, once the signature holds
	Signature    string // for AppendDecoded
	SigningInput string // what is signed: header, dot, payload, as they were sent (RFC 7515 §5.1)
}

// SplitCompact cuts a token into exactly three segments. Each is not empty, of a length that base64url can have, and ends in
// a character of the alphabet without spare bits. Apart from finding the dots the cost does not depend on the length.
//
// It does not look at the other characters: [AppendDecoded] does, when a segment is decoded. Header and signature are decoded
// before anything is proven, because the proof needs them. The payload should be decoded only once its signature holds, so
// that a long payload under a bad signature costs no more than the check of that signature; a payload of the wrong alphabet
// is found then.
func SplitCompact(token string) (Compact, error) {
	first := strings.IndexByte(token, '.')
	if first < 0 {
		return Compact{}, ErrSegments
	}
	second := strings.IndexByte(token[first+1:], '.')
	if second < 0 {
		return Compact{}, ErrSegments
	}
	second += first + 1
	c := Compact{
		Header:       token[:first],
		Payload:      token[first+1 : second],
		Signature:    token[second+1:],
		SigningInput: token[:second],
	}
	if strings.IndexByte(c.Signature, '.') >= 0 {
		return Compact{}, ErrSegments
	}
	for _, segment := range [...]string{c.Header, c.Payload, c.Signature} {
		if err := checkEnd(segment); err != nil {
			return Compact{}, err
		}
	}
	return c, nil
}

// checkEnd checks what the length of a segment and its last character tell.
func checkEnd(segment string) error {
	if segment == "" {
		return ErrEmptySegment
	}
	last := segment[len(segment)-1]
	value := sextet(last)
	if value < 0 {
		return foreign(last)
	}
	switch len(segment) % 4 {
	case 1: // six bits, not even one byte
		return ErrSegmentLength
	case 2: // twelve bits, one byte: four to spare
		if value&0b1111 != 0 {
			return ErrSpareBits
		}
	case 3: // eighteen bits, two bytes: two to spare
		if value&0b11 != 0 {
			return ErrSpareBits
		}
	}
	return nil
}

// AppendDecoded appends what segment encodes. It reads only the one spelling RFC 7515 §2 allows; the error is a [Problem], and
// dst comes back as it was, though the memory behind its end may have been written to. The empty segment is no bytes.
//
// It is written out here because this is a large part of what a verify costs beside the signature, and because the decoder of
// encoding/base64 skips line breaks even where it is called strict.
func AppendDecoded(dst []byte, segment string) ([]byte, error) {
	if len(segment)%4 == 1 {
		return dst, wrong(segment)
	}
	n := len(segment) * 6 / 8
	decoded := slices.Grow(dst, n)[:len(dst)+n]
	out, rest := decoded[len(dst):], segment
	done, seen := decodeGroups(out, rest) // the bits of all groups of four characters
	out, rest = out[done*3:], rest[done*4:]
	bits, last := sextets, uint32(0) // the bits of the last group
	for len(rest) > 4 {
		group := bits[0][rest[0]] | bits[1][rest[1]] | bits[2][rest[2]] | bits[3][rest[3]]
		seen |= group
		out[0], out[1], out[2] = byte(group>>16), byte(group>>8), byte(group)
		out, rest = out[3:], rest[4:]
	}
	for place := range len(rest) {
		last |= bits[place][rest[place]]
	}
	for i := range out {
		out[i] = byte(last >> (16 - 8*i))
	}
	if spare := last << (8 + 8*len(out)); (seen|last)&foreignBits != 0 || spare != 0 {
		return dst, wrong(segment)
	}
	return decoded, nil
}

// decodeGroups decodes groups of four characters, two at a time, and leaves the last few. It says how many it has decoded, and which bits
// were in them. Much time is spent here.
func decodeGroups(out []byte, segment string) (done int, seen uint32) {
	bits := sextets
	for len(segment) > 8 && len(out) >= 8 {
		first := bits[0][segment[0]] | bits[1][segment[1]] | bits[2][segment[2]] | bits[3][segment[3]]
		second := bits[0][segment[4]] | bits[1][segment[5]] | bits[2][segment[6]] | bits[3][segment[7]]
		seen |= first | second
		binary.BigEndian.PutUint64(out, uint64(first)<<40|uint64(second)<<16) // six bytes, and two that come next
		out, segment = out[6:], segment[8:]
		done += 2
	}
	return done, seen
}

// DecodeText is AppendDecoded into a text of its own, which it makes without a copy.
func DecodeText(segment string) (string, error) {
	text, _, err := DecodeTextBeside(segment, "")
	return text, err
}

// DecodeTextBeside is DecodeText that also copies another text into the same piece of memory: for two that live as long as each other.
func DecodeTextBeside(segment, other string) (text, beside string, err error) {
	const chunk = 1024 // characters: whole groups
	n := len(segment) * 6 / 8
	var both strings.Builder
	both.Grow(n + len(other))
	var space [chunk * 6 / 8]byte
	for len(segment) > chunk {
		decoded, err := AppendDecoded(space[:0], segment[:chunk])
		if err != nil {
			return "", "", err
		}
		both.Write(decoded)
		segment = segment[chunk:]
	}
	decoded, err := AppendDecoded(space[:0], segment)
	if err != nil {
		return "", "", err
	}
	both.Write(decoded)
	both.WriteString(other)
	return both.String()[:n], both.String()[n:], nil
}

// sextets holds, for each of the four places in a group, the bits that a character puts into the group's 24, or foreignBits for one
// that is not of the alphabet.
var sextets = func() *[4][256]uint32 {
	bits := new([4][256]uint32)
	for place := range bits {
		for c := range bits[place] {
			bits[place][c] = foreignBits
			if value := sextet(byte(c)); value >= 0 {
				bits[place][c] = uint32(value) << (18 - 6*place)
			}
		}
	}
	return bits
}()

const foreignBits = 0xff << 24

// wrong says why segment, which does not decode, does not.
func wrong(segment string) error {
	for i := range len(segment) {
		if sextet(segment[i]) < 0 {
			return foreign(segment[i])
		}
	}
	if len(segment)%4 == 1 {
		return ErrSegmentLength
	}
	return ErrSpareBits
}

// foreign names the kind of a character that is not in the alphabet.
func foreign(c byte) error {
	switch c {
	case '=':
		return ErrPadding
	case '\r', '\n':
		return ErrLineBreak
	case ' ', '\t':
		return ErrBlank
	case '+', '/':
		return ErrStandard
	}
	return ErrAlphabet
}

// sextet returns the six bits a character of the alphabet stands for (RFC 4648 §5), or -1.
func sextet(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '-':
		return 62
	case c == '_':
		return 63
	}
	return -1
}
