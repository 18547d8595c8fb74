package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"net/http"
	"strings"

	"github.com/go-usher/usher/bench/internal/rounds"
)

// The limits stand beside the contenders: what the harness itself costs, what any middleware must at least
// do, and the signature check alone.
const (
	nameNoAuth = "no auth"
	nameNoEcho = "no auth, echo's router"
	nameNoGin  = "no auth, gin's router"
	nameFloor  = "the floor"
	nameRaw    = "the raw signature check"
	nameSign   = "the raw signature"
)

// noAuth is a handler that nobody guards: the cost of the harness in each of the other figures.
func noAuth(_ setup, g greeter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { g.greet(w, "anybody", "") })
}

var errSignature = errors.New("the signature does not fit")

// signed is a token that is taken apart already.
type signed struct {
	input     []byte
	signature []byte
	r, s      *big.Int // of an ECDSA signature
}

func takeApart(tokens []string) ([]signed, error) {
	parts := make([]signed, len(tokens))
	for i, token := range tokens {
		dot := strings.LastIndexByte(token, '.')
		signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		if err != nil {
			return nil, err
		}
		half := len(signature) / 2
		parts[i] = signed{[]byte(token[:dot]), signature,
			new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])}
	}
	return parts, nil
}

// rawVerifyOp returns an operation that checks the signatures of tokens whose parts are decoded already, and
// nothing else. The HMAC has its key set up once.
func rawVerifyOp(s setup, tokens []string) (rounds.Op, error) {
	parts, err := takeApart(tokens)
	if err != nil {
		return nil, err
	}
	var check func(signed) bool
	switch s.alg {
	case "HS256":
		check = rawHMAC(hmac.New(sha256.New, s.keys.secret))
	case "RS256":
		check = func(t signed) bool {
			digest := sha256.Sum256(t.input)
			return rsa.VerifyPKCS1v15(&s.keys.rsa.PublicKey, crypto.SHA256, digest[:], t.signature) == nil
		}
	case "ES256":
		check = func(t signed) bool {
			digest := sha256.Sum256(t.input)
			return ecdsa.Verify(&s.keys.ecdsa.PublicKey, digest[:], t.r, t.s)
		}
	case "EdDSA":
		check = func(t signed) bool { return ed25519.Verify(s.keys.public, t.input, t.signature) }
	default:
		return nil, fmt.Errorf("verifying %s: %w", s.alg, errors.ErrUnsupported)
	}
	next := 0
	return func() error {
		part := parts[next%len(parts)]
		next++
		if !check(part) {
			return errSignature
		}
		return nil
	}, nil
}

func rawHMAC(mac hash.Hash) func(signed) bool {
	sum := make([]byte, 0, mac.Size())
	return func(t signed) bool {
		mac.Reset()
		mac.Write(t.input)
		return hmac.Equal(mac.Sum(sum), t.signature)
	}
}

// rawSignOp returns an operation that signs the bytes of one token, and nothing else.
func rawSignOp(s setup, tokens []string) (rounds.Op, error) {
	parts, err := takeApart(tokens[:1])
	if err != nil {
		return nil, err
	}
	input := parts[0].input
	if s.alg == "HS256" {
		mac := hmac.New(sha256.New, s.keys.secret)
		sum := make([]byte, 0, mac.Size())
		return func() error {
			mac.Reset()
			mac.Write(input)
			mac.Sum(sum)
			return nil
		}, nil
	}
	return func() error {
		_, err := s.keys.sign(s.alg, input)
		return err
	}, nil
}
