package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// people is a table of users, here in memory. It is not safe for concurrent use, as a real one must be.
type people map[string]*session.User

func (p people) Find(_ context.Context, username string) (session.User, error) {
	for _, u := range p {
		if u.Username == username {
			return *u, nil
		}
	}
	return session.User{}, usher.ErrNoUser
}

func (p people) Load(_ context.Context, subject string) (session.User, error) {
	if u, ok := p[subject]; ok {
		return *u, nil
	}
	return session.User{}, usher.ErrNoUser
}

func (p people) Create(ctx context.Context, username, hash string, _ map[string]string) (session.User, error) {
	if _, err := p.Find(ctx, username); err == nil {
		return session.User{}, session.ErrTaken
	}
	u := &session.User{Subject: fmt.Sprint(len(p) + 1), Username: username, Hash: hash, Email: username}
	p[u.Subject] = u
	return *u, nil
}

func (p people) ReplaceHash(_ context.Context, subject, oldHash, newHash string) error {
	if u, ok := p[subject]; ok && u.Hash == oldHash {
		u.Hash = newHash
		return nil
	}
	return session.ErrChanged
}

func (p people) Verify(_ context.Context, subject, email string) error {
	if u, ok := p[subject]; ok && u.Email == email {
		u.Verified = true
		return nil
	}
	return session.ErrChanged
}

// Somebody signs up, follows the link in the mail, and logs in.
func ExampleNewAccounts() {
	users := people{}
	mails := make(chan session.Mail, 1)
	accounts := usher.Must(session.NewAccounts(
		exampleManager(nil),
		usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4})), // a cost for tests
		users,
		&session.AccountOptions{
			Secret:         []byte("another thirty-two random bytes!"),
			Mail:           func(_ context.Context, m session.Mail) error { mails <- m; return nil },
			HandlerOptions: &session.HandlerOptions{UsernameField: "email"},
		},
	))
	defer func() { _ = accounts.Close(context.Background()) }()
	post := func(h http.Handler, body string) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}

	fmt.Println(post(accounts.Signup, `{"email":"ada@example.org"}`))
	mail := <-mails
	fmt.Println(mail.Kind, mail.Email)
	fmt.Println(post(accounts.Verify, `{"token":"`+mail.Token+`","password":"correct horse"}`))
	fmt.Println(post(accounts.Login, `{"email":"ada@example.org","password":"correct horse"}`))
	// Output:
	// 202
	// verify ada@example.org
	// 204
	// 200
}
