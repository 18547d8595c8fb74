package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/sqlstore"
)

// stores is where the sessions are kept, and where attempts to log in are counted.
type stores struct {
	sessions session.Store
	throttle session.Throttle
	kind     string // "SQLite", "PostgreSQL" or "Redis"
	place    string // where it is, for the log
	opened   io.Closer
}

// Close closes what openStores has opened, at the end.
func (s *stores) Close() { _ = s.opened.Close() }

// openStores opens Redis, if there is one. Otherwise sessions are kept beside their users, and attempts are counted in
// memory: by each process for itself.
func openStores(ctx context.Context, cfg config, users *users) (*stores, error) {
	if cfg.redis != nil {
		return openRedis(ctx, cfg.redis)
	}
	store := usher.Must(sqlstore.New(users.db, cfg.database.dialect, nil))
	if err := store.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %s at %s: %w", cfg.database.kind, cfg.database.place, err)
	}
	throttle := usher.Must(session.NewMemoryThrottle(nil))
	return &stores{store, throttle, cfg.database.kind, cfg.database.place, store}, nil
}

func openRedis(ctx context.Context, opts *redis.Options) (*stores, error) {
	client := redis.NewClient(opts)
	if err := client.Ping(ctx).Err(); err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("REDIS_URL: Redis at %s: %w", opts.Addr, err)
	}
	own := &redisstore.Options{Prefix: "quickstart:"} // others may use the same Redis
	return &stores{
		sessions: usher.Must(redisstore.New(client, own)),
		throttle: usher.Must(redisstore.NewThrottle(client, own, nil)),
		kind:     "Redis",
		place:    fmt.Sprintf("%s/%d", opts.Addr, opts.DB),
		opened:   client,
	}, nil
}

// parseRedisURL reads redis://…; without one it returns nil.
func parseRedisURL(text string) (*redis.Options, error) {
	if text == "" {
		return nil, nil
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" {
		return nil, errors.New("it is neither redis://USER:PASSWORD@HOST/NUMBER nor rediss://…") // and not shown, for its password
	}
	opts, err := redis.ParseURL(text)
	if err != nil {
		return nil, err
	}
	opts.ContextTimeoutEnabled = true // a request's deadline counts here as well
	opts.DialerRetries = 1            // commands are tried again anyway
	return opts, nil
}

// check refuses access tokens whose session has ended. One that names no session was issued before there were any, or by
// another service with the same key, and is good until it expires.
func (s *service) check(ctx context.Context, c *usher.Claims) error {
	if c.SessionID == "" {
		return nil
	}
	return s.sessions.Check(ctx, c)
}

// prune removes expired sessions from the database until ctx is done. Redis does so by itself.
func (s *service) prune(ctx context.Context) {
	_ = s.sessions.PruneEvery(ctx, time.Hour, func(err error) {
		s.log.Error("expired sessions not removed", "reason", err)
	})
}

// logTheft returns a function that logs where a stolen refresh token was in use.
func logTheft(log *slog.Logger) func(context.Context, session.Event) {
	return func(ctx context.Context, e session.Event) {
		if e.Kind == session.EventReused {
			log.WarnContext(ctx, "session ended: its refresh token was used twice, so somebody has a copy", "user", e.Subject, "session", e.SessionID)
		}
	}
}
