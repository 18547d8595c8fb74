package proof_test

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// Whoever measures how long a refusal takes must not learn whether there is such a user, or what is stored for them.
// The test measures, so it wants a machine that does nothing else, and runs when USHER_TIMING is set.
func TestRefusedPasswordsTakeTheSameTime(t *testing.T) {
	if os.Getenv("USHER_TIMING") == "" {
		t.Skip("it measures time: USHER_TIMING=1 go test -run TakeTheSameTime ./proof")
	}
	const cost, rounds = 8, 60 // some 15 ms each: far more than a scheduler's whims, few enough for a minute
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: cost}))
	hash := usher.Must(passwords.Hash(t.Context(), "correct horse battery"))
	cheap := usher.Must(usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: cost - 3})).Hash(t.Context(), "correct horse battery"))

	inputs := []struct {
		name, hash, password string
		want                 error
	}{
		{"a wrong password", hash, "wrong horse battery", usher.ErrPasswordMismatch},
		{"an unknown user", "", "wrong horse battery", usher.ErrPasswordMismatch},
		{"an empty password", hash, "", usher.ErrPasswordMismatch},
		{"an unknown user with an empty password", "", "", usher.ErrPasswordMismatch},
		{"a password of one character", hash, "x", usher.ErrPasswordMismatch},
		{"the right password and a NUL", hash, "correct horse battery\x00", usher.ErrPasswordMismatch},
		{"a password of 72 bytes", hash, strings.Repeat("x", 72), usher.ErrPasswordMismatch},
		{"a password of 73 bytes", hash, strings.Repeat("x", 73), usher.ErrPasswordMismatch},
		{"a password of 100 KB", hash, strings.Repeat("x", 100<<10), usher.ErrPasswordMismatch},
		{"an unknown user with a password of 100 KB", "", strings.Repeat("x", 100<<10), usher.ErrPasswordMismatch},
		{"a password that is no UTF-8", hash, "\xff\xfe", usher.ErrPasswordMismatch},
		{"a stored hash of lower cost", cheap, "wrong horse battery", usher.ErrPasswordMismatch},
		{"a stored hash that is none", "x", "wrong horse battery", usher.ErrBadHash},
		{"a stored hash cut short", hash[:59], "wrong horse battery", usher.ErrBadHash},
		{"a stored hash of a cost that is too low", "$2a$03" + hash[6:], "wrong horse battery", usher.ErrBadHash},
		{"a stored hash of a cost that is too high", "$2a$31" + hash[6:], "wrong horse battery", usher.ErrBadHash},
		{"a hash of another kind", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "wrong horse battery", usher.ErrBadHash},
		{"the arguments swapped", "wrong horse battery", hash, usher.ErrBadHash},
	}
	times := make([][]time.Duration, len(inputs))
	for range rounds { // in turn, so that a busy moment hits them all
		for i, input := range inputs {
			start := time.Now()
			_, err := passwords.Check(t.Context(), input.hash, input.password)
			times[i] = append(times[i], time.Since(start))
			if !errors.Is(err, input.want) {
				t.Fatalf("%s: %v", input.name, err)
			}
		}
	}
	median := func(list []time.Duration) float64 {
		slices.SortFunc(list, cmp.Compare)
		return float64(list[len(list)/2])
	}
	base := median(times[0])
	for i, input := range inputs {
		ratio := median(times[i]) / base
		t.Logf("%-45s %.3f", input.name, ratio)
		if ratio < 0.8 || ratio > 1.25 {
			t.Errorf("%s takes %.2f times as long as %s", input.name, ratio, inputs[0].name)
		}
	}
}
