// Package echo5recipe protects the routes of an echo v5 server.
package echo5recipe

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/go-usher/usher/session"
)

// glue:

// Protect is Require, or Optional if optional is true. Handlers find the user by auth.User(c.Request().Context()). A refusal is
// an echo.HTTPError that wraps the *usher.Rejection.
func Protect[C, U any](auth *usher.Middleware[C, U], optional bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			r, w := c.Request(), c.Response()
			r.Pattern = c.Path() // for logs
			ctx, header, rej := auth.Decide(r, optional)
			for name, values := range header {
				w.Header()[name] = append(w.Header()[name], values...)
			}
			if rej != nil {
				rej.SetHeaders(w.Header())
				return echo.NewHTTPError(rej.Status, rej.Error()).Wrap(rej)
			}
			*r = *r.WithContext(ctx) // in place: net/http removes the temporary files of the request that it made
			return next(c)
		}
	}
}

// end of glue

// New returns the routes of a service.
func New(auth *users.Auth, sessions *users.Sessions, ticks <-chan struct{}) (*echo.Echo, error) {
	own, err := session.SessionsHandler(sessions, nil)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(middleware.Recover())
	e.GET("/public", hello(auth))
	e.GET("/hello", hello(auth), Protect(auth, true))

	private := Protect(auth, false)
	e.GET("/me", me(auth), private)
	e.GET("/admin", me(auth), Protect(auth.Allow(users.IsAdmin), false))
	e.POST("/echo", echo.WrapHandler(http.HandlerFunc(users.Echo)), private)
	e.GET("/stream", echo.WrapHandler(users.Stream(auth, ticks)), private)
	e.GET("/panic", echo.WrapHandler(http.HandlerFunc(users.Panic)), private)
	e.GET("/sessions", echo.WrapHandler(own), private)
	e.DELETE("/sessions/:id", echo.WrapHandler(own), private)
	return e, nil
}

func hello(auth *users.Auth) echo.HandlerFunc {
	return func(c *echo.Context) error {
		return c.String(http.StatusOK, users.Greeting(auth.User(c.Request().Context())))
	}
}

func me(auth *users.Auth) echo.HandlerFunc {
	return func(c *echo.Context) error {
		user, ok := auth.User(c.Request().Context())
		if !ok {
			return errors.New("the route is not protected")
		}
		return c.String(http.StatusOK, user.Name)
	}
}
