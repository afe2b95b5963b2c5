package lease_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/lease"
)

// A store answers about tokens as it is told to. It can take its time to say what it has read, and hang until the caller gives up.
type store struct {
	mu    sync.Mutex
	dead  map[string]bool
	err   error
	takes time.Duration
	hangs bool
	asked int
}

func (s *store) IsRevoked(ctx context.Context, id string) (bool, error) {
	s.mu.Lock()
	dead, err, takes, hangs := s.dead[id], s.err, s.takes, s.hangs
	s.asked++
	s.mu.Unlock()
	time.Sleep(takes)
	if hangs {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return dead, err
}

func (s *store) set(change func(s *store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *store) revoke(p *tokenauth.Principal) {
	s.set(func(s *store) { s.dead[p.TokenID()] = true })
}

// A bench is a verifier over a store, and an issuer of what it proves.
type bench struct {
	store    *store
	verifier *tokenauth.Verifier
	issuer   *tokenauth.Issuer
}

func newBench(t testing.TB, change ...func(*tokenauth.VerifierConfig)) *bench {
	t.Helper()
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	profile := tokenauth.Profile{Issuers: []string{"i"}, Audiences: []string{"a"}}
	b := &bench{store: &store{dead: map[string]bool{}}}
	cfg := tokenauth.VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: b.store, StoreTimeout: 250 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	b.verifier, err = tokenauth.NewVerifier(cfg)
	require.NoError(t, err)
	b.issuer, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key})
	require.NoError(t, err)
	return b
}

// principal returns one proven for ttl.
func (b *bench) principal(t testing.TB, ttl time.Duration) *tokenauth.Principal {
	t.Helper()
	claims := tokenauth.NewClaims("alice", ttl, nil, "")
	claims.ID = rand.Text()
	issued, err := b.issuer.Sign(t.Context(), tokenauth.SystemAuthority("test"), claims)
	require.NoError(t, err)
	p, err := b.verifier.Verify(t.Context(), issued.Token.Reveal())
	require.NoError(t, err)
	return p
}

// start returns Leases that run until the test ends.
func start(t testing.TB, v *tokenauth.Verifier, cfg lease.Config) *lease.Leases {
	t.Helper()
	l, err := lease.New(v, cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.ErrorIs(t, <-ended, context.Canceled) })
	synctest.Wait()
	return l
}

// take returns a lease that must be given.
func take(t testing.TB, l *lease.Leases, p *tokenauth.Principal) context.Context {
	t.Helper()
	ctx, done, err := l.Lease(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(done)
	return ctx
}

// lasted waits for the end of ctx and says how long that took.
func lasted(ctx context.Context) time.Duration {
	began := time.Now()
	<-ctx.Done()
	return time.Since(began)
}

// config is what these tests run with: a check each second, and five without an answer.
var config = lease.Config{Every: time.Second, MaxStaleness: 5 * time.Second}

const grain = 10 * time.Millisecond

func TestALeaseEndsWhenItsTokenIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := start(t, b.verifier, config)
		p, other := b.principal(t, time.Hour), b.principal(t, time.Hour)
		dies, lives := take(t, l, p), take(t, l, other)
		time.Sleep(10*time.Second + 300*time.Millisecond)
		require.NoError(t, dies.Err())
		b.store.revoke(p)
		require.LessOrEqual(t, lasted(dies), config.Every+grain)
		require.ErrorIs(t, context.Cause(dies), tokenauth.ErrRevoked)
		time.Sleep(time.Minute)
		require.NoError(t, lives.Err())
		require.Equal(t, lease.Stats{Live: 1, Checks: l.Stats().Checks, Dead: 1}, l.Stats())
	})
}

func TestALeaseEndsAtItsExpiry(t *testing.T) {
	for name, leeway := range map[string]time.Duration{"no leeway": 0, "leeway": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(cfg *tokenauth.VerifierConfig) { cfg.Leeway = leeway })
				l := start(t, b.verifier, lease.Config{Every: 10 * time.Second, MaxStaleness: time.Minute})
				p := b.principal(t, 95*time.Second)
				ctx := take(t, l, p)
				<-ctx.Done()
				require.ErrorIs(t, context.Cause(ctx), tokenauth.ErrExpired)
				late := time.Since(p.ExpiresAt().Add(leeway))
				require.GreaterOrEqual(t, late, time.Duration(0))
				if leeway == 0 {
					require.LessOrEqual(t, late, grain)
				} else {
					require.LessOrEqual(t, late, time.Second+grain)
				}
			})
		})
	}
}

