package jose_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

func TestParseInt(t *testing.T) {
	zeros := strings.Repeat("0", 1000)
	for _, row := range []struct {
		number string
		want   int64
	}{
		{"0", 0}, {"-0", 0}, {"0.0", 0}, {"-0.00", 0}, {"0e5", 0}, {"0e999999999999", 0}, {"0.0e-999999999999", 0},
		{"3", 3}, {"3.0", 3}, {"3e2", 300}, {"3E2", 300}, {"3e+2", 300}, {"300e-2", 3}, {"0.3e1", 3}, {"0.03e2", 3}, {"-3.0e0", -3},
		{"12.50e2", 1250}, {"1.5e1", 15}, {"10", 10}, {"100.0", 100}, {"1e18", 1e18}, {"5e00000000000000000001", 50},
		{"9007199254740993", 1<<53 + 1}, // a float64 would round it
		{"999999999999999999", 999999999999999999}, {"1000000000000000000", 1e18},
		{"9223372036854775807", math.MaxInt64}, {"9223372036854775807.000", math.MaxInt64},
		{"9.223372036854775807e18", math.MaxInt64}, {"92233720368547758070e-1", math.MaxInt64},
		{"-9223372036854775808", math.MinInt64}, {"-9223372036854775807", -math.MaxInt64},
		{"1" + zeros + "e-1000", 1}, {"0." + zeros + "7e1001", 7}, {"1." + zeros, 1},
	} {
		if got, ok := jose.ParseInt(row.number); got != row.want || !ok {
			t.Errorf("%.40s: got %d, %t, want %d", row.number, got, ok, row.want)
		}
	}
	for _, number := range []string{
		"0.5", "-0.5", "3.1", "1e-1", "10e-2", "1e-999999999", "0.1e-999999999999999999999", "1234.5e0", "1.05e1", "1e18446744073709551617", "1e-18446744073709551615", "0." + zeros + "7e1000",
		"9223372036854775808", "-9223372036854775809", "9223372036854775807.5", "18446744073709551616", "18446744073709551617",
		"1e19", "1e20", "1e300", "1e999999999", "1e99999999999999999999999", "9" + zeros, "1" + zeros + "e-900",
		"10000000000000000000", "99999999999999999999",
		"", " ", "-", "+1", "01", "-01", "00", "1.", ".5", "1e", "1e+", "1.e1", "1e1.5", "0x10", "1_000", " 1", "1 ", "1\n", "NaN",
		"Infinity", "-Infinity", "null", `"1"`, "1a", "1e1e1", "1.2.3", "--1", "1-", "１", "1,0", "e5", "1:", "1/", "12e1:",
	} {
		if got, ok := jose.ParseInt(number); ok || got != 0 {
			t.Errorf("%.40q: got %d, %t", number, got, ok)
		}
	}
}

// Row C9 of the conformance tables, and its neighbours. That strings, booleans and null are no dates is TestReaderKinds.
func TestC9ParseSeconds(t *testing.T) {
	nines := strings.Repeat("9", 1000)
	for _, row := range []struct {
		number string
		want   int64
	}{
		{"0", 0}, {"0.9", 0}, {"1e-999999999", 0}, {"1e-18446744073709551615", 0}, {"0e999999999", 0}, {"0.0", 0}, {"9e-1", 0}, {"0.09e1", 0},
		{"1", 1}, {"1.9", 1}, {"0.19e1", 1}, {"19e-1", 1},
		{"1800000000", 1800000000}, {"1.8e9", 1800000000}, {"18E+8", 1800000000}, {"1800000000.5", 1800000000},
		{"1800000000.999999999999999999999", 1800000000}, {"1800000000." + nines, 1800000000}, {"1.8000000009e9", 1800000000},
		{"180000000099e-2", 1800000000},
		{"253402300799", 253402300799}, {"253402300799.999", 253402300799}, {"2.53402300799e11", 253402300799},
	} {
		if got, ok := jose.ParseSeconds(row.number); got != row.want || !ok {
			t.Errorf("%.40s: got %d, %t, want %d", row.number, got, ok, row.want)
		}
	}
	for _, number := range []string{
		"-0", "-0.0", "-1", "-1e-9", "-1800000000",
		"253402300800", "253402300800.0", "2.534023008e11", "999999999999", "1000000000000", "1e12", "9e18", "1e300", "1e999999999", "1e18446744073709551617", nines,
		"", "-", "+1", "01", "1.", ".5", "1e", "NaN", "Infinity", "1800000000 ", "0x6b49d200", `"1800000000"`, "true", "null",
	} {
		if got, ok := jose.ParseSeconds(number); ok || got != 0 {
			t.Errorf("%.40q: got %d, %t", number, got, ok)
		}
	}
}

// Seconds reads what ParseSeconds reads of the text of a Number, refuses what is refused there, and stops where Number stops.
func TestSecondsIsParseSecondsOfANumber(t *testing.T) {
	pieces := []string{"0", "1", "9", "1800000000", "99999999999", "253402300799", "-", "+", ".", "e", "5", ":", "/", " ", "\"x\"", "null", ""}
	accepted := 0
	for seed := range uint64(50_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		value := pieces[r.IntN(len(pieces))]
		for range r.IntN(3) {
			value += pieces[r.IntN(len(pieces))]
		}
		for _, text := range []string{`{"a":` + value + `}`, `{"a":` + value + `,"b":2}`, `{"a":` + value + ` , "b":2}`, `{"a":` + value, `[` + value + `]`, value} {
			plain, quick := jose.NewReader(text), jose.NewReader(text)
			if strings.HasPrefix(text, "{") {
				plain.Object()
				quick.Object()
				_, _ = plain.Next()
				_, _ = quick.Next()
			} else if strings.HasPrefix(text, "[") {
				plain.Array()
				quick.Array()
				plain.More()
				quick.More()
			}
			want, wantOK := jose.ParseSeconds(plain.Number())
			got, gotOK := quick.Seconds()
			require.Equal(t, want, got, text)
			require.Equal(t, wantOK, gotOK, text)
			require.Equal(t, plain.Left(), quick.Left(), text)
			require.Equal(t, plain.Err(), quick.Err(), text)
			if gotOK {
				accepted++
			}
		}
	}
	require.Greater(t, accepted, 50_000)

	r := jose.NewReader(`{"a":[1,2]}`)
	r.Object()
	_, _ = r.Next()
	r.Array() // and no More
	_, ok := r.Seconds()
	require.False(t, ok)
	require.ErrorIs(t, r.Err(), jose.ErrMisused, "no value is due")
}
