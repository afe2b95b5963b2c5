package sqlitestore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The records of tokens. Only Revoke, Rotate and Touch change a record, and DeleteExpired drops one only after its children and its
// successor, so that the ways along which Revoke walks are never cut.

// keepExpired is how long a record outlives its expiry, at least: whoever copies what has died from here may have a clock that is behind.
const keepExpired = 5 * time.Minute

// batch is how many records are read, touched or dropped at once, so that neither a page nor a write lock grows with the table.
const batch = 500

// Kinds of ta_dead.
const (
	deadToken = iota
	deadSession
	deadEpoch
)

// IsRevoked says whether id is revoked: its record is, or has retired by the store's clock, or there is none. Expiry is not judged.
func (s *Store) IsRevoked(ctx context.Context, id string) (bool, error) {
	var missing, revoked bool
	var retire sql.NullInt64
	err := s.read(ctx, `SELECT `+markerColumns+`, t.id IS NULL, t.revoked_at IS NOT NULL, t.retire_at FROM ta_meta m LEFT JOIN ta_token t ON t.id = ?1`,
		[]any{id}, &missing, &revoked, &retire)
	if err != nil {
		return false, err
	}
	return missing || revoked || s.reached(retire), nil
}

// reached says whether at is set and reached by the store's clock.
func (s *Store) reached(at sql.NullInt64) bool { return at.Valid && at.Int64 <= micros(s.now()) }

// Create adds t. ErrExists: the id is taken. ErrRevoked: the parent is revoked, retired, expired when t was created, or unknown.
// ErrInvalidRequest: t does not validate, is not new, or its owner, root and depth are not those of its place.
func (s *Store) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	if err := t.CheckNew(); err != nil {
		return err
	}
	call := rand.Text()
	return s.write(ctx, func(tx *link) error {
		if err := s.checkParent(ctx, tx, t); err != nil {
			return err
		}
		return tx.insert(ctx, t, call)
	})
}

// checkParent says whether t may be born where it says it was: a root by itself, a child under a parent that lived.
func (s *Store) checkParent(ctx context.Context, tx *link, t *tokenauth.StoredAccessToken) error {
	if t.ParentID == "" {
		return t.CheckPlace(t.ID, t.Owner, 0)
	}
	var root, owner string
	var depth int
	var revoked bool
	var expires, retire sql.NullInt64
	found, err := tx.row(ctx, `SELECT root_id, owner, depth, revoked_at IS NOT NULL, expires_at, retire_at FROM ta_token WHERE id = ?1`,
		[]any{t.ParentID}, &root, &owner, &depth, &revoked, &expires, &retire)
	if err != nil {
		return err
	}
	if !found || revoked || s.reached(retire) || !t.CreatedAt.Before(timeOf(expires)) {
		return refuse("parent_id", tokenauth.ErrRevoked)
	}
	return t.CheckPlace(root, owner, depth+1)
}

// Get returns the record, dead or alive. ErrNotFound: there is none.
func (s *Store) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	var r row
	err := s.read(ctx, `SELECT `+markerColumns+`, `+recordColumns+` FROM ta_meta m LEFT JOIN ta_token t ON t.id = ?1`, []any{id}, r.dest()...)
	if err != nil {
		return nil, err
	}
	if !r.id.Valid {
		return nil, refuse("id", tokenauth.ErrNotFound)
	}
	t := r.record()
	if err := r.readLists(t); err != nil {
		return nil, err
	}
	return t, nil
}

