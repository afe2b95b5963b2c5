package tokenauth_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The order of the steps is a promise: cheap before dear, proof before trust, and nothing looked up for a token that is not proven.
// Here stands every single thing that a verifier may hold against a token, in order. Each is met alone, and each is met together
// with every later one: the earlier must be the answer.

// A specimen is a token that carries something for every check, with a verifier that makes every check, and both are good until a
// fault is put in.
type specimen struct {
	forge           forge
	header, payload object
	cfg             tokenauth.VerifierConfig
	witness         *witness
	kind            string                // of the question that is asked
	after           []func(string) string // what happens to the finished token
}

func newSpecimen() *specimen {
	s := &specimen{forge: newForge("HS256", "k1", ""), witness: &witness{}, kind: "deployment"}
	s.header = s.forge.header()
	s.payload = payload().with(object{
		"sid": "sid-1", "sv": 3, "admin": true, "cnf": object{"x5t#S256": "abc"},
		"account_type": "human", "client_id": "cli", "cat": "access", "roles": []string{"operator"},
		"scopes": []object{{"resource_kind": "deployment", "resource_id": "web", "level": "write"}},
	})
	s.cfg = s.witness.everywhere(configOf(s.forge))
	s.cfg.ClosedHeader, s.cfg.RequireID, s.cfg.RequireClientID, s.cfg.ClosedClaims = true, true, true, true
	s.cfg.KnownClaims, s.cfg.AccountTypes = []string{"cnf"}, []string{"human"}
	s.cfg.Adapt = func(*tokenauth.Claims) error { return nil }
	return s
}

// authorize judges the specimen.
func (s *specimen) authorize(t *testing.T) (*tokenauth.Principal, error) {
	t.Helper()
	return newVerifier(t, s.cfg).Authorize(t.Context(), s.token(), s.kind, "web", tokenauth.LevelWrite)
}

func (s *specimen) token() string {
	token := s.forge.token(s.header, s.payload)
	for _, change := range s.after {
		token = change(token)
	}
	return token
}

// says sets a member of the payload.
func (s *specimen) says(name string, value any) { s.payload = s.payload.with(object{name: value}) }

// inSignature replaces the character of the signature that stands i from its end.
func (s *specimen) inSignature(i int, replacement func(old byte) byte) {
	s.after = append(s.after, func(token string) string {
		at := len(token) - i
		return token[:at] + string(replacement(token[at])) + token[at+1:]
	})
}

// A fault is one thing that a verifier may hold against a token.
type fault struct {
	step int
	name string
	code string
	want error
	put  func(s *specimen)
	last string // who was asked last, "" for nobody
}

// errOfStore is what a store answers that does not know.
var errOfStore = errors.New("connection refused by 203.0.113.7")

// down is the fault of one who does not answer.
func down(name string) func(*specimen) {
	return func(s *specimen) { s.witness.before = failing(name, errOfStore) }
}

