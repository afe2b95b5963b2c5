package tokenauth

import (
	"encoding/base64"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/jose"
	"github.com/a74cfa30/tokenauth/internal/testkit"
)

// remembered returns a token text and what a verifier would have made of it.
func remembered(n int) (string, *entry) {
	input := fmt.Sprintf("header.%s-%09d", strings.Repeat("p", 600), n)
	p := Principal{judge: &authority{}, keyID: "k", claims: Claims{Subject: fmt.Sprint(n), Roles: []string{"r"}}}
	return input + "." + strings.Repeat("s", 77) + fmt.Sprintf("%09d", n), &entry{principal: p, input: input}
}

// total adds up what the entries of a cache say they take.
func (c *cache) total() (entries int, bytes int64) {
	for i := range c.buckets {
		for slot := range slotsPerBucket {
			if e := c.buckets[i].entries[slot].Load(); e != nil {
				entries++
				bytes += e.size()
			}
		}
	}
	return entries, bytes
}

func TestCacheFindsExactlyWhatWasAdded(t *testing.T) {
	c := newCache(0)
	token, e := remembered(1)
	require.Nil(t, c.find(token))
	c.add(token, e)
	require.Same(t, &e.principal, c.find(token))
	for name, other := range map[string]string{
		"another signature":       token[:len(token)-1] + "x",
		"a shorter signature":     token[:len(token)-1],
		"a longer signature":      token + "s",
		"no signature":            token[:strings.LastIndexByte(token, '.')+1],
		"another signing input":   "H" + token[1:],
		"a dot elsewhere":         strings.Replace(token, ".", "", 1),
		"no dot at all":           strings.ReplaceAll(token, ".", ""),
		"the signing input alone": token[:strings.LastIndexByte(token, '.')],
		"nothing":                 "",
	} {
		require.Nil(t, c.find(other), name)
	}
	require.Nil(t, newCache(0).find(token), "never across verifiers")
}

// In a token as short as this one the first dot is where the second one is in most. Nothing of it is mixed up, and no signature is kept.
func TestCacheFindsATokenWhoseFirstDotIsWhereTheSecondMightBe(t *testing.T) {
	c := newCache(0)
	signature := strings.Repeat("s", 43)
	input := "h." + strings.Repeat("p", 42)
	token, e := input+"."+signature, &entry{input: input}
	require.Equal(t, 1, signatureDot(token))
	c.add(token, e)
	require.Same(t, &e.principal, c.find(token))
	require.Nil(t, c.find(token[:len(token)-1]+"t"))
	require.Nil(t, c.find("H"+token[1:]))
	require.Nil(t, c.find(strings.Replace(token, "p", "q", 1)))
	require.NotContains(t, e.input, "s")
}

func TestCacheOfNegativeSizeRemembersNothing(t *testing.T) {
	c := newCache(-1)
	token, e := remembered(1)
	c.add(token, e)
	require.Nil(t, c.find(token))
}

// The same input may come with another signature, where a signature is made anew each time: that is another token.
func TestCacheKeepsOneEntryAToken(t *testing.T) {
	c := newCache(minCacheSize)
	token, first := remembered(1)
	_, second := remembered(2)
	_, third := remembered(3)
	second.input, third.input = first.input, first.input
	c.add(token, first)
	c.add(token+"t", second)
	require.Same(t, &first.principal, c.find(token))
	require.Same(t, &second.principal, c.find(token+"t"))
	c.add(token, third)
	require.Same(t, &third.principal, c.find(token), "the later one")
	entries, bytes := c.total()
	require.Equal(t, 2, entries)
	require.Equal(t, c.used, bytes)
}

func TestCacheStaysWithinItsBytes(t *testing.T) {
	for _, size := range []int64{1, minCacheSize, 100_000, 1 << 20} {
		c := newCache(size)
		for n := range 20_000 {
			token, e := remembered(n)
			c.add(token, e)
			require.LessOrEqual(t, c.used, c.limit)
		}
		entries, bytes := c.total()
		require.Equal(t, c.used, bytes, "what is counted is what is there")
		require.NotZero(t, entries)
		require.LessOrEqual(t, c.limit+int64(len(c.buckets))*int64(unsafe.Sizeof(bucket{})), max(size, minCacheSize))
	}
}

// What is larger than a sixteenth of the whole would push out everything else.
func TestCacheLeavesOutWhatIsLarge(t *testing.T) {
	c := newCache(minCacheSize)
	token, e := remembered(1)
	input := "h." + strings.Repeat("x", int(minCacheSize)/16)
	e.input = input
	c.add(input+token[strings.LastIndexByte(token, '.'):], e)
	require.Zero(t, c.used)
}

// A thousand tokens that are used again and again stay, mostly, while a flood of others passes through. TestFlood does this to a whole
// Verifier.
func TestCacheBearsAFlood(t *testing.T) {
	const hot, flood = 1000, 200_000
	c := newCache(16 << 20)
	hits, asked := 0, 0
	ask := func(n int) {
		token, e := remembered(n)
		if asked++; c.find(token) != nil {
			hits++
			return
		}
		c.add(token, e)
	}
	for n := range hot {
		ask(n)
	}
	hits, asked = 0, 0
	for n := range flood {
		ask(rand.IntN(hot)) // one in two requests is of the hot set
		token, e := remembered(hot + n)
		c.add(token, e)
	}
	require.LessOrEqual(t, c.used, c.limit)
	require.Greater(t, float64(hits)/float64(asked), 0.80)
	t.Logf("hit rate of the hot set: %.1f %%, %d bytes", 100*float64(hits)/float64(asked), c.used)
}

