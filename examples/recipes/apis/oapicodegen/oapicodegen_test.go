package oapicodegen_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/drive"
	"github.com/go-usher/usher/examples/recipes/apis/oapicodegen"
)

func TestTheServiceAnswersAsTheMiddlewareDecides(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	drive.Run(t, drive.Service{
		Kit:      kit,
		Handler:  oapicodegen.New(kit.Auth),
		Required: drive.Request{Method: "GET", Path: "/me"},
		Optional: drive.Request{Method: "GET", Path: "/home"},
		Scoped:   drive.Request{Method: "PUT", Path: "/posts/1", ContentType: "application/json", Body: `{"title":"A title"}`},
		Admins:   drive.Request{Method: "GET", Path: "/admin"},
		Panics:   drive.Request{Method: "GET", Path: "/panic"},
		Refusal:  drive.IsProblem,
	})
}

// The generated code reads the parameters before the middlewares run, and the body after them.
func TestWhatIsReadBeforeTheToken(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	service := oapicodegen.New(kit.Auth)
	tests := []struct {
		name, path, token, body string
		want                    int
	}{
		{"a bad parameter is told to strangers", "/posts/x", "", `{"title":"A title"}`, http.StatusBadRequest},
		{"a bad body is not", "/posts/1", "", `{`, http.StatusUnauthorized},
		{"nor to users who may not write", "/posts/1", kit.Bob(t), `{`, http.StatusForbidden},
		{"but to those who may", "/posts/1", kit.Ann(t), `{`, http.StatusBadRequest},
		{"a handler's own refusal", "/posts/2", kit.Ann(t), `{"title":"A title"}`, http.StatusForbidden},
		{"a handler's error", "/posts/3", kit.Ann(t), `{"title":"A title"}`, http.StatusInternalServerError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, test.path, strings.NewReader(test.body))
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			w := httptest.NewRecorder()
			service.ServeHTTP(w, r)
			if w.Code != test.want || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("the answer is %d, want %d: %s", w.Code, test.want, w.Body)
			}
			if strings.Contains(w.Body.String(), "secret detail") {
				t.Errorf("the body shows the cause: %s", w.Body)
			}
		})
	}
}
