package tokenauth

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tree of errors, written out once more: every reason there is, with its code, by the answer it gives. Programs, dashboards and
// clients hold on to the codes, so that a change here is a change to them.
var errorTree = []struct {
	name   string // of the variable
	err    error
	code   string
	parent error // what it wraps next; nil at the top
}{
	{"ErrInvalidToken", ErrInvalidToken, "token_invalid", nil},
	{"ErrMissingToken", ErrMissingToken, "token_missing", ErrInvalidToken},
	{"ErrMalformed", ErrMalformed, "token_malformed", ErrInvalidToken},
	{"reasonTooLong", reasonTooLong, "token_too_long", ErrMalformed},
	{"reasonHeader", reasonHeader, "header_malformed", ErrMalformed},
	{"reasonHeaderRefused", reasonHeaderRefused, "header_refused", ErrMalformed},
	{"reasonAlgorithm", reasonAlgorithm, "algorithm_wrong", ErrMalformed},
	{"reasonType", reasonType, "type_wrong", ErrMalformed},
	{"reasonPayloadEncoded", reasonPayloadEncoded, "payload_malformed", ErrMalformed},
	{"ErrUnknownKey", ErrUnknownKey, "key_unknown", ErrInvalidToken},
	{"ErrSignature", ErrSignature, "signature_bad", ErrInvalidToken},
	{"ErrClaims", ErrClaims, "claims_bad", ErrInvalidToken},
	{"reasonClaimsJSON", reasonClaimsJSON, "claims_malformed", ErrClaims},
	{"reasonTooMany", reasonTooMany, "claims_too_many", ErrClaims},
	{"reasonLifetime", reasonLifetime, "lifetime_too_long", ErrClaims},
	{"reasonStateless", reasonStateless, "lifetime_stateless", ErrClaims},
	{"reasonNoID", reasonNoID, "token_id_missing", ErrClaims},
	{"reasonAccountType", reasonAccountType, "account_type_unknown", ErrClaims},
	{"reasonClientID", reasonClientID, "client_id_missing", ErrClaims},
	{"reasonCategory", reasonCategory, "category_wrong", ErrClaims},
	{"reasonUnknownClaims", reasonUnknownClaims, "claims_unknown", ErrClaims},
	{"reasonAdapt", reasonAdapt, "adapt_refused", ErrClaims},
	{"reasonNoSessions", reasonNoSessions, "sessions_not_configured", ErrClaims},
	{"reasonNoEpochs", reasonNoEpochs, "epochs_not_configured", ErrClaims},
	{"reasonNoAdminCheck", reasonNoAdminCheck, "admin_not_configured", ErrClaims},
	{"reasonNoConfirm", reasonNoConfirm, "confirm_not_configured", ErrClaims},
	{"reasonConfirm", reasonConfirm, "confirm_refused", ErrClaims},
	{"ErrExpired", ErrExpired, "token_expired", ErrInvalidToken},
	{"ErrNotYetValid", ErrNotYetValid, "token_not_yet_valid", ErrInvalidToken},
	{"reasonIssuedInFuture", reasonIssuedInFuture, "issued_in_future", ErrNotYetValid},
	{"ErrIssuer", ErrIssuer, "issuer_wrong", ErrInvalidToken},
	{"ErrAudience", ErrAudience, "audience_wrong", ErrInvalidToken},
	{"ErrAdminRefused", ErrAdminRefused, "admin_refused", ErrInvalidToken},
	{"ErrRevoked", ErrRevoked, "token_revoked", ErrInvalidToken},
	{"ErrSessionEnded", ErrSessionEnded, "session_ended", ErrInvalidToken},
	{"ErrStaleEpoch", ErrStaleEpoch, "epoch_stale", ErrInvalidToken},
	{"ErrReplayed", ErrReplayed, "token_replayed", ErrInvalidToken},
	{"reasonStranger", reasonStranger, "principal_foreign", ErrInvalidToken},

	{"ErrForbidden", ErrForbidden, "forbidden", nil},
	{"reasonScope", reasonScope, "scope_insufficient", ErrForbidden},
	{"reasonRole", reasonRole, "role_missing", ErrForbidden},
	{"reasonOAuthScope", reasonOAuthScope, "oauth_scope_missing", ErrForbidden},
	{"reasonQuestion", reasonQuestion, "question_ill_formed", ErrForbidden},
	{"reasonNobody", reasonNobody, "asker_missing", ErrForbidden},
	{"reasonAsker", reasonAsker, "asker_foreign", ErrForbidden},
	{"reasonNotHeld", reasonNotHeld, "authority_not_held", ErrForbidden},
	{"reasonNotYours", reasonNotYours, "record_not_yours", ErrForbidden},

	{"ErrUnavailable", ErrUnavailable, "unavailable", nil},
	{"reasonKeysDown", reasonKeysDown, "keys_unavailable", ErrUnavailable},
	{"reasonRevocationDown", reasonRevocationDown, "revocation_unavailable", ErrUnavailable},
	{"reasonSessionsDown", reasonSessionsDown, "sessions_unavailable", ErrUnavailable},
	{"reasonEpochsDown", reasonEpochsDown, "epochs_unavailable", ErrUnavailable},
	{"reasonAdminCheckDown", reasonAdminCheckDown, "admin_check_unavailable", ErrUnavailable},
	{"reasonConfirmDown", reasonConfirmDown, "confirm_unavailable", ErrUnavailable},
	{"reasonOneTimeDown", reasonOneTimeDown, "one_time_unavailable", ErrUnavailable},
	{"reasonMayGrantDown", reasonMayGrantDown, "may_grant_unavailable", ErrUnavailable},
	{"reasonTokensDown", reasonTokensDown, "tokens_unavailable", ErrUnavailable},
	{"reasonSigningDown", reasonSigningDown, "signing_unavailable", ErrUnavailable},

	{"ErrInvalidRequest", ErrInvalidRequest, "request_invalid", nil},
	{"ErrNotFound", ErrNotFound, "not_found", nil},
	{"ErrExists", ErrExists, "already_exists", nil},
}

