package tokenauth_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Numbers such as S6 name rows of the specification of scopes: S for questions and JSON, T for text, V for covering.

const (
	none    = tokenauth.LevelNone
	read    = tokenauth.LevelRead
	execute = tokenauth.LevelExecute
	write   = tokenauth.LevelWrite

	// anything is AnyResource under a name that keeps tables narrow.
	anything = tokenauth.AnyResource
)

// scopeOf is a scope in one line of a table. The tables spell scopes as Go values and not as text, so that parsing is tested on
// its own.
func scopeOf(kind, id string, level tokenauth.PermissionLevel) tokenauth.TokenScope {
	return tokenauth.TokenScope{ResourceKind: kind, ResourceID: id, Level: level}
}

func TestPermissionLevelWords(t *testing.T) {
	words := map[string]tokenauth.PermissionLevel{"none": none, "read": read, "execute": execute, "write": write}
	for word, level := range words {
		assert.Equal(t, word, level.String())
		text, err := level.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, word, string(text))
		var back tokenauth.PermissionLevel
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, level, back)
	}
	assert.True(t, none < read && read < execute && execute < write, "each level includes those below it")
	assert.Zero(t, none)

	var inJSON struct{ Level tokenauth.PermissionLevel }
	require.NoError(t, json.Unmarshal([]byte(`{"Level":"execute"}`), &inJSON))
	assert.Equal(t, execute, inJSON.Level)
	text, err := json.Marshal(inJSON)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Level":"execute"}`, string(text))
}

func TestPermissionLevelRefusesEveryOtherWord(t *testing.T) {
	for _, word := range []string{
		"", "Read", "READ", "reaD", " read", "read ", "read\x00", "rea", "readx", "admin", "all", "*", "0", "1", "3", "r", "rw", "null",
	} {
		level := write
		assert.ErrorIs(t, level.UnmarshalText([]byte(word)), tokenauth.ErrInvalidRequest, "%q", word)
		assert.Equal(t, write, level, "%q: nothing is changed", word)
	}
	for _, value := range []string{`3`, `true`, `"Write"`, `["read"]`} {
		level := write
		assert.Error(t, json.Unmarshal([]byte(value), &level), value)
		assert.Equal(t, write, level, value)
	}
	for _, level := range []tokenauth.PermissionLevel{4, 9, 255} {
		_, err := level.MarshalText()
		assert.ErrorIs(t, err, tokenauth.ErrInvalidRequest, "%d", level)
		assert.Equal(t, fmt.Sprintf("level(%d)", uint8(level)), level.String())
	}
}

// The wildcard can be written by naming the constant only: no decoder makes it of bytes that somebody sent.
func TestAnyResourceIsNoText(t *testing.T) {
	assert.Equal(t, "\xff*", tokenauth.AnyResource)
	assert.False(t, utf8.ValidString(tokenauth.AnyResource))

	for _, text := range []string{"deployment:\xff*:read", "deployment:\xff*:x:read", "deployment:a:read,deployment:\xff*:read"} {
		scopes, err := tokenauth.ParseTokenScopes(text)
		assert.ErrorIs(t, err, tokenauth.ErrInvalidRequest, "%q", text)
		assert.Empty(t, scopes)
	}
	var s tokenauth.TokenScope
	raw := "{\"resource_kind\":\"deployment\",\"resource_id\":\"\xff*\",\"level\":\"read\"}"
	assert.ErrorIs(t, s.UnmarshalJSON([]byte(raw)), tokenauth.ErrInvalidRequest)
	assert.ErrorIs(t, json.Unmarshal([]byte(raw), &s), tokenauth.ErrInvalidRequest)
	require.NoError(t, s.UnmarshalJSON([]byte(`{"resource_kind":"deployment","resource_id":"\u00ff*","level":"read"}`)))
	assert.Equal(t, "ÿ*", s.ResourceID)
	assert.False(t, s.Satisfies("deployment", "web", read), "a letter with two dots is a letter")
}

// A question is a kind, an id and a level.
type question struct {
	kind, id string
	level    tokenauth.PermissionLevel
}

func ask(kind, id string, level tokenauth.PermissionLevel) question { return question{kind, id, level} }

