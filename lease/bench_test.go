package lease_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testkit"
	"github.com/a74cfa30/tokenauth/lease"
)

// A hundred thousand leases: what one takes, and how long after a death its context ends. The tokens are a thousand, since what a
// principal takes is not the lease's.
func BenchmarkHundredThousandLeases(b *testing.B) {
	const count = 100_000
	records := &memory{store: store{dead: map[string]bool{}}}
	s := newBench(b, func(cfg *tokenauth.VerifierConfig) { cfg.Revocation = records })
	principals := make([]*tokenauth.Principal, 1000)
	for i := range principals {
		principals[i] = s.principal(b, time.Hour)
	}
	const every = 2 * time.Second
	l, err := lease.New(s.verifier, lease.Config{Every: every, MaxStaleness: 10 * time.Second})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	for {
		if _, done, err := l.Lease(ctx, principals[0]); err == nil {
			done()
			break
		}
	}

	before := testkit.HeapInUse()
	leased := make([]context.Context, 0, count)
	for i := range count {
		c, _, err := l.Lease(ctx, principals[i%len(principals)])
		require.NoError(b, err)
		leased = append(leased, c)
	}
	perLease := float64(testkit.HeapInUse()-before) / count
	var late []time.Duration
	i := 0
	for b.Loop() { // one token of 100 leases dies at a time
		p := principals[i%len(principals)]
		records.revoke(p)
		began := time.Now()
		for n := i % len(principals); n < count; n += len(principals) {
			<-leased[n].Done()
		}
		late = append(late, time.Since(began))
		i++
	}
	b.ReportMetric(perLease, "B/lease")
	b.ReportMetric(float64(slices.Max(late).Milliseconds()), "latest-ms")
	b.ReportMetric(float64(every.Milliseconds()), "every-ms")
	b.ReportMetric(float64(l.Stats().Unavailable), "unanswered")
	cancel()
	require.ErrorIs(b, <-ended, context.Canceled)
}

// A memory is a store that answers from memory, and so without a timer.
type memory struct{ store }

func (*memory) AnswersFromMemory() {}
