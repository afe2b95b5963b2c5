package sqlitestore

import (
	"context"
	"database/sql"
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
	var version, own, everyones sql.NullInt64
	err := s.read(ctx, `SELECT `+markerColumns+`, d.min_version, d.dead_from, e.dead_from FROM ta_meta m
		LEFT JOIN ta_dead d ON d.kind = 2 AND d.subject = ?1 AND d.id = ''
		LEFT JOIN ta_dead e ON e.kind = 2 AND e.subject = ?2 AND e.id = ''`, []any{subject, tokenauth.Everyone}, &version, &own, &everyones)
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	return tokenauth.Epoch{MinVersion: version.Int64, NotBefore: later(timeOf(own), timeOf(everyones))}, nil
}

// BumpEpoch adds one to subject's MinVersion and returns its epoch. ErrInvalidRequest: subject is no name, or Everyone.
func (s *Store) BumpEpoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if subject == tokenauth.Everyone {
		return tokenauth.Epoch{}, invalid("subject: everyone has no version")
	}
	return s.move(ctx, subject, func(e *tokenauth.Epoch) { e.MinVersion++ })
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
	return s.move(ctx, subject, func(e *tokenauth.Epoch) { e.NotBefore = later(e.NotBefore, second(t)) })
}

// move changes what is kept under subject and returns its epoch.
func (s *Store) move(ctx context.Context, subject string, change func(*tokenauth.Epoch)) (tokenauth.Epoch, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return tokenauth.Epoch{}, err
	}
	var epoch tokenauth.Epoch
	err := s.write(ctx, func(tx *link) error {
		everyones, err := tx.epoch(ctx, tokenauth.Everyone)
		if err != nil {
			return err
		}
		epoch, err = tx.moveEpoch(ctx, subject, change)
		epoch.NotBefore = later(epoch.NotBefore, everyones.NotBefore)
		return err
	})
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	return epoch, nil
}

// epoch returns what is kept under subject.
func (l *link) epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	var version, notBefore sql.NullInt64
	_, err := l.row(ctx, `SELECT min_version, dead_from FROM ta_dead WHERE kind = 2 AND subject = ?1 AND id = ''`, []any{subject}, &version, &notBefore)
	return tokenauth.Epoch{MinVersion: version.Int64, NotBefore: timeOf(notBefore)}, err
}

// moveEpoch changes what is kept under subject and returns it. errUnchanged: it is there already.
func (l *link) moveEpoch(ctx context.Context, subject string, change func(*tokenauth.Epoch)) (tokenauth.Epoch, error) {
	old, err := l.epoch(ctx, subject)
	if err != nil {
		return old, err
	}
	epoch := old
	if change(&epoch); epoch == old {
		return epoch, errUnchanged
	}
	l.news = true
	notBefore := sql.NullInt64{Int64: micros(epoch.NotBefore), Valid: !epoch.NotBefore.IsZero()}
	_, err = l.exec(ctx, `INSERT OR REPLACE INTO ta_dead (kind, subject, id, dead_from, expires, min_version) VALUES (2, ?1, '', ?2, NULL, ?3)`,
		subject, notBefore, epoch.MinVersion)
	return epoch, err
}
