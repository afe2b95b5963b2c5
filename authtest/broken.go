package authtest

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Tokens that must not pass. Most are signed by the real issuer of another profile or another clock, or with another key, because a
// token that is right but for one thing shows that this one thing is looked at.

// A BrokenToken is a token that no service of the Kit may accept.
type BrokenToken struct {
	Name  string // what is wrong with it
	Token string // what the caller sends
	Err   error  // the error of package tokenauth that a Verifier gives must wrap this one
}

// Broken returns one token of each kind that is broken, for the question of States: but for what is broken, they would do. They are made
// by the present clock and leave records in the Store.
func (k *Kit) Broken() []BrokenToken {
	k.t.Helper()
	rows := slices.Concat(k.misshapen(), k.misnamed(), k.mistimed(), k.missigned(), k.dead())
	for _, row := range rows {
		if row.Token == "" {
			k.t.Fatalf("authtest: the broken token %q could not be made", row.Name)
		}
	}
	return rows
}

// BrokenToken returns the token of that name.
func (k *Kit) BrokenToken(name string) BrokenToken {
	k.t.Helper()
	rows := k.Broken()
	i := slices.IndexFunc(rows, func(b BrokenToken) bool { return b.Name == name })
	if i < 0 {
		k.t.Fatalf("authtest: there is no broken token %q", name)
	}
	return rows[i]
}

// good returns the claims of a token that would do.
func (k *Kit) good() *tokenauth.Claims {
	return k.claims("alice", Asked().String())
}

// forge signs c as an issuer whose configuration differs from the kit's. It keeps no record.
func (k *Kit) forge(c *tokenauth.Claims, change func(*tokenauth.IssuerConfig)) string {
	k.t.Helper()
	cfg := k.IssuerConfig()
	cfg.Tokens, cfg.Sessions, cfg.Epochs, cfg.Askers = nil, nil, nil, nil
	change(&cfg)
	issuer := must(tokenauth.NewIssuer(cfg))(k.t, "another issuer")
	return must(issuer.Sign(k.t.Context(), system, c))(k.t, "another issuer").Token.Reveal()
}

// misshapen returns what no verifier needs a key to refuse.
func (k *Kit) misshapen() []BrokenToken {
	good := k.Sign(k.good())
	parts := strings.Split(good, ".")
	header := func(change map[string]any) string {
		members := map[string]any{}
		text, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err == nil {
			err = json.Unmarshal(text, &members)
		}
		if err != nil {
			k.t.Fatalf("authtest: the header of a token: %v", err)
		}
		maps.Copy(members, change)
		text, _ = json.Marshal(members) // what came from JSON goes back into it
		return base64.RawURLEncoding.EncodeToString(text)
	}
	other := "HS256"
	if k.key.Algorithm() == other {
		other = "HS512"
	}
	longest := k.profile.MaxTokenBytes
	if longest == 0 {
		longest = 8 << 10
	}
	rows := []BrokenToken{
		{Name: "garbage", Token: "garbage"},
		{Name: "an opaque token", Token: "c2VjcmV0LXNlY3JldC1zZWNyZXQ"},
		{Name: "dots alone", Token: ".."},
		{Name: "two segments", Token: parts[0] + "." + parts[1]},
		{Name: "five segments", Token: good + ".e30.e30"},
		{Name: "no signature", Token: parts[0] + "." + parts[1] + "."},
		{Name: "padding", Token: good + "="},
		{Name: "over-long", Token: strings.Repeat("A", longest+1)},
		{Name: "alg none", Token: header(map[string]any{"alg": "none"}) + "." + parts[1] + "."},
		{Name: "alg none with a signature", Token: header(map[string]any{"alg": "none"}) + "." + parts[1] + "." + parts[2]},
		{Name: "another alg", Token: header(map[string]any{"alg": other}) + "." + parts[1] + "." + parts[2]},
		{Name: "a critical header", Token: header(map[string]any{"crit": []string{"exp"}}) + "." + parts[1] + "." + parts[2]},
		{Name: "a key in the header", Token: header(map[string]any{"jku": "https://stranger.test/keys"}) + "." + parts[1] + "." + parts[2]},
	}
	for i := range rows {
		rows[i].Err = tokenauth.ErrMalformed
	}
	return rows
}

// misnamed returns tokens of another authority, for another service, or of another type.
func (k *Kit) misnamed() []BrokenToken {
	rows := []BrokenToken{
		{"another issuer", k.forge(k.good(), func(cfg *tokenauth.IssuerConfig) {
			cfg.Issuers = []string{"https://stranger.test"}
		}), tokenauth.ErrIssuer},
		{"another audience", k.forge(k.good(), func(cfg *tokenauth.IssuerConfig) {
			cfg.NoAudience, cfg.Audiences = false, []string{"https://elsewhere.test"}
		}), tokenauth.ErrAudience},
		{"another type", k.forge(k.good(), func(cfg *tokenauth.IssuerConfig) { cfg.Types = []string{"logout+jwt"} }), tokenauth.ErrMalformed},
	}
	if !k.profile.NoAudience {
		rows = append(rows, BrokenToken{"no audience", k.forge(k.good(), func(cfg *tokenauth.IssuerConfig) {
			cfg.NoAudience, cfg.Audiences = true, nil
		}), tokenauth.ErrAudience})
	}
	many := k.good()
	for i := range max(k.profile.MaxScopes, 256) + 1 {
		many.Roles = append(many.Roles, strconv.Itoa(i))
	}
	bound := k.good()
	if err := bound.SetExtra("cnf", map[string]string{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}); err != nil {
		k.t.Fatalf("authtest: cnf: %v", err)
	}
	open := func(cfg *tokenauth.IssuerConfig) {
		cfg.MaxScopes, cfg.MaxTokenBytes, cfg.ClosedClaims, cfg.KnownClaims = 1<<20, 1<<20, false, nil
	}
	return append(rows,
		BrokenToken{"too many roles", k.forge(many, open), tokenauth.ErrClaims},
		BrokenToken{"bound to a sender", k.forge(bound, open), tokenauth.ErrClaims},
	)
}

