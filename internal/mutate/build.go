package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The switched copy lies in a scratch directory and gets into the build by -overlay. What the compiler refuses, say a switch around
// a constant of another type, is left out, and the copy is made again.

// A built is the switched module, and the test binary of each package, by its directory.
type built struct {
	plan    plan
	scratch string
	sites   []*site
	tests   map[string]string
	dropped int
}

// mutants returns all that compile, in the order of files and lines.
func (b *built) mutants() []*mutant {
	var all []*mutant
	for id, s := range b.sites {
		for _, o := range s.operators {
			all = append(all, &mutant{site: s, id: id, operator: o})
		}
	}
	return all
}

// build makes the switched copy and compiles the tests with it.
func build(ctx context.Context, p plan, scratch string) (*built, error) {
	root, err := filepath.Abs(p.dir)
	if err != nil {
		return nil, err
	}
	p.dir = root
	b := &built{plan: p, scratch: scratch, tests: make(map[string]string)}
	refused := make(map[string]bool)
	for range 10 {
		if err := b.copy(refused); err != nil {
			return nil, err
		}
		out, err := b.compile(ctx)
		if err == nil {
			b.dropped = len(refused)
			return b, b.link(ctx)
		}
		before := len(refused)
		if b.refuse(out, refused); len(refused) == before {
			return nil, fmt.Errorf("the switched copy does not compile: %w\n%s", err, out)
		}
	}
	return nil, fmt.Errorf("the switched copy never compiles")
}

// copy writes the switched files and the overlay that names them.
func (b *built) copy(refused map[string]bool) error {
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	packages := make(map[string]string)
	b.sites = nil
	for _, dir := range slices.Sorted(maps.Keys(b.plan.files)) {
		for _, base := range b.plan.files[dir] {
			file := filepath.Join(b.plan.dir, dir, base)
			src, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			copied, sites, err := switched(filepath.ToSlash(filepath.Join(dir, base)), src, len(b.sites), refused)
			if err != nil {
				return err
			}
			b.sites = append(b.sites, sites...)
			parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.PackageClauseOnly)
			if err != nil {
				return err
			}
			packages[dir] = parsed.Name.Name
			if overlay.Replace[file], err = b.write(dir, base, copied); err != nil {
				return err
			}
		}
	}
	for dir, name := range packages {
		copied, err := b.write(dir, "mutant_switches.go", switches(name, len(b.sites)))
		if err != nil {
			return err
		}
		overlay.Replace[filepath.Join(b.plan.dir, dir, "mutant_switches.go")] = copied
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	return os.WriteFile(b.overlay(), text, 0o600)
}

func (b *built) overlay() string { return filepath.Join(b.scratch, "overlay.json") }

// write writes a file into the scratch directory, under a name of its own.
func (b *built) write(dir, base string, text []byte) (string, error) {
	name := b.copyOf(dir, base)
	return name, os.WriteFile(name, text, 0o600)
}

func (b *built) copyOf(dir, base string) string {
	return filepath.Join(b.scratch, strings.ReplaceAll(filepath.ToSlash(dir), "/", "_")+"_"+base)
}

// compile compiles the mutated packages, without vetting or linking, and returns what the compiler says.
func (b *built) compile(ctx context.Context) ([]byte, error) {
	args := []string{"build", "-overlay", b.overlay(), "-gcflags=" + b.plan.module + "/...=-e"}
	for _, dir := range slices.Sorted(maps.Keys(b.plan.files)) {
		args = append(args, "./"+dir)
	}
	return b.command(ctx, "go", args...).CombinedOutput()
}

// refuse adds the sites that the compiler complained of: those in the column it names, or if there are none, all of the line.
func (b *built) refuse(out []byte, refused map[string]bool) {
	complaint := regexp.MustCompile(`(?m)^(?:\./)?(\S+\.go):(\d+):(\d+): `)
	for _, found := range complaint.FindAllSubmatch(out, -1) {
		line, _ := strconv.Atoi(string(found[2]))
		base := filepath.Base(string(found[1]))
		for id, s := range b.sites {
			if s.line == line && b.isCopyOf(base, s.file) && b.named(found, id) {
				refused[s.name()] = true
			}
		}
	}
}

// isCopyOf says whether the compiler may mean a file: it names the original or the copy.
func (b *built) isCopyOf(base, file string) bool {
	return base == filepath.Base(file) || base == filepath.Base(b.copyOf(filepath.Dir(file), filepath.Base(file)))
}

// named says whether the site with that id is the innermost whose switch stands before the column of a complaint.
func (b *built) named(complaint [][]byte, id int) bool {
	s := b.sites[id]
	text, err := os.ReadFile(b.copyOf(filepath.Dir(s.file), filepath.Base(s.file)))
	if err != nil {
		return true
	}
	line := bytes.Split(text, []byte("\n"))[s.line-1]
	column, _ := strconv.Atoi(string(complaint[3]))
	last := -1
	for _, call := range regexp.MustCompile(`mutant\w+\((\d+)`).FindAllSubmatchIndex(line, -1) {
		if call[0] < column {
			last, _ = strconv.Atoi(string(line[call[2]:call[3]]))
		}
	}
	return last == id || last < 0
}

// link makes the test binaries.
func (b *built) link(ctx context.Context) error {
	for i, dir := range b.plan.tests {
		binary := filepath.Join(b.scratch, fmt.Sprintf("%d.test", i))
		cmd := b.command(ctx, "go", "test", "-c", "-vet=off", "-overlay", b.overlay(), "-o", binary, "./"+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("the tests of %s do not compile: %w\n%s", dir, err, out)
		}
		if _, err := os.Stat(binary); err == nil { // a package without tests has none
			b.tests[dir] = binary
		}
	}
	return nil
}

// command prepares a command in the module's directory.
func (b *built) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.plan.dir
	return cmd
}
