package legacyhash_test

import (
	"context"
	"fmt"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/legacyhash"
)

// Users of a Flask application log in with their existing passwords, and their hashes are upgraded to bcrypt.
func Example() {
	// Hashes of "correct horse battery staple" by Werkzeug 2.2's generate_password_hash, by user id.
	hashes := map[string]string{
		"42": "pbkdf2:sha256:1000$O2yJP90MOH0RaqYO$752632d182e712905e8ce5b8da93fd4562c21427d6bd4b25dee130829ee333fb",
	}
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{
		Legacy:    []usher.PasswordVerifier{legacyhash.Werkzeug},
		Costliest: hashes["42"], // refusing a stranger takes as long as refusing such an account
	}))
	login := func(id, password string) error {
		stored := hashes[id]
		rehash, err := passwords.Check(context.Background(), stored, password)
		if err != nil {
			return err
		}
		if rehash != "" && hashes[id] == stored { // UPDATE … WHERE id = ? AND hash = ?
			hashes[id] = rehash
		}
		return nil
	}

	fmt.Println(login("42", "Tr0ub4dor&3"))
	fmt.Println(login("nobody", "Tr0ub4dor&3"))
	fmt.Println(login("42", "correct horse battery staple"))
	fmt.Println(hashes["42"][:7])
	fmt.Println(login("42", "correct horse battery staple"))
	// Output:
	// usher: wrong password
	// usher: wrong password
	// <nil>
	// $2a$12$
	// <nil>
}

func ExampleDjango() {
	// A hash by Django 3.2 of "correct horse battery staple".
	const hash = "pbkdf2_sha256$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA="
	fmt.Println(legacyhash.Django(hash, "correct horse battery staple"))
	fmt.Println(legacyhash.Django(hash, "Tr0ub4dor&3"))
	fmt.Println(legacyhash.Django("another format", "Tr0ub4dor&3"))
	// Output:
	// true true
	// true false
	// false false
}

// Hashes of Flask-Bcrypt with BCRYPT_HANDLE_LONG_PASSWORDS get a prefix when the table is migrated.
func ExampleFlaskBcrypt() {
	const stored = "$2b$04$g/GeCTgYCVugc0tZNYkAY.jl70oPeDgmOLTCsDVabyEz1EPE9Pq.e"
	recognized, _ := legacyhash.FlaskBcrypt(stored, "x")
	fmt.Println(recognized)
	recognized, _ = legacyhash.FlaskBcrypt("flask-bcrypt$"+stored, "x")
	fmt.Println(recognized)
	// Output:
	// false
	// true
}
