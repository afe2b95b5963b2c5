package tokenauth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// X15: several authorities behind one verifier. Their keys are never one set, whatever their ids, and a token is judged wholly by the
// authority whose key made its signature.

// Two authorities whose keys go by the same kid.
func twoForges() (a, b forge) {
	return newForge("HS256", "k1", "a"), newForge("HS256", "k1", "b")
}

func twoConfigs(a, b forge) (tokenauth.VerifierConfig, tokenauth.VerifierConfig) {
	atA, atB := configOf(a), configOf(b)
	atA.Issuers, atB.Issuers = []string{"https://a.test"}, []string{"https://b.test"}
	return atA, atB
}

func from(issuer string, change object) object {
	return payload().with(object{"iss": issuer}).with(change)
}

func TestX15EachTokenIsJudgedByItsOwnAuthority(t *testing.T) {
	a, b := twoForges()
	admin, long := object{"roles": []string{"admin", "operator"}}, object{"pad": strings.Repeat("x", 8000)}
	for name, row := range map[string]struct {
		change func(atA, atB *config)
		byA    object // what A's key signs, and what the answer is
		codeA  string
		byB    object
		codeB  string
	}{
		"same kid, each its own":          {func(*config, *config) {}, nil, "ok", nil, "ok"},
		"A signs for B, and B for A":      {func(*config, *config) {}, object{"iss": "https://b.test"}, "issuer_wrong", object{"iss": "https://a.test"}, "issuer_wrong"},
		"one name, two authorities":       {func(_, b *config) { b.Issuers = []string{"https://a.test"} }, nil, "ok", object{"iss": "https://a.test"}, "ok"},
		"audiences":                       {func(_, b *config) { b.Audiences = []string{"web"} }, object{"aud": "web"}, "audience_wrong", object{"aud": "web"}, "ok"},
		"types":                           {func(_, b *config) { b.Types = []string{"JWT"} }, nil, "ok", nil, "type_wrong"},
		"lifetime":                        {func(_, b *config) { b.MaxLifetime = time.Minute }, nil, "ok", nil, "lifetime_too_long"},
		"closed claims":                   {func(_, b *config) { b.ClosedClaims = true }, object{"x": 1}, "ok", object{"x": 1}, "claims_unknown"},
		"leeway":                          {func(_, b *config) { b.Leeway = time.Minute }, object{"exp": noon.Unix()}, "token_expired", object{"exp": noon.Unix()}, "ok"},
		"clock":                           {func(_, b *config) { b.Now = func() time.Time { return noon.Add(time.Hour) } }, nil, "ok", nil, "token_expired"},
		"a store and a stance":            {func(a, _ *config) { a.Revocation = &witness{revoked: true} }, nil, "token_revoked", nil, "ok"},
		"sessions stated by one":          {func(a, _ *config) { a.Sessions = &witness{} }, object{"sid": "s"}, "ok", object{"sid": "s"}, "sessions_not_configured"},
		"one-time use at one":             {func(a, _ *config) { a.OneTime = &witness{} }, object{"jti": gone{}}, "token_id_missing", object{"jti": gone{}}, "ok"},
		"Adapt of one":                    {func(a, _ *config) { a.Adapt = func(*tokenauth.Claims) error { return errOfStore } }, nil, "adapt_refused", nil, "ok"},
		"AdminCheck of one":               {func(a, _ *config) { a.AdminCheck = (&witness{notAdmin: true}).AdminCheck }, admin, "admin_refused", admin, "ok"},
		"AdminCheck is not asked NoAdmin": {func(a, _ *config) { a.NoAdmin, a.AdminCheck = true, (&witness{notAdmin: true}).AdminCheck }, admin, "ok", admin, "ok"},
		"a longer token at one":           {func(a, _ *config) { a.MaxTokenBytes = 20_000 }, long, "ok", long, "signature_bad"},
		// With B the token comes farther, so that B's refusal is the answer.
		"longest token of one": {func(a, _ *config) { a.MaxTokenBytes = 100 }, nil, "signature_bad", nil, "ok"},
		"algorithms of one":    {func(a, _ *config) { a.Algorithms = []string{"EdDSA"} }, nil, "signature_bad", nil, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			atA, atB := twoConfigs(a, b)
			row.change(&atA, &atB)
			for _, v := range []*tokenauth.Verifier{newVerifier(t, atA, atB), newVerifier(t, atB, atA)} {
				_, err := v.Verify(t.Context(), a.good(from("https://a.test", row.byA)))
				require.Equal(t, row.codeA, codeOf(err), "A's: %v", err)
				_, err = v.Verify(t.Context(), b.good(from("https://b.test", row.byB)))
				require.Equal(t, row.codeB, codeOf(err), "B's: %v", err)
			}
		})
	}
}

