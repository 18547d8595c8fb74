package usher

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"

	"github.com/go-usher/usher/internal/keypair"
	"github.com/go-usher/usher/internal/keytext"
	"github.com/go-usher/usher/internal/weakkey"
)

// newKey is NewKey for material of a type that is only known at run time.
func newKey(alg Algorithm, material any) (Key, error) {
	if alg.family() == "" {
		return Key{}, &ConfigError{"alg", fmt.Sprintf("is %q, but must be one of HS256, HS384, HS512, RS256, RS384, "+
			"RS512, PS256, PS384, PS512, ES256, ES384, ES512, Ed25519 and EdDSA", string(alg))}
	}
	var state keyState
	var err error
	switch m := material.(type) {
	case []byte:
		state, err = secretState(alg, m)
	case *ecdh.PrivateKey, *ecdh.PublicKey: // from ParseKey only
		err = errors.New("is an X25519 key, which can't sign; use an Ed25519 key")
	default:
		state, err = pairState(alg, m)
	}
	if err != nil {
		return Key{}, &ConfigError{"material", err.Error()}
	}
	return makeKey(state), nil
}

// secretState returns the state of a key made of an HMAC secret. Its errors, and those of pairState, continue a sentence
// that begins with the material: "is PEM, not a secret".
func secretState(alg Algorithm, secret []byte) (keyState, error) {
	if alg.family() != "HS" {
		return keyState{}, fmt.Errorf("is a []byte, but %s uses key pairs; ParseKey reads them from PEM", alg)
	}
	if format := keytext.Format(secret); format != "" { // if it is a public key, anybody could sign with it (RFC 8725 §2.1)
		return keyState{}, fmt.Errorf("is %s, not a secret", format)
	}
	if least := alg.hash().Size(); len(secret) < least {
		return keyState{}, fmt.Errorf("has %d bytes, but %s needs %d or more; make one with: openssl rand -base64 %[3]d",
			len(secret), alg, least)
	}
	if err := weakkey.Secret(secret); err != nil {
		return keyState{}, err
	}
	hmac := newHMAC(alg, secret)
	return keyState{alg: alg, verify: hmac, sign: hmac}, nil
}

// pairState returns the state of a key made of a private or public key of the standard library's types.
func pairState(alg Algorithm, material any) (keyState, error) {
	switch kind := keypair.Kind(material); kind {
	case "":
		return keyState{}, fmt.Errorf("is a %T, which no supported algorithm uses", material)
	case alg.keyKind():
	default:
		return keyState{}, fmt.Errorf("is an %s key, but %s is not an %[1]s algorithm", kind, alg)
	}
	public, private, err := keypair.Copy(material)
	if err != nil {
		return keyState{}, err
	}
	if key, ok := public.(*ecdsa.PublicKey); ok && key.Curve != alg.curve() {
		return keyState{}, fmt.Errorf("is not a key on %s, which is the curve of %s", alg.curve().Params().Name, alg)
	}
	state := keyState{alg: alg, id: keypair.Thumbprint(public), verify: newPublicKey(alg, public)}
	if private != nil {
		state.sign = &privateKey{alg.method(), private}
	}
	return state, nil
}

// keyKind returns the kind of the key pairs that the algorithm uses, as keypair.Kind does, and none for HMAC.
func (a Algorithm) keyKind() string {
	switch a.family() {
	case "RS", "PS":
		return "RSA"
	case "ES":
		return "ECDSA"
	case "Ed":
		return "Ed25519"
	}
	return "none"
}

// defaultAlgorithm returns the algorithm that ParseKey uses by default. For a key that no algorithm supports, it
// returns one whose checks report the reason.
func defaultAlgorithm(material any) Algorithm {
	switch keypair.Kind(material) {
	case "RSA":
		return RS256
	case "ECDSA":
		for _, alg := range []Algorithm{ES384, ES512} {
			if key, ok := material.(elliptic.Curve); ok && key.Params() == alg.curve().Params() {
				return alg
			}
		}
		return ES256
	}
	return EdDSA
}
