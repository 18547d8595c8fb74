package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/quote"
)

const (
	maxKeyID   = 256  // the maximum length of a token's kid in bytes
	maxRSABits = 8192 // the maximum length of a modulus, which bounds the time of a verification
)

// jwk is one JSON Web Key. A member that is null counts as absent.
type jwk struct {
	Type       string         `json:"kty"`
	Curve      string         `json:"crv"`
	Algorithm  string         `json:"alg"`
	ID         string         `json:"kid"`
	Use        string         `json:"use"`
	Operations []string       `json:"key_ops"`
	Chain      jsontext.Value `json:"x5c"`

	N     *string        `json:"n"`
	E     *string        `json:"e"`
	X     *string        `json:"x"`
	Y     *string        `json:"y"`
	D     *string        `json:"d"`
	P     *string        `json:"p"`
	Q     *string        `json:"q"`
	DP    *string        `json:"dp"`
	DQ    *string        `json:"dq"`
	QI    *string        `json:"qi"`
	Other jsontext.Value `json:"oth"`
	K     *string        `json:"k"`
}

// parsedKey is a JWK with one algorithm.
type parsedKey struct {
	key    usher.Key
	digest string // equal for equal key material
	secret bool   // whether it is symmetric
}

// identity is the kid and alg of a key. Different keys of one set must not have the same identity.
type identity struct {
	id  string
	alg usher.Algorithm
}

func identityOf(key usher.Key) identity {
	alg := key.Algorithm()
	if alg == usher.Ed25519 {
		alg = usher.EdDSA // two names for one algorithm (RFC 9864 §2.2)
	}
	return identity{key.ID(), alg}
}

// exactKey identifies a key with its ID and algorithm.
type exactKey struct {
	id     string
	alg    usher.Algorithm
	digest string
}

func (p parsedKey) exact() exactKey { return exactKey{p.key.ID(), p.key.Algorithm(), p.digest} }

// irrelevantError is the reason why a key is not used for tokens. The key may be valid for another purpose.
type irrelevantError struct{ reason string }

func (e *irrelevantError) Error() string { return e.reason }

func irrelevant(format string, args ...any) error {
	return &irrelevantError{fmt.Sprintf(format, args...)}
}

// reader converts JWKs to keys.
type reader struct {
	defaults []usher.Algorithm // for keys without alg; nil means one algorithm by the key's type
	public   bool              // refuse private and symmetric keys
}

// read returns the keys of one JWK: one if it has an alg, otherwise one for each default algorithm that suits its type.
func (r reader) read(text jsontext.Value) ([]parsedKey, error) {
	var k jwk
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, wrongMember(err)
	}
	suitable, err := k.algorithms()
	if err != nil {
		return nil, err
	}
	if err := r.checkPurpose(&k); err != nil {
		return nil, err
	}
	chosen, err := r.choose(&k, suitable)
	if err != nil {
		return nil, err
	}
	if len(k.ID) > maxKeyID {
		return nil, fmt.Errorf("has a kid of %d bytes, but a token's kid has at most %d", len(k.ID), maxKeyID)
	}
	material, err := k.material()
	if err != nil {
		return nil, err
	}
	if err := k.checkChain(material); err != nil {
		return nil, err
	}
	keys := make([]parsedKey, 0, len(chosen))
	for _, alg := range chosen {
		key, err := newKey(alg, material)
		if err != nil {
			return nil, err
		}
		parsed := parsedKey{key: key.WithID(k.ID), digest: key.ID()}
		if secret, ok := material.([]byte); ok {
			digest := sha256.Sum256(secret)
			parsed.digest, parsed.secret = string(digest[:]), true
		}
		keys = append(keys, parsed)
	}
	return keys, nil
}

// wrongMember returns an error that names the member that can't be read. It never contains the value.
func wrongMember(err error) error {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		if semantic.JSONPointer == "" {
			return errors.New("is not a JSON object")
		}
		return fmt.Errorf("has a member of the wrong type: %s", semantic.JSONPointer)
	}
	return errors.New("is not a strict JSON object")
}

// algorithms returns the signature algorithms that the key's type allows, the default first (RFC 7518 §3.1,
// RFC 8037 §3.1, RFC 9864 §2.2).
func (k *jwk) algorithms() ([]usher.Algorithm, error) {
	switch k.Type {
	case "RSA":
		return []usher.Algorithm{usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384, usher.PS512}, nil
	case "oct":
		return []usher.Algorithm{usher.HS256, usher.HS384, usher.HS512}, nil
	case "EC":
		switch k.Curve {
		case "P-256":
			return []usher.Algorithm{usher.ES256}, nil
		case "P-384":
			return []usher.Algorithm{usher.ES384}, nil
		case "P-521":
			return []usher.Algorithm{usher.ES512}, nil
		}
		return nil, irrelevant("has the unsupported crv %s", quote.Text(k.Curve))
	case "OKP":
		if k.Curve == string(usher.Ed25519) {
			return []usher.Algorithm{usher.EdDSA, usher.Ed25519}, nil
		}
		return nil, irrelevant("has the unsupported crv %s", quote.Text(k.Curve))
	case "":
		return nil, errors.New("has no kty")
	}
	return nil, irrelevant("has the unsupported kty %s", quote.Text(k.Type))
}

