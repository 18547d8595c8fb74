package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

func TestTokenExpiration(t *testing.T) {
	decoder := usher.Must(usher.NewDecoder[usher.Claims](usher.Must(usher.NewKey(usher.HS256, []byte(secretKey))), nil))
	for _, test := range []struct {
		days, seconds string
		want          time.Duration
	}{
		{"", "", 15 * time.Minute},
		{"", "60", time.Minute},
		{"0", "90", 90 * time.Second},
		{"2", "", 48 * time.Hour},
		{"1", "1", 24*time.Hour + time.Second},
		{"1", "-86399", time.Second},
	} {
		t.Run(fmt.Sprintf("%q days %q seconds", test.days, test.seconds), func(t *testing.T) {
			s := start(t, map[string]string{"TOKEN_EXPIRATION_DAYS": test.days, "TOKEN_EXPIRATION_SECONDS": test.seconds})
			s.register(t, "alice@example.com")
			login := s.send(t, "POST", "/login", "", credentials("alice@example.com", password))
			if got := login.field(t, "expires_in"); got != test.want.Seconds() {
				t.Errorf("expires_in is %v, want %v", got, test.want.Seconds())
			}
			token, _ := login.field(t, "access_token").(string)
			claims, err := decoder.Decode(t.Context(), token)
			if err == nil {
				// Dates have whole seconds: iat is rounded down, and exp up.
				if lives := claims.ExpiresAt.Sub(claims.IssuedAt.Time); lives == test.want || lives == test.want+time.Second {
					return
				}
			}
			if test.want > time.Second || !errors.Is(err, usher.ErrTokenExpired) { // a second may have passed
				t.Errorf("the token's claims are %+v, %v", claims, err)
			}
		})
	}
}

func TestEnvironmentThatIsRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		env  map[string]string
		says []string
	}{
		{"short secret", map[string]string{"SECRET_KEY": "too short"},
			[]string{"SECRET_KEY", "9 bytes", "32", "openssl rand -base64 32"}},
		{"PEM as secret", map[string]string{"SECRET_KEY": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA"}, []string{"SECRET_KEY", "PEM"}},
		{"cost 3", map[string]string{"BCRYPT_LOG_ROUNDS": "3"}, []string{"BCRYPT_LOG_ROUNDS"}},
		{"cost 0", map[string]string{"BCRYPT_LOG_ROUNDS": "0"}, []string{"BCRYPT_LOG_ROUNDS"}},
		{"cost 31", map[string]string{"BCRYPT_LOG_ROUNDS": "31"}, []string{"BCRYPT_LOG_ROUNDS"}},
		{"cost in words", map[string]string{"BCRYPT_LOG_ROUNDS": "twelve"}, []string{"BCRYPT_LOG_ROUNDS", "twelve"}},
		{"no lifetime", map[string]string{"TOKEN_EXPIRATION_SECONDS": "0"}, []string{"TOKEN_EXPIRATION_SECONDS", "0s"}},
		{"no days", map[string]string{"TOKEN_EXPIRATION_DAYS": "0"}, []string{"TOKEN_EXPIRATION_DAYS", "0s"}},
		{"sum of zero", map[string]string{"TOKEN_EXPIRATION_DAYS": "1", "TOKEN_EXPIRATION_SECONDS": "-86400"}, []string{"TOKEN_EXPIRATION_DAYS"}},
		{"negative", map[string]string{"TOKEN_EXPIRATION_DAYS": "-1"}, []string{"TOKEN_EXPIRATION_DAYS"}},
		{"fraction", map[string]string{"TOKEN_EXPIRATION_DAYS": "0.5"}, []string{"TOKEN_EXPIRATION_DAYS", "0.5"}},
		{"overflow that comes out positive", map[string]string{"TOKEN_EXPIRATION_DAYS": "213505"}, []string{"TOKEN_EXPIRATION_DAYS"}},
		{"overflow of the number", map[string]string{"TOKEN_EXPIRATION_SECONDS": "9223372036854775808"}, []string{"TOKEN_EXPIRATION_SECONDS"}},
		{"email alone", map[string]string{"ADMIN_EMAIL": "a@example.com"}, []string{"ADMIN_PASSWORD"}},
		{"password alone", map[string]string{"ADMIN_PASSWORD": password}, []string{"ADMIN_EMAIL"}},
		{"admin without address", map[string]string{"ADMIN_EMAIL": "admin", "ADMIN_PASSWORD": password}, []string{"ADMIN_EMAIL", "address"}},
		{"admin with short password", map[string]string{"ADMIN_EMAIL": "a@example.com", "ADMIN_PASSWORD": "short"}, []string{"ADMIN_", "too short"}},
		{"another database", map[string]string{"DATABASE_URL": "mysql://u:p@localhost/x"}, []string{"DATABASE_URL", "postgres://"}},
		{"SQLite without path", map[string]string{"DATABASE_URL": "sqlite:"}, []string{"DATABASE_URL", "sqlite:PATH"}},
		{"SQLite with a URL's slashes", map[string]string{"DATABASE_URL": "sqlite:///x.db"}, []string{"DATABASE_URL", "sqlite:PATH"}},
		{"SQLite in no directory", map[string]string{"DATABASE_URL": "sqlite:/nowhere/at/all.db"}, []string{"DATABASE_URL", "/nowhere/at/all.db"}},
		{"PostgreSQL that is not there", map[string]string{"DATABASE_URL": "postgres://u:topsecret@127.0.0.1:1/x"}, []string{"DATABASE_URL", "127.0.0.1:1"}},
		{"another store", map[string]string{"REDIS_URL": "memcached://:topsecret@localhost"}, []string{"REDIS_URL", "redis://"}},
		{"Redis that is no URL", map[string]string{"REDIS_URL": "redis://:topsecret@local host"}, []string{"REDIS_URL", "redis://"}},
		{"Redis without host", map[string]string{"REDIS_URL": "redis:///1"}, []string{"REDIS_URL", "redis://"}},
		{"Redis with a name for a number", map[string]string{"REDIS_URL": "redis://:topsecret@localhost/sessions"}, []string{"REDIS_URL", "sessions"}},
		{"Redis that is not there", map[string]string{"REDIS_URL": "redis://:topsecret@127.0.0.1:1"}, []string{"REDIS_URL", "127.0.0.1:1"}},
		{"public URL without host", map[string]string{"PUBLIC_URL": "example.com"}, []string{"PUBLIC_URL", "example.com"}},
		{"folder of mails that is a file", map[string]string{"MAIL_DIR": "/dev/null"}, []string{"MAIL_DIR", "/dev/null"}},
		{"address", map[string]string{"ADDR": "127.0.0.1:http-alt-of-nobody"}, []string{"ADDR"}},
		{"all at once", map[string]string{
			"SECRET_KEY": "x", "BCRYPT_LOG_ROUNDS": "x", "TOKEN_EXPIRATION_DAYS": "x", "ADMIN_EMAIL": "x", "DATABASE_URL": "x", "REDIS_URL": "x",
		}, []string{"SECRET_KEY", "BCRYPT_LOG_ROUNDS", "TOKEN_EXPIRATION_DAYS", "ADMIN_PASSWORD", "DATABASE_URL", "REDIS_URL"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := refuseToStart(t, test.env)
			for _, says := range test.says {
				if !strings.Contains(got, says) {
					t.Errorf("the error is %q, want %q in it", got, says)
				}
			}
			if strings.Contains(got, "topsecret") {
				t.Errorf("the error shows a password: %q", got)
			}
		})
	}
}

func TestTokensOutliveARestartWithTheSameSecretAlone(t *testing.T) {
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "with blanks? and 100%.db")
	s := start(t, map[string]string{"DATABASE_URL": databaseURL})
	s.register(t, "alice@example.com")
	token := s.login(t, "alice@example.com")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		secret string
		want   int
	}{{secretKey, 200}, {"another " + secretKey, 401}, {"", 401}} {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL, "SECRET_KEY": test.secret})
		if got := s.send(t, "GET", "/me", token, ""); got.status != test.want {
			t.Errorf("with the secret %q it is answered with %d %s, want %d", test.secret, got.status, got.body, test.want)
		}
		if warned := strings.Contains(s.log.String(), "level=WARN msg=\"SECRET_KEY is not set"); warned != (test.secret == "") {
			t.Errorf("with the secret %q the log is\n%s", test.secret, s.log)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDatabaseFileIsNamedAndPrivate(t *testing.T) {
	t.Chdir(t.TempDir())
	s := start(t, map[string]string{"DATABASE_URL": ""})
	path, _ := filepath.Abs("quickstart.db")
	if !strings.Contains(s.log.String(), path) {
		t.Errorf("the log does not name %s:\n%s", path, s.log)
	}
	s.register(t, "alice@example.com")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

func TestFirstAdmin(t *testing.T) {
	admin := map[string]string{"ADMIN_EMAIL": "Admin@example.com", "ADMIN_PASSWORD": password}
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		admin["DATABASE_URL"] = databaseURL
		s := start(t, admin)
		token := s.login(t, "admin@example.com")
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}

		// The second time they exist, and whatever password they have is theirs.
		before := query(t, databaseURL, "SELECT password_hash FROM users")
		s = start(t, map[string]string{
			"DATABASE_URL": databaseURL, "ADMIN_EMAIL": "admin@example.com", "ADMIN_PASSWORD": "quite another password",
		})
		if got := s.send(t, "GET", "/admin", token, ""); got.status != 200 {
			t.Errorf("after a restart GET /admin is answered with %d %s", got.status, got.body)
		}
		if after := query(t, databaseURL, "SELECT password_hash FROM users"); after != before {
			t.Errorf("a restart replaced the password: %s became %s", before, after)
		}
		if !strings.Contains(s.log.String(), "the admin exists already") {
			t.Errorf("the log does not say so:\n%s", s.log)
		}
	})
}

