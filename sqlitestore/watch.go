package sqlitestore

import (
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/a74cfa30/tokenauth"
)

// A marker is the one row of ta_meta. Every statement that reads anything reads the marker with it, in the same snapshot; every
// transaction that writes anything counts itself in it.
type marker struct {
	generation string // a random name that Migrate or Reseed gave
	schema     int
	reseeded   int64 // when Reseed did; 0: Migrate did
	writes     int64
}

// markerColumns are those of a marker, from ta_meta m.
const markerColumns = `m.generation, m.schema, m.reseeded, m.writes`

// dest is where a statement's row is written that begins with markerColumns, followed by more.
func (m *marker) dest(more ...any) []any {
	return append([]any{&m.generation, &m.schema, &m.reseeded, &m.writes}, more...)
}

// errNoMarker is what every call answers where the marker is missing: the store has lost everything, or was never made ready.
func errNoMarker() error {
	return refuse("no generation marker: if the store is new call Migrate, if it has lost its data see Reseed", tokenauth.ErrUnavailable)
}

// A watch remembers the latest marker this process has seen, and so notices a store that has gone back in time: a copy that was restored
// under its feet, or another store in its place. What was lost may be revocations, so such a store is not believed again, not even when its
// count has caught up, until it shows a generation that Reseed began later. That one comes with an epoch for everyone, written in the same
// transaction: what was issued before is dead, whatever was lost.
//
// The zero watch has seen nothing and believes the first marker it sees. It cannot notice a store that was rolled back before.
type watch struct {
	mu   sync.Mutex
	last marker // the zero marker: none was seen yet
	lost bool
}

// seen returns the latest marker. A call that begins now must find one that is no older: the snapshot it reads is taken later.
func (w *watch) seen() marker {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// check judges the marker m that a call found, which knew of before when it began.
func (w *watch) check(before, m marker) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before.schema != 0 && before.generation == w.last.generation && !m.follows(before) {
		w.lost = true // whatever its schema: a copy from before Migrate may be migrated again
	}
	switch {
	case m.schema > schemaVersion:
		return refuse("the schema is newer than this program", tokenauth.ErrUnavailable)
	case m.schema < schemaVersion:
		return refuse("the schema is older than this program, see Migrate", tokenauth.ErrUnavailable)
	case w.last.generation == "" || m.generation != w.last.generation && m.reseeded > w.last.reseeded:
		w.last, w.lost = m, false
	case m.generation != w.last.generation && w.last.schema == 0:
		return refuse("the store is not of the generation that Config.ExpectGeneration names, and no later Reseed began its own", tokenauth.ErrUnavailable)
	case m.generation != w.last.generation || w.lost:
		return refuse("the store has lost what this process saw in it: it was rolled back or replaced, see Reseed", tokenauth.ErrUnavailable)
	case m.writes > w.last.writes:
		w.last = m
	}
	return nil
}

// follows says whether a store that showed before may show m later.
func (m marker) follows(before marker) bool {
	if m.generation == before.generation {
		return m.writes >= before.writes
	}
	return before.generation == "" || m.reseeded > before.reseeded
}

// wrote notes the marker that this process has just committed. Another generation than the last is that of Migrate or of a later Reseed,
// or else of a write to a file that was replaced meanwhile.
func (w *watch) wrote(m marker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.last.generation == "" || m.generation != w.last.generation && m.reseeded > w.last.reseeded:
		w.last, w.lost = m, false
	case m.generation == w.last.generation && m.writes > w.last.writes:
		w.last = m
	}
}

// name is a generation for Config.ExpectGeneration: with the moment when Reseed began it, so that an older one is not taken for a newer.
func (m marker) name() string {
	if m.reseeded == 0 {
		return m.generation
	}
	return m.generation + "." + strconv.FormatInt(m.reseeded, 10)
}

// expected returns the marker that is expected where a generation has that name; the zero marker is none. Its schema is 0, as of none that
// was seen.
func expected(name string) (m marker, err error) {
	generation, moment, reseeded := strings.Cut(name, ".")
	m.generation = generation
	if reseeded {
		m.reseeded, err = strconv.ParseInt(moment, 10, 64)
	}
	if err != nil || m.reseeded < 0 || m.name() != name || reseeded && generation == "" {
		return marker{}, errors.New("sqlitestore: Config.ExpectGeneration: not what Generation has answered")
	}
	return m, nil
}
