package usher

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-usher/usher/internal/quote"
	"github.com/go-usher/usher/internal/strictjson"
	"github.com/go-usher/usher/internal/unixtime"
	"github.com/golang-jwt/jwt/v5"
)

// Claims are the claims that usher reads and writes, as defined in RFC 7519 §4.1 and in the specifications below. Use
// it as your claims type, or embed it by value in your own:
//
//	type MyClaims struct {
//		usher.Claims
//		Role string `json:"role,omitempty"`
//	}
//
// Claims and the types that embed it satisfy golang-jwt's jwt.Claims.
type Claims struct {
	Issuer    string      `json:"iss,omitempty"`      // who issued the token (RFC 7519 §4.1.1)
	Subject   string      `json:"sub,omitempty"`      // the user's id (RFC 7519 §4.1.2)
	Audience  Audience    `json:"aud,omitempty"`      // the services it is meant for (RFC 7519 §4.1.3)
	ExpiresAt NumericDate `json:"exp,omitzero"`       // when it expires (RFC 7519 §4.1.4)
	NotBefore NumericDate `json:"nbf,omitzero"`       // when it becomes valid (RFC 7519 §4.1.5)
	IssuedAt  NumericDate `json:"iat,omitzero"`       // when it was issued (RFC 7519 §4.1.6)
	ID        string      `json:"jti,omitempty"`      // the token's own id (RFC 7519 §4.1.7)
	SessionID string      `json:"sid,omitempty"`      // the login session (OpenID Connect Front-Channel Logout §3)
	Scope     string      `json:"scope,omitempty"`    // space-delimited scopes (RFC 8693 §4.2)
	AuthTime  NumericDate `json:"auth_time,omitzero"` // when the user logged in (OpenID Connect Core §2)

	// Confirmation identifies the key that the token is bound to (cnf, RFC 7800 §3.1). If nil, the token is not bound.
	Confirmation *Confirmation `json:"cnf,omitempty"`
}

// Confirmation identifies the key that a token is bound to, by its SHA-256 thumbprint in base64url. The client must prove
// possession of this key. At least one field is set. Tokens that are bound by any other method are refused.
type Confirmation struct {
	KeyThumbprint         string `json:"jkt,omitempty"`      // of a JSON Web Key, for DPoP (RFC 9449 §6.1)
	CertificateThumbprint string `json:"x5t#S256,omitempty"` // of a certificate, for mutual TLS (RFC 8705 §3.1)
}

func (c *Confirmation) clone() *Confirmation {
	if c == nil {
		return nil
	}
	clone := *c
	return &clone
}

// clone returns a deep copy.
func (c *Claims) clone() Claims {
	clone := *c
	clone.Audience = slices.Clone(c.Audience)
	clone.Confirmation = c.Confirmation.clone()
	return clone
}

// HasScope reports whether scope is one of the space-delimited values of the scope claim (RFC 8693 §4.2).
// The comparison is case-sensitive. For an empty scope it returns false.
func (c Claims) HasScope(scope string) bool {
	if scope == "" {
		return false
	}
	for s := range strings.SplitSeq(c.Scope, " ") {
		if s == scope {
			return true
		}
	}
	return false
}

