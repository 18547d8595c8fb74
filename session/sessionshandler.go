package session

import (
	"errors"
	"net/http"

	"github.com/go-usher/usher"
)

// SessionsHandler returns a handler for the user's own sessions. Mount it behind a middleware's Require under three
// patterns:
//
//	GET /sessions           lists them: {"sessions": [{"id", "current", "started_at", …}]}
//	DELETE /sessions        ends all sessions except the current one: 204
//	DELETE /sessions/{id}   ends one session: 204, or 404 if the user has no such session
//
// Without a middleware every response is a 500. If arguments are invalid, SessionsHandler returns a usher.ConfigError
// for each of them, joined.
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
