package tokenauth

import (
	"context"
	"time"
	"unicode/utf8"
)

// Every decision can be seen, and seeing changes none of them. An observer is called in line, after the answer is fixed, so it
// must not block; a panic of its is swallowed, because a broken log line must not turn an accept into a crash.

// An Event is one verify, mint, revoke or rotate, and how it ended. Fields from a token are set only once it is proven, and what a revoke
// or rotate was asked for only where whoever asked is, who may be dead and may have asked for anything; all are cut to 128 bytes. Op and
// Code are bounded sets, good as metric labels; the others are not.
type Event struct {
	Op      string        // "verify", "mint", "revoke", "rotate"
	Code    string        // "ok", or the error's stable code: see ErrorCode
	Err     error         // nil where Code is "ok"
	Cause   error         // what a store or hook of yours answered, if that is why; its text is not this package's
	TokenID string        // jti; of a revoke, and of a rotate that failed, the id that was asked for
	Subject string        // sub; of a RevokeAll, the owner or subject whose tokens it was to end
	KeyID   string        // kid of the key that proved or made the token
	By      string        // who asked for a mint, revoke or rotate: a subject, or "system: why"
	Revoked int           // how many tokens a revoke newly ended
	Took    time.Duration // from call to answer, by the configured clock
}

// newEvent returns an event about claims, which may be nil where nothing was proven.
func newEvent(op string, err error, c *Claims, keyID string, took time.Duration) Event {
	e := Event{Op: op, Code: "ok", Err: err, Cause: causeOf(err), KeyID: cut(keyID), Took: took}
	if err != nil {
		e.Code = ErrorCode(err)
	}
	if c != nil {
		e.TokenID, e.Subject = cut(c.ID), cut(c.Subject)
	}
	return e
}

// maxEventBytes is the longest text of an event.
const maxEventBytes = 128

// cut shortens s to what an event may hold, at the end of a character.
func cut(s string) string {
	if len(s) <= maxEventBytes {
		return s
	}
	end := maxEventBytes
	for end > 0 && !utf8.RuneStart(s[end]) { // a text of no characters at all is cut to nothing
		end--
	}
	return s[:end]
}

// tell calls an observer, if there is one, and swallows its panic.
func tell(observe func(context.Context, Event), ctx context.Context, e Event) {
	defer func() { _ = recover() }()
	observe(ctx, e)
}
