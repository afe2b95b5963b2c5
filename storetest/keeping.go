package storetest

import (
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Touch and DeleteExpired: what a store does with records beside the life of their tokens.

func keepingRules() []Rule {
	return []Rule{
		{"touch",
			"Touch moves last_used_at forward and never back, skips ids it does not know, and changes nothing else.",
			[]need{tokens, touch}, touches},
		{"delete-expired",
			"DeleteExpired drops what had expired for 5 min at the moment it is given, by that and no clock, and nothing else.",
			[]need{tokens, expiry}, deletesExpired},
		{"delete-expired-limit",
			"DeleteExpired drops at most limit records and says how many.",
			[]need{tokens, expiry}, deletesAtMost},
		{"delete-expired-dead",
			"What DeleteExpired dropped has no record, and so is revoked.",
			[]need{tokens, expiry}, deletedIsDead},
		{"delete-expired-families",
			"DeleteExpired drops a record only after its children and its successor: whoever knows only the first of a family, " +
				"expired as it may be, can still end all of it.",
			[]need{tokens, expiry}, deletesFamilies},
	}
}

func touches(c *trial) {
	store := c.Tokens.(toucher)
	used, other := c.root(), c.root()
	first := c.clock.Now().Add(time.Hour)
	c.ok(store.Touch(c.ctx, first, used.ID, c.newRecord().ID), "Touch of one known id and one unknown")
	used.LastUsedAt = first
	c.same("Get", c.get(used.ID), used)
	c.ok(store.Touch(c.ctx, first.Add(-30*time.Minute), c.newRecord().ID, used.ID), "Touch at an earlier moment")
	c.same("Get after Touch at an earlier moment", c.get(used.ID), used)
	c.ok(store.Touch(c.ctx, first.Add(2*time.Minute).In(time.FixedZone("east", 3*3600)), used.ID), "Touch at a later moment")
	used.LastUsedAt = first.Add(2 * time.Minute)
	c.same("Get after Touch at a later moment", c.get(used.ID), used)
	c.same("Get of a record that was not used", c.get(other.ID), other)
	c.ok(store.Touch(c.ctx, first), "Touch of nothing")

	for what, at := range noMoments {
		c.is(store.Touch(c.ctx, at, used.ID), tokenauth.ErrInvalidRequest, "Touch at "+what)
	}
	c.same("Get after Touch at no moment", c.get(used.ID), used)
}

// expiring stores a root that expires at a moment.
func (c *trial) expiring(at time.Time) *tokenauth.StoredAccessToken {
	t := c.newRecord()
	t.ExpiresAt = at
	return c.create(t)
}

// deleteExpired calls DeleteExpired, which must succeed.
func (c *trial) deleteExpired(before time.Time, limit int) int {
	n, err := c.Tokens.(deleter).DeleteExpired(c.ctx, before, limit)
	c.ok(err, "DeleteExpired")
	return n
}

// sweep calls DeleteExpired until nothing is left to drop and says how many were.
func (c *trial) sweep(before time.Time) int {
	for all := 0; ; {
		n := c.deleteExpired(before, 100)
		if all += n; n == 0 {
			return all
		}
	}
}

func deletesExpired(c *trial) {
	before := c.clock.Now().Add(time.Hour)
	gone := c.expiring(before.Add(-5 * time.Minute))
	longGone := c.expiring(before.Add(-50 * time.Minute))
	revokedAndGone := c.expiring(before.Add(-time.Hour))
	kept := c.expiring(before.Add(-5*time.Minute + time.Second))
	revoked := c.expiring(before)
	far := c.root()
	for _, t := range []*tokenauth.StoredAccessToken{revokedAndGone, revoked} {
		c.revoke(t.ID)
	}
	want := revoked.Clone()
	r := c.revocation("alice")
	want.RevokedAt, want.RevokedBy, want.RevokeReason = r.At, r.By, r.Reason

	c.clock.move(5 * day)
	c.count(c.sweep(before), 3, "DeleteExpired")
	for _, t := range []*tokenauth.StoredAccessToken{gone, longGone, revokedAndGone} {
		c.absent("a record that expired 5 min before", t.ID)
	}
	c.same("Get of one that expired 4:59 before", c.get(kept.ID), kept)
	c.same("Get of one that is revoked and expired just now", c.get(revoked.ID), want)
	c.same("Get of one that is far from expiry", c.get(far.ID), far)
}

func deletesAtMost(c *trial) {
	now := c.clock.Now()
	for i := range 5 {
		c.expiring(now.Add(time.Duration(i) * time.Second))
	}
	kept := c.root()
	before := now.Add(time.Hour)
	n, _ := c.Tokens.(deleter).DeleteExpired(c.ctx, before, 0) // whether that is an error is the store's to say
	c.count(n, 0, "DeleteExpired with limit 0")
	c.count(len(c.list(tokenauth.TokenFilter{})), 6, "records after DeleteExpired with limit 0")
	for i, want := range []int{2, 2, 1, 0} {
		c.count(c.deleteExpired(before, 2), want, "DeleteExpired of five, limit 2")
		c.count(len(c.list(tokenauth.TokenFilter{})), []int{4, 2, 1, 1}[i], "records left")
	}
	c.same("Get of one that is not expired", c.get(kept.ID), kept)
}

func deletedIsDead(c *trial) {
	t := c.newRecord()
	t.SessionID, t.ExpiresAt = "s-1", c.clock.Now().Add(time.Minute)
	parent := c.create(t)
	c.live("a record before it was dropped", parent)
	c.count(c.sweep(c.clock.Now().Add(day)), 1, "DeleteExpired")
	c.absent("a record that was dropped", parent.ID)
	for what, f := range map[string]tokenauth.TokenFilter{
		"all":        {},
		"by subject": {Subject: t.Subject},
		"by owner":   {Owner: t.Owner},
		"by creator": {CreatedBy: t.CreatedBy},
		"by session": {SessionID: "s-1"},
	} {
		c.listed(what, f)
	}
	_, err := c.Tokens.Revoke(c.ctx, parent.ID, c.revocation("alice"))
	c.is(err, tokenauth.ErrNotFound, "Revoke of what was dropped")
	c.is(c.Tokens.Create(c.ctx, c.newChild(parent)), tokenauth.ErrRevoked, "Create below what was dropped")
}

// deletesFamilies makes families whose middle expires first. No issuer mints a child that outlives its parent, but a store does not
// rely on that.
func deletesFamilies(c *trial) {
	early := c.clock.Now().Add(time.Hour)
	before := early.Add(time.Hour)

	root := c.root()
	middle := c.newChild(root)
	middle.ExpiresAt = early
	c.create(middle)
	leaf := c.child(middle)

	first := c.root()
	second := c.newSuccessor(first)
	second.ExpiresAt = early
	c.ok(c.Tokens.Rotate(c.ctx, first.ID, before, second), "Rotate")
	third := c.rotate(second, 2*day)

	c.sweep(before)
	c.live("what has not expired", root, leaf, first, third)
	c.revoke(root.ID)
	c.dead("the grandchild below a child that has expired", leaf)
	c.revoke(first.ID)
	c.dead("the successor's successor", third)

	// A thief rotates, the owner knows the old id alone, and that expires and is swept.
	stolen := c.newRecord()
	stolen.ExpiresAt = early
	c.create(stolen)
	loot := c.newSuccessor(stolen)
	c.ok(c.Tokens.Rotate(c.ctx, stolen.ID, early, loot), "Rotate")
	c.sweep(before)
	c.revoke(stolen.ID)
	c.dead("the successor of a token that has expired", loot)

	// In the end everybody goes, whatever the order.
	c.sweep(c.clock.Now().Add(10 * day))
	c.listed("all, when everybody has expired", tokenauth.TokenFilter{})
}
