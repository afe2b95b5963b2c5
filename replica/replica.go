// Package replica answers from this process's memory what would have to be asked of a store: whether a token is revoked, whether its
// session has ended, and what its subject's epoch is. It reads what has died from a tokenauth.Source, keeps reading, and says for how
// long at most it may still believe a dead token.
//
//	r, err := replica.New(store, replica.Config{})
//	go func() { stopped <- r.Run(ctx) }()
//	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{Profile: profile, Keys: keys, Revocation: r, Sessions: r, Epochs: r})
//
// # The bound
//
// With S for Config.MaxStaleness: no step 9 of a Verifier that begins later than S after Revoke (or EndSession, or what moves an epoch)
// has returned accepts a token that it ended. For a read that is completely applied, let t be the moment just before it began. Memory
// answers while the time since t is at most S, by the larger of what this machine's monotonic clock and its wall clock say: a monotonic
// clock stops while a machine sleeps, and a wall clock can be set. One that has gone back counts as stale. A source yields in each read
// all that was acknowledged before it began, so what is older than S is known.
//
// How soon it is known in fact depends on the source. With P for Poll and R for the time of a read:
//
//	woken by the source      the wake-up, or the end of the read that was under way, + 20 ms at most + R
//	wake-ups cut             P + R, which is why P + ReadTimeout ≤ S is asked for
//	source does not answer   S, and from then on tokenauth.ErrUnavailable
//	asked directly           what the store itself takes, AskTimeout at most
//	dead by the clock        retirement, and a session that was cut short: as above, and what this clock and the writer's differ by
//
// The bound holds for what the source acknowledged and still has. A store that acknowledges a revocation and loses it, as one may that
// fails over to an asynchronous copy, is outside of it; what is noticed of that stands below.
//
// # Beyond the bound
//
// What is known to be dead stays dead, whatever happens. All else is then asked of the source directly: equal questions are joined, no
// more than 16 different ones are under way, each has AskTimeout, and above that, or if it fails, the answer is tokenauth.ErrUnavailable.
// A no is believed only while the source still knows the cursor of the last read: one that has restarted meanwhile may have lost its end.
//
// # A source that has lost its past
//
// A full read is laid over what is known, never put in its place: an entry leaves by its expiry alone, and six minutes more. Where a full
// read lacks something unexpired that was known, the source is a copy that was restored, or a standby that was promoted without its tail,
// and there will be deaths it lost that nobody here has seen. Then all that is not known to be dead is tokenauth.ErrUnavailable, until the
// source is re-seeded: until RaiseNotBefore(Everyone, now), or what a store has for it, ends all tokens from before the loss. One that was
// done within five seconds of the last that was heard of the source cannot be told from an older one: do it again. Re-seeding helps only a
// Verifier whose Epochs are enforced, by this Replica; one without them needs new signing keys and a new process. A Replica that is started
// after the loss cannot know of it.
//
// # What it does not know
//
// A Replica is a deny-list. It says "not known dead", never "known to live": an id that no store has a record of, minted with a stolen key
// or lost in a restore, is not revoked here, though a TokenStore says that it is; and a session that never began is active. Where
// that matters, ask the store, or set Config.HoldLive. A session id must not be used again after it was ended or cut short.
//
// # What it costs
//
// A look-up reads the clock and one word of a table, or two, takes no lock and allocates nothing. An entry is 28 to 38 bytes. Among a million
// dead on one core of a server of 2026 a live id takes some 115 ns, of which both clocks are 55, and a dead one, which needs no clock, 45;
// ten million are 310 MB.
// There is no goroutine but the caller's: Run reads, polls and sweeps.
package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A Store is what a Replica reads from, and asks where it does not know. Every store of this project is one.
type Store interface {
	tokenauth.Source
	tokenauth.RevocationStore
	tokenauth.SessionStore
	tokenauth.EpochStore
}

