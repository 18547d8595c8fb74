package onetime_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/onetime"
)

// A link resets a password. It works once, because using it replaces the hash.
func Example() {
	type account struct{ email, hash string }
	accounts := map[string]*account{"42": {"alice@example.com", "$2a$12$old"}}
	state := func(_ context.Context, id string) (string, error) {
		a, ok := accounts[id]
		if !ok {
			return "", usher.ErrNoUser
		}
		return a.hash + "\n" + a.email, nil
	}

	secret := []byte("an example's secret: 32 bytes from crypto/rand")
	resets := usher.Must(onetime.New(secret, "password reset", nil))
	ctx := context.Background()

	// POST /forgot: send https://example.com/reset#token to the account's address.
	current, _ := state(ctx, "42")
	token := usher.Must(resets.Issue("42", current))

	// POST /reset: spend it.
	reset := func(token, newHash string) error {
		id, old, err := resets.Check(ctx, token, state)
		if err != nil {
			return err
		}
		a := accounts[id]
		if a.hash+"\n"+a.email != old { // UPDATE … WHERE id = ? AND hash = ? AND email = ?
			return onetime.ErrToken
		}
		a.hash = newHash
		return nil
	}
	fmt.Println(reset(token, "$2a$12$new"))
	fmt.Println(reset(token, "$2a$12$newer"))
	// Output:
	// <nil>
	// onetime: invalid token: used, or its subject has changed since
}

// Tokens for one purpose are not valid for another.
func ExampleNew() {
	secret := []byte("an example's secret: 32 bytes from crypto/rand")
	resets := usher.Must(onetime.New(secret, "password reset", nil))
	verifications := usher.Must(onetime.New(secret, "address verification", nil))

	token := usher.Must(verifications.Issue("42", "alice@example.com unverified"))
	_, _, err := resets.Check(context.Background(), token, nil)
	fmt.Println(errors.Is(err, usher.ErrUnavailable)) // Check needs a state function

	_, _, err = resets.Check(context.Background(), token, func(context.Context, string) (string, error) {
		return "never asked for", nil
	})
	fmt.Println(errors.Is(err, onetime.ErrToken))
	// Output:
	// true
	// true
}
