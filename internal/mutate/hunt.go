package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A mutant is hunted by the tests that pass its site, and by no others: they could not tell. Those of its own package come first,
// and quick ones before slow ones. One that hangs is killed too, after a time that the same tests never took without it.

// A test is one that passes when no switch is thrown.
type test struct {
	name    string
	cost    time.Duration // of processors: the machine may have other work
	took    time.Duration // by the clock
	reaches map[int]bool
}

// A hunt knows the tests. Those of a package are learnt when a mutant first gets as far as them.
type hunt struct {
	built   *built
	out     io.Writer
	longest time.Duration
	tests   map[string][]*test  // by directory
	start   time.Duration       // what the cheapest test cost, which is mostly the start of its process
	killers map[string][]string // by file and function: the tests that killed mutants there, the last one first
}

func newHunt(out io.Writer, b *built, longest time.Duration) *hunt {
	return &hunt{built: b, out: out, longest: longest, tests: make(map[string][]*test), start: time.Minute, killers: make(map[string][]string)}
}

// learn runs each test of a package alone, to know how long it takes and which sites it passes.
func (h *hunt) learn(ctx context.Context, dir string) ([]*test, error) {
	if tests, ok := h.tests[dir]; ok || h.built.tests[dir] == "" {
		return tests, nil
	}
	began := time.Now()
	list, err := h.command(ctx, dir, "-test.list", "^(Test|Example|Fuzz)").Output()
	if err != nil {
		return nil, fmt.Errorf("the tests of %s: %w", dir, err)
	}
	tests := []*test{}
	for _, name := range strings.Fields(string(list)) {
		t, err := h.try(ctx, dir, name)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			fmt.Fprintf(h.out, "left out, for it fails without any mutant, or takes far too long: %s %s\n", dir, name)
		case t.cost > h.longest:
			fmt.Fprintf(h.out, "left out, for it takes %.1f s: %s %s\n", t.cost.Seconds(), dir, name)
		default:
			tests = append(tests, t)
			h.start = min(h.start, t.cost)
		}
	}
	fmt.Fprintf(h.out, "the %d tests of %s: learnt in %.0f s\n", len(tests), dir, time.Since(began).Seconds())
	h.tests[dir] = tests
	return tests, nil
}

// try runs one test without a mutant.
func (h *hunt) try(ctx context.Context, dir, name string) (*test, error) {
	reach := filepath.Join(h.built.scratch, "reach")
	_ = os.Remove(reach) // it need not be there
	ctx, cancel := context.WithTimeout(ctx, 10*h.longest)
	defer cancel()
	cmd := h.command(ctx, dir, "-test.short", "-test.run", "^"+name+"$")
	cmd.Env = append(cmd.Env, "MUTANT_REACH="+reach)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	cost := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t := &test{name: name, cost: cost, took: time.Since(began), reaches: make(map[int]bool)}
	text, err := os.ReadFile(reach)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, field := range strings.Fields(string(text)) {
		id, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		t.reaches[id] = true
	}
	return t, nil
}

// tiers are the steps of time in which tests are tried. A process stops at its first failure, so what is quick must not wait.
var tiers = []time.Duration{
	2 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second, 1 << 62,
}

// hints is how many tests that killed other mutants of the same function are tried before all others.
const hints = 5

// killer returns a test that fails with the mutant, or "".
func (h *hunt) killer(ctx context.Context, m *mutant) (string, error) {
	function := m.file + " " + m.function
	dirs := slices.Clone(h.built.plan.tests)
	if own := slices.Index(dirs, path.Dir(m.file)); own > 0 {
		dirs = slices.Insert(slices.Delete(dirs, own, own+1), 0, path.Dir(m.file))
	}
	for _, dir := range dirs {
		tests, err := h.learn(ctx, dir)
		if err != nil {
			return "", err
		}
		tests = slices.DeleteFunc(slices.Clone(tests), func(t *test) bool { return !t.reaches[m.id] })
		for _, group := range h.groups(tests, h.killers[function]) {
			killer, err := h.fails(ctx, dir, group, m)
			if err != nil {
				return "", err
			}
			if killer != "" {
				known := slices.DeleteFunc(h.killers[function], func(name string) bool { return name == killer })
				h.killers[function] = append([]string{killer}, known[:min(len(known), hints-1)]...)
				return killer, nil
			}
		}
	}
	return "", nil
}

// groups returns tests in the order in which they are tried: each group is one process.
func (h *hunt) groups(tests []*test, hints []string) [][]*test {
	groups := make([][]*test, 1+len(tiers))
	for _, t := range tests {
		tier := 0
		if !slices.Contains(hints, t.name) {
			tier = 1 + slices.IndexFunc(tiers, func(most time.Duration) bool { return t.cost-h.start < most })
		}
		groups[tier] = append(groups[tier], t)
	}
	return groups
}

// slack is how long a test may say nothing, beyond three times what it took alone: the machine may have other work.
const slack = 5 * time.Second

// firstFailure finds the name of the test that failed.
var firstFailure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// fails runs a group of tests with the mutant and says which failed first.
func (h *hunt) fails(ctx context.Context, dir string, group []*test, m *mutant) (string, error) {
	if len(group) == 0 {
		return "", nil
	}
	var names []string
	var longest time.Duration
	for _, t := range group {
		names = append(names, t.name)
		longest = max(longest, t.took)
	}
	timed, cancel := context.WithCancel(ctx)
	defer cancel()
	pattern := "^(" + strings.Join(names, "|") + ")$"
	cmd := h.command(timed, dir, "-test.short", "-test.failfast", "-test.v", "-test.timeout=5m", "-test.run", pattern)
	cmd.Env = append(cmd.Env, fmt.Sprintf("MUTANT=%d:%d", m.id, m.operator))
	out := &watched{patience: slack + 3*longest}
	out.timer = time.AfterFunc(out.patience, cancel)
	defer out.timer.Stop()
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case timed.Err() != nil:
		return "a test that did not end", nil
	case !errors.As(err, &failed):
		return "", err
	}
	if name := firstFailure.FindSubmatch(out.text.Bytes()); name != nil {
		return string(name[1]), nil
	}
	return "a test that died", nil
}

// A watched is the output of tests, which ends them when it stands still for too long.
type watched struct {
	text     bytes.Buffer
	patience time.Duration
	timer    *time.Timer
}

func (w *watched) Write(b []byte) (int, error) {
	w.timer.Reset(w.patience)
	return w.text.Write(b)
}

// command prepares a run of a package's tests, in its directory as go test does it. Where there is a shell, it keeps a mutant from
// eating all memory.
func (h *hunt) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	binary := h.built.tests[dir]
	if shell, err := exec.LookPath("sh"); err == nil {
		args = append([]string{"-c", `ulimit -v 8000000 2>/dev/null; exec "$0" "$@"`, binary}, args...)
		binary = shell
	}
	cmd := h.built.command(ctx, binary, args...)
	cmd.Dir = filepath.Join(h.built.plan.dir, dir)
	cmd.Env = os.Environ()
	cmd.WaitDelay = time.Second
	return cmd
}
