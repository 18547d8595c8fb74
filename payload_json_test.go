package usher_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

func TestDecodeRefusesPayloadsThatAreNotOneStrictObject(t *testing.T) {
	type claims struct {
		usher.Claims
		Z any `json:"z"`
	}
	members := `"sub":"42","exp":` + secondsFromNow(time.Hour)
	unknown := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	known := newDecoder[claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	checkDecode(t, known, signHS256(jsonText("{"+members+"}")), nil)
	for name, payload := range notJSON(members) {
		t.Run(name, func(t *testing.T) {
			token := signHS256(jsonText(payload))
			checkDecode(t, unknown, token, usher.ErrTokenMalformed)
			checkDecode(t, known, token, usher.ErrTokenMalformed)
			if strings.Contains(name, "escapes") {
				return
			}
			// The same where a registered claim is.
			for _, name := range []string{"jti", "aud", "nbf"} {
				payload := strings.ReplaceAll(payload, `"z"`, `"`+name+`"`)
				if strings.Contains(payload, `"`+name+`"`) {
					checkDecode(t, unknown, signHS256(jsonText(payload)), usher.ErrTokenMalformed)
				}
			}
		})
	}
	for name, payload := range map[string]string{
		"sub twice":                       `"sub":"42"`,
		"sub twice, one escaped":          `"\u0073ub":"42"`,
		"sub twice, surrogates beside":    `"\ud83d\ude00":1,"sub":"42"`,
		"exp twice":                       `"exp":9999999999`,
		"exp twice, with an escape":       `"e\u0078p":9999999999`,
		"a private claim twice":           `"z":1,"z":2`,
		"an unknown claim twice":          `"y":1,"y":2`,
		"a name twice, one of surrogates": `"😀":1,"\ud83d\ude00":2`,
	} {
		t.Run(name, func(t *testing.T) {
			checkDecode(t, known, signHS256(jsonText("{"+members+","+payload+"}")), usher.ErrTokenMalformed)
			checkDecode(t, known, signHS256(jsonText("{"+payload+","+members+"}")), usher.ErrTokenMalformed)
		})
	}
	t.Run("a name twice among many", func(t *testing.T) {
		for _, count := range []int{3, 62, 63, 64, 65, 66, 100, 300} {
			for _, repeated := range []int{0, count / 2, count - 1} {
				var b strings.Builder
				for i := range count {
					fmt.Fprintf(&b, `,"name %d":0`, i)
				}
				checkDecode(t, known, signHS256(jsonText("{"+members+b.String()+"}")), nil)
				fmt.Fprintf(&b, `,"name %d":0`, repeated)
				checkDecode(t, known, signHS256(jsonText("{"+members+b.String()+"}")), usher.ErrTokenMalformed)
				checkDecode(t, known, signHS256(jsonText("{"+b.String()[1:]+","+members+"}")), usher.ErrTokenMalformed)
			}
		}
	})
}

// What is no JSON is malformed, also where a claim before it is of the wrong type: the reason does not depend on
// the order of members.
func TestDecodeReportsMalformedPayloadsBeforeWrongTypes(t *testing.T) {
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	for _, wrong := range []string{`"jti":1`, `"role":1`, `"exp":null`, `"aud":[1]`, `"teams":"x"`} {
		for _, broken := range []string{`"z":{"a":1,"a":1}`, `"z":[nonsense]`, `"z":["\ud800"]`, `"z":[1,]`, `"z":nonsense`, `"z":1,"z":1`,
			`"nbf":[nonsense]`, `"nbf":[1}`, `"scope":{"a":1,"a":1}`, `"z":1}{`, `"teams":[nonsense]`} {
			if strings.HasPrefix(wrong, `"teams"`) && strings.HasPrefix(broken, `"teams"`) {
				continue
			}
			for _, payload := range []string{wrong + "," + broken, broken + "," + wrong} {
				t.Run(payload, func(t *testing.T) {
					checkDecode(t, d, signHS256(jsonText("{"+payload+"}")), usher.ErrTokenMalformed)
				})
			}
		}
	}
	for _, broken := range []string{
		`"aud":[nonsense]`, `"aud":[1}`, `"aud":["a",]`, `"aud":["a" "b"]`, `"aud":["\ud800"]`, `"aud":{"a":1,"a":2}`, `"exp":[}`, `"sub":{]`,
		`"teams":[nonsense]`, `"teams":["a",]`, `"teams":["a" "b"]`, `"teams":["\ud800"]`, `"role":{"a":1,"a":2}`, `"role":[}`, `"teams":["a"}`,
	} {
		t.Run(broken, func(t *testing.T) {
			checkDecode(t, d, signHS256(jsonText("{"+broken+"}")), usher.ErrTokenMalformed)
		})
	}
}

func TestDecodeAcceptsJSONInAnyForm(t *testing.T) {
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	for _, payload := range []string{
		` { "sub" : "42" , "exp" : 9999999999 , "role" : "admin" } `,
		"\r\n\t{\"sub\":\r\n\t\"42\",\"exp\":9999999999,\"role\":\"admin\"}\r\n\t",
		`{"role":"admin","exp":9999999999,"sub":"42"}`,
		`{"\u0073\u0075\u0062":"\u0034\u0032","\u0065xp":9999999999,"rol\u0065":"\u0061dmin"}`,
		`{"":0,"x":null,"y":[],"z":{},"sub":"42","exp":9999999999.000,"role":"admin","😀":"\ud83d\ude00","n":-0.0e-0,"t":[true,false,null,{"a":[]}]}`,
	} {
		if c := checkDecode(t, d, signHS256(jsonText(payload)), nil); c == nil || c.Subject != "42" || c.Role != "admin" {
			t.Errorf("%s: %+v", payload, c)
		}
	}
	c := checkDecode(t, d, signHS256(goodPayload().with("role", `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀\u0000\u007f\u2028"`)), nil)
	if want := "\"\\/\b\f\n\r\té😀é😀\x00\x7f\u2028"; c == nil || c.Role != want {
		t.Errorf("%q", c.Role)
	}
}

func TestDecodeRefusesRegisteredClaimsOfTheWrongType(t *testing.T) {
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{
		AllowNoSubject: true, DangerouslyAllowNoExpiry: true, DangerouslyAllowAnyAudience: true,
	})
	texts := []string{"null", "1", "true", "false", "{}", "[]", `["a"]`, `{"a":"b"}`, "1.5", "-1"}
	for _, claim := range []string{"iss", "sub", "jti", "sid", "scope"} {
		for _, value := range texts {
			checkDecode(t, d, signHS256(goodPayload().with(claim, value)), usher.ErrTokenClaims)
		}
	}
	for _, value := range []string{"null", "1", "true", "false", "{}", `{"a":"b"}`, "[1]", "[null]", `["a",null]`, `["a",1]`, `[["a"]]`, `[{}]`, `[true]`} {
		checkDecode(t, d, signHS256(goodPayload().with("aud", value)), usher.ErrTokenClaims)
	}
	for _, claim := range []string{"exp", "nbf", "iat", "auth_time"} {
		for _, value := range append([]string{"null", `"1"`}, noDates...) {
			t.Run(claim+" "+value, func(t *testing.T) {
				token := signHS256(goodPayload().with(claim, value))
				checkDecode(t, d, token, usher.ErrTokenClaims)
				if _, err := d.Decode(t.Context(), token); err == nil || !strings.Contains(err.Error(), claim) {
					t.Errorf("%v does not name the claim", err)
				}
			})
		}
	}
}

