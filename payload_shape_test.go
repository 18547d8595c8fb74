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

type tokBase struct {
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

type tokMarshalsItself struct{ usher.Claims }

func (tokMarshalsItself) MarshalJSON() ([]byte, error) { return []byte(`{}`), nil }

type tokUnmarshalsItself struct{ usher.Claims }

func (*tokUnmarshalsItself) UnmarshalJSON([]byte) error { return nil }

type tokTextItself struct{ usher.Claims }

func (*tokTextItself) UnmarshalText([]byte) error { return nil }

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

type tokHidden struct {
	Name string `json:"name"`
}

// tokShape checks what both constructors say about a claims type: with no texts that it is fine, else that it is
// a mistake of the type, with these texts.
func tokShape[C any, P usher.EmbedsClaims[C]](t *testing.T, name string, texts ...string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		key := tokHMAC(t, tokSecret, "")
		e, err1 := usher.NewEncoder[C, P](key, &usher.EncoderOptions{Now: tokClock})
		d, err2 := usher.NewDecoder[C, P](key, &usher.DecoderOptions{Now: tokClock, CacheSize: 2})
		if len(texts) > 0 {
			if e != nil || d != nil {
				t.Error("there is an encoder or decoder")
			}
			for _, err := range []error{err1, err2} {
				if len(tokConfigErrors(t, err)) == 0 {
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
			back := tokCheckDecode(t, d, token, nil)
			if back == nil || e.Fill(back).Subject != "42" || !e.Fill(back).ExpiresAt.Equal(tokNow.Add(15*time.Minute)) {
				t.Errorf("%+v", back)
			}
		}
		tokCheckDecode(t, d, tokHS256(tokPayload().with("exp", tokSeconds(-1))), usher.ErrTokenExpired)
		tokCheckDecode(t, d, tokHS256(tokPayload().with("sub", "")), usher.ErrTokenClaims)
	})
}

func TestClaimsTypesEmbedClaimsByValueUntaggedAndOnce(t *testing.T) {
	type named struct {
		usher.Claims
		tokHidden
	}
	type alias = usher.Claims
	tokShape[usher.Claims](t, "Claims themselves")
	tokShape[struct{ usher.Claims }](t, "embedded")
	tokShape[struct{ alias }](t, "embedded under another name")
	tokShape[struct {
		Role string
		usher.Claims
	}](t, "embedded last")
	tokShape[struct{ TokBase }](t, "through a struct")
	tokShape[struct{ tokBase }](t, "through an unexported struct")
	tokShape[named](t, "beside another struct")
	tokShape[TokDeep](t, "through a struct, which is embedded directly")

	tokShape[struct{ *usher.Claims }](t, "by pointer", "embed", "by value")
	tokShape[struct {
		usher.Claims `json:"claims"`
	}](t, "with a name", "tag")
	tokShape[struct {
		usher.Claims `json:"-"`
	}](t, "with a dash", "tag")
	tokShape[struct {
		usher.Claims `json:",omitempty"`
	}](t, "with an option", "tag")
	tokShape[struct {
		usher.Claims `json:""`
	}](t, "with an empty tag", "tag")
	tokShape[struct{ *TokBase }](t, "through a pointer to a struct", "by value")
	tokShape[struct {
		TokBase `json:"base"`
	}](t, "through a struct with a name", "embed")
	tokShape[struct {
		TokBase `json:"-"`
	}](t, "through a struct with a dash", "embed")
	tokShape[struct{ TokDeep }](t, "through two structs", "embed")
	tokShape[struct {
		usher.Claims
		TokBase
	}](t, "twice, one deeper", "once")
	tokShape[struct {
		usher.Claims
		*TokBase
	}](t, "twice, one by pointer", "once")
}

func TestClaimsTypesHaveNoFieldsForTheClaimsThatAreChecked(t *testing.T) {
	tokShape[struct {
		usher.Claims
		X string `json:"iss"`
	}](t, "iss", "iss")
	tokShape[struct {
		usher.Claims
		X string `json:"sub,omitempty"`
	}](t, "sub", "sub")
	tokShape[struct {
		usher.Claims
		X []string `json:"aud"`
	}](t, "aud", "aud")
	tokShape[struct {
		usher.Claims
		X int `json:"exp"`
	}](t, "exp", "exp")
	tokShape[struct {
		X int `json:"nbf"`
		usher.Claims
	}](t, "nbf", "nbf")
	tokShape[struct {
		usher.Claims
		X *int `json:"iat"`
	}](t, "iat", "iat")
	tokShape[struct {
		usher.Claims
		TokDeepExpiry
	}](t, "exp so deep that encoding/json would not see it", "exp")
	tokShape[struct {
		usher.Claims
		*TokExpiry
	}](t, "exp in an embedded pointer", "exp")
	tokShape[struct {
		TokBase
		X string `json:"sub"`
	}](t, "sub beside a struct that embeds Claims", "sub")
	tokShape[struct {
		usher.Claims
		A string `json:"iss"`
		B string `json:"sub"`
	}](t, "two", "iss", "sub")

	tokShape[struct {
		usher.Claims
		Exp int // whose name is another: names match exactly
		SUB string
	}](t, "names in another case")
	tokShape[struct {
		usher.Claims
		Nested struct {
			Exp int `json:"exp"`
		} `json:"nested"`
	}](t, "exp in an object of its own")
	tokShape[struct {
		usher.Claims
		Subject string // hides the field of Claims to Go, but its name is "Subject"
	}](t, "a Go field of the same name")
}

func TestClaimsTypesHaveNoCodecs(t *testing.T) {
	tokShape[tokMarshalsItself](t, "MarshalJSON", "MarshalJSON")
	tokShape[tokUnmarshalsItself](t, "UnmarshalJSON", "UnmarshalJSON")
	tokShape[tokTextItself](t, "UnmarshalText", "UnmarshalText")
	tokShape[struct {
		usher.Claims
		TokMarshals
	}](t, "MarshalJSON promoted", "MarshalJSON")
	tokShape[struct {
		usher.Claims
		*TokMarshals
	}](t, "MarshalJSON promoted from a pointer", "MarshalJSON")
	tokShape[struct {
		usher.Claims
		TokUnmarshals
	}](t, "UnmarshalJSON promoted", "UnmarshalJSON")
	tokShape[struct {
		usher.Claims
		TokTextMarshals
	}](t, "MarshalText promoted", "MarshalText")
	tokShape[struct {
		usher.Claims
		TokTextUnmarshals
	}](t, "UnmarshalText promoted", "UnmarshalText")
	tokShape[struct {
		usher.Claims
		TokTextAppends
	}](t, "AppendText promoted", "AppendText")
	tokShape[struct {
		usher.Claims
		json.Marshaler
	}](t, "an interface embedded", "MarshalJSON")
	tokShape[struct {
		usher.Claims
		time.Time
	}](t, "a time embedded", "JSON")
	tokShape[struct {
		usher.Claims
		usher.NumericDate
	}](t, "a NumericDate embedded", "JSON")
	tokShape[struct {
		usher.Claims
		TokMarshals `json:"-"`
	}](t, "promoted from a field that JSON does not see", "MarshalJSON")
	tokShape[struct {
		usher.Claims
		A TokMarshals   `json:"a"`
		B TokUnmarshals `json:"b"`
		T time.Time     `json:"t"`
		N usher.NumericDate
	}](t, "types of fields have codecs")
}

// tokScopes is how some providers write scope: as an array.
type tokScopes struct {
	usher.Claims
	Scopes  []string `json:"scope"`
	Session int      `json:"sid"`
	Login   string   `json:"auth_time,omitempty"`
}

func (c *tokScopes) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

func TestClaimsTypesMayReadScopeJTISIDAndAuthTimeThemselves(t *testing.T) {
	d := tokDecoder[tokScopes](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{})
	c := tokCheckDecode(t, d, tokHS256(tokPayload().with("scope", `["read","write"]`).with("sid", "7").with("auth_time", `"noon"`)), nil)
	if c == nil || fmt.Sprint(c.Scopes) != "[read write]" || c.Session != 7 || c.Login != "noon" ||
		c.Scope != "" || c.SessionID != "" || !c.AuthTime.IsZero() {
		t.Errorf("%+v", c)
	}
	for _, wrong := range []tokObject{tokPayload().with("scope", `"read"`), tokPayload().with("sid", `"7"`), tokPayload().with("auth_time", "1")} {
		tokCheckDecode(t, d, tokHS256(wrong), usher.ErrTokenClaims)
	}
	e := tokEncoder[tokScopes](t, tokHMAC(t, tokSecret, ""), usher.EncoderOptions{})
	claims := tokScopes{Scopes: []string{"a"}, Session: 1, Login: "noon", Claims: usher.Claims{
		Subject: "42", Scope: "b", SessionID: "2", AuthTime: usher.NewNumericDate(tokNow),
	}}
	_, payload := tokOpen(t, usher.Must(e.Encode(t.Context(), claims)))
	members := tokMembers(t, payload)
	delete(members, "exp")
	delete(members, "iat")
	delete(members, "jti")
	if got := fmt.Sprint(members); got != "map[auth_time:noon scope:[a] sid:1 sub:42]" {
		t.Errorf("payload %s", payload)
	}
	tokCheckDecode(t, d, usher.Must(e.Encode(t.Context(), claims)), nil)
	tokShape[tokScopes](t, "shape")
}

func TestClaimsTypesThatJSONCouldNotWriteAreMistakes(t *testing.T) {
	tokShape[struct {
		usher.Claims
		*TokOne
		*TokOther
	}](t, "two fields of one name", `"x"`)
	tokShape[struct {
		usher.Claims
		*tokHidden
	}](t, "a pointer to an unexported struct", "tokHidden")
	tokShape[struct {
		usher.Claims
		*TokSession
	}](t, "a field as deep as Claims' own", `"sid"`)
	tokShape[struct {
		*TokOne
		usher.Claims
	}](t, "a pointer before Claims", "pointer *usher_test.TokOne")
	tokShape[struct {
		usher.Claims
		X string `json:"a\"b"`
	}](t, "a name that is none", "json")
	tokShape[struct {
		usher.Claims
		X chan int `json:"x"`
	}](t, "a channel", "chan int")
	tokShape[struct {
		usher.Claims
		X map[string][]struct{ F func() } `json:"x"`
	}](t, "a function deep down", "func()")
	tokShape[struct {
		usher.Claims
		X chan int `json:"-"`
	}](t, "a channel that JSON does not see")
	tokShape[struct {
		usher.Claims
		X struct {
			c chan int
			F func() `json:"-"`
		} `json:"x"`
	}](t, "what JSON does not see deep down")
	tokShape[struct {
		usher.Claims
		A string `json:"x"`
		X string
		tokHidden
		Name string `json:"name"` // hides the deeper one
	}](t, "names hidden by others")
	tokShape[struct {
		usher.Claims
		TokNode
	}](t, "a struct that embeds itself", "pointer *usher_test.TokNode")
	tokShape[struct {
		usher.Claims
		Next *TokNode     `json:"next,omitempty"`
		Any  any          `json:"any,omitempty"`
		Err  fmt.Stringer `json:"stringer,omitempty"`
	}](t, "recursive types and interfaces")
}

// tokHides checks that a payload is read, and written again, as encoding/json does.
func tokHides[C any, P usher.EmbedsClaims[C]](t *testing.T, name string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		key := tokHMAC(t, tokSecret, "")
		payload := tokPayload().with("Name", `"one"`).with("x", `"two"`).with("sid", `"three"`).with("jti", `"four"`).String()
		var want C
		if err := json.Unmarshal([]byte(payload), &want); err != nil {
			t.Fatal(err)
		}
		got := tokCheckDecode(t, tokDecoder[C, P](t, key, usher.DecoderOptions{}), tokHS256(tokText(payload)), nil)
		if a, b := usher.Must(json.Marshal(got)), usher.Must(json.Marshal(want)); got == nil || !bytes.Equal(a, b) {
			t.Errorf("read as %s, want %s", a, b)
		}
		e := tokEncoder[C, P](t, key, usher.EncoderOptions{})
		e.Fill(&want)
		_, payload = tokOpen(t, usher.Must(e.Encode(t.Context(), want)))
		var back C
		if err := json.Unmarshal([]byte(payload), &back); err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("written as %s, %v", payload, err)
		}
	})
}

