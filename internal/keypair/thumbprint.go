package keypair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"

	"github.com/go-usher/usher/internal/base64url"
)

// Thumbprint returns the SHA-256 thumbprint of a public key in base64url: the hash of the required members of its JWK,
// in alphabetical order (RFC 7638 §3). The key must be valid.
func Thumbprint(public crypto.PublicKey) string {
	b64 := base64url.EncodeToString
	var jwk string
	switch key := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		jwk = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64(e), b64(key.N.Bytes()))
	case *ecdsa.PublicKey:
		point, _ := key.Bytes() // can't fail: the key is valid
		size := len(point) / 2  // the first byte is the format
		jwk = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`,
			key.Curve.Params().Name, b64(point[1:1+size]), b64(point[1+size:]))
	case ed25519.PublicKey:
		jwk = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, b64(key))
	}
	sum := sha256.Sum256([]byte(jwk))
	return b64(sum[:])
}
