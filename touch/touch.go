// Package touch tells a store which tokens are in use, a few statements every 15 seconds instead of one with every request.
//
//	toucher, err := touch.New(store, touch.Config{})
//	...
//	go toucher.Run(ctx)
//	...
//	p, err := verifier.Verify(ctx, token)
//	if err == nil {
//		toucher.Touch(p.TokenID())
//	}
//
// Behind httpauth or grpcauth the principal is that of tokenauth.PrincipalFrom(ctx).
//
// It is for people who look for tokens that nobody uses any more, and promises no more than they need. LastUsedAt is as exact as
// Config.Every, and is not moved again for a minute. What was not written yet when the process is killed is forgotten, and so is what comes
// in while more tokens are in use than Config.Tokens; Stats counts that. Nothing that decides about a token may look at LastUsedAt.
//
// A Toucher never delays a request: Touch takes a lock under which there is no more to do than some steps in maps, and never waits for the
// store.
package touch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// A Store is what a Toucher writes to. All stores of tokenauth are one. Touch moves the LastUsedAt of ids forward to at, and skips ids that
// it does not know.
type Store interface {
	Touch(ctx context.Context, at time.Time, ids ...string) error
}

// Bounds of a Config, and of what a Toucher does.
const (
	MinEvery, MaxEvery     = time.Second, time.Minute           // of Config.Every
	MinTimeout, MaxTimeout = 10 * time.Millisecond, time.Minute // of Config.Timeout
	MaxTokens              = 1 << 20                            // of Config.Tokens, and then of some 150 MB

	BatchSize = 500         // ids of one call of the store, at most
	Rest      = time.Minute // for which an id that was written is not written again
)

// A Config configures a Toucher. The zero Config is ready for use.
type Config struct {
	// Now is the clock; nil: time.Now. It must be safe for concurrent use.
	Now func() time.Time
	// Every is the pause between two flushes, from MinEvery to MaxEvery; 0: 15 s.
	Every time.Duration
	// Timeout bounds each flush, the last one after the end of Run's context included, from MinTimeout to MaxTimeout; 0: 5 s.
	Timeout time.Duration
	// Tokens is how many ids are remembered, of those that wait to be written and those written within the last minute together, at most
	// MaxTokens; 0: 65,536. What comes beyond that is dropped and counted.
	Tokens int
	// OnError, if set, is called by Run with the error of each flush that failed.
	OnError func(error)
}

// Stats are what a Toucher has come to.
type Stats struct {
	Waiting  int    // ids that wait to be written
	Written  uint64 // ids that were written, each time
	Dropped  uint64 // uses that were forgotten, because too many ids were remembered already
	Failures uint64 // flushes that failed
}

// A Toucher collects the ids of tokens in use. It is safe for concurrent use. Make it with New; the zero Toucher forgets everything it is
// told.
type Toucher struct {
	store Store
	cfg   Config

	mu      sync.Mutex
	running bool
	marked  map[string]time.Time // in use at, and not written yet
	flight  map[string]time.Time // those of marked that are being written; nobody changes this map, so that it may be read without mu
	left    int                  // how many of flight are still to be written
	written map[string]struct{}  // less than Rest ago
	rests   []rest               // the same, in the order in which they were written
	stats   Stats
}

// A rest is when an id was written.
type rest struct {
	id string
	at time.Time
}

// New returns a Toucher that writes to store. The error names every field of cfg that is wrong.
func New(store Store, cfg Config) (*Toucher, error) {
	cfg.Every = cmp.Or(cfg.Every, 15*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.Tokens = cmp.Or(cfg.Tokens, 65_536)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	var problems []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf("touch: "+format, args...))
		}
	}
	refuse(isNil(store), "store: nil")
	refuse(cfg.Every < MinEvery || cfg.Every > MaxEvery, "Config.Every: not between %v and %v", MinEvery, MaxEvery)
	refuse(cfg.Timeout < MinTimeout || cfg.Timeout > MaxTimeout, "Config.Timeout: not between %v and %v", MinTimeout, MaxTimeout)
	refuse(cfg.Tokens < 1 || cfg.Tokens > MaxTokens, "Config.Tokens: not between 1 and %d", MaxTokens)
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	return &Toucher{store: store, cfg: cfg, marked: map[string]time.Time{}, written: map[string]struct{}{}}, nil
}

