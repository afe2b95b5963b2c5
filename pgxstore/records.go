package pgxstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// How a record becomes a row and a row a record. Lists are JSON as tokens carry it; what a record may leave out is NULL, so that it takes
// no room in an index.

// recordColumns are the columns of a record from ta_token t, which a left join may have made NULL, in the order of row.dest.
const recordColumns = `t.id, coalesce(t.root_id, ''), coalesce(t.parent_id, ''), coalesce(t.successor_id, ''), coalesce(t.depth, 0),
	coalesce(t.name, ''), coalesce(t.subject, ''), coalesce(t.owner, ''), coalesce(t.created_by, ''), coalesce(t.client_id, ''),
	coalesce(t.session_id, ''), t.roles, t.scopes, t.created_at, t.expires_at, t.retire_at, t.revoked_at, coalesce(t.revoked_by, ''),
	coalesce(t.revoke_reason, ''), t.last_used_at`

// A row is a row of ta_token, or of nothing where there is none.
type row struct {
	id            *string // nil: there is none
	t             tokenauth.StoredAccessToken
	roles, scopes []byte

	created, expires, retire, revoked, used *time.Time
}

func (r *row) dest() []any {
	t := &r.t
	return []any{
		&r.id, &t.RootID, &t.ParentID, &t.SuccessorID, &t.Depth,
		&t.Name, &t.Subject, &t.Owner, &t.CreatedBy, &t.ClientID,
		&t.SessionID, &r.roles, &r.scopes, &r.created, &r.expires, &r.retire, &r.revoked, &t.RevokedBy,
		&t.RevokeReason, &r.used,
	}
}

// record returns the record of a row that is one, its lists still missing: most of its cost, and a filter does not look at them.
func (r *row) record() *tokenauth.StoredAccessToken {
	t := &r.t
	t.ID = *r.id
	t.CreatedAt, t.ExpiresAt, t.RetireAt = timeOf(r.created), timeOf(r.expires), timeOf(r.retire)
	t.RevokedAt, t.LastUsedAt = timeOf(r.revoked), timeOf(r.used)
	return t
}

// readLists fills in the lists. What cannot be read was not written here; its text may be quoted in the cause, so that the cause is left
// out.
func (r *row) readLists() error {
	if errors.Join(json.Unmarshal(r.roles, &r.t.Roles), json.Unmarshal(r.scopes, &r.t.Scopes)) != nil {
		return refuse("roles, scopes: the row is damaged", tokenauth.ErrUnavailable)
	}
	return nil
}

// insert adds a new record. Lists are handed over as text, which they are also to a driver who does not know the columns' types. ErrExists:
// the id is taken, and not by an earlier attempt of the same call; where it is by that, errDone.
func (tx *transaction) insert(ctx context.Context, t *tokenauth.StoredAccessToken, call string) error {
	roles, err := json.Marshal(append([]string{}, t.Roles...))
	if err != nil {
		return invalid("roles: no JSON")
	}
	scopes, err := json.Marshal(append([]tokenauth.TokenScope{}, t.Scopes...))
	if err != nil {
		return invalid("scopes: no JSON")
	}
	n, err := tx.exec(ctx, `INSERT INTO ta_token (id, root_id, parent_id, depth, name, subject, owner, created_by, client_id, session_id,
		roles, scopes, created_at, expires_at, call_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO NOTHING`,
		t.ID, t.RootID, text(t.ParentID), t.Depth, t.Name, t.Subject, t.Owner, t.CreatedBy, text(t.ClientID), text(t.SessionID),
		string(roles), string(scopes), moment(t.CreatedAt), second(t.ExpiresAt), call)
	if err != nil || n == 1 {
		return err
	}
	var theirs string
	if _, err := tx.row(ctx, `SELECT call_id FROM ta_token WHERE id = $1`, []any{t.ID}, &theirs); err != nil {
		return err
	}
	if theirs != call {
		return refuse("id", tokenauth.ErrExists)
	}
	return errDone
}

// named returns a name to ask for: itself, or one that nobody has if nobody can have this one, which the server might not even read.
func named(id string) string {
	if tokenauth.CheckID("id", id) != nil {
		return ""
	}
	return id
}

// text returns s, or nil, which is NULL, for the empty one.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// moment returns t as stores keep it: UTC, cut to the microsecond.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// second returns t as tokens carry it: UTC, cut to the second.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// timeOf returns what was kept, and the zero Time for NULL.
func timeOf(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.UTC()
}

// later returns the later of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
