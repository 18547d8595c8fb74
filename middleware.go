package usher

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher/internal/httpfield"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/origin"
	"github.com/go-usher/usher/internal/quote"
)

// MiddlewareOptions are the options of [NewMiddleware]; nil means the defaults.
type MiddlewareOptions struct {
	// Sources are the token sources of a request. The default is FromBearer.
	Sources []TokenSource
	// Realm is the realm of the challenges (RFC 9110 §11.5). The default is none.
	Realm string
	// Scopes are the scopes that a client should request. The challenge for a request without a token names them
	// (RFC 6750 §3). The default is none.
	Scopes []string
	// ResourceMetadata is the https URL of the protected resource's metadata document. Challenges contain it (RFC 9728
	// §5.1), as MCP clients require. The default is none.
	ResourceMetadata string
	// Confirm checks the proof that the client possesses the key that its token is bound to (cnf, RFC 7800), with DPoP
	// (RFC 9449) or mutual TLS (RFC 8705). It is called for every verified token, bound or not. It must not modify the
	// claims. The headers that it returns are set on the response even if it also returns an error. Its errors are
	// mapped like all others: ErrTokenClaims is a 401. Without Confirm, bound tokens are refused. With Confirm,
	// AuthenticateToken refuses every token, because it has no request for Confirm.
	Confirm func(r *http.Request, token string, c *Claims) (http.Header, error)
	// Check is called with the claims of every verified token, before the user is looked up. It can, for example, find
	// out whether the session has ended. ErrTokenRevoked is a 401, ErrUnavailable a 503; other errors are mapped as in
	// Deny. Check must not modify c, which the guards see too.
	Check func(ctx context.Context, c *Claims) error
	// Observe is called once for every refusal, for logs and metrics. [Rejection.Reason] returns a word for metrics,
	// and rej.Err is the cause. If nil, refusals with a 5xx status are logged to slog.Default, unless the client closed
	// the connection. [LogRejections] logs every refusal.
	Observe func(r *http.Request, rej *Rejection)
	// Reject writes the status and body of a refusal in place of [Rejection.ServeHTTP]. The headers of
	// [Rejection.SetHeaders] have been set already.
	Reject func(w http.ResponseWriter, r *http.Request, rej *Rejection)
	// TrustedOrigins are the other origins whose pages may send requests with a token in a cookie, each as
	// scheme://host[:port].
	TrustedOrigins []string
	// DangerouslyPassPreflight passes CORS preflight requests without a token to the handlers of Require. Use it only
	// if these handlers respond to them. A CORS middleware around this one is better.
	DangerouslyPassPreflight bool
	// Now is the clock of the guards. The default is time.Now.
	Now func() time.Time
}

// Middleware passes on requests with a valid token and an existing user. It puts the user, a U, and the claims, a C,
// into the request's context. Create it with [NewMiddleware]. It is safe for concurrent use.
type Middleware[C, U any] struct {
	*root[C, U]
	guards []Guard
}

// root is the part of a middleware that With and Allow share with the original.
type root[C, U any] struct {
	policy
	verifier Verifier[C]
	decoder  *Decoder[C] // verifier, if it is one
	user     func(context.Context, *C) (U, error)
	claims   func(*C) *Claims
	isNil    func(U) bool
	guarded  atomic.Bool // With has been called, so identities keep a copy of the claims for guards
}

// policy is the part of a root that does not depend on the types of claims and users. It is compiled only once.
type policy struct {
	opts       MiddlewareOptions
	schemes    []string // the schemes of the sources, for challenges
	vary       string   // the request headers that the sources read
	varyAlways bool     // a source reads something other than Authorization
	origins    http.CrossOriginProtection
}

