// Package fiber2recipe protects the routes of a fiber v2 app.
package fiber2recipe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	recoverer "github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/go-usher/usher/session"
)

// glue:

// Protect is Require, or Optional if optional is true. Handlers find the user by auth.User(c.UserContext()). A refusal is a
// *fiber.Error for the app's ErrorHandler; its headers have been set.
func Protect[C, U any](auth *usher.Middleware[C, U], optional bool) fiber.Handler {
	return func(c *fiber.Ctx) error {
		r, err := Request(c)
		if err != nil {
			return err
		}
		ctx, header, rej := auth.Decide(r, optional)
		if header == nil {
			header = http.Header{}
		}
		if rej != nil {
			rej.SetHeaders(header)
		}
		for name, values := range header {
			for _, value := range values {
				c.Response().Header.Add(name, value)
			}
		}
		if rej != nil {
			return fiber.NewError(rej.Status, rej.Error())
		}
		c.SetUserContext(ctx)
		return c.Next()
	}
}

// Request returns a request without its body. Everything in it is a copy, because fasthttp reuses its memory for the next
// request; all headers are there, because two tokens are a 400. fiber's adaptor copies nothing, and before fasthttp 1.72 it
// has one header of a name.
func Request(c *fiber.Ctx) (*http.Request, error) {
	uri := string(c.Request().RequestURI())
	to, err := url.ParseRequestURI(uri)
	if err != nil {
		return nil, fiber.ErrBadRequest
	}
	r := &http.Request{
		Method: string(c.Request().Header.Method()), URL: to, RequestURI: uri, Host: string(c.Request().Host()),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, ContentLength: int64(c.Request().Header.ContentLength()),
		RemoteAddr: c.Context().RemoteAddr().String(), TLS: c.Context().TLSConnectionState(),
		Pattern: c.Route().Path,
	}
	for name, value := range c.Request().Header.All() {
		r.Header.Add(string(name), string(value))
	}
	for _, name := range c.Route().Params { // for handlers of net/http
		r.SetPathValue(name, strings.Clone(c.Params(name)))
	}
	return r.WithContext(c.UserContext()), nil
}

// Handler mounts a handler of net/http that wants the user, such as session's, behind Protect. fiber's adaptor loses the user.
func Handler(h http.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		r, err := Request(c)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(c.Request().Body()))
		fasthttpadaptor.NewFastHTTPHandlerFunc(func(w http.ResponseWriter, _ *http.Request) { h.ServeHTTP(w, r) })(c.Context())
		return nil
	}
}

// end of glue

// Errors responds to errors of handlers in the service's own format.
func Errors(auth *users.Auth) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		rej := auth.Rejection(err)
		status, text := rej.Status, rej.Error()
		if known, ok := errors.AsType[*fiber.Error](err); ok { // Protect's, and those of fiber itself
			status, text = known.Code, known.Message
		}
		return c.Status(status).JSON(fiber.Map{"error": text})
	}
}

// New returns the routes of a service.
func New(auth *users.Auth, sessions *users.Sessions, ticks <-chan struct{}) (*fiber.App, error) {
	own, err := session.SessionsHandler(sessions, nil)
	if err != nil {
		return nil, err
	}
	app := fiber.New(fiber.Config{ErrorHandler: Errors(auth), DisableStartupMessage: true})
	app.Use(recoverer.New())
	app.Get("/public", hello(auth))
	app.Get("/hello", Protect(auth, true), hello(auth))

	private := Protect(auth, false)
	app.Get("/me", private, me(auth))
	app.Get("/admin", Protect(auth.Allow(users.IsAdmin), false), me(auth))
	app.Post("/echo", private, func(c *fiber.Ctx) error { return c.Send(c.Body()) })
	app.Get("/stream", private, stream(auth, ticks))
	app.Get("/panic", private, func(*fiber.Ctx) error { panic("a bug in a handler") })
	app.Get("/sessions", private, Handler(own))
	app.Delete("/sessions/:id", private, Handler(own))
	return app, nil
}

func hello(auth *users.Auth) fiber.Handler {
	return func(c *fiber.Ctx) error { return c.SendString(users.Greeting(auth.User(c.UserContext()))) }
}

func me(auth *users.Auth) fiber.Handler {
	return func(c *fiber.Ctx) error {
		user, ok := auth.User(c.UserContext())
		if !ok {
			return errors.New("the route is not protected")
		}
		return c.SendString(user.Name)
	}
}

// stream writes a line at once and another for each tick. It ends when the token does. fasthttp does not say that a client
// has hung up, so that the stream ends when it next writes.
func stream(auth *users.Auth, ticks <-chan struct{}) fiber.Handler {
	return func(c *fiber.Ctx) error {
		r, err := Request(c) // the writer below runs when c belongs to another request
		if err != nil {
			return err
		}
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			for {
				fmt.Fprintln(w, "tick")
				if w.Flush() != nil {
					return
				}
				<-ticks
				if _, err := auth.Authenticate(r); err != nil {
					return
				}
			}
		})
		return nil
	}
}