// A store that does not answer ends nothing at once, and everything in the end: whether it says so, or hangs.
func TestALeaseThatNobodyConfirmsEnds(t *testing.T) {
	for name, breaks := range map[string]func(*store){
		"error": func(s *store) { s.err = errors.New("connection refused") },
		"hangs": func(s *store) { s.hangs = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				l := start(t, b.verifier, config)
				var all []context.Context
				for range 100 { // more than there are workers
					all = append(all, take(t, l, b.principal(t, time.Hour)))
				}
				time.Sleep(10*time.Second + 300*time.Millisecond)

				b.store.set(breaks)
				time.Sleep(3 * time.Second)
				b.store.set(func(s *store) { s.err, s.hangs = nil, false })
				time.Sleep(10 * time.Second)
				for _, ctx := range all {
					require.NoError(t, context.Cause(ctx), "a short outage ends nothing")
				}

				b.store.set(breaks)
				began := time.Now()
				for _, ctx := range all {
					<-ctx.Done()
					require.LessOrEqual(t, time.Since(began), config.MaxStaleness+grain)
					require.ErrorIs(t, context.Cause(ctx), tokenauth.ErrUnavailable)
					require.NotErrorIs(t, context.Cause(ctx), tokenauth.ErrInvalidToken)
				}
				require.GreaterOrEqual(t, time.Since(began), config.MaxStaleness-config.Every-grain)
				s := l.Stats()
				require.EqualValues(t, 100, s.Unconfirmed)
				require.Zero(t, s.Dead)
				require.Zero(t, s.Live)
				require.NotZero(t, s.Unavailable)
			})
		})
	}
}

// Once Revoke has returned, no lease outlives it by more than the formula says, whatever the store does in between.
func TestTheBoundHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := start(t, b.verifier, config)
		for round := range 200 {
			p := b.principal(t, time.Hour)
			ctx := take(t, l, p)
			time.Sleep(time.Duration(round*37%1000) * time.Millisecond)
			b.store.set(func(s *store) { s.hangs = round%3 == 1 })
			time.Sleep(time.Duration(round*53%900) * time.Millisecond)
			b.store.revoke(p)
			require.LessOrEqual(t, lasted(ctx), config.MaxStaleness+grain)
			b.store.set(func(s *store) { s.hangs = false })
		}
	})
}

// An answer is as old as its question.
func TestALeaseIsConfirmedAsOfTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := start(t, b.verifier, config)
		p := b.principal(t, time.Hour)
		ctx := take(t, l, p)
		b.store.set(func(s *store) { s.takes = 200 * time.Millisecond })
		time.Sleep(1050 * time.Millisecond) // in the middle of a check, which has read that the token lives
		b.store.revoke(p)
		b.store.set(func(s *store) { s.hangs = true })
		require.LessOrEqual(t, lasted(ctx), config.MaxStaleness)
	})
}

// No worker sits on a heap of leases while others are idle.
func TestWorkersShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := start(t, b.verifier, config)
		p := b.principal(t, time.Hour)
		var all []context.Context
		for range 64 {
			all = append(all, take(t, l, p))
		}
		b.store.set(func(s *store) { s.takes = 100 * time.Millisecond })
		b.store.revoke(p)
		began := time.Now()
		for _, ctx := range all {
			<-ctx.Done()
		}
		require.LessOrEqual(t, time.Since(began), config.Every+64/16*100*time.Millisecond+100*time.Millisecond)
	})
}

func TestALeaseIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := start(t, b.verifier, lease.Config{MaxLeases: 1})
		dead, expired, good := b.principal(t, time.Hour), b.principal(t, time.Second), b.principal(t, time.Hour)
		b.store.revoke(dead)
		time.Sleep(2 * time.Second)
		refused := func(name string, p *tokenauth.Principal, want error) {
			ctx, done, err := l.Lease(t.Context(), p)
			require.ErrorIs(t, err, want, name)
			require.Error(t, ctx.Err(), name)
			require.Equal(t, err, context.Cause(ctx), name)
			done()
		}
		refused("revoked", dead, tokenauth.ErrRevoked)
		refused("expired", expired, tokenauth.ErrExpired)
		refused("nobody", nil, tokenauth.ErrMissingToken)
		refused("the zero principal", &tokenauth.Principal{}, tokenauth.ErrMissingToken)
		refused("of another verifier", newBench(t).principal(t, time.Hour), tokenauth.ErrInvalidToken)
		b.store.set(func(s *store) { s.err = errors.New("connection refused") })
		refused("nobody knows", good, tokenauth.ErrUnavailable)
		b.store.set(func(s *store) { s.err = nil })
		require.Zero(t, l.Stats().Live)

		_, done, err := l.Lease(t.Context(), good)
		require.NoError(t, err)
		refused("too many", good, tokenauth.ErrUnavailable)
		done()
		take(t, l, good)
	})
}

