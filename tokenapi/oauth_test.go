package tokenapi_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

// RFC 7009: 200 says that the token is dead, and says it of no token that can be accepted anywhere.
func TestRevokeHeld(t *testing.T) {
	o := newOffice(t)
	parent := o.issue(t, o.session(t, "alice"), request("ci"), "deployment:*:write")
	child := o.issue(t, parent.token, request("child"), "deployment:web:read")
	expired := o.issue(t, "", tokenauth.TokenRequest{Name: "short", TTL: time.Second}, "deployment:web:read")
	o.move(time.Second)
	foreign, err := o.foreign.Sign(t.Context(), system, &tokenauth.Claims{Subject: "x", ID: child.id, ExpiresAt: noon.Add(time.Hour)})
	require.NoError(t, err)
	o.move(time.Minute)
	later := o.sign(t, tokenauth.Claims{Subject: "x", ID: "later", ExpiresAt: noon.Add(time.Hour)})
	o.move(-time.Minute)
	stateless := o.sign(t, tokenauth.Claims{Subject: "x", ExpiresAt: noon.Add(time.Hour)})
	retired := o.issue(t, "", request("stolen"), "deployment:web:read")
	thief := o.post(t, retired.token, "/tokens/"+retired.id+"/rotate", "").member("token").(string)
	ended := o.sign(t, tokenauth.Claims{
		Subject: "bob", ID: "of a session", SessionID: "s-bob", ExpiresAt: noon.Add(time.Hour),
		Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}},
	})
	loggedOut := o.session(t, "bob")
	ofBob := o.issue(t, ended, request("child"), "deployment:web:read")
	sessions := o.shop.TokenStore.(*memstore.Store)
	require.NoError(t, sessions.EndSession(t.Context(), "bob", "s-bob"))
	stale := o.sign(t, *claimsOf("carol"))
	_, err = sessions.RaiseNotBefore(t.Context(), "carol", o.Now())
	require.NoError(t, err)
	bound := o.sign(t, tokenauth.Claims{
		Subject: "x", ID: "bound", ExpiresAt: noon.Add(time.Hour), Extra: map[string]jsonText{"cnf": jsonText(`{"jkt":"x"}`)},
	})

	for _, c := range []struct {
		name, form string
		status     int
		code       string
	}{
		{"a child", "token=" + child.token, 200, ""},
		{"again: it is revoked", "token=" + child.token, 200, ""},
		{"its parent, with a hint", "token=" + parent.token + "&token_type_hint=refresh_token", 200, ""},
		{"an unknown hint, another parameter", "token=" + parent.token + "&token_type_hint=x&client_id=y", 200, ""},
		{"expired", "token=" + expired.token, 200, ""},
		{"retired", "token=" + retired.token, 200, ""},
		{"of a session that has ended", "token=" + ended, 200, ""},
		{"of a session that has ended, without jti", "token=" + loggedOut, 400, "unsupported_token_type"},
		{"no token at all", "token=garbage", 200, ""},
		{"a bad signature", "token=" + stateless[:len(stateless)-4] + "AAAA", 200, ""},
		{"older than its subject's epoch, without jti", "token=" + stale, 200, ""},
		{"without jti", "token=" + stateless, 400, "unsupported_token_type"},
		{"of another issuer", "token=" + foreign.Token.Reveal(), 400, "unsupported_token_type"},
		{"it counts later, and never now", "token=" + later, 200, ""},
		{"again", "token=" + later, 200, ""},
		{"it counts where cnf is confirmed", "token=" + bound, 400, "unsupported_token_type"},
		{"two tokens", "token=" + stateless + "&token=garbage", 400, "invalid_request"},
		{"two hints", "token=garbage&token_type_hint=a&token_type_hint=b", 400, "invalid_request"},
		{"an empty token", "token=", 400, "invalid_request"},
		{"none", "tokens=x", 400, "invalid_request"},
		{"no form", "token=%zz", 400, "invalid_request"},
		{"a semicolon", "token=a;token=b", 400, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := o.form(t, "", "/revoke", c.form)
			assert.Equal(t, c.status, got.status, got.text)
			assert.Equal(t, c.code, got.code())
		})
	}
	o.move(time.Minute)
	require.NoError(t, sessions.StartSession(t.Context(), "bob", "s-bob", noon.Add(time.Hour)))
	assert.True(t, o.lives(t, stateless))
	for name, token := range map[string]string{
		"parent": parent.token, "later": later, "a thief's successor": thief, "of a session that is there again": ended, "its child": ofBob.token,
	} {
		assert.False(t, o.lives(t, token), name)
	}
	got := o.form(t, "", "/revoke?token="+parent.token, "token="+parent.token)
	assert.Equal(t, "invalid_request", got.code(), "a token in the query")

	record, err := o.shop.Get(t.Context(), parent.id)
	require.NoError(t, err)
	assert.Equal(t, "token:"+parent.id, record.RevokedBy)
}

