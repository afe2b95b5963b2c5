// Mutate breaks each check of this module in turn and shows that a test fails. A check that can be taken away unseen is one that
// a later change will take away, so the score is about the tests, not about the code.
//
//	go run ./internal/mutate                  every mutant, in an hour or so
//	go run ./internal/mutate -sample 20       a sample spread over the files, the same each time
//	go run ./internal/mutate -only 'keys\.go' those whose key matches
//	go run ./internal/mutate -list            the keys, without running anything
//	go run ./internal/mutate -trust -tests .  the same in minutes: without the mutants that equivalent.txt names, and by these tests only
//
// It runs at the module's root, prints the score of each file and the survivors, and fails under 95 % or where equivalent.txt
// names a mutant that is gone or was killed. It changes no file of the tree. See README.md.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A plan says what is mutated and whose tests may notice.
type plan struct {
	dir    string              // the module's root
	module string              // its path
	files  map[string][]string // by the directory of a package, its files that are mutated
	tests  []string            // the directories whose tests are run
}

// The checks of this module: what reads a stranger's bytes, what judges, and what signs.
var checks = plan{
	dir:    ".",
	module: "github.com/a74cfa30/tokenauth",
	files: map[string][]string{
		".": {
			"verify.go", "headers.go", "profile.go", "scope.go", "claims.go", "claims_json.go", "keys.go", "keyring.go", "jwk.go", "pem.go",
			"issue.go", "attenuate.go", "lifecycle.go", "storedtoken.go", "principal.go", "token.go", "cache.go", "errors.go", "eventqueue.go",
		},
		"internal/jose": {"compact.go", "header.go", "reader.go", "number.go", "names.go"},
		"internal/jwa":  {"admit.go", "algorithm.go"},
	},
	tests: []string{".", "internal/jose", "internal/jwa", "memstore", "storetest", "attack"},
}

// leastScore is the share of mutants that have to be killed.
const leastScore = 0.95

// equivalents is where the mutants stand that nothing can tell from the original, each with the reason.
const equivalents = "internal/mutate/equivalent.txt"

func main() {
	sample := flag.Int("sample", 0, "run only so many mutants, spread over the files; 0: all")
	only := flag.String("only", "", "run only mutants whose key matches this regular expression")
	longest := flag.Duration("longest", time.Minute, "leave out tests that take longer than this")
	tests := flag.String("tests", strings.Join(checks.tests, ","), "the directories whose tests are run")
	trust := flag.Bool("trust", false, "leave out what equivalent.txt names, instead of running it; with -sample, always")
	list := flag.Bool("list", false, "print the keys and run nothing")
	flag.Parse()
	checks := checks
	checks.tests = strings.Split(*tests, ",")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	score, err := run(ctx, os.Stdout, checks, options{
		sample: *sample, only: *only, longest: *longest, trust: *trust || *sample > 0, list: *list,
	})
	if err == nil && score < leastScore {
		err = fmt.Errorf("less than %.0f %% were killed", leastScore*100)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	sample  int
	only    string
	longest time.Duration
	trust   bool
	list    bool
}

// run builds the switched copy, runs the mutants, and returns the share that was killed.
func run(ctx context.Context, out io.Writer, p plan, o options) (score float64, err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return 0, err
	}
	excuses, err := readExcuses(p.dir)
	if err != nil {
		return 0, err
	}
	scratch, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return 0, err
	}
	defer func() { err = cmp.Or(err, os.RemoveAll(scratch)) }()

	began := time.Now()
	b, err := build(ctx, p, scratch)
	if err != nil {
		return 0, err
	}
	all := b.mutants()
	chosen := slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool { return !only.MatchString(m.key()) })
	if o.trust { // that they cannot be killed is for the whole run to show
		chosen = slices.DeleteFunc(chosen, func(m *mutant) bool { return excuses[m.key()] != "" })
	}
	chosen = sampled(chosen, o.sample)
	if o.list {
		for _, m := range chosen {
			fmt.Fprintf(out, "%s:%d\t%s\n", m.file, m.line, m.key())
		}
		return 1, nil
	}
	fmt.Fprintf(out, "%d mutants, of which %d are run; %d more do not compile; built in %.0f s\n",
		len(all), len(chosen), b.dropped, time.Since(began).Seconds())
	h := newHunt(out, b, o.longest)
	for i, m := range chosen {
		if m.killedBy, err = h.killer(ctx, m); err != nil {
			return 0, err
		}
		if m.killedBy == "" && excuses[m.key()] == "" {
			fmt.Fprintf(out, "survivor %s:%d\t%s\n", m.file, m.line, m.key())
		}
		if i+1 == len(chosen) || chosen[i+1].file != m.file {
			fmt.Fprintf(out, "%s: done after %.0f s\n", m.file, time.Since(began).Seconds())
		}
	}
	return report(out, all, chosen, excuses)
}

