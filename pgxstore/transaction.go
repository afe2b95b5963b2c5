package pgxstore

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A look-up is one statement. A write is one transaction at READ COMMITTED, whatever the connection's default: each of its statements must
// see what was committed before it began, above all while it waited for a lock.
//
// Writers of one family of tokens take turns by the row of its root, which who adds to a family locks for others who add, and who ends or
// rotates something locks for everybody, in a statement of its own. So what a later statement of the transaction sees of the family is
// what there is. A row of a family that is not its root's is waited for by nobody who holds something, so that nobody waits in a circle.

// read runs a statement of one row that begins with markerColumns, and writes the columns behind them to dest.
func (s *Store) read(ctx context.Context, statement string, args []any, dest ...any) error {
	return s.readRows(ctx, statement, args, func() {}, func() []any { return dest }, func() {})
}

// readRows runs a statement whose rows begin with markerColumns. It calls begin before the first row, again where it has to begin again;
// dest for where the columns of a row behind those are to be written; and each when they are.
func (s *Store) readRows(ctx context.Context, statement string, args []any, begin func(), dest func() []any, each func()) error {
	return s.lend(ctx, func(conn *pgx.Conn) error {
		begin()
		before := s.watch.seen()
		var row markerRow
		found := false
		rows, err := conn.Query(ctx, statement, args...)
		if err != nil {
			return driverError(err)
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(row.dest(dest()...)...); err != nil {
				return driverError(err)
			}
			found = true
			each()
		}
		if err := rows.Err(); err != nil {
			return driverError(err)
		}
		return s.believe(before, &row, found)
	})
}

// believe says whether a store may be believed that showed row, or no marker.
func (s *Store) believe(before marker, row *markerRow, found bool) error {
	if !found {
		return errNoMarker()
	}
	m, err := row.read()
	if err != nil {
		return err
	}
	return s.watch.check(before, m)
}

// A transaction is one attempt at a write.
type transaction struct {
	conn *pgx.Conn
	died bool // something has, and whoever listens is to be told
	done bool // the work was found done, see errDone
}

// errUnchanged ends a transaction that has nothing to commit, and promises nothing.
var errUnchanged = errors.New("pgxstore: unchanged")

// errDone ends a change that found done what it was to do. Whoever did it may have been told that it failed: one that was cut off while it
// waited for a standby has committed on this server alone, where everybody sees it. So this transaction commits as well, behind a fence, and
// is acknowledged when everything before it is as durable as the server promises.
var errDone = errors.New("pgxstore: done already")

// fenceStatement writes to the server's log, for nobody to read. A commit waits for nothing where its transaction has written nothing.
const fenceStatement = `SELECT pg_logical_emit_message(true, 'tokenauth', '')`

// write runs change in a transaction, as one step, durable when it returns nil. Where change returns an error nothing is written;
// errUnchanged and errDone are no errors to the caller. change may be run again, also when it was committed and nobody was told: so it must know what it
// wrote by a call id, or not mind to write it twice, and must not add to what it computed before.
func (s *Store) write(ctx context.Context, change func(tx *transaction) error) error {
	return s.transact(ctx, s.believed(ctx, change), true)
}

// writeOnce is write for what would count twice: it is not run again where it may have been committed.
func (s *Store) writeOnce(ctx context.Context, change func(tx *transaction) error) error {
	return s.transact(ctx, s.believed(ctx, change), false)
}

// A job begins a transaction and does what is to be done in it. It returns what judges the marker that is there when it is committed.
type job func(tx *transaction) (judge func(m marker) error, err error)

// believed is a job that does change in a store that is believed.
func (s *Store) believed(ctx context.Context, change func(tx *transaction) error) job {
	return func(tx *transaction) (func(m marker) error, error) {
		before := s.watch.seen()
		var row markerRow
		found, err := tx.begin(ctx, &row)
		if err == nil {
			err = s.believe(before, &row, found)
		}
		if err == nil {
			err = change(tx)
		}
		return func(m marker) error { return s.watch.check(before, m) }, err
	}
}

