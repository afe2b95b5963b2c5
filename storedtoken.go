package tokenauth

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// The record of a token is what its issuer remembers of it: whose it is, what it may do, where it came from, whether it lives.
// The token itself is nowhere in it, so a stolen table is a list of names and not of credentials. The id of the record is the
// jti of the token, and that is how a token is revoked.
//
// Records form families. A token minted on behalf of another has it as its parent; a token that replaces another by rotation
// is its successor. Revoking walks down to the children and both ways along the rotation, because whoever holds one of them
// could have made the others.

// Bounds of what a record may say, one set for every store, in bytes.
const (
	maxIDBytes        = 128          // ids of tokens, sessions and one-time keys
	maxSubjectBytes   = 255          // subject, owner
	maxPrincipalBytes = 512          // created_by, revoked_by, client_id
	maxNameBytes      = 1 << 10      // name
	maxReasonBytes    = 4 << 10      // revoke_reason
	maxGrantBytes     = 64 << 10     // roles and scopes together, as JSON
	maxDepth          = 8            // how deep a family may grow below its root
	maxExpiry         = 253402300799 // the last second of the year 9999, the last that RFC 3339 can write
)

// A StoredAccessToken is the record of a token: what it may do, who made it, whether it lives. Never the token.
// Its moments are UTC; expires_at is a whole second, the same as the token's exp. The zero value is inactive.
type StoredAccessToken struct {
	ID           string       `json:"id"`                      // the token's jti
	Owner        string       `json:"owner"`                   // the subject at the root of the chain: whose token this is, whatever its own subject
	RootID       string       `json:"root_id"`                 // the first of its family: its own id for a root, kept by its successors
	Depth        int          `json:"depth"`                   // 0 for a root, at most 8
	Name         string       `json:"name"`                    // for people
	Subject      string       `json:"subject"`                 // the token's sub
	Roles        []string     `json:"roles"`                   // the token's roles
	Scopes       []TokenScope `json:"scopes"`                  // the token's scopes
	ExpiresAt    time.Time    `json:"expires_at"`              // the token's exp
	CreatedAt    time.Time    `json:"created_at"`              // the token's iat
	CreatedBy    string       `json:"created_by"`              // a subject, or "system: why"
	RevokedAt    time.Time    `json:"revoked_at,omitzero"`     // set once; from then on the token is dead, even if it lies in the future
	RevokedBy    string       `json:"revoked_by,omitempty"`    // a subject, or "system: why"
	RevokeReason string       `json:"revoke_reason,omitempty"` // for people
	ParentID     string       `json:"parent_id,omitempty"`     // the token that asked for this one
	SuccessorID  string       `json:"successor_id,omitempty"`  // the token that replaces this one
	RetireAt     time.Time    `json:"retire_at,omitzero"`      // from when the successor alone counts
	LastUsedAt   time.Time    `json:"last_used_at,omitzero"`   // roughly, and only where somebody tells the store
	ClientID     string       `json:"client_id,omitempty"`     // the token's client_id
	SessionID    string       `json:"session_id,omitempty"`    // the session of whoever asked for it
}

// NewStoredAccessToken returns the record of a root token with a fresh id, a version 7 UUID, created now. An empty subject
// becomes token:{id}. The slices are copied. It checks nothing: see Validate.
func NewStoredAccessToken(name, subject string, roles []string, scopes []TokenScope, expiresAt time.Time, createdBy string) *StoredAccessToken {
	return newRecord(newID(), name, subject, roles, scopes, time.Now(), expiresAt, createdBy)
}

// newRecord is NewStoredAccessToken with an id and a moment of the caller's own.
func newRecord(id, name, subject string, roles []string, scopes []TokenScope, now, expiresAt time.Time, createdBy string) *StoredAccessToken {
	if subject == "" {
		subject = "token:" + id
	}
	return &StoredAccessToken{
		ID: id, Owner: subject, RootID: id, Name: name, Subject: subject, CreatedBy: createdBy,
		Roles:     append([]string{}, roles...),
		Scopes:    append([]TokenScope{}, scopes...),
		CreatedAt: wholeSecond(now),
		ExpiresAt: wholeSecond(expiresAt),
	}
}

// newID returns a fresh version 7 UUID: ids sort by when they were made. It panics if the system has no randomness, as
// crypto/rand does.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// IsInactive says whether the token is revoked, retired or expired at now. A revocation counts whatever its moment; the other
// two from their moment on, to the second.
func (t *StoredAccessToken) IsInactive(now time.Time) bool {
	return !t.RevokedAt.IsZero() || reached(t.RetireAt, now) || !now.Before(t.ExpiresAt)
}

