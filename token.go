package usher

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/strictjson"
	"github.com/go-usher/usher/internal/tokencache"
)

// EncoderOptions are the options of [NewEncoder]; nil means the defaults.
type EncoderOptions struct {
	// Issuer is the iss of tokens whose claims set none.
	Issuer string
	// Audience is the aud of tokens whose claims set none.
	Audience Audience
	// TTL is the lifetime of tokens: a second or more, 15 minutes by default.
	TTL time.Duration
	// NotBefore also sets nbf, to the same time as iat.
	NotBefore bool
	// Type is the header's typ, "JWT" by default. OAuth access tokens have "at+jwt" (RFC 9068 §2.1).
	Type string
	// SubjectClaim is the name of the claim that holds the subject, "sub" by default. Some older verifiers expect
	// "user_id" or "identity".
	SubjectClaim string
	// MaxSize is the maximum size of a token in bytes. The default is 8 KiB, the same as the decoder's.
	MaxSize int
	// AllowNoSubject allows tokens without a subject.
	AllowNoSubject bool
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Encoder issues tokens with claims of type C. Create it with [NewEncoder]. It is safe for concurrent use.
type Encoder[C any] struct {
	keys         SigningKeys
	opts         EncoderOptions
	format       *payloadFormat
	subjectLabel string // for payloadFormat.append
	claims       func(*C) *Claims
	validate     func(*C) error
	scratch      sync.Pool
}

// scratch holds reusable buffers for encoding a token.
type scratch struct {
	decoded []byte // the claims, then the signature
	encoded []byte // the token
}

// NewEncoder returns an encoder that signs with keys. It reports all mistakes in the options, the claims type C and a fixed
// key at once: each is a [ConfigError], joined with errors.Join.
func NewEncoder[C any, P EmbedsClaims[C]](keys SigningKeys, opts *EncoderOptions) (*Encoder[C], error) {
	var wrong configErrors
	e := &Encoder[C]{keys: keys, claims: embedded[C, P], validate: validator[C]()}
	e.scratch.New = func() any { return new(scratch) }
	if opts != nil {
		e.opts = *opts
	}
	e.opts.setDefaults()
	e.opts.check(&wrong)
	e.keys = checkSigningKeys(&wrong, keys)
	e.format = newPayloadFormat[C](&wrong)
	if e.format.owned["jti"] {
		wrong.add("claims type "+reflect.TypeFor[C]().String(), "has its own field for jti, so issued tokens would have no id; use Claims.ID instead")
	}
	checkSubjectClaim(&wrong, "EncoderOptions.SubjectClaim", e.opts.SubjectClaim, e.format)
	label, _ := strictjson.AppendString(nil, e.opts.SubjectClaim)
	e.subjectLabel = string(label) + ":"
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return e, nil
}

func (o *EncoderOptions) setDefaults() {
	o.Audience = slices.Clone(o.Audience)
	o.TTL = cmp.Or(o.TTL, 15*time.Minute)
	o.Type = cmp.Or(o.Type, "JWT")
	o.SubjectClaim = cmp.Or(o.SubjectClaim, defaultSubjectClaim)
	o.MaxSize = cmp.Or(o.MaxSize, defaultMaxSize)
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (o *EncoderOptions) check(wrong *configErrors) {
	if o.TTL < time.Second {
		wrong.add("EncoderOptions.TTL", "is %v, but must be a second or more; durations have a unit, as in 15*time.Minute", o.TTL)
	}
	checkMaxSize(wrong, "EncoderOptions.MaxSize", o.MaxSize)
	checkName(wrong, "EncoderOptions.Issuer", o.Issuer)
	checkAudience(wrong, "EncoderOptions.Audience", o.Audience)
	checkType(wrong, "EncoderOptions.Type", o.Type)
}

// Encode returns a signed token with these claims. It sets absent iss, aud, exp, iat and jti as [Encoder.Fill] does. If
// C has a Validate method, Encode calls it. It does not check that exp is in the future.
//
// The error is ErrTokenClaims if the subject is missing and AllowNoSubject is not set, if the claims have no JSON form,
// or if Validate returns an error. It is ErrTokenTooLarge if the token exceeds MaxSize, and a [ConfigError] if the key
// can't sign. Errors of keys are returned unchanged.
func (e *Encoder[C]) Encode(ctx context.Context, claims C) (string, error) {
	if e == nil || e.keys == nil {
		return "", &ConfigError{"Encoder", "was not made by NewEncoder"}
	}
	registered := e.Fill(&claims)
	if registered.Subject == "" && !e.opts.AllowNoSubject {
		return "", fmt.Errorf("%w: sub is missing; set Subject, the user's id, or EncoderOptions.AllowNoSubject", ErrTokenClaims)
	}
	if err := e.validate(&claims); err != nil {
		return "", err
	}
	key, err := e.keys.SigningKey(ctx)
	if err != nil {
		return "", err
	}
	if reason := key.unfitToSign(); reason != "" {
		return "", &ConfigError{"key", reason}
	}

	s, _ := e.scratch.Get().(*scratch)
	defer e.scratch.Put(s)
	if s.decoded, err = e.format.append(s.decoded[:0], registered, reflect.ValueOf(&claims).Elem(), e.subjectLabel); err != nil {
		return "", err
	}
	token := appendHeader(s.encoded[:0], key, e.opts.Type)
	token = append(token, '.')
	token = base64url.AppendEncode(token, s.decoded)
	if s.decoded, err = key.sign.sign(s.decoded[:0], token); err != nil {
		return "", err
	}
	token = append(token, '.')
	s.encoded = base64url.AppendEncode(token, s.decoded)
	if len(s.encoded) > e.opts.MaxSize {
		return "", tooLarge(len(s.encoded), e.opts.MaxSize, "EncoderOptions.MaxSize")
	}
	return string(s.encoded), nil
}

// Fill sets absent iss, aud, exp, iat and jti, and an absent nbf if NotBefore is set. It returns the [Claims] embedded
// in claims, or nil if claims is nil. Call it before Encode to read these values or to change them. Dates are whole
// seconds. Fill rounds iat down and exp up, so a token is valid for at least its TTL.
func (e *Encoder[C]) Fill(claims *C) *Claims {
	if claims == nil || e == nil || e.keys == nil {
		return nil
	}
	c := e.claims(claims)
	now := e.opts.Now()
	c.Issuer = cmp.Or(c.Issuer, e.opts.Issuer)
	if len(c.Audience) == 0 {
		c.Audience = slices.Clone(e.opts.Audience)
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = NewNumericDate(now)
	}
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = NewNumericDate(now.Add(e.opts.TTL + time.Second - 1))
	}
	if c.NotBefore.IsZero() && e.opts.NotBefore {
		c.NotBefore = c.IssuedAt
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	return c
}

// TTL returns the lifetime of tokens whose claims set no exp. It is the expires_in of a token response (RFC 6749 §5.1).
func (e *Encoder[C]) TTL() time.Duration {
	if e == nil {
		return 0
	}
	return e.opts.TTL
}

// DecoderOptions are the options of [NewDecoder]; nil means the defaults.
type DecoderOptions struct {
	// Issuer, if set, is the required iss.
	Issuer string
	// Audience, if set, lists the accepted audiences: aud must contain at least one of them. If not set, every token
	// with an aud is refused, because it was issued for another service.
	Audience Audience
	// Leeway is the tolerated difference between clocks: from a millisecond to 5 minutes, 0 by default.
	Leeway time.Duration
	// MaxAge, if set, is the maximum time since iat: a second or more. Tokens without iat or with an iat in the future
	// are then refused.
	MaxAge time.Duration
	// Type, if set, is the required typ of the header. If not set, typ must be JWT or at+jwt, or absent. Types are
	// compared as media types: ASCII case is ignored, and so is a leading application/ if no other slash follows (RFC
	// 7515 §4.1.9).
	Type string
	// SubjectClaim is the name of the claim that holds the subject, "sub" by default. Flask-JWT calls it "identity".
	// The name must not be that of another registered claim or of a field of C.
	SubjectClaim string
	// MaxSize is the maximum size of a token in bytes, 8 KiB by default.
	MaxSize int
	// CacheSize is the number of verified tokens to cache. The signature of a cached token is not verified again; its
	// key, its dates and Validate are still checked each time. The cache takes at most CacheSize × 2 KiB. By default
	// nothing is cached.
	CacheSize int
	// AllowNoSubject accepts tokens without a subject.
	AllowNoSubject bool
	// AllowNumericSubject reads "sub": 42 as "42". PyJWT before 2.10 issued such tokens.
	AllowNumericSubject bool
	// DangerouslyAllowNoExpiry accepts tokens without exp, which never expire.
	DangerouslyAllowNoExpiry bool
	// DangerouslyAllowAnyAudience accepts tokens with an aud although Audience is not set. They may have been issued for
	// another service.
	DangerouslyAllowAnyAudience bool
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

const (
	defaultMaxSize      = 8 << 10 // bytes of a token
	leastMaxSize        = 64      // no token is smaller
	defaultSubjectClaim = "sub"
)

// Verifier verifies tokens for a [Middleware]. [*Decoder] is one.
type Verifier[C any] interface {
	// Decode verifies a token and returns its claims. On failure it returns nil and an error: ErrInvalidToken if the
	// token is invalid, ErrUnavailable if it can't be verified now. Decode must be safe for concurrent use.
	Decode(ctx context.Context, token string) (*C, error)
}

// Decoder verifies tokens and decodes their claims into a C. Create it with [NewDecoder]. It is safe for concurrent use.
type Decoder[C any] struct {
	checks
	format   *payloadFormat
	claims   func(*C) *Claims
	validate func(*C) error
	cache    *tokencache.Cache[cachedToken] // nil if CacheSize is 0
}

// checks is the part of a Decoder that does not depend on the claims type. It is compiled only once.
type checks struct {
	keys    KeySource
	opts    DecoderOptions
	headers headers
}

// NewDecoder returns a decoder that verifies with keys. It reports all mistakes in the options, the claims type C and a
// fixed set of keys at once: each is a [ConfigError], joined with errors.Join.
//
// C embeds [Claims]. Further fields of C decode other claims, by encoding/json's tags. A field of C may also take the
// place of Claims' own jti, sid, scope or auth_time; with a field for scope, C needs a method HasScope(scope string)
// bool. Unlike in encoding/json, names are case-sensitive: a field Role without a tag decodes "Role" but not "role". A
// field of type [Audience] decodes a string or an array of strings, for any claim.
//
// If C has a method Validate() error, Decode calls it. A Validate method of an embedded type is called if Go promotes
// it. The Validate method of a named field's type is not called; call it in C's Validate.
func NewDecoder[C any, P EmbedsClaims[C]](keys KeySource, opts *DecoderOptions) (*Decoder[C], error) {
	var wrong configErrors
	d := &Decoder[C]{claims: embedded[C, P], validate: validator[C]()}
	if opts != nil {
		d.opts = *opts
	}
	d.opts.setDefaults()
	d.opts.check(&wrong)
	d.keys = checkKeySource(&wrong, keys)
	d.format = newPayloadFormat[C](&wrong)
	checkSubjectClaim(&wrong, "DecoderOptions.SubjectClaim", d.opts.SubjectClaim, d.format)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	if d.opts.CacheSize > 0 {
		d.cache = tokencache.New(d.opts.CacheSize, cacheSlot, isSameVerification)
	}
	return d, nil
}

func (o *DecoderOptions) setDefaults() {
	o.Audience = slices.Clone(o.Audience)
	o.SubjectClaim = cmp.Or(o.SubjectClaim, defaultSubjectClaim)
	o.MaxSize = cmp.Or(o.MaxSize, defaultMaxSize)
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (o *DecoderOptions) check(wrong *configErrors) {
	if o.Leeway < 0 || o.Leeway > 5*time.Minute {
		wrong.add("DecoderOptions.Leeway", "is %v, but must be between 0 and 5 minutes", o.Leeway)
	}
	if o.Leeway > 0 && o.Leeway < time.Millisecond {
		wrong.add("DecoderOptions.Leeway", "is %v, but must be a millisecond or more; durations have a unit, as in 30*time.Second", o.Leeway)
	}
	if o.MaxAge < 0 {
		wrong.add("DecoderOptions.MaxAge", "is %v, but must not be negative", o.MaxAge)
	}
	checkUnit(wrong, "DecoderOptions.MaxAge", o.MaxAge)
	checkMaxSize(wrong, "DecoderOptions.MaxSize", o.MaxSize)
	if o.CacheSize < 0 {
		wrong.add("DecoderOptions.CacheSize", "is %d, but must not be negative", o.CacheSize)
	}
	checkName(wrong, "DecoderOptions.Issuer", o.Issuer)
	checkAudience(wrong, "DecoderOptions.Audience", o.Audience)
	if len(o.Audience) > 0 && o.DangerouslyAllowAnyAudience {
		wrong.add("DecoderOptions.DangerouslyAllowAnyAudience", "is set together with Audience; remove one of them")
	}
	if o.Type != "" {
		checkType(wrong, "DecoderOptions.Type", o.Type)
	}
}

// Decode verifies a token and returns its claims. It checks in this order, and reports the first failure:
//
//   - the size: ErrTokenTooLarge
//   - three base64url segments, and the header: ErrTokenMalformed
//   - the algorithm: ErrTokenSignature
//   - the key: ErrUnknownKey, or what the key source returns, such as ErrUnavailable
//   - the signature: ErrTokenSignature
//   - that the payload is one JSON object: ErrTokenMalformed
//   - the types of claims: ErrTokenClaims
//   - exp: ErrTokenExpired, or ErrTokenClaims if it is missing
//   - nbf: ErrTokenNotYetValid
//   - iat, if MaxAge is set: ErrTokenClaims if it is missing, ErrTokenNotYetValid, ErrTokenExpired
//   - iss: ErrTokenIssuer
//   - aud: ErrTokenAudience
//   - typ: ErrTokenType
//   - sub: ErrTokenClaims
//   - the claims' Validate method, if C has one: ErrTokenClaims, which wraps its error
//
// Each of these errors is also ErrInvalidToken and golang-jwt's error for the same fault. Errors of the key source are
// returned unchanged. If the signature is valid, a [*TokenError] in the chain says whose token it was.
//
// A token that is bound to a key (Claims.Confirmation is set) is valid only together with a proof of possession of that
// key. [Middleware] requires the proof. Other callers of Decode must require it too, or refuse bound tokens.
//
// Callers may assign to the fields of the result. Its strings share one allocation; clone those you retain. With
// CacheSize set, neither callers nor Validate may modify data behind slices, maps or pointers, because other callers
// share it. Appending to a slice is safe: slices have no spare capacity, unless an UnmarshalJSON method of yours made
// them.
func (d *Decoder[C]) Decode(ctx context.Context, token string) (*C, error) {
	cached, v, err := d.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	c := new(C)
	if cached != nil {
		err = d.readCached(cached, c)
	} else {
		err = d.read(token, v, c)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// verified is what is known of a token after its signature has been verified.
type verified struct {
	header  *header
	key     Key // the key that verified it
	payload string
}

// verify is the first half of Decode. It returns the claims if the token is cached, and otherwise what is still to be
// read. It does not need a C yet, so a token that is refused here does not cost its allocation.
func (d *Decoder[C]) verify(ctx context.Context, token string) (cached *C, v verified, err error) {
	if d == nil || d.keys == nil {
		return nil, v, &ConfigError{"Decoder", "was not made by NewDecoder"}
	}
	if len(token) > d.opts.MaxSize {
		return nil, v, tooLarge(len(token), d.opts.MaxSize, "DecoderOptions.MaxSize")
	}
	if entry := d.cache.Get(token); entry != nil {
		keys, err := d.keys.VerificationKeys(ctx, entry.header.kid)
		if err != nil {
			return nil, v, err
		}
		if entry.verifiedBy(keys) {
			cached, _ = entry.claims.(*C) // stored by read
			return cached, v, nil
		}
	}
	v, err = d.checks.verify(ctx, token)
	return nil, v, err
}

// readCached is the second half of Decode for a cached token. It reads into c, which is new and must not be used after an
// error.
func (d *Decoder[C]) readCached(cached, c *C) error {
	*c = *cached
	claims := d.claims(c)
	if claims.Confirmation != nil {
		claims.Confirmation = claims.Confirmation.clone()
	}
	if err := d.checkTimes(claims); err != nil {
		return refusal(claims, err)
	}
	if err := d.validate(c); err != nil {
		return refusal(claims, err)
	}
	return nil
}

// read is the second half of Decode for a token that is not cached. It reads into c, which is new and must not be used
// after an error.
func (d *Decoder[C]) read(token string, v verified, c *C) error {
	claims := d.claims(c)
	bytes, err := d.format.decode(v.payload, claims, reflect.ValueOf(c).Elem(), &d.opts)
	if err == nil {
		err = d.checkTimes(claims)
	}
	if err == nil {
		err = d.checkIdentity(claims, v.header)
	}
	if err != nil {
		return refusal(claims, err)
	}
	var unmodified *C
	if d.cache != nil { // Validate may change c
		unmodified = new(C)
		*unmodified = *c
		d.claims(unmodified).Confirmation = claims.Confirmation.clone()
	}
	if err := d.validate(c); err != nil {
		return refusal(claims, err)
	}
	if d.cache != nil {
		size := int(reflect.TypeFor[C]().Size()) + len(token) + 2*len(v.header.segment) + bytes // counts the header as unshared
		d.cache.Put(token, cachedToken{v.header, v.key, unmodified}, size+unescapedBytes(v.payload))
	}
	return nil
}

// cachedToken is a decoder's cache entry for a verified token. It does not depend on the claims type, so the cache is
// compiled only once.
type cachedToken struct {
	header *header
	key    Key // the key that verified it
	claims any // a *C, never modified
}

// cacheSlot is the size of a cache slot in bytes. Larger tokens take several slots.
const cacheSlot = 2 << 10

func isSameVerification(a, b *cachedToken) bool { return a.key == b.key }

// verifiedBy reports whether keys still contain the key that verified the token, or another key of the same material.
func (r *cachedToken) verifiedBy(keys []Key) bool {
	// Usually the same Key is there. Comparing algorithm and ID first would take 3 % of a request.
	if slices.Contains(keys[:min(len(keys), maxTries)], r.key) {
		return true
	}
	for key := range candidates(keys, r.header) {
		if key.verify.equal(r.key.verify) {
			return true
		}
	}
	return false
}

func tooLarge(size, limit int, option string) error {
	return fmt.Errorf("%w: it has %d bytes, and %s allows %d", ErrTokenTooLarge, size, option, limit)
}

// verify verifies a token that is not cached.
func (d *checks) verify(ctx context.Context, token string) (v verified, err error) {
	parts, err := split(token)
	if err != nil {
		return v, err
	}
	v.header, v.key, err = d.checkSignature(ctx, token, parts)
	if err != nil {
		if malformed := parts.check(); malformed != nil { // takes precedence over err
			err = malformed
		}
		return v, err
	}
	var ok bool
	if v.payload, ok = base64url.Decode(parts.payload); !ok {
		return v, errSegment
	}
	return v, nil
}

// checkSignature returns the token's header and the key that verified the token.
func (d *checks) checkSignature(ctx context.Context, token string, parts segments) (*header, Key, error) {
	var err error
	h := d.headers.find(parts.header)
	isNew := h == nil
	if isNew {
		if h, err = parseHeader(parts.header); err != nil {
			return nil, Key{}, err
		}
	}
	keys, err := d.keys.VerificationKeys(ctx, h.kid)
	if err != nil {
		return nil, Key{}, err
	}
	input := token[:len(token)-len(parts.signature)-1]
	tried := false
	for key := range candidates(keys, h) {
		if key.verify.verify(input, parts.signature) {
			if isNew {
				d.headers.add(h)
			}
			return h, key, nil
		}
		tried = true
	}
	if !tried {
		return nil, Key{}, unknownKey(h, keys)
	}
	return nil, Key{}, wrongSignature(h, keys)
}