// List yields matching records in ascending order of id, bytewise. It seeks by one of ParentID, SessionID, Subject, CreatedBy and Owner,
// the first that is set, or walks through all records, and looks at 500 of them at a time; it holds nothing while the caller's loop body
// runs, which may therefore write. A list that ends without an error is complete. ErrInvalidRequest: the limit is negative.
func (s *Store) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return func(yield func(*tokenauth.StoredAccessToken, error) bool) {
		if f.Limit < 0 {
			yield(nil, invalid("limit: negative"))
			return
		}
		f, size := f, batch // each iteration begins anew
		if f.Limit > 0 {
			size = min(f.Limit, batch)
		}
		for more := true; more; size = min(2*size, batch) {
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
	rows, err := s.rowsAfter(ctx, f, size)
	if err != nil {
		return nil, false, err
	}
	for i := range rows {
		t := rows[i].record()
		f.After = t.ID
		if !f.Matches(t) {
			continue
		}
		if err := rows[i].readLists(t); err != nil {
			return nil, false, err
		}
		page = append(page, t)
		if f.Limit > 0 {
			if f.Limit--; f.Limit == 0 {
				return page, false, nil
			}
		}
	}
	return page, len(rows) == size, nil
}

// rowsAfter reads the next rows of the index that f seeks by.
func (s *Store) rowsAfter(ctx context.Context, f *tokenauth.TokenFilter, size int) ([]row, error) {
	column, value := seek(f)
	statement := `SELECT ` + markerColumns + `, ` + recordColumns + ` FROM ta_meta m LEFT JOIN
		(SELECT * FROM ta_token WHERE ` + column + ` = ?1 AND id > ?2 ORDER BY id LIMIT ?3) t ORDER BY t.id`
	before := s.watch.seen()
	var m marker
	var rows []row
	found := false
	err := s.onReader(ctx, func(l *link) error {
		rows, found = rows[:0], false
		return l.rows(ctx, statement, []any{value, f.After, size}, func(scan func(...any) error) error {
			found = true
			var r row
			err := scan(m.dest(r.dest()...)...)
			if r.id.Valid {
				rows = append(rows, r)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return rows, s.believe(before, m, found)
}

// seek returns the column by which a filter is answered, the narrowest that it names, and its value.
func seek(f *tokenauth.TokenFilter) (column, value string) {
	for _, key := range []struct{ column, value string }{
		{"parent_id", f.ParentID}, {"session_id", f.SessionID}, {"subject", f.Subject}, {"created_by", f.CreatedBy}, {"owner", f.Owner},
	} {
		if key.value != "" {
			return key.column, key.value
		}
	}
	return "''", "" // true of every record
}

// Revoke revokes id, its predecessors and successors and all their descendants in one step, and says how many were not revoked before.
// ErrNotFound: no such id. ErrInvalidRequest: r does not validate. It may take as long as the family is large, about a second for 50,000
// records, and other writers wait for it; if ctx ends first, nothing is revoked.
func (s *Store) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	return s.revoke(ctx, `id = ?1`, []any{id}, r, func(tx *link) error {
		found, err := tx.row(ctx, `SELECT 1 FROM ta_token WHERE id = ?1`, []any{id}, new(int))
		if err == nil && !found {
			err = refuse("id", tokenauth.ErrNotFound)
		}
		return err
	})
}

// RevokeAll does as Revoke to every record the filter selects, in one step. ErrInvalidRequest: r does not validate, or the filter has none
// of Subject, Owner, CreatedBy and SessionID, or anything else.
func (s *Store) RevokeAll(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	if err := f.CheckRevokeAll(); err != nil {
		return 0, err
	}
	var conditions []string
	var args []any
	for _, key := range []struct{ condition, value string }{
		{"session_id = ?", f.SessionID}, {"subject = ?", f.Subject}, {"created_by = ?", f.CreatedBy}, {"owner = ?", f.Owner},
	} {
		if key.value != "" {
			conditions, args = append(conditions, key.condition), append(args, key.value)
		}
	}
	return s.revoke(ctx, strings.Join(conditions, " AND "), args, r, func(*link) error { return nil })
}

// family begins a statement with the set of all ids that a revocation reaches from the records of a condition: down to the children, both
// ways along a rotation, and on from there. What is revoked already is walked through, since an older cascade says nothing about who is
// below it.
func family(condition string) string {
	return `WITH RECURSIVE family (id) AS (
		SELECT id FROM ta_token WHERE ` + condition + `
		UNION SELECT t.id FROM family CROSS JOIN ta_token t ON t.parent_id = family.id
		UNION SELECT t.id FROM family CROSS JOIN ta_token t ON t.successor_id = family.id
		UNION SELECT t.successor_id FROM family CROSS JOIN ta_token t ON t.id = family.id WHERE t.successor_id IS NOT NULL) `
}

// revoke marks the families of all records of a condition, once check has passed. The first revocation of each record stands.
func (s *Store) revoke(ctx context.Context, condition string, args []any, r tokenauth.Revocation, check func(tx *link) error) (int, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	revoked := 0
	err := s.write(ctx, func(tx *link) error {
		if err := check(tx); err != nil {
			return err
		}
		last, err := tx.lastDeath(ctx)
		if err != nil {
			return err
		}
		revoked, err = tx.execLong(ctx, family(condition)+`INSERT OR REPLACE INTO ta_dead (kind, subject, id, dead_from, expires, min_version)
			SELECT 0, '', t.id, NULL, t.expires_at, 0 FROM family CROSS JOIN ta_token t ON t.id = family.id WHERE t.revoked_at IS NULL`, args...)
		if err == nil && revoked == 0 {
			err = errUnchanged
		}
		if err != nil {
			return err
		}
		tx.news = true
		_, err = tx.execLong(ctx, `UPDATE ta_token SET revoked_at = ?1, revoked_by = ?2, revoke_reason = ?3
			WHERE id IN (SELECT id FROM ta_dead WHERE seq > ?4)`, micros(r.At), text(r.By), text(r.Reason), last)
		return err
	})
	if err != nil {
		return 0, err
	}
	return revoked, nil
}

// lastDeath returns the highest seq that ta_dead has had.
func (l *link) lastDeath(ctx context.Context) (seq int64, err error) {
	_, err = l.row(ctx, `SELECT seq FROM sqlite_sequence WHERE name = 'ta_dead'`, nil, &seq)
	return seq, err
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
	call := rand.Text()
	return s.write(ctx, func(tx *link) error {
		expires, err := tx.checkPredecessor(ctx, id, successor, call)
		if err != nil {
			return err
		}
		if err := tx.insert(ctx, successor, call); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE ta_token SET retire_at = ?1, successor_id = ?2 WHERE id = ?3`, micros(retireAt), successor.ID, id); err != nil {
			return err
		}
		return tx.bury(ctx, deadToken, "", id, sql.NullInt64{Int64: micros(retireAt), Valid: true}, expires)
	})
}

// checkPredecessor says whether successor may follow the record id, and returns when that expires.
func (l *link) checkPredecessor(ctx context.Context, id string, successor *tokenauth.StoredAccessToken, call string) (expires int64, err error) {
	var root, owner, parent, next, nextCall string
	var depth int
	var revoked bool
	found, err := l.row(ctx, `SELECT t.root_id, t.owner, coalesce(t.parent_id, ''), t.depth, t.revoked_at IS NOT NULL, t.expires_at,
		coalesce(t.successor_id, ''), coalesce(n.call_id, '') FROM ta_token t LEFT JOIN ta_token n ON n.id = t.successor_id WHERE t.id = ?1`,
		[]any{id}, &root, &owner, &parent, &depth, &revoked, &expires, &next, &nextCall)
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, refuse("id", tokenauth.ErrNotFound)
	case nextCall == call:
		return 0, errUnchanged // an earlier attempt of this call
	case revoked:
		return 0, refuse("id", tokenauth.ErrRevoked)
	case next != "":
		return 0, refuse("successor_id", tokenauth.ErrExists)
	case successor.ParentID != parent:
		return 0, invalid("parent_id: not that of the predecessor")
	}
	return expires, successor.CheckPlace(root, owner, depth)
}

// bury writes a death into the feed, or moves it to its end. Of two deaths of one thing the earlier counts, NULL being the earliest, and it
// is kept for the longer. kind stands in the statement's text: where it were a parameter SQLite would compile the statement anew with each
// call, because an index of ta_dead is for one kind only.
func (l *link) bury(ctx context.Context, kind int, subject, id string, from sql.NullInt64, expires int64) error {
	l.news = true
	_, err := l.exec(ctx, `INSERT OR REPLACE INTO ta_dead (kind, subject, id, dead_from, expires, min_version)
		SELECT k.kind, ?1, ?2, iif(d.seq IS NULL, ?3, min(d.dead_from, ?3)), max(coalesce(d.expires, ?4), ?4), 0
		FROM (SELECT `+strconv.Itoa(kind)+` AS kind) k LEFT JOIN ta_dead d ON d.kind = `+strconv.Itoa(kind)+` AND d.subject = ?1 AND d.id = ?2`,
		subject, id, from, expires)
	return err
}

// Touch moves the LastUsedAt of ids forward to at and skips ids it does not know; 500 of them are one transaction. ErrInvalidRequest: at
// is not set or cannot be written.
func (s *Store) Touch(ctx context.Context, at time.Time, ids ...string) error {
	if err := tokenauth.CheckMoment("last_used_at", at); err != nil {
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return tokenauth.CheckID("id", id) != nil })
	for some := range slices.Chunk(ids, batch) {
		err := s.write(ctx, func(tx *link) error {
			n, err := tx.exec(ctx, `UPDATE ta_token SET last_used_at = ?1 WHERE id IN (SELECT value FROM json_each(?2))
				AND coalesce(last_used_at, ?1 - 1) < ?1`, micros(at), array(some))
			if err == nil && n == 0 {
				err = errUnchanged
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		_, err := s.Generation(ctx)
		return err
	}
	return nil
}

// array returns ids as a JSON array, which is how a list becomes one argument.
func array(ids []string) string {
	b, err := json.Marshal(ids)
	if err != nil {
		panic("sqlitestore: unreachable: strings are JSON: " + err.Error())
	}
	return string(b)
}

// DeleteExpired drops at most limit records that had expired for 5 min at the moment before, those that expired first, 500 in a transaction, and
// says how many. A record with children or a successor stays until a later call has dropped these, so that whoever knows only the first of
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
	return dropped, nil
}

// deleteBatch drops at most limit records that had expired by at, and their deaths.
func (s *Store) deleteBatch(ctx context.Context, at time.Time, limit int) (int, error) {
	var ids []string
	err := s.write(ctx, func(tx *link) error {
		ids = ids[:0]
		err := tx.rows(ctx, `SELECT id FROM ta_token t WHERE expires_at <= ?1
			AND NOT EXISTS (SELECT 1 FROM ta_token c WHERE c.parent_id = t.id)
			AND NOT EXISTS (SELECT 1 FROM ta_token s WHERE s.id = t.successor_id)
			ORDER BY expires_at, id LIMIT ?2`, []any{micros(at), limit}, func(scan func(...any) error) error {
			ids = append(ids, "")
			return scan(&ids[len(ids)-1])
		})
		if err == nil && len(ids) == 0 {
			err = errUnchanged
		}
		if err != nil {
			return err
		}
		dropped := array(ids)
		for _, statement := range []string{
			`DELETE FROM ta_dead WHERE kind = 0 AND subject = '' AND id IN (SELECT value FROM json_each(?1))`,
			`DELETE FROM ta_token WHERE id IN (SELECT value FROM json_each(?1))`,
		} {
			if _, err := tx.exec(ctx, statement, dropped); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(ids), nil
}
