package storetest

import (
	"strconv"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Create and Get: what goes in comes out, and what must not go in does not.

func createRules() []Rule {
	needs := []need{tokens}
	return []Rule{
		{"create-keeps",
			"What Create was given comes back from Get and List, field by field.",
			needs, createKeeps},
		{"create-moments",
			"Moments come back as the same instant in UTC, cut to the microsecond, and the expiry to the second.",
			needs, createMoments},
		{"create-lists",
			"Lists come back in their order; one that was empty or nil comes back empty and not nil.",
			needs, createLists},
		{"create-copies",
			"Who changes a record after giving it to the store, or getting it, changes nothing in the store.",
			needs, createCopies},
		{"create-exists",
			"An id is taken once: a second Create is ErrExists and changes nothing.",
			needs, createExists},
		{"create-exists-together",
			"Of several Creates of one id at once exactly one wins, and its record is the one that is kept.",
			needs, createTogether},
		{"create-new",
			"A record enters the store alive: one that comes revoked, retired, succeeded, used or nil is " +
				"ErrInvalidRequest.",
			needs, createNew},
		{"create-family",
			"A root is its own root at depth 0, a child has its parent's root and owner and is one deeper, to depth 8; " +
				"else ErrInvalidRequest.",
			needs, createFamily},
		{"create-dead-parent",
			"A parent that is revoked, retired by the store's clock, expired when the child was created, or unknown gets " +
				"no child: ErrRevoked, and nothing is kept.",
			needs, createDeadParent},
		{"unknown",
			"Get, Revoke and Rotate of an id without record are ErrNotFound.",
			needs, unknown},
	}
}

// full returns a child's record with every field set that Create takes.
func (c *trial) full(parent *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := c.newChild(parent)
	t.Name, t.Subject, t.CreatedBy, t.ClientID, t.SessionID = "nightly build", "token:"+t.ID, "bob", "console", "s-1"
	t.Roles = []string{"writer", "reader", "writer"}
	t.Scopes = []tokenauth.TokenScope{
		{ResourceKind: "secret", ResourceID: "project:p1:env:x:KEY", Level: tokenauth.LevelExecute},
		{ResourceKind: "deployment", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelWrite},
		{ResourceKind: "container", ResourceID: "web", Level: tokenauth.LevelRead},
	}
	return t
}

func createKeeps(c *trial) {
	root := c.root()
	child := c.create(c.full(root))
	c.same("Get of a root", c.get(root.ID), root)
	c.same("Get of a child", c.get(child.ID), child)
	listed := c.list(tokenauth.TokenFilter{ParentID: root.ID})
	c.count(len(listed), 1, "List of the children")
	c.same("List of the children", listed[0], child)
}

func createMoments(c *trial) {
	t := c.newRecord()
	t.CreatedAt = c.clock.Now().Add(123_456_789 * time.Nanosecond).In(time.FixedZone("east", 3*3600))
	t.ExpiresAt = c.clock.Now().Add(day + 987_654_321*time.Nanosecond).In(time.FixedZone("west", -9*3600))
	c.create(t)
	c.same("Get", c.get(t.ID), t)

	r := c.revocation("alice")
	r.At = c.clock.Now().Add(999_999_999 * time.Nanosecond).In(time.FixedZone("east", 3*3600))
	_, err := c.Tokens.Revoke(c.ctx, t.ID, r)
	c.ok(err, "Revoke")
	t.RevokedAt, t.RevokedBy, t.RevokeReason = r.At, r.By, r.Reason
	c.same("Get after Revoke", c.get(t.ID), t)

	old := c.root()
	successor := c.newSuccessor(old)
	old.RetireAt = c.clock.Now().Add(time.Hour + 111_222_333*time.Nanosecond).In(time.FixedZone("west", -9*3600))
	old.SuccessorID = successor.ID
	c.ok(c.Tokens.Rotate(c.ctx, old.ID, old.RetireAt, successor), "Rotate")
	c.same("Get after Rotate", c.get(old.ID), old)
}

func createLists(c *trial) {
	for _, lists := range []struct {
		roles  []string
		scopes []tokenauth.TokenScope
	}{
		{nil, nil},
		{[]string{}, []tokenauth.TokenScope{}},
		{[]string{"b", "a", "b"}, []tokenauth.TokenScope{
			{ResourceKind: "z", ResourceID: "1", Level: tokenauth.LevelRead},
			{ResourceKind: "a", ResourceID: "1", Level: tokenauth.LevelNone},
			{ResourceKind: "z", ResourceID: "1", Level: tokenauth.LevelRead},
		}},
	} {
		t := c.newRecord()
		t.Roles, t.Scopes = lists.roles, lists.scopes
		c.create(t)
		c.same("Get", c.get(t.ID), t)
		for _, listed := range c.list(tokenauth.TokenFilter{}) {
			c.holds(listed.Roles != nil && listed.Scopes != nil, "List: a list is nil")
		}
	}
}

func createCopies(c *trial) {
	spoil := func(t *tokenauth.StoredAccessToken) {
		t.Name, t.RevokedAt = "spoilt", c.clock.Now()
		t.Roles[0], t.Scopes[0].ResourceID = "admin", tokenauth.AnyResource
	}
	root, successor := c.newRecord(), c.newRecord()
	want, wantSuccessor := root.Clone(), successor.Clone()
	c.create(root)
	retire := c.clock.Now().Add(time.Hour)
	c.ok(c.Tokens.Rotate(c.ctx, root.ID, retire, c.adopted(successor, root)), "Rotate")
	want.RetireAt, want.SuccessorID, wantSuccessor.RootID = retire, successor.ID, root.RootID

	id, successorID := root.ID, successor.ID
	spoil(root)
	spoil(successor)
	c.same("Get after the caller changed what it had given to Create", c.get(id), want)
	c.same("Get after the caller changed what it had given to Rotate", c.get(successorID), wantSuccessor)
	spoil(c.get(id))
	c.same("Get after the caller changed what it had got", c.get(id), want)
	for _, t := range c.list(tokenauth.TokenFilter{}) {
		spoil(t)
	}
	c.same("Get after the caller changed what List had yielded", c.get(id), want)
}

// adopted makes t, a root's record, one that can succeed old, another root's.
func (c *trial) adopted(t, old *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t.RootID = old.RootID
	return t
}

func createExists(c *trial) {
	first := c.root()
	second := c.newRecord()
	second.ID, second.RootID, second.Name = first.ID, first.ID, "another"
	c.is(c.Tokens.Create(c.ctx, second), tokenauth.ErrExists, "Create of an id that is taken")
	c.same("Get", c.get(first.ID), first)

	c.revoke(first.ID)
	c.is(c.Tokens.Create(c.ctx, second), tokenauth.ErrExists, "Create of an id that is revoked")
	c.dead("the id that was revoked", first)
}

func createTogether(c *trial) {
	for range c.races {
		records := make([]*tokenauth.StoredAccessToken, 8)
		id := c.newRecord().ID
		for i := range records {
			records[i] = c.newRecord()
			records[i].ID, records[i].RootID, records[i].Name = id, id, "number "+strconv.Itoa(i)
		}
		errs := atOnce(len(records), func(i int) error { return c.Tokens.Create(c.ctx, records[i]) })
		winner := c.oneWinner(errs, tokenauth.ErrExists, "Create")
		c.same("Get", c.get(id), records[winner])
	}
}

// worn are the ways in which a record can be other than new.
func (c *trial) worn() map[string]func(*tokenauth.StoredAccessToken) {
	now := c.clock.Now()
	return map[string]func(*tokenauth.StoredAccessToken){
		"revoked_at":    func(t *tokenauth.StoredAccessToken) { t.RevokedAt = now },
		"revoked_by":    func(t *tokenauth.StoredAccessToken) { t.RevokedBy = "alice" },
		"revoke_reason": func(t *tokenauth.StoredAccessToken) { t.RevokeReason = "none" },
		"retire_at":     func(t *tokenauth.StoredAccessToken) { t.RetireAt = now.Add(time.Hour) },
		"successor_id":  func(t *tokenauth.StoredAccessToken) { t.SuccessorID = c.newRecord().ID },
		"last_used_at":  func(t *tokenauth.StoredAccessToken) { t.LastUsedAt = now },
	}
}

func createNew(c *trial) {
	old := c.root()
	for field, wear := range c.worn() {
		t := c.newRecord()
		wear(t)
		c.is(c.Tokens.Create(c.ctx, t), tokenauth.ErrInvalidRequest, "Create with "+field)
		c.absent("a record refused for its "+field, t.ID)

		t = c.newSuccessor(old)
		wear(t)
		c.is(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now(), t), tokenauth.ErrInvalidRequest, "Rotate to a record with "+field)
		c.absent("a successor refused for its "+field, t.ID)
	}
	c.is(c.Tokens.Create(c.ctx, nil), tokenauth.ErrInvalidRequest, "Create of nil")
	c.is(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now(), nil), tokenauth.ErrInvalidRequest, "Rotate to nil")
	c.same("Get", c.get(old.ID), old)
}

