package usher_test

import (
	"crypto"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/golang-jwt/jwt/v5"
)

// jwtKeys returns what golang-jwt signs and verifies with.
func jwtKeys(alg usher.Algorithm) (sign, verify any) {
	material := materialOf(alg)
	if private, ok := material.(crypto.Signer); ok {
		return material, private.Public()
	}
	return material, material
}

// jwtAlgorithms are those that golang-jwt has. It does not know the name Ed25519 of RFC 9864.
var jwtAlgorithms = slices.DeleteFunc(slices.Clone(allAlgorithms), func(alg usher.Algorithm) bool { return alg == usher.Ed25519 })

func TestGolangJWTReadsUshersTokens(t *testing.T) {
	for _, alg := range jwtAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			e := newEncoder[userClaims](t, testKey(t, alg).WithID("key"), usher.EncoderOptions{Issuer: "login", Audience: usher.Audience{"api"}, NotBefore: true})
			want := userClaims{Claims: usher.Claims{Subject: "42", Scope: "read"}, Role: "admin", Teams: []string{"a"}}
			e.Fill(&want)
			token := usher.Must(e.Encode(t.Context(), want))
			_, verify := jwtKeys(alg)
			parser := jwt.NewParser(jwt.WithValidMethods([]string{string(alg)}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
				jwt.WithIssuer("login"), jwt.WithAudience("api"), jwt.WithSubject("42"), jwt.WithTimeFunc(testClock), jwt.WithStrictDecoding())
			var got userClaims // golang-jwt reads the very same type
			parsed, err := parser.ParseWithClaims(token, &got, func(token *jwt.Token) (any, error) {
				if token.Header["kid"] != "key" || token.Header["typ"] != "JWT" {
					t.Errorf("header %v", token.Header)
				}
				return verify, nil
			})
			if err != nil || !parsed.Valid || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
			var registered jwt.RegisteredClaims
			if _, err := parser.ParseWithClaims(token, &registered, func(*jwt.Token) (any, error) { return verify, nil }); err != nil ||
				registered.Subject != "42" || registered.ID != want.ID || !registered.ExpiresAt.Equal(want.ExpiresAt.Time) {
				t.Errorf("%+v, %v", registered, err)
			}
		})
	}
}

func TestUsherReadsGolangJWTsTokens(t *testing.T) {
	for _, alg := range jwtAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			sign, _ := jwtKeys(alg)
			d := newDecoder[userClaims](t, testKey(t, alg), usher.DecoderOptions{Issuer: "login", Audience: usher.Audience{"api"}, MaxAge: time.Minute})
			for name, claims := range map[string]jwt.Claims{
				"a map": jwt.MapClaims{
					"iss": "login", "sub": "42", "aud": "api", "exp": testNow.Unix() + 60, "iat": testNow.Unix(), "role": "admin",
				},
				"registered claims": jwt.RegisteredClaims{
					Issuer: "login", Subject: "42", Audience: jwt.ClaimStrings{"api"}, IssuedAt: jwt.NewNumericDate(testNow),
					ExpiresAt: jwt.NewNumericDate(testNow.Add(time.Minute)),
				},
				"usher's claims": userClaims{Claims: usher.Claims{
					Issuer: "login", Subject: "42", Audience: usher.Audience{"api"}, IssuedAt: usher.NewNumericDate(testNow),
					ExpiresAt: usher.NewNumericDate(testNow.Add(time.Minute)),
				}},
			} {
				t.Run(name, func(t *testing.T) {
					method := jwt.GetSigningMethod(string(alg))
					if pss, ok := method.(*jwt.SigningMethodRSAPSS); ok && pss.Options.SaltLength != -1 {
						t.Fatalf("salt length %d", pss.Options.SaltLength)
					}
					token, err := jwt.NewWithClaims(method, claims).SignedString(sign)
					if err != nil {
						t.Fatal(err)
					}
					c := checkDecode(t, d, token, nil)
					if c == nil || c.Subject != "42" || !c.ExpiresAt.Equal(testNow.Add(time.Minute)) {
						t.Errorf("%+v", c)
					}
				})
			}
		})
	}
}

