package main_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	main "github.com/go-usher/usher/examples/quickstart"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/ushertest"
)

func TestFromRegistrationToProtectedRoutes(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{
			"DATABASE_URL": databaseURL, "ADMIN_EMAIL": "Admin@example.com", "ADMIN_PASSWORD": password,
		})
		id := s.register(t, "Alice@example.com")
		if got := s.send(t, "POST", "/register", "", credentials("alice@EXAMPLE.com", password)); got.status != 409 {
			t.Errorf("the same address in another case is answered with %d %s", got.status, got.body)
		}
		login := s.send(t, "POST", "/login", "", credentials("ALICE@example.com", password))
		if login.status != 200 || login.field(t, "token_type") != "Bearer" || login.field(t, "expires_in") != 900.0 ||
			login.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the login is answered with %d %v %s", login.status, login.header, login.body)
		}
		alice, _ := login.field(t, "access_token").(string)
		admin := s.login(t, "admin@example.com")

		for _, test := range []struct {
			path, token string
			status      int
			body        string
		}{
			{"/me", alice, 200, fmt.Sprintf(`{"id":%q,"email":"alice@example.com","admin":false,"verified":false}`, id)},
			{"/me", "", 401, `An access token is required.`},
			{"/me", alice + "A", 401, `The access token is not valid.`},
			{"/", alice, 200, `{"message":"Hello, alice@example.com!"}`},
			{"/", "", 200, `{"message":"Hello, stranger!"}`},
			{"/", "x", 401, `The access token is not valid.`},
			{"/admin", admin, 200, `{"users":2}`},
			{"/admin", alice, 403, `This is not allowed.`},
			{"/admin", "", 401, `An access token is required.`},
		} {
			got := s.send(t, "GET", test.path, test.token, "")
			if got.status != test.status || !strings.Contains(got.body, test.body) {
				t.Errorf("GET %s is answered with %d %s, want %d %s", test.path, got.status, got.body, test.status, test.body)
			}
		}
		if got := s.send(t, "GET", "/me", admin, ""); got.field(t, "admin") != true {
			t.Errorf("the admin is %s", got.body)
		}
	})
}

func TestRegistrationLogsIn(t *testing.T) {
	s := start(t, nil)
	got := s.send(t, "POST", "/register", "", credentials("  Alice@Example.com ", password))
	if got.status != 201 || got.field(t, "token_type") != "Bearer" || got.field(t, "expires_in") != 900.0 ||
		got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer is %d %v %s", got.status, got.header, got.body)
	}
	tokens := got.tokens(t)
	if me := s.send(t, "GET", "/me", tokens.access, ""); me.status != 200 || me.field(t, "email") != "alice@example.com" {
		t.Errorf("GET /me is answered with %d %s", me.status, me.body)
	}
	s.send(t, "POST", "/refresh", "", tokens.refreshBody()).expect(t, "a refresh", 200)
}

func TestBodiesThatAreRefused(t *testing.T) {
	s := start(t, nil)
	long := strings.Repeat("x", 250)
	for _, test := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"nothing", "", 400, "one JSON object"},
		{"broken", `{"email":`, 400, "one JSON object"},
		{"null", `null`, 400, "one JSON object"},
		{"array", `[{"email":"a@example.com","password":"long enough"}]`, 400, "one JSON object"},
		{"string", `"a@example.com"`, 400, "one JSON object"},
		{"two objects", credentials("a@example.com", password) + `{}`, 400, "one JSON object"},
		{"something after it", credentials("a@example.com", password) + `x`, 400, "one JSON object"},
		{"a name twice", `{"email":"a@example.com","email":"b@example.com","password":"long enough"}`, 400, "one JSON object"},
		{"not UTF-8", "{\"email\":\"a@example.com\",\"password\":\"long enough\xff\"}", 400, "one JSON object"},
		{"deeply nested", strings.Repeat("[", 60_000), 400, "one JSON object"},
		{"over 64 KiB", credentials("a@example.com", password) + strings.Repeat(" ", 64<<10), 413, "too large"},
		{"empty object", `{}`, 422, `"email" and "password" are required`},
		{"no password", `{"email":"a@example.com"}`, 422, `"password" is required`},
		{"null password", `{"email":"a@example.com","password":null}`, 422, `"password" is required`},
		{"no email", `{"password":"long enough"}`, 422, `"email" is required`},
		{"names in another case", `{"Email":"a@example.com","Password":"long enough"}`, 422, "required"},
		{"number", `{"email":5,"password":"long enough"}`, 422, `"email" must be a string`},
	} {
		for _, path := range []string{"/register", "/login"} {
			t.Run(path+" "+test.name, func(t *testing.T) {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(test.body))
				r.Header.Set("Content-Type", "application/json; charset=utf-8")
				expectProblem(t, s.do(t, r), test.status, test.says)
			})
		}
	}
	for name, test := range map[string]struct{ email, password, says string }{
		"no address":          {"alice", password, "email is not an address"},
		"name and address":    {"Alice <alice@example.com>", password, "email is not an address"},
		"blank inside":        {"alice @example.com", password, "email is not an address"},
		"two addresses":       {"a@example.com, b@example.com", password, "email is not an address"},
		"line break":          {"alice@example.com\r\nBcc: bob@example.com", password, "has a character that is not allowed"},
		"over 254 bytes":      {long[:243] + "@example.com", password, "email is not an address"},
		"over 255 bytes":      {long + "@example.com", password, "email is too long"},
		"short password":      {"alice@example.com", "1234567", "too short"},
		"long password":       {"alice@example.com", strings.Repeat("x", 73), "too long"},
		"password with a NUL": {"alice@example.com", "long enough\x00", "not allowed"},
	} {
		t.Run("/register "+name, func(t *testing.T) {
			expectProblem(t, s.send(t, "POST", "/register", "", credentials(test.email, test.password)), 422, test.says)
		})
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", ";"} {
		t.Run("type "+kind, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/register", strings.NewReader(credentials("a@example.com", password)))
			r.Header.Set("Content-Type", kind)
			expectProblem(t, s.do(t, r), 415, "application/json")
		})
	}
}