func createFamily(c *trial) {
	root, other := c.root(), c.root()
	for _, wrong := range []struct {
		what   string
		record *tokenauth.StoredAccessToken
		change func(*tokenauth.StoredAccessToken)
	}{
		{"a root with another's root", c.newRecord(), func(t *tokenauth.StoredAccessToken) { t.RootID = other.ID }},
		{"a root at depth 1", c.newRecord(), func(t *tokenauth.StoredAccessToken) { t.Depth = 1 }},
		{"a child with another's root", c.newChild(root), func(t *tokenauth.StoredAccessToken) { t.RootID = other.ID }},
		{"a child that is its own root", c.newChild(root), func(t *tokenauth.StoredAccessToken) { t.RootID = t.ID }},
		{"a child of another owner", c.newChild(root), func(t *tokenauth.StoredAccessToken) { t.Owner = "mallory" }},
		{"a child at its parent's depth", c.newChild(root), func(t *tokenauth.StoredAccessToken) { t.Depth = 0 }},
		{"a child two deeper", c.newChild(root), func(t *tokenauth.StoredAccessToken) { t.Depth = 2 }},
	} {
		wrong.change(wrong.record)
		c.is(c.Tokens.Create(c.ctx, wrong.record), tokenauth.ErrInvalidRequest, "Create of "+wrong.what)
		c.absent(wrong.what, wrong.record.ID)
	}
	t := root
	for t.Depth < 8 {
		t = c.child(t)
	}
	c.live("a record at depth 8", t)
	tooDeep := c.newChild(t)
	c.is(c.Tokens.Create(c.ctx, tooDeep), tokenauth.ErrInvalidRequest, "Create at depth 9")
	c.absent("a record at depth 9", tooDeep.ID)
}

