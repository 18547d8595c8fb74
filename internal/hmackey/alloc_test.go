//go:build !race

package hmackey_test

import (
	"encoding/base64"
	"testing"

	"github.com/go-usher/usher/internal/hmackey"
)

// The race detector drops some of the hashes that are to be reused.
func TestReusedHashesNeedNoAllocation(t *testing.T) {
	for name, newHash := range hashes {
		key := hmackey.New(newHash, []byte("a secret"))
		sum := reference(newHash, "a secret", "a message")
		text, dst := base64.RawURLEncoding.EncodeToString(sum), make([]byte, 0, len(sum))
		if got := testing.AllocsPerRun(100, func() { key.Verify("a message", text) }); got != 0 {
			t.Errorf("%s: Verify takes %v allocations", name, got)
		}
		if got := testing.AllocsPerRun(100, func() { key.Append(dst, []byte("a message")) }); got != 0 {
			t.Errorf("%s: Append takes %v allocations", name, got)
		}
	}
}
