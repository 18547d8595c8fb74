package redisstore_test

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/storetest"
)

func TestStoreSurvivesTheFaultsOfItsNetwork(t *testing.T) {
	for name, honours := range map[string]bool{"a client that ignores contexts": false, "ContextTimeoutEnabled": true} {
		t.Run(name, func(t *testing.T) {
			storetest.RunFaults(t, func(t *testing.T) (session.Store, storetest.Network) {
				_, prefix := newClient(t)
				options, err := redis.ParseURL(os.Getenv("USHER_TEST_REDIS_URL"))
				if err != nil {
					t.Fatal(err)
				}
				proxy := storetest.NewProxy(t, options.Addr)
				options.Addr, options.ContextTimeoutEnabled = proxy.Addr(), honours
				client := redis.NewClient(options)
				t.Cleanup(func() { client.Close() })
				return usher.Must(redisstore.New(client, &redisstore.Options{Prefix: prefix})), proxy
			})
		})
	}
}
