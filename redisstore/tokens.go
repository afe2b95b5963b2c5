package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The records of tokens. Only Revoke, Rotate and Touch change a record, and DeleteExpired drops one only after its children and its
// successor, so that the ways along which Revoke walks are never cut.

// keepExpired is how long a record outlives its expiry, at least: whoever copies what has died from here may have a clock that is behind.
const keepExpired = 5 * time.Minute

const (
	// batch is how many records a script looks at, marks or drops at most: the server does nothing else meanwhile.
	batch = 500
	// pageSize is how many records a script reads in full at most.
	pageSize = 200
)

// IsRevoked says whether id is revoked: its record is, or has retired by the store's clock, or there is none. Expiry is not judged.
func (s *Store) IsRevoked(ctx context.Context, id string) (bool, error) {
	r, err := s.look(ctx, "token", id)
	if err != nil {
		return false, err
	}
	if expires, revoked := r.text(0), r.text(1); expires == "" || revoked != "" {
		return true, nil
	}
	retire, ok := moment(r.text(2))
	if !ok {
		return false, damaged("record")
	}
	return !retire.IsZero() && !s.now().Before(retire), nil
}

// Create adds t. ErrExists: the id is taken. ErrRevoked: the parent is revoked, retired, expired when t was created, or unknown.
// ErrInvalidRequest: t does not validate, is not new, or its owner, root and depth are not those of its place.
func (s *Store) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	if err := t.CheckNew(); err != nil {
		return err
	}
	if t.ParentID == "" {
		if err := t.CheckPlace(t.ID, t.Owner, 0); err != nil {
			return err
		}
	}
	args, err := arguments(t, rand.Text())
	if err != nil {
		return err
	}
	r, err := s.run(ctx, createScript, args...)
	if err != nil {
		return err
	}
	return refusal(t, r, "parent_id")
}

// refusal is what a script has said against a new record; ended is the field that names who is revoked.
func refusal(t *tokenauth.StoredAccessToken, r result, ended string) error {
	switch r.status {
	case statusDone:
		return nil
	case "missing":
		return refuse("id", tokenauth.ErrNotFound)
	case "revoked":
		return refuse(ended, tokenauth.ErrRevoked)
	case "exists":
		return refuse("id", tokenauth.ErrExists)
	case "succeeded":
		return refuse("successor_id", tokenauth.ErrExists)
	case "elsewhere":
		return invalid("parent_id: not that of the predecessor")
	case "misplaced":
		if err := t.CheckPlace(r.text(0), r.text(1), r.number(2)); err != nil {
			return err
		}
	}
	return damaged("reply")
}

// Get returns the record, dead or alive. ErrNotFound: there is none.
func (s *Store) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	r, err := s.look(ctx, "record", id)
	if err != nil {
		return nil, err
	}
	t, err := record(r.list(0))
	if err == nil && t == nil {
		err = refuse("id", tokenauth.ErrNotFound)
	}
	return t, err
}

// List yields matching records in ascending order of id, bytewise. It seeks by one of ParentID, SessionID, Subject, CreatedBy and Owner,
// the first that is set, or walks through all records, and looks at 200 of them at a time; it holds nothing while the caller's loop body
// runs, which may therefore write. A list that ends without an error is complete. ErrInvalidRequest: the limit is negative.
func (s *Store) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return func(yield func(*tokenauth.StoredAccessToken, error) bool) {
		if f.Limit < 0 {
			yield(nil, invalid("limit: negative"))
			return
		}
		f, size := f, pageSize // each iteration begins anew
		if f.Limit > 0 {
			size = min(f.Limit, pageSize)
		}
		for more := true; more; size = min(2*size, pageSize) {
			var page []*tokenauth.StoredAccessToken
			var err error
			if page, more, err = s.page(ctx, &f, size); err != nil {
				yield(nil, err)
				return
			}
			for _, t := range page {
				if !yield(t, nil) {
					return
				}
			}
		}
	}
}