func TestUserBecomesAdminOnlyIfThePasswordIsTheirs(t *testing.T) {
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db")
	s := start(t, map[string]string{"DATABASE_URL": databaseURL})
	s.register(t, "alice@example.com")
	token := s.login(t, "alice@example.com")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	got := refuseToStart(t, map[string]string{
		"DATABASE_URL": databaseURL, "BCRYPT_LOG_ROUNDS": "4", "ADMIN_EMAIL": "alice@example.com", "ADMIN_PASSWORD": "the operator's password",
	})
	if !strings.Contains(got, "ADMIN_EMAIL") || !strings.Contains(got, "somebody has registered it") {
		t.Errorf("the error is %q", got)
	}
	s = start(t, map[string]string{"DATABASE_URL": databaseURL})
	expectProblem(t, s.send(t, "GET", "/admin", token, ""), 403, "")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = start(t, map[string]string{"DATABASE_URL": databaseURL, "ADMIN_EMAIL": "alice@example.com", "ADMIN_PASSWORD": password})
	if got := s.send(t, "GET", "/admin", token, ""); got.status != 200 {
		t.Errorf("GET /admin is answered with %d %s", got.status, got.body)
	}
}

func TestProcessesCanStartOnOneDatabaseAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		env := map[string]string{"DATABASE_URL": databaseURL, "ADMIN_EMAIL": "admin@example.com", "ADMIN_PASSWORD": password}
		servers := make([]*server, 4)
		var group sync.WaitGroup
		for i := range servers {
			group.Go(func() { servers[i] = start(t, env) })
		}
		group.Wait()
		token := servers[0].login(t, "admin@example.com")
		for _, s := range servers {
			if got := s.send(t, "GET", "/admin", token, ""); got.status != 200 || got.field(t, "users") != 1.0 {
				t.Errorf("GET /admin is answered with %d %s", got.status, got.body)
			}
		}
	})
}

// expectOutage checks that nothing is decided without the database.
func expectOutage(t *testing.T, s *server, token string) {
	t.Helper()
	for _, got := range []reply{
		s.send(t, "GET", "/me", token, ""),
		s.send(t, "GET", "/", token, ""),
		s.send(t, "GET", "/admin", token, ""),
		s.send(t, "POST", "/login", "", credentials("alice@example.com", password)),
		s.send(t, "POST", "/register", "", credentials("bob@example.com", password)),
	} {
		expectProblem(t, got, 503, "Try again later.")
		if got.header.Get("Retry-After") == "" || got.header.Get("WWW-Authenticate") != "" {
			t.Errorf("the headers are %v", got.header)
		}
	}
	if got := s.send(t, "GET", "/", "", ""); got.status != 200 { // needs no database
		t.Errorf("a stranger is answered with %d %s", got.status, got.body)
	}
}

func TestOutageOfTheDatabaseIs503(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		token := s.login(t, "alice@example.com")
		execute(t, databaseURL, "ALTER TABLE users RENAME TO gone")
		expectOutage(t, s, token)
		execute(t, databaseURL, "ALTER TABLE gone RENAME TO users")
		if got := s.send(t, "GET", "/me", token, ""); got.status != 200 {
			t.Errorf("afterwards /me is answered with %d %s", got.status, got.body)
		}
	})
}

func TestLostConnectionsToTheDatabaseAre503(t *testing.T) {
	u := usher.Must(url.Parse(newPostgresSchema(t)))
	wire := newWire(t, u.Host)
	u.Host = wire.addr
	s := start(t, map[string]string{"DATABASE_URL": u.String()})
	s.register(t, "alice@example.com")
	token := s.login(t, "alice@example.com")
	wire.cut()
	expectOutage(t, s, token)
	wire.mend(t)
	if got := s.send(t, "GET", "/me", token, ""); got.status != 200 {
		t.Errorf("afterwards /me is answered with %d %s", got.status, got.body)
	}
}

// wire is a TCP connection to a server that can be cut and mended.
type wire struct {
	addr, target string
	listener     net.Listener
	group        sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	w := &wire{addr: "127.0.0.1:0", target: target}
	w.mend(t)
	w.addr = w.listener.Addr().String()
	t.Cleanup(w.cut)
	return w
}

