package usher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-usher/usher/internal/quote"
	"github.com/golang-jwt/jwt/v5"
)

// ErrInvalidToken is what every refusal of a token has in common: each error of the group below is also
// an ErrInvalidToken, and is golang-jwt's error for the same failure, so that errors.Is works with either.
var ErrInvalidToken error = &kindError{text: "usher: invalid token"}

// Why a token was refused. A token with several faults is refused for the first of them, in the order of
// [Decoder.Decode].
var (
	// ErrTokenMalformed: not three canonical base64url segments (RFC 7515 §7.1), or a header or payload
	// that is not one JSON object with unique names (RFC 7519 §4), or a header with crit (RFC 7515 §4.1.11)
	// or with a kid that is not a string of at most 256 bytes.
	ErrTokenMalformed error = tokenError("usher: malformed token", jwt.ErrTokenMalformed)
	// ErrTokenSignature: the signature is not the key's, or the algorithm is none that usher supports.
	ErrTokenSignature error = tokenError("usher: wrong signature", jwt.ErrTokenSignatureInvalid)
	// ErrTokenExpired: exp has passed (RFC 7519 §4.1.4), or iat lies further back than MaxAge.
	ErrTokenExpired error = tokenError("usher: token expired", jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims)
	// ErrTokenNotYetValid: nbf lies ahead (RFC 7519 §4.1.5), or iat does while a MaxAge is set.
	ErrTokenNotYetValid error = tokenError("usher: token not yet valid", jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidClaims)
	// ErrTokenIssuer: iss is not the one that was asked for (RFC 7519 §4.1.1).
	ErrTokenIssuer error = tokenError("usher: wrong issuer", jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidClaims)
	// ErrTokenAudience: aud names none of the audiences asked for, or names some although none was
	// (RFC 7519 §4.1.3).
	ErrTokenAudience error = tokenError("usher: wrong audience", jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidClaims)
	// ErrTokenClaims: a claim is missing, of the wrong type or out of range, or Validate refused the claims.
	ErrTokenClaims error = tokenError("usher: invalid claims", jwt.ErrTokenInvalidClaims)
	// ErrTokenType: typ names another kind of token (RFC 8725 §3.11).
	ErrTokenType error = tokenError("usher: wrong type of token", jwt.ErrTokenInvalidClaims)
	// ErrTokenTooLarge: the token has more bytes than DecoderOptions.MaxSize.
	ErrTokenTooLarge error = tokenError("usher: token too large", jwt.ErrTokenMalformed)
	// ErrTokenRevoked: the token, or the session that it belongs to, has ended. Checks return it.
	ErrTokenRevoked error = tokenError("usher: token revoked", jwt.ErrTokenInvalidClaims)
	// ErrUnknownKey: the key source has no key for the token's kid and algorithm.
	ErrUnknownKey error = tokenError("usher: unknown key", jwt.ErrTokenUnverifiable)
)

// Why a request was refused, when it was not the token's fault.
var (
	// ErrNoToken: the request carries no token.
	ErrNoToken = errors.New("usher: no token")
	// ErrManyTokens: the request carries more than one token (RFC 6750 §2).
	ErrManyTokens = errors.New("usher: more than one token")
	// ErrNoUser: the token is good, but the user that it names does not exist any more.
	ErrNoUser = errors.New("usher: no such user")
	// ErrForbidden: the user is known, and may not do this.
	ErrForbidden = errors.New("usher: forbidden")
	// ErrUnavailable: a key source, a store or a queue can't answer now; trying again later may help.
	ErrUnavailable = errors.New("usher: unavailable")
)

// Why a password or a hash was refused.
var (
	// ErrPasswordMismatch: the password is not the one that was hashed.
	ErrPasswordMismatch = errors.New("usher: wrong password")
	// ErrBadHash: the stored hash cannot be checked.
	ErrBadHash = errors.New("usher: not a usable password hash")
)

