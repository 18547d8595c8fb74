package redisstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/storetest"
)

func TestThrottleMeetsTheContract(t *testing.T) {
	client, prefix := newClient(t)
	n := 0
	storetest.RunThrottle(t, func(_ *testing.T, opts *session.ThrottleOptions) session.Throttle {
		n++
		return usher.Must(redisstore.NewThrottle(client, &redisstore.Options{Prefix: fmt.Sprint(prefix, n, ":")}, opts))
	})
}

func TestThrottleLetsNoMoreThanTheLimitPassAtOnce(t *testing.T) {
	client, prefix := newClient(t)
	throttle := usher.Must(redisstore.NewThrottle(client, &redisstore.Options{Prefix: prefix}, nil))
	var passed atomic.Int32
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			_, wait, err := throttle.Reserve(t.Context(), session.Attempt{Kind: session.KindLogin, Account: "ada", Client: "192.0.2.1"})
			if err != nil {
				t.Error(err)
			}
			if wait <= 0 {
				passed.Add(1)
			}
		})
	}
	group.Wait()
	if passed.Load() != 5 {
		t.Errorf("%d of 200 attempts passed; want 5", passed.Load())
	}
}
