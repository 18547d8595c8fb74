package session_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

var errUsers = errors.New("the users' database is on fire")

// table is an application's table of users.
type table struct {
	mu     sync.Mutex
	rows   []session.User
	fields map[string]string // of the last Create
	calls  int
	failAt int                              // the call that fails; 0: none
	after  bool                             // it fails after its work
	before func(call, subject string) error // called before each method; may be nil
}

func (t *table) do(call, subject string, work func() error) error {
	if t.before != nil {
		if err := t.before(call, subject); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	fails := t.calls == t.failAt
	if fails && !t.after {
		return errUsers
	}
	err := work()
	if fails {
		return errUsers
	}
	return err
}

// fail lets the n-th call from now on fail, or none.
func (t *table) fail(n int, after bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls, t.failAt, t.after = 0, n, after
}

func (t *table) find(match func(session.User) bool) (*session.User, error) {
	for i := range t.rows {
		if match(t.rows[i]) {
			return &t.rows[i], nil
		}
	}
	return nil, usher.ErrNoUser
}

func (t *table) one(call, subject string, match func(session.User) bool) (user session.User, err error) {
	err = t.do(call, subject, func() error {
		u, err := t.find(match)
		if err == nil {
			user = *u
		}
		return err
	})
	return user, err
}

func (t *table) Find(_ context.Context, username string) (session.User, error) {
	return t.one("Find", "", func(u session.User) bool { return u.Username == username })
}

func (t *table) Load(_ context.Context, subject string) (session.User, error) {
	return t.one("Load", subject, func(u session.User) bool { return u.Subject == subject })
}

func (t *table) Create(_ context.Context, username, hash string, fields map[string]string) (user session.User, err error) {
	err = t.do("Create", "", func() error {
		if _, err := t.find(func(u session.User) bool { return u.Username == username }); err == nil {
			return session.ErrTaken
		}
		t.fields = fields
		user = session.User{Subject: "user-" + strconv.Itoa(len(t.rows)+1), Username: username, Hash: hash, Email: username}
		t.rows = append(t.rows, user)
		return nil
	})
	return user, err
}

func (t *table) ReplaceHash(_ context.Context, subject, oldHash, newHash string) error {
	return t.do("ReplaceHash", subject, func() error {
		u, err := t.find(func(u session.User) bool { return u.Subject == subject })
		if err != nil || u.Hash != oldHash {
			return session.ErrChanged
		}
		u.Hash = newHash
		return nil
	})
}

func (t *table) Verify(_ context.Context, subject, email string) error {
	return t.do("Verify", subject, func() error {
		u, err := t.find(func(u session.User) bool { return u.Subject == subject })
		if err != nil || u.Email != email {
			return session.ErrChanged
		}
		u.Verified = true
		return nil
	})
}

// row returns the user with a name, without counting as a call.
func (t *table) row(test testing.TB, username string) session.User {
	test.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	u, err := t.find(func(u session.User) bool { return u.Username == username })
	if err != nil {
		test.Fatalf("%s: %v", username, err)
	}
	return *u
}

func (t *table) change(username string, change func(*session.User)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u, err := t.find(func(u session.User) bool { return u.Username == username }); err == nil {
		change(u)
	}
}

const (
	ada = "ada@example.org"
	bob = "bob@example.org"
	eve = "eve@example.org"

	firstPassword  = "correct horse"
	secondPassword = "battery staple"
)

// office is a site with accounts. Ada's address is verified, Bob's is not.
type office struct {
	*site
	table     *table
	passwords *usher.Passwords
	accounts  *session.Accounts
	options   *session.AccountOptions
	mails     chan session.Mail
	mailErr   error
}

func newOffice(t *testing.T, change ...func(*session.AccountOptions)) *office {
	t.Helper()
	return newOfficeWith(t, session.NewMemoryStore(), change...)
}

func newOfficeWith(t *testing.T, store session.Store, change ...func(*session.AccountOptions)) *office {
	t.Helper()
	o := &office{
		site:      newSite(t, store),
		passwords: usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4})),
		mails:     make(chan session.Mail, 1000),
	}
	hash := usher.Must(o.passwords.Hash(t.Context(), firstPassword))
	o.table = &table{rows: []session.User{
		{Subject: subject, Username: ada, Hash: hash, Email: ada, Verified: true},
		{Subject: "user-8", Username: bob, Hash: hash, Email: bob},
	}}
	opts := &session.AccountOptions{
		Secret: other,
		Mail: func(_ context.Context, m session.Mail) error {
			if o.mailErr != nil {
				return o.mailErr
			}
			o.mails <- m
			return nil
		},
		HandlerOptions: o.opts,
	}
	opts.Throttle = usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{Now: o.clock.Now}))
	for _, c := range change {
		c(opts)
	}
	o.options = opts
	o.open(t)
	return o
}

// open makes the accounts and mounts them.
func (o *office) open(t *testing.T) {
	t.Helper()
	var err error
	if o.accounts, err = session.NewAccounts(o.Manager, o.passwords, o.table, o.options); err != nil {
		t.Fatal(err)
	}
	accounts := o.accounts
	t.Cleanup(func() {
		if err := accounts.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	auth := usher.Must(usher.NewMiddleware(o.decoder, usher.ClaimsAsUser[claims], &usher.MiddlewareOptions{Check: o.Check}))
	o.mux = http.NewServeMux()
	for path, h := range map[string]http.Handler{
		"/login":    o.accounts.Login,
		"/signup":   o.accounts.Signup,
		"/password": auth.Require(o.accounts.ChangePassword),
		"/forgot":   o.accounts.Forgot,
		"/reset":    o.accounts.Reset,
		"/verify":   o.accounts.Verify,
		"/refresh":  usher.Must(session.RefreshHandler(o.Manager, o.opts)),
	} {
		o.mux.Handle(path, h)
	}
}

// body returns a JSON object of names and values.
func body(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("," + strconv.Quote(pairs[i]) + ":" + strconv.Quote(pairs[i+1]))
	}
	return "{" + b.String()[1:] + "}"
}

func (o *office) post(t *testing.T, path string, pairs ...string) answer {
	t.Helper()
	return o.send(t, http.MethodPost, path, body(pairs...))
}

func (o *office) login(t *testing.T, username, password string) answer {
	t.Helper()
	return o.post(t, "/login", "email", username, "password", password)
}

func (o *office) changePassword(t *testing.T, tokens session.Tokens, before, after string) answer {
	t.Helper()
	return o.send(t, http.MethodPost, "/password", body("old_password", before, "new_password", after), bearer(tokens))
}

// link asks for a mail and returns the token in it.
func (o *office) link(t *testing.T, path, username, kind string) string {
	t.Helper()
	o.post(t, path, "email", username).want(t, http.StatusAccepted, "")
	m := o.nextMail(t)
	if m.Kind != kind || m.Email == "" || m.Token == "" {
		t.Fatalf("the mail is of kind %q to %q with a token of %d bytes; want %q", m.Kind, m.Email, len(m.Token), kind)
	}
	return m.Token
}

func (o *office) nextMail(t *testing.T) session.Mail {
	t.Helper()
	select {
	case m := <-o.mails:
		return m
	case <-t.Context().Done():
	}
	t.Fatal("no mail")
	return session.Mail{}
}

// close closes the accounts and returns the mails that nobody has read.
func (o *office) close(t *testing.T) (mails []session.Mail) {
	t.Helper()
	if err := o.accounts.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for len(o.mails) > 0 {
		mails = append(mails, <-o.mails)
	}
	return mails
}
