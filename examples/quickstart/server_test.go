package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	main "github.com/go-usher/usher/examples/quickstart"
)

// server is a running quickstart.
type server struct {
	url    string
	mails  string // the folder
	log    *logs
	client *http.Client
	stop   func() error // once it has stopped, what run returned
}

const secretKey = "a secret of thirty-two bytes or more"

func newServer() *server {
	return &server{log: &logs{listening: make(chan string, 1)}, client: &http.Client{Timeout: 30 * time.Second, Transport: new(http.Transport)}}
}

// settingsWith returns an environment for tests in which env takes precedence.
func settingsWith(t *testing.T, env map[string]string) map[string]string {
	t.Helper()
	settings := map[string]string{
		"ADDR":              "127.0.0.1:0",
		"BCRYPT_LOG_ROUNDS": "4",
		"SECRET_KEY":        secretKey,
		"DATABASE_URL":      "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db"),
		"MAIL_DIR":          filepath.Join(t.TempDir(), "mails"),
	}
	maps.Copy(settings, env)
	return settings
}

// start starts the quickstart on a free port, with cheap passwords unless env says otherwise. It stops with the test.
func start(t *testing.T, env map[string]string) *server {
	t.Helper()
	settings := settingsWith(t, env)
	s := newServer()
	s.mails = settings["MAIL_DIR"]
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- main.Run(ctx, func(name string) string { return settings[name] }, s.log) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		s.client.CloseIdleConnections()
		return <-ended
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the quickstart ended with %v", err)
		}
		if t.Failed() {
			t.Logf("its log:\n%s", s.log)
		}
	})
	select {
	case s.url = <-s.log.listening:
	case err := <-ended:
		ended <- err
		t.Fatalf("the quickstart did not start: %v", err)
	}
	return s
}

// refuseToStart returns the error with which the quickstart ends at once.
func refuseToStart(t *testing.T, env map[string]string) string {
	t.Helper()
	settings := map[string]string{
		"ADDR":         "127.0.0.1:0",
		"DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db"),
		"MAIL_DIR":     filepath.Join(t.TempDir(), "mails"),
	}
	maps.Copy(settings, env)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := &logs{listening: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() { ended <- main.Run(ctx, func(name string) string { return settings[name] }, log) }()
	select {
	case err := <-ended:
		return err.Error()
	case <-log.listening:
		cancel()
		<-ended
		t.Fatalf("it started with %v", env)
		return ""
	}
}

// reply is what came back for a request.
type reply struct {
	status int
	header http.Header
	body   string
}

// field returns a member of the JSON object that the reply is.
func (r reply) field(t *testing.T, name string) any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(r.body), &object); err != nil {
		t.Fatalf("the reply %q is no JSON object: %v", r.body, err)
	}
	return object[name]
}

// send sends a request with a JSON body, unless it is empty, and a bearer token, unless that is.
func (s *server) send(t *testing.T, method, path, token, body string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return s.do(t, r)
}

func (s *server) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

// credentials returns a body for /register and /login.
func credentials(email, password string) string {
	body, _ := json.Marshal(map[string]string{"email": email, "password": password})
	return string(body)
}

const password = "correct horse battery"

// register registers somebody, ends the session that this starts, and returns their id.
func (s *server) register(t *testing.T, email string) string {
	t.Helper()
	got := s.send(t, "POST", "/register", "", credentials(email, password))
	if got.status != http.StatusCreated {
		t.Fatalf("registering %s is answered with %d %s", email, got.status, got.body)
	}
	tokens := got.tokens(t)
	id, _ := s.send(t, "GET", "/me", tokens.access, "").field(t, "id").(string)
	s.send(t, "POST", "/logout", "", tokens.refreshBody()).expect(t, "logout after the registration", http.StatusNoContent)
	return id
}

// login returns an access token for somebody who has registered.
func (s *server) login(t *testing.T, email string) string {
	t.Helper()
	return s.loginWith(t, email, password).access
}

