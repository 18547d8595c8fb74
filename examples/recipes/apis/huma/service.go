package huma

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
)

// Greeting is what all operations return.
type Greeting struct {
	Body struct {
		Hello string `json:"hello"`
	}
}

// New returns a service whose operations show what Middleware understands.
func New(auth *people.Auth) http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Greetings", "1.0.0")
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	api := humago.New(mux, config)
	api.UseMiddleware(Middleware(api, auth, "bearer", people.Guard)) // before any operation is registered

	greet := func(ctx context.Context, _ *struct{}) (*Greeting, error) { return greeting(ctx, auth), nil }
	needs := func(scopes ...string) []map[string][]string { return []map[string][]string{{"bearer": scopes}} }
	huma.Register(api, huma.Operation{
		OperationID: "me", Method: http.MethodGet, Path: "/me", Security: needs(),
	}, greet)
	huma.Register(api, huma.Operation{
		OperationID: "home", Method: http.MethodGet, Path: "/home", Security: append(needs(), map[string][]string{}),
	}, greet)
	huma.Register(api, huma.Operation{
		OperationID: "write", Method: http.MethodPost, Path: "/posts", Security: needs("posts:write"),
	}, func(ctx context.Context, _ *struct {
		Body struct {
			Title string `json:"title" minLength:"1"`
		}
	},
	) (*Greeting, error) {
		return greeting(ctx, auth), nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "admin", Method: http.MethodGet, Path: "/admin", Security: needs("admin"),
	}, greet)
	huma.Register(api, huma.Operation{
		OperationID: "panic", Method: http.MethodGet, Path: "/panic", // without Security, a token is required
	}, func(context.Context, *struct{}) (*Greeting, error) {
		panic("secret detail of a bug")
	})
	return mux
}

func greeting(ctx context.Context, auth *people.Auth) *Greeting {
	hello := new(Greeting)
	hello.Body.Hello = people.Name(ctx, auth)
	return hello
}
