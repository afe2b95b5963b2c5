package tokenapi_test

import (
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
