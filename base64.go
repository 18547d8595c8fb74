package usher

import (
	"encoding/base64"
	"slices"
)

// base64url is RFC 7515 §2's encoding, without padding.
var base64url = base64.RawURLEncoding

// decodeBase64 appends what text encodes to dst, and reports whether text is canonical base64url (RFC 4648 §5):
// nothing but the alphabet, no spare bits. It stands in for encoding/base64, which skips line breaks even when
// strict, and takes twice the instructions.
func decodeBase64(dst []byte, text string) ([]byte, bool) {
	size := len(text) / 4 * 3
	dst = slices.Grow(dst, size+2)
	out := dst[len(dst) : len(dst)+size]
	var all, spare byte // what is outside of the alphabet sets the top bits of all
	for len(text) >= 4 && len(out) >= 3 {
		a, b, c, d := sextets[text[0]], sextets[text[1]], sextets[text[2]], sextets[text[3]]
		all |= a | b | c | d
		out[0], out[1], out[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
		text, out = text[4:], out[3:]
	}
	dst = dst[:len(dst)+size]
	switch len(text) {
	case 1:
		return dst, false
	case 2:
		a, b := sextets[text[0]], sextets[text[1]]
		all, spare = all|a|b, b&0b1111
		dst = append(dst, a<<2|b>>4)
	case 3:
		a, b, c := sextets[text[0]], sextets[text[1]], sextets[text[2]]
		all, spare = all|a|b|c, c&0b11
		dst = append(dst, a<<2|b>>4, b<<4|c>>2)
	}
	return dst, all < 1<<6 && spare == 0
}

// sextets holds the value of each byte of the alphabet, and 0xff for all others. It never changes.
var sextets = func() (values [256]byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range values {
		values[i] = 0xff
	}
	for value := range len(alphabet) {
		values[alphabet[value]] = byte(value)
	}
	return values
}()
