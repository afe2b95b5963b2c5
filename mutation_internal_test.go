package tokenauth

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// The zero Key holds no key, not even the one whose fingerprint is zero.
func TestTheZeroKeyHasNothing(t *testing.T) {
	require.False(t, Key{}.has([32]byte{}))
	require.False(t, Key{}.has(fingerprintOf("key")))
}

// What makes a key is told apart even where it reads the same when written in one.
func TestFingerprintsKeepTheirPartsApart(t *testing.T) {
	secret := bytes.Repeat([]byte("x"), 64)
	one, err := NewKey("", "HS256", append([]byte("HS256"), secret...))
	require.NoError(t, err)
	other, err := NewKey("HS256", "HS256", secret)
	require.NoError(t, err)
	require.NotEqual(t, one.fingerprint(), other.fingerprint())
}

// What fills the memory to the last byte still gets in, and pushes nothing out.
func TestCacheIsFilledToItsLimit(t *testing.T) {
	const entries = 16 // an entry may take a sixteenth of all
	probe := newCache(0)
	probe.add(remembered(1))
	c := newCache(0)
	c.limit = entries * probe.used
	for n := range entries {
		c.add(remembered(n))
	}
	held, bytes := c.total()
	require.Equal(t, entries, held)
	require.Equal(t, c.limit, bytes)
	c.add(remembered(entries))
	held, _ = c.total()
	require.Equal(t, entries, held, "one more pushes one out")

	c = newCache(0)
	c.limit = entries*probe.used - 1
	c.add(remembered(1))
	require.Zero(t, c.used, "more than a sixteenth")
}

// A bucket is filled before any entry in it is pushed out, and holds no token twice.
func TestCacheFillsItsBucket(t *testing.T) {
	c := newCache(0)
	c.buckets = c.buckets[:1]
	for n := range slotsPerBucket {
		c.add(remembered(n))
	}
	for n := range slotsPerBucket {
		token, _ := remembered(n)
		require.NotNil(t, c.find(token), n)
	}
	token, _ := remembered(1)
	_, again := remembered(1)
	c.add(token, again)
	require.Same(t, &again.principal, c.find(token))
	held, _ := c.total()
	require.Equal(t, slotsPerBucket, held)
}

// What has no cause unwraps to its reason, and to nothing else: some walk the tree by themselves.
func TestAFaultWithoutCauseUnwrapsToItsReason(t *testing.T) {
	for _, cause := range []error{nil, ErrExpired} {
		err := reasonTokensDown.because(cause)
		require.Equal(t, []error{reasonTokensDown}, err.(interface{ Unwrap() []error }).Unwrap())
	}
	err := invalid("x")
	require.Equal(t, []error{ErrInvalidRequest}, err.(interface{ Unwrap() []error }).Unwrap())
}

// A signature is remembered for one signing input: under another it is none, even where both would stand in one bucket.
func TestCacheComparesTheWholeInput(t *testing.T) {
	c := newCache(0)
	c.buckets = c.buckets[:1]
	token, e := remembered(1)
	c.add(token, e)
	other, _ := remembered(2)
	dot := strings.LastIndexByte(token, '.')
	require.Nil(t, c.find(other[:dot]+token[dot:]))
	require.Nil(t, c.find(token[:dot]+other[dot:]))
	require.Same(t, &e.principal, c.find(token))
}

func TestCacheSizes(t *testing.T) {
	require.Equal(t, newCache(defaultCacheSize).limit, newCache(0).limit)
	require.Less(t, newCache(1).limit, newCache(0).limit)
	require.Equal(t, newCache(minCacheSize).limit, newCache(1).limit)
}

func TestLongestHeaderThatIsRemembered(t *testing.T) {
	var m headerMemory
	m.add(strings.Repeat("a", maxHeaderSegment), jose.Header{})
	require.Len(t, *m.known.Load(), 1)
	m.add(strings.Repeat("b", maxHeaderSegment+1), jose.Header{})
	require.Len(t, *m.known.Load(), 1)
}

func TestSignatureDotIsTheSecondOne(t *testing.T) {
	for token, want := range map[string]int{"": -1, "a": -1, ".": -1, ".a": -1, "a.": -1, "a.b": -1, "..": 1, ".a.b": 2, "a..c": 2, "a.b.": 3, "a.b.c": 3} {
		require.Equal(t, want, signatureDot(token), token)
	}
}

// What a principal holds beside itself is counted, and what it has room for in itself is not.
func TestWhatAPrincipalHoldsIsCounted(t *testing.T) {
	var e entry
	p := &e.principal
	small := e.size()
	p.claims.Roles = make([]string, len(p.texts))
	p.claims.Scopes = make([]TokenScope, len(p.scopes))
	require.Equal(t, small, e.size(), "there is room for these")

	p.claims.Roles = make([]string, len(p.texts)+1)
	texts := e.size()
	require.Equal(t, small+int64(2*len(p.claims.Roles)*int(unsafe.Sizeof(""))), texts)

	p.claims.Scopes = make([]TokenScope, max(len(p.scopes), manyScopes)+1)
	scopes := e.size()
	require.Equal(t, texts+int64(len(p.claims.Scopes)*int(unsafe.Sizeof(TokenScope{}))), scopes)

	p.index = newScopeIndex(p.claims.Scopes)
	index := e.size()
	require.Equal(t, scopes+int64(len(p.claims.Scopes)*indexOverhead+mapOverhead), index, "all are of one kind")

	p.claims.Extra = map[string]json.RawMessage{"name": json.RawMessage(`"value"`)}
	require.Equal(t, index+int64(mapOverhead+extraOverhead+len(`name"value"`)), e.size())
}
