package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mail is a mail in the folder.
type mail struct{ name, text, link string }

// token is what the link's page sends.
func (m mail) token() string {
	_, token, _ := strings.Cut(m.link, "#")
	return token
}

// mailsTo returns the mails of a kind to an address, oldest first.
func (s *server) mailsTo(t *testing.T, kind, email string) []mail {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.mails, "*-"+kind+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	var found []mail
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(text), "To: "+email+"\n") {
			_, body, _ := strings.Cut(string(text), "\n\n")
			found = append(found, mail{name, string(text), strings.TrimSpace(body)})
		}
	}
	return found
}

// mailTo waits for the only mail of a kind to an address.
func (s *server) mailTo(t *testing.T, kind, email string) mail {
	t.Helper()
	await(t, "the mail is there", func() bool { return len(s.mailsTo(t, kind, email)) > 0 })
	found := s.mailsTo(t, kind, email)
	if len(found) != 1 {
		t.Fatalf("%d mails of kind %s were written", len(found), kind)
	}
	return found[0]
}

// linkBody returns a body for /verify and /password/reset.
func linkBody(token, password string) string {
	body, _ := json.Marshal(map[string]string{"token": token, "password": password})
	return string(body)
}

const forgetAlice = `{"email":"Alice@example.com"}`

func TestForgottenPasswordIsSetByTheMailsLink(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		s.register(t, "bob@example.com")
		session, bob := s.loginWith(t, "alice@example.com", password), s.login(t, "bob@example.com")
		if got := s.send(t, "POST", "/password/forgot", "", forgetAlice); got.status != 202 || got.body != "" {
			t.Fatalf("forgetting is answered with %d %s", got.status, got.body)
		}
		m := s.mailTo(t, "reset", "alice@example.com")
		if !strings.HasPrefix(m.link, s.url+"/password/reset#") {
			t.Fatalf("the mail is\n%s", m.text)
		}
		page := s.send(t, "GET", "/password/reset", "", "") // a scanner opens the link, and spends nothing
		if page.status != 200 || page.header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(page.body, "<form>") {
			t.Errorf("the link leads to %d %v %s", page.status, page.header, page.body)
		}

		expectProblem(t, s.send(t, "POST", "/password/reset", "", linkBody("x"+m.token(), newPassword)), 400, "The link is not valid")
		expectProblem(t, s.send(t, "POST", "/verify", "", linkBody(m.token(), newPassword)), 400, "The link is not valid")
		expectProblem(t, s.send(t, "POST", "/password/reset", "", linkBody(m.token(), "short")), 422, "too short")
		s.send(t, "GET", "/me", session.access, "").expect(t, "/me before the reset", 200)
		if got := s.send(t, "POST", "/password/reset", "", linkBody(m.token(), newPassword)); got.status != 204 || got.body != "" {
			t.Fatalf("the reset is answered with %d %s", got.status, got.body)
		}
		expectProblem(t, s.send(t, "POST", "/password/reset", "", linkBody(m.token(), "yet another one")), 400, "it has been used")
		expectProblem(t, s.send(t, "GET", "/me", session.access, ""), 401, "")
		expectProblem(t, s.send(t, "POST", "/refresh", "", session.refreshBody()), 401, "Log in again.")
		expectProblem(t, s.send(t, "POST", "/login", "", credentials("alice@example.com", password)), 401, "Wrong email or password.")
		s.loginWith(t, "alice@example.com", newPassword)
		s.send(t, "GET", "/me", bob, "").expect(t, "bob's /me", 200)
	})
}

