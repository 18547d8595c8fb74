package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session/sqlstore"
)

// gate is a database whose statements wait until it is opened.
type gate struct {
	opened chan struct{}
	inside atomic.Int32
}

func (g *gate) Connect(context.Context) (driver.Conn, error) { return gateConn{g}, nil }
func (g *gate) Driver() driver.Driver                        { return nil }

type gateConn struct{ g *gate }

func (c gateConn) Prepare(query string) (driver.Stmt, error) { return gateStmt{c.g, query}, nil }
func (c gateConn) Close() error                              { return nil }
func (c gateConn) Begin() (driver.Tx, error)                 { return tx{new(conn)}, nil }
func (c gateConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return c.Begin()
}

type gateStmt struct {
	g     *gate
	query string
}

func (s gateStmt) Close() error  { return nil }
func (s gateStmt) NumInput() int { return -1 }
func (s gateStmt) Query([]driver.Value) (driver.Rows, error) {
	if strings.Contains(s.query, "MAX(") {
		return &one{}, nil
	}
	return nil, errors.New("no rows here")
}
func (s gateStmt) Exec([]driver.Value) (driver.Result, error) {
	s.g.inside.Add(1)
	<-s.g.opened
	return driver.RowsAffected(1), nil
}

// SQLite allows one writer at a time. The others wait until their contexts end; reads wait for nobody.
func TestWritersTakeTurnsWhereTheDatabaseHasOne(t *testing.T) {
	for dialect, atOnce := range map[sqlstore.Dialect]int32{sqlstore.SQLite: 1, sqlstore.PostgreSQL: 3, sqlstore.MySQL: 3} {
		synctest.Test(t, func(t *testing.T) {
			g := &gate{opened: make(chan struct{})}
			db := sql.OpenDB(g)
			defer db.Close()
			store := usher.Must(sqlstore.New(db, dialect, nil))
			defer store.Close()
			now := time.Now()
			var group sync.WaitGroup
			for _, write := range []func(){
				func() { _, _ = store.End(t.Context(), "ada", "1", now) },
				func() { _, _ = store.EndAll(t.Context(), "ada", "", now, now) },
				func() { _, _ = store.Prune(t.Context(), now) },
			} {
				group.Go(write)
			}
			synctest.Wait()
			if n := g.inside.Load(); n != atOnce {
				t.Errorf("%s: %d writers at once; want %d", dialect, n, atOnce)
			}
			if dialect == sqlstore.SQLite {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := store.End(ctx, "ada", "2", now); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("End whose turn never comes: %v; want its context's error", err)
				}
				if _, err := store.EndAll(ctx, "ada", "", now, now); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("EndAll whose turn never comes: %v; want its context's error", err)
				}
			}
			if _, err := store.List(t.Context(), "ada", now); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: List: %v; want the answer of the database", dialect, err)
			}
			close(g.opened)
			group.Wait()
			if n := g.inside.Load(); n < 3 {
				t.Errorf("%s: %d statements ran; want those of all three writers", dialect, n)
			}
		})
	}
}
