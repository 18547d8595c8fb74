// Package hmackey computes and verifies HMACs with one key (RFC 2104). It reuses the keyed hashes, because hashing the
// padded key takes as long as hashing a short message.
package hmackey

import (
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"slices"
	"sync"

	"github.com/go-usher/usher/internal/base64url"
)

// Key computes HMACs with one secret. Create it with [New]. It is safe for concurrent use.
type Key struct {
	secret []byte
	size   int // bytes of a sum in base64url
	states sync.Pool
}

// state is a reusable keyed hash.
type state struct {
	hash.Hash
	message []byte                // a copy: hash.Hash does not take strings, and slices passed to it escape
	decoded [sha512.Size + 2]byte // with room for base64url.AppendDecode
	sum     [sha512.Size]byte
}

// New returns a key with a copy of secret. newHash must return a hash of at most 64 bytes.
func New(newHash func() hash.Hash, secret []byte) *Key {
	secret = slices.Clone(secret)
	return &Key{secret: secret, size: base64url.EncodedLen(newHash().Size()), states: sync.Pool{New: func() any {
		return &state{Hash: hmac.New(newHash, secret)}
	}}}
}

// Verify reports whether sum is the HMAC of message in canonical base64url. It compares in constant time.
func (k *Key) Verify(message, sum string) bool {
	if len(sum) != k.size {
		return false
	}
	s, _ := k.states.Get().(*state)
	defer k.states.Put(s)
	claimed, ok := base64url.AppendDecode(s.decoded[:0], sum)
	s.message = append(s.message[:0], message...)
	return ok && subtle.ConstantTimeCompare(s.mac(s.message), claimed) == 1
}

// Append appends the HMAC of message to dst.
func (k *Key) Append(dst, message []byte) []byte {
	s, _ := k.states.Get().(*state)
	defer k.states.Put(s)
	s.message = append(s.message[:0], message...)
	return append(dst, s.mac(s.message)...)
}

// Equal reports whether both keys have the same secret. It compares in constant time.
func (k *Key) Equal(other *Key) bool {
	return k == other || subtle.ConstantTimeCompare(k.secret, other.secret) == 1
}

func (s *state) mac(message []byte) []byte {
	s.Reset()
	s.Write(message)
	return s.Sum(s.sum[:0])
}
