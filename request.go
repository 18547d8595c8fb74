package usher

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// handler is what Require, RequireFunc and Optional return. It has one of next and nextFunc.
type handler[C, U any] struct {
	m        *Middleware[C, U]
	next     http.Handler
	nextFunc func(http.ResponseWriter, *http.Request, U)
	optional bool
}

func (m *Middleware[C, U]) handler(next http.Handler, nextFunc func(http.ResponseWriter, *http.Request, U), optional bool) http.Handler {
	m = m.orZero()
	if isNil(next) && nextFunc == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m.Deny(w, r, &ConfigError{"next", "is nil"})
		})
	}
	return &handler[C, U]{m, next, nextFunc, optional}
}

func (h *handler[C, U]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := h.m
	if m.vary != "" && (h.optional || m.cookie) {
		w.Header().Add("Vary", m.vary)
	}
	decided, rej := m.decide(r, h.optional)
	decided.source.mark(w, rej == nil)
	if rej != nil {
		if !h.passes(r, decided.source) {
			m.respond(w, r, rej)
			return
		}
		decided = m.stranger(r)
	}
	if !decided.reused {
		r = decided.who.clone(r)
	}
	if h.nextFunc != nil {
		h.nextFunc(w, r, decided.who.user)
		return
	}
	h.next.ServeHTTP(w, r)
}

// passes reports whether a request that was refused passes as a preflight.
func (h *handler[C, U]) passes(r *http.Request, source *TokenSource) bool {
	return h.m.opts.DangerouslyPassPreflight && h.nextFunc == nil && source == nil && isPreflight(r)
}

// isPreflight reports whether r is what a browser sends before a cross-origin request (Fetch §3.2.2), and
// nothing more than that.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.ContentLength == 0 && len(r.TransferEncoding) == 0 &&
		len(r.Header["Origin"]) == 1 && r.Header["Origin"][0] != "" &&
		len(r.Header["Access-Control-Request-Method"]) == 1 && r.Header["Access-Control-Request-Method"][0] != "" &&
		len(r.Header["Authorization"]) == 0 && len(r.Header["Cookie"]) == 0
}

// decision is what was found out about a request.
type decision[C, U any] struct {
	who    *identity[C, U]
	source *TokenSource // where the token was found, also if it was refused
	reused bool         // an outer handler has decided, and who is in the request's context already
}

// context returns the context for the handler.
func (d decision[C, U]) context(parent context.Context) context.Context {
	if d.reused {
		return parent
	}
	return d.who
}

// decide takes a request from its sources to the guards.
func (m *Middleware[C, U]) decide(r *http.Request, optional bool) (decision[C, U], *Rejection) {
	token, source, err := m.findToken(r)
	if optional && errors.Is(err, ErrNoToken) {
		decided := m.stranger(r)
		return decided, m.ask(r.Context(), decided)
	}
	if err == nil && source.kind == sourceCookie {
		err = m.checkOrigin(r)
	}
	var decided decision[C, U]
	if err == nil {
		decided, err = m.identify(r.Context(), token, len(m.guards) > 0)
	}
	decided.source = source
	if err != nil {
		return decided, m.rejection(err, http.StatusInternalServerError)
	}
	return decided, m.ask(r.Context(), decided)
}

// stranger is the decision about a request without a token that may go on.
func (rt *root[C, U]) stranger(r *http.Request) decision[C, U] {
	return decision[C, U]{who: &identity[C, U]{Context: r.Context(), root: rt}}
}

// findToken returns the one token that the request carries, and where; else the error is ErrNoToken or ErrManyTokens.
func (p *policy) findToken(r *http.Request) (token string, source *TokenSource, err error) {
	if p.opts.Now == nil {
		return "", nil, errNotMade
	}
	for i := range p.opts.Sources {
		s := &p.opts.Sources[i]
		t, found, fault := s.Find(r)
		if !found && fault == nil {
			continue
		}
		if fault == nil && source != nil {
			fault = ErrManyTokens
		}
		if err == nil {
			err = fault
		}
		if source == nil || source.kind != sourceQuery { // whose mark the response needs in any case
			token, source = t, s
		}
	}
	if source == nil {
		err = ErrNoToken
	}
	return token, source, err
}

