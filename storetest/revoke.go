package storetest

import (
	"strconv"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// IsRevoked, Revoke and RevokeAll: what is dead, and who dies with it.

func revocationRules() []Rule {
	needs := []need{tokens}
	return []Rule{
		{"is-revoked-unknown",
			"An id without record is revoked.",
			needs, isRevokedUnknown},
		{"is-revoked-by-revocation",
			"A record that was revoked is revoked, even as of a moment to come; one that was not is not.",
			needs, isRevokedByRevocation},
		{"is-revoked-by-retirement",
			"A record that was rotated is revoked from its retire_at on, by the store's clock.",
			needs, isRevokedByRetirement},
		{"is-revoked-not-by-expiry",
			"IsRevoked does not judge expiry.",
			needs, isRevokedNotByExpiry},
	}
}

func revokeRules() []Rule {
	needs := []need{tokens}
	return []Rule{
		{"revoke-cascades",
			"Revoke takes all descendants with it and nobody else, and counts them.",
			needs, revokeCascades},
		{"revoke-first-stands",
			"The first revocation of each record stands, and a second one counts what it newly revoked.",
			needs, revokeFirstStands},
		{"revoke-together",
			"Of two Revokes at once one is kept whole, and their counts add up to one.",
			needs, revokeTogether},
		{"revoke-checks",
			"A revocation that does not validate is ErrInvalidRequest, and nothing is revoked.",
			needs, revokeChecks},
		{"revoke-all-selects",
			"RevokeAll revokes what the filter selects, with all descendants and nobody else, and counts them; none is no " +
				"error.",
			needs, revokeAllSelects},
		{"revoke-all-refuses",
			"RevokeAll of a filter with none of subject, owner, created_by and session_id, or with anything else, is " +
				"ErrInvalidRequest.",
			needs, revokeAllRefuses},
	}
}

func isRevokedUnknown(c *trial) {
	c.root()
	c.holds(c.isRevoked(c.newRecord().ID), "IsRevoked says no of an id that never was")
	c.holds(c.isRevoked("no-uuid"), "IsRevoked says no of an id of another form")
}

func isRevokedByRevocation(c *trial) {
	record, other := c.root(), c.root()
	c.live("a record before Revoke", record, other)
	r := c.revocation("alice")
	r.At = r.At.Add(day)
	n, err := c.Tokens.Revoke(c.ctx, record.ID, r)
	c.ok(err, "Revoke")
	c.count(n, 1, "Revoke")
	c.dead("a record revoked as of tomorrow", record)
	c.live("another record", other)
}

func isRevokedByRetirement(c *trial) {
	old := c.root()
	successor := c.rotate(old, time.Minute)
	c.live("a record that retires in a minute", old)
	c.clock.move(time.Minute - time.Second)
	c.live("a record that retires in a second", old)
	c.clock.move(time.Second)
	c.dead("a record that retires now", old)
	c.clock.move(time.Hour)
	c.dead("a record that has retired", old)
	c.live("its successor", successor)

	atOnce := c.root()
	c.rotate(atOnce, 0)
	c.dead("a record rotated without grace", atOnce)
}

func isRevokedNotByExpiry(c *trial) {
	record := c.root()
	c.clock.move(2 * day)
	c.live("a record that has expired", record)
	c.same("Get", c.get(record.ID), record)
}

func revokeCascades(c *trial) {
	root := c.root()
	stranger := c.root()
	node, sibling := c.child(root), c.child(root)
	nephew := c.child(sibling)
	child1, child2 := c.child(node), c.child(node)
	grandchild := c.child(child1)
	greatGrandchild := c.child(grandchild)

	c.count(c.revoke(node.ID), 5, "Revoke of a record with two children, a grandchild and a great-grandchild")
	c.dead("the record and its descendants", node, child1, child2, grandchild, greatGrandchild)
	c.live("parent, sibling, sibling's child, stranger", root, sibling, nephew, stranger)
	want := grandchild.Clone()
	r := c.revocation("alice")
	want.RevokedAt, want.RevokedBy, want.RevokeReason = r.At, r.By, r.Reason
	c.same("Get of a descendant", c.get(grandchild.ID), want)

	c.count(c.revoke(root.ID), 3, "Revoke of the root, of whose family five were revoked")
	c.dead("what was left", root, sibling, nephew)
	c.live("a stranger", stranger)
}

func revokeFirstStands(c *trial) {
	root := c.root()
	child := c.child(root)
	first := c.revocation("alice")
	n, err := c.Tokens.Revoke(c.ctx, child.ID, first)
	c.ok(err, "Revoke of the child")
	c.count(n, 1, "Revoke of the child")

	c.clock.move(time.Minute)
	second := c.revocation("bob")
	for _, want := range []int{1, 0} {
		n, err = c.Tokens.Revoke(c.ctx, root.ID, second)
		c.ok(err, "Revoke of the root")
		c.count(n, want, "Revoke of the root, whose child was revoked")
	}
	n, err = c.Tokens.RevokeAll(c.ctx, tokenauth.TokenFilter{Owner: root.Owner}, c.revocation("carol"))
	c.ok(err, "RevokeAll")
	c.count(n, 0, "RevokeAll of what is revoked already")

	child.RevokedAt, child.RevokedBy, child.RevokeReason = first.At, first.By, first.Reason
	c.same("Get of the child", c.get(child.ID), child)
	root.RevokedAt, root.RevokedBy, root.RevokeReason = second.At, second.By, second.Reason
	c.same("Get of the root", c.get(root.ID), root)
}

func revokeTogether(c *trial) {
	for range c.races {
		record := c.root()
		revocations := make([]tokenauth.Revocation, 4)
		counts := make([]int, len(revocations))
		for i := range revocations {
			revocations[i] = c.revocation("user-" + strconv.Itoa(i))
			revocations[i].At = revocations[i].At.Add(time.Duration(i) * time.Second)
		}
		errs := atOnce(len(revocations), func(i int) (err error) {
			counts[i], err = c.Tokens.Revoke(c.ctx, record.ID, revocations[i])
			return err
		})
		sum, winner := 0, -1
		for i, err := range errs {
			c.ok(err, "Revoke")
			if sum += counts[i]; counts[i] == 1 {
				winner = i
			}
		}
		c.count(sum, 1, "the counts of several Revokes at once")
		record.RevokedAt, record.RevokedBy, record.RevokeReason = revocations[winner].At, revocations[winner].By, revocations[winner].Reason
		c.same("Get", c.get(record.ID), record)
	}
}

func revokeChecks(c *trial) {
	record := c.root()
	bad := map[string]tokenauth.Revocation{
		"a by with NUL":      {At: c.clock.Now(), By: "a\x00b"},
		"a reason not UTF-8": {At: c.clock.Now(), By: "alice", Reason: "\xff"},
	}
	for what, at := range noMoments {
		bad[what] = tokenauth.Revocation{At: at, By: "alice", Reason: "stolen"}
	}
	for what, r := range bad {
		_, err := c.Tokens.Revoke(c.ctx, record.ID, r)
		c.is(err, tokenauth.ErrInvalidRequest, "Revoke with "+what)
		_, err = c.Tokens.RevokeAll(c.ctx, tokenauth.TokenFilter{Owner: record.Owner}, r)
		c.is(err, tokenauth.ErrInvalidRequest, "RevokeAll with "+what)
	}
	c.same("Get", c.get(record.ID), record)
	c.live("the record", record)
}

// crowd stores records that differ in what a filter can ask for.
func (c *trial) crowd() []*tokenauth.StoredAccessToken {
	var all []*tokenauth.StoredAccessToken
	for _, t := range []struct{ owner, subject, creator, session string }{
		{"alice", "alice", "alice", "s-1"},
		{"alice", "token:x", "alice", "s-1"},
		{"alice", "token:x", "system: nightly", ""},
		{"bob", "alice", "bob", "s-2"},
		{"bob", "bob", "alice", "s-1"},
		{"ali", "ali", "ali", "s"},
	} {
		record := c.newRecord()
		record.Owner, record.Subject, record.CreatedBy, record.SessionID = t.owner, t.subject, t.creator, t.session
		all = append(all, c.create(record))
	}
	return all
}

func revokeAllSelects(c *trial) {
	for what, f := range map[string]tokenauth.TokenFilter{
		"subject":             {Subject: "alice"},
		"owner":               {Owner: "alice"},
		"created_by":          {CreatedBy: "alice"},
		"session_id":          {SessionID: "s-1"},
		"owner and session":   {Owner: "alice", SessionID: "s-1"},
		"subject and creator": {Subject: "alice", CreatedBy: "bob"},
		"all four":            {Subject: "token:x", Owner: "alice", CreatedBy: "alice", SessionID: "s-1"},
		"nobody":              {Subject: "carol"},
		"nobody's mixture":    {Subject: "bob", Owner: "alice"},
	} {
		var chosen, others []*tokenauth.StoredAccessToken
		for _, t := range c.crowd() {
			// Neither the child nor the successor is selected by itself: they die with the record that leads to them.
			family := []*tokenauth.StoredAccessToken{t, c.childOfAnother(t), c.successorOfAnother(t)}
			if f.Matches(t) {
				chosen = append(chosen, family...)
			} else {
				others = append(others, family...)
			}
		}
		n, err := c.Tokens.RevokeAll(c.ctx, f, c.revocation("alice"))
		c.ok(err, "RevokeAll by "+what)
		c.count(n, len(chosen), "RevokeAll by "+what)
		c.dead("what RevokeAll selects by "+what, chosen...)
		c.live("what RevokeAll does not select by "+what, others...)

		_, err = c.Tokens.RevokeAll(c.ctx, tokenauth.TokenFilter{SessionID: "family"}, c.revocation("alice"))
		c.ok(err, "RevokeAll of the rest")
	}
}

// childOfAnother stores a child that shares nothing but the owner with its parent. In the crowd it is nobody's choice, except by
// owner.
func (c *trial) childOfAnother(parent *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := c.newChild(parent)
	t.Subject, t.CreatedBy, t.SessionID = "token:"+t.ID, "child", "family"
	return c.create(t)
}

// successorOfAnother is childOfAnother for a successor.
func (c *trial) successorOfAnother(old *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := c.newSuccessor(old)
	t.Subject, t.CreatedBy, t.SessionID = "token:"+t.ID, "successor", "family"
	c.ok(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now().Add(time.Hour), t), "Rotate")
	return t
}

func revokeAllRefuses(c *trial) {
	record := c.root()
	now := c.clock.Now()
	for what, f := range map[string]tokenauth.TokenFilter{
		"nothing":    {},
		"parent_id":  {ParentID: record.ID},
		"and parent": {Owner: record.Owner, ParentID: record.ID},
		"active_at":  {Owner: record.Owner, ActiveAt: now},
		"expires_by": {Owner: record.Owner, ExpiresBy: now.Add(2 * day)},
		"revoked":    {Owner: record.Owner, Revoked: true},
		"after":      {Owner: record.Owner, After: "0"},
		"limit":      {Owner: record.Owner, Limit: 1},
	} {
		n, err := c.Tokens.RevokeAll(c.ctx, f, c.revocation("alice"))
		c.is(err, tokenauth.ErrInvalidRequest, "RevokeAll by "+what)
		c.count(n, 0, "RevokeAll by "+what)
	}
	c.live("the record", record)
}
