package usher_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/golang-jwt/jwt/v5"
)

// Claims, and every type that embeds it, satisfies golang-jwt's jwt.Claims.
var (
	_ jwt.Claims = usher.Claims{}
	_ jwt.Claims = userClaims{}
	_ jwt.Claims = &userClaims{}
)

// What is generic over claims in another package.
func testEmbedded[C any, P usher.EmbedsClaims[C]]() bool { return true }

var _ = testEmbedded[usher.Claims]() && testEmbedded[userClaims]()

func TestHasScope(t *testing.T) {
	for _, test := range []struct {
		scope, asked string
		want         bool
	}{
		{"read", "read", true},
		{"read write", "read", true},
		{"read write", "write", true},
		{"a read b", "read", true},
		{"", "", false},
		{"", "read", false},
		{"read", "", false},
		{"read  write", "", false},
		{" read ", "", false},
		{"read  write", "write", true},
		{"read write", "read write", false},
		{"readwrite", "read", false},
		{"read", "readwrite", false},
		{"Read", "read", false},
		{"read,write", "read", false},
		{"read\twrite", "read", false},
		{"read:users", "read", false},
	} {
		if got := (usher.Claims{Scope: test.scope}).HasScope(test.asked); got != test.want {
			t.Errorf("%q has %q: %v", test.scope, test.asked, got)
		}
	}
}

func TestSubjectInt(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 42, math.MaxInt64, math.MinInt64} {
		if got, err := (usher.Claims{Subject: fmt.Sprint(n)}).SubjectInt(); got != n || err != nil {
			t.Errorf("%d: %d, %v", n, got, err)
		}
	}
	for _, subject := range []string{
		"", " ", "abc", "007", "+7", "-0", "--1", "-", "1.0", "1e3", " 1", "1 ", "1_000", "0x10", "٣",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999999", "1\x00",
	} {
		n, err := usher.Claims{Subject: subject}.SubjectInt()
		if n != 0 {
			t.Errorf("%q: %d with an error", subject, n)
		}
		checkKind(t, err, usher.ErrTokenClaims)
	}
}

func TestNewNumericDateIsInWholeSecondsAndUTC(t *testing.T) {
	zone := time.FixedZone("east", 3600)
	for _, test := range []struct{ in, want time.Time }{
		{time.Date(2030, 1, 2, 3, 4, 5, 999_999_999, zone), time.Date(2030, 1, 2, 2, 4, 5, 0, time.UTC)},
		{time.Unix(0, 0), time.Unix(0, 0).UTC()},
		{time.Unix(0, 1), time.Unix(0, 0).UTC()},
		{time.Time{}, time.Time{}},
	} {
		got := usher.NewNumericDate(test.in)
		if !got.Equal(test.want) || got.Location() != time.UTC || got.IsZero() != test.in.IsZero() {
			t.Errorf("%v: %v", test.in, got)
		}
		if a, b := usher.NewNumericDate(test.in), usher.NewNumericDate(test.in.In(zone)); a != b {
			t.Errorf("%v and %v differ", a, b) // neither zone nor monotonic clock is left
		}
	}
	if got := usher.NewNumericDate(time.Now()); got != usher.NewNumericDate(got.Time) {
		t.Errorf("%#v has a monotonic clock", got)
	}
	if !(usher.NumericDate{}).IsZero() || usher.NewNumericDate(time.Unix(0, 0)).IsZero() {
		t.Error("1970 is taken for absent, or absence for a date")
	}
}

