package usher

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/origin"
	"github.com/go-usher/usher/internal/quote"
)

// MiddlewareOptions are the options of [NewMiddleware]; nil means the defaults.
type MiddlewareOptions struct {
	// Sources are the places where a request may carry its token. The default is FromBearer. A request that carries two
	// tokens is refused with a 400.
	Sources []TokenSource
	// Realm is the realm of the challenges (RFC 9110 §11.5). The default is none.
	Realm string
	// Scopes are named in the challenge to requests without a token (RFC 6750 §3): what a client should ask for.
	Scopes []string
	// ResourceMetadata is the https URL of the protected resource's metadata document. Challenges name it (RFC 9728 §5.1), as
	// MCP clients require. The default is none.
	ResourceMetadata string
	// Confirm checks that the client possesses the key that its token is bound to (cnf, RFC 7800): with DPoP (RFC 9449) or
	// mutual TLS (RFC 8705). It is called with every verified token, bound or not, and with the claims, which it must not
	// modify. Its headers are set on the response whether or not it returns an error. Its errors are mapped as all others:
	// ErrTokenClaims is a 401. Without Confirm, a bound token is refused. With Confirm, AuthenticateToken refuses every token,
	// because it has no request to call Confirm with.
	Confirm func(r *http.Request, token string, c *Claims) (http.Header, error)
	// Check is called with the claims of every verified token, before the user is looked up; for example, to find out whether
	// the session has ended. ErrTokenRevoked is a 401, ErrUnavailable a 503; other errors are mapped as by Deny. The guards see
	// the same c: Check must not modify it.
	Check func(ctx context.Context, c *Claims) error
	// Observe is called once for every refusal, for logs and metrics. [Rejection.Reason] is a word for metrics, and rej.Err is
	// the cause. If nil, refusals with a 5xx status are logged to slog.Default, except those whose client hung up.
	// [LogRejections] logs every refusal.
	Observe func(r *http.Request, rej *Rejection)
	// Reject writes the response of a refusal in place of [Rejection.ServeHTTP]: rej.Status and a body. The headers of
	// [Rejection.SetHeaders] have been set already.
	Reject func(w http.ResponseWriter, r *http.Request, rej *Rejection)
	// TrustedOrigins are other origins, as scheme://host[:port], whose pages may send requests with a token in a cookie.
	TrustedOrigins []string
	// DangerouslyPassPreflight passes CORS preflights on to the handlers of Require without a token, for handlers that answer
	// them. A CORS middleware around this one is better.
	DangerouslyPassPreflight bool
	// Now is the clock of the guards. The default is time.Now.
	Now func() time.Time
}

// Middleware passes on requests with a valid token and an existing user. It puts the user, a U, and the claims, a C, into the
// request's context. It is made by [NewMiddleware] and is safe for concurrent use.
type Middleware[C, U any] struct {
	*root[C, U]
	guards []Guard
}

// root is what a middleware shares with those that With and Allow derive from it.
type root[C, U any] struct {
	policy
	verifier Verifier[C]
	user     func(context.Context, *C) (U, error)
	claims   func(*C) *Claims
	isNil    func(U) bool
	guarded  atomic.Bool // With has been called, so that identities keep claims for guards
}

// policy is the part of a root that does not depend on the types of claims and users, and so is compiled only once.
type policy struct {
	opts       MiddlewareOptions
	schemes    []string // of the sources, for challenges
	vary       string   // the request headers that the sources read
	varyAlways bool     // a source reads something else than Authorization
	origins    http.CrossOriginProtection
}