func TestTokenScopeSatisfies(t *testing.T) {
	for _, row := range []struct {
		name  string
		scope tokenauth.TokenScope
		yes   []question
		no    []question
	}{
		{"S1 S2 the level asked for and no higher one", scopeOf("deployment", "web", read),
			[]question{ask("deployment", "web", read)},
			[]question{ask("deployment", "web", write), ask("deployment", "web", execute)}},
		{"S3 a level includes those below it", scopeOf("deployment", "web", write),
			[]question{ask("deployment", "web", read), ask("deployment", "web", execute), ask("deployment", "web", write)},
			nil},
		{"S4 execute is not write", scopeOf("deployment", "web", execute),
			[]question{ask("deployment", "web", read), ask("deployment", "web", execute)},
			[]question{ask("deployment", "web", write)}},
		{"S5 S9 a wildcard is every id, and the collection", scopeOf("deployment", anything, read),
			[]question{ask("deployment", "anything", read), ask("deployment", "a:b/c,d e\nf", read), ask("deployment", anything, read)},
			[]question{ask("deployment", "anything", execute), ask("deployment", anything, write)}},
		{"S6 S8 an id is its exact bytes, and never the collection", scopeOf("deployment", "web", write),
			[]question{ask("deployment", "web", read)},
			[]question{
				ask("deployment", "api", read), ask("deployment", "web2", read), ask("deployment", "we", read),
				ask("deployment", "WEB", read), ask("deployment", "web%20", read), ask("deployment", "./web", read),
				ask("deployment", " web", read), ask("deployment", "web/", read), ask("deployment", "web\x00", read),
				ask("deployment", anything, read), ask("deployment", "*", read),
			}},
		{"S6 bytes, not letters that look alike", scopeOf("deployment", "caf\u00e9", write),
			[]question{ask("deployment", "caf\u00e9", read)},
			[]question{ask("deployment", "cafe\u0301", read), ask("deployment", "caf\u0435", read)}},
		{"S7 a kind is its exact bytes", scopeOf("deployment", anything, write),
			[]question{ask("deployment", "x", read)},
			[]question{
				ask("secret", "x", read), ask("Deployment", "x", read), ask("deployments", "x", read), ask("deploymen", "x", read),
				ask(anything, "x", read), ask("*", "x", read),
			}},
		{"S7 no kind is a wildcard", scopeOf("*", anything, write),
			[]question{ask("*", "x", write)},
			[]question{ask("deployment", "x", read)}},
		{"S10 S12 an ill-formed question is answered no", scopeOf("deployment", anything, write),
			[]question{ask("deployment", "web", write)},
			[]question{
				ask("deployment", "", read), ask("", "web", read), ask("", "", read), ask("", anything, read),
				ask("deployment", "web", none), ask("deployment", anything, none), ask("deployment", "web", 4), ask("deployment", "web", 9),
				ask("deployment", "web", 255),
			}},
		{"S10 also if the scope is as ill-formed", scopeOf("", "", write),
			nil,
			[]question{ask("", "", read), ask("", "web", read), ask("deployment", "", read), ask("deployment", "web", read)}},
		{"S11 no id grants nothing", scopeOf("deployment", "", write),
			nil,
			[]question{ask("deployment", "", read), ask("deployment", "web", read), ask("deployment", anything, read), ask("deployment", "*", read)}},
		{"S11 the string * grants nothing, not even the id *", scopeOf("deployment", "*", write),
			nil,
			[]question{ask("deployment", "*", read), ask("deployment", "web", read), ask("deployment", anything, read), ask("deployment", "", read)}},
		{"S12 who asks for nothing has made a mistake", scopeOf("deployment", "web", write),
			nil,
			[]question{ask("deployment", "web", none)}},
		{"S13 level none grants nothing", scopeOf("deployment", "web", none),
			nil,
			[]question{ask("deployment", "web", none), ask("deployment", "web", read), ask("deployment", "web", write)}},
		{"an unknown level grants nothing", scopeOf("deployment", "web", 9),
			nil,
			[]question{ask("deployment", "web", read), ask("deployment", "web", write), ask("deployment", "web", 9)}},
		{"the zero scope grants nothing", tokenauth.TokenScope{},
			nil,
			[]question{ask("deployment", "web", read), ask("", "", none), ask("", anything, read)}},
		{"an id may be anything that is text", scopeOf("secret", "project:p1:env:x:KEY", read),
			[]question{ask("secret", "project:p1:env:x:KEY", read)},
			[]question{ask("secret", "project:p1", read), ask("secret", "project", read), ask("secret", "KEY", read)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, q := range row.yes {
				assert.True(t, row.scope.Satisfies(q.kind, q.id, q.level), "%v: %q", row.scope, q)
			}
			for _, q := range row.no {
				assert.False(t, row.scope.Satisfies(q.kind, q.id, q.level), "%v: %q", row.scope, q)
			}
		})
	}
}