// Nobody holds a lease that nobody would end.
func TestWithoutRunThereAreNoLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := b.principal(t, time.Hour)
		l, err := lease.New(b.verifier, config)
		require.NoError(t, err)
		before := b.store.asked
		_, _, err = l.Lease(t.Context(), p)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.Equal(t, before, b.store.asked, "nobody is asked in vain")

		for range 2 { // it may run again
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error)
			go func() { ended <- l.Run(ctx) }()
			synctest.Wait()
			require.Error(t, l.Run(t.Context()), "twice at once")
			leased := take(t, l, p)
			b.store.set(func(s *store) { s.hangs = true })
			time.Sleep(1100 * time.Millisecond) // so that a check is under way
			why := errors.New("shutting down")
			cancel(why)
			require.Equal(t, why, <-ended)
			require.ErrorIs(t, context.Cause(leased), tokenauth.ErrUnavailable)
			b.store.set(func(s *store) { s.hangs = false })
			_, _, err = l.Lease(t.Context(), p)
			require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		}
	})
	require.Error(t, (&lease.Leases{}).Run(t.Context()))
	_, _, err := (&lease.Leases{}).Lease(t.Context(), nil)
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
}

// Whoever waits for Run to begin is given a lease, and whoever waits in vain is told.
func TestWaitReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := b.principal(t, time.Hour)
		l, err := lease.New(b.verifier, config)
		require.NoError(t, err)
		impatient, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, l.WaitReady(impatient), context.DeadlineExceeded)

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			time.Sleep(time.Second)
			ended <- l.Run(ctx)
		}()
		require.NoError(t, l.WaitReady(t.Context()))
		take(t, l, p)
		require.NoError(t, l.WaitReady(impatient), "it has begun")
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
		again, cancelAgain := context.WithCancel(t.Context())
		defer cancelAgain()
		go func() { ended <- l.Run(again) }() // no second close
		synctest.Wait()
		take(t, l, p)
		cancelAgain()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	require.Error(t, (&lease.Leases{}).WaitReady(t.Context()))
}

// Run may end, and the last place may be taken, while a principal is judged: then it is too late.
func TestALeaseIsRefusedThatCameTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := b.principal(t, time.Hour)
		l, err := lease.New(b.verifier, lease.Config{MaxLeases: 1})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		synctest.Wait()

		b.store.set(func(s *store) { s.takes = 100 * time.Millisecond })
		var kept, refused int
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 10 {
			all.Go(func() {
				_, _, err := l.Lease(ctx, p)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					kept++
				} else if assert.ErrorIs(t, err, tokenauth.ErrUnavailable) {
					refused++
				}
			})
		}
		all.Wait()
		require.Equal(t, [2]int{1, 9}, [2]int{kept, refused})

		time.AfterFunc(50*time.Millisecond, cancel)
		_, _, err = l.Lease(t.Context(), p)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Zero(t, l.Stats().Live)
	})
}

// While a store hangs, the token that has expired is not behind those that have not.
func TestAnExpiryIsFirstInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := start(t, b.verifier, lease.Config{Every: 2 * time.Second, MaxStaleness: 20 * time.Second})
		for range 400 {
			take(t, l, b.principal(t, time.Hour))
		}
		p := b.principal(t, 3*time.Second)
		ctx := take(t, l, p)
		b.store.set(func(s *store) { s.hangs = true })
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), tokenauth.ErrExpired)
		require.LessOrEqual(t, time.Since(p.ExpiresAt()), 8*250*time.Millisecond) // by then a worker is free
	})
}

