package tokenauth

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What authors of stores check before they write, beside StoredAccessToken.Validate and Revocation.Validate. It stands here once, so that
// all stores refuse alike: what one keeps and another refuses would be lost on the day a service moves. Every error wraps
// ErrInvalidRequest and names the field, never its value. Package storetest holds stores to these.

// CheckNew says whether a store may take t in, in Create and as the successor in Rotate: it validates, and what only Revoke, Rotate and
// Touch write is not written yet. A record that claimed a successor of its own would lead a later revocation astray.
func (t *StoredAccessToken) CheckNew() error {
	switch {
	case t == nil:
		return invalid("record: nil")
	case !t.RevokedAt.IsZero() || t.RevokedBy != "" || t.RevokeReason != "":
		return invalid("revoked_at, revoked_by, revoke_reason: set on a new record")
	case !t.RetireAt.IsZero() || t.SuccessorID != "":
		return invalid("retire_at, successor_id: set on a new record")
	case !t.LastUsedAt.IsZero():
		return invalid("last_used_at: set on a new record")
	}
	return t.Validate()
}

// CheckPlace says whether t stands where a family has room for it. A root is its own root, of its own owner, at depth 0; a child has the
// root and the owner of its parent and one more than its depth; a successor has all three of its predecessor.
func (t *StoredAccessToken) CheckPlace(root, owner string, depth int) error {
	switch {
	case t.RootID != root:
		return invalid("root_id: not that of the family, or a root's not its own id")
	case t.Owner != owner:
		return invalid("owner: not that of the family")
	case t.Depth != depth:
		return invalid("depth: not one below the parent, or a root's not 0")
	}
	return nil
}

// CheckRevokeAll says whether f may select what TokenStore.RevokeAll revokes: one of Subject, Owner, CreatedBy and SessionID at least, so
// that nobody revokes everything by forgetting a field, and nothing else, since a cascade has no pages.
func (f TokenFilter) CheckRevokeAll() error {
	who := TokenFilter{Subject: f.Subject, Owner: f.Owner, CreatedBy: f.CreatedBy, SessionID: f.SessionID}
	if who == (TokenFilter{}) {
		return invalid("filter: one of subject, owner, created_by and session_id must be set")
	}
	if f != who {
		return invalid("filter: only subject, owner, created_by and session_id may be set")
	}
	return nil
}

// CheckID says whether id can name a token, a session or a one-time key: 1 to 128 bytes of valid UTF-8 without NUL.
func CheckID(field, id string) error { return checkText(field, id, maxIDBytes, true) }

// CheckSubject says whether subject can name a subject: 1 to 255 bytes of valid UTF-8 without NUL.
func CheckSubject(field, subject string) error {
	return checkText(field, subject, maxSubjectBytes, true)
}

// CheckSession says whether subject and sid can name a session, which needs both.
func CheckSession(subject, sid string) error {
	if err := CheckSubject("subject", subject); err != nil {
		return err
	}
	return CheckID("sid", sid)
}

// CheckMoment says whether a store can keep t: it is set, and lies in the years 1970 to 9999.
func CheckMoment(field string, t time.Time) error { return checkMoment(field, t, true) }

// checkText checks one text against its bound.
func checkText(field, s string, most int, required bool) error {
	switch {
	case s == "" && required:
		return invalid(field + ": empty")
	case len(s) > most:
		return invalid(field + ": longer than " + strconv.Itoa(most) + " bytes")
	case !utf8.ValidString(s):
		return invalid(field + ": not valid UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		return invalid(field + ": holds NUL")
	}
	return nil
}

// checkMoment checks that a moment can be written on the wire and in every store.
func checkMoment(field string, t time.Time, required bool) error {
	if t.IsZero() {
		if required {
			return invalid(field + ": not set")
		}
		return nil
	}
	if s := t.Unix(); s < 0 || s > maxExpiry {
		return invalid(field + ": not between the years 1970 and 9999")
	}
	return nil
}
