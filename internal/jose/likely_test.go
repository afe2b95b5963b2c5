package jose_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// Which names are likely changes how fast an object is read, and nothing else. So the same texts are read with and without such names,
// and everything that comes out has to be the same: names, values, errors and where they were met.

var likely = jose.NewNames("iss", "thirteenbytes", "sixsix", "sub", "aud", "a", "b", "three")

// told reads all that is in text, objects inside objects too, and tells it as one text.
func told(text string, names *jose.Names) string {
	var all strings.Builder
	r := jose.NewReader(text)
	var object func()
	object = func() {
		r.ObjectOf(names)
		for name, ok := r.Next(); ok; name, ok = r.Next() {
			fmt.Fprintf(&all, "%q:", name)
			if r.Kind() == jose.Object {
				object()
				continue
			}
			fmt.Fprintf(&all, "%q,", r.Raw())
		}
		all.WriteByte(';')
	}
	object()
	err := r.End()
	var at *jose.SyntaxError
	if errors.As(err, &at) {
		fmt.Fprintf(&all, " %v at %d", at.Problem, at.Offset)
	}
	return all.String()
}

func requireSame(t *testing.T, text string) {
	t.Helper()
	require.Equal(t, told(text, nil), told(text, likely), text)
}

func TestLikelyNamesChangeNothing(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"iss":1}`, `{"iss":1,"sub":2,"aud":3,"a":4,"b":5}`, `{"sub":1,"iss":2}`, `{"b":1,"iss":2,"other":3}`,
		`{"iss":1,"iss":2}`, `{"iss":1,"sub":2,"iss":3}`, `{"sub":1,"iss":2,"sub":3}`, `{"other":1,"other":2}`,
		`{"iss":1,"\u0069ss":2}`, `{"\u0069ss":1,"iss":2}`, `{"\u0069ss":1,"sub":2,"i\u0073s":3}`, `{"iss":1,"sub":2,"s\u0075b":3}`,
		`{"iss" :1,"sub":2}`, `{ "iss":1, "sub":2}`, `{"iss":1 ,"sub":2}`, `{"iss":1, "iss":2}`, `{"iss":1,"iss" :2}`,
		`{"iss"1}`, `{"iss":}`, `{"iss":1"sub":2}`, `{"iss":1,}`, `{"iss":1,"sub"`, `{"iss":1,"sub":`, `{"iss`, `{"iss"`, `{"iss":`,
		`{"iss":{"iss":{"iss":1}},"sub":{"iss":1,"iss":2}}`, `{"a":{"a":1},"b":{"b":1},"a":3}`, `{"a":{"iss":1},"iss":2}`,
		`{"thirteenbytes":1}`, `{"three":1,"sixsix":2,"thirteenbytes":3}`, `{"thirteenbytes":1,"three":2}`, `{"thirteenbytez":1}`, `{"thirteenbytes`,
		`{"thirteenbyte":1}`, `{"thirteenbytess":1}`, `{"thirteenbytes"`, `{"thirteenbytes":`, `{"thirteXnbytes":1}`, `{"three":1,"three":2}`, `{"sixsix":1,"sixsix":2}`,
		`{"sixsix":1}`, `{"sixsiy":1}`, `{"sixsix" :1}`, `{"a":1,"thirteenbytes":2}`, `{"iss":1,"three":2}`, `{"iss":1,"a":2}`, `{"iss":1,"aud":2,"sub":3,"aud":4}`,
		`{"ISS":1,"iss":2}`, `{"iss ":1,"iss":2}`, `{"":1,"iss":2}`, `{"iss":1,"":2,"":3}`, `{"iss":1,"issu":2}`,
	} {
		requireSame(t, text)
	}
	many := `{"iss":1`
	for n := range 100 { // more than are kept without a map
		many += fmt.Sprintf(`,"m%d":%d`, n, n)
	}
	requireSame(t, many+`}`)
	requireSame(t, many+`,"sub":1}`)
	requireSame(t, many+`,"iss":1}`)
	requireSame(t, many+`,"\u0069ss":1}`)
	requireSame(t, many+`,"m7":1}`)
}

// The same for texts drawn from pieces that are often nearly right.
func TestLikelyNamesChangeNothingInAnyText(t *testing.T) {
	pieces := []string{`"iss":`, `"sub":`, `"aud":`, `"a":`, `"thirteenbytes":`, `"\u0061":`, `"c":`, `"a" :`, ` "b":`, `{`, `}`, `,`, `,`, `1`, `1`, `"x"`, `null`}
	refused := map[bool]int{}
	for seed := range uint64(200_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		text.WriteByte('{')
		for range 1 + r.IntN(5) {
			if r.IntN(8) == 0 {
				text.WriteString(pieces[r.IntN(len(pieces))])
				continue
			}
			text.WriteString(pieces[r.IntN(9)] + []string{"1", `"x"`, `{"a":1}`, `{"a":1,"b":2}`}[r.IntN(4)])
			text.WriteByte(',')
		}
		whole := strings.TrimSuffix(text.String(), ",") + "}"
		refused[jose.Valid(whole) != nil]++
		requireSame(t, whole)
	}
	require.Greater(t, min(refused[true], refused[false]), 20_000, "both kinds are met: %v", refused)
}

func TestNamesThatCannotBeLikely(t *testing.T) {
	tooMany := make([]string, 33)
	for i := range tooMany {
		tooMany[i] = fmt.Sprint(i)
	}
	for name, list := range map[string][]string{"empty": {"a", ""}, "twice": {"a", "b", "a"}, "too long": {"fourteen-bytes"}, "escaped": {`a"`}, "control": {"a\n"}, "too many": tooMany} {
		require.Panics(t, func() { jose.NewNames(list...) }, name)
	}
	jose.NewNames(tooMany[:32]...)
}

func TestLeft(t *testing.T) {
	r := jose.NewReader(`{"a":"b","c":1}`)
	require.Equal(t, 15, r.Left())
	r.Object()
	_, _ = r.Next()
	require.Equal(t, 10, r.Left())
	_ = r.String()
	require.Equal(t, 7, r.Left())
	_, _ = r.Next()
	r.Raw()
	_, _ = r.Next()
	require.NoError(t, r.End())
	require.Zero(t, r.Left())
}

// A likely name is read where a name is due, and nowhere else: not instead of a value, and not after an error.
func TestLikelyNamesAreReadInTurn(t *testing.T) {
	r := jose.NewReader(`{"iss":"sub":1}`)
	r.ObjectOf(likely)
	name, _ := r.Next()
	require.Equal(t, "iss", name)
	name, ok := r.Next()
	require.Equal(t, []any{"", false}, []any{name, ok})
	require.ErrorIs(t, r.End(), jose.ErrMisused)

	r = jose.NewReader(`{"iss":1,"sub":2}`)
	r.ObjectOf(likely)
	_, _ = r.Next()
	_ = r.Number()
	mine := errors.New("mine")
	r.Fail(mine)
	name, ok = r.Next()
	require.Equal(t, []any{"", false}, []any{name, ok})
	require.ErrorIs(t, r.End(), mine)
}
