// Logins is a service with registration, login and a protected route, on SQLite.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// User is a registered user.
type User struct{ ID, Email string }

const schema = `CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, hash TEXT NOT NULL)`

func main() {
	db := usher.Must(sql.Open("sqlite", "file:logins.db?_pragma=busy_timeout(5000)"))
	handler, err := newHandler(db, []byte(os.Getenv("SECRET_KEY")))
	if err == nil {
		server := &http.Server{Addr: "127.0.0.1:8080", Handler: handler, ReadTimeout: 10 * time.Second}
		err = server.ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, "logins:", err)
	os.Exit(1)
}

// newHandler sets everything up: the table, the key, tokens, passwords and routes.
func newHandler(db *sql.DB, secret []byte) (http.Handler, error) {
	if _, err := db.ExecContext(context.Background(), schema); err != nil {
		return nil, err
	}
	key, err := usher.NewKey(usher.HS256, secret)
	if err != nil {
		return nil, fmt.Errorf("SECRET_KEY: %w", err)
	}
	users := users{db}
	passwords := usher.Must(usher.NewPasswords(nil))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, users.byClaims, nil))

	// The login handler reads a form or JSON, throttles attempts and responds with an access token.
	authenticate := usher.Must(session.PasswordAuthenticator(passwords, users.hashOf, users.replaceHash))
	tokens := usher.Must(session.NewAccessTokens(encoder, users.claimsOf))
	login := usher.Must(session.LoginHandler(tokens, authenticate, &session.HandlerOptions{UsernameField: "email"}))

	mux := http.NewServeMux()
	mux.Handle("POST /login", login)
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		hash, err := passwords.Hash(r.Context(), r.PostFormValue("password"))
		if err == nil {
			err = users.create(r.Context(), r.PostFormValue("email"), hash)
		}
		if err != nil {
			auth.Deny(w, r, err)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *User) {
		fmt.Fprintf(w, "Hello, %s!\n", user.Email)
	}))
	return mux, nil
}

// users is the table of users.
type users struct{ db *sql.DB }

func (u users) create(ctx context.Context, email, hash string) error {
	const insert = `INSERT INTO users VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	result, err := u.db.ExecContext(ctx, insert, rand.Text(), strings.ToLower(email), hash)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n == 0 {
		return &usher.Rejection{Status: http.StatusConflict, Description: "The email is taken.", Err: err}
	}
	return nil
}

// byClaims returns the user that a token names.
func (u users) byClaims(ctx context.Context, c *usher.Claims) (*User, error) {
	user := &User{ID: c.Subject}
	err := u.db.QueryRowContext(ctx, `SELECT email FROM users WHERE id = $1`, user.ID).Scan(&user.Email)
	return user, orNoUser(err)
}

// claimsOf returns the claims of a user's next token, which are the defaults here.
func (users) claimsOf(context.Context, session.Grant) (c usher.Claims, err error) { return c, nil }

func (u users) hashOf(ctx context.Context, email string) (id, hash string, err error) {
	err = u.db.QueryRowContext(ctx, `SELECT id, hash FROM users WHERE email = $1`, strings.ToLower(email)).Scan(&id, &hash)
	return id, hash, orNoUser(err)
}

// replaceHash stores an upgraded hash, unless the password has changed since.
func (u users) replaceHash(ctx context.Context, id, oldHash, newHash string) error {
	_, err := u.db.ExecContext(ctx, `UPDATE users SET hash = $1 WHERE id = $2 AND hash = $3`, newHash, id, oldHash)
	return err
}

// orNoUser tells usher that a user does not exist, so that it responds with a 401 and not with a 500.
func orNoUser(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return usher.ErrNoUser
	}
	return err
}
