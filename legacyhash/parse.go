package legacyhash

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

const maxHashLength = 1024 // the longest hashes of these formats have about 200 bytes

// matcher reports whether a password matches a parsed hash. The hash is within the limits.
type matcher func(password string) bool

// parser parses one format. It returns nil for other formats and for hashes that exceed the limits.
type parser func(hash string) matcher

// verify implements the verifiers. The first parser that recognizes the hash decides.
func verify(hash, password string, parsers ...parser) (recognized, match bool) {
	if len(hash) > maxHashLength {
		return false, false
	}
	for _, parse := range parsers {
		if matches := parse(hash); matches != nil {
			return true, matches(password)
		}
	}
	return false, false
}

// fields splits text into exactly n parts, or returns nil.
func fields(text, separator string, n int) []string {
	parts := strings.Split(text, separator)
	if len(parts) != n {
		return nil
	}
	return parts
}

// number reads a positive decimal number of at most nine digits, without sign or leading zero. It returns 0 for
// anything else.
func number(text string) int {
	if text == "" || len(text) > 9 || text[0] == '0' {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

// parameters reads "m=65536,t=3,p=4": the numbers of exactly these names, in this order, or nil.
func parameters(text string, names ...string) []int {
	parts := fields(text, ",", len(names))
	var values []int
	for i, part := range parts {
		digits, ok := strings.CutPrefix(part, names[i]+"=")
		n := number(digits)
		if !ok || n == 0 {
			return nil
		}
		values = append(values, n)
	}
	return values
}

// hexBytes reads lower-case hexadecimal digits, or returns nil.
func hexBytes(text string) []byte {
	decoded, err := hex.DecodeString(text)
	if err != nil || strings.ToLower(text) != text {
		return nil
	}
	return decoded
}

// base64Bytes reads canonical base64 with padding, or returns nil.
func base64Bytes(text string) []byte { return decodeBase64(base64.StdEncoding, text) }

// unpaddedBytes reads canonical base64 without padding, or returns nil.
func unpaddedBytes(text string) []byte { return decodeBase64(base64.RawStdEncoding, text) }

// adaptedBytes reads passlib's base64, which has a dot for the plus, or returns nil.
func adaptedBytes(text string) []byte {
	if strings.Contains(text, "+") {
		return nil
	}
	return unpaddedBytes(strings.ReplaceAll(text, ".", "+"))
}

func decodeBase64(encoding *base64.Encoding, text string) []byte {
	decoded, err := encoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // decoding skips line breaks
		return nil
	}
	return decoded
}
