package difftest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// Both take the same texts, but for those nested more than MaxDepth deep, which only jsontext takes. What both take has the
// same strings in it.
func FuzzJSONDifferential(f *testing.F) {
	for _, text := range corpus(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ours := jose.Valid(text)
		theirs := jsontext.Value(text).IsValid()
		if errors.Is(ours, jose.ErrDepth) {
			if depth := deepest(text); depth <= jose.MaxDepth {
				t.Fatalf("%q: refused for its depth, which is %d", text, depth)
			}
			return
		}
		if (ours == nil) != theirs {
			t.Fatalf("%q: got %v, jsontext says %t", text, ours, theirs)
		}
		if theirs {
			compareTokens(t, text)
		}
	})
}

// deepest returns how far jsontext can go into text.
func deepest(text string) (depth int) {
	for d := jsontext.NewDecoder(strings.NewReader(text)); ; depth = max(depth, d.StackDepth()) {
		if _, err := d.ReadToken(); err != nil {
			return depth
		}
	}
}

// compareTokens reads a valid text with both, and fails if they read anything else in it.
func compareTokens(t *testing.T, text string) {
	t.Helper()
	d := jsontext.NewDecoder(strings.NewReader(text))
	r := jose.NewReader(text)
	compareValue(t, text, d, &r)
	if err := r.End(); err != nil {
		t.Fatalf("%q: valid, and yet %v", text, err)
	}
}

func compareValue(t *testing.T, text string, d *jsontext.Decoder, r *jose.Reader) {
	t.Helper()
	same := func(theirs, ours string) {
		if theirs != ours {
			t.Fatalf("%q: %q is %q to jsontext", text, ours, theirs)
		}
	}
	next := func() jsontext.Token {
		token, err := d.ReadToken()
		if err != nil {
			t.Fatalf("%q: jsontext says it is valid, and then %v", text, err)
		}
		return token
	}
	switch kind := r.Kind(); kind {
	case jose.Object:
		same(next().String(), "{")
		r.Object()
		for name, ok := r.Next(); ok; name, ok = r.Next() {
			same(next().String(), name)
			compareValue(t, text, d, r)
		}
		same(next().String(), "}")
	case jose.Array:
		same(next().String(), "[")
		for r.Array(); r.More(); {
			compareValue(t, text, d, r)
		}
		same(next().String(), "]")
	case jose.String:
		same(next().String(), r.String())
	case jose.Number:
		same(next().String(), r.Number())
	case jose.Bool:
		same(next().String(), strconv.FormatBool(r.Bool()))
	default:
		r.Null()
		same(next().String(), "null")
	}
}

// corpus returns the texts kept for the fuzz targets of internal/jose, so that what one finds the other is tried on.
func corpus(f *testing.F) (texts []string) {
	f.Helper()
	files, err := filepath.Glob("../jose/testdata/fuzz/*/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "string(")
			if !ok {
				continue
			}
			text, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
			if err != nil {
				f.Fatalf("%s: %v", file, err)
			}
			texts = append(texts, text)
		}
	}
	return texts
}
