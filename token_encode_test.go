package usher_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

func TestEncodeFillsWhatIsAbsent(t *testing.T) {
	fraction := testNow.Add(123456789)
	e := newEncoder[usher.Claims](t, hmacKey(t, testSecret, "key"), usher.EncoderOptions{
		Issuer: "login", Audience: usher.Audience{"api"}, TTL: time.Hour, Now: func() time.Time { return fraction },
	})
	token, err := e.Encode(t.Context(), usher.Claims{Subject: "42"})
	if err != nil {
		t.Fatal(err)
	}
	header, payload := openToken(t, token)
	if got := fmt.Sprint(membersOf(t, header)); got != "map[alg:HS256 kid:key typ:JWT]" {
		t.Errorf("header %s", got)
	}
	members := membersOf(t, payload)
	id, _ := members["jti"].(string)
	delete(members, "jti")
	want := map[string]any{
		"iss": "login", "sub": "42", "aud": "api", "iat": float64(testNow.Unix()), "exp": float64(testNow.Unix() + 3601),
	}
	if fmt.Sprint(members) != fmt.Sprint(want) {
		t.Errorf("payload %s, want %v", payload, want)
	}
	if len(id) < 22 { // 128 bits as base64
		t.Errorf("jti %q", id)
	}
	seen := map[string]bool{}
	for range 100 {
		_, payload := openToken(t, usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "42"})))
		id, _ := membersOf(t, payload)["jti"].(string)
		if seen[id] {
			t.Fatalf("jti %q twice", id)
		}
		seen[id] = true
	}
}

func TestEncodeLeavesWhatIsThere(t *testing.T) {
	e := newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{
		Issuer: "login", Audience: usher.Audience{"api"}, NotBefore: true,
	})
	claims := usher.Claims{
		Issuer: "other", Subject: "42", Audience: usher.Audience{"a", "b"}, ID: "id", SessionID: "session", Scope: "read",
		ExpiresAt: usher.NewNumericDate(testNow.Add(-time.Hour)), NotBefore: usher.NewNumericDate(testNow.Add(-time.Minute)),
		IssuedAt: usher.NewNumericDate(testNow.Add(-time.Second)), AuthTime: usher.NewNumericDate(time.Unix(0, 0)),
	}
	_, payload := openToken(t, usher.Must(e.Encode(t.Context(), claims)))
	want := fmt.Sprint(map[string]any{
		"iss": "other", "sub": "42", "aud": []any{"a", "b"}, "jti": "id", "sid": "session", "scope": "read",
		"exp": float64(testNow.Unix() - 3600), "nbf": float64(testNow.Unix() - 60), "iat": float64(testNow.Unix() - 1), "auth_time": 0.0,
	})
	if got := fmt.Sprint(membersOf(t, payload)); got != want {
		t.Errorf("payload %s, want %s", got, want)
	}
}

func TestEncodeUsesItsDefaults(t *testing.T) {
	for _, opts := range []*usher.EncoderOptions{nil, {}} {
		e := usher.Must(usher.NewEncoder[usher.Claims](hmacKey(t, testSecret, ""), opts))
		before := time.Now().Unix()
		header, payload := openToken(t, usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "42"})))
		if got := fmt.Sprint(membersOf(t, header)); got != "map[alg:HS256 typ:JWT]" { // and no kid
			t.Errorf("header %s", got)
		}
		members := membersOf(t, payload)
		iat, exp := members["iat"].(float64), members["exp"].(float64)
		if int64(iat) < before || int64(iat) > time.Now().Unix() || exp-iat < 900 || exp-iat > 901 || len(members) != 4 {
			t.Errorf("payload %s", payload)
		}
		if e.TTL() != 15*time.Minute {
			t.Errorf("TTL %v", e.TTL())
		}
	}
	e := newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{TTL: 90 * time.Second})
	if e.TTL() != 90*time.Second {
		t.Errorf("TTL %v", e.TTL())
	}
}

func TestEncodeSetsNotBeforeToIssuedAt(t *testing.T) {
	e := newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{NotBefore: true})
	c := usher.Claims{Subject: "1"}
	if e.Fill(&c); !c.NotBefore.Equal(testNow) || !c.NotBefore.Equal(c.IssuedAt.Time) {
		t.Errorf("nbf %v, iat %v", c.NotBefore, c.IssuedAt)
	}
	early := usher.NewNumericDate(testNow.Add(-time.Hour))
	c = usher.Claims{Subject: "1", IssuedAt: early}
	if e.Fill(&c); c.NotBefore != early {
		t.Errorf("nbf %v, iat %v", c.NotBefore, c.IssuedAt)
	}
	without := newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{})
	if c = (usher.Claims{}); !without.Fill(&c).NotBefore.IsZero() {
		t.Errorf("nbf %v", c.NotBefore)
	}
}

