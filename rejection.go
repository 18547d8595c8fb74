package usher

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-usher/usher/internal/strictjson"
)

// Rejection is the refusal of a request: the response that the client gets, and the cause, which it never learns. It is an
// error, and an http.Handler that writes the response. [Middleware.Authenticate] returns one. A user function, Check, a guard
// or [Middleware.Deny] may be given one, which is then used as it is. A Rejection must not be modified once it was returned.
type Rejection struct {
	Status      int           // of the response; 500 if it is not between 400 and 599
	Code        string        // the challenge's error code (RFC 6750 §3.1), "" if there was no token
	Description string        // safe to show to the client
	Scope       string        // the scopes that are required, space-delimited (RFC 6750 §3)
	MaxAge      time.Duration // how recent the login has to be, in whole seconds (RFC 9470 §3)
	RetryAfter  time.Duration // for a 429 or 503: when to try again, rounded up to seconds; 5 seconds if a 503 has none
	Header      http.Header   // set after usher's own headers; it may replace the challenge
	Err         error         // the cause; if the token's signature was good, it leads to a *TokenError

	policy     *policy // of the middleware that refuses, for the challenge
	observer   *policy // whose Observe has been called
	unexpected bool    // Err is an outage, or an error that usher doesn't know
}

// The error codes of challenges.
const (
	codeRequest        = "invalid_request"                  // RFC 6750 §3.1
	codeToken          = "invalid_token"                    // RFC 6750 §3.1
	codeScope          = "insufficient_scope"               // RFC 6750 §3.1
	codeAuthentication = "insufficient_user_authentication" // RFC 9470 §3
)

const descriptionInternal = "The request can't be served."

// Error returns the description, which is safe to show.
func (rej *Rejection) Error() string {
	if rej == nil || rej.Description == "" {
		return descriptionInternal
	}
	return rej.Description
}

// Unwrap returns the cause.
func (rej *Rejection) Unwrap() error {
	if rej == nil {
		return nil
	}
	return rej.Err
}

// ServeHTTP writes the default response: the status, the headers of SetHeaders, and the description as a problem (RFC 9457).
func (rej *Rejection) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status := rej.status()
	rej.SetHeaders(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	body, _ := strictjson.AppendString([]byte(`{"title":`), http.StatusText(status))
	body = strconv.AppendInt(append(body, `,"status":`...), int64(status), 10)
	body, _ = strictjson.AppendString(append(body, `,"detail":`...), strings.ToValidUTF8(rej.Error(), "?"))
	_, _ = w.Write(append(body, "}\n"...))
}

