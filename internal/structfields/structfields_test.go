package structfields_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/internal/strictjson"
	"github.com/go-usher/usher/internal/structfields"
)

// Base is what the structs of these tests embed. Its fields are not read or written here.
type Base struct {
	ID    string `json:"id"`
	Extra string `json:"extra"`
}

// Middle embeds Base for others.
type Middle struct {
	Base
	Tenant string `json:"tenant"`
}

type Deep struct{ Middle }

type hidden struct{ *Other }

// Structs with fields of one name.
type (
	Tagged struct {
		Tagged string `json:"Name"`
	}
	Untagged struct{ Name string }
	One      struct {
		A string `json:"x"`
	}
	Other struct {
		B string `json:"x"`
	}
	OtherExtra struct {
		E string `json:"extra"`
	}
	DeepExtra struct{ OtherExtra }
	Channel   struct{ C chan int }
	Whole     int
	OwnID     struct {
		I int `json:"id"`
	}
)

// Types with methods of their own.
type (
	Marshals   struct{}
	Unmarshals struct{}
	Texts      struct{}
)

func (Marshals) MarshalJSON() ([]byte, error)  { return []byte(`{}`), nil }
func (*Unmarshals) UnmarshalJSON([]byte) error { return nil }
func (*Texts) UnmarshalText([]byte) error      { return nil }

func of(v any) (*structfields.Struct, []string) {
	return structfields.Of(reflect.TypeOf(v), reflect.TypeFor[Base](), "id")
}

func TestStructsOfGoodShapeHaveNoMistakes(t *testing.T) {
	for name, v := range map[string]any{
		"base itself": Base{},
		"embedded":    struct{ Base }{},
		"in a struct": struct{ Middle }{},
		"with own field": struct {
			Base
			Name string `json:"name"`
		}{},
		"a shallower field hides a deeper one": struct {
			Base
			Untagged
			Name string
		}{},
		"a tag hides none": struct {
			Base
			Untagged
			Tagged
		}{},
		"a field hides one of base's": struct {
			Base
			Extra string `json:"extra"`
		}{},
		"one of base's hides a deeper one": struct {
			Base
			DeepExtra
		}{},
		"a channel that JSON does not see": struct {
			Base
			C chan int `json:"-"`
			c chan int
		}{},
		"types of fields have methods": struct {
			Base
			A Marshals
			B Unmarshals
			T time.Time
		}{},
	} {
		if _, mistakes := of(v); len(mistakes) > 0 {
			t.Errorf("%s: %q", name, mistakes)
		}
	}
}

func TestMistakesOfShapeAreNamed(t *testing.T) {
	for name, test := range map[string]struct {
		v    any
		want string
	}{
		"not embedded": {struct{ A string }{}, "must embed"},
		"a tag": {struct {
			Base `json:"base"`
		}{}, "must embed"},
		"a pointer": {struct{ *Base }{}, "must embed"},
		"twice": {struct {
			Base
			Middle
		}{}, "must embed"},
		"too deep": {struct{ Deep }{}, "must embed"},
		"a reserved name": {struct {
			Base
			X int `json:"id"`
		}{}, "for id"},
		"a reserved name deep down": {struct {
			Base
			OwnID //nolint:govet // the repetition is the case
		}{}, "for id"},
		"two of one name": {struct {
			Base
			One
			Other //nolint:govet // the repetition is the case
		}{}, `two fields for "x"`},
		"as deep as base's": {struct {
			Base
			OtherExtra //nolint:govet // the repetition is the case
		}{}, `two fields for "extra"`},
		"MarshalJSON promoted": {struct {
			Base
			Marshals
		}{}, "MarshalJSON"},
		"UnmarshalJSON promoted": {struct {
			Base
			Unmarshals `json:"-"`
		}{}, "UnmarshalJSON"},
		"UnmarshalText promoted": {struct {
			Base
			Texts
		}{}, "UnmarshalText"},
		"a name that is none": {struct {
			Base
			X string `json:"a\"b"`
		}{}, "json:"},
		"a channel": {struct {
			Base
			X chan int
		}{}, "chan int"},
		"a function deep down": {struct {
			Base
			X map[string][]struct{ F func() }
		}{}, "func()"},
		"a pointer to a struct": {struct {
			Base
			*One
		}{}, "pointer *structfields_test.One"},
		"a pointer that JSON does not see": {struct {
			Base
			*One `json:"-"`
		}{}, "pointer"},
		"a pointer deep down": {struct {
			Base
			Untagged
			hidden
		}{}, "pointer"},
		"a pointer to a struct with a mistake that JSON does not see": {struct {
			Base
			*Channel `json:"-"`
		}{}, "pointer"},
		"a pointer to a struct with a mistake that has a name": {struct {
			Base
			*Channel `json:"c"`
		}{}, "pointer"},
		"a pointer to a type that is no struct": {struct {
			Base
			*Whole
		}{}, "pointer"},
		"an unexported field with a tag": {struct {
			Base
			role string `json:"role"` //nolint:govet // the tag is the case
		}{}, "unexported field role"},
	} {
		_, mistakes := of(test.v)
		if len(mistakes) != 1 || !strings.Contains(mistakes[0], test.want) {
			t.Errorf("%s: %q, want one that says %s", name, mistakes, test.want)
		}
	}
}

