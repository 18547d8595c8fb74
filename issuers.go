package usher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/lookup"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/quote"
	"github.com/go-usher/usher/internal/strictjson"
)

// ByIssuer returns a verifier for tokens of several issuers. The keys of the map are issuers. A token is passed to the
// verifier of its iss. A token of another issuer, or without iss, is refused with ErrTokenIssuer before any
// cryptography.
//
// ByIssuer reads iss before the signature is verified, only to select the verifier. This is the one exception to the
// rule that no claim is read before verification. The verified iss must be the same. A token larger than every
// Decoder's MaxSize is ErrTokenTooLarge.
//
// Mistakes are reported as [ConfigError], all at once. A Decoder whose Issuer option differs from its key in the map is
// one.
func ByIssuer[C any, P EmbedsClaims[C]](verifiers map[string]Verifier[C]) (Verifier[C], error) {
	var wrong configErrors
	b := &byIssuer[C]{verifiers: make(map[string]Verifier[C]), claims: embedded[C, P]}
	if len(verifiers) == 0 {
		wrong.add("verifiers", "are empty")
	}
	for _, issuer := range slices.Sorted(maps.Keys(verifiers)) {
		v := verifiers[issuer]
		field := fmt.Sprintf("verifiers[%q]", issuer)
		if issuer == "" {
			wrong.add(field, "has an empty issuer")
		}
		if reason := unfitVerifier(v, issuer); reason != "" {
			wrong.add(field, "%s", reason)
			continue
		}
		b.verifiers[issuer] = v
		size := defaultMaxSize
		if d, ok := v.(*Decoder[C]); ok {
			size = d.opts.MaxSize
			b.decoders = append(b.decoders, listedDecoder[C]{issuer, d})
		}
		b.maxSize = max(b.maxSize, size)
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return b, nil
}

// unfitVerifier returns the reason why v can't verify the tokens of issuer, or "".
func unfitVerifier[C any](v Verifier[C], issuer string) string {
	d, ok := v.(*Decoder[C])
	switch {
	case nilcheck.IsNil(v):
		return "is nil"
	case ok && d.keys == nil:
		return "was not made by NewDecoder"
	case ok && d.opts.Issuer != "" && d.opts.Issuer != issuer:
		return "is a Decoder whose DecoderOptions.Issuer is " + quote.Text(d.opts.Issuer)
	}
	return ""
}

// byIssuer is what ByIssuer returns.
type byIssuer[C any] struct {
	verifiers map[string]Verifier[C]
	decoders  []listedDecoder[C]
	maxSize   int // the largest MaxSize of the decoders
	claims    func(*C) *Claims
}

type listedDecoder[C any] struct {
	issuer  string
	decoder *Decoder[C]
}

// Decode passes the token to the verifier of its iss.
func (b *byIssuer[C]) Decode(ctx context.Context, token string) (*C, error) {
	issuer, err := b.issuerOf(token)
	if err != nil {
		return nil, err
	}
	v, ok := b.verifiers[issuer]
	if !ok {
		return nil, fmt.Errorf("%w: there is no verifier for iss %s", ErrTokenIssuer, quote.Text(issuer))
	}
	return decodeOf(ctx, v, b.claims, issuer, token)
}

// decodeOf verifies a token with v and checks that its verified iss is issuer.
func decodeOf[C any](ctx context.Context, v Verifier[C], claims func(*C) *Claims, issuer, token string) (*C, error) {
	c, err := v.Decode(ctx, token)
	if err != nil {
		return nil, err
	}
	if c == nil || claims(c).Issuer != issuer {
		return nil, fmt.Errorf("%w: the verified iss is not %s", ErrTokenIssuer, quote.Text(issuer))
	}
	return c, nil
}

// issuerOf returns the token's iss, which is unverified unless a decoder has cached the token.
func (b *byIssuer[C]) issuerOf(token string) (string, error) {
	for _, listed := range b.decoders {
		if cached := listed.decoder.cache.Get(token); cached != nil {
			if c, ok := cached.claims.(*C); ok && b.claims(c).Issuer == listed.issuer {
				return listed.issuer, nil
			}
		}
	}
	return peekIssuer(token, b.maxSize)
}

// peekIssuer returns the unverified iss of a token.
func peekIssuer(token string, maxSize int) (string, error) {
	if len(token) > maxSize {
		return "", tooLarge(len(token), maxSize, "MaxSize")
	}
	parts, err := split(token)
	if err != nil {
		return "", err
	}
	if err := parts.check(); err != nil {
		return "", err
	}
	payload, ok := base64url.Decode(parts.payload)
	if !ok {
		return "", errSegment
	}
	issuer, ok := strictjson.Member(payload, "iss")
	switch {
	case !ok:
		return "", errPayload
	case issuer.Kind == 0, issuer.Kind == strictjson.String && issuer.Text == "":
		return "", missing("iss", ErrTokenIssuer)
	case issuer.Kind != strictjson.String:
		return "", wrongType("iss", "a string", false)
	}
	return issuer.Text, nil
}

// ByIssuerOptions are the options of [ByIssuerFunc]; nil means the defaults.
type ByIssuerOptions struct {
	// KeepFor is how long a verifier is cached after it last accepted a token, and how long a refusal is cached: a
	// second or more, 15 minutes by default.
	KeepFor time.Duration
	// MaxIssuers is the maximum number of cached verifiers, and also of cached refusals. The default is 1,000. The least
	// recently used are dropped first.
	MaxIssuers int
	// MaxSize is the maximum size of a token in bytes, 8 KiB by default.
	MaxSize int
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Limits of the calls of find.
const (
	findTimeout   = 5 * time.Second
	findAgain     = time.Hour // the minimum interval between calls for an issuer in use
	maxFinds      = 8         // simultaneous calls for unknown issuers
	maxFindsAgain = 2         // simultaneous calls for issuers in use, which unknown issuers can't delay
	maxWaiting    = 256       // unknown issuers that wait for a call
)

// ByIssuerFunc returns a verifier for issuers that are looked up at run time. find returns the verifier of a trusted
// issuer, or ErrTokenIssuer if the issuer is not trusted. It must look the issuer up in a list of trusted ones: iss is
// unverified, and a find that makes a verifier for any issuer accepts forged tokens.
//
// find is called for several issuers at once, but not concurrently for the same issuer. Its context is not a request's
// and ends after 5 seconds. If it ends, or if too many issuers are waiting, tokens are refused with ErrUnavailable.
//
// A verifier is cached, with the keys that it has fetched, until it has accepted no token for KeepFor. While it is in
// use, find is called again every hour, or every KeepFor if that is longer. Tokens do not wait for this call. If it
// returns ErrTokenIssuer, the verifier is dropped; any other result is ignored.
//
// ErrTokenIssuer is cached for KeepFor, apart from the verifiers, so unknown issuers can't evict them. Other errors are
// returned unchanged and are not cached.
//
// As with [ByIssuer], the verified iss must be the issuer that find was called with. Mistakes in find and the options are
// reported as [ConfigError].
func ByIssuerFunc[C any, P EmbedsClaims[C]](find func(ctx context.Context, issuer string) (Verifier[C], error), opts *ByIssuerOptions) (Verifier[C], error) {
	var wrong configErrors
	var o ByIssuerOptions
	if opts != nil {
		o = *opts
	}
	o.KeepFor = cmp.Or(o.KeepFor, 15*time.Minute)
	o.MaxIssuers = cmp.Or(o.MaxIssuers, 1000)
	o.MaxSize = cmp.Or(o.MaxSize, defaultMaxSize)
	if o.Now == nil {
		o.Now = time.Now
	}
	if find == nil {
		wrong.add("find", "is nil")
	}
	if o.KeepFor < 0 {
		wrong.add("ByIssuerOptions.KeepFor", "is %v, but must not be negative", o.KeepFor)
	}
	checkUnit(&wrong, "ByIssuerOptions.KeepFor", o.KeepFor)
	if o.MaxIssuers < 0 {
		wrong.add("ByIssuerOptions.MaxIssuers", "is %d, but must not be negative", o.MaxIssuers)
	}
	checkMaxSize(&wrong, "ByIssuerOptions.MaxSize", o.MaxSize)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	b := &byIssuerFunc[C]{find: find, maxSize: o.MaxSize, claims: embedded[C, P]}
	b.verifiers = lookup.New(b.findChecked, isUntrusted, lookup.Options{
		KeepFor: o.KeepFor, RefreshEvery: max(o.KeepFor, findAgain), Timeout: findTimeout,
		MaxEntries: o.MaxIssuers, MaxCalls: maxFinds, MaxWaiting: maxWaiting, MaxRefreshes: maxFindsAgain,
		Now: o.Now,
	})
	return b, nil
}

// byIssuerFunc is what ByIssuerFunc returns.
type byIssuerFunc[C any] struct {
	find      func(ctx context.Context, issuer string) (Verifier[C], error)
	verifiers *lookup.Cache[Verifier[C]]
	maxSize   int
	claims    func(*C) *Claims
}

// Decode passes the token to the verifier that find returned for its iss. Only accepted tokens extend the time that the
// verifier is cached, because anybody can send others.
func (b *byIssuerFunc[C]) Decode(ctx context.Context, token string) (*C, error) {
	issuer, err := peekIssuer(token, b.maxSize)
	if err != nil {
		return nil, err
	}
	v, err := b.verifiers.Get(ctx, issuer)
	if err != nil {
		return nil, findError(ctx, issuer, err)
	}
	c, err := decodeOf(ctx, v, b.claims, issuer, token)
	if err == nil {
		b.verifiers.Extend(issuer)
	}
	return c, err
}

// findChecked calls find and checks its result.
func (b *byIssuerFunc[C]) findChecked(ctx context.Context, issuer string) (Verifier[C], error) {
	v, err := b.find(ctx, issuer)
	switch {
	case isUntrusted(err):
		return nil, fmt.Errorf("%w: find does not trust iss %s", ErrTokenIssuer, quote.Text(issuer))
	case err != nil:
		return nil, err
	case nilcheck.IsNil(v):
		return nil, &ConfigError{"find", "returned neither a verifier nor an error"}
	}
	if reason := unfitVerifier(v, issuer); reason != "" {
		return nil, &ConfigError{"find", "returned a verifier for iss " + quote.Text(issuer) + " that " + reason}
	}
	return v, nil
}

func isUntrusted(err error) bool { return errors.Is(err, ErrTokenIssuer) }

// findError returns the error for a token whose verifier was not found.
func findError(ctx context.Context, issuer string, err error) error {
	var panicked *lookup.PanicError
	switch {
	case errors.As(err, &panicked):
		return fmt.Errorf("usher: find panicked: %v", panicked.Value)
	case errors.Is(err, lookup.ErrFull):
		return fmt.Errorf("%w: too many issuers are waiting for their verifier", ErrUnavailable)
	case errors.Is(err, lookup.ErrTimeout):
		return fmt.Errorf("%w: find did not return within %v", ErrUnavailable, findTimeout)
	case errors.Is(err, lookup.ErrContext):
		return fmt.Errorf("%w: waiting for the verifier of iss %s: %w", ErrUnavailable, quote.Text(issuer), ctx.Err())
	}
	return err
}
