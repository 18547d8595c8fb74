package session

import (
	"errors"
	"net/http"

	"github.com/go-usher/usher"
)

// LogoutHandler returns a handler that ends a session. It accepts POST with the refresh token, as RefreshHandler does.
// It responds with a 204 and clears the cookies, even if there was no session to end. If HandlerOptions.Cookies is not
// set, a request without a token is a 401. If the store does not respond, the response is a 503 and the cookies are
// kept.
//
// If arguments are invalid, LogoutHandler returns a usher.ConfigError for each of them, joined.
func LogoutHandler[C any](m *Manager[C], opts *HandlerOptions) (http.Handler, error) {
	e, err := newEndpoint(opts, []string{http.MethodPost}, required(m != nil, "Manager"))
	if err != nil {
		return nil, err
	}
	e.serve = func(w http.ResponseWriter, r *http.Request) error {
		token, err := e.refreshToken(w, r)
		if err != nil && !(e.opts.Cookies && errors.Is(err, usher.ErrNoToken)) {
			return err
		}
		if err := m.End(r.Context(), token); err != nil {
			return err
		}
		e.respondLoggedOut(w)
		return nil
	}
	return e, nil
}

func (e *endpoint) respondLoggedOut(w http.ResponseWriter) {
	if e.opts.Cookies {
		e.clearCookies(w)
	}
	w.WriteHeader(http.StatusNoContent)
}
