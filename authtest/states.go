package authtest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/a74cfa30/tokenauth"
)

// One policy on every surface: whatever a caller comes with, HTTP, gRPC and a call in process owe it the same answer. This table is
// that policy, and each surface's tests run through it.

// Asked is the question of every State: deployment:web:write.
func Asked() tokenauth.TokenScope {
	return tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelWrite}
}

// A State is what a caller may come with, and what becomes of it where Asked is asked, by Verifier.Authorize or what stands for it.
type State struct {
	Name  string // what it is
	Token string // what the caller sends; "": no credential at all
	Err   error  // nil: the caller is let in; otherwise the error must wrap this one

	arrange func()
	kit     *Kit
}

// Arrange brings the kit into the state, out of whatever state it was in, and heals it when t ends. Call it before the token is
// used.
func (s State) Arrange(t testing.TB) {
	t.Helper()
	heal := func() {
		s.kit.Stores.Heal()
		s.kit.KeyFaults.Heal()
	}
	heal()
	t.Cleanup(heal)
	if s.arrange != nil {
		s.arrange()
	}
}

// HTTP returns the status that the state is owed: 200, 401, 403 or 503.
func (s State) HTTP() int {
	switch {
	case s.Err == nil:
		return http.StatusOK
	case errors.Is(s.Err, tokenauth.ErrForbidden):
		return http.StatusForbidden
	case errors.Is(s.Err, tokenauth.ErrUnavailable):
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// GRPC returns the name of the gRPC code that the state is owed: OK, UNAUTHENTICATED, PERMISSION_DENIED or UNAVAILABLE.
func (s State) GRPC() string {
	switch s.HTTP() {
	case http.StatusOK:
		return "OK"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	}
	return "UNAUTHENTICATED"
}

// States returns all there are, the tokens of Broken among them. They want the kit's Verifier, or one made from VerifierConfig.
func (k *Kit) States() []State {
	k.t.Helper()
	down := func() { k.Stores.Fail(nil) }
	noKeys := func() { k.KeyFaults.Fail(nil) }
	states := []State{
		{Name: "no credential", Err: tokenauth.ErrMissingToken},
		{Name: "enough", Token: k.Token("alice", "deployment:web:write")},
		{Name: "enough, by a wildcard", Token: k.Token("alice", "deployment:write")},
		{Name: "enough, among others", Token: k.Token("alice", "secret:read", "deployment:web:read", "deployment:web:write")},
		{Name: "an admin", Token: k.Admin("root")},
		{Name: "too low a level", Token: k.Token("alice", "deployment:web:execute"), Err: tokenauth.ErrForbidden},
		{Name: "another resource", Token: k.Token("alice", "deployment:api:write"), Err: tokenauth.ErrForbidden},
		{Name: "another kind", Token: k.Token("alice", "container:web:write"), Err: tokenauth.ErrForbidden},
		{Name: "two halves that make no whole", Token: k.Token("alice", "deployment:read", "deployment:api:write"), Err: tokenauth.ErrForbidden},
		{Name: "no scope at all", Token: k.Token("alice"), Err: tokenauth.ErrForbidden},
		{Name: "revoked, and not enough", Token: k.revoked("secret:read"), Err: tokenauth.ErrForbidden},

		{Name: "enough, stores down", Token: k.Token("alice", "deployment:web:write"), Err: tokenauth.ErrUnavailable, arrange: down},
		{Name: "enough, stores hang", Token: k.Token("alice", "deployment:web:write"), Err: tokenauth.ErrUnavailable, arrange: k.Stores.Hang},
		{Name: "an admin, stores down", Token: k.Admin("root"), Err: tokenauth.ErrUnavailable, arrange: down},
		{Name: "revoked, stores down", Token: k.revoked("deployment:web:write"), Err: tokenauth.ErrUnavailable, arrange: down},
		{Name: "not enough, stores down", Token: k.Token("alice", "secret:read"), Err: tokenauth.ErrForbidden, arrange: down},
		{Name: "no credential, stores down", Err: tokenauth.ErrMissingToken, arrange: down},
		{Name: "enough, keys down", Token: k.Token("alice", "deployment:web:write"), Err: tokenauth.ErrUnavailable, arrange: noKeys},
		{Name: "an admin, keys hang", Token: k.Admin("root"), Err: tokenauth.ErrUnavailable, arrange: k.KeyFaults.Hang},
		{Name: "garbage, keys down", Token: "garbage", Err: tokenauth.ErrMalformed, arrange: noKeys},
		{Name: "garbage, stores down", Token: "garbage", Err: tokenauth.ErrMalformed, arrange: down},
	}
	for _, b := range k.Broken() {
		states = append(states, State{Name: b.Name, Token: b.Token, Err: b.Err})
	}
	for i := range states {
		states[i].kit = k
	}
	return states
}

// revoked returns a token that was revoked.
func (k *Kit) revoked(scope string) string {
	k.t.Helper()
	token := k.Token("alice", scope)
	k.Revoke(token)
	return token
}
