package jose_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// The grammar of RFC 8259, and where a text leaves it.
func TestGrammar(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       string // the error's text; "" for none
	}{
		{"all kinds, with blanks", " {\t\"a\"\r:\n[ 1 , -2.5e+3 , true , false , null , \"x\" , { } , [ ] ] } ", ""},
		{"empty name", `{"":1}`, ""},
		{"DEL is no control character", "\"\x7f\"", ""},
		{"slash, plain and escaped", `"/\/"`, ""},

		{"nothing", ``, "the text ends too early at byte 0"},
		{"blanks", "  \n", "the text ends too early at byte 3"},
		{"byte order mark", "\ufeff{}", "no JSON value at byte 0"},
		{"form feed is no blank", "\f1", "no JSON value at byte 0"},
		{"vertical tab is no blank", "\v1", "no JSON value at byte 0"},
		{"no-break space is no blank", "\u00a01", "no JSON value at byte 0"},
		{"NUL", "\x00", "no JSON value at byte 0"},
		{"NUL after the value", "1\x00", "text after the value at byte 1"},
		{"two values", `1 2`, "text after the value at byte 2"},
		{"byte order mark at the end", "1\ufeff", "text after the value at byte 1"},
		{"comment", `{}//`, "text after the value at byte 2"},
		{"comment inside", `{/**/}`, "no member name at byte 1"},
		{"single quotes", `'a'`, "no JSON value at byte 0"},
		{"bare name", `{a:1}`, "no member name at byte 1"},
		{"number as a name", `{1:1}`, "no member name at byte 1"},
		{"null as a name", `{null:1}`, "no member name at byte 1"},

		{"comma at the end of an object", `{"a":1,}`, "no member name at byte 7"},
		{"comma at the end of an array", `[1,]`, "no JSON value at byte 3"},
		{"comma in front", `[,1]`, "no JSON value at byte 1"},
		{"comma in front of a member", `{,"a":1}`, "no member name at byte 1"},
		{"two commas", `[1,,2]`, "no JSON value at byte 3"},
		{"no comma", `[1 2]`, "no comma, and no end of the object or array at byte 3"},
		{"no comma between members", `{"a":1 "b":2}`, "no comma, and no end of the object or array at byte 7"},
		{"no comma between strings", `["a""b"]`, "no comma, and no end of the object or array at byte 4"},
		{"no colon", `{"a" 1}`, "no colon after a member name at byte 5"},
		{"two colons", `{"a"::1}`, "no JSON value at byte 5"},
		{"no value", `{"a":}`, "no JSON value at byte 5"},
		{"name alone", `{"a"}`, "no colon after a member name at byte 4"},
		{"bracket closes a brace", `{"a":1]`, "no comma, and no end of the object or array at byte 6"},
		{"brace closes a bracket", `[1}`, "no comma, and no end of the object or array at byte 2"},
		{"brace closes an empty array", `[}`, "no JSON value at byte 1"},
		{"closed once too often", `[]]`, "text after the value at byte 2"},
		{"object left open", `{"a":1`, "the text ends too early at byte 6"},
		{"object left open after a name", `{"a"`, "the text ends too early at byte 4"},
		{"object left open after a colon", `{"a":`, "the text ends too early at byte 5"},
		{"object left open after a comma", `{"a":1,`, "the text ends too early at byte 7"},
		{"object left open at once", `{`, "the text ends too early at byte 1"},
		{"array left open", `[[1]`, "the text ends too early at byte 4"},
		{"string left open", `"abc`, "the text ends too early at byte 4"},
		{"long string left open", `"0123456789abcdef`, "the text ends too early at byte 17"},
		{"string left open in an escape", `"a\`, "unknown escape in a string at byte 2"},

		{"True", `True`, "no JSON value at byte 0"},
		{"tru", `tru`, "not true or false at byte 0"},
		{"fals", `[fals]`, "not true or false at byte 1"},
		{"nul", `nul`, "not null at byte 0"},
		{"truex", `truex`, "text after the value at byte 4"},
		{"nullnull", `[nullnull]`, "no comma, and no end of the object or array at byte 5"},
		{"undefined", `undefined`, "no JSON value at byte 0"},

		{"zeros in front", `01`, "text after the value at byte 1"},
		{"zeros in front, negative", `-01`, "text after the value at byte 2"},
		{"plus", `+1`, "no JSON value at byte 0"},
		{"minus alone", `-`, "the text ends too early at byte 1"},
		{"minus and a letter", `-a`, "not a number at byte 1"},
		{"minus infinity", `-Infinity`, "not a number at byte 1"},
		{"NaN", `NaN`, "no JSON value at byte 0"},
		{"point in front", `.5`, "no JSON value at byte 0"},
		{"point at the end", `[1.]`, "not a number at byte 3"},
		{"exponent without digits", `[1e]`, "not a number at byte 3"},
		{"exponent with a sign only", `1e+`, "the text ends too early at byte 3"},
		{"hexadecimal", `0x1`, "text after the value at byte 1"},
		{"underscore", `1_0`, "text after the value at byte 1"},

		{"line feed in a string", "\"a\nb\"", "control character in a string at byte 2"},
		{"tab in a string", "\"\t\"", "control character in a string at byte 1"},
		{"NUL in a long string", "\"0123456789abcdef\x00\"", "control character in a string at byte 17"},
		{"control character in a name", "{\"a\x1f\":1}", "control character in a string at byte 3"},
		{"unknown escape", `"\x41"`, "unknown escape in a string at byte 1"},
		{"escaped apostrophe", `"a\'"`, "unknown escape in a string at byte 2"},
		{"upper-case escape", `"\N"`, "unknown escape in a string at byte 1"},
		{"upper-case U", `"\U0041"`, "unknown escape in a string at byte 1"},
		{"three hexadecimal digits", `"\u004"`, "unknown escape in a string at byte 1"},
		{"escape cut off by the end", `"\u004`, "unknown escape in a string at byte 1"},
		{"no hexadecimal digit", `"\u00g0"`, "unknown escape in a string at byte 1"},
		{"signed hexadecimal digits", `"\u+041"`, "unknown escape in a string at byte 1"},

		{"lone byte of UTF-8", "\"\x80\"", "invalid UTF-8 at byte 1"},
		{"UTF-8 cut off", "\"é\xc3\"", "invalid UTF-8 at byte 3"},
		{"overlong UTF-8", "\"\xc0\xaf\"", "invalid UTF-8 at byte 1"},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", "invalid UTF-8 at byte 1"},
		{"beyond U+10FFFF", "\"\xf4\x90\x80\x80\"", "invalid UTF-8 at byte 1"},
		{"invalid UTF-8 after the value", "{} \xff", "invalid UTF-8 at byte 3"},
		{"invalid UTF-8 behind a replacement character", "\"\ufffd\xff\"", "invalid UTF-8 at byte 4"},
		{"a replacement character as it is", "\"\ufffd\"", ""},

		{"lone high surrogate", `"\ud800"`, "lone surrogate in a string at byte 1"},
		{"lone low surrogate", `"a\udc00"`, "lone surrogate in a string at byte 2"},
		{"surrogates in the wrong order", `"\udc00\ud800"`, "lone surrogate in a string at byte 1"},
		{"two high surrogates", `"\ud83d\ud83d\ude00"`, "lone surrogate in a string at byte 1"},
		{"high surrogate and a letter", `"\ud83dx"`, "lone surrogate in a string at byte 1"},
		{"high surrogate and another escape", `"\ud83d\n12345"`, "lone surrogate in a string at byte 1"},
		{"high surrogate and no surrogate", `"\ud83d\u0041"`, "lone surrogate in a string at byte 1"},
		{"high surrogate and no hexadecimal digits", `"\ud83d\uzzzz"`, "lone surrogate in a string at byte 1"},
		{"lone surrogate in a name", `{"\uD800":1}`, "lone surrogate in a string at byte 2"},
		{"lone surrogate deep inside", `{"a":[{"b":"\ude00"}]}`, "lone surrogate in a string at byte 12"},
		{"first and last pair", `"\ud800\udc00\udbff\udfff"`, ""},
		{"neighbours of the surrogates", `"\ud7ff\ue000"`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := ""
			if err := jose.Valid(row.text); err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("%q: got %q, want %q", row.text, got, row.want)
			}
		})
	}
}

