//go:build unix

package sqlitestore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// A write is tried again when the database was busy, and must then know what the first attempt has done.

// A lossyDB is a database whose answer to some statements is lost: they are carried out, and "busy" is said instead.
type lossyDB struct {
	driver.Connector
	mu     sync.Mutex
	losing map[string]int // statements by how they begin, and how many answers are still to be lost
	lost   int
	answer error
	before map[string]func() // done before each statement that is this one

	refuse    error // what connecting is answered by
	refused   int
	onRefusal func()
}

// lose lets the next n answers to statements be lost that begin so.
func (d *lossyDB) lose(statement string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.losing, d.lost = map[string]int{statement: n}, 0
}

// loses says whether this answer is lost.
func (d *lossyDB) loses(statement string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for begin, n := range d.losing {
		if n > 0 && strings.HasPrefix(statement, begin) {
			d.losing[begin]--
			d.lost++
			return true
		}
	}
	return false
}

func (d *lossyDB) Connect(ctx context.Context) (driver.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		d.refused++
		d.onRefusal()
		return nil, d.refuse
	}
	conn, err := d.Connector.Connect(ctx)
	return &lossyConn{conn, d}, err
}

// A lossyConn hands its statements through that lose their answers. What it does not have database/sql does by preparing.
type lossyConn struct {
	driver.Conn
	db *lossyDB
}

func (c *lossyConn) Prepare(statement string) (driver.Stmt, error) {
	prepared, err := c.Conn.Prepare(statement)
	if err != nil {
		return nil, err
	}
	return &lossyStatement{prepared.(queryStatement), c.db, statement}, nil
}

// A queryStatement is what a statement of this driver is.
type queryStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type lossyStatement struct {
	queryStatement
	db   *lossyDB
	text string
}

func (s *lossyStatement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if do := s.db.before[s.text]; do != nil {
		do()
	}
	result, err := s.queryStatement.ExecContext(ctx, args)
	if err == nil && s.db.loses(s.text) {
		return nil, s.db.answer
	}
	return result, err
}

