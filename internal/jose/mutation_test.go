package jose_test

import (
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// Checks that could once be taken away and no test noticed: internal/mutate found them. Each test here holds one.

func TestASignatureThatBeginsWithADotIsAFourthSegment(t *testing.T) {
	for _, token := range []string{"eyJh.cGF5..c2ln", "eyJh.cGF5..AA"} {
		if _, err := jose.SplitCompact(token); err != jose.ErrSegments {
			t.Errorf("%s: error is %v, want %v", token, err, jose.ErrSegments)
		}
	}
}

// The letter that stands for zero is one of the alphabet: what follows it is to blame.
func TestTheFirstLetterIsNotToBlame(t *testing.T) {
	for segment, want := range map[string]jose.Problem{"AA=A": jose.ErrPadding, "A\nAA": jose.ErrLineBreak, "A+AA": jose.ErrStandard} {
		if _, err := jose.AppendDecoded(nil, segment); err != want {
			t.Errorf("%q: error is %v, want %v", segment, err, want)
		}
	}
}

// A value that is not due is not read, whatever stands there.
func TestWhatIsNotDueIsNotRead(t *testing.T) {
	for text, read := range map[string]func(r *jose.Reader) bool{
		`["a"]`:  func(r *jose.Reader) bool { return r.String() != "" },
		`[1]`:    func(r *jose.Reader) bool { return r.Number() != "" },
		`[true]`: func(r *jose.Reader) bool { return r.Bool() },
		`[[]]`:   func(r *jose.Reader) bool { return r.Raw() != "" },
	} {
		r := jose.NewReader(text)
		r.Array() // and no More
		if read(&r) {
			t.Errorf("%s: something was read", text)
		}
		if r.More() {
			t.Errorf("%s: more is promised after an error", text)
		}
		if err := r.End(); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

// Six bits are no byte, though they be zero.
func TestNoSegmentHasOneCharacterOver(t *testing.T) {
	for _, segment := range []string{"A", "AAAAA", "AAAAAAAAA", "AAAAAAAAAAAAAAAAA"} {
		if got, err := jose.AppendDecoded(nil, segment); err != jose.ErrSegmentLength || len(got) > 0 {
			t.Errorf("%s: %d bytes, error is %v, want %v", segment, len(got), err, jose.ErrSegmentLength)
		}
	}
}

// Zeros at the beginning of a fraction are no zeros before the point.
func TestZerosBehindThePoint(t *testing.T) {
	for number, want := range map[string]int64{"1800000000.05": 1800000000, "12.0": 12, "120.003e3": 120003, "0.05e3": 50, "10.01e2": 1001} {
		if got, ok := jose.ParseSeconds(number); !ok || got != want {
			t.Errorf("%s is %d, %v, want %d", number, got, ok, want)
		}
		if got, ok := jose.ParseInt(number); ok && got != want {
			t.Errorf("%s is the integer %d, want %d", number, got, want)
		}
	}
}
