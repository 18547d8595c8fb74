package usher

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/origin"
	"github.com/go-usher/usher/internal/quote"
)

// handler is the result of Require, RequireFunc and Optional. Either next or nextFunc is set.
type handler[C, U any] struct {
	m        *Middleware[C, U]
	next     http.Handler
	nextFunc func(http.ResponseWriter, *http.Request, U)
	optional bool
}

func (m *Middleware[C, U]) handler(next http.Handler, nextFunc func(http.ResponseWriter, *http.Request, U), optional bool) http.Handler {
	m = m.nonNil()
	if nilcheck.IsNil(next) && nextFunc == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m.Deny(w, r, &ConfigError{"next", "is nil"})
		})
	}
	return &handler[C, U]{m, next, nextFunc, optional}
}

func (h *handler[C, U]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := h.m
	var decided decision[C, U]
	rej := m.decide(&decided, r, h.optional, true)
	if rej != nil && h.nextFunc == nil && m.passesPreflight(r, decided.source) {
		decided, rej = m.anonymous(r), nil
	}
	if m.hasHeaders(&decided.evidence, h.optional) {
		m.setHeaders(w.Header(), &decided.evidence, h.optional, rej == nil)
	}
	if rej != nil {
		m.respond(w, r, rej)
		return
	}
	if !decided.reused {
		decided.identity.reusable = m.opts.Confirm == nil
		outer := r
		r = decided.identity.withContext(outer)
		defer copyBack(outer, r)
	}
	if h.nextFunc != nil {
		h.nextFunc(w, r, decided.identity.user)
		return
	}
	h.next.ServeHTTP(w, r)
}

// copyBack copies to the outer request what handlers have set in the inner one: the pattern, for the logs of outer
// handlers, and the multipart form, because net/http removes the temporary files only of its own request
// (golang/go#58809).
func copyBack(outer, inner *http.Request) {
	if inner.Pattern != outer.Pattern {
		outer.Pattern = inner.Pattern
	}
	if outer.MultipartForm == nil && inner.MultipartForm != nil {
		outer.MultipartForm = inner.MultipartForm
	}
}

// evidence is a request's token, the source that found it, and the response headers of Confirm.
type evidence struct {
	token   string
	source  *TokenSource // nil if there is no token; set even if the token is refused
	headers http.Header  // returned by Confirm
}

// decision is the result of decide.
type decision[C, U any] struct {
	evidence
	identity *identity[C, U]
	reused   bool // an outer handler has decided, and its identity is in the request's context
}

// decide takes a request through all steps from the sources to the guards and stores the results in decided, which must
// be new. If reuse is true, it accepts the decision of an outer handler.
func (m *Middleware[C, U]) decide(decided *decision[C, U], r *http.Request, optional, reuse bool) *Rejection {
	var err error
	decided.token, decided.source, err = m.findToken(r)
	if optional && errors.Is(err, ErrNoToken) && !isOutage(err) {
		*decided = m.anonymous(r)
		return m.runGuards(&decided.identity.context, decided.identity)
	}
	if err == nil && decided.source.kind != sourceAuthorization && decided.source.readsCookies() {
		err = m.checkOrigin(r)
	}
	ctx := r.Context()
	if err != nil {
		return m.reject(ctx, err, fromToken)
	}
	if reuse {
		if id := m.reuse(ctx, decided.token, len(m.guards) > 0); id != nil {
			decided.identity, decided.reused = id, true
			return m.runGuards(ctx, id)
		}
	}
	var rej *Rejection
	if decided.identity, err = m.identify(ctx, r, &decided.evidence); err != nil {
		rej = decided.identity.withTokenError(m.reject(ctx, err, fromToken))
	} else {
		rej = m.runGuards(&decided.identity.context, decided.identity)
	}
	if rej != nil {
		rej.addHeader(decided.headers)
	}
	return rej
}

