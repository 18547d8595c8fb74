package sqltest

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
	"github.com/go-usher/usher/session/storetest"
)

var mariaDBAddress = regexp.MustCompile(`tcp\(([^)]+)\)`)

// behindProxy opens a server's database through a proxy.
func behindProxy(t *testing.T, d database) (*sql.DB, *storetest.Proxy) {
	t.Helper()
	switch d.dialect {
	case sqlstore.PostgreSQL:
		raw := os.Getenv("USHER_TEST_POSTGRES_URL")
		if raw == "" {
			t.Skip("USHER_TEST_POSTGRES_URL is not set")
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		proxy := storetest.NewProxy(t, u.Host)
		u.Host = proxy.Addr()
		return open(t, "pgx", u.String()), proxy
	case sqlstore.MySQL:
		dsn := os.Getenv("USHER_TEST_MARIADB_DSN")
		if dsn == "" {
			t.Skip("USHER_TEST_MARIADB_DSN is not set")
		}
		address := mariaDBAddress.FindStringSubmatch(dsn)
		if address == nil {
			t.Skip("USHER_TEST_MARIADB_DSN names no tcp(host:port)")
		}
		proxy := storetest.NewProxy(t, address[1])
		return open(t, "mysql", mariaDBAddress.ReplaceAllLiteralString(dsn, "tcp("+proxy.Addr()+")")), proxy
	}
	t.Skip("no server")
	return nil, nil
}

func TestARefreshAndACheckAreOneRoundTripEach(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db, proxy := behindProxy(t, d)
			db.SetMaxOpenConns(1)
			m := newManager(t, newStore(t, db, d.dialect), nil)
			tokens := mustStart(t, m, "ada")
			check := func() {
				if err := m.Check(t.Context(), &usher.Claims{Subject: "ada", SessionID: tokens.SessionID}); err != nil {
					t.Error(err)
				}
			}
			tokens = mustRefresh(t, m, tokens.RefreshToken) // connects and prepares
			check()
			proxy.RoundTrips()
			for range 10 {
				tokens = mustRefresh(t, m, tokens.RefreshToken)
				if n := proxy.RoundTrips(); n != 1 {
					t.Fatalf("Refresh: %d round trips; want 1", n)
				}
				check()
				if n := proxy.RoundTrips(); n != 1 {
					t.Fatalf("Check: %d round trips; want 1", n)
				}
			}
		})
	}
}

// After a lost answer nobody knows whether the step was applied. Trying again settles it.
func TestALostAnswerIsSettledByTryingAgain(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db, proxy := behindProxy(t, d)
			m := newManager(t, newStore(t, db, d.dialect), nil)
			tokens := mustStart(t, m, "ada")
			again := func(do func() error) {
				t.Helper()
				for range 5 {
					proxy.LoseAnswer()
					if err := do(); err == nil {
						return
					} else if !isUnavailable(err) {
						t.Fatal(err)
					}
					if err := do(); err == nil {
						return
					}
				}
				t.Fatal("never succeeds")
			}
			for range 10 {
				again(func() error {
					next, err := m.Refresh(t.Context(), tokens.RefreshToken)
					if err == nil {
						tokens = next
					}
					return err
				})
			}
			again(func() error { _, err := m.Start(t.Context(), "ada", session.About{}); return err })
			if list, err := m.List(t.Context(), "ada"); err != nil || len(list) != 2 {
				t.Errorf("%d sessions, %v; want two", len(list), err)
			}
			again(func() error { return m.End(t.Context(), tokens.RefreshToken) })
			again(func() error { return m.EndAll(t.Context(), "ada") })
			if list, err := m.List(t.Context(), "ada"); err != nil || len(list) != 0 {
				t.Errorf("%d sessions, %v; want none", len(list), err)
			}
		})
	}
}

// BenchmarkRefresh measures refreshes and raw round trips of the same client: an UPDATE of one row, and a SELECT without
// a table.
func BenchmarkRefresh(b *testing.B) {
	url := os.Getenv("USHER_TEST_POSTGRES_URL")
	if url == "" {
		b.Skip("USHER_TEST_POSTGRES_URL is not set")
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	prefix := fmt.Sprintf("usher_bench_%d_", time.Now().UnixNano()%1e9)
	store := usher.Must(sqlstore.New(db, sqlstore.PostgreSQL, &sqlstore.Options{TablePrefix: prefix}))
	if err := store.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer func() {
		for _, table := range []string{"sessions", "subjects", "schema"} {
			if _, err := db.Exec("DROP TABLE " + prefix + table); err != nil {
				b.Error(err)
			}
		}
	}()
	m := newManager(b, store, nil)
	tokens, err := m.Start(b.Context(), "ada", session.About{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("refresh", func(b *testing.B) {
		for b.Loop() {
			if tokens, err = m.Refresh(b.Context(), tokens.RefreshToken); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw UPDATE", func(b *testing.B) {
		update, err := db.Prepare("UPDATE " + prefix + "sessions SET rotated_at = rotated_at + 1 WHERE id = $1")
		if err != nil {
			b.Fatal(err)
		}
		defer update.Close()
		for b.Loop() {
			if _, err := update.Exec(tokens.SessionID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw SELECT", func(b *testing.B) {
		query, err := db.Prepare("SELECT 1")
		if err != nil {
			b.Fatal(err)
		}
		defer query.Close()
		for b.Loop() {
			var one int
			if err := query.QueryRow().Scan(&one); err != nil {
				b.Fatal(err)
			}
		}
	})
}
