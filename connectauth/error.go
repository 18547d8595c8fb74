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

// Error returns a refusal as Connect's error. Its message is [usher.Rejection.Error]. The client gets nothing from the cause.
// The server's interceptors find the Rejection with errors.As. The code follows from the Rejection's Status:
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
// Any other 4xx is CodeFailedPrecondition, and any other status CodeInternal. The details are an ErrorInfo, and a RetryInfo
// for CodeUnavailable and for a 429 with RetryAfter. The ErrorInfo has [usher.Rejection.Reason] as its reason, [Domain] as its
// domain, and "scope" and "max_age" (in seconds) in its metadata if the Rejection has them.
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

// Reject returns a function for usher.MiddlewareOptions.Reject. Clients that speak Connect, gRPC or gRPC-Web get [Error] in
// their protocol, and others get usher's response. The middleware refuses requests before they reach Connect.
//
// opts are the options of the handlers. Only [connect.WithRequireConnectProtocolHeader] has an effect: without it, any GET and
// any POST with JSON counts as a call.
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

// needs returns the scope and max_age that an HTTP challenge would have.
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

// retryAfter returns the Retry-After that an HTTP response would have, or 0 if none.
func retryAfter(rej *usher.Rejection) time.Duration {
	header := http.Header{}
	rej.SetHeaders(header)
	return rpc.RetryAfter(header)
}
