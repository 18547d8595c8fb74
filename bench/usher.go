//go:build !alone || usher

package main

import (
	"context"
	"net/http"
	"time"

	"github.com/go-usher/usher"
)

type usher3 struct{ usher.Claims }

type usher8 struct {
	usher.Claims
	private
}

type usher40 struct {
	usher.Claims
	private
	extra
}

func (c *usher3) who() (string, string)  { return c.Issuer, "" }
func (c *usher8) who() (string, string)  { return c.Subject, c.Tenant }
func (c *usher40) who() (string, string) { return c.Subject, c.Tenant }

var _ = enter("usher", entry{
	contenders: []*contender{usherCold(), usherWarm(), usherFilling()},
	limits:     []limit{{nameNoAuth, noAuth}, {nameFloor, floorOf}},
})

// usherClaims are pointers to the types above.
type usherClaims[C any] interface {
	usher.EmbedsClaims[C]
	identified
}

// usherCold decodes and verifies every token anew.
func usherCold() *contender {
	return &contender{
		name: nameUsher, module: usherModule,
		note:       "`RequireFunc`, without a cache: every token is verified anew.",
		middleware: usherMiddlewareOf(0),
		verify:     usherVerifyOf(0),
		encode: func(s setup) (func() (string, error), error) {
			return usherEncode(s, false)
		},
	}
}

// usherWarm remembers verified tokens, as CacheSize asks.
func usherWarm() *contender {
	return &contender{
		name: nameUsherWarm, module: usherModule, warm: true,
		note:       "The same with `CacheSize: 1024`, and every token seen before. No peer has such a cache.",
		middleware: usherMiddlewareOf(1024),
		verify:     usherVerifyOf(1024),
	}
}

// usherFilling encodes claims of which it has to fill in iss, aud, iat, exp and jti.
func usherFilling() *contender {
	return &contender{
		name: nameUsherFilling, module: usherModule,
		note:   "`Encode` of claims that lack `iss`, `aud`, `iat`, `exp` and `jti`, as services do it.",
		encode: func(s setup) (func() (string, error), error) { return usherEncode(s, true) },
	}
}

func usherMiddlewareOf(cache int) func(setup, greeter) (http.Handler, error) {
	return func(s setup, g greeter) (http.Handler, error) {
		switch s.size {
		case 3:
			return usherMiddleware[usher3](s, g, cache)
		case 8:
			return usherMiddleware[usher8](s, g, cache)
		}
		return usherMiddleware[usher40](s, g, cache)
	}
}

func usherVerifyOf(cache int) func(setup) (func(string) (string, error), error) {
	return func(s setup) (func(string) (string, error), error) {
		switch s.size {
		case 3:
			return usherVerify[usher3](s, cache)
		case 8:
			return usherVerify[usher8](s, cache)
		}
		return usherVerify[usher40](s, cache)
	}
}

func usherMiddleware[C any, P usherClaims[C]](s setup, g greeter, cache int) (http.Handler, error) {
	decoder, err := usherDecoder[C, P](s, cache)
	if err != nil {
		return nil, err
	}
	m, err := usher.NewMiddleware[C, *C, P](decoder, usher.ClaimsAsUser[C], nil)
	if err != nil {
		return nil, err
	}
	return m.RequireFunc(func(w http.ResponseWriter, _ *http.Request, claims *C) {
		caller, tenant := P(claims).who()
		g.greet(w, caller, tenant)
	}), nil
}

func usherVerify[C any, P usherClaims[C]](s setup, cache int) (func(string) (string, error), error) {
	decoder, err := usherDecoder[C, P](s, cache)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(token string) (string, error) {
		claims, err := decoder.Decode(ctx, token)
		if err != nil {
			return "", err
		}
		caller, _ := P(claims).who()
		return caller, nil
	}, nil
}

func usherDecoder[C any, P usherClaims[C]](s setup, cache int) (*usher.Decoder[C], error) {
	_, key, err := usherKeys(s)
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[C, P](key, &usher.DecoderOptions{
		Issuer: issuer, Audience: usher.Audience{audience}, CacheSize: cache, AllowNoSubject: s.size == 3,
	})
}

// usherKeys returns the signing and the verifying key. The tokens have no kid, since not every peer can read
// one, so the keys have no ID.
func usherKeys(s setup) (sign, verify usher.Key, err error) {
	switch alg := usher.Algorithm(s.alg); s.alg {
	case "RS256":
		sign, err = usher.NewKey(alg, s.keys.rsa)
	case "ES256":
		sign, err = usher.NewKey(alg, s.keys.ecdsa)
	case "EdDSA":
		sign, err = usher.NewKey(alg, s.keys.ed)
	default:
		sign, err = usher.NewKey(alg, s.keys.secret)
	}
	if err != nil {
		return sign, verify, err
	}
	sign = sign.WithID("")
	if public, ok := sign.Public(); ok {
		return sign, public, nil
	}
	return sign, sign, nil
}

// usherEncode signs claims that are complete, as every peer is given them, or claims that lack what the
// encoder can fill in.
func usherEncode(s setup, filling bool) (func() (string, error), error) {
	reg, priv, ext := s.claims(0)
	claims := usher.Claims{
		Issuer: reg.Issuer, Subject: reg.Subject, Audience: usher.Audience{reg.Audience}, ID: reg.ID,
		ExpiresAt: usher.NewNumericDate(unix(reg.Expires)), IssuedAt: usher.NewNumericDate(unix(reg.IssuedAt)),
	}
	if filling {
		claims = usher.Claims{Subject: reg.Subject}
	}
	if s.size == 8 {
		return usherEncodeClaims(s, usher8{claims, priv})
	}
	return usherEncodeClaims(s, usher40{claims, priv, ext})
}

func usherEncodeClaims[C any, P usher.EmbedsClaims[C]](s setup, claims C) (func() (string, error), error) {
	key, _, err := usherKeys(s)
	if err != nil {
		return nil, err
	}
	encoder, err := usher.NewEncoder[C, P](key, &usher.EncoderOptions{Issuer: issuer, Audience: usher.Audience{audience}})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func() (string, error) { return encoder.Encode(ctx, claims) }, nil
}

// floorOf is what a middleware that knows the token already can't do without.
func floorOf(s setup, g greeter) http.Handler {
	reg, priv, ext := s.claims(0)
	claims := usher.Claims{
		Issuer: reg.Issuer, Subject: reg.Subject, Audience: usher.Audience{reg.Audience}, ID: reg.ID,
		ExpiresAt: usher.NewNumericDate(unix(reg.Expires)), IssuedAt: usher.NewNumericDate(unix(reg.IssuedAt)),
	}
	switch s.size {
	case 3:
		return floor(usher3{claims}, claimsHandler(g))
	case 8:
		return floor(usher8{claims, priv}, claimsHandler(g))
	}
	return floor(usher40{claims, priv, ext}, claimsHandler(g))
}

//go:noinline
func floor[C any, P usherClaims[C]](stored C, next http.Handler) http.Handler {
	expires := time.Now().Add(24 * time.Hour)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !time.Now().Before(expires) {
			unauthorized(w)
			return
		}
		claims := stored
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, P(&claims))))
	})
}
