package session

import (
	"container/heap"
	"time"
)

// counterTable holds a bounded number of counters.
type counterTable struct {
	size    int
	byKey   map[counterKey]*counter
	soonest counterHeap // the same counters; the first one will be idle soonest
}

type counter struct {
	key   counterKey
	idle  time.Time // see Limit
	index int       // the index in the heap
}

func newCounterTable(size int) counterTable {
	return counterTable{size: size, byKey: map[counterKey]*counter{}}
}

// idle returns when a counter will be idle. For a missing counter it returns the zero time or, if the table is full,
// the time at which the first counter will be idle, but at most limit.
func (t *counterTable) idle(key counterKey, limit time.Time) time.Time {
	if c := t.byKey[key]; c != nil {
		return c.idle
	}
	if len(t.byKey) < t.size {
		return time.Time{}
	}
	if idle := t.soonest[0].idle; idle.Before(limit) {
		return idle
	}
	return limit
}

func (t *counterTable) set(key counterKey, idle time.Time) {
	c := t.byKey[key]
	if c != nil {
		c.idle = idle
		heap.Fix(&t.soonest, c.index)
		return
	}
	if len(t.byKey) >= t.size {
		delete(t.byKey, heap.Pop(&t.soonest).(*counter).key) //nolint:errcheck // the heap contains only counters
	}
	c = &counter{key: key, idle: idle}
	t.byKey[key] = c
	heap.Push(&t.soonest, c)
}

func (t *counterTable) giveBack(key counterKey, every time.Duration) {
	c := t.byKey[key]
	if c == nil {
		return // the counter has been dropped
	}
	c.idle = c.idle.Add(-every)
	heap.Fix(&t.soonest, c.index)
}

// counterHeap implements heap.Interface.
type counterHeap []*counter

func (h counterHeap) Len() int           { return len(h) }
func (h counterHeap) Less(i, j int) bool { return h[i].idle.Before(h[j].idle) }

func (h counterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *counterHeap) Push(c any) {
	added := c.(*counter) //nolint:errcheck // Push is called only with counters
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
