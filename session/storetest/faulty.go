package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-usher/usher/session"
)

// Network controls the network between a store and its server: a [Proxy], or a [Faulty] if there is no server.
type Network interface {
	// LoseAnswer loses the next answer: the server carries out the request, but the store gets no answer.
	LoseAnswer()
	// RepeatRequest delivers the next request twice. The store gets the second answer.
	RepeatRequest()
	// Delay delays each request by d, even if its caller has given up. 0 ends the delays.
	Delay(d time.Duration)
	// Hang stops all traffic until Resume. Requests that waited are then delivered, even if their caller has given up.
	Hang()
	// Resume ends Hang.
	Resume()
}

// ErrLost is the error of a [Faulty] for an operation whose answer was lost.
var ErrLost = errors.New("storetest: the answer was lost")

// Faulty is a Store that simulates a faulty Network. Use it to test how an application behaves when its store fails.
// Create it with NewFaulty. It is safe for concurrent use.
type Faulty struct {
	store session.Store

	mu         sync.Mutex
	loseNext   bool
	repeatNext bool
	delay      time.Duration
	resumed    chan struct{} // closed, unless the network hangs
	pending    sync.WaitGroup
}

var (
	_ session.Store = (*Faulty)(nil)
	_ Network       = (*Faulty)(nil)
)

// NewFaulty returns a Faulty over store. At first it has no fault.
func NewFaulty(store session.Store) *Faulty {
	f := &Faulty{store: store, resumed: make(chan struct{})}
	close(f.resumed)
	return f
}

// LoseAnswer implements [Network].
func (f *Faulty) LoseAnswer() { f.update(func() { f.loseNext = true }) }

// RepeatRequest implements [Network].
func (f *Faulty) RepeatRequest() { f.update(func() { f.repeatNext = true }) }

// Delay implements [Network].
func (f *Faulty) Delay(d time.Duration) { f.update(func() { f.delay = d }) }

// Hang implements [Network].
func (f *Faulty) Hang() {
	f.update(func() {
		select {
		case <-f.resumed:
			f.resumed = make(chan struct{})
		default:
		}
	})
}

// Resume implements [Network].
func (f *Faulty) Resume() {
	f.update(func() {
		select {
		case <-f.resumed:
		default:
			close(f.resumed)
		}
	})
}

// Wait waits until all operations whose caller has given up have been carried out.
func (f *Faulty) Wait() { f.pending.Wait() }

func (f *Faulty) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// overNetwork runs an operation over the simulated network.
func overNetwork[T any](ctx context.Context, f *Faulty, operation func(ctx context.Context) (T, error)) (T, error) {
	f.mu.Lock()
	loseNext, repeatNext, delay, resumed := f.loseNext, f.repeatNext, f.delay, f.resumed
	f.loseNext, f.repeatNext = false, false
	f.mu.Unlock()
	type answer struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	answers := make(chan answer, 1)
	f.pending.Go(func() {
		if delay > 0 {
			<-time.After(delay)
		}
		<-resumed
		arrived := context.WithoutCancel(ctx)
		if repeatNext {
			_, _ = operation(arrived)
		}
		value, err := operation(arrived)
		answers <- answer{value, err}
	})
	select {
	case a := <-answers:
		if loseNext {
			return none, ErrLost
		}
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Start implements [session.Store].
func (f *Faulty) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	return overNetwork(ctx, f, func(ctx context.Context) ([]string, error) { return f.store.Start(ctx, r, limit, now) })
}

// Rotate implements [session.Store].
func (f *Faulty) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	return overNetwork(ctx, f, func(ctx context.Context) (session.Rotated, error) { return f.store.Rotate(ctx, r) })
}

// Lookup implements [session.Store].
func (f *Faulty) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	return overNetwork(ctx, f, func(ctx context.Context) (session.Session, error) { return f.store.Lookup(ctx, subject, id, now) })
}

// List implements [session.Store].
func (f *Faulty) List(ctx context.Context, subject string, now time.Time) ([]session.Session, error) {
	return overNetwork(ctx, f, func(ctx context.Context) ([]session.Session, error) { return f.store.List(ctx, subject, now) })
}

// End implements [session.Store].
func (f *Faulty) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	return overNetwork(ctx, f, func(ctx context.Context) (bool, error) { return f.store.End(ctx, subject, id, now) })
}

// EndAll implements [session.Store].
func (f *Faulty) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) ([]string, error) {
	return overNetwork(ctx, f, func(ctx context.Context) ([]string, error) { return f.store.EndAll(ctx, subject, keep, now, forget) })
}

// Prune implements [session.Store].
func (f *Faulty) Prune(ctx context.Context, now time.Time) (int, error) {
	return overNetwork(ctx, f, func(ctx context.Context) (int, error) { return f.store.Prune(ctx, now) })
}
