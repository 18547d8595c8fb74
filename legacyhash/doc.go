// Package legacyhash verifies password hashes of other systems, so their users can log in with their existing
// passwords. Each function is a usher.PasswordVerifier:
//
//	passwords, err := usher.NewPasswords(&usher.PasswordOptions{
//		Legacy:    []usher.PasswordVerifier{legacyhash.Werkzeug},
//		Costliest: aHashFromYourTable,
//	})
//
// usher.Passwords.Check then accepts these hashes. At the first login it returns a bcrypt hash of the same password;
// store it in place of the old hash.
//
// Plain bcrypt hashes need no verifier, whichever system wrote them.
//
// # Limits
//
// The parameters in a stored hash determine how much memory and time its check takes. Hashes that exceed the limits
// below are not recognized, and nothing is computed for them. The limits are above the defaults of the libraries.
//
//	pbkdf2        5,000,000 iterations, of each block of output
//	scrypt        256 MiB, N·r·p up to 4,194,304, r and p up to 32
//	Argon2        256 MiB, memory times passes up to 1 GiB, 64 lanes
//	bcrypt        cost 14
//	sha-crypt     2,000,000 rounds; passwords of up to 256 bytes
//
// A check runs on one core, whatever the number of lanes or threads in the hash.
//
// # Dangerous formats
//
// DangerouslyWerkzeug and DangerouslyDjango verify single rounds of MD5, SHA-1 or SHA-2. If such hashes are stolen,
// attackers can try billions of passwords a second. Both systems use the format sha1$salt$hash, with different
// formulas. Use the function of the system that wrote the hashes, never both. It is better not to wait for logins: wrap
// such hashes in bcrypt now, and verify them with your own verifier.
//
// The files: werkzeug.go, django.go, passlib.go, phc.go and flask.go have the formats of each system, shacrypt.go the
// crypt formats $5$ and $6$, kdf.go the key derivation functions and their limits, and parse.go the parsing of hashes.
package legacyhash
