package onetime

import (
	"encoding/base32"
	"encoding/binary"
)

// A token's bytes are version, expiry, two tags and the subject.
const (
	version        = 1
	expiryBytes    = 8
	tagBytes       = 16 // 128 bits: nobody guesses one, and there is no second try offline
	headerBytes    = 1 + expiryBytes + 2*tagBytes
	maxTokenLength = (headerBytes + maxSubjectBytes + 4) / 5 * 8
)

type tag [tagBytes]byte

// content is what a token says.
type content struct {
	expiry          int64 // Unix time, in seconds
	identity, state tag
	subject         string
}

// covered is what the tags authenticate, apart from the purpose, which is in their keys, and the state.
func (c content) covered() []byte {
	covered := binary.BigEndian.AppendUint64([]byte{version}, uint64(c.expiry))
	return append(covered, c.subject...)
}

// encoding writes lower-case letters and digits alone, because programs that turn text into links often leave a
// hyphen or underscore at the end out.
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

// decode reads what encode wrote, and nothing else. It authenticates nothing.
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
