package usher

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/keytext"
	"github.com/go-usher/usher/internal/weakkey"
)

// The length of an RSA modulus in bits. Verifying with a longer key would take milliseconds.
const (
	minRSABits = 2048 // RFC 7518 §3.3
	maxRSABits = 8192
)

// secretState returns the state of a key made of an HMAC secret. The errors here and below continue a sentence that
// begins with the material: "is PEM, not a secret".
func secretState(alg Algorithm, secret []byte) (keyState, error) {
	if alg.family() != "HS" {
		return keyState{}, fmt.Errorf("is a []byte, but %s uses key pairs; ParseKey reads them from PEM", alg)
	}
	if format := keytext.Format(secret); format != "" { // if it is a public key, anybody could sign with it (RFC 8725 §2.1)
		return keyState{}, fmt.Errorf("is %s, not a secret", format)
	}
	if least := alg.hash().Size(); len(secret) < least {
		return keyState{}, fmt.Errorf("has %d bytes, but %s needs %d or more; make one with: openssl rand -base64 %[3]d",
			len(secret), alg, least)
	}
	if err := weakkey.Secret(secret); err != nil {
		return keyState{}, err
	}
	hmac := newHMAC(alg, secret)
	return keyState{alg: alg, verify: hmac, sign: hmac}, nil
}

// rsaState returns the state of a key made of an *rsa.PrivateKey or *rsa.PublicKey.
func rsaState(alg Algorithm, material any) (keyState, error) {
	if family := alg.family(); family != "RS" && family != "PS" {
		return keyState{}, fmt.Errorf("is an RSA key, but %s is not an RSA algorithm", alg)
	}
	if key, ok := material.(*rsa.PrivateKey); ok {
		private, err := copyRSAPrivate(key)
		if err != nil {
			return keyState{}, err
		}
		return privateState(alg, &private.PublicKey, private), nil
	}
	key, _ := material.(*rsa.PublicKey)
	if err := checkRSA(key); err != nil {
		return keyState{}, err
	}
	return publicState(alg, &rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}), nil
}

func checkRSA(key *rsa.PublicKey) error {
	if key == nil || key.N == nil || key.N.Sign() <= 0 {
		return errors.New("is an RSA key without a modulus")
	}
	if bits := key.N.BitLen(); bits < minRSABits {
		return fmt.Errorf("is an RSA key of %d bits, but at least %d are required", bits, minRSABits)
	}
	if bits := key.N.BitLen(); bits > maxRSABits {
		return fmt.Errorf("is an RSA key of %d bits, but at most %d are supported", bits, maxRSABits)
	}
	if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return fmt.Errorf("is an RSA key with the public exponent %d, which must be odd and from 3 to 2147483647", key.E)
	}
	return weakkey.RSA(key)
}

func copyRSAPrivate(key *rsa.PrivateKey) (*rsa.PrivateKey, error) {
	if key == nil || key.D == nil || len(key.Primes) < 2 || slices.Contains(key.Primes, nil) {
		return nil, errors.New("is an incomplete RSA private key")
	}
	if err := checkRSA(&key.PublicKey); err != nil {
		return nil, err
	}
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E},
		D:         new(big.Int).Set(key.D),
	}
	for _, prime := range key.Primes {
		private.Primes = append(private.Primes, new(big.Int).Set(prime))
	}
	if err := private.Validate(); err != nil {
		return nil, errors.New("is an RSA private key whose parts do not match")
	}
	private.Precompute()
	return private, nil
}

// ecdsaState returns the state of a key made of an *ecdsa.PrivateKey or *ecdsa.PublicKey.
func ecdsaState(alg Algorithm, material any) (keyState, error) {
	if alg.family() != "ES" {
		return keyState{}, fmt.Errorf("is an ECDSA key, but %s is not an ECDSA algorithm", alg)
	}
	if key, ok := material.(*ecdsa.PrivateKey); ok {
		private, err := copyECDSAPrivate(alg, key)
		if err != nil {
			return keyState{}, err
		}
		return privateState(alg, &private.PublicKey, private), nil
	}
	key, _ := material.(*ecdsa.PublicKey)
	public, err := copyECDSAPublic(alg, key)
	if err != nil {
		return keyState{}, err
	}
	return publicState(alg, public), nil
}

