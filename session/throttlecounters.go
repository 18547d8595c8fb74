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
	key    counterKey
	idleAt time.Time // see Limit
	index  int       // the index in the heap
}

func newCounterTable(size int) counterTable {
	return counterTable{size: size, byKey: map[counterKey]*counter{}}
}

// idleAt returns when a counter will be idle. For a missing counter it returns the zero time or, if the table is full,
// the time at which the first counter will be idle, but at most latest.
func (t *counterTable) idleAt(key counterKey, latest time.Time) time.Time {
	if c := t.byKey[key]; c != nil {
		return c.idleAt
	}
	if len(t.byKey) < t.size {
		return time.Time{}
	}
	if idleAt := t.soonest[0].idleAt; idleAt.Before(latest) {
		return idleAt
	}
	return latest
}

// set sets when a counter will be idle. If the table is full, a new counter replaces the one that will be idle soonest.
func (t *counterTable) set(key counterKey, idleAt time.Time) {
	c := t.byKey[key]
	if c != nil {
		c.idleAt = idleAt
		heap.Fix(&t.soonest, c.index)
		return
	}
	if len(t.byKey) >= t.size {
		delete(t.byKey, heap.Pop(&t.soonest).(*counter).key) //nolint:errcheck // the heap contains only counters
	}
	c = &counter{key: key, idleAt: idleAt}
	t.byKey[key] = c
	heap.Push(&t.soonest, c)
}

// refund gives back one attempt to a counter.
func (t *counterTable) refund(key counterKey, every time.Duration) {
	c := t.byKey[key]
	if c == nil {
		return // the counter has been dropped
	}
	c.idleAt = c.idleAt.Add(-every)
	heap.Fix(&t.soonest, c.index)
}

// counterHeap implements heap.Interface.
type counterHeap []*counter

func (h counterHeap) Len() int           { return len(h) }
func (h counterHeap) Less(i, j int) bool { return h[i].idleAt.Before(h[j].idleAt) }

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
