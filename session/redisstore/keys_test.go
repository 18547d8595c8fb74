package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
)

func TestRedisRemovesExpiredKeys(t *testing.T) {
	client, prefix := newClient(t)
	m := newManager(t, client, prefix, func(c *session.Config[usher.Claims]) {
		c.IdleTTL, c.MaxAge = time.Hour, 3*time.Hour
	})
	ttl := func(want time.Duration) {
		t.Helper()
		keys, err := client.Keys(t.Context(), prefix+"*").Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("keys %v, %v; want the subject's one", keys, err)
		}
		got, err := client.PTTL(t.Context(), keys[0]).Result()
		if err != nil || got > want+3*time.Hour/1024 || got < want-time.Minute {
			t.Fatalf("the key lives for %s, %v; want %s, or up to a 1024th of MaxAge more", got, err, want)
		}
	}
	tokens, err := m.Start(t.Context(), "ada", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	ttl(time.Hour)
	if _, err := m.Refresh(t.Context(), tokens.RefreshToken); err != nil {
		t.Fatal(err)
	}
	ttl(time.Hour)
	if err := m.EndAll(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	ttl(3 * time.Hour) // the cut-off
	if tokens, err = m.Start(t.Context(), "bob", session.About{}); err != nil {
		t.Fatal(err)
	}
	if err := m.End(t.Context(), tokens.RefreshToken); err != nil {
		t.Fatal(err)
	}
	ttl(3 * time.Hour) // nothing is left of bob
}

func TestARefreshProlongsTheKey(t *testing.T) {
	client, prefix := newClient(t)
	now := time.Now()
	m := newManager(t, client, prefix, func(c *session.Config[usher.Claims]) {
		c.IdleTTL, c.MaxAge, c.Now = time.Hour, 100*24*time.Hour, func() time.Time { return now }
	})
	tokens, err := m.Start(t.Context(), "ada", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	// Whenever the session is refreshed, the key has to outlive it, though most refreshes don't touch the key.
	key := prefix + "session:ada"
	prolonged := 0
	for _, pause := range []time.Duration{time.Second, 59 * time.Minute, 10 * time.Minute, 59 * time.Minute, 59 * time.Minute, time.Minute, 59 * time.Minute} {
		left := client.PTTL(t.Context(), key).Val() - pause
		if left <= 0 {
			t.Fatalf("the key lives for %s less than its session", -left)
		}
		if err := client.PExpire(t.Context(), key, left).Err(); err != nil { // as if the time had passed
			t.Fatal(err)
		}
		now = now.Add(pause)
		if tokens, err = m.Refresh(t.Context(), tokens.RefreshToken); err != nil {
			t.Fatal(err)
		}
		got := client.PTTL(t.Context(), key).Val()
		if got < 59*time.Minute || got > time.Hour+100*24*time.Hour/1024 {
			t.Errorf("the key lives for %s; want an hour, or up to a 1024th of MaxAge more", got)
		}
		if got > left {
			prolonged++
		}
	}
	if prolonged == 0 || prolonged > 4 {
		t.Errorf("%d of 7 refreshes prolonged the key; want the few that had to", prolonged)
	}
}

func TestExpiredSessionsOfASubjectGoWhenTheNextOneStarts(t *testing.T) {
	client, prefix := newClient(t)
	now := time.Now()
	m := newManager(t, client, prefix, func(c *session.Config[usher.Claims]) {
		c.IdleTTL, c.Now = time.Hour, func() time.Time { return now }
	})
	for range 3 {
		if _, err := m.Start(t.Context(), "ada", session.About{}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Hour)
	if _, err := m.Start(t.Context(), "ada", session.About{}); err != nil {
		t.Fatal(err)
	}
	if n := client.HLen(t.Context(), prefix+"session:ada").Val(); n != 1 {
		t.Errorf("%d sessions are kept; want the live one", n)
	}
}

func TestADamagedValueIsAnError(t *testing.T) {
	client, prefix := newClient(t)
	m := newManager(t, client, prefix, nil)
	tokens, err := m.Start(t.Context(), "ada", session.About{UserAgent: "UA"})
	if err != nil {
		t.Fatal(err)
	}
	key := prefix + "session:ada"
	whole := client.HGet(t.Context(), key, tokens.SessionID).Val()
	for _, n := range []int{0, 80, len(whole) - 6, len(whole) - 1} {
		if err := client.HSet(t.Context(), key, tokens.SessionID, whole[:n]).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.List(t.Context(), "ada"); !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("List of %d bytes: %v; want ErrUnavailable", n, err)
		}
		if err := m.Check(t.Context(), &usher.Claims{Subject: "ada", SessionID: tokens.SessionID}); !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("Check of %d bytes: %v; want ErrUnavailable", n, err)
		}
	}
}

func TestClientsThatReadFromReplicasAreRefused(t *testing.T) {
	addrs := []string{"127.0.0.1:1"}
	for setting, client := range map[string]redis.UniversalClient{
		"ReadOnly":            redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ReadOnly: true}),
		"RouteByLatency":      redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, RouteByLatency: true}),
		"RouteRandomly":       redis.NewUniversalClient(&redis.UniversalOptions{Addrs: append(addrs, addrs...), RouteRandomly: true}),
		"Ring":                redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": addrs[0]}}),
		"RouteRandomly again": redis.NewFailoverClusterClient(&redis.FailoverOptions{MasterName: "one", SentinelAddrs: addrs, RouteRandomly: true}),
	} {
		word, _, _ := strings.Cut(setting, " ")
		_, err := redisstore.New(client, nil)
		_, throttleErr := redisstore.NewThrottle(client, nil, nil)
		for _, err := range []error{err, throttleErr} {
			if !errors.As(err, new(*usher.ConfigError)) || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v; want a ConfigError about it", setting, err)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, client := range map[string]redis.UniversalClient{
		"one server": redis.NewClient(&redis.Options{Addr: addrs[0]}),
		"a cluster":  redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs}),
		"Sentinel":   redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "one", SentinelAddrs: addrs}),
	} {
		if _, err := redisstore.New(client, &redisstore.Options{Replicas: 1}); err != nil {
			t.Errorf("%s: %v; want no error", name, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMistakesAreReported(t *testing.T) {
	_, err := redisstore.New(nil, &redisstore.Options{Prefix: "a{b}"})
	if !errors.As(err, new(*usher.ConfigError)) || !strings.Contains(err.Error(), "client") || !strings.Contains(err.Error(), "Prefix") {
		t.Errorf("New: %v", err)
	}
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	_, err = redisstore.NewThrottle(client, nil, &session.ThrottleOptions{Size: -1})
	if !errors.As(err, new(*usher.ConfigError)) || !strings.Contains(err.Error(), "Size") {
		t.Errorf("NewThrottle: %v", err)
	}
}