// What is wrong with one claim is not forgotten over another that is right.
func TestDecodeRefusesOneWrongClaimAmongOthers(t *testing.T) {
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	claims := []string{`"sub":"42"`, `"exp":9999999999`, `"role":"admin"`, `"teams":["a"]`, `"z":1`}
	for _, wrong := range []string{`"jti":1`, `"nbf":"1"`, `"aud":[1]`, `"role":1`, `"teams":"x"`} {
		for at := range len(claims) + 1 {
			name, _, _ := strings.Cut(wrong, ":")
			members := slices.Insert(slices.Clone(claims), at, wrong)
			members = slices.DeleteFunc(members, func(m string) bool { return m != wrong && strings.HasPrefix(m, name) })
			checkDecode(t, d, signHS256(jsonText("{"+strings.Join(members, ",")+"}")), usher.ErrTokenClaims)
		}
	}
}

func TestDecodeKeepsFractionsOfDates(t *testing.T) {
	d := newDecoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	for text, nanos := range testDates {
		c := checkDecode(t, d, signHS256(goodPayload().with("iat", text).with("auth_time", text)), nil)
		if c == nil || c.IssuedAt.UnixNano() != nanos || c.AuthTime.UnixNano() != nanos || c.IssuedAt.Location() != time.UTC || c.IssuedAt.IsZero() {
			t.Errorf("%s: %+v", text, c)
		}
	}
	e := newEncoder[usher.Claims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{})
	for _, nanos := range []int64{0, 1, 5e8, 999_999_999, 123_456_000} {
		want := usher.NumericDate{Time: time.Unix(1893553445, nanos).UTC()}
		token := usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "42", AuthTime: want}))
		if c := checkDecode(t, d, token, nil); c == nil || c.AuthTime != want {
			t.Errorf("%v: %+v", want, c)
		}
	}
}

