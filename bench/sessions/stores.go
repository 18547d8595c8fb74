package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/go-usher/usher/bench/internal/rounds"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/sqlstore"
)

// store is one that is measured.
type store struct {
	name string
	// target is the raw operation of which a refresh is to reach 60 %; "" if there is no such target.
	target string
	note   string
	open   func(ctx context.Context) (*opened, error)
}

// opened is a store that is ready, and the raw operations of its client.
type opened struct {
	session.Store
	version string
	raw     []rawOp
	close   func(ctx context.Context) error
}

// rawOp is what the client does without usher. prepare returns the operation of client number n.
type rawOp struct {
	name    string
	prepare func(n int) (rounds.Op, error)
}

// The raw operations.
const (
	rawPing   = "PING"
	rawGet    = "GET"
	rawScript = "EVALSHA of an empty script"
	rawSelect = "SELECT 1"
	rawUpdate = "UPDATE of one row"
)

// stores are all that usher has. An open function fails with an unnamedError if it isn't told where its server is.
func stores() []store {
	return []store{
		{name: "memory", note: "`session.NewMemoryStore`. There is no raw operation to compare with: the time is the manager's own work.", open: openMemory},
		{name: "Redis", target: rawPing, note: "`redisstore` over go-redis. Redis does not write to disk before it answers.", open: openRedis},
		{name: "PostgreSQL", target: rawUpdate, note: "`sqlstore` over pgx. The commits of refreshes and of raw UPDATEs wait for the disk (`synchronous_commit` on).",
			open: openPostgres},
		{name: "PostgreSQL, disk later", note: "The same with `synchronous_commit` off: the cost of a refresh that does not wait for the disk. Do not " +
			"use this setting for sessions, because a crash loses the last refreshes.", open: openPostgresAsync},
		{name: "MariaDB", note: "`sqlstore` over go-sql-driver. Commits also wait for the disk.", open: openMariaDB},
		{name: "SQLite", note: "`sqlstore` over modernc.org/sqlite, in WAL mode, in this process: a round trip is a call. Commits wait for the disk. " +
			"With 16 clients, the raw UPDATEs are slow, because SQLite lets a writer sleep while another one writes. The writers of the store " +
			"take turns instead.", open: openSQLite},
	}
}

// unnamedError says that nobody has told where a store's server is.
type unnamedError struct{ variable string }

func (e *unnamedError) Error() string { return e.variable + " is not set" }

func openMemory(context.Context) (*opened, error) {
	return &opened{Store: session.NewMemoryStore(), close: func(context.Context) error { return nil }}, nil
}

func openRedis(ctx context.Context) (*opened, error) {
	address := os.Getenv("USHER_TEST_REDIS_URL")
	if address == "" {
		return nil, &unnamedError{"USHER_TEST_REDIS_URL"}
	}
	config, err := redis.ParseURL(address)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(config)
	prefix := fmt.Sprintf("usher-bench-%x:", rand.Uint64()) //nolint:gosec // a name, not a secret
	s, err := redisstore.New(client, &redisstore.Options{Prefix: prefix})
	if err != nil {
		return nil, err
	}
	o := &opened{Store: s, close: func(ctx context.Context) error {
		keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		var errs []error
		for keys.Next(ctx) {
			errs = append(errs, client.Unlink(ctx, keys.Val()).Err())
		}
		return errors.Join(append(errs, keys.Err(), client.Close())...)
	}}
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	version, _, _ := strings.Cut(rest, "\r\n")
	o.version = "Redis " + version
	empty := redis.NewScript(`return "rotated"`)
	o.raw = []rawOp{
		{rawPing, func(int) (rounds.Op, error) { return func() error { return client.Ping(ctx).Err() }, nil }},
		{rawGet, func(n int) (rounds.Op, error) {
			key := fmt.Sprintf("%sraw:%d", prefix, n)
			return func() error { return client.Get(ctx, key).Err() },
				client.Set(ctx, key, strings.Repeat("x", 250), time.Hour).Err()
		}},
		{rawScript, func(n int) (rounds.Op, error) {
			key := []string{fmt.Sprintf("%sraw:%d", prefix, n)}
			return func() error { return empty.Run(ctx, client, key).Err() }, nil
		}},
	}
	return o, nil
}

func openPostgres(ctx context.Context) (*opened, error) { return openPostgresWith(ctx, "on") }

func openPostgresAsync(ctx context.Context) (*opened, error) { return openPostgresWith(ctx, "off") }

