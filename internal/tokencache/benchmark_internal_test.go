package tokencache

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkCache is one look-up among 16 tokens of a cache for 1,000, and in a full one, beside a map without bounds.
// docs/adr/0006 quotes it.
func BenchmarkCache(b *testing.B) {
	const size = 1000
	run := func(name string, tokens []string, get func(token string) bool) {
		b.Run(fmt.Sprintf("%s/%d", name, len(tokens)), func(b *testing.B) {
			b.ReportAllocs()
			var begun atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				i := int(begun.Add(1)) * 7 % len(tokens) // not all in step
				for pb.Next() {
					if !get(tokens[i]) {
						b.Error("it is not there")
						return
					}
					if i++; i == len(tokens) {
						i = 0
					}
				}
			})
		})
	}
	for _, count := range []int{16, size} {
		c := newCache(size)
		var m sync.Map
		var tokens []string
		for i := range count {
			token := strings.Repeat("x", 254) + rand.Text() + rand.Text() // of 306 characters, the last ones random
			c.Put(token, item{origin: i}, 0)
			m.Store(strings.Clone(token), i)
			tokens = append(tokens, token)
		}
		run("usher", tokens, func(token string) bool { return c.Get(token) != nil })
		run("sync-map", tokens, func(token string) bool { _, ok := m.Load(token); return ok })
	}
}