var threeAnswers = []error{ErrInvalidToken, ErrForbidden, ErrUnavailable}

// answersOf returns which of the three answers err gives.
func answersOf(err error) (given []error) {
	for _, answer := range threeAnswers {
		if errors.Is(err, answer) {
			given = append(given, answer)
		}
	}
	return given
}

func TestErrorTree(t *testing.T) {
	codes, texts := map[string]bool{}, map[string]bool{}
	for _, row := range errorTree {
		assert.Equal(t, row.code, ErrorCode(row.err), row.name)
		assert.Regexp(t, `^[a-z]+(_[a-z]+)*$`, row.code, "a code is good as a metric label")
		assert.False(t, codes[row.code], "%s: the code %s is another's", row.name, row.code)
		codes[row.code] = true
		assert.True(t, row.parent == errors.Unwrap(row.err), row.name)

		assert.Regexp(t, `^tokenauth: [a-zA-Z][^\n]*[^.\n]$`, row.err.Error(), "one sentence, to be wrapped by others")
		assert.False(t, texts[row.err.Error()], "%s: the text is another's", row.name)
		texts[row.err.Error()] = true
	}
	assert.False(t, codes["internal"] || codes["ok"], "these two say something else")
}

// Every sentinel gives exactly its answer; what minting and stores report gives none.
func TestEveryReasonGivesOneAnswer(t *testing.T) {
	for _, row := range errorTree {
		top := row.err
		for errors.Unwrap(top) != nil {
			top = errors.Unwrap(top)
		}
		switch top {
		case ErrInvalidToken, ErrForbidden, ErrUnavailable:
			assert.Equal(t, []error{top}, answersOf(row.err), row.name)
		case ErrInvalidRequest, ErrNotFound, ErrExists:
			assert.Equal(t, top, row.err, row.name)
			assert.Empty(t, answersOf(row.err), row.name)
		default:
			t.Errorf("%s is below nothing that is exported", row.name)
		}
		for _, other := range errorTree {
			below := other.err == row.err || other.err == row.parent || row.parent != nil && other.err == errors.Unwrap(row.parent)
			assert.Equal(t, below, errors.Is(row.err, other.err), "%s is %s", row.name, other.name)
		}
	}
}