// checkOrigin refuses what another site makes a browser send. The opening request of a WebSocket is a GET,
// and yet it opens a connection that can do anything.
func (p *policy) checkOrigin(r *http.Request) error {
	if len(r.Header["Upgrade"]) > 0 {
		post := *r
		post.Method = http.MethodPost
		r = &post
	}
	if err := p.origins.Check(r); err != nil {
		return &Rejection{Status: http.StatusForbidden, Description: "Cross-origin request.", Err: err}
	}
	return nil
}

// identify finds out whose token it is. Where an outer handler of the same middleware has done so for the same
// token, and nobody has put another user or other claims in between, its result counts.
func (rt *root[C, U]) identify(ctx context.Context, token string, guarded bool) (decision[C, U], error) {
	if who, ok := ctx.Value(userKey{}).(*identity[C, U]); ok && who.root == rt && !who.stranger() &&
		who.token == token && (who.checked != nil || !guarded) && ctx.Value(claimsKey{}) == any(who) {
		return decision[C, U]{who: who, reused: true}, nil
	}
	who, err := rt.decode(ctx, token)
	if err != nil {
		return decision[C, U]{}, err
	}
	if rt.opts.Check != nil || rt.guarded.Load() {
		checked := *who.claims
		who.checked = &checked
		registered := rt.claims(&checked)
		registered.Audience = slices.Clone(registered.Audience)
		if rt.opts.Check != nil {
			if err := rt.opts.Check(ctx, registered); err != nil {
				return decision[C, U]{}, err
			}
		}
	}
	if who.user, err = rt.user(ctx, who.claims); err != nil {
		return decision[C, U]{}, err
	}
	if rt.isNil(who.user) {
		return decision[C, U]{}, ErrNoUser
	}
	return decision[C, U]{who: who}, nil
}

// decode returns an identity that has the token's claims, and no user yet. A Decoder reads them into the identity
// itself, which saves an allocation.
func (rt *root[C, U]) decode(ctx context.Context, token string) (*identity[C, U], error) {
	if d, ok := rt.verifier.(*Decoder[C]); ok {
		v, err := d.verify(ctx, token)
		if err != nil {
			return nil, err
		}
		who := &identity[C, U]{Context: ctx, root: rt, token: token}
		who.claims = &who.storage
		return who, d.read(token, v, who.claims)
	}
	if rt.verifier == nil {
		return nil, errNotMade
	}
	c, err := rt.verifier.Decode(ctx, token)
	if err == nil && c == nil {
		err = errNoClaims
	}
	return &identity[C, U]{Context: ctx, root: rt, token: token, claims: c}, err
}

var errNotMade = &ConfigError{"Middleware", "was not made by NewMiddleware"}

var errNoClaims = errors.New("usher: the verifier returned neither claims nor an error")

// ask asks the guards, who find usher's own copy of the claims in their context. A stranger whom they would
// refuse is asked for a token instead.
func (m *Middleware[C, U]) ask(parent context.Context, decided decision[C, U]) *Rejection {
	if len(m.guards) == 0 { // a few instructions, so that it costs no call
		return nil
	}
	return m.askAll(parent, decided)
}

func (m *Middleware[C, U]) askAll(parent context.Context, decided decision[C, U]) *Rejection {
	checked := fixedClaims[C]{clock: m.opts.Now}
	if !decided.who.stranger() {
		checked.claims = decided.who.checked
	}
	ctx := context.WithValue(decided.context(parent), claimsKey{}, checked)
	for _, guard := range m.guards {
		err := guard(ctx)
		if err == nil {
			continue
		}
		rej := m.rejection(err, http.StatusForbidden)
		if decided.who.stranger() && (rej.Status == http.StatusForbidden || rej.Status == http.StatusUnauthorized) {
			rej = m.rejection(ErrNoToken, http.StatusForbidden)
			rej.Err = err
		}
		return rej
	}
	return nil
}
