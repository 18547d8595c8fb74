package usher_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-usher/usher"
)

// Ed25519 and EdDSA are two names of one algorithm (RFC 9864 §2.2).
func TestEitherNameOfEd25519VerifiesBoth(t *testing.T) {
	names := []usher.Algorithm{usher.Ed25519, usher.EdDSA}
	for _, signs := range names {
		token := usher.Must(newEncoder[usher.Claims](t, testKey(t, signs), usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "42"}))
		header, _ := openToken(t, token)
		if got := membersOf(t, header)["alg"]; got != string(signs) {
			t.Errorf("a key for %s writes alg %v", signs, got)
		}
		for _, verifies := range names {
			key := testKey(t, verifies)
			for _, cacheSize := range []int{0, 4} {
				d := newDecoder[usher.Claims](t, usher.Keys{testKey(t, usher.ES256), key}, usher.DecoderOptions{CacheSize: cacheSize})
				for range 2 {
					checkDecode(t, d, token, nil)
				}
			}
			other := usher.Must(usher.GenerateKey(verifies)).WithID(key.ID())
			checkDecode(t, newDecoder[usher.Claims](t, other, usher.DecoderOptions{}), token, usher.ErrTokenSignature)
		}
		if a, b := testKey(t, names[0]).ID(), testKey(t, names[1]).ID(); a != b {
			t.Errorf("one key has the IDs %s and %s", a, b)
		}
	}
}

// fakeSigner is a crypto.Signer as a key management service wraps it. What is set replaces what it does.
type fakeSigner struct {
	crypto.Signer
	public crypto.PublicKey
	sign   func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
	calls  *atomic.Int64
}

func (s fakeSigner) Public() crypto.PublicKey {
	if s.public != nil {
		return s.public
	}
	return s.Signer.Public()
}

func (s fakeSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.calls != nil {
		s.calls.Add(1)
	}
	if s.sign != nil {
		return s.sign(digest, opts)
	}
	return s.Signer.Sign(rand, digest, opts)
}

// testPairs are the algorithms that use key pairs.
func testPairs() []usher.Algorithm { return allAlgorithms[3:] }

func TestSignerKeysSignWithEveryAlgorithm(t *testing.T) {
	for _, alg := range testPairs() {
		t.Run(string(alg), func(t *testing.T) {
			var calls atomic.Int64
			signer := fakeSigner{Signer: materialOf(alg).(crypto.Signer), calls: &calls}
			key, err := usher.NewSignerKey(alg, signer)
			if err != nil {
				t.Fatal(err)
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("%d signatures to check the signer, want 1", n)
			}
			want := testKey(t, alg)
			if key.Algorithm() != alg || key.ID() != want.ID() || !key.CanSign() || !key.WithID("x").CanSign() {
				t.Errorf("%v, want %v", key, want)
			}
			if public, ok := key.Public(); !ok || public.CanSign() {
				t.Errorf("its public half is %v", public)
			}
			e := newEncoder[usher.Claims](t, key, usher.EncoderOptions{})
			d := newDecoder[usher.Claims](t, want, usher.DecoderOptions{})
			for range 20 { // ECDSA numbers have leading zeros now and then
				checkDecode(t, d, usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "42"})), nil)
			}
			if n := calls.Load(); n != 21 {
				t.Errorf("%d signatures for 20 tokens and the check", n)
			}
		})
	}
}

// ECDSA numbers of any length are written with the full length (RFC 7518 §3.4).
func TestSignerKeysPadECDSASignatures(t *testing.T) {
	short := 0
	key := usher.Must(usher.NewSignerKey(usher.ES256, fakeSigner{Signer: p256Key(), sign: func(digest []byte, _ crypto.SignerOpts) ([]byte, error) {
		for {
			r, s, err := ecdsa.Sign(rand.Reader, p256Key(), digest)
			if err != nil || r.BitLen() <= 248 || s.BitLen() <= 248 {
				short++
				return usher.Must(asn1.Marshal(struct{ R, S *big.Int }{r, s})), err
			}
		}
	}}))
	token := usher.Must(newEncoder[usher.Claims](t, key, usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "42"}))
	if checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{}), token, nil); short != 2 {
		t.Errorf("%d short signatures", short)
	}
}

