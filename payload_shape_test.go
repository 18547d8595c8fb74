package usher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// TokBase is embedded, and itself embeds Claims.
type TokBase struct {
	usher.Claims
	Tenant string `json:"tenant"`
}

type testBase struct {
	usher.Claims
	Tenant string `json:"tenant"`
}

type TokDeep struct{ TokBase }

// Types with codecs of their own, by value and by pointer.
type (
	TokMarshals       struct{}
	TokUnmarshals     struct{}
	TokTextMarshals   struct{}
	TokTextUnmarshals struct{}
	TokTextAppends    struct{}
)

func (TokMarshals) MarshalJSON() ([]byte, error)           { return []byte(`{}`), nil }
func (*TokUnmarshals) UnmarshalJSON([]byte) error          { return nil }
func (TokTextMarshals) MarshalText() ([]byte, error)       { return nil, nil }
func (*TokTextUnmarshals) UnmarshalText([]byte) error      { return nil }
func (TokTextAppends) AppendText(b []byte) ([]byte, error) { return b, nil }

type marshalsItself struct{ usher.Claims }

func (marshalsItself) MarshalJSON() ([]byte, error) { return []byte(`{}`), nil }

type unmarshalsItself struct{ usher.Claims }

func (*unmarshalsItself) UnmarshalJSON([]byte) error { return nil }

type textItself struct{ usher.Claims }

func (*textItself) UnmarshalText([]byte) error { return nil }

// TokExpiry has a claim that is usher's to check.
type TokExpiry struct {
	Expiry int64 `json:"exp"`
}

type TokDeepExpiry struct{ TokExpiry }

// Two structs with a field of the same name.
type (
	TokOne struct {
		A string `json:"x"`
	}
	TokOther struct {
		B string `json:"x"`
	}
)

// Structs with fields that hide each other, and one of Claims' own.
type (
	TokTagged struct {
		Tagged string `json:"Name"`
	}
	TokUntagged struct{ Name string }
	TokSession  struct {
		Session string `json:"sid"`
	}
	TokDeepSession struct{ TokSession }
)

type TokNode struct {
	*TokNode
	Name string `json:"name"`
}

type testHidden struct {
	Name string `json:"name"`
}

// checkShape checks what both constructors say about a claims type: with no texts that it is fine, else that it is
// a mistake of the type, with these texts.
func checkShape[C any, P usher.EmbedsClaims[C]](t *testing.T, name string, texts ...string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		key := hmacKey(t, testSecret, "")
		e, err1 := usher.NewEncoder[C, P](key, &usher.EncoderOptions{Now: testClock})
		d, err2 := usher.NewDecoder[C, P](key, &usher.DecoderOptions{Now: testClock, CacheSize: 2})
		if len(texts) > 0 {
			if e != nil || d != nil {
				t.Error("there is an encoder or decoder")
			}
			for _, err := range []error{err1, err2} {
				if len(configErrors(t, err)) == 0 {
					t.Error("no ConfigError")
					continue
				}
				var mistake usher.ConfigError
				if !errors.As(err, &mistake) || !strings.Contains(mistake.Field, fmt.Sprintf("%T", *new(C))) {
					t.Errorf("%v does not name the type", err)
				}
				for _, text := range texts {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("%v does not say %q", err, text)
					}
				}
			}
			return
		}
		if err1 != nil || err2 != nil {
			t.Fatalf("NewEncoder: %v\nNewDecoder: %v", err1, err2)
		}
		var c C
		e.Fill(&c).Subject = "42"
		token, err := e.Encode(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			back := checkDecode(t, d, token, nil)
			if back == nil || e.Fill(back).Subject != "42" || !e.Fill(back).ExpiresAt.Equal(testNow.Add(15*time.Minute)) {
				t.Errorf("%+v", back)
			}
		}
		checkDecode(t, d, signHS256(goodPayload().with("exp", secondsFromNow(-1))), usher.ErrTokenExpired)
		checkDecode(t, d, signHS256(goodPayload().with("sub", "")), usher.ErrTokenClaims)
	})
}

