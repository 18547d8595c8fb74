package strictjson

import (
	"math/bits"
	"unicode/utf8"
)

// The functions in this file process eight bytes at a time, as one word.

// isPlain reports whether a text is ASCII without backslashes and control characters, like most payloads. In such a
// text, a string ends at the next quotation mark. It checks sixteen bytes at a time.
func isPlain(text string) bool {
	var odd uint64
	for ; len(text) >= 16; text = text[16:] {
		odd |= oddities(load64(text)) | oddities(load64(text[8:]))
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '\\' {
			return false
		}
	}
	return odd&tops == 0
}

// oddities sets the top bit of each byte that is not plain, and possibly of bytes after it. The first term sets it if
// the byte is not ASCII. In the second, a borrow sets it if the byte is below the space; in the third, if it is a
// backslash.
func oddities(x uint64) uint64 { return x | (x - ' '*ones) | ((x ^ '\\'*ones) - ones) }

// indexQuote returns the position of the first quotation mark in an ASCII text from i on, or the text's length if there
// is none. For short strings, such as names and most values, strings.IndexByte takes twice as long.
func indexQuote(text string, i int) int {
	for ; i+8 <= len(text); i += 8 {
		// The top bit of a byte is set where x-1 borrows, which is where x is 0, and possibly in the bytes after it.
		x := load64(text[i:]) ^ ('"' * ones)
		if found := (x - ones) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(text) && text[i] != '"' {
		i++
	}
	return i
}

// Integer parses decimal digits. For an empty text it returns 0 and true. For any other text, and for more than 18
// digits, it returns false.
func Integer(digits string) (int64, bool) {
	if len(digits) > 18 {
		return 0, false
	}
	var n uint64
	if len(digits) >= 8 {
		eight := load64(digits)
		if !areDigits(eight) {
			return 0, false
		}
		n, digits = eightDigits(eight), digits[8:]
	}
	for i := range len(digits) {
		digit := digits[i] - '0'
		if digit > 9 {
			return 0, false
		}
		n = 10*n + uint64(digit)
	}
	return int64(n), true
}

// areDigits reports whether eight bytes are decimal digits, 0x30 to 0x39, which stay below 0x40 when 6 is added.
func areDigits(x uint64) bool {
	const highs = 0xf0 * ones
	return x&highs == '0'*ones && (x+6*ones)&highs == '0'*ones
}

// eightDigits parses eight decimal digits. It combines neighbors to numbers of two, four and then eight digits.
func eightDigits(x uint64) uint64 {
	x -= '0' * ones
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return (x*10000 + x>>32) & 0xffffffff
}

// load64 returns the first eight bytes of text as a little-endian word. The compiler turns it into one load.
func load64(text string) uint64 {
	t := text[:8]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
		uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// ones has the lowest bit of each byte set, tops the highest.
const ones, tops = 0x0101010101010101, 0x8080808080808080
