package attack

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// Attacks on the form: a token is three canonical base64url texts with dots between them (RFC 7515 sections 2 and 7.1). A
// signature covers the texts and not the bytes they decode to. If one token can be written in several ways, whatever knows tokens
// by their text, such as a list of revoked ones, knows only one of them.

// addSegments changes a whole token.
func (c *corpus) addSegments() {
	for _, row := range []struct {
		name   string
		change func(token string) string
		want   string
	}{
		{"nothing", func(string) string { return "" }, "token_missing"},
		{"one dot", func(string) string { return "." }, "token_malformed"},
		{"two dots", func(string) string { return ".." }, "token_malformed"},
		{"three dots", func(string) string { return "..." }, "token_malformed"},
		{"a blank", func(string) string { return " " }, "token_malformed"},
		{"NUL", func(string) string { return "\x00" }, "token_malformed"},
		{"a million dots", func(string) string { return strings.Repeat(".", 1<<20) }, "token_too_long"},
		{"8000 dots", func(string) string { return strings.Repeat(".", 8000) }, "token_malformed"},
		{"a million letters", func(string) string { return strings.Repeat("A", 1<<20) }, "token_too_long"},
		{"8000 letters", func(string) string { return strings.Repeat("A", 8000) }, "token_malformed"},
		{"a dot before", func(s string) string { return "." + s }, "token_malformed"},
		{"a dot behind", func(s string) string { return s + "." }, "token_malformed"},
		{"two dots between", func(s string) string { return strings.Replace(s, ".", "..", 1) }, "token_malformed"},
		{"a fourth segment", func(s string) string { return s + ".AAAA" }, "token_malformed"},
		{"five segments, as an encrypted token", func(s string) string { return s + ".AAAA.AAAA" }, "token_malformed"},
		{"no signature, and no dot", func(s string) string { return s[:strings.LastIndexByte(s, '.')] }, "token_malformed"},
		{"the header alone", func(s string) string { h, _, _ := cut(s); return h }, "token_malformed"},
		{"no header", func(s string) string { _, p, sig := cut(s); return "." + p + "." + sig }, "token_malformed"},
		{"no header, and no dot", func(s string) string { _, p, sig := cut(s); return p + "." + sig }, "token_malformed"},
		{"no payload: detached", func(s string) string { h, _, sig := cut(s); return h + ".." + sig }, "token_malformed"},
		{"header and payload swapped", func(s string) string { h, p, sig := cut(s); return p + "." + h + "." + sig }, "header_malformed"},
		{"payload and signature swapped", func(s string) string { h, p, sig := cut(s); return h + "." + sig + "." + p }, "signature_bad"},
		{"the header thrice", func(s string) string { h, _, _ := cut(s); return h + "." + h + "." + h }, "signature_bad"},
		{"two tokens with a comma", func(s string) string { return s + "," + s }, "token_malformed"},
		{"two tokens with a blank", func(s string) string { return s + " " + s }, "token_malformed"},
		{"Bearer before", func(s string) string { return "Bearer " + s }, "token_malformed"},
		{"quotes around", func(s string) string { return `"` + s + `"` }, "token_malformed"},
		{"a blank before", func(s string) string { return " " + s }, "token_malformed"},
		{"a tab behind", func(s string) string { return s + "\t" }, "token_malformed"},
		{"NUL behind", func(s string) string { return s + "\x00" }, "token_malformed"},
		{"NUL and more behind", func(s string) string { return s + "\x00admin" }, "token_malformed"},
		{"a semicolon behind", func(s string) string { return s + ";" }, "token_malformed"},
		{"a byte order mark before", func(s string) string { return "\ufeff" + s }, "token_malformed"},
		{"invalid UTF-8 behind", func(s string) string { return s + "\xff" }, "token_malformed"},
		{"percent-encoded dots", func(s string) string { return strings.ReplaceAll(s, ".", "%2E") }, "token_malformed"},
		{"a percent-encoded letter", func(s string) string { return "%65" + s[1:] }, "token_malformed"},
		{"full width dots", func(s string) string { return strings.ReplaceAll(s, ".", "\uff0e") }, "token_malformed"},
		{"one dot leaders", func(s string) string { return strings.ReplaceAll(s, ".", "\u2024") }, "token_malformed"},
		{"ideographic full stops", func(s string) string { return strings.ReplaceAll(s, ".", "\u3002") }, "token_malformed"},
		{"colons for dots", func(s string) string { return strings.ReplaceAll(s, ".", ":") }, "token_malformed"},
		{"tilde and disclosures behind, as an SD-JWT", func(s string) string { return s + "~WyJzYWx0IiwiYSIsMV0~" }, "token_malformed"},
		{"base64 of the token", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, "token_malformed"},
		{"hexadecimal of the token", func(s string) string { return hex.EncodeToString([]byte(s)) }, "token_malformed"},
		{"UTF-16", utf16Text, "token_malformed"},
		{"letter case swapped", swapCase, "header_malformed|token_malformed"},
		{"backwards", backwards, "token_malformed|header_malformed"},
		{"flattened JSON", flattenedJSON, "token_malformed"},
		{"general JSON", generalJSON, "token_malformed"},
		{"JSON whose protected header holds the token", func(s string) string {
			h, p, sig := cut(s)
			return `{"` + s + `":"","protected":"` + h + `","payload":"` + p + `","signature":"` + sig + `"}`
		}, "token_malformed"},
		{"JSON with a compact token for a name", func(s string) string {
			h, p, sig := cut(s)
			return `{"  ` + h + `.":"` + segment(base().with("sub", `"admin"`).String()) + `","payload":"` + p + `","signature":"` + sig + `"}`
		}, "token_malformed"},
		{"a serialized Java object", func(string) string { return "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA" }, "token_malformed"},
		{"a PASETO", func(string) string { return "v2.public.eyJkYXRhIjoidGhpcyBpcyBhIHRlc3QifQ" }, "token_malformed|header_malformed"},
	} {
		source := "RFC 7515 7.1"
		switch {
		case strings.Contains(row.name, "JSON"):
			source = "RFC 7515 7.2; CVE-2022-39227"
		case strings.Contains(row.name, "dots"):
			source = "CVE-2025-30204, CVE-2025-27144"
		}
		c.add(attempt{
			name: row.name, source: source, want: row.want,
			token: func(f forge) string { return row.change(f.good(base())) },
		})
	}
	for _, row := range []struct {
		size int
		want string
	}{{8192, OK}, {8193, "token_too_long"}, {16384, "token_too_long"}} {
		c.add(attempt{
			name: strconv.Itoa(row.size) + " bytes", source: "bounded input", rule: House, want: row.want,
			token: func(f forge) string { return sized(f, row.size) },
		})
	}
}

