package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
)

// User is a registered user.
type User struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Admin    bool   `json:"admin"`
	Verified bool   `json:"verified"` // the email is theirs

	hash string // of the password
}

// account returns what session.Accounts need of the user.
func (u *User) account() session.User {
	if u == nil {
		return session.User{}
	}
	return session.User{Subject: u.ID, Username: u.Email, Hash: u.hash, Email: u.Email, Verified: u.Verified}
}

// users is the table of users. It implements session.Users. Its methods return usher.ErrNoUser if there is no such user. If
// the database fails, they return usher.ErrUnavailable, which is a 503.
type users struct{ db *sql.DB }

// IDs are random, so none is ever used twice: a token of a deleted user must not become valid for another user.
const schema = `CREATE TABLE IF NOT EXISTS users (
	id            TEXT    PRIMARY KEY,
	email         TEXT    NOT NULL UNIQUE,
	password_hash TEXT    NOT NULL,
	admin         BOOLEAN NOT NULL DEFAULT FALSE,
	verified      BOOLEAN NOT NULL DEFAULT FALSE
)`

// Create implements session.Users. An email that is not an address is a 422.
func (u *users) Create(ctx context.Context, email, hash string, _ map[string]string) (session.User, error) {
	email, ok := canonicalEmail(email)
	if !ok {
		return session.User{}, problem(http.StatusUnprocessableEntity, "The email is not an address.")
	}
	user := &User{ID: rand.Text(), Email: email, hash: hash}
	err := u.change(ctx, session.ErrTaken, `INSERT INTO users (id, email, password_hash) VALUES ($1, $2, $3)
		ON CONFLICT (email) DO NOTHING`, user.ID, user.Email, user.hash)
	return user.account(), err
}

// Find implements session.Users.
func (u *users) Find(ctx context.Context, email string) (session.User, error) {
	user, err := u.ByEmail(ctx, email)
	return user.account(), err
}

// Load implements session.Users.
func (u *users) Load(ctx context.Context, id string) (session.User, error) {
	user, err := u.find(ctx, selectUser+"id = $1", id)
	return user.account(), err
}

// ReplaceHash implements session.Users.
func (u *users) ReplaceHash(ctx context.Context, id, oldHash, newHash string) error {
	return u.change(ctx, session.ErrChanged, `UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3`, newHash, id, oldHash)
}

// Verify implements session.Users.
func (u *users) Verify(ctx context.Context, id, email string) error {
	return u.change(ctx, session.ErrChanged, `UPDATE users SET verified = TRUE WHERE id = $1 AND email = $2`, id, email)
}

// OfToken returns the user that a token names.
func (u *users) OfToken(ctx context.Context, claims *usher.Claims) (*User, error) {
	return u.find(ctx, selectUser+"id = $1", claims.Subject)
}

// ByEmail returns the user with this email. Case does not matter.
func (u *users) ByEmail(ctx context.Context, email string) (*User, error) {
	email, ok := canonicalEmail(email)
	if !ok {
		return nil, usher.ErrNoUser
	}
	return u.find(ctx, selectUser+"email = $1", email)
}

// ClaimsOf returns additional claims for a user's next token. There are none, because OfToken loads the user at every
// request.
func (u *users) ClaimsOf(ctx context.Context, g session.Grant) (usher.Claims, error) {
	_, err := u.Load(ctx, g.Subject)
	return usher.Claims{}, err
}

// MakeAdmin makes the user an admin.
func (u *users) MakeAdmin(ctx context.Context, user *User) error {
	return u.change(ctx, usher.ErrNoUser, `UPDATE users SET admin = TRUE WHERE id = $1`, user.ID)
}

// Count returns how many users there are.
func (u *users) Count(ctx context.Context) (int, error) {
	var n int
	if err := u.db.QueryRowContext(ctx, `SELECT count(*) FROM users`).Scan(&n); err != nil {
		return 0, unavailable(err)
	}
	return n, nil
}

// Close closes the database.
func (u *users) Close() { _ = u.db.Close() }

const selectUser = "SELECT id, email, admin, verified, password_hash FROM users WHERE "

func (u *users) find(ctx context.Context, query, value string) (*User, error) {
	var user User
	err := u.db.QueryRowContext(ctx, query, value).Scan(&user.ID, &user.Email, &user.Admin, &user.Verified, &user.hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, usher.ErrNoUser
	case err != nil:
		return nil, unavailable(err)
	}
	return &user, nil
}

// change changes one row. If there is none to change, it returns none.
func (u *users) change(ctx context.Context, none error, query string, args ...any) error {
	result, err := u.db.ExecContext(ctx, query, args...)
	var n int64
	if err == nil {
		n, err = result.RowsAffected()
	}
	switch {
	case err != nil:
		return unavailable(err)
	case n == 0:
		return none
	}
	return nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", usher.ErrUnavailable, err) }

// canonicalEmail returns the lower-case form of an address, in which users are stored and looked up. It returns false if
// the text is not exactly one address.
func canonicalEmail(text string) (string, bool) {
	const most = 254 // bytes, the limit of SMTP (RFC 5321 §4.5.3.1.3)
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || len(text) > most {
		return "", false
	}
	return strings.ToLower(text), true
}

// database says where the users are stored.
type database struct {
	driver  string
	dialect sqlstore.Dialect
	source  string // may contain a password
	kind    string // "SQLite" or "PostgreSQL"
	place   string // where it is, for the log
}

// parseDatabaseURL parses sqlite:PATH or postgres://…. An empty text means sqlite:quickstart.db.
func parseDatabaseURL(text string) (database, error) {
	if text == "" {
		text = "sqlite:quickstart.db"
	}
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok && path != "" && !strings.HasPrefix(path, "//") {
		path, err := filepath.Abs(path)
		if err != nil {
			return database{}, err
		}
		source := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"}
		return database{"sqlite", sqlstore.SQLite, source.String(), "SQLite", path}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return database{}, errors.New("it is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST/NAME")
	}
	return database{"pgx", sqlstore.PostgreSQL, text, "PostgreSQL", u.Host + u.Path}, nil
}

// openUsers opens the database, and creates the table if it does not exist.
func openUsers(ctx context.Context, d database) (*users, error) {
	if d.driver == "sqlite" {
		// A file that SQLite creates would be readable for everybody on this machine.
		file, err := os.OpenFile(d.place, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("DATABASE_URL: %w", err)
		}
		_ = file.Close()
	}
	db, err := sql.Open(d.driver, d.source)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	db.SetMaxOpenConns(16)
	if err = createTable(ctx, db); err != nil {
		err = createTable(ctx, db) // if two processes do it at once, one of them may fail
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("DATABASE_URL: %s at %s: %w", d.kind, d.place, err)
	}
	return &users{db}, nil
}

func createTable(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, schema)
	if err != nil {
		return err
	}
	if _, err = db.ExecContext(ctx, `SELECT verified FROM users WHERE FALSE`); err != nil { // a table of an older version
		_, err = db.ExecContext(ctx, `ALTER TABLE users ADD COLUMN verified BOOLEAN NOT NULL DEFAULT FALSE`)
	}
	return err
}