// mistimed returns tokens of another time. The profile's tolerance of clocks ahead is at most 5 min.
func (k *Kit) mistimed() []BrokenToken {
	at := func(d time.Duration) func(*tokenauth.IssuerConfig) {
		now := k.Clock.Now().Add(d)
		return func(cfg *tokenauth.IssuerConfig) { cfg.Now = func() time.Time { return now } }
	}
	later := k.good()
	later.NotBefore = k.Clock.Now().Add(10 * time.Minute)
	long := k.good()
	long.ID, long.ExpiresAt = "", k.Clock.Now().Add(max(k.profile.MaxStateless, 24*time.Hour)+time.Hour)
	return []BrokenToken{
		{"expired", k.forge(k.good(), at(-2*time.Hour)), tokenauth.ErrExpired},
		{"expired this second", k.forge(k.good(), at(-time.Hour)), tokenauth.ErrExpired},
		{"not valid yet", k.forge(later, at(10*time.Minute)), tokenauth.ErrNotYetValid},
		{"issued in the future", k.forge(k.good(), at(10*time.Minute)), tokenauth.ErrNotYetValid},
		{"long-lived and without id", k.forge(long, func(cfg *tokenauth.IssuerConfig) {
			cfg.RequireID, cfg.MaxStateless, cfg.MaxLifetime = false, 365*24*time.Hour, 0
		}), tokenauth.ErrClaims},
	}
}

// missigned returns tokens whose signature is not this authority's.
func (k *Kit) missigned() []BrokenToken {
	with := func(key tokenauth.SigningKey) string {
		return k.forge(k.good(), func(cfg *tokenauth.IssuerConfig) { cfg.Key = key })
	}
	stranger := must(tokenauth.GenerateSigningKey(k.key.Algorithm()))(k.t, "another key")
	mine, other := strings.Split(k.Sign(k.good()), "."), strings.Split(k.Admin("mallory"), ".")
	return []BrokenToken{
		{"another key under the same id", with(k.renamed(stranger, k.key.ID())), tokenauth.ErrSignature},
		{"the signature of another token", mine[0] + "." + other[1] + "." + mine[2], tokenauth.ErrSignature},
		{"an unknown key", with(stranger), tokenauth.ErrUnknownKey},
		{"no key id", with(k.renamed(k.key, "")), tokenauth.ErrUnknownKey},
	}
}

// renamed returns a key under another id.
func (k *Kit) renamed(key tokenauth.SigningKey, id string) tokenauth.SigningKey {
	k.t.Helper()
	var members map[string]any
	if err := json.Unmarshal(must(key.RevealJWK())(k.t, "a key"), &members); err != nil {
		k.t.Fatalf("authtest: a key: %v", err)
	}
	if members["kid"] = id; id == "" {
		delete(members, "kid")
	}
	text, _ := json.Marshal(members) // what came from JSON goes back into it
	return must(tokenauth.ParseSigningKey(text))(k.t, "a key")
}

// dead returns tokens that were good once, or whose issuer keeps no record of them.
func (k *Kit) dead() []BrokenToken {
	ctx := k.t.Context()
	revoked, parent := k.Sign(k.good()), k.Sign(k.good())
	child := must(k.Issuer.Issue(ctx, tokenauth.TokenRequest{
		By: k.Verify(parent), Name: "a child", Scopes: []tokenauth.TokenScope{Asked()},
	}))(k.t, "a child").Token.Reveal()
	k.Revoke(revoked)
	k.Revoke(parent)
	admin := k.Admin("alice")
	k.Revoke(admin)
	rotated := k.Sign(k.good())
	must(k.Issuer.Rotate(ctx, system, k.Verify(rotated).TokenID(), 0))(k.t, "Rotate")

	ended, stale := k.good(), k.good()
	ended.SessionID, stale.Subject = "a session that has ended", "logged out everywhere"
	endedToken, staleToken := k.Sign(ended), k.Sign(stale)
	must(k.Epochs.BumpEpoch(ctx, stale.Subject))(k.t, "BumpEpoch")
	return []BrokenToken{
		{"revoked", revoked, tokenauth.ErrRevoked},
		{"a revoked admin's", admin, tokenauth.ErrRevoked},
		{"child of a revoked token", child, tokenauth.ErrRevoked},
		{"rotated", rotated, tokenauth.ErrRevoked},
		{"without record", k.forge(k.good(), func(*tokenauth.IssuerConfig) {}), tokenauth.ErrRevoked},
		{"of a session that has ended", endedToken, tokenauth.ErrSessionEnded},
		{"of an epoch that is over", staleToken, tokenauth.ErrStaleEpoch},
	}
}
