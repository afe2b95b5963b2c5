package tokenauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A Principal is a proven caller or nobody. There is no third: what no verifier made may do nothing, whatever it is asked.

// nobodies are the principals that no verifier made.
func nobodies() map[string]*tokenauth.Principal {
	return map[string]*tokenauth.Principal{"nil": nil, "zero": {}}
}

// nobody says what each method answers for nobody. A new method fails until it is here.
var nobody = map[string]func(t *testing.T, p *tokenauth.Principal){
	"Subject":   func(t *testing.T, p *tokenauth.Principal) { require.Empty(t, p.Subject()) },
	"TokenID":   func(t *testing.T, p *tokenauth.Principal) { require.Empty(t, p.TokenID()) },
	"SessionID": func(t *testing.T, p *tokenauth.Principal) { require.Empty(t, p.SessionID()) },
	"ExpiresAt": func(t *testing.T, p *tokenauth.Principal) { require.Zero(t, p.ExpiresAt()) },
	"Claims":    func(t *testing.T, p *tokenauth.Principal) { require.Nil(t, p.Claims()) },
	"HasRole": func(t *testing.T, p *tokenauth.Principal) {
		require.False(t, p.HasRole(""))
		require.False(t, p.HasRole("admin"))
	},
	"HasCap":        func(t *testing.T, p *tokenauth.Principal) { require.False(t, p.HasCap("")) },
	"HasOAuthScope": func(t *testing.T, p *tokenauth.Principal) { require.False(t, p.HasOAuthScope("")) },
	"IsAdmin":       func(t *testing.T, p *tokenauth.Principal) { require.False(t, p.IsAdmin()) },
	"Satisfies": func(t *testing.T, p *tokenauth.Principal) {
		require.False(t, p.Satisfies("deployment", "web", tokenauth.LevelRead))
		require.False(t, p.Satisfies("", "", tokenauth.LevelNone))
	},
	"Explain": func(t *testing.T, p *tokenauth.Principal) {
		require.Equal(t, "no: nobody may do anything", p.Explain("deployment", "web", tokenauth.LevelRead))
	},
	"Require": func(t *testing.T, p *tokenauth.Principal) {
		requireError(t, p.Require("deployment", "web", tokenauth.LevelRead), tokenauth.ErrMissingToken, "token_missing")
		requireError(t, p.Require("", "", tokenauth.LevelNone), tokenauth.ErrMissingToken, "token_missing")
	},
	"RequireRole": func(t *testing.T, p *tokenauth.Principal) {
		requireError(t, p.RequireRole(), tokenauth.ErrMissingToken, "token_missing")
		requireError(t, p.RequireRole("admin"), tokenauth.ErrMissingToken, "token_missing")
	},
	"RequireOAuthScope": func(t *testing.T, p *tokenauth.Principal) {
		requireError(t, p.RequireOAuthScope("openid"), tokenauth.ErrMissingToken, "token_missing")
	},
	"String":   func(t *testing.T, p *tokenauth.Principal) { require.Equal(t, "nobody", p.String()) },
	"LogValue": func(t *testing.T, p *tokenauth.Principal) { require.Equal(t, "nobody", p.LogValue().String()) },
}

func TestNobodyMayDoNothing(t *testing.T) {
	for method := range reflect.TypeFor[*tokenauth.Principal]().Methods() {
		check, ok := nobody[method.Name]
		require.True(t, ok, "what does %s answer for nobody?", method.Name)
		for name, p := range nobodies() {
			t.Run(method.Name+" of "+name, func(t *testing.T) { check(t, p) })
		}
	}
}

// everything is what a token can say, but for scopes as strings.
func everything() object {
	return payload().with(object{
		"aud": []string{"api", "web"}, "nbf": at(-60), "roles": []string{"operator", "Admin"}, "caps": []string{"run"}, "scope": "openid profile",
		"scopes": []object{{"resource_kind": "deployment", "resource_id": "web", "level": "execute"}},
		"email":  "alice@example.com", "node_id": "n-7", "client_id": "cli", "cat": "access", "account_type": "human",
		"active_ppnum": "pp-1", "delegator": "bob", "dlg_depth": 1, "act": object{"sub": "agent", "act": object{"sub": "robot"}},
		"cid": "cred-1", "sid": "sid-1", "sv": 3, "admin": true, "tenant": raw(`{"id":[1,2]}`),
	})
}