func TestFillReturnsTheEmbeddedClaims(t *testing.T) {
	audience := usher.Audience{"api"}
	e := newEncoder[userClaims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{Issuer: "login", Audience: audience, TTL: time.Minute})
	user := userClaims{Role: "admin"}
	c := e.Fill(&user)
	if c != &user.Claims {
		t.Fatal("not the embedded claims")
	}
	if c.Issuer != "login" || fmt.Sprint(c.Audience) != "[api]" || !c.IssuedAt.Equal(testNow) ||
		!c.ExpiresAt.Equal(testNow.Add(time.Minute)) || c.ID == "" || c.Subject != "" || user.Role != "admin" {
		t.Errorf("%+v", user)
	}
	filled := user
	if e.Fill(&user); fmt.Sprint(user) != fmt.Sprint(filled) {
		t.Errorf("filled twice: %+v, then %+v", filled, user)
	}
	c.Audience[0], audience[0] = "changed", "changed" // neither is the encoder's
	if again := e.Fill(new(userClaims)); fmt.Sprint(again.Audience) != "[api]" {
		t.Errorf("aud %v", again.Audience)
	}
	c.Subject = "42" // more is set
	_, payload := openToken(t, usher.Must(e.Encode(t.Context(), user)))
	if members := membersOf(t, payload); members["sub"] != "42" || members["jti"] != filled.ID || members["role"] != "admin" {
		t.Errorf("payload %s", payload)
	}
	if e.Fill(nil) != nil {
		t.Error("claims of nil")
	}
}

func TestEncodeDoesNotChangeItsArgument(t *testing.T) {
	e := newEncoder[userClaims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{Audience: usher.Audience{"api"}})
	user := userClaims{Claims: usher.Claims{Subject: "1", Audience: make(usher.Audience, 0, 4)}}
	usher.Must(e.Encode(t.Context(), user))
	if len(user.Audience) != 0 || user.Audience[:1][0] != "" || user.ID != "" || !user.ExpiresAt.IsZero() {
		t.Errorf("%+v", user)
	}
}

func TestEncodeWritesHeaders(t *testing.T) {
	for _, test := range []struct{ kid, typ, want string }{
		{"", "", `map[alg:HS256 typ:JWT]`},
		{"", "at+jwt", `map[alg:HS256 typ:at+jwt]`},
		{"", "application/at+jwt", `map[alg:HS256 typ:application/at+jwt]`},
		{"key", "", `map[alg:HS256 kid:key typ:JWT]`},
		{"quote\" back\\slash \n ключ </script>", "", "map[alg:HS256 kid:quote\" back\\slash \n ключ </script> typ:JWT]"},
		{strings.Repeat("k", 256), "", "map[alg:HS256 kid:" + strings.Repeat("k", 256) + " typ:JWT]"},
	} {
		key := hmacKey(t, testSecret, test.kid)
		token := usher.Must(newEncoder[usher.Claims](t, key, usher.EncoderOptions{Type: test.typ}).Encode(t.Context(), usher.Claims{Subject: "1"}))
		header, _ := openToken(t, token)
		if got := fmt.Sprint(membersOf(t, header)); got != test.want {
			t.Errorf("header %s, want %s", got, test.want)
		}
		checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{Type: test.typ}), token, nil)
	}
}

