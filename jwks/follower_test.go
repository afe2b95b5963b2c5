package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/jwks"
)

// An origin is a key server without a network, so that a test can live in a bubble where time costs nothing.
type origin struct {
	mu      sync.Mutex
	answer  func(*http.Request) (*http.Response, error)
	fetches []time.Time
}

// serving returns an origin that is served by h.
func serving(h http.Handler) *origin {
	o := new(origin)
	o.serve(h)
	return o
}

func (o *origin) serve(h http.Handler) {
	o.become(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	})
}

func (o *origin) become(answer func(*http.Request) (*http.Response, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

var errDown = errors.New("connection refused")

func (o *origin) fail() {
	o.become(func(*http.Request) (*http.Response, error) { return nil, errDown })
}

func (o *origin) hang() { o.become(hanging) }

func (o *origin) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.fetches = append(o.fetches, time.Now())
	answer := o.answer
	o.mu.Unlock()
	return answer(r)
}

func (o *origin) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.fetches)
}

const setURL = "https://auth.test/jwks.json"

// follow makes a follower of o and lets it run until the test ends.
func follow(t *testing.T, o *origin, change func(*jwks.FollowerConfig)) *jwks.Follower {
	t.Helper()
	cfg := jwks.FollowerConfig{URL: setURL, Transport: o}
	if change != nil {
		change(&cfg)
	}
	f, err := jwks.NewFollower(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { _ = f.Run(ctx) }()
	synctest.Wait()
	return f
}

// published returns an origin that publishes a ring with a max-age.
func published(t *testing.T, ring *tokenauth.KeyRing, maxAge time.Duration) *origin {
	t.Helper()
	h, err := jwks.Publish(ring, maxAge)
	require.NoError(t, err)
	return serving(h)
}

func ask(f *jwks.Follower, id string) error {
	_, err := f.Key(context.Background(), id)
	return err
}

func TestAFollowerKnowsWhatIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		o := published(t, newRing(t, key), 0)
		f, err := jwks.NewFollower(jwks.FollowerConfig{URL: setURL, Transport: o})
		require.NoError(t, err)
		require.ErrorIs(t, ask(f, key.ID()), tokenauth.ErrUnavailable, "before Run there is no set")
		require.NotErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnknownKey)

		f = follow(t, o, nil)
		require.NoError(t, f.WaitReady(t.Context()))
		got, err := f.Key(t.Context(), key.ID())
		require.NoError(t, err)
		require.Equal(t, key.VerifyingKey().Public(), got.Public())
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnknownKey)
		require.ErrorIs(t, ask(f, ""), tokenauth.ErrUnknownKey)

		s := f.Stats()
		require.Equal(t, jwks.Stats{Fetches: 1, Keys: 1, Unknown: 2, LastSuccess: s.LastSuccess}, s)
		require.Zero(t, time.Since(s.LastSuccess))
	})
}

// A token of a new key is never refused for good because this service has not heard of the key yet.
func TestARotationThatNobodyWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := authtest.New(t, authtest.Config{})
		f := follow(t, published(t, kit.Ring, time.Hour), nil)
		cfg := kit.VerifierConfig()
		cfg.Keys, cfg.Now = f, nil
		verifier, err := tokenauth.NewVerifier(cfg)
		require.NoError(t, err)
		verify := func(token string) error { _, err := verifier.Verify(t.Context(), token); return err }
		old := kit.Token("alice")
		require.NoError(t, verify(old))

		time.Sleep(time.Minute)
		kit.RotateKey()
		fresh := kit.Token("alice")
		require.ErrorIs(t, verify(fresh), tokenauth.ErrUnavailable)
		require.NoError(t, verify(old), "and nobody else notices")
		synctest.Wait()
		require.NoError(t, verify(fresh))
		require.NoError(t, verify(old))
		require.EqualValues(t, 2, f.Stats().Fetches)
	})
}

// X11: a key that is taken out stops verifying at the next refresh, tokens it has proven before included.
func TestX11ARemovedKeyStopsVerifying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := authtest.New(t, authtest.Config{})
		f := follow(t, published(t, kit.Ring, 10*time.Minute), nil)
		cfg := kit.VerifierConfig()
		cfg.Keys, cfg.Now = f, nil
		verifier, err := tokenauth.NewVerifier(cfg)
		require.NoError(t, err)
		old := kit.Token("alice")
		verify := func() error { _, err := verifier.Verify(t.Context(), old); return err }
		require.NoError(t, verify())

		require.NoError(t, kit.Ring.Replace(kit.RotateKey().VerifyingKey()))
		time.Sleep(10*time.Minute - time.Nanosecond)
		synctest.Wait()
		require.NoError(t, verify(), "the cache age is how long it may take")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorIs(t, verify(), tokenauth.ErrUnknownKey)

		require.NoError(t, kit.Ring.Replace(), "and so it is with all of them")
		kit.Clock.Advance(time.Hour)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Zero(t, f.Stats().Keys)
		require.NoError(t, f.Stats().LastError)
		require.ErrorIs(t, verify(), tokenauth.ErrUnknownKey)
	})
}

