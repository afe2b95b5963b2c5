package tokenauth

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The lists of a token lie in one array. Who appends to one of them must not write into the next.
func TestListsOfClaimsGrowApart(t *testing.T) {
	for _, many := range []string{`"r"`, `"r"` + strings.Repeat(`,"r"`, 40)} {
		var c Claims
		require.NoError(t, c.UnmarshalJSON([]byte(`{"iss":"i","sub":"s","exp":2,"iat":1,"aud":"a","roles":[`+many+`],"caps":["c","d"],"scope":"x"}`)))
		c.Audience = append(c.Audience, "other")
		c.Roles = append(c.Roles, "other")
		c.Caps = append(c.Caps, "other")
		require.Equal(t, "r", c.Roles[0])
		require.Equal(t, []string{"c", "d", "other"}, c.Caps)
		require.Equal(t, []string{"a", "other"}, c.Audience)
		require.Equal(t, []string{"x"}, c.OAuthScopes)
	}
}

// An observer is shown the claims beside an error, so those that could not be read to the end must be gone.
func TestClaimsThatCannotBeReadAreNobodys(t *testing.T) {
	var c Claims
	require.ErrorIs(t, c.decode(`{"iss":"i","sub":"alice","exp":2,"iat":1,"roles":["admin"],"sub":"bob"}`, &reading{}), ErrClaims)
	require.Equal(t, Claims{}, c)
}

// What a verify allocates beside the check of the signature: the principal, with room for the lists that most tokens have, and the text of
// its claims. golang-jwt adds a copy of what was signed.
func TestAVerifyAllocatesTwice(t *testing.T) {
	key, err := GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	profile := Profile{Issuers: []string{"i"}, Audiences: []string{"a"}}
	issuer, err := NewIssuer(IssuerConfig{Profile: profile, Key: key})
	require.NoError(t, err)
	claims := NewClaims("alice", defaultMaxStateless, []string{"r", "s"}, "alice@example.com")
	for _, id := range []string{"web", "api", "db", AnyResource} {
		claims.Scopes = append(claims.Scopes, TokenScope{"deployment", id, LevelRead})
	}
	issued, err := issuer.Sign(t.Context(), SystemAuthority("test"), claims)
	require.NoError(t, err)
	v, err := NewVerifier(VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: Unenforced("test"), CacheSize: -1})
	require.NoError(t, err)
	ctx, good := t.Context(), issued.Token.Reveal()
	for _, row := range []struct {
		name, token string
		most        float64
	}{
		{"good", good, 2 + 1},
		{"alg none", segmentOf(`{"alg":"none"}`) + good[strings.IndexByte(good, '.'):], 1},
		{"unknown kid", segmentOf(`{"alg":"EdDSA","kid":"another"}`) + good[strings.IndexByte(good, '.'):], 1},
		{"too long", strings.Repeat(good, 100), 0},
		{"garbage", strings.Repeat("garbage", 100), 1},
	} {
		allocations := testing.AllocsPerRun(100, func() { _, _ = v.Verify(ctx, row.token) })
		require.LessOrEqual(t, allocations, row.most, row.name)
	}
}

// The room for scopes is guessed from the length of those before. Whatever the guess, each scope is there, and what was set aside stays
// in proportion to the text.
func TestScopesOfAnyLengthsAreRead(t *testing.T) {
	for name, length := range map[string]func(at, of int) int{
		"short":             func(int, int) int { return 1 },
		"long":              func(int, int) int { return 200 },
		"ever longer":       func(at, of int) int { return 1 + 200*at/of },
		"ever shorter":      func(at, of int) int { return 200 - 199*at/of },
		"long and short":    func(at, _ int) int { return 1 + 199*(at%2) },
		"four, then longer": func(at, _ int) int { return 1 + 199*min(at/4, 1) },
	} {
		for _, n := range []int{0, 1, 3, 4, 5, 6, 100, 1000} {
			for _, rest := range []int{0, 4000} { // what stands behind the scopes is guessed to be more of them
				want := Claims{Issuer: "i", Subject: "s", ExpiresAt: time.Unix(2, 0).UTC(), IssuedAt: time.Unix(1, 0).UTC(), Email: strings.Repeat("e", rest)}
				for i := range n {
					want.Scopes = append(want.Scopes, TokenScope{"kind", strings.Repeat("x", length(i, n)), LevelRead})
				}
				written, err := want.MarshalJSON()
				require.NoError(t, err)
				text := string(written)
				var p Principal
				for where, has := range map[string]*reading{"with room": {scopes: p.scopes[:0]}, "without": {}} {
					var got Claims
					require.NoError(t, got.decode(text, has), "%s, %d, %s", name, n, where)
					require.Equal(t, want.Scopes, got.Scopes, "%s, %d, %s", name, n, where)
					require.LessOrEqual(t, cap(got.Scopes)*int(unsafe.Sizeof(TokenScope{})), 2*len(text)+len(p.scopes)*int(unsafe.Sizeof(TokenScope{})), "%s, %d, %s", name, n, where)
				}
			}
		}
	}
}
