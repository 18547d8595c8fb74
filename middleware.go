package usher

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// MiddlewareOptions are the options of [NewMiddleware]; nil means the defaults.
type MiddlewareOptions struct {
	// Sources are the places where a request may carry its token, FromBearer by default. A request that
	// carries two is a 400.
	Sources []TokenSource
	// Realm is the realm of the challenges (RFC 9110 §11.5), none by default.
	Realm string
	// Check is asked about the claims of every verified token, before the user is looked up: for example
	// whether the session still lasts. ErrTokenRevoked is a 401, ErrUnavailable a 503, other errors are answered as
	// by Deny. The guards go by the same c: it is not to be changed.
	Check func(ctx context.Context, c *Claims) error
	// Observe is told of every refusal, with the reason in rej.Err, for logs and metrics.
	Observe func(r *http.Request, rej *Rejection)
	// Reject writes the response of a refusal in place of [Rejection.ServeHTTP]: rej.Status and a body.
	// WWW-Authenticate, Cache-Control and Retry-After have been set.
	Reject func(w http.ResponseWriter, r *http.Request, rej *Rejection)
	// TrustedOrigins lists other origins, as scheme://host[:port], whose pages may make requests with the
	// token in a cookie.
	TrustedOrigins []string
	// DangerouslyPassPreflight lets CORS preflights reach the handlers of Require without a token: for
	// handlers that answer them. Better is a CORS middleware around this one.
	DangerouslyPassPreflight bool
	// Now is the clock of the guards, time.Now by default.
	Now func() time.Time
}

// Middleware lets those requests through to a handler whose token is good and whose user exists, and puts the
// user, a U, and the claims, a C, into the request's context. It is made by [NewMiddleware] and safe for
// concurrent use.
type Middleware[C, U any] struct {
	*root[C, U]
	guards []Guard
}

// root is what all that With makes of one middleware share.
type root[C, U any] struct {
	policy
	verifier Verifier[C]
	user     func(context.Context, *C) (U, error)
	claims   func(*C) *Claims
	isNil    func(U) bool
	guarded  atomic.Bool // With has been called, so that identities keep claims for guards
}

// policy is what a root does whatever the types of claims and users, and so need be compiled only once.
type policy struct {
	opts    MiddlewareOptions
	vary    string // the request headers that sources read
	cookie  bool   // is one of the sources
	origins http.CrossOriginProtection
}

// NewMiddleware returns a middleware that verifies tokens with v and finds their user with user, which returns
// ErrNoUser if the user is gone; a nil user is the same, and other errors are answered as by Deny. What is wrong is
// reported as [ConfigError], all at once.
//
// Guards go by a shallow copy of the claims, so user and the handlers may change the fields of theirs. What slices,
// maps and pointers in them lead to is shared with the guards, and where the verifier remembers tokens with other
// requests; it must not be changed. Claims that are kept beyond the request are to be copied: they are a part of its
// context, and keep all of it in memory.
func NewMiddleware[C, U any, P EmbedsClaims[C]](v Verifier[C],
	user func(context.Context, *C) (U, error), opts *MiddlewareOptions,
) (*Middleware[C, U], error) {
	var wrong misconfigured
	rt := &root[C, U]{verifier: v, user: user, claims: embedded[C, P], isNil: nilCheck[C, U]()}
	if isNil(v) {
		wrong.add("v", "is nil")
	} else if d, ok := v.(*Decoder[C]); ok && d.keys == nil {
		wrong.add("v", "was not made by NewDecoder")
	}
	if user == nil {
		wrong.add("user", "is nil; where the claims are the user, it is ClaimsAsUser")
	}
	if opts != nil {
		rt.opts = *opts
	}
	if rt.opts.Now == nil {
		rt.opts.Now = time.Now
	}
	rt.checkOptions(&wrong)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return &Middleware[C, U]{root: rt}, nil
}

// ClaimsAsUser is the user function of services for which the claims say all about the user.
func ClaimsAsUser[C any](_ context.Context, c *C) (*C, error) { return c, nil }

// Require returns a handler that refuses requests without a good token, and calls next for the others.
func (m *Middleware[C, U]) Require(next http.Handler) http.Handler {
	return m.handler(next, nil, false)
}

// RequireFunc is Require for a handler that takes the user as an argument, so that it can't be mounted without.
// It never passes preflights.
func (m *Middleware[C, U]) RequireFunc(next func(http.ResponseWriter, *http.Request, U)) http.Handler {
	return m.handler(nil, next, false)
}

// Optional returns a handler that calls next for strangers too: for requests in which no source finds a token.
// A bad token is refused all the same. Guards are asked about strangers, and refuse them with 401.
func (m *Middleware[C, U]) Optional(next http.Handler) http.Handler {
	return m.handler(next, nil, true)
}

// With returns a middleware that also asks these guards, after those of m and in order. m stays as it is. A
// nil guard refuses everything with a 500.
func (m *Middleware[C, U]) With(guards ...Guard) *Middleware[C, U] {
	m = m.orZero()
	added := slices.Concat(m.guards, guards)
	for i, guard := range added {
		if guard == nil {
			added[i] = misuse("With was given a nil guard")
		}
	}
	m.guarded.Store(true)
	return &Middleware[C, U]{root: m.root, guards: added}
}

