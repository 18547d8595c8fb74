package usher

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"slices"

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

// KeyMaterial lists the types that [NewKey] makes keys of.
type KeyMaterial interface {
	[]byte | *rsa.PrivateKey | *rsa.PublicKey | *ecdsa.PrivateKey | *ecdsa.PublicKey |
		ed25519.PrivateKey | ed25519.PublicKey
}

// Key is a secret, a private key or a public key, together with the one algorithm that it is used with and the ID that
// tokens name it by. A Key is immutable and safe for concurrent use. However it is printed, it shows no more than its
// algorithm and ID. The zero Key neither signs nor verifies.
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
//     small factors, and not the fingerprint of the generator whose keys can be factored (ROCA, CVE-2017-15361).
//   - An ECDSA key must be a point on the curve of alg (§3.4).
//   - An Ed25519 key must be a point on the curve in canonical encoding (RFC 8032 §5.1.3), and not of small order.
//   - A private key must match its public key.
//
// A secret is used as it is, every byte of it. Files that hold secrets often end in a line break, and a secret with one
// more byte makes every signature a wrong one: remove the line break, or use package keyfile, which does.
func NewKey[M KeyMaterial](alg Algorithm, material M) (Key, error) {
	return newKey(alg, material)
}

// NewSignerKey returns a key that signs through signer: a key management service, a hardware security module or an agent,
// which keeps the private key. The signer must follow the rules of [crypto.Signer]: it gets a digest, or for Ed25519 the
// message itself, and returns ECDSA signatures as ASN.1. It must be safe for concurrent use.
//
// NewSignerKey asks it for its public key and, once, for a signature. It returns a [ConfigError] if the public key does not
// fit alg, by the rules of [NewKey], or if the signature is not of that key. If the signer returns an error, here or when a
// token is signed, the error is ErrUnavailable and wraps the signer's. [crypto.Signer] has no context, so the signer itself
// must bound how long it takes. Tokens are verified locally, without the signer.
func NewSignerKey(alg Algorithm, signer crypto.Signer) (Key, error) {
	if nilcheck.IsNil(signer) {
		return Key{}, &ConfigError{"signer", "is nil"}
	}
	if alg.family() == "HS" {
		return Key{}, &ConfigError{"alg", fmt.Sprintf("is %s, but a crypto.Signer has a key pair", alg)}
	}
	public := signer.Public()
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
	default:
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

// DangerouslyShortKey returns a key that verifies, and never signs, with an HMAC secret of an older system that
// [NewKey] refuses as too short. Whoever guesses the secret can forge tokens. It returns a [ConfigError] if alg is not
// an HMAC algorithm, if the secret is empty, repeats a few bytes, or is a PEM, JWK, SSH or DER-encoded key. At least six
// bytes must differ, or all but one where the secret has at most six.
func DangerouslyShortKey(alg Algorithm, secret []byte) (Key, error) {
	var wrong misconfigured
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

// ParseKey returns the key in a PEM block. The block may hold a private key (PKCS #1, PKCS #8 or SEC 1), a public key
// (PKIX or PKCS #1) or an X.509 certificate. Of a certificate, only the public key is used: neither its dates nor its
// issuer are checked. A certificate chain may follow; any other second key is an error.
//
// If alg is "", the key decides: RS256 for an RSA key, ES256, ES384 or ES512 by the curve of an ECDSA key, and EdDSA for an
// Ed25519 key.
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

// ID returns the key's ID, which tokens carry as kid. Unless [Key.WithID] has set another, it is the thumbprint of the
// public key (RFC 7638, SHA-256), or empty for an HMAC secret.
func (k Key) ID() string {
	if k.keyState == nil {
		return ""
	}
	return k.id
}

// WithID returns the same key under another ID. To sign, the ID must be valid UTF-8 of at most 256 bytes.
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

// CanSign reports whether the key can sign. Secrets and private keys can, except those of [DangerouslyShortKey].
func (k Key) CanSign() bool { return k.keyState != nil && k.sign != nil }

// Public returns the public half of the key, under the same ID. It returns false for an HMAC secret, which has no
// public half, and for the zero Key.
func (k Key) Public() (Key, bool) {
	if k.keyState == nil || k.alg.family() == "HS" {
		return Key{}, false
	}
	state := *k.keyState
	state.sign = nil
	return makeKey(state), true
}

// PublicKey returns a copy of the public key: an *[rsa.PublicKey], an *[ecdsa.PublicKey] or an [ed25519.PublicKey]. It
// is nil for an HMAC secret, which has no public half, and for the zero Key.
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

// String returns the key's algorithm and ID, and never the key itself.
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

// newKey is NewKey for material whose type is known at run time only.
func newKey(alg Algorithm, material any) (Key, error) {
	if alg.family() == "" {
		return Key{}, &ConfigError{"alg", fmt.Sprintf("is %q, which is none of HS256, HS384, HS512, RS256, RS384, "+
			"RS512, PS256, PS384, PS512, ES256, ES384, ES512, Ed25519 and EdDSA", string(alg))}
	}
	state, err := keyStateOf(alg, material)
	if err != nil {
		return Key{}, &ConfigError{"material", err.Error()}
	}
	return makeKey(state), nil
}

func keyStateOf(alg Algorithm, material any) (keyState, error) {
	switch m := material.(type) {
	case []byte:
		return secretState(alg, m)
	case *rsa.PrivateKey, *rsa.PublicKey:
		return rsaState(alg, m)
	case *ecdsa.PrivateKey, *ecdsa.PublicKey:
		return ecdsaState(alg, m)
	case ed25519.PrivateKey, ed25519.PublicKey:
		return ed25519State(alg, m)
	case *ecdh.PrivateKey, *ecdh.PublicKey: // ParseKey's only
		return keyState{}, errors.New("is an X25519 key, which can't sign; use an Ed25519 key")
	}
	return keyState{}, fmt.Errorf("is a %T, which no supported algorithm uses", material)
}

// publicState returns the state of a key that verifies with public, a copy that passed the checks of its family.
func publicState(alg Algorithm, public comparableKey) keyState {
	return keyState{alg: alg, id: thumbprint(public), verify: newPublicKey(alg, public)}
}

// privateState returns the state of a key that also signs with private, the other half of public.
func privateState(alg Algorithm, public comparableKey, private crypto.PrivateKey) keyState {
	state := publicState(alg, public)
	state.sign = &privateKey{alg.method(), private}
	return state
}

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

// matches reports whether keys for a verify tokens of b: whether both are the same, or the two names of Ed25519.
func (a Algorithm) matches(b Algorithm) bool {
	return a == b || a == EdDSA && b == Ed25519 || a == Ed25519 && b == EdDSA
}

// hash returns the hash function of an algorithm. Ed25519 has its own inside, and does not use it.
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
