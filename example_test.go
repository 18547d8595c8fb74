package usher_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-usher/usher"
)

// The clock and the secret of these examples. A service does not set Now, and reads its secret from the environment. To
// make a secret, run: openssl rand -base64 32
var (
	exampleNow    = func() time.Time { return time.Date(2030, time.January, 2, 12, 0, 0, 0, time.UTC) }
	exampleSecret = []byte("a secret of thirty-two bytes, or more")
)

// Your claims type is a struct that embeds usher.Claims. Private claims have JSON tags. If it has a Validate method,
// that is called after all other checks.
func ExampleClaims() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret))
	encoder := usher.Must(usher.NewEncoder[MemberClaims](key, &usher.EncoderOptions{Now: exampleNow}))
	decoder := usher.Must(usher.NewDecoder[MemberClaims](key, &usher.DecoderOptions{Now: exampleNow}))

	ctx := context.Background()
	token, err := encoder.Encode(ctx, MemberClaims{
		Claims: usher.Claims{Subject: "42", Scope: "posts:read posts:write"},
		Team:   "press",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := decoder.Decode(ctx, token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Subject, claims.Team, claims.HasScope("posts:write"), claims.HasScope("users:write"))

	_, err = encoder.Encode(ctx, MemberClaims{Claims: usher.Claims{Subject: "43"}})
	fmt.Println(err)
	// Output:
	// 42 press true false
	// usher: invalid claims: a member has a team
}

// MemberClaims is the claims type of a service with teams.
type MemberClaims struct {
	usher.Claims
	Team string `json:"team"`
}

// Validate is called before a token is signed, and whenever one is verified.
func (c *MemberClaims) Validate() error {
	if c.Team == "" {
		return errors.New("a member has a team")
	}
	return nil
}

// If user ids are integers, SubjectInt returns them.
func ExampleClaims_SubjectInt() {
	claims := usher.Claims{Subject: "42"}
	id, err := claims.SubjectInt()
	fmt.Println(id, err)

	claims.Subject = "alice"
	_, err = claims.SubjectInt()
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// usher: invalid claims: sub is not an integer
}

// An encoder fills in the issuer, the audience, the time of issue and the expiry.
func ExampleNewEncoder() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret))
	encoder, err := usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{
		Issuer:   "https://login.example",
		Audience: usher.Audience{"https://api.example"},
		TTL:      10 * time.Minute,
		Now:      exampleNow,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := encoder.Encode(context.Background(), usher.Claims{Subject: "42"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Count(token, "."), "dots")
	fmt.Println("expires_in:", int(encoder.TTL().Seconds()))
	// Output:
	// 2 dots
	// expires_in: 600
}

// Fill sets what Encode would set, so you can read and change it. Here a token expires with the login session.
func ExampleEncoder_Fill() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Now: exampleNow}))
	sessionEnds := usher.NewNumericDate(exampleNow().Add(5 * time.Minute))

	claims := usher.Claims{Subject: "42"}
	filled := encoder.Fill(&claims)
	if filled.ExpiresAt.After(sessionEnds.Time) {
		filled.ExpiresAt = sessionEnds
	}
	_, err := encoder.Encode(context.Background(), claims)
	fmt.Println(claims.IssuedAt.Format(time.TimeOnly), claims.ExpiresAt.Format(time.TimeOnly), err)
	// Output: 12:00:00 12:05:00 <nil>
}

// A decoder's error is the reason why it refuses a token. Compare it with errors.Is.
func ExampleNewDecoder() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Issuer: "login", Now: exampleNow}))
	decoder, err := usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{
		Issuer:    "login",
		CacheSize: 1000, // most requests bring a token that came before
		Now:       func() time.Time { return exampleNow().Add(10 * time.Minute) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	good := usher.Must(encoder.Encode(ctx, usher.Claims{Subject: "42"}))
	old := usher.Must(encoder.Encode(ctx, usher.Claims{Subject: "42", ExpiresAt: usher.NewNumericDate(exampleNow())}))
	for _, token := range []string{good, old, good[:len(good)-4] + "AAAA", "hello"} {
		switch claims, err := decoder.Decode(ctx, token); {
		case errors.Is(err, usher.ErrTokenExpired):
			fmt.Println("log in again")
		case errors.Is(err, usher.ErrInvalidToken):
			fmt.Println("refused:", err)
		case err != nil:
			fmt.Println("try again later:", err)
		default:
			fmt.Println("welcome,", claims.Subject)
		}
	}
	// Output:
	// welcome, 42
	// log in again
	// refused: usher: wrong signature
	// refused: usher: malformed token: it is not three segments with dots between them
}

// Services that still run Flask-JWT expect the user's id in the claim "identity".
func ExampleEncoderOptions_subjectClaim() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{SubjectClaim: "identity"}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{SubjectClaim: "identity"}))

	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "42"}))
	payload := usher.Must(base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]))
	fmt.Println(strings.Contains(string(payload), `"identity":"42"`))
	claims, err := decoder.Decode(context.Background(), token)
	fmt.Println(claims.Subject, err)
	// Output:
	// true
	// 42 <nil>
}

