package usher

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.Hash looks for it
	"crypto/sha512"
	"crypto/subtle"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"sync"

	"github.com/go-usher/usher/internal/base64url"
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
type hmacSecret struct {
	secret []byte
	size   int // bytes of a signature in base64url
	states sync.Pool
}

// hmacState is a reusable keyed hash. Hashing the padded secret takes as long as hashing a short token.
type hmacState struct {
	hash.Hash
	input     []byte                // the input of verify, because hash.Hash does not take strings
	signature [sha512.Size + 2]byte // with room for base64url.AppendDecode
	sum       [sha512.Size]byte
}

func newHMAC(alg Algorithm, secret []byte) *hmacSecret {
	secret = slices.Clone(secret)
	return &hmacSecret{secret: secret, size: base64url.EncodedLen(alg.hash().Size()), states: sync.Pool{New: func() any {
		return &hmacState{Hash: hmac.New(alg.hash().New, secret)}
	}}}
}

func (s *hmacSecret) verify(input, signature string) bool {
	if len(signature) != s.size {
		return false
	}
	state, _ := s.states.Get().(*hmacState)
	defer s.states.Put(state)
	claimed, ok := base64url.AppendDecode(state.signature[:0], signature)
	state.input = append(state.input[:0], input...)
	return ok && subtle.ConstantTimeCompare(state.mac(state.input), claimed) == 1
}

func (s *hmacSecret) equal(other verifier) bool {
	o, ok := other.(*hmacSecret)
	return ok && (s == o || subtle.ConstantTimeCompare(s.secret, o.secret) == 1)
}

func (s *hmacSecret) sign(dst, input []byte) ([]byte, error) {
	state, _ := s.states.Get().(*hmacState)
	defer s.states.Put(state)
	return append(dst, state.mac(input)...), nil
}

func (s *hmacState) mac(input []byte) []byte {
	s.Reset()
	s.Write(input)
	return s.Sum(s.sum[:0])
}

// publicKey verifies with golang-jwt's methods.
type publicKey struct {
	method jwt.SigningMethod
	key    comparableKey
	size   int // bytes of a signature in base64url
}

// comparableKey is implemented by all public keys of the standard library.
type comparableKey interface {
	Equal(other crypto.PublicKey) bool
}

func newPublicKey(alg Algorithm, key comparableKey) *publicKey {
	return &publicKey{alg.method(), key, base64url.EncodedLen(signatureSize(key))}
}

// signatureSize returns the length in bytes of the key's signatures in tokens.
func signatureSize(public crypto.PublicKey) int {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.Size()
	case *ecdsa.PublicKey:
		return 2 * ((key.Curve.Params().BitSize + 7) / 8) // RFC 7518 §3.4
	}
	return ed25519.SignatureSize
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
	size   int // bytes of a signature
}

// newRemoteKey returns a remoteKey for signer. It requests one signature and checks that public verifies it.
func newRemoteKey(public Key, signer crypto.Signer) (*remoteKey, error) {
	const text = "NewSignerKey checks this key" // not a valid signing input of a token
	r := &remoteKey{public.alg, signer, signatureSize(public.PublicKey())}
	signature, err := r.requestSignature([]byte(text))
	if err != nil {
		return nil, err
	}
	encoded, err := r.encode(signature)
	if err != nil {
		return nil, &ConfigError{"signer", err.Error()}
	}
	if !public.verify.verify(text, base64url.EncodeToString(encoded)) {
		return nil, &ConfigError{"signer", fmt.Sprintf("returned a signature that its public key does not verify; "+
			"it must sign the digest passed to Sign, with %s and the options passed to Sign", public.alg)}
	}
	return r, nil
}

func (r *remoteKey) sign(dst, input []byte) ([]byte, error) {
	signature, err := r.requestSignature(input)
	if err != nil {
		return dst, err
	}
	encoded, err := r.encode(signature)
	if err != nil {
		return dst, fmt.Errorf("%w: signing: the signer %w", ErrUnavailable, err)
	}
	return append(dst, encoded...), nil
}

// requestSignature returns the signer's signature of input, in the signer's format.
func (r *remoteKey) requestSignature(input []byte) ([]byte, error) {
	hash := r.alg.hash()
	var opts crypto.SignerOpts = hash
	switch r.alg.family() {
	case "PS":
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash} // RFC 7518 §3.5
	case "Ed":
		opts = crypto.Hash(0) // Ed25519 signs messages, not digests (RFC 8032 §5.1)
	}
	message := slices.Clone(input) // The signer may retain it.
	if opts.HashFunc() != 0 {
		h := hash.New()
		h.Write(input)
		message = h.Sum(nil)
	}
	signature, err := r.signer.Sign(rand.Reader, message, opts)
	if err != nil {
		return nil, fmt.Errorf("%w: signing: %w", ErrUnavailable, err)
	}
	return signature, nil
}

// encode converts a signature to the format used in tokens. Its errors continue a sentence that begins with the signer.
func (r *remoteKey) encode(signature []byte) ([]byte, error) {
	if r.alg.family() != "ES" {
		if len(signature) != r.size {
			return nil, fmt.Errorf("returned a signature of %d bytes instead of %d", len(signature), r.size)
		}
		return signature, nil
	}
	var asn struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &asn)
	switch half := r.size / 2; {
	case err == nil && len(rest) == 0 && fits(asn.R, half) && fits(asn.S, half):
		encoded := make([]byte, r.size) // R and S, each of fixed length (RFC 7518 §3.4)
		asn.R.FillBytes(encoded[:half])
		asn.S.FillBytes(encoded[half:])
		return encoded, nil
	case len(signature) == r.size:
		return nil, errors.New("returned R and S concatenated, as in a token; a crypto.Signer must return them in ASN.1")
	}
	return nil, fmt.Errorf("returned %d bytes that are not an ECDSA signature in ASN.1", len(signature))
}

// fits reports whether n is positive and has at most size bytes.
func fits(n *big.Int, size int) bool { return n.Sign() > 0 && n.BitLen() <= 8*size }
