//go:build !alone || gojose

package main

import (
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

var _ = enter("gojose", entry{contenders: []*contender{goJOSE()}})

type jose3 struct{ jwt.Claims }

type jose8 struct {
	jwt.Claims
	private
}

type jose40 struct {
	jwt.Claims
	private
	extra
}

func (c *jose3) who() (string, string)  { return c.Issuer, "" }
func (c *jose8) who() (string, string)  { return c.Subject, c.Tenant }
func (c *jose40) who() (string, string) { return c.Subject, c.Tenant }

func (c *jose3) common() *jwt.Claims  { return &c.Claims }
func (c *jose8) common() *jwt.Claims  { return &c.Claims }
func (c *jose40) common() *jwt.Claims { return &c.Claims }

// joseClaims are pointers to the types above.
type joseClaims[C any] interface {
	*C
	identified
	common() *jwt.Claims
}

// goJOSE is go-jose's jwt package, with a middleware by hand.
func goJOSE() *contender {
	return &contender{
		name: "go-jose by hand", module: "github.com/go-jose/go-jose/v4",
		note: "`jwt.ParseSigned`, `Claims` into one struct, `ValidateWithLeeway` with leeway 0, and one line that asks for `exp`.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			switch s.size {
			case 3:
				return joseMiddleware[jose3](s, g), nil
			case 8:
				return joseMiddleware[jose8](s, g), nil
			}
			return joseMiddleware[jose40](s, g), nil
		},
		verify: func(s setup) (func(string) (string, error), error) {
			switch s.size {
			case 3:
				return joseVerify[jose3](s), nil
			case 8:
				return joseVerify[jose8](s), nil
			}
			return joseVerify[jose40](s), nil
		},
		encode: func(s setup) (func() (string, error), error) {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.alg), Key: s.signKey()},
				(&jose.SignerOptions{}).WithType("JWT"))
			if err != nil {
				return nil, err
			}
			claims := joseEncodeClaims(s)
			return func() (string, error) { return jwt.Signed(signer).Claims(claims).Serialize() }, nil
		},
		passes: []string{probeSpare},
	}
}

func joseParse[C any, P joseClaims[C]](s setup) func(string) (P, error) {
	algs, key := []jose.SignatureAlgorithm{jose.SignatureAlgorithm(s.alg)}, s.verifyKey()
	want := jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{audience}}
	return func(text string) (P, error) {
		token, err := jwt.ParseSigned(text, algs)
		if err != nil {
			return nil, err
		}
		claims := P(new(C))
		if err := token.Claims(key, claims); err != nil {
			return nil, err
		}
		if claims.common().Expiry == nil {
			return nil, jwt.ErrExpired
		}
		return claims, claims.common().ValidateWithLeeway(want.WithTime(time.Now()), 0)
	}
}

func joseVerify[C any, P joseClaims[C]](s setup) func(string) (string, error) {
	parse := joseParse[C, P](s)
	return func(token string) (string, error) {
		claims, err := parse(token)
		if err != nil {
			return "", err
		}
		caller, _ := claims.who()
		return caller, nil
	}
}

func joseMiddleware[C any, P joseClaims[C]](s setup, g greeter) http.Handler {
	parse := joseParse[C, P](s)
	return byHand(func(token string) (any, error) { return parse(token) }, claimsHandler(g))
}

func joseEncodeClaims(s setup) any {
	reg, priv, ext := s.claims(0)
	claims := jwt.Claims{
		Issuer: reg.Issuer, Subject: reg.Subject, Audience: jwt.Audience{reg.Audience}, ID: reg.ID,
		Expiry: jwt.NewNumericDate(unix(reg.Expires)), IssuedAt: jwt.NewNumericDate(unix(reg.IssuedAt)),
	}
	if s.size == 8 {
		return jose8{claims, priv}
	}
	return jose40{claims, priv, ext}
}