// Every pair of levels, those that are none of ours included.
func TestTokenScopeSatisfiesByLevel(t *testing.T) {
	for held := range 256 {
		for asked := range 256 {
			want := asked >= int(read) && asked <= int(write) && held >= asked && held <= int(write)
			s := scopeOf("deployment", "web", tokenauth.PermissionLevel(held))
			if s.Satisfies("deployment", "web", tokenauth.PermissionLevel(asked)) != want {
				t.Errorf("level %d asked of level %d: not %t", asked, held, want)
			}
		}
	}
}

func TestTokenScopeValidate(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, row := range []struct {
		name  string
		scope tokenauth.TokenScope
		want  string // what the error names; "" for none
	}{
		{"an id", scopeOf("deployment", "web", read), ""},
		{"a wildcard", scopeOf("deployment", anything, write), ""},
		{"kinds are an open set", scopeOf("Übermut 🚢", "x", execute), ""},
		{"ids are opaque", scopeOf("path", "../a b,c:d\n\u202e\"", read), ""},
		{"a kind with separators has no text form, and is no worse", scopeOf("a:b,c", "x", read), ""},
		{"256 bytes each", scopeOf(long, long, read), ""},
		{"S13 level none", scopeOf("deployment", "web", none), "level"},
		{"level 4", scopeOf("deployment", "web", 4), "level"},
		{"level 255", scopeOf("deployment", "web", 255), "level"},
		{"S11 no id", scopeOf("deployment", "", read), "resource_id"},
		{"S11 the string *", scopeOf("deployment", "*", read), "resource_id"},
		{"no kind", scopeOf("", "web", read), "resource_kind"},
		{"the wildcard as a kind", scopeOf(anything, "web", read), "resource_kind"},
		{"kind of 257 bytes", scopeOf(long+"x", "web", read), "resource_kind"},
		{"id of 257 bytes", scopeOf("deployment", long+"x", read), "resource_id"},
		{"257 bytes in fewer characters", scopeOf("deployment", strings.Repeat("é", 128)+"x", read), "resource_id"},
		{"NUL in a kind", scopeOf("deploy\x00ment", "web", read), "resource_kind"},
		{"NUL in an id", scopeOf("deployment", "web\x00", read), "resource_id"},
		{"a kind that is no UTF-8", scopeOf("deploy\xffment", "web", read), "resource_kind"},
		{"an id that is no UTF-8", scopeOf("deployment", "web\xc0\x80", read), "resource_id"},
		{"nearly a wildcard", scopeOf("deployment", "\xff*x", read), "resource_id"},
		{"half a wildcard", scopeOf("deployment", "\xff", read), "resource_id"},
		{"two wildcards", scopeOf("deployment", anything+anything, read), "resource_id"},
		{"a surrogate as bytes", scopeOf("deployment", "\xed\xa0\x80", read), "resource_id"},
		{"the zero scope", tokenauth.TokenScope{}, "resource_kind"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := row.scope.Validate()
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
			require.ErrorContains(t, err, row.want+": ")
		})
	}
}

func TestTokenScopeCovers(t *testing.T) {
	for _, row := range []struct {
		name     string
		s, other tokenauth.TokenScope
		want     bool
	}{
		{"V1 a wildcard covers an id at a lower level", scopeOf("d", anything, write), scopeOf("d", "web", read), true},
		{"V1 an id does not cover the wildcard", scopeOf("d", "web", write), scopeOf("d", anything, read), false},
		{"V1 a level does not cover a higher one", scopeOf("d", "web", read), scopeOf("d", "web", write), false},
		{"V1 a kind does not cover another", scopeOf("d", "web", read), scopeOf("s", "web", read), false},
		{"a scope covers itself", scopeOf("d", "web", execute), scopeOf("d", "web", execute), true},
		{"a wildcard covers itself", scopeOf("d", anything, read), scopeOf("d", anything, read), true},
		{"a wildcard does not cover a higher wildcard", scopeOf("d", anything, read), scopeOf("d", anything, write), false},
		{"an id does not cover another", scopeOf("d", "web", write), scopeOf("d", "api", read), false},
		{"S13 nothing covers what may not be minted: level none", scopeOf("d", anything, write), scopeOf("d", "web", none), false},
		{"S11 nothing covers no id", scopeOf("d", anything, write), scopeOf("d", "", read), false},
		{"S11 nothing covers the string *", scopeOf("d", anything, write), scopeOf("d", "*", read), false},
		{"nothing covers an unknown level", scopeOf("d", anything, 9), scopeOf("d", "web", 9), false},
		{"an unknown level covers nothing", scopeOf("d", anything, 9), scopeOf("d", "web", read), false},
		{"the string * covers nothing", scopeOf("d", "*", write), scopeOf("d", "web", read), false},
		{"no id covers nothing", scopeOf("d", "", write), scopeOf("d", "web", read), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			assert.Equal(t, row.want, row.s.Covers(row.other))
		})
	}
}

