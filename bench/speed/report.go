package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth/bench/workload"
)

// A build is what was measured by one build of this program.
type build struct {
	Go      string // the version, with the experiments it was built with
	Load    string // how many processes wanted a processor meanwhile, this one among them; "" if nobody knows
	Figures []figure
}

// newBuild measures with this build.
func newBuild() build {
	b := build{Go: runtime.Version(), Figures: tables()}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		b.Load, _, _ = strings.Cut(string(text), " ")
	}
	return b
}

// at returns one figure; the zero figure if there is none.
func (b build) at(table, name string) figure {
	for _, f := range b.Figures {
		if f.Table == table && f.Name == name {
			return f
		}
	}
	return figure{}
}

// A machine is where it was measured, when, and with which versions.
type machine struct {
	processor string
	cores     int
	date      string
	versions  map[string]string // by module
}

// thisMachine describes the one this runs on.
func thisMachine() machine {
	m := machine{
		processor: runtime.GOARCH,
		cores:     runtime.NumCPU(),
		date:      time.Now().UTC().Format(time.DateOnly),
		versions:  map[string]string{},
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			m.versions[module.Path] = module.Version
		}
	}
	return m
}

// report writes SPEED.md. The first build is the one that all tables but the first are of.
func report(builds []build, m machine, counted string) []byte {
	var out bytes.Buffer
	b := builds[0]
	fmt.Fprintf(&out, `# Speed

Written by `+"`make bench`"+` on %s: %s, %d cores, %s. It measures the same token (header with alg, kid and typ; a
payload of 449 bytes with one role and four scopes) in turns of a few milliseconds. Times are processor time of the whole process, the
garbage collector's included; ratios are medians over %d rounds, of two times of the same round, and steadier than the times. *limit* is the
standard library's check (or making) of the signature of the same signing input and nothing else. The machine's load meanwhile: %s.

![Time to verify one token](speed.svg)

`, m.date, m.processor, m.cores, b.Go, rounds, cmp.Or(b.Load, "unknown"))
	goals(&out, builds, counted)
	out.WriteString("\n## Verifying a token for the first time\n\nTime as a multiple of the limit, time, allocations.\n\n")
	libraries(&out, b, "cold ", workload.Algorithms)
	out.WriteString("\n## Minting\n\nThe same. This library's figure is all of `Issuer.Sign`: who asks, whether its own verifier would\n" +
		"take the token, the payload, then the signing part, which the goals are for: from a payload that is written to the token.\n\n")
	libraries(&out, b, "mint ", []string{"HS256", "EdDSA"})
	own(&out, b)
	growthTable(&out, b)
	out.WriteString("\n## How each was set up\n\n")
	for _, library := range workload.Libraries() {
		version := m.versions[library.Module]
		if library.Name == "tokenauth" {
			version = "of this tree"
		}
		fmt.Fprintf(&out, "- **%s** (%s %s): %s.\n", library.Name, library.Module, version, library.Note)
	}
	out.WriteString("\nEach takes the good token, and refuses it with a bad signature, expired, not valid yet, of a wrong issuer and for\n" +
		"a wrong audience: `go test ./workload`.\n")
	return out.Bytes()
}

// libraries writes a table of all libraries by algorithm.
func libraries(out *bytes.Buffer, b build, table string, algorithms []string) {
	fmt.Fprintf(out, "| | %s |\n|---|%s\n", strings.Join(algorithms, " | "), strings.Repeat("---|", len(algorithms)))
	names := []string{limit, signingPart}
	for _, library := range workload.Libraries() {
		names = append(names, library.Name)
	}
	for _, name := range names {
		var cells []string
		there := false
		for _, algorithm := range algorithms {
			f := b.at(table+algorithm, name)
			if f.Nanoseconds == 0 {
				cells = append(cells, "–")
				continue
			}
			there = true
			cells = append(cells, fmt.Sprintf("%.2f ×, %s, %.0f", f.Ratio, duration(f.Nanoseconds), f.Allocations))
		}
		if there {
			fmt.Fprintf(out, "| %s | %s |\n", name, strings.Join(cells, " | "))
		}
	}
}

// own writes the tables that only this library is in.
func own(out *bytes.Buffer, b build) {
	out.WriteString("\n## A token that was seen before\n\n" +
		"| live tokens | time | part of the Ed25519 limit | allocations | throughput of two cores |\n|---|---|---|---|---|\n")
	for _, f := range b.Figures {
		if f.Table == "again" && f.Name != limit {
			fmt.Fprintf(out, "| %s | %s | 1/%.0f | %.0f | %.2f × |\n",
				f.Name, duration(f.Nanoseconds), 1/f.Ratio, f.Allocations, b.at("two cores", f.Name).Ratio)
		}
	}
	out.WriteString("\nThe clock, the key and the revocation are asked each time. Throughput of two cores is twice the processor time of\n" +
		"a verify alone, by that of a verify beside another.\n")
	out.WriteString("\n## What strangers send\n\n| | time | allocations | of the bare check |\n|---|---|---|---|\n")
	for _, f := range b.Figures {
		if f.Table != "refuse" || strings.HasPrefix(f.Name, limit) {
			continue
		}
		ratio := "–"
		if f.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f ×", f.Ratio)
		}
		fmt.Fprintf(out, "| %s | %s | %.0f | %s |\n", f.Name, duration(f.Nanoseconds), f.Allocations, ratio)
	}
	out.WriteString("\n## Questions and look-ups\n\n| | time | allocations |\n|---|---|---|\n")
	for _, f := range b.Figures {
		switch f.Table {
		case "scope question":
			fmt.Fprintf(out, "| scope question, scopes held: %s | %s | %.0f |\n", f.Name, duration(f.Nanoseconds), f.Allocations)
		case "revocation":
			fmt.Fprintf(out, "| revocation look-up, memstore, %s records | %s | %.0f |\n", f.Name, duration(f.Nanoseconds), f.Allocations)
		}
	}
}

// growthTable writes what more scopes cost.
func growthTable(out *bytes.Buffer, b build) {
	out.WriteString("\n## More scopes\n\nHS256, for the first time.\n\n| |")
	for _, scopes := range grown {
		fmt.Fprintf(out, " %d |", scopes)
	}
	fmt.Fprintf(out, " each further scope |\n|---|%s---|\n", strings.Repeat("---|", len(grown)))
	for _, library := range workload.Libraries() {
		if b.at("growth 4", library.Name).Nanoseconds == 0 {
			continue
		}
		fmt.Fprintf(out, "| %s |", library.Name)
		for _, scopes := range grown {
			fmt.Fprintf(out, " %s |", duration(b.at(fmt.Sprintf("growth %d", scopes), library.Name).Nanoseconds))
		}
		fmt.Fprintf(out, " %s |\n", duration(furtherScope(b, library.Name)))
	}
}

// furtherScope returns the time that each scope beyond the fourth takes.
func furtherScope(b build, library string) float64 {
	return (b.at("growth 256", library).Nanoseconds - b.at("growth 4", library).Nanoseconds) / (256 - 4)
}

// duration prints nanoseconds.
func duration(ns float64) string {
	switch {
	case ns < 1000:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 10_000:
		return fmt.Sprintf("%.1f µs", ns/1000)
	}
	return fmt.Sprintf("%.0f µs", ns/1000)
}
