package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"testing"

	"github.com/go-usher/usher"
)

// keyPair is a key in all the forms in which clients want it.
type keyPair struct {
	alg                   usher.Algorithm
	secret                []byte
	private               crypto.Signer // nil for secrets
	privatePEM, publicPEM string
	key, verifying        usher.Key
}

func (k keyPair) hex() string { return hex.EncodeToString(k.secret) }

// signingKey and verifyingKey are what Go libraries take.
func (k keyPair) signingKey() any {
	if k.private != nil {
		return k.private
	}
	return k.secret
}

func (k keyPair) verifyingKey() any {
	if k.private != nil {
		return k.private.Public()
	}
	return k.secret
}

func algorithms() []usher.Algorithm {
	return []usher.Algorithm{
		usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384, usher.PS512,
		usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, usher.Ed25519,
	}
}

// makeKeys returns a key for each algorithm, read by usher from the very PEM that the clients get.
func makeKeys(t *testing.T) map[usher.Algorithm]keyPair {
	t.Helper()
	rsaKey := usher.Must(rsa.GenerateKey(rand.Reader, 2048))
	keys := map[usher.Algorithm]keyPair{}
	for _, alg := range algorithms() {
		k := keyPair{alg: alg}
		switch alg {
		case usher.HS256, usher.HS384, usher.HS512:
			k.secret = make([]byte, 64)
			_, _ = rand.Read(k.secret) // never fails
			k.key = usher.Must(usher.NewKey(alg, k.secret))
			k.verifying = k.key
			keys[alg] = k
			continue
		case usher.ES256:
			k.private = usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		case usher.ES384:
			k.private = usher.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
		case usher.ES512:
			k.private = usher.Must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
		case usher.EdDSA, usher.Ed25519:
			_, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			k.private = private
		default:
			k.private = rsaKey
		}
		k.privatePEM = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: usher.Must(x509.MarshalPKCS8PrivateKey(k.private))}))
		k.publicPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: usher.Must(x509.MarshalPKIXPublicKey(k.private.Public()))}))
		k.key = usher.Must(usher.ParseKey(alg, []byte(k.privatePEM)))
		k.verifying = usher.Must(usher.ParseKey(alg, []byte(k.publicPEM)))
		keys[alg] = k
	}
	return keys
}
