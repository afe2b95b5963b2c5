package tokenapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

func TestMaxLive(t *testing.T) {
	o := newOffice(t, maxLive(3))
	alice, want := o.session(t, "alice"), scopes("deployment", "web", "read")
	ci := o.issue(t, alice, request("ci"), "deployment:*:write")
	require.Equal(t, 201, o.post(t, ci.token, "/tokens", want).status, "a child is its owner's")
	last := o.post(t, alice, "/tokens", want)
	require.Equal(t, 201, last.status)
	before := o.count(t)
	for _, who := range []string{alice, ci.token} {
		got := o.post(t, who, "/tokens", want)
		assert.Equal(t, 409, got.status)
		assert.Equal(t, "too_many_tokens", got.code())
	}
	assert.Equal(t, before, o.count(t), "what there is no room for is not made first")
	assert.Equal(t, 201, o.post(t, o.session(t, "bob"), "/tokens", want).status, "others have their own")

	// A rotation makes no more of them, but for its grace.
	id := last.member("record").(map[string]any)["id"].(string)
	next := o.post(t, alice, "/tokens/"+id+"/rotate", `{"grace_seconds":60}`)
	require.Equal(t, 201, next.status, next.text)
	id = next.member("record").(map[string]any)["id"].(string)
	assert.Equal(t, 409, o.post(t, alice, "/tokens/"+id+"/rotate", `{"grace_seconds":60}`).status)
	next = o.post(t, alice, "/tokens/"+id+"/rotate", "")
	require.Equal(t, 201, next.status, next.text)
	id = next.member("record").(map[string]any)["id"].(string)

	o.move(time.Minute)
	require.Equal(t, 409, o.post(t, alice, "/tokens", want).status)
	require.Equal(t, 200, o.post(t, alice, "/tokens/"+id+"/revoke", "").status)
	assert.Equal(t, 201, o.post(t, alice, "/tokens", want).status, "the dead do not count")
}

// What is revoked or rotated keeps its record until it expires, so that is bounded, too.
func TestMaxRecords(t *testing.T) {
	const most = 25
	o := newOffice(t, maxLive(2), func(c *tokenapi.Config) {
		c.MaxRecords = most
		c.Limit = func(*http.Request, *tokenauth.Principal) error { return nil }
	})
	counts := 0
	o.shop.in(func(context.Context) error { counts++; return nil }, "List")
	alice, want := o.session(t, "alice"), scopes("deployment", "web", "read")
	id := func(r reply) string { return r.member("record").(map[string]any)["id"].(string) }
	kept := o.post(t, alice, "/tokens", want)
	require.Equal(t, 201, kept.status, kept.text)
	for range 15 {
		made := o.post(t, alice, "/tokens", want)
		require.Equal(t, 201, made.status, made.text)
		require.Equal(t, 200, o.post(t, alice, "/tokens/"+id(made)+"/revoke", "").status)
	}
	counts = 0
	for range most - 16 {
		kept = o.post(t, alice, "/tokens/"+id(kept)+"/rotate", "")
		require.Equal(t, 201, kept.status, kept.text)
	}
	assert.LessOrEqual(t, counts, 5, "not counted each time")
	for _, refused := range []reply{
		o.post(t, alice, "/tokens", want),
		o.post(t, alice, "/tokens/"+id(kept)+"/rotate", ""),
		o.post(t, alice, "/tokens/"+id(kept)+"/rotate", `{"grace_seconds":60}`),
	} {
		assert.Equal(t, 409, refused.status)
		assert.Equal(t, "too_many_records", refused.code())
	}
	assert.Equal(t, most, o.count(t))
	assert.Equal(t, 201, o.post(t, o.session(t, "bob"), "/tokens", want).status, "others have their own")
	assert.Equal(t, 200, o.post(t, alice, "/tokens/"+id(kept)+"/revoke", "").status)

	o.shop.in(down, "List")
	assert.Equal(t, 503, o.post(t, alice, "/tokens", want).status)
	o.shop.in(nil, "List")
	o.move(time.Hour)
	alice = o.sign(t, tokenauth.Claims{Subject: "alice", SessionID: "s-alice"})
	assert.Equal(t, 201, o.post(t, alice, "/tokens", want).status, "what has expired does not count, even if it is still there")
}

