package tokenauth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// Minting is tested from outside, with the verifier of the same profile as the judge: what was minted is what that verifier says
// it is, and who asks is somebody whom it has proven. An office is the two of them and all that stands around them. Nothing in it
// is a double but the clock; where something has to fail, a rigged office is used.

// An office is an issuer with a store for every port, a clock, and the verifier that proves who asks.
type office struct {
	*tokenauth.Issuer
	verifier *tokenauth.Verifier
	store    *memstore.Store
	clock    *handClock
	cfg      tokenauth.IssuerConfig // what the issuer was made with

	mu     sync.Mutex
	events []tokenauth.Event
}

// officeOpens is when an office's clock begins. It is a fraction past its second, so that whatever forgets to cut it off shows.
var officeOpens = time.Date(2026, time.March, 2, 9, 0, 0, 600e6, time.UTC)

// nameOf is what an event and a record call an asker; "" for nobody.
func nameOf(by tokenauth.Authority) string {
	switch by := by.(type) {
	case tokenauth.SystemAuthority:
		return "system: " + string(by)
	case *tokenauth.Principal:
		return by.Subject()
	}
	return ""
}

// bySystem is the service itself.
const bySystem = tokenauth.SystemAuthority("test")

// newOffice opens an office. A change is made to the issuer's configuration once it is complete, and reaches the verifier by way of
// the profile, the token store and the clock.
func newOffice(t testing.TB, changes ...func(*tokenauth.IssuerConfig)) *office {
	t.Helper()
	return openOffice(t, &handClock{now: officeOpens}, changes...)
}

// officeOnTheWall opens one that goes by the clock on the wall, for a bubble of synctest.
func officeOnTheWall(t testing.TB, changes ...func(*tokenauth.IssuerConfig)) *office {
	t.Helper()
	return openOffice(t, &handClock{wall: true}, changes...)
}

func openOffice(t testing.TB, clock *handClock, changes ...func(*tokenauth.IssuerConfig)) *office {
	t.Helper()
	o := &office{clock: clock}
	o.store = memstore.New(memstore.Config{Now: o.clock.Now})
	o.cfg = tokenauth.IssuerConfig{
		Profile: tokenauth.Profile{
			Issuers:   []string{"https://auth.test"},
			Audiences: []string{"api", "billing", "search"},
		},
		Key:      officeKey(t, "HS256"),
		Tokens:   o.store,
		Sessions: o.store,
		Epochs:   o.store,
		Now:      o.clock.Now,
		Observe:  o.observe,
	}
	for _, change := range changes {
		change(&o.cfg)
	}
	o.verifier = o.newVerifier(t)
	if o.cfg.Askers == nil {
		o.cfg.Askers = o.verifier
	}
	var err error
	o.Issuer, err = tokenauth.NewIssuer(o.cfg)
	require.NoError(t, err)
	return o
}

// newVerifier returns a verifier for what the office mints.
func (o *office) newVerifier(t testing.TB) *tokenauth.Verifier {
	t.Helper()
	cfg := tokenauth.VerifierConfig{
		Profile:    o.cfg.Profile,
		Keys:       o.cfg.Key.VerifyingKey(),
		Revocation: o.cfg.Tokens,
		Sessions:   o.store,
		Epochs:     o.store,
		Confirm:    func(context.Context, json.RawMessage) (bool, error) { return true, nil },
		Now:        o.cfg.Now,
	}
	if cfg.Revocation == nil {
		cfg.Revocation = tokenauth.Unenforced("there are no records")
	}
	v, err := tokenauth.NewVerifier(cfg)
	require.NoError(t, err)
	return v
}

// officeKey returns a key of that algorithm. RSA keys are made once, because that is slow.
func officeKey(t testing.TB, alg string) tokenauth.SigningKey {
	t.Helper()
	var key tokenauth.SigningKey
	var err error
	if strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS") {
		key, err = tokenauth.NewSigningKey("rsa", alg, officeRSA())
	} else {
		key, err = tokenauth.GenerateSigningKey(alg)
	}
	require.NoError(t, err)
	return key
}

var officeRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// observe keeps what the issuer tells.
func (o *office) observe(_ context.Context, e tokenauth.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

// told returns the events since it was last asked.
func (o *office) told() []tokenauth.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	told := o.events
	o.events = nil
	return told
}

// mint signs claims as the system.
func (o *office) mint(t testing.TB, c *tokenauth.Claims) tokenauth.Issued {
	t.Helper()
	issued, err := o.Sign(t.Context(), bySystem, c)
	require.NoError(t, err)
	return issued
}

// prove returns the bearer of a fresh token.
func (o *office) prove(t testing.TB, issued tokenauth.Issued) *tokenauth.Principal {
	t.Helper()
	p, err := o.verifier.Verify(t.Context(), issued.Token.Reveal())
	require.NoError(t, err)
	return p
}