// A closed header of one authority says nothing about the tokens of another.
func TestX15ClosedHeaderOfOne(t *testing.T) {
	a, b := twoForges()
	atA, atB := twoConfigs(a, b)
	atA.ClosedHeader = true
	v := newVerifier(t, atA, atB)
	open := object{"nonce": "x"}
	p, err := v.Verify(t.Context(), b.token(b.header().with(open), from("https://b.test", nil)))
	requireAccepted(t, p, err)
	_, err = v.Verify(t.Context(), a.token(a.header().with(open), from("https://a.test", nil)))
	require.ErrorIs(t, err, tokenauth.ErrInvalidToken)
}

func TestX15NoAdminDropsTheRoleOfOne(t *testing.T) {
	ours, theirs := twoForges()
	atOurs, atTheirs := twoConfigs(ours, theirs)
	atTheirs.NoAdmin = true
	v := newVerifier(t, atOurs, atTheirs)
	admin := object{"roles": []string{"admin", "operator", "admin"}}

	p, err := v.Authorize(t.Context(), ours.good(from("https://a.test", admin)), "deployment", "web", tokenauth.LevelWrite)
	requireAccepted(t, p, err)
	require.True(t, p.IsAdmin())

	token := theirs.good(from("https://b.test", admin))
	p, err = v.Authorize(t.Context(), token, "deployment", "web", tokenauth.LevelWrite)
	requireRefused(t, p, err, tokenauth.ErrForbidden, "scope_insufficient")
	p, err = v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	require.False(t, p.IsAdmin())
	require.False(t, p.HasRole("admin"))
	require.Equal(t, []string{"operator"}, p.Claims().Roles, "only that role is dropped")
	require.ErrorIs(t, p.RequireRole("admin"), tokenauth.ErrForbidden)
}

// A key is unknown only if all authorities say so; and where one cannot be asked, nobody knows, unless another has accepted.
func TestX15WhichRefusalIsTheAnswer(t *testing.T) {
	a, b := twoForges()
	token := b.good(from("https://b.test", nil))
	unknown := newForge("HS256", "k2", "").key()
	down := keysFunc(func(context.Context, string) (tokenauth.Key, error) { return tokenauth.Key{}, errOfStore })
	other := newForge("EdDSA", "k1", "").key()
	for name, row := range map[string]struct {
		keys []tokenauth.KeySet
		code string
	}{
		"all say unknown":                 {[]tokenauth.KeySet{unknown, unknown}, "key_unknown"},
		"one knows it, signature bad":     {[]tokenauth.KeySet{unknown, a.key()}, "signature_bad"},
		"one knows it, another algorithm": {[]tokenauth.KeySet{unknown, other}, "algorithm_wrong"},
		"signature beats algorithm":       {[]tokenauth.KeySet{other, a.key()}, "signature_bad"},
		"one is down, one unknown":        {[]tokenauth.KeySet{down, unknown}, "keys_unavailable"},
		"one is down, one refuses":        {[]tokenauth.KeySet{down, a.key()}, "keys_unavailable"},
		"all are down":                    {[]tokenauth.KeySet{down, down}, "keys_unavailable"},
		"one is down, one accepts":        {[]tokenauth.KeySet{down, b.key()}, "ok"},
		"one unknown, one accepts":        {[]tokenauth.KeySet{unknown, b.key()}, "ok"},
		"bad, unknown, down, good":        {[]tokenauth.KeySet{a.key(), unknown, down, b.key()}, "ok"},
		"eight, the last accepts":         {[]tokenauth.KeySet{a.key(), a.key(), a.key(), a.key(), a.key(), a.key(), a.key(), b.key()}, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			forward, backward := configsWith(row.keys, false), configsWith(row.keys, true)
			for _, cfg := range [][]tokenauth.VerifierConfig{forward, backward} {
				p, err := newVerifier(t, cfg...).Verify(t.Context(), token)
				require.Equal(t, row.code, codeOf(err), "%v", err)
				require.Equal(t, err == nil, p != nil)
			}
		})
	}
}

