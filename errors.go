package usher

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-usher/usher/internal/httpfield"
	"github.com/go-usher/usher/internal/quote"
	"github.com/golang-jwt/jwt/v5"
)

// ErrInvalidToken matches every refusal of a token. Each error of the group below is also ErrInvalidToken and golang-jwt's
// error for the same fault, so errors.Is works with either.
var ErrInvalidToken error = &kindError{text: "usher: invalid token"}

// Reasons for refusing a token. If a token has several faults, the first is reported, in the order of [Decoder.Decode].
var (
	// ErrTokenMalformed: not three canonical base64url segments (RFC 7515 §7.1), or a header or payload
	// that is not one JSON object with unique names (RFC 7519 §4), or a header with crit (RFC 7515 §4.1.11)
	// or with a kid that is not a string of at most 256 bytes.
	ErrTokenMalformed error = tokenError("usher: malformed token", jwt.ErrTokenMalformed)
	// ErrTokenSignature: the signature was not made with the key, or the algorithm is not supported.
	ErrTokenSignature error = tokenError("usher: wrong signature", jwt.ErrTokenSignatureInvalid)
	// ErrTokenExpired: exp has passed (RFC 7519 §4.1.4), or more than MaxAge has passed since iat.
	ErrTokenExpired error = tokenError("usher: token expired", jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims)
	// ErrTokenNotYetValid: nbf is in the future (RFC 7519 §4.1.5), or iat is and MaxAge is set.
	ErrTokenNotYetValid error = tokenError("usher: token not yet valid", jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidClaims)
	// ErrTokenIssuer: iss is not the expected issuer (RFC 7519 §4.1.1).
	ErrTokenIssuer error = tokenError("usher: wrong issuer", jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidClaims)
	// ErrTokenAudience: aud contains none of the accepted audiences, or the token has an aud and none is configured
	// (RFC 7519 §4.1.3).
	ErrTokenAudience error = tokenError("usher: wrong audience", jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidClaims)
	// ErrTokenClaims: a claim is missing, of the wrong type or out of range, or Validate refused the claims.
	ErrTokenClaims error = tokenError("usher: invalid claims", jwt.ErrTokenInvalidClaims)
	// ErrTokenType: typ names another kind of token (RFC 8725 §3.11).
	ErrTokenType error = tokenError("usher: wrong type of token", jwt.ErrTokenInvalidClaims)
	// ErrTokenTooLarge: the token has more bytes than DecoderOptions.MaxSize.
	ErrTokenTooLarge error = tokenError("usher: token too large", jwt.ErrTokenMalformed)
	// ErrTokenRevoked: the token was revoked or its session has ended. MiddlewareOptions.Check returns it.
	ErrTokenRevoked error = tokenError("usher: token revoked", jwt.ErrTokenInvalidClaims)
	// ErrUnknownKey: the key source has no key for the token's kid and algorithm.
	ErrUnknownKey error = tokenError("usher: unknown key", jwt.ErrTokenUnverifiable)
)

// Reasons for refusing a request other than a fault of its token.
var (
	// ErrNoToken: the request carries no token.
	ErrNoToken = errors.New("usher: no token")
	// ErrManyTokens: the request carries more than one token (RFC 6750 §2).
	ErrManyTokens = errors.New("usher: more than one token")
	// ErrNoUser: the token is valid, but its user no longer exists.
	ErrNoUser = errors.New("usher: no such user")
	// ErrForbidden: the user is authenticated but not allowed to do this.
	ErrForbidden = errors.New("usher: forbidden")
	// ErrUnavailable: a key source, a store or a queue can't respond now. A later attempt may succeed.
	ErrUnavailable = errors.New("usher: unavailable")
)

// Reasons for refusing a password or a hash.
var (
	// ErrPasswordMismatch: the password is not the one that was hashed.
	ErrPasswordMismatch = errors.New("usher: wrong password")
	// ErrBadHash: the stored hash cannot be checked.
	ErrBadHash = errors.New("usher: not a usable password hash")
)

// ErrPasswordUnfit matches the three errors below: a new password can't be used, and the user should choose another.
var ErrPasswordUnfit = errors.New("usher: unfit password")