// bearer returns the bearer of a token that the system minted with these claims.
func (o *office) bearer(t testing.TB, c *tokenauth.Claims) *tokenauth.Principal {
	t.Helper()
	return o.prove(t, o.mint(t, c))
}

// login starts a session of a person, for 15 minutes, and returns who logged in.
func (o *office) login(t testing.TB, subject string, roles ...string) *tokenauth.Principal {
	t.Helper()
	until := o.cfg.Now().Add(15 * time.Minute)
	sid := subject + "'s session"
	require.NoError(t, o.store.StartSession(t.Context(), subject, sid, until))
	return o.bearer(t, &tokenauth.Claims{Subject: subject, SessionID: sid, Roles: roles, ExpiresAt: until})
}

// holder returns the bearer of a recorded token of alice's with these scopes, for an hour.
func (o *office) holder(t testing.TB, scopes string) *tokenauth.Principal {
	t.Helper()
	r := request(t, bySystem, scopes)
	r.Subject, r.TTL = "alice", time.Hour
	issued, err := o.Issue(t.Context(), r)
	require.NoError(t, err)
	return o.prove(t, issued)
}

// child returns what an asker mints, with these scopes.
func (o *office) child(t testing.TB, by tokenauth.Authority, scopes string) tokenauth.Issued {
	t.Helper()
	issued, err := o.Issue(t.Context(), request(t, by, scopes))
	require.NoError(t, err)
	return issued
}

// lives says whether the verifier accepts a token.
func (o *office) lives(t testing.TB, issued tokenauth.Issued) bool {
	t.Helper()
	_, err := o.verifier.Verify(t.Context(), issued.Token.Reveal())
	if err != nil {
		require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
	}
	return err == nil
}

// liveRecords returns the records that are not dead.
func (o *office) liveRecords(t testing.TB) []*tokenauth.StoredAccessToken {
	t.Helper()
	return o.records(t, tokenauth.TokenFilter{ActiveAt: o.cfg.Now()})
}

// records returns the records that a filter selects.
func (o *office) records(t testing.TB, f tokenauth.TokenFilter) []*tokenauth.StoredAccessToken {
	t.Helper()
	var all []*tokenauth.StoredAccessToken
	for record, err := range o.store.List(context.WithoutCancel(t.Context()), f) {
		require.NoError(t, err)
		all = append(all, record)
	}
	return all
}

// record returns the record of a token.
func (o *office) record(t testing.TB, id string) *tokenauth.StoredAccessToken {
	t.Helper()
	record, err := o.store.Get(t.Context(), id)
	require.NoError(t, err)
	return record
}

// request asks for a token with these scopes.
func request(t testing.TB, by tokenauth.Authority, scopes string) tokenauth.TokenRequest {
	t.Helper()
	return tokenauth.TokenRequest{By: by, Scopes: grants(t, scopes)}
}

// grants reads a list of scopes.
func grants(t testing.TB, text string) []tokenauth.TokenScope {
	t.Helper()
	scopes, err := tokenauth.ParseTokenScopes(text)
	require.NoError(t, err)
	return scopes
}

// A handClock moves by hand only, unless it hangs on the wall.
type handClock struct {
	wall bool
	mu   sync.Mutex
	now  time.Time
}

// Now returns the clock's moment.
func (c *handClock) Now() time.Time {
	if c.wall {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// pass lets time pass.
func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// requireNothing holds a refusal to what every one is: the error and its code, and no part of a token.
func requireNothing(t testing.TB, issued tokenauth.Issued, err, want error, code string) {
	t.Helper()
	require.ErrorIs(t, err, want)
	require.Equal(t, code, tokenauth.ErrorCode(err), "%v", err)
	require.Equal(t, "", issued.Token.Reveal())
	require.Nil(t, issued.Claims)
	require.Nil(t, issued.Record)
}

// requireForbidden is requireNothing for more than is held; member is which.
func requireForbidden(t testing.TB, issued tokenauth.Issued, err error, member string) {
	t.Helper()
	requireNothing(t, issued, err, tokenauth.ErrForbidden, "authority_not_held")
	require.Contains(t, err.Error(), ": "+member)
}

// requireInvalid is requireNothing for what can never be minted; field is why.
func requireInvalid(t testing.TB, issued tokenauth.Issued, err error, field string) {
	t.Helper()
	requireNothing(t, issued, err, tokenauth.ErrInvalidRequest, "request_invalid")
	require.Contains(t, err.Error(), field)
}

func mayGrantAll(context.Context, *tokenauth.Principal, tokenauth.TokenScope) (bool, error) {
	return true, nil
}

// underRace says whether the race detector watches, under which everything takes several times as long.
var underRace = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
})

// rounds returns how often a loop runs: n times, or fewer where it takes longer. What has to be seen in all its rounds is run a second time
// without the race detector: see test in the Makefile.
func rounds(n int) int {
	if underRace() || testing.Short() { // each takes several times as long there
		return n / 10
	}
	return n
}
