package session

import (
	"errors"
	"net/http"
	"slices"

	"github.com/go-usher/usher"
)

// SessionsHandler returns a handler for the user's own sessions. Mount it behind a middleware's Require with two
// patterns:
//
//	GET /sessions           lists them: {"sessions": [{"id", "current", "started_at", …}]}
//	DELETE /sessions/{id}   ends one session: 204, or 404 if the user has no such session
//
// The ID is r.PathValue("id"), or the result of HandlerOptions.SessionID. A DELETE without an ID is a 404.
// [EndOthersHandler] ends all other sessions. Without a middleware, every response is a 500. If arguments are invalid,
// SessionsHandler returns a usher.ConfigError for each of them, joined.
func SessionsHandler[C any](m *Manager[C], opts *HandlerOptions) (http.Handler, error) {
	e, err := newEndpoint(opts, []string{http.MethodGet, http.MethodHead, http.MethodDelete}, required(m != nil, "Manager"))
	if err != nil {
		return nil, err
	}
	e.serve = func(w http.ResponseWriter, r *http.Request) error {
		claims, err := requiredClaims(r, "SessionsHandler")
		if err != nil {
			return err
		}
		if r.Method == http.MethodDelete {
			return endSession(e, w, r, m, claims)
		}
		return listSessions(w, r, m, claims)
	}
	return e, nil
}

// EndOthersHandler returns a handler that ends all sessions of the user except the current one. It accepts POST and
// DELETE and responds with a 204. If the current session has ended, it ends none and responds with a 401. Mount it
// behind a middleware's Require; without one, every response is a 500. If arguments are invalid, EndOthersHandler
// returns a usher.ConfigError for each of them, joined.
func EndOthersHandler[C any](m *Manager[C], opts *HandlerOptions) (http.Handler, error) {
	e, err := newEndpoint(opts, []string{http.MethodPost, http.MethodDelete}, required(m != nil, "Manager"))
	if err != nil {
		return nil, err
	}
	e.serve = func(w http.ResponseWriter, r *http.Request) error {
		claims, err := requiredClaims(r, "EndOthersHandler")
		if err != nil {
			return err
		}
		if !isSessionID(claims.SessionID) {
			return &usher.Rejection{Status: http.StatusForbidden, Description: "The access token belongs to no session.", Err: usher.ErrForbidden}
		}
		alive, err := m.List(r.Context(), claims.Subject)
		if err != nil {
			return err
		}
		// If the current session has ended, EndOthers would end all. The holder of such a token must not end any.
		if !slices.ContainsFunc(alive, func(s Session) bool { return s.ID == claims.SessionID }) {
			return ErrSessionEnded
		}
		if err := m.EndOthers(r.Context(), claims.Subject, claims.SessionID); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return e, nil
}

// requiredClaims returns the claims that a middleware has put into the request's context.
func requiredClaims(r *http.Request, handler string) (*usher.Claims, error) {
	claims, ok := usher.ClaimsFromContext[usher.Claims](r.Context())
	if !ok {
		return nil, errors.New("session: " + handler + " must be mounted behind a middleware's Require")
	}
	return claims, nil
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

func endSession[C any](e *endpoint, w http.ResponseWriter, r *http.Request, m *Manager[C], claims *usher.Claims) error {
	id := e.opts.SessionID(r)
	err := m.EndSession(r.Context(), claims.Subject, id)
	switch {
	case errors.Is(err, ErrSessionEnded):
		return &usher.Rejection{Status: http.StatusNotFound, Description: "There is no such session.", Err: err}
	case err != nil:
		return err
	case id == claims.SessionID:
		e.respondLoggedOut(w)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}
