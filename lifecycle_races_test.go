package tokenauth_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Revoking must win against everything that makes tokens: once Revoke has returned, whatever came of the token is dead, also what was
// being made at that very moment. Each race is run on two stores. In the one in memory every call is one step, which leaves little
// to go wrong. The loose one allows all that the contract of a store allows, so that what holds on it holds on every store.

// A looseStore keeps to the contract of a TokenStore and to nothing beyond it: each of its steps is atomic, and whatever can happen
// between two steps does. Its Create looks at the parent and then writes, and its Revoke sweeps, until a fresh pass sees nothing
// that lives.
type looseStore struct {
	mu      sync.Mutex
	records map[string]*tokenauth.StoredAccessToken
}

var _ tokenauth.TokenStore = (*looseStore)(nil)

// step does one thing and lets others go first.
func (s *looseStore) step(do func()) {
	s.mu.Lock()
	do()
	s.mu.Unlock()
	runtime.Gosched()
}

func (s *looseStore) IsRevoked(_ context.Context, id string) (dead bool, _ error) {
	s.step(func() { r := s.records[id]; dead = r == nil || !r.RevokedAt.IsZero() })
	return dead, nil
}

func (s *looseStore) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	if t.ParentID != "" {
		if dead, _ := s.IsRevoked(ctx, t.ParentID); dead {
			return tokenauth.ErrRevoked
		}
	}
	s.step(func() { s.records[t.ID] = t.Clone() })
	return nil
}

func (s *looseStore) Get(_ context.Context, id string) (t *tokenauth.StoredAccessToken, err error) {
	s.step(func() { t = s.records[id].Clone() })
	if t == nil {
		err = tokenauth.ErrNotFound
	}
	return t, err
}

func (s *looseStore) List(context.Context, tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return func(func(*tokenauth.StoredAccessToken, error) bool) {}
}

// living returns what lives of the families of some ids, themselves first.
func (s *looseStore) living(ids ...string) (alive []string) {
	seen := map[string]bool{}
	for len(ids) > 0 {
		id := ids[0]
		ids = ids[1:]
		r := s.records[id]
		if r == nil || seen[id] {
			continue
		}
		seen[id] = true
		if r.RevokedAt.IsZero() {
			alive = append(alive, id)
		}
		for _, other := range s.records {
			if other.ParentID == id || other.SuccessorID == id || other.ID == r.SuccessorID {
				ids = append(ids, other.ID)
			}
		}
	}
	return alive
}

func (s *looseStore) sweep(ids func() []string, r tokenauth.Revocation) (n int) {
	for {
		var alive []string
		s.step(func() { alive = s.living(ids()...) })
		if len(alive) == 0 {
			return n
		}
		for _, id := range alive {
			s.step(func() {
				if t := s.records[id]; t.RevokedAt.IsZero() {
					t.RevokedAt, t.RevokedBy, t.RevokeReason = r.At, r.By, r.Reason
					n++
				}
			})
		}
	}
}

func (s *looseStore) Revoke(_ context.Context, id string, r tokenauth.Revocation) (int, error) {
	return s.sweep(func() []string { return []string{id} }, r), nil
}

func (s *looseStore) RevokeAll(_ context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	return s.sweep(func() (ids []string) {
		for id, t := range s.records {
			if f.Matches(t) {
				ids = append(ids, id)
			}
		}
		return ids
	}, r), nil
}

func (s *looseStore) Rotate(_ context.Context, id string, retireAt time.Time, successor *tokenauth.StoredAccessToken) (err error) {
	s.step(func() {
		switch old := s.records[id]; {
		case old == nil:
			err = tokenauth.ErrNotFound
		case !old.RevokedAt.IsZero():
			err = tokenauth.ErrRevoked
		case old.SuccessorID != "":
			err = tokenauth.ErrExists
		default:
			s.records[successor.ID] = successor.Clone()
			old.SuccessorID, old.RetireAt = successor.ID, retireAt
		}
	})
	return err
}

// onEachStore runs a race on the store in memory, whose every call is one step, and on the loose one.
func onEachStore(t *testing.T, n int, race func(t *testing.T, o *office)) {
	for name, change := range map[string]func(*tokenauth.IssuerConfig){
		"memstore": func(*tokenauth.IssuerConfig) {},
		"a loose store": func(cfg *tokenauth.IssuerConfig) {
			cfg.Tokens = &looseStore{records: map[string]*tokenauth.StoredAccessToken{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range n {
				race(t, newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll }, change))
			}
		})
	}
}

// A harvest is every token that was handed out during a race.
type harvest struct {
	mu     sync.Mutex
	tokens []tokenauth.Issued
}

