//go:build unix

package pgxstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// Where a store comes from, and what it refuses there.

// newPool makes a pool as a caller of New does.
func newPool(t testing.TB, url string, change func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	settings, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	change(settings)
	pool, err := pgxpool.NewWithConfig(t.Context(), settings)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestOpenRefuses(t *testing.T) {
	for what, url := range map[string]string{
		"no connection string": "postgres://[",
		"the simple protocol":  "postgres://127.0.0.1/?default_query_exec_mode=simple_protocol",
	} {
		_, err := pgxstore.Open(url, pgxstore.Config{})
		require.Error(t, err, what)
	}
}

// Whoever writes a password down in a way that cannot be read, or is read as something else, does not find it in the log.
func TestNoErrorQuotesTheConnectionString(t *testing.T) {
	share(t)
	server := shared.server.Address()
	for _, url := range []string{
		"postgres://alice:s3cret@[",
		"postgres://alice:s3cret%zz@host/db",
		"postgres://alice:pass@s3cret%zz@host/db",
		"postgres://alice:s3 cret@host/db",
		"postgres://alice:s3cret@host:port/db",
		"alice:s3cret@host/db",
		"postgres://host/db?password=s3cret&sslmode=some",
		"postgres://host/db?password=s3cret&pool_max_conns=many",
		"postgres://alice:s3cret@host/db?pool_max_conn_lifetime=long",
		"host=h user=alice password = s3cret port=x",
		`host=h user=alice password=pass\ s3cret port=x`,
		"host=h user=alice password=pass s3cret",
		"host=h user=alice PASSWORD=s3cret port=x",
		// These can be read. What should have been escaped in the password is a database, a user, a host or a setting.
		"postgres://127.0.0.1:1/s3cret@db.example/auth",
		"postgres://" + server + "/s3cret@db.example/auth?sslmode=disable&user=postgres",
		"postgres://" + server + "/postgres?sslmode=disable&user=s3cret",
		"postgres://" + server + "/postgres?sslmode=disable&user=postgres&s3cret@db.example=",
		"postgres://alice:1@s3cret.invalid/auth",
		"postgres://s3cret.invalid:1/auth",
	} {
		s, err := pgxstore.Open(url, pgxstore.Config{})
		if err == nil {
			_, err = s.IsRevoked(t.Context(), "x")
			require.ErrorIs(t, err, tokenauth.ErrUnavailable, url)
			require.NoError(t, s.Close())
		}
		for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
			text := fmt.Sprintf(format, err)
			require.NotContains(t, text, "cret", url)
			require.NotContains(t, text, "alice", url)
		}
		t.Log(err)
	}
}

func TestNewRefuses(t *testing.T) {
	const url = "postgres://127.0.0.1/"
	for what, change := range map[string]func(*pgxpool.Config){
		"connect_timeout must be set": func(*pgxpool.Config) {},
		"at most 2 s":                 func(c *pgxpool.Config) { c.ConnConfig.ConnectTimeout = 3 * time.Second },
		"simple protocol": func(c *pgxpool.Config) {
			pgxstore.Tune(c)
			c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		},
	} {
		_, err := pgxstore.New(newPool(t, url, change), pgxstore.Config{})
		require.ErrorContains(t, err, what)
	}
	_, err := pgxstore.New(nil, pgxstore.Config{})
	require.Error(t, err)
	_, err = pgxstore.NewConn(nil, pgxstore.Config{})
	require.Error(t, err)
}

func TestTuneKeepsAShorterTimeout(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: 2 * time.Second, time.Second: time.Second, time.Hour: 2 * time.Second} {
		settings, err := pgxpool.ParseConfig("postgres://127.0.0.1/")
		require.NoError(t, err)
		settings.ConnConfig.ConnectTimeout = given
		pgxstore.Tune(settings)
		require.Equal(t, want, settings.ConnConfig.ConnectTimeout)
	}
}

