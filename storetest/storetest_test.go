package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

type (
	record = tokenauth.StoredAccessToken
	filter = tokenauth.TokenFilter
	change = tokenauth.Change
)

// broken are stores that break one rule each, in ways in which stores do.
var broken = []struct {
	rule  string
	what  string
	spoil func(f *faulty)
}{
	{"create-keeps", "forgets the client", func(f *faulty) { f.onCreate(func(t *record) { t.ClientID = "" }) }},
	{"create-keeps", "lists without scopes", func(f *faulty) {
		f.onList(func(all []*record, _ filter) []*record {
			for _, t := range all {
				t.Scopes = []tokenauth.TokenScope{}
			}
			return all
		})
	}},
	{"create-moments", "answers in local time", func(f *faulty) {
		f.onGet(func(t *record) { t.CreatedAt = t.CreatedAt.In(time.FixedZone("local", 3600)) })
	}},
	{"create-moments", "rounds instead of cutting", func(f *faulty) {
		f.onCreate(func(t *record) { t.ExpiresAt = t.ExpiresAt.Add(500 * time.Millisecond) })
	}},
	{"create-moments", "keeps milliseconds", func(f *faulty) {
		f.onGet(func(t *record) { t.RetireAt = t.RetireAt.Truncate(time.Millisecond) })
	}},
	{"create-lists", "returns nil for an empty list", func(f *faulty) {
		f.onGet(func(t *record) {
			if len(t.Roles) == 0 {
				t.Roles = nil
			}
		})
	}},
	{"create-lists", "keeps roles as a set", func(f *faulty) {
		f.onCreate(func(t *record) { slices.Sort(t.Roles); t.Roles = slices.Compact(t.Roles) })
	}},
	{"create-copies", "returns what it keeps", func(f *faulty) {
		kept := map[string]*record{}
		f.get = func(ctx context.Context, id string) (*record, error) {
			if t := kept[id]; t != nil {
				return t, nil
			}
			t, err := f.Store.Get(ctx, id)
			kept[id] = t
			return t, err
		}
	}},
	{"create-copies", "keeps what it was given", func(f *faulty) {
		given := map[string]*record{}
		f.create = func(ctx context.Context, t *record) error {
			given[t.ID] = t
			return f.Store.Create(ctx, t)
		}
		f.onGet(func(t *record) {
			if g := given[t.ID]; g != nil {
				t.Roles = g.Roles
			}
		})
	}},
	{"create-exists", "takes a second record for the first come again", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if err := f.Store.Create(ctx, t); !errors.Is(err, tokenauth.ErrExists) {
				return err
			}
			return nil
		}
	}},
	{"create-exists", "overwrites", func(f *faulty) {
		names := map[string]string{}
		f.create = func(ctx context.Context, t *record) error {
			names[t.ID] = t.Name
			return f.Store.Create(ctx, t)
		}
		f.onGet(func(t *record) { t.Name = names[t.ID] })
	}},
	{"create-exists-together", "looks, then writes", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if _, err := f.Store.Get(ctx, t.ID); err == nil {
				return tokenauth.ErrExists
			}
			runtime.Gosched()
			_ = f.Store.Create(ctx, t)
			return nil
		}
	}},
	{"create-new", "takes a record as new that is not", func(f *faulty) { f.onCreate(renew) }},
	{"create-new", "takes such a successor", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			if t == nil {
				return tokenauth.ErrInvalidRequest
			}
			t = t.Clone()
			renew(t)
			return f.Store.Rotate(ctx, id, at, t)
		}
	}},
	{"create-new", "panics on nil", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			_ = t.ID
			return f.Store.Create(ctx, t)
		}
	}},
	{"create-family", "sets the family right by itself", func(f *faulty) {
		f.onCreate(func(t *record) {
			t.RootID, t.Depth = t.ID, 0
			if parent, err := f.Store.Get(context.Background(), t.ParentID); err == nil {
				t.RootID, t.Owner, t.Depth = parent.RootID, parent.Owner, parent.Depth+1
			}
		})
	}},
	{"create-family", "grows to any depth", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if t.Depth > 8 {
				return nil
			}
			return f.Store.Create(ctx, t)
		}
	}},
	{"create-dead-parent", "makes a root of a child without parent", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if _, err := f.Store.Get(ctx, t.ParentID); err != nil {
				t = t.Clone()
				t.ParentID, t.RootID, t.Depth = "", t.ID, 0
			}
			return f.Store.Create(ctx, t)
		}
	}},
	{"create-dead-parent", "lets a retired parent mint", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			parent, err := f.Store.Get(ctx, t.ParentID)
			if err == nil && parent.RevokedAt.IsZero() && !parent.RetireAt.IsZero() && !f.clock.Now().Before(parent.RetireAt) {
				return nil
			}
			return f.Store.Create(ctx, t)
		}
	}},
	{"create-dead-parent", "judges the parent's expiry by its clock", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if parent, err := f.Store.Get(ctx, t.ParentID); err == nil && parent.IsInactive(f.clock.Now()) {
				return tokenauth.ErrRevoked
			}
			return f.Store.Create(ctx, t)
		}
	}},
	{"create-dead-parent", "does not judge the parent's expiry", func(f *faulty) {
		f.onCreate(func(t *record) { t.CreatedAt = time.Unix(1, 0) })
	}},
	{"unknown", "returns nothing and no error", func(f *faulty) {
		f.get = func(ctx context.Context, id string) (*record, error) {
			t, _ := f.Store.Get(ctx, id)
			return t, nil
		}
	}},
	{"unknown", "revokes nobody and says so nowhere", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			n, _ := f.Store.Revoke(ctx, id, r)
			return n, nil
		}
	}},

	{"is-revoked-unknown", "is a deny-list", func(f *faulty) { f.isRevoked = f.ifKnown(f.Store.IsRevoked) }},
	{"is-revoked-by-revocation", "waits for the moment of a revocation", func(f *faulty) {
		f.isRevoked = f.judging(func(t *record) bool { return !t.RevokedAt.IsZero() && !f.clock.Now().Before(t.RevokedAt) })
	}},
	{"is-revoked-by-revocation", "says yes to all", func(f *faulty) {
		f.isRevoked = func(context.Context, string) (bool, error) { return true, nil }
	}},
	{"is-revoked-by-retirement", "forgets retire_at", func(f *faulty) {
		f.isRevoked = f.judging(func(t *record) bool { return !t.RevokedAt.IsZero() })
	}},
	{"is-revoked-by-retirement", "reads a clock of its own", func(f *faulty) {
		f.isRevoked = f.judging(func(t *record) bool {
			return !t.RevokedAt.IsZero() || !t.RetireAt.IsZero() && !time.Now().Before(t.RetireAt)
		})
	}},
	{"is-revoked-by-retirement", "retires after its moment", func(f *faulty) {
		f.isRevoked = f.judging(func(t *record) bool {
			return !t.RevokedAt.IsZero() || !t.RetireAt.IsZero() && f.clock.Now().After(t.RetireAt)
		})
	}},
	{"is-revoked-not-by-expiry", "judges expiry", func(f *faulty) {
		f.isRevoked = f.judging(func(t *record) bool { return t.IsInactive(f.clock.Now()) })
	}},

	{"revoke-cascades", "revokes one", func(f *faulty) {
		f.cascades(&cascade{kin: func(context.Context, *record) []*record { return nil }})
	}},
	{"revoke-cascades", "revokes children only", func(f *faulty) {
		c := &cascade{}
		c.kin = func(ctx context.Context, t *record) []*record {
			if t.Depth > 1 {
				return nil
			}
			return c.children(ctx, t)
		}
		f.cascades(c)
	}},
	{"revoke-cascades", "revokes the owner's", func(f *faulty) {
		f.revoke = func(ctx context.Context, _ string, r tokenauth.Revocation) (int, error) {
			return f.Store.RevokeAll(ctx, filter{Owner: "alice"}, r)
		}
	}},
	{"revoke-cascades", "counts one", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			_, err := f.Store.Revoke(ctx, id, r)
			return 1, err
		}
	}},
	{"revoke-first-stands", "lets the last revocation stand", func(f *faulty) {
		last := ""
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			last = r.By
			return f.Store.Revoke(ctx, id, r)
		}
		f.onGet(func(t *record) { t.RevokedBy = last })
	}},
	{"revoke-first-stands", "moves the moment", func(f *faulty) {
		f.onGet(func(t *record) { t.RevokedAt = f.clock.Now() })
	}},
	{"revoke-first-stands", "counts whom it has revoked before", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			_, err := f.Store.Revoke(ctx, id, r)
			return 1 + len(f.all(ctx, filter{ParentID: id})), err
		}
	}},
	{"revoke-together", "counts what others did", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			_, err := f.Store.Revoke(ctx, id, r)
			return 1, err
		}
	}},
	{"revoke-together", "mixes two revocations", func(f *faulty) {
		var mu sync.Mutex
		by := map[string]string{}
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			n, err := f.Store.Revoke(ctx, id, r)
			mu.Lock()
			defer mu.Unlock()
			by[id] = r.By
			return n, err
		}
		f.onGet(func(t *record) {
			mu.Lock()
			defer mu.Unlock()
			t.RevokedBy = by[t.ID]
		})
	}},
	{"revoke-checks", "puts in a moment of its own", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			if r.At.IsZero() {
				r.At = f.clock.Now()
			}
			return f.Store.Revoke(ctx, id, r)
		}
	}},
	{"revoke-checks", "cleans the reason", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			r.By, r.Reason = printable(r.By), printable(r.Reason)
			return f.Store.Revoke(ctx, id, r)
		}
	}},
	{"revoke-all-selects", "takes any of the fields for enough", func(f *faulty) {
		f.revokeAll = func(ctx context.Context, x filter, r tokenauth.Revocation) (int, error) {
			n := 0
			for _, one := range []filter{{Subject: x.Subject}, {Owner: x.Owner}, {CreatedBy: x.CreatedBy}, {SessionID: x.SessionID}} {
				k, _ := f.Store.RevokeAll(ctx, one, r)
				n += k
			}
			return n, nil
		}
	}},
	{"revoke-all-selects", "does not know sessions", func(f *faulty) {
		f.revokeAll = func(ctx context.Context, x filter, r tokenauth.Revocation) (int, error) {
			x.SessionID = ""
			return f.Store.RevokeAll(ctx, x, r)
		}
	}},
	{"revoke-all-selects", "does not cascade", func(f *faulty) {
		f.cascades(&cascade{kin: func(context.Context, *record) []*record { return nil }})
	}},
	{"revoke-all-selects", "wants somebody to revoke", func(f *faulty) {
		f.revokeAll = func(ctx context.Context, x filter, r tokenauth.Revocation) (int, error) {
			n, err := f.Store.RevokeAll(ctx, x, r)
			if n == 0 && err == nil {
				err = tokenauth.ErrNotFound
			}
			return n, err
		}
	}},
	{"revoke-all-refuses", "drops the fields it does not know", func(f *faulty) {
		f.revokeAll = func(ctx context.Context, x filter, r tokenauth.Revocation) (int, error) {
			return f.Store.RevokeAll(ctx, filter{Subject: x.Subject, Owner: x.Owner, CreatedBy: x.CreatedBy, SessionID: x.SessionID}, r)
		}
	}},
	{"revoke-all-refuses", "revokes everybody when nobody is named", func(f *faulty) {
		f.revokeAll = func(ctx context.Context, x filter, r tokenauth.Revocation) (int, error) {
			if x == (filter{}) {
				x.Owner = "alice"
			}
			return f.Store.RevokeAll(ctx, x, r)
		}
	}},

	{"rotate-keeps-both", "forgets who succeeds", func(f *faulty) { f.onGet(func(t *record) { t.SuccessorID = "" }) }},
	{"rotate-keeps-both", "kills the old at once", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, _ time.Time, t *record) error {
			return f.Store.Rotate(ctx, id, f.clock.Now(), t)
		}
	}},
	{"rotate-keeps-both", "wants a live parent", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			if dead, err := f.Store.IsRevoked(ctx, t.ParentID); t.ParentID != "" && (dead || err != nil) {
				return tokenauth.ErrRevoked
			}
			return f.Store.Rotate(ctx, id, at, t)
		}
	}},
	{"rotate-refuses", "keeps the successor when the rest fails", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			err := f.Store.Rotate(ctx, id, at, t)
			if err != nil {
				t = t.Clone()
				t.RootID = t.ID
				_ = f.Store.Create(ctx, t)
			}
			return err
		}
	}},
	{"rotate-refuses", "rotates what is revoked", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			if err := f.Store.Rotate(ctx, id, at, t); !errors.Is(err, tokenauth.ErrRevoked) {
				return err
			}
			return nil
		}
	}},
	{"rotate-checks", "sets the family right by itself", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			if old, err := f.Store.Get(ctx, id); err == nil {
				t = t.Clone()
				t.ParentID, t.RootID, t.Owner, t.Depth = old.ParentID, old.RootID, old.Owner, old.Depth
			}
			return f.Store.Rotate(ctx, id, at, t)
		}
	}},
	{"rotate-checks", "takes no moment for now", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			if at.IsZero() {
				at = f.clock.Now()
			}
			return f.Store.Rotate(ctx, id, at, t)
		}
	}},
	{"rotate-together", "looks, then writes", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			if old, err := f.Store.Get(ctx, id); err != nil || old.SuccessorID != "" {
				return tokenauth.ErrExists
			}
			runtime.Gosched()
			_ = f.Store.Rotate(ctx, id, at, t)
			return nil
		}
	}},
	{"rotate-together", "keeps the successors that lost", func(f *faulty) {
		f.rotate = func(ctx context.Context, id string, at time.Time, t *record) error {
			err := f.Store.Rotate(ctx, id, at, t)
			if err != nil {
				t = t.Clone()
				t.RootID = t.ID
				_ = f.Store.Create(ctx, t)
			}
			return err
		}
	}},
	{"revoke-follows-rotation", "walks down only", func(f *faulty) {
		c := &cascade{}
		c.kin = c.children
		f.cascades(c)
	}},
	{"revoke-follows-rotation", "walks to successors only", func(f *faulty) {
		c := &cascade{}
		c.kin = func(ctx context.Context, t *record) []*record { return append(c.children(ctx, t), c.after(ctx, t)...) }
		f.cascades(c)
	}},
	{"revoke-follows-rotation", "walks to predecessors only", func(f *faulty) {
		c := &cascade{}
		c.kin = func(ctx context.Context, t *record) []*record { return append(c.children(ctx, t), c.before(ctx, t)...) }
		f.cascades(c)
	}},
	{"revoke-follows-rotation", "walks up to the parent", func(f *faulty) {
		c := &cascade{}
		c.kin = func(ctx context.Context, t *record) []*record {
			return append(c.everyone(ctx, t), c.known(ctx, t.ParentID)...)
		}
		f.cascades(c)
	}},

	{"list-filters", "forgets the creator", func(f *faulty) { f.onFilter(func(x *filter) { x.CreatedBy = "" }) }},
	{"list-filters", "forgets the parent beside the owner", func(f *faulty) {
		f.onFilter(func(x *filter) {
			if x.Owner != "" {
				x.ParentID = ""
			}
		})
	}},
	{"list-filters", "lists the dead among the active", func(f *faulty) { f.onFilter(func(x *filter) { x.ActiveAt = time.Time{} }) }},
	{"list-filters", "forgets Revoked", func(f *faulty) { f.onFilter(func(x *filter) { x.Revoked = false }) }},
	{"list-moments", "judges by its clock", func(f *faulty) {
		f.onFilter(func(x *filter) {
			if !x.ActiveAt.IsZero() {
				x.ActiveAt = f.clock.Now()
			}
		})
	}},
	{"list-moments", "takes until for before", func(f *faulty) {
		f.onFilter(func(x *filter) {
			if !x.ExpiresBy.IsZero() {
				x.ExpiresBy = x.ExpiresBy.Add(-time.Second)
			}
		})
	}},
	{"list-order", "folds case", func(f *faulty) {
		f.sorts(func(a, b *record) int { return strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID)) })
	}},
	{"list-order", "puts the short before the long", func(f *faulty) {
		f.sorts(func(a, b *record) int { return cmp.Compare(len(a.ID), len(b.ID)) })
	}},
	{"list-order", "orders as UTF-16 does", func(f *faulty) {
		surrogate := strings.NewReplacer("\U0001f600", "\ue000", "\U0010ffff", "\ue001")
		f.sorts(func(a, b *record) int { return strings.Compare(surrogate.Replace(a.ID), surrogate.Replace(b.ID)) })
	}},
	{"list-pages", "ends with its first page", func(f *faulty) {
		f.onList(func(all []*record, _ filter) []*record { return all[:min(len(all), 500)] })
	}},
	{"list-pages", "begins with the last of the page before", func(f *faulty) {
		f.onList(func(all []*record, x filter) []*record {
			if last, err := f.Store.Get(context.Background(), x.After); err == nil {
				all = append([]*record{last}, all...)
			}
			return all
		})
	}},
	{"list-pages", "forgets Limit", func(f *faulty) { f.onFilter(func(x *filter) { x.Limit = 0 }) }},
	{"list-pages", "yields one more", func(f *faulty) {
		f.onFilter(func(x *filter) {
			if x.Limit > 0 {
				x.Limit++
			}
		})
	}},
	{"list-pages", "counts from an id that must exist", func(f *faulty) {
		f.onFilter(func(x *filter) {
			if _, err := f.Store.Get(context.Background(), x.After); err != nil {
				x.After = ""
			}
		})
	}},
	{"list-write-inside", "holds its lock", func(f *faulty) { f.locks(newGate(), true) }},
	{"list-break", "loses its lock", func(f *faulty) { f.locks(newGate(), false) }},
	{"list-ends-with-error", "ends in silence", func(f *faulty) {
		f.list = func(ctx context.Context, x filter) iter.Seq2[*record, error] {
			return func(yield func(*record, error) bool) {
				for t, err := range f.Store.List(ctx, x) {
					if err != nil || !yield(t, nil) {
						return
					}
				}
			}
		}
	}},
	{"list-ends-with-error", "goes on", func(f *faulty) {
		f.list = func(ctx context.Context, x filter) iter.Seq2[*record, error] {
			return func(yield func(*record, error) bool) {
				for t, err := range f.Store.List(deaf(ctx), x) {
					if !yield(t, err) || ctx.Err() != nil && !yield(nil, ctx.Err()) {
						return
					}
				}
			}
		}
	}},

	{"touch", "moves back", func(f *faulty) {
		last := time.Time{}
		f.touch = func(ctx context.Context, at time.Time, ids ...string) error {
			last = at
			return f.Store.Touch(ctx, at, ids...)
		}
		f.onGet(func(t *record) { t.LastUsedAt = last.UTC() })
	}},
	{"touch", "stops at an id it does not know", func(f *faulty) {
		f.touch = func(ctx context.Context, at time.Time, ids ...string) error {
			for _, id := range ids {
				if _, err := f.Store.Get(ctx, id); err != nil {
					return err
				}
			}
			return f.Store.Touch(ctx, at, ids...)
		}
	}},
	{"touch", "touches everybody", func(f *faulty) {
		f.touch = func(ctx context.Context, at time.Time, ids ...string) error {
			for _, t := range f.all(ctx, filter{}) {
				ids = append(ids, t.ID)
			}
			return f.Store.Touch(ctx, at, ids...)
		}
	}},
	{"delete-expired", "leaves no margin", func(f *faulty) {
		f.deleteExpired = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return f.Store.DeleteExpired(ctx, before.Add(5*time.Minute), limit)
		}
	}},
	{"delete-expired", "goes by its clock", func(f *faulty) {
		f.deleteExpired = func(ctx context.Context, _ time.Time, limit int) (int, error) {
			return f.Store.DeleteExpired(ctx, f.clock.Now(), limit)
		}
	}},
	{"delete-expired", "keeps what lies on the bound", func(f *faulty) {
		f.deleteExpired = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return f.Store.DeleteExpired(ctx, before.Add(-time.Second), limit)
		}
	}},
	{"delete-expired-limit", "forgets the limit", func(f *faulty) {
		f.deleteExpired = func(ctx context.Context, before time.Time, _ int) (int, error) {
			return f.Store.DeleteExpired(ctx, before, 1000)
		}
	}},
	{"delete-expired-limit", "takes 0 for all", func(f *faulty) {
		f.deleteExpired = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return f.Store.DeleteExpired(ctx, before, cmp.Or(limit, 1000))
		}
	}},
	{"delete-expired-dead", "takes no record for no revocation", func(f *faulty) { f.isRevoked = f.ifKnown(f.Store.IsRevoked) }},
	{"delete-expired-dead", "leaves it in the list", func(f *faulty) {
		var kept []*record
		f.create = func(ctx context.Context, t *record) error { kept = append(kept, t); return f.Store.Create(ctx, t) }
		f.onList(func([]*record, filter) []*record { return kept })
	}},
	{"delete-expired-families", "cuts families", func(f *faulty) {
		gone := map[string]bool{}
		c := &cascade{}
		c.kin = func(ctx context.Context, t *record) []*record {
			return slices.DeleteFunc(c.everyone(ctx, t), func(t *record) bool { return gone[t.ID] })
		}
		f.cascades(c)
		f.deleteExpired = func(ctx context.Context, before time.Time, limit int) (int, error) {
			for _, t := range f.all(ctx, filter{ExpiresBy: before.Add(-5 * time.Minute)}) {
				gone[t.ID] = true
			}
			return f.Store.DeleteExpired(ctx, before, limit)
		}
	}},

	{"race-one-revoker", "makes one pass", func(f *faulty) { f.cascades(&cascade{once: true}) }},
	{"race-two-revokers", "does not pass through what another has marked", func(f *faulty) { f.cascades(&cascade{stop: true}) }},
	{"race-revoke-all", "makes one pass", func(f *faulty) { f.cascades(&cascade{once: true}) }},
	{"race-rotation", "makes one pass", func(f *faulty) { f.cascades(&cascade{once: true}) }},
	{"race-log-out", "makes one pass", func(f *faulty) { f.cascades(&cascade{once: true}) }},
	{"concurrent-use", "serves one at a time and sends others away", func(f *faulty) {
		var mu sync.Mutex
		f.isRevoked = func(ctx context.Context, id string) (bool, error) {
			if !mu.TryLock() {
				return false, errors.New("busy")
			}
			defer mu.Unlock()
			runtime.Gosched()
			return f.Store.IsRevoked(ctx, id)
		}
	}},

	{"text-kept", "trims", func(f *faulty) { f.onCreate(func(t *record) { t.Name = strings.TrimSpace(t.Name) }) }},
	{"text-kept", "cleans", func(f *faulty) { f.onCreate(func(t *record) { t.ClientID = printable(t.ClientID) }) }},
	{"text-kept", "cleans a reason", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			r.Reason = printable(r.Reason)
			return f.Store.Revoke(ctx, id, r)
		}
	}},
	{"text-kept", "knows no emoji", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if strings.Contains(t.Subject, "\U0001f600") {
				return tokenauth.ErrInvalidRequest
			}
			return f.Store.Create(ctx, t)
		}
	}},
	{"text-kept", "makes a wildcard of *", func(f *faulty) {
		f.onCreate(func(t *record) {
			if t.Scopes[0].ResourceID == "*" {
				t.Scopes[0].ResourceID = tokenauth.AnyResource
			}
		})
	}},
	{"text-ids", "does not see blanks at the end", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if _, err := f.Store.Get(ctx, strings.TrimRight(t.ID, " ")); err == nil && t.ParentID == "" {
				return tokenauth.ErrExists
			}
			return f.Store.Create(ctx, t)
		}
	}},
	{"text-ids", "revokes by folded id", func(f *faulty) {
		folded := map[string]bool{}
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			folded[strings.ToLower(id)] = true
			return f.Store.Revoke(ctx, id, r)
		}
		f.isRevoked = func(ctx context.Context, id string) (bool, error) {
			revoked, err := f.Store.IsRevoked(ctx, id)
			return revoked || folded[strings.ToLower(id)], err
		}
	}},
	{"text-filters", "takes % for a pattern", func(f *faulty) {
		f.onFilter(func(x *filter) {
			if x.Owner == "%" {
				x.Owner = ""
			}
		})
	}},
	{"text-filters", "revokes by prefix", func(f *faulty) {
		f.revokeAll = func(ctx context.Context, x filter, r tokenauth.Revocation) (int, error) {
			n, err := f.Store.RevokeAll(ctx, x, r)
			for _, t := range f.all(ctx, filter{}) {
				if x.Subject != "" && strings.HasPrefix(t.Subject, x.Subject) {
					k, _ := f.Store.Revoke(ctx, t.ID, r)
					n += k
				}
			}
			return n, err
		}
	}},
	{"text-bounds", "has columns of its own width", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if len(t.Subject) > 254 {
				return tokenauth.ErrInvalidRequest
			}
			return f.Store.Create(ctx, t)
		}
	}},
	{"text-bounds", "cuts what is too long", func(f *faulty) {
		f.onCreate(func(t *record) { t.Name = t.Name[:min(len(t.Name), 1<<10)] })
	}},
	{"text-reads", "takes an id it cannot look up for a live one", func(f *faulty) {
		f.isRevoked = func(ctx context.Context, id string) (bool, error) {
			if tokenauth.CheckID("id", id) != nil {
				return false, nil
			}
			return f.Store.IsRevoked(ctx, id)
		}
	}},
	{"text-reads", "takes a filter it cannot ask for none", func(f *faulty) {
		f.onFilter(func(x *filter) {
			if tokenauth.CheckSubject("subject", x.Subject) != nil {
				x.Subject = ""
			}
		})
	}},

	{"session-lives", "has ended sessions only where it knows so", func(f *faulty) {
		ended := map[string]bool{}
		f.end = func(_ context.Context, subject, sid string) error { ended[sid] = true; return nil }
		f.isActive = func(_ context.Context, subject, sid string) (bool, error) { return !ended[sid], nil }
	}},
	{"session-lives", "minds ending what is not there", func(f *faulty) {
		f.end = func(ctx context.Context, subject, sid string) error {
			if active, _ := f.Store.IsSessionActive(ctx, subject, sid); !active {
				return tokenauth.ErrNotFound
			}
			return f.Store.EndSession(ctx, subject, sid)
		}
	}},
	{"session-until", "lets a session live at its until", func(f *faulty) {
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			return f.Store.StartSession(ctx, subject, sid, until.Add(time.Microsecond))
		}
	}},
	{"session-until", "reads a clock of its own", func(f *faulty) {
		end := time.Time{}
		f.start = func(_ context.Context, _, _ string, until time.Time) error { end = until; return nil }
		f.isActive = func(context.Context, string, string) (bool, error) { return time.Now().Before(end), nil }
	}},
	{"session-moved", "starts a session once", func(f *faulty) {
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			if active, _ := f.Store.IsSessionActive(ctx, subject, sid); active {
				return nil
			}
			return f.Store.StartSession(ctx, subject, sid, until)
		}
	}},
	{"session-moved", "never moves an until back", func(f *faulty) {
		last := time.Time{}
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			if until.Before(last) {
				until = last
			}
			last = until
			return f.Store.StartSession(ctx, subject, sid, until)
		}
	}},
	{"sessions-end", "counts what had ended by itself", func(f *faulty) {
		all := map[string]int{}
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			all[subject]++
			return f.Store.StartSession(ctx, subject, sid, until)
		}
		f.endSessions = func(ctx context.Context, subject string) (int, error) {
			_, err := f.Store.EndSessions(ctx, subject)
			n := all[subject]
			delete(all, subject)
			return n, err
		}
	}},
	{"sessions-end", "ends by prefix", func(f *faulty) {
		f.endSessions = func(ctx context.Context, subject string) (int, error) {
			n, err := f.Store.EndSessions(ctx, subject)
			if subject == "alice" {
				_, _ = f.Store.EndSessions(ctx, "alic")
			}
			return n, err
		}
	}},
	{"session-names", "glues subject and id", func(f *faulty) {
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			return f.Store.StartSession(ctx, subject+":"+sid, "s", until)
		}
		f.isActive = func(ctx context.Context, subject, sid string) (bool, error) {
			return f.Store.IsSessionActive(ctx, subject+":"+sid, "s")
		}
		f.end = func(ctx context.Context, subject, sid string) error {
			return f.Store.EndSession(ctx, subject+":"+sid, "s")
		}
	}},
	{"session-checks", "takes no until for ever", func(f *faulty) {
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			if until.IsZero() {
				until = f.clock.Now().Add(day)
			}
			return f.Store.StartSession(ctx, subject, sid, until)
		}
	}},
	{"session-checks", "cleans a subject", func(f *faulty) {
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			return f.Store.StartSession(ctx, printable(subject), sid, until)
		}
	}},
	{"sessions-context", "does not look at its context", func(f *faulty) {
		f.endSessions = func(ctx context.Context, subject string) (int, error) {
			return f.Store.EndSessions(deaf(ctx), subject)
		}
	}},
	{"sessions-context", "writes first and looks then", func(f *faulty) {
		f.end = func(ctx context.Context, subject, sid string) error {
			_ = f.Store.EndSession(deaf(ctx), subject, sid)
			return ctx.Err()
		}
	}},
	{"sessions-errors", "tells whose", func(f *faulty) {
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			if err := f.Store.StartSession(ctx, subject, sid, until); err != nil {
				return fmt.Errorf("session of %q: %w", subject, err)
			}
			return nil
		}
	}},

	{"epoch-zero", "has everybody at version 1", func(f *faulty) {
		f.epoch = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			e, err := f.Store.Epoch(ctx, subject)
			e.MinVersion = max(e.MinVersion, 1)
			return e, err
		}
	}},
	{"epoch-bump", "forgets NotBefore", func(f *faulty) {
		f.bump = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			e, err := f.Store.BumpEpoch(ctx, subject)
			e.NotBefore = time.Time{}
			return e, err
		}
	}},
	{"epoch-bump", "bumps everybody", func(f *faulty) {
		f.bump = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			_, _ = f.Store.BumpEpoch(ctx, "bob")
			return f.Store.BumpEpoch(ctx, subject)
		}
	}},
	{"epoch-bump-together", "reads, then writes", func(f *faulty) {
		var mu sync.Mutex
		version := int64(0)
		f.bump = func(context.Context, string) (tokenauth.Epoch, error) {
			mu.Lock()
			v := version
			mu.Unlock()
			runtime.Gosched()
			mu.Lock()
			defer mu.Unlock()
			version = v + 1
			return tokenauth.Epoch{MinVersion: version}, nil
		}
	}},
	{"epoch-not-before", "goes back", func(f *faulty) {
		last := time.Time{}
		f.raise = func(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
			last = t.UTC().Truncate(time.Second)
			e, err := f.Store.RaiseNotBefore(ctx, subject, t)
			e.NotBefore = last
			return e, err
		}
	}},
	{"epoch-not-before", "keeps fractions", func(f *faulty) {
		f.raise = func(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
			e, err := f.Store.RaiseNotBefore(ctx, subject, t)
			if e.NotBefore.Equal(t.Truncate(time.Second)) {
				e.NotBefore = t.UTC()
			}
			return e, err
		}
	}},
	{"epoch-not-before-together", "lets the last stand", func(f *faulty) {
		var mu sync.Mutex
		last := time.Time{}
		f.raise = func(_ context.Context, _ string, t time.Time) (tokenauth.Epoch, error) {
			mu.Lock()
			defer mu.Unlock()
			last = t
			return tokenauth.Epoch{NotBefore: t}, nil
		}
		f.epoch = func(context.Context, string) (tokenauth.Epoch, error) {
			mu.Lock()
			defer mu.Unlock()
			return tokenauth.Epoch{NotBefore: last}, nil
		}
	}},
	{"epoch-ahead", "locks out whoever logs in until next year", func(f *faulty) {
		f.raisesUntil(func() time.Time { return f.clock.Now().Add(365 * day) })
	}},
	{"epoch-ahead", "moves nothing and says so nowhere", func(f *faulty) {
		f.raise = func(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
			e, _ := f.Store.RaiseNotBefore(ctx, subject, t)
			return e, nil
		}
	}},
	{"epoch-ahead", "reads a clock of its own", func(f *faulty) { f.raisesUntil(time.Now) }},
	{"epoch-everyone", "merges nothing", func(f *faulty) {
		own := map[string]tokenauth.Epoch{}
		f.raise = func(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
			own[subject] = tokenauth.Epoch{NotBefore: t}
			return own[subject], nil
		}
		f.epoch = func(_ context.Context, subject string) (tokenauth.Epoch, error) { return own[subject], nil }
	}},
	{"epoch-everyone", "lets everyone's NotBefore win", func(f *faulty) {
		f.epoch = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			e, _ := f.Store.Epoch(ctx, subject)
			all, err := f.Store.Epoch(ctx, tokenauth.Everyone)
			e.NotBefore = all.NotBefore
			return e, err
		}
	}},
	{"epoch-everyone", "bumps everyone", func(f *faulty) {
		f.bump = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			if subject == tokenauth.Everyone {
				return tokenauth.Epoch{MinVersion: 1}, nil
			}
			return f.Store.BumpEpoch(ctx, subject)
		}
	}},
	{"epoch-names", "folds case", func(f *faulty) {
		f.bump = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			return f.Store.BumpEpoch(ctx, strings.ToLower(subject))
		}
		f.epoch = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			return f.Store.Epoch(ctx, strings.ToLower(subject))
		}
	}},
	{"epoch-checks", "has an epoch for a subject that cannot be", func(f *faulty) {
		f.epoch = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			e, _ := f.Store.Epoch(ctx, subject)
			return e, nil
		}
	}},
	{"epochs-context", "does not look at its context", func(f *faulty) {
		f.bump = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			return f.Store.BumpEpoch(deaf(ctx), subject)
		}
	}},
	{"epochs-errors", "tells whose", func(f *faulty) {
		f.bump = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
			e, err := f.Store.BumpEpoch(ctx, subject)
			if err != nil {
				err = fmt.Errorf("epoch of %s: %w", subject, err)
			}
			return e, err
		}
	}},

	{"one-time", "remembers one key", func(f *faulty) {
		last := ""
		f.consume = func(_ context.Context, key string, _ time.Time) error {
			if key == last {
				return tokenauth.ErrReplayed
			}
			last = key
			return nil
		}
	}},
	{"one-time", "does not say that it was a replay", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			if f.Store.Consume(ctx, key, until) != nil {
				return tokenauth.ErrExists
			}
			return nil
		}
	}},
	{"one-time-together", "looks, then writes", func(f *faulty) {
		var used sync.Map
		f.consume = func(_ context.Context, key string, _ time.Time) error {
			if _, ok := used.Load(key); ok {
				return tokenauth.ErrReplayed
			}
			runtime.Gosched()
			used.Store(key, true)
			return nil
		}
	}},
	{"one-time-until", "forgets all as the time goes by", func(f *faulty) {
		used := map[string]time.Time{}
		f.consume = func(_ context.Context, key string, _ time.Time) error {
			if at, ok := used[key]; ok && f.clock.Now().Sub(at) < 30*time.Minute {
				return tokenauth.ErrReplayed
			}
			used[key] = f.clock.Now()
			return nil
		}
	}},
	{"one-time-until", "forgets a second early", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			if !f.clock.Now().Before(newClock().Now().Add(time.Hour - time.Second)) {
				return nil
			}
			return f.Store.Consume(ctx, key, until)
		}
	}},
	{"one-time-over", "does not write down what is over", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			if !f.clock.Now().Before(until) {
				return nil
			}
			return f.Store.Consume(ctx, key, until)
		}
	}},
	{"one-time-names", "cleans its keys", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			return f.Store.Consume(ctx, strings.TrimSpace(key)+".", until)
		}
	}},
	{"one-time-checks", "cuts a long key", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			return f.Store.Consume(ctx, key[:min(len(key), 128)], until)
		}
	}},
	{"one-time-checks", "takes no until for soon", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			if until.IsZero() {
				until = f.clock.Now().Add(time.Hour)
			}
			return f.Store.Consume(ctx, key, until)
		}
	}},
	{"one-time-context", "uses up the key of who has gone", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			if err := f.Store.Consume(deaf(ctx), key, until); err != nil {
				return err
			}
			return ctx.Err()
		}
	}},
	{"one-time-context", "takes who has gone for a replay", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			if ctx.Err() != nil {
				return tokenauth.ErrReplayed
			}
			return f.Store.Consume(ctx, key, until)
		}
	}},
	{"one-time-errors", "tells which", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			if err := f.Store.Consume(ctx, key, until); err != nil {
				return fmt.Errorf("key %s: %w", key, err)
			}
			return nil
		}
	}},

	{"source-tokens", "tells of the one that was named", func(f *faulty) {
		named := map[string]bool{}
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			named[id] = true
			return f.Store.Revoke(ctx, id, r)
		}
		f.onChange(func(ch *change) bool { return named[ch.TokenID] || !ch.From.IsZero() })
	}},
	{"source-tokens", "does not tell what retires", func(f *faulty) {
		f.onChange(func(ch *change) bool { return ch.From.IsZero() })
	}},
	{"source-tokens", "has what retires dead at once", func(f *faulty) {
		f.onChange(func(ch *change) bool { ch.From = time.Time{}; return true })
	}},
	{"source-tokens", "cuts the moment to seconds", func(f *faulty) {
		f.onChange(func(ch *change) bool { ch.From = ch.From.Truncate(time.Second); return true })
	}},
	{"source-tokens", "waits for the moment of a revocation", func(f *faulty) {
		f.onChange(func(ch *change) bool {
			if t, err := f.Store.Get(context.Background(), ch.TokenID); err == nil && !t.RevokedAt.IsZero() {
				ch.From = t.RevokedAt
			}
			return true
		})
	}},
	{"source-tokens", "forgets the expiry", func(f *faulty) {
		f.onChange(func(ch *change) bool { ch.Until = time.Time{}; return true })
	}},
	{"source-tokens", "tells of whoever lives, too", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				for _, t := range f.all(ctx, filter{}) {
					if !yield(change{TokenID: t.ID, From: f.clock.Now(), Until: t.ExpiresAt}, nil) {
						return
					}
				}
				f.Store.Changes(ctx, since)(yield)
			}
		}
	}},
	{"source-sessions", "knows no sessions", func(f *faulty) {
		f.onChange(func(ch *change) bool { return ch.SessionID == "" })
	}},
	{"source-sessions", "tells only what is over", func(f *faulty) {
		f.onChange(func(ch *change) bool { return ch.SessionID == "" || ch.From.IsZero() })
	}},
	{"source-sessions", "has the until that it was moved to", func(f *faulty) {
		f.onChange(func(ch *change) bool {
			if ch.SessionID != "" && !ch.From.IsZero() {
				ch.Until = ch.From
			}
			return true
		})
	}},
	{"source-sessions", "drops it at its until", func(f *faulty) {
		f.onChange(func(ch *change) bool { return ch.SessionID == "" || ch.Until.After(f.clock.Now()) })
	}},
	{"source-session-late", "ends nothing that is over", func(f *faulty) {
		f.end = func(ctx context.Context, subject, sid string) error {
			if active, err := f.Store.IsSessionActive(ctx, subject, sid); err != nil || !active {
				return err
			}
			return f.Store.EndSession(ctx, subject, sid)
		}
	}},
	{"source-session-late", "forgets the death five minutes after the until", func(f *faulty) {
		f.onChange(func(ch *change) bool {
			return ch.SessionID == "" || f.clock.Now().Before(ch.Until.Add(5*time.Minute))
		})
	}},
	{"source-session-late", "does not tell of one that was moved further back", func(f *faulty) {
		f.onChange(func(ch *change) bool { return ch.Subject != "eve" })
	}},
	{"source-session-late", "forgets in four minutes", func(f *faulty) {
		f.endSessions = func(ctx context.Context, subject string) (int, error) {
			if subject == "bob" {
				return 0, nil
			}
			return f.Store.EndSessions(ctx, subject)
		}
	}},
	{"source-session-late", "tells of all that are over", func(f *faulty) {
		f.endSessions = func(ctx context.Context, subject string) (int, error) {
			if err := f.Store.EndSession(ctx, "carol", "over"); err != nil {
				return 0, err
			}
			return f.Store.EndSessions(ctx, subject)
		}
	}},
	{"source-epochs", "knows no versions", func(f *faulty) {
		f.onChange(func(ch *change) bool { ch.Epoch.MinVersion = 0; return true })
	}},
	{"source-epochs", "does not speak for everyone", func(f *faulty) {
		f.onChange(func(ch *change) bool { return ch.Subject != tokenauth.Everyone })
	}},
	{"source-names", "glues subject and id", func(f *faulty) {
		f.onChange(func(ch *change) bool {
			if ch.SessionID != "" {
				ch.Subject, ch.SessionID, _ = strings.Cut(ch.Subject+":"+ch.SessionID, ":")
			}
			return true
		})
	}},
	{"source-names", "trims", func(f *faulty) {
		f.onChange(func(ch *change) bool { ch.TokenID = strings.TrimSpace(ch.TokenID); return true })
	}},
	{"source-names", "folds case", func(f *faulty) {
		f.onChange(func(ch *change) bool {
			if ch.SessionID == "" {
				ch.Subject = strings.ToLower(ch.Subject)
			}
			return true
		})
	}},
	{"source-cursor", "ends with its first page", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				all, next, err := f.collected(ctx, since)
				for _, ch := range all[:min(len(all), 1000)] {
					if !yield(ch, nil) {
						return
					}
				}
				yield(change{Next: next}, err)
			}
		}
	}},
	{"source-cursor", "tells each thing once", func(f *faulty) {
		told := map[string]bool{}
		f.onChange(func(ch *change) bool {
			was := told[ch.TokenID]
			told[ch.TokenID] = true
			return !was
		})
	}},
	{"source-cursor", "has no cursor", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				all, _, err := f.collected(ctx, since)
				for _, ch := range append(all, change{}) {
					if !yield(ch, err) {
						return
					}
				}
			}
		}
	}},
	{"source-moved", "stops where the end was when it began", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				all, next, err := f.collected(ctx, since)
				for _, ch := range all {
					now, getErr := f.Store.Get(ctx, ch.TokenID)
					if getErr == nil && !ch.From.IsZero() && !now.RevokedAt.IsZero() {
						continue // its row has moved on
					}
					if !yield(ch, nil) {
						return
					}
				}
				yield(change{Next: next}, err)
			}
		}
	}},
	{"source-race", "numbers what it writes before others can see it", func(f *faulty) { f.numbers() }},
	{"source-kept", "takes an end back when a session begins again", func(f *faulty) {
		f.onChange(func(ch *change) bool {
			active, _ := f.Store.IsSessionActive(context.Background(), ch.Subject, ch.SessionID)
			return ch.SessionID == "" || !active || !ch.From.IsZero()
		})
	}},
	{"source-kept", "has the until of the last session of a name", func(f *faulty) {
		last := map[string]time.Time{}
		f.start = func(ctx context.Context, subject, sid string, until time.Time) error {
			last[sid] = until
			return f.Store.StartSession(ctx, subject, sid, until)
		}
		f.onChange(func(ch *change) bool {
			if ch.SessionID != "" {
				ch.Until = last[ch.SessionID]
			}
			return true
		})
	}},
	{"source-stale-cursor", "takes what it does not know for the beginning", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			if _, _, err := f.collected(ctx, since); errors.Is(err, tokenauth.ErrStaleCursor) {
				since = ""
			}
			return f.Store.Changes(ctx, since)
		}
	}},
	{"source-stale-cursor", "says that something is wrong", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				for ch, err := range f.Store.Changes(ctx, since) {
					if errors.Is(err, tokenauth.ErrStaleCursor) {
						err = tokenauth.ErrUnavailable
					}
					if !yield(ch, err) {
						return
					}
				}
			}
		}
	}},
	{"source-break", "holds its lock", func(f *faulty) { f.locksFeed(newGate(), true) }},
	{"source-break", "loses its lock", func(f *faulty) { f.locksFeed(newGate(), false) }},
	{"source-break", "can be ranged over once", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			used := false
			return func(yield func(change, error) bool) {
				if !used {
					used = true
					f.Store.Changes(ctx, since)(yield)
				}
			}
		}
	}},
	{"source-ends-with-error", "ends in silence", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				for ch, err := range f.Store.Changes(ctx, since) {
					if err != nil {
						yield(change{Next: "the end"}, nil)
						return
					}
					if !yield(ch, nil) {
						return
					}
				}
			}
		}
	}},
	{"source-ends-with-error", "does not look at its context", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return f.Store.Changes(deaf(ctx), since)
		}
	}},
	{"source-wait", "never wakes", func(f *faulty) {
		f.wait = func(ctx context.Context, _ tokenauth.Cursor) error { <-ctx.Done(); return ctx.Err() }
	}},
	{"source-wait", "waits for the next, whatever was missed", func(f *faulty) {
		f.wait = func(ctx context.Context, _ tokenauth.Cursor) error {
			_, next, err := f.collected(ctx, "")
			if err != nil {
				return err
			}
			return f.Store.Wait(ctx, next)
		}
	}},
	{"source-wait-context", "takes the end of the context for news", func(f *faulty) {
		f.wait = func(ctx context.Context, since tokenauth.Cursor) error {
			_ = f.Store.Wait(ctx, since)
			return nil
		}
	}},
	{"source-dropped", "yields what was dropped", func(f *faulty) {
		var kept []change
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				for _, ch := range kept {
					if !yield(ch, nil) {
						return
					}
				}
				f.Store.Changes(ctx, since)(yield)
			}
		}
		f.deleteExpired = func(ctx context.Context, before time.Time, limit int) (int, error) {
			all, _, err := f.collected(ctx, "")
			if err != nil {
				return 0, err
			}
			kept = append(kept, all...)
			return f.Store.DeleteExpired(ctx, before, limit)
		}
	}},
	{"source-errors", "quotes the cursor", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				for ch, err := range f.Store.Changes(ctx, since) {
					if err != nil {
						err = fmt.Errorf("cursor %q: %w", since, err)
					}
					if !yield(ch, err) {
						return
					}
				}
			}
		}
	}},
	{"source-errors", "uses the last id for a cursor", func(f *faulty) {
		f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
			return func(yield func(change, error) bool) {
				last := ""
				for ch, err := range f.Store.Changes(ctx, since) {
					if ch.Next != "" {
						ch.Next = tokenauth.Cursor(last)
					}
					last = ch.TokenID
					if !yield(ch, err) {
						return
					}
				}
			}
		}
	}},

	{"tokens-context", "does not look at its context", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error { return f.Store.Create(deaf(ctx), t) }
	}},
	{"tokens-context", "writes first and looks then", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			n, _ := f.Store.Revoke(deaf(ctx), id, r)
			return n, ctx.Err()
		}
	}},
	{"tokens-context", "finds nothing for who has gone", func(f *faulty) {
		f.get = func(ctx context.Context, id string) (*record, error) {
			if ctx.Err() != nil {
				return nil, tokenauth.ErrNotFound
			}
			return f.Store.Get(ctx, id)
		}
	}},
	{"tokens-context", "lists nothing for who has gone", func(f *faulty) {
		f.list = func(ctx context.Context, x filter) iter.Seq2[*record, error] {
			if ctx.Err() != nil {
				return func(func(*record, error) bool) {}
			}
			return f.Store.List(ctx, x)
		}
	}},
	{"tokens-errors", "tells which", func(f *faulty) {
		f.get = func(ctx context.Context, id string) (*record, error) {
			t, err := f.Store.Get(ctx, id)
			if err != nil {
				err = fmt.Errorf("token %s: %w", id, err)
			}
			return t, err
		}
	}},
	{"tokens-errors", "quotes what it refuses", func(f *faulty) {
		f.create = func(ctx context.Context, t *record) error {
			if err := f.Store.Create(ctx, t); err != nil {
				return fmt.Errorf("name %q: %w", t.Name, err)
			}
			return nil
		}
	}},
	{"ports-apart", "keeps all in one table", func(f *faulty) {
		f.consume = func(ctx context.Context, key string, until time.Time) error {
			_, _ = f.Store.Revoke(ctx, key, tokenauth.Revocation{At: f.clock.Now()})
			return f.Store.Consume(ctx, key, until)
		}
	}},
	{"ports-apart", "ends a session with a token", func(f *faulty) {
		f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
			_ = f.Store.EndSession(ctx, id, id)
			return f.Store.Revoke(ctx, id, r)
		}
	}},
	{"loss", "comes back empty", func(f *faulty) {
		f.lose = func() { *f = *newFaulty(f.clock) }
	}},
	{"loss", "writes the marker with the first record", func(f *faulty) {
		lost := false
		f.lose = func() {
			now := f.clock
			*f.Store = memstore.Store{}
			f.create = func(ctx context.Context, t *record) error {
				if !lost {
					lost = true
					*f = *newFaulty(now)
					return tokenauth.ErrUnavailable
				}
				return f.Store.Create(ctx, t)
			}
		}
	}},
}