// SubjectInt returns the subject as an integer. The error is ErrTokenClaims if the subject is not an int64 in canonical
// decimal form: "7", not "07" or "+7".
func (c Claims) SubjectInt() (int64, error) {
	n, err := strconv.ParseInt(c.Subject, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != c.Subject {
		return 0, fmt.Errorf("%w: sub is not an integer", ErrTokenClaims)
	}
	return n, nil
}

// GetExpirationTime returns exp, nil if absent, for golang-jwt's jwt.Claims.
func (c Claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.ExpiresAt.forJWT(), nil }

// GetIssuedAt returns iat, nil if absent, for golang-jwt's jwt.Claims.
func (c Claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.IssuedAt.forJWT(), nil }

// GetNotBefore returns nbf, nil if absent, for golang-jwt's jwt.Claims.
func (c Claims) GetNotBefore() (*jwt.NumericDate, error) { return c.NotBefore.forJWT(), nil }

// GetIssuer returns iss for golang-jwt's jwt.Claims.
func (c Claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject returns sub for golang-jwt's jwt.Claims.
func (c Claims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience returns aud for golang-jwt's jwt.Claims.
func (c Claims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings(c.Audience), nil }

func (c *Claims) mustEmbedUsherClaims() *Claims { return c }

// EmbedsClaims is the constraint of functions that are generic over the claims type, here and in other packages. *C
// satisfies it if C embeds [Claims]; otherwise the compiler reports an error.
type EmbedsClaims[C any] interface {
	*C
	mustEmbedUsherClaims() *Claims
}

func embedded[C any, P EmbedsClaims[C]](c *C) *Claims { return P(c).mustEmbedUsherClaims() }

// NumericDate is a point in time. Its JSON form is the number of seconds since 1970, with an optional fraction (RFC
// 7519 §2). The zero value means that the claim is absent; its JSON form is null. Times outside the years 1970 to 9999
// can't be marshaled or unmarshaled.
type NumericDate struct{ time.Time }

// NewNumericDate returns t in UTC, truncated to seconds. For the zero time it returns the zero NumericDate.
func NewNumericDate(t time.Time) NumericDate {
	return NumericDate{time.Unix(t.Unix(), 0).UTC()}
}

// MarshalJSON returns the date as a JSON number, or null if it is zero.
func (d NumericDate) MarshalJSON() ([]byte, error) {
	if d.IsZero() {
		return []byte("null"), nil
	}
	return d.append(nil)
}

// UnmarshalJSON reads a JSON number, or the zero value from null.
func (d *NumericDate) UnmarshalJSON(data []byte) error {
	v, ok := strictjson.Read(string(data))
	if ok && v.Kind == strictjson.Null {
		*d = NumericDate{}
		return nil
	}
	date, inRange, _ := readDate(v)
	if !ok || !inRange {
		return errDate
	}
	*d = date
	return nil
}

const dateRange = "a number of seconds between 0 and 253402300799"

var errDate = errors.New("usher: a date is " + dateRange)

func (d NumericDate) append(dst []byte) ([]byte, error) {
	dst, ok := unixtime.Append(dst, d.Time)
	if !ok {
		return dst, errDate
	}
	return dst, nil
}

func (d NumericDate) forJWT() *jwt.NumericDate {
	if d.IsZero() {
		return nil
	}
	return &jwt.NumericDate{Time: d.Time}
}

// Audience lists the services that a token is intended for. Its JSON form is a string or an array of strings (RFC 7519
// §4.1.3). A single audience is written as a string. A field of this type reads either form for any claim.
type Audience []string

// MarshalJSON returns a string for one audience, null if a is nil, and otherwise an array.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a), json.FormatNilSliceAsNull(true))
}

// UnmarshalJSON reads a string, an array of strings, or nil from null.
func (a *Audience) UnmarshalJSON(data []byte) error {
	v, ok := strictjson.Read(string(data))
	if !ok || v.Kind == strictjson.Null {
		*a = nil
	} else {
		*a, ok = readAudience(v)
	}
	if !ok {
		return errors.New("usher: an audience is a string or an array of strings")
	}
	return nil
}

// checkTimes checks the claims that depend on the time: exp, nbf and iat.
func (d *checks) checkTimes(c *Claims) error {
	now, leeway := d.opts.Now(), d.opts.Leeway
	earliest := now
	if leeway != 0 { // the addition takes 2 % of a request with a cached token
		earliest = now.Add(-leeway)
	}
	switch {
	case !c.ExpiresAt.IsZero():
		if !earliest.Before(c.ExpiresAt.Time) {
			return fmt.Errorf("%w: at %s, and now it is %s", ErrTokenExpired, formatTime(c.ExpiresAt.Time), formatTime(now))
		}
	case !d.opts.DangerouslyAllowNoExpiry:
		return missing("exp", ErrTokenClaims)
	}
	if !c.NotBefore.IsZero() && now.Add(leeway).Before(c.NotBefore.Time) {
		return fmt.Errorf("%w: before %s, and now it is %s", ErrTokenNotYetValid, formatTime(c.NotBefore.Time), formatTime(now))
	}
	if d.opts.MaxAge == 0 {
		return nil
	}
	switch issued := c.IssuedAt.Time; {
	case issued.IsZero():
		return missing("iat", ErrTokenClaims)
	case now.Add(leeway).Before(issued):
		return matching(fmt.Errorf("%w: issued at %s, and now it is %s", ErrTokenNotYetValid, formatTime(issued), formatTime(now)),
			jwt.ErrTokenUsedBeforeIssued)
	case now.After(issued.Add(d.opts.MaxAge).Add(leeway)):
		return fmt.Errorf("%w: issued at %s, more than %v ago", ErrTokenExpired, formatTime(issued), d.opts.MaxAge)
	}
	return nil
}

// checkIdentity checks what does not depend on the time: iss, aud, typ and sub.
func (d *checks) checkIdentity(c *Claims, h *header) error {
	o := &d.opts
	if o.Issuer != "" && c.Issuer != o.Issuer {
		if c.Issuer == "" {
			return missing("iss", ErrTokenIssuer)
		}
		return fmt.Errorf("%w: iss is %s, and %s is expected", ErrTokenIssuer, quote.Text(c.Issuer), quote.Text(o.Issuer))
	}
	if err := o.checkAudienceOf(c); err != nil {
		return err
	}
	if err := o.checkTypeOf(h); err != nil {
		return err
	}
	if c.Subject == "" && !o.AllowNoSubject {
		return missing(o.SubjectClaim, ErrTokenClaims)
	}
	return nil
}

func (o *DecoderOptions) checkAudienceOf(c *Claims) error {
	switch {
	case len(o.Audience) == 0 && len(c.Audience) > 0 && !o.DangerouslyAllowAnyAudience:
		return fmt.Errorf("%w: the token has an aud; to accept it, set DecoderOptions.Audience", ErrTokenAudience)
	case len(o.Audience) == 0 || slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(o.Audience, a) }):
		return nil
	case len(c.Audience) == 0:
		return missing("aud", ErrTokenAudience)
	}
	return fmt.Errorf("%w: aud names none of %q", ErrTokenAudience, o.Audience)
}

// missing returns an error of this kind for an absent claim.
func missing(claim string, kind error) error {
	return matching(fmt.Errorf("%w: %s is missing", kind, claim), jwt.ErrTokenRequiredClaimMissing)
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
