// Package chirecipe protects the routes of a chi router. There is no glue: chi's middlewares are net/http's.
package chirecipe

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/go-usher/usher/session"
)

// Reject writes refusals in the service's own format, as MiddlewareOptions.Reject. Their headers have been set.
func Reject(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(rej.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": rej.Error()})
}

// New returns the routes of a service.
func New(auth *users.Auth, sessions *users.Sessions, ticks <-chan struct{}) (http.Handler, error) {
	own, err := session.SessionsHandler(sessions, nil) // chi sets net/http's path values
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	r.Get("/public", hello(auth))
	r.With(auth.Optional).Get("/hello", hello(auth))

	r.Group(func(r chi.Router) { // a group, rather than r.Use above: refusals are logged with their route
		r.Use(auth.Require)
		r.Get("/me", me(auth))
		r.With(auth.Allow(users.IsAdmin).Require).Get("/admin", me(auth))
		r.Post("/echo", users.Echo)
		r.Get("/stream", users.Stream(auth, ticks))
		r.Get("/panic", users.Panic)
		r.Method(http.MethodGet, "/sessions", own)
		r.Method(http.MethodDelete, "/sessions/{id}", own)
	})
	return r, nil
}

func hello(auth *users.Auth) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, users.Greeting(auth.User(r.Context())))
	}
}

func me(auth *users.Auth) http.HandlerFunc {
	return auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *users.User) {
		fmt.Fprint(w, user.Name)
	}).ServeHTTP
}