// testDates are dates as JSON, and the nanoseconds since 1970 that they mean.
var testDates = map[string]int64{
	"0":                       0,
	"1":                       1e9,
	"1893553445":              1893553445e9,
	"0.5":                     5e8,
	"0.000000001":             1,
	"1.000000001":             1000000001,
	"1893553445.123456789":    1893553445123456789,
	"1893553445.123":          1893553445123e6,
	"1893553445.0":            1893553445e9,
	"1e3":                     1000e9,
	"1E3":                     1000e9,
	"1e+3":                    1000e9,
	"1e0":                     1e9,
	"1.5e3":                   1500e9,
	"1.893553445e9":           1893553445e9,
	"1893553445123e-3":        1893553445123e6,
	"15e-1":                   1500e6,
	"1e-9":                    1,
	"0e640":                   0,
	"0.000e-640":              0,
	"5e-11":                   0,
	"1e-99999999999999999999": 0,
	"0.00000000000000000000000000000000000000000000000000001e62": 1e18,
	"0.0":                       0,
	"0e5":                       0,
	"0e-5":                      0,
	"1.00000000000000000000":    1e9,
	"0.00000000000000000001":    0,
	"1.9999999999":              1999999999, // digits beyond nanoseconds are dropped
	"100000000000000000000e-20": 1e9,
	"0e99":                      0,
	"1e-99":                     0,
}

// noDates are JSON values that are no dates.
var noDates = []string{
	"-1", "-0.5", "-1e-9", "-0", "-0e-11", "-5e-11", "-1e-10", "-1e-99", "-0e640", "-253402300800e-99", "253402300800", "253402300799.1", "253402300799.000000001", "2534023008e2", "1e12", "1e300", "1e999", "1e99999999999999999999",
	"9223372036854775807", "9223372036854775808", "18446744073709551616", "18446744073709551617", "99999999999999999999999999999999999",
	`"1893553445"`, `"2030-01-02T03:04:05Z"`, `""`, "true", "false", "{}", "[]", "[1]", `{"a":1}`,
}

func TestNumericDateReadsJSON(t *testing.T) {
	for text, nanos := range testDates {
		var date usher.NumericDate
		if err := json.Unmarshal([]byte(text), &date); err != nil || date.UnixNano() != nanos || date.Location() != time.UTC {
			t.Errorf("%s: %v, %v", text, date, err)
		}
	}
	for _, text := range []string{"253402300799", "253402300799.0", "2.53402300799e11"} {
		var last usher.NumericDate
		if err := json.Unmarshal([]byte(text), &last); err != nil || last.Year() != 9999 || last.Second() != 59 {
			t.Errorf("the last second, %s: %v, %v", text, last, err)
		}
	}
	for _, text := range []string{" 1.5", "1.5 ", "\n1.5\t\r", "1.5\n"} {
		var date usher.NumericDate
		if err := date.UnmarshalJSON([]byte(text)); err != nil || date.UnixMilli() != 1500 {
			t.Errorf("%q: %v, %v", text, date, err)
		}
	}
	date := usher.NewNumericDate(testNow)
	if err := json.Unmarshal([]byte("null"), &date); err != nil || !date.IsZero() {
		t.Errorf("null: %v, %v", date, err)
	}
	for _, text := range noDates {
		date := usher.NewNumericDate(testNow)
		if err := json.Unmarshal([]byte(text), &date); err == nil {
			t.Errorf("%s: %v", text, date)
		}
	}
	for _, text := range []string{"", " ", "x", "NaN", "+1", "01", "1.", ".5", "1e", "0x10", "1 2", "nul", "1,", "\xff", "--1", "1e1.5", "Infinity"} {
		var date usher.NumericDate
		if err := date.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, date)
		}
	}
}

func TestNumericDateWritesJSON(t *testing.T) {
	for _, test := range []struct {
		in   time.Time
		want string // "" for an error
	}{
		{time.Time{}, "null"},
		{time.Unix(0, 0), "0"},
		{time.Unix(1893553445, 0), "1893553445"},
		{time.Unix(1893553445, 0).In(time.FixedZone("east", 3600)), "1893553445"},
		{time.Unix(1893553445, 123456789), "1893553445.123456789"},
		{time.Unix(1893553445, 500_000_000), "1893553445.5"},
		{time.Unix(1893553445, 1), "1893553445.000000001"},
		{time.Unix(0, 1), "0.000000001"},
		{time.Unix(253402300799, 0), "253402300799"},
		{time.Unix(253402300799, 1), ""},
		{time.Unix(253402300800, 0), ""},
		{time.Unix(-1, 0), ""},
		{time.Unix(0, -1), ""},
		{time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), ""},
		{time.Unix(1<<60, 0), ""},
	} {
		text, err := json.Marshal(usher.NumericDate{Time: test.in})
		if string(text) != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%v: %s, %v, want %q", test.in, text, err, test.want)
		}
	}
}