func copyECDSAPrivate(alg Algorithm, key *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	if key == nil || key.D == nil { //nolint:staticcheck // Bytes would panic
		return nil, errors.New("is an incomplete ECDSA private key")
	}
	public, err := copyECDSAPublic(alg, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, errors.New("is an ECDSA private key whose value is out of range")
	}
	private, err := ecdsa.ParseRawPrivateKey(public.Curve, scalar)
	if err != nil || !private.PublicKey.Equal(public) {
		return nil, errors.New("is an ECDSA private key whose parts do not match")
	}
	return private, nil
}

func copyECDSAPublic(alg Algorithm, key *ecdsa.PublicKey) (*ecdsa.PublicKey, error) {
	if key == nil || key.X == nil || key.Y == nil || //nolint:staticcheck // Bytes would panic
		key.Curve != alg.curve() {
		return nil, fmt.Errorf("is not a key on %s, which is the curve of %s", alg.curve().Params().Name, alg)
	}
	point, err := key.Bytes()
	if err != nil {
		return nil, errors.New("is an ECDSA key that is not on its curve")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(key.Curve, point)
	if err != nil {
		return nil, errors.New("is an ECDSA key that is not on its curve")
	}
	return public, nil
}

// ed25519State returns the state of a key made of an ed25519.PrivateKey or ed25519.PublicKey.
func ed25519State(alg Algorithm, material any) (keyState, error) {
	if alg.family() != "Ed" {
		return keyState{}, fmt.Errorf("is an Ed25519 key, but %s is neither Ed25519 nor EdDSA", alg)
	}
	if key, ok := material.(ed25519.PrivateKey); ok {
		if len(key) != ed25519.PrivateKeySize {
			return keyState{}, fmt.Errorf("is an Ed25519 private key of %d bytes instead of %d", len(key), ed25519.PrivateKeySize)
		}
		// The second half is a copy of the public key. If it is wrong, signatures can't be verified.
		private := ed25519.NewKeyFromSeed(key.Seed())
		if !private.Equal(key) {
			return keyState{}, errors.New("is an Ed25519 private key whose halves do not match")
		}
		public, _ := private.Public().(ed25519.PublicKey)
		return privateState(alg, public, private), nil
	}
	key, _ := material.(ed25519.PublicKey)
	if len(key) != ed25519.PublicKeySize {
		return keyState{}, fmt.Errorf("is an Ed25519 public key of %d bytes instead of %d", len(key), ed25519.PublicKeySize)
	}
	if err := weakkey.Ed25519(key); err != nil {
		return keyState{}, err
	}
	return publicState(alg, slices.Clone(key)), nil
}

// defaultAlgorithm returns the algorithm that ParseKey uses by default. For a key that no algorithm supports, it
// returns one whose checks report the reason.
func defaultAlgorithm(material any) Algorithm {
	switch key := material.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return RS256
	case *ecdsa.PrivateKey:
		return algorithmOn(key.Curve)
	case *ecdsa.PublicKey:
		return algorithmOn(key.Curve)
	}
	return EdDSA
}

func algorithmOn(curve elliptic.Curve) Algorithm {
	switch curve {
	case elliptic.P384():
		return ES384
	case elliptic.P521():
		return ES512
	}
	return ES256
}

// thumbprint returns the SHA-256 thumbprint of a public key in base64url: the hash of the required members of its JWK, in
// alphabetical order (RFC 7638 §3).
func thumbprint(public crypto.PublicKey) string {
	b64 := base64url.EncodeToString
	var jwk string
	switch key := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		jwk = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64(e), b64(key.N.Bytes()))
	case *ecdsa.PublicKey:
		point, _ := key.Bytes() // can't fail: copyECDSAPublic has checked the key
		size := len(point) / 2  // the first byte is the format
		jwk = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`,
			key.Curve.Params().Name, b64(point[1:1+size]), b64(point[1+size:]))
	case ed25519.PublicKey:
		jwk = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, b64(key))
	}
	sum := sha256.Sum256([]byte(jwk))
	return b64(sum[:])
}