// checkPurpose checks use and key_ops (RFC 7517 §4.2 and §4.3). It also refuses a private or symmetric key in a public set.
func (r reader) checkPurpose(k *jwk) error {
	if k.Use != "" && k.Use != "sig" {
		return irrelevant("has the use %s, not sig", quote.Text(k.Use))
	}
	operation := "verify"
	if k.isPrivate() && !r.public {
		operation = "sign"
	}
	if k.Operations != nil && !slices.Contains(k.Operations, operation) {
		return irrelevant("has key_ops without %s", operation)
	}
	if r.public {
		if k.Type == "oct" {
			return errors.New("is symmetric: anybody who reads the set can sign with it")
		}
		if k.isPrivate() {
			return errors.New("is a private key: anybody who reads the set can sign with it")
		}
	}
	return nil
}

func (k *jwk) isPrivate() bool {
	for _, member := range []*string{k.D, k.P, k.Q, k.DP, k.DQ, k.QI, k.K} {
		if member != nil {
			return true
		}
	}
	return k.hasOther()
}

func (k *jwk) hasOther() bool { return len(k.Other) > 0 && k.Other.Kind() != 'n' }

// choose returns the key's algorithms, which are among those that suit its type.
func (r reader) choose(k *jwk, suitable []usher.Algorithm) ([]usher.Algorithm, error) {
	alg := usher.Algorithm(k.Algorithm)
	switch {
	case slices.Contains(suitable, alg):
		return []usher.Algorithm{alg}, nil
	case slices.Contains(supported, alg):
		return nil, fmt.Errorf("has the alg %s, which does not suit its type", alg)
	case alg != "":
		return nil, irrelevant("has the alg %s, which is not a supported signature algorithm", quote.Text(k.Algorithm))
	case r.defaults == nil:
		return suitable[:1], nil
	}
	var chosen []usher.Algorithm
	for _, alg := range r.defaults {
		if slices.Contains(suitable, alg) && !slices.Contains(chosen, alg) {
			chosen = append(chosen, alg)
		}
	}
	if chosen == nil {
		return nil, errors.New("has no alg, and none of DefaultAlgorithms suits its type")
	}
	return chosen, nil
}

// supported lists all supported signature algorithms.
var supported = []usher.Algorithm{
	usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384,
	usher.PS512, usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, usher.Ed25519,
}

// material returns the key as a type of package crypto: a private key if the JWK has a private part.
func (k *jwk) material() (any, error) {
	switch k.Type {
	case "RSA":
		return k.rsaKey()
	case "EC":
		return k.ecKey()
	case "OKP":
		return k.okpKey()
	}
	return decode("k", k.K)
}

// rsaKey reads the members of RFC 7518 §6.3.
func (k *jwk) rsaKey() (any, error) {
	if k.hasOther() {
		return nil, errors.New("is an RSA key of more than two primes (oth)")
	}
	numbers := make([]*big.Int, 0, 8)
	names := []string{"n", "e", "d", "p", "q", "dp", "dq", "qi"}
	members := []*string{k.N, k.E, k.D, k.P, k.Q, k.DP, k.DQ, k.QI}
	if !k.isPrivate() {
		names, members = names[:2], members[:2]
	}
	for i, member := range members {
		number, err := decode(names[i], member)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, new(big.Int).SetBytes(number))
	}
	if bits := numbers[0].BitLen(); bits > maxRSABits {
		return nil, fmt.Errorf("is an RSA key of %d bits, but at most %d are supported", bits, maxRSABits)
	}
	if numbers[1].BitLen() > 31 {
		return nil, errors.New("has a public exponent (e) of more than 31 bits")
	}
	public := rsa.PublicKey{N: numbers[0], E: int(numbers[1].Int64())}
	if !k.isPrivate() {
		return &public, nil
	}
	private := &rsa.PrivateKey{PublicKey: public, D: numbers[2], Primes: []*big.Int{numbers[3], numbers[4]}}
	if err := checkCRT(private, numbers[5], numbers[6], numbers[7]); err != nil {
		return nil, err
	}
	return private, nil
}