// renew clears what makes a record no new one.
func renew(t *record) {
	t.RevokedAt, t.RevokedBy, t.RevokeReason = time.Time{}, "", ""
	t.RetireAt, t.SuccessorID, t.LastUsedAt = time.Time{}, "", time.Time{}
}

// ifKnown is ask for ids with a record, and no for all others.
func (f *faulty) ifKnown(ask func(context.Context, string) (bool, error)) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, id string) (bool, error) {
		if _, err := f.Store.Get(ctx, id); errors.Is(err, tokenauth.ErrNotFound) {
			return false, nil
		}
		return ask(ctx, id)
	}
}

// judging is IsRevoked by dead.
func (f *faulty) judging(dead func(t *record) bool) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, id string) (bool, error) {
		t, err := f.Store.Get(ctx, id)
		if errors.Is(err, tokenauth.ErrNotFound) {
			return true, nil
		}
		return err == nil && dead(t), err
	}
}

// raisesUntil replaces NotBefore by one that may be raised until a moment.
func (f *faulty) raisesUntil(most func() time.Time) {
	at := map[string]time.Time{}
	f.raise = func(_ context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
		if t.IsZero() || t.After(most()) {
			return tokenauth.Epoch{}, tokenauth.ErrInvalidRequest
		}
		at[subject] = t
		return tokenauth.Epoch{NotBefore: t}, nil
	}
	f.epoch = func(_ context.Context, subject string) (tokenauth.Epoch, error) {
		return tokenauth.Epoch{NotBefore: at[subject]}, nil
	}
}

