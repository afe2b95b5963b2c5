package memstore

import (
	"cmp"
	"iter"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A record is what is kept of one token. The links between records are the ids that the record itself holds, and one that it
// does not: a rotation is walked both ways.
type record struct {
	tokenauth.StoredAccessToken
	predecessor *record
	death       *death // nil: neither revoked nor retired
}

// change implements mortal. A revocation is not judged by its moment, and a retirement is.
func (r *record) change() tokenauth.Change {
	change := tokenauth.Change{TokenID: r.ID, Until: r.ExpiresAt}
	if r.RevokedAt.IsZero() {
		change.From = r.RetireAt
	}
	return change
}

// newRecord returns a copy of a new record with its moments as they are kept. Of these a new record has two.
//
// Its texts are copied too, and so is every other text that stays in the store: what a Principal says is part of all that its token said
// and that was signed, which would be kept for the sake of one name.
func newRecord(t *tokenauth.StoredAccessToken) *record {
	r := &record{StoredAccessToken: *t.Clone()}
	r.CreatedAt, r.ExpiresAt = moment(t.CreatedAt), second(t.ExpiresAt)
	for _, text := range [...]*string{&r.ID, &r.Owner, &r.RootID, &r.Name, &r.Subject, &r.CreatedBy, &r.ParentID, &r.ClientID, &r.SessionID} {
		*text = strings.Clone(*text)
	}
	for i := range r.Roles {
		r.Roles[i] = strings.Clone(r.Roles[i])
	}
	for i := range r.Scopes {
		scope := &r.Scopes[i]
		scope.ResourceKind, scope.ResourceID = strings.Clone(scope.ResourceKind), strings.Clone(scope.ResourceID)
	}
	return r
}

// records is the table of all records and its indexes.
type records struct {
	byID     map[string]*record
	indexes  []index // the narrowest first, the one that holds everything last
	children *index  // the one of parents
	byExpiry ordered[*record]
}

// An index holds the records that have a key, ordered by the key and then by id, bytewise.
type index struct {
	key func(*tokenauth.StoredAccessToken) string
	ordered[*record]
}

func newRecords() records {
	t := records{
		byID: map[string]*record{},
		indexes: []index{
			newIndex(func(t *tokenauth.StoredAccessToken) string { return t.ParentID }),
			newIndex(func(t *tokenauth.StoredAccessToken) string { return t.SessionID }),
			newIndex(func(t *tokenauth.StoredAccessToken) string { return t.Subject }),
			newIndex(func(t *tokenauth.StoredAccessToken) string { return t.CreatedBy }),
			newIndex(func(t *tokenauth.StoredAccessToken) string { return t.Owner }),
			newIndex(func(*tokenauth.StoredAccessToken) string { return "all" }),
		},
		byExpiry: ordered[*record]{compare: func(a, b *record) int {
			return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
		}},
	}
	t.children = &t.indexes[0]
	return t
}

func newIndex(key func(*tokenauth.StoredAccessToken) string) index {
	return index{key, ordered[*record]{compare: func(a, b *record) int {
		return cmp.Or(strings.Compare(key(&a.StoredAccessToken), key(&b.StoredAccessToken)), strings.Compare(a.ID, b.ID))
	}}}
}

// insert adds r, whose id is free.
func (t *records) insert(r *record) {
	t.byID[r.ID] = r
	t.byExpiry.insert(r)
	for i := range t.indexes {
		if ix := &t.indexes[i]; ix.key(&r.StoredAccessToken) != "" {
			ix.insert(r)
		}
	}
}

// remove drops r.
func (t *records) remove(r *record) {
	delete(t.byID, r.ID)
	t.byExpiry.remove(r)
	for i := range t.indexes {
		t.indexes[i].remove(r) // where it has no key it is not found
	}
}

// selected yields, in order of id, a superset of what f matches after f.After: the records that agree with f in the field
// of the narrowest index f has a key for.
func (t *records) selected(f tokenauth.TokenFilter) iter.Seq[*record] {
	probe := &record{StoredAccessToken: tokenauth.StoredAccessToken{
		ID: f.After, Subject: f.Subject, Owner: f.Owner, CreatedBy: f.CreatedBy, ParentID: f.ParentID, SessionID: f.SessionID,
	}}
	for i := range t.indexes {
		if ix := &t.indexes[i]; ix.key(&probe.StoredAccessToken) != "" {
			return ix.after(probe)
		}
	}
	panic("memstore: unreachable: the last index has a key for every record")
}

// after yields the records that have probe's key and a higher id.
func (ix *index) after(probe *record) iter.Seq[*record] {
	key := ix.key(&probe.StoredAccessToken)
	return func(yield func(*record) bool) {
		for r := range ix.from(probe) {
			if ix.key(&r.StoredAccessToken) != key {
				return
			}
			if r.ID != probe.ID && !yield(r) {
				return
			}
		}
	}
}

// childrenOf yields the records whose parent is id.
func (t *records) childrenOf(id string) iter.Seq[*record] {
	return t.children.after(&record{StoredAccessToken: tokenauth.StoredAccessToken{ParentID: id}})
}

// families returns starts and all that a revocation of them reaches: down to the children, both ways along a rotation, and on
// from there. What is revoked already is walked through, since an older cascade says nothing about who is below it.
func (t *records) families(starts []*record) []*record {
	var all []*record
	seen := map[*record]bool{}
	reach := func(r *record) {
		if r != nil && !seen[r] {
			seen[r] = true
			all = append(all, r)
		}
	}
	for _, r := range starts {
		reach(r)
	}
	for i := 0; i < len(all); i++ { // all grows meanwhile
		reach(all[i].predecessor)
		reach(t.byID[all[i].SuccessorID])
		for child := range t.childrenOf(all[i].ID) {
			reach(child)
		}
	}
	return all
}

// expired returns at most limit records that had expired by at and that lead to no other record, those that expired first first.
func (t *records) expired(at time.Time, limit int) []*record {
	var found []*record
	for r := range t.byExpiry.from(&record{}) {
		if r.ExpiresAt.After(at) || len(found) == limit {
			break
		}
		if !t.leadsOn(r) {
			found = append(found, r)
		}
	}
	return found
}

// leadsOn says whether a kept record came of r, by minting or by rotation: whoever knows no id but r's must still be able to end it.
func (t *records) leadsOn(r *record) bool {
	for range t.childrenOf(r.ID) {
		return true
	}
	return t.byID[r.SuccessorID] != nil
}
