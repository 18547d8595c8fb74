package session

import (
	"cmp"
	"context"
	"crypto/cipher"
	"net/http"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
)

// Authenticator checks a username and a password and returns the subject. The username is in canonical form.
// [PasswordAuthenticator] returns an Authenticator for stored hashes.
//
// usher.ErrPasswordMismatch and usher.ErrNoUser are the same 401, usher.ErrForbidden is a 403, and usher.ErrUnavailable
// and a context's error are a 503. A [usher.Rejection] is used as it is. Any other error is a 500. If the response is a
// 4xx, the attempt is spent (see LoginHandler).
type Authenticator func(ctx context.Context, username, password string) (subject string, err error)

// Starter issues the tokens of a login. A [Manager] starts a session, and [AccessTokens] does not.
type Starter interface {
	// Start returns the tokens of a new login of subject.
	Start(ctx context.Context, subject string, about About) (Tokens, error)

	start(ctx context.Context, subject string, about About, check tokensCheck) (Tokens, error)
	now() time.Time
	usable() error
	ticketSealers() []cipher.AEAD // the first one encrypts, all decrypt; none for AccessTokens
}

// LoginHandler returns a handler that checks a username and a password and responds with tokens. It accepts POST with
// JSON or a form; the optional text field "label" is the name of the device. If arguments are invalid, it returns a
// usher.ConfigError for each of them, joined.
//
// An attempt is taken from the throttle before the password is checked. It is given back if the password was right or
// if a failure (5xx) left that open. Only as many simultaneous guesses are checked as the throttle permits. The others
// get a 429 with Retry-After, whether or not the account exists.
//
// For a login with a second step, without a password, or with Data, use [NewLogin].
func LoginHandler(s Starter, authenticate Authenticator, opts *HandlerOptions) (http.Handler, error) {
	l, err := newLogin(s, authenticate, opts, required(authenticate != nil, "Authenticator"))
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Login is the handler of LoginHandler, with its steps as methods for logins that have a second step or no password.
// The application's handlers call these methods and pass their errors to Deny:
//
//   - For a login with a second step, the first request calls Authenticate and Pause and responds with the ticket. The
//     second request calls Resume and Finish.
//   - For a passkey or a social login, the application authenticates the user and calls Finish.
//   - After a registration, the application calls Finish.
//
// It is safe for concurrent use.
type Login struct {
	*endpoint
	starter      Starter
	authenticate Authenticator
	sealers      []cipher.AEAD // the first one encrypts tickets, all decrypt them
}

// NewLogin returns a Login. authenticate may be nil if the login has no password; ServeHTTP then responds with a 500,
// and Authenticate returns a usher.ConfigError. If arguments are invalid, NewLogin returns a usher.ConfigError for each
// of them, joined.
func NewLogin(s Starter, authenticate Authenticator, opts *HandlerOptions) (*Login, error) {
	return newLogin(s, authenticate, opts)
}

func newLogin(s Starter, authenticate Authenticator, opts *HandlerOptions, mistakes ...error) (*Login, error) {
	if nilcheck.IsNil(s) {
		mistakes = append(mistakes, required(false, "Starter"))
	} else {
		mistakes = append(mistakes, s.usable())
	}
	e, err := newEndpoint(opts, []string{http.MethodPost}, mistakes...)
	if err != nil {
		return nil, err
	}
	l := &Login{endpoint: e, starter: s, authenticate: authenticate, sealers: s.ticketSealers()}
	if opts != nil && len(opts.TicketSecret) > 0 {
		sealer, err := newTicketSealer(opts.TicketSecret)
		if err != nil {
			return nil, err
		}
		l.sealers = []cipher.AEAD{sealer}
	}
	if e.opts.Throttle == nil {
		if e.opts.Throttle, err = NewMemoryThrottle(nil); err != nil {
			return nil, err
		}
	}
	e.serve = l.serve
	return l, nil
}

const labelField = "label"

func (l *Login) serve(w http.ResponseWriter, r *http.Request) error {
	began := l.starter.now()
	f, err := readFields(w, r, l.opts.UsernameField, l.opts.PasswordField, labelField)
	if err != nil {
		return err
	}
	subject, about, err := l.check(r, began, f[l.opts.UsernameField], f[l.opts.PasswordField])
	if err != nil {
		return err
	}
	about.Label = f[labelField]
	return l.finish(w, r, subject, about)
}

// ServeHTTP serves the login as [LoginHandler] does.
func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.orRefusing().endpoint.ServeHTTP(w, r)
}

