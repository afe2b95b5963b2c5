package jose_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

func TestAppendString(t *testing.T) {
	for _, row := range []struct{ s, want string }{
		{"", `""`},
		{"web", `"web"`},
		{`a"b`, `"a\"b"`},
		{`a\b`, `"a\\b"`},
		{`""`, `"\"\""`},
		{"\b\f\n\r\t", `"\b\f\n\r\t"`},
		{"\x00\x01\x1f", `"\u0000\u0001\u001f"`},
		{"a\nb", `"a\nb"`},
		{"<script>&'/\x7f", "\"<script>&'/\x7f\""},
		{"é\u2028\u2029😀", "\"é\u2028\u2029😀\""},
	} {
		if got := string(jose.AppendString([]byte("x:"), row.s)); got != "x:"+row.want {
			t.Errorf("%q: got %s, want %s", row.s, got[2:], row.want)
		}
	}
}

// Every character comes back as it went in, here and in encoding/json.
func TestAppendStringRoundTrips(t *testing.T) {
	for c := range rune(utf8.MaxRune + 1) {
		if !utf8.ValidRune(c) {
			continue
		}
		s := "a" + string(c) + "b"
		text := jose.AppendString(nil, s)
		r := jose.NewReader(string(text))
		if got := r.String(); got != s || r.End() != nil {
			t.Fatalf("%U: got %q, %v", c, got, r.End())
		}
		if c > 0xffff && c%97 != 0 { // encoding/json is slow, and all of these are alike
			continue
		}
		var std string
		if err := json.Unmarshal(text, &std); err != nil || std != s {
			t.Fatalf("%U: encoding/json reads %q, %v", c, std, err)
		}
	}
}

func TestValidIsExactlyOneValue(t *testing.T) {
	for _, text := range []string{`1`, `"a"`, `true`, `false`, `null`, `{}`, `[]`, ` {"a" : [ 1 , {"b":null} ] } `, "\t\r\n 0 \n"} {
		if err := jose.Valid(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{``, ` `, `1 2`, `1,"roles":["admin"]`, `{}{}`, `[] null`, `{},`, `"a" "b"`, `1;`} {
		if err := jose.Valid(text); err == nil {
			t.Errorf("%q is valid", text)
		}
	}
}

// AppendEncoded works through a long text six bytes at a time: for every length and whatever is in the bytes, it writes what the standard
// encoder does, and nothing behind it. WriteEncoded writes the same in chunks.
func TestEncodedIsWhatTheStandardEncodes(t *testing.T) {
	src := make([]byte, 4096)
	for i := range src {
		src[i] = byte(i*i + i>>8) // each sextet in each place, and more
	}
	for n := 0; n <= len(src); n += 1 + n/100*7 {
		want := base64.RawURLEncoding.EncodeToString(src[:n])
		if got := string(jose.AppendEncoded([]byte("before."), src[:n])); got != "before."+want {
			t.Fatalf("%d bytes: got %s, want %s", n, got, want)
		}
		room := bytes.Repeat([]byte{'#'}, len(want)+16)
		jose.AppendEncoded(room[:0], src[:n])
		if end := string(room[len(want):]); end != strings.Repeat("#", 16) {
			t.Fatalf("%d bytes: wrote behind its end: %q", n, end)
		}
		var text strings.Builder
		text.WriteString("before.")
		jose.WriteEncoded(&text, src[:n])
		if text.String() != "before."+want {
			t.Fatalf("%d bytes: WriteEncoded wrote %s, want %s", n, text.String(), want)
		}
	}
	for group := 0; group < 1<<24; group += 251 { // one in 251 of all there are
		three := []byte{byte(group >> 16), byte(group >> 8), byte(group)}
		src := append(append([]byte("abc"), three...), "defghi"...)
		if got, want := string(jose.AppendEncoded(nil, src)), base64.RawURLEncoding.EncodeToString(src); got != want {
			t.Fatalf("%x: got %s, want %s", three, got, want)
		}
	}
}
