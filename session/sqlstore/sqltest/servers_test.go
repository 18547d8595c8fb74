package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
)

// addExpired adds n sessions of n subjects that have expired, without the store.
func addExpired(t testing.TB, db *sql.DB, dialect sqlstore.Dialect, prefix string, n int) {
	t.Helper()
	const columns = `id, subject, generation, token, previous, nonce, user_agent, address, label, auth_time, started_at, rotated_at, expires_at, ends_at`
	insert := `INSERT INTO ` + prefix + `sessions (` + columns + `) `
	empty := fmt.Sprintf("x'%064d'", 0)
	switch dialect {
	case sqlstore.PostgreSQL:
		empty = fmt.Sprintf(`'\x%064d'::bytea`, 0)
		insert += fmt.Sprintf(`SELECT md5(n::text), 'expired-' || n, 1, %[1]s, %[1]s, substring(%[1]s for 16), 'Browser', '192.0.2.1', '', n, n, n, n, n FROM generate_series(1, %[2]d) AS n`, empty, n)
	case sqlstore.MySQL:
		insert += fmt.Sprintf(`SELECT MD5(seq), CONCAT('expired-', seq), 1, %[1]s, %[1]s, SUBSTRING(%[1]s, 1, 16), 'Browser', '192.0.2.1', '', seq, seq, seq, seq, seq FROM seq_1_to_%[2]d`, empty, n)
	default:
		insert = fmt.Sprintf(`WITH RECURSIVE seq(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM seq WHERE n < %[2]d) `+insert+
			`SELECT lower(hex(randomblob(11))), 'expired-' || n, 1, %[1]s, %[1]s, substr(%[1]s, 1, 16), 'Browser', '192.0.2.1', '', n, n, n, n, n FROM seq`, empty, n)
	}
	if _, err := db.ExecContext(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
}

// refreshTimes refreshes until over is closed, and returns how long the refreshes took, sorted.
func refreshTimes(t *testing.T, m *session.Manager[usher.Claims], clients int, over <-chan struct{}) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var times []time.Duration
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			tokens := mustStart(t, m, fmt.Sprint("client-", i))
			for {
				select {
				case <-over:
					return
				default:
				}
				began := time.Now()
				next, err := m.Refresh(t.Context(), tokens.RefreshToken)
				if err != nil {
					t.Error(err)
					return
				}
				tokens = next
				mu.Lock()
				times = append(times, time.Since(began))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(times)
	return times
}

// A Prune of many sessions holds nobody up.
func TestPruneLetsRefreshesPass(t *testing.T) {
	n := 50_000
	if testing.Short() {
		n = 20_000
	}
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			store, prefix := newStoreWithPrefix(t, db, d.dialect)
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			addExpired(t, db, d.dialect, prefix, n)
			m := newManager(t, store, nil)
			over := make(chan struct{})
			var took time.Duration
			go func() {
				defer close(over)
				began := time.Now()
				pruned, err := m.Prune(t.Context())
				took = time.Since(began)
				if err != nil || pruned != n {
					t.Errorf("Prune = %d, %v; want %d", pruned, err, n)
				}
			}()
			times := refreshTimes(t, m, 8, over)
			if len(times) == 0 {
				t.Fatal("no refresh passed")
			}
			t.Logf("Prune of %d took %s; of %d refreshes, p50 %s, p99 %s, longest %s",
				n, took.Round(time.Millisecond), len(times), times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
			if longest := times[len(times)-1]; longest > 2*time.Second {
				t.Errorf("a refresh waited %s", longest)
			}
			var left int
			if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+prefix+"sessions").Scan(&left); err != nil || left != 8 {
				t.Errorf("%d sessions are left, %v; want the clients' 8", left, err)
			}
		})
	}
}

// Logins of different users, each with an expired session to delete, don't lock each other's rows.
func TestLoginsOfDifferentUsersDoNotDeadlock(t *testing.T) {
	const clients = 64
	logins := 60
	if testing.Short() {
		logins = 15
	}
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			store := newStore(t, db, d.dialect)
			began, calls := time.Now(), atomic.Int64{}
			m := newManager(t, store, func(c *session.Config[usher.Claims]) {
				c.IdleTTL = time.Second
				// While the others log in, a client's last session expires.
				c.Now = func() time.Time { return began.Add(time.Duration(calls.Add(1)) * 50 * time.Millisecond) }
			})
			before := deadlocks(t, db, d.dialect)
			var mu sync.Mutex
			var times []time.Duration
			var group sync.WaitGroup
			for i := range clients {
				group.Go(func() {
					for range logins {
						began := time.Now()
						mustStart(t, m, fmt.Sprint("user-", i))
						mu.Lock()
						times = append(times, time.Since(began))
						mu.Unlock()
					}
				})
			}
			group.Wait()
			slices.Sort(times)
			n := deadlocks(t, db, d.dialect) - before
			t.Logf("%d logins: p50 %s, p99 %s, %d deadlocks", len(times), times[len(times)/2], times[len(times)*99/100], n)
			if n > len(times)/100 {
				t.Errorf("%d deadlocks in %d logins", n, len(times))
			}
		})
	}
}

