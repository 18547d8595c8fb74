package usher

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-usher/usher/internal/base64url"
	"github.com/go-usher/usher/internal/httpfield"
	"github.com/go-usher/usher/internal/quote"
	"github.com/go-usher/usher/internal/strictjson"
)

// header is a parsed token header (RFC 7515 §4).
type header struct {
	segment string // the encoded header
	alg     Algorithm
	kid     string // "" if it has none
	typ     string
	hasType bool
}

// parseHeader parses a header segment. It ignores members that name or contain a key (jwk, jku, x5c, x5u), because keys
// come only from the KeySource (RFC 8725 §3.10).
func parseHeader(segment string) (*header, error) {
	text, ok := base64url.Decode(segment)
	if !ok {
		return nil, errSegment
	}
	h := header{segment: segment}
	var alg string
	var fault string
	var o strictjson.Object
	o.Open(text)
	for name, v, ok := o.Next(); ok; name, v, ok = o.Next() {
		switch name {
		case "alg":
			alg = v.StringText()
		case "kid":
			h.kid = v.StringText() // an empty kid counts as absent
			if v.Kind != strictjson.String || len(h.kid) > maxKeyID {
				fault = fmt.Sprintf("its kid is not a string of at most %d bytes", maxKeyID)
			}
		case "typ":
			h.typ, h.hasType = v.StringText(), true
		case "crit":
			fault = "it has a crit header, and usher supports no extensions"
		}
	}
	if !o.Valid() {
		fault = "its header is not one JSON object with unique names"
	}
	if fault != "" {
		return nil, fmt.Errorf("%w: %s", ErrTokenMalformed, fault)
	}
	h.alg = Algorithm(alg)
	if h.alg.family() == "" {
		return nil, fmt.Errorf("%w: usher does not support the algorithm %s", ErrTokenSignature, quote.Text(alg))
	}
	return &h, nil
}

// appendHeader appends the encoded header of a token signed with key. The members are in alphabetical order, as in
// golang-jwt.
func appendHeader(dst []byte, key Key, typ string) []byte {
	text := make([]byte, 0, 128)
	text = append(text, `{"alg":"`...)
	text = append(text, key.alg...)
	if key.id != "" {
		text = append(text, `","kid":`...)
		text, _ = strictjson.AppendString(text, key.id) // can't fail: the ID of a key that signs is UTF-8
		text = append(text, `,"typ":"`...)
	} else {
		text = append(text, `","typ":"`...)
	}
	text = append(text, typ...)
	return base64url.AppendEncode(dst, append(text, `"}`...))
}

// isType reports whether the header's typ is one of the media types. ASCII case is ignored, and so is a leading
// application/ if no other slash follows (RFC 7515 §4.1.9).
func (h *header) isType(types ...string) bool {
	if slices.Contains(types, h.typ) { // the usual spelling
		return true
	}
	typ := bareType(h.typ)
	return slices.ContainsFunc(types, func(t string) bool { return httpfield.EqualFold(bareType(t), typ) })
}

func (o *DecoderOptions) checkTypeOf(h *header) error {
	switch {
	case o.Type != "" && (!h.hasType || !h.isType(o.Type)):
		return fmt.Errorf("%w: typ is %s, and %s is expected", ErrTokenType, quote.Text(h.typ), quote.Text(o.Type))
	case o.Type == "" && h.hasType && !h.isType("JWT", "at+jwt"):
		return fmt.Errorf("%w: typ is %s; to accept it, set DecoderOptions.Type", ErrTokenType, quote.Text(h.typ))
	}
	return nil
}

func bareType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && httpfield.EqualFold(typ[:len(prefix)], prefix) && !strings.Contains(typ[len(prefix):], "/") {
		return typ[len(prefix):]
	}
	return typ
}

// headers caches the last few headers of verified tokens. An issuer writes the same header into every token, and parsing it
// takes half as long as verifying an HMAC.
type headers struct{ cached atomic.Pointer[[]*header] }

const maxHeaders = 8

func (hs *headers) find(segment string) *header {
	cached := hs.cached.Load()
	if cached == nil {
		return nil
	}
	for _, h := range *cached {
		if h.segment == segment {
			return h
		}
	}
	return nil
}

// add caches h, which must be new, and drops the oldest header. Of two simultaneous calls, one may have no effect;
// its header is added with a later token.
func (hs *headers) add(h *header) {
	h.segment = strings.Clone(h.segment) // so that the token is not retained
	cached := hs.cached.Load()
	list := []*header{h}
	if cached != nil {
		list = append(list, (*cached)[:min(len(*cached), maxHeaders-1)]...)
	}
	hs.cached.CompareAndSwap(cached, &list)
}

// segments are the parts of a compact token (RFC 7515 §7.1), still encoded.
type segments struct{ header, payload, signature string }

// split splits a token into its segments. If there are more than three, the signature holds the rest, and check reports it.
func split(token string) (segments, error) {
	var s segments
	var rest string
	if i := strings.IndexByte(token, '.'); i > 0 {
		s.header, rest = token[:i], token[i+1:]
	}
	if i := strings.IndexByte(rest, '.'); i > 0 {
		s.payload, s.signature = rest[:i], rest[i+1:]
	}
	if s.signature == "" {
		return segments{}, errSegments
	}
	return s, nil
}

var errSegments = fmt.Errorf("%w: it is not three segments with dots between them", ErrTokenMalformed)

var errSegment = fmt.Errorf("%w: a segment is not canonical base64url", ErrTokenMalformed)

// check returns an error if the segments are malformed. It takes precedence over every other error.
func (s segments) check() error {
	if strings.Contains(s.signature, ".") {
		return errSegments
	}
	for _, segment := range []string{s.header, s.payload, s.signature} {
		if !base64url.IsCanonical(segment) {
			return errSegment
		}
	}
	return nil
}
