package sqlitestore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"

	"github.com/a74cfa30/tokenauth"
)

// The tables and the marker come into being by an explicit call only. If a write made them when they are missing, a store that has lost
// everything would look like a new one, and whatever had been revoked would count again.

// schemaVersion is the schema this program knows.
const schemaVersion = 1

// schema1 makes the tables of schema 1.
//
//go:embed schema1.sql
var schema1 string

// Migrate makes the tables, or brings those of an older version up to date, and writes the marker if the store never had one. It does
// nothing to a store that is up to date, so it may be called at every start and by several processes at once.
//
// ErrUnavailable: the schema is newer than this program; the marker is gone, or was seen by this process or expected by Config and is not
// there, which is a loss: see Reseed; or the database does not answer.
func (s *Store) Migrate(ctx context.Context) error {
	return s.transact(ctx, func(tx *link) (marker, error) {
		before := s.watch.seen()
		m, made, err := tx.makeTables(ctx)
		switch {
		case err != nil:
			return m, err
		case made && before.generation == "":
			m = marker{generation: rand.Text(), schema: schemaVersion}
			return m, tx.insertMarker(ctx, m, "")
		case made || m.generation == "":
			return m, errNoMarker()
		}
		if err := s.watch.check(before, m); err != nil {
			return m, err
		}
		return m, errUnchanged
	})
}

// Reseed declares the store as it is to be the store from now on. It is an operator's act, after a loss: the file was emptied, or replaced
// by an older copy, and every process that noticed answers ErrUnavailable. It begins a new generation, and raises the NotBefore of everyone
// to now, in one transaction: every token issued before is dead, because nobody knows which of them had been revoked. reason is for
// people, at most 4 KiB.
//
// So it helps only where verifiers enforce epochs. Elsewhere replace the signing keys as well.
//
// ErrInvalidRequest: reason is empty or no text. ErrUnavailable: the schema is newer than this program, or the database does not answer.
func (s *Store) Reseed(ctx context.Context, reason string) error {
	if err := s.inUse(); err != nil {
		return err
	}
	now := s.now()
	if reason == "" {
		return invalid("reason: empty")
	}
	if err := (tokenauth.Revocation{At: now, Reason: reason}).Validate(); err != nil {
		return err
	}
	return s.transact(ctx, func(tx *link) (marker, error) {
		old, _, err := tx.makeTables(ctx)
		switch {
		case err != nil:
			return old, err
		case old.schema > schemaVersion:
			return old, s.watch.check(old, old)
		}
		m := marker{
			generation: rand.Text(),
			schema:     schemaVersion,
			reseeded:   max(now.UnixMicro(), old.reseeded+1, s.watch.seen().reseeded+1),
			writes:     old.writes + 1,
		}
		if err := tx.insertMarker(ctx, m, reason); err != nil {
			return m, err
		}
		tx.news = true // that all cursors are stale
		_, err = tx.moveEpoch(ctx, tokenauth.Everyone, func(e *tokenauth.Epoch) { e.NotBefore = later(e.NotBefore, second(now)) })
		if errors.Is(err, errUnchanged) {
			err = nil
		}
		return m, err
	})
}

// makeTables makes the tables, if there are none, and returns the marker, if there is one.
func (l *link) makeTables(ctx context.Context) (m marker, made bool, err error) {
	there, err := l.row(ctx, `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'ta_meta'`, nil, new(int))
	if err != nil {
		return m, false, err
	}
	if !there {
		if _, err := l.conn.ExecContext(context.WithoutCancel(ctx), schema1); err != nil {
			return m, false, l.fail(err)
		}
		return m, true, nil
	}
	_, err = l.row(ctx, `SELECT `+markerColumns+` FROM ta_meta m`, nil, m.dest()...)
	return m, false, err
}

// insertMarker writes the marker.
func (l *link) insertMarker(ctx context.Context, m marker, reason string) error {
	_, err := l.exec(ctx, `INSERT OR REPLACE INTO ta_meta (one, schema, generation, reseeded, reason, writes) VALUES (1, ?1, ?2, ?3, ?4, ?5)`,
		m.schema, m.generation, m.reseeded, reason, m.writes)
	return err
}

// Generation returns the name of the store's generation, a random text that Migrate or Reseed gave it and the moment when Reseed did, for
// Config.ExpectGeneration.
func (s *Store) Generation(ctx context.Context) (string, error) {
	var m marker
	err := s.read(ctx, `SELECT `+markerColumns+`, m.generation, m.reseeded FROM ta_meta m`, nil, &m.generation, &m.reseeded)
	return m.name(), err
}
