package issuers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/go-usher/usher"
)

// ALBClaims are the claims that a load balancer got from the issuer's user info endpoint.
type ALBClaims struct {
	usher.Claims
	Email string `json:"email"`
}

// ALB accepts the header x-amzn-oidc-data of one load balancer. The load balancer pads its base64, which usher refuses,
// so golang-jwt reads it. Key returns the key with this ID in PEM, from a cache. The load balancer publishes it at
// https://public-keys.auth.elb.REGION.amazonaws.com/KID.
type ALB struct {
	ARN string
	Key func(ctx context.Context, kid string) (pem []byte, err error)
	Now func() time.Time
}

// Decode implements usher.Verifier.
func (a ALB) Decode(ctx context.Context, token string) (*ALBClaims, error) {
	var claims struct {
		jwt.RegisteredClaims
		Email string `json:"email"`
	}
	parser := jwt.NewParser(jwt.WithPaddingAllowed(), jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(a.Now))
	_, err := parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if t.Header["signer"] != a.ARN { // other accounts' load balancers have their keys in the same place
			return nil, errors.New("signed by another load balancer")
		}
		pem, err := a.Key(ctx, kid)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", usher.ErrUnavailable, err)
		}
		return jwt.ParseECPublicKeyFromPEM(pem)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", usher.ErrInvalidToken, err)
	}
	c := &ALBClaims{Email: claims.Email}
	c.Issuer, c.Subject, c.ExpiresAt = claims.Issuer, claims.Subject, usher.NewNumericDate(claims.ExpiresAt.Time)
	return c, nil
}
