// Package memstore keeps access tokens, sessions, epochs and used one-time keys in this process's memory: every port of package
// tokenauth in one type.
//
// It is the store for tests, for a first program, and for a service that is one process and can afford to forget. It is
// also the reference for authors of stores: its rules are those of package storetest, each file is one port, and what a
// database calls an index is one here.
//
// # What it forgets
//
// A process that starts again starts with an empty store. For tokens and sessions that is safe: an id without record is revoked
// and a session without row has ended. For epochs and one-time keys it is not: they begin anew, so that a token without id, or a
// one-time token judged by another process's records, counts once more. Let the signing key be made at start, too, or use a
// store that lasts.
//
// # What it bounds
//
// Config.MaxEntries bounds the records, the sessions, the subjects with an epoch and the one-time keys, each for itself. A store
// that is full refuses the next one with tokenauth.ErrUnavailable and evicts nothing: an evicted death would be a
// resurrection. What needs no room goes on, revoking above all. One-time keys leave when they are over, and sessions five minutes later;
// a session that was ended keeps its place until ten minutes after it would have been over. Records leave by DeleteExpired alone, which a service calls from
// a timer of its own.
//
// # Who follows it
//
// The store is a tokenauth.Source, too: package replica reads from it what has died, and is woken by each death.
package memstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// defaultMaxEntries is Config.MaxEntries where it is not set.
const defaultMaxEntries = 1 << 20

// A Config configures a Store. The zero Config is ready for use.
type Config struct {
	// Now is the store's clock; nil: time.Now. It must be safe for concurrent use and must not call the store. It decides when
	// a rotated token retires, when a session is over, how far ahead a NotBefore may lie, and when a one-time key may be
	// forgotten. It never decides whether a token has expired: that is the verifier's to judge.
	Now func() time.Time
	// MaxEntries is how many records, sessions, subjects with an epoch and one-time keys are kept, each for itself; 0 or less:
	// 1,048,576. A record takes some 600 bytes, and its scopes besides.
	MaxEntries int
}

// A Store is every port of package tokenauth, with its writers, in memory. It is safe for concurrent use: one lock guards it
// all, so that every call is one step to all others, a cascade of revocations included.
//
// New makes it together with its generation marker, which tells an empty store from one that has lost everything. The zero Store
// has none and answers tokenauth.ErrUnavailable to every call.
type Store struct {
	marked bool // the generation marker: written by New only, never by a write
	now    func() time.Time
	most   int // Config.MaxEntries

	mu       sync.RWMutex // guards what follows
	tokens   records
	epochs   map[string]*epoch
	sessions ledger
	ended    ledger // sessions that were ended before their time
	used     ledger // one-time keys
	feed     feed   // of all that has died
}

var (
	_ tokenauth.TokenStore    = (*Store)(nil)
	_ tokenauth.SessionWriter = (*Store)(nil)
	_ tokenauth.EpochWriter   = (*Store)(nil)
	_ tokenauth.OneTimeStore  = (*Store)(nil)
	_ tokenauth.Source        = (*Store)(nil)
)

// New returns an empty store.
func New(cfg Config) *Store {
	s := &Store{
		marked:   true,
		now:      cfg.Now,
		most:     cfg.MaxEntries,
		tokens:   newRecords(),
		epochs:   map[string]*epoch{},
		sessions: newLedger(),
		ended:    newLedger(),
		used:     newLedger(),
		feed:     newFeed(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.most <= 0 {
		s.most = defaultMaxEntries
	}
	return s
}

// AnswersFromMemory tells a Verifier that no call here waits for anybody, so that it needs no timer around them.
func (s *Store) AnswersFromMemory() {}

// check says whether the store may answer at all. Every method begins with it: a caller who has gone, or a store that has lost
// its marker, gets no answer, and nothing is written.
func (s *Store) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: %w", err)
	}
	if !s.marked {
		return fmt.Errorf("memstore: no generation marker, the store was not made by New: %w", tokenauth.ErrUnavailable)
	}
	return nil
}

// room says whether one more of what there are kept of may be kept.
func (s *Store) room(kept int) error {
	if kept >= s.most {
		return fmt.Errorf("memstore: full, see Config.MaxEntries: %w", tokenauth.ErrUnavailable)
	}
	return nil
}

// invalid is the refusal of a request; problem names the field and never its value.
func invalid(problem string) error {
	return fmt.Errorf("memstore: %s: %w", problem, tokenauth.ErrInvalidRequest)
}

// moment returns t as stores keep it: UTC, cut to the microsecond, which every database can hold.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// second returns t as tokens carry it: UTC, cut to the second.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// later returns the later of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
