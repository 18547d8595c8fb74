// Package httprouterrecipe protects the routes of an httprouter. There is no glue but for the sessions' path values.
package httprouterrecipe

import (
	"fmt"
	"net/http"

	"github.com/julienschmidt/httprouter"

	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/go-usher/usher/session"
)

// glue:

// SessionID is HandlerOptions.SessionID: Router.Handler keeps the path values in the context.
func SessionID(r *http.Request) string {
	return httprouter.ParamsFromContext(r.Context()).ByName("id")
}

// end of glue

// New returns the routes of a service.
func New(auth *users.Auth, sessions *users.Sessions, ticks <-chan struct{}) (http.Handler, error) {
	own, err := session.SessionsHandler(sessions, &session.HandlerOptions{SessionID: SessionID})
	if err != nil {
		return nil, err
	}
	r := httprouter.New()
	r.PanicHandler = func(w http.ResponseWriter, _ *http.Request, _ any) { w.WriteHeader(http.StatusInternalServerError) }
	r.Handler(http.MethodGet, "/public", hello(auth))
	r.Handler(http.MethodGet, "/hello", auth.Optional(hello(auth)))
	r.Handler(http.MethodGet, "/me", me(auth))
	r.Handler(http.MethodGet, "/admin", me(auth.Allow(users.IsAdmin)))
	r.Handler(http.MethodPost, "/echo", auth.Require(http.HandlerFunc(users.Echo)))
	r.Handler(http.MethodGet, "/stream", auth.Require(users.Stream(auth, ticks)))
	r.Handler(http.MethodGet, "/panic", auth.Require(http.HandlerFunc(users.Panic)))
	r.Handler(http.MethodGet, "/sessions", auth.Require(own))
	r.Handler(http.MethodDelete, "/sessions/:id", auth.Require(own))
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
