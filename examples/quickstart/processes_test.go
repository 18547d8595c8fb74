package main_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
)

// build builds the program.
func build(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "quickstart")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// process is a quickstart that runs as a process of its own.
type process struct {
	*server
	cmd  *exec.Cmd
	wait func() error // for its end; returns how it ended, as often as it is asked
}

// startProgram starts the program on a free port, with these variables and no others. It is killed with the test.
func startProgram(t *testing.T, program string, env map[string]string) *process {
	t.Helper()
	p := &process{server: newServer(), cmd: exec.CommandContext(context.Background(), program)}
	p.wait = sync.OnceValue(p.cmd.Wait)
	p.cmd.Dir, p.cmd.Stderr = t.TempDir(), p.log
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the log of process %d:\n%s", p.cmd.Process.Pid, p.log)
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- p.wait() }()
	select {
	case p.url = <-p.log.listening:
	case err := <-ended:
		t.Fatalf("the program ended with %v before it served:\n%s", err, p.log)
	}
	return p
}

// kill ends the process at once, if it still runs.
func (p *process) kill() {
	p.client.CloseIdleConnections()
	_ = p.cmd.Process.Kill()
	_ = p.wait()
}

func TestProgramEndsOnSignals(t *testing.T) {
	program := build(t)
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			p := startProgram(t, program, map[string]string{"ADDR": "127.0.0.1:0"})
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := p.wait(); err != nil || !strings.Contains(p.log.String(), "msg=stopped") {
				t.Errorf("it ended with %v:\n%s", err, p.log)
			}
		})
	}
	t.Run("a mistake in the environment", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Dir, cmd.Env = t.TempDir(), []string{"SECRET_KEY=short"}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "quickstart: SECRET_KEY") {
			t.Errorf("it ended with %v:\n%s", err, out)
		}
	})
}

// redisURL returns the URL of the Redis for tests.
func redisURL(t *testing.T) string {
	t.Helper()
	const variable = "USHER_TEST_REDIS_URL"
	url := os.Getenv(variable)
	if url == "" {
		t.Skip(variable + " is not set")
	}
	return url
}

// newEmail returns an address that no other test has: Redis counts attempts across tests, and across their runs.
func newEmail() string { return "alice-" + strings.ToLower(rand.Text()) + "@example.com" }

// forget removes a user's sessions from Redis after the test, and this machine's count of registrations, which would grow
// from run to run. The counts of logins go by themselves.
func forget(t *testing.T, userID string) {
	t.Helper()
	client := redis.NewClient(usher.Must(redis.ParseURL(redisURL(t))))
	t.Cleanup(func() {
		defer client.Close()
		if n, err := client.Del(context.Background(), "quickstart:session:"+userID).Result(); n != 1 || err != nil {
			t.Errorf("Redis had %d keys of the user, %v", n, err)
		}
		counts, err := client.Keys(context.Background(), "quickstart:throttle:client:*signup").Result()
		if err == nil && len(counts) > 0 {
			err = client.Del(context.Background(), counts...).Err()
		}
		if len(counts) == 0 || err != nil {
			t.Errorf("Redis had the counts of registrations %q, %v", counts, err)
		}
	})
}

