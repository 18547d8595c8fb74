package session_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestHandlersAcceptForms(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	form := url.Values{"email": {"ada@example.org"}, "password": {"correct horse"}}
	tokens := s.send(t, "POST", "/login", form.Encode()).tokens(t)
	s.send(t, "POST", "/refresh", url.Values{"refresh_token": {tokens.RefreshToken}}.Encode()).tokens(t)
}

func TestHandlersRefuseBadRequests(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	s.auth = func(context.Context, string, string) (string, error) {
		t.Error("asked")
		return "", usher.ErrPasswordMismatch
	}
	large := `{"email":"` + strings.Repeat("x", 65<<10) + `"}`
	for _, test := range []struct {
		name, method, target, body string
		change                     func(*http.Request)
		status                     int
		text                       string
	}{
		{"GET login", "GET", "/login", "", nil, 405, "POST"},
		{"GET refresh", "GET", "/refresh", "", nil, 405, "POST"},
		{"GET logout", "GET", "/logout", "", nil, 405, "POST"},
		{"no type", "POST", "/login", login, header("Content-Type", ""), 415, "application/json"},
		{"JSON as text", "POST", "/login", login, header("Content-Type", "text/plain"), 415, "application/json"},
		{"multipart", "POST", "/login", login, header("Content-Type", "multipart/form-data; boundary=x"), 415, ""},
		{"no JSON", "POST", "/login", "{", nil, 400, "one JSON object"},
		{"two objects", "POST", "/login", login + "{}", nil, 400, "one JSON object"},
		{"a list", "POST", "/login", "[]", header("Content-Type", "application/json"), 400, "one JSON object"},
		{"null for a body", "POST", "/login", "null", header("Content-Type", "application/json"), 400, "one JSON object"},
		{"a name twice", "POST", "/login", `{"email":"a","email":"b","password":"x"}`, nil, 400, "one JSON object"},
		{"a form field twice", "POST", "/login", "email=a&email=b&password=x", nil, 400, "email"},
		{"a broken form", "POST", "/login", "email=%zz", nil, 400, "form"},
		{"too large", "POST", "/login", large, nil, 413, "too large"},
		{"too large a form", "POST", "/login", "email=" + large, nil, 413, "too large"},
		{"no email", "POST", "/login", `{"password":"x"}`, nil, 422, `\"email\" is required`},
		{"an email of spaces", "POST", "/login", `{"email":" ","password":"x"}`, nil, 422, `\"email\" is required`},
		{"no password", "POST", "/login", `{"email":"a","password":""}`, nil, 422, `\"password\" is required`},
		{"null", "POST", "/login", `{"email":"a","password":null}`, nil, 422, `\"password\" is required`},
		{"neither", "POST", "/login", `{}`, nil, 422, `\"email\" and \"password\" are required`},
		{"names in another case", "POST", "/login", `{"Email":"a","PASSWORD":"x"}`, nil, 422, "required"},
		{"a number", "POST", "/login", `{"email":7,"password":"x"}`, nil, 422, `\"email\" must be a string`},
		{"no refresh token", "POST", "/refresh", `{}`, nil, 422, "refresh_token"},
		{"nothing to log out of", "POST", "/logout", `{}`, nil, 422, "refresh_token"},
		{"another origin", "POST", "/login", login, header("Sec-Fetch-Site", "cross-site"), 403, "Cross-origin"},
		{"a form of another origin", "POST", "/login", "email=a&password=b", header("Origin", "https://evil.example"), 403, "Cross-origin"},
		{"a refresh of another origin", "POST", "/refresh", `{}`, header("Sec-Fetch-Site", "same-site"), 403, "Cross-origin"},
		{"a logout of another origin", "POST", "/logout", `{}`, header("Sec-Fetch-Site", "cross-site"), 403, "Cross-origin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.seen = nil
			change := test.change
			if change == nil {
				change = func(*http.Request) {}
			}
			s.send(t, test.method, test.target, test.body, change).want(t, test.status, test.text)
			if len(s.seen) != 1 || s.seen[0].Status != test.status || s.seen[0].Err == nil {
				t.Errorf("observed %v; want the refusal and its cause", s.seen)
			}
		})
	}
}
