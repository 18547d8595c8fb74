package legacyhash

import (
	"crypto/hmac"
)

// Werkzeug verifies hashes of generate_password_hash from Werkzeug 0.9 to 3.1, which Flask uses:
//
//	scrypt:32768:8:1$salt$hash
//	pbkdf2:sha256:1000000$salt$hash    (also sha1 and sha512)
//
// For hashes of older versions, which have no iterations, see [DangerouslyWerkzeug]. Werkzeug is safe for concurrent use.
func Werkzeug(hash, password string) (recognized, match bool) {
	return verify(hash, password, werkzeugPBKDF2, werkzeugScrypt)
}

// DangerouslyWerkzeug verifies hashes of Werkzeug before 2.3 with the methods md5, sha1, sha256 and sha512. They are a
// single HMAC of the password with the salt as the key:
//
//	sha1$salt$hash
//
// Django used the same format with a different formula, so never use it together with [DangerouslyDjango]. It is safe for
// concurrent use.
func DangerouslyWerkzeug(hash, password string) (recognized, match bool) {
	return verify(hash, password, werkzeugHMAC)
}

// werkzeugParts splits method$salt$hash. The salt is used as text.
func werkzeugParts(hash string) (method, salt string, sum []byte) {
	parts := fields(hash, "$", 3)
	if parts == nil {
		return "", "", nil
	}
	return parts[0], parts[1], hexBytes(parts[2])
}

func werkzeugPBKDF2(hash string) matcher {
	method, salt, sum := werkzeugParts(hash)
	parts := fields(method, ":", 3)
	if len(parts) == 0 || parts[0] != "pbkdf2" || parts[1] == "md5" {
		return nil
	}
	newHash := hashFunction(parts[1])
	if newHash == nil || len(sum) != newHash().Size() {
		return nil
	}
	return pbkdf2Matcher(newHash, number(parts[2]), []byte(salt), sum)
}

func werkzeugScrypt(hash string) matcher {
	method, salt, sum := werkzeugParts(hash)
	parts := fields(method, ":", 4)
	if len(parts) == 0 || parts[0] != "scrypt" || len(sum) != 64 {
		return nil
	}
	return scryptMatcher(number(parts[1]), number(parts[2]), number(parts[3]), []byte(salt), sum)
}

func werkzeugHMAC(hash string) matcher {
	method, salt, sum := werkzeugParts(hash)
	newHash := hashFunction(method)
	if newHash == nil || salt == "" || len(sum) != newHash().Size() {
		return nil
	}
	return func(password string) bool {
		mac := hmac.New(newHash, []byte(salt))
		mac.Write([]byte(password))
		return equal(mac.Sum(nil), sum)
	}
}
