package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What every contender is told to expect.
const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
)

// tokensPerSet is how many different tokens each measurement goes through in turn, so that neither a branch
// predictor nor a memory of the last token flatters anyone.
const tokensPerSet = 16

// setup is what a contender is built for: an algorithm with its keys, and a size of claims.
type setup struct {
	alg  string // HS256, RS256, ES256 or EdDSA
	size int    // members of the claims: 3, 8 or 40
	keys *keys
	born time.Time // when the claims say that they were issued
}

// keys is the key material of a run.
type keys struct {
	secret []byte
	rsa    *rsa.PrivateKey // 2048 bits
	ecdsa  *ecdsa.PrivateKey
	ed     ed25519.PrivateKey
	public ed25519.PublicKey // of ed
}

func newKeys() (*keys, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &keys{secret: secret, rsa: rsaKey, ecdsa: ecdsaKey, ed: edKey, public: edPublic}, nil
}

// signKey is the key as most libraries want it for signing.
func (s setup) signKey() any {
	switch s.alg {
	case "RS256":
		return s.keys.rsa
	case "ES256":
		return s.keys.ecdsa
	case "EdDSA":
		return s.keys.ed
	}
	return s.keys.secret
}

// verifyKey is the key as most libraries want it for verifying.
func (s setup) verifyKey() any {
	switch s.alg {
	case "RS256":
		return &s.keys.rsa.PublicKey
	case "ES256":
		return &s.keys.ecdsa.PublicKey
	case "EdDSA":
		return s.keys.public
	}
	return s.keys.secret
}

// registered are the first claims of a token. With 3 members only those that every check needs are there: a
// service's token, whose caller is its issuer. With 8 and 40, all six.
type registered struct {
	Issuer   string `json:"iss,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud,omitempty"`
	Expires  int64  `json:"exp,omitempty"`
	IssuedAt int64  `json:"iat,omitempty"`
	ID       string `json:"jti,omitempty"`
}

// private are the two private claims of the tokens with 8 members.
type private struct {
	Tenant string   `json:"tenant"`
	Roles  []string `json:"roles"`
}

// extra are 32 more private claims.
type extra struct {
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Locale        string   `json:"locale"`
	Zone          string   `json:"zoneinfo"`
	Picture       string   `json:"picture"`
	Plan          string   `json:"plan"`
	Region        string   `json:"region"`
	Organization  string   `json:"org_id"`
	Team          string   `json:"team_id"`
	Device        string   `json:"device_id"`
	Client        string   `json:"client_id"`
	State         string   `json:"session_state"`
	Nickname      string   `json:"nickname"`
	Quota         int      `json:"quota"`
	Seats         int      `json:"seats"`
	Version       int      `json:"version"`
	Shard         int      `json:"shard"`
	UpdatedAt     int64    `json:"updated_at"`
	Logins        int      `json:"login_count"`
	StorageMB     int      `json:"storage_mb"`
	RateLimit     int      `json:"rate_limit"`
	Latitude      float64  `json:"latitude"`
	Longitude     float64  `json:"longitude"`
	Discount      float64  `json:"discount"`
	Risk          float64  `json:"risk"`
	MFA           bool     `json:"mfa"`
	Trial         bool     `json:"trial"`
	Internal      bool     `json:"internal"`
	Groups        []string `json:"groups"`
	Features      []string `json:"features"`
	Methods       []string `json:"amr"`
	Regions       []string `json:"regions"`
}

// private40 are the private claims of the tokens with 40 members.
type private40 struct {
	private
	extra
}

// claims are the claims of token number n of the setup.
func (s setup) claims(n int) (registered, private, extra) {
	reg := registered{Issuer: issuer, Audience: audience, Expires: s.born.Add(24 * time.Hour).Unix()}
	if s.size == 3 {
		reg.Expires += int64(n) // so that the tokens differ
		return reg, private{}, extra{}
	}
	reg.Subject = fmt.Sprintf("user-%05d", n)
	reg.IssuedAt = s.born.Unix()
	id := sha256.Sum256(fmt.Append(nil, "token", n))
	reg.ID = base64.RawURLEncoding.EncodeToString(id[:16])
	priv := private{Tenant: fmt.Sprintf("tenant-%d", n%7), Roles: []string{"reader", "editor"}}
	if s.size == 8 {
		return reg, priv, extra{}
	}
	return reg, priv, extra{
		Email: fmt.Sprintf("user-%05d@example.com", n), EmailVerified: true, Locale: "de-CH", Zone: "Europe/Zurich",
		Picture: "https://static.example.com/avatars/0c9d2f.png", Plan: "business", Region: "eu-central",
		Organization: "org_01J9ZQ2V7M", Team: "team_7K3", Device: "dev_5f0e1c77a2", Client: "web",
		State: "b2c6f6c4-1f57-4a57-9f6b-0f7a3a9d7a11", Nickname: "größte Ähre", Quota: 5000, Seats: 25, Version: 3,
		Shard: n, UpdatedAt: 1760000000, Logins: 812, StorageMB: 20480, RateLimit: 600, Latitude: 47.3769,
		Longitude: 8.5417, Discount: 0.15, Risk: 0.02, MFA: true, Trial: false, Internal: false,
		Groups: []string{"staff", "beta", "ops"}, Features: []string{"export", "audit", "sso"},
		Methods: []string{"pwd", "otp"}, Regions: []string{"eu", "us"},
	}
}

