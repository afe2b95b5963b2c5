package tokenapi_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

// Everybody who may be of interest to the table below, in a family: alice's session made ci and narrow, ci made child, child made
// grandchild.
type family struct {
	*office
	tokens  map[string]string // by name
	records map[string]string
}

func newFamily(t *testing.T) family {
	f := family{newOffice(t), map[string]string{}, map[string]string{}}
	add := func(name, by, scopes string, r tokenauth.TokenRequest) {
		r.Name = name
		h := f.issue(t, f.tokens[by], r, scopes)
		f.tokens[name], f.records[name] = h.token, h.id
	}
	f.tokens["alice"], f.tokens["bob"] = f.session(t, "alice"), f.session(t, "bob")
	f.tokens["admin"] = f.session(t, "bob", "admin")
	add("ci", "alice", "deployment:*:write", tokenauth.TokenRequest{})
	add("child", "ci", "deployment:web:write", tokenauth.TokenRequest{})
	add("grandchild", "child", "deployment:web:read", tokenauth.TokenRequest{})
	add("narrow", "alice", "deployment:web:read", tokenauth.TokenRequest{Subject: "alice"})
	add("bob's", "bob", "deployment:web:read", tokenauth.TokenRequest{})
	add("auditor", "", "token:*:read", tokenauth.TokenRequest{})
	add("looker", "", "token:"+f.records["ci"]+":read", tokenauth.TokenRequest{})
	add("ender", "", "token:"+f.records["ci"]+":write", tokenauth.TokenRequest{})
	foreign, err := f.foreign.Sign(t.Context(), system, &tokenauth.Claims{
		Subject: "alice", Roles: []string{"admin"}, ID: f.records["ci"], ExpiresAt: noon.Add(time.Hour),
	})
	require.NoError(t, err)
	f.tokens["foreign admin"] = foreign.Token.Reveal()
	f.tokens["stateless"] = f.sign(t, tokenauth.Claims{
		Subject: "alice", ExpiresAt: noon.Add(time.Hour),
		Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}},
	})
	return f
}

// Who may look at, rotate and end which record. What one may not see answers as what is not there does, to the letter.
func TestWhoMayDoWhat(t *testing.T) {
	type row struct {
		who, record         string
		get, rotate, revoke int
	}
	rows := []row{
		{"alice", "ci", 200, 201, 200},
		{"alice", "child", 200, 201, 200},
		{"alice", "narrow", 200, 201, 200},
		{"alice", "bob's", 404, 404, 404},
		{"alice", "auditor", 404, 404, 404},
		{"bob", "ci", 404, 404, 404},
		{"bob", "bob's", 200, 201, 200},
		{"ci", "ci", 200, 201, 200},
		{"ci", "child", 200, 201, 200},
		{"ci", "grandchild", 200, 201, 200},
		{"ci", "narrow", 404, 404, 404}, // a sister
		{"ci", "bob's", 404, 404, 404},
		{"child", "ci", 404, 404, 404}, // the parent
		{"child", "child", 200, 201, 200},
		{"child", "grandchild", 200, 201, 200},
		{"grandchild", "child", 404, 404, 404},
		{"narrow", "ci", 404, 404, 404}, // in alice's name, and no session
		{"narrow", "narrow", 200, 201, 200},
		{"stateless", "ci", 404, 404, 404},
		{"auditor", "ci", 200, 403, 403},
		{"auditor", "bob's", 200, 403, 403},
		{"looker", "ci", 200, 403, 403},
		{"looker", "child", 404, 404, 404},
		{"ender", "ci", 200, 403, 200},
		{"ender", "child", 404, 404, 404},
		{"admin", "ci", 200, 201, 200},
		{"admin", "narrow", 200, 201, 200},
		{"foreign admin", "ci", 403, 403, 403},
	}
	f := newFamily(t)
	for who := range f.tokens {
		if who != "foreign admin" {
			rows = append(rows, row{who, "nobody's", 404, 404, 404})
		}
	}
	for _, c := range rows {
		t.Run(c.who+" and "+c.record, func(t *testing.T) {
			for operation, want := range map[string]int{"": c.get, "/rotate": c.rotate, "/revoke": c.revoke} {
				f := newFamily(t)
				ask := func(id string) reply {
					if operation == "" {
						return f.get(t, f.tokens[c.who], "/tokens/"+id)
					}
					return f.post(t, f.tokens[c.who], "/tokens/"+id+operation, "")
				}
				const unknown = "0198f7a0-0000-7000-8000-000000000000"
				id, known := f.records[c.record]
				if !known {
					id = unknown
				}
				got := ask(id)
				require.Equal(t, want, got.status, "%s: %s", operation, got.text)
				if want == 404 && known {
					assert.Equal(t, ask(unknown), got, "%s: it shows that there is one", operation)
				}
				if want >= 400 && known {
					assert.True(t, f.lives(t, f.tokens[c.record]))
				}
				if want == 200 && operation == "/revoke" {
					assert.False(t, f.lives(t, f.tokens[c.record]))
				}
			}
		})
	}
}

