package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
)

func TestMistakesAreReportedAtOnce(t *testing.T) {
	for _, prefix := range []string{"1x", "Upper", "a-b", "a;b", strings.Repeat("x", 31)} {
		_, err := sqlstore.New(nil, "oracle", &sqlstore.Options{TablePrefix: prefix})
		for _, field := range []string{"db", "dialect", "TablePrefix"} {
			if !errors.As(err, new(*usher.ConfigError)) || !strings.Contains(err.Error(), field) {
				t.Errorf("New with %q: %v; want a ConfigError about %s", prefix, err, field)
			}
		}
	}
	if _, err := sqlstore.Schema("oracle", nil); !errors.As(err, new(*usher.ConfigError)) {
		t.Errorf("Schema: %v; want a ConfigError", err)
	}
}

// migrating is a database without tables. The version of its schema can't be read until the schema is created, and the
// context ends when it has been read.
type migrating struct {
	conn
	cancel context.CancelFunc
	failAt string // the statement that fails
	ran    []string
}

func (m *migrating) Connect(context.Context) (driver.Conn, error) { return m, nil }
func (m *migrating) Close() error                                 { return nil }
func (m *migrating) Prepare(query string) (driver.Stmt, error)    { return migration{m, query}, nil }

type migration struct {
	m     *migrating
	query string
}

func (s migration) Close() error  { return nil }
func (s migration) NumInput() int { return 0 }
func (s migration) Exec([]driver.Value) (driver.Result, error) {
	s.m.ran = append(s.m.ran, s.query)
	if s.query == s.m.failAt {
		return nil, errRefused
	}
	return driver.ResultNoRows, nil
}
func (s migration) Query([]driver.Value) (driver.Rows, error) {
	if strings.Contains(s.query, "version") && len(s.m.ran) == 0 {
		return nil, errors.New("no such table")
	}
	return &one{m: s.m, last: strings.Contains(s.query, "version")}, nil
}

var errRefused = errors.New("refused")

// one is a result of one row with the number 1.
type one struct {
	m    *migrating
	last bool
	read bool
}

func (*one) Columns() []string { return []string{"1"} }
func (o *one) Close() error {
	if o.last {
		o.m.cancel()
	}
	return nil
}
func (o *one) Next(row []driver.Value) error {
	if o.read {
		return io.EOF
	}
	o.read, row[0] = true, int64(1)
	return nil
}

// A connection that went back to the pool in the middle of a transaction would lock everyone out.
func TestAnInterruptedMigrationReleasesTheLock(t *testing.T) {
	for dialect, undo := range map[sqlstore.Dialect]string{
		sqlstore.SQLite: "ROLLBACK", sqlstore.PostgreSQL: "ROLLBACK", sqlstore.MySQL: "SELECT RELEASE_LOCK('usher_schema')",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		m := &migrating{cancel: cancel}
		err := usher.Must(sqlstore.New(sql.OpenDB(m), dialect, nil)).Migrate(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: %v; want the context's error", dialect, err)
		}
		if last := m.ran[len(m.ran)-1]; last != undo {
			t.Errorf("%s: the connection's last statement is %s; want %s", dialect, last, undo)
		}
	}
}

func TestAMigrationThatCannotBeginSaysWhy(t *testing.T) {
	for dialect, begin := range map[sqlstore.Dialect]string{sqlstore.SQLite: "BEGIN IMMEDIATE", sqlstore.PostgreSQL: "BEGIN"} {
		m := &migrating{cancel: func() {}, failAt: begin}
		err := usher.Must(sqlstore.New(sql.OpenDB(m), dialect, nil)).Migrate(t.Context())
		if !errors.Is(err, errRefused) || errors.Is(err, sql.ErrConnDone) {
			t.Errorf("%s: %v; want the reason alone", dialect, err)
		}
		if len(m.ran) != 1 {
			t.Errorf("%s: ran %q; want nothing after a BEGIN that failed", dialect, m.ran)
		}
	}
}

// conn is a database that answers every statement with err, and counts them.
type conn struct {
	err       error
	execs     int
	rollbacks int
}

func (c *conn) Connect(context.Context) (driver.Conn, error) { return c, nil }
func (c *conn) Driver() driver.Driver                        { return nil }
func (c *conn) Prepare(string) (driver.Stmt, error)          { return stmt{c}, nil }
func (c *conn) Close() error                                 { return nil }
func (c *conn) Begin() (driver.Tx, error)                    { return tx{c}, nil }
func (c *conn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return tx{c}, nil
}

type tx struct{ c *conn }

func (t tx) Commit() error   { return nil }
func (t tx) Rollback() error { t.c.rollbacks++; return nil }

type stmt struct{ c *conn }

func (s stmt) Close() error                               { return nil }
func (s stmt) NumInput() int                              { return -1 }
func (s stmt) Exec([]driver.Value) (driver.Result, error) { s.c.execs++; return nil, s.c.err }
func (s stmt) Query([]driver.Value) (driver.Rows, error)  { return nil, s.c.err }

// coded is an error as PostgreSQL's drivers have them.
type coded string

func (c coded) Error() string    { return "code " + string(c) }
func (c coded) SQLState() string { return string(c) }

func TestOperationsThatTheDatabaseRollsBackAreRepeated(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		err   error
		times int
	}{
		{coded("40001"), 20},
		{coded("40P01"), 20},
		{errors.New("Error 1213 (40001): Deadlock found when trying to get lock"), 20},
		{coded("23505"), 1},
		{errors.New("connection reset by peer"), 1},
	} {
		c := &conn{err: test.err}
		store := usher.Must(sqlstore.New(sql.OpenDB(c), sqlstore.MySQL, nil))
		lite := usher.Must(sqlstore.New(sql.OpenDB(c), sqlstore.SQLite, nil)) // whose Prune begins with a DELETE
		for name, step := range map[string]func() error{
			"Rotate": func() error { _, err := store.Rotate(t.Context(), session.Rotation{}); return err },
			"End":    func() error { _, err := store.End(t.Context(), "a", "b", now); return err },
			"Start":  func() error { _, err := store.Start(t.Context(), session.Record{}, 1, now); return err },
			"EndAll": func() error { _, err := store.EndAll(t.Context(), "a", "", now, now); return err },
			"Prune":  func() error { _, err := lite.Prune(t.Context(), now); return err },
		} {
			c.execs, c.rollbacks = 0, 0
			if err := step(); !errors.Is(err, test.err) {
				t.Errorf("%s: %v; want %v", name, err, test.err)
			}
			if c.execs != test.times {
				t.Errorf("%s ran %d times on %v; want %d", name, c.execs, test.err, test.times)
			}
			if transaction := name == "Start" || name == "EndAll"; transaction && c.rollbacks != test.times {
				t.Errorf("%s was rolled back %d times; want %d", name, c.rollbacks, test.times)
			}
		}
		for name, step := range map[string]func() error{
			"Lookup": func() error { _, err := store.Lookup(t.Context(), "a", "b", now); return err },
			"List":   func() error { _, err := store.List(t.Context(), "a", now); return err },
		} {
			if err := step(); !errors.Is(err, test.err) {
				t.Errorf("%s: %v; want %v", name, err, test.err)
			}
		}
		if err := errors.Join(store.Close(), lite.Close()); err != nil {
			t.Error(err)
		}
	}
}