func TestCacheUnderManyHands(t *testing.T) {
	c := newCache(256 << 10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5_000 {
				n := rand.IntN(500)
				token, e := remembered(n)
				if found := c.find(token); found == nil {
					c.add(token, e)
				} else if found.claims.Subject != e.principal.claims.Subject {
					t.Errorf("token %d is remembered as %s", n, found.claims.Subject)
					return
				}
			}
		})
	}
	wg.Wait()
	_, bytes := c.total()
	require.Equal(t, c.used, bytes)
}

// What a full cache really takes is about what it counts, whatever the tokens are like. They are read as a verifier reads them.
func TestAFullCacheTakesAboutItsBytes(t *testing.T) {
	const size = 2 << 20
	list := func(n int, format string) string {
		var entries []string
		for i := range n {
			entries = append(entries, strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return strings.Join(entries, ",")
	}
	for name, members := range map[string]string{
		"few":                      `"jti":"x"`,
		"a long text":              `"email":"` + strings.Repeat("e", 3000) + `"`,
		"a long text with escapes": `"email":"\/` + strings.Repeat("e", 3000) + `"`,
		"many texts":               `"roles":[` + list(100, `"r#"`) + `],"caps":[` + list(100, `"c#"`) + `]`,
		"scopes of one kind":       `"scopes":[` + list(60, `{"resource_kind":"k","resource_id":"#","level":"read"}`) + `]`,
		"scopes of many kinds":     `"scopes":[` + list(60, `{"resource_kind":"k#","resource_id":"#","level":"read"}`) + `]`,
		"wildcards of many kinds":  `"scopes":[` + list(60, `{"resource_kind":"k#","level":"read"}`) + `]`,
		"a further member":         `"x":1`,
		"further members":          list(30, `"x#":1`),
	} {
		payload := segmentOf(`{"iss":"i","sub":"s","exp":1800000000,"iat":1700000000,` + members + `}`)
		parts := jose.Compact{Payload: payload, SigningInput: segmentOf(`{"alg":"EdDSA","kid":"k"}`) + "." + payload}
		before := testkit.HeapInUse()
		c := newCache(size)
		for n := 0; n < 3*size/1000 && c.used < c.limit*24/25; n++ {
			var e entry
			require.NoError(t, e.readPayload(parts, true))
			c.add(parts.SigningInput+fmt.Sprintf(".%086d", n), &e)
		}
		taken := (float64(testkit.HeapInUse()) - float64(before)) / size
		require.GreaterOrEqual(t, c.used, c.limit*24/25, name)
		least := 0.5 * bits.UintSize / 64 // what maps are counted as is for pointers of 64 bits
		require.True(t, least < taken && taken < 1.5, "%s: %.2f of what it may", name, taken)
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	key, err := GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	profile := Profile{Issuers: []string{"i"}, Audiences: []string{"a"}}
	issuer, err := NewIssuer(IssuerConfig{Profile: profile, Key: key})
	require.NoError(t, err)
	issued, err := issuer.Sign(t.Context(), SystemAuthority("test"), NewClaims("alice", time.Hour, []string{"r"}, ""))
	require.NoError(t, err)
	v, err := NewVerifier(VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: Unenforced("test")})
	require.NoError(t, err)
	text, ctx := issued.Token.Reveal(), t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(ctx, text); err != nil {
			t.Fatal(err)
		}
	}))
}

// The same for signatures of every length that keys make: what a hit allocated would be a copy of the signature, left on the heap.
func TestAHitCopiesNoSignatureToTheHeap(t *testing.T) {
	for _, bits := range []int{256, 512, 768, 1056, 2048, 3072, 4096, 8192} {
		c := newCache(0)
		_, e := remembered(1)
		token := e.input + "." + strings.Repeat("s", base64.RawURLEncoding.EncodedLen(bits/8))
		c.add(token, e)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if c.find(token) == nil {
				t.Fatal("it was not found")
			}
		}), "a signature of %d bits", bits)
	}
}

// That two signatures have one place is no reason to believe that they are the same. None are known that have, so here a principal is put
// where another signature is looked for.
func TestCacheComparesSignaturesOfOnePlace(t *testing.T) {
	c := newCache(0)
	token, e := remembered(1)
	c.add(token, e)
	other, _ := remembered(2)
	dot := strings.LastIndexByte(token, '.')
	b := c.bucket(c.place(token[dot+1:]))
	c.empty(b, c.victim(b, c.place(token[dot+1:])))
	place := c.place(other[dot+1:])
	c.bucket(place).places[0].Store(place)
	c.bucket(place).entries[0].Store(e)
	require.Nil(t, c.find(token[:dot]+other[dot:]), "the input is the one that is remembered, the signature is not")
	require.Nil(t, c.find(other))
	require.Nil(t, c.find(token), "nothing is where the first one was")
}
