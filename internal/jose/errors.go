package jose

import "strconv"

// A Problem is what was wrong with a text, as a constant: refusing a text need not allocate, and nobody can change the
// constants below. Its words hold nothing of the text.
type Problem string

// Error implements error.
func (p Problem) Error() string { return string(p) }

// What may be wrong with the shape of a token, or with a segment of it.
const (
	ErrSegments      Problem = "not three segments separated by dots"
	ErrEmptySegment  Problem = "segment is empty"
	ErrSegmentLength Problem = "not base64url: no text encodes to a segment of this length"
	ErrPadding       Problem = "not canonical base64url: padding"
	ErrLineBreak     Problem = "not canonical base64url: line break"
	ErrBlank         Problem = "not canonical base64url: blank"
	ErrStandard      Problem = "not canonical base64url: character of the standard alphabet"
	ErrAlphabet      Problem = "not canonical base64url: character outside the alphabet"
	ErrSpareBits     Problem = "not canonical base64url: spare bits that are not zero"
)

// What may be wrong with a JSON text. A [Reader] reports these inside a [SyntaxError].
const (
	ErrUTF8      Problem = "invalid UTF-8"
	ErrEnd       Problem = "the text ends too early"
	ErrValue     Problem = "no JSON value"
	ErrObject    Problem = "not an object"
	ErrArray     Problem = "not an array"
	ErrString    Problem = "not a string"
	ErrNumber    Problem = "not a number"
	ErrBool      Problem = "not true or false"
	ErrNull      Problem = "not null"
	ErrName      Problem = "no member name"
	ErrColon     Problem = "no colon after a member name"
	ErrComma     Problem = "no comma, and no end of the object or array"
	ErrControl   Problem = "control character in a string"
	ErrEscape    Problem = "unknown escape in a string"
	ErrSurrogate Problem = "lone surrogate in a string"
	ErrDuplicate Problem = "duplicate member"
	ErrDepth     Problem = "nested too deeply"
	ErrTrailing  Problem = "text after the value"
	ErrMisused   Problem = "reader misused: nothing of this kind is due"
)

// What may be wrong with a header, apart from its JSON.
const (
	ErrHeaderTooLong Problem = "header is longer than 2 KiB"
	ErrHeaderRefused Problem = "header has a member that is refused"
	ErrLookAlike     Problem = "header has a member whose name is a known one in other letter case"
	ErrNoAlgorithm   Problem = "header has no alg"
	ErrAlgorithm     Problem = "alg is not a string of 1 to 32 bytes"
	ErrKeyID         Problem = "kid is not a string of 1 to 128 printable ASCII characters"
	ErrType          Problem = "typ is not a string of 1 to 128 bytes"
)

// A SyntaxError is a problem of a JSON text and where it was met. It holds nothing of the text.
type SyntaxError struct {
	Problem Problem // one of the constants of this package
	Offset  int     // in bytes, from the beginning of the text
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return string(e.Problem) + " at byte " + strconv.Itoa(e.Offset)
}

// Unwrap returns the problem, for errors.Is.
func (e *SyntaxError) Unwrap() error { return e.Problem }
