//go:build !alone || jwtauth

package main

import (
	"net/http"

	chiauth "github.com/go-chi/jwtauth/v5"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

var _ = enter("jwtauth", entry{contenders: []*contender{jwtauth()}})

// jwtauth is chi's middleware; it needs no router.
func jwtauth() *contender {
	return &contender{
		name: nameJWTAuth, module: "github.com/go-chi/jwtauth/v5",
		with: []string{"github.com/lestrrat-go/jwx/v2"},
		note: "`Verifier` and `Authenticator` in front of the handler, which reads the map of `FromContext`.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			ja := newJWTAuth(s)
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, claims, _ := chiauth.FromContext(r.Context())
				caller, _ := claims[chiCaller(s)].(string)
				tenant, _ := claims["tenant"].(string)
				g.greet(w, caller, tenant)
			})
			return chiauth.Verifier(ja)(chiauth.Authenticator(ja)(handler)), nil
		},
		verify: func(s setup) (func(string) (string, error), error) {
			ja := newJWTAuth(s)
			return func(token string) (string, error) {
				verified, err := chiauth.VerifyToken(ja, token)
				if err != nil {
					return "", err
				}
				if s.size == 3 {
					return verified.Issuer(), nil
				}
				return verified.Subject(), nil
			}, nil
		},
		encode: func(s setup) (func() (string, error), error) {
			ja := newJWTAuth(s)
			claims, err := s.claimsMap(0)
			if err != nil {
				return nil, err
			}
			return func() (string, error) {
				_, token, err := ja.Encode(claims)
				return token, err
			}, nil
		},
		passes: []string{probeCrit, probeDuplicate, probeSpare},
	}
}

func newJWTAuth(s setup) *chiauth.JWTAuth {
	return chiauth.New(s.alg, s.signKey(), s.verifyKey(), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithRequiredClaim("exp"))
}

// chiCaller is the name of the claim that says who calls.
func chiCaller(s setup) string {
	if s.size == 3 {
		return "iss"
	}
	return "sub"
}
