package huma_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/huma"
	"github.com/go-usher/usher/examples/recipes/apis/internal/drive"
)

func TestTheServiceAnswersAsTheMiddlewareDecides(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	drive.Run(t, drive.Service{
		Kit:      kit,
		Handler:  huma.New(kit.Auth),
		Required: drive.Request{Method: "GET", Path: "/me"},
		Optional: drive.Request{Method: "GET", Path: "/home"},
		Scoped:   drive.Request{Method: "POST", Path: "/posts", ContentType: "application/json", Body: `{"title":"A title"}`},
		Admins:   drive.Request{Method: "GET", Path: "/admin"},
		Panics:   drive.Request{Method: "GET", Path: "/panic"},
		Refusal:  drive.IsProblem,
	})
}

// huma reads the body after its middlewares have run, so a stranger learns nothing about a body's faults.
func TestAStrangersBodyIsNotValidated(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	service := huma.New(kit.Auth)
	for token, want := range map[string]int{"": http.StatusUnauthorized, kit.Bob(t): http.StatusForbidden, kit.Ann(t): http.StatusUnprocessableEntity} {
		r := httptest.NewRequest(http.MethodPost, "/posts", strings.NewReader(`{"title":""}`))
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("the status is %d, want %d: %s", w.Code, want, w.Body)
		}
	}
}

// What huma serves by itself does not pass its middlewares: wrap the mux in auth.Require if the description is no public one.
func TestTheDescriptionIsPublic(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	w := httptest.NewRecorder()
	huma.New(kit.Auth).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"bearer"`) {
		t.Errorf("the description is %d: %s", w.Code, w.Body)
	}
}
