//go:build !alone || golangjwt || echojwt

package main

import (
	"net/http"

	"github.com/golang-jwt/jwt/v5"
)

var _ = enter("golangjwt", entry{contenders: []*contender{golangJWT()}})

type golang3 struct{ jwt.RegisteredClaims }

type golang8 struct {
	jwt.RegisteredClaims
	private
}

type golang40 struct {
	jwt.RegisteredClaims
	private
	extra
}

func (c *golang3) who() (string, string)  { return c.Issuer, "" }
func (c *golang8) who() (string, string)  { return c.Subject, c.Tenant }
func (c *golang40) who() (string, string) { return c.Subject, c.Tenant }

// golangClaims are pointers to the types above.
type golangClaims[C any] interface {
	*C
	jwt.Claims
	identified
}

// golangJWT is the library that most services use, with a parser that is set up once.
func golangJWT() *contender {
	return &contender{
		name: nameGolangJWT, module: "github.com/golang-jwt/jwt/v5",
		note: "A middleware of ten lines around one `jwt.Parser` with all of its options set.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			switch s.size {
			case 3:
				return golangMiddleware[golang3](s, g), nil
			case 8:
				return golangMiddleware[golang8](s, g), nil
			}
			return golangMiddleware[golang40](s, g), nil
		},
		verify: func(s setup) (func(string) (string, error), error) {
			switch s.size {
			case 3:
				return golangVerify[golang3](s), nil
			case 8:
				return golangVerify[golang8](s), nil
			}
			return golangVerify[golang40](s), nil
		},
		encode: func(s setup) (func() (string, error), error) {
			method, key := jwt.GetSigningMethod(s.alg), s.signKey()
			claims := golangEncodeClaims(s)
			return func() (string, error) { return jwt.NewWithClaims(method, claims).SignedString(key) }, nil
		},
		passes: []string{probeCrit, probeDuplicate, probeFolded, probeSpare},
	}
}

func golangParser(s setup) *jwt.Parser {
	return jwt.NewParser(jwt.WithValidMethods([]string{s.alg}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired())
}

func golangParse[C any, P golangClaims[C]](s setup) func(string) (P, error) {
	parser, key := golangParser(s), s.verifyKey()
	return func(token string) (P, error) {
		claims := P(new(C))
		_, err := parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key, nil })
		return claims, err
	}
}

func golangVerify[C any, P golangClaims[C]](s setup) func(string) (string, error) {
	parse := golangParse[C, P](s)
	return func(token string) (string, error) {
		claims, err := parse(token)
		if err != nil {
			return "", err
		}
		caller, _ := claims.who()
		return caller, nil
	}
}

func golangMiddleware[C any, P golangClaims[C]](s setup, g greeter) http.Handler {
	parse := golangParse[C, P](s)
	return byHand(func(token string) (any, error) { return parse(token) }, claimsHandler(g))
}

func golangEncodeClaims(s setup) jwt.Claims {
	reg, priv, ext := s.claims(0)
	claims := jwt.RegisteredClaims{
		Issuer: reg.Issuer, Subject: reg.Subject, Audience: jwt.ClaimStrings{reg.Audience}, ID: reg.ID,
		ExpiresAt: jwt.NewNumericDate(unix(reg.Expires)), IssuedAt: jwt.NewNumericDate(unix(reg.IssuedAt)),
	}
	if s.size == 8 {
		return golang8{claims, priv}
	}
	return golang40{claims, priv, ext}
}
