package jose

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how many objects and arrays may lie inside each other. Nothing here recurses, so the limit is not for the stack:
// it keeps the memory of what is open fixed, and no honest token comes near it.
const MaxDepth = 32

// A Kind is what a JSON value is.
type Kind uint8

// The kinds of RFC 8259 §3.
const (
	Invalid Kind = iota // no value begins here, or none is due
	Object
	Array
	String
	Number
	Bool
	Null
)

// A Reader reads one JSON text, front to back, once. The caller asks for what it expects, and the first thing that is
// otherwise is the error: from then on every method returns a zero value or false, so that loops end, and End tells the error.
//
//	r := jose.NewReader(text)
//	r.Object()
//	for name, ok := r.Next(); ok; name, ok = r.Next() {
//		switch name {
//		case "sub":
//			subject = r.String()
//		default:
//			r.Raw()
//		}
//	}
//	if err := r.End(); err != nil {
//
// What was read counts for nothing until End has returned nil: only then is the whole text known to be one JSON value. Each
// value that is due must be read, if only by Raw; a caller that forgets one gets [ErrMisused], and not a text accepted by halves.
//
// It is strict. The grammar is that of RFC 8259 to the letter; the text is valid UTF-8 without a byte order mark; a string
// holds no half of a surrogate pair; no object, at any depth, has a name twice, and names are compared with their escapes
// resolved, byte for byte; depth is at most [MaxDepth]. Whatever is read past by Raw is held to the same rules. Names that
// differ only by case are different names here: see [FoldsTo].
//
// Strings without escapes are substrings of the text. A Reader is a value that need not leave the stack; it must not be copied
// while it is in use. The zero Reader is one of the empty text.
type Reader struct {
	text    string
	pos     int
	err     error
	state   state
	depth   int    // containers open
	plain   bool   // see Plain
	last    byte   // what ends the innermost container: '}', ']', or 0 outside of all
	objects uint32 // bit i is set if the container at level i is an object: one bit for each of MaxDepth
	names   names
}

// A state is what the grammar allows next.
type state uint8

const (
	valueDue  state = iota // a value: at the beginning, after a colon, after More
	opened                 // the first member or element, or the end, of the container that was just entered
	valueRead              // a comma, the end of the container or, outside of all, the end of the text
	failed                 // nothing
)

// NewReader returns a Reader of text. That all of it is valid UTF-8 is checked here, at once.
func NewReader(text string) (r Reader) {
	r.Reset(text)
	return r
}

// Reset makes the zero Reader one of text. It is NewReader without a copy of the Reader, which has more than 1 KiB.
func (r *Reader) Reset(text string) {
	r.text = text
	r.plain = IsPlain(text)
	if !r.plain && !utf8.ValidString(text) {
		r.refuse(ErrUTF8, invalidUTF8(text))
	}
}

// invalidUTF8 returns where text leaves UTF-8.
func invalidUTF8(text string) int {
	for i, c := range text {
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return len(text)
}

// Err returns the first error, or nil if there is none so far.
func (r *Reader) Err() error { return r.err }

// Fail makes err, if it is not nil, the error, unless there is one already: for what the caller does not accept.
func (r *Reader) Fail(err error) {
	if r.err == nil && err != nil {
		r.err = err
		r.state = failed
	}
}

// refuse is Fail with a problem met at offset.
func (r *Reader) refuse(p Problem, offset int) {
	if r.err == nil {
		r.Fail(&SyntaxError{Problem: p, Offset: offset})
	}
}

// refuseHere is refuse at the current position; at the end of the text, that is the problem.
func (r *Reader) refuseHere(p Problem) {
	if r.pos == len(r.text) {
		p = ErrEnd
	}
	r.refuse(p, r.pos)
}

// Plain says whether all strings that were read so far are plain, or empty: the whole text is, and none of them had an escape. What
// [IsPlain] would have to tell of each of them was then told of all of the text at once.
func (r *Reader) Plain() bool { return r.plain }

// Left returns how many bytes of the text have not been read.
func (r *Reader) Left() int { return len(r.text) - r.pos }

// End returns the error, if there is one. It is an error as well if not exactly one value was read, or if anything but blanks
// follows it.
func (r *Reader) End() error {
	switch {
	case r.state == failed:
	case r.state != valueRead || r.depth > 0:
		r.refuse(ErrMisused, r.pos)
	default:
		if r.peek(); r.pos < len(r.text) {
			r.refuse(ErrTrailing, r.pos)
		}
	}
	return r.err
}

// Kind returns what the next value is, as far as its first character tells, and reads nothing. It is Invalid where no value
// is due, and after an error.
func (r *Reader) Kind() Kind {
	if r.state != valueDue {
		return Invalid
	}
	return kindOf(r.peek())
}

// kindOf returns the kind of the values that begin with c.
func kindOf(c byte) Kind {
	switch c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	}
	return Invalid
}

