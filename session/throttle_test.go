package session_test

import (
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

func TestThrottleOptionsAreChecked(t *testing.T) {
	_, err := session.NewMemoryThrottle(&session.ThrottleOptions{
		PerAddress: session.Limit{Burst: 0, Every: time.Second}, PerAccount: session.Limit{Burst: 1}, PerClient: session.Limit{Every: 1},
		Step: session.Limit{Burst: 1, Every: 30}, PerMail: session.Limit{Burst: -1, Every: time.Hour}, Signup: session.Limit{Burst: 1, Every: 48 * time.Hour},
		Known: 90, Size: 3,
	})
	for _, field := range []string{"PerAddress", "PerAccount", "PerClient", "Step", "PerMail", "Signup", "Known", "Size"} {
		wantConfigError(t, err, "ThrottleOptions."+field)
	}
	for _, l := range []session.Limit{{Burst: 1_000_000, Every: 24 * time.Hour}, {Burst: 3651, Every: 24 * time.Hour}} {
		_, err := session.NewMemoryThrottle(&session.ThrottleOptions{PerAccount: l})
		wantConfigError(t, err, "PerAccount")
	}
	for _, l := range []session.Limit{{Burst: 1_000_000, Every: time.Minute}, {Burst: 3650, Every: 24 * time.Hour}} {
		if _, err := session.NewMemoryThrottle(&session.ThrottleOptions{PerAccount: l, PerClient: l}); err != nil {
			t.Error(err)
		}
	}
}
