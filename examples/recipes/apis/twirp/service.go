package twirp

import (
	"context"
	"errors"
	"net/http"

	"github.com/twitchtv/twirp"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
	"github.com/go-usher/usher/examples/recipes/apis/twirp/api"
)

// New returns the service. A method's path is a route as any other, so its middleware stands where it is mounted. Mount the
// methods one by one: then a method that is new is not found until somebody has decided who may call it.
func New(auth *people.Auth) http.Handler {
	server := api.NewGreetingsServer(greetings{auth}, twirp.WithServerInterceptors(Errors(auth)))
	mux := http.NewServeMux()
	mux.Handle(server.PathPrefix()+"Me", auth.Require(server))
	mux.Handle(server.PathPrefix()+"Home", auth.Optional(server))
	mux.Handle(server.PathPrefix()+"Write", auth.With(people.Guard("posts:write")).Require(server))
	mux.Handle(server.PathPrefix()+"Admin", auth.With(people.Guard("admin")).Require(server))
	return mux
}

type greetings struct{ auth *people.Auth }

func (g greetings) hello(ctx context.Context) (*api.Greeting, error) {
	return &api.Greeting{Hello: people.Name(ctx, g.auth)}, nil
}

func (g greetings) Me(ctx context.Context, _ *api.Empty) (*api.Greeting, error) { return g.hello(ctx) }
func (g greetings) Home(ctx context.Context, _ *api.Empty) (*api.Greeting, error) {
	return g.hello(ctx)
}
func (g greetings) Admin(ctx context.Context, _ *api.Empty) (*api.Greeting, error) {
	return g.hello(ctx)
}

func (g greetings) Write(ctx context.Context, post *api.Post) (*api.Greeting, error) {
	switch post.GetTitle() {
	case "":
		return nil, twirp.RequiredArgumentError("title")
	case "foreign":
		return nil, usher.ErrForbidden // somebody else's post
	case "lost":
		return nil, errors.New("secret detail of the database")
	case "panic":
		panic("secret detail of a bug")
	}
	return g.hello(ctx)
}
