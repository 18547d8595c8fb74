package clock_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher/session/internal/clock"
)

func TestCheckReportsClocksThatDiffer(t *testing.T) {
	for _, test := range []struct {
		off, takes time.Duration
		want       string // "": no error
	}{
		{0, 0, ""},
		{clock.Limit, 0, ""},
		{-clock.Limit, 0, ""},
		{2500 * time.Millisecond, 0, "behind"},
		{-20 * time.Second, 0, "20s ahead"},
		{4 * time.Second, 4 * time.Second, ""}, // the question may have waited that long
	} {
		synctest.Test(t, func(t *testing.T) {
			err := clock.Check(func() (time.Time, error) {
				server := time.Now().Add(test.off)
				time.Sleep(test.takes) //nolint:forbidigo // of the bubble's own time
				return server, nil
			})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%s off: %v; want %q", test.off, err, test.want)
			}
		})
	}
	failure := errors.New("refused")
	if err := clock.Check(func() (time.Time, error) { return time.Time{}, failure }); !errors.Is(err, failure) {
		t.Errorf("Check: %v; want the server's error", err)
	}
}
