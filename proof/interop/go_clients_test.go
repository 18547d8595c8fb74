package interop_test

import (
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/go-usher/usher"
)

var errAlgorithm = errors.New("an unknown algorithm")

type golangJWT struct{}

func (golangJWT) supports(alg usher.Algorithm) bool { return alg != usher.Ed25519 }

func (golangJWT) sign(k keyPair, kid string, claims map[string]any) (string, error) {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(string(k.alg)), jwt.MapClaims(claims))
	if kid != "" {
		token.Header["kid"] = kid
	}
	return token.SignedString(k.signingKey())
}

func (golangJWT) verify(k keyPair, token string) (map[string]any, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return k.verifyingKey(), nil },
		jwt.WithValidMethods([]string{string(k.alg)}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return claims, err
}

type goJose struct{}

func (goJose) supports(alg usher.Algorithm) bool { return alg != usher.Ed25519 }

func (goJose) sign(k keyPair, kid string, claims map[string]any) (string, error) {
	options := new(jose.SignerOptions).WithType("JWT")
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.alg), Key: k.signingKey()}, options)
	if err != nil {
		return "", err
	}
	return josejwt.Signed(signer).Claims(claims).Serialize()
}

func (goJose) verify(k keyPair, token string) (map[string]any, error) {
	parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.alg)})
	if err != nil {
		return nil, err
	}
	var registered josejwt.Claims
	var all map[string]any
	if err := parsed.Claims(k.verifyingKey(), &registered, &all); err != nil {
		return nil, err
	}
	if registered.Expiry == nil {
		return nil, errors.New("no exp")
	}
	return all, registered.ValidateWithLeeway(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}}, 0)
}

type jwx struct{}

func (jwx) supports(usher.Algorithm) bool { return true }

func (jwx) sign(k keyPair, kid string, claims map[string]any) (string, error) {
	alg, ok := jwa.LookupSignatureAlgorithm(string(k.alg))
	if !ok {
		return "", errAlgorithm
	}
	builder := jwxjwt.NewBuilder()
	for name, value := range claims {
		builder = builder.Claim(name, value)
	}
	token, err := builder.Build()
	if err != nil {
		return "", err
	}
	headers := jws.NewHeaders()
	if kid != "" {
		if err := headers.Set(jws.KeyIDKey, kid); err != nil {
			return "", err
		}
	}
	text, err := jwxjwt.Sign(token, jwxjwt.WithKey(alg, k.signingKey(), jws.WithProtectedHeaders(headers)))
	return string(text), err
}

func (jwx) verify(k keyPair, token string) (map[string]any, error) {
	alg, ok := jwa.LookupSignatureAlgorithm(string(k.alg))
	if !ok {
		return nil, errAlgorithm
	}
	parsed, err := jwxjwt.Parse([]byte(token), jwxjwt.WithKey(alg, k.verifyingKey()), jwxjwt.WithIssuer(issuer),
		jwxjwt.WithAudience(audience), jwxjwt.WithRequiredClaim("exp"))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	err = json.Unmarshal(text, &claims)
	return claims, err
}
