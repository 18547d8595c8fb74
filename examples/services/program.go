package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// settings are what a program reads from its environment.
type settings struct {
	addr   string // ADDR, where it listens
	issuer string // ISSUER, the issuer's URL: all that a service knows of it

	keys          string // KEYS, the issuer's folder of keys
	sessions      string // SESSIONS, the issuer's SQLite file
	sessionSecret string // SESSION_SECRET, protects refresh tokens
	password      string // PASSWORD, of the users ada and grace

	stock        string // STOCK, the URL of the stock service
	ordersSecret string // ORDERS_SECRET, by which the issuer knows the orders service

	// The demonstration shortens these times. The defaults are usher's.
	ttl      time.Duration // TOKEN_TTL
	maxAge   time.Duration // KEYS_MAX_AGE, how long verifiers may use a set of keys before they look again
	interval time.Duration // KEYS_INTERVAL, how often the issuer looks at its files
}

func readSettings(getenv func(string) string) (settings, error) {
	s := settings{
		addr: getenv("ADDR"), issuer: getenv("ISSUER"),
		keys: getenv("KEYS"), sessions: getenv("SESSIONS"), sessionSecret: getenv("SESSION_SECRET"), password: getenv("PASSWORD"),
		stock: getenv("STOCK"), ordersSecret: getenv("ORDERS_SECRET"),
		ttl: 15 * time.Minute, maxAge: 15 * time.Minute, interval: 10 * time.Second,
	}
	for name, d := range map[string]*time.Duration{"TOKEN_TTL": &s.ttl, "KEYS_MAX_AGE": &s.maxAge, "KEYS_INTERVAL": &s.interval} {
		if text := getenv(name); text != "" {
			var err error
			if *d, err = time.ParseDuration(text); err != nil {
				return settings{}, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return s, nil
}

// decoder returns the issuer's keys and a decoder of its tokens for one audience. It does not wait for the issuer.
func decoder(s settings, audience string, log *slog.Logger) (*jwks.Remote, *usher.Decoder[usher.Claims], error) {
	keys, err := jwks.NewIssuer(s.issuer, &jwks.RemoteOptions{
		MaxAge:      s.maxAge,
		MinInterval: min(10*time.Second, s.maxAge),
		OnFetch: func(f jwks.Fetch) {
			if f.Err != nil {
				log.Warn("the issuer's keys can't be fetched", "known", f.Keys, "error", f.Err)
			}
		},
	})
	if err != nil {
		return nil, nil, err
	}
	d, err := usher.NewDecoder[usher.Claims](keys, &usher.DecoderOptions{
		Issuer: s.issuer, Audience: usher.Audience{audience}, CacheSize: 10_000,
	})
	return keys, d, err
}

// ready responds with 200 once the issuer's keys are there.
func ready(keys *jwks.Remote) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if len(keys.Keys()) == 0 {
			http.Error(w, "no keys of the issuer yet", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
}

// serve serves until ctx is done. It then finishes the requests in progress.
func serve(ctx context.Context, addr string, handler http.Handler, log *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Info("listening", "url", "http://"+listener.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	defer log.Info("stopped")
	return server.Shutdown(deadline)
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone away needs no answer
}
