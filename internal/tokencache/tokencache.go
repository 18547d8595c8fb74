// Package tokencache provides a cache from strings to values. Its memory is bounded, and hits take no lock. It is
// designed for many more reads than writes, and for keys whose last eight bytes are practically random, such as signed
// texts.
//
// The eviction policy is S3-FIFO (Yang et al., SOSP 2023) with one bit for uses. A new entry is added to the first
// queue. When it reaches the front, it moves to the second queue if it has been used, and otherwise it is dropped. So
// keys that are used only once do not evict others. When an entry reaches the front of the second queue, it moves to
// the end if it has been used since, and otherwise it is dropped. A key that is added again soon after it was dropped
// goes directly to the second queue.
package tokencache

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
)

// Cache is a bounded cache. Create it with [New]. It is safe for concurrent use. A nil *Cache is empty.
type Cache[V any] struct {
	entries  table[V]
	limit    int // the maximum size of all entries, in bytes
	slotSize int // the minimum size of an entry, in bytes
	isSame   func(a, b *V) bool

	mu       sync.Mutex // guards the fields below, and changes of entries
	incoming queue[V]
	retained queue[V]
	dropped  []uint64 // the tails of recently dropped keys, each at its place
}

// entry is a key with its value.
type entry[V any] struct {
	key   string
	value V
	bytes int // the estimated size of the entry, at least slotSize

	used    atomic.Bool // used since the entry was added to its queue or moved to the end
	inQueue *entry[V]   // the next entry in the queue
	inTable atomic.Pointer[entry[V]]
}

// EntryBytes is the approximate overhead of an entry in bytes, without its key and value, and with its share of the tables.
const EntryBytes = 256

// New returns a cache with this number of slots of slotSize bytes. An entry takes one slot, or several if it is larger.
// If isSame returns true for an existing and a new value, Put keeps the existing one.
func New[V any](slots, slotSize int, isSame func(a, b *V) bool) *Cache[V] {
	c := &Cache[V]{limit: min(slots, math.MaxInt/slotSize) * slotSize, slotSize: slotSize, isSame: isSame}
	c.entries.init()
	return c
}

// Get returns the cached value of key, or nil. The value must not be modified. The only write of Get is the bit for
// uses, and only if it is not set.
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

// Put caches value for key, in place of an earlier value. key must have eight bytes or more. bytes is the size of value
// with the data that it refers to. An entry of more than one slot and more than half of the cache is not cached,
// because it would evict all others.
func (c *Cache[V]) Put(key string, value V, bytes int) {
	size := max(c.slotSize, EntryBytes+len(key)+bytes)
	if size > max(c.slotSize, c.limit/2) || len(key) < tailSize {
		return
	}
	key = strings.Clone(key) // key may be a substring of a larger string
	e := &entry[V]{key: key, value: value, bytes: size}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries.get(key); old != nil {
		if c.isSame(&old.value, &e.value) { // two simultaneous calls of Put
			return
		}
		_ = c.entries.delete(old) // it stays in its queue until it reaches the front
	}
	into := &c.incoming
	if c.wasDropped(key) {
		into = &c.retained
	}
	c.free(size)
	into.push(e)
	c.entries.put(e)
}

// free drops entries until this number of bytes is free.
func (c *Cache[V]) free(bytes int) {
	spared := 0
	for c.incoming.bytes+c.retained.bytes > c.limit-bytes {
		from := &c.retained
		if c.incoming.bytes >= c.limit/10 || c.retained.count == 0 {
			from = &c.incoming
		}
		e := from.pop()
		if e.used.Swap(false) && spared <= c.retained.count { // each entry is spared at most once
			c.retained.push(e)
			spared++
			continue
		}
		c.drop(e)
	}
}

// drop removes an entry that is no longer in a queue, and remembers the tail of its key.
func (c *Cache[V]) drop(e *entry[V]) {
	if !c.entries.delete(e) { // it has been replaced
		return
	}
	if held := c.incoming.count + c.retained.count; len(c.dropped) <= 2*held {
		c.dropped = make([]uint64, 4*(held+1))
	}
	c.dropped[c.entries.place(e.key, len(c.dropped))] = tail(e.key)
}

// wasDropped reports whether an entry with this key was dropped recently.
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

// pop removes and returns the first entry. The queue must not be empty.
func (q *queue[V]) pop() *entry[V] {
	e := q.first
	q.first, e.inQueue = e.inQueue, nil
	if q.first == nil {
		q.last = nil // so that e can be freed
	}
	q.count--
	q.bytes -= e.bytes
	return e
}