// page looks at the next size records, returns those that match, moves f on past them, and says whether there may be more.
func (s *Store) page(ctx context.Context, f *tokenauth.TokenFilter, size int) (page []*tokenauth.StoredAccessToken, more bool, err error) {
	r, err := s.run(ctx, pageScript, seek(*f), f.After, size)
	if err != nil {
		return nil, false, err
	}
	after := r.text(0)
	for _, row := range r.list(1) {
		fields, _ := row.([]any)
		t, err := record(fields)
		if err != nil {
			return nil, false, err
		}
		if t == nil {
			return nil, false, damaged("reply")
		}
		if !f.Matches(t) {
			continue
		}
		page = append(page, t)
		if f.Limit > 0 {
			if f.Limit--; f.Limit == 0 {
				return page, false, nil
			}
		}
	}
	f.After = after
	return page, after != "", nil
}

// seek returns the index by which a filter is answered: the narrowest that it names.
func seek(f tokenauth.TokenFilter) string {
	for _, index := range []struct{ kind, value string }{
		{"par:", f.ParentID}, {"sid:", f.SessionID}, {"sub:", f.Subject}, {"by:", f.CreatedBy}, {"own:", f.Owner},
	} {
		if index.value != "" {
			return index.kind + index.value
		}
	}
	return "all"
}

// Revoke revokes id, its predecessors and successors and all their descendants, and says how many were not revoked before. id itself dies
// in the first step. ErrNotFound: no such id. ErrInvalidRequest: r does not validate. Where the client tried again because an answer was
// lost, what the first attempt had revoked is not counted.
func (s *Store) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	c := newCascade(s, r)
	c.reach(id)
	found, err := c.step(ctx)
	if err != nil {
		return 0, err
	}
	if found == 0 && c.lost == "" {
		return 0, refuse("id", tokenauth.ErrNotFound)
	}
	if err := c.finish(ctx); err != nil {
		return 0, err
	}
	return c.done()
}

// RevokeAll does as Revoke to every record the filter selects, until a fresh look finds none of them live. ErrInvalidRequest: r does not
// validate, or the filter has none of Subject, Owner, CreatedBy and SessionID, or anything else. ErrUnavailable, beside all else: records
// were lost, or who is in an index; what can be found is revoked.
func (s *Store) RevokeAll(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	if err := f.CheckRevokeAll(); err != nil {
		return 0, err
	}
	c := newCascade(s, r)
	// The first pass goes through what is revoked already: an older cascade says nothing about who is below it. The others look for what
	// was made meanwhile.
	for onlyLive := ""; ; onlyLive = "1" {
		clear(c.reached) // what is live now has to be marked, whatever was marked before
		selected, err := c.pass(ctx, f, onlyLive)
		if err != nil {
			return 0, err
		}
		if selected == 0 {
			return c.done()
		}
	}
}

// A cascade is a revocation on its way: what it has reached, and what it has not marked yet. A record is marked and what is next to it told
// in one step, and no child or successor is added to what is marked; so one walk finds everything.
type cascade struct {
	store   *Store
	r       tokenauth.Revocation
	reached map[string]bool
	queue   []string // pairs: an id, and the last of its children that was told already
	revoked int
	lost    string // what was not there any more: a record, or somebody in an index
}

func newCascade(s *Store, r tokenauth.Revocation) *cascade {
	return &cascade{store: s, r: r, reached: map[string]bool{}}
}

// reach notes a record to be marked, once.
func (c *cascade) reach(id string) {
	if !c.reached[id] {
		c.reached[id] = true
		c.queue = append(c.queue, id, "")
	}
}

// pass revokes what a filter selects, a page at a time, and says how many that were.
func (c *cascade) pass(ctx context.Context, f tokenauth.TokenFilter, onlyLive string) (selected int, err error) {
	index := seek(f)
	for _, known := range []*string{&f.SessionID, &f.Subject, &f.CreatedBy, &f.Owner} {
		if *known != "" {
			*known = "" // what the index is of need not be compared
			break
		}
	}
	for after := ""; ; {
		r, err := c.store.run(ctx, selectScript, index, after, batch, f.Subject, f.Owner, f.CreatedBy, f.SessionID, onlyLive)
		if err != nil {
			return selected, err
		}
		c.lost = cmp.Or(c.lost, r.text(2))
		for _, id := range r.list(1) {
			selected++
			c.reach(text(id))
		}
		if err := c.finish(ctx); err != nil {
			return selected, err
		}
		if after = r.text(0); after == "" {
			return selected, nil
		}
	}
}