func TestDecodeMatchesNamesExactly(t *testing.T) {
	type claims struct {
		usher.Claims
		Role   string `json:"role"`
		Plain  string
		Nested struct {
			Name string `json:"name"`
		} `json:"nested"`
	}
	d := newDecoder[claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	payload := goodPayload().with("ROLE", `"a"`).with("Role", `"b"`).with("plain", `"c"`).with("role ", `"d"`).with("nested", `{"Name":"e","NAME":"f"}`)
	c := checkDecode(t, d, signHS256(payload), nil)
	if c == nil || c.Role != "" || c.Plain != "" || c.Nested.Name != "" {
		t.Errorf("%+v", c)
	}
	c = checkDecode(t, d, signHS256(payload.with("role", `"x"`).with("Plain", `"y"`).with("nested", `{"Name":"e","name":"z"}`)), nil)
	if c == nil || c.Role != "x" || c.Plain != "y" || c.Nested.Name != "z" {
		t.Errorf("%+v", c)
	}
}

// testUpper has a JSON form of its own.
type testUpper string

func (u testUpper) MarshalJSON() ([]byte, error) { return json.Marshal(strings.ToUpper(string(u))) }

func (u *testUpper) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text == "REFUSED" {
		return errors.New("refused")
	}
	*u = testUpper(strings.ToLower(text))
	return nil
}

type (
	testName  string
	testLevel uint8
	testNames []testName
	testFlag  bool
	testInner struct {
		A int    `json:"a,omitempty"`
		B string `json:"b"`
	}
	TokPromoted struct {
		Promoted string `json:"promoted"`
		Shadowed string `json:"shadowed"`
	}
	TokPromotedDeep struct {
		Deep string `json:"deep,omitempty"`
	}
)

