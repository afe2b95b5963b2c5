package tokenauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The tokens of these tests are made by hand, from a header and a payload as they stand, so that whatever is malformed can be
// signed properly: it is then refused for what is wrong with it and not for its signature. The signatures are golang-jwt's, so
// that nothing here was made by the issuer of this package.
//
// Whoever a verifier may ask, a store or a hook, is one witness, who answers as the test says and remembers who was asked.

// noon is when everything happens.
var noon = time.Date(2031, time.March, 14, 12, 0, 0, 0, time.UTC)

// A watch is a clock that stands still until it is set.
type watch struct{ now time.Time }

func (w *watch) Now() time.Time { return w.now }

// An object is JSON to be. Members that are gone are left out.
type object map[string]any

type gone struct{}

// with returns a copy of o with some members changed, added or gone.
func (o object) with(change object) object {
	changed := maps.Clone(o)
	maps.Copy(changed, change)
	maps.DeleteFunc(changed, func(_ string, value any) bool { return value == any(gone{}) })
	return changed
}

func (o object) String() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// raw is JSON as it stands.
type raw = json.RawMessage

// A forge makes tokens by one key.
type forge struct {
	alg, kid string
	private  any
}

// newForge returns the forge of that algorithm, key id and name. The same three are always the same key, but for RSA, of which
// there is only one key.
func newForge(alg, kid, name string) forge {
	seed := sha512.Sum512([]byte(alg + kid + name))
	switch alg {
	case "HS256", "HS384", "HS512":
		return forge{alg, kid, seed[:]}
	case "EdDSA":
		return forge{alg, kid, ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize])}
	case "ES256":
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:32])
		if err != nil {
			panic(err)
		}
		return forge{alg, kid, private}
	case "RS256", "PS256":
		return forge{alg, kid, tokenauth.TestRSA()}
	}
	panic("no forge for " + alg)
}

// key returns what verifies the tokens.
func (f forge) key() tokenauth.Key {
	public := f.private
	if signer, ok := public.(crypto.Signer); ok {
		public = signer.Public()
	}
	key, err := tokenauth.NewKey(f.kid, f.alg, public)
	if err != nil {
		panic(err)
	}
	return key
}

// header is what the tokens of f begin with.
func (f forge) header() object {
	h := object{"alg": f.alg, "typ": "at+jwt"}
	if f.kid != "" {
		h["kid"] = f.kid
	}
	return h
}

// token signs a header and a payload, whatever they are.
func (f forge) token(header, payload fmt.Stringer) string {
	return f.sign(segment(header.String()) + "." + segment(payload.String()))
}

// sign appends the signature to a signing input.
func (f forge) sign(input string) string {
	sig, err := jwt.GetSigningMethod(f.alg).Sign(input, f.private)
	if err != nil {
		panic(err)
	}
	return input + "." + segment(string(sig))
}

// good signs a payload under the header it belongs to.
func (f forge) good(payload fmt.Stringer) string { return f.token(f.header(), payload) }

// A text is JSON, or something like it, as it stands.
type text string

func (t text) String() string { return string(t) }

