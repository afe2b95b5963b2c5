package pgxstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/a74cfa30/tokenauth"
)

// What the driver answers becomes ErrUnavailable: it could not be found out. The driver's error stays reachable by errors.Is and errors.As.
// Its text stays in the message where it is known to hold no value: what the server says of a statement does not, what the driver says of
// an argument may. Of connecting the message says no name: in a connection string with a password that should have been escaped, that may
// hold a part of it. Everything else is one of tokenauth's sentinels, with the field that was wrong.

// Classes and codes of PostgreSQL's errors.
const (
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeLockTimeout   = "55P03" // only Migrate and Reseed set one
	codeNoTable       = "42P01"
	codeNoColumn      = "42703"
)

// A failure is what the driver answered, under ErrUnavailable.
type failure struct {
	what  string
	cause error
}

// Error implements error.
func (f *failure) Error() string {
	text := "pgxstore: " + f.what + ": " + tokenauth.ErrUnavailable.Error()
	var server *pgconn.PgError
	var connecting *pgconn.ConnectError
	switch {
	case errors.As(f.cause, &connecting):
		return text + ": " + connectingText(connecting)
	case errors.As(f.cause, &server):
		return text + ": " + server.Message + " (SQLSTATE " + server.Code + ")"
	case errors.Is(f.cause, context.DeadlineExceeded):
		return text + ": " + context.DeadlineExceeded.Error()
	case errors.Is(f.cause, context.Canceled):
		return text + ": " + context.Canceled.Error()
	}
	return text
}

// connectingText says why there is no connection.
func connectingText(err error) string {
	var server *pgconn.PgError
	var number syscall.Errno
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &server): // its words name the user or the database
		return "the server refuses it (SQLSTATE " + server.Code + ")"
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &name) && name.IsNotFound:
		return "no such host"
	case errors.As(err, &certificate):
		return "the server's certificate is not believed"
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case pgconn.Timeout(err):
		return "timed out"
	}
	return "no connection"
}

// Unwrap implements the interface of errors.Is and errors.As.
func (f *failure) Unwrap() []error { return []error{tokenauth.ErrUnavailable, f.cause} }

// unavailable is the error of a store that could not do what.
func unavailable(what string, cause error) error { return &failure{what, cause} }

// driverError is unavailable for what the driver answered to a statement, with advice where there is any.
func driverError(cause error) error {
	switch code(cause) {
	case codeNoTable, codeNoColumn:
		return unavailable("the store's tables are missing or not as they should be, see Migrate", cause)
	}
	return unavailable("asking the server", cause)
}

// code returns the server's code of an error, or "".
func code(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

// isConflict says whether the same may succeed if it is tried again.
func isConflict(err error) bool {
	switch code(err) {
	case codeSerialization, codeDeadlock, codeLockTimeout:
		return true
	}
	return errors.Is(err, errYounger)
}

// An unknown is the failure of a call that may have counted and must not be made again: it would count twice.
type unknown struct{ *failure }

// isFinal says whether what failed must not be tried again.
func isFinal(err error) bool {
	var u unknown
	return errors.As(err, &u)
}

// refuse returns a sentinel with what it is about: a field, and never its value.
func refuse(what string, sentinel error) error {
	return fmt.Errorf("pgxstore: %s: %w", what, sentinel)
}

// invalid is the refusal of a request.
func invalid(problem string) error { return refuse(problem, tokenauth.ErrInvalidRequest) }