func TestMistakesBehindAnEmbeddedPointerAreReported(t *testing.T) {
	_, mistakes := of(struct {
		Base
		*Channel
	}{})
	if len(mistakes) != 2 || !strings.Contains(mistakes[0], "pointer") || !strings.Contains(mistakes[1], "chan int") {
		t.Errorf("%q", mistakes)
	}
}

func TestTheDominantFieldIsUsed(t *testing.T) {
	for name, test := range map[string]struct {
		v    any
		want []int
	}{
		"the tagged one": {struct {
			Base
			Untagged
			Tagged
		}{}, []int{2, 0}},
		"the less nested one": {struct {
			Base
			Untagged
			Name string
		}{}, []int{2}},
		"the less nested one, even without a tag": {struct {
			Base
			Tagged
			Name string
		}{}, []int{2}},
		"the less nested one of two without a tag": {struct {
			Base
			Nested struct{ Untagged } `json:"-"`
			Untagged
		}{}, []int{2, 0}},
	} {
		s, mistakes := of(test.v)
		if len(mistakes) > 0 || !s.Has("Name") || !slices.Equal(s.Index("Name"), test.want) {
			t.Errorf("%s: %v, want %v; mistakes %q", name, s.Index("Name"), test.want, mistakes)
		}
	}
}

// fussy refuses everything, and says why.
type fussy struct{}

var errFussy = errors.New("not today")

func (*fussy) UnmarshalJSON([]byte) error { return errFussy }