// claimsMap are the same claims for the libraries that take maps.
func (s setup) claimsMap(n int) (map[string]any, error) {
	payload, err := s.payload(n)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(payload, &m); err != nil {
		return nil, err
	}
	for name, value := range m {
		if number, ok := value.(float64); ok && number == float64(int64(number)) {
			m[name] = int64(number)
		}
	}
	return m, nil
}

// payload is the JSON of token number n.
func (s setup) payload(n int) ([]byte, error) {
	reg, priv, ext := s.claims(n)
	var value any
	switch s.size {
	case 3:
		value = reg
	case 8:
		value = struct {
			registered
			private
		}{reg, priv}
	default:
		value = struct {
			registered
			private40
		}{reg, private40{priv, ext}}
	}
	return json.Marshal(value)
}

// caller is who a handler should find in token number n.
func (s setup) caller(n int) string {
	reg, _, _ := s.claims(n)
	if s.size == 3 {
		return reg.Issuer
	}
	return reg.Subject
}

// header is the header that most libraries write.
func (s setup) header() string { return `{"alg":"` + s.alg + `","typ":"JWT"}` }

// foreignHeader is another issuer's spelling of the same.
func (s setup) foreignHeader() string { return `{"typ":"JWT", "alg":"` + s.alg + `"}` }

// tokens are the tokens of a measurement.
func (s setup) tokens(header string) ([]string, error) {
	tokens := make([]string, tokensPerSet)
	for n := range tokens {
		payload, err := s.payload(n)
		if err != nil {
			return nil, err
		}
		if tokens[n], err = s.keys.mint(s.alg, header, payload); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// forge returns the tokens with another payload under the old signature: what an attacker would send to
// become an admin. Its signature is well formed, so that nobody can tell without the whole verification.
func (s setup) forge(tokens []string) ([]string, error) {
	forged := make([]string, len(tokens))
	for i, token := range tokens {
		part := strings.Split(token, ".")
		payload, err := base64.RawURLEncoding.DecodeString(part[1])
		if err != nil {
			return nil, err
		}
		altered := strings.Replace(string(payload), `"reader"`, `"admin "`, 1)
		if s.size == 3 {
			altered = strings.Replace(altered, `"exp":1`, `"exp":9`, 1)
		}
		part[1] = base64.RawURLEncoding.EncodeToString([]byte(altered))
		forged[i] = strings.Join(part, ".")
	}
	return forged, nil
}

// mint signs a token with the standard library alone, so that no contender verifies only what it wrote.
func (k *keys) mint(alg, header string, payload []byte) (string, error) {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := k.sign(alg, []byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func (k *keys) sign(alg string, input []byte) ([]byte, error) {
	switch alg {
	case "HS256":
		mac := hmac.New(sha256.New, k.secret)
		mac.Write(input)
		return mac.Sum(nil), nil
	case "HS512":
		mac := hmac.New(sha512.New, k.secret)
		mac.Write(input)
		return mac.Sum(nil), nil
	case "RS256":
		digest := sha256.Sum256(input)
		return rsa.SignPKCS1v15(nil, k.rsa, crypto.SHA256, digest[:])
	case "PS256":
		digest := sha256.Sum256(input)
		return rsa.SignPSS(rand.Reader, k.rsa, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES256":
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, k.ecdsa, digest[:])
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature, nil
	case "EdDSA":
		return ed25519.Sign(k.ed, input), nil
	case "none":
		return nil, nil
	}
	return nil, fmt.Errorf("signing with %s: %w", alg, errors.ErrUnsupported)
}

func unix(seconds int64) time.Time { return time.Unix(seconds, 0) }
