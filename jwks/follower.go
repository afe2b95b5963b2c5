package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A token names its key before anything about it is proven, so whoever can send a request can ask for any key. What that costs
// must not grow with the asking: Key reads a pointer, at most leaves word that a fetch is due, and returns. All fetching is
// Run's, one fetch after another, in the context of the service.
//
// The set in use is immutable and replaced whole. An answer is one of three, and the hard one is "unknown": it refuses a token for good,
// so it needs a set that was read just now. Whatever else is not there is unavailable.

// FollowerConfig configures a Follower. URL is required.
type FollowerConfig struct {
	// URL is where the key set is: https, or http on loopback. It holds no user and no fragment.
	URL string
	// Transport fetches; nil: http.DefaultTransport, with its proxies from the environment. At most three redirects are followed, and
	// none off https.
	Transport http.RoundTripper
	// Algorithm is that of RSA keys which do not say one: RS256 to RS512 or PS256 to PS512; "": RS256. A key's own alg stands.
	Algorithm string
	// MaxAge is the longest that a set counts before it is read again, whatever its max-age says; 0: 1 h. A max-age below 1 min is
	// taken for 1 min, as far as MaxAge and CoolDown allow; a set without one counts for 5 min.
	MaxAge time.Duration
	// MaxStale is how long a set goes on counting after that, if it cannot be read again; 0: 1 h; negative: not at all. It is what a key
	// that was taken back can gain while its authority is out of reach.
	MaxStale time.Duration
	// CoolDown is the shortest time from one fetch to the next, and how old a set may be for a key that is not in it to be unknown;
	// 0: 10 s. At a Verifier of several authorities the tokens of one ask for keys that another never had; a longer CoolDown spares
	// its key server.
	CoolDown time.Duration
	// Timeout is how long one fetch may take, its body included; 0: 5 s
	Timeout time.Duration
}

// Bounds of a configuration.
const (
	leastMaxAge  = time.Minute
	mostDuration = 24 * time.Hour
)

// A Follower is a KeySet that follows a published set of keys. It is safe for concurrent use; make it with NewFollower and let Run
// run.
type Follower struct {
	cfg FollowerConfig

	current atomic.Pointer[keySet]
	due     chan struct{} // holds one word that a fetch is due
	ready   chan struct{} // closed once there is a set
	running atomic.Bool

	unknown, unavailable atomic.Uint64

	mu    sync.Mutex // guards stats
	stats Stats
}

// A keySet is what was read at one time. It never changes.
type keySet struct {
	ring  tokenauth.KeyRing
	count int
	begun time.Time // when its fetch began: a key that was taken out later may still be in it
	fresh time.Time // when it is to be read again
	until time.Time // when it stops counting
}

var _ tokenauth.KeySet = (*Follower)(nil)

