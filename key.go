package usher

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"slices"
)

// Algorithm is the name of a signature algorithm as it stands in a token's alg header (RFC 7518 §3.1).
type Algorithm string

// The algorithms that usher signs and verifies with. There is no "none".
const (
	HS256 Algorithm = "HS256" // HMAC with SHA-256 (RFC 7518 §3.2)
	HS384 Algorithm = "HS384" // HMAC with SHA-384
	HS512 Algorithm = "HS512" // HMAC with SHA-512
	RS256 Algorithm = "RS256" // RSA PKCS #1 v1.5 with SHA-256 (RFC 7518 §3.3)
	RS384 Algorithm = "RS384" // RSA PKCS #1 v1.5 with SHA-384
	RS512 Algorithm = "RS512" // RSA PKCS #1 v1.5 with SHA-512
	PS256 Algorithm = "PS256" // RSA PSS with SHA-256 and a salt of the hash's length (RFC 7518 §3.5)
	PS384 Algorithm = "PS384" // RSA PSS with SHA-384
	PS512 Algorithm = "PS512" // RSA PSS with SHA-512
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256 (RFC 7518 §3.4)
	ES384 Algorithm = "ES384" // ECDSA on P-384 with SHA-384
	ES512 Algorithm = "ES512" // ECDSA on P-521 with SHA-512
	EdDSA Algorithm = "EdDSA" // Ed25519 (RFC 8037 §3.1)
)

// family returns the first two letters of a supported algorithm, else "".
func (a Algorithm) family() string {
	switch a {
	case HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA:
		return string(a[:2])
	}
	return ""
}

// hash returns the hash function of every supported algorithm but EdDSA, which has its own.
func (a Algorithm) hash() crypto.Hash {
	switch a {
	case HS384, RS384, PS384, ES384:
		return crypto.SHA384
	case HS512, RS512, PS512, ES512:
		return crypto.SHA512
	}
	return crypto.SHA256
}

func (a Algorithm) curve() elliptic.Curve {
	switch a {
	case ES384:
		return elliptic.P384()
	case ES512:
		return elliptic.P521()
	}
	return elliptic.P256()
}

// KeyMaterial is what a [Key] can be made of.
type KeyMaterial interface {
	[]byte | *rsa.PrivateKey | *rsa.PublicKey | *ecdsa.PrivateKey | *ecdsa.PublicKey |
		ed25519.PrivateKey | ed25519.PublicKey
}

// Key is a secret, private or public key together with the one algorithm that it is used with and the ID
// that tokens name it by. It is immutable and safe for concurrent use, and no way of printing it shows more
// than algorithm and ID. The zero Key signs and verifies nothing.
type Key struct{ *keyState }

type keyState struct {
	alg    Algorithm
	id     string
	verify verifier // shared by all that WithID and Public make of a key
	sign   signer   // nil if the key only verifies
	self   Keys     // the key as a set of one
}

// NewKey returns a key for alg, made of a copy of material. HMAC secrets are at least as long as the hash
// (RFC 7518 §3.2): 32, 48 or 64 bytes. RSA keys have 2048 bits or more (§3.3); the curve is the algorithm's
// own (§3.4). What is wrong is reported as [ConfigError].
func NewKey[M KeyMaterial](alg Algorithm, material M) (Key, error) {
	return newKey(alg, material)
}

// DangerouslyShortKey returns a key that verifies, and never signs, with an older system's HMAC secret that
// [NewKey] would refuse as too short: tokens signed with it can be forged by whoever guesses it. Another algorithm, an
// empty secret, and what is plainly another kind of key are a [ConfigError].
func DangerouslyShortKey(alg Algorithm, secret []byte) (Key, error) {
	var wrong misconfigured
	if alg.family() != "HS" {
		wrong.add("alg", "is %q, but only HS256, HS384 and HS512 have secrets", string(alg))
	}
	if len(secret) == 0 {
		wrong.add("secret", "is empty")
	}
	if kind := notSecret(secret); kind != "" {
		wrong.add("secret", "is %s, which is no secret", kind)
	}
	if err := wrong.err(); err != nil {
		return Key{}, err
	}
	return makeKey(keyState{alg: alg, verify: newHMAC(alg, secret)}), nil
}

// GenerateKey returns a new random key for alg: a secret as long as the hash, 2048 bits of RSA, or a key on
// the algorithm's curve. An alg that is none of the constants is a [ConfigError].
func GenerateKey(alg Algorithm) (Key, error) {
	var material any
	var err error
	switch alg.family() {
	case "HS":
		secret := make([]byte, alg.hash().Size())
		_, err = rand.Read(secret)
		material = secret
	case "RS", "PS":
		material, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case "ES":
		material, err = ecdsa.GenerateKey(alg.curve(), rand.Reader)
	case "Ed":
		_, material, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return Key{}, fmt.Errorf("usher: generating a key: %w", err)
	}
	return newKey(alg, material)
}

// ParseKey returns the key in a PEM block: a private key as PKCS #1, PKCS #8 or SEC 1, a public key as PKIX
// or PKCS #1, or the public key of an X.509 certificate, of whose chain the first counts; nothing else in the
// certificate is looked at. Its ID is a thumbprint: the keys of an issuer that names them otherwise want
// [Key.WithID]. What is wrong is reported as [ConfigError].
func ParseKey(alg Algorithm, pem []byte) (Key, error) {
	if alg.family() == "HS" {
		return Key{}, &ConfigError{"alg", fmt.Sprintf("is %s, whose secrets are not PEM; use NewKey", alg)}
	}
	material, err := parsePEM(pem)
	if err != nil {
		return Key{}, &ConfigError{"pem", err.Error()}
	}
	return newKey(alg, material)
}