// faults are all of them, in the order in which they are met.
var faults = []fault{
	{1, "no token", "token_missing", tokenauth.ErrMissingToken, func(s *specimen) {
		s.after = append(s.after, func(string) string { return "" })
	}, ""},
	{1, "too long", "token_too_long", tokenauth.ErrMalformed, func(s *specimen) { s.cfg.MaxTokenBytes = 16 }, ""},
	{1, "four segments", "token_malformed", tokenauth.ErrMalformed, func(s *specimen) {
		s.after = append(s.after, func(token string) string { return token + ".e30" })
	}, ""},
	{2, "header malformed", "header_malformed", tokenauth.ErrMalformed, func(s *specimen) { s.header["typ"] = 7 }, ""},
	{2, "header refused", "header_refused", tokenauth.ErrMalformed, func(s *specimen) { s.header["crit"] = []string{"exp"} }, ""},
	{3, "signature not base64url", "token_malformed", tokenauth.ErrMalformed, func(s *specimen) {
		s.inSignature(9, func(byte) byte { return '*' })
	}, ""},
	{3, "header not closed", "header_refused", tokenauth.ErrMalformed, func(s *specimen) { s.header["nonce"] = "x" }, ""},
	{3, "key unknown", "key_unknown", tokenauth.ErrUnknownKey, func(s *specimen) { s.header["kid"] = "k2" }, ""},
	{3, "key set down", "keys_unavailable", tokenauth.ErrUnavailable, func(s *specimen) {
		s.cfg.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) { return tokenauth.Key{}, errOfStore })
	}, ""},
	{3, "algorithm of another key", "algorithm_wrong", tokenauth.ErrMalformed, func(s *specimen) { s.header["alg"] = "HS512" }, ""},
	{4, "signature bad", "signature_bad", tokenauth.ErrSignature, func(s *specimen) {
		s.inSignature(20, func(old byte) byte {
			if old == 'A' {
				return 'B'
			}
			return 'A'
		})
	}, ""},
	{5, "payload not base64url", "payload_malformed", tokenauth.ErrMalformed, func(s *specimen) {
		s.after = append([]func(string) string{func(token string) string {
			part := strings.Split(token, ".")
			return s.forge.sign(part[0] + "." + part[1][:8] + "*" + part[1][9:])
		}}, s.after...)
	}, ""},
	{5, "claims malformed", "claims_malformed", tokenauth.ErrClaims, func(s *specimen) { s.says("email", 7) }, ""},
	{6, "expired", "token_expired", tokenauth.ErrExpired, func(s *specimen) { s.says("exp", noon.Unix()) }, ""},
	{6, "not yet valid", "token_not_yet_valid", tokenauth.ErrNotYetValid, func(s *specimen) { s.says("nbf", noon.Unix()+1) }, ""},
	{6, "issued in the future", "issued_in_future", tokenauth.ErrNotYetValid, func(s *specimen) { s.says("iat", noon.Unix()+1) }, ""},
	{6, "lives too long", "lifetime_too_long", tokenauth.ErrClaims, func(s *specimen) { s.cfg.MaxLifetime = time.Second }, ""},
	{6, "lives too long without jti", "lifetime_stateless", tokenauth.ErrClaims, func(s *specimen) {
		s.cfg.MaxStateless = time.Second
		s.says("jti", gone{})
	}, ""},
	{6, "issuer wrong", "issuer_wrong", tokenauth.ErrIssuer, func(s *specimen) { s.says("iss", "https://else.test") }, ""},
	{6, "audience wrong", "audience_wrong", tokenauth.ErrAudience, func(s *specimen) { s.says("aud", "web") }, ""},
	{6, "type wrong", "type_wrong", tokenauth.ErrMalformed, func(s *specimen) { s.header["typ"] = "JWT" }, ""},
	{7, "too many", "claims_too_many", tokenauth.ErrClaims, func(s *specimen) {
		s.cfg.MaxScopes = 1
		s.says("caps", []string{"a", "b"})
	}, ""},
	{7, "no jti", "token_id_missing", tokenauth.ErrClaims, func(s *specimen) { s.says("jti", gone{}) }, ""},
	{7, "account type (C13)", "account_type_unknown", tokenauth.ErrClaims, func(s *specimen) { s.says("account_type", "robot") }, ""},
	{7, "no client_id", "client_id_missing", tokenauth.ErrClaims, func(s *specimen) { s.says("client_id", gone{}) }, ""},
	{7, "category", "category_wrong", tokenauth.ErrClaims, func(s *specimen) { s.says("cat", "refresh") }, ""},
	{7, "unknown claims, named last (C7)", "claims_unknown", tokenauth.ErrClaims, func(s *specimen) { s.says("tenant", "t") }, ""},
	{7, "Adapt", "adapt_refused", tokenauth.ErrClaims, func(s *specimen) {
		s.cfg.Adapt = func(*tokenauth.Claims) error { return errOfStore }
	}, ""},
	{7, "one-time without jti", "token_id_missing", tokenauth.ErrClaims, func(s *specimen) {
		s.cfg.RequireID = false
		s.says("jti", gone{})
	}, ""},
	{7, "sid, and no stance (X8)", "sessions_not_configured", tokenauth.ErrClaims, func(s *specimen) { s.cfg.Sessions = nil }, ""},
	{7, "sv, and no stance", "epochs_not_configured", tokenauth.ErrClaims, func(s *specimen) { s.cfg.Epochs = nil }, ""},
	{7, "admin, and no AdminCheck (C14)", "admin_not_configured", tokenauth.ErrClaims, func(s *specimen) { s.cfg.AdminCheck = nil }, ""},
	{7, "cnf, and no Confirm (X16)", "confirm_not_configured", tokenauth.ErrClaims, func(s *specimen) { s.cfg.Confirm = nil }, ""},
	{8, "question ill-formed", "question_ill_formed", tokenauth.ErrForbidden, func(s *specimen) { s.kind = "" }, ""},
	{8, "scope", "scope_insufficient", tokenauth.ErrForbidden, func(s *specimen) { s.kind = "secret" }, ""},
	{9, "revoked (X5)", "token_revoked", tokenauth.ErrRevoked, func(s *specimen) { s.witness.revoked = true }, askedRevocation},
	{9, "revocation down (X5)", "revocation_unavailable", tokenauth.ErrUnavailable, down(askedRevocation), askedRevocation},
	{9, "session ended (X8)", "session_ended", tokenauth.ErrSessionEnded, func(s *specimen) { s.witness.ended = true }, askedSession},
	{9, "sessions down (X8)", "sessions_unavailable", tokenauth.ErrUnavailable, down(askedSession), askedSession},
	{9, "epoch (X9)", "epoch_stale", tokenauth.ErrStaleEpoch, func(s *specimen) { s.witness.epoch.MinVersion = 4 }, askedEpoch},
	{9, "epochs down", "epochs_unavailable", tokenauth.ErrUnavailable, down(askedEpoch), askedEpoch},
	{9, "AdminCheck says no (C14)", "admin_refused", tokenauth.ErrAdminRefused, func(s *specimen) { s.witness.notAdmin = true }, askedAdmin},
	{9, "AdminCheck down (C14)", "admin_check_unavailable", tokenauth.ErrUnavailable, down(askedAdmin), askedAdmin},
	{9, "Confirm says no", "confirm_refused", tokenauth.ErrClaims, func(s *specimen) { s.witness.notSender = true }, askedConfirm},
	{9, "Confirm down", "confirm_unavailable", tokenauth.ErrUnavailable, down(askedConfirm), askedConfirm},
	{9, "replayed (X10)", "token_replayed", tokenauth.ErrReplayed, func(s *specimen) {
		s.witness.before = failing(askedOneTime, tokenauth.ErrReplayed)
	}, askedOneTime},
	{9, "one-time down (X10)", "one_time_unavailable", tokenauth.ErrUnavailable, down(askedOneTime), askedOneTime},
}

