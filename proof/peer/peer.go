// Package peer verifies tokens with other libraries, as strictly as their options allow, and says why usher may
// refuse what they accept.
package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-usher/usher"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwk "github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/go-usher/usher/proof/attack"
)

// Claims are the claims that the libraries are compared by. Dates are whole seconds, -1 if absent.
type Claims struct {
	Issuer, Subject     string   // iss, sub
	Audience            []string // aud
	Expiry, Begin, Made int64    // exp, nbf, iat
	ID, Role            string   // jti, role
	Level               int64    // level
	Teams               []string // teams
}

// Equal reports whether both say the same.
func (c Claims) Equal(other Claims) bool {
	return c.Issuer == other.Issuer && c.Subject == other.Subject && slices.Equal(c.Audience, other.Audience) &&
		c.Expiry == other.Expiry && c.Begin == other.Begin && c.Made == other.Made &&
		c.ID == other.ID && c.Role == other.Role && c.Level == other.Level && slices.Equal(c.Teams, other.Teams)
}

// Of returns usher's claims in this form.
func Of(c *attack.Claims) Claims {
	return Claims{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience,
		Expiry: seconds(c.ExpiresAt), Begin: seconds(c.NotBefore), Made: seconds(c.IssuedAt),
		ID: c.ID, Role: c.Role, Level: int64(c.Level), Teams: c.Teams,
	}
}

func seconds(d usher.NumericDate) int64 {
	if d.IsZero() {
		return -1
	}
	return d.Unix()
}

// Library is another library that verifies tokens.
type Library struct {
	Name string // in the names of tests
	// Verify returns the claims of a token that the library, at its strictest, accepts for h.
	Verify func(token string, h *attack.House) (Claims, error)
	// CountKeys returns how many keys the library reads in a JWK Set, and is nil if it reads no sets.
	CountKeys func(set []byte) (int, error)
}

// Libraries returns those that usher is compared with.
func Libraries() []Library {
	return []Library{{"golang-jwt", golangJWT, nil}, {"go-jose", goJose, goJoseKeys}, {"jwx", jwx, jwxKeys}}
}

var errNoKey = errors.New("no key for this algorithm")

func golangJWT(token string, h *attack.House) (Claims, error) {
	var methods []string
	for alg := range h.Material {
		methods = append(methods, string(alg))
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(methods), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
		jwt.WithTimeFunc(attack.Now), jwt.WithLeeway(h.Options.Leeway),
	}
	if h.Options.Issuer != "" {
		options = append(options, jwt.WithIssuer(h.Options.Issuer))
	}
	if len(h.Options.Audience) > 0 {
		options = append(options, jwt.WithAudience(h.Options.Audience...))
	}
	claims := jwt.MapClaims{} // a struct would take "EXP" for exp
	_, err := jwt.NewParser(options...).ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if key, ok := h.Material[usher.Algorithm(t.Method.Alg())]; ok {
			return key, nil
		}
		return nil, errNoKey
	})
	if err != nil {
		return Claims{}, err
	}
	c := Claims{
		Issuer: text(claims["iss"]), Subject: text(claims["sub"]), ID: text(claims["jti"]), Role: text(claims["role"]), Teams: texts(claims["teams"]),
	}
	if c.Audience, err = claims.GetAudience(); err != nil {
		return Claims{}, err
	}
	date := func(d *jwt.NumericDate, err error) int64 {
		if d == nil || err != nil {
			return -1
		}
		return d.Unix()
	}
	c.Expiry, c.Begin, c.Made = date(claims.GetExpirationTime()), date(claims.GetNotBefore()), date(claims.GetIssuedAt())
	if level, ok := claims["level"].(json.Number); ok {
		c.Level, _ = level.Int64()
	}
	return c, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func texts(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, one := range list {
		all = append(all, text(one))
	}
	return all
}

