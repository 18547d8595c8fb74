package keypair_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-usher/usher/internal/keypair"
	"github.com/go-usher/usher/internal/weakkey"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	rsa1024 = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	edKey   = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, fixed"[:32]))
)

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func TestCopyReturnsBothHalves(t *testing.T) {
	p256, p384, p521 := ecKey(elliptic.P256()), ecKey(elliptic.P384()), ecKey(elliptic.P521())
	for kind, keys := range map[string][]crypto.Signer{"RSA": {rsaKey()}, "ECDSA": {p256, p384, p521}, "Ed25519": {edKey}} {
		for _, key := range keys {
			for _, half := range []any{key, key.Public()} {
				if got := keypair.Kind(half); got != kind {
					t.Errorf("%T is of the kind %q, want %q", half, got, kind)
				}
			}
			public, private, err := keypair.Copy(key)
			if err != nil || !public.Equal(key.Public()) {
				t.Fatalf("%T: %v, %v", key, public, err)
			}
			if copied, ok := private.(interface{ Equal(crypto.PrivateKey) bool }); !ok || !copied.Equal(key) {
				t.Errorf("%T: the private key is another", key)
			}
			public, private, err = keypair.Copy(key.Public())
			if err != nil || private != nil || !public.Equal(key.Public()) {
				t.Errorf("%T: %v, %v, %v", key.Public(), public, private, err)
			}
		}
	}
}

func TestCopiesAreNotShared(t *testing.T) {
	number := func(n *big.Int) *big.Int { return new(big.Int).Set(n) }
	r := rsaKey()
	mine := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: number(r.N), E: r.E}, D: number(r.D), Primes: []*big.Int{number(r.Primes[0]), number(r.Primes[1])}}
	ec := ecKey(elliptic.P256())
	mineEC := &ecdsa.PublicKey{Curve: ec.Curve, X: number(ec.X), Y: number(ec.Y)}
	mineEd := slices.Clone(edKey)
	mineEdPublic := slices.Clone(edKey.Public().(ed25519.PublicKey))

	rsaPublic, rsaPrivate, _ := keypair.Copy(mine)
	rsaPublicOnly, _, _ := keypair.Copy(&mine.PublicKey)
	ecPublic, _, _ := keypair.Copy(mineEC)
	edPublic, edPrivate, _ := keypair.Copy(mineEd)
	edPublicOnly, _, _ := keypair.Copy(mineEdPublic)
	for _, n := range []*big.Int{mine.N, mine.D, mine.Primes[0], mine.Primes[1], mineEC.X, mineEC.Y} {
		n.SetInt64(1)
	}
	clear(mineEd)
	clear(mineEdPublic)
	for name, same := range map[string]bool{
		"RSA private key":     rsaPrivate.(*rsa.PrivateKey).Equal(r),
		"its public key":      rsaPublic.Equal(r.Public()),
		"RSA public key":      rsaPublicOnly.Equal(r.Public()),
		"ECDSA public key":    ecPublic.Equal(ec.Public()),
		"Ed25519 private key": edPrivate.(ed25519.PrivateKey).Equal(edKey),
		"Ed25519 public key":  edPublic.Equal(edKey.Public()) && edPublicOnly.Equal(edKey.Public()),
	} {
		if !same {
			t.Errorf("%s: a change of the caller's key changes the copy", name)
		}
	}
}

func TestCloneCopiesPublicKeysOnly(t *testing.T) {
	for _, key := range []crypto.Signer{rsaKey(), ecKey(elliptic.P256()), edKey} {
		if clone := keypair.Clone(key.Public()); clone == nil || !clone.Equal(key.Public()) {
			t.Errorf("%T: %v", key.Public(), clone)
		}
		if clone := keypair.Clone(key); clone != nil {
			t.Errorf("%T is cloned", key)
		}
	}
	public := rsaKey().Public().(*rsa.PublicKey)
	if clone := keypair.Clone(public).(*rsa.PublicKey); clone == public || clone.N == public.N {
		t.Error("the clone is shared")
	}
}