// busyError returns the driver's own error, which nobody else can make: a second writer's.
func busyError(t *testing.T) error {
	t.Helper()
	db := openSQL(t, newPath(t), "")
	db.SetMaxOpenConns(2)
	var err error
	for range 2 {
		var conn *sql.Conn
		conn, err = db.Conn(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	}
	require.ErrorContains(t, err, "SQLITE_BUSY")
	return err
}

func newLossyDB(t *testing.T, path string, now func() time.Time) (*lossyDB, *sqlitestore.Store) {
	t.Helper()
	connector, err := sqlite.NewConnector("file:" + path + goodSettings)
	require.NoError(t, err)
	lossy := &lossyDB{Connector: connector, answer: busyError(t), before: map[string]func(){}}
	db := sql.OpenDB(lossy)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err := sqlitestore.New(t.Context(), db, sqlitestore.Config{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Migrate(t.Context()))
	return lossy, s
}

func TestWriteThatIsTriedAgainKnowsItself(t *testing.T) {
	t.Parallel()
	now := newClock().Now()
	lossy, s := newLossyDB(t, newPath(t), func() time.Time { return now })
	old := create(t, s, now)
	for _, statement := range []string{"COMMIT", "INSERT", "UPDATE"} {
		record, successor, key := newRecord(now), successorOf(old), "k-"+statement
		for _, once := range []struct {
			name  string
			do    func() error
			again error // what a second call gets
		}{
			{"Create", func() error { return s.Create(t.Context(), record) }, tokenauth.ErrExists},
			{"Rotate", func() error { return s.Rotate(t.Context(), old.ID, now, successor) }, tokenauth.ErrExists},
			{"Consume", func() error { return s.Consume(t.Context(), key, now.Add(time.Hour)) }, tokenauth.ErrReplayed},
		} {
			lossy.lose(statement, 2)
			require.NoError(t, once.do(), "%s whose %s was answered by busy", once.name, statement)
			require.NotZero(t, lossy.lost, "%s has no %s", once.name, statement)
			require.ErrorIs(t, once.do(), once.again, "%s, a second time", once.name)
		}
		for _, id := range []string{record.ID, successor.ID} {
			_, err := s.Get(t.Context(), id)
			require.NoError(t, err)
		}
		old = successor
	}
}

// A database that cannot be connected to is not asked again by every call: connecting is the dearest thing there is to do. It is asked a
// moment later, or at once when the file has changed.
func TestConnectingIsNotTriedByEveryCall(t *testing.T) {
	now, path := newClock().Now(), newPath(t)
	lossy, s := newLossyDB(t, path, func() time.Time { return now })
	live := create(t, s, now) // by the writer's connection; there is none for look-ups yet
	lossy.refuse, lossy.onRefusal = errors.New("too many open files"), func() {}
	began := time.Now()
	for range 2_000 {
		_, err := s.IsRevoked(t.Context(), live.ID)
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		require.ErrorContains(t, err, "too many open files")
	}
	attempts := int(time.Since(began)/(10*time.Millisecond)) + 1
	require.LessOrEqual(t, lossy.refused, attempts)

	lossy.refuse = nil
	require.Eventually(t, func() bool {
		_, err := s.IsRevoked(t.Context(), live.ID)
		return err == nil
	}, 2*time.Second, time.Millisecond)

	// The context of another caller that ended meanwhile is no word about the file.
	lossy, s = newLossyDB(t, path, func() time.Time { return now })
	gone, cancel := context.WithCancel(t.Context())
	lossy.refuse, lossy.onRefusal = context.Canceled, cancel
	_, err := s.IsRevoked(gone, live.ID)
	require.ErrorIs(t, err, context.Canceled)
	lossy.refuse = nil
	_, err = s.IsRevoked(t.Context(), live.ID)
	require.NoError(t, err)
}

// A commit whose answer never comes is not known to have counted. It is no refusal, and no success, but where a look at what is there by
// now says so.
func TestCommitWithoutAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	now := newClock().Now()
	lossy, s := newLossyDB(t, newPath(t), func() time.Time { return now })
	live := create(t, s, now)
	unknown := 0
	for _, writer := range writers(s, live, now) {
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		lossy.lose("COMMIT", 1<<30)
		if err := writer.do(ctx); err != nil {
			require.ErrorIs(t, err, tokenauth.ErrUnavailable, writer.name)
			require.ErrorIs(t, err, context.DeadlineExceeded, writer.name)
			unknown++
		}
		cancel()
	}
	require.NotZero(t, unknown)
}

// What was committed to a file that is no longer the store's is not acknowledged.
func TestWriteToAFileThatGoesMeanwhileIsUnavailable(t *testing.T) {
	now, path := newClock().Now(), newPath(t)
	lossy, s := newLossyDB(t, path, func() time.Time { return now })
	live := create(t, s, now)
	for _, writer := range writers(s, live, now) {
		committed := false
		lossy.before["COMMIT"] = func() {
			committed = true
			require.NoError(t, os.Rename(path, path+".away"))
		}
		err := writer.do(t.Context())
		lossy.before["COMMIT"] = nil
		if !committed {
			continue // there was nothing to write
		}
		require.ErrorIs(t, err, tokenauth.ErrUnavailable, writer.name)
		require.NoError(t, os.Rename(path+".away", path))
	}
}

// A caller who goes while a write is under way leaves nothing behind.
func TestContextThatEndsBeforeTheCommit(t *testing.T) {
	now, path := newClock().Now(), newPath(t)
	lossy, s := newLossyDB(t, path, func() time.Time { return now })
	live := create(t, s, now)
	before := content(t, path)
	for _, writer := range writers(s, live, now) {
		ctx, cancel := context.WithCancel(t.Context())
		wrote := false
		lossy.before["UPDATE ta_meta SET writes = ?1"] = func() {
			wrote = true
			cancel()
		}
		err := writer.do(ctx)
		cancel()
		if wrote {
			require.ErrorIs(t, err, context.Canceled, writer.name)
			require.ErrorIs(t, err, tokenauth.ErrUnavailable, writer.name)
		}
	}
	require.Equal(t, before, content(t, path))
}
