package legacyhash

import "strings"

// FlaskBcrypt verifies hashes of Flask-Bcrypt 0.7 to 1.0 with BCRYPT_HANDLE_LONG_PASSWORDS: bcrypt of the password's
// SHA-256 in hexadecimal. Such a hash looks like plain bcrypt. To distinguish them, add the prefix "flask-bcrypt$" to
// every stored hash when you migrate the table:
//
//	UPDATE users SET hash = 'flask-bcrypt$' || hash WHERE hash LIKE '$2b$%';
//
// Without that setting, Flask-Bcrypt stores plain bcrypt, which needs no verifier. It is safe for concurrent use.
func FlaskBcrypt(hash, password string) (recognized, match bool) {
	return verify(hash, password, flaskBcrypt)
}

func flaskBcrypt(hash string) matcher {
	if rest, ok := strings.CutPrefix(hash, "flask-bcrypt$"); ok {
		return bcryptHexMatcher(rest)
	}
	return nil
}
