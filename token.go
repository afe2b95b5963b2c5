package tokenauth

import (
	"fmt"
	"io"
)

// A token in the clear leaks through whatever prints it: a log line, an error, a struct in a debugger's dump. So a fresh token is
// handed out as a type that prints nothing, and the text is kept where no printer looks, inside a function.

// redacted is what every printer and encoder gets of a Token.
const redacted = "[redacted]"

// A Token is a credential in the clear. It prints, logs and marshals as [redacted]; Reveal is the one way out. The zero Token is
// no credential.
type Token struct{ reveal func() string }

var (
	_ fmt.Formatter = Token{}
	_ fmt.Stringer  = Token{}
)

// newToken returns text as a Token.
func newToken(text string) Token { return Token{func() string { return text }} }

// Reveal returns the credential, for its owner; "" for the zero Token. It may be called again; hand it out once.
func (t Token) Reveal() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// Format implements fmt.Formatter: [redacted] under every verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns [redacted].
func (t Token) String() string { return redacted }

// MarshalText returns [redacted]; it serves JSON, XML and log/slog as well.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
