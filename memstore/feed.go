package memstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The feed is all that has died, in the order in which it did, so that a replica somewhere else can know it too: each revoked or retired
// record, each session that was ended before its time, and each epoch. What dies further, a retired token that is revoked, an epoch that
// moves again, moves to the end. So what a reader has not seen lies behind where it stopped, however long it was away, and nothing is kept
// for the sake of readers.
//
// A death leaves with what it is of: a token's with its record, by DeleteExpired; a session's some time after its until; an epoch's never.

// keepEnded is how long the death of a session outlives the until of its tokens: longer than a replica with another clock may ask for it.
const keepEnded = 10 * time.Minute

// A mortal is what has deaths: a record, an ended session, an epoch.
type mortal interface {
	change() tokenauth.Change
}

// A death is a place in the feed.
type death struct {
	seq uint64
	of  mortal
}

// A feed keeps deaths in order. Whoever calls its methods holds the store's lock.
type feed struct {
	generation string // of this store: a cursor of another one means nothing here
	last       uint64 // the highest number given
	bySeq      ordered[*death]
	waiting    chan struct{} // closed by the next death; nil: nobody waits
}

func newFeed() feed {
	return feed{
		generation: rand.Text(),
		bySeq:      ordered[*death]{compare: func(a, b *death) int { return cmp.Compare(a.seq, b.seq) }},
	}
}

// append puts a death at the end, in place of an old one, which may be nil, and wakes who waits. It returns what to remember it by.
func (f *feed) append(old *death, of mortal) *death {
	f.drop(old)
	f.last++
	d := &death{f.last, of}
	f.bySeq.insert(d)
	if f.waiting != nil {
		close(f.waiting)
		f.waiting = nil
	}
	return d
}

// drop forgets a death, which may be nil.
func (f *feed) drop(d *death) {
	if d != nil {
		f.bySeq.remove(d)
	}
}

// position returns the number that a cursor stands for, and whether it is a cursor of this feed.
func (f *feed) position(c tokenauth.Cursor) (uint64, bool) {
	if c == "" {
		return 0, true
	}
	generation, number, _ := strings.Cut(string(c), ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, err == nil && generation == f.generation && seq <= f.last && c == f.cursor(seq)
}

// cursor returns the cursor for a number.
func (f *feed) cursor(seq uint64) tokenauth.Cursor {
	return tokenauth.Cursor(f.generation + ":" + strconv.FormatUint(seq, 10))
}

// Changes implements tokenauth.Source. It reads a batch at a time, holds no lock while the caller's loop body runs, and goes on until it
// has come to the end: what moves there meanwhile is met there. ErrStaleCursor: since is none of this store's.
func (s *Store) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		since := since // each iteration begins anew
		var page []tokenauth.Change
		for more := true; more; {
			var err error
			if page, since, more, err = s.changes(ctx, since, page[:0]); err != nil {
				yield(tokenauth.Change{}, err)
				return
			}
			for _, change := range page {
				if !yield(change, nil) {
					return
				}
			}
		}
		yield(tokenauth.Change{Next: since}, nil)
	}
}

// changes puts the next deaths on an empty page, and returns it, the cursor behind them, and whether there are more.
func (s *Store) changes(
	ctx context.Context, since tokenauth.Cursor, page []tokenauth.Change,
) (_ []tokenauth.Change, next tokenauth.Cursor, more bool, err error) {
	if err := s.check(ctx); err != nil {
		return nil, "", false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	seq, ok := s.feed.position(since)
	if !ok {
		return nil, "", false, fmt.Errorf("memstore: %w", tokenauth.ErrStaleCursor)
	}
	for d := range s.feed.bySeq.from(&death{seq: seq + 1}) {
		if len(page) == batch {
			return page, s.feed.cursor(seq), true, nil
		}
		page = append(page, d.of.change())
		seq = d.seq
	}
	return page, s.feed.cursor(s.feed.last), false, nil
}

// Wait implements tokenauth.Source: it is woken by the next death. A cursor that is none of this store's does not wait: Changes will say
// so.
func (s *Store) Wait(ctx context.Context, since tokenauth.Cursor) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	woken := s.woken(since)
	if woken == nil {
		return nil
	}
	select {
	case <-woken:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("memstore: %w", ctx.Err())
	}
}

// woken returns what the next death closes, or nil if since has not seen the last one.
func (s *Store) woken(since tokenauth.Cursor) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq, ok := s.feed.position(since); !ok || seq < s.feed.last {
		return nil
	}
	if s.feed.waiting == nil {
		s.feed.waiting = make(chan struct{})
	}
	return s.feed.waiting
}
