package redisstore_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
)

func TestThrottleCountsLikeTheOneInMemory(t *testing.T) {
	client, prefix := newClient(t)
	now := time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)
	limits := &session.ThrottleOptions{
		PerAddress: session.Limit{Burst: 3, Every: 30 * time.Second},
		PerAccount: session.Limit{Burst: 5, Every: 10 * time.Second},
		Now:        func() time.Time { return now },
	}
	shared := usher.Must(redisstore.NewThrottle(client, &redisstore.Options{Prefix: prefix}, limits))
	memory := usher.Must(session.NewMemoryThrottle(limits))
	for i, step := range []struct {
		account, address string
		refund           bool
		pause            time.Duration
	}{
		{"ada", "1", false, 0}, {"ada", "1", false, 0}, {"ada", "1", false, 0}, {"ada", "1", false, 0},
		{"ada", "2", false, 0}, {"ada", "2", false, 0}, {"ada", "2", false, 0}, {"ada", "2", true, 0},
		{"ada", "2", false, 0}, {"ada", "3", false, 0}, {"bob", "1", false, 0}, {"ada", "3", false, 10 * time.Second},
		{"ada", "3", false, 0}, {"ada", "1", false, 25 * time.Second}, {"ada", "1", false, 0}, {"eve", "1", true, 0},
		{"eve", "1", false, time.Hour}, {"ada", "1", false, 0}, {"ada", "1", false, 0}, {"ada", "1", false, 0}, {"ada", "1", false, 0},
	} {
		now = now.Add(step.pause)
		if step.refund {
			for _, throttle := range []session.Throttle{shared, memory} {
				if err := throttle.Refund(t.Context(), step.account, step.address); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		got, err := shared.Reserve(t.Context(), step.account, step.address)
		if err != nil {
			t.Fatal(err)
		}
		want, err := memory.Reserve(t.Context(), step.account, step.address)
		if err != nil {
			t.Fatal(err)
		}
		if max(got, 0) != max(want, 0) {
			t.Errorf("step %d, %s from %s: wait %s; in memory %s", i, step.account, step.address, got, want)
		}
	}
}

func TestThrottleLetsNoMoreThanTheLimitPassAtOnce(t *testing.T) {
	client, prefix := newClient(t)
	throttle := usher.Must(redisstore.NewThrottle(client, &redisstore.Options{Prefix: prefix}, nil))
	var passed atomic.Int32
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			wait, err := throttle.Reserve(t.Context(), "ada", "192.0.2.1")
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