func TestCopyRefusesBrokenKeys(t *testing.T) {
	r, p256 := rsaKey(), ecKey(elliptic.P256())
	rsaWith := func(change func(*rsa.PrivateKey)) *rsa.PrivateKey {
		k := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: r.N, E: r.E}, D: new(big.Int).Set(r.D), Primes: slices.Clone(r.Primes),
		}
		change(k)
		return k
	}
	ecWith := func(d *big.Int) *ecdsa.PrivateKey { return &ecdsa.PrivateKey{PublicKey: p256.PublicKey, D: d} }
	large := func(bits uint) *big.Int {
		return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), bits), big.NewInt(1))
	}
	tooMuch := int64(1<<31 + 1) // which is negative where an int has 32 bits
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	for name, test := range map[string]struct {
		key  any
		text string
	}{
		"nil":                               {nil, "<nil>"},
		"an HMAC secret":                    {[]byte("secret"), "[]uint8"},
		"an X25519 key":                     {x25519, "*ecdh.PrivateKey"},
		"a nil RSA private key":             {(*rsa.PrivateKey)(nil), "incomplete RSA"},
		"a nil RSA public key":              {(*rsa.PublicKey)(nil), "without a modulus"},
		"an empty RSA private key":          {&rsa.PrivateKey{}, "incomplete RSA"},
		"an empty RSA public key":           {&rsa.PublicKey{}, "without a modulus"},
		"an RSA modulus of zero":            {&rsa.PublicKey{N: new(big.Int), E: 65537}, "without a modulus"},
		"a negative RSA modulus":            {&rsa.PublicKey{N: new(big.Int).Neg(r.N), E: 65537}, "without a modulus"},
		"1024 bits of RSA":                  {rsa1024(), "1024 bits, but at least 2048"},
		"1024 bits of public RSA":           {&rsa1024().PublicKey, "1024 bits, but at least 2048"},
		"2047 bits of RSA":                  {&rsa.PublicKey{N: large(2047), E: 65537}, "2047 bits, but at least 2048"},
		"8193 bits of RSA":                  {&rsa.PublicKey{N: large(8193), E: 65537}, "8193 bits, but at most 8192"},
		"an even RSA modulus":               {&rsa.PublicKey{N: new(big.Int).SetBit(r.N, 0, 0), E: 65537}, "even"},
		"RSA without exponent":              {&rsa.PublicKey{N: r.N}, "exponent 0"},
		"an RSA exponent of 1":              {&rsa.PublicKey{N: r.N, E: 1}, "exponent 1,"},
		"an even RSA exponent":              {&rsa.PublicKey{N: r.N, E: 65536}, "exponent 65536"},
		"an RSA exponent of over 31 bits":   {&rsa.PublicKey{N: r.N, E: int(tooMuch)}, "exponent"},
		"RSA without primes":                {rsaWith(func(k *rsa.PrivateKey) { k.Primes = nil }), "incomplete RSA"},
		"RSA with one prime":                {rsaWith(func(k *rsa.PrivateKey) { k.Primes = k.Primes[:1] }), "incomplete RSA"},
		"RSA with a nil prime":              {rsaWith(func(k *rsa.PrivateKey) { k.Primes[1] = nil }), "incomplete RSA"},
		"RSA without private exponent":      {rsaWith(func(k *rsa.PrivateKey) { k.D = nil }), "incomplete RSA"},
		"RSA with another private exponent": {rsaWith(func(k *rsa.PrivateKey) { k.D.Add(k.D, big.NewInt(2)) }), "parts do not match"},
		"RSA with other primes":             {rsaWith(func(k *rsa.PrivateKey) { k.Primes[0] = k.Primes[1] }), "parts do not match"},
		"a nil ECDSA private key":           {(*ecdsa.PrivateKey)(nil), "incomplete ECDSA private"},
		"a nil ECDSA public key":            {(*ecdsa.PublicKey)(nil), "incomplete ECDSA public"},
		"an empty ECDSA private key":        {&ecdsa.PrivateKey{}, "incomplete ECDSA private"},
		"an empty ECDSA public key":         {&ecdsa.PublicKey{}, "incomplete ECDSA public"},
		"ECDSA without the public key":      {&ecdsa.PrivateKey{D: p256.D}, "incomplete ECDSA public"},
		"ECDSA without Y":                   {&ecdsa.PublicKey{Curve: elliptic.P256(), X: p256.X}, "incomplete ECDSA public"},
		"ECDSA without a curve":             {&ecdsa.PublicKey{X: p256.X, Y: p256.Y}, "curve other than"},
		"ECDSA on P-224":                    {ecKey(elliptic.P224()), "curve other than"},
		"ECDSA off the curve":               {&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, "not on its curve"},
		"ECDSA with a negative coordinate":  {&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(-1), Y: p256.Y}, "not on its curve"},
		"ECDSA without a scalar":            {ecWith(nil), "incomplete ECDSA private"},
		"an ECDSA scalar of zero":           {ecWith(new(big.Int)), "ECDSA private key"},
		"an ECDSA scalar out of range":      {ecWith(new(big.Int).Lsh(big.NewInt(1), 300)), "out of range"},
		"a negative ECDSA scalar":           {ecWith(big.NewInt(-1)), "out of range"},
		"ECDSA halves of two keys":          {ecWith(ecKey(elliptic.P256()).D), "ECDSA private key"},
		"a nil Ed25519 private key":         {ed25519.PrivateKey(nil), "0 bytes instead of 64"},
		"a nil Ed25519 public key":          {ed25519.PublicKey(nil), "0 bytes instead of 32"},
		"an Ed25519 seed":                   {ed25519.PrivateKey(edKey.Seed()), "32 bytes instead of 64"},
		"a long Ed25519 public key":         {ed25519.PublicKey(edKey), "64 bytes instead of 32"},
		"an Ed25519 key of zeros":           {make(ed25519.PublicKey, 32), "small order"},
		"Ed25519 halves of two keys":        {append(ed25519.PrivateKey(edKey.Seed()), make([]byte, 32)...), "halves do not match"},
	} {
		public, private, err := keypair.Copy(test.key)
		if err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, want %q", name, err, test.text)
		}
		if public != nil || private != nil {
			t.Errorf("%s: there is a key", name)
		}
	}
}

