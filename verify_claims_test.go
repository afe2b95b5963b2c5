package tokenauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Step 7: what a verifier makes of claims that are well formed and signed. C7 to C15 are cases that this library promises to answer
// as stated here; the other halves of these rows, about Claims by themselves, are claims_test.go's.

func TestC7ClosedClaims(t *testing.T) {
	f := newForge("HS256", "k1", "")
	const tenant = `{"id": 7.50, "i\u0064s": [1e0 ]}`
	token := f.good(text(strings.Replace(payload().with(object{"region": "eu", "tenant": 0}).String(), `"tenant":0`, `"tenant": `+tenant, 1)))
	verify := func(change func(*tokenauth.VerifierConfig)) (*tokenauth.Principal, error) {
		cfg := configOf(f)
		change(&cfg)
		return newVerifier(t, cfg).Verify(t.Context(), token)
	}
	p, err := verify(func(*tokenauth.VerifierConfig) {})
	requireAccepted(t, p, err)
	require.Equal(t, tenant, string(p.Claims().Extra["tenant"]), "kept byte for byte where claims are open")

	p, err = verify(func(cfg *tokenauth.VerifierConfig) { cfg.ClosedClaims = true })
	requireRefused(t, p, err, tokenauth.ErrClaims, "claims_unknown")
	require.ErrorContains(t, err, "region", "named, the first by the alphabet")
	p, err = verify(func(cfg *tokenauth.VerifierConfig) { cfg.ClosedClaims, cfg.KnownClaims = true, []string{"region"} })
	requireRefused(t, p, err, tokenauth.ErrClaims, "claims_unknown")
	require.ErrorContains(t, err, "tenant")
	p, err = verify(func(cfg *tokenauth.VerifierConfig) {
		cfg.ClosedClaims, cfg.KnownClaims = true, []string{"tenant", "region"}
	})
	requireAccepted(t, p, err)
	p, err = verify(func(cfg *tokenauth.VerifierConfig) {
		cfg.ClosedClaims, cfg.KnownClaims = true, []string{"Tenant", "region"}
	})
	requireRefused(t, p, err, tokenauth.ErrClaims, "claims_unknown")
}

// C13: nobody sees the claims of an account type that does not exist: no hook, no observer, no caller.
func TestC13AccountTypes(t *testing.T) {
	f := newForge("HS256", "k1", "")
	for value, code := range map[any]string{
		"human": "ok", "ai_agent": "ok", "programmable": "ok", gone{}: "ok",
		"robot": "account_type_unknown", "Human": "account_type_unknown", " human": "account_type_unknown", "": "claims_malformed", 1: "claims_malformed",
	} {
		t.Run(fmt.Sprint(value), func(t *testing.T) {
			w, seen := &witness{}, false
			cfg := w.everywhere(configOf(f))
			cfg.AccountTypes = []string{"human", "ai_agent", "programmable"}
			cfg.Adapt = func(*tokenauth.Claims) error { seen = true; return nil }
			_, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(object{"account_type": value, "admin": true})))
			require.Equal(t, code, codeOf(err))
			require.Equal(t, code == "ok", seen)
			require.Equal(t, code == "ok", len(w.calls()) > 0)
		})
	}
	p, err := newVerifier(t, configOf(f)).Verify(t.Context(), f.good(payload().with(object{"account_type": "robot"})))
	requireAccepted(t, p, err) // where the set is not closed
}

