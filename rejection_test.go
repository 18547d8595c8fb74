package usher_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-usher/usher"
)

func TestRejectionIsAnError(t *testing.T) {
	cause := fmt.Errorf("%w: "+httpCause, usher.ErrTokenExpired)
	rej := &usher.Rejection{Status: 401, Code: "invalid_token", Description: "The access token has expired.", Err: cause}
	if !errors.Is(rej, usher.ErrTokenExpired) || !errors.Is(rej, usher.ErrInvalidToken) || errors.Unwrap(rej) != cause { //nolint:errorlint // the very one
		t.Error("it does not unwrap to its cause")
	}
	if got := rej.Error(); got != rej.Description {
		t.Errorf("the text is %q", got)
	}
	if got := (&usher.Rejection{Status: 500, Err: cause}).Error(); got == "" || strings.Contains(got, httpCause) {
		t.Errorf("the text without a description is %q", got)
	}
	if text := fmt.Sprintf("%v %s", rej, rej); strings.Contains(text, httpCause) {
		t.Errorf("it prints as %q", text)
	}
}

func TestChallenge(t *testing.T) {
	tests := []struct {
		name string
		rej  usher.Rejection
		want string
	}{
		{"a bad token", usher.Rejection{Status: 401, Code: "invalid_token", Description: "Sorry."},
			`Bearer error="invalid_token", error_description="Sorry."`},
		{"a bad request", usher.Rejection{Status: 400, Code: "invalid_request", Description: "No."},
			`Bearer error="invalid_request", error_description="No."`},
		{"a scope", usher.Rejection{Status: 403, Code: "insufficient_scope", Description: "No.", Scope: "read write"},
			`Bearer error="insufficient_scope", error_description="No.", scope="read write"`},
		{"a login", usher.Rejection{Status: 401, Code: "insufficient_user_authentication", Description: "Old.", MaxAge: 90 * time.Second},
			`Bearer error="insufficient_user_authentication", error_description="Old.", max_age="90"`},
		{"a login, in whole seconds", usher.Rejection{Status: 401, Code: "insufficient_user_authentication", Description: "Old.", MaxAge: 1999 * time.Millisecond},
			`Bearer error="insufficient_user_authentication", error_description="Old.", max_age="1"`},
		{"all that may be quoted, and more", usher.Rejection{Status: 401, Code: "invalid_token", Description: " !#[]~\x1f\x7f\"\\"},
			`Bearer error="invalid_token", error_description=" !#[]~????"`},
		{"no token", usher.Rejection{Status: 401, Description: "x"}, `Bearer realm=""`},
		{"no description without a code", usher.Rejection{Status: 401, Description: "x", Scope: "read"}, `Bearer scope="read"`},
		{"a negative age", usher.Rejection{Status: 401, Code: "invalid_token", Description: "No.", MaxAge: -1},
			`Bearer error="invalid_token", error_description="No."`},
		{"forbidden without a code", usher.Rejection{Status: 403, Description: "Cross-origin request."}, ""},
		{"a bad request without a code", usher.Rejection{Status: 400, Description: "No."}, ""},
		{"not the token's fault", usher.Rejection{Status: 500, Code: "invalid_token"}, ""},
		{"later perhaps", usher.Rejection{Status: 503, Code: "invalid_token"}, ""},
		{"another status", usher.Rejection{Status: 404, Code: "invalid_token"}, ""},
		{"the zero Rejection", usher.Rejection{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.rej.Challenge(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			w := httptest.NewRecorder()
			test.rej.ServeHTTP(w, httpRequest(""))
			if got := w.Header().Get("WWW-Authenticate"); got != test.want {
				t.Errorf("the header is %s, want %s", got, test.want)
			}
		})
	}
}

// httpChallenge is what RFC 6750 §3 allows: parameters whose values hold %x20-21 / %x23-5B / %x5D-7E.
var httpChallenge = regexp.MustCompile(`^Bearer( [a-z_]+="[ !#-\[\]-~]*"(, [a-z_]+="[ !#-\[\]-~]*")*)?$`)

func httpNasty() []string {
	nasty := []string{
		"", " ", `"`, `\`, `\"`, `", error="invalid_token`, "a\r\nSet-Cookie: a=b", "a\nb", "a\rb", "\x00", "\x1f", "\x7f", "\x80", "\xff\xfe",
		"tab\there", "Zürich", "日本語", "😀", "\u2028", "\ufeff", "\u202e", "\ufffd", "\xed\xa0\x80", "</script><script>alert(1)</script>",
		"%0d%0a", "a, b", "a=b", "{}", strings.Repeat("x", 1<<16), strings.Repeat("é", 1<<12),
	}
	for c := range 256 {
		nasty = append(nasty, "<"+string([]byte{byte(c)})+">")
	}
	return nasty
}

func TestChallengesHoldNoOtherCharacters(t *testing.T) {
	for _, text := range httpNasty() {
		for _, rej := range []*usher.Rejection{
			{Status: 401, Code: text, Description: text, Scope: text, MaxAge: time.Hour},
			{Status: 403, Code: text, Description: text, Scope: text},
			{Status: 400, Code: "invalid_request", Description: text},
			{Status: 401, Code: "invalid_token", Description: text, Err: errors.New(httpCause)},
			{Status: 500, Description: text},
		} {
			httpCheckRejection(t, rej)
		}
	}
}

// Whatever a Rejection holds, its challenge is one of RFC 6750's, its body a problem, and nothing panics.
func FuzzRejection(f *testing.F) {
	for i, text := range httpNasty()[:40] {
		f.Add(400+i, text, text, text, int64(i)*int64(time.Second))
	}
	f.Add(math.MinInt, "invalid_token", "a", "b", int64(math.MinInt64))
	f.Add(math.MaxInt, "invalid_token", "a", "b", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, status int, code, description, scope string, maxAge int64) {
		httpCheckRejection(t, &usher.Rejection{
			Status: status, Code: code, Description: description, Scope: scope, MaxAge: time.Duration(maxAge), Err: errors.New(httpCause),
		})
	})
}

