package storetest

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// One-time keys: the first caller gets nil, nobody else does.

func oneTimeRules() []Rule {
	needs := []need{oneTime}
	return []Rule{
		{"one-time",
			"The first Consume of a key is nil, every other one ErrReplayed.",
			needs, oneTimeOnce},
		{"one-time-together",
			"Of 64 Consumes of one key at once exactly one is nil.",
			needs, oneTimeTogether},
		{"one-time-until",
			"A key is remembered until its until by the store's clock, whatever is consumed meanwhile.",
			needs, oneTimeUntil},
		{"one-time-over",
			"A key whose until has passed is refused or remembered; it is never nil twice in a row.",
			needs, oneTimeOver},
		{"one-time-names",
			"A key is its bytes.",
			needs, oneTimeNames},
		{"one-time-checks",
			"A key or until that cannot be is ErrInvalidRequest.",
			needs, oneTimeChecks},
		{"one-time-context",
			"A context that has ended is an error to Consume, no answer, and the key is not used up.",
			needs, oneTimeContext},
		{"one-time-errors",
			"No error about one-time keys tells a key.",
			needs, oneTimeErrors},
	}
}

// consume uses up key, which must not have been used.
func (c *trial) consume(key string, life time.Duration) {
	c.ok(c.OneTime.Consume(c.ctx, key, c.clock.Now().Add(life)), "Consume of "+quote(key))
}

// replayed checks that key has been used.
func (c *trial) replayed(what, key string) {
	c.is(c.OneTime.Consume(c.ctx, key, c.clock.Now().Add(time.Hour)), tokenauth.ErrReplayed, "Consume of "+what)
}

func oneTimeOnce(c *trial) {
	c.consume("k-1", time.Hour)
	c.replayed("a key that was used", "k-1")
	c.consume("k-2", time.Hour)
	c.replayed("a key that was used twice", "k-1")
	c.replayed("the other key", "k-2")
}

func oneTimeTogether(c *trial) {
	until := c.clock.Now().Add(time.Hour)
	for round := range c.races/10 + 1 {
		key := "k-" + strconv.Itoa(round)
		errs := atOnce(64, func(int) error { return c.OneTime.Consume(c.ctx, key, until) })
		c.oneWinner(errs, tokenauth.ErrReplayed, "Consume")
		c.replayed("a key that was used by many", key)
	}
}

func oneTimeUntil(c *trial) {
	c.consume("long", time.Hour)
	for i := range 59 {
		c.clock.move(time.Minute)
		c.consume("short-"+strconv.Itoa(i), time.Second)
		c.replayed("a key whose until is to come", "long")
	}
	c.clock.move(time.Minute - time.Second)
	c.replayed("a key whose until is in a second", "long")
}

func oneTimeOver(c *trial) {
	for i, ago := range []time.Duration{0, time.Second, time.Hour, 365 * day} {
		key, until := "k-"+strconv.Itoa(i), c.clock.Now().Add(-ago)
		first := c.OneTime.Consume(c.ctx, key, until)
		second := c.OneTime.Consume(c.ctx, key, until)
		c.holds(first != nil || second != nil, "Consume of a key until %v ago: nil twice", ago)
	}
}

func oneTimeNames(c *trial) {
	keys := names(tokenauth.CheckID)
	for _, key := range keys {
		c.consume(key, time.Hour)
	}
	for _, key := range keys {
		c.replayed(quote(key), key)
	}
}

func oneTimeChecks(c *trial) {
	until := c.clock.Now().Add(time.Hour)
	for _, key := range ill(tokenauth.CheckID) {
		c.is(c.OneTime.Consume(c.ctx, key, until), tokenauth.ErrInvalidRequest, "Consume of "+quote(key))
	}
	for what, until := range noMoments {
		c.is(c.OneTime.Consume(c.ctx, "k-1", until), tokenauth.ErrInvalidRequest, "Consume until "+what)
	}
	c.consume(session255().sid, time.Hour)
}

func oneTimeContext(c *trial) {
	until := c.clock.Now().Add(time.Hour)
	c.gone([]call{{"Consume", func(ctx context.Context) error { return c.OneTime.Consume(ctx, "k-1", until) }}})
	c.consume("k-1", time.Hour)
}

func oneTimeErrors(c *trial) {
	c.consume(canary, time.Hour)
	c.quiet(c.OneTime.Consume(c.ctx, canary, c.clock.Now().Add(time.Hour)), "Consume")
	for _, text := range []string{canary + "\x00", canary + strings.Repeat("x", 300)} {
		c.quiet(c.OneTime.Consume(c.ctx, text, c.clock.Now().Add(time.Hour)), "Consume")
	}
	c.quiet(c.OneTime.Consume(c.ctx, canary+"2", time.Time{}), "Consume")
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	c.quiet(c.OneTime.Consume(ended, canary+"3", c.clock.Now().Add(time.Hour)), "Consume")
}
