package session

import (
	"errors"
	"fmt"
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

// newEndpoint returns an endpoint without its serve function. Its error also contains mistakes, which are those in the
// other arguments of the handler's constructor.
func newEndpoint(o *HandlerOptions, methods []string, mistakes ...error) (*endpoint, error) {
	opts, err := o.complete()
	mistakes = append(mistakes, err)
	opts.TicketSecret = nil // fmt prints the options of a handler without their Format method
	e := &endpoint{opts: opts, methods: methods}
	for _, text := range opts.TrustedOrigins {
		if !origin.IsPlain(text) || e.origins.AddTrustedOrigin(text) != nil {
			mistakes = append(mistakes, &usher.ConfigError{
				Field:  "HandlerOptions.TrustedOrigins",
				Reason: "must be scheme://host[:port] in lower case, which " + text + " is not",
			})
		}
	}
	e.mapping, err = newMapping(&opts)
	if err := errors.Join(append(mistakes, err)...); err != nil {
		return nil, err
	}
	return e, nil
}

// ServeHTTP checks the origin first, even without cookies. Otherwise another site could log the user in to the
// attacker's account.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := e.checkOrigin(r); err != nil {
		e.refuse(w, r, err)
		return
	}
	if !slices.Contains(e.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		e.refuse(w, r, newRejection(http.StatusMethodNotAllowed, "Use "+strings.Join(e.methods, " or ")+"."))
		return
	}
	ctx := contextWithClient(r.Context(), client{address: e.opts.ClientAddress(r), userAgent: r.UserAgent()})
	if err := e.serve(w, r.WithContext(ctx)); err != nil {
		e.refuse(w, r, err)
	}
}

var errCrossOrigin = &reasonError{"session: cross-origin request", "cross_origin"}

// checkOrigin refuses requests that another site caused.
func (e *endpoint) checkOrigin(r *http.Request) error {
	if err := origin.Check(&e.origins, r); err != nil {
		return &usher.Rejection{
			Status:      http.StatusForbidden,
			Description: "Cross-origin request.",
			Err:         fmt.Errorf("%w: %w; list trusted origins in HandlerOptions.TrustedOrigins", errCrossOrigin, err),
		}
	}
	return nil
}

// checkOriginAsPOST is like checkOrigin, for requests that another site must not cause by any method.
func (e *endpoint) checkOriginAsPOST(r *http.Request) error {
	post := *r
	post.Method = http.MethodPost
	return e.checkOrigin(&post)
}
