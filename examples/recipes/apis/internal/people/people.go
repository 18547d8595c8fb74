// Package people has the users of the services in these recipes, and the middleware that finds them.
package people

import (
	"context"
	"slices"

	"github.com/go-usher/usher"
)

// User is a user of the services.
type User struct {
	ID, Name string
	Admin    bool
}

// Auth is the services' middleware. The user is in the handler's context: Auth.User returns it.
type Auth = usher.Middleware[usher.Claims, *User]

// Find is the user function of an Auth. In a service of your own it asks the database.
func Find(_ context.Context, c *usher.Claims) (*User, error) {
	switch c.Subject {
	case "1":
		return &User{ID: "1", Name: "Ann", Admin: true}, nil
	case "2":
		return &User{ID: "2", Name: "Bob"}, nil
	}
	return nil, usher.ErrNoUser
}

// Name returns the name of the current user of auth, or "stranger" if there is none.
func Name(ctx context.Context, auth *Auth) string {
	if user, ok := auth.User(ctx); ok {
		return user.Name
	}
	return "stranger"
}

// Guard is usher.RequireScope with one more word: "admin" is not a scope but the role of that name.
func Guard(scopes ...string) usher.Guard {
	rest := slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return scope == "admin" })
	if len(rest) == len(scopes) {
		return usher.RequireScope(scopes...)
	}
	return func(ctx context.Context) error {
		user, ok := usher.UserFromContext[*User](ctx)
		switch {
		case !ok:
			return usher.ErrNoToken
		case !user.Admin:
			return usher.ErrForbidden
		case len(rest) > 0:
			return usher.RequireScope(rest...)(ctx)
		}
		return nil
	}
}
