package tokenapi

import (
	"errors"
	"hash/maphash"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The built-in limiter lets each subject ask for ten things a second, a hundred at once. It has room for a fixed number of subjects
// and never forgets one to make room for another: subjects share a slot, by a hash that nobody outside can compute. Two
// that share one are limited together, which is rarely felt; in no case is there more than the limit.

const (
	slots    = 1 << 14
	interval = time.Second / 10
	burst    = 100 * interval
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

// allow lets the subject ask for one more thing, or says when it may again.
func (l *limiter) allow(_ *http.Request, p *tokenauth.Principal) error {
	slot := &l.paid[maphash.String(l.seed, p.Subject())%slots]
	for {
		old, now := slot.Load(), l.now().UnixNano()
		full := now + int64(burst)
		if old > full+int64(time.Second) { // it was written before the clock was set back
			slot.CompareAndSwap(old, full)
			continue
		}
		paid := max(old, now) + int64(interval)
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
