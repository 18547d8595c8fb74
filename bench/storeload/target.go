package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/sqlstore"
)

// target is a store under load.
type target struct {
	store      session.Store
	addExpired func(ctx context.Context, n int) error // nil: the store forgets by itself
	close      func() error
}

func open(ctx context.Context, name string) (*target, error) {
	switch name {
	case "memory":
		return openMemory(), nil
	case "redis":
		return openRedis()
	case "sqlite":
		folder, err := os.MkdirTemp("", "usher-storeload-")
		if err != nil {
			return nil, err
		}
		dsn := "file:" + filepath.Join(folder, "sessions.db") + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)"
		t, err := openSQL(ctx, "sqlite", dsn, sqlstore.SQLite)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
		closeStore := t.close
		t.close = func() error { return errors.Join(closeStore(), os.RemoveAll(folder)) }
		return t, nil
	case "postgresql":
		return openSQL(ctx, "pgx", os.Getenv("USHER_TEST_POSTGRES_URL"), sqlstore.PostgreSQL)
	case "mariadb":
		return openSQL(ctx, "mysql", os.Getenv("USHER_TEST_MARIADB_DSN"), sqlstore.MySQL)
	}
	return nil, fmt.Errorf("there is no store %q", name)
}

func openMemory() *target {
	store := session.NewMemoryStore()
	return &target{
		store: store,
		addExpired: func(ctx context.Context, n int) error {
			// They have been there for long, and expire now.
			then := time.Now().Add(-time.Hour)
			for i := range n {
				r := session.Record{EndsAt: then.Add(time.Hour)}
				r.ID, r.Subject = fmt.Sprintf("expired-%014d", i), fmt.Sprint("expired-", i)
				r.AuthTime, r.StartedAt, r.LastUsedAt, r.ExpiresAt = then, then, then, then.Add(time.Minute)
				if _, err := store.Start(ctx, r, 0, then); err != nil {
					return err
				}
			}
			return nil
		},
		close: func() error { return nil },
	}
}

func openRedis() (*target, error) {
	options, err := redis.ParseURL(os.Getenv("USHER_TEST_REDIS_URL"))
	if err != nil {
		return nil, err
	}
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	store, err := redisstore.New(client, &redisstore.Options{Prefix: fmt.Sprintf("usher-storeload-%x:", rand.Uint32())}) //nolint:gosec // a name, not a secret
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &target{store: store, close: client.Close}, nil
}

func openSQL(ctx context.Context, driver, dsn string, dialect sqlstore.Dialect) (*target, error) {
	if dsn == "" {
		return nil, errors.New("no server is named: eval \"$(bash .ci/services.sh)\"")
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	prefix := fmt.Sprintf("usher_load_%x_", rand.Uint32()) //nolint:gosec // a name, not a secret
	store, err := sqlstore.New(db, dialect, &sqlstore.Options{TablePrefix: prefix})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	t := &target{store: store}
	t.addExpired = func(ctx context.Context, n int) error {
		_, err := db.ExecContext(ctx, insertExpired(dialect, prefix, n))
		return err
	}
	t.close = func() error {
		errs := []error{store.Close()}
		for _, table := range []string{"sessions", "subjects", "schema"} {
			_, err := db.ExecContext(context.Background(), "DROP TABLE IF EXISTS "+prefix+table)
			errs = append(errs, err)
		}
		return errors.Join(append(errs, db.Close())...)
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// insertExpired returns the SQL that adds n expired sessions of n subjects.
func insertExpired(dialect sqlstore.Dialect, prefix string, n int) string {
	insert := `INSERT INTO ` + prefix + `sessions (id, subject, generation, token, previous, nonce, user_agent, address, label,
		auth_time, started_at, rotated_at, expires_at, ends_at) `
	const values = `, 1, %[1]s, %[1]s, %[2]s, 'Browser', '192.0.2.1', '', n, n, n, n, n FROM `
	switch dialect {
	case sqlstore.PostgreSQL:
		empty := fmt.Sprintf(`'\x%064d'::bytea`, 0)
		return insert + `SELECT md5(n::text), 'expired-' || n` + fmt.Sprintf(values, empty, "substring("+empty+" for 16)") +
			fmt.Sprintf(`generate_series(1, %d) AS n`, n)
	case sqlstore.MySQL:
		empty := fmt.Sprintf("x'%064d'", 0)
		return insert + `SELECT MD5(n), CONCAT('expired-', n)` + fmt.Sprintf(values, empty, "SUBSTRING("+empty+", 1, 16)") +
			fmt.Sprintf(`(SELECT seq AS n FROM seq_1_to_%d) AS numbers`, n)
	default:
		empty := fmt.Sprintf("x'%064d'", 0)
		return fmt.Sprintf(`WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) `, n) +
			insert + `SELECT lower(hex(randomblob(11))), 'expired-' || n` + fmt.Sprintf(values, empty, "substr("+empty+", 1, 16)") + `numbers`
	}
}
