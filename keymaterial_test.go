package usher_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

func TestNewKeyRefusesShortSecrets(t *testing.T) {
	for _, test := range []struct {
		alg   usher.Algorithm
		least int
	}{{usher.HS256, 32}, {usher.HS384, 48}, {usher.HS512, 64}} {
		t.Run(string(test.alg), func(t *testing.T) {
			for _, size := range []int{0, 1, test.least - 1} {
				key, err := usher.NewKey(test.alg, longSecret(size))
				if key != (usher.Key{}) {
					t.Errorf("%d bytes: there is a key", size)
				}
				wantConfigError(t, err, "material", fmt.Sprint(size), fmt.Sprint(test.least), string(test.alg),
					fmt.Sprintf("openssl rand -base64 %d", test.least))
			}
			for _, size := range []int{test.least, test.least + 1, 1000} {
				key, err := usher.NewKey(test.alg, longSecret(size))
				if err != nil || key.Algorithm() != test.alg || !key.CanSign() || key.ID() != "" {
					t.Errorf("%d bytes: %v, %v", size, key, err)
				}
			}
		})
	}
	_, err := usher.NewKey(usher.HS256, []byte("changeme"))
	wantConfigError(t, err, "material", "has 8 bytes", "32", "openssl rand -base64 32")
}

// longSecret returns a secret of any size.
func longSecret(size int) []byte { return []byte(strings.Repeat("a secret ", size/9+1)[:size]) }

func TestNewKeyRefusesSecretsOfFewDifferentBytes(t *testing.T) {
	for _, secret := range []string{
		strings.Repeat(" ", 32), strings.Repeat("\x00", 64), strings.Repeat("ab", 100), strings.Repeat("abcde", 13),
	} {
		for _, alg := range []usher.Algorithm{usher.HS256, usher.HS384, usher.HS512} {
			if len(secret) < hashOf(string(alg)).Size() {
				continue
			}
			key, err := usher.NewKey(alg, []byte(secret))
			if key != (usher.Key{}) {
				t.Errorf("%s of %q: there is a key", alg, secret)
			}
			wantConfigError(t, err, "material", "six different bytes", "openssl rand")
		}
		_, err := usher.DangerouslyShortKey(usher.HS256, []byte(secret))
		wantConfigError(t, err, "secret", "guessed")
	}
	if _, err := usher.NewKey(usher.HS256, []byte(strings.Repeat("abcdef", 6))); err != nil {
		t.Errorf("six different bytes: %v", err)
	}
	for secret, ok := range map[string]bool{"a": false, "   ": false, "abab": false, "secret": true, "changeme": true} {
		if _, err := usher.DangerouslyShortKey(usher.HS256, []byte(secret)); (err == nil) != ok {
			t.Errorf("DangerouslyShortKey of %q: %v", secret, err)
		}
	}
}

