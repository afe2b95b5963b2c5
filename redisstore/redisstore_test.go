//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
	"github.com/a74cfa30/tokenauth/storetest"
)

// The client logs each connection that it cannot make. These tests see to it that there are many.
func TestMain(m *testing.M) {
	redis.SetLogger(silence{})
	os.Exit(m.Run())
}

type silence struct{}

// Printf says nothing.
func (silence) Printf(context.Context, string, ...any) {}

// The contract is held to by two stores on one server, as two processes have them, who are asked in turn: what it asks for must hold
// between them as well. One speaks the older protocol.
func TestStoreKeepsTheContract(t *testing.T) {
	server := testserver.StartRedis(t)
	protocol := 2
	keepsTheContract(t, func(t testing.TB) redis.UniversalClient {
		protocol = 5 - protocol // 3, 2, 3, 2
		return newClient(t, server.Addr, func(o *redis.Options) { o.Protocol = protocol })
	}, 10)
	countsAreExact(t, server)
}

// keepsTheContract runs the suite on pairs of stores, each with clients of its own.
func keepsTheContract(t *testing.T, client func(t testing.TB) redis.UniversalClient, races int) {
	n := 0
	storetest.Run(t, storetest.Config{
		Races: races,
		New: func(t testing.TB, now func() time.Time) storetest.Stores {
			n++
			cfg := redisstore.Config{Now: now, Prefix: fmt.Sprintf("rule-%d", n)}
			first, second := client(t), client(t)
			s := &pair{stores: [2]*redisstore.Store{open(t, first, cfg), open(t, second, cfg)}}
			require.NoError(t, s.stores[0].Migrate(t.Context()))
			return storetest.Stores{Tokens: s, Sessions: s, Epochs: s, OneTime: s, Lose: func() {
				require.NoError(t, first.FlushAll(context.Background()).Err())
			}}
		},
	})
}

// A pair of stores takes turns.
type pair struct {
	stores [2]*redisstore.Store
	turn   atomic.Uint32
}

func (p *pair) next() *redisstore.Store { return p.stores[p.turn.Add(1)%2] }

func (p *pair) IsRevoked(ctx context.Context, id string) (bool, error) {
	return p.next().IsRevoked(ctx, id)
}

func (p *pair) Create(ctx context.Context, t *tokenauth.StoredAccessToken) error {
	return p.next().Create(ctx, t)
}

func (p *pair) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	return p.next().Get(ctx, id)
}

func (p *pair) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return p.next().List(ctx, f)
}

func (p *pair) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	return p.next().Revoke(ctx, id, r)
}

func (p *pair) RevokeAll(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	return p.next().RevokeAll(ctx, f, r)
}

func (p *pair) Rotate(ctx context.Context, id string, retireAt time.Time, successor *tokenauth.StoredAccessToken) error {
	return p.next().Rotate(ctx, id, retireAt, successor)
}

func (p *pair) Touch(ctx context.Context, at time.Time, ids ...string) error {
	return p.next().Touch(ctx, at, ids...)
}

func (p *pair) DeleteExpired(ctx context.Context, before time.Time, limit int) (int, error) {
	return p.next().DeleteExpired(ctx, before, limit)
}

func (p *pair) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	return p.next().IsSessionActive(ctx, subject, sid)
}

func (p *pair) StartSession(ctx context.Context, subject, sid string, until time.Time) error {
	return p.next().StartSession(ctx, subject, sid, until)
}

func (p *pair) EndSession(ctx context.Context, subject, sid string) error {
	return p.next().EndSession(ctx, subject, sid)
}

func (p *pair) EndSessions(ctx context.Context, subject string) (int, error) {
	return p.next().EndSessions(ctx, subject)
}

func (p *pair) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	return p.next().Epoch(ctx, subject)
}

func (p *pair) BumpEpoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	return p.next().BumpEpoch(ctx, subject)
}

func (p *pair) RaiseNotBefore(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
	return p.next().RaiseNotBefore(ctx, subject, t)
}

func (p *pair) Consume(ctx context.Context, key string, until time.Time) error {
	return p.next().Consume(ctx, key, until)
}

func (p *pair) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return p.next().Changes(ctx, since)
}

func (p *pair) Wait(ctx context.Context, since tokenauth.Cursor) error {
	return p.next().Wait(ctx, since)
}

// A clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, time.May, 6, 7, 8, 9, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newClient returns a client as the package recommends it, closed with the test.
func newClient(t testing.TB, addr string, change ...func(*redis.Options)) *redis.Client {
	t.Helper()
	o := &redis.Options{
		Addr: addr, ContextTimeoutEnabled: true, MaxRetries: 1, DialerRetries: 1, DialTimeout: 100 * time.Millisecond, PoolSize: 32,
	}
	for _, c := range change {
		c(o)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// open makes a store.
func open(t testing.TB, client redis.UniversalClient, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(t.Context(), client, cfg)
	require.NoError(t, err)
	return s
}

// migrated makes a store on a server and makes it ready.
func migrated(t testing.TB, server *testserver.Redis, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	s := open(t, newClient(t, server.Addr), cfg)
	require.NoError(t, s.Migrate(t.Context()))
	return s
}

// newRecord returns a root's record that lives for a day.
func newRecord(now time.Time) *tokenauth.StoredAccessToken {
	t := tokenauth.NewStoredAccessToken("ci-runner", "alice", []string{"reader"},
		[]tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}}, now.Add(24*time.Hour), "alice")
	t.CreatedAt = now
	return t
}

