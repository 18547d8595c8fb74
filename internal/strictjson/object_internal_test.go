package strictjson

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// All texts of a few symbols after some beginnings, with the JSON library as the judge. Arrays and objects are passed over: that they
// are checked nevertheless is part of what is tested.
func TestObjectReadsWhatTheLibraryReads(t *testing.T) {
	symbols := []string{
		`"a"`, `"b:"`, `"\u0061"`, `"é"`, `"`, `:`, `,`, `{`, `}`, `[1]`, `[1}`, `10`, `-1`, `01`, `true`, ` `,
	}
	const most = 4
	var extend func(text string, symbolsLeft int)
	extend = func(text string, symbolsLeft int) {
		agreesWithLibrary(t, text)
		if symbolsLeft > 0 {
			for _, symbol := range symbols {
				extend(text+symbol, symbolsLeft-1)
			}
		}
	}
	for _, beginning := range []string{"{", `{"b:":"some text",`, ` { "\u0061" : null , `, `{"a":"é","b:":1,`} {
		extend(beginning, most)
	}
	long := strings.Repeat("x", 1<<16)
	agreesWithLibrary(t, `{"pad":"`+long+`","a":1,"b":2}`)
	agreesWithLibrary(t, `{"pad":"`+long+`","a":1,"b":2,"a":3}`)
	for c := range 256 {
		for _, format := range []string{`{"%c":"a"}`, `{"a":"%c"}`, `{"a":"é%c"}`, `{"a":"\\%c"}`, `{"a":%c}`, `{"a":1%c}`, `{"a":12345678%c}`, `{"a":12345678%c,"b":1}`, `{%c"a":1}`, `{"a":1}%c`} {
			agreesWithLibrary(t, strings.Replace(format, "%c", string([]byte{byte(c)}), 1))
		}
	}
}