// What a person's session is stands in the Issuer and, for looking, here. Whoever is one there makes tokens without a parent, and sees
// here what its subject owns: both or neither.
func TestTheIssuerAndTheAPIAgreeOnSessions(t *testing.T) {
	until := noon.Add(time.Hour)
	scope := []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}}
	for name, c := range map[string]struct {
		claims  tokenauth.Claims
		session bool
	}{
		"sid":                     {tokenauth.Claims{SessionID: "s-alice"}, true},
		"sid and jti":             {tokenauth.Claims{SessionID: "s-alice", ID: "x"}, true},
		"neither":                 {tokenauth.Claims{}, true},
		"jti":                     {tokenauth.Claims{ID: "x", Roles: []string{"r"}}, false},
		"sid and scopes":          {tokenauth.Claims{SessionID: "s-alice", ID: "x", Scopes: scope}, false},
		"sid and OAuth scopes":    {tokenauth.Claims{SessionID: "s-alice", ID: "x", OAuthScopes: []string{"openid"}}, false},
		"sid and an actor":        {tokenauth.Claims{SessionID: "s-alice", ID: "x", Actor: &tokenauth.Actor{Subject: "agent"}}, false},
		"sid and a delegator":     {tokenauth.Claims{SessionID: "s-alice", ID: "x", Delegator: "alice"}, false},
		"sid and delegated depth": {tokenauth.Claims{SessionID: "s-alice", ID: "x", DelegationDepth: 1}, false},
	} {
		o := newOffice(t)
		other := o.issue(t, o.session(t, "alice"), request("other"), "deployment:web:read")
		c.claims.Subject, c.claims.ExpiresAt, c.claims.Roles = "alice", until, []string{"r"}
		token := o.sign(t, c.claims)
		assert.Equal(t, c.session, o.get(t, token, "/tokens/"+other.id).status == 200, name)
		ids, _ := o.get(t, token, "/tokens").ids(t)
		assert.Equal(t, c.session, slices.Contains(ids, other.id), name)
		made := o.post(t, token, "/tokens", `{"roles":["r"]}`)
		require.Equal(t, 201, made.status, "%s: %s", name, made.text)
		assert.Equal(t, c.session, made.member("record").(map[string]any)["parent_id"] == nil, name)
	}
}

// What the system makes has a name in created_by that no subject may have: the Issuer refuses an asker of that name, and so does this. It
// can be the subject of a token that somebody else signed, or that Adapt names.
func TestNobodyIsTheSystem(t *testing.T) {
	o := newOffice(t)
	made := o.issue(t, "", tokenauth.TokenRequest{Subject: "bob"}, "deployment:web:read")
	for subject, status := range map[string]int{"system: a test": 403, "system:a test": 404} {
		profile, key := tokenauth.Profile{Issuers: []string{theIssuer}, NoAudience: true}, newKey(t)
		verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
			Profile: profile, Keys: key.VerifyingKey(), Revocation: tokenauth.Unenforced("a test"), Now: o.Now,
			Adapt: func(c *tokenauth.Claims) error { c.Subject = subject; return nil },
		})
		require.NoError(t, err)
		issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Now: o.Now})
		require.NoError(t, err)
		issued, err := issuer.Sign(t.Context(), system, &tokenauth.Claims{Subject: "alice", ExpiresAt: noon.Add(time.Hour)})
		require.NoError(t, err)
		o.config.Guard.Verifier = verifier
		o.api, err = tokenapi.New(o.config)
		require.NoError(t, err)
		assert.Equal(t, status, o.get(t, issued.Token.Reveal(), "/tokens/"+made.id).status, subject)
	}
}