func TestErrorsOfFieldsStayInTheChain(t *testing.T) {
	type claims struct {
		Base
		Fussy  fussy            `json:"fussy"`
		List   []map[string]any `json:"list"`
		Number int              `json:"number"`
	}
	for text, want := range map[string]string{
		`{"fussy":"secret"}`:  "fussy is not a structfields_test.fussy: not today",
		`{"list":["secret"]}`: "list is not a []map[string]interface {}",
		`{"number":"secret"}`: "number is not a int",
	} {
		var v claims
		s, _ := of(v)
		var o strictjson.Object
		o.Open(text)
		name, member, _ := o.Next()
		_, err := s.Read(s.Find(name, 0), reflect.ValueOf(&v).Elem(), &o, member)
		if err == nil || err.Error() != want || errors.Is(err, errFussy) != (name == "fussy") || errors.Unwrap(err) == nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

type level int

func (l *level) UnmarshalJSON(text []byte) error {
	*l = level(len(text))
	return nil
}

// all has a field of every kind.
type all struct {
	Base
	String   string                 `json:"string"`
	Bool     bool                   `json:"bool"`
	Int      int8                   `json:"int"`
	Uint     uint16                 `json:"uint"`
	Float    float32                `json:"float"`
	Strings  []string               `json:"strings"`
	Number   json.Number            `json:"number"`
	Quoted   int                    `json:"quoted,string"`
	Pointer  *int                   `json:"pointer"`
	Map      map[string][]int       `json:"map"`
	Struct   Untagged               `json:"struct"`
	Any      any                    `json:"any"`
	Level    level                  `json:"level"`
	Time     time.Time              `json:"time"`
	Empty    string                 `json:"empty,omitempty"`
	EmptyMap map[string]string      `json:"empty_map,omitempty"`
	Zero     []string               `json:"zero,omitzero"`
	List     []string               `json:"list,omitempty"`
	Numbers  map[string]json.Number `json:"numbers"`
	NoTag    string
}

// read reads text into a T, and reports whether all of it was accepted.
func read[T any](t *testing.T, text string) (T, bool) {
	t.Helper()
	var v T
	s, mistakes := of(v)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	var o strictjson.Object
	o.Open(text)
	next := 0
	for name, member, ok := o.Next(); ok; name, member, ok = o.Next() {
		i := s.Find(name, next)
		if i < 0 {
			continue
		}
		next = i + 1
		if _, err := s.Read(i, reflect.ValueOf(&v).Elem(), &o, member); err != nil {
			if !strings.HasPrefix(err.Error(), name+" is not a") {
				t.Errorf("%s: %v", text, err)
			}
			return v, false
		}
	}
	return v, o.Valid()
}

func TestFieldsAreReadAsEncodingJSONReadsThem(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"string":"a","bool":true,"int":-128,"uint":65535,"float":1.5,"strings":["a","b"],"number":"1.5","quoted":"7","pointer":3}`,
		`{"NoTag":"x","time":"2030-01-02T03:04:05Z","level":[1,2],"any":{"a":[1]},"struct":{"Name":"n"},"map":{"k":[1,2]},"number":1e3}`,
		`{"string":null,"bool":null,"int":null,"strings":null,"number":null,"pointer":null,"map":null,"struct":null,"any":null,"time":null}`,
		`{"strings":[],"empty":"","zero":[],"empty_map":{}}`,
		`{"unknown":{"a":[1,{"b":2}]},"string":"\u00e4\n"}`,
		`{"any":"<&>","float":1e10,"bool":false}`,
		`{"level":5,"numbers":{"a":1.5,"b":-3}}`,
	} {
		got, ok := read[all](t, text)
		var want all
		if err := json.Unmarshal([]byte(text), &want); err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", text, got, ok, want, err)
		}
	}
	for _, text := range []string{
		`{"string":1}`, `{"bool":"true"}`, `{"int":128}`, `{"int":1.5}`, `{"int":"1"}`, `{"uint":-1}`, `{"float":"1"}`, `{"float":1e39}`,
		`{"strings":"a"}`, `{"strings":["a",1]}`, `{"number":"x"}`, `{"number":true}`, `{"quoted":"x"}`, `{"pointer":"1"}`, `{"map":[]}`,
		`{"struct":{"Name":1}}`, `{"time":"yesterday"}`, `{"any":{"a":1,"a":2}}`, `{"map":{"k":[1}}`,
	} {
		if got, ok := read[all](t, text); ok {
			t.Errorf("%s is read as %+v", text, got)
		}
	}
}

// An object that is valid for the strict reader is read as encoding/json reads it, apart from names in another case.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		`{"string":"a","bool":true,"int":-128,"uint":65535,"float":1.5,"strings":["a","b"],"number":"1.5","quoted":"7","pointer":3}`,
		`{"NoTag":"x","time":"2030-01-02T03:04:05Z","level":[1,2],"any":{"a":[1]},"struct":{"Name":"n"},"map":{"k":[1,2]},"number":1e3}`,
		`{"string":null,"zero":[],"empty_map":{},"numbers":{"a":1.5},"list":[]}`, `{"int":128,"uint":-1}`, `{"quoted":"x","map":[]}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var exact []string // the members with a name that matches exactly
		s, _ := of(all{})
		var o strictjson.Object
		o.Open(text)
		for name, _, ok := o.Next(); ok; name, _, ok = o.Next() {
			if s.Has(name) {
				exact = append(exact, `"`+name+`":`+o.Raw())
			}
		}
		if !o.Valid() {
			return
		}
		got, ok := read[all](t, text)
		var want all
		err := json.Unmarshal([]byte("{"+strings.Join(exact, ",")+"}"), &want)
		if ok != (err == nil) || ok && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", text, got, ok, want, err)
		}
	})
}

