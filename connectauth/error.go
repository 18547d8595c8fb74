package connectauth

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/rpc"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the domain of the ErrorInfo in errors.
const Domain = "github.com/go-usher/usher"

// Error returns a refusal as Connect's error. Its message is [usher.Rejection.Error], and nothing that the client gets comes
// from the cause; interceptors of the server find the Rejection with errors.As. The code follows from the Rejection's
// Status:
//
//	400, 415, 422  CodeInvalidArgument
//	401            CodeUnauthenticated
//	403            CodePermissionDenied
//	404            CodeNotFound
//	405            CodeUnimplemented
//	409            CodeAlreadyExists
//	413, 429       CodeResourceExhausted
//	503            CodeUnavailable
//
// Any other 4xx is CodeFailedPrecondition, and all else CodeInternal. The details are an ErrorInfo, with
// [usher.Rejection.Reason] as its reason, [Domain], and "scope" and "max_age" (in seconds) as its metadata if the Rejection
// has them; and a RetryInfo, for CodeUnavailable and wherever RetryAfter is set for a 429.
func Error(rej *usher.Rejection) *connect.Error {
	var message error = rej
	if !utf8.ValidString(rej.Error()) {
		message = errors.New(strings.ToValidUTF8(rej.Error(), "?"))
	}
	err := connect.NewError(code(rej), message)
	details := []proto.Message{&errdetails.ErrorInfo{Reason: rej.Reason(), Domain: Domain, Metadata: needs(rej)}}
	if after := retryAfter(rej); after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	for _, message := range details {
		if detail, detailErr := connect.NewErrorDetail(message); detailErr == nil {
			err.AddDetail(detail)
		}
	}
	return err
}

// Reject returns a function for usher.MiddlewareOptions.Reject. It responds to clients that speak Connect, gRPC or gRPC-Web
// with [Error] in their protocol, and to others as usher does. The middleware then refuses requests before Connect sees
// them.
//
// Options are those of the handlers. Of them [connect.WithRequireConnectProtocolHeader] matters: without it, any GET and any
// POST with JSON counts as a call.
func Reject(opts ...connect.HandlerOption) func(w http.ResponseWriter, r *http.Request, rej *usher.Rejection) {
	writer := connect.NewErrorWriter(opts...)
	return func(w http.ResponseWriter, r *http.Request, rej *usher.Rejection) {
		if !writer.IsSupported(r) {
			rej.ServeHTTP(w, r)
			return
		}
		_ = writer.Write(w, r, Error(rej))
	}
}

// code returns the code of a refusal.
func code(rej *usher.Rejection) connect.Code {
	if rej == nil {
		return connect.Code(rpc.Code(http.StatusInternalServerError))
	}
	return connect.Code(rpc.Code(rej.Status))
}

// needs returns what would help, as an HTTP challenge says it.
func needs(rej *usher.Rejection) map[string]string {
	if rej == nil || rej.Scope == "" && rej.MaxAge <= 0 {
		return nil
	}
	needs := map[string]string{}
	if rej.Scope != "" {
		needs["scope"] = strings.ToValidUTF8(rej.Scope, "?")
	}
	if rej.MaxAge > 0 {
		needs["max_age"] = strconv.FormatInt(int64(rej.MaxAge/time.Second), 10)
	}
	return needs
}

// retryAfter returns what the Retry-After header of an HTTP response would say, 0 if there is none.
func retryAfter(rej *usher.Rejection) time.Duration {
	header := http.Header{}
	rej.SetHeaders(header)
	return rpc.RetryAfter(header)
}
