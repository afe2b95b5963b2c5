package redisstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Whoever writes a key down first has used it. A key is forgotten some time after its until, and by Redis itself: how long to remember it
// is reckoned by the store's clock, and counted by the server's. Forgetting late costs a little memory, forgetting early a replay, so there
// are ten minutes between. A server whose clock jumps further ahead forgets early.

const (
	// keepLonger is how long a key is kept beyond its until at least.
	keepLonger = 5 * time.Minute
	// clocksDiffer is what is added to that because another clock counts it.
	clocksDiffer = 5 * time.Minute
)

// Consume uses key up: the first caller gets nil, every other ErrReplayed, at least until the moment until by the store's clock.
// ErrInvalidRequest: key is no name, or until is not set or over so long ago that the key could be forgotten at once.
func (s *Store) Consume(ctx context.Context, key string, until time.Time) error {
	if err := s.inUse(ctx); err != nil {
		return err
	}
	if err := tokenauth.CheckID("key", key); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("until", until); err != nil {
		return err
	}
	// Not as a Duration, which holds 292 years only.
	remember := until.Add(keepLonger+clocksDiffer).UnixMilli() - s.now().UnixMilli()
	if remember <= clocksDiffer.Milliseconds() {
		remember = 0
	}
	r, err := s.run(ctx, consumeScript, key, rand.Text(), remember)
	switch {
	case err != nil:
		return err
	case r.status == "replayed":
		return refuse("key", tokenauth.ErrReplayed)
	case r.status == "over":
		return invalid("until: over, so that the key would not be remembered")
	}
	return nil
}
