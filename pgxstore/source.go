package pgxstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/a74cfa30/tokenauth"
)

// What has died, for those who hold it in memory. A cursor holds the snapshot of a read: which transactions had ended by then. What is new
// since then is written by one that had not, however early its number was given out. What is in the table is what is dead, so any reader
// can catch up from anywhere and nothing has to be kept for the slow ones.
//
// A read goes through the table in the order of x, page by page, and its cursor is the snapshot of the first page. A row that is written
// again meanwhile moves on to where the read has yet to come, since x only grows; one that is new below it is not in the snapshot, and so
// in the next read.
//
// Numbers of transactions mean nothing to another server, and after a crash or a failover some may be given out again. So a cursor is good
// for one generation, one server, one timeline and one start of the server. Nor does it know of deaths that were there and are not; so it is
// good for the tables that it was read from, as long as ta_dead lies in one file. A VACUUM FULL or CLUSTER ends that as well: whoever follows
// then reads everything once more, for nothing but the time that this takes.

// changesPage is how many changes are read at once: some milliseconds, for which a connection is taken.
const changesPage = 5_000

// unseen is the condition for what a snapshot, $1, does not show. Whoever has it looks only at what is in the order of x behind the first
// transaction that the snapshot may not show: all before are shown. Here and below a value is given to the server in a statement of its own,
// (SELECT $1), so that it is read once, not for each row; and so that the server, who would else plan for each value anew in the hope of
// doing better, does as well with one plan for all: to plan takes it longer than to read.
const unseen = `NOT pg_visible_in_snapshot(x, (SELECT $1::text::pg_snapshot))`

// longestWait is after how long Wait returns even if nobody wakes it: a connection that is dead without anybody's knowing wakes nobody.
const longestWait = 5 * time.Second

var _ tokenauth.Source = (*Store)(nil)

// A bookmark is what a cursor says.
type bookmark struct {
	generation      string
	system, started int64 // which server, and when it was started
	timeline        int64
	tables          string // which they are, and who wrote the marker's row
	snapshot        string // of the server's transactions; of the zero cursor "": nobody has seen anything
	place           place  // where the next page begins, within a read
}

// A place is one in the order in which pages are read.
type place struct {
	x           int64
	kind        int
	subject, id string
}

// compare is the order of ta_dead_changes, whose texts compare bytewise.
func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.x, other.x), cmp.Compare(p.kind, other.kind), cmp.Compare(p.subject, other.subject), cmp.Compare(p.id, other.id))
}

func (b bookmark) cursor() tokenauth.Cursor {
	return tokenauth.Cursor(fmt.Sprintf("%s.%x.%x.%x.%s.%s", b.generation, b.system, b.timeline, b.started, b.tables, b.snapshot))
}

// incarnation is all of a cursor but what its reader has seen.
func (b bookmark) incarnation() string {
	b.snapshot = ""
	return string(b.cursor())
}

// noSnapshot is one that the server can read and that shows no transaction: every number is above it.
const noSnapshot = "1:1:"

// split returns the incarnation of a cursor and its snapshot. Of what is none of this package's both are of nowhere.
func split(c tokenauth.Cursor) (incarnation, snapshot string) {
	if c == "" {
		return "", noSnapshot
	}
	end := strings.LastIndexByte(string(c), '.')
	incarnation, snapshot = string(c[:end+1]), string(c[end+1:])
	if end < 0 || !isSnapshot(snapshot) {
		return "none", noSnapshot
	}
	return incarnation, snapshot
}

// isSnapshot says whether the server can read a snapshot: xmin:xmax: and the transactions between that had not ended, rising.
func isSnapshot(text string) bool {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return false
	}
	numbers := parts[:2]
	if parts[2] != "" {
		numbers = append(numbers[:1:1], strings.Split(parts[2], ",")...)
		numbers = append(numbers, parts[1])
	}
	last := int64(1)
	for _, number := range numbers {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < last {
			return false
		}
		last = n
	}
	return true
}

// start is the number below which a snapshot shows all transactions.
func start(snapshot string) int64 {
	number, _, _ := strings.Cut(snapshot, ":")
	n, _ := strconv.ParseInt(number, 10, 64) // it is one
	return n
}

