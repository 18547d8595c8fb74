package redisstore_test

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
)

// benchmarkUserAgent is as long as a browser's.
const benchmarkUserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

// BenchmarkRefresh measures refreshes and raw round trips of the same client, with one caller and with many. On a busy
// machine, the processor time of client and server says more than op/s.
func BenchmarkRefresh(b *testing.B) {
	client, prefix := newClient(b)
	m := newManager(b, client, prefix, nil)
	for _, callers := range []int{1, 16} {
		tokens := make([]session.Tokens, callers)
		for i := range tokens {
			var err error
			if tokens[i], err = m.Start(b.Context(), fmt.Sprint(i), session.About{UserAgent: benchmarkUserAgent}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("refresh, %d callers", callers), func(b *testing.B) {
			each(b, client, callers, func(i int) (err error) {
				tokens[i], err = m.Refresh(b.Context(), tokens[i].RefreshToken)
				return err
			})
		})
		b.Run(fmt.Sprintf("raw GET, %d callers", callers), func(b *testing.B) {
			key := prefix + "raw"
			if err := client.Set(b.Context(), key, benchmarkUserAgent, time.Minute).Err(); err != nil {
				b.Fatal(err)
			}
			each(b, client, callers, func(int) error { return client.Get(b.Context(), key).Err() })
		})
	}
}

// each shares b.N calls among callers.
func each(b *testing.B, client *redis.Client, callers int, call func(caller int) error) {
	server, own := serverCPU(b, client), ownCPU(b)
	b.ResetTimer()
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for range max(1, b.N/callers) {
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	n := float64(max(1, b.N/callers) * callers)
	b.ReportMetric(n/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64((serverCPU(b, client)-server).Microseconds())/n, "server-µs/op")
	b.ReportMetric(float64((ownCPU(b)-own).Microseconds())/n, "client-µs/op")
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func serverCPU(b *testing.B, client *redis.Client) time.Duration {
	b.Helper()
	return time.Duration((info(b, client, "cpu", "used_cpu_user") + info(b, client, "cpu", "used_cpu_sys")) * 1e9)
}

// BenchmarkManySessions reports the memory of a session in Redis, and the time of a refresh with few and with many
// sessions. It refreshes a thousand sessions, spread among the others, in turn. It starts a Redis of its own:
//
//	go test . -run '^$' -bench ManySessions -benchtime 20000x
func BenchmarkManySessions(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d sessions", n), func(b *testing.B) {
			s := newServer(b, "--appendonly", "no")
			client := redis.NewClient(&redis.Options{Addr: s.addr})
			defer client.Close()
			before := usedMemory(b, client)
			store := usher.Must(redisstore.New(client, nil))
			m := newManager(b, client, "usher:", nil)
			now := time.Now()
			const callers, refreshed = 32, 1_000
			tokens := make([]string, refreshed)
			var group sync.WaitGroup
			for caller := range callers {
				group.Go(func() {
					for i := caller; i < n; i += callers {
						if i%(n/refreshed) == 0 {
							started, err := m.Start(b.Context(), fmt.Sprintf("user-%d", i), session.About{UserAgent: benchmarkUserAgent, Address: "192.0.2.1"})
							if err != nil {
								b.Error(err)
								return
							}
							tokens[i/(n/refreshed)] = started.RefreshToken
							continue
						}
						record := session.Record{EndsAt: now.Add(90 * 24 * time.Hour)}
						record.Session = session.Session{
							ID: rand.Text()[:22], Subject: fmt.Sprintf("user-%d", i), UserAgent: benchmarkUserAgent, Address: fmt.Sprintf("192.0.2.%d", i%256),
							AuthTime: now, StartedAt: now, LastUsedAt: now, ExpiresAt: now.Add(14 * 24 * time.Hour),
						}
						if _, err := store.Start(b.Context(), record, 0, now); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			perSession := float64(usedMemory(b, client)-before) / float64(n)
			server, own := serverCPU(b, client), ownCPU(b)
			b.ResetTimer()
			for i := range b.N {
				token := &tokens[i*617%refreshed] // all of them, in no order
				next, err := m.Refresh(b.Context(), *token)
				if err != nil {
					b.Fatal(err)
				}
				*token = next.RefreshToken
			}
			b.StopTimer()
			b.ReportMetric(perSession, "B/session")
			b.ReportMetric(float64((serverCPU(b, client)-server).Microseconds())/float64(b.N), "server-µs/op")
			b.ReportMetric(float64((ownCPU(b)-own).Microseconds())/float64(b.N), "client-µs/op")
		})
	}
}

func usedMemory(b *testing.B, client *redis.Client) int64 {
	b.Helper()
	return int64(info(b, client, "memory", "used_memory"))
}

// info returns a number from Redis' INFO.
func info(b *testing.B, client *redis.Client, section, name string) float64 {
	b.Helper()
	all, err := client.Info(b.Context(), section).Result()
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(all, "\r\n"+name+":")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