func TestUnknownRoutesAndMethodsAreProblemsToo(t *testing.T) {
	s := start(t, nil)
	expectProblem(t, s.send(t, "GET", "/nowhere", "", ""), 404, "Not Found")
	expectProblem(t, s.send(t, "GET", "//nowhere", "", ""), 404, "Not Found") // after a redirect
	got := s.send(t, "DELETE", "/me", "", "")
	expectProblem(t, got, 405, "Method Not Allowed")
	if allow := got.header.Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("Allow is %q", allow)
	}
	if got := s.send(t, "HEAD", "/", "", ""); got.status != 200 || got.body != "" {
		t.Errorf("HEAD is answered with %d %q", got.status, got.body)
	}
}

func expectProblem(t *testing.T, got reply, status int, says string) {
	t.Helper()
	if got.status != status || got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the answer is %d %v %s, want the problem %d", got.status, got.header, got.body, status)
	}
	detail, _ := got.field(t, "detail").(string)
	if got.field(t, "status") != float64(status) || !strings.Contains(detail, says) {
		t.Errorf("the problem is %s, want %q in it", got.body, says)
	}
}

func TestOneOfManyRegistrationsAtOnceSucceeds(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		emails := []string{"alice@example.com", "ALICE@example.com", "Alice@Example.com", "alice@EXAMPLE.COM"}
		const rounds = 4
		statuses := make(chan int, rounds*len(emails))
		var group sync.WaitGroup
		for range rounds {
			for _, email := range emails {
				group.Go(func() { statuses <- s.send(t, "POST", "/register", "", credentials(email, password)).status })
			}
		}
		group.Wait()
		close(statuses)
		counts := map[int]int{}
		for status := range statuses {
			counts[status]++
		}
		if want := map[int]int{201: 1, 409: rounds*len(emails) - 1}; !maps.Equal(counts, want) {
			t.Errorf("the answers are %v, want %v", counts, want)
		}
		s.login(t, "alice@example.com")
	})
}

func TestLoginDoesNotTellWhoHasRegistered(t *testing.T) {
	s := start(t, map[string]string{"BCRYPT_LOG_ROUNDS": "8"}) // dear enough to be seen through the noise
	took := map[string][]time.Duration{}
	var first reply
	for round := range 9 {
		alice := fmt.Sprintf("alice-%d@example.com", round) // another one each time, for wrong passwords are counted
		s.register(t, alice)
		for name, body := range map[string]string{
			"wrong password":   credentials(alice, "wrong password"),
			"unknown user":     credentials(fmt.Sprintf("bob-%d@example.com", round), password),
			"no address":       credentials(fmt.Sprintf("bob-%d", round), password),
			"address with NUL": credentials(fmt.Sprintf("bob-%d\x00@example.com", round), password),
			"long password":    credentials(alice, strings.Repeat("x", 100)),
		} {
			before := time.Now()
			got := s.send(t, "POST", "/login", "", body)
			took[name] = append(took[name], time.Since(before))
			got.header.Del("Date")
			if first.status == 0 {
				first = got
				expectProblem(t, got, 401, "Wrong email or password.")
			}
			if got.status != first.status || got.body != first.body || !maps.EqualFunc(got.header, first.header, slices.Equal) {
				t.Errorf("%s is answered with %d %v %s, something else with %d %v %s",
					name, got.status, got.header, got.body, first.status, first.header, first.body)
			}
		}
	}
	known := slices.Min(took["wrong password"]) // what else this machine does can only add to that
	for name := range took {
		if ratio := float64(slices.Min(took[name])) / float64(known); ratio < 0.4 || ratio > 2.5 {
			t.Errorf("%s takes %v at least, and a wrong password %v", name, slices.Min(took[name]), known)
		}
	}
}

