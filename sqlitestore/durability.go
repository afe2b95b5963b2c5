package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/a74cfa30/tokenauth"
)

// What SQLite promises depends on settings of the connection, and a setting that is refused is ignored in silence: a journal mode that the
// file system cannot do, a pragma of a misspelt DSN. So each connection is asked what it really has before it is used.

// ErrNotDurable is what CheckDurability wraps if a write that was acknowledged may be lost.
var ErrNotDurable = errors.New("sqlitestore: an acknowledged write may be lost")

// Values of PRAGMA synchronous.
const (
	synchronousNormal = 1
	synchronousFull   = 2
)

// settings are what a connection has.
type settings struct {
	journal     string // journal_mode
	synchronous int
	timeout     int // busy_timeout, ms
	fullFsync   int
}

// settings asks the connection.
func (l *link) settings(ctx context.Context) (settings, error) {
	var have settings
	_, err := l.row(ctx, `SELECT journal_mode, synchronous, timeout, fullfsync
		FROM pragma_journal_mode, pragma_synchronous, pragma_busy_timeout, pragma_fullfsync`, nil,
		&have.journal, &have.synchronous, &have.timeout, &have.fullFsync)
	return have, err
}

// checkSettings refuses a connection that has not what the store needs.
func (s *Store) checkSettings(ctx context.Context, l *link) error {
	have, err := l.settings(ctx)
	switch {
	case err != nil:
		return err
	case have.journal != "wal":
		return refuse(fmt.Sprintf("PRAGMA journal_mode is %q and must be wal", have.journal), tokenauth.ErrUnavailable)
	case have.synchronous < s.flushes:
		return refuse(fmt.Sprintf("PRAGMA synchronous is %d and must be at least %d, see Config.NotPowerSafe", have.synchronous, s.flushes), tokenauth.ErrUnavailable)
	case have.timeout != 0:
		return refuse(fmt.Sprintf("PRAGMA busy_timeout is %d and must be 0: the driver would wait longer than a context lasts", have.timeout), tokenauth.ErrUnavailable)
	}
	return nil
}

// CheckDurability reports, a line for the log each, what the connection that writes promises. The error wraps ErrNotDurable if a write that
// was acknowledged may be lost by a kill -9, a crash of the system or a power loss; whether to go on is the caller's to decide. It wraps
// tokenauth.ErrUnavailable if the database does not answer.
//
// It does not know whether the disk keeps what it says it has written, nor whether the file lies on a network file system.
func (s *Store) CheckDurability(ctx context.Context) ([]string, error) {
	l, err := s.take(ctx, s.writer)
	if err != nil {
		return nil, err
	}
	defer s.put(s.writer, l)
	var have settings
	err = patiently(ctx, func() (err error) {
		have, err = l.settings(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	lines := []string{fmt.Sprintf("journal_mode = %s: a write is whole or not there, whenever the process or the system dies", have.journal)}
	durable := have.synchronous >= synchronousFull
	if durable {
		lines = append(lines, fmt.Sprintf("synchronous = %d: durable, each write is flushed to the disk before it is acknowledged", have.synchronous))
	} else {
		lines = append(lines, fmt.Sprintf("synchronous = %d: NOT durable, a power loss forgets the last writes; a kill -9 does not", have.synchronous))
	}
	if runtime.GOOS == "darwin" {
		durable = durable && have.fullFsync != 0
		lines = append(lines, fmt.Sprintf("fullfsync = %d: a flush on macOS reaches the disk itself if it is 1", have.fullFsync))
	}
	if !durable {
		return lines, ErrNotDurable
	}
	return lines, nil
}