// V1, the property: if a covers b, then whatever b satisfies, a satisfies; and if a does not cover a b that may be minted, there
// is something that b satisfies and a does not. Every pair of a small world, in which hits are frequent.
func TestCoveringIsSatisfyingAtLeastAsMuch(t *testing.T) {
	kinds := []string{"a", "A", "b", "a:b", "", "\xff"}
	ids := []string{"x", "X", "x:y", "xy", "", "*", "ÿ*", anything, anything + "x"}
	levels := []tokenauth.PermissionLevel{none, read, execute, write, 4, 255}

	var scopes []tokenauth.TokenScope
	for _, kind := range kinds {
		for _, id := range ids {
			for _, level := range levels {
				scopes = append(scopes, scopeOf(kind, id, level))
			}
		}
	}
	answers := make([][]bool, len(scopes)) // of each scope to each question; the questions are the scopes, read as such
	for i, s := range scopes {
		for _, q := range scopes {
			answers[i] = append(answers[i], s.Satisfies(q.ResourceKind, q.ResourceID, q.Level))
		}
	}
	atLeast := func(a, b []bool) bool {
		for i := range b {
			if b[i] && !a[i] {
				return false
			}
		}
		return true
	}
	covering := 0
	for i, a := range scopes {
		for j, b := range scopes {
			want := b.Validate() == nil && atLeast(answers[i], answers[j])
			if a.Covers(b) != want {
				t.Fatalf("%v covers %v: not %t", a, b, want)
			}
			if want {
				covering++
			}
		}
	}
	require.GreaterOrEqual(t, len(scopes)*len(scopes), 100_000)
	require.Greater(t, covering, 200, "a world without hits shows nothing")
}

// The same with scopes of arbitrary strings, that share pieces so that some of them meet.
func TestCoveringIsSatisfyingAtLeastAsMuchForAnyText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", ":", ",", "*", "\xff", "\x00", " ", "é"}
	text := func() string {
		var b strings.Builder
		for range r.IntN(3) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	id := func() string {
		if r.IntN(4) == 0 {
			return anything
		}
		return text()
	}
	level := func() tokenauth.PermissionLevel { return tokenauth.PermissionLevel(r.IntN(5)) }
	hits := 0
	for range 200_000 {
		a, b := scopeOf(text(), id(), level()), scopeOf(text(), id(), level())
		if r.IntN(2) == 0 {
			b.ResourceKind = a.ResourceKind
		}
		if !a.Covers(b) {
			continue
		}
		hits++
		for _, askedID := range []string{b.ResourceID, text(), anything, "a", "*"} {
			for asked := range tokenauth.PermissionLevel(5) {
				if b.Satisfies(b.ResourceKind, askedID, asked) && !a.Satisfies(b.ResourceKind, askedID, asked) {
					t.Fatalf("%v covers %v, but not %q at %v", a, b, askedID, asked)
				}
			}
		}
	}
	require.Greater(t, hits, 1000)
}

func TestParseTokenScope(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       tokenauth.TokenScope
		canonical  string // what it prints as, if not as it was
	}{
		{"T1 an id", "deployment:web:read", scopeOf("deployment", "web", read), ""},
		{"T1 no id is the wildcard", "deployment:read", scopeOf("deployment", anything, read), "deployment:*:read"},
		{"T1 a star is the wildcard", "deployment:*:read", scopeOf("deployment", anything, read), ""},
		{"T2 ids may hold colons", "secret:project:p1:env:x:KEY:read", scopeOf("secret", "project:p1:env:x:KEY", read), ""},
		{"every level", "a:b:execute", scopeOf("a", "b", execute), ""},
		{"write", "a:b:write", scopeOf("a", "b", write), ""},
		{"an id like a level", "a:read:read", scopeOf("a", "read", read), ""},
		{"a kind like a level", "read:read", scopeOf("read", anything, read), "read:*:read"},
		{"a star within an id is a star", "a:*x:read", scopeOf("a", "*x", read), ""},
		{"two stars are an id", "a:**:read", scopeOf("a", "**", read), ""},
		{"stars and colons are an id", "a:*:*:read", scopeOf("a", "*:*", read), ""},
		{"an id of colons", "a:::read", scopeOf("a", ":", read), ""},
		{"blanks inside", "a b:c d:read", scopeOf("a b", "c d", read), ""},
		{"other letters", "häfen:größe/🚢:read", scopeOf("häfen", "größe/🚢", read), ""},
		{"no escapes", `a:b%2A\u002a:read`, scopeOf("a", `b%2A\u002a`, read), ""},
		{"256 bytes", strings.Repeat("k", 256) + ":" + strings.Repeat("i", 256) + ":read",
			scopeOf(strings.Repeat("k", 256), strings.Repeat("i", 256), read), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := tokenauth.ParseTokenScope(row.text)
			require.NoError(t, err)
			require.Equal(t, row.want, got)
			if row.canonical == "" {
				row.canonical = row.text
			}
			require.Equal(t, row.canonical, got.String())
			text, err := got.MarshalText()
			require.NoError(t, err)
			require.Equal(t, row.canonical, string(text))

			var back tokenauth.TokenScope
			require.NoError(t, back.UnmarshalText(text))
			require.Equal(t, row.want, back)
		})
	}
}

