package tokenauth

import "errors"

// Every error of this package is a leaf of one tree. At its top stand the three answers a service can give, below them a
// sentinel for each place where programs branch, and below those a reason for each single check, told apart by ErrorCode.
//
//	ErrInvalidToken  401  known to be bad: a new attempt with the same token will fail too
//	ErrForbidden     403  proven, and not enough: whether the token still lives was not asked
//	ErrUnavailable   503  nobody knows: an outage is never a 401, and never an accept
//
// Branch with errors.Is, label metrics with ErrorCode, and match no text. The texts of these errors hold no token, no
// signature, no secret and no claim's value. What a store or a hook of yours answered is kept as a cause, for errors.Is and
// errors.As, but its text is left out of the message, because nobody knows what a stranger's text holds; Event.Cause is
// where to log it from.

// The three answers. Every error of a Verifier and of Require wraps exactly one.
var (
	ErrInvalidToken error = &reason{nil, "token_invalid", "the token is not valid"}
	ErrForbidden    error = &reason{nil, "forbidden", "the token does not grant this"}
	ErrUnavailable  error = &reason{nil, "unavailable", "could not find out"}
)

// Why a token was refused; each wraps ErrInvalidToken. ErrorCode tells finer reasons apart.
var (
	ErrMissingToken error = &reason{ErrInvalidToken, "token_missing", "there is no token"}
	ErrMalformed    error = &reason{ErrInvalidToken, "token_malformed", "the token is malformed"}
	ErrUnknownKey   error = &reason{ErrInvalidToken, "key_unknown", "the key that the token names is not known here"}
	ErrSignature    error = &reason{ErrInvalidToken, "signature_bad", "the signature does not verify"}
	ErrClaims       error = &reason{ErrInvalidToken, "claims_bad", "the claims are not acceptable"}
	ErrExpired      error = &reason{ErrInvalidToken, "token_expired", "the token has expired"}
	ErrNotYetValid  error = &reason{ErrInvalidToken, "token_not_yet_valid", "the token is not valid yet (nbf)"}
	ErrIssuer       error = &reason{ErrInvalidToken, "issuer_wrong", "the token is of another issuer (iss)"}
	ErrAudience     error = &reason{ErrInvalidToken, "audience_wrong", "the token is not meant for this service (aud)"}
	ErrAdminRefused error = &reason{ErrInvalidToken, "admin_refused", "AdminCheck does not confirm that the bearer is an admin"}
	ErrRevoked      error = &reason{ErrInvalidToken, "token_revoked", "the token is revoked"}
	ErrSessionEnded error = &reason{ErrInvalidToken, "session_ended", "the session of the token has ended (sid)"}
	ErrStaleEpoch   error = &reason{ErrInvalidToken, "epoch_stale", "the token was issued before all its subject's tokens were revoked (sv, iat)"}
	ErrReplayed     error = &reason{ErrInvalidToken, "token_replayed", "the one-time token has been used"}
)

// What minting and stores report; they wrap no answer.
var (
	ErrInvalidRequest error = &reason{nil, "request_invalid", "the request is not valid"}
	ErrNotFound       error = &reason{nil, "not_found", "there is no such record"}
	ErrExists         error = &reason{nil, "already_exists", "it exists already"}
)

// Reasons below ErrMalformed: what can be seen without any key.
var (
	reasonTooLong        = &reason{ErrMalformed, "token_too_long", "the token is longer than Profile.MaxTokenBytes"}
	reasonHeader         = &reason{ErrMalformed, "header_malformed", "the header is not strict JSON with alg, kid and typ as text"}
	reasonHeaderRefused  = &reason{ErrMalformed, "header_refused", "the header has a member that is refused here"}
	reasonAlgorithm      = &reason{ErrMalformed, "algorithm_wrong", "the algorithm is not the one of the key (alg)"}
	reasonType           = &reason{ErrMalformed, "type_wrong", "the token is of another type (typ)"}
	reasonPayloadEncoded = &reason{ErrMalformed, "payload_malformed", "the payload is not canonical base64url"}
)

// Reasons below ErrClaims: what the signer wrote and this service does not take.
var (
	reasonClaimsJSON     = &reason{ErrClaims, "claims_malformed", "the claims are not well formed"}
	reasonTooMany        = &reason{ErrClaims, "claims_too_many", "there are more scopes, roles, capabilities or audiences than Profile.MaxScopes"}
	reasonLifetime       = &reason{ErrClaims, "lifetime_too_long", "the token lives longer than Profile.MaxLifetime"}
	reasonStateless      = &reason{ErrClaims, "lifetime_stateless", "the token has no jti, so that nothing can revoke it, and lives longer than Profile.MaxStateless"}
	reasonNoID           = &reason{ErrClaims, "token_id_missing", "the token has no jti, and Profile.RequireID or OneTime wants one"}
	reasonAccountType    = &reason{ErrClaims, "account_type_unknown", "the account type is not among Profile.AccountTypes"}
	reasonClientID       = &reason{ErrClaims, "client_id_missing", "the token has no client_id, and Profile.RequireClientID wants one"}
	reasonCategory       = &reason{ErrClaims, "category_wrong", "the category is not access (cat)"}
	reasonUnknownClaims  = &reason{ErrClaims, "claims_unknown", "the token has members that Profile.ClosedClaims refuses"}
	reasonAdapt          = &reason{ErrClaims, "adapt_refused", "VerifierConfig.Adapt refuses the token"}
	reasonNoSessions     = &reason{ErrClaims, "sessions_not_configured", "the token has a session (sid): set VerifierConfig.Sessions to a store, Unenforced or EnforcedElsewhere"}
	reasonNoEpochs       = &reason{ErrClaims, "epochs_not_configured", "the token has a session version (sv): set VerifierConfig.Epochs to a store, Unenforced or EnforcedElsewhere"}
	reasonNoAdminCheck   = &reason{ErrClaims, "admin_not_configured", "the token claims to be an admin's (admin): set Profile.AdminCheck"}
	reasonNoConfirm      = &reason{ErrClaims, "confirm_not_configured", "the token is bound to its sender (cnf): set VerifierConfig.Confirm"}
	reasonConfirm        = &reason{ErrClaims, "confirm_refused", "VerifierConfig.Confirm does not confirm the sender (cnf)"}
	reasonIssuedInFuture = &reason{ErrNotYetValid, "issued_in_future", "the token was issued in the future (iat)"}
	reasonStranger       = &reason{ErrInvalidToken, "principal_foreign", "the principal was proven by another verifier"}
)

