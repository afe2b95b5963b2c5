package storetest

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// A faulty store is a store in memory with some of its methods replaced. What is not set works as it should.
type faulty struct {
	*memstore.Store
	clock *clock

	isRevoked     func(ctx context.Context, id string) (bool, error)
	create        func(ctx context.Context, t *tokenauth.StoredAccessToken) error
	get           func(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error)
	list          func(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error]
	revoke        func(ctx context.Context, id string, r tokenauth.Revocation) (int, error)
	revokeAll     func(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error)
	rotate        func(ctx context.Context, id string, at time.Time, t *tokenauth.StoredAccessToken) error
	touch         func(ctx context.Context, at time.Time, ids ...string) error
	deleteExpired func(ctx context.Context, before time.Time, limit int) (int, error)

	isActive    func(ctx context.Context, subject, sid string) (bool, error)
	start       func(ctx context.Context, subject, sid string, until time.Time) error
	end         func(ctx context.Context, subject, sid string) error
	endSessions func(ctx context.Context, subject string) (int, error)

	epoch func(ctx context.Context, subject string) (tokenauth.Epoch, error)
	bump  func(ctx context.Context, subject string) (tokenauth.Epoch, error)
	raise func(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error)

	consume func(ctx context.Context, key string, until time.Time) error
	changes func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error]
	wait    func(ctx context.Context, since tokenauth.Cursor) error
	lose    func()
}

// newFaulty returns a store in which nothing is broken yet.
func newFaulty(c *clock) *faulty {
	s := memstore.New(memstore.Config{Now: c.Now})
	return &faulty{
		Store: s, clock: c,
		isRevoked: s.IsRevoked, create: s.Create, get: s.Get, list: s.List, revoke: s.Revoke, revokeAll: s.RevokeAll,
		rotate: s.Rotate, touch: s.Touch, deleteExpired: s.DeleteExpired,
		isActive: s.IsSessionActive, start: s.StartSession, end: s.EndSession, endSessions: s.EndSessions,
		epoch: s.Epoch, bump: s.BumpEpoch, raise: s.RaiseNotBefore,
		consume: s.Consume, changes: s.Changes, wait: s.Wait, lose: func() { *s = memstore.Store{} },
	}
}

func (f *faulty) stores() Stores {
	return Stores{Tokens: f, Sessions: f, Epochs: f, OneTime: f, Lose: func() { f.lose() }}
}

func (f *faulty) IsRevoked(ctx context.Context, id string) (bool, error) { return f.isRevoked(ctx, id) }
func (f *faulty) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	return f.create(ctx, t)
}
func (f *faulty) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	return f.get(ctx, id)
}
func (f *faulty) List(ctx context.Context, filter tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return f.list(ctx, filter)
}
func (f *faulty) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	return f.revoke(ctx, id, r)
}
func (f *faulty) RevokeAll(ctx context.Context, filter tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	return f.revokeAll(ctx, filter, r)
}
func (f *faulty) Rotate(ctx context.Context, id string, at time.Time, t *tokenauth.StoredAccessToken) error {
	return f.rotate(ctx, id, at, t)
}
func (f *faulty) Touch(ctx context.Context, at time.Time, ids ...string) error {
	return f.touch(ctx, at, ids...)
}
func (f *faulty) DeleteExpired(ctx context.Context, before time.Time, limit int) (int, error) {
	return f.deleteExpired(ctx, before, limit)
}
func (f *faulty) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	return f.isActive(ctx, subject, sid)
}
func (f *faulty) StartSession(ctx context.Context, subject, sid string, until time.Time) error {
	return f.start(ctx, subject, sid, until)
}
func (f *faulty) EndSession(ctx context.Context, subject, sid string) error {
	return f.end(ctx, subject, sid)
}
func (f *faulty) EndSessions(ctx context.Context, subject string) (int, error) {
	return f.endSessions(ctx, subject)
}
func (f *faulty) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	return f.epoch(ctx, subject)
}
func (f *faulty) BumpEpoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	return f.bump(ctx, subject)
}
func (f *faulty) RaiseNotBefore(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
	return f.raise(ctx, subject, t)
}
func (f *faulty) Consume(ctx context.Context, key string, until time.Time) error {
	return f.consume(ctx, key, until)
}
func (f *faulty) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return f.changes(ctx, since)
}
func (f *faulty) Wait(ctx context.Context, since tokenauth.Cursor) error { return f.wait(ctx, since) }

