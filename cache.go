package usher

import (
	"math"
	"reflect"
	"strings"

	"github.com/maypok86/otter/v2"
)

// cache remembers verified tokens, in bounded number and size. Its policy (W-TinyLFU) keeps what is asked for
// often, so that a stream of tokens that come once can't push out those that come again.
type cache[C any] struct {
	tokens    *otter.Cache[string, *remembered[C]]
	entrySize int // bytes of an entry beside its texts
}

// remembered is a verified token. Nothing in it changes.
type remembered[C any] struct {
	token  string
	header *header
	key    Key
	claims C
	bytes  int // an estimate of what all this takes
}

// slotSize is the bytes that one of CacheSize tokens has: larger ones take the place of several.
const slotSize = 2 << 10

// newCache returns a cache for this many tokens, nil for none. A nil cache remembers nothing.
func newCache[C any](size int) *cache[C] {
	if size == 0 {
		return nil
	}
	const index = 256 // about what the library takes for an entry
	return &cache[C]{
		tokens: otter.Must(&otter.Options[string, *remembered[C]]{
			MaximumWeight: uint64(min(size, math.MaxInt64/slotSize)) * slotSize, //nolint:gosec // not negative
			Weigher: func(_ string, r *remembered[C]) uint32 {
				return uint32(min(max(slotSize, r.bytes), math.MaxUint32)) //nolint:gosec // it fits
			},
			Executor: func(task func()) { task() }, // no goroutines
		}),
		entrySize: int(reflect.TypeFor[remembered[C]]().Size()) + index,
	}
}

// get returns what is remembered of token, or nil.
func (c *cache[C]) get(token string) *remembered[C] {
	if c == nil {
		return nil
	}
	r, _ := c.tokens.GetIfPresent(token)
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
	if c != nil {
		c.tokens.Set(r.token, r)
	}
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
