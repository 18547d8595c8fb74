package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/onetime"
)

// AccountOptions are the options of NewAccounts. They print and log without their secrets.
type AccountOptions struct {
	// Secret protects the links in mails. It is at least 32 random bytes, and the same in every process. Required.
	Secret []byte
	// OldSecrets are also accepted while Secret is being replaced.
	OldSecrets [][]byte
	// Mail sends a mail, or writes it to the application's outbox. Required. It is called after the response, for a few
	// mails at once, and must return when its context ends, after 30 seconds. An error is passed to Observe, or logged
	// if Observe is nil. The mail is not sent again, but the user can request another one. If no mail may be lost,
	// write to an outbox.
	Mail func(ctx context.Context, m Mail) error
	// Fields are the names of additional fields of the signup form. Their values are passed to Users.Create.
	Fields []string
	// TellApart makes Signup respond with a 409 if the username is taken, and otherwise log the new user in. If it is
	// false, Signup responds alike for known and unknown names, and the password is set when the address is verified.
	TellApart bool
	// HandlerOptions are the options of the service's other handlers. The Throttle counts the attempts of all handlers;
	// if it is nil, they share a MemoryThrottle.
	*HandlerOptions
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (o AccountOptions) Format(f fmt.State, _ rune) { fmt.Fprint(f, o.String()) }

// String returns the type's name, without the secrets.
func (o AccountOptions) String() string { return "session.AccountOptions{…}" }

// LogValue returns the type's name, without the secrets.
func (o AccountOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Accounts holds the handlers for accounts with a password and an email address. Each accepts POST with JSON or a form;
// its fields are listed below. HandlerOptions can rename username and password. If HandlerOptions.Throttle is nil, all
// handlers, including Login, share a MemoryThrottle.
//
// A link works once, and only by POST. It becomes invalid when it is used, and when the password or the address
// changes. An invalid link is a 400. A forged one is refused before any method of [Users] is called.
//
// All handlers are safe for concurrent use.
type Accounts struct {
	// Login is [LoginHandler]: username, password, and optionally label.
	Login http.Handler
	// Signup creates an account: username, AccountOptions.Fields, and password. The response is a 202 without a body,
	// or with AccountOptions.TellApart that of a login. A mail with a link for Verify is sent to the address. If the
	// account already exists and is verified, the mail has no link.
	Signup http.Handler
	// ChangePassword replaces the password and ends the user's other sessions: old_password and new_password (old_ and
	// new_ before HandlerOptions.PasswordField). Mount it behind a middleware's Require. The response is a 204.
	//
	// If the password was changed in the meantime, the response is a 409, and no session is ended. A 503 may say that the
	// password has been changed but other sessions may still be alive.
	ChangePassword http.Handler
	// Forgot sends a link for Reset: username. The response is a 202 without a body, whether or not there is an
	// account. The account is looked up after the response.
	Forgot http.Handler
	// Reset sets a new password and ends all sessions: token (from the link) and password. The response is a 204.
	Reset http.Handler
	// Verify confirms the address: token (from the link) and password. The response is a 204.
	//
	// If the password differs from the account's, it replaces it, and all sessions end. Otherwise somebody who signed
	// up with another person's address could share the account with that person. This is why the page asks for a
	// password.
	Verify http.Handler

	// Authenticate checks the password of an account, as Login does. It is for [NewLogin], if a login has another step.
	Authenticate Authenticator

	mails *mailQueue
}

// Close sends the queued mails and waits until all are sent. Call it after http.Server.Shutdown. From then on, Signup
// and Forgot respond with a 503. If ctx ends first, Close drops the queued mails, cancels the contexts of those being
// sent, and returns an error with the number of mails that were not sent. When it returns, no goroutine of the Accounts
// is running.
func (a *Accounts) Close(ctx context.Context) error {
	if a == nil || a.mails == nil {
		return &usher.ConfigError{Field: "Accounts", Reason: "was not made by NewAccounts"}
	}
	return a.mails.close(ctx)
}

// NewAccounts returns the handlers for accounts. opts must have Secret and Mail. If arguments are invalid, it returns a
// usher.ConfigError for each of them, joined.
func NewAccounts[C any](m *Manager[C], passwords *usher.Passwords, users Users, opts *AccountOptions) (*Accounts, error) {
	var o AccountOptions
	if opts != nil {
		o = *opts
	}
	h, err := o.HandlerOptions.withThrottle()
	completed, _ := h.complete() // newEndpoint reports its mistakes
	mistakes := []error{
		err,
		required(m != nil, "NewAccounts Manager"),
		required(passwords != nil, "NewAccounts passwords"),
		required(!nilcheck.IsNil(users), "NewAccounts users"),
		o.check(),
		o.checkFields(&completed),
	}
	e, err := newEndpoint(&h, []string{http.MethodPost}, mistakes...)
	if err != nil {
		return nil, err
	}
	o.HandlerOptions = &h
	a, err := newAccounts(m, passwords, users, o, e)
	if err != nil {
		return nil, err
	}
	return a.handlers()
}

func newAccounts[C any](m *Manager[C], passwords *usher.Passwords, users Users, o AccountOptions, e *endpoint) (a *accounts, err error) {
	a = &accounts{
		endpoint: e, opts: e.opts, sessions: m, passwords: passwords, users: users,
		deliver: o.Mail, fields: slices.Clone(o.Fields), tellApart: o.TellApart, mails: newMailQueue(),
	}
	if a.resets, err = onetime.New(o.Secret, "password reset", a.linkOptions(o, resetTTL)); err != nil {
		return nil, err
	}
	if a.verifications, err = onetime.New(o.Secret, "address verification", a.linkOptions(o, verificationTTL)); err != nil {
		return nil, err
	}
	authenticate, err := PasswordAuthenticator(passwords, a.findHash, users.ReplaceHash)
	if err != nil {
		return nil, err
	}
	if a.login, err = NewLogin(m, authenticate, o.HandlerOptions); err != nil {
		return nil, err
	}
	return a, nil
}

// accounts is the state that the handlers of Accounts share.
type accounts struct {
	endpoint      *endpoint // counts attempts and clears cookies
	opts          HandlerOptions
	login         *Login
	sessions      accountSessions
	passwords     *usher.Passwords
	users         Users
	resets        *onetime.Tokens
	verifications *onetime.Tokens
	deliver       func(ctx context.Context, m Mail) error
	mails         *mailQueue
	fields        []string
	tellApart     bool
}

func (a *accounts) handlers() (*Accounts, error) {
	result := &Accounts{Login: a.login, Authenticate: a.login.authenticate, mails: a.mails}
	for _, h := range []struct {
		handler *http.Handler
		serve   func(w http.ResponseWriter, r *http.Request) error
	}{
		{&result.Signup, a.signup},
		{&result.ChangePassword, a.changePassword},
		{&result.Forgot, a.forgot},
		{&result.Reset, a.reset},
		{&result.Verify, a.verify},
	} {
		e, err := newEndpoint(&a.opts, []string{http.MethodPost})
		if err != nil {
			return nil, err
		}
		e.serve = h.serve
		*h.handler = e
	}
	return result, nil
}

const (
	resetTTL        = time.Hour
	verificationTTL = 24 * time.Hour
)

// withThrottle returns a copy of the options that has a Throttle.
func (o *HandlerOptions) withThrottle() (HandlerOptions, error) {
	var opts HandlerOptions
	if o != nil {
		opts = *o
	}
	if !nilcheck.IsNil(opts.Throttle) {
		return opts, nil
	}
	throttle, err := NewMemoryThrottle(nil)
	opts.Throttle = throttle
	return opts, err
}

func (o *AccountOptions) check() error {
	mistakes := []error{
		checkSecret("AccountOptions.Secret", o.Secret),
		required(o.Mail != nil, "AccountOptions.Mail"),
	}
	for i, old := range o.OldSecrets {
		mistakes = append(mistakes, checkSecret(fmt.Sprintf("AccountOptions.OldSecrets[%d]", i), old))
	}
	return errors.Join(mistakes...)
}

// checkFields checks the names of the signup form's fields, which must be unique.
func (o *AccountOptions) checkFields(opts *HandlerOptions) error {
	var mistakes []error
	if opts.PasswordField == tokenField {
		mistakes = append(mistakes, &usher.ConfigError{Field: "HandlerOptions.PasswordField", Reason: "must not be \"token\", which is the name of the field for a link's token"})
	}
	names := []string{opts.UsernameField, opts.PasswordField, labelField}
	for i, name := range o.Fields {
		if name == "" || slices.Contains(names, name) {
			mistakes = append(mistakes, &usher.ConfigError{
				Field:  fmt.Sprintf("AccountOptions.Fields[%d]", i),
				Reason: fmt.Sprintf("is %q, but must be a name that differs from the other fields of the signup form", name),
			})
		}
		names = append(names, name)
	}
	if len(names) > maxMembers {
		mistakes = append(mistakes, &usher.ConfigError{
			Field:  "AccountOptions.Fields",
			Reason: fmt.Sprintf("has %d names, but a form has at most %d fields", len(o.Fields), maxMembers),
		})
	}
	return errors.Join(mistakes...)
}

// accountSessions is a Manager with any claims type.
type accountSessions interface {
	EndAll(ctx context.Context, subject string) error
	EndOthers(ctx context.Context, subject, keepSessionID string) error
	now() time.Time
}

func (a *accounts) linkOptions(o AccountOptions, ttl time.Duration) *onetime.Options {
	return &onetime.Options{TTL: ttl, OldSecrets: o.OldSecrets, Now: a.sessions.now}
}

func (a *accounts) findHash(ctx context.Context, username string) (subject, hash string, err error) {
	u, err := a.users.Find(ctx, username)
	return u.Subject, u.Hash, err
}

// clientNetwork returns the client's network, for which attempts are counted.
func (a *accounts) clientNetwork(r *http.Request) string { return network(a.opts.ClientAddress(r)) }

// countedUser returns the name under which logins to an account are counted.
func (a *accounts) countedUser(u User) string { return countedName(a.opts.Canonical(u.Username)) }
