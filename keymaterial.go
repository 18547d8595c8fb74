package usher

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// unfitSecret says why secret can't be alg's, or "".
func unfitSecret(alg Algorithm, secret []byte) string {
	if kind := notSecret(secret); kind != "" {
		return "is " + kind + ", which is no secret"
	}
	if least := alg.hash().Size(); len(secret) < least {
		return fmt.Sprintf("has %d bytes, but %s needs %d or more; make one with: openssl rand -base64 %[3]d",
			len(secret), alg, least)
	}
	return ""
}

// notSecret names the kind of key that secret is, if it is one: a public key that is used as an HMAC secret
// lets everybody sign (RFC 8725 §2.1).
func notSecret(secret []byte) string {
	text := strings.TrimSpace(strings.TrimPrefix(string(secret), "\ufeff"))
	if strings.Contains(text, "-----BEGIN") {
		return "PEM"
	}
	for _, prefix := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "PuTTY-User-Key-File", "---- BEGIN SSH2"} {
		if strings.HasPrefix(text, prefix) {
			return "an SSH key"
		}
	}
	var jwk map[string]jsontext.Value
	if json.Unmarshal([]byte(text), &jwk, jsontext.AllowDuplicateNames(true)) == nil && (jwk["kty"] != nil || jwk["keys"] != nil) {
		return "a JWK"
	}
	if _, err := parseDER(secret); err == nil {
		return "a DER-encoded key"
	}
	return ""
}

func unfitRSA(alg Algorithm, key *rsa.PublicKey) string {
	if family := alg.family(); family != "RS" && family != "PS" {
		return "is an RSA key, but " + string(alg) + " is no RSA algorithm"
	}
	if key == nil || key.N == nil || key.N.Sign() <= 0 {
		return "is an RSA key without a modulus"
	}
	if bits := key.N.BitLen(); bits < minRSABits {
		return fmt.Sprintf("is an RSA key of %d bits, but %d is the least", bits, minRSABits)
	}
	if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return fmt.Sprintf("is an RSA key with the public exponent %d, which is not safe", key.E)
	}
	return ""
}

func copyRSA(alg Algorithm, key *rsa.PrivateKey) (*rsa.PrivateKey, string) {
	if key == nil || key.D == nil || len(key.Primes) < 2 || slices.Contains(key.Primes, nil) {
		return nil, "is an incomplete RSA private key"
	}
	if reason := unfitRSA(alg, &key.PublicKey); reason != "" {
		return nil, reason
	}
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E},
		D:         new(big.Int).Set(key.D),
	}
	for _, prime := range key.Primes {
		private.Primes = append(private.Primes, new(big.Int).Set(prime))
	}
	if err := private.Validate(); err != nil {
		return nil, "is an RSA private key whose parts do not belong together"
	}
	private.Precompute()
	return private, ""
}

func copyECDSA(alg Algorithm, key *ecdsa.PrivateKey) (*ecdsa.PrivateKey, string) {
	if key == nil || key.D == nil { //nolint:staticcheck // Bytes would panic
		return nil, "is an incomplete ECDSA private key"
	}
	public, reason := copyECDSAPublic(alg, &key.PublicKey)
	if reason != "" {
		return nil, reason
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, "is an ECDSA private key out of range"
	}
	private, err := ecdsa.ParseRawPrivateKey(public.Curve, scalar)
	if err != nil || !private.PublicKey.Equal(public) {
		return nil, "is an ECDSA private key whose parts do not belong together"
	}
	return private, ""
}

func copyECDSAPublic(alg Algorithm, key *ecdsa.PublicKey) (*ecdsa.PublicKey, string) {
	if alg.family() != "ES" {
		return nil, "is an ECDSA key, but " + string(alg) + " is no ECDSA algorithm"
	}
	if key == nil || key.X == nil || key.Y == nil || //nolint:staticcheck // Bytes would panic
		key.Curve != alg.curve() {
		return nil, fmt.Sprintf("is not a key on %s, which is the curve of %s", alg.curve().Params().Name, alg)
	}
	point, err := key.Bytes()
	if err != nil {
		return nil, "is an ECDSA key that is not on its curve"
	}
	public, err := ecdsa.ParseUncompressedPublicKey(key.Curve, point)
	if err != nil {
		return nil, "is an ECDSA key that is not on its curve"
	}
	return public, ""
}

func unfitEd25519(alg Algorithm, size, want int) string {
	if alg != EdDSA {
		return "is an Ed25519 key, but " + string(alg) + " is not EdDSA"
	}
	if size != want {
		return fmt.Sprintf("is an Ed25519 key of %d bytes instead of %d", size, want)
	}
	return ""
}

// parsePEM returns the key in the first block of text that holds one. A certificate's chain may follow it;
// another key may not, since nobody could tell which was meant.
func parsePEM(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" { // which OpenSSL writes before an EC key
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("has no PEM block")
	}
	for next, rest := pem.Decode(rest); next != nil; next, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || next.Type != "CERTIFICATE" {
			return nil, errors.New("holds more than one key")
		}
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("is encrypted; decrypt it first, for example with openssl pkey")
	}
	if block.Type == "OPENSSH PRIVATE KEY" {
		return nil, errors.New("is an OpenSSH key; convert it first with ssh-keygen -p -m PKCS8")
	}
	if block.Type == "CERTIFICATE" {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds no valid certificate: %w", err)
		}
		return certificate.PublicKey, nil
	}
	material, err := parseDER(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("holds a %s block that is no key", quote(block.Type))
	}
	return material, nil
}

func parseDER(der []byte) (any, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}

// thumbprint returns the SHA-256 thumbprint of a public key as base64url (RFC 7638 §3): the hash of the
// required members of its JWK, in order.
func thumbprint(public crypto.PublicKey) string {
	b64 := base64url.EncodeToString
	var jwk string
	switch key := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		jwk = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64(e), b64(key.N.Bytes()))
	case *ecdsa.PublicKey:
		point, _ := key.Bytes() // copied by copyECDSAPublic, so on its curve
		size := len(point) / 2  // after the first byte, which says that both coordinates follow
		jwk = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`,
			key.Curve.Params().Name, b64(point[1:1+size]), b64(point[1+size:]))
	case ed25519.PublicKey:
		jwk = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, b64(key))
	}
	sum := sha256.Sum256([]byte(jwk))
	return b64(sum[:])
}
