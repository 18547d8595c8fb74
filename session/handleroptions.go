package session

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-usher/usher"
)

// HandlerOptions are the options of NewLogin, LoginHandler, RefreshHandler, LogoutHandler, SessionsHandler and
// EndOthersHandler. Use the same options for all handlers of a service. Nil means the defaults. They print and log
// without their secret.
type HandlerOptions struct {
	// UsernameField and PasswordField are the names of the fields in a login request. The defaults are "username" and
	// "password".
	UsernameField, PasswordField string
	// Canonical returns the canonical form of a username, under which the account is looked up. By default it trims
	// white space. Attempts are counted under this form in lower case. Canonical must map all spellings that your
	// lookup accepts, for example with and without accents, to one string; otherwise each spelling gets its own
	// attempts.
	Canonical func(username string) string
	// Throttle limits attempts. If nil, each login has its own MemoryThrottle with the default options.
	Throttle Throttle
	// ClientAddress returns the client's address. By default it is the RemoteAddr of the request. Behind a reverse
	// proxy this is the proxy's address for all clients. In that case, return the value of a header that your proxy
	// sets and that clients can't set.
	ClientAddress func(r *http.Request) string
	// SessionID returns the session ID in the path of a request to SessionsHandler. By default it is r.PathValue("id").
	// Set it for routers that do not set path values.
	SessionID func(r *http.Request) string

	// Cookies sends the tokens in two cookies instead of in JSON. Scripts can't read them.
	Cookies bool
	// AccessCookie and RefreshCookie are the names of the cookies. They must begin with "__Host-" (RFC 6265bis
	// §4.1.3.2). The defaults are "__Host-access" and "__Host-refresh".
	AccessCookie, RefreshCookie string
	// SameSite is the cookies' SameSite attribute. The default is http.SameSiteLaxMode. http.SameSiteNoneMode, for
	// pages of other sites, requires TrustedOrigins.
	SameSite http.SameSite
	// DangerouslyInsecureCookies sends cookies without Secure, for plain http in a development network. Anybody in the
	// network can read them. Their names must not begin with "__Host-"; the defaults are then "access" and "refresh".
	DangerouslyInsecureCookies bool
	// TrustedOrigins lists the other origins whose pages may use the handlers, as scheme://host[:port].
	TrustedOrigins []string

	// TicketSecret protects the tickets of Login.Pause. It is at least 32 random bytes. The default is the Manager's
	// Secret. It is required for tickets if the login's Starter is not a Manager.
	TicketSecret []byte

	// Respond writes the response of a successful login or refresh, in place of the default JSON. Cache-Control:
	// no-store has been set. With Cookies, the cookies have been set, and AccessToken and RefreshToken of tokens are
	// empty.
	Respond func(w http.ResponseWriter, r *http.Request, tokens Tokens)
	// Reject writes the status and body of a refusal in place of rej.ServeHTTP. The headers have been set. See
	// usher.MiddlewareOptions.
	Reject func(w http.ResponseWriter, r *http.Request, rej *usher.Rejection)
	// Observe is called for every refusal, for logs and metrics. rej.Err is the cause. If nil, refusals with a 5xx
	// status are logged to slog.Default. See usher.MiddlewareOptions.
	Observe func(r *http.Request, rej *usher.Rejection)
}

// complete returns the options with defaults for zero fields, and all mistakes except those in TrustedOrigins.
func (o *HandlerOptions) complete() (HandlerOptions, error) {
	var opts HandlerOptions
	if o != nil {
		opts = *o
	}
	opts.UsernameField = cmp.Or(opts.UsernameField, "username")
	opts.PasswordField = cmp.Or(opts.PasswordField, "password")
	if opts.Canonical == nil {
		opts.Canonical = strings.TrimSpace
	}
	if opts.ClientAddress == nil {
		opts.ClientAddress = remoteAddress
	}
	if opts.SessionID == nil {
		opts.SessionID = func(r *http.Request) string { return r.PathValue("id") }
	}
	var mistakes []error
	if opts.UsernameField == opts.PasswordField {
		mistakes = append(mistakes, &usher.ConfigError{Field: "HandlerOptions.PasswordField", Reason: "must differ from UsernameField"})
	}
	if len(opts.TicketSecret) > 0 {
		mistakes = append(mistakes, checkSecret("HandlerOptions.TicketSecret", opts.TicketSecret))
	}
	mistakes = append(mistakes, opts.completeCookies())
	return opts, errors.Join(mistakes...)
}

// completeCookies fills in the defaults of cookies and returns the mistakes.
func (o *HandlerOptions) completeCookies() error {
	var mistakes []error
	bad := func(wrong bool, field, reason string) {
		if wrong {
			mistakes = append(mistakes, &usher.ConfigError{Field: "HandlerOptions." + field, Reason: reason})
		}
	}
	prefix, rule := "__Host-", `must be a cookie name that begins with "__Host-"`
	if o.DangerouslyInsecureCookies {
		prefix, rule = "", `must be a cookie name that does not begin with "__Host-" or "__Secure-", which browsers accept only with Secure`
	}
	o.AccessCookie = cmp.Or(o.AccessCookie, prefix+"access")
	o.RefreshCookie = cmp.Or(o.RefreshCookie, prefix+"refresh")
	for _, c := range []struct{ field, name string }{{"AccessCookie", o.AccessCookie}, {"RefreshCookie", o.RefreshCookie}} {
		cookie := http.Cookie{Name: c.name, Value: "x"} //nolint:gosec // only its name is checked
		secure := strings.HasPrefix(strings.ToLower(c.name), "__host-") || strings.HasPrefix(strings.ToLower(c.name), "__secure-")
		bad(cookie.Valid() != nil || !strings.HasPrefix(c.name, prefix) || o.DangerouslyInsecureCookies && secure, c.field, rule)
	}
	bad(o.AccessCookie == o.RefreshCookie, "RefreshCookie", "must differ from AccessCookie")
	switch o.SameSite {
	case 0:
		o.SameSite = http.SameSiteLaxMode
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		bad(len(o.TrustedOrigins) == 0, "SameSite", "must not be None without TrustedOrigins")
		bad(o.DangerouslyInsecureCookies, "SameSite", "must not be None with DangerouslyInsecureCookies: browsers accept it only with Secure")
	default:
		bad(true, "SameSite", "must be http.SameSiteLaxMode, SameSiteStrictMode or SameSiteNoneMode")
	}
	return errors.Join(mistakes...)
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (o HandlerOptions) Format(f fmt.State, _ rune) { fmt.Fprint(f, o.String()) }

// String returns the type's name, without the secret.
func (o HandlerOptions) String() string { return "session.HandlerOptions{…}" }

// LogValue returns the type's name, without the secret.
func (o HandlerOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }
