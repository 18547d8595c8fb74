package legacyhash

import (
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher/internal/bcrypthash"
)

// Passlib verifies hashes of passlib 1.6 and 1.7:
//
//	$bcrypt-sha256$v=2,t=2b,r=12$salt$hash    (also version 1: $bcrypt-sha256$2b,12$salt$hash)
//	$pbkdf2-sha256$29000$salt$hash            (also $pbkdf2-sha512$, and $pbkdf2$ for SHA-1)
//	$6$rounds=656000$salt$hash                (sha512_crypt; also sha256_crypt, $5$)
//	$argon2id$v=19$m=102400,t=2,p=8$salt$hash (also argon2i)
//	$scrypt$ln=16,r=8,p=1$salt$hash
//
// The crypt formats $5$ and $6$ are also used in /etc/shadow. Their work grows with the length of the password, so
// passwords of more than 256 bytes never match them. Passlib is safe for concurrent use.
func Passlib(hash, password string) (recognized, match bool) {
	return verify(hash, password, passlibBcrypt, passlibPBKDF2, shaCrypt, phcArgon2, phcScrypt)
}

func passlibBcrypt(hash string) matcher {
	parsed, ok := bcrypthash.ParseSHA256(hash)
	if !ok || parsed.Cost < bcrypt.MinCost || parsed.Cost > maxBcryptCost {
		return nil
	}
	return parsed.Matches
}

func passlibPBKDF2(hash string) matcher {
	parts := fields(hash, "$", 5)
	if len(parts) == 0 || parts[0] != "" {
		return nil
	}
	name := "sha1"
	if parts[1] != "pbkdf2" {
		var ok bool
		if name, ok = strings.CutPrefix(parts[1], "pbkdf2-"); !ok || name != "sha256" && name != "sha512" {
			return nil
		}
	}
	newHash, sum := hashFunction(name), adaptedBytes(parts[4])
	if len(sum) != newHash().Size() {
		return nil
	}
	return pbkdf2Matcher(newHash, number(parts[2]), adaptedBytes(parts[3]), sum)
}