// The same refusals: each error is golang-jwt's own for the same failure.
func TestErrorsAreGolangJWTsToo(t *testing.T) {
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{Issuer: "login", Audience: usher.Audience{"api"}})
	good := goodPayload().with("iss", `"login"`).with("aud", `"api"`)
	parser := jwt.NewParser(jwt.WithIssuer("login"), jwt.WithAudience("api"), jwt.WithTimeFunc(testClock))
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"malformed":     {"a.b", jwt.ErrTokenMalformed},
		"forged":        {signToken("HS256", otherSecret, goodHeader().String(), good.String()), jwt.ErrTokenSignatureInvalid},
		"expired":       {signHS256(good.with("exp", secondsFromNow(-1))), jwt.ErrTokenExpired},
		"not yet valid": {signHS256(good.with("nbf", secondsFromNow(time.Minute))), jwt.ErrTokenNotValidYet},
		"issuer":        {signHS256(good.with("iss", `"other"`)), jwt.ErrTokenInvalidIssuer},
		"audience":      {signHS256(good.with("aud", `"other"`)), jwt.ErrTokenInvalidAudience},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Decode(t.Context(), test.token)
			_, theirs := parser.Parse(test.token, func(*jwt.Token) (any, error) { return testSecret, nil })
			if !errors.Is(err, test.want) || !errors.Is(theirs, test.want) {
				t.Errorf("usher: %v, golang-jwt: %v", err, theirs)
			}
		})
	}
}

func TestClaimsImplementGolangJWTsClaims(t *testing.T) {
	full := userClaims{Claims: usher.Claims{
		Issuer: "login", Subject: "42", Audience: usher.Audience{"a", "b"}, ExpiresAt: usher.NewNumericDate(testNow),
		NotBefore: usher.NewNumericDate(testNow.Add(1e9)), IssuedAt: usher.NewNumericDate(testNow.Add(2e9)),
	}}
	ask := func(c jwt.Claims) string {
		exp, err1 := c.GetExpirationTime()
		nbf, err2 := c.GetNotBefore()
		iat, err3 := c.GetIssuedAt()
		iss, err4 := c.GetIssuer()
		sub, err5 := c.GetSubject()
		aud, err6 := c.GetAudience()
		if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
			t.Error(err)
		}
		return fmt.Sprint(exp, nbf, iat, iss, sub, aud)
	}
	want := ask(jwt.RegisteredClaims{
		Issuer: "login", Subject: "42", Audience: jwt.ClaimStrings{"a", "b"}, ExpiresAt: jwt.NewNumericDate(testNow),
		NotBefore: jwt.NewNumericDate(testNow.Add(1e9)), IssuedAt: jwt.NewNumericDate(testNow.Add(2e9)),
	})
	if got := ask(full); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := ask(userClaims{}), ask(jwt.RegisteredClaims{}); got != want { // absent is nil
		t.Errorf("%s, want %s", got, want)
	}
}

// liar answers golang-jwt's questions to its own advantage.
type liar struct{ usher.Claims }

func (liar) GetExpirationTime() (*jwt.NumericDate, error) { panic("asked") }
func (liar) GetNotBefore() (*jwt.NumericDate, error)      { panic("asked") }
func (liar) GetIssuedAt() (*jwt.NumericDate, error)       { panic("asked") }
func (liar) GetIssuer() (string, error)                   { panic("asked") }
func (liar) GetSubject() (string, error)                  { panic("asked") }
func (liar) GetAudience() (jwt.ClaimStrings, error)       { panic("asked") }
func (liar) HasScope(string) bool                         { panic("asked") }

// usher goes by the fields: it never calls methods that a claims type could have made its own.
func TestUsherNeverCallsGolangJWTsClaimsMethods(t *testing.T) {
	e := newEncoder[liar](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{Issuer: "login", Audience: usher.Audience{"api"}})
	token := usher.Must(e.Encode(t.Context(), liar{usher.Claims{Subject: "1"}}))
	good := usher.DecoderOptions{Issuer: "login", Audience: usher.Audience{"api"}, MaxAge: time.Hour, CacheSize: 4}
	d := newDecoder[liar](t, hmacKey(t, testSecret, ""), good)
	checkDecode(t, d, token, nil)
	checkDecode(t, d, token, nil)
	checkDecode(t, usher.Must(usher.ByIssuer(map[string]usher.Verifier[liar]{"login": d})), token, nil)
	checkDecode(t, d, signHS256(goodPayload().with("exp", secondsFromNow(-1))), usher.ErrTokenExpired)
}
