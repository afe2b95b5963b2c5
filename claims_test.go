package tokenauth_test

import (
	"crypto/ed25519"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Numbers such as C3 name rows of the specification of claims. What is on the wire is in claims_json_test.go.

// fullClaims sets every member, each to another value, as the wire form keeps it.
func fullClaims() *tokenauth.Claims {
	return &tokenauth.Claims{
		Issuer:    "https://auth.example.com",
		Subject:   "user-47110",
		Audience:  []string{"https://api.example.com", "https://jobs.example.com"},
		ExpiresAt: time.Date(2027, 1, 15, 9, 0, 0, 0, time.UTC),
		IssuedAt:  time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC),
		NotBefore: time.Date(2027, 1, 15, 8, 0, 1, 0, time.UTC),
		ID:        "0197a9b2-7d1e-7c3a-9f00-3b5d2c1e4f60",

		Roles: []string{"developer", "auditor"},
		Scopes: []tokenauth.TokenScope{
			scopeOf("deployment", "web", write), scopeOf("job", anything, read), scopeOf("secret", "db", none),
		},
		OAuthScopes: []string{"openid", "profile"},
		Caps:        []string{"deploy", "scale"},
		AdminHint:   true,

		Email:           "dev@example.com",
		NodeID:          "node-7",
		ClientID:        "ci-runner",
		AccountType:     "human",
		ActivePPNum:     "pp-12",
		Delegator:       "user-1",
		Actor:           &tokenauth.Actor{Subject: "agent-a", Actor: &tokenauth.Actor{Subject: "agent-b"}},
		CredentialID:    "cred-3",
		Category:        "access",
		DelegationDepth: 2,

		SessionID:      "session-9",
		SessionVersion: 5,

		Extra: map[string]json.RawMessage{
			"tenant":                  json.RawMessage(`{"id":7,"tags":["a",null,true]}`),
			"https://example.com/ext": json.RawMessage(`-1.50e+3`),
		},
	}
}

func TestFullClaimsAreFull(t *testing.T) {
	full := reflect.ValueOf(*fullClaims())
	for field := range full.Type().Fields() {
		assert.False(t, full.FieldByIndex(field.Index).IsZero(),
			"%s is a member no test of this file knows: set it in fullClaims, and say on the wire what it is", field.Name)
	}
}

// holding returns claims that hold these scopes and roles.
func holding(scopes []tokenauth.TokenScope, roles ...string) *tokenauth.Claims {
	return &tokenauth.Claims{Subject: "alice", Roles: roles, Scopes: scopes}
}

func scopesOf(scopes ...tokenauth.TokenScope) []tokenauth.TokenScope { return scopes }

