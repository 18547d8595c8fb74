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

	"github.com/go-usher/usher/internal/httpfield"
	"github.com/go-usher/usher/internal/quote"
	"github.com/go-usher/usher/internal/strictjson"
)

// Rejection is the refusal of a request. It holds the response for the client and the cause for the operator; the
// response does not reveal the cause. It is an error, and an http.Handler that writes the response.
// [Middleware.Authenticate] returns one. A Rejection that a user function, Check or a guard returns, or that is passed
// to [Middleware.Deny], is used as it is. Do not modify a Rejection after returning it.
type Rejection struct {
	Status      int           // the response's status; 500 if it is not between 400 and 599
	Code        string        // the challenge's error code (RFC 6750 §3.1), "" if there was no token
	Description string        // text that is safe to show to the client
	Scope       string        // the required scopes, space-delimited (RFC 6750 §3)
	MaxAge      time.Duration // the maximum time since the login, in whole seconds (RFC 9470 §3)
	RetryAfter  time.Duration // for a 429 or 503: when to try again, rounded up to seconds; for a 503 the default is 5 seconds
	Header      http.Header   // set after usher's own headers; it may replace the challenge
	Err         error         // the cause; if the token's signature was valid, a *TokenError is in its chain

	policy     *policy // the policy of the middleware, for the challenge
	observer   *policy // the policy whose Observe was called
	unexpected bool    // Err is an outage or an unknown error
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

// ServeHTTP writes the default response: the status, the headers of SetHeaders, and a problem document with the description
// (RFC 9457).
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

// SetHeaders sets the headers of the response: WWW-Authenticate if there is a challenge, Cache-Control: no-store,
// Retry-After for a 503 or a 429 with RetryAfter, and those in Header. Use it in adapters that write the response
// themselves.
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

// retryAfter returns the value of the Retry-After header in seconds, or 0 if there is none.
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

// Challenge returns the value of the WWW-Authenticate header (RFC 6750 §3), or "" if a different token would not help. It
// contains a challenge for each scheme of the middleware's sources.
func (rej *Rejection) Challenge() string {
	if rej == nil {
		return ""
	}
	if custom := rej.Header.Values("WWW-Authenticate"); len(custom) > 0 {
		return strings.Join(custom, ", ")
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
	var realm, description, maxAge, metadata string
	if rej.policy != nil {
		realm, metadata = rej.policy.opts.Realm, rej.policy.opts.ResourceMetadata
		if len(rej.policy.schemes) > 0 {
			schemes = rej.policy.schemes
		}
	}
	if rej.Code != "" {
		description = rej.Description
	}
	if rej.MaxAge > 0 {
		maxAge = strconv.FormatInt(int64(rej.MaxAge/time.Second), 10)
	}
	return httpfield.Challenges(schemes, []httpfield.Parameter{
		{Name: "realm", Value: realm},
		{Name: "error", Value: rej.Code},
		{Name: "error_description", Value: description},
		{Name: "scope", Value: rej.Scope},
		{Name: "max_age", Value: maxAge},
		{Name: "resource_metadata", Value: metadata},
	})
}

// status returns Status, or 500 if it is not an error status.
func (rej *Rejection) status() int {
	if rej == nil || rej.Status < 400 || rej.Status > 599 {
		return http.StatusInternalServerError
	}
	return rej.Status
}

// addHeader adds headers. Those that the rejection already has take precedence.
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

// errorOrigin says where an error comes from. The response to some errors depends on it.
type errorOrigin int

const (
	fromToken   errorOrigin = iota // the verifier, Confirm, Check or the user function
	fromGuard                      // a guard: an unknown error is a 403
	fromHandler                    // a handler, through Deny: ErrNoUser is about another user, and a 404
)

// rejectionFor maps errors to responses. ErrUnavailable and the errors of contexts take precedence, because no decision
// was made.
func rejectionFor(err error, from errorOrigin) *Rejection {
	if original, ok := errors.AsType[*Rejection](err); ok && original != nil {
		clone := *original
		clone.Status = original.status()
		return &clone
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

// isOutage reports whether no decision was made because something was out of reach or the context ended.
func isOutage(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// unfitPassword returns the text for a client whose new password can't be used.
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

// The reasons that the code uses in several places.
const (
	reasonCanceled    = "canceled"
	reasonNoToken     = "no_token"
	reasonUnconfirmed = "unconfirmed"
)

// Reason returns one word for the cause, for metrics and response bodies. It is the first of these that applies:
//
//	canceled          the client closed the connection
//	timeout           a deadline passed
//	unavailable       ErrUnavailable: a store, a key source or a queue can't respond
//	no_token          ErrNoToken
//	many_tokens       ErrManyTokens
//	expired           ErrTokenExpired
//	not_yet_valid     ErrTokenNotYetValid
//	unconfirmed       the token is bound to a key, and the proof of possession is missing
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
//	cross_origin      another site caused the request, and its token is in a cookie
//	forbidden         ErrForbidden, or another 403
//	too_many          another 429
//	request           another 4xx
//	error             anything else
//
// An error may define its own reason with a method Reason() string, as errors of package session do. This reason may
// have at most 64 lower-case letters, digits and underscores. The first three of the list take precedence over it.
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
	if reason := customReason(rej.Err); reason != "" {
		return reason
	}
	if reason := builtinReason(rej.Err); reason != "" {
		return reason
	}
	return rej.reasonOfStatus()
}

// builtinReason returns the reason for an error of this package, or "" for others.
func builtinReason(err error) string {
	for _, entry := range [...]struct {
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
		if errors.Is(err, entry.err) {
			return entry.reason
		}
	}
	return ""
}

// reasonOfStatus returns the reason of a Rejection whose cause has none.
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

// customReason returns the result of the Reason method of an error in the chain, or "" if there is none.
func customReason(err error) string {
	custom, ok := errors.AsType[interface {
		error
		Reason() string
	}](err)
	if !ok {
		return ""
	}
	reason := custom.Reason()
	if len(reason) > 64 || strings.Trim(reason, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return ""
	}
	return reason
}

// reasonError adds a reason to an error.
type reasonError struct {
	error
	reason string
}

func (e *reasonError) Unwrap() error { return e.error }

// Reason returns the reason, for [Rejection.Reason].
func (e *reasonError) Reason() string { return e.reason }

// LogRejections returns a function for MiddlewareOptions.Observe that logs every refusal: its status, its reason, the
// method and route of the request, and the cause. If the token's signature was valid, it also logs the subject and the
// session. Refusals with a 5xx status have the level Error, unless the client closed the connection; all others have
// the level Info. If log is nil, it uses slog.Default.
func LogRejections(log *slog.Logger) func(r *http.Request, rej *Rejection) {
	return func(r *http.Request, rej *Rejection) {
		log, level := log, slog.LevelInfo
		if log == nil {
			log = slog.Default()
		}
		if rej.isServerError() {
			level = slog.LevelError
		}
		if !log.Enabled(r.Context(), level) {
			return
		}
		attrs := []slog.Attr{
			slog.Int("status", rej.status()),
			slog.String("reason", rej.Reason()),
			slog.String("method", quote.Truncate(r.Method, maxLogged)),
			slog.String("route", quote.Truncate(route(r), maxLogged)),
		}
		if token, ok := errors.AsType[*TokenError](rej.Err); ok {
			attrs = append(attrs, slog.String("sub", quote.Truncate(token.Claims.Subject, maxLogged)))
			if token.Claims.SessionID != "" {
				attrs = append(attrs, slog.String("sid", quote.Truncate(token.Claims.SessionID, maxLogged)))
			}
		}
		if rej.Err != nil {
			attrs = append(attrs, slog.String("error", rej.Err.Error()))
		}
		log.LogAttrs(r.Context(), level, "usher: request refused", attrs...)
	}
}

// maxLogged is the maximum number of bytes of a text in a log line.
const maxLogged = 256

// isServerError reports whether the refusal has a 5xx status that is not due to the client.
func (rej *Rejection) isServerError() bool {
	return rej.status() >= http.StatusInternalServerError && rej.Reason() != reasonCanceled
}

// route returns the pattern that matched the request, or its path. It leaves out the query, which may contain a token.
func route(r *http.Request) string {
	if r.Pattern != "" || r.URL == nil {
		return r.Pattern
	}
	return r.URL.Path
}
