package rpc_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-usher/usher/internal/rpc"
)

func TestPatternsAreServicesAndMethods(t *testing.T) {
	for name, want := range map[string]bool{
		"a.B": true, "B": true, "a_1.b2.C": true, "/a.B/C": true, "/B/C": true,
		"": false, "/": false, "//": false, "/a.B": false, "a.B/C": false, "/a.B/": false, "//C": false, "/a.B/*": false,
		"/a.B/C/D": false, "a..B": false, ".B": false, "B.": false, "a b": false, "a.B*": false, "ä": false,
	} {
		if got := rpc.IsPattern(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestAPatternMatchesItsServiceOrMethodOnly(t *testing.T) {
	patterns := []string{"a.B", "/c.D/E"}
	for name, want := range map[string]bool{
		"/a.B/C": true, "/a.B/D": true, "/c.D/E": true,
		"/c.D/F": false, "/a.b/C": false, "/a.B.C/D": false, "/a/B": false, "a.B/C": false, "a.B": false, "/a.B": false, "": false,
		"/a.B/../c.D/F": false, "/a.B//C": false, "/a.B/C/": false, "//a.B/C": false,
	} {
		if got := rpc.Match(patterns, name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
		if rpc.Match(nil, name) {
			t.Errorf("%q matches nothing at all", name)
		}
	}
}

func TestEveryStatusHasACode(t *testing.T) {
	for httpStatus, want := range map[int]uint32{
		400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 409: 6, 412: 9, 413: 8, 415: 3, 422: 3, 429: 8, 499: 9,
		500: 13, 501: 13, 503: 14, 599: 13, 0: 13, -1: 13, 200: 13, 302: 13, 399: 13, 600: 13,
	} {
		if got := rpc.Code(httpStatus); got != want {
			t.Errorf("%d: %d, want %d", httpStatus, got, want)
		}
	}
}

func TestRetryAfterIsSeconds(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "0": 0, "-1": 0, "Fri, 31 Dec 1999 23:59:59 GMT": 0, "99999999999999999999": 0,
	} {
		if got := rpc.RetryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	if got := rpc.RetryAfter(nil); got != 0 {
		t.Errorf("no header: %v", got)
	}
}

func TestBearerTakesTheTokenOut(t *testing.T) {
	for value, want := range map[string]struct {
		token string
		fault bool
	}{
		"Bearer a.b.c":       {"a.b.c", false},
		"bEARER   a.b.c":     {"a.b.c", false},
		"Bearer a.b.c d.e.f": {"a.b.c d.e.f", false}, // the decoder refuses it
		"Bearer\ta.b.c":      {"\ta.b.c", false},     // this too
		"Bearer \ta.b.c":     {"\ta.b.c", false},
		"Bearer":             {"", true},
		"Bearer  ":           {"", true},
		"a.b.c":              {"", true},
		"Bearera.b.c":        {"", true},
		" a.b.c":             {"", false}, // the scheme is empty
		"Basic NDI6cHc=":     {"", false},
		"Basic a.b.c":        {"", false},
		"Basic":              {"", false},
		"":                   {"", false},
	} {
		token, fault := rpc.Bearer(value)
		if token != want.token || (fault != "") != want.fault {
			t.Errorf("%q: %q, %q; want %q", value, token, fault, want.token)
		}
	}
}
