package memstore

import (
	"context"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// An epoch only ever moves forward, so there is nothing here to undo, to expire or to delete. What was moved for everyone is
// kept under a name of its own and merged on reading: it must hold for subjects that never had an epoch.

// maxAhead is how far a NotBefore may lie ahead of the store's clock: enough for two clocks to differ by, and too little to lock
// anybody out.
const maxAhead = 5 * time.Second

// An epoch is what is kept of one subject's, and its place in the feed.
type epoch struct {
	subject string
	tokenauth.Epoch
	death *death
}

// change implements mortal.
func (e *epoch) change() tokenauth.Change {
	return tokenauth.Change{Subject: e.subject, Epoch: e.Epoch}
}

// Epoch returns subject's epoch, merged with everyone's; the zero Epoch if neither ever moved. ErrInvalidRequest: subject is
// no name.
func (s *Store) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if err := s.check(ctx); err != nil {
		return tokenauth.Epoch{}, err
	}
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return tokenauth.Epoch{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.merged(subject), nil
}

// BumpEpoch adds one to subject's MinVersion and returns its epoch. ErrInvalidRequest: subject is no name, or Everyone.
// ErrUnavailable: the store is full.
func (s *Store) BumpEpoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if err := s.check(ctx); err != nil {
		return tokenauth.Epoch{}, err
	}
	if subject == tokenauth.Everyone {
		return tokenauth.Epoch{}, invalid("subject: everyone has no version")
	}
	return s.move(subject, func(e *tokenauth.Epoch) { e.MinVersion++ })
}

// RaiseNotBefore moves subject's NotBefore, or Everyone's, to t, cut to whole seconds, unless it is there already, and returns the
// epoch. ErrInvalidRequest: subject is no name, t is not set or more than 5 s ahead. ErrUnavailable: the store is full.
func (s *Store) RaiseNotBefore(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
	if err := s.check(ctx); err != nil {
		return tokenauth.Epoch{}, err
	}
	if err := tokenauth.CheckMoment("not_before", t); err != nil {
		return tokenauth.Epoch{}, err
	}
	if t.After(s.now().Add(maxAhead)) {
		return tokenauth.Epoch{}, invalid("not_before: more than 5 s ahead")
	}
	return s.move(subject, func(e *tokenauth.Epoch) { e.NotBefore = later(e.NotBefore, second(t)) })
}

// move changes what is kept under subject and returns its epoch.
func (s *Store) move(subject string, change func(*tokenauth.Epoch)) (tokenauth.Epoch, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return tokenauth.Epoch{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row, known := s.epochs[subject]
	if !known {
		if err := s.room(len(s.epochs)); err != nil {
			return tokenauth.Epoch{}, err
		}
		subject = strings.Clone(subject)
		row = &epoch{subject: subject}
		s.epochs[subject] = row
	}
	before := row.Epoch
	change(&row.Epoch)
	if row.Epoch != before {
		row.death = s.feed.append(row.death, row)
	}
	return s.merged(subject), nil
}

// merged returns subject's epoch under everyone's NotBefore.
func (s *Store) merged(subject string) tokenauth.Epoch {
	var merged tokenauth.Epoch
	if row := s.epochs[subject]; row != nil {
		merged = row.Epoch
	}
	if everyone := s.epochs[tokenauth.Everyone]; everyone != nil {
		merged.NotBefore = later(merged.NotBefore, everyone.NotBefore)
	}
	return merged
}