func TestCopyAcceptsRSAKeysAtTheLimits(t *testing.T) {
	largest := new(big.Int).SetBit(big.NewInt(1), keypair.MaxRSABits-1, 1)
	for weakkey.RSA(&rsa.PublicKey{N: largest, E: 65537}) != nil { // until it has no small factor
		largest.Add(largest, big.NewInt(2))
	}
	for name, key := range map[string]*rsa.PublicKey{
		"2048 bits":                   {N: rsaKey().N, E: 65537},
		"8192 bits":                   {N: largest, E: 65537},
		"an exponent of 3":            {N: rsaKey().N, E: 3},
		"the largest 31-bit exponent": {N: rsaKey().N, E: 1<<31 - 1},
	} {
		if public, _, err := keypair.Copy(key); err != nil || !public.Equal(key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGenerateMakesKeysOfEveryKind(t *testing.T) {
	for kind, size := range map[string]int{"RSA": 256, "ECDSA": 96, "Ed25519": 64} {
		key, err := keypair.Generate(kind, elliptic.P384())
		if err != nil || keypair.Kind(key) != kind {
			t.Errorf("%s: %T, %v", kind, key, err)
			continue
		}
		public, private, err := keypair.Copy(key)
		if err != nil || private == nil || keypair.SignatureSize(public) != size {
			t.Errorf("%s: %v, %v", kind, public, err)
		}
	}
	if key, err := keypair.Generate("secret", elliptic.P384()); key != nil || err != nil {
		t.Errorf("a key of no kind: %T, %v", key, err)
	}
}

func TestKindOfAnythingElseIsEmpty(t *testing.T) {
	for _, v := range []any{nil, []byte("secret"), "text", must(ecdh.X25519().GenerateKey(rand.Reader)), rsa.PublicKey{}} {
		if got := keypair.Kind(v); got != "" {
			t.Errorf("%T is of the kind %q", v, got)
		}
	}
}
