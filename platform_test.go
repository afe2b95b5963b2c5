package tokenauth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// Two token systems were there before this package, and it has to read what they write: not what it would write itself, but their
// bytes, in their order and with their nulls. So the tokens in the first half are texts, signed by the primitives of the standard
// library, and each of them says which Claims it is.
//
// The second half mints with the profile of one of them and keeps everything in a memstore: sessions, epochs, one-time use,
// delegation and the admin check are met from end to end.

// A wire is one token as another system wrote it.
type wire struct {
	name            string
	header, payload string
	want            tokenauth.Claims
}

// The dates of all of them: 2031-03-14, an hour before and after noon.
var (
	wireIssued  = time.Date(2031, time.March, 14, 11, 0, 0, 0, time.UTC) // 1931252400
	wireExpires = time.Date(2031, time.March, 14, 13, 0, 0, 0, time.UTC) // 1931259600
)

// orchestratorWires are HS256, without kid and aud. Its encoder writes null for an e-mail and a node it does not know, or leaves them
// out, and null or nothing for the id of a scope that is for all of a kind.
var orchestratorWires = []wire{
	{
		name:   "a person, nulls written",
		header: `{"alg":"HS256","typ":"JWT"}`,
		payload: `{"sub":"7d3f0a52-61c9-4c27-b7d4-0f3f1f0a9c11","exp":1931259600,"iat":1931252400,"iss":"orchestrator",` +
			`"roles":["admin","operator"],"email":"alice@example.com","node_id":null,"scopes":[],"jti":null}`,
		want: tokenauth.Claims{
			Issuer: "orchestrator", Subject: "7d3f0a52-61c9-4c27-b7d4-0f3f1f0a9c11", ExpiresAt: wireExpires, IssuedAt: wireIssued,
			Roles: []string{"admin", "operator"}, Email: "alice@example.com",
		},
	},
	{
		name:   "a node, what is not set left out",
		header: `{"typ":"JWT","alg":"HS256"}`,
		payload: `{"sub":"node:edge-7","exp":1931259600,"iat":1931252400,"iss":"orchestrator","roles":["node"],` +
			`"node_id":"edge-7","scopes":[]}`,
		want: tokenauth.Claims{
			Issuer: "orchestrator", Subject: "node:edge-7", ExpiresAt: wireExpires, IssuedAt: wireIssued,
			Roles: []string{"node"}, NodeID: "edge-7",
		},
	},
	{
		name:   "an API token with scopes",
		header: `{"alg":"HS256","typ":"JWT"}`,
		payload: `{"sub":"token:01890a5d-ac96-774b-bcce-b302099a8057","exp":1931259600,"iat":1931252400,"iss":"orchestrator","roles":[],` +
			`"email":null,"node_id":null,"scopes":[{"resource_kind":"deployment","resource_id":"web","level":"write"},` +
			`{"resource_kind":"secret","resource_id":null,"level":"read"},{"resource_kind":"node","level":"execute"}],` +
			`"jti":"01890a5d-ac96-774b-bcce-b302099a8057"}`,
		want: tokenauth.Claims{
			Issuer: "orchestrator", Subject: "token:01890a5d-ac96-774b-bcce-b302099a8057", ExpiresAt: wireExpires, IssuedAt: wireIssued,
			ID: "01890a5d-ac96-774b-bcce-b302099a8057",
			Scopes: []tokenauth.TokenScope{
				{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelWrite},
				{ResourceKind: "secret", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelRead},
				{ResourceKind: "node", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelExecute},
			},
		},
	},
	{
		name:   "a container, members spaced and in another order",
		header: `{ "alg": "HS256", "typ": "JWT" }`,
		payload: `{ "iss": "orchestrator", "jti": "c-1", "scopes": [ { "level": "read", "resource_id": "web", "resource_kind": "deployment" } ],` + "\n" +
			` "roles": [], "iat": 1931252400, "exp": 1.9312596e9, "sub": "container:web:api:c0ffee" }`,
		want: tokenauth.Claims{
			Issuer: "orchestrator", Subject: "container:web:api:c0ffee", ExpiresAt: wireExpires, IssuedAt: wireIssued, ID: "c-1",
			Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}},
		},
	},
}