// A pool of the caller's stays the caller's.
func TestNewLeavesThePoolOpen(t *testing.T) {
	now, url := time.Now(), newURL(t)
	pool := newPool(t, url, pgxstore.Tune)
	s, err := pgxstore.New(pool, pgxstore.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	create(t, s, now)
	require.NoError(t, s.Close())
	require.NoError(t, pool.Ping(t.Context()))
	require.Zero(t, pool.Stat().AcquiredConns(), "a connection was not given back")
}

func TestStoreOnOneConnection(t *testing.T) {
	now, url := time.Now(), newURL(t)
	conn := connect(t, url)
	s, err := pgxstore.NewConn(conn, pgxstore.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	live := create(t, s, now)
	errs := make(chan error)
	for range 8 {
		go func() {
			_, err := s.IsRevoked(t.Context(), live.ID)
			errs <- err
		}()
	}
	for range 8 {
		require.NoError(t, <-errs)
	}
	require.ErrorContains(t, s.Wait(t.Context(), ""), "only one")
	require.ErrorIs(t, s.Consume(t.Context(), "k", now.Add(-time.Hour)), tokenauth.ErrInvalidRequest, "which rolls back")
	create(t, s, now)
	require.NoError(t, s.Close())
	require.NoError(t, conn.Ping(t.Context()))

	// A call that was cut off ends it.
	unlock := lock(t, url, `LOCK TABLE ta_token`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = s.Get(ctx, live.ID)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	unlock()
	allUnavailable(t, s, live, now)
}

// Within a transaction of the caller's a store would answer for when that began, and write what may be rolled back.
func TestConnectionInATransactionIsRefused(t *testing.T) {
	now, url := time.Now(), newURL(t)
	other := migrated(t, url, pgxstore.Config{})
	stolen := create(t, other, now)
	conn := connect(t, url)
	s, err := pgxstore.NewConn(conn, pgxstore.Config{})
	require.NoError(t, err)
	for _, level := range []string{"REPEATABLE READ", "READ COMMITTED"} {
		tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.TxIsoLevel(level)})
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `SELECT FROM ta_meta`)
		require.NoError(t, err)
		revoke(t, other, stolen.ID, now)
		allUnavailable(t, s, stolen, now)
		require.NoError(t, tx.Commit(t.Context()), "it is still the caller's")
		revoked, err := s.IsRevoked(t.Context(), stolen.ID)
		require.NoError(t, err)
		require.True(t, revoked)
	}
	_, err = conn.Exec(t.Context(), `BEGIN; SELECT FROM nowhere`)
	require.Error(t, err)
	allUnavailable(t, s, stolen, now)
	_, err = conn.Exec(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	create(t, s, now)

	// A pool may be set up so that its connections come in one.
	s, err = pgxstore.New(newPool(t, url, func(c *pgxpool.Config) {
		pgxstore.Tune(c)
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ`)
			return err
		}
	}), pgxstore.Config{})
	require.NoError(t, err)
	allUnavailable(t, s, stolen, now)
}

func TestClosedAndZeroStore(t *testing.T) {
	now := time.Now()
	s := migrated(t, newURL(t), pgxstore.Config{})
	live := create(t, s, now)
	for range 2 {
		require.NoError(t, s.Close())
	}
	allUnavailable(t, s, live, now)
	zero := new(pgxstore.Store)
	allUnavailable(t, zero, live, now)
	require.ErrorIs(t, zero.Wait(t.Context(), ""), tokenauth.ErrUnavailable)
	require.ErrorIs(t, zero.Migrate(t.Context()), tokenauth.ErrUnavailable)
	require.ErrorIs(t, zero.Reseed(t.Context(), "why"), tokenauth.ErrUnavailable)
	_, err := zero.CheckDurability(t.Context())
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.NoError(t, zero.Close())
}

func TestServerThatIsNotThere(t *testing.T) {
	s := open(t, "postgres://alice:hunter2@127.0.0.1:1/x?sslmode=disable", pgxstore.Config{})
	_, err := s.IsRevoked(t.Context(), "x")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestEncodingMustBeUTF8(t *testing.T) {
	share(t)
	run(t, shared.server.URL(), `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`)
	t.Cleanup(func() { run(t, shared.server.URL(), `DROP DATABASE latin WITH (FORCE)`) })
	s := open(t, shared.server.URL("dbname=latin"), pgxstore.Config{})
	require.ErrorContains(t, s.Migrate(t.Context()), "UTF8")
}

// The role of the service needs to read and write rows, and not to make tables.
func TestRoleOfTheService(t *testing.T) {
	now, url := time.Now(), newURL(t)
	migrated(t, url, pgxstore.Config{})
	conn := connect(t, url)
	var schema string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT current_schema`).Scan(&schema))
	run(t, url, `CREATE ROLE service LOGIN`, `GRANT USAGE ON SCHEMA `+schema+` TO service`,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ta_meta, ta_token, ta_dead, ta_session, ta_once TO service`)
	t.Cleanup(func() { run(t, url, `DROP OWNED BY service`, `DROP ROLE service`) })
	s := open(t, url+"&user=service", pgxstore.Config{})
	live := create(t, s, now)
	for _, call := range calls(s, live, now) {
		require.NoError(t, call.do(t.Context()), call.name)
	}
	require.NoError(t, s.Migrate(t.Context()), "there is nothing to make")
	require.NoError(t, s.Reseed(t.Context(), "a drill"))
	_, err := s.CheckDurability(t.Context())
	require.ErrorIs(t, err, pgxstore.ErrNotDurable)
}
