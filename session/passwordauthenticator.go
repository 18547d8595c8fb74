package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-usher/usher"
)

// PasswordAuthenticator returns an Authenticator that checks passwords against stored hashes.
//
// find looks an account up by its username; usher.ErrNoUser if there is none. An unknown user costs the time
// of a wrong password, and so does one without a hash.
//
// upgrade stores a better hash of a password that has just been right: only where old still stands, or a
// change of password that runs at the same time would be undone. Its failure is no failed login; it is asked
// again at the next one.
//
// The authenticator's errors: usher.ErrPasswordMismatch for a wrong password and for an unknown user, with a text
// that tells the operator which, and whose; usher.ErrUnavailable and what find returns otherwise. Mistakes in
// the arguments are reported as usher.ConfigError, all at once.
func PasswordAuthenticator(
	passwords *usher.Passwords,
	find func(ctx context.Context, username string) (subject, hash string, err error),
	upgrade func(ctx context.Context, subject, oldHash, newHash string) error,
) (Authenticator, error) {
	err := errors.Join(
		required(passwords != nil, "PasswordAuthenticator passwords"),
		required(find != nil, "PasswordAuthenticator find"),
		required(upgrade != nil, "PasswordAuthenticator upgrade"),
	)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, username, password string) (string, error) {
		subject, hash, err := find(ctx, username)
		unknown := errors.Is(err, usher.ErrNoUser) && !outOfReach(err)
		if unknown {
			hash = ""
		} else if err != nil {
			return "", fmt.Errorf("session: finding the account: %w", err)
		}
		rehash, err := passwords.Check(ctx, hash, password)
		switch {
		case errors.Is(err, usher.ErrUnavailable):
			return "", err
		case unknown:
			return "", fmt.Errorf("%w: %w", usher.ErrPasswordMismatch, usher.ErrNoUser)
		case errors.Is(err, usher.ErrBadHash):
			return "", fmt.Errorf("%w of %s: %w", usher.ErrPasswordMismatch, subject, err)
		case err != nil:
			return "", fmt.Errorf("%w of %s", err, subject)
		}
		if rehash != "" {
			_ = upgrade(ctx, subject, hash, rehash)
		}
		return subject, nil
	}, nil
}
