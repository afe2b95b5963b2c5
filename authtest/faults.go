package authtest

import (
	"context"
	"errors"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A service meets a store that fails far too late if it meets it in production first. Faults is a switch that stands before any
// port: while it is healed the port answers, otherwise the fault does.

// Faults is a switch for any number of ports. The zero Faults lets everything pass. It is safe for concurrent use.
//
// A port behind it never says that it answers from memory, even if the one behind does: a Verifier asks it under its StoreTimeout.
type Faults struct {
	mu    sync.Mutex
	mode  mode
	over  chan struct{} // closed when the mode ends
	calls int
}

// A mode is how the ports answer.
type mode struct {
	err   error
	hang  bool
	delay time.Duration
	lie   bool
}

// ErrFault is what a port answers after Fail(nil).
var ErrFault = errors.New("authtest: the store is down")

// Fail makes every call fail at once with err; nil: ErrFault.
func (f *Faults) Fail(err error) {
	if err == nil {
		err = ErrFault
	}
	f.set(mode{err: err})
}

// Hang makes every call wait until its context ends, and return that error; or until the mode changes, and then answer.
func (f *Faults) Hang() { f.set(mode{hang: true}) }

// Slow makes every call wait for d, by the machine's clock, before it answers.
func (f *Faults) Slow(d time.Duration) { f.set(mode{delay: d}) }

// Lie makes the ports answer wrongly: what is revoked is not, a live session has ended, a key that is known is unknown, the used one-time
// key is fresh, and the other way round. What is written is acknowledged and forgotten. No caller can notice a lie; what a
// test can show is that one liar decides nothing else.
func (f *Faults) Lie() { f.set(mode{lie: true}) }

// Heal makes the ports answer again.
func (f *Faults) Heal() { f.set(mode{}) }

// Calls says how often the ports were asked so far.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *Faults) set(m mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over != nil {
		close(f.over)
	}
	f.mode, f.over = m, make(chan struct{})
}

// enter counts a call and lets it pass, or returns its error. A call that passes may have to lie.
func (f *Faults) enter(ctx context.Context) (lie bool, err error) {
	f.mu.Lock()
	f.calls++
	m, over := f.mode, f.over
	f.mu.Unlock()
	var wait <-chan time.Time
	if m.delay > 0 {
		timer := time.NewTimer(m.delay)
		defer timer.Stop()
		wait = timer.C
	}
	if m.hang || m.delay > 0 {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-over:
		case <-wait:
		}
	}
	return m.lie, m.err
}

// answer asks a port a question of yes and no.
func answer(ctx context.Context, f *Faults, ask func() (bool, error)) (bool, error) {
	lie, err := f.enter(ctx)
	if err != nil {
		return false, err
	}
	yes, err := ask()
	return yes != lie && err == nil, err
}

// write makes a port do something, unless it pretends to.
func write[T any](ctx context.Context, f *Faults, do func() (T, error)) (T, error) {
	var none T
	lie, err := f.enter(ctx)
	if err != nil || lie {
		return none, err
	}
	return do()
}

// Revocation returns s behind the switch.
func (f *Faults) Revocation(s tokenauth.RevocationStore) tokenauth.RevocationStore {
	return &revocation{f, s}
}

type revocation struct {
	f *Faults
	s tokenauth.RevocationStore
}

func (r *revocation) IsRevoked(ctx context.Context, jti string) (bool, error) {
	return answer(ctx, r.f, func() (bool, error) { return r.s.IsRevoked(ctx, jti) })
}

// Tokens returns s behind the switch.
func (f *Faults) Tokens(s tokenauth.TokenStore) tokenauth.TokenStore {
	return &tokens{revocation{f, s}, s}
}

type tokens struct {
	revocation
	s tokenauth.TokenStore
}

func (p *tokens) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	_, err := write(ctx, p.f, func() (struct{}, error) { return struct{}{}, p.s.Create(ctx, t) })
	return err
}

func (p *tokens) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	lie, err := p.f.enter(ctx)
	switch {
	case err != nil:
		return nil, err
	case lie:
		return nil, tokenauth.ErrNotFound
	}
	return p.s.Get(ctx, id)
}

