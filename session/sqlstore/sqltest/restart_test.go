package sqltest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session/internal/outage"
	"github.com/go-usher/usher/session/sqlstore"
)

// server is a PostgreSQL that belongs to one test, which may stop it.
type server struct {
	t    *testing.T
	bin  string
	dir  string
	port string
	as   *syscall.SysProcAttr // PostgreSQL refuses to run as root
	cmd  *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	bin, ok := postgresBinaries()
	as, credentials := unprivileged()
	if !ok || !credentials {
		if os.Getenv("CI") != "" {
			t.Fatal("PostgreSQL's initdb and postgres, or the user postgres, are not installed")
		}
		t.Skip("PostgreSQL's initdb and postgres, or the user postgres, are not installed")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err := errors.Join(err, free.Close()); err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: its parents are closed to the other user.
	dir, err := os.MkdirTemp("", "usher-postgres-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if as != nil {
		if err := os.Chown(dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{t: t, bin: bin, dir: dir, port: port, as: as}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// postgresBinaries returns the directory of initdb and postgres.
func postgresBinaries() (string, bool) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", false
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, true
		}
	}
	return "", false
}

// unprivileged returns how to start a process as a user other than root. It returns nil and true if this process is not
// root's.
func unprivileged() (*syscall.SysProcAttr, bool) {
	if os.Geteuid() != 0 {
		return nil, true
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, false
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		return nil, false
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, true
}

func (s *server) url() string {
	return "postgres://postgres@127.0.0.1:" + s.port + "/postgres?sslmode=disable&connect_timeout=2"
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-p", s.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+s.dir)
	s.cmd.SysProcAttr, s.cmd.Dir = s.as, s.dir
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	db := open(s.t, "pgx", s.url())
	for deadline := time.Now().Add(60 * time.Second); ; {
		err := db.PingContext(s.t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("PostgreSQL does not answer: %v\n%s", err, text)
		}
	}
}

// stop shuts the server down at once. The next start recovers what was committed.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		s.t.Error(err)
	}
	_ = s.cmd.Wait() // it reports the way it ended
	s.cmd = nil
}

func TestPostgreSQLStopsAndStartsUnderLoad(t *testing.T) {
	s := newServer(t)
	db := open(t, "pgx", s.url())
	store := usher.Must(sqlstore.New(db, sqlstore.PostgreSQL, nil))
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	outage.Run(t, store, s.stop, s.start)
	if text, err := os.ReadFile(filepath.Join(s.dir, "log")); err != nil || strings.Contains(string(text), "PANIC") {
		t.Errorf("PostgreSQL's log: %v\n%s", err, text)
	}
}
