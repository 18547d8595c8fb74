package usher_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/golang-jwt/jwt/v5"
)

func TestRefusalsAreErrInvalidTokenAndOfOneKind(t *testing.T) {
	for _, kind := range errorKinds {
		checkKind(t, kind.err, kind.err)
		checkKind(t, fmt.Errorf("wrapped: %w", kind.err), kind.err)
		if errors.Is(usher.ErrInvalidToken, kind.err) || errors.Is(errors.Join(kind.jwt...), kind.err) {
			t.Errorf("the general is the special: %v", kind.err)
		}
	}
	for _, other := range golangJWTErrors {
		if errors.Is(usher.ErrInvalidToken, other) {
			t.Errorf("ErrInvalidToken is %v", other)
		}
	}
	for _, err := range otherErrors {
		for _, other := range otherErrors {
			if errors.Is(err, other) != (err == other) {
				t.Errorf("%v is %v", err, other)
			}
		}
		if errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("%v is ErrInvalidToken", err)
		}
	}
}

func TestUnfitPasswordsHaveOneErrorInCommon(t *testing.T) {
	unfit := []error{usher.ErrPasswordTooLong, usher.ErrPasswordTooShort, usher.ErrPasswordInvalid}
	for _, err := range otherErrors {
		if got := errors.Is(err, usher.ErrPasswordUnfit); got != slices.Contains(unfit, err) {
			t.Errorf("%v is ErrPasswordUnfit: %t", err, got)
		}
		if errors.Is(usher.ErrPasswordUnfit, err) {
			t.Errorf("the general is the special: %v", err)
		}
	}
}

func TestErrorsReadAlike(t *testing.T) {
	all := append([]error{usher.ErrInvalidToken, usher.ErrPasswordUnfit}, otherErrors...)
	for _, kind := range errorKinds {
		all = append(all, kind.err)
	}
	seen := map[string]bool{}
	for _, err := range all {
		if text := err.Error(); !strings.HasPrefix(text, "usher: ") || strings.HasSuffix(text, ".") || seen[text] {
			t.Errorf("%q", text)
		}
		seen[err.Error()] = true
	}
}

func TestConfigErrorReadsAsASentence(t *testing.T) {
	err := error(&usher.ConfigError{Field: "DecoderOptions.Leeway", Reason: "is 10m0s, but must be between 0 and 5 minutes"})
	if want := "usher: DecoderOptions.Leeway is 10m0s, but must be between 0 and 5 minutes"; err.Error() != want {
		t.Errorf("%q", err)
	}
	type shape struct {
		usher.Claims
		Expiry string `json:"exp"`
	}
	key := hmacKey(t, testSecret, "")
	public, _ := testKey(t, usher.EdDSA).Public()
	var all []error
	add := func(_ any, err error) { all = append(all, err) }
	add(usher.NewDecoder[shape](nil, &usher.DecoderOptions{
		Leeway: time.Hour, MaxAge: -1, MaxSize: -1, CacheSize: -1, Audience: usher.Audience{""}, Type: "\x00",
	}))
	add(usher.NewDecoder[usher.Claims](usher.Keys{}, &usher.DecoderOptions{DangerouslyAllowAnyAudience: true, Audience: usher.Audience{"a"}}))
	add(usher.NewEncoder[shape](public, &usher.EncoderOptions{TTL: -1, Audience: usher.Audience{""}, Type: "\x00"}))
	add(usher.NewEncoder[shape](nil, nil))
	add(usher.NewKeyRing(usher.Key{}, usher.Key{}, key, key))
	add(usher.NewKey(usher.HS256, []byte("short")))
	add(usher.NewKey("none", []byte("short")))
	add(usher.NewKey(usher.RS256, testSecret))
	add(usher.ParseKey(usher.RS256, nil))
	add(usher.ParseKey(usher.HS256, nil))
	add(usher.GenerateKey("x"))
	add(usher.DangerouslyShortKey("x", nil))
	add(usher.ByIssuer(map[string]usher.Verifier[userClaims]{"": nil}))
	add(usher.ByIssuer[userClaims](nil))
	add(nil, usher.Must(usher.NewKeyRing(key)).Retire(""))
	sentence := regexp.MustCompile(`^usher: [^ ].* (is|are|has|have|holds?|contains?|declares|gets|must|needs|embeds|can't) [^ ].*[^ .]$`)
	for _, err := range all {
		for _, mistake := range configErrors(t, err) {
			if text := mistake.Error(); !sentence.MatchString(text) || strings.ContainsAny(text, "\n\x00") || strings.Contains(text, "%!") {
				t.Errorf("%q", text)
			}
		}
	}
}

