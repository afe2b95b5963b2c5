package jose

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

// Valid returns nil if json is exactly one value that a [Reader] takes, and otherwise what is wrong with it.
func Valid(json string) error {
	r := NewReader(json)
	r.Raw()
	return r.End()
}
