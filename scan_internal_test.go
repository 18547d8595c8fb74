package usher

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// All texts of a few symbols after some beginnings, with the JSON library as the judge.
func TestObjectReadsWhatTheLibraryReads(t *testing.T) {
	symbols := []string{
		`"a"`, `"b:"`, `"\u0061"`, `"é"`, `"`, `:`, `,`, `{`, `}`, `[1]`, `[1}`, `10`, `-1`, `01`, `true`, ` `,
	}
	const most = 4
	check := func(text string) {
		var got, want []string
		var o object
		o.open(text)
		for name, v, ok := o.next(); ok; name, v, ok = o.next() {
			got = append(got, name, o.raw())
			if v.kind == '"' {
				got = append(got, v.text)
			} else if v.text != o.raw() {
				t.Errorf("%s: the value is %q, and %q as it stands", text, v.text, o.raw())
			}
			o.broken = o.broken || !v.valid()
		}
		value := jsontext.Value(text)
		if isObject := value.IsValid() && value.Kind() == '{'; isObject == o.broken {
			t.Errorf("%s: broken %v", text, o.broken)
		} else if isObject {
			want = members(text)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %q, want %q", text, got, want)
			}
		}
	}
	var extend func(text string, symbolsLeft int)
	extend = func(text string, symbolsLeft int) {
		check(text)
		if symbolsLeft > 0 {
			for _, symbol := range symbols {
				extend(text+symbol, symbolsLeft-1)
			}
		}
	}
	for _, beginning := range []string{"{", `{"b:":"some text",`, ` { "\u0061" : null , `} {
		extend(beginning, most)
	}
	for c := range 256 {
		for _, format := range []string{`{"%c":"a"}`, `{"a":"%c"}`, `{"a":"é%c"}`, `{"a":"\\%c"}`, `{"a":%c}`, `{"a":1%c}`, `{"a":12345678%c}`, `{"a":12345678%c,"b":1}`, `{%c"a":1}`, `{"a":1}%c`} {
			check(strings.Replace(format, "%c", string([]byte{byte(c)}), 1))
		}
	}
}

// members returns the names and values of an object, each as it stands, and strings also as what they say.
func members(text string) []string {
	var list []string
	d := jsontext.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.ReadToken()
		if err == io.EOF {
			return list
		}
		if kind := token.Kind(); kind == '{' || kind == '}' {
			continue
		}
		list = append(list, token.String())
		value, _ := d.ReadValue()
		list = append(list, string(value))
		if value.Kind() == '"' {
			said, _ := jsontext.AppendUnquote(nil, value)
			list = append(list, string(said))
		}
	}
}

// The quick way is taken wherever it can be, and what it does not know it leaves as it is.
func TestPlainMembersAreReadInOnePiece(t *testing.T) {
	for text, want := range map[string]int{
		`{"iss":"login","sub":"","exp":1893553445,"":"x","n":19,"a":["x"],"o":{},"t":true,"z":null,"d":-1.5e3}`: 10,

		`{"n":1}`:          1,
		`{"n":9}`:          1,
		`{"n":0}`:          1,
		`{"n":1 }`:         1,
		`{"a":"x","b":10`:  2,
		`{"a":"x","b":10,`: 2,
		`{"a":12345678`:    1,
		`{"a":"x","b":"y"`: 2,
		`{"a":"x","b":"y`:  1,
		`{"a":"x","b":`:    1,
		`{"a":"x","b"`:     1,
		`{"a":"x","b`:      1,
		`{"a":"x","`:       1,
		`{"a":"x",`:        1,
		`{"a":"x"`:         1,
		`{"a":"x","a":"y"`: 1,
		`{"a":"x" ,"b":1}`: 1,
		`{`:                0,
		`{"a": "x"}`:       0,
		`{"a" :"x"}`:       0,
		`{ "a":"x"}`:       0,
		`{"a":/}`:          0,
		`{"a"::}`:          0,
		`{"a":nul}`:        0,
		`{"a":[`:           0,
	} {
		var o object
		o.open(text)
		read := 0
		for _, _, ok := o.nextPlain(); ok; _, _, ok = o.nextPlain() {
			read++
		}
		at, count := o.at, o.count
		if _, _, ok := o.nextPlain(); ok || read != want || o.at != at || o.count != count {
			t.Errorf("%s: %d members, want %d", text, read, want)
		}
	}
}
