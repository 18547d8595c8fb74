package session

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-usher/usher"
)

// endpoint is the common part of all handlers.
type endpoint struct {
	opts    HandlerOptions
	origins http.CrossOriginProtection
	methods []string
	serve   func(w http.ResponseWriter, r *http.Request) error // refusal maps its errors to responses
}

// newEndpoint returns an endpoint without its serve function. mistakes are those in the other arguments of the
// handler's constructor.
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

// ServeHTTP checks the origin first, even without cookies: another site could otherwise log the user in to the
// attacker's account.
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
