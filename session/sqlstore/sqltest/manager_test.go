package sqltest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func newManager(t testing.TB, store session.Store, change func(*session.Config[usher.Claims])) *session.Manager[usher.Claims] {
	t.Helper()
	config := session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.GenerateKey("HS256")), nil)),
		Store:   store,
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  bytes.Repeat([]byte("secret! "), 4),
	}
	if change != nil {
		change(&config)
	}
	return usher.Must(session.NewManager(config))
}

func mustStart(t *testing.T, m *session.Manager[usher.Claims], subject string) session.Tokens {
	t.Helper()
	tokens, err := m.Start(t.Context(), subject, session.About{})
	if err != nil {
		t.Error(err)
	}
	return tokens
}

func mustRefresh(t *testing.T, m *session.Manager[usher.Claims], token string) session.Tokens {
	t.Helper()
	tokens, err := m.Refresh(t.Context(), token)
	if err != nil {
		t.Error(err)
	}
	return tokens
}

func isUnavailable(err error) bool { return errors.Is(err, usher.ErrUnavailable) }
