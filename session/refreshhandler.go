package session

import (
	"net/http"

	"github.com/go-usher/usher"
)

// RefreshHandler returns a handler that exchanges a refresh token for new tokens. It accepts POST with the token as
// "refresh_token" in JSON or a form, or in the cookie if HandlerOptions.Cookies is set. If the session has ended, the
// response is a 401 that clears the cookies. If the store does not answer, it is a 503 that leaves them. If arguments
// are invalid, RefreshHandler returns a usher.ConfigError for each of them, joined.
func RefreshHandler[C any](m *Manager[C], opts *HandlerOptions) (http.Handler, error) {
	e, err := newEndpoint(opts, []string{http.MethodPost}, required(m != nil, "Manager"))
	if err != nil {
		return nil, err
	}
	e.serve = func(w http.ResponseWriter, r *http.Request) error {
		token, err := e.refreshToken(w, r)
		if err != nil {
			return err
		}
		tokens, err := m.refresh(r.Context(), token, e.fit)
		if tokenSpoilt(err) && e.opts.Cookies {
			e.clearCookies(w)
		}
		if err != nil {
			return err
		}
		e.handOut(w, r, tokens)
		return nil
	}
	return e, nil
}

// refreshToken returns the refresh token from the cookie or the body. Two cookies are refused, because only one can
// be right.
func (e *endpoint) refreshToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if !e.opts.Cookies {
		f, err := readFields(w, r, "refresh_token")
		if err != nil {
			return "", err
		}
		return f["refresh_token"], f.require("refresh_token")
	}
	token, found, err := usher.FromCookie(e.opts.RefreshCookie).Find(r)
	if err == nil && !found {
		err = usher.ErrNoToken
	}
	return token, err
}
