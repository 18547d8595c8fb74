// Package clock compares this process's clock with a server's.
package clock

import (
	"fmt"
	"time"
)

// Limit is how much clocks may differ. If they differ by more, a retry that another process handles can look like
// reuse, and a login that began before EndAll can start a session after it.
const Limit = 2 * time.Second

// Check calls server for the server's time and returns an error if the two clocks differ by more than Limit. The time
// that the call takes does not count as a difference.
func Check(server func() (time.Time, error)) error {
	before := time.Now()
	serverTime, err := server()
	after := time.Now()
	if err != nil {
		return fmt.Errorf("asking for the server's time: %w", err)
	}
	const remedy = "synchronize both, for example with NTP: sessions need clocks that differ by at most %s"
	if ahead := before.Sub(serverTime); ahead > Limit {
		return fmt.Errorf("this process's clock is %s ahead of the server's: "+remedy, ahead.Round(time.Millisecond), Limit)
	}
	if behind := serverTime.Sub(after); behind > Limit {
		return fmt.Errorf("this process's clock is %s behind the server's: "+remedy, behind.Round(time.Millisecond), Limit)
	}
	return nil
}