// A Config configures a Replica. The zero Config is ready for use.
type Config struct {
	// MaxStaleness is the bound: for how long what was read answers. 0: 5 s.
	MaxStaleness time.Duration
	// Poll is how long a Replica that is not woken waits between the beginnings of two reads. 0: a fifth of MaxStaleness.
	Poll time.Duration
	// ReadTimeout is what a read of what is new may take. 0: half of MaxStaleness. One that was cut off is given twice as long the
	// next time, up to LoadTimeout, if anything came: so a backlog is caught up with in the end.
	ReadTimeout time.Duration
	// LoadTimeout is what a read of everything may take, the first one above all. 0: a minute, or ReadTimeout if that is more.
	LoadTimeout time.Duration
	// AskTimeout is what one direct question may take. 0: 80 ms, or MaxStaleness if that is less. A Verifier sets no timer of its own
	// around a Replica and asks at most three questions, one after the other, so its StoreTimeout should be three of these.
	AskTimeout time.Duration
	// HoldLive, if more than 0, has only those ids and sessions answered from memory that the source has called live, so many of each:
	// the source is asked about all others, and what it says is kept until they die, everything is read anew, or the room is needed. 0: a
	// Replica answers for all it does not know to be dead.
	HoldLive int
	// Now is the wall clock; nil: this machine's. Only tests need to set it, together with Elapsed, and both must be safe for concurrent use.
	Now func() time.Time
	// Elapsed is a clock that never goes back, as of any moment; nil: this machine's.
	Elapsed func() time.Duration
}

const (
	defaultMaxStaleness = 5 * time.Second
	defaultLoadTimeout  = time.Minute
	defaultAskTimeout   = 80 * time.Millisecond
)

// A Replica is a RevocationStore, a SessionStore and an EpochStore that answers from memory. It is safe for concurrent use. Make it with
// New, and let one goroutine Run it: until then, and whenever Run does not run, it asks the source.
type Replica struct {
	cfg    Config
	source Store
	clock  clock
	view   atomic.Pointer[view] // nil: nothing was read completely yet

	tokens, sessions *graves
	epochs           *epochs
	live             *living // nil: Config.HoldLive is not set
	desk             desk
	loader           // belongs to Run
	ready            chan struct{}
	running          atomic.Bool
	counters         counters
}

// A view is what the last complete read allows to say. It never changes.
type view struct {
	began  moment           // just before the read
	cursor tokenauth.Cursor // where it ended
	lost   bool             // the source has lost its past
}

var (
	_ tokenauth.RevocationStore = (*Replica)(nil)
	_ tokenauth.SessionStore    = (*Replica)(nil)
	_ tokenauth.EpochStore      = (*Replica)(nil)
)

// New returns a Replica of source, which it does not ask yet. The error names every field that is missing or contradictory.
func New(source Store, cfg Config) (*Replica, error) {
	cfg = cfg.complete()
	if err := cfg.check(source); err != nil {
		return nil, err
	}
	r := &Replica{
		cfg:      cfg,
		source:   source,
		clock:    newClock(cfg),
		tokens:   newGraves(),
		sessions: newGraves(),
		epochs:   newEpochs(),
		desk:     newDesk(),
		ready:    make(chan struct{}),
	}
	if cfg.HoldLive > 0 {
		r.live = newLiving(cfg.HoldLive)
	}
	return r, nil
}

// complete puts in the defaults.
func (cfg Config) complete() Config {
	set := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	set(&cfg.MaxStaleness, defaultMaxStaleness)
	set(&cfg.Poll, cfg.MaxStaleness/5)
	set(&cfg.ReadTimeout, cfg.MaxStaleness/2)
	set(&cfg.LoadTimeout, max(defaultLoadTimeout, cfg.ReadTimeout))
	set(&cfg.AskTimeout, min(defaultAskTimeout, cfg.MaxStaleness))
	return cfg
}

// check says all that is wrong with a complete configuration.
func (cfg Config) check(source Store) error {
	var problems []error
	when := func(bad bool, field, what string) {
		if bad {
			problems = append(problems, errors.New("replica: "+field+": "+what))
		}
	}
	value := reflect.ValueOf(source)
	when(source == nil || value.Kind() == reflect.Pointer && value.IsNil(), "source", "required: the store to read from")
	for _, d := range []struct {
		field string
		d     time.Duration
	}{
		{"MaxStaleness", cfg.MaxStaleness}, {"Poll", cfg.Poll}, {"ReadTimeout", cfg.ReadTimeout}, {"LoadTimeout", cfg.LoadTimeout},
		{"AskTimeout", cfg.AskTimeout},
	} {
		when(d.d <= 0, "Config."+d.field, "not more than 0")
	}
	when(cfg.Poll > cfg.MaxStaleness-cfg.ReadTimeout, "Config.Poll",
		"with ReadTimeout more than MaxStaleness, so that one slow read would have everything asked directly")
	when(cfg.LoadTimeout < cfg.ReadTimeout, "Config.LoadTimeout", "less than ReadTimeout")
	when(cfg.AskTimeout > cfg.MaxStaleness, "Config.AskTimeout", "more than MaxStaleness, so that an answer could be older than the bound")
	when(cfg.HoldLive < 0, "Config.HoldLive", "negative")
	when((cfg.Now == nil) != (cfg.Elapsed == nil), "Config.Now", "set without Elapsed, or Elapsed without it: staleness is measured by both")
	return errors.Join(problems...)
}