func TestEncodeRefusesWhatDecodersCouldNotRead(t *testing.T) {
	type private struct {
		usher.Claims
		Float float64        `json:"float"`
		Text  string         `json:"text"`
		List  []string       `json:"list"`
		Map   map[string]any `json:"map,omitempty"`
	}
	good := usher.Claims{Subject: "1"}
	at := func(t time.Time) usher.NumericDate { return usher.NumericDate{Time: t} }
	end := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, claims := range map[string]private{
		"no subject":                   {},
		"a date before 1970":           {Claims: usher.Claims{Subject: "1", AuthTime: at(time.Unix(-1, 0))}},
		"a date just before 1970":      {Claims: usher.Claims{Subject: "1", AuthTime: at(time.Unix(0, -1))}},
		"a date after 9999":            {Claims: usher.Claims{Subject: "1", ExpiresAt: at(end)}},
		"a date just before 10000":     {Claims: usher.Claims{Subject: "1", ExpiresAt: at(end.Add(-1))}},
		"a subject that is not UTF-8":  {Claims: usher.Claims{Subject: "\xff"}},
		"an audience that is not":      {Claims: usher.Claims{Subject: "1", Audience: usher.Audience{"\xff"}}},
		"audiences one of which isn't": {Claims: usher.Claims{Subject: "1", Audience: usher.Audience{"a", "\xff"}}},
		"a private claim that is not":  {Claims: good, Text: "\xff"},
		"a list of which one is not":   {Claims: good, List: []string{"a", "\xff"}},
		"not a number":                 {Claims: good, Float: math.NaN()},
		"infinity":                     {Claims: good, Float: math.Inf(-1)},
		"a channel in a map":           {Claims: good, Map: map[string]any{"a": make(chan int)}},
		"a function in a map":          {Claims: good, Map: map[string]any{"a": func() {}}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEncoder[private](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{})
			token, err := e.Encode(t.Context(), claims)
			if token != "" {
				t.Errorf("there is a token")
			}
			checkKind(t, err, usher.ErrTokenClaims)
		})
	}
	e := newEncoder[private](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{AllowNoSubject: true})
	for _, claims := range []private{{}, {Claims: usher.Claims{ExpiresAt: at(end.Add(-time.Second)), NotBefore: at(time.Unix(0, 0))}}} {
		if _, err := e.Encode(t.Context(), claims); err != nil {
			t.Error(err)
		}
	}
	late := newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{Now: func() time.Time { return end.Add(-time.Second) }})
	_, err := late.Encode(t.Context(), good)
	checkKind(t, err, usher.ErrTokenClaims)
	_, err = newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{})
	if err == nil || !strings.Contains(err.Error(), "sub") || !strings.Contains(err.Error(), "AllowNoSubject") {
		t.Errorf("%v does not name sub and the option", err)
	}
}

// picky refuses claims that were not filled first.
type picky struct {
	usher.Claims
	Role string `json:"role"`
}

func (c *picky) Validate() error {
	if c.ID == "" || c.IssuedAt.IsZero() || c.ExpiresAt.IsZero() {
		return errors.New("not filled")
	}
	if c.Role == "" {
		return errNotAllowed
	}
	c.Role += "!"
	return nil
}

func TestEncodeRunsValidate(t *testing.T) {
	source := fixedKeys(hmacKey(t, testSecret, ""))
	e := newEncoder[picky](t, source, usher.EncoderOptions{})
	token, err := e.Encode(t.Context(), picky{Claims: usher.Claims{Subject: "1"}})
	checkKind(t, err, usher.ErrTokenClaims)
	if token != "" || !errors.Is(err, errNotAllowed) || source.calls.Load() != 0 {
		t.Errorf("%q, %v, %d calls for a key", token, err, source.calls.Load())
	}
	if _, err := e.Encode(t.Context(), picky{Claims: usher.Claims{Subject: "1"}, Role: "admin"}); err != nil {
		t.Error(err)
	}
	_, err = newEncoder[validateByValue](t, source, usher.EncoderOptions{}).Encode(t.Context(), validateByValue{Claims: usher.Claims{Subject: "1"}})
	if !errors.Is(err, errNotAllowed) {
		t.Errorf("%v", err)
	}
}

// Tests and migrations may want a token that has expired.
func TestEncodeDoesNotRequireExpInTheFuture(t *testing.T) {
	e := newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{})
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	for _, exp := range []time.Time{testNow.Add(-time.Hour), time.Unix(0, 0)} {
		token, err := e.Encode(t.Context(), usher.Claims{Subject: "1", ExpiresAt: usher.NewNumericDate(exp)})
		if err != nil {
			t.Fatal(err)
		}
		checkDecode(t, d, token, usher.ErrTokenExpired)
	}
}