// Object enters an object; read its members with Next.
func (r *Reader) Object() { r.ObjectOf(nil) }

// ObjectOf is Object for one that is likely to have some names: it reads them faster. What it reads, and what it refuses, is the same.
func (r *Reader) ObjectOf(likely *Names) {
	if r.enter('{', '}', ErrObject) {
		r.objects |= 1 << (r.depth - 1)
		r.names.enter(r.depth-1, likely)
	}
}

// Next reads the name of the object's next member; its value is due then. It is false at the end of the object, which it
// reads as well, and after an error.
func (r *Reader) Next() (name string, ok bool) {
	if name = r.nextLikely(); name != "" {
		return name, true
	}
	if !r.advance('}') {
		return "", false
	}
	if r.peek() != '"' {
		r.refuseHere(ErrName)
		return "", false
	}
	at := r.pos
	if name, ok = r.unquote(); !ok {
		return "", false
	}
	if !r.names.add(r.depth-1, name) {
		r.refuse(ErrDuplicate, at)
		return "", false
	}
	if r.peek() != ':' {
		r.refuseHere(ErrColon)
		return "", false
	}
	r.pos++
	r.state = valueDue
	return name, true
}

// likelyTries is how many likely names are tried at one place: a writer leaves out what is empty.
const likelyTries = 4

// nextLikely is Next for a likely name that stands where it is expected, or where a few before it were left out, in the way in which it is
// expected. Otherwise it is "" and has read nothing.
func (r *Reader) nextLikely() string {
	if r.last != '}' || r.state != opened && r.state != valueRead {
		return ""
	}
	object := &r.names.open[r.depth-1]
	if object.likely == nil {
		return ""
	}
	text, at := r.text, r.pos
	if r.state == valueRead {
		if at >= len(text) || text[at] != ',' {
			return ""
		}
		at++
	}
	if at+8 > len(text) {
		return ""
	}
	head, list, first := eight(text[at:at+8]), object.likely.list, int(object.next)
	for i := first; i < len(list) && i < first+likelyTries; i++ {
		expected := &list[i]
		end := at + expected.size
		if head&expected.mask != expected.head || end > len(text) || expected.size > 8 && eight(text[end-8:end]) != expected.tail {
			continue
		}
		if !object.addLikely(i) {
			return ""
		}
		r.pos, r.state = end, valueDue
		return expected.name
	}
	return ""
}

// Array enters an array; read its elements after More.
func (r *Reader) Array() {
	r.enter('[', ']', ErrArray)
}

// More says whether the array has another element, which is due then. It is false at the end of the array, which it reads,
// and after an error.
func (r *Reader) More() bool {
	if !r.advance(']') {
		return false
	}
	r.state = valueDue
	return true
}

// String reads a string and resolves its escapes. It is "" after an error: check End before believing that a string is empty.
func (r *Reader) String() string {
	if text, from := r.text, r.pos+1; r.state == valueDue && from < len(text) && text[from-1] == '"' {
		if end := plainEnd(text, from); end < len(text) && text[end] == '"' { // as nearly every string of a token
			r.pos, r.state = end+1, valueRead
			return text[from:end]
		}
	}
	if !r.due() {
		return ""
	}
	if r.peek() != '"' {
		r.refuseHere(ErrString)
		return ""
	}
	s, ok := r.unquote()
	if !ok {
		return ""
	}
	r.state = valueRead
	return s
}

