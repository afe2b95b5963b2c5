//go:build unix

package redisstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// What a call costs among few records and among many: 10^4, and 10^6 where BENCH_MILLION is set. The records are put there in bulk, 100 to
// a subject.

// seedScript adds records behind the store's back, as createScript would.
var seedScript = redis.NewScript(`#!lua
local base, body, parent = string.sub(KEYS[1], 1, -5), ARGV[3], ARGV[4]
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local id, sub, by = string.format('seed-%012d', i), 'subject-' .. math.floor(i / 100), 'creator-' .. math.floor(i / 100)
  local place = {root = id, own = 'alice', dep = 0, par = parent, sub = sub, by = by, sid = '', call = ''}
  if parent ~= '' then place.root, place.dep = parent, 1 end
  local own = string.gsub(string.gsub(body, '__ID__', id), '__SUB__', sub)
  redis.call('HSET', base .. 't:' .. id, 'body', own, 'exp', ARGV[5], 'place', cmsgpack.pack(place))
  redis.call('ZADD', base .. 'all', 0, id)
  for _, index in ipairs({'sub:' .. sub, 'own:alice', 'by:' .. by, parent ~= '' and 'par:' .. parent or nil}) do
    redis.call('HINCRBY', KEYS[1], index, redis.call('ZADD', base .. index, 0, id))
  end
  redis.call('ZADD', base .. 'exp', ARGV[6], id)
end`)

// seed puts n records into a store: all alike but for their ids, subjects and parents. parent, if set, names a root that is there.
func seed(t testing.TB, server *testserver.Redis, n int, parent string) {
	t.Helper()
	client := newClient(t, server.Addr, func(o *redis.Options) { o.ReadTimeout = time.Minute })
	record := newRecord(time.Now())
	record.ID, record.RootID, record.Subject, record.CreatedBy = "__ID__", "__ID__", "__SUB__", "__SUB__"
	if parent != "" {
		record.ParentID, record.RootID, record.Depth = parent, parent, 1
	}
	body, err := json.Marshal(record)
	require.NoError(t, err)
	const some = 5_000
	for i := 0; i < n; i += some {
		err := seedScript.Run(t.Context(), client, []string{"{ta}:meta"}, i, min(i+some, n), body, parent,
			fmt.Sprintf("%018d", record.ExpiresAt.UnixMicro()), record.ExpiresAt.Unix()).Err()
		require.True(t, err == nil || err == redis.Nil, err)
	}
}

// buryScript enters deaths behind the store's back, as revokeScript would.
var buryScript = redis.NewScript(`#!lua
local base = string.sub(KEYS[1], 1, -5)
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local member = string.format('0:gone-%012d', i)
  redis.call('HINCRBY', KEYS[1], 'deaths', redis.call('HSET', base .. 'deadv', member, ',' .. ARGV[3] .. ',0'))
  redis.call('ZADD', base .. 'dead', redis.call('HINCRBY', KEYS[1], 'seq', 1), member)
end`)

// bury puts n deaths into a store.
func bury(t testing.TB, server *testserver.Redis, n int) {
	t.Helper()
	client := newClient(t, server.Addr, func(o *redis.Options) { o.ReadTimeout = time.Minute })
	expires := fmt.Sprintf("%018d", newRecord(time.Now()).ExpiresAt.Truncate(time.Second).UnixMicro())
	const some = 5_000
	for i := 0; i < n; i += some {
		err := buryScript.Run(t.Context(), client, []string{"{ta}:meta"}, i, min(i+some, n), expires).Err()
		require.True(t, err == nil || err == redis.Nil, err)
	}
}

// Sizes of the benchmarks' stores.
func sizes() []int {
	if os.Getenv("BENCH_MILLION") != "" {
		return []int{10_000, 1_000_000}
	}
	return []int{10_000}
}

// amid runs a benchmark among so and so many records.
func amid(b *testing.B, do func(b *testing.B, s *redisstore.Store, size int)) {
	for _, size := range sizes() {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			server := testserver.StartRedis(b)
			s := migrated(b, server, redisstore.Config{})
			seed(b, server, size, "")
			do(b, s, size)
		})
	}
}

// spread returns the i-th of size ids, from all over the store.
func spread(i, size int) string { return fmt.Sprintf("seed-%012d", i*7919%size) }

func BenchmarkIsRevoked(b *testing.B) {
	amid(b, func(b *testing.B, s *redisstore.Store, size int) {
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
	amid(b, func(b *testing.B, s *redisstore.Store, size int) {
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
	amid(b, func(b *testing.B, s *redisstore.Store, _ int) {
		for b.Loop() {
			if err := s.Create(context.Background(), newRecord(time.Now())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRevoke(b *testing.B) {
	amid(b, func(b *testing.B, s *redisstore.Store, size int) {
		i := 0
		for b.Loop() {
			_, err := s.Revoke(context.Background(), spread(i, size), tokenauth.Revocation{At: time.Now(), By: "alice"})
			if err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

func BenchmarkRevokeAllOfASubject(b *testing.B) {
	amid(b, func(b *testing.B, s *redisstore.Store, size int) {
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
			amid(b, func(b *testing.B, s *redisstore.Store, size int) {
				i := 0
				for b.Loop() {
					n := 0
					for record, err := range s.List(context.Background(), by.filter(i, size)) {
						if err != nil || record == nil {
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
	for _, size := range sizes() {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			server := testserver.StartRedis(b)
			s := migrated(b, server, redisstore.Config{})
			bury(b, server, size)
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
}
