package pgxstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a74cfa30/tokenauth"
)

// The records of tokens. Only Revoke, Rotate and Touch change a record, and DeleteExpired drops one only after its children and its
// successor, so that the ways along which Revoke walks are never cut, and the root, by whose row a family is locked, is there as long as
// anybody of its family.

// keepExpired is how long a record outlives its expiry, at least: whoever copies what has died from here may have a clock that is behind.
const keepExpired = 5 * time.Minute

// batch is how many records are read, touched or dropped at once, and how many families are revoked at once, so that neither a page nor a
// transaction grows with the table.
const batch = 500

// IsRevoked says whether id is revoked: its record is, or has retired by the store's clock, or there is none. Expiry is not judged.
func (s *Store) IsRevoked(ctx context.Context, id string) (bool, error) {
	var missing, revoked bool
	var retire *time.Time
	err := s.read(ctx, `SELECT `+markerColumns+`, t.id IS NULL, t.revoked_at IS NOT NULL, t.retire_at
		FROM `+markerSource+` LEFT JOIN ta_token t ON t.id = $1`, []any{named(id)}, &missing, &revoked, &retire)
	if err != nil {
		return false, err
	}
	return missing || revoked || s.reached(retire), nil
}

// reached says whether at is set and reached by the store's clock.
func (s *Store) reached(at *time.Time) bool { return at != nil && !s.now().Before(*at) }

// Create adds t. ErrExists: the id is taken. ErrRevoked: the parent is revoked, retired, expired when t was created, or unknown.
// ErrInvalidRequest: t does not validate, is not new, or its owner, root and depth are not those of its place.
func (s *Store) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	if err := t.CheckNew(); err != nil {
		return err
	}
	call := rand.Text()
	return s.write(ctx, func(tx *transaction) error {
		if err := s.checkParent(ctx, tx, t); err != nil {
			return err
		}
		return tx.insert(ctx, t, call)
	})
}

// checkParent says whether t may be born where it says it was: a root by itself, a child under a parent that lived.
func (s *Store) checkParent(ctx context.Context, tx *transaction, t *tokenauth.StoredAccessToken) error {
	if t.ParentID == "" {
		return t.CheckPlace(t.ID, t.Owner, 0)
	}
	if _, err := tx.lockFamily(ctx, t.ParentID, false); err != nil {
		return err
	}
	var root, owner string
	var depth int
	var revoked bool
	var expires, retire *time.Time
	found, err := tx.row(ctx, `SELECT root_id, owner, depth, revoked_at IS NOT NULL, expires_at, retire_at FROM ta_token WHERE id = $1`,
		[]any{t.ParentID}, &root, &owner, &depth, &revoked, &expires, &retire)
	if err != nil {
		return err
	}
	if !found || revoked || s.reached(retire) || !t.CreatedAt.Before(*expires) {
		return refuse("parent_id", tokenauth.ErrRevoked)
	}
	return t.CheckPlace(root, owner, depth+1)
}

// Get returns the record, dead or alive. ErrNotFound: there is none.
func (s *Store) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	var r row
	err := s.read(ctx, `SELECT `+markerColumns+`, `+recordColumns+` FROM `+markerSource+` LEFT JOIN ta_token t ON t.id = $1`,
		[]any{named(id)}, r.dest()...)
	if err != nil {
		return nil, err
	}
	if r.id == nil {
		return nil, refuse("id", tokenauth.ErrNotFound)
	}
	if err := r.readLists(); err != nil {
		return nil, err
	}
	return r.record(), nil
}