// Number reads a number and returns its text, for ParseInt or ParseSeconds.
func (r *Reader) Number() string {
	if !r.due() {
		return ""
	}
	r.peek()
	from := r.pos
	end, ok := numberEnd(r.text, from)
	if !ok {
		r.pos = end
		r.refuseHere(ErrNumber)
		return ""
	}
	r.pos = end
	r.state = valueRead
	return r.text[from:end]
}

// Seconds reads a number and returns its ParseSeconds.
func (r *Reader) Seconds() (seconds int64, ok bool) {
	const most = 11 // digits: one fewer than the last second has
	from := min(r.pos, len(r.text))
	digits := r.text[from:min(from+most, len(r.text))]
	n := 0
	for ; n < len(digits) && digits[n]-'0' <= 9; n++ {
		seconds = 10*seconds + int64(digits[n]-'0')
	}
	if n > 0 && digits[0] != '0' && r.state == valueDue && from+n < len(r.text) && (r.text[from+n] == ',' || r.text[from+n] == '}') {
		r.pos, r.state = from+n, valueRead // as nearly every one in a token
		return seconds, true
	}
	return ParseSeconds(r.Number())
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	if !r.due() {
		return false
	}
	if r.peek() == 't' {
		return r.word("true", ErrBool)
	}
	r.word("false", ErrBool)
	return false
}

// Null reads a null, if one is next, and says so. Another value is no error, and is still due.
func (r *Reader) Null() bool {
	return r.Kind() == Null && r.word("null", ErrNull)
}

// Raw reads one value of any kind, strictly, and returns its text as it stands, without the blanks around it.
func (r *Reader) Raw() string {
	if !r.due() {
		return ""
	}
	r.peek()
	from, outside := r.pos, r.depth
	r.skip()
	for r.depth > outside && r.state != failed {
		if r.step() {
			r.skip()
		}
	}
	if r.state == failed {
		return ""
	}
	return r.text[from:r.pos]
}

// skip reads a value, but of an object or array only the beginning.
func (r *Reader) skip() {
	switch kindOf(r.peek()) {
	case Object:
		r.Object()
	case Array:
		r.Array()
	case String:
		if r.quoted(plainEnd(r.text, r.pos+1)) {
			r.state = valueRead
		}
	case Number:
		r.Number()
	case Bool:
		r.Bool()
	case Null:
		r.Null()
	default:
		r.refuseHere(ErrValue)
	}
}

// step goes to the next value of the innermost container. It is false at the end of the container, which it reads.
func (r *Reader) step() bool {
	if r.last == '}' {
		_, ok := r.Next()
		return ok
	}
	return r.More()
}

// due says whether a value is due. Where none is, the caller has lost its way in the text, and must not go on.
func (r *Reader) due() bool {
	if r.state != valueDue {
		r.refuse(ErrMisused, r.pos)
		return false
	}
	return true
}

// enter reads the first character of an object or array.
func (r *Reader) enter(first, last byte, otherwise Problem) bool {
	if !r.due() {
		return false
	}
	if r.peek() != first {
		r.refuseHere(otherwise)
		return false
	}
	if r.depth == MaxDepth {
		r.refuse(ErrDepth, r.pos)
		return false
	}
	r.pos++
	r.depth++
	r.last = last
	r.state = opened
	return true
}

// advance reads the comma before the next member or element, where one belongs, or the last character of the container, and
// then is false.
func (r *Reader) advance(last byte) bool {
	if r.last != last || r.state != opened && r.state != valueRead {
		r.refuse(ErrMisused, r.pos)
		return false
	}
	switch c := r.peek(); {
	case c == last:
		r.leave()
		return false
	case r.state == opened:
		return true
	case c == ',':
		r.pos++
		return true
	}
	r.refuseHere(ErrComma)
	return false
}

// leave reads the last character of the innermost container.
func (r *Reader) leave() {
	r.pos++
	r.depth--
	if r.last == '}' {
		r.objects &^= 1 << r.depth
		r.names.leave(r.depth)
	}
	switch {
	case r.depth == 0:
		r.last = 0
	case r.objects>>(r.depth-1)&1 != 0:
		r.last = '}'
	default:
		r.last = ']'
	}
	r.state = valueRead
}