// childOf returns a child's record.
func childOf(parent *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := newRecord(parent.CreatedAt)
	t.ParentID, t.RootID, t.Owner, t.Depth = parent.ID, parent.RootID, parent.Owner, parent.Depth+1
	return t
}

// successorOf returns a successor's record.
func successorOf(old *tokenauth.StoredAccessToken) *tokenauth.StoredAccessToken {
	t := newRecord(old.CreatedAt)
	t.ParentID, t.RootID, t.Owner, t.Depth = old.ParentID, old.RootID, old.Owner, old.Depth
	return t
}

// create stores a fresh root.
func create(t testing.TB, s *redisstore.Store, now time.Time) *tokenauth.StoredAccessToken {
	t.Helper()
	record := newRecord(now)
	require.NoError(t, s.Create(t.Context(), record))
	return record
}

// revoke revokes id.
func revoke(t testing.TB, s *redisstore.Store, id string, at time.Time) {
	t.Helper()
	_, err := s.Revoke(t.Context(), id, tokenauth.Revocation{At: at, By: "alice", Reason: "stolen"})
	require.NoError(t, err)
}

// A call is one method, with arguments that would succeed on a store that holds record live.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// calls are all methods that read or write the store's data.
func calls(s *redisstore.Store, live *tokenauth.StoredAccessToken, now time.Time) []call {
	return append(writers(s, live, now), []call{
		{"IsRevoked", func(ctx context.Context) error { _, err := s.IsRevoked(ctx, live.ID); return err }},
		{"Get", func(ctx context.Context) error { _, err := s.Get(ctx, live.ID); return err }},
		{"List", func(ctx context.Context) error {
			for _, err := range s.List(ctx, tokenauth.TokenFilter{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"IsSessionActive", func(ctx context.Context) error { _, err := s.IsSessionActive(ctx, "alice", "s-1"); return err }},
		{"Epoch", func(ctx context.Context) error { _, err := s.Epoch(ctx, "alice"); return err }},
		{"Generation", func(ctx context.Context) error { _, err := s.Generation(ctx); return err }},
		{"Changes", func(ctx context.Context) error {
			for _, err := range s.Changes(ctx, "") {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"Touch of nothing", func(ctx context.Context) error { return s.Touch(ctx, now) }},
		{"DeleteExpired of nothing", func(ctx context.Context) error { _, err := s.DeleteExpired(ctx, now, 0); return err }},
	}...)
}

// writers are those that write.
func writers(s *redisstore.Store, live *tokenauth.StoredAccessToken, now time.Time) []call {
	revocation := tokenauth.Revocation{At: now, By: "alice"}
	return []call{
		{"Create", func(ctx context.Context) error { return s.Create(ctx, newRecord(now)) }},
		{"Touch", func(ctx context.Context) error { return s.Touch(ctx, now, live.ID) }},
		{"Rotate", func(ctx context.Context) error { return s.Rotate(ctx, live.ID, now, successorOf(live)) }},
		{"Revoke", func(ctx context.Context) error { _, err := s.Revoke(ctx, live.ID, revocation); return err }},
		{"RevokeAll", func(ctx context.Context) error {
			_, err := s.RevokeAll(ctx, tokenauth.TokenFilter{Owner: live.Owner}, revocation)
			return err
		}},
		{"DeleteExpired", func(ctx context.Context) error { _, err := s.DeleteExpired(ctx, now.AddDate(1, 0, 0), 1); return err }},
		{"StartSession", func(ctx context.Context) error { return s.StartSession(ctx, "alice", "s-1", now.Add(time.Hour)) }},
		{"EndSession", func(ctx context.Context) error { return s.EndSession(ctx, "alice", "s-1") }},
		{"EndSessions", func(ctx context.Context) error { _, err := s.EndSessions(ctx, "alice"); return err }},
		{"BumpEpoch", func(ctx context.Context) error { _, err := s.BumpEpoch(ctx, "alice"); return err }},
		{"RaiseNotBefore", func(ctx context.Context) error { _, err := s.RaiseNotBefore(ctx, "alice", now); return err }},
		{"Consume", func(ctx context.Context) error { return s.Consume(ctx, "k-1", now.Add(time.Hour)) }},
	}
}

// allUnavailable checks that no call gives an answer.
func allUnavailable(t *testing.T, s *redisstore.Store, live *tokenauth.StoredAccessToken, now time.Time) {
	t.Helper()
	for _, call := range calls(s, live, now) {
		require.ErrorIs(t, call.do(t.Context()), tokenauth.ErrUnavailable, call.name)
	}
}
