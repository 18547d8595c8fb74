// Package users has what all recipes share: the users of a service, a stream, and the types of its middleware and sessions.
package users

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// User is the service's own type.
type User struct {
	ID, Name string
	Admin    bool
}

// Auth is the service's middleware.
type Auth = usher.Middleware[usher.Claims, *User]

// Sessions are the service's sessions.
type Sessions = session.Manager[usher.Claims]

// Load returns the user that a token names.
func Load(_ context.Context, c *usher.Claims) (*User, error) {
	switch c.Subject {
	case "1":
		return &User{ID: "1", Name: "Alice", Admin: true}, nil
	case "2":
		return &User{ID: "2", Name: "Bob"}, nil
	case "unreachable":
		return nil, fmt.Errorf("%w: the database is down", usher.ErrUnavailable)
	}
	return nil, usher.ErrNoUser
}

// IsAdmin is the role that the recipes ask for.
func IsAdmin(u *User) bool { return u.Admin }

// Greeting greets the current user, or a stranger if there is none.
func Greeting(u *User, known bool) string {
	if !known {
		return "Hello, stranger!"
	}
	return "Hello, " + u.Name + "!"
}

// Echo responds with the body of the request.
func Echo(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

// Panic has a bug.
func Panic(http.ResponseWriter, *http.Request) { panic("a bug in a handler") }

// Stream writes a line at once and another for each tick. It ends when the token does, and when the client hangs up.
func Stream(auth *Auth, ticks <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		flusher := http.NewResponseController(w)
		for {
			if _, err := fmt.Fprintln(w, "tick"); err != nil {
				return
			}
			if err := flusher.Flush(); err != nil {
				return
			}
			select {
			case <-ticks:
			case <-r.Context().Done():
				return
			}
			if _, err := auth.Authenticate(r); err != nil {
				return
			}
		}
	}
}
