package memstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Whoever writes a key down first has used it. A key is forgotten some time after its until, by the store's clock, which may
// differ from the clock of whoever chose until; forgetting late costs a little memory, forgetting early a replay.

// keepLonger is how long a key is kept beyond its until.
const keepLonger = 5 * time.Minute

// Consume uses key up: the first caller gets nil, every other ErrReplayed, at least until the moment until by the store's
// clock. ErrInvalidRequest: key is no name, or until is not set or over so long ago that the key could be forgotten at
// once. ErrUnavailable: the store is full.
func (s *Store) Consume(ctx context.Context, key string, until time.Time) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := tokenauth.CheckID("key", key); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("until", until); err != nil {
		return err
	}
	use := &entry{name: name{id: strings.Clone(key)}, until: moment(until).Add(keepLonger)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used.entries[use.name] != nil {
		return fmt.Errorf("memstore: %w", tokenauth.ErrReplayed)
	}
	now := s.now()
	if !now.Before(use.until) {
		return invalid("until: over, so that the key would not be remembered")
	}
	s.used.prune(now)
	if err := s.room(len(s.used.entries)); err != nil {
		return err
	}
	s.used.put(use)
	return nil
}
