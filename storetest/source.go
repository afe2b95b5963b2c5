package storetest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A Source tells a replica what has died. Completeness is all: a death that was acknowledged and that no read yields is a revoked token
// that goes on working somewhere. Order says nothing, and what is told twice does no harm, so no rule asks about either.
//
// What a replica knows is the union of all it was told. These rules keep such a union, and ask it.

func sourceRules() []Rule {
	needs := []need{tokens, source}
	withSessions, withEpochs := append(needs, sessions), append(needs, epochs)
	return []Rule{
		{"source-tokens",
			"Changes yields every token that was revoked, with its whole cascade, or that retires, from that moment on, each until its " +
				"expiry; and none that lives.",
			needs, sourceTokens},
		{"source-sessions",
			"Changes yields every session that was ended, and one whose until was moved back from there on; and none that lives.",
			withSessions, sourceSessions},
		{"source-session-late",
			"Changes yields a session that was ended up to five minutes after its until, too, and for minutes more: a verifier's leeway may " +
				"still admit its tokens.",
			withSessions, sourceSessionLate},
		{"source-epochs",
			"Changes yields every epoch that was moved, everyone's too, as it now is at least.",
			withEpochs, sourceEpochs},
		{"source-names",
			"Changes yields names byte for byte, and a session's subject and id apart.",
			append(withSessions, epochs), sourceNames},
		{"source-cursor",
			"A cursor goes on where its reader stopped: what died since then comes, and so does what died again; the zero cursor " +
				"gives everything, however much that is and whoever has read it before.",
			needs, sourceCursor},
		{"source-moved",
			"What was dead when a read began is in that read, even if it dies again while the read goes on.",
			needs, sourceMoved},
		{"source-race",
			"A read that begins after a call has returned yields what that call ended, however many others write meanwhile.",
			append(withSessions, epochs), sourceRace},
		{"source-kept",
			"What a read of everything has yielded is in each later one until its Until, whatever became of its name: a reader that misses " +
				"it there takes it for lost.",
			withSessions, sourceKept},
		{"source-stale-cursor",
			"A cursor that is no cursor, or of another store, is ErrStaleCursor, and yields nothing.",
			needs, sourceStaleCursor},
		{"source-break",
			"A loop over Changes may be left at any time, and its body may write.",
			needs, sourceBreak},
		{"source-ends-with-error",
			"A read whose context ends while it goes on ends with an error and without a cursor.",
			needs, sourceEndsWithError},
		{"source-wait",
			"Wait returns nil after a write that ended something, and at once where something is unseen.",
			needs, sourceWait},
		{"source-wait-context",
			"A Wait whose context ends returns that context's error.",
			needs, sourceWaitContext},
		{"source-dropped",
			"What DeleteExpired has dropped is not yielded any more.",
			append(needs, expiry), sourceDropped},
		{"source-errors",
			"No error of Changes and no cursor tells an id, a name or any other value.",
			needs, sourceErrors},
	}
}

// A mortality is what a reader of a Source knows of one death.
type mortality struct{ from, until time.Time }

// A reader is what a replica would know: the union of all it was told, by kind and name.
type reader struct {
	c      *trial
	cursor tokenauth.Cursor
	tokens map[string]mortality
	ended  map[[2]string]mortality // by subject and id
	epochs map[string]tokenauth.Epoch
}

func (c *trial) newReader() *reader {
	return &reader{c: c, tokens: map[string]mortality{}, ended: map[[2]string]mortality{}, epochs: map[string]tokenauth.Epoch{}}
}

// changes is the source's read.
func (c *trial) changes(ctx context.Context, since tokenauth.Cursor, each func(tokenauth.Change)) (next tokenauth.Cursor, err error) {
	for change, err := range c.Tokens.(tokenauth.Source).Changes(ctx, since) {
		if err != nil {
			return "", err
		}
		each(change)
		next = change.Next
	}
	if next == "" {
		return "", errors.New("the last change has no Next, and so says nothing about what is missing")
	}
	return next, nil
}

// read reads once from where the last read stopped, and says in what it failed.
func (r *reader) read() error {
	next, err := r.c.changes(r.c.ctx, r.cursor, r.take)
	if err == nil {
		r.cursor = next
	}
	return err
}