func TestForgettingDoesNotTellWhoHasRegistered(t *testing.T) {
	s := start(t, nil)
	s.register(t, "alice@example.com")
	known := s.send(t, "POST", "/password/forgot", "", forgetAlice)
	unknown := s.send(t, "POST", "/password/forgot", "", `{"email":"nobody@example.com"}`)
	if known.status != 202 || unknown.status != 202 || known.body != unknown.body {
		t.Errorf("the answers are %d %s and %d %s", known.status, known.body, unknown.status, unknown.body)
	}
	s.mailTo(t, "reset", "alice@example.com")
	if err := s.stop(); err != nil { // until all mails are written
		t.Fatal(err)
	}
	if n := len(s.mailsTo(t, "reset", "nobody@example.com")); n != 0 {
		t.Errorf("%d mails were written to nobody", n)
	}
}

func TestAddressIsVerifiedByTheMailsLink(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		tokens := s.send(t, "POST", "/register", "", credentials("Alice@example.com", password)).tokens(t)
		m := s.mailTo(t, "verify", "alice@example.com")
		if !strings.HasPrefix(m.link, s.url+"/verify#") {
			t.Fatalf("the mail is\n%s", m.text)
		}
		s.send(t, "GET", "/verify", "", "").expect(t, "the link's page", 200)
		verified := func() any { return s.send(t, "GET", "/me", tokens.access, "").field(t, "verified") }
		if verified() != false {
			t.Error("the address is verified before anybody has followed the link")
		}
		s.send(t, "POST", "/verify", "", linkBody(m.token(), password)).expect(t, "the verification", 204)
		if verified() != true { // and the session goes on
			t.Error("the address is not verified")
		}
		expectProblem(t, s.send(t, "POST", "/verify", "", linkBody(m.token(), password)), 400, "it has been used")
	})
}

// Mallory has registered Alice's address, and waits for Alice to confirm it.
func TestWhoVerifiesAnAddressDoesNotShareTheAccountWithWhoRegisteredIt(t *testing.T) {
	s := start(t, nil)
	mallory := s.send(t, "POST", "/register", "", credentials("alice@example.com", "mallory's password")).tokens(t)
	m := s.mailTo(t, "verify", "alice@example.com")
	s.send(t, "POST", "/verify", "", linkBody(m.token(), password)).expect(t, "the verification", 204)
	expectProblem(t, s.send(t, "GET", "/me", mallory.access, ""), 401, "")
	expectProblem(t, s.send(t, "POST", "/login", "", credentials("alice@example.com", "mallory's password")), 401, "Wrong email or password.")
	if me := s.send(t, "GET", "/me", s.login(t, "alice@example.com"), ""); me.field(t, "verified") != true {
		t.Errorf("GET /me is answered with %s", me.body)
	}
}

func TestMailsAreKeptInAPrivateFolderAndNotLogged(t *testing.T) {
	s := start(t, map[string]string{"PUBLIC_URL": "https://app.example.com"})
	s.register(t, "alice@example.com")
	s.send(t, "POST", "/password/forgot", "", forgetAlice).expect(t, "forgetting", http.StatusAccepted)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	if !strings.Contains(log, "to="+s.mails) {
		t.Errorf("the log does not name %s:\n%s", s.mails, log)
	}
	if info, err := os.Stat(s.mails); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
	for kind, path := range map[string]string{"verify": "/verify#", "reset": "/password/reset#"} {
		m := s.mailTo(t, kind, "alice@example.com")
		if info, err := os.Stat(m.name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the mail is %v, %v", info.Mode(), err)
		}
		if !strings.HasPrefix(m.link, "https://app.example.com"+path) {
			t.Errorf("the link is %s", m.link)
		}
		if m.token() == "" || strings.Contains(log, m.token()) {
			t.Errorf("the token %q is in the log, or there is none", m.token())
		}
	}
}

func TestDatabaseOfAnOlderVersionIsCompleted(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		execute(t, databaseURL, `CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE,
			password_hash TEXT NOT NULL, admin BOOLEAN NOT NULL DEFAULT FALSE)`)
		for range 2 {
			s := start(t, map[string]string{"DATABASE_URL": databaseURL})
			if query(t, databaseURL, "SELECT count(*) FROM users") == "0" {
				s.register(t, "alice@example.com")
			}
			s.login(t, "alice@example.com")
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