// end is the number above all transactions that had ended in a snapshot.
func end(snapshot string) int64 {
	_, rest, _ := strings.Cut(snapshot, ":")
	number, _, _ := strings.Cut(rest, ":")
	n, _ := strconv.ParseInt(number, 10, 64) // it is one
	return n
}

// Changes yields what has died since a cursor, and last the cursor to go on from: see tokenauth.Source. It reads 5,000 changes at a time
// and holds nothing while the caller's loop body runs.
//
// ErrStaleCursor: Reseed has begun a new generation, the server was started again, or is another one, or the cursor is no cursor of this
// store's. ErrUnavailable: the store is not believed, or the server does not answer, or is a standby.
func (s *Store) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		incarnation, snapshot := split(since)
		var first bookmark
		at := bookmark{place: place{x: start(snapshot), kind: -1}} // below all kinds
		for more := true; more; {
			var page []tokenauth.Change
			var err error
			if page, at, more, err = s.changes(ctx, incarnation, snapshot, at); err != nil {
				yield(tokenauth.Change{}, err)
				return
			}
			if first.snapshot == "" {
				first, incarnation = at, at.incarnation()
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
			}
		}
		if err := ctx.Err(); err != nil { // while the loop body ran: the cursor would be for nobody
			yield(tokenauth.Change{}, unavailable("the caller has gone", err))
			return
		}
		yield(tokenauth.Change{Next: first.cursor()}, nil)
	}
}

// incarnationSource is what the rest of a bookmark is read from, as i. The server's functions answer for the snapshot of the statement.
const incarnationSource = `(SELECT (SELECT system_identifier FROM pg_control_system()) AS system,
	(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started, pg_current_snapshot()::text AS snapshot) i`

// changes reads the next page after a place, says where it ends and whether there may be more. The rows are those that a snapshot does not
// show. ErrStaleCursor: the server is of another incarnation than is said, unless nothing is.
func (s *Store) changes(ctx context.Context, incarnation, snapshot string, after bookmark) (
	page []tokenauth.Change, at bookmark, more bool, err error) {
	var d deaths
	var now bookmark
	var m string
	err = s.read(ctx, `SELECT `+markerColumns+`, m.generation, left(m.file, 8), m.place || '.' || m.written, i.system, i.started, i.snapshot, f.*
		FROM `+markerSource+` CROSS JOIN `+incarnationSource+` CROSS JOIN (
			SELECT array_agg(kind), array_agg(subject), array_agg(id), array_agg(x), array_agg(dead_from), array_agg(expires), array_agg(min_version)
			FROM (
				SELECT * FROM ta_dead WHERE (x, kind, subject, id) > ((SELECT $2::text::xid8), $3::smallint, $4::text, $5::text) AND `+unseen+`
				ORDER BY x, kind, subject, id LIMIT (SELECT $6::bigint)) page) f`,
		[]any{snapshot, strconv.FormatInt(after.place.x, 10), after.place.kind, after.place.subject, after.place.id, changesPage},
		append([]any{&now.generation, &m, &now.tables, &now.system, &now.started, &now.snapshot}, d.dest()...)...)
	if err != nil {
		return nil, at, false, err
	}
	if now.timeline, err = strconv.ParseInt(m, 16, 64); err != nil {
		return nil, at, false, refuse("the server's log has a file of an unknown form", tokenauth.ErrUnavailable)
	}
	if incarnation != "" && (incarnation != now.incarnation() || end(snapshot) > end(now.snapshot)) {
		return nil, at, false, fmt.Errorf("pgxstore: %w", tokenauth.ErrStaleCursor)
	}
	page, now.place = d.changes(), d.last(after.place)
	return page, now, len(page) == changesPage, nil
}

// Deaths are rows of ta_dead, column by column: what is the same for all of a page is then told once, and a page of rows is a few values to
// the server and to the driver. There are a million to be read when a replica begins.
type deaths struct {
	kinds         []int16
	subjects, ids []string
	xs            []uint64
	from, until   []pgtype.Timestamptz
	minVersions   []int64
}

func (d *deaths) dest() []any {
	return []any{&d.kinds, &d.subjects, &d.ids, &d.xs, &d.from, &d.until, &d.minVersions}
}

// last returns where a page ends that begins after a place: at the highest, wherever in the arrays that may be.
func (d *deaths) last(after place) place {
	for i := range d.kinds {
		if at := (place{int64(d.xs[i]), int(d.kinds[i]), d.subjects[i], d.ids[i]}); at.compare(after) > 0 {
			after = at
		}
	}
	return after
}