func TestClaimsTypesHideFieldsAsInEncodingJSON(t *testing.T) {
	tokHides[struct {
		usher.Claims
		TokUntagged
		TokTagged
	}](t, "a tag hides none")
	tokHides[struct {
		usher.Claims
		TokTagged
		TokUntagged
	}](t, "a tag hides none, in another order")
	tokHides[struct {
		usher.Claims
		Name string
		TokTagged
	}](t, "an outer field hides a tag")
	tokHides[struct {
		usher.Claims
		TokUntagged
		Name string
	}](t, "an outer field hides another")
	tokHides[struct {
		usher.Claims
		TokDeepSession
	}](t, "Claims' own hide what is deeper")
	tokHides[struct {
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
	d := tokDecoder[claims](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{})
	payload := tokPayload().with("Subject", `"root"`).with("EXP", "1").with("Sub", `"root"`).with("SUB", `"root"`).with("Exp", "9999999999")
	c := tokCheckDecode(t, d, tokHS256(payload), nil)
	if c == nil || c.Claims.Subject != "42" || c.Subject != "root" || c.Sub != "root" || c.EXP != 1 || !c.ExpiresAt.Equal(tokNow.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
	tokCheckDecode(t, d, tokHS256(payload.with("exp", "1")), usher.ErrTokenExpired)
	tokCheckDecode(t, d, tokHS256(payload.with("sub", "")), usher.ErrTokenClaims)
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
	tokValidOldBool struct{}
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
func (*tokValidOldBool) Valid() bool               { return true }
func (TokValidOwnDeep) Validate() error            { return nil }

// Claims types that declare a check of their own.
type (
	tokOwnValidate struct{ usher.Claims }
	tokOwnPtr      struct{ usher.Claims }
	tokOwnOverBoth struct {
		usher.Claims
		TokValidBoth
	}
	tokOwnOverIface struct {
		usher.Claims
		TokValidIface `json:"-"`
	}
	tokOwnCtx  struct{ usher.Claims }
	tokOwnBool struct {
		usher.Claims
		TokValidA
	}
	tokOwnArgs      struct{ usher.Claims }
	tokOwnOld       struct{ usher.Claims }
	tokOwnValidBool struct{ usher.Claims }
	tokOwnAndOld    struct {
		usher.Claims
		TokValidOld
	}
)

func (tokOwnValidate) Validate() error           { return nil }
func (*tokOwnPtr) Validate() error               { return nil }
func (c *tokOwnOverBoth) Validate() error        { return c.TokValidA.Validate() }
func (tokOwnOverIface) Validate() error          { return nil }
func (tokOwnCtx) Validate(context.Context) error { return nil }
func (*tokOwnBool) Validate() bool               { return true }
func (tokOwnArgs) Validate(...string) error      { return nil }
func (*tokOwnOld) Valid() error                  { return nil }
func (tokOwnValidBool) Valid() bool              { return true }
func (tokOwnAndOld) Validate() error             { return nil }

func TestClaimsTypesHaveNoChecksThatWouldNotRun(t *testing.T) {
	tokShape[tokOwnValidate](t, "one of its own")
	tokShape[tokOwnPtr](t, "one of its own, by pointer")
	tokShape[tokOwnOverBoth](t, "one of its own over two that are ambiguous")
	tokShape[tokOwnOverIface](t, "one of its own over an interface")
	tokShape[tokOwnAndOld](t, "one of its own, and Valid in an embedded type")
	tokShape[struct {
		usher.Claims
		TokValidA
	}](t, "one that is promoted")
	tokShape[struct {
		usher.Claims
		TokValidPtr
	}](t, "one that is promoted, of a pointer")
	tokShape[struct {
		usher.Claims
		TokValidDeep
	}](t, "one that is promoted from deep down")
	tokShape[struct {
		usher.Claims
		Valid bool `json:"valid"`
	}](t, "a field named Valid")
	tokShape[struct {
		usher.Claims
		Checked TokValidBoth `json:"checked"`
	}](t, "those of a field, which is not embedded")

	tokShape[tokOwnCtx](t, "with a context", "func() error")
	tokShape[tokOwnBool](t, "with another result", "func() error")
	tokShape[tokOwnArgs](t, "with optional arguments", "func() error")
	tokShape[tokOwnOld](t, "Valid", "a method Valid in")
	tokShape[tokOwnValidBool](t, "Valid with another result", "a method Valid in")
	tokShape[struct {
		usher.Claims
		TokValidOldCtx
	}](t, "Valid promoted, with a context", "a method Valid in")
	tokShape[struct {
		usher.Claims
		tokValidOldBool
	}](t, "Valid promoted from an unexported type", "a method Valid in")
	tokShape[struct {
		usher.Claims
		TokValidCtx
	}](t, "promoted with a context", "func() error")
	tokShape[struct {
		usher.Claims
		TokValidBool
	}](t, "promoted with another result", "func() error")
	tokShape[struct {
		usher.Claims
		TokValidOld
	}](t, "Valid promoted", "a method Valid in")
	tokShape[struct {
		usher.Claims
		TokValidA
		TokValidB
	}](t, "two that are ambiguous", "TokValidA and", "TokValidB")
	tokShape[struct {
		usher.Claims
		TokValidA
		TokValidPtr
	}](t, "two that are ambiguous, one of a pointer", "TokValidA and", "TokValidPtr")
	tokShape[struct {
		usher.Claims
		TokValidBoth
	}](t, "two that are ambiguous deep down", "TokValidA and", "TokValidB")
	tokShape[struct {
		usher.Claims
		TokValidA
		TokValidDeep
	}](t, "one that hides a deeper one", "TokValidA and", "TokValidB")
	tokShape[struct {
		usher.Claims
		TokValidOwnDeep
	}](t, "one that hides the one of a type that it embeds", "TokValidOwnDeep and", "TokValidA")
	tokShape[struct {
		usher.Claims
		Validate string `json:"validate"`
		TokValidA
	}](t, "a field that hides one", "field named Validate")
	tokShape[struct {
		usher.Claims
		TokValidFunc
	}](t, "a field of an embedded struct", "field named Validate")
	tokShape[struct {
		usher.Claims
		TokValidIface `json:"-"`
	}](t, "an embedded interface", "may be nil")
	tokShape[struct {
		usher.Claims
		*TokValidA
	}](t, "an embedded pointer", "pointer *usher_test.TokValidA", "may be nil")
	tokShape[struct {
		usher.Claims
		role string `json:"role"` //nolint:govet // the tag is the case
	}](t, "an unexported field with a tag", "unexported field role")
}

// Types that hide Claims' HasScope.
type (
	TokScopeList struct {
		List []string `json:"scope"`
	}
	TokScopeMethod struct{ M string }
	TokScopeWhole  struct {
		List []string `json:"scope"`
	}
	TokScopeIface interface{ HasScope(scope string) bool }
	tokScopeMany  struct{ usher.Claims }
	tokScopeOuter struct {
		TokBase
		TokScopeList
	}
	TokScopeInside struct {
		usher.Claims
		List []string `json:"scope"`
	}
	tokScopeThrough struct{ TokScopeInside }
)

func (TokScopeMethod) HasScope(string) bool  { return true }
func (TokScopeWhole) HasScope(string) bool   { return true }
func (tokScopeMany) HasScope(...string) bool { return true }
func (tokScopeOuter) HasScope(string) bool   { return true }
func (*TokScopeInside) HasScope(string) bool { return true }

func TestClaimsTypesAnswerForTheScopeThatTheyRead(t *testing.T) {
	tokShape[tokScopeOuter](t, "around the struct that has the field")
	tokShape[tokScopeThrough](t, "in the struct that has the field")
	tokShape[struct {
		usher.Claims
		Scopes []string `json:"scope"`
	}](t, "none but Claims' own", "HasScope")
	tokShape[struct {
		TokBase
		TokScopeMethod
		List []string `json:"scope"`
	}](t, "one that does not know the field", "HasScope")
	tokShape[struct {
		TokBase
		TokScopeMethod
		TokScopeList
	}](t, "one beside the struct that has the field", "HasScope")
	tokShape[struct {
		usher.Claims
		TokScopeWhole //nolint:govet // the repetition is the case
	}](t, "one as deep as Claims' own", "hides")
	tokShape[tokScopeMany](t, "another signature", "hides")
	tokShape[struct {
		usher.Claims
		HasScope bool
	}](t, "a field of that name", "hides")
	tokShape[struct {
		TokBase
		TokScopeIface `json:"-"`
	}](t, "an interface", "may be nil")
}

func TestEncodersWriteTheirOwnIDs(t *testing.T) {
	type claims struct {
		usher.Claims
		Number int `json:"jti"`
	}
	_, err := usher.NewEncoder[claims](tokHMAC(t, tokSecret, ""), nil)
	tokWantConfig(t, err, "claims type usher_test.claims", "jti", "Claims.ID")
	d := tokDecoder[claims](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{})
	if c := tokCheckDecode(t, d, tokHS256(tokPayload().with("jti", "7")), nil); c != nil && c.Number != 7 {
		t.Errorf("%+v", c)
	}
}
