package hmackey_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"strings"
	"sync"
	"testing"

	"github.com/go-usher/usher/internal/hmackey"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

var hashes = map[string]func() hash.Hash{"SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New}

func reference(newHash func() hash.Hash, secret, message string) []byte {
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

func TestAppendAgreesWithCryptoHMAC(t *testing.T) {
	for name, newHash := range hashes {
		key := hmackey.New(newHash, []byte("a secret"))
		for range 2 { // the second time with a used hash
			for _, message := range []string{"", "a message", strings.Repeat("long ", 100)} {
				got := key.Append([]byte("before "), []byte(message))
				if want := append([]byte("before "), reference(newHash, "a secret", message)...); !bytes.Equal(got, want) {
					t.Errorf("%s of %.20q: %x, want %x", name, message, got, want)
				}
			}
		}
	}
}

func TestVerifyAcceptsOnlyTheSumInCanonicalBase64URL(t *testing.T) {
	for name, newHash := range hashes {
		key := hmackey.New(newHash, []byte("a secret"))
		sum := reference(newHash, "a secret", "a message")
		good := base64.RawURLEncoding.EncodeToString(sum)
		if !key.Verify("a message", good) {
			t.Errorf("%s: the sum is refused", name)
		}
		if key.Verify("another message", good) {
			t.Errorf("%s: the sum of another message is accepted", name)
		}
		changed := bytes.Clone(sum)
		changed[len(changed)-1] ^= 1
		for fault, text := range map[string]string{
			"empty":             "",
			"another":           base64.RawURLEncoding.EncodeToString(changed),
			"short":             good[:len(good)-1],
			"long":              good + "A",
			"not base64url":     good[:len(good)-1] + "=",
			"a line break":      good[:len(good)-1] + "\n",
			"of another secret": base64.RawURLEncoding.EncodeToString(reference(newHash, "other", "a message")),
		} {
			if key.Verify("a message", text) {
				t.Errorf("%s: %s is accepted", name, fault)
			}
		}
		if len(sum)%3 != 0 { // the last character has spare bits
			spare := good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, good[len(good)-1])|1])
			if key.Verify("a message", spare) {
				t.Errorf("%s: spare bits are accepted", name)
			}
		}
	}
}

func TestEqualComparesSecrets(t *testing.T) {
	a := hmackey.New(sha256.New, []byte("a secret"))
	if same := a; !a.Equal(same) || !a.Equal(hmackey.New(sha256.New, []byte("a secret"))) {
		t.Error("equal secrets are unequal")
	}
	if a.Equal(hmackey.New(sha256.New, []byte("b secret"))) || a.Equal(hmackey.New(sha256.New, []byte("a secret "))) {
		t.Error("unequal secrets are equal")
	}
}

func TestNewCopiesTheSecret(t *testing.T) {
	secret := []byte("a secret")
	key := hmackey.New(sha256.New, secret)
	clear(secret)
	if got := key.Append(nil, []byte("m")); !bytes.Equal(got, reference(sha256.New, "a secret", "m")) {
		t.Error("a change of the caller's bytes changes the key")
	}
	if !key.Equal(hmackey.New(sha256.New, []byte("a secret"))) {
		t.Error("a change of the caller's bytes changes the compared secret")
	}
}

func TestVerifyOfALongerTextAllocatesNothing(t *testing.T) {
	key := hmackey.New(sha512.New, []byte("a secret"))
	longer := strings.Repeat("A", 100)
	if got := testing.AllocsPerRun(20, func() { key.Verify("a message", longer) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	key := hmackey.New(sha256.New, []byte("a secret"))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			message := strings.Repeat("m", i)
			sum := key.Append(nil, []byte(message))
			if !bytes.Equal(sum, reference(sha256.New, "a secret", message)) || !key.Verify(message, base64.RawURLEncoding.EncodeToString(sum)) {
				t.Errorf("%d bytes: wrong sum", i)
			}
		})
	}
	group.Wait()
}
