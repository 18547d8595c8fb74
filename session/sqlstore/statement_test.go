package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session/sqlstore"
)

// slowPrepare is a database that takes a second to prepare a statement. It counts what is prepared and closed.
type slowPrepare struct{ prepared, closed atomic.Int32 }

func (d *slowPrepare) Connect(context.Context) (driver.Conn, error) { return slowConn{d}, nil }
func (d *slowPrepare) Driver() driver.Driver                        { return nil }

type slowConn struct{ d *slowPrepare }

func (c slowConn) Prepare(string) (driver.Stmt, error) {
	c.d.prepared.Add(1)
	time.Sleep(time.Second) //nolint:forbidigo // of the bubble's own time
	return slowStmt(c), nil
}
func (c slowConn) Close() error              { return nil }
func (c slowConn) Begin() (driver.Tx, error) { return tx{new(conn)}, nil }

type slowStmt struct{ d *slowPrepare }

func (s slowStmt) Close() error                               { s.d.closed.Add(1); return nil }
func (s slowStmt) NumInput() int                              { return -1 }
func (s slowStmt) Query([]driver.Value) (driver.Rows, error)  { return none{}, nil }
func (s slowStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }

// none is a result without rows.
type none struct{}

func (none) Columns() []string         { return nil }
func (none) Close() error              { return nil }
func (none) Next([]driver.Value) error { return io.EOF }

// If several callers prepared a statement, the others would be closed: while database/sql does that, it holds the lock
// of the whole pool.
func TestAStatementIsPreparedByOneCallerAndClosedByNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowPrepare{}
		db := sql.OpenDB(d)
		defer db.Close()
		db.SetMaxOpenConns(1) // database/sql prepares once more on each further connection
		store := usher.Must(sqlstore.New(db, sqlstore.PostgreSQL, nil))
		var group sync.WaitGroup
		for range 32 {
			group.Go(func() {
				if _, err := store.End(t.Context(), "ada", "1", time.Now()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // one of them prepares
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := store.End(impatient, "ada", "1", time.Now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("End that waits for the preparer: %v; want its own context's error", err)
		}
		group.Wait()
		if prepared, closed := d.prepared.Load(), d.closed.Load(); prepared != 1 || closed != 0 {
			t.Errorf("%d statements prepared, %d closed; want one, and none", prepared, closed)
		}
		if err := store.Close(); err != nil || d.closed.Load() != 1 {
			t.Errorf("Close: %v, %d closed; want the one statement", err, d.closed.Load())
		}
	})
}

func TestNoPreparePreparesNothing(t *testing.T) {
	db := sql.OpenDB(&oneShot{})
	defer db.Close()
	store := usher.Must(sqlstore.New(db, sqlstore.PostgreSQL, &sqlstore.Options{NoPrepare: true}))
	if ended, err := store.End(t.Context(), "ada", "1", time.Now()); err != nil || !ended {
		t.Errorf("End = %v, %v", ended, err)
	}
	if _, err := store.EndAll(t.Context(), "ada", "", time.Now(), time.Now()); err != nil {
		t.Errorf("EndAll: %v", err)
	}
	if list, err := store.List(t.Context(), "ada", time.Now()); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v", list, err)
	}
}

// oneShot is a database that can't prepare.
type oneShot struct{}

func (d *oneShot) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (*oneShot) Driver() driver.Driver                          { return nil }
func (*oneShot) Prepare(string) (driver.Stmt, error)            { return nil, errRefused }
func (*oneShot) Close() error                                   { return nil }
func (*oneShot) Begin() (driver.Tx, error)                      { return tx{new(conn)}, nil }
func (*oneShot) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return tx{new(conn)}, nil
}
func (*oneShot) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}
func (*oneShot) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return none{}, nil
}

// lockTaken is a MySQL without tables, whose lock another connection holds.
type lockTaken struct{ oneShot }

func (d *lockTaken) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d *lockTaken) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if strings.Contains(query, "GET_LOCK") {
		return &zero{}, nil
	}
	return nil, errors.New("no such table")
}

// zero is a result of one row with the number 0.
type zero struct{ read bool }

func (*zero) Columns() []string { return []string{"0"} }
func (*zero) Close() error      { return nil }
func (z *zero) Next(row []driver.Value) error {
	if z.read {
		return io.EOF
	}
	z.read, row[0] = true, int64(0)
	return nil
}

func TestMigrateStopsWithoutTheLock(t *testing.T) {
	db := sql.OpenDB(&lockTaken{})
	defer db.Close()
	err := usher.Must(sqlstore.New(db, sqlstore.MySQL, nil)).Migrate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "usher_schema") || !strings.Contains(err.Error(), "IS_USED_LOCK") {
		t.Errorf("Migrate: %v; want the name of the lock", err)
	}
}
