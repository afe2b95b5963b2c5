//go:build unix

package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A history is what was revoked when, while the server is killed, stopped and cut off by a plan that a seed makes, and transactions are held
// open. Every check is held against it: none that begins after Revoke has returned and the bound is over may accept.
type past struct {
	mu       sync.Mutex
	tokens   []*life
	checks   int
	accepted int
	wrong    []string
}

// A life is one token's.
type life struct {
	victim
	revoked time.Time // when Revoke had returned nil; zero: it has not
}

func TestFleetHistory(t *testing.T) {
	for name, newServer := range servers {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				f := newFleet(t, s, 6)
				p := &past{}
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() { f.write(ctx, p, rand.New(rand.NewPCG(seed, 1))) })
				for n := range uint64(2) {
					all.Go(func() { f.check(ctx, p, rand.New(rand.NewPCG(seed, 2+n))) })
				}
				if pg, ok := s.(*postgres); ok {
					all.Go(func() { pg.hold(ctx, rand.New(rand.NewPCG(seed, 9))) })
				}
				f.disturb(time.Now().Add(*history), rand.New(rand.NewPCG(seed, 0)))
				time.Sleep(*staleness) // in peace
				cancel()
				all.Wait()

				require.Empty(t, p.wrong)
				revoked := 0
				for _, l := range p.tokens {
					if !l.revoked.IsZero() {
						revoked++
					}
				}
				t.Logf("%d tokens, %d of them revoked, %d checks, %d accepted", len(p.tokens), revoked, p.checks, p.accepted)
				require.NotZero(t, revoked)
				require.NotZero(t, p.accepted)
			})
		}
	}
}

// write mints and revokes. A revocation that failed is called again until it has not.
func (f *fleet) write(ctx context.Context, p *past, r *rand.Rand) {
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		if r.IntN(2) == 0 {
			if v, err := f.issue(limited); err == nil {
				p.mu.Lock()
				p.tokens = append(p.tokens, &life{victim: v})
				p.mu.Unlock()
			}
		} else if l := p.one(r); l != nil && l.revoked.IsZero() {
			if err := f.revoke(limited, l.victim); err == nil {
				p.mu.Lock()
				l.revoked = time.Now()
				p.mu.Unlock()
			}
		}
		cancel()
		time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
	}
}

// one returns one of the latest tokens, or nil.
func (p *past) one(r *rand.Rand) *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) == 0 {
		return nil
	}
	return p.tokens[max(0, len(p.tokens)-1-r.IntN(200))]
}

// check verifies tokens at members and holds the answers against the past.
func (f *fleet) check(ctx context.Context, p *past, r *rand.Rand) {
	for ctx.Err() == nil {
		l := p.one(r)
		if l == nil {
			time.Sleep(time.Millisecond)
			continue
		}
		p.mu.Lock()
		revoked := l.revoked
		p.mu.Unlock()
		began := time.Now()
		_, err := f.members[r.IntN(len(f.members))].verifier.Verify(ctx, l.token)
		p.mu.Lock()
		p.checks++
		switch {
		case err == nil:
			p.accepted++
			if !revoked.IsZero() && began.Sub(revoked) > *staleness {
				p.wrong = append(p.wrong, fmt.Sprintf("accepted %v after it was revoked", began.Sub(revoked)))
			}
		case errors.Is(err, tokenauth.ErrUnavailable), errors.Is(err, tokenauth.ErrRevoked): // whose Revoke may just be on its way
		default:
			p.wrong = append(p.wrong, err.Error())
		}
		p.mu.Unlock()
		time.Sleep(200 * time.Microsecond)
	}
}

// disturb treats server and lines badly until a moment, and leaves them well.
func (f *fleet) disturb(until time.Time, r *rand.Rand) {
	pause := func() { time.Sleep(time.Duration(r.Int64N(int64(*staleness)))) }
	for time.Now().Before(until) {
		switch r.IntN(5) {
		case 0:
			f.server.freeze()
			pause()
			f.server.thaw()
		case 1:
			f.server.kill()
			pause()
			f.server.start()
		case 2:
			f.cut(f.ears)
			pause()
			f.mend(f.ears)
		case 3:
			f.cut(f.lines)
			pause()
			f.mend(f.lines)
		case 4:
			f.lines.Stop() // connections are reset, and refused
			pause()
			require.NoError(f.t, f.lines.Start())
		}
		pause()
	}
}
