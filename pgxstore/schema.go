package pgxstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"strconv"
	"strings"
	"time"

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

// migrationLock is the number of the lock under which tables are made, by one at a time. Without it PostgreSQL answers those who come
// second with an error, even where they make a table only if there is none.
const migrationLock = 0x746f6b656e61

// Migrate makes the tables, in the first schema of the connection's search_path, or brings those of an older version up to date, and
// writes the marker if the store never had one. It does nothing to a store that is up to date, so it may be called at every start and by
// several processes at once. It wants the right to create tables; everything else wants to select, insert, update and delete in them.
//
// ErrUnavailable: the schema is newer than this program; the marker is gone, or was seen by this process or expected by Config and is not
// there, which is a loss: see Reseed; the database is not in UTF8; or the server does not answer.
func (s *Store) Migrate(ctx context.Context) error {
	return s.transact(ctx, func(tx *transaction) (func(m marker) error, error) {
		before := s.watch.seen()
		m, made, err := tx.makeTables(ctx)
		switch {
		case err != nil:
			return nil, err
		case made && before.generation == "":
			return s.accepted, tx.insertMarker(ctx, marker{generation: rand.Text(), schema: schemaVersion}, "")
		case made || m.generation == "":
			return nil, errNoMarker()
		}
		if err := s.watch.check(before, m); err != nil {
			return nil, err
		}
		return nil, errUnchanged
	}, true)
}

// accepted believes the marker of this process's own making.
func (s *Store) accepted(m marker) error {
	s.watch.begin(m)
	return nil
}

// Reseed declares the store as it is to be the store from now on. It is an operator's act, after a loss: the database was emptied, put back
// to an older copy, restored from a dump, or its standby was promoted without the last writes, and every process that noticed answers
// ErrUnavailable. It begins a new generation, and raises the NotBefore of everyone to now, in one transaction: every token issued before is
// dead, because nobody knows which of them had been revoked. reason is for people, at most 4 KiB.
//
// So it helps only where verifiers enforce epochs. Elsewhere replace the signing keys as well.
//
// ErrInvalidRequest: reason is empty or no text. ErrUnavailable: the schema is newer than this program, or the server does not answer.
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
	return s.transact(ctx, func(tx *transaction) (func(m marker) error, error) {
		old, _, err := tx.makeTables(ctx)
		switch {
		case err != nil:
			return nil, err
		case old.schema > schemaVersion:
			return nil, s.watch.check(old, old)
		}
		// Deaths from a dump are of transactions that are still to come here. To readers they would be news for ever.
		if _, err := tx.exec(ctx, `UPDATE ta_dead SET x = pg_current_xact_id() WHERE x >= pg_snapshot_xmax(pg_current_snapshot())`); err != nil {
			return nil, err
		}
		m := marker{
			generation: rand.Text(),
			schema:     schemaVersion,
			reseeded:   max(now.UnixMicro(), old.reseeded+1, s.watch.seen().reseeded+1),
		}
		if err := tx.insertMarker(ctx, m, reason); err != nil {
			return nil, err
		}
		tx.died = true
		return s.accepted, tx.raiseEveryone(ctx, second(now))
	}, true)
}

// makeTables begins the transaction, makes the tables, if there are none, and returns the marker, if there is one. Nobody else does so
// meanwhile. It does not wait for long behind a reader of a table, because everybody else would wait behind it.
func (tx *transaction) makeTables(ctx context.Context) (m marker, made bool, err error) {
	for _, statement := range []string{
		beginStatement,
		`SET LOCAL lock_timeout = '2s'`,
		`SELECT pg_advisory_xact_lock(` + strconv.FormatInt(migrationLock, 10) + `)`,
	} {
		if _, err := tx.exec(ctx, statement); err != nil {
			return m, false, err
		}
	}
	var there bool
	var encoding string
	_, err = tx.row(ctx, `SELECT to_regclass('ta_meta') IS NOT NULL, current_setting('server_encoding')`, nil, &there, &encoding)
	if err != nil {
		return m, false, err
	}
	if encoding != "UTF8" {
		return m, false, refuse("the database's encoding must be UTF8", tokenauth.ErrUnavailable)
	}
	if !there {
		if _, err := tx.exec(ctx, schema1); err != nil {
			return m, false, err
		}
		return m, true, nil
	}
	var row markerRow
	found, err := tx.row(ctx, `SELECT `+markerColumns+` FROM `+markerSource, nil, row.dest()...)
	if err == nil && found {
		m, err = row.read()
	}
	return m, false, err
}

// insertMarker writes the marker.
func (tx *transaction) insertMarker(ctx context.Context, m marker, reason string) error {
	_, err := tx.exec(ctx, `INSERT INTO ta_meta (one, schema, generation, reseeded, reason) VALUES (true, $1, $2, $3, $4)
		ON CONFLICT (one) DO UPDATE SET schema = excluded.schema, generation = excluded.generation, reseeded = excluded.reseeded,
			reason = excluded.reason`, m.schema, m.generation, m.reseeded, reason)
	return err
}

// Generation returns the name of the store's generation, for Config.ExpectGeneration: a random text that Migrate or Reseed gave it, and
// where Reseed did, a dot and when, in microseconds since 1970.
func (s *Store) Generation(ctx context.Context) (string, error) {
	var generation string
	var reseeded int64
	err := s.read(ctx, `SELECT `+markerColumns+`, m.generation, m.reseeded FROM `+markerSource, nil, &generation, &reseeded)
	if err == nil && reseeded != 0 {
		generation += "." + strconv.FormatInt(reseeded, 10)
	}
	return generation, err
}

// parseGeneration returns what a text of Generation's says of a marker; of the empty one, nothing.
func parseGeneration(text string) (marker, error) {
	name, since, dated := strings.Cut(text, ".")
	if !dated {
		return marker{generation: name}, nil
	}
	reseeded, err := strconv.ParseInt(since, 10, 64)
	if err != nil || name == "" || reseeded <= 0 || strconv.FormatInt(reseeded, 10) != since ||
		tokenauth.CheckMoment("reseeded", time.UnixMicro(reseeded)) != nil {
		return marker{}, errors.New("pgxstore: ExpectGeneration: not what Generation answers")
	}
	return marker{generation: name, reseeded: reseeded}, nil
}