// agreesWithLibrary compares the members that an Object reads with those that the JSON library reads.
func agreesWithLibrary(t *testing.T, text string) {
	t.Helper()
	var got, want []string
	var o Object
	o.Open(text)
	for name, v, ok := o.Next(); ok; name, v, ok = o.Next() {
		got = append(got, name, o.Raw())
		if v.Kind == String {
			got = append(got, v.Text)
		} else if v.Text != o.Raw() {
			t.Errorf("%s: the value is %q, and %q as it stands", text, v.Text, o.Raw())
		}
	}
	value := jsontext.Value(text)
	if isObject := value.IsValid() && value.Kind() == '{'; isObject != o.Valid() {
		t.Errorf("%s: broken %v", text, o.broken)
	} else if isObject {
		want = members(text)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
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

// Next reads what nextSlow does, and leaves what it does not know as it was.
func TestBothWaysReadTheSameMembers(t *testing.T) {
	const members = `"iss":"login","sub":"","exp":1893553445,"":"x","n":19,"a":["x"],"o":{"x":"}"},"t":true,"z":null,"d":-1.5e3`
	texts := []string{
		`{}`, `{"n":0}`, `{"n":1}`, `{"n":9}`, `{"n":01}`, `{"n":1 }`, `{"n":1.5}`, `{"n":12345678}`, `{"n":12345678x`, `{"n":123456789}`,
		`{"a":"x","a":"y"}`, `{"a":"x" ,"b":1}`, `{"a":"x","b":1} `, `{"a":"x"}}`, `{"a":"x"},`, `{"a": "x"}`, `{"a":	"x"}`, `{"a" :"x"}`, `{ "a":"x"}`,
		`{"a":/}`, `{"a"::}`, `{"a":nul}`, `{"a":[}`, `{,"a":"x"}`, `{"a":"x",}`, `{"a":"x""b":1}`, `{"a":"x"x"b":1}`, `{"a":"x",,"b":1}`, `{a":"x"}`, `{"a":"\u0078"}`, `{"a":"ä"}`,
	}
	whole := "{" + members + "}"
	for i := range whole {
		texts = append(texts, whole[:i], whole[:i]+" "+whole[i:])
	}
	for _, text := range append(texts, whole) {
		readsBothWays(t, text)
	}
}

// readsBothWays compares the members that Next and nextSlow read.
func readsBothWays(t *testing.T, text string) {
	t.Helper()
	var quick, slow Object
	quick.Open(text)
	slow.Open(text)
	for more := true; more; {
		name, v, ok := quick.Next()
		wantName, want, wantOK := slow.nextSlow()
		if name != wantName || v != want || ok != wantOK || ok && quick.Raw() != slow.Raw() || quick.broken != slow.broken ||
			quick.at != slow.at || quick.unread != slow.unread || quick.count != slow.count {
			t.Fatalf("%s: %q: %v, %v at %d; want %q: %v, %v at %d", text, name, v, ok, quick.at, wantName, want, wantOK, slow.at)
		}
		if v.Kind == Array && ok && jsontext.Value(v.Text).IsValid() {
			quick.Accept() // so that it goes on by the quick way
			slow.Accept()
		}
		more = ok
	}
}

func FuzzObject(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"iss":"login","exp":1893553445,"aud":["a","b"],"o":{"x":[1,{"y":null}]}}`, `{"a":"\u0061\n","a ":-1.5e3,"é":true}`, ` { "a" : [ ] } `,
		`{"a":1,"a":2}`, `{"a":[1}`, "{\"a\":\"\xff\"}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		agreesWithLibrary(t, text)
		readsBothWays(t, text)
	})
}

// An object compares up to 64 names itself. The library compares more.
func TestNamesAreUniqueInObjectsOfAnySize(t *testing.T) {
	for _, separator := range []string{":", " :"} { // the second is read by nextSlow
		for count := range 70 {
			members := make([]string, count)
			for i := range members {
				members[i] = fmt.Sprintf(`"n%d"%s1`, i, separator)
			}
			read := 0
			var o Object
			o.Open("{" + strings.Join(members, ",") + "}")
			for _, _, ok := o.Next(); ok; _, _, ok = o.Next() {
				read++
			}
			if read != count || !o.Valid() {
				t.Errorf("%d names before %q: read %d, valid: %v", count, separator, read, o.Valid())
			}
			for _, repeated := range members {
				var o Object
				o.Open("{" + strings.Join(members, ",") + "," + repeated + "}")
				if o.Valid() {
					t.Errorf("%d names and %s again: valid", count, repeated)
				}
			}
		}
	}
}

func TestNamesOfMostPayloadsHaveDifferentMarks(t *testing.T) {
	names := []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope"}
	marks := map[uint64]string{}
	for _, name := range names {
		if other, ok := marks[markOf(name)]; ok {
			t.Errorf("%s and %s have the same mark", name, other)
		}
		marks[markOf(name)] = name
	}
}

func TestSkippedValuesAreChecked(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":[1,2],"b":{"c":null}}`: true,
		`{"a":[1,2}`:                 false,
		`{"a":[1 2],"b":1}`:          false,
		`{"a":{"c":1,"c":2},"b":1}`:  false,
		`{"b":1,"a":[nul]}`:          false,
		"{\"b\":1,\"a\":[\"\xff\"]}": false,
		`{"a":["x",1],"b":["x",]}`:   false,
	} {
		var passed, asked Object
		passed.Open(text)
		if first, again := passed.Valid(), passed.Valid(); first != want || again != want {
			t.Errorf("%s: valid: %v", text, !want)
		}
		asked.Open(text)
		for _, v, ok := asked.Next(); ok; _, v, ok = asked.Next() {
			if _, ok := v.Strings(); ok {
				asked.Accept()
			}
		}
		if asked.Valid() != want {
			t.Errorf("%s: valid: %v, once it was asked for lists of strings", text, !want)
		}
	}
	var closed Object
	if _, _, ok := closed.Next(); ok || closed.Valid() {
		t.Error("an object without a text is valid")
	}
}