func TestTwoProcessesShareTheirSessions(t *testing.T) {
	program := build(t)
	share := func(t *testing.T, env map[string]string) (a, b *process, email string) {
		a, b, email = startProgram(t, program, env), startProgram(t, program, env), newEmail()
		id := a.register(t, email)
		if env["REDIS_URL"] != "" {
			forget(t, id)
		}
		first := a.loginWith(t, email, password)
		b.send(t, "GET", "/me", first.access, "").expect(t, "/me at the other process", 200)
		second := b.send(t, "POST", "/refresh", "", first.refreshBody()).tokens(t)
		if again := a.send(t, "POST", "/refresh", "", first.refreshBody()).tokens(t); again.refresh != second.refresh {
			t.Error("a refresh that is repeated at the other process gets another token")
		}
		second = a.send(t, "POST", "/refresh", "", second.refreshBody()).tokens(t)

		b.send(t, "POST", "/logout", "", second.refreshBody()).expect(t, "logout", 204)
		expectProblem(t, a.send(t, "GET", "/me", second.access, ""), 401, "The access token is not valid.")
		expectProblem(t, a.send(t, "POST", "/refresh", "", second.refreshBody()), 401, "Log in again.")

		third, fourth := a.loginWith(t, email, password), b.loginWith(t, email, password)
		if n := len(a.sessions(t, fourth.access)); n != 2 {
			t.Errorf("%d sessions are listed, want 2", n)
		}
		a.send(t, "DELETE", "/sessions/"+a.session(t, third.access), fourth.access, "").expect(t, "ending a session", 204)
		expectProblem(t, b.send(t, "GET", "/me", third.access, ""), 401, "The access token is not valid.")
		fifth := a.login(t, email)
		b.send(t, "POST", "/password", fourth.access, passwordChange(password, newPassword)).expect(t, "a change of password", 204)
		expectProblem(t, a.send(t, "GET", "/me", fifth, ""), 401, "The access token is not valid.")
		a.send(t, "GET", "/me", fourth.access, "").expect(t, "/me of who changed it", 200)

		// One that was killed finds the sessions when it comes back.
		a.kill()
		fourth = b.send(t, "POST", "/refresh", "", fourth.refreshBody()).tokens(t)
		a = startProgram(t, program, env)
		a.send(t, "GET", "/me", fourth.access, "").expect(t, "/me after a restart", 200)
		a.send(t, "POST", "/refresh", "", fourth.refreshBody()).tokens(t)
		return a, b, email
	}

	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		share(t, settingsWith(t, map[string]string{"DATABASE_URL": databaseURL}))
	})
	t.Run("Redis", func(t *testing.T) {
		databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db")
		a, b, email := share(t, settingsWith(t, map[string]string{"DATABASE_URL": databaseURL, "REDIS_URL": redisURL(t)}))
		if n := query(t, databaseURL, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'usher%'"); n != "0" {
			t.Errorf("the database has %s tables for sessions", n)
		}

		// Attempts count at both: five, and then no more.
		token := a.loginWith(t, email, newPassword).access
		wrong := credentials(email, "a wrong password")
		for i, p := range []*process{a, b, a, b} {
			p.send(t, "POST", "/login", "", wrong).expect(t, fmt.Sprintf("guess %d", i), 401)
		}
		b.send(t, "POST", "/password", token, passwordChange("a wrong password", password)).expect(t, "a guess at the old password", 401)
		for _, p := range []*process{a, b} {
			got := p.send(t, "POST", "/login", "", credentials(email, newPassword))
			expectProblem(t, got, 429, "Too many attempts.")
			if got.header.Get("Retry-After") == "" {
				t.Error("it does not say when to try again")
			}
			expectProblem(t, p.send(t, "POST", "/password", token, passwordChange(newPassword, password)), 429, "Too many attempts.")
		}
	})
}

func TestTwoProcessesLetNoMoreGuessesThroughThanOne(t *testing.T) {
	env := settingsWith(t, map[string]string{"REDIS_URL": redisURL(t)})
	program := build(t)
	processes := []*process{startProgram(t, program, env), startProgram(t, program, env)}
	email := newEmail()
	forget(t, processes[0].register(t, email))
	processes[0].login(t, email)
	const guesses = 100
	statuses := make(chan int, guesses)
	var group sync.WaitGroup
	for i := range guesses {
		group.Go(func() {
			statuses <- processes[i%2].send(t, "POST", "/login", "", credentials(email, "a wrong password")).status
		})
	}
	group.Wait()
	close(statuses)
	counts := map[int]int{}
	for status := range statuses {
		counts[status]++
	}
	if counts[401] != 5 || counts[429] != guesses-5 {
		t.Errorf("the guesses are answered with %v, want five 401 and the rest 429", counts)
	}
}

func TestOutageOfRedisIs503(t *testing.T) {
	u := usher.Must(url.Parse(redisURL(t)))
	wire := newWire(t, u.Host)
	u.Host = wire.addr
	s := start(t, map[string]string{"REDIS_URL": u.String()})
	email := newEmail()
	forget(t, s.register(t, email))
	tokens := s.loginWith(t, email, password)
	wire.cut()
	for _, got := range []reply{
		s.send(t, "GET", "/me", tokens.access, ""),
		s.send(t, "GET", "/sessions", tokens.access, ""),
		s.send(t, "POST", "/password", tokens.access, passwordChange(password, newPassword)),
		s.send(t, "POST", "/login", "", credentials(email, password)),
		s.send(t, "POST", "/refresh", "", tokens.refreshBody()),
		s.send(t, "POST", "/logout", "", tokens.refreshBody()),
	} {
		expectProblem(t, got, 503, "Try again later.")
	}
	s.send(t, "GET", "/", "", "").expect(t, "a stranger", 200)
	wire.mend(t)
	await(t, "Redis is asked again", func() bool { // for which its client has a look once a second
		got := s.send(t, "GET", "/me", tokens.access, "")
		if got.status != 200 {
			expectProblem(t, got, 503, "Try again later.")
		}
		return got.status == 200
	})
	s.send(t, "POST", "/refresh", "", tokens.refreshBody()).tokens(t)
}
