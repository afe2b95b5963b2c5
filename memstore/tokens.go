package memstore

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The records of tokens. They are copied on their way in and on their way out, so that nobody outside holds what is kept here,
// and only Revoke, Rotate and Touch change them.
//
// Two rules make revoking complete. Create refuses a parent that is dead, under the lock under which Revoke marks a whole
// family, so that nothing is born below what has just died. And DeleteExpired drops a record only after its children and its
// successor, so that the ways along which Revoke walks are never cut.

// keepExpired is how long a record outlives its expiry, at least: whoever copies what has died from here may have a clock
// that is behind.
const keepExpired = 5 * time.Minute

// batch is how many records are looked at, or dropped, under one hold of the lock.
const batch = 500

// IsRevoked says whether id is revoked: its record is, or has retired by the store's clock, or there is none. Expiry is not
// judged.
func (s *Store) IsRevoked(ctx context.Context, id string) (bool, error) {
	if err := s.check(ctx); err != nil {
		return false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.tokens.byID[id]
	return r == nil || s.dead(r), nil
}

// dead says whether a record is revoked or has retired. The clock is read only for those that will retire.
func (s *Store) dead(r *record) bool {
	return !r.RevokedAt.IsZero() || !r.RetireAt.IsZero() && !s.now().Before(r.RetireAt)
}

// Create adds t. ErrExists: the id is taken. ErrRevoked: the parent is revoked, retired, expired when t was created, or
// unknown. ErrInvalidRequest: t does not validate, is not new, or its owner, root and depth are not those of its place.
// ErrUnavailable: the store is full.
func (s *Store) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := t.CheckNew(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkParent(t); err != nil {
		return err
	}
	return s.add(newRecord(t))
}

// checkParent says whether t may be born where it says it was: a root by itself, a child under a parent that lived.
func (s *Store) checkParent(t *tokenauth.StoredAccessToken) error {
	if t.ParentID == "" {
		return t.CheckPlace(t.ID, t.Owner, 0)
	}
	parent := s.tokens.byID[t.ParentID]
	if parent == nil || s.dead(parent) || !t.CreatedAt.Before(parent.ExpiresAt) {
		return fmt.Errorf("memstore: parent_id: %w", tokenauth.ErrRevoked)
	}
	return t.CheckPlace(parent.RootID, parent.Owner, parent.Depth+1)
}

// add keeps r, if there is room and its id is free.
func (s *Store) add(r *record) error {
	if s.tokens.byID[r.ID] != nil {
		return fmt.Errorf("memstore: id: %w", tokenauth.ErrExists)
	}
	if err := s.room(len(s.tokens.byID)); err != nil {
		return err
	}
	s.tokens.insert(r)
	return nil
}

// Get returns the record, dead or alive. ErrNotFound: there is none.
func (s *Store) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.tokens.byID[id]
	if r == nil {
		return nil, fmt.Errorf("memstore: %w", tokenauth.ErrNotFound)
	}
	return r.Clone(), nil
}