// tokens are what a login and a refresh hand out.
type tokens struct{ access, refresh string }

// refreshBody returns a body for /refresh and /logout.
func (p tokens) refreshBody() string {
	body, _ := json.Marshal(map[string]string{"refresh_token": p.refresh})
	return string(body)
}

func (r reply) tokens(t *testing.T) tokens {
	t.Helper()
	access, _ := r.field(t, "access_token").(string)
	refresh, _ := r.field(t, "refresh_token").(string)
	if r.status != http.StatusOK && r.status != http.StatusCreated || access == "" || refresh == "" {
		t.Fatalf("instead of tokens the answer is %d %s", r.status, r.body)
	}
	return tokens{access, refresh}
}

func (s *server) loginWith(t *testing.T, email, password string) tokens {
	t.Helper()
	return s.send(t, "POST", "/login", "", credentials(email, password)).tokens(t)
}

// listed is a session in the answer of GET /sessions.
type listed struct {
	ID        string    `json:"id"`
	UserAgent string    `json:"user_agent"`
	Address   string    `json:"address"`
	Current   bool      `json:"current"`
	ExpiresAt time.Time `json:"expires_at"`
}

// sessions returns the sessions of an access token's user.
func (s *server) sessions(t *testing.T, token string) []listed {
	t.Helper()
	got := s.send(t, "GET", "/sessions", token, "")
	var body struct{ Sessions []listed }
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != http.StatusOK {
		t.Fatalf("GET /sessions is answered with %d %s", got.status, got.body)
	}
	return body.Sessions
}

// session returns the id of an access token's session.
func (s *server) session(t *testing.T, token string) string {
	t.Helper()
	for _, session := range s.sessions(t, token) {
		if session.Current {
			return session.ID
		}
	}
	t.Fatal("none of the sessions is the current one")
	return ""
}

// expect checks the status of an answer.
func (r reply) expect(t *testing.T, what string, status int) {
	t.Helper()
	if r.status != status {
		t.Errorf("%s is answered with %d %s, want %d", what, r.status, r.body, status)
	}
}

// await asks until it is so, and fails the test if that takes too long.
func await(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !isSo() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// logs collects what the quickstart logs, and hears from it where it listens.
type logs struct {
	listening chan string

	mu   sync.Mutex
	text bytes.Buffer
}

var listeningAt = regexp.MustCompile(`msg=listening url=(\S+)`)

func (l *logs) Write(p []byte) (int, error) {
	if at := listeningAt.FindSubmatch(p); at != nil {
		l.listening <- string(at[1])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// onEachDatabase runs a test with the DATABASE_URL of an empty SQLite database, and with one of PostgreSQL.
func onEachDatabase(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		test(t, "sqlite:"+filepath.Join(t.TempDir(), "quickstart.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		test(t, newPostgresSchema(t))
	})
}

// newPostgresSchema returns a DATABASE_URL for a schema of the test's own.
func newPostgresSchema(t *testing.T) string {
	t.Helper()
	const variable = "USHER_TEST_POSTGRES_URL"
	base := os.Getenv(variable)
	if base == "" {
		t.Skip(variable + " is not set")
	}
	schema := "quickstart_" + strings.ToLower(rand.Text())
	execute(t, base, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { execute(t, base, "DROP SCHEMA "+schema+" CASCADE") })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

// open opens the database of a DATABASE_URL behind the quickstart's back.
func open(t *testing.T, databaseURL string) *sql.DB {
	t.Helper()
	driver, source := "pgx", databaseURL
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func execute(t *testing.T, databaseURL, statement string, args ...any) {
	t.Helper()
	db := open(t, databaseURL)
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// query returns the one value that a statement selects.
func query(t *testing.T, databaseURL, statement string, args ...any) string {
	t.Helper()
	db := open(t, databaseURL)
	defer db.Close()
	var value string
	if err := db.QueryRowContext(t.Context(), statement, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}
