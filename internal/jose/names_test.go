package jose_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// members returns n members of different names and the same value.
func members(n int, value string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"name-%d":%s`, i, value)
	}
	return b.String()
}

// Row C10 of the conformance tables: a member that stands twice, at any depth, in any spelling.
func TestC10Duplicates(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       string
	}{
		{"names that differ", `{"a":1,"b":1,"":1," ":1,"A":1}`, ""},
		{"twice", `{"a":1,"a":1}`, "duplicate member at byte 7"},
		{"twice, far apart", `{"a":1,"b":2,"c":3,"d":4,"a":1}`, "duplicate member at byte 25"},
		{"the empty name twice", `{"":1,"":2}`, "duplicate member at byte 6"},
		{"with a blank in front", `{"a":1, "a":1}`, "duplicate member at byte 8"},
		{"the second with an escape", `{"sub":1,"s\u0075b":2}`, "duplicate member at byte 9"},
		{"the first with an escape", `{"s\u0075b":1,"sub":2}`, "duplicate member at byte 14"},
		{"both with escapes, in other case", `{"\u006a":1,"\u006A":2}`, "duplicate member at byte 12"},
		{"slash and its escape", `{"/":1,"\/":2}`, "duplicate member at byte 7"},
		{"a surrogate pair and its character", `{"😀":1,"\ud83d\ude00":2}`, "duplicate member at byte 10"},
		{"an escape of a backslash is no escape", `{"\\u0061":1,"a":2}`, ""},
		{"composed and decomposed letters differ", "{\"é\":1,\"e\u0301\":2}", ""},
		{"a name and its prefixes", `{"a":1,"aa":1,"aaa":1}`, ""},
		{"in an object inside", `{"a":{"b":1,"b":2}}`, "duplicate member at byte 12"},
		{"in an object inside an array", `[1,[{"b":1,"b":2}]]`, "duplicate member at byte 11"},
		{"around an object", `{"a":{"b":1},"a":2}`, "duplicate member at byte 13"},
		{"around an array", `{"a":[{"b":1},{"c":1}],"a":2}`, "duplicate member at byte 23"},
		{"the same name inside and outside", `{"a":{"a":{"a":1}}}`, ""},
		{"the name of the object inside, after it", `{"a":{"b":1},"b":2}`, ""},
		{"the same name in neighbours", `[{"a":1},{"a":1},[{"a":1}],{"a":1}]`, ""},
		{"two scopes arrays", `{"scopes":[],"iss":"x","scopes":[]}`, "duplicate member at byte 23"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := ""
			if err := jose.Valid(row.text); err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("%s: got %q, want %q", row.text, got, row.want)
			}
			r := jose.NewReader(row.text)
			value(&r)
			if (r.End() == nil) != (row.want == "") {
				t.Errorf("%s: read by its members: %v", row.text, r.End())
			}
		})
	}
}

// A duplicate is found among any number of members, wherever the two stand, and none is found where there is none.
func TestDuplicatesAmongMany(t *testing.T) {
	counts := []int{100, 1000, 2000}
	for n := 1; n <= 40; n++ {
		counts = append(counts, n)
	}
	for _, n := range counts {
		all := members(n, `{"name-0":[]}`)
		for _, text := range []string{"{" + all + "}", `{"outer":{` + all + `},"name-0":1}`, "[{" + all + "},{" + all + "}]"} {
			if err := jose.Valid(text); err != nil {
				t.Errorf("%d members: %v", n, err)
			}
		}
		for _, i := range []int{0, 1, n / 2, 14, 15, 16, 22, 23, 24, 25, 30, 31, 32, 33, n - 1} {
			if i >= n {
				continue
			}
			again := fmt.Sprintf(`,"n\u0061me-%d":1`, i)
			for _, text := range []string{"{" + all + again + "}", `{"name-0":[{` + all + again + "}]}", `{"o":{` + all + "}," + all + again + "}"} {
				want := fmt.Sprintf("duplicate member at byte %d", strings.Index(text, again)+1)
				if err := jose.Valid(text); err == nil || err.Error() != want {
					t.Errorf("member %d of %d twice: got %v, want %s", i, n, err, want)
				}
			}
		}
	}
}

// Names that agree in length and in the characters a cheap filter would look at are still told apart, or recognized.
func TestDuplicatesThatLookAlike(t *testing.T) {
	for _, n := range []int{2, 15, 16, 17, 23, 24, 25, 60} {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, `"x%02d-same-%02dx":%d,`, i, i, i)
		}
		if err := jose.Valid(b.String() + `"y":1}`); err != nil {
			t.Errorf("%d names: %v", n, err)
		}
		for i := range n {
			if err := jose.Valid(b.String() + fmt.Sprintf(`"x%02d-same-%02dx":1}`, i, i)); !errors.Is(err, jose.ErrDuplicate) {
				t.Errorf("%d names, name %d twice: %v", n, i, err)
			}
		}
	}
}

// Objects inside each other share the room for names; each one's names survive what comes and goes inside it.
func TestDuplicatesInNestedObjects(t *testing.T) {
	for _, size := range []int{1, 2, 5, 15, 16, 22, 23, 24, 25, 33} {
		for _, depth := range []int{1, 2, 3, 7, jose.MaxDepth} {
			for bad := -1; bad < depth; bad++ {
				text := nestedObjects(size, depth, bad)
				err := jose.Valid(text)
				if bad < 0 && err != nil {
					t.Errorf("%d objects of %d: %v", depth, size, err)
				}
				if bad >= 0 && !errors.Is(err, jose.ErrDuplicate) {
					t.Errorf("%d objects of %d, duplicate at level %d: %v", depth, size, bad, err)
				}
			}
		}
	}
}

// nestedObjects returns objects of size members inside each other, each of which has the next one as a member more; the one at
// level bad has its first name again, after that.
func nestedObjects(size, depth, bad int) string {
	text := `1`
	for level := depth - 1; level >= 0; level-- {
		text = "{" + members(size, "1") + `,"inner":` + text
		if level == bad {
			text += `,"name-0":1`
		}
		text += "}"
	}
	return text
}

// What the Reader says of random texts with few names is what a plain search for duplicates says.
func TestDuplicatesAgainstSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 20_000 {
		var b strings.Builder
		randomValue(&b, random, 0)
		err := jose.Valid(b.String())
		if err != nil && !errors.Is(err, jose.ErrDuplicate) {
			t.Fatalf("%s: %v", b.String(), err)
		}
		if want := hasDuplicate(b.String()); (err != nil) != want {
			t.Fatalf("%s: got %v, a search says %t", b.String(), err, want)
		} else if want {
			found++
		}
	}
	if found < 2000 || found > 18_000 {
		t.Errorf("%d of 20000 texts had duplicates: the test says little", found)
	}
}

func randomValue(b *strings.Builder, random *rand.Rand, depth int) {
	if depth > 4 || random.IntN(3) == 0 {
		b.WriteByte('1')
		return
	}
	array := random.IntN(4) == 0
	b.WriteByte("{["[btoi(array)])
	for i := range random.IntN(24) {
		if i > 0 {
			b.WriteByte(',')
		}
		if !array {
			b.WriteString(strconv.Quote(strconv.Itoa(random.IntN(900))) + ":")
		}
		if random.IntN(6) == 0 {
			randomValue(b, random, depth+1)
		} else {
			b.WriteByte('1')
		}
	}
	b.WriteByte("}]"[btoi(array)])
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// hasDuplicate searches a text that encoding/json takes for an object with a name twice.
func hasDuplicate(text string) bool {
	type open struct {
		names map[string]bool // nil for an array
		name  bool            // a name is next
	}
	var stack []open
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF {
			return false
		}
		if err != nil {
			panic(err)
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if len(stack) > 0 {
			if top := &stack[len(stack)-1]; top.names != nil {
				if top.name = !top.name; !top.name {
					if top.names[token.(string)] {
						return true
					}
					top.names[token.(string)] = true
					continue
				}
			}
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, open{names: map[string]bool{}, name: true})
		case json.Delim('['):
			stack = append(stack, open{})
		}
	}
}

func TestFoldsTo(t *testing.T) {
	for _, row := range []struct {
		name, known string
		want        bool
	}{
		{"sub", "sub", false},
		{"SUB", "sub", true},
		{"sUb", "sub", true},
		{"\u017fub", "sub", true},  // long s
		{"\u212aid", "kid", true},  // kelvin sign
		{"jw\u212a", "jwk", true},  //
		{"sub", "\u017fub", true},  // known need not be ASCII
		{"Á", "á", true},           //
		{"Σ", "ς", true},           // three sigmas fold to each other
		{"\u0131ss", "iss", false}, // dotless i: simple folding keeps it apart
		{"\u0130ss", "iss", false}, // dotted I
		{"ﬆb", "stb", false},       // ligature: only full folding takes it apart
		{"ss", "ß", false},
		{"sub ", "sub", false},
		{" sub", "sub", false},
		{"su", "sub", false},
		{"subs", "sub", false},
		{"", "sub", false},
		{"", "", false},
		{"s\x00b", "sub", false},
		{"5ub", "sub", false},
		{"@", "`", false}, // differ by the bit that tells letter cases apart
		{"[", "{", false},
	} {
		if got := jose.FoldsTo(row.name, row.known); got != row.want {
			t.Errorf("%q, %q: got %t", row.name, row.known, got)
		}
	}
}
