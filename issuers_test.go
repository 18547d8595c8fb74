package usher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-usher/usher"
)

// tokVerifier is a Verifier that does what it is told.
type tokVerifier func(ctx context.Context, token string) (*tokUser, error)

func (v tokVerifier) Decode(ctx context.Context, token string) (*tokUser, error) {
	return v(ctx, token)
}

type tokVerifiers = map[string]usher.Verifier[tokUser]

func tokIssuer(issuer string) tokObject { return tokTeams().with("iss", `"`+issuer+`"`) }

func TestByIssuerSendsEachTokenToItsVerifier(t *testing.T) {
	here := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{Issuer: "here", CacheSize: 4})
	there := tokDecoder[tokUser](t, tokKey(t, usher.ES256), usher.DecoderOptions{})
	verifiers := tokVerifiers{"here": here, "https://there.example/": there}
	v := usher.Must(usher.ByIssuer(verifiers))
	delete(verifiers, "here")
	fromHere := tokHS256(tokIssuer("here"))
	fromThere := tokJoin("ES256", tokP256(), `{"alg":"ES256"}`, tokIssuer("https://there.example/").String())
	for range 3 { // remembered from the second time on
		if c := tokCheckDecode(t, v, fromHere, nil); c == nil || c.Issuer != "here" || c.Subject != "42" {
			t.Errorf("%v", c)
		}
		if c := tokCheckDecode(t, v, fromThere, nil); c == nil || c.Issuer != "https://there.example/" {
			t.Errorf("%v", c)
		}
	}
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"another issuer":             {tokHS256(tokIssuer("elsewhere")), usher.ErrTokenIssuer},
		"an issuer in another case":  {tokHS256(tokIssuer("Here")), usher.ErrTokenIssuer},
		"an issuer with more":        {tokHS256(tokIssuer("https://there.example/x")), usher.ErrTokenIssuer},
		"no issuer":                  {tokHS256(tokTeams()), usher.ErrTokenIssuer},
		"an empty issuer":            {tokHS256(tokIssuer("")), usher.ErrTokenIssuer},
		"an issuer in capitals":      {tokHS256(tokTeams().with("ISS", `"here"`)), usher.ErrTokenIssuer},
		"an issuer that is a number": {tokHS256(tokTeams().with("iss", "1")), usher.ErrTokenClaims},
		"an issuer that is null":     {tokHS256(tokTeams().with("iss", "null")), usher.ErrTokenClaims},
		"a list of issuers":          {tokHS256(tokTeams().with("iss", `["here"]`)), usher.ErrTokenClaims},
		"an issuer twice":            {tokHS256(tokText(`{"iss":"here","iss":"here","sub":"1","exp":9999999999}`)), usher.ErrTokenMalformed},
		"an issuer twice, escaped":   {tokHS256(tokText(`{"iss":"elsewhere","\u0069ss":"here","sub":"1","exp":9999999999}`)), usher.ErrTokenMalformed},
		"the other's key":            {tokHS256(tokIssuer("https://there.example/")), usher.ErrUnknownKey},
		"forged":                     {tokJoin("HS256", tokOtherSecret, tokHeader().String(), tokIssuer("here").String()), usher.ErrTokenSignature},
		"forged, escaped":            {tokJoin("HS256", tokOtherSecret, tokHeader().String(), `{"iss":"h\u0065re"}`), usher.ErrTokenSignature},
		"escaped":                    {tokHS256(tokTeams().with("iss", `"h\u0065re"`)), nil},
		"no header":                  {"." + fromHere, usher.ErrTokenMalformed},
		"nothing":                    {"", usher.ErrTokenMalformed},
		"a segment more":             {fromHere + ".AA", usher.ErrTokenMalformed},
		"padding":                    {fromHere + "=", usher.ErrTokenMalformed},
		"padding in the payload":     {strings.Replace(fromHere, ".", "=.", 1), usher.ErrTokenMalformed},
		"too large":                  {tokHS256(tokIssuer(strings.Repeat("x", 8000))), usher.ErrTokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) { tokCheckDecode(t, v, test.token, test.want) })
	}
	for name, payload := range tokNotJSON(`"iss":"here","sub":"42","exp":` + tokSeconds(1)) {
		t.Run(name, func(t *testing.T) {
			token := tokJoin("HS256", tokSecret, tokHeader().String(), payload)
			tokCheckDecode(t, v, token, usher.ErrTokenMalformed)
		})
	}
	for name, payload := range tokNotJSON(`"iss":"elsewhere","sub":"42","exp":` + tokSeconds(1)) {
		t.Run("another issuer, "+name, func(t *testing.T) {
			token := tokJoin("HS256", tokSecret, tokHeader().String(), payload)
			tokCheckDecode(t, v, token, usher.ErrTokenMalformed)
		})
	}
}

