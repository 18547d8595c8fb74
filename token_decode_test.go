package usher_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/go-usher/usher"
)

func TestDecodeReturnsTheClaims(t *testing.T) {
	d := newDecoder[userClaims](t, testKey(t, usher.HS256), usher.DecoderOptions{DangerouslyAllowAnyAudience: true})
	c := checkDecode(t, d, signHS256(jsonText(`{"iss":"login","sub":"42","aud":["a","b"],"exp":1893553446.25,"nbf":1,
		"iat":2,"jti":"id","sid":"session","scope":"read write","auth_time":3,"role":"admin","teams":["x","y"],"more":{"a":[1]}}`)), nil)
	want := userClaims{
		Claims: usher.Claims{
			Issuer: "login", Subject: "42", Audience: usher.Audience{"a", "b"},
			ExpiresAt: usher.NumericDate{Time: time.Unix(1893553446, 250_000_000).UTC()},
			NotBefore: usher.NumericDate{Time: time.Unix(1, 0).UTC()}, IssuedAt: usher.NumericDate{Time: time.Unix(2, 0).UTC()},
			ID: "id", SessionID: "session", Scope: "read write", AuthTime: usher.NumericDate{Time: time.Unix(3, 0).UTC()},
		},
		Role: "admin", Teams: []string{"x", "y"},
	}
	if got := fmt.Sprintf("%#v", *c); got != fmt.Sprintf("%#v", want) {
		t.Errorf("got  %s\nwant %#v", got, want)
	}
}

// The order of checks is the order of reasons: a token with two faults is refused for the first.
func TestDecodeReportsTheFirstOfTwoFaults(t *testing.T) {
	type token struct {
		header, payload   jsonObject
		payloadSuffix     string
		secret            []byte
		afterTheSignature string
	}
	faults := []struct {
		name  string
		want  error
		fault func(*token)
	}{
		{"too large", usher.ErrTokenTooLarge, func(k *token) { k.payload = k.payload.with("pad", `"`+strings.Repeat("x", 9000)+`"`) }},
		{"not base64url", usher.ErrTokenMalformed, func(k *token) { k.afterTheSignature = "=" }},
		{"critical extension", usher.ErrTokenMalformed, func(k *token) { k.header = k.header.with("crit", `["b64"]`) }},
		{"unsupported algorithm", usher.ErrTokenSignature, func(k *token) { k.header = k.header.with("alg", `"none"`) }},
		{"unknown key", usher.ErrUnknownKey, func(k *token) { k.header = k.header.with("kid", `"other"`) }},
		{"forged", usher.ErrTokenSignature, func(k *token) { k.secret = otherSecret }},
		{"payload with something after it", usher.ErrTokenMalformed, func(k *token) { k.payloadSuffix = "{}" }},
		{"claim of the wrong type", usher.ErrTokenClaims, func(k *token) { k.payload = k.payload.with("jti", "1") }},
		{"expired", usher.ErrTokenExpired, func(k *token) { k.payload = k.payload.with("exp", secondsFromNow(-time.Second)) }},
		{"not yet valid", usher.ErrTokenNotYetValid, func(k *token) { k.payload = k.payload.with("nbf", secondsFromNow(time.Second)) }},
		{"too old", usher.ErrTokenExpired, func(k *token) { k.payload = k.payload.with("iat", secondsFromNow(-2*time.Hour)) }},
		{"wrong issuer", usher.ErrTokenIssuer, func(k *token) { k.payload = k.payload.with("iss", `"other"`) }},
		{"wrong audience", usher.ErrTokenAudience, func(k *token) { k.payload = k.payload.with("aud", `"other"`) }},
		{"wrong type of token", usher.ErrTokenType, func(k *token) { k.header = k.header.with("typ", `"refresh"`) }},
		{"no subject", usher.ErrTokenClaims, func(k *token) { k.payload = k.payload.with("sub", "") }},
		{"refused by Validate", usher.ErrTokenClaims, func(k *token) { k.payload = k.payload.with("allowed", "false") }},
	}
	d := newDecoder[testValidated](t, testKey(t, usher.HS256).WithID("key"), usher.DecoderOptions{
		Issuer: "login", Audience: usher.Audience{"api"}, MaxAge: time.Hour,
	})
	decode := func(t *testing.T, want error, faults ...func(*token)) error {
		t.Helper()
		k := token{
			header: goodHeader().with("kid", `"key"`),
			payload: goodPayload().with("iss", `"login"`).with("aud", `"api"`).with("iat", secondsFromNow(0)).
				with("allowed", "true"),
			secret: testSecret,
		}
		for _, fault := range faults {
			fault(&k)
		}
		token := signToken("HS256", k.secret, k.header.String(), k.payload.String()+k.payloadSuffix) + k.afterTheSignature
		checkDecode(t, d, token, want)
		_, err := d.Decode(t.Context(), token)
		return err
	}
	decode(t, nil)
	for i, first := range faults {
		t.Run(first.name, func(t *testing.T) {
			err := decode(t, first.want, first.fault)
			if last := i == len(faults)-1; last != errors.Is(err, errNotAllowed) {
				t.Errorf("%q: is Validate's error: %v", err, !last)
			}
			for _, second := range faults[i+1:] {
				t.Run("and "+second.name, func(t *testing.T) {
					err := decode(t, first.want, second.fault, first.fault)
					if errors.Is(err, errNotAllowed) {
						t.Errorf("Validate was asked: %v", err)
					}
				})
			}
		})
	}
}

var errNotAllowed = errors.New("not allowed")

// testValidated has a rule of its own.
type testValidated struct {
	usher.Claims
	Allowed bool `json:"allowed"`
}

func (c *testValidated) Validate() error {
	if !c.Allowed {
		return errNotAllowed
	}
	return nil
}

func TestDecodeLimitsTheSize(t *testing.T) {
	key := testKey(t, usher.HS256)
	ofSize := func(size int) string {
		for pad := size*3/4 - 200; ; pad++ {
			token := signHS256(goodPayload().with("pad", `"`+strings.Repeat("x", pad)+`"`))
			if len(token) >= size {
				return token
			}
		}
	}
	byDefault := newDecoder[usher.Claims](t, key, usher.DecoderOptions{})
	fits := ofSize(8<<10 - 1)
	if len(fits) > 8<<10 {
		t.Fatalf("%d bytes", len(fits))
	}
	checkDecode(t, byDefault, fits, nil)
	checkDecode(t, byDefault, ofSize(8<<10+1), usher.ErrTokenTooLarge)

	token := signHS256(goodPayload())
	checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{MaxSize: len(token)}), token, nil)
	checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{MaxSize: len(token) - 1}), token, usher.ErrTokenTooLarge)
	checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{MaxSize: 64 << 10}), ofSize(60_000), nil)
}

// What an attacker sends without a key must cost next to nothing, however long it is.
func TestDecodeRefusesFloodsAtOnce(t *testing.T) {
	million := 1 << 20
	nested := strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000)
	floods := []struct{ name, token string }{
		{"a one-megabyte header", signToken("HS256", otherSecret, goodHeader().with("x", `"`+strings.Repeat("x", million)+`"`).String(), "{}")},
		{"a megabyte of dots", strings.Repeat(".", million)},
		{"a megabyte of nothing", strings.Repeat("A", million)},
		{"a megabyte of a signature", signHS256(goodPayload()) + strings.Repeat("A", million)},
		{"nested arrays in the payload", signHS256(goodPayload().with("x", nested))},
		{"nested arrays in the header", signToken("HS256", testSecret, goodHeader().with("x", nested).String(), goodPayload().String())},
	}
	for _, flood := range floods {
		t.Run(flood.name, func(t *testing.T) {
			d := newDecoder[userClaims](t, testKey(t, usher.HS256), usher.DecoderOptions{CacheSize: 100})
			router := usher.Must(usher.ByIssuer(map[string]usher.Verifier[userClaims]{"login": d}))
			for _, v := range []usher.Verifier[userClaims]{d, router} {
				checkDecode(t, v, flood.token, usher.ErrTokenTooLarge)
				took, bytes := testCost(t, v, flood.token)
				if took > time.Millisecond && !testRace || bytes > 4<<10 {
					t.Errorf("took %v and %d bytes", took, bytes)
				}
			}
		})
	}
}

