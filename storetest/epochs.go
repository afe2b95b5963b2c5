package storetest

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// Epochs: since when, and from which version on, a subject's tokens count. Whatever happens, an epoch never goes back.

func epochRules() []Rule {
	needs := []need{epochs}
	return []Rule{
		{"epoch-zero",
			"The epoch of a subject that was never moved is the zero Epoch.",
			needs, epochZero},
		{"epoch-bump",
			"BumpEpoch adds one to the subject's MinVersion, to nobody else's and to nothing else, and returns the epoch.",
			needs, epochBump},
		{"epoch-bump-together",
			"Of several BumpEpochs at once none is lost, and no two return the same MinVersion.",
			needs, epochBumpTogether},
		{"epoch-not-before",
			"RaiseNotBefore keeps the later of two moments, in whole seconds, UTC, and returns the epoch.",
			needs, epochNotBefore},
		{"epoch-not-before-together",
			"Of several RaiseNotBefores at once the latest stands.",
			needs, epochNotBeforeTogether},
		{"epoch-ahead",
			"A NotBefore more than 5 s ahead of the store's clock, or none, is ErrInvalidRequest and moves nothing.",
			needs, epochAhead},
		{"epoch-everyone",
			"Everyone's NotBefore holds for every subject, the later wins, and everyone's version cannot be bumped.",
			needs, epochEveryone},
		{"epoch-names",
			"An epoch belongs to the bytes of its subject.",
			needs, epochNames},
		{"epoch-checks",
			"A subject that cannot be is ErrInvalidRequest, never an epoch.",
			needs, epochChecks},
		{"epochs-context",
			"A context that has ended is an error to every call about epochs, no answer, and nothing is written.",
			needs, epochsContext},
		{"epochs-errors",
			"No error about epochs tells a subject.",
			needs, epochsErrors},
	}
}

// hasEpoch checks subject's epoch.
func (c *trial) hasEpoch(what, subject string, minVersion int64, notBefore time.Time) {
	c.isEpoch(what, c.epoch(subject), minVersion, notBefore)
}

// isEpoch checks an epoch.
func (c *trial) isEpoch(what string, got tokenauth.Epoch, minVersion int64, notBefore time.Time) {
	c.holds(got.MinVersion == minVersion, "%s: MinVersion is %d, want %d", what, got.MinVersion, minVersion)
	c.holds(got.NotBefore.Equal(notBefore), "%s: NotBefore is %v, want %v", what, got.NotBefore, notBefore)
	c.holds(got.NotBefore.Location() == time.UTC, "%s: NotBefore is not UTC", what)
}

// bump bumps subject's epoch, which must succeed.
func (c *trial) bump(subject string) tokenauth.Epoch {
	e, err := c.Epochs.BumpEpoch(c.ctx, subject)
	c.ok(err, "BumpEpoch")
	return e
}

// raise raises subject's NotBefore, which must succeed.
func (c *trial) raise(subject string, t time.Time) tokenauth.Epoch {
	e, err := c.Epochs.RaiseNotBefore(c.ctx, subject, t)
	c.ok(err, "RaiseNotBefore")
	return e
}

func epochZero(c *trial) {
	c.bump("bob")
	for _, subject := range []string{"alice", tokenauth.Everyone} {
		c.holds(c.epoch(subject) == tokenauth.Epoch{}, "Epoch of a subject that was never moved: %+v", c.epoch(subject))
	}
}

func epochBump(c *trial) {
	at := c.clock.Now()
	c.raise("alice", at)
	for version := range int64(3) {
		c.isEpoch("BumpEpoch", c.bump("alice"), version+1, at)
		c.hasEpoch("Epoch after BumpEpoch", "alice", version+1, at)
	}
	c.hasEpoch("Epoch of another", "bob", 0, time.Time{})
}

