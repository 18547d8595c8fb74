//go:build unix

package usher_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// slowFormat recognizes "slow:", a number of thousands of SHA-256 blocks to compute, ":" and the password itself.
func slowFormat(hash, password string) (recognized, match bool) {
	rest, recognized := strings.CutPrefix(hash, "slow:")
	thousands, want, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(thousands)
	if !recognized || err != nil {
		return false, false
	}
	var block [64]byte
	for range n * 1000 {
		sum := sha256.Sum256(block[:])
		copy(block[:], sum[:])
	}
	return true, want == password
}

func TestEveryRefusalTakesAsLongAsTheCostliest(t *testing.T) {
	const cost = 6
	higher, current := bcryptHash(t, plainPassword, cost+2), bcryptHash(t, plainPassword, cost)
	longHash, err := newPasswords(t, usher.PasswordOptions{Cost: cost, AnyLength: true}).Hash(t.Context(), strings.Repeat("a", 100))
	if err != nil {
		t.Fatal(err)
	}
	slow, quick := "slow:120:"+plainPassword, "slow:12:"+plainPassword
	for name, costliest := range map[string]string{"bcrypt": higher, "legacy": slow} {
		accounts := map[string]string{
			"costliest":               costliest, // a cost that was lowered, or a legacy hash
			"no user":                 "",
			"current cost":            current,
			"lower cost":              plainHash,
			"long password":           longHash,
			"a quicker legacy hash":   quick,
			"a hash that is none":     "malformed",
			"a cost above all limits": "$2a$31" + plainHash[6:],
		}
		t.Run(name, func(t *testing.T) {
			tryUntil(t, func() error {
				p := newPasswords(t, usher.PasswordOptions{
					Cost: cost, Legacy: []usher.PasswordVerifier{slowFormat}, Costliest: costliest,
				})
				calls := map[string]func(){}
				for account, hash := range accounts {
					calls[account] = func() {
						if _, err := p.Check(t.Context(), hash, "wrong password"); err == nil {
							t.Errorf("%s: no refusal", account)
						}
					}
				}
				return sameWork(calls)
			})
		})
	}
}

func TestACostliestHashThatIsCheaperChangesNothing(t *testing.T) {
	tryUntil(t, func() error {
		p := newPasswords(t, usher.PasswordOptions{
			Cost: 8, Legacy: []usher.PasswordVerifier{oldFormat}, Costliest: "old:" + plainPassword,
		})
		q := newPasswords(t, usher.PasswordOptions{Cost: 8, Costliest: plainHash})
		refuse := func(p *usher.Passwords, hash string) func() {
			return func() { _, _ = p.Check(t.Context(), hash, "wrong password") }
		}
		return sameWork(map[string]func(){
			"reference":          func() { bcryptHash(t, plainPassword, 8) },
			"legacy, no user":    refuse(p, ""),
			"legacy, costliest":  refuse(p, "old:x"),
			"bcrypt, no user":    refuse(q, ""),
			"bcrypt, costliest":  refuse(q, plainHash),
			"bcrypt, as today's": refuse(q, "$2a$08"+plainHash[6:]),
		})
	})
}

// tryUntil repeats a measurement that a busy machine can spoil, but not make succeed.
func tryUntil(t *testing.T, measure func() error) {
	t.Helper()
	if testRace {
		t.Skip("the race detector slows bcrypt and other hashes unequally, and there is no race to find")
	}
	var err error
	for range 5 {
		if err = measure(); err == nil {
			return
		}
	}
	t.Error(err)
}

// sameWork returns an error unless the median times of the calls lie within a quarter of each other. They are measured in
// turn, until they do. The processor's time counts, which a busy machine changes less than the clock's.
func sameWork(calls map[string]func()) error {
	times := map[string][]float64{}
	medians := map[string]float64{}
	for round := range 25 {
		for name, call := range calls {
			before := cpuTime()
			call()
			times[name] = append(times[name], (cpuTime() - before).Seconds())
			slices.Sort(times[name])
			medians[name] = times[name][len(times[name])/2]
		}
		sorted := slices.Sorted(maps.Values(medians))
		if round >= 4 && sorted[len(sorted)-1]/sorted[0] < 1.25 {
			return nil
		}
	}
	return fmt.Errorf("seconds: %v", medians)
}

// cpuTime is how long this process has computed.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