// mustRead is read, which must succeed.
func (r *reader) mustRead() { r.c.ok(r.read(), "Changes") }

// readAll returns a reader that has read everything once.
func (c *trial) readAll() *reader {
	r := c.newReader()
	r.mustRead()
	return r
}

// take adds a change to what is known, as it may be added in any order.
func (r *reader) take(change tokenauth.Change) {
	m := mortality{change.From, change.Until}
	switch {
	case change.TokenID != "":
		r.tokens[change.TokenID] = merged(m, r.tokens, change.TokenID)
	case change.SessionID != "":
		name := [2]string{change.Subject, change.SessionID}
		r.ended[name] = merged(m, r.ended, name)
	case change.Subject != "":
		e := r.epochs[change.Subject]
		e.MinVersion = max(e.MinVersion, change.Epoch.MinVersion)
		if change.Epoch.NotBefore.After(e.NotBefore) {
			e.NotBefore = change.Epoch.NotBefore
		}
		r.epochs[change.Subject] = e
	}
}

// merged takes the earlier from and the later until of what is told and what is known.
func merged[K comparable](m mortality, known map[K]mortality, name K) mortality {
	old, ok := known[name]
	if !ok {
		return m
	}
	if old.from.Before(m.from) {
		m.from = old.from
	}
	if old.until.After(m.until) {
		m.until = old.until
	}
	return m
}

// knows checks that a reader knows tokens to be dead, from a moment (zero: already), until their expiry.
func (r *reader) knows(what string, from time.Time, records ...*tokenauth.StoredAccessToken) {
	for i, t := range records {
		m, ok := r.tokens[t.ID]
		r.c.holds(ok, "Changes did not yield %s (%d)", what, i)
		r.c.isMoment(what+": From", m.from, from)
		r.c.isMoment(what+": Until", m.until, t.ExpiresAt)
	}
}

// knowsNot checks that a reader was told nothing about tokens.
func (r *reader) knowsNot(what string, records ...*tokenauth.StoredAccessToken) {
	for i, t := range records {
		_, ok := r.tokens[t.ID]
		r.c.holds(!ok, "Changes yielded %s (%d)", what, i)
	}
}

// isMoment checks a moment. From may be any moment that has come where "already" is meant.
func (c *trial) isMoment(what string, got, want time.Time) {
	if want.IsZero() && !got.After(c.clock.Now()) {
		return
	}
	c.holds(got.Equal(want), "%s is %v, want %v", what, got, want)
}

func sourceTokens(c *trial) {
	live := c.root()
	root := c.root()
	child := c.child(root)
	grandchild := c.child(child)
	old := c.root()
	next := c.rotate(old, time.Hour)
	below := c.child(next)
	retires := c.root()
	successor := c.rotate(retires, time.Hour+time.Millisecond)
	owned := c.newRecord()
	owned.Owner = "bob"
	c.create(owned)
	r := c.readAll()
	r.knows("what retires", c.clock.Now().Add(time.Hour), old)
	r.knows("what retires", c.clock.Now().Add(time.Hour+time.Millisecond), retires)
	r.knowsNot("what lives", live, root, child, grandchild, next, below, successor, owned)

	c.revoke(child.ID)
	c.revoke(next.ID)
	_, err := c.Tokens.RevokeAll(c.ctx, tokenauth.TokenFilter{Owner: "bob"}, c.revocation("alice"))
	c.ok(err, "RevokeAll")
	ahead := c.root()
	revocation := c.revocation("alice")
	revocation.At = revocation.At.Add(time.Hour)
	_, err = c.Tokens.Revoke(c.ctx, ahead.ID, revocation)
	c.ok(err, "Revoke")
	for what, r := range map[string]*reader{"all": c.readAll(), "what is new": r.mustReadOn()} {
		r.knows("a revoked token, in a read of "+what, time.Time{}, child, owned)
		r.knows("its descendant, in a read of "+what, time.Time{}, grandchild, below)
		r.knows("a revoked token and its predecessor, in a read of "+what, time.Time{}, next, old)
		r.knows("a revocation whose moment is to come, in a read of "+what, time.Time{}, ahead)
		r.knows("what retires, in a read of "+what, c.clock.Now().Add(time.Hour+time.Millisecond), retires)
		r.knowsNot("what lives, in a read of "+what, live, root, successor)
	}
}

