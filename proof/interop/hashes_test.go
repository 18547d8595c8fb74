package interop_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/legacyhash"
)

// frameworks are the libraries of hashes.py.
func frameworks(t *testing.T) *process {
	t.Helper()
	return start(t, "Python's frameworks are missing: apt-get install python3-passlib python3-flask-bcrypt python3-werkzeug",
		[]string{"python3", "hashes.py"}, []string{"/usr/bin/python3", "hashes.py"})
}

var somePasswords = []string{"correct horse battery", "pässwörd 日本語", strings.Repeat("a", 72), strings.Repeat("long ", 40)}

func TestHashesOfPythonsFrameworksAreVerified(t *testing.T) {
	peer := frameworks(t)
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{
		Cost: 4, AnyLength: true,
		Legacy: []usher.PasswordVerifier{legacyhash.FlaskBcrypt, legacyhash.Werkzeug},
	}))
	for library, stored := range map[string]func(hash string) string{
		"passlib":      func(hash string) string { return hash },
		"Werkzeug":     func(hash string) string { return hash },
		"Flask-Bcrypt": func(hash string) string { return "flask-bcrypt$" + hash }, // its hashes look like plain bcrypt's
	} {
		for _, password := range somePasswords {
			a, err := peer.ask(command{Do: "hash", Prefix: library, Password: password})
			if err != nil {
				t.Fatalf("%s: %v", library, err)
			}
			if _, err := passwords.Check(t.Context(), stored(a.Text), password); err != nil {
				t.Errorf("%s: %q against %s: %v", library, password, a.Text, err)
			}
			if _, err := passwords.Check(t.Context(), stored(a.Text), password+"x"); !errors.Is(err, usher.ErrPasswordMismatch) {
				t.Errorf("%s: %q and an x against %s: %v", library, password, a.Text, err)
			}
		}
	}
}

func TestPasslibReadsHashesOfAnyLength(t *testing.T) {
	peer := frameworks(t)
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4, AnyLength: true}))
	password := strings.Repeat("long ", 40)
	hash, err := passwords.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	for guess, want := range map[string]bool{password: true, password[:72]: false, password + "x": false} {
		if a, err := peer.ask(command{Do: "check", Prefix: "passlib", Password: guess, Hash: hash}); err != nil || a.OK != want {
			t.Errorf("%q against %s: %t, %v", guess, hash, a.OK, err)
		}
	}
}
