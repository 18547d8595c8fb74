package echo4recipe_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/go-usher/usher"
	echo4recipe "github.com/go-usher/usher/examples/recipes/routers/echo4"
	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
)

func TestEcho4(t *testing.T) {
	routertest.Run(t, routertest.Recipe{
		Serve: func(t *testing.T, s *routertest.Service) string {
			return routertest.Serve(t, usher.Must(echo4recipe.New(s.Auth, s.Sessions, s.Ticks)))
		},
		Refusal:   func(_ int, description string) string { return fmt.Sprintf(`{"message":%q}`, description) },
		Head:      http.StatusMethodNotAllowed,
		Preflight: http.StatusNoContent,
		Route:     "/me",
	})
}

// serve serves routes that a test adds to a server.
func serve(t *testing.T, add func(e *echo.Echo)) *routertest.Client {
	t.Helper()
	e := echo.New()
	add(e)
	return routertest.NewClient(t, routertest.Serve(t, e))
}

func name(s *routertest.Service) echo.HandlerFunc {
	return func(c echo.Context) error {
		user, _ := s.Auth.User(c.Request().Context())
		return c.String(http.StatusOK, user.Name)
	}
}

// TestAnErrorHandlerGetsTheRejection: with its Reason, and its status even without the headers.
func TestAnErrorHandlerGetsTheRejection(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, func(e *echo.Echo) {
		e.HTTPErrorHandler = func(err error, c echo.Context) {
			if rej, ok := errors.AsType[*usher.Rejection](err); ok {
				_ = c.JSON(rej.Status, map[string]string{"reason": rej.Reason()})
			}
		}
		e.GET("/me", name(s), echo4recipe.Protect(s.Auth, false))
	})
	if got := c.Do("GET /me"); got.Status != http.StatusUnauthorized || got.Body != "{\"reason\":\"no_token\"}\n" || got.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("%d %q %v, want a 401 with the reason and a challenge", got.Status, got.Body, got.Header)
	}
}

// TestDebugShowsNoCause: echo's Debug shows clients the text of errors, and a Rejection's is safe.
func TestDebugShowsNoCause(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, func(e *echo.Echo) {
		e.Debug = true
		e.GET("/me", name(s), echo4recipe.Protect(s.Auth, false))
	})
	token, _ := s.Login(t, "unreachable")
	const want = "{\n  \"error\": \"code=503, message=Try again later., internal=Try again later.\",\n  \"message\": \"Try again later.\"\n}\n"
	if got := c.Do("GET /me", routertest.Bearer(token)); got.Body != want {
		t.Errorf("the client sees %q, want %q", got.Body, want)
	}
}

// TestWrapMiddlewareWorksInUshersFormat is the way without glue: refusals are usher's own problems.
func TestWrapMiddlewareWorksInUshersFormat(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, func(e *echo.Echo) { e.GET("/me", name(s), echo.WrapMiddleware(s.Auth.Require)) })
	token, _ := s.Login(t, "1")
	if got := c.Do("GET /me", routertest.Bearer(token)); got.Body != "Alice" {
		t.Errorf("with a token: %d %q, want Alice", got.Status, got.Body)
	}
	want := routertest.Problem(http.StatusUnauthorized, "An access token is required.") + "\n"
	if got := c.Do("GET /me"); got.Status != http.StatusUnauthorized || got.Body != want {
		t.Errorf("without a token: %d %q, want %q", got.Status, got.Body, want)
	}
}

// TestAGroupsUseProtectsOnlyTheRoutesBelowIt is why a group wants its middleware as an argument of Group.
func TestAGroupsUseProtectsOnlyTheRoutesBelowIt(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, func(e *echo.Echo) {
		public := func(c echo.Context) error { return c.NoContent(http.StatusOK) }
		group := e.Group("/group")
		group.GET("/above", public)
		group.Use(echo4recipe.Protect(s.Auth, false))
		group.GET("/below", public)
	})
	if above, below := c.Do("GET /group/above").Status, c.Do("GET /group/below").Status; above != http.StatusOK || below != http.StatusUnauthorized {
		t.Errorf("above Use: %d, below: %d, want 200 and 401", above, below)
	}
}

// TestAGroupWithoutAPrefixCatchesAllOtherRoutes is why the recipe gives the middleware to each route: a group with a middleware
// answers what nobody else does below its prefix, and so asks preflights for a token.
func TestAGroupWithoutAPrefixCatchesAllOtherRoutes(t *testing.T) {
	for prefix, want := range map[string]int{"": http.StatusUnauthorized, "/api": http.StatusNoContent} {
		s := routertest.NewService(t)
		c := serve(t, func(e *echo.Echo) {
			ok := func(c echo.Context) error { return c.NoContent(http.StatusOK) }
			e.GET("/public", ok)
			e.Group(prefix, echo4recipe.Protect(s.Auth, false)).GET("/me", ok)
		})
		if got := c.Do("OPTIONS /public"); got.Status != want {
			t.Errorf("beside a group with the prefix %q, OPTIONS /public: %d, want %d", prefix, got.Status, want)
		}
	}
}

func TestHeadersOfOtherMiddlewaresStay(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, func(e *echo.Echo) {
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				c.Response().Header().Add("Vary", "Origin")
				return next(c)
			}
		}, echo4recipe.Protect(s.Auth, false))
		e.GET("/me", name(s))
	})
	token, _ := s.Login(t, "1")
	for _, token := range []string{token, "bad"} {
		if got := c.Do("GET /me", routertest.Bearer(token)); len(got.Header.Values("Vary")) < 2 || got.Header.Get("Vary") != "Origin" {
			t.Errorf("%d with Vary %q, want Origin first and usher's after it", got.Status, got.Header.Values("Vary"))
		}
	}
}

func TestUploadedFilesAreRemoved(t *testing.T) {
	routertest.UploadsAreRemoved(t, func(s *routertest.Service, size func(*http.Request) int64) http.Handler {
		e := echo.New()
		e.POST("/upload", func(c echo.Context) error {
			return c.String(http.StatusOK, fmt.Sprint(size(c.Request())))
		}, echo4recipe.Protect(s.Auth, false))
		return e
	})
}