// A token that no decoder would accept is not issued. The limits of the encoder and the decoders must be the same.
func ExampleEncoderOptions_maxSize() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{MaxSize: 4 << 10}))
	_, err := encoder.Encode(context.Background(), usher.Claims{Subject: "42", Scope: strings.Repeat("files:read ", 1000)})
	fmt.Println(errors.Is(err, usher.ErrTokenTooLarge))
	// Output: true
}

// A key has an algorithm and an ID. Printing it shows only these.
func ExampleKey() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret)).WithID("2030-01")
	fmt.Println(key)
	fmt.Printf("%+v\n", struct{ SigningKey usher.Key }{key})
	// Output:
	// usher.Key(HS256 "2030-01")
	// {SigningKey:usher.Key(HS256 "2030-01")}
}

// A secret that is too short is refused, and the error names a remedy.
func ExampleNewKey() {
	_, err := usher.NewKey(usher.HS256, []byte("changeme"))
	fmt.Println(err)
	// Output: usher: material has 8 bytes, but HS256 needs 32 or more; make one with: openssl rand -base64 32
}

// A service that issues tokens for others has a key pair, and gives them the public key.
func ExampleGenerateKey() {
	private := usher.Must(usher.GenerateKey(usher.EdDSA))
	public, ok := private.Public()
	fmt.Println(ok, private.CanSign(), public.CanSign(), public.ID() == private.ID())
	// Output: true true false true
}

// A certificate, or a key set of one's own format, needs the public key in the form of the standard library.
func ExampleKey_PublicKey() {
	key := usher.Must(usher.GenerateKey(usher.ES256))
	fmt.Printf("%T\n", key.PublicKey())
	secret := usher.Must(usher.GenerateKey(usher.HS256))
	fmt.Println(secret.PublicKey())
	// Output:
	// *ecdsa.PublicKey
	// <nil>
}