func TestClaimsTypesEmbedClaimsByValueUntaggedAndOnce(t *testing.T) {
	type named struct {
		usher.Claims
		testHidden
	}
	type alias = usher.Claims
	checkShape[usher.Claims](t, "Claims themselves")
	checkShape[struct{ usher.Claims }](t, "embedded")
	checkShape[struct{ alias }](t, "embedded under another name")
	checkShape[struct {
		Role string
		usher.Claims
	}](t, "embedded last")
	checkShape[struct{ TokBase }](t, "through a struct")
	checkShape[struct{ testBase }](t, "through an unexported struct")
	checkShape[named](t, "beside another struct")
	checkShape[TokDeep](t, "through a struct, which is embedded directly")

	checkShape[struct{ *usher.Claims }](t, "by pointer", "embed", "by value")
	checkShape[struct {
		usher.Claims `json:"claims"`
	}](t, "with a name", "tag")
	checkShape[struct {
		usher.Claims `json:"-"`
	}](t, "with a dash", "tag")
	checkShape[struct {
		usher.Claims `json:",omitempty"`
	}](t, "with an option", "tag")
	checkShape[struct {
		usher.Claims `json:""`
	}](t, "with an empty tag", "tag")
	checkShape[struct{ *TokBase }](t, "through a pointer to a struct", "by value")
	checkShape[struct {
		TokBase `json:"base"`
	}](t, "through a struct with a name", "embed")
	checkShape[struct {
		TokBase `json:"-"`
	}](t, "through a struct with a dash", "embed")
	checkShape[struct{ TokDeep }](t, "through two structs", "embed")
	checkShape[struct {
		usher.Claims
		TokBase
	}](t, "twice, one deeper", "once")
	checkShape[struct {
		usher.Claims
		*TokBase
	}](t, "twice, one by pointer", "once")
}

func TestClaimsTypesHaveNoFieldsForTheClaimsThatAreChecked(t *testing.T) {
	checkShape[struct {
		usher.Claims
		X string `json:"iss"`
	}](t, "iss", "iss")
	checkShape[struct {
		usher.Claims
		X string `json:"sub,omitempty"`
	}](t, "sub", "sub")
	checkShape[struct {
		usher.Claims
		X []string `json:"aud"`
	}](t, "aud", "aud")
	checkShape[struct {
		usher.Claims
		X int `json:"exp"`
	}](t, "exp", "exp")
	checkShape[struct {
		X int `json:"nbf"`
		usher.Claims
	}](t, "nbf", "nbf")
	checkShape[struct {
		usher.Claims
		X *int `json:"iat"`
	}](t, "iat", "iat")
	checkShape[struct {
		usher.Claims
		TokDeepExpiry
	}](t, "exp so deep that encoding/json would not see it", "exp")
	checkShape[struct {
		usher.Claims
		*TokExpiry
	}](t, "exp in an embedded pointer", "exp")
	checkShape[struct {
		TokBase
		X string `json:"sub"`
	}](t, "sub beside a struct that embeds Claims", "sub")
	checkShape[struct {
		usher.Claims
		A string `json:"iss"`
		B string `json:"sub"`
	}](t, "two", "iss", "sub")

	checkShape[struct {
		usher.Claims
		Exp int // whose name is another: names match exactly
		SUB string
	}](t, "names in another case")
	checkShape[struct {
		usher.Claims
		Nested struct {
			Exp int `json:"exp"`
		} `json:"nested"`
	}](t, "exp in an object of its own")
	checkShape[struct {
		usher.Claims
		Subject string // hides the field of Claims to Go, but its name is "Subject"
	}](t, "a Go field of the same name")
}

