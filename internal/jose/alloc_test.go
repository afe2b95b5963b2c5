package jose_test

import (
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// Reading a token that is as it should be costs no allocation, and refusing one costs at most the error.
func TestAllocations(t *testing.T) {
	segment := string(jose.AppendEncoded(nil, []byte(typicalClaims)))
	token := segment[:64] + "." + segment + "." + segment[:86]
	buffer := make([]byte, 0, 4096)
	decode := func(segment string) func() {
		return func() { _, _ = jose.AppendDecoded(buffer, segment) }
	}
	header := func(json string) func() {
		return func() { _, _ = jose.ParseHeader(json) }
	}
	valid := func(text string) func() {
		return func() { _ = jose.Valid(text) }
	}
	for _, row := range []struct {
		name string
		run  func()
		want float64
	}{
		{"SplitCompact", func() { _, _ = jose.SplitCompact(token) }, 0},
		{"SplitCompact refuses", func() { _, _ = jose.SplitCompact(token + "=") }, 1}, // the concatenation
		{"SplitCompact refuses junk", func() { _, _ = jose.SplitCompact(segment) }, 0},
		{"AppendDecoded", decode(segment), 0},
		{"AppendDecoded refuses padding", decode(segment[:402] + "=="), 1}, // by the standard decoder
		{"AppendDecoded refuses spare bits", decode(segment[:401] + "B"), 1},
		{"AppendEncoded", func() { jose.AppendEncoded(buffer, buffer[:512]) }, 0},
		{"WriteEncoded", func() { var text strings.Builder; text.Grow(4096); jose.WriteEncoded(&text, buffer[:2048]) }, 1}, // the text
		{"ParseHeader", header(typicalHeader), 0},
		{"ParseHeader with another member", header(`{"alg":"HS256","x5t":[1,"\u0041"]}`), 0},
		{"ParseHeader refuses a member", header(`{"alg":"HS256","crit":["exp"]}`), 0},
		{"ParseHeader refuses a look-alike", header(`{"alg":"HS256","CRIT":["exp"]}`), 0},
		{"ParseHeader refuses a kid", header(`{"alg":"HS256","kid":""}`), 0},
		{"ParseHeader refuses a long one", header(padded(4096)), 0},
		{"ParseHeader refuses bad JSON", header(`{"alg":"HS256"`), 1},
		{"ParseHeader refuses bad UTF-8", header("{\"alg\":\"HS256\xff\"}"), 1},
		{"AppendHeader", func() { jose.AppendHeader(buffer, jose.Header{Algorithm: "EdDSA", KeyID: "k1", Type: "at+jwt"}) }, 0},
		{"a walk through claims", func() { _, _ = walk(typicalClaims) }, 0},
		{"Valid", valid(typicalClaims), 0},
		{"Valid with escapes in values", valid(`{"a":"\u0041\ud83d\ude00"}`), 0},
		{"Valid with an escape in a name", valid(`{"\u0061":1}`), 1},
		{"Valid with 24 members", valid("{" + members(24, "1") + "}"), 0},
		{"Valid with 32 members in two objects", valid(`{` + members(23, "1") + `,"in":{` + members(8, "1") + `}}`), 0},
		{"Valid with 26 members around a hundred objects", valid(`{` + members(25, "1") + `,"in":[` + strings.Repeat(`{`+members(9, "1")+`},`, 100) + `1]}`), 6},
		{"Valid refuses a duplicate", valid(`{"a":1,"a":2}`), 1},
		{"Valid refuses depth", valid(strings.Repeat("[", 100_000)), 1},
		{"ParseInt", func() { jose.ParseInt("1.5e3") }, 0},
		{"ParseInt of a huge exponent", func() { jose.ParseInt("1e999999999") }, 0},
		{"ParseSeconds", func() { jose.ParseSeconds("1800000000.5") }, 0},
	} {
		if got := testing.AllocsPerRun(100, row.run); got > row.want {
			t.Errorf("%s: %v allocations, want %v", row.name, got, row.want)
		}
	}
}
