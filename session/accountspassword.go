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
	if err := a.checkOldPassword(r, user, f[oldField]); err != nil {
		return err
	}
	hash, err := a.passwords.Hash(usher.ContextWithClient(r.Context(), a.clientNetwork(r)), f[newField])
	if err != nil {
		return err
	}
	ctx, cancel := detach(r.Context(), detachedTimeout)
	defer cancel()
	// Replace the hash before ending sessions: of two simultaneous changes, only the successful one may end sessions.
	if err := a.replaceHash(ctx, user, hash); err != nil {
		return err
	}
	if err := a.sessions.EndOthers(ctx, user.Subject, claims.SessionID); err != nil {
		return sessionsNotEnded(err, "The password has been changed, but other sessions may still be active. End them later.")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkOldPassword returns nil if the password is the user's. The throttle counts the attempt as a login.
func (a *accounts) checkOldPassword(r *http.Request, u User, password string) error {
	attempt := Attempt{Kind: KindLogin, Account: a.countedUser(u), Client: a.clientNetwork(r)}
	err := a.endpoint.attempt(r.Context(), attempt, func(ctx context.Context) error {
		return a.checkPassword(ctx, u, password)
	})
	if isMismatch(err) {
		return &usher.Rejection{Status: http.StatusUnauthorized, Description: "The old password is wrong.", Err: err}
	}
	return err
}

// sessionsNotEnded returns the refusal of a request that has set a password but could not end the sessions.
func sessionsNotEnded(err error, description string) error {
	return &usher.Rejection{Status: http.StatusServiceUnavailable, Description: description, Err: err}
}

// checkPassword returns usher.ErrPasswordMismatch if the password is not the user's. It does not upgrade the hash: the
// password is about to be replaced, or the next login upgrades it.
func (a *accounts) checkPassword(ctx context.Context, u User, password string) error {
	_, err := a.passwords.Check(ctx, u.Hash, password)
	switch {
	case err == nil || isOutage(err):
		return err
	case errors.Is(err, usher.ErrBadHash):
		return fmt.Errorf("%w of %s: %w", usher.ErrPasswordMismatch, u.Subject, err)
	}
	return fmt.Errorf("%w of %s", err, u.Subject)
}

// isMismatch reports whether err is usher.ErrPasswordMismatch and not also an outage.
func isMismatch(err error) bool { return errors.Is(err, usher.ErrPasswordMismatch) && !isOutage(err) }

// replaceHash replaces the user's hash. If Users.ReplaceHash fails, replaceHash checks whether the hash was replaced
// nevertheless, because the sessions must then end.
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

// setPassword sets the password of a valid link and ends all sessions. checkLink returns onetime.ErrToken if the link
// has become invalid.
//
// It ends the sessions before it sets the password: if this fails, the link can be used again, and an attacker has no
// session left. It ends them again afterwards, because a login with the old password may have started in between.
func (a *accounts) setPassword(ctx context.Context, u User, password string, checkLink func(context.Context) error) error {
	hash, err := a.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	// Hashing takes time. If the link has been used in the meantime, the new sessions must not be ended.
	if err := checkLink(ctx); err != nil {
		return err
	}
	ctx, cancel := detach(ctx, detachedTimeout)
	defer cancel()
	if err := a.sessions.EndAll(ctx, u.Subject); err != nil {
		return err
	}
	if err := a.replaceHash(ctx, u, hash); err != nil {
		return err
	}
	if err := a.sessions.EndAll(ctx, u.Subject); err != nil {
		return sessionsNotEnded(err, "The password has been set, but old sessions may still be active. Log in and end all other sessions.")
	}
	return nil
}
