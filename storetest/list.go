package storetest

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// List: what is selected, in what order, in how many pages, and what the caller may do meanwhile.

func listRules() []Rule {
	needs := []need{tokens}
	return []Rule{
		{"list-filters",
			"List yields what TokenFilter.Matches selects, for each field alone and for all of them together.",
			needs, listFilters},
		{"list-moments",
			"List judges by the filter's moments and not by a clock.",
			needs, listMoments},
		{"list-order",
			"List yields ids in ascending order, bytewise: no locale, no case folding.",
			needs, listOrder},
		{"list-pages",
			"After and Limit cut the one list into pages without gap and overlap, wherever the cut is, existing id or " +
				"not.",
			needs, listPages},
		{"list-write-inside",
			"The loop body may write to the store and read from it: List holds nothing while it runs.",
			needs, listWriteInside},
		{"list-break",
			"A loop may be left at any point, as often as one likes.",
			needs, listBreak},
		{"list-ends-with-error",
			"A list cut off by its context ends with one error, the last it yields: a list without error is complete.",
			needs, listEndsWithError},
	}
}

// many is more than any store reads in one page.
const many = 1100

// fill stores n roots of one subject and returns their ids in order.
func (c *trial) fill(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = c.root().ID
	}
	slices.Sort(ids)
	return ids
}

func listFilters(c *trial) {
	now := c.clock.Now()
	var all []*tokenauth.StoredAccessToken
	for _, t := range c.crowd() {
		early := c.newChild(t)
		early.ExpiresAt, early.Subject, early.CreatedBy, early.SessionID = now.Add(time.Hour), t.Subject, t.CreatedBy, t.SessionID
		revoked := c.newChild(t)
		revoked.Subject, revoked.CreatedBy, revoked.SessionID = t.Subject, "alice", "s-1"
		c.create(early)
		c.create(revoked)
		c.revoke(revoked.ID)
		successor := c.rotate(early, 2*time.Minute)
		all = append(all, t, early, revoked, successor)
	}
	parent := all[0].ID
	for i, t := range all {
		all[i] = c.get(t.ID)
	}
	slices.SortFunc(all, func(a, b *tokenauth.StoredAccessToken) int { return strings.Compare(a.ID, b.ID) })

	// Every field is asked for alone and together with every other.
	either := func(set bool, value string) string {
		if set {
			return value
		}
		return ""
	}
	for fields := range 1 << 5 {
		for _, state := range []tokenauth.TokenFilter{
			{}, {Revoked: true}, {ActiveAt: now}, {ActiveAt: now.Add(time.Hour)}, {ExpiresBy: now.Add(time.Hour)},
			{ActiveAt: now, ExpiresBy: now.Add(time.Hour)}, {Revoked: true, ExpiresBy: now.Add(day)}, {Revoked: true, ActiveAt: now},
		} {
			f := state
			f.Subject = either(fields&1 != 0, "alice")
			f.Owner = either(fields&2 != 0, "alice")
			f.CreatedBy = either(fields&4 != 0, "alice")
			f.ParentID = either(fields&8 != 0, parent)
			f.SessionID = either(fields&16 != 0, "s-1")
			var want []string
			for _, t := range all {
				if f.Matches(t) {
					want = append(want, t.ID)
				}
			}
			if got := c.ids(f); !slices.Equal(got, want) {
				c.fail("List of %+v: got %q, want %q", f, got, want)
			}
		}
	}
	c.listed("a subject that nobody has", tokenauth.TokenFilter{Subject: "carol"})
	c.listed("a parent without children", tokenauth.TokenFilter{ParentID: c.root().ID})
}

func listMoments(c *trial) {
	start := c.clock.Now()
	t := c.root()
	retiring := c.root()
	successor := c.rotate(retiring, time.Hour)
	all := []string{t.ID, retiring.ID, successor.ID}
	slices.Sort(all)
	rest := []string{t.ID, successor.ID}
	slices.Sort(rest)
	for _, clock := range []string{"as it was", "long past"} {
		c.listed("active at the start, clock "+clock, tokenauth.TokenFilter{ActiveAt: start}, all...)
		c.listed("active at a retirement, clock "+clock, tokenauth.TokenFilter{ActiveAt: start.Add(time.Hour)}, rest...)
		c.listed("active at the expiry, clock "+clock, tokenauth.TokenFilter{ActiveAt: t.ExpiresAt})
		c.listed("expiring before the expiry, clock "+clock, tokenauth.TokenFilter{ExpiresBy: t.ExpiresAt.Add(-time.Second)})
		c.listed("expiring by the expiry, clock "+clock, tokenauth.TokenFilter{ExpiresBy: t.ExpiresAt}, all...)
		c.listed("in another zone, clock "+clock, tokenauth.TokenFilter{ExpiresBy: t.ExpiresAt.In(time.FixedZone("east", 3*3600))}, all...)
		c.clock.move(10 * day)
	}
}