// mustReadOn is mustRead.
func (r *reader) mustReadOn() *reader {
	r.mustRead()
	return r
}

// knowsEnded checks that a reader knows a session to have ended.
func (r *reader) knowsEnded(what, subject, sid string, from, until time.Time) {
	m, ok := r.ended[[2]string{subject, sid}]
	r.c.holds(ok, "Changes did not yield %s", what)
	r.c.isMoment(what+": From", m.from, from)
	r.c.isMoment(what+": Until", m.until, until)
}

func sourceSessions(c *trial) {
	now := c.clock.Now()
	for _, sid := range []string{"ends", "moves", "on", "lives"} {
		c.start("alice", sid, 2*time.Hour)
	}
	c.start("bob", "all-1", 2*time.Hour)
	c.start("bob", "all-2", 3*time.Hour)
	c.start("bo", "all-1", 2*time.Hour)
	r := c.readAll()
	c.count(len(r.ended), 0, "sessions yielded before any has ended")

	c.ok(c.Sessions.EndSession(c.ctx, "alice", "ends"), "EndSession")
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "unknown"), "EndSession of one that never began")
	_, err := c.Sessions.EndSessions(c.ctx, "bob")
	c.ok(err, "EndSessions")
	c.start("alice", "moves", time.Hour)
	c.start("alice", "on", 3*time.Hour)
	for what, r := range map[string]*reader{"all": c.readAll(), "what is new": r.mustReadOn()} {
		r.knowsEnded("a session that was ended, in a read of "+what, "alice", "ends", time.Time{}, now.Add(2*time.Hour))
		r.knowsEnded("one of all, in a read of "+what, "bob", "all-1", time.Time{}, now.Add(2*time.Hour))
		r.knowsEnded("one of all, in a read of "+what, "bob", "all-2", time.Time{}, now.Add(3*time.Hour))
		r.knowsEnded("a session whose until was moved back, in a read of "+what, "alice", "moves", now.Add(time.Hour), now.Add(2*time.Hour))
		for _, lives := range [][2]string{{"alice", "lives"}, {"alice", "on"}, {"bo", "all-1"}} {
			_, told := r.ended[lives]
			c.holds(!told, "Changes yielded a session that lives, in a read of %s", what)
		}
	}
	// What was moved back and is then ended is dead at once, and its tokens may carry the first until.
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "moves"), "EndSession")
	for what, r := range map[string]*reader{"all": c.readAll(), "what is new": r.mustReadOn()} {
		r.knowsEnded("a session that was moved back and ended, in a read of "+what, "alice", "moves", time.Time{}, now.Add(2*time.Hour))
	}
	// A death is told until the tokens have expired, and for a while after it.
	c.clock.move(2*time.Hour + 4*time.Minute)
	c.start("alice", "another", time.Hour)
	c.start("alice", "yet another", time.Hour)
	c.readAll().knowsEnded("a session that was ended, shortly after its until", "alice", "ends", time.Time{}, now.Add(2*time.Hour))
}

