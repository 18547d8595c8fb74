package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/go-usher/usher"
)

// runStock serves other services. No user calls it, and a user's token is refused: its audience is another.
func runStock(ctx context.Context, s settings, log *slog.Logger) error {
	keys, tokens, err := decoder(s, "stock", log)
	if err != nil {
		return err
	}
	auth, err := usher.NewMiddleware(tokens, callerOf, nil)
	if err != nil {
		return err
	}
	readers := auth.With(usher.RequireScope("reservations:read"))
	items := map[string]int{"ada": 2, "grace": 3}

	mux := http.NewServeMux()
	mux.Handle("GET /ready", ready(keys))
	mux.Handle("GET /reserved/{user}", readers.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *caller) {
		respond(w, http.StatusOK, map[string]int{"items": items[r.PathValue("user")]})
	}))
	return serve(ctx, s.addr, mux, log)
}

// caller is the service that sends the request.
type caller struct{ Name string }

func callerOf(_ context.Context, c *usher.Claims) (*caller, error) { return &caller{c.Subject}, nil }