func TestAudienceIsOneStringOrAnArray(t *testing.T) {
	for _, test := range []struct {
		text string
		want usher.Audience
		back string
	}{
		{`"a"`, usher.Audience{"a"}, `"a"`},
		{`["a"]`, usher.Audience{"a"}, `"a"`},
		{`["a","b"]`, usher.Audience{"a", "b"}, `["a","b"]`},
		{` [ "a" , "b" ] `, usher.Audience{"a", "b"}, `["a","b"]`},
		{`"\u0061\n"`, usher.Audience{"a\n"}, `"a\n"`},
		{`""`, usher.Audience{""}, `""`},
		{`[]`, usher.Audience{}, `[]`},
		{`null`, nil, `null`},
	} {
		got := usher.Audience{"before"}
		if err := json.Unmarshal([]byte(test.text), &got); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %#v, %v", test.text, got, err)
		}
		if back, err := json.Marshal(test.want); err != nil || string(back) != test.back {
			t.Errorf("%#v: %s, %v, want %s", test.want, back, err, test.back)
		}
	}
	for _, text := range []string{"1", "true", "{}", `{"a":"b"}`, "[1]", `["a",1]`, `["a",null]`, "[null]", `[["a"]]`, `[{}]`} {
		var got usher.Audience
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: %#v", text, got)
		}
	}
	for _, text := range []string{"", `"a`, `["a"`, `"a" "b"`, `"\ud800"`, "\"\xff\"", "a", "\"a\"\x00", "[\"a\"]\x00b", "null\x00"} {
		var got usher.Audience
		if err := got.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%q: %#v", text, got)
		}
	}
	if text, err := json.Marshal(usher.Audience{"\xff"}); err == nil && strings.Contains(string(text), "\xff") {
		t.Errorf("%q", text)
	}
}

// What embeds Claims would have its methods: a codec of Claims' own would hide all other fields, and a String
// would print a user's claims as if they were all that there is.
func TestClaimsHaveNoMethodsThatWouldHideOthers(t *testing.T) {
	for _, method := range []string{
		"MarshalJSON", "UnmarshalJSON", "MarshalJSONTo", "UnmarshalJSONFrom", "MarshalText", "UnmarshalText", "AppendText",
		"MarshalBinary", "UnmarshalBinary", "AppendBinary", "GobEncode", "GobDecode", "String", "GoString", "Format", "LogValue",
		"Error", "Validate", "Scan", "Value", "IsZero",
	} {
		if _, ok := reflect.TypeFor[*usher.Claims]().MethodByName(method); ok {
			t.Errorf("Claims have the method %s", method)
		}
	}
}

// encoding/json writes and reads claims as usher does.
func TestClaimsAreJSON(t *testing.T) {
	claims := userClaims{
		Claims: usher.Claims{
			Issuer: "login", Subject: "42", Audience: usher.Audience{"api"}, ExpiresAt: usher.NewNumericDate(testNow),
			NotBefore: usher.NewNumericDate(testNow), IssuedAt: usher.NumericDate{Time: testNow.Add(5e8)}, ID: "id",
			SessionID: "session", Scope: "read", AuthTime: usher.NewNumericDate(testNow),
		},
		Role: "admin",
	}
	want := `{"iss":"login","sub":"42","aud":"api","exp":1893553445,"nbf":1893553445,"iat":1893553445.5,"jti":"id",` +
		`"sid":"session","scope":"read","auth_time":1893553445,"role":"admin"}`
	text, err := json.Marshal(claims)
	if string(text) != want || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	var back userClaims
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, claims) {
		t.Errorf("%+v, %v", back, err)
	}
	if text, err := json.Marshal(userClaims{}); string(text) != "{}" || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

