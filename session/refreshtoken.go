package session

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
	"time"
)

// refreshToken is what a refresh token says. As text it is base64url, unpadded, of
//
//	tag (32) ‖ version (1) ‖ session (16) ‖ auth_time (8) ‖ generation (8) ‖ secret (32) ‖ subject (1 to 255)
//
// where tag is HMAC-SHA-256 over all that follows it, and numbers are big-endian.
type refreshToken struct {
	session    [16]byte
	authTime   int64 // Unix seconds
	generation int64
	secret     [32]byte
	subject    string
}

const (
	tokenVersion  = 1
	tagSize       = sha256.Size
	fixedSize     = 1 + 16 + 8 + 8 + 32
	maxSubject    = 255
	maxTokenBytes = tagSize + fixedSize + maxSubject
	maxTokenText  = (maxTokenBytes*8 + 5) / 6
)

// Strict refuses spare bits, so that a token has one text only; it still skips line breaks, which splitToken
// refuses.
var encoding = base64.RawURLEncoding.Strict()

// newRefreshToken returns the first token of a new session.
func newRefreshToken(subject string, authTime time.Time) refreshToken {
	t := refreshToken{authTime: authTime.Unix(), generation: 1, subject: subject}
	rand.Read(t.session[:]) // never fails (crypto/rand)
	rand.Read(t.secret[:])
	return t
}

// sessionID is the text of the session's id: what sid says, and what stores know.
func (t refreshToken) sessionID() string { return encoding.EncodeToString(t.session[:]) }

// appendFields appends what the tag authenticates.
func (t refreshToken) appendFields(b []byte) []byte {
	b = append(b, tokenVersion)
	b = append(b, t.session[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.authTime))
	b = binary.BigEndian.AppendUint64(b, uint64(t.generation))
	b = append(b, t.secret[:]...)
	return append(b, t.subject...)
}

// parseFields reads authentic fields. They are ours, yet a later version may have written them.
func parseFields(b []byte) (refreshToken, bool) {
	if len(b) <= fixedSize || b[0] != tokenVersion {
		return refreshToken{}, false
	}
	return refreshToken{
		session:    [16]byte(b[1:17]),
		authTime:   int64(binary.BigEndian.Uint64(b[17:25])),
		generation: int64(binary.BigEndian.Uint64(b[25:33])),
		secret:     [32]byte(b[33:65]),
		subject:    string(b[65:]),
	}, true
}

// splitToken decodes a token into room, which is empty and large enough for every token.
func splitToken(room []byte, text string) (tag, fields []byte, ok bool) {
	if len(text) > maxTokenText {
		return nil, nil, false
	}
	b, err := encoding.AppendDecode(room, []byte(text))
	if err != nil || len(b) <= tagSize || encoding.EncodedLen(len(b)) != len(text) {
		return nil, nil, false
	}
	return b[:tagSize], b[tagSize:], true
}

func hashToken(text string) Hash {
	var room [maxTokenText]byte // so that nothing is allocated
	return sha256.Sum256(append(room[:0], text...))
}

func newNonce() (n Nonce) {
	rand.Read(n[:])
	return n
}

// isSessionID reports whether id has the form of those that sessionID returns.
func isSessionID(id string) bool {
	b, err := encoding.DecodeString(id)
	return err == nil && len(b) == 16 && len(id) == encoding.EncodedLen(16)
}

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
