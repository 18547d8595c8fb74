package usher

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/go-usher/usher/internal/keypair"
	"github.com/go-usher/usher/internal/keytext"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/quote"
	"github.com/go-usher/usher/internal/weakkey"
)

// Algorithm is the name of a signature algorithm, as a token's alg header spells it (RFC 7518 §3.1).
type Algorithm string

// The supported algorithms. There is no "none".
const (
	HS256 Algorithm = "HS256" // HMAC with SHA-256 (RFC 7518 §3.2)
	HS384 Algorithm = "HS384" // HMAC with SHA-384
	HS512 Algorithm = "HS512" // HMAC with SHA-512
	RS256 Algorithm = "RS256" // RSA PKCS #1 v1.5 with SHA-256 (RFC 7518 §3.3)
	RS384 Algorithm = "RS384" // RSA PKCS #1 v1.5 with SHA-384
	RS512 Algorithm = "RS512" // RSA PKCS #1 v1.5 with SHA-512
	PS256 Algorithm = "PS256" // RSA PSS with SHA-256 and a salt as long as the hash (RFC 7518 §3.5)
	PS384 Algorithm = "PS384" // RSA PSS with SHA-384
	PS512 Algorithm = "PS512" // RSA PSS with SHA-512
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256 (RFC 7518 §3.4)
	ES384 Algorithm = "ES384" // ECDSA on P-384 with SHA-384
	ES512 Algorithm = "ES512" // ECDSA on P-521 with SHA-512

	// Ed25519 and EdDSA are two names of one algorithm (RFC 9864 §2.2). A key for either verifies tokens of both, and
	// signs under its own name. Many verifiers know the older name only.
	Ed25519 Algorithm = "Ed25519"
	EdDSA   Algorithm = "EdDSA" // RFC 8037 §3.1
)

// KeyMaterial lists the types that [NewKey] accepts.
type KeyMaterial interface {
	[]byte | *rsa.PrivateKey | *rsa.PublicKey | *ecdsa.PrivateKey | *ecdsa.PublicKey |
		ed25519.PrivateKey | ed25519.PublicKey
}

// Key is a secret, a private key or a public key, together with its one algorithm and its ID, which tokens carry as
// kid. A Key is immutable and safe for concurrent use. Printing or logging it shows only its algorithm and ID. The zero
// Key can neither sign nor verify.
type Key struct{ *keyState }

type keyState struct {
	alg    Algorithm
	id     string
	verify verifier // shared by all keys that WithID and Public derive from one key
	sign   signer   // nil if the key only verifies
	self   Keys     // the key as a set of one
}

// NewKey returns a key for alg, made of a copy of material. It returns a [ConfigError] unless the material fits:
//
//   - An HMAC secret must be at least as long as the hash, that is, 32, 48 or 64 bytes (RFC 7518 §3.2). It must have at
//     least six different bytes, and must not be a PEM, JWK, SSH or DER-encoded key.
//   - An RSA key must have 2048 to 8192 bits (§3.3) and an odd exponent of at most 31 bits. Its modulus must have no
//     small factors, and must not match the ROCA fingerprint (CVE-2017-15361).
//   - An ECDSA public key must be a point on the curve of alg (§3.4).
//   - An Ed25519 public key must be a point on the curve in canonical encoding (RFC 8032 §5.1.3), and not of small order.
//   - A private key must match its public key.
//
// NewKey uses every byte of a secret. Files that hold secrets often end in a line break, which would change every
// signature. Remove the line break, or use package keyfile, which does.
func NewKey[M KeyMaterial](alg Algorithm, material M) (Key, error) {
	return newKey(alg, material)
}

