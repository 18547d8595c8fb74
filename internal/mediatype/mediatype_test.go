package mediatype_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/mediatype"
)

func TestOfReturnsTheTypeWithoutParameters(t *testing.T) {
	for value, want := range map[string]string{
		"":                                "",
		"application/json":                "application/json",
		"Application/JSON":                "application/json",
		"application/json; charset=utf-8": "application/json",
		" text/plain ;x=y":                "text/plain",
		"text/plain; x":                   "",
		"text/plain; x=1; x=2":            "",
		"no type":                         "",
		"application/json; x=" + strings.Repeat("a", 236): "application/json",
		"application/json; x=" + strings.Repeat("a", 237): "",
	} {
		if got := mediatype.Of(http.Header{"Content-Type": {value}}); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	if got := mediatype.Of(nil); got != "" {
		t.Errorf("without a header: %q", got)
	}
}

func TestOfDoesNotParseLongHeaders(t *testing.T) {
	var value strings.Builder
	value.WriteString("application/json")
	for range 50_000 {
		value.WriteString("; a*0*=b")
	}
	h := http.Header{"Content-Type": {value.String()}}
	if n := testing.AllocsPerRun(10, func() { mediatype.Of(h) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
