package bcrypthash_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher/internal/bcrypthash"
)

func TestNewHashesPasswordsOfAnyLength(t *testing.T) {
	for _, test := range []struct{ password, prefix string }{
		{"", "$2a$05$"},
		{strings.Repeat("x", 72), "$2a$05$"},
		{strings.Repeat("x", 73), "$bcrypt-sha256$v=2,t=2b,r=5$"},
		{strings.Repeat("x", 4096), "$bcrypt-sha256$v=2,t=2b,r=5$"},
	} {
		hash, err := bcrypthash.New(test.password, 5)
		if err != nil || !strings.HasPrefix(hash, test.prefix) {
			t.Fatalf("%d bytes: %q, %v", len(test.password), hash, err)
		}
		parsed, ok := bcrypthash.Parse(hash)
		if !ok || parsed.Cost != 5 || !parsed.Matches(test.password) || parsed.Matches(test.password+"x") || parsed.Matches("y") {
			t.Errorf("%d bytes: %+v, %v", len(test.password), parsed, ok)
		}
	}
	for _, length := range []int{72, 73} {
		if hash, err := bcrypthash.New(strings.Repeat("x", length), 32); hash != "" || err == nil {
			t.Errorf("cost 32 for %d bytes: %q, %v", length, hash, err)
		}
	}
}

func TestParseReadsItsTwoFormatsOnly(t *testing.T) {
	salt, sum := tail[:22], tail[22:]
	for hash, want := range map[string]int{
		"$2a$04$" + tail:    4,
		"$2b$99$" + tail:    99,
		"$2x$04$" + tail:    -1,
		"":                  -1,
		"$2a$04$" + "short": -1,
		"$bcrypt-sha256$v=2,t=2b,r=12$" + salt + "$" + sum: 12,
		"$bcrypt-sha256$2b,12$" + salt + "$" + sum:         -1, // version 1
	} {
		if parsed, ok := bcrypthash.Parse(hash); ok != (want >= 0) || ok && parsed.Cost != want {
			t.Errorf("Parse(%q) = %+v, %t", hash, parsed, ok)
		}
	}
}

// bcrypt would ignore what follows the 72nd byte, and some implementations what follows a NUL byte.
func TestMatchesRefusesWhatBcryptCannotRead(t *testing.T) {
	long, withNUL, firstNUL := strings.Repeat("x", 72), "a\x00b", "\x00b"
	for _, test := range []struct{ hashed, password string }{{long, long + "x"}, {withNUL, withNUL}, {firstNUL, firstNUL}} {
		hash, err := bcrypt.GenerateFromPassword([]byte(test.hashed), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		if parsed, ok := bcrypthash.Parse(string(hash)); !ok || parsed.Matches(test.password) {
			t.Errorf("%q matches the hash of %q, or the hash is not read: %t", test.password, test.hashed, ok)
		}
	}
	longest := strings.Repeat("x", 4096)
	hash, err := bcrypthash.New(longest+"y", bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if parsed, ok := bcrypthash.Parse(hash); !ok || parsed.Matches(longest+"y") {
		t.Errorf("4097 bytes match, or the hash is not read: %t", ok)
	}
}
