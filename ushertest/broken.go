package ushertest

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// BrokenToken is a token that the service must refuse.
type BrokenToken struct {
	Name  string // the fault, as the name of a subtest: "expired"
	Token string // the token
	Err   error  // the decoder's error, for errors.Is: usher.ErrTokenExpired
}

// BrokenTokens returns a token for each reason to refuse one: expired, not yet valid, forged, unsigned, malformed,
// wrong issuer, wrong audience, unknown kid, wrong type. Apart from its fault, each is like the [Kit.Token] of these
// claims. If that token is not valid, the test fails. Tokens that the decoder's options accept are left out: the wrong
// issuer if Issuer is not set, and the wrong audience if any is allowed.
func (k *Kit[C]) BrokenTokens(t testing.TB, claims C) []BrokenToken {
	t.Helper()
	good := k.Token(t, claims)
	if _, err := k.Decoder.Decode(t.Context(), good); err != nil {
		t.Fatalf("ushertest: the token of these claims is not valid, so broken ones would prove nothing: %v", err)
	}
	unsigned, signature := cutLast(good)
	_, payload, _ := strings.Cut(unsigned, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	longer, _ := cutLast(k.altered(t, claims, func(c *usher.Claims) {
		c.ExpiresAt = usher.NewNumericDate(c.ExpiresAt.Add(time.Hour))
	}))

	now := k.Clock.Now()
	broken := []BrokenToken{
		{"expired", k.altered(t, claims, func(c *usher.Claims) {
			c.ExpiresAt = usher.NewNumericDate(now.Add(-time.Hour))
		}), usher.ErrTokenExpired},
		{"not yet valid", k.altered(t, claims, func(c *usher.Claims) {
			c.NotBefore = usher.NewNumericDate(now.Add(time.Hour))
			c.ExpiresAt = usher.NewNumericDate(now.Add(2 * time.Hour))
		}), usher.ErrTokenNotYetValid},
		{"forged", longer + "." + signature, usher.ErrTokenSignature},
		{"unsigned", none + "." + payload + ".", usher.ErrTokenMalformed},
		{"malformed", unsigned, usher.ErrTokenMalformed},
		{"unknown kid", k.signed(t, claims, k.Key.WithID(rand.Text()), ""), usher.ErrUnknownKey},
		{"wrong type", k.signed(t, claims, k.Key, otherType), usher.ErrTokenType},
	}
	if k.decoderOptions.Issuer != "" {
		token := k.altered(t, claims, func(c *usher.Claims) { c.Issuer = otherIssuer })
		broken = append(broken, BrokenToken{"wrong issuer", token, usher.ErrTokenIssuer})
	}
	if !k.decoderOptions.DangerouslyAllowAnyAudience {
		token := k.altered(t, claims, func(c *usher.Claims) { c.Audience = usher.Audience{otherAudience} })
		broken = append(broken, BrokenToken{"wrong audience", token, usher.ErrTokenAudience})
	}
	return broken
}

// altered returns a token with changed registered claims.
func (k *Kit[C]) altered(t testing.TB, claims C, change func(*usher.Claims)) string {
	t.Helper()
	change(k.Encoder.Fill(&claims))
	return k.Token(t, claims)
}

// signed returns a token with another key or another typ.
func (k *Kit[C]) signed(t testing.TB, claims C, key usher.Key, typ string) string {
	t.Helper()
	encoder, err := k.newEncoder(key, typ)
	if err != nil {
		t.Fatalf("ushertest: no encoder: %v", err)
	}
	other := Kit[C]{Encoder: encoder}
	return other.Token(t, claims)
}

// cutLast returns a token without its signature, and the signature.
func cutLast(token string) (unsigned, signature string) {
	dot := strings.LastIndexByte(token, '.')
	return token[:dot], token[dot+1:]
}
