package pgxstore

import (
	"context"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A session lives while there is a row for it and its until has not been reached, and is known by subject and id together. What ended
// before its time leaves a death in the feed until then: a replica does not know who lives. What comes to its until leaves none, because
// its tokens have expired with it.
//
// They have by this store's clock. A verifier that allows for its own to differ may still take them, so a row is kept for some time beyond
// its until, and who ends the session meanwhile leaves a death as well.
//
// A replica takes the earliest end it was told of, so a session id should not be used again after it was ended or cut short: the store
// would say that it lives, and a replica that it does not.
//
// Writers of one subject's sessions take turns, by a lock on its name. Rows that are over are dropped by those who write, a few with each
// write, so that the table is about as large as what it has to remember.

// keepEnded is how long the death of a session outlives its until: it may have been ended up to keepExpired after that, and is to be read by
// replicas whose clocks are behind.
const keepEnded = 2 * keepExpired

// IsSessionActive says whether the session lives. One that never began, was ended or has reached its until does not, and neither does one
// whose name StartSession would refuse.
func (s *Store) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	if tokenauth.CheckSession(subject, sid) != nil {
		subject, sid = "", "" // which nobody has, and the server can read
	}
	var until *time.Time
	err := s.read(ctx, `SELECT `+markerColumns+`, s.until FROM `+markerSource+` LEFT JOIN ta_session s ON s.subject = $1 AND s.sid = $2`,
		[]any{subject, sid}, &until)
	if err != nil {
		return false, err
	}
	return until != nil && !s.reached(until), nil
}

// StartSession begins a session, or moves the until of one that lives. ErrInvalidRequest: subject or sid is no name, or until is not set
// or cannot be written.
func (s *Store) StartSession(ctx context.Context, subject, sid string, until time.Time) error {
	if err := tokenauth.CheckSession(subject, sid); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("until", until); err != nil {
		return err
	}
	until = moment(until)
	return s.write(ctx, func(tx *transaction) error {
		if err := tx.lockSessions(ctx, subject); err != nil {
			return err
		}
		var old *time.Time
		if _, err := tx.row(ctx, `SELECT until FROM ta_session WHERE subject = $1 AND sid = $2`, []any{subject, sid}, &old); err != nil {
			return err
		}
		if old != nil && until.Before(*old) && s.now().Add(-keepExpired).Before(*old) {
			if _, err := tx.buryAll(ctx, burial, deadSession, subject, sid, until, *old); err != nil {
				return err
			}
		}
		if _, err := tx.exec(ctx, `INSERT INTO ta_session (subject, sid, until) VALUES ($1, $2, $3)
			ON CONFLICT (subject, sid) DO UPDATE SET until = excluded.until`, subject, sid, until); err != nil {
			return err
		}
		return s.pruneSessions(ctx, tx, 1)
	})
}

// EndSession ends one session; one that does not live is not an error. Replicas are told also of one that came to its until less than 5 min
// ago. ErrInvalidRequest: subject or sid is no name.
func (s *Store) EndSession(ctx context.Context, subject, sid string) error {
	if err := tokenauth.CheckSession(subject, sid); err != nil {
		return err
	}
	_, err := s.end(ctx, `subject = $1 AND sid = $2`, subject, sid)
	return err
}

// EndSessions ends all of subject's sessions and says how many of them lived. ErrInvalidRequest: subject is no name.
func (s *Store) EndSessions(ctx context.Context, subject string) (int, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return 0, err
	}
	return s.end(ctx, `subject = $1 AND $2 = ''`, subject, "")
}

// end ends the sessions of a condition on $1, the subject, and $2, and says how many of them lived.
func (s *Store) end(ctx context.Context, condition, subject, sid string) (int, error) {
	lived := 0
	err := s.write(ctx, func(tx *transaction) error {
		if err := tx.lockSessions(ctx, subject); err != nil {
			return err
		}
		now := moment(s.now())
		buried, err := tx.buryAll(ctx, `WITH dead (kind, subject, id, dead_from, expires) AS (
			SELECT 1, subject, sid, '-infinity'::timestamptz, until FROM ta_session WHERE `+condition+` AND until > $3)`,
			subject, sid, now.Add(-keepExpired))
		if err != nil {
			return err
		}
		var ended int
		_, err = tx.row(ctx, `WITH ended AS (DELETE FROM ta_session WHERE `+condition+` RETURNING until)
			SELECT count(*), count(*) FILTER (WHERE until > $3) FROM ended`, []any{subject, sid, now}, &ended, &lived)
		if err == nil && ended == 0 {
			err = errDone
		}
		if err != nil {
			return err
		}
		return s.pruneSessions(ctx, tx, buried)
	})
	if err != nil {
		return 0, err
	}
	return lived, nil
}

// lockSessions waits for whoever writes a session of subject. A lock's name is a number here; two subjects may have the same and then wait
// for each other, which costs nothing but that.
func (tx *transaction) lockSessions(ctx context.Context, subject string) error {
	_, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock('ta_session'::regclass::oid::int, hashtext($1))`, subject)
	return err
}

// pruneSessions drops sessions that have been over for long and deaths that nobody needs any more: some more than the write has added, to
// catch up.
func (s *Store) pruneSessions(ctx context.Context, tx *transaction, added int) error {
	now := s.now()
	_, err := tx.exec(ctx, `DELETE FROM ta_session WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM ta_session WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED))`, moment(now.Add(-keepExpired)), added+1)
	if err != nil {
		return err
	}
	_, err = tx.forget(ctx, deadSession, moment(now.Add(-keepEnded)), added+1)
	return err
}