func TestClaimsSatisfies(t *testing.T) {
	anythingAsked := []question{
		ask("deployment", "web", read), ask("deployment", "web", write), ask("deployment", anything, write), ask("no such kind", "x", execute),
	}
	illFormed := []question{
		ask("deployment", "", read), ask("", "web", read), ask("", "", read), ask("deployment", "web", none), ask("deployment", "web", 9),
		ask("deployment", anything, none), ask("", anything, read), ask("deployment", "web", 255),
	}
	wildcard := scopeOf("deployment", anything, write)
	for _, row := range []struct {
		name   string
		claims *tokenauth.Claims
		yes    []question
		no     []question
	}{
		{"S10 an ill-formed question is no, for an admin too", holding(nil, "admin"), anythingAsked, illFormed},
		{"S10 also for an admin with a wildcard", holding(scopesOf(wildcard), "admin"), anythingAsked, illFormed},
		{"S10 and for a wildcard alone", holding(scopesOf(wildcard)), []question{ask("deployment", "web", write)}, illFormed},
		{"S11 no id and the string * grant nothing", holding(scopesOf(scopeOf("deployment", "", write), scopeOf("deployment", "*", write))), nil,
			append([]question{ask("deployment", "*", read)}, anythingAsked...)},
		{"S14 grants never combine", holding(scopesOf(scopeOf("A", "x", read), scopeOf("B", "x", write))),
			[]question{ask("A", "x", read), ask("B", "x", write), ask("B", "x", read)},
			[]question{ask("A", "x", write), ask("A", anything, read), ask("B", anything, write)}},
		{"S14 neither do two of one kind", holding(scopesOf(scopeOf("A", "x", write), scopeOf("A", anything, read))),
			[]question{ask("A", "x", write), ask("A", "y", read), ask("A", anything, read)},
			[]question{ask("A", "y", write), ask("A", anything, write)}},
		{"S15 a wildcard and an id", holding(scopesOf(scopeOf("deployment", anything, read), scopeOf("deployment", "web", write))),
			[]question{ask("deployment", "web", write), ask("deployment", "api", read)},
			[]question{ask("deployment", "api", write)}},
		{"C1 the role admin satisfies every well-formed question", holding(nil, "admin"), anythingAsked, nil},
		{"C1 also beside a narrow scope", holding(scopesOf(scopeOf("deployment", "api", read)), "admin"), anythingAsked, nil},
		{"C1 also as the last of several roles", holding(nil, "developer", "admin"), anythingAsked, nil},
		{"C2 no roles and no scopes is no", holding(nil), nil, anythingAsked},
		{"C2 the role operator without scopes is no", holding(nil, "operator"), nil, anythingAsked},
		{"C2 the roles node, write and * without scopes are no", holding(nil, "node", "write", "*"), nil, anythingAsked},
		{"C11 OAuth scopes decide nothing, even in the words of scopes",
			&tokenauth.Claims{OAuthScopes: []string{"deployment:web:write", "deployment:*:write", "admin", "*"}}, nil, anythingAsked},
		{"C12 capabilities decide nothing", &tokenauth.Claims{Caps: []string{"admin", "deployment:*:write"}}, nil, anythingAsked},
		{"C14 the claim admin decides nothing", &tokenauth.Claims{AdminHint: true}, nil, anythingAsked},
		{"the names and types of others decide nothing",
			&tokenauth.Claims{Subject: "admin", AccountType: "admin", Category: "admin", ClientID: "admin", NodeID: "admin", Delegator: "admin"}, nil, anythingAsked},
		{"nor does a member further on", &tokenauth.Claims{Extra: map[string]json.RawMessage{"role": json.RawMessage(`["admin"]`)}}, nil, anythingAsked},
		{"the zero claims may do nothing", &tokenauth.Claims{}, nil, anythingAsked},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, q := range row.yes {
				assert.True(t, row.claims.Satisfies(q.kind, q.id, q.level), "%q", q)
				assert.Regexp(t, "^yes: ", row.claims.Explain(q.kind, q.id, q.level))
			}
			for _, q := range row.no {
				assert.False(t, row.claims.Satisfies(q.kind, q.id, q.level), "%q", q)
				assert.Regexp(t, "^no: ", row.claims.Explain(q.kind, q.id, q.level))
			}
		})
	}
}

// C3: admin is one word of five letters.
func TestOnlyTheExactRoleIsAdmin(t *testing.T) {
	for _, role := range []string{
		"Admin", "ADMIN", " admin", "admin ", "adm\u0131n", "admin,x", "admin\x00", "administrator", "admi", "\u0430dmin", "admin\n", "*", "",
	} {
		c := holding(nil, role)
		assert.False(t, c.IsAdmin(), "C3: %q", role)
		assert.False(t, c.Satisfies("deployment", "web", read), "C3: %q", role)
		assert.True(t, c.HasRole(role), "%q", role)
		assert.False(t, c.HasRole("admin"), "%q", role)
	}
	assert.True(t, holding(nil, "admin").IsAdmin())
	assert.True(t, holding(nil, tokenauth.RoleAdmin).IsAdmin())
	assert.False(t, (&tokenauth.Claims{AdminHint: true}).IsAdmin(), "C14")
}

func TestNamesAreComparedExactly(t *testing.T) {
	c := &tokenauth.Claims{Roles: []string{"admin", "dev"}, Caps: []string{"deploy"}, OAuthScopes: []string{"openid"}}
	for _, row := range []struct {
		name string
		has  func(string) bool
		yes  []string
		no   []string
	}{
		{"roles; an admin has no other role", c.HasRole, []string{"admin", "dev"}, []string{"operator", "Dev", "de", "deploy", "openid", ""}},
		{"capabilities", c.HasCap, []string{"deploy"}, []string{"Deploy", "deploy ", "openid", "dev", ""}},
		{"OAuth scopes", c.HasOAuthScope, []string{"openid"}, []string{"OpenID", "open", "deploy", "dev", ""}},
	} {
		for _, name := range row.yes {
			assert.True(t, row.has(name), "%s: %q", row.name, name)
		}
		for _, name := range row.no {
			assert.False(t, row.has(name), "%s: %q", row.name, name)
		}
	}
	assert.False(t, c.IsScoped(), "OAuth scopes are no TokenScopes")
	assert.True(t, holding(scopesOf(scopeOf("a", "b", none))).IsScoped())
}

// C6, at a clock that stands between two seconds.
func TestNewClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := time.Now().UTC()
		time.Sleep(700 * time.Millisecond) // the bubble's clock moves, nobody waits

		roles := []string{"developer"}
		c := tokenauth.NewClaims("alice", time.Hour, roles, "alice@example.com")
		require.Equal(t, &tokenauth.Claims{
			Subject: "alice", IssuedAt: second, ExpiresAt: second.Add(time.Hour), Roles: []string{"developer"}, Email: "alice@example.com",
		}, c)
		require.False(t, c.IsScoped())

		scopes := scopesOf(scopeOf("deployment", "web", read))
		s := tokenauth.NewScopedClaims("alice", 90*time.Minute+999*time.Millisecond, roles, scopes, "id-1")
		require.Equal(t, &tokenauth.Claims{
			Subject: "alice", IssuedAt: second, ExpiresAt: second.Add(90 * time.Minute), Roles: []string{"developer"},
			Scopes: scopesOf(scopeOf("deployment", "web", read)), ID: "id-1",
		}, s, "C6")
		require.True(t, s.IsScoped(), "C6")

		roles[0], scopes[0].Level = "admin", write
		require.False(t, c.IsAdmin(), "the slices are copied")
		require.False(t, s.IsAdmin() || s.Satisfies("deployment", "web", write), "the slices are copied")

		time.Sleep(time.Hour - 701*time.Millisecond)
		require.False(t, c.IsExpired(), "C8: a millisecond before")
		time.Sleep(time.Millisecond)
		require.True(t, c.IsExpired(), "C8: at exp")
		require.False(t, s.IsExpired())
	})
}

func TestExpiredAt(t *testing.T) {
	exp := time.Date(2027, 1, 15, 9, 0, 0, 0, time.UTC)
	c := &tokenauth.Claims{ExpiresAt: exp}
	for _, row := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"C8 exp == now", exp, true},
		{"C8 exp == now + 1 s", exp.Add(-time.Second), false},
		{"a nanosecond before", exp.Add(-1), false},
		{"a nanosecond after", exp.Add(1), true},
		{"the same moment elsewhere", exp.In(time.FixedZone("", 3*3600)), true},
		{"long before", time.Time{}, false},
		{"long after", exp.AddDate(100, 0, 0), true},
	} {
		assert.Equal(t, row.want, c.ExpiredAt(row.now), row.name)
	}
	assert.True(t, (&tokenauth.Claims{}).IsExpired(), "the zero claims have expired")
	assert.True(t, (&tokenauth.Claims{}).ExpiredAt(time.Time{}))
}

func TestExplain(t *testing.T) {
	c := holding(scopesOf(scopeOf("job", anything, read), scopeOf("deployment", "api", write), scopeOf("deployment", "web", read)))
	for _, row := range []struct {
		name   string
		claims *tokenauth.Claims
		asked  question
		want   string
	}{
		{"ill-formed", c, ask("deployment", "", read), "no: the question is ill-formed, it must name a kind, an id and a level above none"},
		{"ill-formed, asked for an admin", holding(nil, "admin"), ask("deployment", "web", none), "no: the question is ill-formed, it must name a kind, an id and a level above none"},
		{"admin", holding(nil, "admin"), ask("deployment", "web", write), "yes: the role admin decides every scope question, so also deployment:web:write"},
		{"a scope", c, ask("deployment", "api", execute), "yes: deployment:api:write grants deployment:api:execute"},
		{"a wildcard", c, ask("job", "42", read), "yes: job:*:read grants job:42:read"},
		{"the collection", c, ask("job", anything, read), "yes: job:*:read grants job:*:read"},
		{"no scopes", holding(nil, "operator"), ask("deployment", "web", read), "no: deployment:web:read was asked, and the token has no scopes and no role admin"},
		{"a lower level", c, ask("deployment", "web", write), "no: deployment:web:write was asked, and the nearest scope, deployment:web:read, is of a lower level"},
		{"a lower level of a wildcard", c, ask("job", "42", write), "no: job:42:write was asked, and the nearest scope, job:*:read, is of a lower level"},
		{"level none is a lower level", holding(scopesOf(scopeOf("a", "b", none))), ask("a", "b", read),
			`no: a:b:read was asked, and the nearest scope, scope(kind="a" id="b" level=none), is of a lower level`},
		{"another id", c, ask("deployment", "db", read), "no: deployment:db:read was asked, and the nearest scope, deployment:api:write, is for another id"},
		{"one id is not the collection", c, ask("deployment", anything, read), "no: deployment:*:read was asked, and the nearest scope, deployment:api:write, is for another id"},
		{"another kind", c, ask("secret", "db", read), "no: secret:db:read was asked, and the token has no scope of that kind"},
		{"a question without text form", c, ask("secret", "a,b", read), `no: scope(kind="secret" id="a,b" level=read) was asked, and the token has no scope of that kind`},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, row.claims.Explain(row.asked.kind, row.asked.id, row.asked.level))
			require.Equal(t, strings.HasPrefix(row.want, "yes: "), row.claims.Satisfies(row.asked.kind, row.asked.id, row.asked.level))
		})
	}
}

