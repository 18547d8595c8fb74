package secondstep_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	_ "modernc.org/sqlite"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/secondstep"
	"github.com/go-usher/usher/ushertest"
)

// server is the service on a socket. Alice and Bob have the password "correct horse".
type server struct {
	url   string
	clock *ushertest.Clock
}

func newServer(t *testing.T) *server {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "totp.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), secondstep.Schema); err != nil {
		t.Fatal(err)
	}
	clock := ushertest.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	handler, err := secondstep.New(secondstep.Config{
		DB:            db,
		Key:           usher.Must(usher.GenerateKey(usher.HS256)),
		SessionSecret: []byte("a secret of thirty-two bytes or more"),
		Authenticate: func(_ context.Context, username, password string) (string, error) {
			if password != "correct horse" {
				return "", usher.ErrPasswordMismatch
			}
			return username, nil
		},
		Now: clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return &server{s.URL, clock}
}

type reply struct {
	status      int
	Ticket, URL string
	Detail      string
	Access      string `json:"access_token"`
}

// post sends JSON and, unless it is empty, an access token.
func (s *server) post(t *testing.T, path, token string, pairs ...string) reply {
	t.Helper()
	fields := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i]] = pairs[i+1]
	}
	body, _ := json.Marshal(fields)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := reply{status: response.StatusCode}
	if response.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func (r reply) want(t *testing.T, what string, status int, detail string) reply {
	t.Helper()
	if r.status != status || r.Detail != detail {
		t.Fatalf("%s: %d %q, want %d %q", what, r.status, r.Detail, status, detail)
	}
	return r
}

func (s *server) password(t *testing.T, username, token string) reply {
	t.Helper()
	return s.post(t, "/login", token, "username", username, "password", "correct horse").want(t, "the password", 200, "")
}

// enrol gives a user a second step and returns the secret. The code that confirms it is used up.
func (s *server) enrol(t *testing.T, username string) (secret, token string) {
	t.Helper()
	token = s.password(t, username, "").Access
	u, err := url.Parse(s.post(t, "/totp", token).want(t, "enrolling", 200, "").URL)
	if err != nil {
		t.Fatal(err)
	}
	secret = u.Query().Get("secret")
	s.post(t, "/totp/confirm", token, "code", "000000x").want(t, "a wrong code", 422, "Wrong code.")
	s.post(t, "/totp/confirm", token, "code", s.code(t, secret)).want(t, "the right code", 204, "")
	s.clock.Advance(time.Minute)
	return secret, token
}

func (s *server) code(t *testing.T, secret string) string {
	t.Helper()
	return usher.Must(totp.GenerateCode(secret, s.clock.Now()))
}

func TestLoginHasASecondStepOnceTheUserHasConfirmedIt(t *testing.T) {
	s := newServer(t)
	first := s.password(t, "alice", "")
	if first.Access == "" || first.Ticket != "" {
		t.Fatalf("without a second step the login answers %+v", first)
	}
	s.post(t, "/totp", first.Access)
	if again := s.password(t, "alice", ""); again.Access == "" {
		t.Fatalf("a secret that is not confirmed is asked for: %+v", again)
	}
	secret, token := s.enrol(t, "alice")
	s.post(t, "/totp", token).want(t, "enrolling again", 409, "There is a second step already.")

	login := s.password(t, "alice", "")
	if login.Access != "" || login.Ticket == "" {
		t.Fatalf("the login answers %+v", login)
	}
	s.post(t, "/login/code", "", "ticket", login.Ticket, "code", "000000").want(t, "a wrong code", 401, "Wrong code.")
	s.post(t, "/login/code", "", "ticket", login.Ticket+"x", "code", s.code(t, secret)).want(t, "a forged ticket", 401, "The login has expired. Log in again.")
	if got := s.post(t, "/login/code", "", "ticket", login.Ticket, "code", s.code(t, secret)); got.Access == "" {
		t.Errorf("the right code is answered with %+v", got)
	}
	if other := s.password(t, "bob", ""); other.Access == "" {
		t.Errorf("Bob, who has no second step, gets %+v", other)
	}
}

