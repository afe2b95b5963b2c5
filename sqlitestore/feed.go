package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// What has died, for those who hold it in memory. There is one writer at a time, so the numbers of ta_dead are the order of commits: a
// reader who has seen one has seen all below it. A death that changes moves to the end, and what is in the table is what is dead, so any
// reader can catch up from anywhere and nothing has to be kept for the slow ones.
//
// A cursor says how far its reader has come, in which generation and on which file. A number means nothing in another one: the copy that
// was restored gives out the numbers of what it has lost a second time. A file that was out of sight counts as another one.

// changesPage is how many changes are read at once: some milliseconds, for which a reader's connection is taken.
const changesPage = 5_000

// pollEvery is the shortest pause between two looks for what other processes have written; the longest is twice that.
const pollEvery = 50 * time.Millisecond

var _ tokenauth.Source = (*Store)(nil)

// A bookmark is what a cursor says.
type bookmark struct {
	generation  string
	incarnation string // of the file, as this Store names it
	seq         int64  // of the last change that was seen
}

func (b bookmark) cursor() tokenauth.Cursor {
	return tokenauth.Cursor(b.generation + "." + b.incarnation + "." + strconv.FormatInt(b.seq, 10))
}

// bookmarkOf reads a cursor. What is none of this package's is the bookmark of nowhere.
func bookmarkOf(c tokenauth.Cursor) bookmark {
	parts := strings.Split(string(c), ".")
	if len(parts) != 3 {
		return bookmark{}
	}
	seq, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || seq < 0 {
		return bookmark{}
	}
	return bookmark{parts[0], parts[1], seq}
}

// Changes yields what has died since a cursor, and last the cursor to go on from: see tokenauth.Source. It reads 5,000 changes at a time
// and holds nothing while the caller's loop body runs.
//
// A cursor is good for this Store only, so that a process begins with the zero one. ErrStaleCursor: Reseed has begun a new generation, the
// file was replaced or out of sight, or the cursor is another Store's. ErrUnavailable: the store is not believed, or does not answer.
func (s *Store) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		at := since
		var page []tokenauth.Change
		for more := true; more; {
			var err error
			if page, at, more, err = s.changes(ctx, at, page); err != nil {
				yield(tokenauth.Change{}, err)
				return
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
		yield(tokenauth.Change{Next: at}, nil)
	}
}

// changes reads the next page into the memory of the last, and says where it ends and whether there may be more. Only a page that is not
// full ends a read, and not the number that was the last when it began: what is written meanwhile may be a death that was read by nobody
// yet, moved to the end.
func (s *Store) changes(ctx context.Context, since tokenauth.Cursor, last []tokenauth.Change) (
	page []tokenauth.Change, next tokenauth.Cursor, more bool, err error,
) {
	now, err := s.lookFrom(ctx, since, func(l *link, now *bookmark) error {
		page = last[:0]
		from := bookmarkOf(since).seq // 0 of the zero cursor
		var d death
		dest := d.dest()
		err := l.rows(ctx, `SELECT `+deathColumns+` FROM ta_dead WHERE seq > ?1 ORDER BY seq LIMIT ?2`,
			[]any{from, changesPage}, func(scan func(...any) error) error {
				if err := scan(dest...); err != nil {
					return err
				}
				page = append(page, d.change())
				return nil
			})
		if more = len(page) == changesPage; more {
			now.seq = d.number(seqColumn)
		}
		return err
	})
	if err != nil {
		return nil, "", false, err
	}
	return page, now.cursor(), more, nil
}

// A death is a row of ta_dead as the driver gives it: database/sql would turn each number into text and back, and a replica that begins
// reads a million. The table is STRICT, so that the types are what they are declared to be.
type death [7]any

func (d *death) dest() []any {
	return []any{&d[0], &d[1], &d[2], &d[3], &d[4], &d[5], &d[6]}
}

func (d *death) number(column int) int64 { n, _ := d[column].(int64); return n }

func (d *death) text(column int) string { s, _ := d[column].(string); return s }