// peek skips blanks and returns the character that follows. It is 0 at the end, which no part of the grammar begins with.
func (r *Reader) peek() byte {
	const blanks uint64 = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r'
	for ; r.pos < len(r.text); r.pos++ {
		if c := r.text[r.pos]; c > ' ' || blanks>>c&1 == 0 {
			return c
		}
	}
	return 0
}

// word reads a literal name.
func (r *Reader) word(w string, otherwise Problem) bool {
	if !strings.HasPrefix(r.text[r.pos:], w) {
		r.refuseHere(otherwise)
		return false
	}
	r.pos += len(w)
	r.state = valueRead
	return true
}

// unquote reads the string whose first quote is at pos, and resolves its escapes. Nearly every string has none.
func (r *Reader) unquote() (s string, ok bool) {
	from := r.pos + 1
	end := plainEnd(r.text, from)
	if end < len(r.text) && r.text[end] == '"' {
		r.pos = end + 1
		return r.text[from:end], true
	}
	if !r.quoted(end) {
		return "", false
	}
	r.plain = false // an escape may stand for anything
	return unescape(r.text[from : r.pos-1]), true
}

// quoted reads the rest of a string, from i on. Its last quote is then just before pos.
func (r *Reader) quoted(i int) (ok bool) {
	for text := r.text; i < len(text); i = plainEnd(text, i) {
		switch text[i] {
		case '"':
			r.pos = i + 1
			return true
		case '\\':
			_, n, problem := escape(text[i:])
			if n == 0 {
				r.refuse(problem, i)
				return false
			}
			i += n
		default:
			r.refuse(ErrControl, i)
			return false
		}
	}
	r.refuse(ErrEnd, len(r.text))
	return false
}

// plainEnd returns the index of the next quote, backslash or control character from i on, or the length of s. Most of a token
// is strings, so that it looks at eight bytes at a time, as one number.
func plainEnd(s string, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for ; i+8 <= len(s); i += 8 {
		w := eight(s[i : i+8])
		// x-ones has the high bit of each zero byte of x set; bytes that had it before do not count. A borrow may set more of
		// them, but only above a true one, and the lowest is what is taken.
		quote, backslash := w^'"'*ones, w^'\\'*ones
		found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (w-' '*ones)&^w) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// IsPlain says whether s is ASCII without NUL, and so also valid UTF-8: what nearly all texts of a token are, told in one pass. It is
// false for the empty text.
func IsPlain(s string) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	i, odd := 0, uint64(0) // odd has high bits where a byte is zero, or has one itself, as in plainEnd
	for ; i+8 <= len(s); i += 8 {
		w := eight(s[i : i+8])
		odd |= w | (w - ones)
	}
	for ; i < len(s); i++ {
		odd |= uint64(s[i]) | (uint64(s[i]) - 1)
	}
	return odd&highs == 0 && s != ""
}

// eight returns the eight bytes of s as a number, the first one lowest. The compiler makes it one load.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// unescape resolves the escapes of what quoted has found to be well formed.
func unescape(inner string) string {
	var b strings.Builder
	b.Grow(len(inner)) // no escape is shorter than what it stands for
	for {
		i := strings.IndexByte(inner, '\\')
		if i < 0 {
			b.WriteString(inner)
			return b.String()
		}
		c, n, _ := escape(inner[i:])
		b.WriteString(inner[:i])
		b.WriteRune(c)
		inner = inner[i+n:]
	}
}

// escape reads the escape at the beginning of s: what it stands for, and its length. The length is 0 if there is a problem.
func escape(s string) (c rune, n int, p Problem) {
	if len(s) < 2 {
		return 0, 0, ErrEscape
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	}
	c, ok := unit(s)
	if !ok {
		return 0, 0, ErrEscape
	}
	if !utf16.IsSurrogate(c) {
		return c, 6, ""
	}
	low, _ := unit(s[6:]) // 0 if there is none, and then no pair
	if c = utf16.DecodeRune(c, low); c == utf8.RuneError {
		return 0, 0, ErrSurrogate
	}
	return c, 12, ""
}

// unit reads the \u and four hexadecimal digits at the beginning of s, one unit of UTF-16.
func unit(s string) (c rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for i := 2; i < 6; i++ {
		d := s[i]
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		case 'A' <= d && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		c = c<<4 | rune(d)
	}
	return c, true
}
