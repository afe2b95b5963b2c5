// Package testkit is what tests of several packages of this project need, and packages runtime and time do not give. It is for nobody else.
package testkit

import (
	"runtime"
	"time"
	"unsafe"
)

// HeapInUse returns how many bytes of the heap are reachable. It collects twice: what a sync.Pool holds outlives the first time.
func HeapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// WithWall returns t as if the wall clock had been moved by whole seconds and the monotonic one had not, as where a machine slept or its
// clock was set. Nothing in package time does that.
func WithWall(t time.Time, by time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t)) // the first word: a flag, 33 bits of seconds, 30 bits of nanoseconds
	*wall += uint64(by/time.Second) << 30
	return t
}
