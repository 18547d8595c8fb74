package usher

import (
	"math"
	"slices"
	"strings"

	"github.com/maypok86/otter/v2"
)

// cache remembers verified tokens, in bounded number and size. Its policy (W-TinyLFU) keeps what is asked for
// often, so that a stream of tokens that come once can't push out those that come again. It is not generic: the
// library would be compiled anew for each claims type.
type cache struct {
	tokens    *otter.Cache[uint64, *remembered] // by their tails
	entrySize int                               // bytes of an entry beside its texts
}

// remembered is a verified token. Nothing in it changes.
type remembered struct {
	token  string
	header *header
	key    Key // that verified it
	claims any // a *C
	bytes  int // an estimate of what all this takes
}

// slotSize is the bytes that one of CacheSize tokens has: larger ones take the place of several.
const slotSize = 2 << 10

// newCache returns a cache for this many tokens, nil for none. In a nil cache get finds nothing.
func newCache(size, claimsSize int) *cache {
	if size == 0 {
		return nil
	}
	const index = 384 // about what remembered and the library take for an entry
	return &cache{
		tokens: otter.Must(&otter.Options[uint64, *remembered]{
			MaximumWeight: min(uint64(size), math.MaxInt64/slotSize) * slotSize,
			Weigher: func(_ uint64, r *remembered) uint32 {
				return uint32(min(uint64(max(slotSize, r.bytes)), math.MaxUint32))
			},
			Executor: func(task func()) { task() }, // no goroutines
		}),
		entrySize: claimsSize + index,
	}
}

// get returns what is remembered of token, or nil.
func (c *cache) get(token string) *remembered {
	if c == nil || len(token) < 8 {
		return nil
	}
	r, _ := c.tokens.GetIfPresent(tail(token))
	if r == nil || r.token != token {
		return nil
	}
	return r
}

// tail is the last eight characters of a token, by which it is looked up before it is compared as a whole: hashing all of
// it costs 3 % of a request. They belong to the signature, so no two verified tokens share them but by chance, and those
// take each other's place.
func tail(token string) uint64 { return load64(token[len(token)-8:]) }

// put remembers a token that key verified, whose claims, a *C, nobody else may have. beside is about how many bytes
// the claims lead to beside the payload, which is about as long as the token.
func (c *cache) put(token string, h *header, key Key, claims any, beside int) {
	token = strings.Clone(token) // which may be part of a whole request
	c.tokens.Set(tail(token), &remembered{
		token: token, header: h, key: key, claims: claims,
		bytes: c.entrySize + 2*len(token) + beside,
	})
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
