package usher

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// table is a hash table of tokens that can be read while it is written to. Tokens of one place are in a chain.
type table struct {
	chains atomic.Pointer[[]atomic.Pointer[remembered]]
	count  int
	factor uint64 // random, so that nobody can choose whose tokens share a place
}

func (t *table) init() {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	t.factor = binary.LittleEndian.Uint64(random[:]) | 1
	t.chains.Store(&[]atomic.Pointer[remembered]{{}})
}

// place returns the place of a token among so many.
func (t *table) place(token string, places int) int {
	place, _ := bits.Mul64(tail(token)*t.factor, uint64(places))
	return int(place)
}

// tail is the last eight characters of a token. They belong to its signature, so those of verified tokens are as good as
// random: hashing whole tokens costs 4 % of a request.
func tail(token string) uint64 { return load64(token[len(token)-8:]) }

// get returns what is there of token, or nil. While the table grows it may not find what is there.
func (t *table) get(token string) *remembered {
	chains := *t.chains.Load()
	for r := chains[t.place(token, len(chains))].Load(); r != nil; r = r.inTable.Load() {
		if r.token == token {
			return r
		}
	}
	return nil
}

func (t *table) put(r *remembered) {
	chains := *t.chains.Load()
	if t.count == len(chains) {
		wider := make([]atomic.Pointer[remembered], 2*len(chains))
		for i := range chains {
			for old := chains[i].Load(); old != nil; {
				next := old.inTable.Load()
				t.link(wider, old)
				old = next
			}
		}
		t.chains.Store(&wider)
		chains = wider
	}
	t.link(chains, r)
	t.count++
}

func (t *table) link(chains []atomic.Pointer[remembered], r *remembered) {
	chain := &chains[t.place(r.token, len(chains))]
	r.inTable.Store(chain.Load())
	chain.Store(r)
}

// delete takes r out, and reports whether it was in. Whoever is looking at it finds the way on.
func (t *table) delete(r *remembered) bool {
	chains := *t.chains.Load()
	link := &chains[t.place(r.token, len(chains))]
	for link.Load() != nil {
		if link.Load() == r {
			link.Store(r.inTable.Load())
			t.count--
			return true
		}
		link = &link.Load().inTable
	}
	return false
}