// testPrivate has fields of every kind, as claims types and as structs for encoding/json.
type testPrivate struct {
	TokPromoted
	TokPromotedDeep
	Shadowed string `json:"shadowed"`

	Untagged  string
	String    string                 `json:"string"`
	Name      testName               `json:"name"`
	Bool      bool                   `json:"bool"`
	Flag      testFlag               `json:"flag"`
	Int       int                    `json:"int"`
	Int8      int8                   `json:"int8"`
	Int64     int64                  `json:"int64"`
	Uint      uint                   `json:"uint"`
	Level     testLevel              `json:"level"`
	Uintptr   uintptr                `json:"uintptr"`
	Float     float64                `json:"float"`
	Float32   float32                `json:"float32"`
	Duration  time.Duration          `json:"duration"`
	Time      time.Time              `json:"time"`
	Addr      netip.Addr             `json:"addr"`
	Upper     testUpper              `json:"upper"`
	UpperPtr  *testUpper             `json:"upper_ptr"`
	Date      usher.NumericDate      `json:"date"`
	DateZero  usher.NumericDate      `json:"date_zero,omitzero"`
	Aud       usher.Audience         `json:"audience"`
	StringPtr *string                `json:"string_ptr"`
	IntPtr    *int                   `json:"int_ptr"`
	Strings   []string               `json:"strings"`
	Names     testNames              `json:"names"`
	Ints      []int                  `json:"ints"`
	Bytes     []byte                 `json:"bytes"`
	Array     [3]int                 `json:"array"`
	ByteArray [3]byte                `json:"byte_array"`
	Map       map[string]int         `json:"map"`
	IntMap    map[int]string         `json:"int_map"`
	TextMap   map[netip.Addr]bool    `json:"text_map"`
	Any       any                    `json:"any"`
	Raw       json.RawMessage        `json:"raw"`
	Number    json.Number            `json:"number"`
	Numbers   []json.Number          `json:"numbers"`
	NumberPtr *json.Number           `json:"number_ptr"`
	NumberMap map[string]json.Number `json:"number_map"`
	Inner     testInner              `json:"inner"`
	InnerPtr  *testInner             `json:"inner_ptr"`
	Inners    []testInner            `json:"inners"`
	Anonymous struct{ X int }        `json:"anonymous"`

	OmitString  string         `json:"omit_string,omitempty"`
	OmitBool    bool           `json:"omit_bool,omitempty"`
	OmitInt     int            `json:"omit_int,omitempty"`
	OmitUint    uint           `json:"omit_uint,omitempty"`
	OmitFloat   float64        `json:"omit_float,omitempty"`
	OmitPtr     *int           `json:"omit_ptr,omitempty"`
	OmitStrings []string       `json:"omit_strings,omitempty"`
	OmitInts    []int          `json:"omit_ints,omitempty"`
	OmitMap     map[string]int `json:"omit_map,omitempty"`
	OmitAny     any            `json:"omit_any,omitempty"`
	OmitInner   testInner      `json:"omit_inner,omitempty"`
	OmitTime    time.Time      `json:"omit_time,omitempty"`
	OmitArray   [0]int         `json:"omit_array,omitempty"`
	OmitNumber  json.Number    `json:"omit_number,omitempty"`

	ZeroString  string         `json:"zero_string,omitzero"`
	ZeroStrings []string       `json:"zero_strings,omitzero"`
	ZeroMap     map[string]int `json:"zero_map,omitzero"`
	ZeroTime    time.Time      `json:"zero_time,omitzero"`
	ZeroInner   testInner      `json:"zero_inner,omitzero"`
	Both        []string       `json:"both,omitempty,omitzero"`

	TextInt     int           `json:"text_int,string"`
	TextUint    *uint         `json:"text_uint,string"`
	TextFloat   float64       `json:"text_float,string"`
	TextBool    bool          `json:"text_bool,string"`
	TextString  string        `json:"text_string,string"`
	TextSlice   []int         `json:"text_slice,string"` // to no effect
	TextOmit    int           `json:"text_omit,string,omitempty"`
	TextName    testName      `json:"text_name,string"`
	TextNumbers []json.Number `json:"text_numbers,string"` // to no effect
	TextLevel   testLevel     `json:"text_level,omitempty,string"`

	Dash     string `json:"-"`
	DashName string `json:"-,"`
	Odd      string `json:"odd name!#$%&()*+-./:;<=>?@[]^_{|}~ ключ"`
	NoName   string `json:",omitempty"`
	Foreign  string `xml:"x"`

	unexported string
}

type privateClaims struct {
	usher.Claims
	testPrivate
}

// testRegistered are the names of Claims' own members.
var testRegistered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "scope", "auth_time"}

