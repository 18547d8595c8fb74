package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
	"github.com/go-usher/usher/session/storetest"
)

// database is a database that the tests use.
type database struct {
	name    string
	dialect sqlstore.Dialect
	open    func(t *testing.T) *sql.DB
}

var databases = []database{
	{"SQLite", sqlstore.SQLite, openSQLite},
	{"PostgreSQL", sqlstore.PostgreSQL, func(t *testing.T) *sql.DB { return openServer(t, "pgx", "USHER_TEST_POSTGRES_URL") }},
	{"MariaDB", sqlstore.MySQL, func(t *testing.T) *sql.DB { return openServer(t, "mysql", "USHER_TEST_MARIADB_DSN") }},
}

func openSQLite(t *testing.T) *sql.DB {
	file := filepath.Join(t.TempDir(), "sessions.db")
	return open(t, "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
}

func openServer(t *testing.T, driver, variable string) *sql.DB {
	dsn := os.Getenv(variable)
	if dsn == "" {
		t.Skipf("%s is not set", variable)
	}
	return open(t, driver, dsn)
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// newStore returns a store with its own tables, which are dropped after the test.
func newStore(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) *sqlstore.Store {
	t.Helper()
	store, _ := newStoreWithPrefix(t, db, dialect)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func newStoreWithPrefix(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) (*sqlstore.Store, string) {
	t.Helper()
	prefix := newPrefix()
	store, err := sqlstore.New(db, dialect, &sqlstore.Options{TablePrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		dropTables(t, db, prefix)
	})
	return store, prefix
}

func newPrefix() string { return fmt.Sprintf("usher_test_%x_", rand.Uint64()) }

func dropTables(t *testing.T, db *sql.DB, prefix string) {
	t.Helper()
	for _, table := range []string{"sessions", "subjects", "schema"} {
		if _, err := db.ExecContext(context.Background(), "DROP TABLE IF EXISTS "+prefix+table); err != nil {
			t.Error(err)
		}
	}
}

func TestStoresKeepTheContract(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel() // they wait for their disks more than they compute
			db := d.open(t)
			storetest.Run(t, func(t *testing.T) session.Store { return newStore(t, db, d.dialect) })
		})
	}
}
