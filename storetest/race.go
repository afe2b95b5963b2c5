package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A cascade races the minting of a child. An issuer creates the child's record, then looks at the asker again, and signs only if it
// lives; Revoke repeats its passes until a fresh one sees nothing live. Either alone loses children, both together lose none,
// with or without a lock. These rules play the issuer's part and look for a child that was signed and outlived its family.

func raceRules() []Rule {
	needs := []need{tokens}
	return []Rule{
		{"race-one-revoker",
			"Once Revoke has returned nil, nothing signed below the record is live, however it races the minting of " +
				"children and grandchildren.",
			needs, raceOneRevoker},
		{"race-two-revokers",
			"The same holds for each of two Revokes at once, of a parent and of its child.",
			needs, raceTwoRevokers},
		{"race-revoke-all",
			"The same holds for RevokeAll.",
			needs, raceRevokeAll},
		{"race-rotation",
			"Once Revoke has returned nil, no successor signed meanwhile is live.",
			needs, raceRotation},
		{"race-log-out",
			"Once an epoch was bumped, all sessions ended and RevokeAll has returned nil, in that order, nothing that was minted in a session " +
				"meanwhile, or below it, verifies.",
			[]need{tokens, sessions, epochs}, raceLogOut},
		{"concurrent-use",
			"Every method may be called at any time by any goroutine.",
			needs, concurrentUse},
	}
}

// A family is what one round of a race has signed, by the id of who is above it, and what went wrong.
type family struct {
	c  *trial
	mu sync.Mutex

	signed   map[string][]string // the ids signed below each ancestor
	problems []error
}

// sign notes that id was signed below each of above.
func (f *family) sign(id string, above ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ancestor := range above {
		f.signed[ancestor] = append(f.signed[ancestor], id)
	}
}

// below returns what has been signed below ancestor so far.
func (f *family) below(ancestor string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.signed[ancestor])
}

// report notes what went wrong.
func (f *family) report(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problems = append(f.problems, fmt.Errorf(format, args...))
}

// mint does as an issuer does for the last of above: create, look again, sign. It says whether it signed.
func (f *family) mint(t *tokenauth.StoredAccessToken, above ...string) bool {
	asker := above[len(above)-1]
	if err := f.c.Tokens.Create(f.c.ctx, t); err != nil {
		if !errors.Is(err, tokenauth.ErrRevoked) {
			f.report("Create: %w", err)
		}
		return false
	}
	revoked, err := f.c.Tokens.IsRevoked(f.c.ctx, asker)
	if err != nil {
		f.report("IsRevoked: %w", err)
	}
	if revoked || err != nil {
		return false
	}
	f.sign(t.ID, above...)
	return true
}

// mintBelow mints children of asker, and children of these, until one is refused.
func (f *family) mintBelow(asker *tokenauth.StoredAccessToken, above ...string) {
	above = append(slices.Clone(above), asker.ID)
	for range 4 {
		child := f.c.newChild(asker)
		if !f.mint(child, above...) || !f.mint(f.c.newChild(child), append(slices.Clone(above), child.ID)...) {
			return
		}
	}
}

// revoke revokes, and looks at once whether anything is left of what had been signed below id.
func (f *family) revoke(id string, wait int) {
	for range wait {
		runtime.Gosched()
	}
	if _, err := f.c.Tokens.Revoke(f.c.ctx, id, f.c.revocation("alice")); err != nil {
		f.report("Revoke: %w", err)
		return
	}
	f.allDead(id)
}

// allDead checks everything signed below ancestor.
func (f *family) allDead(ancestor string) {
	for _, id := range f.below(ancestor) {
		revoked, err := f.c.Tokens.IsRevoked(f.c.ctx, id)
		if err != nil {
			f.report("IsRevoked: %w", err)
		} else if !revoked {
			f.report("Revoke has returned nil, and a token signed below the record is live")
		}
	}
}

// race runs many rounds of what play returns to be done at once.
func (c *trial) race(play func(f *family, round int) (revoked string, calls []func())) {
	for round := range c.races {
		f := &family{c: c, signed: map[string][]string{}}
		revoked, calls := play(f, round)
		together(calls...)
		f.allDead(revoked) // with what was signed after Revoke returned
		if err := errors.Join(f.problems...); err != nil {
			c.fail("round %d: %w", round, err)
		}
	}
}

func raceOneRevoker(c *trial) {
	c.race(func(f *family, round int) (string, []func()) {
		parent := c.root()
		child := c.child(parent)
		return parent.ID, []func(){
			func() { f.mintBelow(parent) },
			func() { f.mintBelow(child, parent.ID) },
			func() { f.revoke(parent.ID, round%24) },
		}
	})
}

