package tokenauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The Verifier's answers, row by row: X1 to X17 are cases that this library promises to answer as stated here. What it makes of the
// claims is in verify_claims_test.go, the order of its steps in verify_order_test.go, several authorities in
// verify_authorities_test.go, and budgets of time in verify_budget_test.go.

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestX1EveryCharacterCounts(t *testing.T) {
	for _, alg := range []string{"HS256", "RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			f, w := newForge(alg, "", ""), &witness{}
			cfg := configOf(f)
			cfg.Types, cfg.Issuers, cfg.Audiences, cfg.Revocation = []string{""}, []string{"i"}, []string{"a"}, w
			v := newVerifier(t, cfg)
			// As short as can be, since each character costs 64 signatures.
			token := f.token(object{"alg": alg}, payload().with(object{"iss": "i", "sub": "s", "aud": "a", "jti": "1"}))
			p, err := v.Verify(t.Context(), token)
			requireAccepted(t, p, err)
			require.Len(t, w.calls(), 1)

			refused := func(changed string) {
				if p, err := v.Verify(t.Context(), changed); p != nil || !errors.Is(err, tokenauth.ErrInvalidToken) {
					t.Errorf("accepted with a change in segment %d", strings.Count(commonPrefix(token, changed), "."))
				}
			}
			for i := range len(token) {
				for _, c := range base64url {
					if byte(c) != token[i] {
						refused(token[:i] + string(c) + token[i+1:])
					}
				}
				refused(token[:i] + token[i+1:])                  // one left out
				refused(token[:i+1] + token[i:i+1] + token[i+1:]) // one twice
				refused(token[:i])                                // cut off
			}
			require.Empty(t, w.calls(), "X7: asked about a token that is not proven")
		})
	}
}

// commonPrefix returns how a and b begin alike.
func commonPrefix(a, b string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[:i]
		}
	}
	return a[:min(len(a), len(b))]
}

// orchestrator is the profile of a service whose tokens are HS256, without kid and aud, typ JWT.
func orchestrator() tokenauth.Profile {
	return tokenauth.Profile{Issuers: []string{"orchestrator"}, NoAudience: true, Types: []string{"JWT"}, Algorithms: []string{"HS256"}}
}

func TestX2OrchestratorToken(t *testing.T) {
	f, w := newForge("HS256", "", "orchestrator"), &witness{}
	cfg := configOf(f)
	cfg.Profile, cfg.Revocation = orchestrator(), w
	v := newVerifier(t, cfg)
	issued, expires := noon.Add(-time.Hour), noon.Add(time.Hour)
	member := object{
		"sub": "alice", "exp": expires.Unix(), "iat": issued.Unix(), "iss": "orchestrator", "roles": []string{"admin", "operator"},
		"email": "alice@example.com", "node_id": "n-7", "jti": "01890a5d-ac96-774b-bcce-b302099a8057",
		"scopes": []object{
			{"resource_kind": "deployment", "resource_id": "web", "level": "write"},
			{"resource_kind": "secret", "resource_id": nil, "level": "read"},
			{"resource_kind": "node", "level": "execute"},
		},
	}
	token := f.token(object{"alg": "HS256", "typ": "JWT"}, member)
	p, err := v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	require.Equal(t, &tokenauth.Claims{
		Issuer: "orchestrator", Subject: "alice", ExpiresAt: expires, IssuedAt: issued, Roles: []string{"admin", "operator"},
		Email: "alice@example.com", NodeID: "n-7", ID: "01890a5d-ac96-774b-bcce-b302099a8057",
		Scopes: []tokenauth.TokenScope{
			{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelWrite},
			{ResourceKind: "secret", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelRead},
			{ResourceKind: "node", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelExecute},
		},
	}, p.Claims())
	require.Equal(t, []string{askedRevocation}, w.calls())

	t.Run("without jti nobody is asked", func(t *testing.T) {
		p, err := v.Verify(t.Context(), f.token(object{"alg": "HS256", "typ": "JWT"}, member.with(object{"jti": nil})))
		requireAccepted(t, p, err)
		require.Empty(t, w.calls())
	})
	t.Run("at the default verifier", func(t *testing.T) {
		cfg := configOf(f)
		cfg.Issuers = []string{"orchestrator"}
		p, err := newVerifier(t, cfg).Verify(t.Context(), token)
		requireRefused(t, p, err, tokenauth.ErrAudience, "audience_wrong")
		cfg.Audiences, cfg.NoAudience = nil, true
		p, err = newVerifier(t, cfg).Verify(t.Context(), token)
		requireRefused(t, p, err, tokenauth.ErrMalformed, "type_wrong")
	})
	t.Run("at the platform's verifier", func(t *testing.T) {
		cfg := configOf(f)
		cfg.Profile = tokenauth.RFC9068("orchestrator", "api")
		p, err := newVerifier(t, cfg).Verify(t.Context(), token)
		requireRefused(t, p, err, tokenauth.ErrMalformed, "algorithm_wrong")
	})
}