// Everybody at once: never one too many. In one process nobody goes away with nothing either; of two over one store each may see the
// other's and give way.
func TestMaxLiveHoldsInARace(t *testing.T) {
	for _, processes := range []int{1, 2} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, maxLive(5), func(c *tokenapi.Config) { c.MaxRecords = 1000 }) // what is taken back is remembered
				o.shop.in(func(context.Context) error {
					time.Sleep(time.Millisecond) // so that all who may are here at once
					return nil
				}, "Create", "List", "Revoke")
				made := o.crowd(t, []http.Handler{o.api, newOfficeLike(t, o)}[:processes], 64)
				if processes == 1 {
					assert.Len(t, made, 5)
				}
				assert.LessOrEqual(t, len(made), 5)
				assert.Equal(t, len(made), o.countLive(t, "alice"), "what was refused is not alive, and what was told is")
				for _, token := range made {
					assert.True(t, o.lives(t, token))
				}
			})
		})
	}
}

// crowd has alice ask for so many tokens at once, and returns those she got.
func (o *office) crowd(t *testing.T, apis []http.Handler, size int) (made []string) {
	t.Helper()
	alice := o.session(t, "alice")
	var mu sync.Mutex
	var wait sync.WaitGroup
	for i := range size {
		wait.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/tokens", strings.NewReader(scopes("deployment", "web", "read")))
			r.Header.Set("Authorization", "Bearer "+alice)
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			apis[i%len(apis)].ServeHTTP(w, r)
			got := reply{w.Code, w.Header(), w.Body.String()}
			mu.Lock()
			defer mu.Unlock()
			if got.status == 201 {
				made = append(made, got.member("token").(string))
			} else {
				assert.Equal(t, "too_many_tokens", got.code(), got.text)
			}
		})
	}
	wait.Wait()
	return made
}

// Whoever waits for their turn waits no longer than a request may, however long it takes who is before them.
func TestAQueueBehindASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, maxLive(1))
		alice, bob := o.session(t, "alice"), o.session(t, "bob")
		want := scopes("deployment", "web", "read")
		o.shop.in(func(context.Context) error {
			time.Sleep(4 * time.Second)
			o.shop.in(nil, "Create")
			o.issue(t, alice, request("faster"), "deployment:web:read") // of another process
			return nil
		}, "Create")
		o.shop.in(slow, "Revoke") // which takes back what was one too many
		began := time.Now()
		took := make([]time.Duration, 2)
		var wait sync.WaitGroup
		for i := range took {
			wait.Go(func() {
				assert.Equal(t, 503, o.post(t, alice, "/tokens", want).status)
				took[i] = time.Since(began)
			})
			synctest.Wait()
		}
		wait.Wait()
		assert.Equal(t, []time.Duration{9 * time.Second, 5 * time.Second}, took)
		assert.Equal(t, 201, o.post(t, bob, "/tokens", want).status, "the turn has ended")
	})
}

// The count that comes after: others were faster between counting and creating, so the token is taken back before anybody has it.
func TestOneTooManyIsTakenBack(t *testing.T) {
	for _, c := range []struct {
		name    string
		trouble func(context.Context) error // of taking back
		status  int
		live    int
	}{
		{"taken back", nil, 409, 2},
		{"not taken back: nobody has it", down, 503, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t, maxLive(2))
			alice := o.session(t, "alice")
			o.shop.in(func(context.Context) error {
				o.shop.in(nil, "Create")
				o.issue(t, alice, request("faster"), "deployment:web:read")
				o.issue(t, alice, request("faster"), "deployment:web:read")
				return nil
			}, "Create")
			o.shop.in(c.trouble, "Revoke")
			got := o.post(t, alice, "/tokens", scopes("deployment", "web", "read"))
			require.Equal(t, c.status, got.status, got.text)
			assert.Nil(t, got.member("token"))
			assert.Equal(t, c.live, o.countLive(t, "alice"))
		})
	}
}

// countLive returns how many live tokens an owner has.
func (o *office) countLive(t *testing.T, owner string) (n int) {
	t.Helper()
	for _, err := range o.shop.TokenStore.List(t.Context(), tokenauth.TokenFilter{Owner: owner, ActiveAt: noon}) {
		require.NoError(t, err)
		n++
	}
	return n
}
