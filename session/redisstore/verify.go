package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/internal/clock"
)

// Verify checks whether Redis, or every master of a cluster, can keep sessions. It returns an error for a version
// before 7.0, a replica instead of a master, a maxmemory-policy that evicts keys, fewer replicas than Options.Replicas,
// commands that the ACL forbids, or a clock that differs from this process's by more than two seconds. It needs the
// commands INFO and TIME. Call it when the service starts; Manager.PruneEvery calls it at each interval.
func (s *Store) Verify(ctx context.Context) error {
	_, err := call(ctx, &s.boundedClient, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.verify(ctx)
	})
	return err
}

func (s *Store) verify(ctx context.Context) error {
	err := s.verifyServer(ctx, s.client)
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return s.verifyServer(ctx, c) })
	}
	if err != nil {
		return err
	}
	subject, now := "usher verifies "+rand.Text(), time.Now()
	if _, err := s.Lookup(ctx, subject, "none", now); !errors.Is(err, session.ErrSessionEnded) {
		return fmt.Errorf("redisstore: HGET: %w", err)
	}
	if _, err := s.End(ctx, subject, "none", now); err != nil {
		return fmt.Errorf("redisstore: a script: %w", err)
	}
	return nil
}

func (s *Store) verifyServer(ctx context.Context, server redis.Cmdable) error {
	text, err := server.Info(ctx).Result()
	if err != nil {
		return fmt.Errorf("redisstore: INFO: %w", err)
	}
	info := parseInfo(text)
	var mistakes []error
	bad := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("redisstore: "+format, args...))
	}
	if major, _, _ := strings.Cut(info["redis_version"], "."); intOrZero(major) < 7 {
		bad("Redis %s is too old; 7.0 or later is required", info["redis_version"])
	}
	if info["role"] != "master" {
		bad("the server's role is %q; sessions need the master", info["role"])
	}
	if policy := info["maxmemory_policy"]; intOrZero(info["maxmemory"]) > 0 && policy != "noeviction" {
		bad("maxmemory-policy is %s, which evicts sessions and cut-offs; set noeviction", policy)
	}
	if n := intOrZero(info["connected_slaves"]); n < s.replicas {
		bad("%d replicas are connected, but Options.Replicas is %d", n, s.replicas)
	}
	if err := clock.Check(func() (time.Time, error) { return server.Time(ctx).Result() }); err != nil {
		bad("%w", err)
	}
	return errors.Join(mistakes...)
}

// parseInfo parses the lines of INFO.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// intOrZero parses a number. For any other text it returns 0.
func intOrZero(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
