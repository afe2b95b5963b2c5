package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// value reads any value the way encoding/json does into an any, with UseNumber.
func value(r *jose.Reader) any {
	switch r.Kind() {
	case jose.Object:
		m := map[string]any{}
		r.Object()
		for name, ok := r.Next(); ok; name, ok = r.Next() {
			m[name] = value(r)
		}
		return m
	case jose.Array:
		a := []any{}
		for r.Array(); r.More(); {
			a = append(a, value(r))
		}
		return a
	case jose.String:
		return r.String()
	case jose.Number:
		return json.Number(r.Number())
	case jose.Bool:
		return r.Bool()
	case jose.Null:
		r.Null()
	default:
		r.Raw()
	}
	return nil
}

// standard reads what json.Valid takes.
func standard(t *testing.T, text string) any {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: json.Valid says yes, Decode %v", text, err)
	}
	return v
}

// depth returns how deep the objects and arrays of a valid text lie inside each other.
func depth(text string) (deepest int) {
	now, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			now++
			deepest = max(deepest, now)
		case !quoted && (c == '}' || c == ']'):
			now--
		}
	}
	return deepest
}

var surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// What a Reader takes, encoding/json takes, and both read the same. What only encoding/json takes breaks a rule that is stated.
func FuzzReader(f *testing.F) {
	f.Add(typicalClaims)
	f.Fuzz(func(t *testing.T, text string) {
		ours, std := jose.Valid(text), json.Valid([]byte(text))
		r := jose.NewReader(text)
		got := value(&r)
		if walked := r.End(); (walked == nil) != (ours == nil) {
			t.Fatalf("%q: Raw says %v, a walk %v", text, ours, walked)
		}
		switch {
		case ours == nil:
			if !std {
				t.Fatalf("%q: taken here, refused by encoding/json", text)
			}
			if want := standard(t, text); !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: read as %#v, by encoding/json as %#v", text, got, want)
			}
			if !utf8.ValidString(text) || depth(text) > jose.MaxDepth || hasDuplicate(text) {
				t.Fatalf("%q: taken against the rules", text)
			}
			r := jose.NewReader(text)
			if raw := r.Raw(); raw != strings.Trim(text, " \t\r\n") {
				t.Fatalf("%q: Raw returned %q", text, raw)
			}
		case std:
			switch {
			case errors.Is(ours, jose.ErrUTF8) && !utf8.ValidString(text):
			case errors.Is(ours, jose.ErrDepth) && depth(text) > jose.MaxDepth:
			case errors.Is(ours, jose.ErrDuplicate) && hasDuplicate(text):
			case errors.Is(ours, jose.ErrSurrogate) && surrogate.MatchString(text):
			default:
				t.Fatalf("%q: refused against the rules: %v", text, ours)
			}
		}
		var syntax *jose.SyntaxError
		if errors.As(ours, &syntax) && (syntax.Offset < 0 || syntax.Offset > len(text)) {
			t.Fatalf("%q: %v", text, ours)
		}
	})
}

// Whatever is called, in whatever order: nothing panics, and what End takes is one valid value.
func FuzzReaderCalls(f *testing.F) {
	f.Add(`{"a":[1,"x",true,null]}`, []byte{0, 1, 2, 3, 5, 3, 4, 3, 6, 3, 7, 3, 1})
	f.Fuzz(func(t *testing.T, text string, calls []byte) {
		r := jose.NewReader(text)
		for _, call := range calls {
			before := r.Err()
			switch call % 10 {
			case 0:
				r.Object()
			case 1:
				r.Next()
			case 2:
				r.Array()
			case 3:
				r.More()
			case 4:
				_ = r.String()
			case 5:
				r.Number()
			case 6:
				r.Bool()
			case 7:
				r.Null()
			case 8:
				r.Raw()
			case 9:
				r.Kind()
			}
			if before != nil && r.Err() != before {
				t.Fatalf("%q, %v: the error changed from %v to %v", text, calls, before, r.Err())
			}
		}
		if r.End() == nil {
			if err := jose.Valid(text); err != nil {
				t.Fatalf("%q, %v: taken, and yet %v", text, calls, err)
			}
		}
	})
}

// What decodes, encodes to the same text; and it decodes exactly if the standard decoder takes it and had nothing to skip.
func FuzzCompact(f *testing.F) {
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl")
	f.Fuzz(func(t *testing.T, token string) {
		if back, err := jose.AppendDecoded(nil, string(jose.AppendEncoded(nil, []byte(token)))); err != nil || string(back) != token {
			t.Fatalf("%q comes back as %q, %v", token, back, err)
		}
		checkSegment(t, token)
		c, err := jose.SplitCompact(token)
		if err != nil {
			return
		}
		if c.SigningInput+"."+c.Signature != token || c.Header+"."+c.Payload != c.SigningInput || strings.Count(token, ".") != 2 {
			t.Fatalf("%q was cut into %+v", token, c)
		}
		for _, segment := range []string{c.Header, c.Payload, c.Signature} {
			if segment == "" {
				t.Fatalf("%q: empty segment", token)
			}
			checkSegment(t, segment)
		}
	})
}

