// Package weakkey detects keys that are well-formed but not secure: secrets of a few repeated bytes, RSA keys of broken
// generators, and Ed25519 public keys for which anybody can forge signatures. Its errors continue a sentence that
// begins with the key: "is an Ed25519 key that is not a point on the curve".
package weakkey

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// minDifferent is the minimum number of different bytes in a secret. A random secret of 32 bytes has fewer with a
// probability of 2^-148.
const minDifferent = 6

// Secret returns an error if secret has fewer than six different bytes, like spaces or "abab".
func Secret(secret []byte) error {
	if different(secret) < minDifferent {
		return errors.New("has fewer than six different bytes; make a random one, for example with: openssl rand -base64 64")
	}
	return nil
}

// ShortSecret is like Secret, for secrets of any length. In a secret that is too short for six different bytes, all
// bytes but one must differ, and not all may be equal: "secret" is accepted, "aaaa" and "abab" are not.
func ShortSecret(secret []byte) error {
	least := max(2, min(minDifferent, len(secret)-1))
	if different(secret) < least {
		return errors.New("repeats a few bytes, which is easily guessed")
	}
	return nil
}

func different(secret []byte) int {
	var seen [256]bool
	n := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			n++
		}
	}
	return n
}

// RSA returns an error if the modulus is even or has another small factor, or if it has the fingerprint of a generator
// whose private keys can be computed from the public ones (ROCA, CVE-2017-15361). The key must have a positive modulus.
func RSA(key *rsa.PublicKey) error {
	if key.N.Bit(0) == 0 {
		return errors.New("is an RSA key whose modulus is even")
	}
	logs := make([]logarithm, 0, len(oddPrimes))
	for _, prime := range oddPrimes {
		rest := new(big.Int).Mod(key.N, big.NewInt(prime)).Int64()
		if rest == 0 {
			return fmt.Errorf("is an RSA key whose modulus is divisible by %d", prime)
		}
		if log, ok := logOf(rest, prime); ok {
			logs = append(logs, log)
		}
	}
	if len(logs) == len(oddPrimes) && consistent(logs) {
		return errors.New("is an RSA key of a broken generator: anybody can compute the private key (ROCA, CVE-2017-15361); replace the key")
	}
	return nil
}

// oddPrimes are the first odd primes. The moduli of the broken generator are powers of 65537 modulo the product of
// these primes. Other moduli are with a probability of 2^-154 (Nemec et al., CCS 2017, §2.2).
var oddPrimes = []int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
	127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// logarithm is a discrete logarithm to the base 65537 modulo a prime. It is known modulo the order of 65537.
type logarithm struct{ exponent, order int64 }

// logOf returns the logarithm of rest modulo prime, or false if rest is not a power of 65537.
func logOf(rest, prime int64) (log logarithm, ok bool) {
	power := int64(1)
	for {
		if power == rest {
			log.exponent, ok = log.order, true
		}
		log.order++
		if power = power * 65537 % prime; power == 1 {
			return log, ok
		}
	}
}

// consistent reports whether the same exponent is the logarithm for all primes. By the Chinese remainder theorem it
// exists if one exists for each pair.
func consistent(logs []logarithm) bool {
	for i, a := range logs {
		for _, b := range logs[:i] {
			if (a.exponent-b.exponent)%gcd(a.order, b.order) != 0 {
				return false
			}
		}
	}
	return true
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Ed25519 returns an error unless the key is the canonical encoding of a point on the curve (RFC 8032 §5.1.3) whose
// order is not small. For a key of small order there is a fixed signature that is valid for at least one message in
// eight.
func Ed25519(key ed25519.PublicKey) error {
	encoded := slices.Clone(key)
	slices.Reverse(encoded) // The encoding has the low byte first.
	encoded[0] &= 0x7f      // The highest bit is the sign of x.
	y := new(big.Int).SetBytes(encoded)
	p := fieldPrime()
	if y.Cmp(p) >= 0 {
		return errors.New("is an Ed25519 key in an encoding that is not canonical")
	}
	// x² = (y²-1)/(dy²+1) has a solution if and only if (y²-1)(dy²+1) is a square.
	one := big.NewInt(1)
	yy := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(yy, one)
	v := new(big.Int).Mul(curveD(p), yy)
	v.Add(v, one)
	if big.Jacobi(u.Mul(u, v).Mod(u, p), p) < 0 {
		return errors.New("is an Ed25519 key that is not a point on the curve")
	}
	if hasSmallOrder(y, p) {
		return errors.New("is an Ed25519 key of small order, for which anybody can forge signatures")
	}
	return nil
}

// fieldPrime returns 2^255-19.
func fieldPrime() *big.Int {
	p := new(big.Int).Lsh(big.NewInt(1), 255)
	return p.Sub(p, big.NewInt(19))
}

// curveD returns the curve's parameter d, -121665/121666.
func curveD(p *big.Int) *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665))
	return d.Mod(d, p)
}

// hasSmallOrder reports whether the points with this y have an order of 1, 2, 4 or 8. By the addition law, doubling a
// point gives the y coordinate (y²+x²)/(1-dx²y²). After three doublings it is 1 for exactly these orders.
func hasSmallOrder(y, p *big.Int) bool {
	d, one := curveD(p), big.NewInt(1)
	for range 3 {
		yy := new(big.Int).Mul(y, y)
		xx := new(big.Int).Sub(yy, one)
		denominator := new(big.Int).Mul(d, yy)
		xx.Mul(xx, denominator.ModInverse(denominator.Add(denominator, one), p))
		dxxyy := new(big.Int).Mul(d, xx)
		dxxyy.Mul(dxxyy, yy).Mod(dxxyy, p)
		sum := yy.Add(yy, xx)
		y = sum.Mul(sum, dxxyy.ModInverse(dxxyy.Sub(one, dxxyy), p))
		y = y.Mod(y, p)
	}
	return y.Cmp(one) == 0
}
