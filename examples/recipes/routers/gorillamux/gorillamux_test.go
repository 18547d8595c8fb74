package muxrecipe_test

import (
	"net/http"
	"testing"

	"github.com/gorilla/mux"

	"github.com/go-usher/usher"
	muxrecipe "github.com/go-usher/usher/examples/recipes/routers/gorillamux"
	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
	"github.com/go-usher/usher/session"
)

func TestGorillaMux(t *testing.T) {
	routertest.Run(t, routertest.Recipe{
		Serve: func(t *testing.T, s *routertest.Service) string {
			return routertest.Serve(t, usher.Must(muxrecipe.New(s.Auth, s.Sessions, s.Ticks)))
		},
		Refusal:   routertest.Problem,
		Head:      http.StatusMethodNotAllowed, // Methods(http.MethodGet, http.MethodHead) serves them
		Preflight: http.StatusMethodNotAllowed,
		Route:     "", // the path is logged instead: mux.CurrentRoute(r) has the template
	})
}

// TestWithoutSessionIDNoSessionEnds is what happens if the glue is forgotten: mux does not set net/http's path values.
func TestWithoutSessionIDNoSessionEnds(t *testing.T) {
	s := routertest.NewService(t)
	own := usher.Must(session.SessionsHandler(s.Sessions, nil))
	router := mux.NewRouter()
	router.Handle("/sessions/{id}", s.Auth.Require(own)).Methods(http.MethodDelete)
	c := routertest.NewClient(t, routertest.Serve(t, router))

	token, id := s.Login(t, "1")
	s.Login(t, "1")
	if got := c.Do("DELETE /sessions/"+id, routertest.Bearer(token)); got.Status != http.StatusNotFound {
		t.Errorf("DELETE /sessions/{id} without an id: %d, want 404", got.Status)
	}
	if alive := usher.Must(s.Sessions.List(t.Context(), "1")); len(alive) != 2 {
		t.Errorf("%d sessions are alive, want both", len(alive))
	}
}

// TestAMiddlewareThatIsUsedLateProtectsEarlierRoutesToo tells gorilla/mux from gin and fiber.
func TestAMiddlewareThatIsUsedLateProtectsEarlierRoutesToo(t *testing.T) {
	s := routertest.NewService(t)
	router := mux.NewRouter()
	router.HandleFunc("/me", func(http.ResponseWriter, *http.Request) {})
	router.Use(s.Auth.Require)
	c := routertest.NewClient(t, routertest.Serve(t, router))
	if got := c.Do("GET /me"); got.Status != http.StatusUnauthorized {
		t.Errorf("GET /me: %d, want 401", got.Status)
	}
}