// principalOf returns the principal of a payload, at a verifier that takes everything.
func principalOf(t *testing.T, claims object) *tokenauth.Principal {
	t.Helper()
	f, w := newForge("HS256", "k1", ""), &witness{}
	cfg := w.everywhere(configOf(f))
	cfg.OneTime = nil // which would want a jti
	p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(claims))
	requireAccepted(t, p, err)
	return p
}

func TestPrincipalSaysWhatTheTokenSays(t *testing.T) {
	p := principalOf(t, everything())
	require.Equal(t, "alice", p.Subject())
	require.Equal(t, "id-1", p.TokenID())
	require.Equal(t, "sid-1", p.SessionID())
	require.Equal(t, noon.Add(time.Hour), p.ExpiresAt())
	require.True(t, p.HasRole("operator"))
	require.False(t, p.HasRole("Operator"))
	require.True(t, p.HasCap("run"))
	require.False(t, p.HasCap("stop"))
	require.True(t, p.HasOAuthScope("profile"))
	require.False(t, p.HasOAuthScope("openid profile"))
	require.False(t, p.IsAdmin(), "C3, C14: neither Admin nor the hint is the role")
	require.True(t, p.Satisfies("deployment", "web", tokenauth.LevelExecute))
	require.False(t, p.Satisfies("deployment", "web", tokenauth.LevelWrite))
	require.Contains(t, p.Explain("deployment", "web", tokenauth.LevelWrite), "no: ")
	require.Contains(t, p.Explain("deployment", "web", tokenauth.LevelRead), "yes: ")

	text, err := json.Marshal(p.Claims())
	require.NoError(t, err)
	require.JSONEq(t, everything().String(), string(text), "every member is kept")
}

func TestRequire(t *testing.T) {
	p, admin := principalOf(t, everything()), principalOf(t, payload().with(object{"roles": []string{"admin"}}))
	for _, row := range []struct {
		name string
		err  error
		code string
	}{
		{"a scope that grants it", p.Require("deployment", "web", tokenauth.LevelRead), "ok"},
		{"none that grants it", p.Require("deployment", "web", tokenauth.LevelWrite), "scope_insufficient"},
		{"admin", admin.Require("deployment", "web", tokenauth.LevelWrite), "ok"},
		{"S10: no id, admin", admin.Require("deployment", "", tokenauth.LevelRead), "question_ill_formed"},
		{"S10: no kind, admin", admin.Require("", "web", tokenauth.LevelRead), "question_ill_formed"},
		{"S10: level 9, admin", admin.Require("deployment", "web", 9), "question_ill_formed"},
		{"S12: level none", p.Require("deployment", "web", tokenauth.LevelNone), "question_ill_formed"},
		{"a role that is held", p.RequireRole("operator"), "ok"},
		{"one of two roles", p.RequireRole("node", "operator"), "ok"},
		{"a role in other letters", p.RequireRole("OPERATOR"), "role_missing"},
		{"no role at all", p.RequireRole(), "role_missing"},
		{"admin is no other role", admin.RequireRole("operator"), "role_missing"},
		{"admin is admin", admin.RequireRole("admin"), "ok"},
		{"an OAuth scope that is held", p.RequireOAuthScope("openid"), "ok"},
		{"an OAuth scope that is not", p.RequireOAuthScope("email"), "oauth_scope_missing"},
		{"an admin needs it too", admin.RequireOAuthScope("openid"), "oauth_scope_missing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.code, codeOf(row.err))
			if row.err != nil {
				requireError(t, row.err, tokenauth.ErrForbidden, row.code)
			}
		})
	}
}

