// Package sqlitestore keeps every port of package tokenauth in one SQLite file: the store to begin with, and for many services the only
// one they need. It is pure Go and brings no server.
//
//	store, err := sqlitestore.Open(ctx, "tokens.db", sqlitestore.Config{})
//	...
//	err = store.Migrate(ctx)
//
// Several processes of one machine may share a file. It must lie on a local disk: SQLite's locks and its shared memory do not work over a
// network file system.
//
// # What it promises
//
// A call that returned nil is on the disk: it survives a kill -9 and, unless Config.NotPowerSafe says otherwise, a power loss, as far as
// the disk keeps what it has acknowledged. CheckDurability says what the connection promises. A call that returned
// tokenauth.ErrUnavailable may have counted.
//
// Every write is one transaction, a revocation with all its cascade included. Writers go one at a time, in this process in the order in
// which they came; a writer that waits for another process gives up when its context ends, and not later. Look-ups wait for no writer.
//
// # How a loss is noticed
//
// Migrate writes a marker, once. A file without it answers every call with tokenauth.ErrUnavailable, and no write brings the marker back.
// Beside it the store counts its writes, and each process remembers the highest count it saw: a file that was replaced by an older copy of
// itself, or by another store, is not believed from then on, until Reseed. A process that starts afterwards has seen nothing, so it cannot
// know; Config.ExpectGeneration tells it at least a fresh store from the one that was lost.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/a74cfa30/tokenauth"
)

// A Config configures a Store. The zero Config is ready for use, and safe.
type Config struct {
	// Now is the store's clock; nil: time.Now. It must be safe for concurrent use. It decides when a rotated token retires, when a session
	// is over, how far ahead a NotBefore may lie, when a one-time key and a session that is over may be forgotten, and the NotBefore that
	// Reseed writes. It never decides whether a token has expired: that is the verifier's to judge. SQLite's own clock is never asked.
	Now func() time.Time
	// Readers is how many look-ups run at once, each on a connection of its own; 0 or less: 4, or the number of processors if that is more.
	Readers int
	// ExpectGeneration, if set, is what Generation answered when the store was set up, or later. A store of another generation, that no
	// later Reseed has begun, is ErrUnavailable: a volume that came back empty and was migrated by a program that always migrates is not believed.
	ExpectGeneration string
	// NotPowerSafe sets synchronous to NORMAL: writes are several times as fast, and a power loss or a crash of the system forgets the last
	// of them, revocations included. A kill -9 still loses nothing.
	NotPowerSafe bool
}

// A Store is every port of package tokenauth, with its writers, in an SQLite file. It is safe for concurrent use. Open and New make it; the
// zero Store answers tokenauth.ErrUnavailable.
type Store struct {
	db      *sql.DB
	owned   bool // Open made db, so Close closes it
	now     func() time.Time
	flushes int // the least synchronous that is accepted

	// The free connections, nil where one has yet to be made. The one place for a writer is also what orders the writers.
	readers, writer chan *link
	closed          chan struct{}
	closing         sync.Once

	disk  disk
	watch watch
	bell  bell // rung when something has died
}

var (
	_ tokenauth.TokenStore    = (*Store)(nil)
	_ tokenauth.SessionWriter = (*Store)(nil)
	_ tokenauth.EpochWriter   = (*Store)(nil)
	_ tokenauth.OneTimeStore  = (*Store)(nil)
)