// sized returns a good token of that many bytes.
func sized(f forge, size int) string {
	signature := len(segment(f.signature("")))
	for fill := ""; ; fill += "n" { // no segment is as long as four times something and one: a longer header shifts what is left
		header := f.header().with("note", quote(fill)).String()
		left := size - len(segment(header)) - signature - len("..")
		if left%4 == 1 {
			continue
		}
		empty := len(base().with("note", `""`).String())
		note := strings.Repeat("n", base64.RawURLEncoding.DecodedLen(left)-empty)
		return f.sign(header, base().with("note", quote(note)).String())
	}
}

func utf16Text(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		b.WriteByte(0)
	}
	return b.String()
}

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func flattenedJSON(s string) string {
	h, p, sig := cut(s)
	return `{"payload":"` + p + `","protected":"` + h + `","signature":"` + sig + `"}`
}

func generalJSON(s string) string {
	h, p, sig := cut(s)
	return `{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + sig + `"}]}`
}

// The parts of a token that addBase64 changes.
const (
	headerPart = iota
	payloadPart
	signaturePart
)

// addBase64 spells one segment in another way. The header's and the payload's are then signed as they stand, so that only
// their form is wrong; the signature's can be respelled by whoever holds the token.
func (c *corpus) addBase64() {
	for part, name := range []string{"header", "payload", "signature"} {
		for _, row := range []struct {
			name, source string
			change       func(segment string) string
		}{
			{"LF inside", "RFC 7515 2", inside("\n")},
			{"CR inside", "RFC 7515 2", inside("\r")},
			{"CRLF inside", "RFC 7515 2, RFC 2045 6.8", inside("\r\n")},
			{"four LF inside", "RFC 7515 2", inside("\n\n\n\n")},
			{"LF in front", "RFC 7515 2", func(s string) string { return "\n" + s }},
			{"LF at the end", "RFC 7515 2", func(s string) string { return s + "\n" }},
			{"CR at the end", "RFC 7515 2", func(s string) string { return s + "\r" }},
			{"CRLF at the end", "RFC 7515 2", func(s string) string { return s + "\r\n" }},
			{"lines of 64", "RFC 7515 2, RFC 7468 3", func(s string) string { return s[:30] + "\n" + s[30:] + "\n" }},
			{"padding", "RFC 7515 2", padded},
			{"one more for padding", "RFC 7515 2", func(s string) string { return padded(s) + "=" }},
			{"padding inside", "RFC 4648 3.3", inside("=")},
			{"padding and a line feed", "RFC 7515 2", func(s string) string { return padded(s) + "\n" }},
			{"padding of full width", "RFC 4648 3.3", func(s string) string { return s + "\uff1d" }},
			{"percent-encoded padding", "RFC 4648 5", func(s string) string { return s + "%3D" }},
			{"spare bits", "RFC 4648 3.5", spareBits},
			{"the standard alphabet", "RFC 4648 5", standardAlphabet},
			{"another alphabet: . and _", "RFC 4648 5", func(s string) string { return strings.ReplaceAll(s, "-", "~") + "~" }},
			{"a blank inside", "RFC 4648 3.3", inside(" ")},
			{"a blank in front", "RFC 4648 3.3", func(s string) string { return " " + s }},
			{"a blank at the end", "RFC 4648 3.3", func(s string) string { return s + " " }},
			{"a plus at the end", "RFC 4648 3.3", func(s string) string { return s + "+" }},
			{"a tab inside", "RFC 4648 3.3", inside("\t")},
			{"a vertical tab inside", "RFC 4648 3.3", inside("\v")},
			{"NUL inside", "RFC 4648 3.3", inside("\x00")},
			{"NUL at the end", "RFC 4648 3.3", func(s string) string { return s + "\x00" }},
			{"a byte above 127 inside", "RFC 4648 3.3", inside("\xff")},
			{"a no-break space inside", "RFC 4648 3.3", inside("\u00a0")},
			{"a soft hyphen inside", "RFC 4648 3.3", inside("\u00ad")},
			{"a zero width space inside", "RFC 4648 3.3", inside("\u200b")},
			{"a byte order mark in front", "RFC 4648 3.3", func(s string) string { return "\ufeff" + s }},
			{"a right-to-left mark inside", "RFC 4648 3.3", inside("\u200f")},
			{"a line separator inside", "RFC 4648 3.3", inside("\u2028")},
			{"a homoglyph", "RFC 4648 3.3", func(s string) string { return "\u0410" + s[1:] }},
			{"a letter of full width", "RFC 4648 3.3", func(s string) string { return s[:4] + fullWidth(s[4:5]) + s[5:] }},
			{"a percent-encoded letter", "RFC 3986 2.1", func(s string) string {
				return s[:4] + "%" + strings.ToUpper(hex.EncodeToString([]byte(s[4:5]))) + s[5:]
			}},
			{"an exclamation mark", "RFC 4648 3.3", inside("!")},
			{"a comma at the end", "RFC 4648 3.3", func(s string) string { return s + "," }},
			{"one letter too many", "RFC 4648 4", toImpossibleLength},
			{"base64 of base64", "RFC 7515 7.1", func(s string) string { return segment(s) }},
			{"hexadecimal", "RFC 7515 7.1", func(s string) string { return hex.EncodeToString(decoded(s)) }},
			{"bare", "RFC 7515 7.1", func(s string) string { return strings.ReplaceAll(string(decoded(s)), ".", "") }},
		} {
			want := "token_malformed|payload_malformed"
			switch row.name {
			case "base64 of base64", "hexadecimal": // which are proper base64url, of something else
				want = [...]string{"header_malformed|token_malformed", "claims_malformed|token_malformed", "signature_bad|token_malformed"}[part]
			}
			rule := Required
			switch row.name {
			case "spare bits":
				rule = Prudent // RFC 4648 section 3.5 leaves it to the decoder
			}
			c.add(attempt{
				name: name + ": " + row.name, source: row.source, rule: rule, want: want,
				token: func(f forge) string { return respelled(f, part, row.change) },
			})
		}
	}
	for part, name := range []string{"header", "payload", "signature"} {
		c.add(attempt{
			name: name + ": with every letter of the alphabet's end", source: "RFC 4648 5", want: OK,
			token: func(f forge) string { return respelled(f, part, func(s string) string { return s }) },
		})
	}
}

