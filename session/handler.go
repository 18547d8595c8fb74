package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/origin"
)

// endpoint is the common part of all handlers.
type endpoint struct {
	opts    HandlerOptions
	origins http.CrossOriginProtection
	mapping *usher.Middleware[usher.Claims, *usher.Claims] // maps errors to responses
	methods []string
	serve   func(w http.ResponseWriter, r *http.Request) error // refuse maps its errors to responses
}

// newEndpoint returns an endpoint without its serve function. mistakes are those in the other arguments of the
// handler's constructor.
func newEndpoint(o *HandlerOptions, methods []string, mistakes ...error) (*endpoint, error) {
	opts, err := o.complete()
	mistakes = append(mistakes, err)
	e := &endpoint{opts: opts, methods: methods}
	for _, text := range opts.TrustedOrigins {
		if !origin.IsPlain(text) || e.origins.AddTrustedOrigin(text) != nil {
			mistakes = append(mistakes, &usher.ConfigError{
				Field:  "HandlerOptions.TrustedOrigins",
				Reason: "must be scheme://host[:port] in lower case, which " + text + " is not",
			})
		}
	}
	e.mapping, err = usher.NewMiddleware(noVerifier{}, usher.ClaimsAsUser[usher.Claims],
		&usher.MiddlewareOptions{Observe: opts.Observe, Reject: opts.Reject})
	if err := errors.Join(append(mistakes, err)...); err != nil {
		return nil, err
	}
	return e, nil
}

// noVerifier refuses every token: the middleware that maps errors is asked for nothing else.
type noVerifier struct{}

func (noVerifier) Decode(context.Context, string) (*usher.Claims, error) {
	return nil, usher.ErrInvalidToken
}

// ServeHTTP checks the origin first, even without cookies: another site could otherwise log the user in to the
// attacker's account.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := e.checkOrigin(r); err != nil {
		e.refuse(w, r, err)
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

// checkOrigin refuses what another site makes a browser send.
func (e *endpoint) checkOrigin(r *http.Request) error {
	if err := e.origins.Check(r); err != nil {
		return &usher.Rejection{Status: http.StatusForbidden, Description: "Cross-origin request.", Err: err}
	}
	return nil
}

// checkOriginAsPOST is checkOrigin for what must not come from another site by any method.
func (e *endpoint) checkOriginAsPOST(r *http.Request) error {
	post := *r
	post.Method = http.MethodPost
	return e.checkOrigin(&post)
}