// A stranger can name as many keys as he likes: it costs the key server one request each cool-down, and this process nothing.
func TestAMillionUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		o := published(t, newRing(t, key), time.Hour)
		f := follow(t, o, nil) // a cool-down of 10 s
		const kids, every = 1_000_000, 1000
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began, unknown := time.Now(), 0
		id := []byte("00000000")
		for i := range kids {
			for d, n := len(id)-1, i; d >= 0; d, n = d-1, n/10 {
				id[d] = byte('0' + n%10)
			}
			_, err := f.Key(context.Background(), string(id))
			if errors.Is(err, tokenauth.ErrUnknownKey) {
				unknown++
			} else if !errors.Is(err, tokenauth.ErrUnavailable) {
				t.Fatalf("%s: %v", id, err)
			}
			if i%every == 0 {
				time.Sleep(100 * time.Millisecond)
				if err := ask(f, key.ID()); err != nil {
					t.Fatalf("the good key, meanwhile: %v", err)
				}
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		elapsed := time.Since(began)
		require.Equal(t, 100*time.Second, elapsed)
		require.LessOrEqual(t, o.count(), 1+int(elapsed/(10*time.Second)))
		require.Greater(t, unknown, kids/2)
		require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(256<<10))
		for i, at := range o.fetches[1:] {
			require.GreaterOrEqual(t, at.Sub(o.fetches[i]), 10*time.Second)
		}
		s := f.Stats()
		require.EqualValues(t, kids, s.Unknown+s.Unavailable)
	})
}

// An outage is a 503, never a 401: not for keys that are there, and not for those that are not.
func TestAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		ring := newRing(t, key)
		o := published(t, ring, 10*time.Minute)
		f := follow(t, o, func(cfg *jwks.FollowerConfig) { cfg.MaxStale = 30 * time.Minute })
		o.fail()
		time.Sleep(5 * time.Minute)
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnavailable)
		synctest.Wait()
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnavailable)
		require.ErrorIs(t, f.Stats().LastError, errDown)
		require.NoError(t, ask(f, key.ID()))

		time.Sleep(35*time.Minute - time.Nanosecond)
		require.NoError(t, ask(f, key.ID()), "stale, if there is an error")
		time.Sleep(time.Nanosecond)
		require.ErrorIs(t, ask(f, key.ID()), tokenauth.ErrUnavailable, "but not for ever")
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnavailable)

		synctest.Wait()
		o.become(published(t, ring, 10*time.Minute).RoundTrip)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, ask(f, key.ID()), "it comes back by itself, within a cool-down")
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnknownKey)
		require.NoError(t, f.Stats().LastError)
	})
}

func TestAnOutageFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(origin)
		o.fail()
		f := follow(t, o, nil)
		require.ErrorIs(t, ask(f, "any"), tokenauth.ErrUnavailable)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
		defer cancel()
		err := f.WaitReady(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 7, o.count(), "one at once and one each cool-down")

		key := newKey(t, "EdDSA")
		o.become(published(t, newRing(t, key), 0).RoundTrip)
		require.NoError(t, f.WaitReady(t.Context()))
		require.NoError(t, ask(f, key.ID()))
	})
}

// MaxStale below zero is for those who would rather be down than believe a set that is too old.
func TestNoStaleSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		o := published(t, newRing(t, key), 10*time.Minute)
		f := follow(t, o, func(cfg *jwks.FollowerConfig) { cfg.MaxStale = -1 })
		o.fail()
		time.Sleep(10*time.Minute - time.Nanosecond)
		require.NoError(t, ask(f, key.ID()))
		time.Sleep(time.Nanosecond)
		require.ErrorIs(t, ask(f, key.ID()), tokenauth.ErrUnavailable)
	})
}

