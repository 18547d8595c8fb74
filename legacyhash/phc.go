package legacyhash

import (
	"strings"

	"github.com/go-usher/usher/internal/argon2serial"
)

// Argon2 verifies hashes of argon2-cffi, PHP's password_hash and others:
//
//	$argon2id$v=19$m=65536,t=3,p=4$salt$hash    (also argon2i)
//
// Hashes of Argon2d and of versions before 1.3 (v=19) are not recognized. It is safe for concurrent use.
func Argon2(hash, password string) (recognized, match bool) {
	return verify(hash, password, phcArgon2)
}

// PHC verifies hashes in the PHC string format of the Password Hashing Competition: those of [Argon2], and
//
//	$scrypt$ln=16,r=8,p=1$salt$hash
//	$pbkdf2-sha256$i=600000,l=32$salt$hash    (also sha512)
//
// It is safe for concurrent use.
func PHC(hash, password string) (recognized, match bool) {
	return verify(hash, password, phcArgon2, phcScrypt, phcPBKDF2)
}

func phcArgon2(hash string) matcher {
	parts := fields(hash, "$", 6)
	if len(parts) == 0 || parts[0] != "" || parts[2] != "v=19" {
		return nil
	}
	var variant argon2serial.Type
	switch parts[1] {
	case "argon2id":
		variant = argon2serial.ID
	case "argon2i":
		variant = argon2serial.I
	default:
		return nil
	}
	costs := parameters(parts[3], "m", "t", "p")
	if costs == nil {
		return nil
	}
	return argon2Matcher(variant, costs[0], costs[1], costs[2], unpaddedBytes(parts[4]), unpaddedBytes(parts[5]))
}

func phcScrypt(hash string) matcher {
	parts := fields(hash, "$", 5)
	if len(parts) == 0 || parts[0] != "" || parts[1] != "scrypt" {
		return nil
	}
	costs := parameters(parts[2], "ln", "r", "p")
	if len(costs) == 0 || costs[0] > 30 {
		return nil
	}
	return scryptMatcher(1<<costs[0], costs[1], costs[2], unpaddedBytes(parts[3]), unpaddedBytes(parts[4]))
}

func phcPBKDF2(hash string) matcher {
	parts := fields(hash, "$", 5)
	if len(parts) == 0 || parts[0] != "" {
		return nil
	}
	name, ok := strings.CutPrefix(parts[1], "pbkdf2-")
	costs, sum := parameters(parts[2], "i", "l"), unpaddedBytes(parts[4])
	if !ok || name != "sha256" && name != "sha512" || len(costs) == 0 || costs[1] != len(sum) {
		return nil
	}
	return pbkdf2Matcher(hashFunction(name), costs[0], unpaddedBytes(parts[3]), sum)
}
