package attack

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"

	"github.com/go-usher/usher"
)

// KeySets is the class of the cases that KeySetCases returns.
const KeySets Class = "key sets"

// SetVerdict is what has to become of a key set.
type SetVerdict string

// The verdicts.
const (
	SetAccepted SetVerdict = "accepted" // every key is used
	SetSkipped  SetVerdict = "skipped"  // the good key is used, and the others are not
	SetRefused  SetVerdict = "refused"  // nothing is used, and the keys before stay in use
)

// SetCase is a key set, or what a server responds with instead, and the verdict that it has to get.
type SetCase struct {
	Name    string     // what it is
	Section string     // the document and section that decide about it
	Own     bool       // it is read by jwks.Parse; else it is served to a jwks.Remote
	Text    []byte     // the set
	Page    Page       // what is served in place of Text, if set
	Path    string     // where Page is served: "" for the set, else the metadata
	Want    SetVerdict // what has to become of it
	Keys    int        // that are used of the set
	Reason  string     // in the error or in the report
	Secret  string     // that neither may show
}

// String returns the class and the name.
func (c SetCase) String() string {
	way := "served"
	if c.Own {
		way = "one's own"
	}
	return fmt.Sprintf("%s: %s, %s", KeySets, c.Name, way)
}

// jwk is the members of a JSON Web Key.
type jwk map[string]any

// with returns a copy with these members; nil removes one.
func (k jwk) with(changes jwk) jwk {
	k = maps.Clone(k)
	maps.Copy(k, changes)
	maps.DeleteFunc(k, func(_ string, v any) bool { return v == nil })
	return k
}

func (k jwk) text() string {
	return string(usher.Must(json.Marshal(k))) // strings, numbers and lists of them can be written
}

func setOf(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

// keyMint makes the keys of the cases.
type keyMint struct {
	good                     string // beside every key of a set
	p256, p384, p521, ed     jwk    // private, without alg
	rsa                      jwk
	other                    jwk // another private P-256 key
	certificate, foreignCert string
}

// public returns the public half.
func public(k jwk) jwk {
	return k.with(jwk{"d": nil, "p": nil, "q": nil, "dp": nil, "dq": nil, "qi": nil})
}

func newKeyMint() (m keyMint, err error) {
	curves := []struct {
		curve elliptic.Curve
		key   *jwk
	}{{elliptic.P256(), &m.p256}, {elliptic.P384(), &m.p384}, {elliptic.P521(), &m.p521}, {elliptic.P256(), &m.other}}
	for _, c := range curves {
		key, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		if err != nil {
			return m, err
		}
		if *c.key, err = ecJWK(key); err != nil {
			return m, err
		}
	}
	m.good = public(m.other).with(jwk{"kid": "good"}).text()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return m, err
	}
	m.ed = jwk{"kty": "OKP", "crv": "Ed25519", "kid": "case", "x": b64(ed[ed25519.SeedSize:]), "d": b64(ed.Seed())}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return m, err
	}
	m.rsa = rsaJWK(key)
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return m, err
	}
	if m.certificate, err = certificateOf(key); err != nil {
		return m, err
	}
	m.foreignCert, err = certificateOf(foreign)
	return m, err
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func ecJWK(key *ecdsa.PrivateKey) (jwk, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	d, err := key.Bytes()
	size := len(point) / 2
	return jwk{"kty": "EC", "crv": key.Params().Name, "kid": "case", "x": b64(point[1 : 1+size]), "y": b64(point[1+size:]), "d": b64(d)}, err
}

func rsaJWK(key *rsa.PrivateKey) jwk {
	return jwk{
		"kty": "RSA", "kid": "case", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()), "d": b64(key.D.Bytes()),
		"p": b64(key.Primes[0].Bytes()), "q": b64(key.Primes[1].Bytes()),
		"dp": b64(key.Precomputed.Dp.Bytes()), "dq": b64(key.Precomputed.Dq.Bytes()), "qi": b64(key.Precomputed.Qinv.Bytes()),
	}
}

func certificateOf(key *rsa.PrivateKey) (string, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return base64.StdEncoding.EncodeToString(der), err
}

// modulus returns a number of so many bits without small prime factors. Nobody knows its large ones, which verifying does not
// need.
func modulus(bits int) string {
	small := new(big.Int).MulRange(1, 2000)
	for {
		n := new(big.Int).SetBytes(random((bits + 7) / 8))
		n.SetBit(n.Mod(n, new(big.Int).Lsh(big.NewInt(1), uint(bits))), bits-1, 1)
		if new(big.Int).GCD(nil, nil, n, small).BitLen() == 1 {
			return b64(n.Bytes())
		}
	}
}

// roca returns a modulus of 2048 bits as Infineon's library made them (CVE-2017-15361): both primes are powers of 65537
// modulo the product of the first 126 primes, plus a multiple of it.
func roca() (string, error) {
	product := big.NewInt(1)
	for n, found := int64(2), 0; found < 126; n++ {
		if big.NewInt(n).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(n))
			found++
		}
	}
	prime := func() (*big.Int, error) {
		for {
			a, err := rand.Int(rand.Reader, product)
			if err != nil {
				return nil, err
			}
			k := new(big.Int).SetBytes(random(7))
			k.SetBit(k, 1023-product.BitLen(), 1).SetBit(k, 1024-product.BitLen(), 1)
			p := k.Mul(k, product).Add(k, a.Exp(big.NewInt(65537), a, product))
			if p.ProbablyPrime(20) {
				return p, nil
			}
		}
	}
	p, err := prime()
	if err != nil {
		return "", err
	}
	q, err := prime()
	if err != nil {
		return "", err
	}
	return b64(p.Mul(p, q).Bytes()), nil
}

// smallOrder are the points of small order on Curve25519 in Edwards form, in all encodings that a verifier may take.
func smallOrder() []string {
	return []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"0100000000000000000000000000000000000000000000000000000000000080", // and six that are not canonical
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	}
}

// KeySetCases returns the cases of the class KeySets, made with new keys: first sets with one key, beside a good one; then
// sets that are wrong as a whole; then responses that are no set.
func KeySetCases() ([]SetCase, error) {
	m, err := newKeyMint()
	if err != nil {
		return nil, err
	}
	keys, err := m.keyCases()
	if err != nil {
		return nil, err
	}
	var cases []SetCase
	for _, c := range keys {
		secret, _ := cmp.Or(c.key["d"], c.key["k"]).(string)
		for _, own := range []bool{false, true} {
			o := c.served
			if own {
				o = c.own
			}
			one := SetCase{Name: c.name, Section: c.section, Own: own, Text: setOf(c.key.text(), m.good), Want: o.want, Reason: o.reason, Secret: secret}
			one.Keys = map[SetVerdict]int{SetAccepted: 2, SetSkipped: 1}[o.want]
			cases = append(cases, one)
		}
	}
	for _, c := range m.wholeCases() {
		served, own := c, c
		own.Own = true
		if own.Want == SetSkipped { // of one's own set, nothing that is wrong is left out
			own.Want, own.Keys = SetRefused, 0
		}
		cases = append(cases, served, own)
	}
	return append(cases, m.pageCases()...), nil
}