// The tree above is all of errors.go, and errors.go is where all reasons are made.
func TestErrorTreeIsComplete(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var made []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if len(n.Values) == 1 && reasonLiteral(n.Values[0]) != nil {
					made = append(made, n.Names[0].Name+" "+codeOf(t, reasonLiteral(n.Values[0])))
				}
			case *ast.CompositeLit:
				if ident, ok := n.Type.(*ast.Ident); ok && ident.Name == "reason" {
					assert.Equal(t, "errors.go", name, "reasons are made in one file only")
				}
			}
			return true
		})
	}
	var want []string
	for _, row := range errorTree {
		want = append(want, row.name+" "+row.code)
	}
	assert.ElementsMatch(t, want, made)
}

// reasonLiteral returns the literal of &reason{…}, or nil.
func reasonLiteral(e ast.Expr) *ast.CompositeLit {
	if pointer, ok := e.(*ast.UnaryExpr); ok {
		if literal, ok := pointer.X.(*ast.CompositeLit); ok {
			if ident, ok := literal.Type.(*ast.Ident); ok && ident.Name == "reason" {
				return literal
			}
		}
	}
	return nil
}

func codeOf(t *testing.T, literal *ast.CompositeLit) string {
	code, err := strconv.Unquote(literal.Elts[1].(*ast.BasicLit).Value)
	require.NoError(t, err)
	return code
}

func TestErrorCode(t *testing.T) {
	stranger := errors.New("a stranger")
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"a stranger", stranger, "internal"},
		{"a stranger, wrapped", fmt.Errorf("x: %w", stranger), "internal"},
		{"the end of a context", context.Canceled, "internal"},
		{"a reason", ErrExpired, "token_expired"},
		{"a reason, wrapped", fmt.Errorf("x: %w", ErrExpired), "token_expired"},
		{"wrapped twice", fmt.Errorf("x: %w", fmt.Errorf("y: %w", reasonScope)), "scope_insufficient"},
		{"joined with a stranger", errors.Join(stranger, ErrRevoked), "token_revoked"},
		{"the finer of a reason and its parent", fmt.Errorf("%w", reasonHeader), "header_malformed"},
		{"with a detail", reasonUnknownClaims.with("x"), "claims_unknown"},
		{"with a detail, wrapped", fmt.Errorf("x: %w", invalid("y")), "request_invalid"},
		{"with a cause", reasonTokensDown.because(stranger), "tokens_unavailable"},
		{"with a cause of ours", reasonTokensDown.because(ErrNotFound), "tokens_unavailable"},
		{"with a cause that is an answer", reasonTokensDown.because(ErrExpired), "tokens_unavailable"},
	} {
		assert.Equal(t, row.want, ErrorCode(row.err), row.name)
	}
}

// A detail is for people: it is in the text and changes nothing else.
func TestErrorDetail(t *testing.T) {
	err := reasonUnknownClaims.with("tenant")
	assert.EqualError(t, err, reasonUnknownClaims.Error()+": tenant")
	assert.ErrorIs(t, err, ErrClaims)
	assert.Equal(t, []error{ErrInvalidToken}, answersOf(err))
	assert.Equal(t, "tenant", detailOf(err))
	assert.Equal(t, ErrExpired.Error(), detailOf(ErrExpired))
	assert.EqualError(t, reasonTokensDown.because(errors.New("x")), reasonTokensDown.Error(), "a cause is no detail")
	assert.Equal(t, reasonTokensDown.Error(), detailOf(reasonTokensDown.because(errors.New("x"))))
}

// A causeError is what a store might answer.
type causeError struct{ text string }

func (e *causeError) Error() string { return e.text }

// A sayYes claims to be every error there is.
type sayYes struct{}

func (sayYes) Error() string { return "canary" }
func (sayYes) Is(error) bool { return true }

