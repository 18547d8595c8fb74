package tokencache

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// table is a hash table that can be read while it is modified. Entries with the same place form a linked list.
type table[V any] struct {
	chains atomic.Pointer[[]atomic.Pointer[entry[V]]]
	count  int
	factor uint64 // random, so that attackers can't cause collisions
}

func (t *table[V]) init() {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	t.factor = binary.LittleEndian.Uint64(random[:]) | 1
	t.chains.Store(&[]atomic.Pointer[entry[V]]{{}})
}

// place returns the index of a key's list, below places.
func (t *table[V]) place(key string, places int) int {
	place, _ := bits.Mul64(tail(key)*t.factor, uint64(places))
	return int(place)
}

const tailSize = 8 // bytes

// tail returns the last eight bytes of a key. They are hashed in place of the whole key, because hashing whole tokens
// would take 4 % of a request.
func tail(key string) uint64 {
	t := key[len(key)-tailSize:][:tailSize]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 | // one load for the compiler
		uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// get returns the entry of key, or nil. While the table grows, it may miss an existing entry.
func (t *table[V]) get(key string) *entry[V] {
	chains := *t.chains.Load()
	for e := chains[t.place(key, len(chains))].Load(); e != nil; e = e.inTable.Load() {
		if e.key == key {
			return e
		}
	}
	return nil
}

func (t *table[V]) put(e *entry[V]) {
	chains := *t.chains.Load()
	if t.count == len(chains) {
		chains = t.grow(chains)
	}
	t.link(chains, e)
	t.count++
}

func (t *table[V]) grow(chains []atomic.Pointer[entry[V]]) []atomic.Pointer[entry[V]] {
	wider := make([]atomic.Pointer[entry[V]], 2*len(chains))
	for i := range chains {
		for e := chains[i].Load(); e != nil; {
			next := e.inTable.Load()
			t.link(wider, e)
			e = next
		}
	}
	t.chains.Store(&wider)
	return wider
}

func (t *table[V]) link(chains []atomic.Pointer[entry[V]], e *entry[V]) {
	chain := &chains[t.place(e.key, len(chains))]
	e.inTable.Store(chain.Load())
	chain.Store(e)
}

// delete removes e and reports whether it was in the table. Readers that have reached e can continue from it.
func (t *table[V]) delete(e *entry[V]) bool {
	chains := *t.chains.Load()
	link := &chains[t.place(e.key, len(chains))]
	for link.Load() != nil {
		if link.Load() == e {
			link.Store(e.inTable.Load())
			t.count--
			return true
		}
		link = &link.Load().inTable
	}
	return false
}
