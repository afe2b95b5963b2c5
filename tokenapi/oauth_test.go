package tokenapi_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
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
		{"no token at all", "token=garbage", 200, ""},
		{"a bad signature", "token=" + stateless[:len(stateless)-4] + "AAAA", 200, ""},
		{"without jti", "token=" + stateless, 400, "unsupported_token_type"},
		{"of another issuer", "token=" + foreign.Token.Reveal(), 400, "unsupported_token_type"},
		{"it counts later", "token=" + later, 400, "unsupported_token_type"},
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
	assert.False(t, o.lives(t, parent.token))
	assert.True(t, o.lives(t, stateless))
	got := o.form(t, "", "/revoke?token="+parent.token, "token="+parent.token)
	assert.Equal(t, "invalid_request", got.code(), "a token in the query")

	record, err := o.shop.Get(t.Context(), parent.id)
	require.NoError(t, err)
	assert.Equal(t, "token:"+parent.id, record.RevokedBy)
}

// An outage is told, and then nothing is dead.
func TestRevokeHeldInAnOutage(t *testing.T) {
	for _, method := range []string{"IsRevoked", "Get", "Revoke"} {
		o := newOffice(t)
		ci := o.issue(t, "", request("ci"), "deployment:web:read")
		o.shop.in(down, method)
		assert.Equal(t, 503, o.form(t, "", "/revoke", "token="+ci.token).status, method)
		o.shop.in(nil, method)
		assert.True(t, o.lives(t, ci.token), method)
	}
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