// A public key that is used as an HMAC secret lets everybody sign (RFC 8725 §2.1, CVE-2015-9235).
func TestSecretsAreNotOtherKeys(t *testing.T) {
	public := usher.Must(x509.MarshalPKIXPublicKey(rsaKey2048().Public()))
	ssh := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtRCcRXM1OUXGZjGTcMVX4Z8o8t1Ms1zBrzMEgqzlVk me@example"
	for name, material := range map[string]string{
		"PEM public key":        string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"PEM certificate":       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testCertificate(t, rsaKey2048())})),
		"PEM private key":       string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey2048())})),
		"PEM after white space": "\n  " + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"PEM after a BOM":       "\ufeff" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"PEM after a comment":   "Bag Attributes\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"OpenSSH private key":   "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n",
		"SSH2 public key":       "---- BEGIN SSH2 PUBLIC KEY ----\nAAAAC3NzaC1lZDI1NTE5AAAAIKtRCcRXM1OU\n---- END SSH2 PUBLIC KEY ----\n",
		"ssh-ed25519":           ssh,
		"ssh-rsa":               "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7" + strings.Repeat("A", 100),
		"ssh-dss":               "ssh-dss AAAAB3NzaC1kc3MAAACBAJ" + strings.Repeat("A", 100),
		"ecdsa-sha2-nistp256":   "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY" + strings.Repeat("A", 100),
		"sk-ssh-ed25519":        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2gu" + strings.Repeat("A", 100),
		"SSH after a line":      "\n" + ssh + "\n",
		"JWK":                   `{"kty":"RSA","n":"` + strings.Repeat("A", 100) + `","e":"AQAB"}`,
		"JWK of a secret":       `{"k":"` + strings.Repeat("A", 100) + `","kty":"oct"}`,
		"JWK with space":        " \n{ \"kid\": \"1\", \"kty\" : \"EC\", \"crv\": \"P-256\", \"x\": \"" + strings.Repeat("A", 43) + "\" }\n",
		"DER public key":        string(public),
		"DER public EC key":     string(usher.Must(x509.MarshalPKIXPublicKey(p256Key().Public()))),
		"DER private key":       string(x509.MarshalPKCS1PrivateKey(rsaKey2048())),
		"JWK Set":               `{"keys":[{"kty":"RSA","n":"` + strings.Repeat("A", 100) + `","e":"AQAB"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			key, err := usher.NewKey(usher.HS256, []byte(material))
			if key != (usher.Key{}) {
				t.Error("there is a key")
			}
			wantConfigError(t, err, "material")
			key, err = usher.DangerouslyShortKey(usher.HS256, []byte(material))
			if key != (usher.Key{}) {
				t.Error("there is a short key")
			}
			wantConfigError(t, err, "secret")
		})
	}
	for name, material := range map[string]string{
		"base64":                  "c2VjcmV0IHRoYXQgaGFzIHRoaXJ0eS10d28gYnl0ZXM=",
		"JSON that is no key":     `{"secret":"` + strings.Repeat("A", 40) + `"}`,
		"text that mentions ssh-": "my secret mentions ssh-rsa and has some forty bytes",
		"bytes that are no text":  strings.Repeat("\xff\x00\x30\x01\x80\x81", 10),
	} {
		if _, err := usher.NewKey(usher.HS256, []byte(material)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewKeyRefusesMaterialOfAnotherAlgorithm(t *testing.T) {
	makers := map[string]func(usher.Algorithm) (usher.Key, error){
		"HS":    func(alg usher.Algorithm) (usher.Key, error) { return usher.NewKey(alg, testSecret) },
		"RS":    func(alg usher.Algorithm) (usher.Key, error) { return usher.NewKey(alg, rsaKey2048()) },
		"RSpub": func(alg usher.Algorithm) (usher.Key, error) { return usher.NewKey(alg, &rsaKey2048().PublicKey) },
		"256":   func(alg usher.Algorithm) (usher.Key, error) { return usher.NewKey(alg, p256Key()) },
		"384":   func(alg usher.Algorithm) (usher.Key, error) { return usher.NewKey(alg, &p384Key().PublicKey) },
		"512":   func(alg usher.Algorithm) (usher.Key, error) { return usher.NewKey(alg, p521Key()) },
		"Ed":    func(alg usher.Algorithm) (usher.Key, error) { return usher.NewKey(alg, ed25519Key()) },
		"Edpub": func(alg usher.Algorithm) (usher.Key, error) {
			return usher.NewKey(alg, ed25519Key().Public().(ed25519.PublicKey))
		},
	}
	fits := func(kind string, alg usher.Algorithm) bool {
		family := string(alg[:2])
		switch kind {
		case "RS", "RSpub":
			return family == "RS" || family == "PS"
		case "Ed", "Edpub":
			return family == "Ed"
		case "HS":
			return family == "HS"
		}
		return family == "ES" && string(alg[2:]) == kind
	}
	for kind, newKey := range makers {
		for _, alg := range allAlgorithms {
			key, err := newKey(alg)
			if !fits(kind, alg) {
				if key != (usher.Key{}) {
					t.Errorf("%s of %s: there is a key", alg, kind)
				}
				wantConfigError(t, err, "material", string(alg))
				continue
			}
			if err != nil || key.Algorithm() != alg || key.CanSign() == strings.HasSuffix(kind, "pub") && kind != "384" {
				t.Errorf("%s of %s: %v, %v", alg, kind, key, err)
			}
		}
		for _, alg := range []usher.Algorithm{"", "none", "hs256", "HS257", "ES256K", "Ed448", "ed25519", "RS1"} {
			key, err := newKey(alg)
			if key != (usher.Key{}) {
				t.Errorf("%q of %s: there is a key", alg, kind)
			}
			wantConfigError(t, err, "alg", fmt.Sprintf("%q", alg), "HS256")
		}
	}
}

// testModulus returns an odd number of so many bits without small factors.
func testModulus(bits int) *big.Int {
	for n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1); ; n.Add(n, big.NewInt(2)) {
		fit := true
		for p := int64(3); p < 200 && fit; p += 2 {
			fit = new(big.Int).Mod(n, big.NewInt(p)).Sign() != 0
		}
		if fit {
			return n
		}
	}
}

// roca returns a modulus with the fingerprint of CVE-2017-15361: it is a power of 65537 modulo the first odd primes.
func roca() *big.Int {
	product := big.NewInt(2)
	for n := int64(3); n <= 167; n += 2 {
		if big.NewInt(n).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(n))
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	high := new(big.Int).Lsh(big.NewInt(1), 2047)
	return n.Add(n, product.Mul(product, high.Div(high, product).Add(high, big.NewInt(1))))
}

func TestNewKeyRefusesBrokenMaterial(t *testing.T) {
	rsa1024 := usher.Must(rsa.GenerateKey(rand.Reader, 1024))
	rsaWith := func(change func(*rsa.PrivateKey)) *rsa.PrivateKey {
		k := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Set(rsaKey2048().N), E: rsaKey2048().E},
			D:         new(big.Int).Set(rsaKey2048().D), Primes: slices.Clone(rsaKey2048().Primes),
		}
		change(k)
		return k
	}
	seed := ed25519Key().Seed()
	halves := append(ed25519.PrivateKey(seed), make([]byte, 32)...)
	offCurve := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	otherHalf := &ecdsa.PrivateKey{PublicKey: usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).PublicKey, D: p256Key().D}
	bits2047 := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1))
	over31Bits := int64(1<<31 + 1) // which is negative where an int has 32
	of := func(key usher.Key, err error) error {
		if key != (usher.Key{}) {
			return errors.New("there is a key")
		}
		return err
	}
	for name, err := range map[string]error{
		"nil secret":                       of(usher.NewKey(usher.HS256, []byte(nil))),
		"nil RSA private key":              of(usher.NewKey(usher.RS256, (*rsa.PrivateKey)(nil))),
		"nil RSA public key":               of(usher.NewKey(usher.RS256, (*rsa.PublicKey)(nil))),
		"empty RSA private key":            of(usher.NewKey(usher.RS256, &rsa.PrivateKey{})),
		"empty RSA public key":             of(usher.NewKey(usher.RS256, &rsa.PublicKey{})),
		"RSA modulus of zero":              of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: new(big.Int), E: 65537})),
		"negative RSA modulus":             of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: new(big.Int).Neg(rsaKey2048().N), E: 65537})),
		"RSA without exponent":             of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: rsaKey2048().N})),
		"RSA exponent of 1":                of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: rsaKey2048().N, E: 1})),
		"even RSA exponent":                of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: rsaKey2048().N, E: 65536})),
		"negative RSA exponent":            of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: rsaKey2048().N, E: -3})),
		"RSA exponent over 31 bits":        of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: rsaKey2048().N, E: int(over31Bits)})),
		"1024 bits of RSA":                 of(usher.NewKey(usher.RS256, rsa1024)),
		"1024 bits of public RSA":          of(usher.NewKey(usher.PS512, &rsa1024.PublicKey)),
		"2047 bits of RSA":                 of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: bits2047, E: 65537})),
		"an even RSA modulus":              of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: new(big.Int).SetBit(rsaKey2048().N, 0, 0), E: 65537})),
		"RSA modulus with a small factor":  of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: new(big.Int).Mul(rsaKey2048().N, big.NewInt(163)), E: 65537})),
		"8193 bits of RSA":                 of(usher.NewKey(usher.RS256, &rsa.PublicKey{N: testModulus(8193), E: 65537})),
		"RSA key of a broken generator":    of(usher.NewKey(usher.PS256, &rsa.PublicKey{N: roca(), E: 65537})),
		"RSA without primes":               of(usher.NewKey(usher.RS256, rsaWith(func(k *rsa.PrivateKey) { k.Primes = nil }))),
		"RSA with a nil prime":             of(usher.NewKey(usher.RS256, rsaWith(func(k *rsa.PrivateKey) { k.Primes[1] = nil }))),
		"RSA without private exponent":     of(usher.NewKey(usher.RS256, rsaWith(func(k *rsa.PrivateKey) { k.D = nil }))),
		"RSA with another exponent":        of(usher.NewKey(usher.RS256, rsaWith(func(k *rsa.PrivateKey) { k.D.Add(k.D, big.NewInt(2)) }))),
		"RSA with other primes":            of(usher.NewKey(usher.RS256, rsaWith(func(k *rsa.PrivateKey) { k.Primes[0] = k.Primes[1] }))),
		"nil ECDSA private key":            of(usher.NewKey(usher.ES256, (*ecdsa.PrivateKey)(nil))),
		"nil ECDSA public key":             of(usher.NewKey(usher.ES256, (*ecdsa.PublicKey)(nil))),
		"empty ECDSA private key":          of(usher.NewKey(usher.ES256, &ecdsa.PrivateKey{})),
		"empty ECDSA public key":           of(usher.NewKey(usher.ES256, &ecdsa.PublicKey{})),
		"ECDSA key on P-224":               of(usher.NewKey(usher.ES256, usher.Must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)))),
		"ECDSA key off the curve":          of(usher.NewKey(usher.ES256, offCurve)),
		"ECDSA key without a scalar":       of(usher.NewKey(usher.ES256, &ecdsa.PrivateKey{PublicKey: p256Key().PublicKey})),
		"ECDSA scalar of zero":             of(usher.NewKey(usher.ES256, &ecdsa.PrivateKey{PublicKey: p256Key().PublicKey, D: new(big.Int)})),
		"ECDSA scalar out of range":        of(usher.NewKey(usher.ES256, &ecdsa.PrivateKey{PublicKey: p256Key().PublicKey, D: new(big.Int).Lsh(big.NewInt(1), 300)})),
		"negative ECDSA scalar":            of(usher.NewKey(usher.ES256, &ecdsa.PrivateKey{PublicKey: p256Key().PublicKey, D: big.NewInt(-1)})),
		"ECDSA halves of two keys":         of(usher.NewKey(usher.ES256, otherHalf)),
		"nil Ed25519 private key":          of(usher.NewKey(usher.EdDSA, ed25519.PrivateKey(nil))),
		"nil Ed25519 public key":           of(usher.NewKey(usher.EdDSA, ed25519.PublicKey(nil))),
		"Ed25519 seed instead of key":      of(usher.NewKey(usher.EdDSA, ed25519.PrivateKey(seed))),
		"Ed25519 public key of 31 bytes":   of(usher.NewKey(usher.EdDSA, ed25519.PublicKey(seed[:31]))),
		"Ed25519 public key too long":      of(usher.NewKey(usher.EdDSA, ed25519.PublicKey(ed25519Key()))),
		"Ed25519 public key of zeros":      of(usher.NewKey(usher.EdDSA, make(ed25519.PublicKey, 32))),
		"Ed25519 key that is no point":     of(usher.NewKey(usher.EdDSA, append(ed25519.PublicKey{2}, make([]byte, 31)...))),
		"Ed25519 halves of different keys": of(usher.NewKey(usher.EdDSA, halves)),
	} {
		t.Run(name, func(t *testing.T) { wantConfigError(t, err, "material") })
	}
	_, err := usher.NewKey(usher.RS256, rsa1024)
	wantConfigError(t, err, "material", "1024", "2048")
	_, err = usher.NewKey(usher.ES256, p384Key())
	wantConfigError(t, err, "material", "P-256", "ES256")
	_, err = usher.NewKey(usher.RS256, &rsa.PublicKey{N: new(big.Int), E: 65537})
	wantConfigError(t, err, "material", "without a modulus")
	_, err = usher.NewKey(usher.RS256, &rsa.PublicKey{N: testModulus(8193), E: 65537})
	wantConfigError(t, err, "material", "8193", "8192")
	_, err = usher.NewKey(usher.RS256, &rsa.PublicKey{N: roca(), E: 65537})
	wantConfigError(t, err, "material", "ROCA")
	_, err = usher.NewKey(usher.EdDSA, make(ed25519.PublicKey, 32))
	wantConfigError(t, err, "material", "small order")
	if _, err := usher.NewKey(usher.RS256, &rsa.PublicKey{N: testModulus(8192), E: 65537}); err != nil {
		t.Errorf("8192 bits of RSA: %v", err)
	}
	for _, exponent := range []int{3, 1<<31 - 1} { // the least and the most
		if _, err := usher.NewKey(usher.RS256, &rsa.PublicKey{N: rsaKey2048().N, E: exponent}); err != nil {
			t.Errorf("RSA exponent of %d: %v", exponent, err)
		}
	}
}

func testCertificate(tb testing.TB, key crypto.Signer) []byte {
	tb.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0), // only the key counts
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func TestParseKeyReadsEveryFormat(t *testing.T) {
	block := func(name string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der}))
	}
	pkcs8 := func(key any) string { return block("PRIVATE KEY", usher.Must(x509.MarshalPKCS8PrivateKey(key))) }
	pkix := func(key any) string { return block("PUBLIC KEY", usher.Must(x509.MarshalPKIXPublicKey(key))) }
	sec1 := func(key *ecdsa.PrivateKey) string {
		return block("EC PRIVATE KEY", usher.Must(x509.MarshalECPrivateKey(key)))
	}
	parameters := block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, test := range map[string]struct {
		alg  usher.Algorithm
		pem  string
		sign bool
	}{
		"PKCS #1 private":            {usher.RS256, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey2048())), true},
		"PKCS #1 public":             {usher.RS256, block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey2048().PublicKey)), false},
		"PKCS #8 RSA":                {usher.PS384, pkcs8(rsaKey2048()), true},
		"PKCS #8 P-256":              {usher.ES256, pkcs8(p256Key()), true},
		"PKCS #8 P-521":              {usher.ES512, pkcs8(p521Key()), true},
		"PKCS #8 Ed25519":            {usher.EdDSA, pkcs8(ed25519Key()), true},
		"SEC 1 P-256":                {usher.ES256, sec1(p256Key()), true},
		"SEC 1 P-384":                {usher.ES384, sec1(p384Key()), true},
		"SEC 1 P-521":                {usher.ES512, sec1(p521Key()), true},
		"SEC 1 after its parameters": {usher.ES256, parameters + sec1(p256Key()), true},
		"PKIX RSA":                   {usher.RS512, pkix(rsaKey2048().Public()), false},
		"PKIX P-256":                 {usher.ES256, pkix(p256Key().Public()), false},
		"PKIX Ed25519":               {usher.EdDSA, pkix(ed25519Key().Public()), false},
		"certificate RSA":            {usher.RS256, block("CERTIFICATE", testCertificate(t, rsaKey2048())), false},
		"certificate P-384":          {usher.ES384, block("CERTIFICATE", testCertificate(t, p384Key())), false},
		"certificate Ed25519":        {usher.EdDSA, block("CERTIFICATE", testCertificate(t, ed25519Key())), false},
		"a chain, the first counts":  {usher.ES256, block("CERTIFICATE", testCertificate(t, p256Key())) + block("CERTIFICATE", testCertificate(t, rsaKey2048())), false},
		"text around it":             {usher.ES256, "some text\n" + pkcs8(p256Key()) + "more text\n", true},
		"Windows line ends":          {usher.ES256, strings.ReplaceAll(pkcs8(p256Key()), "\n", "\r\n"), true},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := usher.ParseKey(test.alg, []byte(test.pem))
			if err != nil {
				t.Fatal(err)
			}
			want := testKey(t, test.alg)
			if key.CanSign() != test.sign || key.Algorithm() != test.alg || key.ID() != want.ID() || key.ID() == "" {
				t.Errorf("%v signs: %v, want %v", key, key.CanSign(), want)
			}
			header := goodHeader().with("alg", `"`+string(test.alg)+`"`).with("kid", `"`+key.ID()+`"`).String()
			token := signToken(string(test.alg), materialOf(test.alg), header, goodPayload().String())
			checkDecode(t, newDecoder[usher.Claims](t, key, usher.DecoderOptions{}), token, nil)
			if test.sign {
				token, err := newEncoder[usher.Claims](t, key, usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "1"})
				if err != nil {
					t.Fatal(err)
				}
				checkDecode(t, newDecoder[usher.Claims](t, want, usher.DecoderOptions{}), token, nil)
			}
		})
	}
	for name, test := range map[string]struct {
		alg         usher.Algorithm
		pem         string
		field, text string
	}{
		"HMAC":                         {usher.HS256, pkcs8(rsaKey2048()), "alg", "NewKey"},
		"unknown algorithm":            {"none", pkcs8(rsaKey2048()), "alg", "none"},
		"literal \\n":                  {usher.RS256, strings.ReplaceAll(pkcs8(rsaKey2048()), "\n", `\n`), "pem", "strings.ReplaceAll"},
		"a file name":                  {usher.RS256, "keys/issuer.pem", "pem", "os.ReadFile"},
		"a JWK":                        {usher.EdDSA, `{"kty":"OKP"}`, "pem", "jwks.Parse"},
		"an SSH key":                   {usher.EdDSA, "ssh-ed25519 AAAAC3Nza", "pem", "ssh-keygen"},
		"P-224 without an algorithm":   {"", pkix(usher.Must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public()), "material", "P-256"},
		"nothing":                      {usher.RS256, "", "pem", ""},
		"no PEM":                       {usher.RS256, "hello", "pem", ""},
		"DER":                          {usher.RS256, string(x509.MarshalPKCS1PrivateKey(rsaKey2048())), "pem", ""},
		"parameters alone":             {usher.ES256, parameters, "pem", ""},
		"garbage in a block":           {usher.RS256, block("PRIVATE KEY", []byte("garbage")), "pem", "PRIVATE KEY"},
		"garbage in a certificate":     {usher.RS256, block("CERTIFICATE", []byte("garbage")), "pem", "certificate"},
		"a block of something else":    {usher.RS256, block("DH PARAMETERS", []byte{0x30, 0}), "pem", "DH PARAMETERS"},
		"two keys":                     {usher.RS256, pkcs8(rsaKey2048()) + pkcs8(p256Key()), "pem", "more than one"},
		"a key, then a certificate":    {usher.RS256, pkcs8(rsaKey2048()) + block("CERTIFICATE", testCertificate(t, rsaKey2048())), "pem", "more than one"},
		"a certificate, then a key":    {usher.RS256, block("CERTIFICATE", testCertificate(t, rsaKey2048())) + pkcs8(rsaKey2048()), "pem", "more than one"},
		"an encrypted PKCS #8 key":     {usher.RS256, block("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}), "pem", "encrypted"},
		"an encrypted PKCS #1 key":     {usher.RS256, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAA=\n-----END RSA PRIVATE KEY-----\n", "pem", "encrypted"},
		"an OpenSSH key":               {usher.EdDSA, block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1")), "pem", "OpenSSH"},
		"a key of another family":      {usher.ES256, pkcs8(rsaKey2048()), "material", "ES256"},
		"a key on another curve":       {usher.ES256, sec1(p384Key()), "material", "P-256"},
		"a certificate of another":     {usher.EdDSA, block("CERTIFICATE", testCertificate(t, rsaKey2048())), "material", "EdDSA"},
		"too few bits":                 {usher.RS256, pkix(usher.Must(rsa.GenerateKey(rand.Reader, 1024)).Public()), "material", "2048"},
		"a key that can't sign tokens": {usher.EdDSA, "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n-----END PUBLIC KEY-----\n", "material", "X25519"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := usher.ParseKey(test.alg, []byte(test.pem))
			if key != (usher.Key{}) {
				t.Error("there is a key")
			}
			wantConfigError(t, err, test.field, test.text)
		})
	}
}

func TestParseKeyChoosesAnAlgorithmForTheKey(t *testing.T) {
	for _, test := range []struct {
		key  crypto.Signer
		want usher.Algorithm
	}{
		{rsaKey2048(), usher.RS256}, {p256Key(), usher.ES256}, {p384Key(), usher.ES384}, {p521Key(), usher.ES512}, {ed25519Key(), usher.EdDSA},
	} {
		private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: usher.Must(x509.MarshalPKCS8PrivateKey(test.key))})
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: usher.Must(x509.MarshalPKIXPublicKey(test.key.Public()))})
		for _, text := range [][]byte{private, public} {
			if key, err := usher.ParseKey("", text); err != nil || key.Algorithm() != test.want {
				t.Errorf("%T: %v, %v, want %s", test.key, key, err, test.want)
			}
		}
	}
}

// RFC 7638 §3.1 and RFC 8037 Appendix A.3 give a key and its thumbprint.
func TestKeyIDIsTheThumbprint(t *testing.T) {
	n, _ := base64.RawURLEncoding.DecodeString("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuh" +
		"DR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQ" +
		"MicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_x" +
		"BniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")
	rsaKey := usher.Must(usher.NewKey(usher.RS256, &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}))
	if want := "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; rsaKey.ID() != want {
		t.Errorf("RSA: %s, want %s", rsaKey.ID(), want)
	}
	seed, _ := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	edKey := usher.Must(usher.NewKey(usher.EdDSA, ed25519.NewKeyFromSeed(seed)))
	if want := "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; edKey.ID() != want {
		t.Errorf("Ed25519: %s, want %s", edKey.ID(), want)
	}
	// Coordinates have the curve's full length, zeros in front included (RFC 7518 §6.2.1.2).
	for _, alg := range []usher.Algorithm{usher.ES256, usher.ES384, usher.ES512} {
		curve := materialOf(alg).(*ecdsa.PrivateKey).Curve
		size := (curve.Params().BitSize + 7) / 8
		for seen := false; !seen; {
			private := usher.Must(ecdsa.GenerateKey(curve, rand.Reader))
			point := usher.Must(private.PublicKey.Bytes())
			x, y := point[1:1+size], point[1+size:]
			seen = x[0] == 0 || y[0] == 0
			if !seen && alg != usher.ES384 {
				continue
			}
			sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":"EC","x":%q,"y":%q}`, curve.Params().Name, base64Of(x), base64Of(y)))
			key := usher.Must(usher.NewKey(alg, private))
			if want := base64Of(sum[:]); key.ID() != want {
				t.Fatalf("%s: %s, want %s", alg, key.ID(), want)
			}
			if alg == usher.ES384 {
				break // its keys are slow to make
			}
		}
	}
}
