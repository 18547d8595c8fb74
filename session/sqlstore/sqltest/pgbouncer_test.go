package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
	"github.com/go-usher/usher/session/storetest"
)

// newBouncer starts a PgBouncer before the test server, and returns the URL of the same database through it.
func newBouncer(t *testing.T, mode string, poolSize int) string {
	t.Helper()
	raw, bin := os.Getenv("USHER_TEST_POSTGRES_URL"), os.Getenv("USHER_TEST_PGBOUNCER")
	as, ok := unprivileged()
	if raw == "" || bin == "" || !ok {
		t.Skip("USHER_TEST_POSTGRES_URL or USHER_TEST_PGBOUNCER is not set, or there is no user postgres")
	}
	server, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(server.Host)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := server.User.Password()
	dir, err := os.MkdirTemp("", "usher-pgbouncer-") //nolint:usetesting // the parents of t.TempDir are closed to the other user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := freeAddress(t)
	_, own, _ := net.SplitHostPort(address)
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = %d
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
logfile = %s
pidfile = %s
`, host, port, server.User.Username(), password, own, mode, poolSize, filepath.Join(dir, "log"), filepath.Join(dir, "pid"))
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if as != nil {
		for _, name := range []string{dir, file} {
			if err := os.Chown(name, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(bin, "-q", file)
	cmd.SysProcAttr, cmd.Dir = as, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait() // it reports the signal
	})
	server.Host = address
	awaitDatabase(t, "pgx", server.String())
	return server.String()
}

// freeAddress returns an address of this machine that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return free.Addr().String()
}

func awaitDatabase(t *testing.T, driver, dsn string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(60 * time.Second); ; {
		err := db.PingContext(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", dsn, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// withMode returns the URL with pgx's way to send statements.
func withMode(raw, mode string) string {
	u, err := url.Parse(raw)
	if err != nil || mode == "" {
		return raw
	}
	query := u.Query()
	query.Set("default_query_exec_mode", mode)
	u.RawQuery = query.Encode()
	return u.String()
}

// newPooledStore returns a store behind a pooler. Its tables are dropped without the pooler.
func newPooledStore(t *testing.T, driver, dsn string, noPrepare bool, conns int) *sqlstore.Store {
	t.Helper()
	db := open(t, driver, dsn)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	prefix := newPrefix()
	store := usher.Must(sqlstore.New(db, sqlstore.PostgreSQL, &sqlstore.Options{TablePrefix: prefix, NoPrepare: noPrepare}))
	t.Cleanup(func() { dropTables(t, openServer(t, "pgx", "USHER_TEST_POSTGRES_URL"), prefix) })
	return store
}

// A pooler in transaction mode that doesn't know prepared statements loses them, or runs somebody else's.
func TestMigrateRefusesAPoolerThatMixesUpPreparedStatements(t *testing.T) {
	bouncer := newBouncer(t, "transaction", 4)
	for _, test := range []struct {
		name, driver, dsn string
		noPrepare         bool
		want              string // "": it works
	}{
		{"pgx", "pgx", bouncer, false, "max_prepared_statements"},
		{"pgx that prepares by itself", "pgx", bouncer, true, "default_query_exec_mode=exec"},
		{"pgx in exec mode, prepared by the store", "pgx", withMode(bouncer, "exec"), false, "Options.NoPrepare"},
		{"lib/pq", "postgres", bouncer, false, "max_prepared_statements"},
		{"lib/pq, not prepared", "postgres", bouncer, true, "lib/pq"},
		{"pgx in exec mode, not prepared", "pgx", withMode(bouncer, "exec"), true, ""},
		{"pgx with the simple protocol, not prepared", "pgx", withMode(bouncer, "simple_protocol"), true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := newPooledStore(t, test.driver, test.dsn, test.noPrepare, 8).Migrate(t.Context())
			if test.want == "" && err != nil {
				t.Errorf("Migrate: %v", err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Migrate: %v; want a refusal that names %s", err, test.want)
			}
		})
	}
}

func TestStoreKeepsTheContractBehindPgBouncer(t *testing.T) {
	for _, test := range []struct {
		mode, driver, exec string
		noPrepare          bool
		pool, conns        int
	}{
		{"transaction", "pgx", "exec", true, 4, 16},
		{"session", "pgx", "", false, 16, 16},
		{"session", "postgres", "", false, 16, 16},
	} {
		t.Run(test.mode+" "+test.driver, func(t *testing.T) {
			if !testing.Short() {
				t.Skip("run with -short: the races' full rounds take minutes, and run against PostgreSQL itself")
			}
			bouncer := withMode(newBouncer(t, test.mode, test.pool), test.exec)
			db := open(t, test.driver, bouncer)
			storetest.Run(t, func(t *testing.T) session.Store {
				prefix := newPrefix()
				store := usher.Must(sqlstore.New(db, sqlstore.PostgreSQL, &sqlstore.Options{TablePrefix: prefix, NoPrepare: test.noPrepare}))
				t.Cleanup(func() {
					_ = store.Close()
					dropTables(t, openServer(t, "pgx", "USHER_TEST_POSTGRES_URL"), prefix)
				})
				if err := store.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				return store
			})
		})
	}
}

// All connections of a process connect at once, and PgBouncer has a server for few of them.
func TestAColdStartBehindPgBouncerFreezesNobody(t *testing.T) {
	const conns, clients = 32, 64
	bouncer := withMode(newBouncer(t, "transaction", 3), "exec")
	store := newPooledStore(t, "pgx", bouncer, true, conns)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := newManager(t, store, nil)
	began := time.Now()
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			tokens, err := m.Start(ctx, fmt.Sprint("user-", i), session.About{})
			if err == nil {
				_, err = m.Refresh(ctx, tokens.RefreshToken)
			}
			if err == nil {
				err = errors.Join(m.End(ctx, tokens.RefreshToken), m.EndAll(ctx, fmt.Sprint("user-", i)))
			}
			if err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	group.Wait()
	t.Logf("%d clients over %d connections and 3 servers took %s", clients, conns, time.Since(began))
}
