package storetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// What holds for a store as a whole: callers who have gone, errors, names that several ports share, and the loss of everything.

func storeRules() []Rule {
	return []Rule{
		{"tokens-context",
			"A context that has ended is an error to every call about tokens, no answer, and nothing is written.",
			[]need{tokens}, tokensContext},
		{"tokens-errors",
			"No error about tokens tells an id, a name or any other value.",
			[]need{tokens}, tokensErrors},
		{"ports-apart",
			"A token's id, a session's, a one-time key and a subject may be the same text and are nothing to each other.",
			[]need{tokens, sessions, epochs, oneTime}, portsApart},
		{"loss",
			"A store that has lost its generation marker answers every call with ErrUnavailable, and no write brings the " +
				"marker back.",
			[]need{loss}, lossIsNoticed},
	}
}

func tokensContext(c *trial) {
	live := c.root()
	expired := c.expiring(c.clock.Now().Add(time.Second))
	c.gone(c.tokenCalls(live))
	c.same("Get after calls whose context had ended", c.get(live.ID), live)
	c.same("Get of what could have been deleted", c.get(expired.ID), expired)
	c.live("a record after calls whose context had ended", live)
	c.count(len(c.list(tokenauth.TokenFilter{})), 2, "records after calls whose context had ended")
}

func tokensErrors(c *trial) {
	marked := func() *tokenauth.StoredAccessToken {
		t := c.newRecord()
		t.ID = canary + t.ID
		t.RootID, t.Owner, t.Name, t.Subject, t.CreatedBy, t.ClientID, t.SessionID = t.ID, canary, canary, canary, canary, canary, canary
		t.Roles, t.Scopes = []string{canary}, []tokenauth.TokenScope{{ResourceKind: canary, ResourceID: canary, Level: tokenauth.LevelRead}}
		return t
	}
	known, old := c.create(marked()), c.create(marked())
	c.quiet(c.Tokens.Create(c.ctx, known), "Create of an id that is taken")
	c.ok(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now(), c.adopted(marked(), old)), "Rotate")
	c.quiet(c.Tokens.Rotate(c.ctx, old.ID, c.clock.Now(), c.adopted(marked(), old)), "Rotate of what has a successor")
	c.quiet(c.Tokens.Rotate(c.ctx, known.ID, c.clock.Now(), marked()), "Rotate to a stranger")
	c.revoke(known.ID)
	c.quiet(c.Tokens.Rotate(c.ctx, known.ID, c.clock.Now(), c.adopted(marked(), known)), "Rotate of what is revoked")
	orphan := marked()
	orphan.ParentID, orphan.RootID, orphan.Depth = known.ID, known.ID, 1
	c.quiet(c.Tokens.Create(c.ctx, orphan), "Create below what is revoked")

	for _, column := range columns {
		for _, text := range []string{canary + "\x00", canary + "\xff", canary + strings.Repeat("x", 70<<10)} {
			t := marked()
			column.set(t, text)
			c.quiet(c.Tokens.Create(c.ctx, t), "Create with an ill-formed "+column.name)
		}
	}
	nobody := canary + "nobody"
	_, err := c.Tokens.Get(c.ctx, nobody)
	c.quiet(err, "Get of an unknown id")
	_, err = c.Tokens.Revoke(c.ctx, nobody, c.revocation(canary))
	c.quiet(err, "Revoke of an unknown id")
	_, err = c.Tokens.Revoke(c.ctx, known.ID, c.revocation(canary+"\x00"))
	c.quiet(err, "Revoke by nobody")
	_, err = c.Tokens.RevokeAll(c.ctx, tokenauth.TokenFilter{Owner: canary, After: canary}, c.revocation(canary))
	c.quiet(err, "RevokeAll by a page")
	for _, err := range c.Tokens.List(c.ctx, tokenauth.TokenFilter{Owner: canary, Limit: -1}) {
		c.quiet(err, "List with a negative limit")
	}
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	_, err = c.Tokens.IsRevoked(ended, known.ID)
	c.quiet(err, "IsRevoked by who has gone")
}

func portsApart(c *trial) {
	t := c.newRecord()
	t.ID, t.RootID, t.Subject, t.Owner, t.SessionID = "same", "same", "same", "same", "same"
	c.create(t)
	c.start("same", "same", time.Hour)
	c.consume("same", time.Hour)
	c.bump("same")

	c.live("a token whose id was consumed as a key", t)
	c.holds(c.active("same", "same"), "a session ended with a key")
	c.ok(c.Sessions.EndSession(c.ctx, "same", "same"), "EndSession")
	c.live("a token whose id is that of a session that ended", t)
	c.start("same", "same", time.Hour)
	c.revoke("same")
	c.holds(c.active("same", "same"), "a session ended with a token")
	c.replayed("a key, after all this", "same")
	c.hasEpoch("Epoch, after all this", "same", 1, time.Time{})
}

func lossIsNoticed(c *trial) {
	var calls []call
	if c.Tokens != nil {
		calls = append(calls, c.tokenCalls(c.root())...)
	}
	if c.Sessions != nil {
		c.start("alice", "s-1", time.Hour)
		calls = append(calls, c.sessionCalls()...)
	}
	if c.Epochs != nil {
		c.bump("alice")
		calls = append(calls, c.epochCalls()...)
	}
	if c.OneTime != nil {
		c.consume("k-1", time.Hour)
		calls = append(calls, call{"Consume", func(ctx context.Context) error {
			return c.OneTime.Consume(ctx, "k-1", c.clock.Now().Add(time.Hour))
		}})
	}
	c.Lose()
	for _, after := range []string{"after the loss", "after the loss, and a call of every writer"} {
		for _, call := range calls {
			err := call.do(c.ctx)
			if !errors.Is(err, tokenauth.ErrUnavailable) {
				c.fail("%s %s: got error %v, want one that wraps ErrUnavailable", call.name, after, err)
			}
		}
	}
}
