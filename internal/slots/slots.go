// Package slots limits expensive calls: the number that run at once, the number that wait, and the number of each client.
package slots

import (
	"context"
	"errors"
	"sync"
)

// Reasons why a call was not admitted. The context's error is another.
var (
	ErrFull       = errors.New("too many calls are running or waiting")
	ErrClientFull = errors.New("too many calls of this client are running or waiting")
)

// Queue admits calls. Create it with [New]. It is safe for concurrent use.
type Queue struct {
	running   chan struct{} // one element for each running call
	admitted  chan struct{} // one element for each running or waiting call
	perClient int

	mu      sync.Mutex
	clients map[string]int // the number of running and waiting calls by client
}

// New returns a queue in which up to running calls run and up to waiting more wait. Up to perClient of all these may
// belong to one client.
func New(running, waiting, perClient int) *Queue {
	return &Queue{
		running:   make(chan struct{}, running),
		admitted:  make(chan struct{}, running+waiting),
		perClient: perClient,
		clients:   map[string]int{},
	}
}

// Enter waits until the call may run. If the call may not even wait, it returns ErrFull or ErrClientFull at once. If
// the context ends first, it returns the context's error. If it returns nil, the caller must call Leave with the same
// client. The client "" has no limit of its own.
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

// Leave ends a call that Enter admitted.
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