func sourceSessionLate(c *trial) {
	until := c.clock.Now().Add(time.Hour)
	for _, session := range [][2]string{{"alice", "one"}, {"bob", "all"}, {"carol", "over"}, {"eve", "moved"}} {
		c.start(session[0], session[1], time.Hour)
	}
	r := c.readAll()
	c.clock.move(time.Hour + time.Second)
	c.start("dave", "another", time.Hour) // a store may clean up here
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "one"), "EndSession of one that is over")
	for what, r := range map[string]*reader{"all": c.readAll(), "what is new": r.mustReadOn()} {
		r.knowsEnded("a session that was ended a second after its until, in a read of "+what, "alice", "one", time.Time{}, until)
	}
	c.start("eve", "moved", -10*time.Minute) // further back than it would still be ended
	c.ok(c.Sessions.EndSession(c.ctx, "eve", "moved"), "EndSession of one that is over")
	for what, r := range map[string]*reader{"all": c.readAll(), "what is new": r.mustReadOn()} {
		m, ok := r.ended[[2]string{"eve", "moved"}]
		c.holds(ok && !m.from.After(c.clock.Now()), "Changes did not yield a session that was moved back and ended a second after its until, in a read of %s", what)
		c.isMoment("of a session that was moved back and ended: Until", m.until, until)
	}
	c.clock.move(4*time.Minute - time.Second)
	c.start("dave", "yet another", time.Hour)
	n, err := c.Sessions.EndSessions(c.ctx, "bob")
	c.ok(err, "EndSessions")
	c.count(n, 0, "EndSessions of one that is over")
	for what, r := range map[string]*reader{"all": c.readAll(), "what is new": r.mustReadOn()} {
		r.knowsEnded("a session that was ended four minutes after its until, in a read of "+what, "bob", "all", time.Time{}, until)
		_, told := r.ended[[2]string{"carol", "over"}]
		c.holds(!told, "Changes yielded a session that nobody ended, in a read of %s", what)
	}
	c.holds(!c.active("alice", "one") && !c.active("bob", "all") && !c.active("carol", "over"), "a session that is over is active")
	c.clock.move(4 * time.Minute)
	for _, sid := range []string{"one more", "two more", "three more"} { // a store may clean up here, a few at a time
		c.start("dave", sid, time.Hour)
	}
	r = c.readAll()
	r.knowsEnded("a session that was ended late, four minutes later", "alice", "one", time.Time{}, until)
	r.knowsEnded("a session that was ended late, four minutes later", "bob", "all", time.Time{}, until)
}

// hasEpoch checks what a reader was told of a subject's own epoch.
func (r *reader) hasEpoch(what, subject string, minVersion int64, notBefore time.Time) {
	e := r.epochs[subject]
	r.c.holds(e.MinVersion == minVersion, "%s: MinVersion is %d, want %d", what, e.MinVersion, minVersion)
	r.c.holds(e.NotBefore.Equal(notBefore), "%s: NotBefore is %v, want %v", what, e.NotBefore, notBefore)
}

func sourceEpochs(c *trial) {
	now := c.clock.Now()
	c.count(len(c.readAll().epochs), 0, "epochs yielded before any was moved")
	c.bump("alice")
	c.raise("bob", now.Add(-time.Hour))
	r := c.readAll()
	r.hasEpoch("alice's, bumped once", "alice", 1, time.Time{})
	r.hasEpoch("bob's, raised once", "bob", 0, now.Add(-time.Hour))
	c.bump("alice")
	c.raise("alice", now.Add(-time.Minute))
	c.raise("bob", now)
	c.raise(tokenauth.Everyone, now.Add(-30*time.Minute))
	for what, r := range map[string]*reader{"all": c.readAll(), "what is new": r.mustReadOn()} {
		r.hasEpoch("alice's, in a read of "+what, "alice", 2, now.Add(-time.Minute))
		r.hasEpoch("bob's, in a read of "+what, "bob", 0, now)
		r.hasEpoch("everyone's, in a read of "+what, tokenauth.Everyone, 0, now.Add(-30*time.Minute))
		_, told := r.epochs["carol"]
		c.holds(!told, "Changes yielded the epoch of a subject that was never moved")
	}
}

func sourceNames(c *trial) {
	ids := names(tokenauth.CheckID)
	for _, id := range ids {
		t := c.newRecord()
		t.ID, t.RootID = id, id
		c.create(t)
		c.revoke(id)
	}
	ended := [][2]string{{"a", "bc"}, {"ab", "c"}, {"a:b", "c"}, {"a", "b:c"}}
	for _, text := range ids {
		ended = append(ended, [2]string{text, "s-1"}, [2]string{"alice", text})
	}
	for _, s := range ended {
		c.start(s[0], s[1], time.Hour)
		c.ok(c.Sessions.EndSession(c.ctx, s[0], s[1]), "EndSession")
	}
	bumped := 0
	for _, subject := range names(tokenauth.CheckSubject) {
		if subject != tokenauth.Everyone {
			c.bump(subject)
			bumped++
		}
	}
	r := c.readAll()
	c.count(len(r.tokens), len(ids), "tokens yielded")
	for _, id := range ids {
		_, ok := r.tokens[id]
		c.holds(ok, "Changes did not yield the token %s", quote(id))
	}
	for _, s := range ended {
		_, ok := r.ended[s]
		c.holds(ok, "Changes did not yield session %s of %s", quote(s[1]), quote(s[0]))
	}
	c.count(len(r.epochs), bumped, "epochs yielded")
}

