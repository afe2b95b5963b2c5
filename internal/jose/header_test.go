package jose_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

func TestParseHeader(t *testing.T) {
	long := strings.Repeat("k", 128)
	for _, row := range []struct {
		name, json string
		want       jose.Header
	}{
		{"alg alone", `{"alg":"HS256"}`, jose.Header{Algorithm: "HS256"}},
		{"X2: no kid", `{"alg":"HS256","typ":"JWT"}`, jose.Header{Algorithm: "HS256", Type: "JWT"}},
		{"X3: all three", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`, jose.Header{Algorithm: "EdDSA", KeyID: "k1", Type: "at+jwt"}},
		{"any order, with blanks", " { \"typ\" : \"JWT\" ,\n\"kid\":\"k1\",\t\"alg\":\"ES256\"} ", jose.Header{Algorithm: "ES256", KeyID: "k1", Type: "JWT"}},
		{"names and values with escapes", `{"\u0061lg":"ES\u0032\u0035\u0036"}`, jose.Header{Algorithm: "ES256"}},
		{"none is a word like any other", `{"alg":"none"}`, jose.Header{Algorithm: "none"}},
		{"an unknown member", `{"alg":"HS256","x":null}`, jose.Header{Algorithm: "HS256", Open: true}},
		{"unknown members of all kinds", `{"x5t":"a","e":[{"alg":1}],"alg":"HS256","nonce":{"crit":[]},"n":-1.5e3}`, jose.Header{Algorithm: "HS256", Open: true}},
		{"the longest alg", `{"alg":"` + long[:32] + `"}`, jose.Header{Algorithm: long[:32]}},
		{"the longest kid", `{"alg":"HS256","kid":"` + long + `"}`, jose.Header{Algorithm: "HS256", KeyID: long}},
		{"the longest typ", `{"alg":"HS256","typ":"` + long + `"}`, jose.Header{Algorithm: "HS256", Type: long}},
		{"a kid from end to end of ASCII", `{"alg":"HS256","kid":" !\"#\\~"}`, jose.Header{Algorithm: "HS256", KeyID: ` !"#\~`}},
		{"the longest header", padded(jose.MaxHeaderBytes), jose.Header{Algorithm: "HS256", Open: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := jose.ParseHeader(row.json); err != nil || got != row.want {
				t.Errorf("got %+v, %v, want %+v", got, err, row.want)
			}
		})
	}
}

// padded returns a good header of so many bytes.
func padded(size int) string {
	const start, end = `{"alg":"HS256","x":"`, `"}`
	return start + strings.Repeat("x", size-len(start)-len(end)) + end
}

func TestParseHeaderRefuses(t *testing.T) {
	long := strings.Repeat("k", 129)
	for _, row := range []struct {
		name, json string
		want       error
	}{
		{"nothing", ``, jose.ErrEnd},
		{"no object", `["alg"]`, jose.ErrObject},
		{"null", `null`, jose.ErrObject},
		{"a second value", `{"alg":"HS256"}{}`, jose.ErrTrailing},
		{"NUL at the end", "{\"alg\":\"HS256\"}\x00", jose.ErrTrailing},
		{"comma at the end", `{"alg":"HS256",}`, jose.ErrName},
		{"invalid UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", jose.ErrUTF8},
		{"lone surrogate in an unknown member", `{"alg":"HS256","x":"\ud800"}`, jose.ErrSurrogate},
		{"one byte too long", padded(jose.MaxHeaderBytes + 1), jose.ErrHeaderTooLong},
		{"blanks that make it too long", `{"alg":"HS256"}` + strings.Repeat(" ", 2048), jose.ErrHeaderTooLong},
		{"33 deep", `{"alg":"HS256","x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, jose.ErrDepth},

		{"two alg", `{"alg":"HS256","alg":"HS256"}`, jose.ErrDuplicate},
		{"two alg, one with an escape", `{"alg":"HS256","a\u006cg":"none"}`, jose.ErrDuplicate},
		{"two kid", `{"alg":"HS256","kid":"a","kid":"b"}`, jose.ErrDuplicate},
		{"two unknown", `{"alg":"HS256","x":1,"x":1}`, jose.ErrDuplicate},
		{"two inside an unknown one", `{"alg":"HS256","x":{"y":{"z":1,"z":1}}}`, jose.ErrDuplicate},

		{"empty object", `{}`, jose.ErrNoAlgorithm},
		{"no alg", `{"kid":"k1","typ":"JWT"}`, jose.ErrNoAlgorithm},
		{"alg null", `{"alg":null}`, jose.ErrAlgorithm},
		{"alg empty", `{"alg":""}`, jose.ErrAlgorithm},
		{"alg a number", `{"alg":256}`, jose.ErrAlgorithm},
		{"alg a list", `{"alg":["HS256"]}`, jose.ErrAlgorithm},
		{"alg too long", `{"alg":"` + long[:33] + `"}`, jose.ErrAlgorithm},
		{"kid null", `{"alg":"HS256","kid":null}`, jose.ErrKeyID},
		{"kid empty", `{"alg":"HS256","kid":""}`, jose.ErrKeyID},
		{"kid a number", `{"alg":"HS256","kid":1}`, jose.ErrKeyID},
		{"kid too long", `{"alg":"HS256","kid":"` + long + `"}`, jose.ErrKeyID},
		{"kid with a NUL", `{"alg":"HS256","kid":"a\u0000"}`, jose.ErrKeyID},
		{"kid with a line feed", `{"alg":"HS256","kid":"a\nb"}`, jose.ErrKeyID},
		{"kid with DEL", "{\"alg\":\"HS256\",\"kid\":\"a\x7f\"}", jose.ErrKeyID},
		{"kid beyond ASCII", `{"alg":"HS256","kid":"é"}`, jose.ErrKeyID},
		{"typ null", `{"alg":"HS256","typ":null}`, jose.ErrType},
		{"typ empty", `{"alg":"HS256","typ":""}`, jose.ErrType},
		{"typ false", `{"alg":"HS256","typ":false}`, jose.ErrType},
		{"typ too long", `{"alg":"HS256","typ":"` + long + `"}`, jose.ErrType},

		{"Alg alone", `{"Alg":"HS256"}`, jose.ErrLookAlike},
		{"ALG beside alg", `{"alg":"HS256","ALG":"none"}`, jose.ErrLookAlike},
		{"kid with a kelvin sign", `{"alg":"HS256","\u212aid":"a"}`, jose.ErrLookAlike},
		{"KID", `{"alg":"HS256","KID":"a"}`, jose.ErrLookAlike},
		{"Typ", `{"alg":"HS256","Typ":"JWT"}`, jose.ErrLookAlike},
		{"Crit", `{"alg":"HS256","Crit":["exp"]}`, jose.ErrLookAlike},
		{"B64", `{"alg":"HS256","B64":false}`, jose.ErrLookAlike},
		{"ZIP", `{"alg":"HS256","ZIP":"DEF"}`, jose.ErrLookAlike},
		{"Cty", `{"alg":"HS256","Cty":"JWT"}`, jose.ErrLookAlike},
		{"JWK", `{"alg":"HS256","JWK":{}}`, jose.ErrLookAlike},
		{"jwk with a kelvin sign", "{\"alg\":\"HS256\",\"jw\u212a\":{}}", jose.ErrLookAlike},
		{"JKU", `{"alg":"HS256","JKU":""}`, jose.ErrLookAlike},
		{"X5u", `{"alg":"HS256","X5u":""}`, jose.ErrLookAlike},
		{"X5C", `{"alg":"HS256","X5C":[]}`, jose.ErrLookAlike},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, err := jose.ParseHeader(row.json)
			if !errors.Is(err, row.want) {
				t.Errorf("error is %v, want %v", err, row.want)
			}
			if errors.Is(err, jose.ErrHeaderRefused) {
				t.Errorf("%v: malformed, and not refused", err)
			}
			if h != (jose.Header{}) {
				t.Errorf("returned %+v beside an error", h)
			}
		})
	}
}

// Row X16 of the conformance tables: these members refuse the token, whatever their value, wherever they stand.
func TestX16RefusedMembers(t *testing.T) {
	for _, name := range []string{"crit", "b64", "zip", "cty", "jwk", "jku", "x5u", "x5c"} {
		want := "header member " + name + " is refused"
		for _, value := range []string{`null`, `""`, `[]`, `{}`, `false`, `true`, `0`, `["exp"]`, `"JWT"`, `"https://example.com"`, `{"kty":"oct"}`} {
			escaped := `\u00` + string("0123456789abcdef"[name[0]>>4]) + string("0123456789abcdef"[name[0]&15]) + name[1:]
			for _, json := range []string{
				`{"alg":"HS256","` + name + `":` + value + `}`,
				`{"` + name + `":` + value + `,"alg":"HS256"}`,
				`{"alg":"HS256","` + escaped + `":` + value + `}`,
			} {
				h, err := jose.ParseHeader(json)
				if !errors.Is(err, jose.ErrHeaderRefused) || err.Error() != want {
					t.Errorf("%s: got %v, want %s", json, err, want)
				}
				if h != (jose.Header{}) {
					t.Errorf("%s: returned %+v beside an error", json, h)
				}
			}
		}
		if h, err := jose.ParseHeader(`{"alg":"HS256","x":{"` + name + `":1}}`); err != nil || !h.Open {
			t.Errorf("%s inside another member: %+v, %v", name, h, err)
		}
	}
}

func TestAppendHeader(t *testing.T) {
	for _, row := range []struct {
		header jose.Header
		want   string
	}{
		{jose.Header{Algorithm: "EdDSA", KeyID: "k1", Type: "at+jwt"}, `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`},
		{jose.Header{Algorithm: "HS256", Type: "JWT"}, `{"alg":"HS256","typ":"JWT"}`},
		{jose.Header{Algorithm: "HS256", KeyID: "k1"}, `{"alg":"HS256","kid":"k1"}`},
		{jose.Header{Algorithm: "HS256"}, `{"alg":"HS256"}`},
		{jose.Header{Algorithm: "HS256", KeyID: `a"\`, Type: "<&>"}, `{"alg":"HS256","kid":"a\"\\","typ":"<&>"}`},
	} {
		text := string(jose.AppendHeader([]byte("x"), row.header))
		if text != "x"+row.want {
			t.Errorf("got %s, want %s", text[1:], row.want)
		}
		if back, err := jose.ParseHeader(text[1:]); err != nil || back != row.header {
			t.Errorf("%s comes back as %+v, %v", text[1:], back, err)
		}
	}
}
