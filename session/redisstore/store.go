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

// Options are the options of a Store and of a Throttle; nil means the defaults.
type Options struct {
	// Prefix begins the keys; it must not hold braces. Default: "usher:".
	Prefix string
}

// Store is a session.Store in Redis. It is safe for concurrent use, by any number of processes.
type Store struct {
	client redis.UniversalClient
	prefix string
}

var _ session.Store = (*Store)(nil)

// New returns a Store over client, which stays the caller's to close, or all mistakes as usher.ConfigError. It
// doesn't talk to Redis.
func New(client redis.UniversalClient, opts *Options) (*Store, error) {
	prefix, err := configure(client, opts)
	if err != nil {
		return nil, err
	}
	return &Store{client: client, prefix: prefix}, nil
}

func configure(client redis.UniversalClient, opts *Options) (prefix string, err error) {
	prefix = "usher:"
	if opts != nil && opts.Prefix != "" {
		prefix = opts.Prefix
	}
	var mistakes []error
	if client == nil {
		mistakes = append(mistakes, &usher.ConfigError{Field: "client", Reason: "is required"})
	}
	if strings.ContainsAny(prefix, "{}") {
		mistakes = append(mistakes, &usher.ConfigError{
			Field:  "Options.Prefix",
			Reason: "must not hold braces: in a cluster they would decide where every key lives",
		})
	}
	return prefix, errors.Join(mistakes...)
}

// key is the name of the subject's hash.
func (s *Store) key(subject string) string { return s.prefix + "session:" + subject }

// Start implements [session.Store].
func (s *Store) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	value, err := startScript.Run(ctx, s.client, []string{s.key(r.Subject)},
		r.ID, pack(r), r.AuthTime.UnixMicro(), limit, now.UnixMicro()).Result()
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
	answer, err := s.runRotate(ctx, s.key(r.Subject), r.SessionID, packState(r.After(r.ExpiresAt)), r.Grace.Microseconds())
	if err != nil {
		return session.Rotated{}, err
	}
	switch answer {
	case answerRotated:
		return session.Rotated{Successor: r.Successor, Nonce: r.Nonce}, nil
	case answerEnded:
		return session.Rotated{}, session.ErrSessionEnded
	case answerReused:
		return session.Rotated{}, session.ErrReused
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

// runRotate does what rotateScript.Run does, with five allocations fewer.
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
	value, err := s.client.HGet(ctx, s.key(subject), id).Result()
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
	fields, err := s.client.HGetAll(ctx, s.key(subject)).Result()
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
	return endScript.Run(ctx, s.client, []string{s.key(subject)}, id, now.UnixMicro()).Bool()
}

// EndAll implements [session.Store].
func (s *Store) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) ([]string, error) {
	value, err := endAllScript.Run(ctx, s.client, []string{s.key(subject)}, keep, now.UnixMicro(), forget.UnixMicro()).Result()
	if err != nil {
		return nil, err
	}
	return ids(value)
}

// Prune implements [session.Store]: Redis forgets by itself, so there is nothing to do.
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