func TestSignersGetWhatCryptoSignersExpect(t *testing.T) {
	for _, alg := range testPairs() {
		_, err := usher.NewSignerKey(alg, fakeSigner{Signer: materialOf(alg).(crypto.Signer), sign: func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			if alg[:2] == "Ed" {
				if opts.HashFunc() != 0 {
					t.Errorf("%s: hash %v", alg, opts.HashFunc())
				}
			} else if hash := hashOf(string(alg)); opts.HashFunc() != hash || len(digest) != hash.Size() {
				t.Errorf("%s: hash %v, a digest of %d bytes", alg, opts.HashFunc(), len(digest))
			}
			pss, ok := opts.(*rsa.PSSOptions)
			if ok != (alg[:2] == "PS") || ok && pss.SaltLength != rsa.PSSSaltLengthEqualsHash {
				t.Errorf("%s: options %#v", alg, opts)
			}
			signature, err := materialOf(alg).(crypto.Signer).Sign(rand.Reader, digest, opts)
			clear(digest) // which is the signer's own
			return signature, err
		}})
		if err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestNewSignerKeyRefusesSignersThatDoNotFit(t *testing.T) {
	other := usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	returns := func(signature []byte) fakeSigner {
		return fakeSigner{Signer: p256Key(), sign: func([]byte, crypto.SignerOpts) ([]byte, error) { return signature, nil }}
	}
	asn := func(r, s *big.Int) []byte { return usher.Must(asn1.Marshal(struct{ R, S *big.Int }{r, s})) }
	one, large := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	public := func(key crypto.PublicKey) fakeSigner { return fakeSigner{Signer: p256Key(), public: key} }
	for name, test := range map[string]struct {
		alg         usher.Algorithm
		signer      crypto.Signer
		field, text string
	}{
		"none":                        {usher.ES256, nil, "signer", "nil"},
		"a nil pointer":               {usher.ES256, (*ecdsa.PrivateKey)(nil), "signer", "nil"},
		"HMAC":                        {usher.HS256, p256Key(), "alg", "HS256"},
		"an unknown algorithm":        {"ES256K", p256Key(), "alg", "ES256K"},
		"another family":              {usher.RS256, p256Key(), "signer", "ECDSA"},
		"another curve":               {usher.ES384, p256Key(), "signer", "P-384"},
		"too few bits":                {usher.RS256, usher.Must(rsa.GenerateKey(rand.Reader, 1024)), "signer", "2048"},
		"no public key":               {usher.ES256, public(struct{}{}), "signer", "struct {}"},
		"a nil public key":            {usher.ES256, public((*ecdsa.PublicKey)(nil)), "signer", "public key"},
		"a private key as public":     {usher.ES256, public(p256Key()), "signer", "*ecdsa.PrivateKey"},
		"a secret as public":          {usher.HS256, public([]byte("a secret of 32 bytes or a few more")), "alg", "HS256"},
		"another public key":          {usher.ES256, public(&other.PublicKey), "signer", "does not verify"},
		"an Ed25519 key of zeros":     {usher.EdDSA, public(make(ed25519.PublicKey, 32)), "signer", "small order"},
		"another hash":                {usher.RS256, fakeSigner{Signer: rsaKey2048(), sign: testSHA512}, "signer", "does not verify"},
		"R and S without ASN.1":       {usher.ES256, returns(bytes.Repeat([]byte{1}, 64)), "signer", "ASN.1"},
		"no signature":                {usher.ES256, returns(nil), "signer", "ASN.1"},
		"bytes after the signature":   {usher.ES256, returns(append(asn(one, one), 0)), "signer", "ASN.1"},
		"R of zero":                   {usher.ES256, returns(asn(new(big.Int), one)), "signer", "ASN.1"},
		"a negative S":                {usher.ES256, returns(asn(one, big.NewInt(-1))), "signer", "ASN.1"},
		"an S that is too long":       {usher.ES256, returns(asn(one, large)), "signer", "ASN.1"},
		"a short RSA signature":       {usher.RS256, fakeSigner{Signer: rsaKey2048(), sign: func([]byte, crypto.SignerOpts) ([]byte, error) { return make([]byte, 255), nil }}, "signer", "255"},
		"a long Ed25519 signature":    {usher.EdDSA, fakeSigner{Signer: ed25519Key(), sign: func([]byte, crypto.SignerOpts) ([]byte, error) { return make([]byte, 65), nil }}, "signer", "65"},
		"PKCS #1 v1.5 instead of PSS": {usher.PS256, fakeSigner{Signer: rsaKey2048(), sign: pkcs1}, "signer", "does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := usher.NewSignerKey(test.alg, test.signer)
			if key != (usher.Key{}) {
				t.Error("there is a key")
			}
			wantConfigError(t, err, test.field, test.text)
		})
	}
}

func testSHA512(digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	sum := sha512.Sum512(digest)
	return rsa.SignPKCS1v15(nil, rsaKey2048(), crypto.SHA512, sum[:])
}

func pkcs1(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return rsa.SignPKCS1v15(nil, rsaKey2048(), opts.HashFunc(), digest)
}

// A signer that fails says nothing about the claims or the key: trying later may help.
func TestFailuresOfSignersAreErrUnavailable(t *testing.T) {
	outage := errors.New("no route to the service")
	fails := fakeSigner{Signer: p256Key(), sign: func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, outage }}
	key, err := usher.NewSignerKey(usher.ES256, fails)
	if key != (usher.Key{}) || !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, outage) {
		t.Errorf("NewSignerKey: %v, %v", key, err)
	}
	var answer func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
	key = usher.Must(usher.NewSignerKey(usher.ES256, fakeSigner{Signer: p256Key(), sign: func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		if answer == nil {
			return p256Key().Sign(rand.Reader, digest, opts)
		}
		return answer(digest, opts)
	}}))
	e := newEncoder[usher.Claims](t, key, usher.EncoderOptions{})
	answer = fails.sign
	token, err := e.Encode(t.Context(), usher.Claims{Subject: "42"})
	if token != "" || !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, outage) || errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("Encode: %q, %v", token, err)
	}
	answer = func([]byte, crypto.SignerOpts) ([]byte, error) { return []byte("an error page"), nil }
	token, err = e.Encode(t.Context(), usher.Claims{Subject: "42"})
	if token != "" || !errors.Is(err, usher.ErrUnavailable) || strings.Contains(err.Error(), "error page") {
		t.Errorf("Encode: %q, %v", token, err)
	}
	answer = nil // it is back
	checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{}), usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "42"})), nil)
}
