// Package pgxstore keeps every port of package tokenauth in PostgreSQL, for a service of several processes on several machines. It needs
// PostgreSQL 13 or later, and the driver pgx.
//
//	store, err := pgxstore.Open("postgres://db.example/auth", pgxstore.Config{})
//	...
//	err = store.Migrate(ctx)
//
// Its tables, whose names begin with ta_, lie in the first schema of the connection's search_path, beside the service's own if it likes.
//
// # What it promises
//
// A call that returned nil is on the server's disk, as far as the server is set up to keep what it has acknowledged: CheckDurability says
// what it is set up to. A call that returned tokenauth.ErrUnavailable may have counted. A server that fails over to a standby which follows
// it asynchronously loses what the standby had not received; only a synchronous standby does not. A call that finds its work done waits as
// long as one that does it: whoever did it may have been told that it failed, because no standby had it yet. Touch, DeleteExpired and Migrate
// do not, where they have nothing to do: they promise nobody's end.
//
// A revocation is one transaction with all its cascade, and a revocation by filter one for each 500 families. Writers of one family of
// tokens wait for each other, and nobody else. Look-ups wait for no writer. Every statement reads what is committed, and no isolation level
// of the connection changes that.
//
// # How a loss is noticed
//
// Migrate writes a marker, once. A database without it answers every call with tokenauth.ErrUnavailable, and no write brings the marker
// back. Every statement that reads the store's data also reads how far the server's log and its deaths have come, and each process
// remembers the furthest it saw: a server that was put back to an older copy of its data, or a standby that was promoted without the last
// revocations, is not believed from then on, until Reseed. Nor are tables that stand in the place of those that were seen, as a dump makes
// them. A process that starts afterwards has seen nothing, so it cannot know; Config.ExpectGeneration tells it at least a fresh store from the
// one that was lost.
package pgxstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/a74cfa30/tokenauth"
)

// A Config configures a Store. The zero Config is ready for use, and safe.
type Config struct {
	// Now is the store's clock; nil: time.Now. It must be safe for concurrent use. It decides when a rotated token retires, when a session
	// is over, how far ahead a NotBefore may lie, when a one-time key and a session that is over may be forgotten, and the NotBefore that
	// Reseed writes. It never decides whether a token has expired: that is the verifier's to judge. The server's clock is never asked.
	Now func() time.Time
	// ExpectGeneration, if set, is what Generation answered when the store was set up, or later. A store of another generation is
	// ErrUnavailable, unless a Reseed has begun that since: a database that came back empty and was migrated by a program that always
	// migrates is not believed, nor one of before the last Reseed that was seen.
	ExpectGeneration string
}

// A Store is every port of package tokenauth, with its writers, in PostgreSQL. It is safe for concurrent use. Open, New and NewConn make
// it; the zero Store answers tokenauth.ErrUnavailable.
type Store struct {
	source source
	close  func() // what Open made
	now    func() time.Time
	watch  watch
}

var (
	_ tokenauth.TokenStore    = (*Store)(nil)
	_ tokenauth.SessionWriter = (*Store)(nil)
	_ tokenauth.EpochWriter   = (*Store)(nil)
	_ tokenauth.OneTimeStore  = (*Store)(nil)
)

// maxConnectTimeout is how long making a connection may take. A place in a pool is taken for as long, and so it is also how long a store
// may stay unavailable after its server is back.
const maxConnectTimeout = 2 * time.Second

// Open makes a store with a pool of its own, from a connection string as pgxpool.ParseConfig takes it, tuned by Tune. It connects to
// nobody yet. Close closes the pool. No error, here or later, quotes the string or what it names.
//
// A call waits for a free connection as long as its context allows, so pool_max_conns should be at least how many calls the service makes
// at once: it is 4 or the number of processors, unless the connection string says otherwise.
func Open(connString string, cfg Config) (*Store, error) {
	settings, err := pgxpool.ParseConfig(connString)
	if err != nil {
		return nil, errors.New("pgxstore: connection string: cannot be parsed") // what the driver says may quote the password
	}
	Tune(settings)
	pool, err := pgxpool.NewWithConfig(context.Background(), settings)
	if err != nil {
		return nil, fmt.Errorf("pgxstore: pool: %w", err)
	}
	s, err := New(pool, cfg)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.close = sync.OnceFunc(pool.Close)
	return s, nil
}

// Tune prepares a pool of the caller's own for New. It bounds how long connecting takes, at 2 s, and turns off the pool's habit of asking
// a connection that was idle whether it lives: a call that finds it dead takes another one, and a question that nobody answers would hold
// the place in the pool for 15 s after the server is back.
func Tune(settings *pgxpool.Config) {
	if c := settings.ConnConfig; c.ConnectTimeout <= 0 || c.ConnectTimeout > maxConnectTimeout {
		c.ConnectTimeout = maxConnectTimeout
	}
	settings.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
}

// New makes a store of the caller's pool, which stays the caller's to close; see Tune. It refuses one whose connections speak the simple
// protocol, which puts values into the text of statements, or whose connect_timeout is not set or above 2 s.
func New(pool *pgxpool.Pool, cfg Config) (*Store, error) {
	if pool == nil {
		return nil, errors.New("pgxstore: pool: nil")
	}
	settings := pool.Config().ConnConfig
	if err := checkProtocol(settings); err != nil {
		return nil, err
	}
	if settings.ConnectTimeout <= 0 || settings.ConnectTimeout > maxConnectTimeout {
		return nil, errors.New("pgxstore: pool: connect_timeout must be set, and at most 2 s, see Tune")
	}
	return newStore(pooled{pool}, cfg)
}

// NewConn makes a store of one connection, for a program that does one thing at a time. Calls wait for each other. Nobody else may use the
// connection meanwhile; while the caller has a transaction open on it, calls are ErrUnavailable. A call that is cut off by its context ends
// the connection, and with it the store.
func NewConn(conn *pgx.Conn, cfg Config) (*Store, error) {
	if conn == nil {
		return nil, errors.New("pgxstore: conn: nil")
	}
	if err := checkProtocol(conn.Config()); err != nil {
		return nil, err
	}
	return newStore(newSingle(conn), cfg)
}

// checkProtocol refuses what sends values within the text of a statement.
func checkProtocol(settings *pgx.ConnConfig) error {
	if settings.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return errors.New("pgxstore: default_query_exec_mode: the simple protocol puts values into statements")
	}
	return nil
}

func newStore(from source, cfg Config) (*Store, error) {
	expected, err := parseGeneration(cfg.ExpectGeneration)
	if err != nil {
		return nil, err
	}
	s := &Store{source: from, close: func() {}, now: cfg.Now, watch: watch{last: expected}}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Close waits for the calls under way and closes the pool that Open made; of New and NewConn the pool and the connection stay open. Calls
// on a closed pool are ErrUnavailable. It may be called again.
func (s *Store) Close() error {
	if s.close != nil {
		s.close()
	}
	return nil
}

// inUse says whether the Store came from Open, New or NewConn. The zero Store has neither a connection nor a clock.
func (s *Store) inUse() error {
	if s.source == nil {
		return refuse("the Store was made by none of Open, New and NewConn", tokenauth.ErrUnavailable)
	}
	return nil
}
