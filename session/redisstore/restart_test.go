package redisstore_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// server is a Redis of the test's own, which it may stop.
type server struct {
	t    testing.TB
	args []string
	dir  string
	addr string
	cmd  *exec.Cmd
}

// newServer starts a server that has every write on disk before it answers, unless args say otherwise.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, args: args, dir: t.TempDir(), addr: free.Addr().String()}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--logfile", filepath.Join(s.dir, "log")}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	defer client.Close()
	for deadline := time.Now().Add(30 * time.Second); ; {
		err := client.Ping(s.t.Context()).Err()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server does not answer: %v", err)
		}
	}
}

// stop ends the server at once, as a crash would.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		s.t.Error(err)
	}
	_ = s.cmd.Wait() // it reports the signal
	s.cmd = nil
}

// Clients refresh while Redis is killed and started again: meanwhile they hear that it is unavailable, and
// afterwards every one of them goes on with the token that it has.
func TestRedisStopsAndStartsUnderLoad(t *testing.T) {
	s := newServer(t)
	client := redis.NewClient(&redis.Options{Addr: s.addr, DialTimeout: time.Second})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	m := newManager(t, client, "test:", func(c *session.Config[usher.Claims]) { c.Grace = 5 * time.Minute })

	const clients = 8
	tokens := make([]session.Tokens, clients)
	for i := range tokens {
		var err error
		if tokens[i], err = m.Start(t.Context(), fmt.Sprint(i), session.About{}); err != nil {
			t.Fatal(err)
		}
	}
	stop, unavailable := make(chan struct{}), make(chan struct{}, clients)
	var load sync.WaitGroup
	for i := range tokens {
		load.Go(func() {
			for told := false; ; {
				select {
				case <-stop:
					return
				default:
				}
				next, err := m.Refresh(t.Context(), tokens[i].RefreshToken)
				switch {
				case err == nil:
					tokens[i] = next
				case errors.Is(err, usher.ErrUnavailable):
					if !told {
						told = true
						unavailable <- struct{}{}
					}
				default:
					t.Errorf("client %d: %v", i, err)
					unavailable <- struct{}{}
					return
				}
			}
		})
	}
	s.stop()
	for range clients {
		<-unavailable
	}
	if err := m.EndAll(t.Context(), "0"); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("EndAll while Redis is down: %v; want ErrUnavailable", err)
	}
	if err := m.Check(t.Context(), &usher.Claims{Subject: "0", SessionID: tokens[0].SessionID}); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("Check while Redis is down: %v; want ErrUnavailable", err)
	}
	s.start()
	close(stop)
	load.Wait()
	for i := range tokens {
		err := untilAvailable(func() error { _, err := m.Refresh(t.Context(), tokens[i].RefreshToken); return err })
		if err != nil {
			t.Errorf("client %d afterwards: %v", i, err)
		}
		if list, err := m.List(t.Context(), fmt.Sprint(i)); err != nil || len(list) != 1 {
			t.Errorf("client %d afterwards: sessions %v, %v", i, list, err)
		}
	}
}

// untilAvailable tries again as clients do: the client library needs a moment to find out that Redis is back.
func untilAvailable(do func() error) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		if err := do(); !errors.Is(err, usher.ErrUnavailable) || time.Now().After(deadline) {
			return err
		}
	}
}