// List yields matching records in ascending order of id, bytewise. It seeks by one of ParentID, SessionID, Subject, CreatedBy and Owner,
// the first that is set, or walks through all records, and looks at 500 of them at a time; it holds nothing while the caller's loop body
// runs, which may therefore write. A list that ends without an error is complete. ErrInvalidRequest: the limit is negative, or After is no
// text.
func (s *Store) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return func(yield func(*tokenauth.StoredAccessToken, error) bool) {
		if err := checkPage(f); err != nil {
			yield(nil, err)
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

// checkPage says whether there can be a page after After of at most Limit.
func checkPage(f tokenauth.TokenFilter) error {
	switch {
	case f.Limit < 0:
		return invalid("limit: negative")
	case !utf8.ValidString(f.After) || strings.ContainsRune(f.After, 0):
		return invalid("after: not text")
	}
	return nil
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
		if err := rows[i].readLists(); err != nil {
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
func (s *Store) rowsAfter(ctx context.Context, f *tokenauth.TokenFilter, size int) ([]*row, error) {
	condition, args := seek(f)
	args = append(args, f.After, size)
	statement := fmt.Sprintf(`SELECT `+markerColumns+`, `+recordColumns+` FROM `+markerSource+` LEFT JOIN
		(SELECT * FROM ta_token WHERE %s id > $%d ORDER BY id LIMIT $%d) t ON true ORDER BY t.id`, condition, len(args)-1, len(args))
	var rows []*row
	var next *row
	err := s.readRows(ctx, statement, args, func() { rows = nil }, func() []any {
		next = &row{}
		return next.dest()
	}, func() {
		if next.id != nil {
			rows = append(rows, next)
		}
	})
	return rows, err
}

// seek returns the condition by which a filter is answered, on the narrowest column that it names, and its argument. A value that nobody
// can have is asked for as the empty one, which nobody has.
func seek(f *tokenauth.TokenFilter) (condition string, args []any) {
	for _, key := range keys(f) {
		if key.value != "" {
			return key.column + ` = $1 AND`, []any{key.asked()}
		}
	}
	return "", nil
}

// A key is a column of a filter, with the value that is asked for and the check that all values of the column have passed.
type key struct {
	column, value string
	check         func(field, value string) error
}

// asked is the value to ask for.
func (k key) asked() string {
	if k.check(k.column, k.value) != nil {
		return ""
	}
	return k.value
}

// keys are the columns by which a filter can be answered, the narrowest first.
func keys(f *tokenauth.TokenFilter) []key {
	return []key{
		{"parent_id", f.ParentID, tokenauth.CheckID},
		{"session_id", f.SessionID, tokenauth.CheckID},
		{"subject", f.Subject, tokenauth.CheckSubject},
		{"created_by", f.CreatedBy, checkCreator},
		{"owner", f.Owner, tokenauth.CheckSubject},
	}
}

// checkCreator says whether anybody can have created a record.
func checkCreator(field, value string) error {
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return invalid(field + ": not text")
	}
	return nil
}

// Revoke revokes id, its predecessors and successors and all their descendants in one step, and says how many were not revoked before.
// ErrNotFound: no such id. ErrInvalidRequest: r does not validate. It may take as long as the family is large, and other writers of the
// family wait for it; if ctx ends first, nothing is revoked. Where the answer to a commit was lost and it was made once more, it has
// revoked nobody newly.
func (s *Store) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	id = named(id)
	revoked := 0
	err := s.write(ctx, func(tx *transaction) error {
		found, err := tx.lockFamily(ctx, id, true)
		if err == nil && !found {
			err = refuse("id", tokenauth.ErrNotFound)
		}
		if err != nil {
			return err
		}
		revoked, err = tx.revoke(ctx, `id = $1`, []any{id}, r)
		if err == nil && revoked == 0 {
			err = errDone
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return revoked, nil
}

// RevokeAll does as Revoke to every record the filter selects, 500 families in one step, until it finds none of them live.
// ErrInvalidRequest: r does not validate, or the filter has none of Subject, Owner, CreatedBy and SessionID, or anything else. After an
// error some may be revoked; call it again.
func (s *Store) RevokeAll(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	if err := f.CheckRevokeAll(); err != nil {
		return 0, err
	}
	var conditions []string
	var args []any
	for _, key := range keys(&f) {
		if key.value != "" {
			args = append(args, key.asked())
			conditions = append(conditions, fmt.Sprintf("%s = $%d", key.column, len(args)))
		}
	}
	all := 0
	for {
		n, more, err := s.revokeSome(ctx, strings.Join(conditions, " AND "), args, r)
		all += n
		if err != nil || !more {
			return all, err
		}
	}
}

// revokeSome revokes what a condition selects in at most 500 families, and says whether there may be more. Where it finds nobody live there
// is nobody: a record that is revoked has no live descendants, since its family was locked when they were looked for, and whoever adds to
// a family looks at the parent under that lock.
func (s *Store) revokeSome(ctx context.Context, condition string, args []any, r tokenauth.Revocation) (revoked int, more bool, err error) {
	err = s.write(ctx, func(tx *transaction) error {
		live := fmt.Sprintf(`SELECT DISTINCT root_id FROM ta_token WHERE %s AND revoked_at IS NULL LIMIT %d`, condition, batch)
		roots, err := tx.texts(ctx, live, args...)
		if err != nil {
			return err
		}
		if more = len(roots) > 0; !more {
			return errDone
		}
		if err := tx.lockFamilies(ctx, roots); err != nil {
			return err
		}
		revoked, err = tx.revoke(ctx, fmt.Sprintf(`%s AND root_id = ANY ($%d)`, condition, len(args)+1), append(slices.Clip(args), roots), r)
		if err == nil && revoked == 0 {
			err = errUnchanged // somebody else has, and another pass will say so
		}
		return err
	})
	if err != nil || !more {
		return 0, false, err
	}
	return revoked, true, nil
}

// revoke marks all that a revocation reaches from the records of a condition: down to the children, both ways along a rotation, and on from
// there; a successor that is not there is NULL, and nobody's kin. What is revoked already is walked through. The first revocation of each
// record stands. The ids are handed over as an array, so that the server looks each up, however many it expects.
func (tx *transaction) revoke(ctx context.Context, condition string, args []any, r tokenauth.Revocation) (int, error) {
	n := len(args)
	return tx.buryAll(ctx, fmt.Sprintf(`WITH RECURSIVE family (id) AS (
		SELECT id FROM ta_token WHERE %s
		UNION SELECT kin.id FROM family CROSS JOIN LATERAL (
			SELECT t.id FROM ta_token t WHERE t.parent_id = family.id
			UNION ALL SELECT t.id FROM ta_token t WHERE t.successor_id = family.id
			UNION ALL SELECT t.successor_id FROM ta_token t WHERE t.id = family.id) kin),
	dead (kind, subject, id, dead_from, expires) AS (UPDATE ta_token SET revoked_at = $%d, revoked_by = $%d, revoke_reason = $%d
		WHERE id = ANY (ARRAY(SELECT id FROM family)) AND revoked_at IS NULL
		RETURNING 0, '', id, '-infinity'::timestamptz, expires_at)`, condition, n+1, n+2, n+3),
		append(slices.Clip(args), moment(r.At), text(r.By), text(r.Reason))...)
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
	id, retireAt = named(id), moment(retireAt)
	call := rand.Text()
	return s.write(ctx, func(tx *transaction) error {
		expires, err := tx.checkPredecessor(ctx, id, successor, call)
		if err != nil {
			return err
		}
		if err := tx.insert(ctx, successor, call); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE ta_token SET retire_at = $1, successor_id = $2 WHERE id = $3`, retireAt, successor.ID, id); err != nil {
			return err
		}
		_, err = tx.buryAll(ctx, burial, deadToken, "", id, retireAt, expires)
		return err
	})
}

// checkPredecessor says whether successor may follow the record id, and returns when that expires.
func (tx *transaction) checkPredecessor(ctx context.Context, id string, successor *tokenauth.StoredAccessToken, call string) (
	expires time.Time, err error) {
	if _, err := tx.lockFamily(ctx, id, true); err != nil {
		return expires, err
	}
	var root, owner, parent, next, nextCall string
	var depth int
	var revoked bool
	found, err := tx.row(ctx, `SELECT t.root_id, t.owner, coalesce(t.parent_id, ''), t.depth, t.revoked_at IS NOT NULL, t.expires_at,
		coalesce(t.successor_id, ''), coalesce(n.call_id, '') FROM ta_token t LEFT JOIN ta_token n ON n.id = t.successor_id WHERE t.id = $1`,
		[]any{id}, &root, &owner, &parent, &depth, &revoked, &expires, &next, &nextCall)
	switch {
	case err != nil:
		return expires, err
	case !found:
		return expires, refuse("id", tokenauth.ErrNotFound)
	case nextCall == call:
		return expires, errDone // by an earlier attempt of this call
	case revoked:
		return expires, refuse("id", tokenauth.ErrRevoked)
	case next != "":
		return expires, refuse("successor_id", tokenauth.ErrExists)
	case successor.ParentID != parent:
		return expires, invalid("parent_id: not that of the predecessor")
	}
	return expires, successor.CheckPlace(root, owner, depth)
}

// Touch moves the LastUsedAt of ids forward to at and skips ids it does not know, and those that somebody is writing to; 500 of them are
// one transaction. It waits for nobody. ErrInvalidRequest: at is not set or cannot be written.
func (s *Store) Touch(ctx context.Context, at time.Time, ids ...string) error {
	if err := tokenauth.CheckMoment("last_used_at", at); err != nil {
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return named(id) == "" })
	for some := range slices.Chunk(ids, batch) {
		err := s.write(ctx, func(tx *transaction) error {
			n, err := tx.exec(ctx, `UPDATE ta_token SET last_used_at = $1 WHERE ctid = ANY (ARRAY(SELECT ctid FROM ta_token
				WHERE id = ANY ($2) AND (last_used_at IS NULL OR last_used_at < $1) FOR NO KEY UPDATE SKIP LOCKED))`, moment(at), some)
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

// DeleteExpired drops at most limit records that expired 5 min before before or earlier, those that expired first, 500 in a transaction,
// and says how many. A record with children or a successor stays until a later call has dropped these, so that whoever knows only the first
// of a family can still end all of it; call it until it returns 0. One whose family somebody is writing to at that moment stays for a later
// call, too. A dropped id is one without record, which is revoked. A limit of 0 or less drops nothing.
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

// leadsNowhere is the condition of a record t that had expired by $1 and that came to no other record, by minting or by rotation.
const leadsNowhere = `t.expires_at <= $1
	AND NOT EXISTS (SELECT 1 FROM ta_token c WHERE c.parent_id = t.id)
	AND NOT EXISTS (SELECT 1 FROM ta_token n WHERE n.id = t.successor_id)`

// deleteBatch drops at most limit records that had expired by at, and as many deaths.
func (s *Store) deleteBatch(ctx context.Context, at time.Time, limit int) (int, error) {
	at = moment(at)
	dropped := 0
	err := s.write(ctx, func(tx *transaction) error {
		ids, err := tx.texts(ctx, `SELECT t.id FROM ta_token t WHERE `+leadsNowhere+` ORDER BY t.expires_at, t.id LIMIT $2`, at, limit)
		if err != nil {
			return err
		}
		if dropped, err = tx.deleteRecords(ctx, ids, at); err != nil {
			return err
		}
		forgotten, err := tx.forget(ctx, deadToken, at, 2*limit)
		if err == nil && dropped == 0 && forgotten == 0 {
			err = errUnchanged
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return dropped, nil
}

// deleteRecords drops those of ids whose families nobody writes to and which, now that these are locked, still lead nowhere.
func (tx *transaction) deleteRecords(ctx context.Context, ids []string, at time.Time) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	roots, err := tx.texts(ctx, `SELECT root_id FROM ta_token WHERE id = ANY ($1)`, ids)
	if err != nil {
		return 0, err
	}
	if roots, err = tx.lockFreeFamilies(ctx, roots); err != nil {
		return 0, err
	}
	return tx.exec(ctx, `DELETE FROM ta_token t WHERE `+leadsNowhere+` AND t.id = ANY ($2) AND t.root_id = ANY ($3)`, at, ids, roots)
}