// AnswersFromMemory tells a Verifier that it needs no timer around a call. Most are answered at once; one that asks the source ends after
// Config.AskTimeout, or with its context.
func (r *Replica) AnswersFromMemory() {}

// Describe says what kind of answer this is, for whoever reads a Verifier's configuration.
func (r *Replica) Describe() string {
	if r.live != nil {
		return fmt.Sprintf("a replica that says live only of what the store said so of, at most %v old", r.cfg.MaxStaleness)
	}
	return fmt.Sprintf("a replica that says not known dead, at most %v old", r.cfg.MaxStaleness)
}

// IsRevoked says whether jti is known to be dead: revoked, or retired by this process's clock. An id that the source has no record of is
// not. tokenauth.ErrUnavailable: what was read is older than Config.MaxStaleness and the source does not answer, or it has lost its past.
func (r *Replica) IsRevoked(ctx context.Context, jti string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, gone(err)
	}
	name := nameOf(jti)
	dead, known := r.look(r.tokens, name)
	if dead {
		return true, nil
	}
	if known && (r.live == nil || r.live.tokens.has(name)) {
		return false, nil
	}
	answer, err := r.ask(ctx, question{kind: aboutToken, id: jti, stale: !known}, name)
	return answer.dead, err
}

// IsSessionActive says whether the session is not known to have ended. One that never began is active, and so is one that has come to its
// until: its tokens have expired with it. The errors are those of IsRevoked.
func (r *Replica) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, gone(err)
	}
	name := sessionName(subject, sid)
	dead, known := r.look(r.sessions, name)
	if dead {
		return false, nil
	}
	if known && (r.live == nil || r.live.sessions.has(name)) {
		return true, nil
	}
	answer, err := r.ask(ctx, question{kind: aboutSession, subject: subject, id: sid, stale: !known}, name)
	return err == nil && !answer.dead, err
}

// Epoch returns subject's epoch, merged with Everyone's: of each member the later. The errors are those of IsRevoked.
func (r *Replica) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if err := ctx.Err(); err != nil {
		return tokenauth.Epoch{}, gone(err)
	}
	v := r.view.Load() // first, as in look
	held := r.epochs.of(subject)
	if r.vouches(v, r.clock.read()) {
		return held, nil
	}
	answer, err := r.ask(ctx, question{kind: aboutEpoch, id: subject, stale: true}, name{})
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	return merge(answer.epoch, held), nil
}

// look says whether a name is known to be dead, and otherwise whether what was read may answer that it is not. The view is taken before
// anything is looked up, so that the read it stands for is in what is looked at; the clock is read last, so that this read began less than
// MaxStaleness before the call did. What is dead already needs no clock.
func (r *Replica) look(g *graves, n name) (dead, known bool) {
	v := r.view.Load()
	from, buried := g.from(n)
	if buried && from == always {
		return true, true
	}
	now := r.clock.read()
	return buried && from <= now.wall, r.vouches(v, now)
}

// vouches says whether what was read for a view may answer at a moment.
func (r *Replica) vouches(v *view, now moment) bool {
	return v != nil && !v.lost && now.since(v.began) <= r.cfg.MaxStaleness
}

// Staleness says how old what was read is: how long ago the last complete read began, by the slower of two clocks. It is the longest
// Duration if nothing was read yet, the wall clock has gone back since, or the source has lost its past: nothing is answered from memory
// then but what is dead.
func (r *Replica) Staleness() time.Duration {
	v := r.view.Load()
	if v == nil || v.lost {
		return math.MaxInt64
	}
	return r.clock.read().since(v.began)
}

// WaitReady returns nil once everything was read completely for the first time. If ctx ends before, the error wraps its own and what the
// last read failed with.
func (r *Replica) WaitReady(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("replica: not ready: %w", errors.Join(ctx.Err(), r.counters.lastError()))
	}
}

// gone is the answer to whoever has left.
func gone(err error) error { return fmt.Errorf("replica: %w", err) }
