package redisstore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// How a record becomes a hash and a hash a record. What never changes is one JSON text, which no script reads; what the scripts have to
// know stands beside it.

// record makes a record of a row, as scripts tell it: body, ret, suc, rev, revby, why, and the moment of its last use. nil: there is none.
func record(row []any) (*tokenauth.StoredAccessToken, error) {
	if len(row) != 7 {
		return nil, damaged("reply")
	}
	body, ok := row[0].(string)
	if !ok {
		return nil, nil
	}
	t := new(tokenauth.StoredAccessToken)
	if json.Unmarshal([]byte(body), t) != nil { // the cause may quote a value
		return nil, damaged("record")
	}
	for _, at := range []struct {
		field any
		to    *time.Time
	}{{row[1], &t.RetireAt}, {row[3], &t.RevokedAt}, {row[6], &t.LastUsedAt}} {
		if *at.to, ok = moment(text(at.field)); !ok {
			return nil, damaged("record")
		}
	}
	t.SuccessorID, t.RevokedBy, t.RevokeReason = text(row[2]), text(row[4]), text(row[5])
	return t, nil
}

// arguments are those of a new record, for the scripts that add one.
func arguments(t *tokenauth.StoredAccessToken, call string) ([]any, error) {
	kept := *t
	kept.CreatedAt, kept.ExpiresAt = t.CreatedAt.UTC().Truncate(time.Microsecond), second(t.ExpiresAt)
	body, err := json.Marshal(kept)
	if err != nil {
		return nil, invalid("record: no JSON")
	}
	return []any{
		t.ID, body, stamp(kept.ExpiresAt), kept.ExpiresAt.Unix(), stamp(kept.CreatedAt),
		t.RootID, t.Owner, t.Depth, t.ParentID, t.Subject, t.CreatedBy, t.SessionID, call,
	}, nil
}

// stamp returns t as it is kept: microseconds since 1970, 18 digits, which compare as texts.
func stamp(t time.Time) string { return fmt.Sprintf("%018d", max(t.UnixMicro(), 0)) }

// moment returns what was kept, and the zero Time for "".
func moment(stamp string) (time.Time, bool) {
	if stamp == "" {
		return time.Time{}, true
	}
	micros, err := strconv.ParseInt(stamp, 10, 64)
	return time.UnixMicro(micros).UTC(), err == nil
}

// second returns t as tokens carry it: UTC, cut to the second.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// later returns the later of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
