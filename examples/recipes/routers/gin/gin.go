// Package ginrecipe protects the routes of a gin engine.
package ginrecipe

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/go-usher/usher/session"
)

// glue:

// Protect is Require, or Optional if optional is true. Handlers find the user by auth.User(c.Request.Context()). A refusal is
// the error of the context, for a handler of errors; without one it has no body.
func Protect[C, U any](auth *usher.Middleware[C, U], optional bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Pattern = c.FullPath() // for logs
		for _, param := range c.Params { // for handlers of net/http
			c.Request.SetPathValue(param.Key, param.Value)
		}
		ctx, header, rej := auth.Decide(c.Request, optional)
		for name, values := range header {
			c.Writer.Header()[name] = append(c.Writer.Header()[name], values...)
		}
		if rej != nil {
			rej.SetHeaders(c.Writer.Header())
			c.Status(rej.Status)
			_ = c.Error(rej)
			c.Abort()
			return
		}
		*c.Request = *c.Request.WithContext(ctx) // in place: net/http removes the temporary files of the request that it made
	}
}

// end of glue

// Errors responds to the errors of the context in the service's own format.
func Errors(auth *users.Auth) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Next()
		if len(c.Errors) == 0 || c.Writer.Written() {
			return
		}
		rej := auth.Rejection(c.Errors.Last().Err)
		rej.SetHeaders(c.Writer.Header())
		c.JSON(rej.Status, gin.H{"error": rej.Error()})
	}
}

// New returns the routes of a service.
func New(auth *users.Auth, sessions *users.Sessions, ticks <-chan struct{}) (*gin.Engine, error) {
	own, err := session.SessionsHandler(sessions, nil)
	if err != nil {
		return nil, err
	}
	r := gin.New()
	r.Use(gin.Recovery(), Errors(auth))
	r.GET("/public", hello(auth))
	r.GET("/hello", Protect(auth, true), hello(auth))
	r.GET("/admin", Protect(auth.Allow(users.IsAdmin), false), me(auth))

	private := r.Group("/", Protect(auth, false)) // for routes with no other Protect: each decides anew
	private.GET("/me", me(auth))
	private.POST("/echo", gin.WrapF(users.Echo))
	private.GET("/stream", gin.WrapF(users.Stream(auth, ticks)))
	private.GET("/panic", gin.WrapF(users.Panic))
	private.GET("/sessions", gin.WrapH(own))
	private.DELETE("/sessions/:id", gin.WrapH(own))
	return r, nil
}

func hello(auth *users.Auth) gin.HandlerFunc {
	return func(c *gin.Context) { c.String(http.StatusOK, users.Greeting(auth.User(c.Request.Context()))) }
}

func me(auth *users.Auth) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, ok := auth.User(c.Request.Context())
		if !ok {
			_ = c.Error(errors.New("the route is not protected"))
			return
		}
		c.String(http.StatusOK, user.Name)
	}
}