func checkSegment(t *testing.T, segment string) {
	got, err := jose.AppendDecoded(nil, segment)
	want, stdErr := base64.RawURLEncoding.Strict().DecodeString(segment)
	if taken := stdErr == nil && !strings.ContainsAny(segment, "\r\n"); taken != (err == nil) {
		t.Fatalf("%q: got %v, the standard decoder %v", segment, err, stdErr)
	}
	if err == nil && (string(got) != string(want) || string(jose.AppendEncoded(nil, got)) != segment) {
		t.Fatalf("%q was read as %q", segment, got)
	}
	if _, splitErr := jose.SplitCompact("AA." + segment + ".AA"); err == nil && segment != "" && splitErr != nil {
		t.Fatalf("%q: decodes, and yet SplitCompact says %v", segment, splitErr)
	}
}

// A header is taken exactly if its JSON, read into a map, has what it must and nothing it must not.
func FuzzHeader(f *testing.F) {
	f.Add(typicalHeader)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := jose.ParseHeader(text)
		want, ok := expectedHeader(text)
		if ok != (err == nil) || got != want {
			t.Fatalf("%q: got %+v, %v, want %+v, %t", text, got, err, want, ok)
		}
		if err != nil {
			return
		}
		got.Open = false
		if back, err := jose.ParseHeader(string(jose.AppendHeader(nil, got))); err != nil || back != got {
			t.Fatalf("%q: %+v comes back as %+v, %v", text, got, back, err)
		}
	})
}

func expectedHeader(text string) (h jose.Header, ok bool) {
	var m map[string]any
	if len(text) > 2048 || jose.Valid(text) != nil || json.Unmarshal([]byte(text), &m) != nil || m == nil {
		return h, false
	}
	for name, v := range m {
		s, isText := v.(string)
		switch name {
		case "alg":
			h.Algorithm, ok = s, isText && s != "" && len(s) <= 32
		case "kid":
			h.KeyID, ok = s, isText && regexp.MustCompile(`^[ -~]{1,128}$`).MatchString(s)
		case "typ":
			h.Type, ok = s, isText && s != "" && len(s) <= 128
		default:
			h.Open, ok = true, true
			for _, known := range strings.Fields("alg kid typ crit b64 zip cty jwk jku x5u x5c") {
				ok = ok && !strings.EqualFold(name, known)
			}
		}
		if !ok {
			return jose.Header{}, false
		}
	}
	if h.Algorithm == "" {
		return jose.Header{}, false
	}
	return h, true
}

var jsonNumber = regexp.MustCompile(`^(-?)(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([-+]?[0-9]+))?$`)

// The values of numbers are those of math/big, which is exact, and slow for exponents that are not small.
func FuzzNumbers(f *testing.F) {
	f.Add("1800000000.5")
	f.Fuzz(func(t *testing.T, number string) {
		i, isInt := jose.ParseInt(number)
		s, isSeconds := jose.ParseSeconds(number)
		if !isInt && i != 0 || !isSeconds && s != 0 || isSeconds && (s < 0 || s > 253402300799) {
			t.Fatalf("%q: %d, %t; %d, %t", number, i, isInt, s, isSeconds)
		}
		parts := jsonNumber.FindStringSubmatch(number)
		if parts == nil || strings.HasSuffix(number, "\n") {
			if isInt || isSeconds {
				t.Fatalf("%q is no JSON number", number)
			}
			return
		}
		if e, ok := new(big.Int).SetString("0"+strings.TrimLeft(parts[2], "+-"), 10); !ok || e.Cmp(big.NewInt(2000)) > 0 {
			return
		}
		exact, ok := new(big.Rat).SetString(number)
		if !ok {
			t.Fatalf("%q: math/big does not read it", number)
		}
		wantInt := exact.IsInt() && exact.Num().IsInt64()
		if isInt != wantInt || isInt && i != exact.Num().Int64() {
			t.Fatalf("%q: ParseInt got %d, %t", number, i, isInt)
		}
		floor := new(big.Int).Div(exact.Num(), exact.Denom())
		wantSeconds := parts[1] == "" && floor.Cmp(big.NewInt(253402300799)) <= 0
		if isSeconds != wantSeconds || isSeconds && s != floor.Int64() {
			t.Fatalf("%q: ParseSeconds got %d, %t", number, s, isSeconds)
		}
	})
}
