package session

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/onetime"
)

const tokenField = "token"

// resetState returns the state that a reset link depends on. It includes the address, so that links in an old mailbox
// become invalid when the address changes.
func resetState(u User) string { return strconv.Quote(u.Hash) + strconv.Quote(u.Email) }

// verificationState returns the state that a verification link depends on. It does not include the hash: if the last
// step fails after the password has been set, the user can use the link again.
func verificationState(u User) string {
	return strconv.FormatBool(u.Verified) + strconv.Quote(u.Email)
}

func (a *accounts) forgot(w http.ResponseWriter, r *http.Request) error {
	f, err := readFields(w, r, a.opts.UsernameField)
	if err != nil {
		return err
	}
	username := a.opts.Canonical(f[a.opts.UsernameField])
	f[a.opts.UsernameField] = username
	if err := f.require(a.opts.UsernameField); err != nil {
		return err
	}
	var job func(ctx context.Context) error
	if err := a.mails.reserve(); err != nil {
		return err
	}
	defer func() { a.queueMail(r, job) }() // after the response has been written
	attempt := Attempt{Kind: KindMail, Account: countedName(username), Client: a.clientNetwork(r)}
	if err := a.endpoint.attemptCounted(r.Context(), attempt, func(context.Context) error { return nil }); err != nil {
		return err
	}
	job = func(ctx context.Context) error {
		user, err := findUser(ctx, a.users.Find, username)
		if isNoUser(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return a.sendMail(ctx, MailReset, user)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (a *accounts) reset(w http.ResponseWriter, r *http.Request) error {
	return a.followLink(w, r, a.resets, resetState, func(ctx context.Context, req linkRequest) error {
		err := a.setPassword(ctx, req.user, req.password, req.checkLink)
		if err == nil {
			a.endpoint.respondLoggedOut(w)
		}
		return err
	})
}

func (a *accounts) verify(w http.ResponseWriter, r *http.Request) error {
	return a.followLink(w, r, a.verifications, verificationState, func(ctx context.Context, req linkRequest) error {
		err := a.checkPassword(ctx, req.user, req.password)
		replaced := isMismatch(err)
		if replaced {
			err = a.setPassword(ctx, req.user, req.password, req.checkLink)
		}
		if err != nil {
			return err
		}
		ctx, cancel := detach(ctx, detachedTimeout)
		defer cancel()
		if err := a.storeVerified(ctx, req.user); err != nil {
			return err
		}
		if replaced {
			a.endpoint.respondLoggedOut(w)
		} else {
			w.WriteHeader(http.StatusNoContent)
		}
		return nil
	})
}

// storeVerified calls Users.Verify. If that fails, it checks whether the address was verified nevertheless, because the
// link could then not be used again.
func (a *accounts) storeVerified(ctx context.Context, u User) error {
	err := a.users.Verify(ctx, u.Subject, u.Email)
	if err == nil || errors.Is(err, ErrChanged) || errors.As(err, new(*usher.Rejection)) {
		return err
	}
	if now, loadErr := a.users.Load(ctx, u.Subject); loadErr == nil && now.Verified && now.Email == u.Email {
		return nil
	}
	return err
}

// linkRequest is the content of a request with a valid link.
type linkRequest struct {
	user      User // when the link was checked
	password  string
	checkLink func(ctx context.Context) error // returns onetime.ErrToken if the link has become invalid
}

// followLink reads a token and a password, and calls action if the token is valid. The call is counted as an attempt.
// If it succeeds, the client becomes known to the account, so that guesses by others don't lock the owner out.
func (a *accounts) followLink(w http.ResponseWriter, r *http.Request, tokens *onetime.Tokens, state func(User) string, action func(ctx context.Context, req linkRequest) error) error {
	f, err := readFields(w, r, tokenField, a.opts.PasswordField)
	if err == nil {
		err = f.require(tokenField, a.opts.PasswordField)
	}
	if err != nil {
		return err
	}
	req := linkRequest{password: f[a.opts.PasswordField]}
	check := func(ctx context.Context, u *User) error {
		_, _, err := tokens.Check(ctx, f[tokenField], func(ctx context.Context, subject string) (text string, err error) {
			*u, err = a.users.Load(ctx, subject)
			return state(*u), err
		})
		return err
	}
	if err := check(r.Context(), &req.user); err != nil {
		return err
	}
	req.checkLink = func(ctx context.Context) error { return check(ctx, new(User)) }
	attempt := Attempt{Kind: KindReset, Account: a.countedUser(req.user), Client: a.clientNetwork(r)}
	return a.endpoint.attempt(r.Context(), attempt, func(ctx context.Context) error { return action(ctx, req) })
}
