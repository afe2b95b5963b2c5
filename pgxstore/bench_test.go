package pgxstore_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// What a call costs among few records and among many: 10^4, and 10^6 where BENCH_MILLION is set, and as many deaths beside them, of records
// that are gone. All are put there in bulk, 100 to a subject.

// seed puts n records into a store behind its back: all alike but for their ids, subjects and parents. parent, if set, names a root that is
// there.
func seed(t testing.TB, url string, n int, parent string) {
	t.Helper()
	depth, root := 0, "'seed-' || lpad(i::text, 12, '0')"
	if parent != "" {
		depth, root = 1, "'"+parent+"'"
	}
	run(t, url, fmt.Sprintf(`INSERT INTO ta_token (id, root_id, parent_id, depth, name, subject, owner, created_by, roles, scopes, created_at, expires_at, call_id)
		SELECT 'seed-' || lpad(i::text, 12, '0'), %s, nullif('%s', ''), %d, 'ci-runner', 'subject-' || (i / 100), 'alice', 'creator-' || (i / 100), '["reader"]',
			'[{"resource_kind":"deployment","resource_id":"web","level":"read"},{"resource_kind":"secret","resource_id":null,"level":"read"}]',
			date_trunc('second', now()), date_trunc('second', now()) + interval '1 day', 'none' FROM generate_series(0, %d) i`, root, parent, depth, n-1), `VACUUM ANALYZE ta_token`)
}

// bury puts n deaths into a store behind its back.
func bury(t testing.TB, url string, n int) {
	t.Helper()
	run(t, url, fmt.Sprintf(`INSERT INTO ta_dead (kind, subject, id, dead_from, expires)
		SELECT 0, '', 'gone-' || lpad(i::text, 12, '0'), '-infinity', date_trunc('second', now()) + interval '1 day' FROM generate_series(1, %d) i`, n),
		`VACUUM ANALYZE ta_dead`)
}

// Sizes of the benchmarks' stores.
func sizes() []int {
	if os.Getenv("BENCH_MILLION") != "" {
		return []int{10_000, 1_000_000}
	}
	return []int{10_000}
}

// seeded are stores that were filled once, by how many records are in them: that takes far longer than any benchmark does.
var seeded = map[int]string{}

// amid runs a benchmark among so and so many records.
func amid(b *testing.B, do func(b *testing.B, s *pgxstore.Store, size int)) {
	share(b)
	for _, size := range sizes() {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			if seeded[size] == "" {
				schema := "bench_" + strconv.Itoa(size)
				run(b, shared.server.URL(), "CREATE SCHEMA "+schema)
				seeded[size] = shared.server.URL("search_path=" + schema)
				require.NoError(b, open(b, seeded[size], pgxstore.Config{}).Migrate(b.Context()))
				seed(b, seeded[size], size, "")
				bury(b, seeded[size], size)
			}
			do(b, revived(b, size), size)
		})
	}
}

// revived returns a store in which all is as it was seeded, and lies as it did: a record that was revoked before has left room beside it for
// its next version, which then is in no index anew. In the small store, which is revived often, all would have that and in the large one few.
func revived(b *testing.B, size int) *pgxstore.Store {
	b.Helper()
	run(b, seeded[size], `DELETE FROM ta_token WHERE id NOT LIKE 'seed-%'`, `UPDATE ta_token SET revoked_at = NULL WHERE revoked_at IS NOT NULL`,
		`DELETE FROM ta_dead WHERE id NOT LIKE 'gone-%'`, `CLUSTER ta_token USING ta_token_pkey`, `CLUSTER ta_dead USING ta_dead_pkey`,
		`VACUUM ANALYZE`, `CHECKPOINT`)
	return open(b, seeded[size], pgxstore.Config{})
}

// spread returns the i-th of size ids, from all over the table.
func spread(i, size int) string { return fmt.Sprintf("seed-%012d", i*7919%size) }

