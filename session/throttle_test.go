package session_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestThrottleOptionsAreChecked(t *testing.T) {
	_, err := session.NewMemoryThrottle(&session.ThrottleOptions{
		PerAddress: session.Limit{Burst: 0, Every: time.Second}, PerAccount: session.Limit{Burst: 1}, Size: 1,
	})
	for _, field := range []string{"PerAddress", "PerAccount", "Size"} {
		wantConfigError(t, err, field)
	}
	for _, l := range []session.Limit{{Burst: 1_000_000, Every: 24 * time.Hour}, {Burst: 3651, Every: 24 * time.Hour}} {
		_, err := session.NewMemoryThrottle(&session.ThrottleOptions{PerAccount: l})
		wantConfigError(t, err, "PerAccount")
	}
	for _, l := range []session.Limit{{Burst: 1_000_000, Every: time.Minute}, {Burst: 3650, Every: 24 * time.Hour}} {
		if _, err := session.NewMemoryThrottle(&session.ThrottleOptions{PerAccount: l}); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = usher.Must(session.NewMemoryThrottle(nil)).Reserve(ctx, "ada", "1")
	wantErr(t, "Reserve", err, context.Canceled)
}
