package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/go-usher/usher"
)

// The errors of [Users]. In usher.Rejection.Reason they are "taken" and "changed".
var (
	// ErrTaken: an account with this username already exists. With AccountOptions.TellApart, the response is a 409;
	// otherwise it is the same as for a free username.
	ErrTaken error = &reasonError{"session: username taken", "taken"}
	// ErrChanged: another change of the account came first, and this one was not made. The response is a 409.
	ErrChanged error = &reasonError{"session: account changed meanwhile", "changed"}
)

// User is an account, as [Users] returns it. It prints and logs without the hash, and its JSON form does not have it.
type User struct {
	Subject  string // the user's id; becomes sub
	Username string // the name that the user logs in with; attempts are counted under it
	Hash     string `json:"-"` // the password's hash; empty if the account has no password
	Email    string // the address for mails; empty if there is none
	Verified bool   // the user has proved that Email is theirs
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (u User) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

// String returns the user's id, without the hash.
func (u User) String() string { return fmt.Sprintf("session.User{Subject:%s}", u.Subject) }

// LogValue returns the user's id, without the hash.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Users gives [Accounts] access to the application's users. Implementations must be safe for concurrent use and honour
// contexts. Each method may also return a [usher.Rejection], which is used as it is. usher.ErrUnavailable and a
// context's error are a 503, and errors that are not listed a 500.
//
// Each change must be atomic: one statement or one transaction.
type Users interface {
	// Find returns the account with this username, or usher.ErrNoUser.
	Find(ctx context.Context, username string) (User, error)
	// Load returns the account with this subject, or usher.ErrNoUser.
	Load(ctx context.Context, subject string) (User, error)
	// Create creates an account with an unverified address and returns it. If Find would return an account for the
	// username, it returns ErrTaken. hash is empty if the password will be set when the address is verified. fields
	// contains those of AccountOptions.Fields that the client sent.
	Create(ctx context.Context, username, hash string, fields map[string]string) (User, error)
	// ReplaceHash replaces oldHash by newHash: UPDATE … WHERE id = ? AND hash = ?. If another hash is stored, it returns
	// ErrChanged. An empty oldHash means that the account has no hash.
	ReplaceHash(ctx context.Context, subject, oldHash, newHash string) error
	// Verify marks the account's address as verified. If the address is no longer email, it returns ErrChanged. If it
	// has been verified already, it returns nil.
	Verify(ctx context.Context, subject, email string) error
}

// findUser looks up a username as it was typed and, if there is no such account, in lower case. Databases return errors for
// invalid UTF-8 and NUL bytes, so no account has such a name.
func findUser(ctx context.Context, find func(ctx context.Context, username string) (User, error), username string) (User, error) {
	if !utf8.ValidString(username) || strings.Contains(username, "\x00") {
		return User{}, usher.ErrNoUser
	}
	u, err := find(ctx, username)
	if lower := strings.ToLower(username); lower != username && isNoUser(err) {
		return find(ctx, lower)
	}
	return u, err
}

// isNoUser reports whether err is usher.ErrNoUser and not also an outage.
func isNoUser(err error) bool { return errors.Is(err, usher.ErrNoUser) && !isOutage(err) }
