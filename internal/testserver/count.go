package testserver

import (
	"os"
	"strconv"
	"testing"
)

// Count is how much a test is to do: what the environment says under a name, as `make crash` and `make faults` have it say, or usual.
func Count(t testing.TB, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is no count", name)
	}
	return n
}