func deadlocks(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) int {
	t.Helper()
	query := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
		sqlstore.MySQL:      "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Innodb_deadlocks'",
	}[dialect]
	if query == "" {
		return 0
	}
	var n int
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A service's role often may not create tables.
func TestMigrateNeedsNoRightsIfThereIsNothingToDo(t *testing.T) {
	s := newServer(t)
	owner := open(t, "pgx", s.url())
	for _, statement := range []string{"CREATE ROLE app LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app"} {
		if _, err := owner.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	app := open(t, "pgx", strings.Replace(s.url(), "postgres@", "app@", 1))
	store := usher.Must(sqlstore.New(app, sqlstore.PostgreSQL, nil))
	if err := store.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "sqlstore.Schema") {
		t.Errorf("Migrate without the right to create tables: %v; want a word about Schema", err)
	}
	if err := usher.Must(sqlstore.New(owner, sqlstore.PostgreSQL, nil)).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("Migrate with nothing to do: %v", err)
	}
	if err := store.Verify(t.Context()); err != nil {
		t.Errorf("Verify: %v", err)
	}
	m := newManager(t, store, nil)
	mustRefresh(t, m, mustStart(t, m, "ada").RefreshToken)
	for _, test := range []struct{ statement, word, undo string }{
		{"REVOKE DELETE ON usher_sessions FROM app", "permission denied", "GRANT DELETE ON usher_sessions TO app"},
		{"ALTER ROLE app SET default_transaction_read_only TO on", "read-only", "ALTER ROLE app RESET default_transaction_read_only"},
	} {
		if _, err := owner.ExecContext(t.Context(), test.statement); err != nil {
			t.Fatal(err)
		}
		fresh := open(t, "pgx", strings.Replace(s.url(), "postgres@", "app@", 1))
		if err := usher.Must(sqlstore.New(fresh, sqlstore.PostgreSQL, nil)).Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), test.word) {
			t.Errorf("Migrate after %s: %v; want %q", test.statement, err, test.word)
		}
		if _, err := owner.ExecContext(t.Context(), test.undo); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMigrateNamesTheLockThatItWaitsFor(t *testing.T) {
	db := openServer(t, "mysql", "USHER_TEST_MARIADB_DSN")
	store, prefix := newStoreWithPrefix(t, db, sqlstore.MySQL)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "SELECT GET_LOCK('"+prefix+"schema', 1)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := store.Migrate(ctx); !errors.Is(err, context.DeadlineExceeded) && (err == nil || !strings.Contains(err.Error(), prefix+"schema")) {
		t.Errorf("Migrate while another connection holds the lock: %v; want its name", err)
	}
	if _, err := conn.ExecContext(t.Context(), "SELECT RELEASE_LOCK('"+prefix+"schema')"); err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("Migrate afterwards: %v", err)
	}
}

func TestMigrateRefusesAutocommitOff(t *testing.T) {
	dsn := os.Getenv("USHER_TEST_MARIADB_DSN")
	if dsn == "" {
		t.Skip("USHER_TEST_MARIADB_DSN is not set")
	}
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	store, _ := newStoreWithPrefix(t, open(t, "mysql", dsn+separator+"autocommit=0"), sqlstore.MySQL)
	if err := store.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "autocommit") {
		t.Errorf("Migrate with autocommit=0: %v; want a refusal that names it", err)
	}
}

// newMariaDB starts a MariaDB of the test's own, and returns its DSN.
func newMariaDB(t *testing.T, settings ...string) string {
	t.Helper()
	install, err := exec.LookPath("mariadb-install-db")
	server, serverErr := exec.LookPath("mariadbd")
	if serverErr != nil {
		server = "/usr/sbin/mariadbd"
		_, serverErr = os.Stat(server)
	}
	if err != nil || serverErr != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("mariadb-install-db or mariadbd is not installed")
		}
		t.Skip("mariadb-install-db or mariadbd is not installed")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	data := filepath.Join(dir, "data")
	common := []string{"--no-defaults", "--datadir=" + data, "--user=" + me.Username}
	if out, err := exec.Command(install, append(common, "--auth-root-authentication-method=normal", "--skip-test-db")...).CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(server, append(append(common, "--bind-address=127.0.0.1", "--port="+port, "--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "pid")), settings...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait() // it reports the signal
	})
	root := "root@tcp(" + address + ")/"
	awaitDatabase(t, "mysql", root)
	db := open(t, "mysql", root)
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE sessions"); err != nil {
		t.Fatal(err)
	}
	return root + "sessions"
}

func TestMigrateKnowsTheServersSettings(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
		want     string // "": it works
	}{
		{"primary keys are demanded", []string{"--innodb-force-primary-key=ON"}, ""},
		{"the binary log has statements", []string{"--log-bin=bin", "--binlog-format=STATEMENT"}, "binlog_format"},
		{"the server doesn't commit", []string{"--autocommit=OFF"}, "autocommit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := usher.Must(sqlstore.New(open(t, "mysql", newMariaDB(t, test.settings...)), sqlstore.MySQL, nil))
			err := store.Migrate(t.Context())
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				m := newManager(t, store, nil)
				mustRefresh(t, m, mustStart(t, m, "ada").RefreshToken)
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Migrate: %v; want a refusal that names %s", err, test.want)
			}
		})
	}
}

func TestVerifyAcceptsTheTestServers(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			if err := newStore(t, d.open(t), d.dialect).Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