// platformWires are EdDSA with a kid, after RFC 9068.
var platformWires = []wire{
	{
		name:   "the least there is",
		header: `{"typ":"at+jwt","alg":"EdDSA","kid":"2031-03"}`,
		payload: `{"iss":"https://auth.example","sub":"usr_1","aud":"https://api.example","exp":1931259600,"iat":1931252400,` +
			`"jti":"tok_1","client_id":"web"}`,
		want: tokenauth.Claims{
			Issuer: "https://auth.example", Subject: "usr_1", Audience: []string{"https://api.example"},
			ExpiresAt: wireExpires, IssuedAt: wireIssued, ID: "tok_1", ClientID: "web",
		},
	},
	{
		name:   "a person who has logged in, scopes as a list",
		header: `{"alg":"EdDSA","kid":"2031-03","typ":"at+jwt"}`,
		payload: `{"iss":"https://auth.example","sub":"usr_1","aud":["https://api.example","https://files.example"],"exp":1931259600,` +
			`"iat":1931252400,"nbf":1931252401,"jti":"tok_2","client_id":"web","cat":"access","account_type":"human","caps":["run","stop"],` +
			`"scopes":["openid","profile"],"admin":true,"active_ppnum":"9004","delegator":null,"act":null,"cid":null,` +
			`"sid":"ses_1","sv":3}`,
		want: tokenauth.Claims{
			Issuer: "https://auth.example", Subject: "usr_1", Audience: []string{"https://api.example", "https://files.example"},
			ExpiresAt: wireExpires, IssuedAt: wireIssued, NotBefore: wireIssued.Add(time.Second), ID: "tok_2", ClientID: "web",
			Category: "access", AccountType: "human", Caps: []string{"run", "stop"}, OAuthScopes: []string{"openid", "profile"},
			AdminHint: true, ActivePPNum: "9004", SessionID: "ses_1", SessionVersion: 3,
		},
	},
	{
		name:   "an agent that was lent something, scope as one text, the long typ",
		header: `{"alg":"EdDSA","typ":"application/at+jwt","kid":"2031-03"}`,
		payload: `{"jti":"tok_3","sub":"usr_1","iss":"https://auth.example","aud":["https://api.example"],"iat":1931252400,"exp":1931259600,` +
			`"client_id":"agent","scope":"files:read files:list","admin":false,"caps":[],"account_type":"ai_agent","active_ppnum":null,` +
			`"delegator":"usr_1","dlg_depth":2,"act":{"sub":"agt_2","act":{"sub":"agt_1"}},"cid":"crd_7","acr":{"level":2,"via":["otp"]}}`,
		want: tokenauth.Claims{
			Issuer: "https://auth.example", Subject: "usr_1", Audience: []string{"https://api.example"},
			ExpiresAt: wireExpires, IssuedAt: wireIssued, ID: "tok_3", ClientID: "agent", AccountType: "ai_agent",
			OAuthScopes: []string{"files:read", "files:list"}, Delegator: "usr_1", DelegationDepth: 2, CredentialID: "crd_7",
			Actor: &tokenauth.Actor{Subject: "agt_2", Actor: &tokenauth.Actor{Subject: "agt_1"}},
			Extra: map[string]json.RawMessage{"acr": json.RawMessage(`{"level":2,"via":["otp"]}`)},
		},
	},
	{
		name:   "a program, for 24 h",
		header: `{"kid":"2031-03","alg":"EdDSA","typ":"at+jwt"}`,
		payload: `{"account_type":"programmable","active_ppnum":null,"admin":false,"aud":"https://api.example","caps":["deploy"],` +
			`"cat":"access","cid":"crd_8","client_id":"ci","dlg_depth":0,"exp":1931338800,"iat":1931252400,"iss":"https://auth.example",` +
			`"jti":"tok_4","nbf":1931252400,"scopes":[],"sub":"svc_4","sv":0}`,
		want: tokenauth.Claims{
			Issuer: "https://auth.example", Subject: "svc_4", Audience: []string{"https://api.example"},
			ExpiresAt: wireIssued.Add(24 * time.Hour), IssuedAt: wireIssued, NotBefore: wireIssued, ID: "tok_4", ClientID: "ci",
			Category: "access", AccountType: "programmable", Caps: []string{"deploy"}, CredentialID: "crd_8",
		},
	},
}

// wireSecret and wirePrivate are the two systems' keys.
var (
	wireSecret  = []byte("the orchestrator's one secret, older than any kid")
	wirePrivate = ed25519.NewKeyFromSeed([]byte("the platform's key of March 2031"))
)

