package usher

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/strictjson"
)

// ByIssuer returns a verifier for tokens of several issuers: each token goes to the verifier that verifiers
// lists under the token's iss, and is refused with ErrTokenIssuer, before any cryptography, if there is none.
//
// To find the verifier it reads iss before the signature is checked, which is the one exception to "verify
// first, parse after" and used for nothing else: after the verifier's work, iss must be what it is listed
// under. A token without iss is ErrTokenIssuer too, one above the largest MaxSize ErrTokenTooLarge. A Decoder
// whose Issuer option is another, and whatever else is wrong, is reported as [ConfigError].
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
			wrong.add(field, "is listed under no issuer")
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
				wrong.add(field, "is a Decoder for the issuer %q", d.opts.Issuer)
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

type byIssuer[C any] struct {
	verifiers map[string]Verifier[C]
	decoders  []listedDecoder[C]
	maxSize   int
	claims    func(*C) *Claims
}

type listedDecoder[C any] struct {
	issuer  string
	decoder *Decoder[C]
}

// Decode lets the verifier decode that is listed under the token's iss.
func (b *byIssuer[C]) Decode(ctx context.Context, token string) (*C, error) {
	issuer, err := b.issuerOf(token)
	if err != nil {
		return nil, err
	}
	v, ok := b.verifiers[issuer]
	if !ok {
		return nil, fmt.Errorf("%w: no verifier is listed for iss %s", ErrTokenIssuer, quote(issuer))
	}
	c, err := v.Decode(ctx, token)
	if err != nil {
		return nil, err
	}
	if c == nil || b.claims(c).Issuer != issuer {
		return nil, fmt.Errorf("%w: the verifier read another than %s", ErrTokenIssuer, quote(issuer))
	}
	return c, nil
}

// issuerOf returns the token's iss, which is not verified, unless a decoder remembers the token.
func (b *byIssuer[C]) issuerOf(token string) (string, error) {
	for _, listed := range b.decoders {
		if known := listed.decoder.cache.Get(token); known != nil {
			if c, ok := known.claims.(*C); ok && b.claims(c).Issuer == listed.issuer {
				return listed.issuer, nil
			}
		}
	}
	if len(token) > b.maxSize {
		return "", tooLarge(len(token), b.maxSize, "MaxSize")
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
	}
	return issuer.Text, nil
}