func TestEncodePassesTheErrorsOfItsKeys(t *testing.T) {
	type contextKey struct{}
	ctx := context.WithValue(t.Context(), contextKey{}, "value")
	for _, want := range []error{usher.ErrUnavailable, context.Canceled, errors.New("the source's own error")} {
		source := &fakeKeySource{keys: func(ctx context.Context, _ string) ([]usher.Key, error) {
			if ctx.Value(contextKey{}) != "value" {
				t.Error("another context")
			}
			return nil, fmt.Errorf("wrapped: %w", want)
		}}
		token, err := newEncoder[usher.Claims](t, source, usher.EncoderOptions{}).Encode(ctx, usher.Claims{Subject: "1"})
		if token != "" || !errors.Is(err, want) || errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("%q, %v, want %v", token, err, want)
		}
	}
	public, _ := testKey(t, usher.EdDSA).Public()
	for _, key := range []usher.Key{{}, public, hmacKey(t, testSecret, strings.Repeat("k", 257)), hmacKey(t, testSecret, "\xff")} {
		token, err := newEncoder[usher.Claims](t, fixedKeys(key), usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "1"})
		if token != "" || len(configErrors(t, err)) != 1 {
			t.Errorf("%v: %q, %v", key, token, err)
		}
	}
}

func TestEncodeSignsWithTheKeyOfTheMoment(t *testing.T) {
	keys := []usher.Key{hmacKey(t, testSecret, "a")}
	source := &fakeKeySource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, nil }}
	e := newEncoder[usher.Claims](t, source, usher.EncoderOptions{})
	for _, key := range []usher.Key{keys[0], hmacKey(t, otherSecret, "b"), testKey(t, usher.ES256)} {
		keys[0] = key
		token := usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "1"}))
		checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{}), token, nil)
	}
}

// nobodysKeys is a key source that does not work as a nil pointer.
type nobodysKeys struct{ usher.KeyRing }

func TestNewEncoderReportsMistakes(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	public, _ := testKey(t, usher.EdDSA).Public()
	var noRing *usher.KeyRing
	for name, test := range map[string]struct {
		keys  usher.SigningKeys
		opts  usher.EncoderOptions
		field string
	}{
		"no keys":                     {nil, usher.EncoderOptions{}, "keys"},
		"the zero Key":                {usher.Key{}, usher.EncoderOptions{}, "keys"},
		"a public key":                {public, usher.EncoderOptions{}, "keys"},
		"a key with a long ID":        {key.WithID(strings.Repeat("k", 257)), usher.EncoderOptions{}, "keys"},
		"an empty set":                {usher.Keys{}, usher.EncoderOptions{}, "keys"},
		"a set that begins with zero": {usher.Keys{{}, key}, usher.EncoderOptions{}, "keys"},
		"a set whose first verifies":  {usher.Keys{public, key}, usher.EncoderOptions{}, "keys"},
		"a nil ring":                  {noRing, usher.EncoderOptions{}, "keys"},
		"a nil source":                {(*nobodysKeys)(nil), usher.EncoderOptions{}, "keys"},
		"a ring of nobody's making":   {new(usher.KeyRing), usher.EncoderOptions{}, "keys"},
		"a nil source of a type":      {(*fakeKeySource)(nil), usher.EncoderOptions{}, "keys"},
		"a negative TTL":              {key, usher.EncoderOptions{TTL: -time.Hour}, "EncoderOptions.TTL"},
		"a TTL of less than a second": {key, usher.EncoderOptions{TTL: time.Second - 1}, "EncoderOptions.TTL"},
		"an empty audience":           {key, usher.EncoderOptions{Audience: usher.Audience{""}}, "EncoderOptions.Audience"},
		"a type with a quote":         {key, usher.EncoderOptions{Type: `a"b`}, "EncoderOptions.Type"},
		"a type with a backslash":     {key, usher.EncoderOptions{Type: `a\b`}, "EncoderOptions.Type"},
		"a type with a line break":    {key, usher.EncoderOptions{Type: "a\nb"}, "EncoderOptions.Type"},
		"a type that is not ASCII":    {key, usher.EncoderOptions{Type: "жwt"}, "EncoderOptions.Type"},
		"a type of spaces":            {key, usher.EncoderOptions{Type: " "}, "EncoderOptions.Type"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := usher.NewEncoder[usher.Claims](test.keys, &test.opts)
			if e != nil {
				t.Error("there is an encoder")
			}
			wantConfigError(t, err, test.field)
		})
	}
	type wrongShape struct {
		usher.Claims
		Expiry string `json:"exp"`
	}
	_, err := usher.NewEncoder[wrongShape](usher.Key{}, &usher.EncoderOptions{TTL: -1, Audience: usher.Audience{""}, Type: "\x00"})
	if n := len(configErrors(t, err)); n != 5 {
		t.Errorf("%d of 5 mistakes: %v", n, err)
	}
	if _, err := usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: time.Second}); err != nil {
		t.Error(err)
	}
	// A source of one's own is asked when there is something to sign, not before.
	source := fixedKeys()
	if _, err := usher.NewEncoder[usher.Claims](source, nil); err != nil || source.calls.Load() != 0 {
		t.Errorf("%v, %d calls", err, source.calls.Load())
	}
}

