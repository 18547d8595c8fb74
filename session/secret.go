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
	var room [maxTokenBytes]byte
	b := t.appendFields(room[:tagSize])
	tag := k.tag.mac(b[tagSize:])
	copy(b, tag[:])
	var textRoom [maxTokenText]byte
	return string(encoding.AppendEncode(textRoom[:0], b))
}

// successorOf derives the token that follows t, whose text is given, in the rotation that wrote nonce. Who has
// the secret alone lacks the nonce, who has the store alone lacks the key, and both together still need the
// spent token.
func (k secretKeys) successorOf(t refreshToken, text string, nonce Nonce) string {
	var room [maxMessage]byte
	message := append(room[:0], t.session[:]...)
	message = binary.BigEndian.AppendUint64(message, uint64(t.generation))
	message = append(message, nonce[:]...)
	message = append(message, text...)
	next := t
	next.generation++
	next.secret = k.successor.mac(message)
	return k.seal(next)
}

// open returns the fields of an authentic token.
func open(keys []secretKeys, text string) (refreshToken, bool) {
	var room [maxTokenBytes]byte
	tag, fields, ok := splitToken(room[:0], text)
	if !ok {
		return refreshToken{}, false
	}
	if !slices.ContainsFunc(keys, func(k secretKeys) bool { want := k.tag.mac(fields); return hmac.Equal(tag, want[:]) }) {
		return refreshToken{}, false
	}
	return parseFields(fields)
}

// macKey computes HMAC-SHA-256 under one key. It pools the hashes, which have half of the work done once they know
// their key: a refresh computes three.
type macKey struct{ pool sync.Pool }

// maxMessage is the length of the longest message, successorOf's.
const maxMessage = 16 + 8 + len(Nonce{}) + maxTokenText

// macState is a hash, and room for what it reads and computes: what is handed to an interface would else be
// allocated, by every caller.
type macState struct {
	hash    hash.Hash
	message [maxMessage]byte
	sum     [sha256.Size]byte
}

func newMACKey(key []byte) *macKey {
	return &macKey{pool: sync.Pool{New: func() any { return &macState{hash: hmac.New(sha256.New, key)} }}}
}

func (k *macKey) mac(message []byte) [sha256.Size]byte {
	s := k.pool.Get().(*macState) //nolint:errcheck // the pool holds nothing else
	defer k.pool.Put(s)
	s.hash.Reset()
	s.hash.Write(append(s.message[:0], message...))
	s.hash.Sum(s.sum[:0])
	return s.sum
}
