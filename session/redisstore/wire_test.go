package redisstore_test

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/storetest"
)

// behindProxy returns a manager whose store talks to Redis through a proxy.
func behindProxy(t *testing.T, change func(*session.Config[usher.Claims])) (*session.Manager[usher.Claims], *storetest.Proxy) {
	t.Helper()
	_, prefix := newClient(t)
	options, err := redis.ParseURL(os.Getenv("USHER_TEST_REDIS_URL"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := storetest.NewProxy(t, options.Addr)
	options.Addr = proxy.Addr()
	options.PoolSize = 1
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return newManager(t, client, prefix, change), proxy
}

func newManager(t testing.TB, client redis.UniversalClient, prefix string, change func(*session.Config[usher.Claims])) *session.Manager[usher.Claims] {
	t.Helper()
	config := session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.GenerateKey("HS256")), nil)),
		Store:   usher.Must(redisstore.New(client, &redisstore.Options{Prefix: prefix})),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  bytes.Repeat([]byte("secret! "), 4),
	}
	if change != nil {
		change(&config)
	}
	return usher.Must(session.NewManager(config))
}

func TestEveryStepIsOneRoundTrip(t *testing.T) {
	m, proxy := behindProxy(t, nil)
	tokens, err := m.Start(t.Context(), "ada", session.About{}) // connects, and loads two scripts on their first use
	if err != nil {
		t.Fatal(err)
	}
	spent := tokens.RefreshToken
	if tokens, err = m.Refresh(t.Context(), spent); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"Start", func() error { _, err := m.Start(t.Context(), "ada", session.About{}); return err }},
		{"retry", func() error { _, err := m.Refresh(t.Context(), spent); return err }},
		{"Refresh", func() error { _, err := m.Refresh(t.Context(), tokens.RefreshToken); return err }},
		{"Check", func() error {
			return m.Check(t.Context(), &usher.Claims{Subject: "ada", SessionID: tokens.SessionID})
		}},
		{"List", func() error { _, err := m.List(t.Context(), "ada"); return err }},
	} {
		proxy.RoundTrips()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if n := proxy.RoundTrips(); n != 1 {
			t.Errorf("%s: %d round trips; want 1", step.name, n)
		}
	}
}

// The client library repeats a command whose answer was lost. That is no reuse, even without a grace period.
func TestALostAnswerIsMadeUpFor(t *testing.T) {
	m, proxy := behindProxy(t, func(c *session.Config[usher.Claims]) { c.Grace = -1 })
	tokens, err := m.Start(t.Context(), "ada", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		proxy.LoseAnswer()
		if tokens, err = m.Refresh(t.Context(), tokens.RefreshToken); err != nil {
			t.Fatal(err)
		}
	}
	proxy.LoseAnswer()
	if _, err := m.Start(t.Context(), "ada", session.About{}); err != nil {
		t.Fatal(err)
	}
	if list, err := m.List(t.Context(), "ada"); err != nil || len(list) != 2 {
		t.Fatalf("List = %v, %v; want two sessions", list, err)
	}
	proxy.LoseAnswer()
	if err := m.End(t.Context(), tokens.RefreshToken); err != nil {
		t.Fatal(err)
	}
	if list, err := m.List(t.Context(), "ada"); err != nil || len(list) != 1 {
		t.Fatalf("List = %v, %v; want the other session", list, err)
	}
}
