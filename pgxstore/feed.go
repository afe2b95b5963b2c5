package pgxstore

import (
	"context"
	"errors"
	"time"
)

// What has died is a row of ta_dead each, and x the transaction that wrote it last. A row is new to a reader whose snapshot does not show
// that transaction, so the reader misses nobody, whoever commits first.
//
// The highest x also tells whether a store has gone back, so it must never fall. It would where a transaction overwrites what a younger one
// has written, which it had to wait for: numbers are given out before. It begins again instead, and is then the younger.

// Kinds of ta_dead.
const (
	deadToken = iota
	deadSession
	deadEpoch
)

// errYounger is why a transaction begins again that is older than what it was to overwrite.
var errYounger = errors.New("pgxstore: a younger transaction was first")

func errOvertaken() error { return unavailable("overtaken", errYounger) }

// notOlder is the condition under which a row of ta_dead may be overwritten.
const notOlder = `ta_dead.x <= pg_current_xact_id()`

// burial begins a statement for buryAll with one death: its kind, subject, id, from when and until when.
const burial = `WITH dead (kind, subject, id, dead_from, expires) AS (
	SELECT $1::smallint, $2::text, $3::text, $4::timestamptz, $5::timestamptz)`

// buryAll writes deaths into the feed, or moves them to where they are new, and says how many. The statement begins with the deaths, as
// dead. Of two deaths of one thing the earlier counts, and it is kept for the longer.
func (tx *transaction) buryAll(ctx context.Context, dead string, args ...any) (int, error) {
	var died, buried int
	_, err := tx.row(ctx, dead+`,
	buried AS (INSERT INTO ta_dead (kind, subject, id, dead_from, expires) SELECT * FROM dead
		ON CONFLICT (kind, subject, id) DO UPDATE SET x = pg_current_xact_id(), dead_from = least(ta_dead.dead_from, excluded.dead_from),
			expires = greatest(ta_dead.expires, excluded.expires)
		WHERE `+notOlder+` RETURNING 1)
	SELECT (SELECT count(*) FROM dead), (SELECT count(*) FROM buried)`, args, &died, &buried)
	if err == nil && buried < died {
		err = errOvertaken()
	}
	tx.died = tx.died || died > 0
	return died, err
}

// forget drops at most limit deaths of a kind that had expired by at, and says how many. The latest stays, whatever it is.
func (tx *transaction) forget(ctx context.Context, kind int, at time.Time, limit int) (int, error) {
	return tx.exec(ctx, `DELETE FROM ta_dead WHERE ctid = ANY (ARRAY(SELECT ctid FROM ta_dead
		WHERE kind = $1 AND expires <= $2 AND x < (SELECT x FROM ta_dead ORDER BY x DESC LIMIT 1)
		ORDER BY expires LIMIT $3 FOR UPDATE SKIP LOCKED))`, kind, moment(at), limit)
}