func TestSpecimenIsGood(t *testing.T) {
	s := newSpecimen()
	p, err := s.authorize(t)
	requireAccepted(t, p, err)
	require.Equal(t, askedInOrder, s.witness.calls())
	about := s.witness.about
	require.Equal(t, "id-1", about[askedRevocation])
	require.Equal(t, "alice sid-1", about[askedSession])
	require.Equal(t, "alice", about[askedEpoch])
	require.Equal(t, "alice", about[askedAdmin])
	require.Equal(t, `{"x5t#S256":"abc"}`, about[askedConfirm])
}

// X7, X14, and the first half of the order: each fault is named, and nobody is asked who stands behind it.
func TestX7EachFaultAloneAsksNobodyBehindIt(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			s := newSpecimen()
			f.put(s)
			p, err := s.authorize(t)
			requireRefused(t, p, err, f.want, f.code)
			asked := askedInOrder[:slices.Index(askedInOrder, f.last)+1]
			require.Equal(t, slices.Clone(asked), append([]string{}, s.witness.calls()...))
		})
	}
}

// oneLook says whether two faults are found in one look, so that neither is earlier: two members of one header, in the order in
// which they stand there; and the two ways to be refused by whoever is asked, who gives one of them as the answer.
func oneLook(a, b fault) bool {
	if a.last != "" {
		return a.last == b.last
	}
	return a.code == "header_malformed" && b.code == "header_refused" && b.step == 2 ||
		a.code == "key_unknown" && b.code == "keys_unavailable"
}

