package session

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-usher/usher"
)

// RefreshHandler returns a handler that exchanges a refresh token for new tokens. It accepts POST with the token as
// "refresh_token" in JSON or a form, or in the cookie if HandlerOptions.Cookies is set. A request with neither a body
// nor a cookie may have the token in Authorization: Bearer. An access token in its place is refused.
//
// If the session has ended, the response is a 401 and clears the cookies. If the store does not respond, the response
// is a 503 and the cookies are kept. If arguments are invalid, RefreshHandler returns a usher.ConfigError for each of
// them, joined.
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
		tokens, err := m.refresh(r.Context(), token, e.checkCookieSize)
		if tokenUnusable(err) && e.opts.Cookies {
			e.clearCookies(w)
		}
		if err != nil {
			return err
		}
		e.writeTokens(w, r, tokens)
		return nil
	}
	return e, nil
}

// refreshToken returns the refresh token of a request. If there is none, the error is usher.ErrNoToken.
func (e *endpoint) refreshToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if e.opts.Cookies {
		// A cookie with a JWT, as older applications set, is refused like any other bad token: the response clears it.
		token, found, err := usher.FromCookie(e.opts.RefreshCookie).Find(r)
		if err != nil || found {
			return token, err
		}
	}
	token, err := e.findOutsideCookies(w, r)
	if err == nil && strings.Contains(token, ".") {
		return "", &usher.Rejection{
			Status:      http.StatusUnauthorized,
			Code:        "invalid_token",
			Description: "This is an access token. Send the refresh token.",
			Err:         fmt.Errorf("%w: it is a JWT", ErrRefreshToken),
		}
	}
	return token, err
}

func (e *endpoint) findOutsideCookies(w http.ResponseWriter, r *http.Request) (string, error) {
	hasBody := r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
	switch {
	case hasBody && e.opts.Cookies:
		return "", usher.ErrNoToken
	case hasBody:
		f, err := readFields(w, r, "refresh_token")
		if err != nil {
			return "", err
		}
		return f["refresh_token"], f.require("refresh_token")
	}
	token, found, err := usher.FromBearer().Find(r)
	if err == nil && (!found || token == "") {
		err = usher.ErrNoToken
	}
	return token, err
}