// Reasons why a new password can't be used. Each is also ErrPasswordUnfit.
var (
	// ErrPasswordTooLong: the password has more than 72 bytes, or more than 4096 with PasswordOptions.AnyLength.
	ErrPasswordTooLong error = &kindError{text: "usher: password too long", also: []error{ErrPasswordUnfit}}
	// ErrPasswordTooShort: the password has fewer characters than PasswordOptions.MinLength.
	ErrPasswordTooShort error = &kindError{text: "usher: password too short", also: []error{ErrPasswordUnfit}}
	// ErrPasswordInvalid: the password contains a NUL byte, which bcrypt implementations may take for its end.
	ErrPasswordInvalid error = &kindError{text: "usher: password holds a NUL byte", also: []error{ErrPasswordUnfit}}
)

// TokenError says whose token was refused, for logs. It is in the error chain of every refusal of a token with a valid
// signature; find it with errors.As. Errors of an outage have none, because they refuse no token.
//
// Claims are the registered claims that were read before the refusal. Make no decision by them: the token was refused.
// Their strings share one allocation with the rest of the token.
type TokenError struct {
	Claims Claims
	Err    error // why the token was refused
}

// Error returns the text of Err, which does not name the user.
func (e *TokenError) Error() string {
	if e == nil || e.Err == nil {
		return "usher: refused"
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *TokenError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// refusal wraps err, the reason for refusing the token with these claims, in a *TokenError. It returns outages, and
// errors that have a *TokenError already, unchanged.
func refusal(claims *Claims, err error) error {
	var existing *TokenError
	if isOutage(err) || errors.As(err, &existing) {
		return err
	}
	return &TokenError{Claims: claims.clone(), Err: err}
}

// ConfigError is a mistake in the arguments of a constructor. Constructors report all mistakes at once, joined with
// errors.Join. errors.As finds the first one, as a *ConfigError or a ConfigError.
type ConfigError struct {
	Field  string // the parameter or option, such as "DecoderOptions.Leeway"
	Reason string // what is wrong with it and what would be right
}

// Error returns field and reason as one sentence.
func (e ConfigError) Error() string { return "usher: " + e.Field + " " + e.Reason }

// As lets errors.As fill a ConfigError too: constructors return pointers.
func (e *ConfigError) As(target any) bool {
	value, ok := target.(*ConfigError)
	if ok {
		*value = *e
	}
	return ok
}

// Must returns v, or panics if err is not nil. Use it in main functions, variable initializers and tests, where a wrong
// configuration should end the program.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// kindError is a sentinel that errors.Is also matches with other errors.
type kindError struct {
	text string
	also []error
}

func (e *kindError) Error() string   { return e.text }
func (e *kindError) Unwrap() []error { return e.also }

func tokenError(text string, jwtErrors ...error) error {
	return &kindError{text: text, also: append([]error{ErrInvalidToken}, jwtErrors...)}
}

// matching adds golang-jwt's error for the same fault to err's chain, but not to its text.
func matching(err, jwtError error) error {
	return &kindError{text: err.Error(), also: []error{err, jwtError}}
}

// configErrors collects a constructor's mistakes.
type configErrors []error

func (c *configErrors) add(field, reason string, args ...any) {
	*c = append(*c, &ConfigError{Field: field, Reason: fmt.Sprintf(reason, args...)})
}

func (c configErrors) err() error { return errors.Join(c...) }

// checkName checks the name of an issuer, an audience or a claim. Names are compared byte for byte, so one with spaces
// around it would match nothing.
func checkName(wrong *configErrors, field, name string) {
	switch {
	case strings.TrimSpace(name) != name:
		wrong.add(field, "is %s, which has spaces around it", quote.Text(name))
	case !utf8.ValidString(name):
		wrong.add(field, "is %s, which is not UTF-8", quote.Text(name))
	}
}

func checkAudience(wrong *configErrors, field string, audience Audience) {
	if slices.Contains(audience, "") {
		wrong.add(field, "contains an empty audience")
	}
	for _, a := range audience {
		checkName(wrong, field, a)
	}
}

func checkType(wrong *configErrors, field, typ string) {
	switch {
	case strings.Trim(typ, " ") != typ || !httpfield.IsQuotable(typ):
		wrong.add(field, "is %s, which is not a media type", quote.Text(typ))
	case strings.Contains(typ, ","):
		wrong.add(field, "is %s, but a token has one type, not a list", quote.Text(typ))
	}
}

func checkMaxSize(wrong *configErrors, field string, size int) {
	if size < leastMaxSize {
		wrong.add(field, "is %d bytes, but must be %d or more", size, leastMaxSize)
	}
}

// checkUnit reports durations that were written without a unit and so are nanoseconds.
func checkUnit(wrong *configErrors, field string, d time.Duration) {
	if d > 0 && d < time.Second {
		wrong.add(field, "is %v, but must be a second or more; durations have a unit, as in 30*time.Second", d)
	}
}