func TestLoginUpgradesAHashOfLowerCost(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		hash := func() string { return query(t, databaseURL, "SELECT password_hash FROM users") }
		cheap := start(t, map[string]string{"DATABASE_URL": databaseURL})
		cheap.register(t, "alice@example.com")
		if err := cheap.stop(); err != nil {
			t.Fatal(err)
		}
		before := hash()

		dear := start(t, map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_LOG_ROUNDS": "5"})
		if got := dear.send(t, "POST", "/login", "", credentials("alice@example.com", "wrong password")); got.status != 401 || hash() != before {
			t.Errorf("after %d %s the hash is %s", got.status, got.body, hash())
		}
		dear.login(t, "alice@example.com")
		upgraded := hash()
		if !strings.HasPrefix(before, "$2a$04$") || !strings.HasPrefix(upgraded, "$2a$05$") {
			t.Errorf("the login replaces %s by %s", before, upgraded)
		}
		dear.login(t, "alice@example.com")
		if hash() != upgraded {
			t.Error("the second login replaces the hash, too")
		}
	})
}

func TestHashIsReplacedOnlyWhereTheOldOneStands(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		users := usher.Must(main.OpenUsers(t.Context(), databaseURL))
		defer users.Close()
		alice := usher.Must(users.Create(t.Context(), "alice@example.com", "old", nil))
		usher.Must(users.Create(t.Context(), "bob@example.com", "old", nil))
		stored := func(email string) string {
			return query(t, databaseURL, "SELECT password_hash FROM users WHERE email = $1", email)
		}
		for _, step := range []struct {
			to, want string
			err      error
		}{
			{"new", "new", nil},                  // "old" is the stored one
			{"newer", "new", session.ErrChanged}, // but not any more
		} {
			if err := users.ReplaceHash(t.Context(), alice.Subject, "old", step.to); !errors.Is(err, step.err) {
				t.Errorf("replacing with %q: %v, want %v", step.to, err, step.err)
			}
			if got := stored("alice@example.com"); got != step.want {
				t.Errorf("replacing with %q leaves %q, want %q", step.to, got, step.want)
			}
		}
		if got := stored("bob@example.com"); got != "old" {
			t.Errorf("another user's hash is %q", got)
		}
	})
}

func TestTokenEndsWithItsUser(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		token := s.login(t, "alice@example.com")
		execute(t, databaseURL, "DELETE FROM users")
		for _, path := range []string{"/me", "/", "/admin", "/sessions"} {
			expectProblem(t, s.send(t, "GET", path, token, ""), 401, "The access token is not valid.")
		}
		s.register(t, "alice@example.com") // nor is it good for who comes after
		expectProblem(t, s.send(t, "GET", "/me", token, ""), 401, "The access token is not valid.")
	})
}

func TestRoutesRefuseStrangersAndBrokenTokens(t *testing.T) {
	s := start(t, nil)
	target := usher.Must(url.Parse(s.url))
	proxy := &httputil.ReverseProxy{Transport: s.client.Transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	ushertest.RequireAuth(t, proxy, "GET /me", "GET /admin", "GET /sessions", "DELETE /sessions", "DELETE /sessions/{id}", "POST /password")

	kit := ushertest.New[usher.Claims](t, &ushertest.Options{
		Key:     usher.Must(usher.NewKey(usher.HS256, []byte(secretKey))),
		Decoder: &usher.DecoderOptions{},
	})
	id := s.register(t, "alice@example.com")
	good := usher.Claims{Subject: id, SessionID: s.session(t, s.login(t, "alice@example.com"))}
	if got := s.send(t, "GET", "/me", kit.Token(t, good), ""); got.status != 200 {
		t.Fatalf("a good token is answered with %d %s", got.status, got.body)
	}
	unknown := usher.Claims{Subject: id, SessionID: "unknown"}
	expectProblem(t, s.send(t, "GET", "/me", kit.Token(t, unknown), ""), 401, "not valid")
	if got := s.send(t, "GET", "/me", kit.Token(t, usher.Claims{Subject: id}), ""); got.status != 200 {
		t.Errorf("a token of before there were sessions is answered with %d %s", got.status, got.body)
	}
	for _, broken := range kit.BrokenTokens(t, good) {
		for _, path := range []string{"/me", "/admin", "/"} {
			if got := s.send(t, "GET", path, broken.Token, ""); got.status != 401 {
				t.Errorf("GET %s with a token that is %s is answered with %d %s", path, broken.Name, got.status, got.body)
			}
		}
	}
}
