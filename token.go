package usher

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/tokencache"
)

// EncoderOptions are the options of [NewEncoder]; nil means the defaults.
type EncoderOptions struct {
	// Issuer is the iss of the tokens that have none of their own.
	Issuer string
	// Audience is the aud of the tokens that have none of their own.
	Audience Audience
	// TTL is how long tokens live: a second or more, 15 minutes by default.
	TTL time.Duration
	// NotBefore sets nbf too, to the same time as iat.
	NotBefore bool
	// Type is the header's typ, "JWT" by default; for OAuth access tokens RFC 9068 §2.1 says "at+jwt".
	Type string
	// AllowNoSubject signs tokens that name no user.
	AllowNoSubject bool
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Encoder issues tokens whose claims are a C. It is made by [NewEncoder] and safe for concurrent use.
type Encoder[C any] struct {
	keys     SigningKeys
	opts     EncoderOptions
	format   *payloadFormat
	claims   func(*C) *Claims
	validate func(*C) error
	scratch  sync.Pool
}

// scratch is memory for encoding a token, reused for the next.
type scratch struct {
	decoded []byte // the claims, then the signature
	encoded []byte // the token
}

// NewEncoder returns an encoder that signs with keys. What is wrong with the options, with C or with a fixed
// key is reported as [ConfigError], all at once.
func NewEncoder[C any, P EmbedsClaims[C]](keys SigningKeys, opts *EncoderOptions) (*Encoder[C], error) {
	var wrong misconfigured
	e := &Encoder[C]{keys: keys, claims: embedded[C, P], validate: validator[C]()}
	e.scratch.New = func() any { return new(scratch) }
	if opts != nil {
		e.opts = *opts
	}
	e.opts.Audience = slices.Clone(e.opts.Audience)
	e.opts.TTL = cmp.Or(e.opts.TTL, 15*time.Minute)
	e.opts.Type = cmp.Or(e.opts.Type, "JWT")
	if e.opts.Now == nil {
		e.opts.Now = time.Now
	}
	if e.opts.TTL < time.Second {
		wrong.add("EncoderOptions.TTL", "is %v, but a token lives for a second or more", e.opts.TTL)
	}
	checkAudience(&wrong, "EncoderOptions.Audience", e.opts.Audience)
	checkType(&wrong, "EncoderOptions.Type", e.opts.Type)
	if set, ok := keys.(Keys); ok {
		e.keys = slices.Clone(set)
	}
	switch {
	case isLocal(keys):
		var mistake *ConfigError
		if _, err := keys.SigningKey(context.Background()); errors.As(err, &mistake) {
			wrong.add("keys", "can't sign: the %s %s", mistake.Field, mistake.Reason)
		}
	case nilcheck.IsNil(keys):
		wrong.add("keys", "are nil")
	}
	e.format = newPayloadFormat[C](&wrong)
	if e.format.owned["jti"] {
		wrong.add("claims type "+reflect.TypeFor[C]().String(), "has a field of its own for jti, so that encoded tokens would have no id; use Claims.ID")
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// isLocal reports whether the source has its keys at hand, as *keyfile.Keys does, so that asking it needs no network.
func isLocal(keys SigningKeys) bool {
	switch keys.(type) {
	case Key, Keys, *KeyRing:
		return true
	case interface{ Keys() Keys }:
		return !nilcheck.IsNil(keys)
	}
	return false
}

// Encode returns a signed token with these claims. It fills iss, aud, exp, iat and jti where they are absent,
// requires a subject unless AllowNoSubject is set, and runs the claims' Validate method, if C has one. It does
// not require that exp lies in the future. Claims without a subject, that can't be encoded, or that Validate refuses
// are an ErrTokenClaims; a key that can't sign is a [ConfigError]; the errors of keys pass as they are.
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
	if s.decoded, err = e.format.append(s.decoded[:0], registered, reflect.ValueOf(&claims).Elem()); err != nil {
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
	return string(s.encoded), nil
}

// Fill fills iss, aud, exp, iat, jti, and nbf if NotBefore is set, where they are absent, and returns the
// claims that are embedded in claims. It is for those who want to know or set more before they call Encode;
// for nil it returns nil.
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
		c.ExpiresAt = NewNumericDate(now.Add(e.opts.TTL))
	}
	if c.NotBefore.IsZero() && e.opts.NotBefore {
		c.NotBefore = c.IssuedAt
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	return c
}

// TTL returns how long tokens live that set no exp of their own: what a token response calls expires_in
// (RFC 6749 §5.1).
func (e *Encoder[C]) TTL() time.Duration {
	if e == nil {
		return 0
	}
	return e.opts.TTL
}

// DecoderOptions are the options of [NewDecoder]; nil means the defaults.
type DecoderOptions struct {
	// Issuer, if set, is what iss must equal.
	Issuer string
	// Audience, if set, lists the audiences of which aud must name at least one. If it is not set, a token
	// that has an aud is refused: it was meant for somebody else.
	Audience Audience
	// Leeway is how far clocks may differ: at most 5 minutes, 0 by default.
	Leeway time.Duration
	// MaxAge, if set, requires an iat that is not in the future and not longer ago than this.
	MaxAge time.Duration
	// Type, if set, is what the header's typ must be. If not, typ is JWT, at+jwt or absent. Neither case nor
	// a leading application/ matters (RFC 7515 §4.1.9).
	Type string
	// MaxSize is the most bytes that a token may have, 8 KiB by default.
	MaxSize int
	// CacheSize is how many verified tokens are remembered, so that the same token need not be verified
	// again; all together they take at most CacheSize × 2 KiB. By default none are. The keys, the clock and
	// Validate are asked each time all the same.
	CacheSize int
	// AllowNoSubject accepts tokens that name no user.
	AllowNoSubject bool
	// AllowNumericSubject reads "sub": 42 as "42", as in tokens of PyJWT before 2.10.
	AllowNumericSubject bool
	// DangerouslyAllowNoExpiry accepts tokens without exp: they are good for ever.
	DangerouslyAllowNoExpiry bool
	// DangerouslyAllowAnyAudience accepts tokens that have an aud although no Audience is set: they may have
	// been meant for another service.
	DangerouslyAllowAnyAudience bool
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

const defaultMaxSize = 8 << 10 // bytes of a token

// Verifier is what the middleware asks about tokens. [*Decoder] is one.
type Verifier[C any] interface {
	// Decode returns the claims of a token that it has verified, and else nil with an error that is
	// ErrInvalidToken if the token is at fault, and ErrUnavailable if that can't be told now. It is called
	// from many goroutines.
	Decode(ctx context.Context, token string) (*C, error)
}

// Decoder verifies tokens and decodes their claims into a C. It is made by [NewDecoder] and safe for
// concurrent use.
type Decoder[C any] struct {
	checks
	format   *payloadFormat
	claims   func(*C) *Claims
	validate func(*C) error
	cache    *tokencache.Cache[remembered] // nil if none is asked for
}

// checks is what a Decoder asks of a token whatever its claims' type, and so need be compiled only once.
type checks struct {
	keys    KeySource
	opts    DecoderOptions
	headers headers
}

// NewDecoder returns a decoder that verifies with keys. What is wrong with the options, with C or with a fixed
// set of keys is reported as [ConfigError], all at once.
func NewDecoder[C any, P EmbedsClaims[C]](keys KeySource, opts *DecoderOptions) (*Decoder[C], error) {
	var wrong misconfigured
	d := &Decoder[C]{checks: checks{keys: keys}, claims: embedded[C, P], validate: validator[C]()}
	if opts != nil {
		d.opts = *opts
	}
	o := &d.opts
	o.Audience = slices.Clone(o.Audience)
	o.MaxSize = cmp.Or(o.MaxSize, defaultMaxSize)
	if o.Now == nil {
		o.Now = time.Now
	}
	d.checkOptions(&wrong)
	d.format = newPayloadFormat[C](&wrong)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	if o.CacheSize > 0 {
		d.cache = tokencache.New(o.CacheSize, cacheSlot, isSameVerification)
	}
	return d, nil
}

func (d *checks) checkOptions(wrong *misconfigured) {
	o := &d.opts
	if o.Leeway < 0 || o.Leeway > 5*time.Minute {
		wrong.add("DecoderOptions.Leeway", "is %v, but lies between 0 and 5 minutes", o.Leeway)
	}
	if o.MaxAge < 0 {
		wrong.add("DecoderOptions.MaxAge", "is negative: %v", o.MaxAge)
	}
	if o.MaxSize < 0 {
		wrong.add("DecoderOptions.MaxSize", "is negative: %d", o.MaxSize)
	}
	if o.CacheSize < 0 {
		wrong.add("DecoderOptions.CacheSize", "is negative: %d", o.CacheSize)
	}
	checkAudience(wrong, "DecoderOptions.Audience", o.Audience)
	if len(o.Audience) > 0 && o.DangerouslyAllowAnyAudience {
		wrong.add("DecoderOptions.DangerouslyAllowAnyAudience", "is set together with Audience; one of them must go")
	}
	if o.Type != "" {
		checkType(wrong, "DecoderOptions.Type", o.Type)
	}
	if set, ok := d.keys.(Keys); ok {
		d.keys = slices.Clone(set)
	}
	switch d.keys.(type) {
	case Key, Keys, *KeyRing:
		if known, err := d.keys.VerificationKeys(context.Background(), ""); err != nil || slices.Contains(known, Key{}) {
			wrong.add("keys", "hold no key, or the zero Key")
		}
	default:
		if nilcheck.IsNil(d.keys) {
			wrong.add("keys", "are nil")
		}
	}
}

// Decode verifies a token and returns its claims. It checks in this order, and the first failure is the one
// that is reported: the size (ErrTokenTooLarge); three segments of base64url, and the header
// (ErrTokenMalformed); the algorithm (ErrTokenSignature); the key (ErrUnknownKey, or ErrUnavailable from the
// source); the signature (ErrTokenSignature); that the payload is one JSON object (ErrTokenMalformed) with
// claims of the right types (ErrTokenClaims); exp (ErrTokenExpired, or ErrTokenClaims if it is missing), nbf
// (ErrTokenNotYetValid), iat if MaxAge is set (ErrTokenClaims, ErrTokenNotYetValid, ErrTokenExpired), iss
// (ErrTokenIssuer), aud (ErrTokenAudience), typ (ErrTokenType), sub (ErrTokenClaims); and at last the claims'
// Validate method, if C has one (ErrTokenClaims, which wraps its error). All of these but ErrUnavailable are
// ErrInvalidToken, and those from the payload on lead to a [*TokenError].
//
// A token that is bound to a key (Claims.Confirmation is set) is good only together with a proof of that key. A [Middleware] asks for it;
// whoever calls Decode must do so too, or refuse such tokens.
//
// The result is the caller's own. Its strings are parts of one: strings.Clone what is kept for long. Where a CacheSize
// is set it is a shallow copy: what its slices, maps and pointers lead to is shared with other callers and must not be
// changed, by Validate neither.
func (d *Decoder[C]) Decode(ctx context.Context, token string) (*C, error) {
	v, err := d.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	c := new(C)
	if err := d.read(token, v, c); err != nil {
		return nil, err
	}
	return c, nil
}

// verified is what there is of a token whose signature is good: its claims if it is remembered, and else what is still
// to be checked.
type verified[C any] struct {
	claims  *C
	header  *header
	key     Key // that verified it
	payload string
}

// verify is the first half of Decode, for which nobody needs a C yet: a token that is refused here costs none.
func (d *Decoder[C]) verify(ctx context.Context, token string) (verified[C], error) {
	if d == nil || d.keys == nil {
		return verified[C]{}, &ConfigError{"Decoder", "was not made by NewDecoder"}
	}
	if len(token) > d.opts.MaxSize {
		return verified[C]{}, tooLarge(token, d.opts.MaxSize)
	}
	if known := d.cache.Get(token); known != nil {
		keys, err := d.keys.VerificationKeys(ctx, known.header.kid)
		if err != nil {
			return verified[C]{}, err
		}
		if known.verifiedBy(keys) {
			claims, _ := known.claims.(*C) // as read put it there
			return verified[C]{claims: claims}, nil
		}
	}
	parts, err := split(token)
	if err != nil {
		return verified[C]{}, err
	}
	h, key, err := d.checkSignature(ctx, token, parts)
	if err != nil {
		if malformed := parts.check(); malformed != nil { // has precedence, wherever it is
			return verified[C]{}, malformed
		}
		return verified[C]{}, err
	}
	payload, ok := base64url.Decode(parts.payload)
	if !ok {
		return verified[C]{}, errSegment
	}
	return verified[C]{header: h, key: key, payload: payload}, nil
}

// read is the second half of Decode: into c, which is new, and of no use after an error. Errors are wrapped where they come up: one more call
// takes 2 % of a request with a remembered token.
func (d *Decoder[C]) read(token string, v verified[C], c *C) error {
	claims := d.claims(c)
	if v.claims != nil {
		*c = *v.claims
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
	if d.cache == nil {
		if err := d.validate(c); err != nil {
			return refusal(claims, err)
		}
		return nil
	}
	pristine := new(C)
	*pristine = *c // Validate may change c
	if claims.Confirmation != nil {
		d.claims(pristine).Confirmation = claims.Confirmation.clone()
	}
	if err := d.validate(c); err != nil {
		return refusal(claims, err)
	}
	size := int(reflect.TypeFor[C]().Size()) + len(token) + 2*len(v.header.segment) + bytes // as if no other token had this header
	d.cache.Put(token, remembered{v.header, v.key, pristine}, size+unescapedBytes(v.payload))
	return nil
}

// unescapedBytes returns what strings that are no parts of the payload take at most: those with escapes, which are never longer without.
func unescapedBytes(payload string) int {
	escapes := strings.Count(payload, "\\")
	if escapes == 0 {
		return 0
	}
	return len(payload) + len(payload)/7 + 16*escapes // what the allocator adds
}

// remembered is what a decoder's cache has of a verified token. It does not depend on the claims' type, so that the cache is compiled once.
type remembered struct {
	header *header
	key    Key // that verified it
	claims any // a *C, which nobody changes
}

// cacheSlot is how many bytes a remembered token may take: larger ones take the place of several.
const cacheSlot = 2 << 10

func isSameVerification(a, b *remembered) bool { return a.key == b.key }

// verifiedBy reports whether the key that verified the token, or another one of the same material, is still among those
// that may.
func (r *remembered) verifiedBy(keys []Key) bool {
	// Mostly it is the very key, which goes with the header; looking at algorithm and ID costs 3 % of a request.
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

func tooLarge(token string, most int) error {
	return fmt.Errorf("%w: it has %d bytes, and %d are allowed", ErrTokenTooLarge, len(token), most)
}

// checkSignature returns the token's header, and the key that it was signed with.
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
				d.headers.remember(h)
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

// checkTimes checks what changes with the clock.
func (d *checks) checkTimes(c *Claims) error {
	now, leeway := d.opts.Now(), d.opts.Leeway
	earliest := now
	if leeway != 0 { // an addition costs 2 % of a request with a remembered token
		earliest = now.Add(-leeway)
	}
	switch {
	case !c.ExpiresAt.IsZero():
		if !earliest.Before(c.ExpiresAt.Time) {
			return fmt.Errorf("%w: at %s, and now it is %s", ErrTokenExpired, stamp(c.ExpiresAt.Time), stamp(now))
		}
	case !d.opts.DangerouslyAllowNoExpiry:
		return fmt.Errorf("%w: exp is missing", ErrTokenClaims)
	}
	if !c.NotBefore.IsZero() && now.Add(leeway).Before(c.NotBefore.Time) {
		return fmt.Errorf("%w: before %s, and now it is %s", ErrTokenNotYetValid, stamp(c.NotBefore.Time), stamp(now))
	}
	if d.opts.MaxAge == 0 {
		return nil
	}
	switch issued := c.IssuedAt.Time; {
	case issued.IsZero():
		return fmt.Errorf("%w: iat is missing, and MaxAge needs it", ErrTokenClaims)
	case now.Add(leeway).Before(issued):
		return fmt.Errorf("%w: issued at %s, and now it is %s", ErrTokenNotYetValid, stamp(issued), stamp(now))
	case now.After(issued.Add(d.opts.MaxAge).Add(leeway)):
		return fmt.Errorf("%w: issued at %s, more than %v ago", ErrTokenExpired, stamp(issued), d.opts.MaxAge)
	}
	return nil
}

// checkIdentity checks what does not change with the clock: who issued the token, for whom, and about whom.
func (d *checks) checkIdentity(c *Claims, h *header) error {
	o := &d.opts
	if o.Issuer != "" && c.Issuer != o.Issuer {
		return fmt.Errorf("%w: iss is %s, and %s is expected", ErrTokenIssuer, quote(c.Issuer), quote(o.Issuer))
	}
	switch {
	case len(o.Audience) > 0:
		if !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(o.Audience, a) }) {
			return fmt.Errorf("%w: aud names none of %q", ErrTokenAudience, o.Audience)
		}
	case len(c.Audience) > 0 && !o.DangerouslyAllowAnyAudience:
		return fmt.Errorf("%w: the token has an aud; set DecoderOptions.Audience to what it should be", ErrTokenAudience)
	}
	switch {
	case o.Type != "":
		if !h.hasType || !h.isType(o.Type) {
			return fmt.Errorf("%w: typ is %s, and %s is expected", ErrTokenType, quote(h.typ), quote(o.Type))
		}
	case h.hasType && !h.isType("JWT", "at+jwt"):
		return fmt.Errorf("%w: typ is %s; set DecoderOptions.Type if it should be", ErrTokenType, quote(h.typ))
	}
	if c.Subject == "" && !o.AllowNoSubject {
		return fmt.Errorf("%w: sub is missing", ErrTokenClaims)
	}
	return nil
}

func embedded[C any, P EmbedsClaims[C]](c *C) *Claims { return P(c).mustEmbedUsherClaims() }

func validator[C any]() func(*C) error {
	if _, ok := any((*C)(nil)).(interface{ Validate() error }); !ok {
		return func(*C) error { return nil }
	}
	return func(c *C) error {
		v, _ := any(c).(interface{ Validate() error })
		if err := v.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrTokenClaims, err)
		}
		return nil
	}
}

func checkAudience(wrong *misconfigured, field string, audience Audience) {
	if slices.Contains(audience, "") {
		wrong.add(field, "names an empty audience")
	}
}

func checkType(wrong *misconfigured, field, typ string) {
	if strings.Trim(typ, " ") != typ || strings.ContainsFunc(typ, notQuotable) {
		wrong.add(field, "is %s, which is no media type", quote(typ))
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