// NewSignerKey returns a key that signs through signer. The private key stays there, for example in a key management
// service, a hardware security module or an agent. The signer must follow the rules of [crypto.Signer]: it signs a
// digest, or for Ed25519 the message itself, and returns ECDSA signatures in ASN.1. It must be safe for concurrent use.
//
// NewSignerKey gets the signer's public key and requests one signature to test it. It returns a [ConfigError] if the
// public key breaks the rules of [NewKey] for alg, or if it does not verify the signature. If the signer returns an
// error, here or when a token is issued, the error is ErrUnavailable and wraps the signer's error. [crypto.Signer] has
// no context, so the signer must limit its own time. Tokens are verified locally, without the signer.
func NewSignerKey(alg Algorithm, signer crypto.Signer) (Key, error) {
	if nilcheck.IsNil(signer) {
		return Key{}, &ConfigError{"signer", "is nil"}
	}
	if alg.family() == "HS" {
		return Key{}, &ConfigError{"alg", fmt.Sprintf("is %s, but a crypto.Signer needs an algorithm with a key pair", alg)}
	}
	public := signer.Public()
	if _, ok := public.(keypair.PublicKey); !ok {
		return Key{}, &ConfigError{"signer", fmt.Sprintf("has a public key of type %T; "+
			"*rsa.PublicKey, *ecdsa.PublicKey and ed25519.PublicKey are supported", public)}
	}
	key, err := newKey(alg, public)
	if wrong := new(ConfigError); errors.As(err, &wrong) && wrong.Field == "material" {
		return Key{}, &ConfigError{"signer", "has a public key that " + wrong.Reason}
	}
	if err != nil {
		return Key{}, err
	}
	remote, err := newRemoteKey(key, signer)
	if err != nil {
		return Key{}, err
	}
	key.sign = remote
	return key, nil
}

// DangerouslyShortKey returns a key for verifying tokens of an older system whose HMAC secret is too short for [NewKey]. It
// can't sign. Anybody who guesses the secret can forge tokens.
//
// DangerouslyShortKey returns a [ConfigError] if alg is not an HMAC algorithm, if the secret is empty or a PEM, JWK,
// SSH or DER-encoded key, or if it has too few different bytes. At least six must differ; in a secret of at most six
// bytes, all but one.
func DangerouslyShortKey(alg Algorithm, secret []byte) (Key, error) {
	var wrong configErrors
	if alg.family() != "HS" {
		wrong.add("alg", "is %q, but only HS256, HS384 and HS512 use secrets", string(alg))
	}
	if len(secret) == 0 {
		wrong.add("secret", "is empty")
	}
	if format := keytext.Format(secret); format != "" {
		wrong.add("secret", "is %s, not a secret", format)
	}
	if err := weakkey.ShortSecret(secret); len(secret) > 0 && err != nil {
		wrong.add("secret", "%s", err)
	}
	if err := wrong.err(); err != nil {
		return Key{}, err
	}
	return makeKey(keyState{alg: alg, verify: newHMAC(alg, secret)}), nil
}

// GenerateKey returns a new random key for alg: a secret as long as the hash, an RSA key of 2048 bits, or a key on the
// curve of alg. It returns a [ConfigError] if alg is not a supported algorithm.
func GenerateKey(alg Algorithm) (Key, error) {
	if alg.family() == "HS" {
		secret := make([]byte, alg.hash().Size())
		_, _ = rand.Read(secret) // never fails
		return newKey(alg, secret)
	}
	material, err := keypair.Generate(alg.keyKind(), alg.curve())
	if err != nil {
		return Key{}, fmt.Errorf("usher: generating a key: %w", err)
	}
	return newKey(alg, material)
}

// ParseKey returns the key in a PEM block. The block may hold a private key (PKCS #1, PKCS #8 or SEC 1), a public key
// (PKIX or PKCS #1) or an X.509 certificate. ParseKey uses only the public key of a certificate and checks neither its
// dates nor its issuer. A certificate chain may follow; any other second key is an error.
//
// If alg is "", the algorithm is RS256 for an RSA key, ES256, ES384 or ES512 for an ECDSA key, depending on its curve,
// and EdDSA for an Ed25519 key.
//
// The key's ID is its thumbprint. If the issuer names its keys differently, set the ID with [Key.WithID]. Errors are
// [ConfigError]s.
func ParseKey(alg Algorithm, pem []byte) (Key, error) {
	if alg.family() == "HS" {
		return Key{}, &ConfigError{"alg", fmt.Sprintf("is %s, whose secrets are not PEM; use NewKey", alg)}
	}
	material, err := keytext.ParsePEM(pem)
	if err != nil {
		return Key{}, &ConfigError{"pem", err.Error()}
	}
	if alg == "" {
		alg = defaultAlgorithm(material)
	}
	return newKey(alg, material)
}

