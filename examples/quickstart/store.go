package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session/sqlstore"
)

// User is a registered user.
type User struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Admin bool   `json:"admin"`

	hash string // of the password
}

var (
	// errTaken is returned by Create if another user has the email.
	errTaken = errors.New("the email is taken")
	// errChanged is returned by ReplaceHash if the old hash is no longer stored.
	errChanged = errors.New("the password has been changed meanwhile")
)

// users is the table of users. Its methods return usher.ErrNoUser if there is no such user. If the database fails, they
// return usher.ErrUnavailable, which is a 503.
type users struct{ db *sql.DB }

// IDs are random, so none is ever used twice: a token of a deleted user must not become valid for another user.
const schema = `CREATE TABLE IF NOT EXISTS users (
	id            TEXT    PRIMARY KEY,
	email         TEXT    NOT NULL UNIQUE,
	password_hash TEXT    NOT NULL,
	admin         BOOLEAN NOT NULL DEFAULT FALSE
)`

// Create adds a user, or returns errTaken. The email must be canonical.
func (u *users) Create(ctx context.Context, email, hash string) (*User, error) {
	user := &User{ID: rand.Text(), Email: email, hash: hash}
	changed, err := u.exec(ctx, `INSERT INTO users (id, email, password_hash) VALUES ($1, $2, $3)
		ON CONFLICT (email) DO NOTHING`, user.ID, user.Email, user.hash)
	if err != nil {
		return nil, err
	}
	if changed == 0 {
		return nil, errTaken
	}
	return user, nil
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

// HashOf returns the id and the password hash of the user with this email.
func (u *users) HashOf(ctx context.Context, email string) (id, hash string, err error) {
	user, err := u.ByEmail(ctx, email)
	if err != nil {
		return "", "", err
	}
	return user.ID, user.hash, nil
}

// ClaimsOf returns additional claims for a user's next token. There are none, because OfToken loads the user at every
// request.
func (u *users) ClaimsOf(ctx context.Context, id string) (usher.Claims, error) {
	_, err := u.find(ctx, selectUser+"id = $1", id)
	return usher.Claims{}, err
}

// ReplaceHash stores a new hash for a user. It returns errChanged if the old hash is no longer stored, because the password
// was changed in the meantime.
func (u *users) ReplaceHash(ctx context.Context, id, oldHash, newHash string) error {
	changed, err := u.exec(ctx, `UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3`, newHash, id, oldHash)
	if err == nil && changed == 0 {
		return errChanged
	}
	return err
}

// MakeAdmin makes the user an admin.
func (u *users) MakeAdmin(ctx context.Context, user *User) error {
	_, err := u.exec(ctx, `UPDATE users SET admin = TRUE WHERE id = $1`, user.ID)
	return err
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

const selectUser = "SELECT id, email, admin, password_hash FROM users WHERE "

func (u *users) find(ctx context.Context, query, value string) (*User, error) {
	var user User
	err := u.db.QueryRowContext(ctx, query, value).Scan(&user.ID, &user.Email, &user.Admin, &user.hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, usher.ErrNoUser
	case err != nil:
		return nil, unavailable(err)
	}
	return &user, nil
}

func (u *users) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	result, err := u.db.ExecContext(ctx, query, args...)
	if err == nil {
		changed, err = result.RowsAffected()
	}
	if err != nil {
		return 0, unavailable(err)
	}
	return changed, nil
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
	if _, err = db.ExecContext(ctx, schema); err != nil {
		// If two processes create the table at once, PostgreSQL lets one of them fail.
		_, err = db.ExecContext(ctx, schema)
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("DATABASE_URL: %s at %s: %w", d.kind, d.place, err)
	}
	return &users{db}, nil
}
