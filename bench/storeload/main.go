// Command storeload puts a store of sessions under load: clients log in, check, refresh and log out, for a minute, and
// then once more while Prune removes expired sessions. It prints rates and times for each step, errors, and what the
// process's memory and goroutines do meanwhile.
//
//	eval "$(bash .ci/services.sh)"
//	go run ./bench/storeload -store postgresql
//	go run ./bench/storeload -store mariadb -for 60s -clients 64 -expired 1000000
//
// The stores are memory, sqlite, postgresql, mariadb and redis.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "storeload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	name := flag.String("store", "memory", "memory, sqlite, postgresql, mariadb or redis")
	length := flag.Duration("for", time.Minute, "how long the load lasts")
	clients := flag.Int("clients", 64, "clients at once")
	expired := flag.Int("expired", 1_000_000, "expired sessions to prune under load; 0: none")
	flag.Parse()
	target, err := open(ctx, *name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	manager, err := newManager(target.store)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d clients, %s, %d cores, %s\n", *name, *clients, *length, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	loadCtx, cancel := context.WithTimeout(ctx, *length)
	newLoad(manager, *clients).run(loadCtx, ctx)
	cancel()
	if *expired == 0 || target.addExpired == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if err := target.addExpired(ctx, *expired); err != nil {
		return err
	}
	loadCtx, cancel = context.WithCancel(ctx)
	var pruned int
	var took time.Duration
	var pruneErr error
	go func() {
		defer cancel()
		began := time.Now()
		pruned, pruneErr = manager.Prune(ctx)
		took = time.Since(began)
	}()
	load := newLoad(manager, *clients)
	load.run(loadCtx, ctx)
	fmt.Printf("  meanwhile Prune removed %d sessions in %s\n", pruned, took.Round(time.Millisecond))
	return pruneErr
}

// claims are an application's.
type claims struct {
	usher.Claims
	Role string `json:"role"`
}

func newManager(store session.Store) (*session.Manager[claims], error) {
	key, err := usher.GenerateKey("HS256")
	if err != nil {
		return nil, err
	}
	encoder, err := usher.NewEncoder[claims](key, nil)
	if err != nil {
		return nil, err
	}
	return session.NewManager(session.Config[claims]{
		Encoder: encoder,
		Store:   store,
		Claims:  func(context.Context, session.Grant) (claims, error) { return claims{Role: "reader"}, nil },
		Secret:  []byte("a secret of a load test, 32 bytes"),
	})
}

// The steps of a client, in the order of the report.
const (
	login = iota
	check
	refresh
	logout
	steps
)

var stepNames = [steps]string{"login", "check", "refresh", "logout"}

// load is one run.
type load struct {
	manager *session.Manager[claims]
	clients int
	failed  [steps]atomic.Int64
	mu      sync.Mutex
	times   [steps]histogram
	lastErr error
}

func newLoad(m *session.Manager[claims], clients int) *load {
	return &load{manager: m, clients: clients}
}

// run works until ctx ends, and prints the report. Steps that are under way then still have the time of all.
func (l *load) run(ctx, all context.Context) {
	began := time.Now()
	var group sync.WaitGroup
	for i := range l.clients {
		group.Go(func() { l.client(ctx, all, i) })
	}
	memory := watchMemory(ctx)
	group.Wait()
	elapsed := time.Since(began)
	for step, name := range stepNames {
		h := &l.times[step]
		fmt.Printf("  %-8s %8.0f/s   p50 %9s   p99 %9s   longest %9s   %d errors\n", name, float64(h.count)/elapsed.Seconds(),
			h.quantile(0.5), h.quantile(0.99), h.longest.Round(10*time.Microsecond), l.failed[step].Load())
	}
	fmt.Printf("  %s\n", <-memory)
	if l.lastErr != nil {
		fmt.Printf("  last error: %v\n", l.lastErr)
	}
}

// client lives through sessions: a login, eight refreshes with four checks each, and a logout.
func (l *load) client(ctx, all context.Context, number int) {
	var times [steps]histogram
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range times {
			l.times[i].add(&times[i])
		}
	}()
	do := func(step int, f func() error) bool {
		began := time.Now()
		err := f()
		times[step].note(time.Since(began))
		if err != nil {
			l.failed[step].Add(1)
			l.mu.Lock()
			l.lastErr = err
			l.mu.Unlock()
		}
		return err == nil && ctx.Err() == nil
	}
	subject := fmt.Sprint("user-", number)
	about := session.About{UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", Address: "192.0.2.1"}
	for ctx.Err() == nil {
		var tokens session.Tokens
		if !do(login, func() (err error) { tokens, err = l.manager.Start(all, subject, about); return err }) {
			continue
		}
		for range 8 {
			token := &usher.Claims{Subject: subject, SessionID: tokens.SessionID}
			for range 4 {
				do(check, func() error { return l.manager.Check(all, token) })
			}
			if !do(refresh, func() error {
				next, err := l.manager.Refresh(all, tokens.RefreshToken)
				if err == nil {
					tokens = next
				}
				return err
			}) {
				break
			}
		}
		do(logout, func() error { return l.manager.End(all, tokens.RefreshToken) })
	}
}

// watchMemory reports the heap and the goroutines after a while, and when ctx ends.
func watchMemory(ctx context.Context) <-chan string {
	report := make(chan string, 1)
	go func() {
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
		heapBefore, goroutinesBefore := memory()
		heap, goroutines := heapBefore, goroutinesBefore
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for ctx.Err() == nil {
			select {
			case <-tick.C:
				heap, goroutines = memory()
			case <-ctx.Done():
			}
		}
		report <- fmt.Sprintf("heap %.1f MB after 5 s, %.1f MB at the end; goroutines %d, %d", heapBefore, heap, goroutinesBefore, goroutines)
	}()
	return report
}

func memory() (megabytes float64, goroutines int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6, runtime.NumGoroutine()
}