// reached says whether at is set and not after now.
func reached(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// wholeSecond returns t as tokens carry it: UTC, without fractions.
func wholeSecond(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }

// Validate says whether a store may keep the record: every text is valid UTF-8 without NUL and within its bound, what must be
// there is there, the moments can be written. All stores refuse alike, with this. The error wraps ErrInvalidRequest and names
// the field.
//
// Bounds, in bytes: ids 128, subject and owner 255, created_by, revoked_by and client_id 512, name 1 Ki, revoke_reason 4 Ki, roles and
// scopes together 64 Ki as JSON before escaping.
func (t *StoredAccessToken) Validate() error {
	for _, field := range []struct {
		name, value string
		most        int
		required    bool
	}{
		{"id", t.ID, maxIDBytes, true},
		{"root_id", t.RootID, maxIDBytes, true},
		{"parent_id", t.ParentID, maxIDBytes, false},
		{"successor_id", t.SuccessorID, maxIDBytes, false},
		{"session_id", t.SessionID, maxIDBytes, false},
		{"subject", t.Subject, maxSubjectBytes, true},
		{"owner", t.Owner, maxSubjectBytes, true},
		{"created_by", t.CreatedBy, maxPrincipalBytes, true},
		{"revoked_by", t.RevokedBy, maxPrincipalBytes, false},
		{"client_id", t.ClientID, maxPrincipalBytes, false},
		{"name", t.Name, maxNameBytes, false},
		{"revoke_reason", t.RevokeReason, maxReasonBytes, false},
	} {
		if err := checkText(field.name, field.value, field.most, field.required); err != nil {
			return err
		}
	}
	if t.Depth < 0 || t.Depth > maxDepth {
		return invalid("depth: not between 0 and 8")
	}
	for _, field := range []struct {
		name     string
		value    time.Time
		required bool
	}{
		{"expires_at", t.ExpiresAt, true},
		{"created_at", t.CreatedAt, true},
		{"revoked_at", t.RevokedAt, false},
		{"retire_at", t.RetireAt, false},
		{"last_used_at", t.LastUsedAt, false},
	} {
		if err := checkMoment(field.name, field.value, field.required); err != nil {
			return err
		}
	}
	return t.validateGrants()
}

// validateGrants checks roles and scopes.
func (t *StoredAccessToken) validateGrants() error {
	size := 0
	for i, role := range t.Roles {
		if err := checkText("roles["+strconv.Itoa(i)+"]", role, maxGrantBytes, true); err != nil {
			return err
		}
		size += len(role) + len(`"",`)
	}
	for i, scope := range t.Scopes {
		if err := scope.wellFormed(); err != nil {
			return invalid("scopes[" + strconv.Itoa(i) + "]: " + detailOf(err))
		}
		size += len(scope.ResourceKind) + len(scope.ResourceID) + len(`{"resource_kind":"","resource_id":"","level":"execute"},`)
	}
	if size > maxGrantBytes {
		return invalid("roles, scopes: together longer than 64 KiB")
	}
	return nil
}

// Clone returns a copy that shares nothing.
func (t *StoredAccessToken) Clone() *StoredAccessToken {
	if t == nil {
		return nil
	}
	c := *t
	c.Roles = append([]string{}, t.Roles...)
	c.Scopes = append([]TokenScope{}, t.Scopes...)
	return &c
}

// plainRecord is a record without methods, for encoding/json.
type plainRecord StoredAccessToken

// MarshalJSON writes every member with moments in UTC and lists that are never null.
func (t StoredAccessToken) MarshalJSON() ([]byte, error) {
	p := plainRecord(*t.Clone())
	(*StoredAccessToken)(&p).toUTC()
	return json.Marshal(p)
}

// UnmarshalJSON reads what MarshalJSON writes. Moments in other zones come back in UTC. It checks no more than the types: see
// Validate. The error wraps ErrInvalidRequest; what encoding/json answered may quote a value, so that it is the cause and not
// part of the text.
func (t *StoredAccessToken) UnmarshalJSON(b []byte) error {
	var p plainRecord
	if err := json.Unmarshal(b, &p); err != nil {
		return &fault{reason: ErrInvalidRequest.(*reason), detail: "not the JSON of a record", cause: err}
	}
	*t = StoredAccessToken(p)
	t.toUTC()
	return nil
}

// toUTC moves every moment to UTC. The expiry loses its fraction, as the token's exp does.
func (t *StoredAccessToken) toUTC() {
	for _, at := range []*time.Time{&t.CreatedAt, &t.RevokedAt, &t.RetireAt, &t.LastUsedAt, &t.ExpiresAt} {
		*at = at.UTC()
	}
	t.ExpiresAt = t.ExpiresAt.Truncate(time.Second)
}

// A TokenFilter selects records: those that match every field set. The zero filter is all of them. It carries its own moments: a
// store reads no clock for it.
type TokenFilter struct {
	Subject   string    // whom the token speaks for
	Owner     string    // whose token it is
	CreatedBy string    // who asked for it
	ParentID  string    // the token that asked for it
	SessionID string    // the session of whoever asked for it
	ActiveAt  time.Time // not inactive at this moment
	ExpiresBy time.Time // expiring at or before this moment: with now, the expired; with now+7d and ActiveAt now, the soon expiring
	Revoked   bool      // only the revoked
	After     string    // only ids after this one, bytewise: the last id of the page before
	Limit     int       // at most so many; 0: all
}

// Matches says whether t is selected, After and Limit aside. A store without an index can do List with it.
func (f TokenFilter) Matches(t *StoredAccessToken) bool {
	return (f.Subject == "" || f.Subject == t.Subject) &&
		(f.Owner == "" || f.Owner == t.Owner) &&
		(f.CreatedBy == "" || f.CreatedBy == t.CreatedBy) &&
		(f.ParentID == "" || f.ParentID == t.ParentID) &&
		(f.SessionID == "" || f.SessionID == t.SessionID) &&
		(f.ActiveAt.IsZero() || !t.IsInactive(f.ActiveAt)) &&
		(f.ExpiresBy.IsZero() || !t.ExpiresAt.After(f.ExpiresBy)) &&
		(!f.Revoked || !t.RevokedAt.IsZero())
}

// A Revocation is when, by whom and why. At must be set: stores read no clock.
type Revocation struct {
	At     time.Time // when; UTC
	By     string    // a subject, or "system: why"; at most 512 bytes
	Reason string    // for people; at most 4 KiB
}

// Validate says whether a store may keep the revocation. The error wraps ErrInvalidRequest and names the field.
func (r Revocation) Validate() error {
	if err := checkMoment("revoked_at", r.At, true); err != nil {
		return err
	}
	if err := checkText("revoked_by", r.By, maxPrincipalBytes, false); err != nil {
		return err
	}
	return checkText("revoke_reason", r.Reason, maxReasonBytes, false)
}

// A TokenStore keeps the records of tokens. As a RevocationStore it calls an id it has no record of revoked, so it belongs only
// at the verifier of the issuer that writes to it. Success means durable at the level the store states; a call that was cut off
// may have counted. Writers refuse what StoredAccessToken.Validate and Revocation.Validate refuse.
//
// Stores of this project also have Touch(ctx, at time.Time, ids ...string) error, which moves LastUsedAt forward and skips ids it
// does not know, and DeleteExpired(ctx, before time.Time, limit int) (int, error), which drops at most limit records, and only
// what had expired for 5 min at before and has no child and no successor left: call it until it returns 0. See package storetest.
type TokenStore interface {
	RevocationStore

	// Create adds t, which is new: neither revoked nor rotated nor used. ErrExists: the id is taken. ErrRevoked: t.ParentID is revoked,
	// retired, expired or unknown. ErrInvalidRequest: root, owner and depth are not those of a root or of a child of that parent.
	Create(ctx context.Context, t *StoredAccessToken) error
	// Get returns the record, dead or alive, or ErrNotFound.
	Get(ctx context.Context, id string) (*StoredAccessToken, error)
	// List yields matching records in ascending order of id, bytewise, and ends after the first error. It reads a page at a time
	// and holds no connection or lock while the caller's loop body runs; pages are not one snapshot. A negative Limit is
	// ErrInvalidRequest.
	List(ctx context.Context, f TokenFilter) iter.Seq2[*StoredAccessToken, error]
	// Revoke revokes id, its predecessors and successors by rotation and all their descendants, passing through what is revoked
	// already, until a fresh pass sees nothing live in its own snapshot, and returns how many it newly revoked. It is complete when it
	// returns nil; after an error call it again. The first revocation of each record stands. ErrNotFound: no such id.
	Revoke(ctx context.Context, id string, r Revocation) (int, error)
	// RevokeAll does as Revoke to every record the filter selects by Subject, Owner, CreatedBy or SessionID; none is not an error.
	// A filter with none of these four is ErrInvalidRequest: nobody revokes everything by forgetting a field. The other fields
	// must be unset: a cascade has no pages.
	RevokeAll(ctx context.Context, f TokenFilter, r Revocation) (int, error)
	// Rotate adds successor, of the same parent, root and owner, and sets id's RetireAt and SuccessorID, both or neither.
	// ErrExists: id has a successor already, or the successor's id is taken. ErrRevoked: id is revoked. ErrNotFound: no such id.
	Rotate(ctx context.Context, id string, retireAt time.Time, successor *StoredAccessToken) error
}
