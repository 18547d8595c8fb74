package keypair_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"

	"github.com/go-usher/usher/internal/keypair"
)

var b64 = base64.RawURLEncoding

// The keys of RFC 7638 §3.1 and RFC 8037 appendix A.3.
func TestThumbprintAgreesWithTheRFCs(t *testing.T) {
	n := must(b64.DecodeString("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuh" +
		"DR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQ" +
		"MicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_x" +
		"BniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"))
	if got, want := keypair.Thumbprint(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("RSA: %s, want %s", got, want)
	}
	seed := must(b64.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	if got, want := keypair.Thumbprint(ed25519.NewKeyFromSeed(seed).Public()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("Ed25519: %s, want %s", got, want)
	}
}

// Coordinates have the curve's full length, zeros in front included (RFC 7518 §6.2.1.2).
func TestThumbprintPadsCoordinates(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P521()} {
		size := (curve.Params().BitSize + 7) / 8
		for padded := false; !padded; {
			key := ecKey(curve)
			point := must(key.PublicKey.Bytes())
			x, y := point[1:1+size], point[1+size:]
			padded = x[0] == 0 || y[0] == 0
			sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":"EC","x":%q,"y":%q}`, curve.Params().Name, b64.EncodeToString(x), b64.EncodeToString(y)))
			if got, want := keypair.Thumbprint(key.Public().(*ecdsa.PublicKey)), b64.EncodeToString(sum[:]); got != want {
				t.Fatalf("%s: %s, want %s", curve.Params().Name, got, want)
			}
		}
	}
}