// Open opens the store in the file at path and sets all it needs on each connection: WAL, synchronous FULL, no waiting in the driver. A
// file that is not there is made, empty and for this user only; call Migrate before anything else. Close frees what Open took.
//
// If the file at path is later replaced by another one, the Store goes on with that, and believes it only if it is no older.
func Open(ctx context.Context, path string, cfg Config) (*Store, error) {
	if path == "" {
		return nil, errors.New("sqlitestore: path: empty")
	}
	first, err := expected(cfg.ExpectGeneration)
	if err != nil {
		return nil, err
	}
	path, err = filepath.Abs(path) // so that neither :memory: nor a later chdir means something else
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: path: %w", err)
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("sqlitestore: path: %w", err)
	}
	connector, err := sqlite.NewConnector(dsn(path, cfg))
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: path: %w", err)
	}
	s := newStore(sql.OpenDB(connector), cfg, first)
	s.owned, s.disk.path = true, path
	s.db.SetMaxIdleConns(-1) // the Store keeps its connections itself
	if err := s.try(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// New makes a store in a database that the caller opened by the driver of modernc.org/sqlite, and that may hold tables of the caller's own:
// all names here begin with ta_. Each connection it uses must have journal_mode WAL, synchronous FULL or more (NORMAL with
// Config.NotPowerSafe) and busy_timeout 0; one that has not is refused, here and later, because a pragma reaches one connection of a pool
// only. Have them in the DSN:
//
//	file:app.db?_pragma=busy_timeout(0)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)
//
// The store keeps up to Config.Readers + 1 connections of db for itself; Close returns them and leaves db open. db must allow for one more
// than that, or the caller's own use of it waits for ever. If the database's file is replaced, the store is ErrUnavailable from then on:
// make a new db, and a new Store.
func New(ctx context.Context, db *sql.DB, cfg Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlitestore: db: nil")
	}
	first, err := expected(cfg.ExpectGeneration)
	if err != nil {
		return nil, err
	}
	s := newStore(db, cfg, first)
	if most := db.Stats().MaxOpenConnections; most > 0 && most <= cap(s.readers)+cap(s.writer) {
		return nil, fmt.Errorf("sqlitestore: db: at most %d connections, and more than %d are needed, see Config.Readers", most, cap(s.readers)+cap(s.writer))
	}
	if err := s.findFile(ctx); err != nil {
		return nil, err
	}
	if err := s.try(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// newStore returns a store without any connection yet, as if it had seen the marker first.
func newStore(db *sql.DB, cfg Config, first marker) *Store {
	s := &Store{db: db, now: cfg.Now, flushes: synchronousFull, closed: make(chan struct{}), watch: watch{last: first}}
	if s.now == nil {
		s.now = time.Now
	}
	if cfg.NotPowerSafe {
		s.flushes = synchronousNormal
	}
	if cfg.Readers <= 0 {
		cfg.Readers = max(4, runtime.GOMAXPROCS(0))
	}
	s.readers, s.writer = places(cfg.Readers), places(1)
	return s
}

// try makes the writer's connection, so that a database that cannot be used is refused at once.
func (s *Store) try(ctx context.Context) error {
	l, err := s.take(ctx, s.writer)
	if err != nil {
		return err
	}
	s.put(s.writer, l)
	return nil
}

// findFile learns where the caller's database lies.
func (s *Store) findFile(ctx context.Context) error {
	err := s.db.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&s.disk.path)
	if err != nil {
		return unavailable("finding the database's file", err)
	}
	s.disk.only, err = s.disk.stat() // nothing, if it is in memory, and then its journal mode tells
	return err
}

// Close waits for the calls under way, frees the store's connections and, if Open made it, closes the database. Later calls are
// ErrUnavailable. It may be called again.
func (s *Store) Close() error {
	if s.closed == nil {
		return nil
	}
	var err error
	s.closing.Do(func() {
		close(s.closed)
		for _, all := range []chan *link{s.readers, s.writer} {
			for range cap(all) {
				if l := <-all; l != nil {
					l.release()
				}
			}
		}
		if s.owned {
			err = s.db.Close()
		}
	})
	return err
}

// dsn says how each connection is opened. mode=rw: a file that was deleted is not made anew behind our back.
func dsn(path string, cfg Config) string {
	synchronous := "FULL"
	if cfg.NotPowerSafe {
		synchronous = "NORMAL"
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/...
	}
	file := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"mode": {"rw"},
		"_pragma": {
			"busy_timeout(0)",
			"journal_mode(WAL)",
			"synchronous(" + synchronous + ")",
			"fullfsync(1)", // on macOS a plain fsync leaves the data in the disk's cache
			"checkpoint_fullfsync(1)",
		},
	}.Encode()}
	return file.String()
}
