package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// How a record becomes a row and a row a record. Lists are JSON as tokens carry it; what a record may leave out is NULL, so that it takes
// no room in an index.

// recordColumns are the columns of a record from ta_token t, in the order of row.dest.
const recordColumns = `t.id, t.root_id, t.parent_id, t.successor_id, t.depth, t.name, t.subject, t.owner, t.created_by, t.client_id, t.session_id,
	t.roles, t.scopes, t.created_at, t.expires_at, t.retire_at, t.revoked_at, t.revoked_by, t.revoke_reason, t.last_used_at`

// A row is a row of ta_token, or of NULLs where there is none.
type row struct {
	id, root, parent, successor, name, subject, owner, creator, client, session, roles, scopes, revokedBy, reason sql.NullString

	depth, created, expires, retire, revoked, used sql.NullInt64
}

func (r *row) dest() []any {
	return []any{
		&r.id, &r.root, &r.parent, &r.successor, &r.depth, &r.name, &r.subject, &r.owner, &r.creator, &r.client, &r.session,
		&r.roles, &r.scopes, &r.created, &r.expires, &r.retire, &r.revoked, &r.revokedBy, &r.reason, &r.used,
	}
}

// record returns the record, its lists still missing: most of its cost, and a filter does not look at them.
func (r *row) record() *tokenauth.StoredAccessToken {
	return &tokenauth.StoredAccessToken{
		ID: r.id.String, RootID: r.root.String, ParentID: r.parent.String, SuccessorID: r.successor.String, Depth: int(r.depth.Int64),
		Name: r.name.String, Subject: r.subject.String, Owner: r.owner.String, CreatedBy: r.creator.String,
		ClientID: r.client.String, SessionID: r.session.String,
		CreatedAt: timeOf(r.created), ExpiresAt: timeOf(r.expires), RetireAt: timeOf(r.retire), LastUsedAt: timeOf(r.used),
		RevokedAt: timeOf(r.revoked), RevokedBy: r.revokedBy.String, RevokeReason: r.reason.String,
	}
}

// readLists fills in the lists. What cannot be read was not written here; its text may be quoted in the cause, so that the cause is left
// out.
func (r *row) readLists(t *tokenauth.StoredAccessToken) error {
	if errors.Join(json.Unmarshal([]byte(r.roles.String), &t.Roles), json.Unmarshal([]byte(r.scopes.String), &t.Scopes)) != nil {
		return refuse("roles, scopes: the row is damaged", tokenauth.ErrUnavailable)
	}
	return nil
}

// insert adds a new record. ErrExists: the id is taken, and not by an earlier attempt of the same call.
func (l *link) insert(ctx context.Context, t *tokenauth.StoredAccessToken, call string) error {
	roles, err := json.Marshal(append([]string{}, t.Roles...))
	if err != nil {
		return invalid("roles: no JSON")
	}
	scopes, err := json.Marshal(append([]tokenauth.TokenScope{}, t.Scopes...))
	if err != nil {
		return invalid("scopes: no JSON")
	}
	n, err := l.exec(ctx, `INSERT INTO ta_token (id, root_id, parent_id, depth, name, subject, owner, created_by, client_id, session_id,
		roles, scopes, created_at, expires_at, call_id)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT (id) DO NOTHING`,
		t.ID, t.RootID, text(t.ParentID), t.Depth, t.Name, t.Subject, t.Owner, t.CreatedBy, text(t.ClientID), text(t.SessionID),
		string(roles), string(scopes), micros(t.CreatedAt), micros(second(t.ExpiresAt)), call)
	if err != nil || n == 1 {
		return err
	}
	var theirs string
	if _, err := l.row(ctx, `SELECT call_id FROM ta_token WHERE id = ?1`, []any{t.ID}, &theirs); err != nil {
		return err
	}
	if theirs != call {
		return refuse("id", tokenauth.ErrExists)
	}
	return nil
}

// text returns s, or NULL for the empty one.
func text(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// micros returns t as it is kept: microseconds since 1970.
func micros(t time.Time) int64 { return t.UnixMicro() }

// timeOf returns what was kept, and the zero Time for NULL.
func timeOf(at sql.NullInt64) time.Time {
	if !at.Valid {
		return time.Time{}
	}
	return time.UnixMicro(at.Int64).UTC()
}

// second returns t as tokens carry it: UTC, cut to the second.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// later returns the later of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
