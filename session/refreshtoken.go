package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
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
