package tokenauth

import (
	"context"
	"errors"
	"time"
)

// A signature proves who made a token and never that it still counts. These ports are where a Verifier asks about that, after
// everything else holds: is the token's id revoked, does its session live, has its subject's epoch moved on, was it used
// before. Each has one reading method, because that is all a Verifier needs; the writers below them are what a service calls
// to end something, and what every store of this project also is.
//
// A store remembers, the Verifier decides. A store reads no clock but the one it was given, judges no token's expiry, keeps no
// policy, starts no goroutine and opens no connection. It honours the deadline of each call's context, and if it cannot answer
// it says so: an error is a 503 to the caller, never a yes and never a no. Package storetest holds this contract as tests.
//
// Where nothing is to be asked, that is said aloud: Unenforced and EnforcedElsewhere stand where a store would.

// A RevocationStore says whether a token id is revoked: all a Verifier needs. An error means nobody knows, and is a 503. It must
// honour ctx's deadline and be safe for concurrent use. It is told of no expiry and judges none.
//
// A store that answers from this process's memory may say so by a method AnswersFromMemory(), and is then called without a
// timer. So may every other port here and a KeySet. A type that embeds one of these has the method too: it must not, if it asks
// somebody else. One that answers less than is asked, as a replica does, may say so by a method Describe() string, which is part of what
// Verifier.Describe tells.
type RevocationStore interface {
	IsRevoked(ctx context.Context, jti string) (bool, error)
}

// A SessionStore says whether a session lives: a row that is gone has ended.
type SessionStore interface {
	IsSessionActive(ctx context.Context, subject, sid string) (bool, error)
}

// A SessionWriter is a SessionStore one can write to. Every store of this project is one.
type SessionWriter interface {
	SessionStore
	// StartSession begins a session, or moves until of one that lives; at until it has ended. The tokens of a session must not
	// outlive it.
	StartSession(ctx context.Context, subject, sid string, until time.Time) error
	// EndSession ends one session; an unknown one is not an error.
	EndSession(ctx context.Context, subject, sid string) error
	// EndSessions ends all of subject's and says how many.
	EndSessions(ctx context.Context, subject string) (int, error)
}

// An Epoch is since when, and from which version on, a subject's tokens count. The zero Epoch lets all of them count.
type Epoch struct {
	MinVersion int64     // tokens with sv below it are dead; a token without sv has 0
	NotBefore  time.Time // tokens issued at or before it are dead; whole seconds, UTC
}

// Everyone is the subject that speaks for all of them, in an EpochStore and by NotBefore only. No token has it.
const Everyone = "*"

// An EpochStore knows the epoch of a subject, merged with that of Everyone; the zero Epoch if neither ever moved.
type EpochStore interface {
	Epoch(ctx context.Context, subject string) (Epoch, error)
}

// An EpochWriter moves epochs forward, never back. Every store of this project is one.
type EpochWriter interface {
	EpochStore
	// BumpEpoch adds one to MinVersion, atomically: log out everywhere. Everyone is refused with ErrInvalidRequest.
	BumpEpoch(ctx context.Context, subject string) (Epoch, error)
	// RaiseNotBefore keeps the later of t and what is stored. A t more than 5 s ahead of the store's clock is refused with
	// ErrInvalidRequest: it would lock out whoever logs in until then.
	RaiseNotBefore(ctx context.Context, subject string, t time.Time) (Epoch, error)
}

// A OneTimeStore remembers key until a moment, atomically: the first caller gets nil, every other an error wrapping
// ErrReplayed. A call that was cut off may have counted.
type OneTimeStore interface {
	Consume(ctx context.Context, key string, until time.Time) error
}

// Unenforced stands where a store would and says why there is none, for whoever reads the configuration. A Verifier knows it,
// tells it in Describe and does not call it; whoever else does gets an error. An empty reason is a configuration error.
type Unenforced string

// EnforcedElsewhere stands where a store would and names the gate that does the check: a sidecar, a gateway in front. It is
// treated as Unenforced is.
type EnforcedElsewhere string

var (
	_ RevocationStore = Unenforced("")
	_ SessionStore    = Unenforced("")
	_ EpochStore      = Unenforced("")
	_ RevocationStore = EnforcedElsewhere("")
	_ SessionStore    = EnforcedElsewhere("")
	_ EpochStore      = EnforcedElsewhere("")
)

// errNotAStore is what a stance answers when it is asked as if it were a store.
var errNotAStore = errors.New("tokenauth: Unenforced and EnforcedElsewhere answer no question")

// IsRevoked implements RevocationStore, with an error.
func (Unenforced) IsRevoked(context.Context, string) (bool, error) { return false, errNotAStore }

// IsSessionActive implements SessionStore, with an error.
func (Unenforced) IsSessionActive(context.Context, string, string) (bool, error) {
	return false, errNotAStore
}

// Epoch implements EpochStore, with an error.
func (Unenforced) Epoch(context.Context, string) (Epoch, error) { return Epoch{}, errNotAStore }

// IsRevoked implements RevocationStore, with an error.
func (EnforcedElsewhere) IsRevoked(context.Context, string) (bool, error) { return false, errNotAStore }

// IsSessionActive implements SessionStore, with an error.
func (EnforcedElsewhere) IsSessionActive(context.Context, string, string) (bool, error) {
	return false, errNotAStore
}

// Epoch implements EpochStore, with an error.
func (EnforcedElsewhere) Epoch(context.Context, string) (Epoch, error) {
	return Epoch{}, errNotAStore
}
