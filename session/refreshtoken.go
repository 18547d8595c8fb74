package session

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/go-usher/usher/internal/hmackey"
)

// refreshToken holds the fields of a refresh token. Its text is unpadded base64url of
//
//	tag (32) ‖ 1 ‖ session (16) ‖ auth_time (8) ‖ generation (8) ‖ secret (32) ‖ subject (1 to 255)
//
// or, if there are flags or data, of
//
//	tag (32) ‖ 2 ‖ session (16) ‖ auth_time (8) ‖ generation (8) ‖ secret (32) ‖
//	flags (1) ‖ length of subject (1) ‖ subject (1 to 255) ‖ data (0 to 255)
//
// where the tag is HMAC-SHA-256 over everything after it, and numbers are big-endian. Processes that know only the
// first form refuse the second.
type refreshToken struct {
	session    [16]byte
	authTime   int64 // Unix seconds
	generation int64
	secret     [32]byte
	flags      tokenFlags
	subject    string
	data       string
}

type tokenFlags byte

const (
	flagUntilBrowserCloses tokenFlags = 1 << iota
	flagsEnd                          // the first unused bit
)

const (
	plainVersion  = 1
	dataVersion   = 2
	tagSize       = sha256.Size
	fixedSize     = 1 + 16 + 8 + 8 + 32
	maxSubject    = 255
	maxData       = 255
	maxTokenBytes = tagSize + fixedSize + 1 + 1 + maxSubject + maxData
	maxTokenText  = (maxTokenBytes*8 + 5) / 6
)

// Strict refuses non-zero spare bits, so each token has only one text. It skips line breaks, which splitToken refuses.
var encoding = base64.RawURLEncoding.Strict()

// newRefreshToken returns the first token of a new session.
func newRefreshToken(subject string, authTime time.Time, about About) refreshToken {
	t := refreshToken{authTime: authTime.Unix(), generation: 1, subject: subject, data: about.Data}
	if about.UntilBrowserCloses {
		t.flags |= flagUntilBrowserCloses
	}
	rand.Read(t.session[:]) // never fails (crypto/rand)
	rand.Read(t.secret[:])
	return t
}

// sessionID returns the session's ID as text. It is the sid claim and the ID in stores.
func (t refreshToken) sessionID() string { return encoding.EncodeToString(t.session[:]) }

// appendFields appends the bytes that the tag authenticates.
func (t refreshToken) appendFields(b []byte) []byte {
	version := byte(plainVersion)
	if t.flags != 0 || t.data != "" {
		version = dataVersion
	}
	b = append(b, version)
	b = append(b, t.session[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.authTime))
	b = binary.BigEndian.AppendUint64(b, uint64(t.generation))
	b = append(b, t.secret[:]...)
	if version == dataVersion {
		b = append(b, byte(t.flags), byte(len(t.subject)))
	}
	b = append(b, t.subject...)
	return append(b, t.data...)
}

// parseFields parses authentic fields. They may have been written by a later version.
func parseFields(b []byte) (refreshToken, bool) {
	if len(b) <= fixedSize {
		return refreshToken{}, false
	}
	t := refreshToken{
		session:    [16]byte(b[1:17]),
		authTime:   int64(binary.BigEndian.Uint64(b[17:25])),
		generation: int64(binary.BigEndian.Uint64(b[25:33])),
		secret:     [32]byte(b[33:65]),
	}
	rest := b[fixedSize:]
	switch b[0] {
	case plainVersion:
		t.subject = string(rest)
		return t, true
	case dataVersion:
		if len(rest) < 2 || tokenFlags(rest[0]) >= flagsEnd {
			return refreshToken{}, false
		}
		flags, size, texts := tokenFlags(rest[0]), int(rest[1]), rest[2:]
		if size == 0 || size > len(texts) {
			return refreshToken{}, false
		}
		t.flags, t.subject, t.data = flags, string(texts[:size]), string(texts[size:])
		return t, true
	default:
		return refreshToken{}, false
	}
}

// splitToken decodes a token into buffer, which must be empty and have the capacity for any token.
func splitToken(buffer []byte, text string) (tag, fields []byte, ok bool) {
	if len(text) > maxTokenText {
		return nil, nil, false
	}
	b, err := encoding.AppendDecode(buffer, []byte(text))
	if err != nil || len(b) <= tagSize || encoding.EncodedLen(len(b)) != len(text) {
		return nil, nil, false
	}
	return b[:tagSize], b[tagSize:], true
}

func hashToken(text string) Hash {
	var buffer [maxTokenText]byte // avoids an allocation
	return sha256.Sum256(append(buffer[:0], text...))
}

func newNonce() (n Nonce) {
	rand.Read(n[:])
	return n
}

// isSessionID reports whether id has the form that sessionID returns.
func isSessionID(id string) bool {
	if len(id) != encoding.EncodedLen(16) {
		return false
	}
	b, err := encoding.DecodeString(id)
	return err == nil && len(b) == 16
}

// secretKeys are derived from one of Config's secrets, one key for each use (RFC 5869 §3.2).
type secretKeys struct {
	tag       *hmackey.Key // authenticates refresh tokens
	successor *hmackey.Key // derives the secret part of successors
}

func deriveKeys(secret []byte) (secretKeys, error) {
	tag, err := hkdf.Key(sha256.New, secret, nil, "usher session: refresh token tag, v1", sha256.Size)
	if err != nil {
		return secretKeys{}, err
	}
	successor, err := hkdf.Key(sha256.New, secret, nil, "usher session: refresh token successor, v1", sha256.Size)
	return secretKeys{tag: hmackey.New(sha256.New, tag), successor: hmackey.New(sha256.New, successor)}, err
}

// seal returns the text of a token with its tag.
func (k secretKeys) seal(t refreshToken) string {
	var buffer [maxTokenBytes]byte
	b := t.appendFields(buffer[:tagSize])
	k.tag.Append(b[:0], b[tagSize:])
	var text [maxTokenText]byte
	return string(encoding.AppendEncode(text[:0], b))
}

// successorOf derives the successor of t from its text and the rotation's nonce. An attacker needs all three inputs:
// the secret, the nonce from the store, and the spent token.
func (k secretKeys) successorOf(t refreshToken, text string, nonce Nonce) string {
	const most = 16 + 8 + len(Nonce{}) + maxTokenText
	var buffer [most]byte
	message := append(buffer[:0], t.session[:]...)
	message = binary.BigEndian.AppendUint64(message, uint64(t.generation))
	message = append(message, nonce[:]...)
	message = append(message, text...)
	next := t
	next.generation++
	k.successor.Append(next.secret[:0], message)
	return k.seal(next)
}

// openToken verifies a token and returns its fields.
func openToken(keys []secretKeys, text string) (refreshToken, bool) {
	var buffer [maxTokenBytes]byte
	tag, fields, ok := splitToken(buffer[:0], text)
	if !ok {
		return refreshToken{}, false
	}
	isAuthentic := func(k secretKeys) bool {
		var want [tagSize]byte
		return hmac.Equal(tag, k.tag.Append(want[:0], fields))
	}
	if !slices.ContainsFunc(keys, isAuthentic) {
		return refreshToken{}, false
	}
	return parseFields(fields)
}