func TestEncoderKeepsItsOwnOptions(t *testing.T) {
	keys := usher.Keys{hmacKey(t, testSecret, "")}
	opts := usher.EncoderOptions{Issuer: "login", Now: testClock}
	e := usher.Must(usher.NewEncoder[usher.Claims](keys, &opts))
	keys[0], opts.Issuer, opts.Now = usher.Key{}, "other", nil
	token := usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "1"}))
	checkDecode(t, newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{Issuer: "login"}), token, nil)
}

func TestAnEncoderNotMadeByNewEncoderIsAnError(t *testing.T) {
	var none *usher.Encoder[usher.Claims]
	for _, e := range []*usher.Encoder[usher.Claims]{none, {}} {
		if token, err := e.Encode(t.Context(), usher.Claims{Subject: "1"}); token != "" || err == nil {
			t.Errorf("%q, %v", token, err)
		}
		if e.Fill(new(usher.Claims)) != nil || e.TTL() != 0 {
			t.Error("it fills, or has a TTL")
		}
	}
}

func TestEncodersAndDecodersAgree(t *testing.T) {
	for _, alg := range allAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			key := testKey(t, alg).WithID("key")
			opts := usher.DecoderOptions{Issuer: "login", Audience: usher.Audience{"api"}, MaxAge: time.Hour}
			e := newEncoder[userClaims](t, key, usher.EncoderOptions{Issuer: "login", Audience: usher.Audience{"web", "api"}, NotBefore: true})
			want := userClaims{Claims: usher.Claims{Subject: "42", Scope: "a b", SessionID: "s"}, Role: "ад\"\\<&\u2028", Teams: []string{"a", "б"}}
			e.Fill(&want)
			want.ExpiresAt.Time = want.ExpiresAt.Add(123456789) // fractions are kept
			token := usher.Must(e.Encode(t.Context(), want))
			got := checkDecode(t, newDecoder[userClaims](t, key, opts), token, nil)
			if fmt.Sprintf("%#v", *got) != fmt.Sprintf("%#v", want) {
				t.Errorf("got  %#v\nwant %#v", *got, want)
			}
		})
	}
}

func TestEncodeEscapesWhatNeedsIt(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	e, d := newEncoder[userClaims](t, key, usher.EncoderOptions{}), newDecoder[userClaims](t, key, usher.DecoderOptions{})
	for c := range rune(0x100) {
		text := string(c)
		token, err := e.Encode(t.Context(), userClaims{Claims: usher.Claims{Subject: text}, Role: text, Teams: []string{text}})
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := checkDecode(t, d, token, nil); got != nil && (got.Subject != text || got.Role != text || got.Teams[0] != text) {
			t.Errorf("%q comes back as %q, %q, %q", text, got.Subject, got.Role, got.Teams)
		}
	}
}

