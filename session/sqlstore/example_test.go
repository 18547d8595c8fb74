package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
)

// At start, with a database that the application has opened.
func ExampleNew() {
	newStore := func(ctx context.Context, db *sql.DB) (session.Store, error) {
		store, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
		if err != nil {
			return nil, err
		}
		err = store.Migrate(ctx)
		return store, err
	}
	_ = newStore
	// Output:
}

// The tables, for those who create them with a tool of their own.
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
