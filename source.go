package tokenauth

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A verifier on every node cannot ask one store on every request and be fast too. It can hold what has died in its own memory, if the
// store tells it completely and in order to say since when it knows. That is what a Source does, and package replica is who listens.
//
// Completeness is all: a death that was acknowledged and is in no read is a revoked token that goes on working. So a Source promises nothing
// about order, and a cursor says what its reader has seen, not how far some counter had come: of two writers at once the one with the lower
// number may be the later one to commit. And what a cursor means ends with the incarnation of the store that made it: a standby that was
// promoted, a restart, a copy that was restored. What came after is then read from the beginning, and laid over what the reader knows.

// A Source is what a store may also be: where package replica reads what has died. It must be safe for concurrent use and honour ctx.
type Source interface {
	// Changes yields every change whose call had returned before this one began and that since has not seen, and last the cursor to go on
	// from. The zero cursor asks for everything that is dead and unexpired, and for every epoch. Changes are idempotent and commute: order
	// says nothing, and one may come again. A read that ends without Next, or with an error, was not complete, and says nothing about what
	// it did not yield. ErrStaleCursor: begin again with the zero cursor. ErrUnavailable: the store cannot be reached, or is not believed.
	Changes(ctx context.Context, since Cursor) iter.Seq2[Change, error]
	// Wait returns nil when there may be something that since has not seen, or with ctx's error, which is no failure. It may return early,
	// and a store without anything to wake it by waits as long as its own polling takes. Any other error says that waiting does not work;
	// whoever calls it polls instead.
	Wait(ctx context.Context, since Cursor) error
}

// A Cursor is a source's own bookmark, opaque to everyone else, good only within the incarnation of the store that made it. It holds no secret
// and no name. The zero Cursor is the beginning.
type Cursor string

// A Change is one death: of a token, a session, or all that came before an epoch. One that names nothing only brings Next.
type Change struct {
	TokenID   string    // revoked or retired; or
	SessionID string    // ended, of Subject; or
	Subject   string    // whose Epoch it is, perhaps Everyone
	Epoch     Epoch     // what it now is at least: of two the later of each member counts
	From      time.Time // from when it is dead; zero: already. A rotated token's RetireAt. Of two the earlier counts
	Until     time.Time // its expiry, after which nobody accepts it anyway; the reader adds what clocks may differ by. Epochs have none
	Next      Cursor    // set on the last one only
}

// ErrStaleCursor says that a cursor is not of this incarnation of the store, so that what its reader has not seen cannot be told: it begins
// again with the zero cursor. It is for whoever reads a Source; no Verifier returns it.
var ErrStaleCursor = errors.New("tokenauth: the cursor is of another incarnation of the store")
