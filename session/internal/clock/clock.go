// Package clock compares this process's clock with a server's.
package clock

import (
	"fmt"
	"time"
)

// Limit is how far clocks may differ. With more, a retry that another process handles can look like theft, and a login
// under way can get past an EndAll.
const Limit = 2 * time.Second

// Check asks for the server's time, and returns an error if the two clocks differ by more than Limit. The time that
// the question takes doesn't count as a difference.
func Check(server func() (time.Time, error)) error {
	before := time.Now()
	there, err := server()
	after := time.Now()
	if err != nil {
		return fmt.Errorf("asking for the server's time: %w", err)
	}
	const cure = "synchronize both, by NTP say: sessions need clocks that agree within %s"
	if ahead := before.Sub(there); ahead > Limit {
		return fmt.Errorf("this process's clock is %s ahead of the server's: "+cure, ahead.Round(time.Millisecond), Limit)
	}
	if behind := there.Sub(after); behind > Limit {
		return fmt.Errorf("this process's clock is %s behind the server's: "+cure, behind.Round(time.Millisecond), Limit)
	}
	return nil
}
