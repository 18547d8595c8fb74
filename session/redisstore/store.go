package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// Options are the options of a Store and of a Throttle. Nil means the defaults.
type Options struct {
	// Prefix is the prefix of key names. It must not contain braces. The default is "usher:".
	Prefix string

	// Replicas is the number of replicas that must have an ending or a cut-off before it is acknowledged (WAIT
	// command). Redis replicates asynchronously, so if it is 0, a failover can bring back sessions that were ended just
	// before. If fewer replicas are reachable, logouts fail. Set it to at most one less than the number of replicas, or
	// to all of them if no acknowledged ending may ever be lost. It does not apply to a Throttle. The default is 0.
	Replicas int
}

// Store is a session.Store in Redis. It is safe for concurrent use, by any number of processes.
//
// Every method returns soon after its context ends, even if the client ignores contexts.
type Store struct {
	boundedClient
	prefix   string
	replicas int
}

var _ session.Store = (*Store)(nil)

// New returns a Store that uses client. The caller closes the client. If arguments are invalid, New returns a
// usher.ConfigError for each mistake, joined. It does not connect to Redis; Verify does.
//
// The client must read only from masters. With ReadOnly, RouteByLatency or RouteRandomly, a session would be missing
// after its login and alive after its logout. A Ring is refused because it moves keys to another server when one is
// down. Set ContextTimeoutEnabled in the client's options; otherwise each call needs a goroutine to end with its
// context.
func New(client redis.UniversalClient, opts *Options) (*Store, error) {
	o, err := configure(client, opts)
	if err != nil {
		return nil, err
	}
	return &Store{boundedClient: newBoundedClient(client), prefix: o.Prefix, replicas: o.Replicas}, nil
}

func configure(client redis.UniversalClient, opts *Options) (Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Prefix == "" {
		o.Prefix = "usher:"
	}
	mistakes := clientMistakes(client, o.Replicas)
	if strings.ContainsAny(o.Prefix, "{}") {
		mistakes = append(mistakes, &usher.ConfigError{
			Field:  "Options.Prefix",
			Reason: "must not contain braces, because they would put all keys into one slot of a cluster",
		})
	}
	if o.Replicas < 0 {
		mistakes = append(mistakes, &usher.ConfigError{Field: "Options.Replicas", Reason: "must not be negative"})
	}
	return o, errors.Join(mistakes...)
}

// key returns the name of the subject's hash.
func (s *Store) key(subject string) string { return s.prefix + "session:" + subject }

// Start implements [session.Store].
func (s *Store) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	value, err := s.runEnding(ctx, startScript, s.key(r.Subject), limit > 0,
		r.ID, pack(r), r.AuthTime.UnixMicro(), limit, now.UnixMicro())
	if err != nil {
		return nil, err
	}
	if value == answerEnded {
		return nil, session.ErrSessionEnded
	}
	return ids(value)
}

// Rotate implements [session.Store].
func (s *Store) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	key, state := s.key(r.Subject), packState(r.After(r.ExpiresAt))
	var answer any
	var err error
	if s.calls == nil {
		answer, err = s.runRotate(ctx, key, r.SessionID, state, r.Grace.Microseconds())
	} else {
		answer, err = call(ctx, &s.boundedClient, func(ctx context.Context) (any, error) {
			return s.runRotate(ctx, key, r.SessionID, state, r.Grace.Microseconds())
		})
	}
	if err != nil {
		return session.Rotated{}, err
	}
	switch answer {
	case answerRotated:
		return session.Rotated{Successor: r.Successor, Nonce: r.Nonce}, nil
	case answerEnded:
		return session.Rotated{}, session.ErrSessionEnded
	case answerReused:
		return session.Rotated{}, s.reused(ctx, r)
	case answerRefused:
		return session.Rotated{}, session.ErrRefreshToken
	}
	var rotated session.Rotated
	value, ok := answer.(string)
	if !ok || len(value) != len(rotated.Successor)+len(rotated.Nonce) {
		return session.Rotated{}, fmt.Errorf("redisstore: Redis answered a rotation with %d bytes in a %T", len(value), answer)
	}
	copy(rotated.Successor[:], value)
	copy(rotated.Nonce[:], value[len(rotated.Successor):])
	return rotated, nil
}

// reused returns ErrReused. If Options.Replicas is set, it ends the session once more and waits for replicas. The script
// of Rotate does not wait for replicas, because nearly all refreshes end no session.
func (s *Store) reused(ctx context.Context, r session.Rotation) error {
	if s.replicas == 0 {
		return session.ErrReused
	}
	if _, err := s.End(ctx, r.Subject, r.SessionID, r.Now); err != nil {
		return fmt.Errorf("%w, but a failover may bring the session back: %w", session.ErrReused, err)
	}
	return session.ErrReused
}

// runRotate is like rotateScript.Run, with five allocations fewer.
func (s *Store) runRotate(ctx context.Context, key, id string, state []byte, grace int64) (any, error) {
	command := redis.NewCmd(ctx, "evalsha", rotateHash, 1, key, id, state, grace)
	command.SetFirstKeyPos(3)
	_ = s.client.Process(ctx, command) // the command has the error as well
	if redis.HasErrorPrefix(command.Err(), "NOSCRIPT") {
		command = rotateScript.Eval(ctx, s.client, []string{key}, id, state, grace)
	}
	return command.Result()
}

// Lookup implements [session.Store].
func (s *Store) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	value, err := call(ctx, &s.boundedClient, func(ctx context.Context) (string, error) { return s.client.HGet(ctx, s.key(subject), id).Result() })
	if errors.Is(err, redis.Nil) {
		return session.Session{}, session.ErrSessionEnded
	}
	if err != nil {
		return session.Session{}, err
	}
	found, err := unpack(subject, id, value)
	if err == nil && !found.ExpiresAt.After(now) {
		return session.Session{}, session.ErrSessionEnded
	}
	return found, err
}

// List implements [session.Store].
func (s *Store) List(ctx context.Context, subject string, now time.Time) ([]session.Session, error) {
	fields, err := call(ctx, &s.boundedClient, func(ctx context.Context) (map[string]string, error) {
		return s.client.HGetAll(ctx, s.key(subject)).Result()
	})
	if err != nil {
		return nil, err
	}
	var list []session.Session
	for id, value := range fields {
		if id == cutoffField {
			continue
		}
		found, err := unpack(subject, id, value)
		if err != nil {
			return nil, err
		}
		if found.ExpiresAt.After(now) {
			list = append(list, found)
		}
	}
	slices.SortFunc(list, func(a, b session.Session) int {
		if c := a.StartedAt.Compare(b.StartedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

// End implements [session.Store].
func (s *Store) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	value, err := s.runEnding(ctx, endScript, s.key(subject), true, id, now.UnixMicro())
	return value == int64(1), err
}

// EndAll implements [session.Store].
func (s *Store) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) ([]string, error) {
	value, err := s.runEnding(ctx, endAllScript, s.key(subject), true, keep, now.UnixMicro(), forget.UnixMicro())
	if err != nil {
		return nil, err
	}
	return ids(value)
}

// Prune implements [session.Store]. It does nothing, because Redis removes expired keys.
func (s *Store) Prune(ctx context.Context, _ time.Time) (int, error) { return 0, ctx.Err() }

func ids(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("redisstore: Redis answered with a %T instead of a list", value)
	}
	var ids []string
	for _, v := range list {
		id, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("redisstore: Redis answered with a %T instead of an id", v)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