func TestC14AdminHintDecidesNothing(t *testing.T) {
	f := newForge("HS256", "k1", "")
	yes := func(context.Context, *tokenauth.Claims) (bool, error) { return true, nil }
	no := func(context.Context, *tokenauth.Claims) (bool, error) { return false, nil }
	unknown := func(context.Context, *tokenauth.Claims) (bool, error) { return true, errOfStore }
	hint, role := object{"admin": true}, object{"roles": []string{"admin"}}
	for _, row := range []struct {
		name  string
		token object
		check func(context.Context, *tokenauth.Claims) (bool, error)
		code  string
		may   bool // do anything
	}{
		{"hint, no check", hint, nil, "admin_not_configured", false},
		{"hint, agreed", hint, yes, "ok", false},
		{"hint, not agreed", hint, no, "admin_refused", false},
		{"hint, check down", hint, unknown, "admin_check_unavailable", false},
		{"role, no check", role, nil, "ok", true},
		{"role, agreed", role, yes, "ok", true},
		{"role, not agreed", role, no, "admin_refused", false},
		{"role, check down", role, unknown, "admin_check_unavailable", false},
		{"admin: false, no check", object{"admin": false}, nil, "ok", false},
		{"admin: false, check would say no", object{"admin": false}, no, "ok", false},
		{"role Admin, check would say no (C3)", object{"roles": []string{"Admin"}}, no, "ok", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := configOf(f)
			cfg.AdminCheck = row.check
			p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(row.token)))
			require.Equal(t, row.code, codeOf(err))
			require.Equal(t, row.may, p.Satisfies("deployment", "web", tokenauth.LevelWrite))
		})
	}

	t.Run("asked about a copy", func(t *testing.T) {
		cfg := configOf(f)
		var kept *tokenauth.Claims
		cfg.AdminCheck = func(_ context.Context, c *tokenauth.Claims) (bool, error) {
			kept = c
			c.Subject, c.Roles[0] = "mallory", "root"
			return true, nil
		}
		p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(role)))
		requireAccepted(t, p, err)
		kept.Roles[0] = "nobody"
		require.Equal(t, "alice", p.Subject())
		require.Equal(t, []string{"admin"}, p.Claims().Roles)
	})
	t.Run("asked after revocation, and not about the dead", func(t *testing.T) {
		w := &witness{revoked: true}
		p, err := newVerifier(t, w.everywhere(configOf(f))).Verify(t.Context(), f.good(payload().with(hint)))
		requireRefused(t, p, err, tokenauth.ErrRevoked, "token_revoked")
		require.Equal(t, []string{askedRevocation}, w.calls())
	})
	t.Run("asked even where nothing else is", func(t *testing.T) {
		w := &witness{notAdmin: true}
		cfg := configOf(f)
		cfg.AdminCheck = w.AdminCheck
		p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(role).with(object{"jti": gone{}})))
		requireRefused(t, p, err, tokenauth.ErrAdminRefused, "admin_refused")
	})
}

func TestC15ActorChains(t *testing.T) {
	f := newForge("HS256", "k1", "")
	chain := func(depth int) any {
		act := object{"sub": "innermost"}
		for range depth - 1 {
			act = object{"sub": "agent", "act": act}
		}
		return act
	}
	for name, row := range map[string]struct {
		act  any
		code string
	}{
		"4 deep":       {chain(4), "ok"},
		"5 deep":       {chain(5), "claims_malformed"},
		"1000 deep":    {chain(1000), "claims_malformed"},
		"null":         {nil, "ok"},
		"a text":       {"agent", "claims_malformed"},
		"a list":       {[]object{{"sub": "agent"}}, "claims_malformed"},
		"nobody":       {object{}, "claims_malformed"},
		"more than it": {object{"sub": "agent", "iss": "https://else.test"}, "claims_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configOf(f)
			cfg.MaxTokenBytes = 1 << 20
			_, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(object{"act": row.act})))
			require.Equal(t, row.code, codeOf(err))
		})
	}
}

