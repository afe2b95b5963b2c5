package tokenapi

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The built-in limiter lets each owner ask for ten things a second, a hundred at once, with all its tokens together: a token that makes
// others, each of which is a subject of its own, gets no more by it. It has room for a fixed number of owners and never forgets one to
// make room for another: owners share a slot, by a hash that nobody outside can compute. Two that share one are limited together,
// which is rarely felt; in no case is there more than the limit.
//
// Revoking is not limited, but being refused is: whoever may not end a token may have made the store look at a whole family to find that
// out. Ten such refusals in a row, and then one a second, are free to an owner; beyond that only what can be decided by the record alone
// is looked at. The refusals are counted apart, so that whoever floods the rest takes nothing away from revoking.

const (
	slots    = 1 << 14
	interval = time.Second / 10
	burst    = 100 * interval
	refusal  = 10 * interval // what a refused revocation costs
)

// A limiter counts. Each slot holds the moment, in nanoseconds, until which what was asked for is paid: every request adds an
// interval, and it may lie at most a burst ahead.
type limiter struct {
	now  func() time.Time
	seed maphash.Seed
	paid [slots]atomic.Int64
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, seed: maphash.MakeSeed()}
}

// take lets whoever the key stands for ask for one more thing of that cost, or says when it may again.
func (l *limiter) take(key string, cost time.Duration) error {
	slot := l.slot(key)
	for {
		old, now := slot.Load(), l.now().UnixNano()
		full := now + int64(burst)
		if old > full+int64(time.Second) { // it was written before the clock was set back
			slot.CompareAndSwap(old, full)
			continue
		}
		paid := max(old, now) + int64(cost)
		if over := paid - full; over > 0 {
			return &problem{
				status: http.StatusTooManyRequests, code: "rate_limited", message: "Too many requests. Try again later.",
				retryAfter: time.Duration(over),
			}
		}
		if slot.CompareAndSwap(old, paid) {
			return nil
		}
	}
}

// giveBack undoes a take.
func (l *limiter) giveBack(key string, cost time.Duration) { l.slot(key).Add(-int64(cost)) }

// slot returns where the key is counted.
func (l *limiter) slot(key string) *atomic.Int64 { return &l.paid[maphash.String(l.seed, key)%slots] }

// charge asks whether the caller may ask for one more thing now.
func (a *API) charge(r *http.Request, c *caller) error {
	if a.cfg.Limit != nil {
		if err := a.cfg.Limit(r, c.principal); err != nil {
			return tooFast(err)
		}
		return nil
	}
	owner, err := a.payer(r.Context(), c)
	if err != nil {
		return err
	}
	return a.limiter.take(owner, interval)
}

// payer returns by whom the caller is counted: the owner of its token; for one without record, its subject.
func (a *API) payer(ctx context.Context, c *caller) (string, error) {
	owner, err := a.ownerOf(ctx, c)
	if errors.Is(err, tokenauth.ErrRevoked) {
		return c.principal.Subject(), nil
	}
	return owner, err
}

// revokeWithin revokes for a caller who has been refused too often only what the record alone says it may.
func (a *API) revokeWithin(ctx context.Context, c *caller, id, reason string) (int, error) {
	owner, err := a.payer(ctx, c)
	if err != nil {
		return 0, err
	}
	tooMany := a.refusals.take(owner, refusal)
	if tooMany != nil {
		if may, err := a.mayPlainly(ctx, c, id); err != nil {
			return 0, err
		} else if !may {
			return 0, tooMany
		}
	}
	n, err := a.cfg.Issuer.Revoke(ctx, c.principal, id, reason)
	if tooMany == nil && err == nil {
		a.refusals.giveBack(owner, refusal)
	}
	return n, err
}

// mayPlainly says whether it takes at most the record itself to see that the caller may revoke it.
func (a *API) mayPlainly(ctx context.Context, c *caller, id string) (bool, error) {
	if c.principal.TokenID() == id || c.principal.Satisfies(kindToken, id, tokenauth.LevelWrite) {
		return true, nil
	}
	if !c.session {
		return false, nil
	}
	t, err := a.load(ctx, id)
	if errors.Is(err, tokenauth.ErrNotFound) {
		return false, nil
	}
	return err == nil && c.isWhose(t), err
}

// tooFast says what the refusal of a limiter means to the caller.
func tooFast(err error) error {
	if p := new(problem); errors.As(err, &p) {
		return err
	}
	if errors.Is(err, tokenauth.ErrUnavailable) {
		return &problem{status: http.StatusServiceUnavailable, code: "unavailable"}
	}
	return &problem{
		status: http.StatusTooManyRequests, code: "rate_limited", message: "Too many requests. Try again later.",
		retryAfter: time.Second,
	}
}
