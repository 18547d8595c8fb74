package grpcauth

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/rpc"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the domain of the ErrorInfo in statuses.
const Domain = "github.com/go-usher/usher"

// Status returns the gRPC status of a refusal. Its message is [usher.Rejection.Error], and nothing in it comes from the
// cause. The code follows from the Rejection's Status:
//
//	400, 415, 422  InvalidArgument
//	401            Unauthenticated
//	403            PermissionDenied
//	404            NotFound
//	405            Unimplemented
//	409            AlreadyExists
//	413, 429       ResourceExhausted
//	503            Unavailable
//
// Any other 4xx is FailedPrecondition, and all else Internal. The details are an ErrorInfo, with [usher.Rejection.Reason] as
// its reason, [Domain], and "scope" and "max_age" (in seconds) as its metadata if the Rejection has them; and a RetryInfo,
// for Unavailable and wherever RetryAfter is set for a 429.
func Status(rej *usher.Rejection) *status.Status {
	st := status.New(code(rej), strings.ToValidUTF8(rej.Error(), "?"))
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: rej.Reason(), Domain: Domain, Metadata: needs(rej)}}
	if after := retryAfter(rej); after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st
}

// code returns the code of a refusal.
func code(rej *usher.Rejection) codes.Code {
	if rej == nil {
		return codes.Code(rpc.Code(http.StatusInternalServerError))
	}
	return codes.Code(rpc.Code(rej.Status))
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
