//go:build !alone || ginjwt

package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v4"
)

var _ = enter("ginjwt", entry{
	contenders: []*contender{ginJWT()},
	limits:     []limit{{nameNoGin, noAuthGin}},
})

// ginJWT is gin's middleware, behind gin's router.
func ginJWT() *contender {
	return &contender{
		name: "gin-jwt", module: "github.com/appleboy/gin-jwt/v2",
		with: []string{"github.com/gin-gonic/gin", "github.com/golang-jwt/jwt/v4"},
		note: "In a `gin.Engine` with one route; claims are a map. It has no options for `iss` and `aud`: its `Authorizator` " +
			"checks them here. ES256 and EdDSA go through its `KeyFunc`, and can't be issued.",
		middleware: func(s setup, g greeter) (http.Handler, error) {
			mw, err := ginMiddleware(s)
			if err != nil {
				return nil, err
			}
			gin.SetMode(gin.ReleaseMode)
			engine := gin.New()
			engine.GET("/", mw.MiddlewareFunc(), func(c *gin.Context) {
				caller, _ := c.MustGet(ginjwt.IdentityKey).(string)
				tenant, _ := ginjwt.ExtractClaims(c)["tenant"].(string)
				g.greet(c.Writer, caller, tenant)
			})
			return engine, nil
		},
		encode: func(s setup) (func() (string, error), error) {
			if s.alg != "HS256" && s.alg != "RS256" {
				return nil, fmt.Errorf("issues HMAC and RSA only: %w", errors.ErrUnsupported)
			}
			mw, err := ginMiddleware(s)
			if err != nil {
				return nil, err
			}
			claims, err := s.claimsMap(0)
			if err != nil {
				return nil, err
			}
			mw.PayloadFunc = func(any) ginjwt.MapClaims { return claims }
			return func() (string, error) {
				token, _, err := mw.TokenGenerator(nil)
				return token, err
			}, nil
		},
		passes: []string{probeCrit, probeDuplicate, probeSpare},
	}
}

func ginMiddleware(s setup) (*ginjwt.GinJWTMiddleware, error) {
	identity := "sub"
	if s.size == 3 {
		identity = "iss"
	}
	mw := &ginjwt.GinJWTMiddleware{
		SigningAlgorithm: s.alg,
		Timeout:          24 * time.Hour,
		ParseOptions:     []jwt.ParserOption{jwt.WithValidMethods([]string{s.alg})},
		IdentityHandler:  func(c *gin.Context) any { return ginjwt.ExtractClaims(c)[identity] },
		Authorizator: func(_ any, c *gin.Context) bool {
			claims := jwt.MapClaims(ginjwt.ExtractClaims(c))
			return claims.VerifyIssuer(issuer, true) && claims.VerifyAudience(audience, true)
		},
	}
	switch s.alg {
	case "HS256":
		mw.Key = s.keys.secret
	case "RS256":
		private, err := x509.MarshalPKCS8PrivateKey(s.keys.rsa)
		if err != nil {
			return nil, err
		}
		public, err := x509.MarshalPKIXPublicKey(&s.keys.rsa.PublicKey)
		if err != nil {
			return nil, err
		}
		mw.PrivKeyBytes = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
		mw.PubKeyBytes = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	default:
		key := s.verifyKey()
		mw.KeyFunc = func(*jwt.Token) (any, error) { return key, nil }
	}
	return ginjwt.New(mw)
}

// noAuthGin is an unguarded handler behind gin's router.
func noAuthGin(_ setup, g greeter) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) { g.greet(c.Writer, "anybody", "") })
	return engine
}