func testFull() testPrivate {
	text, number, unsigned, upper, digits := "pointed", 7, uint(8), testUpper("pointed"), json.Number("9.0")
	inner := testInner{A: 1, B: "b"}
	return testPrivate{
		TokPromoted: TokPromoted{Promoted: "p", Shadowed: "hidden"}, TokPromotedDeep: TokPromotedDeep{Deep: "deep"}, Shadowed: "seen",
		Untagged: "u", String: "a\"\\\n<&>é😀\u2028\x7f", Name: "name", Bool: true, Flag: true, Int: -1, Int8: math.MinInt8, Int64: math.MinInt64,
		Uint: math.MaxUint, Level: 255, Uintptr: 9, Float: 1.5e300, Float32: 0.1, Duration: 90 * time.Second,
		Time: testNow.Add(5), Addr: netip.MustParseAddr("::1"), Upper: "upper", UpperPtr: &upper,
		Date: usher.NewNumericDate(testNow), DateZero: usher.NewNumericDate(testNow), Aud: usher.Audience{"one"},
		StringPtr: &text, IntPtr: &number, Strings: []string{"a", "", "é\""}, Names: testNames{"n"}, Ints: []int{1, 2}, Bytes: []byte{0, 255, 1},
		Array: [3]int{1, 2, 3}, ByteArray: [3]byte{1, 2, 3}, Map: map[string]int{"b": 2, "a": 1}, IntMap: map[int]string{2: "b", -1: "a"},
		TextMap: map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): true},
		Any:     map[string]any{"list": []any{1.0, "x", nil, true}}, Raw: json.RawMessage(`{"a":[1,2]}`), Number: "12.50",
		Numbers: []json.Number{"1", "-2.50"}, NumberPtr: &digits, NumberMap: map[string]json.Number{"a": "1e3"},
		Inner: inner, InnerPtr: &inner, Inners: []testInner{inner, {}}, Anonymous: struct{ X int }{5},
		OmitString: "x", OmitBool: true, OmitInt: 1, OmitUint: 1, OmitFloat: 1, OmitPtr: new(int), OmitStrings: []string{"x"}, OmitInts: []int{0},
		OmitMap: map[string]int{"x": 0}, OmitAny: 0.0, OmitInner: inner, OmitTime: testNow, OmitNumber: "1",
		ZeroString: "x", ZeroStrings: []string{"x"}, ZeroMap: map[string]int{"x": 1}, ZeroTime: testNow, ZeroInner: inner, Both: []string{"x"},
		TextInt: -5, TextUint: &unsigned, TextFloat: 1.5, TextBool: true, TextString: "x", TextSlice: []int{1}, TextOmit: 1, TextName: "n", TextLevel: 3,
		TextNumbers: []json.Number{"8"},
		Dash:        "x", DashName: "x", Odd: "x", NoName: "x", Foreign: "x",
		unexported: "x",
	}
}

// Private claims are written as encoding/json writes them.
func TestEncodeWritesPrivateClaimsAsEncodingJSONDoes(t *testing.T) {
	e := newEncoder[privateClaims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{})
	empty := testPrivate{
		Strings: []string{}, Names: testNames{}, Ints: []int{}, Bytes: []byte{}, Map: map[string]int{}, IntMap: map[int]string{}, Aud: usher.Audience{},
		OmitStrings: []string{}, OmitInts: []int{}, OmitMap: map[string]int{}, OmitAny: []int{}, ZeroStrings: []string{}, ZeroMap: map[string]int{},
		Both: []string{}, TextUint: new(uint), Number: "0", Raw: json.RawMessage("null"),
	}
	several := testFull()
	several.Aud = usher.Audience{"one", "two"}
	several.Any = []any{json.Number("1e3"), testUpper("x"), testInner{B: "<>"}, &several.Inner, time.Second}
	several.Raw = json.RawMessage(" [ 1 ,2 ] ")
	for name, private := range map[string]testPrivate{"full": testFull(), "zero": {}, "empty": empty, "several": several} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(private)
			if err != nil {
				t.Fatal(err)
			}
			want := testRaw(t, string(text))
			token, err := e.Encode(t.Context(), privateClaims{Claims: usher.Claims{Subject: "42"}, testPrivate: private})
			if err != nil {
				t.Fatal(err)
			}
			_, payload := openToken(t, token)
			got := testRaw(t, payload)
			for _, name := range testRegistered {
				delete(got, name)
			}
			for name := range want {
				if g, w := testSame(t, got[name]), testSame(t, want[name]); g != w {
					t.Errorf("%s: %s, want %s", name, got[name], want[name])
				}
				delete(got, name)
			}
			if len(got) > 0 {
				t.Errorf("also %s", got)
			}
		})
	}
}

func testRaw(tb testing.TB, text string) map[string]json.RawMessage {
	tb.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return members
}

