package tokenapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

// request is a wish for a token of that name.
func request(name string) tokenauth.TokenRequest { return tokenauth.TokenRequest{Name: name} }

// claimsOf is a token of somebody without a record, for an hour.
func claimsOf(subject string) *tokenauth.Claims {
	return &tokenauth.Claims{Subject: subject, ExpiresAt: noon.Add(time.Hour)}
}

func maxLive(n int) func(*tokenapi.Config)   { return func(c *tokenapi.Config) { c.MaxLive = n } }
func prefix(p string) func(*tokenapi.Config) { return func(c *tokenapi.Config) { c.Prefix = p } }

// limitOf lets n things pass altogether.
func limitOf(n int) func(*tokenapi.Config) {
	return func(c *tokenapi.Config) {
		c.Limit = func(*http.Request, *tokenauth.Principal) error {
			if n--; n < 0 {
				return errors.New("the hook's own words")
			}
			return nil
		}
	}
}

// scopes is the JSON of a request for one scope.
func scopes(kind, id, level string) string {
	if id != "null" {
		id = `"` + id + `"`
	}
	return fmt.Sprintf(`{"scopes":[{"resource_kind":%q,"resource_id":%s,"level":%q}]}`, kind, id, level)
}

func TestCreate(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice")
	got := o.post(t, alice, "/tokens",
		`{"name":"ci","scopes":[{"resource_kind":"deployment","resource_id":"web","level":"execute"}],"ttl_seconds":600}`)
	require.Equal(t, 201, got.status, got.text)
	var made struct {
		Token  string
		Record tokenauth.StoredAccessToken
	}
	require.NoError(t, json.Unmarshal([]byte(got.text), &made))
	assert.Equal(t, "ci", made.Record.Name)
	assert.Equal(t, "alice", made.Record.Owner)
	assert.Equal(t, "alice", made.Record.CreatedBy)
	assert.Equal(t, "token:"+made.Record.ID, made.Record.Subject)
	assert.Equal(t, noon.Add(10*time.Minute), made.Record.ExpiresAt)
	assert.Contains(t, got.text, `"expires_at":"2031-03-14T12:10:00Z"`)

	p, err := o.verifier.Authorize(t.Context(), made.Token, "deployment", "web", tokenauth.LevelExecute)
	require.NoError(t, err)
	assert.Equal(t, made.Record.ID, p.TokenID())

	// The Location is relative to the request, so that it is right behind any prefix.
	there, err := url.Parse("https://example.com/auth/tokens")
	require.NoError(t, err)
	there, err = there.Parse(got.header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, "/auth/tokens/"+made.Record.ID, there.Path)

	rotated := o.post(t, alice, "/tokens/"+made.Record.ID+"/rotate", `{"grace_seconds":30}`)
	require.Equal(t, 201, rotated.status, rotated.text)
	there, err = url.Parse("https://example.com/auth/tokens/" + made.Record.ID + "/rotate")
	require.NoError(t, err)
	there, err = there.Parse(rotated.header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, "/auth/tokens/"+rotated.member("record").(map[string]any)["id"].(string), there.Path)
}

