// Package tutorials has the services of five ordinary login tutorials in Python, rebuilt with their own routes, statuses and
// bodies: a file each. This file has what an application has anyway: users, and how it writes JSON.
package tutorials

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// User is a user, as tutorials have them.
type User struct{ ID, Email, hash string }

// Users is the table of users.
type Users struct {
	passwords *usher.Passwords
	mu        sync.Mutex
	rows      []User
}

// NewUsers returns a table without users.
func NewUsers(passwords *usher.Passwords) *Users { return &Users{passwords: passwords} }

// Add adds a user, unless the email is taken.
func (u *Users) Add(ctx context.Context, email, password string) error {
	hash, err := u.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.row(func(row User) bool { return row.Email == email }) != nil {
		return session.ErrTaken
	}
	u.rows = append(u.rows, User{strconv.Itoa(len(u.rows) + 1), email, hash})
	return nil
}

// Authenticator checks passwords.
func (u *Users) Authenticator() session.Authenticator {
	return usher.Must(session.PasswordAuthenticator(u.passwords, u.hash, u.replaceHash))
}

// OfToken returns the user that a token names.
func (u *Users) OfToken(_ context.Context, c *usher.Claims) (*User, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if row := u.row(func(row User) bool { return row.ID == c.Subject }); row != nil {
		user := *row
		return &user, nil
	}
	return nil, usher.ErrNoUser
}

// All returns all users.
func (u *Users) All() []User {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]User(nil), u.rows...)
}

func (u *Users) hash(_ context.Context, email string) (id, hash string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if row := u.row(func(row User) bool { return row.Email == email }); row != nil {
		return row.ID, row.hash, nil
	}
	return "", "", usher.ErrNoUser
}

func (u *Users) replaceHash(_ context.Context, id, oldHash, newHash string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if row := u.row(func(row User) bool { return row.ID == id && row.hash == oldHash }); row != nil {
		row.hash = newHash
	}
	return nil
}

func (u *Users) row(is func(User) bool) *User {
	for i := range u.rows {
		if is(u.rows[i]) {
			return &u.rows[i]
		}
	}
	return nil
}

// noClaims is for tokens that say no more than who the user is.
func noClaims(context.Context, session.Grant) (c usher.Claims, err error) { return c, nil }

// newManager returns a manager whose sessions end with the process. ttl is that of access tokens, 0 for the default.
func newManager(key usher.Key, ttl time.Duration) *session.Manager[usher.Claims] {
	secret := make([]byte, 32)
	rand.Read(secret)
	return usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: ttl})),
		Store:   session.NewMemoryStore(),
		Claims:  noClaims,
		Secret:  secret,
	}))
}

// object is a JSON object.
type object map[string]any

func writeJSON(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// insteadOf204 writes another response where h responds with 204.
func insteadOf204(h http.Handler, respond http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&without204{w, func() { respond(w, r) }}, r)
	})
}

type without204 struct {
	http.ResponseWriter
	respond func()
}

func (w *without204) WriteHeader(status int) {
	if status == http.StatusNoContent {
		w.respond()
		return
	}
	w.ResponseWriter.WriteHeader(status)
}