// sorts makes List yield in another order.
func (f *faulty) sorts(compare func(a, b *record) int) {
	f.onList(func(all []*record, _ filter) []*record {
		slices.SortStableFunc(all, compare)
		return all
	})
}

// locks makes List hold a lock, which writers need, while it yields; and keep it when the loop is left, unless tidy.
func (f *faulty) locks(g gate, tidy bool) {
	f.list = func(ctx context.Context, x filter) iter.Seq2[*record, error] {
		return func(yield func(*record, error) bool) {
			if err := g.enter(ctx); err != nil {
				yield(nil, err)
				return
			}
			for t, err := range f.Store.List(ctx, x) {
				if !yield(t, err) {
					if tidy {
						g.leave()
					}
					return
				}
			}
			g.leave()
		}
	}
	f.create = func(ctx context.Context, t *record) error {
		if err := g.enter(ctx); err != nil {
			return err
		}
		defer g.leave()
		return f.Store.Create(ctx, t)
	}
}

// locksFeed makes Changes hold a lock, which writers need, while it yields; and keep it when the loop is left, unless tidy.
func (f *faulty) locksFeed(g gate, tidy bool) {
	f.changes = func(ctx context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
		return func(yield func(change, error) bool) {
			if err := g.enter(ctx); err != nil {
				yield(change{}, err)
				return
			}
			for ch, err := range f.Store.Changes(ctx, since) {
				if !yield(ch, err) {
					if tidy {
						g.leave()
					}
					return
				}
			}
			g.leave()
		}
	}
	f.create = func(ctx context.Context, t *record) error {
		if err := g.enter(ctx); err != nil {
			return err
		}
		defer g.leave()
		return f.Store.Create(ctx, t)
	}
}

