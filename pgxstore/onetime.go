package pgxstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Whoever writes a key down first has used it. A key is forgotten some time after its until, by the store's clock, which may differ from
// the clock of whoever chose until; forgetting late costs a little room, forgetting early a replay.

// keepLonger is how long a key is kept beyond its until.
const keepLonger = 5 * time.Minute

// Consume uses key up: the first caller gets nil, every other ErrReplayed, at least until the moment until by the store's clock.
// ErrInvalidRequest: key is no name, or until is not set or over so long ago that the key could be forgotten at once.
func (s *Store) Consume(ctx context.Context, key string, until time.Time) error {
	if err := tokenauth.CheckID("key", key); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("until", until); err != nil {
		return err
	}
	call := rand.Text()
	return s.write(ctx, func(tx *transaction) error {
		n, err := tx.exec(ctx, `INSERT INTO ta_once (key, until, call_id) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING`,
			key, moment(until), call)
		if err != nil {
			return err
		}
		if n == 0 {
			return tx.checkOwnKey(ctx, key, call)
		}
		forgotten := s.now().Add(-keepLonger)
		if !forgotten.Before(until) {
			return invalid("until: over, so that the key would not be remembered")
		}
		// Two that are over leave for one that comes.
		_, err = tx.exec(ctx, `DELETE FROM ta_once WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM ta_once WHERE until <= $1 ORDER BY until LIMIT 2 FOR UPDATE SKIP LOCKED))`, moment(forgotten))
		return err
	})
}

// checkOwnKey says whether a key that is taken was taken by an earlier attempt of this call.
func (tx *transaction) checkOwnKey(ctx context.Context, key, call string) error {
	var theirs string
	if _, err := tx.row(ctx, `SELECT call_id FROM ta_once WHERE key = $1`, []any{key}, &theirs); err != nil {
		return err
	}
	if theirs != call {
		return refuse("key", tokenauth.ErrReplayed)
	}
	return errDone
}