func TestDecodeBoundsTheCostOfLargeTokens(t *testing.T) {
	const maxSize = 2 << 20
	nested := strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000)
	objects := strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000)
	var names strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&names, `"name %d":0,`, i)
	}
	type claims struct {
		usher.Claims
		Any any `json:"any"`
	}
	for _, test := range []struct {
		name, token string
		want        error
	}{
		{"dots", strings.Repeat(".", 1<<20), usher.ErrTokenMalformed},
		{"segments", strings.Repeat("A.", 1<<19), usher.ErrTokenMalformed},
		{"a long header", signToken("HS256", otherSecret, goodHeader().with("x", `"`+strings.Repeat("x", 1<<20)+`"`).String(), "{}"), usher.ErrTokenSignature},
		{"nested arrays in the header", signToken("HS256", testSecret, goodHeader().with("x", nested).String(), goodPayload().String()), usher.ErrTokenMalformed},
		{"nested arrays in a forged payload", signToken("HS256", otherSecret, goodHeader().String(), goodPayload().with("any", nested).String()), usher.ErrTokenSignature},
		{"nested arrays in an unknown claim", signHS256(goodPayload().with("x", nested)), usher.ErrTokenMalformed},
		{"nested arrays in a private claim", signHS256(goodPayload().with("any", nested)), usher.ErrTokenMalformed},
		{"nested objects in a private claim", signHS256(goodPayload().with("any", objects)), usher.ErrTokenMalformed},
		{"nested arrays alone", signHS256(jsonText(nested)), usher.ErrTokenMalformed},
		{"many claims", signHS256(jsonText("{" + names.String() + goodPayload().String()[1:])), nil},
		{"many names in the header", signToken("HS256", testSecret, "{"+names.String()+goodHeader().String()[1:], goodPayload().String()), nil},
		{"a date with many digits", signHS256(goodPayload().with("nbf", "0."+strings.Repeat("0", 1<<20)+"e99")), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDecoder[claims](t, testKey(t, usher.HS256), usher.DecoderOptions{MaxSize: maxSize})
			checkDecode(t, d, test.token, test.want)
			if testRace {
				return // it takes its time
			}
			took, bytes := testCost(t, d, test.token)
			if most := 20 * len(test.token); bytes > uint64(most) {
				t.Errorf("took %d bytes for %d", bytes, len(test.token))
			}
			if took > 2*time.Second { // what is quadratic takes minutes
				t.Errorf("took %v", took)
			}
		})
	}
}

// testCost returns the least time and memory of a few decodings.
func testCost[C any](tb testing.TB, v usher.Verifier[C], token string) (time.Duration, uint64) {
	tb.Helper()
	least, bytes := time.Hour, uint64(1<<62)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, _ = v.Decode(tb.Context(), token)
		least = min(least, time.Since(start))
		runtime.ReadMemStats(&after)
		bytes = min(bytes, after.TotalAlloc-before.TotalAlloc)
	}
	return least, bytes
}

