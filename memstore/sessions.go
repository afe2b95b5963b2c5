package memstore

import (
	"context"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A session lives while there is a row for it and its until has not been reached; that it began, and who is behind it, is
// nobody's business here. A session is known by subject and id together, so that nobody ends another's by guessing ids.

// IsSessionActive says whether the session lives. One that never began, was ended or has reached its until does not, and
// neither does one whose name StartSession would refuse.
func (s *Store) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	if err := s.check(ctx); err != nil {
		return false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.lives(s.sessions.entries[name{subject, sid}]), nil
}

// lives says whether a session, or nil, lives now.
func (s *Store) lives(session *entry) bool {
	return session != nil && s.now().Before(session.until)
}

// StartSession begins a session, or moves the until of one that lives. ErrInvalidRequest: subject or sid is no name, or until is
// not set or cannot be written. ErrUnavailable: the store is full.
func (s *Store) StartSession(ctx context.Context, subject, sid string, until time.Time) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := tokenauth.CheckSession(subject, sid); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("until", until); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.prune(s.now())
	session := &entry{name{subject, sid}, moment(until)}
	if s.sessions.entries[session.name] == nil {
		if err := s.room(len(s.sessions.entries)); err != nil {
			return err
		}
	}
	s.sessions.put(session)
	return nil
}

// EndSession ends one session; one that does not live is not an error. ErrInvalidRequest: subject or sid is no name.
func (s *Store) EndSession(ctx context.Context, subject, sid string) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := tokenauth.CheckSession(subject, sid); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.drop(name{subject, sid})
	return nil
}

// EndSessions ends all of subject's sessions and says how many of them lived. ErrInvalidRequest: subject is no name.
func (s *Store) EndSessions(ctx context.Context, subject string) (int, error) {
	if err := s.check(ctx); err != nil {
		return 0, err
	}
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := 0
	for _, session := range s.sessionsOf(subject) {
		if s.lives(session) {
			ended++
		}
		s.sessions.drop(session.name)
	}
	return ended, nil
}

// sessionsOf returns all of subject's sessions.
func (s *Store) sessionsOf(subject string) []*entry {
	var all []*entry
	for session := range s.sessions.byName.from(&entry{name: name{subject: subject}}) {
		if session.subject != subject {
			break
		}
		all = append(all, session)
	}
	return all
}
