package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
)

// New reports every mistake at once.
func ExampleNew() {
	_, err := sqlstore.New(nil, "oracle", &sqlstore.Options{TablePrefix: "auth-"})
	fmt.Println(err)
	// Output:
	// usher: db is required
	// usher: dialect must be SQLite, PostgreSQL or MySQL
	// usher: Options.TablePrefix must be at most 30 lower-case letters, digits and underscores, and must not begin with a digit
}

// A service creates its tables at the start, and removes expired sessions once per hour.
func ExampleStore_Migrate() {
	sessions := func(ctx context.Context, db *sql.DB, config session.Config[usher.Claims]) (*session.Manager[usher.Claims], error) {
		store, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
		if err != nil {
			return nil, err
		}
		if err := store.Migrate(ctx); err != nil {
			return nil, err // it says what the server lacks
		}
		config.Store = store
		manager, err := session.NewManager(config)
		if err != nil {
			return nil, err
		}
		go func() {
			_ = manager.PruneEvery(ctx, time.Hour, func(err error) { slog.Warn("session store", "err", err) })
		}()
		return manager, nil
	}
	_ = sessions
}

// Tables can be created with a tool of one's own.
func ExampleSchema() {
	schema, err := sqlstore.Schema(sqlstore.SQLite, &sqlstore.Options{TablePrefix: "auth_"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(schema) {
		if strings.HasPrefix(line, "CREATE TABLE") {
			fmt.Print(line)
		}
	}
	// Output:
	// CREATE TABLE IF NOT EXISTS auth_sessions (
	// CREATE TABLE IF NOT EXISTS auth_subjects (
	// CREATE TABLE IF NOT EXISTS auth_schema (version INTEGER NOT NULL);
}
