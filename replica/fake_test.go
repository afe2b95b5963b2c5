package replica_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

// A fake is a store in memory with a line to it that can be cut, and that another store can be put in the place of: one that is a copy from
// before, say. What is not set works as it should.
type fake struct {
	mu     sync.Mutex
	store  *memstore.Store
	down   error                                                                                       // every call fails
	hangs  bool                                                                                        // every call waits for its context
	deaf   bool                                                                                        // Wait is never woken
	change func(tokenauth.Change) error                                                                // before each of Changes
	reads  func(context.Context, *memstore.Store, tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] // instead of Changes
	asked  int                                                                                         // direct questions
	slow   time.Duration                                                                               // what each of them takes
	atOnce int
	most   int // direct questions at once
}

func newFake() *fake { return &fake{store: memstore.New(memstore.Config{})} }

// set changes the fake.
func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// now returns the store behind the line, or what is wrong with it.
func (f *fake) now(ctx context.Context) (*memstore.Store, error) {
	f.mu.Lock()
	store, down, hangs := f.store, f.down, f.hangs
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return store, down
}

func (f *fake) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		store, err := f.now(ctx)
		if err != nil {
			yield(tokenauth.Change{}, err)
			return
		}
		f.mu.Lock()
		reads, before := f.reads, f.change
		f.mu.Unlock()
		all := store.Changes(ctx, since)
		if reads != nil {
			all = reads(ctx, store, since)
		}
		for change, err := range all {
			if err == nil && before != nil {
				err = before(change)
			}
			if !yield(change, err) || err != nil {
				return
			}
		}
	}
}

func (f *fake) Wait(ctx context.Context, since tokenauth.Cursor) error {
	store, err := f.now(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	deaf := f.deaf
	f.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return ctx.Err()
	}
	return store.Wait(ctx, since)
}

// direct is a direct question.
func (f *fake) direct(ctx context.Context) (*memstore.Store, error) {
	f.mu.Lock()
	f.asked++
	f.atOnce++
	f.most = max(f.most, f.atOnce)
	slow := f.slow
	f.mu.Unlock()
	defer f.set(func(f *fake) { f.atOnce-- })
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return f.now(ctx)
}

func (f *fake) IsRevoked(ctx context.Context, jti string) (bool, error) {
	store, err := f.direct(ctx)
	if err != nil {
		return false, err
	}
	return store.IsRevoked(ctx, jti)
}

func (f *fake) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	store, err := f.direct(ctx)
	if err != nil {
		return false, err
	}
	return store.IsSessionActive(ctx, subject, sid)
}

func (f *fake) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	store, err := f.direct(ctx)
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	return store.Epoch(ctx, subject)
}

// A desk is a fake, a replica of it that is run, and the questions of the tests.
type desk struct {
	t    testing.TB
	ctx  context.Context
	f    *fake
	r    *replica.Replica
	stop func() error
}

// seconds is the standard bound.
const bound = 5 * time.Second

// newDesk runs a replica of a fake until the test ends. It belongs in a bubble.
func newDesk(t testing.TB, cfg replica.Config, prepare ...func(f *fake)) *desk {
	d := &desk{t: t, ctx: t.Context(), f: newFake()}
	for _, prepare := range prepare {
		prepare(d.f)
	}
	r, err := replica.New(d.f, cfg)
	require.NoError(t, err)
	d.r = r
	d.run()
	t.Cleanup(func() { _ = d.stop() })
	return d
}

// run runs the replica until stop is called.
func (d *desk) run() {
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- d.r.Run(ctx) }()
	d.stop = sync.OnceValue(func() error { cancel(); return <-stopped })
}

// ready waits for the first read.
func (d *desk) ready() *desk {
	require.NoError(d.t, d.r.WaitReady(d.ctx))
	return d
}

// sleep lets time pass, and all that is due be done.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// record returns a root's record that lives for a day.
func record() *tokenauth.StoredAccessToken {
	return tokenauth.NewStoredAccessToken("ci", "alice", nil, nil, time.Now().Add(24*time.Hour), "alice")
}

// create puts a record into a store, a fresh one if none is given.
func (d *desk) create(s *memstore.Store, given ...*tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	given = append(given, record())
	require.NoError(d.t, s.Create(d.ctx, given[0]))
	return given[0]
}

// kill revokes in a store.
func (d *desk) kill(s *memstore.Store, t *tokenauth.StoredAccessToken) {
	_, err := s.Revoke(d.ctx, t.ID, tokenauth.Revocation{At: time.Now()})
	require.NoError(d.t, err)
}

// buried puts a record into a store and revokes it.
func (d *desk) buried(s *memstore.Store, given ...*tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := d.create(s, given...)
	d.kill(s, t)
	return t
}

// everyone raises everyone's NotBefore.
func (d *desk) everyone(s *memstore.Store, at time.Time) {
	_, err := s.RaiseNotBefore(d.ctx, tokenauth.Everyone, at)
	require.NoError(d.t, err)
}

func (d *desk) dead(t *tokenauth.StoredAccessToken, why ...any) {
	d.t.Helper()
	dead, err := d.r.IsRevoked(d.ctx, t.ID)
	require.NoError(d.t, err, why...)
	require.True(d.t, dead, why...)
}

func (d *desk) alive(t *tokenauth.StoredAccessToken, why ...any) {
	d.t.Helper()
	dead, err := d.r.IsRevoked(d.ctx, t.ID)
	require.NoError(d.t, err, why...)
	require.False(d.t, dead, why...)
}

// unknown checks that nobody knows whether a token lives. That a session does not is an answer the source may give, and no harm.
func (d *desk) unknown(t *tokenauth.StoredAccessToken, why ...any) {
	d.t.Helper()
	_, err := d.r.IsRevoked(d.ctx, t.ID)
	require.ErrorIs(d.t, err, tokenauth.ErrUnavailable, why...)
	active, err := d.r.IsSessionActive(d.ctx, "nobody", "s-1")
	require.False(d.t, active, why...)
	require.True(d.t, err == nil || errors.Is(err, tokenauth.ErrUnavailable), why...)
	_, err = d.r.Epoch(d.ctx, "nobody")
	require.ErrorIs(d.t, err, tokenauth.ErrUnavailable, why...)
}

// asked says how many direct questions came since the last time.
func (d *desk) asked() (n int) {
	d.f.set(func(f *fake) { n, f.asked = f.asked, 0 })
	return n
}

var errDown = errors.New("connection refused")

// A lab is the two clocks of a replica, apart from the one its timers go by.
type lab struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
	base time.Time
}

func newLab() *lab { return &lab{base: time.Now(), wall: time.Now()} }

func (l *lab) config(cfg replica.Config) replica.Config {
	cfg.Now, cfg.Elapsed = l.Now, l.Elapsed
	return cfg
}

// Now is the bubble's time, and what was added to it.
func (l *lab) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wall.Add(time.Since(l.base))
}

func (l *lab) Elapsed() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mono + time.Since(l.base)
}

// set moves the wall clock alone.
func (l *lab) set(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wall = l.wall.Add(d)
}