// ID returns the key's ID, which tokens carry as kid. It is the key's RFC 7638 thumbprint unless [Key.WithID]
// set another, and empty for HMAC secrets.
func (k Key) ID() string {
	if k.keyState == nil {
		return ""
	}
	return k.id
}

// WithID returns the same key under another ID. An ID that is to be found in tokens has at most 256 bytes of
// UTF-8; a key whose ID is anything else can't sign.
func (k Key) WithID(id string) Key {
	if k.keyState == nil {
		return k
	}
	state := *k.keyState
	state.id = id
	return makeKey(state)
}

// Algorithm returns the one algorithm that the key signs and verifies with, "" for the zero Key.
func (k Key) Algorithm() Algorithm {
	if k.keyState == nil {
		return ""
	}
	return k.alg
}

// CanSign reports whether the key can sign: secrets and private keys can.
func (k Key) CanSign() bool { return k.keyState != nil && k.sign != nil }

// Public returns the key's public half under the same ID, and false for an HMAC secret, which has none.
func (k Key) Public() (Key, bool) {
	if k.keyState == nil || k.alg.family() == "HS" {
		return Key{}, false
	}
	state := *k.keyState
	state.sign = nil
	return makeKey(state), true
}

// PublicKey returns a copy of the public key: an *[rsa.PublicKey], an *[ecdsa.PublicKey] or an [ed25519.PublicKey]. It is
// nil for an HMAC secret, which has no public half, and for the zero Key.
func (k Key) PublicKey() crypto.PublicKey {
	if k.keyState == nil {
		return nil
	}
	public, ok := k.verify.(*publicKey)
	if !ok {
		return nil
	}
	switch key := public.key.(type) {
	case *rsa.PublicKey:
		return &rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}
	case *ecdsa.PublicKey:
		return &ecdsa.PublicKey{Curve: key.Curve, X: new(big.Int).Set(key.X), Y: new(big.Int).Set(key.Y)} //nolint:staticcheck // NewKey checked them
	case ed25519.PublicKey:
		return slices.Clone(key)
	}
	return nil
}

// String returns the algorithm and the ID; it never shows the key itself.
func (k Key) String() string {
	switch {
	case k.keyState == nil:
		return "usher.Key()"
	case k.id == "":
		return "usher.Key(" + string(k.alg) + ")"
	}
	return "usher.Key(" + string(k.alg) + " " + quote(k.id) + ")"
}

// GoString returns the same as String.
func (k Key) GoString() string { return k.String() }

// Format writes the same as String, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue returns the same as String, for log/slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func makeKey(state keyState) Key {
	key := Key{&state}
	state.self = Keys{key}
	return key
}

const (
	minRSABits = 2048 // RFC 7518 §3.3
	maxKeyID   = 256  // bytes of a kid that are worth a look-up
)

// newKey is NewKey for material of a type that is not known before it runs.
func newKey(alg Algorithm, material any) (Key, error) {
	var wrong misconfigured
	family := alg.family()
	if family == "" {
		wrong.add("alg", "is %q, which is none of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, "+
			"PS512, ES256, ES384, ES512 and EdDSA", string(alg))
		return Key{}, wrong.err()
	}
	state := keyState{alg: alg}
	var reason string
	switch m := material.(type) {
	case []byte:
		if family != "HS" {
			reason = "is a []byte, but " + string(alg) + " has key pairs; ParseKey reads them from PEM"
		} else if reason = unfitSecret(alg, m); reason == "" {
			secret := newHMAC(alg, m)
			state.verify, state.sign = secret, secret
		}
	case *rsa.PrivateKey:
		var private *rsa.PrivateKey
		if private, reason = copyRSA(alg, m); reason == "" {
			state.verify = newPublicKey(alg, &private.PublicKey)
			state.sign = &privateKey{alg.method(), private}
		}
	case *rsa.PublicKey:
		if reason = unfitRSA(alg, m); reason == "" {
			state.verify = newPublicKey(alg, &rsa.PublicKey{N: new(big.Int).Set(m.N), E: m.E})
		}
	case *ecdsa.PrivateKey:
		var private *ecdsa.PrivateKey
		if private, reason = copyECDSA(alg, m); reason == "" {
			state.verify = newPublicKey(alg, &private.PublicKey)
			state.sign = &privateKey{alg.method(), private}
		}
	case *ecdsa.PublicKey:
		var public *ecdsa.PublicKey
		if public, reason = copyECDSAPublic(alg, m); reason == "" {
			state.verify = newPublicKey(alg, public)
		}
	case ed25519.PrivateKey:
		if reason = unfitEd25519(alg, len(m), ed25519.PrivateKeySize); reason == "" {
			// The second half repeats the public key; a wrong one there would sign what nobody can verify.
			private := ed25519.NewKeyFromSeed(m.Seed())
			if !private.Equal(m) {
				reason = "is an Ed25519 key whose halves do not belong together"
			}
			public, _ := private.Public().(ed25519.PublicKey)
			state.verify = newPublicKey(alg, public)
			state.sign = &privateKey{alg.method(), private}
		}
	case ed25519.PublicKey:
		if reason = unfitEd25519(alg, len(m), ed25519.PublicKeySize); reason == "" {
			state.verify = newPublicKey(alg, slices.Clone(m))
		}
	default:
		reason = fmt.Sprintf("is a %T, which no supported algorithm uses", material)
	}
	if reason != "" {
		wrong.add("material", "%s", reason)
		return Key{}, wrong.err()
	}
	if public, ok := state.verify.(*publicKey); ok {
		state.id = thumbprint(public.key)
	}
	return makeKey(state), nil
}
