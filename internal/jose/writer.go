package jose

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
)

// What this library signs is written by hand, so that it is the same on every run and has nothing in it that encoding/json
// would add: no escaping for HTML, no members of embedded structs, no replaced characters.

// AppendString appends s as a JSON string, escaping only what RFC 8259 §7 says must be: the quote, the backslash and control
// characters. s must be valid UTF-8, which is not checked: what is not would come out as it is, and no strict reader takes it.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		plain := plainEnd(s, 0)
		dst = append(dst, s[:plain]...)
		if plain == len(s) {
			return append(dst, '"')
		}
		dst = appendEscape(dst, s[plain])
		s = s[plain+1:]
	}
}

// appendEscape appends the escape of c, the short one if it has one.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}

// AppendEncoded appends the canonical base64url text of src.
//
// It is written out here because after the signature it is the largest part of what minting costs.
func AppendEncoded(dst, src []byte) []byte {
	n := base64.RawURLEncoding.EncodedLen(len(src))
	encoded := slices.Grow(dst, n)[:len(dst)+n]
	out := encoded[len(dst):]
	done, written := 0, 0
	for ; done+8 <= len(src) && written+8 <= len(out); done, written = done+6, written+8 { // six bytes; two more are read with them
		six := binary.BigEndian.Uint64(src[done : done+8])
		binary.BigEndian.PutUint64(out[written:written+8], uint64(alphabet[six>>58])<<56|uint64(alphabet[six>>52&63])<<48|
			uint64(alphabet[six>>46&63])<<40|uint64(alphabet[six>>40&63])<<32|
			uint64(alphabet[six>>34&63])<<24|uint64(alphabet[six>>28&63])<<16|
			uint64(alphabet[six>>22&63])<<8|uint64(alphabet[six>>16&63]))
	}
	base64.RawURLEncoding.Encode(out[written:], src[done:])
	return encoded
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// WriteEncoded writes what AppendEncoded would append, without memory of its own.
func WriteEncoded(text *strings.Builder, src []byte) {
	const chunk = 384 // bytes: whole groups of three
	var space [chunk * 8 / 6]byte
	for len(src) > chunk {
		text.Write(AppendEncoded(space[:0], src[:chunk]))
		src = src[chunk:]
	}
	text.Write(AppendEncoded(space[:0], src))
}

// Valid returns nil if json is exactly one value that a [Reader] takes, and otherwise what is wrong with it.
func Valid(json string) error {
	r := NewReader(json)
	r.Raw()
	return r.End()
}