// signHS256 and signEdDSA are all there is to making a token (RFC 7515, appendix A).
func signHS256(header, payload string) string {
	input := segment(header) + "." + segment(payload)
	mac := hmac.New(sha256.New, wireSecret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func signEdDSA(header, payload string) string {
	input := segment(header) + "." + segment(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(wirePrivate, []byte(input)))
}

// wireConfig is a verifier of everything these tokens carry, for tokens of one key. The stores say yes.
func wireConfig(t *testing.T, p tokenauth.Profile, kid, alg string, key any) tokenauth.VerifierConfig {
	t.Helper()
	verifying, err := tokenauth.NewKey(kid, alg, key)
	require.NoError(t, err)
	yes := &witness{}
	return tokenauth.VerifierConfig{
		Profile: p, Keys: verifying, Revocation: yes, Sessions: yes, Epochs: yes,
		Now: func() time.Time { return noon },
	}
}

// orchestratorWireConfig and platformWireConfig are the right configurations of the two.
func orchestratorWireConfig(t *testing.T) tokenauth.VerifierConfig {
	t.Helper()
	return wireConfig(t, orchestrator(), "", "HS256", wireSecret)
}

func platformWireConfig(t *testing.T) tokenauth.VerifierConfig {
	t.Helper()
	cfg := wireConfig(t, tokenauth.RFC9068("https://auth.example", "https://api.example"), "2031-03", "EdDSA", wirePrivate.Public())
	cfg.AccountTypes = []string{"human", "ai_agent", "programmable"}
	cfg.KnownClaims = []string{"acr"}
	cfg.AdminCheck = func(_ context.Context, c *tokenauth.Claims) (bool, error) { return c.ActivePPNum == "9004", nil }
	return cfg
}

func TestX2OrchestratorTokensAsItWritesThem(t *testing.T) {
	v := newVerifier(t, orchestratorWireConfig(t))
	for _, row := range orchestratorWires {
		t.Run(row.name, func(t *testing.T) {
			p, err := v.Verify(t.Context(), signHS256(row.header, row.payload))
			requireAccepted(t, p, err)
			requireClaims(t, &row.want, p.Claims())
		})
	}
}

func TestX3PlatformTokensAsItWritesThem(t *testing.T) {
	v := newVerifier(t, platformWireConfig(t))
	for _, row := range platformWires {
		t.Run(row.name, func(t *testing.T) {
			p, err := v.Verify(t.Context(), signEdDSA(row.header, row.payload))
			requireAccepted(t, p, err)
			requireClaims(t, &row.want, p.Claims())
		})
	}
}

// requireClaims compares two Claims field by field, so that a failure names the field. A list that is empty is as good as none.
func requireClaims(t *testing.T, want, got *tokenauth.Claims) {
	t.Helper()
	w, g := reflect.ValueOf(*want), reflect.ValueOf(*got)
	for field := range w.Type().Fields() {
		a, b := w.FieldByIndex(field.Index), g.FieldByIndex(field.Index)
		if field.Type.Kind() == reflect.Slice && a.Len() == 0 {
			require.Zero(t, b.Len(), field.Name)
			continue
		}
		require.Equal(t, a.Interface(), b.Interface(), field.Name)
	}
}

// A member that none of the fixtures sets is compared nowhere.
func TestWiresSetEveryField(t *testing.T) {
	for field := range reflect.TypeFor[tokenauth.Claims]().Fields() {
		set := false
		for _, row := range slices.Concat(orchestratorWires, platformWires) {
			set = set || !reflect.ValueOf(row.want).FieldByIndex(field.Index).IsZero()
		}
		require.True(t, set, "%s: no fixture has it, so that nobody knows whether it is kept", field.Name)
	}
}

// Each system's tokens are refused wherever they were not configured: by the strict default, and by the other's rules, both with
// the right key in hand, so that it is the rules which refuse.
func TestX2EachSystemsTokensAreRefusedElsewhere(t *testing.T) {
	hs256 := func(p tokenauth.Profile) tokenauth.VerifierConfig { return wireConfig(t, p, "", "HS256", wireSecret) }
	eddsa := func(p tokenauth.Profile) tokenauth.VerifierConfig {
		return wireConfig(t, p, "2031-03", "EdDSA", wirePrivate.Public())
	}
	withoutStances := func(cfg tokenauth.VerifierConfig) tokenauth.VerifierConfig {
		cfg.Sessions, cfg.Epochs = nil, nil
		return cfg
	}
	plain := func(issuer string) tokenauth.Profile {
		return tokenauth.Profile{Issuers: []string{issuer}, Audiences: []string{"https://api.example"}}
	}
	untyped := plain("orchestrator")
	untyped.Audiences, untyped.NoAudience = nil, true
	orchestratorEdDSA := orchestrator()
	orchestratorEdDSA.Algorithms, orchestratorEdDSA.Issuers = nil, []string{"https://auth.example"}
	var everyOrchestrator, everyPlatform []string
	for _, row := range orchestratorWires {
		everyOrchestrator = append(everyOrchestrator, signHS256(row.header, row.payload))
	}
	for _, row := range platformWires {
		everyPlatform = append(everyPlatform, signEdDSA(row.header, row.payload))
	}
	for _, row := range []struct {
		name   string
		cfg    tokenauth.VerifierConfig
		tokens []string
		code   string
	}{
		{"orchestrator at the default verifier", hs256(plain("orchestrator")), everyOrchestrator, "audience_wrong"},
		{"orchestrator at the default verifier that wants no aud", hs256(untyped), everyOrchestrator, "type_wrong"},
		{"orchestrator at the platform's", hs256(tokenauth.RFC9068("orchestrator", "https://api.example")), everyOrchestrator, "algorithm_wrong"},
		{"orchestrator at the platform's, by its keys", platformWireConfig(t), everyOrchestrator, "key_unknown"},
		{"platform at the orchestrator's", eddsa(orchestrator()), everyPlatform, "algorithm_wrong"},
		{"platform at the orchestrator's, were it of no algorithm", eddsa(orchestratorEdDSA), everyPlatform, "audience_wrong"},
		{"platform at the orchestrator's, by its keys", orchestratorWireConfig(t), everyPlatform, "key_unknown"},
		{"platform's session at the default verifier", withoutStances(eddsa(plain("https://auth.example"))), everyPlatform[1:2], "sessions_not_configured"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := newVerifier(t, row.cfg)
			for _, token := range row.tokens {
				p, err := v.Verify(t.Context(), token)
				require.Nil(t, p)
				require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
				require.Equal(t, row.code, tokenauth.ErrorCode(err), "%v", err)
			}
		})
	}
	t.Run("one verifier for both", func(t *testing.T) {
		v := newVerifier(t, orchestratorWireConfig(t), platformWireConfig(t))
		for _, token := range slices.Concat(everyOrchestrator, everyPlatform) {
			p, err := v.Verify(t.Context(), token)
			requireAccepted(t, p, err)
		}
	})
}

// The orchestrator's tokens name no key. Its secret changes all the same, and nobody is logged out: neither whoever holds a token, nor
// a stream whose principal was proven before the second secret came or went.
func TestLegacySecretRotatesWithoutLoggingAnybodyOut(t *testing.T) {
	first, second := newForge("HS256", "", "first"), newForge("HS256", "", "second")
	ring, err := tokenauth.NewKeyRing(first.key())
	require.NoError(t, err)
	cfg := wireConfig(t, orchestrator(), "", "HS256", wireSecret)
	cfg.Keys = ring
	v := newVerifier(t, cfg)
	token := func(f forge) string {
		return f.token(text(orchestratorWires[2].header), text(orchestratorWires[2].payload))
	}
	proven := func(f forge) *tokenauth.Principal {
		p, err := v.Verify(t.Context(), token(f))
		requireAccepted(t, p, err)
		return p
	}
	refused := func(f forge) {
		p, err := v.Verify(t.Context(), token(f))
		requireRefused(t, p, err, tokenauth.ErrSignature, "signature_bad")
	}

	before := proven(first)
	refused(second)

	// The second secret joins: verified everywhere before it signs anywhere.
	require.NoError(t, ring.Replace(first.key(), second.key()))
	between, after := proven(first), proven(second)
	for _, p := range []*tokenauth.Principal{before, between, after} {
		require.NoError(t, v.Recheck(t.Context(), p), "proven by a secret that is still there")
	}
	// In which order they stand says nothing.
	require.NoError(t, ring.Replace(second.key(), first.key()))
	for _, p := range []*tokenauth.Principal{before, between, after} {
		require.NoError(t, v.Recheck(t.Context(), p))
	}

	// The first one goes: what it signed is refused, and what it proved with it.
	require.NoError(t, ring.Replace(second.key()))
	refused(first)
	proven(second)
	require.NoError(t, v.Recheck(t.Context(), after))
	for _, p := range []*tokenauth.Principal{before, between} {
		requireError(t, v.Recheck(t.Context(), p), tokenauth.ErrUnknownKey, "key_unknown")
	}
	// It is no help that somebody else joins.
	require.NoError(t, ring.Replace(newForge("HS256", "", "third").key(), second.key()))
	requireError(t, v.Recheck(t.Context(), before), tokenauth.ErrUnknownKey, "key_unknown")
	require.NoError(t, v.Recheck(t.Context(), after))
}

// openPlatform opens an office of that profile, by the clock on the wall. What change says reaches the verifier by way of the profile.
func openPlatform(t testing.TB, clock *handClock, change ...func(*tokenauth.IssuerConfig)) *office {
	t.Helper()
	platform := func(cfg *tokenauth.IssuerConfig) {
		cfg.Profile = tokenauth.RFC9068("https://auth.example", "https://api.example")
		cfg.AccountTypes = []string{"human", "ai_agent", "programmable"}
		cfg.Key = officeKey(t, "EdDSA")
		cfg.MayGrant = mayGrantAll
	}
	return openOffice(t, clock, append([]func(*tokenauth.IssuerConfig){platform}, change...)...)
}

// platformClaims is the least that the platform signs.
func platformClaims(subject string) *tokenauth.Claims {
	return &tokenauth.Claims{Subject: subject, ClientID: "web"}
}

// tokenOf mints a token of the least.
func tokenOf(t testing.TB, o *office, subject, sid string) string {
	t.Helper()
	c := platformClaims(subject)
	c.SessionID = sid
	return o.mint(t, c).Token.Reveal()
}

// answerTo returns what a verifier says about a token, and holds Recheck of a principal that was proven before to the same.
func answerTo(t testing.TB, v *tokenauth.Verifier, token string, before *tokenauth.Principal) string {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
	if before != nil {
		require.Equal(t, codeOf(err), codeOf(v.Recheck(t.Context(), before)), "a stream is told what a request is told")
	}
	return codeOf(err)
}

// verifierOf returns the verifier of an office once more, with a change.
func verifierOf(t testing.TB, o *office, change func(*tokenauth.VerifierConfig)) *tokenauth.Verifier {
	t.Helper()
	cfg := tokenauth.VerifierConfig{
		Profile: o.cfg.Profile, Keys: o.cfg.Key.VerifyingKey(), Revocation: o.store, Sessions: o.store, Epochs: o.store, Now: o.cfg.Now,
	}
	change(&cfg)
	return newVerifier(t, cfg)
}

// A limit of RFC9068 is held on both sides: what the issuer signs the verifier takes, and what the verifier refuses the issuer does not
// sign. Each is met from inside and from outside.
func TestRFC9068OnMintingAndVerifyingAlike(t *testing.T) {
	type claims = tokenauth.Claims
	texts := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("s%d", i))
		}
		return list
	}
	scopes := func(n int) (list []tokenauth.TokenScope) {
		for i := range n {
			list = append(list, tokenauth.TokenScope{ResourceKind: "k", ResourceID: fmt.Sprintf("s%d", i), Level: tokenauth.LevelRead})
		}
		return list
	}
	for _, row := range []struct {
		name string
		set  func(*claims)
		code string // of the verifier
		mint string // of the issuer
	}{
		{"the least there must be", func(*claims) {}, "ok", "ok"},
		{"client_id missing", func(c *claims) { c.ClientID = "" }, "client_id_missing", "request_invalid"},
		{"24 h", func(c *claims) { c.ExpiresAt = c.IssuedAt.Add(24 * time.Hour) }, "ok", "ok"},
		{"24 h and a second", func(c *claims) { c.ExpiresAt = c.IssuedAt.Add(24*time.Hour + time.Second) }, "lifetime_too_long", "request_invalid"},
		{"256 OAuth scopes", func(c *claims) { c.OAuthScopes = texts(256) }, "ok", "ok"},
		{"257 OAuth scopes (C11)", func(c *claims) { c.OAuthScopes = texts(257) }, "claims_too_many", "request_invalid"},
		{"257 roles", func(c *claims) { c.Roles = texts(257) }, "claims_too_many", "request_invalid"},
		{"256 caps (C12)", func(c *claims) { c.Caps = texts(256) }, "ok", "ok"},
		{"257 caps (C12)", func(c *claims) { c.Caps = texts(257) }, "claims_too_many", "request_invalid"},
		{"100 scopes", func(c *claims) { c.Scopes = scopes(100) }, "ok", "ok"},
		{"257 scopes", func(c *claims) { c.Scopes = scopes(257) }, "token_too_long", "request_invalid"},
		{"cat access", func(c *claims) { c.Category = "access" }, "ok", "ok"},
		{"cat refresh", func(c *claims) { c.Category = "refresh" }, "category_wrong", "request_invalid"},
		{"account_type human (C13)", func(c *claims) { c.AccountType = "human" }, "ok", "ok"},
		{"account_type robot (C13)", func(c *claims) { c.AccountType = "robot" }, "account_type_unknown", "request_invalid"},
		{"dlg_depth 4", func(c *claims) { c.DelegationDepth = 4 }, "ok", "ok"},
		{"dlg_depth 5", func(c *claims) { c.DelegationDepth = 5 }, "claims_malformed", "request_invalid"},
		{"act 4 deep (C15)", func(c *claims) { c.Actor = actorsOf("4", "3", "2", "1") }, "ok", "ok"},
		{"act 5 deep (C15)", func(c *claims) { c.Actor = actorsOf("5", "4", "3", "2", "1") }, "claims_malformed", "request_invalid"},
		{"delegator, cid, active_ppnum", func(c *claims) { c.Delegator, c.CredentialID, c.ActivePPNum = "usr_2", "crd_1", "7" }, "ok", "ok"},
		{"a member that is known", func(c *claims) { c.Extra = map[string]json.RawMessage{"acr": raw(`{"n":1}`)} }, "ok", "ok"},
		{"a member that is not", func(c *claims) { c.Extra = map[string]json.RawMessage{"tenant": raw(`1`)} }, "claims_unknown", "request_invalid"},
		{"admin, and no AdminCheck (C14)", func(c *claims) { c.AdminHint = true }, "admin_not_configured", "request_invalid"},
		{"another issuer", func(c *claims) { c.Issuer = "https://else.example" }, "issuer_wrong", "request_invalid"},
		{"another audience", func(c *claims) { c.Audience = []string{"https://else.example"} }, "audience_wrong", "request_invalid"},
		{"valid in a minute (nbf)", func(c *claims) { c.NotBefore = c.IssuedAt.Add(time.Minute) }, "token_not_yet_valid", "request_invalid"},
		{"issued 60 s ahead", func(c *claims) { c.IssuedAt = c.IssuedAt.Add(time.Minute) }, "ok", "request_invalid"}, // nobody signs for a time to come
		{"issued 61 s ahead", func(c *claims) { c.IssuedAt = c.IssuedAt.Add(61 * time.Second) }, "issued_in_future", "request_invalid"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := openPlatform(t, &handClock{now: noon}, func(cfg *tokenauth.IssuerConfig) { cfg.KnownClaims = []string{"acr"} })
			c := &claims{
				Issuer: "https://auth.example", Audience: []string{"https://api.example"}, Subject: "usr_1", ClientID: "web",
				IssuedAt: noon, ExpiresAt: noon.Add(time.Hour), ID: "tok_1",
			}
			row.set(c)
			t.Run("verified", func(t *testing.T) {
				f := newForge("EdDSA", "2031-03", "")
				v := verifierOf(t, o, func(cfg *tokenauth.VerifierConfig) { cfg.Keys, cfg.Revocation = f.key(), &witness{} })
				_, err := v.Verify(t.Context(), f.good(wireOf(c)))
				require.Equal(t, row.code, codeOf(err), "%v", err)
			})
			t.Run("minted", func(t *testing.T) {
				issued, err := o.Sign(t.Context(), bySystem, c)
				require.Equal(t, row.mint, codeOf(err), "%v", err)
				if err != nil {
					require.Zero(t, issued)
					require.Empty(t, o.records(t, tokenauth.TokenFilter{}), "a record is left of what was refused")
					return
				}
				requireClaims(t, issued.Claims, o.prove(t, issued).Claims())
			})
		})
	}
}