func TestDecodeRefusesWhatIsNotThreeCanonicalSegments(t *testing.T) {
	good := signToken("HS256", testSecret, goodHeader().String()+" ", goodPayload().String())
	segments := strings.Split(good, ".")
	// A segment of 43 characters, such as HS256's signature, has two spare bits: the last character could be
	// any of four.
	spare := func(segment string) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, segment[len(segment)-1])
		return segment[:len(segment)-1] + alphabet[last+1:last+2]
	}
	for _, segment := range segments {
		if len(segment)%4 == 0 {
			t.Fatalf("no spare bits in %q", segment)
		}
	}
	tests := map[string]string{
		"empty":                   "",
		"one dot":                 ".",
		"two dots":                "..",
		"one segment":             segments[0],
		"two segments":            segments[0] + "." + segments[1],
		"four segments":           good + "." + segments[2],
		"five segments":           good + "." + segments[2] + "." + segments[2],
		"dot at the end":          good + ".",
		"dot at the start":        "." + good,
		"empty header":            "." + segments[1] + "." + segments[2],
		"empty payload":           segments[0] + ".." + segments[2],
		"empty signature":         segments[0] + "." + segments[1] + ".",
		"empty payload and more":  segments[0] + "..." + segments[2],
		"words":                   "not a token",
		"a NUL":                   "\x00",
		"not UTF-8":               "\xff.\xff.\xff",
		"the JSON serialization":  `{"payload":"` + segments[1] + `"}`,
		"an encrypted token":      "e30.e30.e30.e30.e30",
		"space around the token":  " " + good,
		"space after the token":   good + " ",
		"a line break at the end": good + "\n",
	}
	for i, name := range []string{"header", "payload", "signature"} {
		changed := func(segment string) string {
			other := append([]string{}, segments...)
			other[i] = segment
			return strings.Join(other, ".")
		}
		s := segments[i]
		tests["padding in the "+name] = changed(s + "=")
		tests["much padding in the "+name] = changed(s + "==")
		tests["spare bits in the "+name] = changed(spare(s))
		tests["standard alphabet in the "+name] = changed("+/" + s[2:])
		tests["space in the "+name] = changed(s[:4] + " " + s[4:])
		tests["tab in the "+name] = changed(s[:4] + "\t" + s[4:])
		tests["line feed in the "+name] = changed(s[:4] + "\n" + s[4:])
		tests["carriage return in the "+name] = changed(s[:4] + "\r" + s[4:])
		tests["line break after the "+name] = changed(s + "\r\n")
		tests["line break before the "+name] = changed("\n" + s)
		tests["a byte that is not ASCII in the "+name] = changed(s[:4] + "é" + s[4:])
		tests["percent sign in the "+name] = changed(s[:4] + "%41" + s[4:])
		tests["an impossible length of the "+name] = changed(s[:len(s)/4*4] + "A")
	}
	d := newDecoder[usher.Claims](t, testKey(t, usher.HS256), usher.DecoderOptions{CacheSize: 10})
	checkDecode(t, d, good, nil)
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			checkDecode(t, d, token, usher.ErrTokenMalformed)
			fresh := newDecoder[usher.Claims](t, testKey(t, usher.HS256), usher.DecoderOptions{})
			checkDecode(t, fresh, token, usher.ErrTokenMalformed)
		})
	}
	for _, token := range []string{"", "a.b", "a.b.c.d", "a.b..c", "a.b.c.", ".b.c"} {
		if _, err := d.Decode(t.Context(), token); err == nil || !strings.Contains(err.Error(), "three segments") {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func TestDecodeReportsAMalformedSegmentWhateverElseIsWrong(t *testing.T) {
	unavailable := &fakeKeySource{keys: func(context.Context, string) ([]usher.Key, error) { return nil, usher.ErrUnavailable }}
	for name, test := range map[string]struct {
		keys   usher.KeySource
		header jsonObject
	}{
		"unsupported algorithm": {testKey(t, usher.HS256), goodHeader().with("alg", `"none"`)},
		"unknown kid":           {testKey(t, usher.HS256), goodHeader().with("kid", `"x"`)},
		"forged":                {hmacKey(t, otherSecret, ""), goodHeader()},
		"source out of reach":   {unavailable, goodHeader()},
	} {
		t.Run(name, func(t *testing.T) {
			good := signToken("HS256", testSecret, test.header.String(), goodPayload().String())
			segments := strings.Split(good, ".")
			d := newDecoder[usher.Claims](t, test.keys, usher.DecoderOptions{})
			checkDecode(t, d, segments[0]+"."+segments[1]+"=."+segments[2], usher.ErrTokenMalformed)
			checkDecode(t, d, good+"\n", usher.ErrTokenMalformed)
		})
	}
}

// An issuer may sign what it has encoded wrongly, and it is still not canonical.
func TestDecodeRefusesMalformedSegmentsThatAreSigned(t *testing.T) {
	d := newDecoder[usher.Claims](t, testKey(t, usher.HS256), usher.DecoderOptions{})
	header, payload := base64Of(goodHeader().String()), base64Of(goodPayload().String())
	for _, input := range []string{
		header + "." + payload + "=", header + "=." + payload, header + ".\n" + payload, header + "." + payload + " ", header + "." + payload[:5],
	} {
		checkDecode(t, d, input+"."+base64Of(signBytes("HS256", testSecret, input)), usher.ErrTokenMalformed)
	}
}

// The signature covers bytes: nothing of the payload is looked at before it is known to be good.
func TestDecodeVerifiesBeforeItParsesThePayload(t *testing.T) {
	d := newDecoder[usher.Claims](t, testKey(t, usher.HS256), usher.DecoderOptions{})
	for _, payload := range []string{"{", "not JSON", `{"sub":1}`, `{"exp":1}`, "\xff", `{}{}`} {
		checkDecode(t, d, signToken("HS256", otherSecret, goodHeader().String(), payload), usher.ErrTokenSignature)
	}
}

// notJSON are texts that are not one strict JSON object with a member `"z":1` in it.
func notJSON(members string) map[string]string {
	inside := func(member string) string { return "{" + members + "," + member + "}" }
	return map[string]string{
		"nothing":                       "",
		"white space":                   "  ",
		"null":                          "null",
		"a string":                      `"x"`,
		"a number":                      "1",
		"an array":                      "[{" + members + "}]",
		"text":                          "hello",
		"not closed":                    "{" + members,
		"not opened":                    members + "}",
		"closed twice":                  "{" + members + "}}",
		"two objects":                   "{" + members + "}{}",
		"a value after it":              "{" + members + "} 1",
		"a comma after it":              "{" + members + "},",
		"a NUL after it":                "{" + members + "}\x00",
		"a byte order mark":             "\ufeff{" + members + "}",
		"a comma at the end":            "{" + members + ",}",
		"a comma at the start":          "{," + members + "}",
		"two commas":                    inside(`,"z":1`),
		"no comma":                      "{" + members + ` "z":1}`,
		"a semicolon":                   "{" + members + `;"z":1}`,
		"a comment":                     inside(`/* x */"z":1`),
		"a line comment":                "{" + members + "// x\n}",
		"single quotes":                 inside(`'z':1`),
		"a bare name":                   inside(`z:1`),
		"a number as a name":            inside(`1:1`),
		"no colon":                      inside(`"z" 1`),
		"no value":                      inside(`"z":`),
		"no name":                       inside(`:1`),
		"a name alone":                  inside(`"z"`),
		"an equals sign":                inside(`"z"=1`),
		"a repeated name":               inside(`"z":1,"z":1`),
		"a repeated name with escapes":  inside(`"z":1,"\u007a":2`),
		"a repeated empty name":         inside(`"":1,"":2`),
		"a repeated name in an object":  inside(`"z":{"a":1,"a":1}`),
		"a repeated name in an array":   inside(`"z":[0,{"b":[{"a":1,"a":1}]}]`),
		"not UTF-8":                     inside(`"z":"` + "\xff" + `"`),
		"not UTF-8 in a name":           inside(`"z` + "\xc3" + `":1`),
		"not UTF-8 in an object":        inside(`"z":{"a":"` + "\xed\xa0\x80" + `"}`),
		"an overlong encoding":          inside(`"z":"` + "\xc0\xae" + `"`),
		"half a surrogate pair":         inside(`"z":"\ud800"`),
		"surrogates in the wrong order": inside(`"z":"\udc00\ud800"`),
		"half a surrogate pair inside":  inside(`"z":["\ud800"]`),
		"an unknown escape":             inside(`"z":"\x41"`),
		"an escape cut short":           inside(`"z":"\u00`),
		"an escape of no digits":        inside(`"z":"\u00zz"`),
		"an escaped quotation mark":     inside(`"z":"\"`),
		"a line break in a string":      inside("\"z\":\"\n\""),
		"a NUL in a string":             inside("\"z\":\"\x00\""),
		"a string not closed":           inside(`"z":"x`),
		"an escape not closed":          "{" + members + `,"z":"\`,
		"a vertical tab as space":       inside("\v\"z\":1"),
		"a no-break space as space":     inside("\u00a0\"z\":1"),
		"a plus sign":                   inside(`"z":+1`),
		"a leading zero":                inside(`"z":01`),
		"a minus sign alone":            inside(`"z":-`),
		"a point at the end":            inside(`"z":1.`),
		"a point at the start":          inside(`"z":.5`),
		"an exponent without digits":    inside(`"z":1e`),
		"an exponent with signs":        inside(`"z":1e+-1`),
		"a hexadecimal number":          inside(`"z":0x10`),
		"not a number":                  inside(`"z":NaN`),
		"infinity":                      inside(`"z":Infinity`),
		"an underscore in a number":     inside(`"z":1_000`),
		"True":                          inside(`"z":True`),
		"tru":                           inside(`"z":tru`),
		"truefalse":                     inside(`"z":truefalse`),
		"nul":                           inside(`"z":nul`),
		"undefined":                     inside(`"z":undefined`),
		"an array not closed":           inside(`"z":[1`),
		"an array with a comma":         inside(`"z":[1,]`),
		"an array without commas":       inside(`"z":[1 2]`),
		"an array closed as an object":  inside(`"z":[1}`),
		"brackets crossed":              inside(`"z":[{]}`),
		"an object with a comma":        inside(`"z":{"a":1,}`),
		"an object without values":      inside(`"z":{"a"}`),
		"an object with a comment":      inside(`"z":{/**/}`),
		"an array of nonsense":          inside(`"z":[nonsense]`),
		"a bracket alone":               inside(`"z":]`),
	}
}

func TestDecodeRefusesHeadersThatAreNotOneStrictObject(t *testing.T) {
	d := newDecoder[usher.Claims](t, testKey(t, usher.HS256), usher.DecoderOptions{})
	for name, header := range notJSON(`"alg":"HS256","typ":"JWT"`) {
		t.Run(name, func(t *testing.T) {
			token := signToken("HS256", testSecret, header, goodPayload().String())
			if header == "" {
				token = "IA" + token // an empty segment is another test's
			}
			checkDecode(t, d, token, usher.ErrTokenMalformed)
		})
	}
	for name, header := range map[string]string{
		"alg twice":               `{"alg":"HS256","alg":"HS256"}`,
		"alg twice, one escaped":  `{"alg":"none","\u0061lg":"HS256"}`,
		"kid twice":               `{"alg":"HS256","kid":"a","kid":"b"}`,
		"typ twice":               `{"alg":"HS256","typ":"JWT","typ":"JWT"}`,
		"crit of another type":    `{"alg":"HS256","crit":null}`,
		"empty crit":              `{"alg":"HS256","crit":[]}`,
		"crit with b64":           `{"alg":"HS256","b64":true,"crit":["b64"]}`,
		"crit, escaped":           `{"alg":"HS256","\u0063rit":["exp"],"exp":1}`,
		"crit before alg":         `{"crit":["x"],"x":1,"alg":"HS256"}`,
		"crit without an alg":     `{"crit":["x"]}`,
		"crit and alg none":       `{"alg":"none","crit":["x"]}`,
		"kid null":                `{"alg":"HS256","kid":null}`,
		"kid number":              `{"alg":"HS256","kid":1}`,
		"kid array":               `{"alg":"HS256","kid":["a"]}`,
		"kid object":              `{"alg":"HS256","kid":{}}`,
		"kid boolean":             `{"alg":"HS256","kid":false}`,
		"kid of 257 bytes":        `{"alg":"HS256","kid":"` + strings.Repeat("k", 257) + `"}`,
		"kid of 257 escaped":      `{"alg":"HS256","kid":"` + strings.Repeat(`\u006b`, 257) + `"}`,
		"kid with half surrogate": `{"alg":"HS256","kid":"\ud800"}`,
	} {
		t.Run(name, func(t *testing.T) {
			source := fixedKeys(hmacKey(t, testSecret, ""))
			d := newDecoder[usher.Claims](t, source, usher.DecoderOptions{})
			checkDecode(t, d, signToken("HS256", testSecret, header, goodPayload().String()), usher.ErrTokenMalformed)
			if n := source.calls.Load(); n != 0 {
				t.Errorf("%d look-ups", n)
			}
		})
	}
}

func TestDecodeRefusesUnsupportedAlgorithmsBeforeAnyLookup(t *testing.T) {
	for _, alg := range []string{
		"", `"none"`, `"None"`, `"NONE"`, `"hs256"`, `"HS256 "`, `"HS255"`, `"HS"`, `"ES256K"`, `"RSA-OAEP"`, `"dir"`, `""`, "null", "256",
		`["HS256"]`, `{"HS256":1}`, "true", `"Ed448"`, `"ed25519"`, `"ES521"`, `"HS256\u0000"`, `"` + strings.Repeat("HS256", 500) + `"`,
	} {
		source := fixedKeys(hmacKey(t, testSecret, ""))
		d := newDecoder[usher.Claims](t, source, usher.DecoderOptions{})
		header := goodHeader().with("alg", alg).String()
		checkDecode(t, d, signToken("HS256", testSecret, header, goodPayload().String()), usher.ErrTokenSignature)
		if n := source.calls.Load(); n != 0 {
			t.Errorf("%s: %d look-ups", alg, n)
		}
	}
	d := newDecoder[usher.Claims](t, testKey(t, usher.HS256), usher.DecoderOptions{})
	checkDecode(t, d, signToken("HS256", testSecret, `{"ALG":"HS256"}`, goodPayload().String()), usher.ErrTokenSignature)
	checkDecode(t, d, base64Of(`{"alg":"none"}`)+"."+base64Of(goodPayload().String())+".AA", usher.ErrTokenSignature)
}

func TestDecodeAcceptsHeadersInAnyForm(t *testing.T) {
	for name, header := range map[string]string{
		"the least":                `{"alg":"HS256"}`,
		"the end before the start": `{"typ":"JWT","kid":"key","alg":"HS256"}`,
		"white space":              " \r\n\t{ \"typ\" : \"JWT\" ,\r\n \"alg\" : \"HS256\" } \n",
		"escapes":                  `{"\u0061lg":"HS\u003256","kid":"k\u0065y"}`,
		"members nobody asked for": `{"alg":"HS256","cty":"x","nested":{"a":[1,{"b":null}]},"n":-1.5e-3,"Alg":"none","KID":1,"Crit":[]}`,
		"ways to a key": `{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"},"jku":"https://attacker.example/keys",
			"x5u":"https://attacker.example/x","x5c":["AAAA"],"x5t":"AAAA"}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, "key"), usher.DecoderOptions{})
			token := signToken("HS256", testSecret, header, goodPayload().String())
			checkDecode(t, d, token, nil)
			checkDecode(t, d, token, nil) // now that the header is known
		})
	}
}

