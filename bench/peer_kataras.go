//go:build !alone || kataras

package main

import (
	"fmt"
	"net/http"

	"github.com/kataras/jwt"
)

var _ = enter("kataras", entry{contenders: []*contender{katarasJWT()}})

type kataras8 struct {
	jwt.Claims
	private
}

type kataras40 struct {
	jwt.Claims
	private40
}

func (c *kataras8) who() (string, string)  { return c.Subject, c.Tenant }
func (c *kataras40) who() (string, string) { return c.Subject, c.Tenant }

// katarasJWT is kataras' jwt, with a middleware by hand.
func katarasJWT() *contender {
	return &contender{
		name: "kataras/jwt by hand", module: "github.com/kataras/jwt",
		note: "`jwt.Verify` with `jwt.Expected`, and one line that asks for `exp`; the claims are then decoded once more, into " +
			"a struct. It accepts only the headers that it would have written.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			parse, err := katarasParse(s)
			if err != nil {
				return nil, err
			}
			return byHand(func(token string) (any, error) { return parse(token) }, claimsHandler(g)), nil
		},
		verify: func(s setup) (func(string) (string, error), error) {
			parse, err := katarasParse(s)
			if err != nil {
				return nil, err
			}
			return func(token string) (string, error) {
				claims, err := parse(token)
				if err != nil {
					return "", err
				}
				caller, _ := claims.who()
				return caller, nil
			}, nil
		},
		encode: func(s setup) (func() (string, error), error) {
			alg, err := katarasAlgorithm(s)
			if err != nil {
				return nil, err
			}
			key := s.signKey()
			claims := katarasEncodeClaims(s)
			return func() (string, error) {
				token, err := jwt.Sign(alg, key, claims)
				return string(token), err
			}, nil
		},
		ownHeaderOnly: true,
		passes:        []string{probeDuplicate, probeFolded, probeSpare},
	}
}

func katarasAlgorithm(s setup) (jwt.Alg, error) {
	switch s.alg {
	case "HS256":
		return jwt.HS256, nil
	case "RS256":
		return jwt.RS256, nil
	case "ES256":
		return jwt.ES256, nil
	case "EdDSA":
		return jwt.EdDSA, nil
	}
	return nil, fmt.Errorf("kataras/jwt knows no %s", s.alg)
}

// katarasService is what a token of 3 members is about; Verify has decoded those already.
type katarasService string

func (c katarasService) who() (string, string) { return string(c), "" }

func katarasParse(s setup) (func(string) (identified, error), error) {
	alg, err := katarasAlgorithm(s)
	if err != nil {
		return nil, err
	}
	key := s.verifyKey()
	want := jwt.Expected{Issuer: issuer, Audience: jwt.Audience{audience}}
	return func(text string) (identified, error) {
		token, err := jwt.Verify(alg, key, []byte(text), want)
		if err != nil {
			return nil, err
		}
		if token.StandardClaims.Expiry == 0 {
			return nil, jwt.ErrExpired
		}
		switch s.size {
		case 3:
			return katarasService(token.StandardClaims.Issuer), nil
		case 8:
			claims := &kataras8{Claims: token.StandardClaims}
			return claims, token.Claims(&claims.private)
		}
		claims := &kataras40{Claims: token.StandardClaims}
		return claims, token.Claims(&claims.private40)
	}, nil
}

func katarasEncodeClaims(s setup) any {
	reg, priv, ext := s.claims(0)
	claims := jwt.Claims{
		Issuer: reg.Issuer, Subject: reg.Subject, Audience: jwt.Audience{reg.Audience}, ID: reg.ID,
		Expiry: reg.Expires, IssuedAt: reg.IssuedAt,
	}
	if s.size == 8 {
		return kataras8{claims, priv}
	}
	return kataras40{claims, private40{priv, ext}}
}