// platformPayload is a token of the platform with all there may be in it.
func platformPayload() object {
	return object{
		"iss": "https://auth.example", "sub": "alice", "aud": []string{"https://api.example", "https://b.example"},
		"exp": noon.Add(time.Hour).Unix(), "iat": noon.Add(-time.Hour).Unix(), "nbf": noon.Add(-time.Hour).Unix(),
		"jti": "id-1", "client_id": "cli", "cat": "access", "account_type": "ai_agent", "caps": []string{"run", "stop"},
		"scopes": []string{"openid", "profile"}, "admin": true, "active_ppnum": "pp-1", "delegator": "bob", "dlg_depth": 2,
		"act": object{"sub": "agent", "act": object{"sub": "robot"}}, "cid": "cred-1", "sid": "sid-1", "sv": 3,
	}
}

// platformConfig verifies it.
func platformConfig(f forge, w *witness) tokenauth.VerifierConfig {
	cfg := w.everywhere(configOf(f))
	cfg.Profile = tokenauth.RFC9068("https://auth.example", "https://api.example")
	cfg.AdminCheck = w.AdminCheck
	cfg.AccountTypes = []string{"human", "ai_agent", "programmable"}
	return cfg
}

func TestX3PlatformToken(t *testing.T) {
	f, w := newForge("EdDSA", "2031-03", ""), &witness{}
	p, err := newVerifier(t, platformConfig(f, w)).Verify(t.Context(), f.good(platformPayload()))
	requireAccepted(t, p, err)
	require.Equal(t, &tokenauth.Claims{
		Issuer: "https://auth.example", Subject: "alice", Audience: []string{"https://api.example", "https://b.example"},
		ExpiresAt: noon.Add(time.Hour), IssuedAt: noon.Add(-time.Hour), NotBefore: noon.Add(-time.Hour), ID: "id-1",
		ClientID: "cli", Category: "access", AccountType: "ai_agent", Caps: []string{"run", "stop"},
		OAuthScopes: []string{"openid", "profile"}, AdminHint: true, ActivePPNum: "pp-1", Delegator: "bob", DelegationDepth: 2,
		Actor:        &tokenauth.Actor{Subject: "agent", Actor: &tokenauth.Actor{Subject: "robot"}},
		CredentialID: "cred-1", SessionID: "sid-1", SessionVersion: 3,
	}, p.Claims())
	require.Equal(t, []string{askedRevocation, askedSession, askedEpoch, askedAdmin, askedOneTime}, w.calls())
}

func TestX4TokensWithoutID(t *testing.T) {
	f, w := newForge("HS256", "k1", ""), &witness{}
	lives := func(d time.Duration) string {
		return f.good(payload().with(object{"jti": gone{}, "iat": noon.Unix(), "exp": noon.Add(d).Unix()}))
	}
	cfg := configOf(f)
	cfg.Revocation = w
	v := newVerifier(t, cfg)

	p, err := v.Verify(t.Context(), lives(time.Hour))
	requireAccepted(t, p, err)
	p, err = v.Verify(t.Context(), lives(25*time.Hour))
	requireRefused(t, p, err, tokenauth.ErrClaims, "lifetime_stateless")
	cfg.RequireID = true
	p, err = newVerifier(t, cfg).Verify(t.Context(), lives(time.Hour))
	requireRefused(t, p, err, tokenauth.ErrClaims, "token_id_missing")
	require.Empty(t, w.calls())
}

// A liveList calls every id that it does not know revoked, as a token store does with one it has no record of.
type liveList map[string]bool

func (l liveList) IsRevoked(_ context.Context, jti string) (bool, error) { return !l[jti], nil }

// X5 with a store that is too slow is in verify_budget_test.go, and its errors are among the faults.
func TestX5Revocation(t *testing.T) {
	f := newForge("HS256", "k1", "")
	cfg := configOf(f)
	cfg.Revocation = liveList{"live": true}
	v := newVerifier(t, cfg)
	p, err := v.Verify(t.Context(), f.good(payload().with(object{"jti": "live"})))
	requireAccepted(t, p, err)
	for _, id := range []string{"no record", "LIVE", "live ", "liv"} {
		p, err = v.Verify(t.Context(), f.good(payload().with(object{"jti": id})))
		requireRefused(t, p, err, tokenauth.ErrRevoked, "token_revoked")
	}
}

