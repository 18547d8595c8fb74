// Package bcrypthash parses bcrypt hashes strictly. It also creates and compares hashes in passlib's bcrypt-sha256
// format, for passwords longer than bcrypt's limit of 72 bytes.
package bcrypthash

import (
	"strconv"
	"strings"
)

const (
	alphabet   = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	saltLength = 22
	sumLength  = 31
	prefix     = len("$2a$12$")
	// Length is the length of a bcrypt hash.
	Length = prefix + saltLength + sumLength
)

// Cost returns the cost of a bcrypt hash, from 0 to 99. ok is true only if hash is exactly $2a$, $2b$ or $2y$, two
// digits, $, and 53 characters of bcrypt's alphabet. golang.org/x/crypto/bcrypt also accepts other versions, longer
// hashes and other alphabets.
func Cost(hash string) (cost int, ok bool) {
	if len(hash) != Length || hash[:2] != "$2" || strings.IndexByte("aby", hash[2]) < 0 ||
		hash[3] != '$' || hash[6] != '$' || strings.Trim(hash[prefix:], alphabet) != "" {
		return 0, false
	}
	parsed, err := strconv.ParseUint(hash[4:6], 10, 8)
	return int(parsed), err == nil
}
