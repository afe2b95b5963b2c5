package sqlitestore

import (
	"context"
	"errors"
)

// A look-up is one statement, and a write is one transaction that takes SQLite's one write lock before it looks at anything. So nothing
// changes between what a writer reads and what it writes, and the writes of all processes are in one order. It makes a cascade one step:
// who saw the parent live has committed its child before, and dies with it; who comes later finds the parent dead.

// read runs a statement of one row that begins with markerColumns, and writes the columns behind them to dest. Look-ups are not
// interrupted: one reads some pages and is done before an interrupt would reach it.
func (s *Store) read(ctx context.Context, statement string, args []any, dest ...any) error {
	before := s.watch.seen()
	var m marker
	found := false
	err := s.onReader(ctx, func(l *link) (err error) {
		found, err = l.row(ctx, statement, args, m.dest(dest...)...)
		return err
	})
	if err != nil {
		return err
	}
	return s.believe(before, m, found)
}

// onReader lends a reader's connection to a look-up, again and again while another process is in its way.
func (s *Store) onReader(ctx context.Context, lookUp func(*link) error) error {
	l, err := s.take(ctx, s.readers)
	if err != nil {
		return err
	}
	defer s.put(s.readers, l)
	if err := patiently(ctx, func() error { return lookUp(l) }); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unavailable("the caller has gone", err)
	}
	return nil
}

// believe says whether a store may be believed that showed m, or no marker.
func (s *Store) believe(before, m marker, found bool) error {
	if !found {
		return errNoMarker()
	}
	return s.watch.check(before, m)
}

// errUnchanged ends a transaction that has nothing to commit.
var errUnchanged = errors.New("sqlitestore: unchanged")

// write runs change in a transaction, as one step and durable when it returns nil. Where change returns an error nothing is written;
// errUnchanged is no error to the caller. change may be run again, so it must not add to what it computed before.
func (s *Store) write(ctx context.Context, change func(tx *link) error) error {
	return s.transact(ctx, func(tx *link) (marker, error) {
		before := s.watch.seen()
		var m marker
		found, err := tx.row(ctx, `SELECT `+markerColumns+` FROM ta_meta m`, nil, m.dest()...)
		if err != nil {
			return m, err
		}
		if err := s.believe(before, m, found); err != nil {
			return m, err
		}
		if err := change(tx); err != nil {
			return m, err
		}
		m.writes++
		_, err = tx.exec(ctx, `UPDATE ta_meta SET writes = ?1`, m.writes)
		return m, err
	})
}

// transact runs work in a transaction under the write lock, commits, and notes the marker that work has left behind.
func (s *Store) transact(ctx context.Context, work func(tx *link) (marker, error)) error {
	l, err := s.take(ctx, s.writer)
	if err != nil {
		return err
	}
	defer s.put(s.writer, l)
	err = patiently(ctx, func() error { return s.attempt(ctx, l, work) })
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// attempt is transact, once.
func (s *Store) attempt(ctx context.Context, tx *link, work func(tx *link) (marker, error)) error {
	if _, err := tx.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	tx.news = false
	committed := false
	defer func() { // after a panic of the caller's clock, too
		if !committed {
			tx.rollBack(ctx)
		}
	}()
	m, err := work(tx)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unavailable("the caller has gone", err)
	}
	if _, err := tx.exec(ctx, `COMMIT`); err != nil {
		return err
	}
	committed = true
	s.watch.wrote(m)
	if tx.news {
		s.bell.ring()
	}
	// What went to a file that is no longer the store's is lost, though SQLite knows nothing of it.
	return s.disk.isStill(tx.file)
}

// rollBack undoes what was begun. A link that cannot is dropped, which does the same.
func (l *link) rollBack(ctx context.Context) {
	if l.failed {
		return
	}
	if _, err := l.exec(ctx, `ROLLBACK`); err != nil {
		l.failed = true
	}
}