// moment returns the zero Time for NULL.
func (d *death) moment(column int) time.Time {
	n, ok := d[column].(int64)
	return timeOf(sql.NullInt64{Int64: n, Valid: ok})
}

// The columns, in the order of deathColumns.
const (
	deathColumns = `seq, kind, subject, id, dead_from, expires, min_version`

	seqColumn = iota - 1
	kindColumn
	subjectColumn
	idColumn
	fromColumn
	expiresColumn
	versionColumn
)

func (d *death) change() tokenauth.Change {
	switch d.number(kindColumn) {
	case deadToken:
		return tokenauth.Change{TokenID: d.text(idColumn), From: d.moment(fromColumn), Until: d.moment(expiresColumn)}
	case deadSession:
		return tokenauth.Change{
			SessionID: d.text(idColumn), Subject: d.text(subjectColumn), From: d.moment(fromColumn), Until: d.moment(expiresColumn),
		}
	default:
		epoch := tokenauth.Epoch{MinVersion: d.number(versionColumn), NotBefore: d.moment(fromColumn)}
		return tokenauth.Change{Subject: d.text(subjectColumn), Epoch: epoch}
	}
}

// lookFrom returns where the feed ends now, and reads more of it in the same snapshot. ErrStaleCursor: since is of another incarnation, or
// ahead of this one.
func (s *Store) lookFrom(ctx context.Context, since tokenauth.Cursor, read func(l *link, now *bookmark) error) (now bookmark, err error) {
	before := s.watch.seen()
	var m marker
	var found, stale bool
	err = s.onReader(ctx, func(l *link) error {
		return l.inSnapshot(ctx, func() (err error) {
			if found, err = l.row(ctx, `SELECT `+markerColumns+` FROM ta_meta m`, nil, m.dest()...); err != nil || !found {
				return err
			}
			last, err := l.lastDeath(ctx)
			if err != nil {
				return err
			}
			now = bookmark{m.generation, l.incarnation, last}
			if stale = since != "" && !bookmarkOf(since).before(now); stale {
				return nil
			}
			return read(l, &now)
		})
	})
	if err == nil {
		err = s.believe(before, m, found)
	}
	if err == nil && stale {
		err = fmt.Errorf("sqlitestore: %w", tokenauth.ErrStaleCursor)
	}
	return now, err
}

// before says whether b is a bookmark in the incarnation of now, and not ahead of it.
func (b bookmark) before(now bookmark) bool {
	return b.generation == now.generation && b.incarnation == now.incarnation && b.seq <= now.seq
}

// inSnapshot lets all statements of read see the same moment.
func (l *link) inSnapshot(ctx context.Context, read func() error) error {
	if _, err := l.exec(ctx, `BEGIN`); err != nil {
		return err
	}
	defer l.rollBack(ctx) // nothing was written
	return read()
}

// Wait returns nil when something may have died that since has not seen: at once where this Store wrote it, within 100 ms where another
// process did; or ctx's error. ErrUnavailable: the store is not believed, or does not answer. It keeps no connection while it waits.
func (s *Store) Wait(ctx context.Context, since tokenauth.Cursor) error {
	for {
		rung := s.bell.listen() // before the look, so that nothing falls between
		var seen bool
		_, err := s.lookFrom(ctx, since, func(_ *link, now *bookmark) error {
			seen = bookmarkOf(since) == *now
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, tokenauth.ErrStaleCursor):
			return err
		case !seen:
			return nil
		}
		if err := s.pause(ctx, rung); err != nil {
			return err
		}
	}
}

// pause waits for the bell, or until it is time to look again.
func (s *Store) pause(ctx context.Context, rung <-chan struct{}) error {
	again := time.NewTimer(pollEvery + rand.N(pollEvery))
	defer again.Stop()
	select {
	case <-rung:
	case <-again.C:
	case <-s.closed:
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// A bell is rung for all who wait. The zero bell is ready for use.
type bell struct {
	mu   sync.Mutex
	rung chan struct{} // nil: nobody listens
}

// listen returns what is closed when the bell rings next.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}
