package strictjson_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/go-usher/usher/internal/strictjson"
)

func TestReadTakesOneValue(t *testing.T) {
	for text, want := range map[string]struct {
		kind strictjson.Kind
		said string
	}{
		`"a"`:       {strictjson.String, "a"},
		` "\u0061"`: {strictjson.String, "a"},
		"\t1.5e3\n": {strictjson.Number, "1.5e3"},
		`true`:      {strictjson.True, "true"},
		`false`:     {strictjson.False, "false"},
		`null `:     {strictjson.Null, "null"},
		`["a"] `:    {strictjson.Array, `["a"]`},
		`{"a":1}`:   {strictjson.Nested, `{"a":1}`},
	} {
		v, ok := strictjson.Read(text)
		if !ok || v.Kind != want.kind || v.Text != want.said {
			t.Errorf("%q: %c %q, %v", text, v.Kind, v.Text, ok)
		}
		if got := v.StringText() != ""; got != (v.Kind == strictjson.String) {
			t.Errorf("%q: a string: %v", text, got)
		}
		if got := v.NumberText() != ""; got != (v.Kind == strictjson.Number) {
			t.Errorf("%q: a number: %v", text, got)
		}
	}
	for _, text := range []string{"", " ", `"a`, `"a" "b"`, "1 2", "01", "nul", "nulls", "[1", `{"a":"}`, "x", ",", "1,"} {
		if v, ok := strictjson.Read(text); ok {
			t.Errorf("%q is taken for %q", text, v.Text)
		}
	}
}

func TestStringsReadsListsOfStringsOnly(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`: {}, `[ ]`: {}, `["a"]`: {"a"}, ` [ "a" , "b,\"" ] `: {"a", `b,"`}, `["é","\u00e9"]`: {"é", "é"}, `["",""]`: {"", ""},
		`["\"\"","a"]`: {`""`, "a"},
	} {
		v, _ := strictjson.Read(text)
		if got, ok := v.Strings(); !ok || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || len(got) != cap(got) {
			t.Errorf("%s: %q, %v", text, got, ok)
		}
	}
	for _, text := range []string{`"a"`, `1`, `null`, `{}`, `[1]`, `["a",1]`, `["a",]`, `[,"a"]`, `["a" "b"]`, `[["a"]]`, `["a"}`, "[\"\xff\"]", "[\"\n\"]", `[null]`} {
		v, _ := strictjson.Read(text)
		if got, ok := v.Strings(); ok {
			t.Errorf("%s is taken for %q", text, got)
		}
	}
}

func TestStringsAllocatesOnlyTheList(t *testing.T) {
	v, _ := strictjson.Read(`["a","b","c"]`)
	allocations := testing.AllocsPerRun(100, func() {
		if list, ok := v.Strings(); !ok || len(list) != 3 {
			t.Errorf("%q, %v", list, ok)
		}
	})
	if allocations > 1 {
		t.Errorf("%.0f allocations", allocations)
	}
}

func TestIsNumberFollowsTheGrammar(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-0": true, "10": true, "1.5": true, "1e9": true, "1E+9": true, "-1.25e-3": true,
		"": false, "-": false, "+1": false, "01": false, "1.": false, ".5": false, "1e": false, "1e+": false, "1\x20": false, "0x1": false, "NaN": false,
	} {
		if got := strictjson.IsNumber(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestStringsComeBackAsTheyWere(t *testing.T) {
	for _, list := range [][]string{{}, {""}, {"plain"}, {"a", "b"}, {`"`, `""`}, {`\`, `\\`}, {`"quoted\`, "\n\t\x00", "é, 日本", "<&>", "\x7f\u2028"}} {
		text, err := strictjson.AppendStrings([]byte("before"), list)
		if err != nil {
			t.Fatal(err)
		}
		text = text[len("before"):]
		v, _ := strictjson.Read(string(text))
		got, ok := v.Strings()
		if !ok || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", list) {
			t.Errorf("%q is written as %s", list, text)
		}
		var standard []string
		if err := json.Unmarshal(text, &standard); err != nil || fmt.Sprintf("%q", standard) != fmt.Sprintf("%q", list) {
			t.Errorf("encoding/json reads %s as %q, %v", text, standard, err)
		}
	}
	if text, err := strictjson.AppendStrings(nil, []string{"a", "\xff"}); err == nil {
		t.Errorf("what is not UTF-8 is written as %s", text)
	}
}

// A string that is written is read as it was, by this package and by encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, text := range []string{"", "plain", `"quoted\`, "\n\t\x00\x7f", "é, 日本", "<&>\u2028", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written, err := strictjson.AppendString(nil, text)
		if (err == nil) != utf8.ValidString(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		if v, ok := strictjson.Read(string(written)); !ok || v.Kind != strictjson.String || v.Text != text {
			t.Errorf("%q is written as %s", text, written)
		}
		var standard string
		if err := json.Unmarshal(written, &standard); err != nil || standard != text {
			t.Errorf("encoding/json reads %s as %q, %v", written, standard, err)
		}
	})
}

func TestMemberReturnsTheValueOfOneName(t *testing.T) {
	for _, test := range []struct {
		text string
		want strictjson.Kind
		ok   bool
	}{
		{`{}`, 0, true},
		{`{"a":1,"name":"x","b":[]}`, strictjson.String, true},
		{`{"name":1}`, strictjson.Number, true},
		{`{"Name":1,"names":2}`, 0, true},
		{`{"n\u0061me":null}`, strictjson.Null, true},
		{`{"name":1,"name":2}`, strictjson.Number, false},
		{`{"name":1,}`, strictjson.Number, false},
		{`{"name":1}x`, strictjson.Number, false},
		{`["name"]`, 0, false},
		{``, 0, false},
	} {
		if v, ok := strictjson.Member(test.text, "name"); ok != test.ok || ok && v.Kind != test.want {
			t.Errorf("%s: %+v, %v", test.text, v, ok)
		}
	}
}
