package jose_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

func TestSplitCompact(t *testing.T) {
	c, err := jose.SplitCompact("eyJh.cGF5bG9hZA.c2ln")
	if err != nil {
		t.Fatal(err)
	}
	want := jose.Compact{Header: "eyJh", Payload: "cGF5bG9hZA", Signature: "c2ln", SigningInput: "eyJh.cGF5bG9hZA"}
	if c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestSplitCompactRefuses(t *testing.T) {
	for _, row := range []struct {
		name, token string
		want        jose.Problem
	}{
		{"nothing", "", jose.ErrSegments},
		{"one segment", "eyJh", jose.ErrSegments},
		{"two segments", "eyJh.cGF5", jose.ErrSegments},
		{"four segments", "eyJh.cGF5.c2ln.c2ln", jose.ErrSegments},
		{"five segments, as JWE has", "eyJh.cGF5.c2ln.c2ln.c2ln", jose.ErrSegments},
		{"a fourth, empty segment", "eyJh.cGF5.c2ln.", jose.ErrSegments},
		{"no header", ".cGF5.c2ln", jose.ErrEmptySegment},
		{"no payload", "eyJh..c2ln", jose.ErrEmptySegment},
		{"no signature", "eyJh.cGF5.", jose.ErrEmptySegment},
		{"dots only", "..", jose.ErrEmptySegment},
		{"header of five characters", "eyJhA.cGF5.c2ln", jose.ErrSegmentLength},
		{"payload of one character", "eyJh.c.c2ln", jose.ErrSegmentLength},
		{"signature of nine characters", "eyJh.cGF5.c2lnc2lnA", jose.ErrSegmentLength},
		{"spare bits in the header", "eyK.cGF5.c2ln", jose.ErrSpareBits},
		{"spare bits in the payload", "eyJh.cR.c2ln", jose.ErrSpareBits},
		{"spare bits in the signature", "eyJh.cGF5.c2l", jose.ErrSpareBits},
		{"padded header", "eyI=.cGF5.c2ln", jose.ErrPadding},
		{"padded payload", "eyJh.cA==.c2ln", jose.ErrPadding},
		{"padded signature", "eyJh.cGF5.c2k=", jose.ErrPadding},
		{"line feed at the end", "eyJh.cGF5.c2ln\n", jose.ErrLineBreak},
		{"carriage return at the end", "eyJh.cGF5.c2ln\r", jose.ErrLineBreak},
		{"blank at the end", "eyJh.cGF5.c2ln ", jose.ErrBlank},
		{"slash at the end", "eyJh.cGF5.c2l/", jose.ErrStandard},
		{"NUL at the end", "eyJh.cGF5.c2l\x00", jose.ErrAlphabet},
		{"JSON serialization", `{"payload":"cGF5","signature":"c2ln"}`, jose.ErrSegments},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := jose.SplitCompact(row.token)
			if err != row.want {
				t.Errorf("error is %v, want %v", err, row.want)
			}
			if c != (jose.Compact{}) {
				t.Errorf("returned %+v beside an error", c)
			}
		})
	}
}

// What is inside a segment is looked at when it is decoded, not before: the payload only once the signature holds.
func TestSplitCompactLeavesTheInsideToAppendDecoded(t *testing.T) {
	c, err := jose.SplitCompact("eyJh.c!!!GF5h.c2ln")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = jose.AppendDecoded(nil, c.Payload); err != jose.ErrAlphabet {
		t.Errorf("error is %v, want %v", err, jose.ErrAlphabet)
	}
}

func TestAppendDecoded(t *testing.T) {
	for _, row := range []struct{ segment, want string }{
		{"", ""},
		{"Zg", "f"},
		{"Zm8", "fo"},
		{"Zm9v", "foo"},
		{"Zm9vYg", "foob"},
		{"Zm9vYmE", "fooba"},
		{"Zm9vYmFy", "foobar"},
		{"AA", "\x00"},
		{"-_-_", "\xfb\xff\xbf"},
		{"____", "\xff\xff\xff"},
	} {
		got, err := jose.AppendDecoded([]byte("before "), row.segment)
		if err != nil || string(got) != "before "+row.want {
			t.Errorf("%q: got %q, %v", row.segment, got, err)
		}
		if back := string(jose.AppendEncoded([]byte("before "), []byte(row.want))); back != "before "+row.segment {
			t.Errorf("%q: encoded as %q", row.want, back)
		}
	}
}

