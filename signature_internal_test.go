package usher

import (
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/base64url"
)

func TestTheLongestSignatureFitsIntoItsBuffer(t *testing.T) {
	var state hmacState
	signature := base64url.EncodeToString(make([]byte, sha512.Size))
	if got, ok := base64url.AppendDecode(state.signature[:0], signature); !ok || &got[0] != &state.signature[0] {
		t.Errorf("%d characters are decoded elsewhere, or not at all: %v", len(signature), ok)
	}
	key := newHMAC(HS512, make([]byte, sha512.Size))
	longer := strings.Repeat("A", 100)
	if got := testing.AllocsPerRun(20, func() { key.verify("input", longer) }); got != 0 {
		t.Errorf("a longer one takes %v allocations", got)
	}
}
