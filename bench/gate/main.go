// Command gate counts the instructions of the paths that every user of the library pays for, and compares them with what was
// committed: a time on a shared machine says more about its neighbours than about a change.
//
//	go run ./gate          compare with gate.txt; a difference of more than 5 % ends with status 1
//	go run ./gate -write   write gate.txt
//
// It wants valgrind (apt-get install valgrind). The counts are callgrind's, and nearly the same on each run and each machine:
//
//   - A path is run so many times, and twice as many times, in two processes; the difference, divided, is the cost of one, and the
//     start of a process drops out.
//   - The processes have one thread for Go code, collect no garbage and preempt no goroutine, since when they would depends on time.
//     What an allocation costs later is therefore not in these figures: allocations are counted by the tests.
//   - Keys are the same each time. What stays different is the seed of hashes: where in a table a thing stands changes a count by
//     fewer than one in a hundred.
//   - Valgrind shows a program the instructions it knows, which are those of a processor with AVX2 and without SHA or AVX-512. So
//     Go's cryptography takes the same ways on every machine that has AVX2, though not those it takes outside: against time, hashing
//     weighs too much here. Figures are for amd64, and for the version of Go that gate.txt names.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/a74cfa30/tokenauth/bench/workload"
)

const (
	file      = "gate.txt"
	tolerance = 0.05
	seedNoise = 100 // instructions, of the seeds that a process gives its maps: more than 5 % of the shortest paths
)

func main() {
	write := flag.Bool("write", false, "write "+file+" instead of comparing with it")
	only := flag.String("only", "", "count this path and compare nothing")
	path := flag.String("path", "", "run this path and count nothing: what valgrind is asked to do")
	times := flag.Int("times", 0, "how many times")
	flag.Parse()
	if *path != "" {
		run(*path, *times)
		return
	}
	if err := gate(*write, *only); err != nil {
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
}

// run is the process that is counted.
func run(name string, times int) {
	path := workload.PathOf(name)
	op := path.Prepare()
	for range times {
		op()
	}
}

// gate counts all paths, and writes or compares.
func gate(write bool, only string) error {
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		return errors.New("valgrind is missing: apt-get install valgrind")
	}
	if runtime.GOARCH != "amd64" {
		return errors.New("the figures are for amd64")
	}
	var counts []count
	for _, path := range workload.Paths() {
		if only != "" && path.Name != only {
			continue
		}
		each, err := instructions(valgrind, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path.Name, err)
		}
		counts = append(counts, count{path.Name, each})
		fmt.Printf("%-28s %9d\n", path.Name, each)
	}
	switch {
	case only != "":
		return nil
	case write:
		return save(counts)
	}
	return compare(counts)
}

// A count is what one run of a path takes.
type count struct {
	path         string
	instructions int
}

// instructions returns the cost of one run of a path.
func instructions(valgrind string, path workload.Path) (int, error) {
	once, err := collected(valgrind, path.Name, path.Times)
	if err != nil {
		return 0, err
	}
	twice, err := collected(valgrind, path.Name, 2*path.Times)
	return (twice - once) / path.Times, err
}

var collectedLine = regexp.MustCompile(`Collected *: *(\d+)`)

// collected returns what callgrind counts in a process that runs a path so many times.
func collected(valgrind, path string, times int) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", self, "-path", path, "-times", strconv.Itoa(times))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	found := collectedLine.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("callgrind tells no count\n%s", out)
	}
	return strconv.Atoi(string(found[1]))
}

// save writes gate.txt.
func save(counts []count) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Instructions of one run of each path, as `make bench-gate` counts them. Written by `go run ./gate -write`.\n")
	fmt.Fprintf(&text, "# %s, amd64\n", runtime.Version())
	for _, c := range counts {
		fmt.Fprintf(&text, "%s: %d\n", c.path, c.instructions)
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// compare holds counts against gate.txt. Fewer instructions than were committed are a difference too: the file is then to be written
// anew, or the next change could give them back unseen.
func compare(counts []count) error {
	saved, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = saved.Close() }()
	committed, version, err := read(saved)
	if err != nil {
		return err
	}
	var apart []string
	for _, c := range counts {
		want, ok := committed[c.path]
		if change := float64(c.instructions)/float64(want) - 1; !ok || math.Abs(change) > tolerance && math.Abs(float64(c.instructions-want)) > seedNoise {
			apart = append(apart, fmt.Sprintf("%s: %d, committed %d (%+.1f %%)", c.path, c.instructions, want, 100*change))
		}
		delete(committed, c.path)
	}
	for path := range committed {
		apart = append(apart, path+": committed, and no longer there")
	}
	if len(apart) == 0 {
		return nil
	}
	slices.Sort(apart)
	if version != runtime.Version() {
		apart = append(apart, "the file is of "+version+", this is "+runtime.Version())
	}
	return errors.New("not as committed:\n" + strings.Join(apart, "\n"))
}

// read returns what gate.txt holds, and of which version of Go it is.
func read(r io.Reader) (counts map[string]int, version string, err error) {
	counts = map[string]int{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if comment, ok := strings.CutPrefix(line, "# go"); ok {
			version, _, _ = strings.Cut("go"+comment, ",")
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		path, figure, _ := strings.Cut(line, ": ")
		if counts[path], err = strconv.Atoi(figure); err != nil {
			return nil, "", fmt.Errorf("%s: %w", file, err)
		}
	}
	return counts, version, lines.Err()
}
