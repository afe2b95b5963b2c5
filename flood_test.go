package tokenauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/testkit"
)

// Anybody can send tokens that were never seen before, good ones by minting and bad ones by typing, as many as the line bears. What a
// Verifier keeps of them is bounded, and the tokens that its users present all day stay remembered meanwhile.
//
// The ordinary tests have the short form; `make flood` sends ten million of each.
var floodSize = flag.Int("flood", 50_000, "how many unique good tokens TestFlood sends, and how many bad ones")

const (
	floodHot  = 1000    // tokens that are presented again and again: one request in three
	floodHeap = 8 << 20 // bytes that the heap may grow by, over what CacheSize allows
)

// A flooder makes tokens of one HS256 key.
type flooder struct {
	secret   []byte
	from, to time.Time
}

// token returns the n-th good token of a series.
func (f *flooder) token(series string, n int) string {
	return f.sign("k", fmt.Sprintf(`{"iss":"i","sub":"%s-%d","aud":"a","iat":%d,"exp":%d,"jti":"%[1]s-%[2]d","roles":["reader"]}`,
		series, n, f.from.Unix(), f.to.Unix()), f.secret)
}

// bad returns the n-th bad token and what it is refused with.
func (f *flooder) bad(n int) (string, error) {
	payload := fmt.Sprintf(`{"iss":"i","sub":"%d","aud":"a","iat":%d,"exp":%d,"jti":"%[1]d"}`, n, f.from.Unix(), f.to.Unix())
	switch n % 4 {
	case 0:
		return f.sign(fmt.Sprintf("k-%d", n), payload, f.secret), ErrUnknownKey
	case 1:
		return f.sign("k", payload, fmt.Append(nil, n)), ErrSignature
	case 2:
		return f.sign("k", payload[:len(payload)-1], f.secret), ErrClaims
	default:
		return fmt.Sprintf("%d.%d.%d", n, n, n), ErrMalformed
	}
}

func (f *flooder) sign(kid, payload string, secret []byte) string {
	input := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":"%s","typ":"at+jwt"}`, kid)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestFlood(t *testing.T) {
	now := time.Now()
	f := &flooder{secret: []byte("a secret of thirty-two bytes, or more"), from: now.Add(-time.Minute), to: now.Add(24 * time.Hour)}
	key, err := NewKey("k", "HS256", f.secret)
	require.NoError(t, err)
	v, err := NewVerifier(VerifierConfig{
		Profile: Profile{Issuers: []string{"i"}, Audiences: []string{"a"}}, Keys: key, Revocation: Unenforced("a flood"),
	})
	require.NoError(t, err)
	hot := make([]string, floodHot)
	for n := range hot {
		hot[n] = f.token("hot", n)
		_, err := v.Verify(t.Context(), hot[n])
		require.NoError(t, err)
	}

	var next, asked, hits, wrong atomic.Int64
	before, most := testkit.HeapInUse(), uint64(0)
	var wg sync.WaitGroup
	var still sync.RWMutex // held for writing while the heap is measured: what is under way is not what is kept
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := int(next.Add(1)); n <= *floodSize; n = int(next.Add(1)) {
				still.RLock()
				if _, err := v.Verify(t.Context(), f.token("flood", n)); err != nil {
					wrong.Add(1)
				}
				bad, want := f.bad(n)
				if _, err := v.Verify(t.Context(), bad); !errors.Is(err, want) {
					wrong.Add(1)
				}
				again := hot[rand.IntN(floodHot)]
				asked.Add(1)
				if v.cache.find(again) != nil {
					hits.Add(1)
				}
				if _, err := v.Verify(t.Context(), again); err != nil {
					wrong.Add(1)
				}
				still.RUnlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(2 * time.Second):
		}
		still.Lock()
		most = max(most, testkit.HeapInUse())
		still.Unlock()
	}
	runtime.KeepAlive(v)

	rate := float64(hits.Load()) / float64(asked.Load())
	t.Logf("%d good tokens and %d bad ones: heap %.1f MiB, at most %.1f MiB, CacheSize %d MiB; %.1f %% of the hot set's requests were remembered",
		*floodSize, *floodSize, float64(before)/(1<<20), float64(most)/(1<<20), defaultCacheSize>>20, 100*rate)
	require.Zero(t, wrong.Load(), "wrong answers")
	require.Less(t, most, before+defaultCacheSize+floodHeap, "the heap grows with what strangers send")
	require.Greater(t, rate, 0.80, "a flood of others' tokens makes one forget one's own")
}