// Reasons below ErrForbidden.
var (
	reasonScope      = &reason{ErrForbidden, "scope_insufficient", "no scope of the token grants this"}
	reasonRole       = &reason{ErrForbidden, "role_missing", "the token has none of the roles"}
	reasonOAuthScope = &reason{ErrForbidden, "oauth_scope_missing", "the token does not have the OAuth scope"}
	reasonQuestion   = &reason{ErrForbidden, "question_ill_formed", "the question names no kind, no id or no level, so that the answer is no"}
	reasonNobody     = &reason{ErrForbidden, "asker_missing", "nobody asks"}
	reasonAsker      = &reason{ErrForbidden, "asker_foreign", "the asker was not proven by IssuerConfig.Askers as one of this issuer's"}
	reasonNotHeld    = &reason{ErrForbidden, "authority_not_held", "more is asked for than the asker holds"}
	reasonNotYours   = &reason{ErrForbidden, "record_not_yours", "the asker has no say over this token"}
)

// Reasons below ErrUnavailable: whose answer is missing.
var (
	reasonKeysDown       = &reason{ErrUnavailable, "keys_unavailable", "the key set does not answer"}
	reasonRevocationDown = &reason{ErrUnavailable, "revocation_unavailable", "the revocation store does not answer"}
	reasonSessionsDown   = &reason{ErrUnavailable, "sessions_unavailable", "the session store does not answer"}
	reasonEpochsDown     = &reason{ErrUnavailable, "epochs_unavailable", "the epoch store does not answer"}
	reasonAdminCheckDown = &reason{ErrUnavailable, "admin_check_unavailable", "AdminCheck does not answer"}
	reasonConfirmDown    = &reason{ErrUnavailable, "confirm_unavailable", "VerifierConfig.Confirm does not answer"}
	reasonOneTimeDown    = &reason{ErrUnavailable, "one_time_unavailable", "the one-time store does not answer"}
	reasonMayGrantDown   = &reason{ErrUnavailable, "may_grant_unavailable", "IssuerConfig.MayGrant does not answer"}
	reasonTokensDown     = &reason{ErrUnavailable, "tokens_unavailable", "the token store does not answer"}
	reasonSigningDown    = &reason{ErrUnavailable, "signing_unavailable", "the signing key does not sign"}
)

// A reason is one node of the tree. Reasons are made here only, never changed, and handed out as they are: refusing a token
// need not allocate.
type reason struct {
	parent error
	code   string
	text   string
}

func (r *reason) Error() string { return "tokenauth: " + r.text }
func (r *reason) Unwrap() error { return r.parent }

// with returns r with a detail for people: which field, which position, never a claim's value.
func (r *reason) with(detail string) error { return &fault{reason: r, detail: detail} }

// because returns r with what a store or hook answered. The cause can be asked for, but is not part of the text.
func (r *reason) because(cause error) error { return &fault{reason: r, cause: cause} }

// A fault is a reason met in one particular place.
type fault struct {
	reason *reason
	detail string
	cause  error
}

func (f *fault) Error() string {
	if f.detail == "" {
		return f.reason.Error()
	}
	return f.reason.Error() + ": " + f.detail
}

// Unwrap leads to the reason first. A cause that is itself an answer of this package must not turn a 503 into something
// else, so of a cause only what is no reason is shown.
func (f *fault) Unwrap() []error {
	if f.cause == nil || isAnswer(f.cause) {
		return []error{f.reason}
	}
	return []error{f.reason, f.cause}
}

// isAnswer says whether err wraps one of the three answers.
func isAnswer(err error) bool {
	return errors.Is(err, ErrInvalidToken) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrUnavailable)
}

// causeOf returns what a store or hook answered, or nil.
func causeOf(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return f.cause
	}
	return nil
}

// ErrorCode returns err's stable code, such as "token_expired", for metrics and JSON: a bounded set, told in the package
// documentation. It is "" for nil and "internal" for an error that is none of this package's.
func ErrorCode(err error) string {
	if err == nil {
		return ""
	}
	var r *reason
	if errors.As(err, &r) {
		return r.code
	}
	return "internal"
}

// detailOf returns what err adds to its reason, or its whole text.
func detailOf(err error) string {
	if f, ok := err.(*fault); ok && f.detail != "" {
		return f.detail
	}
	return err.Error()
}
