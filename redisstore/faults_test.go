//go:build unix

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// What a verifier says while its store is in trouble. There are three answers and no fourth: a live token is accepted or nobody knows, a
// revoked one is refused or nobody knows. `make faults` asks many more times than a test does.

const (
	storeTimeout = 20 * time.Millisecond
	// patience is what the machine itself may add to a deadline: it is a test's bound against a store that does not look at its
	// context, and no figure. The figures are logged.
	patience = 3 * time.Second
	// askers is how many verify at once of a store that answers, and waiters of one that does not, most of whose time is spent waiting.
	askers, waiters = 8, 64
)

// newProxy returns a proxy in front of a server, closed with the test.
func newProxy(t testing.TB, upstream string) *toxiproxy.Proxy {
	t.Helper()
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "redis", "127.0.0.1:0", upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return proxy
}

// pointAt cuts all connections of a proxy and leads the next ones elsewhere.
func pointAt(t testing.TB, proxy *toxiproxy.Proxy, upstream string) {
	t.Helper()
	proxy.Stop()
	proxy.Lock()
	proxy.Upstream = upstream
	proxy.Unlock()
	require.NoError(t, proxy.Start())
}

// poison adds a toxic to both directions of all connections of a proxy.
func poison(t testing.TB, proxy *toxiproxy.Proxy, kind, attributes string) {
	t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, stream, kind, stream, attributes)
		_, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
		require.NoError(t, err)
	}
}

// A service is a verifier and an issuer on one store behind a proxy, with tokens that are dead and tokens that are not.
type service struct {
	server     *testserver.Redis
	proxy      *toxiproxy.Proxy
	store      *redisstore.Store
	verifier   *tokenauth.Verifier
	dead, live []string
}

func newService(t *testing.T) *service {
	t.Helper()
	v := &service{server: testserver.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")}
	v.proxy = newProxy(t, v.server.Addr)
	v.store = open(t, newClient(t, v.proxy.Listen), redisstore.Config{})
	require.NoError(t, v.store.Migrate(t.Context()))
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: v.store, Epochs: v.store, StoreTimeout: time.Minute,
	})
	require.NoError(t, err)
	v.verifier, err = tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: v.store, Epochs: v.store, Sessions: v.store, StoreTimeout: storeTimeout,
	})
	require.NoError(t, err)
	var revoked []string
	for i := range 16 {
		token, err := issuer.Issue(t.Context(), tokenauth.TokenRequest{
			By: tokenauth.SystemAuthority("a test"), Name: "n", Subject: fmt.Sprint("user-", i), Roles: []string{"reader"},
		})
		require.NoError(t, err)
		if i%2 == 0 {
			v.live = append(v.live, token.Token.Reveal())
		} else {
			v.dead, revoked = append(v.dead, token.Token.Reveal()), append(revoked, token.Record.ID)
		}
	}
	v.server.Must("BGREWRITEAOF") // what is restored as older files
	require.Eventually(t, func() bool {
		return strings.Contains(v.server.Must("INFO", "persistence"), "aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0")
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, os.CopyFS(v.backup(), os.DirFS(v.files())))
	for _, id := range revoked {
		revoke(t, v.store, id, time.Now())
	}
	for all := v.verify(t, askers, 64); all.accepted.Load() == 0 || all.revoked.Load() == 0; all = v.verify(t, askers, 64) {
		t.Log("the machine is too busy for the budget: once more")
	}
	return v
}

// files is where the server keeps its data, backup what it had before the dead were revoked.
func (v *service) files() string  { return filepath.Join(v.server.Dir, "appendonlydir") }
func (v *service) backup() string { return v.files() + ".old" }

// A tally is what n verifies came to.
type tally struct {
	accepted, revoked, unknown atomic.Int64
	longest                    atomic.Int64
}

// verify verifies n tokens, dead and live in turn, from many goroutines, and checks each answer.
func (v *service) verify(t *testing.T, many, n int) *tally {
	t.Helper()
	var all tally
	var group sync.WaitGroup
	var next atomic.Int64
	for range many {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				v.ask(t, int(i), &all)
			}
		})
	}
	group.Wait()
	return &all
}

