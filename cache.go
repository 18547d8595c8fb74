package usher

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// cache remembers verified tokens, in bounded number and size. A new token waits in one queue. When its turn comes it moves
// to the other if it was asked for meanwhile, and else it is dropped: a stream of tokens that come once passes by those
// that come again. In the other queue a token that was asked for since its last turn goes to the end, and else is dropped.
// One that comes back soon after it was dropped need not wait again. (This is S3-FIFO, Yang et al., SOSP 2023, with one bit
// for uses.)
//
// A hit takes no lock, and writes nothing but that bit, once a turn. The cache is not generic: it would be compiled anew for
// each claims type.
type cache struct {
	tokens    table
	most      int // bytes that all together may take
	entrySize int // bytes of a remembered token beside its texts

	mu      sync.Mutex // guards what follows, and changes of tokens
	waiting queue
	staying queue
	dropped []uint64 // tails of tokens that were dropped lately, each at its place
}

// remembered is a verified token.
type remembered struct {
	token  string
	header *header
	key    Key // that verified it
	claims any // a *C
	bytes  int // an estimate of what all this takes, and slotSize at least

	used    atomic.Bool // since it came into its queue, or since its last turn
	inQueue *remembered // the next one
	inTable atomic.Pointer[remembered]
}

// slotSize is the bytes that one of CacheSize tokens has: larger ones take the place of several.
const slotSize = 2 << 10

// newCache returns a cache for this many tokens, nil for none. In a nil cache get finds nothing.
func newCache(size, claimsSize int) *cache {
	if size == 0 {
		return nil
	}
	const index = 256 // about what remembered and its shares of tokens and dropped take
	c := &cache{
		most:      min(size, math.MaxInt/slotSize) * slotSize,
		entrySize: claimsSize + index,
	}
	c.tokens.init()
	return c
}

// get returns what is remembered of token, or nil.
func (c *cache) get(token string) *remembered {
	if c == nil || len(token) < 8 {
		return nil
	}
	r := c.tokens.get(token)
	if r != nil && !r.used.Load() {
		r.used.Store(true)
	}
	return r
}

// put remembers a token that key verified, whose claims, a *C, nobody else may have. beside is about how many bytes
// the claims lead to beside the payload, which is about as long as the token.
func (c *cache) put(token string, h *header, key Key, claims any, beside int) {
	size := c.entrySize + 2*len(token) + 2*len(h.segment) + beside // as if no other token had this header
	size = max(slotSize, size)
	if size > max(slotSize, c.most/2) { // it would push out all others
		return
	}
	token = strings.Clone(token) // which may be part of a whole request
	r := &remembered{token: token, header: h, key: key, claims: claims, bytes: size}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.tokens.get(token); known != nil {
		if known.key == key { // it was verified twice at the same time
			return
		}
		_ = c.tokens.delete(known) // it leaves its queue in its turn
	}
	into := &c.waiting
	if c.isDropped(token) {
		into = &c.staying
	}
	c.makeRoom(size)
	into.push(r)
	c.tokens.put(r)
}

// makeRoom drops tokens until so many bytes are free.
func (c *cache) makeRoom(bytes int) {
	spared := 0
	for c.waiting.bytes+c.staying.bytes > c.most-bytes {
		from := &c.staying
		if c.waiting.bytes >= c.most/10 || c.staying.count == 0 {
			from = &c.waiting
		}
		r := from.pop()
		if r.used.Swap(false) && spared <= c.staying.count { // the circle is gone round once, however busy all are
			c.staying.push(r)
			spared++
			continue
		}
		c.drop(r)
	}
}

// drop forgets a token that is in no queue any more, all but its tail.
func (c *cache) drop(r *remembered) {
	if !c.tokens.delete(r) { // another took its place
		return
	}
	if held := c.waiting.count + c.staying.count; len(c.dropped) <= 2*held {
		c.dropped = make([]uint64, 4*(held+1))
	}
	c.dropped[c.tokens.place(r.token, len(c.dropped))] = tail(r.token)
}

// isDropped reports whether a token was dropped lately.
func (c *cache) isDropped(token string) bool {
	return len(c.dropped) > 0 && c.dropped[c.tokens.place(token, len(c.dropped))] == tail(token)
}

// queue is a list of tokens, first in, first out.
type queue struct {
	first, last  *remembered
	count, bytes int
}

func (q *queue) push(r *remembered) {
	if q.first == nil {
		q.first = r
	} else {
		q.last.inQueue = r
	}
	q.last = r
	q.count++
	q.bytes += r.bytes
}

// pop takes the first token out; there must be one.
func (q *queue) pop() *remembered {
	r := q.first
	q.first, r.inQueue = r.inQueue, nil
	if q.first == nil {
		q.last = nil // which would keep r in memory
	}
	q.count--
	q.bytes -= r.bytes
	return r
}

// verifiedBy reports whether the key that verified the token, or another one of the same material, is still among those
// that may.
func (r *remembered) verifiedBy(keys []Key) bool {
	// Mostly it is the very key, which goes with the header; looking at algorithm and ID costs 3 % of a request.
	if slices.Contains(keys[:min(len(keys), maxTries)], r.key) {
		return true
	}
	for key := range candidates(keys, r.header) {
		if key.verify.equal(r.key.verify) {
			return true
		}
	}
	return false
}
