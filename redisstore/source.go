package redisstore

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
)

// What has died is a set ordered by the seq of the write that said so last. A script counts and enters in one step and scripts run one at a
// time, so "after seq" is all that a reader has missed, however long it was away.
//
// That holds within one incarnation: a generation of the store on one run of the server as a primary. After a restart, or a failover and the
// way back from it, the numbers may have been given away anew, so a cursor names its incarnation and is refused in any other.

// feedPage is how many deaths are read in one step.
const feedPage = 2_000

// Changes implements tokenauth.Source. ErrStaleCursor: since is not of this run of the server and this generation. It reads 2,000 deaths at
// a time and holds nothing while the caller's loop body runs.
func (s *Store) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		at := since
		for {
			page, next, more, err := s.feed(ctx, at, feedPage)
			if err != nil {
				yield(tokenauth.Change{}, err)
				return
			}
			for _, change := range page {
				if !yield(change, nil) {
					return
				}
			}
			if at = next; !more {
				break
			}
		}
		if err := gone(ctx); err != nil { // while the loop body ran: the cursor would be for nobody
			yield(tokenauth.Change{}, unavailable("the caller has gone", err))
			return
		}
		yield(tokenauth.Change{Next: at}, nil)
	}
}

// Wait implements tokenauth.Source: it returns when something dies after since, woken by a message of the server.
func (s *Store) Wait(ctx context.Context, since tokenauth.Cursor) error {
	if err := s.inUse(ctx); err != nil {
		return waited(ctx, err)
	}
	listener := s.client.SSubscribe(ctx, s.base+"wake")
	defer func() { _ = listener.Close() }()
	// The client looks at a deadline while it listens, and at nothing else.
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	if _, err := listener.Receive(ctx); err != nil { // that it listens
		return waited(ctx, clientError(ctx, "listening", err))
	}
	// Only now: what came before it listened woke nobody.
	page, _, _, err := s.feed(ctx, since, 1)
	if err != nil || len(page) > 0 {
		if errors.Is(err, tokenauth.ErrStaleCursor) {
			err = nil // there is something to be read
		}
		return waited(ctx, err)
	}
	for {
		message, err := listener.Receive(ctx)
		if err != nil {
			return waited(ctx, clientError(ctx, "listening", err))
		}
		if _, ok := message.(*redis.Message); ok {
			return nil
		}
	}
}

// waited is the end of waiting: where ctx has ended that is why.
func waited(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if over := gone(ctx); over != nil {
		return over
	}
	return err
}

// feed returns at most limit of the deaths after a cursor, where to go on, and whether there may be more.
func (s *Store) feed(ctx context.Context, since tokenauth.Cursor, limit int) (
	page []tokenauth.Change, next tokenauth.Cursor, more bool, err error,
) {
	incarnation, seq, err := parseCursor(since)
	if err != nil {
		return nil, "", false, err
	}
	r, err := s.run(ctx, changesScript, seq, limit)
	if err != nil {
		return nil, "", false, err
	}
	now := r.generation + "." + r.text(0)
	if since != "" && incarnation != now {
		return nil, "", false, tokenauth.ErrStaleCursor
	}
	members, rows := r.list(1), r.list(2)
	score, err := strconv.ParseFloat(r.text(3), 64)
	if err != nil || len(rows) != len(members) {
		return nil, "", false, damaged("reply")
	}
	page = make([]tokenauth.Change, len(members))
	for i, member := range members {
		if page[i], err = changeOf(text(member), text(rows[i])); err != nil {
			return nil, "", false, err
		}
	}
	return page, tokenauth.Cursor(now + "." + strconv.FormatInt(int64(score), 10)), len(page) == limit, nil
}

// parseCursor reads a cursor: generation, run and history of the server, and seq. The zero cursor is before everything.
func parseCursor(c tokenauth.Cursor) (incarnation string, seq int64, err error) {
	if c == "" {
		return "", 0, nil
	}
	last := strings.LastIndexByte(string(c), '.')
	if last < 0 {
		return "", 0, tokenauth.ErrStaleCursor
	}
	if seq, err = strconv.ParseInt(string(c[last+1:]), 10, 64); err != nil || seq < 0 {
		return "", 0, tokenauth.ErrStaleCursor
	}
	return string(c[:last]), seq, nil
}

// changeOf reads a row of the feed.
func changeOf(member, row string) (c tokenauth.Change, err error) {
	d, err := deathOf(row)
	if err != nil {
		return c, err
	}
	kind, name, _ := strings.Cut(member, ":")
	switch kind {
	case "0":
		return tokenauth.Change{TokenID: name, From: d.from, Until: d.until}, nil
	case "1":
		length, names, _ := strings.Cut(name, ":")
		if n, err := strconv.Atoi(length); err == nil && 0 <= n && n <= len(names) {
			return tokenauth.Change{Subject: names[:n], SessionID: names[n:], From: d.from, Until: d.until}, nil
		}
	case "2":
		return tokenauth.Change{Subject: name, Epoch: tokenauth.Epoch{MinVersion: d.version, NotBefore: d.from}}, nil
	}
	return c, damaged("feed")
}
