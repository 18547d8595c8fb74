//go:build !alone || echojwt

package main

import (
	"errors"
	"net/http"
	"slices"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
)

var _ = enter("echojwt", entry{
	contenders: []*contender{echoJWT()},
	limits:     []limit{{nameNoEcho, noAuthEcho}},
})

type echo3 struct{ jwt.RegisteredClaims }

type echo8 struct {
	jwt.RegisteredClaims
	private
}

type echo40 struct {
	jwt.RegisteredClaims
	private
	extra
}

func (c *echo3) who() (string, string)  { return c.Issuer, "" }
func (c *echo8) who() (string, string)  { return c.Subject, c.Tenant }
func (c *echo40) who() (string, string) { return c.Subject, c.Tenant }

// Validate makes golang-jwt's default parser, which is what echo-jwt uses, check what it has options for.
func (c *echo3) Validate() error  { return echoValidate(&c.RegisteredClaims) }
func (c *echo8) Validate() error  { return echoValidate(&c.RegisteredClaims) }
func (c *echo40) Validate() error { return echoValidate(&c.RegisteredClaims) }

func echoValidate(c *jwt.RegisteredClaims) error {
	switch {
	case c.ExpiresAt == nil:
		return errors.New("no exp")
	case c.Issuer != issuer:
		return jwt.ErrTokenInvalidIssuer
	case !slices.Contains(c.Audience, audience):
		return jwt.ErrTokenInvalidAudience
	}
	return nil
}

// echoJWT is echo's middleware, behind echo's router.
func echoJWT() *contender {
	return &contender{
		name: "echo-jwt", module: "github.com/labstack/echo-jwt/v4",
		with: []string{"github.com/labstack/echo/v4", "github.com/golang-jwt/jwt/v5"},
		note: "In an `echo.Echo` with one route. It has no options for `iss`, `aud` and a required `exp`: a `Validate` " +
			"method of the claims checks them here.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			switch s.size {
			case 3:
				return echoMiddleware[echo3](s, g)
			case 8:
				return echoMiddleware[echo8](s, g)
			}
			return echoMiddleware[echo40](s, g)
		},
		passes: []string{probeCrit, probeDuplicate, probeFolded, probeSpare},
	}
}

func echoMiddleware[C any, P golangClaims[C]](s setup, g greeter) (http.Handler, error) {
	guard, err := echojwt.Config{
		SigningKey:    s.verifyKey(),
		SigningMethod: s.alg,
		NewClaimsFunc: func(echo.Context) jwt.Claims { return P(new(C)) },
	}.ToMiddleware()
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.GET("/", func(c echo.Context) error {
		token, ok := c.Get("user").(*jwt.Token)
		if !ok {
			return echo.ErrUnauthorized
		}
		g.greetClaims(c.Response(), token.Claims)
		return nil
	}, guard)
	return e, nil
}

// noAuthEcho is an unguarded handler behind echo's router.
func noAuthEcho(_ setup, g greeter) http.Handler {
	e := echo.New()
	e.GET("/", func(c echo.Context) error {
		g.greet(c.Response(), "anybody", "")
		return nil
	})
	return e
}
