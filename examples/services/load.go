package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	clients = 4
	pace    = 15 * time.Millisecond // between two requests of a client
	renewal = time.Second           // how long a client uses an access token
)

// load is clients that are logged in and send requests. It counts them by phases of the demonstration.
type load struct {
	issuer, orders, password string
	http                     *http.Client
	clients                  []*client

	mu     sync.Mutex
	phases []*phase
	keys   map[string]time.Time // when a token of the key was first accepted
	heard  chan struct{}        // closed and replaced when keys changes
}

// phase is what the clients saw in it.
type phase struct {
	name    string
	took    []time.Duration
	refused []string
}

// begin starts a phase: requests that are sent from now on count for it.
func (l *load) begin(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phases = append(l.phases, &phase{name: name})
}

// login logs the clients in.
func (l *load) login(ctx context.Context) error {
	for i := range clients {
		c := &client{load: l, user: []string{"ada", "grace"}[i%2]}
		if err := c.login(ctx); err != nil {
			return err
		}
		l.clients = append(l.clients, c)
	}
	return nil
}

// start lets the clients send requests until stop is called, which waits for the last of them.
func (l *load) start(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	for _, c := range l.clients {
		running.Go(func() { c.run(ctx, done) })
	}
	return sync.OnceFunc(func() {
		close(done)
		running.Wait()
	})
}

// awaitKey waits until a token of another key than this one is accepted, and returns its ID.
func (l *load) awaitKey(ctx context.Context, old string) (string, error) {
	for {
		l.mu.Lock()
		heard := l.heard
		for id := range l.keys {
			if id != old {
				l.mu.Unlock()
				return id, nil
			}
		}
		l.mu.Unlock()
		select {
		case <-heard:
		case <-ctx.Done():
			return "", fmt.Errorf("no token of another key: %w", context.Cause(ctx))
		}
	}
}

// client is one logged-in client.
type client struct {
	*load
	user            string
	access, refresh string
	renewed         time.Time
}

func (c *client) run(ctx context.Context, done <-chan struct{}) {
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if time.Since(c.renewed) > renewal {
			_ = c.session(ctx, "/refresh", map[string]string{"refresh_token": c.refresh}) // the old one serves until then
		}
		c.send(ctx)
	}
}

func (c *client) login(ctx context.Context) error {
	return c.session(ctx, "/login", map[string]string{"username": c.user, "password": c.password})
}

// session gets new tokens of the issuer.
func (c *client) session(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	status, answer, err := c.do(ctx, http.MethodPost, c.issuer+path, "", text)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("%s: %d %s %w", path, status, answer, err)
	}
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(answer, &tokens); err != nil {
		return err
	}
	c.access, c.refresh, c.renewed = tokens.Access, tokens.Refresh, time.Now()
	return nil
}

// send sends one request and counts it.
func (c *client) send(ctx context.Context) {
	c.mu.Lock()
	now := c.phases[len(c.phases)-1]
	c.mu.Unlock()
	began := time.Now()
	status, answer, err := c.do(ctx, http.MethodGet, c.orders+"/orders", c.access, nil)
	took := time.Since(began)

	c.mu.Lock()
	defer c.mu.Unlock()
	now.took = append(now.took, took)
	if err != nil || status != http.StatusOK || !strings.Contains(string(answer), `"user":"`+c.user+`"`) {
		now.refused = append(now.refused, fmt.Sprint(status, " ", string(answer), " ", err))
		return
	}
	if id := keyID(c.access); c.keys[id].IsZero() {
		c.keys[id] = time.Now()
		close(c.heard)
		c.heard = make(chan struct{})
	}
}

// do sends a request and returns the response's status and body.
func (l *load) do(ctx context.Context, method, url, token string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := l.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, answer, err
}

// percentile returns the duration that p percent of all are not above.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)*p/100]
}
