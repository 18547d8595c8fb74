package twirp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/twitchtv/twirp"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/drive"
	twirprecipe "github.com/go-usher/usher/examples/recipes/apis/twirp"
	"github.com/go-usher/usher/examples/recipes/apis/twirp/api"
)

func call(method, body string) drive.Request {
	return drive.Request{Method: "POST", Path: "/twirp/greetings.Greetings/" + method, ContentType: "application/json", Body: body}
}

func TestTheServiceAnswersAsTheMiddlewareDecides(t *testing.T) {
	codes := map[int]string{400: "invalid_argument", 401: "unauthenticated", 403: "permission_denied", 500: "internal", 503: "unavailable"}
	kit := drive.New(t, usher.MiddlewareOptions{Reject: twirprecipe.Reject})
	drive.Run(t, drive.Service{
		Kit:      kit,
		Handler:  twirprecipe.New(kit.Auth),
		Required: call("Me", `{}`),
		Optional: call("Home", `{}`),
		Scoped:   call("Write", `{"title":"A title"}`),
		Admins:   call("Admin", `{}`),
		Panics:   call("Write", `{"title":"panic"}`),
		Refusal: func(t *testing.T, resp drive.Response, want drive.Refusal) {
			t.Helper()
			var got struct {
				Code, Msg string
				Meta      map[string]string
			}
			if err := json.Unmarshal([]byte(resp.Body), &got); err != nil {
				t.Fatalf("%s: %v", resp.Body, err)
			}
			if got.Code != codes[want.Status] || got.Msg != want.Text || got.Meta["reason"] != want.Reason {
				t.Errorf("the error is %+v, want %+v", got, want)
			}
		},
	})
}

func TestAClientOfTwirpUnderstandsTheRefusals(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{Reject: twirprecipe.Reject})
	server := httptest.NewServer(twirprecipe.New(kit.Auth))
	t.Cleanup(server.Close)
	client := api.NewGreetingsProtobufClient(server.URL, server.Client())
	tests := []struct {
		name, token, title string
		code               twirp.ErrorCode
		message, reason    string
	}{
		{"a good call", kit.Ann(t), "A title", twirp.NoError, "", ""},
		{"a stranger", "", "A title", twirp.Unauthenticated, "An access token is required.", "no_token"},
		{"a user without the scope", kit.Bob(t), "A title", twirp.PermissionDenied, "The access token lacks a scope.", "scope"},
		{"an error of Twirp's own", kit.Ann(t), "", twirp.InvalidArgument, "title is required", ""},
		{"a method's own refusal", kit.Ann(t), "foreign", twirp.PermissionDenied, "This is not allowed.", "forbidden"},
		{"a method's error", kit.Ann(t), "lost", twirp.Internal, "The request can't be served.", "error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{}
			if test.token != "" {
				header.Set("Authorization", "Bearer "+test.token)
			}
			ctx, err := twirp.WithHTTPRequestHeaders(t.Context(), header)
			if err != nil {
				t.Fatal(err)
			}
			greeting, err := client.Write(ctx, &api.Post{Title: test.title})
			if test.code == twirp.NoError {
				if err != nil || greeting.GetHello() != "Ann" {
					t.Errorf("the answer is %v, %v", greeting, err)
				}
				return
			}
			refused, ok := errors.AsType[twirp.Error](err)
			if !ok || refused.Code() != test.code || refused.Msg() != test.message || refused.Meta("reason") != test.reason {
				t.Errorf("the error is %v (%q), want %s: %s (%q)", err, refused.Meta("reason"), test.code, test.message, test.reason)
			}
		})
	}
}

// What Twirp does with a plain error, and why the recipe has an interceptor.
func TestWithoutTheInterceptorAClientReadsTheCause(t *testing.T) {
	server := httptest.NewServer(api.NewGreetingsServer(failing{}))
	t.Cleanup(server.Close)
	_, err := api.NewGreetingsProtobufClient(server.URL, server.Client()).Me(t.Context(), &api.Empty{})
	refused, ok := errors.AsType[twirp.Error](err)
	if !ok || refused.Code() != twirp.Internal || refused.Msg() != "usher: forbidden: a secret detail" {
		t.Errorf("the error is %v; if Twirp does better now, so can the recipe", err)
	}
}

// failing is a service whose methods but one are not called.
type failing struct{ api.Greetings }

func (failing) Me(context.Context, *api.Empty) (*api.Greeting, error) {
	return nil, fmt.Errorf("%w: a secret detail", usher.ErrForbidden)
}
