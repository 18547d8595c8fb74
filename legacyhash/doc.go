// Package legacyhash verifies password hashes of other systems, so that their users can log in with the passwords that
// they have. Each function is a usher.PasswordVerifier:
//
//	passwords, err := usher.NewPasswords(&usher.PasswordOptions{
//		Legacy:    []usher.PasswordVerifier{legacyhash.Werkzeug},
//		Costliest: aHashFromYourTable,
//	})
//
// usher.Passwords.Check then accepts those hashes, and returns a bcrypt hash of the same password at the first login, to be
// stored in place of the old one.
//
// Plain bcrypt hashes need no verifier, whatever wrote them.
//
// # Bounds
//
// A stored hash says how much memory and time its check takes. Hashes that ask for more than the bounds below are not
// recognized, before anything is computed. The bounds lie above what the libraries use by default.
//
//	pbkdf2        5,000,000 iterations, of each block of output
//	scrypt        256 MiB, N·r·p up to 4,194,304, r and p up to 32
//	Argon2        256 MiB, memory times passes up to 1 GiB, 64 lanes
//	bcrypt        cost 14
//	sha-crypt     2,000,000 rounds; passwords of up to 256 bytes
//
// A check runs on one core, however many lanes or threads its hash names.
//
// # Dangerous formats
//
// DangerouslyWerkzeug and DangerouslyDjango verify single rounds of MD5, SHA-1 or SHA-2. A stolen table of those is
// guessed at billions of passwords a second. The two systems wrote the same text, sha1$salt$hash, and mean different
// formulas: use the function of the system that wrote the table, never both. Better than to wait for logins is to
// wrap such hashes in bcrypt at once, with a verifier of your own.
//
// Map of the files: werkzeug.go, django.go, passlib.go, phc.go and flask.go have the formats of each system; kdf.go the
// functions behind them and their bounds; shacrypt.go the crypt formats $5$ and $6$; parse.go reads texts.
package legacyhash