func (d *deaths) changes() []tokenauth.Change {
	all := make([]tokenauth.Change, len(d.kinds))
	for i := range all {
		from, until := finite(d.from[i]), finite(d.until[i])
		switch d.kinds[i] {
		case deadToken:
			all[i] = tokenauth.Change{TokenID: d.ids[i], From: from, Until: until}
		case deadSession:
			all[i] = tokenauth.Change{SessionID: d.ids[i], Subject: d.subjects[i], From: from, Until: until}
		default:
			all[i] = tokenauth.Change{Subject: d.subjects[i], Epoch: tokenauth.Epoch{MinVersion: d.minVersions[i], NotBefore: from}}
		}
	}
	return all
}

// finite returns a moment, and the zero Time for what is no moment: -infinity, from which something is dead; infinity, until which it is.
func finite(at pgtype.Timestamptz) time.Time {
	if at.InfinityModifier != pgtype.Finite {
		return time.Time{}
	}
	return at.Time.UTC()
}

// errOneConnection is what Wait answers where it would leave nobody a connection.
var errOneConnection = errors.New("pgxstore: waiting takes a connection, and there is only one: look for changes from time to time instead")

// Wait returns nil when something may have died that since has not seen: at once where it has, else when the server says so, and every 5 s;
// or ctx's error. It takes a connection of the pool for as long, which therefore needs one more for each that waits. Behind a proxy that
// gives each transaction another connection nobody is told anything, and only the 5 s remain. ErrUnavailable: the store is not believed, or
// does not answer. Any other error: there is only one connection.
func (s *Store) Wait(ctx context.Context, since tokenauth.Cursor) error {
	if err := s.inUse(); err != nil {
		return err
	}
	if s.source.most() < 2 {
		return errOneConnection
	}
	waiting, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	err := s.lend(waiting, func(conn *pgx.Conn) error { return s.listen(waiting, conn, since) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case waiting.Err() != nil:
		return nil
	}
	return err
}

// listen waits on one connection. It listens first and then looks, so that nothing falls between. If it is cut off it leaves the connection
// listening, and so in no state for anybody else.
func (s *Store) listen(ctx context.Context, conn *pgx.Conn, since tokenauth.Cursor) error {
	var name string
	if err := conn.QueryRow(ctx, `SELECT `+channel).Scan(&name); err != nil {
		return driverError(err)
	}
	name = pgx.Identifier{name}.Sanitize()
	if _, err := conn.Exec(ctx, `LISTEN `+name); err != nil {
		return driverError(err)
	}
	err := s.hear(ctx, conn, since)
	if ctx.Err() == nil && !conn.IsClosed() {
		if _, failed := conn.Exec(ctx, `UNLISTEN `+name); failed == nil {
			return err
		}
	}
	closeNow(conn)
	return err
}

// hear returns when there is something that since has not seen, or when it is woken.
func (s *Store) hear(ctx context.Context, conn *pgx.Conn, since tokenauth.Cursor) error {
	incarnation, snapshot := split(since)
	var row markerRow
	var now bookmark
	var m string
	var news bool
	before := s.watch.seen()
	err := conn.QueryRow(ctx, `SELECT `+markerColumns+`, m.generation, left(m.file, 8), m.place || '.' || m.written, i.system, i.started, i.snapshot,
			(SELECT x FROM ta_dead WHERE x >= (SELECT pg_snapshot_xmin($1::text::pg_snapshot)) AND `+unseen+` ORDER BY x LIMIT 1) IS NOT NULL
		FROM `+markerSource+` CROSS JOIN `+incarnationSource, snapshot).
		Scan(row.dest(&now.generation, &m, &now.tables, &now.system, &now.started, &now.snapshot, &news)...)
	found := !errors.Is(err, pgx.ErrNoRows)
	if found && err != nil {
		return driverError(err)
	}
	if err := s.believe(before, &row, found); err != nil {
		return err
	}
	now.timeline, err = strconv.ParseInt(m, 16, 64)
	if news || err != nil || incarnation != now.incarnation() || end(snapshot) > end(now.snapshot) { // whoever reads on is told what is wrong
		return nil
	}
	if _, err := conn.WaitForNotification(ctx); err != nil {
		return driverError(err)
	}
	return nil
}
