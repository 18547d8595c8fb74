package usher_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"

	"github.com/go-usher/usher"
)

func ExampleHashPassword() {
	hash, err := usher.HashPassword("correct horse battery staple")
	if err != nil {
		fmt.Println(err) // too short, too long, or with a NUL byte: for the user to mend
		return
	}
	fmt.Println(hash[:7], len(hash))

	_, err = usher.HashPassword("horse")
	fmt.Println(err)
	// Output:
	// $2a$12$ 60
	// usher: password too short: at least 8 characters
}

func ExampleCheckPassword() {
	// What PHP's password_hash made of "correct horse battery staple".
	hash := "$2y$04$y3QIyPVh7hYLiiVHsopE5egjCKjeuxd3CJMPJC5RGlvj1e46jxuRi"

	fmt.Println(usher.CheckPassword(hash, "correct horse battery staple"))
	fmt.Println(usher.CheckPassword(hash, "Tr0ub4dor&3"))
	// Output:
	// <nil>
	// usher: wrong password
}

// A login, which also moves the users of an older system to today's cost.
func ExamplePasswords_Check() {
	passwords := usher.Must(usher.NewPasswords(nil))

	// An application's own table of users, by email.
	hashes := map[string]string{
		"ada@example.com": "$2y$04$y3QIyPVh7hYLiiVHsopE5egjCKjeuxd3CJMPJC5RGlvj1e46jxuRi",
	}
	login := func(ctx context.Context, email, password string) error {
		stored := hashes[email] // empty for a stranger, who must not be told apart by the time it takes
		rehash, err := passwords.Check(ctx, stored, password)
		if err != nil {
			return err
		}
		if rehash != "" && hashes[email] == stored { // UPDATE … WHERE email = ? AND hash = ?
			hashes[email] = rehash
		}
		return nil
	}

	ctx := context.Background()
	fmt.Println(login(ctx, "ada@example.com", "correct horse battery staple"))
	fmt.Println(hashes["ada@example.com"][:7])
	// Output:
	// <nil>
	// $2a$12$
}

// The users of a Flask application log in with the hashes that Werkzeug made, and leave with one of bcrypt.
func ExamplePasswordVerifier() {
	format := regexp.MustCompile(`^pbkdf2:sha256:([1-9][0-9]{0,6})\$([A-Za-z0-9]{1,64})\$([0-9a-f]{64})$`)
	werkzeug := func(hash, password string) (recognized, match bool) {
		part := format.FindStringSubmatch(hash)
		if part == nil {
			return false, false
		}
		iterations, _ := strconv.Atoi(part[1])
		if iterations > 2_000_000 { // nobody's hash may keep a core busy for seconds
			return false, false
		}
		want, _ := hex.DecodeString(part[3])
		got, err := pbkdf2.Key(sha256.New, password, []byte(part[2]), iterations, len(want))
		return true, err == nil && subtle.ConstantTimeCompare(got, want) == 1
	}
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{
		Legacy: []usher.PasswordVerifier{werkzeug},
	}))

	// What Werkzeug's generate_password_hash made of the password, with method="pbkdf2:sha256:1000".
	hash := "pbkdf2:sha256:1000$EzzSQSZLkmIsBEWY$2727577d2fe5c235a7bf85f420d14ec560054edd446bdaebf9ed31d14ffe3a44"
	rehash, err := passwords.Check(context.Background(), hash, "correct horse battery staple")
	fmt.Println(rehash[:7], err)
	// Output: $2a$12$ <nil>
}
