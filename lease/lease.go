// Package lease ends what goes on for longer than a request when the token behind it dies: a stream, a watch, a shell, a job.
//
// A principal says what was true when it was proven. [Leases] looks again, for all that is under way in a process, and hands out contexts
// that end with their token:
//
//	leases, err := lease.New(verifier, lease.Config{})
//	...
//	go func() { stopped <- leases.Run(ctx) }() // yours, for as long as there are leases
//	err = leases.WaitReady(ctx)                // before it there are none
//
//	func watch(ctx context.Context, p *tokenauth.Principal) error {
//		ctx, done, err := leases.Lease(ctx, p)
//		if err != nil {
//			return err
//		}
//		defer done()
//		for event := range events(ctx) {
//			...
//		}
//		return context.Cause(ctx) // tokenauth.ErrRevoked, say
//	}
//
// # When a lease ends
//
// At each check tokenauth.Verifier.Recheck judges the principal anew: its key, its times, its revocation, session and epoch. What is known to
// be dead ends at once, with that error as the cause. What nobody knows goes on, until it has not been confirmed for Config.MaxStaleness;
// then it ends, and the cause wraps tokenauth.ErrUnavailable. A lease also ends when its parent context does, when its done is called, and
// when Run returns.
//
// # How late that may be
//
// Let B be the bound of what the Verifier asks: 0 for a store itself, MaxStaleness of a replica. A token whose Revoke returned at r has no
// lease after
//
//	r + B + Every + the time its check takes             while the store answers
//	r + B + MaxStaleness                                 whatever the store does
//
// plus 10 ms, which is how finely Run sleeps, and however long the holder of the context takes to notice. An expiry is looked at in its own
// second, and each second from then on while the Verifier's Leeway lets the token live; while the store hangs, once a worker is free, which takes
// 8 of the Verifier's StoreTimeout at most.
//
// # What it costs
//
// A few hundred bytes for a lease, and no goroutine: Run has one, and Config.Workers for the questions. Each lease asks the store once in
// Every, so a thousand of them ask a thousand times: put a replica in front of the store.
package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A Config configures Leases. The zero Config is ready for use.
type Config struct {
	// Every is how much time passes between two checks of a lease; 0: a fifth of MaxStaleness.
	Every time.Duration
	// MaxStaleness is how long a lease goes on without being confirmed, because the store does not answer; 0: 5 s. It must be at least
	// twice Every, or one late answer would end everything.
	MaxStaleness time.Duration
	// Workers is how many checks are under way at once; 0: 16. A store that hangs keeps each busy for the Verifier's StoreTimeout.
	Workers int
	// MaxLeases is how many leases there may be at once; 0: 1,048,576. One more is tokenauth.ErrUnavailable.
	MaxLeases int
	// Now is the clock; nil: time.Now. It must be safe for concurrent use. What it returns should carry a monotonic reading, as time.Now
	// does: of the two differences between moments the larger counts, because the one clock stands still while a machine sleeps and the other
	// may be set back.
	Now func() time.Time
}

const (
	defaultStaleness = 5 * time.Second
	defaultWorkers   = 16
	defaultMaxLeases = 1 << 20
)

// New checks the whole configuration and reports every problem at once, each naming its field.
func New(v *tokenauth.Verifier, cfg Config) (*Leases, error) {
	var problems []error
	refuse := func(wrong bool, what string) {
		if wrong {
			problems = append(problems, fmt.Errorf("lease: %s", what))
		}
	}
	refuse(v == nil, "Verifier: required")
	refuse(cfg.Every < 0, "Config.Every: negative")
	refuse(cfg.MaxStaleness < 0, "Config.MaxStaleness: negative")
	refuse(cfg.Workers < 0, "Config.Workers: negative")
	refuse(cfg.MaxLeases < 0, "Config.MaxLeases: negative")
	cfg = cfg.orDefaults()
	refuse(cfg.Every > 0 && cfg.MaxStaleness > 0 && cfg.MaxStaleness < 2*cfg.Every, "Config.MaxStaleness: less than twice Every")
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &Leases{verifier: v, cfg: cfg, wake: make(chan struct{}, 1), ready: make(chan struct{})}, nil
}

// orDefaults returns cfg with what is not set.
func (cfg Config) orDefaults() Config {
	if cfg.MaxStaleness == 0 {
		cfg.MaxStaleness = defaultStaleness
	}
	if cfg.Every == 0 {
		cfg.Every = cfg.MaxStaleness / 5
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.MaxLeases == 0 {
		cfg.MaxLeases = defaultMaxLeases
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// Why a lease is refused, or ends, beside what the Verifier says.
var (
	errNotRunning  = unavailable("Run is not running, so nobody would end the lease; see WaitReady")
	errTooMany     = unavailable("there are too many leases, see Config.MaxLeases")
	errUnconfirmed = unavailable("the token could not be confirmed for as long as Config.MaxStaleness allows")
	errTwoRuns     = errors.New("lease: Run is running already")
	errNotMade     = errors.New("lease: the Leases were not made by New")
)

func unavailable(what string) error {
	return fmt.Errorf("lease: %s: %w", what, tokenauth.ErrUnavailable)
}

// Lease judges p anew and returns a context that ends when p's token dies, with the reason as its cause: see context.Cause. Call done when
// what was leased for is over.
//
// An error wraps tokenauth.ErrInvalidToken or tokenauth.ErrUnavailable, and then the context has ended already, with that cause: p is dead,
// is of another Verifier, could not be judged before ctx or the store gave up, there are Config.MaxLeases, or Run is not running.
func (l *Leases) Lease(ctx context.Context, p *tokenauth.Principal) (leased context.Context, done context.CancelFunc, err error) {
	leased, cancel := context.WithCancelCause(ctx)
	if err = l.admit(leased, cancel, p, &done); err != nil {
		cancel(err)
		return leased, func() {}, err
	}
	return leased, done, nil
}

// admit judges p and keeps a lease on it.
func (l *Leases) admit(ctx context.Context, cancel context.CancelCauseFunc, p *tokenauth.Principal, done *context.CancelFunc) error {
	if err := l.mayKeep(); err != nil {
		return err // before anybody is asked
	}
	began := l.cfg.Now()
	if err := l.verifier.Recheck(ctx, p); err != nil {
		return err
	}
	h := &held{principal: p, ctx: ctx, cancel: cancel, confirmed: began}
	*done = func() { l.drop(h) }
	return l.keep(h)
}
