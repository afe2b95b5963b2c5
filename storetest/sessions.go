package storetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Sessions: a row that is gone has ended.

func sessionRules() []Rule {
	needs := []need{sessions}
	return []Rule{
		{"session-lives",
			"A session lives from StartSession to EndSession; one that never began does not live, and ending it is no " +
				"error.",
			needs, sessionLives},
		{"session-until",
			"A session has ended when its until is reached, by the store's clock.",
			needs, sessionUntil},
		{"session-moved",
			"StartSession of a session that lives moves its until, either way; one that has ended begins anew.",
			needs, sessionMoved},
		{"sessions-end",
			"EndSessions ends all of one subject's sessions, nobody else's, and counts those that lived.",
			needs, sessionsEnd},
		{"session-names",
			"A session is known by the bytes of its subject and its id, and no two of them are taken for one.",
			needs, sessionNames},
		{"session-checks",
			"A subject, sid or until that cannot be is ErrInvalidRequest when a session starts, and never active.",
			needs, sessionChecks},
		{"sessions-context",
			"A context that has ended is an error to every call about sessions, no answer, and nothing is written.",
			needs, sessionsContext},
		{"sessions-errors",
			"No error about sessions tells a subject or an id.",
			needs, sessionsErrors},
	}
}

// start starts a session, which must succeed.
func (c *trial) start(subject, sid string, life time.Duration) {
	c.ok(c.Sessions.StartSession(c.ctx, subject, sid, c.clock.Now().Add(life)), "StartSession")
}

func sessionLives(c *trial) {
	c.holds(!c.active("alice", "s-1"), "a session that never began is active")
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "s-1"), "EndSession of one that never began")
	c.start("alice", "s-1", time.Hour)
	c.start("alice", "s-2", time.Hour)
	c.holds(c.active("alice", "s-1"), "a session that began is not active")
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "s-1"), "EndSession")
	c.holds(!c.active("alice", "s-1"), "a session that was ended is active")
	c.holds(c.active("alice", "s-2"), "another session ended with it")
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "s-1"), "EndSession of one that was ended")
}

func sessionUntil(c *trial) {
	c.start("alice", "s-1", time.Hour)
	c.clock.move(time.Hour - time.Second)
	c.holds(c.active("alice", "s-1"), "a session is not active a second before its until")
	c.clock.move(time.Second)
	c.holds(!c.active("alice", "s-1"), "a session is active at its until")
	c.clock.move(time.Hour)
	c.holds(!c.active("alice", "s-1"), "a session is active after its until")
}

func sessionMoved(c *trial) {
	c.start("alice", "s-1", time.Hour)
	c.start("alice", "s-1", 3*time.Hour)
	c.clock.move(2 * time.Hour)
	c.start("alice", "s-2", time.Hour) // a store may clean up here, and must not go by the old until
	c.start("alice", "s-3", time.Hour)
	c.holds(c.active("alice", "s-1"), "a session whose until was moved on ends at the old one")
	n, err := c.Sessions.EndSessions(c.ctx, "alice")
	c.ok(err, "EndSessions")
	c.count(n, 3, "EndSessions of three, one of which was moved")
	c.start("alice", "s-1", time.Hour)
	c.start("alice", "s-1", time.Minute)
	c.clock.move(time.Minute)
	c.holds(!c.active("alice", "s-1"), "a session whose until was moved back lives on")
	c.start("alice", "s-1", time.Hour)
	c.holds(c.active("alice", "s-1"), "a session that began anew is not active")
	c.ok(c.Sessions.EndSession(c.ctx, "alice", "s-1"), "EndSession")
	c.start("alice", "s-1", time.Hour)
	c.holds(c.active("alice", "s-1"), "a session that was ended and began anew is not active")
}

func sessionsEnd(c *trial) {
	end := func(subject string, want int) {
		n, err := c.Sessions.EndSessions(c.ctx, subject)
		c.ok(err, "EndSessions")
		c.count(n, want, "EndSessions")
	}
	end("alice", 0)
	c.start("alice", "s-0", time.Minute)
	c.clock.move(time.Minute)
	end("alice", 0)
	c.start("alice", "s-0", time.Minute)
	c.clock.move(time.Hour)
	for _, sid := range []string{"s-1", "s-2", "s-3"} {
		c.start("alice", sid, time.Hour)
		c.start("bob", sid, time.Hour)
		c.start("alic", sid, time.Hour)
	}
	end("alice", 3)
	for _, sid := range []string{"s-0", "s-1", "s-2", "s-3"} {
		c.holds(!c.active("alice", sid), "a session lives after EndSessions")
		c.holds(sid == "s-0" || c.active("bob", sid) && c.active("alic", sid), "EndSessions ended somebody else's session")
	}
	end("alice", 0)
	c.start("alice", "s-1", time.Hour)
	c.holds(c.active("alice", "s-1"), "a session that began after EndSessions is not active")
	end("bob", 3)
}