// Anybody may send what they found, as often as they like, and each time a store that is asked walks the family: so it is not asked again and
// again about what is dead.
func TestRevokingTheDeadIsCheap(t *testing.T) {
	o := newOffice(t)
	asked := 0
	count := func(context.Context) error { asked++; return nil }
	o.shop.in(count, "Revoke")
	one, two := o.issue(t, "", request("one"), "deployment:web:read"), o.issue(t, "", request("two"), "deployment:web:read")
	for range 50 {
		require.Equal(t, 200, o.form(t, "", "/revoke", "token="+one.token).status)
	}
	assert.Equal(t, 1, asked)
	o.shop.in(down, "Revoke")
	assert.Equal(t, 503, o.form(t, "", "/revoke", "token="+two.token).status)
	assert.Equal(t, 503, o.form(t, "", "/revoke", "token="+two.token).status, "nobody knows, and nothing is remembered")
	assert.Equal(t, 200, o.form(t, "", "/revoke", "token="+one.token).status, "it is known to be dead")
	o.shop.in(count, "Revoke")
	asked = 0
	require.Equal(t, 200, o.form(t, "", "/revoke", "token="+two.token).status)
	assert.Equal(t, 1, asked)
	assert.False(t, o.lives(t, two.token))
	o.move(5 * time.Second)
	require.Equal(t, 200, o.form(t, "", "/revoke", "token="+two.token).status)
	assert.Equal(t, 2, asked, "but asked now and then")
	o.move(-time.Hour)
	require.Equal(t, 200, o.form(t, "", "/revoke", "token="+two.token).status)
	assert.Equal(t, 3, asked, "and not for as long as a clock was ahead")
}

// An outage is told, and then nothing is dead. Whether a token lives is not asked.
func TestRevokeHeldInAnOutage(t *testing.T) {
	for method, status := range map[string]int{"IsRevoked": 200, "Get": 200, "Revoke": 503} {
		o := newOffice(t)
		ci := o.issue(t, "", request("ci"), "deployment:web:read")
		o.shop.in(down, method)
		assert.Equal(t, status, o.form(t, "", "/revoke", "token="+ci.token).status, method)
		o.shop.in(nil, method)
		assert.Equal(t, status == 503, o.lives(t, ci.token), method)
	}
}

// No refusal of the API's own verifier is taken for death where another verifier of the same service takes the token.
func TestRevokeHeldIsNoMatterOfWhoVerifies(t *testing.T) {
	o := newOffice(t)
	store := o.shop.TokenStore
	profile := tokenauth.Profile{Issuers: []string{theIssuer}, Audiences: []string{theAPI}}
	old, next, foreign := newKey(t), newKey(t), newKey(t)
	secret := func(text string) tokenauth.SigningKey {
		key, err := tokenauth.NewSigningKey("", "HS256", []byte(strings.Repeat(text, 32)))
		require.NoError(t, err)
		return key
	}
	verifier := func(change func(*tokenauth.VerifierConfig), keys ...tokenauth.SigningKey) *tokenauth.Verifier {
		var ring []tokenauth.Key
		for _, key := range keys {
			ring = append(ring, key.VerifyingKey())
		}
		set, err := tokenauth.NewKeyRing(ring...)
		require.NoError(t, err)
		cfg := tokenauth.VerifierConfig{
			Profile: profile, Keys: set, Revocation: tokenauth.Unenforced("a list of the dead that knows of no record"), Now: o.Now,
		}
		change(&cfg)
		v, err := tokenauth.NewVerifier(cfg)
		require.NoError(t, err)
		return v
	}
	strict := verifier(func(cfg *tokenauth.VerifierConfig) {
		cfg.MaxTokenBytes, cfg.Algorithms = 700, []string{"EdDSA", "HS256"}
	}, old, secret("a"))
	wide := verifier(func(cfg *tokenauth.VerifierConfig) { cfg.Leeway = 5 * time.Minute }, old, next, secret("a"), secret("b"))
	var err error
	o.config.Guard.Verifier = strict
	o.config.Issuer, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: old, Tokens: store, Askers: strict, Now: o.Now})
	require.NoError(t, err)
	o.api, err = tokenapi.New(o.config)
	require.NoError(t, err)
	signed := func(key tokenauth.SigningKey, roles ...string) string {
		issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Now: o.Now})
		require.NoError(t, err)
		issued, err := issuer.Sign(t.Context(), system, &tokenauth.Claims{
			Subject: "alice", ID: "without record", Roles: roles, ExpiresAt: noon.Add(time.Minute),
		})
		require.NoError(t, err)
		return issued.Token.Reveal()
	}
	good := signed(old)
	for _, c := range []struct {
		name, token string
		later       time.Duration
		status      int
		lives       bool // at the other verifier
	}{
		{"without record", good, 0, 400, true},
		{"expired, but for a leeway", good, 5 * time.Minute, 400, true},
		{"expired everywhere", good, 6 * time.Minute, 200, false},
		{"a key that is not known here yet", signed(next), 0, 400, true},
		{"a key without id that is not known here yet", signed(secret("b")), 0, 400, true},
		{"longer than is taken here", signed(old, strings.Repeat("r", 700)), 0, 400, true},
		{"a key that nobody knows", signed(foreign), 0, 400, false},
		{"a signature of no key of this id", good[:len(good)-4] + "AAAA", 0, 200, false},
		{"no token", "a.b", 0, 200, false},
	} {
		o.move(c.later)
		assert.Equal(t, c.status, o.form(t, "", "/revoke", "token="+c.token).status, c.name)
		_, err := wide.Inspect(t.Context(), c.token)
		assert.Equal(t, c.lives, err == nil, "%s: %v", c.name, err)
		o.move(-c.later)
	}
	o.config.Guard.Verifier = verifier(func(cfg *tokenauth.VerifierConfig) { cfg.Revocation = store }, old)
	o.api, err = tokenapi.New(o.config)
	require.NoError(t, err)
	assert.Equal(t, 200, o.form(t, "", "/revoke", "token="+good).status, "without record, and the store calls it revoked")
}

