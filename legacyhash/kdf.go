package legacyhash

import (
	"crypto/md5" //nolint:gosec // what old tables hold
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // what old tables hold
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"

	"github.com/go-usher/usher/internal/argon2serial"
	"github.com/go-usher/usher/internal/bcrypthash"
)

// What a stored hash may ask for. The defaults are those of the libraries in November 2026 or before.
const (
	maxIterations  = 5_000_000 // Django 1,200,000
	maxMemory      = 256 << 20 // Django's Argon2 100 MiB, passlib's scrypt 64 MiB
	maxScryptWork  = 1 << 22   // N·r·p; passlib 2¹⁹
	maxScryptR     = 32        // 8
	maxScryptP     = 32        // Django 5
	maxArgon2Work  = 1 << 20   // KiB times passes; Django 200 MiB
	maxArgon2Lanes = 64        // Django, passlib 8
	maxBcryptCost  = 14        // Django, passlib 12
	minSum         = 12        // bytes; a shorter sum of a hash that was cut would match other passwords
	maxSum         = 128
)

// hashFunction returns the hash of a name that Python's hashlib knows, or nil.
func hashFunction(name string) func() hash.Hash {
	switch name {
	case "md5":
		return md5.New
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sha512":
		return sha512.New
	}
	return nil
}

func fitSum(sum []byte) bool { return len(sum) >= minSum && len(sum) <= maxSum }

func equal(sum, want []byte) bool { return subtle.ConstantTimeCompare(sum, want) == 1 }

// pbkdf2Matcher is for PBKDF2 (RFC 8018, section 5.2).
func pbkdf2Matcher(newHash func() hash.Hash, iterations int, salt, want []byte) matcher {
	if newHash == nil || iterations < 1 || len(salt) == 0 || !fitSum(want) {
		return nil
	}
	size := newHash().Size()
	if blocks := (len(want) + size - 1) / size; iterations > maxIterations/blocks {
		return nil
	}
	return func(password string) bool {
		sum, err := pbkdf2.Key(newHash, password, salt, iterations, len(want))
		return err == nil && equal(sum, want)
	}
}

// scryptMatcher is for scrypt (RFC 7914). A block of scrypt's memory has 128·r bytes, and there are N of them, and p more.
func scryptMatcher(n, r, p int, salt, want []byte) matcher {
	if n < 2 || n&(n-1) != 0 || r < 1 || r > maxScryptR || p < 1 || p > maxScryptP || len(salt) == 0 || !fitSum(want) {
		return nil
	}
	if n > maxScryptWork/(r*p) || n > maxMemory/(128*r) {
		return nil
	}
	return func(password string) bool {
		sum, err := scrypt.Key([]byte(password), salt, n, r, p, len(want))
		return err == nil && equal(sum, want)
	}
}

// argon2Matcher is for Argon2i and Argon2id (RFC 9106), with memory in KiB.
func argon2Matcher(variant argon2serial.Type, memory, passes, lanes int, salt, want []byte) matcher {
	if passes < 1 || lanes < 1 || lanes > maxArgon2Lanes || memory < 8*lanes || len(salt) == 0 || !fitSum(want) {
		return nil
	}
	if memory > maxMemory>>10 || passes > maxArgon2Work/memory {
		return nil
	}
	return func(password string) bool {
		sum := argon2serial.Key(variant, []byte(password), salt,
			uint32(passes), uint32(memory), uint32(lanes), uint32(len(want)))
		return equal(sum, want)
	}
}

// bcryptMatcher is for bcrypt of the password itself. A password of which bcrypt reads only a part does not match.
func bcryptMatcher(hash string) matcher {
	if cost, ok := bcrypthash.Cost(hash); !ok || cost < bcrypt.MinCost || cost > maxBcryptCost {
		return nil
	}
	return func(password string) bool {
		const limit = 72
		same := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password[:min(len(password), limit)])) == nil
		return same && len(password) <= limit && strings.IndexByte(password, 0) < 0
	}
}

// bcryptHexMatcher is for bcrypt of the password's SHA-256 in hexadecimal.
func bcryptHexMatcher(hash string) matcher {
	matches := bcryptMatcher(hash)
	if matches == nil {
		return nil
	}
	return func(password string) bool {
		sum := sha256.Sum256([]byte(password))
		return matches(hex.EncodeToString(sum[:]))
	}
}
