package sqlitestore

import (
	"context"
	"database/sql"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A session lives while there is a row for it and its until has not been reached, and is known by subject and id together. What was
// ended leaves a death in the feed: a replica does not know who lives. What comes to its until leaves none, because its tokens have expired
// with it; but its row stays for five minutes, so that whoever ends it then still ends what a verifier's leeway lets live.
//
// A replica takes the earliest end it was told of, so a session id should not be used again after it was ended or cut short: the store
// would say that it lives, and a replica that it does not.
//
// Rows that are over are dropped by those who write, a few with each write, so that the table is about as large as what it has to remember.

// keepEnded is how long the death of a session outlives its until: it may have been ended up to keepExpired after that, and is to be read by
// replicas whose clocks are behind.
const keepEnded = 2 * keepExpired

// IsSessionActive says whether the session lives. One that never began, was ended or has reached its until does not, and neither does one
// whose name StartSession would refuse.
func (s *Store) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	var until sql.NullInt64
	err := s.read(ctx, `SELECT `+markerColumns+`, s.until FROM ta_meta m LEFT JOIN ta_session s ON s.subject = ?1 AND s.sid = ?2`,
		[]any{subject, sid}, &until)
	if err != nil {
		return false, err
	}
	return until.Valid && !s.reached(until), nil
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
	return s.write(ctx, func(tx *link) error {
		var old sql.NullInt64
		if _, err := tx.row(ctx, `SELECT until FROM ta_session WHERE subject = ?1 AND sid = ?2`, []any{subject, sid}, &old); err != nil {
			return err
		}
		if old.Valid && micros(until) < old.Int64 && micros(s.now().Add(-keepExpired)) < old.Int64 {
			if err := tx.bury(ctx, deadSession, subject, sid, sql.NullInt64{Int64: micros(until), Valid: true}, old.Int64); err != nil {
				return err
			}
		}
		if _, err := tx.exec(ctx, `INSERT OR REPLACE INTO ta_session (subject, sid, until) VALUES (?1, ?2, ?3)`, subject, sid, micros(until)); err != nil {
			return err
		}
		return s.pruneSessions(ctx, tx, 1)
	})
}

// EndSession ends one session; one that does not live is not an error. ErrInvalidRequest: subject or sid is no name.
func (s *Store) EndSession(ctx context.Context, subject, sid string) error {
	if err := tokenauth.CheckSession(subject, sid); err != nil {
		return err
	}
	_, err := s.end(ctx, `s.subject = ?2 AND s.sid = ?3`, subject, sid)
	return err
}

// EndSessions ends all of subject's sessions and says how many of them lived. ErrInvalidRequest: subject is no name.
func (s *Store) EndSessions(ctx context.Context, subject string) (int, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return 0, err
	}
	return s.end(ctx, `s.subject = ?2`, subject)
}

// end ends the sessions of a condition, whose names are ?2 and ?3, and says how many of them lived.
func (s *Store) end(ctx context.Context, condition string, names ...any) (int, error) {
	lived := 0
	err := s.write(ctx, func(tx *link) error {
		now := s.now()
		if _, err := tx.row(ctx, `SELECT count(*) FROM ta_session s WHERE s.until > ?1 AND `+condition, append([]any{micros(now)}, names...), &lived); err != nil {
			return err
		}
		args := append([]any{micros(now.Add(-keepExpired))}, names...)
		buried, err := tx.execLong(ctx, `INSERT OR REPLACE INTO ta_dead (kind, subject, id, dead_from, expires, min_version)
			SELECT 1, s.subject, s.sid, NULL, max(coalesce(d.expires, s.until), s.until), 0
			FROM ta_session s LEFT JOIN ta_dead d ON d.kind = 1 AND d.subject = s.subject AND d.id = s.sid
			WHERE `+condition+` AND s.until > ?1`, args...)
		if err != nil {
			return err
		}
		ended, err := tx.execLong(ctx, `DELETE FROM ta_session AS s WHERE ?1 IS NOT NULL AND `+condition, args...)
		if err == nil && ended == 0 {
			err = errUnchanged
		}
		if err != nil {
			return err
		}
		tx.news = true
		return s.pruneSessions(ctx, tx, buried)
	})
	if err != nil {
		return 0, err
	}
	return lived, nil
}

// pruneSessions drops sessions that were over five minutes ago, and deaths that nobody needs any more: some more than the write has added, to catch up.
func (s *Store) pruneSessions(ctx context.Context, tx *link, added int) error {
	now := s.now()
	_, err := tx.exec(ctx, `DELETE FROM ta_session WHERE (subject, sid) IN
		(SELECT subject, sid FROM ta_session WHERE until <= ?1 ORDER BY until LIMIT ?2)`, micros(now.Add(-keepExpired)), added+1)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `DELETE FROM ta_dead WHERE seq IN
		(SELECT seq FROM ta_dead WHERE kind = 1 AND expires <= ?1 ORDER BY expires LIMIT ?2)`, micros(now.Add(-keepEnded)), added+1)
	return err
}
