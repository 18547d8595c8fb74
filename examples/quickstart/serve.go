package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	requestTimeout  = 10 * time.Second // of a handler, with its waits for the database and for password hashing
	shutdownTimeout = 15 * time.Second
)

// serve serves until ctx is done. It then finishes the requests in progress, and calls finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, finish func(context.Context) error, log *slog.Logger) error {
	server := &http.Server{
		Handler:           withTimeout(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("listening", "url", "http://"+listener.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping, once the requests that are being served are finished")
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		_ = server.Close()
		return fmt.Errorf("some requests were cut off: %w", err)
	}
	if err := finish(deadline); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// withTimeout gives each request a deadline. Whatever waits with the request's context fails then, which is a 503.
func withTimeout(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// inBackground runs do until stop is called, which waits for it to return.
func inBackground(ctx context.Context, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		do(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}