func TestParseTokenScopeRefuses(t *testing.T) {
	for _, row := range []struct{ name, text string }{
		{"T3 nothing", ""},
		{"T3 a level alone", "read"},
		{"T3 an empty id", "a::read"},
		{"T3 no level", "a:b:c"},
		{"T3 an empty kind", ":b:read"},
		{"T3 a blank in front", " a:b:read"},
		{"T3 level none", "a:b:none"},
		{"T3 a line feed", "a:b\n:read"},
		{"level none of the kind", "a:none"},
		{"a kind alone", "deployment"},
		{"an empty level", "a:b:"},
		{"colons", "::"},
		{"one colon", ":"},
		{"an empty kind and no id", ":read"},
		{"a blank behind", "a:b:read "},
		{"a line feed behind", "a:b:read\n"},
		{"a blank before the id", "a: b:read"},
		{"a blank behind the id", "a:b :read"},
		{"a blank behind the kind", "a :b:read"},
		{"a blank that is not ASCII", "a:\u00a0b:read"},
		{"a level in capitals", "a:b:READ"},
		{"a level in part", "a:b:rea"},
		{"a number", "a:b:1"},
		{"a comma in the id", "a:b,c:read"},
		{"a comma in the kind", "a,b:c:read"},
		{"NUL", "a:b\x00:read"},
		{"DEL", "a:b\x7f:read"},
		{"a control character beyond ASCII", "a:b\u0085c:read"},
		{"no UTF-8", "a:\xc3\x28:read"},
		{"kind of 257 bytes", strings.Repeat("k", 257) + ":b:read"},
		{"id of 257 bytes", "a:" + strings.Repeat("i", 257) + ":read"},
		{"a quoted form", scopeOf("deployment", "web", none).String()},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := tokenauth.ParseTokenScope(row.text)
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
			require.Zero(t, got)

			kept := scopeOf("kept", "x", read)
			require.ErrorIs(t, kept.UnmarshalText([]byte(row.text)), tokenauth.ErrInvalidRequest)
			require.Equal(t, scopeOf("kept", "x", read), kept, "nothing is changed")
		})
	}
}

func TestParseTokenScopes(t *testing.T) {
	got, err := tokenauth.ParseTokenScopes("deployment:web:read,container:write")
	require.NoError(t, err, "T4")
	require.Equal(t, []tokenauth.TokenScope{scopeOf("deployment", "web", read), scopeOf("container", anything, write)}, got)

	got, err = tokenauth.ParseTokenScopes("a:read")
	require.NoError(t, err)
	require.Equal(t, []tokenauth.TokenScope{scopeOf("a", anything, read)}, got)

	for _, row := range []struct{ name, text, position string }{
		{"T4 an empty entry", "a:read,,b:read", "entry 2"},
		{"T4 an entry that is no scope", "a:read,b:oops", "entry 2"},
		{"nothing", "", "entry 1"},
		{"a comma alone", ",", "entry 1"},
		{"a comma behind", "a:read,", "entry 2"},
		{"a comma in front", ",a:read", "entry 1"},
		{"blanks between entries", "a:read, b:read", "entry 2"},
		{"the third of four", "a:read,b:x:write,c:none,d:read", "entry 3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := tokenauth.ParseTokenScopes(row.text)
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
			require.ErrorContains(t, err, row.position+":")
			require.Nil(t, got, "one bad entry fails them all")
		})
	}
}

// An error is read by more people than the scope it is about.
func TestScopeErrorsHoldNoValue(t *testing.T) {
	const canary = "canary"
	var s tokenauth.TokenScope
	_, parsed := tokenauth.ParseTokenScope("canary:canary:canary")
	_, listed := tokenauth.ParseTokenScopes("a:read,canary:\x00canary:read")
	_, marshaled := scopeOf(canary, "can,ary", read).MarshalText()
	for _, err := range []error{
		parsed, listed, marshaled,
		scopeOf(canary, "canary\x00", read).Validate(),
		s.UnmarshalJSON([]byte(`{"resource_kind":"canary","canary":"canary","level":"canary"}`)),
		s.UnmarshalJSON([]byte(`{"resource_kind":"canary","level":"canary"}`)),
		s.UnmarshalText([]byte("canary")),
		new(tokenauth.PermissionLevel).UnmarshalText([]byte(canary)),
	} {
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
		assert.NotContains(t, err.Error(), "can")
	}
}

