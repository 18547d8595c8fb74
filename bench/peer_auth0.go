//go:build !alone || auth0

package main

import (
	"context"
	"errors"
	"net/http"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/validator"
)

var _ = enter("auth0", entry{contenders: []*contender{auth0()}})

type auth0Private8 struct{ private }

type auth0Private40 struct{ private40 }

func (*auth0Private8) Validate(context.Context) error  { return nil }
func (*auth0Private40) Validate(context.Context) error { return nil }

func (c *auth0Private8) tenant() string  { return c.Tenant }
func (c *auth0Private40) tenant() string { return c.Tenant }

// auth0 is Auth0's middleware with its own validator.
func auth0() *contender {
	return &contender{
		name: "auth0/go-jwt-middleware", module: "github.com/auth0/go-jwt-middleware/v2",
		with: []string{"gopkg.in/go-jose/go-jose.v2"},
		note: "`CheckJWT` with its validator; private claims through `WithCustomClaims`. It issues nothing.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			v, err := auth0Validator(s)
			if err != nil {
				return nil, err
			}
			return jwtmiddleware.New(v.ValidateToken).CheckJWT(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				claims, ok := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
				if !ok {
					unauthorized(w)
					return
				}
				custom, ok := claims.CustomClaims.(interface{ tenant() string })
				if !ok { // the token of a service, which has none
					g.greet(w, claims.RegisteredClaims.Issuer, "")
					return
				}
				g.greet(w, claims.RegisteredClaims.Subject, custom.tenant())
			})), nil
		},
		verify: func(s setup) (func(string) (string, error), error) {
			v, err := auth0Validator(s)
			if err != nil {
				return nil, err
			}
			return func(token string) (string, error) {
				verified, err := v.ValidateToken(context.Background(), token)
				if err != nil {
					return "", err
				}
				claims, ok := verified.(*validator.ValidatedClaims)
				switch {
				case !ok:
					return "", errors.New("verified to something else")
				case s.size == 3:
					return claims.RegisteredClaims.Issuer, nil
				}
				return claims.RegisteredClaims.Subject, nil
			}, nil
		},
		passes: []string{probeNoExpiry, probeSpare},
	}
}

func auth0Validator(s setup) (*validator.Validator, error) {
	var options []validator.Option
	switch s.size {
	case 8:
		options = append(options, validator.WithCustomClaims(func() validator.CustomClaims { return new(auth0Private8) }))
	case 40:
		options = append(options, validator.WithCustomClaims(func() validator.CustomClaims { return new(auth0Private40) }))
	}
	key := s.verifyKey()
	return validator.New(func(context.Context) (any, error) { return key, nil }, validator.SignatureAlgorithm(s.alg),
		issuer, []string{audience}, options...)
}
