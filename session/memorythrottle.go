package session

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// MemoryThrottle is a Throttle in the memory of one process. It is safe for concurrent use.
type MemoryThrottle struct {
	opts ThrottleOptions

	mu       sync.Mutex
	counters map[counterKey]*counter
	coldest  counterHeap // the same counters; the first one will be idle soonest
}

type counter struct {
	key   counterKey
	idle  time.Time // see Limit
	index int       // in the heap
}

// NewMemoryThrottle returns a Throttle for one process. If opts are invalid, it returns a usher.ConfigError for each
// mistake, joined.
func NewMemoryThrottle(opts *ThrottleOptions) (*MemoryThrottle, error) {
	complete, err := opts.Complete()
	if err != nil {
		return nil, err
	}
	return &MemoryThrottle{opts: complete, counters: map[counterKey]*counter{}}, nil
}

// Reserve implements [Throttle].
func (t *MemoryThrottle) Reserve(ctx context.Context, account, address string) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	perAddress, perAccount := addressKey(account, address), accountKey(account)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opts.Now()
	wait := max(
		t.opts.PerAddress.wait(t.idle(perAddress, t.opts.PerAddress, now), now),
		t.opts.PerAccount.wait(t.idle(perAccount, t.opts.PerAccount, now), now),
	)
	if wait > 0 {
		return wait, nil
	}
	t.set(perAddress, t.opts.PerAddress.after(t.idle(perAddress, t.opts.PerAddress, now), now))
	t.set(perAccount, t.opts.PerAccount.after(t.idle(perAccount, t.opts.PerAccount, now), now))
	return 0, nil
}

// Refund implements [Throttle].
func (t *MemoryThrottle) Refund(_ context.Context, account, address string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.giveBack(addressKey(account, address), t.opts.PerAddress.Every)
	t.giveBack(accountKey(account), t.opts.PerAccount.Every)
	return nil
}

// idle returns when a counter will be idle. If the table is full, a counter that is not there counts as the one that
// will be idle soonest: it may have been dropped, and then it was not ahead of that one. Otherwise new accounts would
// not be counted while all counters are in use.
func (t *MemoryThrottle) idle(key counterKey, limit Limit, now time.Time) time.Time {
	if c := t.counters[key]; c != nil {
		return c.idle
	}
	if len(t.counters) < t.opts.Size {
		return time.Time{}
	}
	idle := t.coldest[0].idle
	if full := now.Add(time.Duration(limit.Burst) * limit.Every); idle.After(full) {
		return full // no counter of this limit is hotter
	}
	return idle
}

func (t *MemoryThrottle) set(key counterKey, idle time.Time) {
	c := t.counters[key]
	if c != nil {
		c.idle = idle
		heap.Fix(&t.coldest, c.index)
		return
	}
	if len(t.counters) >= t.opts.Size {
		delete(t.counters, heap.Pop(&t.coldest).(*counter).key) //nolint:errcheck // it holds nothing else
	}
	c = &counter{key: key, idle: idle}
	t.counters[key] = c
	heap.Push(&t.coldest, c)
}

func (t *MemoryThrottle) giveBack(key counterKey, every time.Duration) {
	c := t.counters[key]
	if c == nil {
		return // dropped since, with the attempt
	}
	c.idle = c.idle.Add(-every)
	heap.Fix(&t.coldest, c.index)
}

// counterHeap implements heap.Interface.
type counterHeap []*counter

func (h counterHeap) Len() int { return len(h) }

func (h counterHeap) Less(i, j int) bool { return h[i].idle.Before(h[j].idle) }

func (h counterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *counterHeap) Push(c any) {
	added := c.(*counter) //nolint:errcheck // Push is given nothing else
	added.index = len(*h)
	*h = append(*h, added)
}

func (h *counterHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}
