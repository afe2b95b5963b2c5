//go:build unix

package fleet

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// quiet keeps what a client says about servers that are away, which is half of these tests.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	os.Exit(m.Run())
}

// Both servers are durable: what they have acknowledged is on the disk.

// A postgres is a PostgreSQL server.
type postgres struct {
	t                   *testing.T
	now, saved, standby *testserver.Postgres
}

func newPostgres(t *testing.T) server {
	p := &postgres{t: t, now: testserver.StartPostgres(t, "max_connections=600")}
	t.Cleanup(func() {
		for _, s := range []*testserver.Postgres{p.now, p.saved, p.standby} { // now may be one that was promoted
			if s != nil {
				s.Close()
			}
		}
	})
	return p
}

func (p *postgres) address() string { return p.now.Address() }

func (p *postgres) open(t *testing.T, address string) store {
	t.Helper()
	s, err := pgxstore.Open("postgres://postgres@"+address+"/postgres?sslmode=disable&pool_max_conns=3", pgxstore.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (p *postgres) save() {
	p.now.Stop()
	var err error
	p.saved, err = p.now.Copy("max_connections=600")
	require.NoError(p.t, err)
	p.start()
}

func (p *postgres) kill()   { p.now.Kill() }
func (p *postgres) start()  { require.NoError(p.t, p.now.Start()) }
func (p *postgres) old()    { require.NoError(p.t, p.now.Restore(p.saved)) }
func (p *postgres) freeze() { p.now.Freeze() }
func (p *postgres) thaw()   { p.now.Thaw() }

func (p *postgres) empty() {
	bare, err := testserver.NewPostgres("max_connections=600")
	require.NoError(p.t, err)
	defer bare.Close()
	require.NoError(p.t, p.now.Restore(bare))
}

// follow makes a standby that has all there is now, and nothing of what comes.
func (p *postgres) follow() {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	var err error
	p.standby, err = p.now.Standby()
	require.NoError(p.t, err)
	primary, behind := p.connect(ctx, p.now), p.connect(ctx, p.standby)
	var written string
	require.NoError(p.t, primary.QueryRow(ctx, `SELECT pg_current_wal_flush_lsn()::text`).Scan(&written))
	require.Eventually(p.t, func() bool {
		var there bool
		return behind.QueryRow(ctx, `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, written).Scan(&there) == nil && there
	}, time.Minute, 10*time.Millisecond)
	p.standby.Stop()
}

// promote makes the standby the server.
func (p *postgres) promote() {
	require.NoError(p.t, p.standby.Start())
	require.NoError(p.t, p.standby.Promote())
	require.NoError(p.t, p.standby.TakeOver(p.now))
	p.now, p.standby = p.standby, p.now
}

func (p *postgres) connect(ctx context.Context, s *testserver.Postgres) *pgx.Conn {
	conn, err := pgx.Connect(ctx, s.URL())
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// hold holds transactions open, so that the order in which they are numbered is not that in which they end.
func (p *postgres) hold(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		p.holdOne(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *postgres) holdOne(ctx context.Context, d time.Duration) {
	limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	conn, err := pgx.Connect(limited, p.now.URL())
	if err != nil {
		return // the server is not there
	}
	defer func() { _ = conn.PgConn().Conn().Close() }()
	if _, err := conn.Exec(limited, `BEGIN; SELECT pg_current_xact_id()`); err != nil {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	last, done := context.WithTimeout(ctx, 200*time.Millisecond)
	defer done()
	_, _ = conn.Exec(last, `COMMIT`)
}

// A redisServer is a Redis server.
type redisServer struct {
	t *testing.T
	*testserver.Redis
}

func newRedis(t *testing.T) server {
	return &redisServer{t, testserver.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always", "--maxclients", "2000")}
}

func (r *redisServer) address() string { return r.Addr }

func (r *redisServer) open(t *testing.T, address string) store {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: address, ContextTimeoutEnabled: true, MaxRetries: 1, DialerRetries: 1, DialTimeout: 100 * time.Millisecond, PoolSize: 4,
	})
	t.Cleanup(func() { _ = client.Close() })
	s, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	return s
}

func (r *redisServer) files() string { return filepath.Join(r.Dir, "appendonlydir") }
func (r *redisServer) saved() string { return r.files() + ".saved" }

func (r *redisServer) save() {
	r.Must("BGREWRITEAOF")
	require.Eventually(r.t, func() bool {
		return strings.Contains(r.Must("INFO", "persistence"), "aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0")
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(r.t, os.CopyFS(r.saved(), os.DirFS(r.files())))
}

func (r *redisServer) kill()   { r.Kill() }
func (r *redisServer) start()  { r.Start() }
func (r *redisServer) empty()  { require.NoError(r.t, os.RemoveAll(r.files())) }
func (r *redisServer) freeze() { r.Freeze() }
func (r *redisServer) thaw()   { r.Thaw() }

func (r *redisServer) old() {
	r.empty()
	require.NoError(r.t, os.Rename(r.saved(), r.files()))
}
