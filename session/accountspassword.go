package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-usher/usher"
)

func (a *accounts) changePassword(w http.ResponseWriter, r *http.Request) error {
	claims, err := requiredClaims(r, "Accounts.ChangePassword")
	if err != nil {
		return err
	}
	oldField, newField := "old_"+a.opts.PasswordField, "new_"+a.opts.PasswordField
	f, err := readFields(w, r, oldField, newField)
	if err == nil {
		err = f.require(oldField, newField)
	}
	if err != nil {
		return err
	}
	user, err := a.users.Load(r.Context(), claims.Subject)
	if isNoUser(err) {
		return fmt.Errorf("%w: %w", ErrSessionEnded, err)
	}
	if err != nil {
		return err
	}
	client := a.client(r)
	attempt := Attempt{Kind: KindLogin, Account: a.countedUser(user), Client: client}
	err = a.common.attempt(r.Context(), attempt, func(ctx context.Context) error {
		return a.checkPassword(ctx, user, f[oldField])
	})
	if errors.Is(err, usher.ErrPasswordMismatch) && !outOfReach(err) {
		return &usher.Rejection{Status: http.StatusUnauthorized, Description: "The old password is wrong.", Err: err}
	}
	if err != nil {
		return err
	}
	hash, err := a.passwords.Hash(usher.ContextWithClient(r.Context(), client), f[newField])
	if err != nil {
		return err
	}
	ctx, cancel := finishing(r.Context())
	defer cancel()
	// First the replacement: a change that loses against another one must not end the sessions of the winner.
	if err := a.replaceHash(ctx, user, hash); err != nil {
		return err
	}
	if err := a.sessions.EndOthers(ctx, user.Subject, claims.SessionID); err != nil {
		return halfDone(err, "The password has been changed, but other sessions may go on. End them later.")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// halfDone is the refusal of a request whose password has been set although its sessions could not be ended.
func halfDone(err error, description string) error {
	return &usher.Rejection{Status: http.StatusServiceUnavailable, Description: description, Err: err}
}

// checkPassword returns usher.ErrPasswordMismatch unless the password is the user's. It stores no better hash: the
// password is about to be replaced, or the next login does it.
func (a *accounts) checkPassword(ctx context.Context, u User, password string) error {
	_, err := a.passwords.Check(ctx, u.Hash, password)
	switch {
	case err == nil || outOfReach(err):
		return err
	case errors.Is(err, usher.ErrBadHash):
		return fmt.Errorf("%w of %s: %w", usher.ErrPasswordMismatch, u.Subject, err)
	}
	return fmt.Errorf("%w of %s", err, u.Subject)
}

// replaceHash replaces the user's hash. If the answer of Users is a failure, it looks whether the hash has been replaced
// all the same: then the sessions have to end.
func (a *accounts) replaceHash(ctx context.Context, u User, hash string) error {
	err := a.users.ReplaceHash(ctx, u.Subject, u.Hash, hash)
	if err == nil || errors.As(err, new(*usher.Rejection)) {
		return err
	}
	if now, loadErr := a.users.Load(ctx, u.Subject); loadErr == nil && now.Hash == hash {
		return nil
	}
	return err
}

// setPassword sets a password by a link, and ends all sessions. same returns ErrToken if the link is dead by now.
//
// The sessions end first, so that a failure leaves the link alive and the thief without a session, and once more
// afterwards: a login with the old password may have finished meanwhile, or may finish later.
func (a *accounts) setPassword(ctx context.Context, u User, password string, same func(context.Context) error) error {
	hash, err := a.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	// Hashing takes a while. A link that has been used meanwhile must not end the sessions of whoever used it.
	if err := same(ctx); err != nil {
		return err
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	if err := a.sessions.EndAll(ctx, u.Subject); err != nil {
		return err
	}
	if err := a.replaceHash(ctx, u, hash); err != nil {
		return err
	}
	if err := a.sessions.EndAll(ctx, u.Subject); err != nil {
		return halfDone(err, "The password has been set, but a session may go on. Log in and end all other sessions.")
	}
	return nil
}
