//go:build !unix

package main

import "time"

var start = time.Now()

// spent returns the time of day where the processor time cannot be had.
func spent() time.Duration { return time.Since(start) }
