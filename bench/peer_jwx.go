//go:build !alone || jwx

package main

import (
	"fmt"
	"net/http"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

var _ = enter("jwx", entry{contenders: []*contender{jwx()}})

// jwx is lestrrat's library, with a middleware by hand.
func jwx() *contender {
	return &contender{
		name: "lestrrat-go/jwx by hand", module: "github.com/lestrrat-go/jwx/v3",
		note: "`jwt.Parse` with options that are made once; the handler asks the token for its claims.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			options, err := jwxOptions(s)
			if err != nil {
				return nil, err
			}
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token, ok := r.Context().Value(contextKey{}).(jwt.Token)
				if !ok {
					unauthorized(w)
					return
				}
				if s.size == 3 {
					caller, _ := token.Issuer()
					g.greet(w, caller, "")
					return
				}
				caller, _ := token.Subject()
				var tenant string
				if err := token.Get("tenant", &tenant); err != nil {
					unauthorized(w)
					return
				}
				g.greet(w, caller, tenant)
			})
			return byHand(func(text string) (any, error) { return jwt.ParseString(text, options...) }, handler), nil
		},
		verify: func(s setup) (func(string) (string, error), error) {
			options, err := jwxOptions(s)
			if err != nil {
				return nil, err
			}
			return func(text string) (string, error) {
				token, err := jwt.ParseString(text, options...)
				if err != nil {
					return "", err
				}
				if s.size == 3 {
					caller, _ := token.Issuer()
					return caller, nil
				}
				caller, _ := token.Subject()
				return caller, nil
			}, nil
		},
		encode: func(s setup) (func() (string, error), error) {
			alg, err := jwxAlgorithm(s)
			if err != nil {
				return nil, err
			}
			reg, _, _ := s.claims(0)
			all, err := s.claimsMap(0)
			if err != nil {
				return nil, err
			}
			for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti"} {
				delete(all, name) // the builder has methods for these
			}
			key := jwt.WithKey(alg, s.signKey())
			return func() (string, error) {
				builder := jwt.NewBuilder().Issuer(reg.Issuer).Subject(reg.Subject).Audience([]string{reg.Audience}).
					Expiration(unix(reg.Expires)).IssuedAt(unix(reg.IssuedAt)).JwtID(reg.ID)
				for name, value := range all {
					builder = builder.Claim(name, value)
				}
				token, err := builder.Build()
				if err != nil {
					return "", err
				}
				signed, err := jwt.Sign(token, key)
				return string(signed), err
			}, nil
		},
		passes: []string{probeDuplicate, probeSpare},
	}
}

func jwxAlgorithm(s setup) (jwa.SignatureAlgorithm, error) {
	alg, known := jwa.LookupSignatureAlgorithm(s.alg)
	if !known {
		return alg, fmt.Errorf("jwx knows no %s", s.alg)
	}
	return alg, nil
}

func jwxOptions(s setup) ([]jwt.ParseOption, error) {
	alg, err := jwxAlgorithm(s)
	if err != nil {
		return nil, err
	}
	return []jwt.ParseOption{jwt.WithKey(alg, s.verifyKey()), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithRequiredClaim("exp")}, nil
}
