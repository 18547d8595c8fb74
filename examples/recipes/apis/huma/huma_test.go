package huma_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	humaapi "github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

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

type requestID struct{}

// The adapter's request does not have what earlier middlewares have put into huma's context.
func TestTheHandlerSeesWhatEarlierMiddlewaresLeft(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	mux := http.NewServeMux()
	api := humago.New(mux, humaapi.DefaultConfig("Test", "1.0.0"))
	api.UseMiddleware(
		func(ctx humaapi.Context, next func(humaapi.Context)) {
			next(humaapi.WithValue(ctx, requestID{}, "r-1"))
		},
		huma.Middleware(api, kit.Auth, "bearer", usher.RequireScope),
	)
	humaapi.Get(api, "/me", func(ctx context.Context, _ *struct{}) (*struct{ Body string }, error) {
		user, _ := kit.Auth.User(ctx)
		return &struct{ Body string }{fmt.Sprint(user.Name, " ", ctx.Value(requestID{}))}, nil
	})
	r := httptest.NewRequest(http.MethodGet, "/me", nil)
	r.Header.Set("Authorization", "Bearer "+kit.Ann(t))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if got := strings.TrimSpace(w.Body.String()); got != `"Ann r-1"` {
		t.Errorf("the answer is %s", got)
	}
}