func createDeadParent(c *trial) {
	refused := func(what string, child *tokenauth.StoredAccessToken) {
		c.is(c.Tokens.Create(c.ctx, child), tokenauth.ErrRevoked, "Create below a parent that "+what)
		c.absent("a child of a parent that "+what, child.ID)
	}
	refused("is unknown", c.newChild(c.newRecord()))

	orphan := c.newRecord()
	orphan.ParentID, orphan.Depth = orphan.ID, 1
	refused("is itself", orphan)

	revoked := c.root()
	c.revoke(revoked.ID)
	refused("is revoked", c.newChild(revoked))

	retiring := c.root()
	c.rotate(retiring, time.Hour)
	c.live("a child of a parent that retires in an hour", c.child(retiring))
	c.clock.move(time.Hour - time.Second)
	c.child(retiring)
	c.clock.move(time.Second)
	refused("retires now", c.newChild(retiring))

	// Expiry is judged by what the child says of itself and not by a clock: the issuer's may be another than the store's.
	expiring := c.root()
	c.clock.move(2 * day)
	child := c.newChild(expiring)
	child.CreatedAt = expiring.ExpiresAt.Add(-time.Second)
	child.ExpiresAt = expiring.ExpiresAt
	c.create(child)
	late := c.newChild(expiring)
	late.CreatedAt = expiring.ExpiresAt
	refused("has expired just now", late)
}

func unknown(c *trial) {
	c.root()
	id := c.newRecord().ID
	_, err := c.Tokens.Get(c.ctx, id)
	c.is(err, tokenauth.ErrNotFound, "Get")
	n, err := c.Tokens.Revoke(c.ctx, id, c.revocation("alice"))
	c.is(err, tokenauth.ErrNotFound, "Revoke")
	c.count(n, 0, "Revoke")
	successor := c.newRecord()
	c.is(c.Tokens.Rotate(c.ctx, id, c.clock.Now(), successor), tokenauth.ErrNotFound, "Rotate")
	c.absent("the successor of nobody", successor.ID)
}
