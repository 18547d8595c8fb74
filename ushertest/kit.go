package ushertest

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// Options are the options of [New]; nil means the defaults.
type Options struct {
	// Key signs and verifies. The default is a new HS256 key.
	Key usher.Key
	// Clock is the clock of the encoder and the decoder. The default is a new clock with the current time in whole seconds.
	Clock *Clock
	// Carry sets the token of requests that NewRequest returns. The default is InBearer().
	Carry Carrier
	// Encoder and Decoder are the service's own options. Their Now is always the Clock. If one of them is nil, it is
	// derived from the other. If both are nil, tokens have an issuer and an audience, and the decoder requires them.
	Encoder *usher.EncoderOptions
	Decoder *usher.DecoderOptions // see Encoder
}

// Kit issues and verifies the tokens of a test. Create it with [New]. It is safe for concurrent use. To test a service
// that creates its own decoder, pass the decoder's options as [Options].Decoder, and pass the Kit's Key and Clock to
// the service.
type Kit[C any] struct {
	Key     usher.Key         // the key of Encoder and Decoder
	Clock   *Clock            // the clock of Encoder and Decoder
	Encoder *usher.Encoder[C] // issues tokens
	Decoder *usher.Decoder[C] // accepts tokens of Encoder

	carry          Carrier
	decoderOptions usher.DecoderOptions
	// newEncoder returns an encoder like Encoder with another key and, unless typ is "", another typ.
	newEncoder func(key usher.Key, typ string) (*usher.Encoder[C], error)
}

// The claims and typ of a kit without options, and those of its broken tokens. The names end in .test, which RFC 6761
// §6.2 reserves.
const (
	issuer        = "https://issuer.test"
	audience      = "https://api.test"
	otherIssuer   = "https://other-issuer.test"
	otherAudience = "https://other-api.test"
	otherType     = "other+jwt"
)

// New returns a kit for claims of type C. If C or the options are invalid, the test fails.
func New[C any, P usher.EmbedsClaims[C]](t testing.TB, opts *Options) *Kit[C] {
	t.Helper()
	var o Options
	if opts != nil {
		o = *opts
	}
	kit := &Kit[C]{Key: o.Key, Clock: o.Clock, carry: o.Carry}
	if kit.carry == nil {
		kit.carry = InBearer()
	}
	var err error
	if kit.Key.Algorithm() == "" {
		if kit.Key, err = usher.GenerateKey(usher.HS256); err != nil {
			t.Fatalf("ushertest: %v", err)
		}
	}
	if kit.Clock == nil {
		kit.Clock = NewClock(time.Now().UTC().Truncate(time.Second))
	}
	encoderOptions, decoderOptions := matching(o.Encoder, o.Decoder)
	encoderOptions.Now, decoderOptions.Now = kit.Clock.Now, kit.Clock.Now
	kit.decoderOptions = decoderOptions
	kit.newEncoder = func(key usher.Key, typ string) (*usher.Encoder[C], error) {
		opts := encoderOptions
		opts.Type = cmp.Or(typ, opts.Type)
		return usher.NewEncoder[C, P](key, &opts)
	}
	if kit.Encoder, err = kit.newEncoder(kit.Key, ""); err != nil {
		t.Fatalf("ushertest: no encoder: %v", err)
	}
	if kit.Decoder, err = usher.NewDecoder[C, P](kit.Key, &decoderOptions); err != nil {
		t.Fatalf("ushertest: no decoder: %v", err)
	}
	return kit
}

// matching returns both options. If one is nil, it is derived from the other.
func matching(e *usher.EncoderOptions, d *usher.DecoderOptions) (usher.EncoderOptions, usher.DecoderOptions) {
	if e == nil && d == nil {
		e = &usher.EncoderOptions{Issuer: issuer, Audience: usher.Audience{audience}}
	}
	if e == nil {
		e = &usher.EncoderOptions{Issuer: d.Issuer, Audience: d.Audience, Type: d.Type, AllowNoSubject: d.AllowNoSubject}
	}
	if d == nil {
		d = &usher.DecoderOptions{Issuer: e.Issuer, Audience: e.Audience, Type: e.Type, AllowNoSubject: e.AllowNoSubject}
	}
	return *e, *d
}

// Token returns a signed token with these claims. The encoder fills in absent ones. If the encoder returns an error,
// for example because Subject is missing, the test fails.
func (k *Kit[C]) Token(t testing.TB, claims C) string {
	t.Helper()
	token, err := k.Encoder.Encode(t.Context(), claims)
	if err != nil {
		t.Fatalf("ushertest: no token: %v", err)
	}
	return token
}

// NewRequest returns a request like [httptest.NewRequest], with a [Kit.Token] of these claims, which [Options].Carry
// sets. It has no body. Its context is the test's. If the token or the request can't be created, the test fails.
func (k *Kit[C]) NewRequest(t testing.TB, method, target string, claims C) *http.Request {
	t.Helper()
	r := newRequest(t, method, target)
	k.carry(r, k.Token(t, claims))
	return r
}

// newRequest is httptest.NewRequestWithContext, but the test fails where that panics.
func newRequest(t testing.TB, method, target string) *http.Request {
	t.Helper()
	defer func() {
		t.Helper()
		if reason := recover(); reason != nil {
			t.Fatalf("ushertest: no request %s %s: %v", method, target, reason)
		}
	}()
	return httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
}