// Authenticate checks a username and a password and returns the subject. The throttle counts the attempt. The returned
// About has the client's address and user agent and the time at which the authentication began; the application may set
// its other fields. Authenticate refuses cross-origin requests. Pass its errors to [Login.Deny].
func (l *Login) Authenticate(r *http.Request, username, password string) (subject string, about About, err error) {
	l = l.orRefusing()
	if l.starter == nil {
		return "", About{}, errLoginNotMade
	}
	if err := l.checkOriginAsPOST(r); err != nil {
		return "", About{}, err
	}
	return l.check(r, l.starter.now(), username, password)
}

// check is Authenticate without the check of the origin.
func (l *Login) check(r *http.Request, began time.Time, username, password string) (subject string, about About, err error) {
	if l.authenticate == nil {
		return "", About{}, &usher.ConfigError{Field: "NewLogin authenticate", Reason: "is nil, so this login has no password"}
	}
	username = l.opts.Canonical(username)
	f := fields{l.opts.UsernameField: username, l.opts.PasswordField: password}
	if err := f.require(l.opts.UsernameField, l.opts.PasswordField); err != nil {
		return "", About{}, err
	}
	about = l.aboutClient(r, About{AuthTime: began})
	attempt := Attempt{Kind: KindLogin, Account: countedName(username), Client: network(about.Address)}
	err = l.attempt(r.Context(), attempt, func(ctx context.Context) (err error) {
		subject, err = l.authenticate(ctx, username, password)
		return err
	})
	if err != nil {
		return "", About{}, err
	}
	return subject, about, nil
}

// aboutClient fills in the client's address and user agent.
func (l *Login) aboutClient(r *http.Request, about About) About {
	about.Address = cmp.Or(about.Address, l.opts.ClientAddress(r))
	about.UserAgent = cmp.Or(about.UserAgent, r.UserAgent())
	return about
}

// Finish logs the subject in: it issues tokens, sets cookies and writes the response. It fills in the address and user
// agent of about if they are empty. If it returns an error, it has written nothing; pass the error to [Login.Deny].
//
// Finish refuses cross-origin requests, except GET requests, which social logins need for their redirects. For these,
// check the state parameter yourself.
func (l *Login) Finish(w http.ResponseWriter, r *http.Request, subject string, about About) error {
	l = l.orRefusing()
	if l.starter == nil {
		return errLoginNotMade
	}
	if err := l.checkOrigin(r); err != nil {
		return err
	}
	return l.finish(w, r, subject, l.aboutClient(r, about))
}

func (l *Login) finish(w http.ResponseWriter, r *http.Request, subject string, about About) error {
	tokens, err := l.starter.start(r.Context(), subject, about, l.checkCookieSize)
	if err != nil {
		return err
	}
	l.writeTokens(w, r, tokens)
	return nil
}

// Deny refuses a request. It responds as ServeHTTP does for the same error.
func (l *Login) Deny(w http.ResponseWriter, r *http.Request, err error) {
	l.orRefusing().refuse(w, r, err)
}

// Attempts returns Attempts that count with this login's throttle and options.
func (l *Login) Attempts() *Attempts { return &Attempts{l.orRefusing().endpoint} }

var errLoginNotMade = &usher.ConfigError{Field: "Login", Reason: "was not made by NewLogin"}

// orRefusing returns l, or a Login that refuses every request if l was not made by NewLogin.
func (l *Login) orRefusing() *Login {
	if l != nil && l.endpoint != nil {
		return l
	}
	e, _ := newEndpoint(nil, []string{http.MethodPost}) // the defaults are valid
	e.serve = func(http.ResponseWriter, *http.Request) error { return errLoginNotMade }
	return &Login{endpoint: e}
}
