package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-json-experiment/json"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/quote"
)

// publicJWK is a published public key. Its members have the order of the examples in RFC 7517.
type publicJWK struct {
	Type      string          `json:"kty"`
	Use       string          `json:"use"`
	Algorithm usher.Algorithm `json:"alg"`
	ID        string          `json:"kid,omitzero"`
	Curve     string          `json:"crv,omitzero"`
	X         string          `json:"x,omitzero"`
	Y         string          `json:"y,omitzero"`
	N         string          `json:"n,omitzero"`
	E         string          `json:"e,omitzero"`
}

// Marshal returns a JWK Set (RFC 7517 §5) of the public keys, in the order of keys. Duplicates are written once. It
// returns an error for symmetric keys, for the zero Key, and for different keys with the same ID and algorithm. All
// mistakes are reported at once, each as a [usher.ConfigError].
func Marshal(keys ...usher.Key) ([]byte, error) {
	set := struct {
		Keys []publicJWK `json:"keys"`
	}{make([]publicJWK, 0, len(keys))}
	var problems []error
	written := make(map[publicJWK]bool)
	materials := make(map[identity]string)
	for i, key := range keys {
		field := fmt.Sprintf("keys[%d]", i)
		k, err := publicHalf(key)
		if err != nil {
			problems = append(problems, configError(field, err.Error()))
			continue
		}
		name, material := identityOf(key), k.N+k.X+k.Y
		if other, taken := materials[name]; taken && other != material && name.id != "" {
			problems = append(problems, configErrorf(field, "differs from another key with the kid %s and the alg %s", quote.Text(name.id), name.alg))
			continue
		}
		materials[name] = material
		if !written[k] {
			written[k] = true
			set.Keys = append(set.Keys, k)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return json.Marshal(set)
}

// publicHalf returns the JWK of a public key (RFC 7518 §6, RFC 8037 §2).
func publicHalf(key usher.Key) (publicJWK, error) {
	k := publicJWK{Use: "sig", Algorithm: key.Algorithm(), ID: key.ID()}
	encode := base64.RawURLEncoding.EncodeToString
	switch public := key.PublicKey().(type) {
	case *rsa.PublicKey:
		k.Type = "RSA"
		k.N, k.E = encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			return k, errors.New("is an ECDSA key that is not on its curve")
		}
		size := len(point) / 2 // the first byte is the format
		k.Type, k.Curve = "EC", public.Params().Name
		k.X, k.Y = encode(point[1:1+size]), encode(point[1+size:])
	case ed25519.PublicKey:
		k.Type, k.Curve, k.X = "OKP", string(usher.Ed25519), encode(public)
	default:
		if key.Algorithm() == "" {
			return k, errors.New("is the zero Key")
		}
		return k, fmt.Errorf("is a secret for %s, which has no public key", key.Algorithm())
	}
	return k, nil
}
