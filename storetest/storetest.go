// Package storetest holds the contract of every port of package tokenauth as a suite that anyone can run on a store of their
// own:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Config{
//			New: func(t testing.TB, now func() time.Time) storetest.Stores {
//				s := mystore.New(openEmptyDatabase(t), now)
//				return storetest.Stores{Tokens: s, Sessions: s, Epochs: s, OneTime: s}
//			},
//		})
//	}
//
// Each rule of the contract is a subtest with a name of its own, and what it fails with begins with the rule in a sentence. There is
// no list of exceptions: a store that fails a rule does not keep the contract, and somebody will be let in, or out, by it.
//
// The rules ask for nothing that only memory could do. A cascade need not be one step, it must be complete when it returns nil;
// pages of a list need not be one snapshot; LastUsedAt may lag a minute behind.
//
// A deny-list that is a RevocationStore and nothing else has no suite, because it cannot be written to: what a Verifier asks of it stands
// at tokenauth.RevocationStore.
//
// The suite does not test how durable a store is, how it bears a broken connection, or what it does about a full disk. It tests
// the loss of everything only where Stores.Lose says how to bring it about.
package storetest

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A Config says how to make the stores under test. New is required.
type Config struct {
	// New returns a fresh store: empty, made ready by whatever explicit call makes its schema, and reading now as its only
	// clock. It is called once for each rule, and for one about two stores a second time: both stand side by side. now is safe for concurrent use; it begins in 2001 and moves only when a rule moves
	// it, so a store that asks another clock is found out. What needs closing is closed by t.Cleanup.
	New func(t testing.TB, now func() time.Time) Stores
	// Races is how many rounds each race between goroutines is run; 0: 200. A store in memory can afford thousands.
	Races int
	// Patience is how long one rule may take before it counts as stuck; 0: 1 min. It is the deadline of every context.
	Patience time.Duration
}

// Stores is what a store under test implements, usually one value several times over. The rules of a port that is nil are skipped.
//
// Where Tokens also has Touch or DeleteExpired, their rules are run, too; and those of tokenauth.Source, if it is one: then it tells
// what was ended in Sessions and Epochs, too, where these are set.
type Stores struct {
	Tokens   tokenauth.TokenStore    // the records of tokens
	Sessions tokenauth.SessionWriter // sessions
	Epochs   tokenauth.EpochWriter   // epochs
	OneTime  tokenauth.OneTimeStore  // used one-time keys
	// Lose, if set, empties the store behind its back, its generation marker included, as a server does that comes back without
	// its disk. nil: the rule about such a loss is skipped.
	Lose func()
}

// A toucher and a deleter are what a TokenStore may also be, and every store of this project is.
type (
	toucher interface {
		Touch(ctx context.Context, at time.Time, ids ...string) error
	}
	deleter interface {
		DeleteExpired(ctx context.Context, before time.Time, limit int) (int, error)
	}
)

// A Rule is one sentence of the contract. The zero Rule is none.
type Rule struct {
	Name     string // the name of the subtest
	Sentence string // what must hold

	needs []need
	check func(*trial)
}

// Rules returns every rule, in the order in which Run runs them.
func Rules() []Rule {
	var all []Rule
	for _, part := range [][]Rule{
		createRules(), revocationRules(), revokeRules(), rotateRules(), listRules(), keepingRules(), raceRules(), textRules(),
		sessionRules(), epochRules(), oneTimeRules(), sourceRules(), storeRules(),
	} {
		all = append(all, part...)
	}
	return all
}

// Run runs every rule against a fresh store, each as a subtest. A rule about something the store does not have is skipped.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	if cfg.New == nil {
		t.Fatal("storetest: Config.New is required")
	}
	none := false
	for _, rule := range Rules() {
		if none {
			t.Fatal("storetest: Config.New returned no port at all: a bare RevocationStore has no suite, as it cannot be written to")
		}
		t.Run(rule.Name, func(t *testing.T) {
			c := newTrial(t, cfg)
			if none = c.Tokens == nil && c.Sessions == nil && c.Epochs == nil && c.OneTime == nil; none {
				return
			}
			if missing := rule.missing(c.Stores); missing != "" {
				t.Skip("the store has no " + missing) // a store need not fill every port, and of one that is not there nothing can be wrong
			}
			if err := rule.run(c); err != nil {
				t.Error(err)
			}
		})
	}
}

// A need is something a store may lack.
type need struct {
	name string
	met  func(Stores) bool
}

var (
	tokens   = need{"Tokens", func(s Stores) bool { return s.Tokens != nil }}
	touch    = need{"Touch", func(s Stores) bool { _, ok := s.Tokens.(toucher); return ok }}
	expiry   = need{"DeleteExpired", func(s Stores) bool { _, ok := s.Tokens.(deleter); return ok }}
	source   = need{"Source", func(s Stores) bool { _, ok := s.Tokens.(tokenauth.Source); return ok }}
	sessions = need{"Sessions", func(s Stores) bool { return s.Sessions != nil }}
	epochs   = need{"Epochs", func(s Stores) bool { return s.Epochs != nil }}
	oneTime  = need{"OneTime", func(s Stores) bool { return s.OneTime != nil }}
	loss     = need{"Lose", func(s Stores) bool { return s.Lose != nil }}
)

// missing names what the rule needs and s lacks, or returns "".
func (r Rule) missing(s Stores) string {
	for _, n := range r.needs {
		if !n.met(s) {
			return n.name
		}
	}
	return ""
}

// run checks the rule and says in what the store fails it. It comes back even if the store does not: the goroutine of a store
// that hangs and does not honour its context is left behind.
func (r Rule) run(c *trial) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	c.ctx = ctx
	// The store has as long again to notice that its context has ended.
	stuck, free := context.WithTimeout(context.Background(), 2*c.patience)
	defer free()

	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				c.problem = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			done <- c.problem
		}()
		r.check(c)
	}()
	select {
	case err := <-done:
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s\n\t%w", r.Sentence, err)
	case <-stuck.Done():
		return fmt.Errorf("%s\n\tthe store does not come back, nor does it honour its context", r.Sentence)
	}
}

// A trial is one rule meeting one store. Its methods end the rule at the first failure, as testing.T's do.
type trial struct {
	Stores
	ctx      context.Context
	clock    *clock
	races    int
	patience time.Duration
	another  func() Stores // makes a second store beside the first
	problem  error
}

func newTrial(t testing.TB, cfg Config) *trial {
	c := &trial{clock: newClock(), races: cfg.Races, patience: cfg.Patience}
	if c.races <= 0 {
		c.races = 200
	}
	if c.patience <= 0 {
		c.patience = time.Minute
	}
	c.another = func() Stores { return cfg.New(t, c.clock.Now) }
	c.Stores = c.another()
	return c
}

// fail ends the rule. It belongs on the rule's own goroutine.
func (c *trial) fail(format string, args ...any) {
	c.problem = fmt.Errorf(format, args...)
	runtime.Goexit()
}