func httpCheckRejection(t *testing.T, rej *usher.Rejection) {
	t.Helper()
	challenge := rej.Challenge()
	if challenge != "" && !httpChallenge.MatchString(challenge) {
		t.Errorf("%+v has the challenge %q", rej, challenge)
	}
	w := httptest.NewRecorder()
	rej.ServeHTTP(w, httpRequest(""))
	if w.Code < 400 || w.Code > 599 {
		t.Errorf("status %d becomes %d", rej.Status, w.Code)
	}
	if got := w.Header().Get("WWW-Authenticate"); got != challenge {
		t.Errorf("the header is %q, the challenge %q", got, challenge)
	}
	var problem struct {
		Title, Detail string
		Status        int
	}
	body := w.Body.Bytes()
	if err := json.Unmarshal(body, &problem); err != nil || !utf8.Valid(body) || problem.Status != w.Code || problem.Detail == "" {
		t.Errorf("%+v becomes %s: %v", rej, body, err)
	}
	if utf8.ValidString(rej.Description) && rej.Description != "" && problem.Detail != rej.Description {
		t.Errorf("%q becomes %q", rej.Description, problem.Detail)
	}
	if strings.Contains(w.Body.String(), httpCause) && !strings.Contains(rej.Description, httpCause) {
		t.Errorf("the cause shows in %s", body)
	}
}

func TestRejectionOverTheNetwork(t *testing.T) {
	server := httptest.NewServer(&usher.Rejection{Status: 401, Code: "invalid_token", Description: "a\r\nSet-Cookie: a=b"})
	defer server.Close()
	response, err := server.Client().Head(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || len(response.Cookies()) > 0 ||
		response.Header.Get("WWW-Authenticate") != `Bearer error="invalid_token", error_description="a??Set-Cookie: a=b"` {
		t.Errorf("%d, headers %v", response.StatusCode, response.Header)
	}
}

func TestOddStatusNeverPanicsNorSucceeds(t *testing.T) {
	for _, status := range []int{math.MinInt, -1, 0, 1, 99, 100, 101, 199, 200, 204, 301, 304, 399, 600, 999, 1000, math.MaxInt} {
		rej := &usher.Rejection{Status: status, Description: "Odd."}
		httpWant(t, httpServe(rej, httpRequest("")), 500, "")

		d := httpOpenWith(t, nil, func(context.Context, *httpClaims) (*httpUser, error) { return &httpUser{}, rej }, usher.MiddlewareOptions{
			Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) { w.WriteHeader(rej.Status) },
		})
		httpWant(t, httpServe(d.RequireFunc(httpGreet), httpRequest(httpToken(t, nil))), 500, "")
		if got := d.refused(t); got.Status != 500 || got.Description != "Odd." {
			t.Errorf("status %d: observed %+v", status, got)
		}
	}
	for _, status := range []int{400, 401, 402, 403, 404, 409, 410, 418, 422, 423, 429, 451, 499, 500, 501, 503, 599} {
		w := httpServe(&usher.Rejection{Status: status}, httpRequest(""))
		httpWant(t, w, status, "")
		if w.Header().Get("Cache-Control") != "no-store" || (w.Header().Get("Retry-After") != "") != (status == 503) {
			t.Errorf("%d: headers %v", status, w.Header())
		}
	}
}

func TestNilRejection(t *testing.T) {
	var rej *usher.Rejection
	if rej.Challenge() != "" || rej.Error() == "" || rej.Unwrap() != nil {
		t.Errorf("%q %q %v", rej.Challenge(), rej.Error(), rej.Unwrap())
	}
	httpWant(t, httpServe(rej, httpRequest("")), 500, "")
}

func TestRetryAfterIsANumberOfSeconds(t *testing.T) {
	w := httpServe(&usher.Rejection{Status: 503}, httpRequest(""))
	if got := w.Header().Get("Retry-After"); !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(got) {
		t.Errorf("Retry-After is %q", got)
	}
}

func TestRejectionIsNotChangedByServing(t *testing.T) {
	rej := usher.Rejection{Status: 7, Code: "a\"", Description: "\xff", Scope: "\n", MaxAge: 5, Err: usher.ErrForbidden}
	before := rej
	httpServe(&rej, httpRequest(""))
	if !reflect.DeepEqual(rej, before) {
		t.Errorf("it became %+v", rej)
	}
}