// wireOf writes Claims by hand, those too that this package would not write.
func wireOf(c *tokenauth.Claims) object {
	o := object{
		"iss": c.Issuer, "sub": c.Subject, "aud": c.Audience, "exp": c.ExpiresAt.Unix(), "iat": c.IssuedAt.Unix(), "jti": c.ID,
		"client_id": c.ClientID, "cat": c.Category, "account_type": c.AccountType, "active_ppnum": c.ActivePPNum,
		"delegator": c.Delegator, "cid": c.CredentialID, "roles": c.Roles, "caps": c.Caps, "scopes": c.OAuthScopes,
		"dlg_depth": c.DelegationDepth, "admin": c.AdminHint, "nbf": c.NotBefore.Unix(),
	}
	var act any
	var outwards []string
	for a := c.Actor; a != nil; a = a.Actor {
		outwards = append([]string{a.Subject}, outwards...)
	}
	for _, subject := range outwards {
		act = object{"sub": subject, "act": act}
	}
	o["act"] = act
	if c.Scopes != nil {
		var list []object
		for _, s := range c.Scopes {
			list = append(list, object{"resource_kind": s.ResourceKind, "resource_id": s.ResourceID, "level": s.Level.String()})
		}
		o["scopes"] = list
	}
	for name, value := range c.Extra {
		o[name] = value
	}
	for name, value := range o {
		switch v := value.(type) {
		case string:
			if v == "" {
				delete(o, name)
			}
		case []string:
			if v == nil {
				delete(o, name)
			}
		}
	}
	if c.NotBefore.IsZero() {
		delete(o, "nbf")
	}
	return o
}

