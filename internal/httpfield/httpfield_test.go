package httpfield_test

import (
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/httpfield"
)

func TestEqualFoldIgnoresTheCaseOfASCIIOnly(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"Bearer", "bEARER", true}, {"a", "b", false}, {"a", "ab", false}, {"k", "\u212a", false},
	} {
		if got := httpfield.EqualFold(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %v", test.a, test.b, got)
		}
	}
}

func TestIsTokenFollowsRFC9110(t *testing.T) {
	if !httpfield.IsToken("!#$%&'*+-.^_`|~09azAZ") {
		t.Error("the characters of a token are refused")
	}
	for _, text := range []string{"", "a b", "a\tb", "a\x00", "a\x7f", "é", "a\xff"} {
		if httpfield.IsToken(text) {
			t.Errorf("%q is accepted", text)
		}
	}
	for _, delimiter := range `"(),/:;<=>?@[\]{}` {
		if httpfield.IsToken("a" + string(delimiter)) {
			t.Errorf("%q is accepted", delimiter)
		}
	}
}

func TestIsQuotableRefusesWhatNeedsEscapes(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "! ~#[]": true, `"`: false, `\`: false, "\t": false, "\x1f": false, "\x7f": false, "é": false, "\xff": false,
	} {
		if got := httpfield.IsQuotable(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestContainsReadsListsOfAllLines(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"websocket"}, true},
		{[]string{"h2c, WebSocket\t"}, true},
		{[]string{"h2c", "websocket"}, true},
		{[]string{"websocket/13"}, false},
		{[]string{"web socket"}, false},
	} {
		if got := httpfield.Contains(test.lines, "websocket"); got != test.want {
			t.Errorf("%q: %v", test.lines, got)
		}
	}
}

func TestAfterReturnsTheElementBehindTheMarker(t *testing.T) {
	for _, test := range []struct {
		lines   []string
		element string
		count   int
	}{
		{nil, "", 0},
		{[]string{"a, b"}, "", 0},
		{[]string{"marker, value"}, "value", 1},
		{[]string{"a,marker ,\tvalue\t,b"}, "value", 1},
		{[]string{"marker", "value"}, "value", 1},
		{[]string{"Marker, value"}, "", 0},
		{[]string{"marker"}, "", 1},
		{[]string{"marker,"}, "", 1},
		{[]string{"value, marker"}, "", 1},
		{[]string{"marker, marker"}, "", 2},
		{[]string{"marker, a, marker, b"}, "", 2},
		{[]string{"marker, a", "marker, b, marker, c"}, "", 2},
	} {
		if element, count := httpfield.After(test.lines, "marker"); element != test.element || count != test.count {
			t.Errorf("%q: %q, %d, want %q, %d", test.lines, element, count, test.element, test.count)
		}
	}
}

func TestCookieCountsTheCookiesThatAreNotEmpty(t *testing.T) {
	for _, test := range []struct {
		lines []string
		value string
		count int
	}{
		{nil, "", 0},
		{[]string{"", "a=b", ";"}, "", 0},
		{[]string{"name=value"}, "value", 1},
		{[]string{"a=b; name=value; c=d"}, "value", 1},
		{[]string{"a=b", " name\t = value\t;c=d"}, "value", 1},
		{[]string{`name="value"`}, "value", 1},
		{[]string{`name="`}, `"`, 1},
		{[]string{`name="value`}, `"value`, 1},
		{[]string{"name=a=b"}, "a=b", 1},
		{[]string{`name=a\b`}, `a\b`, 1},
		{[]string{"Name=value; name2=value; name"}, "", 0},
		{[]string{"name=", `name=""`}, "", 0},
		{[]string{"name=; name=value; name="}, "value", 1},
		{[]string{"name=a; name=b"}, "", 2},
		{[]string{"name=a", "name=b; name=c"}, "", 2},
	} {
		if value, count := httpfield.Cookie(test.lines, "name"); value != test.value || count != test.count {
			t.Errorf("%q: %q, %d, want %q, %d", test.lines, value, count, test.value, test.count)
		}
	}
}

func TestCutSchemeIgnoresTheCaseOfSchemes(t *testing.T) {
	for value, want := range map[string]string{
		"Bearer a.b.c": "a.b.c", "bearer  a": "a", "BEARER a b": "a b", "Bearer": "", "Bearer ": "", "Bearer\ta": "\ta",
	} {
		if got, ok := httpfield.CutScheme(value, "Bearer"); !ok || got != want {
			t.Errorf("%q: %q, %v", value, got, ok)
		}
	}
	for _, value := range []string{"", "Bear", "Bearera", "Bearer,a", "Basic a", "Digest a", " Bearer a"} {
		if _, ok := httpfield.CutScheme(value, "Bearer"); ok {
			t.Errorf("%q has the scheme", value)
		}
	}
}

func TestChallengesNameTheParametersWithAValue(t *testing.T) {
	p := func(pairs ...string) (parameters []httpfield.Parameter) {
		for i := 0; i < len(pairs); i += 2 {
			parameters = append(parameters, httpfield.Parameter{Name: pairs[i], Value: pairs[i+1]})
		}
		return parameters
	}
	for _, test := range []struct {
		schemes    string
		parameters []httpfield.Parameter
		want       string
	}{
		{"Bearer", nil, `Bearer realm=""`},
		{"Bearer", p("realm", "", "error", ""), `Bearer realm=""`},
		{"Bearer", p("realm", "", "error", "x"), `Bearer error="x"`},
		{"Bearer", p("realm", "a b", "error", "", "scope", "c"), `Bearer realm="a b", scope="c"`},
		{"Bearer JWT", p("realm", "r", "error", "x"), `Bearer realm="r", error="x", JWT realm="r", error="x"`},
		{"Bearer JWT", nil, `Bearer realm="", JWT realm=""`},
		{"Bearer", p("a", "b\"c\\d\r\né\xff"), `Bearer a="b?c?d????"`},
		{"", nil, ""},
	} {
		if got := httpfield.Challenges(strings.Fields(test.schemes), test.parameters); got != test.want {
			t.Errorf("%s, %q: %s, want %s", test.schemes, test.parameters, got, test.want)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	lines := []string{"a=b; name=value"}
	list := []string{"a, marker, value"}
	if got := testing.AllocsPerRun(100, func() {
		httpfield.Cookie(lines, "name")
		httpfield.After(list, "marker")
		httpfield.Contains(list, "value")
		httpfield.CutScheme("bearer a", "Bearer")
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