// sampled returns n mutants, evenly spread over the list, which is in the order of files and lines; 0 is all.
func sampled(list []*mutant, n int) []*mutant {
	if n <= 0 || n >= len(list) {
		return list
	}
	var some []*mutant
	for i := range n {
		some = append(some, list[(2*i+1)*len(list)/(2*n)])
	}
	return some
}

// report prints a line for each file and the stale excuses, and returns the share of mutants killed among those without excuse.
func report(out io.Writer, all, chosen []*mutant, excuses map[string]string) (float64, error) {
	type tally struct{ killed, excused, survived int }
	var files []string
	var total tally
	tallies := make(map[string]*tally)
	var stale []string
	for _, m := range chosen {
		t := tallies[m.file]
		if t == nil {
			t = &tally{}
			tallies[m.file] = t
			files = append(files, m.file)
		}
		excused := excuses[m.key()] != ""
		switch {
		case m.killedBy != "" && excused:
			stale = append(stale, m.key()+"\n\twas killed by "+m.killedBy)
			t.killed++
		case m.killedBy != "":
			t.killed++
		case excused:
			t.excused++
		default:
			t.survived++
		}
	}
	fmt.Fprintf(out, "\n%-26s %7s %9s %11s %7s\n", "file", "killed", "survived", "equivalent", "score")
	for _, file := range files {
		t := tallies[file]
		fmt.Fprintf(out, "%-26s %7d %9d %11d %6.1f%%\n", file, t.killed, t.survived, t.excused, 100*share(t.killed, t.survived))
		total.killed, total.survived, total.excused = total.killed+t.killed, total.survived+t.survived, total.excused+t.excused
	}
	score := share(total.killed, total.survived)
	fmt.Fprintf(out, "%-26s %7d %9d %11d %6.1f%%\n", "all", total.killed, total.survived, total.excused, 100*score)

	for key := range excuses {
		if !slices.ContainsFunc(all, func(m *mutant) bool { return m.key() == key }) {
			stale = append(stale, key+"\n\tis no mutant")
		}
	}
	if len(stale) > 0 {
		slices.Sort(stale)
		return score, fmt.Errorf("%s is stale:\n%s", equivalents, strings.Join(stale, "\n"))
	}
	return score, nil
}

func share(killed, survived int) float64 {
	if killed+survived == 0 {
		return 1
	}
	return float64(killed) / float64(killed+survived)
}

// readExcuses reads the list of equivalent mutants: a key on a line of its own, and below it, indented, the reason. Lines that begin
// with # explain.
func readExcuses(dir string) (map[string]string, error) {
	excuses := make(map[string]string)
	text, err := os.ReadFile(dir + "/" + equivalents)
	if os.IsNotExist(err) {
		return excuses, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []string // that wait for their reason
	var reasoned bool
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			if len(keys) == 0 {
				return nil, fmt.Errorf("%s:%d: a reason without a mutant", equivalents, i+1)
			}
			for _, key := range keys {
				excuses[key] += strings.TrimSpace(line) + " "
			}
			reasoned = true
		default:
			if reasoned {
				keys, reasoned = nil, false
			}
			if _, twice := excuses[line]; twice || slices.Contains(keys, line) {
				return nil, fmt.Errorf("%s:%d: a second time", equivalents, i+1)
			}
			keys = append(keys, line)
		}
	}
	if len(keys) > 0 && !reasoned {
		return nil, fmt.Errorf("%s: no reason for %s", equivalents, keys[0])
	}
	return excuses, nil
}