// 8 KiB are the token's, not the claims': the last that fits is signed and taken, the next is neither.
func TestRFC9068TokensOf8KiB(t *testing.T) {
	const most, least, beyond = 8 << 10, 5600, 6000 // bytes of a token, and of its note
	o := openPlatform(t, &handClock{now: noon}, func(cfg *tokenauth.IssuerConfig) { cfg.KnownClaims = []string{"note"} })
	t.Run("verified", func(t *testing.T) {
		f := newForge("EdDSA", "2031-03", "")
		v := verifierOf(t, o, func(cfg *tokenauth.VerifierConfig) { cfg.Keys, cfg.Revocation = f.key(), &witness{} })
		met := map[string]int{}
		for n := least; n < beyond; n++ {
			token := f.good(object{
				"iss": "https://auth.example", "sub": "usr_1", "aud": "https://api.example", "jti": "tok_1", "client_id": "web",
				"iat": at(0), "exp": at(60), "note": strings.Repeat("x", n),
			})
			want := "ok"
			if len(token) > most {
				want = "token_too_long"
			}
			require.Equal(t, want, answerTo(t, v, token, nil), "%d bytes", len(token))
			met[want]++
		}
		require.Len(t, met, 2, "both sides of the limit")
	})
	t.Run("minted", func(t *testing.T) {
		longest, refused := 0, 0
		for n := least; n < beyond; n++ {
			c := platformClaims("usr_1")
			require.NoError(t, c.SetExtra("note", strings.Repeat("x", n)))
			issued, err := o.Sign(t.Context(), bySystem, c)
			if err != nil {
				requireInvalid(t, issued, err, "MaxTokenBytes")
				refused++
				continue
			}
			require.Zero(t, refused, "a longer one was signed after a shorter one was refused")
			longest = len(issued.Token.Reveal())
			o.prove(t, issued)
		}
		require.Positive(t, refused)
		require.LessOrEqual(t, longest, most)
		require.Greater(t, longest, most-4, "not refused too early")
	})
}