func openPostgresWith(ctx context.Context, synchronousCommit string) (*opened, error) {
	address := os.Getenv("USHER_TEST_POSTGRES_URL")
	if address == "" {
		return nil, &unnamedError{"USHER_TEST_POSTGRES_URL"}
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	query.Set("synchronous_commit", synchronousCommit)
	u.RawQuery = query.Encode()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		return nil, err
	}
	return openSQL(ctx, db, sqlstore.PostgreSQL, "SHOW server_version", "PostgreSQL ", "$1")
}

func openMariaDB(ctx context.Context) (*opened, error) {
	dsn := os.Getenv("USHER_TEST_MARIADB_DSN")
	if dsn == "" {
		return nil, &unnamedError{"USHER_TEST_MARIADB_DSN"}
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, err
	}
	return openSQL(ctx, db, sqlstore.MySQL, "SELECT VERSION()", "", "?")
}

func openSQLite(ctx context.Context) (*opened, error) {
	folder, err := os.MkdirTemp("", "usher-bench-")
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "sessions.db")+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	o, err := openSQL(ctx, db, sqlstore.SQLite, "SELECT sqlite_version()", "SQLite ", "?")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	closeStore := o.close
	o.close = func(ctx context.Context) error { return errors.Join(closeStore(ctx), os.RemoveAll(folder)) }
	return o, nil
}

// openSQL makes a store with tables of its own, and a table for the raw UPDATE.
func openSQL(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, versionQuery, product, placeholder string) (*opened, error) {
	most := clients[len(clients)-1]
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	prefix := fmt.Sprintf("usher_bench_%x_", rand.Uint32()) //nolint:gosec // a name, not a secret
	s, err := sqlstore.New(db, dialect, &sqlstore.Options{TablePrefix: prefix})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	o := &opened{Store: s}
	var prepared []*sql.Stmt
	o.close = func(ctx context.Context) error {
		var errs []error
		for _, st := range prepared {
			errs = append(errs, st.Close())
		}
		errs = append(errs, s.Close())
		for _, table := range []string{"sessions", "subjects", "schema", "raw"} {
			_, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+prefix+table)
			errs = append(errs, err)
		}
		return errors.Join(append(errs, db.Close())...)
	}
	fail := func(err error) (*opened, error) { return nil, errors.Join(err, o.close(context.WithoutCancel(ctx))) }
	if err := s.Migrate(ctx); err != nil {
		return fail(err)
	}
	if err := db.QueryRowContext(ctx, versionQuery).Scan(&o.version); err != nil {
		return fail(err)
	}
	o.version = product + o.version
	// Room in the pages for new versions of a row, as the store's own table has it.
	create := "CREATE TABLE " + prefix + "raw (id INTEGER PRIMARY KEY, n BIGINT NOT NULL)" //nolint:gosec // the prefix is made above
	if dialect == sqlstore.PostgreSQL {
		create += " WITH (fillfactor = 70)"
	}
	if _, err := db.ExecContext(ctx, create); err != nil {
		return fail(err)
	}
	// As many rows as there are sessions between two clients', for the same reason.
	rows := make([]string, most*others)
	for id := range rows {
		rows[id] = fmt.Sprintf("(%d, 0)", id)
	}
	insert := "INSERT INTO " + prefix + "raw (id, n) VALUES " + strings.Join(rows, ", ") //nolint:gosec // likewise
	if _, err := db.ExecContext(ctx, insert); err != nil {
		return fail(err)
	}
	for _, query := range []string{"SELECT 1", "UPDATE " + prefix + "raw SET n = n + 1 WHERE id = " + placeholder} {
		st, err := db.PrepareContext(ctx, query)
		if err != nil {
			return fail(err)
		}
		prepared = append(prepared, st)
	}
	o.raw = []rawOp{
		{rawSelect, func(int) (rounds.Op, error) {
			var one int
			return func() error { return prepared[0].QueryRowContext(ctx).Scan(&one) }, nil
		}},
		{rawUpdate, func(n int) (rounds.Op, error) {
			return func() error {
				result, err := prepared[1].ExecContext(ctx, n*others)
				if err != nil {
					return err
				}
				if changed, err := result.RowsAffected(); err != nil || changed != 1 {
					return fmt.Errorf("the raw UPDATE changed %d rows: %w", changed, err)
				}
				return nil
			}, nil
		}},
	}
	return o, nil
}