func TestAppendDecodedRefuses(t *testing.T) {
	for _, row := range []struct {
		name, segment string
		want          jose.Problem
	}{
		{"one character", "Z", jose.ErrSegmentLength},
		{"five characters", "Zm9vY", jose.ErrSegmentLength},
		{"padding", "Zg==", jose.ErrPadding},
		{"padding of one", "Zm8=", jose.ErrPadding},
		{"nothing but padding", "====", jose.ErrPadding},
		{"padding inside", "Zg==Zg", jose.ErrPadding},
		{"line feed at the end", "Zm9v\n", jose.ErrLineBreak},
		{"line feed that fills a group", "Zm9vYg\nE", jose.ErrLineBreak},
		{"line feeds in front", "\n\nZm9v", jose.ErrLineBreak},
		{"a whole group of line feeds", "Zm9v\n\n\n\n", jose.ErrLineBreak},
		{"carriage returns inside", "Zm\r\n9v", jose.ErrLineBreak},
		{"nothing but line feeds", "\n\n", jose.ErrLineBreak},
		{"blank", "Zm 9v", jose.ErrBlank},
		{"tab", "Zm\t9vYg", jose.ErrBlank},
		{"plus", "Zm+v", jose.ErrStandard},
		{"slash", "Zm/v", jose.ErrStandard},
		{"dot", "Zm.v", jose.ErrAlphabet},
		{"NUL", "Zm\x00v", jose.ErrAlphabet},
		{"percent-encoding", "Zm%3Dv", jose.ErrAlphabet},
		{"a letter beyond ASCII", "Zmé", jose.ErrAlphabet},
		{"a full-width letter", "ZmＡ9v", jose.ErrAlphabet},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := jose.AppendDecoded([]byte("before"), row.segment)
			if err != row.want {
				t.Errorf("error is %v, want %v", err, row.want)
			}
			if string(got) != "before" {
				t.Errorf("dst came back as %q", got)
			}
		})
	}
}

// Of the characters that could end a segment, only those without spare bits are read, so that no byte has two spellings.
func TestOneSpellingOnly(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, row := range []struct {
		start string
		good  int
	}{{"Z", 4}, {"Zm", 16}, {"Zm9", 64}} {
		good, seen := 0, map[string]bool{}
		for _, last := range alphabet {
			segment := row.start + string(last)
			got, err := jose.AppendDecoded(nil, segment)
			_, splitErr := jose.SplitCompact("Zm9v." + segment + ".Zm9v")
			if err != splitErr {
				t.Errorf("%q: AppendDecoded says %v, SplitCompact %v", segment, err, splitErr)
			}
			switch {
			case err == nil && seen[string(got)]:
				t.Errorf("%q decodes to the same bytes as another", segment)
			case err == nil:
				good++
				seen[string(got)] = true
			case err != jose.ErrSpareBits:
				t.Errorf("%q: %v", segment, err)
			}
		}
		if good != row.good {
			t.Errorf("after %q %d characters are good, want %d", row.start, good, row.good)
		}
	}
}

// Every byte that is not in the alphabet refuses the segment, wherever it stands and however long the segment is.
func TestAppendDecodedEveryByteEverywhere(t *testing.T) {
	for size := 2; size <= 19; size++ {
		if size%4 == 1 {
			continue
		}
		for at := range size {
			for c := range 256 {
				segment := []byte(strings.Repeat("A", size))
				segment[at] = byte(c)
				got, err := jose.AppendDecoded(nil, string(segment))
				if err == nil && base64.RawURLEncoding.EncodeToString(got) != string(segment) {
					t.Fatalf("%q was read as %x", segment, got)
				}
			}
		}
	}
}

// DecodeText works through a long segment in chunks: it must find what AppendDecoded finds, in each chunk and at the end.
func TestDecodeTextIsAppendDecoded(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 767, 768, 769, 1000, 1535, 1536, 1537, 1538, 1539, 5000} {
		bytes := make([]byte, n)
		for i := range bytes {
			bytes[i] = byte(i * 7)
		}
		segment := string(jose.AppendEncoded(nil, bytes))
		got, err := jose.DecodeText(segment)
		if err != nil || got != string(bytes) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got, beside, err := jose.DecodeTextBeside(segment, "other"); err != nil || got != string(bytes) || beside != "other" {
			t.Fatalf("%d bytes, and others: %v", n, err)
		}
		for at := 0; at <= len(segment); at += 1 + len(segment)/50 {
			for _, insert := range []string{"=", "\n", "A", "AA", "%"} {
				changed := segment[:at] + insert + segment[at:]
				want, wantErr := jose.AppendDecoded(nil, changed)
				got, err := jose.DecodeText(changed)
				if err != wantErr || err == nil && got != string(want) {
					t.Fatalf("%d bytes, %q at %d: %v, want %v", n, insert, at, err, wantErr)
				}
			}
		}
	}
}