func TestACodeCountsOnce(t *testing.T) {
	s := newServer(t)
	secret, _ := s.enrol(t, "alice")
	code := s.code(t, secret)
	const logins = 4
	tickets := make([]string, logins)
	for i := range tickets {
		tickets[i] = s.password(t, "alice", "").Ticket
	}
	statuses := make(chan int, logins)
	var group sync.WaitGroup
	for _, ticket := range tickets {
		group.Go(func() { statuses <- s.post(t, "/login/code", "", "ticket", ticket, "code", code).status })
	}
	group.Wait()
	close(statuses)
	counts := map[int]int{}
	for status := range statuses {
		counts[status]++
	}
	if counts[200] != 1 || counts[401] != logins-1 {
		t.Fatalf("one code at once is answered with %v", counts)
	}
	// Nor is an earlier code good any more, although its half minute is not long ago.
	earlier := usher.Must(totp.GenerateCode(secret, s.clock.Now().Add(-30*time.Second)))
	s.post(t, "/login/code", "", "ticket", tickets[0], "code", earlier).want(t, "an earlier code", 401, "Wrong code.")
}

func TestWrongCodesAfterOneRightPasswordAreCounted(t *testing.T) {
	s := newServer(t)
	secret, _ := s.enrol(t, "alice")
	ticket := s.password(t, "alice", "").Ticket
	counts := map[int]int{}
	for range 200 {
		counts[s.post(t, "/login/code", "", "ticket", ticket, "code", "wrong!").status]++
	}
	if counts[401] != 5 || counts[429] != 195 {
		t.Fatalf("200 wrong codes are answered with %v, want five 401 and the rest 429", counts)
	}
	s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, secret)).want(t, "the right code", 429, "Too many attempts. Try again later.")

	// Another ticket does not help. After 10 minutes there is one more attempt.
	ticket = s.password(t, "alice", "").Ticket
	s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, secret)).want(t, "with another ticket", 429, "Too many attempts. Try again later.")
	s.clock.Advance(10 * time.Minute)
	s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, secret)).want(t, "with an expired ticket", 401, "The login has expired. Log in again.")
	ticket = s.password(t, "alice", "").Ticket
	s.post(t, "/login/code", "", "ticket", ticket, "code", "wrong!").want(t, "one more wrong code", 401, "Wrong code.")
	s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, secret)).want(t, "the right code after it", 429, "Too many attempts. Try again later.")
	s.clock.Advance(10 * time.Minute)
	ticket = s.password(t, "alice", "").Ticket
	s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, secret)).want(t, "the right code at last", 200, "")
}

func TestACodeIsGoodOnlyForTheUserOfTheTicket(t *testing.T) {
	s := newServer(t)
	alice, _ := s.enrol(t, "alice")
	bob, _ := s.enrol(t, "bob")
	ticket := s.password(t, "alice", "").Ticket
	s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, bob), "username", "bob").want(t, "Bob's code with Alice's ticket", 401, "Wrong code.")
	s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, alice)).want(t, "Alice's code", 200, "")
}

func TestTransferRequiresARecentLoginWithACode(t *testing.T) {
	s := newServer(t)
	bob := s.password(t, "bob", "").Access
	s.post(t, "/transfer", bob).want(t, "without a second step", 401, "Log in with a code.")

	secret, old := s.enrol(t, "alice")
	s.post(t, "/transfer", old).want(t, "a login before the second step", 401, "Log in with a code.")
	// The step-up is a login with the access token, whose session it replaces.
	ticket := s.password(t, "alice", old).Ticket
	token := s.post(t, "/login/code", "", "ticket", ticket, "code", s.code(t, secret)).want(t, "the code", 200, "").Access
	s.post(t, "/transfer", token).want(t, "after the step-up", 204, "")
	s.post(t, "/transfer", old).want(t, "the session that was replaced", 401, "The access token is not valid.")
	s.clock.Advance(6 * time.Minute)
	s.post(t, "/transfer", token).want(t, "six minutes later", 401, "A more recent login is required.")
}