// Keys come from the source alone (RFC 8725 §3.10).
func TestDecodeNeverFollowsKeysInTheHeader(t *testing.T) {
	other := usher.Must(rsa.GenerateKey(rand.Reader, 2048))
	jwk := fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB"}`, base64Of(other.N.Bytes()))
	header := fmt.Sprintf(`{"alg":"RS256","jwk":%s,"jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x5c":["AA"]}`, jwk)
	d := newDecoder[usher.Claims](t, testKey(t, usher.RS256), usher.DecoderOptions{})
	checkDecode(t, d, signToken("RS256", other, header, goodPayload().String()), usher.ErrTokenSignature)
	checkDecode(t, d, signToken("RS256", rsaKey2048(), header, goodPayload().String()), nil)
}

// A header that is known byte for byte need not be read again; all else is done for every token.
func TestDecodeChecksEveryTokenThoughItKnowsTheHeader(t *testing.T) {
	keys := []usher.Key{hmacKey(t, testSecret, "key")}
	var got []string
	source := &fakeKeySource{keys: func(_ context.Context, kid string) ([]usher.Key, error) {
		got = append(got, kid)
		return keys, nil
	}}
	d := newDecoder[usher.Claims](t, source, usher.DecoderOptions{})
	header := goodHeader().with("kid", `"key"`).String()
	token := func(secret []byte, sub string) string {
		return signToken("HS256", secret, header, goodPayload().with("sub", sub).String())
	}
	for i := range 3 {
		checkDecode(t, d, token(testSecret, fmt.Sprintf(`"%d"`, i)), nil)
	}
	checkDecode(t, d, token(otherSecret, `"4"`), usher.ErrTokenSignature)
	keys = []usher.Key{hmacKey(t, otherSecret, "key")}
	checkDecode(t, d, token(testSecret, `"5"`), usher.ErrTokenSignature)
	keys = []usher.Key{hmacKey(t, testSecret, "other key")}
	checkDecode(t, d, token(testSecret, `"6"`), usher.ErrUnknownKey)
	if want := "[key key key key key key]"; fmt.Sprint(got) != want {
		t.Errorf("look-ups %v, want %s", got, want)
	}
	// More headers than anybody remembers.
	for i := range 30 {
		header := goodHeader().with("x", fmt.Sprint(i)).String()
		d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
		checkDecode(t, d, signToken("HS256", testSecret, header, goodPayload().String()), nil)
	}
}

func TestDecodeVerifiesEveryAlgorithm(t *testing.T) {
	for _, alg := range allAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			key := testKey(t, alg)
			good := signToken(string(alg), materialOf(alg), goodHeader().with("alg", `"`+string(alg)+`"`).String(), goodPayload().String())
			d := newDecoder[usher.Claims](t, key, usher.DecoderOptions{})
			c := checkDecode(t, d, good, nil)
			if c == nil || c.Subject != "42" {
				t.Errorf("claims %v", c)
			}
			if public, ok := key.Public(); ok {
				checkDecode(t, newDecoder[usher.Claims](t, public, usher.DecoderOptions{}), good, nil)
			}
			at := strings.LastIndexByte(good, '.')
			input := good[:at]
			signature, _ := base64.RawURLEncoding.DecodeString(good[at+1:])
			for i := 0; i < len(signature); i += 7 {
				signature[i] ^= 0x10
				checkDecode(t, d, input+"."+base64Of(signature), usher.ErrTokenSignature)
				signature[i] ^= 0x10
			}
			for name, wrong := range map[string][]byte{
				"short":         signature[:len(signature)-1],
				"one byte":      signature[:1],
				"half":          signature[:len(signature)/2],
				"long":          append(slices.Clip(signature), 0),
				"zero in front": append([]byte{0}, signature...),
				"zeros":         make([]byte, len(signature)),
				"twice":         append(slices.Clip(signature), signature...),
			} {
				t.Run(name, func(t *testing.T) { checkDecode(t, d, input+"."+base64Of(wrong), usher.ErrTokenSignature) })
			}
			payload := goodPayload().with("sub", `"43"`).String()
			header, _, _ := strings.Cut(good, ".")
			checkDecode(t, d, header+"."+base64Of(payload)+good[at:], usher.ErrTokenSignature)
		})
	}
}

// The algorithm is the key's, whatever the header says (RFC 8725 §3.1).
func TestDecodeNeverConfusesAlgorithms(t *testing.T) {
	for _, alg := range allAlgorithms {
		for _, other := range allAlgorithms {
			if alg[:2] == other[:2] && (alg == other || alg[:2] == "Ed") { // Ed25519 has two names
				continue
			}
			d := newDecoder[usher.Claims](t, testKey(t, alg), usher.DecoderOptions{})
			token := signToken(string(other), materialOf(other), goodHeader().with("alg", `"`+string(other)+`"`).String(), goodPayload().String())
			checkDecode(t, d, token, usher.ErrUnknownKey)
			// Signed by the key's algorithm, named as another.
			token = signToken(string(alg), materialOf(alg), goodHeader().with("alg", `"`+string(other)+`"`).String(), goodPayload().String())
			checkDecode(t, d, token, usher.ErrUnknownKey)
		}
	}
}

func TestDecodeRequiresAPSSSaltAsLongAsTheHash(t *testing.T) {
	for _, alg := range []usher.Algorithm{usher.PS256, usher.PS384, usher.PS512} {
		hash := hashOf(string(alg))
		d := newDecoder[usher.Claims](t, testKey(t, alg), usher.DecoderOptions{})
		for _, length := range []int{0, 20, 32, 48, 64, rsa.PSSSaltLengthAuto} {
			input := base64Of(`{"alg":"`+string(alg)+`"}`) + "." + base64Of(goodPayload().String())
			h := hash.New()
			h.Write([]byte(input))
			options := &rsa.PSSOptions{SaltLength: length}
			if length == 0 { // which PSSOptions takes for "auto"
				options.SaltLength = 1
			}
			signature, err := rsa.SignPSS(rand.Reader, rsaKey2048(), hash, h.Sum(nil), options)
			if err != nil {
				t.Fatal(err)
			}
			var want error = usher.ErrTokenSignature
			if length == hash.Size() {
				want = nil
			}
			checkDecode(t, d, input+"."+base64Of(signature), want)
		}
	}
}

// RFC 7518 §3.4: two numbers of the curve's length, and nothing else.
func TestDecodeRequiresECDSASignaturesOfFixedLength(t *testing.T) {
	key := p256Key()
	d := newDecoder[usher.Claims](t, testKey(t, usher.ES256), usher.DecoderOptions{})
	input := base64Of(`{"alg":"ES256"}`) + "." + base64Of(goodPayload().String())
	digest := sha256.Sum256([]byte(input))
	var short []byte // begins with a zero byte, which integers could do without
	for short == nil {
		if signature := signBytes("ES256", key, input); signature[0] == 0 {
			short = signature
		}
	}
	checkDecode(t, d, input+"."+base64Of(short), nil)
	checkDecode(t, d, input+"."+base64Of(short[1:]), usher.ErrTokenSignature)
	checkDecode(t, d, input+"."+base64Of(append([]byte{0}, short...)), usher.ErrTokenSignature)
	wide := append([]byte{0}, short[:32]...)
	checkDecode(t, d, input+"."+base64Of(append(append(wide, 0), short[32:]...)), usher.ErrTokenSignature)
	der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	checkDecode(t, d, input+"."+base64Of(der), usher.ErrTokenSignature)
	// CVE-2022-21449: r and s of zero, or of the curve's order.
	checkDecode(t, d, input+"."+base64Of(make([]byte, 64)), usher.ErrTokenSignature)
	order := make([]byte, 64)
	key.Params().N.FillBytes(order[:32])
	new(big.Int).Set(key.Params().N).FillBytes(order[32:])
	checkDecode(t, d, input+"."+base64Of(order), usher.ErrTokenSignature)
}

