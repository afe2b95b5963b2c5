package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"
	"os"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A link is one connection to the database, held by one call at a time. Links are kept here and not in database/sql's pool, for three
// reasons. A pragma and a prepared statement belong to one connection: here each is checked and compiled once. Nobody else can change the
// pragmas meanwhile. And it is known on which file a link was opened, so that one on a file that is no longer the store's is dropped.
//
// A link that has failed is dropped, too: nobody knows in which state it is.
type link struct {
	conn       *sql.Conn
	file       os.FileInfo // nil: not known
	statements map[string]*sql.Stmt
	failed     bool

	incarnation string // of file, see disk
	news        bool   // the transaction under way adds to the feed
}

// places returns n places for links, all free and without a link yet.
func places(n int) chan *link {
	free := make(chan *link, n)
	for range n {
		free <- nil
	}
	return free
}

// take waits for a place, until ctx ends, and returns its link, on the file that is the store's now. put must follow.
func (s *Store) take(ctx context.Context, free chan *link) (*link, error) {
	if err := s.inUse(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, unavailable("the caller has gone", err)
	}
	select {
	case l := <-free:
		l, err := s.current(ctx, l)
		if err != nil {
			free <- nil
		}
		return l, err
	case <-ctx.Done():
		return nil, unavailable("waiting for a connection", ctx.Err())
	case <-s.closed:
		return nil, errClosed()
	}
}

// inUse says whether the Store came from Open or New, and is not closed. The zero Store has neither places nor a clock.
func (s *Store) inUse() error {
	if s.closed == nil {
		return refuse("the Store was made by neither Open nor New", tokenauth.ErrUnavailable)
	}
	select {
	case <-s.closed:
		return errClosed()
	default:
		return nil
	}
}

func errClosed() error { return refuse("the Store is closed", tokenauth.ErrUnavailable) }

// put gives a place back.
func (s *Store) put(free chan *link, l *link) {
	if l.failed {
		l.drop()
		l = nil
	}
	free <- l
}

// current returns l if it is on the store's file, and otherwise a new link that is.
func (s *Store) current(ctx context.Context, l *link) (*link, error) {
	file, err := s.disk.stat()
	if err == nil && l != nil && sameFile(file, l.file) && s.disk.inSight(l.incarnation) {
		return l, nil
	}
	if l != nil {
		l.drop()
	}
	s.disk.note(file)
	if err != nil {
		return nil, err
	}
	return s.connect(ctx, file)
}

// connect makes a link on file.
func (s *Store) connect(ctx context.Context, file os.FileInfo) (*link, error) {
	if err := s.disk.mayConnect(file); err != nil {
		return nil, err
	}
	l, err := s.openLink(ctx, file)
	if err != nil {
		if ctx.Err() == nil && s.disk.isStill(file) == nil {
			s.disk.failed(file, err)
		}
		return nil, err
	}
	l.incarnation = s.disk.connected(file)
	return l, nil
}

// openLink opens a connection and looks whether it is as it must be.
func (s *Store) openLink(ctx context.Context, file os.FileInfo) (*link, error) {
	var l *link
	err := patiently(ctx, func() error {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return unavailable("connecting", err)
		}
		l = &link{conn: conn, file: file, statements: map[string]*sql.Stmt{}}
		if err = s.checkSettings(ctx, l); err == nil {
			err = s.disk.isStill(file)
		}
		if err != nil {
			l.drop()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// patiently calls try until it is not told that the database is busy, or ctx ends. The driver can wait as well, but does not look at the
// context while it does. The pauses are random, so that those who wait do not come back together.
func patiently(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil || !isBusy(err) {
			return err
		}
		pause := time.NewTimer(time.Millisecond + rand.N(7*time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return unavailable("waiting for another process", ctx.Err())
		}
	}
}

// release gives the connection back to where it came from.
func (l *link) release() {
	l.closeStatements()
	_ = l.conn.Close()
}

// drop closes the connection for good, and with it rolls back what was begun on it.
func (l *link) drop() {
	l.closeStatements()
	_ = l.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = l.conn.Close()
}

func (l *link) closeStatements() {
	for _, statement := range l.statements {
		_ = statement.Close()
	}
}

// prepared returns the statement, compiled when it is first used. All statements here are fixed texts, so there are few of them.
func (l *link) prepared(ctx context.Context, statement string) (*sql.Stmt, error) {
	if p := l.statements[statement]; p != nil {
		return p, nil
	}
	p, err := l.conn.PrepareContext(ctx, statement)
	if resultCode(err) == codeError { // a table is missing: nothing has been done, and the connection is as good as another
		return nil, driverError("asking the database", err)
	}
	if err != nil {
		return nil, l.fail(err)
	}
	l.statements[statement] = p
	return p, nil
}

// fail notes what the driver answered.
func (l *link) fail(err error) error {
	if !isBusy(err) {
		l.failed = true
	}
	return driverError("asking the database", err)
}

// exec runs a short statement and says how many rows it changed. It does not end with ctx: the driver watches a context by a goroutine,
// which costs as much as the statement does.
func (l *link) exec(ctx context.Context, statement string, args ...any) (int, error) {
	return l.execLong(context.WithoutCancel(ctx), statement, args...)
}

// execLong is exec for a statement that may take long, and ends with ctx.
func (l *link) execLong(ctx context.Context, statement string, args ...any) (int, error) {
	p, err := l.prepared(ctx, statement)
	if err != nil {
		return 0, err
	}
	result, err := p.ExecContext(ctx, args...)
	if err != nil {
		return 0, l.fail(err)
	}
	changed, err := result.RowsAffected()
	if err != nil {
		return 0, l.fail(err)
	}
	return int(changed), nil
}

// row runs a short statement, writes its first row to dest and says whether there was one.
func (l *link) row(ctx context.Context, statement string, args []any, dest ...any) (found bool, err error) {
	err = l.rows(ctx, statement, args, func(scan func(dest ...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	})
	return found, err
}

// rows runs a short statement and calls each for every row, to the last: a statement that changes something has not finished before.
func (l *link) rows(ctx context.Context, statement string, args []any, each func(scan func(dest ...any) error) error) error {
	p, err := l.prepared(ctx, statement)
	if err != nil {
		return err
	}
	rows, err := p.QueryContext(context.WithoutCancel(ctx), args...)
	if err != nil {
		return l.fail(err)
	}
	defer func() { _ = rows.Close() }() // it says again what Err says
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return l.fail(err)
		}
	}
	if err := rows.Err(); err != nil {
		return l.fail(err)
	}
	return nil
}
