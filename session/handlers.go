package session

import (
	"errors"
	"net/http"

	"github.com/go-usher/usher"
)

// RefreshHandler returns a handler that exchanges a refresh token for new tokens. It takes POST, with the token as
// "refresh_token" in JSON or a form, or in the cookie if HandlerOptions.Cookies is set. A session that is over
// is a 401 and clears the cookies; a store that can't answer is a 503 and leaves them. Mistakes are reported as
// usher.ConfigError, all at once.
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
		e.handOut(w, tokens)
		return nil
	}
	return e, nil
}

// LogoutHandler returns a handler that ends a session. It takes POST, with the refresh token as for
// RefreshHandler, and answers 204 and clears the cookies, also if there was no session to end. If the store
// can't answer it is a 503, and nothing is cleared. Mistakes are reported as usher.ConfigError, all at once.
func LogoutHandler[C any](m *Manager[C], opts *HandlerOptions) (http.Handler, error) {
	e, err := newEndpoint(opts, []string{http.MethodPost}, required(m != nil, "Manager"))
	if err != nil {
		return nil, err
	}
	e.serve = func(w http.ResponseWriter, r *http.Request) error {
		token, err := e.refreshToken(w, r)
		if err != nil && !errors.Is(err, usher.ErrNoToken) {
			return err
		}
		if err := m.End(r.Context(), token); err != nil {
			return err
		}
		e.loggedOut(w)
		return nil
	}
	return e, nil
}

// SessionsHandler returns a handler for users' own sessions. It is mounted behind a middleware's Require, which
// says who the user is, under three patterns:
//
//	GET /sessions           lists them: {"sessions": [{"id", "current", "started_at", …}]}
//	DELETE /sessions        ends the others, those than the request's own: 204
//	DELETE /sessions/{id}   ends one: 204, or 404 if the user has no such session
//
// Without a middleware before it, it refuses everything with a 500. Mistakes are reported as usher.ConfigError,
// all at once.
func SessionsHandler[C any](m *Manager[C], opts *HandlerOptions) (http.Handler, error) {
	e, err := newEndpoint(opts, []string{http.MethodGet, http.MethodHead, http.MethodDelete}, required(m != nil, "Manager"))
	if err != nil {
		return nil, err
	}
	e.serve = func(w http.ResponseWriter, r *http.Request) error {
		claims, ok := usher.ClaimsFromContext[usher.Claims](r.Context())
		if !ok {
			return errors.New("session: SessionsHandler must be mounted behind a middleware's Require")
		}
		id := r.PathValue("id")
		switch {
		case r.Method != http.MethodDelete:
			return listSessions(w, r, m, claims)
		case id == "":
			return endOthers(w, r, m, claims)
		}
		return endOne(e, w, r, m, claims, id)
	}
	return e, nil
}

type listedSession struct {
	Session
	Current bool `json:"current"`
}

func listSessions[C any](w http.ResponseWriter, r *http.Request, m *Manager[C], claims *usher.Claims) error {
	sessions, err := m.List(r.Context(), claims.Subject)
	if err != nil {
		return err
	}
	list := make([]listedSession, 0, len(sessions))
	for _, s := range sessions {
		list = append(list, listedSession{Session: s, Current: s.ID == claims.SessionID})
	}
	writeJSON(w, struct {
		Sessions []listedSession `json:"sessions"`
	}{list})
	return nil
}

func endOthers[C any](w http.ResponseWriter, r *http.Request, m *Manager[C], claims *usher.Claims) error {
	if !isSessionID(claims.SessionID) {
		return &usher.Rejection{Status: http.StatusForbidden, Description: "The access token belongs to no session.", Err: usher.ErrForbidden}
	}
	if err := m.EndOthers(r.Context(), claims.Subject, claims.SessionID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func endOne[C any](e *endpoint, w http.ResponseWriter, r *http.Request, m *Manager[C], claims *usher.Claims, id string) error {
	err := m.EndSession(r.Context(), claims.Subject, id)
	switch {
	case errors.Is(err, ErrSessionEnded):
		return &usher.Rejection{Status: http.StatusNotFound, Description: "There is no such session.", Err: err}
	case err != nil:
		return err
	case id == claims.SessionID:
		e.loggedOut(w)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

func (e *endpoint) loggedOut(w http.ResponseWriter) {
	if e.opts.Cookies {
		e.clearCookies(w)
	}
	w.WriteHeader(http.StatusNoContent)
}