// numbers makes a feed as a database does that draws a number from a sequence, commits some time later, and takes the highest number that
// can be seen for how far a reader has come.
func (f *faulty) numbers() {
	type row struct {
		number int
		change change
	}
	var mu sync.Mutex
	drawn := 0
	var rows []row
	draw := func() int {
		mu.Lock()
		defer mu.Unlock()
		drawn++
		return drawn
	}
	commit := func(number int, changes ...change) {
		for range 3 {
			runtime.Gosched()
		}
		mu.Lock()
		defer mu.Unlock()
		for _, ch := range changes {
			rows = append(rows, row{number, ch})
		}
	}
	f.revoke = func(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
		number := draw()
		family := []change{{TokenID: id}}
		for _, t := range f.all(ctx, filter{ParentID: id}) {
			family = append(family, change{TokenID: t.ID})
		}
		commit(number, family...)
		return f.Store.Revoke(ctx, id, r)
	}
	f.end = func(ctx context.Context, subject, sid string) error {
		commit(draw(), change{Subject: subject, SessionID: sid})
		return f.Store.EndSession(ctx, subject, sid)
	}
	f.bump = func(ctx context.Context, subject string) (tokenauth.Epoch, error) {
		e, err := f.Store.BumpEpoch(ctx, subject)
		commit(draw(), change{Subject: subject, Epoch: e})
		return e, err
	}
	f.changes = func(_ context.Context, since tokenauth.Cursor) iter.Seq2[change, error] {
		return func(yield func(change, error) bool) {
			seen, _ := strconv.Atoi(string(since))
			next := seen
			var page []change
			mu.Lock()
			for _, r := range rows {
				if r.number > seen {
					page = append(page, r.change)
					next = max(next, r.number)
				}
			}
			mu.Unlock()
			for _, ch := range append(page, change{Next: tokenauth.Cursor(strconv.Itoa(next))}) {
				if !yield(ch, nil) {
					return
				}
			}
		}
	}
}

