package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-usher/usher"
)

// PasswordAuthenticator returns an Authenticator that checks passwords against stored hashes.
//
// find looks up an account by its username and returns usher.ErrNoUser if there is none. It is first called with the
// username as it was typed. If there is no such account, it is called with the name in lower case. So both an older
// account "Matt" and a user who registered as "ada" and types "Ada" can log in. It is not called for a name with invalid
// UTF-8 or a NUL byte, which counts as unknown. An unknown user, or one without a hash, takes as long as a wrong password.
//
// upgrade stores a better hash of the password after a successful login. It must replace oldHash only if oldHash is
// still stored; otherwise it could undo a simultaneous change of the password. If it fails, the login still succeeds,
// and the next login calls it again.
//
// The authenticator returns usher.ErrPasswordMismatch for a wrong password and for an unknown user; the error's text
// tells the operator which it was. It returns usher.ErrUnavailable if the password could not be checked. Errors of find
// are returned unchanged. If arguments are invalid, PasswordAuthenticator returns a usher.ConfigError for each of them,
// joined.
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
	findHash := func(ctx context.Context, username string) (User, error) {
		subject, hash, err := find(ctx, username)
		return User{Subject: subject, Hash: hash}, err
	}
	return func(ctx context.Context, username, password string) (string, error) {
		user, err := findUser(ctx, findHash, username)
		unknown := isNoUser(err)
		if unknown {
			user = User{}
		} else if err != nil {
			return "", fmt.Errorf("session: finding the account: %w", err)
		}
		rehash, err := passwords.Check(ctx, user.Hash, password)
		switch {
		case errors.Is(err, usher.ErrUnavailable):
			return "", err
		case unknown:
			return "", fmt.Errorf("%w: %w", usher.ErrPasswordMismatch, usher.ErrNoUser)
		case errors.Is(err, usher.ErrBadHash):
			return "", fmt.Errorf("%w of %s: %w", usher.ErrPasswordMismatch, user.Subject, err)
		case err != nil:
			return "", fmt.Errorf("%w of %s", err, user.Subject)
		}
		if rehash != "" {
			_ = upgrade(ctx, user.Subject, user.Hash, rehash)
		}
		return user.Subject, nil
	}, nil
}
