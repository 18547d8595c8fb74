package session

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-usher/usher"
)

// HandlerOptions are the options of LoginHandler, RefreshHandler, LogoutHandler and SessionsHandler, which are
// meant to be given the same ones; nil means the defaults.
type HandlerOptions struct {
	// UsernameField and PasswordField are the names of the fields of a login: "username" and "password" by
	// default.
	UsernameField, PasswordField string
	// Canonical returns the one form of a username under which the account is looked up and its attempts are
	// counted. By default space around it is trimmed and letters are lowered. Whoever sets it must make equal
	// what the lookup holds for equal, or guesses escape the throttle by spelling.
	Canonical func(username string) string
	// Throttle limits the attempts to log in. nil: one in memory, with its defaults, for the handler alone.
	Throttle Throttle
	// ClientAddress returns where a request comes from; nil: its RemoteAddr. Behind a reverse proxy that is the
	// proxy, for everyone: take the address from the header that your proxy sets, and that clients can't.
	ClientAddress func(r *http.Request) string
	// Cookies keeps tokens in two cookies that scripts can't read, instead of in the JSON.
	Cookies bool
	// AccessCookie and RefreshCookie name them. They begin with "__Host-" (RFC 6265bis §4.1.3.2), and by
	// default they are "__Host-access" and "__Host-refresh".
	AccessCookie, RefreshCookie string
	// TrustedOrigins lists other origins, as scheme://host[:port], whose pages may use the handlers.
	TrustedOrigins []string
	// Observe is told of every refusal, with the reason in rej.Err, for logs and metrics.
	Observe func(r *http.Request, rej *usher.Rejection)
}

// complete returns the options with defaults filled in, and all mistakes in them but those in TrustedOrigins.
func (o *HandlerOptions) complete() (HandlerOptions, error) {
	var opts HandlerOptions
	if o != nil {
		opts = *o
	}
	opts.UsernameField = cmp.Or(opts.UsernameField, "username")
	opts.PasswordField = cmp.Or(opts.PasswordField, "password")
	opts.AccessCookie = cmp.Or(opts.AccessCookie, "__Host-access")
	opts.RefreshCookie = cmp.Or(opts.RefreshCookie, "__Host-refresh")
	if opts.Canonical == nil {
		opts.Canonical = func(username string) string { return strings.ToLower(strings.TrimSpace(username)) }
	}
	if opts.ClientAddress == nil {
		opts.ClientAddress = remoteAddress
	}
	var mistakes []error
	bad := func(field, reason string) {
		mistakes = append(mistakes, &usher.ConfigError{Field: "HandlerOptions." + field, Reason: reason})
	}
	if opts.UsernameField == opts.PasswordField {
		bad("PasswordField", "must differ from UsernameField")
	}
	for _, c := range []struct{ field, name string }{{"AccessCookie", opts.AccessCookie}, {"RefreshCookie", opts.RefreshCookie}} {
		cookie := http.Cookie{Name: c.name, Value: "x"} //nolint:gosec // to look at its name, not to set it
		if !strings.HasPrefix(c.name, "__Host-") || cookie.Valid() != nil {
			bad(c.field, `must be a cookie name that begins with "__Host-"`)
		}
	}
	if opts.AccessCookie == opts.RefreshCookie {
		bad("RefreshCookie", "must differ from AccessCookie")
	}
	return opts, errors.Join(mistakes...)
}

// isOrigin reports whether text is an origin as browsers send it: scheme://host[:port] in lower case and ASCII.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host {
		return false
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Host != strings.TrimSuffix(u.Host, ":"+u.Port()) {
		return false
	}
	return strings.Trim(u.Host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") == ""
}
