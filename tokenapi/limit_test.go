package tokenapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

func TestLimit(t *testing.T) {
	o := newOffice(t)
	alice, ci := o.session(t, "alice"), o.issue(t, "", request("ci"), "deployment:web:read")
	for i := range 100 {
		require.Equal(t, 200, o.get(t, alice, "/tokens").status, "the %d. at once", i+1)
	}
	got := o.get(t, alice, "/tokens")
	require.Equal(t, 429, got.status)
	assert.Equal(t, "rate_limited", got.code())
	assert.Equal(t, "1", got.header.Get("Retry-After"))
	assert.Equal(t, 429, o.post(t, alice, "/tokens", "no JSON").status, "the body is not looked at")
	assert.Equal(t, 200, o.get(t, o.session(t, "bob"), "/tokens").status, "others have their own")
	assert.Equal(t, 404, o.post(t, alice, "/tokens/x/revoke", "").status, "revoking is not limited")
	assert.Equal(t, 200, o.form(t, "", "/revoke", "token="+ci.token).status)
	assert.Equal(t, 200, o.form(t, o.session(t, "alice", "admin"), "/introspect", "token="+ci.token).status)

	o.move(100 * time.Millisecond)
	assert.Equal(t, 200, o.get(t, alice, "/tokens").status)
	assert.Equal(t, 429, o.get(t, alice, "/tokens").status)
	o.move(time.Minute)
	for range 100 {
		require.Equal(t, 200, o.get(t, alice, "/tokens").status)
	}
	require.Equal(t, 429, o.get(t, alice, "/tokens").status)
	o.move(-20 * time.Minute) // a clock that is set back locks nobody out for longer than ever
	alice = o.session(t, "alice")
	require.Equal(t, 429, o.get(t, alice, "/tokens").status)
	o.move(100 * time.Millisecond)
	assert.Equal(t, 200, o.get(t, alice, "/tokens").status)
}

// A token that makes others is no more than its owner by it; what has no record counts for its subject.
func TestLimitCountsOwners(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice")
	ci := o.issue(t, alice, request("ci"), "deployment:web:write")
	child := o.issue(t, ci.token, request("child"), "deployment:web:read")
	lent := o.issue(t, alice, tokenauth.TokenRequest{Subject: "alice"}, "deployment:web:read")
	stateless := o.sign(t, *claimsOf("alice"))
	others := []string{
		o.issue(t, "", tokenauth.TokenRequest{Subject: "bob"}, "deployment:web:read").token, // the system made it: it is bob's
		o.session(t, "bob"),
	}
	ours := []string{alice, ci.token, child.token, lent.token, stateless}
	for i := range 100 {
		require.Equal(t, 200, o.get(t, ours[i%len(ours)], "/tokens").status, "the %d. at once", i+1)
	}
	for _, token := range ours {
		assert.Equal(t, 429, o.get(t, token, "/tokens").status)
	}
	for _, token := range others {
		assert.Equal(t, 200, o.get(t, token, "/tokens").status)
	}
	o.move(time.Minute)
	o.shop.in(down, "Get")
	assert.Equal(t, 503, o.get(t, ci.token, "/tokens").status, "whose it is cannot be found out")
}

// lookups counts how often a store is asked for a record.
type lookups struct {
	tokenauth.TokenStore
	n int
}

func (l *lookups) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	l.n++
	return l.TokenStore.Get(ctx, id)
}

// Being refused a revocation costs, since finding that out may cost the store a family; ending what one may end never does.
func TestRefusedRevocationsAreCounted(t *testing.T) {
	o := newOffice(t)
	counted := &lookups{TokenStore: o.shop.TokenStore}
	o.shop.TokenStore = counted
	alice := o.session(t, "alice")
	root := o.issue(t, alice, request("root"), "deployment:*:write")
	mine := o.issue(t, root.token, request("thief's"), "deployment:*:write")
	other := o.issue(t, root.token, request("other"), "deployment:*:write")
	ender := o.issue(t, "", tokenauth.TokenRequest{Subject: "alice"}, "token:"+other.id+":write")
	made := func(by string) string {
		return "/tokens/" + o.issue(t, by, request("made"), "deployment:web:read").id + "/revoke"
	}
	theirs := "/tokens/" + other.id + "/revoke"
	for range 30 {
		require.Equal(t, 200, o.post(t, mine.token, made(mine.token), "").status, "what one may end is not counted")
	}
	for i := range 10 {
		path := theirs
		if i%2 == 0 {
			path = "/tokens/unknown/revoke"
		}
		require.Equal(t, 404, o.post(t, mine.token, path, "").status)
	}
	for _, path := range []string{theirs, "/tokens/unknown/revoke"} {
		counted.n = 0
		got := o.post(t, mine.token, path, "")
		assert.Equal(t, 429, got.status, got.text)
		assert.Equal(t, "1", got.header.Get("Retry-After"))
		assert.Equal(t, 1, counted.n, "whose the token is, and nothing about the family")
	}
	assert.Equal(t, 429, o.post(t, root.token, theirs, "").status, "a right that is in the family has to wait")
	assert.Equal(t, 200, o.get(t, mine.token, "/tokens").status, "the rest is counted apart")
	assert.True(t, o.lives(t, other.token))

	// What the record alone says goes on: the thief cannot use up what ends the theft.
	assert.Equal(t, 200, o.post(t, ender.token, theirs, "").status, "by scope")
	assert.Equal(t, 200, o.post(t, o.session(t, "alice", "admin"), made(root.token), "").status, "by an admin")
	assert.Equal(t, 200, o.post(t, mine.token, "/tokens/"+mine.id+"/revoke", "").status, "itself")
	assert.Equal(t, 200, o.post(t, alice, made(root.token), "").status, "by the owner")
	assert.Equal(t, 429, o.post(t, alice, "/tokens/unknown/revoke", "").status)

	o.move(time.Second)
	assert.Equal(t, 200, o.post(t, root.token, made(root.token), "").status)
	assert.Equal(t, 404, o.post(t, root.token, "/tokens/unknown/revoke", "").status)
	assert.Equal(t, 429, o.post(t, root.token, made(root.token), "").status)
}

// Whoever tries again in an outage is told of the outage, however often.
func TestRevokingInALongOutage(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice")
	mine := o.issue(t, alice, request("mine"), "deployment:*:write")
	o.shop.in(down, "Get")
	for n := range 15 {
		got := o.post(t, alice, "/tokens/"+mine.id+"/revoke", "")
		require.Equal(t, 503, got.status, "%d: %s", n, got.text)
	}
	o.shop.in(nil, "Get")
	assert.Equal(t, 200, o.post(t, alice, "/tokens/"+mine.id+"/revoke", "").status)
}

func TestLimitHook(t *testing.T) {
	o := newOffice(t, limitOf(1))
	alice := o.session(t, "alice")
	assert.Equal(t, 200, o.get(t, alice, "/tokens").status)
	got := o.get(t, alice, "/tokens")
	assert.Equal(t, 429, got.status)
	assert.NotContains(t, got.text, "the hook's own words")
	assert.Equal(t, 401, o.get(t, "", "/tokens").status, "nobody uses nothing up")

	o = newOffice(t, func(c *tokenapi.Config) {
		c.Limit = func(*http.Request, *tokenauth.Principal) error {
			return fmt.Errorf("redis: %w", tokenauth.ErrUnavailable)
		}
	})
	assert.Equal(t, 503, o.get(t, o.session(t, "alice"), "/tokens").status)
}