func TestClaimsTypesHaveNoCodecs(t *testing.T) {
	checkShape[marshalsItself](t, "MarshalJSON", "MarshalJSON")
	checkShape[unmarshalsItself](t, "UnmarshalJSON", "UnmarshalJSON")
	checkShape[textItself](t, "UnmarshalText", "UnmarshalText")
	checkShape[struct {
		usher.Claims
		TokMarshals
	}](t, "MarshalJSON promoted", "MarshalJSON")
	checkShape[struct {
		usher.Claims
		*TokMarshals
	}](t, "MarshalJSON promoted from a pointer", "MarshalJSON")
	checkShape[struct {
		usher.Claims
		TokUnmarshals
	}](t, "UnmarshalJSON promoted", "UnmarshalJSON")
	checkShape[struct {
		usher.Claims
		TokTextMarshals
	}](t, "MarshalText promoted", "MarshalText")
	checkShape[struct {
		usher.Claims
		TokTextUnmarshals
	}](t, "UnmarshalText promoted", "UnmarshalText")
	checkShape[struct {
		usher.Claims
		TokTextAppends
	}](t, "AppendText promoted", "AppendText")
	checkShape[struct {
		usher.Claims
		json.Marshaler
	}](t, "an interface embedded", "MarshalJSON")
	checkShape[struct {
		usher.Claims
		time.Time
	}](t, "a time embedded", "JSON")
	checkShape[struct {
		usher.Claims
		usher.NumericDate
	}](t, "a NumericDate embedded", "JSON")
	checkShape[struct {
		usher.Claims
		TokMarshals `json:"-"`
	}](t, "promoted from a field that JSON does not see", "MarshalJSON")
	checkShape[struct {
		usher.Claims
		A TokMarshals   `json:"a"`
		B TokUnmarshals `json:"b"`
		T time.Time     `json:"t"`
		N usher.NumericDate
	}](t, "types of fields have codecs")
}

// testScopes is how some providers write scope: as an array.
type testScopes struct {
	usher.Claims
	Scopes  []string `json:"scope"`
	Session int      `json:"sid"`
	Login   string   `json:"auth_time,omitempty"`
}

func (c *testScopes) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

func TestClaimsTypesMayReadScopeJTISIDAndAuthTimeThemselves(t *testing.T) {
	d := newDecoder[testScopes](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	c := checkDecode(t, d, signHS256(goodPayload().with("scope", `["read","write"]`).with("sid", "7").with("auth_time", `"noon"`)), nil)
	if c == nil || fmt.Sprint(c.Scopes) != "[read write]" || c.Session != 7 || c.Login != "noon" ||
		c.Scope != "" || c.SessionID != "" || !c.AuthTime.IsZero() {
		t.Errorf("%+v", c)
	}
	for _, wrong := range []jsonObject{goodPayload().with("scope", `"read"`), goodPayload().with("sid", `"7"`), goodPayload().with("auth_time", "1")} {
		checkDecode(t, d, signHS256(wrong), usher.ErrTokenClaims)
	}
	e := newEncoder[testScopes](t, hmacKey(t, testSecret, ""), usher.EncoderOptions{})
	claims := testScopes{Scopes: []string{"a"}, Session: 1, Login: "noon", Claims: usher.Claims{
		Subject: "42", Scope: "b", SessionID: "2", AuthTime: usher.NewNumericDate(testNow),
	}}
	_, payload := openToken(t, usher.Must(e.Encode(t.Context(), claims)))
	members := membersOf(t, payload)
	delete(members, "exp")
	delete(members, "iat")
	delete(members, "jti")
	if got := fmt.Sprint(members); got != "map[auth_time:noon scope:[a] sid:1 sub:42]" {
		t.Errorf("payload %s", payload)
	}
	checkDecode(t, d, usher.Must(e.Encode(t.Context(), claims)), nil)
	checkShape[testScopes](t, "shape")
}

func TestClaimsTypesThatJSONCouldNotWriteAreMistakes(t *testing.T) {
	checkShape[struct {
		usher.Claims
		*TokOne
		*TokOther
	}](t, "two fields of one name", `"x"`)
	checkShape[struct {
		usher.Claims
		*testHidden
	}](t, "a pointer to an unexported struct", "testHidden")
	checkShape[struct {
		usher.Claims
		*TokSession
	}](t, "a field as deep as Claims' own", `"sid"`)
	checkShape[struct {
		*TokOne
		usher.Claims
	}](t, "a pointer before Claims", "pointer *usher_test.TokOne")
	checkShape[struct {
		usher.Claims
		X string `json:"a\"b"`
	}](t, "a name that is none", "json")
	checkShape[struct {
		usher.Claims
		X chan int `json:"x"`
	}](t, "a channel", "chan int")
	checkShape[struct {
		usher.Claims
		X map[string][]struct{ F func() } `json:"x"`
	}](t, "a function deep down", "func()")
	checkShape[struct {
		usher.Claims
		X chan int `json:"-"`
	}](t, "a channel that JSON does not see")
	checkShape[struct {
		usher.Claims
		X struct {
			c chan int
			F func() `json:"-"`
		} `json:"x"`
	}](t, "what JSON does not see deep down")
	checkShape[struct {
		usher.Claims
		A string `json:"x"`
		X string
		testHidden
		Name string `json:"name"` // hides the deeper one
	}](t, "names hidden by others")
	checkShape[struct {
		usher.Claims
		TokNode
	}](t, "a struct that embeds itself", "pointer *usher_test.TokNode")
	checkShape[struct {
		usher.Claims
		Next *TokNode     `json:"next,omitempty"`
		Any  any          `json:"any,omitempty"`
		Err  fmt.Stringer `json:"stringer,omitempty"`
	}](t, "recursive types and interfaces")
}

// testHides checks that a payload is read, and written again, as encoding/json does.
func testHides[C any, P usher.EmbedsClaims[C]](t *testing.T, name string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		key := hmacKey(t, testSecret, "")
		payload := goodPayload().with("Name", `"one"`).with("x", `"two"`).with("sid", `"three"`).with("jti", `"four"`).String()
		var want C
		if err := json.Unmarshal([]byte(payload), &want); err != nil {
			t.Fatal(err)
		}
		got := checkDecode(t, newDecoder[C, P](t, key, usher.DecoderOptions{}), signHS256(jsonText(payload)), nil)
		if a, b := usher.Must(json.Marshal(got)), usher.Must(json.Marshal(want)); got == nil || !bytes.Equal(a, b) {
			t.Errorf("read as %s, want %s", a, b)
		}
		e := newEncoder[C, P](t, key, usher.EncoderOptions{})
		e.Fill(&want)
		_, payload = openToken(t, usher.Must(e.Encode(t.Context(), want)))
		var back C
		if err := json.Unmarshal([]byte(payload), &back); err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("written as %s, %v", payload, err)
		}
	})
}

