package storetest

import (
	"sort"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// What stands in a token's id or subject was chosen by somebody else, sometimes to hurt. A store compares bytes: it folds no case,
// trims no blank, normalises no accent, expands no pattern, builds no statement and no key by gluing. What it cannot keep as it
// is it refuses, and all stores refuse alike: what StoredAccessToken.Validate, Revocation.Validate, CheckID and CheckSubject
// refuse, and nothing else.

func textRules() []Rule {
	needs := []need{tokens}
	return []Rule{
		{"text-kept",
			"Whatever text validates comes back byte for byte from every column; whatever does not is ErrInvalidRequest.",
			needs, textKept},
		{"text-ids",
			"An id names one record: not that of an id which looks, sorts, folds or begins like it.",
			needs, textIDs},
		{"text-filters",
			"A filter selects equal bytes: no pattern, no prefix, no folding.",
			needs, textFilters},
		{"text-bounds",
			"Each text may be as long as its bound, and not a byte longer.",
			needs, textBounds},
		{"text-reads",
			"A name that no record can have is never answered as live, whoever asks for it.",
			needs, textReads},
	}
}

// hostile are texts that have broken stores before. All differ, though many would not if something were done to them.
var hostile = []string{
	// alike
	"a", "A", "a ", " a", "a\t", "aa", "\u00e1", "a\u0301", "\u0430", "k", "\u212a", "ss", "\u00df", "s", "\u017f",
	"i", "\u0130", "\u0131", "e\u0301\u0323", "\u1e69", "\u05d0\u0628",
	// patterns, quotes, places for arguments, what keys are glued with
	"%", "_", "a%", "a_", "*", "?", "[a]", ".*", "a*", "'", "''", "\"", "`", "\\", "\\'", "\\0", "$1", "?1", ":a", "@a",
	"{a}", "{a}:b", "a:b", "a/b", "a|b",
	// statements, other types, other languages
	"'; DROP TABLE tokens; --", "' OR '1'='1", "null", "NULL", "true", "0", "-1", "1e3", "0x41", "{}", "[]", "[\"a\"]", "<a>", "&lt;",
	"../../etc/passwd", "https://example.com/?a=b&c=d#e", "GET / HTTP/1.1\r\n\r\n", "*3\r\n$3\r\nDEL\r\n",
	// controls, and what is not seen
	"a\nb", "a\r\nb", "\r", "\n", "a\x01b", "\x1b[31m", "\x7f", "\u0080", "\u0085", "\u00a0", "\u200b", "\u202eevil", "\u2028",
	"\ufeff", "\ufeffa", "\ufffd", "\uffff", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0010ffff",
	// what no store keeps
	"", "\x00", "a\x00", "a\x00b", "\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", tokenauth.AnyResource,
	strings.Repeat("4", 4<<10), strings.Repeat("\U0001f600", 1<<10),
}

// columns are the texts of a record that Create keeps.
var columns = []struct {
	name string
	set  func(t *tokenauth.StoredAccessToken, text string)
}{
	{"id", func(t *tokenauth.StoredAccessToken, text string) { t.ID, t.RootID = text, text }},
	{"owner", func(t *tokenauth.StoredAccessToken, text string) { t.Owner = text }},
	{"name", func(t *tokenauth.StoredAccessToken, text string) { t.Name = text }},
	{"subject", func(t *tokenauth.StoredAccessToken, text string) { t.Subject = text }},
	{"roles", func(t *tokenauth.StoredAccessToken, text string) { t.Roles = []string{"x", text} }},
	{"resource_kind", func(t *tokenauth.StoredAccessToken, text string) { t.Scopes[0].ResourceKind = text }},
	{"resource_id", func(t *tokenauth.StoredAccessToken, text string) { t.Scopes[0].ResourceID = text }},
	{"created_by", func(t *tokenauth.StoredAccessToken, text string) { t.CreatedBy = text }},
	{"client_id", func(t *tokenauth.StoredAccessToken, text string) { t.ClientID = text }},
	{"session_id", func(t *tokenauth.StoredAccessToken, text string) { t.SessionID = text }},
}

// keeps checks that t is kept as it is if it validates, and otherwise refused.
func (c *trial) keeps(what string, t *tokenauth.StoredAccessToken) {
	err := c.Tokens.Create(c.ctx, t)
	if t.Validate() != nil {
		c.is(err, tokenauth.ErrInvalidRequest, "Create with "+what)
		return
	}
	c.ok(err, "Create with "+what)
	c.same("Get of a record with "+what, c.get(t.ID), t)
}

func textKept(c *trial) {
	for _, text := range hostile {
		for _, column := range columns {
			t := c.newRecord()
			column.set(t, text)
			c.keeps(column.name+" "+quote(text), t)
		}
		c.keepsRevocation(tokenauth.Revocation{At: c.clock.Now(), By: text, Reason: "stolen"})
		c.keepsRevocation(tokenauth.Revocation{At: c.clock.Now(), By: "alice", Reason: text})
	}
	kept := 0
	for _, t := range c.list(tokenauth.TokenFilter{}) {
		c.holds(t.Validate() == nil, "List yields a record that does not validate: %v", t.Validate())
		kept++
	}
	c.holds(kept > len(hostile)*len(columns)/2, "List yields only %d records", kept)
}

// keepsRevocation checks that r is kept as it is if it validates, and otherwise refused.
func (c *trial) keepsRevocation(r tokenauth.Revocation) {
	t := c.root()
	_, err := c.Tokens.Revoke(c.ctx, t.ID, r)
	if r.Validate() != nil {
		c.is(err, tokenauth.ErrInvalidRequest, "Revoke by "+quote(r.By)+" because "+quote(r.Reason))
	} else {
		c.ok(err, "Revoke by "+quote(r.By)+" because "+quote(r.Reason))
		t.RevokedAt, t.RevokedBy, t.RevokeReason = r.At, r.By, r.Reason
	}
	c.same("Get after Revoke", c.get(t.ID), t)
}

// quote quotes a text for a message, shortened.
func quote(text string) string {
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return "\"" + strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\\0"), "\\x") + "\""
}

// names returns the hostile texts that check takes.
func names(check func(field, name string) error) []string {
	var good []string
	for _, text := range hostile {
		if check("name", text) == nil {
			good = append(good, text)
		}
	}
	return good
}

// ill returns names that check refuses: texts that no store keeps, and one too long by a byte.
func ill(check func(field, name string) error) []string {
	bad := []string{strings.Repeat("x", longest(func(n int) bool { return check("name", strings.Repeat("x", n)) == nil })+1)}
	for _, text := range hostile {
		if check("name", text) != nil {
			bad = append(bad, text)
		}
	}
	return bad
}

// longest returns the largest n below 1 Mi for which ok(n) holds, where it holds up to some n and not beyond.
func longest(ok func(n int) bool) int {
	return sort.Search(1<<20, func(n int) bool { return n > 0 && !ok(n) }) - 1
}

func textIDs(c *trial) {
	ids := names(tokenauth.CheckID)
	parents := make([]*tokenauth.StoredAccessToken, len(ids))
	children := make([]*tokenauth.StoredAccessToken, len(ids))
	for i, id := range ids {
		t := c.newRecord()
		t.ID, t.RootID, t.Name = id, id, "named "+id
		parents[i] = c.create(t)
		children[i] = c.child(t)
	}
	for i, t := range parents {
		c.same("Get of "+quote(t.ID), c.get(t.ID), t)
		c.listed("the children of "+quote(t.ID), tokenauth.TokenFilter{ParentID: t.ID}, children[i].ID)
		c.live("a record before it was revoked, "+quote(t.ID), t, children[i])
		c.count(c.revoke(t.ID), 2, "Revoke of "+quote(t.ID))
		c.dead("a record that was revoked, "+quote(t.ID), t, children[i])
	}
	for i, id := range ids {
		old, t := c.root(), c.newRecord()
		t.ID, t.RootID = "successor:"+ids[len(ids)-1-i], old.ID
		c.ok(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now(), t), "Rotate to "+quote(id))
		c.holds(c.get(old.ID).SuccessorID == t.ID, "Get after Rotate to %s: another successor_id", quote(id))
	}
}

