package tokenauth_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A token leaks through whatever prints it, so everything that prints is tried here, on a token that was really minted.

func TestTokenIsRevealedByRevealAlone(t *testing.T) {
	o := newOffice(t)
	issued := o.child(t, bySystem, "deployment:web:read")
	token := issued.Token
	require.Equal(t, token.Reveal(), token.Reveal(), "as often as it is asked for")
	require.Len(t, strings.Split(token.Reveal(), "."), 3)
	copied := token
	require.Equal(t, token.Reveal(), copied.Reveal())
	require.True(t, o.lives(t, tokenauth.Issued{Token: copied}))
}

func TestTheZeroTokenIsNoCredential(t *testing.T) {
	var token tokenauth.Token
	require.Equal(t, "", token.Reveal())
	require.Equal(t, "[redacted]", token.String())
	require.Equal(t, "[redacted]", fmt.Sprintf("%v", token))
	text, err := token.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[redacted]", string(text))
	require.Empty(t, tokenauth.Issued{}.Token.Reveal())
}

func TestTokenPrintsNothing(t *testing.T) {
	issued := newOffice(t).child(t, bySystem, "deployment:web:read")
	token := issued.Token

	t.Run("it prints as [redacted] itself, under every verb", func(t *testing.T) {
		for _, verb := range "vTbcdoOqxXUeEfFgGstpw" {
			for _, flags := range []string{"", "+", "#", "-40", "040", " ", ".3", "+#"} {
				format := "%" + flags + string(verb)
				printed := fmt.Sprintf(format, token)
				if verb != 'T' && verb != 'p' && verb != 'w' { // which ask for no formatter
					require.Equal(t, "[redacted]", printed, format)
				}
				requireNoToken(t, issued, printed)
			}
		}
		require.Equal(t, "[redacted]", fmt.Sprint(token))
		require.Equal(t, "[redacted]", token.String())
		require.Equal(t, "[redacted]", fmt.Sprint(&token))
	})

	// Whoever holds a token, under a name that fmt can call a method through or not.
	type open struct {
		Token tokenauth.Token `json:"token" xml:"token"`
		Name  string
	}
	type closed struct {
		token tokenauth.Token
		name  string
	}
	type attribute struct {
		Token tokenauth.Token `xml:"token,attr"`
	}
	type embedded struct{ tokenauth.Token }
	type deep struct{ held *closed }
	for name, value := range map[string]any{
		"a token":            token,
		"a pointer":          &token,
		"an exported field":  open{token, "ci"},
		"an unexported one":  closed{token, "ci"},
		"an embedded one":    embedded{token},
		"an attribute":       attribute{token},
		"a pointer within":   deep{&closed{token, "ci"}},
		"a list":             []tokenauth.Token{token},
		"a list of closed":   []closed{{token, "ci"}},
		"a map":              map[string]tokenauth.Token{"ci": token},
		"an interface":       []any{token, closed{token, "ci"}},
		"what Issue returns": issued,
		"an error":           fmt.Errorf("minted %v: %w", token, errors.New("x")),
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T"} {
				requireNoToken(t, issued, fmt.Sprintf(format, value))
			}
			var out bytes.Buffer
			_ = json.NewEncoder(&out).Encode(value)
			_ = xml.NewEncoder(&out).Encode(value)
			_ = gob.NewEncoder(&out).Encode(value)
			slog.New(slog.NewTextHandler(&out, nil)).Info("minted", "value", value)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("minted", "value", value)
			slog.New(slog.NewTextHandler(&out, nil)).WithGroup("g").With("value", value).Info("minted")
			_ = template.Must(template.New("").Parse("{{.}} {{printf `%v` .}}")).Execute(&out, value)
			requireNoToken(t, issued, out.String())
		})
	}

	t.Run("JSON and XML hold the word", func(t *testing.T) {
		text, err := json.Marshal(open{token, "ci"})
		require.NoError(t, err)
		require.JSONEq(t, `{"token":"[redacted]","Name":"ci"}`, string(text))
		text, err = json.Marshal(map[string]any{"token": token, "also": &token})
		require.NoError(t, err)
		require.JSONEq(t, `{"token":"[redacted]","also":"[redacted]"}`, string(text))
		text, err = xml.Marshal(attribute{token})
		require.NoError(t, err)
		require.Equal(t, `<attribute token="[redacted]"></attribute>`, string(text))
	})
	t.Run("gob takes none", func(t *testing.T) {
		require.Error(t, gob.NewEncoder(&bytes.Buffer{}).Encode(token))
		require.Error(t, gob.NewEncoder(&bytes.Buffer{}).Encode(open{token, "ci"}))
	})
	t.Run("no text turns back into a token", func(t *testing.T) {
		var back open
		require.Error(t, json.Unmarshal([]byte(`{"token":"[redacted]"}`), &back))
	})
	t.Run("a log line says so", func(t *testing.T) {
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("minted", "token", token)
		require.Contains(t, out.String(), `token=[redacted]`)
	})
}

// requireNoToken holds what was printed against the token, each of its segments, and its bytes in other spellings.
func requireNoToken(t testing.TB, issued tokenauth.Issued, printed string) {
	t.Helper()
	token := issued.Token.Reveal()
	for _, part := range append(strings.Split(token, "."), token) {
		for _, spelling := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), fmt.Sprint([]byte(part))} {
			require.NotContains(t, printed, spelling)
		}
	}
}
