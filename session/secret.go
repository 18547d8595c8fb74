package session

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
)

// secretKeys are derived from one Config secret, one key for each use (RFC 5869 §3.2).
type secretKeys struct {
	tag       *macKey // authenticates refresh tokens
	successor *macKey // derives the secret part of successors
}

func deriveKeys(secret []byte) (secretKeys, error) {
	tag, err := hkdf.Key(sha256.New, secret, nil, "usher session: refresh token tag, v1", sha256.Size)
	if err != nil {
		return secretKeys{}, err
	}
	successor, err := hkdf.Key(sha256.New, secret, nil, "usher session: refresh token successor, v1", sha256.Size)
	return secretKeys{tag: newMACKey(tag), successor: newMACKey(successor)}, err
}

// seal authenticates a token's fields and returns its text.
func (k secretKeys) seal(t refreshToken) string {
	fields := t.fields()
	return tokenText(k.tag.mac(fields), fields)
}

// successorOf derives the token that follows t, whose text is given, in the rotation that wrote nonce. Who has
// the secret alone lacks the nonce, who has the store alone lacks the key, and both together still need the
// spent token.
func (k secretKeys) successorOf(t refreshToken, text string, nonce Nonce) string {
	derived := k.successor.mac(t.session[:], binary.BigEndian.AppendUint64(nil, uint64(t.generation)), nonce[:], []byte(text))
	next := t
	next.generation++
	next.secret = [32]byte(derived)
	return k.seal(next)
}

// open returns the fields of an authentic token.
func open(keys []secretKeys, text string) (refreshToken, bool) {
	tag, fields, ok := splitToken(text)
	if !ok {
		return refreshToken{}, false
	}
	if !slices.ContainsFunc(keys, func(k secretKeys) bool { return hmac.Equal(tag, k.tag.mac(fields)) }) {
		return refreshToken{}, false
	}
	return parseFields(fields)
}

// macKey computes HMAC-SHA-256 under one key. It pools the hashes, which have half of the work done once they know
// their key: a refresh computes three.
type macKey struct{ pool sync.Pool }

func newMACKey(key []byte) *macKey {
	return &macKey{pool: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (k *macKey) mac(parts ...[]byte) []byte {
	h := k.pool.Get().(hash.Hash) //nolint:errcheck // the pool holds nothing else
	defer k.pool.Put(h)
	h.Reset()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}
