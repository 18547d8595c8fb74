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

// stores holds the store of the sessions and the throttle of logins.
type stores struct {
	sessions session.Store
	throttle session.Throttle
	kind     string // "SQLite", "PostgreSQL" or "Redis"
	place    string // where it is, for the log
	opened   io.Closer
}

// Close closes what openStores opened.
func (s *stores) Close() { _ = s.opened.Close() }

// openStores opens Redis if it is configured. Otherwise sessions are stored in the database of the users, and each process
// counts logins in its own memory.
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
	own := &redisstore.Options{Prefix: "quickstart:"} // other programs may use the same Redis
	return &stores{
		sessions: usher.Must(redisstore.New(client, own)),
		throttle: usher.Must(redisstore.NewThrottle(client, own, nil)),
		kind:     "Redis",
		place:    fmt.Sprintf("%s/%d", opts.Addr, opts.DB),
		opened:   client,
	}, nil
}

// parseRedisURL parses redis://… or rediss://…. It returns nil for an empty text.
func parseRedisURL(text string) (*redis.Options, error) {
	if text == "" {
		return nil, nil
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" {
		return nil, errors.New("it is neither redis://USER:PASSWORD@HOST/NUMBER nor rediss://…") // the URL is not shown, because it may contain a password
	}
	opts, err := redis.ParseURL(text)
	if err != nil {
		return nil, err
	}
	opts.ContextTimeoutEnabled = true // commands observe the request's deadline
	opts.DialerRetries = 1            // the client retries commands anyway
	return opts, nil
}

// check refuses access tokens whose session has ended. A token without a session was issued by an older version, or by
// another service with the same key. It is valid until it expires.
func (s *service) check(ctx context.Context, c *usher.Claims) error {
	if c.SessionID == "" {
		return nil
	}
	return s.sessions.Check(ctx, c)
}

// prune removes expired sessions from the database until ctx is done. Redis removes them itself.
func (s *service) prune(ctx context.Context) {
	_ = s.sessions.PruneEvery(ctx, time.Hour, func(err error) {
		s.log.Error("expired sessions not removed", "reason", err)
	})
}

// logTheft returns a function that logs the reuse of refresh tokens.
func logTheft(log *slog.Logger) func(context.Context, session.Event) {
	return func(ctx context.Context, e session.Event) {
		if e.Kind == session.EventReused {
			log.WarnContext(ctx, "session ended: its refresh token was used twice, so somebody has a copy", "user", e.Subject, "session", e.SessionID)
		}
	}
}