func TestAdaptTranslatesProvenClaims(t *testing.T) {
	f := newForge("HS256", "k1", "")
	type claims = tokenauth.Claims
	verify := func(cfg tokenauth.VerifierConfig, change object) (*tokenauth.Principal, error) {
		return newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(change)))
	}

	t.Run("what it says counts", func(t *testing.T) {
		w := &witness{}
		cfg := w.everywhere(configOf(f))
		cfg.Adapt = func(c *claims) error {
			c.Subject, c.Roles = "partner:"+c.Subject, append(c.Roles, "guest")
			return nil
		}
		p, err := verify(cfg, object{"roles": []string{"operator"}, "sid": "s-1"})
		requireAccepted(t, p, err)
		require.Equal(t, "partner:alice", p.Subject())
		require.True(t, p.HasRole("guest"))
		require.Equal(t, "partner:alice s-1", w.about[askedSession], "the stores are asked in the words of the service")
		require.Equal(t, "partner:alice", w.about[askedEpoch])
	})
	t.Run("what was proven stays", func(t *testing.T) {
		cfg := (&witness{}).everywhere(configOf(f))
		cfg.Adapt = func(c *claims) error {
			c.Issuer, c.ID = "https://else.test", "id-2"
			c.ExpiresAt, c.IssuedAt, c.NotBefore = noon.Add(9*time.Hour), noon, noon.Add(-9*time.Hour)
			c.SessionID, c.SessionVersion = "", 0
			c.Extra = nil
			return nil
		}
		p, err := verify(cfg, object{"sid": "s-1", "sv": 3, "cnf": object{"jkt": "abc"}})
		requireAccepted(t, p, err)
		got := p.Claims()
		require.Equal(t, "https://issuer.test", got.Issuer)
		require.Equal(t, "id-1", got.ID)
		require.Equal(t, []time.Time{noon.Add(time.Hour), noon.Add(-time.Minute), {}}, []time.Time{got.ExpiresAt, got.IssuedAt, got.NotBefore})
		require.Equal(t, "s-1", got.SessionID)
		require.EqualValues(t, 3, got.SessionVersion)
		require.Equal(t, `{"jkt":"abc"}`, string(got.Extra["cnf"]))
	})
	t.Run("what it forgets is asked all the same", func(t *testing.T) {
		for code, put := range map[string]func(*config, *witness){
			"token_revoked":           func(_ *config, w *witness) { w.revoked = true },
			"session_ended":           func(_ *config, w *witness) { w.ended = true },
			"epoch_stale":             func(_ *config, w *witness) { w.epoch.MinVersion = 4 },
			"confirm_refused":         func(_ *config, w *witness) { w.notSender = true },
			"sessions_not_configured": func(c *config, _ *witness) { c.Sessions = nil },
			"epochs_not_configured":   func(c *config, _ *witness) { c.Epochs = nil },
			"confirm_not_configured":  func(c *config, _ *witness) { c.Confirm = nil },
		} {
			w := &witness{}
			cfg := w.everywhere(configOf(f))
			put(&cfg, w)
			for _, forget := range []func(*claims){
				func(c *claims) { *c = claims{Subject: c.Subject} },
				func(c *claims) { c.ID, c.SessionID, c.SessionVersion = "id-2", "s-2", 9; delete(c.Extra, "cnf") },
			} {
				cfg.Adapt = func(c *claims) error { forget(c); return nil }
				_, err := verify(cfg, object{"sid": "s-1", "sv": 3, "cnf": object{"jkt": "abc"}})
				require.Equal(t, code, codeOf(err))
				for name, about := range map[string]string{askedRevocation: "id-1", askedSession: "alice s-1", askedConfirm: `{"jkt":"abc"}`} {
					require.Contains(t, []string{"", about}, w.about[name], "asked about what was signed, if at all")
				}
			}
		}
	})
	t.Run("a bound that it finds in a foreign member binds", func(t *testing.T) {
		for _, row := range []struct {
			adapt       func(*claims) error
			witness     *witness
			asked, none string // codes, with stores and hooks and without
		}{
			{func(c *claims) error { c.SessionID = "s-1"; return nil }, &witness{ended: true}, "session_ended", "sessions_not_configured"},
			{func(c *claims) error { c.SessionVersion = 3; return nil }, &witness{epoch: tokenauth.Epoch{MinVersion: 3}}, "ok", "epochs_not_configured"},
			{func(c *claims) error { return c.SetExtra("cnf", "abc") }, &witness{notSender: true}, "confirm_refused", "confirm_not_configured"},
		} {
			cfg := row.witness.everywhere(configOf(f))
			cfg.Adapt = row.adapt
			_, err := verify(cfg, nil)
			require.Equal(t, row.asked, codeOf(err))
			cfg.Sessions, cfg.Epochs, cfg.Confirm = nil, nil, nil
			_, err = verify(cfg, nil)
			require.Equal(t, row.none, codeOf(err))
		}
	})
	t.Run("it makes nothing that no token could say", func(t *testing.T) {
		for name, adapt := range map[string]func(*claims) error{
			"no subject":        func(c *claims) error { c.Subject = ""; return nil },
			"everybody":         func(c *claims) error { c.Subject = "*"; return nil },
			"an empty role":     func(c *claims) error { c.Roles = []string{""}; return nil },
			"a scope of no id":  func(c *claims) error { c.Scopes = []tokenauth.TokenScope{{ResourceKind: "a", Level: 1}}; return nil },
			"an error":          func(*claims) error { return errOfStore },
			"one of our errors": func(*claims) error { return tokenauth.ErrUnavailable },
		} {
			cfg := configOf(f)
			cfg.Adapt = adapt
			p, err := verify(cfg, nil)
			requireRefused(t, p, err, tokenauth.ErrClaims, "adapt_refused")
			require.NotContains(t, err.Error(), "203.0.113.7", name)
		}
	})
	t.Run("NoAdmin drops what it makes", func(t *testing.T) {
		cfg := configOf(f)
		cfg.NoAdmin = true
		cfg.Adapt = func(c *claims) error { c.Roles = []string{"admin", "guest", "admin"}; return nil }
		p, err := verify(cfg, nil)
		requireAccepted(t, p, err)
		require.Equal(t, []string{"guest"}, p.Claims().Roles)
	})
	t.Run("what it keeps changes nothing", func(t *testing.T) {
		var kept *claims
		var roles []string
		var extra map[string]json.RawMessage
		cfg := configOf(f)
		cfg.Adapt = func(c *claims) error {
			c.Extra = map[string]json.RawMessage{"tenant": json.RawMessage(`"a"`)}
			kept, roles, extra = c, c.Roles, c.Extra
			return nil
		}
		p, err := verify(cfg, object{"roles": []string{"operator"}})
		requireAccepted(t, p, err)
		before := p.Claims()
		kept.Subject, kept.Roles, roles[0] = "mallory", []string{"admin"}, "admin"
		extra["tenant"][1], extra["cnf"] = 'b', json.RawMessage("{}")
		require.Equal(t, before, p.Claims())
		require.False(t, p.IsAdmin())
	})
}
