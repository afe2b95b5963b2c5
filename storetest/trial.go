package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// What the rules are written with: a clock, fixtures, and questions that end the rule when the answer is wrong.

// A clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2001, time.February, 3, 4, 5, 6, 0, time.UTC)} }

// Now returns the moment.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// move moves the clock by d.
func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// day is how long the records of these tests live.
const day = 24 * time.Hour

// noMoments are moments that a forgotten field, or a number of another unit, turns into. No store takes them.
var noMoments = map[string]time.Time{
	"no moment":                {},
	"a moment before 1970":     time.Unix(-1, 0),
	"a moment after 9999":      time.Date(10_000, time.January, 1, 0, 0, 0, 0, time.UTC),
	"milliseconds for seconds": time.Unix(1_800_000_000_000, 0),
}

// newRecord returns a root's record that no store has yet.
func (c *trial) newRecord() *tokenauth.StoredAccessToken {
	now := c.clock.Now()
	t := tokenauth.NewStoredAccessToken("ci-runner", "alice", []string{"reader"},
		[]tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}}, now.Add(day), "alice")
	t.CreatedAt = now
	return t
}

// newChild returns a child's record that no store has yet.
func (c *trial) newChild(parent *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := c.newRecord()
	t.ParentID, t.RootID, t.Owner, t.Depth = parent.ID, parent.RootID, parent.Owner, parent.Depth+1
	return t
}

// newSuccessor returns a successor's record that no store has yet.
func (c *trial) newSuccessor(old *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := c.newRecord()
	t.ParentID, t.RootID, t.Owner, t.Depth = old.ParentID, old.RootID, old.Owner, old.Depth
	return t
}

// create stores t, which must succeed, and returns it.
func (c *trial) create(t *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	c.ok(c.Tokens.Create(c.ctx, t), "Create")
	return t
}

// root stores a fresh root.
func (c *trial) root() *tokenauth.StoredAccessToken { return c.create(c.newRecord()) }

// child stores a fresh child of parent.
func (c *trial) child(parent *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	return c.create(c.newChild(parent))
}

// rotate stores a fresh successor of old, which retires in grace.
func (c *trial) rotate(old *tokenauth.StoredAccessToken, grace time.Duration) *tokenauth.StoredAccessToken {
	t := c.newSuccessor(old)
	c.ok(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now().Add(grace), t), "Rotate")
	return t
}

// revocation returns a revocation as of now.
func (c *trial) revocation(by string) tokenauth.Revocation {
	return tokenauth.Revocation{At: c.clock.Now(), By: by, Reason: "because " + by + " said so"}
}

// revoke revokes id, which must succeed, and returns how many it newly revoked.
func (c *trial) revoke(id string) int {
	n, err := c.Tokens.Revoke(c.ctx, id, c.revocation("alice"))
	c.ok(err, "Revoke")
	return n
}

// get returns a record that must be there.
func (c *trial) get(id string) *tokenauth.StoredAccessToken {
	t, err := c.Tokens.Get(c.ctx, id)
	c.ok(err, "Get")
	if t == nil {
		c.fail("Get: neither a record nor an error")
	}
	return t
}

// list returns what a filter selects.
func (c *trial) list(f tokenauth.TokenFilter) []*tokenauth.StoredAccessToken {
	var all []*tokenauth.StoredAccessToken
	for t, err := range c.Tokens.List(c.ctx, f) {
		c.ok(err, "List")
		if t == nil {
			c.fail("List: neither a record nor an error")
		}
		all = append(all, t)
	}
	return all
}

// ids returns the ids of what a filter selects.
func (c *trial) ids(f tokenauth.TokenFilter) []string { return idsOf(c.list(f)...) }

func idsOf(records ...*tokenauth.StoredAccessToken) []string {
	ids := make([]string, len(records))
	for i, t := range records {
		ids[i] = t.ID
	}
	return ids
}

// listed checks what a filter selects, in order.
func (c *trial) listed(what string, f tokenauth.TokenFilter, want ...string) {
	if got := c.ids(f); !slices.Equal(got, want) {
		c.fail("List, %s: got %q, want %q", what, got, want)
	}
}

// isRevoked answers by the store.
func (c *trial) isRevoked(id string) bool {
	revoked, err := c.Tokens.IsRevoked(c.ctx, id)
	c.ok(err, "IsRevoked")
	return revoked
}

// dead checks that each of the records is revoked.
func (c *trial) dead(what string, records ...*tokenauth.StoredAccessToken) {
	for i, t := range records {
		if !c.isRevoked(t.ID) {
			c.fail("IsRevoked says no of %s (%d)", what, i)
		}
	}
}

// live checks that each of the records is not revoked.
func (c *trial) live(what string, records ...*tokenauth.StoredAccessToken) {
	for i, t := range records {
		if c.isRevoked(t.ID) {
			c.fail("IsRevoked says yes of %s (%d)", what, i)
		}
	}
}

// absent checks that there is no record of id.
func (c *trial) absent(what, id string) {
	_, err := c.Tokens.Get(c.ctx, id)
	c.is(err, tokenauth.ErrNotFound, "Get of "+what)
	if !c.isRevoked(id) {
		c.fail("IsRevoked says no of %s", what)
	}
}

