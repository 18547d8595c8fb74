package proof_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/proof/attack"
)

// keyTexts are keys in the forms in which they lie about, right ones and broken ones.
func keyTexts(tb testing.TB) [][]byte {
	tb.Helper()
	check := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	var texts [][]byte
	add := func(kind string, der []byte) {
		block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		texts = append(texts, der, block, block[:len(block)/2], append(append([]byte("text before\n"), block...), block...))
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	check(err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	for _, key := range []crypto.Signer{rsaKey, p256, p521, ed} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		check(err)
		add("PRIVATE KEY", der)
		der, err = x509.MarshalPKIXPublicKey(key.Public())
		check(err)
		add("PUBLIC KEY", der)
		template := &x509.Certificate{SerialNumber: big.NewInt(1)}
		der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		check(err)
		add("CERTIFICATE", der)
		for _, form := range attack.PublicKeyForms(key.Public()) {
			texts = append(texts, form)
		}
	}
	add("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))
	der, err := x509.MarshalECPrivateKey(p256)
	check(err)
	add("EC PRIVATE KEY", der)
	return append(texts, nil, []byte("secret"), make([]byte, 32), make([]byte, 64), []byte("ssh-ed25519 AAAA"), []byte(`{"kty":"oct","k":"AAAA"}`))
}

// everyKey returns a key for each algorithm. All have names: secrets have none of their own, and one RSA key, which
// takes long to make, serves six algorithms.
func everyKey(tb testing.TB) usher.Keys {
	tb.Helper()
	rsaKey := usher.Must(rsa.GenerateKey(rand.Reader, 2048))
	var keys usher.Keys
	for _, alg := range []usher.Algorithm{
		usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384, usher.PS512,
		usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, usher.Ed25519,
	} {
		var key usher.Key
		var err error
		switch alg[:2] {
		case "RS", "PS":
			key, err = usher.NewKey(alg, rsaKey)
		default:
			key, err = usher.GenerateKey(alg)
		}
		if err != nil {
			tb.Fatal(err)
		}
		keys = append(keys, key.WithID("key for "+string(alg)))
	}
	return keys
}