func TestDecodeFindsTheKey(t *testing.T) {
	a, b := hmacKey(t, testSecret, "a"), hmacKey(t, otherSecret, "b")
	anonymous := hmacKey(t, testSecret, "")
	var nine []usher.Key
	for i := range 8 {
		nine = append(nine, hmacKey(t, numberedSecret(i), fmt.Sprint(i)))
	}
	nine = append(nine, a)
	eight := nine[1:]
	mixed := []usher.Key{testKey(t, usher.HS384), testKey(t, usher.HS512), testKey(t, usher.EdDSA), {}, {}}
	mixed = append(mixed, eight...)
	long := strings.Repeat("k", 256)
	for name, test := range map[string]struct {
		keys []usher.Key
		kid  string // as JSON
		want error
	}{
		"by its ID":                                      {[]usher.Key{b, a}, `"a"`, nil},
		"another's ID":                                   {[]usher.Key{a, b}, `"b"`, usher.ErrTokenSignature},
		"an unknown ID":                                  {[]usher.Key{a, b}, `"c"`, usher.ErrUnknownKey},
		"an ID in another case":                          {[]usher.Key{a, b}, `"A"`, usher.ErrUnknownKey},
		"an ID with space":                               {[]usher.Key{a, b}, `"a "`, usher.ErrUnknownKey},
		"the ID of a key of another algorithm":           {[]usher.Key{testKey(t, usher.HS512).WithID("a"), b}, `"a"`, usher.ErrUnknownKey},
		"a kid where no key has one":                     {[]usher.Key{anonymous}, `"a"`, usher.ErrUnknownKey},
		"one of two with the same ID":                    {[]usher.Key{hmacKey(t, otherSecret, "a"), a}, `"a"`, nil},
		"no kid, one key":                                {[]usher.Key{anonymous}, "", nil},
		"no kid, a key that has an ID":                   {[]usher.Key{b, a}, "", nil},
		"no kid, none fits":                              {[]usher.Key{b, b.WithID("c")}, "", usher.ErrTokenSignature},
		"no kid, other algorithms":                       {[]usher.Key{testKey(t, usher.HS512), testKey(t, usher.RS256)}, "", usher.ErrUnknownKey},
		"no kid, the eighth key":                         {eight, "", nil},
		"no kid, the ninth key":                          {nine, "", usher.ErrTokenSignature},
		"no kid, the eighth key of its algorithm":        {mixed, "", nil},
		"a kid, the ninth key":                           {nine, `"a"`, nil},
		"the zero Key alone":                             {[]usher.Key{{}}, "", usher.ErrUnknownKey},
		"the zero Key and a kid":                         {[]usher.Key{{}}, `"a"`, usher.ErrUnknownKey},
		"no keys and no error":                           {nil, `"a"`, usher.ErrUnknownKey},
		"no keys and no kid":                             {nil, "", usher.ErrUnknownKey},
		"a kid of 256 bytes":                             {[]usher.Key{a.WithID(long)}, `"` + long + `"`, nil},
		"a kid that is not ASCII":                        {[]usher.Key{a.WithID("ключ")}, `"ключ"`, nil},
		"a kid that needs escapes":                       {[]usher.Key{a.WithID("\"\\\n")}, `"\"\\\n"`, nil},
		"a long unknown kid, not quoted in full":         {[]usher.Key{a}, `"` + long + `"`, usher.ErrUnknownKey},
		"a path as kid, as some use to look for keys in": {[]usher.Key{a}, `"../../../dev/null"`, usher.ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			token := signToken("HS256", testSecret, goodHeader().with("kid", test.kid).String(), goodPayload().String())
			fromSource := newDecoder[usher.Claims](t, fixedKeys(test.keys...), usher.DecoderOptions{CacheSize: 10})
			checkDecode(t, fromSource, token, test.want)
			checkDecode(t, fromSource, token, test.want)
			set := usher.Keys(test.keys)
			if d, err := usher.NewDecoder[usher.Claims](set, &usher.DecoderOptions{Now: testClock}); err == nil {
				checkDecode(t, d, token, test.want)
			} else if len(set) > 0 && !strings.Contains(name, "zero") && set[3] != (usher.Key{}) {
				t.Errorf("NewDecoder: %v", err)
			}
		})
	}
}

func TestDecodeTellsWhichKeyWasUnknown(t *testing.T) {
	for _, keys := range []usher.KeySource{
		hmacKey(t, testSecret, "known-key"),
		usher.Keys{hmacKey(t, testSecret, "known-key")},
		usher.Must(usher.NewKeyRing(hmacKey(t, testSecret, "known-key"))),
		fixedKeys(hmacKey(t, testSecret, "known-key")),
	} {
		d := newDecoder[usher.Claims](t, keys, usher.DecoderOptions{})
		header := goodHeader().with("kid", `"asked-\"key"`).String()
		_, err := d.Decode(t.Context(), signToken("HS256", testSecret, header, goodPayload().String()))
		for _, text := range []string{"known-key", `asked-\"key`} {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%T: %v does not name %s", keys, err, text)
			}
		}
	}
	var many usher.Keys
	for i := range 1000 {
		many = append(many, hmacKey(t, testSecret, fmt.Sprintf("%d%s", i, strings.Repeat("k", 200))))
	}
	d := newDecoder[usher.Claims](t, many, usher.DecoderOptions{})
	_, err := d.Decode(t.Context(), signToken("HS256", testSecret, goodHeader().with("kid", `"x"`).String(), goodPayload().String()))
	if err == nil || len(err.Error()) > 1024 {
		t.Errorf("the text has %d bytes", len(err.Error()))
	}
	d = newDecoder[usher.Claims](t, hmacKey(t, testSecret, "known-key"), usher.DecoderOptions{})
	_, err = d.Decode(t.Context(), signToken("RS256", rsaKey2048(), `{"alg":"RS256"}`, goodPayload().String()))
	for _, text := range []string{"RS256", "HS256", "known-key"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v does not name %s", err, text)
		}
	}
}