func TestConfigErrorIsFoundByErrorsAs(t *testing.T) {
	_, err := usher.NewDecoder[usher.Claims](nil, &usher.DecoderOptions{Leeway: time.Hour})
	err = fmt.Errorf("starting: %w", err)
	var pointer *usher.ConfigError
	if !errors.As(err, &pointer) || pointer.Field != "DecoderOptions.Leeway" {
		t.Errorf("%v", pointer)
	}
	var value usher.ConfigError
	if !errors.As(err, &value) || value != *pointer {
		t.Errorf("%v", value)
	}
	if other, ok := errors.AsType[*otherError](err); ok {
		t.Errorf("%v", other)
	}
}

type otherError struct{}

func (*otherError) Error() string { return "" }

func TestMustPanicsOnlyOnErrors(t *testing.T) {
	if got := usher.Must(42, nil); got != 42 {
		t.Errorf("%d", got)
	}
	mistake := errors.New("mistake")
	defer func() {
		if got := recover(); got != mistake { //nolint:errorlint // a panic's value is compared as it is
			t.Errorf("panic %v", got)
		}
	}()
	usher.Must(42, mistake)
	t.Error("no panic")
}

func TestRefusalsOfSignedTokensSayWhoseTheyWere(t *testing.T) {
	payload := goodPayload().with("sid", `"s"`).with("jti", `"j"`)
	revoked := errors.New("it said no")
	for name, test := range map[string]struct {
		token   string
		opts    usher.DecoderOptions
		want    error
		subject string
	}{
		"expired":              {signHS256(payload.with("exp", secondsFromNow(-time.Hour))), usher.DecoderOptions{}, usher.ErrTokenExpired, "42"},
		"another issuer":       {signHS256(payload), usher.DecoderOptions{Issuer: "a"}, usher.ErrTokenIssuer, "42"},
		"no exp":               {signHS256(payload.with("exp", "")), usher.DecoderOptions{}, usher.ErrTokenClaims, "42"},
		"no subject":           {signHS256(payload.with("sub", "")), usher.DecoderOptions{}, usher.ErrTokenClaims, ""},
		"refused by Validate":  {signHS256(payload.with("role", `"refused"`)), usher.DecoderOptions{}, revoked, "42"},
		"malformed at the end": {signHS256(jsonText(`{"sub":"42",`)), usher.DecoderOptions{}, usher.ErrTokenMalformed, "42"},
	} {
		test.opts.CacheSize = 1
		d := newDecoder[testRefusing](t, hmacKey(t, testSecret, ""), test.opts)
		_, err := d.Decode(t.Context(), test.token)
		var refused *usher.TokenError
		if !errors.As(err, &refused) || !errors.Is(err, test.want) && !errors.Is(test.want, revoked) || refused.Claims.Subject != test.subject ||
			refused.Err == nil || refused.Error() != refused.Err.Error() || strings.Contains(err.Error(), "42") {
			t.Errorf("%s: %v, %+v", name, err, refused)
		}
	}
	for name, token := range map[string]string{
		"forged":    signToken("HS256", otherSecret, goodHeader().String(), payload.String()),
		"malformed": "a.b",
	} {
		_, err := newDecoder[testRefusing](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{}).Decode(t.Context(), token)
		if refused, ok := errors.AsType[*usher.TokenError](err); ok {
			t.Errorf("%s: the error says whose token it was, which nobody knows: %+v", name, refused.Claims)
		}
	}
}

// testRefusing refuses one role, and can't judge another.
type testRefusing struct {
	usher.Claims
	Role string `json:"role"`
}

func (c *testRefusing) Validate() error {
	switch c.Role {
	case "refused":
		return errors.New("it said no")
	case "unknown":
		return usher.ErrUnavailable
	}
	return nil
}

