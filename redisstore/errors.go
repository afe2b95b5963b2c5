package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
)

// What the client or the server answers becomes ErrUnavailable: it could not be found out. The cause stays reachable by errors.Is and
// errors.As, and its text, which names addresses and settings and never values, stays in the message. Everything else is one of tokenauth's
// sentinels, with the field that was wrong.

// unavailable is the error of a store that could not do what.
func unavailable(what string, cause error) error {
	return fmt.Errorf("redisstore: %s: %w: %w", what, tokenauth.ErrUnavailable, cause)
}

// clientError is unavailable for what the client answered, with advice where there is any. Where the caller's time was up that is part of
// the cause: the client only says that reading took too long.
func clientError(ctx context.Context, what string, cause error) error {
	switch {
	case redis.HasErrorPrefix(cause, "NOPERM"):
		what += ": the user of this connection lacks a right, see the README"
	case redis.HasErrorPrefix(cause, "unknown command"):
		cause = unknownCommand{cause}
	case redis.HasErrorPrefix(cause, "READONLY"):
		what += ": the server is a replica"
	}
	if over := gone(ctx); over != nil {
		return fmt.Errorf("redisstore: %s: %w: %w (%w)", what, tokenauth.ErrUnavailable, over, cause)
	}
	return unavailable(what, cause)
}

// An unknownCommand is the answer of a server that lacks a command, without its text, which quotes the arguments.
type unknownCommand struct{ cause error }

// Error names no argument.
func (unknownCommand) Error() string { return "the server does not know a command that is needed" }

// Unwrap returns the server's answer.
func (e unknownCommand) Unwrap() error { return e.cause }

// gone returns why ctx is over, or nil. The deadline of a connection passes a little before the context's own timer fires.
func gone(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// refuse returns a sentinel with what it is about: a field, and never its value.
func refuse(what string, sentinel error) error {
	return fmt.Errorf("redisstore: %s: %w", what, sentinel)
}

// invalid is the refusal of a request.
func invalid(problem string) error { return refuse(problem, tokenauth.ErrInvalidRequest) }

// damaged is the refusal of what this package did not write.
func damaged(what string) error {
	if what == statusIncomplete {
		return refuse("Reseed has not made the indexes again yet: wait for it, or call Migrate if it was interrupted", tokenauth.ErrUnavailable)
	}
	return refuse(what+": damaged", tokenauth.ErrUnavailable)
}
