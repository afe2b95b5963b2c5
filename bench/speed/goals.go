package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// The figures this library means to keep, each with how it is taken. They are compared here, and in no test: a time on a shared machine
// is no reason to refuse a change. What instructions can tell is held by the gate.

// A goal is a figure that should not be exceeded.
type goal struct {
	name string
	most float64
	unit string // printed behind the figure; "1/" in front of it
	of   func(build) float64
}

// all are the goals, in order.
func allGoals() []goal {
	ratio := func(table, name string) func(build) float64 {
		return func(b build) float64 { return b.at(table, name).Ratio }
	}
	time := func(table, name string) func(build) float64 {
		return func(b build) float64 { return b.at(table, name).Nanoseconds }
	}
	part := func(table, name string) func(build) float64 { // negative, since a larger one is the better one
		return func(b build) float64 { return -1 / b.at(table, name).Ratio }
	}
	goals := []goal{
		{"verify EdDSA, of the limit", 1.06, " ×", ratio("cold EdDSA", "tokenauth")},
		{"verify ES256, of the limit", 1.06, " ×", ratio("cold ES256", "tokenauth")},
		{"verify RS256, of the limit", 1.06, " ×", ratio("cold RS256", "tokenauth")},
		{"allocations of our own (EdDSA, without golang-jwt's one)", 4, "", func(b build) float64 {
			return b.at("cold EdDSA", "tokenauth").Allocations - 1
		}},
		{"verify HS256, of the limit", 5, " ×", ratio("cold HS256", "tokenauth")},
		{"verify HS256, of golang-jwt's time", 0.2, " ×", func(b build) float64 {
			return b.at("cold HS256", "tokenauth").Ratio / b.at("cold HS256", "golang-jwt").Ratio
		}},
		{"the same token again, 1000 live, of the Ed25519 limit", -150, "1/", part("again", "1000")},
		{"the same, 50 000 live, CacheSize 128 MiB", -80, "1/", part("again", "50000")},
		{"the same, allocations", 0, "", func(b build) float64 { return b.at("again", "1000").Allocations }},
		{"the same, throughput of two cores, at least", -1.7, " ×", func(b build) float64 { return -b.at("two cores", "1000").Ratio }},
		{"scope question, 4 scopes", 30, " ns", time("scope question", "4")},
		{"scope question, 256 scopes", 40, " ns", time("scope question", "256")},
		{"mint EdDSA, the signing part, of the limit", 1.08, " ×", ratio("mint EdDSA", signingPart)},
		{"mint HS256, the signing part, of the limit", 4, " ×", ratio("mint HS256", signingPart)},
		{"mint HS256, all of Sign, of the limit", 4, " ×", ratio("mint HS256", "tokenauth")},
	}
	for _, name := range []string{"alg none", "unknown kid", "too long", "garbage"} {
		goals = append(goals,
			goal{"refuse: " + name, 500, " ns", time("refuse", name)},
			goal{"refuse: " + name + ", allocations", 1, "", func(b build) float64 { return b.at("refuse", name).Allocations }})
	}
	return append(goals,
		goal{"refuse: 64 KiB with a bad signature, of the bare check", 1.2, " ×", ratio("refuse", "bad signature, 64 KiB")},
		goal{"each further scope, HS256", 300, " ns", func(b build) float64 { return furtherScope(b, "tokenauth") }},
	)
}

// goals writes the table of the goals, a column for each build.
func goals(out *bytes.Buffer, builds []build, counted string) {
	out.WriteString("## Goals\n\n| | goal |")
	for _, b := range builds {
		fmt.Fprintf(out, " %s |", b.Go)
	}
	fmt.Fprintf(out, "\n|---|---|%s\n", strings.Repeat("---|", len(builds)))
	for _, g := range allGoals() {
		fmt.Fprintf(out, "| %s | %s |", g.name, g.print(g.most))
		for _, b := range builds {
			fmt.Fprintf(out, " %s |", judged(g.print(g.of(b)), g.of(b) <= g.most))
		}
		out.WriteByte('\n')
	}
	over := instructions(counted, "verify cold HS256") - instructions(counted, "limit HS256")
	fmt.Fprintf(out, "| verify HS256, instructions over the limit (gate.txt) | 24000 | %s |%s\n",
		judged(strconv.Itoa(over), over > 0 && over <= 24_000), strings.Repeat(" |", len(builds)-1))
}

// print writes a figure of the goal's kind.
func (g goal) print(value float64) string {
	if value < 0 {
		value = -value
	}
	switch {
	case g.unit == "1/":
		return fmt.Sprintf("1/%.0f", value)
	case g.unit == "" || g.unit == " ns":
		return fmt.Sprintf("%.0f%s", value, g.unit)
	}
	return fmt.Sprintf("%.3f%s", value, g.unit)
}

// judged says beside a figure whether the goal is met.
func judged(figure string, met bool) string {
	if met {
		return figure
	}
	return "**" + figure + ", not met**"
}

// instructions returns what gate.txt says of a path; 0 if nothing.
func instructions(counted, path string) int {
	for line := range strings.Lines(counted) {
		if figure, ok := strings.CutPrefix(strings.TrimSpace(line), path+": "); ok {
			n, _ := strconv.Atoi(figure)
			return n
		}
	}
	return 0
}
