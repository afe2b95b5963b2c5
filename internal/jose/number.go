package jose

import (
	"math"
	"strings"
)

// A JSON number is text, and stays text until someone asks for its value: a float64 would round 2^53+1, and 1e999999999 must
// cost neither memory nor time. The value is taken digit by digit, exactly, in time proportional to the literal.

// maxSeconds is the last second of the year 9999, the last one RFC 3339 can write.
const maxSeconds = 253402300799

// ParseInt returns the value of a JSON number that is an integer within int64. Fractions and exponents do not matter as long
// as the value is integral: 3, 3.0, 30e-1 and -0 are integers, 0.5 is none. It is false for any other number, and for a text
// that is no JSON number.
func ParseInt(number string) (int64, bool) {
	if v, ok := plainInteger(number); ok {
		return v, true
	}
	d, ok := parseDecimal(number)
	if !ok {
		return 0, false
	}
	// An integer has no digit right of the point. Of those left of it uint64 holds 19.
	if d.significant() > 0 && d.significant() > d.point || d.point > 19 {
		return 0, false
	}
	magnitude := d.integer()
	switch {
	case d.negative && magnitude == 1<<63:
		return math.MinInt64, true
	case magnitude > math.MaxInt64:
		return 0, false
	case d.negative:
		return -int64(magnitude), true
	}
	return int64(magnitude), true
}

// ParseSeconds returns a NumericDate (RFC 7519 §2) in whole seconds since 1970, rounded down: 1800000000.9 is 1800000000. It
// is false for a number with a minus sign, -0 among them, for one whose whole seconds lie beyond the year 9999, and for a text
// that is no JSON number.
func ParseSeconds(number string) (int64, bool) {
	seconds, ok := plainInteger(number)
	if !ok {
		d, ok := parseDecimal(number)
		if !ok || d.negative || d.point > 12 { // maxSeconds has 12 digits
			return 0, false
		}
		seconds = int64(d.integer())
	}
	if seconds > maxSeconds {
		return 0, false
	}
	return seconds, true
}

// plainInteger returns the value of what almost all numbers in tokens are: up to 18 digits, which int64 always holds, and
// nothing else. It is false for every other number.
func plainInteger(number string) (int64, bool) {
	if number == "" || len(number) > 18 || number[0] == '0' {
		return 0, false
	}
	var v int64
	for i := range len(number) {
		c := number[i] - '0'
		if c > 9 {
			return 0, false
		}
		v = 10*v + int64(c)
	}
	return v, true
}

// A decimal is a number as 0.ddd… times ten to the power of point, where ddd… is whole, then fraction, and neither the first
// nor the last digit is zero. Zero has no digits.
type decimal struct {
	negative        bool
	whole, fraction string
	point           int64 // how many digits stand left of the decimal point; below zero: how many zeros follow it
}

// parseDecimal takes a JSON number apart. It is false for any other text.
func parseDecimal(number string) (decimal, bool) {
	if end, ok := numberEnd(number, 0); !ok || end != len(number) {
		return decimal{}, false
	}
	digits, negative := strings.CutPrefix(number, "-")
	d := decimal{negative: negative}
	var e int64
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		e = exponent(digits[i+1:])
		digits = digits[:i]
	}
	d.whole, d.fraction, _ = strings.Cut(digits, ".")
	d.whole = strings.TrimLeft(d.whole, "0")
	d.point = int64(len(d.whole))
	d.fraction = strings.TrimRight(d.fraction, "0")
	if d.fraction == "" {
		d.whole = strings.TrimRight(d.whole, "0")
	}
	if d.whole == "" {
		zeros := len(d.fraction)
		d.fraction = strings.TrimLeft(d.fraction, "0")
		d.point -= int64(zeros - len(d.fraction))
	}
	if d.significant() > 0 {
		d.point += e
	}
	return d, true
}

// significant returns how many digits there are from the first to the last that is not zero.
func (d decimal) significant() int64 { return int64(len(d.whole) + len(d.fraction)) }

// integer returns the digits left of the decimal point, of which there must be at most 19.
func (d decimal) integer() uint64 {
	var v uint64
	left := d.point
	for _, digits := range [...]string{d.whole, d.fraction} {
		for i := 0; i < len(digits) && left > 0; i++ {
			v = 10*v + uint64(digits[i]-'0')
			left--
		}
	}
	for ; left > 0; left-- {
		v *= 10
	}
	return v
}

// exponent returns the value of an exponent's sign and digits, cut to a bound beyond the length of any text, so that adding
// such a length neither overflows nor changes the side of zero the sum is on.
func exponent(s string) int64 {
	const bound = 1 << 56
	digits := strings.TrimLeft(s, "+-")
	var e int64
	for i := range len(digits) {
		e = min(10*e+int64(digits[i]-'0'), bound)
	}
	if s[0] == '-' {
		return -e
	}
	return e
}

// numberEnd returns the index behind the JSON number that begins at i (RFC 8259 §6). It is false if there is none; then the
// index is where the grammar was left.
func numberEnd(s string, i int) (end int, ok bool) {
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' { // a zero stands alone before the point
		i++
	} else if i, ok = digitsEnd(s, i); !ok {
		return i, false
	}
	if i < len(s) && s[i] == '.' {
		if i, ok = digitsEnd(s, i+1); !ok {
			return i, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if i, ok = digitsEnd(s, i); !ok {
			return i, false
		}
	}
	return i, true
}

// digitsEnd returns the index behind the digits that begin at i, and whether there are any.
func digitsEnd(s string, i int) (end int, ok bool) {
	end = i
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	return end, end > i
}
