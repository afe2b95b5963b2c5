package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
	"github.com/a74cfa30/tokenauth/storetest"
)

// shared is the server of all tests that leave it as it is: each has a schema of its own on it. What a crash leaves behind they do not look
// at, so that it does not wait for the disk. The others have a server of their own, each a copy of one that was never started.
var shared struct {
	once             sync.Once
	server, template *testserver.Postgres
	err              error
	schemas          atomic.Int64
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, server := range []*testserver.Postgres{shared.server, shared.template} {
		if server != nil {
			server.Close()
		}
	}
	os.Exit(code)
}

// share makes what is shared, or skips the test on a machine without PostgreSQL.
func share(t testing.TB) {
	t.Helper()
	shared.once.Do(func() {
		if shared.template, shared.err = testserver.NewPostgres(); shared.err != nil {
			return
		}
		if shared.server, shared.err = shared.template.Copy(testserver.FastAndForgetful...); shared.err == nil {
			shared.err = shared.server.Start()
		}
	})
	if errors.Is(shared.err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip(shared.err) // "PostgreSQL is not installed", as in testserver; in CI this goes on and fails
	}
	require.NoError(t, shared.err)
}

// newServer returns a server of the test's own, which runs.
func newServer(t testing.TB, settings ...string) *testserver.Postgres {
	t.Helper()
	share(t)
	server, err := shared.template.Copy(settings...)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	require.NoError(t, server.Start())
	return server
}

// newURL returns where a store may be made: an empty schema, which is dropped with the test.
func newURL(t testing.TB, parameters ...string) string {
	t.Helper()
	share(t)
	s := shared.server
	schema := fmt.Sprint("test_", shared.schemas.Add(1))
	run(t, s.URL(), "CREATE SCHEMA "+schema)
	t.Cleanup(func() { run(t, s.URL(), "DROP SCHEMA "+schema+" CASCADE") })
	return s.URL(append(parameters, "search_path="+schema)...)
}

// open opens a store that is closed with the test.
func open(t testing.TB, url string, cfg pgxstore.Config) *pgxstore.Store {
	t.Helper()
	s, err := pgxstore.Open(url, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// migrated opens a store and makes it ready.
func migrated(t testing.TB, url string, cfg pgxstore.Config) *pgxstore.Store {
	t.Helper()
	s := open(t, url, cfg)
	require.NoError(t, s.Migrate(t.Context()))
	return s
}

// connect connects as a stranger does.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// run runs statements behind the store's back.
func run(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	for _, statement := range statements {
		_, err := conn.Exec(context.Background(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close(context.Background()))
}

// empty drops all that a store holds, its marker included, and leaves the tables.
func empty(t testing.TB, url string) {
	t.Helper()
	run(t, url, `TRUNCATE ta_meta, ta_token, ta_dead, ta_session, ta_once`)
}

// The contract is held to by two stores on one database, as two processes have them, who are asked in turn: what it asks for must hold
// between them as well. The connections' own isolation level is one at which it would not, and one of them prepares no statements, as
// behind a proxy that gives each transaction another connection.
func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Config{
		Races: 10,
		New: func(t testing.TB, now func() time.Time) storetest.Stores {
			url, cfg := newURL(t, "default_transaction_isolation=repeatable read"), pgxstore.Config{Now: now}
			s := &pair{stores: [2]*pgxstore.Store{open(t, url, cfg), open(t, url+"&default_query_exec_mode=exec", cfg)}}
			require.NoError(t, s.stores[0].Migrate(t.Context()))
			return storetest.Stores{Tokens: s, Sessions: s, Epochs: s, OneTime: s, Lose: func() { empty(t, url) }}
		},
	})
}

// A pair of stores takes turns.
type pair struct {
	stores [2]*pgxstore.Store
	turn   atomic.Uint32
}

func (p *pair) next() *pgxstore.Store { return p.stores[p.turn.Add(1)%2] }

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

// readAll reads what a source has, and returns the cursor to go on from.
func readAll(ctx context.Context, s tokenauth.Source, since tokenauth.Cursor) (next tokenauth.Cursor, err error) {
	for change, err := range s.Changes(ctx, since) {
		if err != nil {
			return "", err
		}
		next = change.Next
	}
	return next, nil
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
func create(t testing.TB, s *pgxstore.Store, now time.Time) *tokenauth.StoredAccessToken {
	t.Helper()
	record := newRecord(now)
	require.NoError(t, s.Create(t.Context(), record))
	return record
}

// revoke revokes id.
func revoke(t testing.TB, s *pgxstore.Store, id string, at time.Time) {
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
func calls(s *pgxstore.Store, live *tokenauth.StoredAccessToken, now time.Time) []call {
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
		{"Changes", func(ctx context.Context) error { _, err := readAll(ctx, s, ""); return err }},
		{"Touch of nothing", func(ctx context.Context) error { return s.Touch(ctx, now) }},
	}...)
}

// writers are those that write.
func writers(s *pgxstore.Store, live *tokenauth.StoredAccessToken, now time.Time) []call {
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
func allUnavailable(t *testing.T, s *pgxstore.Store, live *tokenauth.StoredAccessToken, now time.Time) {
	t.Helper()
	for _, call := range calls(s, live, now) {
		require.ErrorIs(t, call.do(t.Context()), tokenauth.ErrUnavailable, call.name)
	}
}