func epochBumpTogether(c *trial) {
	const atATime = 8
	for round := range c.races/10 + 1 {
		seen := make([]int64, atATime)
		errs := atOnce(atATime, func(i int) error {
			e, err := c.Epochs.BumpEpoch(c.ctx, "alice")
			seen[i] = e.MinVersion
			return err
		})
		once := map[int64]bool{}
		for i, err := range errs {
			c.ok(err, "BumpEpoch")
			c.holds(!once[seen[i]], "two BumpEpochs return MinVersion %d", seen[i])
			once[seen[i]] = true
		}
		c.hasEpoch("Epoch after several BumpEpochs at once", "alice", int64(round+1)*atATime, time.Time{})
	}
}

func epochNotBefore(c *trial) {
	now := c.clock.Now()
	c.bump("alice")
	c.isEpoch("RaiseNotBefore", c.raise("alice", now.Add(-time.Hour)), 1, now.Add(-time.Hour))
	c.isEpoch("RaiseNotBefore, later", c.raise("alice", now.Add(-time.Minute)), 1, now.Add(-time.Minute))
	c.isEpoch("RaiseNotBefore, earlier", c.raise("alice", now.Add(-time.Hour)), 1, now.Add(-time.Minute))
	c.hasEpoch("Epoch after RaiseNotBefore to an earlier moment", "alice", 1, now.Add(-time.Minute))
	fraction := now.Add(999_999_999 * time.Nanosecond).In(time.FixedZone("east", 3*3600))
	c.isEpoch("RaiseNotBefore, with a fraction", c.raise("alice", fraction), 1, now)
	c.hasEpoch("Epoch after RaiseNotBefore with a fraction", "alice", 1, now)
	c.hasEpoch("Epoch of another", "bob", 0, time.Time{})
}

func epochNotBeforeTogether(c *trial) {
	for range c.races/10 + 1 {
		now := c.clock.Now()
		errs := atOnce(8, func(i int) error {
			_, err := c.Epochs.RaiseNotBefore(c.ctx, "alice", now.Add(-time.Duration(i)*time.Second))
			return err
		})
		for _, err := range errs {
			c.ok(err, "RaiseNotBefore")
		}
		c.hasEpoch("Epoch after several RaiseNotBefores at once", "alice", 0, now)
		c.clock.move(time.Minute)
	}
}

func epochAhead(c *trial) {
	start := c.clock.Now()
	c.raise("alice", start.Add(5*time.Second))
	c.hasEpoch("Epoch after RaiseNotBefore to 5 s ahead", "alice", 0, start.Add(5*time.Second))
	ahead := map[string]time.Time{"6 s ahead": start.Add(6 * time.Second), "a year ahead": start.Add(365 * day)}
	maps.Copy(ahead, noMoments)
	for what, t := range ahead {
		for _, subject := range []string{"alice", "bob", tokenauth.Everyone} {
			_, err := c.Epochs.RaiseNotBefore(c.ctx, subject, t)
			c.is(err, tokenauth.ErrInvalidRequest, "RaiseNotBefore, "+what)
		}
	}
	c.hasEpoch("Epoch after what was refused", "alice", 0, start.Add(5*time.Second))
	c.hasEpoch("Epoch of another after what was refused", "bob", 0, time.Time{})
	c.clock.move(time.Second)
	c.raise("alice", start.Add(6*time.Second))
	c.hasEpoch("Epoch after RaiseNotBefore a second later", "alice", 0, start.Add(6*time.Second))
}

