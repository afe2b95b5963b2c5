//go:build unix

package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/replica"
)

// How soon a revocation is seen by everybody, and that nobody believes a token for longer than the bound.
func TestFleetSeesRevocations(t *testing.T) {
	for name, newServer := range servers {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, newServer(t), *verifiers)
			t.Run("woken", func(t *testing.T) { f.measure(t, *revocations) })
			t.Run("wake-ups cut", func(t *testing.T) {
				f.cut(f.ears)
				defer f.mend(f.ears)
				f.measure(t, *revocations/4)
			})
		})
	}
}

// A log is when each revocation was acknowledged, and when one member has learnt of each. Nobody asks in order to write it, since whoever
// asks sixty-four members again and again takes the time from them that is to be measured: a member's source writes down the moment when it
// has handed over a change and the replica, asked, says from its memory that the token is dead.
type log struct {
	*acks
	learnt []atomic.Int64 // by number, as in acks
}

// acks is what all logs have in common. Moments are nanoseconds since began; 0: not yet.
type acks struct {
	began   time.Time
	numbers map[string]int // of ids
	acked   []atomic.Int64 // when Revoke had returned, by number
	count   atomic.Int64   // how many it has
	open    atomic.Int64   // pairs of a revocation and a member that has not learnt of it
	all     chan struct{}  // closed when there is none
}

func newAcks(victims []victim, members int) *acks {
	a := &acks{
		began: time.Now(), numbers: make(map[string]int, len(victims)), acked: make([]atomic.Int64, len(victims)), all: make(chan struct{}),
	}
	for i, v := range victims {
		a.numbers[v.id] = i
	}
	a.open.Store(int64(len(victims) * members))
	return a
}

func (a *acks) now() int64 { return int64(time.Since(a.began)) }

// learn writes down that a replica has learnt of a token's death, if it has.
func (l *log) learn(ctx context.Context, r *replica.Replica, id string) {
	i, ours := l.numbers[id]
	if !ours || l.learnt[i].Load() != 0 {
		return
	}
	if dead, err := r.IsRevoked(ctx, id); !dead || err != nil {
		return
	}
	l.learnt[i].Store(l.now())
	if l.open.Add(-1) == 0 {
		close(l.all)
	}
}

// measure revokes tokens, and looks how long it takes until each member knows each: the bound at most, and no check that began later may
// say anything else.
func (f *fleet) measure(t *testing.T, count int) {
	victims := f.issueAll(count)
	a := newAcks(victims, len(f.members))
	logs := make([]*log, len(f.members))
	for i, m := range f.members {
		logs[i] = &log{a, make([]atomic.Int64, count)}
		m.log.Store(logs[i])
		defer m.log.Store(nil)
	}
	watching, cancel := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	var s samples
	watch.Go(func() { s = f.sample(watching, victims, logs) })
	f.revokeAt(t, victims, a)
	lasted := time.Duration(a.now())
	select {
	case <-a.all:
	case <-time.After(*staleness + time.Second): // what is not known by then is past the bound
	}
	cancel()
	watch.Wait()

	var seen []time.Duration
	wrong := s.wrong
	for n, m := range f.members {
		for i, v := range victims {
			if learnt := logs[n].learnt[i].Load(); learnt == 0 {
				wrong.unseen++
			} else if seen = append(seen, time.Duration(learnt-a.acked[i].Load())); seen[len(seen)-1] > *staleness {
				wrong.seenLate++
			}
			if dead, err := m.replica.IsRevoked(t.Context(), v.id); !dead || err != nil {
				wrong.unknown++
			}
		}
	}
	require.Equal(t, faults{}, wrong)
	slices.Sort(seen)
	at := func(part float64) time.Duration {
		return seen[int(part*float64(len(seen)-1))].Round(100 * time.Microsecond)
	}
	t.Logf("%d verifiers, %d revocations at %.1f/s, MaxStaleness %v: seen after %v (p50), %v (p99), %v (max); %v",
		len(f.members), count, float64(count)/lasted.Seconds(), *staleness, at(0.5), at(0.99), at(1), s)
}

// revokeAt revokes tokens, as many a second as are to be: where one took longer, the next come sooner.
func (f *fleet) revokeAt(t *testing.T, victims []victim, a *acks) {
	t.Helper()
	first := time.Now()
	for i, v := range victims {
		time.Sleep(time.Until(first.Add(time.Duration(i+1) * time.Second / time.Duration(*rate))))
		require.NoError(t, f.revoke(t.Context(), v))
		a.acked[i].Store(a.now())
		a.count.Add(1)
	}
}

// faults is how often the bound did not hold.
type faults struct {
	unseen   int // pairs of a revocation and a member that has not learnt of it
	seenLate int // of those, that learnt of it after the bound
	unknown  int // of those, that does not know it at the end
	late     int // checks that began after the bound and did not know
	forgot   int // checks that did not know any more
}

// samples is what came of checks.
type samples struct {
	checks, early int
	wrong         faults
}

func (s samples) String() string {
	return fmt.Sprintf("%d random checks, %d of them sooner than it was known", s.checks, s.early)
}

// sample asks a member about a revoked token, a thousand times a second, both at random, the later tokens more often.
func (f *fleet) sample(ctx context.Context, victims []victim, logs []*log) (s samples) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return s
		case <-pace.C:
		}
		acked := int(logs[0].count.Load())
		if acked == 0 {
			continue
		}
		i, n := acked-1-rand.IntN(1+rand.IntN(acked)), rand.IntN(len(logs))
		known, began := logs[n].learnt[i].Load() != 0, logs[n].now()
		dead, err := f.members[n].replica.IsRevoked(f.t.Context(), victims[i].id)
		s.checks++
		switch {
		case dead || err != nil && !known:
		case known:
			s.wrong.forgot++
		case began-logs[n].acked[i].Load() > int64(*staleness):
			s.wrong.late++
		default:
			s.early++
		}
	}
}