// Key waits for nobody: not for a fetch that hangs, and not on behalf of a caller that has hung up. The fetch is not the caller's and
// does not end with it.
func TestACallerThatHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		ring := newRing(t, key)
		o := published(t, ring, time.Hour)
		f := follow(t, o, nil)
		time.Sleep(time.Minute)

		slow := published(t, ring, time.Hour)
		o.become(func(r *http.Request) (*http.Response, error) {
			if _, ok := r.Context().Deadline(); !ok {
				return nil, errors.New("a fetch without deadline")
			}
			select {
			case <-time.After(3 * time.Second):
				return slow.RoundTrip(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		began := time.Now()
		_, err := f.Key(gone, "stranger")
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		_, err = f.Key(gone, key.ID())
		require.NoError(t, err)
		for range 100 { // more callers, one fetch
			require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnavailable)
			synctest.Wait()
		}
		require.Equal(t, began, time.Now(), "nobody waited")
		require.Equal(t, 2, o.count())
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.NoError(t, f.Stats().LastError)
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnknownKey)
	})
}

func TestAFetchThatHangsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		o := published(t, newRing(t, key), 10*time.Minute)
		f := follow(t, o, func(cfg *jwks.FollowerConfig) { cfg.Timeout = 2 * time.Second })
		o.hang()
		time.Sleep(10*time.Minute + 2*time.Second - time.Nanosecond)
		synctest.Wait()
		require.NoError(t, f.Stats().LastError)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorIs(t, f.Stats().LastError, context.DeadlineExceeded)
		require.NoError(t, ask(f, key.ID()))
	})
}

// A set is as old as its fetch, counted from the beginning: what was taken out meanwhile may still be in it.
func TestASlowFetchBringsAnOldSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usual := published(t, newRing(t, newKey(t, "EdDSA")), 10*time.Minute)
		o := new(origin)
		o.become(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(4 * time.Second):
				return usual.RoundTrip(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		f := follow(t, o, nil)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		require.Equal(t, 4*time.Second, time.Since(f.Stats().LastSuccess))
		time.Sleep(10*time.Minute - 4*time.Second - time.Nanosecond)
		synctest.Wait()
		require.Equal(t, 1, o.count())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, 2, o.count())

		time.Sleep(10*time.Second - time.Nanosecond)
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnknownKey)
		time.Sleep(time.Nanosecond)
		require.ErrorIs(t, ask(f, "stranger"), tokenauth.ErrUnavailable)
	})
}

// When a set is read again goes by what it says, within bounds (RFC 9111, sections 4.2 and 5.2.2).
func TestMaxAge(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		change func(*jwks.FollowerConfig)
		want   time.Duration
	}{
		"nothing said":             {nil, nil, 5 * time.Minute},
		"said":                     {[]string{"Cache-Control", "max-age=600"}, nil, 10 * time.Minute},
		"among others":             {[]string{"Cache-Control", "public, max-age=600, must-revalidate"}, nil, 10 * time.Minute},
		"in capitals":              {[]string{"Cache-Control", "Max-Age=600"}, nil, 10 * time.Minute},
		"in quotes":                {[]string{"Cache-Control", `max-age="600"`}, nil, 10 * time.Minute},
		"too short":                {[]string{"Cache-Control", "max-age=0"}, nil, time.Minute},
		"no-store":                 {[]string{"Cache-Control", "no-store"}, nil, time.Minute},
		"no-cache beside max-age":  {[]string{"Cache-Control", "max-age=600, no-cache"}, nil, time.Minute},
		"too long":                 {[]string{"Cache-Control", "max-age=31536000"}, nil, time.Hour},
		"longer than a number":     {[]string{"Cache-Control", "max-age=99999999999999999999"}, nil, 5 * time.Minute},
		"negative":                 {[]string{"Cache-Control", "max-age=-1"}, nil, 5 * time.Minute},
		"no number":                {[]string{"Cache-Control", "max-age=soon"}, nil, 5 * time.Minute},
		"another directive":        {[]string{"Cache-Control", "s-maxage=900, x-max-age=900"}, nil, 5 * time.Minute},
		"twice":                    {[]string{"Cache-Control", "max-age=900, max-age=600"}, nil, 10 * time.Minute},
		"twice, the short first":   {[]string{"Cache-Control", "max-age=600, max-age=900"}, nil, 10 * time.Minute},
		"no-cache before max-age":  {[]string{"Cache-Control", "no-cache, max-age=600"}, nil, time.Minute},
		"in two headers":           {[]string{"Cache-Control", "max-age=900", "Cache-Control", "max-age=600"}, nil, 10 * time.Minute},
		"spent in a cache already": {[]string{"Cache-Control", "max-age=600", "Age", "120"}, nil, 8 * time.Minute},
		"all spent":                {[]string{"Cache-Control", "max-age=600", "Age", "9999999999"}, nil, time.Minute},
		"spent in two caches":      {[]string{"Cache-Control", "max-age=600", "Age", "120, 60"}, nil, 8 * time.Minute},
		"spent in no number":       {[]string{"Cache-Control", "max-age=600", "Age", "-120"}, nil, 10 * time.Minute},
		"most of it":               {[]string{"Cache-Control", "max-age=600", "Age", "700"}, nil, time.Minute},
		"MaxAge": {[]string{"Cache-Control", "max-age=600"}, func(c *jwks.FollowerConfig) { c.MaxAge = 2 * time.Minute },
			2 * time.Minute},
		"a short MaxAge": {nil, func(c *jwks.FollowerConfig) { c.MaxAge = 20 * time.Second }, 20 * time.Second},
		"a long CoolDown": {[]string{"Cache-Control", "max-age=0"}, func(c *jwks.FollowerConfig) { c.CoolDown = 3 * time.Minute },
			3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text, err := jwks.Marshal(newKey(t, "EdDSA").VerifyingKey())
				require.NoError(t, err)
				o := serving(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					for i := 0; i < len(c.header); i += 2 {
						w.Header().Add(c.header[i], c.header[i+1])
					}
					_, _ = w.Write(text)
				}))
				follow(t, o, c.change)
				time.Sleep(c.want - time.Nanosecond)
				synctest.Wait()
				require.Equal(t, 1, o.count())
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				require.Equal(t, 2, o.count())
			})
		})
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		o := published(t, newRing(t, key), 10*time.Minute)
		f, err := jwks.NewFollower(jwks.FollowerConfig{URL: setURL, Transport: o})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		synctest.Wait()
		require.ErrorContains(t, f.Run(ctx), "runs already")
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)

		time.Sleep(70*time.Minute - time.Nanosecond) // 10 min, and MaxStale
		require.NoError(t, ask(f, key.ID()), "the last set goes on counting")
		time.Sleep(time.Nanosecond)
		require.ErrorIs(t, ask(f, key.ID()), tokenauth.ErrUnavailable, "until it is too old")
		require.Equal(t, 1, o.count(), "nobody fetches but Run")

		ctx, cancel = context.WithCancel(t.Context())
		go func() { ended <- f.Run(ctx) }()
		synctest.Wait()
		require.NoError(t, ask(f, key.ID()), "it may run again")
		o.hang()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, f.Stats().LastError, "a fetch that we have cut off is no outage")
	})
}

func TestNewFollowerNamesEveryFieldThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		field  string
		change func(*jwks.FollowerConfig)
	}{
		"no URL":                  {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "" }},
		"no host":                 {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "https:///jwks.json" }},
		"http":                    {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "http://auth.test/jwks.json" }},
		"http on a like name":     {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "http://localhost.auth.test/" }},
		"http on a private net":   {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "http://10.0.0.1/" }},
		"http on any address":     {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "http://0.0.0.0/" }},
		"file":                    {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "file:///etc/keys" }},
		"a password":              {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "https://a:b@auth.test/" }},
		"a fragment":              {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "https://auth.test/#a" }},
		"no URL at all":           {"URL", func(cfg *jwks.FollowerConfig) { cfg.URL = "https://[" }},
		"an algorithm of secrets": {"Algorithm", func(cfg *jwks.FollowerConfig) { cfg.Algorithm = "HS256" }},
		"no algorithm":            {"Algorithm", func(cfg *jwks.FollowerConfig) { cfg.Algorithm = "none" }},
		"an injected algorithm":   {"Algorithm", func(cfg *jwks.FollowerConfig) { cfg.Algorithm = `RS256","k":"` }},
		"a negative age":          {"MaxAge", func(cfg *jwks.FollowerConfig) { cfg.MaxAge = -1 }},
		"an age of days":          {"MaxAge", func(cfg *jwks.FollowerConfig) { cfg.MaxAge = 25 * time.Hour }},
		"stale for days":          {"MaxStale", func(cfg *jwks.FollowerConfig) { cfg.MaxStale = 25 * time.Hour }},
		"a negative cool-down":    {"CoolDown", func(cfg *jwks.FollowerConfig) { cfg.CoolDown = -1 }},
		"a negative timeout":      {"Timeout", func(cfg *jwks.FollowerConfig) { cfg.Timeout = -1 }},
		"cool-down over age":      {"CoolDown", func(cfg *jwks.FollowerConfig) { cfg.MaxAge, cfg.CoolDown = time.Minute, time.Hour }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := jwks.FollowerConfig{URL: setURL}
			c.change(&cfg)
			f, err := jwks.NewFollower(cfg)
			require.Nil(t, f)
			require.ErrorContains(t, err, "jwks: FollowerConfig."+c.field+": ")
			require.NotContains(t, err.Error(), "a:b")
		})
	}
	for _, url := range []string{setURL, "http://localhost:80/", "http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]:8080/x"} {
		_, err := jwks.NewFollower(jwks.FollowerConfig{URL: url})
		require.NoError(t, err, url)
	}
	_, err := jwks.NewFollower(jwks.FollowerConfig{Timeout: -1, MaxStale: 99 * time.Hour})
	for _, field := range []string{"URL", "Timeout", "MaxStale"} {
		require.ErrorContains(t, err, "FollowerConfig."+field+": ")
	}
}