// manyDead is how many deaths no page of any store holds.
const manyDead = 1200

// retire stores n records that retire in an hour, and returns them.
func (c *trial) retire(n int) []*tokenauth.StoredAccessToken {
	all := make([]*tokenauth.StoredAccessToken, n)
	for i := range all {
		all[i] = c.root()
		c.rotate(all[i], time.Hour)
	}
	return all
}

func sourceCursor(c *trial) {
	early := c.readAll()
	beginning := early.cursor
	first := c.retire(manyDead)
	late := c.readAll()
	early.mustRead()
	soon := c.clock.Now().Add(time.Hour)
	late.knows("what retires, in a read of all", soon, first...)
	early.knows("what retires, in a read of what is new", soon, first...)

	second := c.root()
	c.revoke(second.ID)
	c.revoke(first[7].ID)
	for what, cursor := range map[string]tokenauth.Cursor{"the last cursor": late.cursor, "an old cursor": beginning} {
		r := c.newReader()
		r.cursor = cursor
		r.mustRead()
		r.knows("what was revoked since "+what, time.Time{}, second)
		r.knows("what had retired and was revoked since "+what, time.Time{}, first[7])
		again := c.newReader()
		again.cursor = cursor
		again.mustRead()
		again.knows("what was revoked since "+what+", in a second read from it", time.Time{}, second)
	}
	all := c.readAll()
	all.knows("what was revoked, in a read of all", time.Time{}, second, first[7])
	all.knows("what retires, in a read of all", soon, first[:7]...)
	all.knows("what retires, in a read of all", soon, first[8:]...)
}

func sourceMoved(c *trial) {
	before := c.readAll()
	all := c.retire(manyDead)
	for what, since := range map[string]tokenauth.Cursor{"all": "", "what is new": before.cursor} {
		r := c.newReader()
		yielded := 0
		_, err := c.changes(c.ctx, since, func(change tokenauth.Change) {
			r.take(change)
			if yielded++; yielded == 1 {
				for _, t := range all[len(all)/2:] {
					c.revoke(t.ID)
				}
			}
		})
		c.ok(err, "Changes")
		for i, t := range all {
			_, ok := r.tokens[t.ID]
			c.holds(ok, "a read of %s did not yield a token that had retired before it began (%d)", what, i)
		}
	}
}

// sourceRace has writers that note what was acknowledged, and a reader that has to know, after each read, what was noted before it.
func sourceRace(c *trial) {
	const writers = 8
	each := c.races/20 + 5
	type noted struct {
		tokens, subjects []string
		ended            [][2]string
	}
	var mu sync.Mutex
	var acknowledged noted
	note := func(add func()) {
		mu.Lock()
		defer mu.Unlock()
		add()
	}
	problems := make(chan error, writers+1)
	calls := make([]func(), 0, writers+1)
	var writing sync.WaitGroup
	for w := range writers {
		parents := make([]*tokenauth.StoredAccessToken, each)
		children := make([]*tokenauth.StoredAccessToken, each)
		for i := range parents {
			parents[i] = c.root()
			children[i] = c.child(parents[i])
		}
		subject := "subject-" + string(rune('a'+w))
		writing.Add(1)
		calls = append(calls, func() {
			defer writing.Done()
			for i, parent := range parents {
				if _, err := c.Tokens.Revoke(c.ctx, parent.ID, c.revocation("alice")); err != nil {
					problems <- err
					return
				}
				note(func() { acknowledged.tokens = append(acknowledged.tokens, parent.ID, children[i].ID) })
				if err := c.raceSession(subject, parent.ID); err != nil {
					problems <- err
					return
				}
				note(func() { acknowledged.ended = append(acknowledged.ended, [2]string{subject, parent.ID}) })
				if _, err := c.Epochs.BumpEpoch(c.ctx, subject+parent.ID); err != nil {
					problems <- err
					return
				}
				note(func() { acknowledged.subjects = append(acknowledged.subjects, subject+parent.ID) })
			}
		})
	}
	written := make(chan struct{})
	go func() { writing.Wait(); close(written) }()
	r := c.newReader()
	missed := func(before noted) string {
		for _, id := range before.tokens {
			if _, ok := r.tokens[id]; !ok {
				return "a token"
			}
		}
		for _, name := range before.ended {
			if _, ok := r.ended[name]; !ok {
				return "a session"
			}
		}
		for _, subject := range before.subjects {
			if _, ok := r.epochs[subject]; !ok {
				return "an epoch"
			}
		}
		return ""
	}
	calls = append(calls, func() {
		for last := false; !last; {
			select {
			case <-written:
				last = true
			default:
				runtime.Gosched()
			}
			mu.Lock()
			before := acknowledged
			mu.Unlock()
			if err := r.read(); err != nil {
				problems <- err
				return
			}
			if what := missed(before); what != "" {
				problems <- errors.New("a read did not yield " + what + " whose end was acknowledged before the read began")
				return
			}
		}
	})
	together(calls...)
	select {
	case err := <-problems:
		c.fail("%w", err)
	default:
	}
}

