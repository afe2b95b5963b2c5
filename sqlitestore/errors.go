package sqlitestore

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"

	"github.com/a74cfa30/tokenauth"
)

// What the driver answers becomes ErrUnavailable: it could not be found out. The driver's error stays reachable by errors.As, and its
// text, which names tables and never values, stays in the message. Everything else is one of tokenauth's sentinels, with the field that
// was wrong.

// Primary result codes of SQLite; an extended one has its primary one in the lowest byte.
const (
	codeError = 1 // in a fixed statement: a table or a column is missing
	codeBusy  = 5 // another connection holds a lock
)

// unavailable is the error of a store that could not do what.
func unavailable(what string, cause error) error {
	return fmt.Errorf("sqlitestore: %s: %w: %w", what, tokenauth.ErrUnavailable, cause)
}

// driverError is unavailable for what the driver answered, with advice where there is any.
func driverError(what string, cause error) error {
	if resultCode(cause) == codeError {
		what += ": the store's tables are missing or not as they should be, see Migrate"
	}
	return unavailable(what, cause)
}

// isBusy says whether SQLite would have had to wait for another connection.
func isBusy(err error) bool { return resultCode(err) == codeBusy }

// resultCode returns SQLite's primary result code, or 0.
func resultCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// refuse returns a sentinel with what it is about: a field, and never its value.
func refuse(what string, sentinel error) error {
	return fmt.Errorf("sqlitestore: %s: %w", what, sentinel)
}

// invalid is the refusal of a request.
func invalid(problem string) error { return refuse(problem, tokenauth.ErrInvalidRequest) }
