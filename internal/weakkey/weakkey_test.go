package weakkey_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/weakkey"
)

func TestSecretNeedsSixDifferentBytes(t *testing.T) {
	for secret, ok := range map[string]bool{
		"":                                false,
		strings.Repeat(" ", 32):           false,
		strings.Repeat("\x00", 64):        false,
		strings.Repeat("ab", 16):          false,
		strings.Repeat("abcde", 20):       false,
		"secret":                          false,
		strings.Repeat("abcdef", 6):       true,
		"abcdef":                          true,
		"a secret with enough characters": true,
	} {
		if err := weakkey.Secret([]byte(secret)); (err == nil) != ok {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestShortSecretAllowsOneRepetition(t *testing.T) {
	for secret, ok := range map[string]bool{
		"a": false, "aa": false, "aaaa": false, "abab": false, "abcabc": false, "      ": false,
		strings.Repeat("abcde", 20): false,
		"ab":                        true, "test": true, "secret": true, "changeme": true, "abcdef": true, "password": true,
	} {
		if err := weakkey.ShortSecret([]byte(secret)); (err == nil) != ok {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

// rocaModulus multiplies two primes of the form k*M + 65537^a mod M, as the broken generator does. M is the product of the
// first primes, 126 of them for a key of 2048 bits.
func rocaModulus(t *testing.T) *big.Int {
	t.Helper()
	const bits = 2048
	count := 126
	product := big.NewInt(1)
	for n := int64(2); count > 0; n++ {
		if big.NewInt(n).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(n))
			count--
		}
	}
	prime := func() *big.Int {
		for {
			a, _ := rand.Int(rand.Reader, product)
			k, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits/2-product.BitLen())))
			k.SetBit(k, bits/2-product.BitLen(), 1)
			p := new(big.Int).Exp(big.NewInt(65537), a, product)
			p.Add(p, k.Mul(k, product))
			if p.ProbablyPrime(1) {
				return p
			}
		}
	}
	return new(big.Int).Mul(prime(), prime())
}

func TestRSARefusesTheROCAFingerprint(t *testing.T) {
	for range 3 {
		n := rocaModulus(t)
		err := weakkey.RSA(&rsa.PublicKey{N: n, E: 65537})
		if err == nil || !strings.Contains(err.Error(), "ROCA") {
			t.Errorf("a modulus of %d bits: %v", n.BitLen(), err)
		}
	}
}

func TestRSAAcceptsOtherKeys(t *testing.T) {
	for range 3 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if err := weakkey.RSA(&key.PublicKey); err != nil {
			t.Error(err)
		}
	}
	// 65537 to one exponent modulo each prime, but to another modulo 11, where all residues are powers.
	product, power := big.NewInt(1), big.NewInt(1)
	for n := int64(3); n <= 167; n += 2 {
		if big.NewInt(n).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(n))
		}
	}
	power.Exp(big.NewInt(65537), big.NewInt(123456789), product)
	if power.Bit(0) == 0 {
		power.Add(power, product)
	}
	if err := weakkey.RSA(&rsa.PublicKey{N: power}); err == nil {
		t.Error("a power of 65537 is accepted")
	}
	step := new(big.Int).Div(product, big.NewInt(11))
	step.Lsh(step, 1)
	power.Add(power, step)
	if new(big.Int).Mod(power, big.NewInt(11)).Sign() == 0 {
		power.Add(power, step)
	}
	if err := weakkey.RSA(&rsa.PublicKey{N: power}); err != nil {
		t.Errorf("a power for each prime, but not of one exponent: %v", err)
	}
}

func TestRSARefusesSmallFactors(t *testing.T) {
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2203), big.NewInt(1)) // a prime
	for _, factor := range []int64{2, 3, 101, 167} {
		n := new(big.Int).Mul(prime, big.NewInt(factor))
		if err := weakkey.RSA(&rsa.PublicKey{N: n}); err == nil {
			t.Errorf("a modulus divisible by %d is accepted", factor)
		}
	}
	if err := weakkey.RSA(&rsa.PublicKey{N: prime}); err != nil {
		t.Error(err)
	}
}

// smallOrder are all encodings with a y coordinate of small order that some implementation decodes: canonical ones first.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"0100000000000000000000000000000000000000000000000000000000000080", // x is 0, its sign is 1
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y is p
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y is p+1
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestEd25519RefusesSmallOrder(t *testing.T) {
	for i, text := range smallOrder {
		key, _ := hex.DecodeString(text)
		err := weakkey.Ed25519(key)
		if err == nil {
			t.Errorf("%s is accepted", text)
		} else if i < 8 && !strings.Contains(err.Error(), "small order") {
			t.Errorf("%s: %v", text, err)
		}
		if !forged(key) {
			t.Errorf("%s: crypto/ed25519 accepts no forged signature, so the case shows nothing", text)
		}
	}
}

// forged reports whether crypto/ed25519 accepts the signature R = identity, S = 0 for one of a few messages.
func forged(key ed25519.PublicKey) bool {
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1
	for n := range 500 {
		if ed25519.Verify(key, fmt.Append(nil, n), signature) {
			return true
		}
	}
	return false
}

func TestEd25519RefusesWhatIsNotAPoint(t *testing.T) {
	for text, isCanonical := range map[string]bool{
		"0200000000000000000000000000000000000000000000000000000000000000": true,
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": false, // the prime itself
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": false,
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": false,
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": false,
	} {
		key, _ := hex.DecodeString(text)
		if err := weakkey.Ed25519(key); err == nil || strings.Contains(err.Error(), "not canonical") == isCanonical {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEd25519AcceptsPublicKeysAndChangesNothing(t *testing.T) {
	for range 200 {
		key, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(key)
		if err := weakkey.Ed25519(key); err != nil || !bytes.Equal(key, before) {
			t.Errorf("%x: %v", before, err)
		}
	}
	// RFC 8032 §7.1, and the base point, whose y is 4/5.
	for _, text := range []string{
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
		"5866666666666666666666666666666666666666666666666666666666666666",
	} {
		key, _ := hex.DecodeString(text)
		if err := weakkey.Ed25519(key); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