func epochEveryone(c *trial) {
	now := c.clock.Now()
	c.raise("early", now.Add(-time.Hour))
	c.raise("late", now)
	c.bump("bumped")
	c.isEpoch("RaiseNotBefore of everyone", c.raise(tokenauth.Everyone, now.Add(-time.Minute)), 0, now.Add(-time.Minute))

	c.hasEpoch("Epoch of everyone", tokenauth.Everyone, 0, now.Add(-time.Minute))
	c.hasEpoch("Epoch of a subject never moved", "never", 0, now.Add(-time.Minute))
	c.hasEpoch("Epoch of a subject moved to before", "early", 0, now.Add(-time.Minute))
	c.hasEpoch("Epoch of a subject moved to after", "late", 0, now)
	c.hasEpoch("Epoch of a subject bumped", "bumped", 1, now.Add(-time.Minute))
	c.isEpoch("BumpEpoch under everyone's NotBefore", c.bump("bumped"), 2, now.Add(-time.Minute))
	c.isEpoch("RaiseNotBefore under everyone's", c.raise("early", now.Add(-time.Hour)), 0, now.Add(-time.Minute))

	_, err := c.Epochs.BumpEpoch(c.ctx, tokenauth.Everyone)
	c.is(err, tokenauth.ErrInvalidRequest, "BumpEpoch of everyone")
	c.hasEpoch("Epoch of everyone after BumpEpoch of everyone", tokenauth.Everyone, 0, now.Add(-time.Minute))
}

func epochNames(c *trial) {
	subjects := names(tokenauth.CheckSubject)
	for i, subject := range subjects {
		if subject == tokenauth.Everyone {
			continue
		}
		c.hasEpoch("Epoch of "+quote(subject)+" before it was moved", subject, 0, time.Time{})
		for range i%3 + 1 {
			c.bump(subject)
		}
	}
	for i, subject := range subjects {
		if subject != tokenauth.Everyone {
			c.hasEpoch("Epoch of "+quote(subject), subject, int64(i%3+1), time.Time{})
		}
	}
}

func epochChecks(c *trial) {
	for _, subject := range ill(tokenauth.CheckSubject) {
		_, err := c.Epochs.Epoch(c.ctx, subject)
		c.is(err, tokenauth.ErrInvalidRequest, "Epoch of "+quote(subject))
		_, err = c.Epochs.BumpEpoch(c.ctx, subject)
		c.is(err, tokenauth.ErrInvalidRequest, "BumpEpoch of "+quote(subject))
		_, err = c.Epochs.RaiseNotBefore(c.ctx, subject, c.clock.Now())
		c.is(err, tokenauth.ErrInvalidRequest, "RaiseNotBefore of "+quote(subject))
	}
	c.isEpoch("BumpEpoch of the longest subject", c.bump(session255().subject), 1, time.Time{})
}

// epochCalls are all methods of an EpochWriter.
func (c *trial) epochCalls() []call {
	now := c.clock.Now()
	return []call{
		{"Epoch", func(ctx context.Context) error { _, err := c.Epochs.Epoch(ctx, "alice"); return err }},
		{"BumpEpoch", func(ctx context.Context) error { _, err := c.Epochs.BumpEpoch(ctx, "alice"); return err }},
		{"RaiseNotBefore", func(ctx context.Context) error { _, err := c.Epochs.RaiseNotBefore(ctx, "alice", now); return err }},
		{"RaiseNotBefore of everyone", func(ctx context.Context) error {
			_, err := c.Epochs.RaiseNotBefore(ctx, tokenauth.Everyone, now)
			return err
		}},
	}
}

func epochsContext(c *trial) {
	c.gone(c.epochCalls())
	c.hasEpoch("Epoch after calls whose context had ended", "alice", 0, time.Time{})
}

func epochsErrors(c *trial) {
	for _, text := range []string{canary + "\x00", canary + strings.Repeat("x", 300)} {
		_, err := c.Epochs.Epoch(c.ctx, text)
		c.quiet(err, "Epoch")
		_, err = c.Epochs.BumpEpoch(c.ctx, text)
		c.quiet(err, "BumpEpoch")
		_, err = c.Epochs.RaiseNotBefore(c.ctx, text, c.clock.Now())
		c.quiet(err, "RaiseNotBefore")
	}
	_, err := c.Epochs.RaiseNotBefore(c.ctx, canary, c.clock.Now().Add(time.Hour))
	c.quiet(err, "RaiseNotBefore")
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	_, err = c.Epochs.BumpEpoch(ended, canary)
	c.quiet(err, "BumpEpoch")
}
