package session

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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

// endpoint is what the four handlers have in common.
type endpoint struct {
	opts    HandlerOptions
	origins http.CrossOriginProtection
	methods []string
	serve   func(w http.ResponseWriter, r *http.Request) error // an error is refused as refusal says
}

// newEndpoint returns an endpoint that lacks only its serve function. mistakes are those in the other arguments of
// the handler's constructor.
func newEndpoint(o *HandlerOptions, methods []string, mistakes ...error) (*endpoint, error) {
	opts, err := o.complete()
	mistakes = append(mistakes, err)
	e := &endpoint{opts: opts, methods: methods}
	for _, origin := range opts.TrustedOrigins {
		if !isOrigin(origin) || e.origins.AddTrustedOrigin(origin) != nil {
			mistakes = append(mistakes, &usher.ConfigError{
				Field:  "HandlerOptions.TrustedOrigins",
				Reason: "must be scheme://host[:port] in lower case, which " + origin + " is not",
			})
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return e, nil
}

// ServeHTTP looks at the origin before anything else, cookies or not: a login that another site makes a browser
// send would put its user into the attacker's account.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := e.origins.Check(r); err != nil {
		e.refuse(w, r, &usher.Rejection{Status: http.StatusForbidden, Description: "Cross-origin request.", Err: err})
		return
	}
	if !slices.Contains(e.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		e.refuse(w, r, refused(http.StatusMethodNotAllowed, "Use "+strings.Join(e.methods, " or ")+"."))
		return
	}
	if err := e.serve(w, r); err != nil {
		e.refuse(w, r, err)
	}
}

// refuse answers with a problem in the middleware's manner.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, err error) {
	rej := e.refusal(err)
	if e.opts.Observe != nil {
		e.opts.Observe(r, rej)
	}
	rej.ServeHTTP(w, r)
}

// outOfReach reports that nothing has been decided, whatever else the error says.
func outOfReach(err error) bool {
	return errors.Is(err, usher.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// tokenSpoilt reports whether a refresh token is of no use any more, or never was.
func tokenSpoilt(err error) bool { return isAnswer(err) && !outOfReach(err) }

// refusal answers as the middleware does, and adds what only these handlers know: passwords and refresh tokens. That
// something was out of reach comes first: then nothing has been decided about either.
func (e *endpoint) refusal(err error) *usher.Rejection {
	var rej *usher.Rejection
	if errors.As(err, &rej) && rej != nil {
		return rej
	}
	rej = &usher.Rejection{Err: err}
	switch {
	case outOfReach(err):
		rej.Status, rej.Description = http.StatusServiceUnavailable, "Try again later."
	case tokenSpoilt(err):
		rej.Status, rej.Code, rej.Description = http.StatusUnauthorized, "invalid_token", "The session is over. Log in again."
	case wrongPassword(err):
		rej.Status, rej.Description = http.StatusUnauthorized, "Wrong "+e.opts.UsernameField+" or "+e.opts.PasswordField+"."
	case errors.Is(err, usher.ErrNoToken):
		rej.Status, rej.Description = http.StatusUnauthorized, "A refresh token is required."
	case errors.Is(err, usher.ErrManyTokens):
		rej.Status, rej.Code, rej.Description = http.StatusBadRequest, "invalid_request", "The request carries more than one token."
	case errors.Is(err, usher.ErrForbidden):
		rej.Status, rej.Description = http.StatusForbidden, "This is not allowed."
	default:
		rej.Status, rej.Description = http.StatusInternalServerError, "The request can't be served."
	}
	return rej
}

func wrongPassword(err error) bool {
	return errors.Is(err, usher.ErrPasswordMismatch) || errors.Is(err, usher.ErrNoUser)
}

// refused is a refusal whose description says all about its cause.
func refused(status int, description string) *usher.Rejection {
	return &usher.Rejection{Status: status, Description: description, Err: errors.New("session: " + description)}
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// The status line is out by the time that writing fails, and the client gone.
	_ = json.MarshalEncode(jsontext.NewEncoder(w), body) // with a line break at the end, for terminals
}

// remoteAddress is the peer of the connection: forwarded headers are whatever the client likes.
func remoteAddress(r *http.Request) string {
	if peer, ok := parseAddress(r.RemoteAddr); ok {
		return peer.String()
	}
	return r.RemoteAddr
}

// parseAddress takes an IP address, with or without the port that connections and the headers of some proxies
// have: each new connection has another.
func parseAddress(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		peer, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = peer.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// network is what attempts count for: the address, or for IPv6 its /64, which is what one customer has.
func network(address string) string {
	addr, ok := parseAddress(address)
	if !ok {
		return address
	}
	if addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64) // fails for more bits than the address has
	return prefix.String()
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

// isNil reports whether an interface holds nothing, or a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