// What a platform's issuer puts into a header, and by which keys it signs.
func TestRFC9068HeadersAndKeys(t *testing.T) {
	o := openPlatform(t, &handClock{now: noon})
	issued := o.mint(t, platformClaims("usr_1"))
	token := issued.Token.Reveal()
	header, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"EdDSA","typ":"at+jwt","kid":"`+o.cfg.Key.ID()+`"}`, string(header))
	require.NotEmpty(t, o.prove(t, issued).TokenID(), "jti is filled in")

	for _, alg := range []string{"HS256", "RS256", "ES256"} {
		other := officeKey(t, alg)
		_, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: tokenauth.RFC9068("a", "b"), Key: other})
		require.ErrorContains(t, err, "IssuerConfig.Key", alg)
		require.ErrorIs(t, o.UseKey(other), tokenauth.ErrInvalidRequest, alg)
	}
	o.prove(t, o.mint(t, platformClaims("usr_1")))
}

// Unknown members are named last, also where something is to be minted: whoever enters one in KnownClaims meets no other refusal.
func TestRFC9068NamesUnknownMembersLast(t *testing.T) {
	o := openPlatform(t, &handClock{now: noon})
	for name, c := range map[string]*tokenauth.Claims{
		"client_id": {Subject: "usr_1"},
		"cat":       {Subject: "usr_1", ClientID: "web", Category: "refresh"},
		"account":   {Subject: "usr_1", ClientID: "web", AccountType: "robot"},
		"tenant":    {Subject: "usr_1", ClientID: "web"},
	} {
		require.NoError(t, c.SetExtra("tenant", 1))
		issued, err := o.Sign(t.Context(), bySystem, c)
		requireInvalid(t, issued, err, name)
		require.Equal(t, name == "tenant", strings.Contains(err.Error(), "tenant"), "%v", err)
	}
}

// actorsOf returns a chain of actors, outermost first; nil for none.
func actorsOf(subjects ...string) (chain *tokenauth.Actor) {
	for _, subject := range slices.Backward(subjects) {
		chain = &tokenauth.Actor{Subject: subject, Actor: chain}
	}
	return chain
}

// A chain of actors says by whose hands the authority came. A child's is its parent's: nobody is left out of it, and nobody put in.
func TestC15ChainsOfActorsNeverWiden(t *testing.T) {
	o := openPlatform(t, &handClock{now: noon})
	scopes := grants(t, "file:*:read")
	two := actorsOf("agt_2", "agt_1")
	for _, row := range []struct {
		name     string
		has, ask *tokenauth.Actor
		code     string
	}{
		{"left out, so carried over", two, nil, "ok"},
		{"the same", two, actorsOf("agt_2", "agt_1"), "ok"},
		{"none, and none asked for", nil, nil, "ok"},
		{"one more in front", two, actorsOf("agt_3", "agt_2", "agt_1"), "authority_not_held"},
		{"one more behind", two, actorsOf("agt_2", "agt_1", "agt_0"), "authority_not_held"},
		{"the innermost left out", two, actorsOf("agt_2"), "authority_not_held"},
		{"the outermost left out", two, actorsOf("agt_1"), "authority_not_held"},
		{"in another order", two, actorsOf("agt_1", "agt_2"), "authority_not_held"},
		{"somebody else", two, actorsOf("agt_2", "usr_9"), "authority_not_held"},
		{"where there was none", nil, actorsOf("agt_1"), "authority_not_held"},
	} {
		t.Run(row.name, func(t *testing.T) {
			by := o.bearer(t, &tokenauth.Claims{
				Subject: "usr_1", ClientID: "agent", AccountType: "ai_agent", Scopes: scopes, Actor: row.has,
				Delegator: "usr_0", DelegationDepth: 2, CredentialID: "crd_1",
			})
			child, err := o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "usr_1", Scopes: scopes, Actor: row.ask})
			require.Equal(t, row.code, codeOf(err), "%v", err)
			if err != nil {
				requireForbidden(t, child, err, "act")
				return
			}
			grandchild, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: o.prove(t, child), Subject: "usr_1", Scopes: scopes})
			require.NoError(t, err)
			for _, issued := range []tokenauth.Issued{child, grandchild} {
				c := o.prove(t, issued).Claims()
				require.Equal(t, row.has, c.Actor)
				require.Equal(t, []any{"usr_0", 2, "crd_1", "ai_agent", "agent"},
					[]any{c.Delegator, c.DelegationDepth, c.CredentialID, c.AccountType, c.ClientID}, "and all else that says how it was lent")
			}
		})
	}
}

// What AdminCheck would refuse is not signed either, not even for the system, and by the same rule: role and claim, a no and a
// silence, a copy, and within the deadline.
func TestC14AdminCheckAtMinting(t *testing.T) {
	type check = func(context.Context, *tokenauth.Claims) (bool, error)
	checkedBy := func(check check) func(*tokenauth.IssuerConfig) {
		return func(cfg *tokenauth.IssuerConfig) { cfg.AdminCheck = check }
	}
	yes := func(context.Context, *tokenauth.Claims) (bool, error) { return true, nil }
	no := func(context.Context, *tokenauth.Claims) (bool, error) { return false, nil }
	down := func(context.Context, *tokenauth.Claims) (bool, error) { return true, errOfStore }
	hint, role := tokenauth.Claims{AdminHint: true}, tokenauth.Claims{Roles: []string{"admin"}}
	for _, row := range []struct {
		name   string
		claims tokenauth.Claims
		check  check
		code   string
	}{
		{"claim, agreed", hint, yes, "ok"},
		{"claim, not agreed", hint, no, "authority_not_held"},
		{"claim, check down", hint, down, "admin_check_unavailable"},
		{"claim, no check", hint, nil, "request_invalid"},
		{"role, agreed", role, yes, "ok"},
		{"role, not agreed", role, no, "authority_not_held"},
		{"role, check down", role, down, "admin_check_unavailable"},
		{"role, no check", role, nil, "ok"},
		{"neither, check would say no", tokenauth.Claims{Roles: []string{"operator"}}, no, "ok"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := openPlatform(t, &handClock{now: noon}, checkedBy(row.check))
			row.claims.Subject, row.claims.ClientID = "usr_1", "web"
			issued, err := o.Sign(t.Context(), bySystem, &row.claims)
			require.Equal(t, row.code, codeOf(err), "%v", err)
			if err != nil {
				require.Zero(t, issued)
				require.Empty(t, o.records(t, tokenauth.TokenFilter{}))
				return
			}
			o.prove(t, issued)
		})
	}
	t.Run("a copy", func(t *testing.T) {
		o := openPlatform(t, &handClock{now: noon}, checkedBy(func(_ context.Context, c *tokenauth.Claims) (bool, error) {
			c.Subject, c.Roles[0] = "mallory", "root"
			return true, nil
		}))
		c := platformClaims("usr_1")
		c.Roles = []string{"admin"}
		p := o.bearer(t, c)
		require.Equal(t, "usr_1", p.Subject())
		require.True(t, p.IsAdmin())
	})
	t.Run("within the deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := openPlatform(t, &handClock{wall: true}, checkedBy(func(ctx context.Context, _ *tokenauth.Claims) (bool, error) {
				<-ctx.Done()
				return true, ctx.Err()
			}))
			began := time.Now()
			c := platformClaims("usr_1")
			c.AdminHint = true
			_, err := o.Sign(t.Context(), bySystem, c)
			requireError(t, err, tokenauth.ErrUnavailable, "admin_check_unavailable")
			require.Equal(t, 250*time.Millisecond, time.Since(began))
		})
	})
}

// X8, over a store: a row that is there, that was ended, that is over, that somebody else has, and a store that has lost its memory.
func TestX8SessionsEndToEnd(t *testing.T) {
	clock := &handClock{now: noon}
	o := openPlatform(t, clock)
	ctx := t.Context()
	for _, subject := range []string{"alice", "bob"} {
		require.NoError(t, o.store.StartSession(ctx, subject, "laptop", noon.Add(time.Hour)))
	}
	alice, bob := tokenOf(t, o, "alice", "laptop"), tokenOf(t, o, "bob", "laptop")
	p, err := o.verifier.Verify(ctx, alice)
	requireAccepted(t, p, err)

	require.NoError(t, o.store.EndSession(ctx, "alice", "phone"))
	require.NoError(t, o.store.EndSession(ctx, "carol", "laptop"))
	require.Equal(t, "ok", answerTo(t, o.verifier, alice, p), "neither was hers")
	require.NoError(t, o.store.EndSession(ctx, "alice", "laptop"))
	require.Equal(t, "session_ended", answerTo(t, o.verifier, alice, p))
	require.Equal(t, "ok", answerTo(t, o.verifier, bob, nil), "his is another, whatever its id")

	require.Equal(t, "ok", answerTo(t, o.verifier, tokenOf(t, o, "alice", ""), nil), "a token without sid asks for none")
	require.Equal(t, "session_ended", answerTo(t, o.verifier, tokenOf(t, o, "alice", "never-began"), nil))

	require.NoError(t, o.store.StartSession(ctx, "bob", "laptop", noon.Add(time.Minute)))
	clock.pass(time.Minute - time.Second)
	require.Equal(t, "ok", answerTo(t, o.verifier, bob, nil))
	clock.pass(time.Second)
	require.Equal(t, "session_ended", answerTo(t, o.verifier, bob, nil), "its until is reached")

	lost := verifierOf(t, o, func(cfg *tokenauth.VerifierConfig) { cfg.Sessions = new(memstore.Store) })
	require.Equal(t, "sessions_unavailable", answerTo(t, lost, bob, nil), "a store that has lost its memory does not guess")
}

// X9, over a store and by its writers: a subject's own version and moment, everyone's, and what the issuer stamps.
func TestX9EpochsEndToEnd(t *testing.T) {
	bump := func(t *testing.T, o *office, subject string) {
		t.Helper()
		_, err := o.store.BumpEpoch(t.Context(), subject)
		require.NoError(t, err)
	}
	t.Run("MinVersion", func(t *testing.T) {
		o := openPlatform(t, &handClock{now: noon})
		alice, bob := tokenOf(t, o, "alice", ""), tokenOf(t, o, "bob", "")
		p, err := o.verifier.Verify(t.Context(), alice)
		requireAccepted(t, p, err)
		bump(t, o, "alice")
		require.Equal(t, "epoch_stale", answerTo(t, o.verifier, alice, p), "no sv against 1")
		require.Equal(t, "ok", answerTo(t, o.verifier, bob, nil), "nobody else's")
		bump(t, o, "alice")
		bump(t, o, "alice")
		alice = tokenOf(t, o, "alice", "")
		p, err = o.verifier.Verify(t.Context(), alice)
		requireAccepted(t, p, err)
		require.EqualValues(t, 3, p.Claims().SessionVersion, "sv 3 against 3: the issuer stamps what is in force")
		bump(t, o, "alice")
		require.Equal(t, "epoch_stale", answerTo(t, o.verifier, alice, p), "sv 3 against 4")
	})
	t.Run("MinVersion of everyone", func(t *testing.T) {
		o := openPlatform(t, &handClock{now: noon})
		alice := tokenOf(t, o, "alice", "")
		_, err := o.store.BumpEpoch(t.Context(), tokenauth.Everyone)
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, "there is no such thing")
		require.Equal(t, "ok", answerTo(t, o.verifier, alice, nil))
	})
	for _, row := range []struct{ subject, bobs string }{
		{"alice", "ok"},
		{tokenauth.Everyone, "epoch_stale"},
	} {
		t.Run("NotBefore of "+row.subject, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := openPlatform(t, &handClock{wall: true})
				bob, before := tokenOf(t, o, "bob", ""), tokenOf(t, o, "alice", "")
				time.Sleep(time.Second)
				same, moment := tokenOf(t, o, "alice", ""), time.Now().Add(300*time.Millisecond)
				time.Sleep(time.Second)
				after := tokenOf(t, o, "alice", "")
				_, err := o.store.RaiseNotBefore(t.Context(), row.subject, moment)
				require.NoError(t, err)
				require.Equal(t, "epoch_stale", answerTo(t, o.verifier, before, nil))
				require.Equal(t, "epoch_stale", answerTo(t, o.verifier, same, nil))
				require.Equal(t, "ok", answerTo(t, o.verifier, after, nil))
				require.Equal(t, row.bobs, answerTo(t, o.verifier, bob, nil))
				_, err = o.store.RaiseNotBefore(t.Context(), row.subject, moment.Add(-time.Hour))
				require.NoError(t, err)
				require.Equal(t, "epoch_stale", answerTo(t, o.verifier, before, nil), "never back")
			})
		})
	}
	t.Run("store down", func(t *testing.T) {
		o := openPlatform(t, &handClock{now: noon})
		lost := verifierOf(t, o, func(cfg *tokenauth.VerifierConfig) { cfg.Epochs = new(memstore.Store) })
		require.Equal(t, "epochs_unavailable", answerTo(t, lost, tokenOf(t, o, "alice", ""), nil))
	})
}

// X10 and X17, over a store: of 64 at once one gets through, whether it verifies or authorizes; whoever is refused or only looks uses
// nothing up.
func TestX10X17OneTimeUseEndToEnd(t *testing.T) {
	o := openPlatform(t, &handClock{now: noon})
	v := verifierOf(t, o, func(cfg *tokenauth.VerifierConfig) { cfg.OneTime = o.store })
	for range rounds(100) {
		c := platformClaims("alice")
		c.Scopes = grants(t, "file:f-1:read")
		token := o.mint(t, c).Token.Reveal()
		seen, err := v.Inspect(t.Context(), token) // introspection
		requireAccepted(t, seen, err)
		ways := []func() string{
			func() string {
				_, err := v.Verify(t.Context(), token)
				return codeOf(err)
			},
			func() string {
				_, err := v.Authorize(t.Context(), token, "file", "f-1", tokenauth.LevelRead)
				return codeOf(err)
			},
			func() string { // a guard that refuses
				_, err := v.Authorize(t.Context(), token, "file", "f-1", tokenauth.LevelWrite)
				return codeOf(err)
			},
			func() string { // a lease, which does not see that the token is used
				return "lease: " + codeOf(v.Recheck(t.Context(), seen))
			},
		}
		outcome := make([]string, 64)
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range outcome {
			group.Go(func() {
				<-start
				outcome[i] = ways[i%len(ways)]()
			})
		}
		close(start)
		group.Wait()
		count := map[string]int{}
		for _, code := range outcome {
			count[code]++
		}
		require.Equal(t, map[string]int{"ok": 1, "token_replayed": 31, "scope_insufficient": 16, "lease: ok": 16}, count)
	}
	lost := verifierOf(t, o, func(cfg *tokenauth.VerifierConfig) { cfg.OneTime = new(memstore.Store) })
	require.Equal(t, "one_time_unavailable", answerTo(t, lost, tokenOf(t, o, "alice", ""), nil))
}
