package onetime

import (
	"encoding/base32"
	"encoding/binary"
)

// A token's bytes are version, expiry, two tags and the subject.
const (
	version        = 1
	expiryBytes    = 8
	tagBytes       = 16 // 128 bits can't be guessed, and guesses can't be checked offline
	headerBytes    = 1 + expiryBytes + 2*tagBytes
	maxTokenLength = (headerBytes + maxSubjectBytes + 4) / 5 * 8
)

type tag [tagBytes]byte

// content is the content of a token.
type content struct {
	expiry          int64 // Unix time, in seconds
	identity, state tag
	subject         string
}

// covered returns the bytes of the token that the tags authenticate. They also authenticate the purpose, through their
// keys, and the stateTag authenticates the state.
func (c content) covered() []byte {
	covered := binary.BigEndian.AppendUint64([]byte{version}, uint64(c.expiry))
	return append(covered, c.subject...)
}

// encoding uses only lower-case letters and digits, because programs that turn text into links often leave out a hyphen or
// underscore at the end.
func encoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

func (c content) encode() string {
	raw := binary.BigEndian.AppendUint64([]byte{version}, uint64(c.expiry))
	raw = append(raw, c.identity[:]...)
	raw = append(raw, c.state[:]...)
	raw = append(raw, c.subject...)
	return encoding().EncodeToString(raw)
}

// decode decodes a token. It accepts only the canonical encoding and does not authenticate the token.
func decode(token string) (c content, ok bool) {
	if len(token) > maxTokenLength {
		return content{}, false
	}
	raw, err := encoding().DecodeString(token)
	if err != nil || len(raw) <= headerBytes || raw[0] != version {
		return content{}, false
	}
	raw = raw[1:]
	c.expiry = int64(binary.BigEndian.Uint64(raw))
	raw = raw[expiryBytes:]
	copy(c.identity[:], raw)
	copy(c.state[:], raw[tagBytes:])
	c.subject = string(raw[2*tagBytes:])
	// base32 skips line breaks and ignores spare bits.
	return c, c.encode() == token
}