// segment encodes a part of a token.
func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// payload is what a plain token says.
func payload() object {
	return object{
		"iss": "https://issuer.test", "sub": "alice", "aud": "api", "jti": "id-1",
		"iat": noon.Add(-time.Minute).Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
}

// profileOfTests is what the tokens of payload look like.
func profileOfTests() tokenauth.Profile {
	return tokenauth.Profile{Issuers: []string{"https://issuer.test"}, Audiences: []string{"api"}}
}

// configOf verifies the tokens that f makes of payload, at noon.
func configOf(f forge) tokenauth.VerifierConfig {
	return tokenauth.VerifierConfig{
		Profile:    profileOfTests(),
		Keys:       f.key(),
		Revocation: tokenauth.Unenforced("a test"),
		Now:        func() time.Time { return noon },
	}
}

// newVerifier returns a verifier, which must be possible.
func newVerifier(t testing.TB, cfg ...tokenauth.VerifierConfig) *tokenauth.Verifier {
	t.Helper()
	v, err := tokenauth.NewVerifier(cfg...)
	require.NoError(t, err)
	return v
}

// A witness is every store and every hook in one.
type witness struct {
	revoked, ended      bool
	notAdmin, notSender bool
	epoch               tokenauth.Epoch
	// before is what happens while name is asked; its error is the answer.
	before func(ctx context.Context, name string) error

	mu       sync.Mutex
	asked    []string
	about    map[string]string          // what each was asked last
	contexts map[string]context.Context // and with what
	used     map[string]time.Time
}

// Who may be asked, in the order in which they are.
const (
	askedRevocation = "revocation"
	askedSession    = "session"
	askedEpoch      = "epoch"
	askedAdmin      = "admin"
	askedConfirm    = "confirm"
	askedOneTime    = "one-time"
)

// askedInOrder is everybody.
var askedInOrder = []string{askedRevocation, askedSession, askedEpoch, askedAdmin, askedConfirm, askedOneTime}

// everywhere makes w the whole of what cfg may ask.
func (w *witness) everywhere(cfg tokenauth.VerifierConfig) tokenauth.VerifierConfig {
	cfg.Revocation, cfg.Sessions, cfg.Epochs, cfg.OneTime = w, w, w, w
	cfg.AdminCheck, cfg.Confirm = w.AdminCheck, w.Confirm
	return cfg
}

func (w *witness) ask(ctx context.Context, name, about string) error {
	w.mu.Lock()
	w.asked = append(w.asked, name)
	if w.about == nil {
		w.about, w.contexts = make(map[string]string), make(map[string]context.Context)
	}
	w.about[name], w.contexts[name] = about, ctx
	w.mu.Unlock()
	if w.before == nil {
		return nil
	}
	return w.before(ctx, name)
}

// calls returns who was asked since the last time.
func (w *witness) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

func (w *witness) IsRevoked(ctx context.Context, jti string) (bool, error) {
	return w.revoked, w.ask(ctx, askedRevocation, jti)
}

func (w *witness) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	return !w.ended, w.ask(ctx, askedSession, subject+" "+sid)
}

func (w *witness) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	return w.epoch, w.ask(ctx, askedEpoch, subject)
}

func (w *witness) AdminCheck(ctx context.Context, c *tokenauth.Claims) (bool, error) {
	return !w.notAdmin, w.ask(ctx, askedAdmin, c.Subject)
}

func (w *witness) Confirm(ctx context.Context, cnf json.RawMessage) (bool, error) {
	return !w.notSender, w.ask(ctx, askedConfirm, string(cnf))
}

func (w *witness) Consume(ctx context.Context, key string, until time.Time) error {
	if err := w.ask(ctx, askedOneTime, key); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.used[key]; ok {
		return fmt.Errorf("the witness has seen it: %w", tokenauth.ErrReplayed)
	}
	if w.used == nil {
		w.used = make(map[string]time.Time)
	}
	w.used[key] = until
	return nil
}

// failing answers err where name is asked, and nothing elsewhere.
func failing(name string, err error) func(context.Context, string) error {
	return func(_ context.Context, asked string) error {
		if asked != name {
			return nil
		}
		return err
	}
}

// A memoryWitness says that it answers from memory.
type memoryWitness struct{ *witness }

func (memoryWitness) AnswersFromMemory() {}

// keysFunc is a KeySet that needs a timer.
type keysFunc func(ctx context.Context, id string) (tokenauth.Key, error)

func (f keysFunc) Key(ctx context.Context, id string) (tokenauth.Key, error) { return f(ctx, id) }

// answers are the three there are.
var answers = []error{tokenauth.ErrInvalidToken, tokenauth.ErrForbidden, tokenauth.ErrUnavailable}

// requireRefused holds a refusal to what every one is: no principal, one answer and no other, and a code (X14).
func requireRefused(t testing.TB, p *tokenauth.Principal, err, want error, code string) {
	t.Helper()
	require.Nil(t, p, "X14: a principal beside an error")
	requireError(t, err, want, code)
}

func requireError(t testing.TB, err, want error, code string) {
	t.Helper()
	require.ErrorIs(t, err, want)
	require.Equal(t, code, tokenauth.ErrorCode(err), "%v", err)
	require.Len(t, answersOf(err), 1, "%v", err)
	require.True(t, strings.HasPrefix(err.Error(), "tokenauth: "), "%v", err)
}

// answersOf returns which of the three answers err is.
func answersOf(err error) (is []error) {
	for _, answer := range answers {
		if errors.Is(err, answer) {
			is = append(is, answer)
		}
	}
	return is
}

// requireAccepted holds an accept to what every one is.
func requireAccepted(t testing.TB, p *tokenauth.Principal, err error) {
	t.Helper()
	require.NoError(t, err)
	require.NotNil(t, p)
	require.NotEmpty(t, p.Subject())
}
