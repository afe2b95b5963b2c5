package memstore

import (
	"context"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A session lives while there is a row for it and its until has not been reached; that it began, and who is behind it, is
// nobody's business here. A session is known by subject and id together, so that nobody ends another's by guessing ids.
//
// A session that was ended, or whose until was moved back, leaves a death in the feed: a replica does not know who lives. One that comes to
// its until leaves none, since its tokens have expired with it; but its row stays for five minutes, so that whoever ends it then still ends
// what a verifier's leeway lets live. A replica takes the earliest end it was told of and does not forget it, so a session id should not be
// used again: the store would say that it lives, and a replica that it does not.

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
	s.pruneSessions()
	session := &entry{name: name{strings.Clone(subject), strings.Clone(sid)}, until: moment(until)}
	old := s.sessions.entries[session.name]
	if old == nil {
		if err := s.room(len(s.sessions.entries) + len(s.ended.entries)); err != nil {
			return err
		}
	}
	if old != nil && session.until.Before(old.until) && s.now().Before(old.until.Add(keepExpired)) {
		s.bury(old, session.until)
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
	s.pruneSessions()
	s.end(s.sessions.entries[name{subject, sid}])
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
	s.pruneSessions()
	ended := 0
	for _, session := range s.sessionsOf(subject) {
		if s.end(session) {
			ended++
		}
	}
	return ended, nil
}

// end ends a session, or nil, and says whether it lived. It needs no room: a death stands in the place of a life.
func (s *Store) end(session *entry) bool {
	if session == nil {
		return false
	}
	lived := s.lives(session)
	if s.now().Before(session.until.Add(keepExpired)) {
		s.bury(session, time.Time{})
	}
	s.sessions.drop(session.name)
	return lived
}

// bury puts a session into the feed: it is dead from a moment, perhaps already. Of a session that was buried before, the
// earlier moment counts and the later until.
func (s *Store) bury(session *entry, from time.Time) {
	ended := &entry{name: session.name, until: session.until, from: from}
	if old := s.ended.entries[session.name]; old != nil {
		ended.until = later(ended.until, old.until)
		if old.from.Before(from) {
			ended.from = old.from
		}
		s.feed.drop(old.death)
	}
	ended.death = s.feed.append(nil, ended)
	s.ended.put(ended)
}

// change implements mortal.
func (e *entry) change() tokenauth.Change {
	return tokenauth.Change{SessionID: e.id, Subject: e.subject, From: e.from, Until: e.until}
}

// pruneSessions drops sessions that were over five minutes ago, and deaths that nobody needs any more.
func (s *Store) pruneSessions() {
	now := s.now()
	s.sessions.prune(now.Add(-keepExpired))
	for _, over := range s.ended.prune(now.Add(-keepEnded)) {
		s.feed.drop(over.death)
	}
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