// Every question of a small world: the explanation never says otherwise than the answer.
func TestExplainAgreesWithSatisfies(t *testing.T) {
	kinds, ids := []string{"a", "b", ""}, []string{"x", "y", "", "*", anything}
	levels := []tokenauth.PermissionLevel{none, read, execute, write, 7}
	var world []tokenauth.TokenScope
	for _, kind := range kinds {
		for _, id := range ids {
			for _, level := range levels {
				world = append(world, scopeOf(kind, id, level))
			}
		}
	}
	for i, s := range world {
		for _, roles := range [][]string{nil, {"admin"}} {
			c := holding(scopesOf(s, world[(7*i+3)%len(world)]), roles...)
			for _, q := range world {
				want := c.Satisfies(q.ResourceKind, q.ResourceID, q.Level)
				got := c.Explain(q.ResourceKind, q.ResourceID, q.Level)
				if strings.HasPrefix(got, "yes: ") != want || strings.HasPrefix(got, "no: ") == want {
					t.Fatalf("%v %v: %v is %t, and yet %q", c.Scopes, roles, q, want, got)
				}
			}
		}
	}
}

func TestClone(t *testing.T) {
	c := fullClaims()
	d := c.Clone()
	require.Equal(t, c, d)
	if shared := sharedMemory(reflect.ValueOf(c), reflect.ValueOf(d), "Claims"); shared != "" {
		t.Errorf("%s is the same memory in both", shared)
	}
	require.Empty(t, sharedMemory(reflect.ValueOf(c), reflect.ValueOf(fullClaims()), "Claims"))
	require.NotEmpty(t, sharedMemory(reflect.ValueOf(c), reflect.ValueOf(&tokenauth.Claims{Actor: c.Actor}), "Claims"), "the test itself sees sharing")

	require.Nil(t, (*tokenauth.Claims)(nil).Clone())
	require.Equal(t, &tokenauth.Claims{}, (&tokenauth.Claims{}).Clone())
}

// A copy may have its lists behind one another: what is appended to one of them gets into no other.
func TestListsOfACloneDoNotGrowIntoEachOther(t *testing.T) {
	for _, entries := range []int{0, 1, 2, 5, 300} {
		c := fullClaims()
		for _, list := range []*[]string{&c.Audience, &c.Roles, &c.OAuthScopes, &c.Caps} {
			*list = slices.Repeat([]string{"x"}, entries)
		}
		c.Scopes = slices.Repeat(c.Scopes[:1], entries)
		d := c.Clone()
		require.Equal(t, c, d)
		require.Empty(t, sharedMemory(reflect.ValueOf(c), reflect.ValueOf(d), "Claims"))
		for _, list := range []*[]string{&d.Audience, &d.Roles, &d.OAuthScopes, &d.Caps} {
			*list = append(*list, "more")
		}
		d.Scopes = append(d.Scopes, tokenauth.TokenScope{ResourceKind: "more"})
		for _, list := range [][]string{d.Audience, d.Roles, d.OAuthScopes, d.Caps} {
			require.Equal(t, append(slices.Repeat([]string{"x"}, entries), "more"), list)
		}
		require.Equal(t, c.Scopes, d.Scopes[:entries])
	}
}

