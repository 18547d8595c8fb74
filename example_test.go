package usher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-usher/usher"
)

// The clock and the secret of these examples. A service leaves Now out, and reads the secret from its environment;
// openssl rand -base64 32 makes one.
var (
	exampleNow    = func() time.Time { return time.Date(2030, time.January, 2, 12, 0, 0, 0, time.UTC) }
	exampleSecret = []byte("a secret of thirty-two bytes, or more")
)

// Your claims are a struct of your own that embeds usher's. Private claims have JSON tags; Validate, if there is
// one, has the last word.
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

// MemberClaims are the claims of a service whose users belong to teams.
type MemberClaims struct {
	usher.Claims
	Team string `json:"team"`
}

// Validate is asked before a token is signed, and whenever one is verified.
func (c *MemberClaims) Validate() error {
	if c.Team == "" {
		return errors.New("a member has a team")
	}
	return nil
}

// Where user ids are integers, SubjectInt reads them back.
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

// An encoder fills in who issues the token, for whom, when and until when.
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

// Fill tells what Encode would fill in, and lets you set more: here a token ends with the login session.
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

// A decoder says why it refuses a token; errors.Is tells the reasons apart.
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

// A key is a secret, or half of a key pair, together with its algorithm. Printing it shows no more than that.
func ExampleKey() {
	key := usher.Must(usher.NewKey(usher.HS256, exampleSecret)).WithID("2030-01")
	fmt.Println(key)
	fmt.Printf("%+v\n", struct{ SigningKey usher.Key }{key})
	// Output:
	// usher.Key(HS256 "2030-01")
	// {SigningKey:usher.Key(HS256 "2030-01")}
}

// A secret that is too short is refused, with what to do about it.
func ExampleNewKey() {
	_, err := usher.NewKey(usher.HS256, []byte("changeme"))
	fmt.Println(err)
	// Output: usher: material has 8 bytes, but HS256 needs 32 or more; make one with: openssl rand -base64 32
}

// Whoever issues tokens for other services has a key pair, and gives them its public half.
func ExampleGenerateKey() {
	private := usher.Must(usher.GenerateKey(usher.EdDSA))
	public, ok := private.Public()
	fmt.Println(ok, private.CanSign(), public.CanSign(), public.ID() == private.ID())
	// Output: true true false true
}

// Keys come as PEM, from openssl or another service. Without an ID of their own they have their thumbprint.
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

// A secret is replaced while the service runs, and nobody is logged out: the new key is made known, then it
// signs, and the old one goes when the last token that it signed has expired.
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

// Tokens of several issuers: each goes to the decoder that knows the issuer's keys.
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
	// One key for each tenant, as a table of the database has them.
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

	// The token is good only together with a proof that its bearer has this key.
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

// An audience is one string or an array in JSON, and always a list in Go.
func ExampleAudience() {
	var one, two usher.Audience
	fmt.Println(one.UnmarshalJSON([]byte(`"api"`)), one)
	fmt.Println(two.UnmarshalJSON([]byte(`["api","web"]`)), two)
	// Output:
	// <nil> [api]
	// <nil> [api web]
}

// Constructors report all mistakes at once, each with the field that is wrong.
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

// Must is for main and for tests, where a mistake in the configuration ends the program.
func ExampleMust() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	fmt.Println(key.CanSign())
	// Output: true
}
