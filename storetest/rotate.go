package storetest

import (
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Rotate: two records, one of which follows the other. Whoever holds one of them could have made the other, so they die together.

func rotateRules() []Rule {
	needs := []need{tokens}
	return []Rule{
		{"rotate-keeps-both",
			"Rotate keeps the successor and sets the old record's retire_at and successor_id; a successor can be rotated " +
				"again.",
			needs, rotateKeepsBoth},
		{"rotate-refuses",
			"Rotate to a successor whose id is taken, of a record that is revoked or has a successor, is ErrExists, " +
				"ErrRevoked, ErrExists, and keeps neither half.",
			needs, rotateRefuses},
		{"rotate-checks",
			"A successor of another parent, root, owner or depth, or a retire_at that is not set, is ErrInvalidRequest, " +
				"and neither half is kept.",
			needs, rotateChecks},
		{"rotate-together",
			"Of several Rotates of one record at once exactly one wins, and no other successor is kept.",
			needs, rotateTogether},
		{"revoke-follows-rotation",
			"Revoking any member of a rotation chain kills all of them with all their descendants, and no sibling.",
			needs, revokeFollowsRotation},
	}
}

func rotateKeepsBoth(c *trial) {
	parent := c.root()
	old := c.child(parent)
	retire := c.clock.Now().Add(time.Minute)
	successor := c.full(parent)
	c.ok(c.Tokens.Rotate(c.ctx, old.ID, retire, successor), "Rotate")
	old.RetireAt, old.SuccessorID = retire, successor.ID
	c.same("Get of the old record", c.get(old.ID), old)
	c.same("Get of the successor", c.get(successor.ID), successor)
	c.live("both, while in grace", old, successor)
	c.count(len(c.list(tokenauth.TokenFilter{ParentID: parent.ID})), 2, "List of the parent's children")

	third := c.rotate(successor, 0)
	c.live("the old record and the last successor", old, third)
	c.dead("the successor that was rotated without grace", successor)

	// A parent that retires mints no more children, but those it has go on, and so do their successors.
	c.rotate(parent, 0)
	c.live("the children of a parent that has retired", old, third)
	c.live("the successor of such a child", c.rotate(third, time.Minute))
}

func rotateRefuses(c *trial) {
	refused := func(what string, want error, old *tokenauth.StoredAccessToken, successor *tokenauth.StoredAccessToken) {
		before := c.get(old.ID)
		c.is(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now().Add(time.Minute), successor), want, "Rotate "+what)
		c.same("Get after Rotate "+what, c.get(old.ID), before)
	}
	taken, old := c.root(), c.root()
	successor := c.newSuccessor(old)
	successor.ID = taken.ID
	refused("to an id that is taken", tokenauth.ErrExists, old, successor)
	c.same("Get of whose id was asked for", c.get(taken.ID), taken)
	successor.ID = old.ID
	refused("to its own id", tokenauth.ErrExists, old, successor)

	c.rotate(old, time.Hour)
	successor = c.newSuccessor(old)
	refused("of a record that has a successor", tokenauth.ErrExists, old, successor)
	c.absent("a second successor", successor.ID)

	revoked := c.root()
	c.revoke(revoked.ID)
	successor = c.newSuccessor(revoked)
	refused("of a record that is revoked", tokenauth.ErrRevoked, revoked, successor)
	c.absent("a successor of a record that is revoked", successor.ID)
}

func rotateChecks(c *trial) {
	root, other := c.root(), c.root()
	old := c.child(root)
	inAMinute := c.clock.Now().Add(time.Minute)
	for _, wrong := range []struct {
		what   string
		change func(*tokenauth.StoredAccessToken)
	}{
		{"another parent", func(t *tokenauth.StoredAccessToken) { t.ParentID = other.ID }},
		{"no parent", func(t *tokenauth.StoredAccessToken) { t.ParentID = "" }},
		{"its predecessor as parent", func(t *tokenauth.StoredAccessToken) { t.ParentID = old.ID }},
		{"another root", func(t *tokenauth.StoredAccessToken) { t.RootID = other.ID }},
		{"another owner", func(t *tokenauth.StoredAccessToken) { t.Owner = "mallory" }},
		{"another depth", func(t *tokenauth.StoredAccessToken) { t.Depth = 2 }},
		{"no subject", func(t *tokenauth.StoredAccessToken) { t.Subject = "" }},
	} {
		successor := c.newSuccessor(old)
		wrong.change(successor)
		c.is(c.Tokens.Rotate(c.ctx, old.ID, inAMinute, successor), tokenauth.ErrInvalidRequest, "Rotate with "+wrong.what)
		c.absent("a successor with "+wrong.what, successor.ID)
	}
	for what, at := range noMoments {
		successor := c.newSuccessor(old)
		c.is(c.Tokens.Rotate(c.ctx, old.ID, at, successor), tokenauth.ErrInvalidRequest, "Rotate with retire_at "+what)
		c.absent("a successor of a record that retires at "+what, successor.ID)
	}
	c.same("Get", c.get(old.ID), old)
}

func rotateTogether(c *trial) {
	for range c.races {
		old := c.root()
		at := c.clock.Now().Add(time.Minute)
		successors := make([]*tokenauth.StoredAccessToken, 4)
		for i := range successors {
			successors[i] = c.newSuccessor(old)
		}
		errs := atOnce(len(successors), func(i int) error { return c.Tokens.Rotate(c.ctx, old.ID, at, successors[i]) })
		winner := c.oneWinner(errs, tokenauth.ErrExists, "Rotate")
		old.RetireAt, old.SuccessorID = at, successors[winner].ID
		c.same("Get of the old record", c.get(old.ID), old)
		for i, successor := range successors {
			if i == winner {
				c.live("the successor that won", successor)
			} else {
				c.absent("a successor that lost", successor.ID)
			}
		}
	}
}

func revokeFollowsRotation(c *trial) {
	for revoked, name := range []string{"the first of four", "the second of four", "the third of four", "the last of four"} {
		parent := c.root()
		sibling := c.child(parent)
		chain := []*tokenauth.StoredAccessToken{c.child(parent)}
		var family []*tokenauth.StoredAccessToken
		for {
			last := chain[len(chain)-1]
			child := c.child(last)
			// A descendant that was rotated has its own chain, and its own children.
			next := c.rotate(child, 0)
			family = append(family, child, next, c.child(next))
			if len(chain) == 4 {
				break
			}
			// Without grace, so that the way leads through records that are dead already.
			chain = append(chain, c.rotate(last, 0))
		}
		family = append(family, chain...)
		c.count(c.revoke(chain[revoked].ID), len(family), "Revoke of "+name)
		c.dead("the family after Revoke of "+name, family...)
		for _, t := range family {
			c.holds(!c.get(t.ID).RevokedAt.IsZero(), "after Revoke of %s a member of the family has no revoked_at", name)
		}
		c.live("parent and sibling after Revoke of "+name, parent, sibling)
	}
}
