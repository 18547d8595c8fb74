package keypair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
)

// SignatureSize returns the length in bytes of the signatures of a key pair. An ECDSA signature is two numbers of the
// curve's length (RFC 7518 §3.4).
func SignatureSize(public crypto.PublicKey) int {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.Size()
	case *ecdsa.PublicKey:
		return 2 * ((key.Curve.Params().BitSize + 7) / 8)
	}
	return ed25519.SignatureSize
}

// FormatError reports that a signer returned something other than a signature in its format.
type FormatError struct {
	Reason string // continues a sentence that begins with the signer
}

// Error returns the reason with its subject.
func (e *FormatError) Error() string { return "the signer " + e.Reason }

// Sign returns signer's signature of input in a format of fixed length: SignatureSize(public) bytes. public is the
// signer's public key. If opts has a hash function, the signer gets the digest of input.
//
// The error is a *FormatError, or the signer's own error.
func Sign(signer crypto.Signer, public PublicKey, opts crypto.SignerOpts, input []byte) ([]byte, error) {
	message := slices.Clone(input) // The signer may retain it.
	if hash := opts.HashFunc(); hash != 0 {
		h := hash.New()
		h.Write(input)
		message = h.Sum(nil)
	}
	signature, err := signer.Sign(rand.Reader, message, opts)
	if err != nil {
		return nil, err
	}
	size := SignatureSize(public)
	if _, ok := public.(*ecdsa.PublicKey); ok {
		return fixedLength(signature, size)
	}
	if len(signature) != size {
		return nil, &FormatError{fmt.Sprintf("returned a signature of %d bytes instead of %d", len(signature), size)}
	}
	return signature, nil
}

// fixedLength converts an ECDSA signature from ASN.1 to two numbers of size/2 bytes each.
func fixedLength(signature []byte, size int) ([]byte, error) {
	var asn struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &asn)
	switch half := size / 2; {
	case err == nil && len(rest) == 0 && fits(asn.R, half) && fits(asn.S, half):
		fixed := make([]byte, size)
		asn.R.FillBytes(fixed[:half])
		asn.S.FillBytes(fixed[half:])
		return fixed, nil
	case len(signature) == size:
		return nil, &FormatError{"returned R and S concatenated, as in a token; a crypto.Signer must return them in ASN.1"}
	}
	return nil, &FormatError{fmt.Sprintf("returned %d bytes that are not an ECDSA signature in ASN.1", len(signature))}
}

// fits reports whether n is positive and has at most size bytes.
func fits(n *big.Int, size int) bool { return n.Sign() > 0 && n.BitLen() <= 8*size }