// ask verifies the i-th token and checks the answer.
func (v *service) ask(t *testing.T, i int, all *tally) {
	tokens := v.live
	dead := i%2 == 0
	if dead {
		tokens = v.dead
	}
	began := time.Now()
	_, err := v.verifier.Verify(context.Background(), tokens[i/2%len(tokens)])
	all.note(time.Since(began))
	switch {
	case err == nil && !dead:
		all.accepted.Add(1)
	case errors.Is(err, tokenauth.ErrRevoked) && dead:
		all.revoked.Add(1)
	case errors.Is(err, tokenauth.ErrUnavailable) && !errors.Is(err, tokenauth.ErrInvalidToken):
		all.unknown.Add(1)
	default:
		t.Errorf("a token, dead: %v, was answered by %v", dead, err)
	}
}

func (all *tally) note(took time.Duration) {
	for {
		longest := all.longest.Load()
		if int64(took) <= longest || all.longest.CompareAndSwap(longest, int64(took)) {
			return
		}
	}
}

func TestFaultIsNeverAnAccept(t *testing.T) {
	n := testserver.Count(t, "FAULT_VERIFIES", 500)
	for _, fault := range []struct {
		name  string
		begin func(t *testing.T, v *service)
		known bool                           // the store answers; otherwise nobody knows anything
		heal  func(t *testing.T, v *service) // nil: only Reseed would
	}{
		{"none", func(*testing.T, *service) {}, true, nil},
		{"no memory left", func(_ *testing.T, v *service) { v.server.Must("CONFIG", "SET", "maxmemory", "1") }, true, nil},
		{"killed", func(_ *testing.T, v *service) { v.server.Kill() }, false, func(_ *testing.T, v *service) { v.server.Start() }},
		{"stopped", func(_ *testing.T, v *service) { v.server.Freeze() }, false, func(_ *testing.T, v *service) { v.server.Thaw() }},
		{"connections reset", func(t *testing.T, v *service) { poison(t, v.proxy, "reset_peer", `{"timeout":0}`) }, false,
			func(t *testing.T, v *service) { v.proxy.Toxics.ResetToxics(t.Context()) }},
		{"a black hole", func(t *testing.T, v *service) { poison(t, v.proxy, "timeout", `{"timeout":0}`) }, false,
			func(t *testing.T, v *service) { v.proxy.Toxics.ResetToxics(t.Context()) }},
		{"slower than the budget", func(t *testing.T, v *service) { poison(t, v.proxy, "latency", `{"latency":200}`) }, false,
			func(t *testing.T, v *service) { v.proxy.Toxics.ResetToxics(t.Context()) }},
		{"answers cut off", func(t *testing.T, v *service) { poison(t, v.proxy, "limit_data", `{"bytes":100}`) }, false,
			func(t *testing.T, v *service) { v.proxy.Toxics.ResetToxics(t.Context()) }},
		{"busy with a script of somebody's", func(t *testing.T, v *service) {
			v.server.Must("CONFIG", "SET", "busy-reply-threshold", "10")
			go func() { _, _ = v.server.Do("EVAL", "while true do end", "0") }()
			require.Eventually(t, func() bool {
				_, err := v.server.Do("PING")
				return err != nil && strings.HasPrefix(err.Error(), "BUSY")
			}, patience, time.Millisecond)
		}, false, func(_ *testing.T, v *service) { v.server.Must("SCRIPT", "KILL") }},
		{"demoted to a replica", func(_ *testing.T, v *service) { v.server.Must("REPLICAOF", "127.0.0.1", "1") }, false,
			func(_ *testing.T, v *service) { v.server.Must("REPLICAOF", "NO", "ONE") }},
		{"restarted empty", func(t *testing.T, v *service) {
			v.server.Kill()
			require.NoError(t, os.RemoveAll(v.files()))
			v.server.Start()
		}, false, nil},
		{"restarted with older files", func(t *testing.T, v *service) {
			v.server.Kill()
			require.NoError(t, os.RemoveAll(v.files()))
			require.NoError(t, os.Rename(v.backup(), v.files()))
			v.server.Start()
		}, false, nil},
		{"emptied", func(_ *testing.T, v *service) { v.server.Must("FLUSHALL") }, false, nil},
		{"emptied, and made ready by a program that always does so", func(t *testing.T, v *service) {
			v.server.Must("FLUSHALL")
			migrated(t, v.server, redisstore.Config{})
		}, false, nil},
		{"the marker gone", func(_ *testing.T, v *service) { v.server.Must("DEL", "{ta}:meta") }, false, nil},
		{"another server in its place", func(t *testing.T, v *service) {
			other := testserver.StartRedis(t)
			migrated(t, other, redisstore.Config{})
			pointAt(t, v.proxy, other.Addr)
		}, false, nil},
	} {
		t.Run(fault.name, func(t *testing.T) {
			v := newService(t)
			fault.begin(t, v)
			many := waiters
			if fault.known {
				many = askers
			}
			all := v.verify(t, many, n)
			longest := time.Duration(all.longest.Load())
			t.Logf("%d verifies: %d accepted, %d refused as revoked, %d unknown; the longest took %v, of a budget of %v",
				n, all.accepted.Load(), all.revoked.Load(), all.unknown.Load(), longest, storeTimeout)
			assert.Less(t, longest, storeTimeout+patience)
			if fault.known {
				assert.NotZero(t, all.accepted.Load())
				assert.NotZero(t, all.revoked.Load())
			} else {
				assert.Equal(t, int64(n), all.unknown.Load())
			}
			if fault.heal != nil {
				fault.heal(t, v)
				t.Logf("the first answer %v after that", v.untilAnswered(t))
			}
		})
	}
}