// testSame returns the same text for JSON that means the same, numbers as they are written.
func testSame(tb testing.TB, text json.RawMessage) string {
	tb.Helper()
	if text == nil {
		return "nothing"
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	same, err := json.Marshal(v)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return string(same)
}

// With the option string a json.Number is a number in a string. encoding/json takes some strings too that are none.
func TestNumbersInStrings(t *testing.T) {
	type claims struct {
		usher.Claims
		Number json.Number         `json:"number,string"`
		Key    map[json.Number]int `json:"key"`
	}
	key := hmacKey(t, testSecret, "")
	d := newDecoder[claims](t, key, usher.DecoderOptions{})
	if c := checkDecode(t, d, signHS256(goodPayload().with("key", `{"1.5":7,"x":8,"":9}`)), nil); c == nil || c.Key["1.5"] != 7 || c.Key["x"] != 8 || c.Key[""] != 9 {
		t.Errorf("as a key: %v", c)
	}
	for text, want := range map[string]json.Number{`"12"`: "12", `"-1.50e3"`: "-1.50e3", `"\u0031"`: "1", "null": ""} {
		if c := checkDecode(t, d, signHS256(goodPayload().with("number", text)), nil); c == nil || c.Number != want {
			t.Errorf("%s: %v", text, c)
		}
	}
	for _, text := range []string{"12", `"x"`, `""`, `"1h"`, `" 1"`, `"0102"`, `"null"`, "true", "[]"} {
		checkDecode(t, d, signHS256(goodPayload().with("number", text)), usher.ErrTokenClaims)
	}
	e := newEncoder[claims](t, key, usher.EncoderOptions{})
	for number, want := range map[json.Number]string{"12.50": `"12.50"`, "": `"0"`} {
		_, payload := openToken(t, usher.Must(e.Encode(t.Context(), claims{
			Claims: usher.Claims{Subject: "42"}, Number: number, Key: map[json.Number]int{"": 9, "1.5": 7, "x": 8},
		})))
		if raw := testRaw(t, payload); string(raw["number"]) != want || string(raw["key"]) != `{"":9,"1.5":7,"x":8}` {
			t.Errorf("%q: %s and %s, want %s", number, raw["number"], raw["key"], want)
		}
	}
}

// Private claims are read as encoding/json reads them.
func TestDecodeReadsPrivateClaimsAsEncodingJSONDoes(t *testing.T) {
	d := newDecoder[privateClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{MaxSize: 64 << 10})
	fields := reflect.VisibleFields(reflect.TypeFor[testPrivate]())
	values := []string{
		"null", "true", "false", "0", "1", "-1", "-0", "127", "128", "-128", "-129", "255", "256", "1.0", "1.5", "1e2", "1E-2", "9223372036854775807",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "1e400", "12.50",
		`""`, `"x"`, `"1"`, `"-5"`, `"1.5"`, `"true"`, `"null"`, `"é\u00e9\ud83d\ude00\n\""`, `"refused"`, `"REFUSED"`, `"AP8B"`, `"AP8"`, `"2030-01-02T03:04:05Z"`, `"::1"`,
		`"\"x\""`, `"\"\""`, `" 1"`, `"1 "`, `"1h"`, `"90s"`, `"0102"`,
		"[]", "[ ]", "[1]", "[1,2,3]", "[1,2,3,4]", `["a"]`, `["a","b"]`, `["a",null]`, `[null]`, `[ "a" , "\u0062" ]`, `[["a"]]`, `[{"a":1,"b":"x"}]`, `[256]`, `["AA"]`,
		"{}", `{"a":1}`, `{"a":1,"b":"x"}`, `{"a":"1"}`, `{"1":"a","-2":"b"}`, `{"127.0.0.1":true}`, `{"X":5}`, `{"x":5}`, `{"a":null}`, `{"b":null,"c":[1,{"d":2}]}`, `{"A":1}`,
	}
	for _, field := range fields {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if !field.IsExported() && !field.Anonymous || field.Anonymous {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			for _, value := range values {
				quoted := usher.Must(canonicalJSON(name))
				var want testPrivate
				wantErr := json.Unmarshal([]byte("{"+quoted+":"+value+"}"), &want)
				payload := `{"sub":"42","exp":` + secondsFromNow(time.Hour) + "," + quoted + ":" + value + "}"
				c, err := d.Decode(t.Context(), signHS256(jsonText(payload)))
				if (err == nil) != (wantErr == nil) {
					t.Errorf("%s: %v, encoding/json says %v", value, err, wantErr)
					continue
				}
				if err != nil {
					checkKind(t, err, usher.ErrTokenClaims)
					continue
				}
				if foldsCase := strings.Contains(value, `"A"`) || strings.Contains(value, `"x":5`); foldsCase {
					continue // where names match exactly here
				}
				if !reflect.DeepEqual(c.testPrivate, want) {
					t.Errorf("%s: %+v, want %+v", value, c.testPrivate, want)
				}
			}
		})
	}
	text := usher.Must(json.Marshal(testFull()))
	var want testPrivate
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	c := checkDecode(t, d, signHS256(jsonText(`{"sub":"42","exp":`+secondsFromNow(time.Hour)+","+string(text[1:]))), nil)
	if c != nil && !reflect.DeepEqual(c.testPrivate, want) {
		t.Errorf("%+v, want %+v", c.testPrivate, want)
	}
}