func TestString(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{`""`, ""},
		{`"web"`, "web"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"\u0041\u00e9\u20AC\u20ac"`, "Aé€€"},
		{`"\ud83d\ude00 \uD83D\uDE00"`, "😀 😀"},
		{`"\ud800\udc00\udbff\udfff"`, "\U00010000\U0010ffff"},
		{`"\u0000"`, "\x00"},
		{`"\uFFFD"`, "\ufffd"},
		{`"\\u0041"`, `\u0041`},
		{`"a\\"`, `a\`},
		{`"1234567\n"`, "1234567\n"},
		{`"12345678\n12345678"`, "12345678\n12345678"},
		{"\"é😀\x7f\"", "é😀\x7f"},
	} {
		r := jose.NewReader(row.text)
		if got := r.String(); got != row.want || r.End() != nil {
			t.Errorf("%s: got %q, %v, want %q", row.text, got, r.End(), row.want)
		}
	}
}

// A quote, a backslash and every control character end the plain part of a string, wherever among the eight bytes looked at
// together they stand, and no other byte does.
func TestPlainPartOfStrings(t *testing.T) {
	for size := range 20 {
		for at := range size {
			for c := range 256 {
				inner := []byte(strings.Repeat("\x7f", size))
				inner[at] = byte(c)
				err := jose.Valid(`"` + string(inner) + `"`)
				good := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
				if good != (err == nil) {
					t.Fatalf("byte %#x at %d of %d: %v", c, at, size, err)
				}
			}
		}
	}
}

// Exactly the hexadecimal digits of both cases are digits of an escape, at each of the four places.
func TestHexadecimalDigits(t *testing.T) {
	for at := range 4 {
		for c := range 256 {
			digits := []byte("0041")
			digits[at] = byte(c)
			text := `"\u` + string(digits) + `"`
			want, wantErr := strconv.ParseUint(string(digits), 16, 16)
			r := jose.NewReader(text)
			got := r.String()
			if (r.End() == nil) != (wantErr == nil) || wantErr == nil && got != string(rune(want)) {
				t.Errorf("%q: got %q, %v", text, got, r.End())
			}
		}
	}
}

func TestDepth(t *testing.T) {
	nested := func(n int, first, last string) string {
		return strings.Repeat(first, n) + strings.Repeat(last, n)
	}
	for _, row := range []struct {
		name, text string
		want       error
	}{
		{"32 arrays", nested(32, "[", "]"), nil},
		{"33 arrays", nested(33, "[", "]"), jose.ErrDepth},
		{"32 objects", nested(31, `{"a":`, "}")[:31*5] + `{}` + strings.Repeat("}", 31), nil},
		{"33 objects", nested(32, `{"a":`, "}")[:32*5] + `{}` + strings.Repeat("}", 32), jose.ErrDepth},
		{"16 objects and 16 arrays by turns", nested(16, `{"a":[`, "]}"), nil},
		{"17 of each", nested(17, `{"a":[`, "]}"), jose.ErrDepth},
		{"a value in 32 arrays", strings.Repeat("[", 32) + "1" + strings.Repeat("]", 32), nil},
		{"32 deep, again and again", "[" + strings.Repeat(nested(31, "[", "]")+",", 50) + "1]", nil},
		{"a million opened, none closed", strings.Repeat("[", 1_000_000), jose.ErrDepth},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := jose.Valid(row.text); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
}

func TestRaw(t *testing.T) {
	const text = ` [ {"a" : [1, 2.50]} , "x\u0041" ,-1e5, true,null , [ ] ] `
	want := []string{`{"a" : [1, 2.50]}`, `"x\u0041"`, `-1e5`, `true`, `null`, `[ ]`}
	r := jose.NewReader(text)
	var got []string
	for r.Array(); r.More(); {
		got = append(got, r.Raw())
	}
	if err := r.End(); err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}

	r = jose.NewReader(text)
	if got := r.Raw(); got != strings.TrimSpace(text) || r.End() != nil {
		t.Errorf("got %q, %v", got, r.End())
	}

	r = jose.NewReader(`[[1,2`)
	if got := r.Raw(); got != "" || r.End() == nil {
		t.Errorf("got %q, %v from a text that is cut off", got, r.End())
	}
}

// Asking for another kind than the one that is there is an error, and says what was wanted and where.
func TestReaderKinds(t *testing.T) {
	calls := []struct {
		kind jose.Kind
		call func(*jose.Reader)
		want string
	}{
		{jose.Object, (*jose.Reader).Object, "not an object at byte 1"},
		{jose.Array, (*jose.Reader).Array, "not an array at byte 1"},
		{jose.String, func(r *jose.Reader) { _ = r.String() }, "not a string at byte 1"},
		{jose.Number, func(r *jose.Reader) { r.Number() }, "not a number at byte 1"},
		{jose.Bool, func(r *jose.Reader) { r.Bool() }, "not true or false at byte 1"},
	}
	values := []struct {
		text string
		kind jose.Kind
	}{
		{` {}`, jose.Object}, {` []`, jose.Array}, {` "a"`, jose.String}, {` 0`, jose.Number}, {` -1`, jose.Number}, {` 9`, jose.Number},
		{` true`, jose.Bool}, {` false`, jose.Bool}, {` null`, jose.Null}, {` x`, jose.Invalid}, {` }`, jose.Invalid}, {` ,`, jose.Invalid},
	}
	for _, v := range values {
		r := jose.NewReader(v.text)
		if got := r.Kind(); got != v.kind {
			t.Errorf("%s: kind is %d, want %d", v.text, got, v.kind)
		}
		for _, c := range calls {
			r := jose.NewReader(v.text)
			c.call(&r)
			switch err := r.Err(); {
			case c.kind == v.kind && err != nil:
				t.Errorf("%s: %v", v.text, err)
			case c.kind != v.kind && (err == nil || err.Error() != c.want):
				t.Errorf("%s: got %v, want %s", v.text, err, c.want)
			}
		}
	}
	r := jose.NewReader("")
	if got := r.Kind(); got != jose.Invalid {
		t.Errorf("kind of nothing is %d", got)
	}
}

func TestScalars(t *testing.T) {
	r := jose.NewReader(`[true,false,null,12.5e3,"a",null,7]`)
	r.Array()
	got := fmt.Sprintln(
		r.More(), r.Bool(), r.More(), r.Bool(), r.More(), r.Null(), r.More(), r.Number(), r.More(), r.Null(), r.String(),
		r.More(), r.Null(), r.More(), r.Null(), r.Number(), r.More())
	if want := "true true true false true true true 12.5e3 true false a true true true false 7 false\n"; got != want || r.End() != nil {
		t.Errorf("got %s, %v, want %s", got, r.End(), want)
	}
}

// The first error stands, and after it nothing is read any more: loops end, and no value that is not there seems to be.
func TestFirstErrorStands(t *testing.T) {
	mine := errors.New("mine")
	for _, row := range []struct {
		name string
		fail func(*jose.Reader)
		want error
	}{
		{"the caller's", func(r *jose.Reader) { r.Fail(mine) }, mine},
		{"the caller's, and another of the caller's", func(r *jose.Reader) { r.Fail(mine); r.Fail(errors.New("later")) }, mine},
		{"the reader's, and one of the caller's", func(r *jose.Reader) { r.Number(); r.Fail(mine) }, jose.ErrNumber},
		{"the reader's, twice", func(r *jose.Reader) { r.Number(); r.Array() }, jose.ErrNumber},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := jose.NewReader(`{"a":[1,"x",true,null]}`)
			row.fail(&r)
			r.Object()
			name, ok := r.Next()
			r.Array()
			if got := fmt.Sprintln(name, ok, r.More(), r.String(), r.Number(), r.Bool(), r.Null(), r.Raw(), r.Kind()); got != " false false   false false  0\n" {
				t.Errorf("read %q after an error", got)
			}
			if !errors.Is(r.Err(), row.want) || !errors.Is(r.End(), row.want) {
				t.Errorf("got %v, then %v, want %v", r.Err(), r.End(), row.want)
			}
		})
	}
	r := jose.NewReader(`1`)
	r.Fail(nil)
	if r.Number(); r.End() != nil {
		t.Errorf("a nil error is one: %v", r.End())
	}
}

// A caller that loses its way does not get a text accepted.
func TestMisuse(t *testing.T) {
	for _, row := range []struct {
		name, text string
		calls      func(*jose.Reader)
	}{
		{"nothing read", `1`, func(*jose.Reader) {}},
		{"two values read of one", `1`, func(r *jose.Reader) { r.Number(); r.Number() }},
		{"object not entered", `{"a":1}`, func(r *jose.Reader) { r.Next() }},
		{"array not entered", `[1]`, func(r *jose.Reader) { r.More() }},
		{"object not left", `{}`, func(r *jose.Reader) { r.Object() }},
		{"object left too early", `{"a":1,"b":2}`, func(r *jose.Reader) { r.Object(); r.Next(); r.Number() }},
		{"value left out", `{"a":1}`, func(r *jose.Reader) { r.Object(); r.Next(); r.Next() }},
		{"value left out that is not there", `{"a":}`, func(r *jose.Reader) { r.Object(); r.Next(); r.Next() }},
		{"element left out", `[1]`, func(r *jose.Reader) { r.Array(); r.More(); r.More() }},
		{"element left out that is not there", `[1,]`, func(r *jose.Reader) { r.Array(); r.More(); r.Number(); r.More(); r.More() }},
		{"object read as an array", `{}`, func(r *jose.Reader) { r.Object(); r.More() }},
		{"array read as an object", `[]`, func(r *jose.Reader) { r.Array(); r.Next() }},
		{"value without its name", `{"a":1}`, func(r *jose.Reader) { r.Object(); r.Raw() }},
		{"element without More", `[1]`, func(r *jose.Reader) { r.Array(); r.Number() }},
		{"Next after the end", `{}`, func(r *jose.Reader) { r.Object(); r.Next(); r.Next() }},
		{"More after the only value", `1]`, func(r *jose.Reader) { r.Number(); r.More() }},
		{"Next after the only value", `1}`, func(r *jose.Reader) { r.Number(); r.Next() }},
		{"More after a comma that is not in an array", `1,2`, func(r *jose.Reader) { r.Number(); r.More(); r.Number() }},
		{"Null where a name is due", `{null:1}`, func(r *jose.Reader) { r.Object(); r.Null() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := jose.NewReader(row.text)
			row.calls(&r)
			if err := r.End(); !errors.Is(err, jose.ErrMisused) {
				t.Errorf("got %v, want %v", err, jose.ErrMisused)
			}
		})
	}
	var zero jose.Reader
	zero.Raw()
	if err := zero.End(); !errors.Is(err, jose.ErrEnd) {
		t.Errorf("the zero Reader says %v", err)
	}
}

// End fails on a text that was read to its end by a loop, but was cut off inside.
func TestCutOffEverywhere(t *testing.T) {
	if _, err := walk(typicalClaims); err != nil {
		t.Fatal(err)
	}
	for i := range len(typicalClaims) {
		if _, err := walk(typicalClaims[:i]); err == nil {
			t.Errorf("accepted the first %d bytes", i)
		}
		if err := jose.Valid(typicalClaims[:i]); err == nil {
			t.Errorf("the first %d bytes are valid", i)
		}
	}
}

// Errors hold nothing of what was read.
func TestErrorsHoldNoContents(t *testing.T) {
	const secret = "s3cr3t"
	for _, text := range []string{
		`{"s3cr3t":1,"s3cr3t":2}`, `{"a":"s3cr3t`, `{"a":"s3cr3t\x"}`, `s3cr3t`, `{"s3cr3t" 1}`, `{"a":"s3cr3t" s3cr3t}`, `"s3cr3t" s3cr3t`,
		"\"s3cr3t\xff\"", `{"alg":"s3cr3ts3cr3ts3cr3ts3cr3ts3cr3ts3cr3t"}`, `{"kid":"s3cr3t\n"}`, `{"crit":"s3cr3t"}`, `{"ALG":"s3cr3t"}`,
	} {
		_, headerErr := jose.ParseHeader(text)
		for _, err := range []error{jose.Valid(text), headerErr} {
			if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
				t.Errorf("%s: the error holds contents: %v", text, err)
			}
		}
		if headerErr == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

// IsPlain is a short cut around two checks, so it must not say yes where one of them says no.
func TestIsPlain(t *testing.T) {
	for i := range 20 {
		for at := range i {
			for c := range 256 {
				text := []byte("abcdefghijklmnopqrstuvwxyz"[:i])
				text[at] = byte(c)
				want := c != 0 && c < 0x80
				if got := jose.IsPlain(string(text)); got != want {
					t.Fatalf("%q: %v", text, got)
				}
			}
		}
	}
	if jose.IsPlain("") {
		t.Error("the empty text is not plain")
	}
}