// NewMiddleware returns a middleware that verifies tokens with v and finds their user with user.
//
// user returns ErrNoUser if the user no longer exists; a nil user without an error means the same. Its other errors are
// mapped as by [Middleware.Deny]. [ClaimsAsUser] is for services without users of their own. Mistakes are reported as
// [ConfigError], all of them at once.
//
// Check and the guards see a copy of the claims, so user and the handlers may assign to the fields of theirs. The data
// behind slices, maps and pointers is shared with the guards and, if the verifier remembers tokens, with other requests: it
// must not be modified. Clone claims that you retain beyond the request. They are part of its context, and keep all of it in
// memory.
func NewMiddleware[C, U any, P EmbedsClaims[C]](v Verifier[C],
	user func(context.Context, *C) (U, error), opts *MiddlewareOptions,
) (*Middleware[C, U], error) {
	var wrong misconfigured
	rt := &root[C, U]{verifier: v, user: user, claims: embedded[C, P], isNil: nilCheck[C, U]()}
	if nilcheck.IsNil(v) {
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

// ClaimsAsUser is the user function of services for which the claims are the user.
func ClaimsAsUser[C any](_ context.Context, c *C) (*C, error) { return c, nil }

// Require returns a handler that refuses requests without a valid token, and calls next for the others.
func (m *Middleware[C, U]) Require(next http.Handler) http.Handler {
	return m.handler(next, nil, false)
}

// RequireFunc is Require for a handler that takes the user as an argument. Such a handler can't be mounted without the
// middleware. It never passes preflights.
func (m *Middleware[C, U]) RequireFunc(next func(http.ResponseWriter, *http.Request, U)) http.Handler {
	return m.handler(nil, next, false)
}

// Optional returns a handler that calls next for anonymous requests too: those in which no source finds a token. A bad
// token is still refused. Guards run for anonymous requests as well, and refuse them with a 401.
func (m *Middleware[C, U]) Optional(next http.Handler) http.Handler {
	return m.handler(next, nil, true)
}

// With returns a middleware that runs these guards after those of m, in order. m does not change. A nil guard refuses every
// request with a 500.
func (m *Middleware[C, U]) With(guards ...Guard) *Middleware[C, U] {
	m = m.orZero()
	all := slices.Concat(m.guards, guards)
	for i, guard := range all {
		if guard == nil {
			all[i] = misuse("With was given a nil guard")
		}
	}
	m.guarded.Store(true)
	return &Middleware[C, U]{root: m.root, guards: all}
}

// Allow is With for a guard that decides by the user. If may returns false the request is refused with a 403. Anonymous
// requests are refused with a 401.
func (m *Middleware[C, U]) Allow(may func(U) bool) *Middleware[C, U] {
	if may == nil {
		return m.With(misuse("Allow was given nil"))
	}
	return m.With(func(ctx context.Context) error {
		if user, ok := m.User(ctx); !ok || !may(user) {
			return ErrForbidden
		}
		return nil
	})
}

// User returns the user that m, or a middleware that shares its root by With or Allow, let in; or the one of
// [ContextWithUser]. It returns false for anonymous requests, and for those that only another middleware let in:
// [UserFromContext] returns the users of any.
func (m *Middleware[C, U]) User(ctx context.Context) (U, bool) {
	switch holder := ctx.Value(userKey{}).(type) {
	case *identity[C, U]:
		if m != nil && holder.root == m.root {
			return holder.currentUser()
		}
	case fixedUser[U]:
		return holder.currentUser()
	}
	var none U
	return none, false
}

// Claims returns the claims of the token that m, or a middleware that shares its root by With or Allow, accepted; or those
// of [ContextWithClaims]. It returns false for anonymous requests, and for those that only another middleware let in.
func (m *Middleware[C, U]) Claims(ctx context.Context) (*C, bool) {
	switch holder := ctx.Value(claimsKey{}).(type) {
	case *identity[C, U]:
		if m != nil && holder.root == m.root {
			return holder.currentClaims()
		}
	case claimsForGuards[C, U]:
		if m != nil && holder.id.root == m.root {
			return holder.currentClaims()
		}
	case fixedClaims[C]:
		return holder.currentClaims()
	}
	return nil, false
}

// Deny refuses a request for a reason that only the handler knows, and responds as the middleware does. err is mapped by
// [Middleware.Rejection].
func (m *Middleware[C, U]) Deny(w http.ResponseWriter, r *http.Request, err error) {
	m = m.orZero()
	rej := m.reject(r.Context(), err, fromHandler)
	if id, ok := r.Context().Value(userKey{}).(*identity[C, U]); ok && id.root == m.root {
		rej = id.blame(rej)
	}
	m.respond(w, r, rej)
}

// Rejection maps a handler's error to the refusal that [Middleware.Deny] responds with. A [*Rejection] in err's chain is
// used as it is. Otherwise ErrUnavailable and the errors of contexts are a 503, errors of tokens a 401, ErrForbidden a 403,
// ErrPasswordUnfit a 422, and any other error a 500. ErrNoUser is a 404, for a handler speaks of the user that it was asked
// for, not of the one that asks.
func (m *Middleware[C, U]) Rejection(err error) *Rejection {
	return m.orZero().reject(context.Background(), err, fromHandler)
}

// Authenticate decides about a request as Require does, without responding, for adapters to other frameworks. It always
// decides anew, also for requests that an outer handler let in: so a long-lived handler finds out that the token has expired
// or the session has ended. It returns the context for the handler. If the request is refused, it returns the request's own
// context and a [*Rejection]; Observe has been called, and the Rejection can write the response. [Middleware.Decide] also
// returns the headers for the response.
func (m *Middleware[C, U]) Authenticate(r *http.Request) (context.Context, error) {
	ctx, _, rej := m.Decide(r, false)
	if rej != nil {
		return ctx, rej
	}
	return ctx, nil
}

// Decide is all that Require, or Optional if optional is true, does before it calls the next handler; for frameworks with
// another kind of handler. It always decides anew. It returns the context for the handler, headers to add to the response in
// any case (nil if there are none), and the refusal, or nil. If the request is refused, the context is the request's own, and
// Observe has been called; the response wants [Rejection.SetHeaders] and a body.
func (m *Middleware[C, U]) Decide(r *http.Request, optional bool) (context.Context, http.Header, *Rejection) {
	m = m.orZero()
	var decided decision[C, U]
	rej := m.decide(&decided, r, optional, false)
	if rej != nil && m.passes(r, decided.source) {
		decided, rej = m.anonymous(r), nil
	}
	var headers http.Header
	if m.hasHeaders(&decided.evidence, optional) {
		headers = http.Header{}
		m.setHeaders(headers, &decided.evidence, optional, rej == nil)
	}
	if rej != nil {
		m.observe(r, rej)
		return r.Context(), headers, rej
	}
	return decided.identity, headers, nil
}

// AuthenticateToken is Authenticate for a token that did not come with an HTTP request; "" is no token. It has no request to
// pass to Observe, so its caller logs the [*Rejection]. It has none to pass to Confirm either: it refuses a token that is bound
// to a key and, if [MiddlewareOptions.Confirm] is set, every token. Both are ErrTokenClaims, with the reason "unconfirmed".
func (m *Middleware[C, U]) AuthenticateToken(ctx context.Context, token string) (context.Context, error) {
	m = m.orZero()
	if token == "" {
		return ctx, m.reject(ctx, ErrNoToken, fromToken)
	}
	id, err := m.identify(ctx, nil, &evidence{token: token})
	if err != nil {
		return ctx, id.blame(m.reject(ctx, err, fromToken))
	}
	if rej := m.ask(id, id); rej != nil {
		return ctx, rej
	}
	return id, nil
}

// orZero returns m. If NewMiddleware did not make it, it returns one that answers everything with a 500.
func (m *Middleware[C, U]) orZero() *Middleware[C, U] {
	if m == nil || m.root == nil {
		return &Middleware[C, U]{root: &root[C, U]{}}
	}
	return m
}

// LogRejections returns a function for MiddlewareOptions.Observe that logs every refusal as one line: its status, its
// reason, the method and route of the request, the cause, and whose token it was, if the token's signature was good. A nil
// log is slog.Default. Refusals with a 5xx status are logged as errors, those whose client hung up and all others as
// information.
func LogRejections(log *slog.Logger) func(r *http.Request, rej *Rejection) {
	return func(r *http.Request, rej *Rejection) { logRejection(log, r, rej) }
}

// observe calls Observe, once for each refusal: an adapter may pass to Deny what Authenticate returned.
func (p *policy) observe(r *http.Request, rej *Rejection) {
	if rej.observer == p {
		return
	}
	rej.observer = p
	switch {
	case p.opts.Observe != nil:
		p.opts.Observe(r, rej)
	case rej.status() >= http.StatusInternalServerError && rej.Reason() != reasonCanceled:
		logRejection(nil, r, rej)
	}
}

func (p *policy) respond(w http.ResponseWriter, r *http.Request, rej *Rejection) {
	p.observe(r, rej)
	if p.opts.Reject == nil {
		rej.ServeHTTP(w, r)
		return
	}
	rej.SetHeaders(w.Header())
	p.opts.Reject(w, r, rej)
}

func (p *policy) checkOptions(wrong *misconfigured) {
	if strings.ContainsFunc(p.opts.Realm, notQuotable) {
		wrong.add("MiddlewareOptions.Realm", "is %s, which can't stand in a challenge", quote.Text(p.opts.Realm))
	}
	if p.opts.ResourceMetadata != "" && !isMetadataURL(p.opts.ResourceMetadata) {
		wrong.add("MiddlewareOptions.ResourceMetadata", "is %s, which is not an https URL without a fragment", quote.Text(p.opts.ResourceMetadata))
	}
	for _, scope := range p.opts.Scopes {
		if scope == "" || strings.ContainsFunc(scope, notScope) {
			wrong.add("MiddlewareOptions.Scopes", "hold %s, which is not a scope", quote.Text(scope))
		}
	}
	p.opts.Scopes = slices.Clone(p.opts.Scopes)
	for _, trusted := range p.opts.TrustedOrigins {
		if !origin.IsPlain(trusted) || p.origins.AddTrustedOrigin(trusted) != nil {
			wrong.add("MiddlewareOptions.TrustedOrigins", "hold %s, which is not scheme://host[:port] in lower case", quote.Text(trusted))
		}
	}
	p.checkSources(wrong)
}

func (p *policy) checkSources(wrong *misconfigured) {
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
		if source.kind == sourceAuthorization && source.name != "" {
			p.schemes = append(p.schemes, source.name)
		}
		for _, name := range source.headers() {
			if !slices.Contains(read, name) {
				read = append(read, name)
			}
		}
		p.varyAlways = p.varyAlways || !source.isAuthorization()
	}
	p.vary = strings.Join(read, ", ")
}

// isMetadataURL reports whether text can be the URL of a metadata document (RFC 9728 §3). Plain http is for loopback only.
func isMetadataURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())) && u.Host != "" && u.User == nil &&
		!strings.Contains(text, "#") && !strings.ContainsFunc(text, notQuotable)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// nilCheck returns a function that reports whether a user is nil. It avoids reflection where it can.
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
		return func(user U) bool { return nilcheck.IsNil(user) }
	}
	return func(U) bool { return false }
}