// Allow is With for a guard that judges by the user: those for whom may is false are refused with 403,
// strangers with 401.
func (m *Middleware[C, U]) Allow(may func(U) bool) *Middleware[C, U] {
	if may == nil {
		return m.With(misuse("Allow was given nil"))
	}
	return m.With(func(ctx context.Context) error {
		if user, ok := UserFromContext[U](ctx); !ok || !may(user) {
			return ErrForbidden
		}
		return nil
	})
}

// User returns the request's user, and false for strangers: the same as [UserFromContext] for a U.
func (m *Middleware[C, U]) User(ctx context.Context) (U, bool) { return UserFromContext[U](ctx) }

// Claims returns the claims of the request's token, and false for strangers: the same as [ClaimsFromContext]
// for a C.
func (m *Middleware[C, U]) Claims(ctx context.Context) (*C, bool) { return ClaimsFromContext[C](ctx) }

// Deny refuses a request for a reason that only the handler knows, in the way in which the middleware refuses:
// ErrForbidden is a 403, ErrUnavailable a 503, and so on; an error that is none of usher's is a 500.
func (m *Middleware[C, U]) Deny(w http.ResponseWriter, r *http.Request, err error) {
	m = m.orZero()
	m.respond(w, r, m.rejection(err, http.StatusInternalServerError))
}

// Authenticate decides about a request like Require, without responding: for adapters to other frameworks. It
// returns the context for the handler; or the request's own with an error, which is a [*Rejection] that
// Observe has been told of and that can write the response.
func (m *Middleware[C, U]) Authenticate(r *http.Request) (context.Context, error) {
	m = m.orZero()
	decided, rej := m.decide(r, false)
	if rej != nil {
		m.observe(r, rej)
		return r.Context(), rej
	}
	return decided.context(r.Context()), nil
}

// AuthenticateToken is Authenticate for a token that came by another way than HTTP; "" is no token. Observe
// is not told, since there is no request: the caller has the [*Rejection].
func (m *Middleware[C, U]) AuthenticateToken(ctx context.Context, token string) (context.Context, error) {
	m = m.orZero()
	if token == "" {
		return ctx, m.rejection(ErrNoToken, http.StatusInternalServerError)
	}
	decided, err := m.identify(ctx, token, len(m.guards) > 0)
	if err != nil {
		return ctx, m.rejection(err, http.StatusInternalServerError)
	}
	if rej := m.ask(ctx, decided); rej != nil {
		return ctx, rej
	}
	return decided.context(ctx), nil
}

// orZero returns m, or, if NewMiddleware did not make it, one that answers everything with a 500.
func (m *Middleware[C, U]) orZero() *Middleware[C, U] {
	if m == nil || m.root == nil {
		return &Middleware[C, U]{root: &root[C, U]{}}
	}
	return m
}

func (p *policy) rejection(err error, otherwise int) *Rejection {
	rej := rejectionFor(err, otherwise)
	rej.realm = p.opts.Realm
	return rej
}

// observe tells Observe of a refusal, once: an adapter may hand what Authenticate returned to Deny.
func (p *policy) observe(r *http.Request, rej *Rejection) {
	if p.opts.Observe != nil && rej.observer != p {
		p.opts.Observe(r, rej)
	}
	rej.observer = p
}

func (p *policy) respond(w http.ResponseWriter, r *http.Request, rej *Rejection) {
	p.observe(r, rej)
	if p.opts.Reject == nil {
		rej.ServeHTTP(w, r)
		return
	}
	rej.setHeaders(w.Header())
	p.opts.Reject(w, r, rej)
}

func (p *policy) checkOptions(wrong *misconfigured) {
	if strings.ContainsFunc(p.opts.Realm, notQuotable) {
		wrong.add("MiddlewareOptions.Realm", "is %s, which can't stand in a challenge", quote(p.opts.Realm))
	}
	for _, origin := range p.opts.TrustedOrigins {
		if !isOrigin(origin) || p.origins.AddTrustedOrigin(origin) != nil {
			wrong.add("MiddlewareOptions.TrustedOrigins", "hold %s, which is not scheme://host[:port] in lower case", quote(origin))
		}
	}
	p.setSources(wrong)
}

func (p *policy) setSources(wrong *misconfigured) {
	if len(p.opts.Sources) == 0 {
		p.opts.Sources = []TokenSource{FromBearer()}
	}
	p.opts.Sources = slices.Clone(p.opts.Sources)
	var read []string
	for i, source := range p.opts.Sources {
		if reason := source.unfit(); reason != "" {
			wrong.add("MiddlewareOptions.Sources", "holds a source that %s", reason)
		}
		if slices.ContainsFunc(p.opts.Sources[:i], source.overlaps) {
			wrong.add("MiddlewareOptions.Sources", "holds two sources that would find the same token")
		}
		p.cookie = p.cookie || source.kind == sourceCookie
		if name := source.header(); name != "" && !slices.Contains(read, name) {
			read = append(read, name)
		}
	}
	p.vary = strings.Join(read, ", ")
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

func nilCheck[C, U any]() func(U) bool {
	if _, ok := any(*new(U)).(*C); ok { // as with ClaimsAsUser
		return func(user U) bool {
			claims, _ := any(user).(*C)
			return claims == nil
		}
	}
	switch reflect.TypeFor[U]().Kind() {
	case reflect.Pointer: // for which reflect takes 1 % of a request with a remembered token
		var none U
		return func(user U) bool { return any(user) == any(none) }
	case reflect.Interface, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return func(user U) bool { return isNil(user) }
	}
	return func(U) bool { return false }
}

func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return r.IsNil()
	}
	return false
}