func TestX6AdminIsNoExemption(t *testing.T) {
	f := newForge("HS256", "k1", "")
	admin := payload().with(object{"roles": []string{"admin"}})
	for name, row := range map[string]struct {
		payload object
		witness *witness
		want    error
		code    string
	}{
		"revoked":        {admin, &witness{revoked: true}, tokenauth.ErrRevoked, "token_revoked"},
		"expired":        {admin.with(object{"exp": noon.Unix()}), &witness{}, tokenauth.ErrExpired, "token_expired"},
		"store down":     {admin, &witness{before: failing(askedRevocation, errOfStore)}, tokenauth.ErrUnavailable, "revocation_unavailable"},
		"session ended":  {admin.with(object{"sid": "s"}), &witness{ended: true}, tokenauth.ErrSessionEnded, "session_ended"},
		"epoch moved":    {admin, &witness{epoch: tokenauth.Epoch{MinVersion: 1}}, tokenauth.ErrStaleEpoch, "epoch_stale"},
		"not confirmed":  {admin, &witness{notAdmin: true}, tokenauth.ErrAdminRefused, "admin_refused"},
		"wrong audience": {admin.with(object{"aud": "web"}), &witness{}, tokenauth.ErrAudience, "audience_wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, row.witness.everywhere(configOf(f)))
			p, err := v.Authorize(t.Context(), f.good(row.payload), "deployment", "web", tokenauth.LevelRead)
			requireRefused(t, p, err, row.want, row.code)
		})
	}
	t.Run("else an admin may do everything that can be asked (S10)", func(t *testing.T) {
		v := newVerifier(t, (&witness{}).everywhere(configOf(f)))
		for i, id := range []string{"web", tokenauth.AnyResource, ""} {
			token := f.good(admin.with(object{"jti": fmt.Sprint(i)}))
			p, err := v.Authorize(t.Context(), token, "deployment", id, tokenauth.LevelWrite)
			if id != "" {
				requireAccepted(t, p, err)
				continue
			}
			requireRefused(t, p, err, tokenauth.ErrForbidden, "question_ill_formed")
		}
	})
}

func TestX8Sessions(t *testing.T) {
	f := newForge("HS256", "k1", "")
	for name, row := range map[string]struct {
		sid      any
		sessions tokenauth.SessionStore
		code     string
	}{
		"row live":                        {"s", &witness{}, "ok"},
		"row gone":                        {"s", &witness{ended: true}, "session_ended"},
		"store down":                      {"s", &witness{before: failing(askedSession, errOfStore)}, "sessions_unavailable"},
		"no sid, store down":              {gone{}, &witness{before: failing(askedSession, errOfStore)}, "ok"},
		"no sid, no stance":               {gone{}, nil, "ok"},
		"no stance":                       {"s", nil, "sessions_not_configured"},
		"said to be unenforced":           {"s", tokenauth.Unenforced("a test"), "ok"},
		"said to be enforced by somebody": {"s", tokenauth.EnforcedElsewhere("the gateway"), "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configOf(f)
			cfg.Sessions = row.sessions
			_, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(object{"sid": row.sid})))
			require.Equal(t, row.code, codeOf(err), "%v", err)
			if row.code == "sessions_not_configured" {
				require.ErrorContains(t, err, "VerifierConfig.Sessions")
			}
		})
	}
}

// codeOf is ErrorCode, and "ok" for none.
func codeOf(err error) string {
	if err == nil {
		return "ok"
	}
	return tokenauth.ErrorCode(err)
}

