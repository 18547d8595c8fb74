package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/storetest"
)

// newClient returns a client of the test server, and a prefix for the test's keys, which are removed afterwards.
func newClient(t testing.TB) (*redis.Client, string) {
	t.Helper()
	url := os.Getenv("USHER_TEST_REDIS_URL")
	if url == "" {
		t.Skip("USHER_TEST_REDIS_URL is not set")
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	prefix := fmt.Sprintf("usher-test-%x:", rand.Uint64())
	t.Cleanup(func() {
		ctx := context.Background()
		keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := client.Unlink(ctx, keys.Val()).Err(); err != nil {
				t.Error(err)
			}
		}
		if err := keys.Err(); err != nil {
			t.Error(err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client, prefix
}

func newStore(t testing.TB) *redisstore.Store {
	t.Helper()
	client, prefix := newClient(t)
	store, err := redisstore.New(client, &redisstore.Options{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) session.Store { return newStore(t) })
}
