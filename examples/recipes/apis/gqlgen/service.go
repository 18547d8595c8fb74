package gqlgen

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/transport"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
)

// New returns a service with the fields of schema.graphqls.
func New(auth *people.Auth) http.Handler {
	server := handler.New(NewExecutableSchema(Config{
		Resolvers:  resolver{auth},
		Directives: DirectiveRoot{Auth: Directive(auth, people.Guard)},
	}))
	server.AddTransport(transport.POST{})
	// Strangers send queries too. Of 20,000 aliases of one field, gqlgen makes 3 MB of refusals, in seconds.
	server.SetParserTokenLimit(1_000)
	server.Use(extension.FixedComplexityLimit(100))
	server.SetErrorPresenter(ErrorPresenter(auth))
	server.SetRecoverFunc(func(ctx context.Context, cause any) error {
		slog.ErrorContext(ctx, "panic in a resolver", "cause", cause)
		return errPanic
	})
	return http.MaxBytesHandler(auth.Optional(server), 64<<10)
}

var errPanic = errors.New("panic in a resolver")

type resolver struct{ auth *people.Auth }

func (r resolver) Query() QueryResolver       { return r }
func (r resolver) Mutation() MutationResolver { return r }

func (r resolver) Hello(ctx context.Context) (string, error) { return people.Name(ctx, r.auth), nil }
func (r resolver) Admin(ctx context.Context) (string, error) { return people.Name(ctx, r.auth), nil }
func (r resolver) Crash(context.Context) (string, error)     { panic("secret detail of a bug") }

func (r resolver) Me(ctx context.Context) (*string, error) {
	name := people.Name(ctx, r.auth)
	return &name, nil
}

func (r resolver) Write(ctx context.Context, title string) (string, error) {
	switch title {
	case "foreign":
		return "", usher.ErrForbidden // somebody else's post
	case "lost":
		return "", errors.New("secret detail of the database")
	}
	return people.Name(ctx, r.auth), nil
}