func raceTwoRevokers(c *trial) {
	c.race(func(f *family, round int) (string, []func()) {
		parent := c.root()
		child := c.child(parent)
		return parent.ID, []func(){
			func() { f.mintBelow(parent) },
			func() { f.mintBelow(child, parent.ID) },
			func() { f.revoke(child.ID, round%24) },
			func() { f.revoke(parent.ID, round/24%24) },
		}
	})
}

func raceRevokeAll(c *trial) {
	c.race(func(f *family, round int) (string, []func()) {
		parent := c.newRecord()
		parent.SessionID = parent.ID // one that nobody else has
		c.create(parent)
		return parent.ID, []func(){
			func() { f.mintBelow(parent) },
			func() {
				for range round % 24 {
					runtime.Gosched()
				}
				_, err := c.Tokens.RevokeAll(c.ctx, tokenauth.TokenFilter{SessionID: parent.ID}, c.revocation("alice"))
				if err != nil {
					f.report("RevokeAll: %w", err)
					return
				}
				f.allDead(parent.ID)
			},
		}
	})
}

func raceRotation(c *trial) {
	c.race(func(f *family, round int) (string, []func()) {
		old := c.root()
		return old.ID, []func(){
			func() {
				last := old
				for range 4 {
					next := c.newSuccessor(last)
					if err := c.Tokens.Rotate(c.ctx, last.ID, c.clock.Now().Add(time.Minute), next); err != nil {
						if !errors.Is(err, tokenauth.ErrRevoked) {
							f.report("Rotate: %w", err)
						}
						return
					}
					// The token that is rotated asks for itself.
					if revoked, err := c.Tokens.IsRevoked(c.ctx, last.ID); revoked || err != nil {
						return
					}
					f.sign(next.ID, old.ID)
					f.mintBelow(next, old.ID)
					last = next
				}
			},
			func() { f.revoke(old.ID, round%24) },
		}
	})
}

func concurrentUse(c *trial) {
	for range c.races/10 + 1 {
		root := c.root()
		var calls []func()
		var mu sync.Mutex
		var failed []error
		for range 2 {
			for _, call := range c.tokenCalls(root) {
				calls = append(calls, func() {
					if err := call.do(c.ctx); err != nil && !isAnswer(err) { // an answer, since the record dies meanwhile
						mu.Lock()
						defer mu.Unlock()
						failed = append(failed, fmt.Errorf("%s: %w", call.name, err))
					}
				})
			}
		}
		together(calls...)
		c.ok(errors.Join(failed...), "many calls at once")
	}
}

// tokenCalls are all methods of a TokenStore. Each would succeed, on a store with the record live that live is, if it was called
// first.
func (c *trial) tokenCalls(live *tokenauth.StoredAccessToken) []call {
	calls := []call{
		{"IsRevoked", func(ctx context.Context) error { _, err := c.Tokens.IsRevoked(ctx, live.ID); return err }},
		{"Get", func(ctx context.Context) error { _, err := c.Tokens.Get(ctx, live.ID); return err }},
		{"List", func(ctx context.Context) error {
			for _, err := range c.Tokens.List(ctx, tokenauth.TokenFilter{Owner: live.Owner}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"Create", func(ctx context.Context) error { return c.Tokens.Create(ctx, c.newRecord()) }},
		{"Create of a child", func(ctx context.Context) error { return c.Tokens.Create(ctx, c.newChild(live)) }},
		{"Rotate", func(ctx context.Context) error {
			return c.Tokens.Rotate(ctx, live.ID, c.clock.Now().Add(time.Minute), c.newSuccessor(live))
		}},
		{"Revoke", func(ctx context.Context) error {
			_, err := c.Tokens.Revoke(ctx, live.ID, c.revocation("alice"))
			return err
		}},
		{"RevokeAll", func(ctx context.Context) error {
			_, err := c.Tokens.RevokeAll(ctx, tokenauth.TokenFilter{Owner: live.Owner}, c.revocation("alice"))
			return err
		}},
	}
	if _, ok := c.Tokens.(tokenauth.Source); ok {
		calls = append(calls, call{"Changes", func(ctx context.Context) error {
			_, err := c.changes(ctx, "", func(tokenauth.Change) {})
			return err
		}})
	}
	if store, ok := c.Tokens.(toucher); ok {
		calls = append(calls, call{"Touch", func(ctx context.Context) error { return store.Touch(ctx, c.clock.Now(), live.ID) }})
	}
	if store, ok := c.Tokens.(deleter); ok {
		calls = append(calls, call{"DeleteExpired", func(ctx context.Context) error {
			_, err := store.DeleteExpired(ctx, live.ExpiresAt.Add(time.Hour), 1)
			return err
		}})
	}
	return calls
}