func TestClaimsTypesHideFieldsAsInEncodingJSON(t *testing.T) {
	testHides[struct {
		usher.Claims
		TokUntagged
		TokTagged
	}](t, "a tag hides none")
	testHides[struct {
		usher.Claims
		TokTagged
		TokUntagged
	}](t, "a tag hides none, in another order")
	testHides[struct {
		usher.Claims
		Name string
		TokTagged
	}](t, "an outer field hides a tag")
	testHides[struct {
		usher.Claims
		TokUntagged
		Name string
	}](t, "an outer field hides another")
	testHides[struct {
		usher.Claims
		TokDeepSession
	}](t, "Claims' own hide what is deeper")
	testHides[struct {
		TokOne
		usher.Claims
	}](t, "a struct before Claims")
}

// Nothing in C can hide an unchecked registered claim: what was checked is what C holds.
func TestClaimsThatAreCheckedAreTheOnesInC(t *testing.T) {
	type claims struct {
		usher.Claims
		Subject string
		EXP     int64
		Sub     string
	}
	d := newDecoder[claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	payload := goodPayload().with("Subject", `"root"`).with("EXP", "1").with("Sub", `"root"`).with("SUB", `"root"`).with("Exp", "9999999999")
	c := checkDecode(t, d, signHS256(payload), nil)
	if c == nil || c.Claims.Subject != "42" || c.Subject != "root" || c.Sub != "root" || c.EXP != 1 || !c.ExpiresAt.Equal(testNow.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
	checkDecode(t, d, signHS256(payload.with("exp", "1")), usher.ErrTokenExpired)
	checkDecode(t, d, signHS256(payload.with("sub", "")), usher.ErrTokenClaims)
}

// Types with a Validate, for others to embed.
type (
	TokValidA    struct{ A string }
	TokValidB    struct{ B string }
	TokValidPtr  struct{ P string }
	TokValidCtx  struct{ C string }
	TokValidBool struct{ D string }
	TokValidOld  struct{ O string }
	TokValidFunc struct{ Validate func() error }
	TokValidDeep struct{ TokValidB }
	TokValidBoth struct {
		TokValidA
		TokValidB
	}
	TokValidOldCtx  struct{}
	validOldBool    struct{}
	TokValidIface   interface{ Validate() error }
	TokValidOwnDeep struct{ TokValidA }
)

func (TokValidA) Validate() error                  { return nil }
func (TokValidB) Validate() error                  { return nil }
func (*TokValidPtr) Validate() error               { return nil }
func (TokValidCtx) Validate(context.Context) error { return nil }
func (*TokValidBool) Validate() bool               { return true }
func (TokValidOld) Valid() error                   { return nil }
func (TokValidOldCtx) Valid(context.Context) error { return nil }
func (*validOldBool) Valid() bool                  { return true }
func (TokValidOwnDeep) Validate() error            { return nil }

// Claims types that declare a check of their own.
type (
	ownValidate struct{ usher.Claims }
	ownPtr      struct{ usher.Claims }
	ownOverBoth struct {
		usher.Claims
		TokValidBoth
	}
	ownOverIface struct {
		usher.Claims
		TokValidIface `json:"-"`
	}
	ownCtx  struct{ usher.Claims }
	ownBool struct {
		usher.Claims
		TokValidA
	}
	ownArgs      struct{ usher.Claims }
	ownOld       struct{ usher.Claims }
	ownValidBool struct{ usher.Claims }
	ownAndOld    struct {
		usher.Claims
		TokValidOld
	}
)

func (ownValidate) Validate() error           { return nil }
func (*ownPtr) Validate() error               { return nil }
func (c *ownOverBoth) Validate() error        { return c.TokValidA.Validate() }
func (ownOverIface) Validate() error          { return nil }
func (ownCtx) Validate(context.Context) error { return nil }
func (*ownBool) Validate() bool               { return true }
func (ownArgs) Validate(...string) error      { return nil }
func (*ownOld) Valid() error                  { return nil }
func (ownValidBool) Valid() bool              { return true }
func (ownAndOld) Validate() error             { return nil }

func TestClaimsTypesHaveNoChecksThatWouldNotRun(t *testing.T) {
	checkShape[ownValidate](t, "one of its own")
	checkShape[ownPtr](t, "one of its own, by pointer")
	checkShape[ownOverBoth](t, "one of its own over two that are ambiguous")
	checkShape[ownOverIface](t, "one of its own over an interface")
	checkShape[ownAndOld](t, "one of its own, and Valid in an embedded type")
	checkShape[struct {
		usher.Claims
		TokValidA
	}](t, "one that is promoted")
	checkShape[struct {
		usher.Claims
		TokValidPtr
	}](t, "one that is promoted, of a pointer")
	checkShape[struct {
		usher.Claims
		TokValidDeep
	}](t, "one that is promoted from deep down")
	checkShape[struct {
		usher.Claims
		Valid bool `json:"valid"`
	}](t, "a field named Valid")
	checkShape[struct {
		usher.Claims
		Checked TokValidBoth `json:"checked"`
	}](t, "those of a field, which is not embedded")

	checkShape[ownCtx](t, "with a context", "func() error")
	checkShape[ownBool](t, "with another result", "func() error")
	checkShape[ownArgs](t, "with optional arguments", "func() error")
	checkShape[ownOld](t, "Valid", "a method Valid in")
	checkShape[ownValidBool](t, "Valid with another result", "a method Valid in")
	checkShape[struct {
		usher.Claims
		TokValidOldCtx
	}](t, "Valid promoted, with a context", "a method Valid in")
	checkShape[struct {
		usher.Claims
		validOldBool
	}](t, "Valid promoted from an unexported type", "a method Valid in")
	checkShape[struct {
		usher.Claims
		TokValidCtx
	}](t, "promoted with a context", "func() error")
	checkShape[struct {
		usher.Claims
		TokValidBool
	}](t, "promoted with another result", "func() error")
	checkShape[struct {
		usher.Claims
		TokValidOld
	}](t, "Valid promoted", "a method Valid in")
	checkShape[struct {
		usher.Claims
		TokValidA
		TokValidB
	}](t, "two that are ambiguous", "TokValidA and", "TokValidB")
	checkShape[struct {
		usher.Claims
		TokValidA
		TokValidPtr
	}](t, "two that are ambiguous, one of a pointer", "TokValidA and", "TokValidPtr")
	checkShape[struct {
		usher.Claims
		TokValidBoth
	}](t, "two that are ambiguous deep down", "TokValidA and", "TokValidB")
	checkShape[struct {
		usher.Claims
		TokValidA
		TokValidDeep
	}](t, "one that hides a deeper one", "TokValidA and", "TokValidB")
	checkShape[struct {
		usher.Claims
		TokValidOwnDeep
	}](t, "one that hides the one of a type that it embeds", "TokValidOwnDeep and", "TokValidA")
	checkShape[struct {
		usher.Claims
		Validate string `json:"validate"`
		TokValidA
	}](t, "a field that hides one", "field named Validate")
	checkShape[struct {
		usher.Claims
		TokValidFunc
	}](t, "a field of an embedded struct", "field named Validate")
	checkShape[struct {
		usher.Claims
		TokValidIface `json:"-"`
	}](t, "an embedded interface", "may be nil")
	checkShape[struct {
		usher.Claims
		*TokValidA
	}](t, "an embedded pointer", "pointer *usher_test.TokValidA", "may be nil")
	checkShape[struct {
		usher.Claims
		role string `json:"role"` //nolint:govet // the tag is the case
	}](t, "an unexported field with a tag", "unexported field role")
}

// Types that hide Claims' HasScope.
type (
	TokScopeList struct {
		List []string `json:"scope"`
	}
	TokScopes      []string
	TokScopeMethod struct{ M string }
	TokScopeWhole  struct {
		List []string `json:"scope"`
	}
	TokScopeIface interface{ HasScope(scope string) bool }
	scopeMany     struct{ usher.Claims }
	scopeOuter    struct {
		TokBase
		TokScopeList
	}
	TokScopeInside struct {
		usher.Claims
		List []string `json:"scope"`
	}
	scopeThrough struct{ TokScopeInside }
)

func (TokScopes) HasScope(string) bool       { return true }
func (TokScopeMethod) HasScope(string) bool  { return true }
func (TokScopeWhole) HasScope(string) bool   { return true }
func (scopeMany) HasScope(...string) bool    { return true }
func (scopeOuter) HasScope(string) bool      { return true }
func (*TokScopeInside) HasScope(string) bool { return true }

func TestClaimsTypesAnswerForTheScopeThatTheyRead(t *testing.T) {
	checkShape[scopeOuter](t, "around the struct that has the field")
	checkShape[scopeThrough](t, "in the struct that has the field")
	checkShape[struct {
		TokBase
		TokScopes `json:"scope"`
	}](t, "of the field's own type, which is embedded")
	checkShape[struct {
		usher.Claims
		Scopes []string `json:"scope"`
	}](t, "none but Claims' own", "HasScope")
	checkShape[struct {
		TokBase
		TokScopeMethod
		List []string `json:"scope"`
	}](t, "one that does not know the field", "HasScope")
	checkShape[struct {
		TokBase
		TokScopeMethod
		TokScopeList
	}](t, "one beside the struct that has the field", "HasScope")
	checkShape[struct {
		usher.Claims
		TokScopeWhole //nolint:govet // the repetition is the case
	}](t, "one as deep as Claims' own", "hides")
	checkShape[scopeMany](t, "another signature", "hides")
	checkShape[struct {
		usher.Claims
		HasScope bool
	}](t, "a field of that name", "hides")
	checkShape[struct {
		TokBase
		TokScopeIface `json:"-"`
	}](t, "an interface", "may be nil")
}

func TestEncodersWriteTheirOwnIDs(t *testing.T) {
	type claims struct {
		usher.Claims
		Number int `json:"jti"`
	}
	_, err := usher.NewEncoder[claims](hmacKey(t, testSecret, ""), nil)
	wantConfigError(t, err, "claims type usher_test.claims", "jti", "Claims.ID")
	d := newDecoder[claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{})
	if c := checkDecode(t, d, signHS256(goodPayload().with("jti", "7")), nil); c != nil && c.Number != 7 {
		t.Errorf("%+v", c)
	}
}
