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
	defer func() { a.later(r, job) }() // after the response has been written
	attempt := Attempt{Kind: KindMail, Account: countedName(username), Client: a.client(r)}
	if err := a.common.spend(r.Context(), attempt, func(context.Context) error { return nil }); err != nil {
		return err
	}
	job = func(ctx context.Context) error {
		user, err := findUser(ctx, a.users, username)
		if isNoUser(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return a.send(ctx, MailReset, user)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (a *accounts) reset(w http.ResponseWriter, r *http.Request) error {
	return a.followLink(w, r, a.resets, resetState, func(ctx context.Context, l link) error {
		err := a.setPassword(ctx, l.user, l.password, l.check)
		if err == nil {
			a.common.loggedOut(w)
		}
		return err
	})
}

func (a *accounts) verify(w http.ResponseWriter, r *http.Request) error {
	return a.followLink(w, r, a.verifications, verificationState, func(ctx context.Context, l link) error {
		err := a.checkPassword(ctx, l.user, l.password)
		replaced := errors.Is(err, usher.ErrPasswordMismatch) && !outOfReach(err)
		if replaced {
			err = a.setPassword(ctx, l.user, l.password, l.check)
		}
		if err != nil {
			return err
		}
		ctx, cancel := finishing(ctx)
		defer cancel()
		if err := a.storeVerified(ctx, l.user); err != nil {
			return err
		}
		if replaced {
			a.common.loggedOut(w)
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

// link is the content of a request with a valid link.
type link struct {
	user     User // when the link was checked
	password string
	check    func(ctx context.Context) error // returns ErrToken if the link has become invalid
}

// followLink reads a token and a password, and calls use if the token is valid. The call is counted as an attempt. If it
// succeeds, the client becomes known to the account, so that guesses by others don't lock the owner out.
func (a *accounts) followLink(w http.ResponseWriter, r *http.Request, tokens *onetime.Tokens, state func(User) string, use func(ctx context.Context, l link) error) error {
	f, err := readFields(w, r, tokenField, a.opts.PasswordField)
	if err == nil {
		err = f.require(tokenField, a.opts.PasswordField)
	}
	if err != nil {
		return err
	}
	l := link{password: f[a.opts.PasswordField]}
	check := func(ctx context.Context, u *User) error {
		_, _, err := tokens.Check(ctx, f[tokenField], func(ctx context.Context, subject string) (text string, err error) {
			*u, err = a.users.Load(ctx, subject)
			return state(*u), err
		})
		return err
	}
	if err := check(r.Context(), &l.user); err != nil {
		return err
	}
	l.check = func(ctx context.Context) error { return check(ctx, new(User)) }
	attempt := Attempt{Kind: KindReset, Account: a.countedUser(l.user), Client: a.client(r)}
	return a.common.attempt(r.Context(), attempt, func(ctx context.Context) error { return use(ctx, l) })
}
