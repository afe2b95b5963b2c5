package attack_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/attack"
)

// The corpus against this library: every row has to get its answer, and exactly that one, from a verifier of its own and from one
// that has seen all the others before.

// corpus is made once for all tests of this package.
var corpus = sync.OnceValue(attack.Rows)

// byClass returns the rows of each class.
func byClass() map[attack.Class][]attack.Row {
	classes := make(map[attack.Class][]attack.Row)
	for _, row := range corpus() {
		classes[row.Class] = append(classes[row.Class], row)
	}
	return classes
}

func TestEveryRowGetsItsAnswer(t *testing.T) {
	t.Parallel()
	rows := byClass()
	for _, class := range attack.Classes() {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, rows[class], "a class without rows")
			for _, row := range rows[class] {
				answer, err := attack.Judge(t.Context(), row)
				requireAnswer(t, row, answer, err)
				if problem := unfitFor(row, answer, err); problem != "" {
					t.Errorf("%s: %s: %v", row, problem, err)
				}
			}
		})
	}
}

// requireAnswer reports an answer that is not the right one.
func requireAnswer(t *testing.T, row attack.Row, answer string, err error) {
	t.Helper()
	if !slices.Contains(strings.Split(row.Want, "|"), answer) {
		t.Errorf("%s (%s): the answer is %s and should be %s: %v", row, row.Source, answer, row.Want, err)
	}
}

// unfitFor holds an error to what every one is: one of the three answers, and no word of what the stranger sent.
func unfitFor(row attack.Row, answer string, err error) string {
	if (answer == attack.OK) != (err == nil) {
		return "an answer without its error, or an error without its answer"
	}
	if err == nil || answer == attack.NotHeld {
		return ""
	}
	count := 0
	for _, one := range []error{tokenauth.ErrInvalidToken, tokenauth.ErrForbidden, tokenauth.ErrUnavailable} {
		if errors.Is(err, one) {
			count++
		}
	}
	if count != 1 && answer != attack.KeyRefused {
		return fmt.Sprintf("the error is %d of the three answers", count)
	}
	for segment := range strings.SplitSeq(row.Token, ".") {
		if len(segment) >= 16 && strings.Contains(err.Error(), segment[:16]) {
			return "the error holds a part of the token"
		}
	}
	for _, secret := range []string{attack.Subject, attack.Issuer, attack.Audience, "attacker"} {
		if strings.Contains(err.Error(), secret) {
			return "the error holds what a claim or member says"
		}
	}
	return ""
}

// A verifier remembers what it has verified. Nothing that it saw before may change an answer, least of all a good token that
// differs from a bad one in few bytes.
func TestAnswersDoNotDependOnWhatWasSeenBefore(t *testing.T) {
	t.Parallel()
	trusting := make(map[string][]attack.Row) // rows by whom the verifier trusts
	for _, row := range corpus() {
		whom := fmt.Sprintf("%#v", row.Authorities)
		trusting[whom] = append(trusting[whom], row)
	}
	require.Less(t, len(trusting), len(corpus())/4, "too few rows share a verifier")
	for _, rows := range trusting {
		v, err := rows[0].Verifier()
		if err != nil {
			continue // the keys are refused, whatever is asked
		}
		good := slices.DeleteFunc(slices.Clone(rows), func(r attack.Row) bool { return !r.Accept() })
		backwards := slices.Clone(rows)
		slices.Reverse(backwards)
		for _, row := range slices.Concat(good, rows, good, backwards) {
			answer, err := row.Judge(t.Context(), v)
			requireAnswer(t, row, answer, err)
			if answer != attack.OK && row.Ask == (attack.Question{}) {
				requireNobody(t, v, row)
			}
		}
	}
}

// requireNobody asks by the other ways in. A refusal never comes with a principal (X14).
func requireNobody(t *testing.T, v *tokenauth.Verifier, row attack.Row) {
	t.Helper()
	inspected, errInspect := v.Inspect(t.Context(), row.Token)
	authorized, errAuthorize := v.Authorize(t.Context(), row.Token, "deployment", "web", tokenauth.LevelRead)
	if inspected != nil || authorized != nil || errInspect == nil || errAuthorize == nil {
		t.Errorf("X14: %s: a principal, or no error", row)
	}
}

// How large the corpus has to be at least, counting a row once for all its algorithms.
const (
	leastRows = 600
	leastGood = 60
)

func TestSizeOfTheCorpus(t *testing.T) {
	t.Parallel()
	names, good, tokens := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	rows := byClass()
	t.Logf("%-22s %6s %6s %6s %6s", "class", "rows", "good", "tokens", "algs")
	for _, class := range attack.Classes() {
		inClass, goodInClass, algorithms := make(map[string]bool), make(map[string]bool), make(map[string]bool)
		for _, row := range rows[class] {
			name := string(class) + "/" + row.Name
			names[name], inClass[name], algorithms[row.Algorithm] = true, true, true
			if row.Accept() {
				good[name], goodInClass[name] = true, true
			}
			require.False(t, tokens[row.String()], "twice: %s", row)
			tokens[row.String()] = true
			require.NotEmpty(t, row.Source, row.String())
			require.NotEmpty(t, row.Authorities, row.String())
		}
		require.NotEmpty(t, inClass, class)
		t.Logf("%-22s %6d %6d %6d %6d", class, len(inClass), len(goodInClass), len(rows[class]), len(algorithms))
		if class != attack.Classes()[0] {
			require.Less(t, len(goodInClass), len(inClass), "%s holds no attack", class)
		}
	}
	t.Logf("%-22s %6d %6d %6d", "all", len(names), len(good), len(tokens))
	require.GreaterOrEqual(t, len(names)-len(good), leastRows)
	require.GreaterOrEqual(t, len(good), leastGood)
}

// Results can be kept by a row's name only if the same name is always the same token, at every call and on every machine. Whoever
// adds or changes a row puts the new digest here; nothing else may change it, but a new version of Go that packs or writes
// certificates in another way.
const digestOfCorpus = "513722587fdcae620af50db277cb15dcb20f4f56f45ceee26d2f3da862cefcd2"

func TestTheSameNameIsTheSameTokenEverywhere(t *testing.T) {
	t.Parallel()
	h := sha256.New()
	for _, row := range corpus() {
		fmt.Fprintf(h, "%q %q %q %q\n", row.String(), row.Token, row.Want, row.Rule)
	}
	require.Equal(t, digestOfCorpus, hex.EncodeToString(h.Sum(nil)))
}