// anonymous returns the decision for a request that may proceed without a token.
func (rt *root[C, U]) anonymous(r *http.Request) decision[C, U] {
	return decision[C, U]{identity: newIdentity(r.Context(), rt)}
}

// findToken returns the request's only token and its source. If there is none, the error is ErrNoToken.
func (p *policy) findToken(r *http.Request) (token string, source *TokenSource, err error) {
	if p.opts.Now == nil {
		return "", nil, errNotMade
	}
	if len(p.opts.Sources) == 1 { // a fast path, which saves 5 % of a request with a cached token
		source = &p.opts.Sources[0]
		if token, found, err := source.Find(r); found || err != nil {
			return token, source, err
		}
		return "", nil, p.noToken(r)
	}
	var buffer [4]finding
	found := p.collect(r, buffer[:0])
	if len(found) == 0 {
		return "", nil, p.noToken(r)
	}
	return onlyFinding(found)
}

// finding is the result of one source: a token, or an error if the request can't be read.
type finding struct {
	source *TokenSource
	token  string
	err    error
}

// collect appends the findings of all sources to found.
func (p *policy) collect(r *http.Request, found []finding) []finding {
	for i := range p.opts.Sources {
		source := &p.opts.Sources[i]
		if token, ok, err := source.Find(r); ok || err != nil {
			found = append(found, finding{source, token, err})
		}
	}
	return found
}

// onlyFinding returns the only finding. More than one is an error, whichever came first. If one is a token in the URL,
// its source is returned even with the error, because the response must protect that token.
func onlyFinding(found []finding) (token string, source *TokenSource, err error) {
	first := found[0]
	if len(found) > 1 { // forms that can't be searched are ignored if there is another finding
		found = slices.DeleteFunc(found, func(f finding) bool { return errors.Is(f.err, errUnsearchedForm) })
	}
	if len(found) <= 1 {
		if len(found) == 1 {
			first = found[0]
		}
		return first.token, first.source, first.err
	}
	source, err = found[0].source, found[0].err
	for _, f := range found[1:] {
		if f.source.kind == sourceQuery {
			source = f.source
		}
		if err == nil {
			err = f.err
		}
	}
	if err == nil {
		err = ErrManyTokens
	}
	return "", source, err
}

var (
	errNoScheme = fmt.Errorf(`%w: the Authorization header has a token without a scheme; `+
		`send "Bearer" before it, or add FromAuthorization("") to MiddlewareOptions.Sources`, ErrTokenMalformed)
	errOtherScheme = fmt.Errorf("%w: the Authorization header has a scheme that none of MiddlewareOptions.Sources reads", ErrNoToken)
)

// noToken returns the error for a request in which no source found a token. A token without a scheme counts as an
// invalid token, so Optional does not treat the request as anonymous.
func (p *policy) noToken(r *http.Request) error {
	values := r.Header["Authorization"]
	reads := slices.ContainsFunc(p.opts.Sources, func(s TokenSource) bool { return s.kind == sourceAuthorization })
	switch {
	case len(values) != 1 || values[0] == "" || !reads:
		return ErrNoToken
	case isBareToken(values[0]):
		return errNoScheme
	}
	return errOtherScheme
}

// checkOrigin refuses requests that another site caused. The opening request of a WebSocket is a GET, but it is checked
// as a POST, because the connection can be used for anything.
func (p *policy) checkOrigin(r *http.Request) error {
	if len(r.Header["Upgrade"]) > 0 {
		post := *r
		post.Method = http.MethodPost
		r = &post
	}
	err := origin.Check(&p.origins, r)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%w: Origin is %s; if its pages may send this request, add it to MiddlewareOptions.TrustedOrigins",
		err, quote.Text(r.Header.Get("Origin")))
	return &Rejection{Status: http.StatusForbidden, Description: "Cross-origin request.", Err: &reasonError{err, "cross_origin"}}
}

