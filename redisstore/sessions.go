package redisstore

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
)

// A session lives while it is in the set of its subject and its until has not been reached, and is known by subject and id together. What
// was ended leaves a death in the feed: a replica does not know who lives. What comes to its until leaves none, because its tokens have
// expired with it; but it stays for five minutes, so that whoever ends it then still ends what a verifier's leeway lets live.
//
// A replica takes the earliest end it was told of, so a session id should not be used again after it was ended or cut short: the store
// would say that it lives, and a replica that it does not.
//
// Sessions that are over are dropped by those who write, a few with each write. Nobody's sessions have a time to live of Redis's own: it
// would go by the server's clock.

// keepEnded is how long the death of a session outlives its until: long enough for replicas to hear of one that was ended late.
const keepEnded = 2 * keepExpired

// IsSessionActive says whether the session lives. One that never began, was ended or has reached its until does not, and neither does one
// whose name StartSession would refuse.
func (s *Store) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	r, err := s.look(ctx, "session", subject, sid)
	if err != nil || r.text(0) == "" {
		return false, err
	}
	until, err := strconv.ParseFloat(r.text(0), 64)
	if err != nil {
		return false, damaged("session")
	}
	return s.now().UnixMicro() < int64(until), nil // a score holds microseconds exactly until the year 2255
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
	_, err := s.session(ctx, startScript, subject, sid, stamp(until))
	return err
}

// EndSession ends one session; one that does not live is not an error, and is ended in the eyes of replicas, too, until 5 min after it was
// over. ErrInvalidRequest: subject or sid is no name. ErrUnavailable, beside all else: it is not known, and some of the subject's were lost.
func (s *Store) EndSession(ctx context.Context, subject, sid string) error {
	if err := tokenauth.CheckSession(subject, sid); err != nil {
		return err
	}
	r, err := s.session(ctx, endScript, subject, sid, "")
	if err == nil && r.text(2) != "" {
		err = damaged(r.text(2))
	}
	return err
}

// EndSessions ends all of subject's sessions, 500 in a step, and says how many of them lived. ErrInvalidRequest: subject is no name.
// ErrUnavailable, beside all else: some were lost, and those that were not are ended.
func (s *Store) EndSessions(ctx context.Context, subject string) (int, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return 0, err
	}
	for all, lost := 0, ""; ; {
		r, err := s.session(ctx, endScript, subject, "", "")
		if err != nil {
			return 0, err
		}
		all, lost = all+r.number(0), cmp.Or(lost, r.text(2))
		switch {
		case r.number(1) == batch:
		case lost != "": // all that could be found is ended
			return 0, damaged(lost)
		default:
			return all, nil
		}
	}
}

// session begins or ends sessions.
func (s *Store) session(ctx context.Context, script *redis.Script, subject, sid, until string) (result, error) {
	if err := s.inUse(ctx); err != nil {
		return result{}, err
	}
	now := s.now()
	return s.run(ctx, script, subject, sid, until, batch, stamp(now.Add(-keepExpired)), stamp(now.Add(-keepEnded)), s.fence())
}