// sharedMemory names what two values of one type both point to, or returns "".
func sharedMemory(a, b reflect.Value, name string) string {
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() || a.Type() == reflect.TypeFor[*time.Location]() {
			return ""
		}
		if a.Pointer() == b.Pointer() {
			return name
		}
		return sharedMemory(a.Elem(), b.Elem(), name)
	case reflect.Struct:
		for i := range a.NumField() {
			if shared := sharedMemory(a.Field(i), b.Field(i), name+"."+a.Type().Field(i).Name); shared != "" {
				return shared
			}
		}
	case reflect.Slice:
		if a.Len() > 0 && b.Len() > 0 && a.Pointer() == b.Pointer() {
			return name
		}
		for i := range min(a.Len(), b.Len()) {
			if shared := sharedMemory(a.Index(i), b.Index(i), name+"[]"); shared != "" {
				return shared
			}
		}
	case reflect.Map:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			return name
		}
		for _, key := range a.MapKeys() {
			if value := b.MapIndex(key); value.IsValid() {
				if shared := sharedMemory(a.MapIndex(key), value, name+"."+key.String()); shared != "" {
					return shared
				}
			}
		}
	}
	return ""
}

func TestExtra(t *testing.T) {
	var c tokenauth.Claims
	type tenant struct {
		ID   int
		Tags []string
	}
	require.NoError(t, c.SetExtra("tenant", tenant{7, []string{"a"}}))
	require.NoError(t, c.SetExtra("https://example.com/ext", nil))
	require.Equal(t, map[string]json.RawMessage{
		"tenant": json.RawMessage(`{"ID":7,"Tags":["a"]}`), "https://example.com/ext": json.RawMessage(`null`),
	}, c.Extra)

	var got tenant
	found, err := c.GetExtra("tenant", &got)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, tenant{7, []string{"a"}}, got)

	found, err = c.GetExtra("Tenant", &got)
	require.NoError(t, err)
	require.False(t, found, "names are exact")
	require.Equal(t, tenant{7, []string{"a"}}, got, "what is not there changes nothing")
	found, err = (&tokenauth.Claims{}).GetExtra("tenant", &got)
	require.NoError(t, err)
	require.False(t, found)

	require.NoError(t, c.SetExtra("tenant", 8))
	require.JSONEq(t, `8`, string(c.Extra["tenant"]))
}

// What encoding/json says about a value it cannot use may quote it, so that it is a cause and no text.
func TestGetExtraErrorHoldsNoValue(t *testing.T) {
	c := tokenauth.Claims{Extra: map[string]json.RawMessage{
		"born": json.RawMessage(`"canary"`), "number": json.RawMessage(`47110`), "list": json.RawMessage(`["canary"]`),
	}}
	for name, into := range map[string]any{"born": new(time.Time), "number": new(int8), "list": new(string)} {
		found, err := c.GetExtra(name, into)
		require.True(t, found)
		require.ErrorIs(t, err, tokenauth.ErrClaims, name)
		require.NotContains(t, err.Error(), "canary")
		require.NotContains(t, err.Error(), "47110")
	}
	_, err := c.GetExtra("number", new(int8))
	var cause *json.UnmarshalTypeError
	require.ErrorAs(t, err, &cause)
	require.Equal(t, "number 47110", cause.Value)
}

func TestSetExtraRefuses(t *testing.T) {
	for _, row := range []struct {
		name, member string
		value        any
	}{
		{"C7b a member of ours", "scopes", []string{"x"}},
		{"C7b in other letters", "Scopes", 1},
		{"C7b with a long s", "\u017fcopes", 1},
		{"C7b a quote", `a"b`, 1},
		{"no name", "", 1},
		{"a value that is no JSON", "x", math.NaN()},
		{"a value that cannot be written", "x", func() {}},
		{"a member twice", "x", json.RawMessage(`{"a":1,"a":2}`)},
		{"two values", "x", json.RawMessage(`1,"roles":["admin"]`)},
		{"a lone surrogate", "x", json.RawMessage(`"\ud800"`)},
		{"32 lists inside each other", "x", json.RawMessage(strings.Repeat("[", 32) + strings.Repeat("]", 32))},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := tokenauth.Claims{Extra: map[string]json.RawMessage{"kept": json.RawMessage("1")}}
			require.ErrorIs(t, c.SetExtra(row.member, row.value), tokenauth.ErrInvalidRequest)
			require.Equal(t, map[string]json.RawMessage{"kept": json.RawMessage("1")}, c.Extra)
		})
	}
	var empty tokenauth.Claims
	require.Error(t, empty.SetExtra("sub", "x"))
	require.Nil(t, empty.Extra)
}

