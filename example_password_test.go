package usher_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-usher/usher"
)

func ExampleHashPassword() {
	hash, err := usher.HashPassword("correct horse battery staple")
	if err != nil {
		fmt.Println(err) // ErrPasswordUnfit: the user chooses another
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
	// PHP's password_hash of "correct horse battery staple".
	hash := "$2y$04$y3QIyPVh7hYLiiVHsopE5egjCKjeuxd3CJMPJC5RGlvj1e46jxuRi"

	fmt.Println(usher.CheckPassword(hash, "correct horse battery staple"))
	fmt.Println(usher.CheckPassword(hash, "Tr0ub4dor&3"))
	// Output:
	// <nil>
	// usher: wrong password
}

// A login that also upgrades older hashes to the current cost.
func ExamplePasswords_Check() {
	passwords := usher.Must(usher.NewPasswords(nil))

	// An application's own table of users, by email.
	hashes := map[string]string{
		"ada@example.com": "$2y$04$y3QIyPVh7hYLiiVHsopE5egjCKjeuxd3CJMPJC5RGlvj1e46jxuRi",
	}
	login := func(ctx context.Context, email, password string) error {
		stored := hashes[email] // empty for an unknown user, whom the time of the answer must not tell apart
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

// A verifier for your own format. Package legacyhash has verifiers for Werkzeug, Django, passlib and others.
func ExamplePasswordVerifier() {
	format := regexp.MustCompile(`^old:([1-9][0-9]{0,6}):([A-Za-z0-9]{1,64}):([0-9a-f]{64})$`)
	old := func(hash, password string) (recognized, match bool) {
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
		Legacy: []usher.PasswordVerifier{old},
	}))

	hash := "old:1000:EzzSQSZLkmIsBEWY:2727577d2fe5c235a7bf85f420d14ec560054edd446bdaebf9ed31d14ffe3a44"
	rehash, err := passwords.Check(context.Background(), hash, "correct horse battery staple")
	fmt.Println(rehash[:7], err)
	// Output: $2a$12$ <nil>
}

func ExampleNewPasswords() {
	_, err := usher.NewPasswords(&usher.PasswordOptions{Cost: 42, Costliest: "not looked at yet"})
	fmt.Println(err)
	_, err = usher.NewPasswords(&usher.PasswordOptions{Costliest: "scrypt:32768:8:1$salt$hash"})
	fmt.Println(err)
	// Output:
	// usher: PasswordOptions.Cost is 42, but must be from 4 to 20 (0 means 12)
	// usher: PasswordOptions.Costliest is neither bcrypt nor recognized by a verifier in Legacy, but must be a stored hash
}

// With AnyLength, a passphrase may have up to 4096 bytes.
func ExamplePasswords_Hash() {
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{AnyLength: true}))
	ctx := context.Background()
	hash, err := passwords.Hash(ctx, strings.Repeat("correct horse battery staple ", 10))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hash[:28])
	_, err = passwords.Hash(ctx, "horse")
	fmt.Println(errors.Is(err, usher.ErrPasswordUnfit), err)
	// Output:
	// $bcrypt-sha256$v=2,t=2b,r=12
	// true usher: password too short: at least 8 characters
}

// One client can't fill the queue.
func ExampleContextWithClient() {
	passwords := usher.Must(usher.NewPasswords(nil))
	ctx := usher.ContextWithClient(context.Background(), "203.0.113.7")
	_, err := passwords.Check(ctx, "", "a guess")
	fmt.Println(err)
	// Output: usher: wrong password
}
