package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// What a call costs among few records and among many: 10^4, and 10^6 where BENCH_MILLION is set. The records are put there in bulk, 100 to a
// subject.

// seed puts n records into a store behind its back: all alike but for their ids, subjects and parents. parent, if set, names a root that is
// there.
func seed(t testing.TB, path string, n int, parent string) {
	t.Helper()
	now := time.Now().UnixMicro()
	depth, root := 0, "printf('seed-%012d', i)"
	if parent != "" {
		depth, root = 1, "'"+parent+"'"
	}
	run(t, path, `PRAGMA synchronous = OFF`, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d - 1)
		INSERT INTO ta_token (id, root_id, parent_id, depth, name, subject, owner, created_by, roles, scopes, created_at, expires_at, call_id)
		SELECT printf('seed-%%012d', i), %s, nullif('%s', ''), %d, 'ci-runner', 'subject-' || (i / 100), 'alice', 'creator-' || (i / 100), '["reader"]',
			'[{"resource_kind":"deployment","resource_id":"web","level":"read"},{"resource_kind":"secret","resource_id":null,"level":"read"}]',
			%d, %d, 'none' FROM n`, n, root, parent, depth, now, now+24*3600*1_000_000), `PRAGMA wal_checkpoint(TRUNCATE)`)
}

// Sizes of the benchmarks' stores.
func sizes() []int {
	if os.Getenv("BENCH_MILLION") != "" {
		return []int{10_000, 1_000_000}
	}
	return []int{10_000}
}

// amid runs a benchmark among so and so many records.
func amid(b *testing.B, do func(b *testing.B, s *sqlitestore.Store, size int)) {
	for _, size := range sizes() {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			path := newPath(b)
			s := migrated(b, path, sqlitestore.Config{})
			seed(b, path, size, "")
			do(b, s, size)
		})
	}
}

// spread returns the i-th of size ids, from all over the table.
func spread(i, size int) string { return fmt.Sprintf("seed-%012d", i*7919%size) }

func BenchmarkIsRevoked(b *testing.B) {
	amid(b, func(b *testing.B, s *sqlitestore.Store, size int) {
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
	amid(b, func(b *testing.B, s *sqlitestore.Store, size int) {
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
	amid(b, func(b *testing.B, s *sqlitestore.Store, _ int) {
		for b.Loop() {
			if err := s.Create(context.Background(), newRecord(time.Now())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRevoke(b *testing.B) {
	amid(b, func(b *testing.B, s *sqlitestore.Store, size int) {
		i := 0
		for b.Loop() {
			if i++; i > size {
				b.Skip("all are revoked")
			}
			_, err := s.Revoke(context.Background(), spread(i, size), tokenauth.Revocation{At: time.Now(), By: "alice"})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRevokeAllOfASubject(b *testing.B) {
	amid(b, func(b *testing.B, s *sqlitestore.Store, size int) {
		i := 0
		for b.Loop() {
			subject := i * 7919 % (size / 100)
			n, err := s.RevokeAll(context.Background(), tokenauth.TokenFilter{Subject: "subject-" + strconv.Itoa(subject)},
				tokenauth.Revocation{At: time.Now(), By: "alice"})
			if err != nil || n != 100 && i < size/100 {
				b.Fatal(n, err)
			}
			i++
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
			amid(b, func(b *testing.B, s *sqlitestore.Store, size int) {
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

// BenchmarkSnapshot is all that a replica reads when it begins, and BenchmarkPoll what it reads when there is nothing new.
func BenchmarkSnapshot(b *testing.B) { benchmarkChanges(b, false) }

func BenchmarkPoll(b *testing.B) { benchmarkChanges(b, true) }

func benchmarkChanges(b *testing.B, again bool) {
	for _, size := range sizes() {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			path := newPath(b)
			s := migrated(b, path, sqlitestore.Config{})
			bury(b, path, size)
			since, all := tokenauth.Cursor(""), size+1 // and the cursor
			if again {
				var err error
				since, err = readAll(context.Background(), s, "")
				require.NoError(b, err)
				all = 1
			}
			for b.Loop() {
				read := 0
				for _, err := range s.Changes(context.Background(), since) {
					if err != nil {
						b.Fatal(err)
					}
					read++
				}
				require.Equal(b, all, read)
			}
		})
	}
}

// BenchmarkWriters is how many writes eight writers get through.
func BenchmarkWriters(b *testing.B) {
	for name, cfg := range map[string]sqlitestore.Config{"FULL": {}, "NORMAL": {NotPowerSafe: true}} {
		b.Run(name, func(b *testing.B) {
			s := migrated(b, newPath(b), cfg)
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Create(context.Background(), newRecord(time.Now())); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
