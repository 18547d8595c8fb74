package legacyhash

import "strings"

// Django verifies hashes of django.contrib.auth from Django 1.4 to 6.0:
//
//	pbkdf2_sha256$1200000$salt$hash     (also pbkdf2_sha1)
//	argon2$argon2id$v=19$m=102400,t=2,p=8$salt$hash    (also argon2i)
//	bcrypt_sha256$$2b$12$…
//	bcrypt$$2b$12$…
//	scrypt$16384$salt$8$5$hash
//
// For accounts without a password, Django stores a text that begins with an exclamation mark. No password matches it. A
// password of more than 72 bytes never matches bcrypt$, although Python's bcrypt truncated it.
//
// For salted and unsalted MD5 and SHA-1 hashes, see [DangerouslyDjango]. Django is safe for concurrent use.
func Django(hash, password string) (recognized, match bool) {
	return verify(hash, password, djangoPBKDF2, djangoArgon2, djangoBcryptSHA256, djangoBcrypt, djangoScrypt, djangoUnusable)
}

// DangerouslyDjango verifies hashes of old versions of Django, and of its MD5PasswordHasher, SHA1PasswordHasher and
// their unsalted variants. They are a single digest of the salt followed by the password:
//
//	sha1$salt$hash    md5$salt$hash    sha1$$hash    md5$$hash    hash (32 hexadecimal digits of MD5)
//
// Werkzeug used the first format with a different formula, so never use it together with [DangerouslyWerkzeug]. It is
// safe for concurrent use.
func DangerouslyDjango(hash, password string) (recognized, match bool) {
	return verify(hash, password, djangoDigest, djangoBareMD5)
}

func djangoPBKDF2(hash string) matcher {
	parts := fields(hash, "$", 4)
	if parts == nil {
		return nil
	}
	name, ok := strings.CutPrefix(parts[0], "pbkdf2_")
	if !ok || name != "sha256" && name != "sha1" {
		return nil
	}
	newHash, sum := hashFunction(name), base64Bytes(parts[3])
	if len(sum) != newHash().Size() {
		return nil
	}
	return pbkdf2Matcher(newHash, number(parts[1]), []byte(parts[2]), sum)
}

func djangoArgon2(hash string) matcher {
	if rest, ok := strings.CutPrefix(hash, "argon2$"); ok {
		return phcArgon2("$" + rest)
	}
	return nil
}

func djangoBcryptSHA256(hash string) matcher {
	if rest, ok := strings.CutPrefix(hash, "bcrypt_sha256$"); ok {
		return bcryptHexMatcher(rest)
	}
	return nil
}

func djangoBcrypt(hash string) matcher {
	if rest, ok := strings.CutPrefix(hash, "bcrypt$"); ok {
		return bcryptMatcher(rest)
	}
	return nil
}

// djangoScrypt reads scrypt$N$salt$r$p$hash.
func djangoScrypt(hash string) matcher {
	parts := fields(hash, "$", 6)
	if len(parts) == 0 || parts[0] != "scrypt" {
		return nil
	}
	sum := base64Bytes(parts[5])
	if len(sum) != 64 {
		return nil
	}
	return scryptMatcher(number(parts[1]), number(parts[3]), number(parts[4]), []byte(parts[2]), sum)
}

func djangoUnusable(hash string) matcher {
	if !strings.HasPrefix(hash, "!") {
		return nil
	}
	return func(string) bool { return false }
}

func djangoDigest(hash string) matcher {
	parts := fields(hash, "$", 3)
	if len(parts) == 0 || parts[0] != "sha1" && parts[0] != "md5" {
		return nil
	}
	return digestMatcher(parts[0], parts[1], hexBytes(parts[2]))
}

func djangoBareMD5(hash string) matcher {
	return digestMatcher("md5", "", hexBytes(hash))
}

func digestMatcher(name, salt string, want []byte) matcher {
	newHash := hashFunction(name)
	if len(want) != newHash().Size() {
		return nil
	}
	return func(password string) bool {
		digest := newHash()
		digest.Write([]byte(salt))
		digest.Write([]byte(password))
		return equal(digest.Sum(nil), want)
	}
}