// raceSession starts a session and ends it.
func (c *trial) raceSession(subject, sid string) error {
	if err := c.Sessions.StartSession(c.ctx, subject, sid, c.clock.Now().Add(time.Hour)); err != nil {
		return err
	}
	return c.Sessions.EndSession(c.ctx, subject, sid)
}

func sourceKept(c *trial) {
	retires, old := c.root(), c.root()
	c.rotate(retires, time.Hour)
	c.rotate(old, time.Hour)
	for _, sid := range []string{"again", "again and again", "moved"} {
		c.start("alice", sid, 3*time.Hour)
	}
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "again"), "EndSession")
	_, err := c.Sessions.EndSessions(c.ctx, "alice")
	c.ok(err, "EndSessions")
	c.start("alice", "moved", 3*time.Hour)
	c.start("alice", "moved", time.Hour)
	first := c.readAll()
	c.start("alice", "again", 2*time.Hour)
	c.start("alice", "again and again", time.Hour)
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "again and again"), "EndSession of one that began again")
	c.start("alice", "moved", 4*time.Hour)
	c.revoke(old.ID)
	for _, later := range []time.Duration{0, 2 * time.Hour, 59 * time.Minute} {
		c.clock.move(later)
		c.start("bob", "cleans up", time.Minute)
		now := c.readAll()
		for id, was := range first.tokens {
			is, ok := now.tokens[id]
			c.holds(ok && !is.until.Before(was.until) && !is.from.After(was.from), "a token that was yielded is not any more, or less of it")
		}
		for name, was := range first.ended {
			is, ok := now.ended[name]
			c.holds(ok && !is.until.Before(was.until) && !is.from.After(was.from), "a session that was yielded is not any more, or less of it")
		}
	}
}

func sourceStaleCursor(c *trial) {
	c.revoke(c.root().ID)
	good := c.readAll().cursor
	other := c.another()
	stranger := &trial{Stores: other, ctx: c.ctx, clock: c.clock}
	stranger.revoke(stranger.root().ID)
	cursors := map[string]tokenauth.Cursor{
		"no cursor at all": "nonsense", "a blank": " ", "a number": "1", "an uncommonly long one": tokenauth.Cursor(strings.Repeat("1", 1<<16)),
		"binary": "\x00\xff", "a good one with something behind it": good + "x", "something before a good one": "x" + good,
		"one of another store": stranger.readAll().cursor,
	}
	for what, cursor := range cursors {
		yielded := 0
		_, err := c.changes(c.ctx, cursor, func(tokenauth.Change) { yielded++ })
		c.is(err, tokenauth.ErrStaleCursor, "Changes since "+what)
		c.count(yielded, 0, "changes since "+what)
	}
	_, err := c.changes(c.ctx, good, func(tokenauth.Change) {})
	c.ok(err, "Changes since a cursor of this store")
}

