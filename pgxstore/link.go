package pgxstore

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/a74cfa30/tokenauth"
)

// Connections are lent to one call at a time, and a call that finds its connection dead takes another: a pool holds connections to a server
// that has been restarted since, and to nobody's surprise. Who calls is told of an outage only if the next one is dead as well.
//
// A connection on which a call was cut off is nobody's any more. Returned to its pool it would hold its place there while the driver waits
// for the server to say goodbye, for up to 15 s, also when that is long back; so it is taken out of the pool first.

// A source lends connections.
type source interface {
	// take waits for a connection, until ctx ends. back must be called.
	take(ctx context.Context) (conn *pgx.Conn, back func(), err error)
	// most is how many there may be at once.
	most() int
}

// pooled lends connections of a pool.
type pooled struct{ pool *pgxpool.Pool }

func (p pooled) take(ctx context.Context) (*pgx.Conn, func(), error) {
	c, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, unavailable("connecting", err)
	}
	if inTransaction(c.Conn()) { // the pool's own hooks have begun it
		c.Release()
		return nil, nil, errInTransaction()
	}
	return c.Conn(), func() {
		if isIdle(c.Conn()) {
			c.Release()
		} else {
			closeNow(c.Hijack())
		}
	}, nil
}

func (p pooled) most() int { return int(p.pool.Stat().MaxConns()) }

// A single lends one connection.
type single struct {
	conn *pgx.Conn
	free chan struct{}
}

func newSingle(conn *pgx.Conn) single {
	s := single{conn, make(chan struct{}, 1)}
	s.free <- struct{}{}
	return s
}

func (s single) take(ctx context.Context) (*pgx.Conn, func(), error) {
	select {
	case <-s.free:
	case <-ctx.Done():
		return nil, nil, unavailable("waiting for the connection", ctx.Err())
	}
	if inTransaction(s.conn) {
		s.free <- struct{}{}
		return nil, nil, errInTransaction()
	}
	return s.conn, func() {
		if !isIdle(s.conn) {
			closeNow(s.conn)
		}
		s.free <- struct{}{}
	}, nil
}

func (single) most() int { return 1 }

// isIdle says whether a connection is as good as new.
func isIdle(conn *pgx.Conn) bool {
	return !conn.IsClosed() && !conn.PgConn().IsBusy() && conn.PgConn().TxStatus() == 'I'
}

// inTransaction says whether somebody else has begun a transaction on a connection: what is read there may be as old as that, and what is
// written may never be committed.
func inTransaction(conn *pgx.Conn) bool { return !conn.IsClosed() && conn.PgConn().TxStatus() != 'I' }

func errInTransaction() error {
	return refuse("the connection is within a transaction of somebody else's", tokenauth.ErrUnavailable)
}

// closeNow closes a connection without waiting for the server, who rolls back what was begun on it.
func closeNow(conn *pgx.Conn) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = conn.Close(ended) // closed it is
}

// attempts is how many connections a call may find dead.
const attempts = 3

// lend lends do a connection, and another one where that was dead, or where two transactions stood in each other's way and this one was
// chosen to begin again.
func (s *Store) lend(ctx context.Context, do func(conn *pgx.Conn) error) error {
	if err := s.inUse(); err != nil {
		return err
	}
	for dead := 0; ; {
		if err := ctx.Err(); err != nil {
			return unavailable("the caller has gone", err)
		}
		conn, back, err := s.source.take(ctx)
		if err != nil {
			return err
		}
		gone, err := tried(conn, back, do)
		switch {
		case err == nil || ctx.Err() != nil || isFinal(err):
			return err
		case gone:
			if dead++; dead == attempts {
				return err
			}
		case isConflict(err):
			if ended := pause(ctx); ended != nil {
				return unavailable("waiting for another transaction", ended)
			}
		default:
			return err
		}
	}
}

// tried calls do, gives the connection back, even when do panics, and says whether it was dead.
func tried(conn *pgx.Conn, back func(), do func(conn *pgx.Conn) error) (gone bool, err error) {
	defer back()
	err = do(conn)
	return conn.IsClosed(), err
}

// pause waits some milliseconds. They are random, so that those who wait do not come back together.
func pause(ctx context.Context) error {
	timer := time.NewTimer(time.Millisecond + rand.N(7*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
