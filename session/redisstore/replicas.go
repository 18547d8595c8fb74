package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// replicaWait is how long Redis waits for replicas before an ending fails.
	replicaWait = time.Second
	// maxRedirects limits how often a command follows a key that has moved in a cluster.
	maxRedirects = 3
)

// runEnding runs a script that may end sessions and returns its answer. If Options.Replicas is set, it also waits for
// replicas. WAIT counts the replicas that have the writes of its own connection, so both commands use the same
// connection.
//
// A script that has nothing to end still writes something (see end.lua). An earlier attempt whose answer was lost may
// have ended the session, and WAIT must cover that ending too.
func (s *Store) runEnding(ctx context.Context, script *redis.Script, key string, wait bool, args ...any) (any, error) {
	if s.replicas == 0 || !wait {
		return call(ctx, &s.boundedClient, func(ctx context.Context) (any, error) {
			return script.Run(ctx, s.client, []string{key}, append(args, 0)...).Result()
		})
	}
	return call(ctx, &s.boundedClient, func(ctx context.Context) (any, error) {
		return s.endAndWait(ctx, script, key, append(args, 1))
	})
}

// pipeliner is a client of one server.
type pipeliner interface {
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

func (s *Store) endAndWait(ctx context.Context, script *redis.Script, key string, args []any) (any, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.scriptAndWait(ctx, s.client, script, key, args, false)
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, err
	}
	value, err := s.scriptAndWait(ctx, node, script, key, args, false)
	for range maxRedirects {
		address, asking, moved := redirection(err)
		if !moved {
			break
		}
		if node = masterAt(ctx, cluster, address); node == nil {
			cluster.ReloadState(ctx)
			if node, err = cluster.MasterForKey(ctx, key); err != nil {
				return nil, err
			}
		}
		value, err = s.scriptAndWait(ctx, node, script, key, args, asking)
	}
	return value, err
}

// redirection parses a cluster's redirection of a key: "MOVED slot address" or "ASK slot address".
func redirection(err error) (address string, asking, moved bool) {
	if err == nil {
		return "", false, false
	}
	fields := strings.Fields(err.Error())
	if len(fields) < 3 || fields[0] != "MOVED" && fields[0] != "ASK" {
		return "", false, false
	}
	return fields[2], fields[0] == "ASK", true
}

func masterAt(ctx context.Context, cluster *redis.ClusterClient, address string) (found *redis.Client) {
	clients := make(chan *redis.Client, 1)
	_ = cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error { // if it fails, no master is found
		if c.Options().Addr == address {
			clients <- c
		}
		return nil
	})
	select {
	case found = <-clients:
	default:
	}
	return found
}

// scriptAndWait sends the script and WAIT on one connection.
func (s *Store) scriptAndWait(ctx context.Context, server pipeliner, script *redis.Script, key string, args []any, asking bool) (any, error) {
	sendBoth := func(run func(redis.Pipeliner) *redis.Cmd) (*redis.Cmd, *redis.IntCmd) {
		var answer *redis.Cmd
		var acknowledged *redis.IntCmd
		_, _ = server.Pipelined(ctx, func(p redis.Pipeliner) error { // the commands have the errors as well
			if asking {
				p.Do(ctx, "ASKING")
			}
			answer = run(p)
			acknowledged = redis.NewIntCmd(ctx, "wait", s.replicas, replicaWait.Milliseconds())
			_ = p.Process(ctx, acknowledged) // it is only queued
			return nil
		})
		return answer, acknowledged
	}
	answer, acknowledged := sendBoth(func(p redis.Pipeliner) *redis.Cmd { return script.EvalSha(ctx, p, []string{key}, args...) })
	if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
		answer, acknowledged = sendBoth(func(p redis.Pipeliner) *redis.Cmd { return script.Eval(ctx, p, []string{key}, args...) })
	}
	value, err := answer.Result()
	if err != nil || value == answerEnded { // a login that was refused has ended nothing
		return value, err
	}
	n, err := acknowledged.Result()
	if err != nil {
		return nil, fmt.Errorf("redisstore: waiting for replicas: %w", err)
	}
	if int(n) < s.replicas {
		return nil, fmt.Errorf("redisstore: %d replicas have the ending, but Options.Replicas is %d", n, s.replicas)
	}
	return value, nil
}
