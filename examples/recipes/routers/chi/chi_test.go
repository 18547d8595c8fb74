package chirecipe_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/go-usher/usher"
	chirecipe "github.com/go-usher/usher/examples/recipes/routers/chi"
	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
)

func TestChi(t *testing.T) {
	routertest.Run(t, routertest.Recipe{
		Serve: func(t *testing.T, s *routertest.Service) string {
			return routertest.Serve(t, usher.Must(chirecipe.New(s.Auth, s.Sessions, s.Ticks)))
		},
		Options:   func(o *usher.MiddlewareOptions) { o.Reject = chirecipe.Reject },
		Refusal:   func(_ int, description string) string { return fmt.Sprintf(`{"error":%q}`, description) },
		Head:      http.StatusMethodNotAllowed, // chi's middleware.GetHead routes them to GET
		Preflight: http.StatusMethodNotAllowed,
		Route:     "/me",
	})
}

// TestAboveTheRoutesThereIsNoPatternYet is why the recipe uses a group.
func TestAboveTheRoutesThereIsNoPatternYet(t *testing.T) {
	refused := make(chan string, 1)
	s := routertest.NewService(t, func(o *usher.MiddlewareOptions) {
		o.Observe = func(r *http.Request, _ *usher.Rejection) { refused <- r.Pattern }
	})
	router := chi.NewRouter()
	router.Use(s.Auth.Require)
	router.Get("/posts/{id}", func(http.ResponseWriter, *http.Request) {})
	c := routertest.NewClient(t, routertest.Serve(t, router))

	if got := c.Do("GET /posts/1"); got.Status != http.StatusUnauthorized {
		t.Errorf("GET /posts/1: %d, want 401", got.Status)
	}
	if pattern := <-refused; pattern != "" {
		t.Errorf("the pattern is %q: chi knows it now, and the recipe need not use a group", pattern)
	}
	if got := c.Do("GET /no/such/route"); got.Status != http.StatusUnauthorized {
		t.Errorf("a route that does not exist: %d, want 401, as r.Use hides it", got.Status)
	}
}
