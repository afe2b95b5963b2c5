package tokenauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// What is signed is what was judged: what happens between the two is not in the token, and the token says what its issuer says it says.

// reader returns what reads an office's tokens that any of these keys signed. It looks for itself at which key the header names.
func (o *office) reader(t testing.TB, keys ...tokenauth.SigningKey) func(tokenauth.Issued) (keyID string, says *tokenauth.Claims) {
	t.Helper()
	var verifying []tokenauth.Key
	for _, key := range keys {
		verifying = append(verifying, key.VerifyingKey())
	}
	ring, err := tokenauth.NewKeyRing(verifying...)
	require.NoError(t, err)
	v, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: o.cfg.Profile, Keys: ring, Revocation: o.store, Sessions: o.store, Epochs: o.store, Now: o.cfg.Now,
	})
	require.NoError(t, err)
	return func(issued tokenauth.Issued) (string, *tokenauth.Claims) {
		p, err := v.Verify(context.Background(), issued.Token.Reveal())
		if err != nil {
			t.Errorf("minted, and refused: %v", err)
			return "", nil
		}
		var header struct{ Kid string }
		if err := json.Unmarshal(segmentOf(issued, 0), &header); err != nil {
			t.Error(err)
		}
		return header.Kid, p.Claims()
	}
}

// segmentOf returns what a segment of a token encodes.
func segmentOf(issued tokenauth.Issued, n int) []byte {
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(issued.Token.Reveal(), ".")[n])
	if err != nil {
		panic(err)
	}
	return b
}

// Whoever is asked in the middle changes what the caller handed in, and rotates the key to one of another algorithm. The token says what
// was asked for, under a header that names the key which signed it.
func TestWhatHappensWhileMintingIsNotInTheToken(t *testing.T) {
	old, next := officeKey(t, "HS256"), officeKey(t, "EdDSA")
	for _, row := range []struct {
		moment string
		signs  tokenauth.SigningKey
	}{
		{"MayGrant", next},
		{"Epoch", next},
		{"AdminCheck", old},
		{"Get", old},
		{"Create", old},
		{"Rotate", old},
		{"IsSessionActive", old},
	} {
		t.Run(row.moment, func(t *testing.T) {
			var o *office
			var asked *tokenauth.Claims
			met := 0
			meddle := func(moment string) {
				if moment != row.moment || asked == nil {
					return
				}
				met++
				for n := range asked.Scopes {
					asked.Scopes[n].ResourceID, asked.Scopes[n].Level = tokenauth.AnyResource, tokenauth.LevelWrite
				}
				for _, list := range [][]string{asked.Roles, asked.Audience, asked.Caps} {
					for n := range list {
						list[n] = "billing"
					}
				}
				for _, value := range asked.Extra {
					copy(value, `"evil"`)
				}
				if asked.Actor != nil {
					asked.Actor.Subject = "mallory"
				}
				*asked = tokenauth.Claims{Subject: "mallory", Extra: asked.Extra, Roles: append(asked.Roles, "admin")}
				require.NoError(t, o.UseKey(next))
			}
			rig := &riggedStore{before: map[string]func(context.Context) error{}}
			rig.before[row.moment] = func(context.Context) error { meddle(row.moment); return nil }
			o = newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				rig.store = cfg.Tokens.(*memstore.Store)
				cfg.Key, cfg.Tokens, cfg.Sessions, cfg.Epochs = old, rig, rig, rig
				cfg.MayGrant = func(context.Context, *tokenauth.Principal, tokenauth.TokenScope) (bool, error) {
					meddle("MayGrant")
					return true, nil
				}
				cfg.AdminCheck = func(_ context.Context, c *tokenauth.Claims) (bool, error) {
					meddle("AdminCheck")
					*c = tokenauth.Claims{Subject: "mallory"}
					return true, nil
				}
			})
			read := o.reader(t, old, next)
			// during lets somebody mint what c says, and holds the token to c as it was before.
			during := func(c *tokenauth.Claims, mint func() (tokenauth.Issued, error)) tokenauth.Issued {
				t.Helper()
				o.told()
				want := c.Clone()
				asked = c
				issued, err := mint()
				asked = nil
				require.NoError(t, err)
				require.NoError(t, o.UseKey(old))
				keyID, says := read(issued)
				require.Equal(t, keyID, o.told()[0].KeyID)
				require.Equal(t, plain(issued.Claims), plain(says))
				want.ID, want.Issuer, want.SessionID = says.ID, says.Issuer, says.SessionID
				want.IssuedAt, want.ExpiresAt = says.IssuedAt, says.ExpiresAt
				require.Equal(t, plain(want), plain(says))
				return issued
			}
			sign := func(by tokenauth.Authority, c *tokenauth.Claims) tokenauth.Issued {
				t.Helper()
				before := met
				issued := during(c, func() (tokenauth.Issued, error) { return o.Sign(t.Context(), by, c) })
				if keyID, _ := read(issued); met > before {
					require.Equal(t, row.signs.ID(), keyID)
				}
				return issued
			}
			sign(o.login(t, "alice"), &tokenauth.Claims{
				Subject: "alice", Audience: []string{"api", "search"}, Scopes: grants(t, "deployment:web:read,node:eu:read"),
			})
			sign(o.holder(t, "deployment:*:write"), &tokenauth.Claims{
				Subject: "alice", Audience: []string{"api"}, Scopes: grants(t, "deployment:web:read"),
			})
			sign(bySystem, &tokenauth.Claims{
				Subject: "alice", ID: "a", Audience: []string{"api"}, Roles: []string{"admin"}, Caps: []string{"c"},
				Scopes: grants(t, "deployment:web:read"), AdminHint: true, Actor: &tokenauth.Actor{Subject: "robot"},
				Extra: map[string]json.RawMessage{"team": json.RawMessage(`"core"`)},
			})
			by := o.prove(t, o.mint(t, &tokenauth.Claims{Subject: "alice", ID: "b", Scopes: grants(t, "deployment:web:read"), Roles: []string{"r"}}))
			during(by.Claims(), func() (tokenauth.Issued, error) { return o.Rotate(t.Context(), by, "b", 0) })
			require.Positive(t, met, "the moment never came")
		})
	}
}

