package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/go-usher/usher"
)

// runOrders serves users. It asks the stock service, with a token of its own, what is reserved for them.
func runOrders(ctx context.Context, s settings, log *slog.Logger) error {
	keys, tokens, err := decoder(s, "orders", log)
	if err != nil {
		return err
	}
	auth, err := usher.NewMiddleware(tokens, userOf, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second}
	stock := &stockClient{url: s.stock, client: client, tokens: &serviceTokens{
		endpoint: s.issuer + "/token", id: "orders", secret: s.ordersSecret, client: client,
	}}
	mux := http.NewServeMux()
	mux.Handle("GET /ready", ready(keys))
	mux.Handle("GET /orders", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, u *user) {
		reserved, err := stock.reserved(r.Context(), u.ID)
		if err != nil {
			auth.Deny(w, r, err)
			return
		}
		respond(w, http.StatusOK, map[string]any{"user": u.ID, "reserved": reserved})
	}))
	return serve(ctx, s.addr, mux, log)
}

// user is who sends the request.
type user struct{ ID string }

func userOf(_ context.Context, c *usher.Claims) (*user, error) { return &user{c.Subject}, nil }

// stockClient calls the stock service.
type stockClient struct {
	url    string
	client *http.Client
	tokens *serviceTokens
}

// reserved returns how many items are reserved for a user. The user's ID is data of the request; the token in it is the
// service's own. If there is no answer, the error is usher.ErrUnavailable: whatever went wrong is no fault of the user's.
func (c *stockClient) reserved(ctx context.Context, userID string) (int, error) {
	token, err := c.tokens.get(ctx)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/reserved/"+url.PathEscape(userID), nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", usher.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%w: the stock service responds with %s", usher.ErrUnavailable, resp.Status)
	}
	var answer struct{ Items int }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer); err != nil {
		return 0, fmt.Errorf("%w: the stock service: %w", usher.ErrUnavailable, err)
	}
	return answer.Items, nil
}
