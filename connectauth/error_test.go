package connectauth_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/connectauth"
	"github.com/go-usher/usher/ushertest"
)

func TestEveryHTTPStatusHasACode(t *testing.T) {
	for httpStatus, want := range map[int]connect.Code{
		400: connect.CodeInvalidArgument, 401: connect.CodeUnauthenticated, 403: connect.CodePermissionDenied, 404: connect.CodeNotFound,
		405: connect.CodeUnimplemented, 409: connect.CodeAlreadyExists, 412: connect.CodeFailedPrecondition, 413: connect.CodeResourceExhausted,
		415: connect.CodeInvalidArgument, 422: connect.CodeInvalidArgument, 429: connect.CodeResourceExhausted, 500: connect.CodeInternal,
		503: connect.CodeUnavailable, 599: connect.CodeInternal,
		0: connect.CodeInternal, 200: connect.CodeInternal, 302: connect.CodeInternal, 600: connect.CodeInternal,
	} {
		if got := connectauth.Error(&usher.Rejection{Status: httpStatus}).Code(); got != want {
			t.Errorf("%d: %v, want %v", httpStatus, got, want)
		}
	}
	if got := connectauth.Error(nil); got.Code() != connect.CodeInternal || got.Message() == "" {
		t.Errorf("nil: %v", got)
	}
}

func TestRetryInfoIsWhatRetryAfterSays(t *testing.T) {
	for name, row := range map[string]struct {
		rej  *usher.Rejection
		want time.Duration
	}{
		"a 503":                 {&usher.Rejection{Status: 503}, 5 * time.Second},
		"a 503 with a time":     {&usher.Rejection{Status: 503, RetryAfter: 90 * time.Second}, 90 * time.Second},
		"rounded up":            {&usher.Rejection{Status: 429, RetryAfter: 1500 * time.Millisecond}, 2 * time.Second},
		"a 429 without":         {&usher.Rejection{Status: 429}, 0},
		"a 401":                 {&usher.Rejection{Status: 401, RetryAfter: time.Minute}, 0},
		"a header of one's own": {&usher.Rejection{Status: 503, Header: http.Header{"Retry-After": {"7"}}}, 7 * time.Second},
		"a header with a date":  {&usher.Rejection{Status: 503, Header: http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}}, 0},
	} {
		if _, got := details(connectauth.Error(row.rej)); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

func TestTextThatIsNotUTF8StillMakesAnError(t *testing.T) {
	err := connectauth.Error(&usher.Rejection{Status: 403, Description: "caf\xe9", Scope: "caf\xe9"})
	if info, _ := details(err); err.Message() != "caf?" || info.GetMetadata()["scope"] != "caf?" {
		t.Errorf("%q, %v", err.Message(), info)
	}
}

// behindMiddleware returns the test's service behind a middleware that refuses requests itself.
func behindMiddleware(t *testing.T, kit *ushertest.Kit[usher.Claims], s *service) http.Handler {
	t.Helper()
	auth, err := usher.NewMiddleware(kit.Decoder, loadUser, &usher.MiddlewareOptions{
		Reject:  connectauth.Reject(connect.WithRequireConnectProtocolHeader()),
		Observe: func(*http.Request, *usher.Rejection) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return auth.With(guard).Require(s.mux())
}

func TestRejectAnswersInTheClientsProtocol(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	url, client := serve(t, behindMiddleware(t, kit, &service{}))
	for protocol, option := range speak() {
		for kind, call := range calls(protocol) {
			for name, row := range rows(t, kit) {
				t.Run(protocol+"/"+kind+"/"+name, func(t *testing.T) {
					_, err := call(within(t), url, client, option, row.values...)
					row.check(t, err)
					row.checkHeaders(t, err) // here they are headers in every protocol
				})
			}
			if got, err := call(within(t), url, client, option, "Bearer "+tokenOf(t, kit, "42")); err != nil || got != "42" {
				t.Errorf("%s, %s: a user: %q, %v", protocol, kind, got, err)
			}
		}
	}
}

func TestRejectAnswersOthersAsUsherDoes(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	url, client := serve(t, behindMiddleware(t, kit, &service{}))
	for name, request := range map[string]struct{ method, contentType, accept string }{
		"a browser": {http.MethodGet, "", "application/problem+json"},
		"a form":    {http.MethodPost, "application/x-www-form-urlencoded", "application/problem+json"},
		"JSON":      {http.MethodPost, "application/json", "application/problem+json"},
	} {
		r, err := http.NewRequestWithContext(within(t), request.method, url+unaryProcedure, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", request.contentType)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized || response.Header.Get("Content-Type") != request.accept || !strings.Contains(string(body), "An access token is required.") {
			t.Errorf("%s: %s, %s, %s", name, response.Status, response.Header.Get("Content-Type"), body)
		}
	}
}

func TestTheStatusOfConnectsUnaryCallsIsHTTPs(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	var seen observed
	inside := (&service{}).mux(newOption(t, newAuth(t, kit).With(guard), &connectauth.Options{Observe: seen.observe}))
	for where, handler := range map[string]http.Handler{"New": inside, "Reject": behindMiddleware(t, kit, &service{})} {
		url, client := serve(t, handler)
		for subject, want := range map[string]int{"": 401, "limited": 403, "slow": 429, "broken": 500, "down": 503} {
			r, err := http.NewRequestWithContext(within(t), http.MethodPost, url+unaryProcedure, strings.NewReader(`"?"`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Connect-Protocol-Version", "1")
			if subject != "" {
				r.Header.Set("Authorization", "Bearer "+tokenOf(t, kit, subject))
			}
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != want || !strings.Contains(string(body), `"type":"google.rpc.ErrorInfo"`) {
				t.Errorf("%s: %q: %s, %s; want %d", where, subject, response.Status, body, want)
			}
			if wait := response.Header.Get("Retry-After"); (wait != "") != (want == 429 || want == 503) {
				t.Errorf("%s: %q: Retry-After %q", where, subject, wait)
			}
		}
	}
}

func TestErrorLeadsToTheCauseOnTheServer(t *testing.T) {
	if err := connectauth.Error(&usher.Rejection{Status: 401, Err: usher.ErrTokenExpired}); !errors.Is(err, usher.ErrTokenExpired) || strings.Contains(err.Error(), "expired") {
		t.Error(err)
	}
}