// trialOf makes a store that spoil has broken meet the rules.
func trialOf(t *testing.T, patience time.Duration, spoil func(*faulty)) *trial {
	c := newTrial(t, Config{Races: 5000, Patience: patience, New: func(testing.TB, func() time.Time) Stores { return Stores{} }})
	f := newFaulty(c.clock)
	spoil(f)
	c.Stores = f.stores()
	c.another = func() Stores { return newFaulty(c.clock).stores() }
	return c
}

func ruleNamed(t *testing.T, name string) Rule {
	all := Rules()
	i := slices.IndexFunc(all, func(r Rule) bool { return r.Name == name })
	require.GreaterOrEqual(t, i, 0, "no rule is named %s", name)
	return all[i]
}

func TestBrokenStoresAreCaught(t *testing.T) {
	for _, b := range broken {
		t.Run(b.rule+"/"+b.what, func(t *testing.T) {
			patience := 20 * time.Second
			if slices.Contains([]string{"list-write-inside", "list-break", "source-break", "source-wait"}, b.rule) {
				patience = 100 * time.Millisecond
			}
			rule := ruleNamed(t, b.rule)
			err := rule.run(trialOf(t, patience, b.spoil))
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), rule.Sentence+"\n"), err.Error())
		})
	}
}

func TestEveryRuleHasABrokenStoreThatItCatches(t *testing.T) {
	for _, rule := range Rules() {
		caught := slices.ContainsFunc(broken, func(b struct {
			rule  string
			what  string
			spoil func(f *faulty)
		}) bool {
			return b.rule == rule.Name
		})
		assert.True(t, caught, "nothing shows that rule %s can fail", rule.Name)
	}
}

