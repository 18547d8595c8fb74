package httprouterrecipe_test

import (
	"net/http"
	"testing"

	"github.com/go-usher/usher"
	httprouterrecipe "github.com/go-usher/usher/examples/recipes/routers/httprouter"
	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/julienschmidt/httprouter"
)

func TestHTTPRouter(t *testing.T) {
	routertest.Run(t, routertest.Recipe{
		Serve: func(t *testing.T, s *routertest.Service) string {
			return routertest.Serve(t, usher.Must(httprouterrecipe.New(s.Auth, s.Sessions, s.Ticks)))
		},
		Refusal:   routertest.Problem,
		Head:      http.StatusMethodNotAllowed,
		Preflight: http.StatusOK, // httprouter answers OPTIONS by itself, with the methods of the route and nothing more
		Route:     "",            // the path is logged instead
	})
}

// TestAnInnerRequireKeepsTheParams: usher's context is built on httprouter's.
func TestAnInnerRequireKeepsTheParams(t *testing.T) {
	s := routertest.NewService(t)
	router := httprouter.New()
	router.Handler(http.MethodGet, "/posts/:id", s.Auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *users.User) {
		_, _ = w.Write([]byte(user.Name + httprouter.ParamsFromContext(r.Context()).ByName("id")))
	}))
	c := routertest.NewClient(t, routertest.Serve(t, router))
	token, _ := s.Login(t, "1")
	if got := c.Do("GET /posts/42", routertest.Bearer(token)); got.Body != "Alice42" {
		t.Errorf("the handler wrote %q, want Alice42", got.Body)
	}
}

// TestAroundTheRouterRequireWorksToo: with a native Handle, which takes the params as an argument, Require goes around the
// whole router.
func TestAroundTheRouterRequireWorksToo(t *testing.T) {
	s := routertest.NewService(t)
	router := httprouter.New()
	router.GET("/posts/:id", func(w http.ResponseWriter, r *http.Request, params httprouter.Params) {
		user, _ := s.Auth.User(r.Context())
		_, _ = w.Write([]byte(user.Name + params.ByName("id")))
	})
	c := routertest.NewClient(t, routertest.Serve(t, s.Auth.Require(router)))
	token, _ := s.Login(t, "1")
	if got := c.Do("GET /posts/42", routertest.Bearer(token)); got.Body != "Alice42" {
		t.Errorf("the handler wrote %q, want Alice42", got.Body)
	}
	if got := c.Do("GET /posts/42"); got.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %d, want 401", got.Status)
	}
}