// T5: what has no text form has none anywhere, and cannot add an entry to a list.
func TestTokenScopeWithoutTextForm(t *testing.T) {
	for _, row := range []struct {
		name  string
		scope tokenauth.TokenScope
	}{
		{"T5 an id that would add an entry", scopeOf("secret", "a:read,deployment:*", write)},
		{"T5 an id with a line feed", scopeOf("secret", "a\nb", read)},
		{"an id that would add whole entries", scopeOf("secret", "x:read,deployment:*:write,y", write)},
		{"a kind with a colon", scopeOf("secret:x", "y", read)},
		{"a kind with a comma", scopeOf("a:read,secret", anything, read)},
		{"a kind with a control character", scopeOf("sec\tret", "y", read)},
		{"outer blanks of a kind", scopeOf(" secret", "y", read)},
		{"outer blanks of an id", scopeOf("secret", "y ", read)},
		{"a blank that is not ASCII", scopeOf("secret", "y\u2003", read)},
		{"S11 no id", scopeOf("secret", "", read)},
		{"S11 the string *, which would print as the wildcard", scopeOf("secret", "*", read)},
		{"S13 level none", scopeOf("secret", "y", none)},
		{"an unknown level", scopeOf("secret", "y", 7)},
		{"no kind", scopeOf("", "y", read)},
		{"no UTF-8", scopeOf("secret", "\xff", read)},
		{"257 bytes", scopeOf("secret", strings.Repeat("x", 257), read)},
		{"a quote and a bracket", scopeOf("secret", `",level=read),deployment:*:write`, read)},
		{"the zero scope", tokenauth.TokenScope{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := row.scope.MarshalText()
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)

			printed := row.scope.String()
			require.True(t, utf8.ValidString(printed))
			require.NotContains(t, printed, "\n")
			for _, list := range []string{printed, "a:read," + printed, printed + ",a:read", "a:read," + printed + ",b:read"} {
				_, err := tokenauth.ParseTokenScopes(list)
				require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, list)
			}
			_, err = tokenauth.ParseTokenScope(printed)
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
		})
	}
	assert.Equal(t, `scope(kind="secret" id="" level=read)`, scopeOf("secret", "", read).String())
	assert.Equal(t, `scope(kind="secret" id="a,b" level=none)`, scopeOf("secret", "a,b", none).String())
}

func TestTokenScopeUnmarshalJSON(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       tokenauth.TokenScope
	}{
		{"S16 no resource_id is the wildcard", `{"resource_kind":"deployment","level":"read"}`, scopeOf("deployment", anything, read)},
		{"S16 null is the wildcard", `{"resource_kind":"deployment","resource_id":null,"level":"read"}`, scopeOf("deployment", anything, read)},
		{"S16 an id", `{"resource_kind":"deployment","resource_id":"web","level":"read"}`, scopeOf("deployment", "web", read)},
		{"any order, any blanks", "\t{ \"level\" : \"write\" ,\r\n \"resource_kind\":\"deployment\"} ", scopeOf("deployment", anything, write)},
		{"escapes are resolved", `{"resource\u005fkind":"deploy\u006dent","resource_id":"\u0077eb","level":"\u0072ead"}`, scopeOf("deployment", "web", read)},
		{"an id of the word null", `{"resource_kind":"deployment","resource_id":"null","level":"read"}`, scopeOf("deployment", "null", read)},
		{"an id that only holds a star", `{"resource_kind":"deployment","resource_id":"**","level":"read"}`, scopeOf("deployment", "**", read)},
		{"level none is read, and grants nothing", `{"resource_kind":"deployment","resource_id":"web","level":"none"}`, scopeOf("deployment", "web", none)},
		{"ids are opaque", `{"resource_kind":"a:b","resource_id":"x,y\n\"<&>\u2028","level":"read"}`, scopeOf("a:b", "x,y\n\"<&>\u2028", read)},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got, viaPackage tokenauth.TokenScope
			require.NoError(t, got.UnmarshalJSON([]byte(row.text)))
			require.Equal(t, row.want, got)
			require.NoError(t, json.Unmarshal([]byte(row.text), &viaPackage))
			require.Equal(t, row.want, viaPackage)

			written, err := got.MarshalJSON()
			require.NoError(t, err)
			var back tokenauth.TokenScope
			require.NoError(t, back.UnmarshalJSON(written))
			require.Equal(t, row.want, back)
			written, err = json.Marshal(got)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(written, &back))
			require.Equal(t, row.want, back)
		})
	}
}

