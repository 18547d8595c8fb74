// Package muxrecipe protects the routes of a gorilla/mux router. There is no glue but for the sessions' path values.
package muxrecipe

import (
	"fmt"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/go-usher/usher/session"
)

// glue:

// SessionID is HandlerOptions.SessionID: the path values of gorilla/mux are not net/http's.
func SessionID(r *http.Request) string { return mux.Vars(r)["id"] }

// end of glue

// New returns the routes of a service.
func New(auth *users.Auth, sessions *users.Sessions, ticks <-chan struct{}) (http.Handler, error) {
	own, err := session.SessionsHandler(sessions, &session.HandlerOptions{SessionID: SessionID})
	if err != nil {
		return nil, err
	}
	r := mux.NewRouter()
	r.Use(recoverer)
	r.Handle("/public", hello(auth)).Methods(http.MethodGet)
	r.Handle("/hello", auth.Optional(hello(auth))).Methods(http.MethodGet)

	private := r.NewRoute().Subrouter()
	private.Use(auth.Require)
	private.Handle("/me", me(auth)).Methods(http.MethodGet)
	private.Handle("/admin", me(auth.Allow(users.IsAdmin))).Methods(http.MethodGet)
	private.HandleFunc("/echo", users.Echo).Methods(http.MethodPost)
	private.HandleFunc("/stream", users.Stream(auth, ticks)).Methods(http.MethodGet)
	private.HandleFunc("/panic", users.Panic).Methods(http.MethodGet)
	private.Handle("/sessions", own).Methods(http.MethodGet)
	private.Handle("/sessions/{id}", own).Methods(http.MethodDelete)
	return r, nil
}

func hello(auth *users.Auth) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, users.Greeting(auth.User(r.Context())))
	})
}

func me(auth *users.Auth) http.Handler {
	return auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *users.User) {
		fmt.Fprint(w, user.Name)
	})
}

// recoverer stands in for handlers.RecoveryHandler of gorilla/handlers.
func recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