// finish marks all that is reached.
func (c *cascade) finish(ctx context.Context) error {
	for len(c.queue) > 0 {
		if _, err := c.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// done is how a cascade ends. Where something was lost all that could be found is dead, and what only that led to was not found.
func (c *cascade) done() (int, error) {
	if c.lost != "" {
		return 0, damaged(c.lost)
	}
	return c.revoked, nil
}

// step marks the first of the queue, in one script, and says how many of them there were.
func (c *cascade) step(ctx context.Context) (found int, err error) {
	some := c.queue[:min(len(c.queue), 2*batch)]
	args := []any{stamp(c.r.At), c.r.By, c.r.Reason, batch, c.store.fence()}
	for _, id := range some {
		args = append(args, id)
	}
	r, err := c.store.run(ctx, revokeScript, args...)
	if err != nil {
		return 0, err
	}
	c.queue = c.queue[len(some):]
	c.revoked += r.number(1)
	for _, id := range r.list(2) {
		c.reach(text(id))
	}
	for _, id := range r.list(3) {
		c.queue = append(c.queue, text(id))
	}
	c.lost = cmp.Or(c.lost, r.text(4))
	return r.number(0), nil
}

// Rotate adds successor and sets id's RetireAt and SuccessorID, or does neither. ErrNotFound: no such id. ErrRevoked: id is revoked.
// ErrExists: id has a successor, or the successor's id is taken. ErrInvalidRequest: successor does not validate, is not new, or differs
// from id in parent, root, owner or depth; or retireAt is not set or cannot be written.
func (s *Store) Rotate(ctx context.Context, id string, retireAt time.Time, successor *tokenauth.StoredAccessToken) error {
	if err := successor.CheckNew(); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("retire_at", retireAt); err != nil {
		return err
	}
	args, err := arguments(successor, rand.Text())
	if err != nil {
		return err
	}
	r, err := s.run(ctx, rotateScript, append(args, id, stamp(retireAt))...)
	if err != nil {
		return err
	}
	return refusal(successor, r, "id")
}

// Touch moves the LastUsedAt of ids forward to at and skips ids it does not know; 500 of them are one step. ErrInvalidRequest: at is not
// set or cannot be written.
func (s *Store) Touch(ctx context.Context, at time.Time, ids ...string) error {
	if err := tokenauth.CheckMoment("last_used_at", at); err != nil {
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return tokenauth.CheckID("id", id) != nil })
	for some := range slices.Chunk(ids, batch) {
		args := []any{stamp(at)}
		for _, id := range some {
			args = append(args, id)
		}
		if _, err := s.run(ctx, touchScript, args...); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		_, err := s.Generation(ctx)
		return err
	}
	return nil
}

// DeleteExpired drops at most limit records that expired 5 min before before or earlier, those that expired first, 500 in a step, and says
// how many. A record with children or a successor stays until a later call has dropped these, so that whoever knows only the first of a
// family can still end all of it; call it until it returns 0. A dropped id is one without record, which is revoked. A limit of 0 or less
// drops nothing.
func (s *Store) DeleteExpired(ctx context.Context, before time.Time, limit int) (int, error) {
	expired, dropped, kept := before.Add(-keepExpired).Unix(), 0, 0
	if limit <= 0 {
		_, err := s.Generation(ctx)
		return 0, err
	}
	for dropped < limit {
		r, err := s.run(ctx, deleteScript, expired, kept, batch, limit-dropped)
		if err != nil {
			return dropped, err
		}
		kept += r.number(1)
		dropped += r.number(2)
		if r.number(0) < batch {
			break
		}
	}
	return dropped, nil
}
