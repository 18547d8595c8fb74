package usher

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-usher/usher/internal/strictjson"
)

// Rejection is the refusal of a request: what the client is told, and why. It is the error of
// [Middleware.Authenticate], a handler that responds, and what a guard or a user function returns to be answered
// exactly so.
type Rejection struct {
	Status      int           // of the response; usher's own are 400, 401, 403, 500 and 503, yours 400 to 599
	Code        string        // the error code of the challenge (RFC 6750 §3.1), "" if there was no token
	Description string        // safe to show to the client
	Scope       string        // the scopes that are required, space-delimited (RFC 6750 §3)
	MaxAge      time.Duration // how recent the login has to be, in whole seconds (RFC 9470 §3)
	Err         error         // the cause, which the client is never told

	realm    string
	observer *policy // whose Observe has been told
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

// Challenge returns the value of the WWW-Authenticate header (RFC 6750 §3), or "" if the refusal is none that
// another token would change.
func (rej *Rejection) Challenge() string {
	if rej == nil || rej.Status != http.StatusUnauthorized &&
		(rej.Code == "" || rej.Status != http.StatusForbidden && rej.Status != http.StatusBadRequest) {
		return ""
	}
	const scheme = "Bearer "
	challenge := append(make([]byte, 0, 128), scheme...)
	add := func(name, value string) {
		if len(challenge) > len(scheme) {
			challenge = append(challenge, ", "...)
		}
		challenge = append(append(challenge, name...), `="`...)
		challenge = append(append(challenge, strings.Map(quotable, value)...), '"')
	}
	if rej.realm != "" {
		add("realm", rej.realm)
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
	if len(challenge) == len(scheme) {
		add("realm", "") // a challenge has at least one parameter
	}
	return string(challenge)
}

// ServeHTTP writes the default response: the status, the challenge, and a problem (RFC 9457) with the
// description. It is not to be cached.
func (rej *Rejection) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status := rej.status()
	rej.setHeaders(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	body, _ := strictjson.AppendString([]byte(`{"title":`), http.StatusText(status))
	body = strconv.AppendInt(append(body, `,"status":`...), int64(status), 10)
	body, _ = strictjson.AppendString(append(body, `,"detail":`...), strings.ToValidUTF8(rej.Error(), "?"))
	_, _ = w.Write(append(body, "}\n"...))
}

// status returns a status that a refusal may have, whatever the field says.
func (rej *Rejection) status() int {
	if rej == nil || rej.Status < 400 || rej.Status > 599 {
		return http.StatusInternalServerError
	}
	return rej.Status
}

const retryAfter = "5" // seconds, for a service that is not available

func (rej *Rejection) setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if challenge := rej.Challenge(); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if rej.status() == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
}

// rejectionFor is the one mapping of errors to responses. Errors that say nothing about the request get the
// status otherwise. That something was out of reach goes before all else that an error may be: it is no
// judgement about the token.
func rejectionFor(err error, otherwise int) *Rejection {
	if given, ok := errors.AsType[*Rejection](err); ok && given != nil {
		own := *given
		own.Status = given.status()
		return &own
	}
	rej := &Rejection{Err: err}
	switch {
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		rej.Status, rej.Description = http.StatusServiceUnavailable, "Try again later."
	case errors.Is(err, ErrNoToken):
		rej.Status, rej.Description = http.StatusUnauthorized, "An access token is required."
	case errors.Is(err, ErrManyTokens):
		rej.Status, rej.Code, rej.Description = http.StatusBadRequest, codeRequest, "The request carries more than one access token."
	case errors.Is(err, ErrTokenExpired):
		rej.Status, rej.Code, rej.Description = http.StatusUnauthorized, codeToken, "The access token has expired."
	case errors.Is(err, ErrInvalidToken), errors.Is(err, ErrNoUser):
		rej.Status, rej.Code, rej.Description = http.StatusUnauthorized, codeToken, "The access token is not valid."
	case errors.Is(err, ErrForbidden), otherwise == http.StatusForbidden:
		rej.Status, rej.Code, rej.Description = http.StatusForbidden, codeScope, "This is not allowed."
	default:
		rej.Status, rej.Description = otherwise, descriptionInternal
	}
	return rej
}

// notQuotable is true for what may not be in the parameters of a challenge (RFC 6750 §3).
func notQuotable(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

func quotable(r rune) rune {
	if notQuotable(r) {
		return '?'
	}
	return r
}
