// Package rpc has what gRPC and Connect have in common: method names, status codes, and HTTP headers.
package rpc

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IsPattern reports whether name is the name of a service, such as grpc.health.v1.Health, or of a method, such as
// /grpc.health.v1.Health/Check.
func IsPattern(name string) bool {
	if service, method, ok := cutMethod(name); ok {
		return isFullName(service) && isFullName(method)
	}
	return isFullName(name)
}

// Match reports whether patterns contain a method or its service. Names are case-sensitive.
func Match(patterns []string, fullMethod string) bool {
	if len(patterns) == 0 {
		return false
	}
	service, _, ok := cutMethod(fullMethod)
	return ok && (slices.Contains(patterns, fullMethod) || slices.Contains(patterns, service))
}

// cutMethod splits /service/method. A path with a third part is refused: a server that splits /a.B/x/C at its last slash calls
// another service than a.B.
func cutMethod(fullMethod string) (service, method string, ok bool) {
	path, ok := strings.CutPrefix(fullMethod, "/")
	if !ok {
		return "", "", false
	}
	service, method, ok = strings.Cut(path, "/")
	return service, method, ok && !strings.Contains(method, "/")
}

// isFullName reports whether name is a full name of Protocol Buffers: identifiers separated by dots.
func isFullName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || strings.Trim(part, letters) != "" {
			return false
		}
	}
	return true
}

// Status codes. Their numbers are the same in gRPC and Connect.
const (
	invalidArgument    = 3
	notFound           = 5
	alreadyExists      = 6
	permissionDenied   = 7
	resourceExhausted  = 8
	failedPrecondition = 9
	unimplemented      = 12
	internal           = 13
	unavailable        = 14
	unauthenticated    = 16
)

// Code returns the status code for the HTTP status of a refusal. Any other HTTP status is an internal error.
func Code(httpStatus int) uint32 {
	switch httpStatus {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return invalidArgument
	case http.StatusUnauthorized:
		return unauthenticated
	case http.StatusForbidden:
		return permissionDenied
	case http.StatusNotFound:
		return notFound
	case http.StatusMethodNotAllowed:
		return unimplemented
	case http.StatusConflict:
		return alreadyExists
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return resourceExhausted
	case http.StatusServiceUnavailable:
		return unavailable
	}
	if httpStatus/100 == 4 {
		return failedPrecondition
	}
	return internal
}

// RetryAfter returns the duration of a Retry-After header in seconds, or 0 if there is none.
func RetryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Bearer returns the token in the value of an Authorization header (RFC 6750 §2.1), or "" if it has another scheme. If
// the token is empty or has no scheme, fault says so.
func Bearer(value string) (token, fault string) {
	scheme := value
	if i := strings.IndexAny(value, " \t"); i >= 0 { // with a tab, the token is invalid
		scheme, token = value[:i], strings.TrimLeft(value[i:], " ")
	}
	switch bearer := strings.EqualFold(scheme, "Bearer"); {
	case bearer && token == "":
		return "", "it is empty"
	case bearer:
		return token, ""
	case token == "" && strings.Contains(scheme, "."):
		return "", `it has no scheme; send "Bearer" before it`
	}
	return "", ""
}
