package pgxstore

import (
	"context"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// An epoch only ever moves forward and is never dropped. It is a row of the feed, kind 2: what a verifier asks here and what a replica is
// told is one and the same.

// maxAhead is how far a NotBefore may lie ahead of the store's clock: enough for two clocks to differ by, and too little to lock anybody
// out.
const maxAhead = 5 * time.Second

// Epoch returns subject's epoch, merged with everyone's; the zero Epoch if neither ever moved. ErrInvalidRequest: subject is no name.
func (s *Store) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return tokenauth.Epoch{}, err
	}
	var version int64
	var own, everyones *time.Time
	err := s.read(ctx, `SELECT `+markerColumns+`, coalesce(d.min_version, 0),
			nullif(d.dead_from, '-infinity'), nullif(e.dead_from, '-infinity')
		FROM `+markerSource+`
		LEFT JOIN ta_dead d ON d.kind = 2 AND d.subject = $1 AND d.id = ''
		LEFT JOIN ta_dead e ON e.kind = 2 AND e.subject = $2 AND e.id = ''`, []any{subject, tokenauth.Everyone}, &version, &own, &everyones)
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	return tokenauth.Epoch{MinVersion: version, NotBefore: later(timeOf(own), timeOf(everyones))}, nil
}

// BumpEpoch adds one to subject's MinVersion and returns its epoch. ErrInvalidRequest: subject is no name, or Everyone. After
// ErrUnavailable it may have counted; to call it again only ends what was issued in between.
func (s *Store) BumpEpoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if subject == tokenauth.Everyone {
		return tokenauth.Epoch{}, invalid("subject: everyone has no version")
	}
	return s.move(ctx, s.writeOnce, subject, `INSERT INTO ta_dead (kind, subject, id, dead_from, expires, min_version)
		VALUES (2, $1, '', '-infinity', 'infinity', 1)
		ON CONFLICT (kind, subject, id) DO UPDATE SET x = pg_current_xact_id(), min_version = ta_dead.min_version + 1
		WHERE `+notOlder, time.Time{}, subject)
}

// RaiseNotBefore moves subject's NotBefore, or Everyone's, to t, cut to whole seconds, unless it is there already, and returns the epoch.
// ErrInvalidRequest: subject is no name, t is not set or more than 5 s ahead.
func (s *Store) RaiseNotBefore(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
	if err := s.inUse(); err != nil {
		return tokenauth.Epoch{}, err
	}
	if err := tokenauth.CheckMoment("not_before", t); err != nil {
		return tokenauth.Epoch{}, err
	}
	if t.After(s.now().Add(maxAhead)) {
		return tokenauth.Epoch{}, invalid("not_before: more than 5 s ahead")
	}
	return s.move(ctx, s.write, subject, raiseStatement, second(t), subject, second(t))
}

// raiseStatement moves the NotBefore of $1 to $2, unless it is there already.
const raiseStatement = `INSERT INTO ta_dead (kind, subject, id, dead_from, expires) VALUES (2, $1, '', $2, 'infinity')
	ON CONFLICT (kind, subject, id) DO UPDATE SET x = pg_current_xact_id(), dead_from = excluded.dead_from
	WHERE ta_dead.dead_from < excluded.dead_from AND ` + notOlder

// move runs a statement that moves subject's epoch, to a NotBefore of at least to unless that is zero, and returns it.
func (s *Store) move(ctx context.Context, write func(context.Context, func(*transaction) error) error,
	subject, statement string, to time.Time, args ...any) (tokenauth.Epoch, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return tokenauth.Epoch{}, err
	}
	var epoch tokenauth.Epoch
	err := write(ctx, func(tx *transaction) error {
		moved, err := tx.exec(ctx, statement, args...)
		if err != nil {
			return err
		}
		tx.died = moved > 0
		var own, all *time.Time
		_, err = tx.row(ctx, `SELECT max(min_version) FILTER (WHERE subject = $1),
			nullif(max(dead_from) FILTER (WHERE subject = $1), '-infinity'), nullif(max(dead_from), '-infinity')
			FROM ta_dead WHERE kind = 2 AND subject IN ($1, $2) AND id = ''`,
			[]any{subject, tokenauth.Everyone}, &epoch.MinVersion, &own, &all)
		epoch.NotBefore = timeOf(all)
		switch {
		case err != nil || moved > 0:
			return err
		case to.IsZero() || timeOf(own).Before(to):
			return errOvertaken()
		}
		return errDone
	})
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	return epoch, nil
}

// raiseEveryone moves everyone's NotBefore to at, unless it is there already.
func (tx *transaction) raiseEveryone(ctx context.Context, at time.Time) error {
	moved, err := tx.exec(ctx, raiseStatement, tokenauth.Everyone, at)
	if err != nil || moved > 0 {
		return err
	}
	var there bool
	_, err = tx.row(ctx, `SELECT dead_from >= $1 FROM ta_dead WHERE kind = 2 AND subject = $2 AND id = ''`,
		[]any{at, tokenauth.Everyone}, &there)
	if err == nil && !there {
		err = errOvertaken()
	}
	return err
}