// Which records a list shows to whom, and which filters are refused.
func TestWhoMayListWhat(t *testing.T) {
	f := newFamily(t)
	all := []string{"ci", "child", "grandchild", "narrow", "bob's", "auditor", "looker", "ender"}
	for _, c := range []struct {
		who, query string
		want       []string // nil: 403
	}{
		{"alice", "", []string{"ci", "child", "grandchild", "narrow"}},
		{"alice", "owner=alice", []string{"ci", "child", "grandchild", "narrow"}},
		{"alice", "created_by=alice", []string{"ci", "narrow"}},
		{"alice", "parent=" + f.records["child"], []string{"grandchild"}},
		{"alice", "parent=" + f.records["bob's"], []string{}}, // of what she owns
		{"alice", "session=s-bob", []string{}},
		{"alice", "owner=bob", nil},
		{"alice", "owner=bob&subject=alice", []string{}}, // hers, whoever owns it
		{"bob", "", []string{"bob's"}},
		{"bob", "created_by=alice", []string{}},
		{"ci", "", []string{"child"}},
		{"ci", "parent=" + f.records["child"], []string{"grandchild"}},
		{"ci", "parent=" + f.records["bob's"], nil},
		{"ci", "parent=unknown", nil},
		{"ci", "owner=alice", []string{"child"}}, // of its own
		{"child", "parent=" + f.records["ci"], nil},
		{"narrow", "", []string{}},
		{"narrow", "owner=alice", []string{}},
		{"stateless", "", nil},
		{"stateless", "owner=alice", nil},
		{"auditor", "", all},
		{"auditor", "owner=bob", []string{"bob's"}},
		{"looker", "", []string{}},
		{"looker", "parent=" + f.records["ci"], nil}, // that record, and not its children
		{"ender", "parent=" + f.records["ci"], nil},
		{"ci", "parent=" + f.records["ci"], []string{"child"}},
		{"admin", "parent=" + f.records["ci"], []string{"child"}},
		{"admin", "", all},
		{"foreign admin", "", nil},
	} {
		if c.who == "foreign admin" {
			f = newFamily(t) // its tokens work once
		}
		got := f.get(t, f.tokens[c.who], "/tokens?"+c.query)
		if c.want == nil {
			assert.Equal(t, 403, got.status, "%s %s: %s", c.who, c.query, got.text)
			continue
		}
		require.Equal(t, 200, got.status, "%s %s: %s", c.who, c.query, got.text)
		var want []string
		for _, name := range c.want {
			want = append(want, f.records[name])
		}
		ids, _ := got.ids(t)
		assert.Equal(t, want, ids, "%s %s", c.who, c.query)
	}
}

// A family is found across rotations: what the successor of an ancestor asks about, and what the predecessor does while in grace.
func TestRotationKeepsWhoMaySee(t *testing.T) {
	f := newFamily(t)
	got := f.post(t, f.tokens["ci"], "/tokens/"+f.records["ci"]+"/rotate", `{"grace_seconds":60}`)
	require.Equal(t, 201, got.status, got.text)
	successor, id := got.member("token").(string), got.member("record").(map[string]any)["id"].(string)
	for _, c := range []struct {
		who, id string
		want    int
	}{
		{successor, f.records["ci"], 200},
		{successor, f.records["grandchild"], 200},
		{f.tokens["ci"], id, 200},
		{f.tokens["child"], id, 404},
		{successor, f.records["narrow"], 404},
	} {
		assert.Equal(t, c.want, f.get(t, c.who, "/tokens/"+c.id).status)
	}
	f.move(time.Minute)
	assert.Equal(t, 401, f.get(t, f.tokens["ci"], "/tokens/"+id).status)
	assert.Equal(t, 409, f.post(t, f.session(t, "alice"), "/tokens/"+f.records["ci"]+"/rotate", "").status)
	for _, body := range []string{`{"grace_seconds":604801}`, `{"grace_seconds":3601}`, `{"grace_seconds":"1"}`, `{"grace":1}`} {
		assert.Equal(t, 400, f.post(t, successor, "/tokens/"+id+"/rotate", body).status, body)
	}
}