// Whatever a store or hook answers, the answer to the caller is the one the Verifier chose: a 503 that wraps an ErrExpired would be
// taken for a 401 by whoever asks first for that.
func TestCauseNeverChangesTheAnswer(t *testing.T) {
	for name, cause := range map[string]error{
		"an answer":                     ErrInvalidToken,
		"another answer":                ErrForbidden,
		"a reason":                      ErrRevoked,
		"a reason, wrapped":             fmt.Errorf("canary: %w", reasonScope),
		"a reason among strangers":      errors.Join(errors.New("canary"), ErrExpired),
		"an answer of another verifier": reasonKeysDown.because(errors.New("canary")),
		"who says yes to everything":    sayYes{},
		"a stranger":                    errors.New("canary"),
		"no such record":                fmt.Errorf("canary: %w", ErrNotFound),
		"a typed stranger":              &causeError{"canary"},
		"the end of a context":          context.DeadlineExceeded,
		"nothing":                       nil,
	} {
		for _, reason := range []*reason{reasonTokensDown, reasonScope, reasonAdapt, reasonRevocationDown} {
			top := answersOf(reason)
			require.Len(t, top, 1)
			err := reason.because(cause)
			for _, err := range []error{err, fmt.Errorf("wrapped: %w", err), errors.Join(errors.New("x"), err)} {
				assert.Equal(t, top, answersOf(err), "%s below %s", name, reason.code)
				assert.Equal(t, reason.code, ErrorCode(err), name)
				assert.ErrorIs(t, err, reason)
				assert.NotContains(t, err.Error(), "canary", "the text of a cause is not ours to tell: %s", name)
				assert.NotContains(t, fmt.Sprintf("%v %s %q", err, err, err), "canary", name)
			}
		}
	}
}

// A stranger's cause can be asked for, and Event.Cause has every cause.
func TestCauseCanBeAskedFor(t *testing.T) {
	stranger := &causeError{"canary"}
	for _, err := range []error{
		reasonTokensDown.because(stranger),
		fmt.Errorf("x: %w", reasonTokensDown.because(fmt.Errorf("y: %w", stranger))),
	} {
		assert.ErrorIs(t, err, stranger)
		var found *causeError
		assert.ErrorAs(t, err, &found)
		assert.Same(t, stranger, found)
		assert.ErrorIs(t, causeOf(err), stranger)
	}
	assert.ErrorIs(t, reasonTokensDown.because(context.DeadlineExceeded), context.DeadlineExceeded)
	assert.ErrorIs(t, reasonTokensDown.because(ErrNotFound), ErrNotFound, "what gives no answer is shown")

	hidden := fmt.Errorf("z: %w", ErrRevoked)
	assert.NotErrorIs(t, reasonTokensDown.because(hidden), ErrRevoked)
	assert.Equal(t, hidden, causeOf(reasonTokensDown.because(hidden)), "kept for the log all the same")

	assert.NoError(t, causeOf(nil))
	assert.NoError(t, causeOf(ErrExpired))
	assert.NoError(t, causeOf(stranger))
	assert.NoError(t, causeOf(reasonUnknownClaims.with("x")))
}

func TestEventTellsWhatTheErrorDoesNot(t *testing.T) {
	cause := errors.New("canary")
	err := reasonRevocationDown.because(cause)
	e := newEvent("verify", err, nil, "k1", time.Millisecond)
	assert.Equal(t, Event{Op: "verify", Code: "revocation_unavailable", Err: err, Cause: cause, KeyID: "k1", Took: time.Millisecond}, e)
	assert.NotContains(t, e.Err.Error(), "canary")

	c := &Claims{ID: "id-1", Subject: "alice", Email: "alice@example.com"}
	assert.Equal(t, Event{Op: "mint", Code: "ok", TokenID: "id-1", Subject: "alice"}, newEvent("mint", nil, c, "", 0))
	assert.Equal(t, "internal", newEvent("mint", cause, nil, "", 0).Code)
}

func TestEventTextsAreCut(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       int // bytes
	}{
		{"short", "alice", 5},
		{"128 bytes", strings.Repeat("x", 128), 128},
		{"129 bytes", strings.Repeat("x", 129), 128},
		{"the end of a character", strings.Repeat("x", 127) + "é", 127},
		{"the end of a character of four bytes", strings.Repeat("x", 125) + "\U0001f4a5", 125},
		{"a character that just fits", strings.Repeat("x", 126) + "éx", 128},
		{"nothing but long characters", strings.Repeat("\U0001f4a5", 100), 128},
		{"a megabyte", strings.Repeat("é", 1<<19), 128},
		{"no character at all", strings.Repeat("\x80", 200), 0},
	} {
		got := cut(row.text)
		assert.Len(t, got, row.want, row.name)
		assert.True(t, strings.HasPrefix(row.text, got), row.name)
		assert.True(t, utf8.ValidString(got), row.name)
	}
}