// An unlisted issuer is refused before any key is looked up.
func TestByIssuerAsksNoKeysForStrangers(t *testing.T) {
	source := tokFixed(tokHMAC(t, tokSecret, ""))
	v := usher.Must(usher.ByIssuer(tokVerifiers{
		"here": tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 4}),
		"there": tokVerifier(func(context.Context, string) (*tokUser, error) {
			t.Error("it was asked")
			return nil, nil
		}),
	}))
	_, err := v.Decode(t.Context(), tokHS256(tokIssuer("a-stranger")))
	tokCheckKind(t, err, usher.ErrTokenIssuer)
	if !strings.Contains(err.Error(), "a-stranger") {
		t.Errorf("%v does not name the issuer", err)
	}
	tokCheckDecode(t, v, tokHS256(tokTeams()), usher.ErrTokenIssuer)
	if n := source.calls.Load(); n != 0 {
		t.Errorf("%d look-ups", n)
	}
	tokCheckDecode(t, v, tokHS256(tokIssuer("here")), nil)
	if n := source.calls.Load(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
	_, err = v.Decode(t.Context(), tokHS256(tokIssuer(strings.Repeat("long", 1000))))
	if err == nil || len(err.Error()) > 512 {
		t.Errorf("a text of %d bytes", len(fmt.Sprint(err)))
	}
}

// After the verifier's work iss must be what it is listed under, whatever the verifier says.
func TestByIssuerChecksTheIssuerAfterwards(t *testing.T) {
	var answer *tokUser
	var failure error
	v := usher.Must(usher.ByIssuer(tokVerifiers{"here": tokVerifier(func(context.Context, string) (*tokUser, error) {
		return answer, failure
	})}))
	token := tokHS256(tokIssuer("here"))
	for issuer, want := range map[string]error{"here": nil, "": usher.ErrTokenIssuer, "there": usher.ErrTokenIssuer, "HERE": usher.ErrTokenIssuer} {
		answer = &tokUser{Claims: usher.Claims{Issuer: issuer}}
		tokCheckDecode(t, v, token, want)
	}
	answer = nil
	if c, err := v.Decode(t.Context(), token); c != nil || err == nil {
		t.Errorf("%v, %v", c, err)
	}
	own := errors.New("the verifier's own error")
	for _, failure = range []error{usher.ErrUnavailable, usher.ErrTokenRevoked, own} {
		answer = &tokUser{Claims: usher.Claims{Issuer: "here"}}
		if c, err := v.Decode(t.Context(), token); c != nil || !errors.Is(err, failure) {
			t.Errorf("%v, %v, want %v", c, err, failure)
		}
	}
}

func TestByIssuerPassesTheContext(t *testing.T) {
	type contextKey struct{}
	v := usher.Must(usher.ByIssuer(tokVerifiers{"here": tokVerifier(func(ctx context.Context, token string) (*tokUser, error) {
		if ctx.Value(contextKey{}) != "value" || token != tokHS256(tokIssuer("here")) {
			t.Error("another context or token")
		}
		return &tokUser{Claims: usher.Claims{Issuer: "here"}}, nil
	})}))
	if _, err := v.Decode(context.WithValue(t.Context(), contextKey{}, "value"), tokHS256(tokIssuer("here"))); err != nil {
		t.Error(err)
	}
}

func TestByIssuerReportsMistakes(t *testing.T) {
	key := tokHMAC(t, tokSecret, "")
	good := tokDecoder[tokUser](t, key, usher.DecoderOptions{})
	named := tokDecoder[tokUser](t, key, usher.DecoderOptions{Issuer: "there"})
	var none *usher.Decoder[tokUser]
	for name, test := range map[string]struct {
		verifiers tokVerifiers
		field     string
		text      string
	}{
		"nil":                            {nil, "verifiers", "empty"},
		"no verifiers":                   {tokVerifiers{}, "verifiers", "empty"},
		"a nil verifier":                 {tokVerifiers{"here": nil}, `verifiers["here"]`, "nil"},
		"a nil decoder":                  {tokVerifiers{"here": none}, `verifiers["here"]`, ""},
		"a decoder of nobody's making":   {tokVerifiers{"here": new(usher.Decoder[tokUser])}, `verifiers["here"]`, "NewDecoder"},
		"a nil verifier of a type":       {tokVerifiers{"here": tokVerifier(nil)}, `verifiers["here"]`, "nil"},
		"no issuer":                      {tokVerifiers{"": good}, `verifiers[""]`, ""},
		"a decoder for another issuer":   {tokVerifiers{"here": named}, `verifiers["here"]`, `"there"`},
		"one of two is for another":      {tokVerifiers{"here": named, "there": named}, `verifiers["here"]`, `"there"`},
		"another case of the same issue": {tokVerifiers{"There": named}, `verifiers["There"]`, `"there"`},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := usher.ByIssuer(test.verifiers)
			if v != nil {
				t.Error("there is a verifier")
			}
			tokWantConfig(t, err, test.field, test.text)
		})
	}
	_, err := usher.ByIssuer(tokVerifiers{"": nil, "a": none, "b": named, "c": good})
	if n := len(tokConfigErrors(t, err)); n != 4 {
		t.Errorf("%d of 4 mistakes: %v", n, err)
	}
	if _, err := usher.ByIssuer(tokVerifiers{"there": named, "here": good}); err != nil {
		t.Error(err)
	}
}