// scramble changes everything that can be reached from v, as a caller might who takes a copy for its own.
func scramble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scramble(v.Elem())
		}
	case reflect.Struct:
		if v.CanSet() && v.Type() == reflect.TypeFor[time.Time]() {
			v.SetZero()
			return
		}
		for i := range v.NumField() {
			scramble(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
		}
		if v.CanSet() {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			scramble(it.Value())
		}
		v.SetMapIndex(reflect.ValueOf("more"), reflect.Zero(v.Type().Elem()))
	case reflect.String:
		v.SetString("mallory")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8:
		v.SetUint(v.Uint() ^ 1)
	}
}

func TestClaimsOfAPrincipalAreACopy(t *testing.T) {
	p := principalOf(t, everything())
	before, taken := p.Claims(), p.Claims()
	for field := range reflect.TypeFor[tokenauth.Claims]().Fields() {
		require.False(t, reflect.ValueOf(*taken).FieldByIndex(field.Index).IsZero(), "%s: what is empty proves nothing here", field.Name)
	}
	scramble(reflect.ValueOf(taken))
	for field := range reflect.TypeFor[tokenauth.Claims]().Fields() {
		require.NotEqual(t, reflect.ValueOf(*before).FieldByIndex(field.Index).Interface(), reflect.ValueOf(*taken).FieldByIndex(field.Index).Interface(), field.Name)
	}
	require.Equal(t, before, p.Claims())
	require.Equal(t, "alice", p.Subject())
	require.True(t, p.HasRole("operator"))
}

// The accessors are asked in each handler, so they copy nothing.
func TestAccessorsCopyNothing(t *testing.T) {
	p := principalOf(t, everything())
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _, _, _ = p.Subject(), p.TokenID(), p.SessionID(), p.ExpiresAt()
		_, _, _, _ = p.HasRole("operator"), p.HasCap("run"), p.HasOAuthScope("openid"), p.IsAdmin()
		_ = p.Satisfies("deployment", "web", tokenauth.LevelWrite)
		_ = p.Require("deployment", "web", tokenauth.LevelWrite)
	}))
}

func TestContextCarriesThePrincipal(t *testing.T) {
	p := principalOf(t, payload())
	ctx := tokenauth.WithPrincipal(t.Context(), p)
	require.Same(t, p, tokenauth.PrincipalFrom(ctx))
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	require.Same(t, p, tokenauth.PrincipalFrom(inner))

	require.Nil(t, tokenauth.PrincipalFrom(t.Context()), "nobody")
	require.Nil(t, tokenauth.PrincipalFrom(tokenauth.WithPrincipal(ctx, nil)), "whoever was there is taken away")
	require.ErrorIs(t, tokenauth.PrincipalFrom(t.Context()).Require("deployment", "web", tokenauth.LevelRead), tokenauth.ErrMissingToken)
}

// A principal is logged often, and its e-mail address is nobody's business there.
func TestPrincipalPrintsSubjectAndID(t *testing.T) {
	p := principalOf(t, everything())
	require.Equal(t, "alice (id-1)", p.String())
	for _, verb := range []string{"%v", "%+v", "%s"} {
		require.Equal(t, "alice (id-1)", fmt.Sprintf(verb, p), verb)
	}
	require.Equal(t, `"alice (id-1)"`, fmt.Sprintf("%q", p))
	require.Equal(t, "alice (no jti)", principalOf(t, payload().with(object{"jti": gone{}})).String())
	require.Equal(t, `"a\nb" (id-1)`, principalOf(t, payload().with(object{"sub": "a\nb"})).String(), "it breaks no line of a log")

	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("call", "by", p)
	require.Contains(t, out.String(), "by.subject=alice by.token_id=id-1")
	slog.New(slog.NewJSONHandler(&out, nil)).Info("call", "by", p)
	require.Contains(t, out.String(), `"by":{"subject":"alice","token_id":"id-1"}`)
	encoded, err := json.Marshal(p) //nolint:staticcheck // SA9005: that nothing comes out is what is tested
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(encoded))
	for _, text := range []string{out.String(), string(encoded)} {
		require.NotContains(t, text, "example.com")
	}
}
