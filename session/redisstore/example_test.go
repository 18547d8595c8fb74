package redisstore_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
)

// New refuses clients with which sessions would come and go.
func ExampleNew() {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:7000"}, ReadOnly: true})
	defer client.Close()
	_, err := redisstore.New(client, &redisstore.Options{Prefix: "app{1}:"})
	fmt.Println(err)
	// Output:
	// usher: client must not have ReadOnly: replicas lag, so sessions would be missing after a login and alive after a logout
	// usher: Options.Prefix must not contain braces, because they would put all keys into one slot of a cluster
}

// Several processes share sessions, and the counts of login attempts, in one Redis.
func ExampleStore_Verify() {
	configure := func(ctx context.Context, client *redis.Client, config *session.Config[usher.Claims], opts *session.HandlerOptions) error {
		store, err := redisstore.New(client, nil) // client has ContextTimeoutEnabled
		if err != nil {
			return err
		}
		if err := store.Verify(ctx); err != nil {
			return err // it says what the server lacks
		}
		config.Store = store
		opts.Throttle, err = redisstore.NewThrottle(client, nil, nil)
		return err
	}
	_ = configure
}
