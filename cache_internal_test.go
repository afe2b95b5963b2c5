package tokenauth

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// remembered returns a token text and a principal as the verifier would have proven it.
func remembered(n int) (string, *Principal) {
	input := fmt.Sprintf("header.%s-%09d", strings.Repeat("p", 600), n)
	p := &Principal{judge: &authority{}, keyID: "k", claims: Claims{Subject: fmt.Sprint(n), Roles: []string{"r"}}}
	return input + "." + strings.Repeat("s", 77) + fmt.Sprintf("%09d", n), p
}

// total adds up what the entries of a cache say they take.
func (c *cache) total() (entries int, bytes int64) {
	for i := range c.slots {
		if e := c.slots[i].Load(); e != nil {
			entries++
			bytes += e.size
		}
	}
	return entries, bytes
}

func TestCacheFindsExactlyWhatWasAdded(t *testing.T) {
	c := newCache(0)
	token, p := remembered(1)
	require.Nil(t, c.find(token))
	c.add(token, p)
	require.Same(t, p, c.find(token))
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

func TestCacheOfNegativeSizeRemembersNothing(t *testing.T) {
	c := newCache(-1)
	token, p := remembered(1)
	c.add(token, p)
	require.Nil(t, c.find(token))
}

// The same input may come with another signature, where a signature is made anew each time: then the later one is remembered.
func TestCacheKeepsOneEntryAnInput(t *testing.T) {
	c := newCache(minCacheSize)
	token, first := remembered(1)
	_, second := remembered(2)
	c.add(token, first)
	c.add(token+"t", second)
	require.Nil(t, c.find(token))
	require.Same(t, second, c.find(token+"t"))
	entries, bytes := c.total()
	require.Equal(t, 1, entries)
	require.Equal(t, c.used, bytes)
}

func TestCacheStaysWithinItsBytes(t *testing.T) {
	for _, size := range []int64{1, minCacheSize, 100_000, 1 << 20} {
		c := newCache(size)
		for n := range 20_000 {
			token, p := remembered(n)
			c.add(token, p)
			require.LessOrEqual(t, c.used, c.limit)
		}
		entries, bytes := c.total()
		require.Equal(t, c.used, bytes, "what is counted is what is there")
		require.NotZero(t, entries)
		require.LessOrEqual(t, c.limit+int64(len(c.slots))*8, max(size, minCacheSize))
	}
}

// What is larger than a sixteenth of the whole would push out everything else.
func TestCacheLeavesOutWhatIsLarge(t *testing.T) {
	c := newCache(minCacheSize)
	_, p := remembered(1)
	c.add("h."+strings.Repeat("x", int(minCacheSize)/16)+".s", p)
	require.Zero(t, c.used)
}

// A thousand tokens that are used again and again stay, mostly, while a flood of others passes through. TestFlood does this to a whole
// Verifier.
func TestCacheBearsAFlood(t *testing.T) {
	const hot, flood = 1000, 200_000
	c := newCache(16 << 20)
	hits, asked := 0, 0
	ask := func(n int) {
		token, p := remembered(n)
		if asked++; c.find(token) != nil {
			hits++
			return
		}
		c.add(token, p)
	}
	for n := range hot {
		ask(n)
	}
	hits, asked = 0, 0
	for n := range flood {
		ask(rand.IntN(hot)) // one in two requests is of the hot set
		token, p := remembered(hot + n)
		c.add(token, p)
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
				token, p := remembered(n)
				if found := c.find(token); found == nil {
					c.add(token, p)
				} else if found.claims.Subject != p.claims.Subject {
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

// That two inputs have one hash is no reason to believe that they are the same. None are known that have, so here an entry is given the
// hash of another input, and a place where that one is looked for.
func TestCacheComparesInputsOfOneHash(t *testing.T) {
	c := newCache(0)
	token, p := remembered(1)
	c.add(token, p)
	other, _ := remembered(2)
	dot := strings.LastIndexByte(token, '.')
	for i := range c.slots {
		if e := c.slots[i].Load(); e != nil {
			e.place = c.place(other[:dot])
			c.bucket(e.place)[0].Store(e)
		}
	}
	require.Nil(t, c.find(other[:dot]+token[dot:]), "the signature is that of another input")
	require.Nil(t, c.find(other))
	require.Nil(t, c.find(token), "nothing is where the first one was")
}