// untilAnswered verifies until there is an answer, and says how long that took.
func (v *service) untilAnswered(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	var all tally
	for i := 1; all.accepted.Load() == 0 || all.revoked.Load() == 0; i++ {
		v.ask(t, i, &all)
		require.Less(t, time.Since(began), 2*time.Second+3*patience, "it is not answered again")
	}
	return time.Since(began)
}

// A server that comes and goes is answered from before or after, and never by a mixture.
func TestFaultThatComesAndGoes(t *testing.T) {
	n := testserver.Count(t, "FAULT_VERIFIES", 500)
	v := newService(t)
	ctx, stop := context.WithCancel(t.Context())
	var moving sync.WaitGroup
	moves := 0
	moving.Go(func() {
		for ctx.Err() == nil {
			moves++
			v.server.Kill()
			v.server.Start()
			v.untilAnswered(t)
		}
	})
	all := v.verify(t, askers, n)
	stop()
	moving.Wait()
	t.Logf("%d verifies, %d restarts: %d accepted, %d refused as revoked, %d unknown; the longest took %v",
		n, moves, all.accepted.Load(), all.revoked.Load(), all.unknown.Load(), time.Duration(all.longest.Load()))
	t.Logf("the first answer %v after that", v.untilAnswered(t))
}

// A server that is full refuses what it cannot keep, and goes on answering and revoking.
func TestFaultFullServer(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	root := create(t, s, now)
	child := childOf(root)
	require.NoError(t, s.Create(t.Context(), child))
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-1", now.Add(time.Hour)))
	require.NoError(t, s.Create(t.Context(), newRecord(now.AddDate(0, 0, -7))))
	server.Must("CONFIG", "SET", "maxmemory", "1")
	for _, refused := range []struct {
		name string
		err  error
	}{
		{"Create", s.Create(t.Context(), newRecord(now))},
		{"Rotate", s.Rotate(t.Context(), root.ID, now, successorOf(root))},
		{"StartSession", s.StartSession(t.Context(), "alice", "s-2", now.Add(time.Hour))},
		{"Consume", s.Consume(t.Context(), "k-1", now.Add(time.Hour))},
	} {
		require.ErrorIs(t, refused.err, tokenauth.ErrUnavailable, refused.name)
		require.ErrorContains(t, refused.err, "OOM", refused.name)
	}
	revoke(t, s, root.ID, now)
	for _, id := range []string{root.ID, child.ID} {
		revoked, err := s.IsRevoked(t.Context(), id)
		require.NoError(t, err)
		require.True(t, revoked)
	}
	require.NoError(t, s.EndSession(t.Context(), "alice", "s-1"))
	_, err := s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)
	n, err := s.DeleteExpired(t.Context(), now, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, s.Reseed(t.Context(), "a drill"))
}
