package main

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"time"
)

// All that is compared is run in turns, a few milliseconds each, in many rounds, and each time is divided by that of its base in the same
// round. What the machine does to one of them it does to the other, and the median leaves out the rounds in which it did not.

const (
	turn   = 3 * time.Millisecond // of processor time: long against the steps of its clock
	rounds = 101
)

// A subject is something to be measured.
type subject struct {
	name string
	op   func()
	base string // the name of the subject to compare with; "": none
}

// A figure is what came out: medians.
type figure struct {
	Table, Name string
	Nanoseconds float64
	Ratio       float64 // to the base
	Allocations float64
}

// measure runs subjects in turns.
func measure(table string, subjects []subject) []figure {
	times := make([][]float64, len(subjects)) // by subject and round
	batch := make([]int, len(subjects))
	for i, s := range subjects {
		batch[i] = calibrate(s.op)
		times[i] = make([]float64, rounds)
	}
	for round := range rounds {
		for k := range subjects {
			i := (round + k) % len(subjects) // nobody is always the one behind the same other
			for range 1 + batch[i]/2 {
				subjects[i].op() // what the one before left in the processor's caches is nobody's cost
			}
			began := spent()
			for range batch[i] {
				subjects[i].op()
			}
			times[i][round] = float64(spent()-began) / float64(batch[i])
		}
	}
	figures := make([]figure, len(subjects))
	for i, s := range subjects {
		figures[i] = figure{Table: table, Name: s.name, Nanoseconds: median(times[i]), Allocations: testing.AllocsPerRun(50, s.op)}
		if base := slices.IndexFunc(subjects, func(b subject) bool { return b.name == s.base }); base >= 0 {
			ratios := make([]float64, rounds)
			for round := range rounds {
				ratios[round] = times[i][round] / max(times[base][round], 1e-3)
			}
			figures[i].Ratio = median(ratios)
		}
	}
	return figures
}

// calibrate returns how often op has to run to take a turn.
func calibrate(op func()) int {
	for n := 1; ; n *= 2 {
		began := spent()
		for range n {
			op()
		}
		if spent()-began >= turn {
			return n
		}
	}
}

// together returns how much more two goroutines do on two processors than one on one: twice, if neither costs the other anything.
func together(op func(from int)) float64 {
	n := calibrate(func() { op(0) })
	ratios := make([]float64, rounds)
	for round := range rounds {
		began := spent()
		for range 2 * n {
			op(0)
		}
		alone := spent() - began
		began = spent()
		var both sync.WaitGroup
		for hand := range 2 {
			both.Go(func() {
				for range n {
					op(hand)
				}
			})
		}
		both.Wait()
		ratios[round] = 2 * float64(alone) / float64(max(spent()-began, 1))
	}
	return median(ratios)
}

// median returns the middle of some numbers.
func median(of []float64) float64 {
	sorted := slices.SortedFunc(slices.Values(of), cmp.Compare)
	return sorted[len(sorted)/2]
}