// What the API refuses is what the Issuer refuses; nothing is stored then, and the field is named.
func TestCreateRefuses(t *testing.T) {
	o := newOffice(t)
	alice, admin := o.session(t, "alice", "deployer"), o.session(t, "alice", "admin")
	ci := o.issue(t, alice, request("ci"), "deployment:web:execute").token
	with := func(members string) string { return "{" + members + "," + scopes("a", "b", "read")[1:] }
	two := func(first, second string) string { return `{"scopes":[` + first + `,` + second + `]}` }
	const whole, half = `{"resource_kind":"a","resource_id":"b","level":"read"}`, `{"resource_kind":"a","level":"read"}`
	for _, c := range []struct {
		name, who, body string
		status          int
		message         string // a part of it
	}{
		{"M1 within", ci, scopes("deployment", "web", "read"), 201, ""},
		{"M1 wider level", ci, scopes("deployment", "web", "write"), 403, "scopes"},
		{"M1 all from one", ci, scopes("deployment", "null", "read"), 403, "scopes"},
		{"M1 another kind", ci, scopes("secret", "web", "read"), 403, "scopes"},
		{"M3 a person, and MayGrant says no", alice, scopes("secret", "x", "read"), 403, "MayGrant"},
		{"M2 role admin", alice, `{"roles":["admin"]}`, 403, "roles"},
		{"M2 role admin, by an admin", admin, `{"roles":["admin"]}`, 201, ""},
		{"M2 a role that is not held", alice, `{"roles":["auditor"]}`, 403, "roles"},
		{"M2 a role that is held", alice, `{"roles":["deployer"]}`, 201, ""},
		{"M2 subject bob", alice, with(`"subject":"bob"`), 403, "sub"},
		{"M2 subject bob, by an admin", admin, with(`"subject":"bob"`), 201, ""},
		{"M2 another's client", alice, with(`"client_id":"x"`), 403, "client_id"},
		{"an audience that there is not", alice, with(`"audience":["https://x.example"]`), 400, "aud"},
		{"a part of the audience", alice, with(`"audience":["` + theAPI + `"]`), 201, ""},
		{"M4 neither scope nor role", alice, `{"name":"x"}`, 400, "Scopes, Roles"},
		{"M4 nothing at all", alice, ``, 400, "Scopes, Roles"},
		{"M3 ttl 0", alice, with(`"ttl_seconds":0`), 400, "ttl_seconds"},
		{"M3 ttl negative", alice, with(`"ttl_seconds":-1`), 400, "ttl_seconds"},
		{"M3 ttl over 365 d", alice, with(`"ttl_seconds":31536001`), 400, "ttl"},
		{"M3 ttl beyond all numbers", alice, with(`"ttl_seconds":99999999999999999999`), 400, "ttl_seconds"},
		{"M3 ttl as a fraction", alice, with(`"ttl_seconds":1.5`), 400, "ttl_seconds"},
		{"M3 ttl as an exponent", alice, with(`"ttl_seconds":1e3`), 400, "ttl_seconds"},
		{"M3 ttl as a text", alice, with(`"ttl_seconds":"60"`), 400, "not a number"},
		{"M3 ttl of 90 d by a session of an hour", alice, with(`"ttl_seconds":7776000`), 201, ""},
		{"M3 ttl beyond the parent's", ci, `{"ttl_seconds":7776000,` + scopes("deployment", "web", "read")[1:], 403, "ttl"},
		{"S13 level none", alice, scopes("a", "b", "none"), 400, "level"},
		{"S16 without resource_id", alice, `{"scopes":[{"resource_kind":"a","level":"read"}]}`, 400, "resource_id: required"},
		{"S16 without resource_id, in the second", alice, two(whole, half), 400, "entry 2"},
		{"S16 resource_id null", alice, scopes("a", "null", "read"), 201, ""},
		{"S11 resource_id empty", alice, scopes("a", "", "read"), 400, "resource_id"},
		{"S11 resource_id *", alice, scopes("a", "*", "read"), 400, "resource_id"},
		{"S11 a fourth member", alice, two(whole, strings.Replace(whole, "{", `{"resourceId":"c",`, 1)), 400, "no other"},
		{"S17 unknown level", alice, scopes("a", "b", "Write"), 400, "level"},
		{"S17 level as a number", alice, two(whole, strings.Replace(whole, `"read"`, "3", 1)), 400, "not a string"},
		{"scope as a text", alice, `{"scopes":["a:b:read"]}`, 400, "entry 1"},
		{"C10 a member twice", alice, `{"name":"a","name":"b"}`, 400, "duplicate"},
		{"C10 a member twice, one escaped", alice, `{"name":"a","n\u0061me":"b"}`, 400, "duplicate"},
		{"C10 a member twice in a scope", alice, two(whole, strings.Replace(whole, "{", `{"resource_id":null,`, 1)), 400, "duplicate"},
		{"C10 another letter case", alice, `{"Name":"a"}`, 400, "unknown"},
		{"an unknown member", alice, `{"ttl":60}`, 400, "unknown"},
		{"jti is nobody's choice", admin, `{"id":"1"}`, 400, "unknown"},
		{"an empty text", alice, `{"name":""}`, 400, "name: empty"},
		{"null", alice, `{"name":null}`, 400, "not a string"},
		{"an empty list", alice, `{"audience":[]}`, 400, "audience: empty"},
		{"NUL in the name", alice, with(`"name":"a\u0000"`), 400, "name"},
		{"a name of 4 KiB", alice, with(`"name":"` + strings.Repeat("x", 4096) + `"`), 400, "name"},
		{"half a surrogate", alice, `{"name":"\ud800"}`, 400, "surrogate"},
		{"invalid UTF-8", alice, "{\"name\":\"\xff*\"}", 400, "UTF-8"},
		{"trailing data", alice, `{"name":"a"} {}`, 400, "after the value"},
		{"cut off", alice, `{"name":"a"`, 400, "too early"},
		{"an array", alice, `[]`, 400, "not an object"},
		{"nested deeply", alice, `{"scopes":[` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]}`, 400, "deep"},
		{"a bare word", alice, `true`, 400, "not an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := o.count(t)
			got := o.post(t, c.who, "/tokens", c.body)
			require.Equal(t, c.status, got.status, got.text)
			assert.Equal(t, map[int]string{201: "", 400: "request_invalid", 403: "authority_not_held"}[c.status], got.code())
			if c.status != 201 {
				assert.Contains(t, got.member("message"), c.message)
				assert.Equal(t, before, o.count(t), "something was stored")
			}
		})
	}
}

// count returns how many records there are.
func (o *office) count(t *testing.T) (n int) {
	t.Helper()
	for _, err := range o.shop.TokenStore.List(t.Context(), tokenauth.TokenFilter{}) {
		require.NoError(t, err)
		n++
	}
	return n
}

func TestListPages(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice")
	var made []string
	for range 7 {
		made = append(made, o.issue(t, alice, request("ci"), "deployment:web:read").id)
	}
	o.issue(t, o.session(t, "bob"), request("bob's"), "deployment:web:read")
	var seen []string
	for target, pages := "/tokens?limit=3", 0; ; pages++ {
		got := o.get(t, alice, target)
		require.Equal(t, 200, got.status, got.text)
		ids, next := got.ids(t)
		seen = append(seen, ids...)
		if next == "" {
			assert.Equal(t, 2, pages)
			break
		}
		target = "/tokens?limit=3&after=" + url.QueryEscape(next)
	}
	assert.Equal(t, made, seen)
	ids, next := o.get(t, alice, "/tokens?limit=7").ids(t)
	assert.Len(t, ids, 7)
	assert.Empty(t, next, "a last page that is full has no next")
	assert.Equal(t, `{"tokens":[]}`+"\n", o.get(t, alice, "/tokens?after=zzz").text)
}

func TestListFilters(t *testing.T) {
	o := newOffice(t)
	alice, admin := o.session(t, "alice"), o.session(t, "alice", "admin")
	long := o.issue(t, alice, tokenauth.TokenRequest{Name: "long", TTL: 100 * time.Hour}, "deployment:*:write")
	child := o.issue(t, long.token, request("child"), "deployment:web:read")
	dead := o.issue(t, alice, request("dead"), "deployment:web:read")
	bobs := o.issue(t, o.session(t, "bob"), request("bob's"), "deployment:web:read")
	_, err := o.issuer.Revoke(t.Context(), system, dead.id, "")
	require.NoError(t, err)
	for query, want := range map[string][]string{
		"":                                {long.id, child.id, dead.id, bobs.id},
		"owner=alice":                     {long.id, child.id, dead.id},
		"owner=bob":                       {bobs.id},
		"owner=nobody":                    nil,
		"subject=token:" + child.id:       {child.id},
		"created_by=token:" + long.id:     {child.id},
		"created_by=bob":                  {bobs.id},
		"parent=" + long.id:               {child.id},
		"session=s-bob":                   {bobs.id},
		"active=true":                     {long.id, child.id, bobs.id},
		"revoked=true":                    {dead.id},
		"expiring_seconds=3600":           {child.id, dead.id, bobs.id},
		"expiring_seconds=0":              nil,
		"active=true&owner=alice&limit=1": {long.id},
	} {
		got := o.get(t, admin, "/tokens?"+query)
		require.Equal(t, 200, got.status, got.text)
		ids, _ := got.ids(t)
		assert.Equal(t, want, ids, query)
	}
	o.move(2 * time.Hour)
	admin = o.sign(t, tokenauth.Claims{Subject: "root", Roles: []string{"admin"}, ExpiresAt: o.Now().Add(time.Hour)})
	ids, _ := o.get(t, admin, "/tokens?active=true").ids(t)
	assert.Equal(t, []string{long.id}, ids, "what has expired is not active")
}

func TestListRefuses(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice")
	for _, query := range []string{
		"limit=0", "limit=201", "limit=x", "limit=", "limit=1&limit=2", "limit=-1", "limit=1e2",
		"active=false", "active=", "active=TRUE", "revoked=1", "expiring_seconds=-1", "expiring_seconds=1.5", "expiring_seconds=999999999999",
		"owner=", "owner=%00", "owner=%ff", "owner=" + strings.Repeat("x", 256), "subject=%ff*", "parent=", "session=%00", "created_by=",
		"after=", "after=%00", "after=" + strings.Repeat("x", 129),
		"Owner=alice", "access_token=" + alice, "unknown=1", "owner=alice;limit=1", "%zz=1",
	} {
		got := o.get(t, alice, "/tokens?"+query)
		assert.Equal(t, 400, got.status, "%s: %s", query, got.text)
		assert.NotContains(t, got.text, alice)
	}
}

func TestRevoke(t *testing.T) {
	f := newFamily(t)
	path := "/tokens/" + f.records["ci"] + "/revoke"
	for _, reason := range []string{strings.Repeat("x", 4097), `a\u0000`} {
		got := f.post(t, f.tokens["alice"], path, `{"reason":"`+reason+`"}`)
		assert.Equal(t, 400, got.status)
		assert.Contains(t, got.member("message"), "revoke_reason")
	}
	assert.Equal(t, `{"revoked":3}`+"\n", f.post(t, f.tokens["alice"], path, `{"reason":"leaked, \"twice\""}`).text)
	assert.Equal(t, `{"revoked":0}`+"\n", f.post(t, f.tokens["alice"], path, `{"reason":"again"}`).text, "M9: the first stands")
	got := f.get(t, f.tokens["alice"], "/tokens/"+f.records["ci"])
	assert.Equal(t, `leaked, "twice"`, got.member("revoke_reason"))
	assert.Equal(t, "alice", got.member("revoked_by"))
	for _, name := range []string{"ci", "child", "grandchild"} {
		assert.Equal(t, 401, f.get(t, f.tokens[name], "/tokens").status, name)
	}
	assert.True(t, f.lives(t, f.tokens["narrow"]))
}
