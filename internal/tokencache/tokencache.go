// Package tokencache is a map from strings to values that is bounded in memory, and whose hits take no lock. It is made for keys whose last eight
// bytes are as good as random, such as signed texts, and for readers that are far more than writers.
//
// A new entry waits in one queue. When its turn comes it moves to the other if it was asked for meanwhile, and else it is dropped: a
// stream of keys that come once passes by those that come again. In the other queue an entry that was asked for since its last turn goes to the
// end, and else is dropped. One that comes back soon after it was dropped need not wait again. (This is S3-FIFO, Yang et al., SOSP 2023, with
// one bit for uses.)
package tokencache

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
)

// Cache is a bounded map. It is made by [New] and safe for concurrent use. In a nil *Cache nothing is found.
type Cache[V any] struct {
	entries  table[V]
	limit    int // bytes that all entries together may take
	slotSize int // bytes that every entry counts as, at least
	isSame   func(a, b *V) bool

	mu       sync.Mutex // guards what follows, and changes of entries
	incoming queue[V]
	retained queue[V]
	dropped  []uint64 // tails of keys that were dropped lately, each at its place
}

// entry is a key with its value.
type entry[V any] struct {
	key   string
	value V
	bytes int // an estimate of what all this takes, and slotSize at least

	used    atomic.Bool // since it came into its queue, or since its last turn
	inQueue *entry[V]   // the next one
	inTable atomic.Pointer[entry[V]]
}

// EntryBytes is about what an entry takes beside its key and its value, with its shares of the tables.
const EntryBytes = 256

// New returns a cache of so many slots. Each is so many bytes, and an entry takes one or, if it is larger, several. isSame reports whether a
// value that is put under a key may be dropped for the sake of the one that is there.
func New[V any](slots, slotSize int, isSame func(a, b *V) bool) *Cache[V] {
	c := &Cache[V]{limit: min(slots, math.MaxInt/slotSize) * slotSize, slotSize: slotSize, isSame: isSame}
	c.entries.init()
	return c
}

// Get returns the value that is cached under key, or nil. Nobody may change what it returns. It writes nothing but the bit that says that the
// entry was used, once a turn.
func (c *Cache[V]) Get(key string) *V {
	if c == nil || len(key) < tailSize {
		return nil
	}
	e := c.entries.get(key)
	if e == nil {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return &e.value
}

// Put caches value under key, which has eight bytes or more, in place of what was there. Bytes is what value and all that it leads to take. An
// entry that takes more than half of the cache, and more than a slot, is not cached: it would push out all others.
func (c *Cache[V]) Put(key string, value V, bytes int) {
	size := max(c.slotSize, EntryBytes+len(key)+bytes)
	if size > max(c.slotSize, c.limit/2) || len(key) < tailSize {
		return
	}
	key = strings.Clone(key) // which may be a part of something larger
	e := &entry[V]{key: key, value: value, bytes: size}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries.get(key); old != nil {
		if c.isSame(&old.value, &e.value) { // two have put it at the same time
			return
		}
		_ = c.entries.delete(old) // it leaves its queue in its turn
	}
	into := &c.incoming
	if c.wasDropped(key) {
		into = &c.retained
	}
	c.free(size)
	into.push(e)
	c.entries.put(e)
}

// free drops entries until so many bytes are free.
func (c *Cache[V]) free(bytes int) {
	spared := 0
	for c.incoming.bytes+c.retained.bytes > c.limit-bytes {
		from := &c.retained
		if c.incoming.bytes >= c.limit/10 || c.retained.count == 0 {
			from = &c.incoming
		}
		e := from.pop()
		if e.used.Swap(false) && spared <= c.retained.count { // each entry is spared once, however busy all are
			c.retained.push(e)
			spared++
			continue
		}
		c.drop(e)
	}
}

// drop forgets an entry that is in no queue any more, all but its key's tail.
func (c *Cache[V]) drop(e *entry[V]) {
	if !c.entries.delete(e) { // another took its place
		return
	}
	if held := c.incoming.count + c.retained.count; len(c.dropped) <= 2*held {
		c.dropped = make([]uint64, 4*(held+1))
	}
	c.dropped[c.entries.place(e.key, len(c.dropped))] = tail(e.key)
}

// wasDropped reports whether an entry with this key was dropped lately.
func (c *Cache[V]) wasDropped(key string) bool {
	return len(c.dropped) > 0 && c.dropped[c.entries.place(key, len(c.dropped))] == tail(key)
}

// queue is a list of entries, first in, first out.
type queue[V any] struct {
	first, last  *entry[V]
	count, bytes int
}

func (q *queue[V]) push(e *entry[V]) {
	if q.first == nil {
		q.first = e
	} else {
		q.last.inQueue = e
	}
	q.last = e
	q.count++
	q.bytes += e.bytes
}

// pop takes the first entry out; there must be one.
func (q *queue[V]) pop() *entry[V] {
	e := q.first
	q.first, e.inQueue = e.inQueue, nil
	if q.first == nil {
		q.last = nil // which would keep e in memory
	}
	q.count--
	q.bytes -= e.bytes
	return e
}
