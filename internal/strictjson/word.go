package strictjson

import (
	"math/bits"
	"unicode/utf8"
)

// Texts are looked at eight bytes at a time here, as one word.

// isPlain reports whether a text is ASCII without backslashes and bytes below the blank, as most payloads are: there
// a string ends at the next quotation mark, whatever it says. It looks at sixteen bytes at a time.
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

// oddities sets the top bit of each of eight bytes that is not plain, and maybe of some after it. In the first term it
// is set if the byte is not ASCII; a borrow sets it in the second if the byte is below the blank, and in the third if
// it is a backslash.
func oddities(x uint64) uint64 { return x | (x - ' '*ones) | ((x ^ '\\'*ones) - ones) }

// indexQuote returns where the first quotation mark is in an ASCII text, from i on, or the text's length if there is none.
// strings.IndexByte takes twice as long for strings as short as names and most values are.
func indexQuote(text string, i int) int {
	for ; i+8 <= len(text); i += 8 {
		// The top bit of a byte is set where x-1 borrows from it, so where x is 0: at the first such, and maybe
		// right after it.
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

// Integer returns the number that decimal digits say, 0 if there are none. It returns false for any other text, and for numbers of more
// than 18 digits.
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

// areDigits reports whether eight bytes are decimal digits, 0x30 to 0x39: those that stay below 0x40 with 6 more.
func areDigits(x uint64) bool {
	const highs = 0xf0 * ones
	return x&highs == '0'*ones && (x+6*ones)&highs == '0'*ones
}

// eightDigits returns the number that eight decimal digits say. It joins neighbours: to numbers of two digits, of four,
// and of eight.
func eightDigits(x uint64) uint64 {
	x -= '0' * ones
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return (x*10000 + x>>32) & 0xffffffff
}

// load64 returns the first eight bytes of text, the first one lowest. The compiler makes one load of it.
func load64(text string) uint64 {
	t := text[:8]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
		uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// ones and tops are eight bytes in each of which only the lowest, or the highest, bit is set.
const ones, tops = 0x0101010101010101, 0x8080808080808080
