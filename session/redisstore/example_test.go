package redisstore_test

import (
	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
)

// Sessions and login attempts of several processes, in one Redis.
func ExampleNew() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()

	config := session.Config[usher.Claims]{ // Encoder, Claims and Secret belong here too
		Store: usher.Must(redisstore.New(client, nil)),
	}
	options := session.HandlerOptions{
		Throttle: usher.Must(redisstore.NewThrottle(client, nil, nil)),
	}
	_, _ = config, options
	// Output:
}