// unruly are ids in bytewise order that a locale, a length or another encoding would order otherwise.
var unruly = []string{
	"\x01", " ", " a", "%", "-", "0", "00", "10", "9", "A", "AA", "B", "Z", "_", "a", "a ", "a-", "aA", "aa", "b", "e\u0301", "z",
	"\u00df", "\u00e9", "\u017f", "\u0430", "\u212a", "\uffff", "\U0001f600", "\U0010ffff",
}

func listOrder(c *trial) {
	want := slices.Clone(unruly)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(want)) {
		t := c.newRecord()
		t.ID, t.RootID = want[i], want[i]
		c.create(t)
	}
	c.holds(slices.IsSorted(want), "the list of this test is not in order itself")
	c.listed("all", tokenauth.TokenFilter{}, want...)
	c.listed("by subject", tokenauth.TokenFilter{Subject: "alice"}, want...)
	for i, id := range want {
		c.listed("after one of them", tokenauth.TokenFilter{After: id, Owner: "alice"}, want[i+1:]...)
	}
}

func listPages(c *trial) {
	want := c.fill(many)
	for _, f := range []tokenauth.TokenFilter{{}, {Subject: "alice"}} {
		c.listed("all at once", f, want...)
		for _, limit := range []int{1, 499, 500, 501, many - 1, many, many + 1} {
			f.Limit = limit
			c.listed("the first page", f, want[:min(limit, many)]...)
		}
		for _, limit := range []int{37, 500, many} {
			f.After, f.Limit = "", limit
			var got []string
			for {
				page := c.ids(f)
				c.holds(len(page) <= limit, "List with limit %d yields %d", limit, len(page))
				got = append(got, page...)
				if len(page) < limit {
					break
				}
				f.After = page[len(page)-1]
			}
			c.holds(slices.Equal(got, want), "pages of %d: got %d ids, want these %d", limit, len(got), many)
		}
		f.Limit = 0
		f.After = want[7] + "0"
		c.listed("after an id that does not exist", f, want[8:]...)
		f.After = want[many-1]
		c.listed("after the last", f)
	}
	for _, err := range c.Tokens.List(c.ctx, tokenauth.TokenFilter{Limit: -1}) {
		c.is(err, tokenauth.ErrInvalidRequest, "List with a negative limit")
	}
}

func listWriteInside(c *trial) {
	want := c.fill(20)
	seen := 0
	for t, err := range c.Tokens.List(c.ctx, tokenauth.TokenFilter{Subject: "alice"}) {
		c.ok(err, "List")
		if !slices.Contains(want, t.ID) {
			continue // one of those created below
		}
		seen++
		c.get(t.ID)
		c.child(t)
		c.rotate(t, time.Hour)
		c.count(len(c.list(tokenauth.TokenFilter{ParentID: t.ID})), 1, "a List inside the loop of another")
		c.count(c.revoke(t.ID), 3, "Revoke inside the loop")
	}
	c.count(seen, len(want), "List, of those that were there when it began")
}

func listBreak(c *trial) {
	want := c.fill(3)
	for range 50 {
		for t, err := range c.Tokens.List(c.ctx, tokenauth.TokenFilter{}) {
			c.ok(err, "List")
			c.holds(t.ID == want[0], "List: the first is not the lowest")
			break
		}
	}
	c.root()
}

func listEndsWithError(c *trial) {
	c.fill(many)
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	yielded, failed := 0, 0
	for t, err := range c.Tokens.List(ctx, tokenauth.TokenFilter{}) {
		cancel()
		c.holds(failed == 0, "List goes on after its first error")
		if err != nil {
			c.holds(t == nil && !isAnswer(err), "List, cut off: the error comes with a record or is an answer: %v", err)
			failed++
			continue
		}
		yielded++
	}
	c.holds(failed == 1 || yielded == many, "List, cut off, yields %d of %d records and no error", yielded, many)
}