// A value that a private claim can't hold is the token's fault, and the error names the claim.
func TestDecodeNamesThePrivateClaimThatIsWrong(t *testing.T) {
	d := newDecoder[privateClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	for claim, value := range map[string]string{"string": "1", "int8": "128", "strings": `"a"`, "upper": `"REFUSED"`, "inner": "[]", "time": `"noon"`} {
		token := signHS256(goodPayload().with(claim, value))
		checkDecode(t, d, token, usher.ErrTokenClaims)
		if _, err := d.Decode(t.Context(), token); err == nil || !strings.Contains(err.Error(), claim) {
			t.Errorf("%v does not name %s", err, claim)
		}
	}
	for claim, value := range map[string]string{
		"inner": `{"a":1,"a":1}`, "any": `{"a":1,"a":1}`, "raw": `{"a":1,"a":1}`, "map": `{"a":1,"a":1}`, "inners": `[{"b":"","b":""}]`,
		"int_map": `{"1":"","1":""}`, "string": `{"a":1,"a":1}`,
	} {
		checkDecode(t, d, signHS256(goodPayload().with(claim, value)), usher.ErrTokenMalformed)
	}
}

// foreignOptions has tag options that encoding/json does not know, though other libraries may.
type foreignOptions struct {
	Inline  map[string]int `json:"inline,inline"`
	Unknown map[string]int `json:"unknown,unknown"`
	Format  time.Time      `json:"format,format:unix"`
	Base    []byte         `json:"base,format:hex"`
	Fold    string         `json:"fold,case:ignore"`
	Fold2   testInner      `json:"fold2,nocase"`
	Embed   testInner      `json:"embed,embed"`
}

// noOptions is the same without: encoding/json of Go 1.27 refuses some of them.
type noOptions struct {
	Inline  map[string]int `json:"inline"`
	Unknown map[string]int `json:"unknown"`
	Format  time.Time      `json:"format"`
	Base    []byte         `json:"base"`
	Fold    string         `json:"fold"`
	Fold2   testInner      `json:"fold2"`
	Embed   testInner      `json:"embed"`
}

type foreignClaims struct {
	usher.Claims
	foreignOptions
}

func TestPrivateClaimsIgnoreForeignTagOptions(t *testing.T) {
	e := newEncoder[foreignClaims](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{})
	d := newDecoder[foreignClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	inner := testInner{A: 1, B: "b"}
	private := foreignOptions{
		Inline: map[string]int{"i": 1}, Unknown: map[string]int{"u": 1}, Format: testNow, Base: []byte{1, 2}, Fold: "f", Fold2: inner, Embed: inner,
	}
	want := testRaw(t, string(usher.Must(json.Marshal(noOptions(private)))))
	token, err := e.Encode(t.Context(), foreignClaims{usher.Claims{Subject: "42"}, private})
	if err != nil {
		t.Fatal(err)
	}
	_, payload := openToken(t, token)
	got := testRaw(t, payload)
	for name := range want {
		if g, w := testSame(t, got[name]), testSame(t, want[name]); g != w {
			t.Errorf("%s: %s, want %s", name, got[name], want[name])
		}
	}
	if c := checkDecode(t, d, token, nil); c != nil && !reflect.DeepEqual(c.foreignOptions, private) {
		t.Errorf("%+v, want %+v", c.foreignOptions, private)
	}
	c := checkDecode(t, d, signHS256(goodPayload().with("FOLD", `"x"`).with("fold2", `{"B":"x"}`).with("FOLD2", "1")), nil)
	if c != nil && (c.Fold != "" || c.Fold2.B != "") { // names match exactly whatever the tag says
		t.Errorf("%+v", c.foreignOptions)
	}
}