// done and the end of the parent free a lease; the store is not asked for it any more.
func TestALeaseThatIsOverIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := start(t, b.verifier, config)
		p := b.principal(t, time.Hour)
		parent, cancel := context.WithCancelCause(t.Context())
		byParent, _, err := l.Lease(parent, p)
		require.NoError(t, err)
		byDone, done, err := l.Lease(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, 2, l.Stats().Live)

		done()
		done() // again
		require.Equal(t, context.Canceled, context.Cause(byDone))
		require.Equal(t, 1, l.Stats().Live)
		why := errors.New("the client hung up")
		cancel(why)
		require.Equal(t, why, context.Cause(byParent))
		time.Sleep(config.Every + grain)
		require.Zero(t, l.Stats().Live)
		asked := b.store.asked
		time.Sleep(time.Minute)
		require.Equal(t, asked, b.store.asked)
		require.Zero(t, l.Stats().Dead)
	})
}

// A machine that slept: the monotonic clock stood still, the wall clock did not. And one whose wall clock is set back.
func TestTheLargerDifferenceCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var mu sync.Mutex
		var jump time.Duration
		cfg := config
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			if jump != 0 { // another wall clock beside the same monotonic one cannot be made, so this one stands alone
				return now.Round(0).Add(jump)
			}
			return now
		}
		set := func(d time.Duration) { mu.Lock(); jump = d; mu.Unlock() }
		l := start(t, b.verifier, cfg)
		ctx := take(t, l, b.principal(t, time.Hour))
		time.Sleep(10 * time.Second)
		b.store.set(func(s *store) { s.hangs = true })
		set(time.Minute) // slept
		require.LessOrEqual(t, lasted(ctx), time.Second+grain, "what was not confirmed meanwhile ends when the machine wakes")
		require.ErrorIs(t, context.Cause(ctx), tokenauth.ErrUnavailable)
	})
}

// What Confirm looks at is in the context of whoever asked for the lease.
func TestACheckHasTheContextOfTheLease(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		checked := make(chan any, 100)
		b := newBench(t)
		hooked := newBench(t, func(cfg *tokenauth.VerifierConfig) {
			cfg.Revocation = lookup(func(ctx context.Context, id string) (bool, error) {
				checked <- ctx.Value(key{})
				return b.store.IsRevoked(ctx, id)
			})
		})
		l := start(t, hooked.verifier, config)
		p := hooked.principal(t, time.Hour)
		<-checked // by Verify
		_, done, err := l.Lease(context.WithValue(t.Context(), key{}, "client"), p)
		require.NoError(t, err)
		defer done()
		require.Equal(t, "client", <-checked)
		require.Equal(t, "client", <-checked)
	})
}

type lookup func(ctx context.Context, id string) (bool, error)

func (f lookup) IsRevoked(ctx context.Context, id string) (bool, error) { return f(ctx, id) }

func TestABadConfigurationIsRefused(t *testing.T) {
	v := newBench(t).verifier
	for field, cfg := range map[string]lease.Config{
		"Every":        {Every: -1},
		"MaxStaleness": {MaxStaleness: -1},
		"twice Every":  {Every: 3 * time.Second},
		"Workers":      {Workers: -1},
		"MaxLeases":    {MaxLeases: -1},
	} {
		_, err := lease.New(v, cfg)
		require.ErrorContains(t, err, field)
	}
	_, err := lease.New(nil, lease.Config{Workers: -1, MaxLeases: -1})
	require.Equal(t, 3, len(strings.Split(err.Error(), "\n")), "every problem at once: %v", err)
}

// Leases are taken, ended, revoked and dropped by many hands at once.
func TestManyHands(t *testing.T) {
	b := newBench(t)
	l, err := lease.New(b.verifier, lease.Config{Every: time.Millisecond, MaxStaleness: time.Minute, Workers: 4})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	var wg sync.WaitGroup
	for hand := range 8 {
		wg.Go(func() {
			for n := range 100 {
				p := b.principal(t, time.Hour)
				leased, done, err := l.Lease(ctx, p)
				for err != nil && n == 0 { // until Run runs
					leased, done, err = l.Lease(ctx, p)
				}
				if !assert.NoError(t, err) {
					return
				}
				if hand%2 == 0 {
					b.store.revoke(p)
					<-leased.Done()
					assert.ErrorIs(t, context.Cause(leased), tokenauth.ErrRevoked)
				}
				done()
			}
		})
	}
	wg.Wait()
	s := l.Stats()
	assert.Zero(t, s.Live)
	assert.EqualValues(t, 400, s.Dead)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}
