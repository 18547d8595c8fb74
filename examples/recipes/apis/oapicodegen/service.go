package oapicodegen

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
)

// New returns a service with the operations of openapi.yaml.
func New(auth *people.Auth) http.Handler {
	strict := NewStrictHandlerWithOptions(greetings{auth}, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc: badRequest(auth),
		// Without this, clients read the text of every error. With it, a handler may also return usher.ErrForbidden.
		ResponseErrorHandlerFunc: auth.Deny,
	})
	return HandlerWithOptions(strict, StdHTTPServerOptions{
		Middlewares:      []MiddlewareFunc{Middleware(auth, people.Guard)}, // of several, the last one runs first
		ErrorHandlerFunc: badRequest(auth),
	})
}

func badRequest(auth *people.Auth) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		auth.Deny(w, r, &usher.Rejection{Status: http.StatusBadRequest, Description: "The request can't be read.", Err: err})
	}
}

type greetings struct{ auth *people.Auth }

func (g greetings) hello(ctx context.Context) GreetingJSONResponse {
	return GreetingJSONResponse{Hello: people.Name(ctx, g.auth)}
}

func (g greetings) Me(ctx context.Context, _ MeRequestObject) (MeResponseObject, error) {
	return Me200JSONResponse{g.hello(ctx)}, nil
}

func (g greetings) Home(ctx context.Context, _ HomeRequestObject) (HomeResponseObject, error) {
	return Home200JSONResponse{g.hello(ctx)}, nil
}

func (g greetings) Write(ctx context.Context, request WriteRequestObject) (WriteResponseObject, error) {
	switch request.Id {
	case 2:
		return nil, usher.ErrForbidden // somebody else's post
	case 3:
		return nil, errors.New("secret detail of the database")
	}
	return Write200JSONResponse{g.hello(ctx)}, nil
}

func (g greetings) Admin(ctx context.Context, _ AdminRequestObject) (AdminResponseObject, error) {
	return Admin200JSONResponse{g.hello(ctx)}, nil
}

func (g greetings) Crash(context.Context, CrashRequestObject) (CrashResponseObject, error) {
	panic("secret detail of a bug")
}