// A key in PEM, from openssl or another service. Its default ID is its thumbprint.
func ExampleParseKey() {
	const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
`
	key, err := usher.ParseKey(usher.EdDSA, []byte(publicKey))
	fmt.Println(key.ID(), err)
	fmt.Println(key.WithID("the-issuers-own-name").ID())
	// Output:
	// kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k <nil>
	// the-issuers-own-name
}

// A secret is replaced while the service runs, and nobody is logged out. The new key is added, then it signs. The old
// key is removed when the last token that it signed has expired.
func ExampleKeyRing() {
	january := usher.Must(usher.NewKey(usher.HS256, exampleSecret)).WithID("january")
	february := usher.Must(usher.GenerateKey(usher.HS256)).WithID("february")
	ring := usher.Must(usher.NewKeyRing(january))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](ring, &usher.EncoderOptions{Now: exampleNow}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](ring, &usher.DecoderOptions{Now: exampleNow}))
	ctx := context.Background()
	token := usher.Must(encoder.Encode(ctx, usher.Claims{Subject: "42"}))

	check := func(step string, err error) {
		_, refusal := decoder.Decode(ctx, token)
		fmt.Println(step, err, ring.Keys(), refusal == nil)
	}
	check("add", ring.Add(february))       // in every process
	check("rotate", ring.Rotate(february)) // once all know it
	check("retire", ring.Retire("january"))
	// Output:
	// add <nil> [usher.Key(HS256 "january") usher.Key(HS256 "february")] true
	// rotate <nil> [usher.Key(HS256 "february") usher.Key(HS256 "january")] true
	// retire <nil> [usher.Key(HS256 "february")] false
}

// Tokens of several issuers: each is verified by the decoder of its issuer.
func ExampleByIssuer() {
	ours := usher.Must(usher.GenerateKey(usher.HS256))
	partners := usher.Must(usher.GenerateKey(usher.ES256))
	verifier, err := usher.ByIssuer(map[string]usher.Verifier[usher.Claims]{
		"https://login.example":   usher.Must(usher.NewDecoder[usher.Claims](ours, &usher.DecoderOptions{Now: exampleNow})),
		"https://partner.example": usher.Must(usher.NewDecoder[usher.Claims](partners, &usher.DecoderOptions{Now: exampleNow})),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	encoder := usher.Must(usher.NewEncoder[usher.Claims](partners, &usher.EncoderOptions{Now: exampleNow}))
	for _, issuer := range []string{"https://partner.example", "https://stranger.example"} {
		token := usher.Must(encoder.Encode(ctx, usher.Claims{Issuer: issuer, Subject: "42"}))
		claims, err := verifier.Decode(ctx, token)
		fmt.Println(claims != nil, err)
	}
	// Output:
	// true <nil>
	// false usher: wrong issuer: there is no verifier for iss "https://stranger.example"
}

// A date is the number of seconds since 1970; the zero value means that there is none.
func ExampleByIssuerFunc() {
	// One key for each tenant, as in a database table.
	tenants := map[string]usher.Key{
		"https://acme.example": usher.Must(usher.NewKey(usher.HS256, exampleSecret)),
	}
	find := func(_ context.Context, issuer string) (usher.Verifier[usher.Claims], error) {
		key, ok := tenants[issuer]
		if !ok {
			return nil, usher.ErrTokenIssuer // which is kept for a while, so that strangers cost few look-ups
		}
		return usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{Issuer: issuer, Now: exampleNow})
	}
	verifier := usher.Must(usher.ByIssuerFunc(find, nil))

	ctx := context.Background()
	for _, issuer := range []string{"https://acme.example", "https://elsewhere.example"} {
		encoder := usher.Must(usher.NewEncoder[usher.Claims](tenants["https://acme.example"], &usher.EncoderOptions{Issuer: issuer, Now: exampleNow}))
		token := usher.Must(encoder.Encode(ctx, usher.Claims{Subject: "42"}))
		claims, err := verifier.Decode(ctx, token)
		fmt.Println(claims != nil, errors.Is(err, usher.ErrTokenIssuer))
	}
	// Output:
	// true false
	// false true
}

func ExampleConfirmation() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Now: exampleNow}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{Now: exampleNow}))

	// The token is valid only with a proof of possession of this key.
	ctx := context.Background()
	token := usher.Must(encoder.Encode(ctx, usher.Claims{
		Subject: "42", Confirmation: &usher.Confirmation{KeyThumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
	}))
	claims := usher.Must(decoder.Decode(ctx, token))
	fmt.Println(claims.Confirmation.KeyThumbprint)
	// Output: 0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I
}

func ExampleNumericDate() {
	date := usher.NewNumericDate(time.Date(2030, time.January, 2, 12, 0, 0, 0, time.UTC))
	text, err := date.MarshalJSON()
	fmt.Println(string(text), err)

	var absent usher.NumericDate
	fmt.Println(absent.IsZero(), usher.NewNumericDate(time.Unix(0, 0)).IsZero())
	// Output:
	// 1893585600 <nil>
	// true false
}

// An audience is a string or an array in JSON, and always a slice in Go.
func ExampleAudience() {
	var one, two usher.Audience
	fmt.Println(one.UnmarshalJSON([]byte(`"api"`)), one)
	fmt.Println(two.UnmarshalJSON([]byte(`["api","web"]`)), two)
	// Output:
	// <nil> [api]
	// <nil> [api web]
}

// Constructors report all mistakes at once, each with its field.
func ExampleConfigError() {
	_, err := usher.NewDecoder[usher.Claims](nil, &usher.DecoderOptions{Leeway: time.Hour, CacheSize: -1})
	fmt.Println(err)

	if mistake, ok := errors.AsType[*usher.ConfigError](err); ok {
		fmt.Println("the first is", mistake.Field)
	}
	// Output:
	// usher: DecoderOptions.Leeway is 1h0m0s, but must be between 0 and 5 minutes
	// usher: DecoderOptions.CacheSize is -1, but must not be negative
	// usher: keys are nil
	// the first is DecoderOptions.Leeway
}

// Must is for main functions and tests, where a wrong configuration should end the program.
func ExampleMust() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	fmt.Println(key.CanSign())
	// Output: true
}