// all returns what a filter selects, as far as the context reaches.
func (f *faulty) all(ctx context.Context, filter tokenauth.TokenFilter) (all []*tokenauth.StoredAccessToken) {
	for t, err := range f.Store.List(ctx, filter) {
		if err != nil {
			break
		}
		all = append(all, t)
	}
	return all
}

// onGet makes Get return what change makes of the record.
func (f *faulty) onGet(change func(t *tokenauth.StoredAccessToken)) {
	f.get = func(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
		t, err := f.Store.Get(ctx, id)
		if err == nil {
			change(t)
		}
		return t, err
	}
}

// onCreate makes Create keep what change makes of the record.
func (f *faulty) onCreate(change func(t *tokenauth.StoredAccessToken)) {
	f.create = func(ctx context.Context, t *tokenauth.StoredAccessToken) error {
		if t = t.Clone(); t != nil {
			change(t)
		}
		return f.Store.Create(ctx, t)
	}
}

// onFilter makes List ask for what change makes of the filter.
func (f *faulty) onFilter(change func(filter *tokenauth.TokenFilter)) {
	f.list = func(ctx context.Context, filter tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
		change(&filter)
		return f.Store.List(ctx, filter)
	}
}

// onList makes List yield what change makes of everything selected.
func (f *faulty) onList(change func(all []*tokenauth.StoredAccessToken, filter tokenauth.TokenFilter) []*tokenauth.StoredAccessToken) {
	f.list = func(ctx context.Context, filter tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
		return func(yield func(*tokenauth.StoredAccessToken, error) bool) {
			var all []*tokenauth.StoredAccessToken
			for t, err := range f.Store.List(ctx, filter) {
				if err != nil {
					yield(nil, err)
					return
				}
				all = append(all, t)
			}
			for _, t := range change(all, filter) {
				if !yield(t, nil) {
					return
				}
			}
		}
	}
}

// onChange makes Changes yield what change makes of each one, or leave it out where keep is false.
func (f *faulty) onChange(change func(ch *tokenauth.Change) (keep bool)) {
	f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
		return func(yield func(tokenauth.Change, error) bool) {
			for ch, err := range f.Store.Changes(ctx, since) {
				if err == nil && ch.Next == "" && !change(&ch) {
					continue
				}
				if !yield(ch, err) {
					return
				}
			}
		}
	}
}

// collected is the deaths since a cursor, and the cursor behind them.
func (f *faulty) collected(ctx context.Context, since tokenauth.Cursor) (all []tokenauth.Change, next tokenauth.Cursor, err error) {
	for ch, err := range f.Store.Changes(ctx, since) {
		if err != nil {
			return nil, "", err
		}
		if ch.Next == "" {
			all = append(all, ch)
		}
		next = ch.Next
	}
	return all, next, nil
}