func (h *harvest) add(issued tokenauth.Issued) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, issued)
}

// grow has an asker mint children and these grandchildren, until one is refused.
func (h *harvest) grow(t *testing.T, o *office, by *tokenauth.Principal) {
	scopes := []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}}
	for range 4 {
		child, err := o.Issue(context.Background(), tokenauth.TokenRequest{By: by, Scopes: scopes})
		if err != nil {
			assert.ErrorIs(t, err, tokenauth.ErrInvalidToken, "the asker is dead, and nothing else is wrong")
			return
		}
		h.add(child)
		p, err := o.verifier.Verify(context.Background(), child.Token.Reveal())
		if err != nil {
			return
		}
		grandchild, err := o.Issue(context.Background(), tokenauth.TokenRequest{By: p, Scopes: scopes})
		if err == nil {
			h.add(grandchild)
		}
	}
}

// requireDead holds the harvest against the verifier.
func (h *harvest) requireDead(t *testing.T, o *office) {
	t.Helper()
	for _, issued := range h.tokens {
		_, err := o.verifier.Verify(context.Background(), issued.Token.Reveal())
		require.ErrorIs(t, err, tokenauth.ErrInvalidToken, "revoked, and accepted all the same: %+v", issued.Record)
	}
}

// races is how often each race is run. They are short, so that a revocation falls into a different place of each.
func races() int {
	if underRace() || testing.Short() { // each takes several times as long under the race detector
		return 500
	}
	return 2000
}

func TestM6bRevokeWinsAgainstMinting(t *testing.T) {
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("M6b two revokers: %v", both), func(t *testing.T) {
			onEachStore(t, races(), func(t *testing.T, o *office) {
				parent := o.issue(t, bySystem, "deployment:*:write", time.Hour)
				first := o.issue(t, o.prove(t, parent), "deployment:web:write", time.Hour)
				p, q := o.prove(t, parent), o.prove(t, first)
				h := &harvest{tokens: []tokenauth.Issued{parent, first}}
				var wg sync.WaitGroup
				wg.Go(func() { h.grow(t, o, p) })
				wg.Go(func() { h.grow(t, o, q) })
				revoke := func(id string) {
					_, err := o.Revoke(context.Background(), bySystem, id, "")
					assert.NoError(t, err)
				}
				if both {
					wg.Go(func() { revoke(first.Record.ID) })
				}
				wg.Go(func() { revoke(parent.Record.ID) })
				wg.Wait()
				h.requireDead(t, o)
			})
		})
	}
}

func TestM6bRevokeWinsAgainstAThiefWhoRotates(t *testing.T) {
	onEachStore(t, races(), func(t *testing.T, o *office) {
		token := o.issue(t, bySystem, "deployment:*:write", time.Hour)
		thief := o.prove(t, token)
		h := &harvest{tokens: []tokenauth.Issued{token}}
		var wg sync.WaitGroup
		wg.Go(func() {
			for by, id := thief, token.Record.ID; ; {
				stolen, err := o.Rotate(context.Background(), by, id, time.Minute)
				if err != nil {
					return
				}
				h.add(stolen)
				if by, err = o.verifier.Verify(context.Background(), stolen.Token.Reveal()); err != nil {
					return
				}
				id = stolen.Record.ID
				h.grow(t, o, by)
			}
		})
		wg.Go(func() { h.grow(t, o, thief) })
		wg.Go(func() {
			_, err := o.Revoke(context.Background(), bySystem, token.Record.ID, "stolen")
			assert.NoError(t, err)
		})
		wg.Wait()
		h.requireDead(t, o)
	})
}

func TestM6cLogOutEverywhere(t *testing.T) {
	onEachStore(t, races()/2, func(t *testing.T, o *office) {
		alice := o.login(t, "alice")
		bob := o.issue(t, o.login(t, "bob"), "deployment:*:write", time.Hour)
		h := &harvest{}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { h.grow(t, o, alice) })
		}
		wg.Go(func() {
			ctx := context.Background()
			_, err := o.store.BumpEpoch(ctx, "alice")
			assert.NoError(t, err)
			_, err = o.store.EndSessions(ctx, "alice")
			assert.NoError(t, err)
			_, err = o.RevokeAll(ctx, bySystem, tokenauth.TokenFilter{Owner: "alice"}, "log out everywhere")
			assert.NoError(t, err)
		})
		wg.Wait()
		h.requireDead(t, o)
		require.ErrorIs(t, o.verifier.Recheck(t.Context(), alice), tokenauth.ErrInvalidToken)
		require.True(t, o.lives(t, bob), "M6c nobody else's")
	})
}