func sessionNames(c *trial) {
	type session struct{ subject, sid string }
	all := []session{{"a", "bc"}, {"ab", "c"}, {"a:b", "c"}, {"a", "b:c"}, {"1:a", "b"}, {"1", "a:b"}}
	for _, text := range names(tokenauth.CheckID) {
		all = append(all, session{text, "s-1"}, session{"alice", text})
	}
	for _, s := range all {
		c.holds(!c.active(s.subject, s.sid), "session %s of %s is active before it began", quote(s.sid), quote(s.subject))
		c.start(s.subject, s.sid, time.Hour)
		c.holds(c.active(s.subject, s.sid), "session %s of %s is not active", quote(s.sid), quote(s.subject))
	}
	for _, s := range all {
		c.holds(c.active(s.subject, s.sid), "session %s of %s ended with another", quote(s.sid), quote(s.subject))
		c.ok(c.Sessions.EndSession(c.ctx, s.subject, s.sid), "EndSession")
		c.holds(!c.active(s.subject, s.sid), "session %s of %s is active after its end", quote(s.sid), quote(s.subject))
	}
	left := map[string]int{}
	for _, s := range all {
		c.start(s.subject, s.sid, time.Hour)
		left[s.subject]++
	}
	for subject, want := range left {
		n, err := c.Sessions.EndSessions(c.ctx, subject)
		c.ok(err, "EndSessions of "+quote(subject))
		c.count(n, want, "EndSessions of "+quote(subject))
	}
}

func sessionChecks(c *trial) {
	until := c.clock.Now().Add(time.Hour)
	refused := func(what, subject, sid string) {
		c.is(c.Sessions.StartSession(c.ctx, subject, sid, until), tokenauth.ErrInvalidRequest, "StartSession with "+what)
		active, err := c.Sessions.IsSessionActive(c.ctx, subject, sid)
		c.holds(!active, "IsSessionActive with %s: yes", what)
		c.holds(err == nil || isInvalid(err), "IsSessionActive with %s: %v", what, err)
		err = c.Sessions.EndSession(c.ctx, subject, sid)
		c.holds(err == nil || isInvalid(err), "EndSession with %s: %v", what, err)
	}
	for _, subject := range ill(tokenauth.CheckSubject) {
		refused("subject "+quote(subject), subject, "s-1")
		n, err := c.Sessions.EndSessions(c.ctx, subject)
		c.holds(n == 0 && (err == nil || isInvalid(err)), "EndSessions of subject %s: %d, %v", quote(subject), n, err)
	}
	for _, sid := range ill(tokenauth.CheckID) {
		refused("sid "+quote(sid), "alice", sid)
	}
	longest := session255()
	c.start(longest.subject, longest.sid, time.Hour)
	c.holds(c.active(longest.subject, longest.sid), "a session with the longest names is not active")
	for what, until := range noMoments {
		c.is(c.Sessions.StartSession(c.ctx, "alice", "s-1", until), tokenauth.ErrInvalidRequest, "StartSession until "+what)
		c.holds(!c.active("alice", "s-1"), "a session until %s is active", what)
	}
}

// session255 returns the longest names a session may have.
func session255() (s struct{ subject, sid string }) {
	s.subject, s.sid = strings.Repeat("\u00e9", 127)+"x", strings.Repeat("\u00e9", 64)
	return s
}

// isInvalid says whether a call was refused for what it asked.
func isInvalid(err error) bool { return errors.Is(err, tokenauth.ErrInvalidRequest) }

// sessionCalls are all methods of a SessionWriter.
func (c *trial) sessionCalls() []call {
	until := c.clock.Now().Add(2 * time.Hour)
	return []call{
		{"IsSessionActive", func(ctx context.Context) error { _, err := c.Sessions.IsSessionActive(ctx, "alice", "s-1"); return err }},
		{"StartSession", func(ctx context.Context) error { return c.Sessions.StartSession(ctx, "alice", "s-2", until) }},
		{"EndSession", func(ctx context.Context) error { return c.Sessions.EndSession(ctx, "alice", "s-1") }},
		{"EndSessions", func(ctx context.Context) error { _, err := c.Sessions.EndSessions(ctx, "alice"); return err }},
	}
}

func sessionsContext(c *trial) {
	c.start("alice", "s-1", time.Hour)
	c.gone(c.sessionCalls())
	c.holds(c.active("alice", "s-1"), "a session was ended by a call whose context had ended")
	c.holds(!c.active("alice", "s-2"), "a session was begun by a call whose context had ended")
}

func sessionsErrors(c *trial) {
	until := c.clock.Now().Add(time.Hour)
	for _, text := range []string{canary + "\x00", canary + strings.Repeat("x", 300)} {
		c.quiet(c.Sessions.StartSession(c.ctx, text, canary, until), "StartSession")
		c.quiet(c.Sessions.StartSession(c.ctx, canary, text, until), "StartSession")
	}
	c.quiet(c.Sessions.StartSession(c.ctx, canary, canary, time.Time{}), "StartSession")
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	_, err := c.Sessions.IsSessionActive(ended, canary, canary)
	c.quiet(err, "IsSessionActive")
}
