package pgxstore

import (
	"strconv"
	"strings"
	"sync"

	"github.com/a74cfa30/tokenauth"
)

// A marker is the one row of ta_meta, and beside it how far the server had come. Every statement that reads anything reads the marker with
// it, in the same snapshot.
//
// How far is told by two things. The server's log grows with every write; where a copy of its data was put back it is shorter than it was.
// That holds within one timeline of the server's: a standby that is promoted begins another one, and may have a log that is shorter only by
// what nobody had been told of. There the highest transaction in ta_dead tells whether it has the deaths that were seen.
//
// A copy that is put back within the server, from a dump or by another database's taking its place, shows in neither once somebody has died
// there. It shows in its tables, which are others, or were emptied and filled again: then the marker's row was written by another
// transaction, and ta_dead lies in another file. One of the two alone is no loss: somebody has written a note into that row, or VACUUM FULL
// or CLUSTER has written ta_dead anew. Both between two calls of a process look like a copy to it. A table of records alone that was emptied
// and filled from a copy is not noticed.
type marker struct {
	generation string // a random name that Migrate or Reseed gave
	schema     int
	reseeded   int64 // when Reseed did; 0: Migrate did

	death    int64 // the highest x in ta_dead; 0: there is none
	next     int64 // above all transactions that had ended
	timeline int64
	flushed  int64 // so much of the server's log was on its disk, or is now

	tables   string // the numbers of the tables; "": not seen yet
	database string // the number of their database
	graves   string // the number of ta_dead's file, which is another when it was emptied, or written anew
	written  uint32 // the transaction that wrote the marker's row
}

// markerSource is what a marker is read from, as m. Its functions are errors on a standby that was not promoted: what it has not received
// yet it would call live. The highest transaction is where the index of x ends, if that is asked for: x alone would be the number that the
// column was turned into, which no index knows, so that all of ta_dead would be read each time. There is one row in ta_meta, at most; where
// that is said the server need not guess how many.
const markerSource = `(SELECT generation, schema, reseeded,
		coalesce((SELECT x::text::bigint FROM ta_dead ORDER BY ta_dead.x DESC LIMIT 1), 0) AS death,
		pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
		` + placeColumn + ` AS place, ta_meta.xmin AS written,
		pg_walfile_name(pg_current_wal_flush_lsn()) AS file, pg_current_wal_flush_lsn()::text AS flushed
	FROM ta_meta LIMIT 1) m`

// placeColumn is where the tables are: their numbers, which a plan holds as they are, and the path of ta_dead, which ends in the numbers of
// its database and of its file.
const placeColumn = `'ta_meta'::regclass::oid || ',' || 'ta_token'::regclass::oid || ',' || 'ta_dead'::regclass::oid || ',' ||
		'ta_session'::regclass::oid || ',' || 'ta_once'::regclass::oid || '/' || pg_relation_filepath('ta_dead'::regclass)`

// markerColumns are those of a marker, from markerSource.
const markerColumns = `m.generation, m.schema, m.reseeded, m.death, m.next, m.file, m.flushed, m.place, m.written`

// A markerRow is where a marker is read to.
type markerRow struct {
	marker
	file, flushedAt, place string
}

// dest is where a row is written that begins with markerColumns, followed by more.
func (r *markerRow) dest(more ...any) []any {
	return append([]any{&r.generation, &r.schema, &r.reseeded, &r.death, &r.next, &r.file, &r.flushedAt, &r.place, &r.written}, more...)
}

// read returns the marker that was read. A file's name begins with the timeline, in 8 hexadecimal digits; a place in the log is written as
// two halves of 32 bits.
func (r *markerRow) read() (marker, error) {
	high, low, ok := strings.Cut(r.flushedAt, "/")
	h, errHigh := strconv.ParseInt(high, 16, 33)
	l, errLow := strconv.ParseInt(low, 16, 33)
	if !ok || errHigh != nil || errLow != nil || len(r.file) < 8 {
		return marker{}, refuse("the server's log has a place of an unknown form", tokenauth.ErrUnavailable)
	}
	timeline, err := strconv.ParseInt(r.file[:8], 16, 64)
	if err != nil {
		return marker{}, refuse("the server's log has a file of an unknown form", tokenauth.ErrUnavailable)
	}
	m := r.marker
	m.timeline, m.flushed = timeline, h<<32|l
	var path string
	m.tables, path, _ = strings.Cut(r.place, "/")
	file := strings.LastIndexByte(path, '/')
	if file < 0 {
		return marker{}, refuse("the server's tables have a path of an unknown form", tokenauth.ErrUnavailable)
	}
	m.graves = path[file+1:]
	m.database = path[strings.LastIndexByte(path[:file], '/')+1 : file]
	return m, nil
}

