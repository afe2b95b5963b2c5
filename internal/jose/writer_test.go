package jose_test

import (
	"encoding/json"
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
