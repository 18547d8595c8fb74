package usher

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/expiring"
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
	var wrong misconfigured
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
		b.verifiers[issuer] = v
		size := defaultMaxSize
		switch d := v.(type) {
		case nil:
			wrong.add(field, "is nil")
		case *Decoder[C]:
			if d == nil || d.keys == nil {
				wrong.add(field, "was not made by NewDecoder")
				continue
			}
			if d.opts.Issuer != "" && d.opts.Issuer != issuer {
				wrong.add(field, "is a Decoder whose DecoderOptions.Issuer is %q", d.opts.Issuer)
			}
			size = d.opts.MaxSize
			b.decoders = append(b.decoders, listedDecoder[C]{issuer, d})
		default:
			if nilcheck.IsNil(v) {
				wrong.add(field, "is a nil %T", v)
			}
		}
		b.maxSize = max(b.maxSize, size)
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return b, nil
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
		if known := listed.decoder.cache.Get(token); known != nil {
			if c, ok := known.claims.(*C); ok && b.claims(c).Issuer == listed.issuer {
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
	var issuer strictjson.Value
	var o strictjson.Object
	o.Open(payload)
	for name, v, ok := o.Next(); ok; name, v, ok = o.Next() {
		if name == "iss" {
			issuer = v
		}
	}
	switch {
	case !o.Valid():
		return "", errPayload
	case issuer.Kind == 0:
		return "", missing("iss", ErrTokenIssuer)
	case issuer.Kind != strictjson.String:
		return "", wrongType("iss", "a string", false)
	case issuer.Text == "":
		return "", missing("iss", ErrTokenIssuer)
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

const (
	findTimeout = 5 * time.Second
	findAgain   = time.Hour // the minimum interval between calls of find for an issuer in use
	maxFinds    = 8         // simultaneous calls of find for unknown issuers
	maxAgain    = 2         // simultaneous calls for issuers in use, which unknown issuers can't delay
	maxWaiting  = 256       // unknown issuers that wait for a call of find
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
	var wrong misconfigured
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
	return &byIssuerFunc[C]{
		find: find, opts: o, claims: embedded[C, P],
		turns:   make(chan struct{}, maxFinds),
		again:   make(chan struct{}, maxAgain),
		running: map[string]*issuerSearch[C]{},
		asking:  map[string]bool{},
		kept:    expiring.New[string, *keptVerifier[C]](o.MaxIssuers),
		refused: expiring.New[[sha256.Size]byte, error](o.MaxIssuers),
	}, nil
}

// byIssuerFunc is what ByIssuerFunc returns.
type byIssuerFunc[C any] struct {
	find   func(ctx context.Context, issuer string) (Verifier[C], error)
	opts   ByIssuerOptions
	claims func(*C) *Claims
	turns  chan struct{} // one element for each running find for an unknown issuer
	again  chan struct{} // one element for each running find for an issuer in use

	mu      sync.Mutex // guards the fields below
	running map[string]*issuerSearch[C]
	asking  map[string]bool // issuers in use for which a call of find has not returned
	kept    *expiring.Map[string, *keptVerifier[C]]
	refused *expiring.Map[[sha256.Size]byte, error] // by the issuer's hash, because unverified issuers may be long
}

// keptVerifier is a cached verifier, with the time after which find is called again.
type keptVerifier[C any] struct {
	verifier Verifier[C]
	askAgain time.Time
}

// issuerSearch is a running or waiting call of find. Its verifier and err are set before done is closed.
type issuerSearch[C any] struct {
	done     chan struct{}
	verifier Verifier[C]
	err      error
}

// Decode passes the token to the verifier that find returned for its iss.
func (b *byIssuerFunc[C]) Decode(ctx context.Context, token string) (*C, error) {
	issuer, err := peekIssuer(token, b.opts.MaxSize)
	if err != nil {
		return nil, err
	}
	v, err := b.verifierOf(ctx, issuer)
	if err != nil {
		return nil, err
	}
	c, err := decodeOf(ctx, v, b.claims, issuer, token)
	if err == nil {
		b.used(issuer)
	}
	return c, err
}

// used extends the time that an issuer's verifier is cached. It is called only for accepted tokens, because anybody can
// send others.
func (b *byIssuerFunc[C]) used(issuer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept.Extend(issuer, b.opts.Now().Add(b.opts.KeepFor))
}

// verifierOf returns the cached verifier, or the result of find.
func (b *byIssuerFunc[C]) verifierOf(ctx context.Context, issuer string) (Verifier[C], error) {
	v, f, err := b.look(issuer)
	if f == nil {
		return v, err
	}
	select {
	case <-f.done:
		return f.verifier, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: waiting for the verifier of iss %s: %w", ErrUnavailable, quote.Text(issuer), ctx.Err())
	}
}

// look returns the cached verifier or error for the issuer. If there is none, it returns the search for it, which it
// starts if necessary.
func (b *byIssuerFunc[C]) look(issuer string) (Verifier[C], *issuerSearch[C], error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.opts.Now()
	if k, ok := b.kept.Get(issuer, now); ok {
		if !now.Before(k.askAgain) && b.running[issuer] == nil {
			b.askAgain(strings.Clone(issuer))
		}
		return k.verifier, nil, nil
	}
	if err, ok := b.refused.Get(sha256.Sum256([]byte(issuer)), now); ok {
		return nil, nil, err
	}
	f := b.running[issuer]
	if f != nil {
		return nil, f, nil
	}
	if len(b.running) >= maxFinds+maxWaiting {
		return nil, nil, fmt.Errorf("%w: too many issuers are waiting for their verifier", ErrUnavailable)
	}
	issuer = strings.Clone(issuer)
	f = &issuerSearch[C]{done: make(chan struct{})}
	b.running[issuer] = f
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
		defer cancel()
		select {
		case b.turns <- struct{}{}:
			b.search(ctx, issuer, f, func() { <-b.turns })
		case <-ctx.Done():
			b.end(issuer, f, nil, errFindTimeout)
		}
	}()
	return nil, f, nil
}

// askAgain starts a search for an issuer in use, unless maxAgain of them are running, or an earlier call of find for
// this issuer has not returned. A call that ignores the end of its context does not keep its slot. Otherwise two such
// calls would keep find from being called for all other issuers. The caller holds the lock.
func (b *byIssuerFunc[C]) askAgain(issuer string) {
	if b.asking[issuer] {
		return
	}
	select {
	case b.again <- struct{}{}:
	default:
		return
	}
	f := &issuerSearch[C]{done: make(chan struct{})}
	b.running[issuer] = f
	b.asking[issuer] = true
	go func() {
		defer func() { <-b.again }()
		ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
		defer cancel()
		b.search(ctx, issuer, f, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.asking, issuer)
		})
	}()
}