// errNoMarker is what every call answers where the marker is missing: the store has lost everything, or was never made ready.
func errNoMarker() error {
	return refuse("no generation marker: if the store is new call Migrate, if it has lost its data see Reseed", tokenauth.ErrUnavailable)
}

// A watch remembers the latest marker this process has seen, and so notices a store that has gone back in time: a copy that was restored,
// a standby that was promoted too early, or another store in its place. What was lost may be revocations, so such a store is not believed
// again, not even when it has come as far once more, until it shows a generation that Reseed began later. That one comes with an epoch for
// everyone, written in the same transaction: what was issued before is dead, whatever was lost.
//
// The zero watch has seen nothing and believes the first marker it sees. It cannot notice a store that was rolled back before. One that was
// told which generation to expect begins with that, and with when it began.
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

// isSeen says whether there is a latest marker that was seen, and is not only what Config told to expect.
func (w *watch) isSeen() bool { return w.last.tables != "" }

// check judges the marker m that a call found, which knew of before when it began.
func (w *watch) check(before, m marker) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isSeen() && (before.generation == w.last.generation && !m.follows(before) || m.isAnotherOf(w.last)) {
		w.lost = true // whatever its schema: a copy from before Migrate may be migrated again
	}
	switch {
	case m.schema > schemaVersion:
		return refuse("the schema is newer than this program", tokenauth.ErrUnavailable)
	case m.schema < schemaVersion:
		return refuse("the schema is older than this program, see Migrate", tokenauth.ErrUnavailable)
	case m.death >= m.next:
		return refuse("the store was restored from a dump, whose transactions are not this server's, see Reseed", tokenauth.ErrUnavailable)
	case w.last.generation == "" || m.generation != w.last.generation && m.reseeded > w.last.reseeded:
		w.last, w.lost = m, false
	case m.generation != w.last.generation && !w.isSeen():
		return refuse("the store is not of the generation that Config.ExpectGeneration names", tokenauth.ErrUnavailable)
	case m.generation != w.last.generation || w.lost:
		return refuse("the store has lost what this process saw in it: it was rolled back or replaced, see Reseed", tokenauth.ErrUnavailable)
	default:
		w.last = w.last.latest(m)
	}
	return nil
}

// follows says whether a store that showed before may show m later. A lower timeline is that of a server whose standby has been promoted
// since: it does not know what happens there.
func (m marker) follows(before marker) bool {
	if m.generation != before.generation {
		return before.generation == "" || m.reseeded > before.reseeded
	}
	return m.death >= before.death && m.timeline >= before.timeline && (m.timeline > before.timeline || m.flushed >= before.flushed)
}

// isAnotherOf says whether m is the marker of a copy of the store that showed seen.
func (m marker) isAnotherOf(seen marker) bool {
	return m.generation == seen.generation &&
		(m.tables != seen.tables || m.database != seen.database || m.graves != seen.graves && m.written != seen.written)
}

// latest returns the later of two markers of one generation, which calls at once may have found.
func (m marker) latest(other marker) marker {
	m.death, m.next, m.reseeded = max(m.death, other.death), max(m.next, other.next), max(m.reseeded, other.reseeded)
	m.tables, m.database, m.graves, m.written = other.tables, other.database, other.graves, other.written
	switch {
	case other.timeline > m.timeline:
		m.timeline, m.flushed = other.timeline, other.flushed
	case other.timeline == m.timeline:
		m.flushed = max(m.flushed, other.flushed)
	}
	return m
}

// begin notes the marker of a generation that this process has just begun, or found.
func (w *watch) begin(m marker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.generation != w.last.generation {
		w.last, w.lost = m, false
	} else {
		w.last = w.last.latest(m)
	}
}
