package session

import (
	"context"
	"net/http"
	"time"
)

// Authenticator checks a username and a password and returns the subject. The username is in its canonical form.
// usher.ErrPasswordMismatch and usher.ErrNoUser become the same 401 response, usher.ErrForbidden a 403, and
// usher.ErrUnavailable and a context's error a 503. A [usher.Rejection] is sent unchanged. Any other error becomes a
// 500. A 4xx response costs an attempt (see LoginHandler). [PasswordAuthenticator] returns an Authenticator for stored
// hashes.
type Authenticator func(ctx context.Context, username, password string) (subject string, err error)

// Starter issues the tokens of a login. A [Manager] starts a session, and [AccessTokens] does not.
type Starter interface {
	// Start returns the tokens of a new login of subject.
	Start(ctx context.Context, subject string, about About) (Tokens, error)

	start(ctx context.Context, subject string, about About, fit checkpoint) (Tokens, error)
	now() time.Time
}

// LoginHandler returns a handler that checks a username and a password and responds with tokens. It accepts POST with
// JSON or a form; the optional text field "label" is the name of the device. If arguments are invalid, it returns a
// usher.ConfigError for each of them, joined.
//
// An attempt is taken from the throttle before the password is checked, and returned if the password was right or if
// a failure (5xx) left that open. Of many simultaneous guesses only those that the throttle allows are checked. The
// others get a 429 response with Retry-After, whether or not the account exists.
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
	attempt := Attempt{Kind: KindLogin, Account: countedName(username), Client: network(address)}
	err = l.attempt(r.Context(), attempt, func(ctx context.Context) (err error) {
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