// deaf is ctx for a store that does not look at it.
func deaf(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// A cascade is a Revoke of the kind a database without transactions would do, in steps that others can see. What it marks lies
// over the store. It is complete unless something is broken: kin says who else dies with a record.
type cascade struct {
	f    *faulty
	kin  func(ctx context.Context, t *tokenauth.StoredAccessToken) []*tokenauth.StoredAccessToken
	once bool // one pass only: what is born meanwhile is missed
	stop bool // not through what is marked already

	mu          sync.Mutex
	marked      map[string]bool
	predecessor map[string]string
}

// cascades replaces the store's own cascade.
func (f *faulty) cascades(c *cascade) {
	c.f, c.marked, c.predecessor = f, map[string]bool{}, map[string]string{}
	if c.kin == nil {
		c.kin = c.everyone
	}
	f.isRevoked = func(ctx context.Context, id string) (bool, error) {
		if c.isMarked(id) {
			return true, nil
		}
		return f.Store.IsRevoked(ctx, id)
	}
	f.create = func(ctx context.Context, t *tokenauth.StoredAccessToken) error {
		if c.isMarked(t.ParentID) {
			return tokenauth.ErrRevoked
		}
		return f.Store.Create(ctx, t)
	}
	f.rotate = func(ctx context.Context, id string, at time.Time, t *tokenauth.StoredAccessToken) error {
		if c.isMarked(id) {
			return tokenauth.ErrRevoked
		}
		err := f.Store.Rotate(ctx, id, at, t)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.predecessor[t.ID] = id
		}
		return err
	}
	f.onGet(func(t *tokenauth.StoredAccessToken) {
		if c.isMarked(t.ID) {
			t.RevokedAt = f.clock.Now()
		}
	})
	f.revoke = func(ctx context.Context, id string, _ tokenauth.Revocation) (int, error) { return c.run(ctx, id) }
	f.revokeAll = func(ctx context.Context, filter tokenauth.TokenFilter, _ tokenauth.Revocation) (int, error) {
		all := 0
		for _, t := range f.all(ctx, filter) {
			n, err := c.run(ctx, t.ID)
			if all += n; err != nil {
				return all, err
			}
		}
		return all, nil
	}
}

// run makes passes until one sees nothing live.
func (c *cascade) run(ctx context.Context, id string) (revoked int, err error) {
	for {
		family, live, err := c.look(ctx, id)
		if err != nil {
			return revoked, err
		}
		runtime.Gosched()
		for _, t := range family {
			if c.mark(t.ID) {
				revoked++
			}
			runtime.Gosched()
		}
		// What counts is what was seen: with nothing newly marked, another revoker may have marked a record whose children it
		// has not seen yet.
		if live == 0 || c.once {
			return revoked, nil
		}
	}
}

// look returns who dies with id, and how many of them live.
func (c *cascade) look(ctx context.Context, id string) (family []*tokenauth.StoredAccessToken, live int, err error) {
	t, err := c.f.Store.Get(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	family = append(family, t)
	seen := map[string]bool{id: true}
	for i := 0; i < len(family); i++ {
		marked := c.isMarked(family[i].ID)
		if !marked {
			live++
		}
		if marked && c.stop {
			continue
		}
		for _, t := range c.kin(ctx, family[i]) {
			if !seen[t.ID] {
				seen[t.ID] = true
				family = append(family, t)
			}
		}
	}
	return family, live, nil
}

func (c *cascade) isMarked(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.marked[id]
}

func (c *cascade) mark(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.marked[id]
	c.marked[id] = true
	return !was
}

// everyone is children, predecessor and successor.
func (c *cascade) everyone(ctx context.Context, t *tokenauth.StoredAccessToken) []*tokenauth.StoredAccessToken {
	return slices.Concat(c.children(ctx, t), c.after(ctx, t), c.before(ctx, t))
}

func (c *cascade) children(ctx context.Context, t *tokenauth.StoredAccessToken) []*tokenauth.StoredAccessToken {
	return c.f.all(ctx, tokenauth.TokenFilter{ParentID: t.ID})
}

func (c *cascade) after(ctx context.Context, t *tokenauth.StoredAccessToken) []*tokenauth.StoredAccessToken {
	return c.known(ctx, t.SuccessorID)
}

func (c *cascade) before(ctx context.Context, t *tokenauth.StoredAccessToken) []*tokenauth.StoredAccessToken {
	c.mu.Lock()
	id := c.predecessor[t.ID]
	c.mu.Unlock()
	return c.known(ctx, id)
}

// known returns the record of id, if there is one.
func (c *cascade) known(ctx context.Context, id string) []*tokenauth.StoredAccessToken {
	t, err := c.f.Store.Get(ctx, id)
	if err != nil {
		return nil
	}
	return []*tokenauth.StoredAccessToken{t}
}

// A gate lets one in at a time and gives up when the context ends.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }

// printable drops what a careless store drops.
func printable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