// configsWith returns an authority of B for each key set, in their order or the other.
func configsWith(sets []tokenauth.KeySet, backward bool) []tokenauth.VerifierConfig {
	cfg := make([]tokenauth.VerifierConfig, len(sets))
	for i, keys := range sets {
		at := i
		if backward {
			at = len(sets) - 1 - i
		}
		cfg[at] = configOf(newForge("HS256", "k1", "b"))
		cfg[at].Issuers, cfg[at].Keys = []string{"https://b.test"}, keys
	}
	return cfg
}

// A key set that has to be fetched delays no token of an authority whose keys are in memory, wherever it stands in the list.
func TestX15KeysInMemoryAreTriedFirst(t *testing.T) {
	a, b := twoForges()
	asked := 0
	atA, atB := twoConfigs(a, b)
	atA.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) { asked++; return tokenauth.Key{}, errOfStore })
	v := newVerifier(t, atA, atB)
	p, err := v.Verify(t.Context(), b.good(from("https://b.test", nil)))
	requireAccepted(t, p, err)
	require.Zero(t, asked)
	p, err = v.Verify(t.Context(), a.good(from("https://a.test", nil)))
	requireRefused(t, p, err, tokenauth.ErrUnavailable, "keys_unavailable")
	require.Equal(t, 1, asked)
}

// What was found out while an authority did not answer is good for once: its key may be the one, and it is asked the next time.
func TestX15NothingIsRememberedWhileAnAuthorityIsDown(t *testing.T) {
	a, b := twoForges()
	asked, answer := 0, errOfStore
	atA, atB := twoConfigs(a, b)
	atA.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) { asked++; return tokenauth.Key{}, answer })
	atB.Keys = keysFunc(b.key().Key)
	v := newVerifier(t, atA, atB)
	for _, row := range []struct {
		answer error
		asked  int // so far
	}{{errOfStore, 1}, {errOfStore, 2}, {tokenauth.ErrUnknownKey, 3}, {tokenauth.ErrUnknownKey, 3}, {errOfStore, 3}} {
		answer = row.answer
		p, err := v.Verify(t.Context(), b.good(from("https://b.test", nil)))
		requireAccepted(t, p, err)
		require.Equal(t, row.asked, asked)
	}
}

func TestX15RecheckAsksTheAuthorityThatJudged(t *testing.T) {
	a, b := twoForges()
	atA, atB := twoConfigs(a, b)
	askA, askB := &witness{}, &witness{}
	atA.Revocation, atB.Revocation = askA, askB
	v := newVerifier(t, atA, atB)
	p, err := v.Verify(t.Context(), b.good(from("https://b.test", nil)))
	requireAccepted(t, p, err)
	require.Empty(t, askA.calls())
	require.Len(t, askB.calls(), 1)
	askA.revoked = true
	require.NoError(t, v.Recheck(t.Context(), p))
	askB.revoked = true
	requireError(t, v.Recheck(t.Context(), p), tokenauth.ErrRevoked, "token_revoked")

	twin := newVerifier(t, atA, atB)
	requireError(t, twin.Recheck(t.Context(), p), tokenauth.ErrInvalidToken, "principal_foreign")
}

func TestMaxTokenBytes(t *testing.T) {
	f := newForge("HS256", "k1", "")
	padded := func(n int) string { return f.good(payload().with(object{"pad": strings.Repeat("x", n)})) }
	for _, limit := range []int{0, 1000, 8 << 10, 100_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			cfg := configOf(f)
			cfg.MaxTokenBytes = limit
			v := newVerifier(t, cfg)
			most := limit
			if limit == 0 {
				most = 8 << 10
			}
			n := (most-len(padded(0)))*3/4 - 8
			for len(padded(n+1)) <= most {
				n++
			}
			p, err := v.Verify(t.Context(), padded(n))
			requireAccepted(t, p, err)
			p, err = v.Verify(t.Context(), padded(n+1))
			requireRefused(t, p, err, tokenauth.ErrMalformed, "token_too_long")
		})
	}
	t.Run("to the byte", func(t *testing.T) {
		cfg := configOf(f)
		cfg.MaxTokenBytes = len(padded(7))
		p, err := newVerifier(t, cfg).Verify(t.Context(), padded(7))
		requireAccepted(t, p, err)
		cfg.MaxTokenBytes--
		p, err = newVerifier(t, cfg).Verify(t.Context(), padded(7))
		requireRefused(t, p, err, tokenauth.ErrMalformed, "token_too_long")
	})
}