func TestX9Epochs(t *testing.T) {
	f := newForge("HS256", "k1", "")
	issued := noon.Add(-time.Minute)
	for _, row := range []struct {
		name  string
		sv    any
		epoch tokenauth.Epoch
		code  string
	}{
		{"sv 3 against 3", 3, tokenauth.Epoch{MinVersion: 3}, "ok"},
		{"sv 3 against 2", 3, tokenauth.Epoch{MinVersion: 2}, "ok"},
		{"sv 3 against 4", 3, tokenauth.Epoch{MinVersion: 4}, "epoch_stale"},
		{"no sv against 0", gone{}, tokenauth.Epoch{}, "ok"},
		{"no sv against 1", gone{}, tokenauth.Epoch{MinVersion: 1}, "epoch_stale"},
		{"sv 0 against 1", 0, tokenauth.Epoch{MinVersion: 1}, "epoch_stale"},
		{"iat at NotBefore", gone{}, tokenauth.Epoch{NotBefore: issued}, "epoch_stale"},
		{"iat before NotBefore", gone{}, tokenauth.Epoch{NotBefore: issued.Add(time.Second)}, "epoch_stale"},
		{"iat after NotBefore", gone{}, tokenauth.Epoch{NotBefore: issued.Add(-time.Second)}, "ok"},
		{"sv good, iat too early", 3, tokenauth.Epoch{MinVersion: 3, NotBefore: issued}, "epoch_stale"},
		{"sv too low, iat good", 3, tokenauth.Epoch{MinVersion: 4, NotBefore: issued.Add(-time.Hour)}, "epoch_stale"},
		{"NotBefore in another zone", gone{}, tokenauth.Epoch{NotBefore: issued.In(time.FixedZone("", 3600))}, "epoch_stale"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := &witness{epoch: row.epoch}
			cfg := configOf(f)
			cfg.Epochs = w
			_, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(object{"sv": row.sv})))
			require.Equal(t, row.code, codeOf(err), "%v", err)
			require.Equal(t, []string{askedEpoch}, w.calls(), "asked about tokens without sv as well")
		})
	}
	for name, row := range map[string]struct {
		epochs tokenauth.EpochStore
		sv     any
		code   string
	}{
		"no stance":                        {nil, 3, "epochs_not_configured"},
		"no stance, no sv":                 {nil, gone{}, "ok"},
		"no stance, sv 0, which is absent": {nil, 0, "ok"},
		"unenforced":                       {tokenauth.Unenforced("a test"), 3, "ok"},
		"elsewhere":                        {tokenauth.EnforcedElsewhere("the gateway"), 3, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configOf(f)
			cfg.Epochs = row.epochs
			_, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(object{"sv": row.sv})))
			require.Equal(t, row.code, codeOf(err), "%v", err)
		})
	}
}

func TestX10OneTimeUse(t *testing.T) {
	f, w := newForge("HS256", "k1", ""), &witness{}
	cfg := configOf(f)
	cfg.OneTime = w
	v := newVerifier(t, cfg)
	token := f.good(payload())

	p, err := v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	p, err = v.Verify(t.Context(), token)
	requireRefused(t, p, err, tokenauth.ErrReplayed, "token_replayed")
	p, err = v.Verify(t.Context(), f.good(payload().with(object{"jti": "id-2"})))
	requireAccepted(t, p, err)

	require.Len(t, w.used, 2)
	for key, until := range w.used {
		require.NotContains(t, key, "id-", "what is kept is no id of a token")
		require.LessOrEqual(t, len(key), 128)
		require.False(t, until.Before(noon.Add(time.Hour+5*time.Minute)), "longer than any leeway lets the token live")
	}

	t.Run("64 at once", func(t *testing.T) {
		token := f.good(payload().with(object{"jti": "id-3"}))
		var group sync.WaitGroup
		outcome := make(chan string, 64)
		for range 64 {
			group.Go(func() {
				_, err := v.Verify(t.Context(), token)
				outcome <- codeOf(err)
			})
		}
		group.Wait()
		close(outcome)
		count := map[string]int{}
		for code := range outcome {
			count[code]++
		}
		require.Equal(t, map[string]int{"ok": 1, "token_replayed": 63}, count)
	})
	t.Run("no jti", func(t *testing.T) {
		p, err := v.Verify(t.Context(), f.good(payload().with(object{"jti": gone{}})))
		requireRefused(t, p, err, tokenauth.ErrClaims, "token_id_missing")
	})
	t.Run("no refusal uses a token up", func(t *testing.T) {
		for _, fault := range faults {
			s := newSpecimen()
			fault.put(s)
			_, _ = s.authorize(t)
			require.Empty(t, s.witness.used, fault.name)
		}
	})
	t.Run("the same jti of two authorities", func(t *testing.T) {
		w := &witness{}
		a, b := configOf(f), configOf(newForge("HS256", "k2", ""))
		b.Issuers = []string{"https://b.test"}
		a.OneTime, b.OneTime = w, w
		v := newVerifier(t, a, b)
		p, err := v.Verify(t.Context(), token)
		requireAccepted(t, p, err)
		p, err = v.Verify(t.Context(), newForge("HS256", "k2", "").good(payload().with(object{"iss": "https://b.test"})))
		requireAccepted(t, p, err)
		require.Len(t, w.used, 2)
	})
}

