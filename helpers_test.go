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

// testNow is what the clock of these tests shows.
var testNow = time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC)

const oneYear = 365 * 24 * time.Hour

func testClock() time.Time { return testNow }

// settableClock is a clock that can be set.
type settableClock struct{ nanos atomic.Int64 }

func clockAt(t time.Time) *settableClock {
	c := new(settableClock)
	c.set(t)
	return c
}

func (c *settableClock) set(t time.Time) { c.nanos.Store(t.UnixNano()) }

func (c *settableClock) now() time.Time { return time.Unix(0, c.nanos.Load()).UTC() }

// The keys of these tests. All HMAC secrets have 64 bytes, enough for each algorithm.
var (
	testSecret  = []byte(strings.Repeat("a secret for tests", 4)[:64])
	otherSecret = []byte(strings.Repeat("some other secret ", 4)[:64])

	rsaKey2048 = sync.OnceValue(func() *rsa.PrivateKey { return usher.Must(rsa.GenerateKey(rand.Reader, 2048)) })
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed([]byte(strings.Repeat("seed", 8)))
	})
	p256Key = sync.OnceValue(func() *ecdsa.PrivateKey { return usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key = sync.OnceValue(func() *ecdsa.PrivateKey { return usher.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521Key = sync.OnceValue(func() *ecdsa.PrivateKey { return usher.Must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
)

// allAlgorithms are all that usher supports.
var allAlgorithms = []usher.Algorithm{
	usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384, usher.PS512,
	usher.ES256, usher.ES384, usher.ES512, usher.Ed25519, usher.EdDSA,
}

// materialOf returns what the tests sign alg's tokens with.
func materialOf(alg usher.Algorithm) any {
	switch alg {
	case usher.HS256, usher.HS384, usher.HS512:
		return testSecret
	case usher.ES256:
		return p256Key()
	case usher.ES384:
		return p384Key()
	case usher.ES512:
		return p521Key()
	case usher.Ed25519, usher.EdDSA:
		return ed25519Key()
	default:
		return rsaKey2048()
	}
}

// testKey returns the usher key of materialOf.
func testKey(tb testing.TB, alg usher.Algorithm) usher.Key {
	tb.Helper()
	var key usher.Key
	var err error
	switch material := materialOf(alg).(type) {
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

// hmacKey returns an HS256 key.
func hmacKey(tb testing.TB, secret []byte, id string) usher.Key {
	tb.Helper()
	key, err := usher.NewKey(usher.HS256, secret)
	if err != nil {
		tb.Fatal(err)
	}
	return key.WithID(id)
}

// numberedSecret returns a secret of its own for every i.
func numberedSecret(i int) []byte { return fmt.Appendf(nil, "secret number %050d", i) }

// hashOf returns the hash of an algorithm's name.
func hashOf(alg string) crypto.Hash {
	return map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
}

// signBytes signs as RFC 7518 §3 and RFC 8037 §3.1 say, independently of what is tested.
func signBytes(alg string, material any, input string) []byte {
	if alg == "Ed25519" || alg == "EdDSA" {
		return ed25519.Sign(material.(ed25519.PrivateKey), []byte(input))
	}
	hash := hashOf(alg)
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

func base64Of[T string | []byte](text T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// signToken signs header and payload, both as they are, with material.
func signToken(alg string, material any, header, payload string) string {
	input := base64Of(header) + "." + base64Of(payload)
	return input + "." + base64Of(signBytes(alg, material, input))
}

// jsonObject is a JSON object whose values are JSON texts.
type jsonObject map[string]string

// with returns a copy in which name has the JSON text value, or is missing for "".
func (o jsonObject) with(name, value string) jsonObject {
	o = maps.Clone(o)
	o[name] = value
	if value == "" {
		delete(o, name)
	}
	return o
}

func (o jsonObject) String() string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		members = append(members, fmt.Sprintf("%q:%s", name, o[name]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// goodHeader and goodPayload are of a token that a decoder without options accepts.
func goodHeader() jsonObject { return jsonObject{"alg": `"HS256"`, "typ": `"JWT"`} }

func goodPayload() jsonObject { return jsonObject{"sub": `"42"`, "exp": secondsFromNow(time.Hour)} }

// secondsFromNow is a date as JSON.
func secondsFromNow(fromNow time.Duration) string { return fmt.Sprint(testNow.Add(fromNow).Unix()) }

// signHS256 signs with testSecret.
func signHS256(payload fmt.Stringer) string {
	return signToken("HS256", testSecret, goodHeader().String(), payload.String())
}

// jsonText is a payload or header as it is.
type jsonText string

func (t jsonText) String() string { return string(t) }

// userClaims is a claims type such as services have.
type userClaims struct {
	usher.Claims
	Role  string   `json:"role,omitempty"`
	Teams []string `json:"teams,omitempty"`
}

// newDecoder returns a decoder; its clock is testClock unless there is another.
func newDecoder[C any, P usher.EmbedsClaims[C]](tb testing.TB, keys usher.KeySource, opts usher.DecoderOptions) *usher.Decoder[C] {
	tb.Helper()
	if opts.Now == nil {
		opts.Now = testClock
	}
	d, err := usher.NewDecoder[C, P](keys, &opts)
	if err != nil {
		tb.Fatalf("NewDecoder: %v", err)
	}
	return d
}

// newEncoder returns an encoder; its clock is testClock unless there is another.
func newEncoder[C any, P usher.EmbedsClaims[C]](tb testing.TB, keys usher.SigningKeys, opts usher.EncoderOptions) *usher.Encoder[C] {
	tb.Helper()
	if opts.Now == nil {
		opts.Now = testClock
	}
	e, err := usher.NewEncoder[C, P](keys, &opts)
	if err != nil {
		tb.Fatalf("NewEncoder: %v", err)
	}
	return e
}

// openToken returns header and payload of a token, as they are.
func openToken(tb testing.TB, token string) (header, payload string) {
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

// membersOf returns the members of a JSON object.
func membersOf(tb testing.TB, text string) map[string]any {
	tb.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return members
}

// errorKinds are the errors that say why a token was refused, each with golang-jwt's for the same.
var errorKinds = []struct {
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

// detailErrors are errors of golang-jwt that only some refusals of a kind are; TestErrorsAreGolangJWTsForTheSameFault says which.
var detailErrors = []error{jwt.ErrTokenRequiredClaimMissing, jwt.ErrInvalidType, jwt.ErrTokenUsedBeforeIssued}

// otherErrors are what no refusal of a token is.
var otherErrors = []error{
	usher.ErrNoToken, usher.ErrManyTokens, usher.ErrNoUser, usher.ErrForbidden, usher.ErrUnavailable,
	usher.ErrPasswordMismatch, usher.ErrPasswordTooLong, usher.ErrPasswordTooShort, usher.ErrPasswordInvalid, usher.ErrBadHash,
}

var golangJWTErrors = []error{
	jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid,
	jwt.ErrTokenInvalidAudience, jwt.ErrTokenExpired, jwt.ErrTokenInvalidIssuer,
	jwt.ErrTokenInvalidSubject, jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidId, jwt.ErrTokenInvalidClaims,
}

// checkKind fails unless err is of the one kind want (nil for no error), is golang-jwt's errors for it, and is
// of no other kind.
func checkKind(tb testing.TB, err, want error) {
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
	for _, kind := range errorKinds {
		if is := errors.Is(err, kind.err); is != (kind.err == want) {
			tb.Errorf("%q: is %q: %v, want %q", err, kind.err, is, want)
		}
		if kind.err == want {
			wantJWT = kind.jwt
		}
	}
	for _, other := range golangJWTErrors {
		if is := errors.Is(err, other); is != slices.Contains(wantJWT, other) {
			tb.Errorf("%q: is golang-jwt's %q: %v, want %q", err, other, is, wantJWT)
		}
	}
	for _, other := range otherErrors {
		if errors.Is(err, other) {
			tb.Errorf("%q is also %q", err, other)
		}
	}
}

// checkDecode decodes, checks the kind of error, and that an error comes alone.
func checkDecode[C any](tb testing.TB, v usher.Verifier[C], token string, want error) *C {
	tb.Helper()
	c, err := v.Decode(tb.Context(), token)
	checkKind(tb, err, want)
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

// configErrors returns the ConfigErrors that err joins.
func configErrors(tb testing.TB, err error) []*usher.ConfigError {
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

// wantConfigError fails unless err is exactly one ConfigError for a field of this name, with all texts in it.
func wantConfigError(tb testing.TB, err error, field string, texts ...string) {
	tb.Helper()
	mistakes := configErrors(tb, err)
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

// fakeKeySource is a KeySource and SigningKeys that does what it is told, and counts.
type fakeKeySource struct {
	keys  func(ctx context.Context, kid string) ([]usher.Key, error)
	calls atomic.Int64
}

func fixedKeys(keys ...usher.Key) *fakeKeySource {
	return &fakeKeySource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, nil }}
}

func (s *fakeKeySource) VerificationKeys(ctx context.Context, kid string) ([]usher.Key, error) {
	s.calls.Add(1)
	return s.keys(ctx, kid)
}

func (s *fakeKeySource) SigningKey(ctx context.Context) (usher.Key, error) {
	s.calls.Add(1)
	keys, err := s.keys(ctx, "")
	if err != nil || len(keys) == 0 {
		return usher.Key{}, err
	}
	return keys[0], nil
}

// canonicalJSON returns text as JSON.
func canonicalJSON(text string) (string, error) {
	b, err := json.Marshal(text)
	return string(b), err
}
