// Package rpc is what gRPC and Connect have in common: names of methods, numbers of codes, and HTTP's headers.
package rpc

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IsPattern reports whether name is that of a service, such as grpc.health.v1.Health, or of a method, such as
// /grpc.health.v1.Health/Check.
func IsPattern(name string) bool {
	if service, method, ok := cutMethod(name); ok {
		return isFullName(service) && isFullName(method)
	}
	return isFullName(name)
}

// Match reports whether patterns name a method or its service. Case matters.
func Match(patterns []string, fullMethod string) bool {
	if len(patterns) == 0 {
		return false
	}
	service, _, ok := cutMethod(fullMethod)
	return ok && (slices.Contains(patterns, fullMethod) || slices.Contains(patterns, service))
}

// cutMethod takes /service/method apart.
func cutMethod(fullMethod string) (service, method string, ok bool) {
	path, ok := strings.CutPrefix(fullMethod, "/")
	if !ok {
		return "", "", false
	}
	return strings.Cut(path, "/")
}

// isFullName reports whether name is one of Protocol Buffers: identifiers with dots between them.
func isFullName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || strings.Trim(part, letters) != "" {
			return false
		}
	}
	return true
}

// The numbers of codes, which are the same in gRPC and in Connect.
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

// Code returns the number of the code that says what the status of a refusal says. A status that is none of a refusal is an
// internal error.
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
	if httpStatus < 400 || httpStatus > 499 {
		return internal
	}
	return failedPrecondition
}

// RetryAfter returns the seconds of a Retry-After header, 0 if there is none.
func RetryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Bearer returns the token in the value of an Authorization header (RFC 6750 §2.1), "" if it has another scheme. fault says
// what is wrong with the token: it is empty, or has no scheme.
func Bearer(value string) (token, fault string) {
	scheme := value
	if i := strings.IndexAny(value, " \t"); i >= 0 { // a tab makes the token a bad one
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