// What a stranger wrote is quoted, shortened, and only where it helps the operator.
func TestDecodeErrorsQuoteLittle(t *testing.T) {
	secretly := strings.Repeat("private-text\u202e\x01", 20)
	quoted := usher.Must(canonicalJSON(secretly))
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{
		Issuer: "login", Audience: usher.Audience{"api"},
	})
	good := goodPayload().with("iss", `"login"`).with("aud", `"api"`)
	for name, token := range map[string]string{
		"kid": signToken("HS256", testSecret, goodHeader().with("kid", usher.Must(canonicalJSON(secretly[:200]))).String(), good.String()),
		"alg": signToken("HS256", testSecret, goodHeader().with("alg", quoted).String(), good.String()),
		"typ": signToken("HS256", testSecret, goodHeader().with("typ", quoted).String(), good.String()),
		"iss": signHS256(good.with("iss", quoted)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Decode(t.Context(), token)
			if err == nil {
				t.Fatal("accepted")
			}
			text := err.Error()
			if !strings.Contains(text, "private-text") || strings.ContainsAny(text, "\u202e\x01") || len(text) > 512 {
				t.Errorf("%q", text)
			}
		})
	}
	for name, token := range map[string]string{
		"aud":             signHS256(good.with("aud", quoted)),
		"sub":             signHS256(good.with("sub", `["private-text"]`)),
		"jti":             signHS256(good.with("jti", `["private-text"]`)),
		"exp":             signHS256(good.with("exp", quoted)),
		"a private claim": signHS256(good.with("teams", quoted)),
		"a name":          signHS256(jsonText(`{"private-text":1,"private-text":1}`)),
		"no JSON":         signHS256(jsonText("private-text")),
		"a header":        signToken("HS256", testSecret, `{"private-text"}`, good.String()),
		"crit":            signToken("HS256", testSecret, `{"alg":"HS256","crit":["private-text"]}`, good.String()),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := d.Decode(t.Context(), token); err == nil || strings.Contains(err.Error(), "private-text") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDecodePassesTheSourcesErrorsAndContext(t *testing.T) {
	type contextKey struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
	cancel()
	other := errors.New("the source's own error")
	for _, want := range []error{usher.ErrUnavailable, usher.ErrUnknownKey, context.Canceled, other} {
		source := &fakeKeySource{keys: func(ctx context.Context, _ string) ([]usher.Key, error) {
			if ctx.Value(contextKey{}) != "value" || ctx.Err() == nil {
				t.Error("another context")
			}
			return []usher.Key{hmacKey(t, testSecret, "")}, fmt.Errorf("wrapped: %w", want)
		}}
		d := newDecoder[usher.Claims](t, source, usher.DecoderOptions{})
		c, err := d.Decode(ctx, signHS256(goodPayload()))
		if c != nil || !errors.Is(err, want) {
			t.Errorf("%v, %v, want %v", c, err, want)
		}
		if got := errors.Is(err, usher.ErrInvalidToken); got != (want == usher.ErrUnknownKey) {
			t.Errorf("%v: is ErrInvalidToken: %v", err, got)
		}
	}
}

func TestDecodeChecksTimes(t *testing.T) {
	at := func(d time.Duration) string { return secondsFromNow(d) }
	for name, test := range map[string]struct {
		payload jsonObject
		opts    usher.DecoderOptions
		want    error
	}{
		"exp ahead":                              {payload: goodPayload().with("exp", at(time.Second))},
		"exp is now":                             {payload: goodPayload().with("exp", at(0)), want: usher.ErrTokenExpired},
		"exp has passed":                         {payload: goodPayload().with("exp", at(-time.Second)), want: usher.ErrTokenExpired},
		"exp a fraction ahead":                   {payload: goodPayload().with("exp", at(0)+".000000001")},
		"exp is zero":                            {payload: goodPayload().with("exp", "0"), want: usher.ErrTokenExpired},
		"exp is zero, none needed":               {payload: goodPayload().with("exp", "0"), opts: usher.DecoderOptions{DangerouslyAllowNoExpiry: true}, want: usher.ErrTokenExpired},
		"exp 0.0, none needed":                   {payload: goodPayload().with("exp", "0.0"), opts: usher.DecoderOptions{DangerouslyAllowNoExpiry: true}, want: usher.ErrTokenExpired},
		"exp missing":                            {payload: goodPayload().with("exp", ""), want: usher.ErrTokenClaims},
		"exp missing, none needed":               {payload: goodPayload().with("exp", ""), opts: usher.DecoderOptions{DangerouslyAllowNoExpiry: true}},
		"exp has passed, none needed":            {payload: goodPayload().with("exp", at(-1)), opts: usher.DecoderOptions{DangerouslyAllowNoExpiry: true}, want: usher.ErrTokenExpired},
		"exp null, none needed":                  {payload: goodPayload().with("exp", "null"), opts: usher.DecoderOptions{DangerouslyAllowNoExpiry: true}, want: usher.ErrTokenClaims},
		"exp in another case":                    {payload: goodPayload().with("exp", "").with("EXP", at(time.Hour)), want: usher.ErrTokenClaims},
		"exp in the last second of all":          {payload: goodPayload().with("exp", "253402300799")},
		"exp has passed within the leeway":       {payload: goodPayload().with("exp", at(-59*time.Second)), opts: usher.DecoderOptions{Leeway: time.Minute}},
		"exp has passed by the leeway":           {payload: goodPayload().with("exp", at(-time.Minute)), opts: usher.DecoderOptions{Leeway: time.Minute}, want: usher.ErrTokenExpired},
		"nbf has passed":                         {payload: goodPayload().with("nbf", at(-time.Second))},
		"nbf is now":                             {payload: goodPayload().with("nbf", at(0))},
		"nbf ahead":                              {payload: goodPayload().with("nbf", at(time.Second)), want: usher.ErrTokenNotYetValid},
		"nbf a fraction ahead":                   {payload: goodPayload().with("nbf", at(0)+".000000001"), want: usher.ErrTokenNotYetValid},
		"nbf is zero":                            {payload: goodPayload().with("nbf", "0")},
		"nbf far ahead":                          {payload: goodPayload().with("nbf", "253402300799"), want: usher.ErrTokenNotYetValid},
		"nbf ahead by the leeway":                {payload: goodPayload().with("nbf", at(time.Minute)), opts: usher.DecoderOptions{Leeway: time.Minute}},
		"nbf ahead by more":                      {payload: goodPayload().with("nbf", at(61*time.Second)), opts: usher.DecoderOptions{Leeway: time.Minute}, want: usher.ErrTokenNotYetValid},
		"iat ahead, no MaxAge":                   {payload: goodPayload().with("iat", at(time.Hour))},
		"iat missing, no MaxAge":                 {payload: goodPayload()},
		"iat missing":                            {payload: goodPayload(), opts: usher.DecoderOptions{MaxAge: time.Hour}, want: usher.ErrTokenClaims},
		"iat null":                               {payload: goodPayload().with("iat", "null"), opts: usher.DecoderOptions{MaxAge: time.Hour}, want: usher.ErrTokenClaims},
		"iat is now":                             {payload: goodPayload().with("iat", at(0)), opts: usher.DecoderOptions{MaxAge: time.Hour}},
		"iat ahead":                              {payload: goodPayload().with("iat", at(time.Second)), opts: usher.DecoderOptions{MaxAge: time.Hour}, want: usher.ErrTokenNotYetValid},
		"iat ahead by the leeway":                {payload: goodPayload().with("iat", at(time.Minute)), opts: usher.DecoderOptions{MaxAge: time.Hour, Leeway: time.Minute}},
		"iat ahead by more":                      {payload: goodPayload().with("iat", at(61*time.Second)), opts: usher.DecoderOptions{MaxAge: time.Hour, Leeway: time.Minute}, want: usher.ErrTokenNotYetValid},
		"iat as old as allowed":                  {payload: goodPayload().with("iat", at(-time.Hour)), opts: usher.DecoderOptions{MaxAge: time.Hour}},
		"iat older":                              {payload: goodPayload().with("iat", at(-time.Hour-time.Second)), opts: usher.DecoderOptions{MaxAge: time.Hour}, want: usher.ErrTokenExpired},
		"iat is zero":                            {payload: goodPayload().with("iat", "0"), opts: usher.DecoderOptions{MaxAge: time.Hour}, want: usher.ErrTokenExpired},
		"iat older by more than the leeway":      {payload: goodPayload().with("iat", at(-time.Hour-61*time.Second)), opts: usher.DecoderOptions{MaxAge: time.Hour, Leeway: time.Minute}, want: usher.ErrTokenExpired},
		"auth_time ahead is not for the decoder": {payload: goodPayload().with("auth_time", at(time.Hour))},
	} {
		t.Run(name, func(t *testing.T) {
			test.opts.CacheSize = 10
			d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), test.opts)
			checkDecode(t, d, signHS256(test.payload), test.want)
			checkDecode(t, d, signHS256(test.payload), test.want)
		})
	}
}

func TestDecodeUsesTheRealClockByDefault(t *testing.T) {
	d := usher.Must(usher.NewDecoder[usher.Claims](hmacKey(t, testSecret, ""), nil))
	in := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	checkDecode(t, d, signHS256(goodPayload().with("exp", in(time.Minute))), nil)
	checkDecode(t, d, signHS256(goodPayload().with("exp", in(-time.Minute))), usher.ErrTokenExpired)
}

func TestTheRefusalOfANumericSubjectNamesTheOption(t *testing.T) {
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	_, err := d.Decode(t.Context(), signHS256(goodPayload().with("sub", "42")))
	if !errors.Is(err, usher.ErrTokenClaims) || !strings.Contains(err.Error(), "DecoderOptions.AllowNumericSubject") {
		t.Error(err)
	}
}

func TestDecodeChecksIssuerAudienceTypeAndSubject(t *testing.T) {
	type options = usher.DecoderOptions
	one, two := usher.Audience{"api"}, usher.Audience{"api", "web"}
	anyAudience := options{DangerouslyAllowAnyAudience: true}
	numeric := options{AllowNumericSubject: true}
	for name, test := range map[string]struct {
		claim, value string
		opts         options
		want         error
	}{
		"iss where none is asked for":    {"iss", `"anybody"`, options{}, nil},
		"iss equal":                      {"iss", `"login"`, options{Issuer: "login"}, nil},
		"iss missing":                    {"iss", "", options{Issuer: "login"}, usher.ErrTokenIssuer},
		"iss empty":                      {"iss", `""`, options{Issuer: "login"}, usher.ErrTokenIssuer},
		"iss in another case":            {"iss", `"Login"`, options{Issuer: "login"}, usher.ErrTokenIssuer},
		"iss with a slash more":          {"iss", `"https://login.example/"`, options{Issuer: "https://login.example"}, usher.ErrTokenIssuer},
		"iss longer":                     {"iss", `"login2"`, options{Issuer: "login"}, usher.ErrTokenIssuer},
		"iss shorter":                    {"iss", `"logi"`, options{Issuer: "login"}, usher.ErrTokenIssuer},
		"iss of the wrong type":          {"iss", `["login"]`, options{Issuer: "login"}, usher.ErrTokenClaims},
		"aud nobody asked for":           {"aud", `"api"`, options{}, usher.ErrTokenAudience},
		"aud list nobody asked for":      {"aud", `["api"]`, options{}, usher.ErrTokenAudience},
		"aud empty text":                 {"aud", `""`, options{}, usher.ErrTokenAudience},
		"aud list of an empty text":      {"aud", `[""]`, options{}, usher.ErrTokenAudience},
		"aud empty list":                 {"aud", `[]`, options{}, nil},
		"aud empty list with space":      {"aud", "[ \n]", options{}, nil},
		"aud missing":                    {"aud", "", options{}, nil},
		"aud allowed":                    {"aud", `"api"`, anyAudience, nil},
		"aud missing, any allowed":       {"aud", "", anyAudience, nil},
		"aud of the wrong type, allowed": {"aud", "1", anyAudience, usher.ErrTokenClaims},
		"aud equal":                      {"aud", `"api"`, options{Audience: one}, nil},
		"aud in a list":                  {"aud", `["x","api"]`, options{Audience: one}, nil},
		"aud one of two":                 {"aud", `["web"]`, options{Audience: two}, nil},
		"aud none of two":                {"aud", `["x","y"]`, options{Audience: two}, usher.ErrTokenAudience},
		"aud missing though asked for":   {"aud", "", options{Audience: one}, usher.ErrTokenAudience},
		"aud empty list though asked":    {"aud", "[]", options{Audience: one}, usher.ErrTokenAudience},
		"aud in another case":            {"aud", `"API"`, options{Audience: one}, usher.ErrTokenAudience},
		"aud longer":                     {"aud", `"api2"`, options{Audience: one}, usher.ErrTokenAudience},
		"aud with more after it":         {"aud", `"api web"`, options{Audience: two}, usher.ErrTokenAudience},
		"sub missing":                    {"sub", "", options{}, usher.ErrTokenClaims},
		"sub empty":                      {"sub", `""`, options{}, usher.ErrTokenClaims},
		"sub missing, allowed":           {"sub", "", options{AllowNoSubject: true}, nil},
		"sub null, none needed":          {"sub", "null", options{AllowNoSubject: true}, usher.ErrTokenClaims},
		"sub number":                     {"sub", "42", options{}, usher.ErrTokenClaims},
		"sub number, none needed":        {"sub", "42", options{AllowNoSubject: true}, usher.ErrTokenClaims},
		"sub number allowed":             {"sub", "42", numeric, nil},
		"sub text, numbers allowed":      {"sub", `"x"`, numeric, nil},
		"sub zero":                       {"sub", "0", numeric, nil},
		"sub negative":                   {"sub", "-42", numeric, nil},
		"sub of 20 digits":               {"sub", strings.Repeat("9", 20), numeric, nil},
		"sub of 20 digits, negative":     {"sub", "-" + strings.Repeat("9", 20), numeric, nil},
		"sub of 21 digits":               {"sub", strings.Repeat("9", 21), numeric, usher.ErrTokenClaims},
		"sub negative zero":              {"sub", "-0", numeric, usher.ErrTokenClaims},
		"sub with a fraction":            {"sub", "42.0", numeric, usher.ErrTokenClaims},
		"sub with an exponent":           {"sub", "42e0", numeric, usher.ErrTokenClaims},
		"sub with an exponent, E":        {"sub", "4E1", numeric, usher.ErrTokenClaims},
		"sub boolean":                    {"sub", "true", numeric, usher.ErrTokenClaims},
		"sub null, numbers allowed":      {"sub", "null", numeric, usher.ErrTokenClaims},
		"sub missing, numbers allowed":   {"sub", "", numeric, usher.ErrTokenClaims},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), test.opts)
			c := checkDecode(t, d, signHS256(goodPayload().with(test.claim, test.value)), test.want)
			if test.claim == "sub" && test.value != "" && c != nil && c.Subject != strings.Trim(test.value, `"`) {
				t.Errorf("sub %q", c.Subject)
			}
		})
	}
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), options{})
	if _, err := d.Decode(t.Context(), signHS256(goodPayload().with("aud", `"api"`))); err == nil ||
		!strings.Contains(err.Error(), "DecoderOptions.Audience") {
		t.Errorf("%v does not name the option", err)
	}
}