// passesPreflight reports whether a refused request is a preflight request that may proceed.
func (p *policy) passesPreflight(r *http.Request, source *TokenSource) bool {
	return p.opts.DangerouslyPassPreflight && source == nil && isPreflight(r)
}

// isPreflight reports whether r is a CORS preflight request (Fetch §3.2.2).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.ContentLength == 0 && len(r.TransferEncoding) == 0 &&
		len(r.Header["Origin"]) == 1 && r.Header["Origin"][0] != "" &&
		len(r.Header["Access-Control-Request-Method"]) == 1 && r.Header["Access-Control-Request-Method"][0] != "" &&
		len(r.Header["Authorization"]) == 0 && len(r.Header["Cookie"]) == 0
}

// reuse returns the identity that an outer handler of the same root found for the same token. It returns nil if there
// is none, or if another user or other claims were put into the context in between.
func (rt *root[C, U]) reuse(ctx context.Context, token string, guarded bool) *identity[C, U] {
	id, ok := ctx.Value(userKey{}).(*identity[C, U])
	if !ok || !id.reusable || id.root != rt || id.token != token || id.anonymous() ||
		guarded && id.checked == nil || ctx.Value(claimsKey{}) != any(id) {
		return nil
	}
	return id
}

// identify verifies the token and loads its user. If it returns an error and the token was not verified, the identity
// is nil. r is nil if the token did not arrive in a request.
func (rt *root[C, U]) identify(ctx context.Context, r *http.Request, e *evidence) (*identity[C, U], error) {
	id, err := rt.decode(ctx, e.token)
	if err != nil {
		return nil, err
	}
	registered := rt.claims(id.claims)
	if rt.opts.Confirm != nil || rt.opts.Check != nil || rt.guarded.Load() {
		checked := *id.claims
		id.checked = &checked
		registered = rt.claims(&checked)
		registered.Audience = slices.Clone(registered.Audience)
		registered.Confirmation = registered.Confirmation.clone()
	}
	if rt.opts.Confirm != nil || registered.Confirmation != nil {
		if err := rt.confirm(r, e, registered); err != nil {
			return id, err
		}
	}
	if rt.opts.Check != nil {
		if err := rt.opts.Check(ctx, registered); err != nil {
			return id, err
		}
	}
	if id.user, err = rt.user(ctx, id.claims); err != nil {
		return id, err
	}
	if rt.isNil(id.user) {
		return id, ErrNoUser
	}
	return id, nil
}

// decode returns an identity with the token's claims and without a user. A Decoder decodes the claims into the
// identity, which saves an allocation.
func (rt *root[C, U]) decode(ctx context.Context, token string) (*identity[C, U], error) {
	if d := rt.decoder; d != nil {
		cached, v, err := d.verify(ctx, token)
		if err != nil {
			return nil, err
		}
		id := newIdentity(ctx, rt)
		id.token, id.claims = token, &id.storage
		if cached != nil {
			return id, d.readCached(cached, id.claims)
		}
		return id, d.read(token, v, id.claims)
	}
	if rt.verifier == nil {
		return nil, errNotMade
	}
	c, err := rt.verifier.Decode(ctx, token)
	if err == nil && c == nil {
		err = errNoClaims
	}
	id := newIdentity(ctx, rt)
	id.token, id.claims = token, c
	return id, err
}

var errNotMade = &ConfigError{"Middleware", "was not made by NewMiddleware"}

var errNoClaims = errors.New("usher: the verifier returned neither claims nor an error")