// The peek has the decoders' size cap: nothing larger than the largest of them is looked into.
func TestByIssuerLimitsTheSize(t *testing.T) {
	key := tokHMAC(t, tokSecret, "")
	sized := func(issuer string, size int) string {
		return tokHS256(tokIssuer(issuer).with("pad", `"`+strings.Repeat("x", size*3/4)+`"`))
	}
	v := usher.Must(usher.ByIssuer(tokVerifiers{
		"small": tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: 1000}),
		"large": tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: 20_000}),
	}))
	tokCheckDecode(t, v, sized("small", 100), nil)
	tokCheckDecode(t, v, sized("small", 2000), usher.ErrTokenTooLarge)
	tokCheckDecode(t, v, sized("large", 2000), nil)
	tokCheckDecode(t, v, sized("large", 15_000), nil)
	tokCheckDecode(t, v, sized("large", 21_000), usher.ErrTokenTooLarge)
	tokCheckDecode(t, v, sized("elsewhere", 21_000), usher.ErrTokenTooLarge)
	tokCheckDecode(t, v, strings.Repeat(".", 21_000), usher.ErrTokenTooLarge)

	small := usher.Must(usher.ByIssuer(tokVerifiers{"small": tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: 1000})}))
	tokCheckDecode(t, small, sized("elsewhere", 1500), usher.ErrTokenTooLarge)
	own := usher.Must(usher.ByIssuer(tokVerifiers{"own": tokVerifier(func(context.Context, string) (*tokUser, error) {
		return &tokUser{Claims: usher.Claims{Issuer: "own"}}, nil
	})}))
	tokCheckDecode(t, own, sized("own", 7000), nil)
	tokCheckDecode(t, own, sized("own", 9000), usher.ErrTokenTooLarge)

	token := tokHS256(tokIssuer("exact"))
	for size, want := range map[int]error{len(token): nil, len(token) - 1: usher.ErrTokenTooLarge} {
		exact := tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: size})
		tokCheckDecode(t, usher.Must(usher.ByIssuer(tokVerifiers{"exact": exact})), token, want)
	}
}

// A remembered token is still checked as if it were not.
func TestByIssuerDoesNotTrustTheCacheAlone(t *testing.T) {
	keys := []usher.Key{tokHMAC(t, tokSecret, "")}
	var failure error
	clock := tokTimeAt(tokNow)
	source := &tokSource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, failure }}
	d := tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 4, Now: clock.now})
	v := usher.Must(usher.ByIssuer(tokVerifiers{"here": d, "there": tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 4})}))
	token, foreign := tokHS256(tokIssuer("here")), tokHS256(tokIssuer("elsewhere"))
	tokCheckDecode(t, v, token, nil)
	// The decoder alone knows no issuers, and remembers the foreign token; the router still refuses it.
	tokCheckDecode(t, d, foreign, nil)
	tokCheckDecode(t, d, foreign, nil)
	tokCheckDecode(t, v, foreign, usher.ErrTokenIssuer)
	// A token for the other decoder, remembered by this one, goes to the other.
	there := tokHS256(tokIssuer("there"))
	tokCheckDecode(t, d, there, nil)
	if c := tokCheckDecode(t, v, there, nil); c != nil && c.Issuer != "there" {
		t.Errorf("%v", c)
	}
	clock.set(tokNow.Add(tokYear))
	tokCheckDecode(t, v, token, usher.ErrTokenExpired)
	tokCheckDecode(t, v, there, nil) // the other decoder has another clock
	clock.set(tokNow)
	keys = []usher.Key{tokHMAC(t, tokOtherSecret, "")}
	tokCheckDecode(t, v, token, usher.ErrTokenSignature)
	failure = usher.ErrUnavailable
	if _, err := v.Decode(t.Context(), token); !errors.Is(err, usher.ErrUnavailable) || errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("%v", err)
	}
}