func TestDecodeChecksTheTypeOfToken(t *testing.T) {
	for _, test := range []struct {
		asked, typ string // typ is JSON
		want       error
	}{
		{"", "", nil},
		{"", `"JWT"`, nil},
		{"", `"jwt"`, nil},
		{"", `"Jwt"`, nil},
		{"", `"at+jwt"`, nil},
		{"", `"AT+JWT"`, nil},
		{"", `"application/jwt"`, nil},
		{"", `"application/at+jwt"`, nil},
		{"", `"Application/AT+jwt"`, nil},
		{"", `""`, usher.ErrTokenType},
		{"", `"refresh+jwt"`, usher.ErrTokenType},
		{"", `"logout+jwt"`, usher.ErrTokenType},
		{"", `"JOSE"`, usher.ErrTokenType},
		{"", `"text/jwt"`, usher.ErrTokenType},
		{"", `"application/application/jwt"`, usher.ErrTokenType},
		{"", `"application/"`, usher.ErrTokenType},
		{"", `" JWT"`, usher.ErrTokenType},
		{"", `"JWT "`, usher.ErrTokenType},
		{"", `"jwt; charset=utf-8"`, usher.ErrTokenType},
		{"", `"` + strings.Repeat("typ", 300) + `"`, usher.ErrTokenType},
		{"at+jwt", `"at+jwt"`, nil},
		{"at+jwt", `"AT+JWT"`, nil},
		{"at+jwt", `"application/at+jwt"`, nil},
		{"application/at+jwt", `"at+jwt"`, nil},
		{"Application/AT+JWT", `"application/at+jwt"`, nil},
		{"at+jwt", `"JWT"`, usher.ErrTokenType},
		{"at+jwt", "", usher.ErrTokenType},
		{"at+jwt", `""`, usher.ErrTokenType},
		{"application/", `""`, usher.ErrTokenType},
		{"JWT", `"at+jwt"`, usher.ErrTokenType},
		{"JWT", "", usher.ErrTokenType},
		{"JWT", `"JWT"`, nil},
		{"refresh+jwt", `"refresh+jwt"`, nil},
		{"refresh+jwt", `"JWT"`, usher.ErrTokenType},
		{"jwt; charset=~", `"jwt; charset=~"`, nil},
		// Only the case of ASCII does not matter: U+017F and U+212A fold to s and k.
		{"session+jwt", `"SESSION+jwt"`, nil},
		{"session+jwt", `"\u017fession+jwt"`, usher.ErrTokenType},
		{"kb+jwt", `"\u212ab+jwt"`, usher.ErrTokenType},
	} {
		t.Run(test.asked+" "+test.typ, func(t *testing.T) {
			d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{Type: test.asked})
			token := signToken("HS256", testSecret, goodHeader().with("typ", test.typ).String(), goodPayload().String())
			checkDecode(t, d, token, test.want)
			checkDecode(t, d, token, test.want)
		})
	}
	for _, typ := range []string{"null", "1", `["JWT"]`, "{}", "true"} {
		d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
		token := signToken("HS256", testSecret, goodHeader().with("typ", typ).String(), goodPayload().String())
		if c, err := d.Decode(t.Context(), token); c != nil || !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
}

type validateByValue struct {
	usher.Claims
	Role string `json:"role"`
}

func (c validateByValue) Validate() error {
	if c.Role != "admin" {
		return fmt.Errorf("role %q: %w", c.Role, errNotAllowed)
	}
	return nil
}

// innerRule is embedded, and brings its method along.
type innerRule struct {
	Role string `json:"role"`
}

func (r *innerRule) Validate() error {
	if r == nil || r.Role != "admin" {
		return errNotAllowed
	}
	return nil
}

type validatePromoted struct {
	usher.Claims
	innerRule
}

func TestDecodeRunsValidate(t *testing.T) {
	check := func(t *testing.T, decode func(token string) error) {
		t.Helper()
		if err := decode(signHS256(goodPayload().with("role", `"admin"`))); err != nil {
			t.Errorf("refused: %v", err)
		}
		err := decode(signHS256(goodPayload().with("role", `"guest"`)))
		checkKind(t, err, usher.ErrTokenClaims)
		if !errors.Is(err, errNotAllowed) || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%v is not Validate's error", err)
		}
	}
	t.Run("by value", func(t *testing.T) {
		d := newDecoder[validateByValue](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
		check(t, func(token string) error { _, err := d.Decode(t.Context(), token); return err })
	})
	t.Run("promoted", func(t *testing.T) {
		d := newDecoder[validatePromoted](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
		check(t, func(token string) error { _, err := d.Decode(t.Context(), token); return err })
	})
}

func TestNewDecoderReportsMistakes(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	var noRing *usher.KeyRing
	for name, test := range map[string]struct {
		keys  usher.KeySource
		opts  usher.DecoderOptions
		field string
	}{
		"no keys":                   {nil, usher.DecoderOptions{}, "keys"},
		"the zero Key":              {usher.Key{}, usher.DecoderOptions{}, "keys"},
		"an empty set":              {usher.Keys{}, usher.DecoderOptions{}, "keys"},
		"a nil set":                 {usher.Keys(nil), usher.DecoderOptions{}, "keys"},
		"a set with the zero Key":   {usher.Keys{key, {}}, usher.DecoderOptions{}, "keys"},
		"a nil ring":                {noRing, usher.DecoderOptions{}, "keys"},
		"a nil source":              {(*nobodysKeys)(nil), usher.DecoderOptions{}, "keys"},
		"a ring of nobody's making": {new(usher.KeyRing), usher.DecoderOptions{}, "keys"},
		"a nil source of a type":    {(*fakeKeySource)(nil), usher.DecoderOptions{}, "keys"},
		"too much leeway":           {key, usher.DecoderOptions{Leeway: 5*time.Minute + 1}, "DecoderOptions.Leeway"},
		"negative leeway":           {key, usher.DecoderOptions{Leeway: -1}, "DecoderOptions.Leeway"},
		"negative MaxAge":           {key, usher.DecoderOptions{MaxAge: -1}, "DecoderOptions.MaxAge"},
		"negative MaxSize":          {key, usher.DecoderOptions{MaxSize: -1}, "DecoderOptions.MaxSize"},
		"negative CacheSize":        {key, usher.DecoderOptions{CacheSize: -1}, "DecoderOptions.CacheSize"},
		"an empty audience":         {key, usher.DecoderOptions{Audience: usher.Audience{"a", ""}}, "DecoderOptions.Audience"},
		"audience and any audience": {key, usher.DecoderOptions{Audience: usher.Audience{"a"}, DangerouslyAllowAnyAudience: true}, "DecoderOptions.DangerouslyAllowAnyAudience"},
		"a type that is none":       {key, usher.DecoderOptions{Type: "a\nb"}, "DecoderOptions.Type"},
		"a list of types":           {key, usher.DecoderOptions{Type: "JWT, at+jwt"}, "DecoderOptions.Type"},
		"leeway without a unit":     {key, usher.DecoderOptions{Leeway: 30}, "DecoderOptions.Leeway"},
		"leeway of microseconds":    {key, usher.DecoderOptions{Leeway: time.Millisecond - 1}, "DecoderOptions.Leeway"},
		"max age without a unit":    {key, usher.DecoderOptions{MaxAge: 3600}, "DecoderOptions.MaxAge"},
		"a size in kilobytes":       {key, usher.DecoderOptions{MaxSize: 8}, "DecoderOptions.MaxSize"},
		"a size below any token":    {key, usher.DecoderOptions{MaxSize: 63}, "DecoderOptions.MaxSize"},
		"blanks around the issuer":  {key, usher.DecoderOptions{Issuer: " https://login.example"}, "DecoderOptions.Issuer"},
		"a line break after it":     {key, usher.DecoderOptions{Issuer: "https://login.example\n"}, "DecoderOptions.Issuer"},
		"blanks around an audience": {key, usher.DecoderOptions{Audience: usher.Audience{"a", "b "}}, "DecoderOptions.Audience"},
		"an issuer not in UTF-8":    {key, usher.DecoderOptions{Issuer: "\xff"}, "DecoderOptions.Issuer"},
		"jti for the subject":       {key, usher.DecoderOptions{SubjectClaim: "jti"}, "DecoderOptions.SubjectClaim"},
		"blanks around the claim":   {key, usher.DecoderOptions{SubjectClaim: "user_id "}, "DecoderOptions.SubjectClaim"},
		"a claim not in UTF-8":      {key, usher.DecoderOptions{SubjectClaim: "\xff"}, "DecoderOptions.SubjectClaim"},
		"cnf for the subject":       {key, usher.DecoderOptions{SubjectClaim: "cnf"}, "DecoderOptions.SubjectClaim"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := usher.NewDecoder[usher.Claims](test.keys, &test.opts)
			if d != nil {
				t.Error("there is a decoder")
			}
			wantConfigError(t, err, test.field)
		})
	}
	for _, opts := range []*usher.DecoderOptions{nil, {}, {Leeway: 5 * time.Minute, MaxAge: time.Second, MaxSize: 64, CacheSize: 1}, {Leeway: time.Millisecond, Type: "application/example; part=1"}} {
		if _, err := usher.NewDecoder[usher.Claims](key, opts); err != nil {
			t.Error(err)
		}
	}
	type wrongShape struct {
		usher.Claims
		Expiry string `json:"exp"`
	}
	_, err := usher.NewDecoder[wrongShape](nil, &usher.DecoderOptions{
		Leeway: time.Hour, MaxAge: -1, MaxSize: -1, CacheSize: -1, Audience: usher.Audience{""}, Type: "\x00",
	})
	if n := len(configErrors(t, err)); n != 8 {
		t.Errorf("%d of 8 mistakes: %v", n, err)
	}
}