func TestTokenScopeUnmarshalJSONRefuses(t *testing.T) {
	for _, row := range []struct{ name, text string }{
		{"S11 an empty id", `{"resource_kind":"deployment","resource_id":"","level":"read"}`},
		{"S11 the string *", `{"resource_kind":"deployment","resource_id":"*","level":"read"}`},
		{"S11 the string *, escaped", `{"resource_kind":"deployment","resource_id":"\u002a","level":"read"}`},
		{"S11 a fourth member", `{"resource_kind":"deployment","resourceId":"web","level":"read"}`},
		{"S11 a fourth member beside the three", `{"resource_kind":"deployment","resource_id":"web","level":"read","x":1}`},
		{"a member in capitals", `{"resource_kind":"deployment","RESOURCE_ID":"web","level":"read"}`},
		{"a member with a long s", `{"re\u017fource_kind":"deployment","level":"read"}`},
		{"S17 no kind", `{"resource_id":"web","level":"read"}`},
		{"S17 no level", `{"resource_kind":"deployment","resource_id":"web"}`},
		{"S17 level Write", `{"resource_kind":"deployment","level":"Write"}`},
		{"S17 level admin", `{"resource_kind":"deployment","level":"admin"}`},
		{"S17 level 3", `{"resource_kind":"deployment","level":3}`},
		{"level null", `{"resource_kind":"deployment","level":null}`},
		{"an empty level", `{"resource_kind":"deployment","level":""}`},
		{"an empty kind", `{"resource_kind":"","resource_id":"web","level":"read"}`},
		{"kind null", `{"resource_kind":null,"resource_id":"web","level":"read"}`},
		{"kind of another type", `{"resource_kind":1,"resource_id":"web","level":"read"}`},
		{"id false", `{"resource_kind":"deployment","resource_id":false,"level":"read"}`},
		{"id 0", `{"resource_kind":"deployment","resource_id":0,"level":"read"}`},
		{"id a list", `{"resource_kind":"deployment","resource_id":["web"],"level":"read"}`},
		{"a member twice", `{"resource_kind":"deployment","resource_id":"web","resource_id":null,"level":"read"}`},
		{"a member twice, once escaped", `{"resource_kind":"deployment","level":"read","l\u0065vel":"write"}`},
		{"NUL in a kind", `{"resource_kind":"deployment\u0000","level":"read"}`},
		{"NUL in an id", `{"resource_kind":"deployment","resource_id":"\u0000","level":"read"}`},
		{"a lone surrogate", `{"resource_kind":"deployment","resource_id":"\ud800","level":"read"}`},
		{"no UTF-8", "{\"resource_kind\":\"deployment\",\"resource_id\":\"\xff\",\"level\":\"read\"}"},
		{"kind of 257 bytes", `{"resource_kind":"` + strings.Repeat("x", 257) + `","level":"read"}`},
		{"id of 257 bytes", `{"resource_kind":"deployment","resource_id":"` + strings.Repeat("x", 257) + `","level":"read"}`},
		{"null", `null`},
		{"the text form", `"deployment:web:read"`},
		{"a list", `[{"resource_kind":"deployment","level":"read"}]`},
		{"an empty object", `{}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			kept := scopeOf("kept", "x", read)
			require.ErrorIs(t, kept.UnmarshalJSON([]byte(row.text)), tokenauth.ErrInvalidRequest)
			require.ErrorIs(t, json.Unmarshal([]byte(row.text), &kept), tokenauth.ErrInvalidRequest)
			require.Equal(t, scopeOf("kept", "x", read), kept, "nothing is changed")
		})
	}
	var s tokenauth.TokenScope
	for _, text := range []string{``, `{`, `{"resource_kind":"a","level":"read"} x`, `{"resource_kind":"a","level":"read",}`} {
		require.ErrorIs(t, s.UnmarshalJSON([]byte(text)), tokenauth.ErrInvalidRequest, text)
		require.Error(t, json.Unmarshal([]byte(text), &s), text)
	}
}

func TestTokenScopeMarshalJSON(t *testing.T) {
	for _, row := range []struct {
		name  string
		scope tokenauth.TokenScope
		want  string // "" for a refusal
	}{
		{"an id", scopeOf("deployment", "web", write), `{"resource_kind":"deployment","resource_id":"web","level":"write"}`},
		{"the wildcard is null", scopeOf("deployment", anything, read), `{"resource_kind":"deployment","resource_id":null,"level":"read"}`},
		{"a record may hold level none", scopeOf("deployment", "web", none), `{"resource_kind":"deployment","resource_id":"web","level":"none"}`},
		{"quotes", scopeOf(`a"b`, `\`, read), `{"resource_kind":"a\"b","resource_id":"\\","level":"read"}`},
		{"control characters", scopeOf("a\n", "\x01", read), `{"resource_kind":"a\n","resource_id":"\u0001","level":"read"}`},
		{"S11 no id", scopeOf("deployment", "", read), ""},
		{"S11 the string *", scopeOf("deployment", "*", read), ""},
		{"no kind", scopeOf("", "web", read), ""},
		{"level 4", scopeOf("deployment", "web", 4), ""},
		{"NUL in a kind", scopeOf("a\x00", "web", read), ""},
		{"NUL in an id", scopeOf("deployment", "a\x00", read), ""},
		{"a kind that is no UTF-8", scopeOf("\xff", "web", read), ""},
		{"an id that is no UTF-8", scopeOf("deployment", "\xff", read), ""},
		{"id of 257 bytes", scopeOf("deployment", strings.Repeat("x", 257), read), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := row.scope.MarshalJSON()
			viaPackage, errOfPackage := json.Marshal(row.scope)
			if row.want == "" {
				require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
				require.ErrorIs(t, errOfPackage, tokenauth.ErrInvalidRequest)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, string(got))
			require.NoError(t, errOfPackage)
			require.Equal(t, row.want, string(viaPackage))
		})
	}
}

// What parses prints, and parses back to the same; a list holds as many entries as it has commas and one; and no scope, whatever
// stands in it, adds an entry to a list or parses as another.
func FuzzParseTokenScopes(f *testing.F) {
	f.Add("deployment:web:read,container:write", "secret", "a:read,deployment:*", uint8(3))
	f.Fuzz(func(t *testing.T, list, kind, id string, level uint8) {
		checkParsedList(t, list)
		checkPrinted(t, scopeOf(kind, id, tokenauth.PermissionLevel(level)))
	})
}

func checkParsedList(t *testing.T, list string) {
	scopes, err := tokenauth.ParseTokenScopes(list)
	if err != nil {
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
		require.Nil(t, scopes)
		return
	}
	require.Len(t, scopes, 1+strings.Count(list, ","))
	var printed []string
	for i, s := range scopes {
		require.NoError(t, s.Validate())
		entry := strings.Split(list, ",")[i]
		if s.ResourceID == tokenauth.AnyResource {
			require.Contains(t, []string{s.ResourceKind + ":" + s.Level.String(), s.ResourceKind + ":*:" + s.Level.String()}, entry)
		} else {
			require.Equal(t, s.ResourceKind+":"+s.ResourceID+":"+s.Level.String(), entry)
		}
		printed = append(printed, s.String())
	}
	again, err := tokenauth.ParseTokenScopes(strings.Join(printed, ","))
	require.NoError(t, err)
	require.Equal(t, scopes, again)
}

func checkPrinted(t *testing.T, s tokenauth.TokenScope) {
	printed := s.String()
	text, err := s.MarshalText()
	if err == nil {
		require.NoError(t, s.Validate())
		require.Equal(t, string(text), printed)
		require.Equal(t, []tokenauth.TokenScope{s}, parseOrNothing(printed))
		require.Len(t, parseOrNothing("a:read,"+printed+",b:read"), 3)
		return
	}
	require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
	for _, list := range []string{printed, "a:read," + printed, printed + ",b:read", "a:read," + printed + ",b:read"} {
		require.Nil(t, parseOrNothing(list), "%q", list)
	}
	if s.Validate() == nil { // then it is a matter of the text form alone, and JSON holds it
		written, err := s.MarshalJSON()
		require.NoError(t, err)
		var back tokenauth.TokenScope
		require.NoError(t, back.UnmarshalJSON(written))
		require.Equal(t, s, back)
		require.True(t, strings.ContainsAny(s.ResourceKind, ":,") || strings.Contains(s.ResourceID, ",") ||
			slices.ContainsFunc([]string{s.ResourceKind, s.ResourceID}, hasControlOrOuterBlank), "%q has a text form", s)
	}
}

// hasControlOrOuterBlank says so with the ranges of Unicode's control characters written out.
func hasControlOrOuterBlank(s string) bool {
	if strings.TrimSpace(s) != s {
		return true
	}
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f })
}

func parseOrNothing(list string) []tokenauth.TokenScope {
	scopes, err := tokenauth.ParseTokenScopes(list)
	if err != nil {
		return nil
	}
	return scopes
}