// RFC 7662: who is told what about which token.
func TestIntrospect(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice")
	ci := o.issue(t, alice, tokenauth.TokenRequest{Name: "ci", Audiences: []string{theAPI}}, "deployment:web:read")
	dead := o.issue(t, alice, request("dead"), "deployment:web:read")
	_, err := o.issuer.Revoke(t.Context(), system, dead.id, "")
	require.NoError(t, err)
	server := o.issue(t, "", tokenauth.TokenRequest{Subject: theAPI, Roles: []string{"server"}}, "")
	other := o.issue(t, "", tokenauth.TokenRequest{Subject: "https://other.example", Roles: []string{"server"}}, "")
	below := o.issue(t, server.token, tokenauth.TokenRequest{Roles: []string{"server"}}, "")
	admin := o.session(t, "bob", "admin")
	foreign, err := o.foreign.Sign(t.Context(), system, &tokenauth.Claims{
		Subject: theAPI, ID: "1", Roles: []string{"admin"}, ExpiresAt: noon.Add(time.Hour),
	})
	require.NoError(t, err)
	for _, c := range []struct {
		name, who, token string
		status           int
		active           any
	}{
		{"by an admin", admin, ci.token, 200, true},
		{"by one in aud", server.token, ci.token, 200, true},
		{"by one in no aud", other.token, ci.token, 403, nil},
		{"by one in aud, of a token for both", other.token, server.token, 200, true},
		{"by a token below one in aud", below.token, ci.token, 403, nil},
		{"by its owner", alice, ci.token, 403, nil},
		{"by itself", ci.token, ci.token, 403, nil},
		{"by an admin of elsewhere", foreign.Token.Reveal(), ci.token, 403, nil},
		{"revoked", server.token, dead.token, 200, false},
		{"garbage", server.token, "garbage", 200, false},
		{"a bad signature", admin, ci.token + "AAAA", 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := o.form(t, c.who, "/introspect", "token="+c.token)
			require.Equal(t, c.status, got.status, got.text)
			assert.Equal(t, c.active, got.member("active"))
			switch {
			case c.status == 403:
				assert.Contains(t, got.header.Get("WWW-Authenticate"), "insufficient_scope")
				for _, secret := range []string{ci.id, "deployment", "exp", "alice"} {
					assert.NotContains(t, got.text, secret)
				}
			case c.active == false:
				assert.Equal(t, `{"active":false}`+"\n", got.text)
			}
		})
	}
	o.shop.in(down, "IsRevoked")
	stateless := o.sign(t, tokenauth.Claims{Subject: "root", Roles: []string{"admin"}, ExpiresAt: noon.Add(time.Hour)})
	assert.Equal(t, 503, o.form(t, stateless, "/introspect", "token="+ci.token).status)
	assert.Equal(t, `{"active":false}`+"\n", o.form(t, stateless, "/introspect", "token=x").text, "known without asking")
}