// NewMiddleware returns a middleware that verifies tokens with v and loads their user with the function user.
//
// user returns ErrNoUser if the user no longer exists; a nil user without an error means the same. Its other errors are
// mapped as in [Middleware.Deny], but ErrNoUser is a 401. [ClaimsAsUser] is for services without users of their own.
// Mistakes are reported as [ConfigError], all at once.
//
// user and the handlers may assign to the fields of the claims, because Check and the guards see a copy. They must not
// modify the data behind slices, maps and pointers: it is shared with the guards and, if the verifier caches tokens,
// with other requests. Clone claims that you retain after the request. Otherwise they keep its whole context in memory.
func NewMiddleware[C, U any, P EmbedsClaims[C]](v Verifier[C],
	user func(context.Context, *C) (U, error), opts *MiddlewareOptions,
) (*Middleware[C, U], error) {
	var wrong configErrors
	rt := &root[C, U]{verifier: v, user: user, claims: embedded[C, P], isNil: nilcheck.Func[U, C]()}
	if nilcheck.IsNil(v) {
		wrong.add("v", "is nil")
	} else if rt.decoder, _ = v.(*Decoder[C]); rt.decoder != nil && rt.decoder.keys == nil {
		wrong.add("v", "was not made by NewDecoder")
	}
	if user == nil {
		wrong.add("user", "is nil; for services without users of their own, pass ClaimsAsUser")
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

// ClaimsAsUser is a user function that returns the claims as the user, for services without users of their own.
func ClaimsAsUser[C any](_ context.Context, c *C) (*C, error) { return c, nil }

// Require returns a handler that calls next for requests with a valid token and an existing user, and refuses all others.
func (m *Middleware[C, U]) Require(next http.Handler) http.Handler {
	return m.handler(next, nil, false)
}

// RequireFunc is like Require, but next takes the user as an argument, so it can't be mounted without the middleware. CORS
// preflight requests are never passed on.
func (m *Middleware[C, U]) RequireFunc(next func(http.ResponseWriter, *http.Request, U)) http.Handler {
	return m.handler(nil, next, false)
}

// Optional is like Require, but also calls next for anonymous requests, in which no source finds a token. Invalid
// tokens are still refused. Guards run for anonymous requests too; a refusal that would be a 403 is then a 401.
func (m *Middleware[C, U]) Optional(next http.Handler) http.Handler {
	return m.handler(next, nil, true)
}

// With returns a copy of m that runs these guards after those of m, in order. A nil guard refuses every request with a 500.
func (m *Middleware[C, U]) With(guards ...Guard) *Middleware[C, U] {
	m = m.nonNil()
	all := slices.Concat(m.guards, guards)
	for i, guard := range all {
		if guard == nil {
			all[i] = invalidGuard("With was given a nil guard")
		}
	}
	m.guarded.Store(true)
	return &Middleware[C, U]{root: m.root, guards: all}
}

// Allow is like With, for a guard that takes the user. If may returns false, the request is refused with a 403. Anonymous
// requests are refused with a 401. If may is nil, every request is refused with a 500.
func (m *Middleware[C, U]) Allow(may func(U) bool) *Middleware[C, U] {
	if may == nil {
		return m.With(invalidGuard("Allow was given nil"))
	}
	return m.With(func(ctx context.Context) error {
		if user, ok := m.User(ctx); !ok || !may(user) {
			return ErrForbidden
		}
		return nil
	})
}

// User returns the user that m authenticated, or the user of [ContextWithUser]. Middlewares that With and Allow derive
// from one another count as one. User returns false for anonymous requests, and if only an unrelated middleware
// authenticated the user; [UserFromContext] returns the user of any middleware.
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

// Claims returns the claims of the token that m accepted, or the claims of [ContextWithClaims]. It returns false in the
// same cases as User.
func (m *Middleware[C, U]) Claims(ctx context.Context) (*C, bool) {
	switch holder := ctx.Value(claimsKey{}).(type) {
	case *identity[C, U]:
		if m != nil && holder.root == m.root {
			return holder.currentClaims()
		}
	case claimsForGuards[C, U]:
		if m != nil && holder.id().root == m.root {
			return holder.currentClaims()
		}
	case fixedClaims[C]:
		return holder.currentClaims()
	}
	return nil, false
}

// Deny refuses a request from within a handler. It maps err as [Middleware.Rejection] does, calls Observe and writes the
// response.
func (m *Middleware[C, U]) Deny(w http.ResponseWriter, r *http.Request, err error) {
	m = m.nonNil()
	rej := m.reject(r.Context(), err, fromHandler)
	if id, ok := r.Context().Value(userKey{}).(*identity[C, U]); ok && id.root == m.root {
		rej = id.withTokenError(rej)
	}
	m.respond(w, r, rej)
}

// Rejection returns the refusal for a handler's error. A [*Rejection] in err's chain is used as it is. Otherwise
// ErrUnavailable and the errors of contexts are a 503, ErrNoToken and ErrInvalidToken a 401, ErrManyTokens a 400,
// ErrForbidden a 403, ErrPasswordUnfit a 422, and any other error, such as ErrPasswordMismatch, a 500. ErrNoUser is a
// 404: in a handler it is about the requested user, not the authenticated one.
func (m *Middleware[C, U]) Rejection(err error) *Rejection {
	return m.nonNil().reject(context.Background(), err, fromHandler)
}

// Authenticate decides about a request as Require does, but does not respond. It returns the context for the handler.
// If the request is refused, it returns the request's own context and a [*Rejection], which can write the response;
// Observe has been called.
//
// Authenticate never reuses the decision of an outer handler. A long-lived handler can call it to find out whether the
// token has expired or the session has ended. Adapters to other frameworks use [Middleware.Decide], which also returns
// headers for the response.
func (m *Middleware[C, U]) Authenticate(r *http.Request) (context.Context, error) {
	ctx, _, rej := m.Decide(r, false)
	if rej != nil {
		return ctx, rej
	}
	return ctx, nil
}

// Decide does what Require does before it calls the next handler, or what Optional does if optional is true. Use it in
// adapters to frameworks with another type of handler. It never reuses the decision of an outer handler.
//
// Decide returns the context for the handler, headers to add to every response (nil if there are none), and the refusal
// or nil. If the request is refused, the context is the request's own, and Observe has been called. The caller then
// calls [Rejection.SetHeaders] and writes the status and a body.
func (m *Middleware[C, U]) Decide(r *http.Request, optional bool) (context.Context, http.Header, *Rejection) {
	m = m.nonNil()
	var decided decision[C, U]
	rej := m.decide(&decided, r, optional, false)
	if rej != nil && m.passesPreflight(r, decided.source) {
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
	return &decided.identity.context, headers, nil
}

// AuthenticateToken is like Authenticate, for a token that did not arrive in an HTTP request. An empty token is ErrNoToken.
//
// Without a request, Observe and Confirm can't be called. Callers must log the [*Rejection] themselves. Tokens that are
// bound to a key are refused, and every token if [MiddlewareOptions.Confirm] is set. Both are ErrTokenClaims with the
// reason "unconfirmed".
func (m *Middleware[C, U]) AuthenticateToken(ctx context.Context, token string) (context.Context, error) {
	m = m.nonNil()
	if token == "" {
		return ctx, m.reject(ctx, ErrNoToken, fromToken)
	}
	id, err := m.identify(ctx, nil, &evidence{token: token})
	if err != nil {
		return ctx, id.withTokenError(m.reject(ctx, err, fromToken))
	}
	if rej := m.runGuards(&id.context, id); rej != nil {
		return ctx, rej
	}
	return &id.context, nil
}

// nonNil returns m, or a middleware that refuses every request with a 500 if m was not made by NewMiddleware.
func (m *Middleware[C, U]) nonNil() *Middleware[C, U] {
	if m == nil || m.root == nil {
		return &Middleware[C, U]{root: &root[C, U]{}}
	}
	return m
}

// observe calls Observe, once for each refusal. An adapter may pass a Rejection that Authenticate returned to Deny.
func (p *policy) observe(r *http.Request, rej *Rejection) {
	if rej.observer == p {
		return
	}
	rej.observer = p
	switch {
	case p.opts.Observe != nil:
		p.opts.Observe(r, rej)
	case rej.isServerError():
		LogRejections(nil)(r, rej)
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

func (p *policy) checkOptions(wrong *configErrors) {
	if !httpfield.IsQuotable(p.opts.Realm) {
		wrong.add("MiddlewareOptions.Realm", "is %s, which has characters that a challenge must not contain", quote.Text(p.opts.Realm))
	}
	if p.opts.ResourceMetadata != "" && !isMetadataURL(p.opts.ResourceMetadata) {
		wrong.add("MiddlewareOptions.ResourceMetadata", "is %s, which is not an https URL without a fragment", quote.Text(p.opts.ResourceMetadata))
	}
	for _, scope := range p.opts.Scopes {
		if !isScope(scope) {
			wrong.add("MiddlewareOptions.Scopes", "contain %s, which is not a scope", quote.Text(scope))
		}
	}
	p.opts.Scopes = slices.Clone(p.opts.Scopes)
	for _, trusted := range p.opts.TrustedOrigins {
		if !origin.IsPlain(trusted) || p.origins.AddTrustedOrigin(trusted) != nil {
			wrong.add("MiddlewareOptions.TrustedOrigins", "contain %s, which is not scheme://host[:port] in lower case", quote.Text(trusted))
		}
	}
	p.checkSources(wrong)
}

func (p *policy) checkSources(wrong *configErrors) {
	if len(p.opts.Sources) == 0 {
		p.opts.Sources = []TokenSource{FromBearer()}
	}
	p.opts.Sources = slices.Clone(p.opts.Sources)
	var read []string
	for i, source := range p.opts.Sources {
		if reason := source.unfit(); reason != "" {
			wrong.add("MiddlewareOptions.Sources", "contain a source that %s", reason)
		}
		if slices.ContainsFunc(p.opts.Sources[:i], source.overlaps) {
			wrong.add("MiddlewareOptions.Sources", "contain two sources that would find the same token")
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
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && origin.IsLoopback(u.Hostname())) && u.Host != "" && u.User == nil &&
		!strings.Contains(text, "#") && httpfield.IsQuotable(text)
}