// X11: what a key proved counts only as long as the key does.
func TestX11KeyRemovedOrReplaced(t *testing.T) {
	old, other := newForge("HS256", "k1", "old"), newForge("HS256", "k2", "")
	for name, row := range map[string]struct {
		next []tokenauth.Key
		code string
	}{
		"kept beside a new one":      {[]tokenauth.Key{other.key(), old.key()}, "ok"},
		"removed":                    {[]tokenauth.Key{other.key()}, "key_unknown"},
		"replaced under its kid":     {[]tokenauth.Key{newForge("HS256", "k1", "new").key()}, "signature_bad"},
		"another algorithm, its kid": {[]tokenauth.Key{newForge("EdDSA", "k1", "").key()}, "algorithm_wrong"},
		"no key at all":              {nil, "key_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			ring, err := tokenauth.NewKeyRing(old.key())
			require.NoError(t, err)
			cfg := configOf(old)
			cfg.Keys = ring
			v := newVerifier(t, cfg)
			p, err := v.Verify(t.Context(), old.good(payload()))
			requireAccepted(t, p, err)
			require.NoError(t, v.Recheck(t.Context(), p))

			require.NoError(t, ring.Replace(row.next...))
			_, err = v.Verify(t.Context(), old.good(payload()))
			require.Equal(t, row.code, codeOf(err))
			if err = v.Recheck(t.Context(), p); row.code == "ok" {
				require.NoError(t, err)
			} else {
				requireError(t, err, tokenauth.ErrUnknownKey, "key_unknown")
			}
		})
	}
}

// X11 for keys without id, of which a ring holds several: it is the one that made the signature that counts.
func TestX11OneOfSeveralKeysWithoutID(t *testing.T) {
	old, next := newForge("HS256", "", "old"), newForge("HS256", "", "next")
	ring, err := tokenauth.NewKeyRing(old.key())
	require.NoError(t, err)
	cfg := configOf(old)
	cfg.Keys = ring
	v := newVerifier(t, cfg)
	p, err := v.Verify(t.Context(), old.good(payload()))
	requireAccepted(t, p, err)
	for _, step := range []struct {
		name string
		keys []tokenauth.Key
		code string // of the old key's token
	}{
		{"another beside it", []tokenauth.Key{old.key(), next.key()}, "ok"},
		{"in another order", []tokenauth.Key{next.key(), old.key()}, "ok"},
		{"it is dropped", []tokenauth.Key{next.key()}, "signature_bad"},
		{"it is there again", []tokenauth.Key{next.key(), old.key()}, "ok"},
	} {
		require.NoError(t, ring.Replace(step.keys...))
		_, err = v.Verify(t.Context(), old.good(payload()))
		require.Equal(t, step.code, codeOf(err), step.name)
		require.Equal(t, step.code == "ok", v.Recheck(t.Context(), p) == nil, step.name)
	}
}

func TestX12VerifiedBeforeIsNotVerifiedNow(t *testing.T) {
	f := newForge("HS256", "k1", "")
	for name, row := range map[string]struct {
		change func(clock *watch, w *witness)
		code   string
	}{
		"nothing happened": {func(*watch, *witness) {}, "ok"},
		"exp has come":     {func(c *watch, _ *witness) { c.now = noon.Add(time.Hour) }, "token_expired"},
		"revoked":          {func(_ *watch, w *witness) { w.revoked = true }, "token_revoked"},
		"session ended":    {func(_ *watch, w *witness) { w.ended = true }, "session_ended"},
		"epoch bumped":     {func(_ *watch, w *witness) { w.epoch.MinVersion = 4 }, "epoch_stale"},
		"store lost":       {func(_ *watch, w *witness) { w.before = failing(askedRevocation, errOfStore) }, "revocation_unavailable"},
		"no admin now":     {func(_ *watch, w *witness) { w.notAdmin = true }, "admin_refused"},
		"another sender":   {func(_ *watch, w *witness) { w.notSender = true }, "confirm_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			clock, w := &watch{noon}, &witness{}
			cfg := w.everywhere(configOf(f))
			cfg.OneTime, cfg.Now = nil, clock.Now
			v := newVerifier(t, cfg)
			token := f.good(payload().with(object{"sid": "s", "sv": 3, "admin": true, "cnf": object{}}))
			p, err := v.Verify(t.Context(), token)
			requireAccepted(t, p, err)
			row.change(clock, w)
			_, err = v.Verify(t.Context(), token)
			require.Equal(t, row.code, codeOf(err))
			require.Equal(t, row.code, codeOf(v.Recheck(t.Context(), p)), "Recheck answers alike")
		})
	}
}