// While the key goes back and forth between two algorithms, every header names the key that signed under it.
func TestAHeaderAlwaysNamesTheKeyThatSigned(t *testing.T) {
	keys := []tokenauth.SigningKey{officeKey(t, "HS256"), officeKey(t, "EdDSA"), officeKey(t, "HS512")}
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Key, cfg.Observe = keys[0], nil })
	read := o.reader(t, keys...)
	seen := map[string]bool{}
	var mu sync.Mutex
	var hands sync.WaitGroup
	stop := make(chan struct{})
	hands.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				_ = o.UseKey(keys[n%len(keys)])
			}
		}
	})
	var minters sync.WaitGroup
	for hand := range 4 {
		minters.Go(func() {
			for n := range rounds(1000) {
				if n%8 == 0 { // however seldom the other hand has its turn, each key signs some
					assert.NoError(t, o.UseKey(keys[n/8%len(keys)]))
				}
				subject := fmt.Sprint(hand, " ", n)
				issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{Subject: subject})
				if err != nil {
					t.Error(err)
					return
				}
				keyID, says := read(issued)
				if says == nil || says.Subject != subject || issued.Claims.Subject != subject {
					t.Errorf("%q: says %+v", subject, says)
					return
				}
				mu.Lock()
				seen[keyID] = true
				mu.Unlock()
			}
		})
	}
	minters.Wait()
	close(stop)
	hands.Wait()
	require.Len(t, seen, len(keys), "each key was met")
}

// A token says what its claims say, whatever is in them and however long they are: the payload is what MarshalJSON writes, the verifier
// reads it as it was, and so does encoding/json.
func TestATokenSaysWhatItsClaimsSay(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
		cfg.MaxTokenBytes = 1 << 20
		cfg.AdminCheck = func(context.Context, *tokenauth.Claims) (bool, error) { return true, nil }
	})
	read := o.reader(t, o.cfg.Key)
	awkward := "\" \\ \b\f\n\r\t\x01\x1f\x7f é \u2028 😀 <&>"
	full := func() *tokenauth.Claims {
		return &tokenauth.Claims{
			Subject: awkward, Audience: []string{"billing", "api"}, Roles: []string{awkward, "admin"}, OAuthScopes: []string{"openid", "<&>"},
			Scopes: []tokenauth.TokenScope{
				{ResourceKind: awkward, ResourceID: awkward, Level: tokenauth.LevelRead},
				{ResourceKind: "é", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelWrite},
			},
			Caps: []string{awkward, "c"}, AdminHint: true, Email: awkward, NodeID: awkward, ClientID: awkward, AccountType: awkward,
			ActivePPNum: awkward, Delegator: awkward, Actor: &tokenauth.Actor{Subject: awkward, Actor: &tokenauth.Actor{Subject: "é"}},
			CredentialID: awkward, Category: "access", DelegationDepth: 3, SessionVersion: 0, NotBefore: officeOpens.Add(-1e9),
			Extra: map[string]json.RawMessage{
				"z":                      json.RawMessage(`{"b":[1.50e3,"\u00e9\ud83d\ude00",null],"a":"<&>"}`),
				"https://claims.test/me": json.RawMessage(`"é"`),
			},
		}
	}
	check := func(c *tokenauth.Claims) {
		t.Helper()
		issued := o.mint(t, c)
		_, says := read(issued)
		require.Equal(t, plain(issued.Claims), plain(says))
		payload := segmentOf(issued, 1)
		written, err := issued.Claims.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, string(written), string(payload))
		checkAgainstStandard(t, string(payload), says)
		c.Issuer, c.IssuedAt, c.ExpiresAt, c.NotBefore = says.Issuer, says.IssuedAt, says.ExpiresAt, says.NotBefore
		if len(c.Audience) == 0 {
			c.Audience = says.Audience
		}
		require.Equal(t, plain(c), plain(says), "as it was asked for")
	}
	check(full())
	for _, n := range []int{0, 1, 2, 3, 100, 200, 300, 383, 384, 385, 500, 767, 768, 769, 900, 1000, 1024, 2000, 4000} {
		for extra := range 4 { // from one end of a group to the next
			c := full()
			c.Extra["pad"] = json.RawMessage(`"` + strings.Repeat("x", n+extra) + `"`)
			check(c)
			check(&tokenauth.Claims{Subject: "a", Extra: map[string]json.RawMessage{"pad": c.Extra["pad"]}})
		}
	}
}

// Minting costs few allocations: the claims, the text, what hides it, the signature, and who asks.
func TestMintAllocations(t *testing.T) {
	if underRace() { // make test, and so CI, runs it once more without
		t.Skip("the race detector makes pools forget, so that what is allocated is no longer what a service sees")
	}
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
		cfg.Tokens, cfg.Sessions, cfg.Epochs, cfg.Askers, cfg.Observe = nil, nil, nil, nil, nil
	})
	c := &tokenauth.Claims{Subject: "alice", Roles: []string{"r"}, Audience: []string{"api"}, Scopes: grants(t, "deployment:web:read,node:eu:read")}
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = o.Sign(t.Context(), bySystem, c) }), 6.0)
}