func textFilters(c *trial) {
	texts := names(tokenauth.CheckID)
	for _, field := range []struct {
		name string
		of   func(*tokenauth.StoredAccessToken) *string
		in   func(*tokenauth.TokenFilter) *string
	}{
		{"subject",
			func(t *tokenauth.StoredAccessToken) *string { return &t.Subject },
			func(f *tokenauth.TokenFilter) *string { return &f.Subject }},
		{"owner",
			func(t *tokenauth.StoredAccessToken) *string { return &t.Owner },
			func(f *tokenauth.TokenFilter) *string { return &f.Owner }},
		{"created_by",
			func(t *tokenauth.StoredAccessToken) *string { return &t.CreatedBy },
			func(f *tokenauth.TokenFilter) *string { return &f.CreatedBy }},
		{"session_id",
			func(t *tokenauth.StoredAccessToken) *string { return &t.SessionID },
			func(f *tokenauth.TokenFilter) *string { return &f.SessionID }},
	} {
		var records []*tokenauth.StoredAccessToken
		for _, text := range texts {
			t := c.newRecord()
			t.Subject, t.Owner, t.CreatedBy, t.SessionID = "of "+field.name, "of "+field.name, "of "+field.name, "of "+field.name
			*field.of(t) = text
			records = append(records, c.create(t))
		}
		for i, text := range texts {
			var f tokenauth.TokenFilter
			*field.in(&f) = text
			what := field.name + " " + quote(text)
			c.listed(what, f, records[i].ID)
			n, err := c.Tokens.RevokeAll(c.ctx, f, c.revocation("alice"))
			c.ok(err, "RevokeAll by "+what)
			c.count(n, 1, "RevokeAll by "+what)
		}
	}
}

