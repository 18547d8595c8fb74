package session

import (
	"context"
	"net/http"
	"time"
)

// Authenticator says who logs in: it returns the subject whose username and password these are. username is in
// its canonical form. usher.ErrPasswordMismatch and usher.ErrNoUser are a 401, the same for both;
// usher.ErrForbidden is a 403; usher.ErrUnavailable and a context's error are a 503; an [usher.Rejection] is
// answered as it is; anything else is a 500. What is answered with a 4xx costs an attempt (see LoginHandler).
// [PasswordAuthenticator] returns a ready one.
type Authenticator func(ctx context.Context, username, password string) (subject string, err error)

// Starter issues the tokens of a login: a [Manager] with a session, [AccessTokens] without.
type Starter interface {
	// Start returns the tokens of a new login of subject.
	Start(ctx context.Context, subject string, about About) (Tokens, error)

	start(ctx context.Context, subject string, about About, fit checkpoint) (Tokens, error)
	now() time.Time
}

// LoginHandler returns a handler that checks a username and a password and answers with tokens. It takes POST,
// with JSON or a form; a text field "label" names the device. Mistakes are reported as usher.ConfigError, all
// at once.
//
// Attempts are counted before the password is checked, and given back if it was right, or if a failure (a 5xx)
// left it open, so that of any number of guesses at once only as many are tried as the throttle allows. The
// others are a 429 that says when to try again, for accounts that exist and for those that don't.
func LoginHandler(s Starter, authenticate Authenticator, opts *HandlerOptions) (http.Handler, error) {
	e, err := newEndpoint(opts, []string{http.MethodPost},
		required(!isNil(s), "Starter"), required(authenticate != nil, "Authenticator"))
	if err != nil {
		return nil, err
	}
	if e.opts.Throttle == nil {
		if e.opts.Throttle, err = NewMemoryThrottle(nil); err != nil {
			return nil, err
		}
	}
	l := &login{endpoint: e, starter: s, authenticate: authenticate}
	e.serve = l.serve
	return e, nil
}

type login struct {
	*endpoint
	starter      Starter
	authenticate Authenticator
}

const labelField = "label"

func (l *login) serve(w http.ResponseWriter, r *http.Request) error {
	began := l.starter.now()
	f, err := readFields(w, r, l.opts.UsernameField, l.opts.PasswordField, labelField)
	if err != nil {
		return err
	}
	username := l.opts.Canonical(f[l.opts.UsernameField])
	f[l.opts.UsernameField] = username
	if err := f.require(l.opts.UsernameField, l.opts.PasswordField); err != nil {
		return err
	}
	var subject string
	address := l.opts.ClientAddress(r)
	err = l.attempt(w, r, username, address, func(ctx context.Context) (err error) {
		subject, err = l.authenticate(ctx, username, f[l.opts.PasswordField])
		return err
	})
	if err != nil {
		return err
	}
	about := About{UserAgent: r.UserAgent(), Address: address, Label: f[labelField], AuthTime: began}
	tokens, err := l.starter.start(r.Context(), subject, about, l.fit)
	if err != nil {
		return err
	}
	l.handOut(w, tokens)
	return nil
}
