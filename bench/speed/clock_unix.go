//go:build unix

package main

import (
	"syscall"
	"time"
)

// spent returns the processor time this process has taken, its garbage collector's included: other programs on the machine do not
// count, where they would in the time of day.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
