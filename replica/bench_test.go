package replica_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testkit"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

// A bulk source yields what it is given, then nothing.
type bulk struct {
	*memstore.Store
	ids   []string
	until time.Time
	news  chan []string // more to yield
}

func (b *bulk) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	ids := b.ids
	if since != "" {
		select {
		case ids = <-b.news:
		default:
			ids = nil
		}
	}
	return func(yield func(tokenauth.Change, error) bool) {
		for _, id := range ids {
			if !yield(tokenauth.Change{TokenID: id, Until: b.until}, nil) {
				return
			}
		}
		yield(tokenauth.Change{Next: "next"}, nil)
	}
}

func (b *bulk) Wait(ctx context.Context, _ tokenauth.Cursor) error {
	for len(b.news) == 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

func newIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7()).String()
	}
	return ids
}

// loaded returns a replica that holds ids and is run until the benchmark ends, what it takes of the heap, and how long it took to read.
func loaded(b *testing.B, source *bulk) (r *replica.Replica, heap uint64, took time.Duration) {
	before := testkit.HeapInUse()
	r, err := replica.New(source, replica.Config{MaxStaleness: time.Minute})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	began := time.Now()
	go func() { defer close(stopped); _ = r.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-stopped })
	require.NoError(b, r.WaitReady(ctx))
	took = time.Since(began)
	return r, testkit.HeapInUse() - before, took
}

// step returns another place among n, far from the last and after all others have been: without a division, which would be measured, too.
func step(i, n int) int {
	const stride = 619 // a prime, and less than any n here
	if i += stride; i >= n {
		i -= n
	}
	return i
}

// BenchmarkLookUp asks for ids among so many dead ones; REPLICA_ENTRIES=10000000 asks among ten million. "limit" is what no replica can do
// without: the clock is read, and a ready-made name looked up in a plain map.
func BenchmarkLookUp(b *testing.B) {
	sizes := []int{1e4, 1e6}
	if n, err := strconv.Atoi(os.Getenv("REPLICA_ENTRIES")); err == nil {
		sizes = []int{n}
	}
	for _, n := range sizes {
		b.Run(fmt.Sprint("entries=", n), func(b *testing.B) {
			source := &bulk{Store: memstore.New(memstore.Config{}), ids: newIDs(n), until: time.Now().Add(time.Hour)}
			r, heap, took := loaded(b, source)
			strangers := newIDs(min(n, 1e6))
			ctx := context.Background()
			for _, row := range []struct {
				name string
				ids  []string
				want bool
			}{
				{"live", strangers[:1000], false}, {"dead", source.ids[:1000], true}, // as a verifier has them: just read, and again soon
				{"live/cold", strangers, false}, {"dead/cold", source.ids, true}, // no two alike: the ids themselves come from memory, too
			} {
				b.Run(row.name, func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i = step(i, len(row.ids)) {
						if dead, err := r.IsRevoked(ctx, row.ids[i]); dead != row.want || err != nil {
							b.Fatal(dead, err)
						}
					}
					b.ReportMetric(float64(heap)/float64(n), "B/entry")
					b.ReportMetric(float64(took.Milliseconds()), "load-ms")
				})
			}
			b.Run("limit", func(b *testing.B) {
				plain := map[[16]byte]uint32{}
				for i := range source.ids {
					plain[uuid.MustParse(source.ids[i])] = 0
				}
				names := make([][16]byte, 1000)
				for i := range names {
					names[i] = uuid.MustParse(strangers[i])
				}
				for i := 0; b.Loop(); i = step(i, len(names)) {
					if _, dead := plain[names[i]]; dead || time.Now().Unix() == 0 {
						b.Fatal(dead)
					}
				}
			})
			b.Run("live/parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i = step(i, 1000) {
						_, _ = r.IsRevoked(ctx, strangers[i])
					}
				})
			})
			b.Run("session", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = r.IsSessionActive(ctx, "alice@example.com", "01890a5d-ac96-774b-bcce-b302099a8057")
				}
			})
			b.Run("epoch", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = r.Epoch(ctx, "alice@example.com")
				}
			})
		})
	}
}

// BenchmarkApply applies 10^5 changes at a time to 10^6, while two readers measure each of their look-ups; and has them measure without it.
func BenchmarkApply(b *testing.B) {
	source := &bulk{Store: memstore.New(memstore.Config{}), ids: newIDs(1e6), until: time.Now().Add(time.Hour), news: make(chan []string, 1)}
	r, _, _ := loaded(b, source)
	for _, applying := range []bool{false, true} {
		b.Run(fmt.Sprint("applying=", applying), func(b *testing.B) {
			var stop atomic.Bool
			took := make(chan []time.Duration, 2)
			for range 2 {
				go func() {
					var all []time.Duration
					for i := 0; !stop.Load(); i++ {
						began := time.Now()
						_, _ = r.IsRevoked(context.Background(), source.ids[i*7919%len(source.ids)])
						if all = append(all, time.Since(began)); len(all) == 1<<20 {
							all = all[:0]
						}
					}
					took <- all
				}()
			}
			for b.Loop() {
				if applying {
					batch, before := newIDs(1e5), r.Stats().Changes
					source.news <- batch
					for r.Stats().Changes < before+1e5 {
						time.Sleep(time.Millisecond)
					}
				} else {
					time.Sleep(100 * time.Millisecond)
				}
			}
			stop.Store(true)
			all := append(<-took, <-took...)
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2]), "p50-ns")
			b.ReportMetric(float64(all[len(all)*99/100]), "p99-ns")
			b.ReportMetric(float64(all[len(all)*999/1000]), "p99.9-ns")
		})
	}
}