func TestX13EachVerifierJudgesForItself(t *testing.T) {
	f := newForge("HS256", "k1", "")
	api, web := configOf(f), configOf(f)
	web.Audiences = []string{"web"}
	atAPI, atWeb := newVerifier(t, api), newVerifier(t, web)
	for range 2 {
		p, err := atAPI.Verify(t.Context(), f.good(payload()))
		requireAccepted(t, p, err)
		requireError(t, atWeb.Recheck(t.Context(), p), tokenauth.ErrInvalidToken, "principal_foreign")
		p, err = atWeb.Verify(t.Context(), f.good(payload()))
		requireRefused(t, p, err, tokenauth.ErrAudience, "audience_wrong")
	}
}

func TestX16HeaderMembersThatRefuse(t *testing.T) {
	asked := 0
	f := newForge("HS256", "k1", "")
	cfg := configOf(f)
	cfg.Keys = keysFunc(func(_ context.Context, id string) (tokenauth.Key, error) {
		asked++
		return f.key().Key(t.Context(), id)
	})
	v := newVerifier(t, cfg)
	values := []any{nil, "", "x", "https://keys.test/", true, false, 0, []string{}, []string{"exp"}, object{}, object{"kty": "oct", "k": "AA"}}
	for _, name := range []string{"crit", "b64", "zip", "cty", "jwk", "jku", "x5u", "x5c"} {
		for _, value := range values {
			p, err := v.Verify(t.Context(), f.token(f.header().with(object{name: value}), payload()))
			requireRefused(t, p, err, tokenauth.ErrMalformed, "header_refused")
			require.ErrorContains(t, err, name, "it is named")
		}
		p, err := v.Verify(t.Context(), f.token(f.header().with(object{strings.ToUpper(name): "x"}), payload()))
		requireRefused(t, p, err, tokenauth.ErrMalformed, "header_malformed")
	}
	require.Zero(t, asked, "not even a key set is asked")

	t.Run("other unknown members are ignored", func(t *testing.T) {
		header := f.header().with(object{"x5t": "abc", "nonce": object{"jku": "https://keys.test/"}, "iss": "https://else.test"})
		p, err := v.Verify(t.Context(), f.token(header, payload()))
		requireAccepted(t, p, err)
		cfg := configOf(f)
		cfg.ClosedHeader = true
		v := newVerifier(t, cfg)
		p, err = v.Verify(t.Context(), f.token(header, payload()))
		requireRefused(t, p, err, tokenauth.ErrMalformed, "header_refused")
		p, err = v.Verify(t.Context(), f.good(payload()))
		requireAccepted(t, p, err)
	})
}

// The key fixes the algorithm. Where the header says another, the token is refused before anybody computes a signature by it.
func TestHeaderChoosesNoAlgorithm(t *testing.T) {
	hs, rs := newForge("HS256", "k1", ""), newForge("RS256", "k1", "")
	for name, row := range map[string]struct {
		key   forge
		token string
		code  string
	}{
		"none":                              {hs, segment(`{"alg":"none","kid":"k1","typ":"at+jwt"}`) + "." + segment(payload().String()) + ".AA", "algorithm_wrong"},
		"none, without signature":           {hs, segment(`{"alg":"none","kid":"k1","typ":"at+jwt"}`) + "." + segment(payload().String()) + ".", "token_malformed"},
		"HS256 by the letters, HS384 by it": {hs, forge{"HS384", "k1", hs.private}.token(hs.header(), payload()), "signature_bad"},
		"HS384 in the header":               {hs, hs.token(hs.header().with(object{"alg": "HS384"}), payload()), "algorithm_wrong"},
		"hs256":                             {hs, hs.token(hs.header().with(object{"alg": "hs256"}), payload()), "algorithm_wrong"},
		"PS256 with the RS256 key":          {rs, newForge("PS256", "k1", "").good(payload()), "algorithm_wrong"},
		"PS256 under an RS256 header":       {rs, newForge("PS256", "k1", "").token(rs.header(), payload()), "signature_bad"},
		"HS256 for an RS256 key":            {rs, hs.good(payload()), "algorithm_wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newVerifier(t, configOf(row.key)).Verify(t.Context(), row.token)
			requireRefused(t, p, err, tokenauth.ErrInvalidToken, row.code)
		})
	}
}