func textBounds(c *trial) {
	bounds := map[string]int{
		"id": 128, "owner": 255, "name": 1 << 10, "subject": 255, "resource_kind": 256, "resource_id": 256,
		"created_by": 512, "client_id": 512, "session_id": 128,
	}
	for _, column := range columns {
		with := func(n int) *tokenauth.StoredAccessToken {
			t := c.newRecord()
			column.set(t, strings.Repeat("\u00e9", n/2)+strings.Repeat("x", n%2)) // the bounds are bytes
			return t
		}
		bound := longest(func(n int) bool { return with(n).Validate() == nil })
		if want, ok := bounds[column.name]; ok {
			c.count(bound, want, "the bound of "+column.name+" in this version of tokenauth")
		}
		c.keeps(column.name+" as long as its bound", with(bound))
		long := with(bound + 1)
		c.keeps(column.name+" a byte longer than its bound", long)
	}
	grants := func(n int) *tokenauth.StoredAccessToken {
		t := c.newRecord()
		for range n {
			t.Roles = append(t.Roles, strings.Repeat("r", 100))
			t.Scopes = append(t.Scopes, tokenauth.TokenScope{
				ResourceKind: strings.Repeat("k", 256), ResourceID: strings.Repeat("i", 256), Level: tokenauth.LevelWrite,
			})
		}
		return t
	}
	most := longest(func(n int) bool { return grants(min(n, 1000)).Validate() == nil })
	c.keeps("as many roles and scopes as 64 KiB hold", grants(most))
	c.keeps("more roles and scopes than 64 KiB hold", grants(most+1))
	for by, reason := range map[int]int{512: 4 << 10, 513: 1, 1: 4<<10 + 1} {
		c.keepsRevocation(tokenauth.Revocation{At: c.clock.Now(), By: strings.Repeat("x", by), Reason: strings.Repeat("y", reason)})
	}
}

func textReads(c *trial) {
	root := c.root()
	c.rotate(c.root(), time.Hour)
	for _, id := range ill(tokenauth.CheckID) {
		what := quote(id)
		if revoked, err := c.Tokens.IsRevoked(c.ctx, id); err != nil {
			c.is(err, tokenauth.ErrInvalidRequest, "IsRevoked of "+what)
		} else {
			c.holds(revoked, "IsRevoked says no of %s", what)
		}
		t, err := c.Tokens.Get(c.ctx, id)
		c.notThere(err, "Get of "+what)
		c.holds(t == nil, "Get of %s: a record and an error", what)
		_, err = c.Tokens.Revoke(c.ctx, id, c.revocation("alice"))
		c.notThere(err, "Revoke of "+what)
		c.notThere(c.Tokens.Rotate(c.ctx, id, c.clock.Now(), c.newRecord()), "Rotate of "+what)
		if id != "" {
			c.selectsNone("ill-formed parent "+what, tokenauth.TokenFilter{ParentID: id})
			c.selectsNone("ill-formed session "+what, tokenauth.TokenFilter{SessionID: id})
		}
	}
	for _, subject := range ill(tokenauth.CheckSubject) {
		if subject == "" {
			continue // not a subject of its own to a filter
		}
		for what, f := range map[string]tokenauth.TokenFilter{
			"ill-formed subject " + quote(subject): {Subject: subject},
			"ill-formed owner " + quote(subject):   {Owner: subject},
		} {
			c.selectsNone(what, f)
			n, err := c.Tokens.RevokeAll(c.ctx, f, c.revocation("alice"))
			c.holds(err == nil || isInvalid(err), "RevokeAll by %s: %v", what, err)
			c.count(n, 0, "RevokeAll by "+what)
		}
	}
	c.live("a record, after all these questions", root)
}

// notThere checks that a call for a name that cannot be says so, one way or the other.
func (c *trial) notThere(err error, what string) {
	if !isInvalid(err) {
		c.is(err, tokenauth.ErrNotFound, what)
	}
}

// selectsNone checks that a filter that cannot be selects nothing, or is refused.
func (c *trial) selectsNone(what string, f tokenauth.TokenFilter) {
	for t, err := range c.Tokens.List(c.ctx, f) {
		c.holds(t == nil && isInvalid(err), "List by %s: a record, or error %v", what, err)
	}
}