func (p *tokens) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return func(yield func(*tokenauth.StoredAccessToken, error) bool) {
		lie, err := p.f.enter(ctx)
		if err != nil {
			yield(nil, err)
		}
		if err != nil || lie {
			return
		}
		p.s.List(ctx, f)(yield)
	}
}

func (p *tokens) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	return write(ctx, p.f, func() (int, error) { return p.s.Revoke(ctx, id, r) })
}

func (p *tokens) RevokeAll(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	return write(ctx, p.f, func() (int, error) { return p.s.RevokeAll(ctx, f, r) })
}

func (p *tokens) Rotate(ctx context.Context, id string, retireAt time.Time, successor *tokenauth.StoredAccessToken) error {
	_, err := write(ctx, p.f, func() (struct{}, error) { return struct{}{}, p.s.Rotate(ctx, id, retireAt, successor) })
	return err
}

// Sessions returns s behind the switch.
func (f *Faults) Sessions(s tokenauth.SessionWriter) tokenauth.SessionWriter { return &sessions{f, s} }

type sessions struct {
	f *Faults
	s tokenauth.SessionWriter
}

func (p *sessions) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	return answer(ctx, p.f, func() (bool, error) { return p.s.IsSessionActive(ctx, subject, sid) })
}

func (p *sessions) StartSession(ctx context.Context, subject, sid string, until time.Time) error {
	_, err := write(ctx, p.f, func() (struct{}, error) { return struct{}{}, p.s.StartSession(ctx, subject, sid, until) })
	return err
}

func (p *sessions) EndSession(ctx context.Context, subject, sid string) error {
	_, err := write(ctx, p.f, func() (struct{}, error) { return struct{}{}, p.s.EndSession(ctx, subject, sid) })
	return err
}

func (p *sessions) EndSessions(ctx context.Context, subject string) (int, error) {
	return write(ctx, p.f, func() (int, error) { return p.s.EndSessions(ctx, subject) })
}

// Epochs returns s behind the switch.
func (f *Faults) Epochs(s tokenauth.EpochWriter) tokenauth.EpochWriter { return &epochs{f, s} }

type epochs struct {
	f *Faults
	s tokenauth.EpochWriter
}

func (p *epochs) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	lie, err := p.f.enter(ctx)
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	e, err := p.s.Epoch(ctx, subject)
	switch {
	case err != nil || !lie:
		return e, err
	case e == tokenauth.Epoch{}:
		return tokenauth.Epoch{MinVersion: math.MaxInt64}, nil
	}
	return tokenauth.Epoch{}, nil
}

func (p *epochs) BumpEpoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	return write(ctx, p.f, func() (tokenauth.Epoch, error) { return p.s.BumpEpoch(ctx, subject) })
}

func (p *epochs) RaiseNotBefore(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
	return write(ctx, p.f, func() (tokenauth.Epoch, error) { return p.s.RaiseNotBefore(ctx, subject, t) })
}

// OneTime returns s behind the switch.
func (f *Faults) OneTime(s tokenauth.OneTimeStore) tokenauth.OneTimeStore { return &oneTime{f, s} }

type oneTime struct {
	f *Faults
	s tokenauth.OneTimeStore
}

func (p *oneTime) Consume(ctx context.Context, key string, until time.Time) error {
	lie, err := p.f.enter(ctx)
	if err != nil {
		return err
	}
	err = p.s.Consume(ctx, key, until)
	switch {
	case lie && err == nil:
		return tokenauth.ErrReplayed
	case lie && errors.Is(err, tokenauth.ErrReplayed):
		return nil
	}
	return err
}

// Keys returns s behind the switch. It cannot make up a key, so a lie is that every key is unknown.
func (f *Faults) Keys(s tokenauth.KeySet) tokenauth.KeySet { return &keys{f, s} }

type keys struct {
	f *Faults
	s tokenauth.KeySet
}

func (p *keys) Key(ctx context.Context, id string) (tokenauth.Key, error) {
	lie, err := p.f.enter(ctx)
	switch {
	case err != nil:
		return tokenauth.Key{}, err
	case lie:
		return tokenauth.Key{}, tokenauth.ErrUnknownKey
	}
	return p.s.Key(ctx, id)
}