// List yields matching records in ascending order of id, bytewise. It looks at a batch of records at a time and holds no lock
// while the caller's loop body runs, which may therefore write; what it then writes may or may not be seen. A list that ends
// without an error is complete. ErrInvalidRequest: the limit is negative.
func (s *Store) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return func(yield func(*tokenauth.StoredAccessToken, error) bool) {
		f := f // each iteration begins anew
		for more := true; more; {
			var page []*tokenauth.StoredAccessToken
			var err error
			if page, more, err = s.page(ctx, &f); err != nil {
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

// page returns the next matches, moves f on past them, and says whether there may be more.
func (s *Store) page(ctx context.Context, f *tokenauth.TokenFilter) (page []*tokenauth.StoredAccessToken, more bool, err error) {
	if err := s.check(ctx); err != nil {
		return nil, false, err
	}
	if f.Limit < 0 {
		return nil, false, invalid("limit: negative")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	looked := 0
	for r := range s.tokens.selected(*f) {
		if looked++; looked > batch {
			return page, true, nil
		}
		f.After = r.ID
		if !f.Matches(&r.StoredAccessToken) {
			continue
		}
		page = append(page, r.Clone())
		if f.Limit > 0 {
			if f.Limit--; f.Limit == 0 {
				return page, false, nil
			}
		}
	}
	return page, false, nil
}

// Revoke revokes id, its predecessors and successors and all their descendants in one step, and says how many were not revoked
// before. ErrNotFound: no such id. ErrInvalidRequest: r does not validate.
func (s *Store) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	if err := s.check(ctx); err != nil {
		return 0, err
	}
	if err := r.Validate(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	start := s.tokens.byID[id]
	if start == nil {
		return 0, fmt.Errorf("memstore: %w", tokenauth.ErrNotFound)
	}
	return s.revoke([]*record{start}, r), nil
}

// RevokeAll does as Revoke to every record the filter selects, in one step. ErrInvalidRequest: r does not validate, or the filter has
// none of Subject, Owner, CreatedBy and SessionID, or anything else.
func (s *Store) RevokeAll(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	if err := s.check(ctx); err != nil {
		return 0, err
	}
	if err := r.Validate(); err != nil {
		return 0, err
	}
	if err := f.CheckRevokeAll(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var starts []*record
	for t := range s.tokens.selected(f) {
		if f.Matches(&t.StoredAccessToken) {
			starts = append(starts, t)
		}
	}
	return s.revoke(starts, r), nil
}

// revoke marks the families of starts. The first revocation of each record stands.
func (s *Store) revoke(starts []*record, r tokenauth.Revocation) int {
	revoked := 0
	r.By, r.Reason = strings.Clone(r.By), strings.Clone(r.Reason)
	for _, t := range s.tokens.families(starts) {
		if t.RevokedAt.IsZero() {
			t.RevokedAt, t.RevokedBy, t.RevokeReason = moment(r.At), r.By, r.Reason
			t.death = s.feed.append(t.death, t)
			revoked++
		}
	}
	return revoked
}

// Rotate adds successor and sets id's RetireAt and SuccessorID, or does neither. ErrNotFound: no such id. ErrRevoked: id is
// revoked. ErrExists: id has a successor, or the successor's id is taken. ErrInvalidRequest: successor does not validate, is
// not new, or differs from id in parent, root, owner or depth; or retireAt is not set or cannot be written. ErrUnavailable: the
// store is full.
func (s *Store) Rotate(ctx context.Context, id string, retireAt time.Time, successor *tokenauth.StoredAccessToken) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := successor.CheckNew(); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("retire_at", retireAt); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.tokens.byID[id]
	switch {
	case old == nil:
		return fmt.Errorf("memstore: %w", tokenauth.ErrNotFound)
	case !old.RevokedAt.IsZero():
		return fmt.Errorf("memstore: %w", tokenauth.ErrRevoked)
	case old.SuccessorID != "":
		return fmt.Errorf("memstore: successor_id: %w", tokenauth.ErrExists)
	case successor.ParentID != old.ParentID:
		return invalid("parent_id: not that of the predecessor")
	}
	if err := successor.CheckPlace(old.RootID, old.Owner, old.Depth); err != nil {
		return err
	}
	next := newRecord(successor)
	next.predecessor = old
	if err := s.add(next); err != nil {
		return err
	}
	old.RetireAt, old.SuccessorID = moment(retireAt), next.ID
	old.death = s.feed.append(old.death, old)
	return nil
}

// Touch moves the LastUsedAt of ids forward to at and skips ids it does not know. ErrInvalidRequest: at is not set or cannot
// be written.
func (s *Store) Touch(ctx context.Context, at time.Time, ids ...string) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := tokenauth.CheckMoment("last_used_at", at); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if r := s.tokens.byID[id]; r != nil {
			r.LastUsedAt = later(r.LastUsedAt, moment(at))
		}
	}
	return nil
}

// DeleteExpired drops at most limit records that had expired for 5 min at the moment before, those that expired first, and says how
// many. A record with children or a successor stays until a later call has dropped these, so that whoever knows only the first of
// a family can still end all of it; call it until it returns 0. A dropped id is one without record, which is revoked. A limit of 0 or less drops nothing.
func (s *Store) DeleteExpired(ctx context.Context, before time.Time, limit int) (int, error) {
	dropped := 0
	for dropped < limit {
		n, err := s.deleteBatch(ctx, before.Add(-keepExpired), min(limit-dropped, batch))
		dropped += n
		if n == 0 || err != nil {
			return dropped, err
		}
	}
	return dropped, s.check(ctx)
}

// deleteBatch drops at most limit records that had expired by at.
func (s *Store) deleteBatch(ctx context.Context, at time.Time, limit int) (int, error) {
	if err := s.check(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	expired := s.tokens.expired(at, limit)
	for _, r := range expired {
		s.tokens.remove(r)
		s.feed.drop(r.death)
	}
	return len(expired), nil
}