func TestRulesAreSentences(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range Rules() {
		assert.Regexp(t, `^[a-z]+(-[a-z]+)*(-[A-Z][0-9]+[bc]?)?$`, rule.Name)
		assert.False(t, seen[rule.Name], "two rules are named %s", rule.Name)
		seen[rule.Name] = true
		assert.Regexp(t, `^[A-Z].*\.$`, rule.Sentence)
	}
}

// The stores above are broken in one way each: without it, they pass.
func TestStoreWithNothingBrokenPasses(t *testing.T) {
	Run(t, Config{Races: 50, New: func(_ testing.TB, now func() time.Time) Stores {
		c := newClock()
		f := newFaulty(c)
		*f.Store = *memstore.New(memstore.Config{Now: now})
		return f.stores()
	}})
}

// A cascade in steps that others can see is as good as one step, with the issuer's look afterwards: no rule wants more.
func TestCascadeInStepsPasses(t *testing.T) {
	for _, rule := range append(raceRules(), rotateRules()...) {
		t.Run(rule.Name, func(t *testing.T) {
			c := trialOf(t, time.Minute, func(f *faulty) { f.cascades(&cascade{}) })
			c.races = 300
			assert.NoError(t, rule.run(c))
		})
	}
}

func TestStoreThatHangsIsLeftBehind(t *testing.T) {
	rule := ruleNamed(t, "one-time")
	release := make(chan struct{})
	defer close(release)
	err := rule.run(trialOf(t, 10*time.Millisecond, func(f *faulty) {
		f.consume = func(context.Context, string, time.Time) error { <-release; return nil }
	}))
	require.ErrorContains(t, err, "does not come back")
	assert.True(t, strings.HasPrefix(err.Error(), rule.Sentence))
}

