package ogen

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
	"github.com/go-usher/usher/examples/recipes/apis/ogen/api"
)

// New returns a service with the operations of openapi.yaml.
func New(auth *people.Auth) (http.Handler, error) {
	return NewServer(greetings{auth}, auth, people.Guard)
}

type greetings struct{ auth *people.Auth }

func (g greetings) Me(ctx context.Context) (*api.Greeting, error) {
	return &api.Greeting{Hello: people.Name(ctx, g.auth)}, nil
}

func (g greetings) Home(ctx context.Context) (*api.Greeting, error) { return g.Me(ctx) }

func (g greetings) Write(ctx context.Context, _ *api.WriteReq, params api.WriteParams) (*api.Greeting, error) {
	switch params.ID {
	case 2:
		return nil, usher.ErrForbidden // somebody else's post
	case 3:
		return nil, errors.New("secret detail of the database")
	}
	return g.Me(ctx)
}

func (g greetings) Admin(ctx context.Context) (*api.Greeting, error) { return g.Me(ctx) }

func (g greetings) Crash(context.Context) (*api.Greeting, error) {
	panic("secret detail of a bug")
}
