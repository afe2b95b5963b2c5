package main

import "fmt"

// switchFile is the file each mutated package gets beside its own. MUTANT=id:operator in the environment throws one switch. With
// MUTANT_REACH=file each site adds its id to that file the first time it is passed.
//
// A switch that is not thrown costs one look at an array, allocates nothing, and evaluates exactly what stood there before, once.
const switchFile = `package %s

import (
	mutantCompare "cmp"
	mutantFormat "fmt"
	mutantOS "os"
	mutantReflect "reflect"
	mutantTime "time"
)

const (
	mutantTrue = iota + 1
	mutantFalse
	mutantInverted
	mutantBorder
	mutantSkipped
	mutantNoError
	mutantNever
	mutantReached = 255
)

var mutantState = mutantStart()

func mutantStart() *[%d]uint8 {
	var state [%d]uint8
	var id int
	var operator uint8
	if n, _ := mutantFormat.Sscanf(mutantOS.Getenv("MUTANT"), "%%d:%%d", &id, &operator); n == 2 {
		state[id] = operator
	}
	if mutantOS.Getenv("MUTANT_REACH") != "" {
		for i := range state {
			state[i] = mutantReached
		}
	}
	return &state
}

func mutantIs(id int, operator uint8) bool {
	switch mutantState[id] {
	case operator:
		return true
	case mutantReached:
		mutantState[id] = 0
		f, err := mutantOS.OpenFile(mutantOS.Getenv("MUTANT_REACH"), mutantOS.O_APPEND|mutantOS.O_CREATE|mutantOS.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		mutantFormat.Fprintln(f, id)
		f.Close()
	}
	return false
}

func mutantBool[T ~bool](id int, v T) T {
	if mutantState[id] == 0 {
		return v
	}
	switch {
	case mutantIs(id, mutantTrue):
		return true
	case mutantIs(id, mutantFalse):
		return false
	case mutantIs(id, mutantInverted):
		return !v
	}
	return v
}

func mutantLess[T mutantCompare.Ordered](id int, a, b T) bool {
	return a < b || mutantState[id] != 0 && mutantIs(id, mutantBorder) && a == b
}

func mutantLessOrEqual[T mutantCompare.Ordered](id int, a, b T) bool {
	return a < b || a == b && !(mutantState[id] != 0 && mutantIs(id, mutantBorder))
}

func mutantGreater[T mutantCompare.Ordered](id int, a, b T) bool { return mutantLess(id, b, a) }

func mutantGreaterOrEqual[T mutantCompare.Ordered](id int, a, b T) bool { return mutantLessOrEqual(id, b, a) }

func mutantBefore(id int, a, b mutantTime.Time) bool {
	return a.Before(b) || mutantState[id] != 0 && mutantIs(id, mutantBorder) && a.Equal(b)
}

func mutantAfter(id int, a, b mutantTime.Time) bool { return mutantBefore(id, b, a) }

func mutantSkip(id int) bool { return mutantState[id] != 0 && mutantIs(id, mutantSkipped) }

func mutantError(id int, err error) error {
	if mutantState[id] != 0 && mutantIs(id, mutantNoError) {
		return nil
	}
	return err
}

func mutantCase[T comparable](id int, v T) T {
	if mutantState[id] == 0 || !mutantIs(id, mutantNever) {
		return v
	}
	switch r := mutantReflect.ValueOf(&v).Elem(); {
	case r.Kind() == mutantReflect.String:
		r.SetString(r.String() + " mutant")
	case r.CanInt():
		r.SetInt(^r.Int())
	case r.CanUint():
		r.SetUint(^r.Uint())
	default:
		panic("mutant: a case of this kind has no other value")
	}
	return v
}
`

// switches returns the switch file of a package for so many sites.
func switches(pkg string, sites int) []byte {
	return fmt.Appendf(nil, switchFile, pkg, max(sites, 1), max(sites, 1))
}
