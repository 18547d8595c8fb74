package session_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// benchmarkUserAgent is as long as that of a current browser.
const benchmarkUserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

// BenchmarkMemoryStore measures the memory of a session, and shows that the time of a refresh does not depend on the
// number of sessions. It refreshes 1,000 sessions in turn, spread among the others, so that processor caches don't help.
//
//	go test ./session -run '^$' -bench MemoryStore -benchtime 200000x
func BenchmarkMemoryStore(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d sessions", n), func(b *testing.B) {
			const refreshed = 1_000
			tokens := make([]string, 0, refreshed)
			before := heapInUse()
			store := session.NewMemoryStore()
			m := usher.Must(session.NewManager(session.Config[claims]{
				Encoder: usher.Must(usher.NewEncoder[claims](usher.Must(usher.GenerateKey("HS256")), nil)),
				Store:   store,
				Claims:  func(context.Context, session.Grant) (claims, error) { return claims{}, nil },
				Secret:  secret,
			}))
			now := time.Now()
			for i := range n {
				userAgent, address := string([]byte(benchmarkUserAgent)), fmt.Sprintf("192.0.2.%d", i%256)
				if i%(n/refreshed) == 0 {
					started, err := m.Start(b.Context(), fmt.Sprintf("user-%d", i), session.About{UserAgent: userAgent, Address: address})
					if err != nil {
						b.Fatal(err)
					}
					tokens = append(tokens, started.RefreshToken)
					continue
				}
				record := session.Record{EndsAt: now.Add(maxAge)}
				record.Session = session.Session{
					ID: rand.Text()[:22], Subject: fmt.Sprintf("user-%d", i), UserAgent: userAgent, Address: address,
					AuthTime: now, StartedAt: now, LastUsedAt: now, ExpiresAt: now.Add(idleTTL),
				}
				if _, err := store.Start(b.Context(), record, 0, now); err != nil {
					b.Fatal(err)
				}
			}
			perSession := float64(heapInUse()-before) / float64(n)
			before = cpu(b)
			b.ResetTimer()
			for i := range b.N {
				token := &tokens[i*617%refreshed] // 617 has no divisor in common with 1,000: all of them, in no order
				next, err := m.Refresh(b.Context(), *token)
				if err != nil {
					b.Fatal(err)
				}
				*token = next.RefreshToken
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op") // which other work on the machine changes less
			if n > refreshed {                                               // else it is mostly the tokens
				b.ReportMetric(perSession, "B/session")
			}
		})
	}
}

// cpu returns the processor time of this process in nanoseconds.
func cpu(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func heapInUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