func TestRefusalsOfRememberedTokensSayWhoseTheyWere(t *testing.T) {
	clock := clockAt(testNow)
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: 1, Now: clock.now, DangerouslyAllowAnyAudience: true})
	token := signHS256(goodPayload().with("aud", `["a","b"]`))
	checkDecode(t, d, token, nil)
	clock.set(testNow.Add(time.Hour))
	_, err := d.Decode(t.Context(), token)
	var refused *usher.TokenError
	if !errors.As(err, &refused) || refused.Claims.Subject != "42" || len(refused.Claims.Audience) != 2 {
		t.Fatalf("%v: %+v", err, refused)
	}
	refused.Claims.Audience[0] = "changed"
	clock.set(testNow)
	if c := checkDecode(t, d, token, nil); c != nil && c.Audience[0] != "a" {
		t.Error("the audience in the error is the remembered one")
	}
}

func TestOutagesRefuseNoToken(t *testing.T) {
	d := newDecoder[testRefusing](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	_, err := d.Decode(t.Context(), signHS256(goodPayload().with("role", `"unknown"`)))
	var refused *usher.TokenError
	if !errors.Is(err, usher.ErrUnavailable) || errors.As(err, &refused) {
		t.Errorf("%v: %+v", err, refused)
	}
}

func TestErrorsAreGolangJWTsForTheSameFault(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	full := usher.DecoderOptions{Issuer: "a", Audience: usher.Audience{"b"}, MaxAge: time.Hour}
	good := goodPayload().with("iss", `"a"`).with("aud", `"b"`).with("iat", secondsFromNow(0))
	for name, test := range map[string]struct {
		payload jsonObject
		opts    usher.DecoderOptions
		want    error
		details []error
	}{
		"exp is missing":       {good.with("exp", ""), full, usher.ErrTokenClaims, []error{jwt.ErrTokenRequiredClaimMissing}},
		"iss is missing":       {good.with("iss", ""), full, usher.ErrTokenIssuer, []error{jwt.ErrTokenRequiredClaimMissing}},
		"aud is missing":       {good.with("aud", ""), full, usher.ErrTokenAudience, []error{jwt.ErrTokenRequiredClaimMissing}},
		"aud is empty":         {good.with("aud", "[]"), full, usher.ErrTokenAudience, []error{jwt.ErrTokenRequiredClaimMissing}},
		"sub is missing":       {good.with("sub", ""), full, usher.ErrTokenClaims, []error{jwt.ErrTokenRequiredClaimMissing}},
		"iat is missing":       {good.with("iat", ""), full, usher.ErrTokenClaims, []error{jwt.ErrTokenRequiredClaimMissing}},
		"iat lies ahead":       {good.with("iat", secondsFromNow(time.Minute)), full, usher.ErrTokenNotYetValid, []error{jwt.ErrTokenUsedBeforeIssued}},
		"nbf lies ahead":       {good.with("nbf", secondsFromNow(time.Minute)), full, usher.ErrTokenNotYetValid, nil},
		"expired":              {good.with("exp", secondsFromNow(0)), full, usher.ErrTokenExpired, nil},
		"older than MaxAge":    {good.with("iat", secondsFromNow(-2*time.Hour)), full, usher.ErrTokenExpired, nil},
		"another issuer":       {good.with("iss", `"b"`), full, usher.ErrTokenIssuer, nil},
		"another audience":     {good.with("aud", `["a"]`), full, usher.ErrTokenAudience, nil},
		"exp of a wrong type":  {good.with("exp", `"1"`), full, usher.ErrTokenClaims, []error{jwt.ErrInvalidType}},
		"sub of a wrong type":  {good.with("sub", "1"), full, usher.ErrTokenClaims, []error{jwt.ErrInvalidType}},
		"aud of a wrong type":  {good.with("aud", `{"a":1}`), full, usher.ErrTokenClaims, []error{jwt.ErrInvalidType}},
		"exp out of range":     {good.with("exp", "-1"), full, usher.ErrTokenClaims, nil},
		"a field's wrong type": {good.with("role", "1"), full, usher.ErrTokenClaims, []error{jwt.ErrInvalidType}},
	} {
		_, err := newDecoder[userClaims](t, key, test.opts).Decode(t.Context(), signHS256(test.payload))
		checkKind(t, err, test.want)
		for _, detail := range detailErrors {
			if is := errors.Is(err, detail); is != slices.Contains(test.details, detail) {
				t.Errorf("%s: %v is golang-jwt's %q: %v", name, err, detail, is)
			}
			if err != nil && strings.Contains(err.Error(), detail.Error()) {
				t.Errorf("%s: the text repeats golang-jwt's: %v", name, err)
			}
		}
	}
}
