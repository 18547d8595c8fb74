// Package keypair copies and checks RSA, ECDSA and Ed25519 keys of the standard library's types, and signs through a
// crypto.Signer. Its errors continue a sentence that begins with the key: "is an incomplete RSA private key".
package keypair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-usher/usher/internal/weakkey"
)

// The accepted lengths of an RSA modulus in bits. Verifying with a longer key would take milliseconds.
const (
	MinRSABits = 2048 // RFC 7518 §3.3
	MaxRSABits = 8192
)

// PublicKey is an *rsa.PublicKey, an *ecdsa.PublicKey or an ed25519.PublicKey.
type PublicKey interface {
	// Equal reports whether other is the same key.
	Equal(other crypto.PublicKey) bool
}

// Kind returns "RSA", "ECDSA" or "Ed25519" for a private or public key of the types that Copy accepts, and "" for
// anything else.
func Kind(key any) string {
	switch key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PrivateKey, *ecdsa.PublicKey:
		return "ECDSA"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return "Ed25519"
	}
	return ""
}

// Generate returns a new private key of a kind that Kind returns: an RSA key of 2048 bits, an ECDSA key on curve, or an
// Ed25519 key. For any other kind it returns nil.
func Generate(kind string, curve elliptic.Curve) (crypto.PrivateKey, error) {
	switch kind {
	case "RSA":
		return rsa.GenerateKey(rand.Reader, MinRSABits)
	case "ECDSA":
		return ecdsa.GenerateKey(curve, rand.Reader)
	case "Ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, nil
}

// Copy returns copies of the public key and the private key of key, which is either: an *rsa.PrivateKey or
// *rsa.PublicKey, an *ecdsa.PrivateKey or *ecdsa.PublicKey, or an ed25519.PrivateKey or ed25519.PublicKey. For a public
// key, private is nil.
//
// It returns an error if the key is incomplete or not valid, if a private key does not match its public key, if an RSA
// modulus is too short or too long, or if package weakkey refuses the key.
func Copy(key any) (public PublicKey, private crypto.PrivateKey, err error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return copyRSAPrivate(k)
	case *rsa.PublicKey:
		err = checkRSA(k)
	case *ecdsa.PrivateKey:
		return copyECDSAPrivate(k)
	case *ecdsa.PublicKey:
		err = checkECDSA(k)
	case ed25519.PrivateKey:
		return copyEd25519Private(k)
	case ed25519.PublicKey:
		err = checkEd25519(k)
	default:
		return nil, nil, fmt.Errorf("is a %T, not an RSA, ECDSA or Ed25519 key", key)
	}
	if err != nil {
		return nil, nil, err
	}
	return Clone(key), nil, nil
}

// Clone returns a copy of a public key without checking it. It returns nil for anything else.
func Clone(public crypto.PublicKey) PublicKey {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
	case *ecdsa.PublicKey:
		return &ecdsa.PublicKey{Curve: k.Curve, X: new(big.Int).Set(k.X), Y: new(big.Int).Set(k.Y)} //nolint:staticcheck // Copy checked them
	case ed25519.PublicKey:
		return slices.Clone(k)
	}
	return nil
}

func checkRSA(key *rsa.PublicKey) error {
	if key == nil || key.N == nil || key.N.Sign() <= 0 {
		return errors.New("is an RSA key without a modulus")
	}
	if bits := key.N.BitLen(); bits < MinRSABits {
		return fmt.Errorf("is an RSA key of %d bits, but at least %d are required", bits, MinRSABits)
	}
	if bits := key.N.BitLen(); bits > MaxRSABits {
		return fmt.Errorf("is an RSA key of %d bits, but at most %d are supported", bits, MaxRSABits)
	}
	if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return fmt.Errorf("is an RSA key with the public exponent %d, which must be odd and from 3 to 2147483647", key.E)
	}
	return weakkey.RSA(key)
}

func copyRSAPrivate(key *rsa.PrivateKey) (PublicKey, crypto.PrivateKey, error) {
	if key == nil || key.D == nil || len(key.Primes) < 2 || slices.Contains(key.Primes, nil) {
		return nil, nil, errors.New("is an incomplete RSA private key")
	}
	if err := checkRSA(&key.PublicKey); err != nil {
		return nil, nil, err
	}
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E},
		D:         new(big.Int).Set(key.D),
	}
	for _, prime := range key.Primes {
		private.Primes = append(private.Primes, new(big.Int).Set(prime))
	}
	if err := private.Validate(); err != nil {
		return nil, nil, errors.New("is an RSA private key whose parts do not match")
	}
	private.Precompute()
	return &private.PublicKey, private, nil
}

func checkECDSA(key *ecdsa.PublicKey) error {
	if key == nil || key.X == nil || key.Y == nil { //nolint:staticcheck // Bytes would panic
		return errors.New("is an incomplete ECDSA public key")
	}
	if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
		return errors.New("is an ECDSA key on a curve other than P-256, P-384 and P-521")
	}
	if _, err := key.Bytes(); err != nil {
		return errors.New("is an ECDSA key that is not on its curve")
	}
	return nil
}

func copyECDSAPrivate(key *ecdsa.PrivateKey) (PublicKey, crypto.PrivateKey, error) {
	if key == nil || key.D == nil { //nolint:staticcheck // Bytes would panic
		return nil, nil, errors.New("is an incomplete ECDSA private key")
	}
	if err := checkECDSA(&key.PublicKey); err != nil {
		return nil, nil, err
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, nil, errors.New("is an ECDSA private key whose value is out of range")
	}
	private, err := ecdsa.ParseRawPrivateKey(key.Curve, scalar)
	if err != nil || !private.PublicKey.Equal(&key.PublicKey) {
		return nil, nil, errors.New("is an ECDSA private key whose parts do not match")
	}
	return &private.PublicKey, private, nil
}

func checkEd25519(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("is an Ed25519 public key of %d bytes instead of %d", len(key), ed25519.PublicKeySize)
	}
	return weakkey.Ed25519(key)
}

func copyEd25519Private(key ed25519.PrivateKey) (PublicKey, crypto.PrivateKey, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, nil, fmt.Errorf("is an Ed25519 private key of %d bytes instead of %d", len(key), ed25519.PrivateKeySize)
	}
	// The second half is a copy of the public key. If it is wrong, signatures can't be verified.
	private := ed25519.NewKeyFromSeed(key.Seed())
	if !private.Equal(key) {
		return nil, nil, errors.New("is an Ed25519 private key whose halves do not match")
	}
	public, _ := private.Public().(ed25519.PublicKey)
	return public, private, nil
}
