package usher

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.Hash looks for it
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/golang-jwt/jwt/v5"
)

// method returns golang-jwt's implementation of an algorithm that uses key pairs. It returns new values, because the
// package's own can be changed by anybody, and accept any PSS salt. Here the salt must be as long as the hash
// (RFC 7518 §3.5).
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

// hmacState is a keyed hash. It is reused, because hashing the padded secret costs as much as hashing a short token.
type hmacState struct {
	hash.Hash
	input     []byte                // a copy of verify's input, because a hash takes no string
	signature [sha512.Size + 2]byte // as base64url.AppendDecode wants it
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

// comparableKey is implemented by every public key of the standard library.
type comparableKey interface {
	Equal(other crypto.PublicKey) bool
}

func newPublicKey(alg Algorithm, key comparableKey) *publicKey {
	method, size := alg.method(), ed25519.SignatureSize
	if key, ok := key.(*rsa.PublicKey); ok {
		size = key.Size()
	}
	if method, ok := method.(*jwt.SigningMethodECDSA); ok {
		size = 2 * method.KeySize // RFC 7518 §3.4
	}
	return &publicKey{method, key, base64url.EncodedLen(size)}
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

// privateKey signs with golang-jwt's methods. It is always used as a pointer: for some verbs, fmt prints the fields of
// nested structs, but not what nested pointers refer to.
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