// confirm calls Confirm. If Confirm is not set, a bound token is refused, because its sender may have stolen it (RFC
// 7800 §3). If it is set but r is nil, it can't be called, and every token is refused.
func (p *policy) confirm(r *http.Request, e *evidence, c *Claims) error {
	switch {
	case r == nil && c.Confirmation != nil:
		return &reasonError{fmt.Errorf("%w: the token is bound to a key (cnf), which AuthenticateToken can't confirm; use Authenticate", ErrTokenClaims), reasonUnconfirmed}
	case r == nil && p.opts.Confirm != nil:
		return &reasonError{fmt.Errorf("%w: MiddlewareOptions.Confirm is set, which AuthenticateToken can't call; use Authenticate", ErrTokenClaims), reasonUnconfirmed}
	case p.opts.Confirm == nil && c.Confirmation != nil:
		return &reasonError{fmt.Errorf("%w: the token is bound to a key (cnf); to accept it, set MiddlewareOptions.Confirm", ErrTokenClaims), reasonUnconfirmed}
	}
	headers, err := p.opts.Confirm(r, e.token, c)
	e.headers = headers
	if err != nil && errors.Is(err, ErrInvalidToken) && customReason(err) == "" {
		err = &reasonError{err, reasonUnconfirmed}
	}
	return err
}

// runGuards runs the guards in ctx, which has the identity. It is small enough to be inlined.
func (m *Middleware[C, U]) runGuards(ctx context.Context, id *identity[C, U]) *Rejection {
	if len(m.guards) == 0 {
		return nil
	}
	return m.runAllGuards(ctx, id)
}

// runAllGuards runs the guards with the copy of the claims for guards in their context. If they refuse an anonymous
// request, the response is a 401 that asks for a token.
func (m *Middleware[C, U]) runAllGuards(ctx context.Context, id *identity[C, U]) *Rejection {
	ctx = context.WithValue(ctx, claimsKey{}, id.forGuards())
	for _, guard := range m.guards {
		err := guard(ctx)
		if err == nil {
			continue
		}
		rej := m.reject(ctx, err, fromGuard)
		if id.anonymous() && (rej.Status == http.StatusForbidden || rej.Status == http.StatusUnauthorized) {
			rej = m.reject(ctx, ErrNoToken, fromGuard)
			rej.Err = &reasonError{err, reasonNoToken}
		}
		return id.withTokenError(rej)
	}
	return nil
}

// withTokenError adds a *TokenError to a refusal if the token was verified. It leaves outages as they are.
func (id *identity[C, U]) withTokenError(rej *Rejection) *Rejection {
	if id == nil || id.anonymous() || rej.Status == http.StatusServiceUnavailable {
		return rej
	}
	if _, ok := errors.AsType[*TokenError](rej.Err); !ok {
		rej.Err = &TokenError{Claims: id.forGuards().embedded().clone(), Err: rej.Err}
	}
	return rej
}

// reject maps an error to a refusal.
func (p *policy) reject(ctx context.Context, err error, from errorOrigin) *Rejection {
	rej := rejectionFor(err, from)
	if ctx.Err() != nil && rej.unexpected {
		// Many stores return their own error when the context has ended.
		rej = rejectionFor(fmt.Errorf("%w: %w", ctx.Err(), err), from)
	}
	rej.policy = p
	if rej.Status == http.StatusUnauthorized && rej.Code == "" && rej.Scope == "" && errors.Is(err, ErrNoToken) {
		rej.Scope = strings.Join(p.opts.Scopes, " ")
	}
	return rej
}

// hasHeaders reports whether setHeaders would set any headers. If not, ResponseWriter.Header is not called: net/http copies
// headers only if it was.
func (p *policy) hasHeaders(e *evidence, optional bool) bool {
	return p.vary != "" && (optional || p.varyAlways) || len(e.headers) > 0 || e.source != nil && e.source.kind != sourceAuthorization && !e.source.isAuthorization()
}

// setHeaders sets the headers of every response, whether or not the request is refused. Shared caches treat only
// responses to Authorization as private (RFC 9111 §3.5); other sources need headers that say so.
func (p *policy) setHeaders(h http.Header, e *evidence, optional, accepted bool) {
	if p.vary != "" && (optional || p.varyAlways) {
		h.Add("Vary", p.vary)
	}
	if e.source != nil {
		e.source.setHeaders(h, accepted)
	}
	for name, values := range e.headers {
		h[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
}