// checkCRT checks the members that can be computed from the others. Go computes them itself, but other libraries use
// them to sign.
func checkCRT(key *rsa.PrivateKey, dp, dq, qi *big.Int) error {
	p, q, one := key.Primes[0], key.Primes[1], big.NewInt(1)
	if p.Cmp(one) <= 0 || q.Cmp(one) <= 0 || max(p.BitLen(), q.BitLen(), key.D.BitLen()) > maxRSABits {
		return errors.New("is an RSA private key whose parts are out of range")
	}
	wantDP := new(big.Int).Mod(key.D, new(big.Int).Sub(p, one))
	wantDQ := new(big.Int).Mod(key.D, new(big.Int).Sub(q, one))
	wantQI := new(big.Int).ModInverse(q, p)
	if wantQI == nil || wantDP.Cmp(dp) != 0 || wantDQ.Cmp(dq) != 0 || wantQI.Cmp(qi) != 0 {
		return errors.New("is an RSA private key whose parts do not match")
	}
	return nil
}

// ecKey reads the members of RFC 7518 §6.2, whose lengths are fixed.
func (k *jwk) ecKey() (any, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
	size := (curve.Params().BitSize + 7) / 8
	x, err := decodeSized("x", k.X, size)
	if err != nil {
		return nil, err
	}
	y, err := decodeSized("y", k.Y, size)
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("has a point (x, y) that is not on its curve")
	}
	if !k.isPrivate() {
		return public, nil
	}
	d, err := decodeSized("d", k.D, size)
	if err != nil {
		return nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(curve, d)
	if err != nil || !private.PublicKey.Equal(public) {
		return nil, errors.New("has a private part (d) that does not match its point (x, y)")
	}
	return private, nil
}

// okpKey reads the members of RFC 8037 §2.
func (k *jwk) okpKey() (any, error) {
	x, err := decodeSized("x", k.X, ed25519.PublicKeySize)
	if err != nil {
		return nil, err
	}
	if !k.isPrivate() {
		return ed25519.PublicKey(x), nil
	}
	d, err := decodeSized("d", k.D, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	private := ed25519.NewKeyFromSeed(d)
	if !bytes.Equal(private[ed25519.SeedSize:], x) {
		return nil, errors.New("has a private part (d) that does not match x")
	}
	return private, nil
}

func decodeSized(name string, member *string, size int) ([]byte, error) {
	b, err := decode(name, member)
	if err == nil && len(b) != size {
		return nil, fmt.Errorf("has %d bytes of %s instead of %d", len(b), name, size)
	}
	return b, err
}

// decode returns the bytes of a base64url member. Some issuers add padding, contrary to RFC 7515 §2; it is accepted.
func decode(name string, member *string) ([]byte, error) {
	if member == nil {
		return nil, fmt.Errorf("has no %s", name)
	}
	text := *member
	encoding := base64.RawURLEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.URLEncoding
	}
	b, err := encoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder skips line breaks
		return nil, fmt.Errorf("has a member that is not base64url: %s", name)
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("has an empty %s", name)
	}
	return b, nil
}

// checkChain compares the key with the key of its certificate, if there is one that Go can parse (RFC 7517 §4.7). It
// checks nothing else in the certificate.
func (k *jwk) checkChain(material any) error {
	var chain []string
	if len(k.Chain) == 0 || json.Unmarshal(k.Chain, &chain) != nil || len(chain) == 0 {
		return nil //nolint:nilerr // certificates that can't be parsed are ignored
	}
	der, err := base64.StdEncoding.DecodeString(chain[0])
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	if private, ok := material.(crypto.Signer); ok {
		material = private.Public()
	}
	if public, ok := material.(interface {
		Equal(other crypto.PublicKey) bool
	}); !ok || !public.Equal(certificate.PublicKey) {
		return errors.New("has an x5c whose certificate is for another key")
	}
	return nil
}

// newKey is usher.NewKey for material of a type that is only known at run time.
func newKey(alg usher.Algorithm, material any) (usher.Key, error) {
	var key usher.Key
	var err error
	switch m := material.(type) {
	case []byte:
		key, err = usher.NewKey(alg, m)
	case *rsa.PrivateKey:
		key, err = usher.NewKey(alg, m)
	case *rsa.PublicKey:
		key, err = usher.NewKey(alg, m)
	case *ecdsa.PrivateKey:
		key, err = usher.NewKey(alg, m)
	case *ecdsa.PublicKey:
		key, err = usher.NewKey(alg, m)
	case ed25519.PrivateKey:
		key, err = usher.NewKey(alg, m)
	case ed25519.PublicKey:
		key, err = usher.NewKey(alg, m)
	}
	if config, ok := errors.AsType[*usher.ConfigError](err); ok {
		return usher.Key{}, errors.New(config.Reason)
	}
	return key, err
}
