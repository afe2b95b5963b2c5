package redisstore

import (
	"strconv"
	"strings"
	"sync"

	"github.com/a74cfa30/tokenauth"
)

// A marker is what the key {prefix}:meta holds. Every script and every look-up reads it in the same step as what was asked for; every write
// counts itself in it.
type marker struct {
	generation string // a random name that Migrate or Reseed gave
	schema     int64
	reseeded   int64 // when Reseed did; 0: Migrate did
	seq        int64 // how many writes there were
}

// name is what a store is recognized by: its generation, and after a dot when Reseed began it, if Reseed did. The moment tells which of two
// generations is the later one.
func (m marker) name() string {
	if m.reseeded == 0 {
		return m.generation
	}
	return m.generation + "." + strconv.FormatInt(m.reseeded, 10)
}

// expected reads a name as a marker that was not seen yet. "" is the zero marker: nothing is expected.
func expected(name string) (m marker, ok bool) {
	generation, moment, dotted := strings.Cut(name, ".")
	m.generation, ok = generation, name == "" || generation != ""
	if dotted {
		var err error
		m.reseeded, err = strconv.ParseInt(moment, 10, 64)
		ok = ok && err == nil && m.reseeded > 0 && m.name() == name // so that there is one way to write it
	}
	return m, ok
}

// errNoMarker is what every call answers where the marker is missing: the store has lost everything, or was never made ready.
func errNoMarker() error {
	return refuse("no generation marker: if the store is new call Migrate, if it has lost its data see Reseed", tokenauth.ErrUnavailable)
}

// A watch remembers the latest marker this process has seen, and so notices a store that has gone back in time: a server that came back
// with an older file, a replica that was promoted without its last writes, another store in its place. What was lost may be revocations, so
// such a store is not believed again, not even when its count has caught up, until it shows a generation that Reseed began later. That one
// comes with an epoch for everyone, written in the same step: what was issued before is dead, whatever was lost.
//
// The zero watch has seen nothing and believes the first marker it sees. It cannot notice a store that was rolled back before. One that
// expects a generation begins as if it had seen that.
type watch struct {
	mu   sync.Mutex
	last marker // schema 0: none was seen yet; the zero marker: any will do
	lost bool
}

// seen returns the latest marker, and whether the store that showed it has lost something since. A call that begins now must find one that
// is no older: Redis does one thing at a time.
func (w *watch) seen() (last marker, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.lost
}

// check judges the marker m that a call found, which knew of before when it began.
func (w *watch) check(before, m marker) error {
	if m.generation == "" {
		return errNoMarker()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if before.schema != 0 && before.generation == w.last.generation && !m.follows(before) {
		w.lost = true // whatever its schema: a copy from before Migrate is migrated again
	}
	later := w.last.generation == "" || m.generation != w.last.generation && m.reseeded > w.last.reseeded
	switch {
	case m.schema > schemaVersion:
		return refuse("the schema is newer than this program", tokenauth.ErrUnavailable)
	case !later && w.last.schema == 0 && m.generation != w.last.generation:
		return refuse("the store is not of the generation that Config.ExpectGeneration names", tokenauth.ErrUnavailable)
	case !later && (m.generation != w.last.generation || w.lost):
		return refuse("the store has lost what this process saw in it: it was rolled back or replaced, see Reseed", tokenauth.ErrUnavailable)
	case m.schema < schemaVersion: // only now: nobody is told to migrate a store that is not the one
		return refuse("the schema is older than this program, see Migrate", tokenauth.ErrUnavailable)
	case later:
		w.last, w.lost = m, false
	case m.seq > w.last.seq || w.last.schema == 0:
		w.last = m
	}
	return nil
}

// follows says whether a store that showed before may show m later.
func (m marker) follows(before marker) bool {
	if m.generation == before.generation {
		return m.seq >= before.seq
	}
	return before.generation == "" || m.reseeded > before.reseeded
}