func BenchmarkIsRevoked(b *testing.B) {
	amid(b, func(b *testing.B, s *pgxstore.Store, size int) {
		i := 0
		for b.Loop() {
			revoked, err := s.IsRevoked(context.Background(), spread(i, size))
			if err != nil || revoked {
				b.Fatal(revoked, err)
			}
			i++
		}
	})
}

func BenchmarkGet(b *testing.B) {
	amid(b, func(b *testing.B, s *pgxstore.Store, size int) {
		i := 0
		for b.Loop() {
			if _, err := s.Get(context.Background(), spread(i, size)); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

func BenchmarkCreate(b *testing.B) {
	amid(b, func(b *testing.B, s *pgxstore.Store, _ int) {
		for b.Loop() {
			if err := s.Create(context.Background(), newRecord(time.Now())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRevoke(b *testing.B) {
	amid(b, func(b *testing.B, s *pgxstore.Store, size int) {
		i := 0
		for b.Loop() {
			if i++; i%size == 0 {
				b.StopTimer()
				s = revived(b, size)
				b.StartTimer()
			}
			_, err := s.Revoke(context.Background(), spread(i, size), tokenauth.Revocation{At: time.Now(), By: "alice"})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRevokeAllOfASubject(b *testing.B) {
	amid(b, func(b *testing.B, s *pgxstore.Store, size int) {
		i := 0
		for b.Loop() {
			if i++; i%(size/100) == 0 {
				b.StopTimer()
				s = revived(b, size)
				b.StartTimer()
			}
			subject := i * 7919 % (size / 100)
			n, err := s.RevokeAll(context.Background(), tokenauth.TokenFilter{Subject: "subject-" + strconv.Itoa(subject)},
				tokenauth.Revocation{At: time.Now(), By: "alice"})
			if err != nil || n != 100 {
				b.Fatal(n, err)
			}
		}
	})
}

func BenchmarkListAPage(b *testing.B) {
	for _, by := range []struct {
		name   string
		filter func(i, size int) tokenauth.TokenFilter
	}{
		{"of a subject", func(i, size int) tokenauth.TokenFilter {
			return tokenauth.TokenFilter{Subject: "subject-" + strconv.Itoa(i*7919%(size/100)), Limit: 50}
		}},
		{"of all", func(i, size int) tokenauth.TokenFilter {
			return tokenauth.TokenFilter{After: spread(i, size/2), Limit: 50}
		}},
		{"of an owner of all", func(i, size int) tokenauth.TokenFilter {
			return tokenauth.TokenFilter{Owner: "alice", After: spread(i, size/2), Limit: 50}
		}},
	} {
		b.Run(by.name, func(b *testing.B) {
			amid(b, func(b *testing.B, s *pgxstore.Store, size int) {
				i := 0
				for b.Loop() {
					n := 0
					for _, err := range s.List(context.Background(), by.filter(i, size)) {
						if err != nil {
							b.Fatal(err)
						}
						n++
					}
					require.Equal(b, 50, n)
					i++
				}
			})
		})
	}
}

// BenchmarkSnapshot is all that a replica reads when it begins.
func BenchmarkSnapshot(b *testing.B) {
	amid(b, func(b *testing.B, s *pgxstore.Store, size int) {
		for b.Loop() {
			read := 0
			for _, err := range s.Changes(context.Background(), "") {
				if err != nil {
					b.Fatal(err)
				}
				read++
			}
			require.Equal(b, size+1, read, "all, and the cursor")
		}
	})
}

// BenchmarkWriters is how many writes eight writers get through, on a server that waits for its disk.
func BenchmarkWriters(b *testing.B) {
	server := newServer(b)
	for name, write := range map[string]func(s *pgxstore.Store) error{
		"Create": func(s *pgxstore.Store) error { return s.Create(context.Background(), newRecord(time.Now())) },
		"Revoke": func(s *pgxstore.Store) error {
			record := newRecord(time.Now())
			if err := s.Create(context.Background(), record); err != nil {
				return err
			}
			_, err := s.Revoke(context.Background(), record.ID, tokenauth.Revocation{At: time.Now(), By: "alice"})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := migrated(b, server.URL("pool_max_conns=8"), pgxstore.Config{})
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := write(s); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
