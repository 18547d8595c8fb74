package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-usher/usher"
)

// The errors of [Users]. Each has a method Reason() string, which usher.Rejection.Reason uses; the words are taken and
// changed.
var (
	// ErrTaken means that an account with this username exists already. The response is a 409, or the same as for a free
	// username (see AccountOptions.TellApart).
	ErrTaken error = &reasonError{"session: username taken", "taken"}
	// ErrChanged means that the account is not what it was when the change began, so that nothing has been changed. The
	// response is a 409.
	ErrChanged error = &reasonError{"session: account changed meanwhile", "changed"}
)

// User is an account, as [Users] returns it. It prints and logs without the hash.
type User struct {
	Subject  string // the user's id; becomes sub
	Username string // the name that the user logs in with, for counting attempts
	Hash     string // of the password; empty if the account has none
	Email    string // where mails are sent; empty if there is no address
	Verified bool   // the user has shown that Email is theirs
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (u User) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

// String returns the user's id, without the hash.
func (u User) String() string { return fmt.Sprintf("session.User{Subject:%s}", u.Subject) }

// LogValue returns the user's id, without the hash.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Users is the application's table of users, as far as [Accounts] need it. Implementations are safe for concurrent use
// and honour contexts. Besides the errors that are listed, every method may return a [usher.Rejection], which is sent
// unchanged. usher.ErrUnavailable and a context's error become a 503, and any other error a 500.
//
// A change is refused as a whole or made as a whole, in one statement or transaction.
type Users interface {
	// Find returns the account with a username, or usher.ErrNoUser.
	Find(ctx context.Context, username string) (User, error)
	// Load returns the account with a subject, or usher.ErrNoUser.
	Load(ctx context.Context, subject string) (User, error)
	// Create creates an account whose address is not verified yet, and returns it. If the username exists, in whatever
	// spelling Find accepts, it returns ErrTaken. hash is empty if the password is set later, with the verification of
	// the address. fields has those of AccountOptions.Fields that the client sent.
	Create(ctx context.Context, username, hash string, fields map[string]string) (User, error)
	// ReplaceHash stores newHash if oldHash is stored now, else it returns ErrChanged: UPDATE … WHERE id = ? AND
	// hash = ?. An empty oldHash means that the account has no hash.
	ReplaceHash(ctx context.Context, subject, oldHash, newHash string) error
	// Verify stores that the user has shown that email is theirs. If the account has another address now, it returns
	// ErrChanged. It is no error if the address is verified already.
	Verify(ctx context.Context, subject, email string) error
}

// findUser looks up a username as [PasswordAuthenticator] does: as it was typed, and then in lower case.
func findUser(ctx context.Context, users Users, username string) (User, error) {
	u, err := users.Find(ctx, username)
	if lower := strings.ToLower(username); lower != username && isNoUser(err) {
		return users.Find(ctx, lower)
	}
	return u, err
}

// isNoUser reports whether err says that there is no such user, and not that the users are out of reach.
func isNoUser(err error) bool { return errors.Is(err, usher.ErrNoUser) && !outOfReach(err) }