// Claims go through golang-jwt's own signer and parser unchanged.
func TestClaimsWithGolangJWT(t *testing.T) {
	during := jwt.WithTimeFunc(func() time.Time { return fullClaims().IssuedAt.Add(time.Minute) })
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	secret := []byte("a secret of thirty-two bytes, abc")
	for _, row := range []struct {
		name   string
		method jwt.SigningMethod
		sign   any
		verify any
	}{
		{"HS256", jwt.SigningMethodHS256, secret, secret},
		{"EdDSA", jwt.SigningMethodEdDSA, private, public},
	} {
		t.Run(row.name, func(t *testing.T) {
			text, err := jwt.NewWithClaims(row.method, fullClaims()).SignedString(row.sign)
			require.NoError(t, err)
			var got tokenauth.Claims
			token, err := jwt.ParseWithClaims(text, &got, func(*jwt.Token) (any, error) { return row.verify, nil }, during,
				jwt.WithValidMethods([]string{row.method.Alg()}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
				jwt.WithIssuer("https://auth.example.com"), jwt.WithAudience("https://jobs.example.com"), jwt.WithSubject("user-47110"))
			require.NoError(t, err)
			require.True(t, token.Valid)
			require.Equal(t, fullClaims(), &got)
		})
	}
}

func TestGolangJWTJudgesClaims(t *testing.T) {
	exp := fullClaims().ExpiresAt
	at := func(now time.Time, options ...jwt.ParserOption) *jwt.Validator {
		return jwt.NewValidator(append(options, jwt.WithTimeFunc(func() time.Time { return now }))...)
	}
	require.NoError(t, at(exp.Add(-time.Second)).Validate(fullClaims()))
	require.ErrorIs(t, at(exp).Validate(fullClaims()), jwt.ErrTokenExpired, "C8: the same rule")
	require.ErrorIs(t, at(fullClaims().NotBefore.Add(-time.Second)).Validate(fullClaims()), jwt.ErrTokenNotValidYet)
	require.ErrorIs(t, at(fullClaims().IssuedAt.Add(-time.Second), jwt.WithIssuedAt()).Validate(fullClaims()), jwt.ErrTokenUsedBeforeIssued)
	require.ErrorIs(t, at(exp.Add(-time.Second), jwt.WithAudience("other")).Validate(fullClaims()), jwt.ErrTokenInvalidAudience)
	require.ErrorIs(t, at(exp.Add(-time.Second), jwt.WithIssuer("other")).Validate(fullClaims()), jwt.ErrTokenInvalidIssuer)
	require.ErrorIs(t, at(exp.Add(-time.Second), jwt.WithSubject("other")).Validate(fullClaims()), jwt.ErrTokenInvalidSubject)

	// To golang-jwt no exp means never. Here it means long ago, and the options need not be right for that.
	forever := fullClaims()
	forever.ExpiresAt = time.Time{}
	require.ErrorIs(t, jwt.NewValidator().Validate(forever), jwt.ErrTokenExpired)
	require.ErrorIs(t, jwt.NewValidator().Validate(&tokenauth.Claims{}), jwt.ErrTokenExpired)

	// Members that are not set are absent to it.
	unset := &tokenauth.Claims{ExpiresAt: exp}
	for _, get := range []func() (*jwt.NumericDate, error){unset.GetIssuedAt, unset.GetNotBefore} {
		date, err := get()
		require.NoError(t, err)
		require.Nil(t, date)
	}
	require.NoError(t, at(exp.Add(-time.Second)).Validate(unset))
}

// C7c: tokens of others that lack what must be there do not get through golang-jwt's parser either.
func TestGolangJWTParserRefusesWhatUnmarshalJSONRefuses(t *testing.T) {
	secret := []byte("a secret of thirty-two bytes, abc")
	now := time.Now().Unix()
	for name, members := range map[string]jwt.MapClaims{
		"no exp":      {"iss": "i", "sub": "s", "iat": now},
		"exp as text": {"iss": "i", "sub": "s", "iat": now, "exp": "9999999999"},
		"no sub":      {"iss": "i", "iat": now, "exp": now + 60},
		"SUB":         {"iss": "i", "sub": "s", "SUB": "t", "iat": now, "exp": now + 60},
	} {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, members).SignedString(secret)
		require.NoError(t, err)
		_, err = jwt.ParseWithClaims(text, &tokenauth.Claims{}, func(*jwt.Token) (any, error) { return secret, nil })
		require.ErrorIs(t, err, jwt.ErrTokenMalformed, name)
		require.ErrorIs(t, err, tokenauth.ErrClaims, name)
	}
	_, err := jwt.NewWithClaims(jwt.SigningMethodHS256, &tokenauth.Claims{Subject: "s"}).SignedString(secret)
	require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, "nor does its signer sign what the reader would refuse")
}
