package keypair_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/keypair"
)

// fakeSigner returns what sign returns.
type fakeSigner struct {
	crypto.Signer
	sign func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (s fakeSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.sign(digest, opts)
}

func publicOf(key crypto.Signer) keypair.PublicKey { return key.Public().(keypair.PublicKey) }

func asn(r, s *big.Int) []byte { return must(asn1.Marshal(struct{ R, S *big.Int }{r, s})) }

func TestSignReturnsSignaturesThatVerify(t *testing.T) {
	input := []byte("an input")
	digest := sha256.Sum256(input)
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	r := rsaKey()
	if got := must(keypair.Sign(r, publicOf(r), crypto.SHA256, input)); rsa.VerifyPKCS1v15(&r.PublicKey, crypto.SHA256, digest[:], got) != nil {
		t.Error("PKCS #1 v1.5: the signature does not verify")
	}
	if got := must(keypair.Sign(r, publicOf(r), pss, input)); rsa.VerifyPSS(&r.PublicKey, crypto.SHA256, digest[:], got, pss) != nil {
		t.Error("PSS: the signature does not verify")
	}
	if got := must(keypair.Sign(edKey, publicOf(edKey), crypto.Hash(0), input)); !ed25519.Verify(edKey.Public().(ed25519.PublicKey), input, got) {
		t.Error("Ed25519: the signature does not verify")
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := ecKey(curve)
		got := must(keypair.Sign(key, publicOf(key), crypto.SHA256, input))
		size := keypair.SignatureSize(key.Public())
		if want := 2 * ((curve.Params().BitSize + 7) / 8); len(got) != want || size != want {
			t.Errorf("%s: %d bytes, SignatureSize is %d, want %d", curve.Params().Name, len(got), size, want)
		}
		if !ecdsa.Verify(&key.PublicKey, digest[:], new(big.Int).SetBytes(got[:size/2]), new(big.Int).SetBytes(got[size/2:])) {
			t.Errorf("%s: the signature does not verify", curve.Params().Name)
		}
	}
}

func TestSignPadsECDSASignatures(t *testing.T) {
	key := ecKey(elliptic.P256())
	short := fakeSigner{key, func([]byte, crypto.SignerOpts) ([]byte, error) { return asn(big.NewInt(1), big.NewInt(258)), nil }}
	got := must(keypair.Sign(short, publicOf(key), crypto.SHA256, nil))
	if want := append(append(make([]byte, 31), 1), append(make([]byte, 30), 1, 2)...); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestSignersMayKeepWhatTheyGet(t *testing.T) {
	for _, hash := range []crypto.Hash{0, crypto.SHA256} {
		input := []byte("an input")
		greedy := fakeSigner{edKey, func(message []byte, opts crypto.SignerOpts) ([]byte, error) {
			want := input
			if digest := sha256.Sum256(input); hash != 0 {
				want = digest[:]
			}
			if !bytes.Equal(message, want) || opts.HashFunc() != hash {
				t.Errorf("%v: the signer gets %q and %v", hash, message, opts)
			}
			clear(message)
			return make([]byte, ed25519.SignatureSize), nil
		}}
		if _, err := keypair.Sign(greedy, publicOf(edKey), hash, input); err != nil || string(input) != "an input" {
			t.Errorf("%v: %v, and the input is now %q", hash, err, input)
		}
	}
}

func TestSignReportsOtherFormats(t *testing.T) {
	ec := ecKey(elliptic.P256())
	one, large := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	for name, test := range map[string]struct {
		key       crypto.Signer
		signature []byte
		text      string
	}{
		"R and S without ASN.1":     {ec, bytes.Repeat([]byte{1}, 64), "concatenated"},
		"nothing":                   {ec, nil, "0 bytes that are not"},
		"bytes after the signature": {ec, append(asn(one, one), 0), "9 bytes that are not"},
		"R of zero":                 {ec, asn(new(big.Int), one), "not an ECDSA signature"},
		"a negative S":              {ec, asn(one, big.NewInt(-1)), "not an ECDSA signature"},
		"an S that is too long":     {ec, asn(one, large), "not an ECDSA signature"},
		"a short RSA signature":     {rsaKey(), make([]byte, 255), "255 bytes instead of 256"},
		"a long Ed25519 signature":  {edKey, make([]byte, 65), "65 bytes instead of 64"},
	} {
		signer := fakeSigner{test.key, func([]byte, crypto.SignerOpts) ([]byte, error) { return test.signature, nil }}
		got, err := keypair.Sign(signer, publicOf(test.key), crypto.SHA256, nil)
		format, ok := errors.AsType[*keypair.FormatError](err)
		if got != nil || !ok || !strings.Contains(format.Reason, test.text) || err.Error() != "the signer "+format.Reason {
			t.Errorf("%s: %x, %v, want %q", name, got, err, test.text)
		}
	}
}

func TestErrorsOfSignersAreReturnedUnchanged(t *testing.T) {
	broken := errors.New("out of order")
	signer := fakeSigner{edKey, func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, broken }}
	if _, err := keypair.Sign(signer, publicOf(edKey), crypto.Hash(0), nil); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}