// ID returns the key's ID, which tokens carry as kid. By default it is the SHA-256 thumbprint of the public key (RFC
// 7638), and empty for an HMAC secret. [Key.WithID] sets another.
func (k Key) ID() string {
	if k.keyState == nil {
		return ""
	}
	return k.id
}

// WithID returns the same key with another ID. A key can sign only if its ID is valid UTF-8 of at most 256 bytes.
func (k Key) WithID(id string) Key {
	if k.keyState == nil {
		return k
	}
	state := *k.keyState
	state.id = id
	return makeKey(state)
}

// Algorithm returns the one algorithm that the key signs and verifies with, or "" for the zero Key. A key for [EdDSA] or
// [Ed25519] verifies tokens of both.
func (k Key) Algorithm() Algorithm {
	if k.keyState == nil {
		return ""
	}
	return k.alg
}

// CanSign reports whether the key can sign. Secrets and private keys can, except keys made by [DangerouslyShortKey].
func (k Key) CanSign() bool { return k.keyState != nil && k.sign != nil }

// Public returns the public key with the same ID, which can only verify. It returns false for an HMAC secret, which has no
// public key, and for the zero Key.
func (k Key) Public() (Key, bool) {
	if k.keyState == nil || k.alg.family() == "HS" {
		return Key{}, false
	}
	state := *k.keyState
	state.sign = nil
	return makeKey(state), true
}

// PublicKey returns a copy of the public key: an *[rsa.PublicKey], an *[ecdsa.PublicKey] or an [ed25519.PublicKey]. It
// is nil for an HMAC secret, which has no public key, and for the zero Key.
func (k Key) PublicKey() crypto.PublicKey {
	if k.keyState == nil {
		return nil
	}
	if public, ok := k.verify.(*publicKey); ok {
		return keypair.Clone(public.key)
	}
	return nil
}

// String returns the key's algorithm and ID, never the key material.
func (k Key) String() string {
	switch {
	case k.keyState == nil:
		return "usher.Key()"
	case k.id == "":
		return "usher.Key(" + string(k.alg) + ")"
	}
	return "usher.Key(" + string(k.alg) + " " + quote.Text(k.id) + ")"
}

// GoString returns the same as String.
func (k Key) GoString() string { return k.String() }

// Format writes the same as String, for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue returns the same as String, for log/slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func makeKey(state keyState) Key {
	key := Key{&state}
	state.self = Keys{key}
	return key
}

// family returns the first two letters of a supported algorithm, and "" for any other.
func (a Algorithm) family() string {
	switch a {
	case HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, Ed25519, EdDSA:
		return string(a[:2])
	}
	return ""
}

// matches reports whether keys for a verify tokens of b. It treats Ed25519 and EdDSA as equal.
func (a Algorithm) matches(b Algorithm) bool {
	return a == b || a == EdDSA && b == Ed25519 || a == Ed25519 && b == EdDSA
}

// hash returns the hash function of an algorithm. Ed25519 hashes internally and does not use it.
func (a Algorithm) hash() crypto.Hash {
	switch a {
	case HS384, RS384, PS384, ES384:
		return crypto.SHA384
	case HS512, RS512, PS512, ES512:
		return crypto.SHA512
	}
	return crypto.SHA256
}

// curve returns the curve of an ECDSA algorithm.
func (a Algorithm) curve() elliptic.Curve {
	switch a {
	case ES384:
		return elliptic.P384()
	case ES512:
		return elliptic.P521()
	}
	return elliptic.P256()
}