func TestDecoderKeepsItsOwnOptions(t *testing.T) {
	keys := usher.Keys{hmacKey(t, testSecret, "")}
	opts := usher.DecoderOptions{Issuer: "login", Audience: usher.Audience{"api"}, Now: testClock}
	d := usher.Must(usher.NewDecoder[usher.Claims](keys, &opts))
	keys[0] = hmacKey(t, otherSecret, "")
	opts.Issuer, opts.Audience[0], opts.Now = "other", "other", nil
	checkDecode(t, d, signHS256(goodPayload().with("iss", `"login"`).with("aud", `"api"`)), nil)
	checkDecode(t, d, signHS256(goodPayload().with("iss", `"login"`).with("aud", `"other"`)), usher.ErrTokenAudience)
}

func TestADecoderNotMadeByNewDecoderIsAnError(t *testing.T) {
	var none *usher.Decoder[usher.Claims]
	for _, d := range []*usher.Decoder[usher.Claims]{none, {}} {
		if c, err := d.Decode(t.Context(), signHS256(goodPayload())); c != nil || err == nil {
			t.Errorf("%v, %v", c, err)
		}
	}
}

func TestDecoderServesManyAtOnce(t *testing.T) {
	for _, cacheSize := range []int{0, 3} {
		d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: cacheSize})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 50 {
					sub := fmt.Sprint(i, j%5)
					token := signToken("HS256", testSecret, goodHeader().with("n", fmt.Sprint(j%3)).String(), goodPayload().with("sub", `"`+sub+`"`).String())
					c, err := d.Decode(t.Context(), token)
					if err != nil || c.Subject != sub {
						t.Errorf("%v, %v, want sub %s", c, err, sub)
						return
					}
					c.Subject, c.Role = "changed", "changed" // it is the caller's own
					if _, err := d.Decode(t.Context(), token+"A"); err == nil {
						t.Error("accepted a forgery")
					}
				}
			})
		}
		wg.Wait()
	}
}

// RFC 7515 Appendix A.1, A.2 and A.3: their tokens, byte for byte.
func TestDecodeReadsTheTokensOfRFC7515(t *testing.T) {
	secret, _ := base64.RawURLEncoding.DecodeString(
		"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	key := usher.Must(usher.NewKey(usher.HS256, secret))
	d := newDecoder[usher.Claims](t, key, usher.DecoderOptions{
		Issuer: "joe", AllowNoSubject: true, Now: func() time.Time { return time.Unix(1300819379, 0) },
	})
	checkDecode(t, d, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."+
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."+
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", nil)
}

// No input makes it panic, and nothing but a good token is accepted.
func FuzzDecode(f *testing.F) {
	type claims struct {
		usher.Claims
		Number int            `json:"number"`
		Any    any            `json:"any"`
		Map    map[string]int `json:"map"`
		Time   time.Time      `json:"time"`
		List   []string       `json:"list"`
	}
	d := newDecoder[claims](f, hmacKey(f, testSecret, ""), usher.DecoderOptions{CacheSize: 4})
	for _, text := range notJSON(`"alg":"HS256"`) {
		f.Add(text, goodPayload().String())
	}
	for _, text := range notJSON(`"sub":"1"`) {
		f.Add(goodHeader().String(), text)
	}
	f.Add(goodHeader().String(), goodPayload().with("any", `{"a":[1,{}]}`).with("map", `{"a":1}`).with("number", "1e3").String())
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := signToken("HS256", testSecret, header, payload)
		c, err := d.Decode(t.Context(), token)
		if (c == nil) == (err == nil) {
			t.Errorf("claims %v with error %v", c, err)
		}
		if err != nil && !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("%q: %v", token, err)
		}
		if c, err := d.Decode(t.Context(), token[:len(token)-1]); c != nil || err == nil {
			t.Errorf("%q: accepted with a character less", token)
		}
	})
}

// Old versions of Kubernetes write an empty kid.
func TestDecodeTreatsAnEmptyKidAsAbsent(t *testing.T) {
	token := signToken("HS256", testSecret, `{"alg":"HS256","kid":""}`, goodPayload().String())
	checkDecode(t, newDecoder[usher.Claims](t, hmacKey(t, testSecret, "key"), usher.DecoderOptions{}), token, nil)
	for _, kid := range []string{"null", "1", "[]", "{}", "true"} {
		token := signToken("HS256", testSecret, `{"alg":"HS256","kid":`+kid+`}`, goodPayload().String())
		checkDecode(t, newDecoder[usher.Claims](t, hmacKey(t, testSecret, "key"), usher.DecoderOptions{}), token, usher.ErrTokenMalformed)
	}
}

func TestDecodeComparesMediaTypesAsRFC7515Says(t *testing.T) {
	for _, test := range []struct {
		option, typ string
		want        error
	}{
		{"at+jwt", "application/at+jwt", nil},
		{"application/at+jwt", "AT+JWT", nil},
		{"text/plain", "text/plain", nil},
		{"text/plain", "application/text/plain", usher.ErrTokenType},
		{"application/text/plain", "text/plain", usher.ErrTokenType},
		{"application/", "", usher.ErrTokenType},
	} {
		token := signToken("HS256", testSecret, goodHeader().with("typ", strconv.Quote(test.typ)).String(), goodPayload().String())
		checkDecode(t, newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{Type: test.option}), token, test.want)
	}
}

func TestSizeErrorsNameTheOption(t *testing.T) {
	_, err := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{MaxSize: 64}).Decode(t.Context(), signHS256(goodPayload()))
	if checkKind(t, err, usher.ErrTokenTooLarge); err == nil || !strings.Contains(err.Error(), "DecoderOptions.MaxSize allows 64") {
		t.Error(err)
	}
}

// testFussy refuses everything, and says why.
type testFussy struct{}

var errFussy = errors.New("not today")

func (*testFussy) UnmarshalJSON([]byte) error { return errFussy }

func TestErrorsOfAFieldsOwnTypeStayInTheChain(t *testing.T) {
	type claims struct {
		usher.Claims
		Fussy testFussy `json:"fussy"`
	}
	_, err := newDecoder[claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{}).Decode(t.Context(), signHS256(goodPayload().with("fussy", "1")))
	if checkKind(t, err, usher.ErrTokenClaims); !errors.Is(err, errFussy) || !strings.Contains(err.Error(), "not today") {
		t.Error(err)
	}
}