// A key set that answers with another key than it was asked for has not answered.
func TestKeySetIsHeldToTheKid(t *testing.T) {
	f, nameless := newForge("HS256", "k1", ""), newForge("HS256", "", "")
	for name, row := range map[string]struct {
		keys  tokenauth.KeySet
		token string
		code  string
	}{
		"its key":                  {f.key(), f.good(payload()), "ok"},
		"no kid, its key":          {nameless.key(), nameless.good(payload()), "ok"},
		"no kid, has kid":          {f.key(), f.token(nameless.header(), payload()), "key_unknown"},
		"kid, has none":            {nameless.key(), nameless.token(f.header(), payload()), "key_unknown"},
		"kid in capitals":          {f.key(), f.token(f.header().with(object{"kid": "K1"}), payload()), "key_unknown"},
		"answers always":           {keysFunc(func(context.Context, string) (tokenauth.Key, error) { return f.key(), nil }), f.token(f.header().with(object{"kid": "k2"}), payload()), "key_unknown"},
		"answers zero Key":         {keysFunc(func(context.Context, string) (tokenauth.Key, error) { return tokenauth.Key{}, nil }), f.good(payload()), "key_unknown"},
		"answers zero Key, no kid": {keysFunc(func(context.Context, string) (tokenauth.Key, error) { return tokenauth.Key{}, nil }), nameless.good(payload()), "key_unknown"},
		"unknown, for want of an answer": {keysFunc(func(context.Context, string) (tokenauth.Key, error) {
			return tokenauth.Key{}, fmt.Errorf("the set: %w, %w", tokenauth.ErrUnknownKey, tokenauth.ErrUnavailable)
		}), f.good(payload()), "keys_unavailable"},
		"a wrapped unknown": {keysFunc(func(context.Context, string) (tokenauth.Key, error) {
			return tokenauth.Key{}, fmt.Errorf("the set: %w", tokenauth.ErrUnknownKey)
		}), f.good(payload()), "key_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configOf(f)
			cfg.Keys = row.keys
			_, err := newVerifier(t, cfg).Verify(t.Context(), row.token)
			require.Equal(t, row.code, codeOf(err), "%v", err)
		})
	}
}

// X16, the second half: a token that is bound to its sender is never taken for a plain bearer's.
func TestX16Confirmation(t *testing.T) {
	f := newForge("HS256", "k1", "")
	bound := func(cnf any) string { return f.good(payload().with(object{"cnf": cnf})) }
	for _, cnf := range []any{nil, "", false, object{}, []string{}, object{"jkt": "abc"}} {
		p, err := newVerifier(t, configOf(f)).Verify(t.Context(), bound(cnf))
		requireRefused(t, p, err, tokenauth.ErrClaims, "confirm_not_configured")
		require.ErrorContains(t, err, "VerifierConfig.Confirm")
	}

	cfg := configOf(f)
	var given string
	cfg.Confirm = func(_ context.Context, cnf json.RawMessage) (bool, error) {
		given = string(cnf)
		copy(cnf, "xxxxxxxx")
		return true, nil
	}
	v := newVerifier(t, cfg)
	p, err := v.Verify(t.Context(), bound(raw(`{"jkt":"abc"}`)))
	requireAccepted(t, p, err)
	require.Equal(t, `{"jkt":"abc"}`, given)
	require.Equal(t, `{"jkt":"abc"}`, string(p.Claims().Extra["cnf"]), "the hook had a copy")
	given = ""
	p, err = v.Verify(t.Context(), f.good(payload()))
	requireAccepted(t, p, err)
	require.Empty(t, given, "not asked about a token without cnf")
}

func TestX17InspectAndRecheckUseNothingUp(t *testing.T) {
	f, w := newForge("HS256", "k1", ""), &witness{}
	cfg := configOf(f)
	cfg.OneTime = w
	v := newVerifier(t, cfg)
	token := f.good(payload())
	look := func() {
		p, err := v.Inspect(t.Context(), token)
		requireAccepted(t, p, err)
		require.NoError(t, v.Recheck(t.Context(), p))
		require.Empty(t, w.calls())
	}
	look()
	p, err := v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	require.Equal(t, []string{askedOneTime}, w.calls())
	look()
	p, err = v.Authorize(t.Context(), token, "deployment", "web", tokenauth.LevelRead)
	requireRefused(t, p, err, tokenauth.ErrForbidden, "scope_insufficient")
	require.Empty(t, w.calls())
	admin := f.good(payload().with(object{"jti": "id-2", "roles": []string{"admin"}}))
	p, err = v.Authorize(t.Context(), admin, "deployment", "web", tokenauth.LevelRead)
	requireAccepted(t, p, err)
	p, err = v.Authorize(t.Context(), admin, "deployment", "web", tokenauth.LevelRead)
	requireRefused(t, p, err, tokenauth.ErrReplayed, "token_replayed")

	p, err = v.Inspect(t.Context(), f.good(payload().with(object{"jti": gone{}})))
	requireRefused(t, p, err, tokenauth.ErrClaims, "token_id_missing")
}