// A good token that the API's verifier cannot judge is not called bad: what it wants is a check that is made elsewhere.
func TestIntrospectionCannotTell(t *testing.T) {
	type senderKey struct{}
	holder := context.WithValue(t.Context(), senderKey{}, true)
	o := newOffice(t)
	store := o.shop.TokenStore.(*memstore.Store)
	key := newKey(t)
	verifier := func(complete bool) *tokenauth.Verifier {
		cfg := tokenauth.VerifierConfig{
			Profile: tokenauth.Profile{Issuers: []string{theIssuer}, Audiences: []string{theAPI}},
			Keys:    key.VerifyingKey(), Revocation: store, Now: o.Now,
		}
		if complete {
			cfg.Sessions, cfg.Epochs = store, store
			cfg.AdminCheck = func(context.Context, *tokenauth.Claims) (bool, error) { return true, nil }
			cfg.Confirm = func(ctx context.Context, _ json.RawMessage) (bool, error) { return ctx.Value(senderKey{}) != nil, nil }
		}
		v, err := tokenauth.NewVerifier(cfg)
		require.NoError(t, err)
		return v
	}
	whole := verifier(true)
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: tokenauth.Profile{
			Issuers: []string{theIssuer}, Audiences: []string{theAPI},
			AdminCheck: func(context.Context, *tokenauth.Claims) (bool, error) { return true, nil },
		}, Key: key, Tokens: store, Now: o.Now,
	})
	require.NoError(t, err)
	o.issuer = issuer
	server := o.sign(t, tokenauth.Claims{Subject: theAPI, ID: "server", ExpiresAt: noon.Add(time.Hour)})
	bound := tokenauth.Claims{Extra: map[string]jsonText{"cnf": jsonText(`{"jkt":"x"}`)}}
	for _, c := range []struct {
		code   string
		here   bool // the API's verifier has all checks
		claims tokenauth.Claims
	}{
		{"confirm_refused", true, bound},
		{"confirm_not_configured", false, bound},
		{"sessions_not_configured", false, tokenauth.Claims{SessionID: "s-alice"}},
		{"epochs_not_configured", false, tokenauth.Claims{SessionVersion: 1}},
		{"admin_not_configured", false, tokenauth.Claims{AdminHint: true}},
	} {
		o.config.Guard.Verifier = verifier(c.here)
		o.api, err = tokenapi.New(o.config)
		require.NoError(t, err)
		c.claims.Subject, c.claims.ID, c.claims.ExpiresAt = "alice", c.code, noon.Add(time.Hour)
		token := o.sign(t, c.claims)
		_, err := whole.Inspect(holder, token)
		require.NoError(t, err, "%s: it is good", c.code)
		got := o.form(t, server, "/introspect", "token="+token)
		assert.Equal(t, 503, got.status, "%s: %s", c.code, got.text)
		assert.Equal(t, c.code, got.code())
		_, err = store.Revoke(t.Context(), c.code, tokenauth.Revocation{At: o.Now()})
		require.NoError(t, err)
		if c.here {
			assert.Equal(t, `{"active":false}`+"\n", o.form(t, server, "/introspect", "token="+token).text, "revoked, whoever sends it")
		}
	}
}

// What is told is what the token says, under the names of RFC 7662, and all of it.
func TestIntrospectionTellsAll(t *testing.T) {
	o := newOffice(t)
	admin := o.session(t, "alice", "admin")
	token := o.sign(t, tokenauth.Claims{
		Subject: "alice", Audience: []string{theAPI}, ExpiresAt: noon.Add(time.Hour), ClientID: "cli", OAuthScopes: []string{"openid", "profile"},
		Caps: []string{"deploy"}, Extra: map[string]jsonText{"tenant": jsonText(`"t1"`), "active": jsonText(`false`)},
	})
	got := o.form(t, admin, "/introspect", "token="+token)
	require.Equal(t, 200, got.status, got.text)
	for name, want := range map[string]any{
		"active": true, "token_type": "Bearer", "iss": theIssuer, "sub": "alice", "client_id": "cli", "scope": "openid profile",
		"iat": float64(noon.Unix()), "exp": float64(noon.Add(time.Hour).Unix()), "tenant": "t1", "caps": []any{"deploy"},
	} {
		assert.Equal(t, want, got.member(name), name)
	}
	assert.Equal(t, 1, strings.Count(got.text, `"active"`), "a token does not say of itself whether it is active")
}

// X17: introspection uses no one-time token up.
func TestIntrospectionUsesNothingUp(t *testing.T) {
	o := newOffice(t)
	admin := o.session(t, "alice", "admin")
	once, err := o.foreign.Sign(t.Context(), system, &tokenauth.Claims{Subject: "x", ID: "once", ExpiresAt: noon.Add(time.Hour)})
	require.NoError(t, err)
	form := url.Values{"token": {once.Token.Reveal()}}.Encode()
	for range 2 {
		assert.Equal(t, true, o.form(t, admin, "/introspect", form).member("active"))
	}
	_, err = o.verifier.Verify(t.Context(), once.Token.Reveal())
	require.NoError(t, err)
	_, err = o.verifier.Verify(t.Context(), once.Token.Reveal())
	require.ErrorIs(t, err, tokenauth.ErrReplayed)
}
