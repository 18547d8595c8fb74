package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
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

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestHandlersIgnoreOtherFields(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for _, body := range []string{
		`{"other":[{"email":1}],"email":"ada@example.org","x":null,"password":"correct horse","label":null}`,
		manyMembers(98)[:len(manyMembers(98))-1] + `,"email":"ada@example.org","password":"correct horse"}`,
		"other=1&email=ada%40example.org&&password=correct+horse&other=2",
	} {
		s.send(t, "POST", "/login", body).tokens(t)
	}
}

func TestAFormThatAMiddlewareHasParsedIsRead(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	mux := s.mux
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		mux.ServeHTTP(w, r)
	})
	s.send(t, "POST", "/login", "email=ada%40example.org&password=correct+horse").tokens(t)
}

// No body or header costs more than a small multiple of its length.
func TestHostileRequestsTakeLittleMemory(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	many := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < 60<<10; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	form := header("Content-Type", "application/x-www-form-urlencoded")
	for name, request := range map[string]struct {
		body   string
		change func(*http.Request)
	}{
		"form of many names":       {many("%d&"), form},
		"form of escapes":          {many("%%41%%4"), form},
		"JSON of many names":       {"{" + many(`"%d":0,`) + `"x":0}`, nil},
		"JSON of nested names":     {`{"x":{` + many(`"%d":0,`) + `"x":0}}`, nil},
		"deep JSON":                {`{"x":` + strings.Repeat("[", 60<<10), nil},
		"JSON of escapes":          {`{"x":"` + strings.Repeat(`\u0041`, 10<<10) + `"}`, nil},
		"long name":                {`{"email":"` + strings.Repeat(`é`, 30<<10) + `","password":"x"}`, nil},
		"Content-Type":             {"{}", header("Content-Type", "application/json; "+strings.Repeat("a*0=x; ", 1<<17))},
		"Origin":                   {login, header("Origin", strings.Repeat("\"", 1<<20))},
		"User-Agent":               {login, header("User-Agent", strings.Repeat("\xff\x01", 1<<19))},
		"Content-Length that lies": {"{}", func(r *http.Request) { r.ContentLength = 1 << 40 }},
		"Authorization of a logout": {"", func(r *http.Request) {
			r.URL.Path = "/logout"
			header("Authorization", "Bearer "+strings.Repeat("A", 1<<20))(r)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			change := request.change
			if change == nil {
				change = func(*http.Request) {}
			}
			r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(request.body))
			if request.body == "" {
				r = httptest.NewRequest(http.MethodPost, "/login", nil)
			}
			r.Header.Set("Content-Type", "application/json")
			change(r)
			w := httptest.NewRecorder()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s.mux.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			size := len(request.body)
			for _, values := range r.Header {
				size += len(strings.Join(values, ""))
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > uint64(16*size+256<<10) {
				t.Errorf("%d bytes take %d (%d %s)", size, took, w.Code, w.Body)
			}
		})
	}
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
		{"no type", "POST", "/login", login, header("Content-Type", ""), 415, "no Content-Type. Send application/json"},
		{"JSON as a form", "POST", "/login", login, header("Content-Type", "application/x-www-form-urlencoded"), 415, "looks like JSON"},
		{"a type with a megabyte of parameters", "POST", "/login", login, header("Content-Type", "application/json; "+strings.Repeat("a*0=x; ", 1<<17)), 415, "application/json"},
		{"too many members", "POST", "/login", manyMembers(101), nil, 400, "more than 100 fields"},
		{"too many form fields", "POST", "/login", strings.Repeat("a&", 101), nil, 400, "more than 100 fields"},
		{"a form with a semicolon", "POST", "/login", "email=a;password=b", nil, 400, "form"},
		{"JSON that is cut off", "POST", "/login", `{"email":"a"`, nil, 400, "one JSON object"},
		{"JSON with a comma too many", "POST", "/login", `{"email":"a",}`, nil, 400, "one JSON object"},
		{"invalid UTF-8", "POST", "/login", "{\"email\":\"\xff\"}", nil, 400, "one JSON object"},
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

func TestARequestWithoutABodyIsRefused(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for contentType, status := range map[string]int{"application/json": 400, "application/x-www-form-urlencoded": 422, "": 415} {
		s.send(t, "POST", "/login", "", func(r *http.Request) {
			r.Body = nil
			r.Header.Set("Content-Type", contentType)
		}).want(t, status, "")
	}
}
