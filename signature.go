package usher

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.Hash looks for it
	_ "crypto/sha512" // likewise
	"errors"
	"fmt"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/hmackey"
	"github.com/go-usher/usher/internal/keypair"
	"github.com/golang-jwt/jwt/v5"
)

// method returns golang-jwt's implementation of an algorithm that uses key pairs. It returns new values instead of that
// package's variables, which any code can modify. Those also accept a PSS salt of any length; here it must be as long
// as the hash (RFC 7518 §3.5).
func (a Algorithm) method() jwt.SigningMethod {
	rsaMethod := &jwt.SigningMethodRSA{Name: string(a), Hash: a.hash()}
	switch a.family() {
	case "RS":
		return rsaMethod
	case "PS":
		return &jwt.SigningMethodRSAPSS{
			SigningMethodRSA: rsaMethod,
			Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
		}
	case "ES":
		bits := a.curve().Params().BitSize
		return &jwt.SigningMethodECDSA{Name: string(a), Hash: a.hash(), KeySize: (bits + 7) / 8, CurveBits: bits}
	}
	return &jwt.SigningMethodEd25519{}
}

// verifier is the part of a key that verifies.
type verifier interface {
	// verify reports whether signature, in base64url, is the signature of input.
	verify(input, signature string) bool
	// equal reports whether other was made of the same material.
	equal(other verifier) bool
}

// signer is the part of a key that signs.
type signer interface {
	// sign appends the signature of input to dst.
	sign(dst, input []byte) ([]byte, error)
}

// hmacSecret signs and verifies with an HMAC secret.
type hmacSecret struct{ *hmackey.Key }

func newHMAC(alg Algorithm, secret []byte) hmacSecret {
	return hmacSecret{hmackey.New(alg.hash().New, secret)}
}

func (s hmacSecret) verify(input, signature string) bool { return s.Verify(input, signature) }

func (s hmacSecret) equal(other verifier) bool {
	o, ok := other.(hmacSecret)
	return ok && s.Equal(o.Key)
}

func (s hmacSecret) sign(dst, input []byte) ([]byte, error) { return s.Append(dst, input), nil }

// publicKey verifies with golang-jwt's methods.
type publicKey struct {
	method jwt.SigningMethod
	key    keypair.PublicKey
	size   int // bytes of a signature in base64url
}

func newPublicKey(alg Algorithm, key keypair.PublicKey) *publicKey {
	return &publicKey{alg.method(), key, base64url.EncodedLen(keypair.SignatureSize(key))}
}

func (p *publicKey) verify(input, signature string) bool {
	if len(signature) != p.size {
		return false
	}
	claimed, ok := base64url.AppendDecode(nil, signature)
	return ok && p.method.Verify(input, claimed, p.key) == nil
}

func (p *publicKey) equal(other verifier) bool {
	o, ok := other.(*publicKey)
	return ok && (p == o || p.key.Equal(o.key))
}

// privateKey signs with golang-jwt's methods. It is always used as a pointer. For some verbs fmt prints the fields of
// nested structs, but it does not follow nested pointers.
type privateKey struct {
	method jwt.SigningMethod
	key    crypto.PrivateKey
}

func (p *privateKey) sign(dst, input []byte) ([]byte, error) {
	signature, err := p.method.Sign(string(input), p.key)
	if err != nil {
		return dst, fmt.Errorf("usher: signing: %w", err)
	}
	return append(dst, signature...), nil
}

// remoteKey signs through a crypto.Signer.
type remoteKey struct {
	alg    Algorithm
	signer crypto.Signer
	public keypair.PublicKey
}

// newRemoteKey returns a remoteKey for signer, whose public key is key. It requests one signature and checks that key
// verifies it.
func newRemoteKey(key Key, signer crypto.Signer) (*remoteKey, error) {
	const text = "NewSignerKey checks this key" // not a valid signing input of a token
	public, _ := key.verify.(*publicKey)
	r := &remoteKey{key.alg, signer, public.key}
	signature, err := r.sign(nil, []byte(text))
	if format, ok := errors.AsType[*keypair.FormatError](err); ok {
		return nil, &ConfigError{"signer", format.Reason}
	}
	if err != nil {
		return nil, err
	}
	if !public.verify(text, base64url.EncodeToString(signature)) {
		return nil, &ConfigError{"signer", fmt.Sprintf("returned a signature that its public key does not verify; "+
			"it must sign the digest passed to Sign, with %s and the options passed to Sign", key.alg)}
	}
	return r, nil
}

func (r *remoteKey) sign(dst, input []byte) ([]byte, error) {
	var opts crypto.SignerOpts = r.alg.hash()
	switch r.alg.family() {
	case "PS":
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: r.alg.hash()} // RFC 7518 §3.5
	case "Ed":
		opts = crypto.Hash(0) // Ed25519 signs messages, not digests (RFC 8032 §5.1)
	}
	signature, err := keypair.Sign(r.signer, r.public, opts, input)
	if err != nil {
		return dst, fmt.Errorf("%w: signing: %w", ErrUnavailable, err)
	}
	return append(dst, signature...), nil
}