// NewFollower checks the whole configuration and reports every problem at once, each naming its field. It fetches nothing.
func NewFollower(cfg FollowerConfig) (*Follower, error) {
	var problems []error
	add := func(field, what string) {
		problems = append(problems, fmt.Errorf("jwks: FollowerConfig.%s: %s", field, what))
	}
	if u, err := url.Parse(cfg.URL); err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || !isTrusted(u) {
		add("URL", "required: an https URL (http on loopback) without user and fragment")
	}
	switch cfg.Algorithm {
	case "", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
	default:
		add("Algorithm", "none of RS256 to RS512 and PS256 to PS512")
	}
	for _, d := range []struct {
		field string
		value *time.Duration
		usual time.Duration
	}{
		{"MaxAge", &cfg.MaxAge, time.Hour},
		{"CoolDown", &cfg.CoolDown, 10 * time.Second},
		{"Timeout", &cfg.Timeout, 5 * time.Second},
	} {
		if *d.value < 0 || *d.value > mostDuration {
			add(d.field, "not between 0 and 24 h")
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	switch {
	case cfg.MaxStale > mostDuration:
		add("MaxStale", "longer than 24 h")
	case cfg.MaxStale == 0:
		cfg.MaxStale = time.Hour
	case cfg.MaxStale < 0:
		cfg.MaxStale = 0
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport
	}
	if cfg.CoolDown > cfg.MaxAge {
		add("CoolDown", "longer than MaxAge")
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &Follower{cfg: cfg, due: make(chan struct{}, 1), ready: make(chan struct{})}, nil
}

// Key implements tokenauth.KeySet, from memory: it never waits, allocates nothing and does not look at ctx. The error is
// ErrUnknownKey only if the set was read within the last CoolDown; otherwise it is ErrUnavailable, and a fetch is due.
func (f *Follower) Key(_ context.Context, id string) (tokenauth.Key, error) {
	set, now := f.current.Load(), time.Now()
	if set == nil || passed(set.until, now) {
		return f.notNow()
	}
	key, err := set.ring.Key(context.Background(), id)
	switch {
	case err == nil:
		return key, nil
	case passed(set.begun.Add(f.cfg.CoolDown), now):
		return f.notNow()
	}
	f.unknown.Add(1)
	return tokenauth.Key{}, tokenauth.ErrUnknownKey
}

// notNow leaves word that a fetch is due.
func (f *Follower) notNow() (tokenauth.Key, error) {
	f.unavailable.Add(1)
	select {
	case f.due <- struct{}{}:
	default: // the word is there already
	}
	return tokenauth.Key{}, tokenauth.ErrUnavailable
}

// AnswersFromMemory marks f as a KeySet that needs no timer.
func (f *Follower) AnswersFromMemory() {}

// passed says whether moment t has come, by either clock of this machine: the monotonic one stands still while the machine sleeps,
// and the wall clock can be set back.
func passed(t, now time.Time) bool { return !now.Before(t) || !now.Round(0).Before(t.Round(0)) }

// Run fetches until ctx ends, and returns ctx's error. It is called once; a second one, while the first runs, is an error. After it
// has ended the last set counts until it is too old.
func (f *Follower) Run(ctx context.Context) error {
	if !f.running.CompareAndSwap(false, true) {
		return errors.New("jwks: Follower.Run: it runs already")
	}
	defer f.running.Store(false)
	for ctx.Err() == nil {
		select {
		case <-f.due: // this fetch is it
		default:
		}
		begun := time.Now()
		next := f.refresh(ctx, begun)
		f.wait(ctx, begun.Add(f.cfg.CoolDown), next)
	}
	return ctx.Err()
}

// wait returns at next, or when a fetch is due, but then not before earliest; or when ctx ends.
func (f *Follower) wait(ctx context.Context, earliest, next time.Time) {
	if !sleepUntil(ctx, time.Now, nil, earliest) {
		return
	}
	sleepUntil(ctx, time.Now, f.due, next)
}

// tick is how long Run sleeps at most before it looks at the clocks again: a timer stands still while the machine sleeps.
const tick = time.Second

// sleepUntil returns true at moment t, by either clock, or when word comes; false if ctx ends first.
func sleepUntil(ctx context.Context, clock func() time.Time, word <-chan struct{}, t time.Time) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for now := clock(); !passed(t, now); now = clock() {
		timer.Reset(min(t.Sub(now), tick))
		select {
		case <-timer.C:
		case <-word:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// refresh reads the set once and says when to do so again.
func (f *Follower) refresh(ctx context.Context, begun time.Time) (next time.Time) {
	set, err := f.fetch(ctx, begun)
	f.note(ctx, set, err, begun)
	if err != nil {
		return begun.Add(f.cfg.CoolDown)
	}
	first := f.current.Swap(set) == nil
	if first {
		close(f.ready)
	}
	return set.fresh
}

// WaitReady returns nil once there is a set, or an error wrapping ctx's and what was wrong with the last fetch. Run must run meanwhile.
func (f *Follower) WaitReady(ctx context.Context) error {
	select {
	case <-f.ready:
		return nil
	default:
	}
	select {
	case <-f.ready:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("jwks: no key set yet: %w", ctx.Err()), f.Stats().LastError)
	}
}

// Stats is what a Follower has done so far: numbers to watch. A LastSuccess that grows old is an outage to come.
type Stats struct {
	Fetches     uint64    // begun and ended, whatever came of them
	Failures    uint64    // those that brought no set
	LastError   error     // of the last fetch; nil if it brought a set
	LastSuccess time.Time // when the fetch of the set in use began; zero: there is none
	Keys        int       // in the set in use
	Unknown     uint64    // answers that a key is unknown
	Unavailable uint64    // answers that nobody knows
}

// Stats returns the numbers as they are now.
func (f *Follower) Stats() Stats {
	f.mu.Lock()
	s := f.stats
	f.mu.Unlock()
	s.Unknown, s.Unavailable = f.unknown.Load(), f.unavailable.Load()
	return s
}

// note counts a fetch. One that ctx has cut off says nothing about the key server.
func (f *Follower) note(ctx context.Context, set *keySet, err error, begun time.Time) {
	if err != nil && ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Fetches++
	f.stats.LastError = err
	if err != nil {
		f.stats.Failures++
		return
	}
	f.stats.LastSuccess, f.stats.Keys = begun, set.count
}
