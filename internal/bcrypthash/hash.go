package bcrypthash

import (
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// The maximum lengths of passwords in bytes.
const (
	MaxPassword     = 72   // bcrypt's limit
	MaxLongPassword = 4096 // with bcrypt-sha256
)

// Hash is a hash made by [New], or by another library in one of its two formats.
type Hash struct {
	Cost int // 0 to 99

	bcrypt string
	long   SHA256 // if bcrypt is empty
}

// New hashes a password with bcrypt, or with version 2 of bcrypt-sha256 if it has more than 72 bytes. cost must be from
// 4 to 31.
func New(password string, cost int) (string, error) {
	if len(password) > MaxPassword {
		return NewSHA256(password, cost)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	return string(hash), err
}

// Parse parses a bcrypt hash as [Cost] does, or a hash in version 2 of bcrypt-sha256. For anything else, ok is false.
func Parse(hash string) (h Hash, ok bool) {
	if cost, ok := Cost(hash); ok {
		return Hash{Cost: cost, bcrypt: hash}, true
	}
	long, ok := ParseSHA256(hash)
	if !ok || long.Version != 2 {
		return Hash{}, false
	}
	return Hash{Cost: long.Cost, long: long}, true
}

// Matches reports whether the hash was made from password. For a password that bcrypt can't read completely, because of
// its length or a NUL byte, it returns false after a comparison that takes as long as any other.
func (h Hash) Matches(password string) bool {
	if h.bcrypt == "" {
		same := h.long.Matches(password[:min(len(password), MaxLongPassword)])
		return same && len(password) <= MaxLongPassword
	}
	readable := password[:min(len(password), MaxPassword)]
	same := bcrypt.CompareHashAndPassword([]byte(h.bcrypt), []byte(readable)) == nil
	return same && len(password) <= MaxPassword && strings.IndexByte(password, 0) < 0
}