// transact does a job, again where it met another transaction or a dead connection.
func (s *Store) transact(ctx context.Context, do job, again bool) error {
	err := s.lend(ctx, func(conn *pgx.Conn) error { return s.attempt(ctx, &transaction{conn: conn}, do, again) })
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// attempt is transact, once.
func (s *Store) attempt(ctx context.Context, tx *transaction, do job, again bool) error {
	committed := false
	defer func() { // after a panic of the caller's clock, too
		if !committed {
			tx.rollBack(ctx)
		}
	}()
	judge, err := do(tx)
	if tx.done = errors.Is(err, errDone); !tx.done && err != nil {
		return err
	}
	row, found, err := tx.commit(ctx)
	if err != nil && !again {
		return unknown{&failure{"committing, and whether it has counted is not known", err}}
	}
	if err != nil {
		return driverError(err)
	}
	committed = true
	if !found {
		return errNoMarker() // committed it is, where nobody will look for it
	}
	m, err := row.read()
	if err != nil {
		return err
	}
	return judge(m)
}

// beginStatement begins a transaction, whatever the connection's own level is.
const beginStatement = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`

// indexStatement has the transaction go by indexes. There is one for each question that is asked here; where much is alike, as the parent
// of most records, the server would rather read the whole table, and do so for each member of a family again. Nor are its statements worth
// compiling, as it takes them to be when it must not read a table.
const indexStatement = `SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`

// begin begins the transaction and reads the marker, and says whether there was one.
func (tx *transaction) begin(ctx context.Context, row *markerRow) (found bool, err error) {
	var all pgx.Batch
	all.Queue(beginStatement)
	queueMarker(&all, row, &found)
	all.Queue(indexStatement)
	if err := tx.conn.SendBatch(ctx, &all).Close(); err != nil {
		return false, driverError(err)
	}
	return found, nil
}

// queueMarker has the marker read to row, if there is one.
func queueMarker(all *pgx.Batch, row *markerRow, found *bool) {
	all.Queue(`SELECT ` + markerColumns + ` FROM ` + markerSource).QueryRow(func(r pgx.Row) error {
		err := r.Scan(row.dest()...)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		*found = err == nil
		return err
	})
}

// commit tells those who listen, commits, and reads the marker that this leaves behind, if there is one.
func (tx *transaction) commit(ctx context.Context) (row markerRow, found bool, err error) {
	var all pgx.Batch
	if tx.died {
		all.Queue(notifyStatement)
	}
	if tx.done {
		all.Queue(fenceStatement)
	}
	all.Queue(`COMMIT`).Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" { // what the server rolls back instead it only says here
			return errors.New("pgxstore: the server rolled the transaction back")
		}
		return nil
	})
	queueMarker(&all, &row, &found)
	return row, found, tx.conn.SendBatch(ctx, &all).Close()
}

// notifyStatement wakes whoever listens. There is nothing in a wake-up: who is woken reads what has changed.
const notifyStatement = `SELECT pg_notify(` + channel + `, '')`

// channel is the name of the wake-ups of one store, of which a database may have several, in one schema each.
const channel = `'ta_dead_' || 'ta_dead'::regclass::oid`

// rollBack undoes what was begun. On a connection that cannot the server does the same when it is closed, as it will be.
func (tx *transaction) rollBack(ctx context.Context) {
	if ctx.Err() == nil && !tx.conn.IsClosed() && tx.conn.PgConn().TxStatus() != 'I' {
		_, _ = tx.conn.Exec(ctx, `ROLLBACK`)
	}
}

// exec runs a statement and says how many rows it changed.
func (tx *transaction) exec(ctx context.Context, statement string, args ...any) (int, error) {
	tag, err := tx.conn.Exec(ctx, statement, args...)
	if err != nil {
		return 0, driverError(err)
	}
	return int(tag.RowsAffected()), nil
}

// row runs a statement, writes its first row to dest and says whether there was one.
func (tx *transaction) row(ctx context.Context, statement string, args []any, dest ...any) (found bool, err error) {
	err = tx.conn.QueryRow(ctx, statement, args...).Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, driverError(err)
	}
	return true, nil
}

// texts runs a statement of one column and returns it.
func (tx *transaction) texts(ctx context.Context, statement string, args ...any) ([]string, error) {
	rows, err := tx.conn.Query(ctx, statement, args...)
	if err == nil {
		var all []string
		if all, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			return all, nil
		}
	}
	return nil, driverError(err)
}

// lockFamily waits for the family that id is of, and says whether there is any: to add to it, or alone.
func (tx *transaction) lockFamily(ctx context.Context, id string, alone bool) (found bool, err error) {
	mode := `FOR SHARE`
	if alone {
		mode = `FOR NO KEY UPDATE`
	}
	return tx.row(ctx, `SELECT true FROM ta_token WHERE id = (SELECT root_id FROM ta_token WHERE id = $1) `+mode, []any{id}, new(bool))
}

// lockFamilies waits for families by their roots, alone. All who lock several do it in one order.
func (tx *transaction) lockFamilies(ctx context.Context, roots []string) error {
	_, err := tx.texts(ctx, `SELECT id FROM ta_token WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE`, roots)
	return err
}

// lockFreeFamilies locks those of families that nobody writes to, and returns them.
func (tx *transaction) lockFreeFamilies(ctx context.Context, roots []string) ([]string, error) {
	slices.Sort(roots)
	return tx.texts(ctx, `SELECT id FROM ta_token WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`, slices.Compact(roots))
}