// ErrPasswordUnfit is what the three errors below have in common: a new password can't be used, and its user should
// choose another.
var ErrPasswordUnfit = errors.New("usher: unfit password")

// Why a new password can't be used. Each is also an ErrPasswordUnfit.
var (
	// ErrPasswordTooLong: the password has more bytes than can be hashed, 72 or, with PasswordOptions.AnyLength, 4096.
	ErrPasswordTooLong error = &kindError{text: "usher: password too long", also: []error{ErrPasswordUnfit}}
	// ErrPasswordTooShort: the password has fewer characters than PasswordOptions.MinLength.
	ErrPasswordTooShort error = &kindError{text: "usher: password too short", also: []error{ErrPasswordUnfit}}
	// ErrPasswordInvalid: the password contains a NUL byte, which bcrypt can't tell from its end.
	ErrPasswordInvalid error = &kindError{text: "usher: password holds a NUL byte", also: []error{ErrPasswordUnfit}}
)

// TokenError is in the chain of every refusal of a token whose signature is good, and says whose token it was: for logs,
// where errors.As finds it. An outage refuses nothing, and so brings none.
//
// Claims are the registered claims as far as they were read. They were refused: nothing else may be decided by them. Their
// strings share one allocation with the rest of the token.
type TokenError struct {
	Claims Claims
	Err    error // why the token was refused
}

// Error returns the reason's text, which names no user.
func (e *TokenError) Error() string {
	if e.Err == nil {
		return "usher: refused"
	}
	return e.Err.Error()
}

// Unwrap returns the reason.
func (e *TokenError) Unwrap() error { return e.Err }

// refusal returns err, the reason why the token with these claims is refused, as a *TokenError. An outage, and what is a
// *TokenError already, it returns as it is.
func refusal(claims *Claims, err error) error {
	var known *TokenError
	if errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &known) {
		return err
	}
	return &TokenError{Claims: claims.clone(), Err: err}
}

// ConfigError is a mistake in what a constructor was given. Constructors report all mistakes at once, joined
// with errors.Join; errors.As finds the first, as a *ConfigError or as a ConfigError.
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

// Must returns v, and panics if err is not nil. It is for main functions, variable initialisers and tests,
// where a mistake in the configuration should end the program.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// kindError is a sentinel that is also other errors.
type kindError struct {
	text string
	also []error
}

func (e *kindError) Error() string   { return e.text }
func (e *kindError) Unwrap() []error { return e.also }

func tokenError(text string, jwtErrors ...error) error {
	return &kindError{text: text, also: append([]error{ErrInvalidToken}, jwtErrors...)}
}

// matching returns err with golang-jwt's error for the same fault in its chain, and not in its text.
func matching(err, jwtError error) error {
	return &kindError{text: err.Error(), also: []error{err, jwtError}}
}

// misconfigured collects a constructor's mistakes.
type misconfigured []error

func (m *misconfigured) add(field, reason string, args ...any) {
	*m = append(*m, &ConfigError{Field: field, Reason: fmt.Sprintf(reason, args...)})
}

func (m misconfigured) err() error { return errors.Join(m...) }

// checkName checks the name of an issuer, an audience or a claim. They are compared byte for byte, so a blank around one would match nothing.
func checkName(wrong *misconfigured, field, name string) {
	switch {
	case strings.TrimSpace(name) != name:
		wrong.add(field, "is %s, with blanks around it", quote.Text(name))
	case !utf8.ValidString(name):
		wrong.add(field, "is %s, which is not UTF-8", quote.Text(name))
	}
}

func checkMaxSize(wrong *misconfigured, field string, size int) {
	if size < leastMaxSize {
		wrong.add(field, "is %d bytes, less than any token has", size)
	}
}

// checkUnit finds durations that were written without a unit, and so are nanoseconds.
func checkUnit(wrong *misconfigured, field string, d time.Duration) {
	if d > 0 && d < time.Second {
		wrong.add(field, "is %v, less than a second; durations have a unit, as in 30*time.Second", d)
	}
}
