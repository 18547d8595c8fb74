package redisstore

import (
	"context"
	"reflect"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session/internal/bounded"
)

// clientMistakes returns a usher.ConfigError for each reason why the client can't be used.
func clientMistakes(client redis.UniversalClient, replicas int) []error {
	var mistakes []error
	bad := func(reason string) {
		mistakes = append(mistakes, &usher.ConfigError{Field: "client", Reason: reason})
	}
	if v := reflect.ValueOf(client); client == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		bad("is required")
		return mistakes
	}
	if _, ok := client.(interface{ Options() *redis.RingOptions }); ok {
		bad("must not be a Ring, which moves keys to another server when one is down; use Redis Cluster or Sentinel")
	}
	if cluster, ok := client.(interface{ Options() *redis.ClusterOptions }); ok {
		o := cluster.Options()
		for _, setting := range []struct {
			on   bool
			name string
		}{{o.RouteByLatency, "RouteByLatency"}, {o.RouteRandomly, "RouteRandomly"}, {o.ReadOnly && !o.RouteByLatency && !o.RouteRandomly, "ReadOnly"}} {
			if setting.on {
				bad("must not have " + setting.name + ": replicas lag, so sessions would be missing after a login and alive after a logout")
			}
		}
	}
	switch client.(type) {
	case *redis.Client, *redis.ClusterClient:
	default:
		if replicas > 0 {
			bad("must be a *redis.Client or *redis.ClusterClient if Options.Replicas is set: WAIT must use the same connection as the ending")
		}
	}
	return mistakes
}

// honoursContexts reports whether a client's calls end with their context. By default, calls of go-redis do not.
func honoursContexts(client redis.UniversalClient) bool {
	switch c := client.(type) {
	case interface{ Options() *redis.Options }:
		return c.Options().ContextTimeoutEnabled
	case interface{ Options() *redis.ClusterOptions }:
		return c.Options().ContextTimeoutEnabled
	}
	return false
}

// boundedClient is a client whose calls end with their context.
type boundedClient struct {
	client redis.UniversalClient
	calls  *bounded.Calls // nil if the client itself honours contexts
}

func newBoundedClient(client redis.UniversalClient) boundedClient {
	if honoursContexts(client) {
		return boundedClient{client: client}
	}
	return boundedClient{client, new(bounded.Calls)}
}

// call runs do, and returns soon after ctx has ended.
func call[T any](ctx context.Context, c *boundedClient, do func(ctx context.Context) (T, error)) (T, error) {
	if c.calls == nil {
		return do(ctx)
	}
	return bounded.Do(ctx, c.calls, do)
}
