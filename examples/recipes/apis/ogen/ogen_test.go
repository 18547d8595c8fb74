package ogen_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/drive"
	"github.com/go-usher/usher/examples/recipes/apis/ogen"
	"github.com/go-usher/usher/examples/recipes/apis/ogen/api"
)

func TestTheServiceAnswersAsTheMiddlewareDecides(t *testing.T) {
	kit, service := newService(t)
	drive.Run(t, drive.Service{
		Kit:      kit,
		Handler:  service,
		Required: drive.Request{Method: "GET", Path: "/me"},
		Optional: drive.Request{Method: "GET", Path: "/home"},
		Scoped:   drive.Request{Method: "PUT", Path: "/posts/1", ContentType: "application/json", Body: `{"title":"A title"}`},
		Admins:   drive.Request{Method: "GET", Path: "/admin"},
		Panics:   drive.Request{Method: "GET", Path: "/panic"},
		Refusal: func(t *testing.T, resp drive.Response, want drive.Refusal) {
			t.Helper()
			var got map[string]string
			if err := json.Unmarshal([]byte(resp.Body), &got); err != nil {
				t.Fatalf("%s: %v", resp.Body, err)
			}
			if got["error_message"] != want.Text || got["reason"] != want.Reason {
				t.Errorf("the error is %v, want %+v", got, want)
			}
		},
	})
}

func newService(t *testing.T) (*drive.Kit, http.Handler) {
	t.Helper()
	kit := drive.New(t, usher.MiddlewareOptions{Reject: ogen.Reject})
	service, err := ogen.New(kit.Auth)
	if err != nil {
		t.Fatal(err)
	}
	return kit, service
}

// ogen checks the token before it reads anything else.
func TestErrorsOfOgenAndOfHandlersAreNoRefusals(t *testing.T) {
	kit, service := newService(t)
	tests := []struct {
		name, path, token, body string
		want                    int
	}{
		{"a stranger's parameter is not read", "/posts/x", "", `{"title":"A title"}`, http.StatusUnauthorized},
		{"a stranger's body is not read", "/posts/1", "", `{`, http.StatusUnauthorized},
		{"a user's parameter is", "/posts/x", kit.Ann(t), `{"title":"A title"}`, http.StatusBadRequest},
		{"a user's body is", "/posts/1", kit.Ann(t), `{`, http.StatusBadRequest},
		{"a handler's own refusal", "/posts/2", kit.Ann(t), `{"title":"A title"}`, http.StatusForbidden},
		{"a handler's error", "/posts/3", kit.Ann(t), `{"title":"A title"}`, http.StatusInternalServerError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, test.path, strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			w := httptest.NewRecorder()
			service.ServeHTTP(w, r)
			if w.Code != test.want || !strings.Contains(w.Body.String(), "error_message") {
				t.Errorf("the answer is %d, want %d: %s", w.Code, test.want, w.Body)
			}
			if strings.Contains(w.Body.String(), "secret detail") {
				t.Errorf("the body shows the cause: %s", w.Body)
			}
		})
	}
}

// What a SecurityHandler alone does, and why NewServer has more.
func TestASecurityHandlerAloneTurnsAnOutageIntoA401(t *testing.T) {
	server, err := api.NewServer(nil, outage{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/me", nil)
	r.Header.Add("Authorization", "Bearer one")
	r.Header.Add("Authorization", "Bearer two")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "saw one: usher: unavailable") || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("ogen answers %d: %s; if it does better now, so can the recipe", w.Code, w.Body)
	}
}

type outage struct{}

func (outage) HandleBearerAuth(_ context.Context, _ api.OperationName, t api.BearerAuth) (context.Context, error) {
	return nil, fmt.Errorf("saw %s: %w", t.Token, usher.ErrUnavailable)
}