// respelled returns a token of which one part is spelled in another way. That part holds both letters in which the alphabets
// differ, and its last letter has spare bits, so that each change has something to change.
func respelled(f forge, part int, change func(string) string) string {
	header, payload := f.header(), base()
	for tries := 0; ; tries++ {
		h, p := segment(header.String()), segment(payload.String())
		input := h + "." + p
		sig := segment(f.signature(input))
		s := [...]string{h, p, sig}[part]
		if strings.Contains(s, "-") && strings.Contains(s, "_") && len(s)%4 >= 2 {
			switch part {
			case headerPart:
				return f.seal(change(h) + "." + p)
			case payloadPart:
				return f.seal(h + "." + change(p))
			}
			return input + "." + change(sig)
		}
		note := quote(strings.Repeat(">", tries%3) + "???>>>" + strconv.Itoa(tries))
		if part == headerPart {
			header = header.with("note", note)
		} else {
			payload = payload.with("note", note)
		}
	}
}

func inside(what string) func(string) string {
	return func(s string) string { return s[:len(s)/2] + what + s[len(s)/2:] }
}

func padded(s string) string { return s + strings.Repeat("=", (4-len(s)%4)%4) }

func standardAlphabet(s string) string {
	return strings.NewReplacer("-", "+", "_", "/").Replace(s)
}

// spareBits sets one of the bits of the last letter that no byte needs.
func spareBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(s) - 1
	return s[:last] + string(alphabet[strings.IndexByte(alphabet, s[last])|1])
}

// toImpossibleLength appends letters until no bytes have that length.
func toImpossibleLength(s string) string {
	for s += "A"; len(s)%4 != 1; s += "A" {
	}
	return s
}

func decoded(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
