package usher

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// base64url is RFC 7515 §2's encoding, without padding.
var base64url = base64.RawURLEncoding

// decodeText returns what a segment of a token encodes, as text. It is decoded by pieces on the stack, so that the text
// is the only allocation.
func decodeText(segment string) (string, error) {
	var text strings.Builder
	text.Grow(base64url.DecodedLen(len(segment)))
	err := decodePieces(segment, &text)
	return text.String(), err
}

// checkSegment reports what decodeText would, and allocates nothing.
func checkSegment(segment string) error { return decodePieces(segment, nil) }

// decodePieces decodes a segment into text, or only checks it where text is nil.
func decodePieces(segment string, text *strings.Builder) error {
	const size = 512 // characters of a piece: groups of four, so that only the last one may end within a group
	var room [size/4*3 + 2]byte
	for segment != "" {
		n := min(size, len(segment))
		piece, ok := decodeBase64(room[:0], segment[:n])
		if !ok {
			return errSegment
		}
		if text != nil {
			text.Write(piece)
		}
		segment = segment[n:]
	}
	return nil
}

var errSegment = fmt.Errorf("%w: a segment is not canonical base64url", ErrTokenMalformed)

// decodeBase64 appends what text encodes to dst, and reports whether text is canonical base64url (RFC 4648 §5):
// nothing but the alphabet, no spare bits. It stands in for encoding/base64, which skips line breaks even when
// strict, and takes 1.5 to 3 times as long. It allocates nothing if dst has room for two bytes more than the result.
func decodeBase64(dst []byte, text string) ([]byte, bool) {
	start, size := len(dst), len(text)/4*3 // whole groups; up to two bytes follow
	dst = slices.Grow(dst, size+2)
	out := dst[start : start+size+2] // each step writes up to two bytes more than it has; the next one overwrites them
	out, text, faults := sextets.decodeGroups(out, text)
	if len(text) >= 4 && len(out) >= 4 {
		bits := sextets[0][text[0]] | sextets[1][text[1]] | sextets[2][text[2]] | sextets[3][text[3]]
		faults |= bits
		binary.BigEndian.PutUint32(out, bits)
		text = text[4:]
	}
	dst = dst[:start+size]
	var spare uint32 // bits after the last byte, or a fault
	switch len(text) {
	case 1:
		return dst, false
	case 2:
		bits := sextets[0][text[0]] | sextets[1][text[1]]
		dst, spare = append(dst, byte(bits>>24)), bits<<8
	case 3:
		bits := sextets[0][text[0]] | sextets[1][text[1]] | sextets[2][text[2]]
		dst, spare = append(dst, byte(bits>>24), byte(bits>>16)), bits<<16
	}
	return dst, faults&fault|spare == 0
}

// places holds, for each of four places, the six bits of each byte of the alphabet where they come to stand in a
// big-endian word, above a byte that is not used.
type places [4][256]uint32

// fault marks the bytes outside of the alphabet.
const fault = 1

// decodeGroups decodes eight characters at a time into out, as long as there are as many and room, and returns what is left of
// both, and a fault if it found one. It has little else to do, so that all of it is in registers.
func (s *places) decodeGroups(out []byte, text string) (restOut []byte, rest string, faults uint32) {
	for len(text) >= 8 && len(out) >= 8 {
		high := s[0][text[0]] | s[1][text[1]] | s[2][text[2]] | s[3][text[3]]
		low := s[0][text[4]] | s[1][text[5]] | s[2][text[6]] | s[3][text[7]]
		faults |= high | low
		binary.BigEndian.PutUint64(out, uint64(high)<<32|uint64(low)<<8)
		text, out = text[8:], out[6:]
	}
	return out, text, faults
}

// sextets never changes.
var sextets = func() (s places) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for place := range s {
		for c := range s[place] {
			s[place][c] = fault
		}
		for bits := range len(alphabet) {
			s[place][alphabet[bits]] = uint32(bits) << (26 - 6*place)
		}
	}
	return s
}()
