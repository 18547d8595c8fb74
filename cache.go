package usher

import (
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
)

// cache remembers verified tokens, in bounded number and size. Readers never wait. When it is full a new token
// takes the place of one that was not asked for since the hand came by last (the CLOCK algorithm), so that a
// stream of tokens that come once can't push out those that come again.
type cache[C any] struct {
	index sync.Map // from the token to its *remembered[C]

	mu    sync.Mutex // guards what follows
	slots []*remembered[C]
	hand  int
	bytes int

	maxSlots, maxBytes int
	entrySize          int // bytes of an entry beside its texts
}

// remembered is a verified token. Nothing in it changes but asked.
type remembered[C any] struct {
	token  string
	header *header
	key    Key
	claims C
	bytes  int // an estimate of what all this takes
	asked  atomic.Bool
	slot   int // guarded by cache.mu
}

// newCache returns a cache for this many tokens, nil for none. A nil cache remembers nothing.
func newCache[C any](size int) *cache[C] {
	if size == 0 {
		return nil
	}
	const index = 128 // about what sync.Map takes for an entry
	return &cache[C]{
		maxSlots:  size,
		maxBytes:  size * 2 << 10,
		entrySize: int(reflect.TypeFor[remembered[C]]().Size()) + index,
	}
}

func (c *cache[C]) get(token string) *remembered[C] {
	if c == nil {
		return nil
	}
	r := c.find(token)
	if r != nil && !r.asked.Load() { // a write that others must see costs more than a look
		r.asked.Store(true)
	}
	return r
}

func (c *cache[C]) find(token string) *remembered[C] {
	found, _ := c.index.Load(token)
	r, _ := found.(*remembered[C])
	return r
}

// entry returns what put would remember, with copies of all that the caller may change or pin. foreign is how
// many bytes of the payload have become values of types that usher doesn't know.
func (c *cache[C]) entry(token string, h *header, key Key, claims *C, foreign int) *remembered[C] {
	if c == nil {
		return nil
	}
	// The claims' strings are parts of a payload that is about as long as the token; a map or an interface
	// value can take many times its JSON.
	const foreignFactor = 16
	return &remembered[C]{
		token: strings.Clone(token), header: h, key: key, claims: *claims,
		bytes: c.entrySize + 2*len(token) + foreignFactor*foreign,
	}
}

func (c *cache[C]) put(r *remembered[C]) {
	if c == nil || r.bytes > c.maxBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.find(r.token); old != nil {
		c.drop(old)
	}
	for c.bytes+r.bytes > c.maxBytes {
		c.evict()
	}
	if len(c.slots) < c.maxSlots {
		r.slot = len(c.slots)
		c.slots = append(c.slots, r)
	} else {
		r.slot = c.evict()
		c.slots[r.slot] = r
	}
	c.bytes += r.bytes
	c.index.Store(r.token, r)
}

// evict makes a slot free, and returns it.
func (c *cache[C]) evict() int {
	for {
		slot := c.hand % len(c.slots)
		c.hand = slot + 1
		r := c.slots[slot]
		if r == nil {
			return slot
		}
		if !r.asked.Swap(false) {
			c.drop(r)
			return slot
		}
	}
}

func (c *cache[C]) drop(r *remembered[C]) {
	c.index.Delete(r.token)
	c.slots[r.slot] = nil
	c.bytes -= r.bytes
}

// verifiedBy reports whether the key that verified the token is still among those that may.
func (r *remembered[C]) verifiedBy(keys []Key) bool {
	for key := range candidates(keys, r.header) {
		if key.verify.equal(r.key.verify) {
			return true
		}
	}
	return false
}