func goJose(token string, h *attack.House) (Claims, error) {
	var algs []jose.SignatureAlgorithm
	for alg := range h.Material {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	parsed, err := josejwt.ParseSigned(token, algs)
	if err != nil {
		return Claims{}, err
	}
	key, ok := h.Material[usher.Algorithm(parsed.Headers[0].Algorithm)]
	if !ok {
		return Claims{}, errNoKey
	}
	var registered josejwt.Claims
	var own struct {
		Role  string   `json:"role"`
		Level int64    `json:"level"`
		Teams []string `json:"teams"`
	}
	if err := parsed.Claims(key, &registered, &own); err != nil {
		return Claims{}, err
	}
	if registered.Expiry == nil {
		return Claims{}, errors.New("no exp")
	}
	made := registered.IssuedAt
	registered.IssuedAt = nil // it would insist on the past, where neither usher nor RFC 7519 does
	expected := josejwt.Expected{Issuer: h.Options.Issuer, AnyAudience: josejwt.Audience(h.Options.Audience), Time: attack.Now()}
	if err := registered.ValidateWithLeeway(expected, h.Options.Leeway); err != nil {
		return Claims{}, err
	}
	date := func(d *josejwt.NumericDate) int64 {
		if d == nil {
			return -1
		}
		return int64(*d)
	}
	return Claims{
		Issuer: registered.Issuer, Subject: registered.Subject, Audience: registered.Audience, ID: registered.ID,
		Expiry: date(registered.Expiry), Begin: date(registered.NotBefore), Made: date(made),
		Role: own.Role, Level: own.Level, Teams: own.Teams,
	}, nil
}

func goJoseKeys(text []byte) (int, error) {
	var set jose.JSONWebKeySet
	err := json.Unmarshal(text, &set)
	return len(set.Keys), err
}

func jwxKeys(text []byte) (int, error) {
	set, err := jwxjwk.Parse(text)
	if err != nil {
		return 0, err
	}
	return set.Len(), nil
}

func jwx(token string, h *attack.House) (Claims, error) {
	set := jwxjwk.NewSet()
	for alg, material := range h.Material {
		key, err := jwxjwk.Import(material)
		if err != nil {
			return Claims{}, err
		}
		if err := key.Set(jwxjwk.AlgorithmKey, string(alg)); err != nil {
			return Claims{}, err
		}
		if err := set.AddKey(key); err != nil {
			return Claims{}, err
		}
	}
	options := []jwxjwt.ParseOption{
		jwxjwt.WithClock(jwxjwt.ClockFunc(attack.Now)), jwxjwt.WithAcceptableSkew(h.Options.Leeway), jwxjwt.WithRequiredClaim("exp"),
		jwxjwt.WithResetValidators(true),
		jwxjwt.WithValidator(jwxjwt.IsExpirationValid()), jwxjwt.WithValidator(jwxjwt.IsNbfValid()),
	}
	if len(h.Material) == 1 {
		for alg, material := range h.Material {
			known, ok := jwa.LookupSignatureAlgorithm(string(alg))
			if !ok {
				return Claims{}, errNoKey
			}
			options = append(options, jwxjwt.WithKey(known, material))
		}
	} else {
		options = append(options, jwxjwt.WithKeySet(set))
	}
	if h.Options.Issuer != "" {
		options = append(options, jwxjwt.WithIssuer(h.Options.Issuer))
	}
	parsed, err := jwxjwt.Parse([]byte(token), options...)
	if err != nil {
		return Claims{}, err
	}
	var c Claims
	c.Issuer, _ = parsed.Issuer()
	c.Subject, _ = parsed.Subject()
	c.Audience, _ = parsed.Audience()
	c.ID, _ = parsed.JwtID()
	date := func(t time.Time, ok bool) int64 {
		if !ok {
			return -1
		}
		return t.Unix()
	}
	c.Expiry, c.Begin, c.Made = date(parsed.Expiration()), date(parsed.NotBefore()), date(parsed.IssuedAt())
	if len(h.Options.Audience) > 0 && !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(h.Options.Audience, a) }) {
		return Claims{}, fmt.Errorf("aud %s", strings.Join(c.Audience, " "))
	}
	var own any
	if parsed.Get("role", &own) == nil {
		c.Role = text(own)
	}
	if parsed.Get("level", &own) == nil {
		if n, ok := own.(float64); ok {
			c.Level = int64(n)
		}
	}
	if parsed.Get("teams", &own) == nil {
		c.Teams = texts(own)
	}
	return c, nil
}
