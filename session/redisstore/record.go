package redisstore

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/go-usher/usher/session"
)

// A session is one value in its subject's hash, under its id:
//
//	token (32) ‖ previous (32) ‖ nonce (16) ‖ generation ‖ rotated_at ‖ expires_at ‖ ends_at ‖ started_at ‖ auth_time
//	‖ three texts, each after its length (2): user agent, address, label
//
// Numbers are big-endian doubles, the only numbers in Lua. They are exact up to 2^53: for microseconds, until 2255.
// Scripts read and replace the part before ends_at and keep the rest unchanged.

// cutoffField is the field of a subject's cut-off. It holds two doubles: the cut-off and its expiry. IDs of sessions
// are longer than this name.
const cutoffField = "cutoff"

const (
	stateSize = 32 + 32 + 16 + 3*8
	fixedSize = stateSize + 3*8
)

func pack(r session.Record) []byte {
	b := make([]byte, 0, fixedSize+6+len(r.UserAgent)+len(r.Address)+len(r.Label))
	b = appendState(b, session.State{Generation: 1, Token: r.Token, RotatedAt: r.StartedAt, ExpiresAt: r.ExpiresAt})
	for _, at := range []time.Time{r.EndsAt, r.StartedAt, r.AuthTime} {
		b = appendNumber(b, at.UnixMicro())
	}
	for _, text := range []string{r.UserAgent, r.Address, r.Label} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
		b = append(b, text...)
	}
	return b
}

// packState packs the part before ends_at.
func packState(s session.State) []byte { return appendState(make([]byte, 0, stateSize), s) }

func appendState(b []byte, s session.State) []byte {
	b = append(b, s.Token[:]...)
	b = append(b, s.Previous[:]...)
	b = append(b, s.Nonce[:]...)
	b = appendNumber(b, s.Generation)
	b = appendNumber(b, s.RotatedAt.UnixMicro())
	return appendNumber(b, s.ExpiresAt.UnixMicro())
}

func appendNumber(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, math.Float64bits(float64(n)))
}

var errDamaged = errors.New("redisstore: a session's value is damaged")

func unpack(subject, id, value string) (session.Session, error) {
	b := []byte(value)
	if len(b) < fixedSize {
		return session.Session{}, errDamaged
	}
	const numbers = 32 + 32 + 16
	at := func(i int) time.Time {
		bits := binary.BigEndian.Uint64(b[numbers+8*i:])
		return time.UnixMicro(int64(math.Float64frombits(bits))).UTC()
	}
	s := session.Session{
		ID: id, Subject: subject,
		LastUsedAt: at(1), ExpiresAt: at(2), StartedAt: at(4), AuthTime: at(5),
	}
	rest := b[fixedSize:]
	for _, text := range []*string{&s.UserAgent, &s.Address, &s.Label} {
		if len(rest) < 2 {
			return session.Session{}, errDamaged
		}
		n := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; len(rest) < n {
			return session.Session{}, errDamaged
		}
		*text, rest = string(rest[:n]), rest[n:]
	}
	return s, nil
}
