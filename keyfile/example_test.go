package keyfile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
	"github.com/go-usher/usher/keyfile"
)

// A service signs with the key in a mounted folder. When the file changes, the new key is used. Tokens of the previous
// key are still accepted for an hour.
func ExampleOpen() {
	folder, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	write := func(secret string) {
		if err := os.WriteFile(filepath.Join(folder, "current"), []byte(secret), 0o600); err != nil {
			fmt.Println(err)
		}
	}
	write("a-secret-of-at-least-thirty-two-bytes")

	keys := usher.Must(keyfile.Open(folder, &keyfile.Options{
		Signer: "current",
		Retain: time.Hour,
		OnReload: func(err error) {
			fmt.Println("reloaded:", err)
		},
	}))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](keys, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](keys, nil))
	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ada"}))

	write("the-next-secret-of-at-least-thirty-two-bytes")
	if err := keys.Reload(context.Background()); err != nil { // or within ten seconds
		fmt.Println(err)
	}
	claims, err := decoder.Decode(context.Background(), token)
	fmt.Println(claims.Subject, err)
	fmt.Println(keys.Keys())
	// Output:
	// reloaded: <nil>
	// ada <nil>
	// [usher.Key(HS256 "current") usher.Key(HS256 "current")]
}

// The current public keys in a file are published.
func ExampleKeys_Keys() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("key-%d.json", os.Getpid()))
	defer os.Remove(path)
	jwk := `{"kty":"OKP","crv":"Ed25519","kid":"2026-11","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`
	if err := os.WriteFile(path, []byte(jwk), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	keys := usher.Must(keyfile.Open(path, nil))
	handler, err := jwks.Handler(keys.Keys, nil)
	fmt.Println(keys.Keys(), handler != nil, err)
	// Output: [usher.Key(EdDSA "2026-11")] true <nil>
}

// Several processes mount one folder and read a new key at different times. During Overlap, every process accepts the
// new key but none signs with it.
func ExampleOptions() {
	folder, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	write := func(name, jwk string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(jwk), 0o600); err != nil {
			fmt.Println(err)
		}
	}
	october := `{"kty":"OKP","crv":"Ed25519","kid":"october","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`
	november := `{"kty":"OKP","crv":"Ed25519","kid":"november","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw","d":"TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs"}`
	write("current.json", october)

	now := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	keys := usher.Must(keyfile.Open(folder, &keyfile.Options{
		Signer:  "current.json",
		Overlap: 15 * time.Minute, // jwks.HandlerOptions.MaxAge, if the keys are published
		Now:     func() time.Time { return now },
	}))
	write("previous.json", october) // so that its tokens are accepted after a restart, too
	write("current.json", november)
	if err := keys.Reload(context.Background()); err != nil { // or within ten seconds
		fmt.Println(err)
	}
	for range 3 {
		signs, err := keys.SigningKey(context.Background())
		fmt.Println(signs.ID(), "signs,", len(keys.Keys()), "verify", err)
		now = now.Add(10 * time.Minute)
	}
	// Output:
	// october signs, 2 verify <nil>
	// october signs, 2 verify <nil>
	// november signs, 2 verify <nil>
}