func TestStoreThatPanicsIsToldSo(t *testing.T) {
	rule := ruleNamed(t, "one-time")
	err := rule.run(trialOf(t, time.Minute, func(f *faulty) {
		f.consume = func(context.Context, string, time.Time) error { panic("out of order") }
	}))
	require.ErrorContains(t, err, "panic: out of order")
	assert.True(t, strings.HasPrefix(err.Error(), rule.Sentence))
}

// A store need not be every port: what it lacks is skipped by name.
func TestPortsThatAreMissing(t *testing.T) {
	for _, missing := range []struct {
		rule   string
		stores func(f *faulty) Stores
		want   string
	}{
		{"create-keeps", func(f *faulty) Stores { return Stores{Sessions: f} }, "Tokens"},
		{"session-moved", func(f *faulty) Stores { return Stores{Tokens: f} }, "Sessions"},
		{"epoch-zero", func(f *faulty) Stores { return Stores{Tokens: f} }, "Epochs"},
		{"one-time", func(f *faulty) Stores { return Stores{Tokens: f} }, "OneTime"},
		{"loss", func(f *faulty) Stores { return Stores{Tokens: f} }, "Lose"},
		{"touch", func(f *faulty) Stores { return Stores{Tokens: struct{ tokenauth.TokenStore }{f}} }, "Touch"},
		{"delete-expired", func(f *faulty) Stores { return Stores{Tokens: struct{ tokenauth.TokenStore }{f}} }, "DeleteExpired"},
		{"source-cursor", func(f *faulty) Stores { return Stores{Tokens: struct{ tokenauth.TokenStore }{f}} }, "Source"},
		{"source-epochs", func(f *faulty) Stores { return Stores{Tokens: f, Sessions: f} }, "Epochs"},
		{"touch", func(f *faulty) Stores { return Stores{Tokens: f} }, ""},
	} {
		assert.Equal(t, missing.want, ruleNamed(t, missing.rule).missing(missing.stores(newFaulty(newClock()))))
	}
}