// search calls find, caches the result and closes f.done, at the latest when ctx ends. It calls returned when find returns.
func (b *byIssuerFunc[C]) search(ctx context.Context, issuer string, f *issuerSearch[C], returned func()) {
	type answer struct {
		verifier Verifier[C]
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		defer returned()
		v, err := b.call(ctx, issuer)
		answers <- answer{v, err}
	}()
	select {
	case a := <-answers:
		b.end(issuer, f, a.verifier, a.err)
	case <-ctx.Done():
		b.end(issuer, f, nil, errFindTimeout)
	}
}

var errFindTimeout = fmt.Errorf("%w: find did not return within %v", ErrUnavailable, findTimeout)

// call calls find and checks its result. It runs in its own goroutine, where a panic would end the program, and so
// turns a panic into an error.
func (b *byIssuerFunc[C]) call(ctx context.Context, issuer string) (v Verifier[C], err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, fmt.Errorf("usher: find panicked: %v", r)
		}
	}()
	v, err = b.find(ctx, issuer)
	switch {
	case err != nil && errors.Is(err, ErrTokenIssuer):
		return nil, fmt.Errorf("%w: find does not trust iss %s", ErrTokenIssuer, quote.Text(issuer))
	case err != nil && ctx.Err() != nil:
		return nil, errFindTimeout
	case err != nil:
		return nil, err
	case nilcheck.IsNil(v):
		return nil, &ConfigError{"find", "returned neither a verifier nor an error"}
	}
	if d, ok := v.(*Decoder[C]); ok && d.opts.Issuer != "" && d.opts.Issuer != issuer {
		return nil, &ConfigError{"find", "returned a Decoder whose DecoderOptions.Issuer is " + quote.Text(d.opts.Issuer) + " for the issuer " + quote.Text(issuer)}
	}
	return v, nil
}

// end caches a result and returns it to the waiting callers.
func (b *byIssuerFunc[C]) end(issuer string, f *issuerSearch[C], v Verifier[C], err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.opts.Now()
	after, again := now.Add(b.opts.KeepFor), now.Add(max(b.opts.KeepFor, findAgain))
	k, isKept := b.kept.Get(issuer, now)
	switch {
	case errors.Is(err, ErrTokenIssuer):
		b.kept.Delete(issuer)
		b.refused.Put(sha256.Sum256([]byte(issuer)), err, after)
	case isKept: // the cached verifier stays, with its keys
		k.askAgain = again
		v, err = k.verifier, nil
	case err == nil:
		b.kept.Put(issuer, &keptVerifier[C]{v, again}, after)
	}
	delete(b.running, issuer)
	f.verifier, f.err = v, err
	close(f.done)
}