func (w *wire) mend(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	w.listener = listener
	w.group.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", w.target)
			if err != nil {
				_ = near.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, near, far)
			w.mu.Unlock()
			for _, ends := range [][2]net.Conn{{near, far}, {far, near}} {
				w.group.Go(func() {
					_, _ = io.Copy(ends[0], ends[1])
					_ = ends[0].Close()
				})
			}
		}
	})
}

func (w *wire) cut() {
	_ = w.listener.Close()
	w.mu.Lock()
	for _, conn := range w.conns {
		_ = conn.Close()
	}
	w.conns = nil
	w.mu.Unlock()
	w.group.Wait()
}

func TestRequestsInFlightAreFinishedAtShutdown(t *testing.T) {
	s := start(t, nil)
	addr := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := credentials("alice@example.com", password)
	fmt.Fprintf(conn, "POST /register HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		addr, len(body))
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") { // the handler waits for the body
		t.Fatalf("the server answers %q, %v", line, err)
	}
	_, _ = in.ReadString('\n')

	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	for { // until the server takes no more connections
		other, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = other.Close()
	}
	select {
	case err := <-stopped:
		t.Fatalf("the server has stopped with %v, and a request was being served", err)
	default:
	}
	fmt.Fprint(conn, body)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Errorf("the request is answered with %s", response.Status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestLogsTellReasonsAndNoSecrets(t *testing.T) {
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db")
	s := start(t, map[string]string{"DATABASE_URL": databaseURL, "ADMIN_EMAIL": "admin@example.com", "ADMIN_PASSWORD": password})
	id := s.register(t, "alice@example.com")
	tokens := s.loginWith(t, "alice@example.com", password)
	token := tokens.access
	s.send(t, "POST", "/refresh", "", tokens.refreshBody())
	s.send(t, "POST", "/refresh", "", tokens.refreshBody()[:20])
	s.send(t, "POST", "/refresh", "", `{"refresh_token":"x`+tokens.refresh+`"}`)
	s.send(t, "POST", "/password", token, passwordChange("a wrong password", newPassword))
	s.send(t, "GET", "/me", "", "")
	s.send(t, "GET", "/me", token+"x", "")
	s.send(t, "GET", "/admin", token, "")
	s.send(t, "GET", "/"+token+"?access_token="+token, token, "")
	s.send(t, "POST", "/login", "", credentials("alice@example.com", "a wrong password"))
	s.send(t, "POST", "/login", "", credentials("bob@example.com", "a wrong password"))
	s.send(t, "POST", "/register", "", credentials("alice@example.com", password))
	s.send(t, "POST", "/register", "", credentials("bob@example.com", strings.Repeat("a wrong password ", 9)))
	s.send(t, "POST", "/register", "", `{"password":"a wrong password",`)
	execute(t, databaseURL, "DROP TABLE users")
	s.send(t, "GET", "/me", token, "")
	got := s.log.String()
	for _, line := range []string{
		`level=INFO msg="request refused" status=401 reason="usher: no token" route="GET /me"`,
		`level=INFO msg="request refused" status=401 reason="usher: (malformed token|wrong signature).*" route="GET /me"`,
		`level=INFO msg="request refused" status=403 reason="usher: forbidden" route="GET /admin"`,
		`level=INFO msg="request refused" status=404 reason="Not Found." route=""`,
		`level=INFO msg="request refused" status=401 reason="usher: wrong password of ` + id + `" route="POST /login"`,
		`level=INFO msg="request refused" status=401 reason="usher: wrong password: usher: no such user" route="POST /login"`,
		`level=INFO msg="request refused" status=400 reason=".*" route="POST /refresh"`,
		`level=INFO msg="request refused" status=401 reason="session: invalid refresh token" route="POST /refresh"`,
		`level=INFO msg="request refused" status=401 reason="usher: wrong password of ` + id + `" route="POST /password"`,
		`level=INFO msg="request refused" status=409 reason="session: username taken" route="POST /register"`,
		`level=INFO msg="request refused" status=422 reason="usher: .*72 bytes.*" route="POST /register"`,
		`level=INFO msg="request refused" status=400 reason="jsontext: .* route="POST /register"`,
		`level=ERROR msg="request refused" status=503 reason="usher: unavailable: .*users.*" route="GET /me"`,
	} {
		if !regexp.MustCompile(line).MatchString(got) {
			t.Errorf("the log has no line %s", line)
		}
	}
	for _, secret := range []string{token, strings.Split(token, ".")[2], tokens.refresh, password, "a wrong password", newPassword, secretKey} {
		if strings.Contains(got, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}