// The cache of remembered verifications asks for the key at each hit.
func TestAKeyCostsNoAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		f := follow(t, published(t, newRing(t, key), 0), nil)
		id := key.ID()
		for _, id := range []string{id, "stranger"} {
			require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = f.Key(context.Background(), id) }))
		}
		require.Implements(t, (*interface{ AnswersFromMemory() })(nil), f)
	})
}

// Readers never see a set half replaced, whoever fetches meanwhile. This one is for the race detector.
func TestReadersWhileTheSetChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newKey(t, "EdDSA"), newKey(t, "EdDSA")
		ring := newRing(t, a)
		f := follow(t, published(t, ring, 0), func(cfg *jwks.FollowerConfig) { cfg.MaxAge, cfg.CoolDown = time.Second, time.Second })
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for range 200 {
					ofA, ofB := ask(f, a.ID()), ask(f, b.ID())
					_ = f.Stats()
					if errors.Is(ofA, tokenauth.ErrUnavailable) && errors.Is(ofB, tokenauth.ErrUnavailable) {
						t.Errorf("no key at all")
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		for i := range 20 {
			require.NoError(t, ring.Replace([]tokenauth.SigningKey{a, b}[i%2].VerifyingKey()))
			time.Sleep(time.Second)
		}
		readers.Wait()
	})
}

// Over real sockets: plain HTTP is taken from this machine, and TLS from whom the certificates vouch for.
func TestOverLoopback(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	plain := kit.KeyServer()
	secure := httptest.NewTLSServer(plain)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // where it complains about those who do not trust it
	t.Cleanup(secure.Close)
	downgrade := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(downgrade.Close)
	upgrade := httptest.NewServer(http.RedirectHandler(secure.URL, http.StatusFound))
	t.Cleanup(upgrade.Close)

	for name, c := range map[string]struct {
		url       string
		transport http.RoundTripper
		reason    string // of the refusal, or ""
	}{
		"http on loopback":             {plain.URL, nil, ""},
		"https":                        {secure.URL, secure.Client().Transport, ""},
		"https, from http on loopback": {upgrade.URL, secure.Client().Transport, ""},
		"https of a stranger":          {secure.URL, nil, "certificate"},
		"http, from https":             {downgrade.URL, downgrade.Client().Transport, "off https"},
		"nobody there":                 {"http://127.0.0.1:1/", nil, "dial"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := jwks.NewFollower(jwks.FollowerConfig{URL: c.url, Transport: c.transport})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- f.Run(ctx) }()
			if c.reason == "" {
				require.NoError(t, f.WaitReady(t.Context()))
				require.NoError(t, ask(f, kit.Ring.Keys()[0].ID()))
			} else {
				require.Eventually(t, func() bool { return f.Stats().Fetches > 0 }, 10*time.Second, time.Millisecond)
				require.ErrorContains(t, f.Stats().LastError, c.reason)
				require.ErrorIs(t, ask(f, kit.Ring.Keys()[0].ID()), tokenauth.ErrUnavailable)
			}
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
		})
	}
}

func BenchmarkKey(b *testing.B) {
	key := newKey(b, "EdDSA")
	h, err := jwks.Publish(newRing(b, key), 0)
	require.NoError(b, err)
	f, err := jwks.NewFollower(jwks.FollowerConfig{URL: setURL, Transport: serving(h)})
	require.NoError(b, err)
	go func() { _ = f.Run(b.Context()) }()
	require.NoError(b, f.WaitReady(b.Context()))
	for name, id := range map[string]string{"known": key.ID(), "unknown": "stranger"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.Key(context.Background(), id)
			}
		})
	}
}

// text makes an answer of 200 with a body.
func text(body string) func(*http.Request) (*http.Response, error) {
	return answer(http.StatusOK, io.NopCloser(strings.NewReader(body)))
}

func answer(status int, body io.ReadCloser, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: h, Body: body, Request: r}, nil
	}
}