func TestDecodeReadsAConfirmationStrictly(t *testing.T) {
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	for cnf, want := range map[string]*usher.Confirmation{
		"":                              nil,
		`{"jkt":"a"}`:                   {KeyThumbprint: "a"},
		`{"x5t#S256":"b"}`:              {CertificateThumbprint: "b"},
		`{"x5t#S256":"b", "jkt":"a"}`:   {KeyThumbprint: "a", CertificateThumbprint: "b"},
		`{ "\u006akt" : "\u0061" }`:     {KeyThumbprint: "a"},
		` {"jkt":"{\"x5t#S256\":[]}"} `: {KeyThumbprint: `{"x5t#S256":[]}`},
	} {
		c := checkDecode(t, d, signHS256(goodPayload().with("cnf", cnf)), nil)
		if c != nil && !reflect.DeepEqual(c.Confirmation, want) {
			t.Errorf("%s: %+v, want %+v", cnf, c.Confirmation, want)
		}
	}
	for _, cnf := range []string{
		`null`, `"a"`, `1`, `true`, `[]`, `["jkt"]`, `{}`, // no object, or no method
		`{"jwk":{"kty":"oct"}}`, `{"kid":"a"}`, `{"jku":"https://a.example"}`, `{"jwe":"a"}`, // other methods of RFC 7800
		`{"jkt":"a","kid":"a"}`, `{"kid":"a","jkt":"a"}`, `{"jkt":"a","":"a"}`, `{"JKT":"a"}`,
		`{"jkt":""}`, `{"jkt":null}`, `{"jkt":1}`, `{"jkt":["a"]}`, `{"jkt":{"a":1}}`, `{"jkt":"a","x5t#S256":""}`,
	} {
		checkDecode(t, d, signHS256(goodPayload().with("cnf", cnf)), usher.ErrTokenClaims)
	}
	for _, cnf := range []string{`{"jkt":"a","jkt":"a"}`, `{"jkt":"a",}`, `{"jkt":"a"`, `{"jkt":"\xff"}`} {
		checkDecode(t, d, signHS256(jsonText(goodPayload().with("cnf", cnf).String())), usher.ErrTokenMalformed)
	}
}

func TestEncodeWritesAConfirmation(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	e, d := newEncoder[usher.Claims](t, key, usher.EncoderOptions{}), newDecoder[usher.Claims](t, key, usher.DecoderOptions{})
	for _, want := range []usher.Confirmation{
		{KeyThumbprint: "a"}, {CertificateThumbprint: "b"}, {KeyThumbprint: `"a"`, CertificateThumbprint: "ü"},
	} {
		token := usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "42", Confirmation: &want}))
		c := checkDecode(t, d, token, nil)
		if c == nil || c.Confirmation == nil || *c.Confirmation != want {
			t.Errorf("%+v came back as %+v", want, c)
		}
		_, payload := openToken(t, token)
		var standard usher.Claims
		if err := json.Unmarshal([]byte(payload), &standard); err != nil || *standard.Confirmation != want {
			t.Errorf("encoding/json reads %s as %+v, %v", payload, standard.Confirmation, err)
		}
	}
	for _, c := range []usher.Confirmation{{}, {KeyThumbprint: "\xff"}} {
		_, err := e.Encode(t.Context(), usher.Claims{Subject: "42", Confirmation: &c})
		if !errors.Is(err, usher.ErrTokenClaims) || !strings.Contains(err.Error(), "cnf") && c == (usher.Confirmation{}) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAConfirmationIsEachCallersOwn(t *testing.T) {
	for _, cacheSize := range []int{0, 10} {
		d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: cacheSize})
		token := signHS256(goodPayload().with("cnf", `{"jkt":"a"}`))
		for range 3 {
			c := checkDecode(t, d, token, nil)
			if c == nil || c.Confirmation == nil || c.Confirmation.KeyThumbprint != "a" {
				t.Fatalf("%+v", c)
			}
			c.Confirmation.KeyThumbprint = "changed"
		}
	}
}

func TestClaimsTypesDontReadCnfThemselves(t *testing.T) {
	checkShape[struct {
		usher.Claims
		Bound any `json:"cnf"`
	}](t, "a field for cnf", "cnf")
}
