package sqltest

import (
	"strings"
	"sync"
	"testing"

	"github.com/go-usher/usher/session/sqlstore"
)

func TestMigrateMayRunAgainAndByManyAtOnce(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			store, prefix := newStoreWithPrefix(t, db, d.dialect)
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					if err := store.Migrate(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			var versions int
			if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+prefix+"schema").Scan(&versions); err != nil || versions != 1 {
				t.Errorf("%d versions, %v; want one", versions, err)
			}
		})
	}
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			store, prefix := newStoreWithPrefix(t, db, d.dialect)
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), "INSERT INTO "+prefix+"schema (version) VALUES (99)"); err != nil {
				t.Fatal(err)
			}
			for range 3 { // and leaves no lock behind
				if err := store.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "version 99") {
					t.Errorf("Migrate: %v; want a word about version 99", err)
				}
			}
		})
	}
}

func TestTheSchemaCanBeAppliedByHand(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			store, prefix := newStoreWithPrefix(t, db, d.dialect)
			schema, err := sqlstore.Schema(d.dialect, &sqlstore.Options{TablePrefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			for statement := range strings.SplitSeq(schema, ";\n") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			if err := store.Migrate(t.Context()); err != nil { // finds nothing to do
				t.Fatal(err)
			}
			m := newManager(t, store, nil)
			mustRefresh(t, m, mustStart(t, m, "ada").RefreshToken)
		})
	}
}

// A transaction must not wait for a second connection: there may be only one.
func TestOneConnectionIsEnough(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			db.SetMaxOpenConns(1)
			m := newManager(t, newStore(t, db, d.dialect), nil)
			tokens := mustStart(t, m, "ada")
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					mustStart(t, m, "ada")
					mustRefresh(t, m, tokens.RefreshToken)
				})
			}
			group.Wait()
			if err := m.EndAll(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWithoutTablesTheStoreIsUnavailable(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			store, _ := newStoreWithPrefix(t, d.open(t), d.dialect)
			m := newManager(t, store, nil)
			if _, err := m.List(t.Context(), "ada"); !isUnavailable(err) {
				t.Errorf("List: %v; want ErrUnavailable", err)
			}
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := m.List(t.Context(), "ada"); err != nil {
				t.Errorf("List once there are tables: %v", err)
			}
		})
	}
}
