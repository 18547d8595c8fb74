// Package slots limits expensive calls: how many run at once, how many wait for their turn, and how many of both
// belong to one client.
package slots

import (
	"context"
	"errors"
	"sync"
)

// Why a call was not admitted. Otherwise it is the context's error.
var (
	ErrFull       = errors.New("too many calls run or wait")
	ErrClientFull = errors.New("too many calls of this client run or wait")
)

// Queue admits calls. New makes one. It is safe for concurrent use.
type Queue struct {
	running   chan struct{} // holds one element for each call that runs
	admitted  chan struct{} // holds one element for each call that runs or waits
	perClient int

	mu      sync.Mutex
	clients map[string]int // calls that run or wait, of each client that has any
}

// New returns a queue in which up to running calls run, up to waiting more wait, and up to perClient of all these
// belong to one client.
func New(running, waiting, perClient int) *Queue {
	return &Queue{
		running:   make(chan struct{}, running),
		admitted:  make(chan struct{}, running+waiting),
		perClient: perClient,
		clients:   map[string]int{},
	}
}

// Enter waits until the call may run. It returns ErrFull or ErrClientFull at once if the call may not even wait, and
// the context's error if the context ends first. After a nil error the caller must call Leave with the same client.
// Calls of the client "" have no limit of their own.
func (q *Queue) Enter(ctx context.Context, client string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !q.count(client) {
		return ErrClientFull
	}
	select {
	case q.admitted <- struct{}{}:
	default:
		q.uncount(client)
		return ErrFull
	}
	select {
	case q.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-q.admitted
		q.uncount(client)
		return ctx.Err()
	}
}

// Leave ends a call that Enter let run.
func (q *Queue) Leave(client string) {
	<-q.running
	<-q.admitted
	q.uncount(client)
}

func (q *Queue) count(client string) bool {
	if client == "" {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.clients[client] >= q.perClient {
		return false
	}
	q.clients[client]++
	return true
}

func (q *Queue) uncount(client string) {
	if client == "" {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.clients[client]--; q.clients[client] == 0 {
		delete(q.clients, client)
	}
}
