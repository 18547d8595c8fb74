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

// HandlerOptions are the options of LoginHandler, RefreshHandler, LogoutHandler and SessionsHandler. Use the same
// options for all handlers of a service. Nil means the defaults.
type HandlerOptions struct {
	// UsernameField and PasswordField are the names of the fields in a login request. The defaults are "username"
	// and "password".
	UsernameField, PasswordField string
	// Canonical returns the form of a username under which the account is looked up and attempts are counted. By
	// default it trims white space and converts letters to lower case. It must map every spelling that your lookup accepts to one
	// string; otherwise each spelling gets its own attempts.
	Canonical func(username string) string
	// Throttle limits login attempts. If nil, each handler has its own MemoryThrottle with the default options.
	Throttle Throttle
	// ClientAddress returns the client's address. By default it is the RemoteAddr of the request. Behind a reverse
	// proxy this is the proxy's address for all clients: use a header that your proxy sets and that clients cannot
	// set.
	ClientAddress func(r *http.Request) string
	// Cookies sends the tokens in two cookies that scripts cannot read, instead of in JSON.
	Cookies bool
	// AccessCookie and RefreshCookie are the names of the cookies. They must begin with "__Host-" (RFC 6265bis
	// §4.1.3.2). The defaults are "__Host-access" and "__Host-refresh".
	AccessCookie, RefreshCookie string
	// TrustedOrigins lists the other origins whose pages may use the handlers, as scheme://host[:port].
	TrustedOrigins []string
	// Observe is called for every refusal, for logs and metrics. rej.Err is the cause.
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

// isOrigin reports whether text is an origin as browsers send it: scheme://host[:port] in lower-case ASCII.
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
