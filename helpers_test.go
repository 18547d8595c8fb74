package usher_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that tokens are signed with
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/golang-jwt/jwt/v5"
)

// tokNow is what the clock of these tests shows.
var tokNow = time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC)

const tokYear = 365 * 24 * time.Hour

func tokClock() time.Time { return tokNow }

// tokTime is a clock that can be set.
type tokTime struct{ nanos atomic.Int64 }

func tokTimeAt(t time.Time) *tokTime {
	c := new(tokTime)
	c.set(t)
	return c
}

func (c *tokTime) set(t time.Time) { c.nanos.Store(t.UnixNano()) }

func (c *tokTime) now() time.Time { return time.Unix(0, c.nanos.Load()).UTC() }

// The keys of these tests. All HMAC secrets have 64 bytes, enough for each algorithm.
var (
	tokSecret      = []byte(strings.Repeat("a secret for tests", 4)[:64])
	tokOtherSecret = []byte(strings.Repeat("some other secret ", 4)[:64])

	tokRSA = sync.OnceValue(func() *rsa.PrivateKey { return usher.Must(rsa.GenerateKey(rand.Reader, 2048)) })
	tokEd  = sync.OnceValue(func() ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed([]byte(strings.Repeat("seed", 8)))
	})
	tokP256 = sync.OnceValue(func() *ecdsa.PrivateKey { return usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	tokP384 = sync.OnceValue(func() *ecdsa.PrivateKey { return usher.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	tokP521 = sync.OnceValue(func() *ecdsa.PrivateKey { return usher.Must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
)

// tokAlgorithms are all that usher supports.
var tokAlgorithms = []usher.Algorithm{
	usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384, usher.PS512,
	usher.ES256, usher.ES384, usher.ES512, usher.Ed25519, usher.EdDSA,
}

// tokMaterial returns what the tests sign alg's tokens with.
func tokMaterial(alg usher.Algorithm) any {
	switch alg {
	case usher.HS256, usher.HS384, usher.HS512:
		return tokSecret
	case usher.ES256:
		return tokP256()
	case usher.ES384:
		return tokP384()
	case usher.ES512:
		return tokP521()
	case usher.Ed25519, usher.EdDSA:
		return tokEd()
	default:
		return tokRSA()
	}
}

// tokKey returns the usher key of tokMaterial.
func tokKey(tb testing.TB, alg usher.Algorithm) usher.Key {
	tb.Helper()
	var key usher.Key
	var err error
	switch material := tokMaterial(alg).(type) {
	case []byte:
		key, err = usher.NewKey(alg, material)
	case *rsa.PrivateKey:
		key, err = usher.NewKey(alg, material)
	case *ecdsa.PrivateKey:
		key, err = usher.NewKey(alg, material)
	case ed25519.PrivateKey:
		key, err = usher.NewKey(alg, material)
	}
	if err != nil {
		tb.Fatalf("NewKey(%s): %v", alg, err)
	}
	return key
}

// tokHMAC returns an HS256 key.
func tokHMAC(tb testing.TB, secret []byte, id string) usher.Key {
	tb.Helper()
	key, err := usher.NewKey(usher.HS256, secret)
	if err != nil {
		tb.Fatal(err)
	}
	return key.WithID(id)
}

// tokNumberedSecret returns a secret of its own for every i.
func tokNumberedSecret(i int) []byte { return fmt.Appendf(nil, "secret number %050d", i) }

// tokHash returns the hash of an algorithm's name.
func tokHash(alg string) crypto.Hash {
	return map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
}

// tokSign signs as RFC 7518 §3 and RFC 8037 §3.1 say, independently of what is tested.
func tokSign(alg string, material any, input string) []byte {
	if alg == "Ed25519" || alg == "EdDSA" {
		return ed25519.Sign(material.(ed25519.PrivateKey), []byte(input))
	}
	hash := tokHash(alg)
	if alg[:2] == "HS" {
		mac := hmac.New(hash.New, material.([]byte))
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
	h := hash.New()
	h.Write([]byte(input))
	digest := h.Sum(nil)
	switch alg[:2] {
	case "RS":
		return usher.Must(rsa.SignPKCS1v15(rand.Reader, material.(*rsa.PrivateKey), hash, digest))
	case "PS":
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return usher.Must(rsa.SignPSS(rand.Reader, material.(*rsa.PrivateKey), hash, digest, options))
	}
	key := material.(*ecdsa.PrivateKey)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		panic(err)
	}
	size := (key.Params().BitSize + 7) / 8
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return signature
}

func tokB64[T string | []byte](text T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// tokJoin signs header and payload, both as they are, with material.
func tokJoin(alg string, material any, header, payload string) string {
	input := tokB64(header) + "." + tokB64(payload)
	return input + "." + tokB64(tokSign(alg, material, input))
}

// tokObject is a JSON object whose values are JSON texts.
type tokObject map[string]string

// with returns a copy in which name has the JSON text value, or is missing for "".
func (o tokObject) with(name, value string) tokObject {
	o = maps.Clone(o)
	o[name] = value
	if value == "" {
		delete(o, name)
	}
	return o
}

func (o tokObject) String() string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		members = append(members, fmt.Sprintf("%q:%s", name, o[name]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// tokHeader and tokPayload are of a token that a decoder without options accepts.
func tokHeader() tokObject { return tokObject{"alg": `"HS256"`, "typ": `"JWT"`} }

func tokPayload() tokObject { return tokObject{"sub": `"42"`, "exp": tokSeconds(time.Hour)} }

// tokSeconds is a date as JSON.
func tokSeconds(fromNow time.Duration) string { return fmt.Sprint(tokNow.Add(fromNow).Unix()) }

// tokHS256 signs with tokSecret.
func tokHS256(payload fmt.Stringer) string {
	return tokJoin("HS256", tokSecret, tokHeader().String(), payload.String())
}

// tokText is a payload or header as it is.
type tokText string

func (t tokText) String() string { return string(t) }

// tokUser is a claims type such as services have.
type tokUser struct {
	usher.Claims
	Role  string   `json:"role,omitempty"`
	Teams []string `json:"teams,omitempty"`
}

// tokDecoder returns a decoder; its clock is tokClock unless there is another.
func tokDecoder[C any, P usher.EmbedsClaims[C]](tb testing.TB, keys usher.KeySource, opts usher.DecoderOptions) *usher.Decoder[C] {
	tb.Helper()
	if opts.Now == nil {
		opts.Now = tokClock
	}
	d, err := usher.NewDecoder[C, P](keys, &opts)
	if err != nil {
		tb.Fatalf("NewDecoder: %v", err)
	}
	return d
}

// tokEncoder returns an encoder; its clock is tokClock unless there is another.
func tokEncoder[C any, P usher.EmbedsClaims[C]](tb testing.TB, keys usher.SigningKeys, opts usher.EncoderOptions) *usher.Encoder[C] {
	tb.Helper()
	if opts.Now == nil {
		opts.Now = tokClock
	}
	e, err := usher.NewEncoder[C, P](keys, &opts)
	if err != nil {
		tb.Fatalf("NewEncoder: %v", err)
	}
	return e
}

// tokOpen returns header and payload of a token, as they are.
func tokOpen(tb testing.TB, token string) (header, payload string) {
	tb.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		tb.Fatalf("a token of %d segments: %q", len(parts), token)
	}
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			tb.Fatalf("segment %q: %v", part, err)
		}
	}
	h, _ := base64.RawURLEncoding.DecodeString(parts[0])
	p, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return string(h), string(p)
}

// tokMembers returns the members of a JSON object.
func tokMembers(tb testing.TB, text string) map[string]any {
	tb.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return members
}

// tokKinds are the errors that say why a token was refused, each with golang-jwt's for the same.
var tokKinds = []struct {
	err error
	jwt []error
}{
	{usher.ErrTokenMalformed, []error{jwt.ErrTokenMalformed}},
	{usher.ErrTokenSignature, []error{jwt.ErrTokenSignatureInvalid}},
	{usher.ErrTokenExpired, []error{jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims}},
	{usher.ErrTokenNotYetValid, []error{jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidClaims}},
	{usher.ErrTokenIssuer, []error{jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidClaims}},
	{usher.ErrTokenAudience, []error{jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidClaims}},
	{usher.ErrTokenClaims, []error{jwt.ErrTokenInvalidClaims}},
	{usher.ErrTokenType, []error{jwt.ErrTokenInvalidClaims}},
	{usher.ErrTokenTooLarge, []error{jwt.ErrTokenMalformed}},
	{usher.ErrTokenRevoked, []error{jwt.ErrTokenInvalidClaims}},
	{usher.ErrUnknownKey, []error{jwt.ErrTokenUnverifiable}},
}

// tokDetails are errors of golang-jwt that only some refusals of a kind are; TestErrorsAreGolangJWTsForTheSameFault says which.
var tokDetails = []error{jwt.ErrTokenRequiredClaimMissing, jwt.ErrInvalidType, jwt.ErrTokenUsedBeforeIssued}

// tokOtherErrors are what no refusal of a token is.
var tokOtherErrors = []error{
	usher.ErrNoToken, usher.ErrManyTokens, usher.ErrNoUser, usher.ErrForbidden, usher.ErrUnavailable,
	usher.ErrPasswordMismatch, usher.ErrPasswordTooLong, usher.ErrPasswordTooShort, usher.ErrPasswordInvalid, usher.ErrBadHash,
}

var tokJWTErrors = []error{
	jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid,
	jwt.ErrTokenInvalidAudience, jwt.ErrTokenExpired, jwt.ErrTokenInvalidIssuer,
	jwt.ErrTokenInvalidSubject, jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidId, jwt.ErrTokenInvalidClaims,
}

// tokCheckKind fails unless err is of the one kind want (nil for no error), is golang-jwt's errors for it, and is
// of no other kind.
func tokCheckKind(tb testing.TB, err, want error) {
	tb.Helper()
	if want == nil {
		if err != nil {
			tb.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil {
		tb.Errorf("accepted, want %v", want)
		return
	}
	if !errors.Is(err, usher.ErrInvalidToken) {
		tb.Errorf("%q is no ErrInvalidToken", err)
	}
	var wantJWT []error
	for _, kind := range tokKinds {
		if is := errors.Is(err, kind.err); is != (kind.err == want) {
			tb.Errorf("%q: is %q: %v, want %q", err, kind.err, is, want)
		}
		if kind.err == want {
			wantJWT = kind.jwt
		}
	}
	for _, other := range tokJWTErrors {
		if is := errors.Is(err, other); is != slices.Contains(wantJWT, other) {
			tb.Errorf("%q: is golang-jwt's %q: %v, want %q", err, other, is, wantJWT)
		}
	}
	for _, other := range tokOtherErrors {
		if errors.Is(err, other) {
			tb.Errorf("%q is also %q", err, other)
		}
	}
}

// tokCheckDecode decodes, checks the kind of error, and that an error comes alone.
func tokCheckDecode[C any](tb testing.TB, v usher.Verifier[C], token string, want error) *C {
	tb.Helper()
	c, err := v.Decode(tb.Context(), token)
	tokCheckKind(tb, err, want)
	if (c == nil) != (err != nil) {
		tb.Errorf("claims %v with error %v", c, err)
	}
	if err != nil {
		for segment := range strings.SplitSeq(token, ".") {
			if len(segment) > 8 && strings.Contains(err.Error(), segment) {
				tb.Errorf("the error quotes a segment: %q", err)
			}
		}
		if len(err.Error()) > 1024 {
			tb.Errorf("the error's text has %d bytes", len(err.Error()))
		}
	}
	return c
}

// tokConfigErrors returns the ConfigErrors that err joins.
func tokConfigErrors(tb testing.TB, err error) []*usher.ConfigError {
	tb.Helper()
	var mistakes []*usher.ConfigError
	var walk func(error)
	walk = func(err error) {
		if mistake, ok := err.(*usher.ConfigError); ok { //nolint:errorlint // the tree is walked by hand
			mistakes = append(mistakes, mistake)
			return
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				walk(e)
			}
			return
		}
		tb.Errorf("%v (%T) is no ConfigError", err, err)
	}
	if err != nil {
		walk(err)
	}
	return mistakes
}

// tokWantConfig fails unless err is exactly one ConfigError for a field of this name, with all texts in it.
func tokWantConfig(tb testing.TB, err error, field string, texts ...string) {
	tb.Helper()
	mistakes := tokConfigErrors(tb, err)
	if len(mistakes) != 1 {
		tb.Errorf("%d mistakes instead of one: %v", len(mistakes), err)
		return
	}
	var found *usher.ConfigError
	if !errors.As(err, &found) || found.Field != field || found.Reason == "" {
		tb.Errorf("a ConfigError for %q, want %q: %v", found.Field, field, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			tb.Errorf("%q does not say %q", err, text)
		}
	}
}

// tokSource is a KeySource and SigningKeys that does what it is told, and counts.
type tokSource struct {
	keys  func(ctx context.Context, kid string) ([]usher.Key, error)
	calls atomic.Int64
}

func tokFixed(keys ...usher.Key) *tokSource {
	return &tokSource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, nil }}
}

func (s *tokSource) VerificationKeys(ctx context.Context, kid string) ([]usher.Key, error) {
	s.calls.Add(1)
	return s.keys(ctx, kid)
}

func (s *tokSource) SigningKey(ctx context.Context) (usher.Key, error) {
	s.calls.Add(1)
	keys, err := s.keys(ctx, "")
	if err != nil || len(keys) == 0 {
		return usher.Key{}, err
	}
	return keys[0], nil
}

// tokJSON returns text as JSON.
func tokJSON(text string) (string, error) {
	b, err := json.Marshal(text)
	return string(b), err
}