func sourceBreak(c *trial) {
	all := c.retire(3)
	for range 20 {
		for _, err := range c.Tokens.(tokenauth.Source).Changes(c.ctx, "") {
			c.ok(err, "Changes")
			break
		}
	}
	for _, err := range c.Tokens.(tokenauth.Source).Changes(c.ctx, "") {
		c.ok(err, "Changes")
		c.root()
		c.revoke(all[1].ID)
	}
	// One that is ranged over twice begins anew.
	twice := c.Tokens.(tokenauth.Source).Changes(c.ctx, "")
	for range 2 {
		seen := map[string]bool{}
		for change, err := range twice {
			c.ok(err, "Changes")
			seen[change.TokenID] = true
		}
		c.holds(seen[all[0].ID] && seen[all[1].ID] && seen[all[2].ID], "a read that is ranged over twice is not the same each time")
	}
}

func sourceEndsWithError(c *trial) {
	c.retire(manyDead)
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	yielded := 0
	_, err := c.changes(ctx, "", func(change tokenauth.Change) {
		if yielded++; yielded == 1 {
			cancel()
		}
		c.holds(change.Next == "", "a read whose context had ended came to its end")
	})
	c.holds(errors.Is(err, context.Canceled), "a read whose context ended: got error %v, want the context's", err)
	c.gone([]call{{"Changes", func(ctx context.Context) error {
		_, err := c.changes(ctx, "", func(tokenauth.Change) {})
		return err
	}}})
}

func sourceWait(c *trial) {
	wait := func(since tokenauth.Cursor) <-chan error {
		done := make(chan error, 1)
		go func() { done <- c.Tokens.(tokenauth.Source).Wait(c.ctx, since) }()
		return done
	}
	for round := range 5 {
		dies := c.root()
		seen := c.readAll().cursor
		waiting := wait(seen)
		for range round * 100 {
			runtime.Gosched()
		}
		c.revoke(dies.ID)
		c.ok(<-waiting, "Wait during which something died")
		c.ok(<-wait(seen), "Wait where something is unseen")
	}
	c.ok(<-wait(""), "Wait of one that has seen nothing")
}

func sourceWaitContext(c *trial) {
	c.revoke(c.root().ID)
	seen := c.readAll().cursor
	for kind, ended := range deadContexts() {
		err := c.Tokens.(tokenauth.Source).Wait(ended, seen)
		c.holds(errors.Is(err, ended.Err()), "Wait with a context that was %s: got error %v, want the context's", kind, err)
	}
	// A store may wait as long as its own polling takes and return nil then: so ask until the context is what ends it.
	ctx, cancel := context.WithCancel(c.ctx)
	var waiting sync.WaitGroup
	var err error
	waiting.Go(func() {
		for err == nil {
			err = c.Tokens.(tokenauth.Source).Wait(ctx, seen)
		}
	})
	runtime.Gosched()
	cancel()
	waiting.Wait()
	c.holds(errors.Is(err, context.Canceled), "a Wait whose context ends: got error %v, want the context's", err)
}

func sourceDropped(c *trial) {
	before := c.clock.Now().Add(time.Hour)
	gone := c.expiring(before.Add(-5 * time.Minute))
	kept := c.expiring(before.Add(-5*time.Minute + time.Second))
	c.revoke(gone.ID)
	c.revoke(kept.ID)
	c.count(c.sweep(before), 1, "DeleteExpired")
	r := c.readAll()
	r.knowsNot("what was dropped", gone)
	r.knows("what expired 4:59 before", time.Time{}, kept)
}

func sourceErrors(c *trial) {
	t := c.newRecord()
	t.ID = canary + t.ID
	t.RootID, t.Owner, t.Subject = t.ID, canary, canary
	c.create(t)
	c.revoke(t.ID)
	c.holds(!strings.Contains(string(c.readAll().cursor), canary), "the cursor holds an id or a name")
	_, err := c.changes(c.ctx, canary, func(tokenauth.Change) {})
	c.quiet(err, "Changes since nonsense")
	for kind, ended := range deadContexts() {
		_, err := c.changes(ended, "", func(tokenauth.Change) {})
		c.quiet(err, "Changes with a context that was "+kind)
	}
}