// active answers by the store.
func (c *trial) active(subject, sid string) bool {
	active, err := c.Sessions.IsSessionActive(c.ctx, subject, sid)
	c.ok(err, "IsSessionActive")
	return active
}

// epoch answers by the store.
func (c *trial) epoch(subject string) tokenauth.Epoch {
	e, err := c.Epochs.Epoch(c.ctx, subject)
	c.ok(err, "Epoch")
	return e
}

// ok checks that a call succeeded.
func (c *trial) ok(err error, what string) {
	if err != nil {
		c.fail("%s: %w", what, err)
	}
}

// is checks that a call failed as it should.
func (c *trial) is(err, want error, what string) {
	if !errors.Is(err, want) {
		c.fail("%s: got error %v, want one that wraps %q", what, err, want)
	}
}

// holds checks a condition.
func (c *trial) holds(condition bool, format string, args ...any) {
	if !condition {
		c.fail(format, args...)
	}
}

// count checks a number.
func (c *trial) count(got, want int, what string) {
	if got != want {
		c.fail("%s: got %d, want %d", what, got, want)
	}
}

// same checks that a record came back as it should: field by field, with every moment in UTC.
func (c *trial) same(what string, got, want *tokenauth.StoredAccessToken) {
	if d := difference(got, asKept(want)); d != "" {
		c.fail("%s: %s", what, d)
	}
}

// asKept returns t as a store keeps it: UTC, to the microsecond, the expiry to the second, and lists that are never nil.
func asKept(t *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	kept := t.Clone()
	for _, at := range []*time.Time{&kept.CreatedAt, &kept.RevokedAt, &kept.RetireAt, &kept.LastUsedAt} {
		*at = at.UTC().Truncate(time.Microsecond)
	}
	kept.ExpiresAt = kept.ExpiresAt.UTC().Truncate(time.Second)
	return kept
}

// difference names the first field in which two records differ, or returns "".
func difference(got, want *tokenauth.StoredAccessToken) string {
	g, w := reflect.ValueOf(*got), reflect.ValueOf(*want)
	for i := range w.NumField() {
		a, b := g.Field(i).Interface(), w.Field(i).Interface()
		if at, ok := a.(time.Time); ok && at.Equal(b.(time.Time)) && at.Location() == time.UTC {
			continue
		}
		if !reflect.DeepEqual(a, b) {
			return fmt.Sprintf("%s: got %#v, want %#v", w.Type().Field(i).Name, a, b)
		}
	}
	return ""
}

// together calls each function in a goroutine of its own, lets them begin at the same moment, and waits for all of them.
func together(calls ...func()) {
	start := make(chan struct{})
	var group sync.WaitGroup
	for _, call := range calls {
		group.Go(func() {
			<-start
			call()
		})
	}
	close(start)
	group.Wait()
}

// atOnce makes n equal calls together and returns their errors.
func atOnce(n int, call func(i int) error) []error {
	errs := make([]error, n)
	calls := make([]func(), n)
	for i := range calls {
		calls[i] = func() { errs[i] = call(i) }
	}
	together(calls...)
	return errs
}

// oneWinner checks that exactly one of several calls succeeded and returns which. All others must have failed with lost.
func (c *trial) oneWinner(errs []error, lost error, what string) int {
	winner := -1
	for i, err := range errs {
		switch {
		case err != nil:
			c.is(err, lost, what)
		case winner >= 0:
			c.fail("%s: two of %d at once succeeded", what, len(errs))
		default:
			winner = i
		}
	}
	c.holds(winner >= 0, "%s: none of %d at once succeeded", what, len(errs))
	return winner
}

// deadContexts are contexts whose callers have gone.
func deadContexts() map[string]context.Context {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, free := context.WithDeadline(context.Background(), time.Unix(1, 0))
	free()
	return map[string]context.Context{"cancelled": cancelled, "expired": expired}
}

// isAnswer says whether err claims to know something.
func isAnswer(err error) bool {
	for _, answer := range []error{
		tokenauth.ErrInvalidToken, tokenauth.ErrForbidden, tokenauth.ErrInvalidRequest, tokenauth.ErrNotFound, tokenauth.ErrExists,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// A call is one method with arguments that would succeed, for rules about every method.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// gone checks that every call with a context that has ended is an error and no answer.
func (c *trial) gone(calls []call) {
	for kind, ctx := range deadContexts() {
		for _, call := range calls {
			err := call.do(ctx)
			c.holds(err != nil, "%s with a context that was %s: no error", call.name, kind)
			c.holds(!isAnswer(err), "%s with a context that was %s: an answer, %v", call.name, kind, err)
		}
	}
}

// canary is part of every text of the calls whose errors are read.
const canary = "canary-5ad1"

// quiet checks that an error is one, and that its text holds none of what was asked.
func (c *trial) quiet(err error, what string) {
	c.holds(err != nil, "%s: no error", what)
	c.holds(!strings.Contains(err.Error(), canary), "%s: the error's text holds an id, a name or a value: %v", what, err)
}
