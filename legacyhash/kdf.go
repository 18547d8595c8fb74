package legacyhash

import (
	"crypto/md5" //nolint:gosec // old hashes use it
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // old hashes use it
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

// Limits of the parameters in a stored hash. The comments have the defaults of libraries up to November 2026.
const (
	maxIterations  = 5_000_000 // Django 1,200,000
	maxMemory      = 256 << 20 // Django's Argon2 100 MiB, passlib's scrypt 64 MiB
	maxScryptWork  = 1 << 22   // N·r·p; passlib 2¹⁹
	maxScryptR     = 32        // 8
	maxScryptP     = 32        // Django 5
	maxArgon2Work  = 1 << 20   // KiB times passes; Django 200 MiB
	maxArgon2Lanes = 64        // Django, passlib 8
	maxBcryptCost  = 14        // Django, passlib 12
	minSum         = 12        // bytes; a shorter sum, from a truncated hash, would match other passwords
	maxSum         = 128
)

// hashFunction returns the hash function with this name in Python's hashlib, or nil.
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

// pbkdf2Matcher returns a matcher for PBKDF2 (RFC 8018, section 5.2), or nil if its parameters exceed the limits.
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

// scryptMatcher returns a matcher for scrypt (RFC 7914). Its memory is N+p blocks of 128·r bytes.
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

// argon2Matcher returns a matcher for Argon2i and Argon2id (RFC 9106). memory is in KiB.
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

// bcryptMatcher returns a matcher for bcrypt of the password itself. Passwords longer than bcrypt's limit do not match.
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

// bcryptHexMatcher returns a matcher for bcrypt of the password's SHA-256 in hexadecimal.
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
