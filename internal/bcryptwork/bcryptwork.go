// Package bcryptwork measures the work of checking a password in rounds of bcrypt, and does any amount of such work. So
// a refusal can take as long as a check of the slowest hash, however much of its work has been done already.
package bcryptwork

import (
	"math/bits"
	"slices"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Work is an amount of work in rounds of bcrypt.
type Work uint64

// OfCost returns the work of a bcrypt hash of this cost.
func OfCost(cost int) Work { return 1 << cost }

const password = "a password of some length" // bcrypt takes as long for any other

// Measure returns the work that bcrypt does in the time of check, which is called with some password up to three times.
// If check returns false, Measure does too, at once.
//
// It measures bcrypt alternately with check, so that a busy machine slows both equally, and returns the median of three
// results.
func Measure(check func(password string) bool) (Work, bool) { return measure(check, Work.Do) }

func measure(check func(password string) bool, do func(Work)) (Work, bool) {
	const (
		rounds = 3
		enough = time.Second
	)
	chunk := OfCost(bcrypt.MinCost + 2)
	var results []Work
	for start := time.Now(); len(results) < rounds && time.Since(start) < enough; {
		ok := false
		elapsed := timeOf(func() { ok = check(password) })
		if !ok {
			return 0, false
		}
		var done Work
		var reference time.Duration
		for done == 0 || reference > 0 && reference < elapsed {
			reference += timeOf(func() { do(chunk) })
			done += chunk
		}
		results = append(results, done.scaled(elapsed, reference))
	}
	slices.Sort(results)
	return results[len(results)/2], true
}

// Estimate returns the work that bcrypt would have done in elapsed. It measures bcrypt now, because the same work takes
// longer on a busy machine, and includes the work of this measurement in the result. That is a small share of total.
func Estimate(elapsed time.Duration, total Work) Work { return estimate(elapsed, total, Work.Do) }

func estimate(elapsed time.Duration, total Work, do func(Work)) Work {
	const share = 5 // 2⁻⁵ of total
	probe := OfCost(max(bcrypt.MinCost, bits.Len64(uint64(total))-1-share))
	return probe + probe.scaled(elapsed, timeOf(func() { do(probe) }))
}

func timeOf(call func()) time.Duration {
	start := time.Now()
	call()
	return time.Since(start)
}

// scaled returns the work that is done in t at the rate of w per reference. If reference is not positive, it returns 0.
func (w Work) scaled(t, reference time.Duration) Work {
	if reference <= 0 {
		return 0
	}
	return Work(float64(w) * float64(t) / float64(reference))
}

// Do does the work, rounded to a multiple of bcrypt's smallest amount. It creates hashes and drops them, because
// comparing with a malformed dummy hash would take no time.
func (w Work) Do() {
	for _, cost := range w.costs() {
		_, _ = bcrypt.GenerateFromPassword([]byte(password), cost)
	}
}

// costs returns the costs of hashes that together take this work, rounded to a multiple of bcrypt's smallest amount.
func (w Work) costs() []int {
	var costs []int
	w += OfCost(bcrypt.MinCost) / 2
	for cost := bcrypt.MaxCost; cost >= bcrypt.MinCost; cost-- {
		if w&OfCost(cost) != 0 {
			costs = append(costs, cost)
		}
	}
	return costs
}
