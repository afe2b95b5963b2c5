package jose

import (
	"encoding/base64"
	"slices"
	"strings"
)

// Compact serialization (RFC 7515 §7.1) is three base64url texts with dots between them, and nothing else.
//
// A signature covers the segments as they were sent, not the bytes they stand for. If the same bytes could be sent in several
// spellings, whoever holds a token could make others of it that decode alike; anything that knows tokens by their text, a
// deny-list or a memory of verified tokens, would take them for different ones. So only the canonical spelling is read:
// no padding, no line breaks, no other alphabet, and zero in the bits of the last character that no byte needs.

// strict refuses padding, foreign characters and spare bits. It skips CR and LF, even though it is called strict:
// AppendDecoded adds that check.
var strict = base64.RawURLEncoding.Strict()

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
func AppendDecoded(dst []byte, segment string) ([]byte, error) {
	if len(segment)%4 == 1 {
		return dst, wrong(segment)
	}
	n := strict.DecodedLen(len(segment))
	out := slices.Grow(dst, n)
	// Skipped line breaks leave fewer bytes than the length promises: each length that is possible stands for another count.
	got, err := strict.Decode(out[len(dst):len(dst)+n], []byte(segment))
	if err != nil || got != n {
		return dst, wrong(segment)
	}
	return out[:len(dst)+n], nil
}

// AppendEncoded appends the canonical base64url text of src.
func AppendEncoded(dst, src []byte) []byte {
	return strict.AppendEncode(dst, src)
}

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
