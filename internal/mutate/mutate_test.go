package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSwitched(t *testing.T) {
	for name, row := range map[string]struct{ source, want string }{
		"a condition": {
			`func f(ok bool) { if ok { return } }`,
			`func f(ok bool) { if mutantBool(0, ok) { return } }`,
		},
		"every operand of a chain, and each order": {
			`func f(a, b, c int) { if a < b && b >= c && f != nil { return } }`,
			`func f(a, b, c int) { if mutantBool(0, mutantBool(1, mutantLess(2, a , b)) && mutantBool(3, mutantGreaterOrEqual(4, b , c)) && ` +
				`mutantBool(5, f != nil)) { return } }`,
		},
		"under a !": {
			`func f(a, b bool) { if !(a || b) { return } }`,
			`func f(a, b bool) { if mutantBool(0, !(mutantBool(1, a) || mutantBool(2, b))) { return } }`,
		},
		"an order of times": {
			`func f(a, b T) bool { return !a.x.Before(b.Add(1)) }`,
			`func f(a, b T) bool { return mutantBool(0, !mutantBefore(1, a.x, b.Add(1))) }`,
		},
		"guards and tags": {
			`func f(a, b int) { switch { case a == b: }; switch a { case b, 1: } }`,
			`func f(a, b int) { switch { case mutantBool(0, a == b): }; switch a { case mutantCase(1, b), mutantCase(2, 1): } }`,
		},
		"constants that are returned, and passed on": {
			`func f() bool { g(true); return false }`,
			`func f() bool { if !mutantSkip(0) { g(mutantBool(1, true)) }; return mutantBool(2, false) }`,
		},
		"the answer of a call": {
			`func f() (bool, error) { if x() { return g(), h() }; return g(), h() }`,
			`func f() (bool, error) { if mutantBool(1, x()) { return mutantBool(2, g()), h() }; return mutantBool(3, g()), mutantError(0, h()) }`,
		},
		"what stands beside an error, and what beside none": {
			`func f() (bool, error) { if x() { return false, err }; return false, nil }`,
			`func f() (bool, error) { if mutantBool(0, x()) { return false, err }; return mutantBool(1, false), nil }`,
		},
		"functions within functions have their own results": {
			`var f = func() error { g(func(n int) bool { return n > 1 }); return nil }`,
			`var f = func() error { if !mutantSkip(0) { g(func(n int) bool { return mutantBool(1, mutantGreater(2, n , 1)) }) }; return nil }`,
		},
		"a loop never held open, a lock never left out, constants of the package never touched": {
			`const c = 1 < 2; func f() { for x() { mu.Lock() } }`,
			`const c = 1 < 2; func f() { for mutantBool(0, x()) { mu.Lock() } }`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, sites, err := switched("toy.go", []byte("package toy; "+row.source), 0, nil)
			require.NoError(t, err)
			assert.Equal(t, "package toy; "+row.want, string(got))
			assert.Len(t, sites, strings.Count(row.want, "mutant"))
			_, err = parser.ParseFile(token.NewFileSet(), "toy.go", got, 0)
			assert.NoError(t, err)
		})
	}
}

// The same words in one function are told apart by what stands around them, or counted.
func TestKeysAreUnique(t *testing.T) {
	_, sites, err := switched("toy.go", []byte(`package toy
func (r *R) f() {
	if err := a(); err != nil { return }
	if err := b(); err != nil { return }
	if err := b(); err != nil { return }
}`), 0, nil)
	require.NoError(t, err)
	var keys []string
	for _, s := range sites {
		keys = append(keys, (&mutant{site: s, operator: s.operators[0]}).key())
	}
	assert.Equal(t, []string{
		"toy.go R.f [true] err != nil ~ err := a()",
		"toy.go R.f [true] err != nil ~ err := b()",
		"toy.go R.f [true] err != nil ~ err := b() #2",
	}, keys)
}

const toySource = `package toy

// May says who may.
func May(age int, banned bool) bool {
	if banned {
		return false
	}
	switch name := "x"; name {
	case "x":
		return age >= 18
	}
	return false
}
`

// Of a toy whose tests forget a check and a border, just these survive; of one whose tests know both, nothing does.
func TestToy(t *testing.T) {
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", "module toy\n\ngo 1.26\n")
	write("toy.go", toySource)
	tests := func(checks string) string {
		return "package toy\n\nimport \"testing\"\n\nfunc TestMay(t *testing.T) {\n\tif " + checks + " {\n\t\tt.Fatal()\n\t}\n}\n"
	}
	hunted := func() (string, float64, error) {
		t.Helper()
		var out bytes.Buffer
		p := plan{dir: dir, module: "toy", files: map[string][]string{".": {"toy.go"}}, tests: []string{"."}}
		score, err := run(t.Context(), &out, p, options{longest: time.Minute})
		return out.String(), score, err
	}

	write("toy_test.go", tests("!May(20, false) || May(17, false)"))
	out, score, err := hunted()
	require.NoError(t, err, out)
	for _, survivor := range []string{
		"toy.go:5\ttoy.go May [false] banned\n",
		"toy.go:6\ttoy.go May [inverted] false ~ if banned\n",
		"toy.go:10\ttoy.go May [border] age >= 18\n",
		"toy.go:12\ttoy.go May [inverted] false\n",
	} {
		assert.Contains(t, out, "survivor "+survivor)
	}
	assert.Equal(t, 4, strings.Count(out, "survivor "), out)
	assert.InDelta(t, 0.5, score, 0.0001, out)

	write("toy_test.go", tests("!May(18, false) || May(17, false) || May(20, true)"))
	write(equivalents, "# why\ntoy.go May [inverted] false\n\tis never come to\n")
	out, score, err = hunted()
	require.NoError(t, err, out)
	assert.NotContains(t, out, "survivor ")
	assert.InDelta(t, 1, score, 0, out)

	write(equivalents, "toy.go May [false] banned\ntoy.go Must [true] x\n\tno good reason\n")
	out, _, err = hunted()
	assert.ErrorContains(t, err, "toy.go May [false] banned\n\twas killed by TestMay", out)
	assert.ErrorContains(t, err, "toy.go Must [true] x\n\tis no mutant", out)
}

func TestEquivalentsHaveReasons(t *testing.T) {
	for text, problem := range map[string]string{
		"a\n":            "no reason for a",
		"\tb\n":          "a reason without a mutant",
		"a\na\n\tb\n":    "a second time",
		"a\n\tb\nc\n":    "no reason for c",
		"a\n\tb\na\n\tc": "a second time",
	} {
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(equivalents)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, equivalents), []byte(text), 0o600))
		_, err := readExcuses(dir)
		assert.ErrorContains(t, err, problem)
	}
}