// isNil says whether store is nothing, or a nil pointer in an interface.
func isNil(store Store) bool {
	v := reflect.ValueOf(store)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// Touch notes that the token is in use now. It does nothing for an id that no store can hold, the empty one of a token without record
// among them.
func (t *Toucher) Touch(id string) {
	if t.store == nil || tokenauth.CheckID("id", id) != nil {
		return
	}
	now := t.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.written[id]; ok {
		return
	}
	if _, ok := t.flight[id]; ok {
		return
	}
	if _, ok := t.marked[id]; ok {
		t.marked[id] = now
		return
	}
	if len(t.marked)+t.left+len(t.written) >= t.cfg.Tokens {
		t.stats.Dropped++
		return
	}
	t.marked[strings.Clone(id)] = now // or a whole token would be kept for the sake of its id
}

// Stats returns what the Toucher has come to by now.
func (t *Toucher) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Waiting = len(t.marked) + t.left
	return s
}

// Run writes what was touched, every Config.Every and once more when ctx has ended, then for Config.Timeout at most. It returns ctx's
// error. What the store did not take waits for the next flush. Run it once at a time, in a goroutine of the caller's; a second one is
// refused.
func (t *Toucher) Run(ctx context.Context) error {
	if t.store == nil {
		return errors.New("touch: the Toucher was not made by New")
	}
	if !t.begin() {
		return errors.New("touch: Run is running already")
	}
	defer t.end()
	ticker := time.NewTicker(t.cfg.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := t.flush(ctx); ctx.Err() == nil { // otherwise it was cut off, and the last one is still to come
				t.report(err)
			}
		case <-ctx.Done():
			t.report(t.flush(context.WithoutCancel(ctx)))
			return ctx.Err()
		}
	}
}

func (t *Toucher) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	began := !t.running
	t.running = true
	return began
}

func (t *Toucher) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running = false
}

// report counts a failure, and tells it.
func (t *Toucher) report(err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	t.stats.Failures++
	t.mu.Unlock()
	if t.cfg.OnError != nil {
		t.cfg.OnError(err)
	}
}

// flush writes what is marked, and gives up at the first error: a store in trouble is not asked a hundred times. All that it does under the
// lock is for BatchSize ids at a time.
func (t *Toucher) flush(ctx context.Context) error {
	t.forget()
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	t.mu.Lock()
	t.flight, t.left, t.marked = t.marked, len(t.marked), map[string]time.Time{}
	t.mu.Unlock()

	batches := t.batches(t.flight)
	for i, batch := range batches {
		if err := t.store.Touch(ctx, t.latest(batch), batch...); err != nil {
			t.keep(batches[i:])
			return fmt.Errorf("touch: %w", err)
		}
		t.rest(batch)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight = nil
	return nil
}

// batches returns the ids of a flush as the store gets them: used at about the same time, BatchSize at most, and sorted, so that two
// processes that write the same ids do not lock each other out. After an outage an id is written as used when it was, and not now.
func (t *Toucher) batches(used map[string]time.Time) [][]string {
	periods := map[int64][]string{}
	for id, at := range used {
		period := at.UnixNano() / int64(t.cfg.Every)
		periods[period] = append(periods[period], id)
	}
	var all [][]string
	for _, period := range slices.Sorted(maps.Keys(periods)) {
		ids := periods[period]
		slices.Sort(ids)
		all = slices.AppendSeq(all, slices.Chunk(ids, BatchSize))
	}
	return all
}

// latest returns when the last of ids was used. They are in flight.
func (t *Toucher) latest(ids []string) time.Time {
	latest := t.flight[ids[0]]
	for _, id := range ids {
		if at := t.flight[id]; at.After(latest) {
			latest = at
		}
	}
	return latest
}

// rest notes that ids were written.
func (t *Toucher) rest(ids []string) {
	now := t.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Written += uint64(len(ids))
	t.left -= len(ids)
	for _, id := range ids {
		t.written[id] = struct{}{}
		t.rests = append(t.rests, rest{id, now})
	}
}

// forget drops the ids whose rest is over.
func (t *Toucher) forget() {
	over := func(now time.Time) int { // how many
		n := 0
		for n < min(len(t.rests), BatchSize) && now.Sub(t.rests[n].at) >= Rest {
			delete(t.written, t.rests[n].id)
			n++
		}
		return n
	}
	for more := true; more; {
		now := t.cfg.Now()
		t.mu.Lock()
		n := over(now)
		t.rests = t.rests[n:]
		more = n == BatchSize
		t.mu.Unlock()
	}
}

// keep puts back what was not written.
func (t *Toucher) keep(batches [][]string) {
	for _, batch := range batches {
		t.mu.Lock()
		for _, id := range batch {
			t.marked[id] = t.flight[id]
		}
		t.left -= len(batch)
		t.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight = nil
}
