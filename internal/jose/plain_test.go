package jose_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// A Reader is plain only if each string it has returned is: whoever relies on it looks at none of them again.
func TestPlainIsTrueOfEachString(t *testing.T) {
	for text, want := range map[string]bool{
		`["a","b~",""]`:           true,
		`["a","b","c",1,null,{}]`: true,
		`["ä"]`:                   false,
		`["a","\u00e4"]`:          false,
		`["a","\u0000"]`:          false,
		`["a","\n"]`:              false, // it is plain, but nobody looks
		`["a",["\u0000"]]`:        true,  // read past, and so returned to nobody
		`["a",{"\u0000":1}]`:      false, // names are returned by Next, even where Raw reads past them
		"[\"a\",\"\x7f\"]":        true,
		"[\"a\"]\x00":             false,
		"[\"\x00\"]":              false,
		"[\"\xff\"]":              false,
		``:                        false,
	} {
		r := jose.NewReader(text)
		r.Array()
		for r.More() {
			if r.Kind() != jose.String {
				r.Raw()
				continue
			}
			if s := r.String(); r.Plain() {
				require.True(t, s == "" || jose.IsPlain(s), "%q: %q", text, s)
			}
		}
		require.Equal(t, want, r.Plain(), "%q", text)
	}
	var zero jose.Reader
	require.False(t, zero.Plain())
}

// An escape in a name is one too: the name is returned.
func TestPlainIsTrueOfNames(t *testing.T) {
	for text, want := range map[string]bool{`{"a":1}`: true, `{"\u0000":1}`: false, `{"a":1,"\u00e4":2}`: false} {
		r := jose.NewReader(text)
		r.ObjectOf(likely)
		for name, ok := r.Next(); ok; name, ok = r.Next() {
			r.Raw()
			if r.Plain() {
				require.True(t, jose.IsPlain(name), "%q", text)
			}
		}
		require.NoError(t, r.End())
		require.Equal(t, want, r.Plain(), "%q", text)
	}
}
