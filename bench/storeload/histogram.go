package main

import (
	"math"
	"time"
)

// histogram counts times in buckets that are a twentieth apart, so that its size doesn't depend on the load.
type histogram struct {
	buckets [400]int64
	count   int64
	longest time.Duration
}

const growth = 1.05

func (h *histogram) note(d time.Duration) {
	i := 0
	if us := float64(d) / float64(time.Microsecond); us > 1 {
		i = min(int(math.Log(us)/math.Log(growth))+1, len(h.buckets)-1)
	}
	h.buckets[i]++
	h.count++
	h.longest = max(h.longest, d)
}

func (h *histogram) add(other *histogram) {
	for i, n := range &other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.longest = max(h.longest, other.longest)
}

// quantile returns the upper end of the bucket that a share of the times reaches.
func (h *histogram) quantile(share float64) time.Duration {
	left := int64(share * float64(h.count))
	for i, n := range &h.buckets {
		if left -= n; left < 0 {
			us := math.Pow(growth, float64(i))
			return time.Duration(us * float64(time.Microsecond)).Round(time.Microsecond)
		}
	}
	return h.longest
}