func TestOfTwoFaultsTheEarlierIsTheAnswer(t *testing.T) {
	for i, earlier := range faults {
		for _, later := range faults[i+1:] {
			if oneLook(earlier, later) {
				continue
			}
			s := newSpecimen()
			later.put(s)
			earlier.put(s) // and so the last to touch what both of them touch
			p, err := s.authorize(t)
			require.Nil(t, p)
			require.ErrorIs(t, err, earlier.want, "%s, %s", earlier.name, later.name)
			require.Equal(t, earlier.code, tokenauth.ErrorCode(err), "%s, %s: %v", earlier.name, later.name, err)
		}
	}
}

// A 503 says that nobody knows, so whoever reads the log wants to know why: the cause can be asked for. It is no part of the text,
// because nobody knows what a store puts into its errors.
func TestCausesAreReachableButNotPrinted(t *testing.T) {
	causes := 0
	for _, f := range faults {
		s := newSpecimen()
		f.put(s)
		_, err := s.authorize(t)
		require.NotContains(t, err.Error(), "203.0.113.7", f.name)
		if errors.Is(err, errOfStore) {
			causes++
		} else {
			require.NotErrorIs(t, err, tokenauth.ErrUnavailable, f.name)
		}
	}
	require.Equal(t, 8, causes, "the key set, six stores and hooks, Adapt")
}

// A store that fails with one of this package's own errors, say because it verifies tokens itself, has still not answered.
func TestCauseDoesNotChangeTheAnswer(t *testing.T) {
	for _, name := range askedInOrder {
		for _, cause := range []error{
			tokenauth.ErrInvalidToken, tokenauth.ErrRevoked, tokenauth.ErrForbidden, tokenauth.ErrUnavailable,
			tokenauth.ErrSessionEnded, errors.Join(errOfStore, tokenauth.ErrExpired),
		} {
			s := newSpecimen()
			s.witness.before = failing(name, cause)
			p, err := s.authorize(t)
			require.Nil(t, p)
			require.Equal(t, []error{tokenauth.ErrUnavailable}, answersOf(err), "%s: %v", name, cause)
		}
	}
}

// A store that says no and fails at once has failed: what it said is worth nothing either way.
func TestAnswerBesideAnErrorCountsForNothing(t *testing.T) {
	for _, name := range askedInOrder {
		s := newSpecimen()
		s.witness.revoked, s.witness.ended, s.witness.notAdmin, s.witness.notSender = true, true, true, true
		for _, earlier := range askedInOrder[:slices.Index(askedInOrder, name)] {
			switch earlier {
			case askedRevocation:
				s.witness.revoked = false
			case askedSession:
				s.witness.ended = false
			case askedAdmin:
				s.witness.notAdmin = false
			case askedConfirm:
				s.witness.notSender = false
			}
		}
		s.witness.before = failing(name, errOfStore)
		p, err := s.authorize(t)
		require.Nil(t, p)
		require.Equal(t, []error{tokenauth.ErrUnavailable}, answersOf(err), name)
	}
}

// documented finds the rows of the package documentation's first table: step, error, code and HTTP status.
var documented = regexp.MustCompile(`(?m)^//\t([1-9])  .*?(Err[A-Za-z]+) +([a-z_]+) +(40[13]|503)$`)

// The table in the package documentation is what people build metrics and dashboards on.
func TestFaultsAreThoseOfTheDocumentation(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	type row struct{ step, code, status string }
	var inDoc, here []row
	for _, m := range documented.FindAllStringSubmatch(string(doc), -1) {
		if m[3] != "role_missing" && m[3] != "oauth_scope_missing" { // asked of a Principal only
			inDoc = append(inDoc, row{m[1], m[3], m[4]})
		}
	}
	for _, f := range faults[1:] {
		r := row{string(rune('0' + f.step)), f.code, map[error]string{
			tokenauth.ErrInvalidToken: "401", tokenauth.ErrForbidden: "403", tokenauth.ErrUnavailable: "503",
		}[answersOf(f.want)[0]]}
		if !slices.ContainsFunc(here, func(h row) bool { return h.code == r.code }) {
			here = append(here, r)
		}
	}
	require.Equal(t, inDoc, here)
}