// SetHeaders sets the headers that the response to a refusal needs: WWW-Authenticate if there is a challenge,
// Cache-Control: no-store, Retry-After for a 503 or where RetryAfter is set, and those in Header. It is for adapters that write
// the response by themselves.
func (rej *Rejection) SetHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if challenge := rej.Challenge(); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if seconds := rej.retryAfter(); seconds > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if rej != nil {
		for name, values := range rej.Header {
			h[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
}

// retryAfter returns the seconds of the Retry-After header, 0 if there is none.
func (rej *Rejection) retryAfter() int64 {
	status := rej.status()
	switch {
	case status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests:
		return 0
	case rej != nil && rej.RetryAfter > 0:
		return int64((rej.RetryAfter-1)/time.Second) + 1
	case status == http.StatusServiceUnavailable:
		return 5
	}
	return 0
}

// Challenge returns the value of the WWW-Authenticate header (RFC 6750 §3), or "" if another token would not help. It has a
// challenge for each scheme that the middleware's sources read.
func (rej *Rejection) Challenge() string {
	if rej == nil {
		return ""
	}
	if own := rej.Header.Values("WWW-Authenticate"); len(own) > 0 {
		return strings.Join(own, ", ")
	}
	switch rej.Status {
	case http.StatusUnauthorized:
	case http.StatusForbidden, http.StatusBadRequest:
		if rej.Code == "" {
			return ""
		}
	default:
		return ""
	}
	schemes := []string{"Bearer"}
	if rej.policy != nil && len(rej.policy.schemes) > 0 {
		schemes = rej.policy.schemes
	}
	challenge := make([]byte, 0, 128)
	for i, scheme := range schemes {
		if i > 0 {
			challenge = append(challenge, ", "...)
		}
		challenge = rej.appendParameters(append(append(challenge, scheme...), ' '))
	}
	return string(challenge)
}

// appendParameters appends the parameters of a challenge. There is at least one, as RFC 6750 §3 requires.
func (rej *Rejection) appendParameters(challenge []byte) []byte {
	start := len(challenge)
	add := func(name, value string) {
		if len(challenge) > start {
			challenge = append(challenge, ", "...)
		}
		challenge = append(append(challenge, name...), `="`...)
		challenge = append(append(challenge, strings.Map(quotable, value)...), '"')
	}
	if rej.policy != nil && rej.policy.opts.Realm != "" {
		add("realm", rej.policy.opts.Realm)
	}
	if rej.Code != "" {
		add("error", rej.Code)
	}
	if rej.Code != "" && rej.Description != "" {
		add("error_description", rej.Description)
	}
	if rej.Scope != "" {
		add("scope", rej.Scope)
	}
	if rej.MaxAge > 0 {
		add("max_age", strconv.FormatInt(int64(rej.MaxAge/time.Second), 10))
	}
	if rej.policy != nil && rej.policy.opts.ResourceMetadata != "" {
		add("resource_metadata", rej.policy.opts.ResourceMetadata)
	}
	if len(challenge) == start {
		add("realm", "")
	}
	return challenge
}

// status returns a status that a refusal may have, whatever the field says.
func (rej *Rejection) status() int {
	if rej == nil || rej.Status < 400 || rej.Status > 599 {
		return http.StatusInternalServerError
	}
	return rej.Status
}

// addHeader adds headers to those of a refusal, which win.
func (rej *Rejection) addHeader(header http.Header) {
	if len(header) == 0 {
		return
	}
	merged := http.Header{}
	for _, h := range []http.Header{header, rej.Header} {
		for name, values := range h {
			merged[http.CanonicalHeaderKey(name)] = values
		}
	}
	rej.Header = merged
}

// errorOrigin says who returned an error, on which the meaning of some errors depends.
type errorOrigin int

const (
	fromToken   errorOrigin = iota // the verifier, Confirm, Check or the user function
	fromGuard                      // a guard: an unknown error is a 403
	fromHandler                    // a handler, by Deny: ErrNoUser speaks of another user
)

// rejectionFor is the one mapping of errors to responses. ErrUnavailable and the errors of contexts take precedence: nothing was
// judged.
func rejectionFor(err error, from errorOrigin) *Rejection {
	if given, ok := errors.AsType[*Rejection](err); ok && given != nil {
		own := *given
		own.Status = given.status()
		return &own
	}
	rej := &Rejection{Err: err}
	set := func(status int, code, description string) {
		rej.Status, rej.Code, rej.Description = status, code, description
	}
	switch {
	case isOutage(err):
		set(http.StatusServiceUnavailable, "", "Try again later.")
		rej.unexpected = true
	case errors.Is(err, ErrNoToken):
		set(http.StatusUnauthorized, "", "An access token is required.")
	case errors.Is(err, ErrManyTokens):
		set(http.StatusBadRequest, codeRequest, "The request carries more than one access token.")
	case errors.Is(err, ErrTokenExpired):
		set(http.StatusUnauthorized, codeToken, "The access token has expired.")
	case errors.Is(err, ErrNoUser) && from == fromHandler:
		set(http.StatusNotFound, "", "There is no such user.")
	case errors.Is(err, ErrInvalidToken), errors.Is(err, ErrNoUser):
		set(http.StatusUnauthorized, codeToken, "The access token is not valid.")
	case errors.Is(err, ErrPasswordUnfit):
		set(http.StatusUnprocessableEntity, "", unfitPassword(err))
	case errors.Is(err, ErrForbidden):
		set(http.StatusForbidden, codeScope, "This is not allowed.")
	case from == fromGuard:
		set(http.StatusForbidden, codeScope, "This is not allowed.")
		rej.unexpected = true
	default:
		set(http.StatusInternalServerError, "", descriptionInternal)
		_, misconfigured := errors.AsType[*ConfigError](err)
		rej.unexpected = err != nil && !misconfigured
	}
	return rej
}

// isOutage reports whether err says that something was out of reach, so that nothing was judged.
func isOutage(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// unfitPassword says to the client why it can't have this password.
func unfitPassword(err error) string {
	switch {
	case errors.Is(err, ErrPasswordTooShort):
		return "The password is too short."
	case errors.Is(err, ErrPasswordTooLong):
		return "The password is too long."
	case errors.Is(err, ErrPasswordInvalid):
		return "The password has a character that is not allowed."
	}
	return "This password can't be used."
}

// The reasons that the code below asks about.
const (
	reasonCanceled    = "canceled"
	reasonNoToken     = "no_token"
	reasonUnconfirmed = "unconfirmed"
)

// Reason returns one word for the cause, for metrics and bodies. It is the first of these that fits:
//
//	canceled          the client hung up
//	timeout           a deadline passed
//	unavailable       ErrUnavailable: a store, a key source or a queue is out of reach
//	no_token          ErrNoToken
//	many_tokens       ErrManyTokens
//	expired           ErrTokenExpired
//	not_yet_valid     ErrTokenNotYetValid
//	unconfirmed       the token is bound to a key, and there is no proof that the client possesses it
//	issuer            ErrTokenIssuer
//	audience          ErrTokenAudience
//	type              ErrTokenType
//	too_large         ErrTokenTooLarge
//	revoked           ErrTokenRevoked
//	unknown_key       ErrUnknownKey
//	signature         ErrTokenSignature
//	malformed         ErrTokenMalformed
//	claims            ErrTokenClaims
//	token             ErrInvalidToken, or another 401 with the code invalid_token
//	no_user           ErrNoUser
//	password          ErrPasswordUnfit or ErrPasswordMismatch
//	scope             a scope is missing
//	login_too_old     a more recent login is required
//	cross_origin      another site caused the request, which has its token in a cookie
//	forbidden         ErrForbidden, or another 403
//	too_many          another 429
//	request           another 4xx
//	error             all else
//
// An error of another package may bring its own reason by a method Reason() string, as those of package session do. It counts
// unless the cause is one of the first three, and if it has at most 64 lower-case letters, digits and underscores.
func (rej *Rejection) Reason() string {
	if rej == nil {
		return "error"
	}
	switch {
	case errors.Is(rej.Err, context.Canceled):
		return reasonCanceled
	case errors.Is(rej.Err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(rej.Err, ErrUnavailable):
		return "unavailable"
	}
	if reason := ownReason(rej.Err); reason != "" {
		return reason
	}
	if reason := knownReason(rej.Err); reason != "" {
		return reason
	}
	return rej.reasonOfStatus()
}

// knownReason returns the reason of an error of usher's, "" for others.
func knownReason(err error) string {
	for _, known := range [...]struct {
		err    error
		reason string
	}{
		{ErrNoToken, reasonNoToken},
		{ErrManyTokens, "many_tokens"},
		{ErrTokenExpired, "expired"},
		{ErrTokenNotYetValid, "not_yet_valid"},
		{ErrTokenIssuer, "issuer"},
		{ErrTokenAudience, "audience"},
		{ErrTokenType, "type"},
		{ErrTokenTooLarge, "too_large"},
		{ErrTokenRevoked, "revoked"},
		{ErrUnknownKey, "unknown_key"},
		{ErrTokenSignature, "signature"},
		{ErrTokenMalformed, "malformed"},
		{ErrTokenClaims, "claims"},
		{ErrInvalidToken, "token"},
		{ErrNoUser, "no_user"},
		{ErrPasswordUnfit, "password"},
		{ErrPasswordMismatch, "password"},
		{ErrForbidden, "forbidden"},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return ""
}

// reasonOfStatus returns the reason of a Rejection whose cause says nothing.
func (rej *Rejection) reasonOfStatus() string {
	switch status := rej.status(); {
	case rej.Code == codeAuthentication:
		return "login_too_old"
	case status == http.StatusUnauthorized && rej.Code == "":
		return reasonNoToken
	case status == http.StatusUnauthorized:
		return "token"
	case status == http.StatusForbidden && rej.Scope != "":
		return "scope"
	case status == http.StatusForbidden:
		return "forbidden"
	case status == http.StatusTooManyRequests:
		return "too_many"
	case status == http.StatusServiceUnavailable:
		return "unavailable"
	case status < http.StatusInternalServerError:
		return "request"
	}
	return "error"
}

// ownReason returns the reason that an error in the chain brings, "" if none does.
func ownReason(err error) string {
	own, ok := errors.AsType[interface {
		error
		Reason() string
	}](err)
	if !ok {
		return ""
	}
	reason := own.Reason()
	if len(reason) > 64 || strings.Trim(reason, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return ""
	}
	return reason
}

// reasonError gives an error a reason of its own.
type reasonError struct {
	error
	reason string
}

func (e *reasonError) Unwrap() error { return e.error }

// Reason returns the reason, for [Rejection.Reason].
func (e *reasonError) Reason() string { return e.reason }

// logRejection writes the line of LogRejections.
func logRejection(log *slog.Logger, r *http.Request, rej *Rejection) {
	if log == nil {
		log = slog.Default()
	}
	reason, level := rej.Reason(), slog.LevelInfo
	if rej.status() >= http.StatusInternalServerError && reason != reasonCanceled {
		level = slog.LevelError
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.Int("status", rej.status()),
		slog.String("reason", reason),
		slog.String("method", shortened(r.Method)),
		slog.String("route", shortened(route(r))),
	}
	if token, ok := errors.AsType[*TokenError](rej.Err); ok {
		attrs = append(attrs, slog.String("sub", shortened(token.Claims.Subject)))
		if token.Claims.SessionID != "" {
			attrs = append(attrs, slog.String("sid", shortened(token.Claims.SessionID)))
		}
	}
	if rej.Err != nil {
		attrs = append(attrs, slog.String("error", rej.Err.Error()))
	}
	log.LogAttrs(r.Context(), level, "usher: request refused", attrs...)
}

// route returns the pattern that matched the request, or else its path. A query may hold a token, and never gets into a log.
func route(r *http.Request) string {
	if r.Pattern != "" || r.URL == nil {
		return r.Pattern
	}
	return r.URL.Path
}

// shortened returns text as far as a log line wants it.
func shortened(text string) string {
	const most = 256
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// notQuotable is true for what may not be in the parameters of a challenge (RFC 6750 §3).
func notQuotable(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

func quotable(r rune) rune {
	if notQuotable(r) {
		return '?'
	}
	return r
}