func TestEncoderServesManyAtOnce(t *testing.T) {
	e := newEncoder[userClaims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{Audience: usher.Audience{"api"}})
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{Audience: usher.Audience{"api"}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				sub := strings.Repeat(fmt.Sprint(i), 1+j)
				token, err := e.Encode(t.Context(), userClaims{Claims: usher.Claims{Subject: sub}, Role: sub})
				if err != nil {
					t.Error(err)
					return
				}
				if c, err := d.Decode(t.Context(), token); err != nil || c.Subject != sub || c.Role != sub {
					t.Errorf("%v, %v", c, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// iat is rounded down and exp up: no token lives shorter than its TTL, or a second longer.
func TestNoTokenLivesShorterThanItsTTL(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	for _, fraction := range []time.Duration{0, 1, 123 * time.Millisecond, time.Second - 1} {
		issued := testNow.Add(fraction)
		e := newEncoder[usher.Claims](t, key, usher.EncoderOptions{TTL: time.Second, Now: func() time.Time { return issued }})
		var c usher.Claims
		e.Fill(&c)
		if lives := c.ExpiresAt.Sub(issued); lives < time.Second || lives >= 2*time.Second || c.IssuedAt.After(issued) {
			t.Errorf("issued at %v, it lives for %v, with an iat of %v", fraction, lives, c.IssuedAt)
		}
		if e.TTL() != time.Second {
			t.Errorf("TTL %v", e.TTL())
		}
	}
}

func TestEncodeLimitsTheSize(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	claims := usher.Claims{Subject: "42", ID: strings.Repeat("x", 300)}
	size := len(usher.Must(newEncoder[usher.Claims](t, key, usher.EncoderOptions{}).Encode(t.Context(), claims)))
	token, err := newEncoder[usher.Claims](t, key, usher.EncoderOptions{MaxSize: size}).Encode(t.Context(), claims)
	if err != nil || len(token) != size {
		t.Errorf("%d bytes where %d are allowed: %v", len(token), size, err)
	}
	_, err = newEncoder[usher.Claims](t, key, usher.EncoderOptions{MaxSize: size - 1}).Encode(t.Context(), claims)
	if checkKind(t, err, usher.ErrTokenTooLarge); err == nil || !strings.Contains(err.Error(), "EncoderOptions.MaxSize") {
		t.Errorf("%v does not name the option", err)
	}
	claims.ID = strings.Repeat("x", 8<<10)
	_, err = newEncoder[usher.Claims](t, key, usher.EncoderOptions{}).Encode(t.Context(), claims)
	checkKind(t, err, usher.ErrTokenTooLarge)
}

func TestNewEncoderRefusesImplausibleOptions(t *testing.T) {
	for field, opts := range map[string]usher.EncoderOptions{
		"TTL":          {TTL: 900},
		"MaxSize":      {MaxSize: 8},
		"Issuer":       {Issuer: "https://login.example "},
		"Audience":     {Audience: usher.Audience{"\tapi"}},
		"Type":         {Type: "JWT,at+jwt"},
		"SubjectClaim": {SubjectClaim: "aud"},
	} {
		_, err := usher.NewEncoder[usher.Claims](hmacKey(t, testSecret, ""), &opts)
		wantConfigError(t, err, "EncoderOptions."+field)
	}
}

func TestAnotherClaimMaySayWhoTheSubjectIs(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	_, err := usher.NewEncoder[userClaims](key, &usher.EncoderOptions{SubjectClaim: " user_id"})
	wantConfigError(t, err, "EncoderOptions.SubjectClaim", "spaces")
	e := newEncoder[userClaims](t, key, usher.EncoderOptions{SubjectClaim: "user_id"})
	d := newDecoder[userClaims](t, key, usher.DecoderOptions{SubjectClaim: "user_id"})
	token := usher.Must(e.Encode(t.Context(), userClaims{Claims: usher.Claims{Subject: "42"}, Role: "admin"}))
	_, payload := openToken(t, token)
	if members := membersOf(t, payload); members["user_id"] != "42" || members["sub"] != nil {
		t.Errorf("payload %s", payload)
	}
	if c := checkDecode(t, d, token, nil); c != nil && (c.Subject != "42" || c.Role != "admin") {
		t.Errorf("%+v", c)
	}
	checkDecode(t, newDecoder[userClaims](t, key, usher.DecoderOptions{}), token, usher.ErrTokenClaims)

	payloads := jsonObject{"exp": secondsFromNow(time.Hour), "user_id": `"42"`}
	if c := checkDecode(t, d, signHS256(payloads.with("sub", `"7"`)), nil); c != nil && c.Subject != "42" {
		t.Errorf("%+v", c)
	}
	for _, wrong := range []jsonObject{
		payloads.with("user_id", ""), payloads.with("user_id", "42"), payloads.with("user_id", `""`), payloads.with("user_id", "null"), payloads.with("sub", "7"),
	} {
		checkDecode(t, d, signHS256(wrong), usher.ErrTokenClaims)
	}
	numeric := newDecoder[userClaims](t, key, usher.DecoderOptions{SubjectClaim: "user_id", AllowNumericSubject: true})
	if c := checkDecode(t, numeric, signHS256(payloads.with("user_id", "42")), nil); c != nil && c.Subject != "42" {
		t.Errorf("%+v", c)
	}
	checkDecode(t, numeric, signHS256(payloads.with("user_id", "4.2")), usher.ErrTokenClaims)

	_, err = usher.NewDecoder[userClaims](key, &usher.DecoderOptions{SubjectClaim: "role"})
	wantConfigError(t, err, "DecoderOptions.SubjectClaim", "field")
	_, err = usher.NewEncoder[userClaims](key, &usher.EncoderOptions{SubjectClaim: "role"})
	wantConfigError(t, err, "EncoderOptions.SubjectClaim", "field")
}