func TestInspectAsksEverybodyElse(t *testing.T) {
	s := newSpecimen()
	p, err := newVerifier(t, s.cfg).Inspect(t.Context(), s.token())
	requireAccepted(t, p, err)
	require.Equal(t, []string{askedRevocation, askedSession, askedEpoch, askedAdmin, askedConfirm}, s.witness.calls())
}

func TestRecheckAsksEverybodyElse(t *testing.T) {
	s := newSpecimen()
	v := newVerifier(t, s.cfg)
	p, err := v.Verify(t.Context(), s.token())
	requireAccepted(t, p, err)
	s.witness.calls()
	require.NoError(t, v.Recheck(t.Context(), p))
	require.Equal(t, []string{askedRevocation, askedSession, askedEpoch, askedAdmin, askedConfirm}, s.witness.calls())
	for _, f := range faults {
		if f.step == 9 && f.last != askedOneTime {
			f.put(s)
			requireError(t, v.Recheck(t.Context(), p), f.want, f.code)
			*s.witness = witness{}
		}
	}
	require.ErrorIs(t, v.Recheck(t.Context(), nil), tokenauth.ErrMissingToken)
	require.ErrorIs(t, v.Recheck(t.Context(), &tokenauth.Principal{}), tokenauth.ErrMissingToken)
}

// Recheck asks the key set, and so may find that nobody knows.
func TestRecheckWhenKeysAreDown(t *testing.T) {
	f := newForge("HS256", "k1", "")
	var down error
	cfg := configOf(f)
	cfg.Keys = keysFunc(func(ctx context.Context, id string) (tokenauth.Key, error) { return f.key(), down })
	v := newVerifier(t, cfg)
	p, err := v.Verify(t.Context(), f.good(payload()))
	requireAccepted(t, p, err)
	down = errOfStore
	err = v.Recheck(t.Context(), p)
	requireError(t, err, tokenauth.ErrUnavailable, "keys_unavailable")
	require.ErrorIs(t, err, errOfStore)
}

func TestAuthorizeAsksTheTokensScopes(t *testing.T) {
	f := newForge("HS256", "k1", "")
	v := newVerifier(t, configOf(f))
	token := f.good(payload().with(object{"scopes": []object{
		{"resource_kind": "deployment", "resource_id": "web", "level": "execute"},
		{"resource_kind": "secret", "resource_id": nil, "level": "read"},
	}}))
	for _, row := range []struct {
		kind, id string
		level    tokenauth.PermissionLevel
		code     string
	}{
		{"deployment", "web", tokenauth.LevelRead, "ok"},
		{"deployment", "web", tokenauth.LevelExecute, "ok"},
		{"deployment", "web", tokenauth.LevelWrite, "scope_insufficient"},
		{"deployment", "api", tokenauth.LevelRead, "scope_insufficient"},
		{"deployment", tokenauth.AnyResource, tokenauth.LevelRead, "scope_insufficient"},
		{"secret", "x", tokenauth.LevelRead, "ok"},
		{"secret", tokenauth.AnyResource, tokenauth.LevelRead, "ok"},
		{"secret", "x", tokenauth.LevelExecute, "scope_insufficient"},
		{"", "web", tokenauth.LevelRead, "question_ill_formed"},
		{"deployment", "", tokenauth.LevelRead, "question_ill_formed"},
		{"deployment", "web", tokenauth.LevelNone, "question_ill_formed"},
		{"deployment", "web", 9, "question_ill_formed"},
	} {
		p, err := v.Authorize(t.Context(), token, row.kind, row.id, row.level)
		require.Equal(t, row.code, codeOf(err), "%+v", row)
		require.Equal(t, err == nil, p != nil)
	}
	p, err := v.Verify(t.Context(), f.good(payload()))
	requireAccepted(t, p, err) // Verify asks no scope question
}

func TestZeroVerifierRefusesEverything(t *testing.T) {
	var v tokenauth.Verifier
	f := newForge("HS256", "k1", "")
	for _, token := range []string{"", "a", f.good(payload())} {
		p, err := v.Verify(t.Context(), token)
		require.Nil(t, p)
		require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
		p, err = v.Authorize(t.Context(), token, "deployment", "web", tokenauth.LevelRead)
		require.Nil(t, p)
		require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
	}
	p, err := newVerifier(t, configOf(f)).Verify(t.Context(), f.good(payload()))
	requireAccepted(t, p, err)
	require.ErrorIs(t, v.Recheck(t.Context(), p), tokenauth.ErrInvalidToken)
	require.Empty(t, v.Describe())
}