// Names match exactly, where encoding/json would take another case.
func TestNamesMatchExactly(t *testing.T) {
	got, ok := read[all](t, `{"String":"a","NOTAG":"b","notag":"c"}`)
	if !ok || !reflect.DeepEqual(got, all{}) {
		t.Errorf("%+v, %v", got, ok)
	}
}

func TestFieldsAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	three := 3
	for _, v := range []all{
		{},
		{String: "a\"b\n", Bool: true, Int: -1, Uint: 1, Float: 0.1, Strings: []string{"a", "é"}, Number: "1.5", Quoted: 7, Pointer: &three},
		{Map: map[string][]int{"k": {1}}, Struct: Untagged{"n"}, Any: []any{"a", 1.5}, Level: 2, Time: time.Unix(1, 0).UTC(), Empty: "x", Zero: []string{}, NoTag: "y"},
		{List: []string{}, Numbers: map[string]json.Number{"a": "1.5"}},
		{List: []string{"x"}},
	} {
		s, _ := of(v)
		got, err := s.Append([]byte("{"), reflect.ValueOf(v))
		if err != nil {
			t.Fatal(err)
		}
		got[len(got)-1] = '}' // in place of the last comma
		text, _ := json.Marshal(v)
		var gotMembers, want map[string]any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		delete(want, "id")
		delete(want, "extra")
		if err := json.Unmarshal(got, &gotMembers); err != nil || !reflect.DeepEqual(gotMembers, want) {
			t.Errorf("%s, %v; want %v", got, err, want)
		}
	}
	for _, v := range []all{{String: "\xff"}, {Strings: []string{"\xff"}}, {Number: "x"}, {Any: func() {}}, {Map: map[string][]int{"\xff": nil}}} {
		s, _ := of(v)
		if text, err := s.Append(nil, reflect.ValueOf(v)); err == nil {
			t.Errorf("%+v is written as %s", v, text)
		}
	}
}

// Strings share the memory of the text. Other data is counted.
func TestReadReturnsTheSizeOfNewData(t *testing.T) {
	for text, want := range map[string]int{
		`{"string":"abc"}`:                0,
		`{"int":1}`:                       0,
		`{"number":1}`:                    0,
		`{"strings":["a","b","c"]}`:       48,
		`{"zero":["a","b","c"]}`:          48 + 3*16,
		`{"pointer":1}`:                   16,
		`{"struct":{"Name":"a"}}`:         16,
		`{"time":"2030-01-02T03:04:05Z"}`: 256,
	} {
		var v all
		s, _ := of(v)
		var o strictjson.Object
		o.Open(text)
		name, member, _ := o.Next()
		if got, err := s.Read(s.Find(name, 0), reflect.ValueOf(&v).Elem(), &o, member); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v; want %d", text, got, err, want)
		}
	}
}

func TestFindTriesTheGuessFirst(t *testing.T) {
	s, _ := of(struct {
		Base
		A, B string
	}{})
	for _, test := range []struct {
		name  string
		guess int
		want  int
	}{{"A", 0, 0}, {"B", 1, 1}, {"A", 1, 0}, {"B", 0, 1}, {"B", 2, 1}, {"a", 0, -1}, {"id", 0, -1}, {"C", 2, -1}} {
		if got := s.Find(test.name, test.guess); got != test.want {
			t.Errorf("Find(%q, %d) = %d", test.name, test.guess, got)
		}
		if s.Has(test.name) != (test.want >= 0) {
			t.Errorf("Has(%q) = %v", test.name, test.want < 0)
		}
	}
}
