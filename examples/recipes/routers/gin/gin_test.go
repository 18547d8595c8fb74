package ginrecipe_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/go-usher/usher"
	ginrecipe "github.com/go-usher/usher/examples/recipes/routers/gin"
	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

func TestGin(t *testing.T) {
	routertest.Run(t, routertest.Recipe{
		Serve: func(t *testing.T, s *routertest.Service) string {
			return routertest.Serve(t, usher.Must(ginrecipe.New(s.Auth, s.Sessions, s.Ticks)))
		},
		Refusal:   func(_ int, description string) string { return fmt.Sprintf(`{"error":%q}`, description) },
		Head:      http.StatusNotFound,
		Preflight: http.StatusNotFound,
		Route:     "/me",
	})
}

// serve serves routes that a test adds to an engine.
func serve(t *testing.T, s *routertest.Service, add func(r *gin.Engine)) *routertest.Client {
	t.Helper()
	r := gin.New()
	add(r)
	return routertest.NewClient(t, routertest.Serve(t, r))
}

func name(s *routertest.Service) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, ok := s.Auth.User(c.Request.Context())
		if !ok {
			c.String(http.StatusOK, "nobody")
			return
		}
		c.String(http.StatusOK, user.Name)
	}
}

// TestWrapHRunsTheNextHandlerAfterA401 is the wrong way. It fails if gin ever stops by itself.
func TestWrapHRunsTheNextHandlerAfterA401(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, s, func(r *gin.Engine) {
		nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		r.GET("/me", gin.WrapH(s.Auth.Require(nothing)), name(s))
	})
	got := c.Do("GET /me")
	if got.Status != http.StatusUnauthorized || !strings.HasSuffix(got.Body, "nobody") {
		t.Errorf("%d %q: gin.WrapH as a middleware does not run the next handler any more", got.Status, got.Body)
	}
}

func TestARefusalWithoutAHandlerOfErrorsHasItsStatus(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, s, func(r *gin.Engine) { r.GET("/me", ginrecipe.Protect(s.Auth, false), name(s)) })
	if got := c.Do("GET /me"); got.Status != http.StatusUnauthorized || got.Body != "" || got.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("%d %q %v, want a bare 401", got.Status, got.Body, got.Header)
	}
}

// TestTheUserIsInTheRequestsContext: gin.Context is a context too, but it asks the request's only if it is told to.
func TestTheUserIsInTheRequestsContext(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		s := routertest.NewService(t)
		c := serve(t, s, func(r *gin.Engine) {
			r.ContextWithFallback = fallback
			r.GET("/me", ginrecipe.Protect(s.Auth, false), func(c *gin.Context) {
				_, byGin := s.Auth.User(c)
				_, byRequest := s.Auth.User(c.Request.Context())
				c.String(http.StatusOK, "%t %t", byGin, byRequest)
			})
		})
		token, _ := s.Login(t, "1")
		if got, want := c.Do("GET /me", routertest.Bearer(token)).Body, fmt.Sprintf("%t true", fallback); got != want {
			t.Errorf("with ContextWithFallback %t, the user is found %q, want %q", fallback, got, want)
		}
	}
}

// TestUseProtectsOnlyTheRoutesBelowIt is why the recipe gives the middleware to the group.
func TestUseProtectsOnlyTheRoutesBelowIt(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, s, func(r *gin.Engine) {
		r.GET("/above", name(s))
		r.Use(ginrecipe.Protect(s.Auth, false))
		r.GET("/below", name(s))
	})
	if above, below := c.Do("GET /above").Status, c.Do("GET /below").Status; above != http.StatusOK || below != http.StatusUnauthorized {
		t.Errorf("above Use: %d, below: %d, want 200 and 401", above, below)
	}
}

func TestHeadersOfOtherMiddlewaresStay(t *testing.T) {
	s := routertest.NewService(t)
	c := serve(t, s, func(r *gin.Engine) {
		r.Use(func(c *gin.Context) { c.Writer.Header().Add("Vary", "Origin") }, ginrecipe.Protect(s.Auth, true))
		r.GET("/me", name(s))
	})
	for _, part := range []routertest.Part{routertest.Header("X-Nothing", ""), routertest.Bearer("bad")} {
		if got := c.Do("GET /me", part); len(got.Header.Values("Vary")) < 2 || got.Header.Get("Vary") != "Origin" {
			t.Errorf("%d with Vary %q, want Origin first and usher's after it", got.Status, got.Header.Values("Vary"))
		}
	}
}

func TestUploadedFilesAreRemoved(t *testing.T) {
	routertest.UploadsAreRemoved(t, func(s *routertest.Service, size func(*http.Request) int64) http.Handler {
		r := gin.New()
		r.POST("/upload", ginrecipe.Protect(s.Auth, false), func(c *gin.Context) {
			c.String(http.StatusOK, "%d", size(c.Request))
		})
		return r
	})
}
